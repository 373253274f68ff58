//! `rxlt sweep`: a grid of recipes, settings, methods and seeds as run folders, here or on a cluster.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    jobs::{Jobs, slots},
    note, print, report,
    run::{self, Show, stop_on_signals},
    tell,
};
use crate::{
    data::inputs::{INPUTS, Inputs},
    error::{Error, Result, did_you_mean},
    report::{
        analysis::analyze,
        contents::full,
        runs::{Labels, Study},
    },
    run::progress::Board,
    sweep::{
        Cell, Grid,
        emit::{self, Place},
        grid::State,
        run_all,
    },
};

/// Run every combination of recipes, settings, methods and seeds, here or on a cluster.
///
/// Each is a folder whose name ends in a hash of its configuration, so what is done is seen from the folders alone:
/// plan again whenever you like, by whatever means they were run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt sweep plan grid.toml                                 what there is to do
  rxlt sweep plan grid.toml --emit local --jobs auto        do it on this machine
  rxlt sweep plan grid.toml --emit list | parallel -j 4     or by what you like
  rxlt sweep plan grid.toml --emit slurm > sweep.sh && sbatch --time=2:00:00 sweep.sh
  rxlt sweep plan grid.toml --emit hq > sweep.toml && hq job submit-file sweep.toml
  rxlt sweep status grid.toml
  rxlt sweep collect grid.toml --format html --output sweep.html

A grid file:
  name = \"radius\"                  # its runs lie in runs/radius, or in what output = says
  recipes = [\"open-sib200\"]        # that ship, or files beside this one
  methods = [\"standard\", \"adv\"]    # of the recipes' methods; without it all
  seeds = [1, 2, 3]                # without it those of the recipes
  arguments = [\"--backend\", \"cpu\"] # what else rxlt run is given
  [settings]                       # keys as --set has them, each with a list of values
  \"stages.0.learning_rate\" = [1e-4, 5e-4]
  \"data.folder\" = [\"data\"]")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what there is to do, and do it or write it for who does.
    Plan {
        /// The grid file.
        grid: PathBuf,
        /// local: run here; list: a command a line; hq: a job file of HyperQueue; slurm: a script for sbatch. Written
        /// to stdout. Without it only the plan is shown.
        #[arg(long, value_enum)]
        emit: Option<Emit>,
        /// With local: how many runs at once, or auto, as with rxlt run.
        #[arg(long, value_name = "N|auto", default_value = "1")]
        jobs: Jobs,
        /// With hq and slurm: how many threads a run gets.
        #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
        cpus: u16,
        /// With local: how progress is shown, as with rxlt run.
        #[arg(long, value_enum, default_value = "auto")]
        progress: Show,
    },
    /// Say how far each run is.
    Status {
        /// The grid file.
        grid: PathBuf,
    },
    /// Report on all runs that are done.
    Collect(Box<Collect>),
}

#[derive(Debug, clap::Args)]
struct Collect {
    /// The grid file.
    grid: PathBuf,
    /// The task to report on, where the recipes have several.
    #[arg(long)]
    task: Option<String>,
    #[command(flatten)]
    form: report::Form,
    #[command(flatten)]
    analysis: report::AnalysisArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Emit {
    Local,
    List,
    Hq,
    Slurm,
}

/// `rxlt sweep …`
pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::Plan { grid, emit, jobs, cpus, progress } => plan(grid, *emit, *jobs, *cpus, *progress),
        Command::Status { grid } => status(&Grid::read(grid)?.cells()?),
        Command::Collect(args) => collect(args),
    }
}

fn plan(path: &Path, emit: Option<Emit>, jobs: Jobs, cpus: u16, progress: Show) -> Result<()> {
    let grid = Grid::read(path)?;
    let given = arguments(path, &grid)?;
    let cells = grid.cells()?;
    refuse_changed(&cells)?;
    match emit {
        None => {
            tell(&counts(&cells));
            status(&cells)
        }
        Some(Emit::Local) => run_here(&given, &cells, jobs, progress),
        Some(emit) => {
            tell(&counts(&cells));
            write(&grid, &open(&cells), emit, cpus)
        }
    }
}

/// What a grid gives to each of its runs.
pub(super) fn arguments(path: &Path, grid: &Grid) -> Result<run::Args> {
    // They are no part of what a run is called and known by.
    let changes =
        ["--set", "--model", "--data", "--output", "--train", "--test", "--dev", "--source", "--method", "--seeds"];
    let is = |argument: &&String| changes.iter().any(|flag| argument.split('=').next() == Some(flag));
    if let Some(argument) = grid.arguments.iter().find(is) {
        return Err(Error::Config(format!(
            "{}: arguments: {argument} changes what a run is, and its folder and the tables would not say so; write it into \
             settings, or into the recipe",
            path.display()
        )));
    }
    if grid.arguments.iter().any(|argument| argument == "--dry-run") {
        let grid = path.display();
        return Err(Error::Config(format!(
            "{grid}: arguments: --dry-run leaves no run; rxlt sweep plan says what there is to do"
        )));
    }
    run::Args::try_of(&grid.arguments)
        .map_err(|error| Error::Config(format!("{}: arguments: {}", path.display(), error.to_string().trim())))
}

/// Refuses to take a run for done that was made of other files than are there now.
pub(super) fn refuse_changed(cells: &[Cell]) -> Result<()> {
    let mut known = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.state() == State::Done) {
        let Some(inputs) = Inputs::read(&cell.folder.join(INPUTS))? else { continue };
        if let Some(change) = inputs.changed(&mut known)? {
            return Err(Error::Output(format!(
                "{} is done, and was made of other files: {change}; put the old file back, or name another output in the \
                 grid",
                cell.folder.display()
            )));
        }
    }
    Ok(())
}

/// Runs on this machine what is to be run, and says first how much that is.
pub(super) fn run_here(given: &run::Args, cells: &[Cell], jobs: Jobs, progress: Show) -> Result<()> {
    tell(&counts(cells));
    let open = open(cells);
    if open.is_empty() {
        return Ok(());
    }
    let slots = slots(jobs, given.device(), open.len())?;
    let board = Board::new(progress.mode(), open.iter().map(|cell| cell.label.clone()).collect());
    let (stop, _) = stop_on_signals()?;
    run_all(&open, &slots, &stop, &board)?;
    let states: Vec<State> = cells.iter().map(Cell::state).collect();
    if states.contains(&State::Running) {
        tell(&format!("{}: others are at work on the rest", counts(cells)));
    } else if states.iter().any(|state| *state != State::Done) {
        let message =
            "what another process ran of it is not done; rxlt sweep status names it, and the same command runs it";
        return Err(Error::with_code(None, format!("{}: {message}", counts(cells))));
    }
    Ok(())
}

fn open(cells: &[Cell]) -> Vec<Cell> {
    cells.iter().filter(|cell| is_open(cell)).cloned().collect()
}

/// Whether there is something to do, which nobody does at the moment.
fn is_open(cell: &Cell) -> bool {
    !matches!(cell.state(), State::Done | State::Running)
}

fn write(grid: &Grid, open: &[Cell], emit: Emit, cpus: u16) -> Result<()> {
    if open.is_empty() {
        let message = format!("{}: there is nothing to run; rxlt sweep status says how far it is", grid.name);
        // An empty list is one; a scheduler refuses an empty job.
        return if emit == Emit::List {
            note(&message);
            Ok(())
        } else {
            Err(Error::Usage(message))
        };
    }
    open.iter().try_for_each(Cell::write_recipe)?;
    let here = |error: std::io::Error| Error::Io(format!("cannot find this program or folder: {error}"));
    let (program, folder) = (std::env::current_exe().map_err(here)?, std::env::current_dir().map_err(here)?);
    let place = Place { name: &grid.name, program: &program, folder: &folder, cpus: usize::from(cpus) };
    match emit {
        Emit::Hq => print(&emit::hyperqueue(open, place)),
        Emit::Slurm => print(&emit::slurm(open, place)?),
        Emit::List | Emit::Local => print(&emit::list(open, place)),
    }
}

/// `4 to run, 1 running, 7 done`.
pub(super) fn counts(cells: &[Cell]) -> String {
    let states: Vec<State> = cells.iter().map(Cell::state).collect();
    let count = |wanted: &[State]| states.iter().filter(|state| wanted.contains(state)).count();
    let open = count(&[State::Waiting, State::Stopped, State::Failed]);
    let running = match count(&[State::Running]) {
        0 => String::new(),
        n => format!(", {n} running"),
    };
    format!("{open} to run{running}, {} done", count(&[State::Done]))
}

/// Every run by its folder, and how far it is: a line each, however long, so that it can be copied.
pub(super) fn status(cells: &[Cell]) -> Result<()> {
    let states: Vec<State> = cells.iter().map(Cell::state).collect();
    let widest = states.iter().map(|state| state.name().len()).max().unwrap_or(0);
    let line = |(cell, state): (&Cell, &State)| format!("{:widest$}  {}\n", state.name(), cell.folder.display());
    let lines: String = cells.iter().zip(&states).map(line).collect();
    let counted = State::ALL.iter().map(|state| (state, states.iter().filter(|found| *found == state).count()));
    let counted = counted.filter(|(_, n)| *n > 0).map(|(state, n)| format!("{n} {}", state.name()));
    print(&format!("{lines}\n{}\n", counted.collect::<Vec<_>>().join(", ")))
}

fn collect(args: &Collect) -> Result<()> {
    let cells = Grid::read(&args.grid)?.cells()?;
    let task = |cell: &Cell| cell.recipe.recipe.stages.last().map_or(String::new(), |stage| stage.task.clone());
    let mut tasks: Vec<String> = cells.iter().map(task).collect();
    tasks.sort();
    tasks.dedup();
    let wanted = match (&args.task, &tasks[..]) {
        (Some(wanted), _) if tasks.contains(wanted) => wanted.clone(),
        (Some(wanted), _) => {
            let hint = did_you_mean(wanted, tasks.iter().map(String::as_str));
            return Err(Error::Usage(format!("--task {wanted}: no recipe of the grid ends in it; {hint}")));
        }
        (None, [only]) => only.clone(),
        (None, several) => {
            let known = several.join(", ");
            return Err(Error::Usage(format!("the recipes end in several tasks: name one by --task ({known})")));
        }
    };
    let of_task: Vec<&Cell> = cells.iter().filter(|cell| task(cell) == wanted).collect();
    let done: Vec<&Cell> = of_task.iter().copied().filter(|cell| cell.state() == State::Done).collect();
    if done.len() < of_task.len() {
        let (n, all) = (done.len(), of_task.len());
        tell(&format!(
            "note: {n} of {all} runs are done, and reported on; rxlt sweep status says how far the others are"
        ));
    }
    if done.is_empty() {
        return Err(Error::Missing(format!("{}: no run is done; rxlt sweep plan runs them", args.grid.display())));
    }
    let runs: Vec<PathBuf> = done.iter().map(|cell| cell.folder.clone()).collect();
    let mut labels: Labels = done.iter().map(|cell| (cell.folder.clone(), cell.variant.clone())).collect();
    labels.extend(args.analysis.labels()?);
    let study = Study::read_as(&runs, &labels)?;
    let outputs = args.form.outputs(&runs, &args.analysis, &study)?;
    study.notes.iter().for_each(|note| tell(&format!("note: {note}")));
    let analysis = analyze(&study, &args.analysis.options(&study)?)?;
    args.form.show(&analysis, full(&analysis), &outputs)
}
