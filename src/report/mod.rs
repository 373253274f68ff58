//! Results for people to read: tables, statistics, plots, and pages of them.

pub mod analysis;
pub mod changes;
pub mod contents;
pub mod crossed;
pub mod csv;
pub mod document;
mod html;
pub mod languages;
pub mod latex;
mod paper;
mod plots;
mod resample;
pub mod results;
pub mod runs;
pub mod shortcuts;
pub mod statistics;
mod table;

pub use table::{Column, Table};

use crate::error::Result;
use std::path::PathBuf;

/// A share as a percentage with one decimal, such as `71.4`.
pub fn percent(share: f64) -> String {
    let text = format!("{:.1}", 100.0 * share);
    if text == "-0.0" { "0.0".to_owned() } else { text }
}

/// A difference of shares in points, with its sign, such as `+1.2`; a minus is a minus, not a hyphen.
pub fn points(difference: f64) -> String {
    match 100.0 * difference {
        points if points.abs() < 0.05 => "0.0".into(),
        points if points < 0.0 => format!("−{:.1}", -points),
        points => format!("+{points:.1}"),
    }
}

/// A short report on run folders as plain text.
pub fn summary(runs: &[PathBuf]) -> Result<String> {
    let study = runs::Study::read(runs)?;
    let analysis = analysis::analyze(&study, &analysis::Options::default())?;
    Ok(contents::brief(&analysis).to_text())
}
