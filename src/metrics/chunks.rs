//! Entities in sequences of tags, as seqeval finds them: leniently by default, and strictly in IOB2.

use std::collections::{BTreeMap, BTreeSet};

use super::Marks;

/// A run of words of one kind: kind, first word, last word.
pub type Chunk<'a> = (&'a str, usize, usize);

/// Which runs of tags are entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// seqeval's default, after conlleval: an I without its B begins an entity, and a tag's first letter is its prefix,
    /// whatever the letter. On tags without prefixes (NOUN: prefix N, kind OUN) runs of one tag become one.
    Lenient,
    /// seqeval's strict mode for IOB2: an entity begins with B and goes on with I of its kind; what else is ignored.
    Iob2,
}

/// The marks of entities in sentences of as many tags each.
pub fn marks<'a>(wanted: &[Vec<&'a str>], given: &[Vec<&'a str>], scheme: Scheme) -> Marks {
    let sets = |sentences: &[Vec<&'a str>]| match scheme {
        Scheme::Lenient => lenient(sentences),
        Scheme::Iob2 => iob2(sentences),
    };
    let (wanted, given) = (sets(wanted), sets(given));
    Marks { right: wanted.intersection(&given).count(), given: given.len(), wanted: wanted.len() }
}

/// The marks of entities by their kind, which is what follows the prefix of a tag.
pub fn marks_by_kind(wanted: &[Vec<&str>], given: &[Vec<&str>], scheme: Scheme) -> BTreeMap<String, Marks> {
    let sets = |sentences| match scheme {
        Scheme::Lenient => lenient(sentences),
        Scheme::Iob2 => iob2(sentences),
    };
    let (wanted, given) = (sets(wanted), sets(given));
    let mut marks: BTreeMap<String, Marks> = BTreeMap::new();
    let mut add = |chunk: &Chunk, one: Marks| *marks.entry(chunk.0.to_owned()).or_default() += one;
    wanted.iter().for_each(|chunk| add(chunk, Marks { wanted: 1, ..Marks::default() }));
    given.iter().for_each(|chunk| add(chunk, Marks { given: 1, ..Marks::default() }));
    wanted.intersection(&given).for_each(|chunk| add(chunk, Marks { right: 1, ..Marks::default() }));
    marks
}

/// A tag's first letter and what follows it and a hyphen; `_` where nothing does.
fn parts(tag: &str) -> (char, &str) {
    let mut letters = tag.chars();
    let prefix = letters.next().expect("readers refuse empty tags");
    let rest = letters.as_str();
    let kind = rest.split_once('-').map_or(rest, |(_, kind)| kind);
    (prefix, if kind.is_empty() { "_" } else { kind })
}

/// All sentences lie end to end with an O after each, and positions count through, as in `get_entities` of seqeval:
/// a tag without kind (X) is not ended by that O, so a chunk can reach over the end of a sentence.
fn lenient<'a>(sentences: &[Vec<&'a str>]) -> BTreeSet<Chunk<'a>> {
    let flat = sentences.iter().flat_map(|tags| tags.iter().copied().chain(["O"])).chain(["O"]);
    let (mut before, mut first) = (('O', ""), 0);
    let mut chunks = BTreeSet::new();
    for (i, tag) in flat.enumerate() {
        let tag = parts(tag);
        if ends(before, tag) {
            // A chunk cannot end before the first tag: nothing ends after an O.
            chunks.insert((before.1, first, i - 1));
        }
        if begins(before, tag) {
            first = i;
        }
        before = tag;
    }
    chunks
}

fn ends((before, kind_before): (char, &str), (tag, kind): (char, &str)) -> bool {
    let prefix_ends = matches!(before, 'E' | 'S') || (matches!(before, 'B' | 'I') && matches!(tag, 'B' | 'S' | 'O'));
    prefix_ends || (!matches!(before, 'O' | '.') && kind_before != kind)
}

fn begins((before, kind_before): (char, &str), (tag, kind): (char, &str)) -> bool {
    let prefix_begins = matches!(tag, 'B' | 'S') || (matches!(before, 'E' | 'S' | 'O') && matches!(tag, 'E' | 'I'));
    prefix_begins || (!matches!(tag, 'O' | '.') && kind_before != kind)
}

fn iob2<'a>(sentences: &[Vec<&'a str>]) -> BTreeSet<Chunk<'a>> {
    let mut chunks = BTreeSet::new();
    let mut offset = 0;
    for tags in sentences {
        let mut open: Option<(&str, usize)> = None;
        for (i, tag) in tags.iter().map(|tag| parts(tag)).chain([('O', "_")]).enumerate() {
            if let Some((kind, first)) = open.filter(|(kind, _)| tag != ('I', kind)) {
                chunks.insert((kind, offset + first, offset + i - 1));
                open = None;
            }
            if tag.0 == 'B' {
                open = Some((tag.1, i));
            }
        }
        offset += tags.len();
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wanted: &str, given: &str, scheme: Scheme) -> (usize, usize, usize) {
        let sentences = |text: &'static str| -> Vec<Vec<&'static str>> {
            text.split('|').map(|sentence| sentence.split_whitespace().collect()).collect()
        };
        let leak = |text: &str| -> &'static str { text.to_owned().leak() };
        let Marks { right, given, wanted } = marks(&sentences(leak(wanted)), &sentences(leak(given)), scheme);
        (right, given, wanted)
    }

    #[test]
    fn entities_of_each_kind_add_up_to_all() {
        let wanted = [vec!["B-PER", "I-PER", "O", "B-LOC"], vec!["B-PER"]];
        let given = [vec!["B-PER", "I-PER", "O", "O"], vec!["B-LOC"]];
        let by_kind = marks_by_kind(&wanted, &given, Scheme::Lenient);
        assert_eq!(by_kind["PER"], Marks { right: 1, given: 1, wanted: 2 });
        assert_eq!(by_kind["LOC"], Marks { right: 0, given: 1, wanted: 1 });
        let sum = by_kind.values().fold(Marks::default(), |sum, one| sum + *one);
        assert_eq!(sum, marks(&wanted, &given, Scheme::Lenient));
    }

    #[test]
    fn entities_are_those_of_seqeval() {
        let cases = [
            ("B-PER I-PER O | B-LOC", "B-PER I-PER O | B-LOC", (2, 2, 2), (2, 2, 2)),
            // An I that begins an entity is repaired by default, and ignored strictly.
            ("B-PER I-PER O", "I-PER I-PER O", (1, 1, 1), (0, 0, 1)),
            ("B-PER B-PER", "B-PER I-PER", (0, 1, 2), (0, 1, 2)),
            ("B-PER I-LOC", "B-PER O", (1, 1, 2), (1, 1, 1)),
            // An entity does not reach over the end of a sentence.
            ("B-PER | I-PER", "B-PER | O", (1, 1, 2), (1, 1, 1)),
        ];
        for (wanted, given, lenient, strict) in cases {
            assert_eq!(of(wanted, given, Scheme::Lenient), lenient, "{wanted} / {given}");
            assert_eq!(of(wanted, given, Scheme::Iob2), strict, "{wanted} / {given}");
        }
    }

    #[test]
    fn bare_tags_merge() {
        // Two nouns are one chunk, so one wrong noun of two costs both.
        assert_eq!(of("DET NOUN NOUN VERB", "DET NOUN VERB VERB", Scheme::Lenient), (1, 3, 3));
    }
}
