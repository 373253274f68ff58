//! Layer normalization (Ba et al., 2016): each row to mean 0 and variance 1, then scaled and shifted by column.

use super::{Case, Spec, expect, same_shape, sum_rows::sum_rows_kernel};
use crate::{
    array::{Array, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "layer_norm",
    tolerance: 1e-5,
    smooth: true,
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5], &[5], &[5]], run: |x| x[0].layer_norm(&x[1], &x[2], 1e-5) },
        Case { name: "wide", inputs: &[&[2, 769], &[769], &[769]], run: |x| x[0].layer_norm(&x[1], &x[2], 1e-12) },
        Case { name: "tall", inputs: &[&[131, 3], &[3], &[3]], run: |x| x[0].layer_norm(&x[1], &x[2], 1e-5) },
        Case { name: "empty", inputs: &[&[0, 3], &[3], &[3]], run: |x| x[0].layer_norm(&x[1], &x[2], 1e-5) },
    ],
};

impl Tensor {
    /// `(x − mean) / √(variance + epsilon) · gain + bias` for each row: (t, h), (h), (h) → (t, h).
    #[track_caller]
    pub fn layer_norm(&self, gain: &Tensor, bias: &Tensor, epsilon: f32) -> Tensor {
        Tensor::from_op(LayerNorm { epsilon }, &[self, gain, bias])
    }
}

#[derive(Clone, Copy, Debug)]
struct LayerNorm {
    epsilon: f32,
}

impl LayerNorm {
    /// The row normalized, and what it was divided by.
    fn normalize(&self, row: &[f64]) -> (Vec<f64>, f64) {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let deviation = (variance + f64::from(self.epsilon)).sqrt();
        (row.iter().map(|x| (x - mean) / deviation).collect(), deviation)
    }

    /// The row's mean, and the inverse of what it is divided by.
    #[inline(always)]
    fn moments(&self, row: &[f32]) -> (f32, f32) {
        let n = row.len() as f32;
        let mean = cpu::sum(row, |x| x) / n;
        let variance = cpu::sum(row, |x| (x - mean) * (x - mean)) / n;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }
}

/// Rows that one workgroup sums for the parameters' gradients.
const BLOCK: usize = 32;

impl LayerNorm {
    /// The uniform of the shader.
    fn uniform(&self, x: &Shape) -> Vec<u32> {
        vec![x.rows() as u32, x.columns() as u32, self.epsilon.to_bits(), BLOCK as u32]
    }

    /// One workgroup per row: `quads` where the width allows it.
    fn rows_kernel(&self, x: &Shape, entry: &'static str, quads: &'static str) -> Kernel {
        let entry = if x.columns().is_multiple_of(4) { quads } else { entry };
        Kernel::one("layer_norm", entry, 3, self.uniform(x), x.rows())
    }
}

impl Op for LayerNorm {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x, gain, bias] = expect(inputs)?;
        match gain.len() == x.columns() && bias.len() == x.columns() {
            true => Ok(x.clone()),
            false => Err(format!("gain and bias must have {} numbers", x.columns())),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let mut output = inputs[0].clone();
        for i in 0..output.shape.rows() {
            let (normalized, _) = self.normalize(inputs[0].row(i));
            for (j, y) in output.row_mut(i).iter_mut().enumerate() {
                *y = normalized[j] * inputs[1].values[j] + inputs[2].values[j];
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        let (gain, bias) = (&inputs[1][..columns], &inputs[2][..columns]);
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |i, out| {
                let x = &inputs[0][i * columns..][..columns];
                let (mean, inverse) = self.moments(x);
                for j in 0..columns {
                    out[j] = (x[j] - mean) * inverse * gain[j] + bias[j];
                }
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        self.rows_kernel(inputs[0], "forward", "forward_quads")
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let (x, gain) = (&inputs[0], &inputs[1]);
        let dx = wanted[0].then(|| Tensor::from_op(InputGradient(*self), &[x, gain, grad]));
        if !wanted[1] && !wanted[2] {
            return vec![dx, None, None];
        }
        let columns = x.shape().columns();
        let both = Tensor::from_op(ParameterGradients(*self), &[x, grad]); // (2, h)
        vec![dx, Some(both.slice(0, [columns])), Some(both.slice(columns, [columns]))]
    }
}

/// `dx = (d − mean(d) − x̂ · mean(d ∘ x̂)) / deviation` with `d = grad ∘ gain` and `x̂` the normalized row.
#[derive(Debug)]
struct InputGradient(LayerNorm);

impl Op for InputGradient {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(&[inputs[0], inputs[2]])
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (x, gain, grad) = (inputs[0], inputs[1], inputs[2]);
        let (mut output, n) = (x.clone(), x.shape.columns() as f64);
        for i in 0..x.shape.rows() {
            let (normalized, deviation) = self.0.normalize(x.row(i));
            let d: Vec<f64> = grad.row(i).iter().zip(&gain.values).map(|(g, w)| g * w).collect();
            let mean = d.iter().sum::<f64>() / n;
            let slope = d.iter().zip(&normalized).map(|(d, x)| d * x).sum::<f64>() / n;
            for (j, dx) in output.row_mut(i).iter_mut().enumerate() {
                *dx = (d[j] - mean - normalized[j] * slope) / deviation;
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        let (gain, n) = (&inputs[1][..columns], columns as f32);
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |i, out| {
                let (x, grad) = (&inputs[0][i * columns..][..columns], &inputs[2][i * columns..][..columns]);
                let (mean_x, inverse) = self.0.moments(x);
                for j in 0..columns {
                    out[j] = grad[j] * gain[j];
                }
                let mean = cpu::sum(out, |d| d) / n;
                let slope = cpu::sum_pairs(out, x, |d, x| d * (x - mean_x) * inverse) / n;
                for j in 0..columns {
                    out[j] = (out[j] - mean - (x[j] - mean_x) * inverse * slope) * inverse;
                }
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        self.0.rows_kernel(inputs[0], "backward", "backward_quads")
    }
}

/// The gradients of gain, `Σ grad ∘ x̂`, and of bias, `Σ grad`, as the two rows of a (2, h) matrix.
#[derive(Debug)]
struct ParameterGradients(LayerNorm);

impl Op for ParameterGradients {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs).map(|shape| [2, shape.columns()].into())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (x, grad) = (inputs[0], inputs[1]);
        let columns = x.shape.columns();
        let mut output = Array::zeros([2, columns]);
        for i in 0..x.shape.rows() {
            let (normalized, _) = self.0.normalize(x.row(i));
            for (j, g) in grad.row(i).iter().enumerate() {
                output.values[j] += g * normalized[j];
                output.values[columns + j] += g;
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        cpu::vectorized(
            #[inline(always)]
            || {
                output.fill(0.0);
                let (gain, bias) = output.split_at_mut(columns);
                let rows = inputs[0].chunks_exact(columns.max(1)).zip(inputs[1].chunks_exact(columns.max(1)));
                for (x, grad) in rows {
                    let (mean, inverse) = self.0.moments(x);
                    for j in 0..columns {
                        gain[j] += grad[j] * (x[j] - mean) * inverse;
                        bias[j] += grad[j];
                    }
                }
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let (x, columns) = (inputs[0], inputs[0].columns());
        let blocks = x.rows().div_ceil(BLOCK);
        let statistics = Dispatch {
            shader: "layer_norm",
            entry: "row_statistics",
            bindings: vec![Binding::Scratch(0), Binding::Input(0)],
            uniform: self.0.uniform(x),
            workgroups: x.rows(),
        };
        let parameters = Dispatch {
            shader: "layer_norm",
            entry: "parameters",
            bindings: vec![Binding::Scratch(1), Binding::Input(0), Binding::Scratch(0), Binding::Input(1)],
            uniform: self.0.uniform(x),
            workgroups: blocks * columns.div_ceil(64),
        };
        let sum = sum_rows_kernel(Binding::Scratch(1), blocks, 2 * columns, 2);
        Kernel {
            scratch: [vec![2 * x.rows(), blocks * 2 * columns], sum.scratch].concat(),
            dispatches: [statistics, parameters].into_iter().chain(sum.dispatches).collect(),
            ..Kernel::default()
        }
    }
}
