//! A tensor times a constant.

use super::{Case, InF16, Spec, same_shape};
use crate::{
    array::{Array, Format, Shape},
    cpu,
    gpu::Kernel,
    tensor::{Op, Tensor, all_in},
};

pub(super) const SPEC: Spec = Spec {
    name: "scale",
    tolerance: 1e-6,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0], tolerance: 5e-4 }),
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5]], run: |x| x[0].scale(-1.5) },
        Case { name: "past a workgroup", inputs: &[&[257]], run: |x| x[0].scale(0.1) },
    ],
};

impl Tensor {
    /// `factor · self`.
    pub fn scale(&self, factor: f32) -> Tensor {
        Tensor::from_op(Scale { factor }, &[self])
    }

    /// `self − other`, element by element.
    #[track_caller]
    pub fn sub(&self, other: &Tensor) -> Tensor {
        self.add(&other.scale(-1.0))
    }
}

#[derive(Debug)]
struct Scale {
    factor: f32,
}

impl Op for Scale {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].map(|x| x * f64::from(self.factor))
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::map(
            output,
            inputs[0],
            #[inline(always)]
            |x| x * self.factor,
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("scale", "forward", 1, output.len()).with(&[self.factor.to_bits()])
    }

    fn backward(&self, _: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(grad.scale(self.factor))]
    }
}
