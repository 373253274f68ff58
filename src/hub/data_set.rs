//! Data sets by name: `hub:org/name[@revision][/config]`, the Parquet files that the hub makes of them.
//!
//! Nothing of a data set is run: its files are listed once for a commit, and those that a task needs are fetched as a
//! model's are. The list is kept beside them, so that without a network it is known what lacks.

use std::{fmt, path::PathBuf, str::FromStr};

use super::{
    Event, Name, Settings,
    cache::{Folder, State},
    name::{Repository, is_word},
};
use crate::error::{Error, Result};

/// What a data set's name begins with, so that it is no folder.
const PREFIX: &str = "hub:";

/// The name of a data set, and perhaps of a folder in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// Its repository and revision.
    pub name: Name,
    /// The part of it that is the data folder; else all of it is.
    pub config: Option<String>,
}

/// What a data set has at a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The data set, with the commit as its revision.
    pub pinned: DataSet,
    /// Its files below the data folder.
    pub files: Vec<String>,
}

impl DataSet {
    /// The data set that a text names; nothing where it means a folder.
    pub fn find(text: &str) -> Result<Option<DataSet>> {
        let Some(name) = text.strip_prefix(PREFIX) else { return Ok(None) };
        name.parse().map(Some).map_err(|()| {
            Error::Usage(format!(
                "\"{text}\": expected hub:org/name, perhaps with @revision, /config or both behind it"
            ))
        })
    }

    /// A file of the data folder as the repository has it.
    fn inside(&self, file: &str) -> String {
        self.config.as_ref().map_or_else(|| file.to_owned(), |config| format!("{config}/{file}"))
    }

    fn snapshot(&self, found: &Folder, commit: &str) -> PathBuf {
        let folder = found.snapshot(commit);
        self.config.as_ref().map_or(folder.clone(), |config| folder.join(config))
    }
}

impl FromStr for DataSet {
    type Err = ();

    fn from_str(text: &str) -> Result<DataSet, ()> {
        let (before, revision) = text.split_once('@').map_or((text, None), |(before, after)| (before, Some(after)));
        let parts: Vec<&str> =
            before.split('/').chain(revision.into_iter().flat_map(|after| after.split('/'))).collect();
        let (repo, revision, config) = match (&parts[..], revision.is_some()) {
            ([org, name, config @ ..], false) => (format!("{org}/{name}"), None, config),
            ([org, name, revision, config @ ..], true) if before.split('/').count() == 2 => {
                (format!("{org}/{name}"), Some(*revision), config)
            }
            _ => return Err(()),
        };
        let name = Name::of(Repository::DataSet, &repo, revision)?;
        match config {
            [] => Ok(DataSet { name, config: None }),
            [config] if is_word(config) => Ok(DataSet { name, config: Some((*config).to_owned()) }),
            _ => Err(()),
        }
    }
}

impl fmt::Display for DataSet {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.name)?;
        self.config.as_ref().map_or(Ok(()), |config| write!(f, "/{config}"))
    }
}

/// The data folder that a text names: a folder, or a data set that was pinned to a commit, in the cache.
pub fn data_folder(text: &str) -> Result<PathBuf> {
    let Some(set) = DataSet::find(text)? else { return Ok(PathBuf::from(text)) };
    let settings = Settings::from_environment()?;
    let found = Folder::new(settings.cache()?, &set.name);
    let commit = found.commit(&set.name.revision).ok_or_else(|| settings.lacks(&set, "no data set of this name"))?;
    Ok(set.snapshot(&found, &commit))
}

impl Settings {
    /// What a data set has, as the cache knows it, or else as the hub says.
    pub fn listing(&self, set: &DataSet, watch: &dyn Fn(Event)) -> Result<Listing> {
        let found = Folder::new(self.cache()?, &set.name);
        let known =
            found.commit(&set.name.revision).and_then(|commit| found.files(&commit).map(|files| (commit, files)));
        let (commit, files) = match known {
            Some(known) => known,
            None if self.offline => return Err(self.lacks(set, "no list of its files")),
            None => self.list(set, &found, watch)?,
        };
        let pinned = DataSet { name: Name { revision: commit, ..set.name.clone() }, config: set.config.clone() };
        let below = |file: String| match &set.config {
            Some(config) => Some(file.strip_prefix(config)?.strip_prefix('/')?.to_owned()),
            None => Some(file),
        };
        Ok(Listing { pinned, files: files.into_iter().filter_map(below).collect() })
    }

    /// The data folder with these files, from the cache, and what is not there from the hub.
    pub fn fetch_files(&self, set: &DataSet, files: &[String], watch: &dyn Fn(Event)) -> Result<PathBuf> {
        let (found, commit) = (Folder::new(self.cache()?, &set.name), &set.name.revision);
        let inside = files.iter().map(|file| set.inside(file));
        let lacking: Vec<String> = inside.filter(|file| found.state(commit, file) != State::There).collect();
        match (self.offline, lacking.first()) {
            (_, None) => {}
            (true, Some(first)) => {
                return Err(self.lacks(set, &format!("not all of it ({} files missing, {first} first)", lacking.len())));
            }
            (false, Some(_)) => self.download_files(&set.name, &found, &lacking, watch)?,
        }
        Ok(set.snapshot(&found, commit))
    }

    fn lacks(&self, set: &DataSet, what: &str) -> Error {
        let remedy = match self.offline {
            true => "go on without --offline and HF_HUB_OFFLINE, or name a folder that is there",
            false => "name a folder that is there, or look at HF_HUB_CACHE",
        };
        match self.cache() {
            Ok(cache) => Error::Missing(format!("{set}: the cache {} has {what}; {remedy}", cache.display())),
            Err(error) => error,
        }
    }

    #[cfg(not(feature = "hub"))]
    fn list(&self, set: &DataSet, _: &Folder, _: &dyn Fn(Event)) -> Result<(String, Vec<String>)> {
        Err(self.lacks(set, "no list of its files, and this rxlt was built without downloads (its feature \"hub\")"))
    }

    #[cfg(not(feature = "hub"))]
    fn download_files(&self, name: &Name, _: &Folder, files: &[String], _: &dyn Fn(Event)) -> Result<()> {
        let (what, file) = ("this rxlt was built without downloads (its feature \"hub\")", &files[0]);
        Err(Error::Missing(format!("{name}: the cache does not have {file}: {what}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let sha = "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089";
        for text in ["hub:a/b", "hub:a/b/de", "hub:a/b@v1", "hub:a/b@v1/de", &format!("hub:a/b@{sha}/xquad.de")] {
            assert_eq!(DataSet::find(text).unwrap().unwrap().to_string(), text);
        }
        let set = DataSet::find("hub:a/b").unwrap().unwrap();
        assert_eq!((set.name.revision.as_str(), set.config), ("refs/convert/parquet", None));
        assert_eq!(DataSet::find("data").unwrap(), None);
        for text in ["hub:", "hub:a", "hub:a/b/", "hub:a/b/c/d", "hub:a/b/..", "hub:a@v1/b/c", "hub:a/b@", "hub:../b"] {
            assert_eq!(DataSet::find(text).unwrap_err().exit_code(), 2, "{text}");
        }
    }
}
