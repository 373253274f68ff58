//! A device on which nothing is computed: going through the motions of a computation there tells what it takes.
//!
//! Tensors have shapes and claim memory by the policy of the pools, so that what is predicted is what happens.

use crate::{
    array::{Format, Precision},
    cpu::block::SMALLEST_POOLED,
    gpu::{Entry, Formats, Gpu, Kernel},
    pool::{Pool, Usage, size_class},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The memory of a device as it would be used.
pub struct Plan {
    gpu: Option<Arc<Gpu>>,
    precision: Precision,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    pool: Pool<()>,
    /// Bytes that the CPU takes from the allocator, by tensors too small for the pool: now, and at most.
    small: (u64, u64),
    blocks: BTreeMap<u64, usize>,
    entries: BTreeSet<Entry>,
}

/// Memory of a planned tensor, given back when dropped.
pub struct Claim {
    plan: Arc<Plan>,
    /// Of the block of the pool; 0 of a tensor too small for it.
    size: u64,
    len: usize,
    format: Format,
}

impl Plan {
    /// Of the CPU.
    pub fn of_cpu(precision: Precision) -> Arc<Plan> {
        Arc::new(Plan { gpu: None, precision, ledger: Mutex::default() })
    }

    /// Of a GPU.
    pub fn of_gpu(gpu: Arc<Gpu>) -> Arc<Plan> {
        let precision = gpu.precision();
        Arc::new(Plan { gpu: Some(gpu), precision, ledger: Mutex::default() })
    }

    /// The GPU that this is a plan for; none where it is for the CPU.
    pub fn gpu(&self) -> Option<&Arc<Gpu>> {
        self.gpu.as_ref()
    }

    /// What operands of matrix products would be rounded to.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What was asked for so far, by tensors too small for the pool too.
    pub fn usage(&self) -> Usage {
        let ledger = self.ledger();
        let (mut usage, (live, peak)) = (ledger.pool.usage(), ledger.small);
        (usage.live, usage.held) = (usage.live + live, usage.held + live);
        (usage.peak, usage.held_peak) = (usage.peak + peak, usage.held_peak + peak);
        usage
    }

    /// The part of [`Plan::usage`] that a pool has, as the devices count it.
    pub fn pooled(&self) -> Usage {
        self.ledger().pool.usage()
    }

    /// How many blocks of each size were made.
    pub fn blocks(&self) -> BTreeMap<u64, usize> {
        self.ledger().blocks.clone()
    }

    /// The entry points that would run.
    pub fn entries(&self) -> Vec<Entry> {
        self.ledger().entries.iter().copied().collect()
    }

    /// Memory for `len` numbers.
    ///
    /// Raises [`crate::error::Error::Device`] where that exceeds the device's limits.
    pub fn claim(self: &Arc<Self>, len: usize, format: Format) -> Claim {
        let class = match &self.gpu {
            Some(gpu) => gpu.buffer_bytes(format.words(len)),
            None if len * 4 < SMALLEST_POOLED => {
                let (live, peak) = &mut self.ledger().small;
                *live += len as u64 * 4;
                *peak = (*peak).max(*live);
                return Claim { plan: self.clone(), size: 0, len, format };
            }
            None => size_class(len as u64 * 4),
        };
        let mut ledger = self.ledger();
        let recycled = ledger.pool.take(class).map(|((), size)| size);
        let size = recycled.unwrap_or_else(|| {
            ledger.pool.make_room(class).clear();
            ledger.pool.add(class);
            *ledger.blocks.entry(class).or_default() += 1;
            class
        });
        Claim { plan: self.clone(), size, len, format }
    }

    /// What an operation takes while it runs: on the CPU so many numbers; on a GPU what its kernel does, and the entry
    /// points.
    pub fn run(self: &Arc<Self>, formats: &Formats, cpu_scratch: usize, kernel: impl FnOnce() -> Kernel) {
        let Some(gpu) = &self.gpu else { return drop(self.claim(cpu_scratch, Format::F32)) };
        let kernel = kernel();
        let (scratch, ids, entries) = gpu.needs(&kernel, formats);
        let _scratch: Vec<Claim> = scratch.iter().map(|words| self.claim(*words, Format::F32)).collect();
        for ids in ids {
            ids.mirror(|words| Arc::new(self.claim(words.len(), Format::F32)));
        }
        self.ledger().entries.extend(entries);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// How many numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How they would be stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether there is no number.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut ledger = self.plan.ledger();
        match self.size {
            0 => ledger.small.0 -= self.len as u64 * 4,
            size => ledger.pool.give((), size),
        }
    }
}
