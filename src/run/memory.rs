//! What a stage will take, told before its first update, and how large micro-batches may be under a limit.
//!
//! The stage's heaviest update goes through its motions on a planned device: the same code, the same pools, no numbers.

use super::{
    budget::{Bytes, Choice, Parts},
    plan::{Orders, Plan, SIZES, Turn},
};
use crate::{
    cpu::block,
    error::{Error, Result, catch},
    gpu::Entry,
    kinds::item::{Item, cut, runs},
    learn::reduce::Share,
    models::{Config, HeadKind, Model},
    tensor::Device,
};
use std::collections::BTreeMap;

/// Updates that are looked at for the heaviest one.
const MOST_UPDATES: u64 = 100_000;

/// What a stage takes, and what is to be made ready for it.
pub struct Forecast {
    /// The bytes.
    pub parts: Parts,
    /// Those of them that the device's pool holds: of the CPU's, small tensors are no part.
    pub pooled: Bytes,
    /// The entry points of a GPU that it runs.
    entries: Vec<Entry>,
    /// How many blocks of each size an update needs beside what stays.
    blocks: BTreeMap<u64, usize>,
}

impl Forecast {
    /// Sets aside the memory of an update on the device, and makes its pipelines.
    ///
    /// Returns what there is to say; raises [`Error::Device`] where there is not that much.
    pub fn prepare(&self, device: &Device) -> Option<String> {
        let sizes = self.blocks.iter().flat_map(|(size, n)| std::iter::repeat_n(*size, *n));
        match device {
            Device::Cpu(_) => {
                block::reserve(sizes);
                None
            }
            Device::Gpu(gpu) => {
                gpu.reserve(sizes);
                gpu.prepare(&self.entries);
                gpu.keep_pipelines()
            }
            Device::Reference | Device::Planned(_) => None,
        }
    }
}

/// What an encoder takes to train: where, and with layers that run again or do not.
pub struct Subject<'a> {
    /// Sizes.
    pub config: &'a Config,
    /// What it predicts, first in the task that the stage is for.
    pub heads: &'a [HeadKind],
    /// Where it will live.
    pub device: &'a Device,
    /// Whether layers keep only their input.
    pub recompute: bool,
    /// How many layers take part.
    pub depth: usize,
}

impl Subject<'_> {
    /// The models of all branches, with fresh weights.
    fn models(&self, device: &Device) -> Result<Vec<Model>> {
        let (first, beside) = self.heads.split_first().expect("a stage has a task");
        let mut model = Model::fresh(self.config.clone(), first.clone(), 0, device)?;
        model.encoder.recompute = self.recompute;
        model.encoder.depth = self.depth;
        let mut models = vec![model];
        for head in beside {
            models.push(models[0].beside(head.clone(), 0)?);
        }
        Ok(models)
    }
}

/// Foresees a stage.
///
/// An error says what the device cannot hold at all.
pub fn forecast(subject: &Subject, plan: &Plan) -> Result<Forecast> {
    let motions = subject.device.planned();
    let device = Device::Planned(motions.clone());
    let plan = &Plan { share: Share::alone(), ..*plan };
    catch(|| {
        let models = subject.models(&device)?;
        let weights = motions.usage().held;
        let mut optimizer = plan.optimizer(&models);
        let (before, state) = (motions.blocks(), motions.usage().held - weights);
        let (mut gradients, mut longest) = (0, 0);
        for turn in heaviest(plan) {
            let (model, items) = (&models[turn.branch], plan.items(&turn)?);
            longest = longest.max(cut(&items, plan.tokens).iter().map(|part| n_tokens(part)).max().unwrap_or(0));
            let last = plan.updates.saturating_sub(1) as u32; // by then everything that begins late has begun
            let update = plan.update(turn.branch, model, &items, last);
            let found = update.gradients(&mut optimizer, &plan.batches(&items));
            gradients = gradients.max(found.grads.iter().map(|grad| grad.shape().len() as u64 * 4).sum());
            found.step(&mut optimizer);
        }
        let mut blocks = motions.blocks(); // an evaluation makes its own in place of those that lie idle
        for (branch, model) in plan.branches.iter().zip(&models) {
            branch.exam.rehearse(model, plan.tokens)?;
        }
        let total = motions.usage().held_peak;
        let bytes = |bytes: u64| Bytes(bytes);
        let parts = Parts {
            longest,
            weights: bytes(weights),
            optimizer: bytes(state),
            gradients: bytes(gradients),
            activations: bytes(total.saturating_sub(weights + state + gradients)),
            total: bytes(total),
        };
        for (size, n) in before {
            blocks.entry(size).and_modify(|all| *all -= n);
        }
        Ok(Forecast { parts, pooled: bytes(motions.pooled().held_peak), entries: motions.entries(), blocks })
    })
}

fn n_tokens(items: &[Item]) -> usize {
    items.iter().map(Item::n_tokens).sum()
}

/// Of each branch the update with the longest micro-batch, and the one with the most of them: sums of gradients take memory
/// too.
fn heaviest(plan: &Plan) -> Vec<Turn> {
    let mut found = vec![[(0, 0); 2]; plan.branches.len()];
    let mut orders = Orders::default();
    for step in 0..plan.updates.min(MOST_UPDATES) {
        let turn = plan.turn(step, &mut orders);
        let lengths = plan.lengths(&turn);
        let parts = runs(lengths.iter().copied(), plan.tokens);
        let tokens = parts.iter().map(|part| lengths[part.clone()].iter().sum::<usize>()).max().unwrap_or(0);
        let [longest, most] = &mut found[turn.branch];
        *longest = (*longest).max((tokens, u64::MAX - step));
        *most = (*most).max((parts.len(), u64::MAX - step));
    }
    let met = found.into_iter().flatten().filter(|(size, _)| *size > 0);
    let mut steps: Vec<u64> = met.map(|(_, step)| u64::MAX - step).collect();
    steps.dedup();
    steps.into_iter().map(|step| plan.turn(step, &mut orders)).collect()
}

/// Foresees a stage whose plan has the largest micro-batches that it may have; under a limit they get smaller until
/// the stage fits.
pub fn choose(subject: &Subject, plan: &Plan, limit: Option<Bytes>) -> Result<(Choice, Forecast)> {
    let beside = beside(subject.device);
    let try_with = |tokens: usize| {
        let forecast = forecast(subject, &Plan { tokens, ..*plan })?;
        let choice = Choice { tokens_per_micro_batch: tokens, memory_limit: limit, predicted: forecast.parts, beside };
        Ok::<_, Error>((choice, forecast))
    };
    let Some(limit) = limit else { return try_with(plan.tokens) };
    let sources = plan.branches.iter().map(|branch| &branch.source);
    let longest = sources.flat_map(|source| (0..source.len()).map(|i| source.n_tokens(i))).max().unwrap_or(1);
    let smaller = SIZES.into_iter().chain([longest]).filter(|tokens| *tokens < plan.tokens && *tokens >= longest);
    let mut least = None;
    for tokens in std::iter::once(plan.tokens).chain(smaller) {
        match try_with(tokens) {
            Ok((choice, forecast)) if choice.predicted.total.0 + beside.0 <= limit.0 => return Ok((choice, forecast)),
            Ok((choice, _)) => least = Some(choice),
            // A tensor beyond the device's limits: smaller micro-batches may do.
            Err(Error::Device(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let Some(least) = least else { return try_with(plan.tokens) };
    let needed = Bytes((least.predicted.total.0 + beside.0).next_multiple_of(1 << 20));
    let recompute = if subject.recompute { "" } else { ", set recompute = true" };
    Err(Error::Usage(format!(
        "--memory-limit {limit}: {} with micro-batches of {} tokens would take {needed} ({least}); allow {} MiB or \
         more{recompute}, or take a smaller model",
        plan.name,
        least.tokens_per_micro_batch,
        needed.0 >> 20,
    )))
}

/// What this process takes beside tensors, where these are in its memory: told by Linux.
fn beside(device: &Device) -> Bytes {
    let status = || std::fs::read_to_string("/proc/self/status").ok();
    let resident = || -> Option<u64> {
        let status = status()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    match device {
        Device::Cpu(_) => Bytes(resident().unwrap_or(0).saturating_sub(block::usage().held)),
        _ => Bytes(0),
    }
}
