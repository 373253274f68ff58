//! What is wrong with settings, gathered so that all of it is said at once.

use std::fmt::Display;

/// What is wrong, by key.
#[derive(Default)]
pub struct Problems(Vec<(String, String)>);

impl Problems {
    /// Refuses a number that is not above 0 where it is computed with.
    pub fn positive(&mut self, key: &str, value: f64) {
        self.unless(is_positive(value), key, ABOVE, &value);
    }

    /// Refuses what is not as expected.
    pub fn unless(&mut self, fine: bool, key: &str, expected: &str, found: &dyn Display) {
        if !fine {
            self.0.push((key.to_owned(), format!("expected {expected}, found {found}")));
        }
    }

    /// Refuses what is wrong, in these words.
    pub fn say(&mut self, wrong: bool, key: &str, message: impl Into<String>) {
        if wrong {
            self.0.push((key.to_owned(), message.into()));
        }
    }

    /// Each with its key.
    pub fn iter(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter()
    }
}

/// What [`is_positive`] expects.
pub const ABOVE: &str = "a number above 0 that f32 can hold";

/// Whether a number is above 0 where it is computed with, in f32: 1e-50 is 0 there, and 1e39 infinite.
pub fn is_positive(value: f64) -> bool {
    (value as f32).is_finite() && value as f32 > 0.0
}
