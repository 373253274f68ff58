//! The numbers of the official scorers of XTREME, XTREME-R and XGLUE, on predictions made anywhere.
//!
//! What the scorers compute is computed to the last digit, what is odd about it included; each oddity that touches a
//! number is a [`Note`] beside it, and where there is a better number it stands there under its own name.

mod benchmark;
mod check;
mod measured;
mod read;
mod report;
mod task;
mod trap;
mod tuned;

use std::path::{Path, PathBuf};

pub use benchmark::{Benchmark, Kind, TaskSpec};
pub use check::check;
pub use measured::{Answered, Measured};
pub use report::{Report, TaskReport};
pub use task::Value;
pub use trap::Note;
pub use tuned::{LeftOut, Searched, Tuned};

use crate::error::{Error, Result, did_you_mean};

/// What is to be scored, and where it lies.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The benchmark, which says the layout of both folders.
    pub benchmark: Benchmark,
    /// The folder of predictions.
    pub predictions: &'a Path,
    /// The folder of labels.
    pub gold: &'a Path,
    /// The part of XGLUE, `test` or `dev`, in the names of its gold files.
    pub split: &'a str,
    /// The tasks; all of the benchmark where none is named.
    pub tasks: &'a [String],
    /// The languages; all of each task where none is named.
    pub languages: &'a [String],
}

/// One task in one language: its two files.
#[derive(Debug, Clone)]
struct Cell {
    spec: &'static TaskSpec,
    language: &'static str,
    prediction: PathBuf,
    gold: PathBuf,
}

impl Request<'_> {
    /// The tasks that were asked for, in the benchmark's order.
    fn specs(&self) -> Result<Vec<&'static TaskSpec>> {
        let all = self.benchmark.tasks();
        for name in self.tasks {
            if let Some((not_run, why)) = self.benchmark.not_run().iter().find(|(not_run, _)| not_run == name) {
                return Err(Error::Usage(format!("task {not_run} of {} is not scored: {why}", self.benchmark)));
            }
            if !all.iter().any(|spec| spec.name == name) {
                let known = did_you_mean(name, all.iter().map(|spec| spec.name));
                return Err(Error::Usage(format!("{} has no task \"{name}\"; {known}", self.benchmark)));
            }
        }
        let asked = |spec: &&TaskSpec| self.tasks.is_empty() || self.tasks.iter().any(|name| name == spec.name);
        let specs: Vec<&TaskSpec> = all.iter().filter(asked).collect();
        for language in self.languages {
            if !specs.iter().any(|spec| spec.languages.contains(&language.as_str())) {
                let mut known: Vec<&str> = specs.iter().flat_map(|spec| spec.languages).copied().collect();
                known.sort_unstable();
                known.dedup();
                let known = did_you_mean(language, known);
                return Err(Error::Usage(format!("no task that was asked for has language \"{language}\"; {known}")));
            }
        }
        Ok(specs)
    }

    /// The languages of a task that were asked for.
    fn cells(&self, spec: &'static TaskSpec) -> Vec<Cell> {
        let asked =
            |language: &&&str| self.languages.is_empty() || self.languages.iter().any(|name| name == **language);
        let cell = |language: &&'static str| Cell {
            spec,
            language,
            prediction: self.predictions.join(self.benchmark.prediction_name(spec, language)),
            gold: self.gold.join(self.benchmark.gold_name(spec, language, self.split)),
        };
        spec.languages.iter().filter(asked).map(cell).collect()
    }

    /// Both folders must be there, or nothing that is missing would mean anything.
    fn folders(&self) -> Result<()> {
        for (what, folder) in [("predictions", self.predictions), ("gold", self.gold)] {
            if !folder.is_dir() {
                return Err(Error::Missing(format!("--{what} {}: expected a folder, found none", folder.display())));
            }
        }
        Ok(())
    }
}

impl Cell {
    /// The file of the two that is not there, if one is not.
    fn missing(&self) -> Option<&Path> {
        [&self.prediction, &self.gold].into_iter().find(|path| !path.is_file()).map(PathBuf::as_path)
    }
}

/// Scores everything that was asked for and is there; what is not there is named in the report.
pub fn score(request: &Request) -> Result<Report> {
    let specs = request.specs()?;
    request.folders()?;
    let mut report = Report::new(request.benchmark);
    for spec in specs {
        let mut task = TaskReport::new(spec);
        for cell in request.cells(spec) {
            match cell.missing() {
                Some(path) => task.missing.push((cell.language, path.to_owned())),
                None => task.add(cell.language, task::score(&cell)?),
            }
        }
        report.tasks.push(task);
    }
    report.finish();
    Ok(report)
}
