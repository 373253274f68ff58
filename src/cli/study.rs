//! `rxlt study`: all runs of a study, and its page.

mod checks;
mod other_texts;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::Value;
use toml::Table;

use self::other_texts::{By, OtherTexts, Subject};
use super::{
    Force,
    device::{Chosen, DeviceArgs},
    jobs::Jobs,
    named::{self, Network},
    print,
    run::{Show, check_paths, lock, open, stop_on_signals, work},
    tell, together, write_page,
};
use crate::{
    checkpoint::Output,
    data::inputs::{INPUTS, Inputs},
    error::{Error, Result},
    input,
    kinds::score::{key, scores},
    ranks::Ranks,
    recipe::{Method, Resolved},
    report::{document::Document, runs::read_answers},
    run::{
        files::{METRICS, is_measured, predictions, read_json},
        folder::{RunFolder, failure},
        full::Conditions,
        progress::Progress,
    },
    stop::Stop,
    study::{
        Cell, Design, Intermediate, SHIPPED,
        answer::{Observation, Scores, Texts},
        find,
        languages::{self, Languages, Measured, groups},
        page::{Findings, page},
    },
    sweep::jobs::{Job, verdict},
    tasks::codes::can_be_same,
};

/// Answer a question by many runs: what is learned before a task, and what that changes.
///
/// Runs go into folders by their settings; the same command goes on where it was stopped, and a run that is finished is
/// not made again. Without a name the studies that ship are listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt study
  rxlt study task-diversity --show > mine.toml
  rxlt study task-diversity --data data --output studies/diversity --dry-run
  rxlt study task-diversity --data data --output studies/diversity --page diversity.md
  rxlt study mine.toml --output studies/mine --page-only")]
pub struct Args {
    /// A study that ships, or a TOML file.
    study: Option<String>,
    /// The folder of all runs; studies/NAME where not given.
    #[arg(long, requires = "study", value_name = "DIR")]
    output: Option<PathBuf>,
    /// The model to start from, in place of the study's.
    #[arg(long, requires = "study", value_name = "DIR|NAME")]
    model: Option<String>,
    /// The data folder, in place of the study's.
    #[arg(long, requires = "study", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The seeds, in place of the study's.
    #[arg(long, requires = "study", value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Print the study's file, to make one of one's own from it; keys of stages, model and data are those of recipes.
    #[arg(long, requires = "study")]
    show: bool,
    /// Say which runs there are, and make none.
    #[arg(long, requires = "study")]
    dry_run: bool,
    /// Make the page of what is finished, and no run.
    #[arg(long, requires = "study", conflicts_with = "dry_run")]
    page_only: bool,
    /// Where the page is written, as Markdown, or as HTML where the name ends in .html; stdout has it as text where not
    /// given.
    #[arg(long, requires = "study", value_name = "FILE")]
    page: Option<PathBuf>,
    /// Make the runs of so many seeds at once, each in a process of its own with its share of the threads, or a GPU of its
    /// own; auto: as many as there are threads or GPUs. Results are the same.
    #[arg(long, requires = "study", value_name = "N|auto", conflicts_with_all = ["dry_run", "page_only"])]
    jobs: Option<Jobs>,
    /// Remove the models of each run of a target when all is measured, about 90 MB with the encoder that ships; predictions
    /// and results stay, and so do the models that targets begin with. Texts that are added later cannot be measured then.
    #[arg(long, requires = "study", conflicts_with_all = ["dry_run", "page_only"])]
    discard_models: bool,
    /// What a child of --jobs does: the runs of one seed, and no page.
    #[arg(long, hide = true)]
    only_seed: Option<u64>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    device: DeviceArgs,
    /// How progress is shown on stderr.
    #[arg(long, value_enum, default_value = "auto", overrides_with = "progress")]
    progress: Show,
}

/// `rxlt study`
pub fn run(args: &Args, network: Network) -> Result<()> {
    let Some(name) = &args.study else { return list() };
    if args.show {
        return print(&text(name)?);
    }
    let design = design(name, args)?;
    design.check_seeds()?;
    let output = args.output.clone().unwrap_or_else(|| Path::new("studies").join(&design.name));
    let page = args.page.as_ref().filter(|_| args.only_seed.is_none());
    let read = read_by(name, &design);
    let read: Vec<&Path> = read.iter().map(PathBuf::as_path).collect();
    let page = page.map(|path| Output::new(path, args.force.existing(), &read)).transpose()?;
    let mut cells = design.cells(&output)?;
    cells.retain(|cell| args.only_seed.is_none_or(|seed| cell.seed == seed));
    let others = OtherTexts::new(&design)?;
    // The parent of a child has looked at all that, and a page is of what is there.
    if args.only_seed.is_none() && !args.page_only {
        checks::check(&design, &cells, network)?;
        others.refuse_changes()?;
    }
    if args.dry_run {
        return say_plan(&design, &cells);
    }
    let (observed, notes, idle, made_of) = (Vec::new(), Vec::new(), BTreeMap::new(), BTreeMap::new());
    let mut study = Study { design: &design, cells: &cells, network, others, observed, notes, idle, made_of };
    match args.jobs.filter(|_| args.only_seed.is_none()) {
        Some(jobs) => {
            side_by_side(args, &design, jobs)?;
            study.read()?;
        }
        None if args.page_only => study.read()?,
        None => study.work(args)?,
    }
    let failed = study.notes.iter().find(|_| study.observed.is_empty()).cloned();
    study.show(args, page)?;
    failed.map_or(Ok(()), |note| Err(Error::Diverged(note)))
}

/// The seeds as children, each this command for one of them. No run is of two seeds.
fn side_by_side(args: &Args, design: &Design, jobs: Jobs) -> Result<()> {
    let all: Vec<Job> = design.seeds.iter().map(|seed| together::job(*seed, None)).collect();
    let (stop, _) = stop_on_signals()?;
    verdict(&all, &together::side_by_side(&all, jobs, &args.device, &stop, args.progress.mode())?)
}

/// The files that a study itself reads, which no page may replace.
fn read_by(name: &str, design: &Design) -> Vec<PathBuf> {
    let dictionaries = design.dictionaries.iter().filter_map(|text| Some(text.split_once('=')?.1.into()));
    [name.into()].into_iter().chain(dictionaries).chain(design.pretraining_text.clone()).collect()
}

fn list() -> Result<()> {
    let mut text = String::new();
    for (name, file) in SHIPPED {
        text += &format!("{name}\n    {}\n", Design::parse(file, name)?.question);
    }
    print(&text)
}

/// The text of a study's file, or of one that ships.
fn text(name: &str) -> Result<String> {
    let path = Path::new(name);
    let is_file = path.extension().is_some_and(|extension| extension == "toml");
    if is_file { input::read_text(path) } else { find(name).map(str::to_owned) }
}

/// The study with what the command line changes.
fn design(name: &str, args: &Args) -> Result<Design> {
    let mut design = Design::parse(&text(name)?, name)?;
    if !args.seeds.is_empty() {
        design.seeds = args.seeds.clone();
    }
    if let Some(model) = &args.model {
        if design.pretraining_text.take().is_some() {
            tell("note: pretraining_text is of the study's own model, and is not used with --model");
        }
        design.model = Table::from_iter([("path".to_owned(), toml::Value::String(named::path_or_name(model)?))]);
    }
    if let Some(folder) = &args.data {
        let (from, to) = (design.data_folder().to_owned(), folder.display().to_string());
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

/// Models of a target that learned nothing, of all.
#[derive(Default)]
struct Idle {
    n: usize,
    models: Vec<String>,
}

struct Study<'a> {
    design: &'a Design,
    cells: &'a [Cell],
    network: Network,
    others: OtherTexts<'a>,
    observed: Vec<Observation>,
    notes: Vec<String>,
    /// Of each target, which models learned nothing.
    idle: BTreeMap<usize, Idle>,
    /// Of each target the first run that was observed, and what it was made of.
    made_of: BTreeMap<usize, (PathBuf, Inputs)>,
}

impl Study<'_> {
    /// Makes all runs that are not finished.
    fn work(&mut self, args: &Args) -> Result<()> {
        let chosen = args.device.open()?;
        let progress = Progress::new(args.progress.mode());
        progress.note(format_args!("device: {}: {}", chosen.name, chosen.why));
        let (stop, place) = stop_on_signals()?;
        // By folder, whether a run before the targets' came to its end: several share one.
        let mut ended: BTreeMap<&Path, bool> = BTreeMap::new();
        for (i, cell) in self.cells.iter().enumerate() {
            progress.note(format_args!("run {} of {}: {}", i + 1, self.cells.len(), cell.folder.display()));
            let make = |resolved: &Resolved, folder: &Path| {
                check_paths(resolved, self.network)?;
                *lock(&place) = Some(folder.to_owned());
                match one(resolved, folder, self.network, &chosen, &progress, &stop) {
                    Err(error @ Error::Diverged(_)) => {
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
            self.observe(cell, Some((&chosen, &stop)))?;
            if args.discard_models && is_measured(&cell.folder) {
                RunFolder::remove_weights(&cell.folder)?;
            }
        }
        progress.finish();
        Ok(())
    }

    /// Takes in what is there.
    fn read(&mut self) -> Result<()> {
        self.cells.iter().try_for_each(|cell| self.observe(cell, None))
    }

    /// What a finished run has measured; on changed texts it is measured now, by the device where one is open.
    fn observe(&mut self, cell: &Cell, by: By) -> Result<()> {
        if !is_measured(&cell.folder) {
            self.note_failure(cell);
            return Ok(());
        }
        self.refuse_other_data(cell)?;
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
                let found = score_of(cell, method, language, metric)?;
                if found.is_none_or(|found| (found - value).abs() > ROUNDING) {
                    let found = found.map_or("none".to_owned(), |found| found.to_string());
                    return Err(damaged(&format_args!(
                        "{} {language}: {metric} is {value}, and its predictions come to {found}; remove the file, and run \
                         the study again: it is written again",
                        method.name
                    )));
                }
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
            let idle = self.idle.entry(cell.target).or_default();
            idle.n += 1;
            if let Some(why) = learned_nothing(result, &observation.source) {
                idle.models.push(format!("{} s{} {} ({why})", cell.arm.name, cell.seed, method.name));
            }
            let languages = observation.scores.keys().map(String::as_str).collect();
            for (texts, scores) in self.others.measure(&Subject { cell, method, metric, languages }, by)? {
                self.observed.push(Observation { texts, scores, ..observation.clone() });
            }
            self.observed.push(observation);
        }
        Ok(())
    }

    /// Refuses a run that was made of other data than the first of its target: seeds and arms would not be all that differs.
    fn refuse_other_data(&mut self, cell: &Cell) -> Result<()> {
        let Some(own) = Inputs::read(&cell.folder.join(INPUTS))? else { return Ok(()) };
        let (first, of_first) = self.made_of.entry(cell.target).or_insert_with(|| (cell.folder.clone(), own.clone()));
        match own.data_apart(of_first) {
            None => Ok(()),
            Some(role) => Err(Error::Data(format!(
                "{} and {} were made of different files ({role}): put the same data back and make one of them again, in \
                 another --output",
                first.display(),
                cell.folder.display()
            ))),
        }
    }

    /// Says which run an error ended, so that there is nothing to observe.
    fn note_failure(&mut self, cell: &Cell) {
        let before = cell.before.iter().map(|before| before.folder.as_path());
        for folder in before.chain([cell.folder.as_path()]) {
            let Some(reason) = failure(folder) else { continue };
            let reason = reason.lines().next().unwrap_or_default();
            let note = format!("{} failed and is left out: {reason}.", folder.display());
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// Prints the page, or writes it; a child has none.
    fn show(&self, args: &Args, page: Option<Output>) -> Result<()> {
        if args.only_seed.is_some() {
            return Ok(());
        }
        let document = self.page()?;
        match page {
            Some(page) => write_page(&page, &document),
            None => print(&document.to_text()),
        }
    }

    fn page(&self) -> Result<Document> {
        let languages = self.languages()?;
        let mut notes = [&self.notes[..], &self.others.notes].concat();
        let warning = |(target, idle): (&usize, &Idle)| idle_note(&self.design.targets[*target].task, idle);
        let warnings: Vec<String> = self.idle.iter().filter_map(warning).collect();
        notes.extend(unread_note(&languages));
        let sources = self.observed.iter().map(|one| one.source.as_str()).collect();
        let groups = groups(&languages, &sources);
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
            warnings: &warnings,
            notes: &notes,
        }))
    }

    /// What is measured of the languages that were measured in.
    fn languages(&self) -> Result<Languages> {
        let Design { complexity, pretraining_text, model, .. } = self.design;
        let folder = PathBuf::from(self.design.data_folder());
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
            let text = text.as_ref().map(|text| {
                let same = || text.iter().find(|(known, _)| can_be_same(known, code)).map(|(_, number)| number);
                text.get(code).or_else(same).copied().unwrap_or(0.0)
            });
            all.insert(code.clone(), Measured { words, features, text });
        }
        Ok(all)
    }
}

/// By how much a number may differ that was written as text and read back.
const ROUNDING: f64 = 1e-9;

/// What the predictions of a run come to in a language, by a metric.
fn score_of(cell: &Cell, method: &Method, language: &str, metric: &str) -> Result<Option<f64>> {
    let recipe = &cell.resolved.recipe;
    let Some(task) = recipe.last_task()? else { return Ok(None) };
    let stage = cell.folder.join(recipe.stage_name(0, Some(method)));
    let predicted = read_answers(&predictions(&stage, &recipe.data.eval_split.to_string(), language))?;
    let all = scores(task, language, &predicted)?;
    Ok(all.iter().find(|score| key(score.metric) == metric).map(|score| score.value))
}

/// How it is seen that a method's model learned nothing of its source language, from what its run has measured.
fn learned_nothing(result: &Value, source: &str) -> Option<String> {
    let warnings = result["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let of_source = warnings.map(|warning| warning.strip_prefix(&format!("{source}: ")));
    let of_training = || result["training"]["warning"].as_str()?.split(':').next();
    of_source.flatten().next().or_else(of_training).map(str::to_owned)
}

/// Says which models of a target learned nothing; the first are named.
fn idle_note(task: &str, idle: &Idle) -> Option<String> {
    const NAMED: usize = 6;
    let (n, named) = (idle.models.len(), idle.models.len().min(NAMED));
    let more = if n > named { format!("; and {} more", n - named) } else { String::new() };
    (n > 0).then(|| {
        format!(
            "{task}: {n} of {} models learned nothing of their source language: {}{more}. Gains of them, and over them, say \
             little.",
            idle.n,
            idle.models[..named].join("; ")
        )
    })
}

/// Says of which languages no number of text read is known: they count as not read.
fn unread_note(languages: &Languages) -> Option<String> {
    let unread: Vec<&str> =
        languages.iter().filter(|(_, one)| one.text == Some(0.0)).map(|(code, _)| code.as_str()).collect();
    (!unread.is_empty()).then(|| {
        format!(
            "No text read of {}: the encoder's numbers have none or 0, and they count as not read.",
            unread.join(", ")
        )
    })
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
    if folder.is_discarded() {
        return Ok(());
    }
    work(&pinned, chosen, &folder, progress, stop, Conditions::default()).map(drop)
}
