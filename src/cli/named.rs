//! Models that a command line or a recipe names: folders as they are, names from the cache or from the hub.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::tell;
use crate::{
    error::Result,
    hub::{Event, Name, Settings, Snapshot, What},
    models::shipped,
    train::{memory::Bytes, progress::Mode, recipe::Recipe, record::model_folder},
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
    Ok(())
}

/// The model that a run starts from, by name and commit, where it has a name.
pub(super) fn pinned(recipe: &Recipe) -> Option<String> {
    recipe.model.path.as_deref().and_then(name_of).map(|name| name.to_string())
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
    let shown =
        RefCell::new(Shown { mode: Mode::auto(), file: String::new(), size: 0, bar: None, said: Instant::now() });
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
                    Mode::Plain => tell(&format!("fetching {file} of {name}, {}", Bytes(size))),
                    Mode::Silent => {}
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
