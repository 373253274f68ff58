//! The languages, one file each: its words as tables of inflected forms, its grammar as one function.

use std::collections::BTreeMap;

use super::world::{Concept, Meaning, Subject, Town};

mod de;
mod en;
mod es;
mod fi;
mod fr;
mod hu;
mod id;
mod pl;
mod sw;
mod tr;

/// A language's code and the function that says a meaning in it.
type Language = (&'static str, fn(&Meaning) -> String);

const ALL: [Language; 10] = [
    ("en", en::say),
    ("de", de::say),
    ("es", es::say),
    ("fi", fi::say),
    ("fr", fr::say),
    ("hu", hu::say),
    ("id", id::say),
    ("pl", pl::say),
    ("sw", sw::say),
    ("tr", tr::say),
];

pub(super) const CODES: [&str; ALL.len()] = {
    let mut codes = [""; ALL.len()];
    let mut i = 0;
    while i < codes.len() {
        codes[i] = ALL[i].0;
        i += 1;
    }
    codes
};

/// The function that says a meaning in `language`.
#[track_caller]
pub(super) fn speaker(language: &str) -> fn(&Meaning) -> String {
    match ALL.iter().find(|(code, _)| *code == language) {
        Some((_, say)) => *say,
        None => panic!("the demo does not speak {language:?}: {}", crate::error::did_you_mean(language, CODES)),
    }
}

pub(super) fn english_synonyms() -> BTreeMap<String, Vec<String>> {
    en::synonyms()
}

/// A concept and its words: first the usual one in all its forms, then perhaps a synonym.
type Row<const FORMS: usize> = (Concept, &'static [[&'static str; FORMS]]);

/// The forms of the word for `concept`, in the meaning's register.
#[track_caller]
fn word<const FORMS: usize>(table: &[Row<FORMS>], concept: Concept, meaning: &Meaning) -> [&'static str; FORMS] {
    match table.iter().find(|(name, _)| *name == concept) {
        Some((_, words)) => words[meaning.register % words.len()],
        None => panic!("no word for {concept:?}"),
    }
}

/// Where and when, as whole phrases.
struct Setting {
    spots: &'static [Row<1>],
    cities: &'static [Row<1>],
    countries: &'static [Row<1>],
    times: &'static [Row<1>],
}

impl Setting {
    fn spot(&self, meaning: &Meaning) -> &'static str {
        meaning.spot.map_or("", |spot| word(self.spots, spot, meaning)[0])
    }

    fn town(&self, meaning: &Meaning) -> &'static str {
        match meaning.town {
            None => "",
            Some(Town::City(city)) => word(self.cities, city, meaning)[0],
            Some(Town::Country(country)) => word(self.countries, country, meaning)[0],
        }
    }

    fn time(&self, meaning: &Meaning) -> &'static str {
        meaning.time.map_or("", |time| word(self.times, time, meaning)[0])
    }
}

/// Subject, predicate and the rest in the order most of the languages share; a thing's town stands right behind it.
fn subject_first(m: &Meaning, setting: &Setting, subject: &str, predicate: &str, company: &str) -> String {
    let (spot, town, time) = (setting.spot(m), setting.town(m), setting.time(m));
    match m.subject {
        Subject::Thing(_) => sentence([subject, town, predicate, time]),
        _ => sentence([subject, predicate, company, spot, town, time]),
    }
}

/// 2 and 3 in words, other numbers in digits.
fn number(n: u32, words: [&str; 2]) -> String {
    match n {
        2..=3 => words[n as usize - 2].to_string(),
        _ => n.to_string(),
    }
}

/// The first word where it is affirmed, the second where it is denied.
fn either<'a>(m: &Meaning, [affirmed, denied]: [&'a str; 2]) -> &'a str {
    if m.negated { denied } else { affirmed }
}

/// The parts that are there, with one space between them.
fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The parts as a sentence: a capital first, a full stop last.
fn sentence<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let text = join(parts);
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

fn starts_with_vowel(text: &str) -> bool {
    text.starts_with(|c: char| "aeiouáéíóöőúüűâàèêîôAEIOU".contains(c))
}
