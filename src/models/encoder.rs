//! The post-LayerNorm Transformer encoder that BERT and XLM-R share (Devlin et al., 2019; Conneau et al., 2020).
//!
//! Axis letters: t tokens of the whole batch, h hidden. There is no padding: sequences lie end to end. What passes between
//! layers is stored in the device's format; what comes in and goes out, in f32.

use super::Config;
use crate::{
    array::{Format, Ids, Segments},
    autograd::recomputed,
    nn::{Builder, Fill, LayerNorm, Linear, Pass},
    ops::{self, Attention},
    tensor::Tensor,
};
use std::sync::Arc;

/// Dropout sites of a layer: attention probabilities, attention output, feed-forward output.
const SITES_PER_LAYER: usize = 3;

/// What turns word embeddings into the layers' input: positions, token types, LayerNorm.
#[derive(Debug)]
pub struct Embeddings {
    positions: Tensor,
    types: Tensor,
    norm: LayerNorm,
    dropout: f32,
}

impl Embeddings {
    fn build(builder: &mut Builder, config: &Config) -> Embeddings {
        let h = config.hidden_size;
        builder.within("embeddings", |builder| Embeddings {
            positions: builder.parameter(
                "position_embeddings.weight",
                &[config.max_position_embeddings, h],
                Fill::Normal,
            ),
            types: builder.parameter("token_type_embeddings.weight", &[config.type_vocab_size, h], Fill::Normal),
            norm: LayerNorm::build(builder, "LayerNorm", h, config.layer_norm_eps),
            dropout: config.hidden_dropout_prob,
        })
    }

    /// Word embeddings (t, h), rows of the position table (t) and token types (t) → (t, h)
    fn forward(&self, words: &Tensor, positions: &Ids, types: &Ids, pass: Pass) -> Tensor {
        let x = words.add(&ops::gather(&[&self.positions], positions));
        let x = self.norm.forward_sum(&x, &ops::gather(&[&self.types], types), None);
        pass.dropout(&x, 0, self.dropout)
    }
}

/// One layer: attention and a feed-forward net, each with dropout, residual and LayerNorm.
#[derive(Debug)]
pub struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    output_norm: LayerNorm,
    heads: usize,
    attention_dropout: f32,
    dropout: f32,
    first_site: usize,
}

impl Layer {
    fn build(builder: &mut Builder, config: &Config, index: usize) -> Layer {
        let (h, inner, epsilon) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        builder.within(&format!("layer.{index}"), |builder| Layer {
            query: Linear::build(builder, "attention.self.query", h, h),
            key: Linear::build(builder, "attention.self.key", h, h),
            value: Linear::build(builder, "attention.self.value", h, h),
            out: Linear::build(builder, "attention.output.dense", h, h),
            attention_norm: LayerNorm::build(builder, "attention.output.LayerNorm", h, epsilon),
            up: Linear::build(builder, "intermediate.dense", h, inner),
            down: Linear::build(builder, "output.dense", inner, h),
            output_norm: LayerNorm::build(builder, "output.LayerNorm", h, epsilon),
            heads: config.num_attention_heads,
            attention_dropout: config.attention_probs_dropout_prob,
            dropout: config.hidden_dropout_prob,
            first_site: 1 + index * SITES_PER_LAYER,
        })
    }

    /// (t, h) → (n, h): the output at some rows, or at all of them. The others take part in attention only.
    fn forward(&self, x: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        let at_rows = |x: &Tensor| rows.map_or_else(|| x.clone(), |rows| ops::gather(&[x], rows));
        let attended = self.out.forward(&at_rows(&self.attend(x, segments, pass)));
        let dropout = pass.dropout_at(self.first_site + 1, self.dropout);
        let x = self.attention_norm.forward_sum(&at_rows(x), &attended, dropout);
        let mixed = self.down.forward_gelu(&self.up.forward(&x)); // (n, inner) → (n, h)
        self.output_norm.forward_sum(&x, &mixed, pass.dropout_at(self.first_site + 2, self.dropout))
    }

    /// What each token gathers from its sequence: (t, h) → (t, h)
    fn attend(&self, x: &Tensor, segments: &Segments, pass: Pass) -> Tensor {
        let (query, key, value) = (self.query.forward(x), self.key.forward(x), self.value.forward(x)); // (t, h)
        let dropout = pass.dropout_at(self.first_site, self.attention_dropout);
        let how = Attention { segments: segments.clone(), heads: self.heads, dropout };
        ops::attention(&query, &key, &value, how)
    }
}

/// Embeddings and layers, from word embeddings to hidden states.
#[derive(Debug)]
pub struct Encoder {
    /// Whether layers keep only their input for the backward pass, and run again in it.
    pub recompute: bool,
    /// How many layers take part, from the first on.
    pub depth: usize,
    embeddings: Embeddings,
    layers: Vec<Arc<Layer>>,
}

impl Encoder {
    pub(super) fn build(builder: &mut Builder, config: &Config) -> Encoder {
        let embeddings = Embeddings::build(builder, config);
        let layer = |builder: &mut Builder, i| Arc::new(Layer::build(builder, config, i));
        let layers = |builder: &mut Builder| (0..config.num_hidden_layers).map(|i| layer(builder, i)).collect();
        Encoder {
            recompute: false,
            depth: config.num_hidden_layers,
            embeddings,
            layers: builder.within("encoder", layers),
        }
    }

    /// The first dropout site after the encoder's own.
    pub(super) fn sites(&self) -> usize {
        1 + self.layers.len() * SITES_PER_LAYER
    }

    /// Word embeddings (t, h), and for each token its row of the position table and its type → the layers' input (t, h).
    pub fn embed(&self, words: &Tensor, positions: &Ids, types: &Ids, pass: Pass) -> Tensor {
        self.embeddings.forward(words, positions, types, pass)
    }

    /// The layers' input (t, h) → the input and the output of each layer that takes part.
    pub fn hidden_states(&self, embedded: &Tensor, segments: &Segments, pass: Pass) -> Vec<Tensor> {
        let mut states = vec![embedded.cast(embedded.device().format())];
        for layer in &self.layers[..self.depth] {
            states.push(self.run(layer, &states[states.len() - 1], segments, None, pass));
        }
        states.iter().map(|state| state.cast(Format::F32)).collect()
    }

    /// The layers' input (t, h) → the output (n, h) of the last layer that takes part, at some rows or at all.
    ///
    /// The last layer computes nothing for other rows but their keys and values. Dropout masks go by place among the
    /// rows.
    pub fn encode(&self, embedded: &Tensor, segments: &Segments, rows: Option<&Ids>, pass: Pass) -> Tensor {
        let Some((last, layers)) = self.layers[..self.depth].split_last() else {
            return rows.map_or_else(|| embedded.clone(), |rows| ops::gather(&[embedded], rows));
        };
        let x = embedded.cast(embedded.device().format());
        let x = layers.iter().fold(x, |x, layer| self.run(layer, &x, segments, None, pass));
        self.run(last, &x, segments, rows, pass).cast(Format::F32)
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
