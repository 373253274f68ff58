//! What a model sees at once, and what it should say of it: sequences laid end to end, and targets.

use crate::array::{Ids, Segments};
use std::ops::Range;

/// What a batch should give: the rows that are read, and what should be said of them.
#[derive(Clone, Debug)]
pub struct Target {
    /// Rows of the packed batch, in the order in which they are answered.
    pub rows: Ids,
    /// What should be said of them.
    pub wanted: Wanted,
    /// What is learned of whole sequences; all hidden states are read where anything is.
    pub whole: Whole,
}

/// What is learned of whole sequences.
#[derive(Clone, Debug, PartialEq)]
pub enum Whole {
    /// Nothing.
    Nothing,
    /// Numbers of the sequences whose successor translates them, to be told from the others.
    Translations(Vec<u32>),
    /// The vector that each sequence should have: (n, h).
    Vectors(Vec<f32>),
}

/// What should be said of rows.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// One of the classes of each row: its label or tag, or the word that was masked there.
    Classes(Ids),
    /// Whether each label holds, row by row: 0 or 1, (n · k).
    Each(Ids),
    /// A number of each row: (n).
    Numbers(Vec<f32>),
    /// Rows compete in groups: of each group, and of each column of logits, the row that is right, counted in the group.
    Places {
        /// How the rows that are read are grouped.
        groups: Segments,
        /// (groups · k)
        places: Ids,
    },
}

impl Target {
    /// One of the classes for each row.
    pub fn classes(rows: Ids, classes: impl Into<Ids>) -> Target {
        Target { rows, wanted: Wanted::Classes(classes.into()), whole: Whole::Nothing }
    }

    /// One of the labels for each sequence, of which the first token is read.
    pub fn labels(segments: &Segments, labels: impl Into<Ids>) -> Target {
        Target::classes(segments.first_rows(), labels)
    }
}

/// Sequences laid end to end.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Token ids: (t).
    pub ids: Ids,
    /// Positions, from 0: (t). Those of [`Segments::positions`], or others where the sides of a pair count anew.
    pub positions: Ids,
    /// Token types, of an encoder with embeddings of languages the languages: (t).
    pub types: Ids,
    /// Where sequences start.
    pub segments: Segments,
    /// What should come out.
    pub target: Target,
    /// The same examples in other words, where a method reads these beside them.
    pub other: Option<Box<Reworded>>,
}

/// The examples of a batch in other words.
#[derive(Clone, Debug)]
pub struct Reworded {
    /// The packed sequences.
    pub batch: Batch,
    /// Which rows of the examples' own logits its rows are answered beside; none where each has one.
    pub rows: Option<Ids>,
}

impl Batch {
    /// All token ids, in other words too.
    pub fn all_ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.ids.iter().chain(self.other.iter().flat_map(|other| other.batch.ids.iter())).copied()
    }

    /// The rows of the last hidden states that the target needs; none where it needs all.
    pub(super) fn rows_read(&self) -> Option<Ids> {
        let all = self.target.whole != Whole::Nothing || self.target.rows.len() == self.segments.rows();
        (!all).then(|| self.target.rows.clone())
    }

    /// Where sequences start in the activations at a place.
    pub fn segments_at(&self, at: Place) -> Segments {
        match self.rows_read() {
            Some(rows) if at == Place::Encoder => {
                let inside = |range: Range<usize>| rows.iter().filter(|row| range.contains(&(**row as usize))).count();
                Segments::new(self.segments.ranges().map(inside))
            }
            _ => self.segments.clone(),
        }
    }
}

/// Where in the model a perturbation enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The word table's output, before positions and LayerNorm.
    Word,
    /// The embedding layer's output.
    Embedding,
    /// The last hidden states that the head sees: first tokens, or the mean of all where a classifier pools so; masked ones;
    /// or all where sentences are ranked.
    Encoder,
}
