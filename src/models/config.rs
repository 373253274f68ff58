//! `config.json` as Hugging Face has it, and what it means for the encoder.

use super::names::{BERT, HeadNames, ROBERTA};
use crate::{
    error::{Error, Result, did_you_mean},
    input,
};
use serde_json::{Map, Value, json};
use std::path::Path;

/// A family of checkpoints: the same encoder under other names.
#[derive(Debug, PartialEq, Eq)]
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
    /// Whether positions start after the padding id, as in RoBERTa, rather than at 0.
    pub positions_follow_padding: bool,
    /// Whether the classifier is RoBERTa's (dense, tanh, projection) rather than BERT's (pooler, projection).
    pub roberta_heads: bool,
    /// The names of the heads' tensors.
    pub heads: HeadNames,
    /// `pad_token_id` where config.json does not say it.
    pub padding: usize,
}

/// RoBERTa under one of the names that transformers has for it.
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
        positions_follow_padding: true,
        roberta_heads: true,
        heads: ROBERTA,
        padding: 1,
    }
}

/// The families that can be loaded.
pub const ARCHITECTURES: &[Architecture] = &[
    roberta(
        "xlm-roberta",
        "XLMRobertaModel",
        "XLMRobertaForSequenceClassification",
        "XLMRobertaForTokenClassification",
        "XLMRobertaForMaskedLM",
    ),
    roberta(
        "roberta",
        "RobertaModel",
        "RobertaForSequenceClassification",
        "RobertaForTokenClassification",
        "RobertaForMaskedLM",
    ),
    roberta(
        "camembert",
        "CamembertModel",
        "CamembertForSequenceClassification",
        "CamembertForTokenClassification",
        "CamembertForMaskedLM",
    ),
    Architecture {
        model_type: "bert",
        prefix: "bert",
        encoder: "BertModel",
        classifier: "BertForSequenceClassification",
        tagger: "BertForTokenClassification",
        masked_lm: "BertForMaskedLM",
        positions_follow_padding: false,
        roberta_heads: false,
        heads: BERT,
        padding: 0,
    },
];

/// Other architectures of encoders, lest one be taken for a slip of the pen.
const OTHERS: &[&str] = &[
    "albert",
    "bert-generation",
    "big_bird",
    "canine",
    "convbert",
    "data2vec-text",
    "deberta",
    "deberta-v2",
    "distilbert",
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
    "modernbert",
    "mpnet",
    "mt5",
    "new",
    "nomic_bert",
    "rembert",
    "roberta-prelayernorm",
    "roformer",
    "squeezebert",
    "t5",
    "xlm",
    "xlm-roberta-xl",
    "xlnet",
    "xmod",
];

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
    /// Rows of the token type table.
    pub type_vocab_size: usize,
    /// ε of every LayerNorm.
    pub layer_norm_eps: f32,
    /// Dropout of embeddings and sublayers.
    pub hidden_dropout_prob: f32,
    /// Dropout of attention probabilities.
    pub attention_probs_dropout_prob: f32,
    /// Dropout in the classifier; that of the sublayers where it is null.
    pub classifier_dropout: f32,
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
    /// Everything that the file held, for writing it again.
    raw: Map<String, Value>,
}

impl Config {
    /// Reads FOLDER/config.json.
    pub fn load(folder: &Path) -> Result<Config> {
        let path = folder.join("config.json");
        if !path.exists() {
            let remedy = "name a model's folder, which holds config.json, model.safetensors and a tokenizer";
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
        Config::of(architecture, raw).map_err(|reason| format!("{reason}; {REMEDY}"))
    }

    fn of(architecture: &'static Architecture, raw: Map<String, Value>) -> Result<Config, String> {
        let fields = Fields(&raw);
        fields.must_be("hidden_act", "gelu")?;
        fields.must_be("position_embedding_type", "absolute")?;
        if fields.flag("is_decoder", false)? {
            return Err("\"is_decoder\" must be false: an encoder's tokens see those after them, too".to_string());
        }
        let hidden_dropout_prob = fields.rate("hidden_dropout_prob", 0.1)?;
        let config = Config {
            architecture,
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
            classifier_dropout: fields.rate("classifier_dropout", hidden_dropout_prob)?,
            initializer_range: fields.number("initializer_range", 0.02)?,
            pad_token_id: fields.id("pad_token_id", architecture.padding)?,
            labels: labels(&raw)?,
            class: raw.get("architectures").and_then(|classes| classes[0].as_str()).unwrap_or_default().to_owned(),
            problem: problem(&raw)?,
            tied: fields.flag("tie_word_embeddings", true)?,
            raw,
        };
        let (h, heads) = (config.hidden_size, config.num_attention_heads);
        let (positions, first) = (config.max_position_embeddings, config.first_position());
        if !h.is_multiple_of(heads) {
            return Err(format!("hidden_size {h} must be a multiple of num_attention_heads, found {heads}"));
        }
        match config.longest_input() > 0 {
            true => Ok(config),
            false => {
                Err(format!("max_position_embeddings must be above {first}, the first position, found {positions}"))
            }
        }
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
        if self.architecture.positions_follow_padding { self.pad_token_id + 1 } else { 0 }
    }

    /// The most tokens that a sequence may have.
    pub fn longest_input(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.first_position())
    }

    /// The same with another dropout of hidden states and attention.
    pub fn with_dropout(&self, rate: f64) -> Result<Config, String> {
        let mut raw = self.raw.clone();
        for name in ["hidden_dropout_prob", "attention_probs_dropout_prob"] {
            raw.insert(name.into(), json!(rate));
        }
        Ok(Config { labels: self.labels.clone(), ..Config::new(raw)? })
    }

    /// The content of config.json for this encoder with a head, as transformers reads it.
    pub fn to_json(&self, head: &HeadKind) -> Value {
        let mut raw = self.raw.clone();
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
            _ => None,
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

impl Architecture {
    /// The class that loads the encoder with a head in transformers.
    pub fn class(&self, head: &HeadKind) -> String {
        let of = |what: &str| self.classifier.replace("SequenceClassification", what);
        match head {
            HeadKind::Classify(_) | HeadKind::AnyOf(_) | HeadKind::Number => self.classifier.to_owned(),
            HeadKind::Tag(_) => self.tagger.to_owned(),
            HeadKind::Span => of("QuestionAnswering"),
            HeadKind::Choose => of("MultipleChoice"),
            HeadKind::MaskedLm => self.masked_lm.to_owned(),
        }
    }
}

/// The most bytes that a config.json may have: thousands of labels fit.
const LONGEST: u64 = 1 << 24;

const REMEDY: &str = "take config.json as the model's page has it";

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
    ARCHITECTURES.iter().find(|known| known.model_type == name).ok_or_else(|| {
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
    let Some(names) = raw.get("id2label").and_then(Value::as_object) else { return Ok(None) };
    let name = |i: usize| names.get(&i.to_string()).and_then(Value::as_str).map(str::to_string);
    let labels: Option<Vec<String>> = (0..names.len()).map(name).collect();
    let labels = labels.ok_or("\"id2label\" must map \"0\", \"1\", … to names")?;
    match (1..labels.len()).find(|i| labels[..*i].contains(&labels[*i])) {
        Some(twice) => Err(format!("\"id2label\" names \"{}\" twice", labels[twice])),
        None => Ok(Some(labels).filter(|labels| !labels.is_empty())),
    }
}

/// Typed access with messages that name the field.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn size(&self, name: &str) -> Result<usize, String> {
        let value = self.0.get(name).ok_or_else(|| format!("\"{name}\" is missing"))?;
        match value.as_u64().filter(|size| (1..=1 << 31).contains(size)) {
            Some(size) => Ok(size as usize),
            None => Err(format!("\"{name}\" must be a positive whole number, found {value}")),
        }
    }

    fn id(&self, name: &str, default: usize) -> Result<usize, String> {
        match self.0.get(name).filter(|value| !value.is_null()) {
            None => Ok(default),
            Some(value) => match value.as_u64().filter(|id| *id < 1 << 31) {
                Some(id) => Ok(id as usize),
                None => Err(format!("\"{name}\" must be a whole number of at least 0, found {value}")),
            },
        }
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.0.get(name).filter(|value| !value.is_null()) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| format!("\"{name}\" must be true or false, found {value}")),
        }
    }

    fn number(&self, name: &str, default: f64) -> Result<f32, String> {
        match self.0.get(name).filter(|value| !value.is_null()) {
            None => Ok(default as f32),
            Some(value) => match value.as_f64().filter(|number| number.is_finite() && *number >= 0.0) {
                Some(number) => Ok(number as f32),
                None => Err(format!("\"{name}\" must be a number of at least 0, found {value}")),
            },
        }
    }

    fn rate(&self, name: &str, default: f32) -> Result<f32, String> {
        let rate = self.number(name, f64::from(default))?;
        if rate < 1.0 { Ok(rate) } else { Err(format!("\"{name}\" must be below 1, found {rate}")) }
    }

    fn must_be(&self, name: &str, only: &str) -> Result<(), String> {
        match self.0.get(name).filter(|value| !value.is_null()) {
            Some(value) if value.as_str() != Some(only) => Err(format!("\"{name}\" must be \"{only}\", found {value}")),
            _ => Ok(()),
        }
    }
}
