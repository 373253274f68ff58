//! What a stage trains with: its tasks, their turns, and what each update is of.

use crate::{
    data::source::Source,
    error::Result,
    kinds::item::{Item, cut, pack, runs},
    learn::{objective::Objective, optimizer::Optimizer, reduce::Share, sampler::TaskSampler, update::Update},
    measure::exam::Exam,
    models::{Batch, Model},
    recipe::Stage,
    rng::Draw,
};
use std::collections::{BTreeMap, BTreeSet};

/// Sizes in tokens that micro-batches may have where they cannot be as large as a stage wants them.
pub const SIZES: [usize; 16] = [4096, 3072, 2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64, 48, 32, 16];

/// How many updates are looked at to see how ranks share them.
const UPDATES_SEEN: u64 = 100;

/// By how much of the time that ranks are at work a size may be worse than the best, for larger micro-batches.
const TOLERANCE: f64 = 0.05;

/// All that a stage trains with.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// What the stage is called.
    pub name: &'a str,
    /// Its settings.
    pub stage: &'a Stage,
    /// The tasks that are learned at once, first the one that the stage is for.
    pub branches: &'a [Branch],
    /// Which of them each update is of.
    pub sampler: &'a TaskSampler,
    /// Updates in all.
    pub updates: u64,
    /// Of this all randomness of the stage is made.
    pub seed: u64,
    /// The most tokens that are on the device at once.
    pub tokens: usize,
    /// Who makes its updates.
    pub share: Share<'a>,
}

/// One of the tasks that a stage learns: a head on the encoder, which it shares with the others.
pub struct Branch {
    /// The task's name.
    pub task: String,
    /// What a step minimizes.
    pub objective: Box<dyn Objective>,
    /// The training examples.
    pub source: Box<dyn Source>,
    /// What models are measured by, and by the first task's selected.
    pub exam: Exam,
}

/// How many updates a stage makes of its branches, and which of them is of which.
pub fn schedule(stage: &Stage, branches: &[Branch], seed: u64) -> (u64, TaskSampler) {
    let sizes: Vec<usize> = branches.iter().map(|branch| branch.source.len()).collect();
    let updates = stage.n_updates(sizes.iter().sum());
    (updates, TaskSampler::new(&sizes, stage.task_alpha.unwrap_or(1.0), updates, seed))
}

/// The order of the epoch that each branch is in.
#[derive(Debug, Default)]
pub struct Orders(BTreeMap<usize, (u64, Vec<usize>)>);

/// What one update trains on.
pub struct Turn {
    /// Which of the branches.
    pub branch: usize,
    /// The epoch that it is in.
    epoch: u64,
    /// Its examples, and their places in the epoch.
    examples: Vec<(usize, usize)>,
}

impl Plan<'_> {
    /// The optimizer of the stage before its first update, over the models of all branches.
    pub fn optimizer(&self, models: &[Model]) -> Optimizer {
        let settings = self.stage.optimizer(self.updates as u32);
        let (model, beside) = models.split_first().expect("a stage has a task");
        if self.stage.freeze_word_embeddings {
            return Optimizer::frozen(model, settings).with_beside(beside);
        }
        if models.iter().any(|model| model.head.reads_words()) {
            return Optimizer::dense(model, settings).with_beside(beside);
        }
        let mut optimizer = Optimizer::lazy(model, settings).with_beside(beside);
        let known: BTreeSet<u32> = self.branches.iter().filter_map(|b| b.source.vocabulary()).flatten().collect();
        optimizer.expect(model, &known.into_iter().collect::<Vec<u32>>());
        optimizer
    }

    /// What the update after `step` updates trains on.
    pub fn turn(&self, step: u64, orders: &mut Orders) -> Turn {
        let (branch, nth) = self.sampler.task_of(step);
        let (source, size) = (&self.branches[branch].source, self.stage.batch_size);
        let per_epoch = source.len().div_ceil(size) as u64;
        let (epoch, at) = (nth / per_epoch, (nth % per_epoch) as usize);
        let order = orders.0.entry(branch).or_insert((u64::MAX, Vec::new()));
        if order.0 != epoch {
            *order = (epoch, source.order(self.seed, epoch));
        }
        let places = at * size..((at + 1) * size).min(source.len());
        Turn { branch, epoch, examples: places.map(|place| (order.1[place], place)).collect() }
    }

    /// The examples of a turn.
    pub fn items(&self, turn: &Turn) -> Result<Vec<Item>> {
        let source = &self.branches[turn.branch].source;
        turn.examples.iter().map(|(example, place)| source.item(*example, turn.epoch, *place)).collect()
    }

    /// How many tokens each example of a turn has, at most.
    pub fn lengths(&self, turn: &Turn) -> Vec<usize> {
        turn.examples.iter().map(|(example, _)| self.branches[turn.branch].source.n_tokens(*example)).collect()
    }

    /// The size of micro-batches in tokens with which so many ranks have least to wait for each other: the largest of
    /// those that are as good.
    pub fn tokens_for(&self, ranks: usize) -> usize {
        let sizes = std::iter::once(self.tokens).chain(SIZES.into_iter().filter(|size| *size < self.tokens));
        let sizes: Vec<(usize, f64)> = sizes.map(|size| (size, self.busy(size, ranks))).collect();
        let best = sizes.iter().map(|(_, busy)| *busy).fold(0.0, f64::max);
        sizes.iter().find(|(_, busy)| *busy >= best - TOLERANCE).map_or(self.tokens, |(size, _)| *size)
    }

    /// The share of the time that ranks are at work, if each takes as long as it has tokens, and all wait for the last.
    pub fn busy(&self, tokens: usize, ranks: usize) -> f64 {
        let (mut work, mut time) = (0, 0);
        let mut orders = Orders::default();
        for step in 0..self.updates.min(UPDATES_SEEN) {
            let lengths = self.lengths(&self.turn(step, &mut orders));
            let mut of_rank = vec![0; ranks];
            for (i, part) in runs(lengths.iter().copied(), tokens).into_iter().enumerate() {
                of_rank[i % ranks] += lengths[part].iter().sum::<usize>();
            }
            work += of_rank.iter().sum::<usize>();
            time += ranks * of_rank.into_iter().max().unwrap_or(0);
        }
        work as f64 / time.max(1) as f64
    }

    /// The micro-batches of an update.
    pub fn batches(&self, items: &[Item]) -> Vec<Batch> {
        cut(items, self.tokens).into_iter().map(pack).collect()
    }

    /// The update after `step` updates: of a branch, whose model this is, on these examples.
    pub fn update<'a>(&'a self, branch: usize, model: &'a Model, items: &[Item], step: u32) -> Update<'a> {
        let predictions: usize = items.iter().map(Item::n_goals).sum();
        Update {
            model,
            head: branch,
            objective: &*self.branches[branch].objective,
            weight: 1.0 / predictions.max(1) as f32,
            draw: Some(Draw { seed: self.seed, step, stream: 0 }),
            share: self.share,
        }
    }
}
