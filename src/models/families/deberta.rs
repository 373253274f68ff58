//! DeBERTa-v3 (He et al., 2021 and 2023) with the settings of mDeBERTa-v3: attention is disentangled, distances go in log
//! buckets, and words know of no absolute position. Other settings of `deberta-v2` are refused.
//!
//! `at = "word"` perturbs the word table's output, and `"embedding"` the same, normed: neither holds positions, which layers
//! look up for themselves and no perturbation reaches. `"encoder"` perturbs the states of the last layer that the head sees.

use super::{Activation, Architecture, Dense, EncoderNames, HeadNames, KEYS, LayerNames, Norms, Origin, Positions};
use crate::models::{Config, fields::Fields, relative::Relative};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) const DEBERTA_V2: Architecture = Architecture {
    model_type: "deberta-v2",
    prefix: "deberta",
    encoder: "DebertaV2Model",
    classifier: "DebertaV2ForSequenceClassification",
    tagger: "DebertaV2ForTokenClassification",
    masked_lm: "DebertaV2ForMaskedLM",
    keys: KEYS,
    read,
    padding: 0,
    positions: Positions::FromZero,
    norms: Norms::After,
    names: EncoderNames {
        words: "embeddings.word_embeddings",
        positions: None,
        types: None,
        norm: Some("embeddings.LayerNorm"),
        layer: LayerNames {
            query: "encoder.layer.{}.attention.self.query_proj",
            key: "encoder.layer.{}.attention.self.key_proj",
            value: "encoder.layer.{}.attention.self.value_proj",
            out: "encoder.layer.{}.attention.output.dense",
            attention_norm: "encoder.layer.{}.attention.output.LayerNorm",
            up: "encoder.layer.{}.intermediate.dense",
            down: "encoder.layer.{}.output.dense",
            output_norm: "encoder.layer.{}.output.LayerNorm",
        },
        last_norm: None,
        bare: &["embeddings.", "encoder."],
    },
    heads: HeadNames {
        dense: Some(Dense { name: "pooler.dense", activation: Activation::Gelu, norm: None, origin: Origin::Head }),
        drops_first: false,
        out: "classifier",
        tag_dense: None,
        tags: "classifier",
        // As the published files have it; transformers looks for it where config.json says that it is not "legacy".
        transform: Some(Dense {
            name: "lm_predictions.lm_head.dense",
            activation: Activation::Gelu,
            norm: Some("lm_predictions.lm_head.LayerNorm"),
            origin: Origin::Head,
        }),
        bias: "lm_predictions.lm_head.bias",
        decoder: "lm_predictions.lm_head.decoder",
    },
};

/// Why another setting is refused.
const ONLY: &str = "of deberta-v2, models with mDeBERTa-v3's settings are supported";

fn read(fields: &Fields, common: Config) -> Result<Config, String> {
    refuse_others(fields)?;
    let hidden_dropout_prob = fields.rate("hidden_dropout_prob", 0.1)?;
    let config = Config {
        vocab_size: fields.size("vocab_size")?,
        hidden_size: fields.size("hidden_size")?,
        num_hidden_layers: fields.size("num_hidden_layers")?,
        num_attention_heads: fields.size("num_attention_heads")?,
        intermediate_size: fields.size("intermediate_size")?,
        max_position_embeddings: fields.size("max_position_embeddings")?,
        layer_norm_eps: fields.number("layer_norm_eps", 1e-7)?,
        hidden_dropout_prob,
        attention_probs_dropout_prob: fields.rate("attention_probs_dropout_prob", 0.1)?,
        classifier_dropout: fields.rate("cls_dropout", hidden_dropout_prob)?,
        tagger_dropout: hidden_dropout_prob,
        initializer_range: fields.number("initializer_range", 0.02)?,
        ..common
    };
    for (key, wanted) in [
        ("embedding_size", config.hidden_size),
        ("pooler_hidden_size", config.hidden_size),
        ("attention_head_size", config.hidden_size / config.num_attention_heads),
    ] {
        must_be_number(fields, key, wanted)?;
    }
    let mut raw = config.raw.clone();
    raw.insert("legacy".into(), false.into()); // what is written has the head of a language model of today
    Ok(Config { relative: Some(relative(fields, config.max_position_embeddings)?), raw, ..config })
}

/// The buckets of distances; a `max_relative_positions` below 1 stands for all positions.
fn relative(fields: &Fields, positions: usize) -> Result<Relative, String> {
    let side = fields.size("position_buckets")?;
    let reach = match fields.get("max_relative_positions") {
        Some(value) if value.as_i64().is_none_or(|reach| reach >= 1) => fields.size("max_relative_positions")?,
        _ => positions,
    };
    match side >= 2 && reach > side / 2 + 1 {
        true => Ok(Relative { side, reach, table: "encoder.rel_embeddings", norm: "encoder.LayerNorm" }),
        false => Err(format!(
            "\"position_buckets\" must be at least 2, and half of it below the {reach} distances less one, found {side}"
        )),
    }
}

/// Refuses what other models of this type have.
fn refuse_others(fields: &Fields) -> Result<(), String> {
    fields.must_be("hidden_act", "gelu")?;
    fields.must_be("pooler_hidden_act", "gelu")?;
    fields.must_be("norm_rel_ebd", "layer_norm")?;
    if fields.get("norm_rel_ebd").is_none() {
        return Err(format!("\"norm_rel_ebd\" is missing, expected \"layer_norm\": {ONLY}"));
    }
    fields.must_be_flag("relative_attention", true, false, ONLY)?;
    fields.must_be_flag("share_att_key", true, false, ONLY)?;
    fields.must_be_flag("position_biased_input", false, true, ONLY)?;
    for key in ["type_vocab_size", "conv_kernel_size", "pooler_dropout"] {
        must_be_number(fields, key, 0)?;
    }
    let kinds = position_kinds(fields.get("pos_att_type"));
    match kinds == BTreeSet::from(["c2p".to_string(), "p2c".to_string()]) {
        true => Ok(()),
        false => Err(format!("\"pos_att_type\" must be c2p and p2c, found {kinds:?}: {ONLY}")),
    }
}

/// The parts of `"p2c|c2p"`, or of a list.
fn position_kinds(value: Option<&Value>) -> BTreeSet<String> {
    match value {
        Some(Value::String(text)) => text.to_lowercase().split('|').map(|kind| kind.trim().to_string()).collect(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).map(str::to_string).collect(),
        _ => BTreeSet::new(),
    }
}

/// Refuses any other number than this one, where there is a value.
fn must_be_number(fields: &Fields, key: &str, only: usize) -> Result<(), String> {
    match fields.get(key) {
        Some(value) if value.as_f64() != Some(only as f64) => {
            Err(format!("\"{key}\" must be {only}, found {value}: {ONLY}"))
        }
        _ => Ok(()),
    }
}
