//! Every shader composes, is valid, fits the smallest adapters, and translates for every platform.

mod harness;

use harness::{Outcome, Test};
use naga::{
    AddressSpace, Module,
    back::{PipelineConstants, hlsl, msl, pipeline_constants::process_overrides, spv},
    proc::Layouter,
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};
use rxlt::gpu::{Shader, shaders};
use std::{path::Path, process::Command};

/// Storage buffers that one entry point may use: WebGPU's default is 8, and Metal takes one for itself.
const MAX_STORAGE_BUFFERS: usize = 7;
/// Bytes that a workgroup may share: WebGPU's default.
const MAX_WORKGROUP_BYTES: u32 = 16_384;

/// The capability CooperativeMatrixKHR, in the words of a validator that was made before it.
const UNKNOWN_TO_OLD_VALIDATORS: &str = "Invalid capability operand: 6022";

fn main() {
    let mut tests = Vec::new();
    for shader in Shader::all() {
        let mut add = |what: &str, check: fn(Shader) -> Outcome| {
            tests.push(Test::new(format!("{shader}: {what}"), move || check(shader)));
        };
        add("fits the smallest adapters", fits);
        add("SPIR-V", spir_v);
        add("Metal", metal);
        add("HLSL", hlsl);
    }
    harness::run(tests);
}

/// Parses and validates; only shaders for subgroups of eight lanes and those with cooperative matrices may use
/// subgroups, and only these and those in f16 f16. What is for the driver to fill in has its default.
fn module(shader: Shader) -> (Module, ModuleInfo) {
    let source = shaders::compose(shader).unwrap_or_else(|error| panic!("{shader}: {error}"));
    let module = naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|error| panic!("{shader}: {}", error.emit_to_string(&source)));
    let mut capabilities = if source.contains("subgroup") { Capabilities::SUBGROUP } else { Capabilities::empty() };
    let in_f16 = shader.operands || shader.inputs || shader.output;
    capabilities.set(Capabilities::SHADER_FLOAT16, in_f16 || cooperates(shader));
    capabilities.set(Capabilities::COOPERATIVE_MATRIX, cooperates(shader));
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{shader}: {}", error.emit_to_string(&source)));
    let defaults = PipelineConstants::default();
    let (module, info) = process_overrides(&module, &info, None, &defaults).expect("all constants have defaults");
    (module.into_owned(), info.into_owned())
}

/// Whether a shader is for adapters with cooperative matrices.
fn cooperates(shader: Shader) -> bool {
    shader.stem.contains("_cooperative")
}

fn fits(shader: Shader) -> Outcome {
    let (module, info) = module(shader);
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).expect("the module is valid");
    for (i, entry) in module.entry_points.iter().enumerate() {
        let used = module.global_variables.iter().filter(|(handle, _)| !info.get_entry_point(i)[*handle].is_empty());
        let (mut buffers, mut bytes) = (0, 0);
        for (_, variable) in used {
            match variable.space {
                AddressSpace::Storage { .. } => buffers += 1,
                AddressSpace::WorkGroup => bytes += layouter[variable.ty].size,
                _ => {}
            }
        }
        let invocations: u32 = entry.workgroup_size.iter().product();
        assert!(buffers <= MAX_STORAGE_BUFFERS, "{shader}::{}: {buffers} storage buffers", entry.name);
        assert!(bytes <= MAX_WORKGROUP_BYTES, "{shader}::{}: {bytes} bytes per workgroup", entry.name);
        assert!(invocations <= 256, "{shader}::{}: {invocations} invocations", entry.name);
    }
    Outcome::Passed
}

/// As wgpu has it written: one module for each entry point. Khronos' validator has the last word.
fn spir_v(shader: Shader) -> Outcome {
    let (module, info) = module(shader);
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut outcome = Outcome::Passed;
    for entry in &module.entry_points {
        let pipeline =
            spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.name.clone() };
        let words = spv::write_vec(&module, &info, &options, Some(&pipeline));
        let words = words.unwrap_or_else(|error| panic!("{shader}::{}: {error}", entry.name));
        let path = folder.path().join("entry.spv");
        std::fs::write(&path, words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()).expect("a file");
        outcome = validate(&path, &format!("{shader}::{}", entry.name));
    }
    outcome
}

/// Runs spirv-val. Without it the test is ignored, or fails with `RXLT_REQUIRE_SPIRV_VAL=1`.
fn validate(path: &Path, what: &str) -> Outcome {
    match Command::new("spirv-val").args(["--target-env", "vulkan1.1"]).arg(path).output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            if said.contains(UNKNOWN_TO_OLD_VALIDATORS) {
                return Outcome::Ignored("this spirv-val is older than cooperative matrices (2023.4)".to_string());
            }
            assert!(output.status.success(), "{what}: {said}");
            Outcome::Passed
        }
        Err(error) => {
            assert!(
                std::env::var("RXLT_REQUIRE_SPIRV_VAL").is_err(),
                "required, but spirv-val does not start: {error}"
            );
            Outcome::Ignored("there is no spirv-val (Debian: spirv-tools)".to_string())
        }
    }
}

fn metal(shader: Shader) -> Outcome {
    let (module, info) = module(shader);
    if shader.stem.contains("_cooperative16") {
        return Outcome::Ignored("Metal's cooperative matrices are 8 x 8".to_string());
    }
    let options = msl::Options { lang_version: (2, 4), ..Default::default() };
    msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
        .unwrap_or_else(|error| panic!("{shader}: {error}"));
    Outcome::Passed
}

fn hlsl(shader: Shader) -> Outcome {
    if cooperates(shader) {
        return Outcome::Ignored("HLSL has no cooperative matrices, nor claims an adapter of DX12 to".to_string());
    }
    let (module, info) = module(shader);
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_2, ..Default::default() };
    let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
    let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
    writer.write(&module, &info, None).unwrap_or_else(|error| panic!("{shader}: {error}"));
    Outcome::Passed
}
