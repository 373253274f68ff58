//! Text to ids as SentencePiece does it, for files that are SentencePiece models in this or another format.

use std::ops::Range;

use tokenizers::AddedVocabulary;
use tokenizers::normalizers::{NormalizerWrapper, Precompiled};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{AddedToken, NormalizedString, OffsetReferential, OffsetType};

use super::charsmap::{Charsmap, Normalization, SPACE, Spaces};
use super::engine::{Engine, SPACES, Subwords, from_base64};
use super::sentencepiece::Settings;
use super::unigram::Unigram;

/// How text between special tokens becomes ids.
pub(super) struct Rules {
    normalization: Normalization,
    /// The tokens that are looked for before pieces are: all added ones but the user-defined symbols, which are pieces.
    added: AddedVocabulary,
    /// Whether some of these are looked for in normalized text.
    in_normalized: bool,
    /// Whether the text is split at spaces before it is cut into pieces.
    splits: bool,
    /// What must be written beside a tokenizer.json.
    pub settings: Option<Settings>,
}

impl tokenizers::Normalizer for Normalization {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        *text = NormalizedString::from(self.rewrite(text.get()));
        Ok(())
    }
}

impl Rules {
    /// The rules of an engine: those of `settings` where they are known, else those that its parts amount to.
    ///
    /// Nothing where the parts are not SentencePiece's; then the crate's pipeline applies.
    pub fn of(engine: &Engine, settings: Option<Settings>) -> Result<Option<Rules>, String> {
        let Subwords::Unigram(_) = engine.get_model() else { return Ok(None) };
        let (normalization, splits) = match &settings {
            Some(settings) => (by_settings(engine, settings)?, false),
            None => match by_parts(engine)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let symbols = &normalization.whole;
        let mut tokens: Vec<(u32, AddedToken)> =
            engine.get_added_tokens_decoder().iter().map(|(id, token)| (*id, token.clone())).collect();
        tokens.retain(|(_, token)| !symbols.contains(&token.content));
        tokens.sort_unstable_by_key(|(id, _)| *id);
        let in_normalized = tokens.iter().any(|(_, token)| token.normalized);
        let mut added = AddedVocabulary::new();
        for (id, token) in tokens {
            let name = token.content.clone();
            added.add_tokens([token], engine.get_model(), Some(&normalization)).map_err(|error| error.to_string())?;
            if added.token_to_id(&name, engine.get_model()) != Some(id) {
                return Err(format!("the added token \"{name}\" has the id {id}, and ids before it are free"));
            }
        }
        let settings = settings.filter(|settings| !settings.is_plain() || normalization.table.is_none());
        Ok(Some(Rules { normalization, added, in_normalized, splits, settings }))
    }

    /// User-defined symbols.
    pub fn whole(&self) -> &[String] {
        &self.normalization.whole
    }

    /// The ids of a text.
    pub fn ids(&self, text: &str, model: &Unigram) -> Vec<u32> {
        let normalization = self.in_normalized.then_some(&self.normalization);
        let parts = self.added.extract_and_normalize(normalization, text);
        let parts = parts.get_splits(OffsetReferential::Normalized, OffsetType::None);
        let ids = parts.into_iter().flat_map(|(part, _, added)| match added {
            Some(tokens) => tokens.iter().map(|token| token.id).collect(),
            None if self.in_normalized => model.ids(&self.with_prefix(part)),
            None => model.ids(&self.normalization.apply(part)),
        });
        ids.collect()
    }

    /// The tokens of a text, each with the bytes that it covers; none where added tokens are looked for in normalized text,
    /// whose places are not known.
    pub fn tokens(&self, text: &str, model: &Unigram) -> Option<Vec<(u32, Range<usize>)>> {
        let parts = self.added.extract_and_normalize(None::<&Normalization>, text);
        let mut tokens = Vec::new();
        for (part, (start, end), added) in parts.get_splits(OffsetReferential::Original, OffsetType::Byte) {
            if let Some(added) = added {
                tokens.extend(added.iter().map(|token| (token.id, start..end)));
                continue;
            }
            let (normalized, places) = self.normalization.apply_with_places(part);
            let place = |byte: usize| start + places.get(byte).copied().unwrap_or(part.len());
            tokens.extend(
                model.tokens(&normalized).into_iter().map(|span| (span.id, place(span.start)..place(span.end))),
            );
        }
        let ids: Vec<u32> = tokens.iter().map(|(id, _)| *id).collect();
        (ids == self.ids(text, model)).then_some(tokens)
    }

    /// A part of a normalized text as pieces know it: as the crate's `Metaspace` has it, after `WhitespaceSplit` or not.
    fn with_prefix(&self, part: &str) -> String {
        let part = if self.splits { part.trim_matches([' ', SPACE]) } else { part };
        let text: String = part.chars().map(|c| if c == ' ' { SPACE } else { c }).collect();
        let begun = text.is_empty() || text.starts_with(SPACE) || !self.normalization.spaces.prefix;
        if begun { text } else { format!("{SPACE}{text}") }
    }
}

fn by_settings(engine: &Engine, settings: &Settings) -> Result<Normalization, String> {
    let tables = normalizers(engine).iter().find_map(|normalizer| match normalizer {
        NormalizerWrapper::Precompiled(precompiled) => Some(precompiled),
        _ => None,
    });
    let table = tables.map(|precompiled| Charsmap::parse(&bytes_of(precompiled)?)).transpose()?;
    let spaces = Spaces { prefix: settings.add_dummy_prefix, squeeze: settings.remove_extra_whitespaces };
    let mut whole = settings.user_defined_symbols.clone();
    if let Some(symbol) =
        whole.iter().find(|symbol| tokenizers::Model::token_to_id(engine.get_model(), symbol).is_none())
    {
        return Err(format!("its user-defined symbol \"{symbol}\" is no piece"));
    }
    whole.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    Ok(Normalization { table, spaces, whole })
}

/// The normalization that an engine's parts amount to, and whether they split at spaces.
fn by_parts(engine: &Engine) -> Result<Option<(Normalization, bool)>, String> {
    let (mut table, mut squeeze) = (None, false);
    for normalizer in normalizers(engine) {
        match normalizer {
            NormalizerWrapper::Precompiled(precompiled) => table = Some(Charsmap::parse(&bytes_of(precompiled)?)?),
            NormalizerWrapper::StripNormalizer(strip) if strip.strip_right => squeeze = true,
            other if squeezes(other) => squeeze = true,
            _ => return Ok(None),
        }
    }
    // Without a prefix or with spaces kept, the crate's pipeline is another than SentencePiece's.
    let Some(splits) = metaspace(engine.get_pre_tokenizer()).filter(|splits| squeeze || *splits) else {
        return Ok(None);
    };
    let spaces = Spaces { prefix: true, squeeze: true };
    Ok(table.map(|table| (Normalization { table: Some(table), spaces, whole: Vec::new() }, splits)))
}

fn normalizers(engine: &Engine) -> &[NormalizerWrapper] {
    match engine.get_normalizer() {
        Some(NormalizerWrapper::Sequence(sequence)) => sequence.as_ref(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// Whether a normalizer makes runs of spaces one.
fn squeezes(normalizer: &NormalizerWrapper) -> bool {
    serde_json::to_value(normalizer).is_ok_and(|value| {
        value["pattern"]["Regex"] == SPACES && (value["content"] == " " || value["content"] == SPACE.to_string())
    })
}

/// Whether text is split at spaces before `Metaspace` begins every part with one; nothing where that is not so.
fn metaspace(splitter: Option<&PreTokenizerWrapper>) -> Option<bool> {
    let splitters = match splitter? {
        PreTokenizerWrapper::Sequence(sequence) => sequence.as_ref(),
        one => std::slice::from_ref(one),
    };
    let (last, before) = splitters.split_last()?;
    let PreTokenizerWrapper::Metaspace(metaspace) = last else { return None };
    let whitespace = before.iter().all(|splitter| matches!(splitter, PreTokenizerWrapper::WhitespaceSplit(_)));
    let usual = metaspace.get_replacement() == SPACE && metaspace.get_prepend_scheme() == PrependScheme::Always;
    (usual && whitespace).then_some(!before.is_empty())
}

/// The table inside the crate's normalizer, which shows it only as base64.
fn bytes_of(precompiled: &Precompiled) -> Result<Vec<u8>, String> {
    let value = serde_json::to_value(precompiled).map_err(|error| error.to_string())?;
    from_base64(value["precompiled_charsmap"].as_str().ok_or("its normalization table is not text")?)
}
