//! Products of packed bf16 by the tiles of Intel AMX: `tdpbf16ps` multiplies 16 rows of 32 numbers by as many columns.
//!
//! Rust has no intrinsics for tiles yet, so the few instructions are written out. Where processor or system have no
//! tiles, `bf16` goes on with vectors. Sums run over k in an order that depends on k alone, as there, but in another
//! one: the last bits are not those of `vdpbf16ps`.

#![expect(
    unsafe_code,
    reason = "tiles are loaded from pointers and stored to them; each is of a panel or tile of that extent"
)]

use super::{
    block::Block,
    panels::{LANES, Panels, interleaved, neighbours, part, store, transpose},
    tile::{Matrix, Output, Tile},
};
use rayon::prelude::*;
use std::{
    arch::{asm, x86_64::*},
    ops::Range,
    sync::LazyLock,
};

/// Rows and columns of the inner tile: two tiles by two. Four of eight tiles hold sums, the others operands.
const SIDE: usize = 2 * LANES;
/// Words along k in a tile.
const STEP: usize = LANES;
/// Steps along k that are worked on at once.
const DEPTH: usize = 48;
/// Panels of a task's left rows times steps: these 768 KiB leave room for others in the second cache.
const LEFT: usize = 384;
/// Tasks for each thread: few, since each reads its part of both matrices, more than one, since threads may be late.
const TASKS: usize = 2;

/// Whether processor and system have tiles, and the system lets this process use them: it is asked once.
pub fn is_available() -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| has_tiles() && is_permitted());
    *AVAILABLE
}

/// Whether the processor has the instructions, and the system keeps tiles where it changes from thread to thread.
fn has_tiles() -> bool {
    const BF16_AND_TILES: u32 = 1 << 22 | 1 << 24;
    const STATE: u64 = 1 << 17 | 1 << 18;
    let (most, _) = __get_cpuid_max(0);
    if most < 7 || __cpuid_count(7, 0).edx & BF16_AND_TILES != BF16_AND_TILES || !is_x86_feature_detected!("xsave") {
        return false;
    }
    // SAFETY: the processor has the instruction, and the system lets programs use it: both are what `xsave` stands for.
    unsafe { _xgetbv(0) & STATE == STATE }
}

/// Linux gives a process the room for tiles when it asks for it (`arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)`).
#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    let result: i64;
    // SAFETY: the call changes nothing but what this process may do.
    unsafe {
        asm!("syscall", inlateout("rax") 158_i64 => result, in("rdi") 0x1023, in("rsi") 18, out("rcx") _, out("r11") _);
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

/// `output (m, n) = a (m, k) · b (k, n)` with both rounded to bf16, on all cores if `parallel`.
///
/// Tiles take 2 KiB in 10 ns, a tenth of which the third cache gives: what counts is how often something is read.
/// The right matrix is packed for all tasks; a task packs its rows of the left one into its second cache, and writes
/// each number once if k is short.
pub(super) fn product(mut output: Tile, mode: Output, k: usize, a: Matrix, b: Matrix, parallel: bool) {
    assert!(is_available(), "this processor has no AMX");
    let steps = k.div_ceil(2 * STEP);
    let right = Panels::<SIDE>::pack(b.t(), output.columns, k, steps * STEP, parallel);
    let tasks = if parallel { TASKS * rayon::current_num_threads() } else { 1 };
    let [height, width] = extents([output.rows, output.columns], depth(steps), tasks);
    let tasks = output.blocks(height, width).into_par_iter().with_min_len(if parallel { 1 } else { usize::MAX });
    tasks.for_each(|(top, column, tile)| block(tile, mode, a.rows_from(top), k, right.at(column)));
}

/// Steps in a part of k: as many in each, of k alone, so that sums are the same whatever the tasks.
fn depth(steps: usize) -> usize {
    steps.div_ceil(steps.div_ceil(DEPTH).max(1))
}

/// Rows and columns of about so many tasks. One reads its rows in f32 and its columns in bf16, half as many bytes, so
/// it reads least where it is twice as wide as high.
fn extents([m, n]: [usize; 2], depth: usize, tasks: usize) -> [usize; 2] {
    let area = m * n / tasks;
    let highest = (LEFT / depth.max(1)).max(1) * SIDE;
    let height = (area / 2).isqrt().max(area / n.max(1)).next_multiple_of(SIDE).clamp(SIDE, highest);
    let width = (area / height.min(m.max(1))).next_multiple_of(SIDE).max(SIDE);
    // The last one is as large as the others.
    let even = |extent: usize, each| extent.div_ceil(extent.div_ceil(each).max(1)).next_multiple_of(SIDE).max(SIDE);
    [even(m, height), even(n, width)]
}

/// Packs numbers `range` of rows of x in panels of [`SIDE`] rows: those of one step side by side, each with its words.
fn pack_left(panels: &mut [u32], each: usize, x: Matrix, rows: usize, range: Range<usize>) {
    for (i, panel) in panels.chunks_exact_mut(each.max(1)).enumerate() {
        let first = i * SIDE;
        let count = SIDE.min(rows - first);
        // SAFETY: only `product` packs, which was called where `bf16` is available.
        match x.column_stride {
            1 => unsafe { pack_along(panel, |row| &x.data[(first + row) * x.row_stride..][range.clone()], count) },
            stride => unsafe {
                pack_across(panel, |p| &x.data[first + (range.start + p) * stride..][..count], range.len());
            },
        }
    }
}

/// Packs `count` rows, each contiguous.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_along<'a>(panel: &mut [u32], row: impl Fn(usize) -> &'a [f32], count: usize) {
    for i in 0..SIDE {
        let row = if i < count { row(i) } else { &[] };
        for (step, words) in panel.chunks_exact_mut(SIDE * STEP).enumerate() {
            let words = &mut words[i * STEP..][..STEP];
            store(words, neighbours(part(row, step * 2 * STEP..(step + 1) * 2 * STEP)));
        }
    }
}

/// Packs rows of k numbers that lie side by side: `line(p)` has number p of each.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_across<'a>(panel: &mut [u32], line: impl Fn(usize) -> &'a [f32], k: usize) {
    let line = |p: usize| if p < k { line(p) } else { &[] };
    for (step, words) in panel.chunks_exact_mut(SIDE * STEP).enumerate() {
        for (half, words) in words.chunks_exact_mut(LANES * STEP).enumerate() {
            let mut depths = [_mm512_setzero_si512(); LANES];
            for (i, depth) in depths.iter_mut().enumerate() {
                let p = 2 * (step * STEP + i);
                *depth = interleaved(line(p), line(p + 1), half * LANES);
            }
            for (words, row) in words.chunks_exact_mut(STEP).zip(transpose(depths)) {
                store(words, row);
            }
        }
    }
}

/// One task: a block of the output from its rows of the left matrix and its panels of the right one.
fn block(mut output: Tile, mode: Output, left: Matrix, k: usize, right: &[u32]) {
    const WORDS: usize = STEP * SIDE; // of a panel in a step
    let (m, n, steps) = (output.rows, output.columns, k.div_ceil(2 * STEP));
    let depth = depth(steps);
    let mut room = Block::uninitialized(m.div_ceil(SIDE) * depth * WORDS);
    configure();
    for first in (0..steps.max(1)).step_by(depth.max(1)) {
        let mode = if first == 0 { mode } else { Output::Add };
        let each = depth.min(steps - first) * WORDS;
        let panels = &mut bytemuck::cast_slice_mut::<f32, u32>(&mut room)[..m.div_ceil(SIDE) * each];
        pack_left(panels, each, left, m, first * 2 * STEP..((first + depth) * 2 * STEP).min(k));
        for (j, column) in (0..n).step_by(SIDE).enumerate() {
            let start = (j * steps + first) * WORDS;
            for (i, top) in (0..m).step_by(SIDE).enumerate() {
                // Each row of tiles fetches its part of the next column's panel.
                let next = right.as_ptr().wrapping_add(start + steps * WORDS + i * each / WORDS * FETCHED);
                let operands = [&panels[i * each..][..each], &right[start..][..each]];
                write(&mut output.part(top, column, SIDE, SIDE), mode, operands, next);
            }
        }
    }
    release();
}

/// Writes the sums of a tile: by way of a whole one where it is none.
fn write(tile: &mut Tile, mode: Output, operands: [&[u32]; 2], next: *const u32) {
    if tile.rows == SIDE && tile.columns == SIDE {
        // SAFETY: the tile has all the numbers that are written.
        return unsafe { sums(tile.start, tile.stride, mode, operands, next) };
    }
    let (rows, columns) = (tile.rows, tile.columns);
    let mut whole = [0.0; SIDE * SIDE];
    for (i, row) in whole.chunks_exact_mut(SIDE).enumerate().take(rows) {
        row[..columns].copy_from_slice(tile.row(i));
    }
    // SAFETY: as above.
    unsafe { sums(whole.as_mut_ptr(), SIDE, mode, operands, next) };
    for (i, row) in whole.chunks_exact(SIDE).enumerate().take(rows) {
        tile.row(i).copy_from_slice(&row[..columns]);
    }
}

/// What `ldtilecfg` reads: eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Lets this thread use tiles, until [`release`].
fn configure() {
    let eight = |i: usize, value| if i < 8 { value } else { 0 };
    let configuration = Configuration {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        row_bytes: std::array::from_fn(|i| eight(i, 64)),
        rows: std::array::from_fn(|i| eight(i, 16) as u8),
    };
    // SAFETY: `product` has asserted that there are tiles; nothing else in this process uses them.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly, preserves_flags)) };
}

/// Gives tiles back, so that the system need not keep them.
fn release() {
    // SAFETY: as above.
    unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
}

/// Words that are fetched from memory in a step of [`sums`].
const FETCHED: usize = 64;

/// The sums of [`SIDE`] × [`SIDE`] numbers, rows `stride` apart, from two panels of as many steps. The places of the
/// sums come into the first cache meanwhile, and what `next` points to, wherever that is, into the second.
///
/// # Safety
///
/// All these numbers must be there to be written, and tiles be configured.
#[inline]
unsafe fn sums(output: *mut f32, stride: usize, mode: Output, [a, b]: [&[u32]; 2], next: *const u32) {
    assert!(a.len() == b.len() && a.len().is_multiple_of(STEP * SIDE));
    // SAFETY: panels have 2 KiB for each step, and the caller vouches for the output.
    unsafe {
        asm!(
            "test {add}, {add}",
            "jz 2f",
            "tileloadd tmm0, [{top} + {stride}]",
            "tileloadd tmm1, [{top} + {stride} + 64]",
            "tileloadd tmm2, [{bottom} + {stride}]",
            "tileloadd tmm3, [{bottom} + {stride} + 64]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            "test {steps}, {steps}",
            "jz 5f",
            "4:",
            "prefetchw [{place}]",
            "prefetchw [{place} + 64]",
            "prefetcht1 [{next}]",
            "prefetcht1 [{next} + 64]",
            "prefetcht1 [{next} + 128]",
            "prefetcht1 [{next} + 192]",
            "add {place}, {stride}",
            "add {next}, 256",
            "tileloadd tmm6, [{b} + {columns}]",
            "tileloadd tmm4, [{a} + {row}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b} + {columns} + 64]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a} + {row} + 1024]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 2048",
            "add {b}, 2048",
            "dec {steps}",
            "jnz 4b",
            "5:",
            "tilestored [{top} + {stride}], tmm0",
            "tilestored [{top} + {stride} + 64], tmm1",
            "tilestored [{bottom} + {stride}], tmm2",
            "tilestored [{bottom} + {stride} + 64], tmm3",
            add = in(reg) usize::from(mode == Output::Add),
            top = in(reg) output,
            bottom = in(reg) output.wrapping_add(LANES * stride),
            stride = in(reg) stride * size_of::<f32>(),
            steps = inout(reg) a.len() / (STEP * SIDE) => _,
            a = inout(reg) a.as_ptr() => _,
            b = inout(reg) b.as_ptr() => _,
            place = inout(reg) output => _,
            next = inout(reg) next => _,
            row = in(reg) 64_usize,
            columns = in(reg) 128_usize,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
