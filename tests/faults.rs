//! What breaks in the world outside, one row per fault: the exit code, and a message that names the culprit, what was
//! expected, what was found and what to do. Nothing here may panic.

use std::{fs, path::Path, process::Output};

mod harness;

use harness::rxlt;
use rxlt::{
    checkpoint::{self, Weights},
    models::{Config, HeadKind, Model, Pretrained},
    tensor::Device,
    text::Tokenizer,
};
use serde_json::{Map, Value, json};

const RECIPE: &str = r#"
name = "small"
model = { path = "model" }
data = { folder = "data" }

[[stages]]
task = "xnli"
updates = 2
batch_size = 4
max_length = 48
learning_rate = 1e-3

[[methods]]
standard = {}
"#;

const RUN: &[&str] =
    &["run", "small.toml", "--output", "out", "--model", "model", "--data", "data", "--progress", "plain"];
const EVAL: &[&str] = &["eval", "--model", "model", "--task", "xnli", "--data", "data", "--max-length", "48"];
const PREDICT: &[&str] = &["predict", "--model", "model", "--input", "in.tsv", "--max-length", "48"];
const EXPORT: &[&str] = &["export", "--model", "model", "--output", "half"];
const LABELS: [&str; 3] = ["contradiction", "entailment", "neutral"];
const TABLE: &str = "roberta.embeddings.word_embeddings.weight";

/// One fault: what is done to the folder, the command, its exit code, and what it says.
struct Row {
    fault: &'static str,
    spoil: fn(&Path),
    args: Vec<&'static str>,
    code: i32,
    says: &'static [&'static str],
}

fn row(fault: &'static str, spoil: fn(&Path), args: &[&'static str], code: i32, says: &'static [&'static str]) -> Row {
    Row { fault, spoil, args: args.to_vec(), code, says }
}

/// The arguments of a run with more of them.
fn run_with(more: &[&'static str]) -> Vec<&'static str> {
    [RUN, more].concat()
}

#[track_caller]
fn hold(rows: &[Row]) {
    for Row { fault, spoil, args, code, says } in rows {
        let folder = world();
        spoil(folder.path());
        let said = said(folder.path(), args, *code, fault);
        for part in *says {
            assert!(said.contains(part), "{fault}: expected \"{part}\" in:\n{said}");
        }
    }
}

/// Runs the command, checks its exit code, and returns what it says: stderr, after a success stdout too.
#[track_caller]
fn said(folder: &Path, args: &[&str], code: i32, fault: &str) -> String {
    let Output { status, stdout, stderr } = rxlt(folder, args).output().expect("the binary runs");
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(code), "{fault}: {args:?}\n{out}\n{err}");
    assert!(!err.contains("internal") && !err.contains("panicked"), "{fault}: {err}");
    assert!(code == 0 || out.is_empty(), "{fault}: a failure wrote to stdout: {out}");
    assert_eq!(code != 0, err.contains("error: "), "{fault}: {err}");
    format!("{err}{out}")
}

/// A folder with a recipe, a tiny XLM-R that classifies, and XNLI in three languages.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("data/xnli")).unwrap();
    fs::create_dir(at("model")).unwrap();
    fs::write(at("small.toml"), RECIPE).unwrap();
    fs::write(at("in.tsv"), "A cat sits.\tIt sits.\nA dog runs.\tIt sleeps.\n").unwrap();
    for (file, lines) in [("train-en", 12), ("dev-en", 6), ("test-en", 6), ("test-de", 6), ("test-fr", 6)] {
        fs::write(at(&format!("data/xnli/{file}.tsv")), pairs(lines)).unwrap();
    }
    let tokenizer = Tokenizer::train_unigram(pairs(40).lines().map(str::to_string), 120, false).expect("a tokenizer");
    tokenizer.save(&at("model")).expect("it is saved");
    let labels = LABELS.map(str::to_string).to_vec();
    let model = Model::fresh(config(tokenizer.n_ids()), HeadKind::Classify(labels), 5, &Device::cpu());
    model.expect("a model").write(&at("model")).expect("it is written");
    folder
}

fn config(vocab_size: usize) -> Config {
    let raw = json!({
        "model_type": "xlm-roberta", "vocab_size": vocab_size, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 66, "type_vocab_size": 1,
        "pad_token_id": 1, "layer_norm_eps": 1e-5,
    });
    Config::new(raw.as_object().expect("an object").clone()).expect("a configuration")
}

/// Lines of sentence, sentence and label.
fn pairs(lines: usize) -> String {
    let (who, what) =
        (["A cat", "The dog", "My friend", "Un chat", "Ein Hund"], ["sits", "runs far", "schläft", "mange"]);
    let line = |i: usize| {
        format!("{} {} here.\t{} {}.\t{}\n", who[i % 5], what[i % 4], who[i * 3 % 5], what[i / 2 % 4], LABELS[i % 3])
    };
    (0..lines).map(line).collect()
}

/// Replaces a file's text by what `change` makes of it.
fn change(path: &Path, change: impl FnOnce(String) -> String) {
    fs::write(path, change(fs::read_to_string(path).expect("a text file"))).expect("it is written");
}

/// Changes one line of a data file, counted from 1.
fn change_line(folder: &Path, file: &str, number: usize, new: &str) {
    change(&folder.join("data/xnli").join(file), |text| {
        let line = |(i, line): (usize, &str)| format!("{}\n", if i + 1 == number { new } else { line });
        text.lines().enumerate().map(line).collect()
    });
}

fn change_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    change(path, |text| {
        let mut value = serde_json::from_str(&text).expect("JSON");
        edit(&mut value);
        value.to_string()
    });
}

/// Changes one value of the model's config.json.
fn configure(folder: &Path, key: &str, value: Value) {
    change_json(&folder.join("model/config.json"), |config| config[key] = value);
}

fn tokenizer(folder: &Path, edit: impl FnOnce(&mut Value)) {
    change_json(&folder.join("model/tokenizer.json"), edit);
}

/// The weights as header and numbers; `edit` changes the header's text, or the numbers.
fn weights(folder: &Path, edit: impl FnOnce(Map<String, Value>, &mut Vec<u8>) -> String) {
    let path = folder.join("model/model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
    let mut body = bytes[8 + n..].to_vec();
    let header = edit(header, &mut body);
    let parts = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &body];
    fs::write(&path, parts.concat()).unwrap();
}

fn as_text(header: Map<String, Value>) -> String {
    Value::Object(header).to_string()
}

/// Where the bytes of a tensor lie.
fn offsets(header: &Map<String, Value>, name: &str) -> [usize; 2] {
    [0, 1].map(|i| header[name]["data_offsets"][i].as_u64().expect("an offset") as usize)
}

/// Puts infinity into a weight that every example meets.
fn infinite(folder: &Path) {
    weights(folder, |header, body| {
        let name = "roberta.encoder.layer.0.attention.self.value.weight";
        let ([start, _], is_half) = (offsets(&header, name), header[name]["dtype"] == "F16");
        let infinity = if is_half { vec![0, 0x7c] } else { f32::INFINITY.to_le_bytes().to_vec() };
        body[start..start + infinity.len()].copy_from_slice(&infinity);
        as_text(header)
    });
}

/// Leaves the encoder alone.
fn headless(folder: &Path) {
    let (model, encoder) = (folder.join("model"), folder.join("encoder"));
    fs::create_dir(&encoder).unwrap();
    let pretrained = Pretrained::open(&model).unwrap();
    pretrained.write_encoder_half(&pretrained.config, &encoder).unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::rename(encoder.join(file), model.join(file)).unwrap();
    }
}

/// Splits the weights into shards by name only: an index that says where each tensor is to be.
fn index(folder: &Path, shard: &str) {
    let model = folder.join("model");
    let weights = Weights::open(&model).unwrap();
    let map: Map<String, Value> = weights.names().map(|name| (name.to_string(), json!(shard))).collect();
    fs::write(model.join("model.safetensors.index.json"), json!({ "weight_map": map }).to_string()).unwrap();
    fs::rename(model.join("model.safetensors"), folder.join("weights.safetensors")).unwrap();
}

#[test]
fn the_unspoiled_world_is_fine() {
    hold(&[
        row("nothing", |_| (), RUN, 0, &["everything is in out"]),
        row("nothing", |_| (), EVAL, 0, &["de", "fr", "accuracy"]),
        row("nothing", |_| (), PREDICT, 0, &["\"id\":\"in:2\""]),
    ]);
}

#[test]
fn weights_that_lie_are_refused() {
    fn cut(folder: &Path, keep: impl Fn(usize) -> usize) {
        let path = folder.join("model/model.safetensors");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..keep(bytes.len())]).unwrap();
    }
    hold(&[
        row(
            "truncated",
            |f| cut(f, |n| n - 10),
            RUN,
            65,
            &["model/model.safetensors: truncated by 10 bytes (the last tensor is \"", "download it again"],
        ),
        row(
            "truncated in the header",
            |f| cut(f, |_| 100),
            RUN,
            65,
            &["expected a header of at most 92 bytes", "again"],
        ),
        row("truncated to nothing", |f| cut(f, |_| 3), EVAL, 65, &["not a safetensors file (3 bytes)", "again"]),
        row(
            "an empty file of PyTorch",
            |f| {
                fs::remove_file(f.join("model/model.safetensors")).unwrap();
                fs::write(f.join("model/pytorch_model.bin"), "").unwrap();
            },
            EVAL,
            65,
            &["pytorch_model.bin: not a PyTorch or safetensors file (0 bytes)"],
        ),
        row(
            "oversized header",
            |f| {
                let path = f.join("model/model.safetensors");
                let mut bytes = fs::read(&path).unwrap();
                bytes[..8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
                fs::write(&path, bytes).unwrap();
            },
            RUN,
            65,
            &["model.safetensors: not a safetensors file", "expected a header of at most", "found 9223372036854775807"],
        ),
        row(
            "overlapping offsets",
            |f| {
                weights(f, |mut header, _| {
                    let last = header.keys().next_back().unwrap().clone();
                    let moved = offsets(&header, &last).map(|at| at - 4);
                    header[&last]["data_offsets"] = json!(moved);
                    as_text(header)
                })
            },
            RUN,
            65,
            &["model.safetensors: tensor \"", "overlaps the one before: expected it at offset", "found", "again"],
        ),
        row(
            "duplicate names",
            |f| {
                weights(f, |header, _| {
                    let again = format!("{{\"{TABLE}\":{},", header[TABLE]);
                    as_text(header).replacen('{', &again, 1)
                })
            },
            RUN,
            65,
            &["model.safetensors: tensor \"roberta.embeddings.word_embeddings.weight\" is there twice", "again"],
        ),
        row(
            "offsets beyond all bounds",
            |f| {
                weights(f, |mut header, _| {
                    header[TABLE]["shape"] = json!([u64::MAX, 8]);
                    as_text(header)
                })
            },
            RUN,
            65,
            &["tensor \"roberta.embeddings.word_embeddings.weight\": shape", "overflows"],
        ),
        row(
            "unknown dtype",
            |f| {
                weights(f, |mut header, _| {
                    header[TABLE]["dtype"] = json!("F31");
                    as_text(header)
                })
            },
            RUN,
            65,
            &["unknown dtype \"F31\", expected F32, F16, BF16, F64 or F8_E4M3"],
        ),
        row(
            "missing shard",
            |f| index(f, "model-00001-of-00002.safetensors"),
            RUN,
            66,
            &[
                "model.safetensors.index.json: shard \"model-00001-of-00002.safetensors\" is missing in model",
                "download it",
            ],
        ),
        row(
            "shard outside",
            |f| index(f, "../weights.safetensors"),
            RUN,
            65,
            &[
                "index.json: tensor \"",
                "expected the name of a file in this folder, found \"../weights.safetensors\"",
                "download",
            ],
        ),
        row(
            "no weights",
            |f| fs::remove_file(f.join("model/model.safetensors")).unwrap(),
            RUN,
            66,
            &["model: expected weights (model.safetensors, ", "pytorch_model.bin", "found none; name the folder"],
        ),
        row(
            "word table of another shape",
            |f| configure(f, "vocab_size", json!(100)),
            RUN,
            65,
            &[
                "model/model.safetensors does not fit the xlm-roberta of config.json",
                "roberta.embeddings.word_embeddings.weight: expected (100, 8), found (",
                "remedy: take config.json and weights",
            ],
        ),
        row(
            "tensors that do not fit",
            |f| {
                weights(f, |mut header, _| {
                    let layer = "roberta.encoder.layer.0.";
                    header[&format!("{layer}output.LayerNorm.bias")]["shape"] = json!([2, 4]);
                    let text = as_text(header);
                    text.replace(&format!("{layer}output.dense.weight"), &format!("{layer}output.dense.wight"))
                })
            },
            RUN,
            65,
            &[
                "roberta.encoder.layer.0.output.dense.weight: missing, expected (8, 16)",
                "roberta.encoder.layer.0.output.LayerNorm.bias: expected (8), found (2, 4)",
                "roberta.encoder.layer.0.output.dense.wight: not part of this model",
                "remedy: ",
            ],
        ),
        row(
            "no classifier",
            |f| weights(f, |header, _| as_text(header).replace("classifier.", "clasifier.")),
            EVAL,
            65,
            &["model holds no trained classifier (classifier.dense.weight", "train one with rxlt run"],
        ),
    ]);
}

#[test]
fn configurations_that_cannot_be_are_refused() {
    fn write(folder: &Path, bytes: &[u8]) {
        fs::write(folder.join("model/config.json"), bytes).unwrap();
    }
    hold(&[
        row(
            "no config.json",
            |f| fs::remove_file(f.join("model/config.json")).unwrap(),
            RUN,
            66,
            &["there is no model/config.json; name a model's folder"],
        ),
        row(
            "no model",
            |f| fs::remove_dir_all(f.join("model")).unwrap(),
            RUN,
            66,
            &["--model: model.path: there is no \"model\" here, and the cache", "or name a folder that is there"],
        ),
        row(
            "no JSON",
            |f| write(f, b"{\"model_type\": "),
            RUN,
            65,
            &["model/config.json is not JSON", "line 1", "again"],
        ),
        row(
            "not UTF-8",
            |f| write(f, b"{\"model_type\": \"\xff\"}"),
            RUN,
            65,
            &["model/config.json is not JSON", "again"],
        ),
        row(
            "no object",
            |f| write(f, b"[1]"),
            RUN,
            65,
            &["model/config.json: expected a JSON object; download it again"],
        ),
        row(
            "unsupported",
            |f| configure(f, "model_type", json!("xlm-robert")),
            RUN,
            65,
            &["model/config.json: model_type \"xlm-robert\" is not supported; did you mean \"xlm-roberta\"?"],
        ),
        row(
            "no size",
            |f| configure(f, "hidden_size", json!(-8)),
            EVAL,
            65,
            &[
                "model/config.json: \"hidden_size\" must be a positive whole number of at most 2^31, found -8; take config.json",
            ],
        ),
        row(
            "sizes at odds",
            |f| configure(f, "num_attention_heads", json!(3)),
            RUN,
            65,
            &["hidden_size 8 must be a multiple of num_attention_heads, found 3"],
        ),
        row(
            "other activation",
            |f| configure(f, "hidden_act", json!("relu")),
            RUN,
            65,
            &["\"hidden_act\" must be \"gelu\", found \"relu\""],
        ),
        row(
            "labels without order",
            |f| configure(f, "id2label", json!({ "a": "b" })),
            PREDICT,
            65,
            &["\"id2label\" must map"],
        ),
        row(
            "labels in a list",
            |f| configure(f, "id2label", json!(["a", "b", "c"])),
            PREDICT,
            65,
            &["\"id2label\" must map \"0\", \"1\", … to names, found ["],
        ),
        row(
            "labels of another task",
            |f| configure(f, "id2label", json!({ "0": "x", "1": "y", "2": "z" })),
            EVAL,
            65,
            &[
                "labels differ: xnli has contradiction, entailment, neutral; the model has x, y, z; name the model's labels",
            ],
        ),
    ]);
}

/// What is no file is never waited for, whatever reads it.
#[cfg(unix)]
#[test]
fn pipes_devices_and_folders_are_no_files() {
    fn pipe(path: &Path) {
        _ = fs::remove_file(path);
        assert!(std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
    }
    fn device(path: &Path) {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    }
    fn folder(path: &Path) {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }
    const PIPE: &str = ": expected a file, found a named pipe; save what it should hold as a file";
    const DEVICE: &str = ": expected a file, found a device";
    const FOLDER: &str = ": expected a file, found a folder";
    let dry_run = run_with(&["--dry-run"]);
    hold(&[
        row("weights", |f| pipe(&f.join("model/model.safetensors")), RUN, 65, &["model/model.safetensors", PIPE]),
        row("weights", |f| device(&f.join("model/model.safetensors")), EVAL, 65, &["model/model.safetensors", DEVICE]),
        row("weights", |f| folder(&f.join("model/model.safetensors")), PREDICT, 65, &["model.safetensors", FOLDER]),
        row("weights, planned", |f| pipe(&f.join("model/model.safetensors")), &dry_run, 65, &["safetensors", PIPE]),
        row(
            "index",
            |f| {
                index(f, "model.safetensors");
                pipe(&f.join("model/model.safetensors.index.json"));
            },
            RUN,
            65,
            &["model.safetensors.index.json", PIPE],
        ),
        row("configuration", |f| pipe(&f.join("model/config.json")), RUN, 65, &["model/config.json", PIPE]),
        row("configuration", |f| device(&f.join("model/config.json")), PREDICT, 65, &["model/config.json", DEVICE]),
        row("tokenizer", |f| pipe(&f.join("model/tokenizer.json")), RUN, 65, &["model/tokenizer.json", PIPE]),
        row(
            "its settings",
            |f| pipe(&f.join("model/tokenizer_config.json")),
            RUN,
            65,
            &["tokenizer_config.json", PIPE],
        ),
        row("data", |f| pipe(&f.join("data/xnli/test-de.tsv")), EVAL, 65, &["data/xnli/test-de.tsv", PIPE]),
        row("texts", |f| device(&f.join("in.tsv")), PREDICT, 65, &["in.tsv", DEVICE]),
        row("recipe", |f| pipe(&f.join("small.toml")), RUN, 65, &["small.toml", PIPE]),
    ]);
}

/// A plan finds what is wrong with the weights, with the words of a run.
#[test]
fn a_dry_run_opens_the_weights() {
    let dry_run = run_with(&["--dry-run"]);
    let pointer = |f: &Path| {
        fs::write(f.join("model/model.safetensors"), "version https://git-lfs.github.com/spec/v1\n").unwrap()
    };
    type Fault<'a> = (fn(&Path), i32, &'a [&'a str]);
    let faults: [Fault; 4] = [
        (pointer, 65, &["this is a Git LFS pointer: run `git lfs pull`"]),
        (|f| fs::remove_file(f.join("model/model.safetensors")).unwrap(), 66, &["model: expected", "name the folder"]),
        (|f| configure(f, "vocab_size", json!(100)), 65, &["does not fit the xlm-roberta of config.json", "(100, 8)"]),
        (|f| configure(f, "num_hidden_layers", json!(1u64 << 31)), 65, &["num_hidden_layers 2147483648, and the file"]),
    ];
    for (spoil, code, says) in faults {
        hold(&[row("planned", spoil, &dry_run, code, says), row("run", spoil, RUN, code, says)]);
    }
}

#[test]
fn classifiers_of_other_kinds_are_refused_where_one_label_is_right() {
    let multi: fn(&Path) = |f| configure(f, "problem_type", json!("multi_label_classification"));
    let numbers: fn(&Path) = |f| configure(f, "problem_type", json!("regression"));
    const SAYS: &[&str] = &["they do not exclude each other", "correct problem_type"];
    hold(&[
        row("labels that do not compete", multi, RUN, 65, SAYS),
        row("labels that do not compete", multi, EVAL, 65, SAYS),
        row("labels that do not compete", multi, PREDICT, 0, &["\"activation\":\"sigmoid\"", "do not exclude"]),
        row("numbers", numbers, RUN, 65, SAYS),
        row("numbers", numbers, PREDICT, 65, &["problem_type is regression: the model gives numbers"]),
        row("none of these", |f| configure(f, "problem_type", json!("x")), RUN, 65, &["\"problem_type\" must be"]),
        row(
            "other labels",
            |f| configure(f, "id2label", json!({ "0": "x", "1": "y", "2": "z" })),
            RUN,
            0,
            &["the checkpoint's classifier says x, y, z; xnli begins with a new one", "initialized: classifier"],
        ),
        row("labels in capitals", capitals, EVAL, 0, &["accuracy"]),
        row("labels in capitals", capitals, PREDICT, 0, &["\"ENTAILMENT\""]),
    ]);
    fn capitals(folder: &Path) {
        let names: Map<String, Value> =
            LABELS.iter().enumerate().map(|(i, label)| (i.to_string(), json!(label.to_uppercase()))).collect();
        configure(folder, "id2label", Value::Object(names));
    }
}

#[test]
fn fresh_models_beyond_all_bounds_are_refused() {
    let fresh = |f: &Path, key: &str, value: u64| {
        let recipe = "name = \"x\"\n[data]\nfolder = \"demo\"\n[[stages]]\ntask = \"demo\"\nmax_length = 40\n";
        fs::write(f.join("fresh.toml"), format!("{recipe}[model.fresh]\n{key} = {value}\n")).unwrap();
    };
    for (key, value, says) in [
        ("num_hidden_layers", 1u64 << 31, "model.fresh.num_hidden_layers: expected 1000 or less, found 2147483648"),
        ("vocab_size", 1 << 31, "model.fresh: expected at most 1e10 parameters"),
        ("intermediate_size", u64::MAX >> 1, "model.fresh: expected at most 1e10 parameters"),
    ] {
        let folder = world();
        fresh(folder.path(), key, value);
        for more in [&[][..], &["--dry-run"]] {
            let args = [&["run", "fresh.toml", "--output", "out"], more].concat();
            let said = said(folder.path(), &args, 78, key);
            assert!(said.contains(says), "{said}");
        }
    }
}

#[test]
fn tokenizers_that_are_malformed_are_refused() {
    fn write(folder: &Path, name: &str, bytes: &[u8]) {
        fs::remove_file(folder.join("model/tokenizer.json")).unwrap();
        fs::write(folder.join("model").join(name), bytes).unwrap();
    }
    const HOME: &str = "model/tokenizer.json: expected a tokenizer.json of the tokenizers library, but ";
    const AGAIN: &str = "export the tokenizer again";
    let bad = |fault, spoil: fn(&Path), says| row(fault, spoil, RUN, 65, says);
    hold(&[
        bad(
            "larger than the model",
            |f| configure(f, "vocab_size", json!(40)),
            &[
                "model/tokenizer.json: ",
                " ids, and the model's config.json has a vocab_size of 40; take tokenizer and model",
            ],
        ),
        bad("empty", |f| write(f, "tokenizer.json", b""), &[HOME, "it is empty", AGAIN]),
        bad("no JSON", |f| write(f, "tokenizer.json", b"{\"model\":"), &[HOME, "it is not JSON", AGAIN]),
        bad("not UTF-8", |f| write(f, "tokenizer.json", b"{\"model\":\"\xff\"}"), &[HOME, "it is not JSON", AGAIN]),
        bad("no model", |f| write(f, "tokenizer.json", b"{}"), &[HOME, "it has no object \"model\"", AGAIN]),
        bad(
            "pointer",
            |f| write(f, "tokenizer.json", b"version https://git-lfs.github.com/spec/v1"),
            &[HOME, "Git LFS"],
        ),
        bad(
            "empty model",
            |f| tokenizer(f, |t| t["model"] = json!({})),
            &[HOME, "its \"model\" is of no known type", AGAIN],
        ),
        bad(
            "unknown model",
            |f| tokenizer(f, |t| t["model"]["type"] = json!("Trigram")),
            &[HOME, "its \"model\" is of no known type"],
        ),
        bad(
            "entry of another form",
            |f| tokenizer(f, |t| t["model"]["vocab"][5] = json!("x")),
            &[HOME, "entry 5 of the"],
        ),
        bad(
            "score that is none",
            |f| tokenizer(f, |t| t["model"]["vocab"][5][1] = json!("x")),
            &[HOME, "entry 5 of the"],
        ),
        bad("unknown piece beyond", |f| tokenizer(f, |t| t["model"]["unk_id"] = json!(1_000_000)), &[HOME, "1000000"]),
        bad("no vocabulary", |f| tokenizer(f, |t| t["model"]["vocab"] = json!([])), &[HOME, AGAIN]),
        bad(
            "added token elsewhere",
            |f| tokenizer(f, |t| t["added_tokens"][0]["id"] = json!(4_000_000_000u32)),
            &[HOME, "the added token \"<s>\" claims the id 4000000000, and the vocabulary gives 0", AGAIN],
        ),
        bad("added tokens of another form", |f| tokenizer(f, |t| t["added_tokens"] = json!(7)), &[HOME, AGAIN]),
        bad("no template", |f| tokenizer(f, |t| t["post_processor"] = Value::Null), &[HOME, "template for a sequence"]),
        bad(
            "template of unknown tokens",
            |f| tokenizer(f, |t| t["post_processor"]["special_tokens"] = json!({})),
            &[HOME],
        ),
        bad(
            "unknown splitter",
            |f| tokenizer(f, |t| t["pre_tokenizer"] = json!({ "type": "Saw" })),
            &[HOME, "its \"pre_tokenizer\" is of no known type"],
        ),
        bad(
            "broken pattern",
            |f| {
                tokenizer(f, |t| {
                    t["normalizer"] = json!({ "type": "Replace", "pattern": { "Regex": "(" }, "content": "" });
                })
            },
            &[HOME, AGAIN],
        ),
        bad(
            "broken table",
            |f| {
                tokenizer(f, |t| {
                    t["normalizer"] = json!({ "type": "Precompiled", "precompiled_charsmap": "AAAA/w==" });
                })
            },
            &[HOME, AGAIN],
        ),
        bad(
            "no special tokens",
            |f| {
                change(&f.join("model/tokenizer.json"), |text| text.replace("<mask>", "<mast>"));
            },
            &["tokenizer.json", "<mask>"],
        ),
        bad(
            "settings that are no JSON",
            |f| fs::write(f.join("model/tokenizer_config.json"), "{").unwrap(),
            &["model/tokenizer_config.json: expected JSON", "mend the file or remove it"],
        ),
        bad(
            "SentencePiece that is none",
            |f| write(f, "sentencepiece.bpe.model", b"\x0a\xff\xff\xff\xff\x0f none"),
            &[
                "model/sentencepiece.bpe.model: expected a SentencePiece Unigram model in XLM-R's, CamemBERT's or DeBERTa's layout, but ",
                "fetch it again",
            ],
        ),
        bad(
            "vocabulary with a repetition",
            |f| write(f, "vocab.txt", b"[PAD]\n[UNK]\na\na\n"),
            &[
                "model/vocab.txt: expected a BERT vocabulary, one token a line, but line 4 repeats line 3",
                "fetch it again",
            ],
        ),
        bad(
            "vocabulary without marks",
            |f| write(f, "vocab.txt", b"[PAD]\na\n"),
            &["model/vocab.txt", "[CLS]", "[MASK]"],
        ),
        row(
            "larger than the model, in a plan",
            |f| configure(f, "vocab_size", json!(40)),
            &run_with(&["--dry-run"]),
            65,
            &["model/tokenizer.json: ", "a vocab_size of 40"],
        ),
        row(
            "no tokenizer",
            |f| fs::remove_file(f.join("model/tokenizer.json")).unwrap(),
            RUN,
            66,
            &["model: no tokenizer here (looked for tokenizer.json,", "copy one of them"],
        ),
    ]);
}

#[test]
fn data_that_are_wrong_are_refused() {
    hold(&[
        row(
            "too few columns",
            |f| change_line(f, "train-en.tsv", 2, "a\tb"),
            RUN,
            65,
            &[
                "data/xnli/train-en.tsv:2: expected 3 columns (sentence, sentence, label)",
                "found 2: \"a\\tb\"",
                "mend the tabs",
            ],
        ),
        row(
            "too many columns",
            |f| change_line(f, "test-de.tsv", 3, "a\tb\tneutral\tc"),
            RUN,
            65,
            &["data/xnli/test-de.tsv:3: expected 3 columns", "found 4", "mend the tabs"],
        ),
        row(
            "unknown label",
            |f| change_line(f, "test-de.tsv", 4, "a\tb\tentailmnt"),
            RUN,
            65,
            &["data/xnli/test-de.tsv:4: \"entailmnt\" is no label of xnli; did you mean \"entailment\"?"],
        ),
        row(
            "labels taken out",
            |f| {
                change(&f.join("data/xnli/test-fr.tsv"), |text| {
                    LABELS.iter().fold(text, |text, label| text.replace(label, ""))
                })
            },
            EVAL,
            65,
            &["data/xnli/test-fr.tsv: labels look removed: none of 6 rows has one; put the labels back", "predict"],
        ),
        row(
            "labels filled in",
            |f| {
                let one = |i| format!("a {i}\tb\tneutral\n");
                fs::write(f.join("data/xnli/test-fr.tsv"), (0..20).map(one).collect::<String>()).unwrap();
            },
            RUN,
            65,
            &["test-fr.tsv: labels look removed: all 20 rows have \"neutral\"", "put the labels back", "predict"],
        ),
        row(
            "not UTF-8",
            |f| {
                let path = f.join("data/xnli/dev-en.tsv");
                let spoiled = [&fs::read(&path).unwrap()[..], b"caf\xe9\tb\tneutral\n"].concat();
                fs::write(&path, spoiled).unwrap();
            },
            RUN,
            65,
            &["data/xnli/dev-en.tsv:7: not UTF-8: byte 0xe9 at offset", "convert the file to UTF-8"],
        ),
        row(
            "empty",
            |f| fs::write(f.join("data/xnli/test-de.tsv"), "").unwrap(),
            RUN,
            65,
            &["data/xnli/test-de.tsv is empty; fetch or write it again"],
        ),
        row(
            "only a header",
            |f| fs::write(f.join("data/xnli/test-de.tsv"), "premise\thypothesis\tlabel\n").unwrap(),
            RUN,
            65,
            &["data/xnli/test-de.tsv has a header but no rows; fetch or write it again"],
        ),
        row(
            "no training file",
            |f| fs::remove_file(f.join("data/xnli/train-en.tsv")).unwrap(),
            RUN,
            66,
            &["no train file of xnli for language \"en\": looked in data", "train-{language}.tsv", "named by its path"],
        ),
        row(
            "no folder",
            |f| fs::remove_dir_all(f.join("data")).unwrap(),
            RUN,
            66,
            &["--data: data.folder: there is no \"data\"; name the folder that holds the tasks' files by --data"],
        ),
        row(
            "no folder",
            |f| fs::remove_dir_all(f.join("data")).unwrap(),
            EVAL,
            66,
            &["there is no folder data; name the folder"],
        ),
        row(
            "no such language",
            |_| (),
            &run_with(&["--set", "languages=en,dee"]),
            66,
            &["no test file of xnli for language \"dee\" in data; did you mean \"de\"? (known: de, en, fr)"],
        ),
        row(
            "no such language",
            |_| (),
            &[EVAL, &["--languages", "ffr"]].concat(),
            66,
            &["language \"ffr\"", "mean \"fr\"?"],
        ),
        row(
            "longer than the model",
            |_| (),
            &run_with(&["--set", "stages.0.max_length=65"]),
            78,
            &["stages.0.max_length is 65, the model takes at most 64 tokens; set it to 64 or less"],
        ),
        row(
            "longer than the model",
            |_| (),
            &[&EVAL[..7], &["--max-length", "65"]].concat(),
            2,
            &["--max-length 65: the model takes at most 64 tokens", "or less"],
        ),
        row(
            "shorter than its frame",
            |_| (),
            &[&PREDICT[..5], &["--max-length", "3"]].concat(),
            78,
            &["max_length is 3, but a pair has 4 special tokens", "set it higher"],
        ),
        row(
            "input that is mixed",
            |f| fs::write(f.join("in.tsv"), "a\nb\tc\n").unwrap(),
            PREDICT,
            65,
            &["in.tsv:2: expected sentences throughout or pairs throughout, found both; part them"],
        ),
    ]);
}

#[test]
fn text_that_is_too_long_is_cut_and_counted_by_language() {
    let folder = world();
    let long = format!("{}\tb\tneutral", "Ein Hund schläft. ".repeat(20));
    change_line(folder.path(), "test-de.tsv", 2, &long);
    change_line(folder.path(), "test-de.tsv", 3, &long);
    change_line(folder.path(), "train-en.tsv", 3, &long);
    let metrics = || {
        let text = fs::read(folder.path().join("out/1-xnli-standard/metrics.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()
    };
    let counted = said(folder.path(), RUN, 0, "long text");
    for part in ["train en: 1 examples cut to 48 tokens", "test de: 2 examples cut to 48 tokens"] {
        assert!(counted.contains(part), "{counted}");
    }
    let first = metrics();
    let truncated = ["en", "de", "fr"].map(|language| first["text"][language]["truncated"].as_u64());
    assert_eq!(truncated, [Some(0), Some(2), Some(0)]);
    said(folder.path(), RUN, 0, "the same again");
    assert_eq!(metrics(), first, "a run that is done keeps its record");
    let counted = said(folder.path(), EVAL, 0, "long text");
    assert!(counted.contains("xnli de: 6 examples\n  2 of them cut to 48 tokens"), "{counted}");
    fs::write(folder.path().join("in.tsv"), format!("{long}\n").replace("\tneutral", "")).unwrap();
    let counted = said(folder.path(), PREDICT, 0, "long text");
    assert!(counted.contains("1 of 1 examples cut to 48 tokens"), "{counted}");
}

#[test]
fn folders_of_others_are_left_alone() {
    hold(&[
        row(
            "files of others",
            |f| {
                fs::create_dir(f.join("out")).unwrap();
                fs::write(f.join("out/thesis.txt"), "mine").unwrap();
            },
            RUN,
            73,
            &["out: expected an empty folder or one of a run, found \"thesis.txt\"", "name another --output"],
        ),
        row(
            "a file",
            |f| fs::write(f.join("out"), "mine").unwrap(),
            RUN,
            73,
            &["cannot create out", "name another --output"],
        ),
        row(
            "another configuration",
            |f| _ = said(f, RUN, 0, "a first run"),
            &run_with(&["--set", "seed=8"]),
            73,
            &["out holds a run of another configuration:", "seed: 7 there, 8 now", "name another --output"],
        ),
        row(
            "a damaged record",
            |f| {
                said(f, RUN, 0, "a first run");
                fs::write(f.join("out/config.resolved.toml"), "seed = ").unwrap();
            },
            RUN,
            65,
            &["out/config.resolved.toml: ", "name another --output"],
        ),
    ]);
}

#[test]
fn what_makes_scores_doubtful_is_said() {
    /// Test files whose labels come three by three, so that a constant answer is right in a third.
    fn even(folder: &Path) {
        for file in ["test-en", "test-de", "test-fr"] {
            fs::write(folder.join(format!("data/xnli/{file}.tsv")), pairs(30)).unwrap();
        }
    }
    fn constant(folder: &Path) {
        even(folder);
        // The last layer's weights give way to zeros, and its bias to one label.
        weights(folder, |header, body| {
            for (name, values) in
                [("classifier.out_proj.weight", vec![0f32; 24]), ("classifier.out_proj.bias", vec![0., 0., 9.])]
            {
                let [start, end] = offsets(&header, name);
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                body[start..end].copy_from_slice(&bytes);
            }
            as_text(header)
        });
    }
    hold(&[
        row(
            "one answer to everything",
            constant,
            EVAL,
            0,
            &["warning: de: 30 of 30 predictions are \"neutral\", whatever the text", "33.3"],
        ),
        row(
            "rows that are trained on",
            |f| {
                let train = fs::read_to_string(f.join("data/xnli/train-en.tsv")).unwrap();
                let first: Vec<&str> = train.lines().take(2).collect();
                let own = format!(
                    "{}\n{}\nx\ty\tneutral\n",
                    first[0],
                    first[1].to_uppercase().replace("ENTAILMENT", "entailment")
                );
                fs::write(f.join("data/xnli/test-de.tsv"), own).unwrap();
                fs::write(f.join("data/xnli/test-fr.tsv"), "x\ty\tneutral\n").unwrap();
            },
            &run_with(&["--dry-run"]),
            0,
            &[
                "note: test items that also stand in train, but for case",
                "de 2 of 3 (1)",
                "such as test-en:1 = train-en:1",
            ],
        ),
        row(
            "copies of a file",
            |f| {
                fs::copy(f.join("data/xnli/test-de.tsv"), f.join("data/xnli/test-de (1).tsv")).unwrap();
                fs::copy(f.join("data/xnli/test-de.tsv"), f.join("data/xnli/test-de.old.tsv")).unwrap();
            },
            EVAL,
            0,
            &["note: left out, since no language is called so: data/xnli/test-de (1).tsv, data/xnli/test-de.old.tsv"],
        ),
        row(
            "a language twice",
            |_| (),
            &[EVAL, &["--languages", "de,fr,de"]].concat(),
            2,
            &["languages: \"de\" is named twice; name each language once"],
        ),
        row(
            "a language twice by two codes",
            |_| (),
            &[EVAL, &["--languages", "de,deu"]].concat(),
            2,
            &["languages: \"de\" is named twice"],
        ),
        row(
            "another code of a language",
            |_| (),
            &[EVAL, &["--languages", "deu_Latn"]].concat(),
            0,
            &["note: \"deu_Latn\" is called de in the data of xnli", "xnli de: 6 examples"],
        ),
        row(
            "a model of others",
            |_| (),
            &EVAL[..7],
            0,
            &["note: model does not say with which length it was trained (no rxlt.json)", "cut to 64 tokens"],
        ),
        row(
            "synonyms without effect",
            |f| fs::write(f.join("n.json"), r#"{"Katze": ["Kater"], "cat": ["cat"]}"#).unwrap(),
            &run_with(&["--set", "methods.0.rs-da.neighbours=n.json"]),
            65,
            &["n.json: 0 % of words would be replaced", "rs-da would be plain training", "name a table"],
        ),
        row(
            "a rate that nothing learns with",
            |_| (),
            &run_with(&["--set", "stages.0.learning_rate=0.5", "--dry-run"]),
            0,
            &["note: stages.0.learning_rate is 5e-1, far above those that encoders learn with"],
        ),
        row(
            "training that comes to nothing",
            |_| (),
            &run_with(&["--set", "stages.0.learning_rate=3", "--set", "stages.0.updates=12"]),
            0,
            &["warning: standard: training came to nothing: the mean loss of the last 3 updates is"],
        ),
    ]);

    // What a run finds is kept in its folder, and shown by the report.
    let folder = world();
    even(folder.path());
    let steep = run_with(&["--set", "stages.0.learning_rate=3", "--set", "stages.0.updates=12"]);
    said(folder.path(), &steep, 0, "a run that is doubtful in every way");
    let read = |name: &str| serde_json::from_slice::<Value>(&fs::read(folder.path().join(name)).unwrap()).unwrap();
    let overlap = read("out/overlap.json");
    let of = |split: &str, language: &str, with: &str| {
        let same = |one: &&Value| one["split"] == split && one["language"] == language && one["with"] == with;
        overlap.as_array().unwrap().iter().find(same).map(|one| one["exact"].as_u64().unwrap())
    };
    // All is made by `pairs`, whose sixty combinations begin alike: the first 12 of 30 are trained on, 6 selected by.
    assert_eq!(
        [of("dev", "en", "train"), of("test", "de", "train"), of("test", "fr", "dev")],
        [Some(6), Some(12), Some(6)]
    );
    let metrics = read("out/1-xnli-standard/metrics.json");
    let guessing = metrics["training"]["loss_of_guessing"].as_f64().unwrap();
    assert!((guessing - 3f64.ln()).abs() < 1e-9 && metrics["training"]["loss"].as_f64().unwrap() > guessing);
    let warnings = metrics["warnings"].as_array().unwrap();
    assert!(warnings.len() >= 2, "{warnings:?}");
    let report = said(folder.path(), &["report", "out"], 0, "its report");
    let report = report.replace('\n', " ");
    for part in ["doubtful: standard, seed 7: training came to nothing", "test items that also stand in train"] {
        assert!(report.contains(part), "expected \"{part}\" in {report}");
    }
}

#[test]
fn nothing_is_overwritten_that_was_not_given_up() {
    const LABELS: &[&str] = &["predict", "--model", "model", "--input", "in.tsv", "--output"];
    let to = |output: &'static str, more: &[&'static str]| [LABELS, &[output], more].concat();
    let folder = world();
    let at = |name: &str| folder.path().join(name);
    let read = |name: &str| fs::read_to_string(at(name)).unwrap();
    let input = read("in.tsv");
    fs::write(at("notes.md"), "mine").unwrap();
    fs::hard_link(at("in.tsv"), at("again.tsv")).unwrap();
    for (output, more, says) in [
        ("in.tsv", &["--force"][..], "in.tsv is read by this command"),
        ("./in.tsv", &["--force"], "in.tsv is read by this command"),
        ("again.tsv", &["--force"], "again.tsv is read by this command (it is in.tsv)"),
        ("model/config.json", &["--force"], "config.json is read by this command"),
        ("notes.md", &[], "cannot create notes.md: it is there already"),
        ("none/labels.jsonl", &[], "there is no folder none"),
        ("data", &[], "found a folder"),
    ] {
        let message = said(folder.path(), &to(output, more), 73, output);
        assert!(message.contains(says) && !message.contains("device:"), "before any work: {message}");
    }
    assert_eq!((read("in.tsv"), read("notes.md")), (input, "mine".to_owned()));
    said(folder.path(), &to("labels.jsonl", &[]), 0, "a new file");
    assert_eq!(read("labels.jsonl").lines().count(), 2);

    said(folder.path(), RUN, 0, "a run");
    let config = read("out/config.resolved.toml");
    let report =
        |output: &'static str, more: &[&'static str]| [&["report", "out", "--output", output][..], more].concat();
    for (output, more) in
        [("notes.md", &[][..]), ("out/config.resolved.toml", &["--force"]), ("out/log.jsonl", &["--force"])]
    {
        said(folder.path(), &report(output, more), 73, output);
    }
    assert_eq!((read("notes.md"), read("out/config.resolved.toml")), ("mine".to_owned(), config));
    said(folder.path(), &report("notes.md", &["--force"]), 0, "given up");
    assert!(read("notes.md").starts_with("xnli: standard"));
}

#[cfg(target_os = "linux")]
#[test]
fn modes_are_kept_and_devices_written_to() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let folder = world();
    let labels = folder.path().join("labels.jsonl");
    fs::write(&labels, "secret").unwrap();
    fs::set_permissions(&labels, fs::Permissions::from_mode(0o600)).unwrap();
    let to = |output: &'static str| ["predict", "--model", "model", "--input", "in.tsv", "--force", "--output", output];
    said(folder.path(), &to("labels.jsonl"), 0, "a file of mode 600");
    assert_eq!(labels.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    said(folder.path(), &to("/dev/null"), 0, "a device");
    assert!(Path::new("/dev/null").metadata().unwrap().file_type().is_char_device());
    let out = said(folder.path(), &to("/dev/stdout"), 0, "the output of the process");
    assert!(out.contains("\"id\":\"in:2\""), "{out}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said() {
    let folder = world();
    let output = rxlt(folder.path(), PREDICT).stdout(fs::File::create("/dev/full").unwrap()).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{err}");
    assert!(err.contains("error: cannot write to stdout: No space left on device"), "{err}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_adapters_says_so() {
    let folder = world();
    for more in [&["--backend", "wgpu"][..], &["--backend", "wgpu", "--device", "rtx"]] {
        let mut command = rxlt(folder.path(), &run_with(more));
        for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            command.env(name, "/nonexistent");
        }
        let output = command.output().expect("the binary runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{err}");
        assert!(err.contains("there is no adapter at all") && err.contains("use --backend cpu"), "{err}");
        assert!(err.lines().all(|line| line.starts_with("error: ") && !line.contains("XDG_RUNTIME_DIR")), "{err}");
    }
}

#[test]
fn numbers_that_are_not_finite_stop_everything() {
    const DIVERGED: &[&str] = &[
        "1-xnli-standard: NaN or infinity in roberta.encoder.layer.0.attention.self.value.weight",
        "error: the loss is NaN at update 1 of 1-xnli-standard (examples train-en:",
        "there is no checkpoint",
        "lower learning_rate",
    ];
    let steep = run_with(&["--set", "stages.0.learning_rate=1e30", "--set", "stages.0.checkpoint_every=1"]);
    let one = [&steep[..], &["--set", "stages.0.updates=1"]].concat();
    hold(&[
        row("infinity in the weights", infinite, RUN, 3, DIVERGED),
        row(
            "infinity in the weights",
            infinite,
            EVAL,
            65,
            &["test-de:1: expected 3 finite probabilities, found", "weights"],
        ),
        row("infinity in the weights", infinite, PREDICT, 65, &["model: the model gives in:1 no finite probabilities"]),
        row(
            "infinity in the weights",
            infinite,
            EXPORT,
            65,
            &["NaN or infinity stands in 1 tensors, such as roberta."],
        ),
        row("an encoder", headless, EXPORT, 0, &["an encoder without a head"]),
        row(
            "infinity in an encoder",
            |f| {
                headless(f);
                infinite(f);
            },
            EXPORT,
            65,
            &["NaN or infinity stands in 1 tensors, such as roberta."],
        ),
        row(
            "steps that are too long",
            |_| (),
            &run_with(&["--set", "stages.0.learning_rate=1e38"]),
            3,
            &["at update 2 of 1-xnli-standard (examples train-en:", "lower learning_rate"],
        ),
        row(
            "a last step that is too long",
            |_| (),
            &one,
            3,
            &[
                "the model after update 1 of 1-xnli-standard gives dev-en:1 no finite probabilities",
                "lower learning_rate",
            ],
        ),
    ]);

    let folder = world();
    let steep = [&steep[..], &["--set", "stages.0.updates=5"]].concat();
    let said = said(folder.path(), &steep, 3, "steps that are too long");
    let last = "out/1-xnli-standard/checkpoints/step-00000001";
    for part in ["at update 2 of 1-xnli-standard (examples train-en:", &format!("the last good checkpoint is {last};")]
    {
        assert!(said.contains(part), "expected \"{part}\" in:\n{said}");
    }
    checkpoint::verify(&folder.path().join(last)).expect("it is intact");
    let status = fs::read_to_string(folder.path().join("out/STATUS.json")).unwrap();
    assert!(status.contains("\"failed\"") && status.contains("at update 2"), "{status}");
    assert!(!folder.path().join("out/1-xnli-standard/model").exists(), "a model that diverged was kept");
}

#[test]
fn predictions_are_scored_by_name_or_refused() {
    const SCORE: &[&str] = &["eval", "--predictions", "p.jsonl", "--task", "xnli"];
    fn write(folder: &Path, labels: &[(&str, &str)]) {
        let line = |(i, (label, prediction)): (usize, &(&str, &str))| {
            let mut line = json!({ "id": format!("test-de:{i}"), "language": "de", "prediction": prediction });
            if !label.is_empty() {
                line["label"] = json!(label);
            }
            format!("{line}\n")
        };
        fs::write(folder.join("p.jsonl"), labels.iter().enumerate().map(line).collect::<String>()).unwrap();
    }
    hold(&[
        row(
            "nothing",
            |f| write(f, &[("neutral", "neutral"), ("contradictory", "contradiction"), ("neutral", "entailment")]),
            SCORE,
            0,
            &["66.7", "de", "neutral"],
        ),
        row(
            "a label of another name",
            |f| write(f, &[("neutral", "neutral"), ("maybe", "neutral")]),
            SCORE,
            65,
            &["p.jsonl:2: \"maybe\" is no label of xnli; known: contradiction, entailment, neutral"],
        ),
        row(
            "a prediction of another name",
            |f| write(f, &[("neutral", "Neutrl")]),
            SCORE,
            65,
            &["p.jsonl:1: \"Neutrl\" is no label of xnli; did you mean \"neutral\"?"],
        ),
        row(
            "no labels",
            |f| write(f, &[("neutral", "neutral"), ("", "neutral")]),
            SCORE,
            65,
            &["p.jsonl:2: \"test-de:1\" has no \"label\" to score against; write the right label"],
        ),
        row(
            "numbers against names",
            |f| write(f, &[("0", "neutral"), ("1", "entailment")]),
            &SCORE[..3],
            65,
            &[
                "p.jsonl: label names do not match: labels {\"0\", \"1\"}, predictions {\"entailment\", \"neutral\"}; use one set",
            ],
        ),
        row(
            "the same twice",
            |f| {
                write(f, &[("neutral", "neutral")]);
                change(&f.join("p.jsonl"), |line| line.repeat(2));
            },
            SCORE,
            65,
            &["p.jsonl:2: \"test-de:0\" was already predicted in line 1; keep one of them"],
        ),
        row(
            "no JSON",
            |f| fs::write(f.join("p.jsonl"), "id,label\n").unwrap(),
            SCORE,
            65,
            &["p.jsonl:1: ", "expected an object with id, language, prediction"],
        ),
        row("empty", |f| fs::write(f.join("p.jsonl"), "").unwrap(), SCORE, 65, &["p.jsonl is empty"]),
        row("no file", |_| (), SCORE, 66, &["cannot read p.jsonl"]),
    ]);
}

/// A run that is there, spoilt, and asked for again.
#[test]
fn a_run_is_what_its_folder_says() {
    const NAMES: [&str; 2] = ["put the old files back", "--output"];
    let edit = |f: &Path, name: &str| change(&f.join(name), |text| text.replacen("sits", "sat", 1));
    let flip = |f: &Path, name: &str| {
        let mut bytes = fs::read(f.join(name)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(f.join(name), bytes).unwrap();
    };
    type Spoil<'a> = &'a dyn Fn(&Path);
    let rows: &[(&str, Spoil, i32, &[&str])] = &[
        ("nothing", &|_| (), 0, &["done already"]),
        ("train file", &|f| edit(f, "data/xnli/train-en.tsv"), 73, &["train-en.tsv (train en): SHA-256", "12 rows"]),
        (
            "test file",
            &|f| edit(f, "data/xnli/test-de.tsv"),
            73,
            &["test-de.tsv (test de): SHA-256", NAMES[0], NAMES[1]],
        ),
        ("start model", &|f| flip(f, "model/model.safetensors"), 73, &["model.safetensors (model): SHA-256", NAMES[0]]),
        ("another file of a tokenizer", &|f| fs::write(f.join("model/vocab.txt"), "a").unwrap(), 73, &["vocab.txt"]),
        ("configuration gone", &|f| fs::remove_file(f.join("out/config.resolved.toml")).unwrap(), 73, &["holds a run"]),
        (
            "configuration edited",
            &|f| change(&f.join("out/config.resolved.toml"), |text| text + "# mine\n"),
            73,
            &["config.resolved.toml was edited", "--output"],
        ),
        (
            "model kept",
            &|f| flip(f, "out/1-xnli-standard/model/model.safetensors"),
            65,
            &["model.safetensors: damaged: expected SHA-256", "or remove out/1-xnli-standard/model and run the same"],
        ),
        (
            "predictions cut",
            &|f| change(&f.join("out/1-xnli-standard/predictions/test-de.jsonl"), |t| t.lines().next().unwrap().into()),
            65,
            &["test-de.jsonl: expected 6 predictions, found 1", "predicted again"],
        ),
        (
            "files of others",
            &|f| {
                [".draft.tmp-1", ".notes.old-2025"].iter().for_each(|n| fs::write(f.join("out").join(n), "x").unwrap())
            },
            0,
            &["done already"],
        ),
    ];
    let whole = world();
    said(whole.path(), RUN, 0, "first");
    for (fault, spoil, code, says) in rows {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        let lock = fs::read(folder.path().join("out/data.lock.json")).unwrap();
        spoil(folder.path());
        let said = said(folder.path(), RUN, *code, fault);
        says.iter().for_each(|part| assert!(said.contains(part), "{fault}: expected \"{part}\" in:\n{said}"));
        assert_eq!(fs::read(folder.path().join("out/data.lock.json")).unwrap(), lock, "{fault}");
        if *fault == "files of others" {
            assert!(
                folder.path().join("out/.draft.tmp-1").exists() && folder.path().join("out/.notes.old-2025").exists()
            );
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => {
                fs::create_dir_all(&target).unwrap();
                copy(&entry.path(), &target);
            }
            false => _ = fs::copy(entry.path(), target).unwrap(),
        }
    }
}

#[test]
fn a_damaged_model_that_is_done_is_made_again() {
    let folder = world();
    said(folder.path(), RUN, 0, "first");
    let model = folder.path().join("out/1-xnli-standard/model");
    let before = fs::read(model.join("model.safetensors")).unwrap();
    fs::remove_dir_all(&model).unwrap();
    let log = folder.path().join("out/log.jsonl");
    let mut text = fs::read(&log).unwrap();
    text.splice(0..0, *b"{\"half\xff\n");
    fs::write(&log, text).unwrap();
    let said = said(folder.path(), RUN, 0, "again");
    assert!(said.contains("log.jsonl: 1 damaged lines left out") && said.contains("goes on after update 2"), "{said}");
    assert_eq!(fs::read(model.join("model.safetensors")).unwrap(), before);
}

#[test]
fn what_was_wrong_before_training_does_not_refuse_the_corrected_command() {
    let folder = world();
    let mut wrong = run_with(&["--set", "languages=[\"en\",\"xx\"]"]);
    said(folder.path(), &wrong, 66, "a typo");
    wrong[RUN.len() + 1] = "languages=[\"en\",\"de\"]";
    said(folder.path(), &wrong, 0, "corrected");
}

#[test]
fn more_threads_than_a_machine_has_are_refused() {
    let folder = world();
    let output = rxlt(folder.path(), RUN).env("RAYON_NUM_THREADS", "3000").output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("RAYON_NUM_THREADS=3000: expected at most"), "{said}");
}
