//! The factor by which clipping to a global norm scales every gradient (Pascanu et al., 2013).

use super::{Case, Spec};
use crate::{
    array::{Array, Shape},
    gpu::Kernel,
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "clip_factor",
    tolerance: 1e-6,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "large", inputs: &[&[1]], run: |x| x[0].sum_squares(&x[0].scale(0.0)).clip_factor(0.01) },
        Case { name: "small", inputs: &[&[1]], run: |x| x[0].sum_squares(&x[0].scale(0.0)).clip_factor(100.0) },
    ],
};

impl Tensor {
    /// `min(1, max_norm / (√self + 1e-6))`, from the sum of squares of all gradients; NaN where that is not finite.
    pub fn clip_factor(&self, max_norm: f32) -> Tensor {
        Tensor::from_op(ClipFactor { max_norm }, &[self])
    }
}

/// PyTorch's `clip_grad_norm_`.
#[derive(Debug)]
struct ClipFactor {
    max_norm: f32,
}

impl Op for ClipFactor {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[0].len() {
            1 => Ok([1].into()),
            _ => Err("the total must be a single number".to_string()),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let factor = |total: f64| {
            if total.is_finite() { (f64::from(self.max_norm) / (total.sqrt() + 1e-6)).min(1.0) } else { f64::NAN }
        };
        inputs[0].map(factor)
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        let total = inputs[0][0];
        output[0] = if total.is_finite() { (self.max_norm / (total.sqrt() + 1e-6)).min(1.0) } else { f32::NAN };
    }

    fn kernel(&self, _: &[&Shape], _: &Shape) -> Kernel {
        Kernel::one("clip_factor", "forward", 1, vec![self.max_norm.to_bits()], 1)
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(ClipFactorBackward { max_norm: self.max_norm }, &[&inputs[0], grad]))]
    }
}

/// `grad · −max_norm / (2 √x (√x + 1e-6)²)` where the norm is clipped, else 0.
#[derive(Debug)]
struct ClipFactorBackward {
    max_norm: f32,
}

impl Op for ClipFactorBackward {
    fn shape(&self, _: &[&Shape]) -> Result<Shape, String> {
        Ok([1].into())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let max_norm = f64::from(self.max_norm);
        inputs[0].zip(inputs[1], |x, g| {
            let norm = x.sqrt();
            if max_norm / (norm + 1e-6) < 1.0 { -g * max_norm / (2.0 * norm * (norm + 1e-6).powi(2)) } else { 0.0 }
        })
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        let norm = inputs[0][0].sqrt();
        let slope = -self.max_norm / (2.0 * norm * (norm + 1e-6) * (norm + 1e-6));
        output[0] = if self.max_norm / (norm + 1e-6) < 1.0 { inputs[1][0] * slope } else { 0.0 };
    }

    fn kernel(&self, _: &[&Shape], _: &Shape) -> Kernel {
        Kernel::one("clip_factor", "backward", 2, vec![self.max_norm.to_bits()], 1)
    }
}
