//! The sum of a matrix's rows: the gradient of a bias.

use super::{Case, InF16, Spec, matmul::outer, matrix};
use crate::{
    array::{Array, Format, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "sum_rows",
    tolerance: 1e-5,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0], tolerance: 5e-4 }),
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

    fn format(&self, _: &[Format]) -> Option<Format> {
        Some(Format::F32)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let x = inputs[0];
        Array::from_fn([x.shape.columns()], |column| (0..x.shape.rows()).map(|row| x.row(row)[column]).sum())
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        sum_rows(output, inputs[0]);
    }

    fn kernel(&self, inputs: &[&Shape], output: &Shape) -> Kernel {
        sum_rows_kernel(Binding::Input(0), inputs[0].rows(), output.len(), 0)
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        let rows = inputs[0].shape().rows();
        let ones = Tensor::new(&vec![1.0; rows], [rows, 1], grad.device());
        vec![Some(outer(&ones, &grad.slice(0, [1, grad.shape().len()])))]
    }
}

/// The sum of the rows of `x`, in their order.
pub(super) fn sum_rows(output: &mut [f32], x: &[f32]) {
    let width = output.len();
    cpu::for_columns(
        output,
        #[inline(always)]
        |columns, sum| {
            sum.fill(0.0);
            for row in x.chunks_exact(width) {
                let part = &row[columns.clone()];
                for i in 0..sum.len() {
                    sum[i] += part[i];
                }
            }
        },
    );
}

/// Sums the rows of a matrix into the output; tall ones block by block, with scratch buffer `scratch` in between.
pub(super) fn sum_rows_kernel(x: Binding, rows: usize, columns: usize, scratch: usize) -> Kernel {
    const BLOCK: usize = 64;
    let stage = |to, from, rows: usize, block: usize| Dispatch {
        shader: "sum_rows".into(),
        entry: "forward",
        bindings: vec![to, from],
        uniform: vec![rows as u32, columns as u32, block as u32],
        workgroups: columns.div_ceil(64) * rows.div_ceil(block).max(1),
    };
    if rows <= 4 * BLOCK {
        return Kernel { dispatches: vec![stage(Binding::Output(0), x, rows, rows.max(1))], ..Kernel::default() };
    }
    let blocks = rows.div_ceil(BLOCK);
    let partial = Binding::Scratch(scratch);
    let dispatches = vec![stage(partial.clone(), x, rows, BLOCK), stage(Binding::Output(0), partial, blocks, blocks)];
    Kernel { scratch: vec![blocks * columns], dispatches, ..Kernel::default() }
}
