//! How the files of a task are read: one line each.

use std::path::Path;

use super::{
    Column, Columns, Kind, Layout, Row, Task, TextFile, parquet, pool, records,
    retrieval::{self, Place, Retrieval},
    squad,
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
    /// Sentences whose words have a tag each, in the column that the layout may name.
    Words(fn(&TextFile, Option<&Column>) -> Result<Vec<Row>>),
    /// Questions with the texts that answer them.
    Questions(fn(&TextFile) -> Result<Vec<Row>>),
    /// Files of two languages, side by side, by the path of one and the code of its language.
    Sides(fn(&Path, &str) -> Result<Retrieval>),
    /// Questions or mentions of several languages that look among the same candidates.
    Pool(fn(&Task, &[Place]) -> Result<Vec<Retrieval>>),
}

impl Format {
    /// What can be done with what it holds.
    pub fn kinds(&self) -> &'static [Kind] {
        match self.read {
            Read::Table(_) => &[Kind::Classify, Kind::Choose, Kind::Rank],
            Read::Records => &[Kind::Classify, Kind::Choose, Kind::Rank, Kind::Tag, Kind::Span],
            Read::Rows(_) => &[Kind::Classify],
            Read::Words(_) => &[Kind::Tag],
            Read::Questions(_) => &[Kind::Span],
            Read::Sides(_) | Read::Pool(_) => &[Kind::Retrieve],
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

    /// Which columns of tags a layout may name, in words; none: it has none.
    pub fn tag_columns(&self) -> Option<&'static str> {
        match (&self.read, self.name) {
            (Read::Words(_), WORDS) => Some("label, by number from 1"),
            (Read::Words(_), _) => {
                Some("label: xpos, deprel, another column, a feature such as Case, or a number from 1")
            }
            _ => None,
        }
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
        if let Some(table) = self.table(file, task.kind) {
            return table?.rows(file, task, layout);
        }
        match self.read {
            Read::Records if task.kind == Kind::Tag => records::words(file, layout),
            Read::Records | Read::Table(_) => records::questions(file),
            Read::Rows(read) | Read::Questions(read) => read(file),
            Read::Words(read) => read(file, layout.columns.label.as_ref()),
            Read::Sides(_) | Read::Pool(_) => Err(Error::Usage(format!(
                "{}: {} is retrieval, for which nothing is trained: rxlt eval --task {} measures an encoder",
                file.path.display(),
                task.name,
                task.name
            ))),
        }
    }

    /// What is looked for at places of one layout and pattern.
    pub(super) fn retrievals(&self, task: &Task, places: &[Place]) -> Result<Vec<Retrieval>> {
        let of_sides = |read: fn(&Path, &str) -> Result<Retrieval>, place: &Place| {
            let found = read(&place.path(&place.code), &place.code)?;
            Ok(Retrieval { language: place.language.clone(), ..found })
        };
        match self.read {
            Read::Sides(read) => places.iter().map(|place| of_sides(read, place)).collect(),
            Read::Pool(read) => read(task, places),
            _ => {
                let path = places[0].path(&places[0].code);
                Err(Error::Usage(format!("{}: in {} files nothing is looked for", path.display(), self.name)))
            }
        }
    }

    /// Why nothing can be measured at a place, if there is a reason beside its files.
    pub(super) fn unmeasurable(&self, place: &Place) -> Result<Option<String>> {
        if self.has_candidates() { pool::without_labels(place) } else { Ok(None) }
    }

    /// Whether candidates stand in a file of their own, which a layout has to name.
    pub fn has_candidates(&self) -> bool {
        self.name == MENTIONS
    }

    /// The languages of a file that holds several, where its rows are not those of a table.
    pub(super) fn languages_inside(&self, path: &Path) -> Option<Result<Vec<String>>> {
        self.has_candidates().then(|| pool::languages(path))
    }

    /// The same, where words need no tags and tables no labels.
    pub(super) fn rows_unlabelled(&self, file: &TextFile, task: &Task, layout: &Layout) -> Result<Vec<Row>> {
        match self.table(file, task.kind) {
            Some(table) => table?.rows_unlabelled(file, task, layout),
            None if self.name == WORDS => words::read_words(file, layout.columns.label.as_ref()),
            None => self.rows(file, task, layout),
        }
    }

    /// The file as a table, where a kind of task reads it so.
    fn table<'a>(&self, file: &'a TextFile, kind: Kind) -> Option<Result<Table<'a>>> {
        match self.read {
            Read::Table(read) => Some(read(file)),
            Read::Records => (![Kind::Tag, Kind::Span].contains(&kind)).then(|| table::jsonl(file)),
            _ => None,
        }
    }

    /// The texts of a table with a header, labels or not: in the columns that `task` names, else in those of usual names.
    pub fn texts(&self, file: &TextFile, task: Option<&Task>) -> Result<Vec<Row>> {
        let found = self.columns_of(file)?;
        // Where a file has other names than the task's own files, usual ones will do.
        let is_there = |columns: &Columns| match columns.a {
            Some(Column::Name(name)) => found.names.iter().any(|other| other.eq_ignore_ascii_case(name)),
            _ => true,
        };
        let columns = task.into_iter().flat_map(|task| task.layouts).map(|layout| layout.columns);
        let named = columns.filter(|c| c.a.is_some()).find(|c| found.sentences.is_none() || is_there(c));
        let Some((_, second)) = found.sentences.or(named.map(|c| (String::new(), c.b.map(|_| String::new())))) else {
            let (place, single, first, second) =
                (file.place(1), table::SINGLE.join(", "), table::FIRST.join(", "), table::SECOND.join(", "));
            return Err(Error::Data(format!(
                "{place}: expected a header with a column of texts ({single}), or of both sentences ({first}; {second})"
            )));
        };
        let columns =
            named.map_or(Columns::default(), |c| Columns { a: c.a, b: c.b, more: c.more, ..Columns::default() });
        let layout = Layout {
            about: "texts",
            files: &[],
            format: of_path(&file.path).unwrap_or(&FORMATS[0]),
            header: None,
            columns,
            candidates: None,
        };
        self.rows(file, &Task { pairs: second.is_some(), ..Task::UNDESCRIBED }, &layout)
    }

    /// What a file's first line says of its columns.
    pub fn columns_of(&self, file: &TextFile) -> Result<Found> {
        match self.table(file, Kind::Classify) {
            Some(table) => Ok(table?.found()),
            None => Err(Error::Usage(format!("{}: {} files have no columns", file.path.display(), self.name))),
        }
    }
}

/// The format of which words may stand alone.
const WORDS: &str = "words";
/// The format whose candidates are entities in another file.
const MENTIONS: &str = "mentions";
/// The format that is no text.
const PARQUET: &str = "parquet";

/// All of them.
pub const FORMATS: &[Format] = &[
    Format { name: "tsv", endings: &["tsv", "tab"], read: Read::Table(table::tsv) },
    Format { name: "csv", endings: &["csv"], read: Read::Table(table::csv) },
    Format { name: "jsonl", endings: &["jsonl", "ndjson"], read: Read::Records },
    Format { name: PARQUET, endings: &["parquet"], read: Read::Records },
    Format { name: WORDS, endings: &["conll"], read: Read::Words(words::read_lines) },
    Format { name: "conllu", endings: &["conllu"], read: Read::Words(words::read_conllu) },
    Format { name: "squad", endings: &["json"], read: Read::Questions(squad::read) },
    Format { name: "bitext", endings: &[], read: Read::Sides(retrieval::bitext) },
    Format { name: "comparable", endings: &[], read: Read::Sides(retrieval::comparable) },
    Format { name: "passages", endings: &[], read: Read::Pool(pool::passages) },
    Format { name: MENTIONS, endings: &[], read: Read::Pool(pool::mentions) },
    Format { name: "xsid-blocks", endings: &["conll"], read: Read::Rows(xsid::read_blocks) },
    Format { name: "xsid-lines", endings: &[], read: Read::Rows(xsid::read_lines) },
];

/// The format of this name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The format that a file's name says, of those for a kind of task where several end so.
pub fn of_path_for(path: &Path, kind: Kind) -> Option<&'static Format> {
    let first = of_path(path)?;
    let same_ending = |format: &&Format| format.endings.iter().any(|ending| first.endings.contains(ending));
    FORMATS.iter().filter(same_ending).find(|format| format.is_for(kind)).or(Some(first))
}

/// The format of a .conll file, which its lines say: xSID's say `# intent = …` first, CoNLL-U's have ten columns.
pub(super) fn of_conll(format: &'static Format, file: &TextFile) -> &'static Format {
    let is_conll = file.path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("conll"));
    let mut first = file.lines().map(|(_, line)| line).take_while(|line| !line.trim().is_empty());
    let says = |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.trim_start().starts_with("intent"));
    let ten = |line: &str| line.split('\t').count() == 10 && line.starts_with(|first: char| first.is_ascii_digit());
    let found = first.find_map(|line| match (says(line), ten(line)) {
        (true, _) => find("xsid-blocks"),
        (_, true) => find("conllu"),
        _ => None,
    });
    found.filter(|_| is_conll).unwrap_or(format)
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
