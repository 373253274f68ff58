//! How gains go with distance from the source.

use serde::Serialize;
use std::collections::BTreeMap;

use super::{LanguageFacts, Measured, MethodAnalysis};
use crate::{
    metrics::correlation::spearman_of_sums,
    report::statistics::{Permutation, band, holm, interval_of_spearman, line, mean, permutation_of_pairs},
};

/// Spearman's correlation of gain and distance.
#[derive(Debug, Clone, Serialize)]
pub struct Correlation {
    /// The coefficient.
    pub rho: f64,
    /// Lower end of its 95 % interval, over languages; NaN of fewer than four.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// Whether the languages' gains in any other order go with distance as much, if languages are independent.
    pub permutation: Option<Permutation>,
    /// The same of means over branches, for relatives move together.
    pub of_branches: Option<Permutation>,
    /// How many branches.
    pub branches: usize,
    /// The p-value of branches after Holm's correction over the methods.
    pub p_holm: Option<f64>,
    /// How many languages.
    pub languages: usize,
    /// Intercept and slope of the line of least squares.
    pub line: [f64; 2],
    /// Distance, and the 95 % interval of the line there.
    pub band: Vec<[f64; 3]>,
}

/// Of fewer languages no order says anything: three have six, and no interval.
const FEWEST: usize = 4;

/// How the gains in languages other than the source go with distance; none where distances are too few or all one.
pub(super) fn correlation(
    facts: &[LanguageFacts],
    source: &str,
    measured: &[Measured],
    seed: u64,
) -> Option<Correlation> {
    let is_far = |i: &usize| facts[*i].code != source && facts[*i].distance.is_some();
    let columns: Vec<usize> = (0..facts.len()).filter(is_far).collect();
    let x: Vec<f64> = columns.iter().filter_map(|i| facts[*i].distance).collect();
    let y: Vec<f64> = columns.iter().filter_map(|i| Some(measured[*i].gain.as_ref()?.value)).collect();
    if columns.len() < FEWEST || x.iter().all(|distance| *distance == x[0]) {
        return None;
    }
    let rho = spearman_of_sums(&x, &y);
    let [low, high] = interval_of_spearman(rho, x.len());
    let permutation = permutation_of_pairs(&x, &y, spearman_of_sums, seed);
    let mut branches: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, i) in columns.iter().enumerate() {
        branches.entry(&facts[*i].branch).or_default().push(place);
    }
    let of_branch = |of: &[f64], places: &Vec<usize>| mean(&places.iter().map(|place| of[*place]).collect::<Vec<_>>());
    let [far, gained] = [&x, &y].map(|of| branches.values().map(|own| of_branch(of, own)).collect::<Vec<f64>>());
    let of_branches = match branches.len() {
        0..3 => None,
        _ => permutation_of_pairs(&far, &gained, spearman_of_sums, seed),
    };
    Some(Correlation {
        rho,
        low,
        high,
        permutation,
        of_branches,
        branches: branches.len(),
        p_holm: of_branches.map(|permutation| permutation.p),
        languages: columns.len(),
        line: line(&x, &y),
        band: band_of(&x, &y),
    })
}

/// The 95 % interval of the line of least squares, from one end of the distances to the other.
fn band_of(x: &[f64], y: &[f64]) -> Vec<[f64; 3]> {
    const POINTS: usize = 21;
    let (least, most) = (x.iter().copied().fold(f64::INFINITY, f64::min), x.iter().copied().fold(f64::MIN, f64::max));
    let at: Vec<f64> = (0..POINTS).map(|i| least + (most - least) * i as f64 / (POINTS - 1) as f64).collect();
    let [intercept, slope] = line(x, y);
    let point = |(at, half): (&f64, f64)| [*at, intercept + slope * at - half, intercept + slope * at + half];
    at.iter().zip(band(x, y, &at)).map(point).collect()
}

/// Holm's correction of the correlations with distance, over all methods.
pub(super) fn correct_correlations(methods: &mut [MethodAnalysis]) {
    let correlations = methods.iter_mut().filter_map(|method| method.correlation.as_mut());
    let mut p: Vec<&mut f64> = correlations.filter_map(|correlation| correlation.p_holm.as_mut()).collect();
    let corrected = holm(&p.iter().map(|p| **p).collect::<Vec<f64>>());
    for (p, corrected) in p.iter_mut().zip(corrected) {
        **p = corrected;
    }
}
