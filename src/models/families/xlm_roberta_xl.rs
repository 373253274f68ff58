//! XLM-R XL and XXL (Goyal et al., 2021): XLM-R with norms before the sublayers and behind the last layer, and none of the
//! embeddings.
//!
//! `at = "word"` perturbs the word table's output; `"embedding"` the sum of words, positions and token types, which is not
//! normed, so that a radius means something else than in XLM-R; and `"encoder"` the states behind the last norm that the head
//! sees.

use super::{
    Architecture, Config, EncoderNames, Fields, KEYS, LayerNames, MapNames, NAMES, Norms, Positions, Unit,
    read_as_bert, roberta,
};

pub(super) const XLM_ROBERTA_XL: Architecture = Architecture {
    model_type: "xlm-roberta-xl",
    prefix: "roberta",
    encoder: "XLMRobertaXLModel",
    classifier: "XLMRobertaXLForSequenceClassification",
    tagger: "XLMRobertaXLForTokenClassification",
    masked_lm: "XLMRobertaXLForMaskedLM",
    span: "QuestionAnswering",
    keys: KEYS,
    read,
    padding: 1,
    positions: Positions::AfterPadding,
    norms: Norms::Before { first: true },
    unit: Unit::Gelu,
    names: EncoderNames {
        norm: None,
        layer: LayerNames {
            maps: MapNames::Apart {
                query: "encoder.layer.{}.attention.self.query",
                key: "encoder.layer.{}.attention.self.key",
                value: "encoder.layer.{}.attention.self.value",
            },
            out: "encoder.layer.{}.attention.output.dense",
            attention_norm: "encoder.layer.{}.attention.self_attn_layer_norm",
            up: "encoder.layer.{}.intermediate.dense",
            down: "encoder.layer.{}.output.dense",
            output_norm: "encoder.layer.{}.LayerNorm",
        },
        last_norm: Some("encoder.LayerNorm"),
        ..NAMES
    },
    heads: roberta::HEADS,
};

/// As BERT, but for what transformers does: no dropout behind the feed-forward net, and another ε where none is said.
fn read(fields: &Fields, common: Config) -> Result<Config, String> {
    let layer_norm_eps = fields.number("layer_norm_eps", 1e-5)?;
    Ok(Config { feed_forward_dropout: 0.0, layer_norm_eps, ..read_as_bert(fields, common)? })
}
