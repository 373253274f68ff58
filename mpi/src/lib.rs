//! MPI as what joins the ranks of a run: `rxlt_mpi::joined` starts it, and gives the ranks to whoever does the work.

mod world;

use std::process::ExitCode;

use mpi::Threading;
use rxlt::{cli::tell, ranks::Ranks};

use world::World;

/// Starts MPI, lets `work` be done as one of the processes that mpirun has started (the only one without it), and ends MPI.
pub fn joined(work: impl FnOnce(&Ranks) -> ExitCode) -> ExitCode {
    // One thread of each rank speaks to the others: this one.
    let Some((_universe, threading)) = mpi::initialize_with_threading(Threading::Funneled) else {
        tell("error: MPI is at work in this process already");
        return ExitCode::from(69);
    };
    if threading < Threading::Funneled {
        tell("error: this MPI allows no threads beside its own; take Open MPI or MPICH as your system has them");
        return ExitCode::from(69);
    }
    // MPI is ended when `_universe` is dropped.
    work(&Ranks::of(World::new()))
}
