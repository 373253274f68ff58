//! A task made of files alone: what their headers and labels say, for data that nobody has described.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use super::{
    Cluster, Columns, Format, Kind, Layout, ProblemType, Row, Split, Task, TextFile,
    answers::{self, Answers},
    definition::{ColumnName, ColumnNames, Definition, Files, TextColumns},
    format, labels,
    load::of_language,
    table::{self, Found},
};
use crate::error::{Error, Result};

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
        let known: BTreeSet<&str> = format::FORMATS.iter().flat_map(|format| format.endings).copied().collect();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        Error::Usage(format!(
            "{shown}: expected a file that ends in one of {known}; rename or convert it (words with a tag each end in .conll), or \
             describe it in a task's file, whose format reads any name (rxlt task show panx)"
        ))
    })?;
    let file = format.open(named.train)?;
    let format = words_or(format::of_conll(format, &file), &file);
    let kind = format.kind_of(&file);
    if !format.has_columns() || matches!(kind, Kind::Tag | Kind::Span) {
        return guess_rows(named, format, kind, &file);
    }
    guess_table(named, format, &file)
}

/// The same of a table.
fn guess_table(named: &Named, format: &'static Format, file: &TextFile) -> Result<Guess> {
    let shown = named.train.display().to_string();
    let found = format.columns_of(file)?;
    let (a, b, label) = columns(&found, &shown)?;
    let files =
        Files { format: Some(format.name.to_owned()), columns: names(&found, &a, &b, &label), ..Files::default() };
    let is_choice = !found.choices.is_empty();
    let mut definition = Definition {
        kind: if is_choice { Kind::Choose } else { Kind::Classify },
        // Until the rows are read: several labels may stand in one field.
        problem_type: if is_choice { ProblemType::default() } else { ProblemType::MultiLabelClassification },
        labels: vec!["a".into(), "b".into()],
        pairs: b.is_some(),
        ..undescribed(named)
    };
    let (rows, others) = rows_of(file, format, &definition, &files)?;
    let counts = counts(&rows);
    if !answers::are_several(&counts) {
        refuse_empty(file, &rows)?;
        refuse_no_number(file, &rows, &counts)?;
        refuse_alike(file, &rows, &counts)?;
    }
    let Answers { kind, problem_type, labels, asked, held } = answers::of(&counts, &found.choices, &label, &shown)?;
    let (folder, layouts) = lay_out(named, files)?;
    let pairs = rows.iter().filter_map(|row| Some((row.a.as_str(), row.b.as_deref()?)));
    let shared = Cluster::of_pairs(pairs).filter(|_| kind == Kind::Classify && b.is_some());
    let (cluster, prompts) = (shared.map(|(cluster, _)| cluster), prompts(&rows, kind));
    definition = Definition { kind, problem_type, cluster, labels, prompts, layouts, ..definition };
    definition.check().map_err(|problem| Error::Data(format!("{shown}: {problem}")))?;
    let texts = b.map_or(format!("single texts (column {a})"), |b| format!("pairs (columns {a} and {b})"));
    let (name, n, source) = (&definition.name, rows.len(), named.source);
    let assumed = [
        format!("task \"{name}\": {texts}: {asked}"),
        format!("{n} rows to train on, in \"{source}\" (--source): {held}"),
    ];
    let of_language = found.language.map(|column| {
        format!("column {column} says the language of a row: {others} rows of others than \"{source}\" are left out")
    });
    let clusters = shared.map(|(cluster, share)| {
        let (name, percent) = (cluster.name(), 100.0 * share);
        format!("{percent:.0} % of pairs share their {name} with others: those that do count as one item in intervals")
    });
    let of_splits = said_of_splits(named, of_language.is_some());
    let assumed = assumed.into_iter().chain(of_splits).chain(of_language).chain(clusters).collect();
    Ok(Guess { definition, folder, rows: n, assumed })
}

/// The task of a model that says no more than its labels: words a line each, or questions as SQuAD has them; of files that
/// end otherwise, by their endings.
pub fn of_model(kind: Kind, about: &str, labels: Vec<String>) -> Result<&'static Task> {
    let file = if kind == Kind::Span { "{language}.json" } else { "{language}.conll" };
    let layouts = vec![Files { test: vec![file.to_owned()], ..Files::default() }];
    let named = Named { train: Path::new("texts"), dev: None, test: None, source: "en" };
    let undescribed = Definition { about: about.to_owned(), ..undescribed(&named) };
    let definition = of_rows(undescribed, kind, labels, layouts);
    definition.check().map_err(|problem| Error::Data(format!("config.json of the model: {problem}")))?;
    Ok(definition.leak())
}

/// A definition of what is read row by row; questions on one text are one item.
fn of_rows(undescribed: Definition, kind: Kind, labels: Vec<String>, layouts: Vec<Files>) -> Definition {
    let cluster = (kind == Kind::Span).then_some(Cluster::Sentence2);
    Definition { kind, labels, cluster, layouts, ..undescribed }
}

/// The columns of the texts and of what is right, or what is expected of a header.
fn columns(found: &Found, shown: &str) -> Result<(String, Option<String>, String)> {
    let (names, hint) = (found.names.join(", "), found.hint);
    let remedy =
        "name the columns so, or describe the task in a file, beginning with one that ships: rxlt task show xnli";
    let (a, b) = texts(found).ok_or_else(|| {
        let (first, second, single) = (table::FIRST.join(", "), table::SECOND.join(", "), table::SINGLE.join(", "));
        Error::Data(format!(
            "{shown}: expected a header with a column of texts ({single}), or of the two sentences of a pair ({first}; \
             {second}), found {names}{hint}; {remedy}"
        ))
    })?;
    let label = found.label.clone().ok_or_else(|| {
        let known = table::LABEL.join(", ");
        Error::Data(format!("{shown}: expected a column of labels ({known}), found {names}; {remedy}"))
    })?;
    Ok((a, b, label))
}

fn names(found: &Found, a: &str, b: &Option<String>, label: &str) -> ColumnNames {
    let name = |name: &String| ColumnName::Name(name.clone());
    ColumnNames {
        sentence1: Some(ColumnName::Name(a.to_owned())),
        sentence2: b.as_ref().map(|b| TextColumns::One(name(b))),
        label: Some(ColumnName::Name(label.to_owned())),
        language: found.language.as_ref().map(name),
        id: None, // each file's header says, and not every file has one
        choices: found.choices.iter().map(name).collect(),
    }
}

/// A definition of which nothing is known but the files' names.
fn undescribed(named: &Named) -> Definition {
    Definition {
        name: name_of(named.train),
        about: format!("made of {}", file_name(named.train)),
        kind: Kind::default(),
        problem_type: ProblemType::default(),
        search: None,
        prompts: BTreeMap::new(),
        pairs: false,
        cluster: None,
        parallel: true,
        labels: Vec::new(),
        source: named.source.to_owned(),
        languages: Vec::new(),
        aliases: BTreeMap::new(),
        left_out: Vec::new(),
        layouts: Vec::new(),
    }
}

/// The columns of texts: of the text that alternatives belong to, or of a sentence or a pair.
fn texts(found: &Found) -> Option<(String, Option<String>)> {
    match found.choices.is_empty() {
        true => found.sentences.clone(),
        false => found.premise.clone().map(|premise| (premise, None)),
    }
}

/// How often each answer stands in rows.
fn counts(rows: &[Row]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.label.as_deref().unwrap_or_default().trim().to_owned()).or_default() += 1;
    }
    counts
}

/// Refuses rows without an answer.
fn refuse_empty(file: &TextFile, rows: &[Row]) -> Result<()> {
    let is_empty = |row: &&Row| row.label.as_deref().unwrap_or_default().trim().is_empty();
    rows.iter().find(is_empty).map_or(Ok(()), |row| {
        Err(Error::Data(format!("{}: there is no label; fill it in or remove the row", file.place(row.line))))
    })
}

/// Refuses a label that is no number where nearly all are.
fn refuse_no_number(file: &TextFile, rows: &[Row], counts: &BTreeMap<String, usize>) -> Result<()> {
    let odd = answers::no_number(counts);
    let found =
        odd.and_then(|odd| Some((odd, rows.iter().find(|row| row.label.as_deref().map(str::trim) == Some(odd))?)));
    found.map_or(Ok(()), |(odd, row)| {
        let place = file.place(row.line);
        Err(Error::Data(format!(
            "{place}: found {odd:?} where nearly all labels are numbers; mend it, or remove the row"
        )))
    })
}

/// Refuses a label that another one is but for case, Unicode's forms, what nobody sees, and how a whole number is written.
fn refuse_alike(file: &TextFile, rows: &[Row], counts: &BTreeMap<String, usize>) -> Result<()> {
    let rarest = |labels: &Vec<&str>| labels.iter().map(|label| (counts[*label], (*label).to_owned())).min();
    let several = labels::alike(counts.keys().map(String::as_str));
    let Some((labels, (n, rare))) =
        several.filter_map(|labels| Some((labels.clone(), rarest(&labels)?))).min_by(|(_, a), (_, b)| a.cmp(b))
    else {
        return Ok(());
    };
    let others = labels.iter().filter(|label| **label != rare);
    let other = *others.max_by_key(|label| counts[**label]).expect("there are several");
    let is_rare = |row: &&Row| row.label.as_deref().is_some_and(|label| label.trim() == rare);
    let line = rows.iter().find(is_rare).map_or(0, |row| row.line);
    let place = file.place(line);
    Err(Error::Data(format!(
        "{place}: found the label {rare:?} ({n} rows) beside {other:?} ({} rows), alike but for case, Unicode form, \".0\" or what \
         is not seen: write each label in one way, or describe the task in a file (rxlt task new) with one in labels and the others in aliases",
        counts[other]
    )))
}

/// COPA's questions in words, where those are what is asked of alternatives.
fn prompts(rows: &[Row], kind: Kind) -> BTreeMap<String, String> {
    let known = [("cause", "What was the cause?"), ("effect", "What happened as a result?")];
    let is_known = |row: &Row| row.b.as_deref().is_some_and(|asked| known.iter().any(|(name, _)| *name == asked));
    let prompts = known.into_iter().map(|(name, prompt)| (name.to_owned(), prompt.to_owned()));
    if kind == Kind::Choose && rows.iter().all(is_known) { prompts.collect() } else { BTreeMap::new() }
}

/// The format of a file: a .tsv file is one of words where nine lines of ten hold a word and a tag, empty ones part sentences,
/// and the first does not name a text and its label.
fn words_or(format: &'static Format, file: &TextFile) -> &'static Format {
    let lines = || file.lines().map(|(_, line)| line).take(1000).filter(|line| !line.trim().is_empty());
    let has_ends = file.lines().take(1000).any(|(_, line)| line.trim().is_empty());
    let has_header = file.lines().next().is_some_and(|(_, line)| table::is_header(line));
    let is_mostly_words = 10 * lines().filter(|line| line.split('\t').count() == 2).count() >= 9 * lines().count();
    let are_words = format.name == "tsv" && has_ends && !has_header && is_mostly_words;
    format::find("words").filter(|_| are_words).unwrap_or(format)
}

/// What stands in CoNLL-U where nothing is said.
const UNTAGGED: &str = "_";

/// The same of words with tags, questions, and texts without columns.
fn guess_rows(named: &Named, format: &'static Format, kind: Kind, file: &TextFile) -> Result<Guess> {
    let layout =
        Layout { about: "its file", files: &[], format, header: None, columns: Columns::default(), candidates: None };
    let rows = format.rows(file, &Task { kind, ..Task::UNDESCRIBED }, &layout)?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for tag in rows.iter().flat_map(|row| row.words.iter().map(|word| &word.tag).chain(&row.label)) {
        *counts.entry(tag.trim().to_owned()).or_default() += 1;
    }
    let shown = named.train.display();
    let files = Files { format: Some(format.name.to_owned()), ..Files::default() };
    let (folder, layouts) = lay_out(named, files)?;
    let labels = answers::in_order(counts.keys().cloned().collect());
    let definition = of_rows(undescribed(named), kind, labels, layouts);
    definition.check().map_err(|problem| Error::Data(format!("{shown}: {problem}")))?;
    let (name, n, source) = (&definition.name, rows.len(), named.source);
    let what = match kind {
        Kind::Tag => format!("a tag for each word: {}", definition.labels.join(", ")),
        Kind::Span => {
            "which part of a text answers a question; questions on one text count as one item in intervals".to_owned()
        }
        Kind::Classify | Kind::Choose | Kind::Rank | Kind::Retrieve => format!("one of {} classes", counts.len()),
    };
    let rows_said = format!("{n} rows to train on, in \"{source}\" (--source), read as {}", format.name);
    let untagged = counts.get(UNTAGGED).filter(|_| kind == Kind::Tag);
    let untagged = untagged.map(|n| format!("{n} words have the tag \"{UNTAGGED}\", which is learned like any other"));
    let assumed = [format!("task \"{name}\": {what}"), rows_said].into_iter().chain(untagged);
    let assumed = assumed.chain(said_of_splits(named, false)).collect();
    Ok(Guess { definition, folder, rows: n, assumed })
}

/// What is said of test and dev data, where a column may say the language of a row.
fn said_of_splits(named: &Named, has_languages: bool) -> [String; 2] {
    [
        match named.test {
            Some(test) if !test.contains("{language}") && !has_languages => {
                format!(
                    "{test} does not say {{language}}: where no column of it does, all of it is taken to be in \"{}\" (--source)",
                    named.source
                )
            }
            Some(test) if test.contains("{language}") => format!(
                "test data: {test}; rows of one id, or of one line where there are no ids, are taken for translations of each \
                 other"
            ),
            Some(test) => format!("test data: {test}"),
            None => "no --test: nothing is measured".to_owned(),
        },
        match named.dev {
            Some(dev) => format!("models are selected by {dev}"),
            None => "no --dev: the last model is kept".to_owned(),
        },
    ]
}

/// The rows of a file in the source language, and how many there are in others.
fn rows_of(file: &TextFile, format: &Format, definition: &Definition, files: &Files) -> Result<(Vec<Row>, usize)> {
    let layout = Files { train: vec![file_name(&file.path)], ..files.clone() };
    let task: &Task = Definition { layouts: vec![layout], ..definition.clone() }.leak();
    let rows = format.rows(file, task, &task.layouts[0])?;
    let all = rows.len();
    let own = of_language(rows, &file.path, &definition.source)
        .map_err(|error| error.with("name the language of the training data by --source"))?;
    let others = all - own.len();
    Ok((own, others))
}

/// Dev and test files below one folder: that of the test data, or where there are none that of the training data; where dev
/// data lie elsewhere, the one that holds both.
fn lay_out(named: &Named, files: Files) -> Result<(PathBuf, Vec<Files>)> {
    let folder_of = |pattern: &str| {
        let before = pattern.split_once("{language}").map_or(pattern, |(before, _)| before);
        let end = before.rfind(['/', '\\']).map_or(0, |at| at + 1);
        PathBuf::from(if end == 0 { "." } else { &pattern[..end] })
    };
    let inside = |pattern: &str, folder: &Path| {
        let [path, base] = comparable([pattern.as_ref(), folder]);
        let path = path.strip_prefix(&base).ok()?;
        (!path.components().any(|part| part == Component::ParentDir)).then(|| path.to_string_lossy().into_owned())
    };
    let train = named.train.to_string_lossy();
    let folder = folder_of(named.test.unwrap_or(&train));
    let folder = match named.dev {
        Some(dev) if inside(dev, &folder).is_none() => {
            let [one, other] = comparable([&folder, &folder_of(dev)]);
            one.components().zip(other.components()).take_while(|(a, b)| a == b).map(|(part, _)| part).collect()
        }
        _ => folder,
    };
    let below = |pattern: &str, flag: &str| {
        let remedy = "no folder holds it and the test data without \"..\": name both from the folder above";
        inside(pattern, &folder).ok_or_else(|| Error::Usage(format!("{flag} {pattern}: {remedy}")))
    };
    let train = below(&train, "--train").ok();
    let dev = named.dev.map(|dev| below(dev, "--dev")).transpose()?;
    let test = named.test.map(|test| below(test, "--test")).transpose()?;
    let kind = files.format.as_deref().and_then(format::find).map(|format| format.kinds()[0]);
    let mut layouts: Vec<Files> = vec![files];
    for (split, pattern) in [(Split::Train, train), (Split::Dev, dev), (Split::Test, test)] {
        let Some(pattern) = pattern else { continue };
        // Files of another ending are of another format, with columns of the same names.
        let is_other = |_: &&Format| Path::new(&pattern).extension() != named.train.extension();
        let of_kind = |format: &&Format| is_other(format) && kind.is_none_or(|kind| format.is_for(kind));
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

/// Two paths of one form: relative where both are, else absolute.
fn comparable(paths: [&Path; 2]) -> [PathBuf; 2] {
    let are_relative = paths.iter().all(|path| path.is_relative());
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    paths.map(|path| if are_relative { Path::new(".").join(path) } else { absolute(path) })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folder's name where the file is called `train`, else the file's, as far as a name may have its letters: one of a
/// task and of folders.
fn name_of(train: &Path) -> String {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let own = stem(train);
    let whole = std::path::absolute(train).unwrap_or_else(|_| train.to_owned());
    let parent = whole.parent().map(stem).unwrap_or_default();
    let name = if own.starts_with("train") && !parent.is_empty() { parent } else { own };
    let letters = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let name: String = name.chars().map(letters).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_taken = super::SHIPPED.iter().any(|task| task.name == name) || name == "mlm";
    match name {
        "" => "own".to_owned(),
        _ if is_taken => format!("own-{name}"),
        _ => name.to_owned(),
    }
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
    fn an_id_that_only_the_training_data_have_is_no_obstacle() {
        let csv = "id,text,label\n1,a,pos\n2,b,neg\n";
        let (folder, guess) = guessed(&[("t.csv", csv), ("test-de.csv", "text,label\nc,pos\n")], "test-{language}.csv");
        let task = guess.unwrap().definition.leak();
        assert_eq!(task.load(folder.path(), super::super::Split::Test, "de").unwrap().examples.len(), 1);
    }

    #[test]
    fn a_task_has_a_name_whatever_its_file_is_called() {
        for (file, name) in [
            ("/a/news.csv", "news"),
            ("/a/train.csv", "a"),
            ("/a/.tmpX/train.en.json", "tmpX"),
            ("/a/my news (1).csv", "my-news--1"),
            ("/a/\u{43e}\u{442}\u{437}\u{44b}\u{432}\u{44b}.csv", "own"),
            ("/a/xnli.csv", "own-xnli"),
            ("/train.csv", "train"),
        ] {
            assert_eq!(name_of(Path::new(file)), name, "{file}");
        }
    }

    #[test]
    fn dev_data_may_lie_beside_the_folder_of_the_test_data() {
        let csv = "text,label\na,pos\nb,neg\n";
        let (folder, _) = guessed(&[("in/t.csv", csv), ("in/dev.csv", csv), ("out/de.csv", csv)], "out/{language}.csv");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (train, dev, test) = (path("in/t.csv"), path("in/dev.csv"), path("out/{language}.csv"));
        let named = Named { train: Path::new(&train), dev: Some(&dev), test: Some(&test), source: "en" };
        let Guess { definition, folder: found, .. } = guess(&named).unwrap();
        let task = definition.leak();
        for (split, language) in [(Split::Train, "en"), (Split::Dev, "en"), (Split::Test, "de")] {
            assert_eq!(task.load(&found, split, language).unwrap().examples.len(), 2, "{split} in {}", found.display());
        }
        let dev = path("in/../../dev.csv");
        let error = guess(&Named { dev: Some(&dev), ..named }).unwrap_err();
        assert!(error.message().contains("name both from the folder above"), "{error}");
    }

    #[test]
    fn pairs_that_share_a_premise_are_clusters() {
        for [x, y] in [["x", "y"], ["0.5", "1.25"]] {
            let csv = format!("premise,hypothesis,label\na,b,{x}\na,c,{y}\na,d,{x}\ne,f,{y}\n");
            let (_folder, guess) = guessed(&[("t.csv", &csv)], "test-{language}.csv");
            let Guess { definition, assumed, .. } = guess.unwrap();
            assert_eq!(definition.cluster, Some(Cluster::Sentence1));
            let says = "75 % of pairs share their sentence1 with others";
            assert!(assumed.iter().any(|line| line.contains(says)), "{assumed:?}");
        }
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
    fn a_label_in_two_spellings_is_said_with_its_line() {
        let csv = "text,label\na,Pos\nb,neg\nc,pos\nd,pos\n";
        let (_folder, guess) = guessed(&[("t.csv", csv)], "test-{language}.csv");
        let error = guess.unwrap_err();
        let says = "t.csv:2: found the label \"Pos\" (1 rows) beside \"pos\" (2 rows)";
        assert!(error.exit_code() == 65 && error.message().contains(says), "{error}");
        for other in ["de\u{301}ja\u{300}", "déjà\u{200b}"] {
            let csv = format!("text,label\na,déjà\nb,neg\nc,déjà\nd,{other}\n");
            let (_folder, guess) = guessed(&[("t.csv", &csv)], "test-{language}.csv");
            let error = guess.unwrap_err();
            assert!(error.message().contains("t.csv:5: found the label "), "{error}");
        }
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
    fn several_labels_numbers_and_alternatives_are_understood() {
        let copa = "premise,question,choice1,choice2,label\nIt rained.,effect,wet,dry,0\nIt froze.,cause,heat,cold,1\n";
        for (name, text, kind, problem_type, labels, says) in [
            (
                "t.csv",
                "text,labels\nx,insult|threat\ny,insult\nz,\n",
                Kind::Classify,
                ProblemType::MultiLabelClassification,
                "insult threat",
                "any of 2 labels (column labels, several in a field)",
            ),
            (
                "t.jsonl",
                "{\"text\": \"x\", \"labels\": [\"a\", \"b\"], \"about\": {}}\n{\"text\": \"y\", \"labels\": [], \"about\": {}}\n",
                Kind::Classify,
                ProblemType::MultiLabelClassification,
                "a b",
                "2 rows to train on, in \"en\" (--source): a 1, b 1",
            ),
            (
                "t.tsv",
                "sentence1\tsentence2\tscore\nx\ty\t0.5\nx\tz\t4\n",
                Kind::Classify,
                ProblemType::Regression,
                "",
                "a number (column score)",
            ),
            ("t.csv", copa, Kind::Choose, ProblemType::default(), "0 1", "which of choice1, choice2 is right"),
        ] {
            let (folder, guess) = guessed(&[(name, text)], "test-{language}.csv");
            let Guess { definition, assumed, .. } = guess.unwrap();
            let found = (definition.kind, definition.problem_type, &definition.labels.join(" ")[..]);
            assert_eq!(found, (kind, problem_type, labels), "{assumed:?}");
            assert!(assumed.iter().any(|line| line.contains(says)), "{assumed:?}");
            // What is written down is read again, and the file by it.
            let again = Definition::parse(&definition.to_toml(), "again").unwrap();
            let loaded = again.leak().load_files(&[folder.path().join(name)], "en").unwrap();
            assert_eq!(loaded.examples.len(), text.lines().filter(|line| !line.starts_with(['s', 't', 'p'])).count());
        }
        let (folder, guess) = guessed(&[("t.csv", copa)], "test-{language}.csv");
        let definition = guess.unwrap().definition;
        assert_eq!(definition.prompts["effect"], "What happened as a result?");
        let task = definition.leak();
        let load = |text: &str| {
            fs::write(folder.path().join("test-de.csv"), text).unwrap();
            task.load(folder.path(), Split::Test, "de")
        };
        let odd = "premise,question,choice1,choice2,label\na,effekt,wet,dry,0\nb,cause,x,x,1\nc,cause,y,,0\n";
        let notes = load(odd).unwrap().notes.join("\n");
        for says in [
            "questions other than cause, effect, read as they stand: 1, such as \"effekt\"",
            "rows with the same alternative twice, of which one counts as wrong: 1",
            "rows without a text count like others: 1",
        ] {
            assert!(notes.contains(says), "{notes}");
        }
        let error = load("premise,question,choice1,choice2,choice3,label\na,cause,x,y,z,2\n").unwrap_err();
        let says = "found alternatives choice1, choice2, choice3, of which choice1, choice2 are read";
        assert!(error.message().contains(says), "{error}");
    }

    #[test]
    fn conll_files_are_what_their_lines_say() {
        let names = "-DOCSTART- -X- O O\n\nAda NNP I-NP B-PER\nsaw VBD I-VP O\n\nRome NNP I-NP B-LOC\n";
        let parts = "# sent_id = 1\n1\tAda\tAda\tPROPN\t_\t_\t_\t_\t_\t_\n2\tsaw\tsee\tVERB\t_\t_\t_\t_\t_\t_\n";
        let intents = "# text = show all\n# intent = x/y\n1\tshow\tx/y\tO\n2\tall\tx/y\tO\n\n\
                       # text = stop\n# intent = z\n1\tstop\tz\tO\n";
        let other = "-DOCSTART-\tO\n\nAda\tB-PER\nsaw\tO\n\n# newdoc\n";
        let other = other.to_owned() + &"Rome\tB-LOC\nit\tO\n\n".repeat(10);
        let (_folder, guess) = guessed(&[("train.tsv", &other)], "test-{language}.tsv");
        assert_eq!(guess.unwrap().definition.labels, ["B-LOC", "B-PER", "O"]);
        let (_folder, guess) = guessed(&[("train.tsv", &(other + "alone\n"))], "test-{language}.tsv");
        let error = guess.unwrap_err();
        assert!(error.message().contains("train.tsv:37: expected a word and its tag"), "{error}");
        for (text, format, labels) in
            [(names, "words", "B-LOC B-PER O"), (parts, "conllu", "PROPN VERB"), (intents, "xsid-blocks", "x/y z")]
        {
            let (_folder, guess) = guessed(&[("train.conll", text)], "test-{language}.conll");
            let definition = guess.unwrap().definition;
            let found = (definition.layouts[0].format.as_deref(), &definition.labels.join(" ")[..]);
            assert_eq!((found, definition.layouts.len()), ((Some(format), labels), 1));
        }
        let untagged = parts.replace("VERB", "_");
        let (_folder, guess) = guessed(&[("train.conllu", &untagged)], "test-{language}.conllu");
        let says = "1 words have the tag \"_\", which is learned like any other".to_owned();
        assert!(guess.unwrap().assumed.contains(&says));
        let toml =
            "name = \"n\"\nkind = \"tag\"\nlabels = [\"A\", \"B\"]\n[[layouts]]\ntest = [\"{language}.conll\"]\n";
        assert_eq!(Definition::parse(toml, "n").unwrap().leak().layouts[0].format.name, "words");
    }

    #[test]
    fn each_file_is_read_in_its_own_format() {
        let json = "{\"text\": \"gut\", \"label\": \"pos\"}\n{\"text\": \"b\u{f6}se\", \"label\": \"neg\"}\n";
        let files = [("a/train.csv", "text,label\ngood,pos\nbad,neg\nnice,pos\n"), ("b/test-de.jsonl", json)];
        let (folder, guess) = guessed(&files, "b/test-{language}.jsonl");
        let task = guess.unwrap().definition.leak();
        let train = task.load_files(&[folder.path().join("a/train.csv")], "en").unwrap();
        let test = task.load(&folder.path().join("b"), Split::Test, "de").unwrap();
        assert_eq!((train.examples.len(), test.examples.len(), &test.examples[0].a[..]), (3, 2, "gut"));
    }

    #[test]
    fn what_cannot_be_told_is_asked() {
        let numbers: String = (0..40).map(|i| format!("x,{i}.5\n")).collect();
        let numbers = format!("text,label\n{numbers}y,nan\n");
        for (text, says) in [
            (
                "text,label\na,0\nb,1\nc,0.0\nd,1\ne,0\n",
                "t.csv:4: found the label \"0.0\" (1 rows) beside \"0\" (2 rows)",
            ),
            ("a,b\n1,2\n", "expected a header with a column of texts"),
            ("text,topic of it\nx,y\n", "expected a column of labels"),
            ("text,label\nx,y\nz,y\n", "found one label in 2 rows"),
            ("text,label\nx,y\nz,\n", "t.csv:3: there is no label"),
            ("text,label\r\nx,y\r\n\r\nz,\r\n", "t.csv:4: there is no label"),
            ("text,label\rx,y\rz,\r", "t.csv:3: there is no label"),
            ("text,label,text\na,x,b\nc,y,d\n", "t.csv:1: two columns are called \"text\""),
            ("text;label\nx;y\n", "it seems to be parted by semicolons"),
            ("text,label\na,1\nb,2\nc,3\nd,4\n", "found 4 labels in 4 rows"),
            (&numbers, "t.csv:42: found \"nan\" where nearly all labels are numbers"),
            ("text,label\nx\n", "t.csv:2: expected 2 columns (text, label) as in the header, found 1"),
        ] {
            let (_folder, guess) = guessed(&[("t.csv", text)], "{language}.csv");
            let error = guess.unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
    }
}
