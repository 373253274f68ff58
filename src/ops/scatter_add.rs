//! Sums of rows by target: the gradient of a gather, and the sum of each sequence's states.

use super::{Case, InF16, Spec, expect, matrix};
use crate::{
    array::{Array, Format, Ids, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    profile::Work,
    tensor::{Op, Tensor, all_in},
};
use std::ops::Range;

pub(super) const SPEC: Spec = Spec {
    name: "scatter_add",
    tolerance: 1e-5,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0], tolerance: 5e-4 }),
    cases: &[
        Case { name: "by ids", inputs: &[&[6, 5]], run: |x| x[0].scatter_add(Sources::new(&[6, 0, 3, 3, 9, 3], 0..7)) },
        Case {
            name: "ranges",
            inputs: &[&[11, 67]],
            run: |x| x[0].scatter_add(Sources::of_ranges([0..3, 9..11, 4..5].into_iter())),
        },
        Case {
            name: "shared rows and an empty range",
            inputs: &[&[9, 4]],
            run: |x| x[0].scatter_add(Sources::of_ranges([0..6, 3..3, 2..9].into_iter())),
        },
        Case {
            name: "long",
            inputs: &[&[600, 3]],
            run: |x| x[0].scatter_add(Sources::of_ranges([0..300, 300..301, 301..600].into_iter())),
        },
    ],
};

/// Which rows are summed into which: lists of source rows, one for each target row that has any.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The number of target rows.
    pub rows: usize,
    /// The target rows that have sources, ascending.
    pub targets: Ids,
    /// Where each target's list starts, and the end of the last: one more than there are targets.
    pub starts: Ids,
    /// The source rows, list after list, ascending within each.
    pub sources: Ids,
}

impl Sources {
    /// Sums row `i` into row `ids[i] − range.start`, for ids inside `range`.
    pub fn new(ids: &[u32], range: Range<u32>) -> Sources {
        let inside = ids.iter().enumerate().filter(|(_, id)| range.contains(id));
        Sources::of_pairs(range.len(), inside.map(|(row, id)| (id - range.start, row as u32)).collect())
    }

    /// Sums each range of rows into a row of its own.
    pub fn of_ranges(ranges: impl Iterator<Item = Range<usize>>) -> Sources {
        let (mut starts, mut sources) = (vec![0], Vec::new());
        for range in ranges {
            sources.extend(range.map(|row| row as u32));
            starts.push(sources.len() as u32);
        }
        let rows = starts.len() - 1;
        let targets = (0..rows as u32).collect::<Vec<_>>();
        Sources { rows, targets: targets.into(), starts: starts.into(), sources: sources.into() }
    }

    /// The way back: into each of `rows` rows the sum of those that it was summed into.
    fn transposed(&self, rows: usize) -> Sources {
        let sources = |ends: &[u32]| &self.sources[ends[0] as usize..ends[1] as usize];
        let lists = self.targets.iter().zip(self.starts.windows(2).map(sources));
        let pairs = lists.flat_map(|(target, sources)| sources.iter().map(move |source| (*source, *target)));
        Sources::of_pairs(rows, pairs.collect())
    }

    /// Sums into the first row of each pair its second.
    fn of_pairs(rows: usize, mut pairs: Vec<(u32, u32)>) -> Sources {
        pairs.sort_unstable();
        let (mut targets, mut starts) = (Vec::new(), Vec::new());
        for (place, (target, _)) in pairs.iter().enumerate() {
            if targets.last() != Some(target) {
                targets.push(*target);
                starts.push(place as u32);
            }
        }
        starts.push(pairs.len() as u32);
        let sources = pairs.iter().map(|(_, source)| *source).collect::<Vec<_>>();
        Sources { rows, targets: targets.into(), starts: starts.into(), sources: sources.into() }
    }
}

impl Tensor {
    /// The sums of rows by target, in a fixed order: (n, h) → (rows, h).
    #[track_caller]
    pub fn scatter_add(&self, sources: Sources) -> Tensor {
        Tensor::from_op(ScatterAdd { sources }, &[self])
    }
}

#[derive(Debug)]
struct ScatterAdd {
    sources: Sources,
}

impl ScatterAdd {
    /// Each target row with its list of source rows.
    fn lists(&self) -> impl Iterator<Item = (usize, &[u32])> {
        let Sources { targets, starts, sources, .. } = &self.sources;
        let list = |ends: &[u32]| ends[0] as usize..ends[1] as usize;
        targets.iter().zip(starts.windows(2)).map(move |(target, ends)| (*target as usize, &sources[list(ends)]))
    }
}

impl Op for ScatterAdd {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = expect(inputs)?;
        Ok([self.sources.rows, matrix(x)?[1]].into())
    }

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let mut output = Array::zeros([self.sources.rows, inputs[0].shape.columns()]);
        for (target, list) in self.lists() {
            for source in list {
                for (sum, x) in output.row_mut(target).iter_mut().zip(inputs[0].row(*source as usize)) {
                    *sum += x;
                }
            }
        }
        output
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        let lists: Vec<(usize, &[u32])> = self.lists().collect();
        let add = |sum: &mut [f32], first: usize, list: &[u32]| {
            for source in list {
                let x = &inputs[0][*source as usize * columns + first..][..sum.len()];
                for j in 0..sum.len() {
                    sum[j] += x[j];
                }
            }
        };
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |row, sum| {
                sum.fill(0.0);
                if let Ok(at) = lists.binary_search_by_key(&row, |(target, _)| *target) {
                    match lists[at].1 {
                        list if list.len() < LONG => add(sum, 0, list),
                        list => cpu::for_columns(sum, |part, sum| add(sum, part.start, list)),
                    }
                }
            },
        );
    }

    fn kernel(&self, inputs: &[&Shape], output: &Shape) -> Kernel {
        let (columns, n) = (inputs[0].columns(), output.len());
        let Sources { targets, starts, sources, .. } = &self.sources;
        let clear = Dispatch {
            shader: "scatter_add".into(),
            entry: "clear",
            bindings: vec![Binding::Output(0)],
            uniform: vec![n as u32],
            workgroups: if targets.len() < output.rows() { n.div_ceil(256) } else { 0 },
        };
        if starts.windows(2).all(|ends| ends[1] - ends[0] <= 2 * PIECE) {
            let whole = sum_lists(Binding::Output(0), Binding::Input(0), columns, [targets, starts, sources]);
            return Kernel { dispatches: vec![clear, whole], ..Kernel::default() };
        }
        let (piece_starts, list_starts) = pieces(starts);
        let count = piece_starts.len() - 1;
        let order: Ids = (0..count as u32).collect::<Vec<_>>().into();
        let (piece_starts, list_starts) = (piece_starts.into(), list_starts.into());
        let parts = sum_lists(Binding::Scratch(0), Binding::Input(0), columns, [&order, &piece_starts, sources]);
        let lists = sum_lists(Binding::Output(0), Binding::Scratch(0), columns, [targets, &list_starts, &order]);
        Kernel { scratch: vec![count * columns], dispatches: vec![clear, parts, lists], ..Kernel::default() }
    }

    fn work(&self, inputs: &[&Shape], output: &Shape) -> Work {
        Work::touching([inputs[0], output])
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(grad.scatter_add(self.sources.transposed(inputs[0].shape().rows())))]
    }
}

/// Lists of so many rows are worth all cores of the CPU.
const LONG: usize = 256;

/// The rows that one workgroup sums; longer lists are summed piece by piece.
const PIECE: u32 = 64;

/// Cuts lists into pieces: where each piece starts in the sources, and where each list starts in the pieces.
fn pieces(starts: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let (mut piece_starts, mut list_starts) = (Vec::new(), vec![0]);
    for ends in starts.windows(2) {
        piece_starts.extend((ends[0]..ends[1]).step_by(PIECE as usize));
        list_starts.push(piece_starts.len() as u32);
    }
    piece_starts.push(starts.last().copied().unwrap_or(0));
    (piece_starts, list_starts)
}

/// Sums lists of rows of `from` into the target rows of `to`.
fn sum_lists(to: Binding, from: Binding, columns: usize, [targets, starts, sources]: [&Ids; 3]) -> Dispatch {
    Dispatch {
        shader: "scatter_add".into(),
        entry: "sum",
        uniform: vec![targets.len() as u32, columns as u32],
        workgroups: targets.len() * columns.div_ceil(64),
        bindings: [to, from]
            .into_iter()
            .chain([targets, starts, sources].map(|ids| Binding::Ids(ids.clone())))
            .collect(),
    }
}
