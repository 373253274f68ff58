//! Inputs of public bug reports, in the folders `cases/NN` of the shared data: each row runs a case's command on a copy of
//! its folder, and holds what comes out against `expected.json`, whose numbers are those of a forward pass in f64 or of the
//! libraries that a model was published with. To add a case, add a row.

mod harness;

use harness::{Outcome, Test, present, rxlt, shared_folder};
use rxlt::checkpoint::{self, Entry, Values, Weights};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One case: what it is about, the command, its exit code, and what is right.
struct Case {
    number: &'static str,
    what: &'static str,
    /// The arguments of `rxlt`, parted by spaces; the folder is a copy of the case's.
    run: &'static str,
    code: i32,
    right: Right,
}

/// What is right.
enum Right {
    /// The probabilities of `expected.json`, at this key of it (at "" the whole), line by line.
    Probabilities(&'static str),
    /// What stdout or stderr says.
    Says(&'static [&'static str]),
    /// Whatever a function checks of what came out and of the folder.
    Holds(fn(&Ran)),
}

use Right::{Holds, Probabilities, Says};

/// What a command left.
struct Ran {
    folder: PathBuf,
    /// Stdout, then stderr.
    said: String,
    out: String,
}

const RUN: &str = "run recipe.toml --model model --output out --progress plain";
const DRY_RUN: &str = "run recipe.toml --model model --dry-run";
const PREDICT: &str = "predict --model model --input input.jsonl --max-length 60";

/// Probabilities are given to six decimals (5e-7). Those of f32 differ from those of f64 by some 2⁻²⁴ for each of the
/// about twenty roundings between input and logits, which lie below 4: up to 20 · 4 · 6e-8 = 5e-6, of which a softmax
/// passes on a quarter at most; seen 1e-7.
const TOLERANCE: f64 = 2e-6;

const CASES: &[Case] = &[
    Case { number: "01", what: "the pooler stays", run: RUN, code: 0, right: Holds(the_pooler_stays) },
    Case { number: "02", what: "no pad_token_id", run: PREDICT, code: 0, right: Probabilities("") },
    Case { number: "05", what: "one logit", run: PREDICT, code: 0, right: Probabilities("") },
    Case {
        number: "05",
        what: "one logit says so",
        run: PREDICT,
        code: 0,
        right: Says(&["\"activation\":\"sigmoid\""]),
    },
    Case { number: "06", what: "labels that do not compete", run: PREDICT, code: 0, right: Probabilities("") },
    Case { number: "06", what: "sigmoids say so", run: PREDICT, code: 0, right: Says(&["\"activation\":\"sigmoid\""]) },
    Case { number: "08", what: "gamma and beta", run: PREDICT, code: 0, right: Probabilities("") },
    Case { number: "09", what: "a bare encoder", run: RUN, code: 0, right: Holds(names_make_no_difference) },
    Case { number: "09", what: "a bare encoder, planned", run: DRY_RUN, code: 0, right: Says(&["in order"]) },
    Case {
        number: "09",
        what: "a bare encoder classifies nothing",
        run: "eval --model model --task xnli --data data",
        code: 65,
        right: Says(&["model holds no trained classifier (classifier.dense.weight, "]),
    },
    Case { number: "10", what: "a table by its other name", run: RUN, code: 0, right: Holds(the_table_is_the_decoder) },
    Case { number: "11", what: "a pointer, planned", run: DRY_RUN, code: 65, right: Says(&["git lfs pull"]) },
    Case {
        number: "12",
        what: "two labels without names",
        run: "eval --model model --task pawsx --data data",
        code: 65,
        right: Says(&["labels differ: pawsx has 0, 1; the model has LABEL_0, LABEL_1; name the model's labels"]),
    },
    Case {
        number: "13",
        what: "labels in capitals, scored",
        run: "eval --model model --task xnli --data data --max-length 60",
        code: 0,
        right: Holds(the_score_is_right),
    },
    Case { number: "13", what: "labels in capitals, trained", run: RUN, code: 0, right: Holds(the_head_is_kept) },
    Case {
        number: "14",
        what: "an output layer of its own",
        run: "run recipe.toml --model model --data . --output out",
        code: 0,
        right: Holds(the_decoder_is_used),
    },
    Case { number: "17", what: "the words <pad>", run: PREDICT, code: 0, right: Probabilities("") },
    Case { number: "20", what: "camembert", run: PREDICT, code: 0, right: Says(&["\"id\":\"input:1\""]) },
    Case {
        number: "20",
        what: "an index with one name too many",
        run: "predict --model stale-index --input input.jsonl --max-length 60",
        code: 0,
        right: Says(&["\"id\":\"input:1\""]),
    },
];

fn main() {
    let test = |case: &'static Case| Test::new(format!("case {}: {}", case.number, case.what), || check(case));
    harness::run(CASES.iter().map(test).collect());
}

fn check(case: &Case) -> Outcome {
    let source = match present(shared_folder().join("cases").join(case.number)) {
        Ok(source) => source,
        Err(outcome) => return outcome,
    };
    let copy = tempfile::tempdir().expect("a temporary folder");
    copy_folder(&source, copy.path());
    let ran = run(copy.path(), case.run, case.code);
    match case.right {
        Probabilities(key) => probabilities_are(&ran, key),
        Says(parts) => {
            for part in parts {
                assert!(ran.said.contains(part), "expected \"{part}\" in:\n{}", ran.said);
            }
        }
        Holds(holds) => holds(&ran),
    }
    Outcome::Passed
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy's folder");
    for entry in fs::read_dir(from).expect("the case's folder").flatten() {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            fs::copy(&path, &copy).expect("the case's files can be read");
        }
    }
}

/// Runs a command in the copy of a case, and checks its exit code.
#[track_caller]
fn run(folder: &Path, arguments: &str, code: i32) -> Ran {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let output = rxlt(folder, &arguments).output().expect("the binary runs");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{said}");
    Ran { folder: folder.to_path_buf(), said, out }
}

/// The content of expected.json.
fn expected(ran: &Ran) -> Value {
    json(&ran.folder.join("expected.json"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("the file can be read")).expect("it is JSON")
}

#[track_caller]
fn probabilities_are(ran: &Ran, key: &str) {
    let expected = if key.is_empty() { expected(ran) } else { expected(ran)[key].clone() };
    let expected: Vec<Vec<f64>> = serde_json::from_value(expected).expect("lists of numbers");
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect();
    assert_eq!(lines.len(), expected.len(), "{}", ran.said);
    let folder = ran.folder.join(if key.is_empty() { "model" } else { key });
    let labels = json(&folder.join("config.json"))["id2label"].clone();
    for (line, expected) in lines.iter().zip(&expected) {
        for (i, expected) in expected.iter().enumerate() {
            let label = labels[i.to_string()].as_str().expect("a label");
            let found = line["probabilities"][label].as_f64().expect("a probability");
            assert!((found - expected).abs() < TOLERANCE, "{label}: expected {expected}, found {found} in {line}");
        }
    }
}

/// The only stage's model, as it was written.
fn trained(ran: &Ran) -> Weights {
    let stages = fs::read_dir(ran.folder.join("out")).expect("the run's folder").flatten();
    let models: Vec<PathBuf> = stages.map(|entry| entry.path().join("model")).filter(|path| path.is_dir()).collect();
    assert_eq!(models.len(), 1, "{models:?}");
    Weights::open(&models[0]).expect("the model can be read")
}

/// The largest difference between a tensor and another that it began as.
fn change(after: &Weights, name: &str, before: &Weights, stored: &str) -> f32 {
    let (after, before) = (after.read(name).expect(name), before.read(stored).expect(stored));
    assert_eq!(after.len(), before.len(), "{name}");
    after.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// One update at a rate of 1e-9 moves a weight by 1e-9 at most; 1e-6 is what the case allows.
const ONE_UPDATE: f32 = 1e-6;

fn the_pooler_stays(ran: &Ran) {
    let before = Weights::open(&ran.folder.join("model")).expect("the case's model");
    for name in ["bert.pooler.dense.weight", "bert.pooler.dense.bias"] {
        assert!(change(&trained(ran), name, &before, name) < ONE_UPDATE, "{name}");
    }
    assert!(ran.said.contains("initialized: classifier (2 tensors)\n"), "{}", ran.said);
}

/// The same run as with the prefix before every name: the same bits.
fn names_make_no_difference(ran: &Ran) {
    let model = ran.folder.join("model");
    let bare = Weights::open(&model).expect("the case's model");
    let tensors: Vec<(String, Vec<usize>, Vec<f32>)> = bare
        .names()
        .map(|name| (format!("roberta.{name}"), bare.shape(name).expect(name).to_vec(), bare.read(name).expect(name)))
        .collect();
    let entries: Vec<Entry> =
        tensors.iter().map(|(name, shape, values)| Entry { name, shape, values: Values::F32(values) }).collect();
    checkpoint::write(&model.join("model.safetensors"), &entries, &[]).expect("it is written");
    let first = trained(ran).hashes().expect("it can be read");
    fs::remove_dir_all(ran.folder.join("out")).expect("the first run");
    let again = run(&ran.folder, RUN, 0);
    assert_eq!(trained(&again).hashes().expect("it can be read"), first);
    assert!(ran.said.contains("initialized: classifier (4 tensors)\n"), "{}", ran.said);
}

fn the_table_is_the_decoder(ran: &Ran) {
    let (before, name) = (Weights::open(&ran.folder.join("model")).expect("the case's model"), "roberta.embeddings");
    let table = format!("{name}.word_embeddings.weight");
    assert!(change(&trained(ran), &table, &before, "lm_head.decoder.weight") < ONE_UPDATE);
}

fn the_score_is_right(ran: &Ran) {
    let expected = expected(ran);
    let (right, n) = (expected["correct"].as_f64().expect("a number"), expected["n"].as_f64().expect("a number"));
    let accuracy = format!("{:.1}", 100.0 * right / n);
    let line = ran.out.lines().find(|line| line.starts_with("en ")).expect("a line for English");
    assert!(line.split_whitespace().any(|word| word == accuracy), "expected {accuracy} in {line}");
}

fn the_head_is_kept(ran: &Ran) {
    assert!(!ran.said.contains("initialized"), "{}", ran.said);
    let before = Weights::open(&ran.folder.join("model")).expect("the case's model");
    let name = "classifier.out_proj.weight";
    assert!(change(&trained(ran), name, &before, name) < ONE_UPDATE, "{name}");
}

fn the_decoder_is_used(ran: &Ran) {
    let log = fs::read_to_string(ran.folder.join("out/log.jsonl")).expect("the log");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON Lines"));
    let first = lines.filter(|line| line["event"] == "step").find_map(|line| line["loss"].as_f64()).expect("a loss");
    let expected = expected(ran)["first loss"].as_f64().expect("a number");
    assert!((first - expected).abs() < 1e-4, "expected {expected} (to four decimals), found {first}");
    assert_eq!(trained(ran).shape("lm_head.decoder.weight"), Some(&[19, 8][..]));
}
