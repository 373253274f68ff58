//! Examples written as a table that their task reads back: columns where its layout has them.

use std::path::Path;

use super::{Column, Example, Layout, Task};
use crate::error::{Error, Result};

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
        let columns = self.columns(layout);
        let by_number = columns.iter().any(|(place, _)| matches!(place, Some(Column::Number(_))));
        let is_named = columns.iter().any(|(place, _)| matches!(place, Some(Column::Name(_))));
        // Sentence, sentence, label: XTREME's form, which has no header.
        let is_bare = self.pairs && !comma && !is_named && layout.header != Some(true);
        let has_header = layout.header.unwrap_or(!by_number && !is_bare);
        let place = |(i, (place, _)): (usize, &(Option<Column>, &str))| match place {
            Some(Column::Number(number)) => number - 1,
            _ => i,
        };
        let places: Vec<usize> = columns.iter().enumerate().map(place).collect();
        let row = |fields: Vec<String>| {
            let mut row = vec![String::new(); places.iter().max().map_or(0, |last| last + 1)];
            fields.into_iter().zip(&places).for_each(|(field, at)| row[*at] = field);
            row
        };
        let name = |(place, usual): &(Option<Column>, &str)| match place {
            Some(Column::Name(name)) => (*name).to_owned(),
            _ => (*usual).to_owned(),
        };
        let header = has_header.then(|| columns.iter().map(name).collect());
        let fields = examples.iter().map(|example| self.fields(layout, language, example));
        let rows = header.into_iter().chain(fields).map(row);
        match comma {
            true => quoted(rows),
            false => {
                Ok(rows.map(|row| row.iter().map(|field| plain(field)).collect::<Vec<_>>().join("\t") + "\n").collect())
            }
        }
    }

    /// What a layout asks for: where it is to stand, and what a header calls it where the layout does not.
    fn columns(&self, layout: &Layout) -> Vec<(Option<Column>, &'static str)> {
        let wanted = &layout.columns;
        let first = if self.pairs { "sentence1" } else { "text" };
        let second = self.pairs.then_some((wanted.b, "sentence2"));
        let rest = wanted.more.iter().copied().chain(wanted.language).chain(wanted.id).map(|place| (Some(place), ""));
        [(wanted.a, first)].into_iter().chain(second).chain([(wanted.label, "label")]).chain(rest).collect()
    }

    /// The fields of an example in the order of these columns. Nothing is joined to its second sentence any more, and it has no
    /// id: copies are no translations of anything.
    fn fields(&self, layout: &Layout, language: &str, example: &Example) -> Vec<String> {
        let wanted = &layout.columns;
        let label = example.label.map_or("", |label| self.labels()[label]);
        let second = self.pairs.then(|| example.b.clone().unwrap_or_default());
        let texts = [example.a.clone()].into_iter().chain(second).chain([label.to_owned()]);
        let more = wanted.more.iter().map(|_| String::new());
        let language = wanted.language.map(|_| language.to_owned());
        texts.chain(more).chain(language).chain(wanted.id.map(|_| String::new())).collect()
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
