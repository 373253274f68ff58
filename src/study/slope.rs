//! How scores go with the number of tasks: a line of least squares over arms, sure to the degree that other arms and
//! other seeds would give it again.

use crate::report::crossed::{Estimate, Values};

/// An arm with a target: how many tasks it has, and the score with each seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Points of one group have an intercept of their own.
    pub group: usize,
    /// How many tasks.
    pub x: f64,
    /// By seed, the same seeds at every point.
    pub y: Vec<f64>,
}

/// The common slope of the points about the means of their groups; none where no group has two `x`, or there are too few
/// points for a residual.
///
/// With weights `w = x' / Σ x'²`, of `x'` less its group's mean, the slope of a seed is Σ w·y. Arms are drawn, so what
/// another draw would change is seen in their residuals, each over 1 − its leverage (HC3; MacKinnon & White, 1985), and
/// what another seed would change in the slopes of the seeds: both are crossed as items and seeds are elsewhere.
pub fn slope(points: &[Point]) -> Option<Estimate> {
    let groups = points.iter().map(|point| point.group).max()? + 1;
    let seeds = points.first()?.y.len();
    let centred = centred(points.iter().map(|point| point.x).collect(), points, groups);
    let square: f64 = centred.iter().map(|x| x * x).sum();
    if square <= 0.0 || points.len() < groups + 2 {
        return None;
    }
    let n = points.len() as f64;
    let sizes: Vec<f64> =
        (0..groups).map(|group| points.iter().filter(|point| point.group == group).count() as f64).collect();
    let of_seed = |seed: usize| {
        let y = self::centred(points.iter().map(|point| point.y[seed]).collect(), points, groups);
        let slope: f64 = centred.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>() / square;
        let influence = |((x, y), point): ((&f64, &f64), &Point)| {
            let leverage = x * x / square + 1.0 / sizes[point.group];
            slope + n * x / square * (y - slope * x) / (1.0 - leverage).max(LEAST)
        };
        let mut row: Vec<f64> = centred.iter().zip(&y).zip(points).map(influence).collect();
        // Residuals over their leverages no longer sum to nothing: what they add belongs to none.
        let off = row.iter().sum::<f64>() / n - slope;
        row.iter_mut().for_each(|value| *value -= off);
        row
    };
    let values: Values = (0..seeds).map(of_seed).collect();
    Some(Estimate::of(&[values]))
}

/// A point alone in its group has leverage 1, and no residual.
const LEAST: f64 = 0.05;

/// Numbers of points less the mean of their group.
fn centred(values: Vec<f64>, points: &[Point], groups: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); groups];
    for (value, point) in values.iter().zip(points) {
        sums[point.group].0 += value;
        sums[point.group].1 += 1.0;
    }
    values.iter().zip(points).map(|(value, point)| value - sums[point.group].0 / sums[point.group].1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn normal(rng: &mut Rng) -> f64 {
        let (u, v) = (f64::from(rng.uniform()).max(1e-9), f64::from(rng.uniform()));
        (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
    }

    /// Two targets, k = 0 once and 1, 2, 4, 6 three times, as the study has it.
    fn points(rng: &mut Rng, slope: f64, [of_arm, of_seed, of_both]: [f64; 3], seeds: usize) -> Vec<Point> {
        let slopes: Vec<f64> = (0..seeds).map(|_| slope + of_seed * normal(rng)).collect();
        let mut all = Vec::new();
        for group in 0..2 {
            let levels: Vec<f64> = (0..seeds).map(|_| 10.0 * normal(rng)).collect();
            for (k, count) in [(0.0, 1), (1.0, 3), (2.0, 3), (4.0, 3), (6.0, 3)] {
                for _ in 0..count {
                    let arm = of_arm * normal(rng);
                    let y = (0..seeds).map(|s| levels[s] + slopes[s] * k + arm + of_both * normal(rng)).collect();
                    all.push(Point { group, x: k, y });
                }
            }
        }
        all
    }

    #[test]
    fn a_line_without_noise_is_found() {
        let points = points(&mut Rng::new(1, 0), 0.7, [0.0; 3], 3);
        let found = slope(&points).unwrap();
        assert!((found.value - 0.7).abs() < 1e-9 && found.error() < 1e-9, "{found:?}");
        assert!(slope(&points[..2]).is_none());
        let level: Vec<Point> = points.into_iter().filter(|point| point.x == 1.0).collect();
        assert!(slope(&level).is_none());
    }

    /// Intervals of 95 % hold the truth about as often, whatever varies.
    #[test]
    fn intervals_hold_the_truth() {
        for (noise, seeds) in [([1.0, 0.0, 0.5], 3), ([1.0, 0.3, 0.5], 3), ([0.2, 0.0, 1.0], 2), ([1.0, 0.2, 1.0], 5)] {
            let (mut rng, mut held, n) = (Rng::new(11, seeds as u64), 0, 600);
            for _ in 0..n {
                let [low, high] = slope(&points(&mut rng, 0.3, noise, seeds)).unwrap().interval();
                held += usize::from((low..=high).contains(&0.3));
            }
            let share = held as f64 / n as f64;
            // Two standard deviations of a share of 600 are .018; HC3 and square-and-add are on the safe side.
            assert!((0.93..=0.997).contains(&share), "{noise:?}, {seeds} seeds: {share}");
        }
    }
}
