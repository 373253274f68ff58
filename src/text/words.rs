//! Files for models that are given words: what reads a text knows a word by the space before it, and words have none.

use serde_json::{Value, json};

use super::{
    charsmap::SPACE,
    engine::{self, Engine},
};

/// The same engine, which puts a space before a text that has none: byte-level BPE by its own setting, and where a normalizer
/// turns spaces into pieces by one before it. None where it has neither, or words were not the same.
pub(super) fn spaced(engine: &Engine) -> Option<Engine> {
    let mut file: Value = serde_json::from_str(&engine.to_string(false).ok()?).ok()?;
    let space = SPACE.to_string();
    let normalizer = &file["normalizer"];
    if file["pre_tokenizer"]["type"] == "ByteLevel" {
        file["pre_tokenizer"]["add_prefix_space"] = json!(true);
    } else if normalizer["type"] == "Replace"
        && normalizer["pattern"]["String"] == " "
        && normalizer["content"] == *space
    {
        let prepend = json!({"type": "Prepend", "prepend": space});
        file["normalizer"] = json!({"type": "Sequence", "normalizers": [prepend, normalizer]});
    } else {
        return None;
    }
    let made = engine::from_json(file.to_string().as_bytes()).ok()?;
    let ids = |engine: &Engine, text: &str| Some(engine.encode_fast(text, false).ok()?.get_ids().to_vec());
    let is_same = |word: &&str| ids(&made, word).is_some_and(|found| ids(engine, &format!(" {word}")) == Some(found));
    ["text", "A", "don't", "\u{4f60}\u{597d}", "3.5", "?"].iter().all(is_same).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::super::{FILES, Tokenizer, pieces::tests::byte_level};
    use serde_json::json;
    use std::fs;

    /// A vocabulary as Gemma's: pairs of letters are joined, and spaces are pieces by a normalizer, whose pattern is of a kind.
    fn gemma(pattern: &str) -> String {
        let pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u{2581}", "a", "b", "\u{2581}a", "ab", "\u{2581}ab"];
        let ids: serde_json::Map<_, _> =
            pieces.iter().enumerate().map(|(i, piece)| ((*piece).to_owned(), i.into())).collect();
        let special = |id: usize| {
            json!({"id": id, "content": pieces[id], "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        };
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": (0..5).map(special).collect::<Vec<_>>(),
            "normalizer": {"type": "Replace", "pattern": {pattern: " "}, "content": "\u{2581}"},
            "pre_tokenizer": null,
            "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": true,
                "add_prefix_space": false},
            "decoder": null,
            "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": ids, "merges": ["\u{2581} a", "a b", "\u{2581}a b"]},
        })
        .to_string()
    }

    /// What transformers makes of words is what its file makes of each alone.
    #[test]
    fn a_file_for_words_puts_the_space_itself() {
        let [bytes, pairs, saved] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let by_bytes = byte_level(bytes.path());
        fs::write(pairs.path().join(FILES[0]), gemma("String")).unwrap();
        let by_pairs = Tokenizer::load(pairs.path()).unwrap();
        for (tokenizer, word) in [(&by_bytes, "the"), (&by_pairs, "ab")] {
            let ids = tokenizer.word_tokens(word).unwrap();
            assert_ne!(ids, tokenizer.tokens(word).unwrap(), "a text begins without a space");
            tokenizer.save_for_words(saved.path(), |note| panic!("{note}")).unwrap();
            let again = Tokenizer::load(saved.path()).unwrap();
            assert_eq!([again.tokens(word).unwrap(), again.word_tokens(word).unwrap()], [ids.clone(), ids.clone()]);
            again.save_for_words(saved.path(), |note| panic!("{note}")).unwrap();
            assert_eq!(Tokenizer::load(saved.path()).unwrap().tokens(word).unwrap(), ids, "as it is");
            tokenizer.save(saved.path()).unwrap();
            let plain = Tokenizer::load(saved.path()).unwrap();
            assert_eq!(plain.tokens(word).unwrap(), tokenizer.tokens(word).unwrap());
        }
        fs::write(pairs.path().join(FILES[0]), gemma("Regex")).unwrap();
        let mut said = String::new();
        Tokenizer::load(pairs.path()).unwrap().save_for_words(saved.path(), |note| said = note.to_owned()).unwrap();
        assert!(said.contains("give words so"), "{said}");
    }
}
