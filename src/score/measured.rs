//! A benchmark's numbers from the predictions of runs: official rules, a line for each task, group and mean.

use serde_json::{Value as Json, json};

use super::{
    Benchmark, Report, TaskReport, TaskSpec, Value,
    benchmark::Kind,
    task::{Scored, XGLUE, official},
};
use crate::{
    error::{Error, Result},
    kinds::{pooled::precision_of, rank::by_query, span::rules},
    metrics::{
        Marks,
        answers::Rules,
        chunks::{self, Scheme},
        labels, mean, numpy_mean, pairs,
        ranking::Query,
    },
    report::{Column, Table},
    tasks::{
        Task,
        predictions::{Prediction, tags},
    },
};

/// What was predicted for a task of a benchmark, by language.
pub struct Answered {
    /// The task.
    pub spec: &'static TaskSpec,
    /// Its languages and predictions.
    pub languages: Vec<(&'static str, Vec<Prediction>)>,
}

/// The numbers of a benchmark over what was run of it.
#[derive(Debug)]
pub struct Measured {
    benchmark: Benchmark,
    report: Report,
}

/// A mean over what is there of a whole.
struct Mean {
    name: String,
    metric: &'static str,
    /// In percent.
    score: f64,
    n: usize,
    of: usize,
    unit: &'static str,
    /// Whether every part of it is whole.
    whole: bool,
}

impl Measured {
    /// Scores what was predicted, by the rules of the official script.
    pub fn new(benchmark: Benchmark, answered: &[Answered]) -> Result<Measured> {
        let mut report = Report::new(benchmark);
        for task in answered {
            let mut scores = TaskReport::new(task.spec);
            for (language, predictions) in &task.languages {
                scores.add(language, score(benchmark, task.spec, language, predictions)?);
            }
            report.tasks.push(scores);
        }
        Ok(Measured { benchmark, report })
    }

    /// In percent, as tables and files have it.
    fn percent(&self, score: f64) -> f64 {
        if self.benchmark == Benchmark::Xglue { 100.0 * score } else { score }
    }

    fn tasks(&self) -> Vec<Mean> {
        let one = |task: &TaskReport| {
            let (n, of) = (task.languages().len(), task.spec.languages.len());
            Some(Mean {
                name: task.spec.name.to_owned(),
                metric: metric_of(self.benchmark, task.spec.kind),
                score: self.percent(task.metric_or_own()?),
                n,
                of,
                unit: "languages",
                whole: task.complete(),
            })
        };
        self.report.tasks.iter().filter_map(one).collect()
    }

    /// The benchmark's groups of tasks, over those tasks that were run.
    fn groups(&self) -> Vec<Mean> {
        let tasks = self.tasks();
        let group = |(name, members): &(&str, &[&str])| {
            let there: Vec<&Mean> = tasks.iter().filter(|task| members.contains(&task.name.as_str())).collect();
            mean_of(name, &there, members.len())
        };
        self.benchmark.groups().iter().filter_map(group).collect()
    }

    fn average(&self) -> Option<Mean> {
        let tasks = self.tasks();
        mean_of("average", &tasks.iter().collect::<Vec<_>>(), self.benchmark.tasks().len())
    }

    /// A row for each task, then for each group, then for the average.
    pub fn table(&self) -> Table {
        let columns = [
            Column::words("task"),
            Column::words("metric"),
            Column::numbers("mean"),
            Column::words("over"),
            Column::words("which is"),
        ];
        let row = |mean: &Mean| {
            let over = format!("{} of {} {}", mean.n, mean.of, mean.unit);
            [mean.name.clone(), mean.metric.into(), format!("{:.1}", mean.score), over, mean.which().into()]
        };
        let mut table = self.tasks().iter().map(row).fold(Table::new(columns), Table::row);
        for part in [self.groups(), self.average().into_iter().collect()].iter().filter(|part| !part.is_empty()) {
            table = part.iter().map(row).fold(table.rule(), Table::row);
        }
        table
    }

    /// The same for programs, and each task's metrics by language; all in percent.
    pub fn to_json(&self) -> Json {
        let of = |mean: &Mean| {
            json!({"name": mean.name, "metric": mean.metric, "score": mean.score, "n": mean.n, "of": mean.of,
                   "unit": mean.unit, "which_is": mean.which()})
        };
        let tasks = self.tasks().into_iter().map(|mean| {
            let mut json = of(&mean);
            let report = self.report.tasks.iter().find(|task| task.spec.name == mean.name);
            json["by_language"] = report.map_or(Json::Null, |task| self.by_language(task));
            json
        });
        json!({
            "benchmark": self.benchmark.to_string(),
            "unit": "percent",
            "tasks": tasks.collect::<Vec<_>>(),
            "groups": self.groups().iter().map(of).collect::<Vec<_>>(),
            "average": self.average().as_ref().map(of),
        })
    }

    fn by_language(&self, task: &TaskReport) -> Json {
        let values = |series: &super::report::Series| {
            let values =
                series.values.iter().map(|(language, value)| ((*language).to_owned(), json!(self.percent(*value))));
            (series.name.to_owned(), Json::Object(values.collect()))
        };
        Json::Object(task.metrics.iter().map(values).collect())
    }
}

impl Mean {
    /// Whether it can stand beside the official numbers of others.
    fn which(&self) -> &'static str {
        if self.whole { "official" } else { "partial" }
    }
}

/// The mean of tasks' means, of a whole of so many tasks; none of no task.
fn mean_of(name: &str, tasks: &[&Mean], of: usize) -> Option<Mean> {
    let score = mean(&tasks.iter().map(|task| task.score).collect::<Vec<_>>())?;
    let whole = tasks.len() == of && tasks.iter().all(|task| task.whole);
    Some(Mean { name: name.into(), metric: "mean of tasks", score, n: tasks.len(), of, unit: "tasks", whole })
}

/// What the official number of a kind of task is.
fn metric_of(benchmark: Benchmark, kind: Kind) -> &'static str {
    match kind {
        Kind::Entities | Kind::WordEntities => "F1",
        Kind::Parts => "F1 of runs of a tag",
        Kind::WordParts => "precision of runs of a tag",
        Kind::Squad | Kind::Mlqa if benchmark != Benchmark::Xglue => "mean of F1 and EM",
        Kind::Squad | Kind::Mlqa => "F1",
        Kind::Grades => "nDCG",
        Kind::Pairs => "F1",
        Kind::Entity | Kind::Passages => "mAP@20",
        _ => "accuracy",
    }
}

/// The numbers of predictions for a task in a language.
fn score(benchmark: Benchmark, spec: &TaskSpec, language: &str, predictions: &[Prediction]) -> Result<Scored> {
    let percent = |share: f64| if benchmark == Benchmark::Xglue { share } else { 100.0 * share };
    let of = |name, official_name, share| {
        official(name, if benchmark == Benchmark::Xglue { XGLUE } else { official_name }, percent(share))
    };
    let given: Vec<&str> = predictions.iter().map(|one| one.prediction.as_str()).collect();
    let accuracy = || -> Result<f64> {
        let right: Vec<&str> = predictions.iter().map(right_of).collect::<Result<_>>()?;
        Ok(labels::marks(&right, &given).accuracy())
    };
    let values = match spec.kind {
        Kind::Labels | Kind::Choices | Kind::Column | Kind::HeadedColumn => {
            vec![of("accuracy", "accuracy", accuracy()?)]
        }
        Kind::Entities | Kind::WordEntities => {
            vec![of("f1", "f1", entities(predictions).f1()), own("accuracy", percent(accuracy()?))]
        }
        Kind::Parts => {
            vec![of("xtreme_f1", "f1", entities(predictions).f1()), own("accuracy", percent(accuracy()?))]
        }
        Kind::WordParts => {
            let precision = entities(predictions).precision();
            vec![of("xglue_precision", "precision", precision), own("accuracy", percent(accuracy()?))]
        }
        Kind::Squad => answers(benchmark, Rules::Squad, predictions),
        Kind::Mlqa => answers(benchmark, rules(language), predictions),
        Kind::Grades => vec![of("ndcg", "ndcg", ndcg(spec, language, predictions)?)],
        Kind::Pairs => {
            let marks = mined(predictions);
            let shares = [("f1", marks.f1()), ("precision", marks.precision()), ("recall", marks.recall())];
            shares.into_iter().map(|(name, share)| of(name, name, share)).collect()
        }
        Kind::Entity => vec![of("map@20", "map@20", ranked(predictions)?)],
        Kind::Passages => vec![own("map@20", percent(ranked(predictions)?))],
    };
    Ok(Scored { values, notes: Vec::new() })
}

fn own(name: &'static str, value: f64) -> Value {
    Value { name, official: None, value }
}

fn right_of(one: &Prediction) -> Result<&str> {
    one.label
        .as_deref()
        .ok_or_else(|| Error::Data(format!("{}: the prediction has no label; predict it again", one.id)))
}

/// The marks of mined pairs.
fn mined(predictions: &[Prediction]) -> Marks {
    let pairs = |of: fn(&Prediction) -> &Option<Vec<String>>| -> Vec<String> {
        let of_one = |one| of(one).iter().flatten().map(|found| format!("{}\t{found}", one.id)).collect::<Vec<_>>();
        predictions.iter().flat_map(of_one).collect()
    };
    let (wanted, given) = (pairs(|one| &one.answers), pairs(|one| &one.predictions));
    let [wanted, given] = [&wanted, &given].map(|pairs| pairs.iter().map(String::as_str).collect::<Vec<_>>());
    pairs::marks(&wanted, &given)
}

/// The mean average precision of rankings.
fn ranked(predictions: &[Prediction]) -> Result<f64> {
    let none = || Error::Data("no query was predicted; predict them again".to_owned());
    numpy_mean(&predictions.iter().map(precision_of).collect::<Result<Vec<_>>>()?).ok_or_else(none)
}

/// The mean over queries with several results.
fn ndcg(spec: &TaskSpec, language: &str, predictions: &[Prediction]) -> Result<f64> {
    let task = Task { name: spec.name, labels: spec.labels, ..Task::UNDESCRIBED };
    let queries = by_query(&task, language, predictions)?;
    let gains: Vec<f64> = queries.iter().filter_map(Query::ndcg).collect();
    let none = || Error::Data(format!("{} {language}: no query has more than one result to rank", spec.name));
    numpy_mean(&gains).ok_or_else(none)
}

/// The marks of entities as seqeval finds them by default: sentences apart.
fn entities(predictions: &[Prediction]) -> Marks {
    let [right, given] = tags(predictions);
    chunks::marks(&right, &given, Scheme::Lenient)
}

/// F1 and exact match, the best of the right answers counting.
fn answers(benchmark: Benchmark, rules: Rules, predictions: &[Prediction]) -> Vec<Value> {
    let (mut exact, mut f1) = (0.0, 0.0);
    for one in predictions {
        let right = || one.answers.iter().flatten().map(String::as_str).chain(one.label.as_deref());
        exact += f64::from(u8::from(right().any(|right| rules.exact(right, &one.prediction))));
        f1 += right().map(|right| rules.f1(right, &one.prediction)).fold(0.0, f64::max);
    }
    let n = predictions.len().max(1) as f64;
    match benchmark {
        Benchmark::Xglue => vec![official("f1", XGLUE, f1 / n), own("exact_match", exact / n)],
        _ => vec![official("exact_match", "exact_match", 100.0 * exact / n), official("f1", "f1", 100.0 * f1 / n)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predicted(id: &str, label: &str, prediction: &str) -> Prediction {
        let text = json!({"id": id, "language": "en", "label": label, "prediction": prediction,
                          "answers": [label]})
        .to_string();
        serde_json::from_str(&text).unwrap()
    }

    fn spec(benchmark: Benchmark, name: &str) -> &'static TaskSpec {
        benchmark.tasks().iter().find(|spec| spec.name == name).unwrap()
    }

    fn in_all(spec: &'static TaskSpec, predictions: &[Prediction]) -> Answered {
        let languages = spec.languages.iter().map(|language| (*language, predictions.to_vec())).collect();
        Answered { spec, languages }
    }

    #[test]
    fn means_are_official_only_where_all_is_there() {
        let half = [predicted("a:1", "0", "0"), predicted("a:2", "1", "0")];
        let nli = [predicted("a:1", "neutral", "neutral")];
        let (pawsx, xnli) = (spec(Benchmark::Xtreme, "pawsx"), spec(Benchmark::Xtreme, "xnli"));
        let whole = Measured::new(Benchmark::Xtreme, &[in_all(pawsx, &half), in_all(xnli, &nli)]).unwrap();
        let json = whole.to_json();
        assert_eq!((&json["groups"][0]["score"], &json["groups"][0]["which_is"]), (&json!(75.0), &json!("official")));
        assert_eq!((&json["average"]["which_is"], &json["average"]["of"]), (&json!("partial"), &json!(9)));
        let mut partial = in_all(xnli, &nli);
        partial.languages.pop();
        let json = Measured::new(Benchmark::Xtreme, &[in_all(pawsx, &half), partial]).unwrap().to_json();
        assert_eq!((&json["tasks"][1]["n"], &json["tasks"][1]["which_is"]), (&json!(14), &json!("partial")));
        assert_eq!(json["groups"][0]["which_is"], "partial");
    }

    #[test]
    fn each_benchmark_has_its_own_rules() {
        // Two runs of one tag, the second with a word too many: seqeval's runs, not words.
        let tags = [("t:1.1", "DET", "DET"), ("t:1.2", "NOUN", "NOUN"), ("t:1.3", "VERB", "NOUN"), ("t:2.1", "X", "X")];
        let tags: Vec<Prediction> = tags.iter().map(|(id, label, given)| predicted(id, label, given)).collect();
        let score_of = |benchmark, name, predictions: &[Prediction]| {
            let measured = Measured::new(benchmark, &[in_all(spec(benchmark, name), predictions)]).unwrap();
            (measured.to_json()["tasks"][0]["score"].as_f64().unwrap() * 100.0).round() / 100.0
        };
        let marks = entities(&tags);
        assert_eq!(score_of(Benchmark::Xtreme, "udpos", &tags), (1e4 * marks.f1()).round() / 100.0);
        assert_eq!(score_of(Benchmark::Xglue, "POS", &tags), (1e4 * marks.precision()).round() / 100.0);
        assert!(marks.f1() < 0.75);
        // One pair of two is mined, and another one that is wrong.
        let pair = |id: &str, wanted: &[&str], given: &[&str]| {
            let ids = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect());
            Prediction { answers: ids(wanted), predictions: ids(given), label: None, ..predicted(id, "", "") }
        };
        let pairs = [pair("de-1", &["en-1"], &["en-1"]), pair("de-2", &["en-2"], &[]), pair("de-3", &[], &["en-9"])];
        assert_eq!(score_of(Benchmark::Xtreme, "bucc2018", &pairs), 50.0);
        // The second of two right ones is third: (1 + 2/3) / 2; and a right one that is not among the ranked.
        let ranking = pair("q:1", &["a", "c"], &["a", "b", "c"]);
        assert_eq!(score_of(Benchmark::XtremeR, "lareqa", std::slice::from_ref(&ranking)), 83.33);
        assert_eq!(score_of(Benchmark::XtremeR, "mewslix", &[ranking, pair("q:2", &["z"], &["a"])]), 41.67);
        // Two results of one query in the wrong order, and one that is alone.
        let graded = [("w:1", "4", "0.5"), ("w:2", "0", "1.5"), ("w:3", "2", "1")];
        let query = |id: &str| Some(if id == "w:3" { "r" } else { "q" }.to_owned());
        let graded = graded.map(|(id, label, given)| Prediction { a: query(id), ..predicted(id, label, given) });
        assert_eq!(score_of(Benchmark::Xglue, "WPR", &graded), 63.09);
        // One of two words: F1 2/3 and no exact match; XTREME takes the mean of both, XGLUE F1.
        let answers = [predicted("q:1", "New York", "York")];
        assert_eq!(score_of(Benchmark::Xtreme, "xquad", &answers), 33.33);
        assert_eq!(score_of(Benchmark::Xglue, "MLQA", &answers), 66.67);
    }
}
