//! `rxlt benchmark` on two tasks of made data: what is missing, the table, its file, and the second start.

use std::{fmt::Write, fs, path::Path};

mod harness;

use harness::rxlt;
use serde_json::{Value, json};

/// A folder with PAWS-X in English and German and parts of speech in English and Finnish, as XTREME lays them out.
fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join("download").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).unwrap();
        fs::write(path, text).unwrap();
    };
    let pairs = |n: usize, word: &str| {
        (0..n).fold(String::new(), |mut text, i| {
            writeln!(text, "{word} {i} came to see us\tnobody saw {word} {i} come\t{}", i % 2).unwrap();
            text
        })
    };
    let words = |n: usize, noun: &str| {
        (0..n).fold(String::new(), |mut text, i| {
            writeln!(text, "the\tDET\n{noun}{i}\tNOUN\nsleeps\tVERB\n.\tPUNCT\n").unwrap();
            text
        })
    };
    write("pawsx/train-en.tsv", &pairs(12, "Anna"));
    write("pawsx/dev-en.tsv", &pairs(6, "Bert"));
    write("pawsx/test-en.tsv", &pairs(8, "Carl"));
    write("pawsx/test-de.tsv", &pairs(8, "Dora"));
    write("udpos/train-en.tsv", &words(12, "cat"));
    write("udpos/dev-en.tsv", &words(4, "dog"));
    write("udpos/test-en.tsv", &words(5, "cow"));
    write("udpos/test-fi.tsv", &words(5, "kissa"));
    folder
}

/// Exit code, stdout and stderr.
fn ran(folder: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let given = ["benchmark", "xtreme", "--model", "weights/xlmr-open", "--data", "download", "--output", "out"];
    let short = ["--set", "stages.0.updates=2", "--set", "stages.0.max_length=32", "--progress", "plain"];
    let output = rxlt(folder, &[&given[..], &short[..], more].concat()).output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("rxlt writes UTF-8");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_missing_is_named_with_where_it_comes_from() {
    let folder = made();
    let (code, out, said) = ran(folder.path(), &[]);
    assert_eq!((code, out.as_str()), (Some(66), ""), "{said}");
    for part in [
        "missing: xnli: no train file of xnli",
        "XNLI-1.0.zip",
        "missing: pawsx: no test files of es, fr, ja, ko, zh; from x-final.tar.gz",
        "missing: xquad: ",
        "--available",
    ] {
        assert!(said.contains(part), "expected \"{part}\" in:\n{said}");
    }
    assert!(!folder.path().join("out").exists(), "something was written");
    let (code, out, said) = ran(folder.path(), &["--dry-run"]);
    assert!(
        code == Some(66) && out.contains("xtreme would run:") && said.contains("--available runs the rest"),
        "{said}"
    );
    let (code, out, _) = ran(folder.path(), &["--available", "--dry-run", "--method", "adv", "--seed", "3"]);
    assert_eq!(code, Some(0));
    for part in [
        "pawsx: stages.0.evaluate_every = 200  (google-research/xtreme, scripts/train_pawsx.sh)",
        "udpos: stages.0.updates = 2  (--set)",
        "udpos: seed = 3  (--seed)",
        "2 of 33",
        "not run for want of files: bucc2018: ",
        "not run for want of files: panx: ",
        "nothing was trained",
    ] {
        assert!(out.contains(part), "expected \"{part}\" in:\n{out}");
    }
    assert!(!folder.path().join("out").exists(), "something was written");
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_what_is_missing_once() {
    let folder = made();
    let (_, out, said) = ran(folder.path(), &["--available", "--dry-run"]);
    assert_eq!((out.matches("bucc2018: ").count(), said.matches("bucc2018: ").count()), (1, 0), "{out}{said}");
    let write = |name: &str, text: &str| fs::write(folder.path().join("download").join(name), text).unwrap();
    write("pawsx/dev-en.tsv", "a\tb\t7\n");
    write("udpos/dev-en.tsv", "the\tDETT\n\n");
    let (code, out, said) = ran(folder.path(), &["--available", "--dry-run"]);
    assert_eq!((code, out.as_str()), (Some(65), ""), "{said}");
    for part in ["dev-en.tsv:1: ", "\"7\"", "this is of pawsx", "DETT", "this is of udpos", "missing: bucc2018: "] {
        assert!(said.contains(part), "expected {part} in:\n{said}");
    }
}

#[test]
fn what_is_there_runs_once_and_its_means_are_partial() {
    let folder = made();
    let (code, out, said) = ran(folder.path(), &["--available"]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "2 of 7 languages",
        "2 of 33 languages",
        "1 of 2 tasks",
        "2 of 9 tasks",
        "not run for want of files: tatoeba: ",
    ] {
        assert!(out.contains(part), "expected \"{part}\" in:\n{out}");
    }
    let row = |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}\n{out}"));
    for name in ["pawsx", "udpos", "classification", "tagging", "average"] {
        assert!(row(name).ends_with("partial"), "{out}");
    }
    let json = fs::read_to_string(folder.path().join("out/benchmark.json")).unwrap();
    let read: Value = serde_json::from_str(&json).unwrap();
    let [pawsx, udpos] = &read["tasks"].as_array().unwrap()[..] else { panic!("{json}") };
    let accuracy = &pawsx["by_language"]["accuracy"];
    let mean = (accuracy["en"].as_f64().unwrap() + accuracy["de"].as_f64().unwrap()) / 2.0;
    assert!((pawsx["score"].as_f64().unwrap() - mean).abs() < 1e-9, "{json}");
    assert!(udpos["by_language"]["xtreme_f1"]["fi"].is_f64() && read["average"]["which_is"] == "partial", "{json}");
    // The run's own metrics say the same.
    let own: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("out/pawsx/metrics.json")).unwrap()).unwrap();
    assert!(own.to_string().contains("\"accuracy\""), "{own}");

    let log = fs::read_to_string(folder.path().join("out/pawsx/log.jsonl")).unwrap();
    let (code, again, said) = ran(folder.path(), &["--available"]);
    assert_eq!((code, &again), (Some(0), &out), "{said}");
    assert!(said.contains("pawsx is done already") && said.contains("udpos is done already"), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("out/pawsx/log.jsonl")).unwrap(), log);
    assert_eq!(fs::read_to_string(folder.path().join("out/benchmark.json")).unwrap(), json);
}

/// XGLUE's WPR and QADSM in English and German: a query, a title and a text, and a grade or a label.
fn made_xglue() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows = |n: usize, labels: &[&str]| {
        (0..n).fold(String::new(), |mut text, i| {
            let (query, label) = (i / 3, labels[(i + i / 3) % labels.len()]);
            writeln!(text, "query {query}\ttitle {i}\tit is about {label}\t{label}").unwrap();
            text
        })
    };
    for (task, labels) in [("WPR", &["0", "1", "2", "3", "4"][..]), ("QADSM", &["Good", "Bad"])] {
        for (split, language, n) in [("train", "en", 24), ("dev", "en", 9), ("test", "en", 12), ("test", "de", 13)] {
            let name = format!("XGLUE/{task}/xglue.{}.{language}.{split}", task.to_lowercase());
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("it has one")).unwrap();
            fs::write(path, rows(n, labels)).unwrap();
        }
    }
    folder
}

/// Stdout of a command that goes well.
fn out_of(folder: &Path, args: &[&str]) -> String {
    let output = rxlt(folder, args).output().expect("the binary runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("rxlt writes UTF-8")
}

#[test]
fn ranked_results_score_alike_in_runs_and_submissions() {
    let folder = made_xglue();
    let run =
        ["benchmark", "xglue", "--model", "weights/xlmr-open", "--data", "XGLUE", "--output", "out", "--available"];
    let short = ["--set", "stages.0.updates=2", "--set", "stages.0.max_length=32", "--progress", "plain"];
    let table = out_of(folder.path(), &[&run[..], &short[..]].concat());
    let row =
        |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}\n{table}"));
    assert!(row("WPR").contains("nDCG") && row("QADSM").contains("accuracy"), "{table}");
    let json: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("out/benchmark.json")).unwrap()).unwrap();
    // The model's own submission, scored by the official rules, is what the run says; a query of one result does not count.
    let eval = ["eval", "--model", "out/WPR/1-xglue-wpr-standard/model", "--task", "xglue-wpr", "--data", "XGLUE/WPR"];
    let own = out_of(folder.path(), &[&eval[..], &["--output", "p", "--format", "xglue"]].concat());
    assert!(own.contains("nDCG") && own.lines().any(|line| line.starts_with("de ") && line.contains("  4  ")), "{own}");
    let score = [
        "score",
        "--benchmark",
        "xglue",
        "--predictions",
        "p",
        "--gold",
        "XGLUE",
        "--task",
        "WPR",
        "--language",
        "de,en",
        "--json",
        "s.json",
    ];
    let said = out_of(folder.path(), &score);
    assert!(said.contains("1 queries with a single result"), "{said}");
    let scored: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("s.json")).unwrap()).unwrap();
    for language in ["de", "en"] {
        let of_run = json["tasks"][1]["by_language"]["ndcg"][language].as_f64().unwrap();
        let official = scored["tasks"]["WPR"]["ndcg"][language].as_f64().unwrap();
        assert!((of_run - 100.0 * official).abs() < 1e-9, "{language}: {of_run} {official}");
    }
    // Texts without grades, in three columns, are ranked too.
    fs::write(folder.path().join("new.tsv"), "query 1\ttitle\ttext\nquery 1\tother\ttext\n").unwrap();
    let predict =
        ["predict", "--model", "out/WPR/1-xglue-wpr-standard/model", "--input", "new.tsv", "--format", "xglue"];
    let grades = out_of(folder.path(), &predict);
    let grades: Vec<f64> = grades.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(grades.len() == 2 && grades.iter().all(|grade| (0.0..=4.0).contains(grade)), "{grades:?}");
}

#[test]
fn an_encoder_is_measured_by_retrieval_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join("download").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).unwrap();
        fs::write(path, text).unwrap();
    };
    let (german, english) =
        (["Der Hund schläft.", "Guten Tag!", "Er ist alt."], ["The dog sleeps.", "Hello!", "He is old."]);
    write("tatoeba/tatoeba.deu-eng.deu", &(german.join("\n") + "\n"));
    write("tatoeba/tatoeba.deu-eng.eng", &(english.join("\n") + "\n"));
    let named = |texts: &[&str], code: &str| {
        texts.iter().enumerate().map(|(i, text)| format!("{code}-{i}\t{text}\n")).collect::<String>()
    };
    for split in ["dev", "test"] {
        write(&format!("bucc2018/de-en.{split}.de"), &named(&german, "de"));
        write(&format!("bucc2018/de-en.{split}.en"), &named(&english, "en"));
        write(&format!("bucc2018/de-en.{split}.gold"), "de-0\ten-0\nde-2\ten-2\n");
    }
    let args =
        ["benchmark", "xtreme", "--model", "weights/xlmr-open", "--data", "download", "--output", "out", "--available"];
    let table = out_of(folder.path(), &args);
    let row =
        |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}\n{table}"));
    assert!(row("tatoeba").contains("1 of 36 languages") && row("bucc2018").contains("1 of 4 languages"), "{table}");
    assert!(row("retrieval").contains("2 of 2 tasks") && row("bucc2018").contains("F1"), "{table}");
    // The same from what is there; with another file it is another measurement.
    let json = fs::read_to_string(folder.path().join("out/benchmark.json")).unwrap();
    assert_eq!(out_of(folder.path(), &args), table);
    assert_eq!(fs::read_to_string(folder.path().join("out/benchmark.json")).unwrap(), json);
    let read: Value = serde_json::from_str(&json).unwrap();
    // Submissions score as officially as the benchmark says: lines of Tatoeba go by the sorted English, from 0.
    for task in ["tatoeba", "bucc2018"] {
        let args = ["eval", "--model", "weights/xlmr-open", "--task", task, "--data", "download", "--output", "p"];
        out_of(folder.path(), &[&args[..], &["--format", "xtreme"]].concat());
    }
    fs::create_dir_all(folder.path().join("g/tatoeba")).unwrap();
    fs::create_dir_all(folder.path().join("g/bucc2018")).unwrap();
    fs::write(folder.path().join("g/tatoeba/test-de.tsv"), "2\n1\n0\n").unwrap(); // He, Hello, The
    fs::copy(folder.path().join("download/bucc2018/de-en.test.gold"), folder.path().join("g/bucc2018/test-de.tsv"))
        .unwrap();
    let score = ["score", "--benchmark", "xtreme", "--predictions", "p", "--gold", "g", "--json", "s.json"];
    out_of(folder.path(), &[&score[..], &["--task", "tatoeba,bucc2018", "--language", "de"]].concat());
    let scored: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("s.json")).unwrap()).unwrap();
    for (task, metric) in [("tatoeba", "accuracy"), ("bucc2018", "f1")] {
        let own = read["tasks"].as_array().unwrap().iter().find(|one| one["name"] == task).unwrap();
        let own = own["by_language"][metric]["de"].as_f64().unwrap();
        let official = scored["tasks"][task][metric]["de"].as_f64().unwrap();
        assert!((own - official).abs() < 1e-9, "{task}: {own} {official}");
    }
    write("tatoeba/tatoeba.deu-eng.eng", "The dog slept.\nHello!\nHe is old.\n");
    let output = rxlt(folder.path(), &args).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(73) && said.contains("made of other files or settings"), "{said}");
}

/// XQuAD-R's and Mewsli-X's layouts: a question and its sentence in three languages, two mentions and three entities.
fn pools(folder: &Path) {
    let write = |name: &str, text: String| {
        let path = folder.join("download").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).unwrap();
        fs::write(path, text).unwrap();
    };
    let passages = [
        ("en", ["The sun is a star.", "The river is long."], "Which star is near?"),
        ("de", ["Die Sonne ist ein Stern.", "Der Fluss ist lang."], "Welcher Stern ist nah?"),
        ("es", ["El sol es una estrella.", "El río es largo."], "¿Qué estrella está cerca?"),
    ];
    for (language, [first, second], question) in passages {
        let (n, m) = (first.chars().count(), second.chars().count());
        let asked = |id: &str, start: usize| json!({"id": id, "question": question, "answers": [{"text": "", "answer_start": start}]});
        let paragraph = json!({"context": format!("{first} {second}"), "sentence_breaks": [[0, n], [n + 1, n + 1 + m]],
                               "qas": [asked("a", 0), asked("b", n + 1)]});
        write(&format!("lareqa/xquad-r/{language}.json"), json!({"data": [{"paragraphs": [paragraph]}]}).to_string());
    }
    let entity = |(id, text): &(&str, &str)| {
        let spans = [json!({"start": 0, "end": text.chars().count()})];
        json!({"entity_id": id, "description": text, "description_language": "en", "sentence_spans": spans}).to_string()
            + "\n"
    };
    let entities = [("Q1", "A river in Germany."), ("Q2", "A star."), ("Q3", "An old town.")];
    write("mewslix/candidate_set_entities.jsonl", entities.iter().map(entity).collect());
    let mention = |(language, text, end, entity): &(&str, &str, usize, &str)| {
        let name: String = text.chars().take(*end).collect();
        let mention = json!({"example_id": format!("{language}-1"), "entity_id": entity,
                             "mention_span": {"start": 0, "end": end, "text": name}});
        let spans = [json!({"start": 0, "end": text.chars().count()})];
        let context = json!({"language": language, "text": text, "sentence_spans": spans});
        json!({"context": context, "mentions": [mention]}).to_string() + "\n"
    };
    let mentions = [("de", "Rhein ist ein Fluss.", 5, "Q1"), ("tr", "Güneş bir yıldızdır.", 5, "Q2")];
    write("mewslix/wikinews_mentions-test.jsonl", mentions.iter().map(mention).collect());
}

#[test]
fn rankings_of_a_pool_score_as_officially() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    pools(folder.path());
    let args = [
        "benchmark",
        "xtreme-r",
        "--model",
        "weights/xlmr-open",
        "--data",
        "download",
        "--output",
        "out",
        "--available",
    ];
    let checked = out_of(folder.path(), &["task", "check", "lareqa", "--data", "download"]);
    let counts = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(checked.lines().any(|line| counts(line) == ["test", "de", "2", "6", "6", "0"]), "{checked}");
    assert!(checked.contains("note: all look among the same 6 candidates, which are in de, en, es"), "{checked}");
    let table = out_of(folder.path(), &args);
    let row =
        |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}\n{table}"));
    assert!(row("lareqa").contains("mAP@20") && row("lareqa").contains("3 of 11 languages"), "{table}");
    assert!(row("mewslix").contains("2 of 11 languages") && row("average").contains("2 of 10 tasks"), "{table}");
    assert!(table.contains("note: lareqa: the encoder is searched as it is"), "{table}");
    assert_eq!(out_of(folder.path(), &args), table);
    let json = fs::read_to_string(folder.path().join("out/benchmark.json")).unwrap();
    let read: Value = serde_json::from_str(&json).unwrap();
    for task in ["lareqa", "mewslix"] {
        let args = ["eval", "--model", "weights/xlmr-open", "--task", task, "--data", "download", "--output", "p"];
        let length = if task == "lareqa" { "128" } else { "64" };
        out_of(folder.path(), &[&args[..], &["--format", "xtreme", "--max-length", length]].concat());
    }
    let gold = |name: &str, gold: Value| {
        let path = folder.path().join("g").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).unwrap();
        fs::write(path, gold.to_string()).unwrap();
    };
    for language in ["en", "de", "es"] {
        let right = |place: usize| ["en", "es", "de"].map(|code| format!("{code}_1_{place}"));
        let [a, b] = ["a", "b"].map(|id| format!("{id}_{language}"));
        gold(&format!("lareqa/test-{language}.json"), json!({a: right(0), b: right(1)}));
    }
    gold("mewslix/test-de.json", json!({"de-1": ["Q1"]}));
    gold("mewslix/test-tr.json", json!({"tr-1": ["Q2"]}));
    for (task, languages) in [("lareqa", "de,en,es"), ("mewslix", "de,tr")] {
        let score = ["score", "--benchmark", "xtreme-r", "--predictions", "p", "--gold", "g", "--json", "s.json"];
        out_of(folder.path(), &[&score[..], &["--task", task, "--language", languages, "--force"]].concat());
        let scored: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("s.json")).unwrap()).unwrap();
        let own = read["tasks"].as_array().unwrap().iter().find(|one| one["name"] == task).unwrap();
        for language in languages.split(',') {
            let of_run = own["by_language"]["map@20"][language].as_f64().unwrap();
            let official = scored["tasks"][task]["map@20"][language].as_f64().unwrap();
            assert!((of_run - official).abs() < 1e-9 && of_run > 0.0, "{task} {language}: {of_run} {official}");
        }
    }
}

#[test]
fn what_makes_no_single_run_is_refused() {
    let folder = made();
    let (code, _, said) = ran(folder.path(), &["--available", "--set", "seeds=[1,2]"]);
    assert!(code == Some(2) && said.contains("once for each seed"), "{said}");
    let args = ["benchmark", "xtrem", "--model", "m", "--data", "download", "--output", "out"];
    let output = rxlt(folder.path(), &args).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("did you mean \"xtreme\"?"), "{said}");
}
