//! The pieces of one vocabulary in another: vocabularies tell in three ways where a word begins.

use super::Tokenizer;
use crate::error::{Error, Result};

/// How SentencePiece spells the beginning of a word.
const SPACE: &str = "\u{2581}";
/// How WordPiece spells what is no beginning.
const CONTINUED: &str = "##";
/// How byte-level BPE spells a space.
const BYTE_SPACE: &str = "\u{120}";

/// How a vocabulary tells beginnings of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// By what stands for the space before them.
    Spaces,
    /// By what stands before all other pieces.
    Continuations,
    /// As spaces, and every piece is spelled byte by byte, in letters that stand for bytes.
    Bytes,
}

/// For each id of a tokenizer the ids of the same in another: special tokens by what they are for, pieces as they are or as
/// the other cuts their text, and the unknown token for what is no text.
pub fn in_other(own: &Tokenizer, other: &Tokenizer) -> Result<Vec<Vec<u32>>> {
    let (a, b) = (own.specials(), other.specials());
    let specials = [(a.first, b.first), (a.pad, b.pad), (a.last, b.last), (a.unknown, b.unknown), (a.mask, b.mask)];
    let (pieces, of_own) = (Pieces::of(other)?, Pieces::of(own)?);
    let found = |id: u32| match specials.iter().find(|(own, _)| *own == id) {
        Some((_, special)) => Ok(vec![*special]),
        None => pieces.of_other(&of_own, id).map(|ids| if ids.is_empty() { vec![b.unknown] } else { ids }),
    };
    (0..own.n_ids() as u32).map(found).collect()
}

/// The pieces of a vocabulary, with what they stand for.
#[derive(Clone, Copy)]
struct Pieces<'a> {
    tokenizer: &'a Tokenizer,
    spelling: Spelling,
}

impl Pieces<'_> {
    /// Those of a tokenizer, whose spelling is that of most pieces.
    fn of(tokenizer: &Tokenizer) -> Result<Pieces<'_>> {
        let ways = [(SPACE, Spelling::Spaces), (CONTINUED, Spelling::Continuations), (BYTE_SPACE, Spelling::Bytes)];
        let pieces: Vec<String> = (0..tokenizer.n_ids() as u32).filter_map(|id| tokenizer.piece(id)).collect();
        let counted = ways.map(|(start, way)| (pieces.iter().filter(|piece| piece.starts_with(start)).count(), way));
        match counted.into_iter().max_by_key(|(n, _)| *n) {
            Some((n, spelling)) if n > 0 => Ok(Pieces { tokenizer, spelling }),
            _ => Err(Error::Data(format!(
                "{}: expected pieces that say where words begin ({SPACE}, {CONTINUED} or {BYTE_SPACE}), found none; take a \
                 tokenizer of SentencePiece, WordPiece or byte-level BPE",
                tokenizer.source()
            ))),
        }
    }

    /// The ids here of what is an id there: the same piece, or those that its text is cut into. None of what is no text.
    fn of_other(&self, other: &Pieces, id: u32) -> Result<Vec<u32>> {
        let Some(piece) = other.tokenizer.piece(id) else { return Ok(Vec::new()) };
        let same = self.tokenizer.id(&piece).filter(|_| self.spelling == other.spelling);
        match (same, other.text(id, &piece)) {
            (Some(id), _) => Ok(vec![id]),
            (None, Some((text, begins))) => self.ids(&text, begins),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// What a piece stands for, and whether a word begins there; none of a part of a letter.
    fn text(&self, id: u32, piece: &str) -> Option<(String, bool)> {
        let (text, begins) = match self.spelling {
            Spelling::Spaces => match piece.strip_prefix(SPACE) {
                Some(rest) => (rest.replace(SPACE, " "), true),
                None => (piece.replace(SPACE, " "), false),
            },
            Spelling::Continuations => match piece.strip_prefix(CONTINUED) {
                Some(rest) => (rest.to_owned(), false),
                None => (piece.to_owned(), true),
            },
            Spelling::Bytes => {
                let text = self.tokenizer.decode(&[id]);
                match text.strip_prefix(' ') {
                    Some(rest) => (rest.to_owned(), true),
                    None => (text, false),
                }
            }
        };
        (!text.contains(char::REPLACEMENT_CHARACTER)).then_some((text, begins))
    }

    /// The ids of a piece of text.
    fn ids(&self, text: &str, begins: bool) -> Result<Vec<u32>> {
        let tokenizer = self.tokenizer;
        let spaced = if begins { format!(" {text}") } else { text.to_owned() };
        match self.spelling {
            Spelling::Spaces => {
                if let Some(id) = tokenizer.id(&spaced.replace(' ', SPACE)) {
                    return Ok(vec![id]);
                }
                let mut ids = tokenizer.tokens(&spaced)?;
                if ids.len() > 1 && tokenizer.piece(ids[0]).as_deref() == Some(SPACE) {
                    ids.remove(0); // the beginning of a word, which says nothing by itself
                }
                Ok(ids)
            }
            Spelling::Continuations if begins => tokenizer.tokens(text),
            Spelling::Continuations => {
                let continued = |piece: &str| tokenizer.id(&format!("{CONTINUED}{piece}"));
                if let Some(id) = continued(text) {
                    return Ok(vec![id]);
                }
                let mut ids = tokenizer.tokens(text)?;
                if let Some(first) = ids.first_mut() {
                    *first = tokenizer.piece(*first).and_then(|piece| continued(&piece)).unwrap_or(*first);
                }
                Ok(ids)
            }
            Spelling::Bytes => tokenizer.tokens(&spaced),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::{fs, path::Path};

    fn load(folder: &Path, name: &str, text: &str) -> Tokenizer {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        Tokenizer::load(&path).unwrap()
    }

    fn word_piece(folder: &Path) -> Tokenizer {
        let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nhouse\ns\n##s\n##house\nt\n##t\n##h\n##e\nh\ne\n";
        load(folder, "vocab.txt", words)
    }

    fn unigram() -> Tokenizer {
        let texts = (0..60).map(|i| ["the house stands", "the houses are there", "é à the shouts"][i % 3].to_owned());
        Tokenizer::train_unigram(texts, 40, false).unwrap()
    }

    /// Bytes of UTF-8 in letters, `Ġ` before words; "é" is `Ã©`, and the letter é is the byte 0xE9 alone.
    pub(in crate::text) fn byte_level(folder: &Path) -> Tokenizer {
        let mut vocab: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map(String::from).to_vec();
        let printable = |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
        let mut n = 0;
        for byte in 0..256_u32 {
            let letter = if printable(byte) { byte } else { (256 + n, n += 1).0 };
            vocab.push(char::from_u32(letter).unwrap().to_string());
        }
        vocab.extend(["Ã©", "Ġt", "Ġth", "Ġthe", "th", "the"].map(String::from));
        let merges = ["Ã ©", "Ġ t", "Ġt h", "Ġth e", "t h", "th e"];
        let ids: serde_json::Map<String, serde_json::Value> =
            vocab.iter().enumerate().map(|(i, piece)| (piece.clone(), i.into())).collect();
        let special = |id: usize| {
            serde_json::json!({"id": id, "content": vocab[id], "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        };
        let text = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": (0..5).map(special).collect::<Vec<_>>(),
            "normalizer": null,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": true,
                "add_prefix_space": false},
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
                "end_of_word_suffix": "", "fuse_unk": false, "vocab": ids, "merges": merges},
        });
        load(folder, "tokenizer.json", &text.to_string())
    }

    #[test]
    fn beginnings_stay_beginnings_whatever_the_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let (words, bytes, spaces) = (word_piece(folder.path()), byte_level(folder.path()), unigram());
        let found = |to: &Tokenizer, from: &Tokenizer, piece: &str| -> Vec<String> {
            let id = from.id(piece).unwrap_or_else(|| panic!("{piece}"));
            let ids = Pieces::of(to).unwrap().of_other(&Pieces::of(from).unwrap(), id).unwrap();
            ids.iter().map(|id| to.piece(*id).unwrap()).collect()
        };
        assert_eq!(found(&words, &spaces, "s"), ["##s"]);
        assert_eq!(found(&words, &spaces, "\u{2581}the"), ["the"]);
        assert_eq!(found(&bytes, &spaces, "\u{2581}the"), ["Ġthe"]);
        assert_eq!(found(&bytes, &spaces, "é"), ["Ã©"]);
        assert_eq!(found(&spaces, &words, "the"), ["\u{2581}the"]);
        assert_eq!(found(&spaces, &words, "##s"), ["s"]);
        assert_eq!(found(&spaces, &bytes, "Ġthe"), ["\u{2581}the"]);
        assert_eq!(found(&spaces, &bytes, "Ã©"), ["é"]);
        assert_eq!(found(&bytes, &words, "##t"), ["t"]);
        assert_eq!(found(&bytes, &words, "the"), ["Ġthe"]);
        assert_eq!(found(&words, &bytes, "th"), ["##t", "##h"]);
        // Half of a letter is itself in a vocabulary of bytes, and nothing in another.
        assert_eq!(found(&bytes, &bytes, "Ã"), ["Ã"]);
        assert_eq!(found(&spaces, &bytes, "Ã"), [""; 0]);
        for (one, piece) in [(&words, "##house"), (&spaces, "\u{2581}the"), (&bytes, "é")] {
            assert_eq!(found(one, one, piece), [piece]);
        }
    }
}
