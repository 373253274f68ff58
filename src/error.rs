//! What can go wrong in the world outside: files, flags, devices, numbers that diverge.
//!
//! A bug panics; everything else is an [`Error`], whose variant fixes the exit code of `rxlt`.

use std::{fmt, io, path::Path};

use serde::{Deserialize, Serialize};

/// The result of anything that touches the world.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One failure with a message that names the culprit, what was expected, what was found and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Error {
    /// A flag or argument is wrong (exit code 2).
    Usage(String),
    /// The loss is no longer finite (exit code 3).
    Diverged(String),
    /// A check that was asked for failed (exit code 4).
    Mismatch(String),
    /// A file's content is not what its format promises (exit code 65).
    Data(String),
    /// A file or folder is not there (exit code 66).
    Missing(String),
    /// No usable device, or the device failed (exit code 69).
    Device(String),
    /// The output cannot be created (exit code 73).
    Output(String),
    /// Reading or writing failed (exit code 74).
    Io(String),
    /// There is no room on the disk (exit code 74).
    Full(String),
    /// Stopped on request after saving a checkpoint (exit code 75).
    Stopped(String),
    /// Who asks is not allowed to: a licence or an access token is wanted (exit code 77).
    Denied(String),
    /// A recipe or setting is wrong (exit code 78).
    Config(String),
}

impl Error {
    /// The process exit code, after sysexits(3) where one fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Diverged(_) => 3,
            Error::Mismatch(_) => 4,
            Error::Data(_) => 65,
            Error::Missing(_) => 66,
            Error::Device(_) => 69,
            Error::Output(_) => 73,
            Error::Io(_) | Error::Full(_) => 74,
            Error::Stopped(_) => 75,
            Error::Denied(_) => 77,
            Error::Config(_) => 78,
        }
    }

    /// The failure of another process by its exit code; [`Error::Io`] where it is none of ours.
    pub fn with_code(code: Option<u8>, message: String) -> Error {
        match code {
            Some(2) => Error::Usage(message),
            Some(3) => Error::Diverged(message),
            Some(4) => Error::Mismatch(message),
            Some(65) => Error::Data(message),
            Some(66) => Error::Missing(message),
            Some(69) => Error::Device(message),
            Some(73) => Error::Output(message),
            Some(75) => Error::Stopped(message),
            Some(77) => Error::Denied(message),
            Some(78) => Error::Config(message),
            _ => Error::Io(message),
        }
    }

    /// A failed read: [`Error::Missing`] where the file is not there, [`Error::Io`] otherwise.
    pub fn read(path: &Path, error: &io::Error) -> Error {
        let message = format!("cannot read {}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::NotFound => Error::Missing(message),
            _ => Error::Io(message),
        }
    }

    /// A failed write: [`Error::Full`] where there is no room for it, [`Error::Io`] otherwise.
    pub fn write(path: &Path, error: &io::Error) -> Error {
        Error::Io(format!("cannot write {}: {error}", path.display())).because(error)
    }

    /// [`Error::Full`] with the same message where the system says that there is no room.
    pub(crate) fn because(self, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full(self.message().to_owned()),
            _ => self,
        }
    }

    /// The same failure with a remedy at the end of its message.
    pub fn with(mut self, remedy: &str) -> Error {
        let (Error::Usage(m)
        | Error::Diverged(m)
        | Error::Mismatch(m)
        | Error::Data(m)
        | Error::Missing(m)
        | Error::Device(m)
        | Error::Output(m)
        | Error::Io(m)
        | Error::Full(m)
        | Error::Stopped(m)
        | Error::Denied(m)
        | Error::Config(m)) = &mut self;
        *m = format!("{m}; {remedy}");
        self
    }

    /// What went wrong, without the kind.
    pub fn message(&self) -> &str {
        match self {
            Error::Usage(m) | Error::Diverged(m) | Error::Mismatch(m) | Error::Data(m) | Error::Missing(m) => m,
            Error::Device(m) | Error::Output(m) | Error::Io(m) | Error::Full(m) => m,
            Error::Stopped(m) | Error::Denied(m) | Error::Config(m) => m,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}

/// Unwinds with an error from where no `Result` can be returned; [`catch`] is where it lands.
pub fn raise(error: Error) -> ! {
    std::panic::resume_unwind(Box::new(error))
}

/// Runs `work` and returns the error raised inside it, if one was.
///
/// Operations return tensors, not results: a device that runs out of memory or is lost in the middle of a step unwinds
/// with its [`Error`], and the training loop stops here. Other panics pass through.
pub fn catch<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(payload) => match payload.downcast::<Error>() {
            Ok(error) => Err(*error),
            Err(payload) => std::panic::resume_unwind(payload),
        },
    }
}

/// `; did you mean "xnli"?` for the known name nearest to `wrong`, or the whole list where none is near.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .min();
    match nearest {
        Some((_, name)) => format!("did you mean \"{name}\"? (known: {})", known.join(", ")),
        None => format!("known: {}", known.join(", ")),
    }
}
