//! What the files of a run's folder are called, and how they are read back: by the run itself, by reports and studies.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    checkpoint::sha256_file,
    error::{Error, Result},
};

/// Every value of the recipe.
pub const CONFIG: &str = "config.resolved.toml";
/// Its hash.
pub const CONFIG_HASH: &str = "config.resolved.sha256";
/// Where each value came from.
pub const SOURCES: &str = "config.sources.json";
/// On what it runs.
pub const ENVIRONMENT: &str = "env.json";
/// What it is doing.
pub const STATUS: &str = "STATUS.json";
/// What happened, a line each.
pub const LOG: &str = "log.jsonl";
/// Held by the process at work.
pub const LOCK: &str = "LOCK";
/// The data: files, hashes, counts of labels.
pub const DATA: &str = "data.lock.json";
/// Which items of the dev and test data it trains on.
pub const OVERLAP: &str = "overlap.json";
/// The results, of a run and of each stage that was measured.
pub const METRICS: &str = "metrics.json";
/// In a stage's folder, what it takes.
pub const MEMORY: &str = "memory.json";
/// With how many ranks the run began.
pub const RANKS: &str = "ranks.json";
/// In a stage's folder, the norms of words.
pub const WORDS: &str = "words.json";
/// In a stage's folder, the model kept.
pub const MODEL: &str = "model";
/// In a stage's folder, its checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// In a stage's folder, what was predicted.
pub const PREDICTIONS: &str = "predictions";
/// Among predictions, what stands for a split where first sentences are other items'.
pub const FOREIGN: &str = "foreign-firsts";
/// In a stage's folder, its texts as tokens.
pub const CORPUS: &str = "corpus";

/// A fresh encoder that begins with another's layers, before it is trained.
pub const STUDENT: &str = "student";
/// In a stage's folder, the vectors that a teacher made of them.
pub const TAUGHT: &str = "taught";

/// There where models were removed once they were measured.
pub const DISCARDED: &str = "models.discarded";

/// Whether a folder is that of a run.
pub fn is_run(folder: &Path) -> bool {
    folder.join(CONFIG).is_file()
}

/// Whether a run, or a stage of it, has its results.
pub fn is_measured(folder: &Path) -> bool {
    folder.join(METRICS).is_file()
}

/// In a stage's folder, what was predicted in a language.
pub fn predictions(stage: &Path, split: &str, language: &str) -> PathBuf {
    stage.join(PREDICTIONS).join(format!("{split}-{language}.jsonl"))
}

/// What a run says of predictions: how many there are, their hash, and what happened to the text on the way.
pub fn of_predictions(path: &Path) -> PathBuf {
    path.with_extension("text.json")
}

/// Refuses predictions that are not as the run wrote them, after what it says of them.
pub fn refuse_changed(path: &Path, said: &Value) -> Result<()> {
    let found = sha256_file(path)?;
    match said["sha256"].as_str().filter(|expected| *expected != found) {
        None => Ok(()),
        Some(expected) => Err(Error::Data(format!(
            "{}: expected SHA-256 {expected}, found {found}; remove the file, and run the same recipe again: it is predicted \
             again",
            path.display()
        ))),
    }
}

/// Reads a file of JSON that a run wrote.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|error| Error::read(path, &error))?;
    let remedy = "take the file from a copy of the folder, or name another --output";
    serde_json::from_slice(&text).map_err(|error| Error::Data(format!("{}: {error}; {remedy}", path.display())))
}
