//! Distillation of sentence vectors: what a teacher makes of a text, a student should make of it and of its translation
//! (Reimers & Gurevych, 2020).

use super::ranking::sums;
use crate::{
    array::Segments,
    ops,
    tensor::{Device, Tensor},
};

/// Hidden states (t, h) and the vector (h) that each of the n sequences should have → the summed distance `1 − cosine`, by
/// one or both of two vectors: the mean of the states and, where `with_first`, the state of the first token, which
/// classifiers read. Cosines are those of centred vectors.
///
/// `targets` (n, h) are centred and of length 1, as [`unit()`] makes them.
pub fn vector_loss(hidden: &Tensor, segments: &Segments, targets: &[f32], weight: f32, read: Read) -> Tensor {
    let (n, h, device) = (segments.count(), hidden.shape().columns(), hidden.device());
    let all: Vec<u32> = (0..n as u32).collect();
    let targets: Vec<f32> = targets.iter().map(|x| -x).collect();
    let targets = Tensor::new(&targets, [n, h], device);
    let distance = |vectors: &Tensor| {
        let apart = centred(vectors, device).add(&targets);
        apart.sum_squares(&Tensor::zeros([1], device)).scale(0.5 * weight) // ½ |a − b|² = 1 − cosine, of length 1
    };
    let by_mean = distance(&sums(hidden, segments, &all)); // centred and of one length, a sum is as good as a mean
    match read {
        Read::Mean => by_mean,
        Read::MeanAndFirst => by_mean.add(&distance(&ops::gather(&[hidden], &segments.first_rows()))),
    }
}

/// What of a sequence's states is taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The mean, where no layer has made the first token's state one of the whole sequence.
    Mean,
    /// The mean, and the state of the first token.
    MeanAndFirst,
}

/// Rows (n, h) less their means, of length 1.
fn centred(x: &Tensor, device: &Device) -> Tensor {
    let h = x.shape().columns();
    let gain = Tensor::new(&vec![(1.0 / h as f32).sqrt(); h], [h], device);
    x.layer_norm(&gain, &Tensor::zeros([h], device), 1e-5)
}

/// A vector less its mean, of length 1; zeros stay zeros.
pub fn unit(vector: &mut [f32]) {
    let mean = vector.iter().sum::<f32>() / vector.len() as f32;
    vector.iter_mut().for_each(|x| *x -= mean);
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|x| *x /= norm);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;

    const H: usize = 5;

    fn states() -> Array {
        Array::from_fn([6, H], |i| (0.3 + 1.7 * i as f64).sin())
    }

    fn targets() -> Vec<f32> {
        let mut targets: Vec<f32> = (0..3 * H).map(|i| (i as f32 * 0.9).cos()).collect();
        targets.chunks_mut(H).for_each(unit);
        targets
    }

    fn loss(x: &Tensor, read: Read) -> Tensor {
        vector_loss(x, &Segments::new([2, 3, 1]), &targets(), 0.5, read)
    }

    /// The loss as it is written in words.
    fn expected(read: Read) -> f64 {
        let (x, targets) = (states(), targets());
        let cosine = |row: Vec<f64>, target: &[f32]| {
            let mean = row.iter().sum::<f64>() / H as f64;
            let row: Vec<f64> = row.iter().map(|x| x - mean).collect();
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter().zip(target).map(|(a, b)| a * f64::from(*b)).sum::<f64>() / norm
        };
        let mut sum = 0.0;
        for (range, target) in [0..2, 2..5, 5..6].into_iter().zip(targets.chunks(H)) {
            let of_range = |j: usize| range.clone().map(|i| x.row(i)[j]).sum::<f64>() / range.len() as f64;
            sum += 1.0 - cosine((0..H).map(of_range).collect(), target);
            if read == Read::MeanAndFirst {
                sum += 1.0 - cosine(x.row(range.start).to_vec(), target);
            }
        }
        0.5 * sum
    }

    #[test]
    fn the_loss_is_one_less_the_cosine() {
        for read in [Read::Mean, Read::MeanAndFirst] {
            let found = loss(&Tensor::from_array(states()), read).to_array().row(0)[0];
            // LayerNorm adds 1e-5 to a variance of about a tenth or more before it divides.
            assert!((found - expected(read)).abs() < 1e-3, "{found} {}", expected(read));
        }
    }

    #[test]
    fn the_cpu_agrees_with_the_reference() {
        let (reference, values) = (Tensor::from_array(states()).tracked(), states());
        let floats: Vec<f32> = (0..6).flat_map(|i| values.row(i).to_vec()).map(|x| x as f32).collect();
        let x = Tensor::new(&floats, [6, H], &Device::cpu()).tracked();
        let gradients = |x: &Tensor| loss(x, Read::MeanAndFirst).gradients(&[x]).swap_remove(0).to_vec();
        let (a, b) = (gradients(&reference), gradients(&x));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()), "{a} {b}");
        }
        assert!(a.iter().any(|x| x.abs() > 1e-3));
    }

    #[test]
    fn a_state_that_is_its_target_costs_nothing() {
        let targets = targets();
        let x = Tensor::new(&targets.iter().map(|x| 7.0 * x + 1.0).collect::<Vec<_>>(), [3, H], &Device::cpu());
        let loss = vector_loss(&x, &Segments::new([1, 1, 1]), &targets, 1.0, Read::MeanAndFirst).item();
        assert!(loss.abs() < 1e-4, "{loss}");
    }
}
