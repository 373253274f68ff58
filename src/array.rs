//! Shapes, and the f64 array that every operation is defined on.

use std::{
    any::Any,
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

/// What the operands of matrix products are rounded to.
///
/// Products are summed in f32 with each. The device has it, and an operation takes it from its inputs'. In f16 a GPU
/// stores what passes between layers in f16, too ([`Format`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Precision {
    /// Not rounded.
    #[default]
    F32,
    /// 8 significant bits and the range of f32.
    Bf16,
    /// 11 significant bits, up to 65,504.
    F16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::F16 => "f16",
        })
    }
}

/// How a GPU stores a tensor's numbers; computed with in f32, each is rounded as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Four bytes.
    #[default]
    F32,
    /// Two bytes: 11 significant bits, up to 65,504.
    F16,
}

impl Format {
    /// How many words of four bytes hold `len` numbers.
    pub fn words(self, len: usize) -> usize {
        match self {
            Format::F32 => len,
            Format::F16 => len.div_ceil(2),
        }
    }
}

/// The extent of each axis, outermost first.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.0.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last axis; 1 for a scalar.
    pub fn columns(&self) -> usize {
        self.0.last().copied().unwrap_or(1)
    }

    /// The product of all axes but the last.
    pub fn rows(&self) -> usize {
        self.0.iter().rev().skip(1).product()
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl<T: AsRef<[usize]>> From<T> for Shape {
    fn from(axes: T) -> Shape {
        Shape(axes.as_ref().to_vec())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let axes: Vec<String> = self.0.iter().map(usize::to_string).collect();
        write!(f, "({})", axes.join(", "))
    }
}

/// A dense array of f64 in row-major order: what references compute with.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The extent of each axis.
    pub shape: Shape,
    /// The elements, last axis fastest.
    pub values: Vec<f64>,
}

impl Array {
    /// `values` in the given shape.
    #[track_caller]
    pub fn new(shape: impl Into<Shape>, values: Vec<f64>) -> Array {
        let shape = shape.into();
        assert_eq!(shape.len(), values.len(), "{} values do not fill {shape:?}", values.len());
        Array { shape, values }
    }

    /// All zero.
    pub fn zeros(shape: impl Into<Shape>) -> Array {
        let shape = shape.into();
        Array { values: vec![0.0; shape.len()], shape }
    }

    /// `f(index)` for each element.
    pub fn from_fn(shape: impl Into<Shape>, f: impl FnMut(usize) -> f64) -> Array {
        let shape = shape.into();
        Array { values: (0..shape.len()).map(f).collect(), shape }
    }

    /// `f` of each element.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Array {
        Array { shape: self.shape.clone(), values: self.values.iter().map(|x| f(*x)).collect() }
    }

    /// `f` of each pair of elements of two arrays of one shape.
    pub fn zip(&self, other: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
        let values = self.values.iter().zip(&other.values).map(|(x, y)| f(*x, *y)).collect();
        Array { shape: self.shape.clone(), values }
    }

    /// Row `i` of the array seen as (rows, columns).
    pub fn row(&self, i: usize) -> &[f64] {
        let columns = self.shape.columns();
        &self.values[i * columns..(i + 1) * columns]
    }

    /// Row `i`, to write to.
    pub fn row_mut(&mut self, i: usize) -> &mut [f64] {
        let columns = self.shape.columns();
        &mut self.values[i * columns..(i + 1) * columns]
    }
}

/// Whole numbers that steer an operation: token ids, rows to gather, where sequences start.
///
/// They are known on the host; a device that needs them keeps its own copy in `mirror`.
#[derive(Clone)]
pub struct Ids(Arc<(Vec<u32>, OnceLock<Mirror>)>);

/// A device's own copy of some [`Ids`].
pub type Mirror = Arc<dyn Any + Send + Sync>;

impl Ids {
    /// The device's copy, made by `upload` at first use. A process uses one GPU, so there is one copy.
    pub fn mirror(&self, upload: impl FnOnce(&[u32]) -> Mirror) -> &Mirror {
        self.0.1.get_or_init(|| upload(&self.0.0))
    }
}

impl From<Vec<u32>> for Ids {
    fn from(values: Vec<u32>) -> Ids {
        Ids(Arc::new((values, OnceLock::new())))
    }
}

impl Deref for Ids {
    type Target = [u32];
    fn deref(&self) -> &[u32] {
        &self.0.0
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} ids", self.len())
    }
}

/// Where each sequence of a packed batch starts: sequences lie end to end, so there is no padding and no mask.
#[derive(Clone, Debug)]
pub struct Segments {
    /// The first row of each sequence, and the number of rows at the end: (s + 1).
    pub offsets: Ids,
    /// The sequence that each row belongs to: (t).
    pub owners: Ids,
}

impl Segments {
    /// Sequences of these lengths, one after the other.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Segments {
        let (mut offsets, mut owners) = (vec![0], Vec::new());
        for (segment, length) in lengths.into_iter().enumerate() {
            owners.extend(std::iter::repeat_n(segment as u32, length));
            offsets.push(owners.len() as u32);
        }
        Segments { offsets: offsets.into(), owners: owners.into() }
    }

    /// The number of sequences.
    pub fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The number of rows of all sequences together.
    pub fn rows(&self) -> usize {
        self.owners.len()
    }

    /// The rows of each sequence.
    pub fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        self.offsets.windows(2).map(|ends| ends[0] as usize..ends[1] as usize)
    }

    /// The place of each row within its segment, from 0.
    pub fn positions(&self) -> Ids {
        self.ranges().flat_map(|rows| 0..rows.len() as u32).collect::<Vec<_>>().into()
    }

    /// The first row of each sequence.
    pub fn first_rows(&self) -> Ids {
        self.offsets[..self.count()].to_vec().into()
    }
}
