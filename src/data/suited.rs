//! Whether a tokenizer is a model's own: sizes, special tokens, token types.

use std::path::Path;

use crate::{
    error::{Error, Result},
    models::{Config, HeadKind, families::Positions},
    text::Tokenizer,
};

/// Tables are rounded up to a multiple of 128 at most, or have some rows for tokens that were added later: a table with
/// more rows beyond the tokenizer's ids than this and [`SPARE_SHARE`] of it belongs to another tokenizer. XLM-R's and
/// mBERT's have none, MiniLM's (250,037 for 250,002) has 35.
const SPARE_ROWS: usize = 128;
/// Of mDeBERTa's 251,000 rows, 0.4 % have no token: the most that is known of a published model.
const SPARE_SHARE: usize = 100; // one in so many

/// The tokenizer as the model needs it: with no token types that the model does not know, and with the numbers of the
/// languages that it tells apart. Refuses one that is not the
/// model's; `note` takes what is odd but may be right.
pub fn suited(tokenizer: &Tokenizer, config: &Config, mut note: impl FnMut(&str)) -> Result<Tokenizer> {
    tokenizer.notes().iter().for_each(|known| note(&format!("{}: {known}", tokenizer.source())));
    check_size(tokenizer, config, &mut note)?;
    check_specials(tokenizer, config)?;
    let tokenizer = tokenizer.with_types(config.type_vocab_size)?;
    match (config.n_languages > 1, config.languages.is_empty()) {
        (false, _) => Ok(tokenizer),
        (true, false) => Ok(tokenizer.with_languages(config.languages.clone())),
        (true, true) => Err(Error::Data(format!(
            "{}: the model has embeddings of {} languages (use_lang_emb), and its config.json does not say which is which; \
             add lang2id, an object of names and numbers, from the model's page",
            tokenizer.source(),
            config.n_languages
        ))),
    }
}

/// Writes the tokenizer beside a model with this head: one that tags is given words.
pub fn save_beside(tokenizer: &Tokenizer, head: &HeadKind, folder: &Path, note: impl FnOnce(&str)) -> Result<()> {
    match head {
        HeadKind::Tag(_) => tokenizer.save_for_words(folder, note),
        _ => tokenizer.save(folder),
    }
}

fn check_size(tokenizer: &Tokenizer, config: &Config, note: &mut impl FnMut(&str)) -> Result<()> {
    let (source, n_ids, rows) = (tokenizer.source(), tokenizer.n_ids(), config.vocab_size);
    let sizes = format!("{source}: {n_ids} ids, and the model's config.json has a vocab_size of {rows}");
    let Some(spare) = rows.checked_sub(n_ids) else {
        return Err(Error::Data(format!("{sizes}; take tokenizer and model from one folder")));
    };
    let most = SPARE_ROWS.max(rows / SPARE_SHARE);
    if spare > most {
        return Err(Error::Data(format!(
            "{sizes}: expected at most {most} rows without a token, found {spare}: the file is cut short or another model's; \
             fetch it again from the model's page (a model that really has so many comes with a tokenizer padded by \
             entries such as [unused1])"
        )));
    }
    if spare > 0 {
        note(&format!(
            "{sizes}: {spare} rows without a token, as many published tables have (a file that was cut has them, too)"
        ));
    }
    Ok(())
}

/// Compares the special tokens with the ids of config.json, where a RoBERTa has them: its positions depend on padding.
///
/// BERT's own configurations often carry ids that mean nothing. A RoBERTa with BERT's tokenizer, such as KLUE's, has
/// the tokenizer's padding and one row for each id, while bos and eos may be left at what transformers writes unasked.
fn check_specials(tokenizer: &Tokenizer, config: &Config) -> Result<()> {
    if config.architecture.positions == Positions::FromZero {
        return Ok(());
    }
    let specials = tokenizer.specials();
    let padding = ("pad_token_id", config.pad_token_id as u64, specials.pad);
    let same_size = tokenizer.n_ids() == config.vocab_size;
    let ends = [("bos_token_id", specials.first), ("eos_token_id", specials.last)];
    let ends = ends.into_iter().filter_map(|(key, id)| Some((key, config.id(key)?, id))).filter(|_| !same_size);
    match std::iter::once(padding).chain(ends).find(|(_, wanted, found)| *wanted != u64::from(*found)) {
        None => Ok(()),
        Some((key, wanted, found)) => Err(Error::Data(format!(
            "{}: not the tokenizer of this model: config.json says {key} {wanted}, and the tokenizer has {found} (\"{}\"); \
             take tokenizer and model from one folder",
            tokenizer.source(),
            tokenizer.decode(&[found])
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::fs;

    const VOCAB: [&str; 7] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat"];

    fn tokenizer(n_words: usize) -> (tempfile::TempDir, Tokenizer) {
        let folder = tempfile::tempdir().unwrap();
        let words = (0..n_words).map(|i| format!("w{i}"));
        let lines: Vec<String> = VOCAB.iter().map(|word| (*word).to_string()).chain(words).collect();
        fs::write(folder.path().join("vocab.txt"), lines.join("\n")).unwrap();
        fs::write(folder.path().join("tokenizer_config.json"), r#"{"do_lower_case": true}"#).unwrap();
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        (folder, tokenizer)
    }

    fn config(kind: &str, rows: usize, types: usize, ids: Value) -> Config {
        let mut raw = json!({
            "model_type": kind, "vocab_size": rows, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 6, "max_position_embeddings": 12, "type_vocab_size": types, "hidden_act": "gelu",
        });
        let raw = raw.as_object_mut().unwrap();
        raw.extend(ids.as_object().unwrap().clone());
        Config::new(raw.clone()).unwrap()
    }

    #[test]
    fn a_tokenizer_of_another_model_is_refused() {
        let ids =
            |pad: u32, first: u32, last: u32| json!({"pad_token_id": pad, "bos_token_id": first, "eos_token_id": last});
        for (kind, words, rows, types, ids, expected) in [
            ("bert", 0, 7, 2, json!({}), Ok(0)),
            ("bert", 0, 8, 2, json!({}), Ok(1)),
            ("bert", 0, 6, 2, json!({}), Err("7 ids, and the model's config.json has a vocab_size of 6")),
            ("bert", 0, 7 + 128, 2, json!({}), Ok(1)),
            ("bert", 0, 7 + 129, 2, json!({}), Err("at most 128 rows without a token, found 129")),
            ("bert", 19_793, 20_000, 2, json!({}), Ok(1)),
            ("bert", 19_792, 20_000, 2, json!({}), Err("at most 200 rows without a token, found 201")),
            ("bert", 0, 7, 2, ids(0, 0, 2), Ok(0)),
            ("bert", 0, 7, 1, json!({}), Ok(0)),
            ("roberta", 0, 7, 1, ids(0, 2, 3), Ok(0)),
            ("roberta", 0, 7, 1, ids(0, 0, 2), Ok(0)),
            (
                "roberta",
                0,
                8,
                1,
                ids(0, 0, 2),
                Err("config.json says bos_token_id 0, and the tokenizer has 2 (\"[CLS]\")"),
            ),
            (
                "roberta",
                0,
                8,
                1,
                ids(0, 2, 2),
                Err("config.json says eos_token_id 2, and the tokenizer has 3 (\"[SEP]\")"),
            ),
            ("xlm-roberta", 0, 7, 1, ids(1, 0, 2), Err("config.json says pad_token_id 1, and the tokenizer has 0")),
        ] {
            let (_folder, tokenizer) = tokenizer(words);
            let mut notes = 0;
            let got = suited(&tokenizer, &config(kind, rows, types, ids), |_| notes += 1);
            match (expected, got) {
                (Ok(n), Ok(_)) => assert_eq!(notes, n, "{kind} {rows}"),
                (Err(part), Err(error)) => assert!(error.message().contains(part), "{error}"),
                (expected, got) => panic!("{kind} {rows}: expected {expected:?}, got {got:?}"),
            }
        }
    }

    #[test]
    fn token_types_are_those_the_model_knows() {
        let (_folder, tokenizer) = tokenizer(0);
        for (types, expected) in [(1, [0, 0, 0, 0, 0]), (2, [0, 0, 0, 1, 1]), (3, [0, 0, 0, 1, 1])] {
            let config = config("bert", 7, types, json!({}));
            let suited = suited(&tokenizer, &config, |_| ()).unwrap();
            let encoded = suited.encode("the", Some("cat"), 9).unwrap();
            assert_eq!((&encoded.ids[..], &encoded.types[..]), (&[2, 5, 3, 6, 3][..], &expected[..]));
        }
    }

    #[test]
    fn embeddings_of_languages_are_found_by_their_names() {
        let (_folder, tokenizer) = tokenizer(0);
        let of = |n_languages: usize, lang2id: Value| {
            let raw = json!({
                "model_type": "xlm", "vocab_size": 7, "emb_dim": 4, "n_layers": 1, "n_heads": 2,
                "max_position_embeddings": 12, "n_langs": n_languages, "lang2id": lang2id,
            });
            suited(&tokenizer, &Config::new(raw.as_object().unwrap().clone()).unwrap(), |_| ())
        };
        assert!(!of(1, json!({"en": 0})).unwrap().minds_languages());
        assert!(of(15, json!({"en": 4})).unwrap().languages().eq(["en"]));
        let error = of(15, Value::Null).map(drop).unwrap_err();
        assert!(error.message().contains("embeddings of 15 languages"), "{error}");
    }
}
