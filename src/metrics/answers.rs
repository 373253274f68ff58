//! Answers to questions as text: exact match and F1 of words, by SQuAD 1.1's rules and by MLQA's for each language.

use std::collections::HashMap;

use super::unicode::{is_punctuation, is_space, is_word};

/// How two answers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// SQuAD 1.1: ASCII punctuation and English articles are taken out, in every language.
    Squad,
    /// MLQA: punctuation of all scripts, the articles of the answer's language, and Chinese characters one by one.
    Mlqa(Language),
}

/// The languages of MLQA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the languages say it")]
pub enum Language {
    Arabic,
    English,
    German,
    Hindi,
    Spanish,
    Vietnamese,
    Chinese,
}

impl Language {
    /// The language with this code, if MLQA has rules for it.
    pub fn of(code: &str) -> Option<Language> {
        Some(match code {
            "ar" => Language::Arabic,
            "en" => Language::English,
            "de" => Language::German,
            "hi" => Language::Hindi,
            "es" => Language::Spanish,
            "vi" => Language::Vietnamese,
            "zh" => Language::Chinese,
            _ => return None,
        })
    }
}

const ENGLISH: &[&str] = &["a", "an", "the"];

impl Rules {
    fn articles(self) -> &'static [&'static str] {
        match self {
            Rules::Squad | Rules::Mlqa(Language::English) => ENGLISH,
            Rules::Mlqa(Language::Spanish) => &["un", "una", "unos", "unas", "el", "la", "los", "las"],
            Rules::Mlqa(Language::Vietnamese) => &["của", "là", "cái", "chiếc", "những"],
            Rules::Mlqa(Language::German) => {
                &["ein", "eine", "einen", "einem", "eines", "einer", "der", "die", "das", "den", "dem", "des"]
            }
            Rules::Mlqa(Language::Arabic | Language::Hindi | Language::Chinese) => &[],
        }
    }

    fn drops(self, letter: char) -> bool {
        letter.is_ascii_punctuation() || (self != Rules::Squad && is_punctuation(letter))
    }

    /// The words of an answer, as they are compared.
    pub fn words(self, answer: &str) -> Vec<String> {
        let lower = answer.to_lowercase();
        let text: String = lower.chars().filter(|letter| !self.drops(*letter)).collect();
        let text = match self {
            // The official pattern names "al" after a space as well, but asks for a beginning of the text behind it,
            // which never is; what remains takes the two letters out of the middle of words, too.
            Rules::Mlqa(Language::Arabic) => text.replace("ال", " "),
            _ => without_articles(&text, self.articles()),
        };
        let separated = match self {
            Rules::Mlqa(Language::Chinese) => around_ideographs(&text),
            _ => text,
        };
        separated.split(is_space).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Whether two answers are the same words.
    pub fn exact(self, wanted: &str, given: &str) -> bool {
        self.words(wanted) == self.words(given)
    }

    /// F1 of the words of two answers; 0 where neither has any, as officially, though they match exactly.
    pub fn f1(self, wanted: &str, given: &str) -> f64 {
        let (wanted, given) = (self.words(wanted), self.words(given));
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for word in &wanted {
            *counts.entry(word).or_default() += 1;
        }
        let mut right = 0;
        for word in &given {
            if let Some(count) = counts.get_mut(word.as_str()).filter(|count| **count > 0) {
                *count -= 1;
                right += 1;
            }
        }
        super::Marks { right, given: given.len(), wanted: wanted.len() }.f1()
    }
}

/// The text with a space for each whole word that is an article.
///
/// The official scripts match `\b(…)\b`, which is a run of word characters as long as it goes.
fn without_articles(text: &str, articles: &[&str]) -> String {
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    let mut out = String::with_capacity(text.len());
    for run in letters.chunk_by(|a, b| is_word(a.1) == is_word(b.1)) {
        let run: String = run.iter().map(|(_, letter)| letter).collect();
        out.push_str(if articles.contains(&run.as_str()) { " " } else { &run });
    }
    out
}

/// The text with spaces around each Chinese character, from U+4E00 to U+9FA5 as officially: later ones are not split.
fn around_ideographs(text: &str) -> String {
    let mut out = String::with_capacity(3 * text.len());
    for letter in text.chars() {
        match letter {
            '\u{4e00}'..='\u{9fa5}' => out.extend([' ', letter, ' ']),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_the_rules_of_the_language() {
        let mlqa = |code| Rules::Mlqa(Language::of(code).unwrap());
        let cases: [(Rules, &str, &[&str]); 9] = [
            (Rules::Squad, "The  Cat, a cat's!", &["cat", "cats"]),
            // SQuAD's rules know ASCII punctuation only, and English articles only.
            (Rules::Squad, "«Der Hund»", &["«der", "hund»"]),
            (mlqa("de"), "«Der Hund»", &["hund"]),
            (mlqa("es"), "La casa, el sol; los_dos", &["casa", "sol", "losdos"]),
            (mlqa("vi"), "Những cái nhà", &["nhà"]),
            (mlqa("ar"), "البيت والال", &["بيت", "و"]),
            (mlqa("hi"), "the घर।", &["the", "घर"]),
            (mlqa("zh"), "北京2008年a the", &["北", "京", "2008", "年", "a", "the"]),
            // A combining mark is no word character, so "a" before one is an article, as officially.
            (Rules::Squad, "a\u{301} b", &["\u{301}", "b"]),
        ];
        for (rules, answer, words) in cases {
            assert_eq!(rules.words(answer), words, "{rules:?} {answer}");
        }
    }

    #[test]
    fn empty_answers_match_but_have_no_f1() {
        assert!(Rules::Squad.exact("the", "A."));
        assert_eq!(Rules::Squad.f1("the", "A."), 0.0);
    }

    #[test]
    fn f1_counts_words_as_often_as_both_have_them() {
        assert_eq!(Rules::Squad.f1("x x y", "x x x"), 2.0 * (2.0 / 3.0) * (2.0 / 3.0) / (2.0 / 3.0 + 2.0 / 3.0));
        assert_eq!(Rules::Squad.f1("b c d", "d c b"), 1.0);
        assert_eq!(Rules::Squad.f1("b c", "d"), 0.0);
    }
}
