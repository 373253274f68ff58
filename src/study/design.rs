//! A study's file, and the runs that it asks for.

use std::{
    collections::BTreeSet,
    env,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value};

use super::arms::{Arm, NONE, balanced};
use crate::{
    error::{Error, Result, did_you_mean},
    recipe::{DEMO, MLM, Resolved, SCHEMA, first_twice, refuse_in},
    run::files::MODEL,
};

/// The studies that ship, by name.
pub const SHIPPED: [(&str, &str); 2] = [
    ("hard-subsets", include_str!("../../studies/hard-subsets.toml")),
    ("task-diversity", include_str!("../../studies/task-diversity.toml")),
];

/// The text of a study that ships.
pub fn find(name: &str) -> Result<&'static str> {
    let found = SHIPPED.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text).ok_or_else(|| {
        let hint = did_you_mean(name, SHIPPED.iter().map(|(known, _)| *known));
        Error::Missing(format!("no study \"{name}\"; {hint}"))
    })
}

/// A study as its file says it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// What it is called, also in folder names.
    pub name: String,
    /// What it asks, in a sentence.
    pub question: String,
    /// The seeds of every run.
    pub seeds: Vec<u64>,
    /// The languages that targets are measured in; none named: all that the data have.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Changes of test texts, such as `typos:0.15`, under which targets are measured as well.
    #[serde(default)]
    pub perturb: Vec<String>,
    /// Dictionaries of changes, such as `de=data/dictionaries/en-de.txt`.
    #[serde(default)]
    pub dictionaries: Vec<String>,
    /// As in a recipe.
    pub model: Table,
    /// As in a recipe.
    pub data: Table,
    /// Tasks of its own, as in a recipe.
    #[serde(default)]
    pub tasks: Vec<Table>,
    /// The stage before targets, without `task` and `beside`.
    pub intermediate: Table,
    /// Arms drawn from a pool.
    pub diversity: Option<Diversity>,
    /// Arms by name.
    #[serde(default)]
    pub arms: Vec<NamedArm>,
    /// The stages that are compared.
    pub targets: Vec<Target>,
    /// Methods of the targets, as in a recipe.
    pub methods: Vec<Table>,
    /// By what languages are told apart.
    #[serde(default)]
    pub complexity: Measure,
    /// Numbers of how much text of each language the model has read, a code and a number a line, parted by a tab; those of
    /// the encoder that ships are known.
    pub pretraining_text: Option<PathBuf>,
}

/// Arms of several sizes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diversity {
    /// The tasks to draw from.
    pub pool: Vec<String>,
    /// How many are learned at once, in turn.
    pub sizes: Vec<usize>,
    /// How many subsets of each size.
    pub subsets: usize,
    /// Of this they are drawn.
    #[serde(default)]
    pub seed: u64,
    /// Whether all subsets have the stage's updates in all, or as many for each of their tasks.
    #[serde(default)]
    pub budget: Budget,
}

/// What subsets of different sizes have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// The number of updates.
    #[default]
    Total,
    /// The number of updates of each task.
    PerTask,
}

/// An arm that is named.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedArm {
    /// Its name.
    pub name: String,
    /// Its tasks.
    pub tasks: Vec<String>,
}

/// A stage that is compared.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Target {
    /// The task.
    pub task: String,
    /// Tasks of arms that would teach the target itself: it is not compared after arms that have one.
    #[serde(default)]
    pub without: Vec<String>,
    /// Tasks with the target's labels whose test data its models are measured on as well.
    #[serde(default)]
    pub challenges: Vec<String>,
    /// The rest of the stage, as in a recipe.
    #[serde(flatten)]
    pub stage: Table,
}

/// By what the languages' words are measured, inside the data folder.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// A parallel text for each language: `ntrex/{language}.txt`.
    pub parallel: Option<String>,
    /// A folder of Universal Dependencies' treebanks, with features.
    pub treebanks: Option<String>,
}

/// The run of an arm.
#[derive(Debug, Clone)]
pub struct Intermediate {
    /// What to run.
    pub resolved: Resolved,
    /// Its folder.
    pub folder: PathBuf,
}

/// The run of a target after an arm.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What was learned before.
    pub arm: Arm,
    /// Which of the targets.
    pub target: usize,
    /// The seed.
    pub seed: u64,
    /// The run before, if there is one.
    pub before: Option<Intermediate>,
    /// What to run; its model is what the run before leaves.
    pub resolved: Resolved,
    /// Its folder.
    pub folder: PathBuf,
}

impl Design {
    /// Reads a study; `name` stands for its file in messages.
    pub fn parse(text: &str, name: &str) -> Result<Design> {
        let design: Design = toml::from_str(text).map_err(|error| refuse_in(text, name, &error))?;
        let problem = match &design {
            Design { seeds, .. } if seeds.is_empty() => "seeds: expected at least one",
            Design { targets, .. } if targets.is_empty() => "targets: expected at least one",
            Design { methods, .. } if methods.is_empty() => "methods: expected at least one",
            Design { diversity: None, arms, .. } if arms.is_empty() => "expected [diversity] or [[arms]]",
            Design { diversity: Some(_), arms, .. } if !arms.is_empty() => {
                "expected [diversity] or [[arms]], found both"
            }
            _ => {
                return design
                    .check_names()
                    .map(|()| design)
                    .map_err(|error| Error::Config(format!("{name}: {error}")));
            }
        };
        Err(Error::Config(format!("{name}: {problem}")))
    }

    /// Refuses names that tables could not tell apart, and an arm that is always there under another name.
    fn check_names(&self) -> std::result::Result<(), String> {
        let arms: Vec<&str> = self.arms.iter().map(|arm| arm.name.as_str()).collect();
        let targets: Vec<&str> = self.targets.iter().map(|target| target.task.as_str()).collect();
        if let Some(name) = first_twice(&arms) {
            return Err(format!("arms: expected each name once, found \"{name}\" twice"));
        }
        if let Some(task) = first_twice(&targets) {
            return Err(format!("targets: expected each task once, found \"{task}\" twice; make a study of each"));
        }
        match self.arms.iter().find(|arm| arm.tasks.is_empty() || arm.name == NONE) {
            Some(NamedArm { name, tasks }) if tasks.is_empty() => Err(format!(
                "arms: \"{name}\" has no tasks; learning the target alone is always compared with, and called \"{NONE}\": \
                 take this arm away, or give it tasks"
            )),
            Some(_) => Err(format!("arms: \"{NONE}\" is the name of learning the target alone; give this arm another")),
            None => Ok(()),
        }
    }

    /// Refuses what would count twice: a seed is evidence once.
    pub fn check_seeds(&self) -> Result<()> {
        match first_twice(&self.seeds) {
            None => Ok(()),
            Some(seed) => {
                Err(Error::Config(format!("seeds: expected each seed once, found {seed} twice in {:?}", self.seeds)))
            }
        }
    }

    /// The arms of a target: that without tasks first.
    pub fn arms_of(&self, target: &Target) -> Vec<Arm> {
        let mut arms: Vec<Arm> = match &self.diversity {
            Some(Diversity { pool, sizes, subsets, seed, .. }) => {
                let pool: Vec<String> = pool.iter().filter(|task| !target.without.contains(task)).cloned().collect();
                sizes.iter().flat_map(|size| balanced(&pool, *size, *subsets, *seed)).collect()
            }
            None => {
                let teaches = |arm: &&NamedArm| arm.tasks.iter().any(|task| target.without.contains(task));
                let named = self.arms.iter().filter(|arm| !teaches(arm));
                named.map(|arm| Arm { name: arm.name.clone(), tasks: arm.tasks.clone() }).collect()
            }
        };
        if !arms.iter().any(|arm| arm.tasks.is_empty()) {
            arms.insert(0, Arm::of(Vec::new()));
        }
        arms
    }

    /// All runs, in folders inside `output`, in the order in which they can be made. However that folder is written, its
    /// runs are the same: models in it are part of their settings.
    pub fn cells(&self, output: &Path) -> Result<Vec<Cell>> {
        let (output, mut cells) = (&plain(output), Vec::new());
        for (number, target) in self.targets.iter().enumerate() {
            for arm in self.arms_of(target) {
                for seed in &self.seeds {
                    cells.push(self.cell(output, number, &arm, *seed)?);
                }
            }
        }
        Ok(cells)
    }

    fn cell(&self, output: &Path, target: usize, arm: &Arm, seed: u64) -> Result<Cell> {
        let before = match arm.tasks.is_empty() {
            true => None,
            false => Some(self.intermediate(output, arm, seed)?),
        };
        let Target { task, stage, .. } = &self.targets[target];
        let mut stage = stage.clone();
        stage.insert("task".into(), Value::String(task.clone()));
        let mut recipe = self.recipe(&format!("{}-{task}", self.name), seed, stage);
        if let Some(Intermediate { resolved, folder }) = &before {
            let method = resolved.recipe.last_task()?.map(|_| &resolved.recipe.methods[0]);
            let model = folder.join(resolved.recipe.stage_name(0, method)).join(MODEL);
            let model = Table::from_iter([("path".to_owned(), Value::String(model.display().to_string()))]);
            recipe.insert("model".into(), Value::Table(model));
        }
        recipe.insert("methods".into(), tables(&self.methods));
        if !self.languages.is_empty() {
            let languages = self.languages.iter().cloned().map(Value::String).collect();
            recipe.insert("languages".into(), Value::Array(languages));
        }
        let resolved = self.resolve(recipe, &format!("the target {task}"))?;
        let folder = output.join(task).join(resolved.folder_name(&arm.name));
        Ok(Cell { arm: arm.clone(), target, seed, before, resolved, folder })
    }

    /// The run of an arm, which all targets share.
    fn intermediate(&self, output: &Path, arm: &Arm, seed: u64) -> Result<Intermediate> {
        let mut stage = self.intermediate.clone();
        // Models are selected by the first, which reads examples where any does.
        let mut tasks = arm.tasks.clone();
        tasks.sort_by_key(|task| task == MLM);
        let beside: Vec<Value> = tasks.iter().skip(1).cloned().map(Value::String).collect();
        if !tasks.iter().any(|task| task == MLM) {
            stage.remove(MLM);
        }
        let per_task = self.diversity.as_ref().is_some_and(|diversity| diversity.budget == Budget::PerTask);
        if let Some(updates) = stage.get("updates").and_then(Value::as_integer).filter(|_| per_task) {
            stage.insert("updates".into(), Value::Integer(updates * arm.tasks.len() as i64));
        }
        stage.insert("task".into(), Value::String(tasks[0].clone()));
        if !beside.is_empty() {
            stage.insert("beside".into(), Value::Array(beside));
            stage.entry("task_alpha").or_insert(Value::Float(0.0)); // all alike
        }
        let mut recipe = self.recipe(&format!("{}-before", self.name), seed, stage);
        if tasks[0] != MLM {
            recipe.insert("languages".into(), Value::Array(vec![Value::String("en".into())]));
        }
        let resolved = self.resolve(recipe, "intermediate")?;
        let folder = output.join("before").join(resolved.folder_name(&arm.name));
        Ok(Intermediate { resolved, folder })
    }

    fn recipe(&self, name: &str, seed: u64, stage: Table) -> Table {
        let mut recipe = Table::new();
        recipe.insert("schema".into(), Value::Integer(SCHEMA.into()));
        recipe.insert("name".into(), Value::String(name.to_owned()));
        recipe.insert("seed".into(), Value::Integer(seed as i64));
        recipe.insert("model".into(), Value::Table(self.model.clone()));
        recipe.insert("data".into(), Value::Table(self.data.clone()));
        recipe.insert("tasks".into(), tables(&self.tasks));
        recipe.insert("stages".into(), Value::Array(vec![Value::Table(stage)]));
        recipe
    }

    fn resolve(&self, recipe: Table, what: &str) -> Result<Resolved> {
        Resolved::of_table(recipe, &format!("{} ({what}, of which stages.0 is made)", self.name))
    }

    /// The folder of data that runs read.
    pub fn data_folder(&self) -> &str {
        self.data.get("folder").and_then(Value::as_str).unwrap_or("data")
    }

    /// Whether the data are generated.
    pub fn is_demo(&self) -> bool {
        self.data_folder() == DEMO
    }

    /// How many runs come before the targets'.
    pub fn n_intermediate(cells: &[Cell]) -> usize {
        let folders: BTreeSet<&PathBuf> = cells.iter().filter_map(|cell| Some(&cell.before.as_ref()?.folder)).collect();
        folders.len()
    }
}

/// A path without `.`, seen from the current folder where it lies in it.
fn plain(path: &Path) -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    let inside = path.strip_prefix(&here).unwrap_or(path);
    let parts: PathBuf = inside.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    if parts.as_os_str().is_empty() { PathBuf::from(".") } else { parts }
}

fn tables(tables: &[Table]) -> Value {
    Value::Array(tables.iter().cloned().map(Value::Table).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn studies_that_ship_are_read_and_their_runs_differ() {
        for (name, text) in SHIPPED {
            let design = Design::parse(text, name).unwrap();
            assert_eq!(design.name, name);
            let cells = design.cells(Path::new("out")).unwrap();
            let folders: BTreeSet<&PathBuf> = cells.iter().map(|cell| &cell.folder).collect();
            assert_eq!(folders.len(), cells.len(), "{name}");
            assert!(Design::n_intermediate(&cells) > 0 && cells.iter().any(|cell| cell.before.is_none()));
            for cell in &cells {
                let target = &design.targets[cell.target];
                assert!(!cell.arm.tasks.iter().any(|task| target.without.contains(task)), "{}", cell.arm.name);
            }
        }
        let (_, text) = SHIPPED[0];
        for (old, new, says) in [
            ("tasks = [\"qqp\"]", "tasks = []", "\"qqp\" has no tasks"),
            ("name = \"qqp\"\ntasks", "name = \"mnli\"\ntasks", "found \"mnli\" twice"),
            ("name = \"qqp\"\ntasks", "name = \"none\"\ntasks", "give this arm another"),
            ("task = \"panx\"", "task = \"udpos\"", "found \"udpos\" twice"),
        ] {
            let error = Design::parse(&text.replacen(old, new, 1), "x").unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
        for (output, same) in [("./out/", "out"), ("a/./b", "a/b"), (".", "."), ("../out", "../out")] {
            assert_eq!(plain(Path::new(output)), Path::new(same));
        }
        assert_eq!(plain(&env::current_dir().unwrap().join("out")), Path::new("out"));
        assert!(find("task-diversty").unwrap_err().message().contains("did you mean \"task-diversity\""));
    }
}
