//! The measuring of one method: predictions by language, each made once and kept.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value, json};

use super::{
    files::{self, read_json},
    folder::{StageFolder, number},
    outcome::Shortcut,
    progress::Progress,
};
use crate::{
    checkpoint,
    error::{Error, Result},
    kinds::score::{oddities, scores},
    measure::{Examiner, TOKENS_AT_ONCE, Voting, head_for, shortcut::with_foreign_firsts},
    models::{Model, Pretrained},
    recipe::{Method, Recipe, Stage},
    stop::Stop,
    tasks::{
        Loaded, Task, generalized,
        metrics::{Grid, Score},
        predictions::{self, Prediction},
        sha256,
    },
    tensor::Device,
    text::Tokenizer,
};

/// The measuring of one method: the model is loaded when the first prediction is asked for.
pub(super) struct Measuring<'a> {
    pub recipe: &'a Recipe,
    pub task: &'static Task,
    /// The stage as it is with the method.
    pub stage: &'a Stage,
    pub method: &'a Method,
    pub folder: &'a StageFolder,
    pub tokenizer: &'a Tokenizer,
    pub device: &'a Device,
    pub progress: &'a Progress,
    pub stop: &'a Stop,
    pub model: Option<Model>,
    /// By language: how many examples were cut, and the share of unknown tokens.
    pub text: Map<String, Value>,
    /// What is odd about the predictions so far.
    pub odd: Vec<String>,
    /// What happened to texts that were predicted now: what it was, and of what how much.
    pub lost: BTreeMap<String, Vec<(String, String)>>,
}

/// So many languages are named of which the same is to be said.
const NAMED: usize = 5;

impl Measuring<'_> {
    /// By every metric.
    pub fn scores(&mut self, test: &Loaded) -> Result<Vec<Score>> {
        let split = self.recipe.data.eval_split.to_string();
        let (predicted, text) = self.predictions(&split, test)?;
        self.text.insert(test.language.clone(), text);
        self.odd.extend(oddities(self.task, &predicted));
        scores(self.task, &test.language, &predicted)
    }

    /// How the task is answered where first sentences are other items'; none where that cannot be asked.
    pub fn shortcut(&mut self, test: &Loaded) -> Result<Option<Shortcut>> {
        let Some(foreign) = with_foreign_firsts(self.task, test) else { return Ok(None) };
        let split = self.recipe.data.eval_split.to_string();
        let (mut own, _) = self.predictions(&split, test)?;
        own.truncate(foreign.examples.len());
        let most = foreign.histogram().iter().map(|(_, n)| *n).max().unwrap_or(0);
        let most = most as f64 / foreign.examples.len().max(1) as f64;
        let (foreign, _) = self.predictions(files::FOREIGN, &foreign)?;
        let [own, foreign] = [own, foreign].map(|predicted| scores(self.task, &test.language, &predicted));
        Ok(Some(Shortcut { own: own?.swap_remove(0), foreign: foreign?.swap_remove(0), most_frequent: most }))
    }

    /// The predictions, made or kept, and what happened to the text on the way.
    fn predictions(&mut self, split: &str, test: &Loaded) -> Result<(Vec<Prediction>, Value)> {
        let path = self.folder.predictions(split, &test.language)?;
        let text_path = files::of_predictions(&path);
        if path.exists() {
            return kept_predictions(&path, &text_path, test);
        }
        self.stop.check("all that was predicted is kept")?;
        let (predicted, mut text) = self.predict(split, test)?;
        let mut bytes = Vec::new();
        predictions::write(&mut bytes, &predicted)?;
        text["rows"] = json!(predicted.len());
        text["sha256"] = json!(sha256(&bytes));
        self.stop.ranks().first(|| {
            checkpoint::write_file(&text_path, format!("{text:#}\n").as_bytes())?;
            checkpoint::write_file(&path, &bytes)
        })?;
        Ok((predicted, text))
    }

    /// The predictions, and what happened to the text on the way.
    fn predict(&mut self, split: &str, test: &Loaded) -> Result<(Vec<Prediction>, Value)> {
        if self.model.is_none() {
            let pretrained = Pretrained::open(&self.folder.model())?;
            let head = head_for(&pretrained, self.task)?;
            self.model = Some(pretrained.load(head, 0, self.device)?);
        }
        let model = self.model.as_ref().expect("it was just loaded");
        let chosen = self.folder.choice()?.map(|choice| choice.tokens_per_micro_batch);
        let tokens = chosen.or(self.stage.tokens_per_micro_batch).unwrap_or(TOKENS_AT_ONCE);
        let (tokenizer, task, max_length) = (self.tokenizer, self.task, self.stage.max_length);
        let voting = self.method.rs_rp.as_ref().filter(|rs_rp| rs_rp.vote_samples > 0).map(|rs_rp| Voting {
            noise: rs_rp.clone(),
            samples: rs_rp.vote_samples as u32,
            confidence: rs_rp.vote_confidence,
            seed: self.recipe.seed,
        });
        let measured =
            Examiner { model, tokenizer, task, max_length, tokens, stop: self.stop }.predict(test, voting.as_ref())?;
        let what = format!("{split} {}", test.language);
        for (loss, n) in losses(measured.n_truncated, measured.share_unknown, self.stage) {
            self.lost.entry(loss).or_default().push((what.clone(), n));
        }
        let mut text = json!({ "truncated": measured.n_truncated, "unknown": number(measured.share_unknown) });
        if measured.n_unseen > 0 {
            let n = measured.n_unseen;
            text["words_cut"] = json!(n);
            let loss = "words lie beyond that, and count as predicted O, or the most usual".to_owned();
            self.lost.entry(loss).or_default().push((what, n.to_string()));
        }
        if let Some(radii) = measured.radii {
            let certified: Vec<f64> = radii.iter().flatten().copied().collect();
            text["certified"] = number(certified.len() as f64 / radii.len().max(1) as f64);
            text["mean_radius"] = number(certified.iter().sum::<f64>() / certified.len().max(1) as f64);
        }
        Ok((measured.predictions, text))
    }

    /// Says what happened to the texts, of many languages at once.
    pub fn note_losses(&mut self) {
        for (loss, of) in std::mem::take(&mut self.lost) {
            if of.len() <= NAMED {
                of.iter().for_each(|(what, n)| self.progress.note(format_args!("{what}: {n} {loss}")));
                continue;
            }
            let named: Vec<String> = of.iter().take(NAMED).map(|(what, n)| format!("{what} {n}")).collect();
            let (named, more) = (named.join(", "), of.len() - NAMED);
            self.progress.note(format_args!("{named} and {more} more (metrics.json, text): {loss}"));
        }
    }

    /// All pairs of languages; `note` takes what is odd about them.
    pub fn grid(&mut self, tests: &[Loaded], note: impl Fn(&str)) -> Result<Grid> {
        let mut scores = Vec::new();
        for first in tests {
            for second in tests {
                let mut mixed = match first.language == second.language {
                    true => self.scores(first)?,
                    false => {
                        let mixed = generalized(first, second)?;
                        mixed.notes.iter().for_each(|one| note(one));
                        self.scores(&mixed)?
                    }
                };
                scores.push((first.language.clone(), second.language.clone(), mixed.swap_remove(0)));
            }
        }
        Grid::new(scores)
    }
}

/// Predictions of an earlier start, with what was written beside them: all rows must be there, and as they were written.
fn kept_predictions(path: &Path, text_path: &Path, test: &Loaded) -> Result<(Vec<Prediction>, Value)> {
    let remedy = format!("remove {}, and run the same command: it is predicted again", path.display());
    let text: Value = read_json(text_path).map_err(|error| error.with(&remedy))?;
    let predicted = predictions::read(path)?;
    let expected: usize = test.examples.iter().map(|example| example.words.len().max(1)).sum();
    if predicted.len() != expected {
        let (place, found) = (path.display(), predicted.len());
        return Err(Error::Data(format!("{place}: expected {expected} predictions, found {found}; {remedy}")));
    }
    files::refuse_changed(path, &text)?;
    let ids = test.examples.iter().flat_map(|example| {
        let words = (1..=example.words.len()).map(|word| format!("{}.{word}", example.id));
        words.chain(example.words.is_empty().then(|| example.id.clone()))
    });
    match predicted.iter().zip(ids).find(|(one, id)| one.id != *id) {
        None => Ok((predicted, text)),
        Some((one, id)) => Err(Error::Data(format!(
            "{}: expected a prediction of \"{id}\", found one of \"{}\": other items were measured then; {remedy}",
            path.display(),
            one.id
        ))),
    }
}

/// How texts were cut, and that the tokenizer does not know them: what, and how much.
fn losses(n_truncated: usize, share_unknown: f64, stage: &Stage) -> impl Iterator<Item = (String, String)> {
    let cut = (format!("examples cut to {} tokens", stage.max_length), n_truncated.to_string());
    let unknown = ("of tokens unknown to the tokenizer".to_owned(), format!("{:.1} %", 100.0 * share_unknown));
    [(n_truncated > 0).then_some(cut), (share_unknown > 0.001).then_some(unknown)].into_iter().flatten()
}

/// Says it of one text.
pub(super) fn note_text(progress: &Progress, what: &str, n_truncated: usize, share_unknown: f64, stage: &Stage) {
    for (loss, n) in losses(n_truncated, share_unknown, stage) {
        progress.note(format_args!("{what}: {n} {loss}"));
    }
}
