//! Buffers on the device, recycled by size class.

use super::{Gpu, faults::lock};
use crate::error::{Error, raise};
use std::{collections::HashMap, sync::Arc};

/// Numbers on the GPU: 4-byte words whose memory goes back to the pool when dropped.
pub struct Buffer {
    raw: wgpu::Buffer,
    len: usize,
    gpu: Arc<Gpu>,
}

impl Buffer {
    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    pub(super) fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes that hold numbers.
    pub(super) fn bytes(&self) -> u64 {
        self.len as u64 * 4
    }

    /// The bytes that a shader sees: whole groups of four words, the excess holding arbitrary numbers.
    pub(super) fn bound_bytes(&self) -> u64 {
        self.bytes().next_multiple_of(16).max(16)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        lock(&self.gpu.pool).give(self.raw.clone());
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
    /// Buffers made.
    pub allocations: u64,
    /// Command buffers handed to the queue.
    pub submissions: u64,
    /// Kernels launched.
    pub dispatches: u64,
}

/// Buffers that wait for their next use, and counters.
#[derive(Default)]
pub(super) struct Pool {
    free: HashMap<u64, Vec<wgpu::Buffer>>,
    pub(super) statistics: Statistics,
}

impl Pool {
    fn take(&mut self, class: u64) -> Option<wgpu::Buffer> {
        let raw = self.free.get_mut(&class)?.pop()?;
        self.count_live(class);
        Some(raw)
    }

    fn give(&mut self, raw: wgpu::Buffer) {
        self.statistics.live_bytes -= raw.size();
        self.free.entry(raw.size()).or_default().push(raw);
    }

    fn add(&mut self, class: u64) {
        self.statistics.allocations += 1;
        self.statistics.held_bytes += class;
        self.count_live(class);
    }

    fn count_live(&mut self, class: u64) {
        self.statistics.live_bytes += class;
        self.statistics.peak_bytes = self.statistics.peak_bytes.max(self.statistics.live_bytes);
    }

    /// Returns to the device what no tensor holds.
    pub(super) fn release(&mut self) {
        self.free.clear();
        self.statistics.held_bytes = self.statistics.live_bytes;
    }
}

/// The size to allocate for `bytes`: four steps between powers of two, at most a quarter more than asked for.
fn size_class(bytes: u64) -> u64 {
    let bytes = bytes.max(256);
    let step = (1 << bytes.ilog2()) / 4;
    bytes.next_multiple_of(step)
}

impl Gpu {
    /// A buffer of `len` words with arbitrary content.
    ///
    /// Raises [`Error::Device`] where it exceeds the adapter's limits or the memory.
    pub fn allocate(self: &Arc<Self>, len: usize) -> Buffer {
        let bytes = len as u64 * 4;
        if bytes > self.max_binding_bytes() as u64 {
            raise(Error::Device(format!(
                "a tensor of {} MiB is needed, but {} shows at most {} MiB to a shader; use a smaller micro-batch or \
                 maximum length, or another device",
                mebibytes(bytes),
                self.adapter().name,
                self.max_binding_bytes() >> 20
            )));
        }
        let class = size_class(bytes).min(self.adapter().max_buffer_bytes & !15);
        let recycled = lock(&self.pool).take(class);
        let raw = recycled.unwrap_or_else(|| self.create(class));
        Buffer { raw, len, gpu: self.clone() }
    }

    fn create(&self, class: u64) -> wgpu::Buffer {
        let created = self.try_create(class).or_else(|_| {
            self.synchronize();
            lock(&self.pool).release();
            self.synchronize();
            self.try_create(class)
        });
        match created {
            Ok(raw) => {
                lock(&self.pool).add(class);
                raw
            }
            Err(error) => raise(Error::Device(format!(
                "out of memory on {}: needed {} MiB beside {} MiB in use ({error}); use a smaller micro-batch or \
                 maximum length, recompute activations, or use another device",
                self.adapter().name,
                mebibytes(class),
                mebibytes(lock(&self.pool).statistics.live_bytes),
            ))),
        }
    }

    fn try_create(&self, class: u64) -> Result<wgpu::Buffer, wgpu::Error> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: class,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let failure = pollster::block_on(scope.pop());
        self.faults.check("a buffer is made");
        failure.map_or(Ok(raw), Err)
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn a_size_class_holds_what_is_asked_for_and_little_more() {
        for bytes in [1, 256, 257, 4_000, 4_096, 4_097, 1 << 27, (1 << 27) + 4] {
            let class = size_class(bytes);
            assert!(
                class >= bytes && class.is_multiple_of(16) && (class <= 256 || class * 4 <= bytes * 5),
                "{bytes}: {class}"
            );
            assert_eq!(class, size_class(class), "{bytes}");
        }
    }
}
