//! `rxlt model`: what is shown of a model, and what conversion writes and leaves alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rxlt::checkpoint::Weights;

mod harness;

use harness::rxlt;

fn encoder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/xlmr-open")
}

/// Runs `rxlt`; the exit code must be as expected, and all that is said hold `parts`. Returns what stdout holds.
#[track_caller]
fn check(folder: &Path, args: &[&str], code: i32, parts: &[&str]) -> String {
    let output = rxlt(folder, args).output().expect("the binary runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    for part in parts {
        assert!(out.contains(part) || err.contains(part), "{args:?}: expected \"{part}\" in:\n{out}\n{err}");
    }
    out.into_owned()
}

/// The encoder that ships, in a folder of its own.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("m")).expect("a folder");
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(encoder().join(name), folder.path().join("m").join(name)).expect("a copy");
    }
    folder
}

#[test]
fn a_model_is_shown() {
    let folder = copied();
    fs::write(folder.path().join("m/pytorch_model.bin"), "not read").unwrap();
    fs::write(folder.path().join("m/vocab.txt"), "not read").unwrap();
    let parts = [
        "architecture xlm-roberta: 4 layers of 384, 12 heads, 1536 between",
        "vocabulary   30000 ids, texts of at most 128 tokens",
        "tokenizer    tokenizer.json, 30000 ids",
        "head         a masked language model",
        "11.5 million in the word table, 7.1 million in the encoder",
        "stored as    F16 (46 tensors), F8_E4M3 (28 tensors)",
        "batches of 32 × 128 tokens on cpu",
        "weights; others come first",
        "tokenizer; another comes first",
    ];
    check(folder.path(), &["model", "show", "m"], 0, &parts);
    let text =
        check(folder.path(), &["model", "show", "m", "--json", "--batch-size", "4", "--max-length", "900"], 0, &[]);
    let shown: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let weights = Weights::open(&encoder()).unwrap();
    let total: usize = weights.names().map(|name| weights.shape(name).unwrap().iter().product::<usize>()).sum();
    let parts = &shown["parameters"];
    let sum: u64 = ["words", "encoder", "head"].map(|part| parts[part].as_u64().unwrap()).iter().sum();
    assert_eq!((parts["words"].as_u64(), sum as usize), (Some(30_000 * 384), total));
    assert_eq!(shown["fine_tuning"]["max_length"], 128, "no more than the model takes");
    assert!(shown["fine_tuning"]["memory"]["predicted"]["total"].as_u64().unwrap() > 30 << 20);
    assert_eq!(shown["fine_tuning"]["fits"], true);
    let read: Vec<&str> = shown["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| file["read"] == true)
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(read, ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let folder = copied();
    let path = folder.path();
    fs::remove_file(path.join("m/tokenizer.json")).unwrap();
    check(path, &["model", "show", "m"], 0, &["tokenizer    none here (looked for tokenizer.json, "]);
    fs::write(path.join("m/tokenizer.json"), "{").unwrap();
    check(path, &["model", "show", "m"], 65, &["tokenizer.json"]);
    fs::remove_file(path.join("m/model.safetensors")).unwrap();
    check(path, &["model", "show", "m"], 66, &["m: expected weights"]);
    check(path, &["model", "show", "./none"], 66, &["there is no ./none/config.json"]);
    check(path, &["model", "show", "m/config.json"], 66, &["that is a file: name the folder that it is in"]);
    check(path, &["model", "show", "https://huggingface.co/a/b"], 66, &["named org/model, or org/model@revision"]);
    check(path, &["model", "show", "none"], 66, &["there is no \"none\" here, and the cache", "without --offline"]);
}

#[test]
fn conversion_writes_what_is_read_again() {
    let folder = copied();
    let path = folder.path();
    check(path, &["model", "convert", "m", "same"], 0, &["same is written: 74 tensors of m/model.safetensors"]);
    check(path, &["model", "convert", "m", "full", "--to", "f32"], 0, &[]);
    check(path, &["model", "convert", "full", "half", "--to", "f16"], 0, &[]);
    // What came of eight bits goes there again, and nothing is lost.
    check(path, &["model", "convert", "half", "again", "--to", "f8"], 0, &["matrices are 0.0 % off", "0.0 % of their"]);
    let [before, same, full, half, again] =
        ["m", "same", "full", "half", "again"].map(|name| Weights::open(&path.join(name)).unwrap());
    for name in before.names() {
        let own = before.dtype(name).unwrap();
        for (after, dtype) in [(&same, &*own), (&full, "F32"), (&half, "F16"), (&again, &*own)] {
            assert_eq!(after.dtype(name).as_deref(), Some(dtype), "{name}");
            assert_eq!(after.read(name).unwrap(), before.read(name).unwrap(), "{name}");
        }
    }
    let tokenizers = ["m", "full"].map(|name| fs::read(path.join(name).join("tokenizer.json")).unwrap());
    assert_eq!(tokenizers[0], tokenizers[1]);
    assert!(fs::read_to_string(path.join("full/config.json")).unwrap().contains("\"float32\""));
    check(path, &["model", "show", "full"], 0, &["F32 (74 tensors)"]);
}

#[test]
fn conversion_leaves_what_is_there() {
    let folder = copied();
    let path = folder.path();
    check(path, &["model", "convert", "m", "out"], 0, &[]);
    check(path, &["model", "convert", "m", "out", "--to", "f32"], 73, &["it is there already", "--force"]);
    assert_eq!(Weights::open(&path.join("out")).unwrap().dtype("lm_head.bias").as_deref(), Some("F16"));
    check(path, &["model", "convert", "m", "out", "--to", "f32", "--force"], 0, &[]);
    assert_eq!(Weights::open(&path.join("out")).unwrap().dtype("lm_head.bias").as_deref(), Some("F32"));
    check(path, &["model", "convert", "m", "m", "--force"], 73, &["is read by this command"]);
    fs::create_dir(path.join("theirs")).unwrap();
    fs::write(path.join("theirs/thesis.txt"), "the only copy").unwrap();
    check(path, &["model", "convert", "m", "theirs", "--force"], 73, &["theirs"]);
    assert_eq!(fs::read_to_string(path.join("theirs/thesis.txt")).unwrap(), "the only copy");
    check(path, &["model", "convert", "m", "x", "--to", "f64"], 2, &["possible values: f32, f16, bf16"]);
}

#[test]
fn what_does_not_fit_is_neither_shown_nor_converted() {
    let folder = copied();
    let path = folder.path();
    let text = fs::read_to_string(path.join("m/config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["intermediate_size"] = (2 * config["intermediate_size"].as_u64().unwrap()).into();
    fs::write(path.join("m/config.json"), config.to_string()).unwrap();
    for args in [&["model", "show", "m"][..], &["model", "convert", "m", "out"]] {
        check(path, args, 65, &["m/model.safetensors does not fit"]);
    }
    assert!(!path.join("out").exists());
}
