//! Models and data sets that a command line or a recipe names: folders as they are, names from the cache or from the hub.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::tell;
use crate::{
    error::{Error, Result},
    hub::{DataSet, Event, Name, Settings, Snapshot, What},
    measure::record::{Record, model_folder, model_folder_for},
    models::shipped,
    recipe::Recipe,
    run::{budget::Bytes, progress::Mode},
    tasks::{self, Split, Task, Wanted},
};

/// Time between two plain lines.
const PAUSE: Duration = Duration::from_secs(30);

/// Whether models may be downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// As the environment says.
    Allowed,
    /// No socket is opened.
    Forbidden,
}

impl Network {
    fn settings(self) -> Result<Settings> {
        Ok(Settings::from_environment()?.with_offline(self == Network::Forbidden))
    }
}

/// The model's folder that a command names: a folder, a stage of a run, or a model on the hub.
pub(super) fn folder(model: &Path, network: Network) -> Result<PathBuf> {
    match model.to_str().and_then(name_of) {
        Some(name) => fetch(&name, What::Model, network).map(|snapshot| snapshot.folder),
        None => model_folder(model),
    }
}

/// The same for a task: of a stage that learned several, the model that has the head of this one.
pub(super) fn folder_for(model: &Path, task: &Task, network: Network) -> Result<PathBuf> {
    match model.to_str().and_then(name_of) {
        Some(_) => folder(model, network),
        None => model_folder_for(model, task.name),
    }
}

/// The same, for a task where one is named.
pub(super) fn folder_of(model: &Path, task: Option<&str>, network: Network) -> Result<PathBuf> {
    let Some(name) = task else { return folder(model, network) };
    let found = folder_for(model, tasks::find(name)?, network)?;
    match Record::load(&found)? {
        Some(record) if record.task != name => {
            let (place, learned) = (found.display(), record.task);
            Err(Error::Usage(format!("--task {name}: {place} learned {learned}; leave --task out for that one")))
        }
        _ => Ok(found),
    }
}

/// The same of what is there already; a name that the cache does not have stands for itself.
pub(super) fn at_hand(model: &Path) -> Result<PathBuf> {
    match model.to_str().and_then(name_of) {
        Some(name) => Ok(Settings::from_environment()?
            .cached(&name, What::Model)
            .map_or_else(|_| model.to_owned(), |snapshot| snapshot.folder)),
        None => model_folder(model),
    }
}

/// The same where the tokenizer is enough.
pub(super) fn tokenizer(model: &Path, network: Network) -> Result<PathBuf> {
    match model.to_str().and_then(name_of) {
        Some(name) => fetch(&name, What::Tokenizer, network).map(|snapshot| snapshot.folder),
        None => model_folder(model),
    }
}

/// What `--model` puts into a recipe: a folder, or the name as it is given, until the recipe is settled.
pub(super) fn path_or_name(model: &str) -> Result<String> {
    match name_of(model) {
        Some(_) => Ok(model.to_owned()),
        None => model_folder(Path::new(model)).map(|folder| folder.display().to_string()),
    }
}

/// Why a model that a recipe names cannot be had without a network, where none is allowed.
pub(super) fn lacking(model: &str, what: What, network: Network) -> Result<Option<String>> {
    let Some(name) = name_of(model) else { return Ok(None) };
    let settings = network.settings()?;
    match settings.offline {
        true => Ok(settings.cached(&name, what).err().map(|error| error.message().to_owned())),
        false => Ok(None),
    }
}

/// Fetches what a recipe names, and puts the commit behind the names, so that the run never means another.
pub(super) fn pin(recipe: &mut Recipe, network: Network) -> Result<()> {
    // With a tokenizer of its own, the model's need not be there; it is fetched all the same.
    for (named, what) in [(&mut recipe.model.tokenizer, What::Tokenizer), (&mut recipe.model.path, What::Model)] {
        if let Some(name) = named.as_deref().and_then(name_of) {
            *named = Some(fetch(&name, what, network)?.pinned.to_string());
        }
    }
    let begin = recipe.model.fresh.as_mut().and_then(|fresh| fresh.begin.as_mut()).map(|begin| &mut begin.path);
    let texts = recipe.stages.iter_mut().filter_map(|stage| stage.mlm.as_mut());
    let teachers = texts.filter_map(|mlm| mlm.teacher.as_mut()).map(|teacher| &mut teacher.path);
    for path in begin.into_iter().chain(teachers) {
        if let Some(name) = name_of(path) {
            *path = fetch(&name, What::Model, network)?.pinned.to_string();
        }
    }
    if let Some(set) = DataSet::find(&recipe.data.folder)? {
        recipe.data.folder = fetch_data(&set, &read_by(recipe)?, network)?.1;
    }
    Ok(())
}

/// What a run reads of a data set: training and dev data of all stages, test data of the last, and what is left out of texts.
fn read_by(recipe: &Recipe) -> Result<Vec<(&'static Task, Split, Vec<String>)>> {
    let mut all = Vec::new();
    for name in recipe.stages.iter().filter_map(|stage| stage.mlm.as_ref()).flat_map(|mlm| &mlm.leave_out) {
        let task = tasks::find(name)?;
        all.extend([Split::Dev, Split::Test].map(|split| (task, split, Vec::new())));
    }
    for stage in &recipe.stages {
        for (place, task) in stage.tasks()?.into_iter().enumerate() {
            let Some(task) = task else { continue };
            let has_files = place == 0 && !stage.train_files.is_empty();
            let splits = [Split::Train, Split::Dev].into_iter().skip(usize::from(has_files));
            all.extend(splits.map(|split| (task, split, vec![task.source.to_owned()])));
        }
    }
    if let Some(task) = recipe.last_task()? {
        let chosen = task.chosen().filter(|_| recipe.languages.is_empty());
        all.push((task, recipe.data.eval_split, chosen.unwrap_or_else(|| recipe.languages.clone())));
    }
    Ok(all)
}

/// The folder of data that a command names: a folder, or a data set on the hub, of which what it reads is fetched.
pub(super) fn data(folder: &Path, read: &[(&Task, Split, Vec<String>)], network: Network) -> Result<PathBuf> {
    match folder.to_str().map_or(Ok(None), DataSet::find)? {
        Some(set) => Ok(fetch_data(&set, read, network)?.0),
        None => Ok(folder.to_owned()),
    }
}

/// Whether a text names a data set on the hub, if perhaps not as it should: then whoever fetches it says so.
pub(super) fn is_data_set(text: &str) -> bool {
    !matches!(DataSet::find(text), Ok(None))
}

/// Fetches what of a data set is read; returns its folder, and its name with the commit.
fn fetch_data(set: &DataSet, read: &[(&Task, Split, Vec<String>)], network: Network) -> Result<(PathBuf, String)> {
    let settings = network.settings()?;
    let shown = Shown::new();
    let show = |event: Event| shown.borrow_mut().show(&set.name, event);
    let listing = settings.listing(set, &show)?;
    let mut files: Vec<String> = Vec::new();
    for (task, split, languages) in read {
        let found = Wanted { task, split: *split, languages }.among(&listing.files);
        files.extend(found.map_err(|error| Error::Data(format!("{set}: {}", error.message())))?);
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        let names: Vec<&str> = read.iter().map(|(task, ..)| task.name).collect();
        let (name, n, first) = (names.first().unwrap_or(&"a task"), listing.files.len(), listing.files.first());
        let such = first.map_or(String::new(), |first| format!(", such as {first}"));
        let remedy = "say in a task's file, under [[layouts]], how they lie there";
        let pinned = &listing.pinned;
        return Err(Error::Missing(format!("{pinned}: none of its {n} files{such} is one of {name}; {remedy}")));
    }
    let folder = settings.fetch_files(&listing.pinned, &files, &show);
    shown.borrow_mut().leave();
    Ok((folder?, listing.pinned.to_string()))
}

/// The model that a run starts from, by name and commit, where it has a name.
pub(super) fn pinned(recipe: &Recipe) -> Option<String> {
    recipe.model.path.as_deref().and_then(name_of).map(|name| name.to_string())
}

/// The data set that a run reads, by name and commit, where it has a name.
pub(super) fn pinned_data(recipe: &Recipe) -> Option<String> {
    Some(recipe.data.folder.clone()).filter(|folder| is_data_set(folder))
}

/// Whether a text is a model's name.
pub(super) fn is_name(text: &str) -> bool {
    name_of(text).is_some()
}

fn name_of(text: &str) -> Option<Name> {
    if text == shipped::PATH { None } else { Name::find(text) }
}

/// Looks for a model in the cache, and fetches what is not there, with its progress on stderr.
fn fetch(name: &Name, what: What, network: Network) -> Result<Snapshot> {
    let shown = Shown::new();
    let snapshot = network.settings()?.fetch(name, what, &|event| shown.borrow_mut().show(name, event));
    shown.borrow_mut().leave();
    snapshot
}

/// The file under way.
struct Shown {
    mode: Mode,
    file: String,
    size: u64,
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Shown {
    fn new() -> RefCell<Shown> {
        RefCell::new(Shown { mode: Mode::auto(), file: String::new(), size: 0, bar: None, said: Instant::now() })
    }

    fn show(&mut self, name: &Name, event: Event) {
        match event {
            Event::Note(text) => match &self.bar {
                Some(bar) => bar.suspend(|| tell(&format!("note: {text}"))),
                None => tell(&format!("note: {text}")),
            },
            Event::File(file, size) => {
                self.leave();
                (self.file, self.size, self.said) = (file.to_owned(), size, Instant::now());
                match self.mode {
                    Mode::Bar => self.bar = Some(bar_of(file, size)),
                    Mode::Plain | Mode::Lines => tell(&format!("fetching {file} of {name}, {}", Bytes(size))),
                    Mode::Notes | Mode::Silent => {}
                }
            }
            Event::At(bytes) => {
                self.bar.iter().for_each(|bar| bar.set_position(bytes));
                if self.mode == Mode::Plain && self.said.elapsed() >= PAUSE {
                    self.said = Instant::now();
                    tell(&format!("{}: {} of {}", self.file, Bytes(bytes), Bytes(self.size)));
                }
            }
        }
    }

    fn leave(&mut self) {
        self.bar.take().iter().for_each(ProgressBar::abandon);
    }
}

fn bar_of(file: &str, size: u64) -> ProgressBar {
    let template = "{prefix} {wide_bar} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is right");
    ProgressBar::new(size).with_prefix(file.to_owned()).with_style(style.progress_chars("=> "))
}
