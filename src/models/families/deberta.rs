//! DeBERTa-v3 (He et al., 2021 and 2023) with the settings of mDeBERTa-v3: attention is disentangled, distances go in log
//! buckets, and words know of no absolute position. Other settings of `deberta-v2` are refused.
//!
//! `at = "word"` perturbs the word table's output, and `"embedding"` the same, normed: neither holds positions, which layers
//! look up for themselves and no perturbation reaches. `"encoder"` perturbs the states of the last layer that the head sees.

use super::{
    Activation, Architecture, Config, Dense, EncoderNames, Fields, HeadNames, KEYS, LayerNames, MapNames, Norms,
    Origin, Positions, Unit,
};
use crate::models::relative::Relative;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) const DEBERTA_V2: Architecture = Architecture {
    model_type: "deberta-v2",
    prefix: "deberta",
    encoder: "DebertaV2Model",
    classifier: "DebertaV2ForSequenceClassification",
    tagger: "DebertaV2ForTokenClassification",
    masked_lm: "DebertaV2ForMaskedLM",
    span: "QuestionAnswering",
    keys: KEYS,
    read,
    padding: 0,
    positions: Positions::FromZero,
    norms: Norms::After,
    unit: Unit::Gelu,
    names: EncoderNames {
        words: "embeddings.word_embeddings",
        positions: None,
        types: None,
        languages: None,
        norm: Some("embeddings.LayerNorm"),
        layer: LayerNames {
            maps: MapNames::Apart {
                query: "encoder.layer.{}.attention.self.query_proj",
                key: "encoder.layer.{}.attention.self.key_proj",
                value: "encoder.layer.{}.attention.self.value_proj",
            },
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
        dense: Some(POOLER),
        drops_first: false,
        out: "classifier",
        tag_dense: None,
        tags: "classifier",
        span: "qa_outputs",
        choice_dense: Some(POOLER),
        choice: "classifier",
        choice_last: None,
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

/// The pooler: here it is trained with a head, not with the encoder.
const POOLER: Dense = Dense { name: "pooler.dense", activation: Activation::Gelu, norm: None, origin: Origin::Head };

/// The most positions that distances are laid out for: no tensor of the checkpoint tells whether there are as many.
const MOST_POSITIONS: usize = 1 << 16;

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
        attention_output_dropout: hidden_dropout_prob,
        feed_forward_dropout: hidden_dropout_prob,
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
    let relative = relative(fields, config.max_position_embeddings)?;
    Ok(Config { relative: Some(relative), of_masked_lm: Some(("legacy", false)), ..config })
}

/// The buckets of distances; a `max_relative_positions` below 1 stands for all positions.
fn relative(fields: &Fields, positions: usize) -> Result<Relative, String> {
    if positions > MOST_POSITIONS {
        return Err(format!("\"max_position_embeddings\" must be at most {MOST_POSITIONS}, found {positions}"));
    }
    let side = fields.size("position_buckets")?;
    let reach = match fields.get("max_relative_positions") {
        Some(value) if value.as_i64().is_none_or(|reach| reach >= 1) => fields.size("max_relative_positions")?,
        _ => positions,
    };
    match side >= 2 && reach > side / 2 + 1 {
        true => Ok(Relative { side, reach, table: "encoder.rel_embeddings", norm: "encoder.LayerNorm" }),
        false => Err(format!(
            "\"position_buckets\" must be at least 2 and less than twice \"max_relative_positions\" ({reach}) less two, found \
             {side}"
        )),
    }
}

/// Refuses what other models of this type have.
fn refuse_others(fields: &Fields) -> Result<(), String> {
    fields.must_be_gelu("hidden_act")?;
    fields.must_be_gelu("pooler_hidden_act")?;
    fields.must_be("norm_rel_ebd", "layer_norm")?;
    if fields.get("norm_rel_ebd").is_none() {
        return Err(format!("\"norm_rel_ebd\" is missing, expected \"layer_norm\": {ONLY}"));
    }
    fields.must_be_flag("relative_attention", true, false, ONLY)?;
    fields.must_be_flag("share_att_key", true, false, ONLY)?;
    fields.must_be_flag("position_biased_input", false, true, ONLY)?;
    fields.must_be_flag("tie_word_embeddings", true, true, "the output layer of a language model is the word table")?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        array::Segments,
        models::{Batch, HeadKind, Model, Place, Target, Words, relative::RelativePositions},
        nn::{Builder, Pass, Work},
        rng::Draw,
        tensor::{Device, Tensor},
    };
    use serde_json::json;

    /// The config.json of mdeberta-v3-base, with one key changed.
    fn config(key: &str, value: Value) -> Result<Config, String> {
        let mut raw = json!({
            "model_type": "deberta-v2", "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
            "max_position_embeddings": 512, "relative_attention": true, "position_buckets": 256,
            "norm_rel_ebd": "layer_norm", "share_att_key": true, "pos_att_type": "p2c|c2p", "layer_norm_eps": 1e-7,
            "max_relative_positions": -1, "position_biased_input": false, "num_attention_heads": 12,
            "num_hidden_layers": 12, "type_vocab_size": 0, "vocab_size": 251000,
        });
        raw[key] = value;
        Config::new(raw.as_object().unwrap().clone())
    }

    #[test]
    fn the_settings_of_mdeberta_are_read() {
        let read = config("pooler_dropout", json!(0)).unwrap();
        let relative = read.relative.unwrap();
        assert_eq!((relative.side, relative.reach, read.longest_input()), (256, 512, 512));
        assert_eq!((read.type_vocab_size, read.layer_norm_eps), (1, 1e-7));
        assert_eq!(read.to_json(&HeadKind::MaskedLm)["legacy"], false);
        assert!(read.to_json(&HeadKind::Tag(vec!["O".into()])).get("legacy").is_none());
        let far = config("max_relative_positions", json!(300)).unwrap();
        assert_eq!(far.relative.unwrap().reach, 300);
    }

    /// A small model whose dropout is on everywhere.
    fn dropping() -> Model {
        let config = json!({
            "model_type": "deberta-v2", "vocab_size": 23, "hidden_size": 8, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 12, "position_buckets": 4,
            "relative_attention": true, "norm_rel_ebd": "layer_norm", "share_att_key": true, "type_vocab_size": 0,
            "pos_att_type": ["p2c", "c2p"], "position_biased_input": false, "initializer_range": 0.4,
            "hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2,
        });
        let config = Config::new(config.as_object().unwrap().clone()).unwrap();
        Model::fresh(config, HeadKind::Classify(vec!["a".into(), "b".into()]), 7, &Device::cpu()).unwrap()
    }

    #[test]
    fn each_layer_drops_positions_of_its_own_and_runs_again_alike() {
        let mut model = dropping();
        let segments = Segments::new([7, 1, 4]);
        let (ids, types) = ((3..15).collect::<Vec<u32>>().into(), vec![0; 12].into());
        let target = Target::labels(&segments, vec![0, 1, 0]);
        let batch = Batch { ids, positions: segments.positions(), types, segments, target, other: None };
        let pass = Pass::training(Draw { seed: 5, step: 1, stream: 0 });
        let runs = [false, true].map(|recompute| {
            model.encoder.recompute = recompute;
            let words = model.activations(Place::Word, &batch, Words::Table, pass);
            let loss = model.loss_from(Place::Word, &words, &batch, 1.0, pass);
            let grads = loss.gradients(&model.leaves());
            (loss.item(), grads.iter().map(Tensor::to_vec).collect::<Vec<_>>())
        });
        assert!(runs[0] == runs[1]);
        let table = model.parameters.iter().position(|p| p.name == "deberta.encoder.rel_embeddings.weight").unwrap();
        assert!(runs[0].1[table].iter().any(|x| *x != 0.0));
        let device = Device::cpu();
        let mut builder = Builder::new(Work::Build, None, &device, 7, 0.4);
        let positions = RelativePositions::build(&mut builder, &model.config, 0).unwrap();
        let dropped = |layer| positions.rows(layer, pass).to_vec().iter().map(|x| *x == 0.0).collect::<Vec<_>>();
        assert_ne!(dropped(0), dropped(1));
        assert_eq!(dropped(1), dropped(1));
    }

    #[test]
    fn other_settings_are_refused_by_name() {
        for (key, value, found) in [
            ("norm_rel_ebd", json!("none"), "\"none\""),
            ("norm_rel_ebd", json!(null), "missing"),
            ("relative_attention", json!(false), "relative_attention"),
            ("share_att_key", json!(null), "share_att_key"),
            ("position_biased_input", json!(true), "position_biased_input"),
            ("pos_att_type", json!(["c2p"]), "c2p"),
            ("tie_word_embeddings", json!(false), "word table"),
            ("type_vocab_size", json!(2), "found 2"),
            ("conv_kernel_size", json!(3), "found 3"),
            ("embedding_size", json!(128), "must be 768"),
            ("attention_head_size", json!(32), "must be 64"),
            ("pooler_dropout", json!(0.1), "found 0.1"),
            ("hidden_act", json!("gelu_new"), "gelu_new"),
            ("position_buckets", json!(1), "found 1"),
            ("position_buckets", json!(-1), "found -1"),
            ("max_relative_positions", json!(100), "100"),
            ("max_position_embeddings", json!(1 << 30), "65536"),
        ] {
            let error = config(key, value.clone()).unwrap_err();
            assert!(error.contains(&format!("\"{key}\"")) && error.contains(found), "{key} {value}: {error}");
        }
    }
}
