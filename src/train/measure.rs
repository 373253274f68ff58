//! Measuring a classifier on a task: labels matched by name, predictions per example.

use super::{
    evaluate::{self, Vote},
    objective::RandomPerturbation,
    source::Labelled,
    suited::suited,
};
use crate::{
    error::{Error, Result},
    models::{Config, HeadKind, Model},
    tasks::{Loaded, Task, predictions::Prediction},
    tensor::Device,
    text::Tokenizer,
};
use std::path::Path;

/// Tokens that are on the device at once where nobody says.
pub const TOKENS_AT_ONCE: usize = 4096;

/// A classifier for a task, with all that it needs to read text.
pub struct Classifier<'a> {
    /// The model.
    pub model: &'a Model,
    /// Turns text into tokens.
    pub tokenizer: &'a Tokenizer,
    /// What is predicted.
    pub task: &'a Task,
    /// The most tokens of an example.
    pub max_length: usize,
    /// Tokens that are on the device at once.
    pub tokens: usize,
}

/// Votes under noise instead of plain predictions.
#[derive(Clone, Debug)]
pub struct Voting {
    /// Where noise enters, and how much.
    pub noise: RandomPerturbation,
    /// How many copies of each example vote.
    pub samples: u32,
    /// How sure a certified radius is to hold.
    pub confidence: f64,
    /// Of this the noise is made.
    pub seed: u64,
}

/// What was predicted, and what happened to the text on the way.
#[derive(Debug)]
pub struct Measured {
    /// One for each example, in order.
    pub predictions: Vec<Prediction>,
    /// How many examples lost tokens to the length limit.
    pub n_truncated: usize,
    /// The share of tokens that the tokenizer did not know.
    pub share_unknown: f64,
    /// Radii within which votes are certified, one for each example, where votes were held.
    pub radii: Option<Vec<Option<f64>>>,
}

/// The model's number for each of the task's labels, matched by name.
pub fn label_map(model: &Model, task: &Task) -> Result<Vec<u32>> {
    let HeadKind::Classify(labels) = &model.head_kind else {
        return Err(Error::Data(format!("the model has no classifier; {} needs one", task.name)));
    };
    let place = |label: &&str| {
        let matches = |name: &String| task.label(name).is_some_and(|at| task.labels()[at] == *label);
        labels.iter().position(matches).map(|at| at as u32)
    };
    let map: Option<Vec<u32>> = task.labels().iter().map(place).collect();
    map.filter(|map| map.len() == labels.len()).ok_or_else(|| {
        Error::Data(format!(
            "labels differ: {} has {}; the model has {}; name the model's labels in id2label of its config.json",
            task.name,
            task.labels().join(", "),
            labels.join(", ")
        ))
    })
}

/// Opens a folder with a trained classifier for `task`, and its tokenizer; `note` takes what is odd about it.
pub fn open_classifier(
    folder: &Path,
    task: &Task,
    device: &Device,
    note: impl FnMut(&str),
) -> Result<(Model, Tokenizer)> {
    let labels = Config::load(folder)?.labels.unwrap_or_default();
    let model = Model::load(folder, HeadKind::Classify(labels), 0, device)?;
    if !model.initialized.is_empty() {
        let names = model.initialized.join(", ");
        let folder = folder.display();
        return Err(Error::Data(format!(
            "{folder} holds no trained classifier ({names} missing); train one with rxlt run"
        )));
    }
    label_map(&model, task)?;
    let tokenizer = Tokenizer::load(folder)?;
    let tokenizer = suited(&tokenizer, &model.config, note)?;
    Ok((model, tokenizer))
}

impl Classifier<'_> {
    /// Predicts every example, whether it has a label or not.
    pub fn predict(&self, loaded: &Loaded, voting: Option<&Voting>) -> Result<Measured> {
        let map = label_map(self.model, self.task)?;
        let data = Labelled::new(&loaded.examples, self.tokenizer, self.max_length, &map)?;
        let (rows, radii) = match voting {
            None => (evaluate::probabilities(self.model, &data.items, self.tokens), None),
            Some(Voting { noise, samples, confidence, seed }) => {
                let votes = evaluate::votes(self.model, &data.items, self.tokens, noise, *samples, *confidence, *seed);
                let radii = votes.iter().map(|vote: &Vote| vote.radius).collect();
                (votes.into_iter().map(|vote| vote.shares).collect(), Some(radii))
            }
        };
        let in_task_order = |row: &Vec<f32>| map.iter().map(|at| row[*at as usize]).collect::<Vec<f32>>();
        let prediction = |(example, row)| Prediction::new(self.task, &loaded.language, example, &in_task_order(row));
        let predictions = loaded.examples.iter().zip(&rows).map(prediction).collect::<Result<_>>()?;
        Ok(Measured { predictions, n_truncated: data.n_truncated, share_unknown: data.share_unknown, radii })
    }
}
