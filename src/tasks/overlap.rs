//! Test items that were trained on: the same texts in two parts of the data, letter by letter or but for how they are
//! written.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use unicode_normalization_alignments::UnicodeNormalization;

use super::{Example, Loaded};

/// How many items of one part of the data stand in another, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// The part whose items these are, such as `test`.
    pub split: String,
    /// Its language.
    pub language: String,
    /// How many items it has.
    pub items: usize,
    /// The other part, such as `train`.
    pub with: String,
    /// Items that stand there letter by letter.
    pub exact: usize,
    /// Items that stand there but for case, punctuation, spaces and compatible characters (NFKC).
    pub near: usize,
    /// The first of them, and where it stands there.
    pub example: [String; 2],
}

/// What there is to say of overlaps: a sentence for each part and the one that it shares items with.
pub fn sentences(overlaps: &[Overlap]) -> Vec<String> {
    let mut groups: Vec<Vec<&Overlap>> = Vec::new();
    for overlap in overlaps {
        let same = |group: &&mut Vec<&Overlap>| (&group[0].split, &group[0].with) == (&overlap.split, &overlap.with);
        match groups.iter_mut().find(same) {
            Some(group) => group.push(overlap),
            None => groups.push(vec![overlap]),
        }
    }
    groups.iter().map(|group| sentence(group)).collect()
}

fn sentence(group: &[&Overlap]) -> String {
    let Overlap { split, with, example: [ours, theirs], .. } = group[0];
    let counts: Vec<String> = group
        .iter()
        .map(|Overlap { language, items, exact, near, .. }| format!("{language} {} of {items} ({exact})", exact + near))
        .collect();
    format!(
        "{split} items that also stand in {with}, but for case, punctuation and spaces (of these letter by letter): {}; \
         such as {ours} = {theirs}",
        counts.join(", ")
    )
}

/// The texts of one part of the data, to look others up in.
pub struct Texts<'a> {
    name: &'a str,
    examples: &'a [Example],
    exact: HashMap<u64, usize>,
    near: HashMap<u64, usize>,
}

impl<'a> Texts<'a> {
    /// The texts of `loaded`, which is called `name`.
    pub fn new(name: &'a str, loaded: &'a Loaded) -> Texts<'a> {
        let keys: Vec<(u64, Option<u64>)> = loaded.examples.par_iter().map(keys).collect();
        let (mut exact, mut near) = (HashMap::new(), HashMap::new());
        for (i, (letters, words)) in keys.into_iter().enumerate() {
            exact.entry(letters).or_insert(i);
            if let Some(words) = words {
                near.entry(words).or_insert(i);
            }
        }
        Texts { name, examples: &loaded.examples, exact, near }
    }

    /// How many items of `loaded`, which is called `split`, stand here; nothing where none does.
    pub fn shared_with(&self, split: &str, loaded: &Loaded) -> Option<Overlap> {
        let found: Vec<Option<(Way, usize)>> = loaded.examples.par_iter().map(|example| self.find(example)).collect();
        let count = |way| found.iter().flatten().filter(|(found, _)| *found == way).count();
        let first = found.iter().position(Option::is_some)?;
        let (_, theirs) = found[first]?;
        Some(Overlap {
            split: split.to_owned(),
            language: loaded.language.clone(),
            items: loaded.examples.len(),
            with: self.name.to_owned(),
            exact: count(Way::Exact),
            near: count(Way::Near),
            example: [loaded.examples[first].id.clone(), self.examples[theirs].id.clone()],
        })
    }

    /// What a hash finds is compared itself: 64 bits are many, but not all.
    fn find(&self, example: &Example) -> Option<(Way, usize)> {
        let (letters, words) = keys(example);
        let same = |at: &&usize| {
            let other = &self.examples[**at];
            (&other.a, &other.b) == (&example.a, &example.b)
        };
        let alike = |at: &&usize| written(&self.examples[**at]) == written(example);
        let exact = self.exact.get(&letters).filter(same).map(|at| (Way::Exact, *at));
        exact.or_else(|| self.near.get(&words?).filter(alike).map(|at| (Way::Near, *at)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Exact,
    Near,
}

/// Hashes of a text as it stands, and of what matters in it; the latter only where there is something.
fn keys(example: &Example) -> (u64, Option<u64>) {
    let (a, b) = written(example);
    let is_empty = a.is_empty() && b.as_ref().is_none_or(String::is_empty);
    (hash(&(&example.a, &example.b)), (!is_empty).then(|| hash(&(a, b))))
}

fn hash(text: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What matters in the texts of an example.
fn written(example: &Example) -> (String, Option<String>) {
    (letters(&example.a), example.b.as_deref().map(letters))
}

/// Letters and digits of a text after NFKC, in lower case.
fn letters(text: &str) -> String {
    if text.is_ascii() {
        // NFKC changes nothing here, and most training data are so.
        return text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    }
    let composed = text.nfkc().map(|(character, _)| character);
    composed.flat_map(char::to_lowercase).filter(|character| character.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Row, shipped};

    fn loaded(name: &str, pairs: &[(&str, &str)]) -> Loaded {
        let row = |(i, (a, b)): (usize, &(&str, &str))| Row {
            line: i + 1,
            row: i + 1,
            a: (*a).to_owned(),
            b: Some((*b).to_owned()),
            label: Some("1".to_owned()),
            ..Row::default()
        };
        let rows: Vec<Row> = pairs.iter().enumerate().map(row).collect();
        shipped("pawsx").load_rows(name, "de", &rows).unwrap()
    }

    #[test]
    fn rows_are_found_however_they_are_written() {
        let train = loaded("train", &[("Er geht.", "Er läuft!"), ("ﬁne", "x"), ("!!", "?"), ("a", "b"), ("A", "b")]);
        let texts = Texts::new("train", &train);
        let test = loaded(
            "test",
            &[
                ("Er geht.", "Er läuft!"),
                ("er  geht", "er LA\u{308}UFT"),
                ("fine", "X."),
                ("Er läuft!", "Er geht."),
                ("…", "!"),
                ("!!", "?"),
                ("A", "b"),
                ("ab", "."),
            ],
        );
        let overlap = texts.shared_with("test", &test).unwrap();
        assert_eq!((overlap.exact, overlap.near, overlap.items), (3, 2, 8));
        assert_eq!(overlap.example, ["test:1".to_owned(), "train:1".to_owned()]);
        let other = Overlap { language: "fr".into(), exact: 0, near: 1, ..overlap.clone() };
        let dev = Overlap { split: "dev".into(), ..other.clone() };
        let said = sentences(&[overlap, dev, other]);
        assert_eq!(
            said[0],
            "test items that also stand in train, but for case, punctuation and spaces (of these letter by letter): \
             de 5 of 8 (3), fr 1 of 8 (0); such as test:1 = train:1"
        );
        assert!(said.len() == 2 && said[1].starts_with("dev items that also stand in train"), "{said:?}");
        assert_eq!(texts.shared_with("test", &loaded("other", &[("b", "a"), ("ü", "ö")])), None);
    }

    #[test]
    fn single_sentences_have_no_second_one() {
        let row = |a: &str| Row { line: 1, row: 1, a: a.into(), label: Some("travel".into()), ..Row::default() };
        let load = |a| shipped("sib200").load_rows("x", "eng_Latn", &[row(a)]).unwrap();
        let (train, same, other) = (load("One."), load("one"), load("two"));
        let texts = Texts::new("train", &train);
        assert_eq!(texts.shared_with("test", &same).map(|found| (found.exact, found.near)), Some((0, 1)));
        assert_eq!(texts.shared_with("test", &other), None);
    }
}
