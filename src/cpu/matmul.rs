//! Matrix products, in f32 by the `gemm` crate.

#![expect(unsafe_code, reason = "gemm works on pointers; every extent is asserted against its slice first")]

use super::{
    bf16,
    tile::{Matrix, Output, Tile},
};
use crate::array::Precision;

/// Whether this processor multiplies matrices in a precision.
pub fn supports(precision: Precision) -> bool {
    match precision {
        Precision::F32 => true,
        Precision::Bf16 => bf16::is_available(),
        Precision::F16 => false,
    }
}

/// Whether products in bf16 go by the tiles of Intel AMX here, which sum in another order: the last bits are others.
pub fn has_amx() -> bool {
    bf16::has_amx()
}

/// A precision, and how this processor multiplies in it: AMX has last bits of its own, so records, ranks, benchmarks and runs
/// that go on tell it apart.
pub fn named(precision: Precision) -> String {
    let how = if precision == Precision::Bf16 && has_amx() { " by AMX" } else { "" };
    format!("{precision}{how}")
}

/// `output (m, n) = a (m, k) · b (k, n)`, on all cores, with the operands rounded to `precision`.
///
/// # Panics
///
/// Where [`supports`] says that this processor has no such precision.
pub fn matmul(output: &mut [f32], mode: Output, [m, n, k]: [usize; 3], precision: Precision, a: Matrix, b: Matrix) {
    assert!(supports(precision), "this processor has no products in {precision}");
    let mut whole = Tile::whole(output, m, n);
    let parallel = m * n * k > 64 * 64 * 64;
    if precision == Precision::Bf16 {
        return bf16::product(whole, mode, k, a, b, parallel);
    }
    let threads = if parallel { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
    product(&mut whole, mode, k, 1.0, a, b, threads);
}

impl Tile<'_> {
    /// `self (m, n) = scale · a (m, k) · b (k, n)`, on the calling thread.
    pub fn product(&mut self, mode: Output, k: usize, scale: f32, a: Matrix, b: Matrix) {
        product(self, mode, k, scale, a, b, gemm::Parallelism::None);
    }
}

fn product(output: &mut Tile, mode: Output, k: usize, scale: f32, a: Matrix, b: Matrix, threads: gemm::Parallelism) {
    let (m, n) = (output.rows, output.columns);
    assert!(a.holds(m, k), "the left matrix is smaller than ({m}, {k})");
    assert!(b.holds(k, n), "the right matrix is smaller than ({k}, {n})");
    // SAFETY: both inputs were just checked to hold (m, k) and (k, n); the tile holds (m, n) by construction and
    // cannot overlap them, since it was made from a mutable borrow.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            output.start,
            1,
            output.stride as isize,
            mode == Output::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            threads,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_of_a_matrix_are_filled_side_by_side() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0]); // (2, 2) and (2, 1)
        let mut output = [0.0; 8]; // (4, 2): rows 1..3 in two blocks of one column
        let mut tiles = Tile::grid(&mut output, 2, std::iter::once(1..3), 2);
        tiles[1].product(Output::Replace, 2, 1.0, Matrix::rows(&a, 2), Matrix::rows(&b, 1));
        tiles[0].product(Output::Replace, 2, 2.0, Matrix::rows(&a, 2).t(), Matrix::rows(&b, 1));
        assert_eq!(output, [0.0, 0.0, 46.0, 17.0, 68.0, 39.0, 0.0, 0.0]);
    }
}
