//! The sum of two tensors of one shape.

use super::{Case, InF16, Spec, same_shape};
use crate::{
    array::{Array, Format, Shape},
    cpu,
    gpu::Kernel,
    tensor::{Op, Tensor, all_in},
};

pub(super) const SPEC: Spec = Spec {
    name: "add",
    tolerance: 1e-6,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0, 1], tolerance: 1e-3 }),
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5], &[3, 5]], run: |x| x[0].add(&x[1]) },
        Case { name: "to itself", inputs: &[&[257]], run: |x| x[0].add(&x[0]) },
        Case { name: "empty", inputs: &[&[0, 4], &[0, 4]], run: |x| x[0].add(&x[1]) },
    ],
};

impl Tensor {
    /// `self + other`, element by element.
    #[track_caller]
    pub fn add(&self, other: &Tensor) -> Tensor {
        Tensor::from_op(Add, &[self, other])
    }
}

#[derive(Debug)]
struct Add;

impl Op for Add {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].zip(inputs[1], |x, y| x + y)
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::zip(
            output,
            inputs[0],
            inputs[1],
            #[inline(always)]
            |x, y| x + y,
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("add", "forward", 2, output.len())
    }

    fn backward(&self, _: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(grad.clone()), Some(grad.clone())]
    }
}
