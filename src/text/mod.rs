//! Text to ids: tokenizer files of XLM-R, mBERT, DeBERTa and their relatives, and training a vocabulary of one's own.
//!
//! The pipeline is the `tokenizers` crate's. Unigram models are segmented by our own code, and where a file is a
//! SentencePiece model in disguise, text is normalized as SentencePiece does it too: the ids are those the model
//! was pre-trained with, from `sentencepiece.bpe.model` or `spm.model` and from a `tokenizer.json` made of it alike.
//! XLM's `vocab.json` and `merges.txt` come without a `tokenizer.json`: its words are Moses's, which are ours too.

mod added;
mod charsmap;
mod engine;
mod guard;
mod moses;
mod pairs;
mod pieces;
mod rules;
mod sentencepiece;
mod train;
mod unigram;
mod words;
mod xlm;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::{Encoding, Token};

use crate::error::{Error, Result};
use crate::input;
pub use added::{SPECIALS, TOKENS as ADDED};
use engine::{BERT, Engine, Subwords, XLMR};
pub(crate) use guard::guarded;
use moses::Moses;
pub use pairs::MERGES;
pub use pieces::in_other;
use rules::Rules;
use sentencepiece::Settings;
use xlm::Xlm;
pub use xlm::{PREFIXES, VOCABULARY};

/// What a model folder may hold, in the order of preference.
pub const FILES: [&str; 5] = ["tokenizer.json", "sentencepiece.bpe.model", "vocab.txt", "spm.model", VOCABULARY];

/// One encoded sequence or pair.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// The segment of each token: 0, or 1 for the second sequence in models that tell them apart.
    pub types: Vec<u32>,
    /// By how many tokens the second sequence comes after the first.
    pub second: usize,
    /// How many of the ids are the unknown token.
    pub n_unknown: usize,
    /// How many tokens were cut off.
    pub n_truncated: usize,
}

/// The ids with a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Specials {
    /// `<s>` or `[CLS]`.
    pub first: u32,
    /// `<pad>` or `[PAD]`.
    pub pad: u32,
    /// `</s>` or `[SEP]`.
    pub last: u32,
    /// `<unk>` or `[UNK]`.
    pub unknown: u32,
    /// `<mask>` or `[MASK]`.
    pub mask: u32,
}

/// Splits text into tokens and numbers them; cheap to clone.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
    frames: Frames,
    /// The languages that the model tells apart, and their numbers.
    languages: Arc<BTreeMap<String, u32>>,
    /// How a first and a second sequence are read.
    sides: [Side; 2],
}

/// The language of a sequence.
#[derive(Clone, Default)]
struct Side {
    /// Its number in the model, where that tells languages apart.
    number: Option<u32>,
    /// The rules of its words, where the tokenizer has such.
    rules: Option<Arc<Moses>>,
}

/// How a sequence and a pair are framed by special tokens.
#[derive(Clone)]
struct Frames {
    single: Arc<[Slot]>,
    pair: Arc<[Slot]>,
}

struct Inner {
    engine: Engine,
    /// SentencePiece's normalization, where the file came from there.
    rules: Option<Rules>,
    /// What comes before pieces, where the files are XLM's.
    xlm: Option<Xlm>,
    specials: Specials,
    special_ids: Vec<u32>,
    n_ids: usize,
    /// Whether a word in the middle of a text is another than alone, unless a space is put before it.
    spaced: bool,
    /// What error messages call it.
    source: String,
    /// What the user should know of how its files were read.
    notes: Vec<String>,
}

/// A place in the template of an encoded sequence or pair, with its type.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slot {
    Special(u32, u32),
    First(u32),
    Second(u32),
}

impl Tokenizer {
    /// Loads a model folder (tokenizer.json, else sentencepiece.bpe.model, vocab.txt, spm.model or XLM's vocab.json, which
    /// comes first where tokenizer_config.json is XLM's) or one such file.
    ///
    /// A vocab.txt is read in lower case if the tokenizer_config.json beside it says `do_lower_case`; if it says nothing,
    /// where pieces have no capitals, and [`Tokenizer::notes`] says so. Where that file and a BERT tokenizer.json disagree,
    /// it is followed, as in transformers. Tokens are added that `added_tokens_decoder` in it, `added_tokens.json` and lists
    /// of further special tokens name beside a vocab.txt or a tokenizer.json.
    pub fn load(path: &Path) -> Result<Tokenizer> {
        let file = find_file(path)?;
        let bytes = input::read(&file)?;
        let config = json_beside(&file, CONFIG)?;
        let source = file.display().to_string();
        let is_xlm = file.file_name().is_some_and(|name| name == xlm::VOCABULARY);
        let kind = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let (expected, remedy) = match kind {
            "json" if is_xlm => (
                "XLM's vocab.json with merges.txt beside it",
                "a tokenizer.json from the model's page is read for any model",
            ),
            "json" => ("a tokenizer.json of the tokenizers library", "export the tokenizer again with save_pretrained"),
            "model" => (
                "a SentencePiece Unigram model in XLM-R's, CamemBERT's or DeBERTa's layout",
                "fetch it again, or use its tokenizer.json",
            ),
            "txt" => ("a BERT vocabulary, one token a line", "fetch it again from the model's page"),
            _ => ("a file named *.json, *.model or *.txt", "give one of these, or the folder that holds it"),
        };
        let config = if kind == "txt" { added::with_specials(config, &json_beside(&file, SPECIALS)?) } else { config };
        let has_added = kind != "model" && !is_xlm;
        let added = if has_added { json_beside(&file, ADDED)? } else { Value::Null };
        let engine = || match kind {
            _ if bytes.is_empty() => Err("it is empty".to_string()),
            _ if bytes.starts_with(b"version https://git-lfs") => Err("it is a pointer of Git LFS".to_string()),
            "json" => engine::from_json(&bytes).and_then(|engine| Ok((engine, settings(&config)?))),
            "model" => {
                let model_type = json_beside(&file, "config.json").map_err(|error| error.to_string())?;
                let model_type = model_type["model_type"].as_str();
                let made = engine::from_sentencepiece(&bytes, &config, model_type);
                made.map(|(engine, settings)| (engine, Some(settings)))
            }
            "txt" => match str::from_utf8(&bytes) {
                Ok(text) => engine::from_vocab(text, &config).map(|engine| (engine, None)),
                Err(error) => Err(format!("it is not UTF-8 from byte {} on", error.valid_up_to())),
            },
            _ => Err(format!("its name ends in \"{kind}\"")),
        };
        let built = guarded(|| {
            if is_xlm && !bytes.is_empty() {
                let (engine, xlm, specials) = xlm::load(&file, &bytes, &config)?;
                let notes = xlm.notes();
                return Tokenizer::new(engine, None, Some(xlm), &specials, source.clone(), notes);
            }
            let (mut engine, settings) = engine()?;
            let mut notes = engine::follow_config(&mut engine, &config)?;
            if has_added {
                added::add(&mut engine, &config, &added)?;
            }
            if kind == "txt" && !config[engine::LOWER].is_boolean() {
                let lower =
                    matches!(engine.get_normalizer(), Some(NormalizerWrapper::BertNormalizer(it)) if it.lowercase);
                let read = match lower {
                    true => "no piece has capitals: texts are read in lower case",
                    false => "pieces have capitals: texts are read as they are (by transformers in lower case)",
                };
                notes.push(format!(
                    "{CONFIG} beside it does not say {}, and {read}; write true or false there",
                    engine::LOWER
                ));
            }
            if xlm::is_meant(&config) {
                notes.push(format!(
                    "{CONFIG} beside it is of XLM's own tokenizer, whose {} is not here: it is followed as it is",
                    xlm::VOCABULARY
                ));
            }
            Tokenizer::new(engine, settings, None, &config, source.clone(), notes)
        });
        built
            .unwrap_or_else(|panic| Err(format!("reading it failed ({panic})")))
            .map_err(|found| Error::Data(format!("{source}: expected {expected}, but {found}; {remedy}")))
    }

    /// Trains a SentencePiece-style Unigram vocabulary in XLM-R's layout: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3,
    /// pieces, `<mask>` last. Has exactly `vocab_size` ids, or fewer ([`Tokenizer::n_ids`] tells) where the texts
    /// hold no more pieces that pay. With `do_lower_case` it reads every text in lower case. The same texts in the same
    /// order give the same bytes.
    pub fn train_unigram(
        texts: impl Iterator<Item = String>,
        vocab_size: usize,
        do_lower_case: bool,
    ) -> Result<Tokenizer> {
        let engine = train::unigram(texts, vocab_size, do_lower_case)?;
        let source = "the trained tokenizer".to_string();
        let tokenizer = Tokenizer::new(engine, None, None, &Value::Null, source, Vec::new());
        tokenizer.map_err(|reason| Error::Data(format!("the trained tokenizer is not usable: {reason}")))
    }

    fn new(
        mut engine: Engine,
        settings: Option<Settings>,
        xlm: Option<Xlm>,
        config: &Value,
        source: String,
        notes: Vec<String>,
    ) -> Result<Tokenizer, String> {
        let specials = find_specials(&engine, config)?;
        let Specials { first, pad, last, unknown, mask } = specials;
        let added = engine.get_added_tokens_decoder();
        let special_added = added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id);
        let mut special_ids: Vec<u32> = special_added.chain([first, pad, last, unknown, mask]).collect();
        special_ids.sort_unstable();
        special_ids.dedup();
        let largest = match engine.get_model() {
            Subwords::Unigram(model) => tokenizers::Model::get_vocab_size(model).saturating_sub(1) as u32,
            Subwords::Pairs(model) => model.get_vocab_size().saturating_sub(1) as u32,
            Subwords::Other(model) => tokenizers::Model::get_vocab(&**model).into_values().max().unwrap_or(0),
        };
        let n_ids = added.keys().copied().fold(largest, u32::max) as usize + 1;
        let rules = Rules::of(&engine, settings)?;
        engine = with_kinds_of_pieces(engine, &special_ids, rules.as_ref().map_or(&[], Rules::whole));
        let frames = Frames { single: template(&engine, Form::Single)?, pair: template(&engine, Form::Pair)? };
        frames.check(specials, n_ids)?;
        let rules_of_words = xlm.as_ref().map(|xlm| xlm.rules(xlm::ENGLISH)).transpose()?;
        let side = Side { number: None, rules: rules_of_words };
        let inner = Inner { engine, rules, xlm, specials, special_ids, n_ids, spaced: false, source, notes };
        let (languages, sides) = (Arc::default(), [side.clone(), side]);
        let mut tokenizer = Tokenizer { inner: Arc::new(inner), frames, languages, sides };
        let [text, bare, spaced] = ["A first text", "text", " text"].map(|text| tokenizer.split(text));
        let (text, bare, spaced) = (text?, bare?, spaced?);
        let needs_space = text.ends_with(&spaced) && spaced != bare;
        Arc::get_mut(&mut tokenizer.inner).expect("nobody else has it yet").spaced = needs_space;
        Ok(tokenizer)
    }

    /// Encodes a sequence, or a pair if `b` is given, in at most `max_length` ids with the special tokens.
    ///
    /// What is too long loses its last tokens one by one from the longer sequence, on a tie from the second. So do
    /// BERT's and XTREME's scripts and transformers in Python; its Rust tokenizers differ by one token on a tie.
    pub fn encode(&self, a: &str, b: Option<&str>, max_length: usize) -> Result<Encoded> {
        let (a, b) = (self.tokens(a)?, b.map(|b| self.turned().tokens(b)).transpose()?);
        self.assemble(&a, b.as_deref(), max_length)
    }

    /// [`Tokenizer::encode`] for many sequences or pairs, in all threads, in their order.
    pub fn encode_batch(&self, texts: &[(&str, Option<&str>)], max_length: usize) -> Result<Vec<Encoded>> {
        texts.par_iter().map(|(a, b)| self.encode(a, *b, max_length)).collect()
    }

    /// The ids of a text alone, without special tokens around it and at any length: for words to be labelled.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let ids = guarded(|| self.split(text)).unwrap_or_else(|panic| Err(format!("a failure inside ({panic})")));
        ids.map_err(|reason| {
            let start: String = text.chars().take(60).collect();
            let source = &self.inner.source;
            Error::Data(format!(
                "{source}: cannot encode the text that begins {start:?}: {reason}; leave that text out"
            ))
        })
    }

    /// The ids of a word of a text that is given word by word, as it would have them among others: byte-level BPE and some
    /// SentencePiece models know a word by the space before it.
    pub fn word_tokens(&self, word: &str) -> Result<Vec<u32>> {
        if self.inner.spaced { self.tokens(&format!(" {word}")) } else { self.tokens(word) }
    }

    /// The ids of the text of a pair that comes second, each with the bytes that it covers, without spaces around them: for
    /// answers that stand in it. XLM's rules rewrite texts, so that each of its ids covers the word between spaces.
    pub fn placed_tokens(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>> {
        let found = guarded(|| self.place(text)).unwrap_or_else(|panic| Err(format!("a failure inside ({panic})")));
        let tokens = found.map_err(|reason| {
            let start: String = text.chars().take(60).collect();
            let source = &self.inner.source;
            Error::Data(format!("{source}: cannot place the tokens of the text that begins {start:?}: {reason}"))
        })?;
        let without_spaces = |(id, bytes): (u32, Range<usize>)| {
            let part = &text[bytes.clone()];
            let start = bytes.start + part.len() - part.trim_start().len();
            (id, start..start.max(bytes.end - (part.len() - part.trim_end().len())))
        };
        Ok(tokens.into_iter().map(without_spaces).collect())
    }

    fn place(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, String> {
        let engine = &self.inner.engine;
        if let (Some(xlm), Some(rules)) = (&self.inner.xlm, &self.sides[1].rules) {
            return xlm.placed(text, rules, engine);
        }
        let (Some(rules), Subwords::Unigram(model)) = (&self.inner.rules, engine.get_model()) else {
            let encoding = engine.encode(text, false).map_err(|error| error.to_string())?;
            let bytes = encoding.get_offsets().iter().map(|(start, end)| *start..*end);
            return Ok(encoding.get_ids().iter().copied().zip(bytes).collect());
        };
        rules.tokens(text, model).ok_or_else(|| "added tokens stand in normalized text".to_owned())
    }

    fn split(&self, text: &str) -> Result<Vec<u32>, String> {
        let engine = &self.inner.engine;
        if let (Some(xlm), Some(rules)) = (&self.inner.xlm, &self.sides[0].rules) {
            return xlm.ids(text, rules, engine);
        }
        let (Some(rules), Subwords::Unigram(model)) = (&self.inner.rules, engine.get_model()) else {
            let encoding = engine.encode_fast(text, false).map_err(|error| error.to_string())?;
            return Ok(encoding.get_ids().to_vec());
        };
        Ok(rules.ids(text, model))
    }

    /// How many special tokens stand before the first sequence.
    pub fn n_leading(&self) -> usize {
        self.frames.single.iter().take_while(|slot| matches!(slot, Slot::Special(..))).count()
    }

    /// Frames the tokens of a sequence or pair by special tokens, cut to `max_length` as [`Tokenizer::encode`] does.
    pub fn assemble(&self, a: &[u32], b: Option<&[u32]>, max_length: usize) -> Result<Encoded> {
        let (slots, what) = if b.is_some() { (&self.frames.pair, "pair") } else { (&self.frames.single, "sequence") };
        let n_special = slots.iter().filter(|slot| matches!(slot, Slot::Special(..))).count();
        let room = max_length.checked_sub(n_special).ok_or_else(|| {
            let reason = format!("max_length is {max_length}, but a {what} has {n_special} special tokens");
            Error::Config(format!("{reason} (of {}); set it higher", self.inner.source))
        })?;
        let (a_number, b_number) = self.numbers()?;
        let b = b.unwrap_or_default();
        let (n_a, n_b) = longest_first(a.len(), b.len(), room);
        let mut encoded = Encoded { n_truncated: a.len() - n_a + b.len() - n_b, ..Encoded::default() };
        let mut first = 0;
        for slot in slots.iter() {
            let (ids, kind) = match slot {
                Slot::Special(id, kind) => (std::slice::from_ref(id), kind),
                Slot::First(kind) => {
                    first = encoded.ids.len();
                    (&a[..n_a], kind)
                }
                Slot::Second(kind) => {
                    encoded.second = encoded.ids.len() - first;
                    (&b[..n_b], kind)
                }
            };
            encoded.ids.extend_from_slice(ids);
            encoded.types.resize(encoded.ids.len(), *kind);
        }
        if let (Some(a_number), Some(b_number)) = (a_number, b_number) {
            // What stands between the two belongs to the second, as XLM was pre-trained.
            let of_b = if slots.len() > 3 { first + n_a } else { encoded.ids.len() };
            encoded.types = (0..encoded.ids.len()).map(|i| if i < of_b { a_number } else { b_number }).collect();
        }
        encoded.n_unknown = encoded.ids.iter().filter(|id| **id == self.inner.specials.unknown).count();
        Ok(encoded)
    }

    /// The text of ids, special tokens included, for people to read.
    pub fn decode(&self, ids: &[u32]) -> String {
        match guarded(|| self.inner.engine.decode(ids, false)) {
            Ok(Ok(text)) => text,
            _ => format!("{ids:?}"),
        }
    }

    /// The token of an id, as its file spells it.
    pub fn piece(&self, id: u32) -> Option<String> {
        self.inner.engine.id_to_token(id)
    }

    /// The id of a token, as its file spells it.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.inner.engine.token_to_id(piece)
    }

    /// One more than the largest id: the rows an embedding table needs.
    pub fn n_ids(&self) -> usize {
        self.inner.n_ids
    }

    /// What messages call it: the file that it came from.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// What the user should know of how its files were read.
    pub fn notes(&self) -> &[String] {
        &self.inner.notes
    }

    /// The same tokenizer for a model that knows `n_types` token types: a model with one type gets no other, whatever the
    /// template says, as RoBERTa with BERT's tokenizer in transformers; a template with more than the model has is refused.
    pub fn with_types(&self, n_types: usize) -> Result<Tokenizer> {
        let frames = match n_types {
            1 => self.frames.of_one_type(),
            _ => self.frames.clone(),
        };
        match frames.highest_type() {
            highest if (highest as usize) < n_types => Ok(Tokenizer { frames, ..self.clone() }),
            highest => Err(Error::Data(format!(
                "{}: its template gives the token type {highest}, and the model's config.json has a type_vocab_size of \
                 {n_types}; take tokenizer and model from one folder",
                self.inner.source
            ))),
        }
    }

    /// The same tokenizer for a model that tells these languages apart, by their numbers: token types are languages then,
    /// and nothing is framed before [`Tokenizer::in_languages`] names them.
    pub fn with_languages(&self, languages: BTreeMap<String, u32>) -> Tokenizer {
        Tokenizer { languages: Arc::new(languages), ..self.clone() }
    }

    /// The languages that the model tells apart, if it does.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    /// Whether ids or types depend on the language of a text.
    pub fn minds_languages(&self) -> bool {
        self.inner.xlm.is_some() || !self.languages.is_empty()
    }

    /// The same tokenizer for sequences in the first language, and seconds of pairs in the second: by the names of
    /// [`Tokenizer::languages`], or where there are none by codes of ISO 639-1.
    pub fn in_languages(&self, first: &str, second: &str) -> Result<Tokenizer> {
        let side = |language: &str| {
            let number = self.languages.get(language).copied();
            if number.is_none() && !self.languages.is_empty() {
                let (source, known) = (&self.inner.source, self.languages().collect::<Vec<_>>().join(", "));
                return Err(Error::Data(format!(
                    "{source}: the model has no embedding of the language \"{language}\"; it has those of {known} (lang2id in \
                     config.json): name languages among them, or take another model"
                )));
            }
            let rules = self.inner.xlm.as_ref().map(|xlm| xlm.rules(language)).transpose();
            let rules = rules.map_err(|reason| Error::Data(format!("{}: {reason}", self.inner.source)))?;
            Ok(Side { number, rules })
        };
        let of_first = side(first)?;
        let of_second = if second == first { of_first.clone() } else { side(second)? };
        Ok(Tokenizer { sides: [of_first, of_second], ..self.clone() })
    }

    /// The same tokenizer for pairs whose sides are exchanged: what it reads alone is in the language of seconds.
    pub fn turned(&self) -> Tokenizer {
        let [first, second] = self.sides.clone();
        Tokenizer { sides: [second, first], ..self.clone() }
    }

    /// The numbers of the languages of both sides, where the model tells languages apart.
    fn numbers(&self) -> Result<(Option<u32>, Option<u32>)> {
        let numbers = (self.sides[0].number, self.sides[1].number);
        match self.languages.is_empty() || numbers.0.is_some() {
            true => Ok(numbers),
            false => Err(Error::Data(format!(
                "{}: the model adds an embedding of the language to each token, and nothing says in which language the text \
                 is; name it (rxlt predict --language)",
                self.inner.source
            ))),
        }
    }

    /// The ids with a meaning of their own.
    pub fn specials(&self) -> Specials {
        self.inner.specials
    }

    /// Whether an id stands for something else than text.
    pub fn is_special(&self, id: u32) -> bool {
        self.inner.special_ids.binary_search(&id).is_ok()
    }

    /// Writes tokenizer.json, or XLM's own files, and tokenizer_config.json, which transformers' `AutoTokenizer` loads.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.write(folder, &self.inner.engine)
    }

    /// The same for a model that is given words: a file that puts the space before them itself, as [`Tokenizer::word_tokens`]
    /// does where a vocabulary knows words by it. Where a file has no such place, `note` is told what its users must do.
    pub fn save_for_words(&self, folder: &Path, note: impl FnOnce(&str)) -> Result<()> {
        if !self.inner.spaced {
            return self.save(folder);
        }
        match words::spaced(&self.inner.engine) {
            Some(engine) => self.write(folder, &engine),
            None => {
                note(
                    "words are read with a space before each, which its tokenizer.json cannot say: where others load the model, \
                     give words so",
                );
                self.save(folder)
            }
        }
    }

    fn write(&self, folder: &Path, engine: &Engine) -> Result<()> {
        let write = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, content).map_err(|error| Error::write(&path, &error))
        };
        let failed = |reason| Error::Output(format!("cannot write {} as tokenizer.json: {reason}", self.inner.source));
        let config = serde_json::to_string_pretty(&self.config()).map_err(|error| failed(error.to_string()))?;
        if let Some(xlm) = &self.inner.xlm {
            xlm.files().iter().try_for_each(|(name, content)| write(name, content))?;
        } else {
            let json = guarded(|| engine.to_string(false)).map_err(failed)?;
            let json = json.map_err(|error| failed(error.to_string()))?;
            write(FILES[0], (json + "\n").as_bytes())?;
        }
        write(CONFIG, (config + "\n").as_bytes())
    }

    fn config(&self) -> Value {
        let Specials { first, pad, last, unknown, mask } = self.inner.specials;
        let name = |id| self.inner.engine.id_to_token(id);
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": name(first), "eos_token": name(last), "cls_token": name(first), "sep_token": name(last),
            "pad_token": name(pad), "unk_token": name(unknown), "mask_token": name(mask),
            "clean_up_tokenization_spaces": false,
            "model_input_names": ["input_ids", "attention_mask"],
        });
        for (key, value) in self.inner.xlm.iter().flat_map(Xlm::settings) {
            config[key] = value;
        }
        if let Some(rules) = &self.inner.rules {
            // Under another class's name than the general one, transformers would lay out XLM-R's specials.
            if name(first).as_deref() != Some(BERT[0]) {
                config["tokenizer_class"] = json!("XLMRobertaTokenizerFast");
            }
            if let Some(settings) = &rules.settings {
                config[Settings::KEY] = json!(settings);
            }
        }
        if let (Subwords::Other(model), Some(NormalizerWrapper::BertNormalizer(normalizer))) =
            (self.inner.engine.get_model(), self.inner.engine.get_normalizer())
            && let ModelWrapper::WordPiece(_) = **model
        {
            config["tokenizer_class"] = json!("BertTokenizerFast");
            if self.frames.highest_type() > 0 {
                config["model_input_names"] = json!(["input_ids", "token_type_ids", "attention_mask"]);
            }
            config["do_lower_case"] = json!(normalizer.lowercase);
            config["strip_accents"] = json!(normalizer.strip_accents);
            config["tokenize_chinese_chars"] = json!(normalizer.handle_chinese_chars);
        }
        config
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Tokenizer({}, {} ids)", self.inner.source, self.inner.n_ids)
    }
}

/// The settings file beside a tokenizer.
const CONFIG: &str = "tokenizer_config.json";

/// [`FILES`] in the order in which they are looked for in a folder.
pub fn order(folder: &Path) -> [&'static str; 5] {
    let mut files = FILES;
    if json_beside(&folder.join(CONFIG), CONFIG).is_ok_and(|config| xlm::is_meant(&config)) {
        files.rotate_right(1);
    }
    files
}

fn find_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    order(path).iter().map(|name| path.join(name)).find(|file| file.exists()).ok_or_else(|| {
        let (folder, names) = (path.display(), FILES.join(", "));
        Error::Missing(format!("{folder}: no tokenizer here (looked for {names}); copy one of them from the model"))
    })
}

/// What the JSON file of this name beside `file` holds, or null.
fn json_beside(file: &Path, name: &str) -> Result<Value> {
    let path = file.with_file_name(name);
    if !path.exists() {
        return Ok(Value::Null);
    }
    let bytes = input::read(&path)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::Data(format!("{}: expected JSON, but {error}; mend the file or remove it", path.display()))
    })
}

/// The special tokens by the names in `config`, else by XLM-R's names or BERT's, whichever the vocabulary has.
fn find_specials(engine: &Engine, config: &Value) -> Result<Specials, String> {
    let usual = if engine.token_to_id(BERT[0]).is_some() { BERT } else { XLMR };
    let keys = ["cls_token", "pad_token", "sep_token", "unk_token", "mask_token"];
    let mut ids = [0; 5];
    for (id, (key, usual)) in ids.iter_mut().zip(keys.into_iter().zip(usual)) {
        let name = engine::name_in(&config[key]).unwrap_or(usual);
        let found = engine.token_to_id(name);
        *id = found.ok_or_else(|| format!("its vocabulary lacks the special token \"{name}\" ({key})"))?;
    }
    let [first, pad, last, unknown, mask] = ids;
    Ok(Specials { first, pad, last, unknown, mask })
}

/// What tokenizer_config.json says of the SentencePiece model that a tokenizer.json was made of.
fn settings(config: &Value) -> Result<Option<Settings>, String> {
    let Some(settings) = config.get(Settings::KEY) else { return Ok(None) };
    let found = Settings::deserialize(settings);
    found.map(Some).map_err(|error| format!("\"{}\" in {CONFIG} beside it is damaged ({error})", Settings::KEY))
}

/// Keeps text such as full-width `＜ｓ＞` from becoming a special token once it is normalized, and user-defined symbols
/// in one piece.
fn with_kinds_of_pieces(mut engine: Engine, special_ids: &[u32], symbols: &[String]) -> Engine {
    if let Subwords::Unigram(model) = engine.get_model() {
        let mut model = model.clone();
        model.exclude(special_ids);
        let ids = symbols.iter().filter_map(|symbol| tokenizers::Model::token_to_id(&model, symbol));
        model.keep_whole(&ids.collect::<Vec<u32>>());
        engine.with_model(Subwords::Unigram(model));
    }
    engine
}

/// What is framed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Single,
    Pair,
}

/// Learns from two marked tokens how the post-processor frames a sequence or a pair.
fn template(engine: &Engine, form: Form) -> Result<Arc<[Slot]>, String> {
    let mark = |id| Encoding::from_tokens(vec![Token::new(id, String::new(), (0, 0))], 0);
    let (a, b) = (u32::MAX, u32::MAX - 1);
    let second = (form == Form::Pair).then(|| mark(b));
    let framed = engine.post_process(mark(a), second, true).map_err(|error| error.to_string())?;
    let slots = framed.get_ids().iter().zip(framed.get_type_ids()).map(|(id, kind)| match *id {
        id if id == a => Slot::First(*kind),
        id if id == b => Slot::Second(*kind),
        id => Slot::Special(id, *kind),
    });
    Ok(slots.collect())
}

impl Slot {
    fn kind(self) -> u32 {
        match self {
            Slot::Special(_, kind) | Slot::First(kind) | Slot::Second(kind) => kind,
        }
    }

    fn of_type_0(self) -> Slot {
        match self {
            Slot::Special(id, _) => Slot::Special(id, 0),
            Slot::First(_) => Slot::First(0),
            Slot::Second(_) => Slot::Second(0),
        }
    }
}

impl Frames {
    fn highest_type(&self) -> u32 {
        self.single.iter().chain(&*self.pair).map(|slot| slot.kind()).max().unwrap_or(0)
    }

    fn of_one_type(&self) -> Frames {
        let without = |slots: &[Slot]| slots.iter().map(|slot| slot.of_type_0()).collect();
        Frames { single: without(&self.single), pair: without(&self.pair) }
    }

    fn check(&self, specials: Specials, n_ids: usize) -> Result<(), String> {
        for (slots, wanted, what) in [(&self.single, 1, "sequence"), (&self.pair, 2, "pair")] {
            let opens = matches!(slots.first(), Some(Slot::Special(id, _)) if *id == specials.first);
            let closes = matches!(slots.last(), Some(Slot::Special(id, _)) if *id == specials.last);
            let special = |slot: &&Slot| matches!(slot, Slot::Special(..));
            let inside = slots.iter().all(|slot| !matches!(slot, Slot::Special(id, _) if *id as usize >= n_ids));
            let n_texts = slots.len() - slots.iter().filter(special).count();
            if !(opens && closes && inside && n_texts == wanted) {
                let (first, last) = (specials.first, specials.last);
                return Err(format!(
                    "its template for a {what} is {slots:?}, not text between the ids {first} and {last}"
                ));
            }
        }
        Ok(())
    }
}

/// How many tokens of each sequence stay.
fn longest_first(mut a: usize, mut b: usize, room: usize) -> (usize, usize) {
    while a + b > room {
        if a > b { a -= 1 } else { b -= 1 }
    }
    (a, b)
}

#[cfg(test)]
mod tests;
