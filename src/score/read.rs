//! Files as the official scripts read them: Python's lines, spaces and JSON.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    input::Object,
    metrics::is_space,
};

/// A text file in Python's lines.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    text: String,
}

impl Lines {
    pub(super) fn read(path: &Path) -> Result<Lines> {
        let bytes = fs::read(path).map_err(|error| Error::read(path, &error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
            Error::Data(format!("{}:{line}: not UTF-8; convert the file to UTF-8", path.display()))
        })?;
        if text.starts_with('\u{feff}') {
            let what = "begins with a byte order mark, which the official scorer takes for a part of the first line";
            return Err(Error::Data(format!("{}:1: {what}; take it off", path.display())));
        }
        // Python reads CR LF and CR as ends of lines, too.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        Ok(Lines { path: path.to_owned(), text })
    }

    /// The lines without spaces around them; line `i` is the one with number `i + 1`.
    pub(super) fn stripped(&self) -> Vec<&str> {
        self.rows().map(strip).collect()
    }

    /// The lines as they are; an end of line at the end begins no other.
    pub(super) fn rows(&self) -> impl Iterator<Item = &str> {
        let text = self.text.strip_suffix('\n').unwrap_or(&self.text);
        (!self.text.is_empty()).then(|| text.split('\n')).into_iter().flatten()
    }

    /// `path:line`, counted from 1, as messages name a place.
    pub(super) fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    pub(super) fn name(&self) -> std::path::Display<'_> {
        self.path.display()
    }
}

/// The text without what Python takes for space around it.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The tags of a sentence and the line of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence<'a> {
    pub(super) line: usize,
    pub(super) tags: Vec<&'a str>,
}

/// How blank lines part sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blank {
    /// Each ends a sentence, even one without words, as XTREME reads.
    Ends,
    /// They part sentences, however many there are; so does `-DOCSTART-`, as XGLUE reads gold.
    Parts,
    /// The first ends a sentence, more are empty tags, as XGLUE reads predictions; those are refused.
    EndsOnce,
}

/// The sentences of a file, with the last word of each line as its tag where `Blank::Parts` has words before it.
pub(super) fn sentences(lines: &Lines, blank: Blank) -> Result<Vec<Sentence<'_>>> {
    let mut found = Vec::new();
    let mut open = Sentence { line: 1, tags: Vec::new() };
    for (i, row) in lines.rows().enumerate() {
        let tag = strip(row);
        let parts = tag.is_empty() || (blank == Blank::Parts && row.starts_with("-DOCSTART-"));
        if !parts {
            let last = tag.rsplit(is_space).next().unwrap_or(tag);
            open.tags.push(if blank == Blank::Parts { last } else { tag });
            continue;
        }
        if blank == Blank::EndsOnce && open.tags.is_empty() {
            let what =
                "a blank line after a blank line, or at the beginning, which the official scorer takes for a tag";
            return Err(Error::Data(format!("{}: {what}; take it out", lines.place(i + 1))));
        }
        let next = Sentence { line: i + 2, tags: Vec::new() };
        let ended = std::mem::replace(&mut open, next);
        if blank != Blank::Parts || !ended.tags.is_empty() {
            found.push(ended);
        }
    }
    if !open.tags.is_empty() {
        found.push(open);
    }
    Ok(found)
}

/// A JSON file whose top is an object.
pub(super) fn object(path: &Path) -> Result<Map<String, Value>> {
    json(path).map(|Object(map)| map)
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = Lines::read(path)?.text;
    serde_json::from_str(&text)
        .map_err(|error| Error::Data(format!("{}:{}: not JSON: {error}", path.display(), error.line())))
}

/// A question's id and its right answers.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: String,
    pub(super) answers: Vec<String>,
}

/// The questions of a file in SQuAD's JSON, with or without `data` around the articles.
pub(super) fn questions(path: &Path) -> Result<Vec<Question>> {
    let top = match json(path)? {
        Value::Object(mut map) if map.contains_key("data") => map.remove("data").unwrap_or_default(),
        other => other,
    };
    let mut found = Vec::new();
    for article in list(&top, "the articles", path)? {
        for paragraph in list(&article["paragraphs"], "\"paragraphs\"", path)? {
            for question in list(&paragraph["qas"], "\"qas\"", path)? {
                found.push(one_question(question, path)?);
            }
        }
    }
    Ok(found)
}

fn one_question(question: &Value, path: &Path) -> Result<Question> {
    let wrong = |what: &str| Error::Data(format!("{}: a question without {what}: {question}", path.display()));
    let id = question["id"].as_str().ok_or_else(|| wrong("\"id\""))?.to_owned();
    let texts = list(&question["answers"], "\"answers\"", path)?.iter().map(|answer| answer["text"].as_str());
    let answers: Option<Vec<String>> = texts.map(|text| text.map(str::to_owned)).collect();
    let answers = answers.filter(|answers| !answers.is_empty()).ok_or_else(|| wrong("\"text\" of an answer"))?;
    Ok(Question { id, answers })
}

fn list<'a>(value: &'a Value, what: &str, path: &Path) -> Result<&'a [Value]> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| Error::Data(format!("{}: expected {what} as a list, as SQuAD's JSON has", path.display())))
}

/// The strings of a list below an id.
pub(super) fn strings<'a>(map: &'a Map<String, Value>, id: &str, path: &Path) -> Result<Vec<&'a str>> {
    let Some(value) = map.get(id) else { return Ok(Vec::new()) };
    let all: Option<Vec<&str>> = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
    all.ok_or_else(|| Error::Data(format!("{}: \"{id}\": expected a list of strings, found {value}", path.display())))
}

/// The answer below an id, if there is one.
pub(super) fn answer<'a>(map: &'a Map<String, Value>, id: &str, path: &Path) -> Result<Option<&'a str>> {
    let Some(value) = map.get(id) else { return Ok(None) };
    let wrong = || Error::Data(format!("{}: \"{id}\": expected an answer as a string, found {value}", path.display()));
    value.as_str().map(Some).ok_or_else(wrong)
}

/// The `label` of each line of JSON.
pub(super) fn choices(lines: &Lines) -> Result<Vec<Value>> {
    let label = |(i, row): (usize, &str)| {
        let value: Value = serde_json::from_str(row)
            .map_err(|error| Error::Data(format!("{}: not JSON: {error}", lines.place(i + 1))))?;
        let found = value.get("label").cloned();
        found.ok_or_else(|| Error::Data(format!("{}: expected \"label\", found {value}", lines.place(i + 1))))
    };
    lines.rows().enumerate().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        Lines { path: "f".into(), text: text.into() }
    }

    #[test]
    fn lines_are_pythons() {
        let cases: [(&str, &[&str]); 4] =
            [("", &[]), ("a\nb", &["a", "b"]), (" a\u{1f}\n\n", &["a", ""]), ("a\u{2028}b\n", &["a\u{2028}b"])];
        for (text, rows) in cases {
            assert_eq!(lines(text).stripped(), rows, "{text:?}");
        }
    }

    #[test]
    fn blank_lines_part_sentences_as_each_script_reads() {
        let tags = |text: &str, blank| -> Result<Vec<(usize, Vec<String>)>> {
            let lines = lines(text);
            let found = sentences(&lines, blank)?;
            Ok(found.iter().map(|s| (s.line, s.tags.iter().map(|tag| (*tag).to_owned()).collect())).collect())
        };
        let own = |line: usize, tags: &[&str]| (line, tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
        let text = "A\nB\n\n\nC\n";
        assert_eq!(tags(text, Blank::Ends).unwrap(), [own(1, &["A", "B"]), own(4, &[]), own(5, &["C"])]);
        assert_eq!(tags("x A\n\n-DOCSTART- O\n\ny B\n", Blank::Parts).unwrap(), [own(1, &["A"]), own(5, &["B"])]);
        assert!(tags(text, Blank::EndsOnce).unwrap_err().message().starts_with("f:4: a blank line"));
    }
}
