//! AdamW over a model: dense for most parameters, exact and lazy for the word table where its gradient is sparse, or not
//! at all where it is frozen.

use crate::{
    array::{Ids, Precision},
    checkpoint::{self, Entry, Values, Weights},
    error::{Error, Result},
    models::Model,
    nn::{ActiveRows, WordTable, is_undecayed},
    ops::{AdamW, AdamWRows, CatchUp, Copy, LossScale, sum_squares},
    tensor::{Device, Tensor},
};
use std::path::Path;

/// How the learning rate goes on after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Straight to 0 at the last update.
    Linear,
    /// It stays.
    Constant,
}

/// The settings of AdamW, its schedule, and clipping.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The highest learning rate.
    pub learning_rate: f32,
    /// Decay of the two moments.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay; biases and LayerNorm have none.
    pub weight_decay: f32,
    /// Gradients are scaled down to this global norm.
    pub max_grad_norm: f32,
    /// Updates over which the learning rate rises from 0.
    pub warmup_steps: u32,
    /// All updates of the stage.
    pub total_steps: u32,
    /// What comes after the warm-up.
    pub decay: Decay,
}

impl Settings {
    /// The learning rate of the update after `taken` updates, as transformers' `get_linear_schedule_with_warmup`.
    pub fn learning_rate_after(&self, taken: u32) -> f32 {
        let (warmup, total) = (f64::from(self.warmup_steps), f64::from(self.total_steps));
        let taken = f64::from(taken);
        let factor = if taken < warmup {
            taken / warmup
        } else if self.decay == Decay::Constant {
            1.0
        } else {
            ((total - taken) / (total - warmup).max(1.0)).max(0.0)
        };
        (f64::from(self.learning_rate) * factor) as f32
    }

    /// AdamW's numbers for the update after `taken` updates.
    fn adamw(&self, taken: u32, weight_decay: f32) -> AdamW {
        AdamW {
            lr: self.learning_rate_after(taken),
            beta1: self.betas[0],
            beta2: self.betas[1],
            epsilon: self.epsilon,
            weight_decay,
            step: taken + 1,
        }
    }
}

/// AdamW's state over one model.
pub struct Optimizer {
    settings: Settings,
    taken: u32,
    moments: Vec<[Tensor; 2]>,
    table: Table,
    /// The state of [`LossScale`], where operands in f16 need it.
    scale: Option<Tensor>,
}

/// Good steps after which the loss's scale doubles: PyTorch's `growth_interval`.
const GROWTH_INTERVAL: u32 = 2_000;

/// The word table's moments, window by window.
enum Table {
    Dense(Vec<[Tensor; 2]>),
    Lazy(Vec<LazyWindow>),
    /// It stays as it is.
    Frozen,
}

/// The whole state by name: moments, and by window where the rows of a lazy table have theirs.
pub type State = (Vec<(String, Tensor)>, Vec<(String, Vec<u32>)>);

/// A named tensor on the host: name, shape, numbers.
pub type Saved = (String, Vec<usize>, Vec<f32>);

impl Optimizer {
    /// For a table whose gradient is sparse: rows cost nothing until they are touched.
    pub fn lazy(model: &Model, settings: Settings) -> Optimizer {
        let windows = model.words.windows.iter().map(LazyWindow::new).collect();
        Optimizer::new(model, settings, Table::Lazy(windows))
    }

    /// For a table that is also the output layer, as in masked language modelling: every row has a gradient.
    pub fn dense(model: &Model, settings: Settings) -> Optimizer {
        let windows = model.words.windows.iter().map(two_zeros).collect();
        Optimizer::new(model, settings, Table::Dense(windows))
    }

    /// For a table that stays as it is, while all else learns.
    pub fn frozen(model: &Model, settings: Settings) -> Optimizer {
        Optimizer::new(model, settings, Table::Frozen)
    }

    fn new(model: &Model, settings: Settings, table: Table) -> Optimizer {
        let scaled = model.device().precision() == Precision::F16;
        let scale = scaled.then(|| Tensor::new(&LossScale::START, [4], model.device()));
        Optimizer { settings, taken: 0, moments: moments(model), table, scale }
    }

    /// Whether an update without finite gradients is skipped on purpose: the loss's scale was too large.
    pub fn may_skip(&self) -> bool {
        self.scale.is_some()
    }

    /// A loss, and its gradients for [`Optimizer::step`]: times the scale, where there is one.
    pub fn gradients(&self, loss: Tensor, leaves: &[&Tensor]) -> (Tensor, Vec<Tensor>) {
        match &self.scale {
            Some(scale) => {
                let direction = scale.slice(0, loss.shape().clone());
                loss.into_gradients_along(&direction, leaves)
            }
            None => loss.into_gradients(leaves),
        }
    }

    /// Makes room for the moments of the rows of these ids, ascending, so that it need not grow later.
    pub fn expect(&mut self, model: &Model, ids: &[u32]) {
        let Table::Lazy(windows) = &mut self.table else { return };
        for (i, window) in windows.iter_mut().enumerate() {
            let range = model.words.window_rows(i);
            let inside = ids.iter().filter(|id| range.contains(&(**id as usize))).count();
            window.reserve(&model.words.windows[i], inside);
        }
    }

    /// How many updates were made.
    pub fn taken(&self) -> u32 {
        self.taken
    }

    /// The learning rate of the next update.
    pub fn learning_rate(&self) -> f32 {
        self.settings.learning_rate_after(self.taken)
    }

    /// Lifts out the rows that a step's tokens use, after they have caught up; none where the table is dense or frozen.
    pub fn activate(&mut self, model: &Model, tokens: impl Iterator<Item = u32>) -> Option<ActiveRows> {
        let Table::Lazy(windows) = &mut self.table else { return None };
        let active = {
            let mut ids: Vec<u32> = tokens.collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        for (i, window) in windows.iter_mut().enumerate() {
            let range = model.words.window_rows(i);
            let inside = active.iter().filter(|id| range.contains(&(**id as usize))).map(|id| id - range.start as u32);
            window.catch_up(&model.words.windows[i], inside, &self.settings, self.taken);
        }
        Some(model.words.activate(active.into_iter()))
    }

    /// What gradients are asked with respect to, in the order in which [`Optimizer::step`] expects them.
    pub fn leaves<'a>(&self, model: &'a Model, active: Option<&'a ActiveRows>) -> Vec<&'a Tensor> {
        let table = match (&self.table, active) {
            (Table::Frozen, _) => &[],
            (_, Some(rows)) => std::slice::from_ref(&rows.table),
            (_, None) => &model.words.windows[..],
        };
        model.parameters.iter().map(|parameter| &parameter.tensor).chain(table).collect()
    }

    /// One update with [`Optimizer::gradients`]. Returns their sum of squares, on the device and without the scale;
    /// where it is not finite, nothing changes.
    ///
    /// An update that is skipped for its scale still counts in the schedule, since the host does not wait to know.
    pub fn step(&mut self, model: &Model, active: Option<&ActiveRows>, grads: &[Tensor]) -> Tensor {
        let zero = Tensor::zeros([1], model.device());
        let total = sum_squares(&grads.iter().collect::<Vec<_>>(), &zero);
        let (factor, total) = self.clip(total);
        let (own, table) = grads.split_at(model.parameters.len());
        for ((parameter, [m, v]), grad) in model.parameters.iter().zip(&self.moments).zip(own) {
            let decay = if is_undecayed(&parameter.name) { 0.0 } else { self.settings.weight_decay };
            Tensor::update(&self.settings.adamw(self.taken, decay), &[&parameter.tensor, m, v], &[grad, &factor]);
        }
        let hyper = self.settings.adamw(self.taken, self.settings.weight_decay);
        match (&mut self.table, active) {
            (Table::Dense(windows), None) => {
                for ((window, [m, v]), grad) in model.words.windows.iter().zip(windows).zip(table) {
                    Tensor::update(&hyper, &[window, m, v], &[grad, &factor]);
                }
            }
            (Table::Lazy(windows), Some(rows)) => step_rows(windows, &model.words, rows, &table[0], &factor, hyper),
            (Table::Frozen, None) => {}
            _ => panic!("a lazy table is updated by its active rows, a dense one as a whole, a frozen one not at all"),
        }
        self.taken += 1;
        total
    }

    /// The factor for all gradients, and their sum of squares without the scale; this also moves the scale.
    fn clip(&self, total: Tensor) -> (Tensor, Tensor) {
        let max_norm = self.settings.max_grad_norm;
        match &self.scale {
            Some(scale) => {
                Tensor::update(&LossScale { max_norm, interval: GROWTH_INTERVAL }, &[scale, &total], &[]);
                (scale.slice(2, [1]), scale.slice(3, [1]))
            }
            None => (total.clip_factor(max_norm), total),
        }
    }

    /// Brings every row of the word table up to date, for evaluation and export.
    pub fn flush(&mut self, model: &Model) {
        let Table::Lazy(windows) = &mut self.table else { return };
        for (i, window) in windows.iter_mut().enumerate() {
            let rows = 0..model.words.windows[i].shape()[0] as u32;
            window.catch_up(&model.words.windows[i], rows, &self.settings, self.taken);
        }
    }

    /// What a checkpoint has to hold.
    fn save(&self, model: &Model) -> State {
        let mut tensors = Vec::new();
        let mut keep = |name: String, tensor: &Tensor| tensors.push((name, tensor.clone()));
        for (parameter, [m, v]) in model.parameters.iter().zip(&self.moments) {
            keep(format!("{}.exp_avg", parameter.name), m);
            keep(format!("{}.exp_avg_sq", parameter.name), v);
        }
        if let Some(scale) = &self.scale {
            keep("loss_scale".to_string(), scale);
        }
        let mut places = Vec::new();
        let name = &model.words.name;
        match &self.table {
            Table::Dense(windows) => {
                for (i, [m, v]) in windows.iter().enumerate() {
                    keep(format!("{name}.{i}.exp_avg"), m);
                    keep(format!("{name}.{i}.exp_avg_sq"), v);
                }
            }
            Table::Lazy(windows) => {
                for (i, window) in windows.iter().enumerate() {
                    keep(format!("{name}.{i}.exp_avg"), &window.m);
                    keep(format!("{name}.{i}.exp_avg_sq"), &window.v);
                    places.push((format!("{name}.{i}.slots"), window.slots.clone()));
                    places.push((format!("{name}.{i}.taken"), window.taken.clone()));
                }
            }
            Table::Frozen => {}
        }
        (tensors, places)
    }

    /// Writes what a checkpoint has to hold.
    pub fn write(&self, model: &Model, path: &Path) -> Result<()> {
        let (tensors, places) = self.save(model);
        let moments = tensors.iter().map(|(name, tensor)| Entry {
            name,
            shape: tensor.shape(),
            values: Values::Tensors(std::slice::from_ref(tensor)),
        });
        let places = places.iter().map(|(name, values)| (name, [values.len()], values)).collect::<Vec<_>>();
        let places = places.iter().map(|(name, shape, values)| Entry { name, shape, values: Values::U32(values) });
        checkpoint::write(path, &moments.chain(places).collect::<Vec<Entry>>(), &[])
    }

    /// Takes up a saved state after `taken` updates.
    pub fn restore(&mut self, model: &Model, saved: &Weights, taken: u32) -> Result<()> {
        let device = model.device();
        for (parameter, [m, v]) in model.parameters.iter().zip(&mut self.moments) {
            *m = read(saved, &format!("{}.exp_avg", parameter.name), device)?;
            *v = read(saved, &format!("{}.exp_avg_sq", parameter.name), device)?;
        }
        if let Some(scale) = &mut self.scale {
            *scale = read(saved, "loss_scale", device)?;
        }
        let name = &model.words.name;
        match &mut self.table {
            Table::Dense(windows) => {
                for (i, [m, v]) in windows.iter_mut().enumerate() {
                    *m = read(saved, &format!("{name}.{i}.exp_avg"), device)?;
                    *v = read(saved, &format!("{name}.{i}.exp_avg_sq"), device)?;
                }
            }
            Table::Lazy(windows) => {
                for (i, window) in windows.iter_mut().enumerate() {
                    window.m = read(saved, &format!("{name}.{i}.exp_avg"), device)?;
                    window.v = read(saved, &format!("{name}.{i}.exp_avg_sq"), device)?;
                    window.slots = saved.read_u32(&format!("{name}.{i}.slots"))?;
                    window.taken = saved.read_u32(&format!("{name}.{i}.taken"))?;
                    window.used = window.slots.iter().filter(|slot| **slot != NO_SLOT).count();
                }
            }
            Table::Frozen => {}
        }
        self.taken = taken;
        Ok(())
    }
}

fn read(saved: &Weights, name: &str, device: &Device) -> Result<Tensor> {
    let Some(shape) = saved.shape(name) else {
        let source = saved.source().display();
        return Err(Error::Data(format!("{source}: {name} is missing; the checkpoint belongs to another recipe")));
    };
    Tensor::filled(shape, device, |values| saved.read_into(name, values))
}

fn two_zeros(like: &Tensor) -> [Tensor; 2] {
    [(); 2].map(|()| Tensor::zeros(like.shape().clone(), like.device()))
}

fn moments(model: &Model) -> Vec<[Tensor; 2]> {
    model.parameters.iter().map(|parameter| two_zeros(&parameter.tensor)).collect()
}

/// Updates the active rows, window by window: ascending ids make each window's rows a run of the gradient.
fn step_rows(
    windows: &mut [LazyWindow],
    words: &WordTable,
    rows: &ActiveRows,
    grad: &Tensor,
    factor: &Tensor,
    hyper: AdamW,
) {
    let mut start = 0;
    for (i, window) in windows.iter_mut().enumerate() {
        let range = words.window_rows(i);
        let inside: Vec<u32> = rows.ids[start..].iter().copied().take_while(|id| (*id as usize) < range.end).collect();
        if inside.is_empty() {
            continue;
        }
        let grad = grad.slice(start * words.columns, [inside.len(), words.columns]);
        start += inside.len();
        let local = inside.iter().map(|id| id - range.start as u32);
        window.step(&words.windows[i], local, &grad, factor, hyper);
    }
}

const NO_SLOT: u32 = u32::MAX;

/// Moments for the rows of one window that ever had a gradient.
struct LazyWindow {
    /// For each row of the window where its moments are, or [`NO_SLOT`].
    slots: Vec<u32>,
    /// For each row how many updates it has seen.
    taken: Vec<u32>,
    used: usize,
    m: Tensor,
    v: Tensor,
}

impl LazyWindow {
    fn new(window: &Tensor) -> LazyWindow {
        let [rows, columns] = [window.shape()[0], window.shape()[1]];
        let capacity = rows.min(256);
        let [m, v] = [(); 2].map(|()| Tensor::zeros([capacity, columns], window.device()));
        LazyWindow { slots: vec![NO_SLOT; rows], taken: vec![0; rows], used: 0, m, v }
    }

    /// Applies the updates without gradient that rows have missed.
    fn catch_up(&mut self, window: &Tensor, rows: impl Iterator<Item = u32>, settings: &Settings, taken: u32) {
        let late: Vec<u32> = rows.filter(|row| self.taken[*row as usize] < taken).collect();
        let with_moments = |row: &&u32| self.slots[**row as usize] != NO_SLOT;
        let first = late.iter().filter(with_moments).map(|row| self.taken[*row as usize]).min().unwrap_or(taken);
        let hyper = settings.adamw(taken, settings.weight_decay);
        let schedule = (first..taken).flat_map(|step| settings.adamw(step, settings.weight_decay).schedule());
        let schedule: Ids = schedule.map(f32::to_bits).collect::<Vec<_>>().into();
        let decays = Decays::new(settings, taken);
        let mut places = Vec::new();
        for row in late {
            let (slot, seen) = (self.slots[row as usize], self.taken[row as usize]);
            self.taken[row as usize] = taken;
            if slot != NO_SLOT {
                places.extend([row, slot, seen]);
            } else if let Some(factor) = decays.since(seen) {
                places.extend([row, NO_SLOT, factor.to_bits()]);
            }
        }
        if !places.is_empty() {
            let columns = window.shape()[1];
            let update = CatchUp { hyper, rows: places.into(), columns, first, schedule };
            Tensor::update(&update, &[window, &self.m, &self.v], &[]);
        }
    }

    fn step(&mut self, window: &Tensor, rows: impl Iterator<Item = u32>, grad: &Tensor, factor: &Tensor, hyper: AdamW) {
        let mut places = Vec::new();
        for row in rows {
            let slot = &mut self.slots[row as usize];
            if *slot == NO_SLOT {
                *slot = self.used as u32;
                self.used += 1;
            }
            places.extend([row, *slot]);
            self.taken[row as usize] = hyper.step;
        }
        if self.used > self.m.shape()[0] {
            self.reserve(window, self.used.next_power_of_two());
        }
        let update = AdamWRows { hyper, rows: places.into() };
        Tensor::update(&update, &[window, &self.m, &self.v], &[grad, factor]);
    }

    /// Makes room for so many slots.
    fn reserve(&mut self, window: &Tensor, n: usize) {
        let [rows, columns] = [window.shape()[0], window.shape()[1]];
        let capacity = n.min(rows);
        if capacity <= self.m.shape()[0] {
            return;
        }
        for moment in [&mut self.m, &mut self.v] {
            let grown = Tensor::zeros([capacity, columns], window.device());
            if self.used > 0 {
                Tensor::update(&Copy, &[&grown], &[moment]);
            }
            *moment = grown;
        }
    }
}

/// By how much rows without moments have decayed over runs of updates that end now.
struct Decays {
    /// The product over the updates from each one on to the last.
    products: Vec<f64>,
}

impl Decays {
    fn new(settings: &Settings, taken: u32) -> Decays {
        if settings.weight_decay == 0.0 {
            return Decays { products: Vec::new() };
        }
        let factor = |step| 1.0 - f64::from(settings.learning_rate_after(step)) * f64::from(settings.weight_decay);
        let mut products: Vec<f64> = (0..taken).map(factor).collect();
        for i in (1..products.len()).rev() {
            products[i - 1] *= products[i];
        }
        Decays { products }
    }

    /// The factor for a row that has seen `seen` updates; none where nothing decays.
    fn since(&self, seen: u32) -> Option<f32> {
        self.products.get(seen as usize).map(|product| *product as f32)
    }
}
