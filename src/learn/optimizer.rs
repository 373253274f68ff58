//! AdamW over a model: dense for most parameters, exact and lazy for the word table where its gradient is sparse, or not
//! at all where it is frozen.

use crate::{
    array::{Ids, Precision},
    checkpoint::{self, Entry, Values, Weights},
    error::{Error, Result},
    models::Model,
    nn::{ActiveRows, Parameter, WordTable, is_undecayed},
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
    /// The moments of the encoder's parameters.
    shared: Vec<[Tensor; 2]>,
    /// The heads: the model's, and those beside it.
    heads: Vec<OfHead>,
    table: Table,
    /// The state of [`LossScale`], where operands in f16 need it.
    scale: Option<Tensor>,
}

/// A head's parameters with their moments. It learns in the updates of its task only: between them nothing of it moves, and
/// its moments are corrected by their number.
struct OfHead {
    parameters: Vec<Parameter>,
    moments: Vec<[Tensor; 2]>,
    taken: u32,
}

impl OfHead {
    fn new(model: &Model) -> OfHead {
        let parameters = model.parameters[model.n_shared..].to_vec();
        let moments = parameters.iter().map(|parameter| two_zeros(&parameter.tensor)).collect();
        OfHead { parameters, moments, taken: 0 }
    }
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
        let shared = model.parameters[..model.n_shared].iter().map(|parameter| two_zeros(&parameter.tensor)).collect();
        Optimizer { settings, taken: 0, shared, heads: vec![OfHead::new(model)], table, scale }
    }

    /// The same for further heads on the model's encoder.
    pub fn with_beside(mut self, beside: &[Model]) -> Optimizer {
        self.heads.extend(beside.iter().map(OfHead::new));
        self
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
        self.step_head(0, model, active, grads)
    }

    /// [`Optimizer::step`] with the head of this number; those beside are counted from 1. The others stay as they are.
    pub fn step_head(&mut self, head: usize, model: &Model, active: Option<&ActiveRows>, grads: &[Tensor]) -> Tensor {
        let zero = Tensor::zeros([1], model.device());
        let total = sum_squares(&grads.iter().collect::<Vec<_>>(), &zero);
        let (factor, total) = self.clip(total);
        let (own, table) = grads.split_at(model.parameters.len());
        let head = &mut self.heads[head];
        let moments = self.shared.iter().chain(&head.moments);
        for (i, ((parameter, [m, v]), grad)) in model.parameters.iter().zip(moments).zip(own).enumerate() {
            let decay = if is_undecayed(&parameter.name) { 0.0 } else { self.settings.weight_decay };
            let mut hyper = self.settings.adamw(self.taken, decay);
            if i >= model.n_shared {
                hyper.step = head.taken + 1;
            }
            Tensor::update(&hyper, &[&parameter.tensor, m, v], &[grad, &factor]);
        }
        head.taken += 1;
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
        for (name, [m, v]) in self.named(model) {
            keep(format!("{name}.exp_avg"), m);
            keep(format!("{name}.exp_avg_sq"), v);
        }
        if let Some(scale) = &self.scale {
            keep(LOSS_SCALE.to_owned(), scale);
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
        if self.heads.len() > 1 {
            places.push((HEADS_TAKEN.to_owned(), self.heads.iter().map(|head| head.taken).collect()));
        }
        (tensors, places)
    }

    /// The moments of all parameters but the word table, by name.
    fn named<'a>(&'a self, model: &'a Model) -> Vec<(String, &'a [Tensor; 2])> {
        let shared = model.parameters.iter().map(|parameter| parameter.name.clone()).zip(&self.shared);
        let of_head = |(i, head): (usize, &'a OfHead)| {
            let names = head.parameters.iter().map(move |parameter| name_of_head(i, &parameter.name));
            names.zip(&head.moments)
        };
        shared.chain(self.heads.iter().enumerate().flat_map(of_head)).collect()
    }

    /// The weights of the heads beside the model's, by name.
    fn beside(&self) -> Vec<(String, &Tensor)> {
        let mut weights = Vec::new();
        for (i, head) in self.heads.iter().enumerate().skip(1) {
            weights.extend(head.parameters.iter().map(|p| (name_of_head(i, &p.name), &p.tensor)));
        }
        weights
    }

    /// The weights of the heads beside the model's, on the host.
    pub fn heads_beside(&self) -> Vec<Saved> {
        let weights = self.beside().into_iter();
        weights.map(|(name, tensor)| (name, tensor.shape().to_vec(), tensor.to_vec())).collect()
    }

    /// Overwrites them with those that [`Optimizer::heads_beside`] gave, in its order.
    pub fn assign_beside(&self, weights: &[Saved]) {
        for ((_, tensor), (_, _, values)) in self.beside().into_iter().zip(weights) {
            tensor.assign(values);
        }
    }

    /// Writes the weights of the heads beside the model's, where there are any.
    pub fn write_beside(&self, path: &Path) -> Result<()> {
        let beside = self.beside();
        let entries: Vec<Entry> = beside.iter().map(|(name, tensor)| of_tensor(name, tensor)).collect();
        if entries.is_empty() { Ok(()) } else { checkpoint::write(path, &entries, &[]) }
    }

    /// Takes up the weights of the heads beside the model's.
    pub fn restore_beside(&self, path: &Path) -> Result<()> {
        let beside = self.beside();
        if beside.is_empty() {
            return Ok(());
        }
        let saved = Weights::open(path)?;
        for (name, tensor) in beside {
            if saved.shape(&name).is_none_or(|shape| *shape != tensor.shape()[..]) {
                return Err(of_another_recipe(&saved, &name));
            }
            tensor.refill(|values| saved.read_into(&name, values))?;
        }
        Ok(())
    }

    /// Writes what a checkpoint has to hold.
    pub fn write(&self, model: &Model, path: &Path) -> Result<()> {
        let (tensors, places) = self.save(model);
        let moments = tensors.iter().map(|(name, tensor)| of_tensor(name, tensor));
        let places = places.iter().map(|(name, values)| (name, [values.len()], values)).collect::<Vec<_>>();
        let places = places.iter().map(|(name, shape, values)| Entry { name, shape, values: Values::U32(values) });
        checkpoint::write(path, &moments.chain(places).collect::<Vec<Entry>>(), &[])
    }

    /// Takes up a saved state after `taken` updates.
    pub fn restore(&mut self, model: &Model, saved: &Weights, taken: u32) -> Result<()> {
        let device = model.device();
        let restore = |name: &str, [m, v]: &mut [Tensor; 2]| -> Result<()> {
            *m = read(saved, &format!("{name}.exp_avg"), device)?;
            *v = read(saved, &format!("{name}.exp_avg_sq"), device)?;
            Ok(())
        };
        for (parameter, both) in model.parameters.iter().zip(&mut self.shared) {
            restore(&parameter.name, both)?;
        }
        for (i, OfHead { parameters, moments, .. }) in self.heads.iter_mut().enumerate() {
            for (parameter, both) in parameters.iter().zip(moments) {
                restore(&name_of_head(i, &parameter.name), both)?;
            }
        }
        let counts = if self.heads.len() > 1 { saved.read_u32(HEADS_TAKEN)? } else { vec![taken] };
        for (head, taken) in self.heads.iter_mut().zip(counts) {
            head.taken = taken;
        }
        if let Some(scale) = &mut self.scale {
            *scale = read(saved, LOSS_SCALE, device)?;
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
        return Err(of_another_recipe(saved, name));
    };
    Tensor::filled(shape, device, |values| saved.read_into(name, values))
}

fn two_zeros(like: &Tensor) -> [Tensor; 2] {
    [(); 2].map(|()| Tensor::zeros(like.shape().clone(), like.device()))
}

/// The number of updates of each head, in a saved state of several.
const HEADS_TAKEN: &str = "heads.taken";

/// What a parameter of a head is called in a saved state: heads of two tasks may have the same names.
fn name_of_head(head: usize, name: &str) -> String {
    if head == 0 { name.to_owned() } else { format!("beside.{head}.{name}") }
}

fn of_tensor<'a>(name: &'a str, tensor: &'a Tensor) -> Entry<'a> {
    Entry { name, shape: tensor.shape(), values: Values::Tensors(std::slice::from_ref(tensor)) }
}

/// What f16 keeps beside the moments.
const LOSS_SCALE: &str = "loss_scale";

fn of_another_recipe(saved: &Weights, name: &str) -> Error {
    let source = saved.source().display();
    if name == LOSS_SCALE {
        return Error::Config(format!(
            "{source}: there is no {LOSS_SCALE}, which training in f16 has; give the --precision that the run began with"
        ));
    }
    Error::Data(format!("{source}: {name} is missing; the checkpoint belongs to another recipe"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        array::Segments,
        models::{Batch, Config, HeadKind, Place, Target, Words},
        nn::Pass,
    };

    /// Of two heads on one encoder each learns in its own updates, the encoder in all. AdamW's first update of a parameter is
    /// the learning rate in size, whenever it comes: a second update's correction would make it 0.74 of that.
    #[test]
    fn a_head_learns_in_its_own_updates_alone() {
        let config = serde_json::json!({
            "model_type": "xlm-roberta", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "pad_token_id": 1,
            "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 12, "type_vocab_size": 1,
            "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.5,
        });
        let config = Config::new(config.as_object().unwrap().clone()).unwrap();
        let labels = |n: usize| HeadKind::Classify((0..n).map(|i| i.to_string()).collect());
        let first = Model::fresh(config, labels(2), 7, &Device::cpu()).unwrap();
        let models = [first.beside(labels(3), 8).unwrap(), first];
        let [second, first] = &models;
        let settings = Settings {
            learning_rate: 1e-2,
            betas: [0.9, 0.999],
            epsilon: 1e-12,
            weight_decay: 0.0,
            max_grad_norm: f32::INFINITY,
            warmup_steps: 0,
            total_steps: 10,
            decay: Decay::Constant,
        };
        let mut optimizer = Optimizer::dense(first, settings).with_beside(&models[..1]);
        let numbers = |model: &Model, range: std::ops::Range<usize>| -> Vec<f32> {
            model.parameters[range].iter().flat_map(|parameter| parameter.tensor.to_vec()).collect()
        };
        let shared = |model: &Model| numbers(model, 0..model.n_shared);
        let head = |model: &Model| numbers(model, model.n_shared..model.parameters.len());
        let segments = Segments::new([3, 2]);
        for (number, model) in [(0, first), (1, second), (0, first)] {
            let (positions, types) = (segments.positions(), vec![0; 5].into());
            let target = Target::labels(&segments, vec![0, 1]);
            let batch = Batch {
                ids: vec![0, 5, 2, 0, 7].into(),
                positions,
                types,
                segments: segments.clone(),
                target,
                other: None,
            };
            let before = [shared(first), head(first), head(second)];
            let words = model.activations(Place::Word, &batch, Words::Table, Pass::evaluation());
            let loss = model.loss_from(Place::Word, &words, &batch, 0.5, Pass::evaluation());
            let (_, grads) = optimizer.gradients(loss, &optimizer.leaves(model, None));
            optimizer.step_head(number, model, None, &grads);
            let moved = |after: Vec<f32>, before: &[f32]| -> f32 {
                after.iter().zip(before).map(|(after, before)| (after - before).abs()).fold(0.0, f32::max)
            };
            let moved =
                [moved(shared(first), &before[0]), moved(head(first), &before[1]), moved(head(second), &before[2])];
            assert!(
                moved[0] > 0.0 && (moved[1] > 0.0) == (number == 0) && (moved[2] > 0.0) == (number == 1),
                "{moved:?}"
            );
            if optimizer.taken() < 3 {
                // In f32, weights of about 0.5 err by 2⁻²⁵.
                assert!((moved[1 + number] - 1e-2).abs() < 1e-6, "{moved:?}");
            }
        }
        assert_eq!(shared(first), shared(second));
    }
}
