//! Whether training came to anything: its last losses beside the loss of guessing.

use std::path::Path;

use serde_json::{Value, json};

use super::folder::number;
use crate::error::{Error, Result};

/// The last updates whose losses are averaged: enough that one batch does not decide.
const LAST: usize = 50;

/// What is called the loss after updates with these, and of how many it is the mean: of at most the last fifty, and at most
/// the last quarter. None before the first.
pub fn recent(all: &[f64]) -> Option<(f64, usize)> {
    let last = &all[all.len() - all.len().div_ceil(4).min(LAST)..];
    (!last.is_empty()).then(|| (last.iter().sum::<f64>() / last.len() as f64, last.len()))
}

/// The losses of a stage's updates of its own task, from a run's log; none where an update up to the last is not there.
pub fn of_stage(log: &Path, stage: &str, task: &str) -> Result<Option<Vec<f64>>> {
    let bytes = std::fs::read(log).map_err(|error| Error::read(log, &error))?;
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let events: Vec<Value> = lines.filter(|event| event["event"] == "step" && event["stage"] == stage).collect();
    if events.iter().zip(1..).any(|(event, step)| event["step"].as_u64() != Some(step)) {
        return Ok(None);
    }
    let own = events.iter().filter(|event| event["task"].as_str().is_none_or(|of| of == task));
    Ok(Some(own.filter_map(|event| event["loss"].as_f64()).collect()))
}

/// The loss at the end of a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinalLoss {
    /// The mean over the last updates: at most fifty, and at most the last quarter.
    pub mean: f64,
    /// How many these are.
    pub updates: usize,
    /// The loss of one who knows nothing but how frequent each label is, the entropy of the labels, or nothing but the mean of
    /// numbers, their variance; none where neither is learned.
    pub guessing: Option<f64>,
}

impl FinalLoss {
    /// Reads that of a stage from the run's log; none where it holds no update of it, or not every one up to the last.
    /// `guessing` is the loss of one who knows nothing of the texts, where that is known.
    ///
    /// Of a stage that learned several tasks at once, the updates of the one that it is for count, `task`.
    pub fn read(log: &Path, stage: &str, task: &str, guessing: Option<f64>) -> Result<Option<FinalLoss>> {
        let losses = of_stage(log, stage, task)?.unwrap_or_default();
        Ok(recent(&losses).map(|(mean, updates)| FinalLoss { mean, updates, guessing }))
    }

    /// What there is to say of a loss that guessing reaches.
    pub fn warning(&self) -> Option<String> {
        let FinalLoss { mean, updates, .. } = self;
        let guessing = self.guessing?;
        let last = if *updates == 1 { "last update".to_owned() } else { format!("last {updates} updates") };
        (*mean > guessing).then(|| {
            format!(
                "training came to nothing: the mean loss of the {last} is {mean:.4}, that of guessing by \
                 the frequency of labels {guessing:.4}; look at learning_rate and at the training data"
            )
        })
    }

    /// What [`FinalLoss::to_json`] wrote; none where that is nothing, or no number.
    pub fn from_json(value: &Value) -> Option<FinalLoss> {
        let (mean, updates) = value["loss"].as_f64().zip(value["updates"].as_u64())?;
        Some(FinalLoss { mean, updates: updates as usize, guessing: value["loss_of_guessing"].as_f64() })
    }

    /// The same for `metrics.json`.
    pub fn to_json(&self) -> Value {
        json!({
            "loss": number(self.mean), "updates": self.updates, "loss_of_guessing": self.guessing.map(number),
            "warning": self.warning(),
        })
    }
}

/// The entropy of labels with these frequencies, in nats: ln K where all K are as frequent.
pub fn entropy(labels: &[(&str, usize)]) -> f64 {
    let n: usize = labels.iter().map(|(_, count)| count).sum();
    let shares = labels.iter().filter(|(_, count)| *count > 0).map(|(_, count)| *count as f64 / n as f64);
    -shares.map(|share| share * share.ln()).sum::<f64>()
}

/// The variance of numbers, which is the mean square of what their mean is off by.
pub fn variance(numbers: &[f64]) -> f64 {
    let n = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_losses_stand_beside_those_of_guessing() {
        let even = [("a", 20), ("b", 20), ("c", 20)];
        assert!((entropy(&even) - 3f64.ln()).abs() < 1e-12);
        assert!((entropy(&[("a", 3), ("b", 1), ("c", 0)]) - (4f64.ln() - 0.75 * 3f64.ln())).abs() < 1e-12);
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.jsonl");
        let line = |stage: &str, step: usize, loss: f64| {
            format!("{}\n", json!({ "event": "step", "stage": stage, "step": step, "loss": loss }))
        };
        let read = |losses: &[f64]| {
            let own: String = losses.iter().enumerate().map(|(i, loss)| line("2-x", i + 1, *loss)).collect();
            std::fs::write(&log, line("1-x", 1, 9.0) + "{torn\n" + &own + "\u{fffd}").unwrap();
            FinalLoss::read(&log, "2-x", "x", Some(entropy(&even))).unwrap()
        };
        assert_eq!(read(&[]), None);
        let good = read(&[2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 0.5]).unwrap();
        assert_eq!((good.mean, good.updates, good.warning()), (0.75, 2, None));
        assert_eq!(FinalLoss::from_json(&good.to_json()), Some(good));
        std::fs::write(&log, line("2-x", 1, 1.0) + &line("2-x", 3, 0.5)).unwrap();
        assert_eq!(FinalLoss::read(&log, "2-x", "x", None).unwrap(), None, "an update is not in the log");
        let bad = read(&[0.5, 0.5, 0.5, 1.5]).unwrap();
        assert!(bad.warning().unwrap().contains("the last update is 1.5000, that of guessing"), "{bad:?}");
        assert_eq!(read(&[1.0; 400]).unwrap().updates, 50);
        let both = [("x", 1.0), ("other", 9.0), ("x", 3.0), ("other", 9.0), ("x", 2.0)];
        let mut step = 0;
        let both = both.map(|(task, loss)| {
            step += 1;
            json!({ "event": "step", "stage": "2-x", "step": step, "task": task, "loss": loss }).to_string() + "\n"
        });
        std::fs::write(&log, both.concat()).unwrap();
        assert_eq!(FinalLoss::read(&log, "2-x", "x", None).unwrap().unwrap().mean, 2.0);
    }
}
