//! Training objectives: what a step minimizes, as values that can be combined.
//!
//! An objective sees a batch through a [`Scene`]: the activations at a place in the model, and the loss as a function
//! of them. Robust training asks that function at perturbed activations (Huang et al., EMNLP 2021).

use crate::{
    models::{Batch, Model, Place, Words},
    nn::Pass,
    rng::Draw,
    tensor::Tensor,
};
use std::fmt;

/// The streams that a pass uses for noise; those below are for dropout.
const FIRST_NOISE_STREAM: u32 = 1 << 15;

/// A micro-batch under a model: what an objective is evaluated on.
pub struct Scene<'a> {
    /// The model.
    pub model: &'a Model,
    /// Where word embeddings come from.
    pub words: Words<'a>,
    /// The packed sequences.
    pub batch: &'a Batch,
    /// What each example's loss is multiplied by: 1 / examples of the whole batch.
    pub weight: f32,
    /// The randomness of this micro-batch; none turns dropout off, and noise into an error.
    pub draw: Option<Draw>,
}

impl Scene<'_> {
    /// The activations at a place, as [`Model::activations`].
    pub fn activations(&self, at: Place) -> Tensor {
        self.model.activations(at, self.batch, self.words, self.pass())
    }

    /// The loss as a function of the activations at a place. Every call shares its dropout masks.
    pub fn loss_from(&self, at: Place, activations: &Tensor) -> Tensor {
        self.model.loss_from(at, activations, self.batch, self.weight, self.pass())
    }

    /// The randomness of the `sample`-th noise tensor.
    pub fn noise_draw(&self, sample: usize) -> Draw {
        let draw = self.draw.expect("noise is drawn in training only");
        Draw { stream: draw.stream + FIRST_NOISE_STREAM + sample as u32, ..draw }
    }

    fn pass(&self) -> Pass {
        self.draw.map_or(Pass::evaluation(), Pass::training)
    }
}

/// What to minimize.
pub trait Objective: fmt::Debug + Send + Sync {
    /// The loss of a scene.
    fn loss(&self, scene: &Scene) -> Tensor;
}

/// A weighted sum of objectives, itself an objective.
#[derive(Debug)]
pub struct Mixture(pub Vec<(f32, Box<dyn Objective>)>);

impl Objective for Mixture {
    fn loss(&self, scene: &Scene) -> Tensor {
        let mut losses = self.0.iter().map(|(weight, objective)| objective.loss(scene).scale(*weight));
        let first = losses.next().expect("a mixture has parts");
        losses.fold(first, |total, loss| total.add(&loss))
    }
}
