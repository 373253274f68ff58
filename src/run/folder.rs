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

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    budget::Choice,
    files::{
        self, CHECKPOINTS, CONFIG, CONFIG_HASH, CORPUS, DATA, ENVIRONMENT, LOCK, LOG, MEMORY, METRICS, MODEL, SOURCES,
        STATUS, WORDS,
    },
};
use crate::{
    checkpoint::{self, commit_folder, write_file},
    error::{Error, Result},
    learn::methods::WordNorms,
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

/// Where a run happens, for its record: versions, system, device, and how it was called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The version of rxlt, with its commit.
    pub rxlt: String,
    /// Operating system and architecture.
    pub system: String,
    /// The processor.
    pub cpu: String,
    /// How many threads compute, of each rank.
    pub threads: usize,
    /// How many ranks share the run, where there are several.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub ranks: usize,
    /// The device that computes, with its driver.
    pub device: String,
    /// The model that it starts from, by name and commit, where it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The data set, by name and commit, where it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The command line, secrets blacked out.
    pub argv: Vec<String>,
    /// When it started, in UTC.
    pub started: String,
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

impl Environment {
    /// This process's, computing on `device`.
    pub fn here(device: &str) -> Environment {
        Environment {
            rxlt: crate::VERSION.to_owned(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cpu: cpu_name().unwrap_or_else(|| "unknown".into()),
            threads: rayon::current_num_threads(),
            ranks: 1,
            device: device.to_owned(),
            model: None,
            data: None,
            argv: redacted(std::env::args_os().map(|arg| arg.to_string_lossy().into_owned())),
            started: now(),
        }
    }
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
        for stage in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
            for entry in fs::read_dir(&stage).map_err(|error| Error::read(&stage, &error))?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_weights =
                    [files::CHECKPOINTS, files::MODEL, BEST].contains(&&*name) || name.starts_with("model-");
                if is_weights {
                    fs::remove_dir_all(entry.path()).map_err(|error| Error::write(&entry.path(), &error))?;
                }
            }
        }
        Ok(())
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
        let stage = StageFolder { path: self.path.join(name), ranks: self.ranks.clone() };
        let checkpoints = stage.checkpoints();
        self.first(|| {
            fs::create_dir_all(&checkpoints).map_err(|error| cannot_create(&checkpoints, &error))?;
            checkpoint::clean(&stage.path)?;
            checkpoint::clean(&checkpoints)?;
            let predictions = stage.path.join(files::PREDICTIONS);
            if predictions.is_dir() {
                checkpoint::clean(&predictions)?;
            }
            Ok(())
        })?;
        Ok(stage)
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

/// A number for JSON, which has none for NaN and infinity: these are written as strings.
pub fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else if value.is_nan() {
        json!("nan")
    } else {
        json!(if value > 0.0 { "inf" } else { "-inf" })
    }
}

/// The folder of a stage, or of a method in the last stage.
#[derive(Debug, Clone)]
pub struct StageFolder {
    path: PathBuf,
    ranks: Ranks,
}

/// In a stage's folder, the best model so far.
const BEST: &str = "best";
/// In that, after which update it was evaluated.
const EVALUATED: &str = "evaluated.json";

/// A checkpoint that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// After which update.
    pub step: u64,
    /// Where it lies.
    pub path: PathBuf,
}

impl StageFolder {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the model kept lies: a Hugging Face folder, once it is complete.
    pub fn model(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// Where the model lies that has the head of a task learned beside the stage's own.
    pub fn model_of(&self, task: &str) -> PathBuf {
        self.path.join(format!("model-{task}"))
    }

    /// Whether the model kept is there; a damaged one is an error that says how it is made again.
    pub fn has_model(&self) -> Result<bool> {
        self.is_whole(self.model())
    }

    /// The same of a task learned beside the stage's own.
    pub fn has_model_of(&self, task: &str) -> Result<bool> {
        self.is_whole(self.model_of(task))
    }

    fn is_whole(&self, model: PathBuf) -> Result<bool> {
        if !model.exists() {
            return Ok(false);
        }
        checkpoint::verify(&model).map(|()| true).map_err(|error| {
            let (model, remedy) = (self.model(), "run the same command: it is made again from the last checkpoint");
            error.with(&format!("take the file from a copy of the folder, or remove {} and {remedy}", model.display()))
        })
    }

    /// Whether the best model so far, kept here by the evaluation after update `step`, is as it was written. Where a run
    /// that goes on from an earlier update is not bit-exact, a later evaluation may have left another.
    pub fn check_best(&self, step: u64) -> Result<()> {
        let again = || {
            let stage = self.path.display();
            format!("remove {stage} and run the same command: the stage is trained again")
        };
        let remedy = || format!("take the file from a copy of the folder, or {}", again());
        checkpoint::verify(&self.best()).map_err(|error| error.with(&remedy()))?;
        let path = self.best().join(EVALUATED);
        let kept = read_json(&path)?.and_then(|value| value["step"].as_u64());
        match kept.filter(|kept| *kept != step) {
            None => Ok(()), // an earlier version did not say it
            Some(kept) => Err(Error::Data(format!(
                "{}: the best evaluation is that after update {step}, and the model kept is that after update {kept}, of a \
                 start that went otherwise; {}",
                path.display(),
                again()
            ))),
        }
    }

    /// Writes of which evaluation the best model is, into its folder.
    pub fn write_evaluated(folder: &Path, step: u64) -> Result<()> {
        write_json(&folder.join(EVALUATED), &json!({ "step": step }))
    }

    /// Where the best model so far lies.
    pub fn best(&self) -> PathBuf {
        self.path.join(BEST)
    }

    /// Where the predictions for a split in a language go; the folder is made.
    pub fn predictions(&self, split: &str, language: &str) -> Result<PathBuf> {
        let folder = self.path.join(files::PREDICTIONS);
        fs::create_dir_all(&folder).map_err(|error| cannot_create(&folder, &error))?;
        Ok(files::predictions(&self.path, split, language))
    }

    /// Writes the stage's results.
    pub fn write_metrics(&self, metrics: &Value) -> Result<()> {
        self.ranks.first(|| write_json(&self.path.join(METRICS), metrics))
    }

    /// The stage's results, if they are there.
    pub fn metrics(&self) -> Result<Option<Value>> {
        read_json(&self.path.join(METRICS))
    }

    /// What the stage was found to take, and the micro-batches that follow from it; kept, so that a run that goes on
    /// has the same.
    pub fn choice(&self) -> Result<Option<Choice>> {
        read_json(&self.path.join(MEMORY))?
            .map(|value| {
                let remedy = "take the file from a copy of the folder, or name another --output";
                let path = self.path.join(MEMORY);
                Choice::deserialize(&value).map_err(|e| Error::Data(format!("{}: {e}; {remedy}", path.display())))
            })
            .transpose()
    }

    /// Refuses one that is not what the recipe asks for, unless a limit of memory made it smaller.
    pub fn check_choice(&self, choice: &Choice, asked: usize) -> Result<()> {
        let found = choice.tokens_per_micro_batch;
        match found == asked || (choice.memory_limit.is_some() && found < asked) {
            true => Ok(()),
            false => Err(Error::Data(format!(
                "{}: expected tokens_per_micro_batch {asked} as in the recipe, found {found}; take the file from a copy of \
                 the folder, or name another --output",
                self.path.join(MEMORY).display()
            ))),
        }
    }

    /// Records that.
    pub fn set_choice(&self, choice: &Choice) -> Result<()> {
        self.ranks.first(|| write_json(&self.path.join(MEMORY), &json!(choice)))
    }

    /// Records the norms of words that lengths are relative to, or compares them with those of an earlier start.
    pub fn hold_words(&self, words: &WordNorms) -> Result<()> {
        self.ranks.first(|| self.compare_words(words))
    }

    fn compare_words(&self, words: &WordNorms) -> Result<()> {
        let path = self.path.join(WORDS);
        let Some(before) = read_json(&path)? else { return write_json(&path, &json!(words)) };
        // Numbers are compared as they are written.
        let now: Value = serde_json::from_str(&json!(words).to_string()).expect("it was just written");
        if before == now {
            return Ok(());
        }
        Err(Error::Data(format!(
            "{}: expected {}, found {before}: the model that the stage begins with is another; take the file from a copy of \
             the folder, or name another --output",
            path.display(),
            now
        )))
    }

    /// Saves a checkpoint: `fill` writes into a folder that gets its name only when it is whole and on the disk.
    pub fn save(&self, step: u64, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Saved> {
        let name = format!("step-{step:08}");
        let path = self.checkpoints().join(&name);
        commit_folder(&path, fill)?;
        write_file(&self.path.join("LATEST"), format!("{name}\n").as_bytes())?;
        Ok(Saved { step, path })
    }

    /// The newest checkpoint whose files are as they were written; of damaged ones `note` is told.
    pub fn latest(&self, mut note: impl FnMut(String)) -> Result<Option<Saved>> {
        let saved = self.saved()?;
        let mut passed_over = 0;
        for saved in saved.into_iter().rev() {
            match checkpoint::verify(&saved.path) {
                Ok(()) => return Ok(Some(saved)),
                Err(error) => note(format!("{} is passed over: {error}", saved.path.display())),
            }
            passed_over += 1;
        }
        if passed_over > 0 || self.path.join("LATEST").exists() {
            note(format!("{}: no whole checkpoint is left; the stage is trained again", self.path.display()));
        }
        Ok(None)
    }

    /// Removes our checkpoints that are older than this one. Those that seem newer were passed over as damaged, and are
    /// replaced when training comes to them.
    pub fn prune(&self, newest: u64) -> Result<()> {
        self.ranks.first(|| {
            let saved = self.saved()?;
            let mut old = saved.iter().filter(|saved| saved.step < newest);
            old.try_for_each(|old| checkpoint::remove_folder(&old.path))
        })
    }

    /// All checkpoints that have a name of ours, whole or not, the oldest first.
    fn saved(&self) -> Result<Vec<Saved>> {
        let folder = self.checkpoints();
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|error| Error::read(&folder, &error))? {
            let path = entry.map_err(|error| Error::read(&folder, &error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let step = name.strip_prefix("step-").and_then(|step| step.parse().ok());
            found.extend(
                step.filter(|_| path.join(checkpoint::MARKER).exists()).map(|step| Saved { step, path: path.clone() }),
            );
        }
        found.sort_by_key(|saved| saved.step);
        Ok(found)
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }
}

/// Records in a run's folder that a process left it at once, with all saved; one that is done stays done. What went wrong
/// here is no news: the process ends, and the run goes on whatever its status says.
pub fn pause(folder: &Path) {
    if !matches!(status_of(folder), Some(Status::Done | Status::Paused)) {
        let status = json!({ "status": Status::Paused, "reason": "stopped on request", "at": now() });
        let _ = write_json(&folder.join(STATUS), &status);
    }
}

/// How a run's folder is found by somebody who only looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// There is no folder, or nothing was begun in it.
    Nothing,
    /// A process holds it: which, on what host, since when.
    Held(String),
    /// Nobody is at work; what was said of it last.
    Left(Status),
}

/// Looks at a run's folder without changing it.
pub fn look(folder: &Path) -> Look {
    let status = status_of(folder);
    if status == Some(Status::Done) && folder.join(METRICS).is_file() {
        return Look::Left(Status::Done);
    }
    let path = folder.join(LOCK);
    // A lock that is tried is held for a moment; `lock` waits that long.
    let is_held = File::open(&path).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)));
    match (is_held, status) {
        (true, _) => Look::Held(fs::read_to_string(&path).unwrap_or_default().trim().to_owned()),
        // Who says that it is done and has no results was killed in between.
        (false, Some(Status::Done)) => Look::Left(Status::Running),
        (false, Some(status)) => Look::Left(status),
        (false, None) => Look::Nothing,
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

/// Locks the folder, or names who holds it.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(|error| cannot_create(&path, &error))?;
    match patiently(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
            let folder = folder.display();
            Err(Error::Output(format!("{folder} is in use by {holder}; wait for it, or name another --output")))
        }
        Err(TryLockError::Error(error)) => Err(Error::Output(format!(
            "cannot lock {}: {error}; name an --output on a disk that knows locks",
            path.display()
        ))),
    }
}

/// Tries for a tenth of a second: who only looks whether the lock is held lets go at once.
fn patiently(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 0..4 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(25)),
            other => return other,
        }
    }
    file.try_lock()
}

/// Writes into the lock who holds it.
fn sign(lock: &mut File, path: &Path) -> Result<()> {
    let text = format!("process {} on {} since {}\n", process::id(), host(), now());
    let signed = lock.set_len(0).and_then(|()| lock.write_all(text.as_bytes()));
    signed.map_err(|error| Error::write(path, &error))
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

/// What is to be said if the run was on another device or version before.
fn moved(folder: &Path, now: &Environment, is_ordered: bool) -> Option<String> {
    let text = fs::read(folder.join(ENVIRONMENT)).ok()?;
    let before: Environment = serde_json::from_slice(&text).ok()?;
    let changes = [("device", &before.device, &now.device), ("rxlt", &before.rxlt, &now.rxlt)];
    // On the processor the number of threads does not change a bit.
    let exact = "not bit-exact from here";
    if let Some((what, before, now)) =
        changes.into_iter().find(|(_, before, now)| without_threads(before) != without_threads(now))
    {
        return Some(format!("the run began on {what} {before} and goes on with {now}: {exact}"));
    }
    let is_other = before.ranks != now.ranks && !is_ordered;
    is_other.then(|| {
        let (before, now) = (before.ranks, now.ranks);
        format!("the run began with {before} ranks and goes on with {now}, which add up otherwise: {exact}")
    })
}

/// A device's name without how many threads the processor computes with: `cpu (2 threads, f32)`.
fn without_threads(device: &str) -> String {
    match device.strip_prefix("cpu (").and_then(|rest| rest.split_once(" threads, ")) {
        Some((_, precision)) => format!("cpu ({precision}"),
        None => device.to_owned(),
    }
}

fn settled(left: &Path) -> String {
    format!("cleared away what a killed process left: {}", left.display())
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_file(path, format!("{value:#}\n").as_bytes())
}

fn read_json(path: &Path) -> Result<Option<Value>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read(path).map_err(|error| Error::read(path, &error))?;
    let value = serde_json::from_slice(&text);
    value.map(Some).map_err(|error| Error::Data(format!("{}: expected JSON: {error}", path.display())))
}

fn cannot_create(path: &Path, error: &io::Error) -> Error {
    Error::Output(format!("cannot create {}: {error}; name another --output", path.display())).because(error)
}

/// Arguments without what looks like a secret.
fn redacted(args: impl Iterator<Item = String>) -> Vec<String> {
    const NAMES: [&str; 5] = ["token", "secret", "password", "passwd", "api_key"];
    const PREFIXES: [&str; 6] = ["hf_", "sk-", "ghp_", "gho_", "github_pat_", "glpat-"];
    let secret_name = |name: &str| NAMES.iter().any(|word| name.to_lowercase().replace('-', "_").contains(word));
    let mut hide_next = false;
    args.map(|arg| {
        let hidden = std::mem::take(&mut hide_next);
        let (name, value) = arg.split_once('=').unwrap_or((&arg, ""));
        hide_next = value.is_empty() && name.starts_with("--") && secret_name(name);
        let looks_secret = arg.split(['=', ',', '"', ' ']).any(|part| PREFIXES.iter().any(|p| part.starts_with(p)));
        let credentials =
            arg.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or("").contains('@'));
        match hidden || looks_secret || credentials || (!value.is_empty() && secret_name(name)) {
            true => "[redacted]".to_owned(),
            false => arg,
        }
    })
    .collect()
}

/// What the processor is called, where the system tells.
pub fn cpu_name() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn host() -> String {
    let named = ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let kernel = || fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    kernel().or(named).unwrap_or_else(|| "this machine".into())
}

/// The time in UTC, such as `2026-11-21T22:12:00Z`.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    utc(seconds)
}

/// Days to a date by Howard Hinnant's `civil_from_days`, in which years begin in March.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "name = \"t\"\n[model]\npath = \"m\"\n[[stages]]\ntask = \"xnli\"\n";

    fn resolved(extra: &str) -> Resolved {
        Resolved::parse(&format!("{RECIPE}{extra}"), "t.toml", &[]).unwrap()
    }

    fn open(path: &Path, extra: &str) -> Result<RunFolder> {
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
        assert!(error.message().contains(&format!("in use by process {}", process::id())), "{error}");
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
    fn what_was_chosen_and_kept_is_that_of_the_recipe_and_of_this_history() {
        let parent = tempfile::tempdir().unwrap();
        let stage = open(parent.path(), "").unwrap().stage("1-xnli").unwrap();
        let choice = |tokens, memory_limit| Choice {
            tokens_per_micro_batch: tokens,
            memory_limit,
            predicted: Default::default(),
            beside: Default::default(),
        };
        stage.check_choice(&choice(100, None), 100).unwrap();
        stage.check_choice(&choice(50, Some(Default::default())), 100).unwrap();
        for wrong in [choice(50, None), choice(200, Some(Default::default()))] {
            let error = stage.check_choice(&wrong, 100).unwrap_err();
            assert!(error.message().contains("expected tokens_per_micro_batch 100 as in the recipe"), "{error}");
        }
        checkpoint::commit_folder(&stage.best(), |folder| StageFolder::write_evaluated(folder, 56)).unwrap();
        stage.check_best(56).unwrap();
        let error = stage.check_best(20).unwrap_err();
        assert!(error.message().contains("the model kept is that after update 56"), "{error}");
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

    #[test]
    fn the_newest_whole_checkpoint_is_found_and_old_ones_go() {
        let parent = tempfile::tempdir().unwrap();
        let folder = open(parent.path(), "").unwrap();
        let stage = folder.stage("1-xnli").unwrap();
        let mut notes = Vec::new();
        assert_eq!(stage.latest(|note| notes.push(note)).unwrap(), None);
        let fill = |path: &Path| write_file(&path.join("state"), b"12");
        let saved: Vec<Saved> = [5, 10, 15, 20].iter().map(|step| stage.save(*step, fill).unwrap()).collect();
        fs::write(saved[3].path.join("state"), "13").unwrap();
        fs::create_dir(stage.checkpoints().join("step-00000030")).unwrap();
        assert_eq!(stage.latest(|note| notes.push(note)).unwrap(), Some(saved[2].clone()));
        assert!(notes.len() == 1 && notes[0].contains("SHA-256"), "{notes:?}");
        stage.prune(15).unwrap();
        let steps: Vec<u64> = stage.saved().unwrap().iter().map(|saved| saved.step).collect();
        assert_eq!(steps, [15, 20]);
        assert_eq!(fs::read_to_string(stage.path().join("LATEST")).unwrap(), "step-00000020\n");
    }

    #[test]
    fn secrets_are_blacked_out() {
        let cases = [
            ("run --set seed=3", "run --set seed=3"),
            ("--set hub.token=abc", "--set [redacted]"),
            ("--api-key abc def", "--api-key [redacted] def"),
            ("--model https://me:pw@host/x", "--model [redacted]"),
            ("--x=hf_abcdef", "[redacted]"),
            ("--model a@b", "--model a@b"),
        ];
        for (given, expected) in cases {
            let args = given.split(' ').map(str::to_owned);
            assert_eq!(redacted(args).join(" "), expected);
        }
    }

    #[test]
    fn dates_are_right() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_299_120, "2026-11-21T22:12:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }
}
