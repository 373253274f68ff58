//! Training objectives: what a step minimizes, as values that can be combined.
//!
//! An objective sees a batch through a [`Scene`]: the activations at a place in the model, and the loss as a function
//! of them. Robust training asks that function at perturbed activations (Huang et al., EMNLP 2021).

use crate::{
    array::Precision,
    models::{Batch, Model, Place, Words},
    nn::Pass,
    ops::{Distribution, Target, noise},
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

/// Plain fine-tuning.
#[derive(Debug)]
pub struct Standard;

impl Objective for Standard {
    fn loss(&self, scene: &Scene) -> Tensor {
        scene.loss_from(Place::Word, &scene.activations(Place::Word))
    }
}

/// The norm of a perturbation, per example over its whole block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Euclidean: steps along the gradient, projection by shrinking.
    L2,
    /// The largest component: steps along the gradient's sign, projection by clamping.
    Linf,
}

/// Where the ascent begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the clean activations.
    Zero,
    /// At a random point of the ball.
    Random,
}

/// `adv`: the loss at the worst perturbation that projected gradient ascent finds in a norm ball (Madry et al., 2018).
#[derive(Clone, Debug)]
pub struct Pgd {
    /// The ball's norm.
    pub norm: Norm,
    /// The ball's radius.
    pub radius: f32,
    /// The length of an ascent step.
    pub step_size: f32,
    /// How many ascent steps.
    pub steps: usize,
    /// Where the ascent begins.
    pub start: Start,
    /// Which activations are perturbed.
    pub at: Place,
    /// The share of the clean loss in the sum; the rest is the adversarial loss.
    pub clean_weight: f32,
}

/// What the loss is multiplied by for an ascent in f16, which would lose small gradients: only their direction counts.
const ASCENT_SCALE: f32 = 1024.0;

impl Pgd {
    /// The perturbation of the activations that the ascent ends at.
    pub fn nudge(&self, scene: &Scene, activations: &Tensor) -> Tensor {
        let clean = activations.detach();
        let mut nudge = self.first_nudge(scene, &clean);
        for _ in 0..self.steps {
            let leaf = nudge.tracked();
            let loss = scene.loss_from(self.at, &clean.add(&leaf));
            let loss = if loss.device().precision() == Precision::F16 { loss.scale(ASCENT_SCALE) } else { loss };
            let ascent = loss.into_gradients(&[&leaf]).1.remove(0);
            nudge = self.project(&nudge.add(&self.stride(&ascent, scene)), scene);
        }
        nudge
    }

    fn first_nudge(&self, scene: &Scene, clean: &Tensor) -> Tensor {
        match self.start {
            Start::Zero => Tensor::zeros(clean.shape().clone(), clean.device()),
            Start::Random => {
                let draw = scene.noise_draw(0);
                let cube = noise(clean.shape(), Distribution::Uniform, self.radius, draw, clean.device());
                self.project(&cube, scene)
            }
        }
    }

    fn stride(&self, ascent: &Tensor, scene: &Scene) -> Tensor {
        match self.norm {
            Norm::L2 => ascent.segment_scale(&scene.batch.segments_at(self.at), Target::Norm(self.step_size)),
            Norm::Linf => ascent.sign().scale(self.step_size),
        }
    }

    fn project(&self, nudge: &Tensor, scene: &Scene) -> Tensor {
        match self.norm {
            Norm::L2 => nudge.segment_scale(&scene.batch.segments_at(self.at), Target::Ball(self.radius)),
            Norm::Linf => nudge.clamp(self.radius),
        }
    }
}

impl Objective for Pgd {
    fn loss(&self, scene: &Scene) -> Tensor {
        let activations = scene.activations(self.at);
        let nudge = self.nudge(scene, &activations);
        let adversarial = scene.loss_from(self.at, &activations.add(&nudge));
        if self.clean_weight == 0.0 {
            return adversarial;
        }
        let clean = scene.loss_from(self.at, &activations).scale(self.clean_weight);
        adversarial.scale(1.0 - self.clean_weight).add(&clean)
    }
}

/// `rs-rp`: the mean loss over random perturbations.
#[derive(Clone, Debug)]
pub struct RandomPerturbation {
    /// What the noise is drawn from.
    pub distribution: Distribution,
    /// Its standard deviation, or half the width of its cube.
    pub scale: f32,
    /// Samples for each example and step.
    pub samples: usize,
    /// Which activations are perturbed.
    pub at: Place,
}

impl RandomPerturbation {
    /// `activations` under fresh noise.
    pub fn perturbed(&self, activations: &Tensor, draw: Draw) -> Tensor {
        activations.add(&noise(activations.shape(), self.distribution, self.scale, draw, activations.device()))
    }
}

impl Objective for RandomPerturbation {
    fn loss(&self, scene: &Scene) -> Tensor {
        let activations = scene.activations(self.at);
        let loss = |i| scene.loss_from(self.at, &self.perturbed(&activations, scene.noise_draw(i)));
        let total = (1..self.samples).fold(loss(0), |total, i| total.add(&loss(i)));
        total.scale(1.0 / self.samples as f32)
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
}
