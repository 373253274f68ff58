//! Retrieval by text vectors: the mean hidden state of a text, nearest by cosine.

use super::{
    evaluate::by_batches,
    record::{Record, choose_length},
};
use crate::{
    array::Segments,
    data::{languages::in_language, suited::suited},
    error::{Error, Result},
    kinds::{
        Search,
        item::{Goal, Item},
        neighbours::nearest,
        retrieve::Vectors,
    },
    models::{Batch, HeadKind, Model, Place, Words, ranking::sums},
    nn::Pass,
    stop::Stop,
    tasks::{
        metrics::{ACCURACY, Score},
        predictions::Prediction,
        retrieval::{Entry, Retrieval},
    },
    tensor::{Device, Tensor},
    text::{Encoded, Tokenizer},
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// How vectors are made.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The hidden states to average: 0 is the layers' input, then one for each layer; the last where not given.
    pub layer: Option<usize>,
    /// The most tokens of a text; what the model was trained with where not given.
    pub max_length: Option<usize>,
    /// The most tokens of a query, where those are cut shorter.
    pub max_query_length: Option<usize>,
    /// Tokens that are on the device at once.
    pub tokens: usize,
}

/// What makes text vectors.
#[derive(Debug)]
pub struct Retriever {
    model: Model,
    tokenizer: Tokenizer,
    layer: usize,
    max_length: usize,
    max_query_length: usize,
    tokens: usize,
    /// The vectors of the candidates that were looked among last: languages may share them.
    pool: Option<Pool>,
}

/// Candidates and their vectors.
#[derive(Debug)]
struct Pool {
    candidates: Arc<[Entry]>,
    vectors: Arc<[Vec<f32>]>,
}

/// Texts that are tokenized and on the host as vectors at once.
const TEXTS_AT_ONCE: usize = 1 << 17;

/// How often the right sentence is the nearest.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The English sentence for one in the language.
    pub english: Score,
    /// The sentence in the language for an English one.
    pub foreign: Score,
    /// Both directions together; a pair is a cluster.
    pub both: Score,
}

/// What was found in a language.
#[derive(Clone, Debug)]
pub struct Answers {
    /// For each query.
    pub predictions: Vec<Prediction>,
    /// How often, where candidates look for queries, too.
    pub found: Option<Found>,
}

impl Retriever {
    /// Opens an encoder, whatever head it has, and its tokenizer; `note` takes what is odd about them.
    pub fn open(
        folder: &Path,
        tokenizer: &Path,
        settings: Settings,
        device: &Device,
        mut note: impl FnMut(&str),
    ) -> Result<Retriever> {
        let record = Record::load(folder)?;
        let tokenizer = Tokenizer::load(tokenizer)?;
        let model = Model::load(folder, HeadKind::MaskedLm, 0, device)?;
        let tokenizer = suited(&tokenizer, &model.config, &mut note)?;
        let (max_length, said) = choose_length(settings.max_length, record.as_ref(), folder, &model.config)?;
        said.iter().for_each(|said| note(said));
        let layers = model.config.num_hidden_layers;
        let layer = settings.layer.unwrap_or(layers);
        if layer > layers {
            return Err(Error::Usage(format!("--layer {layer}: the model has {layers} layers; give that or less")));
        }
        let max_query_length = settings.max_query_length.unwrap_or(max_length).min(max_length);
        Ok(Retriever { model, tokenizer, layer, max_length, max_query_length, tokens: settings.tokens, pool: None })
    }

    /// Looks for every query among all candidates, and where the search is one of both ways for every candidate; `tuning`
    /// are the texts by which a threshold is chosen, those that are measured where there are none.
    pub fn find(
        &mut self,
        search: &dyn Search,
        texts: &Retrieval,
        tuning: Option<&Retrieval>,
        stop: &Stop,
    ) -> Result<Answers> {
        let vectors = self.vectors_of(texts, stop)?;
        let tuning = tuning.map(|texts| self.vectors_of(texts, stop)).transpose()?;
        let predictions = search.find(&vectors, tuning.as_ref())?;
        if !search.looks_both_ways() {
            return Ok(Answers { predictions, found: None });
        }
        let Vectors { queries, candidates, .. } = vectors;
        let turned = Vectors { texts: &texts.turned(), queries: candidates, candidates: queries };
        let back = search.find(&turned, None)?;
        let is_right = |one: &Prediction| one.label.as_ref() == Some(&one.prediction);
        let n_right = |all: &[Prediction]| all.iter().filter(|one| is_right(one)).count();
        let language = &texts.language;
        // What is asked of a pair from both sides, by the query.
        let mut pairs: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let here = predictions.iter().enumerate();
        let there = turned.texts.right.iter().zip(&back).filter_map(|(right, one)| Some((*right.first()?, one)));
        for (query, one) in here.chain(there) {
            let sum = pairs.entry(query).or_default();
            *sum = (sum.0 + f64::from(u8::from(is_right(one))), sum.1 + 1.0);
        }
        let both = Score::of_marks(language, ACCURACY, pairs.into_values().map(|pair| (None, pair)).collect())?;
        let english = Score::new(language, n_right(&back), back.len())?;
        let foreign = Score::new(language, n_right(&predictions), predictions.len())?;
        Ok(Answers { predictions, found: Some(Found { english, foreign, both }) })
    }

    fn vectors_of<'a>(&mut self, texts: &'a Retrieval, stop: &Stop) -> Result<Vectors<'a>> {
        let known = self.pool.as_ref().filter(|pool| Arc::ptr_eq(&pool.candidates, &texts.candidates));
        let candidates = match known {
            Some(pool) => pool.vectors.clone(),
            None => self.vectors(&texts.candidates, self.max_length, stop)?,
        };
        self.pool = Some(Pool { candidates: texts.candidates.clone(), vectors: candidates.clone() });
        Ok(Vectors { texts, queries: self.vectors(&texts.queries, self.max_query_length, stop)?, candidates })
    }

    /// A vector of length 1 for each of some texts that nothing is looked for in.
    pub fn vectors_alone(&self, texts: &[Entry], stop: &Stop) -> Result<Arc<[Vec<f32>]>> {
        self.vectors(texts, self.max_length, stop)
    }

    /// A vector of length 1 for each text.
    fn vectors(&self, texts: &[Entry], max_length: usize, stop: &Stop) -> Result<Arc<[Vec<f32>]>> {
        let mut found = Vec::with_capacity(texts.len());
        for texts in texts.chunks(TEXTS_AT_ONCE) {
            let items = self.items(texts, max_length)?;
            found.extend(by_batches(&items, self.tokens, stop, |_, batch, items| {
                let which: Vec<u32> = (0..items.len() as u32).collect();
                vectors(&self.states(batch), &batch.segments, &which)
            })?);
        }
        match found.iter().position(|vector| vector.iter().any(|x| !x.is_finite())) {
            None => Ok(found.into()),
            Some(odd) => Err(Error::Data(format!(
                "{}: expected a finite vector of the text, found one that is not; the model's weights are damaged, or it \
                 diverged in training",
                texts[odd].id
            ))),
        }
    }

    /// What the encoder sees of each text, read in its language where tokens depend on that.
    fn items(&self, texts: &[Entry], max_length: usize) -> Result<Vec<Item>> {
        let mut by_language: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, entry) in texts.iter().enumerate() {
            let language = if self.tokenizer.minds_languages() { entry.language.as_str() } else { "" };
            by_language.entry(language).or_default().push(place);
        }
        let mut items: Vec<Option<Item>> = vec![None; texts.len()];
        for (language, places) in by_language {
            let inputs: Vec<_> = places.iter().map(|place| texts[*place].input()).collect();
            let inputs: Vec<(&str, Option<&str>)> = inputs.iter().map(|input| (input.as_ref(), None)).collect();
            let encoded = in_language(&self.tokenizer, language)?.encode_batch(&inputs, max_length)?;
            for (place, encoded) in places.into_iter().zip(encoded) {
                items[place] = Some(item(encoded));
            }
        }
        Ok(items.into_iter().flatten().collect())
    }

    fn states(&self, batch: &Batch) -> Tensor {
        let embedded = self.model.activations(Place::Embedding, batch, Words::Table, Pass::evaluation());
        let mut states = self.model.encoder.hidden_states(&embedded, &batch.segments, Pass::evaluation());
        states.swap_remove(self.layer)
    }
}

fn item(encoded: Encoded) -> Item {
    Item::new("", encoded.ids, encoded.types, vec![0], Goal::Classes(vec![0]))
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
    let found = nearest(a, b, 1);
    found.iter().enumerate().filter(|(i, found)| found.first().is_some_and(|one| one.place == *i)).count()
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
