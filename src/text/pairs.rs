//! XLM's pieces: within a word pairs of them are joined in the order of the merges, `</w>` marking the last of a word.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use tokenizers::models::ModelWrapper;
use tokenizers::{Model, Token};

/// XLM's file of pairs of pieces that are joined, the first ones first.
pub const MERGES: &str = "merges.txt";
/// Marks the last piece of a word.
pub(super) const LAST: &str = "</w>";
/// Why there is no tokenizer.json of it.
pub(super) const NOT_JSON: &str = "XLM's pieces are kept in vocab.json and merges.txt";

/// Pieces, and how words fall into them. Merges may name pieces without an id: these have one behind all others here, and
/// are unknown where a word ends up with one.
pub(super) struct Pairs {
    bpe: ModelWrapper,
    n_ids: u32,
    unknown: u32,
}

impl Pairs {
    /// From the pieces with their ids and the text of the merges; `unknown` is the piece of what has none.
    pub fn new(mut vocabulary: Map<String, Value>, merges: &str, unknown: &str) -> Result<Pairs, String> {
        let n_ids = vocabulary.len();
        let mut seen = vec![false; n_ids];
        for (piece, id) in &vocabulary {
            match id.as_u64().and_then(|id| seen.get_mut(id as usize)) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(format!("the id {id} of \"{piece}\" is not one of 0 to {}, once each", n_ids - 1)),
            }
        }
        let unknown_id = vocabulary.get(unknown).and_then(Value::as_u64).ok_or(format!("it lacks \"{unknown}\""))?;
        let mut pairs = Vec::new();
        for (i, line) in merges.lines().enumerate() {
            let mut parts = line.split_whitespace(); // and how often it was seen
            let (Some(first), Some(second)) = (parts.next(), parts.next()) else {
                return Err(format!("line {} of {MERGES} beside it is \"{line}\", not two pieces", i + 1));
            };
            for piece in [first.to_owned(), second.to_owned(), format!("{first}{second}")] {
                let next = vocabulary.len();
                vocabulary.entry(piece).or_insert(json!(next));
            }
            pairs.push([first, second]);
        }
        let model = json!({
            "type": "BPE", "vocab": vocabulary, "merges": pairs, "unk_token": unknown, "end_of_word_suffix": LAST,
        });
        let bpe = serde_json::from_value(model).map_err(|error| error.to_string())?;
        Ok(Pairs { bpe, n_ids: n_ids as u32, unknown: unknown_id as u32 })
    }

    pub fn tokenize(&self, word: &str) -> tokenizers::Result<Vec<Token>> {
        let mut tokens = self.bpe.tokenize(word)?;
        tokens.iter_mut().filter(|token| token.id >= self.n_ids).for_each(|token| token.id = self.unknown);
        Ok(tokens)
    }

    pub fn token_to_id(&self, piece: &str) -> Option<u32> {
        self.bpe.token_to_id(piece).filter(|id| *id < self.n_ids)
    }

    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.bpe.id_to_token(id).filter(|_| id < self.n_ids)
    }

    pub fn get_vocab(&self) -> HashMap<String, u32> {
        self.bpe.get_vocab().into_iter().filter(|(_, id)| *id < self.n_ids).collect()
    }

    pub fn get_vocab_size(&self) -> usize {
        self.n_ids as usize
    }
}
