//! Buffers of the CPU, recycled: fresh memory from the system costs a page fault for every 4 KiB.

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, OnceLock},
};

/// Below this many numbers the allocator is fast enough by itself.
const SMALLEST_POOLED: usize = 4096;

/// A buffer of f32 that returns to the pool when dropped.
pub struct Block {
    data: Vec<f32>, // initialized up to its size class
    len: usize,
}

impl Block {
    /// `len` arbitrary numbers.
    pub fn uninitialized(len: usize) -> Block {
        let class = size_class(len);
        let recycled = (len >= SMALLEST_POOLED).then(|| pool().free.get_mut(&class)?.pop()).flatten();
        Block { data: recycled.unwrap_or_else(|| vec![0.0; class]), len }
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
        if self.len >= SMALLEST_POOLED {
            let data = std::mem::take(&mut self.data);
            pool().free.entry(data.len()).or_default().push(data);
        }
    }
}

impl Deref for Block {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

#[derive(Default)]
struct Pool {
    free: HashMap<usize, Vec<Vec<f32>>>,
}

fn pool() -> MutexGuard<'static, Pool> {
    static POOL: OnceLock<Mutex<Pool>> = OnceLock::new();
    POOL.get_or_init(Mutex::default).lock().expect("no holder panics")
}

/// The next 2ᵏ or 1.5 · 2ᵏ: few enough classes that batches of varying length share buffers.
fn size_class(len: usize) -> usize {
    if len < SMALLEST_POOLED {
        return len;
    }
    let power = len.next_power_of_two();
    if len <= power / 4 * 3 { power / 4 * 3 } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_class_holds_its_length_with_little_waste() {
        for len in [0, 1, 4095, 4096, 4097, 6144, 6145, 192_001_536] {
            let class = size_class(len);
            assert!(class >= len && class <= len + len / 2, "{len}: {class}");
        }
    }
}
