//! The hyperbolic tangent of the classification head.

use super::{Case, Spec, same_shape};
use crate::{
    array::{Array, Shape},
    cpu,
    gpu::Kernel,
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "tanh",
    tolerance: 2e-6,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5]], run: |x| x[0].tanh() },
        Case { name: "past a workgroup", inputs: &[&[257]], run: |x| x[0].scale(3.0).tanh() },
    ],
};

impl Tensor {
    /// `tanh(x)`, element by element.
    pub fn tanh(&self) -> Tensor {
        Tensor::from_op(Tanh, &[self])
    }
}

#[derive(Debug)]
struct Tanh;

impl Op for Tanh {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].map(f64::tanh)
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::map(
            output,
            inputs[0],
            #[inline(always)]
            |x| x.tanh(),
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("tanh", "forward", 1, output.len())
    }

    fn backward(&self, _: &[Tensor], output: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(TanhBackward, &[&output.detach(), grad]))]
    }
}

/// `grad · (1 − y²)`, from the output `y`.
#[derive(Debug)]
struct TanhBackward;

impl Op for TanhBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].zip(inputs[1], |y, g| g * (1.0 - y * y))
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::zip(
            output,
            inputs[0],
            inputs[1],
            #[inline(always)]
            |y, g| g * (1.0 - y * y),
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("tanh", "backward", 2, output.len())
    }
}
