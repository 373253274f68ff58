//! What is looked for, in every language asked for: by `rxlt eval`, and in the tasks of a benchmark.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value as Json, json};

use super::{device::Chosen, note};
use crate::{
    checkpoint::{Existing, Output, sha256_file},
    error::{self, Error, Result},
    input,
    kinds::{self, Search},
    measure::{
        TOKENS_AT_ONCE,
        retrieve::{Retriever, Settings},
    },
    models::Config,
    run::progress::Progress,
    score::{Answered, Searched, TaskSpec},
    stop::Stop,
    tasks::{
        self, Origin, Split, Task,
        predictions::{self, Prediction},
        retrieval::{Retrieval, named_twice},
    },
};

/// The texts of a task of retrieval.
pub(super) struct Texts {
    /// By language, each with the texts by which its threshold is tuned, where that is done by others.
    pub(super) languages: Vec<(Retrieval, Option<Retrieval>)>,
    /// What there is to say of them.
    pub(super) notes: Vec<String>,
}

impl Texts {
    /// Reads those of the languages named, else of the task's own that are there.
    pub(super) fn read(task: &Task, search: &dyn Search, data: &Path, split: Split, named: &[String]) -> Result<Texts> {
        if let Some(twice) = named_twice(named) {
            return Err(Error::Usage(format!("languages: \"{twice}\" is named twice; name each language once")));
        }
        let mut notes = Vec::new();
        let there = if named.is_empty() { task.retrieved(data, split, task.languages)? } else { named.to_vec() };
        let own = task.languages.iter().filter(|_| named.is_empty());
        let absent: Vec<&str> = own.copied().filter(|own| !there.iter().any(|language| language == own)).collect();
        if !absent.is_empty() {
            let (folder, absent) = (data.display(), absent.join(", "));
            notes.push(format!("{folder} has no {split} files of {absent}: means are without them"));
        }
        if search.is_tuned() && split == Split::Dev {
            notes.push(
                "the threshold is tuned on the very pairs that are measured; test data say what it is worth".into(),
            );
        }
        let tuning = match search.is_tuned() && split != Split::Dev {
            true => task.retrievals(data, Split::Dev, &there)?.into_iter().map(Some).collect(),
            false => vec![None; there.len()],
        };
        let measured = task.retrievals(data, split, &there)?;
        notes.extend(measured.iter().flat_map(|one| one.notes.clone()));
        notes.extend(pool_note(&measured));
        Ok(Texts { languages: measured.into_iter().zip(tuning).collect(), notes })
    }

    /// The files read.
    pub(super) fn files(&self) -> impl Iterator<Item = &Origin> {
        self.languages
            .iter()
            .flat_map(|(measured, tuning)| [Some(measured), tuning.as_ref()])
            .flatten()
            .flat_map(|one| &one.files)
    }
}

/// Among how many candidates in which languages all look, where that is one pool: scores are of this pool.
fn pool_note(measured: &[Retrieval]) -> Option<String> {
    let first = measured.first()?;
    let is_one = measured[1..].iter().all(|other| Arc::ptr_eq(&other.candidates, &first.candidates));
    let languages: BTreeSet<&str> = first.candidates.iter().map(|entry| entry.language.as_str()).collect();
    let is_pool = is_one && (measured.len() > 1 || languages.len() > 1);
    let (n, languages) = (first.candidates.len(), languages.into_iter().collect::<Vec<_>>().join(", "));
    is_pool.then(|| format!("all look among the same {n} candidates, which are in {languages}"))
}

/// A task of a benchmark for which nothing is trained.
pub(super) struct Sought {
    pub(super) spec: &'static TaskSpec,
    pub(super) how: &'static Searched,
    /// Those whose files are there.
    pub(super) languages: Vec<&'static str>,
    data: PathBuf,
}

impl Sought {
    /// The languages of a benchmark's task that can be measured; and what is missing.
    pub(super) fn of(
        spec: &'static TaskSpec,
        how: &'static Searched,
        data: PathBuf,
    ) -> Result<(Sought, Option<String>)> {
        let (task, search) = searched(how)?;
        let mut languages = spec.languages.to_vec();
        for split in [Split::Dev, Split::Test].into_iter().filter(|split| *split == Split::Test || search.is_tuned()) {
            match task.retrieved(&data, split, spec.languages) {
                Ok(there) => languages.retain(|language| there.iter().any(|there| there == language)),
                Err(Error::Missing(message)) => {
                    return Ok((Sought { spec, how, languages: Vec::new(), data }, Some(message)));
                }
                Err(error) => return Err(error),
            }
        }
        let named: Vec<String> = languages.iter().map(|language| (*language).to_owned()).collect();
        if let Some(reason) = task.unmeasurable(&data, Split::Test, &named)? {
            return Ok((Sought { spec, how, languages: Vec::new(), data }, Some(reason)));
        }
        let absent: Vec<&str> = spec.languages.iter().copied().filter(|one| !languages.contains(one)).collect();
        let lacking = (!absent.is_empty()).then(|| format!("no files of {}", absent.join(", ")));
        Ok((Sought { spec, how, languages, data }, lacking))
    }

    /// Reads all that is looked for.
    pub(super) fn texts(&self) -> Result<Texts> {
        let (task, search) = searched(self.how)?;
        let languages: Vec<String> = self.languages.iter().map(|language| (*language).to_owned()).collect();
        Texts::read(task, search, &self.data, Split::Test, &languages)
    }

    /// What is found in each language, from the folder where it is there already; else it is written there.
    pub(super) fn answers(
        &self,
        (model, output): (&Path, &Path),
        chosen: &Chosen,
        progress: &Progress,
        stop: &Stop,
    ) -> Result<Answered> {
        let (name, texts) = (self.spec.name, self.texts()?);
        let settings = self.settings(model, progress)?;
        let record = self.record(model, settings, &texts)?;
        let path = output.join("searched.json");
        if input::is_there(&path) {
            hold(&path, &record)?;
            progress.note(format_args!("{name} is done already"));
            return self.read(output);
        }
        let (_, search) = searched(self.how)?;
        std::fs::create_dir_all(output)
            .map_err(|error| Error::Output(format!("cannot create {}: {error}", output.display())))?;
        let languages = error::catch(|| {
            let mut retriever = Retriever::open(model, model, settings, &chosen.device, note)?;
            let found = |(language, (texts, tuning)): (&&'static str, &(Retrieval, Option<Retrieval>))| {
                progress.note(format_args!("{name} {language}: {} queries", texts.queries.len()));
                let answers = retriever.find(search, texts, tuning.as_ref(), stop)?;
                write(output, language, &answers.predictions)?;
                Ok((*language, answers.predictions))
            };
            self.languages.iter().zip(&texts.languages).map(found).collect::<Result<Vec<_>>>()
        })?;
        // Last, so that what it stands beside is whole.
        Output::new(&path, Existing::Replaced, &[])?.write(format!("{record:#}\n").as_bytes())?;
        Ok(Answered { spec: self.spec, languages })
    }

    /// How vectors are made by this model.
    fn settings(&self, model: &Path, progress: &Progress) -> Result<Settings> {
        let config = Config::load(model)?;
        let max_length = self.how.max_length.min(config.longest_input());
        if max_length < self.how.max_length {
            progress.note(format_args!(
                "{}: texts are cut at {max_length} tokens: the model takes no more",
                self.spec.name
            ));
        }
        Ok(Settings {
            layer: Some(self.how.layer_of(config.num_hidden_layers)),
            max_length: Some(max_length),
            max_query_length: self.how.max_query_length,
            tokens: TOKENS_AT_ONCE,
        })
    }

    fn read(&self, output: &Path) -> Result<Answered> {
        let read = |language: &&'static str| Ok((*language, predictions::read(&file(output, language))?));
        Ok(Answered { spec: self.spec, languages: self.languages.iter().map(read).collect::<Result<_>>()? })
    }

    /// All that the answers are made of.
    fn record(&self, model: &Path, settings: Settings, texts: &Texts) -> Result<Json> {
        let of_data = texts.files().map(|file| (file.path.display().to_string(), file.sha256.clone()));
        let mut files: BTreeMap<String, String> = of_data.collect();
        for entry in std::fs::read_dir(model).map_err(|error| Error::read(model, &error))? {
            let path = entry.map_err(|error| Error::read(model, &error))?.path();
            if path.is_file() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.insert(name, sha256_file(&path)?);
            }
        }
        let Settings { layer, max_length, max_query_length, .. } = settings;
        let mut record = json!({"task": self.spec.name, "layer": layer, "max_length": max_length, "files": files});
        if let Some(length) = max_query_length {
            record["max_query_length"] = json!(length);
        }
        Ok(record)
    }
}

fn searched(how: &Searched) -> Result<(&'static Task, &'static dyn Search)> {
    let task = tasks::find(&how.task)?;
    let search = kinds::of(task).search();
    Ok((task, search.expect("a test holds that what is searched is retrieval")))
}

/// Refuses to go on with other texts, another model or other settings than are written down.
fn hold(path: &Path, record: &Json) -> Result<()> {
    let before: Json = serde_json::from_str(&input::read_text(path)?)
        .map_err(|error| Error::Data(format!("{}: {error}; remove the folder that it lies in", path.display())))?;
    match before == *record {
        true => Ok(()),
        false => Err(Error::Output(format!(
            "{} was made of other files or settings; take another --output, or remove the folder that it lies in",
            path.display()
        ))),
    }
}

fn file(output: &Path, language: &str) -> PathBuf {
    output.join(format!("test-{language}.jsonl"))
}

fn write(output: &Path, language: &str, answers: &[Prediction]) -> Result<()> {
    let mut text = Vec::new();
    predictions::write(&mut text, answers)?;
    Output::new(&file(output, language), Existing::Replaced, &[])?.write(&text)
}
