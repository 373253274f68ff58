//! Retrieval of translations by sentence vectors: the mean hidden state of a sentence, nearest by cosine.

use super::{evaluate::by_batches, stop::Stop};
use crate::{
    array::Segments,
    error::Result,
    kinds::item::{Goal, Item},
    models::{Batch, Model, Place, Words, ranking::sums},
    nn::Pass,
    tasks::{metrics::Score, tatoeba::Bitext},
    tensor::Tensor,
    text::{Encoded, Tokenizer},
};

/// What makes sentence vectors.
pub struct Retriever<'a> {
    /// The model; its head is not used.
    pub model: &'a Model,
    /// Turns text into tokens.
    pub tokenizer: &'a Tokenizer,
    /// The hidden states to average: 0 is the layers' input, then one for each layer; the last where not given.
    pub layer: Option<usize>,
    /// The most tokens of a sentence.
    pub max_length: usize,
    /// Tokens that are on the device at once.
    pub tokens: usize,
}

/// How often the right sentence is the nearest.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The English sentence for one in the language.
    pub english: Score,
    /// The sentence in the language for an English one.
    pub foreign: Score,
    /// Both directions together; its interval takes them for independent.
    pub both: Score,
}

impl Retriever<'_> {
    /// Looks for every sentence's translation among all, in both directions.
    pub fn score(&self, bitext: &Bitext) -> Result<Found> {
        let (a, b) = (self.vectors(&bitext.sentences)?, self.vectors(&bitext.english)?);
        let n = a.len();
        let (to, from) = (n_found(&a, &b), n_found(&b, &a));
        let language = &bitext.language;
        let both = Score::new(language, to + from, 2 * n)?;
        Ok(Found { english: Score::new(language, to, n)?, foreign: Score::new(language, from, n)?, both })
    }

    /// A vector of length 1 for each sentence.
    fn vectors(&self, sentences: &[String]) -> Result<Vec<Vec<f32>>> {
        let texts: Vec<(&str, Option<&str>)> = sentences.iter().map(|text| (text.as_str(), None)).collect();
        let encoded = self.tokenizer.encode_batch(&texts, self.max_length)?;
        let item = |encoded: Encoded| Item::new("", encoded.ids, encoded.types, vec![0], Goal::Classes(vec![0]));
        let items: Vec<Item> = encoded.into_iter().map(item).collect();
        by_batches(&items, self.tokens, &Stop::new(), |batch, items| {
            let which: Vec<u32> = (0..items.len() as u32).collect();
            vectors(&self.states(batch), &batch.segments, &which)
        })
    }

    fn states(&self, batch: &Batch) -> Tensor {
        let embedded = self.model.activations(Place::Embedding, batch, Words::Table, Pass::evaluation());
        let mut states = self.model.encoder.hidden_states(&embedded, &batch.segments, Pass::evaluation());
        states.swap_remove(self.layer.unwrap_or(states.len() - 1))
    }
}

/// Hidden states (t, h) → the vectors of some of the sequences.
pub(super) fn vectors(hidden: &Tensor, segments: &Segments, which: &[u32]) -> Vec<Vec<f32>> {
    let sums = sums(hidden, segments, which).to_vec();
    sums.chunks(sums.len() / which.len()).map(unit).collect() // of length 1 they are equal to means
}

fn unit(row: &[f32]) -> Vec<f32> {
    let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    row.iter().map(|x| x / norm).collect()
}

/// For how many of `a` the row of `b` with the same number is the nearest, the first of equals counting.
pub(super) fn n_found(a: &[Vec<f32>], b: &[Vec<f32>]) -> usize {
    let cosine = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
    let is_found = |(i, x): (usize, &Vec<f32>)| {
        let right = cosine(x, &b[i]);
        b.iter().enumerate().all(|(j, y)| {
            let other = cosine(x, y);
            other < right || (other == right && j >= i)
        })
    };
    a.iter().enumerate().filter(|pair| is_found(*pair)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_counts_and_ties_go_to_the_first() {
        let rows = |rows: &[[f32; 2]]| rows.iter().map(|row| unit(row)).collect::<Vec<_>>();
        let a = rows(&[[1.0, 0.1], [0.1, 1.0], [-1.0, 0.0]]);
        assert_eq!(n_found(&a, &a), 3);
        let swapped = rows(&[[0.1, 1.0], [1.0, 0.1], [-2.0, 0.0]]);
        assert_eq!(n_found(&a, &swapped), 1);
        let equal = rows(&[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]);
        assert_eq!(n_found(&equal, &equal), 1);
        // A row of NaN finds nothing, nor is it found.
        assert_eq!(n_found(&[vec![f32::NAN; 2]], &[vec![1.0, 0.0]]), 0);
    }
}
