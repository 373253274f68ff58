//! The demo's data: sentence-pair inference and plain text in ten languages, made when asked for.
//!
//! A small world is described in every language by its own grammar. Pairs are parallel between languages;
//! plain text is not, so what a model transfers between languages it has found without translations.
//! A language is one file of `languages` and one line of its table.

mod languages;
mod random;
mod relation;
mod scenes;
mod world;

use super::{Loaded, Row, Split, Task};
use crate::error::{Error, Result, did_you_mean};
use std::collections::{BTreeMap, HashSet};

use random::Rng;

/// The languages by their codes, English first.
pub const LANGUAGES: &[&str] = &languages::CODES;

/// The labels in the order of [`Pair::label`].
pub const LABELS: &[&str] = &["contradiction", "entailment", "neutral"];

/// The generated task.
pub const DEMO: Task = Task {
    name: "demo",
    about: "does the premise entail the hypothesis? Generated, in ten languages",
    labels: LABELS,
    pairs: true,
    languages: LANGUAGES,
    ..Task::UNDESCRIBED
};

/// Of dev and test data, so many pairs are never trained on.
const HELD_OUT: usize = 2_000;

/// The first `n` generated examples of a split; splits share no random numbers. Short sentences come again by chance: what
/// stands in dev or test data is passed over in training data.
pub fn load(split: Split, language: &str, n: usize, seed: u64) -> Result<Loaded> {
    if !LANGUAGES.contains(&language) {
        let nearest = did_you_mean(language, LANGUAGES.iter().copied());
        return Err(Error::Config(format!("the demo does not speak \"{language}\"; {nearest}")));
    }
    let seed_of = |split: Split| seed.wrapping_mul(3).wrapping_add(split as u64);
    let texts = |pair: &Pair| (pair.premise.clone(), pair.hypothesis.clone());
    let drawn = match split {
        Split::Train => {
            let held_out = [Split::Dev, Split::Test].map(|split| pairs(language, seed_of(split), HELD_OUT));
            let held_out: HashSet<(String, String)> = held_out.iter().flatten().map(texts).collect();
            let mut drawn = pairs(language, seed_of(split), 2 * n);
            drawn.retain(|pair| !held_out.contains(&texts(pair)));
            drawn.truncate(n);
            drawn
        }
        Split::Dev | Split::Test => pairs(language, seed_of(split), n),
    };
    let row = |(i, pair): (usize, Pair)| Row {
        line: i + 1,
        row: i + 1,
        a: pair.premise,
        b: Some(pair.hypothesis),
        label: Some(LABELS[pair.label].to_string()),
        ..Row::default()
    };
    let rows: Vec<Row> = drawn.into_iter().enumerate().map(row).collect();
    DEMO.load_rows(&format!("{split}-{language}"), language, &rows)
}

/// Two sentences and what the first says of the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The sentence that is taken to be true.
    pub premise: String,
    /// The sentence that is judged.
    pub hypothesis: String,
    /// The place of the label in [`LABELS`].
    pub label: usize,
}

/// `n` pairs in one of the [`LANGUAGES`], labels in equal shares; equal seeds give the same meanings in all.
///
/// # Panics
///
/// Where `language` is not one of the [`LANGUAGES`].
#[track_caller]
pub fn pairs(language: &str, seed: u64, n: usize) -> Vec<Pair> {
    let say = languages::speaker(language);
    let mut rng = Rng::new(seed, 0);
    let mut labels = Vec::new();
    (0..n)
        .map(|_| {
            let label = next_label(&mut labels, &mut rng);
            let (premise, hypothesis) = scenes::pair(label, &mut rng);
            Pair { premise: say(&premise), hypothesis: say(&hypothesis), label }
        })
        .collect()
}

/// The next of the labels, each once in every three, in random order.
fn next_label(rest: &mut Vec<usize>, rng: &mut Rng) -> usize {
    if rest.is_empty() {
        rest.extend(0..LABELS.len());
    }
    rest.swap_remove(rng.below(rest.len() as u32) as usize)
}

/// `n` short texts of one or two sentences in one of the [`LANGUAGES`]; the languages speak of different scenes.
///
/// # Panics
///
/// Where `language` is not one of the [`LANGUAGES`].
#[track_caller]
pub fn text(language: &str, seed: u64, n: usize) -> Vec<String> {
    let say = languages::speaker(language);
    let stream = language.bytes().fold(1, |stream, byte| stream * 256 + u64::from(byte));
    let mut rng = Rng::new(seed, stream);
    (0..n).map(|_| scenes::chain(&mut rng).iter().map(say).collect::<Vec<_>>().join(" ")).collect()
}

/// The English words of this world that have synonyms in it, with these synonyms.
pub fn neighbours() -> BTreeMap<String, Vec<String>> {
    languages::english_synonyms()
}

#[cfg(test)]
mod tests;
