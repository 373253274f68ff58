//! The native CPU backend: buffers, threads, vector loops, and matrix products by `gemm`.

pub mod block;
mod matmul;
mod vector;

pub use block::Block;
pub use matmul::{Matrix, Output, Tile, matmul, supports};
pub use vector::{
    erf, exp, for_columns, for_rows, for_rows_with, for_slices, map, max, sum, sum_pairs, vectorized, zip,
};
