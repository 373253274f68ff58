//! Matrix products, with either operand transposed.

use super::{Case, Spec, expect, matrix};
use crate::{
    array::{Array, Shape},
    cpu::{self, Matrix, Output},
    gpu::Kernel,
    tensor::{Op, Tensor},
};

pub(super) const SPEC: Spec = Spec {
    name: "matmul",
    tolerance: 1e-5,
    smooth: true,
    cases: &[
        Case { name: "NN", inputs: &[&[7, 13], &[13, 5]], run: |x| matmul(&x[0], &x[1], Layout::NN) },
        Case { name: "NT", inputs: &[&[7, 13], &[5, 13]], run: |x| matmul(&x[0], &x[1], Layout::NT) },
        Case { name: "TN", inputs: &[&[13, 7], &[13, 5]], run: |x| matmul(&x[0], &x[1], Layout::TN) },
        Case { name: "one past a tile", inputs: &[&[65, 33], &[33, 129]], run: |x| matmul(&x[0], &x[1], Layout::NN) },
        Case { name: "one by one", inputs: &[&[1, 1], &[1, 1]], run: |x| matmul(&x[0], &x[1], Layout::NT) },
        Case { name: "no rows", inputs: &[&[0, 4], &[4, 3]], run: |x| matmul(&x[0], &x[1], Layout::NN) },
        Case { name: "nothing to sum", inputs: &[&[0, 4], &[0, 3]], run: |x| matmul(&x[0], &x[1], Layout::TN) },
    ],
};

/// Which operands of a product are transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `a (m, k) · b (k, n)`.
    NN,
    /// `a (m, k) · b (n, k)ᵀ`.
    NT,
    /// `a (k, m)ᵀ · b (k, n)`.
    TN,
}

/// The product (m, n) of two matrices laid out as told.
#[track_caller]
pub fn matmul(a: &Tensor, b: &Tensor, layout: Layout) -> Tensor {
    Tensor::from_op(MatMul { layout }, &[a, b])
}

#[derive(Debug)]
struct MatMul {
    layout: Layout,
}

impl MatMul {
    /// m, n and k.
    fn extents(&self, inputs: &[&Shape]) -> Result<[usize; 3], String> {
        let [a, b] = expect(inputs)?;
        let (a, b) = (matrix(a)?, matrix(b)?);
        let ([m, k], [k_too, n]) = match self.layout {
            Layout::NN => (a, b),
            Layout::NT => (a, [b[1], b[0]]),
            Layout::TN => ([a[1], a[0]], b),
        };
        if k == k_too { Ok([m, n, k]) } else { Err(format!("inner extents {k} and {k_too} differ")) }
    }
}

impl Op for MatMul {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        self.extents(inputs).map(|[m, n, _]| [m, n].into())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (a, b) = (inputs[0], inputs[1]);
        let [m, n, k] = self.extents(&[&a.shape, &b.shape]).expect("checked");
        let left = |i: usize, p: usize| if self.layout == Layout::TN { a.row(p)[i] } else { a.row(i)[p] };
        let right = |p: usize, j: usize| if self.layout == Layout::NT { b.row(j)[p] } else { b.row(p)[j] };
        Array::from_fn([m, n], |at| (0..k).map(|p| left(at / n, p) * right(p, at % n)).sum())
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let extents = self.extents(shapes).expect("checked");
        let a = Matrix::rows(inputs[0], shapes[0].columns());
        let b = Matrix::rows(inputs[1], shapes[1].columns());
        let (a, b) = match self.layout {
            Layout::NN => (a, b),
            Layout::NT => (a, b.t()),
            Layout::TN => (a.t(), b),
        };
        cpu::matmul(output, Output::Replace, extents, 1.0, a, b);
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        unimplemented!("{inputs:?}")
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let da = || match self.layout {
            Layout::NN => matmul(grad, b, Layout::NT),
            Layout::NT => matmul(grad, b, Layout::NN),
            Layout::TN => matmul(b, grad, Layout::NT),
        };
        let db = || match self.layout {
            Layout::NN => matmul(a, grad, Layout::TN),
            Layout::NT => matmul(grad, a, Layout::TN),
            Layout::TN => matmul(a, grad, Layout::NN),
        };
        vec![wanted[0].then(da), wanted[1].then(db)]
    }
}
