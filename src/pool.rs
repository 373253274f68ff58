//! Recycled memory: one policy for the buffers of the CPU, those of a GPU, and those that are only planned.
//!
//! Batches differ in length, so no step asks for quite the sizes of the one before. Sizes are rounded up to classes, a
//! request is met by the smallest free block that is large enough, and what is held exceeds what was once in use at the
//! same time (or was reserved) by little: before another block is made, idle ones go.

use std::collections::BTreeMap;

/// A free block may serve a request of this many times fewer bytes: batches of more than half the longest one's tokens
/// find all that they need. Beyond that small tensors would take what large ones of the same batch will ask for.
const LARGEST_EXCESS: u64 = 2;
/// What may lie idle beside all that was once in use: room for blocks that fit no other request.
const SLACK: u64 = 1 << 18;

/// What was asked of a pool so far, in bytes of whole blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in use.
    pub live: u64,
    /// The most bytes in use at once.
    pub peak: u64,
    /// Bytes in use or kept for use.
    pub held: u64,
    /// The most bytes in use or kept for use.
    pub held_peak: u64,
    /// Blocks made.
    pub made: u64,
}

/// Free blocks by size, and counters.
pub struct Pool<T> {
    /// By size; the one returned last is taken first.
    free: BTreeMap<u64, Vec<Idle<T>>>,
    usage: Usage,
    reserved: u64,
    clock: u64,
}

struct Idle<T> {
    block: T,
    since: u64,
}

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool { free: BTreeMap::new(), usage: Usage::default(), reserved: 0, clock: 0 }
    }
}

impl<T> Pool<T> {
    /// A free block for `class` bytes, and its size.
    pub fn take(&mut self, class: u64) -> Option<(T, u64)> {
        let (size, idle) =
            self.free.range_mut(class..=class.saturating_mul(LARGEST_EXCESS)).find(|(_, idle)| !idle.is_empty())?;
        let (size, block) = (*size, idle.pop()?.block);
        self.count(size);
        Some((block, size))
    }

    /// Takes back a block.
    pub fn give(&mut self, block: T, size: u64) {
        self.usage.live -= size;
        self.clock += 1;
        self.free.entry(size).or_default().push(Idle { block, since: self.clock });
    }

    /// The idle blocks that have to go before one of `size` bytes is made, those that have lain longest first.
    #[must_use]
    pub fn make_room(&mut self, size: u64) -> Vec<T> {
        let most = self.usage.peak.max(self.usage.live + size);
        let bound = if self.reserved > 0 { self.reserved.max(most) } else { most + most / 8 } + SLACK;
        let mut gone = Vec::new();
        while self.usage.held + size > bound {
            let oldest = self.free.iter().filter_map(|(size, idle)| Some((idle.first()?.since, *size))).min();
            let Some((_, size)) = oldest else { break };
            gone.extend(self.free.get_mut(&size).map(|idle| idle.remove(0).block));
            self.usage.held -= size;
        }
        gone
    }

    /// Counts a block that was made, and is in use.
    pub fn add(&mut self, size: u64) {
        self.hold(size);
        self.count(size);
    }

    /// Takes in a block that was made to be used later.
    pub fn reserve(&mut self, block: T, size: u64) {
        self.hold(size);
        self.reserved = self.reserved.max(self.usage.held);
        self.free.entry(size).or_default().push(Idle { block, since: self.clock });
    }

    /// All idle blocks.
    #[must_use]
    pub fn release(&mut self) -> Vec<T> {
        self.usage.held = self.usage.live;
        self.reserved = 0;
        std::mem::take(&mut self.free).into_values().flatten().map(|idle| idle.block).collect()
    }

    /// What was asked for so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Counts peaks from now on.
    pub fn forget_peaks(&mut self) {
        (self.usage.peak, self.usage.held_peak) = (self.usage.live, self.usage.held);
    }

    fn hold(&mut self, size: u64) {
        self.usage.made += 1;
        self.usage.held += size;
        self.usage.held_peak = self.usage.held_peak.max(self.usage.held);
    }

    fn count(&mut self, size: u64) {
        self.usage.live += size;
        self.usage.peak = self.usage.peak.max(self.usage.live);
    }
}

/// The size to make for `bytes`: eight steps between powers of two, at most an eighth more than asked for.
pub fn size_class(bytes: u64) -> u64 {
    let bytes = bytes.max(256);
    bytes.next_multiple_of((1 << bytes.ilog2()) / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_class_holds_what_is_asked_for_and_little_more() {
        for bytes in [1, 256, 257, 4_000, 4_096, 4_097, 1 << 27, (1 << 27) + 4, 768_006_144] {
            let class = size_class(bytes);
            assert!(class >= bytes && class.is_multiple_of(16), "{bytes}: {class}");
            assert!(class <= 256 || class * 8 <= bytes * 9, "{bytes}: {class}");
            assert_eq!(class, size_class(class), "{bytes}");
        }
    }

    /// A request met as the devices do it.
    fn ask(pool: &mut Pool<()>, bytes: u64) -> u64 {
        let class = size_class(bytes);
        pool.take(class).map_or_else(
            || {
                pool.make_room(class).clear();
                pool.add(class);
                class
            },
            |(_, size)| size,
        )
    }

    #[test]
    fn the_smallest_block_that_fits_is_taken_but_none_far_too_large() {
        let mut pool = Pool::default();
        for size in [1024, 2048, 16_384] {
            pool.reserve((), size);
        }
        assert_eq!([1000, 1024, 1024].map(|bytes| ask(&mut pool, bytes)), [1024, 2048, 1024]);
        assert_eq!(pool.usage().made, 4, "16,384 bytes are too many for 1,024");
    }

    #[test]
    fn what_is_held_exceeds_what_was_in_use_at_once_by_little() {
        let mut pool = Pool::default();
        for round in 0..2_000_u64 {
            let length = 20 + round * 7919 % 400;
            let sizes: Vec<u64> = (0..12).map(|i| ask(&mut pool, length * 65_536 * (1 + i % 4))).collect();
            sizes.into_iter().for_each(|size| pool.give((), size));
            let usage = pool.usage();
            assert!(usage.held <= usage.peak + usage.peak / 8 + SLACK, "round {round}: {usage:?}");
        }
    }

    #[test]
    fn after_a_reservation_shorter_batches_need_nothing_new() {
        let mut pool = Pool::default();
        let ask_all = |pool: &mut Pool<()>, length: u64| {
            let sizes: Vec<u64> = (0..12).map(|i| ask(pool, length * 64 * [1, 1, 4, 2][i % 4])).collect();
            sizes.into_iter().for_each(|size| pool.give((), size));
        };
        ask_all(&mut pool, 420);
        let first = pool.usage();
        for round in 0..2_000_u64 {
            ask_all(&mut pool, 250 + round * 7919 % 171);
        }
        assert_eq!((pool.usage().held, pool.usage().made), (first.held, first.made));
    }
}
