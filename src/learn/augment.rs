//! Texts whose words changed, by synonyms, translations or typing: augmented training data, and perturbed test data.
//!
//! Synonyms are randomized smoothing over word substitutions (RS-DA; Huang et al., 2021).
//!
//! The published recipe, exactly (uclanlp/Robust-XLT, `perturb.py`): a sentence is split at single spaces, so that
//! punctuation stays with its word; a word found in the table, letter by letter, is drawn uniformly from itself and its
//! neighbours; both sentences are perturbed on their own; the copies replace the training set. Theirs is unseeded:
//! here what is drawn depends on the seed and the id of the copy alone, not on the order of examples.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    input,
    rng::{Purpose, Rng},
    tasks::{Example, sha256},
};

/// Words and those near in meaning: the counter-fitted table of Jia et al. (2019), or one of the same form.
#[derive(Debug, Clone)]
pub struct Neighbours {
    words: HashMap<String, Vec<String>>,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// Training data made anew, and how much of it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Augmented {
    /// All copies of the first example, then those of the second, and so on.
    pub examples: Vec<Example>,
    /// What was replaced.
    pub statistics: Statistics,
}

/// How many words were seen, could have been replaced, and were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Words, as single spaces part them.
    pub words: usize,
    /// Words that have neighbours.
    pub replaceable: usize,
    /// Words that gave way to a neighbour.
    pub replaced: usize,
}

impl Statistics {
    /// Share of all words that were replaced.
    pub fn share_replaced(&self) -> f64 {
        if self.words == 0 { 0.0 } else { self.replaced as f64 / self.words as f64 }
    }
}

impl Neighbours {
    /// Reads a JSON object from words to lists of words.
    pub fn load(path: &Path) -> Result<Neighbours> {
        let bytes = input::read(path)?;
        Neighbours::parse(&bytes, &path.display().to_string())
    }

    /// The table alone.
    pub fn into_words(self) -> HashMap<String, Vec<String>> {
        self.words
    }

    fn parse(bytes: &[u8], name: &str) -> Result<Neighbours> {
        let words = serde_json::from_slice(bytes).map_err(|error| {
            Error::Data(format!("{name}: expected a JSON object from words to lists of words: {error}"))
        })?;
        Ok(Neighbours { words, sha256: sha256(bytes) })
    }

    /// A table from words and their neighbours, such as those of generated data.
    pub fn new(words: impl IntoIterator<Item = (String, Vec<String>)>) -> Result<Neighbours> {
        let words: BTreeMap<String, Vec<String>> = words.into_iter().collect();
        let bytes = serde_json::to_vec(&words).map_err(|error| Error::Data(format!("synonyms: {error}")))?;
        Neighbours::parse(&bytes, "synonyms")
    }

    /// The neighbours of a word; none for a word that is not in the table.
    pub fn of(&self, word: &str) -> &[String] {
        self.words.get(word).map_or(&[], Vec::as_slice)
    }

    /// Number of words in the table.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

/// A way in which words change.
///
/// `draw(n)` gives a whole number below `n`. How often it is called depends on the word alone.
pub trait Change: fmt::Debug + Send + Sync {
    /// What a word becomes, perhaps itself; nothing where it has no other form.
    fn word(&self, word: &str, draw: &mut dyn FnMut(u32) -> u32) -> Option<String>;

    /// Whether a word has another form.
    fn changes(&self, word: &str) -> bool;

    /// Whether an example is changed at all.
    fn enters(&self, _draw: &mut dyn FnMut(u32) -> u32) -> bool {
        true
    }

    /// How many words a table has, where there is one: for messages.
    fn n_words(&self) -> Option<usize> {
        None
    }
}

impl Change for Neighbours {
    fn word(&self, word: &str, draw: &mut dyn FnMut(u32) -> u32) -> Option<String> {
        let neighbours = self.of(word);
        let drawn = (!neighbours.is_empty()).then(|| draw(neighbours.len() as u32 + 1) as usize)?;
        Some(if drawn == 0 { word.to_owned() } else { neighbours[drawn - 1].clone() })
    }

    fn changes(&self, word: &str) -> bool {
        self.of(word).iter().any(|neighbour| neighbour != word)
    }

    fn n_words(&self) -> Option<usize> {
        Some(self.len())
    }
}

/// Whether something of this probability happens.
pub fn happens(probability: f64, draw: &mut dyn FnMut(u32) -> u32) -> bool {
    const PARTS: u32 = 1 << 24;
    f64::from(draw(PARTS)) < probability * f64::from(PARTS)
}

/// Refuses a change that changes no word of the examples: training with it would be plain training. `name` is the
/// table's,
/// `method` what wants it.
pub fn refuse_without_effect(examples: &[Example], change: &dyn Change, name: &str, method: &str) -> Result<()> {
    let sentences = examples.iter().flat_map(|example| [Some(&example.a), example.b.as_ref()]).flatten();
    let mut words = sentences.flat_map(|sentence| sentence.split(' ')).peekable();
    if words.peek().is_none() || words.any(|word| change.changes(word)) {
        return Ok(());
    }
    let table =
        change.n_words().map_or("has another form".to_owned(), |n| format!("is among the {n} words of this table"));
    Err(Error::Data(format!(
        "{name}: 0 % of words would be replaced: none of the training data {table}, and {method} would be plain training; \
         name a table of the language of the training data"
    )))
}

/// One perturbed example under the id it has: for augmentation on the fly, at the number of updates of plain training.
///
/// `draw(n)` gives a whole number below `n`; a fresh stream per (epoch, example) makes the result reproducible.
pub fn perturb(example: &Example, change: &dyn Change, mut draw: impl FnMut(u32) -> u32) -> Example {
    counted(example, change, &mut draw, &mut Statistics::default())
}

/// `copies` perturbed copies of every example (`train-en:17#1`, …), which replace the originals.
///
/// `stream(number)` opens the stream of random numbers of one copy: pass `|number| { let mut rng = Rng::new(seed,
/// number); move |n| rng.below(n) }`.
pub fn augment<D: FnMut(u32) -> u32>(
    examples: &[Example],
    change: &dyn Change,
    copies: usize,
    stream: impl Fn(u64) -> D,
) -> Augmented {
    let mut statistics = Statistics::default();
    let mut copy = |example: &Example, number: usize| {
        let id = format!("{}#{number}", example.id);
        let mut draw = stream(stream_of(&id));
        Example { id, ..counted(example, change, &mut draw, &mut statistics) }
    };
    let mut augmented = Vec::with_capacity(examples.len() * copies);
    for example in examples {
        augmented.extend((1..=copies).map(|number| copy(example, number)));
    }
    Augmented { examples: augmented, statistics }
}

/// Every example changed once, under the id it has: a perturbed test set. Its randomness is that of `seed` and the ids.
pub fn perturbed(examples: &[Example], change: &dyn Change, seed: u64) -> Augmented {
    let mut statistics = Statistics::default();
    let one = |example: &Example| {
        let mut rng = Rng::for_purpose(seed, Purpose::Augment, stream_of(&example.id));
        counted(example, change, &mut |n| rng.below(n), &mut statistics)
    };
    let examples = examples.iter().map(one).collect();
    Augmented { examples, statistics }
}

/// The number of the stream that belongs to an id: 56 bits of its SHA-256, the highest byte left free for a purpose.
pub fn stream_of(id: &str) -> u64 {
    Sha256::digest(id).iter().take(7).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn counted(
    example: &Example,
    change: &dyn Change,
    draw: &mut dyn FnMut(u32) -> u32,
    statistics: &mut Statistics,
) -> Example {
    if !change.enters(draw) {
        statistics.words += example.a.split(' ').count() + example.b.iter().flat_map(|b| b.split(' ')).count();
        return example.clone();
    }
    let mut made = example.clone();
    if example.words.is_empty() {
        made.a = sentence(&example.a, change, draw, statistics);
    } else {
        // A word keeps its tag, whatever becomes of it.
        made.words.iter_mut().for_each(|word| word.text = changed(&word.text, change, draw, statistics));
        made.a = made.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    }
    // What is asked of alternatives is a word of the task, and no text.
    if example.choices.is_empty() {
        made.b = example.b.as_ref().map(|b| sentence(b, change, draw, statistics));
    }
    made.choices.iter_mut().for_each(|choice| *choice = sentence(choice, change, draw, statistics));
    made
}

fn sentence(text: &str, change: &dyn Change, draw: &mut dyn FnMut(u32) -> u32, statistics: &mut Statistics) -> String {
    text.split(' ').map(|word| changed(word, change, draw, statistics)).collect::<Vec<_>>().join(" ")
}

fn changed(word: &str, change: &dyn Change, draw: &mut dyn FnMut(u32) -> u32, statistics: &mut Statistics) -> String {
    statistics.words += 1;
    let Some(new) = change.word(word, draw) else { return word.to_owned() };
    statistics.replaceable += 1;
    statistics.replaced += usize::from(new != word); // a table may name a word as its own neighbour
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbours(json: &str) -> Result<Neighbours> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.json");
        std::fs::write(&path, json).unwrap();
        Neighbours::load(&path)
    }

    fn table() -> Neighbours {
        neighbours(r#"{"film": ["movie", "cinema"], "the": [], "good": ["fine"]}"#).unwrap()
    }

    fn example(id: &str, a: &str, b: Option<&str>) -> Example {
        Example { id: id.into(), row: 1, a: a.into(), b: b.map(str::to_owned), label: Some(1), ..Example::default() }
    }

    /// SplitMix64, enough of a generator for tests.
    fn stream(number: u64) -> impl FnMut(u32) -> u32 {
        let mut state = number;
        move |n| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) % u64::from(n)) as u32
        }
    }

    #[test]
    fn words_are_looked_up_as_published() {
        for (sentence, drawn, expected) in [
            ("the film", 0, "the film"),
            ("the film", 1, "the movie"),
            ("the film", 2, "the cinema"),
            ("Film film. FILM", 1, "Film film. FILM"),
            ("a  good \u{a0}film ", 1, "a  fine \u{a0}film "),
            ("", 1, ""),
        ] {
            let perturbed = perturb(&example("x", sentence, None), &table(), |n| drawn.min(n - 1));
            assert_eq!(perturbed, example("x", expected, None), "{sentence:?}");
        }
    }

    #[test]
    fn choices_are_uniform_and_sentences_independent() {
        let table = table();
        let (mut counts, mut equal, mut draw) = ([0; 3], 0, stream(7));
        for _ in 0..9_000 {
            let pair = perturb(&example("x", "film", Some("film")), &table, &mut draw);
            counts[["film", "movie", "cinema"].iter().position(|word| *word == pair.a).unwrap()] += 1;
            equal += usize::from(Some(&pair.a) == pair.b.as_ref());
        }
        for count in counts.into_iter().chain([equal]) {
            assert!((2_800..3_200).contains(&count), "{counts:?} {equal}");
        }
    }

    #[test]
    fn copies_replace_the_data_whatever_its_order() {
        let examples = [example("t:1", "the good film", Some("film")), example("t:2", "good good good", None)];
        let augmented = augment(&examples, &table(), 3, stream);
        let ids: Vec<_> = augmented.examples.iter().map(|e| e.id.as_str()).collect();
        assert_eq!(ids, ["t:1#1", "t:1#2", "t:1#3", "t:2#1", "t:2#2", "t:2#3"]);
        assert!(augmented.examples.iter().all(|e| e.label == Some(1) && e.row == 1));
        let statistics = augmented.statistics;
        assert_eq!((statistics.words, statistics.replaceable), (21, 18));
        assert!(statistics.replaced > 0 && statistics.replaced < 18);
        assert_eq!(statistics.share_replaced(), statistics.replaced as f64 / 21.0);

        let [first, second] = examples;
        let swapped = augment(&[second, first], &table(), 3, stream);
        assert_eq!(
            (&swapped.examples[3..], &swapped.examples[..3]),
            (&augmented.examples[..3], &augmented.examples[3..])
        );
        let none = augment(&swapped.examples, &table(), 0, stream);
        assert!(none.examples.is_empty() && none.statistics.share_replaced() == 0.0);
    }

    #[test]
    fn a_table_without_effect_is_refused() {
        let examples = [example("x", "the good", Some("Film"))];
        assert!(refuse_without_effect(&examples, &table(), "n.json", "rs-da").is_ok());
        for json in ["{}", r#"{"film": ["movie"]}"#, r#"{"good": ["good"], "the": []}"#] {
            let error = refuse_without_effect(&examples, &neighbours(json).unwrap(), "n.json", "rs-da").unwrap_err();
            assert!(error.exit_code() == 65 && error.message().starts_with("n.json: 0 % of words"), "{error}");
        }
        let own = augment(&examples, &neighbours(r#"{"good": ["good"]}"#).unwrap(), 8, stream);
        assert_eq!((own.statistics.replaceable, own.statistics.replaced), (8, 0));
    }

    #[test]
    fn tables_of_another_form_are_refused() {
        for json in ["[]", r#"{"a": "b"}"#, r#"{"a": [1]}"#, "{", ""] {
            let error = neighbours(json).unwrap_err();
            assert!(error.message().contains("expected a JSON object from words to lists of words"), "{error}");
        }
        let words = [("the".to_owned(), vec![]), ("good".to_owned(), vec!["fine".to_owned()])];
        assert_eq!(Neighbours::new(words).unwrap().of("good"), ["fine"]);
        assert_eq!(
            (table().len(), table().is_empty(), table().of("the").len(), table().of("x").len()),
            (3, false, 0, 0)
        );
    }
}
