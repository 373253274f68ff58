//! What the cache lacks of a model or a data set, fetched file by file.

use std::thread;

use super::{
    DataSet, Event, Group, Name, Settings, Snapshot, What,
    cache::{Folder, State},
    groups,
    http::{Answer, Client, Failure, Meta, pause},
    order, shards, snapshot, there,
    transfer::Transfer,
};
use crate::error::{Error, Result};

/// Tries to get an answer.
const MOST_TRIES: u32 = 3;

/// A download under way.
struct Download<'a> {
    client: Client<'a>,
    name: &'a Name,
    found: &'a Folder,
    /// Once it is known, all is asked for at this commit.
    commit: Option<String>,
    watch: &'a dyn Fn(Event<'_>),
}

impl Settings {
    /// Fetches what is not there, at the commit that is `known` here, or the one that the revision means now.
    pub(super) fn download(
        &self,
        name: &Name,
        found: &Folder,
        known: Option<String>,
        what: What,
        watch: &dyn Fn(Event<'_>),
    ) -> Result<Snapshot> {
        let pinned = name.is_pinned().then(|| name.revision.clone());
        let client = Client::new(self, name)?;
        let mut download = Download { client, name, found, commit: known.or(pinned), watch };
        groups(what).iter().try_for_each(|group| download.group(group))?;
        let commit = download.commit.ok_or_else(|| Error::Missing(format!("{name}: the hub names no commit")))?;
        Ok(snapshot(found, name, commit))
    }

    /// Asks which files a data set has, and at which commit, and keeps the answer.
    pub(super) fn list(
        &self,
        set: &DataSet,
        found: &Folder,
        watch: &dyn Fn(Event<'_>),
    ) -> Result<(String, Vec<String>)> {
        let download = Download { client: Client::new(self, &set.name)?, name: &set.name, found, commit: None, watch };
        let (commit, files) = download.patiently(|| download.client.list(&set.name.revision))?;
        found.set_commit(&set.name.revision, &commit)?;
        found.set_files(&commit, &files)?;
        Ok((commit, files))
    }

    /// Fetches files of a data set at its commit.
    pub(super) fn download_files(
        &self,
        name: &Name,
        found: &Folder,
        files: &[String],
        watch: &dyn Fn(Event<'_>),
    ) -> Result<()> {
        let commit = &name.revision;
        let download = Download { client: Client::new(self, name)?, name, found, commit: Some(commit.clone()), watch };
        files.iter().try_for_each(|file| download.shard(commit, "the list of its files", file))
    }
}

impl Download<'_> {
    /// The first file of a group that is there, or that the hub has, with its shards.
    fn group(&mut self, group: &Group) -> Result<()> {
        if !group.is_read(self.found, self.commit.as_deref()) {
            return Ok(());
        }
        let here = self.commit.as_deref().and_then(|commit| there(self.found, commit, group));
        let file = match here {
            Some(file) => Some(file),
            None => self.first(group)?,
        };
        match (file, &self.commit) {
            (Some(file), Some(commit)) => {
                let commit = commit.clone();
                let shards = shards(self.found, &commit, file)?;
                let lacking = shards.iter().filter(|shard| self.found.state(&commit, shard) != State::There);
                lacking.into_iter().try_for_each(|shard| self.shard(&commit, file, shard))
            }
            _ if group.needed => {
                let (name, host, files) = (self.name, self.client.host(), group.files.join(", "));
                let remedy = "name a model of the kinds that rxlt reads";
                Err(Error::Missing(format!("{name} has none of {files} on {host}; {remedy}")))
            }
            _ => Ok(()),
        }
    }

    /// Fetches the first file of a group that the hub has.
    fn first(&mut self, group: &Group) -> Result<Option<&'static str>> {
        for file in order(self.found, self.commit.as_deref(), group) {
            let known = self.commit.as_deref().map(|commit| self.found.state(commit, file));
            if known == Some(State::Absent) {
                continue;
            }
            match self.ask(file)? {
                Answer::There(meta) => {
                    self.settle(Some(&meta.commit))?;
                    self.place(file, &meta)?;
                    return Ok(Some(file));
                }
                Answer::Absent { commit } => {
                    self.settle(commit.as_deref())?;
                    self.commit.iter().try_for_each(|commit| self.found.set_absent(commit, file))?;
                }
            }
        }
        Ok(None)
    }

    fn shard(&self, commit: &str, index: &str, shard: &str) -> Result<()> {
        match self.ask(shard)? {
            Answer::There(meta) if meta.commit == commit => self.place(shard, &meta),
            _ => Err(Error::Missing(format!(
                "{}: {} does not have {shard}, which {index} names; it is not whole there",
                self.name,
                self.client.host()
            ))),
        }
    }

    /// Asks for a file, again where that may help.
    fn ask(&self, file: &str) -> Result<Answer> {
        let revision = self.commit.as_deref().unwrap_or(&self.name.revision);
        self.patiently(|| self.client.ask(revision, file))
    }

    fn patiently<T>(&self, ask: impl Fn() -> Result<T, Failure>) -> Result<T> {
        let mut failures = 0;
        loop {
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(Failure { error, passes, pause: asked }) => {
                    failures += 1;
                    if !passes || failures >= MOST_TRIES {
                        return Err(error);
                    }
                    thread::sleep(asked.unwrap_or_else(|| pause(failures - 1)));
                }
            }
        }
    }

    /// Takes the commit that an answer names for that of all files, and refuses another one.
    fn settle(&mut self, commit: Option<&str>) -> Result<()> {
        match (&self.commit, commit) {
            (Some(known), Some(commit)) if known != commit => Err(Error::Data(format!(
                "{}: {} answers with commit {commit} where {known} was asked for; look at HF_ENDPOINT and at proxies",
                self.name,
                self.client.host()
            ))),
            (None, Some(commit)) => {
                self.found.set_commit(&self.name.revision, commit)?;
                self.commit = Some(commit.to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Fetches a file, or waits for another process that does, and gives it its name.
    fn place(&self, file: &str, meta: &Meta) -> Result<()> {
        let blob = self.found.blob(&meta.hash);
        let waits = || (self.watch)(Event::Note(&format!("waiting for another process that fetches {file}")));
        let lock = self.found.lock(&meta.hash, waits)?;
        if !blob.metadata().is_ok_and(|found| found.len() == meta.size) {
            Transfer { client: &self.client, file, meta, watch: self.watch }.run(&blob)?;
        }
        drop(lock);
        self.found.link(&meta.commit, file, &meta.hash)
    }
}
