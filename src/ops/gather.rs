//! Rows picked by ids, from a table that may be cut into windows of rows; and the sum of rows by id, its gradient.
//!
//! Embeddings, the first token of each sequence and masked positions are all gathers. A table larger than what the
//! device can bind at once comes as several windows; each dispatch touches only its own rows.

use super::{Case, Spec, expect, matrix};
use crate::{
    array::{Array, Ids, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    profile::Work,
    tensor::{Op, Tensor},
};
use std::ops::Range;

pub(super) const SPEC: Spec = Spec {
    name: "gather",
    tolerance: 1e-5,
    smooth: true,
    cases: &[
        Case { name: "rows", inputs: &[&[7, 5]], run: |x| gather(&[&x[0]], &vec![6, 0, 3, 3, 0, 3].into()) },
        Case {
            name: "two windows",
            inputs: &[&[4, 67], &[3, 67]],
            run: |x| gather(&[&x[0], &x[1]], &vec![6, 0, 3, 3, 4, 5, 0].into()),
        },
        Case {
            name: "a window unused",
            inputs: &[&[2, 3], &[2, 3], &[1, 3]],
            run: |x| gather(&[&x[0], &x[1], &x[2]], &vec![4, 0].into()),
        },
        Case { name: "none", inputs: &[&[7, 5]], run: |x| gather(&[&x[0]], &vec![].into()) },
        Case { name: "one often", inputs: &[&[3, 2]], run: |x| gather(&[&x[0]], &vec![1; 300].into()) },
    ],
};

/// Row `ids[i]` of the table that the windows make up, for each `i`: (v₁, h), (v₂, h), … → (n, h).
#[track_caller]
pub fn gather(windows: &[&Tensor], ids: &Ids) -> Tensor {
    Tensor::from_op(Gather { ids: ids.clone() }, windows)
}

#[derive(Debug)]
struct Gather {
    ids: Ids,
}

/// The rows of the whole table that each window holds.
fn window_ranges(windows: &[&Shape]) -> Vec<Range<u32>> {
    let next = |end: &mut u32, window: &&Shape| {
        let start = *end;
        *end += window.rows() as u32;
        Some(start..*end)
    };
    windows.iter().scan(0, next).collect()
}

impl Gather {
    /// The positions in the output whose row lies in `range`, each followed by that row's place in the window.
    fn picks(&self, range: &Range<u32>) -> Vec<u32> {
        let inside = self.ids.iter().enumerate().filter(|(_, id)| range.contains(id));
        inside.flat_map(|(position, id)| [position as u32, id - range.start]).collect()
    }
}

impl Op for Gather {
    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [_, columns] = matrix(inputs[0])?;
        if inputs.iter().any(|window| window.columns() != columns) {
            return Err("the windows differ in width".to_string());
        }
        let rows: usize = inputs.iter().map(|window| window.rows()).sum();
        match self.ids.iter().find(|id| **id as usize >= rows) {
            Some(id) => Err(format!("row {id} was asked of a table of {rows} rows")),
            None => Ok([self.ids.len(), columns].into()),
        }
    }

    fn reference(&self, inputs: &[&Array]) -> Array {
        let rows: Vec<&[f64]> = inputs.iter().flat_map(|w| (0..w.shape.rows()).map(|i| w.row(i))).collect();
        let values = self.ids.iter().flat_map(|id| rows[*id as usize].iter().copied()).collect();
        Array::new([self.ids.len(), inputs[0].shape.columns()], values)
    }

    fn cpu(&self, inputs: &[&[f32]], shapes: &[&Shape], output: &mut [f32]) {
        let columns = shapes[0].columns();
        let ranges = window_ranges(shapes);
        cpu::for_rows(
            output,
            columns,
            #[inline(always)]
            |i, out| {
                let id = self.ids[i];
                let window = ranges.iter().position(|range| range.contains(&id)).expect("ids were checked");
                let start = (id - ranges[window].start) as usize * columns;
                out.copy_from_slice(&inputs[window][start..][..columns]);
            },
        );
    }

    fn work(&self, _: &[&Shape], output: &Shape) -> Work {
        Work::touching([output, output])
    }

    fn kernel(&self, inputs: &[&Shape], _: &Shape) -> Kernel {
        let columns = inputs[0].columns();
        let (entry, width) = match columns.is_multiple_of(4) {
            true => ("forward_quads", columns / 4),
            false => ("forward", columns),
        };
        let per_workgroup = if width == columns { 256 } else { 64 };
        let picks = window_ranges(inputs).into_iter().map(|range| self.picks(&range)).enumerate();
        let dispatch = |(window, picks): (usize, Vec<u32>)| Dispatch {
            shader: "gather",
            entry,
            uniform: vec![picks.len() as u32 / 2, width as u32],
            workgroups: (picks.len() / 2 * width).div_ceil(per_workgroup),
            bindings: vec![Binding::Output(0), Binding::Input(window), Binding::Ids(picks.into())],
        };
        let used = picks.filter(|(_, picks)| !picks.is_empty());
        Kernel { dispatches: used.map(dispatch).collect(), ..Kernel::default() }
    }

    fn backward(&self, inputs: &[Tensor], _: &Tensor, grad: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let shapes: Vec<&Shape> = inputs.iter().map(Tensor::shape).collect();
        let ranges = window_ranges(&shapes);
        let sum = |range: &Range<u32>| grad.scatter_add(Sources::new(&self.ids, range.clone()));
        ranges.iter().zip(wanted).map(|(range, wanted)| wanted.then(|| sum(range))).collect()
    }
}

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
        let mut order: Vec<u32> = (0..ids.len() as u32).filter(|i| range.contains(&ids[*i as usize])).collect();
        order.sort_by_key(|i| (ids[*i as usize], *i));
        let (mut targets, mut starts) = (Vec::new(), Vec::new());
        for (place, source) in order.iter().enumerate() {
            let target = ids[*source as usize] - range.start;
            if targets.last() != Some(&target) {
                targets.push(target);
                starts.push(place as u32);
            }
        }
        starts.push(order.len() as u32);
        Sources { rows: range.len(), targets: targets.into(), starts: starts.into(), sources: order.into() }
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
            shader: "gather",
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
        shader: "gather",
        entry: "sum",
        uniform: vec![targets.len() as u32, columns as u32],
        workgroups: targets.len() * columns.div_ceil(64),
        bindings: [to, from]
            .into_iter()
            .chain([targets, starts, sources].map(|ids| Binding::Ids(ids.clone())))
            .collect(),
    }
}
