//! What predictions come to: scores by every metric of their task, from a run or from files made elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::Marked;
use crate::{
    error::Result,
    metrics::correlation::{interval_of_clusters, pearson, pearson_interval, spearman, spearman_interval},
    tasks::{
        Task,
        gold::number,
        metrics::{ACCURACY, Cluster, SPEARMAN, Score, Summary, oddity},
        predictions::{self, Prediction},
    },
};

/// The scores of predictions in one language, one for each metric of the task.
pub fn scores(task: &Task, language: &str, predictions: &[Prediction]) -> Result<Vec<Score>> {
    let kind = super::of(task);
    if !kind.has_marks() {
        return correlations(language, &kind.metrics(task), predictions);
    }
    let marked = kind.marks(task, language, predictions)?;
    let clusters = predictions.iter().filter_map(|one| Some((one.row, one.cluster?))).collect();
    let by_metric = |(i, metric): (usize, &'static str)| {
        let mut score = Score::of_marks(language, metric, by_cluster(&marked, &clusters, i))?;
        if score.correct.is_none() {
            score.n = marked.len(); // sentences or questions, however they are clustered
        }
        Ok(score)
    };
    kind.metrics(task).into_iter().enumerate().map(by_metric).collect()
}

/// The marks by a metric, those of one row or cluster together: several versions of an item, such as xSID's Norwegian
/// dialects, and what is asked of one text are not independent. Where no row is known (all are 0), each is by itself.
fn by_cluster(marked: &[Marked], clusters: &BTreeMap<usize, usize>, metric: usize) -> Vec<Cluster> {
    let mut rows: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for one in marked {
        let (part, whole) = one.marks[metric];
        let row = rows.entry(*clusters.get(&one.row).unwrap_or(&one.row)).or_default();
        *row = (row.0 + part, row.1 + whole);
    }
    match rows.keys().eq([&0]) {
        true => marked.iter().map(|one| (None, one.marks[metric])).collect(),
        false => rows.into_iter().map(|(row, marks)| (Some(row), marks)).collect(),
    }
}

type Correlation = fn(&[f64], &[f64]) -> f64;
type Interval = fn(f64, usize) -> [f64; 2];

/// The item that each prediction is of: its cluster's or its row. Where no row is known (all are 0), each is by itself.
fn items(predictions: &[Prediction]) -> Vec<usize> {
    match predictions.iter().all(|one| one.row == 0 && one.cluster.is_none()) {
        true => (0..predictions.len()).collect(),
        false => predictions.iter().map(|one| one.cluster.unwrap_or(one.row)).collect(),
    }
}

/// Correlations of the numbers that are right and those that were predicted.
pub(super) fn correlations(language: &str, metrics: &[&'static str], predictions: &[Prediction]) -> Result<Vec<Score>> {
    let numbers = |text: fn(&Prediction) -> &str| -> Result<Vec<f64>> {
        predictions.iter().map(|one| number(&format!("{language}: {}", one.id), text(one).trim())).collect()
    };
    let wanted = numbers(|one| one.label.as_deref().unwrap_or_default())?;
    let given = numbers(|one| &one.prediction)?;
    let n = wanted.len();
    let items = items(predictions);
    let are_independent = items.iter().collect::<BTreeSet<_>>().len() == n;
    let of = |metric: &&'static str| {
        let (correlation, interval) = match *metric == SPEARMAN {
            true => (spearman as Correlation, spearman_interval as Interval),
            false => (pearson as Correlation, pearson_interval as Interval),
        };
        let value = correlation(&wanted, &given);
        let interval = match are_independent {
            true => interval(value, n),
            false => interval_of_clusters(correlation, &wanted, &given, &items),
        };
        Score::correlation(language, metric, value, interval, n)
    };
    metrics.iter().map(of).collect()
}

/// Scores what was judged of a file of predictions, made here or elsewhere, per language and metric.
///
/// Without a task the names of labels must merely agree.
pub fn score_judged(judged: &[(String, Vec<Prediction>)], task: Option<&Task>) -> Result<Vec<Summary>> {
    let known = task.unwrap_or(&Task::UNDESCRIBED);
    let of = |(language, predictions): &(String, Vec<Prediction>)| scores(known, language, predictions);
    summaries(known.source, judged.iter().map(of).collect::<Result<_>>()?)
}

/// A summary for each metric of scores by language.
pub fn summaries(source: &str, by_language: Vec<Vec<Score>>) -> Result<Vec<Summary>> {
    let n = by_language.first().map_or(0, Vec::len);
    let of = |metric: usize| Summary::new(source, by_language.iter().map(|scores| scores[metric].clone()).collect());
    (0..n).map(of).collect()
}

/// What is odd about predictions of a task, by language.
pub fn oddities(task: &Task, predictions: &[Prediction]) -> Vec<String> {
    let mut odd = match task.has_one_label() {
        true => predictions::oddities(predictions),
        false => constants(predictions).into_iter().collect(),
    };
    odd.extend(super::of(task).oddities(task, predictions));
    odd
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
    use crate::tasks::{predictions::judged_file, shipped};
    use std::path::Path;

    #[test]
    fn what_is_no_finite_number_is_refused() {
        for text in ["NaN", "-inf", "1e39", "high", ""] {
            let line =
                format!("{{\"id\":\"s.tsv:7\",\"language\":\"de\",\"label\":\"2.5\",\"prediction\":\"{text}\"}}");
            let prediction: Prediction = serde_json::from_str(&line).unwrap();
            let error = correlations("de", &[SPEARMAN], &[prediction]).unwrap_err();
            let expected = format!("de: s.tsv:7: expected a number, such as 3.5, found \"{text}\"");
            assert!(error.exit_code() == 65 && error.message().contains(&expected), "{error}");
        }
    }

    /// Numbers that a file made elsewhere writes as such.
    #[test]
    fn numbers_are_read_as_numbers() {
        let numbers = [(0.25, 0.5), (3.0, 2.75), (-1.5, 1e-7), (4.0, 5.0)];
        let line = |(i, (label, given)): (usize, &(f64, f64))| {
            format!("{{\"id\":{i},\"language\":\"de\",\"label\":{label:?},\"prediction\":{given:?}}}\n")
        };
        let (_folder, path) = written(&numbers.iter().enumerate().map(line).collect::<String>());
        let predictions = predictions::read(&path).unwrap();
        let values: Vec<(f64, f64)> = predictions
            .iter()
            .map(|one| (one.label.as_ref().unwrap().parse().unwrap(), one.prediction.parse().unwrap()))
            .collect();
        assert_eq!(values, numbers);
        assert_eq!(correlations("de", &[SPEARMAN], &predictions).unwrap()[0].value, 1.0);
    }

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.jsonl");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    /// The summary by accuracy.
    fn accuracy(path: &Path, task: Option<&Task>) -> Result<Summary> {
        Ok(score_judged(&judged_file(path, task)?, task)?.swap_remove(0))
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
            predictions::confusion(&judged_file(&path, Some(shipped("xnli"))).unwrap(), Some(shipped("xnli"))).counts,
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
        let judged = judged_file(&path, Some(shipped("xnli"))).unwrap();
        assert_eq!(predictions::oddities(judged.iter().flat_map(|(_, given)| given)), said);
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
            (line.replace("\"neutral\",", "1e300,"), Some(shipped("xnli")), "is no label of xnli"),
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
