//! Projected gradient ascent in a norm ball around activations (Madry et al., 2018), per example over all its tokens.

use serde::{Deserialize, Serialize};

use crate::{
    array::{Precision, Segments},
    learn::objective::Scene,
    models::Place,
    ops::{Distribution, Target, noise},
    tensor::Tensor,
};

/// The norm of a perturbation, per example over its whole block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Euclidean: steps along the gradient, projection by shrinking.
    L2,
    /// The largest component: steps along the gradient's sign, projection by clamping.
    Linf,
}

/// What the loss is multiplied by for an ascent in f16, which would lose small gradients: only their direction counts.
const ASCENT_SCALE: f32 = 1024.0;

/// Perturbations up to a length, and how an ascent moves among them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ball {
    /// How lengths are measured.
    pub norm: Norm,
    /// The longest perturbation.
    pub radius: f32,
    /// The length of one step.
    pub step_size: f32,
    /// What is perturbed.
    pub at: Place,
}

impl Ball {
    /// A random point: noise of the radius in each component, brought into the ball.
    pub fn random(&self, scene: &Scene, clean: &Tensor, distribution: Distribution) -> Tensor {
        let drawn = noise(clean.shape(), distribution, self.radius, scene.noise_draw(0), clean.device());
        self.project(&drawn, &self.segments(scene))
    }

    /// `steps` steps from a nudge to where `loss`, a function of the nudge, is larger.
    pub fn ascend(&self, scene: &Scene, from: Tensor, steps: usize, loss: impl Fn(&Tensor) -> Tensor) -> Tensor {
        (0..steps).fold(from, |nudge, _| {
            let leaf = nudge.tracked();
            let loss = loss(&leaf);
            let loss = if loss.device().precision() == Precision::F16 { loss.scale(ASCENT_SCALE) } else { loss };
            let gradient = loss.into_gradients(&[&leaf]).1.remove(0);
            self.step(scene, &nudge, &gradient)
        })
    }

    /// One step along a gradient, of which only the direction counts.
    pub fn step(&self, scene: &Scene, nudge: &Tensor, gradient: &Tensor) -> Tensor {
        let segments = self.segments(scene);
        let stride = match self.norm {
            Norm::L2 => gradient.segment_scale(&segments, Target::Norm(self.step_size)),
            Norm::Linf => gradient.sign().scale(self.step_size),
        };
        self.project(&nudge.add(&stride), &segments)
    }

    fn project(&self, nudge: &Tensor, segments: &Segments) -> Tensor {
        match self.norm {
            Norm::L2 => nudge.segment_scale(segments, Target::Ball(self.radius)),
            Norm::Linf => nudge.clamp(self.radius),
        }
    }

    fn segments(&self, scene: &Scene) -> Segments {
        scene.batch.segments_at(self.at)
    }
}
