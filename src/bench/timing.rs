//! How long something takes: warm-up, repetition, median and spread.

use crate::tensor::Device;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// A sample is at least so long: clocks and hand-overs cost some microseconds.
const SAMPLE: Duration = Duration::from_millis(1);
/// The most repetitions in a sample: results of a GPU live until it has run.
const MAX_REPETITIONS: usize = 200;

/// How long is measured, after one warm-up.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// About so long in all.
    pub time: Duration,
    /// Samples at least.
    pub samples: usize,
}

/// The distribution of a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The median.
    pub seconds: f64,
    /// The first quartile.
    pub low: f64,
    /// The third quartile.
    pub high: f64,
    /// How many samples.
    pub n: usize,
}

impl Timing {
    /// The distribution of samples, of which there must be one.
    pub fn of(mut samples: Vec<f64>) -> Timing {
        samples.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let place = share * (samples.len() - 1) as f64;
            let (below, above) = (samples[place.floor() as usize], samples[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Timing { seconds: quantile(0.5), low: quantile(0.25), high: quantile(0.75), n: samples.len() }
    }

    /// The interquartile range as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.high - self.low) / self.seconds
    }
}

/// Times `run`: by the GPU's timestamps where it has them, else by the clock around work that is waited for.
pub fn measure(device: &Device, budget: Budget, mut run: impl FnMut()) -> Timing {
    sample(device, 1, &mut run); // compiles pipelines, fills caches and pools
    let first = sample(device, 1, &mut run);
    let repetitions = (SAMPLE.as_secs_f64() / first.max(1e-9)).ceil().clamp(1.0, MAX_REPETITIONS as f64) as usize;
    let mut samples = if repetitions == 1 { vec![first] } else { Vec::new() };
    let start = Instant::now();
    while samples.len() < budget.samples || start.elapsed() < budget.time {
        samples.push(sample(device, repetitions, &mut run));
    }
    Timing::of(samples)
}

/// Times `run`, which was warmed up, by the clock of the one who waits for it: host and device together.
pub fn measure_waiting(device: &Device, budget: Budget, mut run: impl FnMut()) -> Timing {
    let mut once = || {
        let start = Instant::now();
        run();
        device.wait();
        start.elapsed().as_secs_f64()
    };
    let (start, mut samples) = (Instant::now(), Vec::new());
    while samples.len() < budget.samples || start.elapsed() < budget.time {
        samples.push(once());
    }
    Timing::of(samples)
}

/// The seconds of one of several repetitions.
fn sample(device: &Device, repetitions: usize, run: &mut impl FnMut()) -> f64 {
    let mut repeat = || (0..repetitions).for_each(|_| run());
    let timed = match device {
        Device::Gpu(gpu) => gpu.time(&mut repeat),
        _ => None,
    };
    let seconds = timed.unwrap_or_else(|| {
        device.wait();
        let start = Instant::now();
        repeat();
        device.wait();
        start.elapsed().as_secs_f64()
    });
    seconds / repetitions as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_samples() {
        let timing = Timing::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(timing, Timing { seconds: 2.5, low: 1.75, high: 3.25, n: 4 });
        assert_eq!(timing.spread(), 0.6);
        assert_eq!(Timing::of(vec![2.0]), Timing { seconds: 2.0, low: 2.0, high: 2.0, n: 1 });
    }

    #[test]
    fn short_runs_are_repeated_within_a_sample() {
        let mut runs = 0;
        let budget = Budget { time: Duration::ZERO, samples: 3 };
        let timing = measure(&Device::cpu(), budget, || runs += 1);
        assert!(timing.n == 3 && runs == 2 + 3 * MAX_REPETITIONS, "{runs} runs in {} samples", timing.n);
    }
}
