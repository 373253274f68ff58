//! The folder of a run: what was asked for, on what it runs, what happened, and what came out.
//!
//! ```text
//! config.resolved.toml  config.sources.json  env.json  log.jsonl  STATUS.json  LOCK  metrics.json
//! config.resolved.sha256            so that an edit of the configuration is noticed
//! inputs.json                       the hash of every file that is read, compared at every start
//! autotune.json                     with --autotune, the kernels chosen
//! ranks.json                        how many ranks it began with: micro-batches are shared out by that
//! 1-mlm/                            one folder per stage, and per method of the last one
//!   checkpoints/step-00000500/      whole or not there at all
//!   LATEST                          the name of the newest
//!   memory.json                     what it takes, and the micro-batches that were chosen
//!   model/                          the model kept, as Hugging Face lays it out
//!   predictions/test-de.jsonl  metrics.json
//! ```
//!
//! Nothing of others is ever deleted, one process at a time works here, and a run that finds its own configuration goes
//! on where it stopped.

mod environment;
mod json;
mod lock;
mod stage;

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

pub use self::{
    environment::{Environment, cpu_name},
    json::number,
    lock::{Look, look},
    stage::{Saved, StageFolder},
};
use self::{
    environment::{moved, now},
    json::{read_json, write_json},
    lock::{lock, sign},
};
use super::files::{
    self, CHECKPOINTS, CONFIG, CONFIG_HASH, CORPUS, DATA, ENVIRONMENT, LOCK, LOG, MEMORY, METRICS, MODEL, SOURCES,
    STATUS, WORDS,
};
use crate::{
    checkpoint::{self, write_file},
    error::{Error, Result},
    learn::reduce::Reduce,
    ranks::Ranks,
    recipe::Resolved,
    tasks::sha256,
};

/// An open run folder, locked for this process until it is dropped. Of several ranks the first writes, and the others go on
/// when it has.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    resumed: bool,
    notes: Vec<String>,
    ranks: Ranks,
    /// What the first rank has of it.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    log: Mutex<File>,
    /// Held, not read: the lock goes with it.
    _lock: File,
}

/// What the run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// At work, or killed at work.
    Running,
    /// Stopped on request; to be continued.
    Paused,
    /// All is measured.
    Done,
    /// An error ended it.
    Failed,
}

impl RunFolder {
    /// Opens a folder for this configuration: a new one, an empty one, or one of the same configuration.
    pub fn open(path: &Path, resolved: &Resolved, environment: &Environment, ranks: &Ranks) -> Result<RunFolder> {
        let mut held = None;
        let (resumed, notes) = ranks.first(|| {
            let (own, resumed, notes) = RunFolder::hold(path, resolved, environment)?;
            held = Some(own);
            Ok((resumed, notes))
        })?;
        Ok(RunFolder { path: path.to_owned(), resumed, notes, ranks: ranks.clone(), held })
    }

    /// Locks the folder and writes down what is about to happen in it; whether an earlier process began that, and what was
    /// found.
    fn hold(path: &Path, resolved: &Resolved, environment: &Environment) -> Result<(Held, bool, Vec<String>)> {
        create(path)?;
        let mut lock = lock(path)?;
        let config = path.join(CONFIG);
        let resumed = holds_work(path)?;
        if resumed {
            refuse_differences(path, &config, resolved)?;
        }
        sign(&mut lock, &path.join(LOCK))?;
        let mut notes: Vec<String> = checkpoint::clean(path)?.iter().map(|left| settled(left)).collect();
        notes.extend(moved(path, environment, resolved.recipe.reduce == Reduce::Ordered).filter(|_| resumed));
        let open = File::options().create(true).append(true).open(path.join(LOG));
        let log = Mutex::new(open.map_err(|error| Error::write(&path.join(LOG), &error))?);
        write_json(&path.join(SOURCES), &json!(resolved.sources))?;
        if status_of(path) != Some(Status::Done) {
            // A run that is done keeps the record of where it was made.
            write_json(&path.join(ENVIRONMENT), &json!(environment))?;
        }
        if !path.join(files::RANKS).is_file() {
            write_json(&path.join(files::RANKS), &json!({ "ranks": environment.ranks }))?;
        }
        if !resumed {
            forget_beginnings(path)?;
            // Last, so that a folder with a configuration has all the rest.
            let text = resolved.to_toml();
            write_file(&path.join(CONFIG_HASH), format!("{}\n", sha256(text.as_bytes())).as_bytes())?;
            write_file(&config, text.as_bytes())?;
        }
        Ok((Held { log, _lock: lock }, resumed, notes))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an earlier process began this run.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// What was found on opening that a user should know.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What the last process said of the run.
    pub fn status(&self) -> Option<Status> {
        status_of(&self.path)
    }

    /// Records what the run is doing, and why.
    pub fn set_status(&self, status: Status, reason: &str) -> Result<()> {
        self.first(|| match self.status() {
            // A run that is done and started again finds nothing to do, and keeps the record of when it ended.
            Some(Status::Done) if matches!(status, Status::Running | Status::Done) => Ok(()),
            _ => self.end(status, reason),
        })
    }

    /// The same where an error ends the run, perhaps on this rank alone: nobody waits for the others.
    pub fn end(&self, status: Status, reason: &str) -> Result<()> {
        match self.held {
            Some(_) => write_json(&self.path.join(STATUS), &json!({ "status": status, "reason": reason, "at": now() })),
            None => Ok(()),
        }
    }

    /// Lets the first rank write something in here.
    #[track_caller]
    pub fn first<T: Serialize + DeserializeOwned>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        self.ranks.first(write)
    }

    /// How many ranks the run began with.
    pub fn ranks_at_first(&self) -> Result<usize> {
        let path = self.path.join(files::RANKS);
        self.first(|| {
            let found = read_json(&path)?;
            let ranks = found.as_ref().and_then(|value| value["ranks"].as_u64()).filter(|ranks| *ranks > 0);
            ranks.map(|ranks| ranks as usize).ok_or_else(|| {
                let remedy = "take the file from a copy of the folder, or name another --output";
                Error::Data(format!("{}: expected {{\"ranks\": 2}}; {remedy}", path.display()))
            })
        })
    }

    /// Removes models and checkpoints of a run that is measured: predictions and results stay, and it is done for good.
    pub fn discard_models(&self) -> Result<()> {
        self.first(|| RunFolder::remove_weights(&self.path))
    }

    /// The same of the run in a folder that nobody is at work in.
    pub fn remove_weights(run: &Path) -> Result<()> {
        let path = run.join(files::DISCARDED);
        write_file(&path, b"models and checkpoints were removed when all was measured\n")?;
        let student = run.join(files::STUDENT);
        if student.exists() {
            fs::remove_dir_all(&student).map_err(|error| Error::write(&student, &error))?;
        }
        let entries = fs::read_dir(run).map_err(|error| Error::read(run, &error))?;
        let mut stages = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        stages.try_for_each(|stage| StageFolder::remove_weights(&stage))
    }

    /// Whether it is done and its models were removed, so that nothing is left to do.
    pub fn is_discarded(&self) -> bool {
        self.status() == Some(Status::Done) && self.path.join(files::DISCARDED).exists()
    }

    /// Writes the results of the whole run.
    pub fn write_metrics(&self, metrics: &Value) -> Result<()> {
        self.write_json(METRICS, metrics)
    }

    /// The results of the whole run, if they are there.
    pub fn metrics(&self) -> Result<Option<Value>> {
        read_json(&self.path.join(METRICS))
    }

    /// The folder of a stage, made if it is not there; half-written things of a killed process are cleared away.
    pub fn stage(&self, name: &str) -> Result<StageFolder> {
        StageFolder::open(self.path.join(name), self.ranks.clone())
    }

    /// Appends one event to `log.jsonl`: its kind, the stage and step it belongs to, whatever else there is to say, and
    /// when, in seconds since 1970.
    pub fn log(&self, event: &str, stage: &str, step: u64, rest: &[(&str, Value)]) -> Result<()> {
        let mut line = Map::new();
        line.insert("event".into(), json!(event));
        line.insert("stage".into(), json!(stage));
        line.insert("step".into(), json!(step));
        line.extend(rest.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        line.insert("time".into(), json!((now * 1e3).round() / 1e3));
        let text = format!("{}\n", Value::Object(line));
        self.first(|| {
            let mut file = self.events();
            let length = file.metadata().map(|found| found.len());
            file.write_all(text.as_bytes()).map_err(|error| {
                // Where there is no room, a part of the line may be there.
                let _ = length.and_then(|length| file.set_len(length));
                Error::write(&self.path.join(LOG), &error)
            })
        })
    }

    /// The file of the log, which the first rank has.
    fn events(&self) -> MutexGuard<'_, File> {
        let held = self.held.as_ref().expect("the first rank has the folder open");
        held.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out what `log.jsonl` says of this stage after `step`: it will be said again. Lines that are damaged go;
    /// returns how many.
    pub fn rewind_log(&self, stage: &str, step: u64) -> Result<usize> {
        self.first(|| self.cut_log(stage, step))
    }

    fn cut_log(&self, stage: &str, step: u64) -> Result<usize> {
        let path = self.path.join(LOG);
        let text = fs::read(&path).map_err(|error| Error::read(&path, &error))?;
        let (mut kept, mut n_damaged) = (Vec::new(), 0);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let event = serde_json::from_slice::<Value>(line).ok().filter(|_| line.ends_with(b"\n"));
            let Some(event) = event.filter(|event| event["event"].is_string()) else {
                n_damaged += 1;
                continue;
            };
            let is_again = event["stage"] == stage && event["step"].as_u64().is_none_or(|at| at > step);
            if !is_again {
                kept.extend_from_slice(line);
            }
        }
        if kept.len() < text.len() {
            let mut file = self.events();
            write_file(&path, &kept)?;
            *file = File::options().append(true).open(&path).map_err(|error| Error::write(&path, &error))?;
        }
        Ok(n_damaged)
    }

    /// Takes over a stage that was run in a folder of its own, which is removed: the stage's folder and its events. What
    /// this run began of the stage makes way for one that is finished.
    pub fn adopt(&self, other: &Path, stage: &str) -> Result<()> {
        let _lock = lock(other)?;
        let (from, to) = (other.join(stage), self.path.join(stage));
        if from.exists() && (!to.exists() || files::is_measured(&from) && !files::is_measured(&to)) {
            // Whoever was killed here before may have taken the events alone.
            self.rewind_log(stage, 0)?;
            let path = other.join(LOG);
            let events = fs::read(&path).map_err(|error| Error::read(&path, &error))?;
            let mut log = self.events();
            log.write_all(&events).map_err(|error| Error::write(&self.path.join(LOG), &error))?;
            if to.exists() {
                fs::remove_dir_all(&to).map_err(|error| Error::write(&to, &error))?;
            }
            fs::rename(&from, &to).map_err(|error| Error::write(&to, &error))?;
        }
        // What the stage was measured on says a report, which may come before this run reads its data itself.
        let (read, own) = (other.join(files::DATA), self.path.join(files::DATA));
        if read.exists() && !own.exists() {
            fs::rename(&read, &own).map_err(|error| Error::write(&own, &error))?;
        }
        fs::remove_dir_all(other).map_err(|error| Error::write(other, &error))
    }

    fn write_json(&self, name: &str, value: &Value) -> Result<()> {
        self.first(|| write_json(&self.path.join(name), value))
    }
}

/// What the last process said of a run.
fn status_of(folder: &Path) -> Option<Status> {
    let text = fs::read(folder.join(STATUS)).ok()?;
    let value: Value = serde_json::from_slice(&text).ok()?;
    Status::deserialize(&value["status"]).ok()
}

/// Why a run failed, where an error ended it.
pub fn failure(folder: &Path) -> Option<String> {
    let value: Value = serde_json::from_slice(&fs::read(folder.join(STATUS)).ok()?).ok()?;
    let reason = value["reason"].as_str()?.to_owned();
    Some(reason).filter(|_| Status::deserialize(&value["status"]).is_ok_and(|status| status == Status::Failed))
}

/// Records in a run's folder that a process left it at once, with all saved; one that is done stays done. What went wrong
/// here is no news: the process ends, and the run goes on whatever its status says.
pub fn pause(folder: &Path) {
    if !matches!(status_of(folder), Some(Status::Done | Status::Paused)) {
        let status = json!({ "status": Status::Paused, "reason": "stopped on request", "at": now() });
        let _ = write_json(&folder.join(STATUS), &status);
    }
}

/// Makes the folder; one that holds other things is refused.
fn create(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| cannot_create(path, &error))?;
    let entries = fs::read_dir(path).map_err(|error| cannot_create(path, &error))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<io::Result<_>>().map_err(|error| cannot_create(path, &error))?;
    let ours = |name: &String| name == CONFIG || name == LOCK;
    if names.iter().any(ours) {
        return Ok(());
    }
    match names.iter().find(|name| !name.starts_with('.')) {
        Some(name) => Err(Error::Output(format!(
            "{}: expected an empty folder or one of a run, found \"{name}\" and no {CONFIG}; name another --output",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Whether a run has left anything of value in a folder: events, checkpoints, models, results. Without that it may begin
/// anew with another configuration; with that it must have its configuration.
fn holds_work(folder: &Path) -> Result<bool> {
    let has_log = folder.join(LOG).metadata().is_ok_and(|log| log.len() > 0);
    let mut holds = has_log || folder.join(METRICS).exists();
    for entry in fs::read_dir(folder).map_err(|error| Error::read(folder, &error))? {
        let stage = entry.map_err(|error| Error::read(folder, &error))?.path();
        let filled = |name: &str| fs::read_dir(stage.join(name)).is_ok_and(|mut inside| inside.next().is_some());
        holds |= [CHECKPOINTS, MODEL, CORPUS].into_iter().any(filled);
    }
    match holds && !folder.join(CONFIG).is_file() {
        false => Ok(holds),
        true => Err(Error::Output(format!(
            "{} holds a run without its {CONFIG}; take the file from a copy of the folder, or name another --output",
            folder.display()
        ))),
    }
}

/// Takes away what a start that came to nothing recorded here: a new one may be of another configuration.
fn forget_beginnings(folder: &Path) -> Result<()> {
    for stale in [crate::data::inputs::INPUTS, DATA, CONFIG_HASH, STATUS] {
        remove_file(&folder.join(stale))?;
    }
    let tokenizer = folder.join("tokenizer");
    if tokenizer.join(checkpoint::MARKER).is_file() {
        checkpoint::remove_folder(&tokenizer)?;
    }
    for entry in fs::read_dir(folder).map_err(|error| Error::read(folder, &error))? {
        let stage = entry.map_err(|error| Error::read(folder, &error))?.path();
        if stage.join(CHECKPOINTS).is_dir() {
            remove_file(&stage.join(MEMORY))?;
            remove_file(&stage.join(WORDS))?;
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(path, &error)),
        _ => Ok(()),
    }
}

fn refuse_differences(folder: &Path, config: &Path, resolved: &Resolved) -> Result<()> {
    let text = fs::read_to_string(config).map_err(|error| Error::read(config, &error))?;
    let differences = resolved.differences(&text);
    let remedy = "take the file from a copy of the folder, or name another --output";
    let differences = differences.map_err(|reason| Error::Data(format!("{}: {reason}; {remedy}", config.display())))?;
    let written = fs::read_to_string(folder.join(CONFIG_HASH)).ok();
    let edited = written.is_some_and(|written| written.trim() != sha256(text.as_bytes()));
    if edited {
        let config = config.display();
        return Err(Error::Output(format!("{config} was edited after the run began with it; {remedy}")));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let lines = differences.iter().map(|(key, there, here)| format!("  {key}: {there} there, {here} now\n"));
    Err(Error::Output(format!(
        "{} holds a run of another configuration:\n{}name another --output, or delete that folder yourself",
        folder.display(),
        lines.collect::<String>()
    )))
}

fn settled(left: &Path) -> String {
    format!("cleared away what a killed process left: {}", left.display())
}

fn cannot_create(path: &Path, error: &io::Error) -> Error {
    Error::Output(format!("cannot create {}: {error}; name another --output", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "name = \"t\"\n[model]\npath = \"m\"\n[[stages]]\ntask = \"xnli\"\n";

    fn resolved(extra: &str) -> Resolved {
        Resolved::parse(&format!("{RECIPE}{extra}"), "t.toml", &[]).unwrap()
    }

    pub fn open(path: &Path, extra: &str) -> Result<RunFolder> {
        RunFolder::open(path, &resolved(extra), &Environment::here("cpu"), Ranks::alone())
    }

    #[test]
    fn what_a_killed_process_left_among_predictions_goes() {
        let parent = tempfile::tempdir().unwrap();
        let run = open(&parent.path().join("run"), "").unwrap();
        let kept = run.stage("1-xnli").unwrap().predictions("test", "en").unwrap();
        fs::write(&kept, "{}\n").unwrap();
        let stray = kept.with_file_name(format!(".test-fi.jsonl.rxlt-tmp-{}-0123456789abcdef-7", u32::MAX));
        fs::write(&stray, "{}\n").unwrap();
        run.stage("1-xnli").unwrap();
        assert!(kept.is_file() && !stray.exists());
    }

    #[test]
    fn a_run_starts_goes_on_and_is_protected() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/run");
        let first = open(&path, "").unwrap();
        assert!(!first.is_resumed() && first.status().is_none());
        first.set_status(Status::Paused, "stopped").unwrap();
        first.log("step", "1-xnli", 1, &[]).unwrap();
        let error = open(&path, "").unwrap_err();
        assert_eq!(error.exit_code(), 73);
        assert!(error.message().contains(&format!("in use by process {}", std::process::id())), "{error}");
        drop(first);

        let second = open(&path, "").unwrap();
        assert!(second.is_resumed());
        assert_eq!((second.status(), second.notes().len()), (Some(Status::Paused), 0));
        drop(second);
        let error = open(&path, "learning_rate = 1e-4\n").unwrap_err();
        assert_eq!(error.exit_code(), 73);
        assert!(error.message().contains("stages.0.learning_rate: 0.00002 there, 0.0001 now\n"), "{error}");
        assert!(error.message().contains("--output"), "{error}");
        let text = fs::read_to_string(path.join(CONFIG)).unwrap();
        assert_eq!(Resolved::parse(&text, "again", &[]).unwrap().recipe, resolved("").recipe);
        let other = RunFolder::open(&path, &resolved(""), &Environment::here("a card"), Ranks::alone()).unwrap();
        assert!(other.notes()[0].contains("not bit-exact"), "{:?}", other.notes());
        drop(other);
        let two = Environment { ranks: 2, ..Environment::here("a card") };
        assert_eq!(moved(&path, &two, true), None, "one process has the bits of two ranks");
        assert!(moved(&path, &two, false).unwrap().contains("began with 1 ranks and goes on with 2"));
    }

    #[test]
    fn a_finished_part_takes_the_place_of_what_was_begun() {
        for is_finished in [false, true] {
            let parent = tempfile::tempdir().unwrap();
            let [run, part] = ["run", "part"].map(|name| {
                fs::create_dir(parent.path().join(name)).unwrap();
                let folder = open(&parent.path().join(name), "").unwrap();
                fs::create_dir(folder.path.join("1-x")).unwrap();
                fs::write(folder.path.join("1-x/whose"), name).unwrap();
                folder.log("step", "1-x", 1, &[("whose", json!(name))]).unwrap();
                folder
            });
            if is_finished {
                fs::write(part.path.join("1-x").join(files::METRICS), "{}").unwrap();
            }
            let other = part.path.clone();
            drop(part);
            run.adopt(&other, "1-x").unwrap();
            let expected = if is_finished { "part" } else { "run" };
            assert_eq!(fs::read_to_string(run.path.join("1-x/whose")).unwrap(), expected);
            let log = fs::read_to_string(run.path.join(LOG)).unwrap();
            assert!(log.lines().count() == 1 && log.contains(&format!("\"whose\":\"{expected}\"")), "{log}");
            assert!(!other.exists());
        }
    }

    #[test]
    fn places_that_cannot_be_a_run_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "mine").unwrap();
        for path in [file.clone(), file.join("below"), parent.path().to_owned()] {
            assert_eq!(open(&path, "").unwrap_err().exit_code(), 73, "{}", path.display());
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert!(!parent.path().join(LOCK).exists());
    }

    #[test]
    fn the_log_is_rewound_to_the_resumed_step() {
        let parent = tempfile::tempdir().unwrap();
        let folder = open(parent.path(), "").unwrap();
        let say = |stage, step| folder.log("step", stage, step, &[("loss", number(f64::NAN))]).unwrap();
        for (stage, step) in [("1-mlm", 1), ("1-mlm", 2), ("2-xnli", 1), ("2-xnli", 2), ("2-xnli", 3)] {
            say(stage, step);
        }
        let lines = || fs::read_to_string(parent.path().join(LOG)).unwrap().lines().count();
        fs::OpenOptions::new().append(true).open(parent.path().join(LOG)).unwrap().write_all(b"{\"ev").unwrap();
        for (stage, step, expected) in
            [("2-xnli", 9, 5), ("2-xnli", 2, 4), ("1-mlm", 1, 3), ("1-mlm", 0, 2), ("2-xnli", 0, 0)]
        {
            folder.rewind_log(stage, step).unwrap();
            assert_eq!(lines(), expected, "{stage} {step}");
        }
        say("1-mlm", 1);
        let text = fs::read_to_string(parent.path().join(LOG)).unwrap();
        let (said, time) = text.split_once(",\"time\":").unwrap();
        assert_eq!(said, "{\"event\":\"step\",\"stage\":\"1-mlm\",\"step\":1,\"loss\":\"nan\"");
        assert!(time.trim_end().trim_end_matches('}').parse::<f64>().is_ok_and(|time| time > 1.7e9), "{text}");
    }
}
