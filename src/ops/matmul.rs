//! Matrix products, with either operand transposed.

use super::{Case, InF16, Spec, expect, matrix, sum_rows::sum_rows_kernel};
use crate::{
    array::{Array, Format, Precision, Shape},
    cpu::{self, Matrix, Output},
    gpu::{Binding, COOPERATIVE, Kernel, Product, Shader, Suits},
    profile::Work,
    tensor::{Op, Tensor, all_in},
};

pub(super) const SPEC: Spec = Spec {
    name: "matmul",
    tolerance: 1e-5,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0, 1], tolerance: 5e-4 }),
    cases: &[
        Case { name: "NN", inputs: &[&[7, 13], &[13, 5]], run: |x| matmul(&x[0], &x[1], Layout::NN) },
        Case { name: "NT", inputs: &[&[7, 13], &[5, 13]], run: |x| matmul(&x[0], &x[1], Layout::NT) },
        Case { name: "TN", inputs: &[&[13, 7], &[13, 5]], run: |x| matmul(&x[0], &x[1], Layout::TN) },
        Case { name: "one past a tile", inputs: &[&[65, 33], &[33, 129]], run: |x| matmul(&x[0], &x[1], Layout::NN) },
        Case { name: "aligned NN", inputs: &[&[67, 36], &[36, 132]], run: |x| matmul(&x[0], &x[1], Layout::NN) },
        Case { name: "aligned NT", inputs: &[&[67, 36], &[132, 36]], run: |x| matmul(&x[0], &x[1], Layout::NT) },
        Case { name: "aligned TN", inputs: &[&[37, 68], &[37, 132]], run: |x| matmul(&x[0], &x[1], Layout::TN) },
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
    Tensor::from_op(MatMul { layout, precision: a.device().precision() }, &[a, b])
}

/// The outer product (m, n) of a column (m, 1) and a row (1, n), in f32: it stands for repeating, not for a product.
#[track_caller]
pub(super) fn outer(column: &Tensor, row: &Tensor) -> Tensor {
    Tensor::from_op(MatMul { layout: Layout::NN, precision: Precision::F32 }, &[column, row])
}

#[derive(Debug)]
struct MatMul {
    layout: Layout,
    precision: Precision,
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

/// How far products on a GPU may be from one another, relative to numbers beyond 1: sums are in f32, but matrix units,
/// which take operands in f16, may cut their last bits.
pub(super) fn tolerance(precision: Precision) -> f32 {
    if precision == Precision::F16 { 1e-4 } else { SPEC.tolerance as f32 }
}

/// How many tiles with sides of `side` cover a matrix.
pub(super) fn tiles([m, n]: [usize; 2], side: usize) -> usize {
    m.div_ceil(side) * n.div_ceil(side)
}

/// The uniform of the tiled product; each workgroup sums over `part` of k.
pub(super) fn tile_uniform([m, n, k]: [usize; 3], layout: Layout, part: usize) -> Vec<u32> {
    let strides = match layout {
        Layout::NN => [k, 1, n, 1],
        Layout::NT => [k, 1, 1, k],
        Layout::TN => [1, m, n, 1],
    };
    [[m, n, k].as_slice(), &strides, &[part]].concat().into_iter().map(|extent| extent as u32).collect()
}

/// Shaders that compute products by tiles of `side` × `side`.
#[derive(Clone, Copy)]
pub(super) struct Tiled {
    pub(super) matmul: Shader,
    pub(super) linear: Shader,
    pub(super) side: usize,
}

impl Tiled {
    /// Those that run on all adapters.
    fn plain(precision: Precision) -> Tiled {
        let [matmul, linear] = ["matmul", "linear"].map(|stem| in_precision(stem, precision));
        Tiled { matmul, linear, side: 64 }
    }
}

/// A shader that rounds operands to a precision.
pub(super) fn in_precision(stem: &'static str, precision: Precision) -> Shader {
    Shader::from(stem).rounded(precision == Precision::F16)
}

/// The kernel that runs on all adapters, in f16 with variants by cooperative matrices.
pub(super) fn by_tiles(precision: Precision, kernel: impl Fn(Tiled) -> Kernel) -> Kernel {
    let plain = kernel(Tiled::plain(precision));
    match precision {
        Precision::F16 => {
            let with = |plain: Kernel, (side, shaders): (u32, [&'static str; 2])| {
                let [matmul, linear] = shaders.map(Shader::from);
                plain.or(Suits::Cooperative(side), kernel(Tiled { matmul, linear, side: 4 * side as usize }))
            };
            COOPERATIVE.into_iter().fold(plain, with)
        }
        _ => plain,
    }
}

impl MatMul {
    /// The product by tiles. Where these are few and k is long, as for the gradient of a weight, several workgroups
    /// share a tile, each summing a part of k.
    fn tiled(&self, [m, n, k]: [usize; 3], by: Tiled) -> Kernel {
        const ENOUGH: usize = 512; // workgroups that keep a large GPU busy
        let count = tiles([m, n], by.side);
        self.in_parts([m, n, k], (ENOUGH / count.max(1)).clamp(1, k.div_ceil(512).max(1)), by)
    }

    /// The same with k cut into about as many parts as told.
    fn in_parts(&self, [m, n, k]: [usize; 3], parts: usize, by: Tiled) -> Kernel {
        let count = tiles([m, n], by.side);
        let part = k.div_ceil(parts).max(1).next_multiple_of(16);
        let parts = k.div_ceil(part).max(1);
        let shader = by.matmul;
        let product = Kernel::one(shader, "forward", 2, tile_uniform([m, n, k], self.layout, part), count * parts);
        if parts == 1 {
            return product;
        }
        let sum = sum_rows_kernel(Binding::Scratch(0), parts, m * n, 1);
        let mut dispatches = product.dispatches;
        dispatches[0].bindings[0] = Binding::Scratch(0);
        dispatches.extend(sum.dispatches);
        Kernel { scratch: [vec![parts * m * n], sum.scratch].concat(), dispatches, ..Kernel::default() }
    }

    /// What the autotuner knows of it: that k can be left whole, or cut into a few parts.
    fn product(&self, extents: [usize; 3]) -> Product {
        let (name, precision) = (["matmul NN", "matmul NT", "matmul TN"][self.layout as usize], self.precision);
        let long = extents[2] > 512;
        let others = [("whole", 1), ("in 2 parts", 2), ("in 4 parts", 4)].into_iter().filter(|_| long);
        let plain = Tiled::plain(precision);
        let others = others.map(|(name, parts)| (name, self.in_parts(extents, parts, plain))).collect();
        Product { name, extents, precision, tolerance: tolerance(precision), others }
    }
}

impl Op for MatMul {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        self.extents(inputs).map(|[m, n, _]| [m, n].into())
    }

    /// Products whose rows are sums over the tokens of a batch, as gradients of weights are, stay in f32.
    fn format(&self, inputs: &[Format]) -> Option<Format> {
        let format = all_in(inputs[0], inputs)?;
        Some(if self.layout == Layout::TN { Format::F32 } else { format })
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
        cpu::matmul(output, Output::Replace, extents, self.precision, a, b);
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let extents = self.extents(inputs).expect("checked");
        let [m, n, k] = extents;
        let tiled = by_tiles(self.precision, |by| self.tiled(extents, by)).product(self.product(extents));
        let (shader, aligned) = match self.layout {
            Layout::NN => ("matmul_nn", [n, k]),
            Layout::NT => ("matmul_nt", [n, k]),
            Layout::TN => ("matmul_tn", [n, m]),
        };
        let shader = in_precision(shader, self.precision);
        if aligned.iter().any(|extent| !extent.is_multiple_of(4)) {
            return tiled;
        }
        let lanes = Kernel::one(shader, "forward", 2, vec![m as u32, n as u32, k as u32], tiles([m, n], 64));
        tiled.or(Suits::SoftwareSubgroups(8), lanes)
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        let [m, n, k] = self.extents(inputs).expect("checked");
        Work::touching(inputs.iter().copied().chain([output])).with_flops(2.0 * (m * n * k) as f64)
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let (a, b, grad) = (&inputs[0], &inputs[1], &grad.cast(inputs[0].format()));
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
