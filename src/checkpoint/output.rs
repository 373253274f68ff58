//! What a command writes for its user: one place decides whether a name may be written to, for every command.
//!
//! Nothing is lost that the user did not give up: a file that is there stays unless `--force` says otherwise, one that
//! the command reads stays always (told by the file itself, not by its name, so that links do not deceive), a replaced
//! file hands on its mode and owner, and a device or a pipe is written to, never renamed over.

use std::{
    fs::{self, File, Metadata},
    io::Write,
    path::{Path, PathBuf},
};

use super::commit::atomically;
use crate::error::{Error, Result};

/// What becomes of a file that has the output's name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is written.
    Kept,
    /// It is replaced.
    Replaced,
}

/// A file that may be written: checked before the work begins, whose result would else be lost with it.
#[derive(Debug, Clone)]
pub struct Output {
    path: PathBuf,
    existing: Existing,
    inputs: Vec<PathBuf>,
}

impl Output {
    /// Checks that `path` may be written by a command that reads `inputs`: files, or folders with all that is in them.
    pub fn new(path: &Path, existing: Existing, inputs: &[&Path]) -> Result<Output> {
        let inputs = inputs.iter().map(|input| input.to_path_buf()).collect();
        let output = Output { path: path.to_owned(), existing, inputs };
        output.check()?;
        Ok(output)
    }

    /// The same for a file that the command writes more than once: from now on it is its own.
    pub fn rewritten(self) -> Output {
        Output { existing: Existing::Replaced, ..self }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of it: a file appears whole or not at all, a device or pipe is written to.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let path = &self.path;
        let put = |file: &mut File| {
            file.write_all(bytes).and_then(|()| file.flush()).map_err(|error| Error::write(path, &error))
        };
        match self.check()? {
            Found::Special => {
                // Appended, so that what a shell has opened behind /dev/stdout is not written over either.
                let file = File::options().append(true).open(path);
                put(&mut file.map_err(|error| cannot(path, &error))?)
            }
            Found::Nothing => atomically(path, put),
            Found::File(before) => atomically(path, |file| {
                keep_access(file, &before).map_err(|error| {
                    let remedy = "name another file";
                    Error::Output(format!("{}: its owner and mode cannot be kept: {error}; {remedy}", path.display()))
                })?;
                put(file)
            }),
        }
    }

    /// What has the name now; an error where that may not be written.
    fn check(&self) -> Result<Found> {
        let path = &self.path;
        let shown = path.display();
        let found = match path.metadata() {
            Ok(found) => found,
            Err(_) if path.is_symlink() => {
                return Err(Error::Output(format!("{shown} is a link to nothing; name another file")));
            }
            Err(_) => return self.check_folder().map(|()| Found::Nothing),
        };
        if found.is_dir() {
            return Err(Error::Output(format!("{shown}: expected a file to write, found a folder; name a file in it")));
        }
        if !found.is_file() || OPENED.iter().any(|opened| path.starts_with(opened)) {
            return Ok(Found::Special);
        }
        for input in &self.inputs {
            if let Some(read) = same_file(&found, path, input) {
                let same = if read == *path { String::new() } else { format!(" (it is {})", read.display()) };
                return Err(Error::Output(format!(
                    "{shown} is read by this command{same}; name another file to write"
                )));
            }
        }
        match self.existing {
            Existing::Replaced => Ok(Found::File(found)),
            Existing::Kept => Err(Error::Output(format!(
                "cannot create {shown}: it is there already; name another file, or replace it with --force"
            ))),
        }
    }

    /// A new file needs a folder to lie in.
    fn check_folder(&self) -> Result<()> {
        let folder = self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let shown = self.path.display();
        match folder.is_dir() {
            _ if self.path.file_name().is_none() => {
                Err(Error::Output(format!("cannot create {shown}: expected a path that ends in a name")))
            }
            true => Ok(()),
            false => {
                let remedy = "make it, or name a file in another";
                Err(Error::Output(format!("cannot create {shown}: there is no folder {}; {remedy}", folder.display())))
            }
        }
    }
}

/// Names of what the process has open already, whatever that is.
const OPENED: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"];

/// What has the output's name.
enum Found {
    Nothing,
    File(Metadata),
    /// A device, a pipe, a socket, or what the system shows as a file.
    Special,
}

/// Checks that a folder may be written by a command that reads `inputs`. One of ours is replaced if that is asked for;
/// one of others never is, nor one that is an input or holds one.
pub fn check_folder_output(path: &Path, existing: Existing, inputs: &[&Path]) -> Result<()> {
    let shown = path.display();
    let Ok(real) = path.canonicalize() else { return Ok(()) };
    for input in inputs {
        if input.canonicalize().is_ok_and(|input| input.starts_with(&real)) {
            let input = input.display();
            return Err(Error::Output(format!("{shown}: {input} is read by this command; name another folder")));
        }
    }
    let is_empty = fs::read_dir(&real).is_ok_and(|mut entries| entries.next().is_none());
    match existing {
        Existing::Kept if !is_empty => Err(Error::Output(format!(
            "cannot create {shown}: it is there already; name another folder, or replace it with --force"
        ))),
        _ => Ok(()),
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    Error::Output(format!("cannot write {}: {error}; name another file", path.display()))
}

/// The file of an input that `found` is, if it is one; in a folder links to folders are not followed.
fn same_file(found: &Metadata, path: &Path, input: &Path) -> Option<PathBuf> {
    let read = input.metadata().ok()?;
    if !read.is_dir() {
        return is_same(found, path, &read, input).then(|| input.to_owned());
    }
    let entries = fs::read_dir(input).ok()?.flatten().map(|entry| entry.path());
    entries.filter(|entry| !(entry.is_dir() && entry.is_symlink())).find_map(|entry| same_file(found, path, &entry))
}

#[cfg(unix)]
fn is_same(a: &Metadata, _: &Path, b: &Metadata, _: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, a: &Path, _: &Metadata, b: &Path) -> bool {
    a.canonicalize().ok().is_some_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

/// Gives a new file the mode and the owner of the one that it replaces, before anything is in it.
fn keep_access(file: &File, before: &Metadata) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
            fchown(file, Some(before.uid()), Some(before.gid()))?;
        }
    }
    file.set_permissions(before.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine"), "mine").unwrap();
        folder
    }

    #[test]
    fn a_file_that_is_there_stays_unless_it_is_given_up() {
        let folder = folder();
        let path = folder.path().join("mine");
        let error = Output::new(&path, Existing::Kept, &[]).unwrap_err();
        assert!(error.exit_code() == 73 && error.message().contains("--force"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        Output::new(&path, Existing::Replaced, &[]).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        let new = Output::new(&folder.path().join("other"), Existing::Kept, &[]).unwrap();
        // It may have been made while the command was at work.
        fs::write(folder.path().join("other"), "theirs").unwrap();
        assert_eq!(new.write(b"ours").unwrap_err().exit_code(), 73);
        assert_eq!(fs::read_to_string(new.path()).unwrap(), "theirs");
    }

    #[test]
    fn places_that_are_no_file_are_refused() {
        let folder = folder();
        for (path, expected) in [
            (folder.path().to_owned(), "found a folder"),
            (folder.path().join("none/x"), "there is no folder"),
            (folder.path().join("mine/x"), "there is no folder"),
            (PathBuf::from("/"), "found a folder"),
        ] {
            let error = Output::new(&path, Existing::Replaced, &[]).unwrap_err();
            assert!(error.exit_code() == 73 && error.message().contains(expected), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_read_is_not_written_by_whatever_name() {
        use std::os::unix::fs::symlink;
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("run")).unwrap();
        fs::write(at("run/log"), "log").unwrap();
        fs::hard_link(at("mine"), at("hard")).unwrap();
        fs::hard_link(at("run/log"), at("log")).unwrap();
        symlink(at("mine"), at("soft")).unwrap();
        symlink(at("run"), at("run/again")).unwrap();
        let (mine, run) = (at("mine"), at("run"));
        for name in ["mine", "hard", "soft", "run/log", "log", "run/again/log"] {
            let error = Output::new(&at(name), Existing::Replaced, &[&mine, &run]).unwrap_err();
            assert!(error.exit_code() == 73 && error.message().contains("is read by this command"), "{name}: {error}");
        }
        Output::new(&at("run/new"), Existing::Kept, &[&mine, &run]).unwrap();
        for (path, existing) in
            [("run", Existing::Replaced), ("run/again", Existing::Replaced), (".", Existing::Replaced)]
        {
            let error = check_folder_output(&at(path), existing, &[&run]).unwrap_err();
            assert!(error.message().contains("is read by this command"), "{path}: {error}");
        }
        assert!(check_folder_output(&at("run"), Existing::Kept, &[]).unwrap_err().message().contains("--force"));
        assert!(check_folder_output(&at("run"), Existing::Replaced, &[]).is_ok());
        assert!(check_folder_output(&at("new"), Existing::Kept, &[&run]).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_hands_on_its_mode_and_links_stay_links() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = folder();
        let (path, link) = (folder.path().join("mine"), folder.path().join("link"));
        symlink(&path, &link).unwrap();
        for mode in [0o600, 0o640, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Output::new(&link, Existing::Replaced, &[]).unwrap().write(b"new").unwrap();
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        }
        assert!(link.is_symlink());
        let gone = folder.path().join("gone");
        symlink(folder.path().join("nowhere"), &gone).unwrap();
        assert!(Output::new(&gone, Existing::Replaced, &[]).unwrap_err().message().contains("a link to nothing"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_and_pipes_are_written_to() {
        use std::os::unix::fs::FileTypeExt;
        let folder = folder();
        let null = Output::new(Path::new("/dev/null"), Existing::Kept, &[]).unwrap();
        null.write(b"gone").unwrap();
        assert!(Path::new("/dev/null").metadata().unwrap().file_type().is_char_device());
        let full = Output::new(Path::new("/dev/full"), Existing::Kept, &[]).unwrap();
        assert_eq!(full.write(b"x").unwrap_err().exit_code(), 74);
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        Output::new(&pipe, Existing::Kept, &[]).unwrap().write(b"through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(pipe.metadata().unwrap().file_type().is_fifo());
    }
}
