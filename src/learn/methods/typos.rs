//! `typos`: slips of typing, within the script of a word.

use serde::{Deserialize, Serialize};

use super::{Part, Rewording, Scope};
use crate::{
    error::Result,
    learn::{
        augment::{Change, happens},
        problems::Problems,
    },
};

/// Slips of typing: in a share of words one letter is another, missing, or doubled, or has changed places with the
/// next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Typos {
    /// The share of words that are changed, of those with at least two letters.
    pub words: f64,
    /// Copies per example, which replace it.
    pub copies: usize,
    /// Whether as many updates are made as without augmentation, of examples that are changed afresh in each epoch.
    pub compute_matched: bool,
}

impl Default for Typos {
    fn default() -> Typos {
        Typos { words: 0.1, copies: 1, compute_matched: true }
    }
}

impl Part for Typos {
    fn rewording(&self) -> Option<&dyn Rewording> {
        Some(self)
    }
}

impl Rewording for Typos {
    fn change(&self) -> Result<Box<dyn Change>> {
        Ok(Box::new(Slips { words: self.words }))
    }

    fn check_settings(&self, scope: &Scope, problems: &mut Problems) {
        let share = self.words;
        problems.unless(share > 0.0 && share <= 1.0, &scope.key("words"), "a number above 0, up to 1", &share);
    }

    fn copies(&self) -> usize {
        self.copies
    }

    fn is_compute_matched(&self) -> bool {
        self.compute_matched
    }
}

/// Slips at work.
#[derive(Debug, Clone, Copy)]
pub struct Slips {
    /// The share of words that are changed.
    pub words: f64,
}

/// What happens to a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    /// A key beside it is struck.
    Beside,
    /// It changes places with the next.
    Swap,
    /// It is left out.
    Drop,
    /// It is struck twice.
    Double,
}

const SLIPS: [Slip; 4] = [Slip::Beside, Slip::Swap, Slip::Drop, Slip::Double];

/// Rows of keys, the upper one first: Latin, Cyrillic, Greek and Hebrew as they are mostly laid out.
const KEYBOARDS: [[&str; 3]; 4] = [
    ["qwertyuiop", "asdfghjkl", "zxcvbnm"],
    ["йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"],
    ["ςερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ"],
    ["קראטוןםפ", "שדגכעיחלךף", "זסבהנמצתץ"],
];

impl Change for Slips {
    fn word(&self, word: &str, draw: &mut dyn FnMut(u32) -> u32) -> Option<String> {
        let mut letters: Vec<char> = word.chars().collect();
        let places: Vec<usize> = (0..letters.len()).filter(|i| letters[*i].is_alphabetic()).collect();
        if places.len() < 2 {
            return None;
        }
        if !happens(self.words, draw) {
            return Some(word.to_owned());
        }
        let (slip, nth) = (SLIPS[draw(SLIPS.len() as u32) as usize], draw(places.len() as u32) as usize);
        let place = places[nth];
        let next = places.get(nth + 1).copied().filter(|next| letters[*next] != letters[place]);
        match (slip, beside(letters[place]), next) {
            (Slip::Beside, keys, _) if !keys.is_empty() => letters[place] = keys[draw(keys.len() as u32) as usize],
            (Slip::Swap, _, Some(next)) => letters.swap(place, next),
            (Slip::Double, ..) => letters.insert(place, letters[place]),
            // Where there is no key beside it, or no other letter after it, it is left out.
            (Slip::Beside | Slip::Swap | Slip::Drop, ..) => _ = letters.remove(place),
        }
        Some(letters.into_iter().collect())
    }

    fn changes(&self, word: &str) -> bool {
        word.chars().filter(|letter| letter.is_alphabetic()).count() > 1
    }
}

/// The letters beside one: on its keyboard; of a script without one here, those beside it in its alphabet. Chinese
/// characters have none.
fn beside(letter: char) -> Vec<char> {
    let lower = letter.to_lowercase().next().unwrap_or(letter);
    let keys = KEYBOARDS.iter().find_map(|rows| on_keyboard(rows, lower)).unwrap_or_else(|| in_alphabet(lower));
    let cased = |key: char| if lower == letter { key } else { key.to_uppercase().next().unwrap_or(key) };
    keys.into_iter().map(cased).collect()
}

/// The keys left and right of one, and those above and below.
fn on_keyboard(rows: &[&str; 3], letter: char) -> Option<Vec<char>> {
    let rows = rows.map(|row| row.chars().collect::<Vec<char>>());
    let (row, column) =
        rows.iter().enumerate().find_map(|(i, row)| Some((i, row.iter().position(|c| *c == letter)?)))?;
    let around = [(row, column + 1), (row, column.wrapping_sub(1)), (row + 1, column), (row.wrapping_sub(1), column)];
    Some(around.iter().filter_map(|(row, column)| rows.get(*row)?.get(*column).copied()).collect())
}

/// Where Chinese characters lie, which stand in no alphabet.
const IDEOGRAPHS: [std::ops::RangeInclusive<char>; 4] =
    ['\u{3400}'..='\u{4DBF}', '\u{4E00}'..='\u{9FFF}', '\u{F900}'..='\u{FAFF}', '\u{20000}'..='\u{3FFFF}'];

fn in_alphabet(letter: char) -> Vec<char> {
    if IDEOGRAPHS.iter().any(|range| range.contains(&letter)) {
        return Vec::new();
    }
    let code = u32::from(letter);
    let near = [code.wrapping_sub(1), code + 1].into_iter().filter_map(char::from_u32);
    // A block of Unicode begins at a multiple of 16, and holds one script.
    let fits = |c: &char| c.is_alphabetic() && u32::from(*c) / 16 == code / 16 && c.to_lowercase().eq([*c]);
    near.filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slip(word: &str, numbers: &[u32]) -> Option<String> {
        let mut numbers = numbers.iter().copied();
        Slips { words: 0.5 }.word(word, &mut |below| numbers.next().unwrap().min(below - 1))
    }

    #[test]
    fn each_slip_changes_one_letter() {
        for (word, numbers, expected) in [
            ("house", &[1 << 23][..], "house"),
            ("house,", &[0, 0, 0, 0], "jouse,"),
            ("House", &[0, 0, 0, 1], "Gouse"),
            ("house", &[0, 1, 1], "huose"),
            ("hall", &[0, 1, 2], "hal"),
            ("house", &[0, 2, 4], "hous"),
            ("\"house\"", &[0, 3, 0], "\"hhouse\""),
            ("дом", &[0, 0, 0, 0], "жом"),
            ("中文", &[0, 0, 0], "文"),
        ] {
            assert_eq!(slip(word, numbers).as_deref(), Some(expected), "{word} {numbers:?}");
        }
        assert_eq!((slip("a", &[]), slip("12", &[]), slip("", &[])), (None, None, None));
    }

    #[test]
    fn letters_stay_in_their_script() {
        let script = |c: char| match u32::from(c) {
            0..0x250 => "Latin",
            0x370..0x400 => "Greek",
            0x400..0x530 => "Cyrillic",
            0x590..0x600 => "Hebrew",
            0x600..0x700 => "Arabic",
            0x900..0x980 => "Devanagari",
            0xE00..0xE80 => "Thai",
            0xAC00..0xD7A4 => "Hangul",
            _ => "other",
        };
        for letter in "aZéßжЖλΛקبकथกฮ한".chars() {
            let found = beside(letter);
            assert!(!found.is_empty() || letter == 'ß', "{letter}");
            assert!(found.iter().all(|key| script(*key) == script(letter) && *key != letter), "{letter}: {found:?}");
        }
        assert!(beside('中').is_empty());
    }
}
