//! DistilBERT (Sanh et al., 2019), of which distilbert-base-multilingual-cased is one: BERT's encoder with half of its
//! layers, without token types and pooler. A sinusoidal position table lies in the file like a learned one, and is trained
//! like it.
//!
//! `at = "word"` perturbs the word table's output; `"embedding"` the sum of words and positions, normed; and `"encoder"` the
//! states of the last layer that the head sees.

use super::{
    Activation, Architecture, Config, Dense, EncoderNames, Fields, HeadNames, Keys, LayerNames, MapNames, Norms,
    Origin, Positions, Unit,
};

pub(super) const DISTILBERT: Architecture = Architecture {
    model_type: "distilbert",
    prefix: "distilbert",
    encoder: "DistilBertModel",
    classifier: "DistilBertForSequenceClassification",
    tagger: "DistilBertForTokenClassification",
    masked_lm: "DistilBertForMaskedLM",
    span: "QuestionAnswering",
    keys: Keys {
        hidden_size: "dim",
        layers: "n_layers",
        heads: "n_heads",
        dropouts: &["dropout", "attention_dropout"],
    },
    read,
    padding: 0,
    positions: Positions::FromZero,
    norms: Norms::After,
    unit: Unit::Gelu,
    names: EncoderNames {
        words: "embeddings.word_embeddings",
        positions: Some("embeddings.position_embeddings"),
        types: None,
        languages: None,
        norm: Some("embeddings.LayerNorm"),
        layer: LayerNames {
            maps: MapNames::Apart {
                query: "transformer.layer.{}.attention.q_lin",
                key: "transformer.layer.{}.attention.k_lin",
                value: "transformer.layer.{}.attention.v_lin",
            },
            out: "transformer.layer.{}.attention.out_lin",
            attention_norm: "transformer.layer.{}.sa_layer_norm",
            up: "transformer.layer.{}.ffn.lin1",
            down: "transformer.layer.{}.ffn.lin2",
            output_norm: "transformer.layer.{}.output_layer_norm",
        },
        last_norm: None,
        bare: &["embeddings.", "transformer."],
    },
    heads: HeadNames {
        dense: Some(PRE_CLASSIFIER),
        drops_first: false,
        out: "classifier",
        tag_dense: None,
        tags: "classifier",
        span: "qa_outputs",
        choice_dense: Some(PRE_CLASSIFIER),
        choice: "classifier",
        choice_last: None,
        transform: Some(Dense {
            name: "vocab_transform",
            activation: Activation::Gelu,
            norm: Some("vocab_layer_norm"),
            origin: Origin::Head,
        }),
        bias: "vocab_projector.bias",
        decoder: "vocab_projector",
    },
};

/// The hidden layer of heads that see a text as a whole.
const PRE_CLASSIFIER: Dense =
    Dense { name: "pre_classifier", activation: Activation::Relu, norm: None, origin: Origin::Head };

fn read(fields: &Fields, common: Config) -> Result<Config, String> {
    fields.must_be_gelu("activation")?;
    fields.flag("sinusoidal_pos_embds", false)?;
    let dropout = fields.rate("dropout", 0.1)?;
    Ok(Config {
        vocab_size: fields.size("vocab_size")?,
        hidden_size: fields.size("dim")?,
        num_hidden_layers: fields.size("n_layers")?,
        num_attention_heads: fields.size("n_heads")?,
        intermediate_size: fields.size("hidden_dim")?,
        max_position_embeddings: fields.size("max_position_embeddings")?,
        layer_norm_eps: 1e-12,
        hidden_dropout_prob: dropout,
        attention_probs_dropout_prob: fields.rate("attention_dropout", 0.1)?,
        attention_output_dropout: 0.0, // it has none
        feed_forward_dropout: dropout,
        classifier_dropout: fields.rate("seq_classif_dropout", 0.2)?,
        tagger_dropout: dropout,
        initializer_range: fields.number("initializer_range", 0.02)?,
        ..common
    })
}
