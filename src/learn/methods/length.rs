//! How long a perturbation is: a number, or a multiple of the words that it is added to.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

use super::{Measure, Norm, Scope};
use crate::{
    learn::problems::Problems,
    models::{Model, Place},
    tensor::without_graph,
};

/// Words whose embeddings are on the host at once.
const AT_ONCE: usize = 8192;

/// A length in the units of embeddings, or relative to words: `"0.06x"` is 0.06 times the mean norm of the words'
/// embeddings.
///
/// The embeddings of one encoder are several times as long as those of another, so that the same number is another
/// strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// A number.
    Of(f64),
    /// So many times the mean norm of words.
    Words(f64),
}

/// The mean norms of the embeddings of words.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordNorms {
    /// How many words were looked at.
    pub words: usize,
    /// Their mean Euclidean norm.
    pub l2: f64,
    /// The mean of their largest components.
    pub linf: f64,
}

impl WordNorms {
    /// As if every word were of length 1: for plans, in which nothing is computed.
    pub const UNIT: WordNorms = WordNorms { words: 0, l2: 1.0, linf: 1.0 };

    /// Those of rows of `columns` numbers each, which words have.
    pub fn of(rows: &[f32], columns: usize) -> WordNorms {
        let (mut l2, mut linf, words) = (0.0, 0.0, rows.len() / columns);
        for row in rows.chunks_exact(columns) {
            l2 += row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            linf += f64::from(row.iter().fold(0.0f32, |most, x| most.max(x.abs())));
        }
        WordNorms { words, l2: l2 / words.max(1) as f64, linf: linf / words.max(1) as f64 }
    }

    /// Those of the embeddings of these ids, each once.
    pub fn measure(model: &Model, ids: &[u32]) -> WordNorms {
        let (columns, mut sum) = (model.words.columns, WordNorms { words: 0, l2: 0.0, linf: 0.0 });
        for ids in ids.chunks(AT_ONCE) {
            let rows = without_graph(|| model.words.look_up(&ids.to_vec().into())).to_vec();
            let part = WordNorms::of(&rows, columns);
            sum.l2 += part.l2 * part.words as f64;
            sum.linf += part.linf * part.words as f64;
            sum.words += part.words;
        }
        let n = sum.words.max(1) as f64;
        WordNorms { words: sum.words, l2: sum.l2 / n, linf: sum.linf / n }
    }

    /// The mean in a norm.
    pub fn by(&self, norm: Norm) -> f64 {
        match norm {
            Norm::L2 => self.l2,
            Norm::Linf => self.linf,
        }
    }
}

impl Length {
    /// The length as a number; that of words is measured in the same norm.
    pub fn measured(self, words: &WordNorms, norm: Norm) -> Length {
        match self {
            Length::Of(_) => self,
            Length::Words(times) => Length::Of(times * words.by(norm)),
        }
    }

    /// The number to compute with.
    ///
    /// Panics where it is relative to words that were not measured: parts of methods do that when they become
    /// objectives.
    pub fn value(self) -> f32 {
        match self {
            Length::Of(value) => value as f32,
            Length::Words(_) => panic!("a length relative to words is measured before training"),
        }
    }

    /// Whether it is relative to words.
    pub fn is_relative(self) -> bool {
        matches!(self, Length::Words(_))
    }

    /// The number that stands in the recipe.
    fn number(self) -> f64 {
        match self {
            Length::Of(number) | Length::Words(number) => number,
        }
    }

    /// Refuses what is not above 0, and what is relative to words where no words are perturbed.
    pub(super) fn check(self, key: &str, at: Place, scope: &Scope, problems: &mut Problems) {
        problems.positive(&scope.key(key), self.number());
        let elsewhere = self.is_relative() && at != Place::Word;
        let message =
            "a length relative to words (\"0.06x\") is for at = \"word\": elsewhere other numbers are perturbed";
        problems.say(elsewhere, &scope.key(key), message);
    }
}

/// Refuses lengths of which some are relative to words and others numbers: with another encoder only some would grow, and
/// steps of a default size lead nowhere in a ball of another.
pub(super) fn check_alike(lengths: &[Measure], scope: &Scope, problems: &mut Problems) {
    let of = |is_relative: bool| {
        let such = |(_, length, _): &&Measure| length.is_relative() == is_relative && length.number() != 0.0;
        lengths.iter().find(such)
    };
    if let (Some((relative, length, _)), Some((key, number, _))) = (of(true), of(false)) {
        let message = format!(
            "it is the number {}, and {relative} is relative to words (\"{}x\"): write both in the same way, such as {key} = \
             \"{}x\"",
            number.number(),
            length.number(),
            length.number() / 2.0
        );
        problems.say(true, &scope.key(key), message);
    }
}

impl From<f64> for Length {
    fn from(value: f64) -> Length {
        Length::Of(value)
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Length::Of(value) => write!(f, "{value}"),
            Length::Words(times) => write!(f, "{times}x"),
        }
    }
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Length, String> {
        let number = text.strip_suffix('x').and_then(|times| times.parse::<f64>().ok());
        number.map(Length::Words).ok_or_else(|| {
            format!("expected a number, or one with an x for a multiple of words' mean norm, such as \"0.06x\", found \"{text}\"")
        })
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Length::Of(value) => serializer.serialize_f64(*value),
            Length::Words(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Length, D::Error> {
        deserializer.deserialize_any(LengthVisitor)
    }
}

/// Reads a number or a text.
struct LengthVisitor;

impl de::Visitor<'_> for LengthVisitor {
    type Value = Length;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a number, such as 0.3, or a multiple of words' mean norm, such as \"0.06x\"")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Length, E> {
        Ok(Length::Of(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Length, E> {
        Ok(Length::Of(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Length, E> {
        Ok(Length::Of(value as f64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Length, E> {
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_written_and_measured() {
        for (text, length) in [("0.06x", Length::Words(0.06)), ("2x", Length::Words(2.0))] {
            assert_eq!(text.parse(), Ok(length));
            assert_eq!(length.to_string(), text);
        }
        for text in ["", "x", "0.06", "0.06 x", "big"] {
            assert!(text.parse::<Length>().unwrap_err().contains("such as \"0.06x\""), "{text}");
        }
        // Norms 5 and 13, largest components 4 and 12.
        let norms = WordNorms::of(&[3.0, -4.0, 5.0, 12.0], 2);
        assert_eq!(norms, WordNorms { words: 2, l2: 9.0, linf: 8.0 });
        assert_eq!(Length::Words(0.5).measured(&norms, Norm::L2), Length::Of(4.5));
        assert_eq!(Length::Words(0.5).measured(&norms, Norm::Linf), Length::Of(4.0));
        assert_eq!(Length::Of(0.5).measured(&norms, Norm::L2).value(), 0.5);
    }
}
