//! `code-switch`: words of the training data give way to translations (CoSDA-ML; Qin et al., 2020).

use std::{collections::HashMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{Part, Rewording, Scope};
use crate::{
    error::{Error, Result},
    input,
    learn::{
        augment::{Change, Neighbours, happens},
        problems::Problems,
    },
};

/// Code-switching by dictionaries: each example afresh in each epoch, each of its words into a language of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodeSwitch {
    /// Files of a word and a translation a line, parted by a tab or a space, as MUSE has them: one for each language.
    pub dictionaries: Vec<String>,
    /// The share of examples that are changed.
    pub examples: f64,
    /// The share of their words that are looked up: in one dictionary, drawn for each word, of whose translations one
    /// is drawn.
    pub words: f64,
    /// Copies per example, which replace it.
    pub copies: usize,
    /// Whether as many updates are made as without augmentation, of examples that are changed afresh in each epoch.
    pub compute_matched: bool,
}

/// Shares as for MLDoc in the paper's code, which changes each batch on the fly.
impl Default for CodeSwitch {
    fn default() -> CodeSwitch {
        CodeSwitch { dictionaries: Vec::new(), examples: 1.0, words: 0.4, copies: 1, compute_matched: true }
    }
}

impl Part for CodeSwitch {
    fn rewording(&self) -> Option<&dyn Rewording> {
        Some(self)
    }
}

impl Rewording for CodeSwitch {
    fn change(&self) -> Result<Box<dyn Change>> {
        let read = |path: &String| Dictionary::load(Path::new(path));
        let dictionaries = self.dictionaries.iter().map(read).collect::<Result<_>>()?;
        Ok(Box::new(Switch { dictionaries, examples: self.examples, words: self.words }))
    }

    fn files(&self) -> Vec<(&'static str, &String)> {
        self.dictionaries.iter().map(|path| ("dictionaries", path)).collect()
    }

    fn check_settings(&self, scope: &Scope, problems: &mut Problems) {
        let none = self.dictionaries.is_empty() || self.dictionaries.iter().any(String::is_empty);
        let message = "name files of a word and its translation a line, such as MUSE's en-de.txt";
        problems.say(none, &scope.key("dictionaries"), message);
        for (key, share) in [("examples", self.examples), ("words", self.words)] {
            problems.unless(share > 0.0 && share <= 1.0, &scope.key(key), "a number above 0, up to 1", &share);
        }
    }

    fn copies(&self) -> usize {
        self.copies
    }

    fn is_compute_matched(&self) -> bool {
        self.compute_matched
    }
}

/// Words with their translations into one language, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Dictionary(HashMap<String, Vec<String>>);

impl Dictionary {
    /// Reads a word and a translation a line; a word may stand in several lines.
    pub fn load(path: &Path) -> Result<Dictionary> {
        Dictionary::parse(&input::read_text(path)?, &path.display().to_string())
    }

    /// Words with those near in meaning, in the same language.
    pub fn of_synonyms(table: Neighbours) -> Dictionary {
        Dictionary(table.into_words())
    }

    fn parse(text: &str, name: &str) -> Result<Dictionary> {
        let mut words: HashMap<String, Vec<String>> = HashMap::new();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let parts = line.split_once('\t').or_else(|| line.split_once(' '));
            let [word, translation] = parts.map_or(["", ""], |(word, translation)| [word.trim(), translation.trim()]);
            if word.is_empty() || translation.is_empty() || translation.contains('\t') {
                return Err(Error::Data(format!(
                    "{name}:{}: expected a word and its translation, parted by a tab or a space, found {line:?}; correct \
                     or remove the line",
                    i + 1
                )));
            }
            let translations = words.entry(word.to_owned()).or_default();
            if !translations.iter().any(|known| known == translation) {
                translations.push(translation.to_owned());
            }
        }
        match words.is_empty() {
            true => Err(Error::Data(format!("{name}: the dictionary is empty; name another"))),
            false => Ok(Dictionary(words)),
        }
    }

    /// The translations of a word, as it stands or in lower case.
    fn of(&self, word: &str) -> &[String] {
        let found = self.0.get(word).or_else(|| self.0.get(&word.to_lowercase()));
        found.map_or(&[], Vec::as_slice)
    }
}

/// Dictionaries at work.
#[derive(Debug, Clone)]
pub struct Switch {
    /// One for each language.
    pub dictionaries: Vec<Dictionary>,
    /// The share of examples that are changed.
    pub examples: f64,
    /// The share of their words that are looked up.
    pub words: f64,
}

impl Change for Switch {
    fn word(&self, word: &str, draw: &mut dyn FnMut(u32) -> u32) -> Option<String> {
        let (before, core, after) = parted(word);
        if self.dictionaries.iter().all(|dictionary| dictionary.of(core).is_empty()) {
            return None;
        }
        let (is_looked_up, dictionary) = (happens(self.words, draw), draw(self.dictionaries.len() as u32));
        let translations = self.dictionaries[dictionary as usize].of(core);
        if !is_looked_up || translations.is_empty() {
            return Some(word.to_owned());
        }
        let translation = &translations[draw(translations.len() as u32) as usize];
        Some(format!("{before}{}{after}", in_case_of(translation, core)))
    }

    fn changes(&self, word: &str) -> bool {
        let core = parted(word).1;
        self.dictionaries.iter().flat_map(|dictionary| dictionary.of(core)).any(|translation| translation != core)
    }

    fn enters(&self, draw: &mut dyn FnMut(u32) -> u32) -> bool {
        happens(self.examples, draw)
    }

    fn n_words(&self) -> Option<usize> {
        Some(self.dictionaries.iter().map(|dictionary| dictionary.0.len()).sum())
    }
}

/// A word without the punctuation before and after it, and these.
fn parted(word: &str) -> (&str, &str, &str) {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric());
    let start = if core.is_empty() { word.len() } else { word.find(core).unwrap_or(0) };
    (&word[..start], core, &word[start + core.len()..])
}

/// A translation that begins in upper case where the word does.
fn in_case_of(translation: &str, word: &str) -> String {
    let mut letters = translation.chars();
    match letters.next() {
        Some(first) if word.starts_with(char::is_uppercase) => first.to_uppercase().chain(letters).collect(),
        _ => translation.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(words: f64) -> Switch {
        let german = "the\tdie\nthe\tder\ncat Katze\nhouse\tHaus\n";
        let dictionaries = [german, "cat\tgato\n"].map(|text| Dictionary::parse(text, "d").unwrap()).to_vec();
        Switch { dictionaries, examples: 1.0, words }
    }

    /// Numbers below which is drawn, and what is drawn.
    fn drawn(numbers: &[u32]) -> impl FnMut(u32) -> u32 {
        let mut numbers = numbers.iter().copied();
        move |below| numbers.next().unwrap().min(below - 1)
    }

    #[test]
    fn words_become_translations_and_keep_case_and_punctuation() {
        let all = switch(1.0);
        for (word, numbers, expected) in [
            ("The", &[0, 0, 1][..], Some("Der")),
            ("cat,", &[0, 0, 0], Some("Katze,")),
            ("(Cat)", &[0, 1, 0], Some("(Gato)")),
            ("house", &[0, 1], Some("house")),
            ("dog", &[], None),
            ("--", &[], None),
        ] {
            assert_eq!(all.word(word, &mut drawn(numbers)).as_deref(), expected, "{word}");
        }
        assert_eq!(switch(0.5).word("cat", &mut drawn(&[1 << 23, 0])).as_deref(), Some("cat"));
        assert_eq!(switch(0.5).word("cat", &mut drawn(&[(1 << 23) - 1, 0, 0])).as_deref(), Some("Katze"));
        assert!(all.changes("\"House\"") && !all.changes("dog"));
    }

    #[test]
    fn files_of_another_form_are_refused() {
        for (text, expected) in [
            ("the\tdie\nlonely\n", "d:2: expected a word and its translation"),
            ("a\tb\tc\n", "d:1: expected"),
            ("\n\n", "the dictionary is empty"),
        ] {
            let error = Dictionary::parse(text, "d").unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains(expected), "{error}");
        }
    }
}
