//! Times the operations of the encoder, forward and backward: `cargo bench`, on the CPU, or on the adapter that
//! `RXLT_DEVICE` names.
//!
//! Shapes are those of XLM-R base on a batch of 32 XNLI pairs: 1,344 tokens, 42 a sequence. Each figure is the median
//! of runs that fill about a second after one warm-up; FLOP/s count multiplications and additions of matrix products
//! and attention.

use rxlt::{
    array::Segments,
    gpu::Gpu,
    ops::{Attention, attention, linear},
    tensor::{Device, Tensor},
};
use std::time::{Duration, Instant};

const TOKENS: usize = 1344;
const HIDDEN: usize = 768;
const INNER: usize = 3072;

/// One operation at one size.
struct Case {
    name: &'static str,
    inputs: &'static [&'static [usize]],
    /// Of the forward pass; the backward pass of a product takes twice as many.
    flops: f64,
    run: fn(&[Tensor]) -> Tensor,
}

const PRODUCT: f64 = 2.0 * TOKENS as f64 * HIDDEN as f64;

const CASES: &[Case] = &[
    Case {
        name: "linear 768 to 768",
        inputs: &[&[TOKENS, HIDDEN], &[HIDDEN, HIDDEN], &[HIDDEN]],
        flops: PRODUCT * HIDDEN as f64,
        run: |x| linear(&x[0], &x[1], &x[2]),
    },
    Case {
        name: "linear 768 to 3072",
        inputs: &[&[TOKENS, HIDDEN], &[INNER, HIDDEN], &[INNER]],
        flops: PRODUCT * INNER as f64,
        run: |x| linear(&x[0], &x[1], &x[2]),
    },
    Case {
        name: "linear 3072 to 768",
        inputs: &[&[TOKENS, INNER], &[HIDDEN, INNER], &[HIDDEN]],
        flops: PRODUCT * INNER as f64,
        run: |x| linear(&x[0], &x[1], &x[2]),
    },
    Case {
        name: "attention, 12 heads",
        inputs: &[&[TOKENS, HIDDEN], &[TOKENS, HIDDEN], &[TOKENS, HIDDEN]],
        flops: 2.0 * PRODUCT * 42.0,
        run: |x| {
            let segments = Segments::new([42; TOKENS / 42]);
            attention(&x[0], &x[1], &x[2], Attention { segments, heads: 12, dropout: None })
        },
    },
    Case {
        name: "layer_norm",
        inputs: &[&[TOKENS, HIDDEN], &[HIDDEN], &[HIDDEN]],
        flops: 0.0,
        run: |x| x[0].layer_norm(&x[1], &x[2], 1e-5),
    },
    Case { name: "gelu", inputs: &[&[TOKENS, INNER]], flops: 0.0, run: |x| x[0].gelu() },
];

fn main() {
    let device = match std::env::var("RXLT_DEVICE") {
        Ok(name) if name != "cpu" => Device::Gpu(Gpu::open(Some(&name)).expect("the adapter named can be opened")),
        _ => Device::cpu(),
    };
    let name = match &device {
        Device::Gpu(gpu) => gpu.adapter().name.clone(),
        _ => format!("cpu, {} threads", rayon::current_num_threads()),
    };
    println!("{name}\n{:<22}{:>12}{:>10}{:>12}{:>10}", "operation", "forward ms", "GFLOP/s", "backward ms", "GFLOP/s");
    for case in CASES {
        let inputs: Vec<Tensor> = case.inputs.iter().map(|shape| filled(shape, &device)).collect();
        let forward = median(&device, || (case.run)(&inputs));
        let output = (case.run)(&inputs);
        let direction = filled(output.shape(), &device);
        let wanted: Vec<&Tensor> = inputs.iter().collect();
        let backward = median(&device, || output.gradients_along(&direction, &wanted));
        let rate =
            |seconds: f64, flops: f64| if flops > 0.0 { format!("{:.1}", flops / seconds / 1e9) } else { "–".into() };
        // Attention computes its probabilities again: 5 products against 2.
        let more = if case.name.starts_with("attention") { 2.5 } else { 2.0 };
        let (there, back) = (rate(forward, case.flops), rate(backward, more * case.flops));
        println!("{:<22}{:>12.3}{there:>10}{:>12.3}{back:>10}", case.name, forward * 1e3, backward * 1e3);
    }
}

/// Numbers that are neither equal nor special.
fn filled(shape: &[usize], device: &Device) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
    Tensor::new(&values, shape, device).tracked()
}

/// The median time of runs, each waited for.
fn median<T>(device: &Device, mut run: impl FnMut() -> T) -> f64 {
    let finish = |result: T| {
        drop(result);
        Tensor::number(0.0, device).item(); // waits for all that was recorded before
    };
    finish(run());
    let (started, mut times) = (Instant::now(), Vec::new());
    while times.len() < 5 || started.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        finish(run());
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
