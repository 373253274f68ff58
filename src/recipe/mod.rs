//! Recipes: what is trained, on what and how, as TOML; every default in one place, and where each value came from.
//!
//! A key, task, language or value that is not known is refused with its place and the nearest name. What a run used is
//! written as `config.resolved.toml`, which is a recipe again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{
    error::{Error, Result},
    gpu,
    hub::{self, What},
    input,
    learn::{
        optimizer::{Decay, Settings},
        reduce::Reduce,
    },
    models::shipped as shipped_model,
    tasks::{self, Definition, Loaded, Split, Task},
};

mod check;
pub mod keys;
mod mlm;
pub mod own;
mod parse;
mod schema;
mod shipped;

pub use crate::learn::methods::Method;
pub(crate) use check::first_twice;
pub use mlm::{Mlm, Teacher};
pub(crate) use parse::refuse_in;
pub use shipped::{SHIPPED, find};

/// The version of the keys; a recipe of another one is refused.
pub const SCHEMA: u32 = 2;

/// The task of masked language modelling, which has texts instead of examples.
pub const MLM: &str = "mlm";

/// What stands in `data.folder` for the generated data.
pub const DEMO: &str = "demo";

/// One experiment: a model, its data, stages of training, and the methods to compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The version of the keys.
    pub schema: u32,
    /// A recipe that ships, or a file beside this one: what is not given here, it says. Lists are taken over whole.
    #[serde(skip_serializing)]
    pub extends: Option<String>,
    /// What it is called, also in folder names.
    pub name: String,
    /// One sentence for people.
    pub about: String,
    /// Of this all randomness of training is made.
    pub seed: u64,
    /// Seeds to run one after the other, each in a folder of its own, in place of `seed`; none named: `seed` alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// The languages to measure; none named: all that the data have.
    pub languages: Vec<String>,
    /// Whether all ordered pairs of languages are measured too (Huang et al., 2021).
    pub generalized: bool,
    /// Whether layers keep only their input for the backward pass and run again in it: much less memory, a quarter to a
    /// third more time, the same bits.
    pub recompute: bool,
    /// How gradients of several ranks are added up: `ordered`, with the bits of one process, `fast`, or `half`, in bf16 on
    /// their way, whose last bits depend on the number of ranks.
    pub reduce: Reduce,
    /// The encoder to start from.
    pub model: Model,
    /// Where the data lie.
    pub data: Data,
    /// Tasks of one's own, as their files say them; where a stage names a file, its task stands here afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Definition>,
    /// Stages of training, each from the model that the one before left.
    pub stages: Vec<Stage>,
    /// Variants of the last stage, each from the same start; none named: plain training.
    pub methods: Vec<Method>,
}

/// The encoder to start from: exactly one of `path` and `fresh`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// A folder as Hugging Face lays it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A tokenizer file or folder; else the one in `path`, or for a fresh encoder one trained on the first texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// An encoder with random weights, of XLM-R's architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh: Option<Fresh>,
}

/// A fresh encoder, with the keys of transformers' `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fresh {
    /// Rows of the word table; the tokenizer trained along has as many ids, or fewer.
    pub vocab_size: usize,
    /// The most characters of a language that the tokenizer is trained on, spread over its texts; not given: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer_characters: Option<usize>,
    /// Whether the tokenizer reads text in lower case: a small vocabulary then holds more words.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub do_lower_case: bool,
    /// Width of a token.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Heads of attention per layer.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Positions, two of which XLM-R leaves unused.
    pub max_position_embeddings: usize,
    /// Dropout of hidden states.
    pub hidden_dropout_prob: f64,
    /// Dropout of attention.
    pub attention_probs_dropout_prob: f64,
    /// A model whose layers and words it begins with, instead of random numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begin: Option<Begin>,
}

/// What a fresh encoder begins with (Sanh et al., 2019): `[model.fresh.begin]`. Its sizes are then this model's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Begin {
    /// A folder as Hugging Face lays it out, or a name on the hub; of the family of BERT or RoBERTa.
    pub path: String,
    /// Its layers that are taken over, by their numbers from 1 on. Words have the mean of its vectors of their pieces.
    pub layers: Vec<usize>,
}

impl Begin {
    /// The folder of the model; of a name, that of the cache.
    pub fn folder(&self) -> Result<PathBuf> {
        hub::folder(&self.path, What::Model)
    }
}

impl Fresh {
    /// How many numbers the encoder has: as a float, since what a recipe asks for may be beyond any whole number.
    pub fn n_parameters(&self) -> f64 {
        let (h, inner) = (self.hidden_size as f64, self.intermediate_size as f64);
        let layer = 4.0 * h * h + 2.0 * h * inner + 9.0 * h + inner;
        let tables = (self.vocab_size as f64 + self.max_position_embeddings as f64 + 3.0) * h;
        tables + self.num_hidden_layers as f64 * layer
    }
}

/// Where the data lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// The folder with a folder per task, or `demo` for generated data.
    pub folder: String,
    /// What models are measured on at the end: `test`, or `dev`, so that settings can be chosen and no test item is read.
    #[serde(skip_serializing_if = "is_test")]
    pub eval_split: Split,
    /// The most examples per language to evaluate on, drawn by their rows, so the same in all languages; all where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_eval_samples: Option<usize>,
}

/// One stage of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stage {
    /// A task, or `mlm`.
    pub task: String,
    /// Further tasks, or `mlm`, that are learned at the same time, each with a head of its own on the one encoder (Phang et
    /// al., 2020): an update is of one task. Models are selected and measured by `task`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Tasks with n examples each are drawn in proportion to min(n, 2^17) to the power of this: 1, where not given, by size,
    /// 0 all alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_alpha: Option<f64>,
    /// How often all examples are seen; either this or `updates`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// How many updates are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates: Option<u64>,
    /// The most training examples of a task (or texts per language) to use, from the first on; how many are generated for `demo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_train_samples: Option<usize>,
    /// Training files of `task` instead of those in the data folder, in the source language.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train_files: Vec<String>,
    /// Examples per update.
    pub batch_size: usize,
    /// The most tokens of an example, special ones included.
    pub max_length: usize,
    /// The most tokens that are on the device at once; not given: chosen for the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_micro_batch: Option<usize>,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// How fast AdamW's two moments forget.
    pub betas: [f64; 2],
    /// AdamW's guard against division by zero.
    pub epsilon: f64,
    /// Decay of all parameters but biases and LayerNorm's.
    pub weight_decay: f64,
    /// Updates over which the learning rate rises from zero.
    pub warmup_steps: u32,
    /// How the learning rate goes on then.
    pub schedule: Decay,
    /// The norm to which longer gradients are cut; `inf`: they are not.
    pub max_grad_norm: f64,
    /// Updates between evaluations on the source language; 0: only at the end.
    pub evaluate_every: u64,
    /// Updates between checkpoints; 0: only at the end.
    pub checkpoint_every: u64,
    /// Which of the models evaluated is kept.
    pub select: Select,
    /// Whether the word table stays as it is, so that words keep the places that pretraining gave them: training in one
    /// language moves only that one's (Wu & Dredze, 2019, freeze it with the lowest layers).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub freeze_word_embeddings: bool,
    /// What masked language modelling reads and does, where it is the task or beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlm: Option<Mlm>,
}

/// Which of the models evaluated is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// The best on the source language's dev set, the earlier of equals: no target language is looked at.
    Best,
    /// The last.
    Last,
    /// The mean of the parameters of all models evaluated (Schmidt et al., 2023).
    Average,
}

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe {
            schema: SCHEMA,
            extends: None,
            name: String::new(),
            about: String::new(),
            seed: 7,
            seeds: Vec::new(),
            languages: Vec::new(),
            generalized: false,
            recompute: false,
            reduce: Reduce::Ordered,
            model: Model::default(),
            data: Data::default(),
            tasks: Vec::new(),
            stages: Vec::new(),
            methods: Vec::new(),
        }
    }
}

impl Default for Fresh {
    fn default() -> Fresh {
        Fresh {
            vocab_size: 4000,
            tokenizer_characters: None,
            do_lower_case: false,
            hidden_size: 128,
            num_hidden_layers: 4,
            num_attention_heads: 4,
            intermediate_size: 512,
            max_position_embeddings: 130,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            begin: None,
        }
    }
}

/// Whether measures are what they are for.
fn is_test(split: &Split) -> bool {
    *split == Split::Test
}

impl Default for Data {
    fn default() -> Data {
        Data { folder: "data".into(), eval_split: Split::Test, max_eval_samples: None }
    }
}

/// What the public code of Huang et al. (2021) fixes: `run_classify.py` and its scripts in uclanlp/Robust-XLT.
impl Default for Stage {
    fn default() -> Stage {
        Stage {
            task: String::new(),
            beside: Vec::new(),
            task_alpha: None,
            epochs: None,
            updates: None,
            max_train_samples: None,
            train_files: Vec::new(),
            batch_size: 32,
            max_length: 128,
            tokens_per_micro_batch: None,
            learning_rate: 2e-5,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            warmup_steps: 0,
            schedule: Decay::Linear,
            max_grad_norm: 1.0,
            evaluate_every: 500,
            checkpoint_every: 500,
            select: Select::Best,
            freeze_word_embeddings: false,
            mlm: None,
        }
    }
}

impl Recipe {
    /// The folder of the model to start from; of the one that ships, a copy where it is not here, and of a name that of
    /// the cache.
    pub fn model_folder(&self) -> Result<Option<PathBuf>> {
        let cache = gpu::cache_folder();
        let folder = |path: &str| match path {
            shipped_model::PATH => shipped_model::folder(path, cache.as_deref()),
            _ => hub::folder(path, What::Model),
        };
        self.model.path.as_deref().map(folder).transpose()
    }

    /// What a fresh encoder begins with.
    pub fn begin(&self) -> Option<&Begin> {
        self.model.fresh.as_ref()?.begin.as_ref()
    }

    /// The folder or file of a tokenizer of its own.
    pub fn own_tokenizer(&self) -> Result<Option<PathBuf>> {
        self.model.tokenizer.as_deref().map(|path| hub::folder(path, What::Tokenizer)).transpose()
    }

    /// The folder or file of the tokenizer to start from: the model's, unless another is named.
    pub fn tokenizer_source(&self) -> Result<Option<PathBuf>> {
        match self.own_tokenizer()? {
            Some(path) => Ok(Some(path)),
            None => self.model_folder(),
        }
    }

    /// The first stage that trains on the same texts, cut in the same way, as a stage of masked language modelling.
    pub fn first_with_texts_of(&self, index: usize) -> usize {
        let stage = &self.stages[index];
        let same = |other: &Stage| match (&other.mlm, &stage.mlm) {
            (Some(theirs), Some(mlm)) => {
                theirs.has_texts_of(mlm)
                    && other.max_train_samples == stage.max_train_samples
                    && (other.max_length, theirs.pack) == (stage.max_length, mlm.pack)
            }
            _ => false,
        };
        self.stages.iter().position(same).unwrap_or(index)
    }
}

impl Stage {
    /// Whether models are selected, or looked at on the way, by data of the source language.
    pub fn looks_at_dev(&self) -> bool {
        self.select != Select::Last || self.evaluate_every > 0
    }

    /// The task; `None` for masked language modelling.
    pub fn task(&self) -> Result<Option<&'static Task>> {
        if self.is_mlm() { Ok(None) } else { tasks::find(&self.task).map(Some) }
    }

    /// The files and folders that the stage names, by their keys.
    pub fn paths(&self) -> Vec<(String, &[String])> {
        let texts = self.mlm.iter().flat_map(|mlm| mlm.paths());
        let texts = texts.map(|(key, paths, _)| (format!("mlm.{key}"), paths));
        std::iter::once(("train_files".to_owned(), &self.train_files[..])).chain(texts).collect()
    }

    /// What it reads as masked language modelling, of a stage that does in a recipe that is complete.
    pub fn reading(&self) -> &Mlm {
        self.mlm.as_ref().expect("a stage that reads text has its settings")
    }

    /// Whether this is masked language modelling.
    pub fn is_mlm(&self) -> bool {
        self.task == MLM
    }

    /// Whether masked language modelling is this, or beside it.
    pub fn reads_text(&self) -> bool {
        self.names().any(|name| name == MLM)
    }

    /// All that is learned at once by name, first what the stage is for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.task).chain(&self.beside).map(String::as_str)
    }

    /// All tasks that are learned at once, first the one that the stage is for; `None` for masked language modelling.
    pub fn tasks(&self) -> Result<Vec<Option<&'static Task>>> {
        self.names().map(|name| if name == MLM { Ok(None) } else { tasks::find(name).map(Some) }).collect()
    }

    /// The same with what a method changes of it.
    #[must_use]
    pub fn with(&self, method: &Method) -> Stage {
        let Some(own) = &method.stage else { return self.clone() };
        let (epochs, updates) = match (own.epochs, own.updates) {
            (None, None) => (self.epochs, self.updates),
            own => own,
        };
        Stage {
            epochs,
            updates,
            batch_size: own.batch_size.unwrap_or(self.batch_size),
            learning_rate: own.learning_rate.unwrap_or(self.learning_rate),
            weight_decay: own.weight_decay.unwrap_or(self.weight_decay),
            warmup_steps: own.warmup_steps.unwrap_or(self.warmup_steps),
            ..self.clone()
        }
    }

    /// The optimizer's settings for so many updates in all.
    pub fn optimizer(&self, total_steps: u32) -> Settings {
        Settings {
            learning_rate: self.learning_rate as f32,
            betas: self.betas.map(|beta| beta as f32),
            epsilon: self.epsilon as f32,
            weight_decay: self.weight_decay as f32,
            max_grad_norm: self.max_grad_norm as f32,
            warmup_steps: self.warmup_steps,
            total_steps,
            decay: self.schedule,
        }
    }

    /// How many updates are made with so many examples; the last of an epoch may have fewer than `batch_size`.
    pub fn n_updates(&self, n_examples: usize) -> u64 {
        let per_epoch = n_examples.div_ceil(self.batch_size) as u64;
        self.updates.unwrap_or_else(|| self.epochs.unwrap_or(1) * per_epoch)
    }

    /// That the rate is still rising when so many updates are made.
    pub fn note_of_warmup(&self, updates: u64) -> Option<String> {
        let (steps, rate) = (u64::from(self.warmup_steps), self.learning_rate);
        let reached = rate * (updates.saturating_sub(1) as f64 / steps.max(1) as f64);
        (steps >= updates).then(|| {
            format!(
                "warmup_steps is {steps} and updates are {updates}: the rate never reaches learning_rate, it ends at \
                 {reached:.2e} of {rate:.2e}"
            )
        })
    }
}

impl Recipe {
    /// What of the data to measure on is looked for in training and dev data: nothing where it is the dev data.
    pub fn tests_among<'l>(&self, measured: &'l [Loaded]) -> &'l [Loaded] {
        if self.data.eval_split == Split::Test { measured } else { &[] }
    }

    /// A stage as it is with a method: methods change the last one's settings.
    pub fn stage_with(&self, index: usize, method: &Method) -> Stage {
        let stage = &self.stages[index];
        if index + 1 == self.stages.len() { stage.with(method) } else { stage.clone() }
    }

    /// The names of the stages' folders: `1-mlm`, `2-xnli`, and for each method of the last `2-xnli-adv`.
    pub fn stage_name(&self, stage_idx: usize, method: Option<&Method>) -> String {
        let name = format!("{}-{}", stage_idx + 1, self.stages[stage_idx].task);
        method.map_or(name.clone(), |method| format!("{name}-{}", method.name))
    }

    /// What the data of a stage's task are called: as the stage, and those of a task beside by their own name, too.
    pub fn data_name(&self, stage_idx: usize, task: &Task) -> String {
        let (name, stage) = (self.stage_name(stage_idx, None), &self.stages[stage_idx]);
        if task.name == stage.task { name } else { format!("{name} ({})", task.name) }
    }

    /// The task of the last stage, by which methods are compared; none where that is masked language modelling.
    pub fn last_task(&self) -> Result<Option<&'static Task>> {
        let last = self.stages.last().ok_or_else(|| Error::Config(format!("{}: stages is empty", self.name)))?;
        last.task()
    }
}

/// A recipe with every value settled, and where each came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The recipe.
    pub recipe: Recipe,
    /// By key such as `stages.0.learning_rate`: `default`, `FILE:LINE` or `--set`.
    pub sources: BTreeMap<String, String>,
}

/// A recipe's table with what follows from it filled in; as it is where it is no recipe of today.
fn completed(table: Table) -> Table {
    let Ok(mut recipe) = Recipe::deserialize(table.clone()) else { return table };
    recipe.complete();
    Resolved { recipe, sources: BTreeMap::new() }.table()
}

/// A value set on the command line: `stages.1.learning_rate=1e-4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key with its dots.
    pub key: String,
    /// TOML, or a string without quotes.
    pub value: String,
    /// The flag that it came by, for messages and the record.
    pub flag: String,
}

impl Setting {
    /// Reads `key=value`.
    pub fn parse(text: &str) -> Result<Setting> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Setting { key: key.trim().into(), value: value.trim().into(), flag: "--set".into() })
            }
            _ => Err(Error::Usage(format!("--set {text}: expected key=value, such as stages.0.learning_rate=1e-5"))),
        }
    }
}

impl Resolved {
    /// Reads a recipe file.
    pub fn load(path: &Path, settings: &[Setting]) -> Result<Resolved> {
        let text = input::read_text(path)?;
        Resolved::parse(&text, &path.display().to_string(), settings)
    }

    /// Reads a recipe from its text; `name` stands for the file in messages.
    pub fn parse(text: &str, name: &str, settings: &[Setting]) -> Result<Resolved> {
        Resolved::parse_for(text, name, settings, &[])
    }

    /// The same where only the methods of these names are wanted, which alone must follow the settings; all where none is
    /// named.
    pub fn parse_for(text: &str, name: &str, settings: &[Setting], wanted: &[String]) -> Result<Resolved> {
        let (given, mut sources) = parse::read(text, name)?;
        let (given, set) = parse::apply(given, settings)?;
        sources.retain(|key, _| parse::flatten(&given).contains_key(key));
        sources.extend(set.clone());
        let resolved = Resolved::settle(given.clone(), sources, name)?;
        let methods = resolved.recipe.methods.iter().enumerate();
        let wanted = methods.filter(|(_, method)| wanted.is_empty() || wanted.contains(&method.name)).map(|(i, _)| i);
        parse::refuse_not_followed(&given, &set, &wanted.collect::<Vec<_>>())?;
        Ok(resolved)
    }

    /// A recipe that was made, not read: of what is wrong the key is said, and no line.
    pub fn of_table(given: Table, name: &str) -> Result<Resolved> {
        Resolved::settle(given, BTreeMap::new(), name)
    }

    fn settle(given: Table, mut sources: BTreeMap<String, String>, name: &str) -> Result<Resolved> {
        let given = parse::with_tasks(given, name, &mut sources)?;
        let mut recipe: Recipe = given.try_into().map_err(|error| parse::refuse(name, "", &error))?;
        recipe.complete();
        for (i, definition) in recipe.tasks.iter().enumerate() {
            let place = parse::place(&sources, name, &format!("tasks.{i}"));
            tasks::register(definition).map_err(|error| Error::Config(format!("{place}: {}", error.message())))?;
        }
        recipe.check(|key| parse::place(&sources, name, key))?;
        let mut resolved = Resolved { recipe, sources: BTreeMap::new() };
        let keys = parse::flatten(&resolved.table()).into_keys();
        resolved.sources = keys
            .map(|key| {
                let source = sources.get(&key).cloned().unwrap_or_else(|| "default".into());
                (key, source)
            })
            .collect();
        Ok(resolved)
    }

    /// One recipe for each of the seeds; the recipe itself where it names none.
    pub fn by_seed(&self) -> Vec<Resolved> {
        if self.recipe.seeds.is_empty() {
            return vec![self.clone()];
        }
        let one = |seed: &u64| {
            let mut sources = self.sources.clone();
            let place = sources.remove("seeds").unwrap_or_else(|| "default".into());
            sources.insert("seed".into(), place);
            Resolved { recipe: Recipe { seed: *seed, seeds: Vec::new(), ..self.recipe.clone() }, sources }
        };
        self.recipe.seeds.iter().map(one).collect()
    }

    /// The same recipe with this of its methods alone.
    pub fn with_method(&self, method: &Method) -> Resolved {
        self.with_methods(|other| other == method)
    }

    /// The same recipe with those of its methods alone that are wanted.
    pub fn with_methods(&self, is_wanted: impl Fn(&Method) -> bool) -> Resolved {
        let wanted: Vec<usize> =
            (0..self.recipe.methods.len()).filter(|place| is_wanted(&self.recipe.methods[*place])).collect();
        let methods = wanted.iter().map(|place| self.recipe.methods[*place].clone()).collect();
        let moved = |key: &str| {
            let Some((place, rest)) = key.strip_prefix("methods.").and_then(|rest| rest.split_once('.')) else {
                return Some(key.to_owned());
            };
            let place = wanted.iter().position(|wanted| place.parse() == Ok(*wanted))?;
            Some(format!("methods.{place}.{rest}"))
        };
        let sources = self.sources.iter().filter_map(|(key, source)| Some((moved(key)?, source.clone()))).collect();
        Resolved { recipe: Recipe { methods, ..self.recipe.clone() }, sources }
    }

    /// The name of a folder of its own: what people read, the seed, and the start of the SHA-256 of every value.
    pub fn folder_name(&self, readable: &str) -> String {
        format!("{readable}-s{}-{}", self.recipe.seed, &tasks::sha256(self.to_toml().as_bytes())[..8])
    }

    /// The recipe as TOML, with every value written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.recipe).expect("a recipe is numbers, strings and tables of them")
    }

    /// Every value by its key.
    pub fn values(&self) -> Vec<(String, Value)> {
        parse::flatten(&self.table()).into_iter().collect()
    }

    /// What differs from another recipe's TOML: key, value there, value here.
    pub fn differences(&self, other: &str) -> Result<Vec<(String, String, String)>, String> {
        let other: Table = toml::from_str(other).map_err(|error| error.message().to_owned())?;
        let (there, here) = (parse::flatten(&completed(schema::upgraded(other).0)), parse::flatten(&self.table()));
        let keys: BTreeSet<&String> = there.keys().chain(here.keys()).collect();
        let show = |value: Option<&Value>| value.map_or("not given".to_owned(), Value::to_string);
        let changed = keys.into_iter().filter(|key| *key != "about" && there.get(*key) != here.get(*key));
        Ok(changed.map(|key| (key.clone(), show(there.get(key)), show(here.get(key)))).collect())
    }

    fn table(&self) -> Table {
        Table::try_from(&self.recipe).expect("a recipe is numbers, strings and tables of them")
    }
}

#[cfg(test)]
mod tests;
