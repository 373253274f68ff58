//! The `rxlt` command as one of the processes that `mpirun` starts: `mpirun -n 4 rxlt-mpi run …` shares one run among them.
//! Started without mpirun it is `rxlt`.

mod world;

use std::process::ExitCode;

use mpi::Threading;
use rxlt::{
    cli::{process, tell},
    ranks::Ranks,
};

use world::World;

fn main() -> ExitCode {
    process::begin_again_without_device_select();
    // One thread of each rank speaks to the others: the one that is here.
    let Some((_universe, threading)) = mpi::initialize_with_threading(Threading::Funneled) else {
        tell("error: MPI is at work in this process already");
        return ExitCode::from(69);
    };
    if threading < Threading::Funneled {
        tell("error: this MPI allows no threads beside its own; take Open MPI or MPICH as your system has them");
        return ExitCode::from(69);
    }
    // MPI is ended when `_universe` is dropped, after the run.
    process::main(&Ranks::of(World::new()))
}
