//! What a run was made of: the hash of every file that it reads, kept in its folder as `inputs.json` from the first start
//! and compared at every other, so that a run never goes on with other data, weights or words than it began with.
//!
//! All files are hashed at every start, weights too: SHA-256 takes a second or two for a gigabyte, and what says less
//! than the bytes do (size, time) is what an edit in place can keep. Within a start, between two methods, size, times
//! and inode decide whether a file is hashed again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    checkpoint::{sha256_file, write_file},
    error::{Error, Result},
    recipe::{DEMO, Method, Recipe},
    tasks::{Loaded, Split},
    text,
};

/// The record's name in the run's folder.
pub const INPUTS: &str = "inputs.json";

/// One file as a run read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What it is to the run, such as `train en` or `model`.
    pub role: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Rows in it, where it has rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
}

/// Every file that a run reads, by its path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inputs(BTreeMap<String, Input>);

/// What the system says of a file; where all of it is the same, the bytes are.
pub type Stamp = (u64, Option<std::time::SystemTime>, [i64; 3]);

impl Inputs {
    /// Takes the hashes of data that were read, and hashes all the rest that the recipe names.
    pub fn of(recipe: &Recipe, loaded: &[(Split, &Loaded)], measured: &[PathBuf]) -> Result<Inputs> {
        let mut inputs = BTreeMap::new();
        for (split, loaded) in loaded {
            for file in loaded.files.iter().filter(|file| file.path.is_file()) {
                let bytes = fs::metadata(&file.path).map_err(|error| Error::read(&file.path, &error))?.len();
                let role = format!("{split} {}", loaded.language);
                let input = Input { role, bytes, sha256: file.sha256.clone(), rows: Some(file.rows) };
                inputs.insert(file.path.display().to_string(), input);
            }
        }
        let mut others = named(recipe)?;
        others.extend(measured.iter().map(|path| ("left out of texts".to_owned(), path.clone())));
        others.retain(|(_, path)| !inputs.contains_key(&path.display().to_string()));
        let hashed: Vec<(String, Input)> =
            others.par_iter().map(|(role, path)| hash(role, path)).collect::<Result<_>>()?;
        inputs.extend(hashed);
        Ok(Inputs(inputs))
    }

    /// The record of a run; none where an earlier version made it.
    pub fn read(path: &Path) -> Result<Option<Inputs>> {
        read(path)
    }

    /// What two runs learned from that is not the same, if there is any: data to train on, the encoder, texts, tables;
    /// not what is measured on. A role that only one has is of a method that only one has.
    pub fn learned_apart(&self, other: &Inputs) -> Option<String> {
        self.apart(other, |role| [Split::Dev, Split::Test].iter().any(|s| role.starts_with(&format!("{s} "))))
    }

    /// What two runs that begin with different encoders read besides that is not the same, if there is any.
    pub fn data_apart(&self, other: &Inputs) -> Option<String> {
        self.apart(other, |role| ["model", "tokenizer"].contains(&role))
    }

    /// The role of files that are not the same in both, those left aside that do not count.
    fn apart(&self, other: &Inputs, is_aside: impl Fn(&str) -> bool) -> Option<String> {
        let by_role = |inputs: &Inputs| {
            let mut roles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for input in inputs.0.values().filter(|input| !is_aside(&input.role)) {
                roles.entry(input.role.clone()).or_default().insert(input.sha256.clone());
            }
            roles
        };
        let others = by_role(other);
        let differs = |(role, own): (String, BTreeSet<String>)| {
            others.get(&role).is_some_and(|hashes| *hashes != own).then_some(role)
        };
        by_role(self).into_iter().find_map(differs)
    }

    /// One hash of all names and hashes.
    pub fn digest(&self) -> String {
        crate::tasks::sha256(serde_json::to_string(self).expect("a record is plain data").as_bytes())
    }

    /// Compares with what the folder says the run began with; a folder that says nothing yet is told.
    pub fn hold(&self, folder: &Path) -> Result<()> {
        let path = folder.join(INPUTS);
        let before = match read(&path)? {
            Some(before) => Some(before),
            None => self.as_locked(&folder.join("data.lock.json"))?,
        };
        let Some(before) = before else {
            let text = serde_json::to_string_pretty(self).expect("a record is plain data");
            return write_file(&path, format!("{text}\n").as_bytes());
        };
        let changes = before.changes(self);
        if changes.is_empty() {
            return Ok(());
        }
        Err(Error::Output(format!(
            "{} was made of other files:\n{}put the old files back and run the same command, or begin a new run with \
             another --output",
            folder.display(),
            changes.iter().map(|change| format!("  {change}\n")).collect::<String>()
        )))
    }

    /// What `data.lock.json` says of these files, where it says something else of one: the record may have been lost.
    fn as_locked(&self, lock: &Path) -> Result<Option<Inputs>> {
        if !lock.is_file() {
            return Ok(None);
        }
        let text = fs::read(lock).map_err(|error| Error::read(lock, &error))?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| Error::Data(format!("{}: {error}; take it from a copy of the folder", lock.display())))?;
        let files = value.as_array().into_iter().flatten().filter_map(|part| part["files"].as_array()).flatten();
        let mut before = self.clone();
        for (path, sha256) in files.filter_map(|file| file["path"].as_str().zip(file["sha256"].as_str())) {
            if let Some(input) = before.0.get_mut(path) {
                input.sha256 = sha256.to_owned();
            }
        }
        Ok((before != *self).then_some(before))
    }

    /// One line for each file that differs.
    fn changes(&self, now: &Inputs) -> Vec<String> {
        let paths: BTreeSet<&String> = self.0.keys().chain(now.0.keys()).collect();
        let change = |path: &String| match (self.0.get(path), now.0.get(path)) {
            (Some(before), Some(now)) if before.sha256 == now.sha256 => None,
            (Some(before), Some(now)) => {
                Some(format!("{path} ({}): {} there, {} now", now.role, before.say(), now.say()))
            }
            (Some(before), None) => Some(format!("{path} ({}): {} there, not read now", before.role, before.say())),
            (None, Some(now)) => Some(format!("{path} ({}): not read there, {} now", now.role, now.say())),
            (None, None) => None,
        };
        paths.into_iter().filter_map(change).collect()
    }

    /// The first file that is there and no longer what it was; `known` keeps the hashes of files that were looked at.
    pub fn changed(&self, known: &mut BTreeMap<String, String>) -> Result<Option<String>> {
        for (path, was) in self.0.iter().filter(|(path, _)| Path::new(path).is_file()) {
            let is = match known.get(path) {
                Some(hash) => hash,
                None => known.entry(path.clone()).or_insert(sha256_file(Path::new(path))?),
            };
            if *is != was.sha256 {
                let is = is.get(..12).unwrap_or(is);
                return Ok(Some(format!("{path} ({}): {} then, SHA-256 {is}… now", was.role, was.say())));
            }
        }
        Ok(None)
    }

    /// How files look from outside, to find out later in this process whether one was replaced.
    pub fn stamps(&self) -> BTreeMap<String, Stamp> {
        self.0.keys().filter_map(|path| Some((path.clone(), stamp(Path::new(path))?))).collect()
    }

    /// Whether every file that looks otherwise than it did still holds the same bytes.
    pub fn hold_since(&self, before: &BTreeMap<String, Stamp>) -> Result<()> {
        let looks_other = |path: &&String| stamp(Path::new(path)) != before.get(*path).copied();
        for path in self.0.keys().filter(looks_other) {
            let (was, (_, is)) = (&self.0[path], hash(&self.0[path].role, Path::new(path))?);
            if was.sha256 != is.sha256 {
                let (role, was, is) = (&is.role, was.say(), is.say());
                return Err(Error::Output(format!(
                    "{path} ({role}) was replaced while the run was at work: {was} when it started, {is} now; put the \
                     old file back and run the same command, or begin a new run with another --output"
                )));
            }
        }
        Ok(())
    }
}

impl Input {
    fn say(&self) -> String {
        let rows = self.rows.map_or(String::new(), |rows| format!(", {rows} rows"));
        format!("SHA-256 {}…{rows}, {} bytes", self.sha256.get(..12).unwrap_or(&self.sha256), self.bytes)
    }
}

/// The record of an earlier start.
fn read(path: &Path) -> Result<Option<Inputs>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read(path).map_err(|error| Error::read(path, &error))?;
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        let remedy = "take the file from a copy of the folder, or name another --output";
        Error::Data(format!("{}: expected the record of a run's files: {error}; {remedy}", path.display()))
    })
}

fn hash(role: &str, path: &Path) -> Result<(String, Input)> {
    let bytes = fs::metadata(path).map_err(|error| Error::read(path, &error))?.len();
    let input = Input { role: role.to_owned(), bytes, sha256: sha256_file(path)?, rows: None };
    Ok((path.display().to_string(), input))
}

/// The files that a recipe names beside labelled data.
fn named(recipe: &Recipe) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for (role, folder) in [("model", recipe.model_folder()?), ("tokenizer", recipe.own_tokenizer()?)] {
        if let Some(folder) = folder {
            files.extend(model_files(&folder)?.into_iter().map(|path| (role.to_owned(), path)));
        }
    }
    if let Some(begin) = recipe.begin() {
        files.extend(model_files(&begin.folder()?)?.into_iter().map(|path| ("model".to_owned(), path)));
    }
    for mlm in recipe.stages.iter().filter_map(|stage| stage.mlm.as_ref()) {
        for (role, paths, ending) in mlm.paths() {
            let paths = crate::data::files(paths, ending)?;
            files.extend(paths.into_iter().map(|path| (role.to_owned(), path)));
        }
        if let Some(teacher) = &mlm.teacher {
            let read = model_files(&teacher.folder()?)?;
            files.extend(read.into_iter().map(|path| ("teacher".to_owned(), path)));
        }
    }
    let tables = recipe.methods.iter().flat_map(Method::tables).filter(|(.., path)| path != DEMO);
    files.extend(tables.map(|(_, role, path)| (role.to_owned(), PathBuf::from(path))));
    files.sort_by(|a, b| a.1.cmp(&b.1));
    files.dedup_by(|a, b| a.1 == b.1);
    Ok(files)
}

/// What is read of a model's folder: configuration, weights, and every file that a tokenizer can be made of.
fn model_files(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let is_read = |name: &str| {
        let endings = [".safetensors", ".bin", ".json", ".model"];
        let is_text = name == "vocab.txt" || name == text::MERGES || name.starts_with(text::PREFIXES);
        is_text || endings.iter().any(|ending| name.ends_with(ending))
    };
    let entries = fs::read_dir(folder).map_err(|error| Error::read(folder, &error))?;
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    Ok(paths.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_read)).collect())
}

/// Size, when it was changed, and which inode it is. The time of the inode's change cannot be set back by hand.
fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = {
        use std::os::unix::fs::MetadataExt;
        [found.ino() as i64, found.ctime(), found.ctime_nsec()]
    };
    #[cfg(not(unix))]
    let inode = [0; 3];
    Some((found.len(), found.modified().ok(), inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (run, model) = (folder.path().join("run"), folder.path().join("model"));
        fs::create_dir(&run).unwrap();
        fs::create_dir(&model).unwrap();
        let at = |name: &str| model.join(name);
        let write = |name: &str, text: &str| fs::write(at(name), text).unwrap();
        write("config.json", "{}");
        write("model.safetensors", "0123");
        write("README.md", "anything");
        let mut recipe = Recipe::default();
        recipe.model.path = Some(model.display().to_string());
        let inputs = || Inputs::of(&recipe, &[], &[]).unwrap();
        inputs().hold(&run).unwrap();
        let record = fs::read(run.join(INPUTS)).unwrap();
        write("README.md", "something else");
        inputs().hold(&run).unwrap();

        let (first, stamps) = (inputs(), inputs().stamps());
        assert_eq!(first.learned_apart(&first), None);
        first.hold_since(&stamps).unwrap();
        write("model.safetensors", "0124");
        let error = first.hold_since(&stamps).unwrap_err();
        assert!(error.exit_code() == 73 && error.message().contains("while the run was at work"), "{error}");
        assert_eq!(first.learned_apart(&inputs()).as_deref(), Some("model"));
        for (name, text, says) in [
            ("model.safetensors", Some("0124"), "model.safetensors (model): SHA-256 1be2e452b46d… there, "),
            ("vocab.txt", Some("a"), "vocab.txt (model): not read there, SHA-256 ca978112ca1b…, 1 bytes now"),
            ("config.json", None, "config.json (model): SHA-256 44136fa355b3…, 2 bytes there, not read now"),
        ] {
            match text {
                Some(text) => write(name, text),
                None => fs::remove_file(at(name)).unwrap(),
            }
            let error = inputs().hold(&run).unwrap_err();
            let says = says.replace("… there, ", "…, 4 bytes there, ");
            assert!(error.exit_code() == 73 && error.message().contains(&says), "{error}");
            assert!(error.message().contains("--output"), "{error}");
        }
        assert_eq!(fs::read(run.join(INPUTS)).unwrap(), record);
    }
}
