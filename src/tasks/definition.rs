//! A task as a file says it: TOML, for the tasks that ship and for a user's own alike.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    Cluster, Column, Columns, Kind, Layout, LeftOut, ProblemType, Search, Split, Task,
    codes::{can_be_same, is_code},
    format::{self, Format},
};
use crate::error::{Error, Result, did_you_mean};

/// What a task file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// What it is called on the command line, in recipes and in folders' names.
    pub name: String,
    /// One sentence for people; it may be left out.
    #[serde(default)]
    pub about: String,
    /// What is predicted: `"classify"` (where not given), `"tag"`, `"span"`, `"choose"`, `"rank"` or `"retrieve"`.
    #[serde(default)]
    pub kind: Kind,
    /// What a classifier's outputs are, under transformers' names: `"single_label_classification"` (where not given),
    /// `"multi_label_classification"` or `"regression"`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub problem_type: ProblemType,
    /// How texts are found, for `kind = "retrieve"`: `"nearest"`, `"mine"` or `"rank"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// Whether an example is two sentences rather than one (`true` or `false`, which stands where not given).
    #[serde(default)]
    pub pairs: bool,
    /// What joins items that are not independent, such as the hypotheses of one premise: those with the same text there,
    /// `"sentence1"` or `"sentence2"`, are one cluster, by which intervals and tests go. Not given: each is by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// Whether rows of one id, or of one line where there are no ids, are translations of each other in files of different
    /// languages (`true`, which stands where not given); otherwise each is an item by itself (`false`).
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub parallel: bool,
    /// The labels; a label's place is its id. Numbers and answers have none; alternatives are numbered where not given, from
    /// 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The language of the training data, as the data call it; `"en"` where not given.
    #[serde(default = "english")]
    pub source: String,
    /// The languages measured unless others are named; none named: all that the data have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Other spellings of labels in the files, each with the label that it stands for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// What is asked before alternatives, by what the column of questions says: `cause = "What was the cause?"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prompts: BTreeMap<String, String>,
    /// Rows that do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOutRows>,
    /// The ways in which the files are known to be laid out.
    pub layouts: Vec<Files>,
}

fn english() -> String {
    "en".to_owned()
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks it so")]
fn is_yes(value: &bool) -> bool {
    *value
}

fn is_default(problem_type: &ProblemType) -> bool {
    *problem_type == ProblemType::default()
}

/// Rows that do not count, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOutRows {
    /// Where the text is looked for: `"label"` or `"sentence"` (any of them).
    pub column: Judged,
    /// The texts, without spaces around them, of which one is enough.
    pub is: Vec<String>,
    /// What is said of them.
    pub reason: String,
}

/// What of a row is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    /// The label as written.
    Label,
    /// Any sentence.
    Sentence,
}

/// One way of laying out the files in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Whose layout it is, for messages.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// How the files are read; by the ending of their names where not given. `"tsv"`, `"csv"`, `"jsonl"`, `"parquet"`;
    /// words with tags: `"words"` (a line each), `"conllu"`; questions: `"squad"` (.json); retrieval: `"bitext"`,
    /// `"comparable"`, `"passages"`, `"mentions"`; xSID's: `"xsid-blocks"`, `"xsid-lines"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Whether tables begin with the names of their columns (`true` or `false`); found out where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Training data: paths below the data folder, `{language}` for the language; without it a file is in the source
    /// language, or its column of languages says in which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<String>,
    /// What models are selected by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dev: Vec<String>,
    /// What is reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Where a table keeps what; found by usual names where not given.
    #[serde(default, skip_serializing_if = "ColumnNames::is_empty")]
    pub columns: ColumnNames,
    /// The path of the candidates among which mentions look, for `format = "mentions"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<String>,
}

/// Columns by name, or by number from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnNames {
    /// The (first) sentence: a column by the name in the header, or by number from 1, as all of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence1: Option<ColumnName>,
    /// The second sentence of a pair: a column, or several whose texts are joined by a space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence2: Option<TextColumns>,
    /// The label. Of `format = "words"` the column of tags, by number; of `"conllu"` a number, a column such as `"xpos"`, or
    /// a feature such as `"Case"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<ColumnName>,
    /// The language of a row, in files of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<ColumnName>,
    /// A number that joins a row with its translations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ColumnName>,
    /// The alternatives to choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ColumnName>,
}

/// A column by name, or by number from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnName {
    /// As the header has it.
    Name(String),
    /// From 1.
    Number(usize),
}

/// A text that stands in one column, or parted into several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TextColumns {
    /// In one.
    One(ColumnName),
    /// In several, in this order.
    Several(Vec<ColumnName>),
}

impl TextColumns {
    fn all(&self) -> &[ColumnName] {
        match self {
            TextColumns::One(column) => std::slice::from_ref(column),
            TextColumns::Several(columns) => columns,
        }
    }
}

impl ColumnNames {
    /// Every column that is named, under its key.
    fn all(&self) -> impl Iterator<Item = (&'static str, &ColumnName)> {
        let single =
            [("sentence1", &self.sentence1), ("label", &self.label), ("language", &self.language), ("id", &self.id)];
        let single = single.into_iter().filter_map(|(key, column)| Some((key, column.as_ref()?)));
        let second = self.sentence2.iter().flat_map(TextColumns::all).map(|column| ("sentence2", column));
        single.chain(second).chain(self.choices.iter().map(|column| ("choices", column)))
    }

    fn is_empty(&self) -> bool {
        *self == ColumnNames::default()
    }
}

impl Definition {
    /// Reads a definition; `name` stands for the file in messages.
    pub fn parse(text: &str, name: &str) -> Result<Definition> {
        let definition: Definition = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            let message = error.message().trim();
            let mut quoted = message.split('`').skip(1).step_by(2);
            let message = match message.starts_with("unknown field") || message.starts_with("unknown variant") {
                true => {
                    let wrong = quoted.next().unwrap_or_default();
                    format!("unknown \"{wrong}\"; {}", did_you_mean(wrong, quoted))
                }
                false => message.replace('\n', "; "),
            };
            Error::Config(format!("{name}:{line}: {message}"))
        })?;
        definition.check().map_err(|problem| Error::Config(format!("{name}: {problem}")))?;
        Ok(definition)
    }

    /// The definition as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a definition is strings, numbers and tables of them")
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(format!("name: expected letters, digits, - and _, found \"{}\"", self.name));
        }
        if self.name == "mlm" {
            return Err("name: \"mlm\" means something else already; choose another".to_owned());
        }
        self.check_labels()?;
        if !is_code(&self.source) && !self.languages.contains(&self.source) {
            let found = &self.source;
            return Err(format!("source: expected the code of a language, such as \"en\", found \"{found}\""));
        }
        let other = self.languages.iter().find(|language| can_be_same(language, &self.source));
        if let Some(other) = other.filter(|_| !self.languages.contains(&self.source)) {
            let found = &self.source;
            return Err(format!(
                "source: \"{found}\" is called \"{other}\" in languages, and would not be told from the others; write source = \
                 \"{other}\" if the data call it so"
            ));
        }
        if let Some((_, twice)) = self.languages.iter().enumerate().find(|(i, l)| self.languages[..*i].contains(l)) {
            return Err(format!("languages: \"{twice}\" is named twice, and would weigh twice in every mean"));
        }
        if let Some((alias, label)) = self.aliases.iter().find(|(_, label)| !self.labels.contains(label)) {
            let hint = did_you_mean(label, self.labels.iter().map(String::as_str));
            return Err(format!("aliases: \"{alias}\" stands for \"{label}\", which is no label; {hint}"));
        }
        if let Some(alias) = self.aliases.keys().find(|alias| self.labels.contains(alias)) {
            return Err(format!("aliases: \"{alias}\" is a label itself"));
        }
        if ![Kind::Classify, Kind::Rank].contains(&self.kind) && self.pairs {
            return Err("pairs: only what is classified or ranked comes in pairs of sentences".to_owned());
        }
        if self.cluster == Some(Cluster::Sentence2) && !self.pairs && self.kind != Kind::Span {
            return Err("cluster: an example has one sentence; set it to sentence1, or leave it out".to_owned());
        }
        if self.cluster.is_some() && ![Kind::Classify, Kind::Span].contains(&self.kind) {
            return Err("cluster: only what is classified or answered has this setting; leave it out".to_owned());
        }
        if self.kind == Kind::Retrieve && !self.parallel {
            return Err("parallel: translations are what is looked for; leave it out".to_owned());
        }
        if self.kind == Kind::Rank && !self.pairs {
            return Err("pairs: what is ranked are pairs of a query and a result; add pairs = true".to_owned());
        }
        if self.kind != Kind::Choose && !self.prompts.is_empty() {
            return Err("prompts: they stand before the alternatives of kind = \"choose\"".to_owned());
        }
        if (self.kind == Kind::Retrieve) != self.search.is_some() {
            return Err(
                "search: \"nearest\", \"mine\" or \"rank\", for kind = \"retrieve\" and for nothing else".to_owned()
            );
        }
        if self.layouts.is_empty() {
            return Err("layouts: expected one or more [[layouts]], each with paths of train, dev or test".to_owned());
        }
        self.layouts.iter().enumerate().try_for_each(|(i, files)| self.check_files(i, files))
    }

    /// Labels are there where the kind has such, and can be told apart.
    fn check_labels(&self) -> Result<(), String> {
        let is_classifier = self.kind == Kind::Classify;
        if !is_classifier && self.problem_type != ProblemType::default() {
            return Err("problem_type: it says what is classified, and is for kind = \"classify\"".to_owned());
        }
        let found = &self.labels;
        let has_none =
            [Kind::Span, Kind::Retrieve].contains(&self.kind) || self.problem_type == ProblemType::Regression;
        if has_none {
            let remedy = "answers are texts or numbers, and have no labels: leave the key out";
            return if found.is_empty() { Ok(()) } else { Err(format!("labels: found {found:?}; {remedy}")) };
        }
        let may_be_left_out = self.kind == Kind::Choose && found.is_empty();
        let distinct: BTreeSet<String> = found.iter().map(|label| label.to_lowercase()).collect();
        if !may_be_left_out && (found.len() < 2 || distinct.len() < found.len()) {
            let remedy = "write each in one way in the files, or name one in labels and the others in aliases";
            return Err(format!("labels: expected two or more, no two alike but for case, found {found:?}; {remedy}"));
        }
        Ok(())
    }

    fn check_files(&self, i: usize, files: &Files) -> Result<(), String> {
        let of_splits = [&files.train, &files.dev, &files.test];
        let mut patterns = of_splits.into_iter().flatten().chain(&files.candidates);
        if patterns.clone().next().is_none() {
            return Err(format!("layouts.{i}: expected paths of train, dev or test, such as test-{{language}}.tsv"));
        }
        let outside = |pattern: &&String| {
            let path = Path::new(pattern);
            path.is_absolute() || pattern.split(['/', '\\']).any(|part| part == "..") || pattern.is_empty()
        };
        if let Some(pattern) = patterns.clone().find(outside) {
            return Err(format!("layouts.{i}: expected paths below the data folder, found \"{pattern}\""));
        }
        if let Some(pattern) = patterns.find(|pattern| pattern.replace("{language}", "").contains(['{', '}', '*'])) {
            return Err(format!("layouts.{i}: \"{pattern}\": what stands for the language is {{language}}"));
        }
        let format = self.format_of(i, files)?;
        if !format.is_for(self.kind) {
            let kinds: Vec<&str> = format.kinds().iter().map(|kind| name_of(*kind)).collect();
            let (name, kinds) = (format.name, kinds.join(" or "));
            return Err(format!("layouts.{i}: files of the format {name} are for tasks of kind = \"{kinds}\""));
        }
        let unnamed = of_splits.into_iter().flatten().find(|one| !one.contains("{language}"));
        if let Some(pattern) = unnamed.filter(|_| self.kind == Kind::Retrieve && !format.has_candidates()) {
            return Err(format!("layouts.{i}: \"{pattern}\": expected {{language}} in it: each file has one language"));
        }
        if format.has_candidates() != files.candidates.is_some() {
            return Err(format!(
                "layouts.{i}.candidates: the file of entities, for format = \"mentions\" and for nothing else"
            ));
        }
        if let Some(known) = format.tag_columns() {
            let only_label = ColumnNames { label: files.columns.label.clone(), ..ColumnNames::default() };
            let by_name = matches!(files.columns.label, Some(ColumnName::Name(_))) && format.name == "words";
            if by_name || only_label != files.columns {
                return Err(format!("layouts.{i}.columns: of the format {} can be named {known}", format.name));
            }
        } else if !files.columns.is_empty() && !format.has_columns() {
            return Err(format!("layouts.{i}: the format {} has no columns to be named", format.name));
        }
        self.check_columns(i, files)
    }

    fn check_columns(&self, i: usize, files: &Files) -> Result<(), String> {
        if !files.columns.is_empty() && self.kind == Kind::Span {
            return Err(format!(
                "layouts.{i}.columns: those of questions are called id, question, context and answers"
            ));
        }
        if files.columns.sentence2.is_some() && !self.pairs {
            return Err(format!("layouts.{i}.columns.sentence2: the task has no pairs; add pairs = true"));
        }
        if self.pairs && files.columns.sentence1.is_some() != files.columns.sentence2.is_some() {
            return Err(format!("layouts.{i}.columns: a pair has two columns; name both sentence1 and sentence2"));
        }
        if files.columns.sentence2.as_ref().is_some_and(|second| second.all().is_empty()) {
            return Err(format!("layouts.{i}.columns.sentence2: expected one or more columns, found []"));
        }
        let all: Vec<(&str, &ColumnName)> = files.columns.all().collect();
        for (n, (key, column)) in all.iter().enumerate() {
            if let Some((other, _)) = all[..n].iter().find(|(_, other)| other == column) {
                return Err(format!("layouts.{i}.columns.{key}: it is the column that {other} names; name another"));
            }
        }
        let zero = all.iter().find(|(_, column)| **column == ColumnName::Number(0));
        zero.map_or(Ok(()), |(key, _)| Err(format!("layouts.{i}.columns.{key}: columns are counted from 1")))
    }

    /// The format of a layout: the one that it names, or the one that all its files end as.
    fn format_of(&self, i: usize, files: &Files) -> Result<&'static Format, String> {
        if let Some(name) = &files.format {
            return format::find(name).ok_or_else(|| {
                let hint = did_you_mean(name, format::FORMATS.iter().map(|format| format.name));
                format!("layouts.{i}.format: there is no format \"{name}\"; {hint}")
            });
        }
        let mut found: Option<&'static Format> = None;
        for pattern in [&files.train, &files.dev, &files.test].into_iter().flatten() {
            let format = format::of_path_for(Path::new(pattern), self.kind).ok_or_else(|| {
                let known: Vec<&str> = format::FORMATS.iter().map(|format| format.name).collect();
                format!("layouts.{i}: how is \"{pattern}\" read? name its format (known: {})", known.join(", "))
            })?;
            if found.is_some_and(|before| before.name != format.name) {
                return Err(format!("layouts.{i}: files of two formats; make a [[layouts]] for each"));
            }
            found = Some(format);
        }
        found.ok_or_else(|| format!("layouts.{i}: it has no files"))
    }

    /// The task, for as long as the process lives.
    pub(super) fn leak(&self) -> &'static Task {
        let layout = |(i, files): (usize, &Files)| {
            let of =
                |split: Split, patterns: &[String]| patterns.iter().map(move |p| (split, text(p))).collect::<Vec<_>>();
            let all =
                [of(Split::Train, &files.train), of(Split::Dev, &files.dev), of(Split::Test, &files.test)].concat();
            let about = if files.about.is_empty() { "its file" } else { text(&files.about) };
            let format = self.format_of(i, files).expect("the definition was checked");
            let candidates = files.candidates.as_deref().map(text);
            Layout {
                about,
                files: all.leak(),
                format,
                header: files.header,
                columns: columns(&files.columns),
                candidates,
            }
        };
        let left_out =
            |rows: &LeftOutRows| LeftOut { judged: rows.column, is: list(&rows.is), reason: text(&rows.reason) };
        let aliases: Vec<_> = self.aliases.iter().map(|(alias, label)| (text(alias), text(label))).collect();
        let prompts: Vec<_> = self.prompts.iter().map(|(question, prompt)| (text(question), text(prompt))).collect();
        let numbers = || (0..MOST_CHOICES).map(|number| number.to_string()).collect();
        let labels = if self.kind == Kind::Choose && self.labels.is_empty() { numbers() } else { self.labels.clone() };
        Box::leak(Box::new(Task {
            name: text(&self.name),
            about: text(&self.about),
            kind: self.kind,
            problem_type: self.problem_type,
            search: self.search,
            labels: list(&labels),
            prompts: prompts.leak(),
            pairs: self.pairs,
            cluster: self.cluster,
            parallel: self.parallel,
            source: text(&self.source),
            languages: list(&self.languages),
            aliases: aliases.leak(),
            left_out: self.left_out.iter().map(left_out).collect::<Vec<_>>().leak(),
            layouts: self.layouts.iter().enumerate().map(layout).collect::<Vec<_>>().leak(),
        }))
    }
}

fn text(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn list(list: &[String]) -> &'static [&'static str] {
    list.iter().map(|one| text(one)).collect::<Vec<_>>().leak()
}

fn columns(names: &ColumnNames) -> Columns {
    let column = |name: &ColumnName| match name {
        ColumnName::Name(name) => Column::Name(text(name)),
        ColumnName::Number(number) => Column::Number(*number),
    };
    let [a, label, language, id] =
        [&names.sentence1, &names.label, &names.language, &names.id].map(|name| name.as_ref().map(column));
    let mut second = names.sentence2.iter().flat_map(TextColumns::all).map(column);
    let (b, more) = (second.next(), second.collect::<Vec<_>>().leak());
    let choices = names.choices.iter().map(column).collect::<Vec<_>>().leak();
    Columns { a, b, more, label, language, id, choices }
}

/// Alternatives of one example, where a task does not name their numbers.
const MOST_CHOICES: usize = 10;

/// A kind as a task's file calls it.
fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Classify => "classify",
        Kind::Tag => "tag",
        Kind::Span => "span",
        Kind::Choose => "choose",
        Kind::Rank => "rank",
        Kind::Retrieve => "retrieve",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWS: &str = "name = \"news\"\nlabels = [\"sport\", \"health\"]\nsource = \"eng\"\n[[layouts]]\ntrain = [\"{language}/train.tsv\"]\ntest = [\"{language}/test.tsv\"]\n";

    #[test]
    fn a_definition_is_written_as_it_is_read() {
        let definition = Definition::parse(NEWS, "news.toml").unwrap();
        assert_eq!(Definition::parse(&definition.to_toml(), "again").unwrap(), definition);
        let task = definition.leak();
        assert_eq!((task.labels(), task.source, task.pairs), (&["sport", "health"][..], "eng", false));
        assert_eq!(task.layouts[0].format.name, "tsv");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases = [
            ("labels = [", "lables = [", "news.toml:2: unknown \"lables\"; did you mean \"labels\"?"),
            ("\"health\"]", "\"Sport\"]", "labels: expected two or more, no two alike but for case"),
            ("\"news\"", "\"my news\"", "name: expected letters, digits, - and _, found \"my news\""),
            ("\"eng\"", "\"english\"", "source: expected the code of a language"),
            (
                "[[layouts]]",
                "languages = [\"en\", \"de\"]\n[[layouts]]",
                "source: \"eng\" is called \"en\" in languages",
            ),
            ("\"news\"", "\"mlm\"", "means something else already"),
            ("[[layouts]]", "[aliases]\nx = \"heatlh\"\n[[layouts]]", "no label; did you mean \"health\"?"),
            ("train = [\"{language}/train.tsv\"]", "train = [\"../{language}.tsv\"]", "below the data folder"),
            ("train.tsv", "train.txt", "how is \"{language}/train.txt\" read? name its format (known: tsv, csv, jsonl"),
            ("{language}/test.tsv", "{lang}/test.tsv", "what stands for the language is {language}"),
            ("{language}/test.tsv", "*/test.tsv", "what stands for the language is {language}"),
            ("train.tsv", "train.csv", "files of two formats"),
            ("[[layouts]]", "[[layouts]]\nformat = \"tvs\"", "no format \"tvs\"; did you mean \"tsv\"?"),
            ("[[layouts]]", "[[layouts]]\ncolumns = { label = 0 }", "columns.label: columns are counted from 1"),
            ("[[layouts]]", "[[layouts]]\ncolumns = { sentence2 = \"b\" }", "add pairs = true"),
            (
                "[[layouts]]",
                "[[layouts]]\ncolumns = { sentence1 = \"b\", label = \"b\" }",
                "the column that sentence1 names",
            ),
            ("source", "kind = \"rank\"\nsource", "pairs of a query and a result; add pairs = true"),
            ("source", "search = \"mine\"\nsource", "for kind = \"retrieve\" and for nothing else"),
            ("source", "cluster = \"sentence2\"\nsource", "cluster: an example has one sentence"),
            ("source", "kind = \"choose\"\ncluster = \"sentence1\"\nsource", "cluster: only what is classified"),
            ("source", "kind = \"tag\"\npairs = true\nsource", "only what is classified or ranked"),
            (
                "[[layouts]]",
                "pairs = true\n[[layouts]]\ncolumns = { sentence1 = 1, sentence2 = [2, 0] }",
                "columns.sentence2: columns are counted from 1",
            ),
        ];
        for (from, to, says) in cases {
            let error = Definition::parse(&NEWS.replacen(from, to, 1), "news.toml").unwrap_err();
            assert!(error.message().contains(says), "{to}: {error}");
            assert_eq!(error.exit_code(), 78);
        }
    }
}
