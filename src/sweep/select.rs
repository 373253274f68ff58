//! Settings chosen on the source language's dev data: a grid whose runs read no test item, what it took, and the recipe
//! that comes of it.

use std::collections::BTreeMap;

use toml::Value;

use super::grid::{Cell, Grid, State};
use crate::{
    error::{Error, Result},
    learn::methods::{Method, StageSettings, Standard},
    recipe::{Recipe, Resolved, Setting, Stage},
    run::history::History,
    tasks::Split,
};

/// What a method may have of its own of the last stage.
const OWN: [&str; 6] = ["epochs", "updates", "batch_size", "learning_rate", "weight_decay", "warmup_steps"];

/// Keys that a selection sets itself.
const SET: [&str; 3] = ["data.eval_split", "languages", "generalized"];

/// Settings that are tried of a method, with the runs of all seeds.
#[derive(Debug)]
pub struct Trial {
    /// What it is called: the method, and what is varied.
    pub variant: String,
    /// Its runs.
    pub cells: Vec<Cell>,
    /// What they took; of those that are not finished what they took so far.
    pub effort: Effort,
}

/// What runs took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Effort {
    /// Settings that were tried.
    pub trials: usize,
    /// Updates in all.
    pub updates: u64,
    /// Examples that passed through the encoder, forward and back, each as often as it did.
    pub passes: u64,
    /// Of training, by the clock.
    pub seconds: f64,
}

/// Makes a grid one to choose by: measured in the source language alone, on dev data. Returns the recipe whose settings are
/// chosen.
pub fn for_selection(grid: &mut Grid) -> Result<Resolved> {
    let shown = grid.name.clone();
    let refuse = |what: String| Err(Error::Config(format!("{shown}: {what}")));
    let [recipe] = &grid.recipes[..] else {
        return refuse(format!("recipes: expected one, whose settings are chosen, found {}", grid.recipes.len()));
    };
    let resolved = grid.resolve(recipe, &grid.fixed())?;
    let Some(task) = resolved.recipe.last_task()? else {
        return refuse("settings are chosen by a task's dev data, and the recipe ends in mlm".into());
    };
    if !task.layouts.is_empty() && !task.has(Split::Dev) {
        let file = &resolved.recipe.stages.last().expect("it has a task").task;
        return refuse(format!(
            "settings are chosen by dev data, of which {file} names none: give it dev = [\"…\"] in [[layouts]]"
        ));
    }
    if let Some(key) = SET.into_iter().find(|key| grid.settings.contains_key(*key)) {
        return refuse(format!(
            "settings.\"{key}\": selection sets it itself: {} dev data and nothing else are measured",
            task.source
        ));
    }
    let last = format!("stages.{}.", resolved.recipe.stages.len() - 1);
    for (key, values) in &grid.settings {
        let is_own = key.strip_prefix(&last).is_some_and(|key| OWN.contains(&key));
        if values.len() > 1 && !is_own && !key.starts_with("methods.") {
            let own = OWN.map(|key| format!("{last}{key}")).join(", ");
            return refuse(format!(
                "settings.\"{key}\": expected one value, found {}: what a method may have of its own, and is chosen for each, \
                 is its settings and {own}",
                values.len()
            ));
        }
    }
    let source = Value::Array(vec![Value::String(task.source.to_owned())]);
    let values = [Value::String("dev".into()), source, Value::Boolean(false)];
    grid.settings.extend(SET.into_iter().zip(values).map(|(key, value)| (key.to_owned(), vec![value])));
    Ok(resolved)
}

/// The trials of each method, in the order of the grid.
pub fn trials(cells: &[Cell]) -> Vec<(String, Vec<Trial>)> {
    let mut methods: Vec<(String, Vec<Trial>)> = Vec::new();
    for cell in cells {
        let place = methods.iter().position(|(method, _)| method == cell.method()).unwrap_or_else(|| {
            methods.push((cell.method().clone(), Vec::new()));
            methods.len() - 1
        });
        let own = &mut methods[place].1;
        match own.iter_mut().find(|trial| trial.variant == cell.variant) {
            Some(trial) => trial.cells.push(cell.clone()),
            None => own.push(Trial {
                variant: cell.variant.clone(),
                cells: vec![cell.clone()],
                effort: Effort { trials: 1, ..Effort::default() },
            }),
        }
    }
    methods
}

impl Trial {
    /// Whether all its runs are finished.
    pub fn is_done(&self) -> bool {
        self.cells.iter().all(|cell| cell.state() == State::Done)
    }

    /// Reads what its runs took from their logs.
    pub fn read_effort(&mut self) -> Result<()> {
        for cell in &self.cells {
            let recipe = &cell.recipe.recipe;
            let method = &recipe.methods[0];
            let index = recipe.stages.len() - 1;
            let (name, stage) = (recipe.stage_name(index, Some(method)), recipe.stage_with(index, method));
            let mut history = History::new(&cell.folder);
            history.update()?;
            for update in history.stages.iter().filter(|stage| stage.name == name).flat_map(|stage| &stage.updates) {
                let passes = if update.step > method.begins().1 { method.passes() } else { 1 };
                self.effort.updates += 1;
                self.effort.passes += passes * stage.batch_size as u64;
                self.effort.seconds += if update.seconds.is_finite() { update.seconds } else { 0.0 };
            }
        }
        Ok(())
    }
}

impl Effort {
    /// All of them.
    pub fn sum<'a>(efforts: impl Iterator<Item = &'a Effort>) -> Effort {
        efforts.fold(Effort::default(), |sum, one| Effort {
            trials: sum.trials + one.trials,
            updates: sum.updates + one.updates,
            passes: sum.passes + one.passes,
            seconds: sum.seconds + one.seconds,
        })
    }
}

/// Refuses a grid that tries methods with different numbers of settings: the one with more would be favoured.
pub fn check_equal(methods: &[(String, Vec<Trial>)]) -> Result<()> {
    let counts: BTreeMap<&str, usize> = methods.iter().map(|(name, trials)| (name.as_str(), trials.len())).collect();
    let least = counts.values().min().copied().unwrap_or(0);
    if counts.values().all(|n| *n == least) {
        return Ok(());
    }
    let said: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
    Err(Error::Config(format!(
        "the grid tries a different number of settings of each method ({}): write trials = {least} to draw as many of each, \
         give all of them more values of a shared setting such as a rate, or say --unequal",
        said.join(", ")
    )))
}

/// The recipe with the settings that were chosen for each method, and plain training with as much compute as the method
/// that takes the most, where both are there.
pub fn chosen(grid: &Grid, base: &Resolved, chosen: &[&Cell]) -> Recipe {
    let mut recipe = base.recipe.clone();
    recipe.name = format!("{}-selected", recipe.name);
    recipe.about = format!("{} Settings chosen by {}.", recipe.about, grid.name).trim().to_owned();
    recipe.methods = chosen.iter().map(|cell| of_its_own(cell)).collect();
    let most =
        recipe.methods.iter().max_by_key(|method| method.passes()).map(|most| (most.name.clone(), most.passes()));
    let plain = recipe.methods.iter().find(|method| method.parts() == ["standard"]).cloned();
    if let (Some((most, passes)), Some(plain)) = (most.filter(|(_, passes)| *passes > 1), plain) {
        let longer = longer(recipe.stages.last().map(|stage| stage.with(&plain)), plain, passes, &most);
        recipe.methods.extend(longer.filter(|longer| recipe.methods.iter().all(|other| other.name != longer.name)));
    }
    recipe
}

/// A cell's method, with what of the last stage was varied for it.
fn of_its_own(cell: &Cell) -> Method {
    let recipe = &cell.recipe.recipe;
    let (mut method, Some(stage)) = (recipe.methods[0].clone(), recipe.stages.last()) else {
        return recipe.methods[0].clone();
    };
    let last = format!("stages.{}.", recipe.stages.len() - 1);
    let is_varied = |key: &str| cell.varied.iter().any(|one| one.key.strip_prefix(&last) == Some(key));
    let own = StageSettings {
        epochs: stage.epochs.filter(|_| is_varied("epochs")),
        updates: stage.updates.filter(|_| is_varied("updates")),
        batch_size: is_varied("batch_size").then_some(stage.batch_size),
        learning_rate: is_varied("learning_rate").then_some(stage.learning_rate),
        weight_decay: is_varied("weight_decay").then_some(stage.weight_decay),
        warmup_steps: is_varied("warmup_steps").then_some(stage.warmup_steps),
    };
    if own != StageSettings::default() {
        method.stage = Some(own);
    }
    method
}

/// Plain training that passes as many examples through the encoder as `most` does.
fn longer(stage: Option<Stage>, plain: Method, passes: u64, most: &str) -> Option<Method> {
    let stage = stage?;
    let own = plain.stage.clone().unwrap_or_default();
    let times = |n: Option<u64>| n.map(|n| n * passes);
    let stage = StageSettings { epochs: times(stage.epochs), updates: times(stage.updates), ..own };
    let name = format!("{}-compute-of-{most}", plain.name);
    Some(Method { name, stage: Some(stage), standard: Some(Standard::default()), ..Method::default() })
}

impl Grid {
    /// The settings with one value.
    pub fn fixed(&self) -> Vec<Setting> {
        let one = self.settings.iter().filter(|(_, values)| values.len() == 1);
        one.map(|(key, values)| Setting { key: key.clone(), value: values[0].to_string(), flag: self.name.clone() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const GRID: &str = r#"
name = "choice"
recipes = ["demo"]
methods = ["standard", "adv"]
seeds = [1, 2]
trials = 2
[settings]
"stages.0.learning_rate" = [1e-4, 2e-4]
"stages.0.updates" = [30]
"methods.2.adv.radius" = ["0.02x", "0.05x"]
"#;

    fn grid(text: &str) -> Grid {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.toml");
        fs::write(&path, text).unwrap();
        Grid::read(&path).unwrap()
    }

    fn refused(text: &str) -> String {
        for_selection(&mut grid(text)).unwrap_err().to_string()
    }

    #[test]
    fn runs_read_dev_data_of_the_source_alone() {
        let mut grid = grid(GRID);
        for_selection(&mut grid).unwrap();
        let cells = grid.cells().unwrap();
        assert_eq!(cells.len(), 8);
        for cell in &cells {
            let recipe = &cell.recipe.recipe;
            assert_eq!(
                (recipe.data.eval_split.to_string(), &recipe.languages[..]),
                ("dev".into(), &["en".to_owned()][..])
            );
        }
        let methods = trials(&cells);
        let counts: Vec<(&str, usize)> = methods.iter().map(|(name, trials)| (name.as_str(), trials.len())).collect();
        assert_eq!(counts, [("standard", 2), ("adv", 2)]);
        assert!(methods.iter().flat_map(|(_, trials)| trials).all(|trial| trial.cells.len() == 2));
        check_equal(&methods).unwrap();
    }

    #[test]
    fn methods_with_more_trials_are_refused() {
        let mut grid = grid(&GRID.replace("trials = 2\n", ""));
        for_selection(&mut grid).unwrap();
        let message = check_equal(&trials(&grid.cells().unwrap())).unwrap_err().to_string();
        assert!(message.contains("(adv 4, standard 2): write trials = 2"), "{message}");
    }

    #[test]
    fn what_is_chosen_is_each_methods_own() {
        let mut grid = grid(GRID);
        let base = for_selection(&mut grid).unwrap();
        let cells = grid.cells().unwrap();
        let of = |method: &str| cells.iter().rfind(|cell| cell.method() == method).unwrap();
        let recipe = chosen(&grid, &base, &[of("standard"), of("adv")]);
        assert_eq!((recipe.name.as_str(), recipe.data.eval_split), ("demo-selected", crate::tasks::Split::Test));
        assert!(recipe.languages.is_empty());
        let [plain, adv, longer] = &recipe.methods[..] else { panic!("{:?}", recipe.methods) };
        let rate = |method: &Method| method.stage.as_ref().unwrap().learning_rate.unwrap();
        assert_eq!((rate(plain), rate(longer)), (2e-4, 2e-4));
        assert_eq!(adv.adv.as_ref().unwrap(), of("adv").recipe.recipe.methods[0].adv.as_ref().unwrap());
        assert_eq!(longer.name, "standard-compute-of-adv");
        assert_eq!(longer.stage.as_ref().unwrap().updates, Some(30 * adv.passes()));
        let text = Resolved { recipe, sources: BTreeMap::new() }.to_toml();
        Resolved::parse(&text, "selected", &[]).unwrap();
    }

    #[test]
    fn grids_that_cannot_choose_are_refused() {
        for (from, to, expected) in [
            ("[\"demo\"]", "[\"demo\", \"open-xsid\"]", "expected one, whose settings are chosen, found 2"),
            ("\"stages.0.updates\" = [30]", "\"stages.0.max_length\" = [30, 40]", "expected one value, found 2"),
            ("\"stages.0.updates\" = [30]", "languages = [[\"de\"]]", "selection sets it itself"),
        ] {
            let message = refused(&GRID.replacen(from, to, 1));
            assert!(message.contains(expected), "{to}: {message}");
        }
    }
}
