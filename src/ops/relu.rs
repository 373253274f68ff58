//! The rectifier, `max(x, 0)` (Nair & Hinton, 2010), of DistilBERT's classification head.

use super::{Case, Spec, same_shape};
use crate::{
    array::{Array, Shape},
    cpu,
    gpu::Kernel,
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "relu",
    tolerance: 0.0,
    smooth: true, // but at 0, which no random number is
    in_f16: None,
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5]], run: |x| x[0].relu() },
        Case { name: "past a workgroup", inputs: &[&[257]], run: |x| x[0].relu() },
        Case { name: "empty", inputs: &[&[0, 4]], run: |x| x[0].relu() },
    ],
};

impl Tensor {
    /// `max(x, 0)`, element by element.
    pub fn relu(&self) -> Tensor {
        Tensor::from_op(Relu, &[self])
    }
}

#[derive(Debug)]
struct Relu;

impl Op for Relu {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].map(|x| if x > 0.0 || x.is_nan() { x } else { 0.0 })
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::map(
            output,
            inputs[0],
            #[inline(always)]
            |x| if x > 0.0 || x.is_nan() { x } else { 0.0 },
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("relu", "forward", 1, output.len())
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(ReluBackward, &[&inputs[0], grad]))]
    }
}

/// `grad` where `x > 0`, and 0 elsewhere.
#[derive(Debug)]
struct ReluBackward;

impl Op for ReluBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].zip(inputs[1], |x, g| if x > 0.0 { g } else { 0.0 })
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::zip(
            output,
            inputs[0],
            inputs[1],
            #[inline(always)]
            |x, g| if x > 0.0 { g } else { 0.0 },
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("relu", "backward", 2, output.len())
    }
}
