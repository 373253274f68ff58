//! Weights as PyTorch wrote them, in real files: shapes, and sums that Python's own pickle and zipfile modules gave.

mod harness;

use harness::{Outcome, Test};
use rxlt::checkpoint::Weights;

/// A file, a tensor in it, its shape, and the sum of its numbers in f64.
const KNOWN: &[(&str, &str, &[usize], f64)] = &[
    ("pytorch_model_head.bin", "heads.xlm-t-sentiment.1.weight", &[768, 768], 20.709_347_903_373_555),
    ("pytorch_model_head.bin", "heads.xlm-t-sentiment.4.weight", &[3, 768], -0.065_888_692_138_287_3),
    ("pytorch_model_head.bin", "heads.xlm-t-sentiment.4.bias", &[3], 0.000_704_242_731_444_537_3),
    (
        "pytorch_adapter.bin",
        "roberta.encoder.layer.0.output.layer_text_task_adapters.xlm-t-sentiment.adapter_up.weight",
        &[768, 48],
        -5.500_115_822_561_668,
    ),
];

fn main() {
    harness::run(vec![
        Test::new("files of PyTorch hold the numbers that Python reads", check),
        Test::new("converted, they hold the same", convert),
    ]);
}

/// The same files as safetensors: every bit in f32, and half of them within the rounding of bf16.
fn convert() -> Outcome {
    let data = match harness::data("checkpoints") {
        Ok(data) => data,
        Err(outcome) => return outcome,
    };
    for file in ["pytorch_model_head.bin", "pytorch_adapter.bin"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let from = folder.path().join("from");
        std::fs::create_dir(&from).expect("a folder");
        std::fs::copy(data.path.join("xlm-t-adapter").join(file), from.join("pytorch_model.bin")).expect("a copy");
        for (to, bound) in [(&["f32"][..], 0.0), (&[], 0.0), (&["bf16"], 1.0 / 256.0)] {
            let mut args = vec!["model", "convert", "from", "out", "--force"];
            to.iter().for_each(|to| args.extend(["--to", to]));
            let output = harness::rxlt(folder.path(), &args).output().expect("the binary runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let (before, after) =
                [&from, &folder.path().join("out")].map(|path| Weights::open(path).expect("it opens")).into();
            assert_eq!(before.names().collect::<Vec<_>>(), after.names().collect::<Vec<_>>());
            for name in before.names() {
                let (a, b) = (before.read(name).expect("numbers"), after.read(name).expect("numbers"));
                assert_eq!(before.shape(name), after.shape(name), "{name}");
                let is_near = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a - b).abs() <= bound * a.abs();
                assert!(a.iter().zip(&b).all(is_near), "{file}: {name} differs");
            }
        }
    }
    Outcome::Passed
}

fn check() -> Outcome {
    let data = match harness::data("checkpoints") {
        Ok(data) => data,
        Err(outcome) => return outcome,
    };
    for (file, name, shape, sum) in KNOWN {
        let weights = Weights::open(&data.path.join("xlm-t-adapter").join(file)).expect("the file is read");
        assert_eq!(weights.shape(name), Some(*shape), "{name}");
        let values = weights.read(name).expect("the tensor is read");
        let found = values.iter().map(|x| f64::from(*x)).sum::<f64>();
        // The order of summation differs at most by f64's rounding.
        assert!((found - sum).abs() < 1e-9, "{name}: {found}, expected {sum}");
    }
    Outcome::Passed
}
