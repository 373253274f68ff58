//! Building a model: every parameter is read from a checkpoint by its path, or initialized where that is allowed.

use super::{
    Parameter,
    account::{self, Finding},
};
use crate::{
    array::Shape,
    checkpoint::{Weights, not_finite},
    error::{Error, Result},
    rng::{Purpose, Rng},
    tensor::{Device, Tensor},
};
use rayon::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// What a parameter that the checkpoint lacks starts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Normal with the configuration's `initializer_range` as standard deviation.
    Normal,
    /// Zero.
    Zeros,
    /// One.
    Ones,
}

/// A checkpoint to build from.
#[derive(Debug)]
pub struct Source<'a> {
    /// The file.
    pub weights: &'a Weights,
    /// From the names of the model to those in the file.
    pub stored: BTreeMap<String, String>,
    /// Names in the file that are no loss if nothing reads them.
    pub idle: BTreeSet<String>,
    /// Names of the model, with the shard that an index says holds them, and does not.
    pub absent: BTreeMap<String, String>,
}

/// What a builder is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Look whether everything is there and fits, and make nothing: sizes may lie.
    Survey,
    /// Make the tensors.
    Build,
}

/// Hands out parameters while a model is put together, and keeps account of what was found.
pub struct Builder<'a> {
    work: Work,
    source: Option<&'a Source<'a>>,
    device: &'a Device,
    seed: u64,
    initializer_range: f32,
    path: Vec<String>,
    /// Whether a missing tensor may be initialized: for a head, or where there is no checkpoint at all.
    may_initialize: bool,
    /// Whether the checkpoint's head is for something else, and so not to be used.
    forget_head: bool,
    used: BTreeSet<String>,
    problems: Vec<Finding>,
    initialized: Vec<String>,
    not_finite: Vec<String>,
    parameters: Vec<Parameter>,
}

/// What was built, beside the layers.
#[derive(Debug)]
pub struct Built {
    /// Every parameter, in the order of the model.
    pub parameters: Vec<Parameter>,
    /// Names of parameters that were initialized rather than loaded.
    pub initialized: Vec<String>,
    /// Names of tensors in the checkpoint that the model has no use for.
    pub unused: Vec<String>,
    /// Names of loaded tensors that hold NaN or infinity.
    pub not_finite: Vec<String>,
}

impl<'a> Builder<'a> {
    /// Builds from a checkpoint, or afresh.
    pub fn new(
        work: Work,
        source: Option<&'a Source<'a>>,
        device: &'a Device,
        seed: u64,
        initializer_range: f32,
    ) -> Builder<'a> {
        Builder {
            work,
            source,
            device,
            seed,
            initializer_range,
            path: Vec::new(),
            may_initialize: source.is_none(),
            forget_head: false,
            used: BTreeSet::new(),
            problems: Vec::new(),
            initialized: Vec::new(),
            not_finite: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// Where the model is to live.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// Descends into a part of the model.
    pub fn within<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.to_string());
        let built = build(self);
        self.path.pop();
        built
    }

    /// Builds what the checkpoint may lack, and is then initialized.
    pub fn optional<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.may_initialize, true);
        let built = build(self);
        self.may_initialize = before;
        built
    }

    /// Builds a head, which is initialized where the checkpoint does not have it or has one for something else.
    pub fn head<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let before = if self.forget_head { self.source.take() } else { self.source };
        let built = self.optional(build);
        self.source = before;
        built
    }

    /// Leaves a head in the checkpoint alone: it predicts something else.
    pub fn forget_weights_of_head(&mut self) {
        self.forget_head = true;
    }

    /// The parameter of this name and shape.
    pub fn parameter(&mut self, name: &str, shape: &[usize], fill: Fill) -> Tensor {
        let name = self.full_name(name);
        let tensor = self.tensor(&name, shape, 0..shape[0], fill);
        self.parameters.push(Parameter { name, tensor: tensor.clone() });
        tensor
    }

    /// Whether tensors are made, and not only looked for.
    pub fn makes(&self) -> bool {
        self.work == Work::Build
    }

    /// Zeros that are no parameter.
    pub fn zeros(&self, width: usize) -> Tensor {
        Tensor::zeros([if self.work == Work::Survey { 1 } else { width }], self.device)
    }

    /// The names of the parameters so far.
    pub fn names(&self) -> Vec<String> {
        self.parameters.iter().map(|parameter| parameter.name.clone()).collect()
    }

    /// A matrix cut into windows of rows that the device can bind; kept apart from the other parameters.
    pub fn windows(&mut self, name: &str, shape: [usize; 2], fill: Fill) -> (String, Vec<Tensor>) {
        let name = self.full_name(name);
        let each = if self.work == Work::Survey { shape[0] } else { self.device.max_rows(shape[1]) };
        let starts = (0..shape[0]).step_by(each.min(shape[0]).max(1));
        let windows = starts.map(|start| {
            let rows = start..(start + each.min(shape[0])).min(shape[0]);
            self.tensor(&name, &shape, rows, fill)
        });
        let windows = windows.collect();
        (name, windows)
    }

    /// Notes that the file is not what the configuration says.
    pub fn differ(&mut self, name: String, what: String) {
        self.problems.insert(0, (name, what));
    }

    /// Says nothing of tensors that nothing reads, where what is wrong with them was said already.
    pub fn pass_over(&mut self, is_said: impl Fn(&str) -> bool) {
        if let Some(source) = self.source {
            self.used.extend(source.weights.names().filter(|name| is_said(name)).map(str::to_string));
        }
    }

    /// The whole account, or one table of everything that does not fit `what`.
    pub fn finish(self, what: &str) -> Result<Built> {
        let Some(source) = self.source else {
            let Builder { parameters, initialized, not_finite, .. } = self;
            return Ok(Built { parameters, initialized, unused: Vec::new(), not_finite });
        };
        let is_unused = |name: &&str| !self.used.contains(*name) && !source.idle.contains(*name);
        let unused: Vec<String> = source.weights.names().filter(is_unused).map(str::to_string).collect();
        if self.problems.is_empty() {
            let Builder { parameters, initialized, not_finite, .. } = self;
            return Ok(Built { parameters, initialized, unused, not_finite });
        }
        let left = unused.iter().map(|name| (name.clone(), "not part of this model".to_string())).collect::<Vec<_>>();
        let mut lines = vec![format!("{} does not fit {what}", source.weights.source().display())];
        lines.extend(account::screen(&self.problems, &left).into_iter().map(|line| format!("  {line}")));
        lines.push("  remedy: take config.json and weights from the same model".to_string());
        Err(Error::Data(lines.join("\n")))
    }

    fn full_name(&self, name: &str) -> String {
        self.path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
    }

    /// Rows of a tensor from the checkpoint, or fresh ones; a problem is noted and zeros stand in.
    fn tensor(&mut self, name: &str, shape: &[usize], rows: Range<usize>, fill: Fill) -> Tensor {
        let stored = self.find(name, shape);
        if self.work == Work::Survey {
            return Tensor::zeros([1], self.device);
        }
        let extent: Vec<usize> = std::iter::once(rows.len()).chain(shape[1..].iter().copied()).collect();
        let tensor = Tensor::filled(&extent[..], self.device, |values| {
            match stored {
                Found::Stored(weights, stored) => self.read(weights, stored, name, rows, values),
                Found::Fresh => self.fresh(name, rows.start * shape[1..].iter().product::<usize>(), fill, values),
                Found::Nothing => values.fill(0.0),
            }
            Ok(())
        });
        tensor.expect("problems are noted").tracked()
    }

    /// Where a tensor comes from; what keeps it from coming is noted.
    fn find(&mut self, name: &str, shape: &[usize]) -> Found<'a> {
        let stored = self.source.and_then(|source| Some((source.weights, source.stored.get(name)?)));
        if let Some((weights, stored)) = stored {
            self.used.insert(stored.clone());
            return match weights.unfit(stored, shape) {
                None => Found::Stored(weights, stored),
                Some(problem) => self.problem(stored, problem),
            };
        }
        let expected = Shape::from(shape);
        if let Some(shard) = self.source.and_then(|source| source.absent.get(name)) {
            return self.problem(name, format!("missing, expected {expected:?}; the index names it in \"{shard}\""));
        }
        if !self.may_initialize {
            return self.problem(name, format!("missing, expected {expected:?}"));
        }
        if self.initialized.last().is_none_or(|last| last != name) {
            self.initialized.push(name.to_string());
        }
        Found::Fresh
    }

    fn read(&mut self, weights: &Weights, stored: &str, name: &str, rows: Range<usize>, values: &mut [f32]) {
        if let Err(error) = weights.read_rows_into(stored, rows, values) {
            values.fill(0.0);
            self.problem(stored, error.to_string());
        } else if not_finite(values) > 0 && self.not_finite.last().is_none_or(|last| last != name) {
            self.not_finite.push(name.to_string());
        }
    }

    /// Notes what is wrong with a tensor, once where it has several windows.
    fn problem(&mut self, name: &str, problem: String) -> Found<'a> {
        let problem = (name.to_string(), problem);
        if self.problems.last() != Some(&problem) {
            self.problems.push(problem);
        }
        Found::Nothing
    }

    /// Fresh numbers: a function of the seed, the name and the place, whatever the windows.
    fn fresh(&self, name: &str, start: usize, fill: Fill, values: &mut [f32]) {
        const BLOCK: usize = 4096;
        let stream = name.bytes().fold(0u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)) >> 8;
        let draw = |block: usize, skip: usize, values: &mut [f32]| {
            let mut rng = Rng::for_purpose(self.seed, Purpose::Initialize, stream.wrapping_add(block as u64));
            for _ in 0..skip {
                let _ = rng.gaussian();
            }
            values.iter_mut().for_each(|value| *value = self.initializer_range * rng.gaussian());
        };
        match fill {
            Fill::Zeros => values.fill(0.0),
            Fill::Ones => values.fill(1.0),
            Fill::Normal => {
                let (first, skip) = (start / BLOCK, start % BLOCK);
                let (head, rest) = values.split_at_mut((BLOCK - skip).min(values.len()));
                draw(first, skip, head);
                rest.par_chunks_mut(BLOCK).enumerate().for_each(|(i, values)| draw(first + 1 + i, 0, values));
            }
        }
    }
}

/// Where the numbers of a tensor come from.
enum Found<'a> {
    /// The file, under this name.
    Stored(&'a Weights, &'a str),
    /// The seed.
    Fresh,
    /// Nowhere: a problem was noted.
    Nothing,
}
