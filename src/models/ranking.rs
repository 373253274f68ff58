//! Translation ranking: the sentence vector of a translation must be nearer than those of all others in the batch
//! (Chi et al., 2021, "InfoXLM"; Feng et al., 2022, "LaBSE").

use crate::{
    array::{Ids, Segments},
    ops::{self, Layout, Sources},
    tensor::Tensor,
};

/// How many masked words a pair of sentences counts as: a batch has far fewer sentences than words.
pub const WORDS_PER_PAIR: usize = 10;

/// What cosines are multiplied by before the softmax: the inverse of a temperature of 0.05.
const SHARPNESS: f32 = 20.0;

/// Hidden states (t, h) in which each sequence of `firsts` is followed by its translation → the summed cross-entropy
/// of finding it, in both directions and by two vectors: the mean of the states, and the state of the first token.
pub fn ranking_loss(hidden: &Tensor, segments: &Segments, firsts: &[u32], weight: f32) -> Tensor {
    let seconds: Vec<u32> = firsts.iter().map(|first| first + 1).collect();
    let (a, b) = (sums(hidden, segments, firsts), sums(hidden, segments, &seconds));
    let by_mean = contrast(&a, &b, weight); // centred and of one length, a sum is as good as a mean
    let starts = segments.first_rows();
    let first_states = |which: &[u32]| {
        let rows: Vec<u32> = which.iter().map(|i| starts[*i as usize]).collect();
        ops::gather(&[hidden], &rows.into()) // (n, h)
    };
    by_mean.add(&contrast(&first_states(firsts), &first_states(&seconds), weight))
}

/// The sum of the states of some of the sequences: (t, h) → (n, h).
pub fn sums(hidden: &Tensor, segments: &Segments, which: &[u32]) -> Tensor {
    let ranges: Vec<_> = segments.ranges().collect();
    let rows = which.iter().map(|i| ranges[*i as usize].clone());
    hidden.scatter_add(Sources::of_ranges(rows))
}

/// Cosines of centred vectors (n, h), (n, h), the right pairs on the diagonal → cross-entropy both ways.
fn contrast(a: &Tensor, b: &Tensor, weight: f32) -> Tensor {
    let (n, h) = (a.shape().rows(), a.shape().columns());
    // Rows of length √SHARPNESS, so that a product of two is the cosine, sharpened.
    let gain = Tensor::new(&vec![(SHARPNESS / h as f32).sqrt(); h], [h], a.device());
    let bias = Tensor::zeros([h], a.device());
    let (a, b) = (a.layer_norm(&gain, &bias, 1e-5), b.layer_norm(&gain, &bias, 1e-5));
    let diagonal: Ids = (0..n as u32).collect::<Vec<_>>().into();
    let each = weight * WORDS_PER_PAIR as f32 / 4.0;
    let there = ops::matmul(&a, &b, Layout::NT).cross_entropy(&diagonal, each);
    there.add(&ops::matmul(&b, &a, Layout::NT).cross_entropy(&diagonal, each))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{array::Array, tensor::Device};

    /// Two sentences of two and three tokens, each followed by its translation, of two and one.
    const LENGTHS: [usize; 4] = [2, 2, 3, 1];

    fn states(seed: u32) -> Array {
        Array::from_fn([8, 5], |i| (f64::from(seed) + 1.7 * i as f64).sin())
    }

    fn loss(x: &Tensor) -> Tensor {
        ranking_loss(x, &Segments::new(LENGTHS), &[0, 2], 0.5)
    }

    /// The loss as it is written in papers.
    fn expected(x: &Array) -> f64 {
        let centred = |row: Vec<f64>| {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let row: Vec<f64> = row.iter().map(|x| x - mean).collect();
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter().map(|x| x / norm).collect::<Vec<f64>>()
        };
        let mean_of = |rows: std::ops::Range<usize>| {
            let n = rows.len() as f64;
            (0..5).map(|j| rows.clone().map(|i| x.row(i)[j]).sum::<f64>() / n).collect::<Vec<f64>>()
        };
        let by_mean = [mean_of(0..2), mean_of(2..4), mean_of(4..7), mean_of(7..8)].map(centred);
        let by_first = [0, 2, 4, 7].map(|i| centred(x.row(i).to_vec()));
        let mut sum = 0.0;
        for vectors in [by_mean, by_first] {
            let cosine = |i: usize, j: usize| -> f64 { vectors[i].iter().zip(&vectors[j]).map(|(a, b)| a * b).sum() };
            for (from, right, wrong) in [(0, 1, 3), (2, 3, 1), (1, 0, 2), (3, 2, 0)] {
                sum += (1.0 + (20.0 * (cosine(from, wrong) - cosine(from, right))).exp()).ln();
            }
        }
        0.5 * 10.0 / 4.0 * sum
    }

    #[test]
    fn the_loss_is_that_of_the_papers() {
        for seed in 0..5 {
            let found = loss(&Tensor::from_array(states(seed))).to_array().row(0)[0];
            let expected = expected(&states(seed));
            // LayerNorm adds 1e-5 to the variance before it divides.
            assert!((found - expected).abs() < 1e-3 * (1.0 + expected), "{found} {expected}");
        }
    }

    #[test]
    fn the_cpu_agrees_with_the_reference() {
        let (reference, values) = (Tensor::from_array(states(3)).tracked(), states(3));
        let floats: Vec<f32> = (0..8).flat_map(|i| values.row(i).to_vec()).map(|x| x as f32).collect();
        let x = Tensor::new(&floats, [8, 5], &Device::cpu()).tracked();
        let (a, b) = (loss(&reference).gradients(&[&reference]), loss(&x).gradients(&[&x]));
        for (a, b) in a[0].to_vec().iter().zip(b[0].to_vec()) {
            assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()), "{a} {b}");
        }
        assert!(a[0].to_vec().iter().any(|x| x.abs() > 1e-3));
    }
}
