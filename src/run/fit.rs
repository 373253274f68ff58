//! The training loop of one stage: deterministic, resumable after any update, and stopped by a loss that is not finite.

use super::{
    files,
    folder::{RunFolder, StageFolder, number},
    full::OnFull,
    losses,
    memory::Forecast,
    plan::{Branch, Orders, Plan},
    progress::{Progress, Step},
};
use crate::{
    checkpoint::{self, Entry, Values, Weights},
    error::{Error, Result},
    kinds::item::Item,
    learn::optimizer::{Optimizer, Saved},
    models::Model,
    recipe::Select,
    stop::Stop,
    tensor::Pending,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    hash::{DefaultHasher, Hasher},
    path::Path,
    time::Instant,
};

/// Where the stage reports to, and who may stop it.
pub struct Desk<'a> {
    /// The run's log.
    pub folder: &'a RunFolder,
    /// Checkpoints.
    pub stage_folder: &'a StageFolder,
    /// The terminal.
    pub progress: &'a Progress,
    /// Asks to stop.
    pub stop: &'a Stop,
    /// What happens where the disk is full.
    pub on_full: OnFull,
}

impl Desk<'_> {
    /// Writes what would be lost with the process: the first rank does, and the others wait.
    pub fn write(&self, write: impl FnMut() -> Result<()>) -> Result<()> {
        self.folder.first(|| self.on_full.write(self.progress, self.stop, write))
    }
}

/// A model that was measured during training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// After which update.
    pub step: u64,
    /// By the first metric on the dev examples, or of held-out texts; `accuracy` in folders of earlier versions.
    #[serde(alias = "accuracy")]
    pub value: f64,
}

/// The file of the heads beside the model's.
const BESIDE: &str = "beside.safetensors";

/// What a checkpoint knows beside the tensors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    step: u64,
    evaluations: Vec<Evaluation>,
}

impl State {
    /// The earliest of the best.
    fn best(&self) -> Option<Evaluation> {
        self.evaluations.iter().copied().reduce(|best, next| if next.value > best.value { next } else { best })
    }
}

/// Trains the models of all branches in place, and leaves them as they were when the first was the selected one. Returns
/// all its evaluations.
pub fn fit(models: &[Model], plan: &Plan, desk: &Desk, forecast: &Forecast) -> Result<Vec<Evaluation>> {
    let mut training = Training::begin(models, plan, desk)?;
    if let Some(note) = forecast.prepare(models[0].device()) {
        desk.progress.note(note);
    }
    let unsaved = desk.stop.hold();
    training.evaluate_if_due()?; // an evaluation that was stopped in the middle
    while training.state.step < plan.updates {
        training.step()?;
        training.evaluate_if_due()?;
        let (step, last) = (training.state.step, training.state.step == plan.updates);
        let stopping = desk.stop.is_agreed() && !last;
        if last || stopping || is_due(step, plan.stage.checkpoint_every) {
            training.save()?;
        }
        if stopping {
            desk.stop.check(&format!("{} is saved after update {step} of {}", plan.name, plan.updates))?;
        }
    }
    drop(unsaved);
    training.select()?;
    Ok(training.state.evaluations)
}

fn is_due(step: u64, every: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

struct Training<'a> {
    /// The model that the stage is for.
    model: &'a Model,
    /// Those of all branches, this one first.
    models: &'a [Model],
    plan: &'a Plan<'a>,
    desk: &'a Desk<'a>,
    optimizer: Optimizer,
    state: State,
    /// The sum of the parameters of all models evaluated, and of the heads beside them, for `select = "average"`.
    sum: Option<Vec<Saved>>,
    /// The update whose loss is still on its way.
    pending: Option<Made>,
    /// How many updates in a row were skipped because the scaled gradients overflowed.
    skipped: usize,
    orders: Orders,
}

/// Updates without finite gradients in a row that are the scale's fault: by then it has been halved down to 1.
const MAX_SKIPPED: usize = 24;

/// An update that was made, whose numbers arrive later.
struct Made {
    step: u64,
    branch: usize,
    ids: Vec<String>,
    tokens: usize,
    learning_rate: f32,
    /// From its start until the numbers of the update before had arrived: what each costs in a steady run.
    seconds: f64,
    loss: Pending,
    square: Pending,
}

impl<'a> Training<'a> {
    /// From the newest whole checkpoint, or from the start.
    fn begin(models: &'a [Model], plan: &'a Plan<'a>, desk: &'a Desk<'a>) -> Result<Training<'a>> {
        let (model, optimizer, orders) = (&models[0], plan.optimizer(models), Orders::default());
        let state = State::default();
        let mut training =
            Training { model, models, plan, desk, optimizer, state, sum: None, pending: None, skipped: 0, orders };
        if let Some(saved) = desk.stage_folder.latest(|note| desk.progress.note(note))? {
            training.restore(&saved.path)?;
            desk.stage_folder.settle(&saved)?;
            desk.progress.note(format_args!("{} goes on after update {}", plan.name, training.state.step));
        }
        let n_damaged = desk.folder.rewind_log(plan.name, training.state.step)?;
        if n_damaged > 0 {
            desk.progress.note(format_args!("log.jsonl: {n_damaged} damaged lines left out"));
        }
        if training.state.step > 0 {
            let losses = losses::of_stage(&desk.folder.path().join(files::LOG), plan.name, &plan.branches[0].task)?;
            desk.progress.go_on(plan.name, losses.unwrap_or_default());
        }
        Ok(training)
    }

    /// One update.
    fn step(&mut self) -> Result<()> {
        let started = Instant::now();
        let turn = self.plan.turn(self.state.step, &mut self.orders);
        let (items, branch, model) = (self.plan.items(&turn)?, turn.branch, &self.models[turn.branch]);
        let learning_rate = self.optimizer.learning_rate();
        let tokens = items.iter().map(Item::n_tokens).sum();
        let update = self.plan.update(branch, model, &items, self.state.step as u32);
        let (loss, square) = update.make(&mut self.optimizer, &self.plan.batches(&items));
        let loss = loss.read_later();
        let square = square.read_later();
        model.device().submit();
        self.settle()?; // the numbers of the update before, while the device works on this one
        self.state.step += 1;
        let ids = items.into_iter().map(|item| item.id).collect();
        let seconds = started.elapsed().as_secs_f64();
        let step = self.state.step;
        self.pending = Some(Made { step, branch, ids, tokens, learning_rate, seconds, loss, square });
        Ok(())
    }

    /// Takes in the numbers of the last update: logs them, and stops where they are not finite.
    fn settle(&mut self) -> Result<()> {
        let Some(update) = self.pending.take() else { return Ok(()) };
        let (loss, square) = (f64::from(update.loss.wait()[0]), f64::from(update.square.wait()[0]));
        let Plan { name: stage, updates: total, .. } = *self.plan;
        let mut rest = vec![
            ("of", json!(total)),
            ("loss", number(loss)),
            ("grad_norm", number(square.sqrt())),
            ("learning_rate", number(f64::from(update.learning_rate))),
            ("tokens", json!(update.tokens)),
            ("seconds", number((update.seconds * 1e6).round() / 1e6)),
        ];
        let task = &self.plan.branches[update.branch].task;
        if self.plan.branches.len() > 1 {
            rest.push(("task", json!(task)));
        }
        self.desk.write(|| self.desk.folder.log("step", stage, update.step, &rest))?;
        self.skipped = if square.is_finite() { 0 } else { self.skipped + 1 };
        let skipped = self.optimizer.may_skip() && (1..=MAX_SKIPPED).contains(&self.skipped);
        if !loss.is_finite() || !square.is_finite() && !skipped {
            let what = if loss.is_finite() {
                format!("the gradient's norm is {}", square.sqrt())
            } else {
                format!("the loss is {loss}")
            };
            let (step, ids, last) = (update.step, update.ids.join(", "), self.last_good()?);
            return Err(Error::Diverged(format!(
                "{what} at update {step} of {stage} (examples {ids}); {last}; lower learning_rate, or look at these \
                 examples"
            )));
        }
        let learning_rate = f64::from(update.learning_rate);
        let (step, tokens, is_own) = (update.step, update.tokens, update.branch == 0);
        self.desk.progress.step(&Step { stage, step, total, loss, learning_rate, tokens, is_own });
        Ok(())
    }

    /// Where a run that diverged can be taken up.
    fn last_good(&self) -> Result<String> {
        let latest = self.desk.stage_folder.latest(|_| ())?;
        Ok(latest.map_or("there is no checkpoint".to_string(), |saved| {
            format!("the last good checkpoint is {}", saved.path.display())
        }))
    }

    /// Measures the model where the stage wants it after this update. A request to stop is heard between two batches:
    /// then the state from before is saved, and the evaluation is made when the run goes on.
    fn evaluate_if_due(&mut self) -> Result<()> {
        let (step, updates, every) = (self.state.step, self.plan.updates, self.plan.stage.evaluate_every);
        let is_made = self.state.evaluations.last().is_some_and(|last| last.step == step);
        if step == 0 || is_made || step != updates && !is_due(step, every) {
            return Ok(());
        }
        match self.evaluate() {
            Err(Error::Stopped(_)) => {
                self.save()?;
                let name = self.plan.name;
                self.desk.stop.check(&format!("{name} is saved after update {step} of {updates}, to be evaluated"))
            }
            result => result,
        }
    }

    /// Measures the model on the dev examples, and keeps it where the rule of selection wants it.
    fn evaluate(&mut self) -> Result<()> {
        self.settle()?;
        let exam = &self.plan.branches[0].exam;
        if exam.is_empty() {
            return Ok(());
        }
        self.optimizer.flush(self.model);
        let (step, measured) = (self.state.step, self.measure_all()?);
        let value = measured[0].unwrap_or_default();
        let best = self.state.best().is_none_or(|best| value > best.value);
        self.state.evaluations.push(Evaluation { step, value });
        let (measure, key) = exam.metric();
        let is_kept = best && self.plan.stage.select == Select::Best;
        self.desk.progress.evaluated(self.plan.name, step, &measure, value, is_kept);
        let mut rest = vec![(key, number(value))];
        for (Branch { task, exam, .. }, value) in self.plan.branches.iter().zip(measured).skip(1) {
            if let (Some(value), (measure, key)) = (value, exam.metric()) {
                self.desk.progress.evaluated(self.plan.name, step, &format!("{task} {measure}"), value, false);
                rest.push((format!("{task} {key}"), number(value)));
            }
        }
        let rest: Vec<(&str, Value)> = rest.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        self.desk.write(|| self.desk.folder.log("evaluation", self.plan.name, step, &rest))?;
        match self.plan.stage.select {
            Select::Best if best && self.state.step < self.plan.updates => {
                let best = self.desk.stage_folder.best();
                let fill = |folder: &Path| {
                    self.model.write(folder)?;
                    StageFolder::write_evaluated(folder, step)?;
                    self.optimizer.write_beside(&folder.join(BESIDE))
                };
                self.desk.write(|| checkpoint::commit_folder(&best, fill))
            }
            Select::Average => {
                self.add_to_sum();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The values of all branches that have something to be measured by: nothing is kept of any before all are there, since
    /// a stop between two leaves an evaluation that is still to be made.
    fn measure_all(&self) -> Result<Vec<Option<f64>>> {
        let measure = |(branch, of): (usize, &Branch)| match of.exam.is_empty() {
            true => Ok(None),
            false => self.measure(branch).map(Some),
        };
        self.plan.branches.iter().enumerate().map(measure).collect()
    }

    fn measure(&self, branch: usize) -> Result<f64> {
        let (exam, model) = (&self.plan.branches[branch].exam, &self.models[branch]);
        let measured = exam.measure(model, self.plan.tokens, self.desk.stop)?;
        measured.or_else(|id| {
            let (step, stage, last) = (self.state.step, self.plan.name, self.last_good()?);
            Err(Error::Diverged(format!(
                "the model after update {step} of {stage} gives {id} no finite probabilities; {last}; lower learning_rate"
            )))
        })
    }

    /// The parameters of the model, and of the heads beside it.
    fn tensors(&self) -> Vec<Saved> {
        let mut tensors = self.model.tensors();
        tensors.extend(self.optimizer.heads_beside());
        tensors
    }

    fn add_to_sum(&mut self) {
        let tensors = self.tensors();
        match &mut self.sum {
            None => self.sum = Some(tensors),
            Some(sum) => {
                for ((_, _, sum), (_, _, values)) in sum.iter_mut().zip(&tensors) {
                    sum.iter_mut().zip(values).for_each(|(sum, x)| *sum += x);
                }
            }
        }
    }

    /// Writes a checkpoint from which training goes on bit for bit.
    fn save(&mut self) -> Result<()> {
        self.settle()?;
        let desk = self.desk;
        self.agree_on_weights()?;
        desk.write(|| desk.stage_folder.save(self.state.step, |folder| self.fill(folder)).map(drop))?;
        desk.stage_folder.prune(self.state.step)
    }

    /// Ranks take the same steps with the same gradients, so all have the same weights, to the bit; a device that computes
    /// otherwise than the others is found here.
    fn agree_on_weights(&self) -> Result<()> {
        let ranks = self.desk.stop.ranks();
        if ranks.is_alone() {
            return Ok(());
        }
        let mut hash = DefaultHasher::new();
        for (_, _, values) in self.tensors() {
            values.iter().for_each(|x| hash.write_u32(x.to_bits()));
        }
        let what = format!("weights after update {} of {}, by their hash", self.state.step, self.plan.name);
        ranks.agree(&what, &format!("{:016x}", hash.finish()))
    }

    /// Writes all that a checkpoint holds.
    fn fill(&mut self, folder: &Path) -> Result<()> {
        self.model.write(folder)?;
        self.optimizer.write(self.model, &folder.join("optimizer.safetensors"))?;
        self.optimizer.write_beside(&folder.join(BESIDE))?;
        if let Some(sum) = &self.sum {
            checkpoint::write(&folder.join("average.safetensors"), &entries(sum), &[])?;
        }
        let state = serde_json::to_vec_pretty(&self.state).expect("a state is plain data");
        checkpoint::write_file(&folder.join("state.json"), &state)
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        let path = folder.join("state.json");
        let text = std::fs::read(&path).map_err(|error| Error::read(&path, &error))?;
        self.state =
            serde_json::from_slice(&text).map_err(|error| Error::Data(format!("{}: {error}", path.display())))?;
        self.model.restore(&Weights::open(folder)?)?;
        let saved = Weights::open(&folder.join("optimizer.safetensors"))?;
        self.optimizer.restore(self.model, &saved, self.state.step as u32)?;
        self.optimizer.restore_beside(&folder.join(BESIDE))?;
        let average = folder.join("average.safetensors");
        if average.exists() {
            let saved = Weights::open(&average)?;
            let mut sum = self.tensors();
            for (name, _, values) in &mut sum {
                *values = saved.read(name)?;
            }
            self.sum = Some(sum);
        }
        Ok(())
    }

    /// Makes the model the one that the rule of selection keeps.
    fn select(&mut self) -> Result<()> {
        self.settle()?;
        self.optimizer.flush(self.model);
        match self.plan.stage.select {
            Select::Last => Ok(()),
            Select::Best => match self.state.best() {
                Some(best) if best.step < self.plan.updates => {
                    self.desk.stage_folder.check_best(best.step)?;
                    let best = self.desk.stage_folder.best();
                    self.model.restore(&Weights::open(&best)?)?;
                    self.optimizer.restore_beside(&best.join(BESIDE))
                }
                _ => Ok(()),
            },
            Select::Average => {
                let Some(mut sum) = self.sum.take() else { return Ok(()) };
                let share = 1.0 / self.state.evaluations.len() as f32;
                for (_, _, values) in &mut sum {
                    values.iter_mut().for_each(|x| *x *= share);
                }
                let beside = sum.split_off(self.model.parameters.len() + 1); // behind the word table and the others
                self.model.assign(&sum);
                self.optimizer.assign_beside(&beside);
                Ok(())
            }
        }
    }
}

fn entries(tensors: &[Saved]) -> Vec<Entry<'_>> {
    tensors.iter().map(|(name, shape, values)| Entry { name, shape, values: Values::F32(values) }).collect()
}

/// `1 model`, `3 models`.
fn counted(n: usize) -> String {
    if n == 1 { "1 model".into() } else { format!("{n} models") }
}

/// What the rule of selection did, for people; `metric` is what was measured in the source language.
pub fn selection_rule(select: Select, source: &str, metric: &str, evaluations: &[Evaluation]) -> String {
    let n = evaluations.len();
    match select {
        Select::Last => "the last model".to_string(),
        Select::Best => {
            let state = State { step: 0, evaluations: evaluations.to_vec() };
            state.best().map_or("the last model".to_string(), |best| {
                format!(
                    "the best of {} by {source} dev {metric} (update {}, {:.1} %)",
                    counted(n),
                    best.step,
                    100.0 * best.value
                )
            })
        }
        Select::Average => format!("the average of {}", counted(n)),
    }
}
