//! Predictions on changed texts, which a study keeps beside its runs: a folder for a model and a change, whole or not there.

use std::path::Path;

use serde_json::Value;

use crate::{
    checkpoint::{commit_folder, write_file},
    error::Result,
    tasks::predictions::{self, Prediction},
};

/// What was predicted in a language; none where that was not measured.
pub fn read(folder: &Path, language: &str) -> Result<Option<Vec<Prediction>>> {
    let path = folder.join(format!("{language}.jsonl"));
    if path.is_file() { predictions::read(&path).map(Some) } else { Ok(None) }
}

/// Writes the predictions of each language, and how its texts were changed.
pub fn write(folder: &Path, predicted: &[(String, Vec<Prediction>)], changes: &Value) -> Result<()> {
    commit_folder(folder, |folder| {
        for (language, predicted) in predicted {
            let mut bytes = Vec::new();
            predictions::write(&mut bytes, predicted)?;
            write_file(&folder.join(format!("{language}.jsonl")), &bytes)?;
        }
        write_file(&folder.join("perturbed.json"), format!("{changes:#}\n").as_bytes())
    })
}
