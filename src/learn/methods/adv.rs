//! `adv`: adversarial training.

use serde::{Deserialize, Serialize};

use super::{Length, Measure, Norm, Part, Scope, Standard, WordNorms, ball::Ball};
use crate::{
    learn::{
        objective::{Objective, Scene},
        problems::Problems,
    },
    models::Place,
    ops::Distribution,
    tensor::Tensor,
};

/// Where the ascent begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the clean activations.
    Zero,
    /// At a random point of the ball.
    Random,
}

/// Adversarial training: the loss at the worst nudge of the embeddings that projected gradient ascent finds in a norm
/// ball (Madry et al., 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adv {
    /// How the length of a nudge is measured, per example over all its tokens.
    pub norm: Norm,
    /// The longest nudge; `"0.06x"`: relative to the mean norm of the words that are trained on.
    pub radius: Length,
    /// The length of one step of ascent.
    pub step_size: Length,
    /// Steps of ascent.
    pub steps: usize,
    /// Where the ascent begins.
    pub start: Start,
    /// What is nudged; the file of each family below `models::families` says what that is in its encoder.
    pub at: Place,
    /// The share of the clean loss, at the same dropout masks; the rest is the adversarial loss.
    pub clean_weight: f64,
    /// How many updates of the stage are plain training before it begins.
    pub begin: u64,
    /// Weight of its loss; the weights of a method are divided by their sum.
    pub weight: f64,
}

/// The PGD settings for MNLI in FreeLB's code (Zhu et al., 2020); the paper's own are not published.
impl Default for Adv {
    fn default() -> Adv {
        Adv {
            norm: Norm::L2,
            radius: Length::Of(0.3),
            step_size: Length::Of(0.1),
            steps: 2,
            start: Start::Random,
            at: Place::Word,
            clean_weight: 0.0,
            begin: 0,
            weight: 1.0,
        }
    }
}

impl Part for Adv {
    fn objective(&self, words: &WordNorms) -> Option<(f64, Box<dyn Objective>)> {
        let [radius, step_size] = [self.radius, self.step_size].map(|length| length.measured(words, self.norm));
        Some((self.weight, Box::new(Adv { radius, step_size, ..self.clone() })))
    }

    fn check(&self, scope: &Scope, problems: &mut Problems) {
        self.radius.check("radius", self.at, scope, problems);
        self.step_size.check("step_size", self.at, scope, problems);
        let clean = self.clean_weight;
        problems.unless((0.0..=1.0).contains(&clean), &scope.key("clean_weight"), "a number from 0 to 1", &clean);
    }

    fn lengths(&self) -> Vec<Measure> {
        [("radius", self.radius), ("step_size", self.step_size)].map(|(key, of)| (key, of, self.norm)).to_vec()
    }

    fn begin(&self) -> u64 {
        self.begin
    }

    fn passes(&self) -> u64 {
        let clean = u64::from(self.clean_weight != 0.0);
        match self.at {
            Place::Encoder => 1, // what is ascended, and both losses, are the head's
            _ => self.steps as u64 + 1 + clean,
        }
    }
}

impl Adv {
    /// The perturbation of the activations that the ascent ends at.
    pub fn nudge(&self, scene: &Scene, activations: &Tensor) -> Tensor {
        let (clean, ball) = (activations.detach(), self.ball());
        let first = match self.start {
            Start::Zero => Tensor::zeros(clean.shape().clone(), clean.device()),
            Start::Random => ball.random(scene, &clean, Distribution::Uniform),
        };
        ball.ascend(scene, first, self.steps, |nudge| scene.loss_from(self.at, &clean.add(nudge)))
    }

    fn ball(&self) -> Ball {
        Ball { norm: self.norm, radius: self.radius.value(), step_size: self.step_size.value(), at: self.at }
    }
}

impl Objective for Adv {
    fn loss(&self, scene: &Scene) -> Tensor {
        if !scene.has_begun(self.begin) {
            return Standard::default().loss(scene);
        }
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
