//! How the files of a task are read: one line each.

use std::path::Path;

use super::{
    Columns, Kind, Layout, Row, Task, TextFile, parquet, records, squad,
    table::{self, Found, Table},
    words, xsid,
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
    /// Objects, one a line: rows of a table, sentences of words and tags, or questions.
    Records,
    /// Texts with a label, of which nothing needs naming.
    Rows(fn(&TextFile) -> Result<Vec<Row>>),
    /// Sentences whose words have a tag each.
    Words(fn(&TextFile) -> Result<Vec<Row>>),
    /// Questions with the texts that answer them.
    Questions(fn(&TextFile) -> Result<Vec<Row>>),
}

impl Format {
    /// What can be done with what it holds.
    pub fn kinds(&self) -> &'static [Kind] {
        match self.read {
            Read::Table(_) => &[Kind::Classify, Kind::Choose],
            Read::Records => &[Kind::Classify, Kind::Choose, Kind::Tag, Kind::Span],
            Read::Rows(_) => &[Kind::Classify],
            Read::Words(_) => &[Kind::Tag],
            Read::Questions(_) => &[Kind::Span],
        }
    }

    /// Whether it holds what a kind of task needs.
    pub fn is_for(&self, kind: Kind) -> bool {
        self.kinds().contains(&kind)
    }

    /// Whether it has columns that a layout may name.
    pub fn has_columns(&self) -> bool {
        matches!(self.read, Read::Table(_) | Read::Records)
    }

    /// Opens a file of it.
    pub fn open(&self, path: &Path) -> Result<TextFile> {
        if self.name == PARQUET { parquet::read(path) } else { TextFile::read(path) }
    }

    /// What can be done with this file of it.
    pub fn kind_of(&self, file: &TextFile) -> Kind {
        if matches!(self.read, Read::Records) { records::kind_of(file) } else { self.kinds()[0] }
    }

    /// The rows of a file.
    pub fn rows(&self, file: &TextFile, task: &Task, layout: &Layout) -> Result<Vec<Row>> {
        match self.read {
            Read::Table(read) => read(file)?.rows(file, task, layout),
            Read::Records => match task.kind {
                Kind::Classify | Kind::Choose => table::jsonl(file)?.rows(file, task, layout),
                Kind::Tag => records::words(file, layout),
                Kind::Span => records::questions(file),
            },
            Read::Rows(read) | Read::Words(read) | Read::Questions(read) => read(file),
        }
    }

    /// The texts of a table with a header, labels or not: in the columns that `task` names, else in those of usual names.
    pub fn texts(&self, file: &TextFile, task: Option<&Task>) -> Result<Vec<Row>> {
        let named = task.and_then(|task| task.layouts.iter().map(|layout| layout.columns).find(|c| c.a.is_some()));
        let Some((_, second)) =
            self.columns_of(file)?.sentences.or(named.map(|c| (String::new(), c.b.map(|_| String::new()))))
        else {
            let (place, single, first, second) =
                (file.place(1), table::SINGLE.join(", "), table::FIRST.join(", "), table::SECOND.join(", "));
            return Err(Error::Data(format!(
                "{place}: expected a header with a column of texts ({single}), or of both sentences ({first}; {second})"
            )));
        };
        let columns = named.map_or(Columns::default(), |c| Columns { a: c.a, b: c.b, ..Columns::default() });
        let layout = Layout {
            about: "texts",
            files: &[],
            format: of_path(&file.path).unwrap_or(&FORMATS[0]),
            header: None,
            columns,
        };
        self.rows(file, &Task { pairs: second.is_some(), ..Task::UNDESCRIBED }, &layout)
    }

    /// What a file's first line says of its columns.
    pub fn columns_of(&self, file: &TextFile) -> Result<Found> {
        match self.read {
            Read::Table(read) => Ok(read(file)?.found()),
            Read::Records => Ok(table::jsonl(file)?.found()),
            Read::Rows(_) | Read::Words(_) | Read::Questions(_) => {
                Err(Error::Usage(format!("{}: {} files have no columns", file.path.display(), self.name)))
            }
        }
    }
}

/// The format that is no text.
const PARQUET: &str = "parquet";

/// All of them.
pub const FORMATS: &[Format] = &[
    Format { name: "tsv", endings: &["tsv", "tab"], read: Read::Table(table::tsv) },
    Format { name: "csv", endings: &["csv"], read: Read::Table(table::csv) },
    Format { name: "jsonl", endings: &["jsonl", "ndjson"], read: Read::Records },
    Format { name: PARQUET, endings: &["parquet"], read: Read::Records },
    Format { name: "words", endings: &[], read: Read::Words(words::read_lines) },
    Format { name: "conllu", endings: &["conllu"], read: Read::Words(words::read_conllu) },
    Format { name: "squad", endings: &["json"], read: Read::Questions(squad::read) },
    Format { name: "xsid-blocks", endings: &["conll"], read: Read::Rows(xsid::read_blocks) },
    Format { name: "xsid-lines", endings: &[], read: Read::Rows(xsid::read_lines) },
];

/// The format of this name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// Opens a file as its name says, or as text.
pub fn open(path: &Path) -> Result<TextFile> {
    of_path(path).map_or_else(|| TextFile::read(path), |format| format.open(path))
}

/// The format that a file's name says.
pub fn of_path(path: &Path) -> Option<&'static Format> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    FORMATS.iter().find(|format| format.endings.contains(&ending.as_str()))
}
