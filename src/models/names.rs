//! What tensors are called: in the files that were published over the years, and in those that are written here.
//!
//! A file may hold an encoder alone, whose names then lack the first part; names of LayerNorm that came from TensorFlow; and
//! a language model's word table under the name of its output layer, since the two are one.

use super::{Config, families::Architecture};
use crate::{checkpoint::Weights, nn::Source};
use std::collections::{BTreeMap, BTreeSet};

/// What PyTorch puts before every name where a model was wrapped: for several devices, and to be compiled.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];
/// How names of LayerNorm's tensors ended in TensorFlow's BERT, and how they end now.
const ENDINGS: [(&str, &str); 2] = [(".gamma", ".weight"), (".beta", ".bias")];
/// Constants that older versions of transformers saved along: no loss if nothing reads them.
const CONSTANTS: [&str; 2] = ["embeddings.position_ids", "embeddings.token_type_ids"];

/// Whether a tensor is such a constant.
pub fn is_constant(stored: &str) -> bool {
    CONSTANTS.iter().any(|name| stored == *name || stored.ends_with(&format!(".{name}")))
}

/// How names of heads began in one family, and how they begin here: transformers has another head of DeBERTa's language model
/// where config.json does not say that it is not "legacy", with the same tensors.
const STARTS: [(&str, &str, &str); 3] = [
    ("deberta-v2", "cls.predictions.transform.", "lm_predictions.lm_head."),
    ("deberta-v2", "cls.predictions.decoder.", "lm_predictions.lm_head.decoder."),
    ("deberta-v2", "cls.predictions.bias", "lm_predictions.lm_head.bias"),
];

/// What the models here call the tensor that a file calls `stored`.
pub fn standard(stored: &str, architecture: &Architecture) -> String {
    let (prefix, bare) = (architecture.prefix, architecture.names.bare);
    let stored = WRAPPERS.iter().fold(stored, |name, wrapper| name.strip_prefix(wrapper).unwrap_or(name));
    let is_bare = bare.iter().any(|start| stored.starts_with(start));
    let name = if is_bare { format!("{prefix}.{stored}") } else { stored.to_string() };
    let restarted = |(family, old, new): &(&str, &str, &str)| {
        Some(format!("{new}{}", name.strip_prefix(old).filter(|_| *family == architecture.model_type)?))
    };
    let name = STARTS.iter().find_map(restarted).unwrap_or(name);
    let renamed = ENDINGS.iter().find_map(|(old, new)| Some(format!("{}{new}", name.strip_suffix(old)?)));
    renamed.unwrap_or(name)
}

/// Under which names a file has the tensors of an encoder with these settings, and of its heads.
pub fn source<'a>(weights: &'a Weights, config: &Config) -> Source<'a> {
    let architecture = config.architecture;
    let (prefix, heads) = (architecture.prefix, &architecture.heads);
    let mut stored: BTreeMap<String, String> = BTreeMap::new();
    for name in weights.names() {
        let standard = standard(name, architecture);
        let is_exact = standard == name;
        if is_exact || !stored.contains_key(&standard) {
            stored.insert(standard, name.to_string());
        }
    }
    let words = word_table(architecture);
    let (decoder, decoder_bias) = (format!("{}.weight", heads.decoder), format!("{}.bias", heads.decoder));
    let mut idle: BTreeSet<String> = CONSTANTS.iter().map(|name| format!("{prefix}.{name}")).collect();
    // The bias is one tensor by two names in any case; the table is if the two are tied.
    for (name, other) in [(words, decoder, config.tied), (heads.bias.to_string(), decoder_bias, true)]
        .into_iter()
        .filter_map(|(name, other, is_one)| (is_one && name != other).then_some((name, other)))
    {
        if let (false, Some(there)) = (stored.contains_key(&name), stored.get(&other).cloned()) {
            stored.insert(name, there);
        }
        idle.insert(other);
    }
    // safetensors saves tensors that share their memory once, and names the others in the metadata.
    for (removed, kept) in weights.metadata().iter().filter(|(_, kept)| weights.contains(kept)) {
        stored.entry(standard(removed, architecture)).or_insert_with(|| kept.clone());
    }
    let idle =
        weights.names().filter(|name| idle.contains(&standard(name, architecture))).map(str::to_string).collect();
    let absent = weights.absent().iter().map(|(name, shard)| (standard(name, architecture), shard.clone())).collect();
    Source { weights, stored, idle, absent }
}

/// The name of the word table.
pub fn word_table(architecture: &Architecture) -> String {
    format!("{}.{}.weight", architecture.prefix, architecture.names.words)
}

/// What the names of the layers begin with, before their number: `bert.encoder.layer.`
pub fn layers(architecture: &Architecture) -> BTreeSet<String> {
    let start = |name: &str| format!("{}.{}", architecture.prefix, name.split("{}").next().unwrap_or_default());
    architecture.names.layer.all().into_iter().map(start).collect()
}

/// The number of the layer that a tensor is in.
fn layer_of(name: &str, starts: &BTreeSet<String>) -> Option<usize> {
    let rest = starts.iter().find_map(|start| name.strip_prefix(start))?;
    rest.split('.').next()?.parse().ok()
}

/// How many layers a file holds: one more than the largest number of one.
pub fn n_layers(source: &Source, architecture: &Architecture) -> usize {
    let starts = layers(architecture);
    let last = source.stored.keys().filter_map(|name| layer_of(name, &starts)).max();
    last.map_or(0, |last| last.saturating_add(1))
}

/// Whether a name is that of a tensor in a layer of this number or a later one.
pub fn is_beyond(name: &str, architecture: &Architecture, n_layers: usize) -> bool {
    layer_of(&standard(name, architecture), &layers(architecture)).is_some_and(|number| number >= n_layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::families::ARCHITECTURES;

    fn family(model_type: &str) -> &'static Architecture {
        ARCHITECTURES.iter().find(|known| known.model_type == model_type).unwrap()
    }

    #[test]
    fn published_names_become_those_of_today() {
        for (stored, prefix, expected) in [
            ("embeddings.word_embeddings.weight", "roberta", "roberta.embeddings.word_embeddings.weight"),
            ("encoder.layer.3.output.LayerNorm.gamma", "bert", "bert.encoder.layer.3.output.LayerNorm.weight"),
            ("bert.embeddings.LayerNorm.beta", "bert", "bert.embeddings.LayerNorm.bias"),
            ("cls.predictions.transform.LayerNorm.gamma", "bert", "cls.predictions.transform.LayerNorm.weight"),
            ("pooler.dense.weight", "bert", "bert.pooler.dense.weight"),
            ("module.bert.encoder.layer.0.output.dense.bias", "bert", "bert.encoder.layer.0.output.dense.bias"),
            ("module._orig_mod.embeddings.word_embeddings.weight", "bert", "bert.embeddings.word_embeddings.weight"),
            ("pooler.dense.weight", "deberta-v2", "pooler.dense.weight"),
            ("encoder.rel_embeddings.weight", "deberta-v2", "deberta.encoder.rel_embeddings.weight"),
            ("cls.predictions.bias", "deberta-v2", "lm_predictions.lm_head.bias"),
            ("cls.predictions.transform.LayerNorm.gamma", "deberta-v2", "lm_predictions.lm_head.LayerNorm.weight"),
            ("lm_head.layer_norm.weight", "roberta", "lm_head.layer_norm.weight"),
            ("classifier.dense.bias", "roberta", "classifier.dense.bias"),
        ] {
            assert_eq!(standard(stored, family(prefix)), expected);
        }
    }

    #[test]
    fn layers_beyond_are_told_whatever_the_first_part() {
        for (name, beyond) in [
            ("roberta.encoder.layer.2.output.dense.bias", true),
            ("encoder.layer.11.output.dense.bias", true),
            ("roberta.encoder.layer.1.output.dense.bias", false),
            ("lm_head.dense.bias", false),
        ] {
            assert_eq!(is_beyond(name, family("roberta"), 2), beyond, "{name}");
        }
    }
}
