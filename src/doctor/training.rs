//! Training of the encoder that ships: the same losses as elsewhere, the same bits again, and the same after a stop.

use super::{Effort, Findings, Group, Seen, Subject};
use crate::{
    array::Precision,
    checkpoint::Weights,
    cpu,
    data::source::Labelled,
    error::{Error, Result},
    gpu::Opening,
    kinds::{Reader, item::pack},
    learn::{
        methods::{Adv, Norm, RsRp, Standard, Start},
        objective::Objective,
        optimizer::{Decay, Optimizer, Settings},
        reduce::Share,
        update::Update,
    },
    models::{Batch, HeadKind, Model, Place, shipped},
    ops::Distribution,
    rng::Draw,
    tasks::{Split, demo},
    tensor::Device,
    text::Tokenizer,
};
use std::path::{Path, PathBuf};

/// The group.
pub const GROUP: Group = Group { name: "training", run };

/// Updates of a loss curve, on a driver that computes on the processor, and on the reference.
const UPDATES: usize = 40;
const UPDATES_BY_SOFTWARE: usize = 6;
const UPDATES_IN_F64: usize = 3;
/// Sentence pairs of an update, and of one on the reference.
const BATCH: usize = 8;
const BATCH_IN_F64: usize = 2;

/// How far a loss of the curve may be from another device's. Each number of f32 is rounded to 2⁻²⁴, in another order on each
/// device, and WGSL's exp may be off by some units in the last place: some 1e-6 of a first loss. AdamW divides by the root
/// of second moments, so that where a gradient is next to nothing rounding decides a step's sign: forty updates carry that
/// to some 1e-5 (seen on software Vulkan: 2.4e-7).
const IN_F32: f64 = 1e-4;
/// The same where operands are rounded: to 2⁻¹¹ in f16, to 2⁻⁸ in bf16, some tens of times through layers and updates.
const IN_F16: f64 = 1e-2;
const IN_BF16: f64 = 5e-2;

const SETTINGS: Settings = Settings {
    learning_rate: 5e-4,
    betas: [0.9, 0.999],
    epsilon: 1e-8,
    weight_decay: 0.01,
    max_grad_norm: 1.0,
    warmup_steps: 10,
    total_steps: 200,
    decay: Decay::Linear,
};

/// What the encoder learns from: generated pairs of sentences.
struct Lesson {
    folder: PathBuf,
    batches: Vec<Batch>,
}

impl Lesson {
    fn new(scratch: &Path, updates: usize, pairs: usize) -> Result<Lesson> {
        let folder = scratch.join("encoder");
        shipped::unpack(&folder)?;
        let tokenizer = Tokenizer::load(&folder)?;
        let loaded = demo::load(Split::Train, "en", updates * pairs, 1)?;
        let labels: Vec<u32> = (0..demo::LABELS.len() as u32).collect();
        let reader = Reader { task: &demo::DEMO, tokenizer: &tokenizer, max_length: 80, labels: &labels };
        let items = Labelled::new(&loaded.examples, &reader)?.items;
        Ok(Lesson { folder, batches: items.chunks(pairs).map(pack).collect() })
    }

    fn pupil(&self, device: &Device) -> Result<Pupil> {
        let head = HeadKind::Classify(demo::LABELS.iter().map(|label| (*label).to_owned()).collect());
        let model = Model::load(&self.folder, head, 7, device)?;
        let optimizer = Optimizer::lazy(&model, SETTINGS);
        Ok(Pupil { model, optimizer, losses: Vec::new() })
    }
}

/// A model under training.
struct Pupil {
    model: Model,
    optimizer: Optimizer,
    losses: Vec<f32>,
}

impl Pupil {
    /// Learns some batches; dropout is on.
    fn learn(&mut self, batches: &[Batch], objective: &dyn Objective) {
        for batch in batches {
            let (model, optimizer) = (&self.model, &mut self.optimizer);
            let step = optimizer.taken();
            let (weight, draw) = (1.0 / batch.segments.count() as f32, Some(Draw { seed: 7, step, stream: 0 }));
            let update = Update { model, head: 0, objective, weight, draw, share: Share::alone() };
            let (loss, _) = update.make(optimizer, std::slice::from_ref(batch));
            model.device().submit();
            self.losses.push(loss.item());
        }
    }

    /// The bits of every parameter, all rows of the word table brought up to date.
    fn bits(&mut self) -> Vec<u32> {
        self.optimizer.flush(&self.model);
        self.model.tensors().iter().flat_map(|(_, _, values)| values.iter().map(|x| x.to_bits())).collect()
    }
}

/// The objectives that are tried, by name.
fn objectives() -> [(&'static str, Box<dyn Objective>); 3] {
    let adv = Adv {
        norm: Norm::L2,
        radius: 0.3.into(),
        step_size: 0.15.into(),
        steps: 2,
        start: Start::Random,
        at: Place::Word,
        clean_weight: 0.0,
        ..Adv::default()
    };
    let noise =
        RsRp { distribution: Distribution::Gaussian, scale: 0.1, samples: 2, at: Place::Embedding, ..RsRp::default() };
    [("standard", Box::new(Standard::default())), ("adv", Box::new(adv)), ("rs-rp", Box::new(noise))]
}

fn run(subject: &Subject, findings: &mut Findings) -> Result<()> {
    let updates = if subject.is_software() { UPDATES_BY_SOFTWARE } else { UPDATES };
    for (name, objective) in objectives() {
        curve(subject, updates, name, &*objective, findings);
    }
    let [_, (_, adv), _] = objectives();
    let n = if subject.effort == Effort::Full { updates } else { updates.min(12) };
    let lesson = Lesson::new(subject.scratch, n, BATCH)?;
    findings.check(format!("three times {n} updates of adv, bit for bit"), None, || repeats(subject, &lesson, &*adv));
    findings.check(format!("stopped after {} of {n}, and resumed", n / 2), None, || resumed(subject, &lesson, &*adv));
    in_short(subject, updates, findings);
    Ok(())
}

/// A loss curve against that of the processor; the processor's own, which has no other device, against the reference in
/// f64, as far as that gets in some seconds.
fn curve(subject: &Subject, updates: usize, name: &str, objective: &dyn Objective, findings: &mut Findings) {
    let (other, against, updates, pairs) = match subject.device {
        Device::Gpu(_) => (Device::cpu(), "the processor", updates, BATCH),
        _ => (Device::Reference, "f64", UPDATES_IN_F64, BATCH_IN_F64),
    };
    findings.check(format!("{updates} updates by {name}, against {against}"), Some(IN_F32), || {
        let expected = losses(subject, updates, pairs, &other, objective)?;
        Ok(furthest(&losses(subject, updates, pairs, subject.device, objective)?, &expected))
    });
}

/// The loss curve of a lesson of its own: batches stay with the GPU that they were first used on.
fn losses(
    subject: &Subject,
    updates: usize,
    pairs: usize,
    device: &Device,
    objective: &dyn Objective,
) -> Result<Vec<f32>> {
    let lesson = Lesson::new(subject.scratch, updates, pairs)?;
    let mut pupil = lesson.pupil(device)?;
    pupil.learn(&lesson.batches, objective);
    Ok(pupil.losses)
}

/// The largest difference of two curves.
fn furthest(got: &[f32], expected: &[f32]) -> Seen {
    let mut worst = (0.0, 0);
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = f64::from((got - expected).abs());
        if error > worst.0 || error.is_nan() {
            worst = (error, i);
        }
    }
    let (error, i) = worst;
    Seen::Error(error, format!("update {}: loss {}, expected {}", i + 1, got[i], expected[i]))
}

fn repeats(subject: &Subject, lesson: &Lesson, objective: &dyn Objective) -> Result<Seen> {
    let mut first: Option<Vec<u32>> = None;
    for time in 1..=3 {
        let mut pupil = lesson.pupil(subject.device)?;
        pupil.learn(&lesson.batches, objective);
        let bits = pupil.bits();
        if let Some(differing) = differing(first.get_or_insert(bits.clone()), &bits) {
            return Ok(Seen::Wrong(format!("time {time}: {differing} of {} parameters differ", bits.len())));
        }
    }
    Ok(Seen::Right(String::new()))
}

fn differing(a: &[u32], b: &[u32]) -> Option<usize> {
    let n = a.iter().zip(b).filter(|(a, b)| a != b).count();
    (n > 0).then_some(n)
}

fn resumed(subject: &Subject, lesson: &Lesson, objective: &dyn Objective) -> Result<Seen> {
    let (first, second) = lesson.batches.split_at(lesson.batches.len() / 2);
    let mut whole = lesson.pupil(subject.device)?;
    whole.learn(&lesson.batches, objective);
    let folder = subject.scratch.join("checkpoint");
    std::fs::create_dir_all(&folder).map_err(|error| Error::write(&folder, &error))?;
    let state = folder.join("optimizer.safetensors");
    let mut stopped = lesson.pupil(subject.device)?;
    stopped.learn(first, objective);
    stopped.model.write(&folder)?;
    stopped.optimizer.write(&stopped.model, &state)?;
    let mut again = lesson.pupil(subject.device)?;
    again.model.restore(&Weights::open(&folder)?)?;
    again.optimizer.restore(&again.model, &Weights::open(&state)?, first.len() as u32)?;
    again.learn(second, objective);
    Ok(match differing(&whole.bits(), &again.bits()) {
        None => Seen::Right(String::new()),
        Some(n) => Seen::Wrong(format!("{n} parameters differ from those of training in one go")),
    })
}

/// In the shorter precision of the device, if it has one: near the curve of f32.
fn in_short(subject: &Subject, updates: usize, findings: &mut Findings) {
    let (precision, bound) = match subject.device {
        Device::Gpu(_) => (Precision::F16, IN_F16),
        _ => (Precision::Bf16, IN_BF16),
    };
    findings.check(format!("{updates} updates in {precision}, against f32"), Some(bound), || {
        let device = match subject.opened(Opening { precision, ..Opening::default() }) {
            Some(Err(Error::Device(reason))) => return Ok(Seen::Skipped(reason)),
            Some(device) => device?,
            None if cpu::supports(precision) => Device::Cpu(precision),
            None => return Ok(Seen::Skipped("this processor has no AVX512-BF16".into())),
        };
        let cut = |device: &Device| losses(subject, updates, BATCH, device, &Standard::default());
        let (short, exact) = (cut(&device)?, cut(subject.device)?);
        if short == exact {
            return Ok(Seen::Wrong(format!("the losses are those of f32: was {precision} used at all?")));
        }
        Ok(furthest(&short, &exact))
    });
}
