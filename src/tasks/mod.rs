//! What is learned and measured: a task is a file of `tasks/`, or one of the user's own, found by its name.
//!
//! A task says which labels there are, where its files lie and in which format; `load` finds, reads and checks them.

mod answers;
mod cluster;
pub(crate) mod codes;
pub mod definition;
pub mod demo;
pub mod format;
mod generalized;
pub(crate) mod gold;
mod joined;
pub mod keys;
mod labels;
mod listed;
mod load;
pub mod metrics;
pub mod overlap;
pub mod own;
mod parquet;
mod parts;
mod pool;
pub mod predictions;
pub mod retrieval;
mod records;
mod squad;
mod table;
mod text_file;
mod words;
mod written;
mod xsid;

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use crate::{
    error::{Error, Result, did_you_mean},
    input,
};

pub use cluster::{Cluster, Joined, unify};
pub use definition::{Definition, Judged};
pub use format::Format;
pub use generalized::generalized;
pub use joined::{apart, join_languages, joined_by};
pub use listed::Wanted;
pub use load::{Asked, Survey};
pub use table::sentences_of_header;
pub use text_file::{TextFile, sha256};

/// Every file of `tasks/` without its ending, and its text; listed by build.rs.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/tasks.rs"));

/// The tasks that ship, the generated one last.
static SHIPPED: LazyLock<Vec<&'static Task>> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| match Definition::parse(text, &format!("tasks/{name}.toml")) {
        Ok(definition) => definition.leak(),
        Err(error) => panic!("{error}"),
    };
    FILES.iter().map(read).chain([&demo::DEMO]).collect()
});

/// The tasks of the user's own that this process has met; they stay, as those that ship do.
static OWN: Mutex<Vec<(Definition, &'static Task)>> = Mutex::new(Vec::new());

/// Every task that this process knows.
pub fn all() -> Vec<&'static Task> {
    let own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    SHIPPED.iter().copied().chain(own.iter().map(|(_, task)| *task)).collect()
}

/// The task of this name that ships.
///
/// # Panics
/// If there is none.
pub fn shipped(name: &str) -> &'static Task {
    SHIPPED.iter().copied().find(|task| task.name == name).unwrap_or_else(|| panic!("no task \"{name}\" ships"))
}

/// The task of this name, or of this file where the name ends in `.toml`.
pub fn find(name: &str) -> Result<&'static Task> {
    if name.ends_with(".toml") {
        return register(&Definition::parse(&input::read_text(Path::new(name))?, name)?);
    }
    let known = all();
    known.iter().copied().find(|task| task.name == name).ok_or_else(|| {
        let hint = did_you_mean(name, known.iter().map(|task| task.name));
        Error::Usage(format!("no task \"{name}\"; {hint}; a file of yours ends in .toml"))
    })
}

/// The text of the file of a task that ships.
pub fn file_of(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text)
}

/// What a user's own task is made of; nothing of one that ships.
pub fn definition_of(name: &str) -> Option<Definition> {
    let own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    own.iter().find(|(definition, _)| definition.name == name).map(|(definition, _)| definition.clone())
}

/// Makes a user's own task known by its name. One that ships, or another one, cannot be called so too.
pub fn register(definition: &Definition) -> Result<&'static Task> {
    definition.check().map_err(|problem| Error::Config(format!("task \"{}\": {problem}", definition.name)))?;
    let twice = |whose: &str| {
        let name = &definition.name;
        Err(Error::Config(format!("two tasks are called \"{name}\", this one and {whose}; give it another name")))
    };
    if SHIPPED.iter().any(|task| task.name == definition.name) {
        return twice("one that ships");
    }
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    match own.iter().find(|(known, _)| known.name == definition.name) {
        Some((known, task)) if known == definition => Ok(task),
        Some((known, _)) => twice(&format!(
            "one that a run or a model keeps and \"{}\" without .toml names; they differ in {}",
            known.name,
            different(known, definition),
        )),
        None => {
            let task = definition.leak();
            own.push((definition.clone(), task));
            Ok(task)
        }
    }
}

/// The keys in which two definitions differ.
fn different(a: &Definition, b: &Definition) -> String {
    let [a, b] = [a, b].map(|one| serde_json::to_value(one).unwrap_or_default());
    let keys = a.as_object().into_iter().chain(b.as_object()).flatten().map(|(key, _)| key.as_str());
    let keys: BTreeSet<&str> = keys.filter(|key| a[*key] != b[*key]).collect();
    keys.into_iter().collect::<Vec<_>>().join(", ")
}

/// One task: what is asked, in which languages, and where its files lie.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// Its name on the command line and in recipes.
    pub name: &'static str,
    /// One sentence, with the paper.
    pub about: &'static str,
    /// What is done with an example.
    pub kind: Kind,
    /// What a classifier's outputs are.
    pub problem_type: ProblemType,
    /// How texts are found, where they are.
    pub search: Option<Search>,
    /// The labels by name; a label's place in the list is its id.
    pub labels: &'static [&'static str],
    /// What stands before alternatives, by what the second column says: a question that is asked in words.
    pub prompts: &'static [(&'static str, &'static str)],
    /// Whether an example is two sentences rather than one.
    pub pairs: bool,
    /// What joins items that are not independent.
    pub cluster: Option<Cluster>,
    /// Whether rows of one id or line are translations of each other.
    pub parallel: bool,
    /// The language of the training data.
    pub source: &'static str,
    /// The languages measured unless others are named, the source among them.
    pub languages: &'static [&'static str],
    /// Other spellings of labels that releases use, each with the label it stands for.
    pub aliases: &'static [(&'static str, &'static str)],
    /// Rows that do not count.
    pub left_out: &'static [LeftOut],
    /// The ways in which the files of this task are known to be laid out.
    pub layouts: &'static [Layout],
}

/// What is done with an example; `kinds` says how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Labels, or a number, for a sentence or a pair: [`ProblemType`] says which.
    #[default]
    Classify,
    /// A label for each word.
    Tag,
    /// The part of a text that answers a question.
    Span,
    /// One of several alternatives.
    Choose,
    /// How good each of the results of a query is, by which they are ranked.
    Rank,
    /// Texts that are found by their vectors: [`Search`] says how. Nothing is trained for it.
    Retrieve,
}

/// How texts are found among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// The nearest is what is found; exactly one is right.
    Nearest,
    /// Pairs are mined, of which most texts have none.
    Mine,
    /// The nearest are ranked; one or several are right.
    Rank,
}

/// What a classifier's outputs are, under transformers' names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemType {
    /// One of the labels holds.
    #[default]
    SingleLabelClassification,
    /// Each label holds or does not.
    MultiLabelClassification,
    /// There are no labels, but a number.
    Regression,
}

/// Rows that do not count, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// What of a row is looked at.
    pub judged: Judged,
    /// The texts of which one is enough.
    pub is: &'static [&'static str],
    /// What is said of them.
    pub reason: &'static str,
}

/// One way of laying out a task's files in a folder.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Whose layout it is, for messages.
    pub about: &'static str,
    /// Paths under the folder; `{language}` stands for the language, and a path without it holds all languages.
    pub files: &'static [(Split, &'static str)],
    /// How such a file is read.
    pub format: &'static Format,
    /// Whether tables have a header; found out where it does not say.
    pub header: Option<bool>,
    /// Where tables keep what.
    pub columns: Columns,
    /// The path of what is looked among, where that is a file of its own.
    pub candidates: Option<&'static str>,
}

/// Where a table keeps what, as far as a layout says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Columns {
    /// The (first) sentence.
    pub a: Option<Column>,
    /// The second sentence of a pair.
    pub b: Option<Column>,
    /// What is joined to the second sentence, in this order.
    pub more: &'static [Column],
    /// The label.
    pub label: Option<Column>,
    /// The language of the row.
    pub language: Option<Column>,
    /// What joins a row with its translations.
    pub id: Option<Column>,
    /// The alternatives to choose from.
    pub choices: &'static [Column],
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// By the name in the header, in whatever case.
    Name(&'static str),
    /// By its place, from 1.
    Number(usize),
}

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
    /// The words with their tags, in a file of such.
    pub words: Vec<Word>,
    /// The alternatives, in a file of such.
    pub choices: Vec<String>,
    /// What answers the question, in a file of such: `a` is the question, `b` the text.
    pub answers: Vec<Answer>,
    /// What the file calls it.
    pub key: Option<String>,
}

/// An answer that stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its words.
    pub text: String,
    /// At which byte of the text it begins.
    pub start: usize,
}

/// A word with its tag as they stand in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// Line in the file, from 1.
    pub line: usize,
    /// The word.
    pub text: String,
    /// Its tag as written.
    pub tag: String,
}

/// Which part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// One example: a sentence or a pair, and what is right of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Example {
    /// File and line, such as `test-de:17`.
    pub id: String,
    /// What joins this example with its translations.
    pub row: usize,
    /// The row of the first item of its cluster, in tasks whose items come in such.
    pub cluster: Option<usize>,
    /// The (first) sentence.
    pub a: String,
    /// The second sentence of a pair.
    pub b: Option<String>,
    /// Place of the label in the task's list.
    pub label: Option<usize>,
    /// Its words, where each has a tag; `a` is all of them.
    pub words: Vec<Tagged>,
    /// Places of all labels that hold, where several may.
    pub holds: Vec<usize>,
    /// The number that is right.
    pub number: Option<f64>,
    /// The alternatives, of which the label says the right one.
    pub choices: Vec<String>,
    /// What answers the question `a` in the text `b`; any of them is right.
    pub answers: Vec<Answer>,
    /// What the data call it, in files that name their examples.
    pub key: Option<String>,
}

/// A word of an example, and its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The word.
    pub text: String,
    /// Place of the tag in the task's list.
    pub label: Option<usize>,
}

impl Example {
    /// Its texts for people: one or two, and alternatives.
    pub fn text(&self) -> String {
        self.texts().collect::<Vec<_>>().join(" | ")
    }

    /// The same one by one.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        [Some(&self.a), self.b.as_ref()].into_iter().flatten().chain(&self.choices).map(String::as_str)
    }

    /// What is answered: the example itself, or each of its words as one, `test-de:17.3` for the third.
    pub fn answered(&self) -> Vec<Example> {
        if self.words.is_empty() {
            return vec![self.clone()];
        }
        let word = |(i, word): (usize, &Tagged)| Example {
            id: format!("{}.{}", self.id, i + 1),
            row: self.row,
            a: word.text.clone(),
            label: word.label,
            ..Example::default()
        };
        self.words.iter().enumerate().map(word).collect()
    }

    /// All labels that it carries: its own, those that hold, or those of its words.
    pub fn labels(&self) -> impl Iterator<Item = usize> {
        let of_words = self.words.iter().filter_map(|word| word.label);
        self.label.into_iter().chain(self.holds.iter().copied()).chain(of_words)
    }
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
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The language, or two joined by a hyphen in the generalized setting.
    pub language: String,
    /// In the generalized setting, the languages of first and of second sentences.
    pub mixed: Option<[String; 2]>,
    /// The examples in the order of the files.
    pub examples: Vec<Example>,
    /// How many rows were left out, by reason.
    pub dropped: BTreeMap<String, usize>,
    /// Which rows were left out.
    pub dropped_rows: BTreeSet<usize>,
    /// The files read.
    pub files: Vec<Origin>,
    /// The task's labels.
    pub labels: &'static [&'static str],
    /// What looks odd without being wrong.
    pub notes: Vec<String>,
}

impl Task {
    /// What nobody has described: single texts, whose labels are told apart by their names alone.
    pub const UNDESCRIBED: Task = Task {
        name: "texts",
        about: "texts that nobody has described",
        kind: Kind::Classify,
        problem_type: ProblemType::SingleLabelClassification,
        search: None,
        labels: &[],
        prompts: &[],
        pairs: false,
        cluster: None,
        parallel: true,
        source: "en",
        languages: &[],
        aliases: &[],
        left_out: &[],
        layouts: &[],
    };

    /// Whether a model of this task answers the other as well: kind, form of the texts and labels are the same.
    pub fn answers_as(&self, other: &Task) -> bool {
        let of = |task: &Task| {
            (task.kind, task.problem_type, task.pairs, task.labels.iter().copied().collect::<BTreeSet<_>>())
        };
        of(self) == of(other)
    }

    /// The languages that a user's own task asks for; none where all are measured that the data have.
    pub fn chosen(&self) -> Option<Vec<String>> {
        let is_chosen = !self.languages.is_empty() && definition_of(self.name).is_some();
        is_chosen.then(|| self.languages.iter().map(|language| (*language).to_owned()).collect())
    }

    /// Whether labels or a number are asked for a sentence or a pair.
    pub fn classifies(&self) -> bool {
        self.kind == Kind::Classify
    }

    /// Whether one label is asked for a sentence or a pair.
    pub fn labels_texts(&self) -> bool {
        self.kind == Kind::Classify && self.problem_type == ProblemType::SingleLabelClassification
    }

    /// Whether one of the labels is right of each answer, so that answers can be counted by label.
    pub fn has_one_label(&self) -> bool {
        match self.kind {
            Kind::Classify => self.problem_type == ProblemType::SingleLabelClassification,
            Kind::Tag | Kind::Choose => true,
            Kind::Span | Kind::Rank | Kind::Retrieve => false,
        }
    }

    /// Whether its tags are of names of several words: some begin with B-, or all but O with I- (IOB1).
    pub fn has_entities(&self) -> bool {
        let mut names = self.labels().iter().filter(|label| **label != "O").peekable();
        let inside = names.peek().is_some() && names.all(|label| label.starts_with("I-"));
        self.kind == Kind::Tag && (inside || self.labels().iter().any(|label| label.starts_with("B-")))
    }

    /// Whether any layout has files of a split.
    pub fn has(&self, split: Split) -> bool {
        self.layouts.iter().any(|layout| layout.files.iter().any(|(of, _)| *of == split))
    }

    /// The labels by name; a label's place is its id.
    pub fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// The id of a label by its name or another spelling of it, in whatever case and form of Unicode.
    pub fn label(&self, name: &str) -> Option<usize> {
        // What most names are, row by row and word by word, without looking any further.
        let is_alias = |name: &str| self.aliases.iter().any(|(alias, _)| *alias == name);
        if let Some(at) = self.labels().iter().position(|label| *label == name).filter(|_| !is_alias(name)) {
            return Some(at);
        }
        let alias = labels::find(self.aliases.iter().map(|(alias, _)| *alias), name);
        let name = alias.map_or(name, |at| self.aliases[at].1);
        labels::find(self.labels().iter().copied(), name)
    }

    /// Why a row does not count, if so.
    fn leave_out(&self, row: &Row) -> Option<&'static str> {
        let is = |rule: &&LeftOut| {
            let texts = match rule.judged {
                Judged::Label => [row.label.as_deref(), None],
                Judged::Sentence => [Some(row.a.as_str()), row.b.as_deref()],
            };
            texts.into_iter().flatten().any(|text| rule.is.contains(&text.trim()))
        };
        self.left_out.iter().find(is).map(|rule| rule.reason)
    }

    /// The task's own name of a label; another's stays as it is.
    fn official<'a>(&self, name: &'a str) -> &'a str {
        self.label(name).map_or(name, |label| self.labels()[label])
    }

    /// The id of a label, or an error that says `place` and the nearest label.
    pub(crate) fn label_at(&self, place: &str, name: &str) -> Result<usize> {
        self.label(name).ok_or_else(|| {
            let hint = match table::is_name_of_label(name) {
                true => {
                    "it looks like a header's: name the columns, or write header = true in the task's layout".to_owned()
                }
                false => did_you_mean(name, self.labels().iter().copied()),
            };
            Error::Data(format!("{place}: \"{name}\" is no label of {}; {hint}", self.name))
        })
    }
}

impl Loaded {
    /// No examples, of a split that the task does not have.
    pub fn none(language: &str) -> Loaded {
        Loaded {
            language: language.to_owned(),
            mixed: None,
            examples: Vec::new(),
            dropped: BTreeMap::new(),
            dropped_rows: BTreeSet::new(),
            files: Vec::new(),
            labels: &[],
            notes: Vec::new(),
        }
    }

    /// How many of the examples carry each label, in the order of the task's labels.
    pub fn histogram(&self) -> Vec<(&'static str, usize)> {
        let mut counts = vec![0; self.labels.len()];
        self.examples.iter().flat_map(Example::labels).for_each(|label| counts[label] += 1);
        self.labels.iter().copied().zip(counts).collect()
    }

    /// The same without these rows, counted under `reason`: for rows known to be wrong.
    pub fn without_rows(mut self, rows: &BTreeSet<usize>, reason: &str) -> Loaded {
        let before = self.examples.len();
        for example in self.examples.iter().filter(|example| rows.contains(&example.row)) {
            self.dropped_rows.insert(example.row);
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
    fn the_files_that_ship_are_consistent() {
        for task in SHIPPED.iter() {
            assert_eq!(find(task.name).unwrap().name, task.name);
            // XCOPA is trained on COPA, which is English, and has no English of its own; what is found translates English.
            let has_source = task.languages.contains(&task.source);
            assert!(has_source || task.name == "xcopa" || task.search.is_some(), "{}", task.name);
            assert!(task.labels().is_sorted(), "{}", task.name);
        }
        assert!(FILES.iter().all(|(file, _)| shipped(file).name == *file));
        let said = find("xnil").unwrap_err().message().to_owned();
        assert!(said.starts_with("no task \"xnil\"; did you mean \"xnli\"? (known: "), "{said}");
    }

    #[test]
    fn two_tasks_of_one_name_are_refused() {
        let text = "name = \"twice\"\nlabels = [\"a\", \"b\"]\n[[layouts]]\ntest = [\"t.tsv\"]\n";
        let first = Definition::parse(text, "first").unwrap();
        let task = register(&first).unwrap();
        assert!(std::ptr::eq(task, register(&first).unwrap()) && std::ptr::eq(task, find("twice").unwrap()));
        let other = Definition::parse(&text.replace("\"b\"", "\"c\""), "other").unwrap();
        let error = register(&other).unwrap_err();
        let says = ["two tasks are called \"twice\"", "they differ in labels"];
        assert!(says.iter().all(|text| error.message().contains(text)), "{error}");
        let shipped = Definition { name: "xnli".into(), ..first };
        assert!(register(&shipped).unwrap_err().message().contains("one that ships"));
    }

    #[test]
    fn labels_are_found_by_every_spelling() {
        for (task, name, id) in [
            ("xnli", "contradiction", Some(0)),
            ("xnli", "contradictory", Some(0)),
            ("xnli", "neutral", Some(2)),
            ("xnli", "Neutral", Some(2)),
            ("xnli", "neutrality", None),
            ("xnli", "neutral\u{200b}", Some(2)),
            ("xnli", "ｎｅｕｔｒａｌ", Some(2)),
            ("pawsx", "1", Some(1)),
            ("xsid", "GetWeather", shipped("xsid").label("weather/find")),
        ] {
            assert_eq!(shipped(task).label(name), id, "{task} {name}");
        }
    }
}
