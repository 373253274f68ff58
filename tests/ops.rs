//! Every operation of the table: its gradient against central differences in f64, and each backend against the
//! reference, forward and backward.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::{Array, Shape},
    ops::{ALL, Case, Spec, UPDATES, UpdateCase},
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
            tests.push(test("wgpu", |spec, case| harness::on_gpu(|device| compare(spec, case, device))));
        }
    }
    for case in UPDATES.iter().flat_map(|cases| cases.iter()) {
        let test = |what: &str, run: fn(&UpdateCase) -> Outcome| {
            Test::new(format!("{}: {what}", case.name), move || run(case))
        };
        tests.push(test("cpu", |case| compare_update(case, &Device::cpu())));
        tests.push(test("wgpu", |case| harness::on_gpu(|device| compare_update(case, device))));
    }
    harness::run(tests);
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
    let inputs: Vec<Tensor> = inputs.iter().map(|array| place(array, device).tracked()).collect();
    let output = (case.run)(&inputs);
    let along = direction(output.shape());
    let grads = output.gradients_along(&place(&along, device), &inputs.iter().collect::<Vec<_>>());
    (output.to_array(), grads.iter().map(Tensor::to_array).collect())
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

fn compare_update(case: &UpdateCase, device: &Device) -> Outcome {
    let run = |device: &Device| {
        let state =
            random(case.state, 5).into_iter().map(|array| place(&array.map(|x| f64::from((x * x) as f32)), device));
        let state: Vec<Tensor> = state.collect();
        let inputs: Vec<Tensor> = random(case.inputs, 6).iter().map(|array| place(array, device)).collect();
        let update = (case.update)();
        Tensor::update(&*update, &state.iter().collect::<Vec<_>>(), &inputs.iter().collect::<Vec<_>>());
        state.iter().map(Tensor::to_array).collect::<Vec<_>>()
    };
    for (i, (got, expected)) in run(device).iter().zip(run(&Device::Reference)).enumerate() {
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
