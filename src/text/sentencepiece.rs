//! Reads a SentencePiece model file: the protocol buffer `ModelProto` of `sentencepiece_model.proto`.

use serde::{Deserialize, Serialize};

/// What a SentencePiece model says and tokenizer.json has no words for, under SentencePiece's names.
///
/// It stands under [`Settings::KEY`] in the tokenizer_config.json beside a tokenizer.json that was made of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub add_dummy_prefix: bool,
    pub remove_extra_whitespaces: bool,
    pub user_defined_symbols: Vec<String>,
}

impl Settings {
    /// Where they stand in tokenizer_config.json.
    pub const KEY: &str = "sentencepiece";

    /// Whether tokenizer.json says all of this itself, given a rewrite table.
    pub fn is_plain(&self) -> bool {
        self.add_dummy_prefix && self.remove_extra_whitespaces && self.user_defined_symbols.is_empty()
    }
}

/// What the file says that matters for encoding.
#[derive(Debug, Default)]
pub(super) struct Proto {
    pub pieces: Vec<Piece>,
    /// 1 is Unigram.
    pub model_type: u64,
    pub byte_fallback: bool,
    pub space_as_suffix: bool,
    pub charsmap: Vec<u8>,
    pub add_dummy_prefix: bool,
    pub remove_extra_whitespaces: bool,
    pub escape_whitespaces: bool,
    /// Whether the settings of training and of normalization, which follow the pieces, are there.
    pub has_trainer: bool,
    pub has_normalizer: bool,
}

/// One entry of the vocabulary.
#[derive(Debug)]
pub(super) struct Piece {
    pub text: String,
    pub score: f32,
    pub kind: u64,
}

/// A normal piece (`SentencePiece.Type`).
pub(super) const NORMAL: u64 = 1;
/// The piece for unknown text.
pub(super) const UNKNOWN: u64 = 2;
/// A control symbol such as `<s>`.
pub(super) const CONTROL: u64 = 3;
/// A symbol that is never split.
pub(super) const USER_DEFINED: u64 = 4;
/// One byte of text that no piece covers.
pub(super) const BYTE: u64 = 6;

impl Proto {
    /// Reads the whole file; fields that do not matter are skipped, damaged ones are errors.
    pub fn parse(bytes: &[u8]) -> Result<Proto, String> {
        let mut proto = Proto {
            model_type: 1,
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
            ..Proto::default()
        };
        let mut reader = Reader { bytes, at: 0 };
        while let Some(field) = reader.field()? {
            match field {
                (1, Field::Bytes(piece)) => proto.pieces.push(Piece::parse(piece, proto.pieces.len())?),
                (2, Field::Bytes(trainer)) => {
                    proto.has_trainer = true;
                    proto.read_trainer(trainer)?;
                }
                (3, Field::Bytes(normalizer)) => {
                    proto.has_normalizer = true;
                    proto.read_normalizer(normalizer)?;
                }
                (1..=3, _) => return Err(format!("field {} is not a message", field.0)),
                _ => {}
            }
        }
        Ok(proto)
    }

    fn read_trainer(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut reader = Reader { bytes, at: 0 };
        while let Some(field) = reader.field()? {
            match field {
                (3, Field::Number(kind)) => self.model_type = kind,
                (24, Field::Number(flag)) => self.space_as_suffix = flag != 0,
                (35, Field::Number(flag)) => self.byte_fallback = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut reader = Reader { bytes, at: 0 };
        while let Some(field) = reader.field()? {
            match field {
                (2, Field::Bytes(charsmap)) => self.charsmap = charsmap.to_vec(),
                (3, Field::Number(flag)) => self.add_dummy_prefix = flag != 0,
                (4, Field::Number(flag)) => self.remove_extra_whitespaces = flag != 0,
                (5, Field::Number(flag)) => self.escape_whitespaces = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Piece {
    fn parse(bytes: &[u8], index: usize) -> Result<Piece, String> {
        let mut piece = Piece { text: String::new(), score: 0.0, kind: NORMAL };
        let mut reader = Reader { bytes, at: 0 };
        while let Some(field) = reader.field().map_err(|error| format!("piece {index}: {error}"))? {
            match field {
                (1, Field::Bytes(text)) => {
                    piece.text = String::from_utf8(text.to_vec()).map_err(|_| format!("piece {index} is not UTF-8"))?;
                }
                (2, Field::Fixed32(bits)) => piece.score = f32::from_bits(bits),
                (3, Field::Number(kind)) => piece.kind = kind,
                (1..=3, _) => return Err(format!("piece {index}: field {} has the wrong type", field.0)),
                _ => {}
            }
        }
        Ok(piece)
    }
}

/// The value of one field.
enum Field<'a> {
    Number(u64),
    Fixed32(u32),
    Fixed64,
    Bytes(&'a [u8]),
}

/// Reads the fields of one message.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next field's number and value, or nothing at the end.
    fn field(&mut self) -> Result<Option<(u64, Field<'a>)>, String> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed64)?,
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => {
                let bytes = self.take(4)?;
                Field::Fixed32(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            }
            wire => return Err(format!("wire type {wire} at byte {start} does not exist")),
        };
        match key >> 3 {
            0 => Err(format!("field number 0 at byte {start}")),
            number => Ok(Some((number, field))),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or_else(|| {
            format!("a field of {length} bytes begins at byte {}, where {} are left", self.at, rest.len())
        })?;
        self.at += length;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let start = self.at;
        let mut number = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(format!("a number longer than 64 bits at byte {start}"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn message(number: u8, content: &[u8]) -> Vec<u8> {
        let (low, high) = ((content.len() & 0x7f) as u8 | 0x80, (content.len() >> 7) as u8);
        [&[number << 3 | 2, low, high][..], content].concat()
    }

    /// One `SentencePiece` field.
    pub fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
        let score = [&[2 << 3 | 5][..], &score.to_le_bytes()].concat();
        message(1, &[message(1, text.as_bytes()), score, vec![3 << 3, kind]].concat())
    }

    /// A model of the given type in XLM-R's layout with the pieces `▁`, `a`, `ab`.
    pub fn small_model(model_type: u8, charsmap: &[u8]) -> Vec<u8> {
        let front = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)];
        model_of(&[&front[..], &[("▁", -1.0, 1), ("a", -2.0, 1), ("ab", -2.5, 1)]].concat(), model_type, charsmap)
    }

    /// A model of these pieces.
    pub fn model_of(pieces: &[(&str, f32, u8)], model_type: u8, charsmap: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> = pieces.iter().flat_map(|(text, score, kind)| piece(text, *score, *kind)).collect();
        bytes.extend(message(2, &[3 << 3, model_type]));
        bytes.extend(message(3, &message(2, charsmap)));
        bytes
    }

    #[test]
    fn fields_are_read() {
        let proto = Proto::parse(&small_model(1, b"table")).unwrap();
        assert_eq!(proto.pieces.len(), 6);
        assert_eq!((proto.pieces[5].text.as_str(), proto.pieces[5].score, proto.pieces[1].kind), ("ab", -2.5, CONTROL));
        assert_eq!((proto.model_type, &proto.charsmap[..], proto.add_dummy_prefix), (1, &b"table"[..], true));
    }

    #[test]
    fn damage_is_reported() {
        let good = small_model(1, b"table");
        for cut in 1..good.len() {
            if let Ok(proto) = Proto::parse(&good[..cut]) {
                assert!(proto.pieces.len() < 6 || proto.charsmap.is_empty(), "cut at {cut}");
            }
        }
        for bad in [&[0xff; 20][..], &[0x0b], &[0x08], &[0x08, 0x01], &[0x02, 0x00], b"\x0a\x03\x0a\x01\xff"] {
            assert!(Proto::parse(bad).is_err(), "{bad:?}");
        }
    }
}
