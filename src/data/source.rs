//! What a stage trains on: tokenized examples in an order that is a function of the seed and the epoch.

use crate::{
    error::Result,
    kinds::{
        self, Read, Reader,
        item::{Goal, Item},
    },
    learn::augment::{Change, perturb, stream_of},
    rng::{Purpose, Rng},
    tasks::{Example, Task},
    text::Tokenizer,
};
use rayon::prelude::*;
use std::ops::Range;

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

    /// All ids that occur in the texts as they are, ascending; none of texts that are drawn from a corpus.
    fn words(&self) -> Result<Vec<u32>> {
        Ok(self.vocabulary().unwrap_or_default())
    }
}

/// Labelled examples, tokenized once.
pub struct Labelled {
    /// What the model sees of all examples, in their order.
    pub items: Vec<Item>,
    /// Which of them are an example's.
    pub of_example: Vec<Range<usize>>,
    /// How many examples lost tokens to the length limit.
    pub n_truncated: usize,
    /// The share of tokens that the tokenizer did not know.
    pub share_unknown: f64,
}

impl Labelled {
    /// Reads examples as their kind does.
    pub fn new(examples: &[Example], reader: &Reader) -> Result<Labelled> {
        let kind = kinds::of(reader.task);
        let read: Vec<Read> = examples.par_iter().map(|example| kind.read(reader, example)).collect::<Result<_>>()?;
        let n_truncated = read.iter().filter(|read| read.n_truncated > 0).count();
        let unknown: usize = read.iter().map(|read| read.n_unknown).sum();
        let (mut items, mut of_example) = (Vec::with_capacity(read.len()), Vec::with_capacity(read.len()));
        for read in read {
            of_example.push(items.len()..items.len() + read.items.len());
            items.extend(read.items);
        }
        let tokens: usize = items.iter().map(|item| item.ids.len()).sum();
        Ok(Labelled { items, of_example, n_truncated, share_unknown: unknown as f64 / tokens.max(1) as f64 })
    }
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

/// Labelled examples whose words change afresh in each epoch: augmentation at the compute of plain training.
pub struct Perturbed {
    /// The examples as they are.
    pub examples: Vec<Example>,
    /// What becomes of words.
    pub change: Box<dyn Change>,
    /// Turns text into tokens.
    pub tokenizer: Tokenizer,
    /// The most tokens of an example.
    pub max_length: usize,
    /// What is learned.
    pub task: &'static Task,
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
        let example = perturb(example, &*self.change, |n| rng.below(n));
        let mut read = kinds::of(self.task).read(&self.reader(), &example)?;
        Ok(read.items.swap_remove(0))
    }

    fn n_tokens(&self, index: usize) -> usize {
        self.max_length * self.examples[index].choices.len().max(1)
    }

    fn words(&self) -> Result<Vec<u32>> {
        Labelled::new(&self.examples, &self.reader())?.words()
    }
}

impl Perturbed {
    fn reader(&self) -> Reader<'_> {
        let Perturbed { task, tokenizer, max_length, labels, .. } = self;
        Reader { task, tokenizer, max_length: *max_length, labels }
    }
}

/// Examples that are read in other words, too, which change afresh in each epoch.
pub struct InOtherWords {
    /// The examples, by which the task is learned.
    pub source: Box<dyn Source>,
    /// The same in other words, one for each of them.
    pub other: Perturbed,
}

impl Source for InOtherWords {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn item(&self, index: usize, epoch: u64, place: usize) -> Result<Item> {
        let (mut item, mut other) = (self.source.item(index, epoch, place)?, self.other.item(index, epoch, place)?);
        // Of tagged words as many are answered as both texts have room for.
        let n = item.rows.len().min(other.rows.len());
        other.rows.truncate(n);
        if let Goal::Classes(goals) = &mut other.goal {
            goals.truncate(n);
        }
        item.other = Some(Box::new(other));
        Ok(item)
    }

    fn n_tokens(&self, index: usize) -> usize {
        self.source.n_tokens(index) + self.other.n_tokens(index)
    }

    fn words(&self) -> Result<Vec<u32>> {
        self.source.words()
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
        let rows = chosen.iter().map(|i| *i as u32).collect();
        let types = vec![0; ids.len()];
        Item::new(id, ids, types, rows, Goal::Classes(words))
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

    #[test]
    fn masks_spare_special_tokens_and_choose_at_least_one() {
        let masking = Masking { probability: 0.15, mask: 9, special: vec![0, 2, 9], n_ids: 10 };
        for seed in 0..200 {
            let sentence = [0, 5, 6, 7, 2];
            let item = masking.apply(String::new(), &sentence, &mut Rng::new(seed, 0));
            let Goal::Classes(words) = &item.goal else { panic!("masked") };
            assert!(!item.rows.is_empty());
            assert_eq!(item.ids[0], 0);
            assert_eq!(item.ids[4], 2);
            for (position, word) in item.rows.iter().zip(words) {
                assert_eq!(sentence[*position as usize], *word);
            }
        }
    }
}
