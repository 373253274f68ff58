//! Files and folders that appear whole or not at all, whatever kills the process.
//!
//! A folder is filled under a temporary name, every file is brought to the disk, a marker lists them with their
//! hashes, and only then the folder gets its name. In between the old one stands aside and is never lost: [`clean`]
//! puts it back. Two processes must not commit to one place at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{header::data, read_at};
use crate::error::{Error, Result};

/// The file that says that a folder is whole, and of what it consists.
pub const MARKER: &str = "COMPLETE";

/// Writes a folder that appears under its name only when it is whole and on the disk.
///
/// `fill` gets a temporary folder beside `target`. If it fails, `target` is as it was. A folder of ours is replaced;
/// one without our marker is refused, and one into which others have put files is kept beside as `NAME.kept-N`.
pub fn commit_folder(target: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let place = Place::of(target)?;
    fs::create_dir_all(&place.parent).map_err(|e| cannot_create(&place.parent, &e))?;
    clean_where(&place.parent, |of| of == place.name)?;
    place.refuse_foreign()?;
    let temporary = Temporary(place.beside(Role::Filling));
    fs::create_dir(&temporary.0).map_err(|e| cannot_create(&temporary.0, &e))?;
    fill(&temporary.0)?;
    seal(&temporary.0)?;
    place.put(&temporary.0)
}

/// Writes a file that appears under its name only when it is whole and on the disk.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    atomically(path, |file| io::Write::write_all(file, bytes).map_err(|e| Error::write(path, &e)))
}

/// Whether a folder has its marker and every file listed there with its size.
pub fn is_complete(folder: &Path) -> bool {
    let whole = |listed: BTreeMap<String, Listed>| {
        listed.iter().all(|(name, file)| folder.join(name).metadata().is_ok_and(|found| found.len() == file.bytes))
    };
    read_marker(folder).is_ok_and(whole)
}

/// Checks every file of a committed folder against its marker, and names the first that is damaged.
pub fn verify(folder: &Path) -> Result<()> {
    let listed: Vec<(String, Listed)> = read_marker(folder)?.into_iter().collect();
    listed.par_iter().map(|(name, listed)| check_listed(&folder.join(name), listed)).collect::<Result<Vec<()>>>()?;
    Ok(())
}

/// The same for a folder that may be somebody else's: one without our marker promises nothing.
pub fn verify_if_sealed(folder: &Path) -> Result<()> {
    if !folder.join(MARKER).exists() {
        return Ok(());
    }
    verify(folder).map_err(|error| {
        let remedy =
            format!("take the file from a copy of the folder; if you changed it yourself, remove {MARKER} there");
        error.with(&remedy)
    })
}

fn check_listed(path: &Path, listed: &Listed) -> Result<()> {
    let found = path.metadata().map_err(|e| Error::read(path, &e))?.len();
    if found != listed.bytes {
        return Err(data(path, format_args!("damaged: expected {} bytes, found {found}", listed.bytes)));
    }
    let found = sha256_file(path)?;
    if found != listed.sha256 {
        return Err(data(path, format_args!("damaged: expected SHA-256 {}, found {found}", listed.sha256)));
    }
    Ok(())
}

/// Tidies up after killed processes: removes what they left under temporary names in `parent`, and puts back a folder
/// that stood aside. Returns what it removed or put back. Nothing under another name is touched, nor what belongs to a
/// process that is still at work.
pub fn clean(parent: &Path) -> Result<Vec<PathBuf>> {
    clean_where(parent, |_| true)
}

/// Tidies up the temporaries of those names for which `wanted` holds.
fn clean_where(parent: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut settled = Vec::new();
    for name in names(parent)? {
        let Some(found) = name.to_str().and_then(TemporaryName::parse) else { continue };
        if !wanted(found.of) || found.is_in_use() {
            continue;
        }
        let path = parent.join(&name);
        match found.role {
            Role::Filling => remove(&path)?,
            Role::Aside => Place { parent: parent.to_path_buf(), name: found.of.to_string() }.put_back(&path)?,
        }
        settled.push(path);
    }
    Ok(settled)
}

/// Removes a committed folder: under a temporary name first, so that one that is half removed never looks whole.
pub fn remove_folder(path: &Path) -> Result<()> {
    let doomed = Place::of(path)?.beside(Role::Filling);
    fs::rename(path, &doomed).map_err(|e| Error::write(path, &e))?;
    remove(&doomed)
}

/// The SHA-256 of a file, in hexadecimal.
pub fn sha256_file(path: &Path) -> Result<String> {
    File::open(path).and_then(|file| sha256(&file)).map_err(|e| Error::read(path, &e))
}

/// The SHA-256 of an open file, from its first byte.
pub(super) fn sha256(file: &File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let n_bytes = read_at(file, &mut block, at)?;
        if n_bytes == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&block[..n_bytes]);
        at += n_bytes as u64;
    }
}

/// Fills a temporary file, brings it to the disk, and only then gives it its name.
pub(super) fn atomically(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let place = Place::of(path)?;
    let temporary = Temporary(place.beside(Role::Filling));
    let mut file = File::create_new(&temporary.0).map_err(|e| cannot_create(&temporary.0, &e))?;
    fill(&mut file)?;
    file.sync_all().map_err(|e| Error::write(path, &e))?;
    drop(file);
    fs::rename(&temporary.0, place.path()).map_err(|e| Error::write(path, &e))?;
    sync_folder(&place.parent)
}

/// A file or folder to write: its name, and the folder in which also its temporary siblings lie.
struct Place {
    parent: PathBuf,
    name: String,
}

impl Place {
    /// Where `path` really lies: a link is followed, so that it stays a link and the temporary lies on the same disk.
    fn of(path: &Path) -> Result<Place> {
        let real =
            if path.is_symlink() { path.canonicalize().map_err(|e| cannot_create(path, &e))? } else { path.into() };
        let parent = real.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        match real.file_name().and_then(|name| name.to_str()) {
            Some(name) => Ok(Place { parent: parent.into(), name: name.into() }),
            None => {
                Err(Error::Output(format!("cannot create {}: expected a path that ends in a name", path.display())))
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// A new temporary name beside this place.
    fn beside(&self, role: Role) -> PathBuf {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (of, role, process, token) = (&self.name, role.word(), process::id(), token());
        self.parent.join(format!(".{of}.rxlt-{role}-{process}-{token:016x}-{number}"))
    }

    /// Puts back what a dead process had moved aside, or retires it where a new one has its name.
    fn put_back(&self, aside: &Path) -> Result<()> {
        if self.path().exists() {
            return self.retire(aside);
        }
        fs::rename(aside, self.path()).map_err(|e| Error::write(&self.path(), &e))?;
        sync_folder(&self.parent)
    }

    /// Refuses to replace what we did not write.
    fn refuse_foreign(&self) -> Result<()> {
        let path = self.path();
        let free = !path.exists() || (path.is_dir() && (path.join(MARKER).is_file() || names(&path)?.is_empty()));
        if free {
            return Ok(());
        }
        let what = if path.is_dir() { format!("a folder without {MARKER}") } else { "a file".into() };
        let remedy = "name another folder, or remove it";
        Err(Error::Output(format!("{}: expected nothing or a folder of ours, found {what}; {remedy}", path.display())))
    }

    /// Gives the finished folder its name; the one that had it stands aside meanwhile.
    fn put(&self, finished: &Path) -> Result<()> {
        let (path, aside) = (self.path(), self.beside(Role::Aside));
        let replaces = path.exists();
        if replaces {
            fs::rename(&path, &aside).map_err(|e| Error::write(&path, &e))?;
        }
        if let Err(error) = fs::rename(finished, &path) {
            if replaces {
                fs::rename(&aside, &path).map_err(|e| Error::write(&path, &e))?;
            }
            return Err(Error::write(&path, &error));
        }
        sync_folder(&self.parent)?;
        if replaces { self.retire(&aside) } else { Ok(()) }
    }

    /// Removes a replaced folder, or keeps it under a visible name if it holds files that we did not write.
    fn retire(&self, aside: &Path) -> Result<()> {
        let listed = read_marker(aside).unwrap_or_default();
        let ours = |name: &String| name == MARKER || name.starts_with('.') || listed.contains_key(name);
        if walk(aside)?.iter().all(ours) {
            // Under a temporary name first: a folder that is half removed must not look like one of others.
            let doomed = self.beside(Role::Filling);
            fs::rename(aside, &doomed).map_err(|e| Error::write(&doomed, &e))?;
            return remove(&doomed);
        }
        let kept = (1..).map(|n| self.parent.join(format!("{}.kept-{n}", self.name))).find(|path| !path.exists());
        let kept = kept.expect("some number is free");
        fs::rename(aside, &kept).map_err(|e| Error::write(&kept, &e))
    }
}

/// A temporary file or folder that does not outlive a failure.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a success it has another name; after a failure that one is reported, and `clean` can try again.
        let _ = remove(&self.0);
    }
}

/// Why something has a temporary name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It is being written, or removed.
    Filling,
    /// It is being replaced.
    Aside,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Role::Filling => "tmp",
            Role::Aside => "old",
        }
    }
}

/// `.NAME.rxlt-ROLE-PROCESS-TOKEN-NUMBER`: a form that nobody else's file has by chance. The token is drawn once by each
/// process, because numbers of processes come again (in a container each has the same).
#[derive(Debug, PartialEq, Eq)]
struct TemporaryName<'a> {
    of: &'a str,
    role: Role,
    process: u32,
    token: u64,
}

impl TemporaryName<'_> {
    fn parse(name: &str) -> Option<TemporaryName<'_>> {
        let (of, rest) = name.strip_prefix('.')?.rsplit_once(".rxlt-")?;
        let parts: Vec<&str> = rest.split('-').collect();
        let [role, process, token, number] = parts[..] else { return None };
        let role = [Role::Filling, Role::Aside].into_iter().find(|one| one.word() == role)?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if of.is_empty() || token.len() != 16 || !is_number {
            return None;
        }
        Some(TemporaryName { of, role, process: process.parse().ok()?, token: u64::from_str_radix(token, 16).ok()? })
    }

    /// Whether the process that gave the name is this one, or another that still runs this program.
    fn is_in_use(&self) -> bool {
        match self.process == process::id() {
            true => self.token == token(),
            false => runs_this_program(self.process),
        }
    }
}

/// What Linux says of another process; elsewhere the lock on the folder is all that keeps two apart.
fn runs_this_program(process: u32) -> bool {
    let program = |name: &str| fs::read_link(format!("/proc/{name}/exe")).ok();
    match (program(&process.to_string()), program("self")) {
        (Some(other), Some(own)) => other.file_name() == own.file_name(),
        _ => false,
    }
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A number that no other process has.
fn token() -> u64 {
    static TOKEN: OnceLock<u64> = OnceLock::new();
    *TOKEN.get_or_init(|| RandomState::new().hash_one(process::id()))
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    bytes: u64,
    sha256: String,
}

/// Brings every file to the disk and writes the marker that lists them.
fn seal(folder: &Path) -> Result<()> {
    let mut listed = BTreeMap::new();
    for name in walk(folder)?.into_iter().filter(|name| name != MARKER) {
        let path = folder.join(&name);
        // Windows flushes only what is open for writing.
        let file = File::options().read(true).write(cfg!(windows)).open(&path).map_err(|e| Error::read(&path, &e))?;
        file.sync_all().map_err(|e| Error::write(&path, &e))?;
        let bytes = file.metadata().map_err(|e| Error::read(&path, &e))?.len();
        let sha256 = sha256(&file).map_err(|e| Error::read(&path, &e))?;
        listed.insert(name, Listed { bytes, sha256 });
    }
    let inner: BTreeSet<&Path> = listed.keys().flat_map(|name| Path::new(name).ancestors().skip(1)).collect();
    for inner in inner {
        sync_folder(&folder.join(inner))?;
    }
    let text = serde_json::to_string_pretty(&listed).expect("names, sizes and hashes are JSON");
    write_file(&folder.join(MARKER), format!("{text}\n").as_bytes())
}

/// The files that the marker lists.
fn read_marker(folder: &Path) -> Result<BTreeMap<String, Listed>> {
    let path = folder.join(MARKER);
    let text = fs::read(&path).map_err(|e| Error::read(&path, &e))?;
    let listed: BTreeMap<String, Listed> = serde_json::from_slice(&text).map_err(|e| data(&path, e))?;
    let outside = |name: &&String| name.split('/').any(|part| matches!(part, "" | "." | "..")) || name.contains('\\');
    match listed.keys().find(outside) {
        Some(name) => Err(data(&path, format_args!("expected names of files in this folder, found \"{name}\""))),
        None => Ok(listed),
    }
}

/// All files below a folder, by their names relative to it, with `/` between the parts.
fn walk(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for name in names(folder)? {
        let path = folder.join(&name);
        let name = name.to_str().ok_or_else(|| data(&path, "expected a file name in UTF-8"))?;
        if path.is_dir() && !path.is_symlink() {
            files.extend(walk(&path)?.into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            files.push(name.to_string());
        }
    }
    Ok(files)
}

/// The names in a folder, sorted; none if it is not there.
fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(|e| Error::read(folder, &e))?,
    };
    let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
    names.iter_mut().for_each(|names| names.sort());
    names.map_err(|e| Error::read(folder, &e))
}

/// Removes a file, a link or a folder with all it holds, if it is there.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io(format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Brings the names in a folder to the disk; Windows has no such call and needs none.
fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| Error::write(folder, &e))
}

fn cannot_create(path: &Path, error: &io::Error) -> Error {
    Error::Output(format!("cannot create {}: {error}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file below a folder with its content, hidden ones included.
    fn content(folder: &Path) -> Vec<(String, String)> {
        let read = |name: String| (name.clone(), fs::read_to_string(folder.join(name)).unwrap());
        walk(folder).unwrap().into_iter().filter(|name| !name.ends_with(MARKER)).map(read).collect()
    }

    fn is(folder: &Path, expected: &[(&str, &str)]) -> bool {
        content(folder) == expected.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect::<Vec<_>>()
    }

    /// Commits a folder of two files that say `text`.
    fn commit(target: &Path, text: &str) -> Result<()> {
        commit_folder(target, |folder| {
            fs::create_dir(folder.join("inner")).unwrap();
            fs::write(folder.join("inner/b"), text).unwrap();
            write_file(&folder.join("a"), text.as_bytes())
        })
    }

    #[test]
    fn a_commit_creates_and_replaces() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("new/best");
        for text in ["one", "two", "three"] {
            commit(&target, text).unwrap();
            assert!(is(&target, &[("a", text), ("inner/b", text)]));
            assert!(is_complete(&target));
            verify(&target).unwrap();
            assert_eq!(names(target.parent().unwrap()).unwrap(), ["best"]);
        }
    }

    #[test]
    fn a_failure_leaves_the_old_folder() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("best");
        let fail = |folder: &Path| {
            fs::write(folder.join("a"), "half").unwrap();
            Err(Error::Io("disk full".into()))
        };
        assert_eq!(commit_folder(&target, fail).unwrap_err().message(), "disk full");
        assert_eq!(names(parent.path()).unwrap().len(), 0);
        commit(&target, "one").unwrap();
        assert_eq!(commit_folder(&target, fail).unwrap_err().message(), "disk full");
        assert!(is(&target, &[("a", "one"), ("inner/b", "one")]));
        let panic = std::panic::catch_unwind(|| commit_folder(&target, |_| panic!("stopped on purpose")));
        assert!(panic.is_err());
        verify(&target).unwrap();
        assert_eq!(names(parent.path()).unwrap(), ["best"]);
    }

    #[test]
    fn what_others_wrote_is_never_lost() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("best");
        fs::create_dir(&target).unwrap();
        commit(&target, "one").unwrap();
        fs::write(target.join("notes.txt"), "mine").unwrap();
        commit(&target, "two").unwrap();
        assert!(is(&target, &[("a", "two"), ("inner/b", "two")]));
        let kept = parent.path().join("best.kept-1");
        assert!(is(&kept, &[("a", "one"), ("inner/b", "one"), ("notes.txt", "mine")]));

        fs::remove_file(kept.join(MARKER)).unwrap();
        let error = commit(&kept, "three").unwrap_err();
        assert!(error.exit_code() == 73 && error.message().contains("without COMPLETE"), "{error}");
        let error = commit(&kept.join("notes.txt"), "three").unwrap_err();
        assert!(error.exit_code() == 73 && error.message().contains("found a file"), "{error}");
        assert_eq!(commit(Path::new("/"), "four").unwrap_err().exit_code(), 73);
        assert_eq!(commit(&kept.join("notes.txt/x"), "four").unwrap_err().exit_code(), 73);
    }

    #[test]
    fn damage_is_named() {
        type Damage = fn(&Path);
        let cases: &[(&str, Damage, &[&str], u8, bool)] = &[
            ("a changed byte", |f| fs::write(f.join("inner/b"), "onf").unwrap(), &["inner/b", "SHA-256"], 65, true),
            (
                "a cut file",
                |f| fs::write(f.join("a"), "on").unwrap(),
                &["a: damaged", "expected 3", "found 2"],
                65,
                false,
            ),
            ("a missing file", |f| fs::remove_file(f.join("a")).unwrap(), &["cannot read", "/a"], 66, false),
            ("no marker", |f| fs::remove_file(f.join(MARKER)).unwrap(), &[MARKER], 66, false),
            ("a cut marker", |f| fs::write(f.join(MARKER), "{").unwrap(), &[MARKER, "line 1"], 65, false),
            (
                "a marker that points outside",
                |f| fs::write(f.join(MARKER), r#"{"../x":{"bytes":0,"sha256":""}}"#).unwrap(),
                &[MARKER, "\"../x\""],
                65,
                false,
            ),
        ];
        for (case, damage, says, exit_code, seems_complete) in cases {
            let parent = tempfile::tempdir().unwrap();
            let target = parent.path().join("best");
            commit(&target, "one").unwrap();
            damage(&target);
            assert_eq!(is_complete(&target), *seems_complete, "{case}");
            let error = verify(&target).expect_err(case);
            assert_eq!(error.exit_code(), *exit_code, "{case}: {error}");
            for part in *says {
                assert!(error.message().contains(part), "{case}: expected \"{part}\" in: {error}");
            }
        }
    }

    /// The states in which a killed process can leave a folder, and what is there after cleaning up.
    #[test]
    fn a_killed_process_leaves_nothing_half_done() {
        type Left = &'static [(&'static str, &'static str)];
        // No process has so high a number.
        const TMP: &str = ".best.rxlt-tmp-4294967295-00000000000000aa-0";
        const OLD: &str = ".best.rxlt-old-4294967295-00000000000000aa-1";
        const OTHERS: &[&str] = &[".draft.tmp-1", ".notes.old-2025"];
        const NEARLY: &[&str] = &[".best.rxlt-tmp-7-12-0", ".best.rxlt-tmp-x"];
        let cases: &[(&str, Left, &[&str], Option<&str>)] = &[
            ("while filling, nothing before", &[(TMP, "new")], &[], None),
            ("while filling", &[("best", "old"), (TMP, "new")], &["best"], Some("old")),
            ("between the renames", &[(OLD, "old"), (TMP, "new")], &["best"], Some("old")),
            ("after the renames", &[("best", "new"), (OLD, "old")], &["best"], Some("new")),
            ("names of others", &[(".draft.tmp-1", "a"), (".notes.old-2025", "b")], OTHERS, None),
            ("nearly ours", &[(".best.rxlt-tmp-7-12-0", "a"), (".best.rxlt-tmp-x", "b")], NEARLY, None),
        ];
        for (case, before, after, best) in cases {
            let parent = tempfile::tempdir().unwrap();
            for (name, text) in *before {
                commit(&parent.path().join(name), text).unwrap();
            }
            clean(parent.path()).unwrap();
            assert_eq!(names(parent.path()).unwrap(), *after, "{case}");
            if let Some(text) = best {
                verify(&parent.path().join("best")).unwrap();
                assert!(is(&parent.path().join("best"), &[("a", text), ("inner/b", text)]), "{case}");
            }
        }
        assert_eq!(clean(Path::new("no-such-folder")).unwrap(), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("metrics.json");
        for text in ["{}", "", "{\"loss\": 1}"] {
            write_file(&path, text.as_bytes()).unwrap();
            assert!(is(parent.path(), &[("metrics.json", text)]));
        }
        // Of this process's number, but of another that had it before.
        let stale = parent.path().join(format!(".metrics.json.rxlt-tmp-{}-{:016x}-3", process::id(), !token()));
        let at_work = Place::of(&path).unwrap().beside(Role::Filling);
        for path in [&stale, &at_work] {
            fs::write(path, "half").unwrap();
        }
        assert_eq!(clean(parent.path()).unwrap(), [stale]);
        fs::remove_file(at_work).unwrap();
        assert!(is(parent.path(), &[("metrics.json", "{\"loss\": 1}")]));
        assert_eq!(write_file(&parent.path().join("no/such"), b"").unwrap_err().exit_code(), 73);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_modes_follow_the_umask() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let parent = tempfile::tempdir().unwrap();
        let [real, link] = ["real", "link"].map(|name| parent.path().join(name));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        commit(&link, "one").unwrap();
        assert!(link.is_symlink());
        assert!(is(&real, &[("a", "one"), ("inner/b", "one")]));
        let plain = parent.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&real.join("a")), mode(&plain));
        assert_eq!(mode(&real.join(MARKER)), mode(&plain));
    }

    #[test]
    fn hashes_are_those_of_the_standard() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_file(file.path()).unwrap(), abc);
    }
}
