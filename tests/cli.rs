//! The `rxlt` command as users meet it: help, messages, exit codes, and what is written where.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

mod harness;

use harness::rxlt;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("rxlt writes UTF-8")
}

/// Runs `rxlt`; the exit code must be as expected, and stderr (after a failure) or stdout must say all `parts`.
#[track_caller]
fn check(folder: &Path, args: &[&str], code: i32, parts: &[&str]) -> String {
    let output = rxlt(folder, args).output().expect("the binary runs");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\nstdout: {out}\nstderr: {err}");
    let said = if code == 0 { &out } else { &err };
    for part in parts {
        assert!(said.contains(part), "{args:?}: expected \"{part}\" in:\n{said}");
    }
    assert!(code == 0 || out.is_empty(), "{args:?}: a failure wrote to stdout: {out}");
    assert!(![&out, &err].iter().any(|text| text.contains('\u{1b}')), "{args:?}: escape codes without a terminal");
    said.clone()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A recipe that takes seconds.
const SMALL: &str = r#"
name = "small"
languages = ["en", "de"]

[model.fresh]
vocab_size = 500
hidden_size = 16
num_hidden_layers = 1
num_attention_heads = 2
intermediate_size = 32
max_position_embeddings = 34

[data]
folder = "demo"
max_eval_samples = 30

[[stages]]
task = "mlm"
updates = 4
max_train_samples = 60
max_length = 32
languages = ["en", "de"]
checkpoint_every = 2

[[stages]]
task = "demo"
updates = 4
max_train_samples = 60
max_length = 32
learning_rate = 1e-3
evaluate_every = 2
checkpoint_every = 2

[[methods]]
standard = {}

[[methods]]
adv = { steps = 1 }
"#;

/// A study that takes seconds.
const STUDY: &str = r#"
name = "small"
question = "Do words read before help?"
seeds = [1, 2]
languages = ["en", "de", "sw", "fi", "tr", "es"]
perturb = ["typos:0.5", "synonyms:en:1"]
dictionaries = ["en=near.json"]
pretraining_text = "read.tsv"
complexity = { treebanks = "ud" }
intermediate = { updates = 3, max_train_samples = 60, max_length = 32, evaluate_every = 0 }
arms = [{ name = "words", tasks = ["mlm"] }]
targets = [{ task = "demo", updates = 3, max_train_samples = 60, max_length = 32, evaluate_every = 0 }]
methods = [{ standard = {} }]
data = { folder = "demo", max_eval_samples = 30 }

[model.fresh]
vocab_size = 500
hidden_size = 16
num_hidden_layers = 1
num_attention_heads = 2
intermediate_size = 32
max_position_embeddings = 34

[[tasks]]
name = "hard"
about = "pairs in a file"
kind = "classify"
pairs = true
labels = ["contradiction", "entailment", "neutral"]
source = "en"
languages = ["en"]

[[tasks.layouts]]
train = ["train.tsv"]
test = ["test-hard.tsv"]

[[tasks]]
name = "easy"
about = "pairs in files"
kind = "classify"
pairs = true
labels = ["contradiction", "entailment", "neutral"]
source = "en"
languages = ["en"]

[[tasks.layouts]]
train = ["train.tsv"]
test = ["test-easy.tsv"]
"#;

/// What the study reads beside.
fn write_beside_the_study(at: &Path) {
    let labels = ["contradiction", "entailment", "neutral"];
    let row = |i: usize| format!("A cat sits {i}.\tA dog sits {i}.\t{}\n", labels[i % 3]);
    let pairs =
        |range: std::ops::Range<usize>| format!("sentence1\tsentence2\tlabel\n{}", range.map(row).collect::<String>());
    let rows = |feats: &str| format!("1\ta\ta\tNOUN\t_\t{feats}\t0\troot\t_\t_\n\n");
    fs::create_dir_all(at.join("demo/ud/UD_Finnish-PUD")).unwrap();
    fs::create_dir_all(at.join("pairs/ud")).unwrap();
    for (name, text) in [
        ("pairs/train.tsv", pairs(0..60).as_str()),
        ("pairs/test-easy.tsv", pairs(60..90).as_str()),
        ("pairs/test-hard.tsv", pairs(90..130).as_str()),
        ("near.json", r#"{"big": ["large"], "small": ["little"], "the": ["a"], "a": ["the"]}"#),
        ("read.tsv", "# tokens\nen\t900\nde\t500\nes\t300\nfi\t20\n"),
        ("demo/ud/UD_Finnish-PUD/fi_pud-ud-test.conllu", &rows("Case=Nom|Number=Sing")),
        ("pairs/ud/en_pud-ud-test.conllu", &rows("Number=Sing")),
        ("demo/ud/UD_Finnish-PUD/fi_tdt-ud-test.conllu", &rows("_")),
    ] {
        fs::write(at.join(name), text).unwrap();
    }
}

#[test]
fn a_study_makes_its_runs_once_and_its_page_from_what_is_there() {
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("small.toml"), STUDY).unwrap();
    write_beside_the_study(at);
    let asked = ["study", "small.toml", "--output", "out"];
    let with = |more: &[&str]| -> Vec<String> { asked.iter().chain(more).map(|arg| (*arg).to_owned()).collect() };
    let go = |more: &[&str], code: i32, says: &[&str]| {
        let args = with(more);
        check(at, &args.iter().map(String::as_str).collect::<Vec<_>>(), code, says)
    };
    go(&["--dry-run"], 0, &["4 runs of targets, 0 of them done, after 2 runs before", "to do out/demo/none-s1-"]);
    go(&["--page-only"], 0, &["0 of 4 runs are finished", "Nothing can be said yet"]);
    go(&["--backend", "cpu", "--page", "page.md"], 0, &[]);
    let page = fs::read_to_string(at.join("page.md")).unwrap();
    for says in [
        "4 of 4 runs are finished",
        "gains in points over learning the target alone, in all languages but the source; all other figures follow",
        "| demo   | words  | ",
        "With standard on demo, words before changes all but the source by",
        "demo: in %, mean ± standard deviation over seeds",
        "demo: 4 of 4 models learned nothing of their source language: none s1 standard (",
        "No text read of sw, tr: the encoder's numbers have none or 0",
        "demo after words, standard: over seeds and languages",
        "| all but the source, typos:0.5 ",
        "| the source, synonyms:en:1 ",
        "| low-resource − high-resource ",
        "            2.00 |",
        "        20 | low-resource | agglutinative |",
        "demo: synonyms:en:1 changes no word of de, es, fi, sw, tr; left out of that.",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
    go(&["--dry-run"], 0, &["4 runs of targets, 4 of them done"]);
    // From what is there, to the letter; and what is there is not made again.
    go(&["--page-only", "--page", "again.md"], 0, &[]);
    assert_eq!(page, fs::read_to_string(at.join("again.md")).unwrap());
    go(&["--backend", "cpu", "--page", "more.md"], 0, &[]);
    assert_eq!(page, fs::read_to_string(at.join("more.md")).unwrap());
    // A score that is not what the predictions come to is not believed, and a model that was not measured is named.
    let run = fs::read_dir(at.join("out/demo")).unwrap().map(|entry| entry.unwrap().path());
    let run = run.filter(|path| path.join("metrics.json").is_file()).min().unwrap();
    let metrics = fs::read_to_string(run.join("metrics.json")).unwrap();
    let edited = metrics.replacen("\"accuracy\": 0.", "\"accuracy\": 0.9", 1);
    assert_ne!(metrics, edited);
    fs::write(run.join("metrics.json"), edited).unwrap();
    go(&["--page-only"], 65, &["metrics.json: standard en: accuracy is 0.9", "and its predictions come to 0."]);
    fs::remove_file(run.join("metrics.json")).unwrap();
    let kept = PathBuf::from(format!("{}.perturbed/standard/typos-0.5", run.display()));
    fs::remove_dir_all(&kept).unwrap();
    go(&["--page-only"], 0, &["3 of 4 runs are finished"]);
    fs::write(run.join("metrics.json"), metrics).unwrap();
    go(&["--page-only"], 0, &["demo: typos:0.5 is without some of the models"]);
    fs::remove_file(run.join("metrics.json")).unwrap();
    go(&["--backend", "cpu", "--page", "mended.md"], 0, &[]);
    assert_eq!(page, fs::read_to_string(at.join("mended.md")).unwrap());
    check(at, &["watch", "out", "--once"], 0, &["1-demo-standard", "1-mlm", "3/3", "done"]);
    check(at, &["watch", "none", "--once"], 66, &["there is no folder none"]);
    // Seeds side by side have the same page, to the letter but for the folder.
    let apart = ["study", "small.toml", "--output", "apart", "--backend", "cpu", "--jobs", "2", "--page", "apart.md"];
    let apart = [&apart[..], &["--discard-models"]].concat();
    check(at, &apart, 0, &[]);
    assert_eq!(page, fs::read_to_string(at.join("apart.md")).unwrap());
    // Without models all is done for good.
    for run in fs::read_dir(at.join("apart/demo")).unwrap().map(|entry| entry.unwrap().path()) {
        assert!(!run.join("1-demo-standard/model").exists(), "{}", run.display());
    }
    check(at, &[&apart[..], &["--force"]].concat(), 0, &[]);
    assert_eq!(page, fs::read_to_string(at.join("apart.md")).unwrap());
    // Other texts than those that were predicted are no part of the page.
    fs::write(at.join("near.json"), r#"{"big": ["huge"]}"#).unwrap();
    go(&["--backend", "cpu"], 78, &["expected the texts of this study, found predictions of others"]);
    write_beside_the_study(at);
    // The same labels in files: what the target learns from, and a challenge.
    let of_files = STUDY
        .replace("task = \"demo\"", "task = \"easy\", challenges = [\"hard\"]")
        .replace("folder = \"demo\"", "folder = \"pairs\"")
        .replace("languages = [\"en\", \"de\", \"sw\", \"fi\", \"tr\", \"es\"]\n", "")
        .replace("tasks = [\"mlm\"]", "tasks = [\"hard\"]")
        .replace("perturb = [\"typos:0.5\", \"synonyms:en:1\"]\n", "");
    fs::write(at.join("files.toml"), &of_files).unwrap();
    let of_files = ["study", "files.toml", "--output", "of-files", "--backend", "cpu"];
    check(at, &of_files, 0, &["4 of 4 runs are finished", "challenge set hard"]);
    fs::write(at.join("pairs/test-hard.tsv"), "sentence1\tsentence2\tlabel\nA cat sits.\tA dog.\tneutral\n").unwrap();
    check(at, &of_files, 78, &["expected the texts of this study, found predictions of others"]);
    let says = ["seeds: expected each seed once, found 2 twice"];
    go(&["--seeds", "2,2", "--page-only"], 78, &says);
    // Another seed that learns from other data is no part of the page of the first.
    fs::write(at.join("pairs/train.tsv"), "sentence1\tsentence2\tlabel\nA cat.\tA dog.\tneutral\nA.\tB.\tentailment\n")
        .unwrap();
    let other = [&of_files[..], &["--seeds", "3"]].concat();
    check(at, &other, 0, &["2 of 2 runs are finished"]);
    let mixed = [&of_files[..4], &["--page-only", "--seeds", "1,3"]].concat();
    check(at, &mixed, 65, &["were made of different files"]);
    // What is read is not replaced by the page.
    go(&["--page-only", "--force", "--page", "near.json"], 73, &["near.json"]);
    // What is wrong is said before anything is trained, and what diverges costs only what builds on it.
    fs::write(at.join("typo.toml"), STUDY.replace("typos:0.5", "typo:0.5")).unwrap();
    check(at, &["study", "typo.toml", "--output", "none"], 78, &["perturb: expected typos:0.1"]);
    fs::write(at.join("other.toml"), STUDY.replace("task = \"demo\"", "task = \"demo\", challenges = [\"sib200\"]"))
        .unwrap();
    let says = ["challenges: expected a task of the kind of demo with its labels"];
    check(at, &["study", "other.toml", "--output", "none"], 78, &says);
    fs::write(at.join("no.toml"), STUDY.replace("task = \"demo\"", "task = \"demo\", challenges = [\"hard\"]"))
        .unwrap();
    let says = ["challenges: the demo's data have no hard"];
    check(at, &["study", "no.toml", "--output", "none", "--backend", "cpu"], 78, &says);
    assert!(!at.join("none").exists());
    let diverging = STUDY.replace("intermediate = { ", "intermediate = { learning_rate = 1e30, ");
    fs::write(at.join("diverging.toml"), diverging).unwrap();
    let says = ["2 of 4 runs are finished", "before/words-s1-", "failed and is left out: "];
    check(at, &["study", "diverging.toml", "--output", "part", "--backend", "cpu"], 0, &says);
    let long = STUDY
        .split("[model.fresh]")
        .next()
        .unwrap()
        .replace("max_length = 32, evaluate_every = 0 }]", "max_length = 512 }]")
        + "[model]\npath = \"weights/xlmr-open\"\n";
    fs::write(at.join("long.toml"), long).unwrap();
    let says = ["stages.0.max_length is 512, the model takes at most 128 tokens", "this is of small-demo"];
    check(at, &["study", "long.toml", "--output", "none", "--dry-run"], 78, &says);
    for (old, new, code, says) in [
        ("treebanks = \"ud\"", "treebanks = \"du\"", 66, "demo/du: "),
        (
            "treebanks = \"ud\"",
            "parallel = \"{language}.txt\"",
            66,
            "complexity.parallel: there is no demo/{language}.txt",
        ),
        ("\"read.tsv\"", "\"red.tsv\"", 66, "red.tsv"),
        ("typos:0.5", "typo:0.5", 78, "perturb: expected typos:0.1"),
    ] {
        fs::write(at.join("lacking.toml"), STUDY.replace(old, new)).unwrap();
        for more in [&["--dry-run"][..], &[]] {
            check(at, &[&["study", "lacking.toml", "--output", "none"], more].concat(), code, &[says]);
        }
    }
    assert!(!at.join("none").exists());
    // Those that ship fit the encoder that ships, and want data.
    for name in ["hard-subsets", "task-diversity"] {
        check(at, &["study", name, "--dry-run"], 66, &["data.folder: there is no \"data\""]);
    }
    check(at, &["study", "task-diversty"], 66, &["did you mean \"task-diversity\""]);
    check(at, &["study"], 0, &["hard-subsets", "task-diversity"]);
    check(at, &["study", "--dry-run"], 2, &["<STUDY>"]);
    check(at, &["study", "hard-subsets", "--show"], 0, &["name = \"hard-subsets\"\nquestion"]);
    // What is wrong is said with its line, or its key in the stage that it is of.
    for (old, new, says) in [
        ("seeds = [1, 2]", "seeds = [1, 2]\nsed = 1", "wrong.toml:5: unknown key \"sed\"; did you mean \"seeds\"?"),
        (
            "intermediate = { updates = 3",
            "intermediate = { update = 3",
            "small (intermediate, of which stages.0 is made): unknown key \"update\"",
        ),
        (
            "task = \"demo\", updates = 3",
            "task = \"demo\", updates = 0",
            "small (the target demo, of which stages.0 is made): stages.0.updates",
        ),
    ] {
        fs::write(at.join("wrong.toml"), STUDY.replace(old, new)).unwrap();
        check(at, &["study", "wrong.toml", "--output", "none", "--dry-run"], 78, &[says]);
    }
}

#[test]
fn every_command_explains_itself() {
    let folder = folder();
    check(folder.path(), &["--version"], 0, &["rxlt 0."]);
    check(folder.path(), &["--help"], 0, &["Examples:", "Exit codes:", "75 stopped and saved"]);
    for command in [
        "run",
        "eval",
        "predict",
        "augment",
        "devices",
        "recipe",
        "task",
        "model",
        "report",
        "compare",
        "score",
        "doctor",
        "study",
        "sweep",
        "watch",
        "completions",
        "man",
    ] {
        check(folder.path(), &[command, "--help"], 0, &["Example", "Usage: rxlt"]);
    }
    check(folder.path(), &[], 2, &["Usage: rxlt"]);
}

#[test]
fn wrong_words_are_refused_with_the_nearest_right_one() {
    let folder = folder();
    fs::write(folder.path().join("bad.toml"), "name = \"x\"\n[model]\npath = \"m\"\n[[stages]]\ntask = \"xnil\"\n")
        .unwrap();
    fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    fs::write(folder.path().join("typo.toml"), "name = \"x\"\nsede = 3\n").unwrap();
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["devics"], 2, &["'devices'"]),
        (&["run", "--dry-rum"], 2, &["--dry-run"]),
        (&["run", "xnli-avd"], 2, &["did you mean \"xnli-adv\"?"]),
        (&["run", "none.toml"], 66, &["cannot read none.toml"]),
        (&["run", "bad.toml"], 78, &["bad.toml:5: stages.0.task: no task \"xnil\"; did you mean \"xnli\"?"]),
        (&["run", "typo.toml"], 78, &["typo.toml:2: unknown key \"sede\"; did you mean \"seed\"?"]),
        (&["run", "--set", "sed=1"], 78, &["--set sed=1: unknown key \"sed\"; did you mean \"seed\"?"]),
        (&["run", "--set", "seed"], 2, &["expected key=value"]),
        (&["run", "--seeds", "9223372036854775808"], 2, &["--seeds", "is not in"]),
        (&["run", "--set", "methods.0.avd.radius=1"], 78, &["unknown key \"avd\"; did you mean \"adv\"?"]),
        (&["run", "--set", "languages=de,sw,de"], 78, &["languages: \"de\" is named twice", "name it once"]),
        (
            &["run", "--set", "stages.0.learning_rate=1e-50"],
            78,
            &["learning_rate: expected a number above 0 that f32 can"],
        ),
        (
            &["run", "--set", "stages.0.learning_rate=1e39"],
            78,
            &["learning_rate: expected a number above 0 that f32 can"],
        ),
        (&["eval", "--model", "m", "--task", "demo", "--data", "demo", "--languages", "sw,sw"], 2, &["named twice"]),
        (&["eval", "--model", "m", "--task", "tatoeba", "--data", "d", "--languages", "de,deu"], 2, &["named twice"]),
        (&["run", "--set", "seed=tow"], 78, &["--set seed=tow: expected a whole number, such as 3, found \"tow\""]),
        (&["eval", "--model", "./m", "--task", "tatoba", "--data", "d"], 2, &["did you mean \"tatoeba\"?"]),
        (&["run", "--set", "languages=dd"], 78, &["no language \"dd\"; did you mean"]),
        (&["run", "--set", "stages.0.batch_size=0"], 78, &["--set: stages.0.batch_size: expected 1 or more, found 0"]),
        (&["run", "--set", "generalised=true"], 78, &["did you mean \"generalized\"?"]),
        (
            &["run", "xnli-rs-da"],
            66,
            &["model.path: there is no \"xlm-roberta-base\"", "neighbours: there is no", "--data"],
        ),
        (&["run", "small.toml", "--backend", "gpu"], 2, &["[possible values: auto, cpu, wgpu]"]),
        (&["run", "small.toml", "--backend", "cpu", "--device", "llvmpipe"], 2, &["--backend cpu has no device"]),
        (&["run", "small.toml", "--backend", "cpu", "--precision", "f16"], 2, &["f32 or bf16, not in f16"]),
        (&["run", "small.toml", "--backend", "cpu", "--precision", "f64"], 2, &["[possible values: f32, bf16, f16]"]),
        (&["run", "small.toml", "--backend", "wgpu", "--precision", "bf16"], 2, &["wgpu has no bf16"]),
        (&["run", "small.toml", "--device", "no such card"], 69, &["no adapter matches \"no such card\""]),
        (&["recipe", "show", "dem"], 2, &["did you mean \"demo\"?"]),
        (&["eval"], 2, &["--model"]),
        (&["eval", "--model", "./m", "--task", "xnil", "--data", "d"], 2, &["did you mean \"xnli\"?"]),
        (&["eval", "--model", "m", "--task", "xnli", "--data", "d"], 66, &["there is no folder d"]),
        (&["eval", "--model", "m", "--task", "sib200", "--data", ".", "--generalized"], 2, &["sentence pairs"]),
        (&["predict", "--model", "m", "--input", "none.tsv"], 66, &["none.tsv"]),
        (&["augment", "--task", "xnli", "--input", "a", "--neighbours", "none.json"], 66, &["none.json"]),
    ];
    for (args, code, parts) in cases {
        let said = check(folder.path(), args, *code, parts);
        assert!(said.starts_with("error: "), "{args:?}: {said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "a refused command wrote something");
}

#[test]
fn recipes_are_listed_shown_and_copied() {
    let folder = folder();
    let list = check(folder.path(), &["recipe", "ls"], 0, &["demo", "xnli-adv", "pawsx-rs-da", "sib200-standard"]);
    assert!(list.lines().all(|line| line.chars().count() <= 100), "{list}");
    let shown = check(folder.path(), &["recipe", "show", "xnli-adv"], 0, &["radius = 0.3", "# "]);
    check(folder.path(), &["recipe", "show", "xnli-adv", "--resolved"], 0, &["batch_size = 32", "seed = 7"]);
    check(folder.path(), &["recipe", "copy", "xnli-adv"], 0, &["rxlt run xnli-adv.toml"]);
    assert_eq!(fs::read_to_string(folder.path().join("xnli-adv.toml")).unwrap(), shown);
    check(folder.path(), &["recipe", "copy", "xnli-adv"], 73, &["cannot create xnli-adv.toml", "--force"]);
    check(folder.path(), &["recipe", "copy", "xnli-adv", "--force"], 0, &[]);
    check(folder.path(), &["recipe", "copy", "demo", "mine.toml"], 0, &[]);
    let dry = ["run", "mine.toml", "--model", concat!(env!("CARGO_MANIFEST_DIR"), "/weights/xlmr-open"), "--dry-run"];
    check(folder.path(), &dry, 0, &["1-demo", "nothing was trained or written"]);
}

#[test]
fn shells_and_man_know_the_command() {
    let folder = folder();
    for (shell, part) in [("bash", "_rxlt"), ("zsh", "#compdef rxlt"), ("fish", "complete -c rxlt")] {
        check(folder.path(), &["completions", shell], 0, &[part, "sweep"]);
    }
    check(folder.path(), &["completions", "csh"], 2, &["invalid value 'csh'"]);
    check(folder.path(), &["man"], 0, &[".TH rxlt 1"]);
    check(folder.path(), &["man", "pages"], 0, &["pages: "]);
    let page = fs::read_to_string(folder.path().join("pages/rxlt-sweep-plan.1")).unwrap();
    assert!(page.contains(".TH rxlt-sweep-plan 1") && page.contains("\\-\\-emit"), "{page}");
    assert!(!folder.path().join("pages/rxlt-kit.1").exists(), "what is hidden has no page");
    check(folder.path(), &["man", "pages"], 73, &["--force"]);
    check(folder.path(), &["man", "pages", "--force"], 0, &[]);
}

#[test]
fn devices_are_listed() {
    let folder = folder();
    check(folder.path(), &["devices"], 0, &["the processor", "auto takes"]);
    let json = check(folder.path(), &["devices", "--json"], 0, &[]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["cpu"]["backend"], "cpu");
    let adapters = json["adapters"].as_array().expect("a list");
    assert!(adapters.iter().all(|adapter| adapter["name"].is_string() && adapter["max_binding_bytes"].is_u64()));
}

#[test]
fn a_reader_may_leave() {
    let folder = folder();
    let mut child =
        rxlt(folder.path(), &["recipe", "show", "demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let folder = folder();
    fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    let said = check(
        folder.path(),
        &["run", "small.toml", "--set", "methods.0.rs-da.compute_matched=true", "--dry-run"],
        0,
        &["as rs-da may see it", "stages.1.learning_rate = 0.001  (small.toml:", "(--set)", "(default)", "2-demo"],
    );
    assert!(said.contains("standard: 4 updates") || said.contains("rs-da: 4 updates"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_run_leaves_its_record_and_goes_on() {
    let folder = folder();
    fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    let args = ["run", "small.toml", "--output", "out", "--progress", "plain"];
    let table = check(folder.path(), &args, 0, &["language", "standard", "adv", "en", "de", "everything is in out"]);
    let out = folder.path().join("out");
    for name in [
        "overlap.json",
        "config.resolved.toml",
        "config.sources.json",
        "env.json",
        "log.jsonl",
        "metrics.json",
        "data.lock.json",
    ] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let status = fs::read_to_string(out.join("STATUS.json")).unwrap();
    assert!(status.contains("\"done\""), "{status}");
    let log = fs::read_to_string(out.join("log.jsonl")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("\"event\":\"step\"")).count(), 12, "{log}");

    let said = |args: &[&str]| text(&rxlt(folder.path(), args).output().unwrap().stderr);
    // The same again: nothing is trained, the same table is printed.
    let again = rxlt(folder.path(), &args).output().unwrap();
    assert_eq!(text(&again.stdout), table);
    assert!(text(&again.stderr).contains("is done already"), "{}", text(&again.stderr));
    assert_eq!(fs::read_to_string(out.join("log.jsonl")).unwrap(), log);

    // What had to be initialized is said by the first process alone, and once for all methods.
    assert!(!said(&args).contains("initialized"));
    let first = said(&["run", "small.toml", "--output", "new", "--progress", "plain"]);
    assert_eq!(first.matches("initialized: ").count(), 1, "{first}");
    assert!(first.contains("33 % of all") && first.contains("2-demo-adv measured 2/2 languages"), "{first}");

    // Its configuration is a recipe: the folder takes it for its own. Another one is refused with what differs.
    check(folder.path(), &["run", "out/config.resolved.toml", "--output", "out"], 0, &[&table]);
    let other = ["run", "small.toml", "--output", "out", "--set", "stages.1.learning_rate=1e-4"];
    check(folder.path(), &other, 73, &["stages.1.learning_rate: 0.001 there, 0.0001 now", "--output"]);

    // A lock of another process is respected.
    let lock = File::options().read(true).write(true).open(out.join("LOCK")).unwrap();
    lock.lock().unwrap();
    check(folder.path(), &args, 73, &["out is in use by process "]);
    drop(lock);

    models_are_used_as_they_were_trained(folder.path());
}

/// What becomes of the models of a run in `out`.
fn models_are_used_as_they_were_trained(folder: &Path) {
    let out = folder.join("out");
    let said = |args: &[&str]| text(&rxlt(folder, args).output().unwrap().stderr);
    // A stage's folder stands for its model, which says how long examples may be.
    let record = fs::read_to_string(out.join("2-demo-adv/model/rxlt.json")).unwrap();
    assert!(record.contains("\"max_length\": 32") && record.contains("\"pairs\": true"), "{record}");
    let settings = fs::read_to_string(out.join("2-demo-adv/model/tokenizer_config.json")).unwrap();
    assert!(settings.contains("\"model_max_length\": 32"), "{settings}");
    check(folder, &["eval", "--model", "out", "--task", "demo", "--data", "demo"], 2, &["out/2-demo-adv"]);
    let model = "out/2-demo-adv";
    let eval = ["eval", "--model", model, "--task", "demo", "--data", "demo", "--languages", "de,sw"];
    check(folder, &[&eval[..], &["--generalized", "--output", "p"]].concat(), 0, &["sw", "two languages"]);
    check(folder, &["eval", "--predictions", "p/test-de.jsonl", "--task", "demo"], 0, &["600", "entailment"]);
    check(folder, &[&eval[..], &["--max-length", "99"]].concat(), 2, &["takes at most 32 tokens"]);
    check(folder, &["eval", "--model", model, "--task", "pawsx", "--data", "demo"], 65, &[]);
    assert!(
        said(&[&eval[..], &["--max-length", "20"]].concat())
            .contains("note: --max-length 20: the model was trained with 32")
    );

    // Predictions are compared without their runs; those that are there are kept.
    check(folder, &[&eval[..], &["--output", "p"]].concat(), 73, &["p/test-de.jsonl: it is there already"]);
    let other = ["eval", "--model", "out/2-demo-standard", "--task", "demo", "--data", "demo", "--languages", "de,sw"];
    check(folder, &[&other[..], &["--output", "q"]].concat(), 0, &[]);
    for (a, b) in [("p/test-de.jsonl", "q/test-de.jsonl"), ("q", "q2")] {
        fs::create_dir_all(folder.join("q2")).unwrap();
        for language in ["de", "sw"] {
            let name = format!("test-{language}.jsonl");
            fs::copy(folder.join("q").join(&name), folder.join("q2").join(&name)).unwrap();
        }
        check(folder, &["compare", a, b, "--task", "demo"], 0, &["against", b, "600", "McNemar"]);
    }
    check(folder, &["compare", "q", "out"], 2, &["out: expected predictions as on the other side"]);

    fs::write(folder.join("in.tsv"), "A dog runs.\tAn animal runs.\nTom sings.\tTom sleeps.\n").unwrap();
    let predict = ["predict", "--model", model, "--input", "in.tsv", "--language", "en"];
    let lines = check(folder, &predict, 0, &["\"id\":\"in:1\"", "\"probabilities\"", "\"language\":\"en\""]);
    assert_eq!(lines.lines().count(), 2);

    // A header is no example, and single sentences are none of a model of pairs.
    fs::write(folder.join("in.tsv"), "premise\thypothesis\tlabel\nA dog runs.\tAn animal runs.\tx\n").unwrap();
    let named = check(folder, &predict, 0, &["\"id\":\"in:2\"", "\"b\":\"An animal runs.\""]);
    assert_eq!((named.lines().count(), said(&predict).contains("in.tsv:1 names the columns")), (1, true));
    fs::write(folder.join("in.tsv"), "A dog runs.\n").unwrap();
    check(folder, &predict, 65, &["in.tsv: expected pairs of sentences as in demo", "found single sentences"]);

    texts_are_perturbed_and_models_averaged(folder);

    // An exported model knows what it was trained on; nothing is exported onto itself.
    check(folder, &["export", "--model", model, "--output", "half"], 0, &[]);
    assert_eq!(fs::read_to_string(folder.join("half/rxlt.json")).unwrap(), record);
    check(folder, &["export", "--model", model, "--output", "half"], 73, &["half: it is there already", "--force"]);
    check(folder, &["export", "--model", model, "--output", "half", "--force"], 0, &[]);
    let own = ["export", "--model", model, "--output", "out/2-demo-adv/model", "--force"];
    check(folder, &own, 73, &["is read by this command; name another folder"]);
}

/// Test texts in other words, and the mean of two models, of the run in `out`.
fn texts_are_perturbed_and_models_averaged(folder: &Path) {
    let rows = |path: &str| -> Vec<serde_json::Value> {
        let text = fs::read_to_string(folder.join(path)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let eval = ["eval", "--task", "demo", "--data", "demo", "--languages", "de", "--model"];
    let typos = ["out/2-demo-adv", "--perturb", "typos:0.5", "--output", "typos"];
    check(folder, &[&eval[..], &typos].concat(), 0, &["Texts changed by typos:0.5 (seed 7).", "600"]);
    let (plain, typos) = (rows("p/test-de.jsonl"), rows("typos/test-de.jsonl"));
    let changed = plain.iter().zip(&typos).filter(|(a, b)| a["probabilities"] != b["probabilities"]).count();
    assert!(plain.len() == 600 && typos.len() == 600 && changed > 300, "{changed} of 600 changed");
    let record = fs::read_to_string(folder.join("typos/perturbed.json")).unwrap();
    assert!(record.contains("\"typos:0.5\"") && record.contains("\"de\""), "{record}");
    let switched = ["out/2-demo-adv", "--perturb", "code-switch:de:0.5"];
    check(folder, &[&eval[..], &switched].concat(), 2, &["expected --dictionary de=FILE"]);

    let average = ["model", "average", "out/2-demo-standard", "out/2-demo-adv", "--output", "mean"];
    check(folder, &average, 0, &[]);
    check(folder, &["model", "show", "mean"], 0, &["trained on   demo"]);
    check(folder, &[&eval[..], &["mean"]].concat(), 0, &["600"]);
    check(folder, &average, 73, &["mean: it is there already", "--force"]);
    check(folder, &["model", "average", "out/2-demo-adv", "out/2-demo-adv", "--output", "m"], 2, &["named twice"]);
}

#[cfg(unix)]
#[test]
fn a_signal_saves_and_the_run_ends_as_if_never_stopped() {
    let folder = folder();
    fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    let long = ["--set", "stages.0.updates=400", "--set", "stages.0.checkpoint_every=50", "--progress", "plain"];
    let run = |output: &'static str| [&["run", "small.toml", "--output", output][..], &long[..]].concat();
    let whole = check(folder.path(), &run("whole"), 0, &[]);

    let spawn = || {
        let mut command = rxlt(folder.path(), &run("parts"));
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let log = folder.path().join("parts/log.jsonl");
    let child = spawn();
    while !fs::read_to_string(&log).is_ok_and(|log| log.lines().count() > 20) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", text(&output.stderr));
    let err = text(&output.stderr);
    assert!(err.contains("\nstopped on request, 1-mlm is saved") && !err.contains("error"), "{err}");
    assert!(fs::read_to_string(folder.path().join("parts/STATUS.json")).unwrap().contains("\"paused\""));

    let parts = check(folder.path(), &run("parts"), 0, &[]);
    assert_eq!(parts.replace("parts", "whole"), whole);
    let weights =
        |output: &str| fs::read(folder.path().join(output).join("2-demo-adv/model/model.safetensors")).unwrap();
    assert!(weights("whole") == weights("parts"), "the weights differ");
}

/// `augment --perturb`, by slips and by a dictionary.
#[test]
fn augmentation_puts_texts_into_other_words() {
    let folder = folder();
    fs::write(folder.path().join("in.tsv"), "a dog runs home\tthe dog runs\tentailment\n").unwrap();
    fs::write(folder.path().join("en-de.txt"), "dog hund\n").unwrap();
    let perturb = |task, how: &[&'static str]| -> Vec<&'static str> {
        [&["augment", "--task", task, "--input", "in.tsv", "--copies", "2", "--perturb"][..], how].concat()
    };
    let slips = check(folder.path(), &perturb("xnli", &["typos:1"]), 0, &["\tentailment\n"]);
    assert!(slips.lines().count() == 2 && !slips.contains("a dog runs home"), "{slips}");
    let switched = perturb("xnli", &["code-switch:de:1", "--dictionary", "de=en-de.txt"]);
    assert_eq!(check(folder.path(), &switched, 0, &[]), "a hund runs home\tthe hund runs\tentailment\n".repeat(2));
    check(folder.path(), &perturb("demo", &["typos:1"]), 2, &["demo has no files", "in.tsv"]);
    check(folder.path(), &perturb("xnli", &["typos:2"]), 2, &["a share above 0, up to 1"]);
}

#[test]
fn augmentation_is_reproducible() {
    let folder = folder();
    fs::write(folder.path().join("train.tsv"), "a good film\tit is good\tentailment\nno\tyes\tcontradictory\n")
        .unwrap();
    fs::write(folder.path().join("n.json"), r#"{"good": ["fine", "great"], "film": ["movie"]}"#).unwrap();
    let args = |seed| {
        ["augment", "--task", "xnli", "--input", "train.tsv", "--neighbours", "n.json", "--copies", "5", "--seed", seed]
    };
    let first = check(folder.path(), &args("1"), 0, &["no\tyes\tcontradiction\n"]);
    assert_eq!(first.lines().count(), 10);
    assert_eq!(check(folder.path(), &args("1"), 0, &[]), first);
    assert_ne!(check(folder.path(), &args("2"), 0, &[]), first);
    check(folder.path(), &[&args("1")[..], &["--output", "out.tsv"]].concat(), 0, &[]);
    assert_eq!(fs::read_to_string(folder.path().join("out.tsv")).unwrap(), first);

    // Nothing that is there is replaced unasked, and what is read never is.
    let to = |output: &'static str, more: &[&'static str]| [&args("1")[..], &["--output", output], more].concat();
    check(folder.path(), &to("out.tsv", &[]), 73, &["out.tsv: it is there already", "--force"]);
    check(folder.path(), &to("out.tsv", &["--force"]), 0, &[]);
    for own in ["train.tsv", "n.json"] {
        let before = fs::read(folder.path().join(own)).unwrap();
        check(folder.path(), &to(own, &["--force"]), 73, &[own, "is read by this command"]);
        assert_eq!(fs::read(folder.path().join(own)).unwrap(), before);
    }
    fs::write(folder.path().join("n.json"), r#"{"Film": ["movie"], "good": ["good"]}"#).unwrap();
    check(folder.path(), &args("1"), 65, &["n.json: 0 % of words would be replaced", "plain training"]);
}

/// Where `--data` moves the data, what a recipe has in its data folder moves along.
#[test]
fn synonyms_lie_where_the_data_do() {
    let folder = folder();
    let path = folder.path();
    let moved = |args: &[&str]| {
        let dry = [&["run", "xnli-rs-da", "--model", "none", "--dry-run"][..], args].concat();
        check(path, &dry, 66, &["neighbours: there is no"])
    };
    let said = moved(&["--data", "elsewhere"]);
    assert!(
        said.contains("--data: methods.0.rs-da.neighbours: there is no \"elsewhere/dictionaries/counterfitted"),
        "{said}"
    );
    let said = moved(&["--data", "elsewhere", "--set", "methods.0.rs-da.neighbours=mine.json"]);
    assert!(said.contains("--set: methods.0.rs-da.neighbours: there is no \"mine.json\""), "{said}");
    assert!(moved(&[]).contains("there is no \"data/dictionaries/counterfitted_neighbors.json\""));
    // What is in the recipe's folder alone stays there.
    fs::create_dir_all(path.join("data/dictionaries")).unwrap();
    fs::write(path.join("data/dictionaries/counterfitted_neighbors.json"), "{}").unwrap();
    let args = ["run", "xnli-rs-da", "--model", "none", "--data", "elsewhere", "--dry-run"];
    assert!(!check(path, &args, 66, &["model.path"]).contains("neighbours"));
}

#[test]
fn the_log_of_operations_has_lines_and_sums() {
    let folder = folder();
    fs::write(folder.path().join("small.toml"), SMALL).expect("written");
    let run = |log: &str, args: &[&str]| {
        let output = rxlt(folder.path(), args).env("RXLT_LOG", log).output().expect("the binary runs");
        (output.status.code(), text(&output.stderr))
    };
    let (code, err) = run("op", &["recipe", "ls"]);
    assert!(code == Some(2) && err.contains("RXLT_LOG=op is unknown; did you mean \"ops\"?"), "{err}");
    let (code, err) = run("ops", &["run", "small.toml", "--output", "out"]);
    assert!(code == Some(0) && err.contains("times by the processor's clock"), "{err}");
    let lines = err.lines().filter(|line| line.starts_with("ops: ") && line.contains(" AdamW ")).count();
    let sums = err.lines().find_map(|line| line.strip_prefix("AdamW ")).expect("a sum of all updates");
    assert_eq!(sums.split_whitespace().next(), Some(lines.to_string().as_str()), "{sums}");
}

#[test]
fn benchmarks_are_kept_and_compared() {
    let folder = folder();
    let path = folder.path();
    check(path, &["bench", "--list"], 0, &["step/update\n", "linear/up/backward\n", "catch up\n"]);
    check(path, &["bench", "nothing"], 2, &["nothing is called nothing; rxlt bench --list"]);
    check(path, &["bench", "add", "copy", "--quick", "--json", "old.json"], 0, &["ceilings: ", "add/backward", "copy"]);
    check(path, &["bench", "add", "--quick", "--compare", "old.json"], 0, &["times as fast", "add/forward"]);
    let old = fs::read_to_string(path.join("old.json")).expect("written");
    fs::write(path.join("other.json"), old.replace("\"device\": \"cpu\"", "\"device\": \"card\"")).expect("written");
    check(path, &["bench", "add", "--quick", "--compare", "other.json"], 4, &["another device", "--across-devices"]);
    check(path, &["bench", "add", "--quick", "--compare", "none.json"], 66, &["none.json"]);
}

#[test]
fn the_demo_needs_no_file_beside_the_program() {
    let folder = folder();
    let cache = folder.path().join("cache");
    let mut dry = rxlt(folder.path(), &["run", "--dry-run"]);
    let said = dry.env("XDG_CACHE_HOME", &cache).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && text.contains("0.00 % of tokens unknown"), "{said:?}");
    let kept = fs::read_dir(cache.join("rxlt")).expect("the copy is kept").count();
    assert_eq!(kept, 1);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    check(here, &["run", "--dry-run"], 0, &["weights/xlmr-open", "0.00 % of tokens unknown"]);
}

#[test]
fn methods_and_seeds_of_a_recipe_are_chosen_by_flags() {
    let folder = folder();
    let path = folder.path();
    let given = ["run", "demo", "--dry-run", "--backend", "cpu"];
    let with = |more: &[&str], code: i32, parts: &[&str]| check(path, &[&given[..], more].concat(), code, parts);
    let said = with(&["--method", "adv", "--seeds", "3,4"], 0, &["demo-adv", "seed = 3  (--seeds)"]);
    assert!(!said.contains("rs-da"), "{said}");
    with(&["--method", "avd"], 2, &["--method avd", "did you mean \"adv\"", "standard, rs-da, adv"]);
    with(&["--seeds", "3", "--set", "seeds=[4]"], 78, &["--set seeds=[4] undoes --seeds seeds=[3]"]);
    with(&["--seeds", "3,3"], 78, &["--seeds: seeds: expected each seed once, found [3, 3]"]);
}

#[test]
fn the_doctor_examines_the_processor_and_tells_nothing_of_its_user() {
    let folder = folder();
    let path = folder.path();
    check(
        path,
        &["doctor", "--only", "operation"],
        2,
        &["there is no group \"operation\"", "did you mean \"operations\""],
    );
    let parts = ["device      processor", "models      xlmr-mlm: gradients", " ✓ ", "this device computes right"];
    let args = ["doctor", "--device", "cpu", "--only", "device,models", "--json", "doctor.json"];
    let said = check(path, &args, 0, &parts);
    let block = said.split("```").nth(1).expect("a block to paste");
    assert!(block.contains("device: cpu") && block.contains(" 0 wrong"), "{block}");
    let temporary = std::env::temp_dir();
    for told in [block, &fs::read_to_string(path.join("doctor.json")).expect("written")] {
        assert!(!told.contains(&*temporary.to_string_lossy()) && !told.contains("/home/"), "{told}");
    }
    let json = fs::read_to_string(path.join("doctor.json")).expect("written");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!((&json["schema"], &json["wrong"]), (&1.into(), &0.into()));
    assert_eq!(json["machine"]["device"], "cpu");
    let findings = json["findings"].as_array().expect("a list");
    let right = findings.iter().filter(|finding| finding["verdict"] == "right").count();
    assert_eq!(Some(right as u64), json["right"].as_u64());
    let bounded = findings.iter().filter(|finding| finding["group"] == "models" && finding["verdict"] == "right");
    assert!(bounded.clone().count() >= 15, "three models, five parts each: {findings:#?}");
    assert!(bounded.clone().all(|finding| finding["error"].as_f64() <= finding["bound"].as_f64()), "{findings:#?}");
}

/// Rows of a task that nobody has described: which of two things a sentence is about.
fn own_rows(n: usize, words: [&str; 2]) -> String {
    let row = |i: usize| format!("{i},\"the {}, number {i}\",{}\n", words[i % 2], ["animal", "tool"][i % 2]);
    "id,text,label\n".to_owned() + &(0..n).map(row).collect::<String>()
}

#[test]
fn data_of_ones_own_are_learned_by_one_line_and_by_a_file() {
    let folder = folder();
    let path = folder.path();
    for (name, text) in [
        ("things.csv", own_rows(64, ["dog", "hammer"])),
        ("test-en.csv", own_rows(24, ["dog", "hammer"])),
        ("test-de.csv", own_rows(30, ["Hund", "Hammer"])),
    ] {
        fs::write(path.join(name), text).expect("written");
    }
    let shared = ["--train", "things.csv", "--test", "test-{language}.csv"];
    let run = ["run", "--backend", "cpu", "--output", "out", "--method", "standard,adv"];
    let output = rxlt(path, &[&run[..], &shared].concat()).output().expect("the binary runs");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    for part in
        ["assumed: task \"things\": single texts (column text): one of 2 classes (column label)", "animal 32, tool 32"]
    {
        assert!(err.contains(part), "expected \"{part}\" in {err}");
    }
    assert!(out.contains("things-adv") || out.contains("adv"), "{out}");
    assert!(
        ["de", "en"].iter().all(|code| path.join(format!("out/1-things-adv/predictions/test-{code}.jsonl")).is_file())
    );
    // The folder alone says what the task is: to go on, to report, and to use its models.
    let config = fs::read_to_string(path.join("out/config.resolved.toml")).expect("written");
    assert!(config.contains("[[tasks]]") && config.contains("\"animal\""), "{config}");
    assert!(config.contains("radius = \"0.05x\""), "a length that suits any encoder: {config}");
    assert!(err.contains("or of one line where there are no ids, are taken for translations"), "{err}");
    check(path, &[&run[..], &shared].concat(), 0, &["adv"]);
    check(path, &["report", "out"], 0, &["things"]);
    check(
        path,
        &["eval", "--model", "out/1-things-adv", "--task", "things", "--data", ".", "--backend", "cpu"],
        0,
        &["de"],
    );

    // The same by a file, which is made, changed and named in a recipe.
    check(
        path,
        &["task", "new", "things.csv", "--test", "test-{language}.csv", "--output", "mine.toml"],
        0,
        &["rxlt task check"],
    );
    check(path, &["task", "check", "mine.toml", "--data", "."], 0, &["test   de", "en 24 of 24 (24)"]);
    let task =
        fs::read_to_string(path.join("mine.toml")).expect("written").replace("name = \"things\"", "name = \"named\"");
    fs::write(path.join("mine.toml"), task).expect("written");
    let recipe = "schema = 1\nname = \"own\"\n[model]\npath = \"weights/xlmr-open\"\n[data]\nfolder = \".\"\n[[stages]]\n\
                  task = \"mine.toml\"\nupdates = 2\nselect = \"last\"\n";
    fs::write(path.join("own.toml"), recipe).expect("written");
    // Micro-batches without end are as large as there is something to learn or to measure.
    let endless = ["--set", "stages.0.tokens_per_micro_batch=1000000000000"];
    let by_file = ["run", "own.toml", "--backend", "cpu", "--output", "by-file"];
    check(path, &[&by_file[..], &endless].concat(), 0, &["de", "en"]);
    let config = fs::read_to_string(path.join("by-file/config.resolved.toml")).expect("written");
    assert!(config.contains("task = \"named\""), "{config}");

    // Rows of another language, a leak, a record that was lost, and texts of a CSV file to be labelled.
    let mixed = "text,label,language\na dog,animal,en\na saw,tool,en\nein Hund,animal,de\na cat,animal,en\n";
    fs::write(path.join("mixed.csv"), mixed).expect("written");
    check(
        path,
        &["task", "new", "mixed.csv"],
        0,
        &["# 3 rows to train on", "1 rows of others than \"en\" are left out"],
    );
    let metrics = fs::read_to_string(path.join("out/1-things-adv/metrics.json")).expect("written");
    assert!(metrics.contains("test items that also stand in train"), "{metrics}");
    fs::remove_file(path.join("out/inputs.json")).expect("removed");
    let trained = own_rows(64, ["cat", "hammer"]);
    let before = fs::read(path.join("things.csv")).expect("read");
    fs::write(path.join("things.csv"), trained).expect("written");
    check(path, &[&run[..], &shared].concat(), 73, &["was made of other files", "things.csv"]);
    fs::write(path.join("things.csv"), before).expect("written");
    check(path, &[&run[..], &shared].concat(), 0, &["adv"]);
    let predict = ["predict", "--model", "out/1-things-adv", "--input", "test-de.csv", "--backend", "cpu"];
    let said = check(path, &predict, 0, &["\"id\":\"0\"", "\"a\":\"the Hund, number 0\""]);
    assert_eq!(said.lines().count(), 30);
    let own = fs::read_to_string(path.join("out/1-things-adv/predictions/test-de.jsonl")).expect("written");
    let answer = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["probabilities"].clone();
    assert!(said.lines().zip(own.lines()).all(|(a, b)| answer(a) == answer(b)), "{said}");

    let broken = "text,label\nx\n";
    fs::write(path.join("broken.csv"), broken).expect("written");
    let says = ["broken.csv:2: expected 2 columns"];
    check(path, &["run", "--train", "broken.csv", "--test", "test-{language}.csv"], 65, &says);
    check(path, &["run", "--train", "things.csv"], 2, &["--test"]);
    check(path, &["run", "xnli-adv", "--train", "things.csv", "--test", "t.csv"], 2, &["cannot be used with"]);
    check(path, &["task", "show", "nil"], 2, &["no task \"nil\""]);
}

#[test]
fn data_of_many_kinds_are_recognised() {
    let folder = folder();
    let path = folder.path();
    let rows = |n: usize, row: &dyn Fn(usize) -> String| (0..n).map(row).collect::<String>();
    let scored = |i: usize| format!("text {i},{}.5\n", i % 7);
    let toxic =
        |i: usize| format!("{{\"text\": \"text {i}\", \"labels\": {}}}\n", ["[\"a\", \"b\"]", "[\"a\"]", "[]"][i % 3]);
    let copa = |i: usize| format!("It rained.,effect,wet {i},dry {i},{}\n", i % 2);
    let squad = "{\"data\": [{\"paragraphs\": [{\"context\": \"Ada won.\", \"qas\": [{\"id\": \"1\", \"question\": \"Who?\", \
                 \"answers\": [{\"text\": \"Ada\", \"answer_start\": 0}]}]}]}]}";
    for (name, text) in [
        ("scored.csv", "text,score\n".to_owned() + &rows(30, &scored)),
        ("scored-de.jsonl", rows(20, &|i| format!("{{\"text\": \"x {i}\", \"score\": {}.25}}\n", i % 5))),
        ("toxic.jsonl", rows(30, &toxic)),
        ("toxic-de.jsonl", rows(20, &toxic)),
        ("copa.csv", "premise,question,choice1,choice2,label\n".to_owned() + &rows(30, &copa)),
        ("copa-de.csv", "premise,question,choice1,choice2,label\n".to_owned() + &rows(20, &copa)),
        ("names.conll", "-DOCSTART- -X- O O\n\n".to_owned() + &rows(9, &|i| format!("Ada N B-PER\nsaw{i} V O\n\n"))),
        ("names-de.conll", rows(9, &|i| format!("Ada N B-PER\nsah{i} V O\n\n"))),
        ("who.json", squad.to_owned()),
        ("who-de.json", squad.to_owned()),
    ] {
        fs::write(path.join(name), text).expect("written");
    }
    for (train, test, parts) in [
        ("scored.csv", "scored-{language}.jsonl", ["train en: 30 examples\n", "scored:2 [0.5] text 0"]),
        ("toxic.jsonl", "toxic-{language}.jsonl", ["30 examples (a 20, b 10)", "toxic:1 [a b] text 0"]),
        ("copa.csv", "copa-{language}.csv", ["30 examples (0 15, 1 15)", "[0] It rained. | effect | wet 0 | dry 0"]),
        ("names.conll", "names-{language}.conll", ["(B-PER 9, O 9)", "[B-PER O] Ada saw0"]),
        ("who.json", "who-{language}.json", ["train en: 1 examples\n", "who:1 [\"Ada\"] Who? | Ada won."]),
    ] {
        check(path, &["run", "--train", train, "--test", test, "--dry-run"], 0, &parts);
    }
    // The same by a file of the task, whose languages may have other codes than the data.
    let new = ["task", "new", "scored.csv", "--test", "scored-{language}.jsonl", "--output", "mine.toml"];
    check(path, &new, 0, &["rxlt task check"]);
    let task = fs::read_to_string(path.join("mine.toml")).expect("written");
    assert!(task.contains("problem_type = \"regression\""), "{task}");
    fs::write(path.join("mine.toml"), task.replace("source = \"en\"", "source = \"en\"\nlanguages = [\"deu\"]"))
        .expect("written");
    check(path, &["task", "check", "mine.toml", "--data", "."], 0, &["test   de", "\"deu\" is called de"]);
    fs::remove_file(path.join("scored-de.jsonl")).expect("removed");
    let output = rxlt(path, &["task", "check", "mine.toml", "--data", "."]).output().expect("the binary runs");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.code() == Some(66) && err.contains("are not in . (1, named above);"), "{err}");
    assert!(out.contains("missing: no test file of scored") && out.contains("train  en"), "{out}");
}

#[test]
fn words_are_tagged_and_scored_by_sentences() {
    let folder = folder();
    let path = folder.path();
    let sentence = |i: usize, words: [&str; 4]| {
        let name = [["Ada", "B-PER"], ["Rome", "B-LOC"]][i % 2];
        format!("{}\tO\n{}\t{}\n{}\tO\n{}{i}\tO\n\n", words[0], name[0], name[1], words[1], words[2 + i % 2])
    };
    let text = |n: usize, words: [&str; 4]| (0..n).map(|i| sentence(i, words)).collect::<String>();
    fs::create_dir(path.join("names")).expect("made");
    for (name, text) in [
        ("names/train-en.tsv", text(48, ["then", "saw", "ball", "tree"])),
        ("names/dev-en.tsv", text(16, ["then", "saw", "ball", "tree"])),
        ("names/test-en.tsv", text(20, ["now", "saw", "tree", "ball"])),
        ("names/test-de.tsv", text(24, ["dann", "sah", "Ball", "Baum"])),
        ("names.toml", TAGGED.to_owned()),
        ("tag.toml", RECIPE_OF_TAGS.to_owned()),
    ] {
        fs::write(path.join(name), text).expect("written");
    }
    let run = ["run", "tag.toml", "--backend", "cpu", "--output", "out"];
    check(path, &run, 0, &["names: F1 by language and method", "strict F1"]);
    let metrics = fs::read_to_string(path.join("out/1-names-adv/metrics.json")).expect("written");
    let metrics: serde_json::Value = serde_json::from_str(&metrics).expect("it is JSON");
    let accuracy = &metrics["metrics"][1];
    assert_eq!((&metrics["languages"][1]["n"], &accuracy["metric"]), (&24.into(), &"accuracy".into()), "{metrics}");
    assert_eq!(accuracy["languages"][1]["n"], 96, "{metrics}");
    let lines = fs::read_to_string(path.join("out/1-names-adv/predictions/test-de.jsonl")).expect("written");
    assert_eq!(lines.lines().count(), 96);
    assert!(lines.lines().nth(1).is_some_and(|line| line.contains("test-de:1.2") && line.contains("B-PER")), "{lines}");
    let config = fs::read_to_string(path.join("out/1-names-adv/model/config.json")).expect("written");
    assert!(config.contains("XLMRobertaForTokenClassification") && config.contains("B-LOC"), "{config}");
    // Learned, in the language that it was taught: names are where they always are.
    let f1 = metrics["languages"][0]["f1"].as_f64().expect("a number");
    assert!(f1 > 0.5, "{metrics}");
    check(path, &run, 0, &["strict F1"]); // done already, and read again
    check(
        path,
        &["eval", "--model", "out/1-names-adv", "--task", "names", "--data", ".", "--backend", "cpu"],
        0,
        &["de"],
    );
    check(
        path,
        &["report", "out"],
        0,
        &["F1 in %, one seed", "ONE SEED EACH: what is compared are these models, not methods"],
    );
    let predict = ["predict", "--model", "out/1-names-adv", "--input", "names/test-de.tsv", "--backend", "cpu"];
    let said = check(path, &predict, 0, &["\"prediction\":\"B-PER\""]);
    assert_eq!((said.lines().count(), said.contains("\"label\"")), (96, false), "{said}");
    let alone = |line: &str| line.split('\t').next().unwrap_or_default().to_owned() + "\n";
    let words =
        fs::read_to_string(path.join("names/test-de.tsv")).expect("written").lines().map(alone).collect::<String>();
    fs::write(path.join("words.tsv"), words).expect("written");
    let untagged = ["predict", "--model", "out/1-names-adv", "--input", "words.tsv", "--backend", "cpu"];
    let answers =
        |said: &str| said.lines().map(|line| line.split("\"row\"").nth(1).map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(answers(&check(path, &untagged, 0, &[])), answers(&said));
    bare(path, "out/1-names-adv/model");
    let brought = ["predict", "--model", "bare", "--input", "words.tsv", "--backend", "cpu"];
    assert_eq!(answers(&check(path, &brought, 0, &[])), answers(&said), "without rxlt.json");
    check(path, &["run", "tag.toml", "--set", "methods.0.rs-da.copies=2"], 78, &["words carry tags"]);
    // A submission has the lines of the data, tag for tag, and the official scorer's number is ours.
    let eval = ["eval", "--model", "out/1-names-adv", "--task", "names", "--data", ".", "--backend", "cpu"];
    check(path, &[&eval[..], &["--output", "sub", "--format", "xtreme"]].concat(), 0, &["de"]);
    let given = fs::read_to_string(path.join("sub/names/test-de.tsv")).expect("written");
    let data = fs::read_to_string(path.join("names/test-de.tsv")).expect("written");
    let blank = |text: &str| text.lines().map(str::is_empty).collect::<Vec<_>>();
    assert_eq!(blank(&given), blank(&data));
}

#[test]
fn questions_of_ones_own_are_answered() {
    let folder = folder();
    let path = folder.path();
    let question = |i: usize| {
        let name = ["Ada", "Bea", "Cleo"][i % 3];
        let text = format!("{i} days ago the prize went to {name} in the town.");
        let start = text.find(name).expect("it is in the text");
        serde_json::json!({ "context": text, "qas": [{ "id": format!("q{i}"), "question": "Who got the prize?",
            "answers": [{ "text": name, "answer_start": start }] }] })
    };
    let squad = |n: usize| {
        let paragraphs: Vec<_> = (0..n).map(question).collect();
        serde_json::json!({ "data": [{ "paragraphs": paragraphs }] }).to_string()
    };
    fs::create_dir(path.join("prizes")).expect("made");
    for (name, n) in [("prizes/train.json", 90), ("prizes/test-en.json", 21), ("prizes/test-de.json", 24)] {
        fs::write(path.join(name), squad(n)).expect("written");
    }
    let data = ["--train", "prizes/train.json", "--test", "prizes/test-{language}.json"];
    let run = ["run", "--backend", "cpu", "--output", "out", "--set", "stages.0.epochs=6"];
    let output = rxlt(path, &[&run[..], &data].concat()).output().expect("the binary runs");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert!(err.contains("which part of a text answers a question") && out.contains("exact match"), "{err}\n{out}");
    let stage = fs::read_dir(path.join("out")).expect("there").flatten().find(|e| e.path().join("model").is_dir());
    let model = stage.expect("a stage was trained").path();
    let lines = fs::read_to_string(model.join("predictions/test-en.jsonl")).expect("written");
    let right = lines.lines().filter(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["answers"][0] == line["prediction"]
    });
    // The answers stand where they stood in training: a model that learned anything finds most.
    assert!(right.count() > 10, "{lines}");
    let config = fs::read_to_string(model.join("model/config.json")).expect("written");
    assert!(config.contains("XLMRobertaForQuestionAnswering"), "{config}");
    let model = model.to_str().expect("a plain path");
    let eval =
        ["eval", "--model", model, "--task", "prizes", "--data", "prizes", "--backend", "cpu", "--languages", "de"];
    check(path, &[&eval[..], &["--output", "sub", "--format", "xtreme"]].concat(), 0, &["exact match"]);
    let given = fs::read_to_string(path.join("sub/prizes/test-de.json")).expect("written");
    let given: serde_json::Value = serde_json::from_str(&given).expect("JSON");
    assert_eq!(given.as_object().expect("an object").len(), 24);
    assert!(given["q7"].is_string(), "{given}");
    let said = check(path, &["predict", "--model", model, "--input", "prizes/test-de.json"], 0, &["\"key\":\"q0\""]);
    assert_eq!(said.lines().count(), 24);
    bare(path, &format!("{model}/model"));
    let brought = check(path, &["predict", "--model", "bare", "--input", "prizes/test-de.json"], 0, &[]);
    assert_eq!(brought, said, "without rxlt.json");
}

/// Copies what others publish of a model: no word of what it was trained on.
fn bare(path: &Path, model: &str) {
    fs::create_dir(path.join("bare")).expect("made");
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(path.join(model).join(name), path.join("bare").join(name)).expect("copied");
    }
}

const TAGGED: &str = "name = \"names\"\nkind = \"tag\"\nlabels = [\"B-LOC\", \"B-PER\", \"O\"]\n[[layouts]]\nformat = \"words\"\n\
                      train = [\"train-{language}.tsv\"]\ndev = [\"dev-{language}.tsv\"]\ntest = [\"test-{language}.tsv\"]\n";

const RECIPE_OF_TAGS: &str = "schema = 1\nname = \"tag\"\n[model]\npath = \"weights/xlmr-open\"\n[data]\nfolder = \".\"\n[[stages]]\n\
                              task = \"names.toml\"\nepochs = 6\nbatch_size = 8\nlearning_rate = 5e-4\nmax_length = 32\n\
                              evaluate_every = 12\n[[methods]]\nadv = {}\n[[methods]]\nstandard = {}\n";
