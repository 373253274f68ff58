//! The seeds of a recipe, or its methods too, as child processes side by side.
//!
//! A child is the same command for one seed. Where there are fewer seeds than places, and nothing but the model given
//! comes before the methods, each method is run in a folder of its own inside the run's, and taken over when all are
//! done.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    device::DeviceArgs,
    jobs::{self, Jobs},
    note,
};
use crate::{
    error::{Error, Result},
    ranks::Ranks,
    recipe::Resolved,
    run::{
        files,
        folder::{Environment, RunFolder},
        progress::{Board, Mode},
    },
    stop::Stop,
    sweep::jobs::{End, Job, run_side_by_side, verdict},
};

/// Where the methods of a run are while they are run apart.
pub(super) const PARTS: &str = ".parts";

/// A seed and its folder.
pub(super) type Seed = (Resolved, PathBuf);

/// What is left to do.
pub(super) enum Left {
    /// The seeds in these folders are done; of the others the verdict tells.
    Report(Vec<PathBuf>, Result<()>),
    /// The one seed has to be run, or to be put together from its methods, by this process.
    Run,
}

/// The folder of a method that is run apart.
pub(super) fn part(folder: &Path, method: &str) -> PathBuf {
    folder.join(PARTS).join(method)
}

/// Whether methods of a seed were begun apart, by `--jobs`, and go on so, however many at once.
pub(super) fn is_apart((_, folder): &Seed) -> bool {
    fs::read_dir(folder.join(PARTS)).is_ok_and(|mut parts| parts.next().is_some())
}

/// Said to ranks of such a run.
pub(super) fn no_ranks() -> Error {
    Error::Usage(
        "methods of this run were begun apart, by --jobs: go on with it without mpirun and --device 0,1".into(),
    )
}

/// Runs them.
pub(super) fn run(seeds: &[Seed], jobs: Jobs, device: &DeviceArgs, stop: &Stop, mode: Mode) -> Result<Left> {
    let n_methods = seeds.iter().map(|(resolved, _)| resolved.recipe.methods.len()).sum();
    let n_slots = jobs::slots(jobs, device, n_methods)?.len();
    let are_apart = seeds.iter().any(is_apart);
    let can_be_parted = seeds.iter().all(|seed| can_be_parted(seed, device));
    if are_apart && !can_be_parted {
        return Err(Error::Usage(
            "methods of this run are run apart, by --jobs: with --autotune they cannot go on; leave it out".into(),
        ));
    }
    let work = |work: &[Job]| side_by_side(work, jobs, device, stop, mode);
    if are_apart || n_slots > seeds.len() && can_be_parted {
        let parts: Vec<Job> = seeds.iter().flat_map(parts_of).collect();
        let verdict = verdict(&parts, &work(&parts)?);
        match &verdict {
            Err(Error::Stopped(_)) => {} // they go on apart
            _ => seeds.iter().try_for_each(take_over)?,
        }
        verdict?;
    } else if n_slots > seeds.len() && seeds.iter().any(|(resolved, _)| resolved.recipe.model.fresh.is_some()) {
        note("methods run one after the other: with a fresh encoder (model.fresh) they are not run apart");
    }
    if seeds.len() == 1 {
        return Ok(Left::Run);
    }
    let whole: Vec<Job> = seeds.iter().map(|(resolved, _)| job(resolved.recipe.seed, None)).collect();
    let ends = work(&whole)?;
    let done = seeds.iter().zip(&ends).filter(|(_, end)| **end == End::Done).map(|((_, folder), _)| folder.clone());
    Ok(Left::Report(done.collect(), verdict(&whole, &ends)))
}

/// The work as children, as many at once as there are places.
pub(super) fn side_by_side(work: &[Job], jobs: Jobs, device: &DeviceArgs, stop: &Stop, mode: Mode) -> Result<Vec<End>> {
    let board = Board::new(mode, work.iter().map(|job| job.label.clone()).collect());
    run_side_by_side(work, &jobs::slots(jobs, device, work.len())?, stop, &board, &|_| None)
}

/// Whether the methods of a run can be run apart: they begin with the model given, and nothing of them is there.
fn can_be_parted((resolved, folder): &Seed, device: &DeviceArgs) -> bool {
    let recipe = &resolved.recipe;
    let is_new = !files::is_run(folder) || folder.join(PARTS).exists();
    recipe.stages.len() == 1 && recipe.model.fresh.is_none() && !device.is_autotuned() && is_new
}

/// The methods that are not done.
fn parts_of((resolved, folder): &Seed) -> Vec<Job> {
    let is_done =
        |stage: &str| folder.join(stage).join(files::MODEL).exists() || files::is_measured(&folder.join(stage));
    let methods = resolved.recipe.methods.iter();
    let open = methods.filter(|method| !is_done(&resolved.recipe.stage_name(0, Some(method))));
    open.map(|method| job(resolved.recipe.seed, Some(&method.name))).collect()
}

/// This command again, for one seed, or one of its methods.
pub(super) fn job(seed: u64, method: Option<&str>) -> Job {
    let own = ["--progress".into(), "lines".into(), "--only-seed".into(), seed.to_string().into()];
    let method_args = method.into_iter().flat_map(|method| [OsString::from("--only-method"), method.into()]);
    let args = std::env::args_os().skip(1).chain(own).chain(method_args).collect();
    Job { label: method.map_or(format!("s{seed}"), |method| format!("s{seed} {method}")), args }
}

/// Takes the methods of a run that were run apart, and are done, into its folder, in the order of the recipe.
fn take_over((resolved, folder): &Seed) -> Result<()> {
    let stages: Vec<(String, PathBuf)> = resolved
        .recipe
        .methods
        .iter()
        .map(|method| (resolved.recipe.stage_name(0, Some(method)), part(folder, &method.name)))
        .collect();
    let done: Vec<&(String, PathBuf)> =
        stages.iter().filter(|(stage, part)| files::is_measured(&part.join(stage))).collect();
    if let Some((_, first)) = done.first() {
        let environment: Environment = files::read_json(&first.join(files::ENVIRONMENT))?;
        let run = RunFolder::open(folder, resolved, &environment, Ranks::alone())?;
        done.iter().try_for_each(|(stage, part)| run.adopt(part, stage))?;
    }
    // Methods that failed go on apart; where none did, nothing that is left has a use.
    let all = folder.join(PARTS);
    let is_whole = stages.iter().all(|(stage, _)| files::is_measured(&folder.join(stage)));
    let _ = if is_whole { fs::remove_dir_all(all) } else { fs::remove_dir(all) };
    Ok(())
}
