//! How fast: what the device can do at most, what products and attention make of that, and updates beside the processor's.

use super::{Effort, Findings, Group, Seen, Subject};
use crate::{
    array::Precision,
    bench::{self, Lengths, Options, Size},
    cpu,
    error::{Error, Result},
    gpu::{Autotune, Opening},
    tensor::Device,
};
use serde_json::json;
use std::time::Duration;

/// The group.
pub const GROUP: Group = Group { name: "speed", run };

/// Why something was not measured.
const BY_SOFTWARE: &str = "a driver on the processor takes minutes";

fn run(subject: &Subject, findings: &mut Findings) -> Result<()> {
    operations(subject, findings);
    let on_cpu = updates(findings, "f32", &Device::cpu(), "cpu", subject.effort, None);
    if cpu::supports(Precision::Bf16) {
        updates(findings, "bf16", &Device::Cpu(Precision::Bf16), "cpu", subject.effort, None);
    }
    if !matches!(subject.device, Device::Gpu(_)) {
        return Ok(());
    }
    let software = subject.is_software();
    let beside = Some((&on_cpu, software));
    updates(findings, "f32", subject.device, "this device", subject.effort, beside);
    if let Some(Ok(device)) = subject.opened(Opening { precision: Precision::F16, ..Opening::default() }) {
        updates(findings, "f16", &device, "this device", subject.effort, beside);
    }
    if subject.effort == Effort::Full && !software {
        for (name, precision) in [("f32", Precision::F32), ("f16", Precision::F16)] {
            if let Some(Device::Gpu(tuned)) = subject.opened_anew(Opening { precision, ..Opening::default() }) {
                tuned.autotune(Autotune::Quick, None);
                updates(findings, name, &Device::Gpu(tuned), "this device, autotuned", subject.effort, beside);
            }
        }
    }
    Ok(())
}

/// Ceilings, and products and attention of XLM-R base as shares of them.
fn operations(subject: &Subject, findings: &mut Findings) {
    if subject.is_software() && subject.effort == Effort::Usual {
        findings.check("products and attention of base", None, || Ok(Seen::Skipped(BY_SOFTWARE.into())));
        return;
    }
    let mut figures = Vec::new();
    findings.check("products and attention of base", None, || {
        let filters = vec!["linear/".to_owned(), "attention/".to_owned()];
        let options = Options { size: Size::Base, lengths: Lengths::Xnli, filters, quick: true, time: Duration::ZERO };
        let report = bench::run(subject.device, &options, |_| {}, |_| Ok(()))?;
        let ceilings = report.ceilings.ok_or_else(|| Error::Device("no ceilings were measured".into()))?;
        figures.push(("multiply-adds", json!(format!("{:.1} GFLOP/s", ceilings.flops / 1e9))));
        figures.push(("copies", json!(format!("{:.1} GB/s", ceilings.bytes / 1e9))));
        figures.push(("bare products of a layer", json!(format!("{:.1} GFLOP/s", ceilings.products / 1e9))));
        let share = |entry: &bench::Entry| Some(format!("{} {:.0} %", entry.name, 100.0 * entry.share?));
        let shares = report.results.iter().filter_map(share);
        Ok(Seen::Right(shares.collect::<Vec<_>>().join(", ")))
    });
    for (name, value) in figures {
        findings.figure(name, value);
    }
}

/// Seconds of an update of the small and of the base encoder, where they were taken.
type Seconds = Vec<(Size, f64)>;

/// Times updates of encoders; `beside` has the processor's, and whether this device is the processor by another way.
fn updates(
    findings: &mut Findings,
    precision: &str,
    device: &Device,
    whose: &str,
    effort: Effort,
    beside: Option<(&Seconds, bool)>,
) -> Seconds {
    let mut taken = Vec::new();
    for size in [Size::Small, Size::Base] {
        let name = format!("an update of {size}, {precision}, {whose}");
        let mut seconds = None;
        findings.check(name.clone(), None, || {
            if size == Size::Base && beside.is_some_and(|(_, software)| software) {
                return Ok(Seen::Skipped(BY_SOFTWARE.into()));
            }
            let batches = if effort == Effort::Full { 4 } else { 1 };
            let update = match bench::update(device, size, Lengths::Xnli, batches) {
                Err(Error::Device(reason)) => return Ok(Seen::Skipped(reason)),
                update => update?,
            };
            seconds = Some(update.seconds);
            let cpu = beside.and_then(|(seconds, _)| seconds.iter().find(|(other, _)| *other == size));
            let times = cpu.map_or(String::new(), |(_, cpu)| {
                format!(": training here is {:.2} × this processor in f32", cpu / update.seconds)
            });
            Ok(Seen::Right(format!("{:.1} ms, {:.0} tokens/s{times}", 1e3 * update.seconds, update.tokens_per_second)))
        });
        if let Some(seconds) = seconds {
            taken.push((size, seconds));
            findings.figure(name, format!("{:.1} ms", 1e3 * seconds));
            if let Some((_, cpu)) = beside.and_then(|(cpu, _)| cpu.iter().find(|(other, _)| *other == size)) {
                let name = format!("training of {size} in {precision}, {whose}");
                findings.figure(name, format!("{:.2} × this processor in f32", cpu / seconds));
            }
        }
    }
    taken
}
