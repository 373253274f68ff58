//! Buffers of the CPU, recycled: fresh memory from the system costs a page fault for every 4 KiB.

use crate::{
    error::{Error, raise},
    pool::{Pool, Usage, size_class},
};
use std::{
    ops::{Deref, DerefMut},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

/// Below this many bytes the allocator is fast enough by itself.
pub const SMALLEST_POOLED: usize = 16 << 10;

/// Numbers in a cache line less one: with these to spare, a block begins with a line, and no vector lies in two.
const SPARE: usize = 15;

/// A buffer of f32 that returns to the pool when dropped.
pub struct Block {
    data: Vec<f32>, // initialized as far as it reaches
    /// Where the first cache line begins.
    start: usize,
    len: usize,
}

impl Block {
    /// `len` arbitrary numbers.
    ///
    /// Raises [`Error::Device`] where the system has no more memory.
    pub fn uninitialized(len: usize) -> Block {
        if len * 4 < SMALLEST_POOLED {
            return Block::aligned(vec![0.0; len + SPARE], len);
        }
        let class = size_class(len as u64 * 4);
        let recycled = pool().take(class);
        Block::aligned(recycled.map_or_else(|| make(class), |(data, _)| data), len)
    }

    fn aligned(data: Vec<f32>, len: usize) -> Block {
        Block { start: data.as_ptr().align_offset(64).min(SPARE), data, len }
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Block {
        let mut block = Block::uninitialized(len);
        block.fill(0.0);
        block
    }

    /// The same numbers in a buffer of our own.
    pub fn copy_of(values: &[f32]) -> Block {
        let mut block = Block::uninitialized(values.len());
        block.copy_from_slice(values);
        block
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.len * 4 >= SMALLEST_POOLED {
            let data = std::mem::take(&mut self.data);
            let size = (data.len() - SPARE) as u64 * 4;
            pool().give(data, size);
        }
    }
}

impl Deref for Block {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data[self.start..self.start + self.len]
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..self.start + self.len]
    }
}

/// What the CPU's tensors take.
pub fn usage() -> Usage {
    pool().usage()
}

/// Counts the peaks of [`usage`] from now on.
pub fn forget_peaks() {
    pool().forget_peaks();
}

/// Sets aside blocks of these sizes, in place of all that lie idle. The system gives the memory itself only as it is
/// used.
pub fn reserve(sizes: impl IntoIterator<Item = u64>) {
    release();
    for size in sizes {
        match zeroed(size) {
            Some(data) => pool().reserve(data, size),
            None => no_memory(size),
        }
    }
}

/// Returns to the system what no tensor holds.
pub fn release() {
    drop(pool().release());
}

fn pool() -> MutexGuard<'static, Pool<Vec<f32>>> {
    static POOL: LazyLock<Mutex<Pool<Vec<f32>>>> = LazyLock::new(Mutex::default);
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers that fill `class` bytes: what is idle goes first where it has to.
fn make(class: u64) -> Vec<f32> {
    drop(pool().make_room(class));
    let data = zeroed(class).or_else(|| {
        release();
        zeroed(class)
    });
    let Some(data) = data else { no_memory(class) };
    pool().add(class);
    data
}

fn zeroed(bytes: u64) -> Option<Vec<f32>> {
    bytemuck::allocation::try_zeroed_vec(bytes as usize / 4 + SPARE).ok()
}

fn no_memory(bytes: u64) -> ! {
    raise(Error::Device(format!(
        "out of memory: the system refused {} MiB beside {} MiB in use by tensors; use a smaller micro-batch (rxlt run \
         --memory-limit chooses it), a smaller maximum length, or recompute = true",
        bytes.div_ceil(1 << 20),
        pool().usage().live >> 20,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::catch;

    #[test]
    fn blocks_begin_with_a_cache_line() {
        for len in [1, 100, 5000, 100_000] {
            let block = Block::zeros(len);
            assert_eq!((block.as_ptr() as usize % 64, block.len()), (0, len));
        }
    }

    #[test]
    fn what_the_system_refuses_is_an_error() {
        let result = catch(|| Ok(Block::uninitialized(1 << 60).len()));
        assert!(matches!(&result, Err(Error::Device(message)) if message.contains("out of memory")), "{result:?}");
        assert_eq!(Block::zeros(5000).iter().sum::<f32>(), 0.0, "the pool goes on");
    }
}
