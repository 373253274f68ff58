//! Intervals of ratios of sums over clusters, such as words right of all words over sentences: what stands in one
//! sentence is not independent, and counting words alone gives intervals that are too narrow. An item and its translations
//! are one cluster of a mean over languages.

use super::student::t_quantile;
use std::collections::BTreeMap;

/// The standard normal's 97.5 % quantile, for two-sided 95 % intervals.
pub const Z: f64 = 1.959_963_984_540_054;

/// A standard error below this is rounding: no share of what can be counted has one as small.
const ROUNDING: f64 = 1e-12;

/// A ratio of sums with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// `Σ part / Σ whole`; 0 where there is no whole.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The ratio of sums of parts and wholes, one of each for a cluster, between 0 and 1.
///
/// Linearized (Cochran, 1977, "Sampling techniques", 6.3): var = C / (C − 1) · Σ (part − value · whole)² / (Σ whole)².
/// The interval is Wilson's (1927) for as many independent answers as have this variance, which stays inside [0, 1], with
/// Student's t of C − 1 degrees of freedom; where clusters do not vary, there are as many answers as clusters. One cluster
/// alone says nothing: 0 to 1.
pub fn ratio(clusters: &[(f64, f64)]) -> Ratio {
    let (value, variance) = linearized(clusters);
    let Some(variance) = variance else { return Ratio { value, low: 0.0, high: 1.0 } };
    let n = clusters.len() as f64;
    let count = if variance > ROUNDING * ROUNDING { value * (1.0 - value) / variance } else { n };
    let [low, high] = wilson(value, count, t_quantile(0.05, n - 1.0));
    Ratio { value, low, high }
}

/// A ratio of sums, and its variance; none of one cluster alone, or where there is no whole.
fn linearized(clusters: &[(f64, f64)]) -> (f64, Option<f64>) {
    let whole: f64 = clusters.iter().map(|(_, whole)| whole).sum();
    let (value, n) = (share(clusters.iter().map(|(part, _)| part).sum(), whole), clusters.len() as f64);
    let squares: f64 = clusters.iter().map(|(part, whole)| (part - value * whole).powi(2)).sum();
    (value, (whole > 0.0 && n > 1.0).then(|| n / (n - 1.0) * squares / (whole * whole)))
}

/// A ratio of sums; 0 where there is nothing to divide by, as a score has it: names of which there are none, and none given.
pub fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Parts and wholes of clusters by what the clusters are called.
pub type Named<K> = BTreeMap<K, (f64, f64)>;

/// Of fewer clusters the variance is known too badly to be added to others': a few that are all right have none.
pub const FEW: usize = 30;

/// A weighted sum of ratios, such as a mean over languages, and how sure it is over the clusters that they share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sum {
    value: f64,
    error: f64,
    /// How many clusters there are.
    n: f64,
}

impl Sum {
    /// Of ratios with their weights; a cluster has the same key in each.
    ///
    /// Linearized as [`ratio`] is: with d_c = Σ_l weight_l · (part_cl − value_l · whole_cl) / Σ whole_l, the variance is
    /// C / (C − 1) · Σ d_c². Intervals take Student's t with C − 1 degrees of freedom, as reports of one seed do. A ratio of
    /// fewer clusters than [`FEW`] adds what its own interval is wider than that.
    pub fn of<K: Ord + Copy>(ratios: &[(f64, &Named<K>)]) -> Sum {
        let (mut value, mut adds, mut few) = (0.0, BTreeMap::<K, f64>::new(), Vec::new());
        for (weight, clusters) in ratios {
            let (part, whole) = clusters.values().fold((0.0, 0.0), |sum, mark| (sum.0 + mark.0, sum.1 + mark.1));
            let ratio = share(part, whole);
            value += weight * ratio;
            for (key, (part, own)) in clusters.iter() {
                *adds.entry(*key).or_default() += weight * (part - ratio * own) / whole.max(f64::MIN_POSITIVE);
            }
            if (1..FEW).contains(&clusters.len()) {
                few.push((weight, clusters.values().copied().collect::<Vec<_>>()));
            }
        }
        let n = adds.len() as f64;
        let squares: f64 = adds.values().map(|add| add * add).sum();
        let more: f64 = few.iter().map(|(weight, clusters)| *weight * *weight * unknown(clusters, n)).sum();
        Sum { value, error: (n / (n - 1.0) * squares + more).sqrt(), n }
    }

    /// The 95 % interval of what is a share: Wilson's (1927), for as many independent answers as have this variance; where
    /// all is right, or nothing, there are as many as clusters. None of a single cluster.
    pub fn interval_of_share(&self) -> Option<[f64; 2]> {
        let t = self.t()?;
        let count = if self.error > ROUNDING { self.value * (1.0 - self.value) / self.error.powi(2) } else { self.n };
        Some(wilson(self.value, count, t))
    }

    /// The 95 % interval of what is a difference of shares. None where nothing varies, which says nothing of how sure it is.
    pub fn interval_of_difference(&self) -> Option<[f64; 2]> {
        let half = self.t()? * self.error;
        (self.error > ROUNDING).then(|| [self.value - half, self.value + half].map(|end| end.clamp(-1.0, 1.0)))
    }

    fn t(&self) -> Option<f64> {
        (self.n > 1.0).then(|| t_quantile(0.05, self.n - 1.0))
    }
}

/// By how much the variance that a ratio's own interval stands for is larger than that of its few clusters, where `n`
/// clusters in all say which t goes with it.
fn unknown(clusters: &[(f64, f64)], n: f64) -> f64 {
    let (Ratio { value, low, high }, (_, variance)) = (ratio(clusters), linearized(clusters));
    let t = if n > 1.0 { t_quantile(0.05, n - 1.0) } else { Z };
    (((high - value).max(value - low) / t).powi(2) - variance.unwrap_or(0.0)).max(0.0)
}

/// Wilson's (1927) interval of a share of `count` answers, `z` standard errors either way; inside [0, 1].
pub fn wilson(value: f64, count: f64, z: f64) -> [f64; 2] {
    let center = (value + z * z / (2.0 * count)) / (1.0 + z * z / count);
    let half = z / (1.0 + z * z / count) * (value * (1.0 - value) / count + z * z / (4.0 * count * count)).sqrt();
    [(center - half).max(0.0), (center + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn clusters_of_one_are_wilsons() {
        let answers: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(u8::from(i < 80)), 1.0)).collect();
        let Ratio { value, low, high } = ratio(&answers);
        // Wilson's for 80 of 100 is 0.7112 to 0.8666; n / (n - 1) and t, by scipy.stats.t.ppf, make it a little wider.
        assert!(
            (value - 0.8).abs() < 1e-12 && (low - 0.7094604611).abs() < 1e-9 && (high - 0.8675908667).abs() < 1e-9,
            "{low} {high}"
        );
        // Clusters that are all alike say as much as there are of them, and rounding is no variation; one says nothing.
        let Ratio { low, high, .. } = ratio(&[(55.0, 75.0); 3]);
        assert!(high - low > 0.5, "{low} {high}");
        assert_eq!(ratio(&[(3.0, 5.0)]), Ratio { value: 0.6, low: 0.0, high: 1.0 });
        assert_eq!(ratio(&[]), Ratio { value: 0.0, low: 0.0, high: 1.0 });
        let Ratio { value, low, high } = ratio(&[(5.0, 5.0); 20]);
        assert!(value == 1.0 && high == 1.0 && (low - 0.8203193196).abs() < 1e-9, "{low}");
    }

    /// Sentences of ten words whose difficulty differs: the interval holds what it says, and one of words would not.
    #[test]
    fn intervals_cover_the_truth() {
        let mut rng = Rng::new(5, 0);
        let (rounds, mut inside, mut inside_by_words) = (600, 0, 0);
        for _ in 0..rounds {
            let sentence = |rng: &mut Rng| {
                let easy = if rng.uniform() < 0.5 { 0.95 } else { 0.65 };
                ((0..10).filter(|_| rng.uniform() < easy).count() as f64, 10.0)
            };
            let sentences: Vec<(f64, f64)> = (0..60).map(|_| sentence(&mut rng)).collect();
            let Ratio { low, high, .. } = ratio(&sentences);
            inside += usize::from((low..=high).contains(&0.8));
            let right: f64 = sentences.iter().map(|(right, _)| right).sum();
            let words: Vec<(f64, f64)> = (0..600).map(|i| (f64::from(u8::from(f64::from(i) < right)), 1.0)).collect();
            let Ratio { low, high, .. } = ratio(&words);
            inside_by_words += usize::from((low..=high).contains(&0.8));
        }
        let share = |n: usize| n as f64 / f64::from(rounds);
        // Of 600 rounds 95 % come within ± 2.7 points (three deviations).
        assert!((share(inside) - 0.95).abs() < 0.027, "{}", share(inside));
        assert!(share(inside_by_words) < 0.92, "{}", share(inside_by_words));
    }

    /// A language of a few items beside one of many: with one or five of them the gap's interval would hold the truth in none
    /// and in 65 % if their variance were taken as it comes.
    #[test]
    fn a_few_items_are_not_taken_for_sure() {
        let mut rng = Rng::new(8, 0);
        for few in [1, 2, 5, 10, 29] {
            let (rounds, mut inside) = (400, 0);
            for _ in 0..rounds {
                let mut language = |from: usize, n: usize, p: f32| -> Named<usize> {
                    (from..from + n).map(|item| (item, (f64::from(u8::from(rng.uniform() < p)), 1.0))).collect()
                };
                let (few, many) = (language(0, few, 0.8), language(1000, 200, 0.5));
                let ends = Sum::of(&[(1.0, &few), (-1.0, &many)]).interval_of_difference();
                inside += usize::from(ends.is_some_and(|[low, high]| (low..=high).contains(&0.3)));
            }
            let share = f64::from(inside as u32) / f64::from(rounds);
            // Of 400 rounds 95 % come within 3.3 points (three deviations); to hold more often is no fault.
            assert!(share > 0.917, "{few}: {share}");
        }
    }

    /// Items that are hard in all three languages, or easy in all: what is said of a mean over these, and of a difference,
    /// holds, and would not if translations were independent.
    #[test]
    fn intervals_of_means_cover_the_truth() {
        let mut rng = Rng::new(6, 0);
        let (rounds, mut inside, mut inside_apart, mut inside_gap) = (600, 0, 0, 0);
        let more = [0.1, 0.0, -0.1]; // what a language has beside its item
        for _ in 0..rounds {
            let mut languages = [const { BTreeMap::new() }; 3];
            for item in 0..120 {
                let easy = if rng.uniform() < 0.5 { 0.85 } else { 0.25 };
                for (language, more) in languages.iter_mut().zip(more) {
                    language.insert(item, (f64::from(u8::from(rng.uniform() < easy + more)), 1.0));
                }
            }
            let third = 1.0 / 3.0;
            let mean: Vec<_> = languages.iter().map(|language| (third, language)).collect();
            let holds =
                |ends: Option<[f64; 2]>, truth: f64| ends.is_some_and(|[low, high]| low <= truth && truth <= high);
            inside += usize::from(holds(Sum::of(&mean).interval_of_share(), 0.55));
            let gap = [(1.0, &languages[0]), (-0.5, &languages[1]), (-0.5, &languages[2])];
            inside_gap += usize::from(holds(Sum::of(&gap).interval_of_difference(), 0.15));
            let apart: Vec<BTreeMap<_, _>> = (0..3)
                .map(|place| languages[place].iter().map(|(item, mark)| ((place, *item), *mark)).collect())
                .collect();
            let apart: Vec<_> = apart.iter().map(|language| (third, language)).collect();
            inside_apart += usize::from(holds(Sum::of(&apart).interval_of_share(), 0.55));
        }
        let share = |n: usize| n as f64 / f64::from(rounds);
        // Of 600 rounds 95 % come within ± 2.7 points (three deviations).
        for found in [inside, inside_gap] {
            assert!((share(found) - 0.95).abs() < 0.027, "{}", share(found));
        }
        assert!(share(inside_apart) < 0.9, "{}", share(inside_apart));
    }
}
