//! A trained classifier from its folder, for `eval` and `predict`.

use std::path::Path;

use super::device::Chosen;
use crate::{
    error::{self, Error, Result},
    models::{Config, HeadKind, Model},
    tasks::{Example, Task},
    text::Tokenizer,
    train::{evaluate::probabilities, source::Labelled},
};

/// A model with a head, its tokenizer, and the names of its labels.
pub struct Classifier {
    model: Model,
    tokenizer: Tokenizer,
    /// By their number.
    pub labels: Vec<String>,
    max_length: usize,
    tokens: usize,
}

impl Classifier {
    /// Loads a folder as Hugging Face lays it out; a head must be among its weights.
    pub fn load(folder: &Path, chosen: &Chosen, max_length: usize, tokens: usize) -> Result<Classifier> {
        let path = folder.display();
        let config = Config::load(folder)?;
        let longest = config.longest_input();
        if max_length > longest {
            return Err(Error::Usage(format!("--max-length {max_length}: {path} has positions for {longest}")));
        }
        let labels = config.labels.clone().ok_or_else(|| {
            Error::Data(format!("{path}/config.json names no labels (id2label): expected a model trained to classify"))
        })?;
        let head = HeadKind::Classify(labels.clone());
        let model = error::catch(|| Model::load(folder, head, 0, &chosen.device))?;
        if let Some(name) = model.initialized.first() {
            let message = "expected a model trained to classify, whose head is among its weights";
            return Err(Error::Data(format!("{path}: \"{name}\" is missing: {message}")));
        }
        if let Some(name) = model.not_finite.first() {
            return Err(Error::Data(format!("{path}: \"{name}\" holds NaN or infinity; train or fetch it again")));
        }
        Ok(Classifier { model, tokenizer: Tokenizer::load(folder)?, labels, max_length, tokens })
    }

    /// The model's number for each of the task's labels, matched by name.
    pub fn match_labels(&self, task: &Task) -> Result<Vec<usize>> {
        let ids = task.labels().iter().map(|name| {
            // A model may use another spelling that the task knows.
            self.labels.iter().position(|label| task.label(label) == task.label(name))
        });
        match ids.collect::<Option<Vec<usize>>>() {
            Some(ids) if ids.len() == self.labels.len() => Ok(ids),
            _ => Err(Error::Mismatch(format!(
                "the labels of the model and of {} do not match by name: {:?} and {:?}; was it trained on another task?",
                task.name,
                self.labels,
                task.labels()
            ))),
        }
    }

    /// The probability of each of the model's labels, example by example.
    pub fn probabilities(&self, examples: &[Example]) -> Result<Vec<Vec<f32>>> {
        let unlabelled: Vec<Example> = examples.iter().map(|e| Example { label: None, ..e.clone() }).collect();
        let items = Labelled::new(&unlabelled, &self.tokenizer, self.max_length, &[])?.items;
        error::catch(|| Ok(probabilities(&self.model, &items, self.tokens)))
    }
}
