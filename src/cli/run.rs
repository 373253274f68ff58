//! `rxlt run`: a recipe from its file to its tables.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use super::{
    boards::Boards,
    device::{Chosen, DeviceArgs},
    dry_run::dry_run,
    jobs::Jobs,
    named::{self, Network},
    print, ranks, tell,
    together::{self, Left, Seed},
    warnings::shortened,
};
use crate::{
    error::{Error, Result, did_you_mean},
    hub::What,
    input, kinds,
    models::shipped,
    ranks::Ranks,
    recipe::{self, Method, Recipe, Resolved, Setting},
    report::{self, percent, results},
    run::{
        Outcome,
        budget::Bytes,
        folder::{Environment, RunFolder, Status, pause},
        full::{Conditions, OnFull},
        progress::{Mode, Progress},
    },
    stop::Stop,
    sweep::emit::quoted,
    tasks::{self, own},
    tensor::Device,
};

/// Run a recipe: train its stages and methods, and measure them in every language.
///
/// The same command goes on where it was stopped: Ctrl-C saves and leaves with exit code 75, a second one leaves at
/// once. Without a recipe the demo runs, on generated data.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  rxlt run
  rxlt run xnli-adv --model xlm-roberta-base --data data --dry-run
  rxlt run xnli-rs-da --set seed=1 --set stages.0.learning_rate=1e-5 --output runs/seed-1
  rxlt run mine.toml --backend cpu --set seeds=[1,2,3,4,5]
  rxlt run mine.toml --backend cpu --memory-limit 8GiB
  rxlt run mine.toml --device 0,1
  rxlt run --train train.csv --test 'test-{language}.csv' --model xlm-roberta-base --method standard,adv
  rxlt run --set stages.0.updates=50 --set methods.2.adv.radius=0.5")]
pub struct Args {
    /// A recipe that ships (`rxlt recipe ls`) or a TOML file.
    #[arg(default_value = "demo", conflicts_with = "train")]
    recipe: String,
    /// Training data of your own (.tsv, .csv or .jsonl) in place of a recipe: columns are found by the header (text, or
    /// premise and hypothesis, and label), and what is assumed is said first.
    #[arg(long, value_name = "FILE", requires = "test", conflicts_with = "data")]
    train: Option<PathBuf>,
    /// With --train: test data, {language} for the language, such as 'test-{language}.csv'.
    #[arg(long, value_name = "PATTERN", requires = "train")]
    test: Option<String>,
    /// With --train: what models are selected by; without it the last model is kept.
    #[arg(long, value_name = "FILE", requires = "train")]
    dev: Option<String>,
    /// With --train: the language of the training data.
    #[arg(long, value_name = "CODE", default_value = "en", requires = "train")]
    source: String,
    /// Methods to run: those of the recipe that have these names; with --train of standard (where not given), adv,
    /// freelb, rs-rp and typos.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    method: Vec<String>,
    /// Seeds to run, such as 1,2,3, in place of the recipe's.
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(..1 << 63))]
    seeds: Vec<u64>,
    #[command(flatten)]
    device: DeviceArgs,
    /// The run's folder: new, empty, or of the same configuration; runs/NAME-sSEED-HASH where not given. A recipe with
    /// several seeds makes a folder for each in it: s1, s2, …
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Set a value of the recipe, such as stages.0.learning_rate=1e-5; can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The model to start from, in place of the recipe's: a folder, or a name (org/model@revision), which is looked up
    /// in the cache of Hugging Face and downloaded if it is not there.
    #[arg(long, value_name = "DIR|NAME")]
    model: Option<String>,
    /// The data folder, in place of the recipe's, or a data set on the hub: hub:org/name[@revision][/config].
    #[arg(long, value_name = "DIR|NAME")]
    data: Option<String>,
    /// The most memory to take (of the GPU, or of the process on the CPU), such as 8GiB: micro-batches are made small
    /// enough, and the choice is kept in the run's folder.
    #[arg(long, value_name = "AMOUNT")]
    memory_limit: Option<Bytes>,
    /// What to do where the disk is full: end with an error, or wait until there is room.
    #[arg(long, value_enum, default_value = "stop")]
    on_full: OnFull,
    /// Remove models and checkpoints when all is measured, and keep predictions and results: for grids of many runs.
    #[arg(long)]
    discard_models: bool,
    /// Read and check everything, show examples and the plan, and train nothing.
    #[arg(long)]
    dry_run: bool,
    /// How progress is shown on stderr; auto is a bar on a terminal, else a line every 30 seconds.
    #[arg(long, value_enum, default_value = "auto", overrides_with = "progress")]
    progress: Show,
    /// Run so many seeds at once (and methods, where there are fewer seeds and one stage), each in a process of its own
    /// with its share of the threads, or a GPU of its own; auto: as many as there are threads or GPUs. Results are the
    /// same. Each takes the memory of a run, and --memory-limit is for each.
    #[arg(long, value_name = "N|auto")]
    jobs: Option<Jobs>,
    /// Write event files for TensorBoard beside the log, in tensorboard/STAGE: loss, rate, norm of the gradient, speed,
    /// and what is measured on dev data. rxlt watch --tensorboard DIR makes them of any runs, later too.
    #[arg(long)]
    tensorboard: bool,
    /// What a child of --jobs does.
    #[arg(long, hide = true)]
    only_seed: Option<u64>,
    #[arg(long, hide = true, requires = "only_seed")]
    only_method: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Show {
    Auto,
    Bar,
    Plain,
    #[value(hide = true)] // what a child says to its parent
    Lines,
    None,
}

impl Show {
    pub(super) fn mode(self) -> Mode {
        match self {
            Show::Auto => Mode::auto(),
            Show::Bar => Mode::Bar,
            Show::Plain => Mode::Plain,
            Show::Lines => Mode::Lines,
            Show::None => Mode::Notes,
        }
    }
}

impl Args {
    /// What a grid gives to each of its runs, read as this command reads it.
    pub(super) fn try_of(arguments: &[String]) -> Result<Args, clap::Error> {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("rxlt run"));
        let given =
            command.try_get_matches_from(["rxlt run"].into_iter().chain(arguments.iter().map(String::as_str)))?;
        <Args as clap::FromArgMatches>::from_arg_matches(&given)
    }

    /// The device asked for.
    pub(super) fn device(&self) -> &DeviceArgs {
        &self.device
    }

    /// Removes the models of a run that is measured where that is wanted; whether it is. A method that is run apart keeps
    /// its own until the run has taken it over.
    fn discarded(&self, folder: &RunFolder) -> Result<bool> {
        let is_wanted = self.discard_models && self.only_method.is_none();
        if is_wanted {
            folder.discard_models()?;
        }
        Ok(is_wanted)
    }

    /// What writes the event files of a run while it goes on, if that is wanted. The folder must be locked, for it has one
    /// writer; a method that is run apart has them when the run has taken it over.
    fn boards(&self, folder: &Path, ranks: &Ranks) -> Option<Boards> {
        let is_wanted = self.tensorboard && self.only_method.is_none() && ranks.is_first();
        is_wanted.then(|| Boards::follow(folder))
    }

    /// What all ranks must have been given alike beside the configuration: what each does goes by it.
    fn shared_flags(&self) -> String {
        let flags = [("--dry-run", self.dry_run), ("--discard-models", self.discard_models)];
        let set = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_owned());
        let output = self.output.iter().map(|path| format!("--output {}", path.display()));
        let limit = self.memory_limit.iter().map(|limit| format!("--memory-limit {limit}"));
        let all: Vec<String> = output.chain(limit).chain(set).collect();
        if all.is_empty() { "none of these".to_owned() } else { all.join(" ") }
    }

    fn conditions(&self) -> Conditions {
        Conditions { memory_limit: self.memory_limit, on_full: self.on_full }
    }
}

/// `rxlt run`
pub fn run(args: &Args, network: Network, ranks: &Ranks) -> Result<()> {
    ranks::refuse_strangers(ranks)?;
    let args = Args { device: args.device.of_rank(ranks)?, ..args.clone() };
    let names = args.device.several();
    if names.is_empty() {
        return run_as(&args, network, ranks, None);
    }
    if args.jobs.is_some() {
        return Err(Error::Usage("--jobs gives each run one device: leave it out, or name one by --device".into()));
    }
    let signals = stop_on_signals()?;
    ranks::on_each(&names, |name, ranks| {
        let args = Args { device: args.device.named(name), ..args.clone() };
        run_as(&args, network, ranks, Some(signals.clone()))
    })
}

/// The part of one rank, which all other ranks do too, each on its device.
fn run_as(args: &Args, network: Network, ranks: &Ranks, signals: Option<(Stop, Place)>) -> Result<()> {
    ranks.agree("version of rxlt", crate::VERSION)?;
    ranks.agree("flags (--output, --memory-limit, --dry-run, --discard-models)", &args.shared_flags())?;
    if !ranks.is_alone() && (args.jobs.is_some() || args.device.is_autotuned()) {
        let message = "--jobs and --autotune are not for ranks: each run, and each choice of kernels, would be its own";
        return Err(Error::Usage(message.into()));
    }
    let mut resolved = resolve(args, ranks)?;
    check_paths(&resolved, network)?;
    // Who is not the first finds in the cache what the first has downloaded.
    ranks.first(|| named::pin(&mut resolved.recipe.clone(), network))?;
    named::pin(&mut resolved.recipe, network)?;
    let seeds = seeds_of(args, &resolved)?;
    let is_parent = args.only_seed.is_none() && !args.dry_run;
    let jobs = match is_parent && seeds.iter().any(together::is_apart) {
        true if !ranks.is_alone() => return Err(together::no_ranks()),
        true => args.jobs.or(Some(Jobs::Count(1))), // they go on as they began
        false => args.jobs,
    };
    let signals = match jobs {
        Some(jobs) if is_parent => {
            let signals = stop_on_signals()?;
            match together::run(&seeds, jobs, &args.device, &signals.0, args.progress.mode())? {
                Left::Report(done, verdict) => return report_on(&resolved, &done, verdict, ranks),
                Left::Run => Some(signals),
            }
        }
        _ => signals,
    };
    let chosen = args.device.open()?;
    ranks.agree("device", &chosen.kind())?;
    ranks.agree("configuration, by its hash", &tasks::sha256(resolved.to_toml().as_bytes()))?;
    if args.dry_run && !ranks.is_first() {
        return Ok(());
    }
    if args.dry_run {
        return dry_run(&seeds[0].0, &chosen, args.memory_limit);
    }
    let progress = Progress::new(if ranks.is_first() { args.progress.mode() } else { Mode::Silent });
    let of_each = if ranks.is_alone() { String::new() } else { format!(", each of {} ranks", ranks.count()) };
    progress.note(format_args!("device: {}: {}{of_each}", chosen.name, chosen.why));
    if let Device::Gpu(gpu) = &chosen.device {
        gpu.notes().iter().for_each(|note| progress.note(note));
    }
    chosen.notes().iter().for_each(|note| progress.note(note));
    resolved.recipe.oddities().iter().for_each(|odd| progress.note(format_args!("note: {odd}")));
    if resolved.recipe.name == recipe::DEMO {
        announce_demo(&resolved, &progress);
    }
    let (stop, place) = signals.map_or_else(stop_on_signals, Ok)?;
    let stop = stop.of_rank(ranks);
    if let [(only, path)] = &seeds[..] {
        let folder = open(only, path, &chosen, &progress, ranks)?;
        let _boards = args.boards(path, ranks);
        if folder.is_discarded() {
            progress.note("done already, and its models were removed (--discard-models)");
            return report_on(only, std::slice::from_ref(path), Ok(()), ranks);
        }
        put_down(&place, path, ranks);
        let outcome = work(only, &chosen, &folder, &progress, &stop, args.conditions())?;
        let is_discarded = args.discarded(&folder)?;
        return if ranks.is_first() { show(&outcome, path, is_discarded) } else { Ok(()) };
    }
    run_seeds(args, &seeds, &chosen, &progress, &stop, &place)
}

/// The seeds to run, each with its folder; of a child of `--jobs` its own alone, perhaps with one method.
fn seeds_of(args: &Args, resolved: &Resolved) -> Result<Vec<Seed>> {
    let seeds = resolved.by_seed();
    let n = seeds.len();
    let in_output = |seed: u64, output: &PathBuf| if n == 1 { output.clone() } else { output.join(format!("s{seed}")) };
    let place = |one: &Resolved| {
        args.output.as_ref().map_or_else(|| default_output(one), |output| in_output(one.recipe.seed, output))
    };
    let mut seeds: Vec<Seed> = seeds.into_iter().map(|one| (one.clone(), place(&one))).collect();
    let Some(seed) = args.only_seed else { return Ok(seeds) };
    seeds.retain(|(one, _)| one.recipe.seed == seed);
    if let Some(name) = &args.only_method {
        for (one, path) in &mut seeds {
            let unknown = || Error::Usage(format!("--only-method {name}: the recipe has no such method"));
            *path = together::part(path, name);
            *one = one.with_method(one.recipe.methods.iter().find(|method| method.name == *name).ok_or_else(unknown)?);
        }
    }
    match seeds.is_empty() {
        true => Err(Error::Usage(format!("--only-seed {seed}: the recipe has no such seed"))),
        false => Ok(seeds),
    }
}

/// Reports on those that are done, and says what became of the others.
fn report_on(resolved: &Resolved, done: &[PathBuf], verdict: Result<()>, ranks: &Ranks) -> Result<()> {
    if ranks.is_first() && !done.is_empty() && !matches!(verdict, Err(Error::Stopped(_))) {
        let pretrained = |run: &PathBuf| format!("{} is done; metrics.json says what words it finds\n", run.display());
        print(&match resolved.recipe.last_task()? {
            Some(_) => report::summary(done)?,
            None => done.iter().map(pretrained).collect(),
        })?;
    }
    verdict
}

/// Runs the seeds one after the other, those that are done already passed over, and reports on all.
///
/// A seed that diverges is a result: the others run all the same, and its error is returned at the end.
fn run_seeds(
    args: &Args,
    seeds: &[Seed],
    chosen: &Chosen,
    progress: &Progress,
    stop: &Stop,
    place: &Place,
) -> Result<()> {
    let (mut done, mut diverged) = (Vec::new(), None);
    for (resolved, path) in seeds {
        let folder = open(resolved, path, chosen, progress, stop.ranks())?;
        let _boards = args.boards(path, stop.ranks());
        put_down(place, path, stop.ranks());
        if folder.status() == Some(Status::Done) && folder.metrics()?.is_some() {
            progress.note(format_args!("seed {} is done already", resolved.recipe.seed));
        }
        if folder.is_discarded() {
            done.push(path.clone());
            continue;
        }
        // One that is done is read all the same: its files must be those that it was made of.
        match work(resolved, chosen, &folder, progress, stop, args.conditions()) {
            Ok(_) => _ = args.discarded(&folder)?,
            Err(error @ Error::Diverged(_)) => {
                progress.note(format_args!("seed {}: {error}", resolved.recipe.seed));
                diverged = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        }
        done.push(path.clone());
    }
    report_on(&seeds[0].0, &done, diverged.map_or(Ok(()), Err), stop.ranks())
}

/// Opens the run's folder, and says what was found there.
pub(super) fn open(
    resolved: &Resolved,
    path: &Path,
    chosen: &Chosen,
    progress: &Progress,
    ranks: &Ranks,
) -> Result<RunFolder> {
    let folder = RunFolder::open(
        path,
        resolved,
        &Environment {
            model: named::pinned(&resolved.recipe),
            data: named::pinned_data(&resolved.recipe),
            ranks: ranks.count(),
            ..Environment::here(&chosen.name)
        },
        ranks,
    )?;
    progress.note(format_args!("folder: {}{}", path.display(), if folder.is_resumed() { ", going on" } else { "" }));
    for note in folder.notes() {
        progress.note(note);
    }
    if let Device::Gpu(gpu) = &chosen.device {
        folder.first(|| gpu.record_choices(&path.join("autotune.json"), folder.is_resumed()))?;
    }
    Ok(folder)
}

/// Runs the recipe, and leaves in the folder how it ended.
pub(super) fn work(
    resolved: &Resolved,
    chosen: &Chosen,
    folder: &RunFolder,
    progress: &Progress,
    stop: &Stop,
    conditions: Conditions,
) -> Result<Outcome> {
    let outcome = crate::run::run(resolved, &chosen.device, folder, progress, stop, conditions);
    progress.finish();
    chosen.notes().iter().for_each(|note| progress.note(note));
    match &outcome {
        Ok(_) => folder.set_status(Status::Done, "")?,
        // What was saved is; where the disk is full, that it was stopped need not be written.
        Err(error @ Error::Stopped(_)) => folder.end(Status::Paused, error.message()).unwrap_or(()),
        // A refusal before anything was done changes nothing of a run that is there.
        Err(_) if matches!(folder.status(), Some(Status::Done | Status::Paused)) => {}
        // What went wrong is the news, not that it could not be written down.
        Err(error) => folder.end(Status::Failed, error.message()).unwrap_or(()),
    }
    outcome
}

/// The recipe with everything that the command line sets.
fn resolve(args: &Args, ranks: &Ranks) -> Result<Resolved> {
    let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
    let flag = |flag: &str, key: &str, value: String| Setting { key: key.into(), value, flag: flag.into() };
    let model = args.model.as_deref().map(named::path_or_name).transpose()?;
    let model = model.map(|path| flag("--model", "model", format!("{{ path = {} }}", quoted(&path))));
    let data = args.data.as_ref().map(|path| flag("--data", "data.folder", quoted(path)));
    let mut given = Vec::new();
    for text in &args.set {
        given.push(Setting::parse(text)?);
    }
    let mut settings: Vec<Setting> = model.into_iter().collect();
    if let Some(folder) = args.data.as_ref().filter(|folder| !named::is_data_set(folder)) {
        let moved = moved_with_data(args, Path::new(folder));
        settings.extend(moved.into_iter().map(|(key, value)| flag("--data", &key, value.to_string())));
    }
    let list = |seeds: &[u64]| format!("[{}]", seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "));
    let seeds = (!args.seeds.is_empty()).then(|| flag("--seeds", "seeds", list(&args.seeds)));
    settings.extend(data.into_iter().chain(seeds).chain(given));
    let resolved = load(args, &settings, ranks)?;
    if args.train.is_some() { Ok(resolved) } else { chosen(&resolved, &args.method) }
}

/// The recipe with the methods of these names; with all where none is named.
fn chosen(resolved: &Resolved, names: &[String]) -> Result<Resolved> {
    let known = || resolved.recipe.methods.iter().map(|method| method.name.as_str());
    if let Some(name) = names.iter().find(|name| known().all(|known| known != name.as_str())) {
        let hint = did_you_mean(name, known());
        return Err(Error::Usage(format!("--method {name}: the recipe has no method of this name; {hint}")));
    }
    let is_wanted = |method: &Method| names.is_empty() || names.contains(&method.name);
    Ok(resolved.with_methods(is_wanted))
}

fn load(args: &Args, settings: &[Setting], ranks: &Ranks) -> Result<Resolved> {
    if let Some(train) = &args.train {
        let named = own::Named { train, dev: args.dev.as_deref(), test: args.test.as_deref(), source: &args.source };
        let (text, assumed) = recipe::own::recipe_of(&named, &args.method, args.model.is_some())?;
        assumed.iter().filter(|_| ranks.is_first()).for_each(|line| tell(&format!("assumed: {line}")));
        return Resolved::parse(&text, "--train", settings);
    }
    let path = Path::new(&args.recipe);
    let is_file = path.extension().is_some_and(|extension| extension == "toml") || path.components().count() > 1;
    let text = if is_file { input::read_text(path)? } else { recipe::find(&args.recipe)?.to_owned() };
    Resolved::parse_for(&text, &args.recipe, settings, &args.method)
}

/// What lies in the recipe's data folder moves along when `--data` names another: synonyms, training files, texts and
/// pairs, each where it is there; what lies elsewhere, or in the recipe's folder alone, stays.
fn moved_with_data(args: &Args, folder: &Path) -> Vec<(String, toml::Value)> {
    // A recipe that is wrong without --data may be right with it; if not, that is said when it is read with it.
    let Ok(Resolved { recipe, .. }) = load(args, &[], Ranks::alone()) else { return Vec::new() };
    let moved = |path: &String| {
        let new = folder.join(Path::new(path).strip_prefix(&recipe.data.folder).ok()?);
        (new.exists() || !Path::new(path).exists()).then(|| toml::Value::String(new.display().to_string()))
    };
    let mut all = Vec::new();
    for (i, stage) in recipe.stages.iter().enumerate() {
        for (key, paths) in stage.paths() {
            if paths.iter().any(|path| moved(path).is_some()) {
                let path = |path: &String| moved(path).unwrap_or_else(|| toml::Value::String(path.clone()));
                all.push((format!("stages.{i}.{key}"), toml::Value::Array(paths.iter().map(path).collect())));
            }
        }
    }
    for (i, method) in recipe.methods.iter().enumerate() {
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        method.tables().into_iter().for_each(|(key, _, path)| lists.entry(key).or_default().push(path));
        for (key, paths) in lists.into_iter().filter(|(_, paths)| paths.iter().any(|path| moved(path).is_some())) {
            let path = |path: &String| moved(path).unwrap_or_else(|| toml::Value::String(path.clone()));
            let mut paths: Vec<toml::Value> = paths.iter().map(path).collect();
            let value = if key.ends_with("neighbours") { paths.remove(0) } else { toml::Value::Array(paths) };
            all.push((format!("methods.{i}.{key}"), value));
        }
    }
    all
}

/// What the demo is about to do, in two sentences.
fn announce_demo(resolved: &Resolved, progress: &Progress) {
    let methods: Vec<&str> = resolved.recipe.methods.iter().map(|method| method.name.as_str()).collect();
    let (n, names) = (methods.len(), methods.join(", "));
    progress.note(format_args!(
        "The small encoder that ships now learns from generated English sentence pairs whether one follows from the \
         other, once with each of {n} methods ({names})."
    ));
    progress
        .note("Then each is asked in ten languages, nine of which it was not taught in; three to four minutes in all.");
}

/// The folder of the last model of a run.
fn last_folder<'a>(outcome: &'a Outcome, path: &'a Path) -> &'a Path {
    outcome.methods.last().map_or(path, |method| &method.folder)
}

/// A path as it can be typed.
fn shown(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// What to type after the demo.
fn after_demo(outcome: &Outcome, path: &Path) -> String {
    let [run, method] = [path, last_folder(outcome, path)].map(shown);
    format!(
        "\nnext:\n  rxlt report {run} --format html --output demo.html\n  rxlt eval --model {method} --task demo --data demo \
         --languages sw,tr\n  rxlt recipe ls    the experiments on real data; README.md says which files they want\n"
    )
}

/// What to type after a run on data of one's own, whose task lies in the models' folders.
fn after_own(outcome: &Outcome, path: &Path) -> String {
    let task = &outcome.task;
    let [run, model] = [path, last_folder(outcome, path)].map(shown);
    // What is measured by correlations is not reported on.
    let is_reported = tasks::find(task).is_ok_and(|task| kinds::of(task).has_marks());
    let report = format!("  rxlt report {run} --format html --output {task}.html\n");
    let report = if is_reported { report.as_str() } else { "" };
    format!(
        "\nnext:\n{report}  rxlt predict --model {model} --input FILE\n  rxlt eval --model {model} --task {task} --data DIR\n"
    )
}

/// Whether all files and folders that the recipe names are there.
pub(super) fn check_paths(resolved: &Resolved, network: Network) -> Result<()> {
    let recipe = &resolved.recipe;
    let place = |key: &str| resolved.sources.get(key).map_or("default", String::as_str);
    let mut lines = Vec::new();
    for (key, path) in models_of(recipe) {
        let what = if key == TOKENIZER { What::Tokenizer } else { What::Model };
        let lacking = named::lacking(path, what, network)?;
        lines.extend(lacking.map(|message| format!("{}: {key}: {message}", place(&key))));
    }
    let paths = paths_of(recipe);
    let missing = paths.iter().filter(|(_, path, _)| !Path::new(path).exists());
    lines.extend(missing.map(|(key, path, remedy)| {
        let (shown, remedy) = match path.contains(char::is_control) {
            true => {
                (escaped(path), "\\ begins an escape in double quotes: write the path in 'single quotes' or with /")
            }
            false => ((*path).clone(), *remedy),
        };
        format!("{}: {key}: there is no \"{shown}\"; {remedy}", place(key))
    }));
    if lines.is_empty() { Ok(()) } else { Err(Error::Missing(lines.join("\n"))) }
}

const TOKENIZER: &str = "model.tokenizer";

/// All models and tokenizers that a recipe names, by which key.
fn models_of(recipe: &Recipe) -> Vec<(String, &String)> {
    let own = [("model.path", &recipe.model.path), (TOKENIZER, &recipe.model.tokenizer)];
    let own = own.into_iter().filter_map(|(key, path)| Some((key.to_owned(), path.as_ref()?)));
    let teachers = recipe.stages.iter().enumerate().filter_map(|(i, stage)| {
        let teacher = stage.mlm.as_ref()?.teacher.as_ref()?;
        Some((format!("stages.{i}.mlm.teacher.path"), &teacher.path))
    });
    let begin = recipe.begin().map(|begin| ("model.fresh.begin.path".to_owned(), &begin.path));
    own.chain(begin).chain(teachers).collect()
}

/// All files and folders that a recipe names: by which key, and what to do where one is not there.
fn paths_of(recipe: &Recipe) -> Vec<(String, &String, &'static str)> {
    let mut named: Vec<(String, &String, &str)> = Vec::new();
    let fetch = "fetch the model's folder (config.json, model.safetensors, tokenizer) and name it by --model";
    let elsewhere = models_of(recipe).into_iter().filter(|(_, path)| *path != shipped::PATH && !named::is_name(path));
    let other = "fetch the model's folder (config.json, model.safetensors, tokenizer) and set this to it";
    named.extend(elsewhere.map(|(key, path)| {
        let remedy = if key == "model.path" { fetch } else { other };
        (key, path, remedy)
    }));
    if recipe.data.folder != recipe::DEMO && !named::is_data_set(&recipe.data.folder) {
        let remedy = "name the folder that holds the tasks' files by --data";
        named.push(("data.folder".into(), &recipe.data.folder, remedy));
    }
    for (i, stage) in recipe.stages.iter().enumerate() {
        for (key, paths) in stage.paths() {
            named.extend(paths.iter().map(|path| (format!("stages.{i}.{key}"), path, "set it to what is there")));
        }
    }
    for (i, method) in recipe.methods.iter().enumerate() {
        for (name, part) in method.rewordings() {
            named.extend(part.files().into_iter().map(|(key, path)| {
                let remedy = match key {
                    "neighbours" => {
                        "fetch counterfitted_neighbors.json of robinjia/certified-word-sub, and set this to it"
                    }
                    _ => "fetch dictionaries such as MUSE's en-de.txt, and set this to them",
                };
                (format!("methods.{i}.{name}.{key}"), path, remedy)
            }));
        }
    }
    named
}

/// The same on one line: control characters as escapes.
fn escaped(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// A folder of its own for each configuration.
fn default_output(resolved: &Resolved) -> PathBuf {
    Path::new("runs").join(resolved.folder_name(&resolved.recipe.name))
}

/// The exit code of a run that stopped on request; all is saved.
const STOPPED: i32 = 75;

/// The first signal asks to stop: where nothing in memory has to be saved the process leaves at once, else training saves
/// first. The second ends the process with 128 and the signal's number.
pub(super) fn stop_on_signals() -> Result<(Stop, Place)> {
    let stop = Stop::new();
    let wanted = wanted_signals();
    for signal in &wanted {
        let at_once = flag::register_conditional_shutdown(*signal, 128 + signal, stop.flag());
        let registered = at_once.and_then(|_| flag::register(*signal, stop.flag()));
        registered.map_err(|error| Error::Io(format!("cannot listen to signal {signal}: {error}")))?;
    }
    let place = Place::default();
    listen(&wanted, stop.clone(), place.clone())?;
    Ok((stop, place))
}

/// The folder of the run that is under way, for whoever has to record that it was stopped.
pub(super) type Place = Arc<Mutex<Option<PathBuf>>>;

/// The first rank puts down where the run is.
fn put_down(place: &Place, folder: &Path, ranks: &Ranks) {
    if ranks.is_first() {
        *lock(place) = Some(folder.to_owned());
    }
}

pub(super) fn lock(place: &Place) -> MutexGuard<'_, Option<PathBuf>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SIGINT and SIGTERM, and what schedulers and closed terminals send. A SIGHUP that is ignored, as by `nohup`, stays so.
#[cfg(unix)]
fn wanted_signals() -> Vec<i32> {
    use signal_hook::consts::{SIGHUP, SIGUSR1};
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let is_ignored = |signal: &i32| ignored >> (signal - 1) & 1 == 1;
    [SIGINT, SIGTERM, SIGHUP, SIGUSR1].into_iter().filter(|signal| *signal != SIGHUP || !is_ignored(signal)).collect()
}

#[cfg(not(unix))]
fn wanted_signals() -> Vec<i32> {
    vec![SIGINT, SIGTERM]
}

/// Leaves when a signal comes while data are read, hashed or tokenized, or test data are predicted: what is finished is
/// on the disk, and the rest is done again. Destructors do not run, as they would not after a kill.
#[cfg(unix)]
fn listen(wanted: &[i32], stop: Stop, folder: Place) -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new(wanted)
        .map_err(|error| Error::Io(format!("cannot listen to signals: {error}")))?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            stop.if_nothing_is_unsaved(|| {
                if let Some(folder) = &*lock(&folder) {
                    pause(folder);
                }
                super::tell("stopped on request, all that was finished is kept; the same command goes on from there");
                signal_hook::low_level::exit(STOPPED);
            });
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn listen(_: &[i32], _: Stop, _: Place) -> Result<()> {
    Ok(())
}

fn show(outcome: &Outcome, path: &Path, is_discarded: bool) -> Result<()> {
    let mut text = String::new();
    if let [only] = &outcome.methods[..] {
        text += &format!("{} with {}\n\n", outcome.task, only.name);
        text += &results::one_run(&only.summaries()).to_text();
    } else if outcome.methods.is_empty() {
        text += &format!("{}: nothing was measured\n", outcome.task);
    } else {
        let metric = outcome.methods[0].summary.metric();
        text += &format!("{}: {metric} by language and method\n\n", outcome.task);
        let methods: Vec<_> =
            outcome.methods.iter().map(|method| (method.name.clone(), method.summary.clone())).collect();
        text += &results::comparison(&methods).to_text();
        let half = |[low, high]: [f64; 2]| (high - low) / 2.0;
        let scores = outcome.methods.iter().flat_map(|method| &method.summary.scores);
        let widest = scores.map(|score| half([score.low, score.high])).fold(0.0, f64::max);
        text += &format!("\none seed; 95 % intervals: cells up to ±{} points", percent(widest));
        let means = outcome.methods.iter().filter_map(|method| method.summary.intervals.mean_without_source);
        if let Some(widest) = means.map(half).reduce(f64::max) {
            let source = &outcome.methods[0].summary.source;
            text += &format!(", mean without {source} up to ±{}", percent(widest));
        }
        text += "\n";
    }
    for method in &outcome.methods {
        let warnings = shortened(&method.warnings).into_iter();
        text += &warnings.map(|warning| format!("warning: {}: {warning}\n", method.name)).collect::<String>();
    }
    for (name, shortcut) in outcome.methods.iter().filter_map(|method| Some((&method.name, method.shortcut.as_ref()?)))
    {
        text += &format!("{}\n", shortcut.sentence(name));
    }
    if outcome.task == recipe::DEMO {
        text += "chance is 33.3 %; sentences are generated: this shows transfer at work, not which method is best\n";
    }
    for method in &outcome.methods {
        if let Some(grid) = &method.grid {
            text += &format!("\n{}: first sentence by second\n\n{}", method.name, results::grid(grid).to_text());
            text += &format!("\n{}", results::grid_means(grid).to_text());
        }
    }
    for method in outcome.methods.iter().filter(|method| outcome.methods.len() > 1 && !method.others.is_empty()) {
        text += &format!("\n{}\n\n{}", method.name, results::one_run(&method.summaries()).to_text());
    }
    text += "\n";
    for method in &outcome.methods {
        text += &format!("{}: {}; {}\n", method.name, method.rule, method.folder.display());
    }
    text += &format!("everything is in {}\n", path.display());
    if is_discarded {
        text += "models and checkpoints were removed\n";
    } else if outcome.task == recipe::DEMO {
        text += &after_demo(outcome, path);
    } else if tasks::definition_of(&outcome.task).is_some() {
        text += &after_own(outcome, path);
    }
    print(&text)
}
