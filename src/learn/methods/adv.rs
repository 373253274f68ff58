//! `adv`: adversarial training.

use serde::{Deserialize, Serialize};

use super::{Part, Scope};
use crate::{
    array::Precision,
    learn::objective::{Objective, Scene},
    learn::problems::Problems,
    models::Place,
    ops::{Distribution, Target, noise},
    tensor::Tensor,
};

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

/// Adversarial training: the loss at the worst nudge of the embeddings that projected gradient ascent finds in a norm ball (Madry et al.,
/// 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adv {
    /// How the length of a nudge is measured, per example over all its tokens.
    pub norm: Norm,
    /// The longest nudge.
    pub radius: f64,
    /// The length of one step of ascent.
    pub step_size: f64,
    /// Steps of ascent.
    pub steps: usize,
    /// Where the ascent begins.
    pub start: Start,
    /// What is nudged; the file of each family below `models::families` says what that is in its encoder.
    pub at: Place,
    /// The share of the clean loss, at the same dropout masks; the rest is the adversarial loss.
    pub clean_weight: f64,
    /// Weight of its loss; the weights of a method are divided by their sum.
    pub weight: f64,
}

/// The PGD settings for MNLI in FreeLB's code (Zhu et al., 2020); the paper's own are not published.
impl Default for Adv {
    fn default() -> Adv {
        Adv {
            norm: Norm::L2,
            radius: 0.3,
            step_size: 0.1,
            steps: 2,
            start: Start::Random,
            at: Place::Word,
            clean_weight: 0.0,
            weight: 1.0,
        }
    }
}

impl Part for Adv {
    fn objective(&self) -> Option<(f64, Box<dyn Objective>)> {
        Some((self.weight, Box::new(self.clone())))
    }

    fn check(&self, scope: &Scope, problems: &mut Problems) {
        problems.positive(&scope.key("radius"), self.radius);
        problems.positive(&scope.key("step_size"), self.step_size);
        let clean = self.clean_weight;
        problems.unless((0.0..=1.0).contains(&clean), &scope.key("clean_weight"), "a number from 0 to 1", &clean);
    }
}

/// What the loss is multiplied by for an ascent in f16, which would lose small gradients: only their direction counts.
const ASCENT_SCALE: f32 = 1024.0;

impl Adv {
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
                let cube = noise(clean.shape(), Distribution::Uniform, self.radius as f32, draw, clean.device());
                self.project(&cube, scene)
            }
        }
    }

    fn stride(&self, ascent: &Tensor, scene: &Scene) -> Tensor {
        match self.norm {
            Norm::L2 => ascent.segment_scale(&scene.batch.segments_at(self.at), Target::Norm(self.step_size as f32)),
            Norm::Linf => ascent.sign().scale(self.step_size as f32),
        }
    }

    fn project(&self, nudge: &Tensor, scene: &Scene) -> Tensor {
        match self.norm {
            Norm::L2 => nudge.segment_scale(&scene.batch.segments_at(self.at), Target::Ball(self.radius as f32)),
            Norm::Linf => nudge.clamp(self.radius as f32),
        }
    }
}

impl Objective for Adv {
    fn loss(&self, scene: &Scene) -> Tensor {
        let activations = scene.activations(self.at);
        let nudge = self.nudge(scene, &activations);
        let adversarial = scene.loss_from(self.at, &activations.add(&nudge));
        if self.clean_weight == 0.0 {
            return adversarial;
        }
        let share = self.clean_weight as f32;
        let clean = scene.loss_from(self.at, &activations).scale(share);
        adversarial.scale(1.0 - share).add(&clean)
    }
}
