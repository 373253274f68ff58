//! What operations cost: their work by count, and their time while somebody listens (`RXLT_LOG=ops`, `rxlt bench`).

use crate::array::Shape;
use std::{
    cell::{Cell, RefCell},
    ops::{Add, AddAssign},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// What an operation cannot do without: arithmetic, and numbers read and written once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Multiplications and additions of matrix products and attention; 0 where memory is what counts.
    pub flops: f64,
    /// Bytes of operands and results.
    pub bytes: f64,
}

impl Work {
    /// Every number of these shapes is read or written once.
    pub fn touching<'a>(shapes: impl IntoIterator<Item = &'a Shape>) -> Work {
        Work::of(0.0, shapes.into_iter().map(Shape::len).sum())
    }

    /// So many floating point operations, and so many f32 read or written.
    pub fn of(flops: f64, numbers: usize) -> Work {
        Work { flops, bytes: 4.0 * numbers as f64 }
    }

    /// The same with floating point operations.
    pub fn with_flops(self, flops: f64) -> Work {
        Work { flops, ..self }
    }
}

impl Add for Work {
    type Output = Work;
    fn add(self, other: Work) -> Work {
        Work { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        *self = *self + other;
    }
}

/// One operation that ran; on a GPU one launch of it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which operation it was, and of what.
    pub operation: Operation,
    /// The shader and its entry point, on a GPU.
    pub entry: Option<String>,
    /// Which of the operation's launches this is, and of how many.
    pub launch: (usize, usize),
    /// How long it took.
    pub seconds: f64,
    /// Who measured that.
    pub clock: Clock,
}

/// Where a time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The processor's clock, around work on the processor.
    Processor,
    /// The GPU's timestamps.
    Gpu,
    /// The processor's clock, around a launch that was waited for.
    Waiting,
}

/// An operation and its operands.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// The name of its type.
    pub name: String,
    /// Shapes of the operands, and of the result.
    pub shapes: String,
    /// The work of all its launches.
    pub work: Work,
}

/// Takes the records of whoever computes.
pub type Listener = Box<dyn FnMut(Record) + Send>;

static LISTENED: AtomicBool = AtomicBool::new(false);
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

thread_local! {
    static COUNT: Cell<Option<Work>> = const { Cell::new(None) };
    static CURRENT: RefCell<Operation> = RefCell::default();
}

/// From now on `listener` is told of everything that runs.
pub fn listen(listener: Listener) {
    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    LISTENED.store(true, Ordering::Relaxed);
}

/// Whether somebody listens, and times are to be taken.
pub fn is_on() -> bool {
    LISTENED.load(Ordering::Relaxed)
}

/// Tells the listener.
pub(crate) fn tell(record: Record) {
    if let Some(listener) = &mut *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) {
        listener(record);
    }
}

/// The work of all operations that `run` starts on this thread.
pub fn count<T>(run: impl FnOnce() -> T) -> (T, Work) {
    let outer = COUNT.replace(Some(Work::default()));
    let result = run();
    let work = COUNT.replace(outer).unwrap_or_default();
    (result, work)
}

/// An operation that begins: counted, and while somebody listens the one that launches belong to.
pub(crate) fn begin(describe: impl FnOnce() -> Operation, work: impl Fn() -> Work) {
    if let Some(sum) = COUNT.get() {
        COUNT.set(Some(sum + work()));
    }
    if is_on() {
        CURRENT.set(Operation { work: work(), ..describe() });
    }
}

/// The operation that began last on this thread.
pub(crate) fn current() -> Operation {
    CURRENT.with_borrow(Operation::clone)
}

/// Runs the operation that has begun, on the calling thread, and tells how long it took.
pub(crate) fn timed(run: impl FnOnce()) {
    if !is_on() {
        return run();
    }
    let start = Instant::now();
    run();
    let seconds = start.elapsed().as_secs_f64();
    tell(Record { operation: current(), entry: None, launch: (0, 1), seconds, clock: Clock::Processor });
}

/// The last segment of a type's name.
pub(crate) fn short_name(name: &'static str) -> &'static str {
    name.rsplit("::").next().unwrap_or(name)
}

/// `(32, 768) (768, 768) → (32, 768)`
pub(crate) fn shapes(inputs: &[&Shape], outputs: &[&Shape]) -> String {
    let list = |shapes: &[&Shape]| shapes.iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>().join(" ");
    format!("{} → {}", list(inputs), list(outputs)).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_where_it_is_asked_for() {
        let one = || begin(Operation::default, || Work::of(10.0, 3));
        one();
        let (inner, outer) = count(|| {
            one();
            count(|| {
                one();
                one();
            })
            .1
        });
        assert_eq!((inner, outer), (Work { flops: 20.0, bytes: 24.0 }, Work { flops: 10.0, bytes: 12.0 }));
    }

    #[test]
    fn names_and_shapes_read_well() {
        assert_eq!(short_name("rxlt::ops::gelu::Gelu"), "Gelu");
        let shape = Shape::from([2, 3]);
        assert_eq!(shapes(&[&shape, &shape], &[&shape]), "(2, 3) (2, 3) → (2, 3)");
        assert_eq!(shapes(&[], &[&shape]), "→ (2, 3)");
    }
}
