//! What tells the languages of a study apart, measured: how much their words vary, and how much of their text the encoder
//! has read.
//!
//! Languages that say the same with more different words are taken for the morphologically more complex ones (Bentz et
//! al., 2016, "A comparison between morphological complexity measures", where both measures on text here go with those of
//! typologists). Beside them stands how many features the annotators of Universal Dependencies give to a word.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    input,
    models::shipped,
    report::{languages, statistics::quantile},
    tasks::TextFile,
};

/// The group of the languages above the median of types among tokens.
pub const COMPLEX: &str = "complex";
/// The other languages in which those are counted.
pub const SIMPLE: &str = "simple";
/// The group of the languages of which the encoder has read no more text than the median.
pub const LOW_RESOURCE: &str = "low-resource";
/// The other languages of which that is known.
pub const HIGH_RESOURCE: &str = "high-resource";

/// The languages of each group.
pub type Groups = BTreeMap<String, BTreeSet<String>>;

/// Pairs of groups that are held against each other.
pub const CONTRASTS: [[&str; 2]; 2] = [[COMPLEX, SIMPLE], [LOW_RESOURCE, HIGH_RESOURCE]];

/// The text that the encoder which ships was trained on, by language.
const SHIPPED_TEXT: &str = include_str!("../../weights/xlmr-open-text.tsv");

/// Words over which types are counted.
const WINDOW: usize = 500;

/// The fewest spaces for each hundred letters of a script that parts words by spaces. In NTREX Finnish has 12, the fewest
/// of these; Thai, which parts phrases, has 5, Chinese 2 and Japanese 1.
const SPACES: f64 = 8.0;

/// What was measured of a language.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// Its words, where its script parts them by spaces.
    pub words: Option<Words>,
    /// Features of a word, as Universal Dependencies annotates them: a mean.
    pub features: Option<f64>,
    /// How much of its text the encoder has read; none where that is not known.
    pub text: Option<f64>,
}

/// What was measured of a language's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// The share of different words in 500 in a row, as a mean over the text (Covington & McFall, 2010).
    pub type_token_ratio: f64,
    /// The entropy of single words, in bits.
    pub entropy: f64,
}

/// The languages of a study, by code.
pub type Languages = BTreeMap<String, Measured>;

/// Measures a text, where its script parts words by spaces and there are words enough.
fn words(text: &str) -> Option<Words> {
    let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
    let spaces = text.chars().filter(|c| *c == ' ').count();
    let is_word = |word: &String| !word.is_empty();
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let words: Vec<String> = text.split_whitespace().map(bare).filter(is_word).collect();
    if words.len() < WINDOW || (spaces as f64) < SPACES / 100.0 * letters as f64 {
        return None;
    }
    Some(Words { type_token_ratio: moving_ratio(&words), entropy: entropy(&words) })
}

/// The words of a language of which there is a text.
pub fn words_of(pattern: &Path, code: &str) -> Result<Option<Words>> {
    match text_of(pattern, code) {
        Some(path) => Ok(words(&input::read_text(&path)?)),
        None => Ok(None),
    }
}

/// The text of a language, if there is one: `{language}` in the pattern is the code, or that of FLORES without its script.
pub fn text_of(pattern: &Path, code: &str) -> Option<PathBuf> {
    let pattern = pattern.display().to_string();
    let flores = languages::find(code).map_or("", |language| language.flores);
    let names = [code, flores.split('_').next().unwrap_or_default()];
    let names = names.iter().filter(|name| !name.is_empty());
    names.map(|name| PathBuf::from(pattern.replace("{language}", name))).find(|path| path.is_file())
}

/// Features of a word, in a folder of Universal Dependencies' releases: of the parallel treebank (PUD) where the language
/// has one, else of all its treebanks.
pub fn features_of(treebanks: &[PathBuf], code: &str) -> Result<Option<f64>> {
    let is_of = |name: &str, bank: &str| name.starts_with(&format!("{code}_{bank}"));
    let found = |bank: &str| -> Vec<&PathBuf> {
        let name = |path: &PathBuf| path.file_name().is_some_and(|name| is_of(&name.to_string_lossy(), bank));
        treebanks.iter().filter(|path| name(path)).collect()
    };
    let parallel = found("pud-");
    let mut sums = [0, 0];
    for path in if parallel.is_empty() { found("") } else { parallel } {
        let own = features(&input::read_text(path)?);
        sums = [sums[0] + own[0], sums[1] + own[1]];
    }
    let [features, words] = sums;
    Ok((words > 0).then(|| features as f64 / words as f64))
}

/// The treebanks in a folder and the folders inside it, in order.
pub fn treebanks(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder).map_err(|error| Error::read(folder, &error))?;
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| Error::read(folder, &error))).collect()
    };
    let mut found = Vec::new();
    for path in entries(folder)? {
        found.extend(if path.is_dir() { entries(&path)? } else { vec![path] });
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "conllu"));
    found.sort();
    Ok(found)
}

/// Features and words of a CoNLL-U file; no punctuation, and no rows of several tokens or of none.
fn features(text: &str) -> [usize; 2] {
    let mut sums = [0, 0];
    for row in text.lines().filter(|row| !row.starts_with('#')) {
        let cells: Vec<&str> = row.split('\t').collect();
        let [number, _, _, tag, _, features, ..] = cells[..] else { continue };
        if number.bytes().all(|byte| byte.is_ascii_digit()) && !["PUNCT", "SYM"].contains(&tag) {
            sums[0] += features.split('|').filter(|feature| *feature != "_").count();
            sums[1] += 1;
        }
    }
    sums
}

/// How much text of each language an encoder has read: a file's numbers, or those of the encoder that ships; nothing
/// where it is neither.
pub fn text_read(file: Option<&Path>, model: &str) -> Result<Option<BTreeMap<String, f64>>> {
    let file = match file {
        Some(path) => TextFile::read(path)?,
        None if model == shipped::PATH => TextFile::built_in("weights/xlmr-open-text.tsv", SHIPPED_TEXT)?,
        None => return Ok(None),
    };
    languages::numbers(&file).map(Some)
}

/// The languages above and not above the median, for each measure: of those that are transferred to, so without `sources`.
pub fn groups(all: &Languages, sources: &BTreeSet<&str>) -> Groups {
    let others = all.iter().filter(|(code, _)| !sources.contains(code.as_str()));
    let all = &others.map(|(code, one)| (code.clone(), one.clone())).collect();
    let ratio = |one: &Measured| Some(one.words.as_ref()?.type_token_ratio);
    let mut groups = halves(all, [SIMPLE, COMPLEX], &ratio);
    groups.extend(halves(all, [LOW_RESOURCE, HIGH_RESOURCE], &|one: &Measured| one.text));
    groups
}

/// Two groups: up to the median, and above it.
fn halves(all: &Languages, names: [&str; 2], value: &dyn Fn(&Measured) -> Option<f64>) -> Groups {
    let mut known: Vec<f64> = all.values().filter_map(value).collect();
    known.sort_by(f64::total_cmp);
    if known.is_empty() {
        return Groups::new();
    }
    let middle = quantile(&known, 0.5);
    let half = |is_above: bool| -> BTreeSet<String> {
        let half = all.iter().filter(|(_, one)| value(one).is_some_and(|value| (value > middle) == is_above));
        half.map(|(code, _)| code.clone()).collect()
    };
    Groups::from([(names[0].to_owned(), half(false)), (names[1].to_owned(), half(true))])
}

fn moving_ratio(words: &[String]) -> f64 {
    let (mut counts, mut sum) = (HashMap::<&str, usize>::new(), 0usize);
    for (i, word) in words.iter().enumerate() {
        *counts.entry(word).or_default() += 1;
        if i >= WINDOW {
            let old = words[i - WINDOW].as_str();
            match counts.get_mut(old) {
                Some(count) if *count > 1 => *count -= 1,
                _ => _ = counts.remove(old),
            }
        }
        if i + 1 >= WINDOW {
            sum += counts.len();
        }
    }
    sum as f64 / (words.len() + 1 - WINDOW) as f64 / WINDOW as f64
}

fn entropy(words: &[String]) -> f64 {
    let mut counts: HashMap<&str, f64> = HashMap::new();
    words.iter().for_each(|word| *counts.entry(word).or_default() += 1.0);
    let mut shares: Vec<f64> = counts.values().map(|count| count / words.len() as f64).collect();
    shares.sort_by(f64::total_cmp); // sums do not depend on the table's order
    -shares.iter().map(|share| share * share.log2()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_forms_are_more_complex() {
        let text = |forms: usize| (0..3000).map(|i| format!("wort{} und", i % forms)).collect::<Vec<_>>().join(" ");
        let [poor, rich] = [20, 200].map(|forms| words(&text(forms)).unwrap());
        assert!(poor.type_token_ratio < rich.type_token_ratio && poor.entropy < rich.entropy);
        // Half of the words are one, the others 20 with equal shares: ½ log 2 + ½ log 40.
        assert!((poor.entropy - (0.5 + 0.5 * 40f64.log2())).abs() < 1e-9, "{}", poor.entropy);
        assert!((poor.type_token_ratio - 21.0 / 500.0).abs() < 1e-9, "{}", poor.type_token_ratio);
    }

    #[test]
    fn what_has_no_spaces_or_few_words_is_not_measured() {
        let line = "没有空格的一行文字，".repeat(5) + " ";
        assert_eq!(words(&line.repeat(2000)), None);
        assert!(words("ein kurzer Text").is_none());
    }

    #[test]
    fn features_are_of_words() {
        let rows = "# text = ei ole.\n1-2\teiole\t_\t_\t_\t_\n1\tei\tei\tAUX\t_\tNumber=Sing|Person=3\n\
                    2\tole\tolla\tVERB\t_\tMood=Ind\n2.1\t_\t_\tVERB\t_\tMood=Ind\n3\t.\t.\tPUNCT\t_\t_\n\n\
                    1\tja\tja\tCCONJ\t_\t_\n";
        assert_eq!(features(rows), [3, 3]);
    }

    #[test]
    fn languages_fall_into_halves() {
        let read = text_read(None, shipped::PATH).unwrap().unwrap();
        assert!(read["de"] > read["bg"] && !read.contains_key("en-x") && text_read(None, "other").unwrap().is_none());
        let one = |text: f64| Measured { text: Some(text), ..Measured::default() };
        let all = [("a", 0.0), ("b", 0.0), ("c", 5.0), ("d", 7.0), ("en", 9.0)];
        let all = Languages::from(all.map(|(code, text)| (code.to_owned(), one(text))));
        // The source is in no group, and moves no median: without it that is 2.5.
        let groups = groups(&all, &BTreeSet::from(["en"]));
        assert!(
            groups[LOW_RESOURCE].len() == 2
                && groups[HIGH_RESOURCE].iter().eq(["c", "d"])
                && !groups.contains_key(SIMPLE)
        );
    }
}
