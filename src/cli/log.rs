//! `RXLT_LOG=ops`: every operation with its shapes and time, and a table of them at the end, on stderr.

use super::tell;
use crate::{
    error::{Error, Result, did_you_mean},
    profile::{self, Clock, Record},
    report::{Column, Table, percent},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

const KNOWN: [&str; 1] = ["ops"];

/// Runs a command under the log that the environment asks for.
pub fn logged(command: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = std::env::var("RXLT_LOG").unwrap_or_default();
    match wanted.as_str() {
        "" => command(),
        "ops" => {
            let totals: Arc<Mutex<Totals>> = Arc::default();
            let listened = totals.clone();
            profile::listen(Box::new(move |record| {
                tell(&line(&record));
                listened.lock().unwrap_or_else(PoisonError::into_inner).add(&record);
            }));
            let result = command();
            tell(&totals.lock().unwrap_or_else(PoisonError::into_inner).summary());
            result
        }
        unknown => Err(Error::Usage(format!("RXLT_LOG={unknown} is unknown; {}", did_you_mean(unknown, KNOWN)))),
    }
}

/// `ops:    1.234 ms   85.1 GFLOP/s  Linear (32, 768) (768, 768) (768) → (32, 768)`
fn line(record: &Record) -> String {
    let Record { operation, entry, launch: (place, of), seconds, .. } = record;
    let rate = if *of == 1 { rate(operation.work.flops, *seconds) } else { String::new() };
    let entry = entry.as_ref().map(|entry| format!(" {entry}")).unwrap_or_default();
    let place = if *of > 1 { format!(" {}/{of}", place + 1) } else { String::new() };
    format!("ops: {:>10.3} ms {rate:>8}  {}{entry}{place} {}", seconds * 1e3, operation.name, operation.shapes)
}

fn rate(flops: f64, seconds: f64) -> String {
    if flops > 0.0 && seconds > 0.0 { format!("{:.1}", flops / seconds / 1e9) } else { String::new() }
}

/// Sums over a run.
#[derive(Default)]
struct Totals {
    operations: HashMap<String, Total>,
    entries: HashMap<String, Total>,
    clock: Option<Clock>,
}

#[derive(Clone, Copy, Default)]
struct Total {
    calls: usize,
    seconds: f64,
    flops: f64,
}

impl Totals {
    fn add(&mut self, record: &Record) {
        let first = record.launch.0 == 0;
        let flops = if first { record.operation.work.flops } else { 0.0 };
        let sum = |total: &mut Total, calls| {
            *total = Total {
                calls: total.calls + calls,
                seconds: total.seconds + record.seconds,
                flops: total.flops + flops,
            };
        };
        sum(self.operations.entry(record.operation.name.clone()).or_default(), usize::from(first));
        if let Some(entry) = &record.entry {
            sum(self.entries.entry(entry.clone()).or_default(), 1);
        }
        self.clock = Some(record.clock);
    }

    /// The operations, most time first; on a GPU the entry points too.
    fn summary(&self) -> String {
        let clock = match self.clock {
            None => return "ops: nothing ran".to_owned(),
            Some(Clock::Processor) => "times by the processor's clock",
            Some(Clock::Gpu) => "times by the GPU's timestamps, one pass a launch",
            Some(Clock::Waiting) => {
                "this adapter has no timestamps: each launch was waited for, and times include that"
            }
        };
        let operations = table("operation", &self.operations, true).to_text();
        let entries = match self.entries.is_empty() {
            true => String::new(),
            false => format!("\n{}", table("entry point", &self.entries, false).to_text()),
        };
        format!("\n{operations}{entries}{clock}")
    }
}

fn table(what: &str, totals: &HashMap<String, Total>, with_rate: bool) -> Table {
    let all: f64 = totals.values().map(|total| total.seconds).sum();
    let mut rows: Vec<(&String, &Total)> = totals.iter().collect();
    rows.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds).then(a.0.cmp(b.0)));
    let rates = with_rate.then(|| Column::numbers("GFLOP/s"));
    let columns = [Column::words(what), Column::numbers("calls"), Column::numbers("ms"), Column::numbers("%")];
    let cells = |(name, total): (&String, &Total)| {
        let share = percent(total.seconds / all.max(f64::MIN_POSITIVE));
        let cells = [name.clone(), total.calls.to_string(), format!("{:.2}", total.seconds * 1e3), share];
        cells.into_iter().chain(with_rate.then(|| rate(total.flops, total.seconds)))
    };
    let table = rows.into_iter().fold(Table::new(columns.into_iter().chain(rates)), |table, row| table.row(cells(row)));
    table.rule().row(["all".to_owned(), String::new(), format!("{:.2}", all * 1e3)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Operation, Work};

    fn record(name: &str, launch: (usize, usize), seconds: f64, flops: f64, entry: Option<&str>) -> Record {
        let work = Work { flops, bytes: 0.0 };
        let operation = Operation { name: name.into(), shapes: "(2, 3) → (2, 3)".into(), work };
        Record { operation, entry: entry.map(str::to_owned), launch, seconds, clock: Clock::Gpu }
    }

    #[test]
    fn lines_and_sums_read_well() {
        let whole = record("Linear", (0, 1), 2e-3, 1e9, Some("linear::forward"));
        assert_eq!(line(&whole), "ops:      2.000 ms    500.0  Linear linear::forward (2, 3) → (2, 3)");
        let parts = [0, 1].map(|place| record("MatMul", (place, 2), 1e-3, 4e9, Some("matmul::forward")));
        assert_eq!(line(&parts[1]), "ops:      1.000 ms           MatMul matmul::forward 2/2 (2, 3) → (2, 3)");
        let mut totals = Totals::default();
        [&whole, &parts[0], &parts[1], &parts[0]].into_iter().for_each(|record| totals.add(record));
        let expected = "
operation  calls    ms     %  GFLOP/s
---------  -----  ----  ----  -------
MatMul         2  3.00  60.0   2666.7
Linear         1  2.00  40.0    500.0
---------  -----  ----  ----  -------
all               5.00

entry point      calls    ms     %
---------------  -----  ----  ----
matmul::forward      3  3.00  60.0
linear::forward      1  2.00  40.0
---------------  -----  ----  ----
all                     5.00
times by the GPU's timestamps, one pass a launch";
        assert_eq!(totals.summary(), expected);
    }
}
