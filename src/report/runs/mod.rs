//! Run folders read back: which models were measured, and on which items each was right.
//!
//! Runs are put side by side only where that means something: one task, the same test items by id and label, one
//! configuration for each name of a method, and no seed twice. Everything else is refused, with what differs.

mod answers;
mod comparable;
mod found;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use rayon::prelude::*;

pub(super) use self::answers::answers;
use self::{
    answers::{column, count, joined, numbered, pairs},
    comparable::{learned_apart_note, name_cells, refuse_strangers, refuse_twins, same_items},
    found::{Found, doubts, find, found_in, given, refuse_without_marks},
};
pub use self::{
    answers::{read_answers, read_rows},
    found::is_predictions,
};
use super::{items, shortcuts::Shortcut};
use crate::{
    checkpoint,
    error::{Error, Result, did_you_mean},
    kinds::{self, Marked, score::oddities},
    metrics::clusters::share,
    recipe::{DEMO, Recipe, Resolved},
    run::folder::Environment,
    tasks::{Split, Task, predictions::Prediction},
};

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
            CellScore { language: language.to_owned(), metric, value: share(part, whole), n }
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
    /// Whether this file is one of the data that were measured, wherever it lies now.
    pub fn is_measured(&self, path: &Path) -> bool {
        let is_known = |own: String| self.data.iter().any(|file| file.sha256 == own);
        path.is_file() && checkpoint::sha256_file(path).is_ok_and(is_known)
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

    /// The same without languages of which no item is there, and which these are.
    pub fn without_empty(self) -> (Study, Vec<String>) {
        let is_there = |i: &usize| self.examples[*i].iter().any(|n| *n > 0);
        let (kept, gone): (Vec<usize>, Vec<usize>) = (0..self.languages.len()).partition(is_there);
        if gone.is_empty() {
            return (self, Vec::new());
        }
        let columns = || kept.iter().copied().chain(self.has_pairs.then_some(self.languages.len()));
        let names = |places: &[usize]| places.iter().map(|i| self.languages[*i].clone()).collect::<Vec<String>>();
        let (languages, gone) = (names(&kept), names(&gone));
        let cell = |cell: &Cell| Cell {
            marks: columns().map(|i| cell.marks[i].clone()).collect(),
            scores: cell.scores.iter().filter(|score| languages.contains(&score.language)).cloned().collect(),
            grid: None,
            ..cell.clone()
        };
        let study = Study {
            cells: self.cells.iter().map(cell).collect(),
            examples: columns().map(|i| self.examples[i].clone()).collect(),
            languages: languages.clone(),
            ..self.clone()
        };
        (study, gone)
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
