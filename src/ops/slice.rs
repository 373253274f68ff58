//! Some of a tensor's numbers, in their order, as a tensor of its own.

use super::{Case, InF16, Spec, expect};
use crate::{
    array::{Array, Format, Shape},
    gpu::Kernel,
    tensor::{Op, Tensor, all_in},
};

pub(super) const SPEC: Spec = Spec {
    name: "slice",
    tolerance: 0.0,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0], tolerance: 5e-4 }),
    cases: &[
        Case { name: "rows", inputs: &[&[7, 5]], run: |x| x[0].slice(10, [2, 5]) },
        Case { name: "one row of two", inputs: &[&[2, 301]], run: |x| x[0].slice(301, [301]) },
        Case { name: "nothing", inputs: &[&[2, 3]], run: |x| x[0].slice(6, [0, 3]) },
    ],
};

impl Tensor {
    /// The numbers from the `start`-th on, in the given shape.
    #[track_caller]
    pub fn slice(&self, start: usize, shape: impl Into<Shape>) -> Tensor {
        Tensor::from_op(Slice { start, shape: shape.into() }, &[self])
    }
}

#[derive(Debug)]
struct Slice {
    start: usize,
    shape: Shape,
}

impl Op for Slice {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = expect(inputs)?;
        match self.start + self.shape.len() <= x.len() {
            true => Ok(self.shape.clone()),
            false => Err(format!("{:?} from {} on reaches past the end", self.shape, self.start)),
        }
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        Array::from_fn(self.shape.clone(), |i| inputs[0].values[self.start + i])
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        output.copy_from_slice(&inputs[0][self.start..][..output.len()]);
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("slice", "forward", 1, output.len()).with(&[self.start as u32])
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(SliceBackward { start: self.start, shape: inputs[0].shape().clone() }, &[grad]))]
    }
}

/// The gradient in its place, zero around it.
#[derive(Debug)]
struct SliceBackward {
    start: usize,
    shape: Shape,
}

impl Op for SliceBackward {
    fn shape(&self, _: &[&Shape]) -> Result<Shape, String> {
        Ok(self.shape.clone())
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let mut output = Array::zeros(self.shape.clone());
        output.values[self.start..][..inputs[0].values.len()].copy_from_slice(&inputs[0].values);
        output
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        output.fill(0.0);
        output[self.start..][..inputs[0].len()].copy_from_slice(inputs[0]);
    }

    fn kernel(&self, inputs: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("slice", "backward", 1, output.len()).with(&[self.start as u32, inputs[0].len() as u32])
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(grad.slice(self.start, inputs[0].shape().clone()))]
    }
}
