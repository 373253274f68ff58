//! Matrix products with operands rounded to bf16 and sums in f32: by the tiles of `amx` where there are some, else by
//! the `vdpbf16ps` of AVX512-BF16.
//!
//! Both operands are packed first. A word holds two bf16 that are neighbours along k; a panel holds the words of a few
//! rows of the left matrix, or columns of the right one, those of one depth side by side. The inner loop walks down a
//! panel of each and keeps their [`ROWS`] × [`COLUMNS`] sums in 24 registers.
//!
//! A sum runs over k in an order that depends on k alone: threads and the other extents do not change a bit of it.
//! Numbers are rounded to the nearest, ties to even, and those below 2⁻¹²⁶ are 0, as the instructions have it.

#![expect(
    unsafe_code,
    reason = "vector loads and stores take pointers; each comes from a slice or tile of that extent"
)]

use super::{
    amx,
    panels::{LANES, Panels, lanes},
    tile::{Matrix, Output, Tile},
};
use rayon::prelude::*;
use std::{arch::x86_64::*, mem::transmute};

/// Rows of the inner tile: each takes a broadcast, which two products share.
const ROWS: usize = 12;
/// Columns of the inner tile: two registers. 24 of 32 registers hold sums; one row more would leave too few.
const COLUMNS: usize = 2 * LANES;
/// Words along k that are worked on at once: the left panel's 18 KiB stay in the first cache.
const DEPTH: usize = 384;
/// Columns that one task works on: with [`DEPTH`], the 384 KiB of right panels stay in the second cache.
const BLOCK_COLUMNS: usize = 8 * COLUMNS;
/// Rows that one task works on: few enough that there are tasks for many threads.
const BLOCK_ROWS: usize = 8 * ROWS;

/// Whether this processor has the instructions.
pub fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// Whether products go by AMX.
pub fn has_amx() -> bool {
    is_available() && amx::is_available()
}

/// `output (m, n) = a (m, k) · b (k, n)` with both rounded to bf16, on all cores if `parallel`.
pub fn product(output: Tile, mode: Output, k: usize, a: Matrix, b: Matrix, parallel: bool) {
    assert!(is_available(), "this processor has no AVX512-BF16");
    let (m, n) = (output.rows, output.columns);
    assert!(a.holds(m, k), "the left matrix is smaller than ({m}, {k})");
    assert!(b.holds(k, n), "the right matrix is smaller than ({k}, {n})");
    match amx::is_available() {
        true => amx::product(output, mode, k, a, b, parallel),
        false => by_vectors(output, mode, k, a, b, parallel),
    }
}

/// The same by `vdpbf16ps`.
fn by_vectors(mut output: Tile, mode: Output, k: usize, a: Matrix, b: Matrix, parallel: bool) {
    let (m, n) = (output.rows, output.columns);
    let left = Panels::<ROWS>::pack(a, m, k, k.div_ceil(2), parallel);
    let right = Panels::<COLUMNS>::pack(b.t(), n, k, k.div_ceil(2), parallel);
    let tasks = output.blocks(BLOCK_ROWS, BLOCK_COLUMNS);
    let tasks = tasks.into_par_iter().with_min_len(if parallel { 1 } else { usize::MAX });
    tasks.for_each(|(top, column, tile)| {
        // SAFETY: the features were just asserted.
        unsafe { block(tile, mode, left.at(top), right.at(column), k.div_ceil(2)) }
    });
}

/// One task: a block of the output from its panels of `words` words along k.
#[target_feature(enable = "avx512f,avx512bf16")]
fn block(mut output: Tile, mode: Output, left: &[u32], right: &[u32], words: usize) {
    let (m, n) = (output.rows, output.columns);
    let parts = words.div_ceil(DEPTH).max(1);
    let depth = words.div_ceil(parts);
    for part in 0..parts {
        let mode = if part == 0 { mode } else { Output::Add };
        let range = (part * depth).min(words)..((part + 1) * depth).min(words);
        for (i, top) in (0..m).step_by(ROWS).enumerate() {
            let a = &left[i * words * ROWS..][range.start * ROWS..range.end * ROWS];
            for (j, column) in (0..n).step_by(COLUMNS).enumerate() {
                let b = &right[j * words * COLUMNS..][range.start * COLUMNS..range.end * COLUMNS];
                write(&mut output.part(top, column, ROWS, COLUMNS), mode, sums(a, b));
            }
        }
    }
}

/// A register of words, of which a slice has at least 16.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn words(x: &[u32]) -> __m512bh {
    // SAFETY: the slice has 16 words, and words are two bf16 each.
    unsafe { transmute(_mm512_loadu_si512(x[..LANES].as_ptr().cast())) }
}

/// The sums of a tile, from its two panels.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn sums(a: &[u32], b: &[u32]) -> [[__m512; 2]; ROWS] {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for (a, b) in a.as_chunks::<ROWS>().0.iter().zip(b.as_chunks::<COLUMNS>().0) {
        let b = [words(b), words(&b[LANES..])];
        for i in 0..ROWS {
            // SAFETY: both types are 512 bits, and words are two bf16 each.
            let a = unsafe { transmute::<__m512i, __m512bh>(_mm512_set1_epi32(a[i].cast_signed())) };
            sums[i] = [_mm512_dpbf16_ps(sums[i][0], a, b[0]), _mm512_dpbf16_ps(sums[i][1], a, b[1])];
        }
    }
    sums
}

/// Writes as many of the sums as the tile has numbers.
#[target_feature(enable = "avx512f")]
#[inline]
fn write(tile: &mut Tile, mode: Output, sums: [[__m512; 2]; ROWS]) {
    for (i, row) in sums.into_iter().enumerate().take(tile.rows) {
        for (j, sum) in row.into_iter().enumerate() {
            let mask = lanes(tile.columns.saturating_sub(j * LANES));
            // SAFETY: row i < rows is the tile's, and the mask leaves out the columns that are not.
            unsafe {
                let at = tile.start.add(i * tile.stride).wrapping_add(j * LANES);
                let sum = match mode {
                    Output::Replace => sum,
                    Output::Add => _mm512_add_ps(_mm512_maskz_loadu_ps(mask, at), sum),
                };
                _mm512_mask_storeu_ps(at, mask, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn random(len: usize, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed, 0);
        (0..len).map(|_| rng.gaussian()).collect()
    }

    /// A product, for all threads or one.
    type Product = fn(Tile, Output, usize, Matrix, Matrix, bool);

    /// All that this machine has; says what it lacks.
    fn products() -> Vec<(&'static str, Product)> {
        let all: [(&str, bool, Product); 2] =
            [("AVX512-BF16", is_available(), by_vectors), ("AMX", amx::is_available(), amx::product)];
        let (here, lacking): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, available, _)| *available);
        lacking.iter().for_each(|(name, ..)| eprintln!("skipped: this processor has no {name}"));
        here.into_iter().map(|(name, _, product)| (name, product)).collect()
    }

    fn run(product: Product, output: &mut [f32], mode: Output, [m, n, k]: [usize; 3], a: Matrix, b: Matrix) {
        product(Tile::whole(output, m, n), mode, k, a, b, m * n * k > 50_000);
    }

    /// Every element against the f64 product of the rounded operands, and of those as they are.
    fn check((name, product): (&str, Product), [m, n, k]: [usize; 3], layout: &str, mode: Output) {
        let (a, b) = (random(m * k, 1), random(k * n, 2));
        let a = if layout.starts_with('T') { Matrix::rows(&a, m).t() } else { Matrix::rows(&a, k) };
        let b = if layout.ends_with('T') { Matrix::rows(&b, k).t() } else { Matrix::rows(&b, n) };
        let mut output = vec![0.5; m * n];
        run(product, &mut output, mode, [m, n, k], a, b);
        let start = if mode == Output::Add { 0.5 } else { 0.0 };
        let at = |x: Matrix, i: usize, j: usize| x.data[i * x.row_stride + j * x.column_stride];
        let rounded = |x: f32| f64::from(half::bf16::from_f32(x).to_f32());
        for (i, got) in output.iter().map(|x| f64::from(*x)).enumerate() {
            let (mut close, mut exact, mut size) = (start, start, start);
            for p in 0..k {
                let (x, y) = (at(a, i / n, p), at(b, p, i % n));
                close += rounded(x) * rounded(y);
                exact += f64::from(x) * f64::from(y);
                size += (f64::from(x) * f64::from(y)).abs();
            }
            // The first bound is f32's rounding of the sum; the second that of two operands to 8 bits, 2 · 2⁻⁸.
            let what = format!("{m} x {n} x {k} {layout} by {name}, element {i}: got {got}");
            assert!((got - close).abs() <= 3e-7 * size, "{what}, expected {close}, {size}");
            assert!((got - exact).abs() <= 7.83e-3 * size, "{what}, expected about {exact}");
        }
    }

    #[test]
    fn products_are_right_at_every_edge() {
        for product in products() {
            let mut modes = [Output::Replace, Output::Add].into_iter().cycle();
            for layout in ["NN", "NT", "TN", "TT"] {
                for m in [0, 1, 2, 11, 12, 13, 15, 16, 17, 31, 33, 64, 100] {
                    for n in [0, 1, 2, 15, 16, 17, 31, 32, 33, 64, 67] {
                        for k in [0, 1, 2, 3, 31, 32, 33, 64, 71] {
                            check(product, [m, n, k], layout, modes.next().unwrap());
                        }
                    }
                }
                for extents in [[200, 300, 70], [13, 259, 769], [1, 33, 1538], [25, 1, 2305], [100, 100, 100]] {
                    check(product, extents, layout, modes.next().unwrap());
                    check(product, extents, layout, modes.next().unwrap());
                }
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let extents @ [m, n, k] = [131, 277, 1003];
        let (a, b) = (random(m * k, 1), random(k * n, 2));
        for (name, product) in products() {
            let on = |threads| {
                let mut output = vec![0.0; m * n];
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let (a, b) = (Matrix::rows(&a, k), Matrix::rows(&b, n));
                pool.install(|| run(product, &mut output, Output::Replace, extents, a, b));
                output
            };
            assert_eq!(on(1), on(3), "{name}");
        }
    }

    #[test]
    fn other_rows_and_columns_do_not_change_a_bit() {
        let [m, n, k] = [131, 277, 1003];
        let (a, b) = (random(m * k, 1), random(k * n, 2));
        for (name, product) in products() {
            for mode in [Output::Replace, Output::Add] {
                let mut whole = vec![0.25; m * n];
                run(product, &mut whole, mode, [m, n, k], Matrix::rows(&a, k), Matrix::rows(&b, n));
                for (top, left, height, width) in [(0, 0, 1, 1), (3, 5, 32, 64), (97, 40, 34, 237), (64, 33, 17, 15)] {
                    let mut part = vec![0.25; height * width];
                    let (a, b) = (Matrix::rows(&a[top * k..], k), Matrix::rows(&b[left..], n));
                    run(product, &mut part, mode, [height, width, k], a, b);
                    for (i, x) in part.iter().enumerate() {
                        let (row, column) = (top + i / width, left + i % width);
                        let same = x.to_bits() == whole[row * n + column].to_bits();
                        assert!(same, "{name}: {height} x {width} from ({row}, {column})");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_stays_in_its_row_and_column() {
        let extents @ [m, n, k] = [13, 33, 5];
        let (mut a, mut b) = (vec![1.0; m * k], vec![1.0; k * n]);
        (a[12 * k + 4], b[32]) = (f32::NAN, f32::INFINITY);
        for (name, product) in products() {
            let mut output = vec![0.0; m * n];
            run(product, &mut output, Output::Replace, extents, Matrix::rows(&a, k), Matrix::rows(&b, n));
            for (i, x) in output.iter().enumerate() {
                match (i / n, i % n) {
                    (12, _) => assert!(x.is_nan(), "{name}, {i}: {x}"),
                    (_, 32) => assert_eq!(*x, f32::INFINITY, "{name}, {i}"),
                    _ => assert_eq!(*x, 5.0, "{name}, {i}"),
                }
            }
        }
    }
}
