//! ModernBERT (Warner et al., 2024), of which mmBERT (Marone et al., 2025) is the multilingual one: rotary positions,
//! windows of attention in all layers but some, gated feed-forward nets, norms before the sublayers, hardly any biases.
//!
//! A classifier sees the mean of the last states (`classifier_pooling` "mean") or the first token's ("cls"); its hidden
//! layer is the language model's, and kept whatever the labels are.
//!
//! `at = "word"` perturbs the word table's output; `"embedding"` the same normed, since there are no positions to add; and
//! `"encoder"` what the head sees behind the last norm: of a classifier with "mean" the mean, one vector for each sequence,
//! else the states of first tokens, of words or of masked ones.

use super::{
    Activation, Architecture, Config, Dense, EncoderNames, Fields, HeadNames, Keys, LayerNames, MapNames, Norms,
    Origin, Positions, Unit,
};
use crate::{
    models::config::{Biases, Globals, Pooling, Rotation},
    nn::Bias,
};
use serde_json::Value;

pub(super) const MODERNBERT: Architecture = Architecture {
    model_type: "modernbert",
    prefix: "model",
    encoder: "ModernBertModel",
    classifier: "ModernBertForSequenceClassification",
    tagger: "ModernBertForTokenClassification",
    masked_lm: "ModernBertForMaskedLM",
    span: "QuestionAnswering",
    keys: Keys {
        hidden_size: "hidden_size",
        layers: "num_hidden_layers",
        heads: "num_attention_heads",
        dropouts: &["embedding_dropout", "attention_dropout", "mlp_dropout"],
    },
    read,
    padding: 50_283,
    positions: Positions::FromZero,
    norms: Norms::Before { first: false },
    unit: Unit::GatedGelu,
    names: EncoderNames {
        words: "embeddings.tok_embeddings",
        positions: None,
        types: None,
        languages: None,
        norm: Some("embeddings.norm"),
        layer: LayerNames {
            maps: MapNames::Fused("layers.{}.attn.Wqkv"),
            out: "layers.{}.attn.Wo",
            attention_norm: "layers.{}.attn_norm",
            up: "layers.{}.mlp.Wi",
            down: "layers.{}.mlp.Wo",
            output_norm: "layers.{}.mlp_norm",
        },
        last_norm: Some("final_norm"),
        bare: &["embeddings.", "layers.", "final_norm."],
    },
    heads: HeadNames {
        dense: Some(HEAD),
        drops_first: false,
        out: "classifier",
        tag_dense: Some(HEAD),
        tags: "classifier",
        span: "classifier",
        choice_dense: Some(HEAD),
        choice: "classifier",
        choice_last: None,
        transform: Some(HEAD),
        bias: "decoder.bias",
        decoder: "decoder",
    },
};

/// The hidden layer of every head.
const HEAD: Dense =
    Dense { name: "head.dense", activation: Activation::Gelu, norm: Some("head.norm"), origin: Origin::Encoder };

/// The most places that angles are kept for: the longest models of this kind have 32,768.
const MOST_PLACES: usize = 1 << 16;

fn read(fields: &Fields, common: Config) -> Result<Config, String> {
    fields.must_be_gelu("hidden_activation")?;
    fields.must_be_gelu("classifier_activation")?;
    let attention_dropout = fields.rate("attention_dropout", 0.0)?;
    let classifier_dropout = fields.rate("classifier_dropout", 0.0)?;
    let places = fields.size("max_position_embeddings")?;
    if places > MOST_PLACES {
        return Err(format!("\"max_position_embeddings\" must be at most {MOST_PLACES}, found {places}"));
    }
    let config = Config {
        vocab_size: fields.size("vocab_size")?,
        hidden_size: fields.size("hidden_size")?,
        num_hidden_layers: fields.size("num_hidden_layers")?,
        num_attention_heads: fields.size("num_attention_heads")?,
        intermediate_size: fields.size("intermediate_size")?,
        max_position_embeddings: places,
        layer_norm_eps: fields.number("norm_eps", 1e-5)?,
        hidden_dropout_prob: fields.rate("embedding_dropout", 0.0)?,
        attention_probs_dropout_prob: attention_dropout,
        attention_output_dropout: attention_dropout,
        feed_forward_dropout: fields.rate("mlp_dropout", 0.0)?,
        classifier_dropout,
        tagger_dropout: classifier_dropout,
        initializer_range: fields.number("initializer_range", 0.02)?,
        biases: biases(fields)?,
        pooling: pooling(fields)?,
        ..common
    };
    let width = config.hidden_size / config.num_attention_heads;
    match width.is_multiple_of(2) && width > 0 {
        true => Ok(Config { rotation: Some(rotation(fields, config.num_hidden_layers)?), ..config }),
        false => Err(format!("heads of {width} columns have no pairs to turn; an even width is needed")),
    }
}

fn biases(fields: &Fields) -> Result<Biases, String> {
    let bias = |name: &str, default| match fields.flag(name, default)? {
        true => Ok::<Bias, String>(Bias::Learned),
        false => Ok(Bias::None),
    };
    Ok(Biases {
        attention: bias("attention_bias", false)?,
        feed_forward: bias("mlp_bias", false)?,
        norms: bias("norm_bias", false)?,
        dense: bias("classifier_bias", false)?,
        words: bias("decoder_bias", true)?,
    })
}

fn pooling(fields: &Fields) -> Result<Pooling, String> {
    match fields.get("classifier_pooling").map_or(Some("cls"), Value::as_str) {
        Some("cls") => Ok(Pooling::First),
        Some("mean") => Ok(Pooling::Mean),
        _ => Err("\"classifier_pooling\" must be \"cls\" or \"mean\"".to_string()),
    }
}

/// Bases and windows, as files of today (`rope_parameters`, `layer_types`) or of yesterday have them.
fn rotation(fields: &Fields, n_layers: usize) -> Result<Rotation, String> {
    let half = fields.get("local_attention").and_then(Value::as_u64).map(|both| both / 2);
    if let Some(window) = fields.get("sliding_window")
        && (half.is_none() || window.as_u64() != half)
    {
        return Err(format!(
            "\"sliding_window\" is {window}, and is not half of \"local_attention\": transformers takes it for the window; \
             write {window} twice over as \"local_attention\""
        ));
    }
    if fields.get("rope_scaling").is_some() {
        return Err("\"rope_scaling\" must be null: scaled rotary positions are not supported".to_string());
    }
    let global_base = base(fields, "full_attention", "global_rope_theta", Some(160_000.0))?;
    // Without a base of its own a layer with a window has that of the others; a file that does not name it means 10,000.
    let is_null = fields.0.get("local_rope_theta").is_some_and(Value::is_null);
    let default = if is_null { global_base } else { 10_000.0 };
    let local_base = base(fields, "sliding_attention", "local_rope_theta", Some(default))?;
    let window = fields.id("local_attention", 128)? / 2;
    Ok(Rotation { global_base, local_base, window, globals: globals(fields, n_layers)? })
}

fn base(fields: &Fields, kind: &str, older: &str, default: Option<f64>) -> Result<f64, String> {
    let parameters = fields.get("rope_parameters").and_then(|parameters| parameters.get(kind));
    if let Some(turn) = parameters.and_then(|parameters| parameters.get("rope_type")).filter(|turn| *turn != "default")
    {
        return Err(format!("\"rope_type\" must be \"default\", found {turn}"));
    }
    let value = parameters.and_then(|parameters| parameters.get("rope_theta")).or_else(|| fields.get(older));
    let base = value.map_or(default, Value::as_f64).filter(|base| base.is_finite() && *base >= 1.0);
    base.ok_or_else(|| format!("the base of rotary positions (\"{older}\") must be a number of at least 1"))
}

fn globals(fields: &Fields, n_layers: usize) -> Result<Globals, String> {
    let Some(kinds) = fields.get("layer_types") else {
        return match fields.id("global_attn_every_n_layers", 3)? {
            0 => Err("\"global_attn_every_n_layers\" must be positive".to_string()),
            every => Ok(Globals::Every(every)),
        };
    };
    let kind = |kind: &Value| match kind.as_str() {
        Some("full_attention") => Some(true),
        Some("sliding_attention") => Some(false),
        _ => None,
    };
    let listed: Option<Vec<bool>> = kinds.as_array().and_then(|kinds| kinds.iter().map(kind).collect());
    let listed = listed.filter(|listed| listed.len() == n_layers);
    listed.map(Globals::Listed).ok_or_else(|| {
        format!("\"layer_types\" must say \"full_attention\" or \"sliding_attention\" of each of {n_layers} layers")
    })
}
