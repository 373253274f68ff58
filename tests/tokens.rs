//! Token ids against those of SentencePiece (XLM-R) and of transformers (mBERT, XLM), row by row.
//!
//! `RXLT_GOLDEN_TOKENS` names another file of rows, `RXLT_TOKENIZERS` another folder of tokenizers, and `RXLT_XLM_TOKENS`
//! another one that scripts/make_xlm_tokens.py wrote.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;
use std::{env, fs};

use harness::{Data, Outcome, Test};
use rxlt::text::Tokenizer;
use serde_json::Value;

fn main() {
    harness::run(vec![
        Test::new("tokens::xlmr", || check("xlm-roberta-base/sentencepiece.bpe.model", "xlmr")),
        Test::new("tokens::mbert", || check("bert-base-multilingual-cased/vocab.txt", "mbert")),
        Test::new("tokens::xlm", xlm),
        Test::new("tokens::added", || published("07/model", "07/tokens.json")),
        Test::new("tokens::metaspace", || published("15/model", "15/tokens.json")),
        Test::new("tokens::user_defined", || published("16/model", "16/pieces-model.json")),
        Test::new("tokens::identity", || published("16/model-identity", "16/pieces-model-identity.json")),
    ]);
}

/// Texts in many languages, with lower case and without, before and after the files are written anew.
fn xlm() -> Outcome {
    let ours = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/xlm");
    let folder = env::var_os("RXLT_XLM_TOKENS").map_or(ours, PathBuf::from);
    let text = fs::read_to_string(folder.join("ids.jsonl")).expect("the rows can be read");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect();
    assert!(!rows.is_empty(), "no rows");
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder can be made"));
    for plain in [false, true] {
        for file in fs::read_dir(&folder).expect("the folder can be read").flatten() {
            fs::copy(file.path(), first.path().join(file.file_name())).expect("a file can be copied");
        }
        let config = format!("{{\"do_lowercase_and_remove_accent\": {plain}}}");
        fs::write(first.path().join("tokenizer_config.json"), config).expect("a file can be written");
        let tokenizer = Tokenizer::load(first.path()).expect("the tokenizer loads");
        tokenizer.save(second.path()).expect("the tokenizer can be saved");
        let again = Tokenizer::load(second.path()).expect("the saved tokenizer loads");
        let languages: BTreeSet<&str> = rows.iter().filter_map(|row| row["language"].as_str()).collect();
        let in_language = |language| {
            let spoken = |tokenizer: &Tokenizer| tokenizer.in_languages(language, language).expect("it has rules");
            (language, [spoken(&tokenizer), spoken(&again)])
        };
        let spoken: BTreeMap<&str, [Tokenizer; 2]> = languages.into_iter().map(in_language).collect();
        let of = |row: &Value| &spoken[row["language"].as_str().expect("a row has a language")];
        let n_wrong = rows.iter().filter(|row| row["plain"] == plain && !same_ids(of(row), row)).count();
        assert_eq!(n_wrong, 0, "of {} rows", rows.len());
    }
    Outcome::Passed
}

fn same_ids(tokenizers: &[Tokenizer; 2], row: &Value) -> bool {
    let text = row["a"].as_str().expect("a row has a text");
    let expected = row["ids"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    let expected: Vec<u32> = expected.map(|id| id as u32).collect();
    tokenizers.iter().all(|tokenizer| {
        let ids = tokenizer.encode(text, row["b"].as_str(), usize::MAX).expect("the text can be encoded").ids;
        if ids != expected {
            let pieces = |ids: &[u32]| ids.iter().filter_map(|id| tokenizer.piece(*id)).collect::<Vec<_>>().join(" ");
            println!("{} {text:?}: expected {}, got {}", row["language"], pieces(&expected), pieces(&ids));
        }
        ids == expected
    })
}

/// Texts with their tokens by the library that a model's tokenizer was made for.
fn published(model: &str, texts: &str) -> Outcome {
    let cases = harness::shared_folder().join("cases");
    match harness::present(cases.join(texts)) {
        Err(outcome) => outcome,
        Ok(texts) => {
            let tokenizer = Tokenizer::load(&cases.join(model)).expect("the tokenizer loads");
            let texts = serde_json::from_slice(&fs::read(texts).expect("the texts can be read"));
            let texts: serde_json::Map<String, Value> = texts.expect("the texts are JSON");
            texts.iter().for_each(|(text, expected)| compare_published(&tokenizer, text, expected));
            Outcome::Passed
        }
    }
}

/// `expected` is a list of pieces, or such a list and one of ids.
fn compare_published(tokenizer: &Tokenizer, text: &str, expected: &Value) {
    let ids = tokenizer.tokens(text).expect("the text can be encoded");
    if let Some(wanted) = expected[1].as_array() {
        let framed = tokenizer.encode(text, None, 99).expect("the text can be encoded").ids;
        assert_eq!(
            wanted.iter().filter_map(Value::as_u64).collect::<Vec<_>>(),
            framed.into_iter().map(u64::from).collect::<Vec<_>>(),
            "{text:?}"
        );
        return;
    }
    let pieces: Vec<String> = ids.iter().map(|id| tokenizer.piece(*id).expect("every id has a piece")).collect();
    let wanted: Vec<&str> = expected.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let wanted: Vec<&str> = wanted.into_iter().filter(|piece| !["<s>", "</s>"].contains(piece)).collect();
    assert_eq!(pieces, wanted, "{text:?}");
}

fn check(file: &str, key: &str) -> Outcome {
    compare(file, key).err().unwrap_or(Outcome::Passed)
}

fn compare(file: &str, key: &str) -> Result<(), Outcome> {
    let rows = match env::var_os("RXLT_GOLDEN_TOKENS") {
        Some(path) => harness::present(PathBuf::from(path))?,
        None => harness::golden("tokenizer/tokens.jsonl")?,
    };
    let (tokenizers, _unpacked): (PathBuf, Option<Data>) = match env::var_os("RXLT_TOKENIZERS") {
        Some(folder) => (PathBuf::from(folder), None),
        None => harness::data("tokenizers").map(|data| (data.path.clone(), Some(data)))?,
    };
    let path = harness::present(tokenizers.join(file))?;
    let start = Instant::now();
    let tokenizer = Tokenizer::load(&path).expect("the tokenizer loads");
    println!("{key}: {} ids, loaded in {:.2} s", tokenizer.n_ids(), start.elapsed().as_secs_f64());

    let saved = tempfile::tempdir().expect("a temporary folder can be made");
    tokenizer.save(saved.path()).expect("the tokenizer can be saved");
    let start = Instant::now();
    let reloaded = Tokenizer::load(saved.path()).expect("the saved tokenizer loads");
    println!("{key}: saved and loaded again in {:.2} s", start.elapsed().as_secs_f64());

    let text = fs::read_to_string(&rows).expect("the golden rows are text");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect();
    assert!(!rows.is_empty(), "no golden rows");
    for tokenizer in [&tokenizer, &reloaded] {
        let n_wrong = rows.iter().filter(|row| !equal(tokenizer, row, key)).count();
        assert_eq!(n_wrong, 0, "of {} rows", rows.len());
    }
    let start = Instant::now();
    rows.iter().for_each(|row| _ = encode(&tokenizer, row));
    println!("{key}: {:.0} µs a row", start.elapsed().as_secs_f64() * 1e6 / rows.len() as f64);
    Ok(())
}

fn encode(tokenizer: &Tokenizer, row: &Value) -> Vec<u32> {
    let text = |key: &str| row[key].as_str().expect("a row has both texts");
    let pair = Some(text("b")).filter(|b| !b.is_empty());
    tokenizer.encode(text("a"), pair, usize::MAX).expect("the row can be encoded").ids
}

fn equal(tokenizer: &Tokenizer, row: &Value, key: &str) -> bool {
    let ids = encode(tokenizer, row);
    let expected = row[key].as_array().expect("a row has its ids").iter().map(Value::as_u64);
    let same = expected.eq(ids.iter().map(|id| Some(u64::from(*id))));
    if !same {
        println!("{key}: {} | {}: expected {}, got {ids:?}", row["a"], row["b"], row[key]);
    }
    same
}
