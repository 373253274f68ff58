//! Results for people to read: tables, statistics, plots, and pages of them.

pub mod analysis;
pub mod changes;
pub mod contents;
pub mod crossed;
pub mod csv;
pub mod document;
mod html;
pub mod items;
pub mod languages;
pub mod latex;
mod paper;
mod plots;
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
        points if points.is_nan() => NOTHING.into(),
        points if points.abs() < 0.05 => "0.0".into(),
        points if points < 0.0 => format!("−{:.1}", -points),
        points => format!("+{points:.1}"),
    }
}

/// An interval in points, `[−0.1, +0.9]`; where it has no ends, [`NOTHING`].
pub fn range([low, high]: [f64; 2]) -> String {
    if low.is_finite() && high.is_finite() { format!("[{}, {}]", points(low), points(high)) } else { NOTHING.into() }
}

/// What stands where there is no number.
pub const NOTHING: &str = "–";

/// A p-value; near 0.05 with a digit more, so that it is seen on which side it is.
pub fn p_value(p: f64) -> String {
    match p {
        p if !p.is_finite() => NOTHING.into(),
        p if p < 0.0001 => "<0.0001".into(),
        p if p < 0.01 => format!("{p:.4}"),
        p if (0.045..0.055).contains(&p) => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

/// A short report on run folders as plain text.
pub fn summary(runs: &[PathBuf]) -> Result<String> {
    let study = runs::Study::read(runs)?;
    let analysis = analysis::analyze(&study, &analysis::Options::default())?;
    Ok(contents::brief(&analysis).to_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_show_their_side_of_a_twentieth() {
        let cases = [
            (0.5, "0.50"),
            (0.0498, "0.050"),
            (0.0542, "0.054"),
            (0.0042, "0.0042"),
            (1e-9, "<0.0001"),
            (f64::NAN, NOTHING),
        ];
        for (p, expected) in cases {
            assert_eq!(p_value(p), expected);
        }
    }
}
