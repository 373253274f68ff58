//! Results for people to read: tables in plain text and Markdown.

pub mod results;
mod table;

pub use table::{Column, Table};

/// A share as a percentage with one decimal, such as `71.4`.
pub fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}
