//! The families of checkpoints: what differs between them, as data, with one file for each and a line in the table.
//!
//! A file says which class of transformers is which, what the tensors are called, how config.json is read, and where the
//! places of a perturbation, `at = "word" | "embedding" | "encoder"`, lie in the family's encoder.

mod bert;
mod deberta;
mod distilbert;
mod modernbert;
mod roberta;
mod xlm;
mod xlm_roberta_xl;

use std::collections::BTreeMap;

use super::{Config, HeadKind, fields::Fields};

/// The families that can be loaded.
pub const ARCHITECTURES: &[&Architecture] = &[
    &roberta::XLM_ROBERTA,
    &roberta::ROBERTA,
    &roberta::CAMEMBERT,
    &bert::BERT,
    &distilbert::DISTILBERT,
    &xlm_roberta_xl::XLM_ROBERTA_XL,
    &modernbert::MODERNBERT,
    &xlm::XLM,
    &deberta::DEBERTA_V2,
];

/// Other architectures of encoders, lest one be taken for a slip of the pen.
pub const OTHERS: &[&str] = &[
    "albert",
    "bert-generation",
    "big_bird",
    "canine",
    "convbert",
    "data2vec-text",
    "deberta",
    "electra",
    "ernie",
    "esm",
    "flaubert",
    "funnel",
    "gte",
    "ibert",
    "layoutlm",
    "longformer",
    "luke",
    "megatron-bert",
    "mobilebert",
    "mpnet",
    "mt5",
    "new",
    "nomic_bert",
    "rembert",
    "roberta-prelayernorm",
    "roformer",
    "squeezebert",
    "t5",
    "xlnet",
    "xmod",
];

/// A family of checkpoints: an encoder and heads under names of its own.
#[derive(Debug)]
pub struct Architecture {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// The first part of the names of the encoder's tensors.
    pub prefix: &'static str,
    /// The class that loads the encoder alone in transformers.
    pub encoder: &'static str,
    /// The class that loads a classifier.
    pub classifier: &'static str,
    /// The class that loads a tagger of words.
    pub tagger: &'static str,
    /// The class that loads a masked language model.
    pub masked_lm: &'static str,
    /// What the class of answers in texts ends in.
    pub span: &'static str,
    /// What the keys of config.json are called that messages name or runs change.
    pub keys: Keys,
    /// How config.json is read: what all families share comes in, and the sizes and settings are filled in.
    pub read: fn(&Fields, Config) -> Result<Config, String>,
    /// `pad_token_id` where config.json does not say it.
    pub padding: usize,
    /// Where positions start.
    pub positions: Positions,
    /// Where a layer has its norms.
    pub norms: Norms,
    /// What lies between the two maps of a feed-forward net.
    pub unit: Unit,
    /// What the encoder's tensors are called.
    pub names: EncoderNames,
    /// The heads, and what their tensors are called.
    pub heads: HeadNames,
}

/// Parts of a model that are named in one line.
const MOST_PARTS: usize = 12;

impl Architecture {
    /// The parts of a model that tensors belong to, each with its number of tensors: `classifier (4 tensors)`. Those of the
    /// encoder, whose names begin with its prefix, are told by two words.
    pub fn parts(&self, names: &[String]) -> String {
        let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
        for name in names {
            let is_inside = name.split('.').next() == Some(self.prefix);
            let end = name.match_indices('.').nth(usize::from(is_inside));
            *parts.entry(end.map_or(name, |(at, _)| &name[..at])).or_default() += 1;
        }
        let mut said: Vec<String> = parts.iter().map(|(part, n)| format!("{part} ({n} tensors)")).collect();
        if said.len() > MOST_PARTS {
            let rest = said.len() - MOST_PARTS;
            said.truncate(MOST_PARTS);
            said.push(format!("and {rest} more"));
        }
        said.join(", ")
    }

    /// The class that loads the encoder with a head in transformers.
    pub fn class(&self, head: &HeadKind) -> String {
        let of = |what: &str| self.classifier.replace("SequenceClassification", what);
        match head {
            HeadKind::Classify(_) | HeadKind::AnyOf(_) | HeadKind::Number => self.classifier.to_owned(),
            HeadKind::Tag(_) => self.tagger.to_owned(),
            HeadKind::Span => of(self.span),
            HeadKind::Choose => of("MultipleChoice"),
            HeadKind::MaskedLm => self.masked_lm.to_owned(),
        }
    }
}

/// Keys of config.json.
#[derive(Debug)]
pub struct Keys {
    /// Of h.
    pub hidden_size: &'static str,
    /// Of the number of layers.
    pub layers: &'static str,
    /// Of the number of attention heads.
    pub heads: &'static str,
    /// Of the rates at which hidden states and attention are dropped.
    pub dropouts: &'static [&'static str],
}

/// Where the positions of a sequence start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// At 0.
    FromZero,
    /// At the row after that of padding, as in RoBERTa.
    AfterPadding,
}

/// Where a layer has its norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// After each residual sum, as in the first Transformer: what passes between layers is normed.
    After,
    /// Before attention and before the feed-forward net: what passes between layers is the residual sum, and a last norm
    /// follows.
    Before {
        /// Whether attention in the first layer has one, too: the norm of the embeddings may stand for it.
        first: bool,
    },
}

/// What lies between the two maps of a feed-forward net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// GELU.
    Gelu,
    /// GELU of one half, times the other half.
    GatedGelu,
}

/// The names of an encoder's layers and tables, after the first part that all of them have.
#[derive(Debug)]
pub struct EncoderNames {
    /// The word table.
    pub words: &'static str,
    /// The position table, if there is one.
    pub positions: Option<&'static str>,
    /// The table of token types, if there is one.
    pub types: Option<&'static str>,
    /// The table of languages, where config.json says that there is one.
    pub languages: Option<&'static str>,
    /// The norm of the embeddings, if there is one.
    pub norm: Option<&'static str>,
    /// Those of each layer.
    pub layer: LayerNames,
    /// The norm behind the last layer, if there is one.
    pub last_norm: Option<&'static str>,
    /// What names begin with in a file that leaves the first part out.
    pub bare: &'static [&'static str],
}

/// The names in a layer, whose number stands for `{}`.
#[derive(Debug)]
pub struct LayerNames {
    /// What makes queries, keys and values.
    pub maps: MapNames,
    /// The map of what was attended to.
    pub out: &'static str,
    /// The norm after or before attention.
    pub attention_norm: &'static str,
    /// The first map of the feed-forward net.
    pub up: &'static str,
    /// The second.
    pub down: &'static str,
    /// The norm after or before the feed-forward net.
    pub output_norm: &'static str,
}

/// The names of what makes queries, keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapNames {
    /// A map for each.
    Apart {
        /// Of queries.
        query: &'static str,
        /// Of keys.
        key: &'static str,
        /// Of values.
        value: &'static str,
    },
    /// One map, whose outputs are first queries, then keys, then values.
    Fused(&'static str),
}

impl LayerNames {
    /// All of them.
    pub fn all(&self) -> Vec<&'static str> {
        let LayerNames { maps, out, attention_norm, up, down, output_norm } = self;
        let maps = match *maps {
            MapNames::Apart { query, key, value } => vec![query, key, value],
            MapNames::Fused(name) => vec![name],
        };
        [maps, vec![*out, *attention_norm, *up, *down, *output_norm]].concat()
    }

    /// One of them in the layer of this number.
    pub fn at(name: &str, layer: usize) -> String {
        name.replacen("{}", &layer.to_string(), 1)
    }
}

/// The heads, and the names of their layers and tensors.
#[derive(Debug)]
pub struct HeadNames {
    /// The classifier's hidden layer, if it has one.
    pub dense: Option<Dense>,
    /// Whether there is dropout before the hidden layer, too.
    pub drops_first: bool,
    /// The classifier's projection.
    pub out: &'static str,
    /// A tagger's hidden layer, if it has one.
    pub tag_dense: Option<Dense>,
    /// A tagger's projection.
    pub tags: &'static str,
    /// The projection to the logits of an answer's beginning and end; the tagger's hidden layer is before it.
    pub span: &'static str,
    /// The hidden layer under the score of an alternative, if there is one.
    pub choice_dense: Option<Dense>,
    /// That score.
    pub choice: &'static str,
    /// What makes the score of a number for each label, where `choice` gives those.
    pub choice_last: Option<&'static str>,
    /// The language model's layer before the words, if it has one.
    pub transform: Option<Dense>,
    /// The bias of each word.
    pub bias: &'static str,
    /// The output layer, which has the word table's numbers unless config.json says otherwise.
    pub decoder: &'static str,
}

/// A hidden layer of a head, h → h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    /// The affine map.
    pub name: &'static str,
    /// What follows it.
    pub activation: Activation,
    /// The norm at the end, if there is one.
    pub norm: Option<&'static str>,
    /// When it was first trained.
    pub origin: Origin,
}

/// What follows an affine map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The hyperbolic tangent.
    Tanh,
    /// The rectifier.
    Relu,
    /// GELU in its exact form.
    Gelu,
}

/// When a hidden layer of a head was first trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// With its head: where the labels are others it starts afresh.
    Head,
    /// With the encoder: it is kept whatever the labels are.
    Encoder,
}

/// The sizes and settings of BERT, under the keys that most families have.
fn read_as_bert(fields: &Fields, common: Config) -> Result<Config, String> {
    fields.must_be_gelu("hidden_act")?;
    fields.must_be("position_embedding_type", "absolute")?;
    fields.must_be_flag("is_decoder", false, false, "an encoder's tokens see those after them, too")?;
    let hidden_dropout_prob = fields.rate("hidden_dropout_prob", 0.1)?;
    let classifier_dropout = fields.rate("classifier_dropout", hidden_dropout_prob)?;
    Ok(Config {
        vocab_size: fields.size("vocab_size")?,
        hidden_size: fields.size("hidden_size")?,
        num_hidden_layers: fields.size("num_hidden_layers")?,
        num_attention_heads: fields.size("num_attention_heads")?,
        intermediate_size: fields.size("intermediate_size")?,
        max_position_embeddings: fields.size("max_position_embeddings")?,
        type_vocab_size: fields.size("type_vocab_size")?,
        layer_norm_eps: fields.number("layer_norm_eps", 1e-12)?,
        hidden_dropout_prob,
        attention_probs_dropout_prob: fields.rate("attention_probs_dropout_prob", 0.1)?,
        attention_output_dropout: hidden_dropout_prob,
        feed_forward_dropout: hidden_dropout_prob,
        classifier_dropout,
        tagger_dropout: classifier_dropout,
        initializer_range: fields.number("initializer_range", 0.02)?,
        ..common
    })
}

/// The keys of BERT.
const KEYS: Keys = Keys {
    hidden_size: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    dropouts: &["hidden_dropout_prob", "attention_probs_dropout_prob"],
};

/// The names in BERT's encoder.
const NAMES: EncoderNames = EncoderNames {
    words: "embeddings.word_embeddings",
    positions: Some("embeddings.position_embeddings"),
    types: Some("embeddings.token_type_embeddings"),
    languages: None,
    norm: Some("embeddings.LayerNorm"),
    layer: LayerNames {
        maps: MapNames::Apart {
            query: "encoder.layer.{}.attention.self.query",
            key: "encoder.layer.{}.attention.self.key",
            value: "encoder.layer.{}.attention.self.value",
        },
        out: "encoder.layer.{}.attention.output.dense",
        attention_norm: "encoder.layer.{}.attention.output.LayerNorm",
        up: "encoder.layer.{}.intermediate.dense",
        down: "encoder.layer.{}.output.dense",
        output_norm: "encoder.layer.{}.output.LayerNorm",
    },
    last_norm: None,
    bare: &["embeddings.", "encoder.", "pooler."],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        array::Segments,
        checkpoint::{self, Entry, Values},
        models::{Batch, HeadKind, Model, Place, Pretrained, Target, Words},
        nn::Pass,
        tensor::Device,
    };
    use serde_json::{Map, Value, json};

    #[test]
    fn no_family_is_called_another_architecture() {
        for architecture in ARCHITECTURES {
            assert!(!OTHERS.contains(&architecture.model_type), "{}", architecture.model_type);
        }
    }

    #[test]
    fn the_names_of_a_layer_have_its_number() {
        for architecture in ARCHITECTURES {
            for name in architecture.names.layer.all() {
                assert_eq!(name.matches("{}").count(), 1, "{}: {name}", architecture.model_type);
            }
        }
    }

    /// A small encoder of a family, under the keys of all of them.
    fn small(model_type: &str) -> Map<String, Value> {
        let config = json!({
            "model_type": model_type, "vocab_size": 23, "max_position_embeddings": 12, "pad_token_id": 1,
            "hidden_size": 8, "dim": 8, "emb_dim": 8, "num_hidden_layers": 2, "n_layers": 2, "num_attention_heads": 2,
            "n_heads": 2, "intermediate_size": 6, "hidden_dim": 6, "n_langs": 3,
            "type_vocab_size": if model_type == "deberta-v2" { 0 } else { 2 }, "local_attention": 2,
            "initializer_range": 0.3, "init_std": 0.3, "relative_attention": true, "position_buckets": 4,
            "norm_rel_ebd": "layer_norm", "share_att_key": true, "pos_att_type": "p2c|c2p",
            "position_biased_input": false,
        });
        config.as_object().unwrap().clone()
    }

    /// Logits of two sequences of 5 and 3 tokens.
    fn logits(model: &Model, target: Target) -> Vec<f32> {
        let segments = Segments::new([5, 3]);
        let (ids, types) = (vec![2, 7, 9, 22, 4, 2, 8, 5].into(), vec![0, 0, 1, 1, 0, 1, 0, 1].into());
        let batch = Batch { ids, positions: segments.positions(), types, segments, target, other: None };
        let words = model.activations(Place::Word, &batch, Words::Table, Pass::evaluation());
        model.logits_from(Place::Word, &words, &batch, Pass::evaluation()).to_vec()
    }

    #[test]
    fn every_head_is_found_again_as_it_was_written() {
        let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
        let rows = || Target::classes(vec![1, 6].into(), vec![0, 1]);
        for architecture in ARCHITECTURES {
            for (head, target) in [
                (HeadKind::Classify(labels.clone()), Target::labels(&Segments::new([5, 3]), vec![0, 2])),
                (HeadKind::Tag(labels.clone()), rows()),
                (HeadKind::AnyOf(labels.clone()), Target::labels(&Segments::new([5, 3]), vec![0, 2])),
                (HeadKind::Number, Target::labels(&Segments::new([5, 3]), vec![0, 0])),
                (HeadKind::Span, rows()),
                (HeadKind::Choose, Target::labels(&Segments::new([5, 3]), vec![0, 0])),
                (HeadKind::MaskedLm, rows()),
            ] {
                let raw = small(architecture.model_type);
                let model = Model::fresh(Config::new(raw.clone()).unwrap(), head.clone(), 3, &Device::cpu()).unwrap();
                let folder = tempfile::tempdir().unwrap();
                model.write(folder.path()).unwrap();
                let found = Pretrained::open(folder.path()).unwrap();
                assert_eq!(found.head().as_ref(), Some(&head), "{}", architecture.model_type);
                let again = found.load(head.clone(), 4, &Device::cpu()).unwrap();
                let odd = [&again.initialized[..], &again.unused].concat();
                assert!(odd.is_empty(), "{} {head:?}: {odd:?}", architecture.model_type);
                assert_eq!(logits(&again, target.clone()), logits(&model, target));
                assert!(raw.iter().all(|(key, value)| again.config.raw.get(key) == Some(value)));
            }
        }
    }

    #[test]
    fn encoders_alone_are_known_by_bare_names() {
        for architecture in ARCHITECTURES {
            let config = Config::new(small(architecture.model_type)).unwrap();
            let head = || HeadKind::Classify(vec!["a".into(), "b".into()]);
            let model = Model::fresh(config, head(), 3, &Device::cpu()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            model.write(folder.path()).unwrap();
            let start = format!("{}.", architecture.prefix);
            let tensors = model.tensors();
            let bare =
                tensors.iter().filter_map(|(name, shape, values)| Some((name.strip_prefix(&start)?, shape, values)));
            let entries: Vec<Entry> =
                bare.map(|(name, shape, values)| Entry { name, shape, values: Values::F32(values) }).collect();
            checkpoint::write(&folder.path().join("model.safetensors"), &entries, &[]).unwrap();
            let again = Model::load(folder.path(), head(), 4, &Device::cpu()).unwrap();
            let of_encoder = |model: &Model| {
                model.tensors().into_iter().filter(|tensor| tensor.0.starts_with(&start)).collect::<Vec<_>>()
            };
            assert_eq!(of_encoder(&again), of_encoder(&model), "{}", architecture.model_type);
            assert!(again.initialized.iter().all(|name| !name.starts_with(&start)), "{:?}", again.initialized);
            assert!(again.unused.is_empty(), "{:?}", again.unused);
        }
    }

    #[test]
    fn labels_of_a_task_before_do_not_count_for_the_next() {
        let mut raw = small("bert");
        raw.extend([
            ("num_labels".to_owned(), json!(2)),
            ("id2label".to_owned(), json!({"0": "a", "1": "b", "2": "c"})),
        ]);
        let config = Config::new(raw).unwrap();
        let written = |head: HeadKind| config.to_json(&head);
        let classifier = written(HeadKind::Classify(["c", "b", "a"].map(str::to_owned).to_vec()));
        assert_eq!(classifier["id2label"], json!({"0": "c", "1": "b", "2": "a"}));
        assert!(classifier.get("num_labels").is_none());
        assert!(["id2label", "num_labels"].iter().all(|key| written(HeadKind::Span).get(*key).is_none()));
    }

    #[test]
    fn what_a_family_lacks_is_said() {
        for (model_type, key, value, says) in [
            ("distilbert", "activation", json!("relu"), "\"activation\" must be \"gelu\""),
            ("modernbert", "classifier_pooling", json!("max"), "must be \"cls\" or \"mean\""),
            ("modernbert", "num_attention_heads", json!(8), "heads of 1 columns have no pairs"),
            ("modernbert", "layer_types", json!(["full_attention"]), "of each of 2 layers"),
            ("modernbert", "rope_scaling", json!({"factor": 2.0}), "\"rope_scaling\" must be null"),
            ("modernbert", "sliding_window", json!(4), "\"sliding_window\" is 4, and is not half of"),
            ("modernbert", "rope_parameters", json!({"full_attention": {"rope_type": "yarn"}}), "found \"yarn\""),
            ("modernbert", "max_position_embeddings", json!(1 << 20), "must be at most 65536"),
            ("modernbert", "global_attn_every_n_layers", json!(0), "must be positive"),
            ("xlm", "summary_type", json!("mean"), "\"summary_type\" must be \"first\""),
            ("xlm", "asm", json!(true), "adaptive softmax"),
            ("xlm", "lang2id", json!({"de": 0, "sw": 3}), "must give \"sw\" a number below n_langs 3, found 3"),
            ("xlm", "emb_dim", json!(9), "emb_dim 9 must be a multiple of n_heads, found 2"),
        ] {
            let mut raw = small(model_type);
            raw.insert(key.into(), value);
            let reason = Config::new(raw).expect_err(model_type);
            assert!(reason.contains(says), "{model_type} {key}: {reason}");
        }
    }
}
