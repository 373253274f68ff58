//! Examples written as a table that their task reads back: columns where its layout has them.

use std::path::Path;

use super::{Column, Example, Layout, Task};
use crate::error::{Error, Result};

/// A column to write: where it is to stand, what a header calls it, and its fields.
struct Written<'a> {
    place: Option<Column>,
    name: &'static str,
    field: Box<dyn Fn(&Example) -> String + 'a>,
}

impl Task {
    /// Sentences and labels of this language as a table for a file of this name: with commas where it ends in .csv, else with
    /// tabs, for which line ends and tabs in texts become spaces. There is a header where the task's layout of such files
    /// has one.
    pub fn table(&self, path: &Path, language: &str, examples: &[Example]) -> Result<String> {
        let layout = self.layout_for(path)?;
        let comma = match path.extension().and_then(|end| end.to_str()) {
            Some("csv") => true,
            None | Some("tsv" | "txt") => false,
            Some(_) => {
                let path = path.display();
                return Err(Error::Usage(format!(
                    "{path}: what is written are tables, with tabs or commas: name a .tsv or a .csv file"
                )));
            }
        };
        let columns = self.columns(layout, language);
        let by_number = columns.iter().any(|column| matches!(column.place, Some(Column::Number(_))));
        let is_named = columns.iter().any(|column| matches!(column.place, Some(Column::Name(_))));
        // Sentence, sentence, label: XTREME's form, which has no header.
        let is_bare = self.pairs && !comma && !is_named && layout.header != Some(true);
        let has_header = layout.header.unwrap_or(!by_number && !is_bare);
        let place = |(i, column): (usize, &Written)| match column.place {
            Some(Column::Number(number)) => number - 1,
            _ => i,
        };
        let places: Vec<usize> = columns.iter().enumerate().map(place).collect();
        let row = |field: &dyn Fn(&Written) -> String| {
            let mut row = vec![String::new(); places.iter().max().map_or(0, |last| last + 1)];
            columns.iter().zip(&places).for_each(|(column, at)| row[*at] = field(column));
            row
        };
        let name = |column: &Written| match column.place {
            Some(Column::Name(name)) => name.to_owned(),
            _ => column.name.to_owned(),
        };
        let header = has_header.then(|| row(&name));
        let rows = examples.iter().map(|example| row(&|column| (column.field)(example)));
        let rows = header.into_iter().chain(rows);
        match comma {
            true => quoted(rows),
            false => {
                Ok(rows.map(|row| row.iter().map(|field| plain(field)).collect::<Vec<_>>().join("\t") + "\n").collect())
            }
        }
    }

    /// What a layout asks for: all that it names is there, if empty.
    fn columns<'a>(&'a self, layout: &Layout, language: &'a str) -> Vec<Written<'a>> {
        let wanted = &layout.columns;
        let column = |place, name, field: Box<dyn Fn(&Example) -> String + 'a>| Written { place, name, field };
        let text = |text: &Example| text.a.clone();
        let label = |text: &Example| text.label.map_or(String::new(), |label| self.labels()[label].to_owned());
        let mut columns = vec![column(wanted.a, if self.pairs { "sentence1" } else { "text" }, Box::new(text))];
        if self.pairs {
            columns.push(column(wanted.b, "sentence2", Box::new(|text| text.b.clone().unwrap_or_default())));
        }
        columns.push(column(wanted.label, "label", Box::new(label)));
        columns.extend(wanted.more.iter().map(|place| column(Some(*place), "", Box::new(|_| String::new()))));
        columns.extend(wanted.language.map(|place| column(Some(place), "", Box::new(|_| language.to_owned()))));
        // Copies are no translations of anything.
        columns.extend(wanted.id.map(|place| column(Some(place), "", Box::new(|_| String::new()))));
        columns
    }
}

/// A field of a file with tabs.
fn plain(text: &str) -> String {
    text.replace("\r\n", " ").replace(['\r', '\n', '\t'], " ")
}

fn quoted(rows: impl Iterator<Item = Vec<String>>) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: String| Error::Io(format!("cannot write a table: {error}"));
    for row in rows {
        writer.write_record(&row).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    Ok(String::from_utf8(bytes).expect("it was made of text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Definition, shipped};

    fn examples() -> Vec<Example> {
        let one = |a: &str, label| Example { a: a.to_owned(), label: Some(label), ..Example::default() };
        vec![one("one\ntwo", 0), one("tab\t\"here\"", 1)]
    }

    #[test]
    fn what_is_written_is_read_back() {
        let head = "name = \"t\"\nlabels = [\"x\", \"y\"]\nsource = \"de\"\n[[layouts]]\ntrain = [";
        for (layout, name, first_line) in [
            ("\"a.csv\"]", "out.tsv", "text\tlabel"),
            ("\"a.csv\"]", "out.csv", "text,label"),
            (
                "\"a.tsv\"]\ncolumns = { sentence1 = \"tweet\", label = \"mood\", id = \"nr\", language = \"in\" }",
                "out.tsv",
                "tweet\tmood\tin\tnr",
            ),
            ("\"a.tsv\"]\ncolumns = { sentence1 = 3, label = 1 }", "out.tsv", "x\t\tone two"),
            ("\"a.tsv\"]\nheader = true\ncolumns = { sentence1 = 2, label = 1 }", "out.tsv", "label\ttext"),
        ] {
            let task = Definition::parse(&format!("{head}{layout}"), "t.toml").unwrap().leak();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            let text = task.table(&path, "de", &examples()).unwrap();
            assert_eq!(text.lines().next(), Some(first_line), "{layout}");
            std::fs::write(&path, text).unwrap();
            let read = task.load_files(&[path], "de").unwrap();
            let expected =
                if name.ends_with("csv") { ["one\ntwo", "tab\t\"here\""] } else { ["one two", "tab \"here\""] };
            let found: Vec<(&str, Option<usize>)> = read.examples.iter().map(|one| (&one.a[..], one.label)).collect();
            assert_eq!(found, [(expected[0], Some(0)), (expected[1], Some(1))], "{layout}");
        }
    }

    #[test]
    fn pairs_are_written_as_xtreme_has_them() {
        let pair = Example { a: "a".into(), b: Some("b".into()), label: Some(0), ..Example::default() };
        assert_eq!(shipped("xnli").table(Path::new("o.tsv"), "en", &[pair]).unwrap(), "a\tb\tcontradiction\n");
        let error = shipped("xnli").table(Path::new("o.jsonl"), "en", &[]).unwrap_err();
        assert!(error.message().contains("name a .tsv or a .csv file"), "{error}");
    }
}
