use rxlt::{array::*, gpu::Gpu, ops::*, rng::*, tensor::*};
use std::time::Instant;
fn cpu() -> f64 {
    let t = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = t.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn time(device: &Device, n: usize, mut f: impl FnMut() -> Tensor) -> f64 {
    let t = f();
    let _ = t.read_later().wait();
    let mut best = f64::MAX;
    for _ in 0..3 {
        let s = Instant::now();
        let c = cpu();
        let mut last = None;
        for _ in 0..n {
            last = Some(f());
        }
        let Device::Gpu(gpu) = device else { panic!() };
        let _ = last.unwrap().slice(0, [1]).to_vec();
        let _ = gpu;
        print!("[cpu/2 {:.1} ms] ", (cpu() - c) / 2.0 / n as f64 * 1e3);
        best = best.min(s.elapsed().as_secs_f64() / n as f64);
    }
    best
}
fn main() {
    let name = std::env::var("RXLT_DEVICE").ok();
    let gpu = if std::env::var("RXLT_KERNELS").is_ok() {
        Gpu::open_with_kernels_for(name.as_deref(), rxlt::gpu::Kind::Discrete)
    } else {
        Gpu::open(name.as_deref())
    }
    .unwrap();
    println!("{:?}", gpu.adapter());
    let device = Device::Gpu(gpu.clone());
    let what = std::env::args().nth(1).unwrap_or("all".into());
    let rand = |s: [usize; 2]| {
        noise(&Shape::from(s), Distribution::Gaussian, 1.0, Draw { seed: 1, step: 1, stream: s[0] as u32 }, &device)
    };
    let (m, n, k) = (1344, 768, 768);
    if what == "all" || what == "matmul" {
        for layout in [Layout::NT, Layout::NN, Layout::TN] {
            let (a, b) = match layout {
                Layout::NT => (rand([m, k]), rand([n, k])),
                Layout::NN => (rand([m, k]), rand([k, n])),
                Layout::TN => (rand([k, m]), rand([k, n])),
            };
            let s = time(&device, 10, || matmul(&a, &b, layout));
            println!("{layout:?} {:.1} ms {:.2} GFLOP/s", s * 1e3, 2.0 * (m * n * k) as f64 / s / 1e9);
        }
        let (x, w, b) = (rand([m, k]), rand([n, k]), rand([1, n]).slice(0, [n]));
        let s = time(&device, 10, || linear(&x, &w, &b));
        println!("linear {:.1} ms {:.2} GFLOP/s", s * 1e3, 2.0 * (m * n * k) as f64 / s / 1e9);
    }
    if what == "all" || what == "ops" {
        let x = rand([1344, 768]);
        let g = rand([1, 768]).slice(0, [768]);
        println!("layer_norm {:.1} ms", 1e3 * time(&device, 3, || x.layer_norm(&g, &g, 1e-5)));
        println!("gelu {:.1} ms", 1e3 * time(&device, 3, || x.gelu()));
        println!("add {:.1} ms", 1e3 * time(&device, 3, || x.add(&x)));
        println!("dropout {:.1} ms", 1e3 * time(&device, 3, || x.dropout(0.1, Draw { seed: 1, step: 1, stream: 1 })));
        println!("sum_rows {:.1} ms", 1e3 * time(&device, 3, || x.sum_rows()));
        println!("noise {:.1} ms", 1e3 * time(&device, 3, || rand([1344, 768])));
        let tiny = rand([1, 4]);
        println!("tiny {:.3} ms", 1e3 * time(&device, 500, || tiny.add(&tiny)));
    }
    if what == "all" || what == "attention" {
        let rows = 1024;
        let h = 256;
        let q = rand([rows, h]);
        for (len, rate) in [(64, 0.0f32), (64, 0.1), (128, 0.1)] {
            let how = Attention {
                segments: Segments::new(vec![len; rows / len]),
                heads: 4,
                dropout: (rate > 0.0).then_some((rate, Draw { seed: 1, step: 1, stream: 1 })),
            };
            let flop = 4.0 * (len * rows * h) as f64;
            let s = time(&device, 2, || attention(&q, &q, &q, how.clone()));
            println!("attention {len} {rate} forward {:.1} ms {:.2} GFLOP/s", s * 1e3, flop / s / 1e9);
            let q2 = q.tracked();
            let s = time(&device, 2, || {
                let y = attention(&q2, &q2, &q2, how.clone());
                y.gradients_along(&q, &[&q2]).remove(0)
            });
            println!("attention {len} {rate} forward + backward {:.1} ms {:.2} GFLOP/s", s * 1e3, 3.5 * flop / s / 1e9);
        }
    }
    println!("{:?}", gpu.statistics());
}
