//! The same numbers stored otherwise: between parameters and losses in f32 and, on a GPU in f16, what passes between
//! layers.

use super::{Case, InF16, Spec, same_shape};
use crate::{
    array::{Array, Format, Shape},
    gpu::Kernel,
    tensor::{Device, Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "cast",
    tolerance: 0.0,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[], tolerance: 5e-4 }),
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5]], run: |x| there_and_back(&x[0]) },
        Case { name: "past a workgroup", inputs: &[&[1031]], run: |x| there_and_back(&x[0]) },
        Case { name: "empty", inputs: &[&[0, 4]], run: |x| there_and_back(&x[0]) },
    ],
};

/// Into what passes between layers, and back.
fn there_and_back(x: &Tensor) -> Tensor {
    x.cast(x.device().format()).cast(Format::F32)
}

impl Tensor {
    /// The same numbers in a format, rounded where that is shorter; only a GPU knows of formats.
    pub fn cast(&self, format: Format) -> Tensor {
        match self.device() {
            Device::Reference | Device::Cpu(_) => self.clone(),
            _ if self.format() == format => self.clone(),
            _ => Tensor::from_op(Cast { format }, &[self]),
        }
    }
}

#[derive(Debug)]
struct Cast {
    format: Format,
}

impl Op for Cast {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn format(&self, _: &[Format]) -> Option<Format> {
        Some(self.format)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].clone()
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        output.copy_from_slice(inputs[0]);
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("cast", "forward", 1, output.len())
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(grad.cast(inputs[0].format()))]
    }
}
