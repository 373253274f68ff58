//! SQuAD's JSON (Rajpurkar et al., 2016; 2018): articles of paragraphs, of which each is a text with questions on it.
//!
//! Questions have the same id in all languages of XQuAD and MLQA: it joins them with their translations.

use serde::Deserialize;

use super::{Answer, Row, TextFile, joined::joined_by};
use crate::error::{Error, Result};

#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    question: String,
    #[serde(default)]
    answers: Vec<Written>,
    #[serde(default)]
    is_impossible: bool,
}

#[derive(Deserialize)]
pub(super) struct Written {
    pub text: String,
    pub answer_start: usize,
}

impl Written {
    /// Whether it says anything; some data write an empty text where there is no answer.
    pub fn says(&self) -> bool {
        !self.text.trim().is_empty()
    }
}

/// The questions of a file in order: `a` is the question, `b` the text.
pub(super) fn read(file: &TextFile) -> Result<Vec<Row>> {
    let path = file.path.display();
    let read: File = serde_json::from_str(file.text()).map_err(|error| {
        Error::Data(format!("{path}: {error}; expected SQuAD's JSON: data, paragraphs, context, qas, answers"))
    })?;
    let mut rows: Vec<Row> = Vec::new();
    for paragraph in read.data.into_iter().flat_map(|article| article.paragraphs) {
        let places = places_of(&paragraph.context);
        for question in paragraph.qas {
            let place = format!("{path}: question \"{}\"", question.id);
            let written = if question.is_impossible { Vec::new() } else { question.answers };
            let answers = written
                .into_iter()
                .filter(Written::says)
                .map(|answer| placed(&place, &paragraph.context, &places, answer));
            rows.push(Row {
                line: rows.len() + 1,
                row: joined_by(&question.id),
                a: question.question,
                b: Some(paragraph.context.clone()),
                answers: answers.collect::<Result<_>>()?,
                key: Some(question.id),
                ..Row::default()
            });
        }
    }
    match rows.is_empty() {
        false => Ok(rows),
        true => Err(Error::Data(format!("{path}: there is no question; fetch or write it again"))),
    }
}

/// The byte at which each character begins.
pub(super) fn places_of(context: &str) -> Vec<usize> {
    context.char_indices().map(|(byte, _)| byte).collect()
}

/// An answer with the byte at which it begins; files count characters.
pub(super) fn placed(place: &str, context: &str, places: &[usize], answer: Written) -> Result<Answer> {
    let Written { text, answer_start } = answer;
    let start = places.get(answer_start).copied();
    match start.filter(|start| context[*start..].starts_with(&text)) {
        Some(start) => Ok(Answer { text, start }),
        None => {
            let found: String = context.chars().skip(answer_start).take(text.chars().count()).collect();
            Err(Error::Data(format!(
                "{place}: expected the answer \"{text}\" at character {answer_start} of the text, found \"{found}\"; \
                 answer_start counts characters (code points) from 0"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(answer: &str) -> Result<Vec<Row>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.json");
        let text = format!(
            "{{\"version\": \"1.1\", \"data\": [{{\"title\": \"t\", \"paragraphs\": [{{\"context\": \"Ça va à Paris.\", \
             \"qas\": [{{\"id\": \"q1\", \"question\": \"Où?\", \"answers\": [{answer}]}}]}}]}}]}}"
        );
        std::fs::write(&path, text).unwrap();
        read(&TextFile::read(&path)?)
    }

    #[test]
    fn answers_are_counted_in_characters() {
        let rows = read_text("{\"text\": \"Paris\", \"answer_start\": 8}").unwrap();
        assert_eq!((rows[0].a.as_str(), rows[0].key.as_deref()), ("Où?", Some("q1")));
        assert_eq!(rows[0].answers, [Answer { text: "Paris".into(), start: 10 }]);
        assert_eq!(rows[0].row, joined_by("q1"));
        assert!(read_text("").unwrap()[0].answers.is_empty());
    }

    #[test]
    fn an_empty_answer_is_none() {
        let rows = read_text(r#"{"text": "", "answer_start": 0}, {"text": "Paris", "answer_start": 8}"#).unwrap();
        assert_eq!(rows[0].answers.iter().map(|answer| &answer.text[..]).collect::<Vec<_>>(), ["Paris"]);
        assert!(read_text(r#"{"text": " ", "answer_start": 2}"#).unwrap()[0].answers.is_empty());
    }

    #[test]
    fn answers_that_are_elsewhere_are_refused() {
        for (start, found) in [(9, "aris."), (99, "")] {
            let error = read_text(&format!("{{\"text\": \"Paris\", \"answer_start\": {start}}}")).unwrap_err();
            let says = format!("expected the answer \"Paris\" at character {start} of the text, found \"{found}\"");
            assert!(error.message().contains(&says), "{error}");
        }
    }
}
