//! How an adapter is opened: as it is, or so that tests see on it what is made for another.

use super::adapter::{Adapter, Kind};
use crate::{
    array::Precision,
    error::{Error, Result},
};

/// How an adapter is opened; by default as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Opening {
    /// Whose kernels run.
    pub kernels: Kernels,
    /// What shaders check while they run.
    pub checks: Checks,
    /// What operands of matrix products are rounded to.
    pub precision: Precision,
}

/// Whose kernels run on an adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kernels {
    /// Its own.
    #[default]
    Own,
    /// Those meant for adapters of some kind.
    For(Kind),
    /// Those that run on every adapter, within the limits that every adapter has.
    Portable,
}

/// What shaders check while they run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Checks {
    /// Nothing but what they were written to check: every kernel guards its own edges.
    #[default]
    Trusted,
    /// Every access to memory and every loop, too, and the memory of a workgroup starts as zeros.
    Checked,
    /// As trusted; but the memory of a workgroup starts as large numbers, so that whoever reads before writing is found.
    Poisoned,
}

/// Storage buffers that a portable kernel may use: WebGPU's default is 8, and Metal takes one for itself.
const PORTABLE_STORAGE_BUFFERS: u32 = 7;

impl Opening {
    /// Whether any adapter has kernels for the precision.
    pub(super) fn check(&self) -> Result<()> {
        match self.precision {
            Precision::Bf16 => Err(Error::Usage(
                "wgpu has no bf16: take --precision f16, leave it out for f32, or take --backend cpu".into(),
            )),
            _ => Ok(()),
        }
    }

    /// What the adapter lacks to be opened so, if anything: no fault of its own, but nothing that can be mended either.
    pub fn lacking(&self, adapter: &Adapter) -> Option<String> {
        match self.precision {
            Precision::F16 if !adapter.f16 => {
                Some(format!("{} with driver {} does not compute in f16", adapter.name, adapter.driver))
            }
            _ => None,
        }
    }

    /// Whether this adapter computes in the precision.
    pub(super) fn check_adapter(&self, adapter: &Adapter) -> Result<()> {
        let remedy = "leave --precision out for f32, or name another device";
        self.lacking(adapter).map_or(Ok(()), |lack| Err(Error::Device(format!("{lack}: {remedy}"))))
    }

    pub(super) fn features(&self, available: wgpu::Features, adapter: &Adapter) -> wgpu::Features {
        let f16 = if self.precision == Precision::F16 { wgpu::Features::SHADER_F16 } else { wgpu::Features::empty() };
        match self.kernels {
            Kernels::Portable => f16,
            _ => {
                let mut wanted = wgpu::Features::SUBGROUP | wgpu::Features::TIMESTAMP_QUERY;
                wanted.set(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, self.may_cooperate(adapter));
                f16 | available & (wanted | wgpu::Features::PIPELINE_CACHE)
            }
        }
    }

    /// Whether products in f16 may be made of the adapter's cooperative matrices. Drivers on the processor have better
    /// kernels, and use them only where those of real GPUs are tried.
    pub(super) fn may_cooperate(&self, adapter: &Adapter) -> bool {
        let kind = match self.kernels {
            Kernels::Own => adapter.kind,
            Kernels::For(kind) => kind,
            Kernels::Portable => Kind::Software,
        };
        kind != Kind::Software && self.precision == Precision::F16 && !adapter.cooperative.is_empty()
    }

    /// wgpu's defaults are the limits that WebGPU promises everywhere.
    pub(super) fn limits(&self, available: wgpu::Limits, adapter: &Adapter) -> wgpu::Limits {
        let uniforms = u32::from(adapter.inlines_uniforms); // in a storage buffer, too
        match self.kernels {
            Kernels::Portable => wgpu::Limits {
                max_storage_buffers_per_shader_stage: PORTABLE_STORAGE_BUFFERS + uniforms,
                ..wgpu::Limits::default()
            },
            _ => available,
        }
    }

    /// Describes an adapter as what it is opened as.
    pub(super) fn disguise(&self, adapter: &mut Adapter) {
        match self.kernels {
            Kernels::Own => {}
            Kernels::For(kind) => adapter.kind = kind,
            Kernels::Portable => {
                let limits = self.limits(wgpu::Limits::default(), adapter);
                adapter.kind = Kind::Software; // no variant for hardware
                adapter.subgroups = None;
                adapter.cooperative = Vec::new();
                adapter.max_binding_bytes = limits.max_storage_buffer_binding_size;
                adapter.max_buffer_bytes = limits.max_buffer_size;
                adapter.storage_buffers = limits.max_storage_buffers_per_shader_stage;
                adapter.workgroup_memory = limits.max_compute_workgroup_storage_size;
            }
        }
    }
}
