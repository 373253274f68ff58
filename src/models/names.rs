//! What tensors are called: in the files that were published over the years, and in those that are written here.
//!
//! A file may hold an encoder alone, whose names then lack the first part; names of LayerNorm that came from TensorFlow; and
//! a language model's word table under the name of its output layer, since the two are one.

use super::Config;
use crate::{checkpoint::Weights, nn::Source};
use std::collections::{BTreeMap, BTreeSet};

/// The names of the heads' layers and tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadNames {
    /// The classifier's tanh layer.
    pub dense: &'static str,
    /// A tagger's projection.
    pub tags: &'static str,
    /// The classifier's projection.
    pub out: &'static str,
    /// The language model's layer before the words.
    pub transform: &'static str,
    /// The LayerNorm after it.
    pub transform_norm: &'static str,
    /// The bias of each word.
    pub bias: &'static str,
    /// The output layer, which has the word table's numbers unless config.json says otherwise.
    pub decoder: &'static str,
}

/// RoBERTa's, and XLM-R's.
pub const ROBERTA: HeadNames = HeadNames {
    dense: "classifier.dense",
    tags: "classifier",
    out: "classifier.out_proj",
    transform: "lm_head.dense",
    transform_norm: "lm_head.layer_norm",
    bias: "lm_head.bias",
    decoder: "lm_head.decoder",
};

/// BERT's, whose classifier stands on the pooler that was pretrained with the encoder.
pub const BERT: HeadNames = HeadNames {
    dense: "bert.pooler.dense",
    tags: "classifier",
    out: "classifier",
    transform: "cls.predictions.transform.dense",
    transform_norm: "cls.predictions.transform.LayerNorm",
    bias: "cls.predictions.bias",
    decoder: "cls.predictions.decoder",
};

/// The word table, after the first part of the encoder's names.
pub const WORDS: &str = "embeddings.word_embeddings";
/// The layers, likewise; a number follows.
const LAYERS: &str = "encoder.layer.";
/// What the names of an encoder's tensors begin with where the first part is left out.
const BARE: [&str; 3] = ["embeddings.", "encoder.", "pooler."];
/// How names of LayerNorm's tensors ended in TensorFlow's BERT, and how they end now.
const ENDINGS: [(&str, &str); 2] = [(".gamma", ".weight"), (".beta", ".bias")];
/// Constants that older versions of transformers saved along: no loss if nothing reads them.
const CONSTANTS: [&str; 2] = ["embeddings.position_ids", "embeddings.token_type_ids"];

/// Whether a tensor is such a constant.
pub fn is_constant(stored: &str) -> bool {
    CONSTANTS.iter().any(|name| stored == *name || stored.ends_with(&format!(".{name}")))
}

/// What the models here call the tensor that a file calls `stored`.
pub fn standard(stored: &str, prefix: &str) -> String {
    let is_bare = BARE.iter().any(|start| stored.starts_with(start));
    let name = if is_bare { format!("{prefix}.{stored}") } else { stored.to_string() };
    let renamed = ENDINGS.iter().find_map(|(old, new)| Some(format!("{}{new}", name.strip_suffix(old)?)));
    renamed.unwrap_or(name)
}

/// Under which names a file has the tensors of an encoder with these settings, and of its heads.
pub fn source<'a>(weights: &'a Weights, config: &Config) -> Source<'a> {
    let (prefix, heads) = (config.architecture.prefix, &config.architecture.heads);
    let mut stored: BTreeMap<String, String> = BTreeMap::new();
    for name in weights.names() {
        let standard = standard(name, prefix);
        let is_exact = standard == name;
        if is_exact || !stored.contains_key(&standard) {
            stored.insert(standard, name.to_string());
        }
    }
    let words = format!("{prefix}.{WORDS}.weight");
    let (decoder, decoder_bias) = (format!("{}.weight", heads.decoder), format!("{}.bias", heads.decoder));
    let mut idle: BTreeSet<String> = CONSTANTS.iter().map(|name| format!("{prefix}.{name}")).collect();
    // The bias is one tensor by two names in any case; the table is if the two are tied.
    for (name, other) in [(words, decoder, config.tied), (heads.bias.to_string(), decoder_bias, true)]
        .into_iter()
        .filter_map(|(name, other, is_one)| is_one.then_some((name, other)))
    {
        if let (false, Some(there)) = (stored.contains_key(&name), stored.get(&other).cloned()) {
            stored.insert(name, there);
        }
        idle.insert(other);
    }
    // safetensors saves tensors that share their memory once, and names the others in the metadata.
    for (removed, kept) in weights.metadata().iter().filter(|(_, kept)| weights.contains(kept)) {
        stored.entry(standard(removed, prefix)).or_insert_with(|| kept.clone());
    }
    let idle = weights.names().filter(|name| idle.contains(&standard(name, prefix))).map(str::to_string).collect();
    let absent = weights.absent().iter().map(|(name, shard)| (standard(name, prefix), shard.clone())).collect();
    Source { weights, stored, idle, absent }
}

/// How many layers a file holds: one more than the largest number of one.
pub fn n_layers(source: &Source, prefix: &str) -> usize {
    let start = format!("{prefix}.{LAYERS}");
    let number = |name: &String| name.strip_prefix(&start)?.split('.').next()?.parse::<usize>().ok();
    source.stored.keys().filter_map(number).max().map_or(0, |last| last.saturating_add(1))
}

/// Whether a name is that of a tensor in a layer of this number or a later one.
pub fn is_beyond(name: &str, prefix: &str, layers: usize) -> bool {
    let name = standard(name, prefix);
    let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')?.strip_prefix(LAYERS));
    rest.and_then(|rest| rest.split('.').next()?.parse::<usize>().ok()).is_some_and(|number| number >= layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_names_become_those_of_today() {
        for (stored, prefix, expected) in [
            ("embeddings.word_embeddings.weight", "roberta", "roberta.embeddings.word_embeddings.weight"),
            ("encoder.layer.3.output.LayerNorm.gamma", "bert", "bert.encoder.layer.3.output.LayerNorm.weight"),
            ("bert.embeddings.LayerNorm.beta", "bert", "bert.embeddings.LayerNorm.bias"),
            ("cls.predictions.transform.LayerNorm.gamma", "bert", "cls.predictions.transform.LayerNorm.weight"),
            ("pooler.dense.weight", "bert", "bert.pooler.dense.weight"),
            ("lm_head.layer_norm.weight", "roberta", "lm_head.layer_norm.weight"),
            ("classifier.dense.bias", "roberta", "classifier.dense.bias"),
        ] {
            assert_eq!(standard(stored, prefix), expected);
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
            assert_eq!(is_beyond(name, "roberta", 2), beyond, "{name}");
        }
    }
}
