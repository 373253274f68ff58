//! `rxlt kit`: what the steps of the GPU kit left, as JSON and as a short table. `scripts/kit/run.sh` calls it after
//! each step, so that what is there outlasts whatever comes next.

mod summary;

use super::print;
use crate::{
    checkpoint::{Existing, Output},
    error::{Error, Result},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Put together what the steps of the GPU kit left: a file for each group, summary.json, and a table.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  rxlt kit steps --output results    scripts/kit/run.sh does it after each step")]
pub struct Args {
    /// The folder with a folder for each step.
    steps: PathBuf,
    /// The folder that the files are written to.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// The version of the format of the files.
const SCHEMA: u32 = 1;
/// What says in a step's folder how it was made and how it ended: lines such as `code=0`.
const STEP: &str = "step.txt";
/// What `timeout` ends with when it had to stop a step, and when it had to kill it.
const CUT: [i32; 2] = [124, 137];
/// Lines of a failed step's complaint that are kept.
const LINES: usize = 4;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// It came to its end, and all is well.
    Done,
    /// Its time was over; what it had by then is kept.
    Cut,
    /// A check found something wrong.
    Wrong,
    /// This device cannot do it.
    Unable,
    /// There was nothing to make it with, or no time left.
    Skipped,
    /// It went wrong.
    Failed,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
struct Step {
    /// What it belongs to, and what its file is called.
    group: String,
    name: String,
    outcome: Outcome,
    /// Why it is not done.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    /// What was called, in the kit's own folder.
    command: String,
    seconds: Option<f64>,
    limit_seconds: Option<f64>,
    code: Option<i32>,
    /// What it left: a report in JSON, or for a run what its folder says.
    result: Option<Value>,
    #[serde(skip)]
    folder: PathBuf,
}

/// `rxlt kit`
pub fn run(args: &Args) -> Result<()> {
    let steps = read_steps(&args.steps)?;
    let mut groups: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in &steps {
        groups.entry(&step.group).or_default().push(step);
    }
    for (group, steps) in groups {
        let file = args.output.join(format!("{group}.json"));
        write(&file, &json!({ "schema": SCHEMA, "rxlt": crate::VERSION, "steps": steps }))?;
    }
    let summary = summary::Summary::of(&steps)?;
    write(&args.output.join("summary.json"), &json!(summary))?;
    print(&summary.to_text())
}

fn write(path: &Path, value: &Value) -> Result<()> {
    Output::new(path, Existing::Replaced, &[])?.write(format!("{value:#}\n").as_bytes())
}

/// The steps in the order of their folders' names.
fn read_steps(path: &Path) -> Result<Vec<Step>> {
    let entries = fs::read_dir(path).map_err(|error| Error::read(path, &error))?;
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry.map_err(|error| Error::read(path, &error))?.path();
        if folder.join(STEP).is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    folders.into_iter().map(read_step).collect()
}

fn read_step(folder: PathBuf) -> Result<Step> {
    let path = folder.join(STEP);
    let text = fs::read_to_string(&path).map_err(|error| Error::read(&path, &error))?;
    let facts: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let word = |key: &str| facts.get(key).copied().unwrap_or_default().to_owned();
    let bad = |key: &str, expected: &str| {
        let found = word(key);
        Error::Data(format!("{}: {key}: expected {expected}, found \"{found}\"; run the kit again", path.display()))
    };
    let number = |key: &str| match facts.get(key) {
        None => Ok(None),
        Some(text) => text.parse::<f64>().map(Some).map_err(|_| bad(key, "a number of seconds")),
    };
    let code =
        facts.get("code").map(|text| text.parse::<i32>().map_err(|_| bad("code", "an exit code"))).transpose()?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let group = word("group");
    if group.is_empty() || group == "summary" || !group.chars().all(is_name) {
        return Err(bad("group", "a word of small letters and digits, which is not \"summary\""));
    }
    let (result, damage) = read_result(&folder)?;
    let outcome = outcome(code, facts.contains_key("note"), damage.is_some());
    let message = match outcome {
        Outcome::Done => String::new(),
        Outcome::Skipped => word("note"),
        Outcome::Cut => format!("stopped after {} seconds", word("limit")),
        _ => damage.unwrap_or_else(|| complaint(&folder)),
    };
    let (seconds, limit_seconds) = (number("seconds")?, number("limit")?);
    let (name, command) = (word("name"), word("command"));
    Ok(Step { group, name, outcome, message, command, seconds, limit_seconds, code, result, folder })
}

fn outcome(code: Option<i32>, has_note: bool, is_damaged: bool) -> Outcome {
    match code {
        None if has_note => Outcome::Skipped,
        Some(0) if !is_damaged => Outcome::Done,
        Some(code) if CUT.contains(&code) => Outcome::Cut,
        Some(4) => Outcome::Wrong,
        Some(69) => Outcome::Unable,
        _ => Outcome::Failed,
    }
}

/// What a step left, or what is wrong with it: `result.json`, or what the folder `run` says.
fn read_result(folder: &Path) -> Result<(Option<Value>, Option<String>)> {
    let (path, run) = (folder.join("result.json"), folder.join("run"));
    if run.is_dir() {
        return Ok((Some(read_run(&run)?), None));
    }
    if !path.is_file() {
        return Ok((None, None));
    }
    let bytes = fs::read(&path).map_err(|error| Error::read(&path, &error))?;
    Ok(match serde_json::from_slice(&bytes) {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(format!("its JSON cannot be read: {error}"))),
    })
}

/// The results of the methods that a run finished, and how far it came.
fn read_run(run: &Path) -> Result<Value> {
    let finished = stages(run)?.into_iter().filter_map(|name| Some((name.clone(), metrics(&run.join(name))?)));
    let log = fs::read_to_string(run.join("log.jsonl")).unwrap_or_default(); // none yet, if it was stopped that early
    let last: Option<Value> = log.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    Ok(json!({ "stages": finished.collect::<BTreeMap<String, Value>>(), "last_event": last }))
}

/// The folders of the stages of a run; none where there is no run.
fn stages(run: &Path) -> Result<Vec<String>> {
    if !run.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(run).map_err(|error| Error::read(run, &error))?.flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| run.join(name).join("metrics.json").is_file());
    names.sort();
    Ok(names)
}

fn metrics(stage: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(stage.join("metrics.json")).ok()?).ok()
}

/// The last lines that a step wrote to stderr.
fn complaint(folder: &Path) -> String {
    let bytes = fs::read(folder.join("stderr")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of steps, each with its `step.txt`, what it wrote to stderr, and its result.
    fn steps(all: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (i, (facts, stderr, result)) in all.iter().enumerate() {
            let step = folder.path().join(format!("{i:02}"));
            fs::create_dir(&step).unwrap();
            fs::write(step.join(STEP), facts).unwrap();
            fs::write(step.join("stderr"), stderr).unwrap();
            if !result.is_empty() {
                fs::write(step.join("result.json"), result).unwrap();
            }
        }
        folder
    }

    #[test]
    fn steps_end_in_one_of_six_ways() {
        let folder = steps(&[
            ("group=bench\nname=a\ncode=0\nseconds=1.5\nlimit=9\ncommand=rxlt bench --size=small", "note", "[1]"),
            ("group=bench\nname=b\ncode=124\nlimit=9", "", "[2]"),
            ("group=bench\nname=c\ncode=137\nlimit=9", "", ""),
            ("group=doctor\nname=d\ncode=4", "error: 1 of 5 checks failed", ""),
            ("group=bench\nname=e\ncode=69", "a\nb\n\nc\nd\ne\n", ""),
            ("group=pytorch\nname=f\nnote=no torch", "", ""),
            ("group=bench\nname=g\ncode=1", "panic", ""),
            ("group=bench\nname=h\ncode=0", "", "{"),
        ]);
        let read = read_steps(folder.path()).unwrap();
        let ends: Vec<(Outcome, &str)> = read.iter().map(|step| (step.outcome, step.message.as_str())).collect();
        use Outcome::{Cut, Done, Failed, Skipped, Unable, Wrong};
        assert_eq!(ends[..2], [(Done, ""), (Cut, "stopped after 9 seconds")]);
        assert_eq!(ends[2..4], [(Cut, "stopped after 9 seconds"), (Wrong, "error: 1 of 5 checks failed")]);
        assert_eq!(ends[4..7], [(Unable, "b; c; d; e"), (Skipped, "no torch"), (Failed, "panic")]);
        assert!(ends[7].0 == Failed && ends[7].1.starts_with("its JSON cannot be read"), "{ends:?}");
        assert_eq!((read[0].seconds, read[0].limit_seconds), (Some(1.5), Some(9.0)));
        assert_eq!(read[0].command, "rxlt bench --size=small", "values may hold the sign that parts them from keys");
        assert_eq!((&read[0].result, &read[1].result), (&Some(json!([1])), &Some(json!([2]))), "what a cut step had");
    }

    #[test]
    fn a_group_cannot_leave_its_folder() {
        for group in ["", "../x", "summary", "Bench"] {
            let folder = steps(&[(&format!("group={group}\ncode=0"), "", "")]);
            let error = read_steps(folder.path()).unwrap_err();
            assert_eq!(error.exit_code(), 65, "{error}");
        }
        let folder = steps(&[("group=a\ncode=none", "", "")]);
        assert!(read_steps(folder.path()).unwrap_err().to_string().contains("expected an exit code, found \"none\""));
    }

    #[test]
    fn every_group_has_a_file_and_all_have_a_summary() {
        let folder =
            steps(&[("group=devices\nname=list\ncode=0", "", "{}"), ("group=bench\nname=x\ncode=69", "no", "")]);
        let output = tempfile::tempdir().unwrap();
        run(&Args { steps: folder.path().into(), output: output.path().into() }).unwrap();
        let read =
            |name: &str| -> Value { serde_json::from_slice(&fs::read(output.path().join(name)).unwrap()).unwrap() };
        assert_eq!(read("bench.json")["steps"][0]["outcome"], "unable");
        assert_eq!(read("bench.json")["steps"][0]["message"], "no");
        assert_eq!(read("devices.json")["steps"][0]["result"], json!({}));
        assert_eq!(read("summary.json")["steps"].as_array().unwrap().len(), 2);
        assert_eq!(fs::read_dir(output.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_run_that_was_cut_leaves_what_it_finished() {
        let folder = steps(&[("group=sib200\nname=gpu\ncode=124\nlimit=9", "", "")]);
        let run = folder.path().join("00/run");
        for (stage, metrics) in [("1-sib200-standard", "{\"accuracy\": 0.5}"), ("1-sib200-adv", "")] {
            fs::create_dir_all(run.join(stage)).unwrap();
            if !metrics.is_empty() {
                fs::write(run.join(stage).join("metrics.json"), metrics).unwrap();
            }
        }
        fs::write(run.join("log.jsonl"), "{\"step\": 1}\n{\"step\": 2}\n{\"ste").unwrap();
        let read = read_steps(folder.path()).unwrap();
        let expected = json!({ "stages": { "1-sib200-standard": { "accuracy": 0.5 } }, "last_event": { "step": 2 } });
        assert_eq!((read[0].outcome, read[0].result.as_ref()), (Outcome::Cut, Some(&expected)));
    }
}
