//! Principal components: a teacher's vectors in as many numbers as a student has units.

use rayon::prelude::*;

/// A mean, and the directions in which vectors vary most about it.
#[derive(Debug)]
pub struct Components {
    mean: Vec<f64>,
    /// Of length 1, those of the most variance first.
    axes: Vec<Vec<f64>>,
    /// The share of the variance that the axes hold.
    pub share: f64,
}

/// Rows whose sums are taken in one piece, so that sums do not depend on threads.
const PIECE: usize = 1 << 12;
/// Sweeps of rotations; a dozen are enough for any matrix that there is.
const SWEEPS: usize = 60;

impl Components {
    /// The first `n` components; where `n` are as many as the rows (n, width) are wide, or more, all their numbers as they
    /// are: a student that begins with its teacher's layers has them already.
    pub fn of(rows: &[f32], width: usize, n: usize) -> Components {
        let count = (rows.len() / width).max(1) as f64;
        let mut mean = sum(rows, width, width, |row, into| {
            into.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
        });
        mean.iter_mut().for_each(|x| *x /= count);
        if n >= width {
            let axes = (0..width).map(|i| (0..width).map(|j| f64::from(i == j)).collect()).collect();
            return Components { mean, axes, share: 1.0 };
        }
        let covariance = sum(rows, width, width * width, |row, into| {
            let apart: Vec<f64> = row.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean).collect();
            for (x, sums) in apart.iter().zip(into.chunks_mut(width)) {
                sums.iter_mut().zip(&apart).for_each(|(sum, y)| *sum += x * y);
            }
        });
        let (values, vectors) = eigen(covariance, width);
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        let all: f64 = values.iter().sum();
        order.truncate(n);
        let share = if all > 0.0 { order.iter().map(|i| values[*i]).sum::<f64>() / all } else { 1.0 };
        let axes = order.iter().map(|i| vectors.chunks(width).map(|row| row[*i]).collect()).collect();
        Components { mean, axes, share }
    }

    /// A vector's coordinates on the axes; zeros behind them, up to `n` numbers.
    pub fn project(&self, vector: &[f32], n: usize) -> Vec<f32> {
        let apart: Vec<f64> = vector.iter().zip(&self.mean).map(|(x, mean)| f64::from(*x) - mean).collect();
        let along = |axis: &Vec<f64>| axis.iter().zip(&apart).map(|(a, b)| a * b).sum::<f64>() as f32;
        self.axes.iter().map(along).chain(std::iter::repeat(0.0)).take(n).collect()
    }
}

/// The sum over rows of what `add` adds to `size` numbers, in an order that does not depend on threads.
fn sum(rows: &[f32], width: usize, size: usize, add: impl Fn(&[f32], &mut [f64]) + Sync) -> Vec<f64> {
    let pieces: Vec<Vec<f64>> = rows
        .par_chunks(PIECE * width)
        .map(|rows| {
            let mut sums = vec![0.0; size];
            rows.chunks_exact(width).for_each(|row| add(row, &mut sums));
            sums
        })
        .collect();
    let mut all = vec![0.0; size];
    for piece in pieces {
        all.iter_mut().zip(piece).for_each(|(sum, x)| *sum += x);
    }
    all
}

/// Eigenvalues of a symmetric matrix (n, n) and its eigenvectors as columns, by Jacobi's rotations.
fn eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let size: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let beside: f64 = (0..n).flat_map(|i| (0..i).map(move |j| i * n + j)).map(|at| a[at] * a[at]).sum();
        if beside <= 1e-24 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, n, [p, q]);
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

/// The rotation of two axes after which the matrix is zero where they cross (Golub & Van Loan, 8.5.2).
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, [p, q]: [usize; 2]) {
    let cross = a[p * n + q];
    if cross == 0.0 {
        return;
    }
    let tau = (a[q * n + q] - a[p * n + p]) / (2.0 * cross);
    let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
    let c = 1.0 / (1.0 + t * t).sqrt();
    let s = t * c;
    let turn = |x: &mut f64, y: &mut f64| (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    let (head, tail) = a.split_at_mut(q * n);
    head[p * n..][..n].iter_mut().zip(&mut tail[..n]).for_each(|(x, y)| turn(x, y));
    for matrix in [a, vectors] {
        for row in matrix.chunks_mut(n) {
            let (head, tail) = row.split_at_mut(q);
            turn(&mut head[p], &mut tail[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn eigenvectors_are_those_of_the_matrix() {
        let n = 12;
        let mut rng = Rng::new(3, 0);
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let x = f64::from(rng.uniform()) - 0.5;
                (a[i * n + j], a[j * n + i]) = (x, x);
            }
        }
        let (values, vectors) = eigen(a.clone(), n);
        for k in 0..n {
            let vector: Vec<f64> = (0..n).map(|i| vectors[i * n + k]).collect();
            for i in 0..n {
                let product: f64 = (0..n).map(|j| a[i * n + j] * vector[j]).sum();
                assert!((product - values[k] * vector[i]).abs() < 1e-12, "{product}");
            }
            assert!((vector.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    /// Points on a plane in space keep their distances in its two coordinates.
    #[test]
    fn components_keep_what_varies() {
        let mut rng = Rng::new(5, 0);
        let points: Vec<[f32; 2]> = (0..200).map(|_| [rng.uniform() * 4.0, rng.uniform()]).collect();
        let rows: Vec<f32> = points.iter().flat_map(|[x, y]| [x + 1.0, x - y, 2.0, *y]).collect();
        let components = Components::of(&rows, 4, 2);
        assert!((components.share - 1.0).abs() < 1e-9, "{}", components.share);
        let at: Vec<Vec<f32>> = rows.chunks(4).map(|row| components.project(row, 3)).collect();
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
        for i in 1..200 {
            let (before, after) = (apart(&rows[..4], &rows[4 * i..][..4]), apart(&at[0], &at[i]));
            assert!((before - after).abs() < 1e-5 * (1.0 + before), "{before} {after}");
            assert_eq!(at[i][2], 0.0);
        }
        let first = Components::of(&rows, 4, 1);
        assert!(first.share > 0.5 && first.share < 0.999, "{}", first.share);
    }
}
