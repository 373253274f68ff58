//! The native CPU backend: buffers, threads, vector loops, and matrix products.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod bf16;
pub mod block;
mod matmul;
#[cfg(target_arch = "x86_64")]
mod panels;
mod tile;
mod vector;

#[cfg(not(target_arch = "x86_64"))]
mod bf16 {
    //! Other processors have no products in bf16.
    use super::{Matrix, Output, Tile};

    pub fn is_available() -> bool {
        false
    }

    pub fn has_amx() -> bool {
        false
    }

    pub fn product(_: Tile, _: Output, _: usize, _: Matrix, _: Matrix, _: bool) {
        unreachable!("a precision that is not there was refused")
    }
}

pub use block::Block;
pub use matmul::{has_amx, matmul, named, supports};
pub use tile::{Matrix, Output, Tile};
pub use vector::{
    erf, exp, for_columns, for_rows, for_rows_with, for_slices, map, max, sum, sum_pairs, vectorized, zip,
};
