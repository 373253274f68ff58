//! Tests of the whole path from file to ids, on small files of our own.

use super::*;
use charsmap::tests::small_table;
use sentencepiece::tests::{model_of, piece, small_model};
use std::collections::HashSet;

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

const VOCAB: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nThe\ncat\n##s\nsit\n你\n,\ne\n";

fn xlmr(folder: &Path) -> Tokenizer {
    write(folder, FILES[1], small_model(1, &small_table()));
    Tokenizer::load(folder).unwrap()
}

#[test]
fn sentencepiece_models_get_fairseq_ids() {
    let folder = folder();
    let tokenizer = xlmr(folder.path());
    assert_eq!(tokenizer.n_ids(), 8);
    assert_eq!(tokenizer.specials(), Specials { first: 0, pad: 1, last: 2, unknown: 3, mask: 7 });
    for (a, b, ids) in [
        ("", None, &[0, 2][..]),
        ("  ", None, &[0, 2]),
        ("a  ab", None, &[0, 4, 5, 4, 6, 2]), // ▁ a ▁ ab
        ("A zz<mask>", None, &[0, 4, 5, 4, 3, 7, 2]),
        ("a </s>a", None, &[0, 4, 5, 2, 4, 5, 2]),
        ("＜s＞", None, &[0, 4, 3, 2]),
        ("a", Some(""), &[0, 4, 5, 2, 2, 2]),
        ("a", Some("ab"), &[0, 4, 5, 2, 2, 4, 6, 2]),
    ] {
        let encoded = tokenizer.encode(a, b, 99).unwrap();
        assert_eq!((&encoded.ids[..], encoded.n_truncated), (ids, 0), "{a:?} {b:?}");
        assert_eq!(encoded.types, vec![0; ids.len()]);
        assert_eq!(encoded.n_unknown, ids.iter().filter(|id| **id == 3).count());
    }
    assert_eq!(tokenizer.decode(&[0, 4, 5, 4, 6, 2]), "<s> a ab</s>");
    assert_eq!((0..9).filter(|id| tokenizer.is_special(*id)).collect::<Vec<_>>(), [0, 1, 2, 3, 7]);
}

/// transformers' CamembertTokenizer: pieces four later, `<s>` and `</s>` among them; XLM-R's file looks the same.
#[test]
fn camembert_is_told_from_xlmr_by_what_stands_beside() {
    let [model, json] = [folder(), folder()];
    write(model.path(), FILES[1], small_model(1, &small_table()));
    let ids = |folder: &Path| Tokenizer::load(folder).unwrap().encode("a  ab", Some("A<mask>"), 99).unwrap().ids;
    let (of_xlmr, of_camembert) = ([0, 4, 5, 4, 6, 2, 2, 4, 5, 7, 2], [5, 7, 8, 7, 9, 6, 6, 7, 8, 10, 6]);
    for (config, class, expected) in [
        (json!({"model_type": "camembert"}), json!({}), &of_camembert),
        (json!({"model_type": "camembert"}), json!({"tokenizer_class": "CamembertTokenizerFast"}), &of_camembert),
        (json!({"model_type": "roberta"}), json!({"tokenizer_class": "CamembertTokenizer"}), &of_camembert),
        (json!({"model_type": "camembert"}), json!({"tokenizer_class": "XLMRobertaTokenizer"}), &of_xlmr),
        (json!({"model_type": "xlm-roberta"}), json!({}), &of_xlmr),
    ] {
        write(model.path(), "config.json", config.to_string());
        write(model.path(), CONFIG, class.to_string());
        assert_eq!(ids(model.path()), expected, "{config} {class}");
        let tokenizer = Tokenizer::load(model.path()).unwrap();
        tokenizer.save(json.path()).unwrap();
        let again = Tokenizer::load(json.path()).unwrap();
        assert_eq!((ids(json.path()), again.n_ids()), (expected.to_vec(), tokenizer.n_ids()));
        assert_eq!(again.specials(), tokenizer.specials());
    }
    write(model.path(), CONFIG, r#"{"tokenizer_class": "CamembertTokenizer"}"#);
    let tokenizer = Tokenizer::load(model.path()).unwrap();
    assert_eq!(tokenizer.specials(), Specials { first: 5, pad: 1, last: 6, unknown: 3, mask: 10 });
    assert_eq!((tokenizer.n_ids(), tokenizer.tokens("A zz").unwrap()), (11, vec![7, 8, 7, 3]));
}

/// DeBERTa's pieces with its specials in front.
fn deberta(unknown: u8) -> Vec<u8> {
    let front = [("[PAD]", 0.0, 3), ("[CLS]", 0.0, 3), ("[SEP]", 0.0, 3), ("[UNK]", 0.0, unknown)];
    let pieces = [&front[..], &[("▁", -1.0, 1), ("a", -2.0, 1), ("ab", -2.5, 1), ("sep", 0.0, 4)]].concat();
    model_of(&pieces, 1, &small_table())
}

#[test]
fn deberta_models_keep_the_ids_of_their_pieces() {
    let [model, json] = [folder(), folder()];
    write(model.path(), "spm.model", deberta(2));
    let first = Tokenizer::load(model.path()).unwrap();
    first.save(json.path()).unwrap();
    for tokenizer in [&first, &Tokenizer::load(json.path()).unwrap()] {
        assert_eq!(tokenizer.n_ids(), 9);
        assert_eq!(tokenizer.specials(), Specials { first: 1, pad: 0, last: 2, unknown: 3, mask: 8 });
        for (a, b, ids, types) in [
            ("", None, &[1, 2][..], &[0, 0][..]),
            ("a  ab", None, &[1, 4, 5, 4, 6, 2], &[0; 6]), // ▁ a ▁ ab
            ("A zz[MASK]", None, &[1, 4, 5, 4, 3, 8, 2], &[0; 7]),
            ("［CLS］ sepa", None, &[1, 4, 3, 4, 7, 5, 2], &[0; 7]),
            ("a", Some("ab"), &[1, 4, 5, 2, 4, 6, 2], &[0, 0, 0, 0, 1, 1, 1]),
        ] {
            let encoded = tokenizer.encode(a, b, 99).unwrap();
            assert_eq!((&encoded.ids[..], &encoded.types[..]), (ids, types), "{a:?} {b:?}");
            let of_one_type = tokenizer.with_types(1).unwrap().encode(a, b, 99).unwrap();
            assert_eq!((&of_one_type.ids[..], &of_one_type.types[..]), (ids, &vec![0; ids.len()][..]));
        }
    }
    let config: Value = serde_json::from_slice(&fs::read(json.path().join(CONFIG)).unwrap()).unwrap();
    assert_eq!(
        (&config["tokenizer_class"], &config["mask_token"]),
        (&json!("PreTrainedTokenizerFast"), &json!("[MASK]"))
    );
}

#[test]
fn other_models_with_specials_of_deberta_are_refused() {
    let lacking = model_of(&[("[CLS]", 0.0, 3), ("[UNK]", 0.0, 2), ("a", -1.0, 1)], 1, &small_table());
    for (model, config, reason) in [
        (deberta(1), json!({}), "its piece \"[UNK]\" has the type 1"),
        (lacking, json!({}), "its pieces lack \"[PAD]\""),
        (deberta(2), json!({"do_lower_case": true}), "\"do_lower_case\" is true"),
    ] {
        let folder = folder();
        write(folder.path(), "spm.model", model);
        write(folder.path(), CONFIG, config.to_string());
        let error = Tokenizer::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn vocabularies_are_cased_where_they_have_capitals_unless_told_otherwise() {
    let folder = folder();
    let path = write(folder.path(), "vocab.txt", VOCAB.replace('\n', "\r\n"));
    let unsaid = Tokenizer::load(&path).unwrap();
    let lower = tempfile::tempdir().unwrap();
    let path = write(lower.path(), "vocab.txt", VOCAB.replace("\nThe\n", "\nthey\n"));
    let small = Tokenizer::load(&path).unwrap();
    write(folder.path(), CONFIG, r#"{"do_lower_case": false, "pad_token": {"content": "[PAD]"}}"#);
    let cased = Tokenizer::load(folder.path()).unwrap();
    write(folder.path(), CONFIG, r#"{"do_lower_case": true, "unk_token": "[MASK]"}"#);
    let uncased = Tokenizer::load(folder.path()).unwrap();
    for (tokenizer, says) in [(&unsaid, "pieces have capitals: texts are read as they are"), (&small, "in lower case")]
    {
        let notes = tokenizer.notes();
        assert!(notes[0].contains("does not say do_lower_case") && notes[0].contains(says), "{notes:?}");
    }
    assert!(cased.notes().is_empty() && uncased.notes().is_empty());
    assert_eq!(uncased.tokens("the \u{4e01}").unwrap(), [5, 4], "unk_token is followed");
    for (tokenizer, a, b, ids, types) in [
        (&cased, "The cats", None, &[2, 6, 7, 8, 3][..], &[0, 0, 0, 0, 0][..]),
        (&cased, "THE é[MASK]", None, &[2, 1, 1, 4, 3], &[0, 0, 0, 0, 0]),
        (&cased, "the你", Some(","), &[2, 5, 10, 3, 11, 3], &[0, 0, 0, 0, 1, 1]),
        (&uncased, "THE é", None, &[2, 5, 12, 3], &[0, 0, 0, 0]),
        (&unsaid, "The cats", None, &[2, 6, 7, 8, 3], &[0, 0, 0, 0, 0]),
        (&small, "THE é", None, &[2, 5, 12, 3], &[0, 0, 0, 0]),
    ] {
        let encoded = tokenizer.encode(a, b, 99).unwrap();
        assert_eq!((&encoded.ids[..], &encoded.types[..]), (ids, types), "{a} {b:?}");
    }
    assert_eq!(cased.specials(), Specials { first: 2, pad: 0, last: 3, unknown: 1, mask: 4 });
}

/// Ids are those of transformers 5.24 for the same files.
#[test]
fn tokens_beside_a_vocabulary_are_added() {
    let folder = folder();
    let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nThe\ncat\n##s\ne\nnew\n";
    write(folder.path(), "vocab.txt", vocabulary);
    let tokens = |text: &str| Tokenizer::load(folder.path()).unwrap().tokens(text).unwrap();
    write(folder.path(), "added_tokens.json", r#"{"MyTok": 12, "[NEW]": 11}"#);
    write(folder.path(), CONFIG, r#"{"do_lower_case": true}"#);
    assert_eq!(tokens("The [NEW] cats mytok MyTok [new]"), [5, 11, 7, 8, 12, 12, 11]);
    assert_eq!(Tokenizer::load(folder.path()).unwrap().n_ids(), 13);
    let token = |name: &str, normalized: bool, special: bool| {
        json!({"content": name, "lstrip": false, "normalized": normalized, "rstrip": false, "single_word": !special,
               "special": special})
    };
    let by_id = json!({"11": token("[NEW]", false, true), "12": token("MyTok", true, false)});
    write(folder.path(), CONFIG, json!({"do_lower_case": true, "added_tokens_decoder": by_id}).to_string());
    assert_eq!(tokens("The [NEW] cats mytok MyTok MyToks"), [5, 11, 7, 8, 12, 12, 1]);
    let json = tempfile::tempdir().unwrap();
    Tokenizer::load(folder.path()).unwrap().save(json.path()).unwrap();
    let saved = Tokenizer::load(json.path()).unwrap();
    assert_eq!(saved.tokens("The [NEW] cats mytok MyToks").unwrap(), [5, 11, 7, 8, 12, 1]);
    fs::remove_file(folder.path().join("added_tokens.json")).unwrap();
    for key in ["extra_special_tokens", "additional_special_tokens"] {
        write(folder.path(), CONFIG, json!({"do_lower_case": true, key: ["cat", "zzz"]}).to_string());
        assert_eq!(tokens("The cats zzz catalog"), [5, 7, 1, 11, 7, 1], "{key}");
    }
    let wrong = json!({"added_tokens_decoder": {"20": token("[NEW]", false, true)}});
    write(folder.path(), CONFIG, wrong.to_string());
    let error = Tokenizer::load(folder.path()).unwrap_err();
    assert!(error.message().contains("gives the added token \"[NEW]\" the id 20, where it would be 11"), "{error}");
    // Other frames than BERT's are refused, wherever they are named.
    write(folder.path(), CONFIG, r#"{"do_lower_case": true}"#);
    write(folder.path(), "special_tokens_map.json", r#"{"cls_token": "[SEP]", "sep_token": "[CLS]"}"#);
    assert!(Tokenizer::load(folder.path()).is_err());
}

#[test]
fn a_config_beside_bert_is_followed() {
    let [vocab, json] = [folder(), folder()];
    write(vocab.path(), "vocab.txt", VOCAB);
    write(vocab.path(), CONFIG, r#"{"do_lower_case": false}"#);
    Tokenizer::load(vocab.path()).unwrap().save(json.path()).unwrap();
    for (config, ids, notes) in [
        (json!({"do_lower_case": false, "strip_accents": null, "tokenize_chinese_chars": true}), [6, 1, 1], 0),
        (json!({"tokenizer_class": "BertTokenizer"}), [6, 1, 1], 0),
        (json!({"tokenizer_class": "BertTokenizer", "do_lower_case": true}), [5, 12, 12], 1),
        (json!({"do_lower_case": true, "strip_accents": false}), [5, 12, 1], 2),
        (json!({"strip_accents": true}), [6, 1, 12], 1),
        (json!({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": true}), [6, 1, 1], 0),
    ] {
        write(json.path(), CONFIG, config.to_string());
        let tokenizer = Tokenizer::load(json.path()).unwrap();
        assert_eq!(tokenizer.tokens("The E é").unwrap(), ids, "{config}");
        assert_eq!(tokenizer.notes().len(), notes, "{config}: {:?}", tokenizer.notes());
    }
}

/// A model with the user-defined piece `sep` whose spaces are treated as these flags say.
fn model_with_symbol(prefix: u8, squeeze: u8, charsmap: &[u8]) -> Vec<u8> {
    let [mut model, spaces] = [small_model(1, charsmap), vec![0x1a, 4, 3 << 3, prefix, 4 << 3, squeeze]];
    let at = model.windows(2).position(|bytes| bytes == [0x12, 0x82]).unwrap(); // the trainer's settings
    model.splice(at..at, [piece("sep", 0.0, 4), piece("A", -9.0, 1)].concat());
    [model, spaces].concat()
}

#[test]
fn user_defined_pieces_and_spaces_are_as_in_sentencepiece() {
    // ▁ 4, a 5, ab 6, sep 7, A 8, the mask 9; the table makes a of A.
    for (prefix, squeeze, table, rows) in [
        (1, 1, &small_table()[..], [&[4, 5, 4, 7, 4, 5][..], &[4, 7, 5], &[4, 5, 4, 5]]),
        (1, 0, &small_table()[..], [&[4, 5, 4, 7, 4, 5], &[4, 7, 5], &[4, 4, 4, 5, 4, 4, 5, 4]]),
        (0, 1, &small_table()[..], [&[5, 4, 7, 4, 5], &[7, 5], &[5, 4, 5]]),
        (1, 0, &[][..], [&[4, 5, 4, 7, 4, 8], &[4, 7, 5], &[4, 4, 4, 5, 4, 4, 5, 4]]),
        (0, 0, &[][..], [&[5, 4, 7, 4, 8], &[7, 5], &[4, 4, 5, 4, 4, 5, 4]]),
    ] {
        let [model, json] = [folder(), folder()];
        write(model.path(), FILES[1], model_with_symbol(prefix, squeeze, table));
        let first = Tokenizer::load(model.path()).unwrap();
        first.save(json.path()).unwrap();
        for tokenizer in [&first, &Tokenizer::load(json.path()).unwrap()] {
            for (text, ids) in ["a sep A", "sepa", "  a  a "].into_iter().zip(rows) {
                assert_eq!(tokenizer.tokens(text).unwrap(), ids, "{prefix} {squeeze} {text:?}");
            }
        }
    }
    let cut = small_model(1, &small_table());
    let folder = folder();
    let after_pieces = cut.windows(2).position(|bytes| bytes == [0x12, 0x82]).unwrap();
    let error = Tokenizer::load(&write(folder.path(), FILES[1], &cut[..after_pieces])).unwrap_err();
    assert!(error.message().contains("ends after 6 pieces"), "{error}");
}

#[test]
fn added_tokens_are_found_in_normalized_text() {
    let folder = folder();
    xlmr(folder.path()).save(folder.path()).unwrap();
    let mut file: Value = serde_json::from_slice(&fs::read(folder.path().join(FILES[0])).unwrap()).unwrap();
    let token = json!({"id": 8, "content": "AB", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": true, "special": false});
    file["added_tokens"].as_array_mut().unwrap().push(token);
    write(folder.path(), FILES[0], file.to_string());
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    // The table makes "x y" of AB.
    for (text, ids) in [("AB", &[8][..]), ("x  y", &[8]), ("aAB", &[4, 5, 8]), ("x", &[4, 3]), ("ab", &[4, 6])] {
        assert_eq!(tokenizer.tokens(text).unwrap(), ids, "{text:?}");
    }
}

#[test]
fn the_longer_sequence_is_cut_first() {
    for (a, b, room, expected) in [
        (5, 3, 8, (5, 3)),
        (5, 3, 7, (4, 3)),
        (9, 3, 6, (3, 3)),
        (9, 3, 5, (3, 2)),
        (3, 9, 5, (3, 2)),
        (4, 4, 7, (4, 3)),
        (4, 0, 2, (2, 0)),
        (4, 4, 0, (0, 0)),
    ] {
        assert_eq!(longest_first(a, b, room), expected, "{a} {b} {room}");
    }
    let folder = folder();
    let tokenizer = xlmr(folder.path());
    let cut = tokenizer.encode("a a", Some("a"), 8).unwrap();
    assert_eq!((cut.ids, cut.n_truncated), (vec![0, 4, 5, 2, 2, 4, 5, 2], 2));
    assert!(tokenizer.encode("a", Some("a"), 4).is_ok());
    let error = tokenizer.encode("a", Some("a"), 3).unwrap_err();
    assert!(matches!(&error, Error::Config(m) if m.contains("4 special tokens")), "{error}");
}

#[test]
fn a_batch_equals_its_parts() {
    let folder = folder();
    let tokenizer = xlmr(folder.path());
    let texts = [("a", None), ("ab", Some("a")), ("", Some(""))];
    let batch = tokenizer.encode_batch(&texts, 6).unwrap();
    for ((a, b), encoded) in texts.into_iter().zip(batch) {
        assert_eq!(tokenizer.encode(a, b, 6).unwrap(), encoded);
    }
    assert!(tokenizer.encode_batch(&texts, 1).is_err());
}

#[test]
fn a_saved_tokenizer_is_the_same_tokenizer() {
    let [from, to, again] = [folder(), folder(), folder()];
    let bert = folder();
    write(bert.path(), "vocab.txt", VOCAB);
    let trained = Tokenizer::train_unigram(corpus(), 60, false).unwrap();
    for tokenizer in [xlmr(from.path()), Tokenizer::load(bert.path()).unwrap(), trained] {
        tokenizer.save(to.path()).unwrap();
        let loaded = Tokenizer::load(to.path()).unwrap();
        loaded.save(again.path()).unwrap();
        for name in [FILES[0], CONFIG] {
            assert!(fs::read(to.path().join(name)).unwrap() == fs::read(again.path().join(name)).unwrap());
        }
        assert_eq!((loaded.n_ids(), loaded.specials()), (tokenizer.n_ids(), tokenizer.specials()));
        for text in ["The cats ab  a", "\tABA <mask> x", "brown dogs\u{7f}jump", "ﬁne ＜s＞"] {
            let (a, b) = (tokenizer.encode(text, Some("a"), 99), loaded.encode(text, Some("a"), 99));
            assert_eq!(a, b, "{text}");
        }
    }
}

fn corpus() -> impl Iterator<Item = String> {
    let parts = ["ka", "mo", "ri", "ße", "dun", "so", "le", "pa", "犬", "が", "tik", "un", "quo"];
    let word = move |i: usize| [parts[i % 13], parts[i * i % 11], parts[i / 3 % 7], parts[i / 5 % 13]].concat();
    (0..900).map(move |i| format!("{}  {}\t{} <s>", word(i % 61), word(i % 89), word(i)))
}

#[test]
fn training_is_deterministic_and_fills_the_vocabulary() {
    let bytes = |tokenizer: &Tokenizer| tokenizer.inner.engine.to_string(false).unwrap();
    let first = Tokenizer::train_unigram(corpus(), 60, false).unwrap();
    assert_eq!(first.n_ids(), 60);
    assert_eq!(first.specials(), Specials { first: 0, pad: 1, last: 2, unknown: 3, mask: 59 });
    for _ in 0..3 {
        assert_eq!(bytes(&first), bytes(&Tokenizer::train_unigram(corpus(), 60, false).unwrap()));
    }
    let encoded = first.encode("kamo\u{a0} rißedun <mask>", Some("犬 quo"), 99).unwrap();
    assert_eq!((encoded.n_unknown, encoded.ids[0]), (0, 0));
    assert_eq!(first.decode(&encoded.ids), "<s> kamo rißedun<mask></s></s> 犬 quo</s>");
    let pieces: HashSet<_> = first.inner.engine.get_vocab(true).into_keys().collect();
    assert_eq!(pieces.len(), 60);

    let lower = Tokenizer::train_unigram(corpus(), 60, true).unwrap();
    assert_eq!(lower.tokens("KAMO RißEDUN").unwrap(), lower.tokens("kamo rißedun").unwrap());
    assert_ne!(first.tokens("KAMO").unwrap(), first.tokens("kamo").unwrap());

    assert!(Tokenizer::train_unigram(corpus(), 100_000, false).unwrap().n_ids() < 10_000);
    assert!(matches!(Tokenizer::train_unigram(corpus(), 20, false), Err(Error::Config(_))));
    assert!(matches!(Tokenizer::train_unigram(std::iter::empty(), 60, false), Err(Error::Data(_))));
}

/// A tokenizer.json with one part replaced.
fn broken_json(part: &str, value: Value) -> String {
    let folder = folder();
    xlmr(folder.path()).save(folder.path()).unwrap();
    let text = fs::read_to_string(folder.path().join(FILES[0])).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    *json.pointer_mut(part).unwrap() = value;
    json.to_string()
}

#[test]
fn older_exports_of_xlmr_give_the_same_ids() {
    let [model, json] = [folder(), folder()];
    let tokenizer = xlmr(model.path());
    let metaspace = json!({"type": "Metaspace", "replacement": "▁", "str_rep": "▁", "add_prefix_space": true});
    let splitters = json!([{"type": "WhitespaceSplit"}, metaspace]);
    let text = broken_json("/pre_tokenizer", json!({"type": "Sequence", "pretokenizers": splitters}));
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["normalizer"] = value["normalizer"]["normalizers"][0].take();
    write(json.path(), FILES[0], value.to_string());
    let older = Tokenizer::load(json.path()).unwrap();
    for text in ["", " a  ab ", "ABA\ta <mask> a", "a▁b"] {
        assert_eq!(tokenizer.encode(text, None, 99), older.encode(text, None, 99), "{text}");
    }
}

#[test]
fn damaged_bytes_never_end_the_program() {
    let folder = folder();
    xlmr(folder.path()).save(folder.path()).unwrap();
    let json = fs::read(folder.path().join(FILES[0])).unwrap();
    let mut noise = 1u64;
    for (name, good) in [(FILES[0], json), (FILES[1], small_model(1, &small_table()))] {
        for _ in 0..400 {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let mut bytes = good.clone();
            bytes[(noise >> 33) as usize % good.len()] ^= 1 << (noise >> 20 & 7);
            if let Ok(tokenizer) = Tokenizer::load(&write(folder.path(), name, bytes)) {
                _ = tokenizer.encode("A ab\tzz <mask>é", Some("B"), 9);
            }
        }
    }
}

#[test]
fn malformed_files_are_refused_with_one_message() {
    let bpe = json!({"type": "BPE", "vocab": {"a": 0, "b": 1, "<s>": 2}, "merges": ["a b", "ab b"]});
    let lone = json!({"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]});
    let model = small_model(1, &small_table());
    let later = [&model[..], &piece("a", -1.0, 1)].concat();
    let unused = [&model[..], &piece("c", -1.0, 5)].concat();
    let garbage = "QUJDREVGR0hJSktM".to_string();
    for (name, content, expected) in [
        ("tokenizer.json", Vec::new(), "it is empty"),
        ("tokenizer.json", b"{}".to_vec(), "no object \"model\""),
        ("tokenizer.json", b"{\"model\"".to_vec(), "not JSON"),
        ("tokenizer.json", b"version https://git-lfs.github.com/spec/v1\noid".to_vec(), "Git LFS"),
        ("tokenizer.json", broken_json("/model/unk_id", json!(99)).into(), "id of the unknown piece is 99"),
        ("tokenizer.json", broken_json("/model/unk_id", Value::Null).into(), "unk_id"),
        ("tokenizer.json", broken_json("/model/vocab/5", json!(["▁", 0.0])).into(), "stands twice"),
        ("tokenizer.json", broken_json("/model/vocab/5", json!(["a"])).into(), "entry 5"),
        ("tokenizer.json", broken_json("/model/vocab/0", json!(["<S>", 0.0])).into(), "\"<s>\""),
        ("tokenizer.json", broken_json("/model", bpe).into(), "but "),
        ("tokenizer.json", broken_json("/model", lone).into(), "but "),
        ("tokenizer.json", broken_json("/post_processor", Value::Null).into(), "template"),
        (
            "tokenizer.json",
            broken_json("/added_tokens/1/id", json!(77)).into(),
            "claims the id 77, and the vocabulary gives",
        ),
        (
            "tokenizer.json",
            broken_json("/normalizer/normalizers/0/precompiled_charsmap", json!(garbage)).into(),
            "table claims",
        ),
        ("sentencepiece.bpe.model", model[..model.len() - 9].to_vec(), "bytes begins at"),
        ("sentencepiece.bpe.model", small_model(2, &small_table()), "not 1 (Unigram)"),
        ("sentencepiece.bpe.model", small_model(1, &[7; 3000]), "normalization table"),
        ("sentencepiece.bpe.model", b"\x0a\x00".to_vec(), "XLM-R's layout has \"<unk>\""),
        ("sentencepiece.bpe.model", later, "stands twice"),
        ("sentencepiece.bpe.model", unused, "has the type 5"),
        ("vocab.txt", format!("{VOCAB}cat\n").into(), "line 14 repeats line 8 (\"cat\")"),
        ("vocab.txt", b"the\ncat\n".to_vec(), "lack [CLS], [PAD]"),
        ("vocab.txt", b"the\n\xff\n".to_vec(), "not UTF-8 from byte 4"),
        ("vocab.bin", b"x".to_vec(), "ends in \"bin\""),
    ] {
        let folder = folder();
        let path = write(folder.path(), name, content);
        let error = Tokenizer::load(&path).unwrap_err();
        assert!(matches!(error, Error::Data(_)), "{error}");
        let message = error.message();
        assert!(message.starts_with(&path.display().to_string()) && message.contains("expected "), "{message}");
        assert!(message.contains(expected), "wanted {expected:?} in: {message}");
    }
}

#[test]
fn a_missing_tokenizer_names_what_was_looked_for() {
    let folder = folder();
    let error = Tokenizer::load(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::Missing(m) if FILES.iter().all(|name| m.contains(name))), "{error}");
    assert!(matches!(Tokenizer::load(&folder.path().join("vocab.txt")), Err(Error::Missing(_))));
    write(folder.path(), "vocab.txt", VOCAB);
    write(folder.path(), CONFIG, "{");
    assert!(matches!(Tokenizer::load(folder.path()), Err(Error::Data(m)) if m.contains(CONFIG)));
}

#[test]
fn files_of_xlm_that_are_not_whole_are_refused() {
    let whole = r#"{"<s>": 0, "</s>": 1, "<pad>": 2, "<unk>": 3, "<special1>": 4, "a": 5, "b</w>": 6, "ab</w>": 7}"#;
    let folder = folder();
    let [beyond, twice] = ["8}", "6}"].map(|id| whole.replace("7}", id));
    for (vocabulary, merges, says) in [
        (whole, None, "merges.txt"),
        (whole, Some("a b</w> 9\na\n"), "line 2 of merges.txt beside it is \"a\", not two pieces"),
        (
            r#"{"<s>": 0, "<pad>": 1}"#,
            Some("a b</w> 9\n"),
            "it lacks \"</s>\", as RoBERTa's files of the same names do",
        ),
        (beyond.as_str(), Some("a b</w> 9\n"), "the id 8 of \"ab</w>\" is not one of 0 to 7, once each"),
        (twice.as_str(), Some("a b</w> 9\n"), "the id 6 of \"ab</w>\" is not one of 0 to 7, once each"),
        ("[]", Some("a b</w> 9\n"), "it is not a JSON object"),
        ("", Some("a b</w> 9\n"), "it is empty"),
    ] {
        _ = fs::remove_file(folder.path().join(MERGES));
        if let Some(merges) = merges {
            write(folder.path(), MERGES, merges);
        }
        let error = Tokenizer::load(&write(folder.path(), VOCABULARY, vocabulary)).unwrap_err();
        assert!(error.message().contains(says) && error.message().contains("expected XLM's vocab.json"), "{error}");
    }
    write(folder.path(), VOCABULARY, whole);
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    // c is no piece, and what no merge makes is unknown; <special1> is the mask.
    let encoded = tokenizer.encode("ab AC<special1>", Some("b"), 20).unwrap();
    assert_eq!((&encoded.ids[..], encoded.n_unknown), (&[0, 7, 5, 3, 4, 1, 6, 1][..], 1));
    assert_eq!((tokenizer.n_ids(), tokenizer.specials().mask), (8, 4));
    assert_eq!(tokenizer.decode(&[7, 6]), "ab b");
    assert!(tokenizer.notes()[0].contains("there is no nonbreaking_prefix.en"), "{:?}", tokenizer.notes());
    // Where tokenizer_config.json is XLM's, its own files come before a tokenizer.json.
    write(folder.path(), FILES[0], "{}");
    write(folder.path(), CONFIG, r#"{"tokenizer_class": "XLMTokenizer"}"#);
    assert_eq!(Tokenizer::load(folder.path()).unwrap().n_ids(), 8);
}
