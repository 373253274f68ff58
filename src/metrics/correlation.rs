//! Correlations: Pearson's, and Spearman's of ranks; NaN where a side is constant, which says nothing.

/// Pearson's correlation.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let product = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum()
    };
    let spread = (product(x, mean_x, x, mean_x) * product(y, mean_y, y, mean_y)).sqrt();
    (product(x, mean_x, y, mean_y) / spread).clamp(-1.0, 1.0)
}

/// Spearman's: Pearson's of the ranks.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    pearson(&ranks(x, 0.0), &ranks(y, 0.0))
}

/// The same of means and their differences, which come of sums that were rounded.
pub fn spearman_of_sums(x: &[f64], y: &[f64]) -> f64 {
    pearson(&ranks(x, ROUNDING), &ranks(y, ROUNDING))
}

/// Sums closer than this part of the largest are one.
const ROUNDING: f64 = 1e-12;

/// Ranks from 1, ties sharing their mean; values closer than this part of the largest are ties.
fn ranks(values: &[f64], rounding: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let near = rounding * values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let (mut ranks, mut start) = (vec![0.0; values.len()], 0);
    for run in order.chunk_by(|a, b| (values[*a] - values[*b]).abs() <= near) {
        let shared = start as f64 + (run.len() + 1) as f64 / 2.0;
        run.iter().for_each(|i| ranks[*i] = shared);
        start += run.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn correlations_are_scipys() {
        // scipy.stats.pearsonr and spearmanr of these
        let (x, y) = ([1.0, 2.0, 2.0, 5.0, 4.0], [2.0, 1.0, 3.0, 5.0, 5.0]);
        assert!((pearson(&x, &y) - 0.867_528).abs() < 1e-6, "{}", pearson(&x, &y));
        assert_eq!(ranks(&x, 0.0), [1.0, 2.5, 2.5, 5.0, 4.0]);
        assert!((spearman(&x, &y) - 0.789_474).abs() < 1e-6, "{}", spearman(&x, &y));
        assert!(pearson(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
    }

    /// 0.1 + 0.2 and 0.3 differ in their last bit, and are the same gain.
    #[test]
    fn ties_survive_rounding() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [0.1 + 0.2, 0.3, 0.7, 0.1]);
        assert_ne!(y[0], y[1]);
        assert_eq!(ranks(&y, ROUNDING), [2.5, 2.5, 4.0, 1.0]);
        assert_eq!(ranks(&[0.0, 1e-11, -1.0], ROUNDING), [2.0, 3.0, 1.0]);
        assert_eq!(spearman_of_sums(&x, &y), spearman(&x, &[0.3, 0.3, 0.7, 0.1]));
    }

    /// A number of users' own is what it is, however large another.
    #[test]
    fn numbers_far_apart_are_told_apart() {
        let (x, y) = ([3e12, 1.0, 2.0, 3.0, 4.0, 5.0], [9.0, 5.0, 4.0, 3.0, 2.0, 1.5]);
        // scipy.stats.spearmanr(x, y)
        assert_relative_eq!(spearman(&x, &y), -0.142_857_142_857_142_88, max_relative = 1e-12);
    }

    #[test]
    fn spearman_shares_ranks_among_equals() {
        let x = [0.1, 0.4, 0.4, 0.7, 0.9, 0.3, 0.6];
        let y = [0.2, 1.5, 0.9, 1.1, 2.0, 0.2, 0.2];
        // scipy.stats.spearmanr(x, y)
        assert_relative_eq!(spearman(&x, &y), 0.6731618328060892, max_relative = 1e-12);
        assert!(spearman(&x, &[1.0; 7]).is_nan());
    }
}
