//! The command buffer being recorded: dispatches, copies, and the words that go along with them.

use super::{Gpu, faults::lock, pipeline::Pipeline, pool::count, timer::Times};
use crate::{
    error::{Error, raise},
    profile::{self, Clock, Record},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, mpsc},
};

/// Submissions that may wait for the device while the host records the next.
const MAX_IN_FLIGHT: usize = 3;
/// Dispatches after which the queue gets its work even though nobody asked.
const MAX_DISPATCHES: usize = 2_000;
/// The room for one dispatch's uniform: the largest alignment that an adapter may ask for.
const UNIFORM_BYTES: usize = 256;
/// The room for the uniforms of one command buffer.
const UNIFORMS_BYTES: usize = MAX_DISPATCHES * UNIFORM_BYTES;
/// Uploads up to this many bytes travel with the command buffer.
const SMALL_UPLOAD: usize = 256 << 10;
/// The room for small uploads in one command buffer.
const STAGING_BYTES: usize = 4 << 20;
/// Bytes of large uploads after which the queue is to take them over.
const UPLOAD_BYTES: usize = 128 << 20;

/// What was recorded since the last submission.
pub(super) struct Recorder {
    encoder: Option<wgpu::CommandEncoder>,
    /// What brings the words of this command buffer to the device: uniforms first, then small uploads.
    ferry: Option<wgpu::Buffer>,
    /// Those that are back, ready to be written.
    ferries: Arc<Mutex<Vec<wgpu::Buffer>>>,
    /// Dispatches follow each other in one pass; only copies end it.
    pass: Option<wgpu::ComputePass<'static>>,
    uniforms: Vec<u32>,
    staged: Vec<u32>,
    unflushed: usize,
    readers: Vec<Reader>,
    uniform_buffer: wgpu::Buffer,
    uniform_group: wgpu::BindGroup,
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
        let uniform_buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("uniforms"),
            size: UNIFORMS_BYTES as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
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
            ferry: None,
            ferries: Arc::default(),
            pass: None,
            uniforms: Vec::new(),
            staged: Vec::new(),
            unflushed: 0,
            readers: Vec::new(),
            uniform_buffer,
            uniform_group,
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

    /// The buffer that brings words to the device with this command buffer: one that is back, or a new one.
    fn ferry(&mut self, gpu: &Gpu) -> wgpu::Buffer {
        let ferry = self.ferry.take().or_else(|| lock(&self.ferries).pop()).unwrap_or_else(|| {
            count(&gpu.counters.transfers);
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("uploads"),
                size: (UNIFORMS_BYTES + STAGING_BYTES) as u64,
                usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            })
        });
        self.ferry.insert(ferry).clone()
    }

    /// Loads the ferry; returns it with the commands that unload the uniforms before all else.
    fn load(&mut self, gpu: &Gpu) -> Option<(wgpu::Buffer, wgpu::CommandBuffer)> {
        if self.uniforms.is_empty() && self.staged.is_empty() {
            return None;
        }
        let ferry = self.ferry(gpu);
        self.ferry = None;
        for (start, words) in [(0, &self.uniforms), (UNIFORMS_BYTES, &self.staged)] {
            let range = start as u64..(start + words.len() * 4) as u64;
            if words.is_empty() {
                continue;
            }
            match ferry.get_mapped_range_mut(range) {
                Ok(mut view) => view.copy_from_slice(bytemuck::cast_slice(words)),
                Err(error) => {
                    gpu.faults.check("numbers are uploaded");
                    let name = &gpu.adapter().name;
                    raise(Error::Device(format!("{name} does not take uploads ({error}); resume the run")))
                }
            }
        }
        ferry.unmap();
        let mut unloading = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if !self.uniforms.is_empty() {
            let bytes = self.uniforms.len() as u64 * 4;
            unloading.copy_buffer_to_buffer(&ferry, 0, &self.uniform_buffer, 0, bytes);
        }
        self.uniforms.clear();
        self.staged.clear();
        Some((ferry, unloading.finish()))
    }

    fn submit(&mut self, gpu: &Gpu) -> Option<(Times, wgpu::SubmissionIndex)> {
        self.pass = None;
        let mut encoder = self.encoder.take()?;
        let times = gpu.timer.as_ref().and_then(|timer| lock(timer).collect(&gpu.device, &mut encoder));
        let loaded = self.load(gpu);
        let (ferry, unloading) = loaded.unzip();
        let submission = gpu.queue.submit(unloading.into_iter().chain([encoder.finish()]));
        self.unflushed = 0;
        if let Some(ferry) = ferry {
            let (back, returned) = (self.ferries.clone(), ferry.clone());
            // One that does not come back is replaced by a new one.
            ferry.map_async(wgpu::MapMode::Write, .., move |result| {
                if result.is_ok() {
                    lock(&back).push(returned);
                }
            });
        }
        for reader in self.readers.drain(..) {
            // Nobody sets it twice: the reader is taken out of the list.
            let _ = reader.submission.set(submission.clone());
            let arrived = reader.arrived;
            // A reader that is no longer waited for has hung up.
            reader.staging.map_async(wgpu::MapMode::Read, .., move |result| drop(arrived.send(result)));
        }
        self.in_flight.push_back(submission.clone());
        count(&gpu.counters.submissions);
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
        count(&self.counters.dispatches);
        if recorder.uniforms.len() * 4 >= UNIFORMS_BYTES {
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
        let start = (UNIFORMS_BYTES + recorder.staged.len() * 4) as u64;
        recorder.staged.extend(words);
        let ferry = recorder.ferry(self);
        recorder.copier(&self.device).copy_buffer_to_buffer(&ferry, start, raw, 0, bytes as u64);
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
