//! `rxlt study`: all runs of a study, and its page.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use toml::Table;

use super::{
    Force,
    device::{Chosen, DeviceArgs},
    named::{self, Network},
    perturb::PerturbArgs,
    print,
    run::{Show, check_paths, lock, open, stop_on_signals, work},
    tell, write_page,
};
use crate::{
    checkpoint::{self, Output},
    data::Data,
    error::{self, Error, Result},
    input,
    kinds::{
        self,
        score::{key, scores},
    },
    measure::{Examiner, Opened, TOKENS_AT_ONCE, open_trained},
    ranks::Ranks,
    recipe::{DEMO, Method, Resolved},
    report::document::Document,
    run::{
        files::{METRICS, MODEL, is_measured, read_json},
        full::Conditions,
        progress::Progress,
    },
    stop::Stop,
    study::{
        Cell, Design, Intermediate, SHIPPED,
        answer::{Observation, Scores, Texts},
        find, kept,
        languages::{self, Languages, Measured, groups},
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
    check_challenges(&design)?;
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

/// Says which challenge cannot be told apart by a target's labels.
fn check_challenges(design: &Design) -> Result<()> {
    for target in &design.targets {
        let task = tasks::find(&target.task)?;
        for name in &target.challenges {
            let challenge = tasks::find(name)?;
            if !task.answers_as(challenge) {
                return Err(Error::Config(format!(
                    "challenges: expected a task of the kind of {} with its labels ({}), found {name} ({}); leave it out",
                    task.name,
                    task.labels.join(", "),
                    challenge.labels.join(", ")
                )));
            }
            if folder_of(design) == DEMO {
                return Err(Error::Config(format!(
                    "challenges: the demo's data have no {name}; name a folder of data that has it"
                )));
            }
        }
    }
    Ok(())
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

    /// Says which dictionary is not there, before anything is trained.
    fn refuse_changes(&self) -> Result<()> {
        for target in &self.design.targets {
            let task = tasks::find(&target.task)?;
            if kinds::of(task).placed().is_none() {
                self.changes.iter().try_for_each(|(_, change)| change.changes(task, PERTURBING_SEED).map(drop))?;
            }
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
                texts: Texts::Own,
                source: result["source"].as_str().unwrap_or_default().to_owned(),
                scores,
            };
            let measure = (cell, method, metric, chosen);
            for change in self.changes {
                if let Some(scores) = self.changed(measure, change, &observation)? {
                    let texts = Texts::Changed(change.0.clone());
                    self.observed.push(Observation { texts, scores, ..observation.clone() });
                }
            }
            for name in &self.design.targets[cell.target].challenges {
                if let Some(scores) = challenged(measure, name)? {
                    let texts = Texts::Challenge(name.clone());
                    self.observed.push(Observation { texts, scores, ..observation.clone() });
                }
            }
            self.observed.push(observation);
        }
        Ok(())
    }

    /// Scores on changed texts: predictions are kept beside the run's folder.
    fn changed(
        &mut self,
        (cell, method, metric, chosen): Measure,
        (name, change): &(String, PerturbArgs),
        clean: &Observation,
    ) -> Result<Option<BTreeMap<String, f64>>> {
        let folder = beside(cell, "perturbed", method).join(name.replace(':', "-"));
        let recipe = &cell.resolved.recipe;
        let Some(task) = recipe.last_task()? else { return Ok(None) };
        if let Some(reason) = kinds::of(task).placed() {
            self.note(format!("{} is not measured on changed texts: {reason}.", task.name));
            return Ok(None);
        }
        if let Some(chosen) = chosen {
            let mut changes = change.changes(task, PERTURBING_SEED)?;
            let mut changed = Vec::new();
            for language in clean.scores.keys() {
                let mut loaded = Data::new(recipe).test(task, language)?;
                match changes.apply(&mut loaded) {
                    Ok(_) => changed.push(loaded),
                    Err(Error::Data(_)) => {} // no word changes, so there is nothing to measure, and the page says where
                    Err(error) => return Err(error),
                }
            }
            let how = changes.to_json();
            if !kept::is_there(&folder, &how)? {
                predict(cell, method, task, &changed, &how, &folder, chosen)?;
            }
        } else if !checkpoint::is_complete(&folder) {
            return Ok(None);
        }
        let (mut found, mut unchanged) = (BTreeMap::new(), Vec::new());
        for language in clean.scores.keys() {
            match score(&folder, task, language, metric)? {
                Some(value) => _ = found.insert(language.clone(), value),
                None => unchanged.push(language.as_str()),
            }
        }
        if !unchanged.is_empty() {
            let languages = unchanged.join(", ");
            self.note(format!("{}: {name} changes no word of {languages}; left out of that.", task.name));
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
        let languages = self.languages()?;
        let groups = groups(&languages);
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
            languages: &languages,
            methods: &methods,
            notes: &self.notes,
        }))
    }

    /// What is measured of the languages that were measured in.
    fn languages(&self) -> Result<Languages> {
        let Design { complexity, pretraining_text, model, .. } = self.design;
        let folder = PathBuf::from(folder_of(self.design));
        let own = self.observed.iter().filter(|one| one.texts == Texts::Own);
        let codes: BTreeSet<&String> = own.flat_map(|one| one.scores.keys()).collect();
        let treebanks = complexity.treebanks.as_ref().map(|inside| languages::treebanks(&folder.join(inside)));
        let treebanks = treebanks.transpose()?.unwrap_or_default();
        let model = model.get("path").and_then(toml::Value::as_str).unwrap_or_default();
        let text = languages::text_read(pretraining_text.as_deref(), model)?;
        let mut all = Languages::new();
        for code in codes {
            let words = match &complexity.parallel {
                Some(pattern) => languages::words_of(&folder.join(pattern), code)?,
                None => None,
            };
            let features = languages::features_of(&treebanks, code)?;
            // A language that is not there was not read, or too little to be counted.
            let text = text.as_ref().map(|text| text.get(code).copied().unwrap_or(0.0));
            all.insert(code.clone(), Measured { words, features, text });
        }
        Ok(all)
    }
}

/// A run, a method of it, what is measured, and by what, where something is to be measured still.
type Measure<'a> = (&'a Cell, &'a Method, &'a str, Option<&'a Chosen>);

/// Where predictions of a run's model on other texts are kept.
fn beside(cell: &Cell, what: &str, method: &Method) -> PathBuf {
    PathBuf::from(format!("{}.{what}", cell.folder.display())).join(&method.name)
}

/// The score on the test data of another task.
fn challenged((cell, method, metric, chosen): Measure, name: &str) -> Result<Option<BTreeMap<String, f64>>> {
    let folder = beside(cell, "challenges", method).join(name);
    let task = tasks::find(name)?;
    if let Some(chosen) = chosen {
        let loaded = Data::new(&cell.resolved.recipe).challenge(task)?;
        let files: Vec<_> = loaded.files.iter().map(|file| json!(file.sha256)).collect();
        let how = json!({ "task": tasks::definition_of(name), "files": files, "examples": loaded.examples.len() });
        if !kept::is_there(&folder, &how)? {
            predict(cell, method, task, &[loaded], &how, &folder, chosen)?;
        }
    } else if !checkpoint::is_complete(&folder) {
        return Ok(None);
    }
    let value = score(&folder, task, task.source, metric)?;
    Ok(value.map(|value| BTreeMap::from([(task.source.to_owned(), value)])))
}

/// The metric of predictions that were kept; none where a language was not measured.
fn score(folder: &Path, task: &Task, language: &str, metric: &str) -> Result<Option<f64>> {
    let Some(predicted) = kept::read(folder, language)? else { return Ok(None) };
    let all = scores(task, language, &predicted)?;
    Ok(all.iter().find(|score| key(score.metric) == metric).map(|score| score.value))
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

/// Predicts texts by a run's model, and keeps that in a folder, with how the texts came about.
fn predict(
    cell: &Cell,
    method: &Method,
    task: &Task,
    texts: &[Loaded],
    how: &Value,
    folder: &Path,
    chosen: &Chosen,
) -> Result<()> {
    let recipe = &cell.resolved.recipe;
    let model = cell.folder.join(recipe.stage_name(0, Some(method))).join(MODEL);
    error::catch(|| {
        let Opened { model, tokenizer, .. } = open_trained(&model, task, &chosen.device, tell)?;
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
        let all = texts.iter().map(predict).collect::<Result<Vec<_>>>()?;
        kept::write(folder, &all, how)
    })
}

/// Of this texts are changed: the same for all models.
const PERTURBING_SEED: u64 = 7;
