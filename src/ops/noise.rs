//! Random perturbations: Gaussian, or uniform in a cube. Randomized smoothing draws them (Cohen et al., 2019).

use super::{Case, Spec};
use crate::{
    array::{Array, Shape},
    cpu,
    gpu::Kernel,
    rng::{Draw, gaussian_pair, unit},
    tensor::{Device, Op, Tensor},
};

const DRAW: Draw = Draw { seed: 99, step: 3, stream: 5 };

pub(super) const SPEC: Spec = Spec {
    name: "noise",
    tolerance: 1e-5, // sine and logarithm of the devices
    smooth: true,
    in_f16: None,
    cases: &[
        Case {
            name: "gaussian",
            inputs: &[&[7, 37]],
            run: |x| x[0].add(&noise(x[0].shape(), Distribution::Gaussian, 0.5, DRAW, x[0].device())),
        },
        Case {
            name: "uniform",
            inputs: &[&[1031]],
            run: |x| x[0].add(&noise(x[0].shape(), Distribution::Uniform, 0.1, DRAW, x[0].device())),
        },
    ],
};

/// What a perturbation is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Normal with standard deviation `scale`.
    Gaussian,
    /// Uniform in `[−scale, scale]`.
    Uniform,
}

/// Independent random numbers in the given shape.
pub fn noise(shape: &Shape, distribution: Distribution, scale: f32, draw: Draw, device: &Device) -> Tensor {
    Tensor::generate(Noise { shape: shape.clone(), distribution, scale, draw }, &[], device)
}

#[derive(Debug)]
struct Noise {
    shape: Shape,
    distribution: Distribution,
    scale: f32,
    draw: Draw,
}

impl Noise {
    fn block(&self, block: usize) -> [f32; 4] {
        let words = self.draw.words(block as u32, 0);
        match self.distribution {
            Distribution::Uniform => words.map(|word| self.scale * (2.0 * unit(word) - 1.0)),
            Distribution::Gaussian => {
                let [a, b] = gaussian_pair([words[0], words[1]]);
                let [c, d] = gaussian_pair([words[2], words[3]]);
                [a, b, c, d].map(|x| self.scale * x)
            }
        }
    }
}

impl Op for Noise {
    fn shape(&self, _: &[&Shape]) -> Result<Shape, String> {
        Ok(self.shape.clone())
    }

    fn reference(&self, _: &[&Array]) -> Array {
        Array::from_fn(self.shape.clone(), |i| f64::from(self.block(i / 4)[i % 4]))
    }

    fn cpu(&self, _: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::for_slices(
            output,
            #[inline(always)]
            |start, out| {
                for (i, x) in out.chunks_mut(4).enumerate() {
                    x.copy_from_slice(&self.block(start / 4 + i)[..x.len()]);
                }
            },
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        let entry = match self.distribution {
            Distribution::Gaussian => "gaussian",
            Distribution::Uniform => "uniform_noise",
        };
        let (Draw { step, stream, .. }, [low, high]) = (self.draw, self.draw.key());
        Kernel::elementwise("noise", entry, 0, output.len()).with(&[self.scale.to_bits(), step, stream, low, high])
    }

    fn backward(&self, _: &[Tensor], _: &Tensor, _: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        Vec::new()
    }
}
