//! Gradients of several ranks become one: added up in the order of the micro-batches, or as fast as may be.

use std::borrow::Cow;

use half::{bf16, slice::HalfBitsSliceExt, vec::HalfBitsVecExt};
use serde::{Deserialize, Serialize};

use super::objective::added;
use crate::{
    array::Shape,
    ranks::Ranks,
    tensor::{Device, Tensor},
};

/// How the gradients of several ranks are added up; alone a rank adds them up in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduce {
    /// In the order of the micro-batches: the bits of one process, whatever the number of ranks.
    #[default]
    Ordered,
    /// Each rank its own, then these in whatever order the network is fastest with: other last bits with other ranks.
    Fast,
    /// As `fast`, with numbers rounded to bf16 on their way: half the bytes, gradients right to 1 in 256.
    Half,
}

/// With whom an update is shared, and how.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// Who takes part.
    pub ranks: &'a Ranks,
    /// How gradients are added up.
    pub reduce: Reduce,
}

/// The most numbers that are under way at once, of all ranks together: 4 MiB, which caches hold, and whose memory the
/// allocator has at hand the next time.
const STRETCH: usize = 1 << 20;

impl Share<'_> {
    /// There is no other rank.
    pub fn alone() -> Share<'static> {
        Share { ranks: Ranks::alone(), reduce: Reduce::Ordered }
    }

    /// The sum over `n` micro-batches of what `make` gives for each, tensors of these shapes.
    pub fn sum(
        &self,
        n: usize,
        shapes: &[Shape],
        device: &Device,
        make: &mut dyn FnMut(usize) -> Vec<Tensor>,
    ) -> Vec<Tensor> {
        let Share { ranks, reduce } = *self;
        if ranks.is_alone() {
            let parts = (0..n).map(make);
            return parts.reduce(|sums, part| added(sums, &part)).expect("an update has examples");
        }
        let flat = Flat { ranks, device, length: shapes.iter().map(Shape::len).sum() };
        let sum = match reduce {
            Reduce::Ordered => flat.in_order(n, make),
            Reduce::Fast | Reduce::Half => {
                let own = (0..n).filter(|i| ranks.has(*i)).map(make);
                let mut numbers = Vec::new();
                match own.reduce(|sums, part| added(sums, &part)) {
                    Some(tensors) => lay_end_to_end(&tensors, &mut numbers),
                    None => numbers.resize(flat.length, 0.0),
                }
                match reduce {
                    Reduce::Half => numbers = flat.halved(&numbers),
                    _ => flat.fast(&mut numbers),
                }
                numbers
            }
        };
        cut(&sum, shapes, device)
    }
}

/// Tensors laid end to end, whose pieces go to and fro between ranks.
struct Flat<'a> {
    ranks: &'a Ranks,
    device: &'a Device,
    length: usize,
}

impl Flat<'_> {
    /// Every rank adds up a piece of all micro-batches, one after the other, on its device; the sums go to all.
    fn in_order(&self, n: usize, make: &mut dyn FnMut(usize) -> Vec<Tensor>) -> Vec<f32> {
        let Flat { ranks, device, length } = *self;
        let mut sums: Vec<Option<Tensor>> = vec![None; length.div_ceil(self.stretch())];
        let mut numbers = Vec::new();
        for first in (0..n).step_by(ranks.count()) {
            let own = first + ranks.rank();
            let present = (n - first).min(ranks.count());
            match own < n {
                true => lay_end_to_end(&make(own), &mut numbers),
                false => numbers.resize(length, 0.0), // nobody looks at them
            }
            for (stretch, sum) in numbers.chunks(self.stretch()).zip(&mut sums) {
                let received = ranks.exchange(bytemuck::cast_slice(&self.even(stretch)));
                for piece in received.chunks(received.len() / ranks.count()).take(present) {
                    let piece = numbers_of(piece);
                    let piece = Tensor::new(&piece, [piece.len()], device);
                    *sum = Some(match sum.take() {
                        None => piece,
                        Some(sum) => sum.add(&piece),
                    });
                }
            }
        }
        let pieces = sums.into_iter().map(|sum| sum.expect("an update has examples").to_vec());
        self.gathered(
            pieces,
            |piece, all| all.extend_from_slice(&numbers_of(piece)),
            |piece| bytemuck::cast_slice(piece).into(),
        )
    }

    fn fast(&self, own: &mut [f32]) {
        own.chunks_mut(self.stretch()).for_each(|stretch| self.ranks.sum(stretch));
    }

    /// Every rank adds up a piece of all ranks' numbers, rounded to bf16, in f32; the sums go to all, rounded again.
    fn halved(&self, own: &[f32]) -> Vec<f32> {
        let pieces = own.chunks(self.stretch()).map(|stretch| {
            let received = self.ranks.exchange(bytemuck::cast_slice(&rounded(&self.even(stretch))));
            let mut sum = Vec::new();
            for piece in received.chunks(received.len() / self.ranks.count()) {
                let piece = halves_of(piece);
                match sum.is_empty() {
                    true => sum.extend(piece.iter().map(|x| x.to_f32())),
                    false => sum.iter_mut().zip(&*piece).for_each(|(sum, x)| *sum += x.to_f32()),
                }
            }
            sum
        });
        let read = |piece: &[u8], all: &mut Vec<f32>| all.extend(halves_of(piece).iter().map(|x| x.to_f32()));
        self.gathered(pieces, read, |piece| bytemuck::cast_slice(&rounded(piece)).to_vec().into())
    }

    /// What all ranks have of each stretch, in order; as what it goes, and how it is read.
    fn gathered(
        &self,
        pieces: impl Iterator<Item = Vec<f32>>,
        read: impl Fn(&[u8], &mut Vec<f32>),
        write: impl Fn(&[f32]) -> Cow<[u8]>,
    ) -> Vec<f32> {
        let mut all = Vec::with_capacity(self.length + self.ranks.count());
        for (i, piece) in pieces.enumerate() {
            self.ranks.gather(&write(&piece)).iter().for_each(|piece| read(piece, &mut all));
            all.truncate(self.length.min((i + 1) * self.stretch())); // what made the pieces even is at the end
        }
        all
    }

    /// How many numbers are under way at once.
    fn stretch(&self) -> usize {
        STRETCH / self.ranks.count() * self.ranks.count()
    }

    /// The same numbers, with zeros behind them until there is a piece as long for each rank.
    fn even<'n>(&self, stretch: &'n [f32]) -> Cow<'n, [f32]> {
        match stretch.len().next_multiple_of(self.ranks.count()) {
            length if length == stretch.len() => stretch.into(),
            length => {
                let mut numbers = stretch.to_vec();
                numbers.resize(length, 0.0);
                numbers.into()
            }
        }
    }
}

/// Tensors' numbers in a row, in place of what was there.
fn lay_end_to_end(tensors: &[Tensor], numbers: &mut Vec<f32>) {
    numbers.clear();
    numbers.reserve(tensors.iter().map(|tensor| tensor.shape().len()).sum());
    tensors.iter().for_each(|tensor| tensor.append_to(numbers));
}

fn cut(numbers: &[f32], shapes: &[Shape], device: &Device) -> Vec<Tensor> {
    let mut start = 0;
    let tensor = |shape: &Shape| {
        let own = &numbers[start..start + shape.len()];
        start += shape.len();
        Tensor::new(own, shape.clone(), device)
    };
    shapes.iter().map(tensor).collect()
}

/// Bytes that came from another rank as numbers, without a copy where they lie as numbers do.
fn numbers_of(bytes: &[u8]) -> Cow<'_, [f32]> {
    bytemuck::try_cast_slice(bytes).map_or_else(|_| bytemuck::pod_collect_to_vec(bytes).into(), Cow::Borrowed)
}

fn halves_of(bytes: &[u8]) -> Cow<'_, [bf16]> {
    let bits: Cow<[u16]> =
        bytemuck::try_cast_slice(bytes).map_or_else(|_| bytemuck::pod_collect_to_vec(bytes).into(), Cow::Borrowed);
    match bits {
        Cow::Borrowed(bits) => bits.reinterpret_cast::<bf16>().into(),
        Cow::Owned(bits) => bits.reinterpret_into::<bf16>().into(),
    }
}

/// To bf16, as bits.
fn rounded(numbers: &[f32]) -> Vec<u16> {
    numbers.iter().map(|x| bf16::from_f32(*x).to_bits()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::threads;
    use std::thread;

    /// Numbers whose sum depends on the order in which they are added up.
    fn numbers(i: usize, length: usize) -> Vec<f32> {
        let number = |at: usize| ((at * 31 + i * 17) % 23) as f32 * 10f32.powi((at * 7 + i * 5) as i32 % 9 - 4) - 0.3;
        (0..length).map(number).collect()
    }

    fn sums(count: usize, n: usize, reduce: Reduce, shapes: &[Shape]) -> Vec<Vec<f32>> {
        let length: usize = shapes.iter().map(Shape::len).sum();
        let all = threads(count);
        thread::scope(|scope| {
            let of_rank = |ranks: Ranks| {
                let device = Device::cpu();
                let mut make = |i: usize| cut(&numbers(i, length), shapes, &device);
                let mut numbers = Vec::new();
                lay_end_to_end(&Share { ranks: &ranks, reduce }.sum(n, shapes, &device, &mut make), &mut numbers);
                numbers
            };
            let all: Vec<_> = all.into_iter().map(|ranks| scope.spawn(move || of_rank(ranks))).collect();
            all.into_iter().map(|one| one.join().expect("a rank panicked")).collect()
        })
    }

    #[test]
    fn sums_in_order_have_the_bits_of_one_process() {
        let shapes: Vec<Shape> = vec![[1].into(), [3, 5].into(), [7].into()];
        for n in 1..8 {
            let alone = sums(1, n, Reduce::Ordered, &shapes).remove(0);
            for count in 2..6 {
                for sum in sums(count, n, Reduce::Ordered, &shapes) {
                    let same = alone.iter().zip(&sum).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same && alone.len() == sum.len(), "{n} micro-batches on {count} ranks");
                }
            }
        }
    }

    #[test]
    fn sums_of_other_kinds_are_as_near_as_they_promise() {
        let shapes: Vec<Shape> = vec![[1].into(), [3, 5].into()];
        let length = 16;
        for (reduce, rounding) in [(Reduce::Fast, 0.5 * f32::EPSILON), (Reduce::Half, 1.0 / 256.0)] {
            for (n, count) in [(1, 3), (4, 2), (5, 3), (9, 4)] {
                let alone = sums(1, n, Reduce::Ordered, &shapes).remove(0);
                let sizes = (0..n).map(|i| numbers(i, length));
                let sizes = sizes.fold(vec![0.0; length], |sums: Vec<f32>, part| {
                    sums.iter().zip(part).map(|(sum, x)| sum + x.abs()).collect()
                });
                let all = sums(count, n, reduce, &shapes);
                assert!(all.iter().all(|one| one == &all[0]), "ranks differ");
                for ((alone, sum), size) in alone.iter().zip(&all[0]).zip(sizes) {
                    // Each of the n − 1 additions of either sum rounds once; a number on its way to and fro twice.
                    let most = rounding * size * (2 * n).max(2) as f32;
                    assert!((alone - sum).abs() <= most, "{reduce:?} {n} {count}: {alone} {sum}, {most} allowed");
                }
            }
        }
    }
}
