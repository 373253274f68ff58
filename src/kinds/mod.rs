//! What can be done with text: one file for each kind of task, and one line in [`of`].
//!
//! A kind says which head it needs, what of an example the model reads, what its outputs answer, and the marks of answers:
//! for each metric a part and a whole, whose sums make the metric and whose clusters make its interval. Whatever trains,
//! plans memory, keeps checkpoints or reports asks a kind, and never which kind it is.

mod choose;
mod classify;
pub mod item;
pub mod neighbours;
pub(crate) mod pooled;
pub(crate) mod rank;
pub mod retrieve;
pub mod score;
pub(crate) mod span;
mod tag;

use crate::{
    error::Result,
    metrics::Marks,
    models::HeadKind,
    tasks::{self, Example, Task, own, predictions::Prediction},
    text::{Encoded, Tokenizer},
};
use item::Item;
use retrieve::Vectors;
use std::{collections::BTreeMap, fmt};

/// A kind of task.
pub trait Kind: Sync + fmt::Debug {
    /// The head that a task needs.
    fn head(&self, task: &Task) -> HeadKind;

    /// What is measured, the first being what models are selected and compared by.
    fn metrics(&self, task: &Task) -> Vec<&'static str>;

    /// What the model sees of an example: one item, or several such as the windows of a long text.
    fn read(&self, reader: &Reader, example: &Example) -> Result<Read>;

    /// What the outputs for an example's items answer.
    fn answers(&self, asked: &Asked, outputs: &[Rows]) -> Result<Vec<Prediction>>;

    /// Answers where the model saw nothing, which need all others to be known. Returns how many there are.
    fn settle(&self, _task: &Task, _predictions: &mut [Prediction]) -> usize {
        0
    }

    /// The marks of answers in one language, cluster by cluster: what stands in one cluster is not independent.
    fn marks(&self, task: &Task, language: &str, predictions: &[Prediction]) -> Result<Vec<Marked>>;

    /// What an answer's id says of the item that it belongs to: the whole of it, or the sentence of a word.
    fn item_of<'a>(&self, id: &'a str) -> &'a str {
        id
    }

    /// Which answers are marked as one, by their places: each by itself, or for example those of a sentence's words.
    fn clusters(&self, predictions: &[Prediction]) -> Vec<Vec<usize>> {
        (0..predictions.len()).map(|place| vec![place]).collect()
    }

    /// The marks of each class in one language: of labels, or of entities by their kind. None where there are no classes.
    fn classes(&self, task: &Task, predictions: &[Prediction]) -> BTreeMap<String, Marks> {
        if task.has_one_label() { labels(predictions) } else { BTreeMap::new() }
    }

    /// What is odd about answers in one language, beside what their labels tell.
    fn oddities(&self, _task: &Task, _predictions: &[Prediction]) -> Vec<String> {
        Vec::new()
    }

    /// How right answers are told, where that depends on the language.
    fn compared(&self, _languages: &[String]) -> Option<String> {
        None
    }

    /// Whether answers have marks, whose sums make the metrics: nothing else can be resampled.
    fn has_marks(&self) -> bool {
        true
    }

    /// The answers in one language as a benchmark takes them in: the ending of the file, and what stands in it.
    fn submission(&self, predictions: &[Prediction]) -> (&'static str, String) {
        ("tsv", predictions.iter().map(|one| format!("{}\n", one.prediction)).collect())
    }

    /// How something is found by vectors, for which nothing is trained; nothing where a model is fine-tuned.
    fn search(&self) -> Option<&dyn Search> {
        None
    }

    /// Whether a long text becomes several items, so that how many there are is known only when all are read.
    fn reads_in_windows(&self) -> bool {
        false
    }

    /// Whether each row of outputs is a choice among labels, so that noisy copies can vote.
    fn votes(&self) -> bool {
        false
    }

    /// What may not be replaced by synonyms, and why; nothing where texts may change.
    fn fixed(&self) -> Option<&'static str> {
        self.placed()
    }

    /// Why no word may change its length; nothing where what is right stays with words or texts.
    fn placed(&self) -> Option<&'static str> {
        None
    }
}

/// What is found by the vectors of texts that an encoder makes.
pub trait Search: Sync + fmt::Debug {
    /// Whether candidates look for queries, too.
    fn looks_both_ways(&self) -> bool {
        false
    }

    /// Whether something is chosen by the dev data, such as a threshold.
    fn is_tuned(&self) -> bool {
        false
    }

    /// What is found for each query; tuned by the texts that are measured where no others are given.
    fn find(&self, vectors: &Vectors, tuning: Option<&Vectors>) -> Result<Vec<Prediction>>;
}

/// The kind of a task.
pub fn of(task: &Task) -> &'static dyn Kind {
    match task.kind {
        tasks::Kind::Classify => classify::of(task.problem_type),
        tasks::Kind::Tag => &tag::Tag,
        tasks::Kind::Span => &span::Span,
        tasks::Kind::Choose => &choose::Choose,
        tasks::Kind::Rank => &rank::Rank,
        tasks::Kind::Retrieve => match task.search.expect("the definition was checked") {
            tasks::Search::Nearest => &retrieve::Nearest,
            tasks::Search::Mine => &retrieve::Mine,
            tasks::Search::Rank => &pooled::Pooled,
        },
    }
}

/// The task of a model that does not say it, by its head, where that does more than to tell labels of texts apart.
pub fn task_of(head: &HeadKind) -> Option<Result<&'static Task>> {
    match head {
        HeadKind::Tag(labels) => Some(own::of_model(tasks::Kind::Tag, "a tag for each word", labels.clone())),
        HeadKind::Span => Some(own::of_model(tasks::Kind::Span, "answers to questions", Vec::new())),
        _ => None,
    }
}

/// What examples are read with.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// What is predicted.
    pub task: &'a Task,
    /// Turns text into tokens.
    pub tokenizer: &'a Tokenizer,
    /// The most tokens of an item.
    pub max_length: usize,
    /// The model's number for each of the task's labels.
    pub labels: &'a [u32],
}

/// What the model sees of an example.
#[derive(Debug, Default)]
pub struct Read {
    /// One or more.
    pub items: Vec<Item>,
    /// How many tokens it does not see.
    pub n_truncated: usize,
    /// How many tokens the tokenizer does not know.
    pub n_unknown: usize,
}

/// An example whose outputs are to be understood.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What it was read with.
    pub reader: &'a Reader<'a>,
    /// The language that predictions are kept under.
    pub language: &'a str,
    /// The example.
    pub example: &'a Example,
    /// What the model saw of it.
    pub items: &'a [Item],
    /// Whether noisy copies voted: rows of outputs are shares of votes, and not logits.
    pub voted: bool,
}

impl Asked<'_> {
    /// Of which labels of a row one holds: how probable each is, in the order of the task.
    fn probabilities(&self, row: &[f32]) -> Vec<f32> {
        let row = if self.voted { row.to_vec() } else { softmax(row) };
        self.reader.in_task_order(&row)
    }
}

/// The outputs of an item: for each row that is read its logits, or where noisy copies vote the shares of votes.
pub type Rows = Vec<Vec<f32>>;

/// The marks of a cluster of answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Marked {
    /// The id of its first answer.
    pub id: String,
    /// What joins it with its translations.
    pub row: usize,
    /// A part and a whole for each metric of the kind.
    pub marks: Vec<(f64, f64)>,
}

impl Reader<'_> {
    /// A sentence or a pair as one sequence.
    fn encode(&self, a: &str, b: Option<&str>) -> Result<Encoded> {
        self.tokenizer.encode(a, b, self.max_length)
    }

    /// A row of numbers in the order of the task's labels.
    fn in_task_order(&self, row: &[f32]) -> Vec<f32> {
        self.labels.iter().map(|at| row[*at as usize]).collect()
    }
}

impl Read {
    /// One item of one sequence.
    fn one(item: Item, encoded: &Encoded) -> Read {
        Read { items: vec![item], n_truncated: encoded.n_truncated, n_unknown: encoded.n_unknown }
    }
}

/// The marks of answers that are each right or wrong by themselves.
fn right_or_wrong(predictions: &[Prediction]) -> Vec<Marked> {
    let mark = |one: &Prediction| {
        let right = one.label.as_deref() == Some(one.prediction.as_str());
        Marked { id: one.id.clone(), row: one.row, marks: vec![(f64::from(u8::from(right)), 1.0)] }
    };
    predictions.iter().map(mark).collect()
}

/// How often each label is right, given and wanted.
fn labels(predictions: &[Prediction]) -> BTreeMap<String, Marks> {
    let mut marks: BTreeMap<String, Marks> = BTreeMap::new();
    for Prediction { label, prediction, .. } in predictions {
        let label = label.clone().unwrap_or_default();
        let right = usize::from(label == *prediction);
        *marks.entry(prediction.clone()).or_default() += Marks { given: 1, right, ..Marks::default() };
        *marks.entry(label).or_default() += Marks { wanted: 1, ..Marks::default() };
    }
    marks
}

/// Probabilities of which one holds.
pub fn softmax(row: &[f32]) -> Vec<f32> {
    let most = row.iter().copied().fold(f32::MIN, f32::max);
    let exps: Vec<f64> = row.iter().map(|x| f64::from(x - most).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|x| (x / sum) as f32).collect()
}

/// Probabilities of which each holds or does not.
pub fn sigmoids(row: &[f32]) -> Vec<f32> {
    row.iter().map(|x| (1.0 / (1.0 + (-f64::from(*x)).exp())) as f32).collect()
}

/// The position of the largest number, the first of equals.
pub fn largest(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}
