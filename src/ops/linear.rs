//! The affine map of a layer, `x · wᵀ + b`, with the weight stored (out, in) as checkpoints have it.

use super::{
    Case, InF16, Layout, Spec, expect, matmul,
    matmul::{by_tiles, in_precision, tile_uniform, tiles, tolerance},
    matrix,
};
use crate::{
    array::{Array, Format, Precision, Shape},
    cpu::{self, Matrix, Output},
    gpu::{Binding, Dispatch, Kernel, Product, Suits},
    profile::Work,
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "linear",
    tolerance: 1e-5,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0, 1], tolerance: 5e-4 }),
    cases: &[
        Case { name: "rows", inputs: &[&[7, 13], &[5, 13], &[5]], run: |x| linear(&x[0], &x[1], &x[2]) },
        Case { name: "past a tile", inputs: &[&[65, 37], &[67, 37], &[67]], run: |x| linear(&x[0], &x[1], &x[2]) },
        Case { name: "one row", inputs: &[&[1, 3], &[2, 3], &[2]], run: |x| linear(&x[0], &x[1], &x[2]) },
        Case { name: "no rows", inputs: &[&[0, 3], &[2, 3], &[2]], run: |x| linear(&x[0], &x[1], &x[2]) },
    ],
};

/// `x (t, in) · weight (out, in)ᵀ + bias (out)` → (t, out).
#[track_caller]
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    Tensor::from_op(Linear { precision: x.device().precision() }, &[x, weight, bias])
}

#[derive(Debug)]
pub(super) struct Linear {
    pub(super) precision: Precision,
}

impl Linear {
    /// What the autotuner knows of it.
    pub(super) fn product(&self, name: &'static str, inputs: &[&Shape]) -> Product {
        let extents = [inputs[0].rows(), inputs[1].rows(), inputs[1].columns()];
        let precision = self.precision;
        Product { name, extents, precision, tolerance: tolerance(precision), others: Vec::new() }
    }
}

impl Op for Linear {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x, weight, bias] = expect(inputs)?;
        let ([t, k], [n, k_too]) = (matrix(x)?, matrix(weight)?);
        match k == k_too && bias.len() == n {
            true => Ok([t, n].into()),
            false => Err(format!("(t, in), (out, in) and (out) were expected, found {x:?}, {weight:?} and {bias:?}")),
        }
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        let [x, weight, bias] = inputs else { return None };
        (x == weight && *bias == Format::F32).then_some(*x)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (x, weight, bias) = (inputs[0], inputs[1], inputs[2]);
        let [t, n] = [x.shape.rows(), weight.shape.rows()];
        let dot = |row: &[f64], column: &[f64]| row.iter().zip(column).map(|(x, w)| x * w).sum::<f64>();
        Array::from_fn([t, n], |at| dot(x.row(at / n), weight.row(at % n)) + bias.values[at % n])
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let [t, k] = [shapes[0].rows(), shapes[0].columns()];
        let n = shapes[1].rows();
        linear_cpu(output, inputs[0], inputs[1], inputs[2], [t, n, k], self.precision);
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        linear_kernel(inputs, Binding::Input(0), self.precision).product(self.product("linear", inputs))
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        let flops = 2.0 * (output.len() * inputs[1].columns()) as f64;
        Work::touching(inputs.iter().copied().chain([output])).with_flops(flops)
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        vec![
            wanted[0].then(|| matmul(grad, &inputs[1], Layout::NN)),
            wanted[1].then(|| matmul(grad, &inputs[0], Layout::TN)),
            wanted[2].then(|| grad.sum_rows()),
        ]
    }
}

/// The kernel of the affine map of `x`.
pub(super) fn linear_kernel(inputs: &[&Shape], x: Binding, precision: Precision) -> Kernel {
    let [m, n, k] = [inputs[0].rows(), inputs[1].rows(), inputs[1].columns()];
    let launch = |shader, uniform, side| {
        let bindings = vec![Binding::Output(0), x.clone(), Binding::Input(1), Binding::Input(2)];
        let dispatch = Dispatch { shader, entry: "forward", bindings, uniform, workgroups: tiles([m, n], side) };
        Kernel { dispatches: vec![dispatch], ..Kernel::default() }
    };
    let tiled = by_tiles(precision, |by| launch(by.linear, tile_uniform([m, n, k], Layout::NT, k), by.side));
    match n.is_multiple_of(4) && k.is_multiple_of(4) {
        true => {
            let lanes = launch(in_precision("linear_lanes", precision), vec![m as u32, n as u32, k as u32], 64);
            tiled.or(Suits::SoftwareSubgroups(8), lanes)
        }
        false => tiled,
    }
}

/// `output (t, out) = x (t, in) · weight (out, in)ᵀ + bias (out)` on the CPU.
pub(super) fn linear_cpu(
    output: &mut [f32],
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    extents: [usize; 3],
    precision: Precision,
) {
    let [_, n, k] = extents;
    cpu::for_rows(
        output,
        n,
        #[inline(always)]
        |_, row| row.copy_from_slice(bias),
    );
    cpu::matmul(output, Output::Add, extents, precision, Matrix::rows(x, k), Matrix::rows(weight, k).t());
}
