//! Finding a task's files, reading them, and judging every row: a label is known, or the file is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    Kind, Layout, Loaded, Origin, ProblemType, Row, Split, Task, TextFile, Word,
    codes::{can_be_same, is_code, is_regional, same_notes, word_notes},
    format,
    joined::{joined_by, unjoined_note},
    parts,
    table::looks_quoted,
    text_file::sha256,
};
use crate::{
    error::{Error, Result, did_you_mean},
    input,
};

/// As many rows with one and the same label teach and measure nothing: somebody filled the column in. With three labels
/// drawn evenly this happens by chance once in 3¹⁹ files.
pub(super) const ROWS_OF_ONE_LABEL: usize = 20;

/// A file of a task, found in a folder.
struct Found {
    path: PathBuf,
    /// The files that hold it: one, or the parts of a table in their order.
    parts: Vec<PathBuf>,
    layout: &'static Layout,
    /// Path under the folder without its ending: the beginning of every example's id.
    stem: String,
    /// Whether it should hold one language alone.
    is_of_one: bool,
}

/// What was read for a `Found`, one file behind the other.
struct Source {
    /// The files, and the last row of each in the table.
    files: Vec<(TextFile, usize)>,
    /// The beginnings of ids, one for each file.
    stems: Vec<String>,
}

impl Source {
    fn of(&self, line: usize) -> (&TextFile, &str) {
        let at = self.files.partition_point(|(_, last)| *last < line).min(self.files.len() - 1);
        (&self.files[at].0, &self.stems[at])
    }

    fn place(&self, line: usize) -> String {
        self.of(line).0.place(line)
    }

    fn id(&self, line: usize) -> String {
        let (file, stem) = self.of(line);
        format!("{stem}:{}", file.own_line(line))
    }

    /// Each file with the rows that it has of these.
    fn origins(&self, rows: &[Row]) -> Vec<Origin> {
        let origin = |(i, (file, last)): (usize, &(TextFile, usize))| {
            let before = if i == 0 { 0 } else { self.files[i - 1].1 };
            let is_own = |row: &&Row| self.files.len() == 1 || before < row.line && row.line <= *last;
            let rows = rows.iter().filter(is_own).count();
            Origin { path: file.path.clone(), sha256: file.sha256.clone(), rows }
        };
        self.files.iter().enumerate().map(origin).collect()
    }
}

/// How ids and messages name lines of what is judged.
struct Lines<'a> {
    path: String,
    id: &'a dyn Fn(usize) -> String,
    place: &'a dyn Fn(usize) -> String,
}

/// What stands for the language in the name of a file.
const LANGUAGE: &str = "{language}";

/// What is expected of the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
    /// Every row has one, and not all rows of a file have the same one.
    Required,
    /// They are not looked at.
    Ignored,
}

/// What a folder holds of a split of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The languages: the task's own in their order, then others by name.
    pub languages: Vec<String>,
    /// Files that begin and end as such a file does, but whose names say no language, such as `test-de (1).tsv`.
    pub left_out: Vec<String>,
}

impl Survey {
    /// A sentence on what was left out, and on what may be no language, or one under two codes.
    pub fn note(&self) -> Option<String> {
        let files = self.left_out.join(", ");
        let left_out = (!files.is_empty()).then(|| format!("left out, since no language is called so: {files}"));
        let of_codes = word_notes(&self.languages).chain(same_notes(&self.languages));
        let notes: Vec<String> = left_out.into_iter().chain(of_codes).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// A language that somebody named, as the data call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its code in the data.
    pub language: String,
    /// That it was named by another code.
    pub note: Option<String>,
}

impl Task {
    /// Reads one split in one language from `folder` (or its subfolder named like the task).
    pub fn load(&self, folder: &Path, split: Split, language: &str) -> Result<Loaded> {
        let found = self.locate(folder, split, language)?;
        let loaded = self.read(&found, language, Labels::Required)?;
        let ranks_none = || loaded.examples.windows(2).all(|pair| pair[0].a != pair[1].a);
        if self.kind == Kind::Rank && split != Split::Train && ranks_none() {
            return Err(Error::Data(format!(
                "{}: no query has more than one result to rank; put the results of a query one below the other, or leave \
                 {language} out",
                found.path.display()
            )));
        }
        Ok(loaded)
    }

    /// Reads one split in one language for prediction: every row in order, labels not looked at.
    pub fn load_unlabelled(&self, folder: &Path, split: Split, language: &str) -> Result<Loaded> {
        self.read(&self.locate(folder, split, language)?, language, Labels::Ignored)
    }

    /// Reads labelled examples of one language from files named one by one, such as training data of one's own.
    pub fn load_files(&self, paths: &[PathBuf], language: &str) -> Result<Loaded> {
        self.read_files(paths, language, Labels::Required)
    }

    /// Reads files named one by one for prediction: every row in order, labels not looked at.
    pub fn load_files_unlabelled(&self, paths: &[PathBuf], language: &str) -> Result<Loaded> {
        self.read_files(paths, language, Labels::Ignored)
    }

    /// Judges rows that were made, not read; `name` stands for the file in ids and messages.
    pub fn load_rows(&self, name: &str, language: &str, rows: &[Row]) -> Result<Loaded> {
        let fields = |row: &Row| [Some(row.a.clone()), row.b.clone(), row.label.clone()].into_iter().flatten();
        let lines = rows.iter().map(|row| fields(row).collect::<Vec<_>>().join("\t") + "\n");
        let sha256 = sha256(lines.collect::<String>().as_bytes());
        let origin = Origin { path: PathBuf::from(name), sha256, rows: rows.len() };
        let (id, path) = (|line: usize| format!("{name}:{line}"), name.to_owned());
        self.judge(vec![origin], &Lines { path, id: &id, place: &id }, language, rows, Labels::Required)
    }

    /// The languages in which `folder` holds this split: the task's own in their order, then others by name.
    pub fn languages_in(&self, folder: &Path, split: Split) -> Result<Vec<String>> {
        Ok(self.survey(folder, split)?.languages)
    }

    /// The same, and the files that look like such of a language but are not.
    pub fn survey(&self, folder: &Path, split: Split) -> Result<Survey> {
        for base in self.bases(folder)? {
            let (mut present, mut left_out) = (BTreeSet::new(), BTreeSet::new());
            for pattern in self.patterns(split).map(|(_, pattern)| pattern) {
                for name in self.languages_of(&base, pattern)? {
                    match !pattern.contains(LANGUAGE) || self.is_language(&name) || self.is_mixture(&name) {
                        true => present.insert(name),
                        false => left_out.insert(base.join(pattern.replace(LANGUAGE, &name)).display().to_string()),
                    };
                }
            }
            if !present.is_empty() {
                let own = self.languages.iter().filter(|language| present.contains(**language));
                let own: Vec<String> = own.map(|language| (*language).to_owned()).collect();
                present.retain(|language| !own.contains(language) && !self.is_mixture(language));
                let languages = own.into_iter().chain(present).collect();
                return Ok(Survey { languages, left_out: left_out.into_iter().collect() });
            }
        }
        Err(self.missing(folder, split, "any language"))
    }

    /// What the data call each of these languages: one that they have under this code, or the only one that another
    /// code of it names, such as `swh_Latn` for `sw`. None may be there twice.
    pub fn asked(&self, folder: &Path, split: Split, named: &[String]) -> Result<Vec<Asked>> {
        let present = self.languages_in(folder, split).unwrap_or_default();
        let mut all: Vec<Asked> = Vec::new();
        for name in named {
            let asked = self.asked_one(&present, name)?;
            if all.iter().any(|other| other.language == asked.language) {
                let language = &asked.language;
                let remedy = "name each language once: twice it would weigh twice in every mean";
                return Err(Error::Usage(format!("languages: \"{language}\" is named twice; {remedy}")));
            }
            all.push(asked);
        }
        Ok(all)
    }

    /// Refuses test data that hold the source language under another code: it would count as a language transferred to.
    pub fn check_source(&self, tested: &[String]) -> Result<()> {
        // One may want to transfer from one region to another, and says both.
        let same = |code: &&String| can_be_same(code, self.source) && !is_regional(code) && !is_regional(self.source);
        let is_there = tested.iter().any(|code| code == self.source);
        tested.iter().filter(|_| !is_there).find(same).map_or(Ok(()), |code| {
            let (name, source) = (self.name, self.source);
            Err(Error::Config(format!(
                "{name}: its source is \"{source}\", and the test data call that language \"{code}\"; write source = \"{code}\" \
                 (--source {code}), or name the files after {source}"
            )))
        })
    }

    fn asked_one(&self, present: &[String], name: &str) -> Result<Asked> {
        let as_named = Asked { language: name.to_owned(), note: None };
        if present.iter().any(|language| language == name) || self.is_mixture(name) {
            return Ok(as_named);
        }
        let alike: Vec<&String> = present.iter().filter(|language| can_be_same(language, name)).collect();
        match &alike[..] {
            // What is not there is said where it is read.
            [] => Ok(as_named),
            [only] => Ok(Asked {
                language: (*only).clone(),
                note: Some(format!("\"{name}\" is called {only} in the data of {}", self.name)),
            }),
            [first, .., last] => Err(Error::Usage(format!(
                "languages: \"{name}\" can be {first} or {last} in the data of {}; name one of them",
                self.name
            ))),
        }
    }

    fn read_files(&self, paths: &[PathBuf], language: &str, labels: Labels) -> Result<Loaded> {
        let mut stems: Vec<String> = Vec::new();
        let mut all: Option<Loaded> = None;
        for path in paths {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            // Files of one name in two folders: the second becomes `train(2)`, so that ids stay apart.
            let stem = match stems.iter().filter(|stem| **stem == name).count() {
                0 => name.clone(),
                before => format!("{name}({})", before + 1),
            };
            stems.push(name);
            let (layout, parts) = (self.layout_for(path)?, vec![path.clone()]);
            let found = Found { layout, parts, stem, path: path.clone(), is_of_one: true };
            let next = self.read(&found, language, labels)?;
            all = Some(match all {
                Some(before) => before.joined(next),
                None => next,
            });
        }
        all.ok_or_else(|| Error::Usage(format!("no file of {} was named", self.name)))
    }

    /// The layout whose files end like this one; the first where none does, in the format that the name says.
    pub(super) fn layout_for(&self, path: &Path) -> Result<&'static Layout> {
        let same_ending = |layout: &&Layout| {
            layout.files.iter().any(|(_, pattern)| Path::new(pattern).extension() == path.extension())
        };
        let first = self.layouts.first().ok_or_else(|| {
            let (name, path) = (self.name, path.display());
            Error::Usage(format!(
                "{name} has no files, its data are generated: expected a task with the layout of {path}"
            ))
        })?;
        let other = format::of_path_for(path, self.kind).filter(|format| format.is_for(self.kind));
        Ok(self.layouts.iter().find(same_ending).unwrap_or_else(|| match other {
            Some(format) if format.has_columns() == first.format.has_columns() => {
                Box::leak(Box::new(Layout { format, files: &[], ..*first }))
            }
            _ => first,
        }))
    }

    /// Where the files may lie: the folder's subfolder named like the task, then the folder itself.
    pub(super) fn bases(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        if !folder.is_dir() {
            let remedy = format!("name the folder that holds the files of {}", self.name);
            return Err(Error::Missing(format!("there is no folder {}; {remedy}", folder.display())));
        }
        let own = folder.join(self.name);
        Ok(if own.is_dir() { vec![own, folder.to_owned()] } else { vec![folder.to_owned()] })
    }

    pub(super) fn patterns(&self, split: Split) -> impl Iterator<Item = (&'static Layout, &'static str)> {
        let layouts = self.layouts.iter();
        layouts
            .flat_map(move |layout| layout.files.iter().filter(move |file| file.0 == split).map(move |f| (layout, f.1)))
    }

    fn locate(&self, folder: &Path, split: Split, language: &str) -> Result<Found> {
        if language.is_empty() || language.contains(['/', '\\']) || language.starts_with('.') {
            return Err(Error::Usage(format!("\"{language}\" is no language; name one such as {}", self.source)));
        }
        for base in self.bases(folder)? {
            for (layout, pattern) in self.patterns(split) {
                if pattern.contains(LANGUAGE) && !self.is_language(language) && !self.is_mixture(language) {
                    continue;
                }
                let name = pattern.replace(LANGUAGE, language);
                let path = base.join(&name);
                if input::is_there(&path) {
                    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
                    let parts = parts::of(&path)?;
                    return Ok(Found { path, parts, layout, stem, is_of_one: pattern.contains(LANGUAGE) });
                }
            }
        }
        match self.languages_in(folder, split) {
            Ok(present) => {
                let hint = match present.iter().find(|other| can_be_same(other, language)) {
                    Some(other) => format!("it is called \"{other}\" there: write \"{other}\""),
                    None => did_you_mean(language, present.iter().map(String::as_str)),
                };
                let (name, folder) = (self.name, folder.display());
                Err(Error::Missing(format!(
                    "no {split} file of {name} for language \"{language}\" in {folder}; {hint}"
                )))
            }
            Err(_) => Err(self.missing(folder, split, &format!("language \"{language}\""))),
        }
    }

    pub(super) fn missing(&self, folder: &Path, split: Split, language: &str) -> Error {
        if !self.has(split) {
            return Error::Missing(format!("the task {} has no {split} files; name them in its file", self.name));
        }
        let known: Vec<String> =
            self.patterns(split).map(|(layout, pattern)| format!("{pattern} ({})", layout.about)).collect();
        let train = if split == Split::Train { "; a training file can also be named by its path" } else { "" };
        let (name, folder) = (self.name, folder.display());
        Error::Missing(format!(
            "no {split} file of {name} for {language}: looked in {folder} and {folder}/{name} for {}{train}",
            known.join(", ")
        ))
    }

    /// The languages that the files of one pattern hold.
    pub(super) fn languages_of(&self, base: &Path, pattern: &str) -> Result<Vec<String>> {
        let Some((before, after)) = pattern.split_once(LANGUAGE) else {
            return self.languages_inside(&base.join(pattern));
        };
        let (subfolder, prefix) = before.rsplit_once('/').unwrap_or(("", before));
        // Up to the end of the name, or to where the language stands again.
        let until = after.find(LANGUAGE).unwrap_or(after.len()).min(after.find('/').unwrap_or(after.len()));
        let (between, again) = (&after[..until], after[until..].starts_with(LANGUAGE));
        let folder = base.join(subfolder);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut languages = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|error| Error::read(&folder, &error))? {
            let name = entry.map_err(|error| Error::read(&folder, &error))?.file_name();
            let name = name.to_str().and_then(|name| {
                let name = name.strip_prefix(prefix)?;
                if again { name.split_once(between).map(|(language, _)| language) } else { name.strip_suffix(between) }
            });
            let Some(language) = name.filter(|name| !name.is_empty() && !name.starts_with('.')) else { continue };
            if input::is_there(&base.join(pattern.replace(LANGUAGE, language))) {
                languages.push(language.to_owned());
            }
        }
        Ok(languages)
    }

    /// The languages that one file holds.
    fn languages_inside(&self, path: &Path) -> Result<Vec<String>> {
        if !input::is_there(path) {
            return Ok(Vec::new());
        }
        let layout = self.layout_for(path)?;
        if let Some(languages) = layout.format.languages_inside(path) {
            return languages;
        }
        let mut languages = BTreeSet::new();
        for part in parts::of(path)? {
            let rows = layout.format.rows(&layout.format.open(&part)?, self, layout)?;
            languages.extend(rows.into_iter().map(|row| row.language.unwrap_or(self.source.to_owned())));
        }
        Ok(languages.into_iter().collect())
    }

    /// Whether a part of a file's name is the code of a language: one of the task's, or what has the form of one.
    pub(super) fn is_language(&self, name: &str) -> bool {
        self.languages.contains(&name) || is_code(name)
    }

    /// Whether a name such as `en-de` is two of this task's languages: a file of the generalized setting.
    fn is_mixture(&self, name: &str) -> bool {
        name.split_once('-').is_some_and(|(a, b)| self.languages.contains(&a) && self.languages.contains(&b))
    }

    fn read(&self, found: &Found, language: &str, labels: Labels) -> Result<Loaded> {
        let (source, rows) = self.read_parts(found, labels)?;
        let (all, path) = (rows.len(), found.path.display());
        let rows = of_language(rows, &found.path, language)?;
        let others = if found.is_of_one { all - rows.len() } else { 0 };
        if labels != Labels::Ignored
            && let Some(evidence) = self.removed_labels(&rows)
        {
            let remedy = "put the labels back, or use predict, which works without labels";
            return Err(Error::Data(format!("{path}: labels look removed: {evidence}; {remedy}")));
        }
        let (id, place) = (|line| source.id(line), |line| source.place(line));
        let lines = Lines { path: path.to_string(), id: &id, place: &place };
        let mut loaded = self.judge(source.origins(&rows), &lines, language, &rows, labels)?;
        if others > 0 {
            loaded.dropped.insert("rows of other languages, as their column says".to_owned(), others);
        }
        Ok(loaded)
    }

    /// The rows of all parts, counted through.
    fn read_parts(&self, found: &Found, labels: Labels) -> Result<(Source, Vec<Row>)> {
        let (mut source, mut all) = (Source { files: Vec::new(), stems: Vec::new() }, Vec::new());
        let mut last = 0;
        for part in &found.parts {
            let file = found.layout.format.open(part)?.behind(last);
            let rows = match labels {
                Labels::Required => found.layout.format.rows(&file, self, found.layout)?,
                Labels::Ignored => self.without_tags(&file, found.layout)?,
            };
            last += file.lines().count();
            all.extend(rows);
            source.stems.push(parts::stem(&found.stem, &found.path, part));
            source.files.push((file, last));
        }
        Ok((source, all))
    }

    /// Rows for prediction, in which words may stand without tags, and texts without labels.
    fn without_tags(&self, file: &TextFile, layout: &Layout) -> Result<Vec<Row>> {
        let rows = layout.format.rows_unlabelled(file, self, layout)?;
        // A sentence on one line would be read as a word with its tag.
        let is_none = |tag: &str| !tag.contains(char::is_alphanumeric) || self.label(tag).is_some();
        match rows.iter().flat_map(|row| &row.words).find(|word| !is_none(&word.tag)) {
            None => Ok(rows),
            Some(Word { line, tag, .. }) => Err(Error::Data(format!(
                "{}: \"{tag}\" is no tag of {}; put each word on a line of its own, alone or with one of its tags ({}), and \
                 empty lines between sentences",
                file.place(*line),
                self.name,
                self.labels().join(", ")
            ))),
        }
    }

    /// How one can tell that a file's labels were taken out: there are none, or all are one where the task has several.
    fn removed_labels(&self, rows: &[Row]) -> Option<String> {
        if self.kind == Kind::Span {
            let none = rows.iter().all(|row| row.answers.is_empty());
            return none.then(|| format!("none of {} questions has an answer", rows.len()));
        }
        if self.kind == Kind::Classify && self.problem_type == ProblemType::MultiLabelClassification {
            let none = rows.iter().all(|row| row.label.as_deref().unwrap_or("").trim().is_empty());
            return none.then(|| format!("none of {} rows has one", rows.len()));
        }
        let counted = rows.iter().filter(|row| self.leave_out(row).is_none());
        let written = counted.flat_map(|row| match &row.words[..] {
            [] => vec![row.label.as_deref().unwrap_or("")],
            words => words.iter().map(|word| word.tag.as_str()).collect(),
        });
        let names = written.map(|label| self.official(label.trim()));
        let distinct: BTreeSet<&str> = names.collect();
        let (Some(only), 1) = (distinct.first(), distinct.len()) else { return None };
        match only.is_empty() {
            true => Some(format!("none of {} rows has one", rows.len())),
            false => (rows.len() >= ROWS_OF_ONE_LABEL).then(|| format!("all {} rows have \"{only}\"", rows.len())),
        }
    }

    fn judge(&self, files: Vec<Origin>, lines: &Lines, language: &str, rows: &[Row], labels: Labels) -> Result<Loaded> {
        let path = &lines.path;
        let mut loaded = Loaded {
            language: language.to_owned(),
            mixed: None,
            examples: Vec::with_capacity(rows.len()),
            dropped: BTreeMap::new(),
            dropped_rows: BTreeSet::new(),
            files,
            labels: self.labels(),
            notes: Vec::new(),
        };
        for row in rows {
            let id = (lines.id)(row.line);
            let example = match labels {
                Labels::Ignored => self.question(id, row),
                Labels::Required => {
                    if let Some(reason) = self.leave_out(row) {
                        *loaded.dropped.entry(reason.to_owned()).or_default() += 1;
                        loaded.dropped_rows.insert(row.row);
                        continue;
                    }
                    if self.kind == Kind::Span && row.answers.is_empty() {
                        let reason = "questions that their text does not answer: a span is always given";
                        *loaded.dropped.entry(reason.to_owned()).or_default() += 1;
                        loaded.dropped_rows.insert(row.row);
                        continue;
                    }
                    self.answered(lines.place, id, row)?
                }
            };
            loaded.examples.push(example);
        }
        if loaded.examples.is_empty() {
            let dropped = &loaded.dropped;
            return Err(Error::Data(format!("{path}: every row was left out: {dropped:?}")));
        }
        if !self.parallel {
            loaded.examples.iter_mut().for_each(|one| one.row = joined_by(&format!("{language} {}", one.row)));
        }
        if let Some(cluster) = self.cluster {
            cluster.join(&mut loaded.examples);
        }
        let notes = [
            one_class_note(path, &loaded),
            quoting_note(path, rows),
            empty_note(path, &loaded),
            same_choices_note(path, &loaded),
            self.other_questions_note(path, &loaded),
            unjoined_note(path, rows),
        ];
        loaded.notes.extend(notes.into_iter().flatten());
        Ok(loaded)
    }

    /// That questions are read as they stand which the task's prompts have no words for.
    fn other_questions_note(&self, path: &str, loaded: &Loaded) -> Option<String> {
        let is_known = |asked: &str| self.prompts.is_empty() || self.prompts.iter().any(|(name, _)| *name == asked);
        let mut others = loaded.examples.iter().filter_map(|example| example.b.as_deref()).filter(|b| !is_known(b));
        let (first, more) = (others.next()?, others.count());
        let known = self.prompts.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        Some(format!("{path}: questions other than {known}, read as they stand: {}, such as {first:?}", more + 1))
    }
}

impl Loaded {
    /// These examples, then those of `other`.
    fn joined(mut self, other: Loaded) -> Loaded {
        self.examples.extend(other.examples);
        for (reason, count) in other.dropped {
            *self.dropped.entry(reason).or_default() += count;
        }
        self.dropped_rows.extend(other.dropped_rows);
        self.files.extend(other.files);
        self.notes.extend(other.notes);
        self
    }
}

/// The rows of one language, where the file says which language a row is in.
pub(super) fn of_language(rows: Vec<Row>, path: &Path, language: &str) -> Result<Vec<Row>> {
    if rows.iter().all(|row| row.language.is_none()) {
        return Ok(rows);
    }
    let (wanted, others): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.language.as_deref() == Some(language));
    if wanted.is_empty() {
        let present: BTreeSet<&str> = others.iter().filter_map(|row| row.language.as_deref()).collect();
        let hint = did_you_mean(language, present);
        return Err(Error::Missing(format!("{}: no rows for language \"{language}\"; {hint}", path.display())));
    }
    Ok(wanted)
}

fn quoting_note(path: &str, rows: &[Row]) -> Option<String> {
    let sentences = rows.iter().flat_map(|row| [Some(row.a.as_str()), row.b.as_deref()]).flatten();
    let quoted = sentences.filter(|sentence| looks_quoted(sentence)).count();
    let note = "sentences quoted as by a CSV writer (\"… \"\"…\"\" …\"), taken as they stand";
    (quoted > 0).then(|| format!("{path}: {note}: {quoted}"))
}

fn empty_note(path: &str, loaded: &Loaded) -> Option<String> {
    let n = loaded.examples.iter().filter(|example| example.texts().any(|text| text.trim().is_empty())).count();
    (n > 0).then(|| {
        format!("{path}: rows without a text count like others: {n} (left_out in the task's file passes them over)")
    })
}

fn same_choices_note(path: &str, loaded: &Loaded) -> Option<String> {
    let is_twice =
        |(i, text): (usize, &String), all: &[String]| all[..i].iter().any(|other| other.trim() == text.trim());
    let has_twice = |all: &[String]| all.iter().enumerate().any(|choice| is_twice(choice, all));
    let n = loaded.examples.iter().filter(|example| has_twice(&example.choices)).count();
    (n > 0).then(|| format!("{path}: rows with the same alternative twice, of which one counts as wrong: {n}"))
}

fn one_class_note(path: &str, loaded: &Loaded) -> Option<String> {
    let mut present = loaded.histogram().into_iter().filter(|(_, count)| *count > 0);
    let (label, count) = present.next()?;
    present.next().is_none().then(|| format!("{path}: all {count} examples have the label \"{label}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Example, shipped};

    /// A folder with these files.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    /// Examples as `id row a/b label`, one per line.
    fn shown(loaded: &Loaded) -> String {
        let one = |e: &Example| {
            let b = e.b.as_ref().map(|b| format!("/{b}")).unwrap_or_default();
            format!("{} {} {}{b} {}", e.id, e.row, e.a, e.label.map_or("-".into(), |label| label.to_string()))
        };
        loaded.examples.iter().map(one).collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn check(loaded: Result<Loaded>, examples: &str, dropped: &[(&str, usize)]) {
        let loaded = loaded.unwrap();
        assert_eq!(shown(&loaded), examples);
        let found: Vec<_> = loaded.dropped.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(found, dropped);
        let counted: usize = loaded.histogram().iter().map(|(_, count)| count).sum();
        assert_eq!(counted, loaded.examples.iter().filter(|example| example.label.is_some()).count());
        let rows: usize = loaded.files.iter().map(|file| file.rows).sum();
        assert_eq!(rows, loaded.examples.len() + dropped.iter().map(|(_, count)| count).sum::<usize>());
    }

    #[test]
    fn every_layout_is_read() {
        let release = "language\tgold_label\tsentence1\tsentence2\tpairID\nar\tneutral\tx\ty\t1\n\
                       de\tentailment\tp\th\t2\nde\tcontradictory\tp\tk\t3\n";
        let intents = "# id = 4/B\n# text = kor kaldt\n# intent = weather/find\n1\tkor\tweather/find\tO\n";
        for (task, split, language, files, examples, dropped) in [
            (shipped("xnli"), Split::Dev, "de", &[("dev-de.tsv", "p\th\tneutral \n")][..], "dev-de:1 1 p/h 2", &[][..]),
            (
                shipped("xnli"),
                Split::Test,
                "de",
                &[("xnli/test-de.tsv", "p\th\tneutral\r\n")],
                "test-de:1 1 p/h 2",
                &[],
            ),
            (
                shipped("xnli"),
                Split::Test,
                "en-de",
                &[("test-en-de.tsv", "p\th\tneutral")],
                "test-en-de:1 1 p/h 2",
                &[],
            ),
            (
                shipped("xnli"),
                Split::Dev,
                "de",
                &[("xnli.dev.tsv", release)],
                "xnli.dev:3 2 p/h 1\nxnli.dev:4 3 p/k 0",
                &[],
            ),
            (
                shipped("xnli"),
                Split::Train,
                "en",
                &[("multinli/multinli.train.en.tsv", "premise\thypo\tlabel\np\th\tcontradictory\np\tk\t-\n")],
                "multinli/multinli.train.en:2 1 p/h 0",
                &[("rows without a gold label (\"-\")", 1)],
            ),
            (
                shipped("pawsx"),
                Split::Test,
                "ja",
                &[("test-ja.tsv", "p\th\t1\nNS\tNS\t0\np\t \t0\np\tNSA\t0\n")],
                "test-ja:1 1 p/h 1\ntest-ja:4 4 p/NSA 0",
                &[("NS rows", 2)],
            ),
            (
                shipped("pawsx"),
                Split::Dev,
                "ko",
                &[("ko/dev_2k.tsv", "id\tsentence1\tsentence2\tlabel\n5\tp\th\t1\n")],
                "ko/dev_2k:2 5 p/h 1",
                &[],
            ),
            (shipped("xsid"), Split::Dev, "no", &[("no.valid.conll", intents)], "no.valid:1 4 kor kaldt 17", &[]),
            (
                shipped("xsid"),
                Split::Train,
                "en",
                &[("xsid/en.train.tsv", "GetWeather\ta b\tO O\n")],
                "en.train:1 1 a b 17",
                &[],
            ),
            (
                shipped("sib200"),
                Split::Test,
                "nob_Latn",
                &[("nob_Latn/test.tsv", "index_id\tcategory\ttext\n8\ttravel\tt\n")],
                "nob_Latn/test:2 8 t 6",
                &[],
            ),
        ] {
            let folder = folder(files);
            check(task.load(folder.path(), split, language), examples, dropped);
            assert!(language == "en-de" || task.languages_in(folder.path(), split).unwrap().contains(&language.into()));
        }
    }

    #[test]
    fn languages_are_listed_in_the_order_of_the_task() {
        let row = "p\th\tneutral\n";
        let files = ["test-zh.tsv", "test-ar.tsv", "test-hr.tsv", "test-en-de.tsv", "dev-fr.tsv", "test-.tsv"];
        let folder = folder(&files.map(|name| (name, row)));
        assert_eq!(shipped("xnli").languages_in(folder.path(), Split::Test).unwrap(), ["ar", "zh", "hr"]);
        assert!(matches!(shipped("xnli").languages_in(folder.path(), Split::Train), Err(Error::Missing(_))));
    }

    #[test]
    fn copies_of_files_are_no_languages() {
        let files =
            ["test-de.tsv", "test-de (1).tsv", "test-de.old.tsv", "test-de_copy.tsv", "test-pt-BR.tsv", "test-gsw.tsv"];
        let files: Vec<(&str, &str)> = files.iter().map(|name| (*name, "p\th\tneutral\n")).collect();
        let folder = folder(&files);
        let survey = shipped("xnli").survey(folder.path(), Split::Test).unwrap();
        assert_eq!(survey.languages, ["de", "gsw", "pt-BR"]);
        let note = survey.note().unwrap();
        for name in ["test-de (1).tsv", "test-de.old.tsv", "test-de_copy.tsv"] {
            assert!(note.contains(name), "{note}");
        }
        assert_eq!(survey.left_out.len(), 3);

        let topic = "index_id\tcategory\ttext\n8\ttravel\tt\n";
        let folder = self::folder(&[("swh_Latn/test.tsv", topic), ("swh_Latn (1)/test.tsv", topic)]);
        let survey = shipped("sib200").survey(folder.path(), Split::Test).unwrap();
        assert_eq!((survey.languages.len(), survey.left_out.len()), (1, 1));
    }

    #[test]
    fn languages_are_found_by_other_codes_of_theirs() {
        let topic = "index_id\tcategory\ttext\n8\ttravel\tt\n";
        let files = ["swh_Latn/test.tsv", "zho_Hans/test.tsv", "zho_Hant/test.tsv", "swe_Latn/test.tsv"];
        let folder = folder(&files.map(|name| (name, topic)));
        let asked = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            shipped("sib200").asked(folder.path(), Split::Test, &names)
        };
        for (name, found) in [("sw", "swh_Latn"), ("swa", "swh_Latn"), ("sv", "swe_Latn"), ("zh-Hant", "zho_Hant")] {
            let one = &asked(&[name]).unwrap()[0];
            assert_eq!(one.language, found);
            assert!(one.note.as_ref().unwrap().contains(&format!("\"{name}\" is called {found}")));
        }
        assert_eq!(asked(&["swh_Latn"]).unwrap(), [Asked { language: "swh_Latn".into(), note: None }]);
        assert_eq!(asked(&["xx"]).unwrap()[0].language, "xx");
        let error = asked(&["zh"]).unwrap_err();
        assert!(error.message().contains("\"zh\" can be zho_Hans or zho_Hant"), "{error}");
        for twice in [&["swh_Latn", "swh_Latn"], &["sw", "swh_Latn"], &["xx", "xx"]] {
            let error = asked(twice).unwrap_err();
            assert!(error.exit_code() == 2 && error.message().contains("is named twice"), "{error}");
        }
    }

    #[test]
    fn files_named_by_path_are_joined() {
        let folder = folder(&[
            ("a.txt", "gold_label\tsentence1\tsentence2\n-\tp\th\nneutral\tp\tk\n"),
            ("b.tsv", "p\th\tentailment\n"),
            ("more/b.tsv", "q\th\tentailment\n"),
        ]);
        let twins = ["b.tsv", "more/b.tsv"].map(|name| folder.path().join(name));
        check(shipped("xnli").load_files(&twins, "en"), "b:1 1 p/h 1\nb(2):1 1 q/h 1", &[]);
        let paths = ["a.txt", "b.tsv"].map(|name| folder.path().join(name));
        let dropped = ("rows without a gold label (\"-\")", 1);
        check(shipped("xnli").load_files(&paths, "en"), "a:3 2 p/k 2\nb:1 1 p/h 1", &[dropped]);
        check(shipped("xnli").load_files_unlabelled(&paths[..1], "en"), "a:2 1 p/h -\na:3 2 p/k -", &[]);
        assert_eq!(
            shipped("xnli").load_files(&paths, "en").unwrap().histogram()[1..],
            [("entailment", 1), ("neutral", 1)]
        );
        assert!(matches!(shipped("xnli").load_files(&[], "en"), Err(Error::Usage(_))));
    }

    #[test]
    fn rows_that_were_made_count_like_a_file_of_them() {
        let folder = folder(&[("test-en.tsv", "p\th\t1\nNS\tk\t0\n")]);
        let row = |line, a: &str, b: &str, label: &str| {
            let (a, b, label) = (a.to_owned(), Some(b.to_owned()), Some(label.to_owned()));
            Row { line, row: line, a, b, label, ..Row::default() }
        };
        let made =
            shipped("pawsx").load_rows("test-en", "en", &[row(1, "p", "h", "1"), row(2, "NS", "k", "0")]).unwrap();
        let read = shipped("pawsx").load(folder.path(), Split::Test, "en").unwrap();
        assert_eq!(
            (made.files[0].sha256.clone(), made.examples.clone()),
            (read.files[0].sha256.clone(), read.examples)
        );
        check(Ok(made), "test-en:1 1 p/h 1", &[("NS rows", 1)]);
        let error = shipped("pawsx").load_rows("made", "en", &[row(1, "p", "h", "2")]).unwrap_err();
        assert!(error.message().starts_with("made:1: \"2\" is no label of pawsx"), "{error}");
    }

    #[test]
    fn wrong_labels_and_files_are_refused() {
        let constant = "p\th\tcontradiction\np\th\tcontradictory\n".repeat(10);
        let hidden = "p\th\thidden\n".repeat(20);
        let lost = "p\th\n".repeat(3);
        for (files, language, split, expected) in [
            (
                &[("test-en.tsv", "p\th\tneutral\np\th\tneutrl\n")][..],
                "en",
                Split::Test,
                "test-en.tsv:2: \"neutrl\" is no label of xnli; did you mean \"neutral\"?",
            ),
            (
                &[("test-en.tsv", "p\th\tneutral\np\th\t\n")],
                "en",
                Split::Test,
                "test-en.tsv:2: \"\" is no label of xnli",
            ),
            (&[("train-en.tsv", &constant)], "en", Split::Train, "labels look removed: all 20 rows"),
            (
                &[("test-de.old.tsv", "p\th\tneutral\n"), ("test-de.tsv", "p\th\tneutral\n")],
                "de.old",
                Split::Test,
                "known: de",
            ),
            (
                &[("test-en.tsv", &constant)],
                "en",
                Split::Test,
                "labels look removed: all 20 rows have \"contradiction\"",
            ),
            (&[("dev-en.tsv", &hidden)], "en", Split::Dev, "labels look removed: all 20 rows have \"hidden\""),
            (&[("dev-en.tsv", &lost)], "en", Split::Dev, "predict, which works without labels"),
            (&[("dev-en.tsv", "p\th\t-\n")], "en", Split::Dev, "every row was left out"),
            (&[("dev-en.tsv", "")], "en", Split::Dev, "dev-en.tsv is empty"),
            (&[("test-de.tsv", "p\th\tneutral\n")], "dee", Split::Test, "did you mean \"de\"? (known: de)"),
            (&[], "de", Split::Train, "xnli for train-{language}.tsv (XTREME), multinli/multinli.train.{language}.tsv"),
            (&[], "../de", Split::Test, "\"../de\" is no language"),
            (
                &[("xnli.dev.tsv", "language\tlabel\tsentence1\tsentence2\nar\tneutral\tp\th\n")],
                "er",
                Split::Dev,
                "\"ar\"",
            ),
        ] {
            let error = shipped("xnli").load(folder(files).path(), split, language).unwrap_err();
            assert!(error.message().contains(expected), "{error}\nexpected {expected}");
        }
        let missing = shipped("xnli").load(Path::new("/no/such"), Split::Dev, "en").unwrap_err();
        assert_eq!(missing.message(), "there is no folder /no/such; name the folder that holds the files of xnli");
    }

    #[test]
    fn prediction_takes_files_without_labels_and_every_row() {
        for text in ["p\th\np\tk\n", "p\th\tneutral\np\tk\tnonsense\n", "p\th\t-\np\tk\t-\n"] {
            let folder = folder(&[("test-en.tsv", text)]);
            let loaded = shipped("xnli").load_unlabelled(folder.path(), Split::Test, "en");
            check(loaded, "test-en:1 1 p/h -\ntest-en:2 2 p/k -", &[]);
        }
    }

    #[test]
    fn words_are_predicted_without_tags() {
        let task = shipped("panx");
        let folder = folder(&[("words.tsv", "Ada\nsaw\tO\n\nRome\t_\n"), ("lines.tsv", "Ada saw Rome\n")]);
        let load = |name: &str| task.load_files_unlabelled(&[folder.path().join(name)], "en");
        assert_eq!(
            load("words.tsv").unwrap().examples.iter().map(|one| &one.a[..]).collect::<Vec<_>>(),
            ["Ada saw", "Rome"]
        );
        let error = load("lines.tsv").unwrap_err();
        assert!(
            error.message().contains("lines.tsv:1: \"Rome\" is no tag of panx; put each word on a line"),
            "{error}"
        );
    }

    #[test]
    fn the_source_has_one_code() {
        let task = shipped("xnli");
        let check =
            |codes: &[&str]| task.check_source(&codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>());
        for fine in [&["de", "en"][..], &["de"], &["en-GB", "de"], &["eng", "en"]] {
            check(fine).unwrap();
        }
        for (codes, says) in
            [(["de", "eng"], "write source = \"eng\" (--source eng)"), (["eng_Latn", "de"], "\"eng_Latn\"")]
        {
            let error = check(&codes).unwrap_err();
            assert!(error.exit_code() == 78 && error.message().contains(says), "{error}");
        }
        let folder = folder(&[("test-es.tsv", "p\th\tneutral\n")]);
        let error = task.load(folder.path(), Split::Test, "spa").unwrap_err();
        assert!(error.message().ends_with("it is called \"es\" there: write \"es\""), "{error}");
    }

    #[test]
    fn oddities_are_noted_and_left_alone() {
        let folder = folder(&[("train-en.tsv", "\"a \"\"b\"\"\"\th\tneutral\np\t\"k\"\tneutral\n")]);
        let loaded = shipped("xnli").load(folder.path(), Split::Train, "en").unwrap();
        assert_eq!(loaded.examples[0].a, "\"a \"\"b\"\"\"");
        assert_eq!(loaded.notes.len(), 2, "{:?}", loaded.notes);
        assert!(loaded.notes[0].ends_with("all 2 examples have the label \"neutral\""));
        assert!(loaded.notes[1].ends_with("taken as they stand: 1"));
    }

    #[test]
    fn rows_known_to_be_wrong_can_be_left_out() {
        let folder = folder(&[("test-en.tsv", "q\th\t1\nr\th\t0\ns\th\t0\n")]);
        let test = shipped("pawsx").load(folder.path(), Split::Test, "en").unwrap();
        let test = test.without_rows(&BTreeSet::from([1, 9]), "leaked");
        check(Ok(test), "test-en:2 2 r/h 0\ntest-en:3 3 s/h 0", &[("leaked", 1)]);
    }

    #[test]
    fn items_of_one_premise_are_a_cluster() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("xnli")).unwrap();
        let text = "p\th\tneutral\nq\th\tneutral\np\tk\tentailment\nq\tl\tneutral\nr\tm\tneutral\n";
        fs::write(folder.path().join("xnli/test-de.tsv"), text).unwrap();
        let loaded = shipped("xnli").load(folder.path(), Split::Test, "de").unwrap();
        let rows = |of: fn(&Example) -> usize| loaded.examples.iter().map(of).collect::<Vec<usize>>();
        assert_eq!(rows(|one| one.row), [1, 2, 3, 4, 5]);
        assert_eq!(rows(|one| one.cluster.unwrap()), [1, 2, 1, 2, 5]);
    }
}
