//! The data of a recipe: read from the data folder, or generated where that is `demo`.

use super::recipe::{self, Recipe, Stage};
use crate::{
    error::{Error, Result},
    tasks::{Loaded, Split, Task, demo},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// How much the demo generates where the recipe does not say.
const DEMO_TRAIN: usize = 6000;
const DEMO_DEV: usize = 600;
const DEMO_TEST: usize = 600;
const DEMO_TEXTS: usize = 4000;

/// Of this the generated data are made: a recipe's seed varies training, and all its runs meet the same test items.
pub const DEMO_SEED: u64 = 7;

/// The data that a recipe names.
pub struct Data<'a> {
    recipe: &'a Recipe,
}

impl<'a> Data<'a> {
    /// Nothing is read yet.
    pub fn new(recipe: &'a Recipe) -> Data<'a> {
        Data { recipe }
    }

    fn folder(&self) -> &Path {
        Path::new(&self.recipe.data.folder)
    }

    fn is_demo(&self) -> bool {
        self.recipe.data.folder == recipe::DEMO
    }

    /// The languages to measure, the source first.
    pub fn languages(&self, task: &Task) -> Result<Vec<String>> {
        let mut languages = match (&self.recipe.languages[..], self.is_demo()) {
            ([], true) => demo::LANGUAGES.iter().map(|code| (*code).to_string()).collect(),
            ([], false) => task.languages_in(self.folder(), Split::Test)?,
            (named, _) => named.to_vec(),
        };
        languages.sort_by_key(|language| language != task.source);
        Ok(languages)
    }

    /// The training examples of a stage.
    pub fn train(&self, task: &Task, stage: &Stage) -> Result<Loaded> {
        let mut loaded = if self.is_demo() {
            demo::load(Split::Train, task.source, stage.max_train_samples.unwrap_or(DEMO_TRAIN), DEMO_SEED)?
        } else if stage.train_files.is_empty() {
            task.load(self.folder(), Split::Train, task.source)?
        } else {
            let files: Vec<PathBuf> = stage.train_files.iter().map(PathBuf::from).collect();
            task.load_files(&files, task.source)?
        };
        loaded.examples.truncate(stage.max_train_samples.unwrap_or(usize::MAX));
        match loaded.examples.is_empty() {
            false => Ok(loaded),
            true => Err(Error::Data(format!("{}: there is no training example", task.name))),
        }
    }

    /// The examples of the source language by which models are selected.
    pub fn dev(&self, task: &Task) -> Result<Loaded> {
        match self.is_demo() {
            true => demo::load(Split::Dev, task.source, DEMO_DEV, DEMO_SEED),
            false => self.limited(task.load(self.folder(), Split::Dev, task.source)?),
        }
    }

    /// The test examples in a language.
    pub fn test(&self, task: &Task, language: &str) -> Result<Loaded> {
        match self.is_demo() {
            true => self.limited(demo::load(Split::Test, language, DEMO_TEST, DEMO_SEED)?),
            false => self.limited(task.load(self.folder(), Split::Test, language)?),
        }
    }

    fn limited(&self, mut loaded: Loaded) -> Result<Loaded> {
        loaded.examples.truncate(self.recipe.data.max_eval_samples.unwrap_or(usize::MAX));
        Ok(loaded)
    }

    /// The sentences of a stage of masked language modelling, by language.
    pub fn texts(&self, stage: &Stage) -> Result<BTreeMap<String, Vec<String>>> {
        let limit = stage.max_train_samples.unwrap_or(if self.is_demo() { DEMO_TEXTS } else { usize::MAX });
        let wanted = |code: &str| stage.languages.is_empty() || stage.languages.iter().any(|wanted| wanted == code);
        let mut texts = BTreeMap::new();
        if self.is_demo() && stage.text.is_empty() {
            for code in demo::LANGUAGES.iter().filter(|code| wanted(code)) {
                texts.insert((*code).to_string(), demo::text(code, DEMO_SEED, limit));
            }
        }
        for path in text_files(stage)? {
            let code = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if wanted(&code) {
                let lines = read_lines(&path, limit)?;
                texts.entry(code).or_insert_with(Vec::new).extend(lines);
            }
        }
        let missing: Vec<&str> =
            stage.languages.iter().map(String::as_str).filter(|code| !texts.contains_key(*code)).collect();
        match (&missing[..], texts.values().all(Vec::is_empty)) {
            ([], false) => Ok(texts),
            ([], true) => Err(Error::Data(
                "mlm: there is no text; name files or folders such as text = [\"corpus/de.txt\"]".into(),
            )),
            (missing, _) => Err(Error::Missing(format!("mlm: no text is called {}.txt", missing.join(".txt or ")))),
        }
    }
}

/// The files of `text`, folders opened, in the order of their names.
fn text_files(stage: &Stage) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in stage.text.iter().map(PathBuf::from) {
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let entries = std::fs::read_dir(&path).map_err(|error| Error::read(&path, &error))?;
        let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inside.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// The first lines of a file that hold something.
fn read_lines(path: &Path, limit: usize) -> Result<Vec<String>> {
    use std::io::BufRead;
    let file = std::fs::File::open(path).map_err(|error| Error::read(path, &error))?;
    let (mut lines, mut offset) = (Vec::new(), 0);
    let mut reader = std::io::BufReader::new(file);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let n = reader.read_until(b'\n', &mut bytes).map_err(|error| Error::read(path, &error))?;
        if n == 0 || lines.len() == limit {
            break;
        }
        let line = std::str::from_utf8(&bytes).map_err(|error| {
            let at = offset + error.valid_up_to();
            Error::Data(format!("{}:{number}: byte {at} is not UTF-8; convert the file", path.display()))
        })?;
        offset += n;
        if !line.trim().is_empty() {
            lines.push(line.trim().to_string());
        }
    }
    Ok(lines)
}
