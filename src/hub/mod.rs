//! Models by name: `xlm-roberta-base`, `org/model`, `org/model@revision`.
//!
//! A name is looked up in the cache that Python's libraries have too (`models--org--model/{blobs,snapshots,refs}`), and
//! what is not there is downloaded into it. What the cache holds is used as it is, and nobody is asked whether there is a
//! newer one: a run names the commit that it was made of, and the hub is called once in a model's life. With
//! `--offline` or `HF_HUB_OFFLINE=1` no socket is opened at all.
//!
//! Data sets are `hub:org/name`, and fetched in the same way.
//!
//! Nothing that a server says is believed: a file gets its name only when it has the size and the hash that it should,
//! and the access token goes to the hub's own address, not to where that leads.

mod cache;
mod data_set;
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod http;
mod name;
mod settings;
#[cfg(feature = "hub")]
mod transfer;

use std::path::{Path, PathBuf};

pub use data_set::{DataSet, Listing, data_folder};
pub use name::{Name, Repository};
pub use settings::{Secret, Settings};

use crate::{
    checkpoint::WEIGHTS,
    error::{Error, Result},
    text,
};
use cache::{Folder, State};

/// What is wanted of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Configuration, tokenizer and weights.
    Model,
    /// The tokenizer alone.
    Tokenizer,
}

/// A model at a commit, in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// A folder as [`crate::models::Pretrained`] opens it.
    pub folder: PathBuf,
    /// The name, with the commit as its revision: it never means anything else.
    pub pinned: Name,
}

/// What happens while files are fetched, for whoever shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A file of so many bytes is next, of which some may be there from last time.
    File(&'a str, u64),
    /// So many bytes of it are there.
    At(u64),
    /// Something that a user should know.
    Note(&'a str),
}

/// Files of which a folder needs one: the first that the hub has is fetched.
struct Group {
    files: &'static [&'static str],
    needed: bool,
    /// Where it is not empty, they are read beside one of these alone.
    beside: &'static [&'static str],
}

impl Group {
    const fn of(files: &'static [&'static str], needed: bool) -> Group {
        Group { files, needed, beside: &[] }
    }

    /// Whether a snapshot wants them.
    fn is_read(&self, found: &Folder, commit: Option<&str>) -> bool {
        let is_there = |file: &&str| commit.is_some_and(|commit| found.state(commit, file) == State::There);
        self.beside.is_empty() || self.beside.iter().any(is_there)
    }
}

/// What is read of a repository, in the order in which it is fetched: weights are last, so that the rest is there with
/// them. The tokenizer of a model may lie elsewhere, so it is needed only where it is what is wanted.
fn groups(what: What) -> Vec<Group> {
    let is_model = what == What::Model;
    let mut groups = vec![
        Group::of(&["config.json"], is_model),
        Group::of(&["tokenizer_config.json"], false),
        Group::of(&text::FILES, !is_model),
        Group { beside: &["tokenizer.json", "vocab.txt"], ..Group::of(&[text::ADDED], false) },
        Group { beside: &["vocab.txt"], ..Group::of(&[text::SPECIALS], false) },
    ];
    if is_model {
        groups.insert(2, Group::of(&["rxlt.json"], false));
        groups.push(Group::of(&WEIGHTS, true));
    }
    groups
}

/// The folder that a text means: of a model's name that in the cache, without asking anybody, else the one of this path.
pub fn folder(text: &str, what: What) -> Result<PathBuf> {
    let Some(name) = Name::find(text) else { return Ok(PathBuf::from(text)) };
    let settings = Settings::from_environment()?;
    settings.cached(&name, what).map(|snapshot| snapshot.folder)
}

impl Settings {
    /// The model as the cache has it; an error says what is lacking.
    pub fn cached(&self, name: &Name, what: What) -> Result<Snapshot> {
        let cache = self.cache()?;
        let found = Folder::new(cache, name);
        let lacking = |what: &str| {
            let (cache, remedy) = (cache.display(), self.remedy());
            Error::Missing(format!("there is no \"{name}\" here, and the cache {cache} has {what}; {remedy}"))
        };
        let commit = found.commit(&name.revision).ok_or_else(|| match found.is_there() {
            true => lacking(&format!("not the revision \"{}\" of it", name.revision)),
            false => lacking("no model of this name"),
        })?;
        let missing = missing(&found, &commit, what)?;
        match missing.is_empty() {
            true => Ok(snapshot(&found, name, commit)),
            false => Err(lacking(&format!("not all of it ({} missing)", missing.join(", ")))),
        }
    }

    /// The model, from the cache, and what is not there from the hub.
    pub fn fetch(&self, name: &Name, what: What, watch: &dyn Fn(Event)) -> Result<Snapshot> {
        let found = Folder::new(self.cache()?, name);
        let known = found.commit(&name.revision);
        let unknown = known.as_deref().map_or(Ok(Vec::new()), |commit| unknown(&found, commit, what))?;
        let as_it_is = |why: &str| {
            let snapshot = self.cached(name, what)?;
            if !unknown.is_empty() {
                let files = unknown.join(", ");
                watch(Event::Note(&format!(
                    "{name} is used as the cache has it: whether it has {files} is not known{why}"
                )));
            }
            Ok(snapshot)
        };
        if self.offline || (known.is_some() && unknown.is_empty()) {
            return as_it_is("");
        }
        // Whether an optional file exists is not worth a failure where the hub cannot be asked, or the cache not written.
        self.download(name, &found, known, what, watch).or_else(|error| match error {
            Error::Io(_) | Error::Full(_) | Error::Output(_) => as_it_is(&format!(" ({error})")).map_err(|_| error),
            error => Err(error),
        })
    }

    /// What to do where the cache lacks something.
    fn remedy(&self) -> &'static str {
        match self.offline {
            true => "go on without --offline and HF_HUB_OFFLINE, or name a folder that is there",
            false => "name a folder that is there, or fetch the model by rxlt model show NAME",
        }
    }

    #[cfg(not(feature = "hub"))]
    fn download(&self, name: &Name, _: &Folder, _: Option<String>, what: What, _: &dyn Fn(Event)) -> Result<Snapshot> {
        self.cached(name, what).map_err(|error| {
            let what = "this rxlt was built without downloads (its feature \"hub\")";
            Error::Missing(format!("there is no \"{name}\" here: {what}, and: {}", error.message()))
        })
    }
}

fn snapshot(found: &Folder, name: &Name, commit: String) -> Snapshot {
    Snapshot { folder: found.snapshot(&commit), pinned: Name { revision: commit, ..name.clone() } }
}

/// What a snapshot lacks to be used at all.
fn missing(found: &Folder, commit: &str, what: What) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for group in groups(what) {
        match there(found, commit, &group) {
            Some(file) => missing.extend(
                shards(found, commit, file)?.into_iter().filter(|shard| found.state(commit, shard) != State::There),
            ),
            None if group.needed => missing.push(group.files.join(" or ")),
            None => {}
        }
    }
    Ok(missing)
}

/// The files of which the cache does not say whether the hub has them.
fn unknown(found: &Folder, commit: &str, what: What) -> Result<Vec<String>> {
    let mut unknown = missing(found, commit, what)?;
    let is_open =
        |group: &&Group| !group.needed && group.is_read(found, Some(commit)) && there(found, commit, group).is_none();
    for group in groups(what).iter().filter(is_open) {
        let asked = group.files.iter().filter(|file| found.state(commit, file) == State::Unknown);
        unknown.extend(asked.map(|file| (*file).to_owned()));
    }
    Ok(unknown)
}

/// The file of a group that is read.
fn there(found: &Folder, commit: &str, group: &Group) -> Option<&'static str> {
    order(found, Some(commit), group).into_iter().find(|file| found.state(commit, file) == State::There)
}

/// The files of a group, the one to read first. Which tokenizer that is depends on its settings, which are fetched before.
fn order(found: &Folder, commit: Option<&str>, group: &Group) -> Vec<&'static str> {
    match commit.filter(|_| group.files.contains(&text::VOCABULARY)) {
        Some(commit) => text::order(&found.snapshot(commit)).to_vec(),
        None => group.files.to_vec(),
    }
}

/// What belongs to a file: the shards that it names, if it is an index of such, or the merges of XLM's vocabulary.
fn shards(found: &Folder, commit: &str, file: &str) -> Result<Vec<String>> {
    match file {
        text::VOCABULARY => Ok(vec![text::MERGES.to_owned()]),
        _ if file.ends_with(".index.json") => crate::checkpoint::shards(&found.snapshot(commit).join(file)),
        _ => Ok(Vec::new()),
    }
}

/// Whether a folder is a snapshot in a cache, and of which commit.
pub fn commit_of(folder: &Path) -> Option<String> {
    let commit = folder.file_name()?.to_str().filter(|name| name::is_commit(name))?;
    (folder.parent()?.file_name()? == "snapshots").then(|| commit.to_owned())
}
