//! When the device reached marks in the recorded work, by its own clock.

use super::{Gpu, faults::lock};
use crate::profile::{self, Clock, Record};
use std::time::Instant;

/// Marks that may wait for their times.
const MAX_MARKS: u32 = 4096;

/// The device's clock.
pub(super) struct Timer {
    marks: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    used: u32,
    /// Launch i runs between marks 2i and 2i + 1.
    launches: Vec<Record>,
}

/// Times on their way to the host.
pub(super) struct Times {
    staging: wgpu::Buffer,
    launches: Vec<Record>,
}

impl Timer {
    /// Where the device has a clock.
    pub(super) fn new(device: &wgpu::Device) -> Option<Timer> {
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return None;
        }
        let marks = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("marks"),
            ty: wgpu::QueryType::Timestamp,
            count: MAX_MARKS,
        });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        Some(Timer { marks, resolved: buffer(device, MAX_MARKS, usage), used: 0, launches: Vec::new() })
    }

    /// The pass in which `launch` runs alone.
    pub(super) fn enclose(&mut self, launch: Record, encoder: &mut wgpu::CommandEncoder) -> wgpu::ComputePass<'static> {
        self.launches.push(launch);
        self.used += 2;
        self.pass(encoder, Some(self.used - 2), Some(self.used - 1))
    }

    /// A mark by itself.
    pub(super) fn mark(&mut self, encoder: &mut wgpu::CommandEncoder, mark: u32) {
        drop(self.pass(encoder, Some(mark), None));
    }

    fn pass(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        start: Option<u32>,
        end: Option<u32>,
    ) -> wgpu::ComputePass<'static> {
        let writes = wgpu::ComputePassTimestampWrites {
            query_set: &self.marks,
            beginning_of_pass_write_index: start,
            end_of_pass_write_index: end,
        };
        let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) };
        encoder.begin_compute_pass(&descriptor).forget_lifetime()
    }

    /// Records that the times of all marks so far go to the host, if there are any; then marks are used anew.
    pub(super) fn collect(&mut self, device: &wgpu::Device, encoder: &mut wgpu::CommandEncoder) -> Option<Times> {
        let used = std::mem::take(&mut self.used);
        if used == 0 {
            return None;
        }
        let staging = buffer(device, used, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        encoder.resolve_query_set(&self.marks, 0..used, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &staging, 0, staging.size());
        Some(Times { staging, launches: std::mem::take(&mut self.launches) })
    }
}

fn buffer(device: &wgpu::Device, marks: u32, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let size = u64::from(marks) * 8;
    device.create_buffer(&wgpu::BufferDescriptor { label: Some("marks"), size, usage, mapped_at_creation: false })
}

impl Gpu {
    /// Whether the device can tell how long its work takes.
    pub fn has_clock(&self) -> bool {
        self.timer.is_some()
    }

    /// How long the device is busy with what `run` records, by its own clock; none where it has no clock, or where
    /// the clock is taken by a profile.
    pub fn time(&self, run: impl FnOnce()) -> Option<f64> {
        let timer = self.timer.as_ref().filter(|_| !profile::is_on())?;
        self.synchronize();
        let mark = |mark| lock(timer).mark(lock(&self.recorder).copier(&self.device), mark);
        mark(0);
        run();
        mark(1);
        lock(timer).used = 2;
        let (times, submission) = self.hand_over()?;
        self.arrived(&times, &submission).first().copied()
    }

    /// Tells the profile how long launches took.
    pub(super) fn tell(&self, times: Times, submission: &wgpu::SubmissionIndex) {
        let seconds = self.arrived(&times, submission);
        for (launch, seconds) in times.launches.into_iter().zip(seconds) {
            profile::tell(Record { seconds, ..launch });
        }
    }

    /// Waits for times: the seconds between each two marks.
    fn arrived(&self, times: &Times, submission: &wgpu::SubmissionIndex) -> Vec<f64> {
        times.staging.map_async(wgpu::MapMode::Read, .., |_| ()); // where that fails there is no range below
        self.wait_for(submission);
        let Ok(view) = times.staging.get_mapped_range(..) else {
            self.faults.check("times are read");
            return Vec::new();
        };
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view[..]);
        let tick = f64::from(self.queue.get_timestamp_period()) * 1e-9;
        ticks.chunks_exact(2).map(|ends| ends[1].saturating_sub(ends[0]) as f64 * tick).collect()
    }

    /// Runs one launch without a clock of the device: waits before and after.
    pub(super) fn time_waiting(&self, launch: Record, record: impl FnOnce()) {
        self.synchronize();
        let start = Instant::now();
        record();
        self.synchronize();
        profile::tell(Record { seconds: start.elapsed().as_secs_f64(), clock: Clock::Waiting, ..launch });
    }
}
