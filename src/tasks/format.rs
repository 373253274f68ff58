//! How the files of a task are read: one line each.

use std::path::Path;

use super::{
    Layout, Row, Task, TextFile,
    table::{self, Found, Table},
    xsid,
};
use crate::error::{Error, Result};

/// A format of files.
#[derive(Debug)]
pub struct Format {
    /// What a task's file calls it.
    pub name: &'static str,
    /// The endings of files that are read so unless their layout says otherwise.
    pub endings: &'static [&'static str],
    read: Read,
}

/// Reads a file in order, without judging labels.
#[derive(Debug)]
enum Read {
    /// A table, whose columns the layout may name.
    Table(for<'a> fn(&'a TextFile) -> Result<Table<'a>>),
    /// Rows that need no naming.
    Rows(fn(&TextFile) -> Result<Vec<Row>>),
}

impl Format {
    /// Whether it has columns that a layout may name.
    pub fn has_columns(&self) -> bool {
        matches!(self.read, Read::Table(_))
    }

    /// The rows of a file.
    pub fn rows(&self, file: &TextFile, task: &Task, layout: &Layout) -> Result<Vec<Row>> {
        match self.read {
            Read::Table(read) => read(file)?.rows(file, task, layout),
            Read::Rows(read) => read(file),
        }
    }

    /// What a file's first line says of its columns.
    pub fn columns_of(&self, file: &TextFile) -> Result<Found> {
        match self.read {
            Read::Table(read) => Ok(read(file)?.found()),
            Read::Rows(_) => Err(Error::Usage(format!("{}: {} files have no columns", file.path.display(), self.name))),
        }
    }
}

/// All of them.
pub const FORMATS: &[Format] = &[
    Format { name: "tsv", endings: &["tsv", "tab"], read: Read::Table(table::tsv) },
    Format { name: "csv", endings: &["csv"], read: Read::Table(table::csv) },
    Format { name: "jsonl", endings: &["jsonl", "ndjson"], read: Read::Table(table::jsonl) },
    Format { name: "xsid-blocks", endings: &["conll"], read: Read::Rows(xsid::read_blocks) },
    Format { name: "xsid-lines", endings: &[], read: Read::Rows(xsid::read_lines) },
];

/// The format of this name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The format that a file's name says.
pub fn of_path(path: &Path) -> Option<&'static Format> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    FORMATS.iter().find(|format| format.endings.contains(&ending.as_str()))
}
