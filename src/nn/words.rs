//! The word table: hundreds of thousands of rows, of which a step touches a few hundred.

use super::{Builder, Fill};
use crate::{
    array::Ids,
    ops,
    tensor::{Tensor, without_graph},
};

/// Word embeddings (v, h), in windows of rows that the device can bind at once.
#[derive(Clone, Debug)]
pub struct WordTable {
    /// The name in the checkpoint.
    pub name: String,
    /// Rows in order; all windows but the last have the same height.
    pub windows: Vec<Tensor>,
    /// v
    pub rows: usize,
    /// h
    pub columns: usize,
}

/// The rows that a step uses, as a small table of their own: gradients are asked with respect to it, so the whole
/// table never has one.
#[derive(Debug)]
pub struct ActiveRows {
    /// Ascending, distinct.
    pub ids: Vec<u32>,
    /// (ids, h)
    pub table: Tensor,
}

impl WordTable {
    /// Loads `NAME.weight`.
    pub fn build(builder: &mut Builder, name: &str, rows: usize, columns: usize) -> WordTable {
        let (name, windows) = builder.within(name, |builder| builder.windows("weight", [rows, columns], Fill::Normal));
        WordTable { name, windows, rows, columns }
    }

    /// The rows of `ids`, straight from the table: (n) → (n, h).
    #[track_caller]
    pub fn look_up(&self, ids: &Ids) -> Tensor {
        ops::gather(&self.windows.iter().collect::<Vec<_>>(), ids)
    }

    /// Lifts out the rows that these tokens use.
    pub fn activate(&self, tokens: impl Iterator<Item = u32>) -> ActiveRows {
        let mut ids: Vec<u32> = tokens.collect();
        ids.sort_unstable();
        ids.dedup();
        let table = without_graph(|| self.look_up(&ids.clone().into())).tracked();
        ActiveRows { ids, table }
    }

    /// The rows of window `window` in the whole table.
    pub fn window_rows(&self, window: usize) -> std::ops::Range<usize> {
        let each = self.windows[0].shape()[0];
        window * each..(window * each + self.windows[window].shape()[0])
    }

    /// All rows, on the host.
    pub fn to_vec(&self) -> Vec<f32> {
        match &self.windows[..] {
            [whole] => whole.to_vec(),
            windows => windows.iter().flat_map(Tensor::to_vec).collect(),
        }
    }
}

impl ActiveRows {
    /// The rows of `ids`, which must all be active: (n) → (n, h).
    #[track_caller]
    pub fn look_up(&self, ids: &[u32]) -> Tensor {
        let place = |id: &u32| self.ids.binary_search(id).expect("the rows were activated for these tokens") as u32;
        ops::gather(&[&self.table], &ids.iter().map(place).collect::<Vec<_>>().into())
    }
}
