//! `rxlt score` against the official scorers: their values on random files, whole folders, and folders that are wrong.
//!
//! `tests/score/cases.json` was written by `scripts/make_scores.py`, which runs the official scripts. A larger file of
//! the same making is read where `RXLT_SCORE_CASES` names it.

use std::{env, fs, path::Path};

use rxlt::score::{self, Benchmark, Request};
use serde_json::Value;

mod harness;

use harness::rxlt;

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("names have folders")).expect("the folder can be made");
    fs::write(path, text).expect("the file can be written");
}

fn benchmark(name: &str) -> Benchmark {
    match name {
        "xtreme" => Benchmark::Xtreme,
        "xtreme-r" => Benchmark::XtremeR,
        "xglue" => Benchmark::Xglue,
        _ => panic!("no benchmark {name}"),
    }
}

/// The numbers of one case by name.
fn scored(case: &Value) -> Vec<(String, f64)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = |key: &str, i: usize| case[key][i].as_str().expect("cases have names and texts").to_owned();
    let (predictions, gold) = (folder.path().join("predictions"), folder.path().join("gold"));
    write(&predictions, &text("prediction", 0), &text("prediction", 1));
    write(&gold, &text("gold", 0), &text("gold", 1));
    let one = |key: &str| vec![case[key].as_str().expect("a name").to_owned()];
    let request = Request {
        benchmark: benchmark(case["benchmark"].as_str().expect("a name")),
        predictions: &predictions,
        gold: &gold,
        split: "test",
        tasks: &one("task"),
        languages: &one("language"),
    };
    let report = score::score(&request).unwrap_or_else(|error| panic!("{case}: {error}"));
    let metrics = &report.tasks[0].metrics;
    metrics.iter().map(|series| (series.name.to_owned(), series.values[0].1)).collect()
}

#[test]
fn numbers_are_those_of_the_official_scripts() {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/score/cases.json").to_owned();
    let path = env::var("RXLT_SCORE_CASES").unwrap_or(own);
    let text = fs::read_to_string(&path).expect("the cases are there");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("the cases are JSON");
    let (mut n, mut largest) = (std::collections::BTreeMap::new(), 0f64);
    for case in &cases {
        let found = scored(case);
        for (name, expected) in case["values"].as_object().expect("values by name") {
            // UD tags have XTREME's numbers under a name that says whose they are.
            let prefix = if case["task"] == "udpos" && name != "accuracy" { "xtreme_" } else { "" };
            let name = format!("{prefix}{name}");
            let (_, value) = found.iter().find(|(found, _)| *found == name).unwrap_or_else(|| panic!("{name}: {case}"));
            let expected = expected.as_f64().expect("a number");
            // scikit-learn's gain is a product of vectors, whose order of sums is the processor's: each of 60 terms can
            // round differently, by 2^-53 of a sum that is at most 1 after division. All else is equal to the bit.
            let tolerance = if name == "ndcg" { 60.0 * 2f64.powi(-53) } else { 0.0 };
            let difference = (value - expected).abs();
            assert!(difference <= tolerance, "{name}: {value} and officially {expected}: {case}");
            largest = largest.max(difference);
            *n.entry(format!("{} {} {name}", case["benchmark"], case["task"])).or_insert(0) += 1;
        }
    }
    assert!(n.len() >= 30, "{n:?}");
    println!("largest difference {largest:e}; cases by metric: {n:#?}");
}

/// Runs `rxlt score`; returns what it printed and said.
#[track_caller]
fn run(folder: &Path, args: &[&str], code: i32) -> (String, String) {
    let all: Vec<&str> =
        ["score", "--predictions", "p", "--gold", "g", "--benchmark"].iter().chain(args).copied().collect();
    let output = rxlt(folder, &all).output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("rxlt writes UTF-8");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\nstdout: {out}\nstderr: {err}");
    (out, err)
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "expected \"{part}\" in:\n{text}");
    }
}

#[test]
fn perfect_predictions_score_all_and_order_does_not_matter() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let languages = ["de", "fr", "ru", "zh"];
    for (i, language) in languages.iter().enumerate() {
        let pairs: Vec<String> = (0..20 + i).map(|j| format!("{language}-{j}\ten-{}", 7 * j)).collect();
        let turned: Vec<String> = pairs.iter().rev().cloned().collect();
        write(folder.path(), &format!("g/bucc2018/test-{language}.tsv"), &(pairs.join("\n") + "\n"));
        write(folder.path(), &format!("p/bucc2018/test-{language}.tsv"), &turned.join("\n"));
    }
    run(folder.path(), &["xtreme", "--task", "bucc2018", "--json", "scores.json"], 0);
    let text = fs::read_to_string(folder.path().join("scores.json")).expect("it was written");
    let scores: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(scores["official"]["bucc2018"]["avg_metric"], 100.0);
    assert_eq!(scores["official"]["bucc2018"]["precision"]["zh"], 100.0);
    assert_eq!((&scores["official"]["retrieval"], &scores["complete"]), (&Value::Null, &Value::Bool(false)));
}

/// Files of XNLI with these labels in one language.
fn nli(predictions: &[&str], gold: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "p/xnli/test-de.tsv", &(predictions.join("\n") + "\n"));
    write(folder.path(), "g/xnli/test-de.tsv", &(gold.join("\n") + "\n"));
    folder
}

#[test]
fn what_is_missing_makes_averages_partial() {
    let folder = nli(&["neutral", "entailment"], &["neutral", "neutral"]);
    let (out, err) = run(folder.path(), &["xtreme", "--task", "xnli"], 66);
    says(&out, &["50.0000", "partial average, 1 of 15 languages", "missing: xnli: ar, bg, el"]);
    says(&err, &["14 of 15 pairs of files are not whole", "p/xnli/test-ar.tsv", "averages are partial"]);
    let (out, _) = run(folder.path(), &["xtreme", "--task", "xnli", "--language", "de"], 0);
    says(&out, &["partial average, 1 of 15 languages"]);
    let (_, err) = run(folder.path(), &["xtreme", "--task", "xnly"], 2);
    says(&err, &["xtreme has no task \"xnly\"; did you mean \"xnli\"?"]);
    let (_, err) = run(folder.path(), &["xtreme", "--task", "xnli", "--language", "sv"], 2);
    says(&err, &["no task that was asked for has language \"sv\"; did you mean"]);
    let (_, err) = run(folder.path(), &["xglue", "--task", "QG"], 2);
    says(&err, &["task QG of xglue is not scored: it is generation"]);
}

#[test]
fn removed_labels_are_scored_and_refused() {
    let one = ["xtreme", "--task", "xnli", "--language", "de"];
    let folder = nli(&["neutral"; 30], &["neutral"; 30]);
    let (out, err) = run(folder.path(), &one, 65);
    says(&out, &["100.0000", "note labels_removed: xnli de"]);
    says(&err, &["g/xnli/test-de.tsv: all 30 gold labels are \"neutral\": they look removed"]);
    let folder = nli(&["neutral", "neutral"], &["a sentence", "another"]);
    let (_, err) = run(folder.path(), &one, 65);
    says(&err, &["none of 2 gold labels is one of contradiction, entailment, neutral"]);
}

#[test]
fn lengths_that_differ_are_refused_where_the_script_refuses() {
    let folder = nli(&["neutral", "neutral"], &["neutral", "neutral", "entailment"]);
    let (_, err) = run(folder.path(), &["xtreme", "--task", "xnli", "--language", "de"], 65);
    says(&err, &["p/xnli/test-de.tsv: 2 labels, and g/xnli/test-de.tsv has 3"]);
    write(folder.path(), "p/udpos/test-fi.tsv", "NOUN\nVERB\n\nNOUN\n");
    write(folder.path(), "g/udpos/test-fi.tsv", "NOUN\nVERB\n\nNOUN\nX\n");
    let (_, err) = run(folder.path(), &["xtreme", "--task", "udpos", "--language", "fi"], 65);
    says(&err, &["p/udpos/test-fi.tsv:4: a sentence of 1 tags, and its gold at g/udpos/test-fi.tsv:4 has 2"]);
    // XGLUE's script takes missing tags for O, and cuts the longer file of WPR; both are said.
    write(folder.path(), "p/NER/de.prediction", "B-PER\n\nO\n");
    write(folder.path(), "g/NER/de.test", "A B-PER\n\nb O\nc B-LOC\n");
    let (out, _) = run(folder.path(), &["xglue", "--task", "NER", "--language", "de"], 0);
    says(&out, &["note filled_with_o: NER de: p/NER/de.prediction: 1 tags are missing", "0.6667"]);
    write(folder.path(), "p/WPR/de.prediction", "1\n0\n");
    write(folder.path(), "g/WPR/xglue.wpr.de.test", "q\tt\ts\t1\nq\tt\ts\t0\nr\tt\ts\t4\n");
    let (out, _) = run(folder.path(), &["xglue", "--task", "WPR", "--language", "de"], 0);
    says(&out, &["note lengths_unchecked: WPR de", "1.0000"]);
}

#[test]
fn bare_tags_have_accuracy_beside_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "p/udpos/test-fi.tsv", "DET\nNOUN\nVERB\nVERB\n");
    write(folder.path(), "g/udpos/test-fi.tsv", "DET\nNOUN\nNOUN\nVERB\n");
    let (out, _) = run(folder.path(), &["xtreme", "--task", "udpos", "--language", "fi"], 0);
    // One of three chunks is right, and three of four words.
    // Headings are broken between their parts where a table would be wider than a terminal.
    says(
        &out,
        &[
            "xtreme_    xtreme_  xtreme_",
            "f1  precision   recall  accuracy",
            "33.3333",
            "accuracy",
            "75.0000",
            "note bare_tags",
        ],
    );
}

#[test]
fn xcopa_counts_twice_officially_and_once_in_ours() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (task, languages, right) in [
        ("xcopa", "et,ht,id,it,qu,sw,ta,th,tr,vi,zh", "{\"label\": 1}\n{\"label\": 0}\n"),
        ("xnli", "ar,bg,de,el,en,es,fr,hi,ru,sw,th,tr,ur,vi,zh", "neutral\nentailment\n"),
    ] {
        let suffix = if task == "xcopa" { "jsonl" } else { "tsv" };
        for language in languages.split(',') {
            write(folder.path(), &format!("g/{task}/test-{language}.{suffix}"), right);
            let first = right.lines().next().expect("two lines");
            let given = if task == "xcopa" { format!("{first}\n{first}\n") } else { right.to_owned() };
            write(folder.path(), &format!("p/{task}/test-{language}.{suffix}"), &given);
        }
    }
    let (out, _) = run(folder.path(), &["xtreme-r", "--task", "xnli,xcopa", "--json", "scores.json"], 0);
    says(&out, &["note xcopa_twice", "note no_overall"]);
    let text = fs::read_to_string(folder.path().join("scores.json")).expect("it was written");
    let scores: Value = serde_json::from_str(&text).expect("it is JSON");
    let official = &scores["official"];
    assert_eq!((&official["classification"], &official["multi_choice"]), (&75.0.into(), &50.0.into()));
    assert_eq!((&official["all_task"], &scores["mean_of_each_task_once"]), (&Value::Null, &75.0.into()));
}

#[test]
fn a_check_names_every_file_and_line() {
    let one = ["xtreme", "--task", "xnli", "--language", "de", "--check"];
    let folder = nli(&["neutral", "entailment"], &["neutral", "neutral"]);
    says(&run(folder.path(), &one, 0).0, &["every file that was asked for can be scored"]);
    let folder = nli(&["neutral", "", "contradictory"], &["neutral", "neutral"]);
    let (out, err) = run(folder.path(), &one, 65);
    says(&out, &["p/xnli/test-de.tsv:2: blank", "test-de.tsv:3: \"contradictory\" is no label; did you mean"]);
    says(&out, &["3 labels, and g/xnli/test-de.tsv has 2"]);
    says(&err, &["3 problems, such as p/xnli/test-de.tsv:2: blank"]);
    write(folder.path(), "p/xnli/test_de.tsv", "neutral\n");
    let (out, _) = run(folder.path(), &["xtreme", "--task", "xnli", "--check"], 65);
    says(&out, &["test_de.tsv: no file of the benchmark; did you mean \"test-de.tsv\"?", "test-zh.tsv: not there"]);
    write(folder.path(), "p/xquad/test-de.json", r#"{"a": "x", "c": 3}"#);
    let gold = r#"{"data": [{"paragraphs": [{"qas": [{"id": "a", "answers": [{"text": "x"}]},
        {"id": "b", "answers": [{"text": "y"}]}]}]}]}"#;
    write(folder.path(), "g/xquad/test-de.json", gold);
    let (out, _) = run(folder.path(), &["xtreme", "--task", "xquad", "--language", "de", "--check"], 65);
    says(
        &out,
        &["\"b\" has no prediction", "\"c\": expected an answer as a string, found 3", "\"c\" is not in g/xquad"],
    );
    write(folder.path(), "p/panx/test-de.tsv", "O\nPER\n\nO\n");
    write(folder.path(), "g/panx/test-de.tsv", "O\nB-PER\n\nO\nO\n");
    let (out, _) = run(folder.path(), &["xtreme", "--task", "panx", "--language", "de", "--check"], 65);
    says(&out, &["p/panx/test-de.tsv:2: \"PER\" is no label", "p/panx/test-de.tsv:4: a sentence of 1 tags"]);
    // What `score` calls meaningless is no file that can be scored.
    let panx = ["xtreme", "--task", "panx", "--language", "de", "--check"];
    write(folder.path(), "p/panx/test-de.tsv", "O\nB-PER\n\n");
    write(folder.path(), "g/panx/test-de.tsv", "the\tO\nAda\tB-PER\n\n");
    says(&run(folder.path(), &panx, 65).0, &["g/panx/test-de.tsv: its lines have 2 columns"]);
    let tatoeba = ["xtreme", "--task", "tatoeba", "--language", "de", "--check"];
    write(folder.path(), "g/tatoeba/test-de.tsv", "0\n1\n");
    write(folder.path(), "p/tatoeba/test-de.tsv", "0\n01\n");
    says(&run(folder.path(), &tatoeba, 65).0, &["p/tatoeba/test-de.tsv:2: \"01\": expected the number of a sentence"]);
}

#[test]
fn files_that_no_script_reads_are_refused_with_their_place() {
    let one = ["xtreme", "--task", "xnli", "--language", "de"];
    let folder = nli(&["\u{feff}neutral"], &["neutral"]);
    says(&run(folder.path(), &one, 65).1, &["p/xnli/test-de.tsv:1: begins with a byte order mark"]);
    fs::write(folder.path().join("p/xnli/test-de.tsv"), b"neutral\n\xff\n").expect("it can be written");
    says(&run(folder.path(), &one, 65).1, &["p/xnli/test-de.tsv:2: not UTF-8"]);
    fs::write(folder.path().join("p/xnli/test-de.tsv"), "").expect("it can be written");
    fs::write(folder.path().join("g/xnli/test-de.tsv"), "").expect("it can be written");
    says(&run(folder.path(), &one, 65).1, &["g/xnli/test-de.tsv has nothing to score"]);
    write(folder.path(), "p/mlqa/test-ar.json", "{\"a\":\n oops}");
    write(folder.path(), "g/mlqa/test-ar.json", "{\"data\": []}");
    let mlqa = ["xtreme", "--task", "mlqa", "--language", "ar"];
    says(&run(folder.path(), &mlqa, 65).1, &["p/mlqa/test-ar.json:2: not JSON"]);
    fs::remove_dir_all(folder.path().join("g")).expect("it can be taken away");
    says(&run(folder.path(), &one, 66).1, &["--gold g: expected a folder, found none"]);
}
