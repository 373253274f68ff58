//! The lock of a run's folder, and who only looks whether it is held.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::Path,
    process,
};

use super::{
    super::files::{LOCK, METRICS},
    Status, cannot_create,
    environment::{host, now},
    status_of,
};
use crate::error::{Error, Result};

/// Locks the folder, or names who holds it.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(|error| cannot_create(&path, &error))?;
    match patiently(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
            let folder = folder.display();
            Err(Error::Output(format!("{folder} is in use by {holder}; wait for it, or name another --output")))
        }
        Err(TryLockError::Error(error)) => Err(Error::Output(format!(
            "cannot lock {}: {error}; name an --output on a disk that knows locks",
            path.display()
        ))),
    }
}

/// Tries for three seconds: who only looks whether the lock is held lets go at once, and a process whose parent was killed
/// (`--jobs`) saves first.
fn patiently(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 0..120 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(25)),
            other => return other,
        }
    }
    file.try_lock()
}

/// Writes into the lock who holds it.
pub(super) fn sign(lock: &mut File, path: &Path) -> Result<()> {
    let text = format!("process {} on {} since {}\n", process::id(), host(), now());
    let signed = lock.set_len(0).and_then(|()| lock.write_all(text.as_bytes()));
    signed.map_err(|error| Error::write(path, &error))
}

/// How a run's folder is found by somebody who only looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// There is no folder, or nothing was begun in it.
    Nothing,
    /// A process holds it: which, on what host, since when.
    Held(String),
    /// Nobody is at work; what was said of it last.
    Left(Status),
}

/// Looks at a run's folder without changing it.
pub fn look(folder: &Path) -> Look {
    let status = status_of(folder);
    if status == Some(Status::Done) && folder.join(METRICS).is_file() {
        return Look::Left(Status::Done);
    }
    let path = folder.join(LOCK);
    // A lock that is tried is held for a moment; `lock` waits that long.
    let is_held = File::open(&path).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)));
    match (is_held, status) {
        (true, _) => Look::Held(fs::read_to_string(&path).unwrap_or_default().trim().to_owned()),
        // Who says that it is done and has no results was killed in between.
        (false, Some(Status::Done)) => Look::Left(Status::Running),
        (false, Some(status)) => Look::Left(status),
        (false, None) => Look::Nothing,
    }
}
