//! Buffers on the device, recycled.

use super::{Gpu, faults::lock};
use crate::{
    array::Format,
    error::{Error, raise},
    pool::{Pool, size_class},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Numbers on the GPU, whose memory goes back to the pool when dropped.
pub struct Buffer {
    raw: Raw,
    len: usize,
    format: Format,
    gpu: Arc<Gpu>,
}

/// Memory on the device, and a number that no other has.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) buffer: wgpu::Buffer,
    pub(super) id: u64,
}

impl Buffer {
    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.raw.buffer
    }

    /// What tells this memory from other memory, whoever has it.
    pub(super) fn id(&self) -> u64 {
        self.raw.id
    }

    pub(super) fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How they are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How many words of four bytes hold them.
    pub(super) fn words(&self) -> usize {
        self.format.words(self.len)
    }

    /// Whether there is no number.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes that hold numbers.
    pub(super) fn bytes(&self) -> u64 {
        self.words() as u64 * 4
    }

    /// The bytes that a shader sees: as much of the memory as can be seen at once, so that memory used again can be
    /// bound as it was before. What lies behind the words holds arbitrary numbers.
    pub(super) fn bound_bytes(&self) -> u64 {
        self.raw().size().min(self.gpu.max_binding_bytes() as u64)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        lock(&self.gpu.pool).give(self.raw.clone(), self.raw.buffer.size());
    }
}

/// What a GPU was asked for so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// Bytes of buffers in use.
    pub live_bytes: u64,
    /// The most bytes of buffers in use at once.
    pub peak_bytes: u64,
    /// Bytes of buffers in use or kept for use.
    pub held_bytes: u64,
    /// Buffers made: for numbers, and for their way to the device and back.
    pub allocations: u64,
    /// Command buffers handed to the queue.
    pub submissions: u64,
    /// Kernels launched.
    pub dispatches: u64,
    /// Pipelines made.
    pub pipelines: u64,
    /// Sets of bound buffers made; the others were used again.
    pub bind_groups: u64,
    /// Choices between kernels made by timing them.
    pub tunings: u64,
}

/// What is counted beside the pool's bytes.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) transfers: AtomicU64,
    pub(super) submissions: AtomicU64,
    pub(super) dispatches: AtomicU64,
    pub(super) pipelines: AtomicU64,
    pub(super) bind_groups: AtomicU64,
    pub(super) tunings: AtomicU64,
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Buffers that wait for their next use.
pub(super) type Buffers = Pool<Raw>;

impl Gpu {
    /// What the GPU was asked for so far.
    pub fn statistics(&self) -> Statistics {
        let (usage, counters) = (lock(&self.pool).usage(), &self.counters);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            live_bytes: usage.live,
            peak_bytes: usage.peak,
            held_bytes: usage.held,
            allocations: usage.made + read(&counters.transfers),
            submissions: read(&counters.submissions),
            dispatches: read(&counters.dispatches),
            pipelines: read(&counters.pipelines),
            bind_groups: read(&counters.bind_groups),
            tunings: read(&counters.tunings),
        }
    }

    /// The bytes of the buffer that would be made for so many words.
    ///
    /// Raises [`Error::Device`] where that exceeds the adapter's limits.
    pub fn buffer_bytes(&self, words: usize) -> u64 {
        let bytes = words as u64 * 4;
        if bytes > self.max_binding_bytes() as u64 {
            raise(Error::Device(format!(
                "a tensor of {} MiB is needed, but {} shows at most {} MiB to a shader; use a smaller micro-batch or \
                 maximum length, or another device",
                mebibytes(bytes),
                self.adapter().name,
                self.max_binding_bytes() >> 20
            )));
        }
        size_class(bytes).min(self.adapter().max_buffer_bytes & !15)
    }

    /// A buffer of `len` numbers with arbitrary content.
    ///
    /// Raises [`Error::Device`] where it exceeds the adapter's limits or the memory.
    pub fn allocate(self: &Arc<Self>, len: usize, format: Format) -> Buffer {
        let class = self.buffer_bytes(format.words(len));
        let recycled = lock(&self.pool).take(class);
        let raw = recycled.map_or_else(|| self.create(class), |(raw, _)| raw);
        Buffer { raw, len, format, gpu: self.clone() }
    }

    /// Sets aside buffers of these sizes, in place of all that lie idle.
    ///
    /// Raises [`Error::Device`] where there is not that much memory.
    pub fn reserve(&self, sizes: impl IntoIterator<Item = u64>) {
        let idle = lock(&self.pool).release();
        self.discard(idle);
        for size in sizes {
            match self.try_create(size) {
                Ok(raw) => lock(&self.pool).reserve(raw, size),
                Err(error) => self.no_memory(size, &error),
            }
        }
    }

    fn create(&self, class: u64) -> Raw {
        let gone = lock(&self.pool).make_room(class);
        self.discard(gone);
        let created = self.try_create(class).or_else(|_| {
            self.synchronize();
            let idle = lock(&self.pool).release();
            self.discard(idle);
            self.synchronize();
            self.try_create(class)
        });
        match created {
            Ok(raw) => {
                lock(&self.pool).add(class);
                raw
            }
            Err(error) => self.no_memory(class, &error),
        }
    }

    /// Lets go of memory, and of what binds it.
    fn discard(&self, gone: Vec<Raw>) {
        if !gone.is_empty() {
            lock(&self.bindings).forget();
        }
    }

    fn no_memory(&self, bytes: u64, error: &wgpu::Error) -> ! {
        raise(Error::Device(format!(
            "out of memory on {}: needed {} MiB beside {} MiB in use ({error}); use a smaller micro-batch (rxlt run \
             --memory-limit chooses it), a smaller maximum length, recompute = true, or another device",
            self.adapter().name,
            mebibytes(bytes),
            mebibytes(lock(&self.pool).usage().live),
        )))
    }

    fn try_create(&self, class: u64) -> Result<Raw, wgpu::Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: class,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let failure = pollster::block_on(scope.pop());
        self.faults.check("a buffer is made");
        failure.map_or(Ok(Raw { buffer, id: NEXT.fetch_add(1, Ordering::Relaxed) }), Err)
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
