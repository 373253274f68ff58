//! The `tokenizers` crate's pipeline around our [`Unigram`], and how each kind of file becomes one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tokenizers::models::ModelWrapper;
use tokenizers::models::unigram::UnigramTrainer;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{BertNormalizer, NormalizerWrapper, Precompiled, Replace, Sequence, Strip};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, DecoderWrapper, Model, Token, TokenizerImpl};

use super::charsmap::{Charsmap, SPACE};
use super::pairs::{NOT_JSON, Pairs};
use super::sentencepiece::{self, Proto, Settings};
use super::unigram::Unigram;

/// Normalizer, splitter, model, template and decoder as a tokenizer.json describes them.
pub(super) type Engine =
    TokenizerImpl<Subwords, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// The names of the special tokens, in the order of [`super::Specials`].
pub(super) type Names<'a> = [&'a str; 5];

/// The names XLM-R gives.
pub(super) const XLMR: Names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];
/// The names BERT gives.
pub(super) const BERT: Names = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"];

/// How XLM-R frames a sequence and a pair.
const FRAMES_OF_XLMR: [&str; 2] = ["<s> $A </s>", "<s> $A </s> </s> $B </s>"];
/// How BERT does.
const FRAMES_OF_BERT: [&str; 2] = ["[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"];

/// A vocabulary and how words fall into it.
pub(super) enum Subwords {
    Unigram(Unigram),
    Pairs(Pairs),
    Other(Box<ModelWrapper>),
}

impl Model for Subwords {
    type Trainer = UnigramTrainer;

    fn tokenize(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        match self {
            Subwords::Unigram(model) => model.tokenize(text),
            Subwords::Pairs(model) => model.tokenize(text),
            Subwords::Other(model) => model.tokenize(text),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Subwords::Unigram(model) => model.token_to_id(token),
            Subwords::Pairs(model) => model.token_to_id(token),
            Subwords::Other(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Subwords::Unigram(model) => model.id_to_token(id),
            Subwords::Pairs(model) => model.id_to_token(id),
            Subwords::Other(model) => model.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Subwords::Unigram(model) => model.get_vocab(),
            Subwords::Pairs(model) => model.get_vocab(),
            Subwords::Other(model) => model.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Subwords::Unigram(model) => model.get_vocab_size(),
            Subwords::Pairs(model) => model.get_vocab_size(),
            Subwords::Other(model) => model.get_vocab_size(),
        }
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        match self {
            Subwords::Unigram(model) => model.save(folder, prefix),
            Subwords::Pairs(_) => Err(NOT_JSON.into()),
            Subwords::Other(model) => model.save(folder, prefix),
        }
    }

    fn get_trainer(&self) -> UnigramTrainer {
        UnigramTrainer::default()
    }
}

impl Serialize for Subwords {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Subwords::Unigram(model) => model.serialize(serializer),
            Subwords::Pairs(_) => Err(serde::ser::Error::custom(NOT_JSON)),
            Subwords::Other(model) => model.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Subwords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Subwords, D::Error> {
        let mut model = Value::deserialize(deserializer)?;
        let result = if model["type"] == "Unigram" {
            Unigram::from_json(&mut model).map(Subwords::Unigram)
        } else {
            let other = serde_json::from_value(model).map_err(|error| error.to_string());
            other.map(|other| Subwords::Other(Box::new(other)))
        };
        result.map_err(serde::de::Error::custom)
    }
}

/// An engine from the bytes of a tokenizer.json; its truncation and padding are left out, ours apply.
pub(super) fn from_json(bytes: &[u8]) -> Result<Engine, String> {
    let file: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is not JSON ({error})"))?;
    if !file["model"].is_object() {
        return Err("it has no object \"model\"".to_string());
    }
    check_tables(&file["normalizer"])?;
    let added = file["added_tokens"].clone();
    let mut engine: Engine = serde_json::from_value(file).map_err(|error| in_words(&error))?;
    for token in added.as_array().into_iter().flatten() {
        let name = token["content"].as_str().unwrap_or_default();
        let (claimed, found) = (token["id"].as_u64(), engine.token_to_id(name).map(u64::from));
        if claimed != found {
            let show = |id: Option<u64>| id.map_or("none".to_string(), |id| id.to_string());
            let (claimed, found) = (show(claimed), show(found));
            return Err(format!(
                "the added token \"{name}\" claims the id {claimed}, and the vocabulary gives {found}"
            ));
        }
    }
    engine.with_truncation(None).map_err(|error| error.to_string())?;
    engine.with_padding(None);
    Ok(engine)
}

/// The reason that a tokenizer.json is not one; the crate names the part that it does not know by a type of its own.
fn in_words(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let parts = [
        ("enum ModelUntagged", "model"),
        ("enum NormalizerUntagged", "normalizer"),
        ("enum PreTokenizerUntagged", "pre_tokenizer"),
        ("enum PostProcessorUntagged", "post_processor"),
        ("enum DecoderUntagged", "decoder"),
    ];
    let part = parts.iter().find(|(name, _)| message.contains(name));
    part.map_or(message, |(_, part)| format!("its \"{part}\" is of no known type, or lacks what its type needs"))
}

/// How the pieces of a SentencePiece model become ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// fairseq's: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3, then every piece one later than in the file, `<mask>` last. As
    /// transformers' `XLMRobertaConverter`.
    Xlmr,
    /// Four later, behind specials of which only `<pad>` and `<unk>` are used. As transformers' `CamembertConverter`.
    Camembert,
    /// As in the file.
    Deberta,
}

impl Layout {
    /// The layout of a file's pieces: DeBERTa's specials are among them; CamemBERT's and XLM-R's files look alike, so what
    /// stands beside says which, as in transformers: the class of the tokenizer in `config`, else the model's type.
    fn of(proto: &Proto, config: &Value, model_type: Option<&str>) -> Layout {
        if proto.pieces.iter().any(|piece| piece.text == BERT[0]) {
            return Layout::Deberta;
        }
        let is_camembert = match config["tokenizer_class"].as_str() {
            Some(class) => class.starts_with("Camembert"),
            None => model_type == Some("camembert"),
        };
        if is_camembert { Layout::Camembert } else { Layout::Xlmr }
    }

    /// What stands before the pieces.
    fn front(self) -> &'static [&'static str] {
        match self {
            Layout::Xlmr => &["<s>", "<pad>", "</s>", "<unk>"],
            Layout::Camembert => &["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"],
            Layout::Deberta => &[],
        }
    }

    /// An engine of `pieces`, specials before them, and the mask last where it is none of DeBERTa's.
    pub(super) fn engine(
        self,
        pieces: Vec<(String, f64)>,
        byte_fallback: bool,
        normalizers: Vec<NormalizerWrapper>,
        scheme: PrependScheme,
    ) -> Result<Engine, String> {
        let is_deberta = self == Layout::Deberta;
        let names = if is_deberta { BERT } else { XLMR };
        let special = |name: &&str| ((*name).to_string(), 0.0);
        let mut vocab: Vec<(String, f64)> = self.front().iter().map(special).chain(pieces).collect();
        if !(is_deberta && vocab.iter().any(|(text, _)| text == names[4])) {
            vocab.push(special(&names[4]));
        }
        let unknown = vocab.iter().position(|(text, _)| text == names[3]).ok_or("it has no unknown piece")?;
        let engine = spaced(Unigram::new(vocab, unknown, byte_fallback)?, normalizers, scheme)?;
        let [single, pair] = if is_deberta { FRAMES_OF_BERT } else { FRAMES_OF_XLMR };
        let mut engine = finish(engine, names, single, pair)?;
        let not_used = self.front().iter().filter(|name| name.ends_with("NOTUSED"));
        let not_used = not_used.map(|name| AddedToken::from(*name, true));
        engine.add_special_tokens(not_used).map_err(|error| error.to_string())?;
        Ok(engine)
    }
}

/// An engine from the bytes of a SentencePiece Unigram model: of XLM-R's, or of CamemBERT's where what stands beside says
/// so.
///
/// A file that has BERT's special tokens among its pieces is DeBERTa's: ids are the places of pieces, and `[MASK]` is last
/// where it is no piece. As transformers' `DebertaV2Tokenizer`, byte fallback included.
///
/// The settings are what a tokenizer.json of this engine would not say.
pub(super) fn from_sentencepiece(
    bytes: &[u8],
    config: &Value,
    model_type: Option<&str>,
) -> Result<(Engine, Settings), String> {
    let proto = Proto::parse(bytes)?;
    let layout = Layout::of(&proto, config, model_type);
    let own: &[&str] = if layout == Layout::Deberta { &BERT } else { &[] };
    match layout {
        Layout::Deberta => check_layout_of_deberta(&proto, config)?,
        Layout::Xlmr | Layout::Camembert => check_layout(&proto)?,
    }
    check_settings(&proto, own)?;
    let whole = |piece: &&sentencepiece::Piece| {
        piece.kind == sentencepiece::USER_DEFINED && !own.contains(&piece.text.as_str())
    };
    let settings = Settings {
        add_dummy_prefix: proto.add_dummy_prefix,
        remove_extra_whitespaces: proto.remove_extra_whitespaces,
        user_defined_symbols: proto.pieces.iter().filter(whole).map(|piece| piece.text.clone()).collect(),
    };
    let n_front = if layout == Layout::Deberta { 0 } else { 3 };
    let pieces = proto.pieces.into_iter().skip(n_front).map(|piece| (piece.text, f64::from(piece.score))).collect();
    let mut normalizers: Vec<NormalizerWrapper> = Vec::new();
    if !proto.charsmap.is_empty() {
        Charsmap::parse(&proto.charsmap)?;
        normalizers.push(Precompiled::from(&proto.charsmap).map_err(|error| error.to_string())?.into());
    }
    if proto.remove_extra_whitespaces {
        normalizers.push(Strip::new(false, true).into());
        normalizers.push(replace(SPACES, &SPACE.to_string())?);
    }
    let scheme = if proto.add_dummy_prefix { PrependScheme::Always } else { PrependScheme::Never };
    let mut engine = layout.engine(pieces, proto.byte_fallback, normalizers, scheme)?;
    // The crate has no user-defined pieces; transformers adds tokens for them, which is nearly the same.
    let symbols = settings.user_defined_symbols.iter();
    let symbols = symbols.map(|text| AddedToken::from(text.clone(), false).normalized(false));
    engine.add_tokens(symbols).map_err(|error| error.to_string())?;
    Ok((engine, settings))
}

/// What transformers replaces by one [`SPACE`].
pub(super) const SPACES: &str = " {2,}";

/// The specials but the mask must be pieces, and the unknown one what SentencePiece takes for it.
fn check_layout_of_deberta(proto: &Proto, config: &Value) -> Result<(), String> {
    for name in &BERT[..4] {
        let kind = proto.pieces.iter().find(|piece| piece.text == *name).map(|piece| piece.kind);
        match kind {
            None => return Err(format!("its pieces lack \"{name}\", and have \"{}\" as DeBERTa's do", BERT[0])),
            Some(kind) if *name == BERT[3] && kind != sentencepiece::UNKNOWN => {
                return Err(format!("its piece \"{name}\" has the type {kind}, and is not the unknown one"));
            }
            Some(_) => {}
        }
    }
    match ["do_lower_case", "split_by_punct"].into_iter().find(|key| config[key] == true) {
        None => Ok(()),
        Some(key) => Err(format!("\"{key}\" is true in tokenizer_config.json beside it, which is not supported")),
    }
}

/// The specials of XLM-R come first.
fn check_layout(proto: &Proto) -> Result<(), String> {
    use sentencepiece::{CONTROL, UNKNOWN};
    if proto.pieces.is_empty() {
        return Err("it holds no pieces".to_string());
    }
    for (i, (name, kind)) in [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)].into_iter().enumerate() {
        let found = proto.pieces.get(i).map_or("nothing", |piece| &piece.text);
        if proto.pieces.get(i).is_none_or(|piece| piece.text != name || piece.kind != kind) {
            return Err(format!("its piece {i} is \"{found}\", where XLM-R's layout has \"{name}\""));
        }
    }
    Ok(())
}

/// What both layouts have in common; `own` are specials wherever they stand, and those of XLM-R the first three.
fn check_settings(proto: &Proto, own: &[&str]) -> Result<(), String> {
    use sentencepiece::{BYTE, NORMAL, USER_DEFINED};
    if !(proto.has_trainer && proto.has_normalizer) {
        let n = proto.pieces.len();
        return Err(format!("it ends after {n} pieces, without the settings that follow them: it was cut short"));
    }
    if proto.model_type != 1 {
        return Err(format!("its model type is {}, not 1 (Unigram)", proto.model_type));
    }
    let known = |kind| kind == NORMAL || kind == USER_DEFINED || kind == BYTE && proto.byte_fallback;
    let is_special = |i: usize, text: &str| if own.is_empty() { i < 3 } else { own.contains(&text) };
    let others = proto.pieces.iter().enumerate().filter(|(i, piece)| !is_special(*i, &piece.text));
    if let Some((i, piece)) = others.into_iter().find(|(_, piece)| !known(piece.kind)) {
        return Err(format!("its piece {i} (\"{}\") has the type {}, which is not supported", piece.text, piece.kind));
    }
    if !proto.escape_whitespaces || proto.space_as_suffix {
        return Err("it keeps spaces as they are or puts them after words, which is not supported".to_string());
    }
    Ok(())
}

/// A Unigram model for text whose spaces are pieces.
fn spaced(unigram: Unigram, normalizers: Vec<NormalizerWrapper>, scheme: PrependScheme) -> Result<Engine, String> {
    let metaspace = Metaspace::new(SPACE, scheme, true);
    let mut engine = Engine::new(Subwords::Unigram(unigram));
    engine.with_normalizer(Some(Sequence::new(normalizers))).map_err(|error| error.to_string())?;
    engine.with_pre_tokenizer(Some(metaspace.clone()));
    engine.with_decoder(Some(metaspace));
    Ok(engine)
}

/// The name of a token, which is a text or an object that has it.
pub(super) fn name_in(token: &Value) -> Option<&str> {
    token.as_str().or(token["content"].as_str())
}

/// Whether a text is read in lower case.
pub(super) const LOWER: &str = "do_lower_case";
/// Of a vocabulary in lower case at most this share has capitals: odd letters that Unicode has no small ones of.
const ODD_CAPITALS: f64 = 0.01;

/// An engine from the text of a vocab.txt and the settings of the tokenizer_config.json beside it, if any. Where that does
/// not say `do_lower_case`, pieces do: with capitals among them, texts keep theirs.
pub(super) fn from_vocab(text: &str, config: &Value) -> Result<Engine, String> {
    let mut lines = WordPiece::read_bytes(b"").map_err(|error| error.to_string())?; // an empty map of the crate's type
    for (i, line) in text.lines().enumerate() {
        if let Some(before) = lines.insert(line.to_string(), i as u32) {
            return Err(format!("line {} repeats line {} (\"{line}\")", i + 1, before + 1));
        }
    }
    let missing: Vec<&str> = BERT.into_iter().filter(|name| !lines.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(format!("its {} lines lack {}", lines.len(), missing.join(", ")));
    }
    let has_capitals = |piece: &&String| !piece.starts_with('[') && piece.contains(char::is_uppercase);
    let is_lower = lines.keys().filter(has_capitals).count() as f64 <= ODD_CAPITALS * lines.len() as f64;
    let unknown = name_in(&config["unk_token"]).unwrap_or(BERT[3]).to_owned();
    let model = WordPiece::builder().vocab(lines).unk_token(unknown).build();
    let model = ModelWrapper::from(model.map_err(|error| error.to_string())?);
    let flag = |name: &str, default: bool| config[name].as_bool().unwrap_or(default);
    let (chinese, lower) = (flag("tokenize_chinese_chars", true), flag(LOWER, is_lower));
    let normalizer = BertNormalizer::new(true, chinese, config["strip_accents"].as_bool(), lower);
    let mut engine = Engine::new(Subwords::Other(Box::new(model)));
    engine.with_normalizer(Some(normalizer)).map_err(|error| error.to_string())?;
    engine.with_pre_tokenizer(Some(BertPreTokenizer));
    engine.with_decoder(Some(tokenizers::decoders::wordpiece::WordPiece::default()));
    let [single, pair] = FRAMES_OF_BERT;
    finish(engine, BERT, single, pair)
}

/// Adds the template and the special tokens.
pub(super) fn finish(mut engine: Engine, names: Names, single: &str, pair: &str) -> Result<Engine, String> {
    let id = |name: &str| engine.token_to_id(name).ok_or_else(|| format!("it lacks \"{name}\""));
    let framing = vec![(names[0], id(names[0])?), (names[2], id(names[2])?)];
    let mut template = TemplateProcessing::builder();
    template.try_single(single).map_err(|error| error.to_string())?;
    template.try_pair(pair).map_err(|error| error.to_string())?;
    let template = template.special_tokens(framing).build().map_err(|error| error.to_string())?;
    engine.with_post_processor(Some(template));
    // The mask takes the space before it along in XLM-R, so that "a <mask>" is "▁a" and the mask.
    let token = |name: &str| AddedToken::from(name, true).lstrip(name == XLMR[4]);
    engine.add_special_tokens(names.map(token)).map_err(|error| error.to_string())?;
    Ok(engine)
}

/// Follows the settings of tokenizer_config.json in a BERT tokenizer, as transformers' `BertTokenizerFast` does where
/// the two files disagree; says which it changed. A setting that is not there changes nothing.
pub(super) fn follow_config(engine: &mut Engine, config: &Value) -> Result<Vec<String>, String> {
    let Some(NormalizerWrapper::BertNormalizer(normalizer)) = engine.get_normalizer() else { return Ok(Vec::new()) };
    // The general class takes tokenizer.json as it is.
    if config["tokenizer_class"] == "PreTrainedTokenizerFast" {
        return Ok(Vec::new());
    }
    let (mut followed, mut changes) = (*normalizer, Vec::new());
    let mut change = |key: &str, from: Value, to: &Value| {
        let differs = from != *to;
        if differs {
            changes.push(format!("{key} is {to} in tokenizer_config.json and {from} in tokenizer.json"));
        }
        differs
    };
    for (key, field) in
        [("do_lower_case", &mut followed.lowercase), ("tokenize_chinese_chars", &mut followed.handle_chinese_chars)]
    {
        if let Some(wanted) = config[key].as_bool()
            && change(key, Value::from(*field), &config[key])
        {
            *field = wanted;
        }
    }
    if let Some(wanted) = config.get("strip_accents").filter(|wanted| wanted.is_null() || wanted.is_boolean())
        && change("strip_accents", Value::from(followed.strip_accents), wanted)
    {
        followed.strip_accents = wanted.as_bool();
    }
    if !changes.is_empty() {
        engine.with_normalizer(Some(followed)).map_err(|error| error.to_string())?;
    }
    let told = |change| format!("{change}; the former is followed, as transformers does");
    Ok(changes.into_iter().map(told).collect())
}

/// A normalizer that replaces what a pattern matches.
pub(super) fn replace(pattern: &str, by: &str) -> Result<NormalizerWrapper, String> {
    let replace = Replace::new(ReplacePattern::Regex(pattern.to_string()), by);
    replace.map(NormalizerWrapper::from).map_err(|error| error.to_string())
}

/// Checks every table before the crate sees it: it would trust their sizes and offsets.
fn check_tables(normalizer: &Value) -> Result<(), String> {
    if let Some(text) = normalizer["precompiled_charsmap"].as_str() {
        Charsmap::parse(&from_base64(text)?)?;
    }
    normalizer["normalizers"].as_array().into_iter().flatten().try_for_each(check_tables)
}

pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.trim_end_matches('=').bytes().map(|c| match c {
        b'A'..=b'Z' => Ok(c - b'A'),
        b'a'..=b'z' => Ok(c - b'a' + 26),
        b'0'..=b'9' => Ok(c - b'0' + 52),
        b'+' => Ok(62),
        b'/' => Ok(63),
        _ => Err("its normalization table is not base64".to_string()),
    });
    let digits = digits.collect::<Result<Vec<u8>, String>>()?;
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - group.len()));
        let [_, bytes @ ..] = bits.to_be_bytes();
        bytes.into_iter().take(group.len() * 3 / 4)
    };
    Ok(digits.chunks(4).flat_map(group).collect())
}
