//! `cargo bench`: what `rxlt bench` measures, with its arguments after `--`.

use clap::Parser;
use rxlt::{
    cli::{Cli, tell},
    ranks::Ranks,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let own = std::env::args().skip(1).filter(|argument| argument != "--bench"); // cargo's own
    match Cli::parse_from(["rxlt", "bench"].map(str::to_owned).into_iter().chain(own)).run(Ranks::alone()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
