//! The command buffer being recorded: dispatches, copies, and the words that go along with them.

use super::{Gpu, device::MAX_IN_FLIGHT, faults::lock, pipeline::Pipeline, timer::Times};
use crate::profile::{self, Clock, Record};
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock, mpsc},
};

/// Dispatches after which the queue gets its work even though nobody asked.
const MAX_DISPATCHES: usize = 2_000;
/// The room for one dispatch's uniform: the largest alignment that an adapter may ask for.
const UNIFORM_BYTES: usize = 256;
/// Uploads up to this many bytes travel with the command buffer.
const SMALL_UPLOAD: usize = 256 << 10;
/// The room for small uploads in one command buffer.
const STAGING_BYTES: usize = 4 << 20;
/// Bytes of large uploads after which the queue is to take them over.
const UPLOAD_BYTES: usize = 128 << 20;

/// What was recorded since the last submission.
pub(super) struct Recorder {
    encoder: Option<wgpu::CommandEncoder>,
    /// Dispatches follow each other in one pass; only copies end it.
    pass: Option<wgpu::ComputePass<'static>>,
    uniforms: Vec<u32>,
    staged: Vec<u32>,
    unflushed: usize,
    readers: Vec<Reader>,
    uniform_buffer: wgpu::Buffer,
    uniform_group: wgpu::BindGroup,
    staging_buffer: wgpu::Buffer,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

/// A copy to the host that can be mapped once submitted.
pub(super) struct Reader {
    pub(super) staging: wgpu::Buffer,
    pub(super) submission: Arc<OnceLock<wgpu::SubmissionIndex>>,
    pub(super) arrived: mpsc::Sender<Result<(), wgpu::BufferAsyncError>>,
}

impl Recorder {
    pub(super) fn new(device: &wgpu::Device, uniform_layout: &wgpu::BindGroupLayout) -> Recorder {
        let buffer = |label, bytes: usize, usage| {
            let usage = usage | wgpu::BufferUsages::COPY_DST;
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes as u64,
                usage,
                mapped_at_creation: false,
            })
        };
        let uniform_buffer = buffer("uniforms", MAX_DISPATCHES * UNIFORM_BYTES, wgpu::BufferUsages::UNIFORM);
        let window = wgpu::BufferBinding {
            buffer: &uniform_buffer,
            offset: 0,
            size: wgpu::BufferSize::new(UNIFORM_BYTES as u64),
        };
        let uniform_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("uniforms"),
            layout: uniform_layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(window) }],
        });
        Recorder {
            encoder: None,
            pass: None,
            uniforms: Vec::new(),
            staged: Vec::new(),
            unflushed: 0,
            readers: Vec::new(),
            uniform_buffer,
            uniform_group,
            staging_buffer: buffer("uploads", STAGING_BYTES, wgpu::BufferUsages::COPY_SRC),
            in_flight: VecDeque::new(),
        }
    }

    fn encoder(&mut self, device: &wgpu::Device) -> &mut wgpu::CommandEncoder {
        self.encoder.get_or_insert_with(|| device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default()))
    }

    /// The encoder outside of any pass, for copies.
    pub(super) fn copier(&mut self, device: &wgpu::Device) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        self.encoder(device)
    }

    /// One launch; a profiled one in a pass of its own.
    fn dispatch(
        &mut self,
        gpu: &Gpu,
        pipeline: &Pipeline,
        group: &wgpu::BindGroup,
        uniform: &[u32],
        grid: [u32; 2],
        profiled: Option<Record>,
    ) {
        let alone = profiled.is_some();
        if let Some((launch, timer)) = profiled.zip(gpu.timer.as_ref()) {
            self.pass = Some(lock(timer).enclose(launch, self.copier(&gpu.device)));
        } else if self.pass.is_none() {
            let pass = self.encoder(&gpu.device).begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.pass = Some(pass.forget_lifetime());
        }
        let offset = self.uniforms.len() * 4;
        self.uniforms.extend(uniform);
        self.uniforms.resize(offset / 4 + UNIFORM_BYTES / 4, 0);
        let pass = self.pass.as_mut().expect("it was just begun");
        pass.set_pipeline(&pipeline.raw);
        pass.set_bind_group(0, group, &[]);
        pass.set_bind_group(1, &self.uniform_group, &[offset as u32]);
        pass.dispatch_workgroups(grid[0], grid[1], 1);
        if alone {
            self.pass = None;
        }
    }

    fn submit(&mut self, gpu: &Gpu) -> Option<(Times, wgpu::SubmissionIndex)> {
        self.pass = None;
        let mut encoder = self.encoder.take()?;
        let times = gpu.timer.as_ref().and_then(|timer| lock(timer).collect(&gpu.device, &mut encoder));
        // Writes take effect before the command buffer and after all earlier ones.
        for (buffer, words) in [(&self.uniform_buffer, &mut self.uniforms), (&self.staging_buffer, &mut self.staged)] {
            if !words.is_empty() {
                gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(words));
                words.clear();
            }
        }
        let submission = gpu.queue.submit([encoder.finish()]);
        self.unflushed = 0;
        for reader in self.readers.drain(..) {
            // Nobody sets it twice: the reader is taken out of the list.
            let _ = reader.submission.set(submission.clone());
            let arrived = reader.arrived;
            // A reader that is no longer waited for has hung up.
            reader.staging.map_async(wgpu::MapMode::Read, .., move |result| drop(arrived.send(result)));
        }
        self.in_flight.push_back(submission.clone());
        lock(&gpu.pool).statistics.submissions += 1;
        times.map(|times| (times, submission))
    }
}

impl Gpu {
    /// Records one launch over `groups` workgroups; `place` is its number among those of its operation.
    pub(super) fn record(
        &self,
        pipeline: &Pipeline,
        group: &wgpu::BindGroup,
        uniform: &[u32],
        groups: usize,
        place: (usize, usize),
    ) {
        assert!(uniform.len() * 4 <= UNIFORM_BYTES, "{}: {} words of uniform", pipeline.label, uniform.len());
        let launch = |profiled| self.launch(pipeline, group, uniform, groups, profiled);
        let record = || Record {
            operation: profile::current(),
            entry: Some(pipeline.label.clone()),
            launch: place,
            seconds: 0.0,
            clock: Clock::Gpu,
        };
        match profile::is_on() {
            false => launch(None),
            true if self.has_clock() => launch(Some(record())),
            true => self.time_waiting(record(), || launch(None)),
        }
    }

    fn launch(
        &self,
        pipeline: &Pipeline,
        group: &wgpu::BindGroup,
        uniform: &[u32],
        groups: usize,
        profiled: Option<Record>,
    ) {
        let mut recorder = lock(&self.recorder);
        recorder.dispatch(self, pipeline, group, uniform, fold(groups), profiled);
        lock(&self.pool).statistics.dispatches += 1;
        if recorder.uniforms.len() * 4 >= MAX_DISPATCHES * UNIFORM_BYTES {
            drop(recorder);
            self.submit();
        }
    }

    /// Records that the first `bytes` of a buffer become zero.
    pub(super) fn record_clear(&self, raw: &wgpu::Buffer, bytes: u64) {
        lock(&self.recorder).copier(&self.device).clear_buffer(raw, 0, Some(bytes));
    }

    /// Records a copy to the host.
    pub(super) fn record_read(&self, raw: &wgpu::Buffer, bytes: u64, reader: Reader) {
        let mut recorder = lock(&self.recorder);
        recorder.copier(&self.device).copy_buffer_to_buffer(raw, 0, &reader.staging, 0, bytes);
        recorder.readers.push(reader);
    }

    /// Writes words to a buffer, after everything recorded so far and before everything recorded later.
    pub(super) fn record_write(&self, raw: &wgpu::Buffer, words: &[u32]) {
        let bytes = words.len() * 4;
        if bytes > SMALL_UPLOAD {
            return self.write_large(raw, words);
        }
        if lock(&self.recorder).staged.len() * 4 + bytes > STAGING_BYTES {
            self.submit();
        }
        let mut guard = lock(&self.recorder);
        let recorder = &mut *guard;
        let start = recorder.staged.len() as u64 * 4;
        recorder.staged.extend(words);
        let staging = recorder.staging_buffer.clone();
        recorder.copier(&self.device).copy_buffer_to_buffer(&staging, start, raw, 0, bytes as u64);
    }

    /// Large uploads go to the queue by themselves, after what was recorded; it is emptied now and then, since wgpu
    /// keeps a second copy of what waits.
    fn write_large(&self, raw: &wgpu::Buffer, words: &[u32]) {
        self.submit();
        for (i, part) in words.chunks(UPLOAD_BYTES / 16).enumerate() {
            self.queue.write_buffer(raw, (i * UPLOAD_BYTES / 4) as u64, bytemuck::cast_slice(part));
            let mut recorder = lock(&self.recorder);
            recorder.unflushed += part.len() * 4;
            if recorder.unflushed >= UPLOAD_BYTES {
                recorder.unflushed = 0;
                drop(recorder);
                let submission = self.queue.submit([]);
                self.wait_for(&submission);
            }
        }
        self.faults.check("numbers are uploaded");
    }

    /// Hands what was recorded to the queue, and waits while the device is several submissions behind.
    pub fn submit(&self) {
        if let Some((times, submission)) = self.hand_over() {
            self.tell(times, &submission);
        }
    }

    /// The same; what was timed is left to the caller.
    pub(super) fn hand_over(&self) -> Option<(Times, wgpu::SubmissionIndex)> {
        let (times, late) = {
            let mut recorder = lock(&self.recorder);
            let times = recorder.submit(self);
            (times, (recorder.in_flight.len() > MAX_IN_FLIGHT).then(|| recorder.in_flight.pop_front()).flatten())
        };
        self.faults.check("recorded work is submitted");
        if let Some(submission) = late {
            self.wait_for(&submission);
        }
        times
    }

    /// Submits and waits until the device has done everything.
    pub fn synchronize(&self) {
        self.submit();
        let last = lock(&self.recorder).in_flight.drain(..).next_back();
        if let Some(submission) = last {
            self.wait_for(&submission);
        }
    }
}

/// A count of workgroups as a grid of at most 65,535 on each axis; shaders guard against the excess.
fn fold(groups: usize) -> [u32; 2] {
    let rows = groups.div_ceil(65_535);
    [groups.div_ceil(rows) as u32, rows as u32]
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn a_folded_grid_covers_all_workgroups() {
        for groups in [1, 2, 65_535, 65_536, 1_000_003, 4_000_000_000] {
            let [x, y] = fold(groups).map(|n| n as usize);
            assert!(x <= 65_535 && y <= 65_535 && x * y >= groups && x * y < groups + y, "{groups}: {x} x {y}");
        }
    }
}
