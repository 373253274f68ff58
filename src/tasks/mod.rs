//! Tasks.

pub mod demo;
