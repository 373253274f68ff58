//! `rs-rp`: randomized smoothing by random perturbation (Huang et al., 2021).

use serde::{Deserialize, Serialize};

use super::{Part, Scope, WordNorms};
use crate::{
    learn::objective::{Objective, Scene},
    learn::problems::Problems,
    models::Place,
    ops::{Distribution, noise},
    rng::Draw,
    tensor::Tensor,
};

/// Random perturbation: the mean loss at points drawn around the embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RsRp {
    /// How points are drawn.
    pub distribution: Distribution,
    /// The standard deviation, or half the width of the cube.
    pub scale: f64,
    /// Points per example.
    pub samples: usize,
    /// What is perturbed; the file of each family below `models::families` says what that is in its encoder.
    pub at: Place,
    /// Points whose votes make a prediction (Cohen et al., 2019); 0: predictions are made without noise.
    pub vote_samples: usize,
    /// How sure a certified radius is to hold.
    pub vote_confidence: f64,
    /// Weight of its loss; the weights of a method are divided by their sum.
    pub weight: f64,
}

/// Distribution, samples and place as in LimJing7/ml-stance-detection, whose scales are 0.01 and 0.1.
impl Default for RsRp {
    fn default() -> RsRp {
        RsRp {
            distribution: Distribution::Uniform,
            scale: 0.1,
            samples: 3,
            at: Place::Encoder,
            vote_samples: 0,
            vote_confidence: 0.999,
            weight: 1.0,
        }
    }
}

impl Part for RsRp {
    fn objective(&self, _: &WordNorms) -> Option<(f64, Box<dyn Objective>)> {
        Some((self.weight, Box::new(self.clone())))
    }

    fn check(&self, scope: &Scope, problems: &mut Problems) {
        problems.positive(&scope.key("scale"), self.scale);
        problems.unless(self.samples > 0, &scope.key("samples"), "1 or more", &self.samples);
        let sure = self.vote_confidence;
        problems.unless(sure > 0.5 && sure < 1.0, &scope.key("vote_confidence"), "above 0.5 and below 1", &sure);
        let wrong = self.vote_samples > 0 && scope.kind.is_some_and(|kind| !kind.votes());
        let message = "votes are held on single labels of texts and words, and this task has none; leave it out";
        problems.say(wrong, &scope.key("vote_samples"), message);
    }

    fn passes(&self) -> u64 {
        match self.at {
            Place::Encoder => 1, // copies pass the head alone
            _ => self.samples as u64,
        }
    }
}

impl RsRp {
    /// `activations` under fresh noise.
    pub fn perturbed(&self, activations: &Tensor, draw: Draw) -> Tensor {
        activations.add(&noise(activations.shape(), self.distribution, self.scale as f32, draw, activations.device()))
    }
}

impl Objective for RsRp {
    fn loss(&self, scene: &Scene) -> Tensor {
        let activations = scene.activations(self.at);
        let loss = |i| scene.loss_from(self.at, &self.perturbed(&activations, scene.noise_draw(i)));
        let total = (1..self.samples).fold(loss(0), |total, i| total.add(&loss(i)));
        total.scale(1.0 / self.samples as f32)
    }
}
