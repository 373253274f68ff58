//! `freelb`: adversarial training of which every step of ascent counts.

use serde::{Deserialize, Serialize};

use super::{Length, Measure, Norm, Part, Scope, Standard, WordNorms, ball::Ball};
use crate::{
    learn::{
        objective::{Backward, Objective, Scene, added},
        problems::Problems,
    },
    models::Place,
    ops::{Distribution, Target, noise},
    tensor::Tensor,
};

/// Free large-batch adversarial training (Zhu et al., 2020, Algorithm 1): the mean loss at the points that an ascent
/// passes. Each backward pass gives the gradient of the next step and a share of that of the update, so that nothing is
/// computed for the ascent alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FreeLb {
    /// How the length of a nudge is measured, per example over all its tokens.
    pub norm: Norm,
    /// The longest nudge; `"0.06x"`: relative to the mean norm of the words that are trained on.
    pub radius: Length,
    /// The length of one step of ascent.
    pub step_size: Length,
    /// Points whose losses are averaged; between them lie steps of ascent, one fewer.
    pub steps: usize,
    /// Where the ascent begins: m of the published code, which draws each of the n numbers of an example from ±m/√n,
    /// and so a nudge of length m/√3; 0: at the clean activations. In the largest component, numbers from ±m.
    pub init: Length,
    /// What is nudged; the file of each family below `models::families` says what that is in its encoder.
    pub at: Place,
    /// How many updates of the stage are plain training before it begins.
    pub begin: u64,
    /// Weight of its loss; the weights of a method are divided by their sum.
    pub weight: f64,
}

/// The settings for MNLI in the published code.
impl Default for FreeLb {
    fn default() -> FreeLb {
        FreeLb {
            norm: Norm::L2,
            radius: Length::Of(0.3),
            step_size: Length::Of(0.1),
            steps: 2,
            init: Length::Of(0.1),
            at: Place::Word,
            begin: 0,
            weight: 1.0,
        }
    }
}

impl Part for FreeLb {
    fn objective(&self, words: &WordNorms) -> Option<(f64, Box<dyn Objective>)> {
        let lengths = [self.radius, self.step_size, self.init];
        let [radius, step_size, init] = lengths.map(|length| length.measured(words, self.norm));
        Some((self.weight, Box::new(FreeLb { radius, step_size, init, ..self.clone() })))
    }

    fn check(&self, scope: &Scope, problems: &mut Problems) {
        self.radius.check("radius", self.at, scope, problems);
        self.step_size.check("step_size", self.at, scope, problems);
        problems.unless(self.steps > 0, &scope.key("steps"), "1 or more", &self.steps);
        if self.init != Length::Of(0.0) {
            self.init.check("init", self.at, scope, problems);
        }
    }

    fn lengths(&self) -> Vec<Measure> {
        let lengths = [("radius", self.radius), ("step_size", self.step_size), ("init", self.init)];
        lengths.map(|(key, of)| (key, of, self.norm)).to_vec()
    }

    fn begin(&self) -> u64 {
        self.begin
    }

    fn passes(&self) -> u64 {
        self.steps as u64
    }
}

impl FreeLb {
    fn ball(&self) -> Ball {
        Ball { norm: self.norm, radius: self.radius.value(), step_size: self.step_size.value(), at: self.at }
    }

    fn first_nudge(&self, scene: &Scene, activations: &Tensor) -> Tensor {
        let (shape, device, init) = (activations.shape(), activations.device(), self.init.value());
        if init == 0.0 {
            return Tensor::zeros(shape.clone(), device);
        }
        let drawn = noise(shape, Distribution::Uniform, init, scene.noise_draw(0), device);
        match self.norm {
            Norm::L2 => drawn.segment_scale(&scene.batch.segments_at(self.at), Target::Norm(init / 3f32.sqrt())),
            Norm::Linf => drawn,
        }
    }

    /// The scene in which a point has its share of the loss.
    fn shared<'a>(&self, scene: &Scene<'a>) -> Scene<'a> {
        Scene { weight: scene.weight / self.steps as f32, ..*scene }
    }
}

impl Objective for FreeLb {
    fn loss(&self, scene: &Scene) -> Tensor {
        if !scene.has_begun(self.begin) {
            return Standard::default().loss(scene);
        }
        let (scene, ball) = (&self.shared(scene), self.ball());
        let activations = scene.activations(self.at);
        let clean = activations.detach();
        let at = |nudge: &Tensor| scene.loss_from(self.at, &activations.add(nudge));
        let mut nudge = self.first_nudge(scene, &clean);
        let mut total = at(&nudge);
        for _ in 1..self.steps {
            nudge = ball.ascend(scene, nudge, 1, |nudge| scene.loss_from(self.at, &clean.add(nudge)));
            total = total.add(&at(&nudge));
        }
        total
    }

    /// A backward pass at each point, whose graph is let go of before the next.
    fn gradients(&self, scene: &Scene, leaves: &[&Tensor], backward: &Backward) -> (Tensor, Vec<Tensor>) {
        if !scene.has_begun(self.begin) {
            return Standard::default().gradients(scene, leaves, backward);
        }
        let (scene, ball) = (&self.shared(scene), self.ball());
        let mut nudge = self.first_nudge(scene, &scene.activations(self.at).detach());
        let mut sum: Option<(Tensor, Vec<Tensor>)> = None;
        for point in 1..=self.steps {
            let leaf = nudge.tracked();
            let loss = scene.loss_from(self.at, &scene.activations(self.at).add(&leaf));
            let wanted = if point < self.steps { [leaves, &[&leaf]].concat() } else { leaves.to_vec() };
            let (loss, mut gradients) = backward(loss, &wanted);
            if point < self.steps {
                nudge = ball.step(scene, &nudge, &gradients.remove(leaves.len()));
            }
            sum = Some(match sum {
                None => (loss, gradients),
                Some((total, so_far)) => (total.add(&loss), added(so_far, &gradients)),
            });
        }
        sum.expect("there is at least one point")
    }
}
