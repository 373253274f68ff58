//! Alternatives, of which one is right: a score for each, from a sequence of its own (COPA, XCOPA).

use super::{
    Asked, Kind, Marked, Read, Reader, Rows,
    item::{Goal, Item},
    right_or_wrong, softmax,
};
use crate::{
    error::{Error, Result},
    models::HeadKind,
    tasks::{
        Example, Task,
        predictions::{Prediction, Probabilities},
    },
};
use serde_json::json;

/// A text with alternatives.
#[derive(Debug)]
pub(super) struct Choose;

impl Kind for Choose {
    fn head(&self, _: &Task) -> HeadKind {
        HeadKind::Choose
    }

    fn metrics(&self, _: &Task) -> Vec<&'static str> {
        vec!["accuracy"]
    }

    /// The text, with what is asked of it after it, and an alternative are a pair; all pairs of an example are one item.
    fn read(&self, reader: &Reader, example: &Example) -> Result<Read> {
        let first = asked_in_words(reader.task, example);
        let mut read = Read::default();
        let (mut ids, mut types, mut sequences, mut rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for choice in &example.choices {
            let encoded = reader.encode(&first, Some(choice))?;
            rows.push(ids.len() as u32);
            sequences.push(encoded.ids.len());
            ids.extend(encoded.ids);
            types.extend(encoded.types);
            read.n_truncated += encoded.n_truncated;
            read.n_unknown += encoded.n_unknown;
        }
        let right = example.label.map_or(0, |label| label as u32);
        let item = Item::new(&example.id, ids, types, rows, Goal::Places(vec![right]));
        read.items.push(Item { sequences, ..item });
        Ok(read)
    }

    fn answers(&self, asked: &Asked, outputs: &[Rows]) -> Result<Vec<Prediction>> {
        let (labels, example) = (asked.reader.task.labels(), asked.example);
        let scores: Vec<f32> = outputs[0].iter().map(|row| row[0]).collect();
        let row = softmax(&scores);
        if scores.is_empty() || scores.len() > labels.len() || row.iter().any(|p| !p.is_finite()) {
            let id = &example.id;
            return Err(Error::Data(format!(
                "{id}: expected finite scores of 1 to {} alternatives, found {scores:?}; name more labels, or the model's \
                 weights are damaged",
                labels.len()
            )));
        }
        let named = labels.iter().zip(&row).map(|(name, p)| ((*name).to_owned(), f64::from(*p)));
        Ok(vec![Prediction {
            label: example.label.map(|label| labels[label].to_owned()),
            probabilities: Some(Probabilities::Named(named.collect())),
            ..Prediction::of(asked.language, example, labels[super::largest(&row)].to_owned())
        }])
    }

    /// An object a line: `{"label": 0}`.
    fn submission(&self, predictions: &[Prediction]) -> (&'static str, String) {
        let number =
            |one: &Prediction| one.prediction.parse::<u64>().map_or(json!(one.prediction), |number| json!(number));
        let line = |one: &Prediction| format!("{}\n", json!({ "label": number(one) }));
        ("jsonl", predictions.iter().map(line).collect())
    }

    fn marks(&self, _: &Task, _: &str, predictions: &[Prediction]) -> Result<Vec<Marked>> {
        Ok(right_or_wrong(predictions))
    }
}

/// The text and the question on it, in the words that the task has for it.
fn asked_in_words(task: &Task, example: &Example) -> String {
    let Some(question) = &example.b else { return example.a.clone() };
    let prompt = task.prompts.iter().find(|(name, _)| name == question).map_or(question.as_str(), |(_, prompt)| prompt);
    format!("{} {prompt}", example.a)
}
