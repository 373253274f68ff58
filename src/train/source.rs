//! What a stage trains on: tokenized examples in an order that is a function of the seed and the epoch.

use super::augment::{Neighbours, perturb, stream_of};
use crate::{
    array::Segments,
    error::{Error, Result},
    models::{Batch, Target, ranking::WORDS_PER_PAIR},
    rng::{Purpose, Rng},
    tasks::Example,
    text::{Encoded, Tokenizer},
};
use rayon::prelude::*;
use std::ops::Range;

/// One tokenized example.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it comes from, for messages.
    pub id: String,
    /// Token ids.
    pub ids: Vec<u32>,
    /// Token types.
    pub types: Vec<u32>,
    /// The token at which positions begin anew, if they do: that of the second side of a pair.
    pub restart: Option<usize>,
    /// What the model should say.
    pub goal: Goal,
}

/// What the model should say of an example.
#[derive(Clone, Debug)]
pub enum Goal {
    /// The label with this number.
    Label(u32),
    /// Something at these positions: the words that were masked there, the tags of words that begin there.
    Rows {
        /// Ascending.
        positions: Vec<u32>,
        /// One for each.
        labels: Vec<u32>,
    },
    /// The translation, which begins at this token and is a sequence of its own, among all those of the batch.
    Ranked {
        /// The length of the first sequence.
        second: usize,
    },
}

impl Goal {
    /// How many predictions the loss averages over.
    pub fn count(&self) -> usize {
        match self {
            Goal::Label(_) => 1,
            Goal::Rows { labels, .. } => labels.len(),
            Goal::Ranked { .. } => WORDS_PER_PAIR,
        }
    }
}

/// Training examples, the same for equal seeds however often and from wherever they are asked for.
pub trait Source: Sync {
    /// How many examples make an epoch.
    fn len(&self) -> usize;

    /// Whether there is nothing to train on.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which examples an epoch sees, in order.
    fn order(&self, seed: u64, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        Rng::for_purpose(seed, Purpose::Shuffle, epoch).shuffle(&mut order);
        order
    }

    /// An example as it is seen at place `place` of an epoch.
    fn item(&self, index: usize, epoch: u64, place: usize) -> Result<Item>;

    /// How many tokens an example has, at most: to foresee what batches take.
    fn n_tokens(&self, index: usize) -> usize;

    /// All ids that occur, ascending, where that is known beforehand.
    fn vocabulary(&self) -> Option<Vec<u32>> {
        None
    }
}

/// Lays items end to end.
pub fn pack(items: &[Item]) -> Batch {
    let (mut labels, mut rows, mut words, mut firsts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut lengths, mut positions, mut start) = (Vec::new(), Vec::new(), 0);
    for item in items {
        let length = item.ids.len();
        let mut second = item.restart.unwrap_or(length);
        match &item.goal {
            Goal::Label(label) => {
                labels.push(*label);
                lengths.push(length);
            }
            Goal::Rows { positions, labels: there } => {
                rows.extend(positions.iter().map(|position| start + position));
                words.extend(there);
                lengths.push(length);
            }
            Goal::Ranked { second: there } => {
                second = *there;
                firsts.push(lengths.len() as u32);
                lengths.extend([second, length - second]);
            }
        }
        positions.extend((0..second as u32).chain(0..(length - second) as u32));
        start += length as u32;
    }
    let segments = Segments::new(lengths);
    let labelled = items.iter().all(|item| matches!(item.goal, Goal::Label(_)));
    let target = match (labelled, firsts.is_empty()) {
        (true, _) => Target::Labels(labels.into()),
        (false, true) => Target::Rows { rows: rows.into(), labels: words.into() },
        (false, false) => Target::Translated { rows: rows.into(), words: words.into(), firsts },
    };
    let join = |part: fn(&Item) -> &Vec<u32>| items.iter().flat_map(|item| part(item).clone()).collect::<Vec<u32>>();
    let (ids, types) = (join(|item| &item.ids).into(), join(|item| &item.types).into());
    Batch { ids, positions: positions.into(), types, segments, target }
}

/// Cuts items into runs of at most `tokens` tokens, in order; an item that is longer by itself stands alone.
pub fn cut(items: &[Item], tokens: usize) -> Vec<&[Item]> {
    runs(items.iter().map(|item| item.ids.len()), tokens).into_iter().map(|run| &items[run]).collect()
}

/// The same of lengths: which go together.
pub fn runs(lengths: impl Iterator<Item = usize>, tokens: usize) -> Vec<Range<usize>> {
    let (mut runs, mut start, mut end, mut sum) = (Vec::new(), 0, 0, 0);
    for length in lengths {
        if sum + length > tokens && end > start {
            runs.push(start..end);
            (start, sum) = (end, 0);
        }
        (end, sum) = (end + 1, sum + length);
    }
    if start < end {
        runs.push(start..end);
    }
    runs
}

/// Labelled examples, tokenized once.
pub struct Labelled {
    /// The examples.
    pub items: Vec<Item>,
    /// How many of them lost tokens to the length limit.
    pub n_truncated: usize,
    /// The share of tokens that the tokenizer did not know.
    pub share_unknown: f64,
}

impl Labelled {
    /// Tokenizes examples; a label is looked up in `labels`, which maps the task's numbers to the model's. Those
    /// without a label get 0, which nothing reads.
    pub fn new(examples: &[Example], tokenizer: &Tokenizer, max_length: usize, labels: &[u32]) -> Result<Labelled> {
        if examples.iter().any(|example| !example.words.is_empty()) {
            return Labelled::of_words(examples, tokenizer, max_length, labels);
        }
        let texts: Vec<(&str, Option<&str>)> = examples.iter().map(|e| (e.a.as_str(), e.b.as_deref())).collect();
        let encoded = tokenizer.encode_batch(&texts, max_length)?;
        let n_truncated = encoded.iter().filter(|encoded| encoded.n_truncated > 0).count();
        let unknown: usize = encoded.iter().map(|encoded| encoded.n_unknown).sum();
        let tokens: usize = encoded.iter().map(|encoded| encoded.ids.len()).sum();
        let items = examples.iter().zip(encoded).map(|(example, encoded)| labelled(example, encoded, labels)).collect();
        Ok(Labelled { items, n_truncated, share_unknown: unknown as f64 / tokens.max(1) as f64 })
    }
}

impl Labelled {
    /// The same of examples whose words have a tag each: it belongs to a word's first token (Devlin et al., 2019), and
    /// words beyond the length limit are not asked for.
    fn of_words(examples: &[Example], tokenizer: &Tokenizer, max_length: usize, labels: &[u32]) -> Result<Labelled> {
        let items = examples.par_iter().map(|example| tagged(example, tokenizer, max_length, labels));
        let items: Vec<(Item, Encoded)> = items.collect::<Result<_>>()?;
        let n_truncated = items.iter().filter(|(_, encoded)| encoded.n_truncated > 0).count();
        let unknown: usize = items.iter().map(|(_, encoded)| encoded.n_unknown).sum();
        let tokens: usize = items.iter().map(|(item, _)| item.ids.len()).sum();
        let items = items.into_iter().map(|(item, _)| item).collect();
        Ok(Labelled { items, n_truncated, share_unknown: unknown as f64 / tokens.max(1) as f64 })
    }
}

/// The tokens of each word, end to end. A word of which the tokenizer leaves nothing is unknown.
fn tagged(example: &Example, tokenizer: &Tokenizer, max_length: usize, labels: &[u32]) -> Result<(Item, Encoded)> {
    let (mut ids, mut firsts) = (Vec::new(), Vec::with_capacity(example.words.len()));
    for word in &example.words {
        firsts.push(ids.len());
        let pieces = tokenizer.tokens(&word.text)?;
        if pieces.is_empty() { ids.push(tokenizer.specials().unknown) } else { ids.extend(pieces) }
    }
    let encoded = tokenizer.assemble(&ids, None, max_length)?;
    let kept = ids.len() - encoded.n_truncated;
    let lead = tokenizer.n_leading();
    let inside = firsts.iter().zip(&example.words).filter(|(first, _)| **first < kept);
    let (positions, labels): (Vec<u32>, Vec<u32>) =
        inside.map(|(first, word)| ((lead + first) as u32, word.label.map_or(0, |label| labels[label]))).unzip();
    if positions.is_empty() {
        let id = &example.id;
        return Err(Error::Config(format!("{id}: max_length {max_length} leaves no room for a word; set it higher")));
    }
    let (ids, types) = (encoded.ids.clone(), encoded.types.clone());
    let item = Item { id: example.id.clone(), ids, types, restart: None, goal: Goal::Rows { positions, labels } };
    Ok((item, encoded))
}

fn labelled(example: &Example, encoded: Encoded, labels: &[u32]) -> Item {
    let label = example.label.map_or(0, |label| labels[label]);
    Item { id: example.id.clone(), ids: encoded.ids, types: encoded.types, restart: None, goal: Goal::Label(label) }
}

impl Source for Labelled {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn item(&self, index: usize, _: u64, _: usize) -> Result<Item> {
        Ok(self.items[index].clone())
    }

    fn n_tokens(&self, index: usize) -> usize {
        self.items[index].ids.len()
    }

    fn vocabulary(&self) -> Option<Vec<u32>> {
        let most = self.items.iter().flat_map(|item| &item.ids).max().map_or(0, |most| *most as usize + 1);
        let mut occurs = vec![false; most];
        self.items.iter().flat_map(|item| &item.ids).for_each(|id| occurs[*id as usize] = true);
        Some((0..most as u32).filter(|id| occurs[*id as usize]).collect())
    }
}

/// Labelled examples whose words are substituted afresh in each epoch: `rs-da` at the compute of plain training.
pub struct Perturbed {
    /// The examples as they are.
    pub examples: Vec<Example>,
    /// What words may become.
    pub neighbours: Neighbours,
    /// Turns text into tokens.
    pub tokenizer: Tokenizer,
    /// The most tokens of an example.
    pub max_length: usize,
    /// Maps the task's label numbers to the model's.
    pub labels: Vec<u32>,
    /// Of this the substitutions are made.
    pub seed: u64,
}

impl Source for Perturbed {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn item(&self, index: usize, epoch: u64, _: usize) -> Result<Item> {
        let example = &self.examples[index];
        let stream = stream_of(&format!("{}#{epoch}", example.id));
        let mut rng = Rng::for_purpose(self.seed, Purpose::Augment, stream);
        let example = perturb(example, &self.neighbours, |n| rng.below(n));
        let encoded = self.tokenizer.encode(&example.a, example.b.as_deref(), self.max_length)?;
        Ok(labelled(&example, encoded, &self.labels))
    }

    fn n_tokens(&self, _: usize) -> usize {
        self.max_length
    }
}

/// How tokens are masked (Devlin et al., 2019): of those chosen 80 % become the mask, 10 % a random word, 10 % stay.
#[derive(Clone, Debug)]
pub struct Masking {
    /// The share of tokens that are chosen.
    pub probability: f64,
    /// The id of the mask.
    pub mask: u32,
    /// Ids that are never chosen nor put in, in ascending order.
    pub special: Vec<u32>,
    /// Ids lie below this.
    pub n_ids: u32,
}

impl Masking {
    /// Masks a sentence; at least one of its ordinary tokens is chosen, if it has any.
    pub fn apply(&self, id: String, sentence: &[u32], rng: &mut Rng) -> Item {
        let ordinary = |id: &u32| self.special.binary_search(id).is_err();
        let mut ids = sentence.to_vec();
        let candidates: Vec<usize> = (0..ids.len()).filter(|i| ordinary(&ids[*i])).collect();
        let mut chosen: Vec<usize> =
            candidates.iter().copied().filter(|_| f64::from(rng.uniform()) < self.probability).collect();
        if chosen.is_empty() && !candidates.is_empty() {
            chosen.push(candidates[rng.below(candidates.len() as u32) as usize]);
        }
        let words = chosen.iter().map(|i| sentence[*i]).collect();
        for i in &chosen {
            match rng.below(10) {
                0 => {}
                1 => ids[*i] = self.random_word(rng),
                _ => ids[*i] = self.mask,
            }
        }
        let positions = chosen.iter().map(|i| *i as u32).collect();
        Item { id, types: vec![0; ids.len()], ids, restart: None, goal: Goal::Rows { positions, labels: words } }
    }

    fn random_word(&self, rng: &mut Rng) -> u32 {
        loop {
            let id = rng.below(self.n_ids);
            if self.special.binary_search(&id).is_err() {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(length: usize) -> Item {
        Item { id: String::new(), ids: vec![7; length], types: vec![0; length], restart: None, goal: Goal::Label(1) }
    }

    #[test]
    fn micro_batches_keep_the_order_and_the_budget() {
        let items: Vec<Item> = [3, 4, 9, 1, 1].map(item).to_vec();
        let lengths: Vec<usize> = cut(&items, 8).iter().map(|run| run.len()).collect();
        assert_eq!(lengths, [2, 1, 2]);
        assert!(cut(&[], 8).is_empty());
    }

    #[test]
    fn masks_spare_special_tokens_and_choose_at_least_one() {
        let masking = Masking { probability: 0.15, mask: 9, special: vec![0, 2, 9], n_ids: 10 };
        for seed in 0..200 {
            let sentence = [0, 5, 6, 7, 2];
            let item = masking.apply(String::new(), &sentence, &mut Rng::new(seed, 0));
            let Goal::Rows { positions, labels: words } = &item.goal else { panic!("masked") };
            assert!(!positions.is_empty());
            assert_eq!(item.ids[0], 0);
            assert_eq!(item.ids[4], 2);
            for (position, word) in positions.iter().zip(words) {
                assert_eq!(sentence[*position as usize], *word);
            }
        }
    }
}
