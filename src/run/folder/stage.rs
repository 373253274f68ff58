//! The folder of a stage: checkpoints, models, predictions and results.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        budget::Choice,
        files::{self, CHECKPOINTS, MEMORY, METRICS, MODEL, WORDS},
    },
    cannot_create,
    json::{read_json, write_json},
};
use crate::{
    checkpoint::{self, commit_folder, write_file},
    error::{Error, Result},
    learn::methods::WordNorms,
    ranks::Ranks,
};

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
    /// The folder, made if it is not there; half-written things of a killed process are cleared away.
    pub(super) fn open(path: PathBuf, ranks: Ranks) -> Result<StageFolder> {
        let stage = StageFolder { path, ranks };
        let checkpoints = stage.checkpoints();
        stage.ranks.first(|| {
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

    /// Removes models and checkpoints of a stage; predictions and results stay.
    pub(super) fn remove_weights(stage: &Path) -> Result<()> {
        for entry in fs::read_dir(stage).map_err(|error| Error::read(stage, &error))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if [CHECKPOINTS, MODEL, BEST].contains(&&*name) || name.starts_with("model-") {
                fs::remove_dir_all(entry.path()).map_err(|error| Error::write(&entry.path(), &error))?;
            }
        }
        Ok(())
    }

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

    /// Does what a process that was killed had left to do once this checkpoint was whole.
    pub fn settle(&self, saved: &Saved) -> Result<()> {
        self.ranks.first(|| self.name_latest(&step_name(saved.step)))?;
        self.prune(saved.step)
    }

    fn name_latest(&self, name: &str) -> Result<()> {
        write_file(&self.path.join("LATEST"), format!("{name}\n").as_bytes())
    }

    /// Saves a checkpoint: `fill` writes into a folder that gets its name only when it is whole and on the disk.
    pub fn save(&self, step: u64, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Saved> {
        let name = step_name(step);
        let path = self.checkpoints().join(&name);
        commit_folder(&path, fill)?;
        self.name_latest(&name)?;
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

fn step_name(step: u64) -> String {
    format!("step-{step:08}")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::open, *};

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
        // Killed once a checkpoint was whole, and before that was written down.
        fs::write(stage.path().join("LATEST"), "step-00000015\n").unwrap();
        stage.settle(&saved[3]).unwrap();
        assert_eq!(stage.saved().unwrap(), [saved[3].clone()]);
        assert_eq!(fs::read_to_string(stage.path().join("LATEST")).unwrap(), "step-00000020\n");
    }
}
