//! A copy into the front of a larger tensor, in place: how the optimizer's tables grow.

use super::UpdateCase;
use crate::{
    array::Shape,
    gpu::{Binding, Dispatch, Kernel},
    tensor::Update,
};

pub(super) const CASES: &[UpdateCase] =
    &[UpdateCase { name: "copy", tolerance: 0.0, state: &[&[301]], inputs: &[&[257]], update: || Box::new(Copy) }];

/// `state[i] = input[i]` for as many numbers as the input has.
#[derive(Debug)]
pub struct Copy;

impl Update for Copy {
    fn reference(&self, state: &mut [&mut [f64]], inputs: &[&[f64]]) {
        state[0][..inputs[0].len()].copy_from_slice(inputs[0]);
    }

    fn cpu(&self, state: &mut [&mut [f32]], inputs: &[&[f32]]) {
        state[0][..inputs[0].len()].copy_from_slice(inputs[0]);
    }

    fn kernel(&self, _: &[&Shape], inputs: &[&Shape]) -> Kernel {
        let n = inputs[0].len();
        let bindings = vec![Binding::Output(0), Binding::Input(0)];
        let uniform = vec![n as u32];
        let dispatch =
            Dispatch { shader: "copy".into(), entry: "forward", bindings, uniform, workgroups: n.div_ceil(256) };
        Kernel { dispatches: vec![dispatch], ..Kernel::default() }
    }
}
