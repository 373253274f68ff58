//! One metric a file: pure functions of answers, most of them through counts that can be summed.

pub mod answers;
pub mod chunks;
pub mod clusters;
pub mod correlation;
pub mod labels;
pub mod pairs;
pub mod ranking;
pub mod student;
mod sums;
mod unicode;

pub use sums::{mean, numpy_mean};
pub use unicode::is_space;

use std::ops::{Add, AddAssign};

/// What was right among what was given and what was wanted; the marks of parts add up to those of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// How many of the given are among the wanted.
    pub right: usize,
    /// How many a prediction gave.
    pub given: usize,
    /// How many the gold has.
    pub wanted: usize,
}

impl Marks {
    /// `right / wanted`: accuracy, where each item has one answer.
    pub fn accuracy(self) -> f64 {
        ratio(self.right, self.wanted)
    }

    /// `right / given`, 0 where nothing was given.
    pub fn precision(self) -> f64 {
        ratio(self.right, self.given)
    }

    /// `right / wanted`, 0 where nothing was wanted.
    pub fn recall(self) -> f64 {
        ratio(self.right, self.wanted)
    }

    /// `2 · right / (given + wanted)`, 0 where both are empty.
    ///
    /// It is computed from precision and recall rather than from the counts, as all of the official scripts do, because
    /// the two differ in the last digit.
    pub fn f1(self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if self.right == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
    }
}

impl Add for Marks {
    type Output = Marks;

    fn add(self, other: Marks) -> Marks {
        Marks { right: self.right + other.right, given: self.given + other.given, wanted: self.wanted + other.wanted }
    }
}

impl AddAssign for Marks {
    fn add_assign(&mut self, other: Marks) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Marks {
    fn sum<I: Iterator<Item = Marks>>(parts: I) -> Marks {
        parts.fold(Marks::default(), Add::add)
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_add_up() {
        let parts = [(1, 2, 3), (0, 1, 0), (2, 2, 2)].map(|(right, given, wanted)| Marks { right, given, wanted });
        let whole: Marks = parts.into_iter().sum();
        assert_eq!(whole, Marks { right: 3, given: 5, wanted: 5 });
        assert_eq!((whole.accuracy(), whole.precision(), whole.recall()), (0.6, 0.6, 0.6));
        assert_eq!(whole.f1(), 2.0 * 0.6 * 0.6 / (0.6 + 0.6));
    }

    #[test]
    fn nothing_scores_nothing_and_everything_one() {
        assert_eq!((Marks::default().f1(), Marks::default().accuracy()), (0.0, 0.0));
        for n in 1..50 {
            assert_eq!(Marks { right: n, given: n, wanted: n }.f1(), 1.0);
        }
    }
}
