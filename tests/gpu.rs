//! The GPU's runtime: order of work, recycled memory, limits.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::{Array, Format, Precision, Segments},
    error::{Error, catch},
    gpu::{Autotune, Checks, Gpu, Kernel, Kernels, Kind, Opening, Product},
    learn::{
        methods::{Adv, Norm, Start},
        objective::{Objective, Scene},
        optimizer::{Decay, Optimizer, Settings},
    },
    models::{Batch, Config, HeadKind, Model, Place, Target, Words},
    ops::{ALL, Case, InF16, Layout, LossScale, matmul},
    ranks::Ranks,
    recipe::Resolved,
    rng::{Draw, Rng},
    run::{
        folder::{Environment, RunFolder},
        progress::{Mode, Progress},
    },
    stop::Stop,
    tensor::{Device, Tensor},
};
use std::sync::Arc;

fn main() {
    let mut tests: Vec<Test> = [
        ("numbers are overwritten after what was recorded before", overwrite as fn(&Device)),
        ("numbers on their way are those of the moment", read_later),
        ("a grid of more than 65,535 workgroups is folded", fold),
        ("a long queue is submitted by itself", long_queue),
        ("steps reuse their memory", reuse),
        ("a training step submits once, reads nothing back and allocates nothing", steady_step),
        ("a tensor beyond the limits is an error", too_large),
        ("a lost device is an error, and nothing waits for it", lost),
        ("a device lost in the middle of a run ends it", lost_run),
        ("a long inner extent is split between workgroups", split),
        ("the fastest right kernel is chosen, kept and taken again", autotune),
        ("a run follows the choices in its folder", recorded_choices),
        ("tuned products are right", tuned_products),
        ("overflow halves the loss's scale and changes nothing else", overflow),
    ]
    .into_iter()
    .map(|(name, check)| Test::new(name, move || harness::on_gpu(|device| passed(check, device))))
    .collect();
    let name = "a batch beyond the limits ends the command with 69";
    tests.push(Test::new(name, || harness::on_gpu(too_large_a_batch)));
    let name = "memory that is not there ends the command with 69";
    tests.push(Test::new(name, || harness::on_gpu(no_memory)));
    for (what, kernels) in [
        ("its kernels", Kernels::Own),
        ("kernels for real GPUs", Kernels::For(Kind::Discrete)),
        ("portable kernels", Kernels::Portable),
    ] {
        tests.push(Test::new(format!("operands are rounded to f16, sums are not: {what}"), move || {
            f16_products(kernels)
        }));
    }
    tests.push(Test::new("products by cooperative matrices are right", cooperative_products));
    harness::run(tests);
}

fn passed(check: impl Fn(&Device), device: &Device) -> Outcome {
    check(device);
    Outcome::Passed
}

fn gpu(device: &Device) -> &Arc<Gpu> {
    match device {
        Device::Gpu(gpu) => gpu,
        _ => unreachable!("the harness gives a GPU"),
    }
}

fn overwrite(device: &Device) {
    for n in [3, 1 << 17] {
        let x = Tensor::new(&vec![1.0; n], [n], device);
        let before = x.add(&x);
        x.assign(&vec![5.0; n]);
        let after = x.add(&x);
        assert_eq!([before.to_vec()[n - 1], after.to_vec()[n - 1]], [2.0, 10.0], "{n} numbers");
    }
}

fn read_later(device: &Device) {
    let x = Tensor::new(&[1.0, 2.0], [2], device);
    let pending = x.read_later();
    x.assign(&[7.0, 8.0]);
    device.submit();
    let again = x.read_later();
    assert_eq!([pending.wait(), again.wait()], [[1.0, 2.0], [7.0, 8.0]]);
}

fn fold(device: &Device) {
    let n = 65_535 * 256 + 257; // elementwise kernels take 256 elements per workgroup
    let doubled = Tensor::new(&vec![1.5; n], [n], device).scale(2.0).to_vec();
    assert!(doubled.iter().all(|x| *x == 3.0));
}

fn long_queue(device: &Device) {
    let one = Tensor::number(1.0, device);
    let sum = (0..4_500).fold(one.clone(), |sum, _| sum.add(&one));
    assert_eq!(sum.item(), 4_501.0);
}

fn reuse(device: &Device) {
    let step = || {
        let x = Tensor::new(&vec![1.0; 4_096], [64, 64], device);
        matmul(&x, &x, Layout::NN).sum_rows().to_vec()
    };
    let first = step();
    let allocations = gpu(device).statistics().allocations;
    for _ in 0..5 {
        assert_eq!(step(), first);
    }
    assert_eq!(gpu(device).statistics().allocations, allocations);
}

fn too_large(device: &Device) {
    let words = gpu(device).max_binding_bytes() / 4 + 1;
    let result = catch(|| Ok(gpu(device).allocate(words, Format::F32).len()));
    assert!(matches!(&result, Err(Error::Device(message)) if message.contains("MiB")), "{result:?}");
}

/// The same adapter, opened once more, to be spoilt.
fn own(device: &Device) -> Arc<Gpu> {
    Gpu::open(Some(&gpu(device).adapter().name)).expect("it was opened before")
}

fn lost(device: &Device) {
    let own = own(device);
    let x = Tensor::new(&[1.0; 500], [500], &Device::Gpu(own.clone()));
    let pending = x.add(&x).read_later();
    own.submit();
    own.destroy();
    let started = std::time::Instant::now();
    let attempts: [(&str, &dyn Fn() -> usize); 2] =
        [("compute and read", &|| x.scale(2.0).to_vec().len()), ("allocate", &|| own.zeros(1 << 20).len())];
    for (what, attempt) in attempts {
        match catch(|| Ok(attempt())) {
            Err(Error::Device(message)) => assert!(message.contains("lost"), "{what}: {message}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    match catch(|| Ok(pending.wait())) {
        Err(Error::Device(message)) => assert!(message.contains("lost"), "{message}"),
        // What the device had done before it went may still arrive.
        other => assert_eq!(other, Ok(vec![2.0; 500])),
    }
    assert!(started.elapsed().as_secs() < 20, "it was waited for");
}

/// The loop ends with the device's error, and the folder says why.
fn lost_run(device: &Device) {
    let own = own(device);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run");
    let recipe = "name = \"lost\"\nlanguages = [\"en\"]\n[model]\nfresh = { vocab_size = 300, hidden_size = 16, \
                  num_hidden_layers = 1, num_attention_heads = 2, intermediate_size = 32 }\n[data]\nfolder = \
                  \"demo\"\n[[stages]]\ntask = \"demo\"\nupdates = 100000\nmax_train_samples = 100\n";
    let resolved = Resolved::parse(recipe, "lost.toml", &[]).expect("the recipe is right");
    let run_folder =
        RunFolder::open(&path, &resolved, &Environment::here("a GPU"), Ranks::alone()).expect("the folder is new");
    let (stopper, log) = (own.clone(), path.join("log.jsonl"));
    let waiting = std::thread::spawn(move || {
        while std::fs::read_to_string(&log).map_or(0, |text| text.lines().count()) < 5 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        stopper.destroy();
        std::time::Instant::now()
    });
    let progress = Progress::new(Mode::Silent);
    let ended = rxlt::run::run(&resolved, &Device::Gpu(own), &run_folder, &progress, &Stop::new(), Default::default());
    let destroyed = waiting.join().expect("the log was written");
    assert!(destroyed.elapsed().as_secs() < 20, "it was waited for");
    match ended {
        Err(error @ Error::Device(_)) => assert!(error.message().contains("lost"), "{error}"),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("a run on a lost device ended well"),
    }
}

/// A process that may have only so much address space: the driver refuses, and the command says so.
fn no_memory(device: &Device) -> Outcome {
    let adapter = gpu(device).adapter();
    if adapter.kind != Kind::Software || !cfg!(target_os = "linux") {
        return Outcome::Ignored("only a driver that takes the process's own memory can be kept short of it".into());
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sizes = "vocab_size = 300, hidden_size = 1024, num_hidden_layers = 60, num_attention_heads = 2";
    let recipe = format!(
        "name = \"big\"\nlanguages = [\"en\"]\n[model]\nfresh = {{ {sizes}, intermediate_size = 4096 }}\n[data]\n\
         folder = \"demo\"\n[[stages]]\ntask = \"demo\"\nupdates = 1\nmax_train_samples = 8\nmax_length = 32\n"
    );
    std::fs::write(folder.path().join("big.toml"), recipe).expect("a recipe");
    let run = format!(
        "ulimit -v 3000000; exec {} run big.toml --output out --device '{}'",
        env!("CARGO_BIN_EXE_rxlt"),
        adapter.name
    );
    let mut command = std::process::Command::new("sh");
    command.current_dir(folder.path()).args(["-c", &run]);
    let output = command.output().expect("the shell runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    for part in ["out of memory", "use a smaller micro-batch"] {
        assert!(said.contains(part), "expected \"{part}\" in:\n{said}");
    }
    Outcome::Passed
}

/// The widest layer there can be, and as many tokens as make its activations larger than what a shader may see.
fn too_large_a_batch(device: &Device) -> Outcome {
    let gpu = gpu(device);
    let width = 1 << 16;
    let tokens = gpu.max_binding_bytes() / (4 * width) + 1;
    if tokens > 1 << 12 {
        return Outcome::Ignored(format!("a batch beyond {} MiB takes minutes to fill", gpu.max_binding_bytes() >> 20));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sizes = "vocab_size = 300, hidden_size = 8, num_hidden_layers = 1, num_attention_heads = 2";
    let recipe = format!(
        "name = \"wide\"\nlanguages = [\"en\"]\n[model]\nfresh = {{ {sizes}, intermediate_size = {width} }}\n[data]\n\
         folder = \"demo\"\n[[stages]]\ntask = \"demo\"\nupdates = 1\nmax_train_samples = {tokens}\nbatch_size = {tokens}\n\
         max_length = 32\ntokens_per_micro_batch = {}\n[[methods]]\nstandard = {{}}\n",
        32 * tokens
    );
    std::fs::write(folder.path().join("wide.toml"), recipe).expect("a recipe");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rxlt"));
    command.current_dir(folder.path()).args(["run", "wide.toml", "--output", "out", "--device", &gpu.adapter().name]);
    let output = command.output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    for part in ["a tensor of", "MiB", &gpu.adapter().name, "use a smaller micro-batch"] {
        assert!(said.contains(part), "expected \"{part}\" in:\n{said}");
    }
    Outcome::Passed
}

fn split(device: &Device) {
    let posing = posing(device);
    let (k, m, n) = (2_051, 5, 7);
    let mut rng = Rng::new(1, 0);
    let mut random = |shape: [usize; 2]| Array::from_fn(shape, |_| f64::from(rng.gaussian()));
    let (a, b) = (random([k, m]), random([k, n]));
    let product = |device: &Device| matmul(&place(&a, device), &place(&b, device), Layout::TN).to_array();
    close("product", &product(&posing), &product(&Device::Reference), 1e-4);
}

/// The same adapter, with the kernels that a discrete GPU gets.
fn posing(device: &Device) -> Device {
    let name = &gpu(device).adapter().name;
    let opening = Opening { kernels: Kernels::For(Kind::Discrete), ..Opening::default() };
    Device::Gpu(Gpu::open_as(Some(name), opening).expect("it was opened before"))
}

const SIDES: [usize; 3] = [70, 36, 600];

/// A product whose variants are itself, and one that sums half of k only: faster, and wrong.
fn with_a_wrong_variant() -> Kernel {
    let [m, n, k] = SIDES;
    let summing = |k_summed: usize| {
        let uniform = [m, n, k_summed, k, 1, n, 1, k_summed].map(|word| word as u32);
        Kernel::one("matmul", "forward", 2, uniform.to_vec(), m.div_ceil(64) * n.div_ceil(64))
    };
    summing(k).product(Product {
        name: "a product",
        extents: SIDES,
        precision: Precision::F32,
        tolerance: 1e-5,
        others: vec![("the same", summing(k)), ("half", summing(k / 2))],
    })
}

/// How many numbers are summed, as a product of ones tells.
fn summed(gpu: &Arc<Gpu>) -> f32 {
    let [m, n, k] = SIDES;
    let ones = |len| gpu.upload(&vec![1f32.to_bits(); len]);
    let output = gpu.allocate(m * n, Format::F32);
    gpu.run(&with_a_wrong_variant(), &[&output], &[&ones(m * k), &ones(k * n)]);
    let numbers = gpu.read(&output);
    assert!(numbers.iter().all(|x| *x == numbers[0]));
    numbers[0]
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

fn autotune(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let open = |effort| {
        let own = own(device);
        own.autotune(effort, Some(folder.path()));
        own
    };
    let off = open(Autotune::Off);
    assert_eq!((summed(&off), off.statistics().tunings, files(folder.path()).len()), (600.0, 0, 0));
    let first = open(Autotune::Quick);
    assert_eq!((summed(&first), summed(&first), first.statistics().tunings), (600.0, 600.0, 1));
    let notes = first.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("\"half\"") && notes[0].contains("differs"), "{notes:?}");
    let second = open(Autotune::Quick);
    assert_eq!((summed(&second), second.statistics().tunings), (600.0, 0), "what was chosen is taken again");
    let [file] = &files(folder.path())[..] else { panic!("one file is expected") };
    let text = std::fs::read(file).expect("the choices");
    std::fs::write(file, &text[..text.len() / 2]).expect("half of them");
    let third = open(Autotune::Quick);
    let notes = third.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("is damaged"), "{notes:?}");
    assert_eq!((summed(&third), third.statistics().tunings), (600.0, 1), "what is damaged is made again");
    let fourth = open(Autotune::Quick);
    assert_eq!((summed(&fourth), fourth.statistics().tunings, fourth.take_notes().len()), (600.0, 0, 0));
}

fn recorded_choices(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("autotune.json");
    let open = |effort, resumed| {
        let own = own(device);
        own.autotune(effort, None);
        own.record_choices(&path, resumed).map(|()| own)
    };
    let before = open(Autotune::Quick, true);
    assert!(matches!(before.err(), Some(Error::Usage(message)) if message.contains("begun without --autotune")));
    let plain = open(Autotune::Off, false).expect("nothing is in its way");
    assert_eq!((summed(&plain), path.exists()), (600.0, false));
    let run = open(Autotune::Quick, false).expect("the folder is new");
    assert_eq!((summed(&run), run.statistics().tunings), (600.0, 1));
    // A choice that shows: whoever follows it sums half.
    let text = std::fs::read_to_string(&path).expect("the choices");
    let of = |name: &str| format!("\": \"{name}\"");
    let other = ["plain", "the same"].iter().fold(text.clone(), |text, name| text.replace(&of(name), &of("half")));
    assert_ne!(other, text);
    std::fs::write(&path, other).expect("another choice");
    for effort in [Autotune::Off, Autotune::Quick] {
        let resumed = open(effort, true).expect("the choices are there");
        assert_eq!((summed(&resumed), resumed.statistics().tunings), (300.0, 0), "{effort:?}");
    }
    std::fs::write(&path, &text[..text.len() / 2]).expect("half of them");
    let damaged = open(Autotune::Quick, true);
    assert!(matches!(damaged.err(), Some(Error::Data(message)) if message.contains("choices of kernels")));
}

/// Forward and backward, with this adapter's kernels and a real GPU's, and stored in f16.
fn tuned_products(device: &Device) {
    let opening = Opening { precision: Precision::F16, ..Opening::default() };
    let in_f16 = Gpu::open_as(Some(&gpu(device).adapter().name), opening).expect("it was opened before");
    in_f16.autotune(Autotune::Quick, None);
    for spec in ALL.iter().filter(|spec| ["linear", "gelu_linear", "matmul"].contains(&spec.name)) {
        let InF16 { inputs, tolerance } = spec.in_f16.as_ref().expect("layers consist of products");
        for case in spec.cases {
            let [got, expected] = [&Device::Gpu(in_f16.clone()), &Device::Reference]
                .map(|device| products_of(case, device, f16_of, inputs));
            let what = format!("{}: {}, stored in f16", spec.name, case.name);
            got.iter().zip(&expected).for_each(|(got, expected)| close(&what, got, expected, *tolerance));
        }
    }
    assert!(in_f16.statistics().tunings > 0);
    assert_eq!(in_f16.take_notes(), [""; 0]);
    for device in [Device::Gpu(own(device)), posing(device)] {
        gpu(&device).autotune(Autotune::Quick, None);
        for spec in ALL.iter().filter(|spec| ["linear", "gelu_linear", "matmul"].contains(&spec.name)) {
            for case in spec.cases {
                let [got, expected] = [&device, &Device::Reference].map(|device| products(case, device, |x| x));
                let what = format!("{}: {}", spec.name, case.name);
                got.iter().zip(&expected).for_each(|(got, expected)| close(&what, got, expected, spec.tolerance));
            }
        }
        let mut rng = Rng::new(1, 0);
        let mut random = |shape: [usize; 2]| Array::from_fn(shape, |_| f64::from(rng.gaussian()));
        let (a, b) = (random([2_052, 8]), random([2_052, 12]));
        let product = |device: &Device| matmul(&place(&a, device), &place(&b, device), Layout::TN).to_array();
        close("long product", &product(&device), &product(&Device::Reference), 1e-4); // as much longer as the sum
        assert!(gpu(&device).statistics().tunings > 0);
        assert_eq!(gpu(&device).take_notes(), [""; 0]);
    }
}

/// Every product, forward and backward: of operands that f16 holds it is that of f32, and of others nearly so.
fn f16_products(kernels: Kernels) -> Outcome {
    let opening = Opening { kernels, precision: Precision::F16, ..Opening::default() };
    harness::on_gpu_as(opening, |device| {
        for spec in ALL.iter().filter(|spec| ["linear", "matmul"].contains(&spec.name)) {
            for case in spec.cases {
                let what = format!("{}: {}", spec.name, case.name);
                for (of_operands, tolerance) in [(f16_of as fn(f64) -> f64, spec.tolerance), (|x| x, 1e-2)] {
                    let [got, expected] =
                        [device, &Device::Reference].map(|device| products(case, device, of_operands));
                    got.iter().zip(&expected).for_each(|(got, expected)| close(&what, got, expected, tolerance));
                }
            }
        }
        // The first number beyond 1 that f16 lacks is rounded to 1; only the kernels for drivers on the processor hold
        // operands in registers, where the driver may leave them as they are.
        let x = Tensor::new(&[1.0 + 1.0 / 4096.0; 16], [4, 4], device);
        let (got, left) = (matmul(&x, &x, Layout::NN).to_vec(), 4.0 * (1.0_f32 + 1.0 / 4096.0).powi(2));
        let in_registers = kernels == Kernels::Own && gpu(device).adapter().kind == Kind::Software;
        assert!(got == [4.0; 16] || in_registers && got == [left; 16], "operands are rounded: {got:?}");
        Outcome::Passed
    })
}

/// Products by cooperative matrices, where the adapter has them: large ones with ragged edges, whole and in parts, are
/// those of the reference, and the same bits whatever shaders check.
fn cooperative_products() -> Outcome {
    let of = |kernels, checks| Opening { kernels, checks, precision: Precision::F16 };
    let mut has = false;
    let outcome = harness::on_gpu_as(of(Kernels::Own, Checks::Trusted), |device| {
        has = !gpu(device).adapter().cooperative.is_empty();
        Outcome::Passed
    });
    if !has || matches!(outcome, Outcome::Ignored(_)) {
        return Outcome::Ignored(
            "no adapter with cooperative matrices of f16 (among drivers on the processor: Mesa 26)".into(),
        );
    }
    let mut rng = Rng::new(3, 0);
    let mut random = |shape: [usize; 2]| Array::from_fn(shape, |_| f16_of(f64::from(rng.gaussian())));
    let cases = [
        ("NN", Layout::NN, random([300, 170]), random([170, 141])),
        ("NT", Layout::NT, random([129, 64]), random([97, 64])),
        ("TN, in parts", Layout::TN, random([2_060, 130]), random([2_060, 67])),
        ("one number", Layout::NN, random([1, 1]), random([1, 1])),
    ];
    let mut trusted: Option<Vec<u64>> = None;
    for checks in [Checks::Trusted, Checks::Checked, Checks::Poisoned] {
        let outcome = harness::on_gpu_as(of(Kernels::For(Kind::Discrete), checks), |device| {
            assert!(gpu(device).cooperative().is_some(), "refused: {:?}", gpu(device).notes());
            let product = |device: &Device, (_, layout, a, b): &(&str, Layout, Array, Array)| {
                matmul(&place(a, device), &place(b, device), *layout).to_array()
            };
            let results: Vec<Array> = cases.iter().map(|case| product(device, case)).collect();
            for (case, got) in cases.iter().zip(&results) {
                close(case.0, got, &product(&Device::Reference, case), 1e-4); // up to 2,060 terms in f32
            }
            let bits: Vec<u64> = results.iter().flat_map(|array| &array.values).map(|x| x.to_bits()).collect();
            assert!(*trusted.get_or_insert(bits.clone()) == bits, "{checks:?} against Trusted");
            Outcome::Passed
        });
        if matches!(outcome, Outcome::Ignored(_)) {
            return outcome;
        }
    }
    Outcome::Passed
}

/// On every device; what clipping makes of NaN is AdamW's to test.
fn overflow(device: &Device) {
    for device in [device, &Device::cpu(), &Device::Reference] {
        let state = Tensor::new(&[1024.0, 7.0, 0.5, 0.5], [4], device);
        let scale = LossScale { max_norm: 1.0, interval: 9 };
        for (total, expected) in [
            (f32::INFINITY, [512.0, 0.0, f32::NAN, f32::NAN]),
            (f32::NAN, [256.0, 0.0, f32::NAN, f32::NAN]),
            (65_536.0 * 4.0, [256.0, 1.0, 0.5 / 256.0, 4.0]),
        ] {
            Tensor::update(&scale, &[&state, &Tensor::new(&[total], [1], device)], &[]);
            for (got, expected) in state.to_vec().into_iter().zip(expected) {
                assert!(
                    (got - expected).abs() <= 1e-5 * expected || got.is_nan() && expected.is_nan(),
                    "{got}, {expected}"
                );
            }
        }
    }
}

fn f16_of(x: f64) -> f64 {
    f64::from(half::f16::from_f64(x))
}

/// A case's output and gradients, of operands that went through `rounded`; so did the output's gradient.
fn products(case: &Case, device: &Device, rounded: fn(f64) -> f64) -> Vec<Array> {
    products_of(case, device, rounded, &[])
}

/// The same with some inputs stored as the device stores activations.
fn products_of(case: &Case, device: &Device, rounded: fn(f64) -> f64, activations: &[usize]) -> Vec<Array> {
    let mut rng = Rng::new(7, 0);
    let mut random = |shape: &[usize]| Array::from_fn(shape, |_| rounded(f64::from(rng.gaussian())));
    let inputs: Vec<Tensor> = case.inputs.iter().map(|shape| place(&random(shape), device).tracked()).collect();
    let stored = |(i, input): (usize, &Tensor)| match activations.contains(&i) {
        true => input.cast(device.format()),
        false => input.clone(),
    };
    let output = (case.run)(&inputs.iter().enumerate().map(stored).collect::<Vec<_>>()).cast(Format::F32);
    let along = random(output.shape());
    let grads = output.gradients_along(&place(&along, device), &inputs.iter().collect::<Vec<_>>());
    [&output].into_iter().chain(&grads).map(Tensor::to_array).collect()
}

fn place(array: &Array, device: &Device) -> Tensor {
    match device {
        Device::Reference => Tensor::from_array(array.clone()),
        _ => Tensor::new(&array.values.iter().map(|x| *x as f32).collect::<Vec<_>>(), array.shape.clone(), device),
    }
}

#[track_caller]
fn close(what: &str, got: &Array, expected: &Array, tolerance: f64) {
    for (i, (got, expected)) in got.values.iter().zip(&expected.values).enumerate() {
        let error = (got - expected).abs() / (1.0 + expected.abs());
        assert!(error <= tolerance, "{what}, element {i}: got {got}, expected {expected}, error {error:.2e}");
    }
}

/// Adversarial training of a tiny encoder: after the first steps every one costs a submission and no new memory.
fn steady_step(device: &Device) {
    let config = serde_json::json!({
        "model_type": "xlm-roberta", "vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 20, "type_vocab_size": 1,
        "pad_token_id": 1,
    });
    let config = Config::new(config.as_object().expect("an object").clone()).expect("the configuration is right");
    let head = HeadKind::Classify(vec!["no".into(), "yes".into()]);
    let model = Model::fresh(config, head, 7, device).expect("the model fits");
    let (at, norm, start) = (Place::Word, Norm::L2, Start::Random);
    let adv = Adv {
        norm,
        radius: 0.1.into(),
        step_size: 0.05.into(),
        steps: 2,
        start,
        at,
        clean_weight: 0.5,
        ..Adv::default()
    };
    let settings = Settings {
        learning_rate: 1e-3,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.01,
        max_grad_norm: 1.0,
        warmup_steps: 0,
        total_steps: 100,
        decay: Decay::Linear,
    };
    let mut optimizer = Optimizer::lazy(&model, settings);
    let mut step = |number: u32| {
        let ids: Vec<u32> = (0..15).map(|i| 6 + (i * 5 + number) % 50).collect();
        let (types, segments) = (vec![0; 15].into(), Segments::new([9, 6]));
        let (positions, target) = (segments.positions(), Target::labels(&segments, vec![0, 1]));
        let batch = Batch { ids: ids.into(), positions, types, segments, target, other: None };
        let active = optimizer.activate(&model, batch.ids.iter().copied()).expect("the table is lazy");
        let draw = Some(Draw { seed: 1, step: number, stream: 0 });
        let scene = Scene { model: &model, words: Words::Active(&active), batch: &batch, weight: 0.5, draw };
        let loss = adv.loss(&scene);
        let grads = loss.gradients(&optimizer.leaves(&model, Some(&active)));
        optimizer.step(&model, Some(&active), &grads);
        let pending = loss.read_later();
        device.submit();
        pending
    };
    let mut pending = step(0);
    for number in 1..8 {
        std::mem::replace(&mut pending, step(number)).wait();
    }
    let before = gpu(device).statistics();
    for number in 8..16 {
        let last = std::mem::replace(&mut pending, step(number));
        assert!(last.wait()[0].is_finite());
    }
    let after = gpu(device).statistics();
    assert_eq!(after.submissions - before.submissions, 8, "submissions of 8 steps");
    assert_eq!(after.allocations, before.allocations, "buffers made in 8 steps");
}
