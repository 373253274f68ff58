//! Rows picked by ids, from a table that may be cut into windows of rows.
//!
//! Embeddings, the first token of each sequence and masked positions are all gathers. A table larger than what the
//! device can bind at once comes as several windows; each dispatch touches only its own rows.

use super::{Case, InF16, Sources, Spec, matrix};
use crate::{
    array::{Array, Format, Ids, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    profile::Work,
    tensor::{Op, Tensor, all_in},
};
use std::ops::Range;

pub(super) const SPEC: Spec = Spec {
    name: "gather",
    tolerance: 1e-5,
    smooth: true,
    in_f16: Some(InF16 { inputs: &[0, 1, 2], tolerance: 5e-4 }),
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

    fn format(&self, inputs: &[Format]) -> Option<Format> {
        all_in(inputs[0], inputs)
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
            shader: "gather".into(),
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
