//! What a run's log says so far: read while it grows, without disturbing who writes it.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    files::{self, CONFIG, LOG},
    folder::{Look, look},
    losses,
};
use crate::{
    error::{Error, Result},
    recipe::Resolved,
};

/// Updates over which speed is averaged.
const RECENT: usize = 20;

/// A run that is watched.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
    /// How far the log was read.
    read: u64,
    /// Its stages in the order in which they began.
    pub stages: Vec<Stage>,
    /// The updates of its stages, once its recipe is there.
    totals: Option<Vec<(String, u64)>>,
}

/// A stage as the log has it.
#[derive(Debug, Default)]
pub struct Stage {
    /// Its name, such as `2-xnli-adv`.
    pub name: String,
    /// How many updates it makes, where the recipe says that.
    pub total: Option<u64>,
    /// Its updates.
    pub updates: Vec<Update>,
    /// What it was measured by on the source language's dev data at last, and when.
    pub measured: Option<(String, f64, u64)>,
}

/// An update as the log has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Its number, from 1.
    pub step: u64,
    /// NaN where it was not finite.
    pub loss: f64,
    /// Of AdamW.
    pub learning_rate: f64,
    /// Tokens in it.
    pub tokens: f64,
    /// How long it took.
    pub seconds: f64,
    /// Whether it is of the stage's own task, not of one beside it.
    pub is_own: bool,
}

impl History {
    /// Of a folder that is a run's, or will be.
    pub fn new(folder: &Path) -> History {
        History { folder: folder.to_owned(), read: 0, stages: Vec::new(), totals: None }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is doing.
    pub fn look(&self) -> Look {
        look(&self.folder)
    }

    /// Reads what was written since the last time; the log of a run that went back to a checkpoint is read anew.
    pub fn update(&mut self) -> Result<()> {
        if self.totals.is_none() && files::is_run(&self.folder) {
            self.totals = Some(totals(&self.folder.join(CONFIG)));
        }
        let path = self.folder.join(LOG);
        let Ok(mut file) = File::open(&path) else { return Ok(()) }; // it is not begun yet
        let length = file.metadata().map_err(|error| Error::read(&path, &error))?.len();
        if length < self.read {
            self.read = 0;
            self.stages.clear();
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(self.read)).map_err(|error| Error::read(&path, &error))?;
        file.read_to_end(&mut bytes).map_err(|error| Error::read(&path, &error))?;
        // A line that is being written is read when it is whole.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        for line in bytes[..whole].split(|byte| *byte == b'\n') {
            if let Ok(event) = serde_json::from_slice::<Value>(line) {
                self.take(&event);
            }
        }
        Ok(())
    }

    fn take(&mut self, event: &Value) {
        let (Some(name), Some(step)) = (event["stage"].as_str(), event["step"].as_u64()) else { return };
        let place = self.stages.iter().position(|stage| stage.name == name).unwrap_or_else(|| {
            let total = self.totals.iter().flatten().find(|(stage, _)| stage == name).map(|(_, total)| *total);
            self.stages.push(Stage { name: name.to_owned(), total, ..Stage::default() });
            self.stages.len() - 1
        });
        let stage = &mut self.stages[place];
        // What is said again replaces what was said.
        stage.updates.truncate(stage.updates.partition_point(|update| update.step < step || event["event"] != "step"));
        stage.total = event["of"].as_u64().or(stage.total);
        let number = |key: &str| event[key].as_f64().unwrap_or(f64::NAN);
        match event["event"].as_str() {
            Some("step") => stage.updates.push(Update {
                step,
                loss: number("loss"),
                learning_rate: number("learning_rate"),
                tokens: number("tokens"),
                seconds: number("seconds"),
                is_own: event["task"].as_str().is_none_or(|task| is_of(name, task)),
            }),
            Some("evaluation") => {
                let keys = ["event", "stage", "step", "time"];
                let values = event.as_object().into_iter().flatten().filter(|(key, _)| !keys.contains(&key.as_str()));
                let first = values.filter_map(|(key, value)| Some((key.clone(), value.as_f64()?))).next();
                stage.measured = first.map(|(key, value)| (key, value, step)).or(stage.measured.take());
            }
            _ => {}
        }
    }
}

/// Whether a stage such as `2-xnli-adv` is one of a task.
fn is_of(stage: &str, task: &str) -> bool {
    let rest = stage.split_once('-').and_then(|(_, rest)| rest.strip_prefix(task));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// How many updates each stage of a recipe makes, where it says so.
fn totals(config: &Path) -> Vec<(String, u64)> {
    let Ok(resolved) = Resolved::load(config, &[]) else { return Vec::new() };
    let recipe = &resolved.recipe;
    let last = recipe.stages.len().saturating_sub(1);
    let named = |(i, stage): (usize, &crate::recipe::Stage)| {
        let methods = recipe.methods.iter().filter(|_| i == last);
        let methods = methods.map(|method| (recipe.stage_name(i, Some(method)), stage.with(method).updates));
        let all = methods.chain([(recipe.stage_name(i, None), stage.updates)]);
        all.filter_map(|(name, updates)| Some((name, updates?))).collect::<Vec<_>>()
    };
    recipe.stages.iter().enumerate().flat_map(named).collect()
}

impl Stage {
    /// The last updates.
    fn recent(&self) -> &[Update] {
        &self.updates[self.updates.len().saturating_sub(RECENT)..]
    }

    /// The mean loss of the last updates of its own task, as a run's results have it.
    pub fn loss(&self) -> Option<f64> {
        let own: Vec<f64> = self.updates.iter().filter(|update| update.is_own).map(|update| update.loss).collect();
        losses::recent(&own).map(|(mean, _)| mean)
    }

    /// Tokens in a second, over the last updates.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let sum = |of: fn(&Update) -> f64| self.recent().iter().map(of).sum::<f64>();
        let seconds = sum(|update| update.seconds);
        (seconds > 0.0).then(|| sum(|update| update.tokens) / seconds)
    }

    /// The number of the last update.
    pub fn step(&self) -> u64 {
        self.updates.last().map_or(0, |update| update.step)
    }

    /// Seconds until the last update, evaluations not counted, where its number is known.
    pub fn seconds_left(&self) -> Option<f64> {
        let recent = self.recent();
        let each = recent.iter().map(|update| update.seconds).sum::<f64>() / recent.len() as f64;
        let left = self.total?.saturating_sub(self.step());
        Some(left as f64 * each).filter(|_| !recent.is_empty())
    }

    /// At most so many points of the loss: update, and mean of neighbouring ones.
    pub fn curve(&self, points: usize) -> Vec<(f64, f64)> {
        let width = self.updates.len().div_ceil(points.max(1)).max(1);
        let point = |updates: &[Update]| {
            let losses: Vec<f64> = updates.iter().map(|update| update.loss).filter(|loss| loss.is_finite()).collect();
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            Some((updates.last()?.step as f64, mean)).filter(|_| !losses.is_empty())
        };
        self.updates.chunks(width).filter_map(point).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Write};

    fn step(step: u64, loss: f64) -> String {
        format!(
            "{{\"event\":\"step\",\"stage\":\"1-x\",\"step\":{step},\"loss\":{loss},\"learning_rate\":0.1,\"tokens\":100,\
             \"seconds\":0.5}}\n"
        )
    }

    #[test]
    fn a_log_is_read_as_it_grows_and_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::new(folder.path());
        history.update().unwrap();
        assert!(history.stages.is_empty() && history.look() == Look::Nothing);
        let path = folder.path().join(LOG);
        fs::write(&path, step(1, 3.0) + &step(2, 2.0) + "{\"event\":\"st").unwrap();
        history.update().unwrap();
        assert_eq!((history.stages.len(), history.stages[0].step(), history.stages[0].loss()), (1, 2, Some(2.0)));
        assert_eq!(history.stages[0].tokens_per_second(), Some(200.0));
        assert_eq!(history.stages[0].seconds_left(), None);
        // The rest of the line comes, and an evaluation.
        let rest = step(3, 1.0).replacen("{\"event\":\"st", "", 1);
        let said = "{\"event\":\"evaluation\",\"stage\":\"1-x\",\"step\":3,\"accuracy\":0.75}\n";
        fs::File::options().append(true).open(&path).unwrap().write_all((rest + said).as_bytes()).unwrap();
        history.update().unwrap();
        let stage = &history.stages[0];
        assert_eq!((stage.step(), stage.measured.clone()), (3, Some(("accuracy".into(), 0.75, 3))));
        assert_eq!(stage.curve(2), [(2.0, 2.5), (3.0, 1.0)]);
        assert!(is_of("2-x-adv", "x") && is_of("1-x", "x") && !is_of("1-xy", "x") && !is_of("2-x-adv", "mlm"));
        // It went back to a checkpoint.
        fs::write(&path, step(1, 3.0)).unwrap();
        history.update().unwrap();
        assert_eq!(history.stages[0].step(), 1);
    }

    #[test]
    fn a_method_with_updates_of_its_own_has_its_own_end() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name = \"t\"\n[model]\npath = \"m\"\n[[stages]]\ntask = \"xnli\"\nupdates = 3\n[[methods]]\nstandard = {}\n\
                    [[methods]]\nname = \"long\"\nstage = { updates = 9 }\n";
        fs::write(folder.path().join(CONFIG), text).unwrap();
        let expected = [("1-xnli-standard", 3), ("1-xnli-long", 9), ("1-xnli", 3)];
        assert_eq!(totals(&folder.path().join(CONFIG)), expected.map(|(name, n)| (name.to_owned(), n)));
    }
}
