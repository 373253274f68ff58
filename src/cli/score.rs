//! `rxlt score`: the numbers of official scorers, on predictions made anywhere.

use std::path::PathBuf;

use super::{Force, print};
use crate::{
    checkpoint::Output,
    error::{Error, Result},
    score::{self, Benchmark, Request},
};

/// Score a folder of predictions as XTREME, XTREME-R or XGLUE does, to the last digit, and say what is odd about it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt score --benchmark xtreme --predictions predictions --gold labels
  rxlt score --benchmark xtreme --predictions predictions --gold labels --task udpos,panx --language de,sw
  rxlt score --benchmark xglue --predictions predictions --gold XGLUE --split dev --json scores.json
  rxlt score --benchmark xtreme-r --predictions predictions --gold labels --check

Layouts: TASK/test-LANGUAGE.{tsv,json,jsonl} in both folders for XTREME and XTREME-R; for XGLUE
TASK/LANGUAGE.prediction, and gold as it is published. lareqa, which the official script does not score, takes
question ids with lists of passages: all right ones in gold, a ranking in predictions.")]
pub struct Args {
    /// Whose scorer.
    #[arg(long, value_enum)]
    benchmark: Benchmark,
    /// The folder of predictions, with a folder for each task.
    #[arg(long, value_name = "DIR")]
    predictions: PathBuf,
    /// The folder of labels.
    #[arg(long, value_name = "DIR")]
    gold: PathBuf,
    /// The tasks; all of the benchmark where not given.
    #[arg(long, value_delimiter = ',')]
    task: Vec<String>,
    /// The languages; all of each task where not given.
    #[arg(long, value_delimiter = ',')]
    language: Vec<String>,
    /// The part of XGLUE that was predicted.
    #[arg(long, value_parser = ["test", "dev"], default_value = "test")]
    split: String,
    /// Also write all numbers to a file; `official` in it is what the official script writes.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    json: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Only say what is wrong with the files: names, counts, labels, blank lines, ids.
    #[arg(long)]
    check: bool,
}

/// `rxlt score`
pub fn run(args: &Args) -> Result<()> {
    let request = Request {
        benchmark: args.benchmark,
        predictions: &args.predictions,
        gold: &args.gold,
        split: &args.split,
        tasks: &args.task,
        languages: &args.language,
    };
    if args.check {
        return check(&request);
    }
    let read = [args.predictions.as_path(), &args.gold];
    let json = args.json.as_ref().map(|path| Output::new(path, args.force.existing(), &read)).transpose()?;
    let report = score::score(&request)?;
    print(&report.to_text())?;
    if let Some(json) = json {
        let text = serde_json::to_string_pretty(&report.to_json()).expect("numbers and strings are JSON");
        json.write(format!("{text}\n").as_bytes())?;
    }
    report.failure().map_or(Ok(()), Err)
}

/// Every problem on a line; files that are there and wrong weigh more than files that are not there, and come first.
fn check(request: &Request) -> Result<()> {
    let mut problems = score::check(request)?;
    problems.sort_by_key(|problem| matches!(problem, Error::Missing(_)));
    for problem in &problems {
        print(&format!("{problem}\n"))?;
    }
    let wrong = problems.iter().find(|problem| matches!(problem, Error::Data(_))).or(problems.first());
    let n = problems.len();
    match wrong {
        None => print("every file that was asked for can be scored\n"),
        Some(Error::Missing(first)) => Err(Error::Missing(format!("{n} files are not there, such as {first}"))),
        Some(first) => Err(Error::Data(format!("{n} problems, such as {first}"))),
    }
}
