//! How much a language's words vary, measured on parallel text: languages that say the same with more different words are
//! taken for the morphologically more complex ones (Bentz et al., 2016, "A comparison between morphological complexity
//! measures", where both measures here go with those of typologists).

use std::{collections::HashMap, path::Path};

use super::answer::{COMPLEX, Groups, SIMPLE};
use crate::{
    error::Result,
    input,
    report::{languages, statistics::quantile},
};

/// Words over which types are counted.
const WINDOW: usize = 500;

/// The fewest spaces for each hundred letters of a script that parts words by spaces. In NTREX Finnish has 12, the fewest
/// of these; Thai, which parts phrases, has 5, Chinese 2 and Japanese 1.
const SPACES: f64 = 8.0;

/// What was measured of a language's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Complexity {
    /// The language.
    pub language: String,
    /// The share of different words in 500 in a row, as a mean over the text (Covington & McFall, 2010).
    pub type_token_ratio: f64,
    /// The entropy of single words, in bits.
    pub entropy: f64,
    /// Words measured.
    pub words: usize,
}

/// Measures the text of a language, where its script parts words by spaces and there are words enough.
pub fn measure(language: &str, text: &str) -> Option<Complexity> {
    let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
    let spaces = text.chars().filter(|c| *c == ' ').count();
    let is_word = |word: &String| !word.is_empty();
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let words: Vec<String> = text.split_whitespace().map(bare).filter(is_word).collect();
    if words.len() < WINDOW || (spaces as f64) < SPACES / 100.0 * letters as f64 {
        return None;
    }
    Some(Complexity {
        language: language.to_owned(),
        type_token_ratio: moving_ratio(&words),
        entropy: entropy(&words),
        words: words.len(),
    })
}

/// Measures the languages of which there is a text: `{language}` in the pattern is the code, or that of FLORES without its
/// script.
pub fn measure_all(pattern: &Path, codes: &[String]) -> Result<Vec<Complexity>> {
    let pattern = pattern.display().to_string();
    let mut all = Vec::new();
    for code in codes {
        let flores = languages::find(code).map_or("", |language| language.flores);
        let names = [code.as_str(), flores.split('_').next().unwrap_or_default()];
        let path = names.iter().filter(|name| !name.is_empty()).map(|name| pattern.replace("{language}", name));
        let Some(path) = path.map(std::path::PathBuf::from).find(|path| path.is_file()) else { continue };
        all.extend(measure(code, &input::read_text(&path)?));
    }
    Ok(all)
}

/// The languages above the median of those measured, and the others of them.
pub fn groups(complexity: &[Complexity]) -> Groups {
    let mut ratios: Vec<f64> = complexity.iter().map(|one| one.type_token_ratio).collect();
    ratios.sort_by(f64::total_cmp);
    if ratios.is_empty() {
        return Groups::new();
    }
    let middle = quantile(&ratios, 0.5);
    let part = |is_above: bool| {
        let part = complexity.iter().filter(|one| (one.type_token_ratio > middle) == is_above);
        part.map(|one| one.language.clone()).collect()
    };
    Groups::from([(COMPLEX.to_owned(), part(true)), (SIMPLE.to_owned(), part(false))])
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
        let [poor, rich] = [20, 200].map(|forms| measure("de", &text(forms)).unwrap());
        assert!(poor.type_token_ratio < rich.type_token_ratio && poor.entropy < rich.entropy);
        // Half of the words are one, the others 20 with equal shares: ½ log 2 + ½ log 40.
        assert!((poor.entropy - (0.5 + 0.5 * 40f64.log2())).abs() < 1e-9, "{}", poor.entropy);
        assert!((poor.type_token_ratio - 21.0 / 500.0).abs() < 1e-9, "{}", poor.type_token_ratio);
    }

    #[test]
    fn what_has_no_spaces_or_few_words_is_not_measured() {
        let line = "没有空格的一行文字，".repeat(5) + " ";
        assert_eq!(measure("zh", &line.repeat(2000)), None);
        assert!(measure("de", "ein kurzer Text").is_none());
    }
}
