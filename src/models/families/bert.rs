//! BERT and its multilingual sisters (Devlin et al., 2019): mBERT, LaBSE, multilingual MiniLM.
//!
//! `at = "word"` perturbs the word table's output; `"embedding"` the sum of words, positions and token types, normed; and
//! `"encoder"` the states of the last layer that the head sees.

use super::{Activation, Architecture, Dense, HeadNames, KEYS, NAMES, Norms, Origin, Positions, Unit, read_as_bert};

pub(super) const BERT: Architecture = Architecture {
    model_type: "bert",
    prefix: "bert",
    encoder: "BertModel",
    classifier: "BertForSequenceClassification",
    tagger: "BertForTokenClassification",
    masked_lm: "BertForMaskedLM",
    span: "QuestionAnswering",
    keys: KEYS,
    read: read_as_bert,
    padding: 0,
    positions: Positions::FromZero,
    norms: Norms::After,
    unit: Unit::Gelu,
    names: NAMES,
    heads: HeadNames {
        dense: Some(POOLER),
        drops_first: false,
        out: "classifier",
        tag_dense: None,
        tags: "classifier",
        span: "qa_outputs",
        choice_dense: Some(POOLER),
        choice: "classifier",
        choice_last: None,
        transform: Some(Dense {
            name: "cls.predictions.transform.dense",
            activation: Activation::Gelu,
            norm: Some("cls.predictions.transform.LayerNorm"),
            origin: Origin::Head,
        }),
        bias: "cls.predictions.bias",
        decoder: "cls.predictions.decoder",
    },
};

/// It was pretrained with the encoder.
const POOLER: Dense =
    Dense { name: "bert.pooler.dense", activation: Activation::Tanh, norm: None, origin: Origin::Encoder };
