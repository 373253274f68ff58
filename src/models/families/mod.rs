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

use super::{Config, HeadKind, fields::Fields};

/// The families that can be loaded.
pub const ARCHITECTURES: &[&Architecture] = &[
    &roberta::XLM_ROBERTA,
    &roberta::ROBERTA,
    &roberta::CAMEMBERT,
    &bert::BERT,
    &deberta::DEBERTA_V2,
    &distilbert::DISTILBERT,
    &xlm_roberta_xl::XLM_ROBERTA_XL,
    &modernbert::MODERNBERT,
    &xlm::XLM,
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
    fields.must_be("hidden_act", "gelu")?;
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
}
