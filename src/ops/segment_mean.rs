//! The mean of each sequence's rows: what stands for a sequence in ModernBERT's classifier.

use super::{Case, Spec, expect, matrix};
use crate::{
    array::{Array, Segments, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};
use std::ops::Range;

pub(super) const SPEC: Spec = Spec {
    name: "segment_mean",
    tolerance: 1e-5,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "three", inputs: &[&[11, 5]], run: |x| x[0].segment_mean(&Segments::new([3, 1, 7])) },
        Case { name: "past a workgroup", inputs: &[&[300, 67]], run: |x| x[0].segment_mean(&Segments::new([299, 1])) },
        Case { name: "an empty sequence", inputs: &[&[3, 4]], run: |x| x[0].segment_mean(&Segments::new([2, 0, 1])) },
        Case { name: "no sequence", inputs: &[&[0, 4]], run: |x| x[0].segment_mean(&Segments::new([])) },
    ],
};

impl Tensor {
    /// The mean of each sequence's rows, 0 where it has none: (t, h) → (s, h).
    #[track_caller]
    pub fn segment_mean(&self, segments: &Segments) -> Tensor {
        Tensor::from_op(SegmentMean { segments: segments.clone() }, &[self])
    }
}

#[derive(Clone, Debug)]
struct SegmentMean {
    segments: Segments,
}

impl SegmentMean {
    fn range(&self, segment: usize) -> Range<usize> {
        self.segments.offsets[segment] as usize..self.segments.offsets[segment + 1] as usize
    }

    /// How many rows the sequence of a row has.
    fn length_at(&self, row: usize) -> usize {
        self.range(self.segments.owners[row] as usize).len()
    }
}

impl Op for SegmentMean {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = expect(inputs)?;
        match matrix(x)? {
            [rows, columns] if rows == self.segments.rows() => Ok([self.segments.count(), columns].into()),
            _ => Err(format!("the sequences have {} rows", self.segments.rows())),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let mut output = Array::zeros([self.segments.count(), inputs[0].shape.columns()]);
        for (segment, rows) in self.segments.ranges().enumerate() {
            let n = rows.len() as f64;
            for row in rows {
                for (mean, x) in output.row_mut(segment).iter_mut().zip(inputs[0].row(row)) {
                    *mean += x / n;
                }
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |segment, mean| {
                mean.fill(0.0);
                let rows = self.range(segment);
                let inverse = 1.0 / rows.len().max(1) as f32;
                for row in rows {
                    let x = &inputs[0][row * columns..][..columns];
                    for j in 0..mean.len() {
                        mean[j] += x[j];
                    }
                }
                mean.iter_mut().for_each(|mean| *mean *= inverse);
            },
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        let dispatch = Dispatch {
            shader: "segment_mean".into(),
            entry: "forward",
            bindings: vec![Binding::Output(0), Binding::Input(0), Binding::Ids(self.segments.offsets.clone())],
            uniform: vec![output.len() as u32, output.columns() as u32],
            workgroups: output.len().div_ceil(64),
        };
        Kernel { dispatches: vec![dispatch], ..Kernel::default() }
    }

    fn backward(&self, _: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(Tensor::from_op(SegmentMeanBackward(self.clone()), &[grad]))]
    }
}

/// Each row's part in the mean of its sequence: (s, h) → (t, h).
#[derive(Debug)]
struct SegmentMeanBackward(SegmentMean);

impl Op for SegmentMeanBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok([self.0.segments.rows(), inputs[0].columns()].into())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let columns = inputs[0].shape.columns();
        Array::from_fn([self.0.segments.rows(), columns], |i| {
            let (row, column) = (i / columns, i % columns);
            inputs[0].row(self.0.segments.owners[row] as usize)[column] / self.0.length_at(row) as f64
        })
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |row, dx| {
                let grad = &inputs[0][self.0.segments.owners[row] as usize * columns..][..columns];
                let inverse = 1.0 / self.0.length_at(row) as f32;
                for j in 0..dx.len() {
                    dx[j] = grad[j] * inverse;
                }
            },
        );
    }

    fn kernel(&self, _: &[&Shape], output: &Shape) -> Kernel {
        let Segments { offsets, owners } = self.0.segments.clone();
        let dispatch = Dispatch {
            shader: "segment_mean".into(),
            entry: "backward",
            bindings: vec![Binding::Output(0), Binding::Input(0), Binding::Ids(offsets), Binding::Ids(owners)],
            uniform: vec![output.len() as u32, output.columns() as u32],
            workgroups: output.len().div_ceil(256),
        };
        Kernel { dispatches: vec![dispatch], ..Kernel::default() }
    }
}
