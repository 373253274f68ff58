//! Softmax cross-entropy of an affine map with many outputs, as a masked language model has: logits exist only in chunks
//! of the outputs, forward and backward, so memory does not grow with rows × vocabulary.
//!
//! The forward pass keeps two numbers for each row and the backward pass computes each chunk of logits again (Wijmans et
//! al., 2025, "Cut Your Losses"), once for the gradients of input and bias and once for those of the weights.

use super::{Case, Spec, linear::linear_cpu, matmul::tiles, matrix, sum_rows::sum_rows};
use crate::{
    array::{Array, Ids, Precision, Shape},
    cpu::{self, Block, Matrix, Output},
    gpu::{Binding, Dispatch, Kernel},
    profile::Work,
    tensor::{Op, Tensor},
};
use rayon::prelude::*;
use std::ops::Range;

/// Logits that exist at once: 16 MiB.
const LOGITS: usize = 1 << 22;

fn case(x: &[Tensor], labels: &[u32], logits: usize) -> Tensor {
    let windows: Vec<&Tensor> = x[2..].iter().collect();
    by_chunks(&x[0], &windows, &x[1], &labels.to_vec().into(), 0.25, logits)
}

pub(super) const SPEC: Spec = Spec {
    name: "linear_cross_entropy",
    tolerance: 1e-5,
    smooth: true,
    in_f16: None,
    cases: &[
        Case { name: "one chunk", inputs: &[&[4, 3], &[5], &[5, 3]], run: |x| case(x, &[4, 0, 2, 2], LOGITS) },
        Case { name: "three chunks", inputs: &[&[3, 18], &[131], &[131, 18]], run: |x| case(x, &[63, 64, 130], 1) },
        Case {
            name: "windows",
            inputs: &[&[5, 7], &[150], &[70, 7], &[70, 7], &[10, 7]],
            run: |x| case(x, &[69, 70, 149, 0, 139], 1),
        },
        Case {
            name: "large logits",
            inputs: &[&[2, 6], &[70], &[70, 6]],
            run: |x| case(&[x[0].scale(30.0), x[1].clone(), x[2].clone()], &[3, 66], 1).scale(0.01),
        },
        Case { name: "no rows", inputs: &[&[0, 3], &[5], &[5, 3]], run: |x| case(x, &[], 1) },
    ],
};

/// `weight · Σᵢ −log softmax(x · tableᵀ + bias)[labelsᵢ]`, the table (v, h) in windows of rows: (n, h), (v₁, h), …, (v) →
/// a single number.
#[track_caller]
pub fn linear_cross_entropy(x: &Tensor, windows: &[&Tensor], bias: &Tensor, labels: &Ids, weight: f32) -> Tensor {
    by_chunks(x, windows, bias, labels, weight, LOGITS)
}

#[track_caller]
fn by_chunks(x: &Tensor, windows: &[&Tensor], bias: &Tensor, labels: &Ids, weight: f32, logits: usize) -> Tensor {
    let columns = (logits / labels.len().max(1) / 64 * 64).max(64);
    let how = Chunks { labels: labels.clone(), columns, precision: x.device().precision() };
    let inputs: Vec<&Tensor> = [x, bias].into_iter().chain(windows.iter().copied()).collect();
    let rows = Tensor::from_op(RowLosses(how), &inputs); // (n, 2)
    rows.sum_rows().slice(0, [1]).scale(weight)
}

/// Which logits there are, and how many at once.
#[derive(Clone, Debug)]
struct Chunks {
    labels: Ids,
    /// The most columns of a chunk.
    columns: usize,
    precision: Precision,
}

/// Some rows of a window.
#[derive(Clone, Debug)]
struct Chunk {
    window: usize,
    /// In the window.
    rows: Range<usize>,
    /// The output that the first of them gives.
    word: usize,
}

impl Chunks {
    /// All chunks of windows with so many rows, of which the first gives output `word`.
    fn of(&self, windows: impl Iterator<Item = usize>, mut word: usize) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        for (window, rows) in windows.enumerate() {
            for start in (0..rows).step_by(self.columns) {
                let rows = start..(start + self.columns).min(rows);
                chunks.push(Chunk { window, word: word + start, rows });
            }
            word += rows;
        }
        chunks
    }

    /// The logits of all outputs, by definition.
    fn logits(&self, x: &Array, bias: &Array, windows: &[&Array]) -> Vec<Vec<f64>> {
        let rows: Vec<&[f64]> = windows.iter().flat_map(|w| (0..w.shape.rows()).map(|i| w.row(i))).collect();
        let dot = |x: &[f64], w: &[f64]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
        let logits = |i| rows.iter().zip(&bias.values).map(|(row, bias)| dot(x.row(i), row) + bias).collect();
        (0..x.shape.rows()).map(logits).collect()
    }

    /// The gradient of the logits, by definition: (n, v).
    fn dlogits(&self, x: &Array, bias: &Array, windows: &[&Array], grad: &Array) -> Vec<Vec<f64>> {
        let mut rows = self.logits(x, bias, windows);
        for (i, row) in rows.iter_mut().enumerate() {
            let (log_sum, g) = (log_sum_exp(row), grad.row(i));
            for (j, l) in row.iter_mut().enumerate() {
                let hit = f64::from(u8::from(j == self.labels[i] as usize));
                *l = (g[0] + g[1]) * (*l - log_sum).exp() - g[0] * hit;
            }
        }
        rows
    }

    /// The logits of a chunk on the CPU.
    fn chunk_cpu(&self, logits: &mut [f32], x: &[f32], bias: &[f32], window: &[f32], chunk: &Chunk, h: usize) {
        let (n, columns) = (self.labels.len(), chunk.rows.len());
        let weight = &window[chunk.rows.start * h..chunk.rows.end * h];
        linear_cpu(logits, x, weight, &bias[chunk.word..][..columns], [n, columns, h], self.precision);
    }

    /// The gradient of a chunk's logits on the CPU, given what [`RowLosses`] gave and its gradient.
    fn dchunk_cpu(&self, logits: &mut [f32], rows: &[f32], grad: &[f32], chunk: &Chunk) {
        let columns = chunk.rows.len();
        cpu::for_rows(
            logits,
            columns,
            #[inline(always)]
            |i, row| {
                let (log_sum, g) = (rows[2 * i + 1], [grad[2 * i], grad[2 * i + 1]]);
                for l in row.iter_mut() {
                    *l = (g[0] + g[1]) * cpu::exp(*l - log_sum);
                }
                if let Some(l) = (self.labels[i] as usize).checked_sub(chunk.word).and_then(|at| row.get_mut(at)) {
                    *l -= g[0];
                }
            },
        );
    }

    fn dispatch(&self, entry: &'static str, bindings: Vec<Binding>, product: Product, chunk: &Chunk) -> Dispatch {
        let (n, columns) = (self.labels.len(), chunk.rows.len());
        let workgroups = match entry {
            "merge" => n,
            "finish" => n.div_ceil(64),
            "probabilities" => (n * columns).div_ceil(64),
            "bias_gradient" => columns.div_ceil(64),
            _ => tiles([product.extents[0], product.extents[1]], 16),
        };
        let Product { extents, strides, b_first, y_first, add } = product;
        let words = [&extents[..], &strides, &[b_first, y_first, usize::from(add), n, columns, chunk.word]].concat();
        let uniform = words.into_iter().map(|word| word as u32).collect();
        Dispatch { shader: "linear_cross_entropy".into(), entry, bindings, uniform, workgroups }
    }

    /// The logits of a chunk into scratch buffer 0; x, bias and window as bound.
    fn chunk_dispatch(&self, chunk: &Chunk, h: usize, [x, bias, window]: [Binding; 3]) -> Dispatch {
        let product = Product {
            extents: [self.labels.len(), chunk.rows.len(), h],
            strides: [h, 1, 1, h],
            b_first: chunk.rows.start * h,
            ..Product::default()
        };
        self.dispatch("logits", vec![Binding::Scratch(0), x, window, bias], product, chunk)
    }

    /// The gradient of these logits in their place; rows and their gradient as bound.
    fn dchunk_dispatch(&self, chunk: &Chunk, [rows, grad]: [Binding; 2]) -> Dispatch {
        let bindings = vec![Binding::Scratch(0), rows, grad, Binding::Ids(self.labels.clone())];
        self.dispatch("probabilities", bindings, Product::default(), chunk)
    }

    /// The length of scratch buffer 0.
    fn scratch(&self, chunks: &[Chunk]) -> usize {
        self.labels.len() * chunks.iter().map(|chunk| chunk.rows.len()).max().unwrap_or(0)
    }
}

/// The part of the uniform that tells of a product.
#[derive(Default)]
struct Product {
    /// m, n and k.
    extents: [usize; 3],
    /// Of a by row and k, of b by k and column.
    strides: [usize; 4],
    b_first: usize,
    y_first: usize,
    add: bool,
}

fn log_sum_exp(row: &[f64]) -> f64 {
    let most = row.iter().copied().fold(f64::MIN, f64::max);
    most + row.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

/// For each row its loss and the logarithm of the sum of the exponentials of its logits: x, bias, windows → (n, 2).
#[derive(Debug)]
struct RowLosses(Chunks);

impl Op for RowLosses {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, h] = matrix(inputs[0])?;
        let outputs: usize = inputs[2..].iter().map(|window| window.rows()).sum();
        let labels = &self.0.labels;
        if inputs[2..].iter().any(|window| window.columns() != h) || inputs[1].len() != outputs {
            return Err(format!("windows of {h} columns and a bias of {outputs} numbers were expected"));
        }
        match n == labels.len() && labels.iter().all(|label| (*label as usize) < outputs) {
            true => Ok([n, 2].into()),
            false => Err(format!("{n} labels below {outputs} were expected, found {:?}", &labels[..])),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let logits = self.0.logits(inputs[0], inputs[1], &inputs[2..]);
        let row = |(row, label): (&Vec<f64>, &u32)| [log_sum_exp(row) - row[*label as usize], log_sum_exp(row)];
        Array::new([logits.len(), 2], logits.iter().zip(self.0.labels.iter()).flat_map(row).collect())
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        const ROWS: usize = 4; // a task
        let (how, h) = (&self.0, shapes[0].columns());
        let chunks = how.of(shapes[2..].iter().map(|window| window.rows()), 0);
        let mut logits = Block::uninitialized(how.scratch(&chunks));
        let mut state = vec![(f32::MIN, 0.0, 0.0); how.labels.len()]; // the largest, the sum, the label's
        for chunk in &chunks {
            let columns = chunk.rows.len();
            let logits = &mut logits[..how.labels.len() * columns];
            how.chunk_cpu(logits, inputs[0], inputs[1], inputs[2 + chunk.window], chunk, h);
            let tasks =
                state.par_chunks_mut(ROWS).zip(logits.par_chunks(ROWS * columns)).zip(how.labels.par_chunks(ROWS));
            tasks.for_each(|((state, logits), labels)| {
                for ((state, row), label) in state.iter_mut().zip(logits.chunks_exact(columns)).zip(labels) {
                    let (most, sum) = cpu::vectorized(
                        #[inline(always)]
                        || {
                            let most = cpu::max(row).max(state.0);
                            (most, cpu::sum(row, |x| cpu::exp(x - most)))
                        },
                    );
                    let own = (*label as usize).checked_sub(chunk.word).and_then(|at| row.get(at));
                    *state = (most, state.1 * cpu::exp(state.0 - most) + sum, own.copied().unwrap_or(state.2));
                }
            });
        }
        for ((most, sum, label), row) in state.into_iter().zip(output.chunks_exact_mut(2)) {
            row.copy_from_slice(&[sum.ln() - (label - most), sum.ln() + most]);
        }
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let (how, h) = (&self.0, inputs[0].columns());
        let chunks = how.of(inputs[2..].iter().map(|window| window.rows()), 0);
        let mut dispatches = Vec::new();
        for (i, chunk) in chunks.iter().enumerate() {
            let [x, bias, window] = [0, 1, 2 + chunk.window].map(Binding::Input);
            dispatches.push(how.chunk_dispatch(chunk, h, [x, bias, window]));
            let bindings = vec![Binding::Scratch(1), Binding::Scratch(0), Binding::Ids(how.labels.clone())];
            dispatches.push(how.dispatch("merge", bindings, Product { add: i > 0, ..Product::default() }, chunk));
        }
        if let Some(last) = chunks.last() {
            let bindings = vec![Binding::Output(0), Binding::Scratch(1)];
            dispatches.push(how.dispatch("finish", bindings, Product::default(), last));
        }
        Kernel { scratch: vec![how.scratch(&chunks), 3 * how.labels.len()], dispatches, ..Kernel::default() }
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        work(inputs, output, &inputs[2..], 1.0)
    }

    fn backward(&self, inputs: &[Tensor], output: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let [x, bias] = [0, 1].map(|i| &inputs[i]);
        let both = (wanted[0] || wanted[1]).then(|| {
            let all: Vec<&Tensor> = [x, bias, output, grad].into_iter().chain(&inputs[2..]).collect();
            Tensor::from_op(InputGradients(self.0.clone()), &all) // (n h + v)
        });
        let mut grads = vec![
            both.as_ref().filter(|_| wanted[0]).map(|both| both.slice(0, x.shape().clone())),
            both.as_ref().filter(|_| wanted[1]).map(|both| both.slice(x.shape().len(), bias.shape().clone())),
        ];
        let mut word = 0;
        for (window, wanted) in inputs[2..].iter().zip(&wanted[2..]) {
            let op = WindowGradient { how: self.0.clone(), word };
            grads.push(wanted.then(|| Tensor::from_op(op, &[x, bias, output, grad, window])));
            word += window.shape()[0];
        }
        grads
    }
}

/// The gradients of x and bias, one after the other: x, bias, rows, their gradient, windows → (n h + v).
#[derive(Debug)]
struct InputGradients(Chunks);

impl Op for InputGradients {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok([inputs[0].len() + inputs[1].len()].into())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (x, windows) = (inputs[0], &inputs[4..]);
        let rows = self.0.dlogits(x, inputs[1], windows, inputs[3]);
        let table: Vec<&[f64]> = windows.iter().flat_map(|w| (0..w.shape.rows()).map(|i| w.row(i))).collect();
        let h = x.shape.columns();
        let dx = |at: usize| rows[at / h].iter().zip(&table).map(|(d, w)| d * w[at % h]).sum::<f64>();
        let dbias = |j: usize| rows.iter().map(|row| row[j]).sum::<f64>();
        let n = x.values.len();
        Array::from_fn([n + table.len()], |at| if at < n { dx(at) } else { dbias(at - n) })
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let (how, h) = (&self.0, shapes[0].columns());
        let chunks = how.of(shapes[4..].iter().map(|window| window.rows()), 0);
        let mut logits = Block::uninitialized(how.scratch(&chunks));
        let (dx, dbias) = output.split_at_mut(shapes[0].len());
        for (i, chunk) in chunks.iter().enumerate() {
            let (columns, window) = (chunk.rows.len(), inputs[4 + chunk.window]);
            let logits = &mut logits[..how.labels.len() * columns];
            how.chunk_cpu(logits, inputs[0], inputs[1], window, chunk, h);
            how.dchunk_cpu(logits, inputs[2], inputs[3], chunk);
            let mode = if i == 0 { Output::Replace } else { Output::Add };
            let weight = Matrix::rows(&window[chunk.rows.start * h..], h);
            let extents = [how.labels.len(), h, columns];
            cpu::matmul(dx, mode, extents, how.precision, Matrix::rows(logits, columns), weight);
            sum_rows(&mut dbias[chunk.word..][..columns], logits);
        }
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        work(inputs, output, &inputs[4..], 2.0)
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let (how, h) = (&self.0, inputs[0].columns());
        let chunks = how.of(inputs[4..].iter().map(|window| window.rows()), 0);
        let mut dispatches = Vec::new();
        for (i, chunk) in chunks.iter().enumerate() {
            let (columns, window) = (chunk.rows.len(), Binding::Input(4 + chunk.window));
            dispatches.push(how.chunk_dispatch(chunk, h, [Binding::Input(0), Binding::Input(1), window.clone()]));
            dispatches.push(how.dchunk_dispatch(chunk, [2, 3].map(Binding::Input)));
            let product = Product {
                extents: [how.labels.len(), h, columns],
                strides: [columns, 1, h, 1],
                b_first: chunk.rows.start * h,
                y_first: 0,
                add: i > 0,
            };
            let bindings = vec![Binding::Output(0), Binding::Scratch(0), window];
            dispatches.push(how.dispatch("product", bindings, product, chunk));
            let place = Product { y_first: inputs[0].len(), ..Product::default() };
            let bindings = vec![Binding::Output(0), Binding::Scratch(0)];
            dispatches.push(how.dispatch("bias_gradient", bindings, place, chunk));
        }
        Kernel { scratch: vec![how.scratch(&chunks)], dispatches, ..Kernel::default() }
    }
}

/// The work of so many products of the rows with `windows`.
fn work(inputs: &[&Shape], output: &Shape, windows: &[&Shape], products: f64) -> Work {
    let numbers: usize = windows.iter().map(|window| window.len()).sum();
    let flops = products * 2.0 * (inputs[0].rows() * numbers) as f64;
    Work::touching(inputs.iter().copied().chain([output])).with_flops(flops)
}

/// The gradient of a window: x, bias, rows, their gradient, window → (v₁, h).
#[derive(Debug)]
struct WindowGradient {
    how: Chunks,
    /// The output that the window's first row gives.
    word: usize,
}

impl Op for WindowGradient {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(inputs[4].clone())
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (x, bias, rows, grad, window) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]);
        let h = x.shape.columns();
        let mut output = Array::zeros(window.shape.clone());
        for (i, label) in self.how.labels.iter().enumerate() {
            for j in 0..window.shape.rows() {
                let logit = x.row(i).iter().zip(window.row(j)).map(|(x, w)| x * w).sum::<f64>();
                let probability = (logit + bias.values[self.word + j] - rows.row(i)[1]).exp();
                let hit = f64::from(u8::from(self.word + j == *label as usize));
                let d = (grad.row(i)[0] + grad.row(i)[1]) * probability - grad.row(i)[0] * hit;
                for c in 0..h {
                    output.row_mut(j)[c] += d * x.row(i)[c];
                }
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let (how, h) = (&self.how, shapes[0].columns());
        let chunks = how.of(std::iter::once(shapes[4].rows()), self.word);
        let mut logits = Block::uninitialized(how.scratch(&chunks));
        for chunk in &chunks {
            let columns = chunk.rows.len();
            let logits = &mut logits[..how.labels.len() * columns];
            how.chunk_cpu(logits, inputs[0], inputs[1], inputs[4], chunk, h);
            how.dchunk_cpu(logits, inputs[2], inputs[3], chunk);
            let rows = &mut output[chunk.rows.start * h..chunk.rows.end * h];
            let (d, x) = (Matrix::rows(logits, columns).t(), Matrix::rows(inputs[0], h));
            cpu::matmul(rows, Output::Replace, [columns, h, how.labels.len()], how.precision, d, x);
        }
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        work(inputs, output, &inputs[4..], 2.0)
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let (how, h) = (&self.how, inputs[0].columns());
        let chunks = how.of(std::iter::once(inputs[4].rows()), self.word);
        let mut dispatches = Vec::new();
        for chunk in &chunks {
            let columns = chunk.rows.len();
            dispatches.push(how.chunk_dispatch(chunk, h, [0, 1, 4].map(Binding::Input)));
            dispatches.push(how.dchunk_dispatch(chunk, [2, 3].map(Binding::Input)));
            let product = Product {
                extents: [columns, h, how.labels.len()],
                strides: [1, columns, h, 1],
                y_first: chunk.rows.start * h,
                ..Product::default()
            };
            let bindings = vec![Binding::Output(0), Binding::Scratch(0), Binding::Input(0)];
            dispatches.push(how.dispatch("product", bindings, product, chunk));
        }
        Kernel { scratch: vec![how.scratch(&chunks)], dispatches, ..Kernel::default() }
    }
}
