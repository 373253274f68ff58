//! An open GPU: what tensors ask of it.

use super::{
    adapter::{self, Adapter, Kind},
    autotune::Tuner,
    bindings::Bindings,
    cache::Cache,
    faults::{Faults, lock},
    kernel::{Binding, Dispatch, Formats, Kernel, Suits},
    opening::Opening,
    pipeline::{Pipeline, Pipelines},
    pool::{Buffer, Buffers, Counters, count},
    recorder::{Reader, Recorder},
    shaders::Shader,
    timer::Timer,
};
use crate::{
    array::{Format, Ids, Precision},
    error::{Error, Result, raise},
};
use half::f16;
use rayon::prelude::*;
use std::{
    sync::{Arc, Mutex, OnceLock, mpsc},
    time::{Duration, Instant},
};

/// Buffers of up to this many bytes that brought numbers to the host are used again.
const SMALL_READ: u64 = 4 << 10;

/// A shader and one of its entry points.
pub type Entry = (Shader, &'static str);

/// An open GPU. Operations are recorded and handed over by [`Gpu::submit`]; reading waits.
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: Pipelines,
    pub(super) pool: Mutex<Buffers>,
    pub(super) bindings: Mutex<Bindings>,
    pub(super) recorder: Mutex<Recorder>,
    pub(super) timer: Option<Mutex<Timer>>,
    pub(super) faults: Arc<Faults>,
    pub(super) counters: Counters,
    pub(super) tuner: Mutex<Tuner>,
    /// The side of the cooperative matrices that passed the test on opening.
    pub(super) cooperative: OnceLock<u32>,
    /// Small buffers that brought numbers to the host, for the next time.
    landings: Mutex<Vec<wgpu::Buffer>>,
    notes: OnceLock<Vec<String>>,
    adapter: Adapter,
    opening: Opening,
}

/// wgpu's leave to use what it calls experimental.
#[expect(unsafe_code, reason = "cooperative matrices are behind it")]
fn experimental(wanted: bool) -> wgpu::ExperimentalFeatures {
    match wanted {
        // SAFETY: the one such feature that is asked for is cooperative matrices, which are tested on opening; what could
        // go wrong beside results is for the driver, as with any shader.
        true => unsafe { wgpu::ExperimentalFeatures::enabled() },
        false => wgpu::ExperimentalFeatures::disabled(),
    }
}

impl Gpu {
    /// Every adapter of this machine that can compute.
    pub fn adapters() -> Vec<Adapter> {
        adapter::enumerate().into_iter().map(|(_, description)| description).collect()
    }

    /// Opens the adapter that `wanted` names: its position in [`Gpu::adapters`], `vulkan:1` (a position among those of
    /// one backend) or a part of its name. Without a name: the best that is no software.
    pub fn open(wanted: Option<&str>) -> Result<Arc<Gpu>> {
        Gpu::open_as(wanted, Opening::default())
    }

    /// The same, with the operands of matrix products rounded to `precision`.
    pub fn open_in(wanted: Option<&str>, precision: Precision) -> Result<Arc<Gpu>> {
        Gpu::open_as(wanted, Opening { precision, ..Opening::default() })
    }

    /// The same, but not as the adapter is: to test on one adapter what is made for another.
    pub fn open_as(wanted: Option<&str>, opening: Opening) -> Result<Arc<Gpu>> {
        opening.check()?;
        let mut found = adapter::enumerate();
        let descriptions: Vec<Adapter> = found.iter().map(|(_, description)| description.clone()).collect();
        let (raw, mut adapter) = found.swap_remove(adapter::select(&descriptions, wanted)?);
        opening.check_adapter(&adapter)?;
        let cooperates = opening.may_cooperate(&adapter);
        let (device, queue) = pollster::block_on(raw.request_device(&wgpu::DeviceDescriptor {
            label: Some("rxlt"),
            required_features: opening.features(raw.features(), &adapter),
            required_limits: opening.limits(raw.limits(), &adapter),
            experimental_features: experimental(cooperates),
            ..Default::default()
        }))
        .map_err(|error| Error::Device(format!("cannot open {}: {error}", adapter.name)))?;
        opening.disguise(&mut adapter);
        let faults = Faults::of(&device);
        let (cache, note) = Cache::open(&device, &adapter);
        let pipelines = Pipelines::new(&device, opening.checks, &adapter, cache);
        let recorder = Mutex::new(Recorder::new(&device, &pipelines.uniform_layout));
        let timer = Timer::new(&device).map(Mutex::new);
        let gpu = Arc::new(Gpu {
            device,
            queue,
            pipelines,
            pool: Mutex::default(),
            bindings: Mutex::default(),
            recorder,
            timer,
            faults,
            counters: Counters::default(),
            tuner: Mutex::default(),
            cooperative: OnceLock::new(),
            landings: Mutex::default(),
            notes: OnceLock::new(),
            adapter,
            opening,
        });
        let refusal = if cooperates { gpu.try_cooperative() } else { None };
        gpu.notes.set(note.into_iter().chain(refusal).collect()).expect("a GPU is opened once");
        Ok(gpu)
    }

    /// What there was to say on opening it.
    pub fn notes(&self) -> &[String] {
        self.notes.get().map_or(&[], Vec::as_slice)
    }

    /// The side of the cooperative matrices that products are made of, if any passed the test.
    pub fn cooperative(&self) -> Option<u32> {
        self.cooperative.get().copied()
    }

    /// Whether a kernel's variant was written for this adapter.
    pub(super) fn suits(&self, suits: Suits) -> bool {
        match suits {
            Suits::Cooperative(side) => self.cooperative() == Some(side),
            Suits::Hardware => self.adapter.kind != Kind::Software,
            Suits::SoftwareSubgroups(size) => {
                self.adapter.kind == Kind::Software && self.adapter.subgroups == Some((size, size))
            }
        }
    }

    /// What was opened.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// How it was opened.
    pub(super) fn opening(&self) -> Opening {
        self.opening
    }

    /// What operands of matrix products are rounded to.
    pub fn precision(&self) -> Precision {
        self.opening.precision
    }

    /// The most bytes that one tensor may have.
    pub fn max_binding_bytes(&self) -> usize {
        (self.adapter.max_binding_bytes.min(self.adapter.max_buffer_bytes) & !15) as usize
    }

    /// Gives the device back to the system, as a driver does that resets it: whatever is asked for afterwards is an
    /// error.
    pub fn destroy(&self) {
        self.faults.lose();
        self.device.destroy();
        // The news comes with a poll; what that says of a device that is gone is no news.
        let _ =
            self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(Duration::from_secs(1)) });
    }

    /// Makes the pipelines of these entry points, all at once, before they are needed.
    pub fn prepare(&self, entries: &[Entry]) {
        entries.par_iter().for_each(|(shader, entry)| drop(self.pipeline(*shader, entry)));
    }

    /// What running a kernel takes: the words of its scratch buffers, its ids and its entry points.
    pub fn needs<'a>(&self, kernel: &'a Kernel, formats: &Formats) -> (Vec<usize>, Vec<&'a Ids>, Vec<Entry>) {
        let kernel = self.chosen(kernel, formats);
        let dispatches = || kernel.dispatches.iter().filter(|dispatch| dispatch.workgroups > 0);
        let ids = dispatches().flat_map(|dispatch| &dispatch.bindings).filter_map(|binding| match binding {
            Binding::Ids(ids) => Some(ids),
            _ => None,
        });
        let entries = dispatches().map(|dispatch| (dispatch.shader_for(kernel, formats), dispatch.entry));
        (formats.scratch_words(kernel), ids.collect(), entries.collect())
    }

    /// A buffer of `len` zeros.
    pub fn zeros(self: &Arc<Self>, len: usize) -> Buffer {
        let buffer = self.allocate(len, Format::F32);
        if len > 0 {
            self.record_clear(buffer.raw(), buffer.bytes());
        }
        buffer
    }

    /// A buffer of these words.
    pub fn upload(self: &Arc<Self>, words: &[u32]) -> Buffer {
        let buffer = self.allocate(words.len(), Format::F32);
        self.overwrite(&buffer, words);
        buffer
    }

    /// Replaces the words of a buffer: what was recorded before still sees the old ones.
    pub fn overwrite(&self, buffer: &Buffer, words: &[u32]) {
        assert_eq!(buffer.words(), words.len(), "a buffer is overwritten whole");
        if !words.is_empty() {
            self.record_write(buffer.raw(), words);
        }
    }

    /// Records the dispatches of a kernel; of its variants, those made for this adapter or found to be fastest.
    pub fn run(self: &Arc<Self>, kernel: &Kernel, outputs: &[&Buffer], inputs: &[&Buffer]) {
        let of = |buffers: &[&Buffer]| buffers.iter().map(|buffer| buffer.format()).collect();
        let formats = Formats { outputs: of(outputs), inputs: of(inputs) };
        self.run_variant(self.tuned(kernel, &formats), &formats, outputs, inputs);
    }

    /// Records the dispatches of just this kernel, whose buffers are stored as told.
    pub(super) fn run_variant(
        self: &Arc<Self>,
        kernel: &Kernel,
        formats: &Formats,
        outputs: &[&Buffer],
        inputs: &[&Buffer],
    ) {
        let words = formats.scratch_words(kernel);
        let scratch: Vec<Buffer> = words.iter().map(|words| self.allocate(*words, Format::F32)).collect();
        let n_launches = kernel.dispatches.len();
        for (place, dispatch) in kernel.dispatches.iter().enumerate().filter(|(_, dispatch)| dispatch.workgroups > 0) {
            let buffers: Vec<&Buffer> = dispatch
                .bindings
                .iter()
                .map(|binding| match binding {
                    Binding::Output(i) => outputs[*i],
                    Binding::Input(i) => inputs[*i],
                    Binding::Scratch(i) => &scratch[*i],
                    Binding::Ids(ids) => self.mirror(ids),
                })
                .collect();
            let pipeline = self.pipeline(dispatch.shader_for(kernel, formats), dispatch.entry);
            let group = self.bind(&pipeline, dispatch, &buffers);
            self.record(&pipeline, &group, &dispatch.uniform, dispatch.workgroups, (place, n_launches));
        }
    }

    /// The device's copy of some ids.
    fn mirror<'a>(self: &Arc<Self>, ids: &'a Ids) -> &'a Buffer {
        let mirror = ids.mirror(|words| Arc::new(self.upload(words)));
        let buffer: &Buffer = mirror.downcast_ref().expect("only this function mirrors ids");
        assert!(Arc::ptr_eq(buffer.gpu(), self), "ids that were used on one GPU are used on another");
        buffer
    }

    /// The buffers of a dispatch, bound: as they were the last time, if these were bound to this pipeline before.
    fn bind(&self, pipeline: &Pipeline, dispatch: &Dispatch, buffers: &[&Buffer]) -> wgpu::BindGroup {
        let ids = || pipeline.slots.iter().filter_map(|slot| buffers.get(slot.binding as usize)).map(|b| b.id());
        let key = (pipeline.id, ids().collect());
        if let Some(group) = lock(&self.bindings).get(&key) {
            return group;
        }
        let group = self.make_group(pipeline, dispatch, buffers);
        lock(&self.bindings).keep(key, &group);
        group
    }

    fn make_group(&self, pipeline: &Pipeline, dispatch: &Dispatch, buffers: &[&Buffer]) -> wgpu::BindGroup {
        let label = &pipeline.label;
        let buffer_of = |binding: u32| {
            let buffer = buffers.get(binding as usize);
            *buffer.unwrap_or_else(|| panic!("{label}: nothing is bound at {binding} of {:?}", dispatch.bindings))
        };
        for slot in pipeline.slots.iter().filter(|slot| slot.writable) {
            let written = buffer_of(slot.binding).raw();
            let twice = |other: &&super::pipeline::Slot| {
                other.binding != slot.binding && buffer_of(other.binding).raw() == written
            };
            if let Some(other) = pipeline.slots.iter().find(twice) {
                panic!("{label}: bindings {} and {} are one buffer, and one writes", slot.binding, other.binding);
            }
        }
        let entries: Vec<_> = pipeline
            .slots
            .iter()
            .map(|slot| {
                let buffer = buffer_of(slot.binding);
                let size = wgpu::BufferSize::new(buffer.bound_bytes());
                let binding = wgpu::BufferBinding { buffer: buffer.raw(), offset: 0, size };
                wgpu::BindGroupEntry { binding: slot.binding, resource: wgpu::BindingResource::Buffer(binding) }
            })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(label),
            layout: &pipeline.layout,
            entries: &entries,
        });
        self.faults.check(label);
        count(&self.counters.bind_groups);
        group
    }

    /// The numbers of a buffer. Submits and waits.
    pub fn read(self: &Arc<Self>, buffer: &Buffer) -> Vec<f32> {
        self.read_later(buffer).wait()
    }

    /// Records that the numbers are brought to the host with the next submission.
    pub fn read_later(self: &Arc<Self>, buffer: &Buffer) -> Pending {
        let staging = self.landing(buffer.bytes());
        let (arrived, arrival) = mpsc::channel();
        let submission = Arc::new(OnceLock::new());
        let reader = Reader { staging: staging.clone(), submission: submission.clone(), arrived };
        self.record_read(buffer.raw(), buffer.bytes().max(4), reader);
        Pending { gpu: self.clone(), staging, len: buffer.len(), format: buffer.format(), submission, arrival }
    }

    /// A buffer that the host can read.
    fn landing(&self, bytes: u64) -> wgpu::Buffer {
        let used = (bytes <= SMALL_READ).then(|| lock(&self.landings).pop()).flatten();
        used.unwrap_or_else(|| {
            let made = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("read-back"),
                size: bytes.max(SMALL_READ),
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            self.faults.check("numbers are to be read");
            count(&self.counters.transfers);
            made
        })
    }

    /// Waits for a submission, in slices, so that a lost or stuck device is noticed.
    pub(super) fn wait_for(&self, submission: &wgpu::SubmissionIndex) {
        let patience = Duration::from_secs(if self.adapter.kind == Kind::Software { 3_600 } else { 300 });
        let start = Instant::now();
        loop {
            let result = self.device.poll(wgpu::PollType::Wait {
                submission_index: Some(submission.clone()),
                timeout: Some(Duration::from_secs(1)),
            });
            self.faults.check("the GPU is waited for");
            match result {
                Ok(_) => return,
                Err(wgpu::PollError::Timeout) if start.elapsed() < patience => {}
                Err(error) => raise(Error::Device(format!(
                    "{} does not answer after {} s ({error}); look for driver resets in the system's log, then resume \
                     the run",
                    self.adapter.name,
                    start.elapsed().as_secs()
                ))),
            }
        }
    }
}

/// Numbers on their way to the host.
pub struct Pending {
    gpu: Arc<Gpu>,
    staging: wgpu::Buffer,
    len: usize,
    format: Format,
    submission: Arc<OnceLock<wgpu::SubmissionIndex>>,
    arrival: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Pending {
    /// The numbers, once they have arrived. Submits what was recorded if that has not happened yet.
    pub fn wait(self) -> Vec<f32> {
        if self.submission.get().is_none() {
            self.gpu.submit();
        }
        let submission = self.submission.get().expect("the copy was submitted");
        self.gpu.wait_for(submission);
        let mapped = matches!(self.arrival.try_recv(), Ok(Ok(())));
        let view = mapped.then(|| self.staging.get_mapped_range(..).ok()).flatten();
        let Some(view) = view else {
            self.gpu.faults.check("numbers are read");
            raise(Error::Device(format!(
                "{} did not deliver its results: it was lost; look for driver resets in the system's log, then resume \
                 the run",
                self.gpu.adapter.name
            )))
        };
        let numbers = match self.format {
            Format::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(&view[..self.len * 4]),
            Format::F16 => {
                let pairs = view[..self.len * 2].as_chunks().0.iter();
                pairs.map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
            }
        };
        drop(view);
        if self.staging.size() == SMALL_READ {
            self.staging.unmap();
            lock(&self.gpu.landings).push(self.staging);
        }
        numbers
    }
}
