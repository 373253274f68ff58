//! A layer of the encoder: attention and a feed-forward net, each with dropout, residual sum and norm.
//!
//! Axis letters: t tokens of the whole batch, n those that are read, h hidden.

use super::{
    Config,
    families::{Architecture, LayerNames, MapNames, Norms, Unit},
    relative::RelativePositions,
};
use crate::{
    array::{Format, Ids, Segments},
    nn::{Builder, LayerNorm, Linear, Pass},
    ops::{self, Angles, Attention, Disentangled},
    rng::Draw,
    tensor::Tensor,
};
use std::sync::Arc;

/// Dropout sites of a layer: attention probabilities, attention output, feed-forward net.
pub const SITES_PER_LAYER: usize = 3;

/// The angles of rotary positions, for layers that see all and for those that see a window.
#[derive(Clone, Debug)]
pub struct Turns {
    global: Angles,
    local: Angles,
}

impl Turns {
    /// Those of a configuration that has them.
    pub(super) fn new(builder: &Builder, config: &Config) -> Option<Turns> {
        let rotation = config.rotation.as_ref()?;
        let width = config.hidden_size / config.num_attention_heads;
        let places = if builder.makes() { config.max_position_embeddings } else { 0 };
        let angles = |base| Angles::new(base, width, places);
        Some(Turns { global: angles(rotation.global_base), local: angles(rotation.local_base) })
    }
}

/// What all layers share of positions, where the family's attention knows of them.
#[derive(Clone, Debug)]
pub struct Shared {
    turns: Option<Turns>,
    relative: Option<Arc<RelativePositions>>,
}

impl Shared {
    pub(super) fn build(builder: &mut Builder, config: &Config) -> Shared {
        let turns = Turns::new(builder, config);
        let first_site = 1 + config.num_hidden_layers * SITES_PER_LAYER;
        Shared { turns, relative: RelativePositions::build(builder, config, first_site).map(Arc::new) }
    }

    /// Dropout sites behind those of the layers.
    pub(super) fn sites(&self, layers: usize) -> usize {
        if self.relative.is_some() { layers } else { 0 }
    }
}

/// What makes queries, keys and values.
#[derive(Clone, Debug)]
enum Maps {
    Apart([Linear; 3]),
    /// (3 h, h) and (3 h)
    Fused(Linear),
}

impl Maps {
    fn build(builder: &mut Builder, config: &Config, index: usize) -> Maps {
        let (h, bias) = (config.hidden_size, config.biases.attention);
        let mut map = |name, outputs| Linear::build(builder, &LayerNames::at(name, index), h, outputs, bias);
        match config.architecture.names.layer.maps {
            MapNames::Apart { query, key, value } => Maps::Apart([query, key, value].map(|name| map(name, h))),
            MapNames::Fused(name) => Maps::Fused(map(name, 3 * h)),
        }
    }

    /// (t, h) → queries, keys and values, each (t, h)
    fn forward(&self, x: &Tensor) -> [Tensor; 3] {
        match self {
            Maps::Apart([query, key, value]) => [query, key, value].map(|map| map.forward(x)),
            Maps::Fused(Linear { weight, bias }) => {
                let (h, weight) = (x.shape().columns(), weight.cast(x.format()));
                [0, 1, 2].map(|i| ops::linear(x, &weight.slice(i * h * h, [h, h]), &bias.slice(i * h, [h])))
            }
        }
    }

    /// Rows of a table of positions (count, h) → their keys and queries, each (count, h)
    fn of_positions(&self, rows: &Tensor) -> [Tensor; 2] {
        match self {
            Maps::Apart([query, key, _]) => [key, query].map(|map| map.forward(rows)),
            Maps::Fused(_) => {
                let [query, key, _] = self.forward(rows);
                [key, query]
            }
        }
    }
}

/// What each token gathers from its sequence.
#[derive(Clone, Debug)]
struct SelfAttention {
    maps: Maps,
    angles: Option<Angles>,
    relative: Option<Arc<RelativePositions>>,
    index: usize,
    window: Option<usize>,
    heads: usize,
    dropout: f32,
    site: usize,
}

impl SelfAttention {
    fn build(builder: &mut Builder, config: &Config, shared: &Shared, index: usize) -> SelfAttention {
        let local = config.rotation.as_ref().filter(|rotation| !rotation.is_global(index));
        let angles = |turns: &Turns| if local.is_some() { turns.local.clone() } else { turns.global.clone() };
        SelfAttention {
            maps: Maps::build(builder, config, index),
            angles: shared.turns.as_ref().map(angles),
            relative: shared.relative.clone(),
            index,
            window: local.map(|rotation| rotation.window),
            heads: config.num_attention_heads,
            dropout: config.attention_probs_dropout_prob,
            site: 1 + index * SITES_PER_LAYER,
        }
    }

    /// (t, h) → (t, h)
    fn forward(&self, x: &Tensor, segments: &Segments, pass: Pass) -> Tensor {
        let [query, key, value] = self.maps.forward(x);
        let [query, key] = [query, key].map(|x| match &self.angles {
            Some(angles) => x.rotary(segments, angles),
            None => x,
        });
        let dropout = pass.dropout_at(self.site, self.dropout);
        let how = Attention { segments: segments.clone(), heads: self.heads, dropout, window: self.window };
        let Some(relative) = &self.relative else { return ops::attention(&query, &key, &value, how) };
        let positions = self.maps.of_positions(&relative.rows(self.index, pass));
        let how = Disentangled { attention: how, buckets: relative.buckets.clone() };
        ops::disentangled_attention([&query, &key, &value], positions.each_ref(), how)
    }
}

/// One layer.
#[derive(Clone, Debug)]
pub struct Layer {
    attention: SelfAttention,
    out: Linear,
    attention_norm: Option<LayerNorm>,
    up: Linear,
    down: Linear,
    output_norm: LayerNorm,
    norms: Norms,
    unit: Unit,
    attention_dropout: f32,
    feed_forward_dropout: f32,
    first_site: usize,
}

impl Layer {
    pub(super) fn build(builder: &mut Builder, config: &Config, shared: &Shared, index: usize) -> Layer {
        let (h, inner, biases) = (config.hidden_size, config.intermediate_size, config.biases);
        let Architecture { norms, unit, names, .. } = config.architecture;
        let names = &names.layer;
        let at = |name| LayerNames::at(name, index);
        let norm =
            |builder: &mut Builder, name| LayerNorm::build(builder, &at(name), h, config.layer_norm_eps, biases.norms);
        let is_normed = index > 0 || *norms != Norms::Before { first: false };
        let width = if *unit == Unit::GatedGelu { 2 * inner } else { inner };
        Layer {
            attention: SelfAttention::build(builder, config, shared, index),
            out: Linear::build(builder, &at(names.out), h, h, biases.attention),
            attention_norm: is_normed.then(|| norm(builder, names.attention_norm)),
            up: Linear::build(builder, &at(names.up), h, width, biases.feed_forward),
            down: Linear::build(builder, &at(names.down), inner, h, biases.feed_forward),
            output_norm: norm(builder, names.output_norm),
            norms: *norms,
            unit: *unit,
            attention_dropout: config.attention_output_dropout,
            feed_forward_dropout: config.feed_forward_dropout,
            first_site: 1 + index * SITES_PER_LAYER,
        }
    }

    /// (t, h) → (n, h): the output at some rows, or at all of them. The others take part in attention only.
    pub(super) fn forward(&self, x: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        match self.norms {
            Norms::After => self.forward_normed_after(x, segments, rows, pass),
            Norms::Before { .. } => self.forward_normed_before(x, segments, rows, pass),
        }
    }

    fn forward_normed_after(&self, x: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        let attended = self.out.forward(&at_rows(&self.attention.forward(x, segments, pass), rows));
        let dropout = pass.dropout_at(self.first_site + 1, self.attention_dropout);
        let norm = self.attention_norm.as_ref().expect("only a norm before attention may be left out");
        let x = norm.forward_sum(&at_rows(x, rows), &attended, dropout);
        let (mixed, dropout) = self.mix(&x, pass);
        self.output_norm.forward_sum(&x, &mixed, dropout)
    }

    /// The sums are in f32, and the sublayers in the device's format.
    fn forward_normed_before(&self, x: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        let format = x.device().format();
        let normed = self.attention_norm.as_ref().map_or_else(|| x.clone(), |norm| norm.forward(x)).cast(format);
        let attended = self.out.forward(&at_rows(&self.attention.forward(&normed, segments, pass), rows));
        let attended = pass.dropout(&attended, self.first_site + 1, self.attention_dropout);
        let x = at_rows(x, rows).add(&attended.cast(Format::F32));
        let (mixed, dropout) = self.mix(&self.output_norm.forward(&x).cast(format), pass);
        let mixed = dropout.map_or_else(|| mixed.clone(), |(rate, draw)| mixed.dropout(rate, draw));
        x.add(&mixed.cast(Format::F32))
    }

    /// The feed-forward net, and the dropout that is still to come: (n, h) → (n, inner) → (n, h)
    fn mix(&self, x: &Tensor, pass: Pass) -> (Tensor, Option<(f32, Draw)>) {
        let (inner, site) = (self.up.forward(x), self.first_site + 2);
        match self.unit {
            Unit::Gelu => (self.down.forward_gelu(&inner), pass.dropout_at(site, self.feed_forward_dropout)),
            Unit::GatedGelu => {
                let kept = pass.dropout(&inner.gated_gelu(), site, self.feed_forward_dropout);
                (self.down.forward(&kept), None)
            }
        }
    }
}

/// Some rows of a tensor, or all of them.
fn at_rows(x: &Tensor, rows: Option<&Ids>) -> Tensor {
    rows.map_or_else(|| x.clone(), |rows| ops::gather(&[x], rows))
}
