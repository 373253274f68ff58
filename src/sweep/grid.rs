//! A grid file, and the runs that it stands for.

use crate::{
    checkpoint,
    error::{Error, Result, did_you_mean},
    input,
    learn::augment::stream_of,
    recipe::{self, Method, Resolved, Setting, first_twice, refuse_in},
    rng::{Purpose, Rng},
    run::folder::{self, Look},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use toml::Value;

/// What is crossed with what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// What it is called.
    pub name: String,
    /// Where its runs lie; `runs/NAME` where not given.
    pub output: Option<PathBuf>,
    /// Recipes that ship, or files beside the grid's.
    pub recipes: Vec<String>,
    /// The methods of the recipes that are run; none named: all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The seeds; none named: those of each recipe.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Keys as `--set` takes them, each with the values to try.
    #[serde(default)]
    pub settings: BTreeMap<String, Vec<Value>>,
    /// How many combinations of settings each method is tried with, drawn of its own; all where not given.
    pub trials: Option<usize>,
    /// What else `rxlt run` is given, such as `["--backend", "cpu"]`.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The file that it was read from.
    #[serde(skip)]
    path: PathBuf,
}

/// One run: one recipe with one method, one seed and one value of each setting.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What it is called among all: its variant and seed.
    pub label: String,
    /// What tells it from cells of other settings: the method, with recipe and values where the grid has several.
    pub variant: String,
    /// Its configuration.
    pub recipe: Resolved,
    /// The values of what the grid varies, as far as they concern it.
    pub varied: Vec<Setting>,
    /// Its folder: a readable name and the start of the configuration's SHA-256.
    pub folder: PathBuf,
    /// What else `rxlt run` is given.
    arguments: Vec<String>,
}

/// How far a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing was begun.
    Waiting,
    /// A process holds its lock.
    Running,
    /// Stopped or killed; the same command goes on.
    Stopped,
    /// An error ended it.
    Failed,
    /// All is measured.
    Done,
}

impl State {
    /// Every state, from the beginning to the end.
    pub const ALL: [State; 5] = [State::Waiting, State::Running, State::Stopped, State::Failed, State::Done];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Running => "running",
            State::Stopped => "stopped",
            State::Failed => "failed",
            State::Done => "done",
        }
    }
}

impl Grid {
    /// Reads a grid file; what is wrong with a recipe or a setting is said by [`Grid::cells`].
    pub fn read(path: &Path) -> Result<Grid> {
        let (text, shown) = (input::read_text(path)?, path.display());
        let grid: Grid = toml::from_str(&text).map_err(|error| refuse_in(&text, &shown.to_string(), &error))?;
        let grid = Grid { path: path.to_owned(), ..grid };
        let refuse = |what: String| Err(Error::Config(format!("{shown}: {what}")));
        let is_plain = |c: char| c.is_alphanumeric() || "-_".contains(c);
        if grid.name.is_empty() || !grid.name.chars().all(is_plain) {
            return refuse(format!("name: expected letters, digits, - and _, found \"{}\"", grid.name));
        }
        if grid.recipes.is_empty() {
            return refuse("recipes: expected at least one, such as [\"open-sib200\"], found none".into());
        }
        if let Some(seed) = first_twice(&grid.seeds) {
            return refuse(format!("seeds: expected each seed once, found {seed} twice"));
        }
        if grid.trials == Some(0) {
            return refuse("trials: expected 1 or more, found 0".into());
        }
        for (key, values) in &grid.settings {
            if values.is_empty() {
                return refuse(format!("settings.\"{key}\": expected a list of values to try, found none"));
            }
            if ["seed", "seeds"].contains(&key.as_str()) {
                return refuse(format!("settings.\"{key}\": seeds have a key of their own: seeds = [1, 2]"));
            }
        }
        Ok(grid)
    }

    /// Where its runs lie.
    pub fn folder(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| Path::new("runs").join(&self.name))
    }

    /// Every run, each configuration once: a setting of one method makes no second run of another.
    pub fn cells(&self) -> Result<Vec<Cell>> {
        let (mut cells, mut seen, mut known) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut of_others: BTreeSet<&String> = self.settings.keys().filter(|key| key.starts_with("methods.")).collect();
        for name in &self.recipes {
            for settings in self.combinations() {
                let resolved = self.resolve(name, &settings)?;
                known.extend(resolved.recipe.methods.iter().map(|method| method.name.clone()));
                let wanted = self.split(&resolved);
                of_others.retain(|key| wanted.iter().all(|(place, _)| !key.starts_with(&own(*place))));
                let cell = |(place, one): &(usize, Resolved)| {
                    let of_others = |key: &str| key.starts_with("methods.") && !key.starts_with(&own(*place));
                    let settings: Vec<&Setting> = settings.iter().filter(|one| !of_others(&one.key)).collect();
                    self.cell(one, name, &settings)
                };
                let found = wanted.iter().map(cell).collect::<Vec<Cell>>();
                cells.extend(found.into_iter().filter(|cell| seen.insert(cell.folder.clone())));
            }
        }
        if let Some(unknown) = self.methods.iter().find(|method| !known.contains(*method)) {
            let (path, hint) = (self.path.display(), did_you_mean(unknown, known.iter().map(String::as_str)));
            return Err(Error::Config(format!("{path}: methods: no recipe has the method \"{unknown}\"; {hint}")));
        }
        if let Some(key) = of_others.first() {
            return Err(Error::Config(format!(
                "{}: settings.\"{key}\": no run has it: the method at this place, counted from 0, is not among methods",
                self.path.display()
            )));
        }
        self.drawn(cells)
    }

    /// Of each method's variants as many as are to be tried, drawn in an order made of its name.
    fn drawn(&self, cells: Vec<Cell>) -> Result<Vec<Cell>> {
        let Some(trials) = self.trials else { return Ok(cells) };
        let (mut kept, mut most) = (BTreeSet::new(), 0);
        let methods: BTreeSet<&String> = cells.iter().map(Cell::method).collect();
        for method in methods {
            let own = cells.iter().filter(|cell| cell.method() == method).map(|cell| &cell.variant);
            let mut variants: Vec<&String> = own.collect::<BTreeSet<_>>().into_iter().collect();
            most = most.max(variants.len());
            Rng::for_purpose(DRAWING_SEED, Purpose::Shuffle, stream_of(method)).shuffle(&mut variants);
            kept.extend(variants.into_iter().take(trials).cloned());
        }
        if trials > most {
            return Err(Error::Config(format!(
                "{}: trials: expected at most {most}, which is how many settings the grid has of a method, found {trials}: \
                 lower it, or give a setting more values",
                self.path.display()
            )));
        }
        Ok(cells.into_iter().filter(|cell| kept.contains(&cell.variant)).collect())
    }

    /// A recipe with these settings.
    pub fn resolve(&self, name: &str, settings: &[Setting]) -> Result<Resolved> {
        let file = name.ends_with(".toml").then(|| self.path.with_file_name(name));
        let (text, name) = match &file {
            Some(path) => (input::read_text(path)?, path.display().to_string()),
            None => (recipe::find(name)?.to_owned(), name.to_owned()),
        };
        Resolved::parse_for(&text, &name, settings, &self.methods)
    }

    /// One value of each setting, in every way.
    fn combinations(&self) -> Vec<Vec<Setting>> {
        let flag = self.path.display().to_string();
        self.settings.iter().fold(vec![Vec::new()], |all, (key, values)| {
            let with = |chosen: &Vec<Setting>, value: &Value| {
                let setting = Setting { key: key.clone(), value: value.to_string(), flag: flag.clone() };
                chosen.iter().cloned().chain([setting]).collect()
            };
            all.iter().flat_map(|chosen| values.iter().map(|value| with(chosen, value)).collect::<Vec<_>>()).collect()
        })
    }

    /// The same recipe by method, with the method's place in it, and seed.
    fn split(&self, resolved: &Resolved) -> Vec<(usize, Resolved)> {
        let mut all = resolved.clone();
        if !self.seeds.is_empty() {
            all.recipe.seeds.clone_from(&self.seeds);
        }
        let wanted = |(_, method): &(usize, &Method)| self.methods.is_empty() || self.methods.contains(&method.name);
        let seeds = all.by_seed();
        let with = |(place, method): (usize, &Method)| {
            seeds.iter().map(|seed| (place, seed.with_method(method))).collect::<Vec<_>>()
        };
        resolved.recipe.methods.iter().enumerate().filter(wanted).flat_map(with).collect()
    }

    fn cell(&self, resolved: &Resolved, recipe: &str, settings: &[&Setting]) -> Cell {
        let (method, seed) = (&resolved.recipe.methods[0].name, resolved.recipe.seed);
        let varied = settings.iter().filter(|setting| self.settings[&setting.key].len() > 1);
        let varied: Vec<Setting> = varied.map(|setting| Setting::clone(setting)).collect();
        let values =
            varied.iter().map(|Setting { key, value, .. }| format!("{}={}", short(key), value.trim_matches('"')));
        let several = (self.recipes.len() > 1).then(|| recipe.trim_end_matches(".toml").to_owned());
        let variant = several.into_iter().chain([method.clone()]).chain(values).collect::<Vec<_>>().join(" ");
        let readable: String = variant.chars().map(|c| if is_of_names(c) { c } else { '-' }).take(60).collect();
        let folder = self.folder().join(resolved.folder_name(&readable));
        let (label, arguments) = (format!("{variant} s{seed}"), self.arguments.clone());
        Cell { label, variant, varied, recipe: resolved.clone(), folder, arguments }
    }
}

/// Of this the trials are drawn: a grid means the same runs always.
const DRAWING_SEED: u64 = 7;

/// How keys of the method at this place begin.
fn own(place: usize) -> String {
    format!("methods.{place}.")
}

/// What may stand in a folder's name everywhere.
fn is_of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.=".contains(c)
}

/// The last part of a key, which mostly says enough.
fn short(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

impl Cell {
    /// The name of its method.
    pub fn method(&self) -> &String {
        &self.recipe.recipe.methods[0].name
    }

    /// How far it is, from its folder alone.
    pub fn state(&self) -> State {
        match folder::look(&self.folder) {
            Look::Nothing => State::Waiting,
            Look::Held(_) => State::Running,
            Look::Left(folder::Status::Done) => State::Done,
            Look::Left(folder::Status::Failed) => State::Failed,
            Look::Left(folder::Status::Paused | folder::Status::Running) => State::Stopped,
        }
    }

    /// The file of its configuration, beside its folder.
    pub fn recipe_file(&self) -> PathBuf {
        let mut name = self.folder.clone().into_os_string();
        name.push(".toml");
        PathBuf::from(name)
    }

    /// Writes that file.
    pub fn write_recipe(&self) -> Result<()> {
        let path = self.recipe_file();
        let parent = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(|error| Error::write(parent, &error))?;
        checkpoint::write_file(&path, self.recipe.to_toml().as_bytes())
    }

    /// What `rxlt` is called with to run it.
    pub fn args(&self) -> Vec<String> {
        let (file, folder) = (self.recipe_file().display().to_string(), self.folder.display().to_string());
        let own = ["run".to_owned(), file, "--output".to_owned(), folder];
        own.into_iter().chain(self.arguments.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const GRID: &str = r#"
name = "radius"
recipes = ["demo"]
methods = ["standard", "adv"]
seeds = [1, 2]
[settings]
"methods.2.adv.radius" = ["0.02x", "0.05x"]
"stages.0.updates" = [3]
"#;

    fn cells(text: &str) -> Result<Vec<Cell>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.toml");
        fs::write(&path, text).unwrap();
        Grid::read(&path)?.cells()
    }

    #[test]
    fn a_grid_is_every_run_once() {
        let cells = cells(GRID).unwrap();
        // A radius is no matter to plain training, whose configuration it leaves as it is.
        let labels: Vec<&str> = cells.iter().map(|cell| cell.label.as_str()).collect();
        let adv = ["adv radius=0.02x s1", "adv radius=0.02x s2", "adv radius=0.05x s1", "adv radius=0.05x s2"];
        assert_eq!(labels[2..], adv);
        assert_eq!(cells.len(), 6);
        assert!(cells.iter().all(|cell| cell.recipe.recipe.stages[0].updates == Some(3)));
        assert!(cells.iter().all(|cell| cell.recipe.recipe.methods.len() == 1 && cell.state() == State::Waiting));
        let again = super::tests::cells(GRID).unwrap();
        let folders = |cells: &[Cell]| cells.iter().map(|cell| cell.folder.clone()).collect::<Vec<_>>();
        assert_eq!(folders(&cells), folders(&again));
        assert!(folders(&cells)[2].to_string_lossy().starts_with("runs/radius/adv-radius=0.02x-s1-"));
        let other = super::tests::cells(&GRID.replace("[3]", "[4]")).unwrap();
        assert!(folders(&cells).iter().all(|folder| !folders(&other).contains(folder)), "the hash is of all settings");
    }

    #[test]
    fn as_many_trials_are_drawn_of_each_method() {
        let more =
            GRID.replace(r#"["0.02x", "0.05x"]"#, r#"["0.02x", "0.05x", "0.1x", "0.2x"]"#).replace("[3]", "[3, 4]");
        let variants = |text: &str, method: &str| {
            let cells = cells(text).unwrap();
            let own = cells.iter().filter(|cell| cell.method() == method).map(|cell| cell.variant.clone());
            (own.clone().count(), own.collect::<BTreeSet<_>>())
        };
        assert_eq!((variants(&more, "adv").0, variants(&more, "standard").0), (16, 4));
        let drawn = more.replacen("seeds", "trials = 2\nseeds", 1);
        let (n, adv) = variants(&drawn, "adv");
        assert_eq!((n, adv.len(), variants(&drawn, "standard").0), (4, 2, 4), "each with both seeds");
        assert_eq!(variants(&drawn, "adv").1, adv);
        assert!(adv.is_subset(&variants(&more, "adv").1));
    }

    #[test]
    fn grids_that_make_no_sense_are_refused() {
        for (from, to, expected) in [
            ("\"adv\"", "\"avd\"", "did you mean \"adv\""),
            (r#"["0.02x", "0.05x"]"#, "[]", "expected a list of values"),
            ("radius\"\n", "a/b\"\n", "expected letters"),
            ("seeds =", "seed =", "grid.toml:5: unknown key \"seed\"; did you mean \"seeds\"?"),
            ("stages.0.updates", "stages.0.updatse", "updatse"),
            ("\"stages.0.updates\"", "seed", "seeds have a key"),
            ("[\"demo\"]", "[]", "at least one"),
            ("seeds =", "trials = 5\nseeds =", "expected at most 2"),
        ] {
            let error = cells(&GRID.replacen(from, to, 1)).unwrap_err();
            assert!(error.message().contains(expected), "{to}: {error}");
        }
    }
}
