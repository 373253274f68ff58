//! Heads: what turns hidden states into logits.

use super::{Config, HeadKind};
use crate::{
    array::Ids,
    nn::{Builder, Fill, LayerNorm, Linear, Pass, WordTable},
    ops,
    tensor::Tensor,
};

/// The most logits of a language model that exist at once, 64 MiB of them; more are taken chunk by chunk, which costs
/// two products more.
pub const LOGITS: usize = 1 << 24;

/// A head on the encoder.
#[derive(Debug)]
pub enum Head {
    /// The first token of each sequence, through a tanh layer, to label logits.
    Classify {
        /// h → h; BERT calls it the pooler.
        dense: Linear,
        /// h → k
        out: Linear,
        /// Dropout before `dense` in RoBERTa; after it in both.
        dropout: f32,
        /// Whether there is dropout before `dense`.
        drops_first: bool,
        /// The first dropout site.
        site: usize,
    },
    /// The first token of each word, to tag logits.
    Tag {
        /// h → k
        out: Linear,
        /// Dropout before it.
        dropout: f32,
        /// The dropout site.
        site: usize,
    },
    /// Masked positions to word logits, by the word table itself or a table of their own.
    MaskedLm {
        /// h → h, then GELU.
        dense: Linear,
        /// Before the table.
        norm: LayerNorm,
        /// (v)
        bias: Tensor,
        /// (v, h), where the output layer is not the word table.
        decoder: Option<Tensor>,
    },
}

impl Head {
    pub(super) fn build(builder: &mut Builder, config: &Config, kind: &HeadKind, site: usize) -> Head {
        let (h, names) = (config.hidden_size, &config.architecture.heads);
        let (roberta, dropout) = (config.architecture.roberta_heads, config.classifier_dropout);
        match kind {
            HeadKind::Classify(labels) => {
                // BERT's pooler was pretrained with the encoder: it is kept whatever the labels are.
                let dense = match roberta {
                    true => builder.head(|builder| Linear::build(builder, names.dense, h, h)),
                    false => builder.optional(|builder| Linear::build(builder, names.dense, h, h)),
                };
                let out = builder.head(|builder| Linear::build(builder, names.out, h, labels.len()));
                Head::Classify { dense, out, dropout, drops_first: roberta, site }
            }
            HeadKind::Tag(labels) => {
                let out = builder.head(|builder| Linear::build(builder, names.tags, h, labels.len()));
                Head::Tag { out, dropout, site }
            }
            HeadKind::MaskedLm => builder.head(|builder| Head::MaskedLm {
                dense: Linear::build(builder, names.transform, h, h),
                norm: LayerNorm::build(builder, names.transform_norm, h, config.layer_norm_eps),
                bias: builder.parameter(names.bias, &[config.vocab_size], Fill::Zeros),
                decoder: (!config.tied).then(|| {
                    let shape = [config.vocab_size, h];
                    builder.within(names.decoder, |builder| builder.parameter("weight", &shape, Fill::Normal))
                }),
            }),
        }
    }

    /// Hidden states (n, h) → logits (n, k): those of first tokens for a classifier, of words' for a tagger, of masked ones for a language model.
    pub fn logits(&self, x: &Tensor, words: &WordTable, pass: Pass) -> Tensor {
        match self {
            Head::Classify { dense, out, dropout, drops_first, site } => {
                let x = if *drops_first { pass.dropout(x, *site, *dropout) } else { x.clone() };
                out.forward(&pass.dropout(&dense.forward(&x).tanh(), site + 1, *dropout))
            }
            Head::Tag { out, dropout, site } => out.forward(&pass.dropout(x, *site, *dropout)),
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
            Head::MaskedLm { dense, norm, .. } => norm.forward(&dense.forward(x).gelu()),
            Head::Classify { .. } | Head::Tag { .. } => x.clone(),
        }
    }
}
