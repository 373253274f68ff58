//! Ranks of a run: those that MPI starts, which `main` is given, and those that are threads with a device each.

use std::thread;

use super::process::guarded;
use crate::{
    error::{Error, Result},
    ranks::{Ranks, threads},
};

/// Threads that train have as much stack as a main thread.
const STACK: usize = 8 << 20;

/// Does it once for each device, in a thread of its own, as one of as many ranks.
pub fn on_each(names: &[&str], work: impl Fn(&str, &Ranks) -> Result<()> + Sync) -> Result<()> {
    let code = thread::scope(|scope| {
        let work = &work;
        let start = |(ranks, name): (Ranks, &&str)| {
            let (of_thread, name) = (ranks.prefix(), (*name).to_owned());
            let thread = thread::Builder::new().name(of_thread.trim_end_matches(": ").to_owned()).stack_size(STACK);
            thread.spawn_scoped(scope, move || guarded(&ranks, || work(&name, &ranks)))
        };
        let all: std::io::Result<Vec<_>> = threads(names.len()).into_iter().zip(names).map(start).collect();
        let all = all.map_err(|error| Error::Device(format!("cannot start a thread for each device: {error}")))?;
        let codes = all.into_iter().map(|one| one.join().expect("panics are caught"));
        Ok::<u8, Error>(codes.max().unwrap_or(0))
    })?;
    // What went wrong was said.
    if code == 0 { Ok(()) } else { std::process::exit(i32::from(code)) }
}

/// Refuses a process that MPI has started beside others, and that does not know of them: each would do the whole run.
pub fn refuse_strangers(ranks: &Ranks) -> Result<()> {
    let count = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    let started = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"].into_iter().filter_map(count).max().unwrap_or(1);
    if !ranks.is_alone() || started == 1 {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "mpirun has started {started} processes, and this program does not know the others: `cargo install --path mpi` gives \
         rxlt-mpi, built with the MPI that mpirun is of; or start one process, with --jobs or --device 0,1"
    )))
}
