//! Predictions of a model: class probabilities, and votes under noise.

use super::Voting;
use crate::{
    error::Result,
    kinds::{
        Rows,
        item::{Item, cut, pack},
        largest, sigmoids, softmax,
    },
    learn::methods::RsRp,
    models::{Batch, Model, Outputs, Place, Words},
    nn::Pass,
    ops::Distribution,
    rng::Draw,
    stop::Stop,
    tensor::{Tensor, without_graph},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The logits of the rows that each item reads, in the order of the items.
///
/// [`Error::Stopped`](crate::error::Error::Stopped) between two batches once that was asked for.
pub fn outputs(model: &Model, items: &[Item], tokens: usize, stop: &Stop) -> Result<Vec<Rows>> {
    by_batches(items, tokens, stop, |_, batch, items| {
        let activations = model.activations(Place::Word, batch, Words::Table, Pass::evaluation());
        let logits = model.logits_from(Place::Word, &activations, batch, Pass::evaluation());
        let mut rows = rows_of(&logits);
        items.iter().map(|item| rows.by_ref().take(item.rows.len()).collect()).collect()
    })
}

/// What a classifier's logits come to: the probability of each label, by what the labels are.
pub fn probabilities(model: &Model, items: &[Item], tokens: usize, stop: &Stop) -> Result<Vec<Vec<f32>>> {
    let probabilities = match model.outputs() {
        Outputs::Exclusive => softmax,
        Outputs::Independent => sigmoids,
    };
    Ok(outputs(model, items, tokens, stop)?.iter().map(|rows| probabilities(&rows[0])).collect())
}

/// The outcome of votes under noise (Cohen et al., 2019).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// The share of votes of each label.
    pub shares: Vec<f32>,
    /// The L2 radius around the activations within which the majority cannot change, with the confidence asked for;
    /// none where the majority is too thin, or the noise is not Gaussian.
    pub radius: Option<f64>,
}

/// Lets noisy copies of each item vote, on each of the rows that it reads.
pub fn votes(model: &Model, items: &[Item], tokens: usize, voting: &Voting, stop: &Stop) -> Result<Vec<Vec<Vote>>> {
    let Voting { noise, samples, confidence, seed } = voting;
    let classes = |batch: &Batch, number: u32, sample: u32| {
        let activations = model.activations(noise.at, batch, Words::Table, Pass::evaluation());
        let draw = Draw { seed: *seed, step: sample, stream: 1 << 31 | number }; // training's streams lie below
        let noisy = noise.perturbed(&activations, draw);
        let logits = model.logits_from(noise.at, &noisy, batch, Pass::evaluation());
        (rows_of(&logits).map(|row| largest(&row)).collect::<Vec<usize>>(), logits.shape().columns())
    };
    by_batches(items, tokens, stop, |number, batch, items| {
        let mut counts: Vec<Vec<u32>> = Vec::new();
        for sample in 0..*samples {
            let (classes, n_labels) = classes(batch, number as u32, sample);
            counts.resize_with(classes.len(), || vec![0; n_labels]);
            counts.iter_mut().zip(classes).for_each(|(counts, class)| counts[class] += 1);
        }
        let mut votes = counts.iter().map(|counts| vote(counts, noise, *confidence));
        items.iter().map(|item| votes.by_ref().take(item.rows.len()).collect()).collect()
    })
}

fn vote(counts: &[u32], noise: &RsRp, confidence: f64) -> Vote {
    let samples: u32 = counts.iter().sum();
    let most = counts.iter().copied().max().unwrap_or(0);
    let lower = lower_bound(most, samples, 1.0 - confidence);
    let certified = noise.distribution == Distribution::Gaussian && lower > 0.5;
    let radius = certified.then(|| f64::from(noise.scale as f32) * normal_quantile(lower));
    Vote { shares: counts.iter().map(|count| *count as f32 / samples.max(1) as f32).collect(), radius }
}

/// The one-sided lower confidence bound of Clopper & Pearson (1934) for `hits` of `n`.
pub fn lower_bound(hits: u32, n: u32, alpha: f64) -> f64 {
    if hits == 0 {
        return 0.0;
    }
    let log_choose = |k: u32| (1..=k).map(|i| (f64::from(n - k + i) / f64::from(i)).ln()).sum::<f64>();
    let choose: Vec<f64> = (hits..=n).map(log_choose).collect();
    let at_least = |p: f64| -> f64 {
        (hits..=n)
            .zip(&choose)
            .map(|(k, c)| (c + f64::from(k) * p.ln() + f64::from(n - k) * (1.0 - p).ln()).exp())
            .sum()
    };
    bisect(|p| at_least(p) < alpha)
}

/// The point below which a standard normal number lies with probability `p`.
pub fn normal_quantile(p: f64) -> f64 {
    let cdf = |x: f64| {
        // Simpson's rule on the density from 0; exact far beyond what a confidence bound needs.
        let n = 2000;
        let h = x / f64::from(n);
        let density = |i: i32| (-0.5 * (f64::from(i) * h).powi(2)).exp();
        let inner: f64 = (1..n).map(|i| density(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        0.5 + (density(0) + inner + density(n)) * h / 3.0 / std::f64::consts::TAU.sqrt()
    };
    16.0 * bisect(|x| cdf(16.0 * x - 8.0) < p) - 8.0
}

/// The point of [0, 1] up to which `low` holds.
fn bisect(low: impl Fn(f64) -> bool) -> f64 {
    let (mut from, mut to) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (from + to);
        if low(middle) { from = middle } else { to = middle }
    }
    from
}

/// The most tokens that are measured at once, however large micro-batches may be: more make nothing faster, and a test set
/// has no end that a stage could foresee.
pub(super) const MOST_TOKENS: usize = 1 << 16;

/// Runs batches of items of like length, of at most [`MOST_TOKENS`], each with its number, and puts what comes out back into
/// the order of the items. Ranks take turns, and each has all that comes out.
pub(super) fn by_batches<T: Serialize + DeserializeOwned>(
    items: &[Item],
    tokens: usize,
    stop: &Stop,
    mut run: impl FnMut(usize, &Batch, &[Item]) -> Vec<T>,
) -> Result<Vec<T>> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(items[*i].ids.len()), *i));
    let sorted: Vec<Item> = order.iter().map(|i| items[*i].clone()).collect();
    let (ranks, parts) = (stop.ranks(), cut(&sorted, tokens.min(MOST_TOKENS)));
    let mut own = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        if number.is_multiple_of(ranks.count()) {
            stop.check("in the middle of an evaluation")?;
        }
        if ranks.has(number) {
            own.push(without_graph(|| run(number, &pack(part), part)));
        }
    }
    let mut all: Vec<_> = ranks.shared(own).into_iter().map(Vec::into_iter).collect();
    let sorted = (0..parts.len()).flat_map(|number| all[number % ranks.count()].next().expect("each has its turns"));
    let mut results: Vec<Option<T>> = items.iter().map(|_| None).collect();
    order.into_iter().zip(sorted).for_each(|(place, result)| results[place] = Some(result));
    Ok(results.into_iter().flatten().collect())
}

/// The rows of a matrix, on the host.
pub(super) fn rows_of(matrix: &Tensor) -> impl Iterator<Item = Vec<f32>> {
    let (values, columns) = (matrix.to_vec(), matrix.shape().columns());
    (0..matrix.shape().rows()).map(move |i| values[i * columns..(i + 1) * columns].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_quantiles_are_those_of_the_tables() {
        // scipy.stats.beta.ppf(alpha, k, n - k + 1) and scipy.stats.norm.ppf(p)
        for (hits, n, alpha, expected) in
            [(9, 10, 0.05, 0.605_837_6), (100, 100, 0.001, 0.933_254_3), (1, 2, 0.1, 0.051_316_7)]
        {
            assert!(
                (lower_bound(hits, n, alpha) - expected).abs() < 1e-6,
                "{hits}/{n}: {}",
                lower_bound(hits, n, alpha)
            );
        }
        for (p, expected) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.933_254_3, 1.500_475)] {
            assert!((normal_quantile(p) - expected).abs() < 1e-5, "{p}: {}", normal_quantile(p));
        }
        assert_eq!(lower_bound(0, 10, 0.05), 0.0);
    }
}
