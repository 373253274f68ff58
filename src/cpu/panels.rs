//! Operands of products in bf16, rounded and packed: a word holds two bf16 that are neighbours along k, a panel the words
//! of a few rows, those of one depth side by side.

#![expect(unsafe_code, reason = "vector loads and stores take pointers; each comes from a slice of that extent")]

use super::{block::Block, tile::Matrix};
use rayon::prelude::*;
use std::{arch::x86_64::*, mem::transmute, ops::Range};

/// Words in a register.
pub(super) const LANES: usize = 16;

/// A packed operand in panels of `WIDTH` rows; the last one is filled up with zeros.
pub(super) struct Panels<const WIDTH: usize> {
    words: Block,
    /// Words in a panel.
    each: usize,
}

impl<const WIDTH: usize> Panels<WIDTH> {
    /// Packs x (rows, k), with zeros up to so many `words` along k.
    pub(super) fn pack(x: Matrix, rows: usize, k: usize, words: usize, parallel: bool) -> Panels<WIDTH> {
        let each = words * WIDTH;
        let mut words = Block::uninitialized(rows.div_ceil(WIDTH) * each);
        let panels = bytemuck::cast_slice_mut::<f32, u32>(&mut words).par_chunks_exact_mut(each.max(1)).enumerate();
        panels.with_min_len(if parallel { 1 } else { usize::MAX }).for_each(|(i, panel)| {
            let first = i * WIDTH;
            let count = WIDTH.min(rows - first);
            // SAFETY: only the products of `bf16` pack, which has asserted the features.
            match x.column_stride {
                1 => unsafe { pack_along::<WIDTH>(panel, |row| &x.data[(first + row) * x.row_stride..][..k], count) },
                stride => unsafe { pack_across::<WIDTH>(panel, |p| &x.data[first + p * stride..][..count], k) },
            }
        });
        Panels { words, each }
    }

    /// The panels from a row on, which is the first of a panel.
    pub(super) fn at(&self, row: usize) -> &[u32] {
        &bytemuck::cast_slice(&self.words)[row / WIDTH * self.each..]
    }
}

/// Packs `count` rows, each contiguous: 16 words of 16 rows at a time, transposed.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_along<'a, const WIDTH: usize>(panel: &mut [u32], row: impl Fn(usize) -> &'a [f32], count: usize) {
    for group in (0..WIDTH).step_by(LANES) {
        let width = (WIDTH - group).min(LANES);
        for (i, depths) in panel.chunks_mut(LANES * WIDTH).enumerate() {
            let mut words = [_mm512_setzero_si512(); LANES];
            for (j, words) in words.iter_mut().enumerate().take(width.min(count.saturating_sub(group))) {
                *words = neighbours(part(row(group + j), 2 * i * LANES..2 * (i + 1) * LANES));
            }
            for (depth, words) in depths.chunks_exact_mut(WIDTH).zip(transpose(words)) {
                store(&mut depth[group..][..width], words);
            }
        }
    }
}

/// Packs rows of k numbers that lie side by side: `line(p)` has number p of each.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_across<'a, const WIDTH: usize>(panel: &mut [u32], line: impl Fn(usize) -> &'a [f32], k: usize) {
    let line = |p: usize| if p < k { line(p) } else { &[] };
    for (word, depth) in panel.chunks_exact_mut(WIDTH).enumerate() {
        let (even, odd) = (line(2 * word), line(2 * word + 1));
        for (i, words) in depth.chunks_mut(LANES).enumerate() {
            store(words, interleaved(even, odd, i * LANES));
        }
    }
}

/// What a slice has of a range.
#[inline(always)]
pub(super) fn part(x: &[f32], range: Range<usize>) -> &[f32] {
    &x[range.start.min(x.len())..range.end.min(x.len())]
}

/// The first `n` lanes of a register.
#[inline]
pub(super) fn lanes(n: usize) -> __mmask16 {
    if n >= LANES { !0 } else { (1 << n) - 1 }
}

/// At most 16 numbers, then zeros.
#[target_feature(enable = "avx512f")]
#[inline]
fn load(x: &[f32]) -> __m512 {
    // SAFETY: the mask leaves out what lies behind the slice.
    unsafe { _mm512_maskz_loadu_ps(lanes(x.len()), x.as_ptr()) }
}

/// As many words as the slice takes, at most 16.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn store(to: &mut [u32], words: __m512i) {
    // SAFETY: the mask leaves out what lies behind the slice.
    unsafe { _mm512_mask_storeu_epi32(to.as_mut_ptr().cast(), lanes(to.len()), words) }
}

/// At most 32 numbers as 16 words of two neighbours.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
pub(super) fn neighbours(x: &[f32]) -> __m512i {
    let (low, high) = (load(part(x, 0..LANES)), load(part(x, LANES..2 * LANES)));
    // SAFETY: both types are 512 bits without meaning of their own.
    unsafe { transmute(_mm512_cvtne2ps_pbh(high, low)) }
}

/// Words of neighbours that lie in two slices: those from a number on, at most 16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
pub(super) fn interleaved(even: &[f32], odd: &[f32], from: usize) -> __m512i {
    let (even, odd) = (load(part(even, from..from + LANES)), load(part(odd, from..from + LANES)));
    // SAFETY: both types are 512 bits without meaning of their own.
    let both = unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(odd, even)) };
    // SAFETY: 32 numbers of 16 bits make a register.
    let order: __m512i = unsafe { transmute(const { one_of_each_half() }) };
    _mm512_permutexvar_epi16(order, both)
}

/// The order in which number i is number i / 2 of one half of a register or the other.
const fn one_of_each_half() -> [u16; 2 * LANES] {
    let mut order = [0; 2 * LANES];
    let mut i = 0;
    while i < 2 * LANES {
        order[i] = (i / 2 + i % 2 * LANES) as u16;
        i += 1;
    }
    order
}

/// Exchanges the rows and columns of 16 × 16 words: by pairs, by fours, then whole quarters of registers.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn transpose(x: [__m512i; LANES]) -> [__m512i; LANES] {
    let (mut pairs, mut fours, mut result) = (x, x, x);
    for i in (0..LANES).step_by(2) {
        pairs[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    for i in (0..LANES).step_by(4) {
        for j in 0..2 {
            fours[i + 2 * j] = _mm512_unpacklo_epi64(pairs[i + j], pairs[i + j + 2]);
            fours[i + 2 * j + 1] = _mm512_unpackhi_epi64(pairs[i + j], pairs[i + j + 2]);
        }
    }
    // Quarter q of fours[4 i + c] has rows 4 i .. 4 i + 4 of column 4 q + c.
    for c in 0..4 {
        let even = |i: usize| _mm512_shuffle_i32x4::<0b10_00_10_00>(fours[i + c], fours[i + c + 4]);
        let odd = |i: usize| _mm512_shuffle_i32x4::<0b11_01_11_01>(fours[i + c], fours[i + c + 4]);
        result[c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(even(0), even(8));
        result[c + 4] = _mm512_shuffle_i32x4::<0b10_00_10_00>(odd(0), odd(8));
        result[c + 8] = _mm512_shuffle_i32x4::<0b11_01_11_01>(even(0), even(8));
        result[c + 12] = _mm512_shuffle_i32x4::<0b11_01_11_01>(odd(0), odd(8));
    }
    result
}
