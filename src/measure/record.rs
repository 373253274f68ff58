//! What a model was trained on, kept in its folder: `rxlt.json`, so that it is used as it was trained.
//!
//! ```json
//! { "schema": 1, "rxlt_at_least": "0.1.0", "rxlt": "0.1.0 (bd096bd)", "task": "xnli", "pairs": true,
//!   "labels": ["contradiction", "entailment", "neutral"], "max_length": 128 }
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    checkpoint,
    error::{Error, Result},
    gpu,
    models::{Config, shipped},
    recipe::Stage,
    tasks::{self, Definition, Task},
};

/// Its file in a model's folder.
pub const RECORD: &str = "rxlt.json";

/// The version of its keys.
const SCHEMA: u32 = 1;

/// The first version of rxlt that reads them.
const READER: &str = "0.1.0";

/// The most tokens of an example where neither the user nor the model says.
const USUAL_LENGTH: usize = 128;

/// What a model was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of the keys.
    pub schema: u32,
    /// The first version of rxlt that reads them.
    pub rxlt_at_least: String,
    /// The version that trained the model.
    pub rxlt: String,
    /// The task of the last stage: one of ours, or `mlm`.
    pub task: String,
    /// What was learned beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Whether an example is two sentences; not known of masked language modelling.
    pub pairs: Option<bool>,
    /// The labels in the order of the task; none of masked language modelling.
    pub labels: Vec<String>,
    /// The most tokens of an example.
    pub max_length: usize,
    /// The task itself, where it is of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Definition>,
}

impl Record {
    /// Of a model that a stage has trained.
    pub fn of(stage: &Stage, task: Option<&Task>) -> Record {
        Record {
            schema: SCHEMA,
            rxlt_at_least: READER.into(),
            rxlt: crate::VERSION.into(),
            task: stage.task.clone(),
            beside: stage.beside.clone(),
            pairs: task.map(|task| task.pairs),
            labels: task.map_or(Vec::new(), |task| task.labels().iter().map(|label| (*label).to_owned()).collect()),
            max_length: stage.max_length,
            definition: task.and_then(|task| tasks::definition_of(task.name)),
        }
    }

    /// Of the model with the head of the task at this place of the stage: 0 is the stage's own.
    pub fn of_place(stage: &Stage, place: usize, task: Option<&Task>) -> Record {
        let mut beside = [std::slice::from_ref(&stage.task), &stage.beside].concat();
        let own = beside.remove(place);
        Record { task: own, beside, ..Record::of(stage, task) }
    }

    /// Writes it into a model's folder, and the length into the tokenizer's settings there.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("a record is plain data") + "\n";
        checkpoint::write_file(&folder.join(RECORD), text.as_bytes())?;
        self.write_length(folder)
    }

    /// Whether it says nothing of a task, as of a model of masked words.
    pub fn is_of_text(&self) -> bool {
        self.labels.is_empty() && self.pairs.is_none()
    }

    /// Writes the length into the tokenizer's settings of a model's folder, for transformers.
    pub fn write_length(&self, folder: &Path) -> Result<()> {
        let path = folder.join("tokenizer_config.json");
        if !path.is_file() {
            return Ok(());
        }
        let mut settings: Value = read_json(&path)?;
        settings["model_max_length"] = json!(self.max_length);
        checkpoint::write_file(&path, format!("{settings:#}\n").as_bytes())
    }

    /// Reads that of a model's folder; none in one that others made.
    pub fn load(folder: &Path) -> Result<Option<Record>> {
        let path = folder.join(RECORD);
        if !path.is_file() {
            return Ok(None);
        }
        let value: Value = read_json(&path)?;
        if value["schema"].as_u64().is_some_and(|schema| schema > u64::from(SCHEMA)) {
            let (path, needed) = (path.display(), value["rxlt_at_least"].as_str().unwrap_or("a later version"));
            let remedy = format!("read this model with rxlt {needed} or later");
            return Err(Error::Data(format!("{path}: expected schema {SCHEMA}, found {}; {remedy}", value["schema"])));
        }
        let record: Record = serde_json::from_value(value).map_err(|error| damaged(&path, &error))?;
        // So that its task is known by its name from here on.
        record.definition.iter().try_for_each(|definition| tasks::register(definition).map(|_| ()))?;
        Ok(Some(record))
    }

    /// Refuses examples of another kind than the model was trained on.
    pub fn check_kind(&self, place: &str, pairs: bool) -> Result<()> {
        let kind = |pairs| if pairs { "pairs of sentences" } else { "single sentences" };
        match self.pairs.is_none_or(|own| own == pairs) {
            true => Ok(()),
            false => Err(Error::Data(format!(
                "{place}: expected {} as in {}, on which the model was trained, found {}; name a model of these, or \
                 texts as the task has them",
                kind(!pairs),
                self.task,
                kind(pairs)
            ))),
        }
    }
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read(path).map_err(|error| Error::read(path, &error))?;
    serde_json::from_slice(&text).map_err(|error| damaged(path, &error))
}

fn damaged(path: &Path, error: &serde_json::Error) -> Error {
    let remedy = "take the file from a copy of the model, or remove it";
    Error::Data(format!("{}: {error}; {remedy}", path.display()))
}

/// The most tokens of an example: what the user asks for, else what the model was trained with, else the usual; and what
/// there is to say of it.
pub fn choose_length(
    asked: Option<usize>,
    record: Option<&Record>,
    folder: &Path,
    config: &Config,
) -> Result<(usize, Option<String>)> {
    let (longest, trained) = (config.longest_input(), record.map(|record| record.max_length));
    match (asked, trained) {
        (Some(asked), _) if asked > longest => Err(Error::Usage(format!(
            "--max-length {asked}: the model takes at most {longest} tokens; give that or less"
        ))),
        (Some(asked), Some(trained)) if asked != trained => {
            let note =
                format!("--max-length {asked}: the model was trained with {trained}; results differ from its run's");
            Ok((asked, Some(note)))
        }
        (Some(asked), _) => Ok((asked, None)),
        (None, Some(trained)) if trained > longest => Err(Error::Data(format!(
            "{}: max_length is {trained}, and the model takes at most {longest} tokens; mend it, or give --max-length",
            folder.join(RECORD).display()
        ))),
        (None, Some(trained)) => Ok((trained, None)),
        (None, None) => {
            let usual = USUAL_LENGTH.min(longest);
            let folder = folder.display();
            let note = format!(
                "{folder} does not say with which length it was trained (no {RECORD}): longer texts are cut to {usual} \
                 tokens; --max-length sets another length"
            );
            Ok((usual, Some(note)))
        }
    }
}

/// The model's folder that a path stands for: the encoder that ships, itself, or the `model` in the folder of a run's stage.
pub fn model_folder(path: &Path) -> Result<PathBuf> {
    if path == Path::new(shipped::PATH) {
        return shipped::folder(shipped::PATH, gpu::cache_folder().as_deref());
    }
    let inside = path.join("model");
    if path.join("config.json").is_file() || !path.is_dir() {
        return Ok(path.to_owned());
    }
    if inside.join("config.json").is_file() {
        return Ok(inside);
    }
    let shown = path.display();
    if path.join("checkpoints").is_dir() {
        let remedy = "finish the run by the same rxlt run";
        return Err(Error::Missing(format!("{shown} is a stage of a run that has no model yet; {remedy}")));
    }
    let models = stages_with_models(path);
    match models.is_empty() {
        true => Ok(path.to_owned()),
        false => Err(Error::Usage(format!("{shown} is a run; name one of its models: {}", models.join(", ")))),
    }
}

/// The same for a task: in a stage's folder the model that has its head, where the stage learned several tasks.
pub fn model_folder_for(path: &Path, task: &str) -> Result<PathBuf> {
    let own = path.join(format!("model-{task}"));
    let is_there = own.join("config.json").is_file() && !path.join("config.json").is_file();
    if is_there { Ok(own) } else { model_folder(path) }
}

fn stages_with_models(run: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut models: Vec<String> = entries
        .filter(|stage| stage.join("model/config.json").is_file())
        .map(|stage| stage.display().to_string())
        .collect();
    models.sort();
    models
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::shipped;
    use std::fs;

    fn stage(task: &str) -> Stage {
        Stage { task: task.into(), max_length: 96, ..Stage::default() }
    }

    fn config() -> Config {
        let raw = json!({
            "model_type": "xlm-roberta", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 102, "type_vocab_size": 1,
            "pad_token_id": 1,
        });
        Config::new(raw.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_told_to_transformers() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Record::load(folder.path()).unwrap(), None);
        let record = Record::of(&stage("xnli"), Some(shipped("xnli")));
        record.write(folder.path()).unwrap();
        assert!(!folder.path().join("tokenizer_config.json").exists());
        fs::write(folder.path().join("tokenizer_config.json"), "{\"pad_token\": \"<pad>\"}").unwrap();
        record.write(folder.path()).unwrap();
        assert_eq!(Record::load(folder.path()).unwrap(), Some(record.clone()));
        let settings = read_json(&folder.path().join("tokenizer_config.json")).unwrap();
        assert_eq!(settings, json!({ "pad_token": "<pad>", "model_max_length": 96 }));
        assert_eq!((record.pairs, record.labels.len()), (Some(true), 3));
        assert_eq!(Record::of(&stage("mlm"), None).pairs, None);

        let later = fs::read_to_string(folder.path().join(RECORD)).unwrap().replace("\"schema\": 1", "\"schema\": 2");
        fs::write(folder.path().join(RECORD), later.replace("0.1.0\"", "0.7.0\"")).unwrap();
        let error = Record::load(folder.path()).unwrap_err();
        assert!(error.exit_code() == 65 && error.message().contains("with rxlt 0.7.0 or later"), "{error}");
        fs::write(folder.path().join(RECORD), "{").unwrap();
        assert_eq!(Record::load(folder.path()).unwrap_err().exit_code(), 65);
    }

    #[test]
    fn the_length_is_the_users_else_the_models_else_the_usual() {
        let (folder, config) = (Path::new("m"), config());
        let trained = |max_length| Record { max_length, ..Record::of(&stage("xnli"), Some(shipped("xnli"))) };
        let choose = |asked, record: Option<&Record>| choose_length(asked, record, folder, &config);
        let (own, long) = (trained(96), trained(101));
        assert_eq!(choose(None, Some(&own)).unwrap(), (96, None));
        assert_eq!(choose(Some(96), Some(&own)).unwrap(), (96, None));
        assert_eq!(choose(Some(64), None).unwrap(), (64, None));
        let (length, note) = choose(Some(64), Some(&own)).unwrap();
        assert!(length == 64 && note.unwrap().contains("trained with 96"));
        let (length, note) = choose(None, None).unwrap();
        assert!(length == 100 && note.unwrap().contains("cut to 100 tokens"), "no more than the model takes");
        assert_eq!(choose(Some(101), None).unwrap_err().exit_code(), 2);
        assert_eq!(choose(None, Some(&long)).unwrap_err().exit_code(), 65);
    }

    #[test]
    fn texts_of_another_kind_are_refused() {
        let pairs = Record::of(&stage("xnli"), Some(shipped("xnli")));
        let single = Record::of(&stage("sib200"), Some(shipped("sib200")));
        let text = Record::of(&stage("mlm"), None);
        assert!(pairs.check_kind("x", true).is_ok() && single.check_kind("x", false).is_ok());
        assert!(text.check_kind("x", true).is_ok() && text.check_kind("x", false).is_ok());
        let error = pairs.check_kind("in.tsv", false).unwrap_err();
        assert!(
            error.exit_code() == 65 && error.message().starts_with("in.tsv: expected pairs of sentences as in xnli")
        );
        assert!(single.check_kind("x", true).unwrap_err().message().contains("expected single sentences as in sib200"));
    }

    #[test]
    fn a_stage_stands_for_its_model_and_a_run_is_asked_which() {
        let run = tempfile::tempdir().unwrap();
        let at = |name: &str| run.path().join(name);
        for stage in ["1-xnli-adv", "1-xnli-standard"] {
            fs::create_dir_all(at(stage).join("model")).unwrap();
            fs::create_dir_all(at(stage).join("checkpoints")).unwrap();
        }
        assert!(model_folder(&at("1-xnli-adv")).unwrap_err().message().contains("no model yet"));
        fs::write(at("1-xnli-adv/model/config.json"), "{}").unwrap();
        assert_eq!(model_folder(&at("1-xnli-adv")).unwrap(), at("1-xnli-adv/model"));
        assert_eq!(model_folder(&at("1-xnli-adv/model")).unwrap(), at("1-xnli-adv/model"));
        assert_eq!(model_folder(&at("none")).unwrap(), at("none"), "what is not there is said where it is read");
        let error = model_folder(run.path()).unwrap_err();
        assert!(error.exit_code() == 2 && error.message().ends_with("1-xnli-adv"), "{error}");
    }
}
