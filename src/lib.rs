//! Robust zero-shot cross-lingual transfer on any GPU.
//!
//! The modules stand in the order of their layers: each uses those above it, never those below.

pub mod error;
pub mod rng;
// What a number is and where it lives.
pub mod array;
pub mod cpu;
pub mod gpu;
pub mod tensor;
// What can be computed, and its derivative.
pub mod autograd;
pub mod ops;
// What is computed: encoders.
pub mod checkpoint;
pub mod models;
pub mod nn;
// What is learned, from what, how, and with what result.
pub mod report;
pub mod tasks;
pub mod text;
pub mod train;
// The command.
pub mod cli;
