//! The command line: what can be asked for, and who answers.
//!
//! Results go to stdout, everything else to stderr. Only this module, `main` and `train::progress` print.

mod augment;
mod bench;
mod compare;
mod device;
mod dry_run;
mod eval;
mod export;
mod flips;
mod log;
mod predict;
mod recipe;
mod report;
mod run;
mod score;

use std::io::{self, Write};

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};

/// Fine-tune multilingual encoders robustly in one language, and measure them honestly in all.
#[derive(Debug, Parser)]
#[command(name = "rxlt", version = crate::VERSION, about, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  rxlt run                      the demo: everything from nothing in some minutes
  rxlt devices                  what could compute here
  rxlt recipe ls                the experiments that ship
  rxlt run xnli-adv --model xlm-roberta-base --data data
  rxlt report runs/xnli-*       methods side by side, with intervals and tests

Exit codes: 0 done, 2 usage, 3 diverged, 65 bad data, 66 input missing, 69 no usable device, 70 bug,
73 output cannot be created, 74 reading or writing failed, 75 stopped and saved: run me again, 78 bad recipe.

RXLT_LOG=ops in the environment prints every operation with its shapes and time, and sums at the end.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Eval(eval::Args),
    Predict(predict::Args),
    Export(export::Args),
    Augment(augment::Args),
    Bench(bench::Args),
    Report(report::Args),
    Compare(compare::Args),
    Score(score::Args),
    Flips(flips::Args),
    Devices(device::ListArgs),
    Recipe(recipe::Args),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> Result<()> {
        log::logged(|| match self.command {
            Command::Run(args) => run::run(&args),
            Command::Eval(args) => eval::run(&args),
            Command::Predict(args) => predict::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Augment(args) => augment::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Compare(args) => compare::run(&args),
            Command::Score(args) => score::run(&args),
            Command::Flips(args) => flips::run(&args),
            Command::Devices(args) => device::list(&args),
            Command::Recipe(args) => recipe::run(&args),
        })
    }
}

/// Writes to stdout. A reader that has left, as `head` does, is no failure.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to stderr; if nobody can read it, there is nobody to tell.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
