//! Loops over numbers: on all cores, and compiled for the widest vectors of the processor at hand.
//!
//! The compiler only does so for what is inlined into [`vectorized`], so closures given to these functions say
//! `#[inline(always)]`.

use rayon::prelude::*;
use std::ops::Range;

/// Numbers that one task works on: large enough to hide the hand-over, small enough for the cache.
const CHUNK: usize = 1 << 14;

/// Runs `work` compiled for the processor's vector instructions (as far as it is inlined here).
#[inline(always)]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// `f(start, chunk)` for the chunks of a buffer, in parallel.
pub fn for_slices(output: &mut [f32], f: impl Fn(usize, &mut [f32]) + Sync) {
    let one = |start: usize, chunk: &mut [f32]| {
        vectorized(
            #[inline(always)]
            || f(start, chunk),
        )
    };
    if output.len() <= CHUNK {
        return one(0, output);
    }
    output.par_chunks_mut(CHUNK).enumerate().for_each(|(i, chunk)| one(i * CHUNK, chunk));
}

/// `output[i] = f(x[i])`, in parallel.
pub fn map(output: &mut [f32], x: &[f32], f: impl Fn(f32) -> f32 + Sync) {
    for_slices(
        output,
        #[inline(always)]
        |start, out| {
            let x = &x[start..][..out.len()];
            for i in 0..out.len() {
                out[i] = f(x[i]);
            }
        },
    );
}

/// `output[i] = f(x[i], y[i])`, in parallel.
pub fn zip(output: &mut [f32], x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    for_slices(
        output,
        #[inline(always)]
        |start, out| {
            let (x, y) = (&x[start..][..out.len()], &y[start..][..out.len()]);
            for i in 0..out.len() {
                out[i] = f(x[i], y[i]);
            }
        },
    );
}

/// `f(i, row)` for the rows of a matrix, in parallel.
pub fn for_rows(output: &mut [f32], columns: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    for_rows_with(
        output,
        columns,
        0,
        #[inline(always)]
        |_, i, row| f(i, row),
    );
}

/// `f(scratch, i, row)` for the rows of a matrix, in parallel, each with room for `scratch` numbers.
pub fn for_rows_with(
    output: &mut [f32],
    columns: usize,
    scratch: usize,
    f: impl Fn(&mut [f32], usize, &mut [f32]) + Sync,
) {
    if columns == 0 {
        return;
    }
    let rows_each = (CHUNK / columns).max(1);
    let several = |first: usize, rows: &mut [f32]| {
        let mut room = vec![0.0; scratch];
        vectorized(
            #[inline(always)]
            || {
                for (i, row) in rows.chunks_exact_mut(columns).enumerate() {
                    f(&mut room, first + i, row);
                }
            },
        );
    };
    if output.len() <= rows_each * columns {
        return several(0, output);
    }
    output.par_chunks_mut(rows_each * columns).enumerate().for_each(|(i, rows)| several(i * rows_each, rows));
}

/// `f(columns, part)` for blocks of a row, in parallel: sums over the rows of a matrix that take one order whatever the
/// number of threads.
pub fn for_columns(output: &mut [f32], f: impl Fn(Range<usize>, &mut [f32]) + Sync) {
    const WIDTH: usize = 64;
    output.par_chunks_mut(WIDTH).enumerate().for_each(|(i, part)| {
        vectorized(
            #[inline(always)]
            || f(i * WIDTH..i * WIDTH + part.len(), part),
        );
    });
}

/// Accumulators that run side by side: a sum in one order that vector instructions can keep up with.
const LANES: usize = 32;

/// `Σ f(xᵢ, yᵢ)` in a fixed order.
#[inline(always)]
pub fn sum_pairs(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (x_blocks, y_blocks) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest = x_blocks.remainder().iter().zip(y_blocks.remainder()).fold(0.0, |sum, (x, y)| sum + f(*x, *y));
    for (x, y) in x_blocks.zip(y_blocks) {
        for i in 0..LANES {
            lanes[i] += f(x[i], y[i]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// `Σ f(xᵢ)` in a fixed order.
#[inline(always)]
pub fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum_pairs(x, x, |x, _| f(x))
}

/// The largest number, [`f32::MIN`] of none.
#[inline(always)]
pub fn max(x: &[f32]) -> f32 {
    let mut lanes = [f32::MIN; LANES];
    let blocks = x.chunks_exact(LANES);
    let rest = blocks.remainder().iter().fold(f32::MIN, |most, x| if *x > most { *x } else { most });
    for block in blocks {
        for i in 0..LANES {
            lanes[i] = if block[i] > lanes[i] { block[i] } else { lanes[i] };
        }
    }
    lanes.iter().fold(rest, |most, x| if *x > most { *x } else { most })
}

/// `eˣ` without branches, within 2e-7 of its value; 0 below -87.3. NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it leaves the nearest whole number in the low bits
    let clamped = if x < -87.3 { -87.3 } else { x };
    let clamped = if clamped > 88.0 { 88.0 } else { clamped };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4; // ln 2 in two parts
    // The polynomial of Cephes' expf (Moshier, 1984).
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let value = p * r * r + r + 1.0;
    let power = f32::from_bits(
        ((shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32) as u32).wrapping_add(127) << 23,
    );
    let result = value * power;
    let result = if x < -87.3 { 0.0 } else { result };
    if x > 88.7 { f32::INFINITY } else { result }
}

/// The error function by formula 7.1.26 of Abramowitz & Stegun, within 6e-7, given `exp(-x²)`.
#[inline(always)]
pub fn erf(x: f32, exp_of_minus_square: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let p = t * (0.254_829_6 + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152_1 + t * 1.061_405_4))));
    (1.0 - p * exp_of_minus_square).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_everywhere() {
        for i in -8_800..8_800 {
            let x = i as f32 / 100.0;
            let (got, expected) = (f64::from(exp(x)), f64::from(x).exp());
            let expected = if x < -87.3 { 0.0 } else { expected };
            assert!((got - expected).abs() <= 3e-7 * expected, "exp({x}) = {got}, not {expected}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(f32::MIN), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
    }

    #[test]
    fn sums_take_every_number_once() {
        for n in [0_usize, 1, 31, 32, 33, 100] {
            let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
            assert_eq!(sum(&x, |x| x), (n * n.saturating_sub(1)) as f32 / 2.0);
            assert_eq!(max(&x), if n == 0 { f32::MIN } else { n as f32 - 1.0 });
        }
    }
}
