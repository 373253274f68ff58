//! Many runs: a grid of recipes, settings, methods and seeds as folders, and child processes that work on them.
//!
//! What is done is read from the folders alone: there is no database, and whoever runs a cell (this process, another
//! one, a scheduler) may do it twice, because a run that is done ends at once and one that is under way is locked.

pub mod emit;
pub mod grid;
pub mod jobs;
pub mod page;
pub mod select;

pub use grid::{Cell, Grid};

use crate::{error::Result, run::progress::Board, stop::Stop};
use grid::State;
use jobs::{End, Job, Slot};

/// Runs those of the cells that are not done, as many at once as there are slots.
///
/// A cell that fails stops no other; which failed, and why, is the error at the end. What another process is at work on is
/// left to it, so that several may work on one grid.
pub fn run_all(cells: &[Cell], slots: &[Slot], stop: &Stop, board: &Board) -> Result<()> {
    let jobs = cells.iter().map(|cell| {
        cell.write_recipe()?;
        Ok(Job { label: cell.label.clone(), args: cell.args().into_iter().map(Into::into).collect() })
    });
    let jobs = jobs.collect::<Result<Vec<Job>>>()?;
    let known = |place: usize| match cells[place].state() {
        State::Done => Some(End::Done),
        State::Running => Some(End::Elsewhere),
        State::Waiting | State::Stopped | State::Failed => None,
    };
    let ends = jobs::run_side_by_side(&jobs, slots, stop, board, &known)?;
    jobs::verdict(&jobs, &ends)
}
