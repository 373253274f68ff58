//! `config.json` as Hugging Face has it, and what it means for the encoder.

use super::{
    families::{ARCHITECTURES, Architecture, OTHERS, Positions},
    fields::Fields,
    relative::Relative,
};
use crate::{
    error::{Error, Result, did_you_mean},
    input,
    nn::Bias,
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, path::Path};

/// What stands on top of the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// One of these labels for each sequence.
    Classify(Vec<String>),
    /// Any of these labels for each sequence, or none.
    AnyOf(Vec<String>),
    /// A number for each sequence.
    Number,
    /// One of these tags for each word.
    Tag(Vec<String>),
    /// The tokens at which an answer begins and ends.
    Span,
    /// Which of several sequences is right: a number for each.
    Choose,
    /// The word at each masked position.
    MaskedLm,
}

impl HeadKind {
    /// The labels that it tells apart, if it has such.
    pub fn labels(&self) -> Option<&Vec<String>> {
        match self {
            HeadKind::Classify(labels) | HeadKind::AnyOf(labels) | HeadKind::Tag(labels) => Some(labels),
            HeadKind::Number | HeadKind::Span | HeadKind::Choose | HeadKind::MaskedLm => None,
        }
    }

    /// The same with other labels, where it has such.
    pub fn with_labels(self, labels: Vec<String>) -> HeadKind {
        match self {
            HeadKind::Classify(_) => HeadKind::Classify(labels),
            HeadKind::AnyOf(_) => HeadKind::AnyOf(labels),
            HeadKind::Tag(_) => HeadKind::Tag(labels),
            other => other,
        }
    }
}

/// What the logits of a checkpoint's classifier are, by `problem_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// One of the labels holds: a softmax.
    OneOf,
    /// Each label holds or does not: a sigmoid for each.
    AnyOf,
    /// They are numbers, and no labels.
    Numbers,
}

/// What has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Biases {
    /// The maps of attention.
    pub attention: Bias,
    /// The maps of the feed-forward net.
    pub feed_forward: Bias,
    /// Every norm.
    pub norms: Bias,
    /// The hidden layers of heads.
    pub dense: Bias,
    /// The output layer of a language model.
    pub words: Bias,
}

impl Biases {
    /// Everything has one.
    const EVERYWHERE: Biases = {
        let bias = Bias::Learned;
        Biases { attention: bias, feed_forward: bias, norms: bias, dense: bias, words: bias }
    };
}

/// What of a sequence a classifier sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The last state of the first token.
    First,
    /// The mean of all last states.
    Mean,
}

/// Positions by rotation: layers that see the whole sequence, and layers that see a window.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The base of angles in layers that see all.
    pub global_base: f64,
    /// The base in the others.
    pub local_base: f64,
    /// How many tokens to each side the others see.
    pub window: usize,
    /// Which layers see all.
    pub globals: Globals,
}

/// Which layers see the whole sequence.
#[derive(Clone, Debug)]
pub enum Globals {
    /// The first, and each that comes so many later.
    Every(usize),
    /// As it is said of each.
    Listed(Vec<bool>),
}

impl Rotation {
    /// Whether the layer of this number sees the whole sequence.
    pub fn is_global(&self, layer: usize) -> bool {
        match &self.globals {
            Globals::Every(every) => layer.is_multiple_of(*every),
            Globals::Listed(listed) => listed.get(layer).copied().unwrap_or(true),
        }
    }
}

/// The sizes and settings of an encoder, under the names of transformers.
#[derive(Clone, Debug)]
pub struct Config {
    /// The family.
    pub architecture: &'static Architecture,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// h
    pub hidden_size: usize,
    /// Layers of the encoder.
    pub num_hidden_layers: usize,
    /// Attention heads of each layer.
    pub num_attention_heads: usize,
    /// Width between the two linear maps of a layer.
    pub intermediate_size: usize,
    /// Rows of the position table.
    pub max_position_embeddings: usize,
    /// How many token types the encoder tells apart: the rows of their table, and 1 where there is none.
    pub type_vocab_size: usize,
    /// ε of every LayerNorm.
    pub layer_norm_eps: f32,
    /// Languages that the encoder tells apart, if it does.
    pub n_languages: usize,
    /// The numbers of these languages by their names.
    pub languages: BTreeMap<String, u32>,
    /// Dropout of embeddings.
    pub hidden_dropout_prob: f32,
    /// Dropout of attention probabilities.
    pub attention_probs_dropout_prob: f32,
    /// Dropout of what attention gives.
    pub attention_output_dropout: f32,
    /// Dropout in the feed-forward net: of what it gives, or of what its gate lets through.
    pub feed_forward_dropout: f32,
    /// Dropout in the classifier; that of the sublayers where it is null.
    pub classifier_dropout: f32,
    /// Dropout before a tagger's projection.
    pub tagger_dropout: f32,
    /// Standard deviation of fresh weights.
    pub initializer_range: f32,
    /// The id of padding, after which XLM-R's positions start.
    pub pad_token_id: usize,
    /// Labels of the checkpoint's classifier, as far as they are named.
    pub labels: Option<Vec<String>>,
    /// The class of transformers that config.json says the checkpoint is of; empty where it says none.
    pub class: String,
    /// What that classifier's logits are.
    pub problem: Problem,
    /// Whether a language model's output layer is the word table.
    pub tied: bool,
    /// What has a bias.
    pub biases: Biases,
    /// What of a sequence a classifier sees.
    pub pooling: Pooling,
    /// Positions by rotation, where that is what positions are.
    pub rotation: Option<Rotation>,
    /// Relative positions, where attention is disentangled.
    pub relative: Option<Relative>,
    /// What config.json says of a language model alone, in families that have several heads for it.
    pub(super) of_masked_lm: Option<(&'static str, bool)>,
    /// Everything that the file held, for writing it again.
    pub(super) raw: Map<String, Value>,
}

impl Config {
    /// Reads FOLDER/config.json.
    pub fn load(folder: &Path) -> Result<Config> {
        let path = folder.join("config.json");
        if !path.exists() {
            let remedy = match folder {
                folder if folder.is_file() => "that is a file: name the folder that it is in",
                folder if folder.to_string_lossy().starts_with("http") => {
                    "that is an address: a model on Hugging Face is named org/model, or org/model@revision"
                }
                _ => "name a model's folder, which holds config.json, model.safetensors and a tokenizer",
            };
            return Err(Error::Missing(format!("there is no {}; {remedy}", path.display())));
        }
        let text = input::read_at_most(&path, LONGEST)?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| Error::Data(format!("{} is not JSON: {error}; download it again", path.display())))?;
        let Value::Object(raw) = value else {
            return Err(Error::Data(format!("{}: expected a JSON object; download it again", path.display())));
        };
        Config::new(raw).map_err(|reason| Error::Data(format!("{}: {reason}", path.display())))
    }

    /// An encoder from the content of a config.json.
    pub fn new(raw: Map<String, Value>) -> Result<Config, String> {
        let architecture = architecture(&raw)?;
        if let Some(quantized) = raw.get("quantization_config") {
            let how = quantized["quant_method"].as_str().unwrap_or("quantization_config");
            return Err(format!("its weights are quantized ({how}), which is not read; take those that were not"));
        }
        Config::of(architecture, raw).map_err(|reason| format!("{reason}; {REMEDY}"))
    }

    fn of(architecture: &'static Architecture, raw: Map<String, Value>) -> Result<Config, String> {
        let fields = Fields(&raw);
        let config = (architecture.read)(&fields, Config::common(architecture, &fields)?)?;
        let (h, heads, keys) = (config.hidden_size, config.num_attention_heads, &architecture.keys);
        let (positions, first) = (config.max_position_embeddings, config.first_position());
        if !h.is_multiple_of(heads) {
            return Err(format!("{} {h} must be a multiple of {}, found {heads}", keys.hidden_size, keys.heads));
        }
        match config.longest_input() > 0 {
            true => Ok(config),
            false => {
                Err(format!("max_position_embeddings must be above {first}, the first position, found {positions}"))
            }
        }
    }

    /// What every family has under the same keys; sizes and settings are left to [`Architecture::read`].
    fn common(architecture: &'static Architecture, fields: &Fields) -> Result<Config, String> {
        let raw = fields.0;
        Ok(Config {
            architecture,
            vocab_size: 0,
            hidden_size: 0,
            num_hidden_layers: 0,
            num_attention_heads: 0,
            intermediate_size: 0,
            max_position_embeddings: 0,
            type_vocab_size: 1,
            layer_norm_eps: 0.0,
            n_languages: 0,
            languages: BTreeMap::new(),
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            attention_output_dropout: 0.0,
            feed_forward_dropout: 0.0,
            classifier_dropout: 0.0,
            tagger_dropout: 0.0,
            initializer_range: 0.0,
            pad_token_id: fields.id("pad_token_id", architecture.padding)?,
            labels: labels(raw)?,
            class: raw.get("architectures").and_then(|classes| classes[0].as_str()).unwrap_or_default().to_owned(),
            problem: problem(raw)?,
            tied: fields.flag("tie_word_embeddings", true)?,
            biases: Biases::EVERYWHERE,
            pooling: Pooling::First,
            rotation: None,
            relative: None,
            of_masked_lm: None,
            raw: raw.clone(),
        })
    }

    /// A special token's id under its name in config.json, such as `bos_token_id`.
    pub fn id(&self, name: &str) -> Option<u64> {
        self.raw.get(name).and_then(Value::as_u64)
    }

    /// Whether config.json says that the checkpoint has a head of this kind.
    pub fn is_of(&self, head: &HeadKind) -> bool {
        self.class == self.architecture.class(head)
    }

    /// Whether it says that it tags words.
    pub fn is_tagger(&self) -> bool {
        self.is_of(&HeadKind::Tag(Vec::new()))
    }

    /// The position of a sequence's first token.
    pub fn first_position(&self) -> usize {
        match self.architecture.positions {
            Positions::FromZero => 0,
            Positions::AfterPadding => self.pad_token_id + 1,
        }
    }

    /// The most tokens that a sequence may have.
    pub fn longest_input(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.first_position())
    }

    /// The same with another dropout of hidden states and attention.
    pub fn with_dropout(&self, rate: f64) -> Result<Config, String> {
        let mut raw = self.raw.clone();
        for name in self.architecture.keys.dropouts {
            raw.insert((*name).into(), json!(rate));
        }
        Ok(Config { labels: self.labels.clone(), ..Config::new(raw)? })
    }

    /// The content of config.json for this encoder with a head, as transformers reads it.
    pub fn to_json(&self, head: &HeadKind) -> Value {
        let mut raw = self.raw.clone();
        raw.shift_remove("num_labels"); // older files have it, and transformers 5 believes it rather than id2label
        if let Some(labels) = head.labels() {
            let id2label = labels.iter().enumerate().map(|(i, label)| (i.to_string(), json!(label)));
            let label2id = labels.iter().enumerate().map(|(i, label)| (label.clone(), json!(i)));
            raw.insert("id2label".into(), Value::Object(id2label.collect()));
            raw.insert("label2id".into(), Value::Object(label2id.collect()));
        }
        let problem = match head {
            HeadKind::Classify(labels) => {
                let is_own = self.labels.as_ref() == Some(labels) && self.problem != Problem::OneOf;
                (labels.len() > 1 && !is_own).then_some("single_label_classification")
            }
            HeadKind::AnyOf(_) => Some("multi_label_classification"),
            HeadKind::Number => {
                raw.insert("id2label".into(), json!({ "0": "LABEL_0" }));
                raw.insert("label2id".into(), json!({ "LABEL_0": 0 }));
                Some("regression")
            }
            HeadKind::MaskedLm => {
                raw.extend(self.of_masked_lm.map(|(key, flag)| (key.to_string(), json!(flag))));
                None
            }
            HeadKind::Span => {
                // Labels of a task before would be taken for the number of logits, which are two.
                raw.retain(|key, _| !["id2label", "label2id"].contains(&key.as_str()));
                None
            }
            HeadKind::Tag(_) | HeadKind::Choose => None,
        };
        if let Some(problem) = problem {
            raw.insert("problem_type".into(), json!(problem));
        }
        of_class(raw, &self.architecture.class(head))
    }

    /// The content of config.json for this encoder alone.
    pub fn encoder_to_json(&self) -> Value {
        of_class(self.raw.clone(), self.architecture.encoder)
    }
}

/// The most bytes that a config.json may have: thousands of labels fit.
const LONGEST: u64 = 1 << 24;

const REMEDY: &str = "take config.json as the model's page has it, or another model";

fn of_class(mut raw: Map<String, Value>, class: &str) -> Value {
    raw.insert("architectures".into(), json!([class]));
    raw.insert("dtype".into(), json!("float32"));
    raw.remove("torch_dtype");
    Value::Object(raw)
}

/// The family that `model_type` names.
fn architecture(raw: &Map<String, Value>) -> Result<&'static Architecture, String> {
    let missing = || format!("\"model_type\" is missing; {REMEDY}");
    let name = raw.get("model_type").and_then(Value::as_str).ok_or_else(missing)?;
    let known = || ARCHITECTURES.iter().map(|known| known.model_type);
    ARCHITECTURES.iter().copied().find(|known| known.model_type == name).ok_or_else(|| {
        let what = format!("model_type \"{name}\" is not supported");
        match OTHERS.contains(&name) {
            true => format!(
                "{what}: it is another architecture; take a model of {}",
                known().collect::<Vec<_>>().join(", ")
            ),
            false => format!("{what}; {}", did_you_mean(name, known())),
        }
    })
}

fn problem(raw: &Map<String, Value>) -> Result<Problem, String> {
    match raw.get("problem_type").filter(|value| !value.is_null()) {
        None => Ok(Problem::OneOf),
        Some(value) => match value.as_str() {
            Some("single_label_classification") => Ok(Problem::OneOf),
            Some("multi_label_classification") => Ok(Problem::AnyOf),
            Some("regression") => Ok(Problem::Numbers),
            _ => Err(format!(
                "\"problem_type\" must be single_label_classification, multi_label_classification or regression, \
                 found {value}"
            )),
        },
    }
}

/// Labels by position, from `id2label`.
fn labels(raw: &Map<String, Value>) -> Result<Option<Vec<String>>, String> {
    const WANTED: &str = "\"id2label\" must map \"0\", \"1\", … to names";
    let Some(value) = raw.get("id2label").filter(|value| !value.is_null()) else { return Ok(None) };
    let names = value.as_object().ok_or_else(|| format!("{WANTED}, found {value}"))?;
    let name = |i: usize| names.get(&i.to_string()).and_then(Value::as_str).map(str::to_string);
    let labels: Option<Vec<String>> = (0..names.len()).map(name).collect();
    let labels = labels.ok_or(WANTED)?;
    match (1..labels.len()).find(|i| labels[..*i].contains(&labels[*i])) {
        Some(twice) => Err(format!("\"id2label\" names \"{}\" twice", labels[twice])),
        None => Ok(Some(labels).filter(|labels| !labels.is_empty())),
    }
}
