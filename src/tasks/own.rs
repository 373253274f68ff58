//! A task made of files alone: what their headers and labels say, for data that nobody has described.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Columns, Format, Kind, Layout, ProblemType, Split, Task, TextFile,
    definition::{ColumnName, ColumnNames, Definition, Files},
    format, table,
};
use crate::error::{Error, Result};

/// More labels than this are texts, most likely.
const MOST_LABELS: usize = 200;

/// The files of a user's own.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Training data in the source language.
    pub train: &'a Path,
    /// What models are selected by, in that language; none: the last model is kept.
    pub dev: Option<&'a str>,
    /// Test data, `{language}` for the language.
    pub test: Option<&'a str>,
    /// The language of the training data.
    pub source: &'a str,
}

/// What the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The task.
    pub definition: Definition,
    /// The folder that its paths are below.
    pub folder: PathBuf,
    /// How many rows there are to train on.
    pub rows: usize,
    /// What was assumed, a line each.
    pub assumed: Vec<String>,
}

/// Describes a task by its files.
pub fn guess(named: &Named) -> Result<Guess> {
    let shown = named.train.display();
    let format = format::of_path(named.train).ok_or_else(|| {
        let known: Vec<&str> = format::FORMATS.iter().flat_map(|format| format.endings).copied().collect();
        Error::Usage(format!("{shown}: expected a file that ends in one of {}; rename or convert it", known.join(", ")))
    })?;
    let file = format.open(named.train)?;
    let format = words_or(format, &file);
    let kind = format.kind_of(&file);
    if !format.has_columns() || kind != Kind::Classify {
        return guess_rows(named, format, kind, &file);
    }
    let found = format.columns_of(&file)?;
    let remedy = "name the columns so, or describe the task in a file: rxlt task new";
    let (a, b) = found.sentences.ok_or_else(|| {
        let (first, second, single) = (table::FIRST.join(", "), table::SECOND.join(", "), table::SINGLE.join(", "));
        let names = found.names.join(", ");
        Error::Data(format!(
            "{shown}: expected a header with a column of texts ({single}), or of the two sentences of a pair ({first}; \
             {second}), found {names}{}; {remedy}",
            found.hint
        ))
    })?;
    let label = found.label.ok_or_else(|| {
        let (known, names) = (table::LABEL.join(", "), found.names.join(", "));
        Error::Data(format!("{shown}: expected a column of labels ({known}), found {names}; {remedy}"))
    })?;
    let columns = ColumnNames {
        sentence1: Some(ColumnName::Name(a.clone())),
        sentence2: b.clone().map(ColumnName::Name),
        label: Some(ColumnName::Name(label.clone())),
        language: found.language.clone().map(ColumnName::Name),
        id: found.id.clone().map(ColumnName::Name),
        choices: Vec::new(),
    };
    let name = name_of(named.train);
    let files = |columns: ColumnNames| Files { format: Some(format.name.to_owned()), columns, ..Files::default() };
    let mut definition = Definition {
        about: format!("made of {}", file_name(named.train)),
        name,
        kind: Kind::Classify,
        problem_type: ProblemType::default(),
        prompts: BTreeMap::new(),
        pairs: b.is_some(),
        labels: vec!["a".into(), "b".into()], // until the rows are read
        source: named.source.to_owned(),
        languages: Vec::new(),
        aliases: BTreeMap::new(),
        left_out: Vec::new(),
        layouts: Vec::new(),
    };
    let mut others = 0;
    let counts = labels(&file, format, &definition, &files(columns.clone()), &mut others)?;
    refuse_numbers(&counts, &label, &shown.to_string())?;
    check_labels(&counts, &label, &shown.to_string())?;
    definition.labels = in_order(counts.keys().cloned().collect());
    let (folder, layouts) = lay_out(named, files(columns))?;
    definition.layouts = layouts;
    definition.check().map_err(|problem| Error::Config(format!("{shown}: {problem}")))?;
    let sentences = b.map_or(format!("single texts (column {a})"), |b| format!("pairs (columns {a} and {b})"));
    let all = definition.labels.iter().map(|label| format!("{label} {}", counts[label]));
    let rows = counts.values().sum();
    let assumed = vec![
        format!("task \"{}\": {sentences} in one of {} classes (column {label})", definition.name, counts.len()),
        format!("{rows} rows to train on, in \"{}\" (--source): {}", named.source, all.collect::<Vec<_>>().join(", ")),
        match named.test {
            Some(test) if !test.contains("{language}") && found.language.is_none() => {
                format!("{test} does not say {{language}}: all of it is taken to be in \"{}\" (--source)", named.source)
            }
            Some(test) => format!("test data: {test}"),
            None => "no --test: nothing is measured".to_owned(),
        },
        match named.dev {
            Some(dev) => format!("models are selected by {dev}"),
            None => "no --dev: the last model is kept".to_owned(),
        },
    ];
    let of_language = found.language.map(|column| {
        format!(
            "column {column} says the language of a row: {others} rows of others than \"{}\" are left out",
            named.source
        )
    });
    let assumed = assumed.into_iter().chain(of_language).collect();
    Ok(Guess { definition, folder, rows, assumed })
}

/// Refuses a column of numbers, which are no classes.
fn refuse_numbers(counts: &BTreeMap<String, usize>, label: &str, shown: &str) -> Result<()> {
    let are_numbers = counts.keys().all(|name| name.parse::<f64>().is_ok());
    match are_numbers && counts.keys().any(|name| name.contains('.')) {
        false => Ok(()),
        true => Err(Error::Data(format!(
            "{shown}: the column {label} holds numbers; describe the task in a file with problem_type = \"regression\" and no \
             labels (README, data of your own)"
        ))),
    }
}

/// The format of a file: a .tsv file is one of words where its lines hold a word and a tag, and empty ones part sentences.
fn words_or(format: &'static Format, file: &TextFile) -> &'static Format {
    let mut lines = file.lines().map(|(_, line)| line).take(1000);
    let is_word = |line: &str| line.trim().is_empty() || line.split('\t').count() == 2;
    let has_ends = file.lines().take(1000).any(|(_, line)| line.trim().is_empty());
    let are_words = format.name == "tsv" && has_ends && lines.all(is_word);
    format::find("words").filter(|_| are_words).unwrap_or(format)
}

/// The same of words with tags, questions, and texts without columns.
fn guess_rows(named: &Named, format: &'static Format, kind: Kind, file: &TextFile) -> Result<Guess> {
    let layout = Layout { about: "its file", files: &[], format, header: None, columns: Columns::default() };
    let rows = format.rows(file, &Task { kind, ..Task::UNDESCRIBED }, &layout)?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for tag in rows.iter().flat_map(|row| row.words.iter().map(|word| &word.tag).chain(&row.label)) {
        *counts.entry(tag.trim().to_owned()).or_default() += 1;
    }
    let shown = named.train.display();
    let files = Files { format: Some(format.name.to_owned()), ..Files::default() };
    let (folder, layouts) = lay_out(named, files)?;
    let definition = Definition {
        name: name_of(named.train),
        about: format!("made of {}", file_name(named.train)),
        kind,
        problem_type: ProblemType::default(),
        prompts: BTreeMap::new(),
        pairs: false,
        labels: in_order(counts.keys().cloned().collect()),
        source: named.source.to_owned(),
        languages: Vec::new(),
        aliases: BTreeMap::new(),
        left_out: Vec::new(),
        layouts,
    };
    definition.check().map_err(|problem| Error::Config(format!("{shown}: {problem}")))?;
    let (name, n, source) = (&definition.name, rows.len(), named.source);
    let what = match kind {
        Kind::Tag => format!("a tag for each word: {}", definition.labels.join(", ")),
        Kind::Span => "which part of a text answers a question".to_owned(),
        Kind::Classify | Kind::Choose => format!("one of {} classes", counts.len()),
    };
    let rows_said = format!("{n} rows to train on, in \"{source}\" (--source), read as {}", format.name);
    let assumed = [format!("task \"{name}\": {what}"), rows_said].into_iter().chain(said_of_splits(named)).collect();
    Ok(Guess { definition, folder, rows: n, assumed })
}

/// What is said of test and dev data.
fn said_of_splits(named: &Named) -> [String; 2] {
    [
        match named.test {
            Some(test) if !test.contains("{language}") => {
                format!("{test} does not say {{language}}: all of it is taken to be in \"{}\" (--source)", named.source)
            }
            Some(test) => format!("test data: {test}"),
            None => "no --test: nothing is measured".to_owned(),
        },
        match named.dev {
            Some(dev) => format!("models are selected by {dev}"),
            None => "no --dev: the last model is kept".to_owned(),
        },
    ]
}

/// How often each label stands in a file, in the source language.
fn labels(
    file: &TextFile,
    format: &format::Format,
    definition: &Definition,
    files: &Files,
    others: &mut usize,
) -> Result<BTreeMap<String, usize>> {
    let layout = Files { train: vec![file_name(&file.path)], ..files.clone() };
    let task: &Task = Definition { layouts: vec![layout], ..definition.clone() }.leak();
    let mut counts = BTreeMap::new();
    for row in format.rows(file, task, &task.layouts[0])? {
        let label = row.label.unwrap_or_default().trim().to_owned();
        if label.is_empty() {
            return Err(Error::Data(format!(
                "{}: there is no label; fill it in or remove the row",
                file.place(row.line)
            )));
        }
        if row.language.as_deref().is_some_and(|language| language != definition.source) {
            *others += 1;
            continue;
        }
        *counts.entry(label).or_default() += 1;
    }
    Ok(counts)
}

fn check_labels(counts: &BTreeMap<String, usize>, column: &str, place: &str) -> Result<()> {
    let rows: usize = counts.values().sum();
    let few = counts.len() < 2;
    if !few && counts.len() <= MOST_LABELS && (counts.len() < rows || rows < 4) {
        return Ok(());
    }
    let labels = if few { "one label".to_owned() } else { format!("{} labels", counts.len()) };
    Err(Error::Data(format!(
        "{place}: expected a few labels in column {column}, found {labels} in {rows} rows; describe the task in a file: \
         rxlt task new"
    )))
}

/// Numbers by their value, all else by the letters.
fn in_order(mut labels: Vec<String>) -> Vec<String> {
    let numbers: Option<Vec<i64>> = labels.iter().map(|label| label.parse().ok()).collect();
    if numbers.is_some() {
        labels.sort_by_key(|label| label.parse::<i64>().unwrap_or_default());
    }
    labels
}

/// Dev and test files below one folder: that of the test data, or where there are none that of the training data.
fn lay_out(named: &Named, files: Files) -> Result<(PathBuf, Vec<Files>)> {
    let folder_of = |pattern: &str| {
        let before = pattern.split_once("{language}").map_or(pattern, |(before, _)| before);
        let end = before.rfind(['/', '\\']).map_or(0, |at| at + 1);
        PathBuf::from(if end == 0 { "." } else { &pattern[..end] })
    };
    let train = named.train.to_string_lossy();
    let folder = folder_of(named.test.unwrap_or(&train));
    let below = |pattern: &str, flag: &str| {
        let relative = Path::new(".").join(pattern);
        let base = Path::new(".").join(&folder);
        let inside = relative.strip_prefix(&base).map(|path| path.to_string_lossy().into_owned());
        inside.map_err(|_| {
            let folder = folder.display();
            Error::Usage(format!(
                "{flag} {pattern}: expected a file below {folder}, where the test data lie; put it there"
            ))
        })
    };
    let train = below(&train, "--train").ok();
    let dev = named.dev.map(|dev| below(dev, "--dev")).transpose()?;
    let test = named.test.map(|test| below(test, "--test")).transpose()?;
    let kind = files.format.as_deref().and_then(format::find).map(|format| format.kinds()[0]);
    let mut layouts: Vec<Files> = vec![files];
    for (split, pattern) in [(Split::Train, train), (Split::Dev, dev), (Split::Test, test)] {
        let Some(pattern) = pattern else { continue };
        // Files of another ending are of another format, with columns of the same names.
        let of_kind = |format: &&Format| kind.is_none_or(|kind| format.is_for(kind));
        let format = format::of_path(Path::new(&pattern)).filter(of_kind).map(|format| format.name.to_owned());
        let format = format.or_else(|| layouts[0].format.clone());
        let at = layouts.iter().position(|files| files.format == format).unwrap_or_else(|| {
            layouts.push(Files { format, columns: layouts[0].columns.clone(), ..Files::default() });
            layouts.len() - 1
        });
        match split {
            Split::Train => layouts[at].train.push(pattern),
            Split::Dev => layouts[at].dev.push(pattern),
            Split::Test => layouts[at].test.push(pattern),
        }
    }
    let has_files = |files: &Files| [&files.train, &files.dev, &files.test].into_iter().any(|list| !list.is_empty());
    layouts.retain(has_files);
    Ok((folder, layouts))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folder's name where the file is called `train`, else the file's, as far as a name may have its letters.
fn name_of(train: &Path) -> String {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let own = stem(train);
    let whole = std::path::absolute(train).unwrap_or_else(|_| train.to_owned());
    let parent = whole.parent().map(stem).unwrap_or_default();
    let name = if own.starts_with("train") && !parent.is_empty() { parent } else { own };
    let letters = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let name: String = name.chars().map(letters).collect();
    let is_taken = super::SHIPPED.iter().any(|task| task.name == name) || ["", "mlm", "tatoeba"].contains(&&*name);
    if is_taken { format!("own-{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn guessed(files: &[(&str, &str)], test: &str) -> (tempfile::TempDir, Result<Guess>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let train = folder.path().join(files[0].0);
        let test = folder.path().join(test).display().to_string();
        let guess = guess(&Named { train: &train, dev: None, test: Some(&test), source: "en" });
        (folder, guess)
    }

    #[test]
    fn files_say_what_the_task_is() {
        let csv = "id,text,label\n1,\"good, very\",pos\n2,bad,neg\n3,\"so \"\"so\"\"\",pos\n";
        let (folder, guess) =
            guessed(&[("reviews.csv", csv), ("test-de.csv", "text,label\ngut,pos\nböse,neg\n")], "test-{language}.csv");
        let Guess { definition, folder: found, rows, assumed } = guess.unwrap();
        assert_eq!((definition.name.as_str(), definition.pairs, rows), ("reviews", false, 3));
        assert_eq!(definition.labels, ["neg", "pos"]);
        assert_eq!(found.canonicalize().unwrap(), folder.path().canonicalize().unwrap());
        assert_eq!(definition.layouts[0].test, ["test-{language}.csv"]);
        assert_eq!(definition.layouts[0].train, ["reviews.csv"]);
        assert!(assumed[1].starts_with("3 rows to train on, in \"en\" (--source): neg 1, pos 2"), "{assumed:?}");
        let task = definition.leak();
        assert_eq!(task.languages_in(folder.path(), super::super::Split::Test).unwrap(), ["de"]);
        let loaded = task.load_files(&[folder.path().join("reviews.csv")], "en").unwrap();
        assert_eq!((loaded.examples[0].a.as_str(), loaded.examples[2].a.as_str()), ("good, very", "so \"so\""));
    }

    #[test]
    fn pairs_numbers_and_objects_are_understood() {
        let lines = "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 10}\n{\"premise\": \"q\", \"hypothesis\": \"h\", \"label\": 9}\n{\"premise\": \"q\", \"hypothesis\": \"i\", \"label\": 9}\n";
        let (_folder, guess) = guessed(&[("nli/train.jsonl", lines)], "nli/{language}/test.jsonl");
        let Guess { definition, .. } = guess.unwrap();
        assert_eq!((definition.name.as_str(), definition.pairs), ("nli", true));
        assert_eq!(definition.labels, ["9", "10"]);
    }

    #[test]
    fn what_cannot_be_told_is_asked() {
        for (text, says) in [
            ("a,b\n1,2\n", "expected a header with a column of texts"),
            ("text,topic of it\nx,y\n", "expected a column of labels"),
            ("text,label\nx,y\nz,y\n", "found one label in 2 rows"),
            ("text,label\nx,y\nz,\n", "t.csv:3: there is no label"),
            ("text,label\r\nx,y\r\n\r\nz,\r\n", "t.csv:4: there is no label"),
            ("text,label\rx,y\rz,\r", "t.csv:3: there is no label"),
            ("text,label,text\na,x,b\nc,y,d\n", "t.csv:1: two columns are called \"text\""),
            ("text;label\nx;y\n", "it seems to be parted by semicolons"),
            ("text,label\na,1\nb,2\nc,3\nd,4\n", "found 4 labels in 4 rows"),
            ("text,label\nx\n", "t.csv:2: expected 2 columns (text, label) as in the header, found 1"),
        ] {
            let (_folder, guess) = guessed(&[("t.csv", text)], "{language}.csv");
            let error = guess.unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
    }
}
