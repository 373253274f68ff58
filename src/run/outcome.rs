//! What a run found out, and how `metrics.json` says it.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{folder::number, losses::FinalLoss};
use crate::{
    kinds::score::key,
    tasks::metrics::{ACCURACY, Grid, Score, Summary},
};

/// What a run found out.
pub struct Outcome {
    /// The task of the last stage.
    pub task: String,
    /// One for each method.
    pub methods: Vec<MethodResult>,
}

/// How one method did.
pub struct MethodResult {
    /// Its name.
    pub name: String,
    /// By the first metric of the task's kind; accuracy of what is found in held-out texts where the last stage is masked
    /// language modelling.
    pub summary: Summary,
    /// By the other metrics.
    pub others: Vec<Summary>,
    /// By pair of languages, in the generalized setting.
    pub grid: Option<Grid>,
    /// How it answers from second sentences alone, in tasks of pairs.
    pub shortcut: Option<Shortcut>,
    /// By which rule the model was selected.
    pub rule: String,
    /// Where the model and predictions lie.
    pub folder: PathBuf,
    /// The loss at the end of training, where the last stage has labels.
    pub training: Option<FinalLoss>,
    /// What makes these results doubtful.
    pub warnings: Vec<String>,
}

/// What is answered from second sentences alone, in one language.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortcut {
    /// The items as they are.
    pub own: Score,
    /// The same with first sentences of other items.
    pub foreign: Score,
    /// The share of the most frequent label, which a constant answer would have.
    pub most_frequent: f64,
}

impl Shortcut {
    /// Whether more is right where first sentences are the items' own, beyond the interval of that.
    pub fn reads_pairs(&self) -> bool {
        self.foreign.value < self.own.low
    }

    /// What was found of a method.
    pub fn sentence(&self, method: &str) -> String {
        let [own, foreign] = [&self.own, &self.foreign].map(|score| format!("{:.1}", 100.0 * score.value));
        let (language, n) = (&self.own.language, self.own.n);
        let verdict = if self.reads_pairs() { "reads pairs" } else { "DOES NOT READ PAIRS" };
        format!("{method} {verdict}: {own} % of {n} {language} items, {foreign} with others' first sentences")
    }

    fn to_json(&self) -> Value {
        let of = |score: &Score| json!({ "value": number(score.value), "low": number(score.low), "high": number(score.high) });
        json!({
            "what": "the same items with first sentences of other items",
            "language": self.own.language,
            "n": self.own.n,
            "metric": key(self.own.metric),
            "own": of(&self.own),
            "foreign": of(&self.foreign),
            "most_frequent_label": number(self.most_frequent),
        })
    }
}

impl Outcome {
    /// All results, for `metrics.json`.
    pub fn to_json(&self) -> Value {
        json!({ "task": self.task, "methods": self.methods.iter().map(MethodResult::to_json).collect::<Vec<_>>() })
    }
}

/// A score, whose value stands under the metric's name.
fn score_json(score: &Score) -> Value {
    let mut json = json!({ "language": score.language, "n": score.n });
    if let Some(correct) = score.correct {
        json["correct"] = json!(correct);
    }
    json[key(score.metric)] = number(score.value);
    json["low"] = number(score.low);
    json["high"] = number(score.high);
    json
}

/// A summary by another metric than the first.
fn summary_json(summary: &Summary) -> Value {
    json!({
        "metric": key(summary.metric()),
        "languages": summary.scores.iter().map(score_json).collect::<Vec<_>>(),
        "mean": number(summary.mean),
        "mean_without_source": summary.mean_without_source.map_or(Value::Null, number),
    })
}

/// What the intervals of languages are.
const OF_SHARES: &str = "95 % Wilson score interval over the test examples of one run; over clusters, such as the sentences of \
                         tagged words, where answers are not independent";
/// The same of correlations.
const OF_CORRELATIONS: &str = "95 % interval by Fisher's z over the test examples of one run; of ranks with the variance of \
                               Bonett and Wright (2000)";

impl MethodResult {
    /// By every metric, the first before others.
    pub fn summaries(&self) -> Vec<Summary> {
        [&self.summary].into_iter().chain(&self.others).cloned().collect()
    }

    pub(super) fn to_json(&self) -> Value {
        let summary = &self.summary;
        let optional = |value: Option<f64>| value.map_or(Value::Null, number);
        let ends = |ends: [f64; 2]| ends.map(number);
        let mut json = json!({
            "method": self.name,
            "selection": self.rule,
            "source": summary.source,
            "languages": summary.scores.iter().map(score_json).collect::<Vec<_>>(),
            "mean": number(summary.mean),
            "mean_without_source": optional(summary.mean_without_source),
            "transfer_gap": optional(summary.gap),
            "intervals": {
                "mean": summary.intervals.mean.map(ends),
                "mean_without_source": summary.intervals.mean_without_source.map(ends),
                "transfer_gap": summary.intervals.gap.map(ends),
            },
            "pooled": summary.pooled.as_ref().map(score_json),
            "interval": if summary.scores.iter().all(|score| score.is_correlation()) { OF_CORRELATIONS } else { OF_SHARES },
            "training": self.training.map(|training| training.to_json()),
            "warnings": self.warnings,
        });
        if summary.metric() != ACCURACY {
            json["metric"] = json!(key(summary.metric()));
        }
        if !self.others.is_empty() {
            json["metrics"] = self.others.iter().map(summary_json).collect();
        }
        if let Some(shortcut) = &self.shortcut {
            json["shortcut"] = shortcut.to_json();
        }
        if let Some(grid) = &self.grid {
            let rows = grid
                .scores
                .iter()
                .map(|row| row.iter().map(|score| score.as_ref().map(score_json)).collect::<Vec<_>>());
            json["generalized"] = json!({
                "languages": grid.languages,
                "scores": rows.collect::<Vec<_>>(),
                "mean": number(grid.mean),
                "mean_diagonal": optional(grid.mean_diagonal),
                "mean_off_diagonal": optional(grid.mean_off_diagonal),
            });
        }
        json
    }
}
