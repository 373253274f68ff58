//! Every operation and update of the tables against its f64 reference, with all kernels that the device can run.
//!
//! The tests of `tests/ops.rs` are these comparisons, one case at a time.

use super::{Effort, Findings, Group, Seen, Subject, encoder_cases::ENCODER};
use crate::{
    array::{Array, Format, Precision, Shape},
    cpu,
    error::Result,
    gpu::{Kernels, Kind, Opening},
    ops::{ALL, Case, InF16, Layout, Spec, UPDATES, UpdateCase, matmul},
    rng::Rng,
    tensor::{Device, Tensor},
};
use std::cell::OnceCell;

/// The group.
pub const GROUP: Group = Group { name: "operations", run };

/// The seed of inputs, so that a failure can be seen again.
const SEED: u64 = 7;

/// What a case gives: its output, and the gradients of its inner product with a fixed random direction.
pub type Results = Vec<Array>;

/// The largest `|a − b| / (1 + |b|)`, and where it is; NaN where one of both is.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// The error.
    pub error: f64,
    /// Such as `gradient of input 1, element 7: got 0.5, expected 0.25`.
    pub place: String,
}

/// Standard normal numbers that f32 can hold, the same for each seed.
pub fn random(shapes: &[&[usize]], seed: u64) -> Vec<Array> {
    let array = |(i, shape): (usize, &&[usize])| {
        let mut rng = Rng::new(seed, i as u64);
        Array::from_fn(*shape, |_| f64::from(rng.gaussian()))
    };
    shapes.iter().enumerate().map(array).collect()
}

/// The direction that an output's gradient is asked along.
pub fn direction(shape: &Shape) -> Array {
    random(&[&shape[..]], 1234).remove(0)
}

/// The numbers on a device, rounded to f32 but on the reference.
pub fn place(array: &Array, device: &Device) -> Tensor {
    match device {
        Device::Reference => Tensor::from_array(array.clone()),
        _ => Tensor::new(&array.values.iter().map(|x| *x as f32).collect::<Vec<_>>(), array.shape.clone(), device),
    }
}

/// Runs a case on inputs; what the operation has in f16 is stored, and rounded, so.
pub fn run_case(case: &Case, inputs: &[Array], device: &Device, in_f16: Option<&InF16>) -> Results {
    let is_in_f16 = |i: &usize| in_f16.is_some_and(|in_f16| in_f16.inputs.contains(i));
    let placed = |(i, array): (usize, &Array)| match is_in_f16(&i) {
        true => place(&array.map(in_11_bits), device).tracked(),
        false => place(array, device).tracked(),
    };
    let inputs: Vec<Tensor> = inputs.iter().enumerate().map(placed).collect();
    let stored = |(i, input): (usize, &Tensor)| if is_in_f16(&i) { input.cast(Format::F16) } else { input.clone() };
    let output = (case.run)(&inputs.iter().enumerate().map(stored).collect::<Vec<_>>()).cast(Format::F32);
    let along = direction(output.shape()).map(|x| if in_f16.is_some() { in_11_bits(x) } else { x });
    let grads = output.gradients_along(&place(&along, device), &inputs.iter().collect::<Vec<_>>());
    std::iter::once(output).chain(grads).map(|tensor| tensor.to_array()).collect()
}

/// The same on the inputs that every comparison takes.
pub fn results(case: &Case, device: &Device, in_f16: Option<&InF16>) -> Results {
    run_case(case, &random(case.inputs, SEED), device, in_f16)
}

/// The nearest number that f16 holds.
fn in_11_bits(x: f64) -> f64 {
    f64::from(half::f16::from_f64(x))
}

/// The nearest number that bf16 holds.
fn in_8_bits(x: f64) -> f64 {
    f64::from(half::bf16::from_f64(x))
}

/// How far a device is from the reference.
pub fn compare(case: &Case, device: &Device, in_f16: Option<&InF16>) -> Deviation {
    deviation(&results(case, device, in_f16), &results(case, &Device::Reference, in_f16))
}

/// The state after an update.
pub fn updated(case: &UpdateCase, device: &Device) -> Results {
    let state = random(case.state, 5).into_iter().map(|array| place(&array.map(|x| f64::from((x * x) as f32)), device));
    let state: Vec<Tensor> = state.collect();
    let inputs: Vec<Tensor> = random(case.inputs, 6).iter().map(|array| place(array, device)).collect();
    let update = (case.update)();
    Tensor::update(&*update, &state.iter().collect::<Vec<_>>(), &inputs.iter().collect::<Vec<_>>());
    state.iter().map(Tensor::to_array).collect()
}

/// How far a device is from the reference after an update.
pub fn compare_update(case: &UpdateCase, device: &Device) -> Deviation {
    deviation(&updated(case, device), &updated(case, &Device::Reference))
}

/// How far results are from those expected.
fn deviation(got: &[Array], expected: &[Array]) -> Deviation {
    let mut worst = Deviation { error: 0.0, place: String::new() };
    if got.len() != expected.len() {
        let place = format!("got {} results, expected {}", got.len(), expected.len());
        return Deviation { error: f64::INFINITY, place };
    }
    for (which, (got, expected)) in got.iter().zip(expected).enumerate() {
        let name = if which == 0 { "output".to_owned() } else { format!("gradient of input {}", which - 1) };
        if got.shape != expected.shape {
            let place = format!("{name}: got shape {:?}, expected {:?}", got.shape, expected.shape);
            return Deviation { error: f64::INFINITY, place };
        }
        for (i, (got, expected)) in got.values.iter().zip(&expected.values).enumerate() {
            let error = (got - expected).abs() / (1.0 + expected.abs());
            if error > worst.error || error.is_nan() && !worst.error.is_nan() {
                worst = Deviation { error, place: format!("{name}, element {i}: got {got}, expected {expected}") };
            }
        }
    }
    worst
}

/// A way in which a device can be opened.
struct Tier {
    name: &'static str,
    device: Device,
}

/// The tiers of a device in f32 or in f16; those that it cannot be opened in are findings.
fn tiers(subject: &Subject, precision: Precision, findings: &mut Findings) -> Vec<Tier> {
    let Device::Gpu(gpu) = subject.device else {
        let own = || Tier { name: "cpu", device: Device::cpu() };
        return if precision == Precision::F32 { vec![own()] } else { Vec::new() };
    };
    if precision == Precision::F16 && !gpu.adapter().f16 {
        findings.check("f16", None, || Ok(Seen::Skipped("the adapter does not compute in f16".into())));
        return Vec::new();
    }
    let names = match precision {
        Precision::F16 => ["own, f16", "for real GPUs, f16", "portable, f16"],
        _ => ["own kernels", "for real GPUs", "portable"],
    };
    // The kernels of a real GPU are those for real GPUs, and differ by nothing else.
    let tried = subject.is_software() && subject.effort == Effort::Full;
    let for_hardware = tried.then_some((names[1], Kernels::For(Kind::Discrete)));
    let all = [Some((names[0], Kernels::Own)), for_hardware, Some((names[2], Kernels::Portable))];
    let mut tiers = Vec::new();
    for (name, kernels) in all.into_iter().flatten() {
        let opening = Opening { kernels, precision, ..Opening::default() };
        match subject.opened(opening) {
            Some(Ok(device)) => tiers.push(Tier { name, device }),
            Some(Err(error)) => findings.check(format!("{name} in {precision}"), None, || Err(error)),
            None => {}
        }
    }
    tiers
}

/// Compares all cases with references that are computed once: a line for each tier, which names the case that comes
/// nearest to the bound, and how far the case itself is told to be off.
fn check(findings: &mut Findings, name: &str, bound: f64, tiers: &[Tier], parts: &[Part]) {
    for tier in tiers {
        findings.check(format!("{name}, {}", tier.name), Some(bound), || {
            let mut worst = Deviation { error: 0.0, place: String::new() };
            for Part { name, reference, expected, got, factor } in parts {
                let expected = expected.get_or_init(reference);
                let Deviation { error, place } = deviation(&got(&tier.device), expected);
                let error = error / factor;
                if error > worst.error || error.is_nan() && !worst.error.is_nan() {
                    worst = Deviation { error, place: format!("{name}: {place}") };
                }
            }
            Ok(Seen::Error(worst.error, worst.place))
        });
    }
}

/// A case, as far as a comparison goes.
struct Part<'a> {
    name: &'a str,
    reference: Box<dyn Fn() -> Results + 'a>,
    /// What it gave, once it was asked.
    expected: OnceCell<Results>,
    got: Box<dyn Fn(&Device) -> Results + 'a>,
    /// How many times as large its errors may be.
    factor: f64,
}

impl<'a> Part<'a> {
    /// What gives the reference's results on [`Device::Reference`], and a device's on that.
    fn new(name: &'a str, factor: f64, results: impl Fn(&Device) -> Results + Clone + 'a) -> Part<'a> {
        let reference = results.clone();
        Part {
            name,
            reference: Box::new(move || reference(&Device::Reference)),
            expected: OnceCell::new(),
            got: Box::new(results),
            factor,
        }
    }

    fn of(case: &'a Case, in_f16: Option<&'a InF16>, factor: f64) -> Part<'a> {
        Part::new(case.name, factor, move |device| results(case, device, in_f16))
    }

    /// Of operands, and a direction, that bf16 holds: then only sums, which are in f32, are off.
    fn in_bf16(case: &'a Case, factor: f64) -> Part<'a> {
        Part::new(case.name, factor, move |device| {
            let inputs =
                random(case.inputs, SEED).into_iter().map(|array| place(&array.map(in_8_bits), device).tracked());
            let inputs: Vec<Tensor> = inputs.collect();
            let output = (case.run)(&inputs);
            let along = place(&direction(output.shape()).map(in_8_bits), device);
            let grads = output.gradients_along(&along, &inputs.iter().collect::<Vec<_>>());
            std::iter::once(output).chain(grads).map(|tensor| tensor.to_array()).collect()
        })
    }

    fn of_update(case: &'a UpdateCase) -> Part<'a> {
        Part::new("state", 1.0, |device| updated(case, device))
    }
}

fn run(subject: &Subject, findings: &mut Findings) -> Result<()> {
    for precision in [Precision::F32, Precision::F16] {
        let tiers = tiers(subject, precision, findings);
        for spec in ALL {
            operation(spec, precision, &tiers, subject.effort, findings);
        }
        if precision == Precision::F32 {
            for case in UPDATES.iter().flat_map(|cases| cases.iter()) {
                check(findings, case.name, case.tolerance, &tiers, &[Part::of_update(case)]);
            }
        }
    }
    if let Device::Cpu(_) = subject.device {
        products_in_bf16(subject, findings);
    }
    word_table(subject, findings);
    cooperative(subject, findings);
    Ok(())
}

/// An operation in all tiers of a precision, if it has that.
fn operation(spec: &'static Spec, precision: Precision, tiers: &[Tier], effort: Effort, findings: &mut Findings) {
    let (in_f16, bound) = match (precision, &spec.in_f16) {
        (Precision::F16, None) => return,
        (Precision::F16, Some(in_f16)) => (Some(in_f16), in_f16.tolerance),
        _ => (None, spec.tolerance),
    };
    let own = spec.cases.iter().map(|case| Part::of(case, in_f16, 1.0));
    let at_scale = encoder_cases(spec, effort).map(|(case, factor)| Part::of(case, in_f16, factor));
    check(findings, spec.name, bound, tiers, &own.chain(at_scale).collect::<Vec<_>>());
}

/// The processor's products of operands in bf16, forward and backward.
fn products_in_bf16(subject: &Subject, findings: &mut Findings) {
    if !cpu::supports(Precision::Bf16) {
        findings.check("bf16", None, || Ok(Seen::Skipped("this processor has no AVX512-BF16".into())));
        return;
    }
    let tiers = [Tier { name: "cpu in bf16", device: Device::Cpu(Precision::Bf16) }];
    for spec in ALL.iter().filter(|spec| ["linear", "matmul"].contains(&spec.name)) {
        let own = spec.cases.iter().map(|case| Part::in_bf16(case, 1.0));
        let at_scale = encoder_cases(spec, subject.effort).map(|(case, factor)| Part::in_bf16(case, factor));
        check(findings, spec.name, spec.tolerance, &tiers, &own.chain(at_scale).collect::<Vec<_>>());
    }
}

/// The cases at an encoder's shapes, and how many times as large their errors may be. The errors of a sum of k products
/// grow as √k (Higham & Mary, 2019, "A new approach to probabilistic rounding error analysis"); those of the tables sum up
/// to some [`SUMMED`].
fn encoder_cases(spec: &'static Spec, effort: Effort) -> impl Iterator<Item = (&'static Case, f64)> {
    const SUMMED: f64 = 64.0;
    let wanted = ENCODER.iter().filter(move |case| case.operation == spec.name && case.effort <= effort);
    wanted.map(|case| (&case.case, (case.summed as f64 / SUMMED).sqrt().max(1.0)))
}

/// Rows of XLM-R's word table, which many devices cannot bind whole, are those that were written, to the bit.
fn word_table(subject: &Subject, findings: &mut Findings) {
    const ROWS: usize = 250_002;
    let columns = if subject.effort == Effort::Full { 768 } else { 64 };
    findings.check(format!("gather from a table of 250,002 × {columns} in windows"), Some(0.0), || {
        let device = subject.device;
        let each = device.max_rows(columns).min(ROWS.div_ceil(3));
        let number = |row: usize, column: usize| ((row * 31 + column * 7) % 8191) as f32;
        let window = |first: usize| {
            let rows = first..(first + each).min(ROWS);
            let n = rows.len();
            let values: Vec<f32> = rows.flat_map(|row| (0..columns).map(move |column| number(row, column))).collect();
            Tensor::new(&values, [n, columns], device)
        };
        let windows: Vec<Tensor> = (0..ROWS).step_by(each).map(window).collect();
        let edges = (0..ROWS).step_by(each).flat_map(|first| [first, (first + each).min(ROWS) - 1]);
        let rows: Vec<u32> = edges.chain((0..500).map(|i| i * 997 % ROWS)).map(|row| row as u32).collect();
        let got = crate::ops::gather(&windows.iter().collect::<Vec<_>>(), &rows.clone().into()).to_vec();
        let wrong = got.iter().enumerate().find(|(i, x)| **x != number(rows[i / columns] as usize, i % columns));
        Ok(match wrong {
            None => Seen::Error(0.0, format!("{} rows of {} windows", rows.len(), windows.len())),
            Some((i, x)) => {
                let (row, column) = (rows[i / columns], i % columns);
                let expected = number(row as usize, column);
                Seen::Error(
                    f64::from((x - expected).abs()),
                    format!("row {row}, column {column}: got {x}, expected {expected}"),
                )
            }
        })
    });
}

/// Products by the matrix units, whole and in parts, with ragged edges.
fn cooperative(subject: &Subject, findings: &mut Findings) {
    let Device::Gpu(gpu) = subject.device else { return };
    if gpu.adapter().cooperative.is_empty() {
        return;
    }
    let opening = Opening { kernels: Kernels::For(Kind::Discrete), precision: Precision::F16, ..Opening::default() };
    let Some(opened) = subject.opened(opening) else { return };
    const CASES: [(&str, Layout, [usize; 2], [usize; 2]); 3] = [
        ("NN", Layout::NN, [300, 170], [170, 141]),
        ("NT", Layout::NT, [129, 64], [97, 64]),
        ("TN, in parts", Layout::TN, [2_060, 130], [2_060, 67]),
    ];
    for (name, layout, a, b) in CASES {
        // Operands that f16 holds, so that only sums of up to 2,060 products in f32 are off.
        findings.check(format!("products by cooperative matrices: {name}"), Some(1e-4), || {
            let device = opened.clone()?;
            if let Device::Gpu(gpu) = &device
                && gpu.cooperative().is_none()
            {
                return Ok(Seen::Skipped(format!("refused on opening: {}", gpu.notes().join("; "))));
            }
            let operands: Vec<Array> = random(&[&a, &b], 3).iter().map(|array| array.map(in_11_bits)).collect();
            let product = |device: &Device| {
                vec![matmul(&place(&operands[0], device), &place(&operands[1], device), layout).to_array()]
            };
            let Deviation { error, place } = deviation(&product(&device), &product(&Device::Reference));
            Ok(Seen::Error(error, place))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::Verdict,
        gpu::{Gpu, broken},
    };
    use broken::Fault;
    use std::{path::Path, sync::Arc};

    /// The lines of an operation that are wrong, as an examination would have them.
    fn wrong_lines(operation: &str, gpu: Arc<Gpu>) -> Vec<String> {
        let device = Device::Gpu(gpu);
        let subject = Subject::new(&device, Effort::Usual, Path::new(""));
        let mut tell = |_: &_| ();
        let mut findings = Findings::new(&mut tell);
        let spec = ALL.iter().find(|spec| spec.name == operation).expect("the operation is in the table");
        let tiers = tiers(&subject, Precision::F32, &mut findings);
        super::operation(spec, Precision::F32, &tiers, subject.effort, &mut findings);
        let wrong = findings.list().iter().filter(|finding| finding.verdict == Verdict::Wrong);
        wrong.map(|finding| finding.name.clone()).collect()
    }

    /// A sign, an edge, a stride and a bound: the operation is named, in every tier that runs the kernel.
    #[test]
    fn kernels_broken_on_purpose_are_named() {
        let faults = [
            ("gelu", Fault("gelu", "cdf(x, bell) + x *", "cdf(x, bell) - x *")),
            ("matmul", Fault("shared/matmul_tile", "(column + {c}u < params.n)", "(column + {c}u + 1u < params.n)")),
            (
                "layer_norm",
                Fault("layer_norm", "j < quads; j += 64u) {\n        sum +=", "j < quads; j += 63u) {\n        sum +="),
            ),
            ("attention", Fault("shared/attention_rows", "offsets[middle] <= row", "offsets[middle] < row")),
        ];
        let named = std::env::var("RXLT_DEVICE").unwrap_or_else(|_| "0".into());
        for (operation, fault) in faults {
            let gpu = match Gpu::open_as(Some(&named), Opening::default()) {
                Ok(gpu) => gpu,
                Err(error) if std::env::var_os("RXLT_REQUIRE_GPU").is_some() => panic!("{error}"),
                Err(_) => return, // tests/gpu.rs says so: its tests are ignored then
            };
            assert_eq!(wrong_lines(operation, gpu.clone()), [""; 0], "{operation} as it is");
            let wrong = broken::with(fault, || {
                wrong_lines(operation, Gpu::open_as(Some(&named), Opening::default()).expect("it opened before"))
            });
            let is_named = wrong.iter().all(|name| name.starts_with(&format!("{operation}, ")));
            assert!(!wrong.is_empty() && is_named, "{fault:?}: {wrong:?}");
        }
    }
}
