//! Heads: what turns hidden states into logits.

use super::{
    Config, HeadKind,
    families::{Activation, Dense, Origin},
};
use crate::{
    array::Ids,
    nn::{Bias, Builder, Fill, LayerNorm, Linear, Pass, WordTable, Work},
    ops,
    tensor::{Device, Tensor},
};

/// The most logits of a language model that exist at once, 64 MiB of them; more are taken chunk by chunk, which costs
/// two products more.
pub const LOGITS: usize = 1 << 24;

/// A hidden layer of a head.
#[derive(Debug)]
pub struct Hidden {
    dense: Linear,
    activation: Activation,
    norm: Option<LayerNorm>,
}

impl Hidden {
    fn build(builder: &mut Builder, config: &Config, dense: Dense) -> Hidden {
        let (h, biases) = (config.hidden_size, config.biases);
        let build = |builder: &mut Builder| Hidden {
            dense: Linear::build(builder, dense.name, h, h, biases.dense),
            activation: dense.activation,
            norm: dense.norm.map(|name| LayerNorm::build(builder, name, h, config.layer_norm_eps, biases.norms)),
        };
        match dense.origin {
            Origin::Head => builder.head(build),
            Origin::Encoder => builder.optional(build),
        }
    }

    /// (n, h) → (n, h)
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.dense.forward(x);
        let x = match self.activation {
            Activation::Tanh => x.tanh(),
            Activation::Relu => x.relu(),
            Activation::Gelu => x.gelu(),
        };
        self.norm.as_ref().map_or_else(|| x.clone(), |norm| norm.forward(&x))
    }
}

/// A head on the encoder.
#[derive(Debug)]
pub enum Head {
    /// What stands for each sequence, to label logits.
    Classify {
        /// h → h; BERT calls it the pooler, XLM has none.
        dense: Option<Hidden>,
        /// h → k
        out: Linear,
        /// Dropout before `dense` in RoBERTa; after it in all.
        dropout: f32,
        /// Whether there is dropout before `dense`.
        drops_first: bool,
        /// The first dropout site.
        site: usize,
    },
    /// The first token of each word, to tag logits.
    Tag {
        /// h → h, in few families.
        dense: Option<Hidden>,
        /// h → k
        out: Linear,
        /// Dropout before it.
        dropout: f32,
        /// The dropout site.
        site: usize,
    },
    /// Masked positions to word logits, by the word table itself or a table of their own.
    MaskedLm {
        /// h → h, in most families.
        transform: Option<Hidden>,
        /// (v)
        bias: Tensor,
        /// (v, h), where the output layer is not the word table.
        decoder: Option<Tensor>,
    },
}

impl Head {
    pub(super) fn build(builder: &mut Builder, config: &Config, kind: &HeadKind, site: usize) -> Head {
        let (h, names) = (config.hidden_size, &config.architecture.heads);
        let projection = |builder: &mut Builder, name, labels: &[String]| {
            builder.head(|builder| Linear::build(builder, name, h, labels.len(), Bias::Learned))
        };
        match kind {
            HeadKind::Classify(labels) => {
                let dense = names.dense.map(|dense| Hidden::build(builder, config, dense));
                let (out, dropout) = (projection(builder, names.out, labels), config.classifier_dropout);
                Head::Classify { dense, out, dropout, drops_first: names.drops_first, site }
            }
            HeadKind::Tag(labels) => {
                let dense = names.tag_dense.map(|dense| Hidden::build(builder, config, dense));
                Head::Tag { dense, out: projection(builder, names.tags, labels), dropout: config.tagger_dropout, site }
            }
            HeadKind::MaskedLm => builder.head(|builder| Head::MaskedLm {
                transform: names.transform.map(|dense| Hidden::build(builder, config, dense)),
                bias: match config.biases.words {
                    Bias::Learned => builder.parameter(names.bias, &[config.vocab_size], Fill::Zeros),
                    Bias::None => builder.zeros(config.vocab_size),
                },
                decoder: (!config.tied).then(|| {
                    let shape = [config.vocab_size, h];
                    builder.within(names.decoder, |builder| builder.parameter("weight", &shape, Fill::Normal))
                }),
            }),
        }
    }

    /// The names of a head's tensors; nothing is made.
    pub(super) fn names(config: &Config, kind: &HeadKind) -> Vec<String> {
        let device = Device::cpu();
        let mut builder = Builder::new(Work::Survey, None, &device, 0, 0.0);
        Head::build(&mut builder, config, kind, 0);
        builder.names()
    }

    /// Hidden states (n, h) → logits (n, k): those of sequences for a classifier, of words' first tokens for a tagger, of
    /// masked ones for a language model.
    pub fn logits(&self, x: &Tensor, words: &WordTable, pass: Pass) -> Tensor {
        match self {
            Head::Classify { dense, out, dropout, drops_first, site } => {
                let x = if *drops_first { pass.dropout(x, *site, *dropout) } else { x.clone() };
                let hidden = dense.as_ref().map(|dense| pass.dropout(&dense.forward(&x), site + 1, *dropout));
                out.forward(&hidden.unwrap_or(x))
            }
            Head::Tag { dense, out, dropout, site } => {
                let hidden = dense.as_ref().map(|dense| dense.forward(x));
                out.forward(&pass.dropout(hidden.as_ref().unwrap_or(x), *site, *dropout))
            }
            Head::MaskedLm { bias, decoder: Some(decoder), .. } => ops::linear(&self.transform(x), decoder, bias),
            Head::MaskedLm { bias, decoder: None, .. } => {
                let x = self.transform(x);
                let parts = words.windows.iter().enumerate().map(|(i, window)| {
                    let rows = words.window_rows(i);
                    ops::linear(&x, window, &bias.slice(rows.start, [rows.len()])) // (n, window)
                });
                let parts: Vec<Tensor> = parts.collect();
                match &parts[..] {
                    [all] => all.clone(),
                    parts => ops::concat_columns(&parts.iter().collect::<Vec<_>>()),
                }
            }
        }
    }

    /// How near each row's nearest input of a rectifier is to 0, where the slope has a step; nothing where a head is smooth:
    /// (n, h) → (n).
    pub fn nearest_step(&self, x: &Tensor) -> Option<Vec<f32>> {
        let Head::Classify { dense: Some(hidden), .. } = self else { return None };
        let inputs = (hidden.activation == Activation::Relu).then(|| hidden.dense.forward(x))?;
        let nearest = |row: &[f32]| row.iter().fold(f32::MAX, |nearest, x| nearest.min(x.abs()));
        Some(inputs.to_vec().chunks_exact(inputs.shape().columns()).map(nearest).collect())
    }

    /// `weight` times the summed cross-entropy of what [`Head::logits`] gives, with at most 2²⁴ of them at once.
    pub fn loss(&self, x: &Tensor, labels: &Ids, words: &WordTable, weight: f32, pass: Pass) -> Tensor {
        match self {
            Head::MaskedLm { bias, decoder, .. } if labels.len() * words.rows > LOGITS => {
                let windows: Vec<&Tensor> =
                    decoder.as_ref().map_or_else(|| words.windows.iter().collect(), |d| vec![d]);
                ops::linear_cross_entropy(&self.transform(x), &windows, bias, labels, weight)
            }
            _ => self.logits(x, words, pass).cross_entropy(labels, weight),
        }
    }

    /// What a language model has before the word table: (n, h) → (n, h).
    fn transform(&self, x: &Tensor) -> Tensor {
        match self {
            Head::MaskedLm { transform: Some(transform), .. } => transform.forward(x),
            Head::MaskedLm { transform: None, .. } | Head::Classify { .. } | Head::Tag { .. } => x.clone(),
        }
    }
}
