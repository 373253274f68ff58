//! How the tasks of a benchmark are fine-tuned or searched, as `recipes/benchmarks.toml` has it from the official scripts.

use std::sync::LazyLock;

use serde::Deserialize;
use toml::{Table, Value};

use super::{Benchmark, TaskSpec};
use crate::{
    error::Result,
    recipe::{Resolved, Setting},
};

/// What `recipes/benchmarks.toml` holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tuned: Vec<Tuned>,
    searched: Vec<Searched>,
    left_out: Vec<LeftOut>,
}

/// A task of a benchmark that is fine-tuned here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    benchmarks: Vec<String>,
    /// The benchmark's name of it, where that is another.
    name: Option<String>,
    /// The name of the task here.
    pub task: String,
    /// Whose settings these are.
    pub settings: String,
    /// Where its files come from.
    pub files: String,
    /// In what it differs from its script, if in anything.
    pub but: Option<String>,
    stage: Table,
}

/// A task of a benchmark that is retrieval: an encoder is measured as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Searched {
    benchmarks: Vec<String>,
    /// The name of the task, here and there.
    pub task: String,
    /// Whose settings these are.
    pub settings: String,
    /// Where its files come from.
    pub files: String,
    /// In what it differs from its script, if in anything.
    pub but: Option<String>,
    /// The hidden states that the script takes of a model with so many layers; the last where it names none.
    #[serde(default)]
    pub layer: Vec<[usize; 2]>,
    /// The most tokens of a text.
    pub max_length: usize,
    /// The most tokens of a query, where those are cut shorter.
    pub max_query_length: Option<usize>,
}

impl Searched {
    /// The hidden states to take of a model with so many layers: the script's, else the last.
    pub fn layer_of(&self, layers: usize) -> usize {
        self.layer.iter().find(|[of, _]| *of == layers).map_or(layers, |[_, layer]| *layer)
    }
}

/// A task of a benchmark that is neither.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    benchmarks: Vec<String>,
    /// The benchmark's name of it.
    pub name: String,
    /// Why not.
    pub reason: String,
}

static FILE: LazyLock<File> = LazyLock::new(|| {
    let read = toml::from_str(include_str!("../../recipes/benchmarks.toml"));
    read.unwrap_or_else(|error| panic!("recipes/benchmarks.toml: {error}"))
});

impl Benchmark {
    /// The tasks that are fine-tuned here, in the official order, and how.
    pub fn tuned(self) -> Vec<(&'static TaskSpec, &'static Tuned)> {
        let name = self.to_string();
        let how = |spec: &TaskSpec| {
            FILE.tuned.iter().find(|tuned| tuned.benchmarks.contains(&name) && tuned.official_name() == spec.name)
        };
        self.tasks().iter().filter_map(|spec| Some((spec, how(spec)?))).collect()
    }

    /// The tasks of retrieval, in the official order, and how.
    pub fn searched(self) -> Vec<(&'static TaskSpec, &'static Searched)> {
        let name = self.to_string();
        let how = |spec: &TaskSpec| {
            FILE.searched.iter().find(|searched| searched.benchmarks.contains(&name) && searched.task == spec.name)
        };
        self.tasks().iter().filter_map(|spec| Some((spec, how(spec)?))).collect()
    }

    /// The tasks that are neither, and why.
    pub fn left_out(self) -> Vec<&'static LeftOut> {
        let name = self.to_string();
        FILE.left_out.iter().filter(|left_out| left_out.benchmarks.contains(&name)).collect()
    }
}

impl Tuned {
    fn official_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.task)
    }

    /// The recipe that measures these languages with a method; `settings` come last. It knows where each value is from.
    pub fn recipe(
        &self,
        benchmark: Benchmark,
        languages: &[&str],
        method: &str,
        settings: &[Setting],
    ) -> Result<Resolved> {
        let task = self.official_name().to_lowercase();
        let quoted = |text: &str| Value::from(text).to_string();
        let languages: Vec<String> = languages.iter().map(|language| quoted(language)).collect();
        let text = format!(
            "name = {}\nabout = {}\nlanguages = [{}]\n[[stages]]\ntask = {}\n[[methods]]\n{method} = {{}}\n",
            quoted(&format!("{benchmark}-{task}")),
            quoted(&format!("{} of {benchmark}, by the settings of its script", self.official_name())),
            languages.join(", "),
            quoted(&self.task),
        );
        let official = |(key, value): (&String, &Value)| Setting {
            key: format!("stages.0.{key}"),
            value: value.to_string(),
            flag: self.settings.clone(),
        };
        let all: Vec<Setting> = self.stage.iter().map(official).chain(settings.iter().cloned()).collect();
        Resolved::parse(&text, &format!("rxlt benchmark {benchmark}"), &all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks;

    #[test]
    fn every_task_is_run_or_left_out_for_a_reason() {
        for benchmark in [Benchmark::Xtreme, Benchmark::XtremeR, Benchmark::Xglue] {
            let tuned = benchmark.tuned();
            for spec in benchmark.tasks() {
                let n_tuned = tuned.iter().filter(|(other, _)| other.name == spec.name).count();
                let n_left_out = benchmark.left_out().iter().filter(|left_out| left_out.name == spec.name).count();
                let n_searched = benchmark.searched().iter().filter(|(other, _)| other.name == spec.name).count();
                assert_eq!(n_tuned + n_searched + n_left_out, 1, "{benchmark} {}", spec.name);
            }
            for (spec, how) in benchmark.searched() {
                assert!(tasks::shipped(&how.task).search.is_some(), "{}", spec.name);
                let expected = if how.layer.is_empty() { [12, 24, 4] } else { [7, 13, 4] };
                assert_eq!([12, 24, 4].map(|layers| how.layer_of(layers)), expected, "{}", spec.name);
                assert_eq!(how.layer.is_empty(), ["lareqa", "mewslix"].contains(&spec.name));
            }
            for (spec, how) in tuned {
                let task = tasks::shipped(&how.task);
                let unknown: Vec<_> = spec.labels.iter().filter(|label| task.label(label).is_none()).collect();
                assert!(unknown.is_empty(), "{}: {unknown:?}", spec.name);
                let model = Setting { key: "model".into(), value: "{ path = \"m\" }".into(), flag: "--model".into() };
                let resolved = how.recipe(benchmark, spec.languages, "adv", &[model]).unwrap();
                assert_eq!(resolved.recipe.languages, spec.languages);
                assert_eq!(resolved.recipe.methods[0].name, "adv");
                assert_eq!(resolved.sources["stages.0.learning_rate"], how.settings);
            }
        }
    }
}
