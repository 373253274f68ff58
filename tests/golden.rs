//! Models and training against the numbers of PyTorch and transformers: hidden states, logits, loss, every gradient,
//! twelve steps of AdamW, and the perturbations of projected gradient ascent.
//!
//! `RXLT_GOLDEN` names another folder of golden folders, of whatever sizes; the default is the project's own copies in
//! tests/golden, and those of the shared folder where it is there.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::{Precision, Segments},
    checkpoint::Weights,
    cpu,
    doctor::models::{Golden, PARTS, in_precision, rounding},
    gpu::Opening,
    models::{Batch, Config, HeadKind, Model, Target},
    rng::Rng,
    tensor::Device,
};
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

fn main() {
    let mut tests = Vec::new();
    for folder in folders() {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let name = format!("{}::{name}", parent.unwrap_or_default());
        let [cpu, bf16, f16, gpu, written] = [0; 5].map(|_| folder.clone());
        tests.push(Test::new(format!("{name}::written"), move || check_written(&written)));
        tests.push(Test::new(format!("{name}::cpu in bf16"), move || check_bf16(&bf16)));
        tests.push(Test::new(format!("{name}::wgpu in f16"), move || check_f16(&f16)));
        tests.push(Test::new(format!("{name}::cpu"), move || check(&cpu, &Device::cpu())));
        tests.push(Test::new(format!("{name}::wgpu"), move || harness::on_gpu(|device| check(&gpu, device))));
    }
    tests.push(Test::new("models of many sizes::cpu in bf16", || match cpu::supports(Precision::Bf16) {
        true => many_sizes(&Device::Cpu(Precision::Bf16)),
        false => Outcome::Ignored("this processor has no AVX512-BF16".into()),
    }));
    tests.push(Test::new("models of many sizes::wgpu in f16", || {
        let opening = Opening { precision: Precision::F16, ..Opening::default() };
        harness::on_gpu_as(opening, many_sizes)
    }));
    harness::run_in_two(tests, |name| name.rsplit_once("::").map_or(name, |(folder, _)| folder));
}

/// The bound of the rounded precisions holds for models that nobody looked at when it was made, and is near what is seen.
fn many_sizes(device: &Device) -> Outcome {
    let mut shares = Vec::new();
    for seed in 0..32 {
        let mut rng = Rng::new(seed, 0);
        let (layers, heads) = (1 + rng.below(6) as usize, 1 << rng.below(3));
        let hidden = heads * 4 * (1 + rng.below(8) as usize);
        let (kind, types) = match seed {
            24.. => ("modernbert", 1),
            _ if seed % 2 == 0 => ("xlm-roberta", 1),
            _ => ("bert", 2),
        };
        let config = serde_json::json!({
            "model_type": kind, "vocab_size": 90, "hidden_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "intermediate_size": 2 * hidden, "max_position_embeddings": 40,
            "type_vocab_size": types, "pad_token_id": types % 2, "initializer_range": 0.02 + 0.1 * rng.uniform(),
            "local_attention": 8, "classifier_pooling": if seed % 2 == 0 { "mean" } else { "cls" },
        });
        let config = Config::new(config.as_object().expect("an object").clone()).expect("the sizes fit");
        let lengths: Vec<usize> = (0..2 + rng.below(5)).map(|_| 2 + rng.below(25) as usize).collect();
        let (batch, head) = drawn(&lengths, seed % 3 == 0, &mut rng);
        let model = |device: &Device| Model::fresh(config.clone(), head.clone(), seed, device).expect("it is small");
        let seen = rounding(&model, &batch, device);
        assert_eq!(seen.verdict(), Ok(()), "{kind}, {layers} layers of {hidden}, sequences of {lengths:?}");
        shares.push(seen.share());
    }
    shares.sort_by(f64::total_cmp);
    let (median, most) = (shares[shares.len() / 2], shares[shares.len() - 1]);
    println!("    of the bound: median {median:.2}, most {most:.2}");
    assert!(median > 0.15, "the bound is far from what is seen: half of the models need less than {median:.2} of it");
    Outcome::Passed
}

/// Sequences of these lengths with random words, for a classifier or a language model.
fn drawn(lengths: &[usize], masked: bool, rng: &mut Rng) -> (Batch, HeadKind) {
    let segments = Segments::new(lengths.to_vec());
    let n = segments.rows();
    let ids: Vec<u32> = (0..n).map(|_| 5 + rng.below(80)).collect();
    let (target, head) = match masked {
        true => {
            let rows: Vec<u32> = (0..n as u32).step_by(3).collect();
            let words: Vec<u32> = rows.iter().map(|_| 5 + rng.below(80)).collect();
            (Target::classes(rows.into(), words), HeadKind::MaskedLm)
        }
        false => {
            let labels: Vec<u32> = lengths.iter().map(|_| rng.below(3)).collect();
            (Target::labels(&segments, labels), HeadKind::Classify(["a", "b", "c"].map(str::to_owned).to_vec()))
        }
    };
    let (positions, types) = (segments.positions(), vec![0; n].into());
    (Batch { ids: ids.into(), positions, types, segments, target, other: None }, head)
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
        for part in PARTS.iter().filter(|part| golden.has(part)) {
            let verdict = part.compare(golden, device).verdict();
            assert!(verdict.is_ok(), "{}: {}", part.name, verdict.unwrap_err());
        }
    })
}

/// What is written has the tensors of the file that transformers wrote, and every key of its config.json as it was.
fn check_written(folder: &Path) -> Outcome {
    with(folder, |golden| {
        let written = tempfile::tempdir().expect("a temporary folder");
        let model = Model::load(folder, golden.head().clone(), 7, &Device::cpu()).expect("the golden model loads");
        assert!(model.unused.is_empty() && model.initialized.is_empty(), "{:?} {:?}", model.unused, model.initialized);
        model.write(written.path()).expect("it is written");
        let tensors = |folder: &Path| {
            let weights = Weights::open(&folder.join("model.safetensors")).expect("weights");
            let one = |name: &str| (name.to_owned(), weights.shape(name).map(<[usize]>::to_vec));
            weights.names().map(one).collect::<BTreeSet<_>>()
        };
        let config = |folder: &Path| {
            let text = fs::read(folder.join("config.json")).expect("config.json");
            serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text).expect("an object")
        };
        assert_eq!(tensors(written.path()), tensors(folder));
        let (mut theirs, mut ours) = (config(folder), config(written.path()));
        for config in [&mut theirs, &mut ours] {
            config.remove("problem_type"); // which transformers leaves to be guessed
        }
        assert_eq!(ours, theirs);
        let again = Model::load(written.path(), golden.head().clone(), 7, &Device::cpu()).expect("it loads again");
        assert_eq!(again.tensors(), model.tensors());
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
