//! Entities in sequences of tags, as seqeval finds them: leniently by default, and strictly in IOB2, IOBES and BILOU.

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
    /// The same for IOBES and BILOU: an entity is one S (U), or a B, any I and an E (L), all of one kind.
    Iobes,
}

impl Scheme {
    /// The strict scheme of a set of tags; none where no tag begins a name.
    pub fn strict<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<Scheme> {
        let prefixes: BTreeSet<char> =
            tags.into_iter().filter_map(|tag| tag.split_once('-')?.0.parse::<char>().ok()).collect();
        let is_whole = "ESLU".chars().any(|letter| prefixes.contains(&letter));
        prefixes.contains(&'B').then_some(if is_whole { Scheme::Iobes } else { Scheme::Iob2 })
    }

    fn entities<'a>(self, sentences: &[Vec<&'a str>]) -> BTreeSet<Chunk<'a>> {
        match self {
            Scheme::Lenient => lenient(sentences),
            Scheme::Iob2 | Scheme::Iobes => strict(sentences, self),
        }
    }
}

/// The marks of entities in sentences of as many tags each.
pub fn marks<'a>(wanted: &[Vec<&'a str>], given: &[Vec<&'a str>], scheme: Scheme) -> Marks {
    let (wanted, given) = (scheme.entities(wanted), scheme.entities(given));
    Marks { right: wanted.intersection(&given).count(), given: given.len(), wanted: wanted.len() }
}

/// The marks of entities by their kind, which is what follows the prefix of a tag.
pub fn marks_by_kind(wanted: &[Vec<&str>], given: &[Vec<&str>], scheme: Scheme) -> BTreeMap<String, Marks> {
    let (wanted, given) = (scheme.entities(wanted), scheme.entities(given));
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

fn strict<'a>(sentences: &[Vec<&'a str>], scheme: Scheme) -> BTreeSet<Chunk<'a>> {
    let mut chunks = BTreeSet::new();
    let mut offset = 0;
    for tags in sentences {
        let mut open: Option<(&str, usize)> = None;
        for (i, (prefix, kind)) in tags.iter().map(|tag| parts(tag)).chain([('O', "_")]).enumerate() {
            match (scheme, prefix, open) {
                (_, 'I', Some((begun, _))) if begun == kind => continue,
                (Scheme::Iobes, 'E' | 'L', Some((begun, first))) if begun == kind => {
                    chunks.insert((kind, first, offset + i));
                }
                (Scheme::Iobes, 'S' | 'U', _) => _ = chunks.insert((kind, offset + i, offset + i)),
                (Scheme::Iob2, _, Some((begun, first))) => _ = chunks.insert((begun, first, offset + i - 1)),
                _ => {}
            }
            open = (prefix == 'B').then_some((kind, offset + i));
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

    /// seqeval.metrics.f1_score(mode="strict", scheme=IOBES), and BILOU of the same with U and L.
    #[test]
    fn names_that_say_where_they_end_are_those_of_seqeval() {
        let cases = [
            ("S-PER O S-ORG O B-ORG E-ORG | S-PER O", "O O O O B-ORG E-ORG | O O", (1, 1, 4)),
            ("B-PER I-PER E-PER S-PER S-PER", "B-PER I-PER E-PER S-PER S-PER", (3, 3, 3)),
            // What is not ended, ends in another kind, or was not begun, is nothing.
            ("B-PER I-PER E-PER O", "B-PER I-PER O O", (0, 0, 1)),
            ("B-PER E-LOC", "I-PER E-PER", (0, 0, 0)),
            ("B-PER B-PER E-PER", "B-PER E-PER | E-PER", (0, 1, 1)),
        ];
        for (wanted, given, marks) in cases {
            let bilou = |text: &str| text.replace("S-", "U-").replace("E-", "L-");
            assert_eq!(of(wanted, given, Scheme::Iobes), marks, "{wanted} / {given}");
            assert_eq!(of(&bilou(wanted), &bilou(given), Scheme::Iobes), marks, "{wanted} / {given}");
        }
        assert_eq!(Scheme::strict(["O", "B-X", "I-X", "E-X", "S-X"]), Some(Scheme::Iobes));
        assert_eq!(Scheme::strict(["O", "B-X", "I-X", "E"]), Some(Scheme::Iob2));
        assert_eq!(Scheme::strict(["I-X", "O", "NOUN"]), None);
    }

    #[test]
    fn bare_tags_merge() {
        // Two nouns are one chunk, so one wrong noun of two costs both.
        assert_eq!(of("DET NOUN NOUN VERB", "DET NOUN VERB VERB", Scheme::Lenient), (1, 3, 3));
    }
}
