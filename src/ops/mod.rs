//! The operations, one per file, and the table of them all.
//!
//! The table feeds the gradient checks, the comparisons of backends, the benchmarks and `rxlt list ops`.

mod adamw;
mod add;
mod add_layer_norm;
mod attention;
mod buckets;
mod cast;
mod clamp;
mod clip_factor;
mod columns;
mod copy;
mod cross_entropy;
mod disentangled_attention;
mod dropout;
mod gated_gelu;
mod gather;
mod gelu;
mod gelu_linear;
mod grouped_cross_entropy;
mod kl_divergence;
mod layer_norm;
mod linear;
mod linear_cross_entropy;
mod loss_scale;
mod matmul;
mod noise;
mod relu;
mod rotary;
mod scale;
mod scatter_add;
mod segment_mean;
mod segment_scale;
mod slice;
mod sum_rows;
mod sum_squares;
mod tanh;

pub use adamw::{AdamW, AdamWRows, CatchUp, SCHEDULE_WORDS};
pub use attention::{Attention, attention};
pub use buckets::Buckets;
pub use columns::concat_columns;
pub use copy::Copy;
pub use disentangled_attention::{Disentangled, disentangled_attention};
pub use gather::gather;
pub use gelu_linear::gelu_linear;
pub use linear::linear;
pub use linear_cross_entropy::linear_cross_entropy;
pub use loss_scale::LossScale;
pub use matmul::{Layout, matmul};
pub use noise::{Distribution, noise};
pub use rotary::Angles;
pub use scatter_add::Sources;
pub use segment_scale::Target;
pub use sum_squares::sum_squares;

use crate::{
    array::Shape,
    tensor::{Tensor, Update},
};

/// What the tables of tests and benchmarks know about an operation.
pub struct Spec {
    /// The stem of its file and shader.
    pub name: &'static str,
    /// How far from the reference each number may be: `|a − b| ≤ tolerance · (1 + |b|)`.
    pub tolerance: f64,
    /// Whether the derivative is smooth enough to compare with central differences at random points.
    pub smooth: bool,
    /// Of operations that layers consist of: what their kernels can read and write in f16.
    pub in_f16: Option<InF16>,
    /// What is run.
    pub cases: &'static [Case],
}

/// What the kernels of an operation can read and write in f16, beside f32.
pub struct InF16 {
    /// The inputs that may be stored so, all or none; others are parameters.
    pub inputs: &'static [usize],
    /// How far each number may then be from the reference of the same inputs, as [`Spec::tolerance`]: half a unit in the
    /// last place is 5e-4, and a gradient that is a sum was rounded before it was added to.
    pub tolerance: f64,
}

/// One run of an operation on random inputs of awkward shapes.
pub struct Case {
    /// What is awkward about it.
    pub name: &'static str,
    /// Shapes of the inputs, which are standard normal numbers.
    pub inputs: &'static [&'static [usize]],
    /// The computation.
    pub run: fn(&[Tensor]) -> Tensor,
}

/// Every differentiable operation.
pub const ALL: &[&Spec] = &[
    &add::SPEC,
    &add_layer_norm::SPEC,
    &attention::SPEC,
    &cast::SPEC,
    &clamp::SPEC,
    &clip_factor::SPEC,
    &columns::SPEC,
    &cross_entropy::SPEC,
    &disentangled_attention::SPEC,
    &dropout::SPEC,
    &gated_gelu::SPEC,
    &gather::SPEC,
    &gelu::SPEC,
    &gelu_linear::SPEC,
    &grouped_cross_entropy::SPEC,
    &kl_divergence::SPEC,
    &layer_norm::SPEC,
    &linear::SPEC,
    &linear_cross_entropy::SPEC,
    &matmul::SPEC,
    &noise::SPEC,
    &relu::SPEC,
    &rotary::SPEC,
    &scale::SPEC,
    &scatter_add::SPEC,
    &segment_mean::SPEC,
    &segment_scale::SPEC,
    &slice::SPEC,
    &sum_rows::SPEC,
    &sum_squares::SPEC,
    &tanh::SPEC,
];

/// One run of an update on random operands.
pub struct UpdateCase {
    /// What it is.
    pub name: &'static str,
    /// How far from the reference each number of the state may be: `|a − b| ≤ tolerance · (1 + |b|)`.
    pub tolerance: f64,
    /// Shapes of the state, which are squares of standard normal numbers, as second moments must be.
    pub state: &'static [&'static [usize]],
    /// Shapes of the inputs, which are standard normal numbers.
    pub inputs: &'static [&'static [usize]],
    /// The update.
    pub update: fn() -> Box<dyn Update>,
}

/// Every update.
pub const UPDATES: &[&[UpdateCase]] = &[adamw::CASES, copy::CASES, loss_scale::CASES];

/// The shapes of operands, or how many there should have been.
fn expect<'a, const N: usize>(inputs: &[&'a Shape]) -> Result<[&'a Shape; N], String> {
    inputs.try_into().map_err(|_| format!("expected {N} inputs, found {}", inputs.len()))
}

/// The one shape that all inputs have.
fn same_shape(inputs: &[&Shape]) -> Result<Shape, String> {
    match inputs.iter().all(|shape| *shape == inputs[0]) {
        true => Ok(inputs[0].clone()),
        false => Err("the shapes differ".to_string()),
    }
}

/// The two axes of a matrix.
fn matrix(shape: &Shape) -> Result<[usize; 2], String> {
    <[usize; 2]>::try_from(&shape[..]).map_err(|_| format!("{shape:?} is not a matrix"))
}
