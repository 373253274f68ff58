//! Tables: values parted by tabs or commas, or a JSON object a line.
//!
//! A line of a TSV file is split at its tabs and nothing else: XNLI's text holds lone quotation marks that a CSV reader
//! would take for the start of a quoted field, and lose rows.

use std::{borrow::Cow, collections::HashMap};

use super::{Column, Columns, Kind, Layout, ProblemType, Row, Task, TextFile, joined::join, text_file::excerpt};
use crate::{
    error::{Error, Result, did_you_mean},
    input::Object,
};

pub(super) const FIRST: &[&str] = &["sentence1", "premise", "text1", "question1"];
pub(super) const SECOND: &[&str] = &["sentence2", "hypothesis", "hypo", "text2", "question2"];
pub(super) const SINGLE: &[&str] = &["text", "sentence", "content", "tweet", "review", "headline", "utterance"];
pub(super) const LABEL: &[&str] =
    &["gold_label", "label", "category", "labels", "class", "sentiment", "intent", "topic", "score"];
const PREMISE: &[&str] = &["premise", "context", "text", "sentence"];
const LANGUAGE: &[&str] = &["language", "lang"];
const ROW: &[&str] = &["index_id", "id", "pairid"];

/// A row of a table before anybody asked what its fields mean.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// From 1.
    line: usize,
    fields: Vec<Cow<'a, str>>,
    /// Fields that are lists or objects.
    nested: Vec<usize>,
}

/// A table as its file holds it.
#[derive(Debug)]
pub(super) struct Table<'a> {
    records: Vec<Record<'a>>,
    /// The names of the columns, where they are no record of their own.
    names: Option<Vec<String>>,
    /// What parts its fields, for messages.
    parted_by: &'static str,
}

/// Values parted by tabs.
pub(super) fn tsv(file: &TextFile) -> Result<Table<'_>> {
    let fields = |content| str::split(content, '\t').map(Cow::Borrowed).collect();
    let records = file.lines().map(|(line, content)| Record { line, fields: fields(content), nested: Vec::new() });
    Ok(Table { records: records.collect(), names: None, parted_by: "tabs" })
}

/// Values parted by commas, in quotation marks where they hold some (RFC 4180).
pub(super) fn csv(file: &TextFile) -> Result<Table<'_>> {
    if let Some((opened, line)) = stray_quotation_mark(file.text()) {
        let what = match line {
            Some(_) => format!("text behind the quotation mark that closes the field begun in line {opened}"),
            None => "no quotation mark closes the field begun here".to_owned(),
        };
        return Err(Error::Data(format!(
            "{}: {what}: where a text begins with a quotation mark of its own, put the field in quotation marks and double \
             those inside",
            file.place(line.unwrap_or(opened))
        )));
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file.text().as_bytes());
    let (mut records, mut line, mut counted) = (Vec::new(), 1, 0);
    for record in reader.records() {
        let record = record.map_err(|error| Error::Data(format!("{}: {error}", file.path.display())))?;
        // The reader counts from where the line before ended, which with \r\n is in between.
        let start = record.position().map_or(0, |position| position.byte() as usize);
        let start = start + file.text()[start..].bytes().take_while(|byte| b"\r\n".contains(byte)).count();
        line += n_line_ends(&file.text().as_bytes()[counted..start]);
        counted = start;
        let fields = record.iter().map(|field| Cow::Owned(field.to_owned())).collect();
        records.push(Record { line, fields, nested: Vec::new() });
    }
    Ok(Table { records, names: None, parted_by: "commas and quotation marks" })
}

/// Where text follows a quotation mark that closes a field: the line in which the field begins, and that line, or none where
/// no quotation mark closes it. A reader would take what stands between, or all that follows, for one field, however many
/// rows it is.
fn stray_quotation_mark(text: &str) -> Option<(usize, Option<usize>)> {
    let mut bytes = text.bytes().peekable();
    let (mut line, mut opened, mut is_start, mut is_quoted) = (1, 1, true, false);
    while let Some(byte) = bytes.next() {
        line += usize::from(byte == b'\n' || byte == b'\r' && bytes.peek() != Some(&b'\n'));
        match (is_quoted, byte) {
            (true, b'"') if bytes.peek() == Some(&b'"') => _ = bytes.next(),
            (true, b'"') if bytes.peek().is_some_and(|next| !b",\r\n".contains(next)) => {
                return Some((opened, Some(line)));
            }
            (true, b'"') => is_quoted = false,
            (false, b'"') if is_start => (is_quoted, opened) = (true, line),
            _ => {}
        }
        is_start = !is_quoted && b",\r\n".contains(&byte);
    }
    is_quoted.then_some((opened, None))
}

/// Ends of lines, which are \n, \r\n or \r.
fn n_line_ends(bytes: &[u8]) -> usize {
    (0..bytes.len()).filter(|i| bytes[*i] == b'\n' || bytes[*i] == b'\r' && bytes.get(i + 1) != Some(&b'\n')).count()
}

/// An object a line; the first names the columns.
pub(super) fn jsonl(file: &TextFile) -> Result<Table<'_>> {
    let mut names: Vec<String> = Vec::new();
    let mut records = Vec::new();
    for (line, content) in file.lines() {
        let refuse = |reason: String| Error::Data(format!("{}: {reason}", file.place(line)));
        let Object(object) = serde_json::from_str(content)
            .map_err(|error| refuse(format!("expected a JSON object: {error}; found {}", excerpt(content))))?;
        if names.is_empty() {
            names = object.keys().cloned().collect();
        }
        let (mut fields, mut nested) = (Vec::with_capacity(names.len()), Vec::new());
        for name in &names {
            fields.push(match object.get(name) {
                None => return Err(refuse(format!("there is no \"{name}\", which line 1 has"))),
                Some(serde_json::Value::String(text)) => Cow::Owned(text.clone()),
                Some(serde_json::Value::Null) => Cow::Borrowed(""),
                Some(other) => {
                    if other.is_array() || other.is_object() {
                        nested.push(fields.len());
                    }
                    Cow::Owned(other.to_string())
                }
            });
        }
        records.push(Record { line, fields, nested });
    }
    Ok(Table { records, names: Some(names), parted_by: "keys" })
}

/// Whether a column of labels is usually called so: then it is no label, but a header's.
pub(super) fn is_name_of_label(text: &str) -> bool {
    LABEL.iter().any(|name| name.eq_ignore_ascii_case(text.trim()))
}

/// The columns that a header names, as it writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// All names.
    pub names: Vec<String>,
    /// The first sentence, and the second where there are pairs.
    pub sentences: Option<(String, Option<String>)>,
    /// The label.
    pub label: Option<String>,
    /// The text to which alternatives belong.
    pub premise: Option<String>,
    /// The alternatives to choose from, where there are two or more.
    pub choices: Vec<String>,
    /// The language of a row.
    pub language: Option<String>,
    /// What joins a row with its translations.
    pub id: Option<String>,
    /// What may be wrong with the file, for the end of a message.
    pub hint: &'static str,
}

impl Table<'_> {
    /// What the first line, or the first object, says.
    pub(super) fn found(&self) -> Found {
        let of_record = || self.records.first().map(|first| first.fields.iter().map(|f| f.trim().to_owned()).collect());
        let names: Vec<String> = self.names.clone().or_else(of_record).unwrap_or_default();
        let shown: Vec<&str> = names.iter().map(String::as_str).collect();
        let named = |known: &[&str]| position(&shown, known).map(|at| names[at].clone());
        let sentences = match (named(FIRST), named(SECOND), named(SINGLE)) {
            (Some(first), Some(second), _) => Some((first, Some(second))),
            (_, _, single) => single.map(|single| (single, None)),
        };
        let [label, language, id] = [LABEL, LANGUAGE, ROW].map(named);
        let premise = named(PREMISE);
        let choices = numbered_alternatives(&shown).into_iter().map(|at| names[at].clone()).collect();
        Found { sentences, label, premise, choices, language, id, names, hint: self.hint() }
    }

    /// What parts the fields of a first line that is one field, if it looks so: for messages.
    pub(super) fn hint(&self) -> &'static str {
        let first = self.records.first().filter(|first| first.fields.len() == 1).map(|first| &first.fields[0]);
        match first {
            Some(line) if line.contains(';') => {
                "; it seems to be parted by semicolons: write it with commas, or tabs and the ending .tsv"
            }
            Some(line) if line.contains('\t') => "; it seems to be parted by tabs: give it the ending .tsv",
            Some(line) if line.starts_with('{') => "; it seems to be JSON Lines: give it the ending .jsonl",
            Some(line) if line.contains(',') => "; it seems to be parted by commas: give it the ending .csv",
            _ => "",
        }
    }

    /// What stands between fields in messages: nobody has written tabs into a CSV file.
    fn between(&self) -> &'static str {
        if self.parted_by == "tabs" { "\t" } else { " | " }
    }

    /// The rows of sentences or pairs, whose columns the layout names, a header, or else their order.
    pub(super) fn rows(&self, file: &TextFile, task: &Task, layout: &Layout) -> Result<Vec<Row>> {
        self.rows_at(&Places::of(self, file, task, layout)?, file, task)
    }

    fn rows_at(&self, places: &Places, file: &TextFile, task: &Task) -> Result<Vec<Row>> {
        let mut per_language: HashMap<String, usize> = HashMap::new();
        let mut rows = Vec::new();
        let body = self.records.iter().skip(usize::from(places.header_is_a_record));
        for record in body.clone() {
            places.check(record, self, file)?;
            places.refuse_lists(record, task, file)?;
            let field = |column: Option<usize>| column.map(|column| record.fields[column].as_ref());
            let language = field(places.language).map(|name| name.trim().to_owned());
            if language.as_ref().is_some_and(String::is_empty) {
                let (place, column) = (file.place(record.line), places.language.map_or("", |at| &places.names[at]));
                return Err(Error::Data(format!(
                    "{place}: column {column} names no language; mend or remove that row"
                )));
            }
            let count = per_language.entry(language.clone().unwrap_or_default()).or_default();
            *count += 1;
            rows.push(Row {
                line: record.line,
                row: *count,
                language,
                a: record.fields[places.a].to_string(),
                b: field(places.b).map(|first| {
                    let more = places.more.iter().map(|column| record.fields[*column].as_ref());
                    [first].into_iter().chain(more).collect::<Vec<_>>().join(" ")
                }),
                label: field(places.label).map(str::to_owned),
                choices: places.choices.iter().map(|column| record.fields[*column].to_string()).collect(),
                ..Row::default()
            });
        }
        if rows.is_empty() {
            return Err(Error::Data(format!(
                "{} has a header but no rows; fetch or write it again",
                file.path.display()
            )));
        }
        if let Some(column) = places.row {
            let ids: Vec<_> = body.map(|record| (record.line, record.fields[column].trim().to_owned())).collect();
            join(&mut rows, &ids, file);
        }
        Ok(rows)
    }

    /// The same, where the column of labels may be missing: texts to predict have none.
    pub(super) fn rows_unlabelled(&self, file: &TextFile, task: &Task, layout: &Layout) -> Result<Vec<Row>> {
        let names = self.found().names;
        let is_there = |label: &Column| match label {
            Column::Name(label) => names.iter().any(|name| name == label),
            Column::Number(number) => *number <= names.len(),
        };
        let columns = Columns { label: layout.columns.label.filter(is_there), ..layout.columns };
        let places = Places::of(self, file, task, &Layout { columns, ..*layout })?;
        self.rows_at(&Places { label: None, ..places }, file, task)
    }
}

/// Where a first line says that the sentences are: the column of the first, and of the second where it names pairs.
pub fn sentences_of_header(line: &str) -> Option<(usize, Option<usize>)> {
    let names: Vec<&str> = line.split('\t').map(str::trim).collect();
    match (position(&names, FIRST), position(&names, SECOND), position(&names, SINGLE)) {
        (Some(first), Some(second), _) => Some((first, Some(second))),
        (_, None, Some(single)) => Some((single, None)),
        _ => None,
    }
}

/// Whether a first line names the column of a text, and that of its label.
pub(super) fn is_header(line: &str) -> bool {
    let names: Vec<&str> = line.split('\t').map(str::trim).collect();
    sentences_of_header(line).is_some() && position(&names, LABEL).is_some()
}

/// The column of the first of the known names that is there, in whatever case.
fn position(names: &[&str], known: &[&str]) -> Option<usize> {
    known.iter().find_map(|known| names.iter().position(|name| name.eq_ignore_ascii_case(known)))
}

/// Where a table keeps what.
#[derive(Debug, Default)]
struct Places {
    /// Whether the first record holds names.
    header_is_a_record: bool,
    names: Vec<String>,
    a: usize,
    b: Option<usize>,
    more: Vec<usize>,
    label: Option<usize>,
    language: Option<usize>,
    row: Option<usize>,
    choices: Vec<usize>,
}

impl Places {
    fn of(table: &Table, file: &TextFile, task: &Task, layout: &Layout) -> Result<Places> {
        let Some(first) = table.records.first() else {
            return Err(Error::Data(format!("{} holds no row; fetch or write it again", file.path.display())));
        };
        let trimmed = || first.fields.iter().map(|name| name.trim().to_owned()).collect();
        let names: Vec<String> = table.names.clone().unwrap_or_else(trimmed);
        let place = file.place(first.line);
        let Columns { a, b, more, label, language, id, choices } = &layout.columns;
        let by_number = [a, b, label, language, id].iter().any(|column| matches!(column, Some(Column::Number(_))));
        if by_number && table.names.is_some() {
            return Err(Error::Data(format!("{place}: its columns have names, and are named by them")));
        }
        let shown: Vec<&str> = names.iter().map(String::as_str).collect();
        // What the layout says of a column, else what the header seems to say.
        let find = |column: &Option<Column>, known: &[&str]| match column {
            None if by_number || layout.header == Some(false) => Ok(None),
            None => Ok(position(&shown, known)),
            Some(Column::Number(number)) if *number <= names.len() => Ok(Some(number - 1)),
            Some(Column::Number(number)) => {
                Err(Error::Data(format!("{place}: expected {number} columns or more, found {}", names.len())))
            }
            Some(Column::Name(name)) => position(&shown, &[name]).map(Some).ok_or_else(|| {
                Error::Data(format!(
                    "{place}: no column \"{name}\"; {}",
                    did_you_mean(name, shown.iter().copied()) + table.hint()
                ))
            }),
        };
        let find = |column: &Option<Column>, known: &[&str]| {
            let at = find(column, known)?;
            let twice = |at: &usize| {
                let same = names.iter().filter(|name| name.eq_ignore_ascii_case(&names[*at])).count() > 1;
                same && !by_number && layout.header != Some(false)
            };
            match at.filter(twice) {
                Some(at) => Err(Error::Data(format!(
                    "{place}: two columns are called \"{}\"; rename one, or name columns by number in a task's file",
                    names[at]
                ))),
                None => Ok(at),
            }
        };
        let find_all = |columns: &[Column]| -> Result<Vec<usize>> {
            columns.iter().filter_map(|column| find(&Some(*column), &[]).transpose()).collect()
        };
        let more = find_all(more)?;
        let choices = match task.kind {
            Kind::Choose if choices.is_empty() => numbered_alternatives(&shown),
            _ => find_all(choices)?,
        };
        let all = numbered_alternatives(&shown);
        if task.kind == Kind::Choose && all.len() > choices.len() && choices.iter().all(|i| all.contains(i)) {
            let named = |places: &[usize]| places.iter().map(|i| shown[*i]).collect::<Vec<_>>().join(", ");
            return Err(Error::Data(format!(
                "{place}: found alternatives {}, of which {} are read; name all in columns.choices of the task's file, or \
                 rename the others",
                named(&all),
                named(&choices)
            )));
        }
        if task.kind == Kind::Choose && choices.len() < 2 {
            return Err(Error::Data(format!(
                "{place}: expected columns of two or more alternatives (choice1, choice2, …), found {}; name them in \
                 columns.choices of the task's file",
                excerpt(&shown.join(", "))
            )));
        }
        let sentences = match (task.kind, task.pairs) {
            (Kind::Choose, _) => (PREMISE, &["question"][..]),
            (_, true) => (FIRST, SECOND),
            (_, false) => (SINGLE, &[][..]),
        };
        let (found_a, found_b) = (find(a, sentences.0)?, find(b, sentences.1)?);
        let has_both = found_b.is_some() == task.pairs || task.kind == Kind::Choose;
        if let (Some(a), true) = (found_a, has_both) {
            let (label, language, row) = (find(label, LABEL)?, find(language, LANGUAGE)?, find(id, ROW)?);
            let has_header = layout.header.unwrap_or(!by_number);
            let header_is_a_record = has_header && table.names.is_none();
            let names = if header_is_a_record || table.names.is_some() { names } else { numbered(names.len()) };
            return Ok(Places { header_is_a_record, names, a, b: found_b, more, label, language, row, choices });
        }
        // Sentence, sentence, label without a header: XTREME's form of XNLI and PAWS-X.
        if task.pairs && table.parted_by == "tabs" && layout.header != Some(true) {
            let names = ["sentence", "sentence", "label"].map(str::to_owned);
            let n = if first.fields.len() == 2 { 2 } else { 3 };
            let label = (n == 3).then_some(2);
            return Ok(Places { names: names[..n].into(), b: Some(1), label, ..Places::default() });
        }
        let known = [sentences.0, sentences.1].concat();
        let hint = did_you_mean(shown.last().unwrap_or(&""), known);
        let what = if task.pairs { "columns of both sentences" } else { "column of the text" };
        Err(Error::Data(format!(
            "{place}: expected a header that names the {what}; {hint}; found {}{}",
            excerpt(&shown.join(table.between())),
            table.hint()
        )))
    }

    /// Columns that nobody asks for may be missing at the end of a record.
    fn check(&self, record: &Record, table: &Table, file: &TextFile) -> Result<()> {
        let named = [Some(self.a), self.b, self.label, self.language, self.row].into_iter().flatten();
        let needed = named.chain(self.more.iter().chain(&self.choices).copied()).max();
        let n = record.fields.len();
        if n <= self.names.len() && Some(n) > needed {
            return Ok(());
        }
        let (place, expected, names) = (file.place(record.line), self.names.len(), self.names.join(", "));
        let as_in = if self.header_is_a_record { "as in the header" } else { "as in the first line" };
        let (content, parted_by) = (excerpt(&record.fields.join(table.between())), table.parted_by);
        Err(Error::Data(format!(
            "{place}: expected {expected} columns ({names}) {as_in}, found {n}: {content}; mend the {parted_by} of that line"
        )))
    }

    /// Only several labels may stand in one field as a list.
    fn refuse_lists(&self, record: &Record, task: &Task, file: &TextFile) -> Result<()> {
        let has_several = task.problem_type == ProblemType::MultiLabelClassification;
        let single = [Some(self.a), self.b, self.language, self.label.filter(|_| !has_several)].into_iter().flatten();
        let mut asked = single.chain(self.choices.iter().copied());
        asked.find(|column| record.nested.contains(column)).map_or(Ok(()), |column| {
            let (place, name, found) = (file.place(record.line), &self.names[column], excerpt(&record.fields[column]));
            Err(Error::Data(format!("{place}: \"{name}\": expected a text or a number, found {found}")))
        })
    }
}

/// The columns `choice1`, `choice2`, … or such of another name.
fn numbered_alternatives(names: &[&str]) -> Vec<usize> {
    let of = |name: &str| {
        let number =
            |i: usize| position(names, &[&format!("{name}{i}")]).or(position(names, &[&format!("{name}_{i}")]));
        let first = usize::from(number(0).is_none());
        (first..).map_while(number).collect::<Vec<usize>>()
    };
    ["choice", "alternative", "option", "answer"].into_iter().map(of).find(|found| found.len() > 1).unwrap_or_default()
}

/// Names for columns that have none.
fn numbered(n: usize) -> Vec<String> {
    (1..=n).map(|number| number.to_string()).collect()
}

/// Whether a field looks as a CSV writer leaves it: in quotation marks, with those inside doubled.
pub(super) fn looks_quoted(field: &str) -> bool {
    let Some(inner) = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    inner.contains('"') && !inner.replace("\"\"", "").contains('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::shipped;

    fn read_text(task: &Task, text: &str) -> Result<Vec<Row>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.tsv");
        std::fs::write(&path, text).unwrap();
        let file = TextFile::read(&path)?;
        tsv(&file)?.rows(&file, task, &task.layouts[0])
    }

    #[test]
    fn headers_are_understood() {
        let cases = [
            (shipped("xnli"), "p\th\tneutral\n\"q\th\tneutral\n", "1,1,-,p,h,neutral 2,2,-,\"q,h,neutral"),
            (shipped("xnli"), "p\th\np\tk\n", "1,1,-,p,h,- 2,2,-,p,k,-"),
            (shipped("xnli"), "\u{feff}Premise\tHypothesis\tLabel\r\np\th\tneutral\r\n", "2,1,-,p,h,neutral"),
            (shipped("xnli"), "gold_label\tsentence2\tsentence1\npremise\th\tp", "2,1,-,p,h,premise"),
            (shipped("xnli"), "id\tsentence1\tsentence2\tlabel\n7\tp\th\t0\n", "2,7,-,p,h,0"),
            // MultiNLI's pair ids are no numbers but join rows all the same, and it leaves columns out at the end.
            (
                shipped("xnli"),
                "gold_label\tsentence1\tsentence2\tpairID\tlabel5\nx\tp\th\t31n\n",
                "2,60519378733306,-,p,h,x",
            ),
            (
                shipped("xnli"),
                "language\tgold_label\tsentence1\tsentence2\nde\tx\tp\th\nde\ty\tp\th\nsw\tz\tp\th\n",
                "2,1,de,p,h,x 3,2,de,p,h,y 4,1,sw,p,h,z",
            ),
            (shipped("sib200"), "index_id\tcategory\ttext\n99\ttravel\tt\n", "2,99,-,t,-,travel"),
        ];
        for (task, text, expected) in cases {
            let dash = |text: Option<String>| text.unwrap_or("-".into());
            let rows = read_text(task, text).unwrap().into_iter();
            let rows = rows.map(|r| {
                [r.line.to_string(), r.row.to_string(), dash(r.language), r.a, dash(r.b), dash(r.label)].join(",")
            });
            assert_eq!(rows.collect::<Vec<_>>().join(" "), expected, "{text:?}");
        }
    }

    #[test]
    fn headers_say_where_the_sentences_are() {
        for (line, expected) in [
            ("sentence1\tsentence2\tlabel", Some((0, Some(1)))),
            ("gold_label\tHypothesis\tPremise", Some((2, Some(1)))),
            ("index_id\tcategory\ttext", Some((2, None))),
            ("Sentence", Some((0, None))),
            ("premise", None),
            ("A sentence\tand another", None),
            ("", None),
        ] {
            assert_eq!(sentences_of_header(line), expected, "{line}");
        }
    }

    #[test]
    fn wrong_columns_are_refused() {
        let cases = [
            (
                shipped("xnli"),
                "p\th\tx\np\th\n",
                "f.tsv:2: expected 3 columns (sentence, sentence, label) as in the first line, found 2: \"p\\th\"; mend the tabs of that line",
            ),
            (
                shipped("xnli"),
                "p\th\tx\n\np\th\tx\n",
                "f.tsv:2: expected 3 columns (sentence, sentence, label) as in the first line, found 1: \"\"; mend the tabs of that line",
            ),
            (
                shipped("xnli"),
                "p\th\tx\ty\n",
                "f.tsv:1: expected 3 columns (sentence, sentence, label) as in the first line, found 4: \"p\\th\\tx\\ty\"; mend the tabs of that line",
            ),
            (
                shipped("xnli"),
                "p\n",
                "f.tsv:1: expected 3 columns (sentence, sentence, label) as in the first line, found 1: \"p\"; mend the tabs of that line",
            ),
            (
                shipped("xnli"),
                "premise\thypothesis\tlabel\n",
                "f.tsv has a header but no rows; fetch or write it again",
            ),
            (
                shipped("sib200"),
                "index_id\tcategory\ttext\n1\ttravel\n",
                "f.tsv:2: expected 3 columns (index_id, category, text) as in the header, found 2: \"1\\ttravel\"; mend the tabs of that line",
            ),
            (
                shipped("sib200"),
                "1\ttravel\ttxt\n",
                "f.tsv:1: expected a header that names the column of the text; did you mean \"text\"? (known: text, sentence, content, tweet, review, headline, utterance); found \"1\\ttravel\\ttxt\"",
            ),
        ];
        for (task, text, end) in cases {
            let error = read_text(task, text).unwrap_err();
            assert!(error.message().ends_with(end), "{error}\nexpected the end {end}");
        }
    }

    #[test]
    fn text_behind_a_closing_quotation_mark_is_found() {
        for (text, expected) in [
            ("a,b\n\"x, y\",1\n", None),
            ("a,b\r\n\"x \"\"y\"\"\r\nz\",1\r\n", None),
            ("a 5\" disk,1\n,\"\"\n\"\"\"q\"\"\",2", None),
            ("\"dog 0,a\n\"dog 1,a\n", Some((1, Some(2)))),
            ("a,b\n1,\"dog\" tail\n", Some((2, Some(2)))),
            ("a,b\n1,\"dog\n2,cat\n", Some((2, None))),
            ("\"", Some((1, None))),
        ] {
            assert_eq!(stray_quotation_mark(text), expected, "{text}");
        }
    }

    #[test]
    fn csv_quoting_is_noticed() {
        for (field, quoted) in [
            (r#""He said ""no"" to me""#, true),
            (r#""""He left.""""#, true),
            (r#""He left.""#, false),
            (r#"She said "no""#, false),
            (r#""A" and "B""#, false),
            (r#"""#, false),
            ("", false),
        ] {
            assert_eq!(looks_quoted(field), quoted, "{field}");
        }
    }
}
