//! Measuring a classifier on a task: labels matched by name, predictions per example.

use super::{
    evaluate::{self, Vote},
    objective::RandomPerturbation,
    record::Record,
    source::Labelled,
    stop::Stop,
    suited::suited,
};
use crate::{
    checkpoint,
    error::{Error, Result},
    models::{HeadKind, Model, Pretrained, Problem},
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
    /// How many words were not asked for, since they lie beyond that; they have a prediction all the same.
    pub n_words_cut: usize,
    /// The share of tokens that the tokenizer did not know.
    pub share_unknown: f64,
    /// Radii within which votes are certified, one for each example, where votes were held.
    pub radii: Option<Vec<Option<f64>>>,
}

/// The model's number for each of the task's labels, matched by name.
pub fn label_map(model: &Model, task: &Task) -> Result<Vec<u32>> {
    let labels = match &model.head_kind {
        HeadKind::Classify(labels) if !task.tags_words() => labels,
        HeadKind::Tag(labels) if task.tags_words() => labels,
        _ => {
            return Err(Error::Data(format!(
                "the model has no head for {}; take one that was trained on it",
                task.name
            )));
        }
    };
    matched(labels, task).ok_or_else(|| labels_differ(labels, task))
}

/// The number of each of the task's labels among others, whose names may be its aliases, in whatever case.
fn matched(labels: &[String], task: &Task) -> Option<Vec<u32>> {
    let place = |label: &&str| {
        let matches = |name: &String| task.label(name).is_some_and(|at| task.labels()[at] == *label);
        labels.iter().position(matches).map(|at| at as u32)
    };
    let map: Option<Vec<u32>> = task.labels().iter().map(place).collect();
    map.filter(|map| map.len() == labels.len())
}

fn labels_differ(labels: &[String], task: &Task) -> Error {
    Error::Data(format!(
        "labels differ: {} has {}; the model has {}; name the model's labels in id2label of its config.json",
        task.name,
        task.labels().join(", "),
        labels.join(", ")
    ))
}

/// A head for the labels of a task.
pub fn new_head(task: &Task) -> HeadKind {
    let labels = task.labels().iter().map(|label| (*label).to_string()).collect();
    if task.tags_words() { HeadKind::Tag(labels) } else { HeadKind::Classify(labels) }
}

/// The head that a checkpoint is trained or measured with on a task: its own where that tells the task's labels apart,
/// else a new one.
pub fn head_for(pretrained: &Pretrained, task: &Task) -> Result<HeadKind> {
    let config = &pretrained.config;
    let own = config.labels.as_ref().filter(|labels| matched(labels, task).is_some());
    let Some(labels) = own.filter(|_| config.is_tagger == task.tags_words()) else { return Ok(new_head(task)) };
    match config.problem {
        _ if task.tags_words() => Ok(HeadKind::Tag(labels.clone())),
        Problem::OneOf => Ok(HeadKind::Classify(labels.clone())),
        Problem::AnyOf | Problem::Numbers => Err(Error::Data(format!(
            "the model's classifier has the labels of {}, but its config.json says that they do not exclude each other \
             (problem_type), and in {} one label is right; correct problem_type if it is wrong, else take another model",
            task.name, task.name
        ))),
    }
}

/// A trained classifier, with what lies in its folder.
#[derive(Debug)]
pub struct Opened {
    /// The model.
    pub model: Model,
    /// Turns text into tokens.
    pub tokenizer: Tokenizer,
    /// What it was trained on, where it is one of ours.
    pub record: Option<Record>,
}

/// Opens a folder with a trained classifier for `task`, and its tokenizer; `note` takes what is odd about it.
pub fn open_classifier(folder: &Path, task: &Task, device: &Device, note: impl FnMut(&str)) -> Result<Opened> {
    checkpoint::verify_if_sealed(folder)?;
    let record = Record::load(folder)?;
    if let Some(record) = &record {
        record.check_kind(task.name, task.pairs)?;
    }
    let pretrained = Pretrained::open(folder)?;
    let labels = pretrained.classifier()?;
    if pretrained.config.is_tagger != task.tags_words() {
        let (folder, what) = (folder.display(), if task.tags_words() { "tags words" } else { "classifies texts" });
        return Err(Error::Data(format!("{folder}: {} {what}, and the model does not; take one that does", task.name)));
    }
    if matched(&labels, task).is_none() {
        return Err(labels_differ(&labels, task));
    }
    let head = head_for(&pretrained, task)?;
    let model = pretrained.load(head, 0, device)?;
    let tokenizer = Tokenizer::load(folder)?;
    let tokenizer = suited(&tokenizer, &model.config, note)?;
    Ok(Opened { model, tokenizer, record })
}

impl Classifier<'_> {
    /// Predicts every example, whether it has a label or not.
    pub fn predict(&self, loaded: &Loaded, voting: Option<&Voting>) -> Result<Measured> {
        let map = label_map(self.model, self.task)?;
        let data = Labelled::new(&loaded.examples, self.tokenizer, self.max_length, &map)?;
        if self.task.tags_words() {
            return self.tag(loaded, &data, &map);
        }
        let (rows, radii) = match voting {
            None => (evaluate::probabilities(self.model, &data.items, self.tokens, &Stop::new())?, None),
            Some(Voting { noise, samples, confidence, seed }) => {
                let votes = evaluate::votes(self.model, &data.items, self.tokens, noise, *samples, *confidence, *seed);
                let radii = votes.iter().map(|vote: &Vote| vote.radius).collect();
                (votes.into_iter().map(|vote| vote.shares).collect(), Some(radii))
            }
        };
        let in_task_order = |row: &Vec<f32>| map.iter().map(|at| row[*at as usize]).collect::<Vec<f32>>();
        let prediction = |(example, row)| Prediction::new(self.task, &loaded.language, example, &in_task_order(row));
        let predictions = loaded.examples.iter().zip(&rows).map(prediction).collect::<Result<_>>()?;
        let Labelled { n_truncated, share_unknown, .. } = data;
        Ok(Measured { predictions, n_truncated, n_words_cut: 0, share_unknown, radii })
    }

    /// Predicts the tag of every word. Those beyond the length limit get `O`, or the tag predicted most often.
    fn tag(&self, loaded: &Loaded, data: &Labelled, map: &[u32]) -> Result<Measured> {
        let rows = evaluate::probabilities_of_words(self.model, &data.items, self.tokens, &Stop::new())?;
        let in_task_order = |row: &Vec<f32>| map.iter().map(|at| row[*at as usize]).collect::<Vec<f32>>();
        let (mut predictions, mut cut) = (Vec::new(), Vec::new());
        for (example, rows) in loaded.examples.iter().zip(&rows) {
            for (i, word) in example.answered().iter().enumerate() {
                let nothing = vec![0.0; map.len()];
                let row = rows.get(i).map_or(nothing, in_task_order);
                predictions.push(Prediction::new(self.task, &loaded.language, word, &row)?);
                if i >= rows.len() {
                    cut.push(predictions.len() - 1);
                }
            }
        }
        let most = self.usual_tag(&predictions, &cut);
        for at in &cut {
            predictions[*at].prediction = most.to_owned();
            predictions[*at].probabilities = None;
        }
        let (n_words_cut, n_truncated, share_unknown) = (cut.len(), data.n_truncated, data.share_unknown);
        Ok(Measured { predictions, n_truncated, n_words_cut, share_unknown, radii: None })
    }

    /// What is said of words that the model does not see.
    fn usual_tag(&self, predictions: &[Prediction], cut: &[usize]) -> &'static str {
        let labels = self.task.labels();
        let seen = predictions.iter().enumerate().filter(|(i, _)| cut.binary_search(i).is_err());
        let predicted: Vec<&str> = seen.map(|(_, prediction)| prediction.prediction.as_str()).collect();
        let outside = labels.iter().copied().find(|label| *label == "O");
        let often = || labels.iter().copied().max_by_key(|label| predicted.iter().filter(|p| *p == label).count());
        outside.or_else(often).expect("a task has labels")
    }
}
