//! The command line: what can be asked for, and who answers.
//!
//! Results go to stdout, everything else to stderr. Only this module, `main` and `run::progress` print.

mod augment;
mod bench;
mod benchmark;
mod boards;
mod compare;
mod device;
mod doctor;
mod dry_run;
mod eval;
mod export;
mod flips;
mod jobs;
mod kit;
mod log;
mod model;
mod named;
mod perturb;
mod predict;
pub mod process;
mod ranks;
mod recipe;
mod report;
mod run;
mod score;
mod searched;
mod select;
mod shell;
mod study;
mod sweep;
mod task;
mod together;
mod warnings;
mod watch;

use std::io::{self, Write};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    checkpoint::{Existing, Output},
    error::{Error, Result},
    keys::{self, Key},
    ranks::Ranks,
    report::document::Document,
    terminal::wrapped,
};
use named::Network;

pub use crate::terminal::say as tell;

/// Fine-tune multilingual encoders robustly in one language, and measure them honestly in all.
#[derive(Debug, Parser)]
#[command(name = "rxlt", version = crate::VERSION, about, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// Open no socket: models that are named are those of the cache. HF_HUB_OFFLINE=1 says the same.
    #[arg(long, global = true)]
    offline: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  rxlt run                      the demo: everything from nothing in some minutes
  rxlt devices                  what could compute here
  rxlt doctor                   whether it computes right, and how fast
  rxlt recipe ls                the experiments that ship
  rxlt run xnli-adv --model xlm-roberta-base --data data
  rxlt model show bert-base-multilingual-cased    what a model is, and what it takes
  rxlt report runs/xnli-*       methods side by side, with intervals and tests

Exit codes: 0 done, 2 usage, 3 diverged, 4 a check failed, 65 bad data, 66 input missing,
69 no usable device, 70 bug, 73 output cannot be created, 74 reading or writing failed,
75 stopped and saved: run me again, 77 not allowed, 78 bad recipe.

RXLT_LOG=ops in the environment prints every operation with its shapes and time, and sums at the end.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Eval(eval::Args),
    Predict(predict::Args),
    Export(export::Args),
    Augment(augment::Args),
    Bench(bench::Args),
    Benchmark(benchmark::Args),
    Report(report::Args),
    Compare(compare::Args),
    Score(score::Args),
    Flips(flips::Args),
    Study(study::Args),
    Watch(watch::Args),
    Devices(device::ListArgs),
    Doctor(doctor::Args),
    Recipe(recipe::Args),
    Sweep(sweep::Args),
    Select(select::Args),
    Task(task::Args),
    Model(model::Args),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
    #[command(hide = true)] // scripts/kit/run.sh calls it
    Kit(kit::Args),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self, ranks: &Ranks) -> Result<()> {
        start_threads(ranks)?;
        let network = if self.offline { Network::Forbidden } else { Network::Allowed };
        log::logged(|| match self.command {
            Command::Run(args) => run::run(&args, network, ranks),
            _ if !ranks.is_alone() => Err(Error::Usage(NOT_SHARED.into())),
            Command::Eval(args) => eval::run(&args, network),
            Command::Predict(args) => predict::run(&args, network),
            Command::Export(args) => export::run(&args, network),
            Command::Augment(args) => augment::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Benchmark(args) => benchmark::run(&args, network),
            Command::Report(args) => report::run(&args),
            Command::Compare(args) => compare::run(&args),
            Command::Score(args) => score::run(&args),
            Command::Flips(args) => flips::run(&args, network),
            Command::Study(args) => study::run(&args, network),
            Command::Watch(args) => watch::run(&args),
            Command::Devices(args) => device::list(&args),
            Command::Doctor(args) => doctor::run(&args),
            Command::Recipe(args) => recipe::run(&args),
            Command::Sweep(args) => sweep::run(&args),
            Command::Select(args) => select::run(&args),
            Command::Task(args) => task::run(&args, network),
            Command::Model(args) => model::run(&args, network),
            Command::Completions(args) => shell::completions(&args, Cli::command()),
            Command::Man(args) => shell::man(&args, Cli::command()),
            Command::Kit(args) => kit::run(&args),
        })
    }
}

/// What is said to several ranks that were asked for anything else.
const NOT_SHARED: &str = "only `run` shares its work among ranks: start the other commands without mpirun";

/// Whether an output that is there already may be replaced.
#[derive(Debug, clap::Args)]
struct Force {
    /// Replace the output where it is there already; what the command reads itself never is.
    #[arg(long)]
    force: bool,
}

impl Force {
    fn existing(&self) -> Existing {
        if self.force { Existing::Replaced } else { Existing::Kept }
    }
}

/// Starts the threads that compute, where the environment asks for a number of them, or ranks share a machine whose cores
/// were not given out among them.
fn start_threads(ranks: &Ranks) -> Result<()> {
    let Ok(wanted) = std::env::var("RAYON_NUM_THREADS") else { return share_threads(ranks) };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = 256.max(4 * cores);
    let remedy = "unset it, and there is a thread for each";
    if wanted.parse::<usize>().is_ok_and(|wanted| wanted > most) {
        return Err(Error::Usage(format!(
            "RAYON_NUM_THREADS={wanted}: expected at most {most} threads on {cores} cores; {remedy}"
        )));
    }
    rayon::ThreadPoolBuilder::new()
        .build_global()
        .map_err(|error| Error::Device(format!("RAYON_NUM_THREADS={wanted}: {error}; {remedy}")))
}

/// Starts this rank's share of the machine's threads. Where the rank may use some of the cores only, they are its own.
fn share_threads(ranks: &Ranks) -> Result<()> {
    let (_, neighbours) = ranks.on_machine();
    let mine = std::thread::available_parallelism().map_or(1, usize::from);
    if neighbours == 1 || mine < cores() {
        return Ok(());
    }
    let threads = (mine / neighbours).max(1);
    let built = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    built.map_err(|error| Error::Device(format!("cannot start {threads} threads: {error}")))
}

/// How many cores the machine has, whoever may use them; none where the system does not tell.
fn cores() -> usize {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let ends = online.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(last.parse::<usize>().ok()? + 1 - first.parse::<usize>().ok()?)
    });
    ends.sum()
}

/// Keys of recipes or tasks, those in whose name a word stands, each with what it means.
fn print_keys(all: &[Key], part: &str) -> Result<()> {
    let entry = |key: &&Key| {
        let default = if key.default.is_empty() { String::new() } else { format!(" = {}", key.default) };
        format!("{}{default}\n{}", key.name, indented(&key.meaning, 4))
    };
    print(&keys::with(all, part)?.iter().map(entry).collect::<Vec<_>>().join("\n"))
}

/// Words in lines of at most 80 columns, behind a margin.
fn indented(words: &str, margin: usize) -> String {
    const WIDTH: usize = 80;
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    wrapped(&words, WIDTH - margin).lines().map(|line| format!("{:margin$}{line}\n", "")).collect()
}

/// Writes a page as HTML where the file's name ends in .html, else as Markdown.
fn write_page(file: &Output, page: &Document) -> Result<()> {
    let is_html = file.path().extension().is_some_and(|extension| extension == "html");
    file.write(if is_html { page.to_html() } else { page.to_markdown() }.as_bytes())
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

/// Writes a note to stderr.
fn note(text: &str) {
    tell(&format!("note: {text}"));
}

/// How predictions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatName {
    Jsonl,
    Xtreme,
    Xglue,
}
