//! Run folders read back: which models were measured, and on which items each was right.
//!
//! Runs are put side by side only where that means something: one task, the same test items by id and label, one
//! configuration for each name of a method, and no seed twice. Everything else is refused, with what differs.

use super::{items, shortcuts::Shortcut, statistics::mean};
use crate::{
    data::inputs::{INPUTS, Inputs},
    error::{Error, Result, did_you_mean},
    kinds::{self, Marked, score::oddities},
    recipe::{DEMO, Method, Recipe, Resolved},
    run::{
        files::{self, CONFIG, is_measured, is_run, read_json},
        folder::{Environment, Status},
        losses::FinalLoss,
    },
    tasks::{
        self, Joined, Split, Task,
        overlap::{self, Overlap},
        predictions::{self, Prediction},
        sha256,
    },
};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Points of a loss curve at most.
const CURVE_POINTS: usize = 120;

/// Models that can be compared: one task, the same test items.
#[derive(Debug, Clone)]
pub struct Study {
    /// The task.
    pub task: &'static Task,
    /// The languages, the source first.
    pub languages: Vec<String>,
    /// Every model, sorted by label (in the order of the runs given) and seed.
    pub cells: Vec<Cell>,
    /// What was measured: the first metric of the task's kind.
    pub metric: &'static str,
    /// By column, how many answers each cluster has: a cluster is an item in all its languages. One column per
    /// language, and one for all ordered pairs of two languages where these were measured.
    pub examples: Vec<Vec<usize>>,
    /// Whether the last column is that of the pairs.
    pub has_pairs: bool,
    /// The row that joins an item with its translations, by cluster.
    pub rows: Vec<usize>,
    /// By row, the place of the cluster that its items belong to: their own, or one that they share, such as a premise.
    pub joined: Vec<usize>,
    /// What was left out, and why.
    pub notes: Vec<String>,
    /// The files of the data, as the first run recorded them.
    pub data: Vec<DataFile>,
}

/// One trained model and what it predicted.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What it is called here: its method, with its recipe where that is needed.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// The recipe's name.
    pub recipe: String,
    /// Its folder inside the run's folder.
    pub folder: PathBuf,
    /// By which rule it was selected.
    pub selection: String,
    /// Where it was made.
    pub environment: Environment,
    /// The start of the SHA-256 of its settings but for the seed.
    pub config: String,
    /// What makes its results doubtful.
    pub odd: Vec<String>,
    /// By language, whether each item was right; empty where items are not simply right or wrong.
    pub right: Vec<Vec<bool>>,
    /// By column, the marks of each cluster.
    pub marks: Vec<Column>,
    /// Every metric in every language.
    pub scores: Vec<CellScore>,
    /// Accuracy by first and second language, in the generalized setting.
    pub grid: Option<Vec<Vec<Option<f64>>>>,
    /// How it answers from second sentences alone.
    pub shortcut: Option<Shortcut>,
    /// Update and loss, means of neighbouring updates.
    pub curve: Vec<[f64; 2]>,
    /// The mean loss of the last updates, as the run has it.
    pub final_loss: Option<f64>,
    settings: Resolved,
    /// Where its data lay.
    folder_of_data: String,
    /// The predictions themselves, where no run is behind them.
    given: Option<Arc<Given>>,
}

/// What a metric comes to for a model in a language.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CellScore {
    /// The language's code in the data.
    pub language: String,
    /// What was measured.
    pub metric: &'static str,
    /// What it comes to.
    pub value: f64,
    /// Of how many answers.
    pub n: usize,
}

impl CellScore {
    /// A score for each metric of a task.
    fn all(task: &Task, language: &str, marked: &[Marked], n: usize) -> Vec<CellScore> {
        let score = |(i, metric)| {
            let marks = marked.iter().map(|one| one.marks[i]);
            let (part, whole) = marks.fold((0.0, 0.0), |(a, b), (part, whole)| (a + part, b + whole));
            CellScore { language: language.to_owned(), metric, value: part / whole, n }
        };
        kinds::of(task).metrics(task).into_iter().enumerate().map(score).collect()
    }
}

/// The marks of clusters: whose sums make the metric. Sums of whole numbers are exact in f32 up to 2²⁴.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    /// What was right of each.
    pub parts: Vec<f32>,
    /// Of how much.
    pub wholes: Vec<f32>,
}

impl Column {
    /// Nothing of so many clusters.
    fn of(n: usize) -> Column {
        Column { parts: vec![0.0; n], wholes: vec![0.0; n] }
    }

    fn add(&mut self, cluster: usize, (part, whole): (f64, f64)) {
        self.parts[cluster] += part as f32;
        self.wholes[cluster] += whole as f32;
    }

    /// The marks as pairs.
    pub fn pairs(&self) -> Vec<(f64, f64)> {
        self.parts.iter().zip(&self.wholes).map(|(part, whole)| (f64::from(*part), f64::from(*whole))).collect()
    }
}

impl Cell {
    /// Whether a run of rxlt is behind it, whose seed means something.
    pub fn has_run(&self) -> bool {
        self.given.is_none()
    }

    /// What it was measured on.
    pub(super) fn split(&self) -> Split {
        self.settings.recipe.data.eval_split
    }

    /// The recipe of its run, with the data in this folder, else where they lay; none where no run is behind it.
    pub(super) fn recipe_on(&self, data: Option<&Path>) -> Option<Recipe> {
        let mut recipe = self.given.is_none().then(|| self.settings.recipe.clone())?;
        let is_elsewhere = data.filter(|_| self.folder_of_data != DEMO);
        recipe.data.folder = is_elsewhere.map_or(self.folder_of_data.clone(), |data| data.display().to_string());
        Some(recipe)
    }
}

impl Study {
    /// The folders of the data that were measured, or the one where they lie now.
    pub fn data_folders(&self, data: Option<&Path>) -> Vec<PathBuf> {
        let folders = self.cells.iter().filter_map(|cell| Some(PathBuf::from(cell.recipe_on(data)?.data.folder)));
        folders.collect::<BTreeSet<PathBuf>>().into_iter().collect()
    }
}

/// A file that a run read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct DataFile {
    /// Train, dev or test.
    pub split: String,
    /// Its language.
    pub language: String,
    /// Examples that counted.
    pub examples: u64,
    /// Where it lay.
    pub path: String,
    /// Its hash.
    pub sha256: String,
}

/// Predictions by language.
type Given = BTreeMap<String, Vec<Prediction>>;

/// The task of predictions of which nobody says it: labels are told apart by their names alone.
const UNNAMED: Task = Task { name: "predictions", about: "predictions made elsewhere", ..Task::UNDESCRIBED };

/// What runs or predictions are called, by their paths.
pub type Labels = BTreeMap<PathBuf, String>;

/// A cell of which no predictions were read yet.
struct Found {
    cell: Cell,
    /// What it is to be called, whatever its method.
    label: Option<String>,
    languages: Vec<String>,
    task: &'static Task,
    data: Vec<DataFile>,
    /// The files that it was made of, where it is a run that says so.
    inputs: Option<Inputs>,
}

impl Study {
    /// Reads run folders, folders of them, or folders of single methods inside one.
    pub fn read(paths: &[PathBuf]) -> Result<Study> {
        Study::read_as(paths, &Labels::new())
    }

    /// The same, where some have a name of their own; predictions made elsewhere (files, or folders of them) may be among
    /// them, each a model, and each with another seed where several have one name.
    pub fn read_as(paths: &[PathBuf], labels: &Labels) -> Result<Study> {
        if let Some((path, name)) = labels.iter().find(|(path, _)| !paths.contains(path)) {
            let path = path.display();
            return Err(Error::Usage(format!(
                "--label {path}={name}: {path} is none of the runs; write it as it stands there"
            )));
        }
        let (mut found, mut notes) = (Vec::new(), Vec::new());
        for path in paths.iter().filter(|path| !is_predictions(path)) {
            let from = found.len();
            find(path, &mut found, &mut notes)?;
            found[from..].iter_mut().for_each(|one| one.label = labels.get(path).cloned());
        }
        let mut seeds: BTreeMap<String, u64> = BTreeMap::new();
        for path in paths.iter().filter(|path| is_predictions(path)) {
            let shown = path.display();
            let task = found.first().map(|one| one.task).ok_or_else(|| {
                Error::Usage(format!(
                    "{shown}: predictions are reported on beside runs, which say the task; else: rxlt compare --task"
                ))
            })?;
            let mut one = found_in(path, task, given(path, Some(task))?);
            let label = labels.get(path).cloned().unwrap_or_else(|| shown.to_string());
            let seed = seeds.entry(label.clone()).or_default();
            *seed += 1;
            (one.cell.seed, one.label) = (*seed, Some(label));
            found.push(one);
        }
        refuse_strangers(&found)?;
        name_cells(&mut found)?;
        notes.extend(learned_apart_note(&found));
        Study::of(found, notes)
    }

    /// The same with other names for the sides of these paths.
    pub fn renamed(mut self, labels: &Labels) -> Result<Study> {
        for (path, name) in labels {
            let is_of = |cell: &Cell| cell.folder.starts_with(path);
            if !self.cells.iter().any(is_of) || self.cells.iter().any(|cell| !is_of(cell) && cell.label == *name) {
                let (path, known) = (path.display(), self.methods());
                let known = known.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Error::Usage(format!(
                    "--label {path}={name}: expected the path of one side and a name that the other has not, found the sides \
                     {known}"
                )));
            }
            self.cells.iter_mut().filter(|cell| is_of(cell)).for_each(|cell| cell.label.clone_from(name));
        }
        Ok(self)
    }

    /// Reads two sides, each of one method, which are labeled by their methods or, where these are one, by their paths.
    pub fn pair(a: &Path, b: &Path) -> Result<Study> {
        let (mut both, mut notes) = (Vec::new(), Vec::new());
        for path in [a, b] {
            let mut found = Vec::new();
            find(path, &mut found, &mut notes)?;
            name_cells(&mut found)?;
            let labels: BTreeSet<&str> = found.iter().map(|found| found.cell.label.as_str()).collect();
            if labels.len() != 1 {
                let labels = labels.into_iter().collect::<Vec<_>>().join(", ");
                let path = path.display();
                return Err(Error::Usage(format!(
                    "{path}: expected one method to compare, found {}; name a method's folder inside, or use --methods",
                    if labels.is_empty() { "none that is finished" } else { &labels }
                )));
            }
            both.push(found);
        }
        if both[0][0].cell.label == both[1][0].cell.label {
            for (path, found) in [a, b].iter().zip(&mut both) {
                found.iter_mut().for_each(|found| found.cell.label = path.display().to_string());
            }
        }
        let both: Vec<Found> = both.into_iter().flatten().collect();
        notes.extend(learned_apart_note(&both));
        refuse_strangers(&both)?;
        refuse_twins(&both)?;
        Study::of(both, notes)
    }

    /// Two sides of predictions that were made by whatever means, each a file or a folder of files.
    pub fn of_predictions(a: &Path, b: &Path, task: Option<&'static Task>) -> Result<Study> {
        if let Some(run) = [a, b].into_iter().find(|path| !is_predictions(path)) {
            let run = run.display();
            let remedy = "name its files in predictions/, or two runs";
            return Err(Error::Usage(format!("{run}: expected predictions as on the other side; {remedy}")));
        }
        let named: &'static Task = task.unwrap_or(&UNNAMED);
        refuse_without_marks(named, a)?;
        let sides = [a, b].into_iter().map(|path| Ok(found_in(path, named, given(path, task)?)));
        let sides: Vec<Found> = sides.collect::<Result<_>>()?;
        if sides[0].cell.label == sides[1].cell.label {
            return Err(Error::Usage(format!("{} is named twice; name two sides", a.display())));
        }
        refuse_strangers(&sides)?;
        Study::of(sides, Vec::new())
    }

    /// The same with these labels alone, in this order.
    pub fn only(mut self, labels: &[&str]) -> Result<Study> {
        for label in labels {
            if !self.cells.iter().any(|cell| cell.label == *label) {
                let known: BTreeSet<&str> = self.cells.iter().map(|cell| cell.label.as_str()).collect();
                return Err(Error::Usage(format!(
                    "no finished run has the method \"{label}\"; {}",
                    did_you_mean(label, known)
                )));
            }
        }
        self.cells.retain(|cell| labels.contains(&cell.label.as_str()));
        self.cells.sort_by_key(|cell| labels.iter().position(|label| *label == cell.label));
        Ok(self)
    }

    fn of(found: Vec<Found>, notes: Vec<String>) -> Result<Study> {
        let Some(first) = found.first() else {
            let notes = notes.join("; ");
            return Err(Error::Missing(format!("there is no finished run to report on: {notes}")));
        };
        let (task, languages, data) = (first.task, first.languages.clone(), first.data.clone());
        let mut cells: Vec<Cell> = found.into_iter().map(|found| found.cell).collect();
        let order: Vec<String> = cells.iter().map(|cell| cell.label.clone()).collect();
        let place = |cell: &Cell| order.iter().position(|label| *label == cell.label);
        cells.sort_by_key(|cell| (place(cell), cell.seed));
        Study::with_predictions(task, languages, cells, notes, data)
    }

    /// Reads all predictions; the items of all cells must be those of the first.
    fn with_predictions(
        task: &'static Task,
        languages: Vec<String>,
        mut cells: Vec<Cell>,
        mut notes: Vec<String>,
        data: Vec<DataFile>,
    ) -> Result<Study> {
        // Of predictions without a run the order, and perhaps the rows, are those of a run, if there is one.
        let first = cells.iter().position(Cell::has_run).unwrap_or_default();
        let others = || (0..cells.len()).filter(|cell| *cell != first);
        let items = |language: &String| {
            let others = others().map(|cell| answers(&cells[cell], language));
            items::complete(answers(&cells[first], language)?, others, task)
        };
        let tests = languages.iter().map(items).collect::<Result<Vec<_>>>()?;
        let first = cells[first].folder.clone();
        for cell in &mut cells {
            let Some(given) = cell.given.take() else { continue };
            let mut own = Given::new();
            for (language, test) in languages.iter().zip(&tests) {
                let predictions = given.get(language).cloned().unwrap_or_default();
                let aligned = items::aligned(language, (&first, test), (&cell.folder, predictions))?;
                own.insert(language.clone(), aligned);
            }
            cell.given = Some(Arc::new(own));
        }
        let rows: BTreeSet<usize> = tests.iter().flatten().map(|answer| answer.row).collect();
        let rows: Vec<usize> = rows.into_iter().collect();
        notes.extend(items::notes(task, &languages, &tests));
        let place: BTreeMap<usize, usize> = rows.iter().enumerate().map(|(i, row)| (*row, i)).collect();
        let with_grid = cells.iter().filter(|cell| cell.grid.is_some()).count();
        let has_pairs = with_grid == cells.len() && languages.len() > 1;
        if with_grid > 0 && !has_pairs {
            notes.push("pairs of languages are left out: not all of these runs measured them (generalized)".into());
        }
        let read = |cell: &mut Cell| {
            for (language, test) in languages.iter().zip(&tests) {
                let own = answers(cell, language)?;
                same_items(language, (&first, test), (&cell.folder, &own))?;
                cell.odd.extend(oddities(task, &own));
                let marked = kinds::of(task).marks(task, language, &own)?;
                let is_answer = |one: &Marked| one.marks[0].1 == 1.0 && [0.0, 1.0].contains(&one.marks[0].0);
                let right =
                    marked.iter().all(is_answer).then(|| marked.iter().map(|one| one.marks[0].0 == 1.0).collect());
                cell.right.push(right.unwrap_or_default());
                cell.scores.extend(CellScore::all(task, language, &marked, own.len()));
                cell.marks.push(column(&place, &marked));
            }
            let pairs = if has_pairs { Some(pairs(cell, task, &languages, &place)?) } else { None };
            Ok(pairs.map(|(examples, column)| {
                cell.marks.push(column);
                examples
            }))
        };
        let of_pairs: Vec<Option<Vec<usize>>> = cells.par_iter_mut().map(read).collect::<Result<_>>()?;
        let mut examples: Vec<Vec<usize>> = tests.iter().map(|test| count(&place, test)).collect();
        if let Some(odd) = of_pairs.iter().position(|examples| *examples != of_pairs[0]) {
            let (first, other) = (first.display(), cells[odd].folder.display());
            return Err(Error::Data(format!("{first} and {other} have different items in pairs of languages")));
        }
        examples.extend(of_pairs.into_iter().next().flatten());
        notes.extend(doubts(&cells));
        let metric = kinds::of(task).metrics(task)[0];
        let joined = joined(&rows, tests.iter().flatten());
        Ok(Study { task, languages, cells, metric, examples, has_pairs, rows, joined, notes, data })
    }

    /// The labels in order, each with its cells.
    pub fn methods(&self) -> Vec<(String, Vec<usize>)> {
        let mut methods: Vec<(String, Vec<usize>)> = Vec::new();
        for (i, cell) in self.cells.iter().enumerate() {
            match methods.iter_mut().find(|(label, _)| *label == cell.label) {
                Some((_, cells)) => cells.push(i),
                None => methods.push((cell.label.clone(), vec![i])),
            }
        }
        methods
    }

    /// The same study on the items of these rows alone; single items are no longer told apart.
    pub fn restricted(&self, rows: &BTreeSet<usize>) -> Study {
        let kept: Vec<usize> = (0..self.rows.len()).filter(|i| rows.contains(&self.rows[*i])).collect();
        let part = |column: &Column| {
            let of = |numbers: &[f32]| kept.iter().map(|i| numbers[*i]).collect();
            Column { parts: of(&column.parts), wholes: of(&column.wholes) }
        };
        let cell = |cell: &Cell| {
            let marks = cell.marks.iter().map(part).collect();
            Cell { marks, right: Vec::new(), ..cell.clone() }
        };
        Study {
            cells: self.cells.iter().map(cell).collect(),
            examples: self.examples.iter().map(|column| kept.iter().map(|i| column[*i]).collect()).collect(),
            rows: kept.iter().map(|i| self.rows[*i]).collect(),
            joined: numbered(kept.iter().map(|i| self.joined[*i])),
            ..self.clone()
        }
    }

    /// The same with what belongs together as one item, as intervals and tests have it; single items are told apart by
    /// what each answered alone.
    pub fn by_cluster(&self) -> Cow<'_, Study> {
        let n = self.joined.iter().max().map_or(0, |last| last + 1);
        if n == self.rows.len() {
            return Cow::Borrowed(self);
        }
        let sum = |column: &Column| {
            let mut sum = Column::of(n);
            let marks = self.joined.iter().zip(column.pairs());
            marks.for_each(|(cluster, marks)| sum.add(*cluster, marks));
            sum
        };
        let count = |column: &Vec<usize>| {
            let mut counts = vec![0; n];
            self.joined.iter().zip(column).for_each(|(cluster, count)| counts[*cluster] += count);
            counts
        };
        let first = |cluster: usize| self.joined.iter().position(|one| *one == cluster).map_or(0, |i| self.rows[i]);
        let cell = |cell: &Cell| Cell { marks: cell.marks.iter().map(sum).collect(), ..cell.clone() };
        Cow::Owned(Study {
            cells: self.cells.iter().map(cell).collect(),
            examples: self.examples.iter().map(count).collect(),
            rows: (0..n).map(first).collect(),
            joined: (0..n).collect(),
            ..self.clone()
        })
    }
}

/// Adds all models that a path stands for.
fn find(path: &Path, found: &mut Vec<Found>, notes: &mut Vec<String>) -> Result<()> {
    places(path)?.iter().try_for_each(|place| read_run(place, found, notes))
}

/// The run folders that a path stands for.
fn places(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Err(Error::Missing(format!("there is no folder {}; name folders that rxlt run left", path.display())));
    }
    let in_run = path.parent().is_some_and(is_run) && path.join(files::PREDICTIONS).is_dir();
    if is_run(path) || in_run {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(|error| Error::read(path, &error))?;
    let inside = entries.flatten().map(|entry| entry.path()).filter(|path| is_run(path));
    let mut inside: Vec<PathBuf> = inside.collect();
    inside.sort_by_key(|path| {
        let digits = path.to_string_lossy().chars().rev().take_while(char::is_ascii_digit).count();
        (digits, path.clone()) // s2 before s10
    });
    if inside.is_empty() {
        let path = path.display();
        return Err(Error::Data(format!(
            "{path} is no run: expected {CONFIG} in it, or in folders inside; name folders that rxlt run left"
        )));
    }
    Ok(inside)
}

/// Adds the models of a run folder, or of the one stage folder named; those that are not measured are noted.
fn read_run(path: &Path, found: &mut Vec<Found>, notes: &mut Vec<String>) -> Result<()> {
    let (run, only) = match is_run(path) {
        true => (path, None),
        false => (path.parent().unwrap_or(path), path.file_name()),
    };
    let text = read_text(&run.join(CONFIG))?;
    let resolved = Resolved::parse(&text, &run.join(CONFIG).display().to_string(), &[])?;
    let recipe = &resolved.recipe;
    let Some(task) = recipe.last_task()? else {
        notes.push(format!("left out: {} ends in masked language modelling, which no task measures", run.display()));
        return Ok(());
    };
    refuse_without_marks(task, run)?;
    let environment: Environment = read_json(&run.join(files::ENVIRONMENT))?;
    let data = data_files(&run.join(files::DATA))?;
    let inputs = Inputs::read(&run.join(INPUTS))?;
    if recipe.data.eval_split != Split::Test {
        let note = format!("measured on {} data, not on test data", recipe.data.eval_split);
        notes.extend((!notes.contains(&note)).then_some(note));
    }
    let overlaps = overlap::sentences(&overlap_of(run)?);
    notes.extend(overlaps.into_iter().filter(|sentence| !notes.contains(sentence)).collect::<Vec<_>>());
    for method in &recipe.methods {
        let name = recipe.stage_name(recipe.stages.len() - 1, Some(method));
        if only.is_some_and(|only| only.to_str() != Some(&name)) {
            continue;
        }
        let folder = run.join(&name);
        if !is_measured(&folder) {
            notes.push(format!("left out: {} is not finished ({})", folder.display(), status(run)));
            continue;
        }
        let metrics = read_json(&folder.join(files::METRICS))?;
        let cell = measured(&resolved, method, folder, &environment, &metrics, curve(&run.join(files::LOG), &name)?);
        let languages = languages(&cell.folder, &metrics)?;
        found.push(Found { cell, label: None, languages, task, data: data.clone(), inputs: inputs.clone() });
    }
    Ok(())
}

/// Refuses what cannot be resampled item by item.
fn refuse_without_marks(task: &Task, place: &Path) -> Result<()> {
    if kinds::of(task).has_marks() {
        return Ok(());
    }
    let place = place.display();
    Err(Error::Usage(format!(
        "{place}: {} is measured by correlations, which are no sums over items, and are not tested here; they are in the \
         metrics.json of each method with their intervals",
        task.name
    )))
}

/// A model that was measured, without its predictions.
fn measured(
    resolved: &Resolved,
    method: &Method,
    folder: PathBuf,
    environment: &Environment,
    metrics: &Value,
    curve: Vec<[f64; 2]>,
) -> Cell {
    let settings = settings(resolved, method);
    Cell {
        label: method.name.clone(),
        seed: resolved.recipe.seed,
        recipe: resolved.recipe.name.clone(),
        selection: metrics["selection"].as_str().unwrap_or("not recorded").to_owned(),
        environment: environment.clone(),
        config: sha256(settings.to_toml().as_bytes())[..12].to_owned(),
        final_loss: FinalLoss::from_json(&metrics["training"]).map(|last| last.mean),
        odd: metrics["training"]["warning"].as_str().map(str::to_owned).into_iter().collect(),
        right: Vec::new(),
        scores: Vec::new(),
        marks: Vec::new(),
        grid: grid(&metrics["generalized"]),
        shortcut: Shortcut::read(&metrics["shortcut"]),
        curve,
        settings,
        folder_of_data: resolved.recipe.data.folder.clone(),
        folder,
        given: None,
    }
}

/// What makes the results of models doubtful, a sentence for each.
fn doubts(cells: &[Cell]) -> impl Iterator<Item = String> {
    let odd = cells.iter().filter(|cell| !cell.odd.is_empty());
    odd.map(|cell| format!("doubtful: {}, seed {}: {}", cell.label, cell.seed, cell.odd.join("; ")))
}

/// Which test items a run trained on; runs of earlier versions do not say.
fn overlap_of(run: &Path) -> Result<Vec<Overlap>> {
    let path = run.join(files::OVERLAP);
    match path.is_file() {
        true => read_json(&path),
        false => Ok(Vec::new()),
    }
}

/// Whether a path is predictions without a run: a file of them, or a folder of such files.
pub fn is_predictions(path: &Path) -> bool {
    path.is_file() || (path.is_dir() && !is_run(path) && !prediction_files(path).is_empty())
}

/// The files of predictions that a path stands for.
fn prediction_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    // A run keeps there what it asked beside its items: that is no answer to them.
    let is_beside =
        |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(files::FOREIGN));
    let is_answers = |file: &PathBuf| file.extension().is_some_and(|end| end == "jsonl") && !is_beside(file);
    let mut files: Vec<PathBuf> = entries.filter(is_answers).collect();
    files.sort();
    files
}

/// Predictions by language under the task's names of labels, in the order of their files.
fn given(path: &Path, task: Option<&Task>) -> Result<Given> {
    let mut all = Given::new();
    for file in prediction_files(path) {
        for (language, judged) in predictions::judged_file(&file, task)? {
            all.entry(language).or_default().extend(judged);
        }
    }
    for (language, answers) in &all {
        let mut seen = BTreeSet::new();
        if let Some(twice) = answers.iter().find(|answer| !seen.insert(&answer.id)) {
            let (path, id) = (path.display(), &twice.id);
            return Err(Error::Data(format!("{path}: \"{id}\" of {language} is predicted twice; keep one of them")));
        }
    }
    Ok(all)
}

/// Predictions as a model that was measured.
fn found_in(path: &Path, task: &'static Task, given: Given) -> Found {
    let mut languages: Vec<String> = given.keys().cloned().collect();
    languages.sort_by_key(|language| language != task.source);
    let nowhere = "not recorded".to_owned();
    let environment = Environment {
        rxlt: nowhere.clone(),
        system: nowhere.clone(),
        cpu: nowhere.clone(),
        threads: 0,
        ranks: 1,
        device: nowhere.clone(),
        model: None,
        data: None,
        argv: Vec::new(),
        started: nowhere.clone(),
    };
    let cell = Cell {
        label: path.display().to_string(),
        seed: 0,
        recipe: nowhere.clone(),
        folder: path.to_owned(),
        selection: nowhere,
        environment,
        config: String::new(),
        odd: Vec::new(),
        final_loss: None,
        right: Vec::new(),
        scores: Vec::new(),
        marks: Vec::new(),
        grid: None,
        shortcut: None,
        curve: Vec::new(),
        settings: Resolved { recipe: Recipe::default(), sources: BTreeMap::new() },
        folder_of_data: String::new(),
        given: Some(Arc::new(given)),
    };
    Found { cell, label: None, languages, task, data: Vec::new(), inputs: None }
}

/// What must agree between the seeds of a method: all settings but the seed, names, and where data lie (whose items are
/// compared themselves).
fn settings(resolved: &Resolved, method: &Method) -> Resolved {
    let method = Method { name: String::new(), ..method.clone() };
    let mut recipe =
        Recipe { seed: 0, name: String::new(), about: String::new(), methods: vec![method], ..resolved.recipe.clone() };
    recipe.data.folder = String::new();
    Resolved { recipe, sources: BTreeMap::new() }
}

fn status(run: &Path) -> String {
    let status: Option<Value> = read_json(&run.join(files::STATUS)).ok();
    let status = status.and_then(|value| Status::deserialize(&value["status"]).ok());
    match status {
        Some(Status::Running) => "running, or killed: rxlt run goes on with it",
        Some(Status::Paused) => "stopped on request: rxlt run goes on with it",
        Some(Status::Failed) => "failed: see its STATUS.json",
        Some(Status::Done) => "its metrics.json is gone: rxlt run writes it again",
        None => "without STATUS.json",
    }
    .into()
}

/// The languages measured, in order.
fn languages(folder: &Path, metrics: &Value) -> Result<Vec<String>> {
    let listed = metrics["languages"].as_array().into_iter().flatten();
    let languages: Vec<String> = listed.filter_map(|score| Some(score["language"].as_str()?.to_owned())).collect();
    match languages.is_empty() {
        false => Ok(languages),
        true => Err(Error::Data(format!("{}/metrics.json names no languages", folder.display()))),
    }
}

fn grid(value: &Value) -> Option<Vec<Vec<Option<f64>>>> {
    let row = |row: &Value| Some(row.as_array()?.iter().map(|score| score["accuracy"].as_f64()).collect());
    value["scores"].as_array()?.iter().map(row).collect()
}

fn data_files(path: &Path) -> Result<Vec<DataFile>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lock: Value = read_json(path)?;
    let mut files = Vec::new();
    for part in lock.as_array().into_iter().flatten() {
        let entry = |file: &Value| DataFile {
            split: text(&part["split"]),
            language: text(&part["language"]),
            examples: part["examples"].as_u64().unwrap_or(0),
            path: text(&file["path"]),
            sha256: text(&file["sha256"]),
        };
        files.extend(part["files"].as_array().into_iter().flatten().map(entry));
    }
    Ok(files)
}

/// The losses of a stage, neighbours drawn together until few enough are left.
fn curve(path: &Path, stage: &str) -> Result<Vec<[f64; 2]>> {
    let text = read_text(path)?;
    let mut points = Vec::new();
    for line in text.lines().filter(|line| line.contains("\"step\"")) {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        if event["event"] == "step" && event["stage"] == stage {
            points.extend(event["step"].as_f64().zip(event["loss"].as_f64()).map(|(step, loss)| [step, loss]));
        }
    }
    Ok(drawn_together(&points))
}

/// As many points as a curve has at most, each the mean of as many neighbours as any other, but for one.
fn drawn_together(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let (n, parts) = (points.len(), points.len().min(CURVE_POINTS));
    let part = |i: usize| &points[i * n / parts..(i + 1) * n / parts];
    let drawn = |points: &[[f64; 2]]| [0, 1].map(|i| mean(&points.iter().map(|point| point[i]).collect::<Vec<_>>()));
    (0..parts).map(|i| drawn(part(i))).collect()
}

/// Refuses runs that are not comparable with the first.
fn refuse_strangers(found: &[Found]) -> Result<()> {
    found.iter().skip(1).try_for_each(|other| comparable(&found[0], other))
}

/// Refuses runs of another task, in other languages, or on other files.
fn comparable(first: &Found, other: &Found) -> Result<()> {
    let (a, b) = (first.cell.folder.display(), other.cell.folder.display());
    if first.task.name != other.task.name {
        let (task, others) = (first.task.name, other.task.name);
        return Err(Error::Data(format!("{a} is a run of {task}, {b} of {others}; report on one task at a time")));
    }
    let lacking = |own: &[String], others: &[String]| -> Vec<String> {
        others.iter().filter(|language| !own.contains(language)).cloned().collect()
    };
    for (name, own, others) in [(&a, &first.languages, &other.languages), (&b, &other.languages, &first.languages)] {
        let lacking = lacking(own, others);
        if !lacking.is_empty() {
            let lacking = lacking.join(", ");
            return Err(Error::Data(format!(
                "{a} and {b} measured different languages: {name} lacks {lacking}; run both with the same languages"
            )));
        }
    }
    let tests = |found: &Found| -> BTreeSet<(String, String)> {
        let split = found.cell.split().to_string();
        let tests = found.data.iter().filter(|file| file.split == split);
        tests.map(|file| (file.language.clone(), file.sha256.clone())).collect()
    };
    let (of_first, of_other) = (tests(first), tests(other));
    match of_first.difference(&of_other).next().filter(|_| other.cell.has_run()) {
        None => Ok(()),
        Some((language, hash)) => Err(Error::Data(format!(
            "{a} and {b} were measured on different files of {language} (SHA-256 {}… in the first); measure both on the \
             same data",
            &hash[..hash.len().min(12)]
        ))),
    }
}

/// Labels models as they are to be called, else by method, or by recipe and method where one name stands for several
/// configurations.
fn name_cells(found: &mut [Found]) -> Result<()> {
    let differ = |one: &&Found| {
        let has_own = |other: &Found| other.label.is_none() && other.cell.label == one.cell.label;
        found.iter().any(|other| has_own(other) && other.cell.config != one.cell.config)
    };
    let unnamed = found.iter().filter(|one| one.label.is_none());
    let several: BTreeSet<String> = unnamed.filter(differ).map(|one| one.cell.label.clone()).collect();
    for one in found.iter_mut() {
        match &one.label {
            Some(label) => one.cell.label.clone_from(label),
            None if several.contains(&one.cell.label) => {
                one.cell.label = format!("{} {}", one.cell.recipe, one.cell.label);
            }
            None => {}
        }
    }
    refuse_twins(found)
}

/// Says which labels learned from other files than the first: what they differ in is then not the method alone.
fn learned_apart_note(found: &[Found]) -> Option<String> {
    let (first, of_first) = found.iter().find_map(|one| Some((&one.cell.label, one.inputs.as_ref()?)))?;
    let apart = found.iter().filter_map(|one| Some((&one.cell.label, one.inputs.as_ref()?.learned_apart(of_first)?)));
    let apart: BTreeMap<&String, String> = apart.filter(|(label, _)| *label != first).collect();
    let apart: Vec<String> = apart.iter().map(|(label, role)| format!("{label} ({role})")).collect();
    (!apart.is_empty()).then(|| {
        format!(
            "learned from other files than {first}: {}; what they differ in is not the method alone",
            apart.join(", ")
        )
    })
}

/// Refuses one label for several configurations or for models of different files, and one seed twice.
fn refuse_twins(found: &[Found]) -> Result<()> {
    for (i, Found { cell, inputs, .. }) in found.iter().enumerate() {
        let same = found[..i].iter().filter(|other| other.cell.label == cell.label);
        for Found { cell: other, inputs: of_other, .. } in same {
            let (a, b, label) = (other.folder.display(), cell.folder.display(), &cell.label);
            if other.config != cell.config {
                let differences = cell.settings.differences(&other.settings.to_toml()).unwrap_or_default();
                let lines: Vec<String> = differences.iter().map(|(key, a, b)| format!("{key}: {a}, {b}")).collect();
                let lines = lines.join("; ");
                return Err(Error::Data(format!(
                    "{a} and {b} are both called \"{label}\", with different settings ({lines}); name the recipes or \
                     methods apart"
                )));
            }
            if let Some(role) = of_other.as_ref().zip(inputs.as_ref()).and_then(|(a, b)| a.learned_apart(b)) {
                return Err(Error::Data(format!(
                    "{a} and {b} are both called \"{label}\", and were made of different files ({role}; the inputs.json of \
                     each has their SHA-256); make both from the same, or name them apart with --label"
                )));
            }
            if other.seed == cell.seed {
                let seed = cell.seed;
                return Err(Error::Data(format!(
                    "{a} and {b} are both \"{label}\" with seed {seed}; name one of them"
                )));
            }
        }
    }
    Ok(())
}

/// Refuses test sets that differ, with the first difference.
fn same_items(language: &str, (a, first): (&Path, &[Prediction]), (b, other): (&Path, &[Prediction])) -> Result<()> {
    let differs = |(x, y): (&Prediction, &Prediction)| {
        (&x.id, x.row, &x.label, &x.answers) != (&y.id, y.row, &y.label, &y.answers)
    };
    let at = first.iter().zip(other).position(differs);
    if at.is_none() && first.len() == other.len() {
        return Ok(());
    }
    let show = |answers: &[Prediction]| match at.and_then(|at| answers.get(at)) {
        Some(answer) => {
            let label = answer.label.as_deref().unwrap_or("none");
            format!("item {} is \"{}\" with label {label}", at.unwrap_or(0) + 1, answer.id)
        }
        None => format!("{} items", answers.len()),
    };
    Err(Error::Data(format!(
        "{language}: the test items differ: {} in {}, {} in {}; only predictions for the same items can be compared",
        show(first),
        a.display(),
        show(other),
        b.display()
    )))
}

fn prediction_file(cell: &Cell, language: &str) -> PathBuf {
    files::predictions(&cell.folder, &cell.split().to_string(), language)
}

/// What a model predicted in a language.
pub(super) fn answers(cell: &Cell, language: &str) -> Result<Vec<Prediction>> {
    if let Some(given) = &cell.given {
        return Ok(given.get(language).cloned().unwrap_or_default());
    }
    read_answers(&prediction_file(cell, language))
}

/// A file of predictions that a run wrote; each must say what is right, and how probable it was is not kept.
pub fn read_answers(path: &Path) -> Result<Vec<Prediction>> {
    if !path.is_file() {
        let path = path.display();
        let remedy = "run the recipe again: what is missing is predicted";
        return Err(Error::Missing(format!("there is no {path}, though its scores are there; {remedy}")));
    }
    let said = files::of_predictions(path);
    if said.is_file() {
        files::refuse_changed(path, &read_json(&said)?)?;
    }
    let answer = |(i, one): (usize, Prediction)| match (&one.label, &one.answers) {
        (None, None) => {
            let (path, line, id) = (path.display(), i + 1, &one.id);
            Err(Error::Data(format!("{path}:{line}: \"{id}\" has no label to score against")))
        }
        _ => Ok(Prediction { probabilities: None, ..one }),
    };
    predictions::read(path)?.into_iter().enumerate().map(answer).collect()
}

/// By cluster, how many answers all ordered pairs of two languages have, and their marks.
fn pairs(
    cell: &Cell,
    task: &Task,
    languages: &[String],
    place: &BTreeMap<usize, usize>,
) -> Result<(Vec<usize>, Column)> {
    let (mut examples, mut marks) = (vec![0; place.len()], Column::of(place.len()));
    for first in languages {
        for second in languages.iter().filter(|second| *second != first) {
            let language = format!("{first}-{second}");
            let answers = read_answers(&prediction_file(cell, &language))?;
            for one in kinds::of(task).marks(task, &language, &answers)? {
                if let Some(i) = place.get(&one.row) {
                    examples[*i] += 1;
                    marks.add(*i, one.marks[0]);
                }
            }
        }
    }
    Ok((examples, marks))
}

/// By row, the number of its cluster: rows that are one in any language are one.
fn joined<'a>(rows: &[usize], answers: impl Iterator<Item = &'a Prediction>) -> Vec<usize> {
    let joined = Joined::of(answers.map(|one| (one.row, one.cluster)));
    numbered(rows.iter().map(|row| joined.item_of(*row)))
}

/// Names as numbers from 0, in the order of their first mention.
fn numbered(names: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    names
        .map(|name| {
            let next = numbers.len();
            *numbers.entry(name).or_insert(next)
        })
        .collect()
}

/// The marks of answers by cluster.
fn column(place: &BTreeMap<usize, usize>, marked: &[Marked]) -> Column {
    let mut column = Column::of(place.len());
    marked.iter().for_each(|one| column.add(place[&one.row], one.marks[0]));
    column
}

fn count(place: &BTreeMap<usize, usize>, answers: &[Prediction]) -> Vec<usize> {
    let mut counts = vec![0; place.len()];
    answers.iter().for_each(|answer| counts[place[&answer.row]] += 1);
    counts
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::read(path, &error))
}

/// Rows of a test set, from a file with one JSON object a line, such as `rxlt flips` writes: `{"row": 17}`.
pub fn read_rows(path: &Path, task: &Task) -> Result<BTreeSet<usize>> {
    #[derive(Deserialize)]
    struct Item {
        row: usize,
        task: Option<String>,
    }
    let text = read_text(path)?;
    let mut rows = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        let item: Item = serde_json::from_str(line)
            .map_err(|error| Error::Data(format!("{place}: {error}; expected an object such as {{\"row\": 17}}")))?;
        if item.task.as_ref().is_some_and(|named| tasks::find(named).map_or(true, |found| found.name != task.name)) {
            let named = item.task.unwrap_or_default();
            return Err(Error::Data(format!("{place}: an item of {named}, and the runs are of {}", task.name)));
        }
        rows.insert(item.row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with their rows and clusters.
    fn answers(of: &[(usize, usize)]) -> Vec<Prediction> {
        let one = |(row, cluster): &(usize, usize)| {
            let example = tasks::Example { row: *row, cluster: Some(*cluster), ..tasks::Example::default() };
            Prediction::of("de", &example, "x".into())
        };
        of.iter().map(one).collect()
    }

    #[test]
    fn rows_that_are_one_in_any_language_are_one() {
        let rows = [3, 4, 5, 6, 9, 12];
        // One language has 3 and 5 together, another 5 and 9; 12's first is not among those measured.
        let (german, thai) = (answers(&[(3, 3), (4, 4), (5, 3), (9, 9)]), answers(&[(5, 5), (9, 5), (12, 1)]));
        assert_eq!(joined(&rows, german.iter().chain(&thai)), [0, 1, 0, 2, 0, 3]);
        assert_eq!(joined(&rows, [].iter()), [0, 1, 2, 3, 4, 5]);
    }
}
