//! Whole steps of a model with fresh weights: forward, forward and backward, and full updates by the methods of training.

use super::{
    batches::{Lengths, Size, TAGS, batches, tagged},
    timing::{Budget, Timing, measure_waiting},
};
use crate::{
    error::Result,
    learn::{
        methods::{Adv, Norm, RsRp, Standard, Start},
        objective::Objective,
        optimizer::{Decay, Optimizer, Settings},
        reduce::Share,
        update::Update,
    },
    models::{Batch, HeadKind, Model, Place, Words},
    nn::Pass,
    ops::Distribution,
    profile::{self, Work},
    rng::Draw,
    tensor::{Device, without_graph},
};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Logits, as in evaluation.
    Forward,
    /// The loss with dropout, and all gradients.
    Backward,
    /// The same, clipping, and AdamW.
    Update,
    /// An update of a tagger: half of the tokens are read instead of the first of each sequence.
    Tag,
    /// An update by adversarial training: [`ASCENT_STEPS`] steps of ascent in a ball of the L2 norm around the words.
    Adv,
    /// An update by random perturbation: the loss at [`SAMPLES`] points around the last hidden states.
    RsRp,
}

/// Steps of ascent of `step/adv`, which goes forward and backward this many times more than `step/update`.
const ASCENT_STEPS: usize = 2;

/// Points of `step/rs-rp`.
const SAMPLES: usize = 3;

impl Step {
    /// All, in the order in which memory grows.
    pub const ALL: [Step; 6] = [Step::Forward, Step::Backward, Step::Update, Step::Tag, Step::Adv, Step::RsRp];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Step::Forward => "step/forward",
            Step::Backward => "step/backward",
            Step::Update => "step/update",
            Step::Tag => "step/tag",
            Step::Adv => "step/adv",
            Step::RsRp => "step/rs-rp",
        }
    }

    /// What is minimized.
    fn objective(self) -> Box<dyn Objective> {
        let (radius, step_size) = (0.3.into(), 0.15.into());
        match self {
            Step::Forward | Step::Backward | Step::Update | Step::Tag => Box::new(Standard::default()),
            Step::Adv => Box::new(Adv {
                norm: Norm::L2,
                radius,
                step_size,
                steps: ASCENT_STEPS,
                start: Start::Zero,
                at: Place::Word,
                clean_weight: 0.0,
                ..Adv::default()
            }),
            Step::RsRp => Box::new(RsRp {
                distribution: Distribution::Uniform,
                scale: 0.3,
                samples: SAMPLES,
                at: Place::Encoder,
                ..RsRp::default()
            }),
        }
    }
}

/// What a step took, on average over a round of batches.
pub struct Measured {
    /// Of one batch.
    pub timing: Timing,
    /// Of one batch.
    pub work: Work,
    /// Sequences of a batch.
    pub examples: f64,
    /// Tokens of a batch, on average.
    pub tokens: f64,
    /// The most memory that the process had, weights included, where the system tells.
    pub peak_bytes: Option<u64>,
}

/// A model, and what it is trained on.
pub struct Steps {
    /// A classifier, and a tagger on its encoder.
    models: [Model; 2],
    batches: Vec<Batch>,
    /// Made when it is first needed: a forward pass takes no memory for it.
    optimizer: Option<Optimizer>,
    taken: u32,
}

const SETTINGS: Settings = Settings {
    learning_rate: 2e-5,
    betas: [0.9, 0.999],
    epsilon: 1e-8,
    weight_decay: 0.01,
    max_grad_norm: 1.0,
    warmup_steps: 0,
    total_steps: u32::MAX,
    decay: Decay::Constant,
};

impl Steps {
    /// A classifier with fresh weights.
    pub fn new(size: Size, lengths: Lengths, device: &Device) -> Result<Steps> {
        let labels = ["contradiction", "entailment", "neutral"].map(str::to_owned);
        let model = Model::fresh(size.config(), HeadKind::Classify(labels.into()), 7, device)?;
        let tagger = model.beside(HeadKind::Tag((0..TAGS).map(|tag| tag.to_string()).collect()), 8)?;
        Ok(Steps { models: [model, tagger], batches: batches(size, lengths), optimizer: None, taken: 0 })
    }

    /// Leaves the first batches of a round only.
    pub fn shorten(&mut self, batches: usize) {
        self.batches.truncate(batches.max(1));
    }

    /// Times rounds over all batches.
    pub fn measure(&mut self, step: Step, budget: Budget) -> Measured {
        let device = self.models[0].device().clone();
        let kept = std::mem::take(&mut self.batches);
        let batches = if step == Step::Tag { kept.iter().map(tagged).collect() } else { kept.clone() };
        let n = batches.len() as f64;
        forget_peak();
        let ((), work) = profile::count(|| batches.iter().for_each(|batch| self.take(step, batch))); // warms up, too
        let round = measure_waiting(&device, budget, || batches.iter().for_each(|batch| self.take(step, batch)));
        let Timing { seconds, low, high, n: samples } = round;
        let measured = Measured {
            timing: Timing { seconds: seconds / n, low: low / n, high: high / n, n: samples },
            work: Work { flops: work.flops / n, bytes: work.bytes / n },
            examples: batches[0].segments.count() as f64,
            tokens: batches.iter().map(|batch| batch.ids.len() as f64).sum::<f64>() / n,
            peak_bytes: peak_memory(),
        };
        self.batches = kept;
        measured
    }

    /// One step on a batch; the numbers that a training loop would log are waited for.
    fn take(&mut self, step: Step, batch: &Batch) {
        let head = usize::from(step == Step::Tag);
        let model = &self.models[head];
        if step == Step::Forward {
            let logits = without_graph(|| {
                let words = model.activations(Place::Word, batch, Words::Table, Pass::evaluation());
                model.logits_from(Place::Word, &words, batch, Pass::evaluation())
            });
            drop(logits.to_vec());
            return;
        }
        let optimizer = self
            .optimizer
            .get_or_insert_with(|| Optimizer::lazy(&self.models[0], SETTINGS).with_beside(&self.models[1..]));
        let draw = Some(Draw { seed: 7, step: self.taken, stream: 0 });
        let (objective, weight) = (&*step.objective(), 1.0 / batch.target.rows.len() as f32);
        let gradients = Update { model, head, objective, weight, draw, share: Share::alone() }
            .gradients(optimizer, std::slice::from_ref(batch));
        if step != Step::Backward {
            gradients.step(optimizer);
        }
        self.taken += 1;
        let _ = gradients.loss.item();
    }
}

/// Makes the system forget the highest memory use so far; where it does not, peaks are those of the whole process.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The highest memory use, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
