//! Dropout (Srivastava et al., 2014) with masks that are drawn again in the backward pass instead of stored.

use super::{Case, InF16, Spec, same_shape};
use crate::{
    array::{Array, Format, Shape},
    cpu,
    gpu::Kernel,
    rng::{Draw, drop_threshold, philox_run},
    tensor::{Op, Tensor, all_in},
};

const DRAW: Draw = Draw { seed: 0x1234_5678_9abc_def0, step: 3, stream: 5 };

pub(super) const SPEC: Spec = Spec {
    name: "dropout",
    tolerance: 1e-6,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0], tolerance: 5e-4 }),
    cases: &[
        Case { name: "rows", inputs: &[&[3, 5]], run: |x| x[0].dropout(0.5, DRAW) },
        Case { name: "past a workgroup", inputs: &[&[1031]], run: |x| x[0].dropout(0.1, DRAW) },
        Case { name: "empty", inputs: &[&[0, 4]], run: |x| x[0].dropout(0.1, DRAW) },
    ],
};

impl Tensor {
    /// Each element 0 with probability `rate`, else divided by `1 − rate`.
    pub fn dropout(&self, rate: f32, draw: Draw) -> Tensor {
        Tensor::from_op(Dropout { rate, draw }, &[self])
    }
}

#[derive(Debug)]
struct Dropout {
    rate: f32,
    draw: Draw,
}

impl Op for Dropout {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        dropped(inputs[0], self.rate, self.draw)
    }

    fn cpu(&self, inputs: &[&[f32]], _: &[&Shape], output: &mut [f32]) {
        cpu::for_slices(
            output,
            #[inline(always)]
            |start, out| {
                out.copy_from_slice(&inputs[0][start..][..out.len()]);
                drop_row(out, self.rate, self.draw, start as u32 / 4, 0);
            },
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        Kernel::elementwise("dropout", "forward", 1, output.len()).with(&uniform(self.rate, self.draw))
    }

    fn backward(&self, _: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(grad.dropout(self.rate, self.draw))]
    }
}

/// What dropout leaves of an array.
pub(super) fn dropped(x: &Array, rate: f32, draw: Draw) -> Array {
    let keep = |i: usize| draw.words(i as u32 / 4, 0)[i % 4] >= drop_threshold(rate);
    let factor = 1.0 / (1.0 - f64::from(rate));
    Array::from_fn(x.shape.clone(), |i| if keep(i) { x.values[i] * factor } else { 0.0 })
}

/// What `shared/dropout.wgsl` is told behind the number of elements.
pub(super) fn uniform(rate: f32, draw: Draw) -> [u32; 6] {
    let ([low, high], factor) = (draw.key(), 1.0 / (1.0 - rate));
    [drop_threshold(rate), factor.to_bits(), draw.step, draw.stream, low, high]
}

/// Drops elements of a row in place; its first element uses the first word of `first_block`.
#[inline(always)]
pub(super) fn drop_row(x: &mut [f32], rate: f32, draw: Draw, first_block: u32, row: u32) {
    const BLOCKS: usize = 16; // side by side, for vector instructions
    let (threshold, factor) = (drop_threshold(rate), 1.0 / (1.0 - rate));
    for (group, x) in x.chunks_mut(4 * BLOCKS).enumerate() {
        let first = first_block + (group * BLOCKS) as u32;
        let words = philox_run::<BLOCKS>([first, row, draw.step, draw.stream], draw.key());
        for (x, word) in x.iter_mut().zip(words.as_flattened()) {
            *x = if *word >= threshold { *x * factor } else { 0.0 };
        }
    }
}

/// Drops elements of a part of a tensor in place, as [`Tensor::dropout`] drops them; the part begins at `start`.
#[inline(always)]
pub(super) fn drop_part(x: &mut [f32], dropout: (f32, Draw), start: usize) {
    drop_from(x, dropout, start, 0);
}

/// Drops elements of a row in place; the first is the `start`-th of the row.
#[inline(always)]
pub(super) fn drop_from(x: &mut [f32], (rate, draw): (f32, Draw), start: usize, row: u32) {
    let head = (start.next_multiple_of(4) - start).min(x.len());
    let (first, rest) = x.split_at_mut(head);
    let words = draw.words(start as u32 / 4, row);
    for (i, x) in first.iter_mut().enumerate() {
        *x = if words[start % 4 + i] >= drop_threshold(rate) { *x * (1.0 / (1.0 - rate)) } else { 0.0 };
    }
    drop_row(rest, rate, draw, (start + head) as u32 / 4, row);
}
