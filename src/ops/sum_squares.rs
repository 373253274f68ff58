//! The sum of squares, added to a running total: the global gradient norm without reading back.

use super::{Case, Spec};
use crate::{
    array::{Array, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};
use rayon::prelude::*;

pub(super) const SPEC: Spec = Spec {
    name: "sum_squares",
    tolerance: 1e-5,
    smooth: true,
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5], &[1]], run: |x| x[0].sum_squares(&x[1]) },
        Case { name: "many", inputs: &[&[20_011], &[1]], run: |x| x[0].sum_squares(&x[1]) },
        Case { name: "empty", inputs: &[&[0, 4], &[1]], run: |x| x[0].sum_squares(&x[1]) },
    ],
};

impl Tensor {
    /// `total + Σ x²`.
    #[track_caller]
    pub fn sum_squares(&self, total: &Tensor) -> Tensor {
        Tensor::from_op(SumSquares, &[self, total])
    }
}

#[derive(Debug)]
struct SumSquares;

impl Op for SumSquares {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[1].len() {
            1 => Ok([1].into()),
            _ => Err("the total must be a single number".to_string()),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let sum: f64 = inputs[0].values.iter().map(|x| x * x).sum();
        Array::new([1], vec![inputs[1].values[0] + sum])
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        let square_sum = |chunk: &[f32]| {
            f64::from(cpu::vectorized(
                #[inline(always)]
                || cpu::sum(chunk, |x| x * x),
            ))
        };
        let partial: Vec<f64> = inputs[0].par_chunks(4096).map(square_sum).collect();
        output[0] = (f64::from(inputs[1][0]) + partial.iter().sum::<f64>()) as f32;
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        const PART: usize = 4096; // elements per workgroup
        let n = inputs[0].len();
        let parts = n.div_ceil(PART);
        let partial = Dispatch {
            shader: "sum_squares",
            entry: "partial",
            bindings: vec![Binding::Scratch(0), Binding::Input(0)],
            uniform: vec![n as u32],
            workgroups: parts,
        };
        let sum = Dispatch {
            shader: "sum_squares",
            entry: "forward",
            bindings: vec![Binding::Output(0), Binding::Scratch(0), Binding::Input(1)],
            uniform: vec![parts as u32],
            workgroups: 1,
        };
        Kernel { scratch: vec![parts], dispatches: vec![partial, sum], ..Kernel::default() }
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        let x = &inputs[0];
        let column = x.slice(0, [x.shape().len(), 1]);
        let dx = super::matmul::outer(&column, &grad.slice(0, [1, 1])).scale(2.0);
        vec![Some(dx.slice(0, x.shape().clone())), Some(grad.clone())]
    }
}
