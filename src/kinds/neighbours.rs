//! The nearest of many vectors, by cosine: blocks of products, of which only the best are kept.

use crate::{
    array::Precision,
    cpu::{Matrix, Output, matmul},
};
use rayon::prelude::*;

/// Rows and columns of a block of products: 16 MiB, however many vectors there are.
const BLOCK: [usize; 2] = [512, 8192];

/// A vector near another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Its place among those that were searched.
    pub place: usize,
    /// The cosine of the two.
    pub cosine: f32,
}

/// The `k` nearest of `b` for each of `a`, the nearest first and the first of equals; all vectors have the same length, and
/// the norm 1. What is not a number is near nothing.
///
/// Products of equal vectors are equal wherever they stand, so that ties do not depend on the blocks.
pub fn nearest(a: &[Vec<f32>], b: &[Vec<f32>], k: usize) -> Vec<Vec<Neighbour>> {
    let mut found: Vec<Vec<Neighbour>> = vec![Vec::new(); a.len()];
    let [rows, columns] = BLOCK;
    let mut products = vec![0.0; rows.min(a.len()) * columns.min(b.len())];
    for (start, b) in b.chunks(columns).enumerate() {
        let right = b.concat();
        for (a, found) in a.chunks(rows).zip(found.chunks_mut(rows)) {
            let (left, width) = (a.concat(), b[0].len());
            let products = &mut products[..a.len() * b.len()];
            let (left, right) = (Matrix::rows(&left, width), Matrix::rows(&right, width).t());
            matmul(products, Output::Replace, [a.len(), b.len(), width], Precision::F32, left, right);
            found.par_iter_mut().zip(products.par_chunks(b.len())).for_each(|(found, cosines)| {
                let places = start * columns..;
                places.zip(cosines).for_each(|(place, cosine)| keep(found, Neighbour { place, cosine: *cosine }, k));
            });
        }
    }
    found
}

/// Puts a neighbour in its place among the best `k`, behind those that are as near.
fn keep(found: &mut Vec<Neighbour>, next: Neighbour, k: usize) {
    let is_far = found.len() == k && found.last().is_none_or(|last| next.cosine <= last.cosine);
    if is_far || next.cosine.is_nan() {
        return;
    }
    let at = found.partition_point(|one| one.cosine >= next.cosine);
    found.insert(at, next);
    found.truncate(k);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(found: &[Vec<Neighbour>]) -> Vec<Vec<usize>> {
        found.iter().map(|found| found.iter().map(|one| one.place).collect()).collect()
    }

    #[test]
    fn the_nearest_come_first_and_ties_go_to_the_first() {
        let [x, y, z] = [vec![1.0, 0.0], vec![0.6, 0.8], vec![0.0, 1.0]];
        let all = [z.clone(), x.clone(), y.clone(), x.clone()];
        let found = nearest(&[x, y], &all, 3);
        assert_eq!(places(&found), [[1, 3, 2], [2, 0, 1]]);
        assert_eq!(found[1][1].cosine, 0.8);
        // A row of NaN finds nothing, nor is it found.
        let odd = vec![f32::NAN; 2];
        assert_eq!(places(&nearest(&[odd.clone(), z.clone()], &[odd, z], 1)), [vec![], vec![1]]);
        assert!(nearest(&[], &[], 4).is_empty());
    }

    /// Against plain loops, with ties on both sides of the ends of blocks and of the products' tiles.
    #[test]
    fn blocks_change_nothing() {
        let vector = |i: usize| -> Vec<f32> {
            let row: Vec<f32> = (0..37).map(|j| ((i % 997) * 37 + j) as f32).map(|x| (x * 0.7).sin()).collect();
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter().map(|x| x / norm).collect()
        };
        let vectors = |n: usize| (0..n).map(vector).collect::<Vec<_>>();
        let (a, b) = (vectors(BLOCK[0] + 3), vectors(BLOCK[1] + 5));
        for (i, found) in nearest(&a, &b, 9).iter().enumerate() {
            // Every 997th vector is the same.
            let same: Vec<usize> = (0..9).map(|n| i + 997 * n).filter(|place| *place < b.len()).collect();
            let first: Vec<usize> = found.iter().map(|one| one.place).take(same.len()).collect();
            assert_eq!(first, same);
            assert!(found[..same.len()].iter().all(|one| one.cosine == found[0].cosine), "{found:?}");
        }
    }
}
