//! Cooperative matrices: products by the matrix units of a GPU, taken only where they were seen to be right.
//!
//! wgpu calls them experimental, and how many lanes a subgroup has is for the driver to choose; so each GPU that claims
//! them multiplies two matrices in both ways when it is opened, and keeps to the ordinary kernels if results differ.

use super::{Formats, Gpu, Kernel, Shader, autotune::furthest};
use crate::array::Format;
use std::sync::Arc;

/// m, n and k of the products that are tried: several tiles with ragged edges.
const TRIAL: [usize; 3] = [150, 139, 100];

/// How often they are tried: what races shows itself only now and then.
const TRIALS: usize = 20;

/// How far the sums may be from those of the ordinary kernel, relative to numbers beyond 1: they are made in another
/// order, and matrix units may cut the last bits of f32.
const TOLERANCE: f32 = 3e-5;

/// The side of matrices, and the shaders of products by them, bare and affine; the largest first.
pub const COOPERATIVE: [(u32, [&str; 2]); 2] =
    [(16, ["matmul_cooperative16", "linear_cooperative16"]), (8, ["matmul_cooperative8", "linear_cooperative8"])];

impl Gpu {
    /// Tries the adapter's cooperative matrices, the largest first; what passes is taken from now on. Returns what there
    /// is to say where none does.
    pub(super) fn try_cooperative(self: &Arc<Self>) -> Option<String> {
        let (least, most) = self.adapter().subgroups?;
        let sizes = if least == most { vec![most] } else { vec![most, least] };
        let mut note = None;
        let has = |side: &u32| self.adapter().cooperative.contains(side);
        let shaders =
            COOPERATIVE.iter().filter(|(side, _)| has(side)).map(|(side, [bare, _])| (*side, Shader::from(*bare)));
        for ((side, shader), lanes) in shaders.flat_map(|tried| sizes.iter().map(move |lanes| (tried, *lanes))) {
            self.pipelines.forget(shader);
            self.pipelines.set_lanes(lanes);
            let wrong = self.refusal(shader).or_else(|| {
                let error = self.cooperative_error(shader, side);
                let wrong = error.is_nan() || error > TOLERANCE;
                wrong.then(|| {
                    format!("they differ by {error:.1e} from the ordinary ones, expected at most {TOLERANCE:.0e}")
                })
            });
            let Some(wrong) = wrong else {
                self.cooperative.set(side).expect("a GPU is opened once");
                return None;
            };
            let name = &self.adapter().name;
            let tried = format!("products of {side} x {side} by subgroups of {lanes}");
            note = Some(format!("cooperative matrices are not used on {name}: {tried}: {wrong}"));
        }
        note
    }

    /// What the driver has against the shader, if it does not take it.
    fn refusal(&self, shader: Shader) -> Option<String> {
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        self.pipeline(shader, "forward");
        let errors = [pollster::block_on(validation.pop()), pollster::block_on(internal.pop())];
        let in_one_line = |error: wgpu::Error| error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        errors.into_iter().flatten().next().map(|error| format!("the driver refuses them: {}", in_one_line(error)))
    }

    /// The largest difference between products by this shader and by the ordinary one; NaN where one is no number.
    fn cooperative_error(self: &Arc<Self>, shader: Shader, side: u32) -> f32 {
        let [m, n, k] = TRIAL;
        let kernel = |shader: Shader, side: usize| {
            let uniform = [m, n, k, k, 1, n, 1, k].map(|extent| extent as u32).to_vec();
            Kernel::one(shader, "forward", 2, uniform, m.div_ceil(side) * n.div_ceil(side))
        };
        let (plain, tried) = (kernel(Shader::from("matmul").rounded(true), 64), kernel(shader, 4 * side as usize));
        let trial = self.trial(TRIAL, &Formats { outputs: vec![Format::F32], inputs: vec![Format::F32; 2] });
        let results: Vec<f32> = (0..TRIALS).flat_map(|_| trial.result(&tried)).collect();
        furthest(&results, &trial.result(&plain).repeat(TRIALS))
    }
}
