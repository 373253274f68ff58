//! An XLM that tells languages apart: each text has the language of its file, in training, measuring and predicting.

use rxlt::{
    array::Segments,
    kinds::softmax,
    models::{Batch, Config, HeadKind, Model, Place, Target, Words},
    nn::Pass,
    tensor::Device,
    text::Tokenizer,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

mod harness;

const LABELS: [&str; 2] = ["animal", "tool"];

/// A small encoder with fresh weights, and XLM's own tokenizer beside it.
fn write_model(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder can be made");
    let tokenizer = Tokenizer::load(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/xlm")).expect("it loads");
    tokenizer.save(folder).expect("it is saved");
    let config = json!({
        "model_type": "xlm", "vocab_size": tokenizer.n_ids(), "emb_dim": 16, "n_layers": 1, "n_heads": 2,
        "max_position_embeddings": 64, "n_langs": 3, "lang2id": {"de": 0, "en": 1, "sw": 2}, "init_std": 0.3,
    });
    let config = Config::new(config.as_object().expect("an object").clone()).expect("a configuration");
    let model = Model::fresh(config, HeadKind::MaskedLm, 5, &Device::cpu()).expect("a model");
    model.write(folder).expect("it is written");
}

/// Which of two things a sentence is about.
fn rows(n: usize, words: [&str; 2]) -> String {
    let row = |i: usize| format!("\"the {}, number {i}\",{}\n", words[i % 2], LABELS[i % 2]);
    "text,label\n".to_owned() + &(0..n).map(row).collect::<String>()
}

fn rxlt(folder: &Path, args: &[&str]) -> Output {
    harness::rxlt(folder, args).output().expect("the binary runs")
}

#[track_caller]
fn succeeds(folder: &Path, args: &[&str]) {
    let output = rxlt(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn fails(folder: &Path, args: &[&str], says: &str) {
    let output = rxlt(folder, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(65) && said.contains(says), "{args:?}: {:?}: {said}", output.status);
}

/// The probability of the first label for a text whose tokens all have the language of this number.
fn probability(folder: &Path, text: &str, language: &str, number: u32) -> f64 {
    let head = HeadKind::Classify(LABELS.map(str::to_owned).to_vec());
    let model = Model::load(folder, head, 0, &Device::cpu()).expect("the model loads");
    let tokenizer = Tokenizer::load(folder).and_then(|it| it.in_languages(language, language)).expect("it loads");
    let ids = tokenizer.encode(text, None, 64).expect("the text is encoded").ids;
    let segments = Segments::new([ids.len()]);
    let batch = Batch {
        types: vec![number; ids.len()].into(),
        ids: ids.into(),
        positions: segments.positions(),
        target: Target::labels(&segments, vec![0]),
        segments,
        other: None,
    };
    let words = model.activations(Place::Word, &batch, Words::Table, Pass::evaluation());
    let logits = model.logits_from(Place::Word, &words, &batch, Pass::evaluation());
    f64::from(softmax(&logits.to_vec())[0])
}

/// The probability of the first label in a file of predictions, for its first line.
fn predicted(file: &Path) -> f64 {
    let lines = fs::read_to_string(file).expect("predictions were written");
    let line: Value = serde_json::from_str(lines.lines().next().expect("there is one")).expect("a line is JSON");
    line["probabilities"][LABELS[0]].as_f64().expect("a probability")
}

#[test]
fn texts_have_the_language_of_their_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    write_model(&path.join("xlm"));
    for (name, text) in [
        ("things.csv", rows(48, ["dog", "hammer"])),
        ("test-en.csv", rows(10, ["dog", "hammer"])),
        ("test-deu.csv", rows(12, ["Hund", "Hammer"])),
    ] {
        fs::write(path.join(name), text).expect("written");
    }
    let run = ["run", "--train", "things.csv", "--test", "test-{language}.csv", "--model", "xlm", "--output", "out"];
    let run = [&run[..], &["--set", "stages.0.epochs=1", "--set", "stages.0.max_length=40"]].concat();
    succeeds(path, &run);
    let stage = path.join("out/1-things-standard");
    let model = stage.join("model");
    let german = "the Hund, number 0";
    let expected = probability(&model, german, "de", 0);
    let found = predicted(&stage.join("predictions/test-deu.jsonl"));
    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    assert!((probability(&model, german, "de", 2) - expected).abs() > 1e-4, "the language makes no difference");

    let stage = stage.to_str().expect("a plain path");
    let eval = ["eval", "--model", stage, "--task", "things", "--data", ".", "--output", "measured"];
    succeeds(path, &eval);
    assert!((predicted(&path.join("measured/test-deu.jsonl")) - expected).abs() < 1e-5);

    fs::write(path.join("texts.txt"), format!("{german}\n")).expect("written");
    let predict = ["predict", "--model", stage, "--input", "texts.txt", "--output", "said.jsonl", "--force"];
    for (language, number) in [("deu", 0), ("sw", 2)] {
        succeeds(path, &[&predict[..], &["--language", language]].concat());
        let expected = probability(&model, german, if number == 0 { "de" } else { "sw" }, number);
        assert!((predicted(&path.join("said.jsonl")) - expected).abs() < 1e-5, "{language}");
    }
    fails(path, &predict, "nothing says in which language the text is");
    fails(
        path,
        &[&predict[..], &["--language", "fi"]].concat(),
        "no embedding of the language \"fi\"; it has those of de, en, sw",
    );

    let exported = ["export", "--model", stage, "--output", "half"];
    succeeds(path, &exported);
    let half = probability(&path.join("half"), german, "de", 0);
    assert!((half - expected).abs() < 1e-2, "{half} {expected}");
    assert!(path.join("half/merges.txt").is_file() && !path.join("half/tokenizer.json").exists());

    // Before anything is trained it is clear that a language is lacking.
    fs::write(path.join("test-fi.csv"), rows(8, ["koira", "vasara"])).expect("written");
    let anew: Vec<&str> = run.iter().map(|word| if *word == "out" { "anew" } else { *word }).collect();
    fails(path, &anew, "no embedding of the language \"fi\"");
    fails(path, &[&anew[..], &["--dry-run"]].concat(), "no embedding of the language \"fi\"");
}

/// The mean hidden state of a text whose tokens all have the language of this number, of norm 1.
fn vector(folder: &Path, text: &str, language: &str, number: u32) -> Vec<f32> {
    let model = Model::load(folder, HeadKind::MaskedLm, 0, &Device::cpu()).expect("the model loads");
    let tokenizer = Tokenizer::load(folder).and_then(|it| it.in_languages(language, language)).expect("it loads");
    let ids = tokenizer.encode(text, None, 64).expect("the text is encoded").ids;
    let (segments, n) = (Segments::new([ids.len()]), ids.len());
    let types = vec![number; n].into();
    let (positions, target) = (segments.positions(), Target::labels(&segments, vec![0]));
    let batch = Batch { types, ids: ids.into(), positions, target, segments, other: None };
    let embedded = model.activations(Place::Embedding, &batch, Words::Table, Pass::evaluation());
    let states = model.encoder.hidden_states(&embedded, &batch.segments, Pass::evaluation());
    let states = states.last().expect("there is a layer").to_vec();
    let width = states.len() / n;
    let sum: Vec<f32> = (0..width).map(|column| states.iter().skip(column).step_by(width).sum()).collect();
    let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    sum.into_iter().map(|x| x / norm).collect()
}

/// Both sides of a search are read in their own languages.
#[test]
fn texts_are_searched_in_their_languages() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    write_model(&path.join("xlm"));
    let [english, german] = [["dog", "hammer", "cat"], ["Hund", "Hammer", "Katze"]].map(|words| {
        (0..12).map(|i| format!("the {}, {} of {i}", words[i % 3], words[i / 3 % 3])).collect::<Vec<String>>()
    });
    fs::create_dir(path.join("tatoeba")).expect("made");
    for (name, texts) in
        [("deu-eng.deu", &german), ("deu-eng.eng", &english), ("fin-eng.fin", &german), ("fin-eng.eng", &english)]
    {
        fs::write(path.join("tatoeba/tatoeba.").display().to_string() + name, texts.join("\n") + "\n")
            .expect("written");
    }
    let eval =
        ["eval", "--model", "xlm", "--task", "tatoeba", "--data", ".", "--output", "found", "--max-length", "64"];
    succeeds(path, &[&eval[..], &["--languages", "de"]].concat());
    let lines = fs::read_to_string(path.join("found/test-de.jsonl")).expect("predictions were written");
    let vectors = |texts: &[String], language: &str, number: u32| -> Vec<Vec<f32>> {
        texts.iter().map(|text| vector(&path.join("xlm"), text, language, number)).collect()
    };
    let nearest = |queries: &[Vec<f32>], candidates: &[Vec<f32>]| -> Vec<usize> {
        let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let best = |query: &Vec<f32>| {
            let cosines: Vec<f32> = candidates.iter().map(|candidate| cosine(query, candidate)).collect();
            (0..cosines.len()).fold(0, |best, i| if cosines[i] > cosines[best] { i } else { best }) + 1
        };
        queries.iter().map(best).collect()
    };
    let found: Vec<usize> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"))
        .map(|line| line["prediction"].as_str().and_then(|id| id.rsplit(':').next()?.parse().ok()).expect("an id"))
        .collect();
    let queries = vectors(&english, "en", 1);
    assert_eq!(found, nearest(&queries, &vectors(&german, "de", 0)));
    assert_ne!(found, nearest(&queries, &vectors(&german, "sw", 2)), "the language makes no difference");
    fails(path, &[&eval[..], &["--languages", "fi", "--force"]].concat(), "no embedding of the language \"fin\"");
}

/// Rules of words, where the model tells no languages apart: those of English, unless another language is named.
#[test]
fn languages_that_want_other_tools_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_model(folder.path());
    let tokenizer = Tokenizer::load(folder.path()).expect("it loads");
    let ids = |tokenizer: &Tokenizer| tokenizer.encode("it's a dog", None, 30).expect("it is encoded").ids;
    let [english, german] = ["en", "de"].map(|code| tokenizer.in_languages(code, code).expect("it has rules"));
    assert_eq!(ids(&tokenizer), ids(&english));
    assert_ne!(ids(&tokenizer), ids(&german));
    let error = tokenizer.in_languages("th", "th").map(drop).expect_err("it is refused");
    assert!(error.message().contains("parted by PyThaiNLP, which is not here"), "{error}");
}

/// Moses's rules rewrite words, so that an answer stands in whole ones, each read by itself in the language of the text.
#[test]
fn an_answer_is_placed_by_the_words_between_spaces() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_model(folder.path());
    let tokenizer = Tokenizer::load(folder.path()).expect("it loads");
    let text = " It\u{a0}isn't  (1998) l'\u{e9}t\u{e9},\ndogs.";
    let [english, french] = ["en", "fr"].map(|code| tokenizer.in_languages("de", code).expect("it has rules"));
    for of_text in [&english, &french] {
        let alone = of_text.turned();
        let expected = ["It", "isn't", "(1998)", "l'\u{e9}t\u{e9},", "dogs."].iter().flat_map(|word| {
            let start = text.find(word).expect("it stands there");
            let ids = alone.tokens(word).expect("it is read");
            ids.into_iter().map(move |id| (id, start..start + word.len()))
        });
        assert_eq!(of_text.placed_tokens(text).expect("it is placed"), expected.collect::<Vec<_>>());
    }
    assert_ne!(english.placed_tokens(text), french.placed_tokens(text), "the language makes no difference");
}

#[test]
fn questions_are_answered_from_texts_by_xlm() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    write_model(&path.join("xlm"));
    let colours = ["red", "green"];
    let paragraph = |i: usize, colour: &str| {
        let text = format!("It's the {colour} dog, number {i}.");
        let answer = json!({"text": colour, "answer_start": 9});
        json!({"context": text, "qas": [{"id": format!("q{i}"), "question": "Which dog is it?", "answers": [answer]}]})
    };
    fs::create_dir(path.join("dogs")).expect("a folder can be made");
    for name in ["dogs/train.en.json", "dogs/test.en.json", "dogs/test.de.json"] {
        let paragraphs: Vec<Value> = (0..16).map(|i| paragraph(i, colours[i % 2])).collect();
        let data = json!({"version": "1.1", "data": [{"title": "dogs", "paragraphs": paragraphs}]});
        fs::write(path.join(name), data.to_string()).expect("a file can be written");
    }
    let run = ["run", "--train", "dogs/train.en.json", "--test", "dogs/test.{language}.json", "--model", "xlm"];
    let settings = ["stages.0.updates=60", "stages.0.max_length=64", "stages.0.learning_rate=5e-3"];
    let settings = settings.iter().flat_map(|setting| ["--set", setting]).collect::<Vec<_>>();
    succeeds(path, &[&run[..], &["--method", "standard,adv", "--output", "out"], &settings].concat());
    for stage in ["1-dogs-standard", "1-dogs-adv"] {
        let answers = |language: &str| -> Vec<String> {
            let file = path.join(format!("out/{stage}/predictions/test-{language}.jsonl"));
            let lines = fs::read_to_string(file).expect("predictions were written");
            let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
            lines.map(|line| line["prediction"].as_str().expect("a text").to_owned()).collect()
        };
        assert_eq!(answers("en"), (0..16).map(|i| colours[i % 2]).collect::<Vec<_>>(), "{stage}");
        let is_whole = |(i, answer): (usize, &String)| {
            let text = format!(" It's the {} dog, number {i}. ", colours[i % 2]);
            text.contains(&format!(" {answer} "))
        };
        assert!(answers("de").iter().enumerate().all(is_whole), "{stage}: {:?}", answers("de"));
    }
}
