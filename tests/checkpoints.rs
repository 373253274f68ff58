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
    harness::run(vec![Test::new("files of PyTorch hold the numbers that Python reads", check)]);
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
