//! What an examination finds: a line for each check.

use crate::error::{Error, Result, catch};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{panic, time::Instant};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Right,
    /// Not as it should be: the device is not to be trusted.
    Wrong,
    /// Not made, for the reason given.
    Skipped,
}

/// One check and its end.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its group.
    pub group: &'static str,
    /// What was checked.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// The worst error seen, where errors are numbers.
    pub error: Option<f64>,
    /// What it may be at most.
    pub bound: Option<f64>,
    /// What else there is to say: where the worst error is, or why the check was skipped or failed.
    pub detail: String,
    /// How long it took.
    pub seconds: f64,
}

/// What a check saw, if it came to its end.
#[derive(Clone, Debug)]
pub enum Seen {
    /// The worst error, and where it is.
    Error(f64, String),
    /// The same of several comparisons: the one that comes nearest to its own bound.
    Within {
        /// The error.
        error: f64,
        /// What it may be.
        bound: f64,
        /// Where it is.
        place: String,
    },
    /// It is as it should be, with a remark.
    Right(String),
    /// It is not, and why.
    Wrong(String),
    /// It could not be made, and why.
    Skipped(String),
}

/// All that was found so far.
pub struct Findings<'a> {
    group: &'static str,
    list: Vec<Finding>,
    figures: Map<String, Value>,
    tell: &'a mut dyn FnMut(&Finding),
}

impl<'a> Findings<'a> {
    /// None yet; `tell` hears of each check when it has ended.
    pub fn new(tell: &'a mut dyn FnMut(&Finding)) -> Findings<'a> {
        Findings { group: "", list: Vec::new(), figures: Map::new(), tell }
    }

    /// Begins a group.
    pub fn begin(&mut self, group: &'static str) {
        self.group = group;
    }

    /// Makes a check. What is raised, returned as an error or panics in it is a finding, not the end of the examination.
    pub fn check(&mut self, name: impl Into<String>, bound: Option<f64>, check: impl FnOnce() -> Result<Seen>) {
        let start = Instant::now();
        let seen = match panic::catch_unwind(panic::AssertUnwindSafe(|| catch(check))) {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => Seen::Wrong(error.to_string()),
            Err(payload) => Seen::Wrong(words_of(&*payload)),
        };
        let bound = if let Seen::Within { bound, .. } = seen { Some(bound) } else { bound };
        let (verdict, error, detail) = judge(seen, bound);
        let (name, seconds) = (name.into(), start.elapsed().as_secs_f64());
        let finding = Finding { group: self.group, name, verdict, error, bound, detail, seconds };
        (self.tell)(&finding);
        self.list.push(finding);
    }

    /// Writes down a figure that is no verdict: a speed.
    pub fn figure(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.figures.insert(name.into(), value.into());
    }

    /// All figures, in the order in which they were taken.
    pub fn figures(&self) -> &Map<String, Value> {
        &self.figures
    }

    /// All of them, in the order in which they were made.
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// An error (exit code 4) that names what is wrong, if anything is.
    pub fn conclusion(&self) -> Result<()> {
        let wrong = self.list.iter().filter(|finding| finding.verdict == Verdict::Wrong);
        let names: Vec<String> = wrong.map(|finding| format!("{}: {}", finding.group, finding.name)).collect();
        match names.len() {
            0 => Ok(()),
            n => Err(Error::Mismatch(format!("{n} of {} checks failed: {}", self.list.len(), names.join("; ")))),
        }
    }
}

/// A number that is not finite is no small error, whatever the bound.
fn judge(seen: Seen, bound: Option<f64>) -> (Verdict, Option<f64>, String) {
    match seen {
        Seen::Error(error, place) | Seen::Within { error, place, .. } => {
            let right = bound.is_some_and(|bound| error <= bound);
            (if right { Verdict::Right } else { Verdict::Wrong }, Some(error), place)
        }
        Seen::Right(remark) => (Verdict::Right, None, remark),
        Seen::Wrong(reason) => (Verdict::Wrong, None, reason),
        Seen::Skipped(reason) => (Verdict::Skipped, None, reason),
    }
}

/// What a panic said.
fn words_of(payload: &(dyn std::any::Any + Send)) -> String {
    let words = payload.downcast_ref::<&str>().map(|words| (*words).to_owned());
    words.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_ends_in_one_of_three_ways() {
        let mut told = Vec::new();
        let mut tell = |finding: &Finding| told.push((finding.name.clone(), finding.verdict));
        let mut findings = Findings::new(&mut tell);
        findings.begin("group");
        findings.check("near", Some(1e-3), || Ok(Seen::Error(1e-4, "element 3".into())));
        findings.check("far", Some(1e-3), || Ok(Seen::Error(1e-2, String::new())));
        findings.check("not a number", Some(1e-3), || Ok(Seen::Error(f64::NAN, String::new())));
        findings.check("an error", None, || Err(Error::Device("lost".into())));
        findings.check("left out", None, || Ok(Seen::Skipped("no f16".into())));
        let message = findings.conclusion().expect_err("three are wrong").to_string();
        assert_eq!(message, "3 of 5 checks failed: group: far; group: not a number; group: an error");
        assert_eq!(told.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>(), {
            use Verdict::{Right, Skipped, Wrong};
            [Right, Wrong, Wrong, Wrong, Skipped]
        });
    }
}
