//! What predictions come to: scores by every metric of their task, from a run or from files made elsewhere.

use super::Marked;
use crate::{
    error::{Error, Result},
    tasks::{
        Task,
        metrics::{ACCURACY, SPEARMAN, Score, Summary, oddity},
        predictions::{self, Prediction},
    },
};
use std::path::Path;

/// The scores of predictions in one language, one for each metric of the task.
pub fn scores(task: &Task, language: &str, predictions: &[Prediction]) -> Result<Vec<Score>> {
    let kind = super::of(task);
    if !kind.has_marks() {
        return correlations(language, &kind.metrics(task), predictions);
    }
    let marked = kind.marks(task, language, predictions);
    let by_metric = |(i, metric): (usize, &'static str)| {
        Score::of_marks(language, metric, marked.iter().map(|one: &Marked| one.marks[i]).collect())
    };
    kind.metrics(task).into_iter().enumerate().map(by_metric).collect()
}

/// Correlations of the numbers that are right and those that were predicted.
fn correlations(language: &str, metrics: &[&'static str], predictions: &[Prediction]) -> Result<Vec<Score>> {
    let number = |one: &Prediction, text: Option<&str>| {
        let number = text.and_then(|text| text.trim().parse::<f64>().ok());
        number.ok_or_else(|| Error::Data(format!("{language}: {}: expected a number, found {text:?}", one.id)))
    };
    let wanted: Vec<f64> = predictions.iter().map(|one| number(one, one.label.as_deref())).collect::<Result<_>>()?;
    let given: Vec<f64> = predictions.iter().map(|one| number(one, Some(&one.prediction))).collect::<Result<_>>()?;
    let of = |metric: &&'static str| {
        let value =
            if *metric == SPEARMAN { pearson(&ranks(&wanted), &ranks(&given)) } else { pearson(&wanted, &given) };
        Score::correlation(language, metric, value, wanted.len())
    };
    metrics.iter().map(of).collect()
}

/// Pearson's correlation; 0 where a side is constant, which says nothing.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let product = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum()
    };
    let spread = (product(x, mean_x, x, mean_x) * product(y, mean_y, y, mean_y)).sqrt();
    if spread > 0.0 { (product(x, mean_x, y, mean_y) / spread).clamp(-1.0, 1.0) } else { 0.0 }
}

/// Ranks from 1, ties sharing their mean.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (mut ranks, mut start) = (vec![0.0; values.len()], 0);
    for run in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let shared = start as f64 + (run.len() + 1) as f64 / 2.0;
        run.iter().for_each(|i| ranks[*i] = shared);
        start += run.len();
    }
    ranks
}

/// Scores a file of predictions, made here or elsewhere, per language and metric; labels are matched by name.
///
/// With a task its label names and their other spellings hold; without one the names must merely agree.
pub fn score_file(path: &Path, task: Option<&Task>) -> Result<Vec<Summary>> {
    let all = predictions::judged_file(path, task)?;
    let known = task.unwrap_or(&Task::UNDESCRIBED);
    let by_language: Vec<Vec<Score>> =
        all.iter().map(|(language, predictions)| scores(known, language, predictions)).collect::<Result<_>>()?;
    summaries(known.source, by_language)
}

/// A summary for each metric of scores by language.
pub fn summaries(source: &str, by_language: Vec<Vec<Score>>) -> Result<Vec<Summary>> {
    let n = by_language.first().map_or(0, Vec::len);
    let of = |metric: usize| Summary::new(source, by_language.iter().map(|scores| scores[metric].clone()).collect());
    (0..n).map(of).collect()
}

/// What is odd about predictions of a task, by language.
pub fn oddities(task: &Task, predictions: &[Prediction]) -> Vec<String> {
    match task.has_one_label() {
        true => predictions::oddities(predictions),
        false => constants(predictions).into_iter().collect(),
    }
}

/// That answers which have no labels are all the same.
fn constants(predictions: &[Prediction]) -> Option<String> {
    let language = &predictions.first()?.language;
    // A right answer that no prediction gives: then only "all the same" can be odd.
    let said = oddity(language, predictions.iter().map(|one| ("", one.prediction.as_str())))?;
    said.contains("whatever the text").then_some(said)
}

/// What the values of a metric are called in files: `accuracy`, `f1`, `exact_match`.
pub fn key(metric: &str) -> String {
    if metric == ACCURACY { metric.to_owned() } else { metric.to_lowercase().replace([' ', '-'], "_") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::shipped;

    #[test]
    fn correlations_are_scipys() {
        // scipy.stats.pearsonr and spearmanr of these
        let (x, y) = ([1.0, 2.0, 2.0, 5.0, 4.0], [2.0, 1.0, 3.0, 5.0, 5.0]);
        assert!((pearson(&x, &y) - 0.867_528).abs() < 1e-6, "{}", pearson(&x, &y));
        assert_eq!(ranks(&x), [1.0, 2.5, 2.5, 5.0, 4.0]);
        assert!((pearson(&ranks(&x), &ranks(&y)) - 0.789_474).abs() < 1e-6, "{}", pearson(&ranks(&x), &ranks(&y)));
        assert_eq!(pearson(&[1.0, 1.0], &[1.0, 2.0]), 0.0);
    }

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.jsonl");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    /// The summary by accuracy.
    fn accuracy(path: &Path, task: Option<&Task>) -> Result<Summary> {
        Ok(score_file(path, task)?.swap_remove(0))
    }

    #[test]
    fn files_made_elsewhere_are_scored_by_name() {
        let text = r#"{"id":"1","language":"en","label":"contradictory","prediction":"contradiction","probabilities":[0.5,0.5]}
{"id":"2","language":"de","label":"neutral ","prediction":"entailment","model":"x"}
{"id":"1","language":"de","label":"neutral","prediction":"neutral","row":1}
"#;
        let (_folder, path) = written(text);
        let summary = accuracy(&path, Some(shipped("xnli"))).unwrap();
        let scores: Vec<_> = summary.scores.iter().map(|s| (s.language.as_str(), s.correct.unwrap(), s.n)).collect();
        assert_eq!(scores, [("en", 1, 1), ("de", 1, 2)]);
        assert_eq!(summary.gap, Some(0.5));
        assert_eq!(
            predictions::confusion_file(&path, Some(shipped("xnli"))).unwrap().counts,
            [[1, 0, 0], [0, 0, 0], [0, 1, 1]]
        );

        let (_folder, path) = written(r#"{"id":"1","language":"en","label":1,"prediction":"1"}"#);
        assert_eq!(accuracy(&path, Some(shipped("pawsx"))).unwrap().mean, 1.0);
        assert_eq!(accuracy(&path, None).unwrap().mean, 1.0);
        let (_folder, path) = written(
            "{\"id\":17,\"language\":\"en\",\"label\":1.0,\"prediction\":1}\n{\"id\":18.0,\"language\":\"en\",\"label\":-0.0,\"prediction\":\"0\"}",
        );
        assert_eq!(accuracy(&path, Some(shipped("pawsx"))).unwrap().mean, 1.0);
        assert_eq!(predictions::read(&path).unwrap().iter().map(|one| &one.id[..]).collect::<Vec<_>>(), ["17", "18"]);
    }

    #[test]
    fn constant_answers_are_said_and_constant_labels_refused() {
        let file = |label: fn(usize) -> &'static str, prediction: &str| {
            let line = |i: usize| {
                format!(
                    "{{\"id\":\"{i}\",\"language\":\"de\",\"label\":\"{}\",\"prediction\":\"{prediction}\"}}\n",
                    label(i)
                )
            };
            written(&(0..30).map(line).collect::<String>())
        };
        let (_folder, path) = file(|i| ["neutral", "entailment", "contradictory"][i % 3], "neutral");
        let said = ["de: 30 of 30 predictions are \"neutral\", whatever the text"];
        assert_eq!(predictions::oddities_file(&path, Some(shipped("xnli"))).unwrap(), said);
        assert_eq!(predictions::oddities(&predictions::read(&path).unwrap()), said);
        assert_eq!(accuracy(&path, Some(shipped("xnli"))).unwrap().pooled.unwrap().correct, Some(10));
        for label in [|i| ["contradiction", "contradictory"][i % 2], |_| "neutral"] as [fn(usize) -> &'static str; 2] {
            let (_folder, path) = file(label, "neutral");
            let error = accuracy(&path, Some(shipped("xnli"))).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains("labels look removed: all 30"), "{error}");
        }
    }

    #[test]
    fn broken_files_are_refused() {
        let line = r#"{"id":"1","language":"en","label":"neutral","prediction":"neutral"}"#;
        for (text, task, expected) in [
            (format!("{line}\n{{\"id\":\"2\"}}\n"), Some(shipped("xnli")), "p.jsonl:2: missing field `language`"),
            (line.replace("\"1\"", "1.5"), Some(shipped("xnli")), "expected a name in quotes or a whole number"),
            (
                line.replace("\"neutral\",", "1e300,"),
                Some(shipped("xnli")),
                "expected a name in quotes or a whole number",
            ),
            (format!("{line}\n{line}\n"), Some(shipped("xnli")), "p.jsonl:2: \"1\" was already predicted in line 1"),
            (line.replace(r#""label":"neutral","#, ""), Some(shipped("xnli")), "p.jsonl:1: \"1\" has no \"label\""),
            (
                line.replace(r#""label":"neutral""#, r#""label":"neutrl""#),
                Some(shipped("xnli")),
                "did you mean \"neutral\"?",
            ),
            (line.replace(r#""label":"neutral""#, r#""label":2"#), Some(shipped("xnli")), "\"2\" is no label of xnli"),
            (line.replace(r#""label":"neutral""#, r#""label":2"#), None, "label names do not match: labels {\"2\"}"),
            (String::new(), None, "p.jsonl is empty"),
        ] {
            let (_folder, path) = written(&text);
            let error = accuracy(&path, task).unwrap_err();
            assert!(error.message().contains(expected), "{error}\nexpected {expected}");
        }
    }
}
