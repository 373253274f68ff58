//! `rxlt study`: all runs of a study, and its page.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::Value;
use toml::Table;

use super::{
    Force,
    device::{Chosen, DeviceArgs},
    named::{self, Network},
    perturb::{Changes, PerturbArgs},
    print,
    run::{Show, check_paths, lock, open, stop_on_signals, work},
    tell, write_page,
};
use crate::{
    checkpoint::{self, Output},
    data::Data,
    error::{self, Error, Result},
    input,
    kinds::score::{key, scores},
    measure::{Examiner, Opened, TOKENS_AT_ONCE, open_trained},
    ranks::Ranks,
    recipe::{Method, Resolved},
    report::document::Document,
    run::{
        files::{METRICS, MODEL, is_measured, read_json},
        full::Conditions,
        progress::Progress,
    },
    stop::Stop,
    study::{
        Cell, Design, Intermediate, SHIPPED,
        answer::{Observation, Scores},
        complexity::{Complexity, groups, measure_all},
        find, kept,
        page::{Findings, page},
    },
    tasks::{self, Loaded, Task},
};

/// Answer a question by many runs: what is learned before a task, and what that changes.
///
/// Runs go into folders by their settings; the same command goes on where it was stopped, and a run that is finished is
/// not made again. Without a name the studies that ship are listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt study
  rxlt study task-diversity --data data --output studies/diversity --dry-run
  rxlt study task-diversity --data data --output studies/diversity --page diversity.md
  rxlt study mine.toml --output studies/mine --page-only")]
pub struct Args {
    /// A study that ships, or a TOML file.
    study: Option<String>,
    /// The folder of all runs; studies/NAME where not given.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The model to start from, in place of the study's.
    #[arg(long, value_name = "DIR|NAME")]
    model: Option<String>,
    /// The data folder, in place of the study's.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The seeds, in place of the study's.
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Say which runs there are, and make none.
    #[arg(long)]
    dry_run: bool,
    /// Make the page of what is finished, and no run.
    #[arg(long, conflicts_with = "dry_run")]
    page_only: bool,
    /// Where the page is written, as Markdown, or as HTML where the name ends in .html; stdout has it as text where not
    /// given.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    device: DeviceArgs,
    /// How progress is shown on stderr.
    #[arg(long, value_enum, default_value = "auto")]
    progress: Show,
}

/// `rxlt study`
pub fn run(args: &Args, network: Network) -> Result<()> {
    let Some(name) = &args.study else { return list() };
    let design = design(name, args)?;
    let output = args.output.clone().unwrap_or_else(|| Path::new("studies").join(&design.name));
    let page = args.page.as_ref().map(|path| Output::new(path, args.force.existing(), &[])).transpose()?;
    let cells = design.cells(&output)?;
    if args.dry_run {
        return say_plan(&design, &cells);
    }
    let changes = changes(&design)?;
    let mut study =
        Study { design: &design, cells: &cells, network, changes: &changes, observed: Vec::new(), notes: Vec::new() };
    match args.page_only {
        true => cells.iter().try_for_each(|cell| study.observe(cell, None))?,
        false => study.work(args)?,
    }
    let document = study.page()?;
    let Some(page) = page else { return print(&document.to_text()) };
    write_page(&page, &document)
}

fn list() -> Result<()> {
    let mut text = String::new();
    for (name, file) in SHIPPED {
        text += &format!("{name}\n    {}\n", Design::parse(file, name)?.question);
    }
    print(&text)
}

/// The study with what the command line changes.
fn design(name: &str, args: &Args) -> Result<Design> {
    let path = Path::new(name);
    let is_file = path.extension().is_some_and(|extension| extension == "toml");
    let text = if is_file { input::read_text(path)? } else { find(name)?.to_owned() };
    let mut design = Design::parse(&text, name)?;
    if !args.seeds.is_empty() {
        design.seeds = args.seeds.clone();
    }
    if let Some(model) = &args.model {
        design.model = Table::from_iter([("path".to_owned(), toml::Value::String(named::path_or_name(model)?))]);
    }
    if let Some(folder) = &args.data {
        let (from, to) = (folder_of(&design), folder.display().to_string());
        let tables = design.targets.iter_mut().map(|target| &mut target.stage);
        let tables = tables.chain([&mut design.intermediate]).chain(&mut design.methods);
        tables.for_each(|table| table.iter_mut().for_each(|(_, value)| move_paths(value, &from, &to)));
        design.dictionaries.iter_mut().for_each(|dictionary| {
            *dictionary = dictionary.replace(&format!("={from}/"), &format!("={to}/"));
        });
        design.data.insert("folder".into(), toml::Value::String(to));
    }
    Ok(design)
}

/// The changes of test texts, each by what the study calls it.
fn changes(design: &Design) -> Result<Vec<(String, PerturbArgs)>> {
    let dictionaries = design.dictionaries.iter().map(|text| text.parse());
    let dictionary: Vec<_> =
        dictionaries.collect::<Result<_, _>>().map_err(|error| Error::Config(format!("dictionaries: {error}")))?;
    let change = |text: &String| {
        let perturb = vec![text.parse().map_err(|error| Error::Config(format!("perturb: {error}")))?];
        Ok((text.clone(), PerturbArgs { perturb, dictionary: dictionary.clone() }))
    };
    design.perturb.iter().map(change).collect()
}

fn folder_of(design: &Design) -> String {
    design.data.get("folder").and_then(toml::Value::as_str).unwrap_or("data").to_owned()
}

/// Paths inside the study's data folder lie in the one that is given.
fn move_paths(value: &mut toml::Value, from: &str, to: &str) {
    match value {
        toml::Value::String(path) => {
            if let Some(inside) = path.strip_prefix(&format!("{from}/")) {
                *path = Path::new(to).join(inside).display().to_string();
            }
        }
        toml::Value::Array(all) => all.iter_mut().for_each(|value| move_paths(value, from, to)),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| move_paths(value, from, to)),
        _ => {}
    }
}

fn say_plan(design: &Design, cells: &[Cell]) -> Result<()> {
    let done = cells.iter().filter(|cell| is_measured(&cell.folder)).count();
    let mut text = format!(
        "{}: {} runs of targets, {done} of them done, after {} runs before\n",
        design.name,
        cells.len(),
        Design::n_intermediate(cells)
    );
    for cell in cells {
        let mark = if is_measured(&cell.folder) { "done" } else { "to do" };
        text += &format!("{mark:<6}{}\n", cell.folder.display());
    }
    print(&text)
}

struct Study<'a> {
    design: &'a Design,
    cells: &'a [Cell],
    network: Network,
    changes: &'a [(String, PerturbArgs)],
    observed: Vec<Observation>,
    notes: Vec<String>,
}

impl Study<'_> {
    /// Makes all runs that are not finished.
    fn work(&mut self, args: &Args) -> Result<()> {
        let chosen = args.device.open()?;
        let progress = Progress::new(args.progress.mode());
        progress.note(format_args!("device: {}: {}", chosen.name, chosen.why));
        let (stop, place) = stop_on_signals()?;
        self.refuse_changes()?;
        // By folder, whether a run before the targets' came to its end: several share one.
        let mut ended: BTreeMap<&Path, bool> = BTreeMap::new();
        for (i, cell) in self.cells.iter().enumerate() {
            progress.note(format_args!("run {} of {}: {}", i + 1, self.cells.len(), cell.folder.display()));
            let mut make = |resolved: &Resolved, folder: &Path| {
                check_paths(resolved, self.network)?;
                *lock(&place) = Some(folder.to_owned());
                match one(resolved, folder, self.network, &chosen, &progress, &stop) {
                    Err(error @ Error::Diverged(_)) => {
                        self.notes.push(format!("{} diverged and is left out.", folder.display()));
                        progress.note(format_args!("{}: {error}", folder.display()));
                        Ok(false)
                    }
                    result => result.map(|()| true),
                }
            };
            let mut can_begin = true;
            if let Some(Intermediate { resolved, folder }) = &cell.before {
                can_begin = match ended.get(folder.as_path()) {
                    Some(ended) => *ended,
                    None => make(resolved, folder)?,
                };
                ended.insert(folder, can_begin);
            }
            if can_begin {
                make(&cell.resolved, &cell.folder)?;
            }
            *lock(&place) = None;
            self.observe(cell, Some(&chosen))?;
        }
        progress.finish();
        Ok(())
    }

    /// Says what a target cannot stand, and which dictionary is not there, before anything is trained.
    fn refuse_changes(&self) -> Result<()> {
        for target in &self.design.targets {
            let task = tasks::find(&target.task)?;
            self.changes.iter().try_for_each(|(_, change)| change.changes(task, PERTURBING_SEED).map(drop))?;
        }
        Ok(())
    }

    /// What a finished run has measured; on changed texts it is measured now, by the device where one is open.
    fn observe(&mut self, cell: &Cell, chosen: Option<&Chosen>) -> Result<()> {
        if !is_measured(&cell.folder) {
            return Ok(());
        }
        let path = cell.folder.join(METRICS);
        let damaged = |what: &dyn std::fmt::Display| Error::Data(format!("{}: {what}", path.display()));
        let metrics: Value = read_json(&path)?;
        for (result, method) in metrics["methods"].as_array().into_iter().flatten().zip(&cell.resolved.recipe.methods) {
            let metric = result["metric"].as_str().unwrap_or("accuracy");
            let mut scores = BTreeMap::new();
            for one in result["languages"].as_array().into_iter().flatten() {
                let (language, value) = (one["language"].as_str(), one[metric].as_f64());
                let (language, value) =
                    language.zip(value).ok_or_else(|| damaged(&format_args!("expected {metric} of each language")))?;
                scores.insert(language.to_owned(), value);
            }
            let observation = Observation {
                target: cell.target,
                arm: cell.arm.clone(),
                seed: cell.seed,
                method: method.name.clone(),
                change: None,
                source: result["source"].as_str().unwrap_or_default().to_owned(),
                scores,
            };
            for change in self.changes {
                if let Some(scores) = self.perturbed(cell, method, change, &observation, metric, chosen)? {
                    let change = Some(change.0.clone());
                    self.observed.push(Observation { change, scores, ..observation.clone() });
                }
            }
            self.observed.push(observation);
        }
        Ok(())
    }

    /// Scores on changed texts: predictions are kept beside the run's folder.
    fn perturbed(
        &mut self,
        cell: &Cell,
        method: &Method,
        (name, change): &(String, PerturbArgs),
        clean: &Observation,
        metric: &str,
        chosen: Option<&Chosen>,
    ) -> Result<Option<BTreeMap<String, f64>>> {
        let beside = PathBuf::from(format!("{}.perturbed", cell.folder.display()));
        let folder = beside.join(&method.name).join(name.replace(':', "-"));
        let recipe = &cell.resolved.recipe;
        let Some(task) = recipe.last_task()? else { return Ok(None) };
        if !checkpoint::is_complete(&folder) {
            let Some(chosen) = chosen else { return Ok(None) };
            let model = cell.folder.join(recipe.stage_name(0, Some(method))).join(MODEL);
            let changes = change.changes(task, PERTURBING_SEED)?;
            predict_changed(cell, task, changes, clean, &model, &folder, chosen)?;
        }
        let mut found = BTreeMap::new();
        for language in clean.scores.keys() {
            let Some(predicted) = kept::read(&folder, language)? else {
                self.note(format!("{}, {language}: {name} changes no word; left out of that.", task.name));
                continue;
            };
            let all = scores(task, language, &predicted)?;
            found.extend(all.iter().find(|score| key(score.metric) == metric).map(|s| (language.clone(), s.value)));
        }
        Ok((!found.is_empty()).then_some(found))
    }

    /// What is said once, whichever model it is of.
    fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn page(&self) -> Result<Document> {
        let complexity = self.complexity()?;
        let groups = groups(&complexity);
        let methods: Vec<String> = self
            .cells
            .first()
            .map_or(Vec::new(), |cell| cell.resolved.recipe.methods.iter().map(|method| method.name.clone()).collect());
        Ok(page(&Findings {
            design: self.design,
            cells: self.cells,
            done: self.cells.iter().filter(|cell| is_measured(&cell.folder)).count(),
            scores: &Scores::of(&self.observed, &groups),
            groups: &groups,
            complexity: &complexity,
            methods: &methods,
            notes: &self.notes,
        }))
    }

    /// The languages that were measured in, as their parallel text has them.
    fn complexity(&self) -> Result<Vec<Complexity>> {
        let Some(measure) = &self.design.complexity else { return Ok(Vec::new()) };
        let codes: BTreeSet<String> = self.observed.iter().flat_map(|one| one.scores.keys().cloned()).collect();
        let pattern = Path::new(&folder_of(self.design)).join(&measure.parallel);
        measure_all(&pattern, &codes.into_iter().collect::<Vec<_>>())
    }
}

/// Makes a run of the study, or goes on with it.
fn one(
    resolved: &Resolved,
    path: &Path,
    network: Network,
    chosen: &Chosen,
    progress: &Progress,
    stop: &Stop,
) -> Result<()> {
    let mut pinned = resolved.clone();
    named::pin(&mut pinned.recipe, network)?;
    let folder = open(&pinned, path, chosen, progress, Ranks::alone())?;
    work(&pinned, chosen, &folder, progress, stop, Conditions::default()).map(drop)
}

/// Predicts the test data of every language in which a word changes, and keeps that in a folder.
fn predict_changed(
    cell: &Cell,
    task: &Task,
    mut changes: Changes,
    clean: &Observation,
    model: &Path,
    folder: &Path,
    chosen: &Chosen,
) -> Result<()> {
    let recipe = &cell.resolved.recipe;
    let mut changed = Vec::new();
    for language in clean.scores.keys() {
        let mut loaded = Data::new(recipe).test(task, language)?;
        match changes.apply(&mut loaded) {
            Ok(_) => changed.push(loaded),
            Err(Error::Data(_)) => {} // no word changes, so there is nothing to measure, and the page says where
            Err(error) => return Err(error),
        }
    }
    error::catch(|| {
        let Opened { model, tokenizer, .. } = open_trained(model, task, &chosen.device, tell)?;
        let max_length = recipe.stages[0].max_length;
        let examiner = Examiner {
            model: &model,
            tokenizer: &tokenizer,
            task,
            max_length,
            tokens: TOKENS_AT_ONCE,
            stop: &Stop::new(),
        };
        let predict = |loaded: &Loaded| Ok((loaded.language.clone(), examiner.predict(loaded, None)?.predictions));
        let all = changed.iter().map(predict).collect::<Result<Vec<_>>>()?;
        kept::write(folder, &all, &changes.to_json())
    })
}

/// Of this texts are changed: the same for all models.
const PERTURBING_SEED: u64 = 7;
