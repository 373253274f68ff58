//! What a model sees at once, and what it should say of it: items, and batches of items laid end to end.

use crate::{
    array::Segments,
    models::{Batch, Reworded, Target, Wanted, Whole, ranking::WORDS_PER_PAIR},
};
use std::ops::Range;

/// One or more sequences of tokens with one goal.
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
    /// The lengths of its sequences; none where there is one.
    pub sequences: Vec<usize>,
    /// The tokens that the head reads, ascending.
    pub rows: Vec<u32>,
    /// What should be said of them.
    pub goal: Goal,
    /// The same in other words, where a method wants it: its rows are those of this item, or the first of them.
    pub other: Option<Box<Item>>,
}

/// What the model should say of an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// One of the classes of each row: the label, tags, or the words that were masked there.
    Classes(Vec<u32>),
    /// Whether each label holds: 0 or 1.
    Each(Vec<u32>),
    /// A number.
    Number(f32),
    /// Of each column, which of the rows is right.
    Places(Vec<u32>),
    /// The translation: the second of its two sequences, among all those of the batch.
    Ranked,
    /// A teacher's vector, for each of its sequences.
    Vector(Vec<f32>),
}

impl Item {
    /// One sequence with what should be said of some of its tokens.
    pub fn new(id: impl Into<String>, ids: Vec<u32>, types: Vec<u32>, rows: Vec<u32>, goal: Goal) -> Item {
        Item { id: id.into(), ids, types, restart: None, sequences: Vec::new(), rows, goal, other: None }
    }

    /// How many tokens it has, in other words too.
    pub fn n_tokens(&self) -> usize {
        self.ids.len() + self.other.as_ref().map_or(0, |other| other.n_tokens())
    }

    /// The lengths of its sequences.
    fn lengths(&self) -> Vec<usize> {
        if self.sequences.is_empty() { vec![self.ids.len()] } else { self.sequences.clone() }
    }

    /// How many predictions the loss averages over.
    pub fn n_goals(&self) -> usize {
        match &self.goal {
            Goal::Classes(goals) | Goal::Each(goals) | Goal::Places(goals) => goals.len(),
            Goal::Number(_) => 1,
            Goal::Vector(_) => self.lengths().len(),
            Goal::Ranked => WORDS_PER_PAIR,
        }
    }

    /// The position of each token.
    fn positions(&self) -> impl Iterator<Item = u32> + '_ {
        let restart = self.restart.unwrap_or(usize::MAX);
        let (mut start, mut all) = (0, Vec::with_capacity(self.ids.len()));
        for length in self.lengths() {
            let first = length.min(restart.saturating_sub(start));
            all.extend((0..first as u32).chain(0..(length - first) as u32));
            start += length;
        }
        all.into_iter()
    }
}

/// Lays items end to end. Their goals are of one sort, but that ranked ones go with masked ones.
pub fn pack(items: &[Item]) -> Batch {
    let (mut rows, mut firsts, mut vectors, mut lengths, mut start) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0);
    for item in items {
        rows.extend(item.rows.iter().map(|row| start + row));
        match &item.goal {
            Goal::Ranked => firsts.push(lengths.len() as u32),
            Goal::Vector(vector) => item.lengths().iter().for_each(|_| vectors.extend(vector)),
            _ => {}
        }
        lengths.extend(item.lengths());
        start += item.ids.len() as u32;
    }
    let join = |part: fn(&Item) -> &Vec<u32>| items.iter().flat_map(|item| part(item).clone()).collect::<Vec<u32>>();
    let (ids, types) = (join(|item| &item.ids).into(), join(|item| &item.types).into());
    let positions = items.iter().flat_map(Item::positions).collect::<Vec<u32>>().into();
    let whole = match (firsts.is_empty(), vectors.is_empty()) {
        (true, true) => Whole::Nothing,
        (_, true) => Whole::Translations(firsts),
        _ => Whole::Vectors(vectors),
    };
    let target = Target { rows: rows.into(), wanted: wanted(items), whole };
    Batch { ids, positions, types, segments: Segments::new(lengths), target, other: reworded(items).map(Box::new) }
}

/// The examples of a micro-batch in other words, where they have these. Of one whose other words were cut, the rows that
/// both have are compared.
fn reworded(items: &[Item]) -> Option<Reworded> {
    let others: Vec<Item> = items.iter().filter_map(|item| item.other.as_deref().cloned()).collect();
    if others.is_empty() {
        return None;
    }
    let (mut rows, mut start) = (Vec::new(), 0);
    for (item, other) in items.iter().zip(&others) {
        rows.extend((0..other.rows.len() as u32).map(|row| start + row));
        start += item.rows.len() as u32;
    }
    let rows = (rows.len() < start as usize).then(|| rows.into());
    Some(Reworded { batch: pack(&others), rows })
}

fn wanted(items: &[Item]) -> Wanted {
    let whole = items.iter().flat_map(|item| match &item.goal {
        Goal::Classes(goals) | Goal::Each(goals) | Goal::Places(goals) => goals.clone(),
        Goal::Number(_) | Goal::Ranked | Goal::Vector(_) => Vec::new(),
    });
    let whole: Vec<u32> = whole.collect();
    match items.iter().map(|item| &item.goal).find(|goal| **goal != Goal::Ranked) {
        None | Some(Goal::Classes(_) | Goal::Ranked | Goal::Vector(_)) => Wanted::Classes(whole.into()),
        Some(Goal::Each(_)) => Wanted::Each(whole.into()),
        Some(Goal::Places(_)) => {
            Wanted::Places { groups: Segments::new(items.iter().map(|item| item.rows.len())), places: whole.into() }
        }
        Some(Goal::Number(_)) => {
            let number = |item: &Item| if let Goal::Number(number) = item.goal { number } else { 0.0 };
            Wanted::Numbers(items.iter().map(number).collect())
        }
    }
}

/// Cuts items into runs of at most `tokens` tokens, in order; an item that is longer by itself stands alone.
pub fn cut(items: &[Item], tokens: usize) -> Vec<&[Item]> {
    runs(items.iter().map(Item::n_tokens), tokens).into_iter().map(|run| &items[run]).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn item(length: usize) -> Item {
        Item::new("", vec![7; length], vec![0; length], vec![0], Goal::Classes(vec![1]))
    }

    #[test]
    fn micro_batches_keep_the_order_and_the_budget() {
        let items: Vec<Item> = [3, 4, 9, 1, 1].map(item).to_vec();
        let lengths: Vec<usize> = cut(&items, 8).iter().map(|run| run.len()).collect();
        assert_eq!(lengths, [2, 1, 2]);
        assert!(cut(&[], 8).is_empty());
    }

    #[test]
    fn sequences_of_an_item_are_apart_and_their_rows_are_together() {
        let mut two = item(5);
        (two.sequences, two.rows, two.goal) = (vec![2, 3], vec![0, 2], Goal::Places(vec![1]));
        let batch = pack(&[two.clone(), two]);
        assert_eq!(batch.positions[..], [0, 1, 0, 1, 2, 0, 1, 0, 1, 2]);
        assert_eq!(batch.segments.ranges().map(|rows| rows.len()).collect::<Vec<_>>(), [2, 3, 2, 3]);
        assert_eq!(batch.target.rows[..], [0, 2, 5, 7]);
        let Wanted::Places { groups, places } = &batch.target.wanted else { panic!("{:?}", batch.target) };
        assert_eq!((groups.count(), groups.rows(), &places[..]), (2, 4, &[1, 1][..]));
        let restarted = pack(&[Item { restart: Some(2), ..item(5) }]);
        assert_eq!(restarted.positions[..], [0, 1, 0, 1, 2]);
    }
}
