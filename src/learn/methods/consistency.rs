//! `consistency`: predictions should not move when a text is perturbed.

use serde::{Deserialize, Serialize};

use super::{
    CodeSwitch, Length, Measure, Norm, Part, Rewording, Scope, Standard, Synonyms, Typos, WordNorms, ball::Ball,
};
use crate::{
    learn::{
        objective::{Objective, Scene},
        problems::Problems,
    },
    models::{Place, Wanted},
    ops::{Distribution, gather, noise},
    tensor::Tensor,
};

/// What perturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum With {
    /// An ascent of the divergence itself in a norm ball: SMART (Jiang et al., 2020).
    Ascent,
    /// Noise: R3F (Aghajanyan et al., 2020).
    Noise,
    /// The example in other words: the first stage of xTune (Zheng et al., 2021).
    Text,
}

/// Through which of the two predictions of a divergence gradients pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// Each direction holds what should be said fixed, as the code of SMART and the paper of xTune do.
    Fixed,
    /// Through both, as the code of R3F does.
    Free,
}

/// The task's loss, and beside it `weight` times how far clean and perturbed predictions are apart: of classes the
/// Kullback-Leibler divergence in both directions, of numbers the square of their difference (Jiang et al., 2020).
///
/// A setting that is not given has the value of the paper of what perturbs, if it means something there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consistency {
    /// What perturbs.
    pub with: With,
    /// What the divergence is multiplied by; the task's loss has 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Through which predictions gradients pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// What an ascent or noise perturbs; the file of each family below `models::families` says what that is in its
    /// encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
    /// How an ascent measures lengths, per example over all its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm: Option<Norm>,
    /// The longest perturbation of an ascent; of noise half the width of the cube, or the standard deviation.
    /// `"0.06x"`: relative to the mean norm of the words that are trained on, of noise to their mean largest component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radius: Option<Length>,
    /// The length of one step of ascent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_size: Option<Length>,
    /// Steps of ascent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// How noise is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// Other words by synonyms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synonyms: Option<Synonyms>,
    /// Other words by dictionaries.
    #[serde(rename = "code-switch", skip_serializing_if = "Option::is_none")]
    pub code_switch: Option<CodeSwitch>,
    /// Other words by slips of typing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typos: Option<Typos>,
    /// How many updates of the stage are plain training before it begins.
    pub begin: u64,
}

impl Default for Consistency {
    fn default() -> Consistency {
        Consistency {
            with: With::Ascent,
            weight: None,
            targets: None,
            at: None,
            norm: None,
            radius: None,
            step_size: None,
            steps: None,
            distribution: None,
            synonyms: None,
            code_switch: None,
            typos: None,
            begin: 0,
        }
    }
}

impl Consistency {
    /// Fills in the settings of the papers: SMART's ε, η and number of steps, R3F's σ and λ, xTune's λ₁.
    pub(super) fn complete(&mut self) {
        let text = self.with == With::Text;
        self.weight.get_or_insert(if text { 5.0 } else { 1.0 });
        self.targets.get_or_insert(if self.with == With::Noise { Targets::Free } else { Targets::Fixed });
        if text {
            return;
        }
        self.at.get_or_insert(Place::Word);
        self.radius.get_or_insert(Length::Of(1e-5));
        if self.with == With::Noise {
            self.distribution.get_or_insert(Distribution::Uniform);
            return;
        }
        self.norm.get_or_insert(Norm::Linf);
        self.step_size.get_or_insert(Length::Of(1e-3));
        self.steps.get_or_insert(1);
    }

    /// Its ways to other words.
    fn rewordings(&self) -> Vec<(&'static str, &dyn Rewording)> {
        let synonyms = self.synonyms.as_ref().map(|part| ("synonyms", part as &dyn Rewording));
        let switch = self.code_switch.as_ref().map(|part| ("code-switch", part as &dyn Rewording));
        let typos = self.typos.as_ref().map(|part| ("typos", part as &dyn Rewording));
        [synonyms, switch, typos].into_iter().flatten().collect()
    }

    /// In which norm words are measured: noise is drawn for each component.
    fn measure(&self) -> Norm {
        self.norm.unwrap_or(Norm::Linf)
    }

    fn check_text(&self, scope: &Scope, problems: &mut Problems) {
        let ways = self.rewordings();
        let message = "with = \"text\" wants one of synonyms, code-switch and typos, such as typos = { words = 0.1 }";
        problems.say(ways.len() != 1, &scope.key, message);
        for (name, way) in ways {
            let scope = Scope { key: scope.key(name), ..*scope };
            way.check_settings(&scope, problems);
            super::check_kind(way, &scope, problems);
        }
    }

    /// Refuses what is given and means nothing with what perturbs.
    fn check_given(&self, scope: &Scope, problems: &mut Problems) {
        let (ascent, noise, text) = ("with = \"ascent\"", "with = \"noise\"", "with = \"text\"");
        let of = |allowed: &[With]| !allowed.contains(&self.with);
        let given = [
            ("at", self.at.is_some() && of(&[With::Ascent, With::Noise]), format!("{ascent} or \"noise\"")),
            ("radius", self.radius.is_some() && of(&[With::Ascent, With::Noise]), format!("{ascent} or \"noise\"")),
            ("norm", self.norm.is_some() && of(&[With::Ascent]), ascent.to_owned()),
            ("step_size", self.step_size.is_some() && of(&[With::Ascent]), ascent.to_owned()),
            ("steps", self.steps.is_some() && of(&[With::Ascent]), ascent.to_owned()),
            ("distribution", self.distribution.is_some() && of(&[With::Noise]), noise.to_owned()),
            ("synonyms", self.synonyms.is_some() && of(&[With::Text]), text.to_owned()),
            ("code-switch", self.code_switch.is_some() && of(&[With::Text]), text.to_owned()),
            ("typos", self.typos.is_some() && of(&[With::Text]), text.to_owned()),
        ];
        for (key, wrong, means) in given {
            problems.say(wrong, &scope.key(key), format!("only {means} has this setting"));
        }
    }
}

impl Part for Consistency {
    fn objective(&self, words: &WordNorms) -> Option<(f64, Box<dyn Objective>)> {
        let measured = |length: Length| length.measured(words, self.measure());
        let (radius, step_size) = (self.radius.map(measured), self.step_size.map(measured));
        // Beside other objectives it counts as one of weight 1: its own weight is that of the divergence within it.
        Some((1.0, Box::new(Consistency { radius, step_size, ..self.clone() })))
    }

    fn check(&self, scope: &Scope, problems: &mut Problems) {
        problems.positive(&scope.key("weight"), self.weight.unwrap_or(1.0));
        self.check_given(scope, problems);
        let at = self.at.unwrap_or(Place::Word);
        for (key, length) in [("radius", self.radius), ("step_size", self.step_size)] {
            if let Some(length) = length {
                length.check(key, at, scope, problems);
            }
        }
        problems.unless(self.steps != Some(0), &scope.key("steps"), "1 or more", &0);
        if self.with == With::Text {
            self.check_text(scope, problems);
        }
    }

    fn lengths(&self) -> Vec<Measure> {
        let given = [("radius", self.radius), ("step_size", self.step_size)].into_iter();
        given.filter_map(|(key, length)| Some((key, length?, self.measure()))).collect()
    }

    fn begin(&self) -> u64 {
        self.begin
    }

    fn passes(&self) -> u64 {
        match (self.with, self.place()) {
            (With::Ascent | With::Noise, Place::Encoder) => 1, // only the head sees what is perturbed
            (With::Ascent, _) => 2 + self.steps.unwrap_or(1) as u64,
            (With::Noise | With::Text, _) => 2,
        }
    }

    fn other_words(&self) -> Option<(&'static str, &dyn Rewording)> {
        self.rewordings().first().copied()
    }
}

impl Consistency {
    /// `scene.weight` times how far two predictions are apart, in both directions.
    fn apart(&self, scene: &Scene, [clean, perturbed]: [&Tensor; 2], wanted: &Wanted, targets: Targets) -> Tensor {
        let target = |x: &Tensor| if targets == Targets::Fixed { x.detach() } else { x.clone() };
        let one_way = |from: &Tensor, to: &Tensor| scene.model.divergence(&target(from), to, wanted, scene.weight);
        one_way(clean, perturbed).add(&one_way(perturbed, clean))
    }

    /// What is added to the clean activations.
    fn perturbation(&self, scene: &Scene, activations: &Tensor, clean: &Tensor) -> Tensor {
        let (at, radius) = (self.place(), self.radius.expect("it was filled in").value());
        let Some(norm) = self.norm.filter(|_| self.with == With::Ascent) else {
            let distribution = self.distribution.unwrap_or(Distribution::Uniform);
            return noise(activations.shape(), distribution, radius, scene.noise_draw(0), activations.device());
        };
        let step_size = self.step_size.expect("it was filled in").value();
        let (ball, from, clean) = (Ball { norm, radius, step_size, at }, activations.detach(), clean.detach());
        // The divergence has no slope at the clean activations: an ascent begins at a random point.
        let first = ball.random(scene, &from, Distribution::Gaussian);
        ball.ascend(scene, first, self.steps.unwrap_or(1), |nudge| {
            let perturbed = scene.logits_from(at, &from.add(nudge));
            self.apart(scene, [&clean, &perturbed], &scene.batch.target.wanted, Targets::Free)
        })
    }

    fn place(&self) -> Place {
        self.at.unwrap_or(Place::Word)
    }
}

impl Objective for Consistency {
    fn loss(&self, scene: &Scene) -> Tensor {
        if !scene.has_begun(self.begin) || self.with == With::Text && scene.batch.other.is_none() {
            return Standard::default().loss(scene); // the tasks beside are not put into other words
        }
        let (at, targets) = (self.place(), self.targets.unwrap_or(Targets::Fixed));
        let activations = scene.activations(at);
        let clean = scene.logits_from(at, &activations);
        let apart = match scene.batch.other.as_ref().filter(|_| self.with == With::Text) {
            Some(other) => {
                let scene = Scene { batch: &other.batch, ..*scene };
                let perturbed = scene.logits_from(at, &scene.activations(at));
                let clean = other.rows.as_ref().map_or_else(|| clean.clone(), |rows| gather(&[&clean], rows));
                self.apart(&scene, [&clean, &perturbed], &other.batch.target.wanted, targets)
            }
            None => {
                let perturbation = self.perturbation(scene, &activations, &clean);
                let perturbed = scene.logits_from(at, &activations.add(&perturbation));
                self.apart(scene, [&clean, &perturbed], &scene.batch.target.wanted, targets)
            }
        };
        scene.loss_of(&clean).add(&apart.scale(self.weight.unwrap_or(1.0) as f32))
    }
}
