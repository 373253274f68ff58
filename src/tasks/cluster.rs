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
const MOST: f64 = 0.25;
/// So often on average a template stands.
const TEMPLATE: usize = 50;

impl Cluster {
    /// What pairs share with others, if many do, and the share of these.
    pub fn of_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Option<(Cluster, f64)> {
        let first = (Cluster::Sentence1, share_repeated(pairs.clone().map(|(a, _)| a)));
        let second = (Cluster::Sentence2, share_repeated(pairs.map(|(_, b)| b)));
        let most = if first.1 >= second.1 { first } else { second };
        Some(most).filter(|(_, share)| *share >= MANY)
    }

    /// The text of an example that it shares with the others.
    fn text(self, example: &Example) -> &str {
        match self {
            Cluster::Sentence1 => &example.a,
            Cluster::Sentence2 => example.b.as_ref().unwrap_or(&example.a),
        }
    }

    /// Says of each example which is the first of its cluster.
    pub(super) fn join(self, examples: &mut [Example]) {
        let mut first: HashMap<String, usize> = HashMap::new();
        for example in examples {
            let text = self.text(example).to_owned();
            example.cluster = Some(*first.entry(text).or_insert(example.row));
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

/// Which rows are one item, in all languages: those that are of one cluster in any of them. A cluster has the row of its
/// first item in a file, which may be another in each, or not be among the items at all.
#[derive(Debug, Default)]
pub struct Joined(HashMap<usize, usize>);

impl Joined {
    /// Of rows with their clusters, those of all languages.
    pub fn of(items: impl Iterator<Item = (usize, Option<usize>)>) -> Joined {
        let mut joined = Joined::default();
        for (row, cluster) in items.filter_map(|(row, cluster)| Some((row, cluster?))) {
            let (a, b) = (joined.item_of(row), joined.item_of(cluster));
            if a != b {
                joined.0.insert(a.max(b), a.min(b));
            }
        }
        joined
    }

    /// The item of a row: the least row of those that are one.
    pub fn item_of(&self, row: usize) -> usize {
        let mut item = row;
        while let Some(next) = self.0.get(&item) {
            item = *next;
        }
        item
    }
}

/// Gives a cluster one name in all languages: rows, with the clusters that they are of.
pub fn unify<'a>(items: impl Iterator<Item = (usize, &'a mut Option<usize>)>) {
    let items: Vec<_> = items.collect();
    let joined = Joined::of(items.iter().map(|(row, cluster)| (*row, **cluster)));
    for (row, cluster) in items {
        *cluster = cluster.map(|_| joined.item_of(row));
    }
}

/// The share of texts that stand more than once. What stands as often as in templates, such as the hypothesis "This text is
/// about sport.", makes no items of its own.
fn share_repeated<'a>(texts: impl Iterator<Item = &'a str>) -> f64 {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    texts.for_each(|text| *counts.entry(text).or_default() += 1);
    let (n, repeated) = (counts.values().sum::<usize>(), counts.values().filter(|count| **count > 1).sum::<usize>());
    if n > counts.len() * TEMPLATE { 0.0 } else { repeated as f64 / n.max(1) as f64 }
}

/// That many pairs of a test set share a text with others, and the task does not say so.
pub fn unclustered(task: &Task, tests: &[Loaded]) -> Option<String> {
    let first = tests.first().filter(|_| task.pairs && task.kind == Kind::Classify)?;
    let share = |side: Cluster| share_repeated(first.examples.iter().map(|one| side.text(one)));
    let sides = [Cluster::Sentence1, Cluster::Sentence2].into_iter().filter(|side| task.cluster != Some(*side));
    let (side, share) = sides.map(|side| (side, share(side))).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let (name, language, percent) = (side.name(), &first.language, 100.0 * share);
    (share >= MOST).then(|| {
        format!(
            "{language}: {percent:.0} % of pairs share their {name} with others, and intervals take them for independent: too \
             narrow; set cluster = \"{name}\" in the task's file"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Split, definition::Definition};

    #[test]
    fn rows_of_one_cluster_in_any_language_are_one_item() {
        // In one file 7 comes before 2; the first item of 9's cluster is nowhere.
        let items = [(2, Some(2)), (7, Some(2)), (7, Some(7)), (2, Some(7)), (9, Some(5)), (11, Some(5)), (3, None)];
        let joined = Joined::of(items.into_iter());
        assert_eq!([2, 7, 9, 11, 3].map(|row| joined.item_of(row)), [2, 2, 5, 5, 3]);
    }

    #[test]
    fn intervals_that_are_too_narrow_are_said() {
        let own = |rest: &str| {
            let toml = format!("name = \"p\"\npairs = true\n{rest}\n[[layouts]]\ntest = [\"{{language}}.csv\"]\n");
            Definition::parse(&toml, "p").unwrap().leak()
        };
        let tests = |task: &'static Task, labels: [&str; 2]| {
            let folder = tempfile::tempdir().unwrap();
            let rows: String = (0..40).map(|i| format!("a{},b{i},{}\n", i / 2, labels[i % 2])).collect();
            std::fs::write(folder.path().join("de.csv"), "sentence1,sentence2,label\n".to_owned() + &rows).unwrap();
            vec![task.load(folder.path(), Split::Test, "de").unwrap()]
        };
        let labels = "labels = [\"x\", \"y\"]";
        let says = |rest: &str, values| unclustered(own(rest), &tests(own(rest), values));
        let said = says(labels, ["x", "y"]).unwrap();
        assert!(said.ends_with("too narrow; set cluster = \"sentence1\" in the task's file"), "{said}");
        assert_eq!(says(&format!("{labels}\ncluster = \"sentence1\""), ["x", "y"]), None);
        let said = says("problem_type = \"regression\"", ["0.5", "1.5"]).unwrap();
        assert!(said.ends_with("too narrow; set cluster = \"sentence1\" in the task's file"), "{said}");
    }

    #[test]
    fn what_pairs_share_is_seen() {
        let of = |pairs: &[(&'static str, &'static str)]| Cluster::of_pairs(pairs.iter().copied());
        assert_eq!(of(&[("a", "1"), ("a", "2"), ("b", "3"), ("c", "4")]), Some((Cluster::Sentence1, 0.5)));
        assert_eq!(of(&[("a", "1"), ("b", "1"), ("c", "1"), ("c", "4")]), Some((Cluster::Sentence2, 0.75)));
        assert_eq!(of(&[("a", "1"), ("b", "2")]), None);
        assert_eq!(of(&[]), None);
    }
}
