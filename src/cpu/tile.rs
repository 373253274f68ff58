//! Matrices in slices by their strides, and disjoint tiles of a matrix for parallel writing.

#![expect(
    unsafe_code,
    reason = "tiles of one matrix are pointers into it; what each may touch is asserted as it is cut"
)]

use std::ops::Range;

/// A matrix in a slice, by its strides: a transpose is the same numbers with the strides exchanged.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `row_stride` numbers, one after the other.
    pub fn rows(data: &'a [f32], row_stride: usize) -> Matrix<'a> {
        Matrix { data, row_stride, column_stride: 1 }
    }

    /// The transpose.
    pub fn t(self) -> Matrix<'a> {
        Matrix { data: self.data, row_stride: self.column_stride, column_stride: self.row_stride }
    }

    /// The rows from one on.
    pub(super) fn rows_from(self, row: usize) -> Matrix<'a> {
        Matrix { data: &self.data[(row * self.row_stride).min(self.data.len())..], ..self }
    }

    pub(super) fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

/// What happens to the numbers that the output holds already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The product replaces them.
    Replace,
    /// The product is added to them.
    Add,
}

/// A rectangle of a row-major matrix that nobody else can touch.
pub struct Tile<'a> {
    pub(super) start: *mut f32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
    owner: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: a tile is the only access to its numbers for as long as it lives, like `&mut [f32]`, which is `Send`.
unsafe impl Send for Tile<'_> {}

impl<'a> Tile<'a> {
    /// A whole matrix.
    pub fn whole(data: &'a mut [f32], rows: usize, columns: usize) -> Tile<'a> {
        assert!(rows * columns <= data.len(), "({rows}, {columns}) does not fit into {}", data.len());
        Tile { start: data.as_mut_ptr(), rows, columns, stride: columns, owner: std::marker::PhantomData }
    }

    /// Cuts a matrix into tiles: one for each of the row ranges, which must ascend, and each block of columns.
    pub fn grid(
        data: &'a mut [f32],
        columns: usize,
        rows: impl Iterator<Item = Range<usize>>,
        blocks: usize,
    ) -> Vec<Tile<'a>> {
        assert!(columns.is_multiple_of(blocks), "{columns} columns cannot be cut into {blocks} blocks");
        let width = columns / blocks;
        let (mut tiles, mut end) = (Vec::new(), 0);
        for range in rows {
            assert!(end <= range.start && range.start <= range.end, "row ranges must ascend");
            assert!(range.end * columns <= data.len(), "rows {range:?} lie outside of the matrix");
            end = range.end;
            for block in 0..blocks {
                // SAFETY: the offset lies inside `data`; ranges and blocks do not overlap, as asserted.
                let start = unsafe { data.as_mut_ptr().add((range.start * columns + block * width).min(data.len())) };
                let owner = std::marker::PhantomData;
                tiles.push(Tile { start, rows: range.len(), columns: width, stride: columns, owner });
            }
        }
        tiles
    }

    /// Some of its rows.
    pub fn rows(&mut self, first: usize, count: usize) -> Tile<'_> {
        self.part(first, 0, count, self.columns)
    }

    /// Every number becomes `value`.
    pub fn fill(&mut self, value: f32) {
        for row in 0..self.rows {
            self.row(row).fill(value);
        }
    }

    /// One of its rows.
    pub(super) fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "row {row} lies outside of the tile");
        // SAFETY: the row lies inside of the tile, which nobody else can touch.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.columns) }
    }

    /// The part of at most `height` rows and `width` columns that begins at a row and column of this tile.
    pub(super) fn part(&mut self, row: usize, column: usize, height: usize, width: usize) -> Tile<'_> {
        // SAFETY: this tile is borrowed for as long as the part lives.
        unsafe { self.overlapping_part(row, column, height, width) }
    }

    /// Cuts the tile into blocks of at most `height` rows and `width` columns, each with the row and column where it
    /// begins, one column of blocks after the other.
    pub(super) fn blocks(&mut self, height: usize, width: usize) -> Vec<(usize, usize, Tile<'_>)> {
        let mut blocks = Vec::new();
        for column in (0..self.columns).step_by(width) {
            for row in (0..self.rows).step_by(height) {
                // SAFETY: blocks do not overlap, and this tile is borrowed for as long as they live.
                blocks.push((row, column, unsafe { self.overlapping_part(row, column, height, width) }));
            }
        }
        blocks
    }

    /// # Safety
    ///
    /// While the part lives, nothing else may touch its numbers.
    unsafe fn overlapping_part<'b>(&self, row: usize, column: usize, height: usize, width: usize) -> Tile<'b> {
        assert!(row < self.rows && column < self.columns, "({row}, {column}) lies outside of the tile");
        // SAFETY: the offset is that of a number of this tile.
        let start = unsafe { self.start.add(row * self.stride + column) };
        let (rows, columns) = (height.min(self.rows - row), width.min(self.columns - column));
        Tile { start, rows, columns, stride: self.stride, owner: std::marker::PhantomData }
    }
}
