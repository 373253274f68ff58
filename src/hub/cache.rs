//! The cache of models and data sets as Python's libraries lay it out, so that both find what the other has fetched:
//!
//! ```text
//! models--org--model/refs/main                 the commit that a branch or tag meant when it was fetched
//!                    blobs/HASH                the bytes; HASH.incomplete while they arrive
//!                    snapshots/COMMIT/FILE     a link to ../../blobs/HASH
//!                    .no_exist/COMMIT/FILE     what the hub does not have
//! datasets--org--name/                         a data set, laid out alike
//!                    .files/COMMIT             the names of all its files: our own
//! .locks/models--org--model/HASH.lock          held by whoever writes the blob
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Name, Repository, name::is_commit};

/// The folder of one repository.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    #[cfg(feature = "hub")]
    locks: PathBuf,
}

/// What the cache says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is there, whole.
    There,
    /// The hub does not have it.
    Absent,
    /// Nobody has asked.
    Unknown,
}

impl Folder {
    pub fn new(cache: &Path, name: &Name) -> Folder {
        let kind = match name.kind {
            Repository::Model => "models",
            Repository::DataSet => "datasets",
        };
        let name = format!("{kind}--{}", name.repo.replace('/', "--"));
        Folder {
            #[cfg(feature = "hub")]
            locks: cache.join(".locks").join(&name),
            path: cache.join(name),
        }
    }

    /// The commit that a revision means here.
    pub fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return self.snapshot(revision).is_dir().then(|| revision.to_owned());
        }
        let commit = fs::read_to_string(self.reference(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Whether any commit of it is there.
    pub fn is_there(&self) -> bool {
        self.path.join("snapshots").is_dir()
    }

    /// The folder of a commit's files.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.path.join("snapshots").join(commit)
    }

    /// What is known of a file. A link whose blob is gone is as good as none.
    pub fn state(&self, commit: &str, file: &str) -> State {
        if self.snapshot(commit).join(file).is_file() {
            State::There
        } else if self.absent(commit, file).exists() {
            State::Absent
        } else {
            State::Unknown
        }
    }

    /// The names of a commit's files, where somebody has asked for them.
    pub fn files(&self, commit: &str) -> Option<Vec<String>> {
        let text = fs::read_to_string(self.list(commit)).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }

    fn list(&self, commit: &str) -> PathBuf {
        self.path.join(".files").join(commit)
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.path.join("refs").join(revision)
    }

    fn absent(&self, commit: &str, file: &str) -> PathBuf {
        self.path.join(".no_exist").join(commit).join(file)
    }
}

#[cfg(feature = "hub")]
mod writing {
    use std::{
        fs::{self, File, TryLockError},
        io,
        path::{Path, PathBuf},
        thread,
        time::Duration,
    };

    use super::Folder;
    use crate::{
        checkpoint::write_file,
        error::{Error, Result},
    };

    /// Time between two tries to get a lock.
    const PAUSE: Duration = Duration::from_millis(100);

    impl Folder {
        /// Records what a branch or tag means.
        pub fn set_commit(&self, revision: &str, commit: &str) -> Result<()> {
            if revision == commit || self.commit(revision).as_deref() == Some(commit) {
                return Ok(());
            }
            let path = self.reference(revision);
            make_parent(&path)?;
            write_file(&path, commit.as_bytes())
        }

        /// Records that the hub does not have a file.
        pub fn set_absent(&self, commit: &str, file: &str) -> Result<()> {
            let path = self.absent(commit, file);
            make_parent(&path)?;
            fs::write(&path, "").map_err(|error| Error::write(&path, &error))
        }

        /// Records the names of a commit's files.
        pub fn set_files(&self, commit: &str, files: &[String]) -> Result<()> {
            let path = self.list(commit);
            make_parent(&path)?;
            write_file(&path, files.join("\n").as_bytes())
        }

        /// Where the bytes of a hash lie, or will.
        pub fn blob(&self, hash: &str) -> PathBuf {
            self.path.join("blobs").join(hash)
        }

        /// Gives a blob the name of a file.
        pub fn link(&self, commit: &str, file: &str, hash: &str) -> Result<()> {
            let path = self.snapshot(commit).join(file);
            make_parent(&path)?;
            let relative = Path::new(&"../".repeat(2 + file.matches('/').count())).join("blobs").join(hash);
            if fs::read_link(&path).is_ok_and(|blob| blob == relative) {
                return Ok(()); // another process was first
            }
            // Several may be at it, and others read it: it is never gone in between.
            let new = path.with_file_name(format!(".{hash}.{}.link", std::process::id()));
            _ = fs::remove_file(&new); // of a process of this number that was killed
            let linked = link(&self.blob(hash), &relative, &new).and_then(|()| fs::rename(&new, &path));
            linked.map_err(|error| Error::write(&path, &error))
        }

        /// Waits until no other process writes a blob; the lock is held until what is returned is dropped.
        pub fn lock(&self, hash: &str, waits: impl FnOnce()) -> Result<File> {
            let path = self.locks.join(format!("{hash}.lock"));
            make_parent(&path)?;
            make_parent(&self.blob(hash))?;
            let open = File::options().create(true).truncate(false).write(true).open(&path);
            let file = open.map_err(|error| Error::write(&path, &error))?;
            let mut waits = Some(waits);
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(file),
                    Err(TryLockError::WouldBlock) => {
                        waits.take().into_iter().for_each(|waits| waits());
                        thread::sleep(PAUSE);
                    }
                    Err(TryLockError::Error(error)) => {
                        let (path, remedy) = (path.display(), "set HF_HUB_CACHE to a folder on a local disk");
                        return Err(Error::Io(format!("cannot lock {path}: {error}; {remedy}")));
                    }
                }
            }
        }
    }

    fn make_parent(path: &Path) -> Result<()> {
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder).map_err(|error| {
            let remedy = "set HF_HUB_CACHE to a folder that may be written to";
            Error::Output(format!("cannot create {}: {error}; {remedy}", folder.display())).because(&error)
        })
    }

    #[cfg(unix)]
    fn link(_: &Path, relative: &Path, path: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(relative, path)
    }

    /// Where links need a privilege, the file has two names.
    #[cfg(not(unix))]
    fn link(blob: &Path, _: &Path, path: &Path) -> io::Result<()> {
        fs::hard_link(blob, path).or_else(|_| fs::copy(blob, path).map(|_| ()))
    }
}
