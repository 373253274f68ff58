//! Projection onto the L∞ ball, and the sign that ascends in it: `adv` with norm L∞ (Madry et al., 2018).

use super::{Case, Spec, same_shape};
use crate::{
    array::{Array, Shape},
    cpu,
    gpu::Kernel,
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "clamp",
    tolerance: 1e-6,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5]], run: |x| x[0].clamp(0.5) },
        Case { name: "past a workgroup", inputs: &[&[257]], run: |x| x[0].clamp(1.0) },
        Case { name: "sign", inputs: &[&[3, 89]], run: |x| x[0].sign() },
    ],
};

impl Tensor {
    /// Each element limited to `[−radius, radius]`.
    pub fn clamp(&self, radius: f32) -> Tensor {
        Tensor::from_op(Clamp { radius }, &[self])
    }

    /// −1, 0 or 1 for each element; its derivative is 0.
    pub fn sign(&self) -> Tensor {
        Tensor::from_op(Sign, &[self])
    }
}

#[derive(Debug)]
struct Clamp {
    radius: f32,
}

impl Op for Clamp {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let radius = f64::from(self.radius);
        inputs[0].map(|x| x.clamp(-radius, radius))
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::map(
            output,
            inputs[0],
            #[inline(always)]
            |x| x.clamp(-self.radius, self.radius),
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("clamp", "forward", 1, output.len()).with(&[self.radius.to_bits()])
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(ClampBackward { radius: self.radius }, &[&inputs[0], grad]))]
    }
}

/// `grad` where the input lies inside the interval, else 0.
#[derive(Debug)]
struct ClampBackward {
    radius: f32,
}

impl Op for ClampBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].zip(inputs[1], |x, g| if x.abs() <= f64::from(self.radius) { g } else { 0.0 })
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::zip(
            output,
            inputs[0],
            inputs[1],
            #[inline(always)]
            |x, g| if x.abs() <= self.radius { g } else { 0.0 },
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("clamp", "backward", 2, output.len()).with(&[self.radius.to_bits()])
    }

    fn backward(&self, _: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![None, Some(grad.clone())]
    }
}

#[derive(Debug)]
struct Sign;

#[inline(always)]
fn sign(x: f32) -> f32 {
    f32::from(u8::from(x > 0.0)) - f32::from(u8::from(x < 0.0))
}

impl Op for Sign {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].map(|x| if x == 0.0 { 0.0 } else { x.signum() })
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::map(output, inputs[0], sign);
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("clamp", "sign_forward", 1, output.len())
    }

    fn backward(&self, _: &[Tensor], _: &Tensor, _: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![None]
    }
}
