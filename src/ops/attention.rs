//! Scaled dot-product attention (Vaswani et al., 2017) of several heads, within each sequence of a packed batch.
//!
//! Nothing is stored for the backward pass but the inputs: probabilities and dropout masks are computed again.

use super::{Case, InF16, Spec, dropout::drop_from, same_shape};
use crate::{
    array::{Array, Format, Segments, Shape},
    cpu::{self, Block, Matrix, Output, Tile},
    gpu::{Binding, Dispatch, Kernel, Suits},
    profile::Work,
    rng::{Draw, drop_threshold},
    tensor::{Op, Tensor, all_in},
};
use rayon::prelude::*;
use std::ops::Range;

fn case(lengths: &[usize], heads: usize, rate: f32, x: &[Tensor]) -> Tensor {
    let dropout = (rate > 0.0).then_some((rate, Draw { seed: 77, step: 2, stream: 1 }));
    attend(lengths, heads, dropout, None, x)
}

/// Each query sees `window` keys to each side.
fn windowed(lengths: &[usize], window: usize, rate: f32, x: &[Tensor]) -> Tensor {
    let dropout = (rate > 0.0).then_some((rate, Draw { seed: 77, step: 2, stream: 1 }));
    attend(lengths, 2, dropout, Some(window), x)
}

fn attend(
    lengths: &[usize],
    heads: usize,
    dropout: Option<(f32, Draw)>,
    window: Option<usize>,
    x: &[Tensor],
) -> Tensor {
    attention(&x[0], &x[1], &x[2], Attention { segments: Segments::new(lengths.to_vec()), heads, dropout, window })
}

pub(super) const SPEC: Spec = Spec {
    name: "attention",
    tolerance: 1e-5,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0, 1, 2], tolerance: 5e-4 }),
    cases: &[
        Case { name: "two heads", inputs: &[&[8, 6], &[8, 6], &[8, 6]], run: |x| case(&[3, 1, 4], 2, 0.0, x) },
        Case { name: "dropout", inputs: &[&[9, 10], &[9, 10], &[9, 10]], run: |x| case(&[2, 7], 2, 0.3, x) },
        Case { name: "one token", inputs: &[&[1, 3], &[1, 3], &[1, 3]], run: |x| case(&[1], 1, 0.0, x) },
        Case { name: "long", inputs: &[&[67, 8], &[67, 8], &[67, 8]], run: |x| case(&[66, 1], 1, 0.1, x) },
        Case { name: "several", inputs: &[&[79, 16], &[79, 16], &[79, 16]], run: |x| case(&[5, 1, 40, 33], 2, 0.3, x) },
        Case { name: "wide", inputs: &[&[5, 65], &[5, 65], &[5, 65]], run: |x| case(&[5], 1, 0.0, x) },
        Case { name: "no sequence", inputs: &[&[0, 4], &[0, 4], &[0, 4]], run: |x| case(&[], 2, 0.0, x) },
        Case { name: "an empty sequence", inputs: &[&[2, 4], &[2, 4], &[2, 4]], run: |x| case(&[1, 0, 1], 2, 0.0, x) },
        Case {
            name: "a window",
            inputs: &[&[79, 16], &[79, 16], &[79, 16]],
            run: |x| windowed(&[5, 1, 73], 3, 0.0, x),
        },
        Case {
            name: "a window past a block, with dropout",
            inputs: &[&[150, 8], &[150, 8], &[150, 8]],
            run: |x| windowed(&[13, 137], 9, 0.3, x),
        },
        Case {
            name: "a window of odd width",
            inputs: &[&[70, 6], &[70, 6], &[70, 6]],
            run: |x| windowed(&[1, 69], 2, 0.1, x),
        },
        Case { name: "a window of one", inputs: &[&[9, 8], &[9, 8], &[9, 8]], run: |x| windowed(&[2, 7], 0, 0.0, x) },
        Case {
            name: "a wide window",
            inputs: &[&[70, 8], &[70, 8], &[70, 8]],
            run: |x| windowed(&[1, 69], 68, 0.1, x),
        },
    ],
};

/// How queries, keys and values of (t, h) attend.
#[derive(Clone, Debug)]
pub struct Attention {
    /// Where sequences start.
    pub segments: Segments,
    /// The number of heads; each takes h / heads columns.
    pub heads: usize,
    /// The rate at which probabilities are dropped, and the randomness for it.
    pub dropout: Option<(f32, Draw)>,
    /// How many rows before and behind it a query sees, beside its own; all of its sequence without.
    pub window: Option<usize>,
}

/// Queries that the CPU takes at once where a window leaves out most of the scores.
const BLOCK: usize = 64;

/// `softmax(query · keyᵀ / √d) · value` for each sequence and head: (t, h), (t, h), (t, h) → (t, h).
#[track_caller]
pub fn attention(query: &Tensor, key: &Tensor, value: &Tensor, how: Attention) -> Tensor {
    Tensor::from_op(how, &[query, key, value])
}

impl Attention {
    fn scale(&self, columns: usize) -> f64 {
        1.0 / ((columns / self.heads) as f64).sqrt()
    }

    /// The row of randomness of a query and head.
    fn random_row(&self, row: usize, head: usize) -> u32 {
        (row * self.heads + head) as u32
    }

    /// What dropout multiplies each probability of a query's row by.
    pub(super) fn mask(&self, row: usize, head: usize, column: usize) -> f64 {
        let Some((rate, draw)) = self.dropout else { return 1.0 };
        let word = draw.words(column as u32 / 4, self.random_row(row, head))[column % 4];
        if word >= drop_threshold(rate) { 1.0 / (1.0 - f64::from(rate)) } else { 0.0 }
    }

    /// The rows of a sequence that those of `rows` see, some of it.
    fn seen(&self, rows: &Range<usize>, sequence: &Range<usize>) -> Range<usize> {
        let window = self.window.unwrap_or(sequence.len());
        rows.start.saturating_sub(window).max(sequence.start)..(rows.end + window).min(sequence.end)
    }

    /// The queries of a sequence in blocks, each with the keys that they see: all of it at once without a window.
    fn blocks(&self, sequence: &Range<usize>) -> Vec<Part> {
        let height = if self.window.is_some() { BLOCK } else { sequence.len().max(1) };
        let starts = sequence.clone().step_by(height);
        let queries = starts.map(|start| start..(start + height).min(sequence.end));
        queries
            .map(|queries| Part { keys: self.seen(&queries, sequence), queries, sequence: sequence.clone() })
            .collect()
    }

    /// The probabilities with which query `row` attends to some rows of its sequence, before dropout.
    fn probabilities(&self, query: &Array, key: &Array, row: usize, head: usize, rows: Range<usize>) -> Vec<f64> {
        let scale = self.scale(query.shape.columns());
        softmax(&rows.map(|j| scale * self.dot(query, row, key, j, head)).collect::<Vec<_>>())
    }

    pub(super) fn dot(&self, a: &Array, i: usize, b: &Array, j: usize, head: usize) -> f64 {
        let columns = self.columns(a.shape.columns(), head);
        columns.map(|c| a.row(i)[c] * b.row(j)[c]).sum()
    }

    /// The columns of a head.
    pub(super) fn columns(&self, width: usize, head: usize) -> Range<usize> {
        let each = width / self.heads;
        head * each..(head + 1) * each
    }

    /// The part of a (t, h) matrix that belongs to a sequence and head.
    pub(super) fn part<'a>(&self, x: &'a [f32], width: usize, rows: &Range<usize>, head: usize) -> Matrix<'a> {
        Matrix::rows(&x[(rows.start * width + head * (width / self.heads)).min(x.len())..], width)
    }

    /// Probabilities (queries, keys) of one part and head in f32, before dropout; 0 where a query does not see a key.
    fn block_probabilities(&self, query: Matrix, key: Matrix, part: &Part, width: usize) -> Block {
        let (m, n) = (part.queries.len(), part.keys.len());
        let mut scores = Block::uninitialized(m * n);
        let scale = self.scale(width) as f32;
        Tile::whole(&mut scores, m, n).product(Output::Replace, width / self.heads, scale, query, key.t());
        cpu::vectorized(
            #[inline(always)]
            || {
                for (i, row) in scores.chunks_exact_mut(n.max(1)).enumerate() {
                    let seen = self.seen_in(part, i);
                    row[..seen.start].fill(0.0);
                    row[seen.end..].fill(0.0);
                    softmax_row(&mut row[seen]);
                }
            },
        );
        scores
    }

    /// The columns of a part that its query `i` sees.
    #[inline(always)]
    fn seen_in(&self, part: &Part, i: usize) -> Range<usize> {
        let row = part.queries.start + i;
        let seen = self.seen(&(row..row + 1), &part.sequence);
        seen.start - part.keys.start..seen.end - part.keys.start
    }

    /// Applies dropout to the (queries, keys) numbers of one part and head.
    pub(super) fn drop_block(&self, block: &mut [f32], part: &Part, head: usize) {
        let Some(dropout) = self.dropout else { return };
        let first = part.keys.start - part.sequence.start;
        cpu::vectorized(
            #[inline(always)]
            || {
                for (i, row) in block.chunks_exact_mut(part.keys.len().max(1)).enumerate() {
                    drop_from(row, dropout, first, self.random_row(part.queries.start + i, head));
                }
            },
        );
    }

    /// What dropout multiplies the (queries, keys) probabilities of one part and head by; none without dropout.
    pub(super) fn block_mask(&self, part: &Part, head: usize) -> Option<Block> {
        self.dropout?;
        let mut mask = Block::uninitialized(part.queries.len() * part.keys.len());
        mask.fill(1.0);
        self.drop_block(&mut mask, part, head);
        Some(mask)
    }

    /// The words of the mask's bits for one query and head; keys are aligned, so that a sequence may begin in a word.
    pub(super) fn mask_words(&self) -> usize {
        let words = |rows: Range<usize>| rows.end.div_ceil(32) - rows.start / 32;
        self.segments.ranges().map(words).max().unwrap_or(0)
    }

    /// The uniform of all shaders.
    fn uniform(&self, x: &Shape) -> Vec<u32> {
        self.uniform_scaled(x, self.scale(x.columns()))
    }

    /// The same for scores that are multiplied by `scale`.
    pub(super) fn uniform_scaled(&self, x: &Shape, scale: f64) -> Vec<u32> {
        let (rate, draw) = self.dropout.unwrap_or((0.0, Draw { seed: 0, step: 0, stream: 0 }));
        let (scale, factor) = (scale as f32, 1.0 / (1.0 - rate));
        let extents = [x.rows(), x.columns(), x.columns() / self.heads, self.heads, self.segments.count()];
        let words = [self.mask_words() as u32, scale.to_bits(), drop_threshold(rate), factor.to_bits()];
        let [low, high] = draw.key();
        extents
            .into_iter()
            .map(|extent| extent as u32)
            .chain(words)
            .chain([draw.step, draw.stream, low, high, self.window.map_or(u32::MAX, |window| window as u32)])
            .collect()
    }

    /// The mask into scratch buffer 0.
    pub(super) fn draw_mask(&self, x: &Shape) -> Dispatch {
        Dispatch {
            shader: "attention_mask".into(),
            entry: "forward",
            bindings: vec![Binding::Scratch(0), Binding::Ids(self.segments.offsets.clone())],
            uniform: self.uniform(x),
            workgroups: (x.rows() * self.heads * self.mask_words()).div_ceil(64),
        }
    }

    /// The mask into scratch buffer 0, then entry points of `shader` whose workgroups take `rows` rows of one head.
    fn kernel_of(&self, x: &Shape, shader: &'static str, entries: &[&'static str], rows: usize) -> Kernel {
        let places = x.rows() * self.heads;
        let offsets = Binding::Ids(self.segments.offsets.clone());
        let [query, key, value, grad] = [0, 1, 2, 3].map(Binding::Input);
        let bindings = [Binding::Output(0), query, key, value, offsets, Binding::Scratch(0), grad];
        let launch = |entry: &&'static str| Dispatch {
            shader: shader.into(),
            entry,
            bindings: bindings[..if *entry == "forward" { 6 } else { 7 }].to_vec(),
            uniform: self.uniform(x),
            workgroups: x.rows().div_ceil(rows) * self.heads,
        };
        Kernel {
            scratch: vec![places * (self.mask_words() + 2)],
            dispatches: [self.draw_mask(x)].into_iter().chain(entries.iter().map(launch)).collect(),
            ..Kernel::default()
        }
    }

    /// Whether the kernels that hold a row's part in registers apply.
    fn fits_registers(&self, x: &Shape) -> bool {
        let each = x.columns() / self.heads;
        each.is_multiple_of(4) && each <= 64
    }

    /// The floating point operations of one product over all pairs of rows of a sequence that see each other.
    pub(super) fn pair_flops(&self, columns: usize) -> f64 {
        let pairs = |sequence: Range<usize>| match self.window {
            None => sequence.len() * sequence.len(),
            Some(_) => sequence.clone().map(|row| self.seen(&(row..row + 1), &sequence).len()).sum(),
        };
        2.0 * (self.segments.ranges().map(pairs).sum::<usize>() * columns) as f64
    }

    /// Every sequence's rows with every head, in the order of [`Tile::grid`].
    pub(super) fn places(&self) -> Vec<(Range<usize>, usize)> {
        self.segments.ranges().flat_map(|rows| (0..self.heads).map(move |head| (rows.clone(), head))).collect()
    }
}

/// Some queries of a sequence, and the keys that they see.
pub(super) struct Part {
    queries: Range<usize>,
    keys: Range<usize>,
    sequence: Range<usize>,
}

impl Part {
    /// A whole sequence.
    pub(super) fn whole(sequence: &Range<usize>) -> Part {
        let [queries, keys, sequence] = [(); 3].map(|()| sequence.clone());
        Part { queries, keys, sequence }
    }
}

impl Op for Attention {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let shape = same_shape(inputs)?;
        let fits = shape.len() == self.segments.rows() * shape.columns() && shape.columns().is_multiple_of(self.heads);
        match fits {
            true => Ok(shape),
            false => {
                Err(format!("the sequences have {} rows and there are {} heads", self.segments.rows(), self.heads))
            }
        }
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (query, key, value) = (inputs[0], inputs[1], inputs[2]);
        let mut output = Array::zeros(query.shape.clone());
        for (rows, head) in self.places() {
            for i in rows.clone() {
                let seen = self.seen(&(i..i + 1), &rows);
                let probabilities = self.probabilities(query, key, i, head, seen.clone());
                for (j, p) in seen.zip(probabilities) {
                    for c in self.columns(query.shape.columns(), head) {
                        output.row_mut(i)[c] += p * self.mask(i, head, j - rows.start) * value.row(j)[c];
                    }
                }
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let width = shapes[0].columns();
        let tiles = Tile::grid(output, width, self.segments.ranges(), self.heads);
        tiles.into_par_iter().zip(self.places()).for_each(|(mut tile, (rows, head))| {
            for part in self.blocks(&rows) {
                let query = self.part(inputs[0], width, &part.queries, head);
                let [key, value] = [1, 2].map(|i| self.part(inputs[i], width, &part.keys, head));
                let mut p = self.block_probabilities(query, key, &part, width);
                self.drop_block(&mut p, &part, head);
                let n = part.keys.len();
                let mut out = tile.rows(part.queries.start - rows.start, part.queries.len());
                out.product(Output::Replace, n, 1.0, Matrix::rows(&p, n), value);
            }
        });
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        let flops = 2.0 * self.pair_flops(output.columns());
        Work::touching(inputs.iter().copied().chain([output])).with_flops(flops)
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let general = self.kernel_of(inputs[0], "attention", &["forward"], 64);
        match self.fits_registers(inputs[0]) {
            true => general
                .or(Suits::SoftwareSubgroups(8), self.kernel_of(inputs[0], "attention_lanes", &["forward"], 8))
                .or(Suits::Hardware, self.kernel_of(inputs[0], "attention_quads", &["forward"], 32)),
            false => general,
        }
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        let [query, key, value] = [0, 1, 2].map(|i| &inputs[i]);
        let all = Tensor::from_op(AttentionBackward(self.clone()), &[query, key, value, grad]); // (3 t, h)
        let shape = query.shape();
        (0..3).map(|i| Some(all.slice(i * shape.len(), shape.clone()))).collect()
    }
}

/// The gradients of query, key and value, one below the other: (t, h) four times → (3 t, h).
///
/// With `P` the probabilities, `M` the dropout mask and `dP = (grad · valueᵀ) ∘ M`:
/// `dS = P ∘ (dP − rowsum(P ∘ dP)) / √d`, `dquery = dS · key`, `dkey = dSᵀ · query`, `dvalue = (P ∘ M)ᵀ · grad`.
#[derive(Debug)]
struct AttentionBackward(Attention);

impl Op for AttentionBackward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let shape = same_shape(inputs)?;
        Ok([3 * shape.rows(), shape.columns()].into())
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (query, key, value, grad) = (inputs[0], inputs[1], inputs[2], inputs[3]);
        let (t, width) = (query.shape.rows(), query.shape.columns());
        let mut output = Array::zeros([3 * t, width]);
        for (rows, head) in self.0.places() {
            for i in rows.clone() {
                let seen = self.0.seen(&(i..i + 1), &rows);
                let p = self.0.probabilities(query, key, i, head, seen.clone());
                let mask: Vec<f64> = seen.clone().map(|j| self.0.mask(i, head, j - rows.start)).collect();
                let dp: Vec<f64> =
                    seen.clone().map(|j| self.0.dot(grad, i, value, j, head) * mask[j - seen.start]).collect();
                let sum: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
                for j in seen.clone() {
                    let at = j - seen.start;
                    let ds = p[at] * (dp[at] - sum) * self.0.scale(width);
                    for c in self.0.columns(width, head) {
                        output.row_mut(i)[c] += ds * key.row(j)[c];
                        output.row_mut(t + j)[c] += ds * query.row(i)[c];
                        output.row_mut(2 * t + j)[c] += p[at] * mask[at] * grad.row(i)[c];
                    }
                }
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let (how, width) = (&self.0, shapes[0].columns());
        let (dq, rest) = output.split_at_mut(shapes[0].len());
        let (dk, dv) = rest.split_at_mut(shapes[0].len());
        let grid = |data| Tile::grid(data, width, how.segments.ranges(), how.heads);
        let tiles = grid(dq).into_par_iter().zip(grid(dk)).zip(grid(dv));
        tiles.zip(how.places()).for_each(|(((mut dq, mut dk), mut dv), (rows, head))| {
            // Keys are seen by the queries of several parts, whose sums are added up.
            let mode = match how.window {
                None => Output::Replace,
                Some(_) => Output::Add,
            };
            if how.window.is_some() {
                dk.fill(0.0);
                dv.fill(0.0);
            }
            for part in how.blocks(&rows) {
                let (m, n) = (part.queries.len(), part.keys.len());
                let [query, grad] = [0, 3].map(|i| how.part(inputs[i], width, &part.queries, head));
                let [key, value] = [1, 2].map(|i| how.part(inputs[i], width, &part.keys, head));
                let mut dq = dq.rows(part.queries.start - rows.start, m);
                let [mut dk, mut dv] = [&mut dk, &mut dv].map(|tile| tile.rows(part.keys.start - rows.start, n));
                let p = how.block_probabilities(query, key, &part, width);
                let mask = how.block_mask(&part, head);
                let mut kept = Block::copy_of(&p);
                multiply(&mut kept, mask.as_deref());
                dv.product(mode, m, 1.0, Matrix::rows(&kept, n).t(), grad);
                let mut ds = kept; // (queries, keys), to be overwritten
                Tile::whole(&mut ds, m, n).product(Output::Replace, width / how.heads, 1.0, grad, value.t());
                multiply(&mut ds, mask.as_deref());
                softmax_backward(&mut ds, &p, n, how.scale(width) as f32);
                dq.product(Output::Replace, n, 1.0, Matrix::rows(&ds, n), key);
                dk.product(mode, m, 1.0, Matrix::rows(&ds, n).t(), query);
            }
        });
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        let flops = 5.0 * self.0.pair_flops(inputs[0].columns());
        Work::touching(inputs.iter().copied().chain([output])).with_flops(flops)
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let (how, x) = (&self.0, inputs[0]);
        let general = how.kernel_of(x, "attention", &["statistics", "dquery", "dkey_dvalue"], 64);
        let entries = ["dquery", "dkey_dvalue"];
        match how.fits_registers(x) {
            true => general
                .or(Suits::SoftwareSubgroups(8), how.kernel_of(x, "attention_lanes", &entries, 8))
                .or(Suits::Hardware, how.kernel_of(x, "attention_quads", &entries, 32)),
            false => general,
        }
    }
}

/// The probabilities that scores stand for.
pub(super) fn softmax(scores: &[f64]) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = scores.iter().map(|x| (x - most).exp()).sum();
    scores.iter().map(|x| (x - most).exp() / sum).collect()
}

/// Turns a row of scores into probabilities in place.
#[inline(always)]
pub(super) fn softmax_row(row: &mut [f32]) {
    let most = cpu::max(row);
    for x in row.iter_mut() {
        *x = cpu::exp(*x - most);
    }
    let inverse = 1.0 / cpu::sum(row, |x| x);
    for x in row {
        *x *= inverse;
    }
}

/// Multiplies by a mask, if there is one.
pub(super) fn multiply(x: &mut [f32], mask: Option<&[f32]>) {
    let Some(mask) = mask else { return };
    cpu::vectorized(
        #[inline(always)]
        || x.iter_mut().zip(mask).for_each(|(x, mask)| *x *= mask),
    );
}

/// Turns `dP` into `dS` in place.
pub(super) fn softmax_backward(dp: &mut [f32], p: &[f32], s: usize, scale: f32) {
    cpu::vectorized(
        #[inline(always)]
        || {
            for (dp, p) in dp.chunks_exact_mut(s.max(1)).zip(p.chunks_exact(s.max(1))) {
                let sum = cpu::sum_pairs(dp, p, |dp, p| dp * p);
                for j in 0..s {
                    dp[j] = p[j] * (dp[j] - sum) * scale;
                }
            }
        },
    );
}
