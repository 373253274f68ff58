//! GELU in its exact form, `x · Φ(x)` (Hendrycks & Gimpel, 2016), as XLM-R uses it.

use super::{Case, InF16, Spec, same_shape};
use crate::{
    array::{Array, Format, Shape},
    cpu,
    gpu::Kernel,
    tensor::{Op, Tensor, all_in},
};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

pub(super) const SPEC: Spec = Spec {
    name: "gelu",
    tolerance: 2e-6, // the error function is within 6e-7
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0], tolerance: 2e-3 }), // of what was rounded before, too
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5]], run: |x| x[0].gelu() },
        Case { name: "past a workgroup", inputs: &[&[257]], run: |x| x[0].scale(3.0).gelu() },
        Case { name: "empty", inputs: &[&[0, 4]], run: |x| x[0].gelu() },
    ],
};

impl Tensor {
    /// `x · Φ(x)`, element by element.
    pub fn gelu(&self) -> Tensor {
        Tensor::from_op(Gelu, &[self])
    }
}

#[derive(Debug)]
pub(super) struct Gelu;

impl Op for Gelu {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].map(|x| x * normal_cdf(x))
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        gelu_cpu(output, inputs[0]);
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("gelu", "forward", 1, output.len())
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(GeluBackward, &[&inputs[0], grad]))]
    }
}

/// `x · Φ(x)` on the CPU.
pub(super) fn gelu_cpu(output: &mut [f32], x: &[f32]) {
    cpu::map(
        output,
        x,
        #[inline(always)]
        |x| {
            let bell = cpu::exp(-0.5 * x * x);
            0.5 * x * (1.0 + cpu::erf(x * FRAC_1_SQRT_2, bell))
        },
    );
}

/// `grad · (Φ(x) + x · φ(x))`.
#[derive(Debug)]
pub(super) struct GeluBackward;

impl Op for GeluBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        inputs[0].zip(inputs[1], |x, g| g * (normal_cdf(x) + x * density(x)))
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        const INV_SQRT_TAU: f32 = 0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI;
        cpu::zip(
            output,
            inputs[0],
            inputs[1],
            #[inline(always)]
            |x, g| {
                let bell = cpu::exp(-0.5 * x * x);
                let cdf = 0.5 * (1.0 + cpu::erf(x * FRAC_1_SQRT_2, bell));
                g * (cdf + x * INV_SQRT_TAU * bell)
            },
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("gelu", "backward", 2, output.len())
    }
}

/// `Φ(x) = ½ erfc(−x / √2)`, by the series of erf near 0 and the continued fraction of erfc elsewhere.
pub(super) fn normal_cdf(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let upper = if z < 2.5 { 0.5 - 0.5 * erf_series(z) } else { 0.5 * erfc_fraction(z) };
    if x > 0.0 { 1.0 - upper } else { upper }
}

fn erf_series(z: f64) -> f64 {
    let (mut term, mut sum) = (z, z);
    for n in 1..100 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

fn erfc_fraction(z: f64) -> f64 {
    let tail = (1..=100).rev().fold(z, |tail, n| z + f64::from(n) / 2.0 / tail);
    (-z * z).exp() / std::f64::consts::PI.sqrt() / tail
}

#[cfg(test)]
mod tests {
    use super::normal_cdf;

    #[test]
    fn the_normal_distribution_has_its_known_values() {
        let known =
            [(0.0, 0.5), (1.0, 0.841_344_746_068_543), (-2.0, 0.022_750_131_948_179), (4.0, 0.999_968_328_758_167)];
        for (x, expected) in known {
            assert!((normal_cdf(x) - expected).abs() < 1e-14, "{x}: {}", normal_cdf(x));
        }
    }
}
