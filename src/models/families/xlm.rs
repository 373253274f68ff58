//! XLM (Conneau & Lample, 2019): embeddings of languages in some models (`use_lang_emb`, `n_langs`), BERT's layers under
//! other names, and a classifier that is one projection of the first token. A sinusoidal position table lies in the file
//! like a learned one, and is trained like it. A batch's token types are the languages of its tokens.
//!
//! `at = "word"` perturbs the word table's output; `"embedding"` the sum of words, positions and languages, normed; and
//! `"encoder"` the states of the last layer that the head sees.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Architecture, Config, EncoderNames, Fields, HeadNames, Keys, LayerNames, MapNames, Norms, Positions, Unit,
};

pub(super) const XLM: Architecture = Architecture {
    model_type: "xlm",
    prefix: "transformer",
    encoder: "XLMModel",
    classifier: "XLMForSequenceClassification",
    tagger: "XLMForTokenClassification",
    masked_lm: "XLMWithLMHeadModel",
    span: "QuestionAnsweringSimple",
    keys: Keys {
        hidden_size: "emb_dim",
        layers: "n_layers",
        heads: "n_heads",
        dropouts: &["dropout", "attention_dropout"],
    },
    read,
    padding: 2,
    positions: Positions::FromZero,
    norms: Norms::After,
    unit: Unit::Gelu,
    names: EncoderNames {
        words: "embeddings",
        positions: Some("position_embeddings"),
        types: None,
        languages: Some("lang_embeddings"),
        norm: Some("layer_norm_emb"),
        layer: LayerNames {
            maps: MapNames::Apart {
                query: "attentions.{}.q_lin",
                key: "attentions.{}.k_lin",
                value: "attentions.{}.v_lin",
            },
            out: "attentions.{}.out_lin",
            attention_norm: "layer_norm1.{}",
            up: "ffns.{}.lin1",
            down: "ffns.{}.lin2",
            output_norm: "layer_norm2.{}",
        },
        last_norm: None,
        bare: &[
            "embeddings.",
            "position_embeddings.",
            "lang_embeddings.",
            "layer_norm",
            "attentions.",
            "ffns.",
            "position_ids",
        ],
    },
    heads: HeadNames {
        dense: None,
        drops_first: true,
        out: "sequence_summary.summary",
        tag_dense: None,
        tags: "classifier",
        span: "qa_outputs",
        choice_dense: None,
        choice: "sequence_summary.summary",
        choice_last: Some("logits_proj"),
        transform: None,
        bias: "pred_layer.proj.bias",
        decoder: "pred_layer.proj",
    },
};

fn read(fields: &Fields, common: Config) -> Result<Config, String> {
    must_be_usual(fields)?;
    let dropout = fields.rate("dropout", 0.1)?;
    let (h, n_languages) = (fields.size("emb_dim")?, fields.id("n_langs", 1)?);
    let n_languages = if fields.flag("use_lang_emb", true)? { n_languages } else { 0 };
    // Files from before transformers 3 have other keys for two things.
    let older = |name, old| if fields.get(name).is_none() && fields.get(old).is_some() { old } else { name };
    Ok(Config {
        vocab_size: fields.size(older("vocab_size", "n_words"))?,
        hidden_size: h,
        num_hidden_layers: fields.size("n_layers")?,
        num_attention_heads: fields.size("n_heads")?,
        intermediate_size: 4 * h,
        max_position_embeddings: fields.size("max_position_embeddings")?,
        n_languages,
        languages: languages(fields, n_languages)?,
        layer_norm_eps: fields.number("layer_norm_eps", 1e-12)?,
        hidden_dropout_prob: dropout,
        attention_probs_dropout_prob: fields.rate("attention_dropout", 0.1)?,
        attention_output_dropout: dropout,
        feed_forward_dropout: dropout,
        classifier_dropout: fields.rate("summary_first_dropout", 0.1)?,
        tagger_dropout: dropout,
        initializer_range: fields.number("init_std", 0.02)?,
        pad_token_id: fields.id(older("pad_token_id", "pad_index"), 2)?,
        ..common
    })
}

/// The numbers of languages, where the encoder tells some apart; a file that does not name them has none.
fn languages(fields: &Fields, n_languages: usize) -> Result<BTreeMap<String, u32>, String> {
    let Some(names) = fields.get("lang2id").filter(|_| n_languages > 1) else { return Ok(BTreeMap::new()) };
    let names = names.as_object().ok_or_else(|| format!("\"lang2id\" must be an object, found {names}"))?;
    let number = |(name, number): (&String, &Value)| match number.as_u64().filter(|id| (*id as usize) < n_languages) {
        Some(id) => Ok((name.clone(), id as u32)),
        None => Err(format!("\"lang2id\" must give \"{name}\" a number below n_langs {n_languages}, found {number}")),
    };
    names.iter().map(number).collect()
}

/// Refuses what no multilingual XLM has.
fn must_be_usual(fields: &Fields) -> Result<(), String> {
    fields.must_be_flag("gelu_activation", true, true, "the rectifier is not supported in layers")?;
    fields.must_be_flag("asm", false, false, "an adaptive softmax is not supported")?;
    fields.must_be_flag("causal", false, false, "an encoder's tokens see those after them, too")?;
    fields.must_be_flag("is_encoder", true, true, "a decoder is not supported")?;
    fields.must_be("summary_type", "first")?;
    fields.must_be_flag("summary_use_proj", true, true, "a classifier projects to its labels")?;
    fields.must_be_flag("summary_proj_to_labels", true, true, "a classifier projects to its labels")?;
    match fields.get("summary_activation") {
        Some(activation) => Err(format!("\"summary_activation\" must be null, found {activation}")),
        None => Ok(()),
    }
}
