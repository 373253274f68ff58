//! Models and training against the numbers of PyTorch and transformers: hidden states, logits, loss, every gradient,
//! twelve steps of AdamW, and the perturbations of projected gradient ascent.
//!
//! `RXLT_GOLDEN` names another folder of golden folders, of whatever sizes; the default is the project's own copies in
//! tests/golden, and those of the shared folder where it is there.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::Precision,
    cpu,
    doctor::models::{Golden, PARTS, in_precision},
    gpu::Opening,
    tensor::Device,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() {
    let mut tests = Vec::new();
    for folder in folders() {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let name = format!("{}::{name}", parent.unwrap_or_default());
        let (cpu, bf16, f16, gpu) = (folder.clone(), folder.clone(), folder.clone(), folder);
        tests.push(Test::new(format!("{name}::cpu in bf16"), move || check_bf16(&bf16)));
        tests.push(Test::new(format!("{name}::wgpu in f16"), move || check_f16(&f16)));
        tests.push(Test::new(format!("{name}::cpu"), move || check(&cpu, &Device::cpu())));
        tests.push(Test::new(format!("{name}::wgpu"), move || harness::on_gpu(|device| check(&gpu, device))));
    }
    harness::run(tests);
}

fn folders() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let roots = match env::var_os("RXLT_GOLDEN") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => vec![own, harness::shared_folder().join("golden")],
    };
    let entries = roots.iter().flat_map(|root| fs::read_dir(root).into_iter().flatten().flatten());
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join("golden.safetensors").exists()).collect();
    folders.sort();
    assert!(!folders.is_empty(), "no folder with golden.safetensors below {roots:?}");
    folders
}

fn check(folder: &Path, device: &Device) -> Outcome {
    with(folder, |golden| {
        for part in &PARTS {
            let verdict = part.compare(golden, device).verdict();
            assert!(verdict.is_ok(), "{}: {}", part.name, verdict.unwrap_err());
        }
    })
}

fn check_bf16(folder: &Path) -> Outcome {
    match cpu::supports(Precision::Bf16) {
        true => check_rounded(folder, &Device::Cpu(Precision::Bf16)),
        false => Outcome::Ignored("this processor has no AVX512-BF16".into()),
    }
}

fn check_f16(folder: &Path) -> Outcome {
    let opening = Opening { precision: Precision::F16, ..Opening::default() };
    harness::on_gpu_as(opening, |device| check_rounded(folder, device))
}

fn check_rounded(folder: &Path, device: &Device) -> Outcome {
    with(folder, |golden| {
        let seen = in_precision(golden, device);
        println!("    {seen:?}");
        assert_eq!(seen.verdict(), Ok(()));
    })
}

/// What a folder holds, or why it cannot be checked yet.
fn with(folder: &Path, test: impl FnOnce(&Golden)) -> Outcome {
    match Golden::open(folder) {
        Ok(golden) => {
            test(&golden);
            Outcome::Passed
        }
        Err(reason) => Outcome::Ignored(reason),
    }
}
