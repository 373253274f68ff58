//! Checkpoints as they were published over the years: other names of tensors, other defaults, other heads. Each is made
//! here from a model by today's names, and must give the same numbers, to the bit.

use rxlt::{
    array::{Ids, Segments},
    checkpoint::{self, Entry, Values, Weights},
    error::Error,
    learn::optimizer::{Decay, Optimizer, Settings},
    models::{Batch, Config, HeadKind, Model, Named, Outputs, Place, Pretrained, Target, Words},
    nn::Pass,
    tensor::Device,
};
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

const WORDS: usize = 19;
const WIDTH: usize = 8;

fn raw(model_type: &str) -> Map<String, Value> {
    let raw = json!({
        "model_type": model_type, "vocab_size": WORDS, "hidden_size": WIDTH, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 20,
        "type_vocab_size": if model_type == "bert" { 2 } else { 1 }, "initializer_range": 0.4, "layer_norm_eps": 1e-5,
    });
    raw.as_object().expect("an object").clone()
}

fn labels(names: &[&str]) -> HeadKind {
    HeadKind::Classify(names.iter().map(|name| name.to_string()).collect())
}

/// A folder with a model, and the model.
fn written(model_type: &str, head: &HeadKind) -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Config::new(raw(model_type)).expect("a configuration");
    let model = Model::fresh(config, head.clone(), 5, &Device::cpu()).expect("a model");
    let mut tensors = model.tensors();
    for (i, (_, shape, values)) in tensors.iter_mut().enumerate().filter(|(_, tensor)| tensor.1.len() == 1) {
        (0..shape[0]).for_each(|j| values[j] += 0.3 * ((7 * i + j) as f32).sin()); // no bias is zero, no gain one
    }
    model.assign(&tensors);
    model.write(folder.path()).expect("it is written");
    (folder, model)
}

fn tensors(folder: &Path) -> Vec<Named> {
    let weights = Weights::open(folder).expect("the weights");
    let read =
        |name: &str| (name.to_string(), weights.shape(name).expect(name).to_vec(), weights.read(name).expect(name));
    weights.names().map(read).collect()
}

fn rewrite(folder: &Path, tensors: &[Named], metadata: &[(&str, &str)]) {
    let entries: Vec<Entry> =
        tensors.iter().map(|(name, shape, values)| Entry { name, shape, values: Values::F32(values) }).collect();
    checkpoint::write(&folder.join("model.safetensors"), &entries, metadata).expect("it is written");
}

fn configure(folder: &Path, edit: impl FnOnce(&mut Value)) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).expect("it is there")).expect("JSON");
    edit(&mut config);
    fs::write(path, config.to_string()).expect("it is written");
}

/// Two sequences, the first with the id of padding among its words.
fn batch(head: &HeadKind) -> Batch {
    let segments = Segments::new([5, 3]);
    let target = match head {
        HeadKind::Classify(_) => Target::labels(&segments, vec![0, 1]),
        _ => Target::classes(vec![1, 3, 6].into(), vec![7, 9, 4]),
    };
    let (positions, ids) = (segments.positions(), vec![0, 5, 1, 7, 2, 0, 9, 2].into());
    Batch { ids, positions, types: vec![0; 8].into(), segments, target, other: None }
}

fn logits(model: &Model) -> Vec<f32> {
    let batch = batch(&model.head_kind);
    let words = model.activations(Place::Word, &batch, Words::Table, Pass::evaluation());
    model.logits_from(Place::Word, &words, &batch, Pass::evaluation()).to_vec()
}

fn load(folder: &Path, head: &HeadKind) -> Model {
    Model::load(folder, head.clone(), 1, &Device::cpu()).expect("the model loads")
}

/// A way to write a checkpoint.
struct Variant {
    what: &'static str,
    model_type: &'static str,
    head: HeadKind,
    /// The name that a tensor had.
    rename: fn(&str) -> String,
    metadata: &'static [(&'static str, &'static str)],
}

fn variant(what: &'static str, model_type: &'static str, head: HeadKind, rename: fn(&str) -> String) -> Variant {
    Variant { what, model_type, head, rename, metadata: &[] }
}

fn bare(name: &str) -> String {
    name.trim_start_matches("roberta.").trim_start_matches("bert.").to_string()
}

fn of_tensorflow(name: &str) -> String {
    name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
}

fn variants() -> Vec<Variant> {
    let three = || labels(&["a", "b", "c"]);
    let mut variants = Vec::new();
    for model_type in ["xlm-roberta", "roberta", "camembert", "bert"] {
        for head in [three(), HeadKind::MaskedLm] {
            variants.extend([
                variant("as it is", model_type, head.clone(), str::to_string),
                variant("bare", model_type, head.clone(), bare),
                variant("gamma and beta", model_type, head.clone(), of_tensorflow),
                variant("bare, gamma and beta", model_type, head, |name| of_tensorflow(&bare(name))),
            ]);
        }
    }
    variants.extend([
        variant("the table as decoder", "xlm-roberta", HeadKind::MaskedLm, |name| {
            name.replace("roberta.embeddings.word_embeddings", "lm_head.decoder")
        }),
        variant("the table as decoder", "bert", HeadKind::MaskedLm, |name| {
            name.replace("bert.embeddings.word_embeddings", "cls.predictions.decoder")
        }),
        variant("the table as decoder, bare", "camembert", HeadKind::MaskedLm, |name| {
            bare(&name.replace("roberta.embeddings.word_embeddings", "lm_head.decoder"))
        }),
        variant("the bias as the decoder's", "xlm-roberta", HeadKind::MaskedLm, |name| {
            name.replace("lm_head.bias", "lm_head.decoder.bias")
        }),
        variant("the bias as the decoder's", "bert", HeadKind::MaskedLm, |name| {
            name.replace("cls.predictions.bias", "cls.predictions.decoder.bias")
        }),
        Variant {
            metadata: &[("roberta.embeddings.word_embeddings.weight", "a.table")],
            ..variant("a table that the metadata name", "xlm-roberta", three(), |name| {
                name.replace("roberta.embeddings.word_embeddings.weight", "a.table")
            })
        },
    ]);
    variants
}

#[test]
fn names_of_all_times_give_the_same_numbers_and_are_written_as_those_of_today() {
    for Variant { what, model_type, head, rename, metadata } in variants() {
        let case = format!("{model_type}, {head:?}: {what}");
        let (folder, model) = written(model_type, &head);
        let today = tensors(folder.path());
        let mut old: Vec<Named> =
            today.iter().map(|(name, shape, values)| (rename(name), shape.clone(), values.clone())).collect();
        old.push(("embeddings.position_ids".to_string(), vec![1], vec![0.0])); // a constant that nobody misses
        rewrite(folder.path(), &old, metadata);
        let found = load(folder.path(), &head);
        assert_eq!(logits(&found), logits(&model), "{case}");
        assert!(
            found.initialized.is_empty() && found.unused.is_empty(),
            "{case}: {:?} {:?}",
            found.initialized,
            found.unused
        );
        found.write(folder.path()).expect("it is written");
        assert!(tensors(folder.path()) == today, "{case}");
        let config = Config::load(folder.path()).expect("the configuration");
        assert_eq!(config.architecture.model_type, model_type);
    }
}

#[test]
fn padding_is_counted_as_the_family_does() {
    for (model_type, given, first) in [
        ("xlm-roberta", None, 2),
        ("roberta", None, 2),
        ("camembert", Some(json!(null)), 2),
        ("xlm-roberta", Some(json!(0)), 1),
        ("bert", None, 0),
        ("bert", Some(json!(3)), 0),
    ] {
        let mut raw = raw(model_type);
        raw.extend(given.clone().map(|given| ("pad_token_id".to_string(), given)));
        assert_eq!(Config::new(raw).expect("a configuration").first_position(), first, "{model_type} {given:?}");
    }
    for wrong in [json!(-1), json!(1.5), json!("1"), json!(1e30)] {
        let mut raw = raw("roberta");
        raw.insert("pad_token_id".into(), wrong);
        assert!(Config::new(raw).is_err_and(|reason| reason.contains("\"pad_token_id\" must be a whole number")));
    }
}

/// RoBERTa gives the id of padding the position before the first, and does not count it; BERT counts it like a word.
#[test]
fn the_id_of_padding_within_a_text_has_the_position_of_padding() {
    // [0, 5, 1, 7, 2], [0, 9, 2] with padding 1
    for (model_type, rows) in [("xlm-roberta", [2, 3, 1, 4, 5, 2, 3, 4]), ("bert", [0, 1, 2, 3, 4, 0, 1, 2])] {
        let (_folder, model) = written(model_type, &labels(&["a", "b"]));
        let batch = batch(&model.head_kind);
        let words = model.activations(Place::Word, &batch, Words::Table, Pass::evaluation());
        let rows: Ids = rows.to_vec().into();
        let expected = model.encoder.embed(&words, &rows, &batch.types, Pass::evaluation()).to_vec();
        let found = model.activations(Place::Embedding, &batch, Words::Table, Pass::evaluation()).to_vec();
        assert_eq!(found, expected, "{model_type}");
    }
}

/// The pooler was pretrained with the encoder: new labels leave it alone, and a language model passes it on.
#[test]
fn berts_pooler_outlives_its_labels() {
    let (folder, model) = written("bert", &labels(&["a", "b", "c"]));
    let pooler = |tensors: &[Named]| {
        let of_pooler = tensors.iter().filter(|(name, ..)| name.starts_with("bert.pooler.dense")).cloned();
        of_pooler.collect::<Vec<Named>>()
    };
    let before = pooler(&model.tensors());
    assert_eq!(before.len(), 2);
    let other = load(folder.path(), &labels(&["x", "y"]));
    assert_eq!(other.initialized, ["classifier.weight", "classifier.bias"]);
    assert!(pooler(&other.tensors()) == before);

    let language_model = load(folder.path(), &HeadKind::MaskedLm);
    assert!(!language_model.initialized.iter().chain(&language_model.unused).any(|name| name.contains("pooler")));
    for write in [Model::write, Model::write_half] {
        let next = tempfile::tempdir().expect("a temporary folder");
        write(&language_model, next.path()).expect("it is written");
        let classifier = load(next.path(), &labels(&["x", "y"]));
        assert_eq!(classifier.initialized, ["classifier.weight", "classifier.bias"]);
        for ((name, _, a), (_, _, b)) in pooler(&classifier.tensors()).iter().zip(&before) {
            // f16 keeps eleven bits, and these numbers are below 2.
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 2.0 * 2f32.powi(-11);
            assert!(a.iter().zip(b).all(near), "{name}");
        }
    }
    // RoBERTa's classifier has a dense layer of its own: with other labels it is new.
    let (folder, _) = written("xlm-roberta", &labels(&["a", "b", "c"]));
    assert_eq!(load(folder.path(), &labels(&["x", "y"])).initialized.len(), 4);
    assert!(load(folder.path(), &labels(&["C", "A", "B"])).initialized.is_empty());
}

fn settings() -> Settings {
    Settings {
        learning_rate: 0.1,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.0,
        max_grad_norm: f32::INFINITY,
        warmup_steps: 0,
        total_steps: 10,
        decay: Decay::Constant,
    }
}

/// With `tie_word_embeddings: false` the output layer is a table of its own: used, trained and written.
#[test]
fn an_output_layer_of_its_own_is_one() {
    for (model_type, decoder) in [("xlm-roberta", "lm_head.decoder.weight"), ("bert", "cls.predictions.decoder.weight")]
    {
        let (folder, tied) = written(model_type, &HeadKind::MaskedLm);
        let mut all = tensors(folder.path());
        let table = all.iter().find(|(name, ..)| name.ends_with("word_embeddings.weight")).expect("a table").clone();
        all.push((decoder.to_string(), table.1.clone(), table.2.clone()));
        rewrite(folder.path(), &all, &[]);
        // Equal tables are one by config.json, or two.
        assert_eq!(logits(&load(folder.path(), &HeadKind::MaskedLm)), logits(&tied));
        configure(folder.path(), |config| config["tie_word_embeddings"] = json!(false));
        let untied = load(folder.path(), &HeadKind::MaskedLm);
        assert_eq!(logits(&untied), logits(&tied), "{model_type}");

        // A decoder of zeros leaves the bias.
        all.last_mut().expect("the decoder").2.fill(0.0);
        rewrite(folder.path(), &all, &[]);
        let silent = load(folder.path(), &HeadKind::MaskedLm);
        let bias = all.iter().find(|(name, ..)| name.ends_with("bias") && name.matches('.').count() < 3);
        let bias = &bias.filter(|(_, shape, _)| *shape == [WORDS]).expect("the bias of words").2;
        assert!(logits(&silent).chunks(WORDS).all(|row| row == bias), "{model_type}");

        // It learns by itself, on every device, and is written and read again.
        let before = untied.tensors();
        let mut optimizer = Optimizer::dense(&untied, settings());
        let batch = batch(&HeadKind::MaskedLm);
        let words = untied.activations(Place::Word, &batch, Words::Table, Pass::evaluation());
        let loss = untied.loss_from(Place::Word, &words, &batch, 1.0, Pass::evaluation());
        let (_, grads) = optimizer.gradients(loss, &optimizer.leaves(&untied, None));
        optimizer.step(&untied, None, &grads);
        let moved = |name: &str| {
            let of = |tensors: &[Named]| tensors.iter().find(|(found, ..)| found == name).expect(name).2.clone();
            of(&before).iter().zip(of(&untied.tensors())).any(|(a, b)| *a != b)
        };
        assert!(moved(decoder) && moved(&table.0), "{model_type}");
        untied.write(folder.path()).expect("it is written");
        assert_eq!(logits(&load(folder.path(), &HeadKind::MaskedLm)), logits(&untied), "{model_type}");

        // By config.json one, and two in the file: neither is believed.
        configure(folder.path(), |config| config["tie_word_embeddings"] = json!(true));
        let error = Model::load(folder.path(), HeadKind::MaskedLm, 1, &Device::cpu()).expect_err("they differ");
        assert!(
            matches!(error, Error::Data(_)) && error.message().contains("\"tie_word_embeddings\": false"),
            "{error}"
        );
        assert!(Model::load(folder.path(), labels(&["a", "b"]), 1, &Device::cpu()).is_ok());
    }
}

#[test]
fn outputs_are_what_config_json_says() {
    for (names, problem, expected, code) in [
        (&["a", "b"][..], json!(null), Outputs::Exclusive, "single_label_classification"),
        (&["a", "b"], json!("single_label_classification"), Outputs::Exclusive, "single_label_classification"),
        (&["a", "b"], json!("multi_label_classification"), Outputs::Independent, "multi_label_classification"),
        (&["a"], json!(null), Outputs::Independent, ""),
        (&["a"], json!("regression"), Outputs::Independent, "regression"),
    ] {
        let (folder, _) = written("xlm-roberta", &labels(names));
        configure(folder.path(), |config| {
            config.as_object_mut().expect("an object").remove("problem_type");
            if !problem.is_null() {
                config["problem_type"] = problem.clone();
            }
        });
        let model = load(folder.path(), &labels(names));
        assert_eq!(model.outputs(), expected, "{names:?} {problem}");
        // What is written says what was read.
        model.write(folder.path()).expect("it is written");
        let written: Value = serde_json::from_slice(&fs::read(folder.path().join("config.json")).unwrap()).unwrap();
        assert_eq!(written["problem_type"].as_str().unwrap_or_default(), code, "{names:?} {problem}");
    }
    // A new head is one for single labels, whatever the old one was.
    let (folder, _) = written("xlm-roberta", &labels(&["a", "b"]));
    configure(folder.path(), |config| config["problem_type"] = json!("multi_label_classification"));
    assert_eq!(load(folder.path(), &labels(&["x", "y", "z"])).outputs(), Outputs::Exclusive);
}

#[test]
fn a_folder_tells_which_head_it_holds() {
    let head = |folder: &Path| Pretrained::open(folder).expect("it opens").head();
    for n in [1, 2, 3] {
        let names: Vec<String> = (0..n).map(|i| format!("LABEL_{i}")).collect();
        let (folder, _) = written("bert", &HeadKind::Classify(names.clone()));
        for key in ["id2label", "label2id"] {
            configure(folder.path(), |config| _ = config.as_object_mut().expect("an object").remove(key));
        }
        assert_eq!(head(folder.path()), Some(HeadKind::Classify(names)));
    }
    let (folder, _) = written("bert", &HeadKind::MaskedLm);
    configure(folder.path(), |config| config["id2label"] = json!({ "0": "LABEL_0", "1": "LABEL_1" }));
    assert_eq!(head(folder.path()), Some(HeadKind::MaskedLm));
    let mut all = tensors(folder.path());
    all.retain(|(name, ..)| name.starts_with("bert."));
    rewrite(folder.path(), &all, &[]);
    assert_eq!(head(folder.path()), None);
    let error = Pretrained::open(folder.path()).expect("it opens").classifier().expect_err("there is none");
    assert!(error.message().contains("no trained classifier (bert.pooler.dense.weight, "), "{error}");

    let next = tempfile::tempdir().expect("a temporary folder");
    let pretrained = Pretrained::open(folder.path()).expect("it opens");
    pretrained.write_encoder_half(&pretrained.config, next.path()).expect("it is written");
    let names = |tensors: &[Named]| tensors.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&tensors(next.path())), names(&all));
    let config: Value = serde_json::from_slice(&fs::read(next.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"], json!(["BertModel"]));
}

/// Sizes that lie are found by comparison with the file, before anything is made.
#[test]
fn configurations_that_are_not_the_files_are_refused_at_once() {
    let (folder, _) = written("xlm-roberta", &labels(&["a", "b"]));
    let original = fs::read(folder.path().join("config.json")).expect("it is there");
    let absurd = 1u64 << 31;
    for (key, value, says) in [
        ("num_hidden_layers", 1, "roberta.encoder.layer: config.json has num_hidden_layers 1, and the file holds 2"),
        ("num_hidden_layers", 3, "roberta.encoder.layer: config.json has num_hidden_layers 3, and the file holds 2"),
        ("num_hidden_layers", absurd, "has num_hidden_layers 2147483648, and the file holds 2"),
        ("vocab_size", absurd, "word_embeddings.weight: expected (2147483648, 8), found (19, 8)"),
        ("vocab_size", 18, "word_embeddings.weight: expected (18, 8), found (19, 8)"),
        ("hidden_size", absurd, "expected (19, 2147483648), found (19, 8)"),
        ("intermediate_size", absurd, "{0 to 1}.intermediate.dense.weight: expected (2147483648, 8), found (12, 8)"),
        ("max_position_embeddings", absurd, "position_embeddings.weight: expected (2147483648, 8), found (20, 8)"),
        ("max_position_embeddings", 12, "position_embeddings.weight: expected (12, 8), found (20, 8)"),
        ("type_vocab_size", 2, "token_type_embeddings.weight: expected (2, 8), found (1, 8)"),
    ] {
        fs::write(folder.path().join("config.json"), &original).expect("it is written");
        configure(folder.path(), |config| config[key] = json!(value));
        for head in [labels(&["a", "b"]), labels(&["x", "y", "z"]), HeadKind::MaskedLm] {
            let error = Model::load(folder.path(), head, 1, &Device::cpu()).expect_err(key);
            assert!(matches!(error, Error::Data(_)) && error.message().contains(says), "{key} {value}: {error}");
            assert!(error.message().lines().count() < 30, "{error}");
        }
    }
}

/// What is needed must be numbers, and be there; what is not may be anything, or listed in vain.
#[test]
fn only_what_is_needed_must_be_right() {
    let (folder, model) = written("roberta", &labels(&["a", "b"]));
    let all = tensors(folder.path());
    let (needed, ids) = ("roberta.embeddings.LayerNorm.bias", vec![3u32; WIDTH]);
    let rewrite_with = |odd: &str| {
        let floats = all.iter().filter(|(name, ..)| name != odd);
        let floats = floats.map(|(name, shape, values)| Entry { name, shape, values: Values::F32(values) });
        let odd = Entry { name: odd, shape: &[WIDTH], values: Values::U32(&ids) };
        let entries: Vec<Entry> = floats.chain([odd]).collect();
        checkpoint::write(&folder.path().join("model.safetensors"), &entries, &[]).expect("it is written");
    };
    rewrite_with("roberta.embeddings.position_ids");
    assert_eq!(logits(&load(folder.path(), &labels(&["a", "b"]))), logits(&model));
    rewrite_with(needed);
    let error = Model::load(folder.path(), labels(&["a", "b"]), 1, &Device::cpu()).expect_err("it is no number");
    let says = format!("{needed}: expected F32, F16, BF16, F64 or F8_E4M3, found U32");
    assert!(matches!(error, Error::Data(_)) && error.message().contains(&says), "{error}");

    // Listed by the index, and in no shard.
    for name in ["roberta.embeddings.position_ids", "classifier.out_proj.bias", needed] {
        let there: Vec<Named> = all.iter().filter(|(found, ..)| found != name).cloned().collect();
        rewrite(folder.path(), &there, &[]);
        fs::rename(folder.path().join("model.safetensors"), folder.path().join("shard")).expect("it is renamed");
        let listed = all.iter().map(|(name, ..)| name.as_str()).chain([name]);
        let map: Map<String, Value> = listed.map(|name| (name.to_string(), json!("shard"))).collect();
        let index = json!({ "weight_map": map }).to_string();
        fs::write(folder.path().join("model.safetensors.index.json"), index).expect("it is written");
        match Model::load(folder.path(), labels(&["a", "b"]), 1, &Device::cpu()) {
            Ok(found) => assert!(name.ends_with("position_ids") && logits(&found) == logits(&model), "{name}"),
            Err(error) => {
                let says = |part: &str| error.message().contains(part);
                assert!(
                    says(&format!("{name}: missing, expected")) && says("the index names it in \"shard\""),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn names_of_another_family_are_told_in_few_lines() {
    let (folder, _) = written("bert", &HeadKind::MaskedLm);
    let all: Vec<Named> = tensors(folder.path())
        .into_iter()
        .map(|(name, shape, values)| {
            (name.replace("bert.encoder.layer", "distilbert.transformer.layer"), shape, values)
        })
        .collect();
    rewrite(folder.path(), &all, &[]);
    configure(folder.path(), |config| config["num_hidden_layers"] = json!(1u64 << 31));
    let error = Model::load(folder.path(), HeadKind::MaskedLm, 1, &Device::cpu()).expect_err("nothing fits");
    for part in [
        "bert.encoder.layer.0: missing (16 tensors each)",
        "distilbert.transformer.layer.0 to 1: not part of this model (16 tensors each)",
    ] {
        assert!(error.message().contains(part), "{error}");
    }
    assert!(error.message().lines().count() < 10, "{error}");
}

#[test]
fn architectures_are_told_apart() {
    for (model_type, says) in [
        ("albert", "it is another architecture; take a model of xlm-roberta, roberta, camembert, bert, distilbert"),
        ("electra", "it is another architecture"),
        ("deberta", "it is another architecture"),
        ("xlm-robrta", "did you mean \"xlm-roberta\"?"),
    ] {
        let reason = Config::new(raw(model_type)).expect_err(model_type);
        assert!(
            reason.contains(&format!("model_type \"{model_type}\" is not supported")) && reason.contains(says),
            "{reason}"
        );
        assert!(!reason.contains("page"), "{reason}");
    }
    let mut decoder = raw("bert");
    decoder.insert("is_decoder".into(), json!(true));
    assert!(Config::new(decoder).is_err_and(|reason| reason.contains("is_decoder")));
    let mut twice = raw("bert");
    twice.insert("id2label".into(), json!({ "0": "a", "1": "a" }));
    assert!(Config::new(twice).is_err_and(|reason| reason.contains("names \"a\" twice")));
}
