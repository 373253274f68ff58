//! A whole recipe: its stages one after the other, the last with every method, and the measurements.

use super::{
    budget::Choice,
    files::{self, OVERLAP, read_json},
    fit::{Desk, Evaluation, fit, selection_rule},
    folder::{RunFolder, StageFolder, Status},
    fresh,
    full::{Conditions, OnFull},
    losses::{FinalLoss, entropy, variance},
    measuring::{Measuring, note_text},
    memory::{self, Forecast, Subject},
    outcome::{MethodResult, Outcome},
    plan::{Branch, Plan, schedule},
    progress::Progress,
    space::{self, Writing},
};
use crate::{
    checkpoint,
    data::{
        Data, Texts,
        corpus::{Corpus, Layout, Text},
        inputs::{self, Inputs},
        languages::for_examples,
        lessons::Lessons,
        overlaps,
        source::{InOtherWords, Labelled, Masking, Perturbed, Source},
        suited::{save_beside, suited},
        taught::Taught,
    },
    error::{Error, Result},
    kinds::{self, Reader, score::summaries},
    learn::{
        augment,
        methods::{Rewording, Standard, WordNorms, refuse_without_effect},
        reduce::Share,
    },
    measure::{
        TOKENS_AT_ONCE, exam::Exam, head_for, held_out::held_out_accuracies, label_map, new_head, record::Record,
        retrieve, teacher::Teacher,
    },
    models::{Config, HeadKind, Model, Pretrained, families::Architecture},
    recipe::{MLM, Method, Recipe, Resolved, Select, Stage},
    rng::{Purpose, Rng},
    stop::Stop,
    tasks::{
        Example, Loaded, Split, Task,
        metrics::{Score, Summary},
        overlap::{self, Overlap},
    },
    tensor::Device,
    text::Tokenizer,
};
use serde_json::{Map, Value, json};
use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Runs a recipe in its folder, from where it was left. Under a limit of memory, micro-batches are as small as they
/// have to be; where the disk is full, what would be lost waits for room if it is to.
pub fn run(
    resolved: &Resolved,
    device: &Device,
    folder: &RunFolder,
    progress: &Progress,
    stop: &Stop,
    conditions: Conditions,
) -> Result<Outcome> {
    crate::error::catch(|| {
        let mut run = Run::prepare(&resolved.recipe, device, folder, progress, stop)?;
        run.conditions = conditions;
        run.expect_updates();
        let mut start = run.start()?;
        folder.set_status(Status::Running, "")?;
        let (last, first) = run.recipe.stages.split_last().ok_or_else(|| Error::Config("stages is empty".into()))?;
        for (i, stage) in first.iter().enumerate() {
            let plain = Method::default();
            let (stage_folder, _) = run.train(i, stage, &plain, None, &start)?;
            start = Start::Folder(stage_folder.model());
        }
        let mut methods = Vec::new();
        for method in &run.recipe.methods {
            let variant = run.task.map(|_| method);
            let last = &last.with(method);
            let (stage_folder, evaluations) = run.train(first.len(), last, method, variant, &start)?;
            methods.extend(match run.task {
                Some(task) => Some(run.measure(task, last, method, &stage_folder, &evaluations)?),
                None => run.measure_masked(first.len(), last, method, &stage_folder, &evaluations)?,
            });
        }
        let outcome = Outcome { task: last.task.clone(), methods };
        folder.write_metrics(&outcome.to_json())?;
        Ok(outcome)
    })
}

/// What a stage starts from.
enum Start {
    Folder(PathBuf),
    Fresh(Box<Config>),
}

/// A task with its training and dev data, by stage and place.
type Labels = BTreeMap<(usize, usize), (&'static Task, Loaded, Loaded)>;

/// A run under way.
struct Run<'a> {
    recipe: &'a Recipe,
    device: &'a Device,
    folder: &'a RunFolder,
    progress: &'a Progress,
    stop: &'a Stop,
    conditions: Conditions,
    /// The task of the last stage; none where that is masked language modelling.
    task: Option<&'static Task>,
    tokenizer: Tokenizer,
    /// The test data by language, the source first.
    tests: Vec<Loaded>,
    /// The training and dev data of each stage's tasks that have labels, by the stage and the task's place in it.
    labelled: Labels,
    /// The texts of each stage of masked language modelling.
    texts: BTreeMap<usize, Texts>,
    /// What was said that is said once.
    said: RefCell<BTreeSet<String>>,
    /// All files that it is made of.
    inputs: Inputs,
    /// How these looked when they were hashed.
    stamps: BTreeMap<String, inputs::Stamp>,
}

impl<'a> Run<'a> {
    /// Reads everything first, so that what is wrong with the data is said before anything is trained.
    fn prepare(
        recipe: &'a Recipe,
        device: &'a Device,
        folder: &'a RunFolder,
        progress: &'a Progress,
        stop: &'a Stop,
    ) -> Result<Run<'a>> {
        recipe.model.fresh.as_ref().map(fresh::check).transpose()?;
        let (data, task) = (Data::new(recipe), recipe.last_task()?);
        let (mut labelled, mut texts) = (BTreeMap::new(), BTreeMap::new());
        for (i, stage) in recipe.stages.iter().enumerate() {
            for (place, task) in stage.tasks()?.into_iter().enumerate() {
                match task {
                    Some(task) => {
                        _ = labelled.insert((i, place), (task, data.train(task, stage)?, data.dev(task, stage)?))
                    }
                    None if recipe.first_with_texts_of(i) == i => _ = texts.insert(i, data.texts(stage)?),
                    None => {}
                }
            }
        }
        let tests = match task {
            Some(task) => {
                let languages = data.languages(task)?;
                languages
                    .notes
                    .iter()
                    .for_each(|note| progress.note(format_args!("{}: {note}", recipe.data.eval_split)));
                let (tests, note) = data.tests(task, &languages.codes)?;
                note.iter().for_each(|note| progress.note(note));
                tests
            }
            None => Vec::new(),
        };
        let tokenizer = tokenizer(recipe, folder, &labelled, &texts)?;
        let conditions = Conditions::default();
        let (inputs, stamps, said) = (Inputs::default(), BTreeMap::new(), RefCell::default());
        let mut run = Run {
            recipe,
            device,
            folder,
            progress,
            stop,
            conditions,
            task,
            tokenizer,
            tests,
            labelled,
            texts,
            said,
            inputs,
            stamps,
        };
        run.inputs = Inputs::of(recipe, &run.loaded(), &data.measured_files()?)?;
        run.stamps = run.inputs.stamps();
        stop.ranks().agree("input files, by their hashes", &run.inputs.digest())?;
        folder.first(|| run.inputs.hold(folder.path()))?;
        run.describe_data()?;
        run.describe_overlaps()?;
        run.check_rewordings()?;
        Ok(run)
    }

    /// All labelled data that were read.
    fn loaded(&self) -> Vec<(Split, &Loaded)> {
        let stages = self.labelled.values().flat_map(|(_, train, dev)| [(Split::Train, train), (Split::Dev, dev)]);
        let measured = self.tests.iter().map(|test| (self.recipe.data.eval_split, test));
        stages.chain(measured).collect()
    }

    /// Says what was read, and writes `data.lock.json`.
    fn describe_data(&self) -> Result<()> {
        let mut lock = Vec::new();
        for (split, loaded) in self.loaded() {
            for (reason, n) in &loaded.dropped {
                self.progress.note(format_args!("{split} {}: {n} rows left out: {reason}", loaded.language));
            }
            for note in &loaded.notes {
                self.progress.note(format_args!("{split} {}: {note}", loaded.language));
            }
            let files =
                loaded.files.iter().map(|file| json!({ "path": file.path, "sha256": file.sha256, "rows": file.rows }));
            lock.push(json!({
                "split": split.to_string(),
                "language": loaded.language,
                "examples": loaded.examples.len(),
                "labels": loaded.histogram().iter().map(|(label, n)| ((*label).to_string(), json!(n))).collect::<Map<_, _>>(),
                "dropped": loaded.dropped,
                "files": files.collect::<Vec<_>>(),
            }));
        }
        for texts in self.texts.values() {
            for (task, n) in &texts.left_out {
                self.progress.note(format_args!("mlm: {n} texts left out: {task} measures by them"));
            }
            let groups = texts.groups.iter().map(|(name, texts)| (name.clone(), json!(texts.len())));
            lock.push(json!({
                "split": "mlm", "texts": groups.collect::<Map<_, _>>(), "left_out": texts.left_out,
            }));
        }
        let path = self.folder.path().join(files::DATA);
        let text = serde_json::to_vec_pretty(&lock).expect("a record is plain data");
        self.folder.first(|| match path.exists() {
            true => Ok(()), // the files are the same, and what was said of them stays as it was said
            false => checkpoint::write_file(&path, &text),
        })
    }

    /// Says which items of the dev and test data are trained on, and writes `overlap.json`.
    fn describe_overlaps(&self) -> Result<()> {
        let labelled = self.labelled.iter();
        let stages = labelled.map(|((i, _), (task, train, dev))| (self.recipe.data_name(*i, task), train, dev));
        let stages: Vec<(String, &Loaded, &Loaded)> = stages.collect();
        let found = overlaps(&stages, self.recipe.tests_among(&self.tests));
        overlap::sentences(&found).iter().for_each(|sentence| self.progress.note(sentence));
        let text = serde_json::to_vec_pretty(&found).expect("a record is plain data");
        self.folder.first(|| checkpoint::write_file(&self.folder.path().join(OVERLAP), &text))
    }

    /// Refuses other words that would be plain training, before anything is trained.
    fn check_rewordings(&self) -> Result<()> {
        let Some((_, train, _)) = self.labelled.get(&(self.recipe.stages.len() - 1, 0)) else { return Ok(()) };
        let mut all = self.recipe.methods.iter().flat_map(Method::rewordings);
        all.try_for_each(|(name, part)| refuse_without_effect(part, &name, &train.examples))
    }

    /// How many updates a stage makes with a method; not known of texts, unless the recipe says it.
    fn planned_updates(&self, index: usize, method: &Method) -> Option<u64> {
        let stage = self.recipe.stage_with(index, method);
        let mut examples = 0;
        for place in 0..=stage.beside.len() {
            match self.labelled.get(&(index, place)) {
                Some((task, train, _)) if !kinds::of(task).reads_in_windows() => {
                    examples += train.examples.len() * if place == 0 { method.copies() } else { 1 };
                }
                _ => return stage.updates,
            }
        }
        Some(stage.n_updates(examples))
    }

    /// Tells how many updates all stages and methods make together, so that progress can be shown over all.
    fn expect_updates(&self) {
        let (last, plain) = (self.recipe.stages.len() - 1, Method::default());
        let first = (0..last).map(|index| self.planned_updates(index, &plain));
        let methods = self.recipe.methods.iter().map(|method| self.planned_updates(last, method));
        if let Some(all) = first.chain(methods).sum() {
            self.progress.expect(all);
        }
    }

    /// Says something that does not change between methods once, and not again when a run goes on.
    fn note_once(&self, name: &str, text: String) {
        if !self.folder.is_resumed() && self.said.borrow_mut().insert(text.clone()) {
            self.progress.note(format_args!("{name}: {text}"));
        }
    }

    /// What the first stage starts from; that its sizes suit the tokenizer and all stages is clear before it is read.
    fn start(&mut self) -> Result<Start> {
        let (start, config) = match (self.recipe.model_folder()?, &self.recipe.model.fresh) {
            (Some(path), _) => (Start::Folder(path.clone()), Config::load(&path)?),
            (None, Some(fresh)) => {
                let config = fresh::config(fresh, self.tokenizer.n_ids(), self.tokenizer.specials())?;
                match &fresh.begin {
                    Some(begin) => (Start::Folder(fresh::begun(begin, &config, &self.tokenizer, self.folder)?), config),
                    None => (Start::Fresh(Box::new(config.clone())), config),
                }
            }
            (None, None) => return Err(Error::Config("model: either path or fresh is needed".into())),
        };
        self.tokenizer = suited(&self.tokenizer, &config, |note| self.progress.note(note))?;
        self.loaded().into_iter().try_for_each(|(_, loaded)| for_examples(&self.tokenizer, loaded).map(drop))?;
        self.recipe.check_sizes(&config)?;
        Ok(start)
    }

    /// Trains a stage, or finds that it is done. Leaves its model in its folder.
    fn train(
        &self,
        index: usize,
        stage: &Stage,
        method: &Method,
        variant: Option<&Method>,
        start: &Start,
    ) -> Result<(StageFolder, Vec<Evaluation>)> {
        let name = self.recipe.stage_name(index, variant);
        let stage_folder = self.folder.stage(&name)?;
        if stage_folder.has_model()? {
            self.progress.note(format_args!("{name} is done already"));
            self.note_lost_heads(index, stage, &stage_folder, &name)?;
            self.progress.skip(self.planned_updates(index, method).unwrap_or(0));
            return Ok((stage_folder.clone(), read_evaluations(&stage_folder.model())?));
        }
        let seed = self.stage_seed(index);
        let models = self.models(index, stage, start, seed, &name)?;
        let branches = models.iter().enumerate();
        let branches = branches.map(|(place, model)| self.branch([index, place], stage, method, model, seed));
        let mut branches = branches.collect::<Result<Vec<_>>>()?;
        let (updates, sampler) = schedule(stage, &branches, seed);
        method.check_begin(&name, updates)?;
        stage.note_of_warmup(updates).iter().for_each(|note| self.progress.note(format_args!("{name}: {note}")));
        let words = self.measure_words(method, &models[0], &*branches[0].source, &stage_folder)?;
        for (place, branch) in branches.iter_mut().enumerate() {
            if self.task_at(index, place).is_some() {
                branch.objective = method.objective(&words);
            }
        }
        let tokens = stage.tokens_per_micro_batch.unwrap_or(TOKENS_AT_ONCE);
        let share = Share { ranks: self.stop.ranks(), reduce: self.recipe.reduce };
        let mut plan =
            Plan { name: &name, stage, branches: &branches, sampler: &sampler, updates, seed, tokens, share };
        self.note_turns(&plan)?;
        let forecast = self.foresee(&models, &mut plan, &stage_folder, variant)?;
        let on_full = self.conditions.on_full;
        let (progress, stop) = (self.progress, self.stop);
        let desk = Desk { folder: self.folder, stage_folder: &stage_folder, progress, stop, on_full };
        let evaluations = fit(&models, &plan, &desk, &forecast)?;
        let with_head = |place: usize, folder: &Path| {
            self.write_model(&models[place], &Record::of_place(stage, place, self.task_at(index, place)), folder)
        };
        // The stage's own comes last: where it is, the stage is done.
        for (place, branch) in branches.iter().enumerate().skip(1) {
            let folder = stage_folder.model_of(&branch.task);
            desk.write(|| checkpoint::commit_folder(&folder, |folder| with_head(place, folder)))?;
        }
        let fill = |folder: &Path| {
            with_head(0, folder)?;
            let evaluations = serde_json::to_vec_pretty(&evaluations).expect("evaluations are plain data");
            checkpoint::write_file(&folder.join(EVALUATIONS), &evaluations)
        };
        desk.write(|| checkpoint::commit_folder(&stage_folder.model(), fill))?;
        Ok((stage_folder, evaluations))
    }

    fn write_model(&self, model: &Model, record: &Record, folder: &Path) -> Result<()> {
        model.write(folder)?;
        let note = |note: &str| self.progress.note(format_args!("{}: {note}", record.task));
        save_beside(&self.tokenizer, &model.head_kind, folder, note)?;
        record.write(folder)
    }

    /// Says which models of tasks learned beside a stage's own are not there though it is done.
    fn note_lost_heads(&self, index: usize, stage: &Stage, folder: &StageFolder, name: &str) -> Result<()> {
        for place in 1..=stage.beside.len() {
            let task = self.task_at(index, place).map_or(MLM, |task| task.name);
            if !folder.has_model_of(task)? {
                let (model, own) = (folder.model_of(task), folder.model());
                self.progress.note(format_args!(
                    "{name}: there is no {}; remove {} and run the same command: both are made from the last checkpoint",
                    model.display(),
                    own.display()
                ));
            }
        }
        Ok(())
    }

    /// What this stage and the methods after it will write.
    fn writing(&self, choice: &Choice, stage: &Stage, variant: Option<&Method>) -> Writing {
        let place =
            variant.and_then(|variant| self.recipe.methods.iter().position(|method| method.name == variant.name));
        let methods = place.map_or(1, |place| (self.recipe.methods.len() - place) as u64);
        let tests: usize = self.tests.iter().map(|test| test.examples.len()).sum();
        let more_weights = u64::from(stage.select != Select::Last);
        let (weights, optimizer) = (choice.predicted.weights, choice.predicted.optimizer);
        let models = 1 + stage.beside.len() as u64;
        Writing { weights, optimizer, more_weights, models, methods, predictions: tests as u64 }
    }

    /// What the stage takes, which is said; its micro-batches are those that were recorded, else as large as fit.
    /// That there is room for it, in memory and on the disk, is clear before the choice is recorded.
    fn foresee(
        &self,
        models: &[Model],
        plan: &mut Plan,
        folder: &StageFolder,
        variant: Option<&Method>,
    ) -> Result<Forecast> {
        let (model, heads) = (&models[0], models.iter().map(|model| model.head_kind.clone()).collect::<Vec<_>>());
        let (recompute, depth) = (model.encoder.recompute, model.encoder.depth);
        let subject = Subject { config: &model.config, heads: &heads, device: self.device, recompute, depth };
        let recorded = folder.choice()?;
        self.share_out(plan, recorded.is_none())?;
        if let (Some(recorded), Some(asked)) = (&recorded, plan.stage.tokens_per_micro_batch) {
            folder.check_choice(recorded, asked)?;
        }
        let limit = recorded.map_or(self.conditions.memory_limit, |recorded| {
            plan.tokens = recorded.tokens_per_micro_batch;
            None
        });
        let (own, forecast) = memory::choose(&subject, plan, limit)?;
        // What a process takes beside its tensors differs a little from rank to rank.
        let choice = self.folder.first(|| Ok(own))?;
        let is_own = choice.tokens_per_micro_batch == own.tokens_per_micro_batch;
        let forecast = if is_own {
            forecast
        } else {
            memory::forecast(&subject, &Plan { tokens: choice.tokens_per_micro_batch, ..*plan })?
        };
        self.progress.note(format_args!("{}: memory: {choice}", plan.name));
        if choice.tokens_per_micro_batch < plan.tokens {
            let tokens = choice.tokens_per_micro_batch;
            self.progress.note(format_args!("{}: micro-batches of up to {tokens} tokens fit the limit", plan.name));
        }
        plan.tokens = choice.tokens_per_micro_batch;
        space::check_memory(plan.name, &choice, self.device, self.stop.ranks())?;
        let writing = self.writing(&choice, plan.stage, variant);
        match self.folder.first(|| space::check_disk(&writing, folder.path())) {
            Err(error) if self.conditions.on_full == OnFull::Wait => self.note_once(plan.name, format!("{error}")),
            checked => checked?,
        }
        if recorded.is_none() {
            folder.set_choice(&choice)?;
        }
        Ok(forecast)
    }

    /// Makes micro-batches small enough that each rank has its share, where neither the recipe nor an earlier start says
    /// how large they are; else says how many ranks have nothing to do. All stages of a run go by the ranks that it began
    /// with: methods are compared, and what is drawn depends on micro-batches.
    fn share_out(&self, plan: &mut Plan, is_new: bool) -> Result<()> {
        let n = plan.share.ranks.count();
        let began = self.folder.ranks_at_first()?;
        if is_new && began > 1 && plan.stage.tokens_per_micro_batch.is_none() {
            plan.tokens = plan.tokens_for(began);
        }
        if n == 1 {
            return Ok(());
        }
        let best = plan.tokens_for(n);
        let busy = |tokens| 100.0 * plan.busy(tokens, n);
        let (name, tokens) = (plan.name, plan.tokens);
        let better = if busy(best) > busy(tokens) + 10.0 {
            format!("; with tokens_per_micro_batch = {best} it would be {:.0} %", busy(best))
        } else {
            String::new()
        };
        let own = match plan.stage.tokens_per_micro_batch {
            Some(_) => String::new(),
            None => format!(
                "; dropout is drawn by micro-batch: tokens_per_micro_batch = {tokens} gives one process the same bits"
            ),
        };
        self.progress.note(format_args!(
            "{name}: {n} ranks share micro-batches of up to {tokens} tokens, by which they have work {:.0} % of the time\
             {better}{own}",
            busy(tokens)
        ));
        Ok(())
    }

    /// The norms of the words that are trained on, where a method has lengths relative to them: measured on the model that
    /// the stage begins with, said, and kept in its folder.
    fn measure_words(
        &self,
        method: &Method,
        model: &Model,
        source: &dyn Source,
        folder: &StageFolder,
    ) -> Result<WordNorms> {
        let relative = method.relative_lengths();
        if relative.is_empty() {
            return Ok(WordNorms::UNIT); // nothing asks for them
        }
        let words = WordNorms::measure(model, &source.words()?);
        let said = relative
            .iter()
            .map(|(key, length, norm)| format!("{key} {length} is {:.6}", length.measured(&words, *norm).value()));
        let (said, WordNorms { words: n, l2, linf }) = (said.collect::<Vec<_>>().join(", "), words);
        self.progress.note(format_args!(
            "{}: the {n} words of the training data have a mean norm of {l2:.6}, largest components of {linf:.6}: {said}",
            name_of(folder)
        ));
        folder.hold_words(&words)?;
        Ok(words)
    }

    /// The task at a place of a stage; none for masked language modelling.
    fn task_at(&self, index: usize, place: usize) -> Option<&'static Task> {
        self.labelled.get(&(index, place)).map(|(task, ..)| *task)
    }

    /// The models that a stage starts with: one for each of its tasks, on one encoder.
    fn models(&self, index: usize, stage: &Stage, start: &Start, seed: u64, name: &str) -> Result<Vec<Model>> {
        let mut model = self.model(index, start, seed, name)?;
        model.encoder.recompute = self.recipe.recompute;
        model.encoder.depth = stage.mlm.as_ref().and_then(|mlm| mlm.layers).unwrap_or(model.encoder.depth);
        let mut models = vec![model];
        for place in 1..=stage.beside.len() {
            let (task, seed) = (self.task_at(index, place), seed ^ (place as u64) << 56);
            models.push(match start {
                Start::Folder(path) => {
                    let pretrained = Pretrained::open(path)?;
                    let head = task.map_or(Ok(HeadKind::MaskedLm), |task| head_for(&pretrained, task))?;
                    pretrained.load_beside(&models[0], head, seed)?
                }
                Start::Fresh(_) => models[0].beside(task.map_or(HeadKind::MaskedLm, new_head), seed)?,
            });
        }
        Ok(models)
    }

    /// Says how often each task is drawn, where there are several.
    ///
    /// Refuses a stage in which the task that it is for never has its turn.
    fn note_turns(&self, plan: &Plan) -> Result<()> {
        if plan.branches.len() < 2 {
            return Ok(());
        }
        let mut drawn = vec![0_u64; plan.branches.len()];
        (0..plan.updates).for_each(|step| drawn[plan.sampler.task_of(step).0] += 1);
        if drawn[0] == 0 {
            let (name, task, n) = (plan.name, &plan.branches[0].task, plan.updates);
            return Err(Error::Config(format!(
                "{name}: none of {n} updates is of {task}, which is measured: set more updates, or a lower task_alpha"
            )));
        }
        let said = plan.branches.iter().zip(drawn).map(|(branch, n)| {
            let share = 100.0 * n as f64 / plan.updates as f64;
            format!("{} {n} ({share:.1} %) of {} examples", branch.task, branch.source.len())
        });
        let said = said.collect::<Vec<_>>().join(", ");
        self.progress.note(format_args!("{}: updates by task: {said}", plan.name));
        Ok(())
    }

    /// The model that a stage starts with; says what had to be initialized.
    fn model(&self, index: usize, start: &Start, seed: u64, name: &str) -> Result<Model> {
        if let Start::Folder(path) = start {
            self.inputs.hold_since(&self.stamps)?;
            checkpoint::verify_if_sealed(path)?;
        }
        let task = self.task_at(index, 0);
        let model = match start {
            Start::Folder(path) => {
                let pretrained = Pretrained::open(path)?;
                let head = task.map_or(Ok(HeadKind::MaskedLm), |task| head_for(&pretrained, task))?;
                if let (Some(task), Some(labels)) = (task, &pretrained.config.labels)
                    && head.labels() != Some(labels)
                {
                    let (found, task) = (labels.join(", "), task.name);
                    self.progress.note(format_args!(
                        "{name}: the checkpoint's classifier says {found}; {task} begins with a new one"
                    ));
                }
                pretrained.load(head, seed, self.device)?
            }
            Start::Fresh(config) => {
                let head = task.map_or(HeadKind::MaskedLm, new_head);
                Model::fresh(Config::clone(config), head, seed, self.device)?
            }
        };
        if matches!(start, Start::Folder(_)) {
            if !model.initialized.is_empty() {
                let parts = model.config.architecture.parts(&model.initialized);
                self.note_once(name, format!("initialized: {parts}"));
            }
            if let Some(unused) = model.unused_said() {
                self.note_once(name, unused);
            }
        }
        if !model.not_finite.is_empty() {
            self.progress.note(format_args!(
                "{name}: NaN or infinity in {}",
                some(&model.not_finite, model.config.architecture)
            ));
        }
        Ok(model)
    }

    /// One of the tasks that a stage learns. A method changes how labels are learned, and of augmentation only the examples of
    /// the task that the stage is for.
    fn branch(
        &self,
        [index, place]: [usize; 2],
        stage: &Stage,
        method: &Method,
        model: &Model,
        seed: u64,
    ) -> Result<Branch> {
        let Some(task) = self.task_at(index, place) else {
            let corpus = self.corpus(index, stage, seed)?;
            let corpus = self.taught(corpus, index, stage, model.config.hidden_size)?;
            self.note_corpus(&corpus);
            let exam = Exam::of_texts(corpus.held_out()?);
            let (task, objective) = (MLM.to_owned(), Box::new(Standard::default()));
            return Ok(Branch { task, objective, source: Box::new(corpus), exam });
        };
        let plain = Method::default();
        let changing = if place == 0 { method } else { &plain };
        let (source, exam) = self.source([index, place], stage, changing, model, seed)?;
        // What it minimizes is known when words are measured.
        Ok(Branch { task: task.name.to_owned(), objective: Box::new(Standard::default()), source, exam })
    }

    /// What a stage trains on in a task that has labels, and what its models are measured by.
    fn source(
        &self,
        [index, place]: [usize; 2],
        stage: &Stage,
        method: &Method,
        model: &Model,
        seed: u64,
    ) -> Result<(Box<dyn Source>, Exam)> {
        let (task, train, dev) = &self.labelled[&(index, place)];
        let labels = label_map(model, task)?;
        let tokenizer = for_examples(&self.tokenizer, train)?;
        let reader = Reader { task, tokenizer: &tokenizer, max_length: stage.max_length, labels: &labels };
        let tokenize = |examples: &[_]| Labelled::new(examples, &reader);
        let exam = Exam::of_examples(dev.examples.clone(), task, &reader)?;
        let afresh = |part: &dyn Rewording, examples: &[Example]| -> Result<Perturbed> {
            let (examples, tokenizer, labels) = (examples.to_vec(), tokenizer.clone(), labels.clone());
            let (task, max_length, change) = (*task, stage.max_length, part.change()?);
            Ok(Perturbed { examples, change, tokenizer, max_length, task, labels, seed })
        };
        let whose = if stage.beside.is_empty() { String::new() } else { format!("{} ", task.name) };
        let plain = format!("{whose}train {}", train.language);
        let (examples, name) = self.copies(&train.examples, method, &plain)?;
        let source: Box<dyn Source> = match method.augmentation().filter(|(_, part)| part.is_compute_matched()) {
            Some((_, part)) => Box::new(afresh(part, &examples)?),
            None => {
                let data = tokenize(&examples)?;
                note_text(self.progress, &name, data.n_truncated, data.share_unknown, stage);
                Box::new(data)
            }
        };
        let source = match method.other_words() {
            None => source,
            Some((_, part)) => Box::new(InOtherWords { source, other: afresh(part, &examples)? }),
        };
        Ok((source, exam))
    }

    /// Training examples with the copies that an augmentation puts in their place, and what they are called in notes:
    /// `plain` where there is none.
    fn copies<'e>(
        &self,
        examples: &'e [Example],
        method: &Method,
        plain: &str,
    ) -> Result<(Cow<'e, [Example]>, String)> {
        let Some((name, part)) = method.augmentation().filter(|(_, part)| !part.is_compute_matched()) else {
            return Ok((Cow::Borrowed(examples), plain.to_owned()));
        };
        let augmented = augment::augment(examples, &*part.change()?, part.copies(), |stream| {
            let mut rng = Rng::for_purpose(self.recipe.seed, Purpose::Augment, stream); // as `rxlt augment` does
            move |n| rng.below(n)
        });
        let (n, share) = (augmented.examples.len(), 100.0 * augmented.statistics.share_replaced());
        self.progress.note(format_args!("{name}: {n} examples, {share:.1} % of words replaced"));
        Ok((Cow::Owned(augmented.examples), name))
    }

    /// The corpus of a stage of masked language modelling, tokenized into the folder of the first stage that has it.
    fn corpus(&self, index: usize, stage: &Stage, seed: u64) -> Result<Corpus> {
        let special = (0..self.tokenizer.n_ids() as u32).filter(|id| self.tokenizer.is_special(*id));
        let mlm = stage.reading();
        let masking = Masking {
            probability: mlm.mask_probability,
            mask: self.tokenizer.specials().mask,
            special: special.collect(),
            n_ids: self.tokenizer.n_ids() as u32,
        };
        let layout = Layout {
            max_length: stage.max_length,
            pack: mlm.pack,
            alpha: mlm.alpha,
            pair_share: mlm.pair_share,
            ranked_share: mlm.ranked_share,
            restart_positions: mlm.restart_positions,
            taught: mlm.teacher.is_some(),
        };
        let (folder, groups) = self.texts_of(index)?;
        let folder = folder.join(files::CORPUS);
        self.folder.first(|| Corpus::write(&folder, groups, &self.tokenizer, &layout).map(drop))?;
        checkpoint::verify_if_sealed(&folder)?;
        Corpus::open(&folder, self.tokenizer.clone(), layout, masking, seed)
    }

    /// The corpus with a teacher's vectors, of `width` numbers, where the stage has a teacher: it reads the texts once.
    fn taught(&self, corpus: Corpus, index: usize, stage: &Stage, width: usize) -> Result<Corpus> {
        let Some(teacher) = &stage.reading().teacher else { return Ok(corpus) };
        let (folder, groups) = self.texts_of(index)?;
        let lessons = Lessons::read(&corpus, &folder.join(files::CORPUS), groups, teacher)?;
        let tokens = stage.tokens_per_micro_batch.unwrap_or(TOKENS_AT_ONCE).min(TOKENS_AT_ONCE);
        let settings =
            retrieve::Settings { layer: None, max_length: Some(stage.max_length), max_query_length: None, tokens };
        let (model, folder) = (teacher.folder()?, folder.join(files::TAUGHT));
        let teacher = Teacher { model: &model, settings, width, folder: &folder };
        teacher.teach(&lessons, self.device, self.stop, |note| self.progress.note(note))?;
        checkpoint::verify_if_sealed(&folder)?;
        corpus.with_teacher(Taught::open(&folder, lessons.texts.len(), width, lessons.of_sequence)?)
    }

    /// The texts that a stage reads, and the folder of the first stage that does.
    fn texts_of(&self, index: usize) -> Result<(PathBuf, &BTreeMap<String, Vec<Text>>)> {
        let first = self.recipe.first_with_texts_of(index);
        let folder = self.folder.stage(&self.recipe.stage_name(first, None))?.path().to_owned();
        Ok((folder, &self.texts[&first].groups))
    }

    /// Says how often each language is drawn.
    fn note_corpus(&self, corpus: &Corpus) {
        let n = corpus.len() as f64;
        let shares = corpus.groups().iter().zip(corpus.quotas());
        let shares: Vec<String> =
            shares.map(|(group, quota)| format!("{} {:.1} %", group.name, 100.0 * quota as f64 / n)).collect();
        let tokens: usize = corpus.groups().iter().map(|group| group.tokens).sum();
        self.progress.note(format_args!(
            "mlm: an epoch has {} sequences of {tokens} tokens; drawn: {}",
            corpus.len(),
            shares.join(", ")
        ));
    }

    /// Predicts every language (and pair of languages) that has not been predicted yet, and scores them all.
    fn measure(
        &self,
        task: &'static Task,
        stage: &Stage,
        method: &Method,
        folder: &StageFolder,
        evaluations: &[Evaluation],
    ) -> Result<MethodResult> {
        let (text, odd, lost) = (Map::new(), Vec::new(), BTreeMap::new());
        let Run { recipe, device, progress, stop, tokenizer, .. } = self;
        let mut desk = Measuring {
            recipe,
            task,
            stage,
            method,
            folder,
            tokenizer,
            device,
            progress,
            stop,
            model: None,
            text,
            odd,
            lost,
        };
        let (mut scores, n) = (Vec::new(), self.tests.len() as u64);
        for test in &self.tests {
            scores.push(desk.scores(test)?);
            self.progress.measured(&name_of(folder), scores.len() as u64, n);
        }
        let mut warnings = std::mem::take(&mut desk.odd);
        let shortcut = self.tests.first().map_or(Ok(None), |test| desk.shortcut(test))?;
        let overlaps: Vec<Overlap> = read_json(&self.folder.path().join(OVERLAP))?;
        let split = self.recipe.data.eval_split.to_string();
        let is_leak = |overlap: &Overlap| overlap.split == split && overlap.with.starts_with("train");
        warnings.extend(overlap::sentences(&overlaps.into_iter().filter(is_leak).collect::<Vec<_>>()));
        let mut others = summaries(task.source, scores)?;
        if others.is_empty() {
            return Err(Error::Data(format!("{}: there is no language to measure", task.name)));
        }
        let summary = others.remove(0);
        let grid =
            self.recipe.generalized.then(|| desk.grid(&self.tests, |note| self.note_once("generalized", note.into())));
        let grid = grid.transpose()?;
        desk.note_losses();
        let rule = selection_rule(stage.select, task.source, summary.metric(), evaluations);
        let training = self.final_loss(folder)?;
        warnings.extend(training.and_then(|training| training.warning()));
        let (name, folder_path) = (method.name.clone(), folder.path().to_path_buf());
        let result =
            MethodResult { name, summary, others, grid, shortcut, rule, folder: folder_path, training, warnings };
        let mut json = result.to_json();
        json["text"] = Value::Object(desk.text);
        folder.write_metrics(&json)?;
        Ok(result)
    }

    /// Scores the model of a last stage of masked language modelling by what it finds in held-out texts, if there are any.
    fn measure_masked(
        &self,
        index: usize,
        stage: &Stage,
        method: &Method,
        folder: &StageFolder,
        evaluations: &[Evaluation],
    ) -> Result<Option<MethodResult>> {
        let items = self.corpus(index, stage, self.stage_seed(index))?.held_out()?;
        if items.is_empty() {
            self.progress.note(format_args!(
                "mlm: a hundredth of the texts is held out to measure by, and there are too few of them: nothing is measured"
            ));
            return Ok(None);
        }
        let model = Model::load(&folder.model(), HeadKind::MaskedLm, 0, self.device)?;
        let tokens = stage.tokens_per_micro_batch.unwrap_or(TOKENS_AT_ONCE);
        let scores = held_out_accuracies(&model, &items, tokens, self.stop)?;
        let scores =
            scores.into_iter().map(|(group, (right, n))| Score::new(group, right, n)).collect::<Result<_>>()?;
        let source = SOURCE_OF_TEXT;
        let summary = Summary::new(source, scores)?;
        let rule = selection_rule(stage.select, source, summary.metric(), evaluations);
        let result = MethodResult {
            name: method.name.clone(),
            summary,
            others: Vec::new(),
            grid: None,
            shortcut: None,
            rule,
            folder: folder.path().to_path_buf(),
            training: None,
            warnings: Vec::new(),
        };
        folder.write_metrics(&result.to_json())?;
        Ok(Some(result))
    }

    /// The loss at the end of the last stage: what was found when its training ended, else from the run's log.
    fn final_loss(&self, folder: &StageFolder) -> Result<Option<FinalLoss>> {
        let found = folder.metrics()?.and_then(|metrics| FinalLoss::from_json(&metrics["training"]));
        if found.is_some() {
            return Ok(found);
        }
        let Some((task, train, _)) = self.labelled.get(&(self.recipe.stages.len() - 1, 0)) else { return Ok(None) };
        let numbers: Vec<f64> = train.examples.iter().filter_map(|example| example.number).collect();
        let guessing = match task.has_one_label() {
            true => Some(entropy(&train.histogram())),
            false => (!numbers.is_empty()).then(|| variance(&numbers)),
        };
        FinalLoss::read(&self.folder.path().join(files::LOG), &name_of(folder), task.name, guessing)
    }

    /// Of this all randomness of a stage is made.
    fn stage_seed(&self, index: usize) -> u64 {
        self.recipe.seed ^ (index as u64 + 1) << 40
    }
}

/// What a stage is called: the name of its folder.
fn name_of(folder: &StageFolder) -> String {
    folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The language against which the others are held where there is no task to say it.
const SOURCE_OF_TEXT: &str = "en";

/// The names of a few tensors, or the parts that many belong to.
fn some(names: &[String], architecture: &Architecture) -> String {
    if names.len() <= 4 { names.join(", ") } else { architecture.parts(names) }
}

const EVALUATIONS: &str = "evaluations.json";

fn read_evaluations(model: &Path) -> Result<Vec<Evaluation>> {
    read_json(&model.join(EVALUATIONS))
}

/// The tokenizer of a run: named, or of the model, or trained on the first stage's text and kept in the folder.
fn tokenizer(
    recipe: &Recipe,
    folder: &RunFolder,
    labelled: &Labels,
    texts: &BTreeMap<usize, Texts>,
) -> Result<Tokenizer> {
    if let Some(path) = recipe.tokenizer_source()? {
        return Tokenizer::load(&path);
    }
    let kept = folder.path().join("tokenizer");
    folder.first(|| match checkpoint::is_complete(&kept) {
        true => checkpoint::verify(&kept).map_err(|error| {
            error.with("take the file from a copy of the folder, or begin a new run with another --output")
        }),
        false => {
            let tokenizer = trained(recipe, labelled, texts)?;
            checkpoint::commit_folder(&kept, |folder| tokenizer.save(folder))
        }
    })?;
    Tokenizer::load(&kept)
}

/// A tokenizer that is trained on the first stage's text.
fn trained(recipe: &Recipe, labelled: &Labels, texts: &BTreeMap<usize, Texts>) -> Result<Tokenizer> {
    let fresh = recipe.model.fresh.clone().unwrap_or_default();
    let (vocab_size, do_lower_case) = (fresh.vocab_size, fresh.do_lower_case);
    match texts.values().next() {
        Some(texts) => {
            let texts = texts.spread(fresh.tokenizer_characters.unwrap_or(usize::MAX));
            Tokenizer::train_unigram(texts, vocab_size, do_lower_case)
        }
        None => {
            let examples = labelled.values().flat_map(|(_, train, _)| &train.examples);
            let sentences = examples.flat_map(|example| std::iter::once(example.a.clone()).chain(example.b.clone()));
            Tokenizer::train_unigram(sentences, vocab_size, do_lower_case)
        }
    }
}
