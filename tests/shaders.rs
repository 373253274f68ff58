//! Every shader composes, is valid, fits the smallest adapters, and translates for every platform.

use naga::{
    AddressSpace, Module,
    back::{hlsl, msl, spv},
    proc::Layouter,
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};
use rxlt::gpu::shaders;

/// Storage buffers that one entry point may use: WebGPU's default is 8, and Metal takes one for itself.
const MAX_STORAGE_BUFFERS: usize = 7;
/// Bytes that a workgroup may share: WebGPU's default.
const MAX_WORKGROUP_BYTES: u32 = 16_384;

/// Parses and validates; only shaders for subgroups of eight lanes may use subgroups.
fn module(name: &str) -> (Module, ModuleInfo) {
    let source = shaders::compose(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    let module = naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(&source)));
    let capabilities = if source.contains("subgroup") { Capabilities::SUBGROUP } else { Capabilities::empty() };
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(&source)));
    (module, info)
}

#[test]
fn every_entry_point_fits_the_smallest_adapters() {
    for name in shaders::names() {
        let (module, info) = module(name);
        let mut layouter = Layouter::default();
        layouter.update(module.to_ctx()).expect("the module is valid");
        for (i, entry) in module.entry_points.iter().enumerate() {
            let used =
                module.global_variables.iter().filter(|(handle, _)| !info.get_entry_point(i)[*handle].is_empty());
            let (mut buffers, mut bytes) = (0, 0);
            for (_, variable) in used {
                match variable.space {
                    AddressSpace::Storage { .. } => buffers += 1,
                    AddressSpace::WorkGroup => bytes += layouter[variable.ty].size,
                    _ => {}
                }
            }
            let invocations: u32 = entry.workgroup_size.iter().product();
            assert!(buffers <= MAX_STORAGE_BUFFERS, "{name}::{}: {buffers} storage buffers", entry.name);
            assert!(bytes <= MAX_WORKGROUP_BYTES, "{name}::{}: {bytes} bytes per workgroup", entry.name);
            assert!(invocations <= 256, "{name}::{}: {invocations} invocations", entry.name);
        }
    }
}

#[test]
fn every_shader_translates_to_spir_v() {
    for name in shaders::names() {
        let (module, info) = module(name);
        let options = spv::Options { lang_version: (1, 3), ..Default::default() };
        spv::write_vec(&module, &info, &options, None).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_shader_translates_to_metal() {
    for name in shaders::names() {
        let (module, info) = module(name);
        let options = msl::Options { lang_version: (2, 4), ..Default::default() };
        msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_shader_translates_to_hlsl() {
    for name in shaders::names() {
        let (module, info) = module(name);
        let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..Default::default() };
        let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
        let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
        writer.write(&module, &info, None).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
