//! Predictions on other texts than a run's own, which a study keeps beside its runs: a folder for a model and a change or a
//! challenge set, whole or not there.

use std::path::Path;

use serde_json::Value;

use crate::{
    checkpoint::{self, commit_folder, write_file},
    error::{Error, Result},
    input,
    tasks::predictions::{self, Prediction},
};

/// What the texts are.
const TEXTS: &str = "texts.json";

/// Whether predictions are there, of texts that came about so; of others they are refused.
pub fn is_there(folder: &Path, how: &Value) -> Result<bool> {
    if !checkpoint::is_complete(folder) {
        return Ok(false);
    }
    let path = folder.join(TEXTS);
    match input::read_text(&path)? == written(how) {
        true => Ok(true),
        false => Err(Error::Config(format!(
            "{}: expected the texts of this study, found predictions of others: data, dictionaries or changes differ; remove \
             {}, or give the study another --output",
            path.display(),
            folder.display()
        ))),
    }
}

/// How the texts of a folder came about.
pub fn how(folder: &Path) -> Result<String> {
    input::read_text(&folder.join(TEXTS))
}

fn written(how: &Value) -> String {
    format!("{how:#}\n")
}

/// What was predicted in a language; none where that was not measured.
pub fn read(folder: &Path, language: &str) -> Result<Option<Vec<Prediction>>> {
    let path = folder.join(format!("{language}.jsonl"));
    if path.is_file() { predictions::read(&path).map(Some) } else { Ok(None) }
}

/// Writes the predictions of each language, and how the texts came about.
pub fn write(folder: &Path, predicted: &[(String, Vec<Prediction>)], how: &Value) -> Result<()> {
    commit_folder(folder, |folder| {
        for (language, predicted) in predicted {
            let mut bytes = Vec::new();
            predictions::write(&mut bytes, predicted)?;
            write_file(&folder.join(format!("{language}.jsonl")), &bytes)?;
        }
        write_file(&folder.join(TEXTS), written(how).as_bytes())
    })
}
