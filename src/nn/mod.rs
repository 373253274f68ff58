//! Layers: what has parameters, and how parameters are loaded, initialized and named.

mod account;
mod builder;
mod words;

pub use account::ranges;
pub use builder::{Builder, Fill, Source, Work};
pub use words::{ActiveRows, WordTable};

use crate::{ops, rng::Draw, tensor::Tensor};

/// A trainable tensor and its name in the checkpoint.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// As Hugging Face's checkpoints have it.
    pub name: String,
    /// The numbers, updated in place; gradients are asked with respect to it.
    pub tensor: Tensor,
}

/// Whether weight decay leaves a parameter of this name alone: biases and norms, as in BERT's recipe.
pub fn is_undecayed(name: &str) -> bool {
    name.ends_with("bias") || name.to_lowercase().contains("norm")
}

/// One forward pass: whether it trains, and its randomness. Layers have no modes.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    draw: Option<Draw>,
}

impl Pass {
    /// Dropout off.
    pub fn evaluation() -> Pass {
        Pass { draw: None }
    }

    /// Dropout on. Passes of one `draw` share their masks; it leaves the lower 15 bits of its stream to the sites.
    pub fn training(draw: Draw) -> Pass {
        Pass { draw: Some(draw) }
    }

    /// The rate and randomness of dropout at a site, which is unique within the model; none where nothing is dropped.
    pub fn dropout_at(&self, site: usize, rate: f32) -> Option<(f32, Draw)> {
        let draw = self.draw.filter(|_| rate > 0.0)?;
        Some((rate, Draw { stream: draw.stream + site as u32, ..draw }))
    }

    /// `x` with dropout.
    pub fn dropout(&self, x: &Tensor, site: usize, rate: f32) -> Tensor {
        match self.dropout_at(site, rate) {
            Some((rate, draw)) => x.dropout(rate, draw),
            None => x.clone(),
        }
    }
}

/// Whether a map or a norm adds a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// It has one, which is learned.
    Learned,
    /// It has none.
    None,
}

impl Bias {
    /// `NAME.bias`, or zeros that are no parameter.
    fn build(self, builder: &mut Builder, width: usize) -> Tensor {
        match self {
            Bias::Learned => builder.parameter("bias", &[width], Fill::Zeros),
            Bias::None => builder.zeros(width),
        }
    }
}

/// An affine map, `x · weightᵀ + bias`. Where `x` is stored in f16, so is a copy of the weight, for the pass.
#[derive(Clone, Debug)]
pub struct Linear {
    /// (out, in)
    pub weight: Tensor,
    /// (out); zeros where there is none.
    pub bias: Tensor,
}

impl Linear {
    /// Loads `NAME.weight` and, where there is one, `NAME.bias`.
    pub fn build(builder: &mut Builder, name: &str, inputs: usize, outputs: usize, bias: Bias) -> Linear {
        builder.within(name, |builder| Linear {
            weight: builder.parameter("weight", &[outputs, inputs], Fill::Normal),
            bias: bias.build(builder, outputs),
        })
    }

    /// (t, in) → (t, out)
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        ops::linear(x, &self.weight.cast(x.format()), &self.bias)
    }

    /// `forward(gelu(x))`: (t, in) → (t, out)
    #[track_caller]
    pub fn forward_gelu(&self, x: &Tensor) -> Tensor {
        ops::gelu_linear(x, &self.weight.cast(x.format()), &self.bias)
    }
}

/// Layer normalization.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    gain: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl LayerNorm {
    /// Loads `NAME.weight` and, where there is one, `NAME.bias`.
    pub fn build(builder: &mut Builder, name: &str, width: usize, epsilon: f32, bias: Bias) -> LayerNorm {
        builder.within(name, |builder| LayerNorm {
            gain: builder.parameter("weight", &[width], Fill::Ones),
            bias: bias.build(builder, width),
            epsilon,
        })
    }

    /// (t, h) → (t, h)
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(&self.gain, &self.bias, self.epsilon)
    }

    /// `forward(residual + dropout(x))`: (t, h), (t, h) → (t, h)
    #[track_caller]
    pub fn forward_sum(&self, residual: &Tensor, x: &Tensor, dropout: Option<(f32, Draw)>) -> Tensor {
        residual.add_layer_norm(x, dropout, &self.gain, &self.bias, self.epsilon)
    }
}
