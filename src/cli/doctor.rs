//! `rxlt doctor`: whether a device computes what it should, and how fast.

use super::{Force, device::Which, indented, print};
use crate::{
    array::Precision,
    bench::Machine,
    checkpoint::Output,
    doctor::{Effort, Finding, Findings, GROUPS, Subject, Verdict, described},
    error::{Error, Result, catch, did_you_mean},
    tensor::Device,
};
use serde_json::{Map, Value, json};
use std::{
    panic,
    path::{Path, PathBuf},
    time::Instant,
};

/// Prove that a device computes right, and say how fast.
///
/// Operations against their definitions in f64, models against PyTorch's numbers, training against the processor's,
/// determinism, limits, and speed. Needs no files. The last lines are made for a bug report.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rxlt doctor                         the device that auto takes, in two minutes
  rxlt doctor --device 0 --full       everything, in eight
  rxlt doctor --only operations       one group of checks
  rxlt doctor --json doctor.json")]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Larger shapes, more repetitions, all kernels.
    #[arg(long)]
    full: bool,
    /// Write everything that was found to this file, anew after each group of checks.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Only these groups of checks: device, operations, models, training, robustness, speed.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    only: Vec<String>,
}

/// The version of the format of `--json`.
const SCHEMA: u32 = 1;

/// `rxlt doctor`
pub fn run(args: &Args) -> Result<()> {
    let names = || GROUPS.iter().map(|group| group.name);
    if let Some(unknown) = args.only.iter().find(|name| !names().any(|known| known == **name)) {
        return Err(Error::Usage(format!("there is no group \"{unknown}\"; {}", did_you_mean(unknown, names()))));
    }
    let json = args.json.as_ref().map(|path| Output::new(path, args.force.existing(), &[])).transpose()?;
    let json = json.map(Output::rewritten);
    let start = Instant::now();
    let chosen = args.which.open(Precision::F32)?;
    print(&format!("{}: {}\n", chosen.name, chosen.why))?;
    let scratch = tempfile::tempdir().map_err(|error| Error::Io(format!("cannot make a temporary folder: {error}")))?;
    let effort = if args.full { Effort::Full } else { Effort::Usual };
    let subject = Subject::new(&chosen.device, effort, scratch.path());
    let mut tell = |finding: &Finding| {
        let _ = print(&line(finding));
    };
    let mut findings = Findings::new(&mut tell);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {})); // a check that panics is a finding
    let examined = examine(args, &subject, &mut findings, |findings| match &json {
        Some(output) => output.write(&Report::of(&subject, findings, start).to_json()),
        None => Ok(()),
    });
    panic::set_hook(hook);
    examined?;
    print(&Report::of(&subject, &findings, start).to_text())?;
    findings.conclusion()
}

/// Runs the groups that are wanted; `keep` hears of what was found after each. A group that comes to no end is a finding,
/// and the others are run all the same.
fn examine(
    args: &Args,
    subject: &Subject,
    findings: &mut Findings,
    keep: impl Fn(&Findings) -> Result<()>,
) -> Result<()> {
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    for group in GROUPS.iter().filter(|group| wanted(group.name)) {
        findings.begin(group.name);
        if let Err(error) = catch(|| (group.run)(subject, findings)) {
            findings.check("the rest of the group", None, || Err(error));
        }
        keep(findings)?;
    }
    Ok(())
}

/// A finding for others to read: without the folders of its user.
fn anonymous(finding: &Finding, scratch: &Path) -> Finding {
    let home = ["HOME", "USERPROFILE"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    // A home that is the root would take all slashes away.
    let home = home.filter(|home| home.components().count() > 1).map(|home| (home, "~"));
    let mut detail = finding.detail.clone();
    for (folder, name) in [(scratch.to_path_buf(), "SCRATCH")].into_iter().chain(home) {
        detail = detail.replace(&*folder.to_string_lossy(), name);
    }
    Finding { detail, ..finding.clone() }
}

/// `operations  attention                        2.1e-7 of 1e-5  ✓   0.3 s`, and on a line of its own what there is to
/// say.
fn line(finding: &Finding) -> String {
    let Finding { group, name, verdict, error, bound, detail, seconds } = finding;
    let mark = match verdict {
        Verdict::Right => '✓',
        Verdict::Wrong => '✗',
        Verdict::Skipped => '–',
    };
    let number = |x: f64| if x == 0.0 { "0".to_owned() } else { format!("{x:.1e}") };
    let figures = match (error, bound) {
        (Some(error), Some(bound)) => format!("{} of {}", number(*error), number(*bound)),
        _ => String::new(),
    };
    let mut text = format!("{group:<11} {name:<48} {figures:>18}  {mark} {seconds:>6.1} s\n");
    if error.is_none() && !detail.is_empty() || *verdict == Verdict::Wrong {
        text += &indented(detail, 12);
    }
    text
}

/// What came of an examination.
struct Report<'a> {
    device: &'a Device,
    findings: Vec<Finding>,
    figures: &'a Map<String, Value>,
    seconds: f64,
    effort: Effort,
}

impl<'a> Report<'a> {
    fn of(subject: &'a Subject, findings: &'a Findings, start: Instant) -> Report<'a> {
        Report {
            device: subject.device,
            findings: findings.list().iter().map(|finding| anonymous(finding, subject.scratch)).collect(),
            figures: findings.figures(),
            seconds: start.elapsed().as_secs_f64(),
            effort: subject.effort,
        }
    }

    fn counts(&self) -> [usize; 3] {
        [Verdict::Right, Verdict::Wrong, Verdict::Skipped]
            .map(|verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count())
    }

    fn to_json(&self) -> Vec<u8> {
        let [right, wrong, skipped] = self.counts();
        let report = json!({
            "schema": SCHEMA,
            "version": env!("CARGO_PKG_VERSION"),
            "commit": option_env!("RXLT_COMMIT"),
            "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "machine": Machine::of(self.device),
            "device": self.described(),
            "effort": if self.effort == Effort::Full { "full" } else { "usual" },
            "seconds": self.seconds,
            "right": right, "wrong": wrong, "skipped": skipped,
            "figures": self.figures,
            "findings": self.findings,
        });
        (serde_json::to_string_pretty(&report).expect("findings can be printed") + "\n").into_bytes()
    }

    fn described(&self) -> String {
        match self.device {
            Device::Gpu(gpu) => described(gpu.adapter()),
            _ => "cpu".to_owned(),
        }
    }

    /// The verdict, and a block for a bug report: of the machine it tells the device, and nothing of its user.
    fn to_text(&self) -> String {
        let [right, wrong, skipped] = self.counts();
        let machine = Machine::of(self.device);
        let verdict = match wrong {
            0 => "this device computes right, as far as these checks see",
            _ => "do not trust this device's numbers: please report the lines below",
        };
        let counts = format!("{right} checks right, {wrong} wrong, {skipped} skipped, {:.0} s", self.seconds);
        let mut text = format!("\n{verdict}\n\n```\nrxlt {} doctor, {}", crate::VERSION, std::env::consts::OS);
        text += &format!(" {}\ndevice: {}\n", std::env::consts::ARCH, self.described());
        text += &format!("processor: {}, {} threads\n", machine.processor.unwrap_or_default(), machine.threads);
        text += &format!("{counts}\n");
        for finding in self.findings.iter().filter(|finding| finding.verdict != Verdict::Right) {
            let word = if finding.verdict == Verdict::Wrong { "wrong" } else { "skipped" };
            text += &format!("{word}: {}: {}: {}\n", finding.group, finding.name, finding.detail);
        }
        for (name, figure) in self.figures {
            text += &format!("{name}: {}\n", shown(figure));
        }
        text + "```\n"
    }
}

/// A figure for people.
fn shown(figure: &Value) -> String {
    match figure {
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |number| format!("{number:.2}")),
        Value::String(text) => text.clone(),
        Value::Object(parts) => list(parts),
        other => other.to_string(),
    }
}

fn list(parts: &Map<String, Value>) -> String {
    parts.iter().map(|(name, value)| format!("{name} {}", shown(value))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_for_others_tells_no_folder() {
        let home = std::env::var("HOME").unwrap_or_else(|_| "/home/somebody".into());
        let detail = format!("cannot read /scratch/7/model.safetensors: see {home}/.cache/rxlt");
        let finding = Finding {
            group: "models",
            name: "a model".into(),
            verdict: Verdict::Wrong,
            error: None,
            bound: None,
            detail,
            seconds: 0.0,
        };
        let told = anonymous(&finding, Path::new("/scratch/7")).detail;
        assert!(told.starts_with("cannot read SCRATCH/model.safetensors: see "), "{told}");
        assert!(home.len() < 2 || std::env::var_os("HOME").is_none() || told.ends_with(" ~/.cache/rxlt"), "{told}");
    }

    #[test]
    fn what_there_is_to_say_stays_within_the_width() {
        let words = "abcd ".repeat(50);
        let lines = indented(&words, 12);
        assert!(lines.lines().all(|line| line.chars().count() <= 100 && line.starts_with(&" ".repeat(12))), "{lines}");
        assert_eq!(lines.split_whitespace().count(), 50);
        assert_eq!(indented("a b", 2), "  a b\n");
    }
}
