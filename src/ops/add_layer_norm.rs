//! What ends a sublayer of the encoder: dropout, the residual sum and layer normalization, in one pass over the rows.
//!
//! Nothing is stored for the backward pass but the inputs: the sum and its mask are computed again.

use super::{
    Case, InF16, Spec,
    dropout::{drop_part, dropped, uniform},
    expect,
    layer_norm::LayerNorm,
    same_shape,
};
use crate::{
    array::{Array, Format, Shape},
    cpu::{self, Block},
    gpu::{Binding, Dispatch, Kernel, Suits},
    rng::Draw,
    tensor::{Op, Tensor, all_in},
};

const DRAW: Draw = Draw { seed: 0x1234_5678_9abc_def0, step: 3, stream: 5 };

fn case(x: &[Tensor], dropout: Option<(f32, Draw)>) -> Tensor {
    x[0].add_layer_norm(&x[1], dropout, &x[2], &x[3], 1e-5)
}

pub(super) const SPEC: Spec = Spec {
    name: "add_layer_norm",
    tolerance: 1e-5,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0, 1], tolerance: 1e-3 }),
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5], &[3, 5], &[5], &[5]], run: |x| case(x, None) },
        Case { name: "dropout", inputs: &[&[6, 7], &[6, 7], &[7], &[7]], run: |x| case(x, Some((0.3, DRAW))) },
        Case { name: "wide", inputs: &[&[2, 769], &[2, 769], &[769], &[769]], run: |x| case(x, Some((0.1, DRAW))) },
        Case { name: "tall", inputs: &[&[131, 8], &[131, 8], &[8], &[8]], run: |x| case(x, Some((0.1, DRAW))) },
        Case { name: "quads", inputs: &[&[67, 132], &[67, 132], &[132], &[132]], run: |x| case(x, Some((0.1, DRAW))) },
        Case {
            name: "as wide as registers",
            inputs: &[&[3, 1024], &[3, 1024], &[1024], &[1024]],
            run: |x| case(x, Some((0.1, DRAW))),
        },
        Case {
            name: "wider than registers",
            inputs: &[&[3, 1028], &[3, 1028], &[1028], &[1028]],
            run: |x| case(x, Some((0.1, DRAW))),
        },
        Case { name: "empty", inputs: &[&[0, 3], &[0, 3], &[3], &[3]], run: |x| case(x, Some((0.1, DRAW))) },
    ],
};

impl Tensor {
    /// `layer_norm(self + dropout(x))`, with the rate and randomness of dropout: (t, h), (t, h), (h), (h) → (t, h).
    #[track_caller]
    pub fn add_layer_norm(
        &self,
        x: &Tensor,
        dropout: Option<(f32, Draw)>,
        gain: &Tensor,
        bias: &Tensor,
        epsilon: f32,
    ) -> Tensor {
        Tensor::from_op(AddLayerNorm { dropout, norm: LayerNorm { epsilon } }, &[self, x, gain, bias])
    }
}

#[derive(Clone, Copy, Debug)]
struct AddLayerNorm {
    dropout: Option<(f32, Draw)>,
    norm: LayerNorm,
}

/// The widest row that the registers of a workgroup hold: four groups of four for each of 64 invocations.
const REGISTERS: usize = 1024;

impl AddLayerNorm {
    /// `residual + dropout(x)`.
    fn sum(&self, residual: &Array, x: &Array) -> Array {
        let sum = |x: &Array| residual.zip(x, |r, x| r + x);
        self.dropout.map_or_else(|| sum(x), |(rate, draw)| sum(&dropped(x, rate, draw)))
    }

    /// The part of the sum that begins at `start`.
    #[inline(always)]
    fn sum_part(&self, sum: &mut [f32], residual: &[f32], x: &[f32], start: usize) {
        let (residual, n) = (&residual[start..][..sum.len()], sum.len());
        sum.copy_from_slice(&x[start..][..n]);
        if let Some(dropout) = self.dropout {
            drop_part(sum, dropout, start);
        }
        for i in 0..n {
            sum[i] += residual[i];
        }
    }

    /// What the shader is told.
    fn uniform(&self, x: &Shape) -> Vec<u32> {
        let (rate, draw) = self.dropout.unwrap_or((0.0, Draw { seed: 0, step: 0, stream: 0 }));
        let rows = [x.rows() as u32, x.columns() as u32, self.norm.epsilon.to_bits()];
        [&[x.len() as u32], &uniform(rate, draw)[..], &rows].concat()
    }

    /// The sum of inputs 0 and 1 into scratch buffer 0.
    fn sum_dispatch(&self, x: &Shape) -> Dispatch {
        Dispatch {
            shader: "add_layer_norm".into(),
            entry: "sum",
            bindings: vec![Binding::Scratch(0), Binding::Input(0), Binding::Input(1)],
            uniform: self.uniform(x),
            workgroups: x.len().div_ceil(256),
        }
    }

    /// What `layer_norm` does forward or backward to the sum, which comes by way of a scratch buffer; on real GPUs in one
    /// launch that holds it in registers, where a row fits.
    fn rows_kernel(&self, x: &Shape, entry: &'static str) -> Kernel {
        let bindings = [Binding::Scratch(0), Binding::Input(2), Binding::Input(3)];
        let norm = self.norm.rows_dispatch(x, entry, bindings);
        let dispatches = vec![self.sum_dispatch(x), norm];
        let by_scratch = Kernel { scratch: vec![x.len()], dispatches, ..Kernel::default() };
        match x.columns().is_multiple_of(4) && x.columns() <= REGISTERS {
            true => {
                let at_once = Kernel::one("add_layer_norm", entry, 4, self.uniform(x), x.rows());
                by_scratch.or(Suits::Hardware, at_once)
            }
            false => by_scratch,
        }
    }
}

impl Op for AddLayerNorm {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [residual, x, gain, bias] = expect(inputs)?;
        match gain.len() == x.columns() && bias.len() == x.columns() {
            true => same_shape(&[residual, x]),
            false => Err(format!("gain and bias must have {} numbers", x.columns())),
        }
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        let [residual, x, gain, bias] = inputs else { return None };
        (residual == x && [gain, bias] == [&Format::F32; 2]).then_some(*residual)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let mut output = self.sum(inputs[0], inputs[1]);
        for i in 0..output.shape.rows() {
            let (normalized, _) = self.norm.normalize(output.row(i));
            for (j, y) in output.row_mut(i).iter_mut().enumerate() {
                *y = normalized[j] * inputs[2].values[j] + inputs[3].values[j];
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        let (gain, bias) = (&inputs[2][..columns], &inputs[3][..columns]);
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |i, row| {
                self.sum_part(row, inputs[0], inputs[1], i * columns);
                self.norm.forward_row(row, gain, bias);
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        self.rows_kernel(inputs[0], "forward")
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let [residual, x, gain] = [0, 1, 2].map(|i| &inputs[i]);
        let sum = (wanted[0] || wanted[1]).then(|| Tensor::from_op(SumGradient(*self), &[residual, x, gain, grad]));
        let dx = sum.clone().filter(|_| wanted[1]).map(|sum| match self.dropout {
            Some((rate, draw)) => sum.dropout(rate, draw),
            None => sum,
        });
        let sum = sum.filter(|_| wanted[0]);
        if !wanted[2] && !wanted[3] {
            return vec![sum, dx, None, None];
        }
        let columns = x.shape().columns();
        let both = Tensor::from_op(ParameterGradients(*self), &[residual, x, grad]); // (2, h)
        vec![sum, dx, Some(both.slice(0, [columns])), Some(both.slice(columns, [columns]))]
    }
}

/// The gradient of the sum, which is that of the residual.
#[derive(Debug)]
struct SumGradient(AddLayerNorm);

impl Op for SumGradient {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(&[inputs[0], inputs[1], inputs[3]])
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        let [residual, x, gain, grad] = inputs else { return None };
        (residual == x && residual == grad && *gain == Format::F32).then_some(*residual)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let sum = self.0.sum(inputs[0], inputs[1]);
        self.0.norm.input_gradient(&sum, inputs[2], inputs[3])
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        let gain = &inputs[2][..columns];
        cpu::for_rows_with(
            output,
            columns,
            columns,
            #[inline(always)]
            |sum, i, row| {
                self.0.sum_part(sum, inputs[0], inputs[1], i * columns);
                self.0.norm.input_gradient_row(row, sum, gain, &inputs[3][i * columns..][..columns]);
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        self.0.rows_kernel(inputs[0], "backward")
    }
}

/// The gradients of gain and bias as the two rows of a (2, h) matrix.
#[derive(Debug)]
struct ParameterGradients(AddLayerNorm);

impl Op for ParameterGradients {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs).map(|shape| [2, shape.columns()].into())
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs).map(|_| Format::F32)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        self.0.norm.parameter_gradients_reference(&self.0.sum(inputs[0], inputs[1]), inputs[2])
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        let mut sum = Block::uninitialized(inputs[0].len());
        cpu::for_rows(
            &mut sum,
            columns,
            #[inline(always)]
            |i, row| self.0.sum_part(row, inputs[0], inputs[1], i * columns),
        );
        self.0.norm.parameter_gradients(output, &sum, inputs[2]);
    }

    fn cpu_scratch(&self, inputs: &[&Shape]) -> usize {
        inputs[0].len()
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let x = inputs[0];
        let parameters = self.0.norm.parameters_kernel(x, Binding::Scratch(0), Binding::Input(2), 1);
        Kernel {
            scratch: [vec![x.len()], parameters.scratch].concat(),
            dispatches: [self.0.sum_dispatch(x)].into_iter().chain(parameters.dispatches).collect(),
            ..Kernel::default()
        }
    }
}
