//! GELU of one half of the columns times the other half, the gated unit of ModernBERT's feed-forward net (GeGLU; Shazeer,
//! 2020).

use super::{Case, InF16, Spec, expect, gelu::normal_cdf, matrix};
use crate::{
    array::{Array, Format, Shape},
    cpu,
    gpu::Kernel,
    tensor::{Op, Tensor, all_in},
};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

pub(super) const SPEC: Spec = Spec {
    name: "gated_gelu",
    tolerance: 2e-6, // the error function is within 6e-7
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0], tolerance: 2e-3 }), // as of GELU
    cases: &[
        Case { name: "rows", inputs: &[&[3, 10]], run: |x| x[0].gated_gelu() },
        Case { name: "quads", inputs: &[&[5, 24]], run: |x| x[0].gated_gelu() },
        Case { name: "past a workgroup", inputs: &[&[3, 402]], run: |x| x[0].scale(2.0).gated_gelu() },
        Case { name: "empty", inputs: &[&[0, 4]], run: |x| x[0].gated_gelu() },
    ],
};

impl Tensor {
    /// `gelu(a) ∘ b` for rows of `a` and `b` side by side: (t, 2 i) → (t, i).
    #[track_caller]
    pub fn gated_gelu(&self) -> Tensor {
        Tensor::from_op(GatedGelu, &[self])
    }
}

#[derive(Debug)]
struct GatedGelu;

/// `Φ(x)` and the density of the normal distribution at x.
#[inline(always)]
fn cdf_and_density(x: f32) -> (f32, f32) {
    const INV_SQRT_TAU: f32 = 0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI;
    let bell = cpu::exp(-0.5 * x * x);
    (0.5 * (1.0 + cpu::erf(x * FRAC_1_SQRT_2, bell)), INV_SQRT_TAU * bell)
}

/// The kernel of an entry, over `n` numbers of rows of `inner`.
fn kernel(entry: &'static str, n_inputs: usize, n: usize, inner: usize) -> Kernel {
    Kernel::elementwise("gated_gelu", entry, n_inputs, n).with(&[inner as u32])
}

impl Op for GatedGelu {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = expect(inputs)?;
        match matrix(x)? {
            [rows, columns] if columns.is_multiple_of(2) => Ok([rows, columns / 2].into()),
            [_, columns] => Err(format!("{columns} columns have no halves")),
        }
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let inner = inputs[0].shape.columns() / 2;
        Array::from_fn([inputs[0].shape.rows(), inner], |i| {
            let (a, b) = inputs[0].row(i / inner).split_at(inner);
            a[i % inner] * normal_cdf(a[i % inner]) * b[i % inner]
        })
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let inner = shapes[0].columns() / 2;
        cpu::for_rows(
            output,
            inner,
            #[inline(always)]
            |i, y| {
                let (a, b) = inputs[0][2 * i * inner..][..2 * inner].split_at(inner);
                for j in 0..y.len() {
                    y[j] = a[j] * cdf_and_density(a[j]).0 * b[j];
                }
            },
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        kernel("forward", 1, output.len(), output.columns())
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(GatedGeluBackward, &[&inputs[0], grad]))]
    }
}

/// `grad ∘ b ∘ (Φ(a) + a · φ(a))` and `grad ∘ gelu(a)`, side by side: (t, 2 i), (t, i) → (t, 2 i).
#[derive(Debug)]
struct GatedGeluBackward;

impl Op for GatedGeluBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(inputs[0].clone())
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (mut output, inner) = (inputs[0].clone(), inputs[1].shape.columns());
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        for i in 0..output.shape.rows() {
            for j in 0..inner {
                let (a, b, g) = (inputs[0].row(i)[j], inputs[0].row(i)[inner + j], inputs[1].row(i)[j]);
                output.row_mut(i)[j] = g * b * (normal_cdf(a) + a * density(a));
                output.row_mut(i)[inner + j] = g * a * normal_cdf(a);
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let inner = shapes[1].columns();
        cpu::for_rows(
            output,
            2 * inner,
            #[inline(always)]
            |i, dx| {
                let (a, b) = inputs[0][2 * i * inner..][..2 * inner].split_at(inner);
                let grad = &inputs[1][i * inner..][..inner];
                let (da, db) = dx.split_at_mut(inner);
                for j in 0..inner {
                    let (cdf, density) = cdf_and_density(a[j]);
                    da[j] = grad[j] * b[j] * (cdf + a[j] * density);
                    db[j] = grad[j] * a[j] * cdf;
                }
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        kernel("backward", 2, inputs[1].len(), inputs[1].columns())
    }
}
