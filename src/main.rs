//! The `rxlt` command.

use std::process::ExitCode;

use rxlt::{cli::process, ranks::Ranks};

fn main() -> ExitCode {
    process::begin_again_without_device_select();
    process::main(Ranks::alone())
}
