//! XLM's own tokenizer: `vocab.json` and `merges.txt`. Words are those of [`Moses`], perhaps in lower case and without
//! accents; within them pairs of pieces are joined in the order of the merges, `</w>` marking the last piece of a word.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value, json};
use tokenizers::decoders::bpe::BPEDecoder;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::{AddedToken, Model, OffsetReferential, OffsetType};
use unicode_normalization_alignments::UnicodeNormalization;

use super::engine::{Engine, Names, Subwords, finish, name_in};
use super::moses::{Moses, Prefixes};
use super::pairs::{LAST, MERGES, Pairs};

/// XLM's file of pieces and their ids.
pub const VOCABULARY: &str = "vocab.json";
/// What Moses's files of abbreviations are called, but for their language.
pub const PREFIXES: &str = "nonbreaking_prefix.";
/// The language whose rules a text has that nobody has named one for, as in transformers.
pub(super) const ENGLISH: &str = "en";
/// The names XLM gives.
const XLM: Names = ["<s>", "<pad>", "</s>", "<unk>", "<special1>"];
/// Where the names of special tokens stand in tokenizer_config.json, in the order of [`XLM`].
const KEYS: [&str; 5] = ["bos_token", "pad_token", "sep_token", "unk_token", "mask_token"];
/// Whether words are in lower case and without accents.
const PLAIN: &str = "do_lowercase_and_remove_accent";

/// Whether a tokenizer_config.json is that of XLM's own tokenizer.
pub(super) fn is_meant(config: &Value) -> bool {
    config["tokenizer_class"] == "XLMTokenizer" || config.get(PLAIN).is_some()
}

/// What is done with text before its words fall into pieces, and the files that it was read from.
pub(super) struct Xlm {
    is_plain: bool,
    prefixes: BTreeMap<String, Prefixes>,
    marks: Regex,
    between_spaces: Regex,
    files: Vec<(String, Vec<u8>)>,
}

impl Xlm {
    /// The rules of a language by its code in ISO 639-1. Where a language has no abbreviations, English ones are taken.
    pub fn rules(&self, language: &str) -> Result<Arc<Moses>, String> {
        let prefixes = self.prefixes.get(language).or(self.prefixes.get(ENGLISH));
        Moses::new(language, prefixes.cloned().unwrap_or_default()).map(Arc::new)
    }

    /// The ids of a text.
    pub fn ids(&self, text: &str, rules: &Moses, engine: &Engine) -> Result<Vec<u32>, String> {
        let parts = engine.get_added_vocabulary().extract_and_normalize(None::<&NormalizerWrapper>, text);
        let mut ids = Vec::new();
        for (part, _, added) in parts.get_splits(OffsetReferential::Original, OffsetType::Byte) {
            if let Some(added) = added {
                ids.extend(added.iter().map(|token| token.id));
                continue;
            }
            for word in self.words(part, rules) {
                let tokens = engine.get_model().tokenize(&word).map_err(|error| error.to_string())?;
                ids.extend(tokens.iter().map(|token| token.id));
            }
        }
        Ok(ids)
    }

    /// The ids of each word between spaces, by itself, with the bytes of the whole word: Moses's rules rewrite texts, so
    /// that a piece has no place of its own. So does transformers' `squad_convert_example_to_features` part a text.
    pub fn placed(&self, text: &str, rules: &Moses, engine: &Engine) -> Result<Vec<(u32, Range<usize>)>, String> {
        let mut placed = Vec::new();
        for word in self.between_spaces.find_iter(text) {
            placed.extend(self.ids(word.as_str(), rules, engine)?.into_iter().map(|id| (id, word.range())));
        }
        Ok(placed)
    }

    fn words(&self, text: &str, rules: &Moses) -> Vec<String> {
        let words = rules.words(text);
        if !self.is_plain {
            return words;
        }
        let apart: String = words.join(" ").to_lowercase().nfd().map(|(c, _)| c).collect();
        let plain = self.marks.replace_all(&apart, "").to_lowercase();
        plain.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// The files to write, tokenizer_config.json left out.
    pub fn files(&self) -> &[(String, Vec<u8>)] {
        &self.files
    }

    /// What tokenizer_config.json says beside the names of special tokens.
    pub fn settings(&self) -> [(&'static str, Value); 2] {
        [("tokenizer_class", json!("XLMTokenizer")), (PLAIN, json!(self.is_plain))]
    }

    /// What the user should know.
    pub fn notes(&self) -> Vec<String> {
        let without = format!(
            "there is no {PREFIXES}{ENGLISH} beside it, so that a period behind an abbreviation is parted from it, where \
             transformers keeps some together; copy Moses's nonbreaking_prefixes (of share/ in its scripts) into the folder \
             for the same ids"
        );
        if self.prefixes.is_empty() { vec![without] } else { Vec::new() }
    }
}

/// An engine from vocab.json and merges.txt beside it, what it reads text with, and the names of its special tokens as
/// [`super::Specials`] wants them. A sequence is `<s> A </s>`, and a pair `<s> A </s> B </s>`.
pub(super) fn load(file: &Path, vocabulary: &[u8], config: &Value) -> Result<(Engine, Xlm, Value), String> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let pieces: Map<String, Value> =
        serde_json::from_slice(vocabulary).map_err(|error| format!("it is not a JSON object ({error})"))?;
    let given = |at: usize| name_in(&config[KEYS[at]]).unwrap_or(XLM[at]);
    let names: [&str; 5] = std::array::from_fn(given);
    if let Some(missing) = names.iter().find(|name| !pieces.contains_key(**name)) {
        return Err(format!("it lacks \"{missing}\", as RoBERTa's files of the same names do"));
    }
    let merges = read(folder.join(MERGES))?;
    let text = str::from_utf8(&merges).map_err(|error| format!("{MERGES} beside it is not UTF-8 ({error})"))?;
    let extra: Vec<String> =
        (0..10).map(|i| format!("<special{i}>")).filter(|name| pieces.contains_key(name)).collect();
    let mut engine = Engine::new(Subwords::Pairs(Pairs::new(pieces, text, names[3])?));
    engine.with_decoder(Some(BPEDecoder::new(LAST.to_owned())));
    let [first, last] = [names[0], names[2]];
    let (single, pair) = (format!("{first} $A {last}"), format!("{first} $A {last} $B {last}"));
    let mut engine = finish(engine, names, &single, &pair)?;
    let extra = extra.into_iter().map(|name| AddedToken::from(name, true));
    engine.add_special_tokens(extra).map_err(|error| error.to_string())?;
    let mut files = vec![(VOCABULARY.to_owned(), vocabulary.to_vec()), (MERGES.to_owned(), merges)];
    let mut prefixes = BTreeMap::new();
    for (language, path) in prefix_files(folder)? {
        let bytes = read(path)?;
        let text = str::from_utf8(&bytes).map_err(|error| format!("{PREFIXES}{language} is not UTF-8 ({error})"))?;
        prefixes.insert(language.clone(), Prefixes::parse(text));
        files.push((format!("{PREFIXES}{language}"), bytes));
    }
    let is_plain = config[PLAIN].as_bool().unwrap_or(true);
    let [marks, between_spaces] =
        [r"\p{Mn}", r"\S+"].map(|rule| Regex::new(rule).expect("a rule of this program is well formed"));
    let [first, pad, last, unknown, mask] = names;
    let specials = json!({
        "cls_token": first, "pad_token": pad, "sep_token": last, "unk_token": unknown, "mask_token": mask,
    });
    Ok((engine, Xlm { is_plain, prefixes, marks, between_spaces, files }, specials))
}

fn read(path: PathBuf) -> Result<Vec<u8>, String> {
    crate::input::read(&path).map_err(|error| error.message().to_owned())
}

/// The files with abbreviations in a folder, by language.
fn prefix_files(folder: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{} cannot be read ({error})", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let named = |path: PathBuf| {
        let language = path.file_name()?.to_str()?.strip_prefix(PREFIXES)?.to_owned();
        Some((language, path))
    };
    Ok(paths.filter_map(named).collect())
}
