//! What is exported loads in Hugging Face transformers: models of every family with every head, each with a tokenizer
//! of our own, and an XLM with its own one that tells languages apart, are written to `target/export-probe` with the
//! logits and ids that we get.
//!
//! Where `RXLT_PYTHON` names a Python with torch, transformers and sacremoses, scripts/check_transformers.py compares them:
//!
//! ```text
//! RXLT_PYTHON=python3 cargo test --release --test export
//! ```

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::{Ids, Segments},
    checkpoint::{self, Entry, Values},
    models::{Batch, Config, HeadKind, Model, Place, Target, Words, families::ARCHITECTURES},
    nn::Pass,
    tensor::Device,
    text::{Encoded, Tokenizer},
};
use serde_json::json;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Sentences and pairs in several scripts, of different lengths.
const TEXTS: [(&str, Option<&str>); 6] = [
    ("The cat sleeps under the old table.", None),
    ("Die Katze schläft unter dem alten Tisch.", Some("Eine Katze ist wach.")),
    ("Paka analala chini ya meza", Some("Paka ameamka.")),
    ("Кот спит под старым столом, а собака — нет!", None),
    ("猫は古い机の下で眠っている。", Some("猫は起きている。")),
    ("Le chat dort.", Some("Le chat mange, puis il dort encore un peu sous la vieille table, près de la porte.")),
];

const MOST_TOKENS: usize = 120;

fn main() {
    let labels = ["contradiction", "entailment", "neutral"].map(str::to_string).to_vec();
    let heads = || {
        [
            ("classifier", HeadKind::Classify(labels.clone())),
            ("labels", HeadKind::AnyOf(labels.clone())),
            ("number", HeadKind::Number),
            ("tagger", HeadKind::Tag(labels.clone())),
            ("span", HeadKind::Span),
            ("choice", HeadKind::Choose),
            ("masked-lm", HeadKind::MaskedLm),
        ]
    };
    let mut tests = Vec::new();
    for family in ARCHITECTURES.iter().map(|architecture| architecture.model_type) {
        for (name, head) in heads() {
            let test = move || check(family, name, head);
            tests.push(Test::new(format!("{family}, {name}, in transformers"), test));
        }
    }
    for (name, head) in heads() {
        let test = move || check("xlm", &format!("languages-{name}"), head);
        tests.push(Test::new(format!("xlm with languages, {name}, in transformers"), test));
    }
    let in_half = || check("xlm-roberta", "masked-lm-f16", HeadKind::MaskedLm);
    tests.push(Test::new("xlm-roberta, masked-lm-f16, in transformers".to_string(), in_half));
    harness::run(tests);
}

fn check(family: &str, name: &str, head: HeadKind) -> Outcome {
    let name = format!("{family}-{name}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("export-probe").join(&name);
    export(&folder, family, head);
    let Some(python) = env::var_os("RXLT_PYTHON") else {
        return Outcome::Ignored("RXLT_PYTHON names no Python with transformers".to_string());
    };
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/check_transformers.py");
    let output = Command::new(python).arg(script).args([&folder, &folder]).output().expect("Python runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.lines().for_each(|line| println!("{name}: {line}"));
    Outcome::Passed
}

/// Writes a model, its tokenizer, and what both make of [`TEXTS`].
fn export(folder: &Path, family: &str, head: HeadKind) {
    fs::create_dir_all(folder).expect("a folder can be made");
    let by_language = folder.display().to_string().contains("-languages-");
    let tokenizer = if by_language { xlm_tokenizer() } else { trained_tokenizer() };
    tokenizer.save(folder).expect("it is saved");
    let head_too = head.clone();
    let config = config(family, tokenizer.n_ids(), if by_language { 3 } else { 1 });
    let model = Model::fresh(config, head, 11, &Device::cpu()).expect("a model");
    unsettle(&model);
    let model = match folder.ends_with("xlm-roberta-masked-lm-f16") {
        false => model.write(folder).map(|()| model),
        true => model.write_half(folder).and_then(|()| Model::load(folder, head_too, 0, &Device::cpu())),
    };
    let model = model.expect("it is written");
    let encoded = tokenizer.encode_batch(&TEXTS, MOST_TOKENS).expect("texts are encoded");
    let line = |((a, b), encoded): (&(&str, Option<&str>), &Encoded)| {
        format!("{}\n", json!({ "a": a, "b": b, "ids": encoded.ids }))
    };
    let lines: String = TEXTS.iter().zip(&encoded).map(line).collect();
    fs::write(folder.join("probe.jsonl"), lines).expect("ids are written");
    write_probe(&folder.join("probe.safetensors"), &model, &encoded, tokenizer.specials().pad);
}

fn trained_tokenizer() -> Tokenizer {
    let texts = TEXTS.iter().flat_map(|(a, b)| [Some(*a), *b]).flatten().map(str::to_string);
    Tokenizer::train_unigram(texts.cycle().take(200), 300, false).expect("a tokenizer")
}

/// XLM's own, which reads first sentences as English ones and second as German ones.
fn xlm_tokenizer() -> Tokenizer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/xlm");
    let languages = [("de", 0), ("en", 1), ("sw", 2)].map(|(name, number)| (name.to_string(), number));
    let tokenizer = Tokenizer::load(&folder).expect("a tokenizer").with_languages(languages.into());
    tokenizer.in_languages("en", "de").expect("both are there")
}

/// The sizes of a small encoder, under the keys of all families.
fn config(family: &str, vocab_size: usize, n_languages: usize) -> Config {
    let raw = json!({
        "model_type": family, "vocab_size": vocab_size, "max_position_embeddings": MOST_TOKENS + 2,
        "hidden_size": 48, "dim": 48, "emb_dim": 48, "num_hidden_layers": 3, "n_layers": 3, "num_attention_heads": 4,
        "n_heads": 4, "intermediate_size": 96, "hidden_dim": 96, "layer_norm_eps": 1e-5,
        "type_vocab_size": if family == "deberta-v2" { 0 } else { 1 }, "relative_attention": true,
        "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": true, "pos_att_type": "p2c|c2p",
        "position_biased_input": false,
        "initializer_range": 0.2, "init_std": 0.2, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
        "tie_word_embeddings": true, "local_attention": 12, "classifier_pooling": "mean", "num_labels": 5,
        "n_langs": n_languages, "lang2id": {"de": 0, "en": 1, "sw": 2},
    });
    Config::new(raw.as_object().expect("an object").clone()).expect("a configuration")
}

/// Fresh biases are zeros and norms ones: moved, so that one that were lost or swapped would show.
fn unsettle(model: &Model) {
    let mut tensors = model.tensors();
    for (i, (_, shape, values)) in tensors.iter_mut().enumerate().filter(|(_, tensor)| tensor.1.len() == 1) {
        (0..shape[0]).for_each(|j| values[j] += 0.3 * ((7 * i + j) as f32).sin());
    }
    model.assign(&tensors);
}

/// Ids, mask and languages padded to a rectangle, and the logits of sequences (b, k), of alternatives (1, b), or of every
/// token (b, t, v).
fn write_probe(path: &Path, model: &Model, encoded: &[Encoded], pad: u32) {
    let (n, longest) = (encoded.len(), encoded.iter().map(|one| one.ids.len()).max().unwrap_or(0));
    let row = |i: usize, j: usize| encoded[i].ids.get(j).copied();
    let places = || (0..n).flat_map(|i| (0..longest).map(move |j| (i, j)));
    let ids: Vec<u32> = places().map(|(i, j)| row(i, j).unwrap_or(pad)).collect();
    let mask: Vec<u32> = places().map(|(i, j)| u32::from(row(i, j).is_some())).collect();
    let packed: Vec<u32> = encoded.iter().flat_map(|one| one.ids.clone()).collect();
    let all: Ids = (0..packed.len() as u32).collect::<Vec<_>>().into();
    let types: Vec<u32> = encoded.iter().flat_map(|one| one.types.clone()).collect();
    let languages: Vec<u32> = places().map(|(i, j)| encoded[i].types.get(j).copied().unwrap_or(0)).collect();
    let segments = Segments::new(encoded.iter().map(|one| one.ids.len()));
    let target = match model.head_kind {
        HeadKind::Classify(_) | HeadKind::AnyOf(_) | HeadKind::Number | HeadKind::Choose => {
            Target::labels(&segments, vec![0; n])
        }
        _ => Target::classes(all.clone(), all),
    };
    let batch = Batch {
        ids: packed.into(),
        positions: segments.positions(),
        types: types.into(),
        segments,
        target,
        other: None,
    };
    let words = model.activations(Place::Word, &batch, Words::Table, Pass::evaluation());
    let logits = model.logits_from(Place::Word, &words, &batch, Pass::evaluation());
    let width = logits.shape()[1];
    let (values, shape) = match model.head_kind {
        HeadKind::Choose => (logits.to_vec(), vec![1, n]),
        HeadKind::Classify(_) | HeadKind::AnyOf(_) | HeadKind::Number => (logits.to_vec(), vec![n, width]),
        _ => {
            let (packed, mut padded) = (logits.to_vec(), vec![0.0; n * longest * width]);
            for (i, rows) in batch.segments.ranges().enumerate() {
                let from = &packed[rows.start * width..rows.end * width];
                padded[i * longest * width..][..from.len()].copy_from_slice(from);
            }
            (padded, vec![n, longest, width])
        }
    };
    let rectangle = match model.head_kind {
        HeadKind::Choose => vec![1, n, longest],
        _ => vec![n, longest],
    };
    let mut entries = vec![
        Entry { name: "input_ids", shape: &rectangle, values: Values::U32(&ids) },
        Entry { name: "attention_mask", shape: &rectangle, values: Values::U32(&mask) },
        Entry { name: "logits", shape: &shape, values: Values::F32(&values) },
    ];
    if model.config.n_languages > 1 {
        entries.push(Entry { name: "langs", shape: &rectangle, values: Values::U32(&languages) });
    }
    checkpoint::write(path, &entries, &[]).expect("the probe is written");
}
