//! The Transformer encoder of all families: embeddings, and layers one upon the other (Vaswani et al., 2017).
//!
//! Axis letters: t tokens of the whole batch, h hidden. There is no padding: sequences lie end to end. What passes between
//! layers is stored in the device's format where it is normed, and a residual sum in f32; what comes in and goes out, in
//! f32.

use super::{
    Config,
    families::Norms,
    layer::{Layer, SITES_PER_LAYER, Shared},
};
use crate::{
    array::{Format, Ids, Segments},
    autograd::recomputed,
    nn::{Builder, Fill, LayerNorm, Pass},
    ops,
    tensor::Tensor,
};
use std::sync::Arc;

/// What turns word embeddings into the layers' input: positions, token types or languages, a norm; of each what the family
/// has.
#[derive(Clone, Debug)]
pub struct Embeddings {
    positions: Option<Tensor>,
    types: Option<Tensor>,
    norm: Option<LayerNorm>,
    dropout: f32,
}

impl Embeddings {
    fn build(builder: &mut Builder, config: &Config) -> Embeddings {
        let (h, names) = (config.hidden_size, &config.architecture.names);
        let mut table = |name: Option<&str>, rows| {
            name.map(|name| builder.within(name, |builder| builder.parameter("weight", &[rows, h], Fill::Normal)))
        };
        let positions = table(names.positions, config.max_position_embeddings);
        let types = match config.n_languages > 1 {
            true => table(names.languages, config.n_languages),
            false => table(names.types, config.type_vocab_size),
        };
        let norm = |name| LayerNorm::build(builder, name, h, config.layer_norm_eps, config.biases.norms);
        Embeddings { positions, types, norm: names.norm.map(norm), dropout: config.hidden_dropout_prob }
    }

    /// Word embeddings (t, h), rows of the position table (t) and token types (t) → (t, h)
    fn forward(&self, words: &Tensor, positions: &Ids, types: &Ids, pass: Pass) -> Tensor {
        let tables = [(&self.positions, positions), (&self.types, types)];
        let gathered = tables.into_iter().filter_map(|(table, ids)| Some(ops::gather(&[table.as_ref()?], ids)));
        let mut gathered: Vec<Tensor> = gathered.collect();
        let last = gathered.pop();
        let x = gathered.iter().fold(words.clone(), |x, part| x.add(part));
        let x = match (&self.norm, last) {
            (Some(norm), Some(last)) => norm.forward_sum(&x, &last, None),
            (Some(norm), None) => norm.forward(&x),
            (None, Some(last)) => x.add(&last),
            (None, None) => x,
        };
        pass.dropout(&x, 0, self.dropout)
    }
}

/// Embeddings and layers, from word embeddings to hidden states.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// Whether layers keep only their input for the backward pass, and run again in it.
    pub recompute: bool,
    /// How many layers take part, from the first on.
    pub depth: usize,
    embeddings: Embeddings,
    layers: Vec<Arc<Layer>>,
    last_norm: Option<LayerNorm>,
    norms: Norms,
    sites: usize,
}

impl Encoder {
    pub(super) fn build(builder: &mut Builder, config: &Config) -> Encoder {
        let (h, names) = (config.hidden_size, &config.architecture.names);
        let embeddings = Embeddings::build(builder, config);
        let shared = Shared::build(builder, config);
        let layer = |i| Arc::new(Layer::build(builder, config, &shared, i));
        let layers: Vec<Arc<Layer>> = (0..config.num_hidden_layers).map(layer).collect();
        let sites = 1 + layers.len() * SITES_PER_LAYER + shared.sites(layers.len());
        let norm = |name| LayerNorm::build(builder, name, h, config.layer_norm_eps, config.biases.norms);
        Encoder {
            recompute: false,
            depth: config.num_hidden_layers,
            embeddings,
            layers,
            last_norm: names.last_norm.map(norm),
            norms: config.architecture.norms,
            sites,
        }
    }

    /// The first dropout site after the encoder's own.
    pub(super) fn sites(&self) -> usize {
        self.sites
    }

    /// Word embeddings (t, h), and for each token its row of the position table and its type → the layers' input (t, h).
    pub fn embed(&self, words: &Tensor, positions: &Ids, types: &Ids, pass: Pass) -> Tensor {
        self.embeddings.forward(words, positions, types, pass)
    }

    /// The layers' input (t, h) → the input and the output of each layer that takes part; the last is normed where a norm
    /// follows the layers.
    pub fn hidden_states(&self, embedded: &Tensor, segments: &Segments, pass: Pass) -> Vec<Tensor> {
        let mut states = vec![self.entering(embedded)];
        for layer in &self.layers[..self.depth] {
            states.push(self.run(layer, &states[states.len() - 1], segments, None, pass));
        }
        let mut states: Vec<Tensor> = states.iter().map(|state| state.cast(Format::F32)).collect();
        let last = states.pop().map(|state| self.leaving(&state));
        states.extend(last);
        states
    }

    /// The layers' input (t, h) → the output (n, h) of the last layer that takes part, at some rows or at all, normed where
    /// a norm follows the layers.
    ///
    /// The last layer computes nothing for other rows but their keys and values. Dropout masks go by place among the
    /// rows.
    pub fn encode(&self, embedded: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        let Some((last, layers)) = self.layers[..self.depth].split_last() else {
            return self.leaving(&rows.map_or_else(|| embedded.clone(), |rows| ops::gather(&[embedded], rows)));
        };
        let x = layers.iter().fold(self.entering(embedded), |x, layer| self.run(layer, &x, segments, None, pass));
        self.leaving(&self.run(last, &x, segments, rows, pass))
    }

    /// As it passes between layers. A residual sum grows from layer to layer, and would be rounded at each: it stays in
    /// f32.
    fn entering(&self, x: &Tensor) -> Tensor {
        match self.norms {
            Norms::After => x.cast(x.device().format()),
            Norms::Before { .. } => x.cast(Format::F32),
        }
    }

    fn leaving(&self, x: &Tensor) -> Tensor {
        let x = x.cast(Format::F32);
        self.last_norm.as_ref().map_or_else(|| x.clone(), |norm| norm.forward(&x))
    }

    fn run(&self, layer: &Arc<Layer>, x: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        if !self.recompute {
            return layer.forward(x, segments, rows, pass);
        }
        let (layer, segments, rows) = (layer.clone(), segments.clone(), rows.cloned());
        recomputed(x, move |x| layer.forward(x, &segments, rows.as_ref(), pass))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        models::{HeadKind, Model},
        tensor::Device,
    };
    use serde_json::json;

    fn model() -> Model {
        let config = json!({
            "model_type": "xlm-roberta", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 3,
            "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 12, "type_vocab_size": 1,
            "hidden_act": "gelu", "layer_norm_eps": 1e-5, "pad_token_id": 1, "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        });
        let config = Config::new(config.as_object().unwrap().clone()).unwrap();
        Model::fresh(config, HeadKind::MaskedLm, 7, &Device::Reference).unwrap()
    }

    fn input() -> Tensor {
        Tensor::new(&(0..20).map(|i| (i as f32).sin()).collect::<Vec<_>>(), [5, 4], &Device::Reference)
    }

    #[test]
    fn rows_that_nobody_reads_change_nothing() {
        let (mut model, segments, x) = (model(), Segments::new([3, 2]), input().tracked());
        let rows: Ids = vec![0, 2, 3].into();
        for (depth, recompute) in [(0, false), (1, false), (3, false), (3, true)] {
            (model.encoder.depth, model.encoder.recompute) = (depth, recompute);
            let encode = |rows| model.encoder.encode(&x, &segments, rows, Pass::evaluation());
            let runs = [encode(Some(&rows)), ops::gather(&[&encode(None)], &rows)].map(|y| {
                let wanted: Vec<&Tensor> = model.leaves().into_iter().chain([&x]).collect();
                let grads = y.tanh().sum_squares(&Tensor::zeros([1], &Device::Reference)).gradients(&wanted);
                (y.to_array().values, grads.iter().map(|grad| grad.to_array().values).collect::<Vec<_>>())
            });
            let [few, all] = &runs;
            assert_eq!(few.0, all.0);
            for (few, all) in few.1.iter().zip(&all.1).flat_map(|(few, all)| few.iter().zip(all)) {
                assert!((few - all).abs() < 1e-12, "{few} {all} at depth {depth}");
            }
        }
    }

    #[test]
    fn layers_beyond_the_depth_take_no_part() {
        let mut model = model();
        let segments = Segments::new([3, 2]);
        let x = input();
        let states = model.encoder.hidden_states(&x, &segments, Pass::evaluation());
        let layer = |i: usize| {
            let of_layer = model.parameters.iter().filter(|p| p.name.contains(&format!("layer.{i}.")));
            of_layer.map(|p| p.tensor.clone()).collect::<Vec<_>>()
        };
        let layers: Vec<Vec<Tensor>> = (0..3).map(layer).collect();
        for (depth, state) in states.iter().enumerate() {
            model.encoder.depth = depth;
            let encoded = model.encoder.encode(&x, &segments, None, Pass::evaluation());
            assert_eq!(encoded.to_vec(), state.to_vec());
            for (i, leaves) in layers.iter().enumerate() {
                let square = encoded.sum_squares(&Tensor::zeros([1], &Device::Reference));
                let grads = square.gradients(&leaves.iter().collect::<Vec<_>>());
                let moved = grads.iter().any(|grad| grad.to_vec().iter().any(|x| *x != 0.0));
                assert_eq!(moved, i < depth, "layer {i} at depth {depth}");
            }
        }
    }
}
