//! `--jobs`: how many runs are at work at once, and what each of them computes on.

use super::device::{DeviceArgs, Room};
use crate::{
    error::{Error, Result},
    sweep::jobs::Slot,
};
use std::str::FromStr;

/// How many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// One for each GPU of the kind that `auto` takes; on the processor one for each thread.
    Auto,
    /// So many.
    Count(usize),
}

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Jobs, String> {
        match text.parse::<usize>() {
            _ if text == "auto" => Ok(Jobs::Auto),
            Ok(n) if (1..=1024).contains(&n) => Ok(Jobs::Count(n)),
            _ => Err(format!("expected a number from 1 to 1024, or auto, found {text}")),
        }
    }
}

/// The places for so many runs at once, of which there are no more than there is work.
pub fn slots(jobs: Jobs, device: &DeviceArgs, n_runs: usize) -> Result<Vec<Slot>> {
    let threads = rayon::current_num_threads();
    let (most, automatic) = match device.room() {
        Room::Processor => (usize::MAX, threads),
        Room::Named => (usize::MAX, 1),
        Room::Gpus(numbers) => return on_gpus(jobs, &numbers, n_runs),
    };
    let n = match jobs {
        Jobs::Auto => automatic,
        Jobs::Count(n) => n,
    };
    Ok(Slot::sharing(threads, n.min(most).min(n_runs.max(1))))
}

/// A GPU of its own for each, and a share of the threads.
fn on_gpus(jobs: Jobs, numbers: &[usize], n_runs: usize) -> Result<Vec<Slot>> {
    let n = match jobs {
        Jobs::Count(n) if n > numbers.len() => {
            let found = numbers.len();
            return Err(Error::Usage(format!(
                "--jobs {n}: expected at most {found}, a GPU for each (rxlt devices); --backend cpu shares the \
                 processor, and --device lets all have the one that it names"
            )));
        }
        Jobs::Count(n) => n,
        Jobs::Auto => numbers.len(),
    };
    let slots = Slot::sharing(rayon::current_num_threads(), n.min(n_runs.max(1))).into_iter().zip(numbers);
    Ok(slots
        .map(|(Slot(mut set), number)| {
            set.push(("RXLT_DEVICE", number.to_string()));
            Slot(set)
        })
        .collect())
}
