//! What is learned and measured: each task is a constant, found by name in [`TASKS`].
//!
//! A task says which labels there are and where its files lie; `load` finds, reads and checks them.

mod codes;
pub mod demo;
mod generalized;
mod load;
pub mod metrics;
pub mod overlap;
mod pawsx;
pub mod predictions;
mod sib200;
mod table;
pub mod tatoeba;
mod text_file;
mod xnli;
mod xsid;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use crate::error::{Error, Result, did_you_mean};

pub use generalized::generalized;
pub use load::{Asked, Survey};
pub use pawsx::PAWSX;
pub use sib200::SIB200;
pub use table::sentences_of_header;
pub use text_file::{TextFile, sha256};
pub use xnli::XNLI;
pub use xsid::XSID;

/// Every task `rxlt` knows.
pub const TASKS: &[&Task] = &[&XNLI, &PAWSX, &XSID, &SIB200, &demo::DEMO];

/// The task of this name.
pub fn find(name: &str) -> Result<&'static Task> {
    TASKS.iter().copied().find(|task| task.name == name).ok_or_else(|| {
        Error::Usage(format!("no task \"{name}\"; {}", did_you_mean(name, TASKS.iter().map(|task| task.name))))
    })
}

/// One task: what is asked, in which languages, and where its files lie.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// Its name on the command line and in recipes.
    pub name: &'static str,
    /// One sentence, with the paper.
    pub about: &'static str,
    /// What is predicted.
    pub kind: Kind,
    /// Whether an example is two sentences rather than one.
    pub pairs: bool,
    /// The language of the training data.
    pub source: &'static str,
    /// The languages measured unless others are named, the source among them.
    pub languages: &'static [&'static str],
    /// Other spellings of labels that releases use, each with the label it stands for.
    pub aliases: &'static [(&'static str, &'static str)],
    /// Why a row does not count, where the release itself says so.
    pub leave_out: fn(&Row) -> Option<&'static str>,
    /// The ways in which the files of this task are known to be laid out.
    pub layouts: &'static [Layout],
}

/// What is predicted for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of these labels; a label's place in the list is its id.
    Classify {
        /// The labels by name.
        labels: &'static [&'static str],
    },
}

/// One way of laying out a task's files in a folder.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Whose layout it is, for messages.
    pub about: &'static str,
    /// Paths under the folder; `{language}` stands for the language, and a path without it holds all languages.
    pub files: &'static [(Split, &'static str)],
    /// How such a file is read.
    pub read: Reader,
}

/// Reads the rows of a file, in order, without judging labels.
pub type Reader = fn(&TextFile, &Task) -> Result<Vec<Row>>;

/// One row of a file as it stands there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: usize,
    /// What joins this row with its translations.
    pub row: usize,
    /// The language, where the file says it.
    pub language: Option<String>,
    /// The (first) sentence.
    pub a: String,
    /// The second sentence of a pair.
    pub b: Option<String>,
    /// The label as written; `None` where the file has no column for it.
    pub label: Option<String>,
}

/// Which part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// What is learned from.
    Train,
    /// What models are selected by.
    Dev,
    /// What is reported.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Dev => "dev",
            Split::Test => "test",
        })
    }
}

/// One example: a sentence or a pair, and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// File and line, such as `test-de:17`.
    pub id: String,
    /// What joins this example with its translations.
    pub row: usize,
    /// The (first) sentence.
    pub a: String,
    /// The second sentence of a pair.
    pub b: Option<String>,
    /// Place of the label in the task's list.
    pub label: Option<usize>,
}

/// A file that was read, for the record of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Rows in it (of the language asked for), before any was left out.
    pub rows: usize,
}

/// All that was read, and what was left out and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The language, or two joined by a hyphen in the generalized setting.
    pub language: String,
    /// The examples in the order of the files.
    pub examples: Vec<Example>,
    /// How many rows were left out, by reason.
    pub dropped: BTreeMap<String, usize>,
    /// Which rows were left out.
    pub dropped_rows: BTreeSet<usize>,
    /// The files read.
    pub files: Vec<Origin>,
    /// Examples per label, in the order of the task's labels.
    pub histogram: Vec<(&'static str, usize)>,
    /// What looks odd without being wrong.
    pub notes: Vec<String>,
}

impl Task {
    /// The labels by name; a label's place is its id.
    pub fn labels(&self) -> &'static [&'static str] {
        let Kind::Classify { labels } = self.kind;
        labels
    }

    /// The id of a label by its name or another spelling of it, in whatever case.
    pub fn label(&self, name: &str) -> Option<usize> {
        let is = |known: &str| known == name || known.to_lowercase() == name.to_lowercase();
        let name = self.aliases.iter().find(|(alias, _)| is(alias)).map_or(name, |(_, label)| label);
        self.labels().iter().position(|label| *label == name || label.to_lowercase() == name.to_lowercase())
    }

    /// The task's own name of a label; another's stays as it is.
    fn official<'a>(&self, name: &'a str) -> &'a str {
        self.label(name).map_or(name, |label| self.labels()[label])
    }

    /// The id of a label, or an error that says `place` and the nearest label.
    fn label_at(&self, place: &str, name: &str) -> Result<usize> {
        self.label(name).ok_or_else(|| {
            let hint = did_you_mean(name, self.labels().iter().copied());
            Error::Data(format!("{place}: \"{name}\" is no label of {}; {hint}", self.name))
        })
    }

    /// How many of the examples carry each label.
    fn histogram(&self, examples: &[Example]) -> Vec<(&'static str, usize)> {
        let count = |id| examples.iter().filter(|example| example.label == Some(id)).count();
        self.labels().iter().enumerate().map(|(id, name)| (*name, count(id))).collect()
    }
}

impl Loaded {
    /// The same without these rows, counted under `reason`: for rows known to be wrong.
    pub fn without_rows(mut self, rows: &BTreeSet<usize>, reason: &str) -> Loaded {
        let before = self.examples.len();
        for example in self.examples.iter().filter(|example| rows.contains(&example.row)) {
            self.dropped_rows.insert(example.row);
            if let Some(label) = example.label {
                self.histogram[label].1 -= 1;
            }
        }
        self.examples.retain(|example| !rows.contains(&example.row));
        if self.examples.len() < before {
            *self.dropped.entry(reason.to_owned()).or_default() += before - self.examples.len();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_consistent() {
        for task in TASKS {
            assert_eq!(find(task.name).unwrap().name, task.name);
            assert!(task.languages.contains(&task.source), "{}", task.name);
            assert!(task.labels().is_sorted() && task.labels().len() > 1, "{}", task.name);
            for (alias, label) in task.aliases {
                assert!(!task.labels().contains(alias) && task.labels().contains(label), "{}: {alias}", task.name);
            }
            for layout in task.layouts {
                assert!(!layout.files.is_empty() && !layout.about.is_empty(), "{}", task.name);
            }
        }
        assert_eq!(
            find("xnil").unwrap_err().message(),
            "no task \"xnil\"; did you mean \"xnli\"? (known: xnli, pawsx, xsid, sib200, demo)"
        );
    }

    #[test]
    fn labels_are_found_by_every_spelling() {
        for (task, name, id) in [
            (&XNLI, "contradiction", Some(0)),
            (&XNLI, "contradictory", Some(0)),
            (&XNLI, "neutral", Some(2)),
            (&XNLI, "Neutral", Some(2)),
            (&XNLI, "neutrality", None),
            (&PAWSX, "1", Some(1)),
            (&XSID, "GetWeather", XSID.label("weather/find")),
        ] {
            assert_eq!(task.label(name), id, "{} {name}", task.name);
        }
    }
}
