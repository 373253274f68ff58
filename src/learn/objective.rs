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
#[derive(Clone, Copy)]
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

    /// Activations at a place → logits (n, k) of the rows that the target reads.
    pub fn logits_from(&self, at: Place, activations: &Tensor) -> Tensor {
        self.model.logits_from(at, activations, self.batch, self.pass())
    }

    /// The loss of such logits, as [`Scene::loss_from`].
    pub fn loss_of(&self, logits: &Tensor) -> Tensor {
        self.model.loss_of(logits, self.batch, self.weight)
    }

    /// Whether so many updates of the stage were made; they were where nothing is trained.
    pub fn has_begun(&self, updates: u64) -> bool {
        self.draw.is_none_or(|draw| u64::from(draw.step) >= updates)
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

/// What goes back through a loss: the loss, and its gradients with respect to tensors.
pub type Backward<'a> = dyn Fn(Tensor, &[&Tensor]) -> (Tensor, Vec<Tensor>) + 'a;

/// What to minimize.
pub trait Objective: fmt::Debug + Send + Sync {
    /// The loss of a scene.
    fn loss(&self, scene: &Scene) -> Tensor;

    /// The loss, and its gradients with respect to `leaves`: by one backward pass, unless an objective makes several.
    fn gradients(&self, scene: &Scene, leaves: &[&Tensor], backward: &Backward) -> (Tensor, Vec<Tensor>) {
        backward(self.loss(scene), leaves)
    }
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

    /// One part after the other, so that the graph of one is held at a time.
    fn gradients(&self, scene: &Scene, leaves: &[&Tensor], backward: &Backward) -> (Tensor, Vec<Tensor>) {
        let of = |(weight, objective): &(f32, Box<dyn Objective>)| {
            objective.gradients(&Scene { weight: weight * scene.weight, ..*scene }, leaves, backward)
        };
        let parts = self.0.iter().map(of);
        let summed = parts.reduce(|(total, sums), (loss, gradients)| (total.add(&loss), added(sums, &gradients)));
        summed.expect("a mixture has parts")
    }
}

/// Gradients added up, tensor by tensor.
pub fn added(sums: Vec<Tensor>, gradients: &[Tensor]) -> Vec<Tensor> {
    sums.into_iter().zip(gradients).map(|(sum, gradient)| sum.add(gradient)).collect()
}
