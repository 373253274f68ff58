//! Building a model: every parameter is read from a checkpoint by its path, or initialized where that is allowed.

use super::Parameter;
use crate::{
    array::Shape,
    checkpoint::{Weights, not_finite},
    error::{Error, Result},
    rng::{Purpose, Rng},
    tensor::{Device, Tensor},
};
use rayon::prelude::*;
use std::{collections::BTreeSet, ops::Range};

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

/// Hands out parameters while a model is put together, and keeps account of what was found.
pub struct Builder<'a> {
    weights: Option<&'a Weights>,
    device: &'a Device,
    seed: u64,
    initializer_range: f32,
    path: Vec<String>,
    /// Whether a missing tensor may be initialized: for a head, or where there is no checkpoint at all.
    may_initialize: bool,
    /// Whether the checkpoint's head is for something else, and so not to be used.
    forget_head: bool,
    used: BTreeSet<String>,
    problems: Vec<String>,
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
    /// Builds from `weights`, or afresh.
    pub fn new(weights: Option<&'a Weights>, device: &'a Device, seed: u64, initializer_range: f32) -> Builder<'a> {
        Builder {
            weights,
            device,
            seed,
            initializer_range,
            path: Vec::new(),
            may_initialize: weights.is_none(),
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

    /// Builds a head, which is initialized where the checkpoint does not have it or has one for something else.
    pub fn head<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let weights = if self.forget_head { None } else { self.weights };
        let before = (std::mem::replace(&mut self.may_initialize, true), std::mem::replace(&mut self.weights, weights));
        let built = build(self);
        (self.may_initialize, self.weights) = before;
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

    /// A matrix cut into windows of rows that the device can bind; kept apart from the other parameters.
    pub fn windows(&mut self, name: &str, shape: [usize; 2], fill: Fill) -> (String, Vec<Tensor>) {
        let name = self.full_name(name);
        let each = self.device.max_rows(shape[1]);
        let starts = (0..shape[0]).step_by(each.min(shape[0]).max(1));
        let windows = starts.map(|start| {
            let rows = start..(start + each.min(shape[0])).min(shape[0]);
            self.tensor(&name, &shape, rows, fill)
        });
        let windows = windows.collect();
        (name, windows)
    }

    /// The whole account, or one table of everything that does not fit.
    pub fn finish(self, what: &str) -> Result<Built> {
        let unused: Vec<String> = match self.weights {
            Some(weights) => weights.names().filter(|name| !self.used.contains(*name)).map(str::to_string).collect(),
            None => Vec::new(),
        };
        if self.problems.is_empty() {
            let Builder { parameters, initialized, not_finite, .. } = self;
            return Ok(Built { parameters, initialized, unused, not_finite });
        }
        let source = self.weights.map(|weights| weights.source().display().to_string()).unwrap_or_default();
        let mut lines = vec![format!("{source} does not fit {what}")];
        lines.extend(self.problems.iter().map(|problem| format!("  {problem}")));
        lines.extend(unused.iter().map(|name| format!("  {name}: not part of this model")));
        lines.push("  remedy: take config.json and weights from the same model".to_string());
        Err(Error::Data(lines.join("\n")))
    }

    fn full_name(&self, name: &str) -> String {
        self.path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
    }

    /// Rows of a tensor from the checkpoint, or fresh ones; a problem is noted and zeros stand in.
    fn tensor(&mut self, name: &str, shape: &[usize], rows: Range<usize>, fill: Fill) -> Tensor {
        let extent: Vec<usize> = std::iter::once(rows.len()).chain(shape[1..].iter().copied()).collect();
        let tensor = Tensor::filled(&extent[..], self.device, |values| {
            if !self.load(name, shape, rows, fill, values) {
                values.fill(0.0);
            }
            Ok(())
        });
        tensor.expect("problems are noted").tracked()
    }

    /// Whether the values could be filled.
    fn load(&mut self, name: &str, shape: &[usize], rows: Range<usize>, fill: Fill, values: &mut [f32]) -> bool {
        let expected = Shape::from(shape);
        let Some(weights) = self.weights.filter(|weights| weights.contains(name)) else {
            if self.may_initialize {
                if self.initialized.last().is_none_or(|last| last != name) {
                    self.initialized.push(name.to_string());
                }
                self.fresh(name, rows.start * shape[1..].iter().product::<usize>(), fill, values);
            } else {
                self.problem(format!("{name}: missing, expected {expected:?}"));
            }
            return self.may_initialize;
        };
        self.used.insert(name.to_string());
        let found = weights.shape(name).unwrap_or_default();
        if found != shape {
            self.problem(format!("{name}: expected {expected:?}, found {:?}", Shape::from(found)));
            return false;
        }
        if let Err(error) = weights.read_rows_into(name, rows, values) {
            self.problem(format!("{name}: {error}"));
            return false;
        }
        if not_finite(values) > 0 {
            self.not_finite.push(name.to_string());
        }
        true
    }

    fn problem(&mut self, problem: String) {
        if self.problems.last() != Some(&problem) {
            self.problems.push(problem);
        }
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
