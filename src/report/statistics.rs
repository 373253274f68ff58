//! The statistics of comparisons: exact tests and those by permutation, corrections, correlations and lines.
//!
//! The expected values in the tests are those of scipy 1.17.1 and statsmodels 0.15.0, by the calls beside them.

use crate::{
    metrics::{clusters::Z, student::t_quantile},
    rng::{Purpose, Rng},
};
use serde::Serialize;

/// Arrangements that are counted out where there are no more; else so many are drawn at first.
const ARRANGEMENTS: usize = 20_000;

/// Arrangements that are drawn at most, where p is near [`LEVEL`].
const MOST_ARRANGEMENTS: usize = 2_000_000;

/// The level that tests are read at.
pub const LEVEL: f64 = 0.05;

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

/// The 95 % interval of Spearman's correlation of `n` pairs: Fisher's z with the standard error √((1 + ρ²/2) / (n − 3))
/// (Bonett & Wright, 2000). NaN where there are fewer than four, or all are in one order.
pub fn interval_of_spearman(rho: f64, n: usize) -> [f64; 2] {
    if n < 4 || rho.abs() >= 1.0 {
        return [f64::NAN; 2];
    }
    let half = Z * ((1.0 + rho * rho / 2.0) / (n as f64 - 3.0)).sqrt();
    [-half, half].map(|way| (rho.atanh() + way).tanh())
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

impl Permutation {
    /// Whether no arrangement that was drawn is as extreme: p is at most what is said.
    pub fn is_floor(&self) -> bool {
        !self.exact && self.p * (self.arrangements + 1) as f64 <= 1.5
    }

    /// The p of `hits` among drawn arrangements, that of the data counted with them (Davison & Hinkley, 1997, 4.2).
    fn drawn(hits: usize, arrangements: usize) -> Permutation {
        Permutation { p: (hits + 1) as f64 / (arrangements + 1) as f64, arrangements, exact: false }
    }

    /// Whether chance in the drawing could bring p to the other side of [`LEVEL`]: within three standard errors.
    fn is_near_level(&self) -> bool {
        let error = (LEVEL * (1.0 - LEVEL) / self.arrangements as f64).sqrt();
        (self.p - LEVEL).abs() < 3.0 * error
    }
}

/// Draws arrangements, ten times as many while p is too near [`LEVEL`] to tell on which side it lies.
fn drawn(mut is_as_far: impl FnMut() -> bool) -> Permutation {
    let (mut hits, mut n) = (0, 0);
    loop {
        let next = if n == 0 { ARRANGEMENTS } else { 9 * n };
        hits += (0..next).filter(|_| is_as_far()).count();
        n += next;
        let found = Permutation::drawn(hits, n);
        if !found.is_near_level() || 10 * n > MOST_ARRANGEMENTS {
            return found;
        }
    }
}

/// Whether a statistic is as far out as that observed. Sums in another order differ in their last bits, and must count
/// as equal (scipy does the same).
fn as_far(statistic: f64, observed: f64) -> bool {
    statistic.abs() >= observed.abs() * (1.0 - 1e-12) - 1e-14
}

/// Whether two groups of seeds differ in their means: all ways of parting the values are counted out where they are
/// few, else drawn. None where a group has a single value, which says nothing of seeds.
pub fn permutation(a: &[f64], b: &[f64], seed: u64) -> Option<Permutation> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let values: Vec<f64> = a.iter().chain(b).copied().collect();
    let total: f64 = values.iter().sum();
    let apart = |sum: f64| sum / a.len() as f64 - (total - sum) / b.len() as f64;
    let observed = apart(a.iter().sum());
    if choose(values.len(), a.len()) <= ARRANGEMENTS as f64 {
        let mut sums = Vec::new();
        subset_sums(&values, a.len(), 0.0, &mut sums);
        let hits = sums.iter().filter(|sum| as_far(apart(**sum), observed)).count();
        return Some(Permutation { p: hits as f64 / sums.len() as f64, arrangements: sums.len(), exact: true });
    }
    let mut rng = Rng::for_purpose(seed, Purpose::Resample, u64::from(u32::MAX));
    let mut shuffled = values.clone();
    Some(drawn(|| {
        rng.shuffle(&mut shuffled);
        as_far(apart(shuffled[..a.len()].iter().sum()), observed)
    }))
}

/// Whether two sequences go together by `statistic`, such as a correlation: all orders of the second are counted out
/// where they are few, else drawn. None where the statistic is not finite.
pub fn permutation_of_pairs(
    x: &[f64],
    y: &[f64],
    statistic: impl Fn(&[f64], &[f64]) -> f64,
    seed: u64,
) -> Option<Permutation> {
    let observed = statistic(x, y);
    if !observed.is_finite() {
        return None;
    }
    let orders: f64 = (1..=y.len()).map(|n| n as f64).product();
    let mut own = y.to_vec();
    if orders <= ARRANGEMENTS as f64 {
        let (mut hits, mut n) = (0, 0);
        every_order(&mut own, 0, &mut |order| {
            n += 1;
            hits += usize::from(as_far(statistic(x, order), observed));
        });
        return Some(Permutation { p: hits as f64 / n as f64, arrangements: n, exact: true });
    }
    let mut rng = Rng::for_purpose(seed, Purpose::Resample, u64::from(u32::MAX) - 1);
    Some(drawn(|| {
        rng.shuffle(&mut own);
        as_far(statistic(x, &own), observed)
    }))
}

/// Calls `see` with every order of the values from a place on.
fn every_order(values: &mut [f64], from: usize, see: &mut impl FnMut(&[f64])) {
    if from == values.len() {
        return see(values);
    }
    for other in from..values.len() {
        values.swap(from, other);
        every_order(values, from + 1, see);
        values.swap(from, other);
    }
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

/// Half the width of the 95 % interval of the line of least squares at these places: t with n − 2 degrees of freedom times
/// s · √(1/n + (at − mean)² / Σ (x − mean)²). NaN of fewer than three points.
pub fn band(x: &[f64], y: &[f64], at: &[f64]) -> Vec<f64> {
    let (n, center, [intercept, slope]) = (x.len() as f64, mean(x), line(x, y));
    let spread: f64 = x.iter().map(|x| (x - center).powi(2)).sum();
    let left: f64 = x.iter().zip(y).map(|(x, y)| (y - intercept - slope * x).powi(2)).sum();
    if x.len() < 3 || spread <= 0.0 {
        return vec![f64::NAN; at.len()];
    }
    let (t, deviation) = (t_quantile(LEVEL, n - 2.0), (left / (n - 2.0)).sqrt());
    at.iter().map(|at| t * deviation * (1.0 / n + (at - center).powi(2) / spread).sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;
    use crate::metrics::correlation::spearman;

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
    fn orders_are_counted_out_or_drawn() {
        // scipy.stats.permutation_test((y,), lambda y: spearmanr(x, y)[0], permutation_type="pairings", n_resamples=inf)
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.3, 0.1, 0.5, 0.4, 0.9, 0.7]);
        let found = permutation_of_pairs(&x, &y, spearman, 1).unwrap();
        assert_eq!((found.arrangements, found.exact), (720, true));
        assert_relative_eq!(found.p, PAIRINGS_P, max_relative = 1e-12);
        let far: Vec<f64> = (0..12).map(f64::from).collect();
        let found = permutation_of_pairs(&far, &far, spearman, 1).unwrap();
        assert!(!found.exact && found.is_floor() && found.p < 1e-4, "{found:?}");
        assert!(permutation_of_pairs(&x, &[1.0; 6], spearman, 1).is_none());
    }
    const PAIRINGS_P: f64 = 0.058333333333333334;

    /// Where p is near the level, more are drawn, until the side is clear or enough is enough.
    #[test]
    fn near_the_level_more_is_drawn() {
        for (share, least) in [(0.5, ARRANGEMENTS), (0.05, MOST_ARRANGEMENTS), (0.051, 10 * ARRANGEMENTS)] {
            let mut rng = Rng::new(3, 0);
            let found = drawn(|| f64::from(rng.uniform()) < share);
            assert!(found.arrangements >= least && found.arrangements <= MOST_ARRANGEMENTS, "{found:?}");
            assert!((found.p - share).abs() < 4.0 * (share * (1.0 - share) / found.arrangements as f64).sqrt());
        }
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

    /// Twenty languages without a trend: the interval holds 0 as often as it says, and ends there where p is 0.05.
    #[test]
    fn intervals_of_correlations_hold() {
        let mut rng = Rng::new(9, 0);
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let (rounds, mut inside) = (2000, 0);
        for _ in 0..rounds {
            let y: Vec<f64> = x.iter().map(|_| f64::from(rng.gaussian())).collect();
            let [low, high] = interval_of_spearman(spearman(&x, &y), 20);
            inside += usize::from((low..=high).contains(&0.0));
        }
        let share = inside as f64 / f64::from(rounds);
        assert!((share - 0.95).abs() < 0.015, "{share}"); // three deviations
        assert!(interval_of_spearman(0.5, 3).iter().chain(&interval_of_spearman(1.0, 9)).all(|end| end.is_nan()));
    }

    #[test]
    fn bands_are_those_of_least_squares() {
        let (x, y) = ([0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 5.0, 4.0]);
        let half = band(&x, &y, &[0.0, 2.0]);
        // s² = 3.6 / 3, t = scipy.stats.t.ppf(0.975, 3) = 3.182446305284263; √(1/5 + 4/10) and √(1/5)
        let t = 3.182446305284263 * 1.2f64.sqrt();
        assert_relative_eq!(half[0], t * 0.6f64.sqrt(), max_relative = 1e-9);
        assert_relative_eq!(half[1], t * 0.2f64.sqrt(), max_relative = 1e-9);
    }

    #[test]
    fn quantiles_and_spread_are_numpys() {
        // numpy.percentile([3, 1, 2, 5, 4, 9, 7], [2.5, 97.5]) and numpy.std(a, ddof=1)
        let sorted = [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 9.0];
        assert_relative_eq!(quantile(&sorted, 0.025), 1.15, max_relative = 1e-12);
        assert_relative_eq!(quantile(&sorted, 0.975), 8.7, max_relative = 1e-12);
        let spread = standard_deviation(&[71.2, 70.8, 71.9, 72.4, 71.5]).unwrap();
        assert_relative_eq!(spread, 0.6188699378706353, max_relative = 1e-9);
        assert_eq!(standard_deviation(&[1.0]), None);
        assert_eq!(line(&[0.0, 1.0, 2.0], &[1.0, 3.0, 5.0]), [1.0, 2.0]);
    }
}
