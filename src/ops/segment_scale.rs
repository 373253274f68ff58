//! Each sequence's block scaled to an L2 norm, or back into a ball of that radius: the steps and the projection of
//! projected gradient ascent (Madry et al., 2018), per example over its whole block.

use super::{Case, Spec, expect, matrix};
use crate::{
    array::{Array, Segments, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};

fn segments() -> Segments {
    Segments::new([3, 1, 7])
}

pub(super) const SPEC: Spec = Spec {
    name: "segment_scale",
    tolerance: 1e-5,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "to", inputs: &[&[11, 5]], run: |x| x[0].segment_scale(&segments(), Target::Norm(0.7)) },
        Case { name: "inside", inputs: &[&[11, 5]], run: |x| x[0].segment_scale(&segments(), Target::Ball(3.0)) },
        Case {
            name: "one long",
            inputs: &[&[37, 13]],
            run: |x| x[0].segment_scale(&Segments::new([37]), Target::Ball(0.5)),
        },
    ],
};

/// Below this a norm counts as this: a zero block stays zero.
const SMALLEST_NORM: f32 = 1e-12;

/// What a block is scaled to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// To this norm.
    Norm(f32),
    /// To this norm where it is longer.
    Ball(f32),
}

impl Tensor {
    /// Every sequence's rows scaled by one factor each: (t, h) → (t, h).
    #[track_caller]
    pub fn segment_scale(&self, segments: &Segments, target: Target) -> Tensor {
        Tensor::from_op(SegmentScale { segments: segments.clone(), target }, &[self])
    }
}

#[derive(Clone, Debug)]
struct SegmentScale {
    segments: Segments,
    target: Target,
}

impl SegmentScale {
    /// The radius, and whether shorter blocks keep their length.
    fn radius(&self) -> (f32, bool) {
        match self.target {
            Target::Norm(radius) => (radius, false),
            Target::Ball(radius) => (radius, true),
        }
    }

    /// First the factors of each sequence, then their use on each row; `grad` is bound last in both.
    fn kernel_of(&self, x: &Shape, [find, apply]: [&'static str; 2], grad: &[Binding]) -> Kernel {
        let (radius, ball) = self.radius();
        let uniform = |n: usize| vec![n as u32, x.columns() as u32, radius.to_bits(), u32::from(ball)];
        let dispatch = |entry, n, bindings: &[Binding]| Dispatch {
            shader: "segment_scale".into(),
            entry,
            bindings: [bindings, grad].concat(),
            uniform: uniform(n),
            workgroups: n,
        };
        let Segments { offsets, owners } = self.segments.clone();
        let (count, factors) = (self.segments.count(), Binding::Scratch(0));
        let find = dispatch(find, count, &[factors.clone(), Binding::Input(0), Binding::Ids(offsets)]);
        let bindings = [Binding::Output(0), Binding::Input(0), factors, Binding::Ids(owners)];
        let apply = dispatch(apply, self.segments.rows(), &bindings);
        Kernel { scratch: vec![2 * count], dispatches: vec![find, apply], ..Kernel::default() }
    }

    fn factor(&self, square: f64) -> f64 {
        let (radius, ball) = self.radius();
        let factor = f64::from(radius) / square.sqrt().max(f64::from(SMALLEST_NORM));
        if ball { factor.min(1.0) } else { factor }
    }
}

impl Op for SegmentScale {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = expect(inputs)?;
        match matrix(x)?[0] == self.segments.rows() {
            true => Ok(x.clone()),
            false => Err(format!("the sequences have {} rows", self.segments.rows())),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (mut output, columns) = (inputs[0].clone(), inputs[0].shape.columns());
        for rows in self.segments.ranges() {
            let block = &mut output.values[rows.start * columns..rows.end * columns];
            let factor = self.factor(block.iter().map(|x| x * x).sum());
            block.iter_mut().for_each(|x| *x *= factor);
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        for rows in self.segments.ranges() {
            let range = rows.start * columns..rows.end * columns;
            let (x, out) = (&inputs[0][range.clone()], &mut output[range]);
            let factor = self.factor(f64::from(cpu::vectorized(
                #[inline(always)]
                || cpu::sum(x, |x| x * x),
            ))) as f32;
            cpu::for_slices(
                out,
                #[inline(always)]
                |start, out| {
                    for i in 0..out.len() {
                        out[i] = factor * x[start + i];
                    }
                },
            );
        }
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        self.kernel_of(inputs[0], ["find_forward", "forward"], &[])
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(SegmentScaleBackward(self.clone()), &[&inputs[0], grad]))]
    }
}

/// `factor · (grad − x · (x · grad) / |x|²)` per block where it was scaled, `grad` where it was not.
#[derive(Debug)]
struct SegmentScaleBackward(SegmentScale);

impl Op for SegmentScaleBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (mut output, columns) = (inputs[1].clone(), inputs[0].shape.columns());
        for rows in self.0.segments.ranges() {
            let range = rows.start * columns..rows.end * columns;
            let (x, grad) = (&inputs[0].values[range.clone()], &inputs[1].values[range.clone()]);
            let square: f64 = x.iter().map(|x| x * x).sum();
            let product: f64 = x.iter().zip(grad).map(|(x, g)| x * g).sum();
            let factor = self.0.factor(square);
            if factor < 1.0 || !self.0.radius().1 {
                for ((out, x), g) in output.values[range].iter_mut().zip(x).zip(grad) {
                    *out = factor * (g - x * product / square.max(f64::from(SMALLEST_NORM)));
                }
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        for rows in self.0.segments.ranges() {
            let range = rows.start * columns..rows.end * columns;
            let (x, grad, out) = (&inputs[0][range.clone()], &inputs[1][range.clone()], &mut output[range]);
            let square = cpu::vectorized(
                #[inline(always)]
                || cpu::sum(x, |x| x * x),
            );
            let product = cpu::vectorized(
                #[inline(always)]
                || cpu::sum_pairs(x, grad, |x, g| x * g),
            );
            let factor = self.0.factor(f64::from(square)) as f32;
            let scaled = factor < 1.0 || !self.0.radius().1;
            let slope = if scaled { product / square.max(SMALLEST_NORM) } else { 0.0 };
            let factor = if scaled { factor } else { 1.0 };
            cpu::for_slices(
                out,
                #[inline(always)]
                |start, out| {
                    for i in 0..out.len() {
                        out[i] = factor * (grad[start + i] - x[start + i] * slope);
                    }
                },
            );
        }
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        self.0.kernel_of(inputs[0], ["find_backward", "backward"], &[Binding::Input(1)])
    }
}
