//! A text file in memory: UTF-8 checked, byte order mark and carriage returns taken off, hashed.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    input,
};

/// With what a Parquet file begins and ends.
pub(super) const PARQUET: &[u8] = b"PAR1";

/// How files begin that are no text in UTF-8, what they are, and what is to be done.
const OTHERS: [(&[u8], &str, &str); 8] = [
    (PARQUET, "Parquet", "give it the ending .parquet, or name the format in the task's file"),
    (b"\x1f\x8b", "a file compressed by gzip", UNPACK),
    (b"BZh", "a file compressed by bzip2", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a file compressed by Zstandard", UNPACK),
    (b"\xfd7zXZ", "a file compressed by xz", UNPACK),
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"\xff\xfe", "UTF-16", "convert the file to UTF-8"),
    (b"\xfe\xff", "UTF-16", "convert the file to UTF-8"),
];
const UNPACK: &str = "unpack it first";

/// A text file, its lines and its hash.
#[derive(Debug, Clone)]
pub struct TextFile {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    text: String,
    /// Rows of a table in parts that stand in the parts before this one.
    before: usize,
}

impl TextFile {
    /// Reads a file; an empty one or one that is not UTF-8 is an error.
    pub fn read(path: &Path) -> Result<TextFile> {
        let bytes = input::read(path)?;
        if let Some((_, found, remedy)) = OTHERS.iter().find(|(start, ..)| bytes.starts_with(start)) {
            return Err(Error::Data(format!("{}: expected text in UTF-8, found {found}; {remedy}", path.display())));
        }
        let sha256 = sha256(&bytes);
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count();
            let found = error.as_bytes()[offset];
            Error::Data(format!(
                "{}:{line}: not UTF-8: byte {found:#04x} at offset {offset}; convert the file to UTF-8",
                path.display()
            ))
        })?;
        TextFile::of_rows(path, sha256, text)
    }

    /// A text that ships, as if it lay in a file.
    pub fn built_in(name: &str, text: &str) -> Result<TextFile> {
        TextFile::of_rows(Path::new(name), sha256(text.as_bytes()), text.to_owned())
    }

    /// What a file of this hash holds, a line each.
    pub(super) fn of_rows(path: &Path, sha256: String, text: String) -> Result<TextFile> {
        let file = TextFile { path: path.to_owned(), sha256, text, before: 0 };
        if file.lines().next().is_none() {
            return Err(Error::Data(format!("{} is empty; fetch or write it again", path.display())));
        }
        Ok(file)
    }

    /// The same as a part of a table, behind so many rows: its own are counted on from there.
    pub(super) fn behind(self, before: usize) -> TextFile {
        TextFile { before, ..self }
    }

    /// The text without a byte order mark.
    pub(super) fn text(&self) -> &str {
        self.text.strip_prefix('\u{feff}').unwrap_or(&self.text)
    }

    /// The lines with their numbers, from 1 where it is no later part of a table; empty lines at the end are not lines.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = self.text().trim_end_matches(['\r', '\n']);
        let lines = (!text.is_empty()).then(|| text.split('\n')).into_iter().flatten();
        lines.enumerate().map(|(i, line)| (self.before + i + 1, line.strip_suffix('\r').unwrap_or(line)))
    }

    /// `path:line`, as messages name a place; the line is this file's own.
    pub fn place(&self, line: usize) -> String {
        format!("{}:{}", self.path.display(), self.own_line(line))
    }

    /// The line in this file that has this number in its table.
    pub(super) fn own_line(&self, line: usize) -> usize {
        line.checked_sub(self.before).filter(|own| *own > 0).unwrap_or(line)
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The beginning of a line, for messages.
pub(super) fn excerpt(line: &str) -> String {
    let start: String = line.chars().take(60).collect();
    let more = if start.len() < line.len() { "…" } else { "" };
    format!("{start:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, Result<TextFile>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.tsv");
        fs::write(&path, bytes).unwrap();
        let file = TextFile::read(&path);
        (folder, file)
    }

    #[test]
    fn marks_and_line_ends_are_taken_off() {
        let cases = [
            (&b"a\nb\n"[..], &[(1, "a"), (2, "b")][..]),
            (b"\xef\xbb\xbfa\r\n\r\nb", &[(1, "a"), (2, ""), (3, "b")]),
            (b"a\tb\r\n\n\r\n", &[(1, "a\tb")]),
            ("a\u{2028}b\u{85}c\n".as_bytes(), &[(1, "a\u{2028}b\u{85}c")]),
        ];
        for (bytes, lines) in cases {
            assert_eq!(written(bytes).1.unwrap().lines().collect::<Vec<_>>(), lines);
        }
    }

    #[test]
    fn broken_files_are_refused() {
        let cases: [(&[u8], &str); 6] = [
            (b"", "f.tsv is empty; fetch or write it again"),
            (b"\xef\xbb\xbf\r\n", "f.tsv is empty; fetch or write it again"),
            (b"a\nb\xff\n", "f.tsv:2: not UTF-8: byte 0xff at offset 3; convert the file to UTF-8"),
            (b"\x1f\x8b\x08", "f.tsv: expected text in UTF-8, found a file compressed by gzip; unpack it first"),
            (b"\xff\xfea\0", "f.tsv: expected text in UTF-8, found UTF-16; convert the file to UTF-8"),
            (b"a\n\xed\xa0\x80", "f.tsv:2: not UTF-8: byte 0xed at offset 2; convert the file to UTF-8"),
        ];
        for (bytes, end) in cases {
            let error = written(bytes).1.unwrap_err();
            assert!(matches!(error, Error::Data(_)) && error.message().ends_with(end), "{error}");
        }
        assert!(matches!(TextFile::read(Path::new("/no/such/file")), Err(Error::Missing(_))));
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
