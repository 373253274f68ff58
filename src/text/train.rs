//! Learns a Unigram vocabulary from text, the same file from the same text every time.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::normalizers::{Lowercase, NFKC, NormalizerWrapper, Sequence, Strip};
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{NormalizedString, Normalizer};

use super::charsmap::SPACE;
use super::engine::{self, Engine, XLMR};
use super::guard::guarded;
use crate::error::{Error, Result};

/// Characters that together are this share of the text get a piece of their own (SentencePiece's default).
const COVERAGE: f64 = 0.9995;

/// Longer stretches without a space are cut: the lattice of one word must stay small.
const LONGEST_WORD: usize = 512;

/// Trains an engine in XLM-R's layout with `vocab_size` ids, or fewer if the text has no more pieces.
pub(super) fn unigram(texts: impl Iterator<Item = String>, vocab_size: usize, do_lower_case: bool) -> Result<Engine> {
    let room = vocab_size.saturating_sub(XLMR.len());
    if room < 16 {
        let least = XLMR.len() + 16;
        return Err(Error::Config(format!("vocab_size is {vocab_size}; give at least {least}")));
    }
    let failed = |reason| Error::Data(format!("cannot train a tokenizer: {reason}; check the texts"));
    let normalizers = normalizers(do_lower_case).map_err(failed)?;
    let words = covered_words(count_words(texts, &Sequence::new(normalizers.clone())).map_err(failed)?, room / 2);
    if words.is_empty() {
        return Err(failed("the texts hold no words".to_string()));
    }
    let pieces = train(words, room).map_err(failed)?;
    engine::Layout::Xlmr.engine(pieces, false, normalizers, PrependScheme::Always).map_err(failed)
}

/// NFKC, lower case if asked for, then every run of spaces, tabs and control characters is one space.
fn normalizers(do_lower_case: bool) -> Result<Vec<NormalizerWrapper>, String> {
    let mut normalizers = vec![NFKC.into(), engine::replace(r"[\s\p{Cc}]+", " ")?, Strip::new(true, true).into()];
    if do_lower_case {
        normalizers.insert(1, Lowercase.into());
    }
    Ok(normalizers)
}

/// How often each word occurs, in the order of the words.
fn count_words(texts: impl Iterator<Item = String>, normalizer: &Sequence) -> Result<BTreeMap<String, u32>, String> {
    let mut words: BTreeMap<String, u32> = BTreeMap::new();
    for text in texts {
        let mut normalized = NormalizedString::from(without_specials(text));
        normalizer.normalize(&mut normalized).map_err(|error| error.to_string())?;
        for word in normalized.get().split([' ', SPACE]).filter(|word| !word.is_empty()) {
            match words.get_mut(word) {
                Some(count) => *count = count.saturating_add(1),
                None => _ = words.insert(word.to_string(), 1),
            }
        }
    }
    Ok(words)
}

/// Markup that spells a special token must not become a piece.
fn without_specials(text: String) -> String {
    XLMR.into_iter().fold(text, |text, name| if text.contains(name) { text.replace(name, " ") } else { text })
}

/// The words as the trainer sees them: begun by [`SPACE`], broken at characters outside of the alphabet.
///
/// The alphabet is the most frequent characters that make up [`COVERAGE`] of the text, at most `room` of them.
fn covered_words(words: BTreeMap<String, u32>, room: usize) -> Vec<(String, u32)> {
    let mut counts: HashMap<char, u64> = HashMap::new();
    for (word, count) in &words {
        word.chars().for_each(|c| *counts.entry(c).or_default() += u64::from(*count));
    }
    let mut counts: Vec<(char, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|(c, count)| (std::cmp::Reverse(*count), *c));
    let enough = counts.iter().map(|(_, count)| *count as f64).sum::<f64>() * COVERAGE;
    let mut covered = 0.0;
    let frequent = counts.iter().take_while(|(_, count)| {
        let before = covered;
        covered += *count as f64;
        before < enough
    });
    let alphabet: HashSet<char> = frequent.take(room.saturating_sub(1)).map(|(c, _)| *c).chain([SPACE]).collect();

    let mut parts: BTreeMap<String, u32> = BTreeMap::new();
    for (word, count) in words {
        for part in format!("{SPACE}{word}").split(|c| !alphabet.contains(&c)).filter(|part| !part.is_empty()) {
            let characters: Vec<char> = part.chars().collect();
            for chunk in characters.chunks(LONGEST_WORD) {
                let total = parts.entry(chunk.iter().collect()).or_default();
                *total = total.saturating_add(count);
            }
        }
    }
    parts.into_iter().collect()
}

/// The crate's expectation maximization, in one thread: how threads share the work decides how sums round.
fn train(words: Vec<(String, u32)>, room: usize) -> Result<Vec<(String, f64)>, String> {
    let trainer = UnigramTrainer::builder().show_progress(false).vocab_size(room as u32).build();
    let trainer = trainer.map_err(|error| error.to_string())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| error.to_string())?;
    let mut model = Unigram::default();
    pool.install(|| guarded(|| trainer.do_train(words, &mut model)))?.map_err(|error| error.to_string())?;
    Ok(ordered(model.iter().cloned().collect(), model.min_score))
}

/// Undoes what hash maps decide: the crate scores characters that lost their piece `lowest`, `lowest + 0.0001`, …
/// in arbitrary order, and leaves ties in it.
fn ordered(mut pieces: Vec<(String, f64)>, lowest: f64) -> Vec<(String, f64)> {
    let mut penalty = 0.0;
    let ladder = std::iter::repeat_with(|| {
        let score = lowest + penalty;
        penalty += 0.0001; // `min_score_penalty_delta`, added up as the crate does
        score.to_bits()
    });
    let ladder: HashSet<u64> = ladder.take(pieces.len()).collect();
    let on_ladder =
        |(piece, score): &(String, f64)| ladder.contains(&score.to_bits()) && piece.chars().nth(1).is_none();
    let (mut characters, mut scores): (Vec<String>, Vec<f64>) =
        pieces.iter().filter(|piece| on_ladder(piece)).cloned().unzip();
    characters.sort_unstable();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    pieces.retain(|piece| !on_ladder(piece));
    pieces.extend(characters.into_iter().zip(scores));
    pieces.sort_unstable_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_characters_break_words() {
        let words = BTreeMap::from([("aaa".to_string(), 5000), ("aßa".to_string(), 1), ("ba".to_string(), 50)]);
        let row = |word: &str, count| (word.to_string(), count);
        assert_eq!(covered_words(words.clone(), 8), [row("a", 1), row("▁a", 1), row("▁aaa", 5000), row("▁ba", 50)]);
        assert_eq!(covered_words(words, 2), [row("a", 51), row("▁", 50), row("▁a", 1), row("▁aaa", 5000)]);
    }

    #[test]
    fn the_order_of_hash_maps_is_undone() {
        let row = |piece: &str, score| (piece.to_string(), score);
        let (low, next) = (-9.0, -9.0 + 0.0001);
        let expected =
            [row("▁ab", -1.0), row("a", -2.0), row("b", -2.0), row("c", next), row("d", low), row("zz", low)];
        for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [2, 4, 0, 5, 1, 3]] {
            let pieces = order.map(|i: usize| expected[i].clone()).to_vec();
            assert_eq!(ordered(pieces, low), expected);
        }
        let swapped =
            vec![row("▁ab", -1.0), row("a", -2.0), row("b", -2.0), row("d", next), row("zz", low), row("c", low)];
        assert_eq!(ordered(swapped, low), expected);
    }
}
