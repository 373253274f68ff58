//! Figures for people to read: of one run, and of two side by side.

use super::{Entry, Machine, Options, Report, StepFigures};
use crate::{
    error::{Error, Result},
    gpu::Autotune,
    report::{Column, Table, percent},
};

/// The device and its ceilings, whole steps, and operations.
pub fn tables(report: &Report) -> String {
    let (machine, ceilings) = (&report.machine, &report.ceilings);
    let driver = machine.driver.as_ref().map_or(String::new(), |driver| format!(", {driver}"));
    let processor = machine.processor.as_ref().map_or(String::new(), |name| format!(" on {name}"));
    let autotune = match report.autotune {
        Autotune::Off => "",
        Autotune::Quick => ", autotune quick",
        Autotune::Full => ", autotune full",
    };
    let mut text = format!(
        "{} ({}{driver}, {}{autotune}, {} threads{processor}), {} encoder, lengths {}\n",
        machine.device, machine.backend, machine.precision, machine.threads, report.size, report.lengths
    );
    text += &match ceilings {
        None => "ceilings were not measured\n".into(),
        Some(ceilings) => format!(
            "ceilings: {} GFLOP/s of f32 multiply-adds, {} GB/s of copies; bare products of a layer: {} GFLOP/s\n",
            giga(ceilings.flops),
            giga(ceilings.bytes),
            giga(ceilings.products)
        ),
    };
    let (steps, operations): (Vec<&Entry>, Vec<&Entry>) = report.results.iter().partition(|entry| entry.step.is_some());
    let steps: Vec<(&Entry, &StepFigures)> = steps.iter().filter_map(|e| Some((*e, e.step.as_ref()?))).collect();
    if !steps.is_empty() {
        text += &format!("\n{}", steps_table(&steps, ceilings.map(|ceilings| ceilings.products)).to_text());
    }
    if !operations.is_empty() {
        text += &format!("\n{}", operations_table(&operations).to_text());
        text += "ceiling: the time that arithmetic or memory traffic alone would need, as a share of the time taken; \
                 above 100 where operands stay in caches\n";
    }
    text
}

fn steps_table(steps: &[(&Entry, &StepFigures)], products: Option<f64>) -> Table {
    let headings = ["ms", "± %", "n", "examples/s", "tokens/s", "GFLOP/s", "of products %", "peak MiB", "GPU MiB"];
    let columns = std::iter::once(Column::words("step")).chain(headings.into_iter().map(Column::numbers));
    let mebibytes = |bytes: Option<u64>| bytes.map_or(String::new(), |bytes| (bytes >> 20).to_string());
    let row = |(entry, step): &(&Entry, &StepFigures)| {
        let rate = entry.flops / entry.timing.seconds;
        let figures =
            [format!("{:.1}", step.examples_per_second), format!("{:.0}", step.tokens_per_second), giga(rate)];
        let share = products.map_or(String::new(), |products| percent(rate / products));
        let memory = [share, mebibytes(step.peak_bytes), mebibytes(step.gpu_peak_bytes)];
        timed(entry).into_iter().chain(figures).chain(memory)
    };
    steps.iter().fold(Table::new(columns), |table, step| table.row(row(step)))
}

fn operations_table(operations: &[&Entry]) -> Table {
    let headings = ["ms", "± %", "n", "GFLOP/s", "GB/s", "ceiling %"];
    let columns = std::iter::once(Column::words("operation")).chain(headings.into_iter().map(Column::numbers));
    let row = |entry: &Entry| {
        let seconds = entry.timing.seconds;
        let flops = if entry.flops > 0.0 { giga(entry.flops / seconds) } else { String::new() };
        timed(entry).into_iter().chain([flops, giga(entry.bytes / seconds), entry.share.map_or(String::new(), percent)])
    };
    operations.iter().fold(Table::new(columns), |table, entry| table.row(row(entry)))
}

/// Name, median, half the interquartile range in percent, samples.
fn timed(entry: &Entry) -> [String; 4] {
    let timing = &entry.timing;
    let spread = percent(timing.spread() / 2.0);
    [entry.name.clone(), format!("{:.3}", timing.seconds * 1e3), spread, timing.n.to_string()]
}

fn giga(rate: f64) -> String {
    format!("{:.1}", rate / 1e9)
}

/// Whether old figures can stand beside those to be measured: of the same shapes, and of the same device unless
/// figures are compared `across` devices.
pub fn check_comparable(old: &Report, machine: &Machine, options: &Options, across: bool) -> Result<()> {
    let (size, lengths) = (options.size.to_string(), options.lengths.to_string());
    if (&old.size, &old.lengths) != (&size, &lengths) {
        let old = format!("--size {} --lengths {}", old.size, old.lengths);
        let message = format!("the old figures are of {old}, these would be of --size {size} --lengths {lengths}");
        return Err(Error::Usage(format!("{message}; take the same for both")));
    }
    if old.machine != *machine && !across {
        let [before, now] = [&old.machine, machine].map(|machine| format!("{machine:?}"));
        let message = format!("the old figures are of another device: {before}, not {now}");
        return Err(Error::Mismatch(format!("{message}; --across-devices compares them anyway")));
    }
    Ok(())
}

/// Two runs side by side; the text says where they are of two devices.
pub fn comparison(old: &Report, new: &Report) -> String {
    let headings = ["old ms", "new ms", "times as fast", "beyond the spread"].map(Column::numbers);
    let mut table = Table::new(std::iter::once(Column::words("")).chain(headings));
    let mut missing = Vec::new();
    for new in &new.results {
        match old.results.iter().find(|old| (&old.name, &old.shapes) == (&new.name, &new.shapes)) {
            Some(old) => table = table.row(change(old, new)),
            None => missing.push(new.name.as_str()),
        }
    }
    let mut text = table.to_text();
    if !missing.is_empty() {
        text += &format!("not in the old figures: {}\n", missing.join(", "));
    }
    if !old.complete {
        text += "the old figures are those of a run that was cut short\n";
    }
    if old.machine != new.machine {
        text +=
            &format!("two different devices: old {:?}\n                       new {:?}\n", old.machine, new.machine);
    }
    text
}

fn change(old: &Entry, new: &Entry) -> [String; 5] {
    let apart = old.timing.low > new.timing.high || new.timing.low > old.timing.high;
    let milliseconds = |entry: &Entry| format!("{:.3}", entry.timing.seconds * 1e3);
    let ratio = format!("{:.2}", old.timing.seconds / new.timing.seconds);
    let beyond = if apart { "yes" } else { "no" };
    [new.name.clone(), milliseconds(old), milliseconds(new), ratio, beyond.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn report(device: &str, seconds: &[(&str, f64)]) -> Report {
        let entry = |(name, seconds): &(&str, f64)| Entry {
            name: name.to_string(),
            shapes: "(2, 3)".into(),
            timing: Timing { seconds: *seconds, low: 0.9 * seconds, high: 1.1 * seconds, n: 7 },
            flops: 1e9,
            bytes: 1e6,
            share: Some(0.5),
            step: None,
        };
        let machine = Machine {
            device: device.into(),
            processor: None,
            threads: 2,
            backend: "cpu".into(),
            driver: None,
            precision: "f32".into(),
        };
        Report {
            schema: SCHEMA,
            version: "0".into(),
            commit: None,
            machine,
            autotune: Autotune::Off,
            size: "small".into(),
            lengths: "xnli".into(),
            complete: true,
            ceilings: Some(Ceilings { flops: 2e11, bytes: 1e10, products: 1e11 }),
            results: seconds.iter().map(entry).collect(),
        }
    }

    #[test]
    fn one_run_reads_well() {
        let text = tables(&report("cpu", &[("matmul/forward", 0.01)]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "cpu (cpu, f32, 2 threads), small encoder, lengths xnli");
        let ceilings =
            "ceilings: 200.0 GFLOP/s of f32 multiply-adds, 10.0 GB/s of copies; bare products of a layer: 100.0";
        assert!(lines[1].starts_with(ceilings), "{text}");
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(lines[3]), ["operation", "ms", "±", "%", "n", "GFLOP/s", "GB/s", "ceiling", "%"]);
        assert_eq!(words(lines[5]), ["matmul/forward", "10.000", "10.0", "7", "100.0", "0.1", "50.0"]);
    }

    #[test]
    fn changes_are_told_from_noise() {
        let old = report("cpu", &[("a", 0.002), ("b", 0.001)]);
        let new = report("cpu", &[("a", 0.001), ("b", 0.00105), ("c", 1.0)]);
        let text = comparison(&old, &new);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[2], ["a", "2.000", "1.000", "2.00", "yes"]);
        assert_eq!(lines[3], ["b", "1.000", "1.050", "0.95", "no"]);
        assert_eq!(lines[4].join(" "), "not in the old figures: c");
    }

    #[test]
    fn devices_are_not_mixed_up() {
        let [old, new] = ["cpu", "card"].map(|device| report(device, &[("a", 1.0)]));
        let options =
            |size| Options { size, lengths: Lengths::Xnli, filters: Vec::new(), quick: true, time: Options::TIME };
        let check = |size, across| check_comparable(&old, &new.machine, &options(size), across);
        assert!(matches!(check(Size::Small, false), Err(Error::Mismatch(_))));
        assert!(matches!(check(Size::Base, true), Err(Error::Usage(_))));
        assert_eq!(check(Size::Small, true), Ok(()));
        assert!(comparison(&old, &new).contains("two different devices"));
    }

    #[test]
    fn a_run_that_was_cut_short_is_read_and_says_so() {
        let mut old = report("cpu", &[("a", 0.002)]);
        let mut value = serde_json::to_value(&old).unwrap();
        value.as_object_mut().unwrap().remove("complete");
        assert!(
            serde_json::from_value::<Report>(value).unwrap().complete,
            "once, reports were written at the end only"
        );
        (old.complete, old.ceilings, old.results[0].share) = (false, None, None);
        let text = serde_json::to_string(&old).unwrap();
        let old: Report = serde_json::from_str(&text).unwrap();
        assert!(tables(&old).contains("ceilings were not measured\n"));
        assert!(comparison(&old, &report("cpu", &[("a", 0.001)])).contains("cut short"));
    }

    #[test]
    fn shares_come_with_the_ceilings() {
        let mut new = report("cpu", &[("a", 1.0)]);
        let ceilings = new.ceilings.take().unwrap();
        let entry = new.results.remove(0);
        new.add(Entry { name: "before".into(), ..entry.clone() });
        assert_eq!(new.results[0].share, None);
        new.set_ceilings(ceilings);
        new.add(entry);
        // 1e9 operations in a second where 2e11 are possible; 1e6 bytes of 1e10 are less.
        assert!(new.results.iter().all(|entry| entry.share == Some(5e-3)), "{:?}", new.results);
    }
}
