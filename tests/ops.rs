//! Every operation of the table: its gradient against central differences in f64, and each backend against the
//! reference, forward and backward.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::{Array, Format, Precision, Shape},
    gpu::{Checks, Kernels, Kind, Opening},
    ops::{ALL, Case, InF16, Spec, UPDATES, UpdateCase},
    rng::Rng,
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
                    same_bits(kernels, Precision::F32, |device| both(case, device, None))
                }));
                let Some(in_f16) = &spec.in_f16 else { continue };
                let compared = move |device: &Device| compare_in_f16(in_f16, case, device);
                let name = name + ", stored in f16";
                tests.push(Test::new(name.clone(), move || on_gpu(kernels, Checks::Trusted, Precision::F16, compared)));
                tests.push(Test::new(name + ", checked and not", move || {
                    same_bits(kernels, Precision::F16, |device| both(case, device, Some(in_f16)))
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
            let both = move || same_bits(kernels, Precision::F32, |device| run_update(case, device));
            tests.push(Test::new(name + ", checked and not", both));
        }
    }
    harness::run(tests);
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

/// Standard normal numbers that f32 can hold, the same for each case.
fn random(shapes: &[&[usize]], seed: u64) -> Vec<Array> {
    let array = |(i, shape): (usize, &&[usize])| {
        let mut rng = Rng::new(seed, i as u64);
        Array::from_fn(*shape, |_| f64::from(rng.gaussian()))
    };
    shapes.iter().enumerate().map(array).collect()
}

fn place(array: &Array, device: &Device) -> Tensor {
    match device {
        Device::Reference => Tensor::from_array(array.clone()),
        _ => Tensor::new(&array.values.iter().map(|x| *x as f32).collect::<Vec<_>>(), array.shape.clone(), device),
    }
}

/// The case's output, and the gradients of its inner product with a fixed random direction.
fn run(case: &Case, inputs: &[Array], device: &Device) -> (Array, Vec<Array>) {
    run_in(case, inputs, device, None)
}

/// The same with what the operation has in f16 stored, and rounded, so.
fn run_in(case: &Case, inputs: &[Array], device: &Device, in_f16: Option<&InF16>) -> (Array, Vec<Array>) {
    let is_in_f16 = |i: &usize| in_f16.is_some_and(|in_f16| in_f16.inputs.contains(i));
    let placed = |(i, array): (usize, &Array)| match is_in_f16(&i) {
        true => place(&array.map(rounded), device).tracked(),
        false => place(array, device).tracked(),
    };
    let inputs: Vec<Tensor> = inputs.iter().enumerate().map(placed).collect();
    let stored = |(i, input): (usize, &Tensor)| if is_in_f16(&i) { input.cast(Format::F16) } else { input.clone() };
    let output = (case.run)(&inputs.iter().enumerate().map(stored).collect::<Vec<_>>()).cast(Format::F32);
    let along = direction(output.shape()).map(|x| if in_f16.is_some() { rounded(x) } else { x });
    let grads = output.gradients_along(&place(&along, device), &inputs.iter().collect::<Vec<_>>());
    (output.to_array(), grads.iter().map(Tensor::to_array).collect())
}

fn rounded(x: f64) -> f64 {
    f64::from(half::f16::from_f64(x))
}

/// The output and the gradients.
fn both(case: &Case, device: &Device, in_f16: Option<&InF16>) -> Vec<Array> {
    let (output, grads) = run_in(case, &random(case.inputs, 7), device, in_f16);
    [vec![output], grads].concat()
}

fn direction(shape: &Shape) -> Array {
    random(&[&shape[..]], 1234).remove(0)
}

/// Central differences with a step at which their error, of the order h², and that of rounding, 1e-16 / h, balance.
fn gradient(spec: &Spec, case: &Case) -> Outcome {
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-7;
    if !spec.smooth {
        return Outcome::Ignored("not smooth".to_string());
    }
    let inputs = random(case.inputs, 7);
    let (_, grads) = run(case, &inputs, &Device::Reference);
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
    let inputs = random(case.inputs, 7);
    let (expected, expected_grads) = run(case, &inputs, &Device::Reference);
    let (got, grads) = run(case, &inputs, device);
    close("output", &got, &expected, spec.tolerance);
    for (i, (got, expected)) in grads.iter().zip(&expected_grads).enumerate() {
        close(&format!("gradient of input {i}"), got, expected, spec.tolerance);
    }
    Outcome::Passed
}

/// Of operands that f16 holds; sums are in f32, so that only what is stored is rounded.
fn compare_in_f16(in_f16: &InF16, case: &Case, device: &Device) -> Outcome {
    let inputs = random(case.inputs, 7);
    let (expected, expected_grads) = run_in(case, &inputs, &Device::Reference, Some(in_f16));
    let (got, grads) = run_in(case, &inputs, device, Some(in_f16));
    close("output", &got, &expected, in_f16.tolerance);
    for (i, (got, expected)) in grads.iter().zip(&expected_grads).enumerate() {
        close(&format!("gradient of input {i}"), got, expected, in_f16.tolerance);
    }
    Outcome::Passed
}

/// The state after an update.
fn run_update(case: &UpdateCase, device: &Device) -> Vec<Array> {
    let state = random(case.state, 5).into_iter().map(|array| place(&array.map(|x| f64::from((x * x) as f32)), device));
    let state: Vec<Tensor> = state.collect();
    let inputs: Vec<Tensor> = random(case.inputs, 6).iter().map(|array| place(array, device)).collect();
    let update = (case.update)();
    Tensor::update(&*update, &state.iter().collect::<Vec<_>>(), &inputs.iter().collect::<Vec<_>>());
    state.iter().map(Tensor::to_array).collect()
}

fn compare_update(case: &UpdateCase, device: &Device) -> Outcome {
    for (i, (got, expected)) in run_update(case, device).iter().zip(run_update(case, &Device::Reference)).enumerate() {
        close(&format!("state {i}"), got, &expected, case.tolerance);
    }
    Outcome::Passed
}

#[track_caller]
fn close(what: &str, got: &Array, expected: &Array, tolerance: f64) {
    assert_eq!(got.shape, expected.shape, "{what}");
    for (i, (got, expected)) in got.values.iter().zip(&expected.values).enumerate() {
        let error = (got - expected).abs() / (1.0 + expected.abs());
        assert!(error <= tolerance, "{what}, element {i}: got {got}, expected {expected}, error {error:.2e}");
    }
}
