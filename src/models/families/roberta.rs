//! RoBERTa (Liu et al., 2019) under the names that transformers has for it, of which XLM-R (Conneau et al., 2020) is one;
//! multilingual E5 and InfoXLM are XLM-R, too.
//!
//! `at = "word"` perturbs the word table's output; `"embedding"` the sum of words, positions and token types, normed; and
//! `"encoder"` the states of the last layer that the head sees.

use super::{Activation, Architecture, Dense, HeadNames, KEYS, NAMES, Norms, Origin, Positions, Unit, read_as_bert};

pub(super) const XLM_ROBERTA: Architecture = roberta(
    "xlm-roberta",
    "XLMRobertaModel",
    "XLMRobertaForSequenceClassification",
    "XLMRobertaForTokenClassification",
    "XLMRobertaForMaskedLM",
);

pub(super) const ROBERTA: Architecture = roberta(
    "roberta",
    "RobertaModel",
    "RobertaForSequenceClassification",
    "RobertaForTokenClassification",
    "RobertaForMaskedLM",
);

pub(super) const CAMEMBERT: Architecture = roberta(
    "camembert",
    "CamembertModel",
    "CamembertForSequenceClassification",
    "CamembertForTokenClassification",
    "CamembertForMaskedLM",
);

const fn roberta(
    model_type: &'static str,
    encoder: &'static str,
    classifier: &'static str,
    tagger: &'static str,
    masked_lm: &'static str,
) -> Architecture {
    Architecture {
        model_type,
        prefix: "roberta",
        encoder,
        classifier,
        tagger,
        masked_lm,
        span: "QuestionAnswering",
        keys: KEYS,
        read: read_as_bert,
        padding: 1,
        positions: Positions::AfterPadding,
        norms: Norms::After,
        unit: Unit::Gelu,
        names: NAMES,
        heads: HEADS,
    }
}

/// The heads of every RoBERTa.
pub(super) const HEADS: HeadNames = HeadNames {
    dense: Some(Dense { name: "classifier.dense", activation: Activation::Tanh, norm: None, origin: Origin::Head }),
    drops_first: true,
    out: "classifier.out_proj",
    tag_dense: None,
    tags: "classifier",
    span: "qa_outputs",
    choice_dense: Some(POOLER),
    choice: "classifier",
    choice_last: None,
    transform: Some(Dense {
        name: "lm_head.dense",
        activation: Activation::Gelu,
        norm: Some("lm_head.layer_norm"),
        origin: Origin::Head,
    }),
    bias: "lm_head.bias",
    decoder: "lm_head.decoder",
};

/// What transformers puts under the score of an alternative; nothing trained it before.
const POOLER: Dense =
    Dense { name: "roberta.pooler.dense", activation: Activation::Tanh, norm: None, origin: Origin::Encoder };
