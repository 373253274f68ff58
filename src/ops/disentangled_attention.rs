//! Disentangled attention of several heads within each sequence of a packed batch (He et al., 2021, DeBERTa, equation 4):
//! a score is the sum of content to content, content to position and position to content.
//!
//! Positions are relative: a query and a key have the row of their distance's bucket in a table of keys and one of queries.
//! As in [`super::attention`] nothing is stored for the backward pass but the inputs.

use super::{
    Attention, Buckets, Case, InF16, Spec,
    attention::{Part, multiply, softmax, softmax_backward, softmax_row},
};
use crate::{
    array::{Array, Format, Segments, Shape},
    cpu::{self, Block, Matrix, Output, Tile},
    gpu::{Binding, Dispatch, Kernel},
    profile::Work,
    rng::Draw,
    tensor::{Op, Tensor, all_in},
};
use rayon::prelude::*;
use std::ops::Range;

/// Sequences of `lengths` with buckets as (on each side, up to which distance).
fn case(lengths: &[usize], heads: usize, rate: f32, (side, reach): (usize, usize), x: &[Tensor]) -> Tensor {
    let dropout = (rate > 0.0).then_some((rate, Draw { seed: 77, step: 2, stream: 1 }));
    let attention = Attention { segments: Segments::new(lengths.to_vec()), heads, dropout, window: None };
    let longest = lengths.iter().copied().max().unwrap_or(0).max(3);
    let how = Disentangled { attention, buckets: Buckets::logarithmic(side, reach, longest) };
    disentangled_attention([&x[0], &x[1], &x[2]], [&x[3], &x[4]], how)
}

pub(super) const SPEC: Spec = Spec {
    name: "disentangled_attention",
    tolerance: 1e-5,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0, 1, 2, 3, 4], tolerance: 5e-4 }),
    cases: &[
        Case {
            name: "two heads",
            inputs: &[&[8, 6], &[8, 6], &[8, 6], &[8, 6], &[8, 6]],
            run: |x| case(&[3, 1, 4], 2, 0.0, (4, 8), x),
        },
        Case {
            name: "dropout",
            inputs: &[&[9, 10], &[9, 10], &[9, 10], &[16, 10], &[16, 10]],
            run: |x| case(&[2, 7], 2, 0.3, (8, 22), x),
        },
        Case {
            name: "one token",
            inputs: &[&[1, 3], &[1, 3], &[1, 3], &[4, 3], &[4, 3]],
            run: |x| case(&[1], 1, 0.0, (2, 5), x),
        },
        Case {
            name: "more tokens than buckets",
            inputs: &[&[67, 8], &[67, 8], &[67, 8], &[6, 8], &[6, 8]],
            run: |x| case(&[66, 1], 1, 0.1, (3, 12), x),
        },
        Case {
            name: "several workgroups",
            inputs: &[&[150, 16], &[150, 16], &[150, 16], &[16, 16], &[16, 16]],
            run: |x| case(&[5, 1, 40, 71, 33], 2, 0.3, (8, 64), x),
        },
        Case {
            name: "more buckets than distances",
            inputs: &[&[7, 12], &[7, 12], &[7, 12], &[64, 12], &[64, 12]],
            run: |x| case(&[1, 1, 1, 4], 3, 0.0, (32, 40), x),
        },
        Case {
            name: "wide",
            inputs: &[&[5, 69], &[5, 69], &[5, 69], &[8, 69], &[8, 69]],
            run: |x| case(&[5], 1, 0.0, (4, 6), x),
        },
        Case {
            name: "several parts",
            inputs: &[&[280, 4], &[280, 4], &[280, 4], &[4, 4], &[4, 4]],
            run: |x| case(&[150, 130], 1, 0.0, (2, 9), x),
        },
        Case {
            name: "no sequence",
            inputs: &[&[0, 4], &[0, 4], &[0, 4], &[4, 4], &[4, 4]],
            run: |x| case(&[], 2, 0.0, (2, 5), x),
        },
        Case {
            name: "an empty sequence",
            inputs: &[&[2, 4], &[2, 4], &[2, 4], &[4, 4], &[4, 4]],
            run: |x| case(&[1, 0, 1], 2, 0.0, (2, 5), x),
        },
    ],
};

/// How queries, keys and values of (t, h) attend, with positions of (count, h).
#[derive(Clone, Debug)]
pub struct Disentangled {
    /// Sequences, heads and dropout.
    pub attention: Attention,
    /// The row of each distance in the tables of positions.
    pub buckets: Buckets,
}

/// `softmax(s) · value` for each sequence and head, where `s[i, j]` is `query[i] · key[j] + query[i] · position_key[r] +
/// key[j] · position_query[r]` over `√3d`, and `r` the row of the distance from i to j.
///
/// Queries, keys and values (t, h), keys and queries of positions (count, h) → (t, h).
#[track_caller]
pub fn disentangled_attention(content: [&Tensor; 3], positions: [&Tensor; 2], how: Disentangled) -> Tensor {
    let ([query, key, value], [position_keys, position_queries]) = (content, positions);
    Tensor::from_op(how, &[query, key, value, position_keys, position_queries])
}

impl Disentangled {
    /// Three kinds of scores are added: each has the variance of one.
    fn scale(&self, columns: usize) -> f64 {
        1.0 / ((3 * (columns / self.attention.heads)) as f64).sqrt()
    }

    /// Whether queries, keys, values, position keys and position queries fit.
    fn fits(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [query, key, value, position_keys, position_queries] = super::expect(inputs)?;
        let content = self.attention.shape(&[query, key, value])?;
        let positions = super::same_shape(&[position_keys, position_queries])?;
        let longest = self.longest();
        if *positions != [self.buckets.count, content.columns()] {
            return Err(format!(
                "there are {} rows of {} columns for positions",
                self.buckets.count,
                content.columns()
            ));
        }
        match longest <= self.buckets.longest {
            true if self.attention.window.is_some() => Err("scores with positions have no window".to_string()),
            true if u32::try_from(self.pairs()).is_err() => Err(format!(
                "{} pairs of tokens share a row of positions, and kernels count to {}",
                self.pairs(),
                u32::MAX
            )),
            true => Ok(content),
            false => Err(format!("a sequence has {longest} tokens, distances reach {}", self.buckets.longest)),
        }
    }

    /// The probabilities with which query `row` attends to the rows of its sequence, before dropout.
    fn probabilities(&self, inputs: &[&Array], row: usize, head: usize, rows: Range<usize>) -> Vec<f64> {
        let [query, key, position_keys, position_queries] = [0, 1, 3, 4].map(|i| inputs[i]);
        let (scale, dot) = (self.scale(query.shape.columns()), |a, i, b, j| self.attention.dot(a, i, b, j, head));
        let score = |j: usize| {
            let r = self.buckets.row(row - rows.start, j - rows.start);
            dot(query, row, key, j) + dot(query, row, position_keys, r) + dot(key, j, position_queries, r)
        };
        softmax(&rows.clone().map(|j| scale * score(j)).collect::<Vec<_>>())
    }

    /// The rows of a table of positions that a sequence of `s` tokens sees, of one head.
    fn seen<'a>(&self, table: &'a [f32], width: usize, s: usize, head: usize) -> Matrix<'a> {
        self.attention.part(table, width, &self.buckets.seen(s), head)
    }

    /// Probabilities (s, s) of one sequence and head in f32, before dropout.
    fn block_probabilities(&self, inputs: &[&[f32]], width: usize, rows: &Range<usize>, head: usize) -> Block {
        let (s, each, seen) = (rows.len(), width / self.attention.heads, self.buckets.seen(rows.len()));
        let (n, scale) = (seen.len(), self.scale(width) as f32);
        let [query, key] = [0, 1].map(|i| self.attention.part(inputs[i], width, rows, head));
        let [position_keys, position_queries] = [3, 4].map(|i| self.seen(inputs[i], width, s, head));
        let product = |m: usize, n: usize, a: Matrix, b: Matrix| {
            let mut block = Block::uninitialized(m * n);
            Tile::whole(&mut block, m, n).product(Output::Replace, each, scale, a, b.t());
            block
        };
        let mut scores = product(s, s, query, key);
        let (from_content, from_position) = (product(s, n, query, position_keys), product(s, n, key, position_queries));
        for i in 0..s {
            let (row, own) = (&mut scores[i * s..][..s], &from_content[i * n..][..n]);
            for (j, r) in self.buckets.rows_before(i, s).iter().rev().enumerate() {
                let r = *r as usize - seen.start;
                row[j] += own[r] + from_position[j * n + r];
            }
        }
        cpu::vectorized(
            #[inline(always)]
            || scores.chunks_exact_mut(s.max(1)).for_each(softmax_row),
        );
        scores
    }

    /// The floating point operations: each of `products` goes over all pairs of rows of a sequence.
    fn work_of(&self, products: f64, inputs: &[&Shape], output: &Shape) -> Work {
        let flops = products * self.attention.pair_flops(inputs[0].columns());
        Work::touching(inputs.iter().copied().chain([output])).with_flops(flops)
    }

    /// The tokens of the longest sequence.
    fn longest(&self) -> usize {
        self.attention.segments.ranges().map(|rows| rows.len()).max().unwrap_or(0)
    }

    /// The most pairs of a row and a distance that share a row of positions.
    fn pairs(&self) -> usize {
        self.buckets.most_shared(self.longest()) * self.attention.segments.rows()
    }

    /// Into how many parts these are cut.
    fn parts(&self) -> usize {
        self.pairs().div_ceil(PAIRS).max(1)
    }

    /// The uniform of all shaders but the mask's.
    fn uniform(&self, x: &Shape) -> Vec<u32> {
        let mut words = self.attention.uniform_scaled(x, self.scale(x.columns()));
        let own = [self.buckets.count, self.buckets.longest, self.longest(), self.parts(), PAIRS];
        words.extend(own.map(|word| word as u32));
        words
    }

    /// Lengths of the scratch buffers: mask, statistics, sequences and distances; both tables of positions; statistics as
    /// they are made; parts of the gradients of positions.
    fn scratch(&self, x: &Shape) -> Vec<usize> {
        let (places, tables) = (x.rows() * self.attention.heads, 2 * self.buckets.count * x.columns());
        let saved = places * (self.attention.mask_words() + 2) + 2 * x.rows() + self.buckets.table.len();
        vec![saved, tables, 2 * places, self.parts() * tables]
    }

    /// One launch over `invocations` in workgroups of 64.
    fn launch(&self, x: &Shape, entry: &'static str, bindings: Vec<Binding>, invocations: usize) -> Dispatch {
        let (shader, workgroups) = ("disentangled_attention".into(), invocations.div_ceil(64));
        Dispatch { shader, entry, bindings, uniform: self.uniform(x), workgroups }
    }

    /// The mask, where sequences lie and the distances into scratch buffer 0, both tables of positions into 1.
    fn prepare(&self, x: &Shape) -> Vec<Dispatch> {
        let ids = [self.attention.segments.offsets.clone(), self.buckets.table.clone()].map(Binding::Ids);
        let lists = [Binding::Scratch(0)].into_iter().chain(ids).collect();
        let tables = vec![Binding::Scratch(1), Binding::Input(3), Binding::Input(4)];
        vec![
            self.attention.draw_mask(x),
            self.launch(x, "sequences", lists, x.rows() + self.buckets.table.len()),
            self.launch(x, "tables", tables, 2 * self.buckets.count * x.columns()),
        ]
    }

    /// What an entry point binds that writes to `result`.
    fn bindings(&self, result: Binding) -> Vec<Binding> {
        let [query, key, value] = [0, 1, 2].map(Binding::Input);
        vec![result, query, key, value, Binding::Scratch(1), Binding::Scratch(0)]
    }

    /// The workgroups of 64 rows of one head, as invocations.
    fn rows_of_heads(&self, x: &Shape) -> usize {
        x.rows().div_ceil(64) * 64 * self.attention.heads
    }
}

/// Pairs of query and key that one workgroup sums up for a row of positions: enough to go on for a while, and few enough
/// for Mesa's software driver, see the shader of [`super::attention`].
const PAIRS: usize = 16_384;

impl Op for Disentangled {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        self.fits(inputs)
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let (how, value) = (&self.attention, inputs[2]);
        let mut output = Array::zeros(value.shape.clone());
        for (rows, head) in how.places() {
            for i in rows.clone() {
                let probabilities = self.probabilities(inputs, i, head, rows.clone());
                for (j, p) in rows.clone().zip(probabilities) {
                    for c in how.columns(value.shape.columns(), head) {
                        output.row_mut(i)[c] += p * how.mask(i, head, j - rows.start) * value.row(j)[c];
                    }
                }
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let (how, width) = (&self.attention, shapes[0].columns());
        let tiles = Tile::grid(output, width, how.segments.ranges(), how.heads);
        tiles.into_par_iter().zip(how.places()).for_each(|(mut tile, (rows, head))| {
            let mut p = self.block_probabilities(inputs, width, &rows, head);
            how.drop_block(&mut p, &Part::whole(&rows), head);
            let value = how.part(inputs[2], width, &rows, head);
            tile.product(Output::Replace, rows.len(), 1.0, Matrix::rows(&p, rows.len()), value);
        });
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        self.work_of(4.0, inputs, output)
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let x = inputs[0];
        let mut dispatches = self.prepare(x);
        dispatches.push(self.launch(x, "forward", self.bindings(Binding::Output(0)), self.rows_of_heads(x)));
        Kernel { scratch: self.scratch(x)[..2].to_vec(), activations: vec![1], dispatches, ..Kernel::default() }
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let positions = wanted[3] || wanted[4];
        let operands: Vec<&Tensor> = inputs.iter().chain([grad]).collect();
        let all = Tensor::from_op(Backward { how: self.clone(), positions }, &operands); // (3 t or 3 t + 2 count, h)
        let (content, table) = (inputs[0].shape(), inputs[3].shape());
        let of_content = |i: usize| Some(all.slice(i * content.len(), content.clone()));
        let of_positions = |i: usize| positions.then(|| all.slice(3 * content.len() + i * table.len(), table.clone()));
        (0..3).map(of_content).chain((0..2).map(of_positions)).collect()
    }
}

/// The gradients of query, key and value, one below the other, and of both tables of positions below, if they are asked for:
/// (t, h) three times, (count, h) twice, (t, h) → (3 t, h) or (3 t + 2 count, h).
///
/// With `dS` as for attention, over `√3d`, and r the row of the distance from i to j: `dquery[i] = Σ dS[i, j] (key[j] +
/// position_key[r])`, `dkey[j] = Σ dS[i, j] (query[i] + position_query[r])`, `dposition_key[r] = Σ dS[i, j] query[i]`,
/// `dposition_query[r] = Σ dS[i, j] key[j]`.
#[derive(Debug)]
struct Backward {
    how: Disentangled,
    positions: bool,
}

impl Backward {
    /// Sequences that are summed up by one task on the CPU, in their order: enough rows that the sums of a task, (2 count,
    /// h), are few beside them.
    fn groups(&self) -> Vec<Range<usize>> {
        let (mut groups, mut first, mut rows) = (Vec::new(), 0, 0);
        for (segment, range) in self.how.attention.segments.ranges().enumerate() {
            rows += range.len();
            if rows >= 2 * self.how.buckets.count {
                groups.push(first..segment + 1);
                (first, rows) = (segment + 1, 0);
            }
        }
        groups.push(first..self.how.attention.segments.count());
        groups
    }

    /// What each task works on, one head of one group after the other; `content` (3 t, h) is for their results.
    fn places<'a>(&self, inputs: &'a [&'a [f32]], width: usize, content: &'a mut [f32]) -> Vec<Vec<Place<'a>>> {
        let how = &self.how.attention;
        let (dq, rest) = content.split_at_mut(content.len() / 3);
        let (dk, dv) = rest.split_at_mut(rest.len() / 2);
        let grid = |data| Tile::grid(data, width, how.segments.ranges(), how.heads).into_iter();
        let mut tiles = grid(dq).zip(grid(dk)).zip(grid(dv)).zip(how.places());
        let mut tasks = Vec::new();
        for group in self.groups() {
            let mut own: Vec<Vec<Place>> = (0..how.heads).map(|_| Vec::new()).collect();
            for (((dq, dk), dv), (rows, head)) in tiles.by_ref().take(group.len() * how.heads) {
                own[head].push(Place { inputs, width, rows, head, results: [dq, dk, dv] });
            }
            tasks.extend(own);
        }
        tasks
    }

    /// The gradients of one sequence and head; `sums` (2 count, d) are added to.
    fn cpu_block(&self, mut place: Place, sums: &mut [f32]) {
        let (how, s) = (&self.how.attention, place.rows.len());
        let [query, key, value, grad] = [0, 1, 2, 5].map(|i| place.part(how, i));
        let p = self.how.block_probabilities(place.inputs, place.width, &place.rows, place.head);
        let mask = how.block_mask(&Part::whole(&place.rows), place.head);
        let mut kept = Block::copy_of(&p);
        multiply(&mut kept, mask.as_deref());
        let [dq, dk, dv] = &mut place.results;
        dv.product(Output::Replace, s, 1.0, Matrix::rows(&kept, s).t(), grad);
        let mut ds = kept; // (s, s), to be overwritten
        Tile::whole(&mut ds, s, s).product(Output::Replace, place.width / how.heads, 1.0, grad, value.t());
        multiply(&mut ds, mask.as_deref());
        softmax_backward(&mut ds, &p, s, self.how.scale(place.width) as f32);
        dq.product(Output::Replace, s, 1.0, Matrix::rows(&ds, s), key);
        dk.product(Output::Replace, s, 1.0, Matrix::rows(&ds, s).t(), query);
        self.cpu_positions(place, &ds, sums);
    }

    /// What positions add to the gradients of queries and keys, and what they get.
    fn cpu_positions(&self, mut place: Place, ds: &[f32], sums: &mut [f32]) {
        let (how, s, each) = (&self.how, place.rows.len(), place.width / self.how.attention.heads);
        let (seen, [for_query, for_key]) = (how.buckets.seen(s), how.by_row(ds, s)); // (s, n)
        let n = seen.len();
        let [position_keys, position_queries] = [3, 4].map(|i| how.seen(place.inputs[i], place.width, s, place.head));
        let [dq, dk, _] = &mut place.results;
        dq.product(Output::Add, n, 1.0, Matrix::rows(&for_query, n), position_keys);
        dk.product(Output::Add, n, 1.0, Matrix::rows(&for_key, n), position_queries);
        if self.positions {
            let (keys, queries) = sums.split_at_mut(how.buckets.count * each);
            for (sums, ds, i) in [(keys, for_query, 0), (queries, for_key, 1)] {
                let mut sums = Tile::whole(&mut sums[seen.start * each..seen.end * each], n, each);
                sums.product(Output::Add, s, 1.0, Matrix::rows(&ds, n).t(), place.part(&how.attention, i));
            }
        }
    }
}

/// A sequence and head: where its numbers are, and where its gradients of query, key and value go.
struct Place<'a> {
    inputs: &'a [&'a [f32]],
    width: usize,
    rows: Range<usize>,
    head: usize,
    results: [Tile<'a>; 3],
}

impl<'a> Place<'a> {
    /// The part of an input.
    fn part(&self, how: &Attention, input: usize) -> Matrix<'a> {
        how.part(self.inputs[input], self.width, &self.rows, self.head)
    }
}

impl Disentangled {
    /// The gradients of the scores (s, s) of a sequence, summed up by the rows of positions that it sees, once for each
    /// query and once for each key: (s, n) twice.
    fn by_row(&self, ds: &[f32], s: usize) -> [Block; 2] {
        let seen = self.buckets.seen(s);
        let n = seen.len();
        let [mut for_query, mut for_key] = [(); 2].map(|_| Block::zeros(s * n));
        for i in 0..s {
            for (j, r) in self.buckets.rows_before(i, s).iter().rev().enumerate() {
                let r = *r as usize - seen.start;
                for_query[i * n + r] += ds[i * s + j];
                for_key[j * n + r] += ds[i * s + j];
            }
        }
        [for_query, for_key]
    }
}

impl Op for Backward {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let (grad, inputs) = inputs.split_last().ok_or("there are no inputs")?;
        let content = self.how.fits(inputs)?;
        super::same_shape(&[&content, grad])?;
        let tables = if self.positions { 2 * self.how.buckets.count } else { 0 };
        Ok([3 * content.rows() + tables, content.columns()].into())
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let [query, key, value, position_keys, position_queries, grad] = [0, 1, 2, 3, 4, 5].map(|i| inputs[i]);
        let (how, t, width, count) =
            (&self.how.attention, query.shape.rows(), query.shape.columns(), self.how.buckets.count);
        let mut output = Array::zeros([3 * t + 2 * count, width]);
        for (rows, head) in how.places() {
            for i in rows.clone() {
                let p = self.how.probabilities(inputs, i, head, rows.clone());
                let mask: Vec<f64> = (0..rows.len()).map(|j| how.mask(i, head, j)).collect();
                let dp: Vec<f64> =
                    rows.clone().map(|j| how.dot(grad, i, value, j, head) * mask[j - rows.start]).collect();
                let sum: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
                for j in rows.clone() {
                    let at = j - rows.start;
                    let ds = p[at] * (dp[at] - sum) * self.how.scale(width);
                    let r = self.how.buckets.row(i - rows.start, at);
                    for c in how.columns(width, head) {
                        output.row_mut(i)[c] += ds * (key.row(j)[c] + position_keys.row(r)[c]);
                        output.row_mut(t + j)[c] += ds * (query.row(i)[c] + position_queries.row(r)[c]);
                        output.row_mut(2 * t + j)[c] += p[at] * mask[at] * grad.row(i)[c];
                        output.row_mut(3 * t + r)[c] += ds * query.row(i)[c];
                        output.row_mut(3 * t + count + r)[c] += ds * key.row(j)[c];
                    }
                }
            }
        }
        let rows = if self.positions { 3 * t + 2 * count } else { 3 * t };
        Array::new([rows, width], output.values[..rows * width].to_vec())
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let (heads, width) = (self.how.attention.heads, shapes[0].columns());
        let (content, positions) = output.split_at_mut(3 * shapes[0].len());
        let tables = if self.positions { 2 * self.how.buckets.count } else { 0 };
        let sum_up = |places: Vec<Place>| {
            let mut sums = Block::zeros(tables * (width / heads));
            places.into_iter().for_each(|place| self.cpu_block(place, &mut sums));
            sums
        };
        let summed: Vec<Block> = self.places(inputs, width, content).into_par_iter().map(sum_up).collect();
        cpu::for_rows(positions, width, |row, output| {
            output.fill(0.0);
            for (i, sums) in summed.iter().enumerate() {
                let each = width / heads;
                let own = &mut output[i % heads * each..][..each];
                own.iter_mut().zip(&sums[row * each..][..each]).for_each(|(y, x)| *y += x);
            }
        });
    }

    fn cpu_scratch(&self, inputs: &[&Shape]) -> usize {
        let tables = 2 * self.how.buckets.count * inputs[0].columns();
        if self.positions { self.groups().len() * tables } else { 0 }
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        self.how.work_of(if self.positions { 11.0 } else { 9.0 }, inputs, output)
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let (how, x) = (&self.how, inputs[0]);
        let each = x.columns() / how.attention.heads;
        let bindings = |result: Binding| {
            let mut bindings = how.bindings(result);
            bindings.push(Binding::Input(5));
            bindings
        };
        let keep = vec![Binding::Scratch(0), Binding::Scratch(2)];
        let mut dispatches = how.prepare(x);
        dispatches.extend([
            how.launch(x, "statistics", bindings(Binding::Scratch(2)), how.rows_of_heads(x)),
            how.launch(x, "keep", keep, 2 * x.rows() * how.attention.heads),
            how.launch(x, "dquery", bindings(Binding::Output(0)), how.rows_of_heads(x)),
            how.launch(x, "dkey_dvalue", bindings(Binding::Output(0)), how.rows_of_heads(x)),
        ]);
        if self.positions {
            let tables = 2 * how.buckets.count * x.columns();
            let workgroups = how.parts() * how.buckets.count * how.attention.heads * each.div_ceil(64);
            let sum = vec![Binding::Output(0), Binding::Scratch(3)];
            dispatches.push(how.launch(x, "dpositions", bindings(Binding::Scratch(3)), 64 * workgroups));
            dispatches.push(how.launch(x, "sum_positions", sum, tables));
        }
        let scratch = how.scratch(x)[..if self.positions { 4 } else { 3 }].to_vec();
        Kernel { scratch, activations: vec![1], dispatches, ..Kernel::default() }
    }
}
