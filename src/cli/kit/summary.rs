//! What the GPU kit's steps come to: how they ended, training steps side by side, and whether GPU and CPU agree.

use super::{Outcome, SCHEMA, Step, stages};
use crate::{
    bench,
    error::Result,
    report::{
        Column, Table,
        analysis::{Kind, Measured, Options, analyze},
        percent, points,
        runs::Study,
    },
};
use serde::Serialize;
use serde_json::Value;

/// Everything in short.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    schema: u32,
    rxlt: &'static str,
    /// The adapters and the processor, as `rxlt devices` tells them.
    devices: Option<Value>,
    steps: Vec<Ending>,
    training: Vec<Training>,
    /// Trainings of the same recipe and seed on the GPU and on the CPU.
    agreement: Vec<Agreement>,
    /// Why there is none, where runs cannot be compared.
    not_compared: Vec<String>,
}

/// How a step ended.
#[derive(Debug, Serialize)]
struct Ending {
    group: String,
    name: String,
    outcome: Outcome,
    message: String,
    seconds: Option<f64>,
    limit_seconds: Option<f64>,
}

/// Steps of a model as one program takes them.
#[derive(Debug, Serialize)]
struct Training {
    /// `rxlt` or `pytorch`.
    program: String,
    device: String,
    size: String,
    /// What operands are rounded to: f32, tf32, bf16 or f16.
    precision: String,
    autotune: String,
    /// Examples per second.
    forward: Option<f64>,
    /// With all gradients and AdamW.
    update: Option<f64>,
    /// Floating point operations per second of the bare products of a layer.
    products: Option<f64>,
    /// Of multiply-adds in f32.
    flops: Option<f64>,
    /// The most bytes on the device.
    peak_bytes: Option<u64>,
    /// False where the time was over before all was measured.
    complete: bool,
}

/// Two trainings of one method. Rounding alone leads two trainings apart, so tables agree within their intervals, not
/// to the digit.
#[derive(Debug, Serialize)]
struct Agreement {
    method: String,
    /// The mean over languages, without the source where there are others.
    cpu: Interval,
    gpu: Interval,
    /// The paired difference, GPU less CPU.
    difference: Interval,
    languages: usize,
    /// What has 95 % intervals that do not meet: languages, and the mean.
    apart: Vec<String>,
    /// Whether nothing is apart.
    agrees: bool,
}

/// A share or a difference of shares with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Interval {
    value: f64,
    low: f64,
    high: f64,
}

impl Interval {
    fn of(measured: &Measured) -> Interval {
        Interval { value: measured.value, low: measured.low, high: measured.high }
    }

    fn meets(&self, other: &Interval) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

impl Summary {
    /// Reads what the steps left.
    pub(super) fn of(steps: &[Step]) -> Result<Summary> {
        let (agreement, not_compared) = compare(steps)?;
        let result = |group: &str| steps.iter().find(|step| step.group == group).and_then(|step| step.result.clone());
        Ok(Summary {
            schema: SCHEMA,
            rxlt: crate::VERSION,
            devices: result("devices"),
            steps: steps.iter().map(Ending::of).collect(),
            training: steps.iter().filter_map(Training::of).collect(),
            agreement,
            not_compared,
        })
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("rxlt {}\n\n{}", self.rxlt, endings(&self.steps));
        if !self.training.is_empty() {
            text += &format!("\n{}", training(&self.training));
        }
        for found in &self.agreement {
            text += &format!("\n{}\n", found.sentence());
        }
        text + &self.not_compared.iter().map(|reason| format!("\nnot compared: {reason}\n")).collect::<String>()
    }
}

fn endings(steps: &[Ending]) -> String {
    let columns = [
        Column::words("step"),
        Column::words(""),
        Column::words("outcome"),
        Column::numbers("seconds"),
        Column::numbers("limit"),
    ];
    let seconds = |seconds: Option<f64>| seconds.map_or(String::new(), |seconds| format!("{seconds:.0}"));
    let outcome = |step: &Ending| format!("{:?}", step.outcome).to_lowercase();
    let row = |step: &Ending| {
        [step.group.clone(), step.name.clone(), outcome(step), seconds(step.seconds), seconds(step.limit_seconds)]
    };
    let mut text = steps.iter().fold(Table::new(columns), |table, step| table.row(row(step))).to_text();
    for (message, names) in complaints(steps) {
        text += &format!("{}: {message}\n", names.join(", "));
    }
    text
}

/// What there is to say of steps that did not come to a good end, each with the steps of which it is said.
fn complaints(steps: &[Ending]) -> Vec<(&str, Vec<String>)> {
    let mut all: Vec<(&str, Vec<String>)> = Vec::new();
    for step in steps.iter().filter(|step| !matches!(step.outcome, Outcome::Done | Outcome::Cut)) {
        let name = format!("{} {}", step.group, step.name);
        match all.iter_mut().find(|(message, _)| *message == step.message) {
            Some((_, names)) => names.push(name),
            None => all.push((&step.message, vec![name])),
        }
    }
    all
}

fn training(all: &[Training]) -> String {
    let headings = ["forward", "update", "GFLOP/s", "ceiling", "peak MiB"].map(Column::numbers);
    let names = ["", "encoder", "precision", "autotune"].map(Column::words);
    let whole = |number: Option<f64>| number.map_or(String::new(), |number| format!("{number:.0}"));
    let giga = |rate: Option<f64>| whole(rate.map(|rate| rate / 1e9));
    let row = |one: &Training| {
        let program = if one.program == "rxlt" && one.device == "cpu" { "rxlt, CPU" } else { &one.program };
        let peak = whole(one.peak_bytes.map(|bytes| (bytes >> 20) as f64));
        let names = [program, &one.size, &one.precision, &one.autotune].map(str::to_owned);
        let mut figures = [whole(one.forward), whole(one.update), giga(one.products), giga(one.flops), peak];
        if !one.complete {
            figures[4] += " …";
        }
        names.into_iter().chain(figures)
    };
    let table = all.iter().fold(Table::new(names.into_iter().chain(headings)), |table, one| table.row(row(one)));
    let legend = "forward and update: examples per second at XNLI's lengths; GFLOP/s of bare products, and of f32\n\
                  multiply-adds at most; … cut short\n";
    table.to_text() + legend
}

impl Ending {
    fn of(step: &Step) -> Ending {
        Ending {
            group: step.group.clone(),
            name: step.name.clone(),
            outcome: step.outcome,
            message: step.message.clone(),
            seconds: step.seconds,
            limit_seconds: step.limit_seconds,
        }
    }
}

impl Training {
    fn of(step: &Step) -> Option<Training> {
        let result = step.result.as_ref()?;
        match step.group.as_str() {
            "bench" => serde_json::from_value(result.clone()).ok().map(|report| Training::of_report(&report)),
            "pytorch" => Training::of_peer(result, step.outcome == Outcome::Done),
            _ => None,
        }
    }

    fn of_report(report: &bench::Report) -> Training {
        let entry = |name: &str| report.results.iter().find(|entry| entry.name == name);
        let rate = |name: &str| Some(entry(name)?.step.as_ref()?.examples_per_second);
        let peaks = report.results.iter().filter_map(|entry| entry.step.as_ref()?.gpu_peak_bytes);
        Training {
            program: "rxlt".into(),
            device: report.machine.device.clone(),
            size: report.size.clone(),
            precision: report.machine.precision.clone(),
            autotune: format!("{:?}", report.autotune).to_lowercase(),
            forward: rate("step/forward"),
            update: rate("step/update"),
            products: report.ceilings.map(|ceilings| ceilings.products),
            flops: report.ceilings.map(|ceilings| ceilings.flops),
            peak_bytes: peaks.max(),
            complete: report.complete,
        }
    }

    /// What `benches/peers/pytorch.py` writes.
    fn of_peer(record: &Value, complete: bool) -> Option<Training> {
        let word = |key: &str| record[key].as_str().map(str::to_owned);
        let rate = |work: &str| (record["work"] == work).then(|| record["examples_per_second"].as_f64()).flatten();
        let precision = if record["tf32"] == true { "tf32".into() } else { word("precision")? };
        Some(Training {
            program: word("program")?,
            device: word("device_name")?,
            size: word("size")?,
            precision,
            autotune: String::new(),
            forward: rate("forward"),
            update: rate("update"),
            products: None,
            flops: None,
            peak_bytes: record["peak_bytes"].as_u64(),
            complete,
        })
    }
}

/// Compares the runs of the step `cpu` and the step `gpu`, method by method; and why it cannot, where that is so.
fn compare(steps: &[Step]) -> Result<(Vec<Agreement>, Vec<String>)> {
    let run = |name: &str| steps.iter().find(|step| step.group == "sib200" && step.name == name);
    let (Some(cpu), Some(gpu)) = (run("cpu"), run("gpu")) else { return Ok((Vec::new(), Vec::new())) };
    let [cpu, gpu] = [cpu, gpu].map(|step| step.folder.join("run"));
    let on_gpu = stages(&gpu)?;
    let both: Vec<String> = stages(&cpu)?.into_iter().filter(|stage| on_gpu.contains(stage)).collect();
    if both.is_empty() {
        return Ok((Vec::new(), vec!["no method was finished on the GPU and on the CPU".into()]));
    }
    let (mut agreements, mut reasons) = (Vec::new(), Vec::new());
    for stage in both {
        match Agreement::of(&Study::pair(&cpu.join(&stage), &gpu.join(&stage)), &stage) {
            Ok(agreement) => agreements.push(agreement),
            Err(reason) => reasons.push(reason),
        }
    }
    Ok((agreements, reasons))
}

impl Agreement {
    fn of(study: &Result<Study>, stage: &str) -> Result<Agreement, String> {
        let study = study.as_ref().map_err(|error| format!("{stage}: {error}"))?;
        let baseline = study.cells.first().map(|cell| cell.label.clone());
        let options = Options { baseline, ..Options::default() };
        let analysis = analyze(study, &options).map_err(|error| format!("{stage}: {error}"))?;
        let [cpu, gpu] = &analysis.methods[..] else { return Err(format!("{stage}: there are not two runs")) };
        let judged = |one: &&Measured| one.kind == Kind::Language || one.name.starts_with("mean");
        let pairs = cpu.measures.iter().filter(judged).zip(gpu.measures.iter().filter(judged));
        let apart = pairs.filter(|(cpu, gpu)| !Interval::of(cpu).meets(&Interval::of(gpu)));
        let apart: Vec<String> = apart.map(|(cpu, _)| cpu.name.clone()).collect();
        let missing = || format!("{stage}: there is no mean");
        let mean = |measures: &[Measured]| measures.iter().rfind(|one| one.name.starts_with("mean")).cloned();
        let (cpu_mean, gpu_mean) = (mean(&cpu.measures).ok_or_else(missing)?, mean(&gpu.measures).ok_or_else(missing)?);
        let gain = gpu_mean.gain.as_ref().ok_or_else(missing)?;
        Ok(Agreement {
            method: stage.to_owned(),
            cpu: Interval::of(&cpu_mean),
            gpu: Interval::of(&gpu_mean),
            difference: Interval { value: gain.value, low: gain.low, high: gain.high },
            languages: analysis.languages.len(),
            agrees: apart.is_empty(),
            apart,
        })
    }

    fn sentence(&self) -> String {
        let verdict = if self.agrees { "GPU and CPU agree" } else { "GPU AND CPU DIFFER" };
        let apart = match &self.apart[..] {
            [] => String::new(),
            some => format!("; intervals do not meet: {}", some.join(", ")),
        };
        let Interval { value, low, high } = self.difference;
        format!(
            "{}: {verdict} within their intervals: {} % on the GPU, {} on the CPU over {} languages, {} [{}, {}]{apart}",
            self.method,
            percent(self.gpu.value),
            percent(self.cpu.value),
            self.languages,
            points(value),
            points(low),
            points(high),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::PathBuf;

    fn step(group: &str, name: &str, outcome: Outcome, result: Value) -> Step {
        Step {
            group: group.into(),
            name: name.into(),
            outcome,
            message: "why".into(),
            command: String::new(),
            seconds: Some(2.4),
            limit_seconds: Some(9.0),
            code: None,
            result: Some(result),
            folder: PathBuf::new(),
        }
    }

    #[test]
    fn training_stands_side_by_side() {
        let timing = json!({ "seconds": 0.5, "low": 0.4, "high": 0.6, "n": 3 });
        let mut entry = json!({ "name": "step/update", "shapes": "", "flops": 1e9, "bytes": 1e6, "share": null,
            "step": { "examples_per_second": 64.0, "tokens_per_second": 9.0, "peak_bytes": 1, "gpu_peak_bytes": 3 << 20 } });
        entry.as_object_mut().unwrap().extend(timing.as_object().unwrap().clone());
        let machine = json!({ "device": "card", "processor": null, "threads": 2, "backend": "vulkan", "driver": "d", "precision": "f16" });
        let report = json!({ "schema": 1, "version": "0", "commit": null, "machine": machine, "autotune": "quick",
            "size": "base", "lengths": "xnli", "complete": false, "ceilings": null, "results": [entry] });
        let peer = json!({ "program": "pytorch", "device_name": "card", "size": "base", "work": "update", "precision": "f32",
            "tf32": true, "examples_per_second": 100.0, "peak_bytes": 5 << 20 });
        let all = [step("bench", "base", Outcome::Cut, report), step("pytorch", "tf32", Outcome::Done, peer)];
        let summary = Summary::of(&all).unwrap();
        let text = summary.to_text();
        let words: Vec<String> = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for line in
            ["bench base cut 2 9", "pytorch tf32 done 2 9", "rxlt base f16 quick 64 3 …", "pytorch base tf32 100 5"]
        {
            assert!(words.iter().any(|found| found == line), "expected {line} in:\n{text}");
        }
    }

    #[test]
    fn what_was_not_made_says_why() {
        let skipped = |group, name| step(group, name, Outcome::Skipped, Value::Null);
        let all =
            [skipped("doctor", "full"), step("bench", "base", Outcome::Cut, Value::Null), skipped("pytorch", "f32")];
        assert!(Summary::of(&all).unwrap().to_text().contains("\ndoctor full, pytorch f32: why\n"));
    }

    #[test]
    fn intervals_meet_or_do_not() {
        let interval = |low, high| Interval { value: (low + high) / 2.0, low, high };
        let cases = [((0.1, 0.3), (0.2, 0.4), true), ((0.1, 0.3), (0.3, 0.4), true), ((0.1, 0.2), (0.3, 0.4), false)];
        for ((a, b), (c, d), meet) in cases {
            assert_eq!(interval(a, b).meets(&interval(c, d)), meet);
            assert_eq!(interval(c, d).meets(&interval(a, b)), meet);
        }
    }
}
