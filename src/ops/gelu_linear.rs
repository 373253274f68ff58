//! GELU and the affine map that follows it, `gelu(x) · wᵀ + b`: the second half of a feed-forward net.
//!
//! One operation, so that only `x` is kept for the backward pass: its GELU, the widest activation of the encoder, is
//! computed again, which costs far less than a product.

use super::{
    Case, InF16, Layout, Spec,
    gelu::{Gelu, GeluBackward, gelu_cpu},
    linear::{Linear, linear_cpu, linear_kernel},
    matmul,
};
use crate::{
    array::{Array, Format, Shape},
    cpu::Block,
    gpu::{Binding, Dispatch, Kernel},
    profile::Work,
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "gelu_linear",
    tolerance: 1e-5,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0, 1], tolerance: 3e-3 }), // GELU is rounded before it is multiplied
    cases: &[
        Case { name: "rows", inputs: &[&[7, 13], &[5, 13], &[5]], run: |x| gelu_linear(&x[0], &x[1], &x[2]) },
        Case { name: "past a tile", inputs: &[&[65, 36], &[68, 36], &[68]], run: |x| gelu_linear(&x[0], &x[1], &x[2]) },
        Case { name: "no rows", inputs: &[&[0, 3], &[2, 3], &[2]], run: |x| gelu_linear(&x[0], &x[1], &x[2]) },
    ],
};

/// `gelu(x (t, in)) · weight (out, in)ᵀ + bias (out)` → (t, out).
#[track_caller]
pub fn gelu_linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    Tensor::from_op(GeluLinear(Linear { precision: x.device().precision() }), &[x, weight, bias])
}

#[derive(Debug)]
struct GeluLinear(Linear);

impl Op for GeluLinear {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        self.0.shape(inputs)
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        self.0.format(inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        self.0.reference(&[&Gelu.reference(&inputs[..1]), inputs[1], inputs[2]])
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let [t, k] = [shapes[0].rows(), shapes[0].columns()];
        let mut active = Block::uninitialized(inputs[0].len());
        gelu_cpu(&mut active, inputs[0]);
        linear_cpu(output, &active, inputs[1], inputs[2], [t, shapes[1].rows(), k], self.0.precision);
    }

    fn cpu_scratch(&self, inputs: &[&Shape]) -> usize {
        inputs[0].len()
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let n = inputs[0].len();
        let with_gelu = |mut kernel: Kernel| {
            let gelu = Dispatch {
                shader: "gelu".into(),
                entry: "forward",
                bindings: vec![Binding::Scratch(0), Binding::Input(0)],
                uniform: vec![n as u32],
                workgroups: n.div_ceil(256),
            };
            kernel.dispatches.insert(0, gelu);
            (kernel.scratch, kernel.activations) = (vec![n], vec![0]);
            kernel
        };
        let mut kernel = linear_kernel(inputs, Binding::Scratch(0), self.0.precision);
        kernel.variants = kernel.variants.into_iter().map(|(suits, variant)| (suits, with_gelu(variant))).collect();
        with_gelu(kernel).product(self.0.product("gelu_linear", inputs))
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        self.0.work(inputs, output)
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let [x, weight] = [0, 1].map(|i| &inputs[i]);
        vec![
            wanted[0].then(|| Tensor::from_op(GeluBackward, &[x, &matmul(grad, weight, Layout::NN)])),
            wanted[1].then(|| matmul(grad, &x.gelu(), Layout::TN)),
            wanted[2].then(|| grad.sum_rows()),
        ]
    }
}
