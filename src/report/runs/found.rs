//! Finding what a path stands for: runs that are measured, and predictions made elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{shortcuts::Shortcut, statistics::mean},
    Cell, DataFile, Given,
};
use crate::{
    data::inputs::{INPUTS, Inputs},
    error::{Error, Result},
    input::read_text,
    kinds,
    recipe::{Method, Recipe, Resolved},
    run::{
        files::{self, CONFIG, is_measured, is_run, read_json},
        folder::{Environment, Status},
        losses::FinalLoss,
    },
    tasks::{
        Split, Task,
        overlap::{self, Overlap},
        predictions, sha256,
    },
};

/// Points of a loss curve at most.
const CURVE_POINTS: usize = 120;

/// A cell of which no predictions were read yet.
pub(super) struct Found {
    pub(super) cell: Cell,
    /// What it is to be called, whatever its method.
    pub(super) label: Option<String>,
    pub(super) languages: Vec<String>,
    pub(super) task: &'static Task,
    pub(super) data: Vec<DataFile>,
    /// The files that it was made of, where it is a run that says so.
    pub(super) inputs: Option<Inputs>,
}

/// Adds all models that a path stands for.
pub(super) fn find(path: &Path, found: &mut Vec<Found>, notes: &mut Vec<String>) -> Result<()> {
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
pub(super) fn refuse_without_marks(task: &Task, place: &Path) -> Result<()> {
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
pub(super) fn doubts(cells: &[Cell]) -> impl Iterator<Item = String> {
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
pub(super) fn given(path: &Path, task: Option<&Task>) -> Result<Given> {
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
pub(super) fn found_in(path: &Path, task: &'static Task, given: Given) -> Found {
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
