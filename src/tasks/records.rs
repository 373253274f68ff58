//! Objects with lists, of JSON Lines and Parquet: sentences as lists of words and of tags, and questions with their texts.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Column, Kind, Layout, Row, TextFile, Word,
    joined::{join, joined_by},
    squad::{Written, placed, places_of},
    text_file::excerpt,
};
use crate::{
    error::{Error, Result, did_you_mean},
    input::Object,
};

const WORDS: &[&str] = &["tokens", "words"];
const TAGS: &[&str] = &["ner_tags", "pos_tags", "tags", "upos", "labels"];

/// What is done with such objects, as the keys of the first say it: others are rows of a table.
pub(super) fn kind_of(file: &TextFile) -> Kind {
    let first = file.lines().next().and_then(|(_, line)| serde_json::from_str(line).ok());
    let Object(first) = first.unwrap_or_default();
    let is_list = |known: &[&str]| known.iter().any(|key| first.get(*key).is_some_and(Value::is_array));
    match (
        is_list(WORDS) && is_list(TAGS),
        ["context", "question", "answers"].iter().all(|key| first.contains_key(*key)),
    ) {
        (true, _) => Kind::Tag,
        (_, true) => Kind::Span,
        _ => Kind::Classify,
    }
}

/// Sentences: a list of words and one of tags, which the layout may name.
pub(super) fn words(file: &TextFile, layout: &Layout) -> Result<Vec<Row>> {
    let (mut rows, mut ids) = (Vec::new(), Vec::new());
    for (line, content) in file.lines() {
        let object: Object = parsed(file, line, content, "an object")?;
        ids.push((line, object.0.get("id").and_then(named).unwrap_or_default()));
        let texts = list(file, line, &object, layout.columns.a, WORDS)?;
        let tags = list(file, line, &object, layout.columns.label, TAGS)?;
        if texts.len() != tags.len() || texts.is_empty() {
            let (place, n, m) = (file.place(line), texts.len(), tags.len());
            let remedy = "mend or remove that row";
            return Err(Error::Data(format!(
                "{place}: expected a tag for each word, found {n} words and {m} tags; {remedy}"
            )));
        }
        let words = texts.iter().zip(tags).map(|(text, tag)| Word { line, text: text.clone(), tag });
        rows.push(Row { line, row: line, words: words.collect(), a: texts.join(" "), ..Row::default() });
    }
    join(&mut rows, &ids, file);
    Ok(rows)
}

/// A text, or a number as one.
fn named(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A list of texts or numbers.
fn list(
    file: &TextFile,
    line: usize,
    Object(object): &Object,
    column: Option<Column>,
    known: &[&str],
) -> Result<Vec<String>> {
    let place = file.place(line);
    let key = match column {
        Some(Column::Name(name)) => Some(name).filter(|name| object.contains_key(*name)),
        Some(Column::Number(_)) => {
            return Err(Error::Data(format!("{place}: its columns have names, and are named by them")));
        }
        None => known.iter().copied().find(|key| object.contains_key(*key)),
    };
    let wanted = if let Some(Column::Name(name)) = &column { name } else { known[0] };
    let key = key.ok_or_else(|| {
        let hint = did_you_mean(wanted, object.keys().map(String::as_str));
        Error::Data(format!("{place}: no column \"{wanted}\"; {hint}; name it in columns of the task's file"))
    })?;
    let items = object[key].as_array().and_then(|items| items.iter().map(named).collect());
    items.ok_or_else(|| {
        let found = excerpt(&object[key].to_string());
        Error::Data(format!("{place}: \"{key}\": expected a list of texts or numbers, found {found}"))
    })
}

#[derive(Deserialize)]
struct Question {
    id: Option<Value>,
    question: String,
    context: String,
    /// None where they are asked for.
    answers: Option<Answers>,
}

/// Answers as SQuAD has them, or as lists of each part.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answers {
    Each(Vec<Written>),
    Lists { text: Vec<String>, answer_start: Vec<usize> },
}

/// Questions: `id`, `question`, `context` and `answers`.
pub(super) fn questions(file: &TextFile) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (line, content) in file.lines() {
        let place = file.place(line);
        let Question { id, question, context, answers } =
            parsed(file, line, content, "a question (id, question, context, answers with text and answer_start)")?;
        let written = match answers {
            None => Vec::new(),
            Some(Answers::Each(answers)) => answers,
            Some(Answers::Lists { text, answer_start }) if text.len() == answer_start.len() => {
                let written = |(text, answer_start)| Written { text, answer_start };
                text.into_iter().zip(answer_start).map(written).collect()
            }
            Some(Answers::Lists { text, answer_start }) => {
                let (n, m) = (text.len(), answer_start.len());
                return Err(Error::Data(format!("{place}: found {n} answers and {m} places of such; mend that row")));
            }
        };
        let places = places_of(&context);
        let answers = written
            .into_iter()
            .filter(Written::says)
            .map(|answer| placed(&place, &context, &places, answer))
            .collect::<Result<_>>()?;
        let key = id.map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        rows.push(Row {
            line,
            row: key.as_deref().map_or(line, joined_by),
            a: question,
            b: Some(context),
            answers,
            key,
            ..Row::default()
        });
    }
    Ok(rows)
}

fn parsed<T: for<'a> Deserialize<'a>>(file: &TextFile, line: usize, content: &str, expected: &str) -> Result<T> {
    serde_json::from_str(content).map_err(|error| {
        Error::Data(format!("{}: expected {expected}: {error}; found {}", file.place(line), excerpt(content)))
    })
}
