//! Every operation of the table: its gradient against central differences in f64, and each backend against the
//! reference, forward and backward.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::{Array, Precision},
    doctor::operations::{self, Deviation, direction, random, results, run_case, updated},
    gpu::{Checks, Kernels, Kind, Opening},
    ops::{ALL, Case, InF16, Spec, UPDATES, UpdateCase},
    tensor::{Device, Tensor},
};

fn main() {
    let mut tests = Vec::new();
    for spec in ALL {
        for case in spec.cases {
            let test = |what: &str, run: fn(&Spec, &Case) -> Outcome| {
                Test::new(format!("{}: {}: {what}", spec.name, case.name), move || run(spec, case))
            };
            tests.push(test("gradient", gradient));
            tests.push(test("cpu", |spec, case| compare(spec, case, &Device::cpu())));
            for (what, kernels) in KERNELS {
                let name = format!("{}: {}: {what}", spec.name, case.name);
                let compared = move |device: &Device| compare(spec, case, device);
                tests.push(Test::new(name.clone(), move || on_gpu(kernels, Checks::Trusted, Precision::F32, compared)));
                tests.push(Test::new(name.clone() + ", checked and not", move || {
                    same_bits(kernels, Precision::F32, |device| results(case, device, None))
                }));
                let Some(in_f16) = &spec.in_f16 else { continue };
                let compared = move |device: &Device| compare_in_f16(in_f16, case, device);
                let name = name + ", stored in f16";
                tests.push(Test::new(name.clone(), move || on_gpu(kernels, Checks::Trusted, Precision::F16, compared)));
                tests.push(Test::new(name + ", checked and not", move || {
                    same_bits(kernels, Precision::F16, |device| results(case, device, Some(in_f16)))
                }));
            }
        }
    }
    for case in UPDATES.iter().flat_map(|cases| cases.iter()) {
        let test = |what: &str, run: fn(&UpdateCase) -> Outcome| {
            Test::new(format!("{}: {what}", case.name), move || run(case))
        };
        tests.push(test("cpu", |case| compare_update(case, &Device::cpu())));
        for (what, kernels) in KERNELS {
            let name = format!("{}: {what}", case.name);
            let compared = move |device: &Device| compare_update(case, device);
            tests.push(Test::new(name.clone(), move || on_gpu(kernels, Checks::Trusted, Precision::F32, compared)));
            let both = move || same_bits(kernels, Precision::F32, |device| updated(case, device));
            tests.push(Test::new(name + ", checked and not", both));
        }
    }
    harness::run_in_two(tests, |name| name.split(':').next().unwrap_or(name));
}

/// Whose kernels are tried on the adapter at hand.
const KERNELS: [(&str, Kernels); 3] = [
    ("wgpu", Kernels::Own),
    ("wgpu, kernels for real GPUs", Kernels::For(Kind::Discrete)),
    ("wgpu, portable kernels", Kernels::Portable),
];

fn on_gpu(kernels: Kernels, checks: Checks, precision: Precision, test: impl FnOnce(&Device) -> Outcome) -> Outcome {
    harness::on_gpu_as(Opening { kernels, checks, precision }, test)
}

/// What a GPU makes of a test with each kind of checks is the same, bit for bit.
fn same_bits(kernels: Kernels, precision: Precision, run: impl Fn(&Device) -> Vec<Array>) -> Outcome {
    let mut trusted = None;
    for checks in [Checks::Trusted, Checks::Checked, Checks::Poisoned] {
        let mut result = Vec::new();
        let outcome = on_gpu(kernels, checks, precision, |device| {
            result = run(device);
            Outcome::Passed
        });
        if let Outcome::Ignored(_) = outcome {
            return outcome;
        }
        let bits = |arrays: &[Array]| -> Vec<Vec<u64>> {
            arrays.iter().map(|array| array.values.iter().map(|x| x.to_bits()).collect()).collect()
        };
        assert_eq!(bits(&result), bits(trusted.get_or_insert(result.clone())), "{checks:?} against Trusted");
    }
    Outcome::Passed
}

/// Central differences with a step at which their error, of the order h², and that of rounding, 1e-16 / h, balance.
fn gradient(spec: &Spec, case: &Case) -> Outcome {
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-7;
    if !spec.smooth {
        return Outcome::Ignored("not smooth".to_string());
    }
    let inputs = random(case.inputs, 7);
    let grads = &run_case(case, &inputs, &Device::Reference, None)[1..];
    let value = |inputs: &[Array]| {
        let inputs: Vec<Tensor> = inputs.iter().map(|array| Tensor::from_array(array.clone())).collect();
        let output = (case.run)(&inputs).to_array();
        direction(&output.shape).values.iter().zip(&output.values).map(|(w, y)| w * y).sum::<f64>()
    };
    for (which, grad) in grads.iter().enumerate() {
        let stride = (grad.values.len() / 40).max(1); // every element of small inputs, some of large ones
        for i in (0..grad.values.len()).step_by(stride) {
            let mut moved = inputs.clone();
            moved[which].values[i] = inputs[which].values[i] + STEP;
            let above = value(&moved);
            moved[which].values[i] = inputs[which].values[i] - STEP;
            let slope = (above - value(&moved)) / (2.0 * STEP);
            let error = (slope - grad.values[i]).abs() / (1.0 + slope.abs());
            assert!(error <= TOLERANCE, "input {which}, element {i}: difference {slope}, gradient {}", grad.values[i]);
        }
    }
    Outcome::Passed
}

fn compare(spec: &Spec, case: &Case, device: &Device) -> Outcome {
    within(operations::compare(case, device, None), spec.tolerance)
}

/// Of operands that f16 holds; sums are in f32, so that only what is stored is rounded.
fn compare_in_f16(in_f16: &InF16, case: &Case, device: &Device) -> Outcome {
    within(operations::compare(case, device, Some(in_f16)), in_f16.tolerance)
}

fn compare_update(case: &UpdateCase, device: &Device) -> Outcome {
    within(operations::compare_update(case, device), case.tolerance)
}

#[track_caller]
fn within(Deviation { error, place }: Deviation, tolerance: f64) -> Outcome {
    assert!(error <= tolerance, "{place}, error {error:.2e}");
    Outcome::Passed
}
