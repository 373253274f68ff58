//! Dynamic scaling of the loss (Micikevicius et al., 2018), decided on the device.
//!
//! Operands of products in f16 lose gradients below 6e-8. So the loss is multiplied by a scale, which doubles after many
//! steps without overflow and is halved by each one with it; that step changes nothing else.

use super::UpdateCase;
use crate::{
    array::Shape,
    gpu::{Binding, Dispatch, Kernel},
    tensor::Update,
};

pub(super) const CASES: &[UpdateCase] = &[
    UpdateCase {
        name: "loss scale stays",
        tolerance: 2e-6,
        state: &[&[4], &[1]],
        inputs: &[],
        update: || Box::new(LossScale { max_norm: 0.1, interval: 2_000 }),
    },
    UpdateCase {
        name: "loss scale grows",
        tolerance: 2e-6,
        state: &[&[4], &[1]],
        inputs: &[],
        update: || Box::new(LossScale { max_norm: 1e6, interval: 1 }),
    },
];

/// The factor of clipping where gradients were scaled, and the scale's next value.
///
/// State: four numbers (the scale, good steps since it last changed, the factor by which gradients are clipped and
/// scaled back, their sum of squares when scaled back), and the sum of squares of scaled gradients, which is only read.
/// Where that is not finite, factor and sum are NaN.
#[derive(Debug)]
pub struct LossScale {
    /// Gradients are scaled down to this global norm.
    pub max_norm: f32,
    /// Good steps after which the scale doubles.
    pub interval: u32,
}

impl LossScale {
    /// The state before the first step.
    pub const START: [f32; 4] = [65_536.0, 0.0, 0.0, 0.0];
    const LARGEST: f64 = 16_777_216.0;

    /// The next state.
    fn next(&self, [scale, good]: [f64; 2], total: f64) -> [f64; 4] {
        if !total.is_finite() {
            return [(scale / 2.0).max(1.0), 0.0, f64::NAN, f64::NAN];
        }
        let square = total / scale / scale;
        let factor = (f64::from(self.max_norm) / (square.sqrt() + 1e-6)).min(1.0) / scale;
        match good + 1.0 >= f64::from(self.interval) {
            true => [(2.0 * scale).min(LossScale::LARGEST), 0.0, factor, square],
            false => [scale, good + 1.0, factor, square],
        }
    }
}

impl Update for LossScale {
    fn reference(&self, state: &mut [&mut [f64]], _: &[&[f64]]) {
        let next = self.next([state[0][0], state[0][1]], state[1][0]);
        state[0].copy_from_slice(&next);
    }

    fn cpu(&self, state: &mut [&mut [f32]], _: &[&[f32]]) {
        let next = self.next([state[0][0], state[0][1]].map(f64::from), f64::from(state[1][0]));
        state[0].copy_from_slice(&next.map(|x| x as f32));
    }

    fn kernel(&self, _: &[&Shape], _: &[&Shape]) -> Kernel {
        let dispatch = Dispatch {
            shader: "loss_scale".into(),
            entry: "forward",
            bindings: vec![Binding::Output(0), Binding::Output(1)],
            uniform: vec![self.max_norm.to_bits(), (self.interval as f32).to_bits()],
            workgroups: 1,
        };
        Kernel { dispatches: vec![dispatch], ..Kernel::default() }
    }
}
