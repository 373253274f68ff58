//! `rxlt bench`: what operations and whole steps take here.

use super::{Force, device::DeviceArgs, print, tell};
use crate::{
    bench::{self, Lengths, Machine, Options, Report, SCHEMA, Size},
    checkpoint::Output,
    error::{Error, Result, catch},
    terminal,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Time operations and whole training steps on this machine, beside what its device can do at most.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rxlt bench                          the small encoder, everything
  rxlt bench --size base step         whole steps of XLM-R base: forward, with backward, with the update
  rxlt bench linear --json before.json
  rxlt bench linear --compare before.json")]
pub struct Args {
    /// Only what has one of these in its name.
    filters: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// The encoder: 4 layers of 256, XLM-R base, XLM-R large, mmBERT base or mDeBERTa base; with fresh weights.
    #[arg(long, value_enum, default_value_t = Size::Small)]
    size: Size,
    /// Tokens of the sequences.
    #[arg(long, value_enum, default_value_t = Lengths::Xnli)]
    lengths: Lengths,
    /// A few samples of each: a look, not a measurement.
    #[arg(long)]
    quick: bool,
    /// Measure each step about so long, and each operation a twentieth of it.
    #[arg(long, value_name = "NUMBER", conflicts_with = "quick", default_value = "8", value_parser = seconds)]
    seconds: Duration,
    /// Show the names of all that can be measured.
    #[arg(long)]
    list: bool,
    /// Write all figures to this file, anew after each: what is there when the run is cut short is kept.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Show what changed since this file was written.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Compare figures of different devices.
    #[arg(long, requires = "compare")]
    across_devices: bool,
}

/// `rxlt bench`
pub fn run(args: &Args) -> Result<()> {
    if args.list {
        return print(&(bench::names().join("\n") + "\n"));
    }
    let inputs: Vec<&Path> = args.compare.as_deref().into_iter().collect();
    let json = args.json.as_ref().map(|path| Output::new(path, args.force.existing(), &inputs)).transpose()?;
    let json = json.map(Output::rewritten);
    let old = args.compare.as_deref().map(read).transpose()?;
    let device = args.device.open()?;
    let options = Options {
        size: args.size,
        lengths: args.lengths,
        filters: args.filters.clone(),
        quick: args.quick,
        time: args.seconds,
    };
    if let Some(old) = &old {
        bench::check_comparable(old, &Machine::of(&device.device), &options, args.across_devices)?;
    }
    let progress = |next: &str| {
        if terminal::width().is_some() {
            tell(next);
        }
    };
    let keep = |report: &Report| match &json {
        Some(output) => write(output, report),
        None => Ok(()),
    };
    let report = catch(|| bench::run(&device.device, &options, progress, keep))?;
    device.tell_notes();
    print(&bench::tables(&report))?;
    match old {
        Some(old) => print(&format!("\n{}", bench::comparison(&old, &report))),
        None => Ok(()),
    }
}

/// A number of seconds that a clock can count.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    number.filter(|time| *time <= LONGEST).ok_or("expected seconds, such as 2 or 0.5, at most a day".into())
}

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn write(output: &Output, report: &Report) -> Result<()> {
    let text = serde_json::to_string_pretty(report).expect("figures can be printed") + "\n";
    output.write(text.as_bytes())
}

fn read(path: &Path) -> Result<Report> {
    let text = std::fs::read(path).map_err(|error| Error::read(path, &error))?;
    let remedy = "write it again with rxlt bench --json";
    let report: Report = serde_json::from_slice(&text)
        .map_err(|error| Error::Data(format!("{} holds no figures: {error}; {remedy}", path.display())))?;
    match report.schema {
        SCHEMA => Ok(report),
        other => Err(Error::Data(format!("{}: expected format {SCHEMA}, found {other}; {remedy}", path.display()))),
    }
}
