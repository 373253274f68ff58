//! The adapters of this machine: what they can do, and which one a user means.

use crate::error::{Error, Result};
use std::fmt;

/// What an adapter is made of, the most desirable first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A card with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU lent by a virtual machine's host.
    Virtual,
    /// Something that does not say.
    Other,
    /// A driver that computes on the processor: for tests, never chosen unless named.
    Software,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Kind::Discrete => "discrete",
            Kind::Integrated => "integrated",
            Kind::Virtual => "virtual",
            Kind::Other => "other",
            Kind::Software => "software",
        })
    }
}

/// One way to reach one GPU, and what it can do.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Its place in the list of all.
    pub position: usize,
    /// The card's name.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// The driver's name and version.
    pub driver: String,
    /// What it is made of.
    pub kind: Kind,
    /// Bytes of memory, where the driver tells.
    pub memory: Option<u64>,
    /// The most bytes that a shader sees of one buffer.
    pub max_binding_bytes: u64,
    /// The most bytes that a buffer holds.
    pub max_buffer_bytes: u64,
    /// How many buffers a shader sees at once.
    pub storage_buffers: u32,
    /// Bytes of memory that a workgroup shares.
    pub workgroup_memory: u32,
    /// Whether shaders compute in f16.
    pub f16: bool,
    /// The smallest and the largest subgroup, where shaders may use subgroups.
    pub subgroups: Option<(u32, u32)>,
    /// The sides of the square matrices of f16 that a subgroup multiplies together with sums in f32, the largest first.
    pub cooperative: Vec<u32>,
    /// Whether the driver compiles a kernel anew for every value of a uniform that it branches on: Mesa's lavapipe does,
    /// at some milliseconds a dispatch, and keeps them all.
    pub inlines_uniforms: bool,
    /// The position of an adapter before this one that is the same card under another driver.
    pub duplicate_of: Option<usize>,
}

impl Adapter {
    fn describe(adapter: &wgpu::Adapter) -> Adapter {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => Kind::Discrete,
            wgpu::DeviceType::IntegratedGpu => Kind::Integrated,
            wgpu::DeviceType::VirtualGpu => Kind::Virtual,
            wgpu::DeviceType::Cpu => Kind::Software,
            wgpu::DeviceType::Other => Kind::Other,
        };
        Adapter {
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            backend: info.backend.to_string(),
            kind,
            memory: (kind == Kind::Software).then(system_memory).flatten(),
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            f16: features.contains(wgpu::Features::SHADER_F16),
            subgroups: features
                .contains(wgpu::Features::SUBGROUP)
                .then_some((info.subgroup_min_size, info.subgroup_max_size)),
            cooperative: cooperative(adapter),
            inlines_uniforms: info.driver == "llvmpipe",
            duplicate_of: None,
            position: 0,
            name: info.name,
        }
    }
}

/// The sides of the square matrices of f16 with sums in f32 that subgroups multiply, the largest first.
fn cooperative(adapter: &wgpu::Adapter) -> Vec<u32> {
    if !adapter.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        return Vec::new();
    }
    let side = |found: &wgpu::CooperativeMatrixProperties| {
        let types =
            [found.ab_type, found.cr_type] == [wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32];
        (types && [found.m_size, found.n_size] == [found.k_size; 2]).then_some(found.k_size)
    };
    let mut sides: Vec<u32> = adapter.cooperative_matrix_properties().iter().filter_map(side).collect();
    sides.sort_unstable_by(|a, b| b.cmp(a));
    sides.dedup();
    sides
}

/// The processor's memory in bytes, where the system tells.
fn system_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Every adapter that can compute, with its description.
pub(super) fn enumerate() -> Vec<(wgpu::Adapter, Adapter)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    descriptor.flags =
        if cfg!(debug_assertions) { wgpu::InstanceFlags::debugging() } else { wgpu::InstanceFlags::empty() };
    descriptor.memory_budget_thresholds.for_resource_creation = Some(97);
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut adapters: Vec<(wgpu::Adapter, Adapter)> = Vec::new();
    for adapter in found {
        let capabilities = adapter.get_downlevel_capabilities();
        if capabilities.flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
            let mut description = Adapter::describe(&adapter);
            description.position = adapters.len();
            description.duplicate_of = adapters.iter().position(|(other, _)| same_card(other, &adapter));
            adapters.push((adapter, description));
        }
    }
    adapters
}

/// Whether two adapters are one card under two drivers.
fn same_card(a: &wgpu::Adapter, b: &wgpu::Adapter) -> bool {
    let (a, b) = (a.get_info(), b.get_info());
    let other_driver = a.backend != b.backend || a.driver != b.driver;
    let same_place = a.device_pci_bus_id == b.device_pci_bus_id || a.backend != b.backend;
    other_driver && same_place && (a.vendor, a.device) == (b.vendor, b.device)
}

/// The position of the adapter that `wanted` means: a position, `vulkan:1` (a position among those of one backend),
/// or a part of a name. Without one: a discrete GPU, else an integrated one, else whatever is no software.
pub fn select(adapters: &[Adapter], wanted: Option<&str>) -> Result<usize> {
    let Some(wanted) = wanted else {
        let hardware = (0..adapters.len()).filter(|i| adapters[*i].kind != Kind::Software);
        return hardware.min_by_key(|i| (adapters[*i].kind, *i)).ok_or_else(|| {
            let (found, remedy) = match adapters {
                [] => {
                    ("there is no adapter at all".to_string(), "install the GPU's Vulkan driver, or use --backend cpu")
                }
                _ => (
                    format!("found only {}", list(adapters)),
                    "install the GPU's Vulkan driver, name a software adapter by --device, or use --backend cpu",
                ),
            };
            Error::Device(format!("expected a GPU, {found}; {remedy}"))
        });
    };
    let lower = wanted.to_lowercase();
    let (backend, position) = match lower.split_once(':') {
        Some((backend, position)) => (Some(backend), position.parse().ok()),
        None => (None, lower.parse::<usize>().ok()),
    };
    let of_backend = |i: &usize| backend.is_none_or(|backend| adapters[*i].backend == backend);
    let found = match position {
        Some(position) => (0..adapters.len()).filter(of_backend).nth(position),
        None => (0..adapters.len())
            .filter(|i| adapters[*i].name.to_lowercase().contains(&lower) || adapters[*i].backend == lower)
            .min_by_key(|i| (adapters[*i].kind, *i)),
    };
    found.ok_or_else(|| {
        let (found, remedy) = match adapters {
            [] => ("there is no adapter at all".to_string(), "install the GPU's Vulkan driver, or use --backend cpu"),
            _ => (format!("found {}", list(adapters)), "name one of these by its number or a part of its name"),
        };
        Error::Device(format!("no adapter matches \"{wanted}\": {found}; {remedy}"))
    })
}

/// `adapter 0, llvmpipe (LLVM 15.0.6) [vulkan, software]` and so on.
fn list(adapters: &[Adapter]) -> String {
    let named =
        adapters.iter().enumerate().map(|(i, a)| format!("adapter {i}, {} [{}, {}]", a.name, a.backend, a.kind));
    named.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, backend: &str, kind: Kind) -> Adapter {
        Adapter {
            name: name.to_string(),
            backend: backend.to_string(),
            driver: String::new(),
            kind,
            memory: None,
            max_binding_bytes: 1 << 27,
            max_buffer_bytes: 1 << 28,
            storage_buffers: 8,
            inlines_uniforms: false,
            workgroup_memory: 16_384,
            f16: false,
            subgroups: None,
            cooperative: Vec::new(),
            duplicate_of: None,
            position: 0,
        }
    }

    #[test]
    fn an_adapter_is_found_as_the_user_names_it() {
        let adapters = [
            adapter("llvmpipe (LLVM 15)", "vulkan", Kind::Software),
            adapter("Iris Xe", "vulkan", Kind::Integrated),
            adapter("GeForce RTX", "dx12", Kind::Discrete),
            adapter("GeForce RTX", "vulkan", Kind::Discrete),
        ];
        let cases = [
            (None, Some(2)),
            (Some("0"), Some(0)),
            (Some("LLVMpipe"), Some(0)),
            (Some("vulkan:1"), Some(1)),
            (Some("vulkan:2"), Some(3)),
            (Some("vulkan"), Some(3)),
            (Some("iris"), Some(1)),
            (Some("geforce"), Some(2)),
            (Some("4"), None),
            (Some("metal:0"), None),
            (Some("radeon"), None),
        ];
        for (wanted, expected) in cases {
            assert_eq!(select(&adapters, wanted).ok(), expected, "{wanted:?}");
        }
        let message = |adapters, wanted| select(adapters, wanted).unwrap_err().message().to_string();
        let software = "expected a GPU, found only adapter 0, llvmpipe (LLVM 15) [vulkan, software]; install";
        assert!(message(&adapters[..1], None).starts_with(software), "software is never chosen unless named");
        assert!(message(&[], None).starts_with("expected a GPU, there is no adapter at all; install"));
        assert!(message(&adapters[..1], Some("x")).starts_with("no adapter matches \"x\": found adapter 0, llvmpipe"));
    }

    #[test]
    fn only_what_is_asked_for_can_be_lacking() {
        use crate::{array::Precision, gpu::Opening};
        let plain = adapter("SwiftShader", "vulkan", Kind::Software);
        let lacking = |adapter, precision| Opening { precision, ..Opening::default() }.lacking(adapter);
        assert_eq!(lacking(&plain, Precision::F32), None);
        let expected = "SwiftShader with driver  does not compute in f16";
        assert_eq!(lacking(&plain, Precision::F16).as_deref(), Some(expected));
        assert_eq!(lacking(&Adapter { f16: true, ..plain.clone() }, Precision::F16), None);
    }
}
