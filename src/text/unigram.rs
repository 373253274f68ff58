//! Unigram segmentation (Kudo, 2018): the most probable split of a text into pieces.
//!
//! Ours rather than the crate's because SentencePiece adds scores in `f32`, and ties and near-ties depend on it;
//! and because a flat trie loads and searches several times as fast as one hash map per node.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::Value;
use tokenizers::models::unigram::UnigramTrainer;
use tokenizers::{Model, Token};

/// SentencePiece's `kUnkPenalty`: an unknown character costs this much more than the rarest piece.
const UNKNOWN_PENALTY: f64 = 10.0;

/// Pieces with their log probabilities.
#[derive(Debug, Clone)]
pub(super) struct Unigram {
    vocab: Vec<(String, f64)>,
    unknown: u32,
    byte_fallback: bool,
    trie: Trie,
    /// Pieces that text never becomes: the special ones.
    excluded: Vec<bool>,
    /// User-defined pieces, whose score lets them win over smaller ones.
    whole: Vec<bool>,
    /// The highest score of a normal piece.
    highest: f64,
    unknown_score: f64,
    /// Whether scores come from a SentencePiece file, whose sums are `f32`.
    single: bool,
}

/// One piece of a segmented text: its id and the bytes it covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub id: u32,
    pub start: usize,
    pub end: usize,
}

/// The best way to reach a byte of the text.
#[derive(Clone, Copy)]
struct Best {
    score: f64,
    id: u32,
    start: usize,
}

const UNREACHED: Best = Best { score: f64::NEG_INFINITY, id: 0, start: usize::MAX };

impl Unigram {
    /// Ids are positions in `vocab`; `unknown` is the id of what no piece covers.
    pub fn new(vocab: Vec<(String, f64)>, unknown: usize, byte_fallback: bool) -> Result<Unigram, String> {
        if unknown >= vocab.len() {
            return Err(format!("the id of the unknown piece is {unknown}, but there are {} pieces", vocab.len()));
        }
        if let Some(i) = vocab.iter().position(|(piece, score)| piece.is_empty() || !score.is_finite()) {
            return Err(format!("piece {i} is empty or its score is not finite"));
        }
        let trie = Trie::new(&vocab)?;
        let single = vocab.iter().all(|(_, score)| f64::from(*score as f32) == *score);
        let (excluded, whole) = (vec![false; vocab.len()], vec![false; vocab.len()]);
        let unknown = unknown as u32;
        let (unknown_score, highest) = (0.0, 0.0);
        let mut unigram =
            Unigram { vocab, unknown, byte_fallback, trie, excluded, whole, highest, unknown_score, single };
        unigram.exclude(&[unknown]);
        Ok(unigram)
    }

    /// The same from the `model` object of a tokenizer.json.
    pub fn from_json(model: &mut Value) -> Result<Unigram, String> {
        let Some(Value::Array(rows)) = model.get_mut("vocab").map(Value::take) else {
            return Err("the Unigram model has no list \"vocab\"".to_string());
        };
        let row = |(i, row): (usize, Value)| match row {
            Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
                Ok([Value::String(piece), score]) if score.is_number() => Ok((piece, score.as_f64().unwrap_or(0.0))),
                _ => Err(format!("entry {i} of the Unigram vocabulary is not [piece, score]")),
            },
            _ => Err(format!("entry {i} of the Unigram vocabulary is not [piece, score]")),
        };
        let vocab = rows.into_iter().enumerate().map(row).collect::<Result<_, _>>()?;
        let unknown = model["unk_id"].as_u64().ok_or("the Unigram model names no \"unk_id\"")?;
        Unigram::new(vocab, unknown as usize, model["byte_fallback"].as_bool().unwrap_or(false))
    }

    /// Keeps text from becoming one of `ids`, as SentencePiece does for its control pieces.
    pub fn exclude(&mut self, ids: &[u32]) {
        for id in ids {
            if let Some(flag) = self.excluded.get_mut(*id as usize) {
                *flag = true;
            }
        }
        if self.byte_fallback {
            (0..=255)
                .filter_map(|byte| self.trie.id(&byte_piece(byte)))
                .for_each(|id| self.excluded[id as usize] = true);
        }
        self.take_bounds();
    }

    /// Scores `ids` so that text that holds one becomes it, as SentencePiece does for user-defined pieces.
    pub fn keep_whole(&mut self, ids: &[u32]) {
        for id in ids {
            if let Some(flag) = self.whole.get_mut(*id as usize) {
                *flag = true;
            }
        }
        self.take_bounds();
    }

    /// Finds the bounds of the normal pieces' scores, from which those of unknown text and of whole pieces come.
    fn take_bounds(&mut self) {
        let normal = (0..self.vocab.len()).filter(|id| !self.excluded[*id] && !self.whole[*id]);
        let bounds = normal.map(|id| self.vocab[id].1).fold(None, |bounds: Option<(f64, f64)>, score| {
            Some(bounds.map_or((score, score), |(low, high)| (low.min(score), high.max(score))))
        });
        let (lowest, highest) = bounds.unwrap_or((0.0, 0.0));
        self.highest = highest;
        self.unknown_score = self.add(lowest, -UNKNOWN_PENALTY);
    }

    /// The score of a piece of `length` bytes; a whole one's is SentencePiece's `length * max_score_ - 0.1`.
    fn score(&self, id: u32, length: usize) -> f64 {
        if self.whole[id as usize] {
            let longest = length as f64 * self.highest;
            return if self.single { f64::from(longest as f32) } else { longest } - 0.1;
        }
        self.vocab[id as usize].1
    }

    /// `a + b` in the precision of the file's scores.
    fn add(&self, a: f64, b: f64) -> f64 {
        if self.single { f64::from((a + b) as f32) } else { a + b }
    }

    /// The most probable pieces of `text`, in order; neighbouring unknown characters are one piece.
    pub fn segment(&self, text: &str) -> Vec<Span> {
        let mut best = vec![UNREACHED; text.len() + 1];
        best[0].score = 0.0;
        for (start, character) in text.char_indices() {
            let here = best[start].score;
            let next = start + character.len_utf8();
            let mut reaches_next = false;
            for (end, id) in self.trie.prefixes(text.as_bytes(), start) {
                if self.excluded[id as usize] {
                    continue;
                }
                reaches_next |= end == next;
                self.relax(&mut best[end], here, self.score(id, end - start), id, start);
            }
            if !reaches_next {
                self.relax(&mut best[next], here, self.unknown_score, self.unknown, start);
            }
        }
        self.backtrack(&best)
    }

    fn relax(&self, target: &mut Best, here: f64, score: f64, id: u32, start: usize) {
        let score = self.add(score, here);
        if target.start == usize::MAX || score > target.score {
            *target = Best { score, id, start };
        }
    }

    fn backtrack(&self, best: &[Best]) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut end = best.len() - 1;
        while end > 0 {
            let Best { id, start, .. } = best[end];
            match spans.last_mut() {
                Some(last) if id == self.unknown && last.id == id => last.start = start,
                _ => spans.push(Span { id, start, end }),
            }
            end = start;
        }
        spans.reverse();
        spans
    }

    /// The ids of `text`; with byte fallback an unknown stretch becomes the pieces of its bytes.
    pub fn ids(&self, text: &str) -> Vec<u32> {
        let spans = self.segment(text);
        if !self.byte_fallback {
            return spans.iter().map(|span| span.id).collect();
        }
        spans.iter().flat_map(|span| self.with_bytes(text, span)).collect()
    }

    /// The same with the bytes that each covers.
    pub fn tokens(&self, text: &str) -> Vec<Span> {
        let spans = self.segment(text).into_iter();
        let of = |span: Span| self.ids_of(text, &span).into_iter().map(move |id| Span { id, ..span });
        spans.flat_map(of).collect()
    }

    fn ids_of(&self, text: &str, span: &Span) -> Vec<u32> {
        if self.byte_fallback { self.with_bytes(text, span) } else { vec![span.id] }
    }

    fn with_bytes(&self, text: &str, span: &Span) -> Vec<u32> {
        let bytes = || text[span.start..span.end].bytes().map(|byte| self.trie.id(&byte_piece(byte))).collect();
        let ids: Option<Vec<u32>> = if span.id == self.unknown { bytes() } else { None };
        ids.unwrap_or_else(|| vec![span.id])
    }
}

fn byte_piece(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

impl Model for Unigram {
    type Trainer = UnigramTrainer;

    fn tokenize(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        let tokens = self.segment(text).into_iter().flat_map(|span| {
            let offsets = (span.start, span.end);
            let ids = if self.byte_fallback { self.with_bytes(text, &span) } else { vec![span.id] };
            ids.into_iter().map(move |id| Token::new(id, text[offsets.0..offsets.1].to_string(), offsets))
        });
        Ok(tokens.collect())
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.trie.id(token)
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.vocab.get(id as usize).map(|(piece, _)| piece.clone())
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        self.vocab.iter().zip(0..).map(|((piece, _), id)| (piece.clone(), id)).collect()
    }

    fn get_vocab_size(&self) -> usize {
        self.vocab.len()
    }

    fn save(&self, _: &Path, _: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        Err("a Unigram model is saved as a part of tokenizer.json".into())
    }

    fn get_trainer(&self) -> UnigramTrainer {
        UnigramTrainer::default()
    }
}

impl Serialize for Unigram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut model = serializer.serialize_struct("Unigram", 4)?;
        model.serialize_field("type", "Unigram")?;
        model.serialize_field("unk_id", &self.unknown)?;
        model.serialize_field("vocab", &self.vocab)?;
        model.serialize_field("byte_fallback", &self.byte_fallback)?;
        model.end()
    }
}

/// A byte trie in three flat arrays: nodes are numbered level by level, so a node's children are neighbours.
#[derive(Debug, Clone)]
struct Trie {
    /// The children of node `i` are `first[i]..first[i + 1]`.
    first: Vec<u32>,
    /// The byte that leads to a node.
    label: Vec<u8>,
    /// The id of the piece that ends in a node, or [`NO_PIECE`].
    id: Vec<u32>,
}

const NO_PIECE: u32 = u32::MAX;

impl Trie {
    fn new(vocab: &[(String, f64)]) -> Result<Trie, String> {
        let mut sorted: Vec<(&[u8], u32)> =
            vocab.iter().zip(0..).map(|((piece, _), id)| (piece.as_bytes(), id)).collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let (piece, a, b) = (String::from_utf8_lossy(pair[0].0), pair[0].1, pair[1].1);
            return Err(format!("the piece \"{piece}\" stands twice in the vocabulary, as {a} and as {b}"));
        }
        let mut trie = Trie { first: Vec::new(), label: vec![0], id: Vec::new() };
        let mut ranges = vec![(0, sorted.len(), 0)]; // of each node: the pieces below it, and its depth
        let mut node = 0;
        while let Some(&(mut low, high, depth)) = ranges.get(node) {
            let ends_here = low < high && sorted[low].0.len() == depth;
            trie.id.push(if ends_here { sorted[low].1 } else { NO_PIECE });
            trie.first.push(trie.label.len() as u32);
            low += usize::from(ends_here);
            while low < high {
                let byte = sorted[low].0[depth];
                let next = low + sorted[low..high].partition_point(|(piece, _)| piece[depth] == byte);
                trie.label.push(byte);
                ranges.push((low, next, depth + 1));
                low = next;
            }
            node += 1;
        }
        trie.first.push(trie.label.len() as u32);
        Ok(trie)
    }

    fn child(&self, node: usize, byte: u8) -> Option<usize> {
        let first = self.first[node] as usize;
        let children = &self.label[first..self.first[node + 1] as usize];
        children.binary_search(&byte).ok().map(|i| first + i)
    }

    /// The pieces that begin at `start`, shortest first: where each ends, and its id.
    fn prefixes(&self, text: &[u8], start: usize) -> impl Iterator<Item = (usize, u32)> {
        let mut node = 0;
        let nodes = (start..text.len()).map_while(move |at| {
            node = self.child(node, text[at])?;
            Some((at + 1, self.id[node]))
        });
        nodes.filter(|(_, id)| *id != NO_PIECE)
    }

    fn id(&self, piece: &str) -> Option<u32> {
        let node = piece.bytes().try_fold(0, |node, byte| self.child(node, byte))?;
        Some(self.id[node]).filter(|id| *id != NO_PIECE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unigram(pieces: &[(&str, f64)], byte_fallback: bool) -> Unigram {
        let vocab = pieces.iter().map(|(piece, score)| (piece.to_string(), *score)).collect();
        Unigram::new(vocab, 0, byte_fallback).unwrap()
    }

    #[test]
    fn the_most_probable_split_wins() {
        let model = unigram(
            &[("<unk>", 0.0), ("a", -4.0), ("b", -4.0), ("ab", -5.0), ("abé", -6.0), ("é", -5.0), ("aa", -8.0)],
            false,
        );
        for (text, ids) in [
            ("", &[][..]),
            ("a", &[1]),
            ("ab", &[3]),
            ("abé", &[4]),
            ("ba", &[2, 1]),
            ("aa", &[6]), // a tie: the earlier start of the last piece is seen first
            ("xyab", &[0, 3]),
            ("axyé", &[1, 0, 5]),
            ("<unk>", &[0]),
        ] {
            assert_eq!(model.ids(text), ids, "{text}");
        }
    }

    #[test]
    fn whole_pieces_are_never_cut() {
        // Scores of a whole piece do not count: here it would lose to "a" and "b" by far.
        let mut model = unigram(&[("<unk>", 0.0), ("a", -1.0), ("b", -1.0), ("ab", -50.0), ("abb", -9.0)], false);
        assert_eq!(model.ids("abb"), [1, 2, 2]);
        model.keep_whole(&[3]);
        assert_eq!(model.ids("bab"), [2, 1, 2]); // 2 * -1 - 0.1 is below the sum of the two: as in SentencePiece
        model.vocab[2].1 = -1.2;
        assert_eq!(model.ids("bab"), [2, 3]);
        assert_eq!(model.ids("zab"), [0, 3]);
    }

    #[test]
    fn unknown_text_falls_back_to_bytes() {
        let model = unigram(&[("<unk>", 0.0), ("a", -1.0), ("<0xC3>", 0.0), ("<0xA9>", 0.0)], true);
        assert_eq!(model.ids("aéa"), [1, 2, 3, 1]);
        assert_eq!(model.ids("az"), [1, 0]);
    }

    #[test]
    fn every_piece_is_found_again() {
        let model = unigram(&[("<unk>", 0.0), ("é", -1.0), ("éa", -1.5), ("è", -1.0), ("zz", -2.0)], false);
        for id in 0..5 {
            assert_eq!(model.token_to_id(&model.id_to_token(id).unwrap()), Some(id));
        }
        assert_eq!((model.token_to_id("z"), model.token_to_id("")), (None, None));
    }

    #[test]
    fn malformed_vocabularies_are_refused() {
        let row = |piece: &str, score| (piece.to_string(), score);
        for (vocab, unknown, expected) in [
            (vec![], 0, "id of the unknown piece"),
            (vec![row("a", 0.0)], 1, "id of the unknown piece"),
            (vec![row("a", f64::NAN)], 0, "not finite"),
            (vec![row("", 0.0)], 0, "empty"),
            (vec![row("u", 0.0), row("a", 0.0), row("a", -1.0)], 0, "stands twice"),
        ] {
            assert!(Unigram::new(vocab, unknown, false).unwrap_err().contains(expected));
        }
    }
}
