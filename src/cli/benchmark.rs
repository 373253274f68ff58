//! `rxlt benchmark`: every task of XTREME, XTREME-R or XGLUE that is fine-tuned or searched here, and one table of all.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::{
    device::{Chosen, DeviceArgs},
    named::{self, Network},
    note, print,
    run::{self, Show},
    searched::Sought,
    tell,
    warnings::shortened,
};
use crate::{
    checkpoint::{Existing, Output},
    data::Data,
    error::{Error, Result},
    models::Config,
    ranks::Ranks,
    recipe::{Resolved, Setting},
    report::{Column, Table},
    run::{
        Outcome,
        budget::Bytes,
        files,
        folder::Status,
        full::{Conditions, OnFull},
        progress::Progress,
    },
    score::{Answered, Benchmark, Measured, TaskSpec, Tuned},
    stop::Stop,
    tasks::{self, Split, Task, predictions},
    tensor::Device,
};

/// Fine-tune and measure every task of a benchmark that is trained here, by its scripts' settings, measure the encoder as
/// it is by those of retrieval, and make one table.
///
/// Each task is a run in a folder of its own below the output. The same command goes on where it was stopped, and passes
/// over what is done.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt benchmark xtreme --model xlm-roberta-base --data download --output runs/xtreme --dry-run
  rxlt benchmark xtreme-r --model xlm-roberta-base --data download --output runs/xtreme-r --available --method adv
  rxlt benchmark xglue --model xlm-roberta-base --data XGLUE --output runs/xglue --available --seed 42")]
pub struct Args {
    /// xtreme, xtreme-r or xglue.
    benchmark: String,
    /// The model to start from: a folder, or a name on Hugging Face.
    #[arg(long, value_name = "DIR|NAME")]
    model: String,
    /// The folder with a folder for each task, as the benchmark's scripts or archive leave them.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where a folder for each task, and benchmark.json, go.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Run the tasks and languages whose files are there, where some are missing: means are partial then.
    #[arg(long)]
    available: bool,
    /// How the tasks are learned.
    #[arg(long, value_enum, default_value = "standard")]
    method: Method,
    /// Of this all randomness of training is made; 7 where not given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Set a value in the recipes of all tasks, such as stages.0.learning_rate=1e-5; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// The most memory to take, as in `rxlt run`.
    #[arg(long, value_name = "AMOUNT")]
    memory_limit: Option<Bytes>,
    /// What to do where the disk is full: end with an error, or wait until there is room.
    #[arg(long, value_enum, default_value = "stop")]
    on_full: OnFull,
    /// Read and check all data, print what would run with which settings, and train nothing; missing files end it with exit
    /// code 66 all the same, unless --available.
    #[arg(long)]
    dry_run: bool,
    /// How progress is shown on stderr, as in `rxlt run`.
    #[arg(long, value_enum, default_value = "auto")]
    progress: Show,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Method {
    Standard,
    Adv,
    RsRp,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Standard => "standard",
            Method::Adv => "adv",
            Method::RsRp => "rs-rp",
        }
    }
}

/// A task whose files are there.
struct Planned {
    spec: &'static TaskSpec,
    tuned: &'static Tuned,
    resolved: Resolved,
}

impl Planned {
    /// Looks at its model and data.
    fn check(&mut self, network: Network) -> Result<()> {
        run::check_paths(&self.resolved, network)?;
        named::pin(&mut self.resolved.recipe, network)?;
        let recipe = &self.resolved.recipe;
        if let Some(folder) = recipe.model_folder()? {
            recipe.check_sizes(&Config::load(&folder)?)?;
        }
        Data::new(recipe).read_through().map(|_| ())
    }
}

/// The tasks that were run, and what came of each.
type Done<'a> = Vec<(&'a Planned, Outcome)>;

/// What was done of a benchmark.
struct Work<'a> {
    done: Done<'a>,
    found: Vec<Answered>,
    diverged: Option<Error>,
}

/// What of a benchmark can be run, and what is missing, a line each.
struct Plan {
    benchmark: Benchmark,
    tasks: Vec<Planned>,
    sought: Vec<Sought>,
    missing: Vec<String>,
}

/// `rxlt benchmark`
pub fn run(args: &Args, network: Network) -> Result<()> {
    let mut plan = Plan::new(args, Benchmark::find(&args.benchmark)?)?;
    let checked = if args.dry_run { plan.check(network) } else { Ok(()) };
    match args.dry_run && checked.is_ok() {
        true => print(&plan.describe())?, // which names what is missing
        false => plan.missing.iter().for_each(|line| tell(&format!("missing: {line}"))),
    }
    checked?;
    if !plan.missing.is_empty() && !args.available {
        let (n, data) = (plan.missing.len(), args.data.display());
        return Err(Error::Missing(format!(
            "files are not in {data} ({n}, named above, with where they come from); --available runs the rest"
        )));
    }
    if args.dry_run {
        return Ok(());
    }
    if plan.tasks.is_empty() && plan.sought.is_empty() {
        return Err(Error::Missing(format!("{} has no files of any task of {}", args.data.display(), plan.benchmark)));
    }
    plan.check(network)?;
    let Work { done, found, diverged } = plan.work(args, network)?;
    let measured = plan.measured(&done, found)?;
    // The folders beside it were found to be of this very configuration, so an older one is this command's own.
    let json = Output::new(&args.output.join("benchmark.json"), Existing::Replaced, &[])?;
    let text = format!("{:#}\n", plan.to_json(args, &measured, &done));
    json.write(text.as_bytes())?;
    print(&plan.report(args, &measured, json.path()))?;
    for (planned, outcome) in &done {
        for warning in outcome.methods.iter().flat_map(|method| shortened(&method.warnings)) {
            print(&format!("warning: {}: {warning}\n", planned.spec.name))?;
        }
    }
    diverged.map_or(Ok(()), Err)
}

impl Plan {
    fn new(args: &Args, benchmark: Benchmark) -> Result<Plan> {
        if !args.data.is_dir() {
            let folder = args.data.display();
            return Err(Error::Missing(format!("--data {folder}: there is no such folder; name the benchmark's data")));
        }
        let mut plan = Plan { benchmark, tasks: Vec::new(), sought: Vec::new(), missing: Vec::new() };
        for (spec, tuned) in benchmark.tuned() {
            let task = tasks::find(&tuned.task)?;
            let data = data_of(benchmark, spec, &args.data);
            let (languages, lacking) = available(task, &data, spec)?;
            plan.missing.extend(lacking.map(|what| format!("{}: {what}; from {}", spec.name, tuned.files)));
            if !languages.is_empty() {
                let settings = settings(args, &data)?;
                let resolved = tuned.recipe(benchmark, &languages, args.method.name(), &settings)?;
                check_one(&resolved)?;
                plan.tasks.push(Planned { spec, tuned, resolved });
            }
        }
        for (spec, how) in benchmark.searched() {
            let (sought, lacking) = Sought::of(spec, how, data_of(benchmark, spec, &args.data))?;
            plan.missing.extend(lacking.map(|what| format!("{}: {what}; from {}", spec.name, how.files)));
            plan.sought.extend((!sought.languages.is_empty()).then_some(sought));
        }
        Ok(plan)
    }

    /// Looks at models and data of all tasks before the first is trained, which may take days: says all that is wrong.
    fn check(&mut self, network: Network) -> Result<()> {
        let of_tasks = self.tasks.iter_mut().map(|planned| (planned.spec, planned.check(network)));
        let of_sought = self.sought.iter().map(|sought| (sought.spec, sought.texts().map(|_| ())));
        let mut wrong: Vec<(&TaskSpec, Error)> = Vec::new();
        for (spec, error) in of_tasks.chain(of_sought).filter_map(|(spec, checked)| Some((spec, checked.err()?))) {
            if wrong.iter().all(|(_, known)| known.message() != error.message()) {
                wrong.push((spec, error)); // what is wrong with the model is so for each task
            }
        }
        let mut wrong = wrong.into_iter().map(|(spec, error)| error.with(&format!("this is of {}", spec.name)));
        let Some(first) = wrong.next() else { return Ok(()) };
        wrong.for_each(|error| tell(&format!("error: {error}")));
        Err(first)
    }

    /// Runs the tasks one after the other. One that diverges is a result: the others run all the same.
    fn work(&self, args: &Args, network: Network) -> Result<Work<'_>> {
        let chosen = args.device.open()?;
        let progress = Progress::new(args.progress.mode());
        introduce(&chosen, &progress);
        let conditions = Conditions { memory_limit: args.memory_limit, on_full: args.on_full };
        let (stop, place) = run::stop_on_signals()?;
        let (mut done, mut diverged) = (Vec::new(), None);
        for planned in &self.tasks {
            let (name, resolved) = (planned.spec.name, &planned.resolved);
            let path = args.output.join(name);
            let folder = run::open(resolved, &path, &chosen, &progress, Ranks::alone())?;
            *run::lock(&place) = Some(path);
            if folder.status() == Some(Status::Done) && folder.metrics()?.is_some() {
                progress.note(format_args!("{name} is done already"));
            }
            // One that is done is read all the same: its files must be those that it was made of.
            match run::work(resolved, &chosen, &folder, &progress, &stop, conditions) {
                Ok(outcome) => done.push((planned, outcome)),
                Err(error @ Error::Diverged(_)) => {
                    progress.note(format_args!("{name}: {error}"));
                    diverged = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        *run::lock(&place) = None;
        let found = self.search(args, network, (&chosen, &progress, &stop))?;
        Ok(Work { done, found, diverged })
    }

    /// Measures the encoder as it is by the tasks of retrieval.
    fn search(
        &self,
        args: &Args,
        network: Network,
        (chosen, progress, stop): (&Chosen, &Progress, &Stop),
    ) -> Result<Vec<Answered>> {
        if self.sought.is_empty() {
            return Ok(Vec::new());
        }
        let model = named::folder(Path::new(&args.model), network)?;
        let answers =
            |sought: &Sought| sought.answers((&model, &args.output.join(sought.spec.name)), chosen, progress, stop);
        self.sought.iter().map(answers).collect()
    }

    /// The official numbers of what was predicted.
    fn measured(&self, done: &[(&Planned, Outcome)], found: Vec<Answered>) -> Result<Measured> {
        let mut answered: Vec<Answered> =
            done.iter().map(|(planned, outcome)| answered(planned.spec, outcome)).collect::<Result<_>>()?;
        answered.extend(found);
        answered.sort_by_key(|one| self.benchmark.tasks().iter().position(|spec| spec == one.spec));
        Measured::new(self.benchmark, &answered)
    }

    /// In what tasks differ from their scripts.
    fn buts(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let tuned = self.tasks.iter().map(|planned| (planned.spec.name, &planned.tuned.but));
        let searched = self.sought.iter().map(|sought| (sought.spec.name, &sought.how.but));
        tuned.chain(searched).filter_map(|(name, but)| Some((name, but.as_deref()?)))
    }

    /// What is to be known of the numbers, a line each.
    fn remarks(&self) -> Vec<String> {
        let buts = self.buts().map(|(name, but)| format!("note: {name}: {but}"));
        let left_out = self.benchmark.left_out().into_iter();
        let left_out = left_out.map(|left_out| format!("not run: {}: {}", left_out.name, left_out.reason));
        let missing = self.missing.iter().map(|line| format!("not run for want of files: {line}"));
        buts.chain(left_out).chain(missing).collect()
    }

    /// What would run, by which settings.
    fn describe(&self) -> String {
        let columns = ["task", "languages"].map(Column::words);
        let mut table = Table::new(columns.into_iter().chain([Column::words("settings"), Column::words("from")]));
        for Planned { spec, tuned, resolved } in &self.tasks {
            let (stage, of) = (&resolved.recipe.stages[0], spec.languages.len());
            let amount = match (stage.epochs, stage.updates) {
                (Some(epochs), _) => format!("{epochs} epochs"),
                (None, updates) => format!("{} updates", updates.unwrap_or(0)),
            };
            let settings = format!(
                "{amount} of batches of {}, learning rate {:e}, {} tokens",
                stage.batch_size, stage.learning_rate, stage.max_length
            );
            let languages = format!("{} of {of}", resolved.recipe.languages.len());
            table = table.row([spec.name.to_owned(), languages, settings, tuned.settings.clone()]);
        }
        for Sought { spec, how, languages, .. } in &self.sought {
            let settings = format!("nothing is trained, {} tokens", how.max_length);
            let languages = format!("{} of {}", languages.len(), spec.languages.len());
            table = table.row([spec.name.to_owned(), languages, settings, how.settings.clone()]);
        }
        let mut text = format!("{} would run:\n\n{}\n", self.benchmark, table.to_text());
        for Planned { spec, resolved, .. } in &self.tasks {
            for (key, value) in resolved.values().iter().filter(|(key, _)| resolved.sources[key] != "default") {
                text += &format!("{}: {key} = {value}  ({})\n", spec.name, resolved.sources[key]);
            }
        }
        self.remarks().iter().for_each(|line| text += &format!("{line}\n"));
        text + "\nwhat is there is in order; nothing was trained or written\n"
    }

    /// The table, and what is to be known of it.
    fn report(&self, args: &Args, measured: &Measured, json: &Path) -> String {
        let (model, method) = (&args.model, args.method.name());
        let mut text =
            format!("{}: {model} with {method}, in percent\n\n{}\n", self.benchmark, measured.table().to_text());
        self.remarks().iter().for_each(|line| text += &format!("{line}\n"));
        text + &format!("one seed; everything is in {} and the folders beside it\n", json.display())
    }

    fn to_json(&self, args: &Args, measured: &Measured, done: &[(&Planned, Outcome)]) -> Json {
        let mut json = measured.to_json();
        let left_out = self.benchmark.left_out().into_iter();
        let seed = self.tasks.first().map(|planned| planned.resolved.recipe.seed);
        json["model"] = json!(args.model);
        json["method"] = json!(args.method.name());
        json["seed"] = json!(seed);
        json["not_run"] = left_out.map(|one| json!({"name": one.name, "reason": one.reason})).collect();
        json["missing"] = json!(self.missing);
        json["differs"] = self.buts().map(|(name, but)| (name.to_owned(), json!(but))).collect();
        let warnings = done.iter().map(|(planned, outcome)| {
            let warnings: Vec<&String> = outcome.methods.iter().flat_map(|method| &method.warnings).collect();
            (planned.spec.name.to_owned(), json!(warnings))
        });
        json["warnings"] = warnings.collect();
        json
    }
}

/// Where the files of a task lie: XGLUE's folders have its own names of tasks.
fn data_of(benchmark: Benchmark, spec: &TaskSpec, data: &Path) -> PathBuf {
    if benchmark == Benchmark::Xglue { data.join(spec.name) } else { data.to_owned() }
}

/// The languages of a benchmark's task that can be measured, none where it cannot be trained; and what is missing.
fn available(task: &Task, data: &Path, spec: &'static TaskSpec) -> Result<(Vec<&'static str>, Option<String>)> {
    for split in [Split::Train, Split::Dev].into_iter().filter(|split| task.has(*split)) {
        match task.survey(data, split) {
            Ok(survey) if survey.languages.iter().any(|language| language == task.source) => {}
            Ok(_) => return Ok((Vec::new(), Some(format!("no {split} file in {}", task.source)))),
            Err(Error::Missing(message)) => return Ok((Vec::new(), Some(message))),
            Err(error) => return Err(error),
        }
    }
    let survey = match task.survey(data, Split::Test) {
        Ok(survey) => survey,
        Err(Error::Missing(message)) => return Ok((Vec::new(), Some(message))),
        Err(error) => return Err(error),
    };
    let is_there = |language: &&'static str| survey.languages.iter().any(|there| there == language);
    let (there, absent): (Vec<&'static str>, Vec<&'static str>) = spec.languages.iter().copied().partition(is_there);
    let lacking = (!absent.is_empty()).then(|| format!("no test files of {}", absent.join(", ")));
    Ok((there, lacking))
}

/// What the command line sets in all recipes.
fn settings(args: &Args, data: &Path) -> Result<Vec<Setting>> {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let flag = |flag: &str, key: &str, value: String| Setting { key: key.into(), value, flag: flag.into() };
    let model = quoted(&named::path_or_name(&args.model)?);
    let mut all = vec![
        flag("--model", "model", format!("{{ path = {model} }}")),
        flag("--data", "data.folder", quoted(&data.display().to_string())),
    ];
    all.extend(args.seed.map(|seed| flag("--seed", "seed", seed.to_string())));
    for text in &args.set {
        all.push(Setting::parse(text)?);
    }
    Ok(all)
}

/// Refuses what would make several runs of one task.
fn check_one(resolved: &Resolved) -> Result<()> {
    let recipe = &resolved.recipe;
    if !recipe.seeds.is_empty() || recipe.methods.len() != 1 || recipe.stages.len() != 1 {
        let remedy = "run the command once for each seed and method, each with an --output of its own";
        return Err(Error::Usage(format!("--set: a benchmark is one seed, stage and method; {remedy}")));
    }
    recipe.oddities().iter().for_each(|odd| note(&format!("{}: {odd}", recipe.name)));
    Ok(())
}

fn introduce(chosen: &Chosen, progress: &Progress) {
    progress.note(format_args!("device: {}: {}", chosen.name, chosen.why));
    if let Device::Gpu(gpu) = &chosen.device {
        gpu.notes().iter().for_each(|note| progress.note(note));
    }
    chosen.notes().iter().for_each(|note| progress.note(note));
}

/// The predictions of a run in the benchmark's languages.
fn answered(spec: &'static TaskSpec, outcome: &Outcome) -> Result<Answered> {
    let mut languages = Vec::new();
    for method in &outcome.methods {
        for language in spec.languages.iter().filter(|language| method.summary.score(language).is_some()) {
            let file = files::predictions(&method.folder, "test", language);
            languages.push((*language, predictions::read(&file)?));
        }
    }
    Ok(Answered { spec, languages })
}
