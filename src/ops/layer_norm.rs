//! Layer normalization (Ba et al., 2016): each row to mean 0 and variance 1, then scaled and shifted by column.

use super::{
    Case, Spec, expect, same_shape,
    sum_rows::{sum_rows, sum_rows_kernel},
};
use crate::{
    array::{Array, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};
use rayon::prelude::*;

pub(super) const SPEC: Spec = Spec {
    name: "layer_norm",
    tolerance: 1e-5,
    smooth: true,
    in_f16: None,
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
pub(super) struct LayerNorm {
    pub(super) epsilon: f32,
}

impl LayerNorm {
    /// The row normalized, and what it was divided by.
    pub(super) fn normalize(&self, row: &[f64]) -> (Vec<f64>, f64) {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let deviation = (variance + f64::from(self.epsilon)).sqrt();
        (row.iter().map(|x| (x - mean) / deviation).collect(), deviation)
    }

    /// The gradient of the input, by definition.
    pub(super) fn input_gradient(&self, x: &Array, gain: &Array, grad: &Array) -> Array {
        let (mut output, n) = (x.clone(), x.shape.columns() as f64);
        for i in 0..x.shape.rows() {
            let (normalized, deviation) = self.normalize(x.row(i));
            let d: Vec<f64> = grad.row(i).iter().zip(&gain.values).map(|(g, w)| g * w).collect();
            let mean = d.iter().sum::<f64>() / n;
            let slope = d.iter().zip(&normalized).map(|(d, x)| d * x).sum::<f64>() / n;
            for (j, dx) in output.row_mut(i).iter_mut().enumerate() {
                *dx = (d[j] - mean - normalized[j] * slope) / deviation;
            }
        }
        output
    }

    /// The gradients of gain and bias, by definition: (2, h).
    pub(super) fn parameter_gradients_reference(&self, x: &Array, grad: &Array) -> Array {
        let columns = x.shape.columns();
        let mut output = Array::zeros([2, columns]);
        for i in 0..x.shape.rows() {
            let (normalized, _) = self.normalize(x.row(i));
            for (j, g) in grad.row(i).iter().enumerate() {
                output.values[j] += g * normalized[j];
                output.values[columns + j] += g;
            }
        }
        output
    }

    /// The row's mean, and the inverse of what it is divided by.
    #[inline(always)]
    fn moments(&self, row: &[f32]) -> (f32, f32) {
        let n = row.len() as f32;
        let mean = cpu::sum(row, |x| x) / n;
        let variance = cpu::sum(row, |x| (x - mean) * (x - mean)) / n;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }

    /// A row in place.
    #[inline(always)]
    pub(super) fn forward_row(&self, x: &mut [f32], gain: &[f32], bias: &[f32]) {
        let (mean, inverse) = self.moments(x);
        for j in 0..x.len() {
            x[j] = (x[j] - mean) * inverse * gain[j] + bias[j];
        }
    }

    /// The gradient of a row of the input.
    #[inline(always)]
    pub(super) fn input_gradient_row(&self, dx: &mut [f32], x: &[f32], gain: &[f32], grad: &[f32]) {
        let n = x.len() as f32;
        let (mean_x, inverse) = self.moments(x);
        for j in 0..dx.len() {
            dx[j] = grad[j] * gain[j];
        }
        let mean = cpu::sum(dx, |d| d) / n;
        let slope = cpu::sum_pairs(dx, x, |d, x| d * (x - mean_x) * inverse) / n;
        for j in 0..dx.len() {
            dx[j] = (dx[j] - mean - (x[j] - mean_x) * inverse * slope) * inverse;
        }
    }

    /// The gradients of gain and bias, in the order of the rows: (2, h).
    pub(super) fn parameter_gradients(&self, output: &mut [f32], x: &[f32], grad: &[f32]) {
        const ROWS: usize = 16;
        let columns = output.len() / 2;
        let mut moments = vec![(0.0, 0.0); x.len() / columns.max(1)];
        moments.par_chunks_mut(ROWS).zip(x.par_chunks(ROWS * columns.max(1))).for_each(|(moments, x)| {
            cpu::vectorized(
                #[inline(always)]
                || moments.iter_mut().zip(x.chunks_exact(columns)).for_each(|(m, x)| *m = self.moments(x)),
            );
        });
        let (gain, bias) = output.split_at_mut(columns);
        cpu::for_columns(
            gain,
            #[inline(always)]
            |columns_here, gain| {
                gain.fill(0.0);
                let rows = x.chunks_exact(columns).zip(grad.chunks_exact(columns)).zip(&moments);
                for ((x, grad), (mean, inverse)) in rows {
                    let (x, grad) = (&x[columns_here.clone()], &grad[columns_here.clone()]);
                    for j in 0..gain.len() {
                        gain[j] += grad[j] * (x[j] - mean) * inverse;
                    }
                }
            },
        );
        sum_rows(bias, grad);
    }
}

/// Rows that one workgroup sums for the parameters' gradients.
const BLOCK: usize = 32;

impl LayerNorm {
    /// The uniform of the shader.
    fn uniform(&self, x: &Shape) -> Vec<u32> {
        vec![x.rows() as u32, x.columns() as u32, self.epsilon.to_bits(), BLOCK as u32]
    }

    /// One workgroup per row of `x`, which lies in the first of three `bindings`; on groups of four where the width
    /// allows it.
    pub(super) fn rows_dispatch(&self, x: &Shape, entry: &'static str, bindings: [Binding; 3]) -> Dispatch {
        let entry = match (entry, x.columns().is_multiple_of(4)) {
            ("forward", true) => "forward_quads",
            ("backward", true) => "backward_quads",
            (entry, _) => entry,
        };
        Dispatch {
            shader: "layer_norm".into(),
            entry,
            bindings: std::iter::once(Binding::Output(0)).chain(bindings).collect(),
            uniform: self.uniform(x),
            workgroups: x.rows(),
        }
    }

    /// [`LayerNorm::rows_dispatch`] of the first three inputs.
    fn rows_kernel(&self, x: &Shape, entry: &'static str) -> Kernel {
        let dispatches = vec![self.rows_dispatch(x, entry, [0, 1, 2].map(Binding::Input))];
        Kernel { dispatches, ..Kernel::default() }
    }

    /// The gradients of gain and bias, with scratch buffers from `scratch` on.
    pub(super) fn parameters_kernel(&self, shape: &Shape, x: Binding, grad: Binding, scratch: usize) -> Kernel {
        let columns = shape.columns();
        let blocks = shape.rows().div_ceil(BLOCK);
        let (moments, parts) = (Binding::Scratch(scratch), Binding::Scratch(scratch + 1));
        let statistics = Dispatch {
            shader: "layer_norm".into(),
            entry: "row_statistics",
            bindings: vec![moments.clone(), x.clone()],
            uniform: self.uniform(shape),
            workgroups: shape.rows(),
        };
        let parameters = Dispatch {
            shader: "layer_norm".into(),
            entry: "parameters",
            bindings: vec![parts.clone(), x, moments, grad],
            uniform: self.uniform(shape),
            workgroups: blocks * columns.div_ceil(64),
        };
        let sum = sum_rows_kernel(parts, blocks, 2 * columns, scratch + 2);
        Kernel {
            scratch: [vec![2 * shape.rows(), blocks * 2 * columns], sum.scratch].concat(),
            dispatches: [statistics, parameters].into_iter().chain(sum.dispatches).collect(),
            ..Kernel::default()
        }
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
            |i, row| {
                row.copy_from_slice(&inputs[0][i * columns..][..columns]);
                self.forward_row(row, gain, bias);
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        self.rows_kernel(inputs[0], "forward")
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
        self.0.input_gradient(inputs[0], inputs[1], inputs[2])
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        let gain = &inputs[1][..columns];
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |i, dx| {
                let (x, grad) = (&inputs[0][i * columns..][..columns], &inputs[2][i * columns..][..columns]);
                self.0.input_gradient_row(dx, x, gain, grad);
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        self.0.rows_kernel(inputs[0], "backward")
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
        self.0.parameter_gradients_reference(inputs[0], inputs[1])
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        self.0.parameter_gradients(output, inputs[0], inputs[1]);
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        self.0.parameters_kernel(inputs[0], Binding::Input(0), Binding::Input(1), 0)
    }
}
