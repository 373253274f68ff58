//! The statistics of comparisons: exact tests, corrections, and what resampling comes to.
//!
//! The expected values in the tests are those of scipy 1.17.1 and statsmodels 0.15.0, by the calls beside them.

use crate::rng::{Purpose, Rng};
use serde::Serialize;

/// Arrangements of seeds that are counted out; where there are more, so many are drawn.
const ARRANGEMENTS: usize = 20_000;

/// The mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample (divisor n − 1); none from one value.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let center = mean(values);
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// The quantile of sorted values, with linear interpolation (Hyndman & Fan's type 7, numpy's default).
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (at - at.floor()) * (sorted[above] - sorted[below])
}

/// The middle 95 % of resampled values: the percentile interval of Efron (1979). NaN is left out.
pub fn interval(resampled: &[f64]) -> [f64; 2] {
    let mut sorted: Vec<f64> = resampled.iter().copied().filter(|value| value.is_finite()).collect();
    if sorted.is_empty() {
        return [f64::NAN; 2];
    }
    sorted.sort_by(f64::total_cmp);
    [quantile(&sorted, 0.025), quantile(&sorted, 0.975)]
}

/// The two-sided p-value that a difference is zero, from resampled differences: twice the share beyond zero, both
/// counted with one more (Davison & Hinkley, 1997, 4.2), so that it is never zero.
pub fn bootstrap_p(resampled: &[f64]) -> f64 {
    // Accuracies are kept as f32: a difference below this is rounding, zero counts for both sides, and no real one is
    // as small (a single answer among five seeds, fifteen languages and 5,010 items is 2.7e-6).
    const ZERO: f64 = 5e-7;
    let values = resampled.iter().filter(|value| value.is_finite());
    let (n, below, above) = values.fold((0, 0, 0), |(n, below, above), value| {
        (n + 1, below + usize::from(*value <= ZERO), above + usize::from(*value >= -ZERO))
    });
    (2.0 * (1 + below.min(above)) as f64 / (n + 1) as f64).min(1.0)
}

/// McNemar's exact test: `a` items that only one system has right against `b` that only the other has.
pub fn mcnemar(a: u64, b: u64) -> f64 {
    let (n, least) = (a + b, a.min(b));
    // Binomial probabilities at one half, each from the one before, as logarithms: their first may be below f64's least.
    let mut log = -(n as f64) * std::f64::consts::LN_2;
    let mut sum = 0.0;
    for k in 0..=least {
        sum += log.exp();
        log += ((n - k) as f64 / (k + 1) as f64).ln();
    }
    (2.0 * sum).min(1.0)
}

/// Holm's (1979) correction of p-values that stand for one family of tests. NaN stays, and does not count.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|i| p[*i].is_finite()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut corrected, mut least) = (vec![f64::NAN; p.len()], 0.0f64);
    for (rank, i) in order.iter().enumerate() {
        least = least.max(((order.len() - rank) as f64 * p[*i]).min(1.0));
        corrected[*i] = least;
    }
    corrected
}

/// The outcome of a permutation test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Permutation {
    /// The two-sided p-value.
    pub p: f64,
    /// How many arrangements were looked at.
    pub arrangements: usize,
    /// Whether these were all there are.
    pub exact: bool,
}

/// Whether two groups of seeds differ in their means: all ways of parting the values are counted out where they are
/// few, else drawn. None where a group has a single value, which says nothing of seeds.
pub fn permutation(a: &[f64], b: &[f64], seed: u64) -> Option<Permutation> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let values: Vec<f64> = a.iter().chain(b).copied().collect();
    let total: f64 = values.iter().sum();
    let apart = |sum: f64| (sum / a.len() as f64 - (total - sum) / b.len() as f64).abs();
    let observed = apart(a.iter().sum());
    // Sums in another order differ in their last bits, and must count as equal (scipy does the same).
    let as_far = |sum: f64| apart(sum) >= observed * (1.0 - 1e-12) - 1e-14;
    let mut sums = Vec::new();
    if choose(values.len(), a.len()) <= ARRANGEMENTS as f64 {
        subset_sums(&values, a.len(), 0.0, &mut sums);
        let hits = sums.iter().filter(|sum| as_far(**sum)).count();
        return Some(Permutation { p: hits as f64 / sums.len() as f64, arrangements: sums.len(), exact: true });
    }
    let mut rng = Rng::for_purpose(seed, Purpose::Resample, u64::from(u32::MAX));
    let mut shuffled = values.clone();
    let mut draw = || {
        rng.shuffle(&mut shuffled);
        as_far(shuffled[..a.len()].iter().sum())
    };
    let hits = (0..ARRANGEMENTS).filter(|_| draw()).count();
    Some(Permutation { p: (hits + 1) as f64 / (ARRANGEMENTS + 1) as f64, arrangements: ARRANGEMENTS, exact: false })
}

fn choose(n: usize, k: usize) -> f64 {
    (1..=k).map(|i| (n - k + i) as f64 / i as f64).product()
}

/// The sums of all subsets of `k` values.
fn subset_sums(values: &[f64], k: usize, sum: f64, sums: &mut Vec<f64>) {
    match (k, values) {
        (0, _) => sums.push(sum),
        (k, [first, rest @ ..]) if values.len() >= k => {
            subset_sums(rest, k - 1, sum + first, sums);
            subset_sums(rest, k, sum, sums);
        }
        _ => {}
    }
}

/// Intercept and slope of the line of least squares; a slope of zero where all `x` are one.
pub fn line(x: &[f64], y: &[f64]) -> [f64; 2] {
    let (mean_x, mean_y) = (mean(x), mean(y));
    let spread: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
    let joint: f64 = x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = if spread > 0.0 { joint / spread } else { 0.0 };
    [mean_y - slope * mean_x, slope]
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn mcnemar_is_the_exact_binomial_test() {
        // statsmodels.stats.contingency_tables.mcnemar([[0, a], [b, 0]], exact=True).pvalue
        for (a, b, expected) in [
            (10, 3, 0.09228515625),
            (25, 12, 0.04703102743951604),
            (0, 5, 0.0625),
            (121, 59, 4.4344492637551645e-06),
            (7, 7, 1.0),
            (700, 800, 0.010559255466711506),
            (0, 0, 1.0),
        ] {
            assert_relative_eq!(mcnemar(a, b), expected, max_relative = 1e-9);
            assert_eq!(mcnemar(a, b), mcnemar(b, a));
        }
        // Both ends of what a test set can hold: probabilities far below f64's least do not end the sum.
        assert_relative_eq!(mcnemar(2500, 2500), 1.0, max_relative = 1e-9);
        assert!(mcnemar(0, 5000) < 1e-300);
    }

    #[test]
    fn holm_corrects_a_family() {
        // statsmodels.stats.multitest.multipletests(p, method="holm")[1]
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005, 0.8, f64::NAN, 0.04]);
        let expected = [0.05, 0.12, 0.12, 0.03, 0.8, f64::NAN, 0.12];
        for (found, expected) in corrected.iter().zip(expected) {
            assert!(found.is_nan() && expected.is_nan() || (found - expected).abs() < 1e-12, "{corrected:?}");
        }
    }

    #[test]
    fn permutations_are_counted_out() {
        // scipy.stats.permutation_test((a, b), difference of means, permutation_type="independent", n_resamples=inf)
        let (a, b) = ([71.2, 70.8, 71.9, 72.4, 71.5], [70.1, 70.9, 70.4, 71.0, 69.8]);
        let found = permutation(&a, &b, 1).unwrap();
        assert_eq!((found.arrangements, found.exact), (252, true));
        assert_relative_eq!(found.p, 0.023809523809523808, max_relative = 1e-12);
        assert_relative_eq!(permutation(&[1.0, 2.0], &[3.0, 4.0, 5.0], 1).unwrap().p, 0.2, max_relative = 1e-12);
        assert_eq!(permutation(&[1.0], &[2.0, 3.0], 1), None);
        let (many, more): (Vec<f64>, Vec<f64>) =
            ((0..10).map(f64::from).collect(), (0..10).map(|i| f64::from(i) + 0.5).collect());
        let drawn = permutation(&many, &more, 1).unwrap();
        assert!(!drawn.exact && (0.6..0.8).contains(&drawn.p), "{drawn:?}"); // scipy, 200,000 drawn: 0.739
        assert_eq!(drawn, permutation(&many, &more, 1).unwrap());
    }

    #[test]
    fn quantiles_and_spread_are_numpys() {
        // numpy.percentile([3, 1, 2, 5, 4, 9, 7], [2.5, 97.5, 50]) and numpy.std(a, ddof=1)
        let [low, high] = interval(&[3.0, 1.0, 2.0, f64::NAN, 5.0, 4.0, 9.0, 7.0]);
        assert_relative_eq!(low, 1.15, max_relative = 1e-12);
        assert_relative_eq!(high, 8.7, max_relative = 1e-12);
        let spread = standard_deviation(&[71.2, 70.8, 71.9, 72.4, 71.5]).unwrap();
        assert_relative_eq!(spread, 0.6188699378706353, max_relative = 1e-9);
        assert_eq!(standard_deviation(&[1.0]), None);
        assert_eq!(bootstrap_p(&[1.0; 99]), 0.02);
        assert_eq!(bootstrap_p(&[1.0, -1.0]), 1.0);
        assert_eq!(bootstrap_p(&[1e-8; 99]), 1.0);
        assert_eq!(line(&[0.0, 1.0, 2.0], &[1.0, 3.0, 5.0]), [1.0, 2.0]);
    }
}
