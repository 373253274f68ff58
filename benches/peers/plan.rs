//! What the Rust peers share: the batches that rxlt draws, the command line, timing, and a line of JSON.

use std::time::{Duration, Instant};

/// Extents of an encoder.
#[derive(Clone, Copy)]
pub struct Size {
    pub name: &'static str,
    pub layers: usize,
    pub hidden: usize,
    pub heads: usize,
    pub inner: usize,
    pub words: usize,
}

const SIZES: [Size; 2] = [
    Size { name: "small", layers: 4, hidden: 256, heads: 4, inner: 1024, words: 16_000 },
    Size { name: "base", layers: 12, hidden: 768, heads: 12, inner: 3072, words: 250_002 },
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Forward,
    Backward,
    Update,
}

/// What is measured: `--size`, `--work`, `--padding`, `--device`, `--seconds`.
pub struct Plan {
    pub size: Size,
    pub work: Work,
    pub device: String,
    padding: String,
    seconds: f64,
}

/// Padded sequences, row by row, and which places hold words.
pub struct Padded {
    pub sequences: usize,
    pub length: usize,
    pub ids: Vec<i64>,
    pub lengths: Vec<usize>,
    pub labels: Vec<i64>,
}

const BATCH: usize = 32;

impl Plan {
    pub fn parse() -> Plan {
        let mut plan =
            Plan { size: SIZES[0], work: Work::Update, device: "cpu".into(), padding: "longest".into(), seconds: 30.0 };
        let words: Vec<String> = std::env::args().skip(1).collect();
        for pair in words.chunks(2) {
            let [flag, value] = pair else { panic!("{} has no value", pair[0]) };
            match (flag.as_str(), value.as_str()) {
                ("--size", name) => {
                    plan.size = *SIZES.iter().find(|size| size.name == name).expect("--size small or base");
                }
                ("--work", "forward") => plan.work = Work::Forward,
                ("--work", "backward") => plan.work = Work::Backward,
                ("--work", "update") => plan.work = Work::Update,
                ("--padding", padding @ ("longest" | "128")) => plan.padding = padding.into(),
                ("--device", device) => plan.device = device.into(),
                ("--seconds", seconds) => plan.seconds = seconds.parse().expect("--seconds takes a number"),
                (flag, value) => panic!("{flag} {value} is not known"),
            }
        }
        plan
    }

    /// The batches of a round.
    pub fn batches(&self) -> Vec<Padded> {
        let drawn = drawn(self.size.words);
        let padded = |batch: &Vec<Vec<i64>>| match self.padding.as_str() {
            "128" => pad(batch, 128),
            _ => pad(batch, batch.iter().map(Vec::len).max().unwrap_or(0)),
        };
        let n = if self.padding == "128" { 1 } else { drawn.len() }; // padded to 128 all cost the same
        drawn[..n].iter().map(padded).collect()
    }

    /// Times rounds of `step` over the batches, after a warm-up over all of them, and prints the result.
    pub fn run(&self, program: &str, version: &str, batches: &[Padded], mut step: impl FnMut(&Padded)) {
        let begun = Instant::now();
        step(&batches[0]);
        let first = begun.elapsed().as_secs_f64();
        batches[1..].iter().for_each(&mut step);
        let (start, mut rounds) = (Instant::now(), Vec::new());
        while rounds.len() < 2 || start.elapsed() < Duration::from_secs_f64(self.seconds) {
            let begun = Instant::now();
            batches.iter().for_each(&mut step);
            rounds.push(begun.elapsed().as_secs_f64() / batches.len() as f64);
        }
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let seconds = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
        let work = match self.work {
            Work::Forward => "forward",
            Work::Backward => "backward",
            Work::Update => "update",
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        println!(
            "{{\"program\": \"{program}\", \"version\": \"{version}\", \"device\": \"{}\", \"threads\": {threads}, \
             \"size\": \"{}\", \"work\": \"{work}\", \"padding\": \"{}\", \"precision\": \"f32\", \"seconds\": {seconds}, \
             \"rounds\": {rounds:?}, \"first_step_seconds\": {first}, \"examples_per_second\": {}, \"peak_bytes\": {}}}",
            self.device,
            self.size.name,
            self.padding,
            BATCH as f64 / seconds,
            peak_memory()
        );
    }
}

/// Token ids of each sequence of each batch: those of batches.py and of rxlt.
fn drawn(words: usize) -> Vec<Vec<Vec<i64>>> {
    let mut state = 7u32;
    let mut below = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % n
    };
    let number = |word: &str| word.parse::<usize>().expect("the table holds numbers");
    let table = include_str!("../lengths/xnli.txt").lines().filter_map(|line| line.split_once(' '));
    let all: Vec<usize> = table.flat_map(|(length, count)| vec![number(length); number(count)]).collect();
    let lengths: Vec<Vec<usize>> = (0..4).map(|_| (0..BATCH).map(|_| all[below(all.len())]).collect()).collect();
    let sequence = |length: &usize| {
        let inner = (2..*length).map(|_| 3 + below(words - 3) as i64);
        [0].into_iter().chain(inner.collect::<Vec<_>>()).chain([2]).collect()
    };
    let mut sequence = sequence;
    lengths.iter().map(|batch| batch.iter().map(&mut sequence).collect()).collect()
}

fn pad(batch: &[Vec<i64>], length: usize) -> Padded {
    let ids = batch.iter().flat_map(|ids| ids.iter().copied().chain(std::iter::repeat_n(1, length - ids.len())));
    Padded {
        sequences: batch.len(),
        length,
        ids: ids.collect(),
        lengths: batch.iter().map(Vec::len).collect(),
        labels: (0..batch.len() as i64).map(|i| i % 3).collect(),
    }
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}
