//! Tab-separated files: with or without a header, never unquoted.
//!
//! A line is split at its tabs and nothing else: XNLI's text holds lone quotation marks that a CSV reader would take
//! for the start of a quoted field, and lose rows.

use std::collections::HashMap;

use super::{Row, Task, TextFile, text_file::excerpt};
use crate::error::{Error, Result, did_you_mean};

const FIRST: &[&str] = &["sentence1", "premise"];
const SECOND: &[&str] = &["sentence2", "hypothesis", "hypo"];
const SINGLE: &[&str] = &["text", "sentence"];
const LABEL: &[&str] = &["gold_label", "label", "category"];
const LANGUAGE: &[&str] = &["language"];
const ROW: &[&str] = &["index_id", "id", "pairid"];

/// Reads a table of sentences or pairs, whose columns a header names or else their order.
pub fn read(file: &TextFile, task: &Task) -> Result<Vec<Row>> {
    let columns = Columns::of(file, task)?;
    let mut per_language: HashMap<String, usize> = HashMap::new();
    let mut rows = Vec::new();
    for (line, content) in file.lines().skip(usize::from(columns.header)) {
        let fields = columns.split(file, line, content)?;
        let field = |column: Option<usize>| column.map(|column| fields[column]);
        let language = field(columns.language).map(|name| name.trim().to_owned());
        let count = per_language.entry(language.clone().unwrap_or_default()).or_default();
        *count += 1;
        rows.push(Row {
            line,
            row: *count,
            language,
            a: fields[columns.a].to_owned(),
            b: field(columns.b).map(str::to_owned),
            label: field(columns.label).map(str::to_owned),
        });
    }
    if rows.is_empty() {
        return Err(Error::Data(format!("{} has a header but no rows; fetch or write it again", file.path.display())));
    }
    columns.number(file, &mut rows);
    Ok(rows)
}

/// Where a first line says that the sentences are: the column of the first, and of the second where it names pairs.
pub fn sentences_of_header(line: &str) -> Option<(usize, Option<usize>)> {
    let names: Vec<&str> = line.split('\t').map(str::trim).collect();
    let find =
        |known: &[&str]| names.iter().position(|name| known.iter().any(|known| name.eq_ignore_ascii_case(known)));
    match (find(FIRST), find(SECOND), find(SINGLE)) {
        (Some(first), Some(second), _) => Some((first, Some(second))),
        (_, None, Some(single)) => Some((single, None)),
        _ => None,
    }
}

/// Where a table keeps what.
#[derive(Debug, Default)]
struct Columns {
    header: bool,
    names: Vec<String>,
    a: usize,
    b: Option<usize>,
    label: Option<usize>,
    language: Option<usize>,
    row: Option<usize>,
}

impl Columns {
    fn of(file: &TextFile, task: &Task) -> Result<Columns> {
        let (line, first) = file.lines().next().expect("a text file has a line");
        let names: Vec<String> = first.split('\t').map(|name| name.trim().to_owned()).collect();
        let find = |known: &[&str]| {
            known.iter().find_map(|known| names.iter().position(|name| name.eq_ignore_ascii_case(known)))
        };
        let (a, b) = if task.pairs { (find(FIRST), find(SECOND)) } else { (find(SINGLE), None) };
        if let (Some(a), true) = (a, b.is_some() == task.pairs) {
            let (label, language, row) = (find(LABEL), find(LANGUAGE), find(ROW));
            return Ok(Columns { header: true, names, a, b, label, language, row });
        }
        if !task.pairs {
            let hint = did_you_mean(&names[names.len() - 1], SINGLE.iter().copied());
            let place = file.place(line);
            let found = excerpt(first);
            return Err(Error::Data(format!(
                "{place}: expected a header that names the column of the text; {hint}; found {found}"
            )));
        }
        let names = ["sentence", "sentence", "label"].map(str::to_owned);
        let n_columns = if first.matches('\t').count() == 1 { 2 } else { 3 };
        Ok(Columns {
            names: names[..n_columns].into(),
            b: Some(1),
            label: (n_columns == 3).then_some(2),
            ..Columns::default()
        })
    }

    /// Cuts a line at its tabs; columns that nobody asks for may be missing at its end.
    fn split<'a>(&self, file: &TextFile, line: usize, content: &'a str) -> Result<Vec<&'a str>> {
        let fields: Vec<&str> = content.split('\t').collect();
        let needed = [Some(self.a), self.b, self.label, self.language, self.row].into_iter().flatten().max();
        if fields.len() > self.names.len() || Some(fields.len()) <= needed {
            let (place, expected, found) = (file.place(line), self.names.len(), fields.len());
            let as_in = if self.header { "as in the header" } else { "as in the first line" };
            let names = self.names.join(", ");
            let content = excerpt(content);
            return Err(Error::Data(format!(
                "{place}: expected {expected} columns ({names}) {as_in}, found {found}: {content}; mend the tabs of that line"
            )));
        }
        Ok(fields)
    }

    /// Takes the row numbers from their column where it holds numbers throughout; else rows were counted by language.
    fn number(&self, file: &TextFile, rows: &mut [Row]) {
        let Some(column) = self.row else { return };
        let fields = file.lines().skip(1).map(|(_, content)| content.split('\t').nth(column));
        let numbers: Option<Vec<usize>> = fields.map(|field| field?.trim().parse().ok()).collect();
        for (row, number) in rows.iter_mut().zip(numbers.into_iter().flatten()) {
            row.row = number;
        }
    }
}

/// Whether a field looks as a CSV writer leaves it: in quotation marks, with those inside doubled.
pub(super) fn looks_quoted(field: &str) -> bool {
    let Some(inner) = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    inner.contains('"') && !inner.replace("\"\"", "").contains('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{SIB200, XNLI};

    fn read_text(task: &Task, text: &str) -> Result<Vec<Row>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.tsv");
        std::fs::write(&path, text).unwrap();
        read(&TextFile::read(&path)?, task)
    }

    #[test]
    fn headers_are_understood() {
        let cases = [
            (&XNLI, "p\th\tneutral\n\"q\th\tneutral\n", "1,1,-,p,h,neutral 2,2,-,\"q,h,neutral"),
            (&XNLI, "p\th\np\tk\n", "1,1,-,p,h,- 2,2,-,p,k,-"),
            (&XNLI, "\u{feff}Premise\tHypothesis\tLabel\r\np\th\tneutral\r\n", "2,1,-,p,h,neutral"),
            (&XNLI, "gold_label\tsentence2\tsentence1\npremise\th\tp", "2,1,-,p,h,premise"),
            (&XNLI, "id\tsentence1\tsentence2\tlabel\n7\tp\th\t0\n", "2,7,-,p,h,0"),
            // MultiNLI's pair ids are no numbers, and it leaves columns out at the end.
            (&XNLI, "gold_label\tsentence1\tsentence2\tpairID\tlabel5\nx\tp\th\t31n\n", "2,1,-,p,h,x"),
            (
                &XNLI,
                "language\tgold_label\tsentence1\tsentence2\nde\tx\tp\th\nde\ty\tp\th\nsw\tz\tp\th\n",
                "2,1,de,p,h,x 3,2,de,p,h,y 4,1,sw,p,h,z",
            ),
            (&SIB200, "index_id\tcategory\ttext\n99\ttravel\tt\n", "2,99,-,t,-,travel"),
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
                &XNLI,
                "p\th\tx\np\th\n",
                "f.tsv:2: expected 3 columns (sentence, sentence, label) as in the first line, found 2: \"p\\th\"; mend the tabs of that line",
            ),
            (
                &XNLI,
                "p\th\tx\n\np\th\tx\n",
                "f.tsv:2: expected 3 columns (sentence, sentence, label) as in the first line, found 1: \"\"; mend the tabs of that line",
            ),
            (
                &XNLI,
                "p\th\tx\ty\n",
                "f.tsv:1: expected 3 columns (sentence, sentence, label) as in the first line, found 4: \"p\\th\\tx\\ty\"; mend the tabs of that line",
            ),
            (
                &XNLI,
                "p\n",
                "f.tsv:1: expected 3 columns (sentence, sentence, label) as in the first line, found 1: \"p\"; mend the tabs of that line",
            ),
            (&XNLI, "premise\thypothesis\tlabel\n", "f.tsv has a header but no rows; fetch or write it again"),
            (
                &SIB200,
                "index_id\tcategory\ttext\n1\ttravel\n",
                "f.tsv:2: expected 3 columns (index_id, category, text) as in the header, found 2: \"1\\ttravel\"; mend the tabs of that line",
            ),
            (
                &SIB200,
                "1\ttravel\ttxt\n",
                "f.tsv:1: expected a header that names the column of the text; did you mean \"text\"? (known: text, sentence); found \"1\\ttravel\\ttxt\"",
            ),
        ];
        for (task, text, end) in cases {
            let error = read_text(task, text).unwrap_err();
            assert!(error.message().ends_with(end), "{error}\nexpected the end {end}");
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
