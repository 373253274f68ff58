//! Items that share a text, such as a premise: they are not independent, and count as one in intervals and tests.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

use super::{Example, Kind, Loaded, Task};

/// Which text items of one cluster share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cluster {
    /// The first sentence, such as a premise.
    Sentence1,
    /// The second, or what a question is asked of.
    Sentence2,
}

/// From this share of a training file's pairs on, what they share makes clusters of them.
const MANY: f64 = 0.1;
/// From this share of a test file's pairs on, it is said that they do and nothing is made of it.
const MOST: f64 = 0.5;

impl Cluster {
    /// What pairs share with others, if many do, and the share of these.
    pub fn of_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Option<(Cluster, f64)> {
        let first = (Cluster::Sentence1, share_repeated(pairs.clone().map(|(a, _)| a)));
        let second = (Cluster::Sentence2, share_repeated(pairs.map(|(_, b)| b)));
        let most = if first.1 >= second.1 { first } else { second };
        Some(most).filter(|(_, share)| *share >= MANY)
    }

    /// Says of each example which is the first of its cluster.
    pub(super) fn join(self, examples: &mut [Example]) {
        let mut first: HashMap<String, usize> = HashMap::new();
        for example in examples {
            let text = match self {
                Cluster::Sentence1 => &example.a,
                Cluster::Sentence2 => example.b.as_ref().unwrap_or(&example.a),
            };
            example.cluster = Some(*first.entry(text.clone()).or_insert(example.row));
        }
    }

    /// As a task's file writes it.
    pub fn name(self) -> &'static str {
        match self {
            Cluster::Sentence1 => "sentence1",
            Cluster::Sentence2 => "sentence2",
        }
    }
}

/// The share of texts that stand more than once.
fn share_repeated<'a>(texts: impl Iterator<Item = &'a str>) -> f64 {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    texts.for_each(|text| *counts.entry(text).or_default() += 1);
    let repeated: usize = counts.values().filter(|count| **count > 1).sum();
    repeated as f64 / counts.values().sum::<usize>().max(1) as f64
}

/// That most pairs of a test set share a text with others, and the task does not say so.
pub fn unclustered(task: &Task, tests: &[Loaded]) -> Option<String> {
    let first = tests.first().filter(|_| task.cluster.is_none() && task.pairs && task.kind == Kind::Classify)?;
    let pairs = first.examples.iter().map(|one| (one.a.as_str(), one.b.as_deref().unwrap_or_default()));
    let (cluster, share) = Cluster::of_pairs(pairs).filter(|(_, share)| *share >= MOST)?;
    let (name, language, percent) = (cluster.name(), &first.language, 100.0 * share);
    Some(format!(
        "{language}: {percent:.0} % of pairs share their {name} with others, and intervals take them for independent: too \
         narrow; set cluster = \"{name}\" in the task's file"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pairs_share_is_seen() {
        let of = |pairs: &[(&'static str, &'static str)]| Cluster::of_pairs(pairs.iter().copied());
        assert_eq!(of(&[("a", "1"), ("a", "2"), ("b", "3"), ("c", "4")]), Some((Cluster::Sentence1, 0.5)));
        assert_eq!(of(&[("a", "1"), ("b", "1"), ("c", "1"), ("c", "4")]), Some((Cluster::Sentence2, 0.75)));
        assert_eq!(of(&[("a", "1"), ("b", "2")]), None);
        assert_eq!(of(&[]), None);
    }
}
