//! The `rxlt` command as one of the processes that `mpirun` starts: `mpirun -n 4 rxlt-mpi run …` shares one run among them.
//! Started without mpirun it is `rxlt`.

use std::process::ExitCode;

use rxlt::cli::process;

fn main() -> ExitCode {
    process::begin_again_without_device_select();
    rxlt_mpi::joined(process::main)
}
