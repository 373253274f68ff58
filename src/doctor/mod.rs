//! `rxlt doctor`: whether a device computes what it should, and how fast, told by the program itself.
//!
//! An examination is a list of groups; each makes checks, one after the other, on a [`Subject`] and writes down what it
//! finds in [`Findings`].

mod device;
mod encoder_cases;
mod findings;
pub mod models;
pub mod operations;
mod robustness;
mod speed;
mod subject;
mod training;

pub use device::described;
pub use findings::{Finding, Findings, Seen, Verdict};
pub use subject::{Effort, Subject};

use crate::error::Result;

/// Checks that belong together.
pub struct Group {
    /// What it is called: the first word of its lines.
    pub name: &'static str,
    /// Makes its checks.
    pub run: fn(&Subject, &mut Findings) -> Result<()>,
}

/// All groups, in the order in which they run: what the later ones trust is checked by the earlier.
pub const GROUPS: &[Group] =
    &[device::GROUP, operations::GROUP, models::GROUP, training::GROUP, robustness::GROUP, speed::GROUP];
