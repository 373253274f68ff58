//! Measuring a model on a task: labels matched by name, predictions per example.

pub mod components;
pub mod evaluate;
pub mod exam;
pub mod held_out;
pub mod record;
pub mod retrieve;
pub mod shortcut;
pub mod teacher;

use self::{evaluate::Vote, record::Record};
use crate::{
    checkpoint,
    data::{languages::for_examples, source::Labelled, suited::suited},
    error::{Error, Result},
    kinds::{self, Asked, Reader, Rows},
    learn::methods::RsRp,
    models::{HeadKind, Model, Pretrained, Problem},
    stop::Stop,
    tasks::{Example, Loaded, Task, predictions::Prediction},
    tensor::Device,
    text::Tokenizer,
};
use std::path::Path;

/// Tokens that are on the device at once where nobody says.
pub const TOKENS_AT_ONCE: usize = 4096;

/// A model for a task, with all that it needs to read text.
#[derive(Clone, Copy)]
pub struct Examiner<'a> {
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
    /// Asks to stop, of all ranks that take part.
    pub stop: &'a Stop,
}

/// Votes under noise instead of plain predictions.
#[derive(Clone, Debug)]
pub struct Voting {
    /// Where noise enters, and how much.
    pub noise: RsRp,
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
    /// All answers to the examples, in order.
    pub predictions: Vec<Prediction>,
    /// How many examples lost tokens to the length limit.
    pub n_truncated: usize,
    /// How many answers are of what lies beyond that, which the model did not see.
    pub n_unseen: usize,
    /// The share of tokens that the tokenizer did not know.
    pub share_unknown: f64,
    /// Radii within which votes are certified, one for each row that votes, where votes were held.
    pub radii: Option<Vec<Option<f64>>>,
}

/// The model's number for each of the task's labels, matched by name; their own where the head has none.
pub fn label_map(model: &Model, task: &Task) -> Result<Vec<u32>> {
    let head = kinds::of(task).head(task);
    if std::mem::discriminant(&head) != std::mem::discriminant(&model.head_kind) {
        return Err(Error::Data(format!("the model has no head for {}; take one that was trained on it", task.name)));
    }
    match model.head_kind.labels() {
        Some(labels) => matched(labels, task).ok_or_else(|| labels_differ(labels, task)),
        None => Ok((0..task.labels().len() as u32).collect()),
    }
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

/// A head for a task.
pub fn new_head(task: &Task) -> HeadKind {
    kinds::of(task).head(task)
}

/// The head that a checkpoint is trained or measured with on a task: its own where that tells the task's labels apart,
/// else a new one.
pub fn head_for(pretrained: &Pretrained, task: &Task) -> Result<HeadKind> {
    let (config, new) = (&pretrained.config, new_head(task));
    let own = config.labels.as_ref().filter(|labels| matched(labels, task).is_some());
    let is_tagger = matches!(new, HeadKind::Tag(_));
    let Some(labels) = own.filter(|_| config.is_tagger() == is_tagger && new.labels().is_some()) else {
        return Ok(new);
    };
    match (&new, config.problem) {
        (HeadKind::Classify(_), Problem::AnyOf | Problem::Numbers) => Err(Error::Data(format!(
            "the model's classifier has the labels of {}, but its config.json says that they do not exclude each other \
             (problem_type), and in {} one label is right; correct problem_type if it is wrong, else take another model",
            task.name, task.name
        ))),
        _ => Ok(new.with_labels(labels.clone())),
    }
}

/// A trained model, with what lies in its folder.
#[derive(Debug)]
pub struct Opened {
    /// The model.
    pub model: Model,
    /// Turns text into tokens.
    pub tokenizer: Tokenizer,
    /// What it was trained on, where it is one of ours.
    pub record: Option<Record>,
}

/// Opens a folder with a model that was trained for `task`, and its tokenizer; `note` takes what is odd about it.
pub fn open_trained(folder: &Path, task: &Task, device: &Device, mut note: impl FnMut(&str)) -> Result<Opened> {
    checkpoint::verify_if_sealed(folder)?;
    let record = Record::load(folder)?;
    if let Some(record) = &record {
        record.check_kind(task.name, task.pairs)?;
    }
    let pretrained = Pretrained::open(folder)?;
    let new = new_head(task);
    let found = match new.labels() {
        Some(_) => Some(pretrained.classifier()?),
        None => pretrained.head().filter(|head| *head == new).map(|_| Vec::new()),
    };
    let is_tagger = matches!(new, HeadKind::Tag(_));
    let Some(labels) = found.filter(|_| pretrained.config.is_tagger() == is_tagger) else {
        let (folder, class) = (folder.display(), pretrained.config.architecture.class(&new));
        let found = match &pretrained.config.class[..] {
            "" => "config.json says nothing".to_owned(),
            same if same == class => {
                "this one gives other answers, by problem_type or labels in config.json".to_owned()
            }
            other => format!("config.json says {other}"),
        };
        return Err(Error::Data(format!(
            "{folder}: {} needs a {class}, and {found}; take a model that was trained for such a task",
            task.name
        )));
    };
    if new.labels().is_some() && matched(&labels, task).is_none() {
        return Err(labels_differ(&labels, task));
    }
    let head = head_for(&pretrained, task)?;
    let model = pretrained.load(head, 0, device)?;
    model.unused_said().iter().for_each(|said| note(said));
    let tokenizer = Tokenizer::load(folder)?;
    let tokenizer = suited(&tokenizer, &model.config, note)?;
    Ok(Opened { model, tokenizer, record })
}

impl Examiner<'_> {
    /// Predicts every example, whether it has a label or not.
    pub fn predict(&self, loaded: &Loaded, voting: Option<&Voting>) -> Result<Measured> {
        let labels = label_map(self.model, self.task)?;
        let tokenizer = &for_examples(self.tokenizer, loaded)?;
        let reader = Reader { task: self.task, tokenizer, max_length: self.max_length, labels: &labels };
        let data = Labelled::new(&loaded.examples, &reader)?;
        let (outputs, radii) = match voting {
            None => (evaluate::outputs(self.model, &data.items, self.tokens, self.stop)?, None),
            Some(voting) => {
                let votes = evaluate::votes(self.model, &data.items, self.tokens, voting, self.stop)?;
                let radii = votes.iter().flatten().map(|vote: &Vote| vote.radius).collect();
                let shares = |votes: Vec<Vote>| votes.into_iter().map(|vote| vote.shares).collect();
                (votes.into_iter().map(shares).collect(), Some(radii))
            }
        };
        let (predictions, n_unseen) =
            answers(&reader, &loaded.language, &loaded.examples, &data, &outputs, radii.is_some())?;
        let Labelled { n_truncated, share_unknown, .. } = data;
        Ok(Measured { predictions, n_truncated, n_unseen, share_unknown, radii })
    }
}

/// What outputs answer, example by example, and how many answers are of what the model did not see.
pub(super) fn answers(
    reader: &Reader,
    language: &str,
    examples: &[Example],
    data: &Labelled,
    outputs: &[Rows],
    voted: bool,
) -> Result<(Vec<Prediction>, usize)> {
    let kind = kinds::of(reader.task);
    let mut predictions = Vec::with_capacity(examples.len());
    for (example, items) in examples.iter().zip(&data.of_example) {
        let asked = Asked { reader, language, example, items: &data.items[items.clone()], voted };
        predictions.extend(kind.answers(&asked, &outputs[items.clone()])?);
    }
    let n_unseen = kind.settle(reader.task, &mut predictions);
    Ok((predictions, n_unseen))
}
