//! temporary
pub enum Outcome {
    Passed,
    Ignored(String),
}
pub struct Test {
    pub name: String,
    pub run: Box<dyn Fn() -> Outcome + std::panic::RefUnwindSafe + std::panic::UnwindSafe>,
}
pub fn run(tests: Vec<Test>) {
    let filter: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let mut failed = 0;
    for t in tests.iter().filter(|t| filter.is_empty() || filter.iter().any(|f| t.name.contains(f))) {
        match std::panic::catch_unwind(|| (t.run)()) {
            Ok(Outcome::Passed) => println!("test {} ... ok", t.name),
            Ok(Outcome::Ignored(why)) => println!("test {} ... ignored, {why}", t.name),
            Err(_) => {
                failed += 1;
                println!("test {} ... FAILED", t.name)
            }
        }
    }
    println!("test result: {failed} failed");
    std::process::exit(i32::from(failed > 0));
}

use rxlt::{
    gpu::{Gpu, Kind},
    tensor::Device,
};
pub fn on_gpu(work: impl FnOnce(&Device) -> Outcome) -> Outcome {
    static GPU: std::sync::OnceLock<std::sync::Arc<Gpu>> = std::sync::OnceLock::new();
    let gpu = GPU.get_or_init(|| {
        let name = std::env::var("RXLT_DEVICE").ok();
        match std::env::var("RXLT_KERNELS").as_deref() {
            Ok("hardware") => Gpu::open_with_kernels_for(name.as_deref(), Kind::Discrete),
            _ => Gpu::open(name.as_deref()),
        }
        .unwrap()
    });
    work(&Device::Gpu(gpu.clone()))
}
