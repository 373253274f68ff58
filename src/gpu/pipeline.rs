//! Compute pipelines, made at first use from the composed shaders.

use super::{
    Gpu,
    adapter::Adapter,
    cache::Cache,
    faults::lock,
    opening::Checks,
    shaders::{self, Shader},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};
use wgpu::naga;

/// The constant of shaders that have to know how many lanes a subgroup has.
const LANES: &str = "lanes";

/// One entry point, ready to run.
pub(super) struct Pipeline {
    /// What tells it from the others.
    pub(super) id: u64,
    pub(super) raw: wgpu::ComputePipeline,
    pub(super) label: String,
    /// The bindings of group 0 that the entry point uses.
    pub(super) slots: Vec<Slot>,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// One binding that an entry point uses.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) binding: u32,
    pub(super) writable: bool,
}

/// All pipelines so far, by shader and entry point.
pub(super) struct Pipelines {
    pub(super) uniform_layout: wgpu::BindGroupLayout,
    /// Whether uniforms lie in a storage buffer, for drivers that would compile a kernel for each.
    stored_uniforms: bool,
    checks: Checks,
    /// Lanes of a subgroup, for shaders that have to know.
    lanes: AtomicU32,
    /// What earlier processes made.
    pub(super) cache: Mutex<Option<Cache>>,
    modules: Mutex<HashMap<Shader, Arc<Module>>>,
    pipelines: Mutex<HashMap<(Shader, &'static str), Arc<Pipeline>>>,
}

struct Module {
    raw: wgpu::ShaderModule,
    ir: naga::Module,
    info: naga::valid::ModuleInfo,
}

impl Pipelines {
    pub(super) fn new(device: &wgpu::Device, checks: Checks, adapter: &Adapter, cache: Option<Cache>) -> Pipelines {
        let stored_uniforms = adapter.inlines_uniforms;
        let kind = match stored_uniforms {
            true => wgpu::BufferBindingType::Storage { read_only: true },
            false => wgpu::BufferBindingType::Uniform,
        };
        let entry = buffer_entry(0, kind, true);
        let uniform_layout = device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("uniforms"), entries: &[entry] });
        let (cache, modules) = (Mutex::new(cache), Mutex::default());
        let (lanes, pipelines) = (AtomicU32::new(0), Mutex::default());
        Pipelines { uniform_layout, stored_uniforms, checks, lanes, cache, modules, pipelines }
    }

    /// From now on, shaders are told that a subgroup has so many lanes.
    pub(super) fn set_lanes(&self, lanes: u32) {
        self.lanes.store(lanes, Ordering::Relaxed);
    }

    /// Forgets what was made of a shader.
    pub(super) fn forget(&self, shader: Shader) {
        lock(&self.pipelines).retain(|(made_of, _), _| *made_of != shader);
    }
}

fn buffer_entry(binding: u32, ty: wgpu::BufferBindingType, has_dynamic_offset: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}

impl Gpu {
    /// The pipeline of an entry point.
    pub(super) fn pipeline(&self, shader: Shader, entry: &'static str) -> Arc<Pipeline> {
        if let Some(pipeline) = lock(&self.pipelines.pipelines).get(&(shader, entry)) {
            return pipeline.clone();
        }
        let pipeline = Arc::new(self.make_pipeline(shader, entry));
        lock(&self.pipelines.pipelines).entry((shader, entry)).or_insert(pipeline).clone()
    }

    fn make_pipeline(&self, shader: Shader, entry: &'static str) -> Pipeline {
        let module = self.module(shader);
        let label = format!("{shader}::{entry}");
        let slots = slots(&module, &label, entry);
        let entries: Vec<_> = slots
            .iter()
            .map(|slot| {
                buffer_entry(slot.binding, wgpu::BufferBindingType::Storage { read_only: !slot.writable }, false)
            })
            .collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(&label), entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&layout), Some(&self.pipelines.uniform_layout)],
            immediate_size: 0,
        });
        let cache = lock(&self.pipelines.cache).as_ref().map(|cache| cache.raw.clone());
        let told = module.ir.overrides.iter().any(|(_, constant)| constant.name.as_deref() == Some(LANES));
        let constants = [(LANES, f64::from(self.pipelines.lanes.load(Ordering::Relaxed)))];
        let raw = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&pipeline_layout),
            module: &module.raw,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: if told { &constants } else { &[] },
                zero_initialize_workgroup_memory: self.pipelines.checks == Checks::Checked,
            },
            cache: cache.as_ref(),
        });
        self.faults.check(&label);
        let id = self.counters.pipelines.fetch_add(1, Ordering::Relaxed);
        Pipeline { id, raw, label, slots, layout }
    }

    fn module(&self, shader: Shader) -> Arc<Module> {
        if let Some(module) = lock(&self.pipelines.modules).get(&shader) {
            return module.clone();
        }
        let mut source = shaders::compose(shader).unwrap_or_else(|reason| panic!("shader {shader}: {reason}"));
        if self.pipelines.checks == Checks::Poisoned {
            source = shaders::poison(&source);
        }
        if self.pipelines.stored_uniforms {
            source = source.replace("var<uniform>", "var<storage, read>");
        }
        let ir = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|error| panic!("shader {shader}: {}", error.emit_to_string(&source)));
        let info = naga::valid::Validator::new(Default::default(), naga::valid::Capabilities::all())
            .validate(&ir)
            .unwrap_or_else(|error| panic!("shader {shader}: {}", error.emit_to_string(&source)));
        let raw = self.raw_module(&shader.to_string(), source);
        self.faults.check(format_args!("shader {shader}"));
        let module = Arc::new(Module { raw, ir, info });
        lock(&self.pipelines.modules).insert(shader, module.clone());
        module
    }
}

impl Gpu {
    /// wgpu's module of one of our own sources.
    #[expect(
        unsafe_code,
        reason = "checks of every access and loop cost a tenth of a matrix product, and more of others"
    )]
    fn raw_module(&self, shader: &str, source: String) -> wgpu::ShaderModule {
        let source = wgpu::ShaderSource::Wgsl(source.into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(shader), source };
        if self.pipelines.checks == Checks::Checked {
            return self.device.create_shader_module(descriptor);
        }
        let checks = wgpu::ShaderRuntimeChecks {
            bounds_checks: false,
            force_loop_bounding: false,
            ..wgpu::ShaderRuntimeChecks::checked()
        };
        // SAFETY: the source is one of ours, composed from what build.rs lists and nothing else, and it was validated.
        // Every kernel guards its edges by the extents in its uniform, which its operation derives from the shapes of
        // the buffers; ids are compared with the rows of their table before anything is recorded; every loop counts
        // towards an extent. tests/ops.rs runs every kernel with and without checks and compares bit for bit.
        unsafe { self.device.create_shader_module_trusted(descriptor, checks) }
    }
}

/// The bindings of group 0 that an entry point uses, directly or through functions.
fn slots(module: &Module, label: &str, entry: &str) -> Vec<Slot> {
    let position = module.ir.entry_points.iter().position(|point| point.name == entry);
    let uses = module.info.get_entry_point(position.unwrap_or_else(|| panic!("{label}: there is no such entry point")));
    let mut slots: Vec<Slot> = module
        .ir
        .global_variables
        .iter()
        .filter(|(handle, _)| !uses[*handle].is_empty())
        .filter_map(|(_, variable)| match (&variable.binding, variable.space) {
            (Some(at), naga::AddressSpace::Storage { access }) if at.group == 0 => {
                Some(Slot { binding: at.binding, writable: access.contains(naga::StorageAccess::STORE) })
            }
            _ => None,
        })
        .collect();
    slots.sort_by_key(|slot| slot.binding);
    slots
}
