//! The sum of squares, added to a total: the global gradient norm without reading back.

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
    in_f16: None,
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5], &[1]], run: |x| x[0].sum_squares(&x[1]) },
        Case { name: "many", inputs: &[&[20_011], &[1]], run: |x| x[0].sum_squares(&x[1]) },
        Case { name: "empty", inputs: &[&[0, 4], &[1]], run: |x| x[0].sum_squares(&x[1]) },
        Case {
            name: "tensors",
            inputs: &[&[5], &[4099], &[0, 3], &[1], &[2, 4096], &[3, 7], &[4097], &[67], &[1]],
            run: |x| sum_squares(&x[..8].iter().collect::<Vec<_>>(), &x[8]),
        },
    ],
};

impl Tensor {
    /// `total + Σ x²`.
    #[track_caller]
    pub fn sum_squares(&self, total: &Tensor) -> Tensor {
        sum_squares(&[self], total)
    }
}

/// `total + Σ x²` over all numbers of all tensors.
#[track_caller]
pub fn sum_squares(tensors: &[&Tensor], total: &Tensor) -> Tensor {
    Tensor::from_op(SumSquares, &[tensors, &[total]].concat())
}

/// The last input is the total.
#[derive(Debug)]
struct SumSquares;

/// Elements that a workgroup sums.
const PART: usize = 4096;
/// Tensors that a dispatch reads.
const TENSORS: usize = 6;

impl Op for SumSquares {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[inputs.len() - 1].len() {
            1 => Ok([1].into()),
            _ => Err("the total must be a single number".to_string()),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (tensors, total) = split(inputs);
        let sum: f64 = tensors.iter().flat_map(|x| &x.values).map(|x| x * x).sum();
        Array::new([1], vec![total.values[0] + sum])
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        let square_sum = |chunk: &[f32]| {
            f64::from(cpu::vectorized(
                #[inline(always)]
                || cpu::sum(chunk, |x| x * x),
            ))
        };
        let (tensors, total) = split(inputs);
        let chunks: Vec<&[f32]> = tensors.iter().flat_map(|x| x.chunks(PART)).collect();
        let partial: Vec<f64> = chunks.into_par_iter().map(square_sum).collect();
        output[0] = (f64::from(total[0]) + partial.iter().sum::<f64>()) as f32;
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let (tensors, _) = split(inputs);
        let (mut dispatches, mut parts) = (Vec::new(), 0);
        for (i, group) in tensors.chunks(TENSORS).enumerate() {
            let workgroups = group.iter().map(|x| x.len().div_ceil(PART)).sum();
            // Where there are fewer, the last one is bound again, as if it were empty.
            let bound = (0..TENSORS).map(|k| Binding::Input(i * TENSORS + k.min(group.len() - 1)));
            let lengths = (0..TENSORS).map(|k| group.get(k).map_or(0, |x| x.len() as u32));
            dispatches.push(Dispatch {
                shader: "sum_squares".into(),
                entry: "partial",
                bindings: [Binding::Scratch(0)].into_iter().chain(bound).collect(),
                uniform: [workgroups as u32, parts as u32].into_iter().chain(lengths).collect(),
                workgroups,
            });
            parts += workgroups;
        }
        dispatches.push(Dispatch {
            shader: "sum_squares".into(),
            entry: "forward",
            bindings: vec![Binding::Output(0), Binding::Scratch(0), Binding::Input(tensors.len())],
            uniform: [vec![parts as u32], vec![0; 1 + TENSORS]].concat(),
            workgroups: 1,
        });
        Kernel { scratch: vec![parts], dispatches, ..Kernel::default() }
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        let (tensors, _) = split(inputs);
        let dx = |x: &Tensor| {
            let column = x.slice(0, [x.shape().len(), 1]);
            super::matmul::outer(&column, &grad.slice(0, [1, 1])).scale(2.0).slice(0, x.shape().clone())
        };
        tensors.iter().map(|x| Some(dx(x))).chain([Some(grad.clone())]).collect()
    }
}

/// The tensors, and the total.
fn split<T>(inputs: &[T]) -> (&[T], &T) {
    let (total, tensors) = inputs.split_last().expect("a total is always there");
    (tensors, total)
}
