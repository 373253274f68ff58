//! How long gradients of several ranks take to become one, against a copy of as many bytes:
//! `cargo build --release -p rxlt-mpi --example exchange`, then `mpirun -n 2 target/release/examples/exchange [MILLIONS]`.

use std::{hint::black_box, process::ExitCode, time::Instant};

use rxlt::{
    array::Shape,
    learn::reduce::{Reduce, Share},
    ranks::Ranks,
    tensor::{Device, Tensor},
};

/// Each way so often.
const ROUNDS: usize = 9;

fn main() -> ExitCode {
    rxlt_mpi::joined(|ranks| {
        let millions = std::env::args().nth(1).map_or(Ok(22), |text| text.parse());
        let Ok(millions) = millions else {
            eprintln!("expected a number of millions");
            return ExitCode::from(2);
        };
        measure(ranks, millions);
        ExitCode::SUCCESS
    })
}

/// Of so many million numbers, in tensors of a million.
fn measure(ranks: &Ranks, millions: usize) {
    let device = Device::cpu();
    let shapes: Vec<Shape> = vec![[1000, 1000].into(); millions];
    let numbers: Vec<f32> = (0..1_000_000).map(|i| i as f32).collect();
    let tensors: Vec<Tensor> = shapes.iter().map(|shape| Tensor::new(&numbers, shape.clone(), &device)).collect();
    let say = |what: &str, seconds: f64| {
        if ranks.is_first() {
            println!("{what:<10}{:6.0} ms", 1e3 * seconds);
        }
    };
    if ranks.is_first() {
        println!("{} ranks, {} MB of gradients each; the median of {ROUNDS}", ranks.count(), 4 * millions);
    }
    say("copy", median(|| drop(black_box(tensors.iter().map(Tensor::to_vec).collect::<Vec<_>>()))));
    for (name, reduce) in [("ordered", Reduce::Ordered), ("fast", Reduce::Fast), ("half", Reduce::Half)] {
        let share = Share { ranks, reduce };
        let mut make = |_| tensors.clone();
        say(name, median(|| drop(share.sum(ranks.count(), &shapes, &device, &mut make))));
    }
}

fn median(mut work: impl FnMut()) -> f64 {
    let mut all: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64()
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[ROUNDS / 2]
}
