//! What models are selected by in training: labelled examples in the source language, or held-out texts.

use super::{
    answers,
    evaluate::{MOST_TOKENS, outputs},
    held_out::held_out_accuracies,
};
use crate::{
    data::source::Labelled,
    error::Result,
    kinds::{
        self, Reader,
        item::{Goal, Item, cut},
        score::{key, scores},
    },
    models::Model,
    stop::Stop,
    tasks::{Example, Task},
    text::Tokenizer,
};

/// What models are selected by.
pub enum Exam {
    /// There is nothing: the last model is kept.
    None,
    /// Examples in the source language, by the first metric of their kind.
    Examples(Box<Examples>),
    /// Held-out texts, by what is found in them.
    Texts(Vec<Item>),
}

/// Examples, and what they were read with.
pub struct Examples {
    task: &'static Task,
    tokenizer: Tokenizer,
    max_length: usize,
    labels: Vec<u32>,
    examples: Vec<Example>,
    data: Labelled,
}

/// What was measured, or the example for which the model gives no finite numbers.
pub type Measured = Result<f64, String>;

impl Exam {
    /// An exam of examples, which `reader` reads.
    pub fn of_examples(examples: Vec<Example>, task: &'static Task, reader: &Reader) -> Result<Exam> {
        if examples.is_empty() {
            return Ok(Exam::None);
        }
        let data = Labelled::new(&examples, reader)?;
        let (tokenizer, labels) = (reader.tokenizer.clone(), reader.labels.to_vec());
        let max_length = reader.max_length;
        Ok(Exam::Examples(Box::new(Examples { task, tokenizer, max_length, labels, examples, data })))
    }

    /// An exam of held-out texts.
    pub fn of_texts(items: Vec<Item>) -> Exam {
        if items.is_empty() { Exam::None } else { Exam::Texts(items) }
    }

    /// Whether nothing can be measured.
    pub fn is_empty(&self) -> bool {
        matches!(self, Exam::None)
    }

    /// What the number is: for people, and as a key of the log.
    pub fn metric(&self) -> (String, String) {
        match self {
            Exam::Examples(examples) => {
                let metric = kinds::of(examples.task).metrics(examples.task)[0];
                (format!("dev {metric}"), key(metric))
            }
            Exam::Texts(items) if items[0].goal == Goal::Ranked => ("translations found".into(), "accuracy".into()),
            Exam::Texts(_) | Exam::None => ("masked accuracy".into(), "accuracy".into()),
        }
    }

    /// Measures a model, with at most so many tokens at once.
    ///
    /// [`Error::Stopped`](crate::error::Error::Stopped) between two batches once that was asked for.
    pub fn measure(&self, model: &Model, tokens: usize, stop: &Stop) -> Result<Measured> {
        match self {
            Exam::None => Ok(Ok(0.0)),
            Exam::Examples(examples) => examples.measure(model, tokens, stop),
            Exam::Texts(items) => {
                let found = held_out_accuracies(model, items, tokens, stop)?;
                let sum = found.values().fold((0, 0), |sum, (right, n)| (sum.0 + right, sum.1 + n));
                Ok(Ok(sum.0 as f64 / sum.1.max(1) as f64))
            }
        }
    }

    /// Goes through the motions of the first batch, which is the one with the longest items. A labelled task is measured on
    /// test data, too, which may fill a batch where the dev data do not.
    pub fn rehearse(&self, model: &Model, tokens: usize) -> Result<()> {
        let (tokens, never) = (tokens.min(MOST_TOKENS), Stop::new()); // nothing is computed, so nothing is stopped
        match self {
            Exam::None => Ok(()),
            Exam::Texts(items) => held_out_accuracies(model, &first_batch(items, 1, tokens), tokens, &never).map(drop),
            Exam::Examples(examples) => {
                let items = &examples.data.items;
                let all: usize = items.iter().map(|item| item.ids.len()).sum();
                let first = first_batch(items, tokens.div_ceil(all.max(1)), tokens);
                outputs(model, &first, tokens, &never).map(drop)
            }
        }
    }
}

/// The longest items that come into one batch, each so many times.
fn first_batch(items: &[Item], times: usize, tokens: usize) -> Vec<Item> {
    let mut longest: Vec<Item> = items.iter().flat_map(|item| std::iter::repeat_n(item.clone(), times)).collect();
    longest.sort_by_key(|item| std::cmp::Reverse(item.ids.len()));
    cut(&longest, tokens).first().map_or(Vec::new(), |first| first.to_vec())
}

impl Examples {
    fn measure(&self, model: &Model, tokens: usize, stop: &Stop) -> Result<Measured> {
        let outputs = outputs(model, &self.data.items, tokens, stop)?;
        let is_odd = |rows: &Vec<Vec<f32>>| rows.iter().flatten().any(|x| !x.is_finite());
        if let Some(odd) = outputs.iter().position(is_odd) {
            return Ok(Err(self.data.items[odd].id.clone()));
        }
        let (task, tokenizer, max_length, labels) = (self.task, &self.tokenizer, self.max_length, &self.labels[..]);
        let reader = Reader { task, tokenizer, max_length, labels };
        let (predictions, _) = answers(&reader, task.source, &self.examples, &self.data, &outputs, false)?;
        Ok(Ok(scores(task, task.source, &predictions)?[0].value))
    }
}
