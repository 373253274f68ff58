//! What the device can do at most, measured in the same run: multiply-adds, memory, and bare matrix products.

use super::{
    cases::Scene,
    timing::{Budget, measure},
};
use crate::{
    array::Shape,
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    ops::{Copy, Layout, matmul},
    profile,
    tensor::{Device, Tensor, Update, without_graph},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rates that nothing exceeds, but what stays in caches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// f32 multiplications and additions per second, out of registers.
    pub flops: f64,
    /// Bytes per second that a copy reads and writes.
    pub bytes: f64,
    /// Floating point operations per second of all matrix products of a layer, forward and backward, without anything
    /// between them.
    pub products: f64,
}

impl Ceilings {
    /// Measures a device.
    pub fn measure(device: &Device, scene: &Scene, budget: Budget) -> Ceilings {
        let (multiply_add, bytes_copied) = (MultiplyAdd::for_device(device), 2.0 * 4.0 * COPIED as f64);
        let x = Tensor::zeros([multiply_add.numbers], device);
        let arithmetic = measure(device, budget, || Tensor::update(&multiply_add, &[&x], &[]));
        let [from, to] = [(); 2].map(|()| Tensor::zeros([COPIED], device));
        let copy = measure(device, budget, || match device {
            Device::Cpu(_) => Tensor::update(&ParallelCopy, &[&to], &[&from]),
            _ => Tensor::update(&Copy, &[&to], &[&from]),
        });
        Ceilings {
            flops: multiply_add.flops() / arithmetic.seconds,
            bytes: bytes_copied / copy.seconds,
            products: products(device, scene, budget),
        }
    }

    /// The share of the time that arithmetic or memory traffic alone would need.
    pub fn share(&self, work: profile::Work, seconds: f64) -> f64 {
        (work.flops / self.flops).max(work.bytes / self.bytes) / seconds
    }
}

/// Numbers that the probe of memory copies: 64 MiB, which no cache holds twice and every adapter binds.
const COPIED: usize = 16 << 20;

/// The products of one layer, forward, and backward for input and weight: four square ones, up and down.
fn products(device: &Device, scene: &Scene, budget: Budget) -> f64 {
    let (t, h, inner) = (scene.batch.ids.len(), scene.extents.hidden, scene.extents.inner);
    let filled = |rows, columns| super::filled(&[rows, columns].into(), device);
    let uses = [(h, h, 4), (h, inner, 1), (inner, h, 1)]
        .map(|(inputs, outputs, times)| (filled(t, inputs), filled(outputs, inputs), filled(t, outputs), times));
    let run = || {
        for (x, weight, grad, times) in &uses {
            for _ in 0..*times {
                matmul(x, weight, Layout::NT);
                matmul(grad, weight, Layout::NN);
                matmul(grad, x, Layout::TN);
            }
        }
    };
    without_graph(|| {
        let ((), work) = profile::count(run);
        work.flops / measure(device, budget, run).seconds
    })
}

/// `x · 0.999 + 0.001`, 16 · `rounds` times.
#[derive(Debug)]
struct MultiplyAdd {
    numbers: usize,
    rounds: usize,
}

const FACTOR: f32 = 0.999;
const SUMMAND: f32 = 0.001;
/// Steps of a round.
const STEPS: usize = 16;
/// Numbers that a core of the CPU keeps in registers: eight vectors of sixteen.
const HELD: usize = 128;

impl MultiplyAdd {
    fn for_device(device: &Device) -> MultiplyAdd {
        match device {
            Device::Gpu(_) => MultiplyAdd { numbers: 32 * 64 * 2048, rounds: 32 },
            _ => MultiplyAdd { numbers: HELD * 1024, rounds: 256 },
        }
    }

    fn flops(&self) -> f64 {
        2.0 * (self.numbers * self.rounds * STEPS) as f64
    }
}

impl Update for MultiplyAdd {
    fn reference(&self, state: &mut [&mut [f64]], _: &[&[f64]]) {
        for x in state[0].iter_mut() {
            (0..self.rounds * STEPS).for_each(|_| *x = *x * f64::from(FACTOR) + f64::from(SUMMAND));
        }
    }

    fn cpu(&self, state: &mut [&mut [f32]], _: &[&[f32]]) {
        state[0].par_chunks_exact_mut(HELD).for_each(|x| {
            cpu::vectorized(
                #[inline(always)]
                || {
                    let mut held: [f32; HELD] = [0.0; HELD];
                    held.copy_from_slice(x);
                    for _ in 0..self.rounds * STEPS {
                        for x in &mut held {
                            *x = x.mul_add(FACTOR, SUMMAND);
                        }
                    }
                    x.copy_from_slice(&held);
                },
            );
        });
    }

    fn kernel(&self, state: &[&Shape], _: &[&Shape]) -> Kernel {
        let n = state[0].len();
        let dispatch = Dispatch {
            shader: "multiply_add".into(),
            entry: "forward",
            bindings: vec![Binding::Output(0)],
            uniform: vec![n as u32, self.rounds as u32],
            workgroups: n.div_ceil(32 * 64),
        };
        Kernel { dispatches: vec![dispatch], ..Kernel::default() }
    }
}

/// A copy by all cores: one alone does not fill the memory's bandwidth.
#[derive(Debug)]
struct ParallelCopy;

impl Update for ParallelCopy {
    fn reference(&self, state: &mut [&mut [f64]], inputs: &[&[f64]]) {
        state[0].copy_from_slice(inputs[0]);
    }

    fn cpu(&self, state: &mut [&mut [f32]], inputs: &[&[f32]]) {
        let part = inputs[0].len().div_ceil(rayon::current_num_threads()).max(1);
        state[0].par_chunks_mut(part).zip(inputs[0].par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from));
    }

    fn kernel(&self, state: &[&Shape], inputs: &[&Shape]) -> Kernel {
        Copy.kernel(state, inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_of_arithmetic_computes_what_it_says() {
        let probe = MultiplyAdd { numbers: 2 * HELD, rounds: 3 };
        let values: Vec<f32> = (0..probe.numbers).map(|i| i as f32 / 100.0).collect();
        let results = [Device::Reference, Device::cpu()].map(|device| {
            let x = Tensor::new(&values, [probe.numbers], &device);
            Tensor::update(&probe, &[&x], &[]);
            x.to_vec()
        });
        for (got, expected) in results[1].iter().zip(&results[0]) {
            assert!((got - expected).abs() < 1e-5, "{got}, not {expected}");
        }
        assert_eq!(probe.flops(), (2 * HELD * 3 * 16 * 2) as f64);
    }
}
