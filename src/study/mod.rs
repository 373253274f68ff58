//! Studies: one question, the runs that answer it, and the page that says what came out.
//!
//! A study is a file. It names *arms*, which are what an encoder learns before a target task (nothing, one task, or
//! several at once), and targets; each target is learned and measured after each arm, by each method, with each seed.
//! Where arms are drawn from a pool in several sizes, the answer is how scores go with the number of tasks ([`slope`]);
//! else it is what each arm gains over none ([`answer`]).

pub mod answer;
pub mod arms;
pub mod design;
pub mod kept;
pub mod languages;
pub mod page;
pub mod slope;

pub use arms::Arm;
pub use design::{Cell, Design, Intermediate, SHIPPED, find};
