//! Files that others wrote: only what is a file is opened, so that nothing waits for a pipe that nobody writes to, or reads
//! a device without end; and the objects in them.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, FileType},
    io::Read,
    path::Path,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Opens a file; folders, pipes and devices are refused.
pub fn open(path: &Path) -> Result<File> {
    let kind = fs::metadata(path).map_err(|error| Error::read(path, &error))?.file_type();
    match kind.is_file() {
        true => File::open(path).map_err(|error| Error::read(path, &error)),
        false => {
            let (path, found) = (path.display(), name_of(kind));
            Err(Error::Data(format!("{path}: expected a file, found {found}; save what it should hold as a file")))
        }
    }
}

/// All bytes of a file, or of a stream that the shell opened for this process, such as `/dev/stdin`.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut file = if is_stream(path) { File::open(path).map_err(|e| Error::read(path, &e))? } else { open(path)? };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| Error::read(path, &error))?;
    Ok(bytes)
}

/// The text of a file in UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::Data(format!("{}: byte {at} is not UTF-8; convert the file to UTF-8", path.display()))
    })
}

/// All bytes of a file that has at most so many, since no file of its kind needs more.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>> {
    let found = open(path)?.metadata().map_err(|error| Error::read(path, &error))?.len();
    if found > most {
        let path = path.display();
        return Err(Error::Data(format!("{path}: expected at most {most} bytes, found {found}; fetch it again")));
    }
    read(path)
}

/// An error where there is nothing of this name.
pub fn check_there(path: &Path) -> Result<()> {
    fs::metadata(path).map(|_| ()).map_err(|error| Error::read(path, &error))
}

/// Whether something is there that is no folder: what is no file either is found, so that opening it says so.
pub fn is_there(path: &Path) -> bool {
    path.exists() && !path.is_dir()
}

/// Whether a path names a descriptor that is open already, which cannot hang when it is opened.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

fn name_of(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    if kind.is_dir() { "a folder" } else { "something else" }
}

/// A JSON object whose keys are all different, where serde would take the last of two.
#[derive(Debug, Default)]
pub(crate) struct Object(pub Map<String, Value>);

impl Object {
    /// The object, if all that it holds is text.
    pub(crate) fn texts(self) -> Result<BTreeMap<String, String>, String> {
        let text = |(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            other => Err(format!("\"{key}\": expected a string, found {other}")),
        };
        self.0.into_iter().map(text).collect()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Object, A::Error> {
                let mut map = Map::new();
                while let Some((key, value)) = entries.next_entry::<String, Value>()? {
                    if map.contains_key(&key) {
                        return Err(A::Error::custom(format!("\"{key}\" stands there twice; keep one of them")));
                    }
                    map.insert(key, value);
                }
                Ok(Object(map))
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_once_in_an_object() {
        let Object(object) = serde_json::from_str(r#"{"b": 1, "a": "x"}"#).unwrap();
        assert_eq!(object.keys().collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(Object(object).texts().unwrap_err(), "\"b\": expected a string, found 1");
        let error = serde_json::from_str::<Object>(r#"{"a": 1, "a": 1}"#).unwrap_err().to_string();
        assert!(error.contains("\"a\" stands there twice; keep one of them"), "{error}");
    }

    #[test]
    fn only_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "text").unwrap();
        assert_eq!(read(&path).unwrap(), b"text");
        assert_eq!(read_text(&path).unwrap(), "text");
        assert_eq!(read_at_most(&path, 4).unwrap(), b"text");
        let error = read_at_most(&path, 3).unwrap_err();
        assert!(error.exit_code() == 65 && error.message().contains("at most 3 bytes, found 4"), "{error}");
        assert_eq!(read(&folder.path().join("none")).unwrap_err().exit_code(), 66);
        let error = read(folder.path()).unwrap_err();
        assert!(error.exit_code() == 65 && error.message().contains("found a folder"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        for (path, found) in [(path.as_path(), "a named pipe"), (Path::new("/dev/zero"), "a device")] {
            let error = read(path).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains(found), "{error}");
        }
    }
}
