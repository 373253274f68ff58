//! Matrices side by side, and a block of columns: logits over the windows of a large vocabulary.

use super::{Case, Spec, matrix};
use crate::{
    array::{Array, Shape},
    gpu::{Binding, Dispatch, Kernel},
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "columns",
    tolerance: 0.0,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "three", inputs: &[&[3, 5], &[3, 1], &[3, 70]], run: |x| concat_columns(&[&x[0], &x[1], &x[2]]) },
        Case { name: "one", inputs: &[&[2, 3]], run: |x| concat_columns(&[&x[0]]) },
        Case { name: "block", inputs: &[&[5, 67]], run: |x| x[0].columns(3, 61) },
    ],
};

/// Matrices of one height side by side: (r, a), (r, b), … → (r, a + b + …).
#[track_caller]
pub fn concat_columns(parts: &[&Tensor]) -> Tensor {
    Tensor::from_op(Concat, parts)
}

impl Tensor {
    /// `count` columns from the `first` on: (r, c) → (r, count).
    #[track_caller]
    pub fn columns(&self, first: usize, count: usize) -> Tensor {
        Tensor::from_op(Columns { first, count }, &[self])
    }
}

#[derive(Debug)]
struct Concat;

/// The first column of each part.
fn starts(parts: &[&Shape]) -> Vec<usize> {
    parts.iter().scan(0, |end, part| Some(std::mem::replace(end, *end + part.columns()))).collect()
}

impl Op for Concat {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [rows, _] = matrix(inputs.first().ok_or("nothing to concatenate")?)?;
        for input in inputs {
            if matrix(input)?[0] != rows {
                return Err("the heights differ".to_string());
            }
        }
        Ok([rows, inputs.iter().map(|input| input.columns()).sum()].into())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let shapes: Vec<&Shape> = inputs.iter().map(|input| &input.shape).collect();
        let mut output = Array::zeros(self.shape(&shapes).expect("checked"));
        for (input, start) in inputs.iter().zip(starts(&shapes)) {
            for row in 0..input.shape.rows() {
                output.row_mut(row)[start..][..input.shape.columns()].copy_from_slice(input.row(row));
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let width: usize = shapes.iter().map(|shape| shape.columns()).sum();
        for ((input, shape), start) in inputs.iter().zip(shapes).zip(starts(shapes)) {
            let columns = shape.columns();
            for (from, to) in input.chunks_exact(columns.max(1)).zip(output.chunks_exact_mut(width.max(1))) {
                to[start..][..columns].copy_from_slice(from);
            }
        }
    }

    fn kernel(&self, inputs: &[&Shape], output: &Shape) -> Kernel {
        let dispatches = inputs.iter().zip(starts(inputs)).enumerate().map(|(i, (input, start))| Dispatch {
            shader: "columns".into(),
            entry: "forward",
            bindings: vec![Binding::Output(0), Binding::Input(i)],
            uniform: vec![input.len() as u32, input.columns() as u32, output.columns() as u32, start as u32],
            workgroups: input.len().div_ceil(256),
        });
        Kernel { dispatches: dispatches.collect(), ..Kernel::default() }
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let shapes: Vec<&Shape> = inputs.iter().map(Tensor::shape).collect();
        let parts = shapes.iter().zip(starts(&shapes)).zip(wanted);
        parts.map(|((shape, start), wanted)| wanted.then(|| grad.columns(start, shape.columns()))).collect()
    }
}

#[derive(Debug)]
struct Columns {
    first: usize,
    count: usize,
}

impl Op for Columns {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [rows, columns] = matrix(inputs[0])?;
        match self.first + self.count <= columns {
            true => Ok([rows, self.count].into()),
            false => Err(format!("columns {} to {} lie outside", self.first, self.first + self.count)),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let shape = Shape::from([inputs[0].shape.rows(), self.count]);
        Array::from_fn(shape, |i| inputs[0].row(i / self.count)[self.first + i % self.count])
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let from = inputs[0].chunks_exact(shapes[0].columns().max(1));
        for (from, to) in from.zip(output.chunks_exact_mut(self.count.max(1))) {
            to.copy_from_slice(&from[self.first..][..self.count]);
        }
    }

    fn kernel(&self, inputs: &[&Shape], output: &Shape) -> Kernel {
        let words = [self.count as u32, inputs[0].columns() as u32, self.first as u32];
        Kernel::elementwise("columns", "block", 1, output.len()).with(&words)
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        let [rows, columns] = matrix(inputs[0].shape()).expect("checked");
        let zeros = |count| Tensor::zeros([rows, count], grad.device());
        let (left, right) = (zeros(self.first), zeros(columns - self.first - self.count));
        vec![Some(concat_columns(&[&left, grad, &right]))]
    }
}
