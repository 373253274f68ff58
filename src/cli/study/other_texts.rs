//! What a study measures its models on beside the targets' own test texts: those texts changed, and challenge sets. They
//! are made once for all models of a target, and predictions of them are kept beside the models' runs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    checkpoint,
    cli::{device::Chosen, perturb::PerturbArgs, tell},
    data::Data,
    error::{self, Error, Result},
    kinds::{
        self,
        score::{key, scores},
    },
    measure::{Examiner, Opened, TOKENS_AT_ONCE, open_trained},
    recipe::{Method, Recipe},
    run::files::{DISCARDED, MODEL},
    stop::Stop,
    study::{Cell, Design, answer::Texts, kept},
    tasks::{self, Loaded, Task},
};

/// Of this texts are changed: the same for all models.
const SEED: u64 = 7;

/// On what predictions are made, and what ends that; none where nothing is to be made.
pub(super) type By<'a> = Option<(&'a Chosen, &'a Stop)>;

/// Scores by language, of some texts.
type Measured = (Texts, BTreeMap<String, f64>);

/// The other texts of a study.
pub(super) struct OtherTexts<'a> {
    design: &'a Design,
    /// The changes, each by what the study calls it.
    changes: Vec<(String, PerturbArgs)>,
    /// Those of the target that was asked for last.
    made: BTreeMap<Texts, Made>,
    of_target: Option<usize>,
    /// Of each target's texts the first folder, and how they came about there.
    came_about: BTreeMap<(usize, Texts), (PathBuf, String)>,
    /// What is said on the page, once each.
    pub notes: Vec<String>,
}

/// Texts, and how they came about.
struct Made {
    texts: Vec<Loaded>,
    how: Value,
}

/// A model of a run, and what it is measured by.
pub(super) struct Subject<'a> {
    pub cell: &'a Cell,
    pub method: &'a Method,
    pub metric: &'a str,
    /// The languages of the target.
    pub languages: Vec<&'a str>,
}

impl<'a> OtherTexts<'a> {
    /// Refuses changes that cannot be read, and challenges that cannot be told apart by a target's labels.
    pub fn new(design: &'a Design) -> Result<OtherTexts<'a>> {
        check_challenges(design)?;
        let (changes, made, came_about) = (changes(design)?, BTreeMap::new(), BTreeMap::new());
        Ok(OtherTexts { design, changes, made, of_target: None, came_about, notes: Vec::new() })
    }

    /// Says which dictionary is not there, before anything is trained.
    pub fn refuse_changes(&self) -> Result<()> {
        for target in &self.design.targets {
            let task = tasks::find(&target.task)?;
            if kinds::of(task).placed().is_none() {
                self.changes.iter().try_for_each(|(_, change)| change.changes(task, SEED).map(drop))?;
            }
        }
        Ok(())
    }

    /// Scores of a model: predictions that are not there are made, where a device is open.
    pub fn measure(&mut self, subject: &Subject, by: By) -> Result<Vec<Measured>> {
        let Subject { cell, method, .. } = subject;
        let Some(task) = cell.resolved.recipe.last_task()? else { return Ok(Vec::new()) };
        if self.of_target.replace(cell.target) != Some(cell.target) {
            self.made.clear();
        }
        let mut found = Vec::new();
        for i in 0..self.changes.len() {
            let name = self.changes[i].0.clone();
            if let Some(reason) = kinds::of(task).placed() {
                self.note(format!("{} is not measured on changed texts: {reason}.", task.name));
                continue;
            }
            let folder = beside(cell, "perturbed", method).join(name.replace(':', "-"));
            let change = |texts: &Self| changed(&cell.resolved.recipe, task, &texts.changes[i].1, &subject.languages);
            let texts = Texts::Changed(name);
            if !self.predicted(subject, (task, &texts, &folder), change, by)? {
                continue;
            }
            let (scores, unchanged) = scores_of(&folder, task, &subject.languages, subject.metric)?;
            if !unchanged.is_empty() {
                let (name, languages) = (&self.changes[i].0, unchanged.join(", "));
                self.note(format!("{}: {name} changes no word of {languages}; left out of that.", task.name));
            }
            found.push((texts, scores));
        }
        for name in &self.design.targets[cell.target].challenges {
            let (folder, task) = (beside(cell, "challenges", method).join(name), tasks::find(name)?);
            let texts = Texts::Challenge(name.clone());
            let challenge = |_: &Self| challenge(&cell.resolved.recipe, task);
            if self.predicted(subject, (task, &texts, &folder), challenge, by)? {
                found.push((texts, scores_of(&folder, task, &[task.source], subject.metric)?.0));
            }
        }
        found.retain(|(_, scores)| !scores.is_empty());
        Ok(found)
    }

    /// Whether predictions of texts are there, which are made where a device is open; of others than these they are refused.
    fn predicted(
        &mut self,
        subject: &Subject,
        (task, texts, folder): (&'static Task, &Texts, &Path),
        make: impl FnOnce(&Self) -> Result<Made>,
        by: By,
    ) -> Result<bool> {
        let Some(by) = by else {
            if checkpoint::is_complete(folder) {
                return self.refuse_others(subject, texts, folder).map(|()| true);
            }
            let of = subject.cell.resolved.recipe.stages[0].task.as_str();
            let (Texts::Changed(texts) | Texts::Challenge(texts)) = texts else { return Ok(false) };
            self.note(format!("{of}: {texts} is without some of the models; run the study again, and it is measured."));
            return Ok(false);
        };
        if !self.made.contains_key(texts) {
            let made = make(self)?;
            self.made.insert(texts.clone(), made);
        }
        let made = &self.made[texts];
        if !kept::is_there(folder, &made.how)? {
            predict(subject, task, made, folder, by)?;
        }
        Ok(true)
    }

    /// Refuses predictions of other texts than those of the target's first model.
    fn refuse_others(&mut self, subject: &Subject, texts: &Texts, folder: &Path) -> Result<()> {
        let own = kept::how(folder)?;
        let key = (subject.cell.target, texts.clone());
        let (first, of_first) = self.came_about.entry(key).or_insert_with(|| (folder.to_owned(), own.clone()));
        match *of_first == own {
            true => Ok(()),
            false => Err(Error::Data(format!(
                "{} and {} are predictions of different texts: data or dictionaries were changed in between; remove those of \
                 the wrong ones, and run the study again",
                first.display(),
                folder.display()
            ))),
        }
    }

    /// What is said once, whichever model it is of.
    fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }
}

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
            if design.is_demo() {
                return Err(Error::Config(format!(
                    "challenges: the demo's data have no {name}; name a folder of data that has it"
                )));
            }
        }
    }
    Ok(())
}

/// Where predictions of a run's model on other texts are kept.
fn beside(cell: &Cell, what: &str, method: &Method) -> PathBuf {
    PathBuf::from(format!("{}.{what}", cell.folder.display())).join(&method.name)
}

/// The test texts of a task, changed, in the languages where a word changes.
fn changed(recipe: &Recipe, task: &'static Task, change: &PerturbArgs, languages: &[&str]) -> Result<Made> {
    let (mut changes, mut texts) = (change.changes(task, SEED)?, Vec::new());
    for language in languages {
        let mut loaded = Data::new(recipe).test(task, language)?;
        match changes.apply(&mut loaded) {
            Ok(_) => texts.push(loaded),
            Err(Error::Data(_)) => {} // no word changes, so there is nothing to measure, and the page says where
            Err(error) => return Err(error),
        }
    }
    Ok(Made { texts, how: changes.to_json() })
}

/// The test data of another task.
fn challenge(recipe: &Recipe, task: &'static Task) -> Result<Made> {
    let loaded = Data::new(recipe).challenge(task)?;
    let files: Vec<_> = loaded.files.iter().map(|file| json!(file.sha256)).collect();
    let how = json!({ "task": tasks::definition_of(task.name), "files": files, "examples": loaded.examples.len() });
    Ok(Made { texts: vec![loaded], how })
}

/// A metric of predictions that were kept, by language, and the languages that were not measured.
fn scores_of<'l>(
    folder: &Path,
    task: &Task,
    languages: &[&'l str],
    metric: &str,
) -> Result<(BTreeMap<String, f64>, Vec<&'l str>)> {
    let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
    for language in languages {
        let Some(predicted) = kept::read(folder, language)? else {
            missing.push(*language);
            continue;
        };
        let all = scores(task, language, &predicted)?;
        let own = all.iter().find(|score| key(score.metric) == metric);
        found.extend(own.map(|score| ((*language).to_owned(), score.value)));
    }
    Ok((found, missing))
}

/// Predicts texts by a run's model, and keeps that in a folder, with how the texts came about.
fn predict(subject: &Subject, task: &'static Task, made: &Made, folder: &Path, by: (&Chosen, &Stop)) -> Result<()> {
    let recipe = &subject.cell.resolved.recipe;
    let run = &subject.cell.folder;
    let model = run.join(recipe.stage_name(0, Some(subject.method))).join(MODEL);
    if run.join(DISCARDED).exists() {
        let (run, folder) = (run.display(), folder.display());
        return Err(Error::Missing(format!(
            "{folder}: its model was removed (--discard-models), and would have to predict these texts: remove {run}, and run \
             the study again"
        )));
    }
    error::catch(|| {
        let Opened { model, tokenizer, .. } = open_trained(&model, task, &by.0.device, tell)?;
        let (max_length, tokens, stop) = (recipe.stages[0].max_length, TOKENS_AT_ONCE, by.1);
        let examiner = Examiner { model: &model, tokenizer: &tokenizer, task, max_length, tokens, stop };
        let predict = |loaded: &Loaded| Ok((loaded.language.clone(), examiner.predict(loaded, None)?.predictions));
        let all = made.texts.iter().map(predict).collect::<Result<Vec<_>>>()?;
        kept::write(folder, &all, &made.how)
    })
}
