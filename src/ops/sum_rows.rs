//! The sum of a matrix's rows: the gradient of a bias.

use super::{Case, Spec, matrix};
use crate::{
    array::{Array, Shape},
    cpu,
    gpu::Kernel,
    ops::matmul,
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "sum_rows",
    tolerance: 1e-5,
    smooth: true,
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5]], run: |x| x[0].sum_rows() },
        Case { name: "tall", inputs: &[&[301, 65]], run: |x| x[0].sum_rows() },
        Case { name: "empty", inputs: &[&[0, 4]], run: |x| x[0].sum_rows() },
    ],
};

impl Tensor {
    /// The sum over rows: (r, c) → (c).
    #[track_caller]
    pub fn sum_rows(&self) -> Tensor {
        Tensor::from_op(SumRows, &[self])
    }
}

#[derive(Debug)]
struct SumRows;

impl Op for SumRows {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok([matrix(inputs[0])?[1]].into())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let x = inputs[0];
        Array::from_fn([x.shape.columns()], |column| (0..x.shape.rows()).map(|row| x.row(row)[column]).sum())
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        let columns = output.len();
        cpu::vectorized(|| {
            output.fill(0.0);
            for row in inputs[0].chunks_exact(columns.max(1)) {
                for i in 0..columns {
                    output[i] += row[i];
                }
            }
        });
    }

    fn kernel(&self, inputs: &[&Shape], output: &Shape) -> Kernel {
        let words = vec![inputs[0].rows() as u32, output.len() as u32];
        Kernel::one("sum_rows", "forward", 1, words, output.len().div_ceil(64))
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        let rows = inputs[0].shape().rows();
        let ones = Tensor::new(&vec![1.0; rows], [rows, 1], grad.device());
        vec![Some(matmul(&ones, &grad.slice(0, [1, grad.shape().len()]), super::Layout::NN))]
    }
}
