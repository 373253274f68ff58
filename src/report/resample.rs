//! The bootstrap behind gain and distance: items drawn with replacement, an item in all its languages at once, and seeds.
//!
//! Test sets are parallel: a hard item is hard in every language, so rows are not independent and languages cannot be
//! drawn apart. Every replicate therefore draws whole items (clusters; Davison & Hinkley, 1997, 3.8), the same for all
//! models, which makes differences paired. Where a method has several seeds, a replicate draws seeds too, the same
//! places for methods with equally many.

use super::runs::{Column, Study};
use crate::rng::{Purpose, Rng};
use rayon::prelude::*;

/// Accuracies under resampled items: by replicate, cell and column.
pub struct Replicates {
    seed: u64,
    columns: usize,
    values: Vec<Vec<f64>>,
}

/// Streams of randomness: items below this, seeds from it on, languages from twice it on.
const SEEDS: u64 = 1 << 40;

impl Replicates {
    /// Draws `n` replicates.
    pub fn draw(study: &Study, n: usize, seed: u64) -> Replicates {
        let replicate = |number: usize| {
            let weights = weights(study.rows.len(), seed, number as u64);
            let share = |column: &Column| {
                let [part, whole] = sums(&weights, column);
                if whole > 0.0 { part / whole } else { f64::NAN }
            };
            study.cells.iter().flat_map(|cell| cell.marks.iter().map(share)).collect()
        };
        Replicates { seed, columns: study.examples.len(), values: (0..n).into_par_iter().map(replicate).collect() }
    }

    /// By column, the replicates of the mean of these cells, which are the seeds of a method.
    pub fn of(&self, cells: &[usize]) -> Vec<Vec<f64>> {
        let mut columns = vec![Vec::with_capacity(self.values.len()); self.columns];
        for (number, values) in self.values.iter().enumerate() {
            let drawn: Vec<usize> = match cells {
                [only] => vec![*only],
                _ => draws(self.seed, SEEDS | number as u64, cells.len()).map(|i| cells[i]).collect(),
            };
            for (j, column) in columns.iter_mut().enumerate() {
                let sum: f64 = drawn.iter().map(|cell| values[cell * self.columns + j]).sum();
                column.push(sum / drawn.len() as f64);
            }
        }
        columns
    }

    /// `n` places drawn with replacement for a replicate, for what is resampled beside items and seeds.
    pub fn places(&self, number: usize, n: usize) -> Vec<usize> {
        draws(self.seed, (2 * SEEDS) | number as u64, n).collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.values.len()
    }
}

fn draws(seed: u64, stream: u64, n: usize) -> impl Iterator<Item = usize> {
    let mut rng = Rng::for_purpose(seed, Purpose::Resample, stream);
    (0..n).map(move |_| rng.below(n as u32) as usize)
}

/// How often each cluster is drawn.
fn weights(n: usize, seed: u64, number: u64) -> Vec<f32> {
    let mut weights = vec![0.0; n];
    draws(seed, number, n).for_each(|i| weights[i] += 1.0);
    weights
}

/// Weighted sums of parts and wholes. Sixteen of each go on side by side, which vector instructions do at once; whole
/// numbers add up exactly, whatever their order.
fn sums(weights: &[f32], column: &Column) -> [f64; 2] {
    let (mut parts, mut wholes) = ([0.0f32; LANES], [0.0f32; LANES]);
    let chunks = weights.chunks(LANES).zip(column.parts.chunks(LANES)).zip(column.wholes.chunks(LANES));
    for ((weight, part), whole) in chunks {
        for i in 0..weight.len() {
            parts[i] += weight[i] * part[i];
            wholes[i] += weight[i] * whole[i];
        }
    }
    [parts, wholes].map(|lanes| lanes.iter().map(|x| f64::from(*x)).sum())
}

const LANES: usize = 16;
