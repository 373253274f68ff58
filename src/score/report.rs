//! Scores put together: averages as the official scripts form them, ours beside them, and what is missing.

use std::path::PathBuf;

use serde_json::{Map, Value as Json, json};

use super::{Benchmark, Note, TaskSpec, benchmark::Kind, task::Scored, trap::Verdict};
use crate::{
    error::Error,
    metrics::{mean, numpy_mean},
    report::{Column, Table},
};

/// One metric of a task in its languages.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its name here.
    pub name: &'static str,
    /// Its name in the official script, if that computes it.
    pub official: Option<&'static str>,
    /// The languages and numbers.
    pub values: Vec<(&'static str, f64)>,
}

impl Series {
    /// The mean over the languages that there are.
    pub fn average(&self) -> f64 {
        let values: Vec<f64> = self.values.iter().map(|(_, value)| *value).collect();
        mean(&values).expect("a series begins with a value")
    }
}

/// A task's scores.
#[derive(Debug)]
pub struct TaskReport {
    /// The task.
    pub spec: &'static TaskSpec,
    /// Its metrics.
    pub metrics: Vec<Series>,
    /// What is to be said, by language.
    pub notes: Vec<(&'static str, Note)>,
    /// What was asked for and is not there: language and file.
    pub missing: Vec<(&'static str, PathBuf)>,
}

impl TaskReport {
    pub(super) fn new(spec: &'static TaskSpec) -> TaskReport {
        TaskReport { spec, metrics: Vec::new(), notes: Vec::new(), missing: Vec::new() }
    }

    pub(super) fn add(&mut self, language: &'static str, scored: Scored) {
        for value in scored.values {
            match self.metrics.iter_mut().find(|series| series.name == value.name) {
                Some(series) => series.values.push((language, value.value)),
                None => self.metrics.push(Series {
                    name: value.name,
                    official: value.official,
                    values: vec![(language, value.value)],
                }),
            }
        }
        self.notes.extend(scored.notes.into_iter().map(|note| (language, note)));
    }

    /// The languages that were scored.
    pub fn languages(&self) -> Vec<&'static str> {
        self.metrics.first().map_or(Vec::new(), |series| series.values.iter().map(|(language, _)| *language).collect())
    }

    fn n_languages(&self) -> usize {
        self.metrics.first().map_or(0, |series| series.values.len())
    }

    /// Whether every language of the benchmark was scored.
    pub fn complete(&self) -> bool {
        self.n_languages() == self.spec.languages.len()
    }

    fn average_of(&self, official: &str) -> Option<f64> {
        self.metrics.iter().find(|series| series.official == Some(official)).map(Series::average)
    }

    /// The task's one official number, over the languages that there are: for questions the mean of exact match and F1.
    pub fn metric(&self) -> Option<f64> {
        let exact_and_f1 = self.average_of("exact_match").zip(self.average_of("f1"));
        exact_and_f1
            .map(|(exact, f1)| (exact + f1) / 2.0)
            .or_else(|| ["f1", "accuracy", "map@20", "score"].into_iter().find_map(|name| self.average_of(name)))
    }

    /// The same where there is an official number, else ours (LAReQA).
    pub fn metric_or_own(&self) -> Option<f64> {
        self.metric().or_else(|| self.metrics.first().map(Series::average))
    }

    fn table(&self) -> Table {
        let columns = self.metrics.iter().map(|series| Column::numbers(series.name));
        let mut table = Table::new([Column::words("language")].into_iter().chain(columns));
        for (i, (language, _)) in self.metrics.iter().flat_map(|series| &series.values).enumerate() {
            if i == self.n_languages() {
                break;
            }
            let values = self.metrics.iter().map(|series| format!("{:.4}", series.values[i].1));
            table = table.row([(*language).to_owned()].into_iter().chain(values));
        }
        let averages = self.metrics.iter().map(|series| format!("{:.4}", series.average()));
        table.rule().row([self.average_name()].into_iter().chain(averages))
    }

    fn average_name(&self) -> String {
        let (n, all) = (self.n_languages(), self.spec.languages.len());
        if n == all { "average".into() } else { format!("partial average, {n} of {all} languages") }
    }

    /// All numbers, under the names given, averages as `average` names them.
    fn to_json(&self, name: impl Fn(&Series) -> Option<&'static str>, average: &str) -> Map<String, Json> {
        let mut map = Map::new();
        let named = || self.metrics.iter().filter_map(|series| Some((name(series)?, series)));
        for (name, series) in named() {
            let values = series.values.iter().map(|(language, value)| ((*language).to_owned(), json!(value)));
            map.insert(name.into(), Json::Object(values.collect()));
        }
        for (name, series) in named() {
            map.insert(format!("{average}_{name}"), json!(series.average()));
        }
        map
    }
}

/// The scores of a benchmark.
#[derive(Debug)]
pub struct Report {
    /// The benchmark.
    pub benchmark: Benchmark,
    /// The tasks that were asked for.
    pub tasks: Vec<TaskReport>,
    /// What is to be said of the averages.
    pub notes: Vec<Note>,
}

impl Report {
    pub(super) fn new(benchmark: Benchmark) -> Report {
        Report { benchmark, tasks: Vec::new(), notes: Vec::new() }
    }

    fn scored(&self, name: &str) -> Option<&TaskReport> {
        self.tasks.iter().find(|task| task.spec.name == name && task.n_languages() > 0)
    }

    /// Adds what is to be said of the whole.
    pub(super) fn finish(&mut self) {
        self.notes = benchmark_notes(self);
    }

    /// Official means of groups of tasks, of which all tasks must be complete.
    pub fn groups(&self) -> Vec<(&'static str, f64)> {
        let metric = |name: &&str| self.scored(name).filter(|task| task.complete()).and_then(TaskReport::metric);
        let group = |(name, tasks): &(&'static str, &[&str])| {
            let metrics: Option<Vec<f64>> = tasks.iter().map(metric).collect();
            Some((*name, mean(&metrics?)?))
        };
        self.benchmark.groups().iter().filter_map(group).collect()
    }

    /// The official mean over tasks: of all of XTREME; of those asked for, in XGLUE; XTREME-R's script has none.
    pub fn official_mean(&self) -> Option<f64> {
        let metrics: Option<Vec<f64>> =
            self.tasks.iter().map(|task| task.metric().filter(|_| task.complete())).collect();
        match self.benchmark {
            Benchmark::Xtreme => metrics.filter(|all| all.len() == self.benchmark.tasks().len()).and_then(|m| mean(&m)),
            Benchmark::XtremeR => None,
            Benchmark::Xglue => metrics.and_then(|metrics| numpy_mean(&metrics)),
        }
    }

    /// Our mean: each task that was scored once, over the languages that there are.
    pub fn own_mean(&self) -> Option<f64> {
        mean(&self.tasks.iter().filter_map(TaskReport::metric_or_own).collect::<Vec<_>>())
    }

    /// Whether every task and language of the benchmark was scored.
    pub fn complete(&self) -> bool {
        self.tasks.len() == self.benchmark.tasks().len() && self.tasks.iter().all(TaskReport::complete)
    }

    /// Why the command must not end as if all were well, if something that was asked for has no score.
    pub fn failure(&self) -> Option<Error> {
        let notes = self.tasks.iter().flat_map(|task| &task.notes);
        if let Some((_, note)) = notes.into_iter().find(|(_, note)| note.verdict == Verdict::Void) {
            return Some(Error::Data(note.text.clone()));
        }
        let missing: Vec<_> = self.tasks.iter().flat_map(|task| &task.missing).collect();
        let (_, first) = missing.first()?;
        let n = self.tasks.iter().map(TaskReport::n_languages).sum::<usize>() + missing.len();
        Some(Error::Missing(format!(
            "{} of {n} pairs of files are not whole, the first for want of {}: averages are partial; \
             add them, or name what is wanted by --task and --language",
            missing.len(),
            first.display()
        )))
    }

    /// Everything for people.
    pub fn to_text(&self) -> String {
        let mut parts = Vec::new();
        for task in self.tasks.iter().filter(|task| task.n_languages() > 0) {
            parts.push(format!("{} {}\n\n{}", self.benchmark, task.spec.name, task.table().to_text()));
        }
        parts.push(self.summary().to_text());
        let mut lines: Vec<String> = Vec::new();
        for task in self.tasks.iter().filter(|task| !task.missing.is_empty()) {
            let languages: Vec<&str> = task.missing.iter().map(|(language, _)| *language).collect();
            lines.push(format!("missing: {}: {}", task.spec.name, languages.join(", ")));
        }
        lines.extend(self.notes.iter().map(|note| format!("note {}: {}", note.name, note.text)));
        for (task, language, note) in self.all_notes() {
            lines.push(format!("note {}: {task} {language}: {}", note.name, note.text));
        }
        if !lines.is_empty() {
            parts.push(lines.join("\n") + "\n");
        }
        parts.join("\n")
    }

    fn all_notes(&self) -> impl Iterator<Item = (&'static str, &'static str, &Note)> {
        self.tasks.iter().flat_map(|task| task.notes.iter().map(|(language, note)| (task.spec.name, *language, note)))
    }

    fn summary(&self) -> Table {
        let mut table = Table::new([Column::words("summary"), Column::numbers("score"), Column::words("whose")]);
        for task in &self.tasks {
            if let Some(score) = task.metric_or_own() {
                let whose = match (task.complete(), task.metric().is_some()) {
                    (false, _) => "partial",
                    (true, true) => "official",
                    (true, false) => "ours",
                };
                table = table.row([task.spec.name.to_owned(), format!("{score:.4}"), whose.to_owned()]);
            }
        }
        table = table.rule();
        for (name, score) in self.groups() {
            table = table.row([name.to_owned(), format!("{score:.4}"), "official".to_owned()]);
        }
        if let Some(score) = self.official_mean() {
            table = table.row(["all tasks".to_owned(), format!("{score:.4}"), "official".to_owned()]);
        }
        if let Some(score) = self.own_mean() {
            let whose = if self.complete() { "ours" } else { "partial" };
            table = table.row(["each task once".to_owned(), format!("{score:.4}"), whose.to_owned()]);
        }
        table
    }

    /// Everything for programs. `official` is what the official script writes, of tasks that are complete.
    pub fn to_json(&self) -> Json {
        let own = |task: &TaskReport| task.to_json(|series| Some(series.name), "average");
        let tasks = self.tasks.iter().map(|task| {
            let missing: Vec<&str> = task.missing.iter().map(|(language, _)| *language).collect();
            let mut map = own(task);
            map.insert("complete".into(), json!(task.complete()));
            map.insert("missing".into(), json!(missing));
            (task.spec.name.to_owned(), Json::Object(map))
        });
        let note = |note: &Note| json!({"name": note.name, "text": note.text, "void": note.verdict == Verdict::Void});
        let cell_note = |(task, language, found): (&str, &str, &Note)| {
            let mut map = note(found);
            (map["task"], map["language"]) = (json!(task), json!(language));
            map
        };
        let notes: Vec<Json> = self.notes.iter().map(note).chain(self.all_notes().map(cell_note)).collect();
        json!({
            "benchmark": self.benchmark.to_string(),
            "complete": self.complete(),
            "official": self.official_json(),
            "mean_of_each_task_once": self.own_mean(),
            "tasks": Json::Object(tasks.collect()),
            "notes": notes,
        })
    }

    fn official_json(&self) -> Json {
        let mut map = Map::new();
        if let Some(score) = self.official_mean() {
            map.insert(if self.benchmark == Benchmark::Xglue { "average" } else { "all_task" }.into(), json!(score));
        }
        map.extend(self.groups().into_iter().map(|(name, score)| (name.to_owned(), json!(score))));
        for task in self.tasks.iter().filter(|task| task.complete() && task.metric().is_some()) {
            let inner = match self.benchmark {
                Benchmark::Xglue => xglue_json(task),
                _ => {
                    let mut inner = task.to_json(|series| series.official, "avg");
                    inner.insert("avg_metric".into(), json!(task.metric()));
                    inner
                }
            };
            map.insert(task.spec.name.into(), Json::Object(inner));
        }
        Json::Object(map)
    }
}

fn xglue_json(task: &TaskReport) -> Map<String, Json> {
    let official = task.metrics.iter().filter(|series| series.official.is_some());
    let values = official.flat_map(|series| &series.values);
    let mut map: Map<String, Json> = values.map(|(language, value)| ((*language).to_owned(), json!(value))).collect();
    map.insert("avg".into(), json!(task.metric()));
    map
}

/// What is odd about tasks and averages, whatever the predictions.
fn benchmark_notes(report: &Report) -> Vec<Note> {
    let mut notes = Vec::new();
    for task in report.tasks.iter().filter(|task| task.n_languages() > 0) {
        notes.extend(kind_note(report.benchmark, task));
    }
    if report.benchmark == Benchmark::XtremeR {
        notes.extend(xtreme_r_notes(report));
    }
    if report.benchmark == Benchmark::Xtreme && report.official_mean().is_some() {
        notes.push(Note::odd(
            "hash_order",
            "the official mean of all tasks is summed in an order that changes with each run of Python: its last digit \
             is not fixed; here it is summed in the order of the table",
        ));
    }
    for (name, why) in report.benchmark.not_run() {
        notes.push(Note::odd("not_run", format!("{name}: {why}; it is in no average")));
    }
    notes
}

fn kind_note(benchmark: Benchmark, task: &TaskReport) -> Option<Note> {
    let name = task.spec.name;
    match task.spec.kind {
        Kind::Parts | Kind::WordParts => {
            let (number, of) = if benchmark == Benchmark::Xglue { ("precision", "XGLUE") } else { ("F1", "XTREME") };
            Some(Note::odd(
                "bare_tags",
                format!(
                    "{name}: {of}'s {number} is of entities in tags without prefixes: first letters are taken for \
                     prefixes and runs of one tag become one; accuracy beside it is that of words"
                ),
            ))
        }
        Kind::Mlqa if task.metrics[0].values.iter().any(|(language, _)| *language == "ar") => Some(Note::odd(
            "arabic_article",
            format!("{name} ar: the two letters of the article are taken out of the middle of words, too"),
        )),
        Kind::Squad => Some(Note::odd(
            "english_rules",
            format!("{name}: English articles and ASCII punctuation are taken out in every language, and only those"),
        )),
        _ => None,
    }
}

fn xtreme_r_notes(report: &Report) -> Vec<Note> {
    let mut notes = vec![Note::odd(
        "no_overall",
        "the official script has no mean of all tasks: it asks for lareqa, and where a folder lareqa lies in both \
         folders it ends with KeyError 'avg_metric'",
    )];
    if report.scored("xcopa").is_some() {
        let text = "officially xcopa counts in classification and again in multi_choice; our mean has it once";
        notes.push(Note::odd("xcopa_twice", text));
    }
    if report.scored("lareqa").is_some() {
        let text = "lareqa: the official script does not score it; here by the mean average precision of its own \
                    evaluation, from lists of right passages and rankings by question";
        notes.push(Note::odd("lareqa_is_ours", text));
    }
    notes
}
