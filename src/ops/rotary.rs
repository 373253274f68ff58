//! Rotary positions (Su et al., 2021): each pair of a head's columns is a vector in the plane, turned by an angle that
//! grows with the row's place in its sequence, so that products of queries and keys see the distance.
//!
//! Column `c` of a head makes a pair with column `c + d / 2`, as checkpoints have it.

use super::{Case, InF16, Spec, expect, matrix};
use crate::{
    array::{Array, Format, Ids, Segments, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor, all_in},
};

fn case(lengths: &[usize], width: usize, x: &[Tensor]) -> Tensor {
    x[0].rotary(&Segments::new(lengths.to_vec()), &Angles::new(100.0, width, 70))
}

pub(super) const SPEC: Spec = Spec {
    name: "rotary",
    tolerance: 1e-6,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0], tolerance: 1e-3 }),
    cases: &[
        Case { name: "two heads", inputs: &[&[8, 12]], run: |x| case(&[3, 1, 4], 6, x) },
        Case { name: "one pair", inputs: &[&[5, 2]], run: |x| case(&[5], 2, x) },
        Case { name: "past a workgroup", inputs: &[&[71, 24]], run: |x| case(&[70, 1], 8, x) },
        Case { name: "an empty sequence", inputs: &[&[3, 4]], run: |x| case(&[2, 0, 1], 4, x) },
        Case { name: "no sequence", inputs: &[&[0, 4]], run: |x| case(&[], 4, x) },
    ],
};

/// Cosine and sine of every place's angles.
#[derive(Clone, Debug)]
pub struct Angles {
    /// Pairs of a head.
    pairs: usize,
    /// The bits of (places, pairs, 2) numbers.
    table: Ids,
}

impl Angles {
    /// For heads of `width` columns, which is even, and this many places: pair `c` turns by `base^(−2c / width)` a place.
    ///
    /// Angles are rounded to f32 as they were where models were trained; sine and cosine of them are not.
    pub fn new(base: f64, width: usize, places: usize) -> Angles {
        let pairs = width / 2;
        let frequency = |c: usize| (1.0 / base.powf(2.0 * c as f64 / width as f64)) as f32;
        let frequencies: Vec<f32> = (0..pairs).map(frequency).collect();
        let angles = (0..places).flat_map(|place| frequencies.iter().map(move |frequency| place as f32 * frequency));
        let both = |angle: f32| [f64::from(angle).cos(), f64::from(angle).sin()].map(|x| (x as f32).to_bits());
        Angles { pairs, table: angles.flat_map(both).collect::<Vec<u32>>().into() }
    }

    fn places(&self) -> usize {
        self.table.len() / (2 * self.pairs).max(1)
    }

    /// Cosine and sine at a place.
    #[inline(always)]
    fn at(&self, place: usize, pair: usize) -> (f32, f32) {
        let i = 2 * (place * self.pairs + pair);
        (f32::from_bits(self.table[i]), f32::from_bits(self.table[i + 1]))
    }
}

impl Tensor {
    /// Every head's part of each row turned by the angles of its place: (t, h) → (t, h).
    #[track_caller]
    pub fn rotary(&self, segments: &Segments, angles: &Angles) -> Tensor {
        Tensor::from_op(Rotary { segments: segments.clone(), angles: angles.clone(), sign: 1.0 }, &[self])
    }
}

/// The turn, or for the sign −1 the turn back, which is its gradient, too.
#[derive(Clone, Debug)]
struct Rotary {
    segments: Segments,
    angles: Angles,
    sign: f32,
}

impl Rotary {
    fn place(&self, row: usize) -> usize {
        row - self.segments.offsets[self.segments.owners[row] as usize] as usize
    }
}

impl Op for Rotary {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = expect(inputs)?;
        let ([rows, columns], width) = (matrix(x)?, 2 * self.angles.pairs);
        let longest = self.segments.ranges().map(|rows| rows.len()).max().unwrap_or(0);
        if rows != self.segments.rows() || width == 0 || !columns.is_multiple_of(width) {
            return Err(format!("the sequences have {} rows, and heads {width} columns", self.segments.rows()));
        }
        match longest <= self.angles.places() {
            true => Ok(x.clone()),
            false => Err(format!("a sequence has {longest} rows, and there are {} places", self.angles.places())),
        }
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (mut output, pairs) = (inputs[0].clone(), self.angles.pairs);
        for row in 0..output.shape.rows() {
            for head in output.row_mut(row).chunks_exact_mut(2 * pairs) {
                for c in 0..pairs {
                    let (cosine, sine) = self.angles.at(self.place(row), c);
                    let (cosine, sine) = (f64::from(cosine), f64::from(sine * self.sign));
                    let (a, b) = (head[c], head[c + pairs]);
                    (head[c], head[c + pairs]) = (a * cosine - b * sine, b * cosine + a * sine);
                }
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let (columns, pairs) = (shapes[0].columns(), self.angles.pairs);
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |row, y| {
                let x = &inputs[0][row * columns..][..columns];
                let place = self.place(row);
                for (y, x) in y.chunks_exact_mut(2 * pairs).zip(x.chunks_exact(2 * pairs)) {
                    for c in 0..pairs {
                        let (cosine, sine) = self.angles.at(place, c);
                        let sine = sine * self.sign;
                        y[c] = x[c] * cosine - x[c + pairs] * sine;
                        y[c + pairs] = x[c + pairs] * cosine + x[c] * sine;
                    }
                }
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let (n, columns) = (inputs[0].len() / 2, inputs[0].columns());
        let Segments { offsets, owners } = self.segments.clone();
        let ids = [offsets, owners, self.angles.table.clone()].map(Binding::Ids);
        let dispatch = Dispatch {
            shader: "rotary".into(),
            entry: "forward",
            bindings: [Binding::Output(0), Binding::Input(0)].into_iter().chain(ids).collect(),
            uniform: vec![n as u32, columns as u32, self.angles.pairs as u32, self.sign.to_bits()],
            workgroups: n.div_ceil(256),
        };
        Kernel { dispatches: vec![dispatch], ..Kernel::default() }
    }

    fn backward(&self, _: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(Rotary { sign: -self.sign, ..self.clone() }, &[grad]))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_see_the_distance_alone() {
        let angles = Angles::new(10_000.0, 8, 40);
        let row = |seed: f64| Array::from_fn([1, 8], |i| (seed + 1.3 * i as f64).sin());
        let turned = |x: &Array, place: usize| {
            let rows = Array::from_fn([place + 1, 8], |i| x.values[i % 8]);
            Tensor::from_array(rows).rotary(&Segments::new([place + 1]), &angles).to_array().row(place).to_vec()
        };
        let product = |i, j| turned(&row(0.2), i).iter().zip(turned(&row(1.9), j)).map(|(a, b)| a * b).sum::<f64>();
        assert!((product(3, 1) - product(35, 33)).abs() < 1e-5);
        assert!((product(3, 1) - product(3, 2)).abs() > 1e-3);
    }
}
