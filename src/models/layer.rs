//! A layer of the encoder: attention and a feed-forward net, each with dropout, residual sum and norm.
//!
//! Axis letters: t tokens of the whole batch, n those that are read, h hidden.

use super::{
    Config,
    families::{LayerNames, Norms},
    relative::RelativePositions,
};
use crate::{
    array::{Format, Ids, Segments},
    nn::{Builder, LayerNorm, Linear, Pass},
    ops::{self, Attention, Disentangled},
    tensor::Tensor,
};
use std::sync::Arc;

/// Dropout sites of a layer: attention probabilities, attention output, feed-forward net.
pub const SITES_PER_LAYER: usize = 3;

/// What each token gathers from its sequence.
#[derive(Debug)]
struct SelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    heads: usize,
    dropout: f32,
    site: usize,
    relative: Option<Arc<RelativePositions>>,
    index: usize,
}

impl SelfAttention {
    fn build(
        builder: &mut Builder,
        config: &Config,
        index: usize,
        relative: Option<Arc<RelativePositions>>,
    ) -> SelfAttention {
        let (h, names) = (config.hidden_size, &config.architecture.names.layer);
        let mut map = |name| Linear::build(builder, &LayerNames::at(name, index), h, h, config.biases.attention);
        SelfAttention {
            query: map(names.query),
            key: map(names.key),
            value: map(names.value),
            heads: config.num_attention_heads,
            dropout: config.attention_probs_dropout_prob,
            site: 1 + index * SITES_PER_LAYER,
            relative,
            index,
        }
    }

    /// (t, h) → (t, h)
    fn forward(&self, x: &Tensor, segments: &Segments, pass: Pass) -> Tensor {
        let (query, key, value) = (self.query.forward(x), self.key.forward(x), self.value.forward(x)); // (t, h)
        let dropout = pass.dropout_at(self.site, self.dropout);
        let how = Attention { segments: segments.clone(), heads: self.heads, dropout };
        let Some(relative) = &self.relative else { return ops::attention(&query, &key, &value, how) };
        let rows = relative.rows(self.index, pass); // (count, h)
        let positions = [&self.key.forward(&rows), &self.query.forward(&rows)];
        let how = Disentangled { attention: how, buckets: relative.buckets.clone() };
        ops::disentangled_attention([&query, &key, &value], positions, how)
    }
}

/// One layer.
#[derive(Debug)]
pub struct Layer {
    attention: SelfAttention,
    out: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    output_norm: LayerNorm,
    norms: Norms,
    dropout: f32,
    first_site: usize,
}

impl Layer {
    pub(super) fn build(
        builder: &mut Builder,
        config: &Config,
        index: usize,
        relative: Option<Arc<RelativePositions>>,
    ) -> Layer {
        let (h, inner, biases) = (config.hidden_size, config.intermediate_size, config.biases);
        let names = &config.architecture.names.layer;
        let at = |name| LayerNames::at(name, index);
        let norm =
            |builder: &mut Builder, name| LayerNorm::build(builder, &at(name), h, config.layer_norm_eps, biases.norms);
        Layer {
            attention: SelfAttention::build(builder, config, index, relative),
            out: Linear::build(builder, &at(names.out), h, h, biases.attention),
            attention_norm: norm(builder, names.attention_norm),
            up: Linear::build(builder, &at(names.up), h, inner, biases.feed_forward),
            down: Linear::build(builder, &at(names.down), inner, h, biases.feed_forward),
            output_norm: norm(builder, names.output_norm),
            norms: config.architecture.norms,
            dropout: config.hidden_dropout_prob,
            first_site: 1 + index * SITES_PER_LAYER,
        }
    }

    /// (t, h) → (n, h): the output at some rows, or at all of them. The others take part in attention only.
    pub(super) fn forward(&self, x: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        match self.norms {
            Norms::After => self.forward_normed_after(x, segments, rows, pass),
            Norms::Before => self.forward_normed_before(x, segments, rows, pass),
        }
    }

    fn forward_normed_after(&self, x: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        let attended = self.out.forward(&at_rows(&self.attention.forward(x, segments, pass), rows));
        let dropout = pass.dropout_at(self.first_site + 1, self.dropout);
        let x = self.attention_norm.forward_sum(&at_rows(x, rows), &attended, dropout);
        let mixed = self.mix(&x);
        self.output_norm.forward_sum(&x, &mixed, pass.dropout_at(self.first_site + 2, self.dropout))
    }

    /// The sums are in f32, and the sublayers in the device's format.
    fn forward_normed_before(&self, x: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        let format = x.device().format();
        let normed = self.attention_norm.forward(x).cast(format);
        let attended = self.out.forward(&at_rows(&self.attention.forward(&normed, segments, pass), rows));
        let attended = pass.dropout(&attended, self.first_site + 1, self.dropout);
        let x = at_rows(x, rows).add(&attended.cast(Format::F32));
        let mixed = self.mix(&self.output_norm.forward(&x).cast(format));
        x.add(&pass.dropout(&mixed, self.first_site + 2, self.dropout).cast(Format::F32))
    }

    /// The feed-forward net: (n, h) → (n, inner) → (n, h)
    fn mix(&self, x: &Tensor) -> Tensor {
        self.down.forward_gelu(&self.up.forward(x))
    }
}

/// Some rows of a tensor, or all of them.
fn at_rows(x: &Tensor, rows: Option<&Ids>) -> Tensor {
    rows.map_or_else(|| x.clone(), |rows| ops::gather(&[x], rows))
}
