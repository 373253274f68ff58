//! What a recipe's values must satisfy, and what is filled in where nothing was said.

use super::{DEMO, MLM, Method, Recipe, SCHEMA, Stage};
use crate::{
    error::{Error, Result, did_you_mean},
    kinds,
    learn::problems::Problems,
    models::Config,
    tasks::{self, Split, demo},
};

/// The first that stands there a second time.
pub(crate) fn first_twice<T: PartialEq>(all: &[T]) -> Option<&T> {
    all.iter().enumerate().find(|(i, one)| all[..*i].contains(one)).map(|(_, one)| one)
}

impl Recipe {
    /// Fills in what follows from the rest.
    pub(super) fn complete(&mut self) {
        for stage in &mut self.stages {
            if stage.epochs.is_none() && stage.updates.is_none() {
                stage.epochs = Some(1);
            }
            if !stage.beside.is_empty() {
                stage.task_alpha.get_or_insert(1.0);
            }
            if stage.reads_text() {
                stage.mlm.get_or_insert_default();
            }
        }
        if self.methods.is_empty() {
            self.methods.push(Method::default());
        }
        self.methods.iter_mut().for_each(Method::complete);
    }

    /// Refuses values that make no sense, all at once, each with its place.
    pub(super) fn check(&self, place: impl Fn(&str) -> String) -> Result<()> {
        let mut problems = Problems::default();
        self.check_whole(&mut problems);
        self.check_model(&mut problems);
        for (i, stage) in self.stages.iter().enumerate() {
            stage.check(&format!("stages.{i}"), self.data.folder == DEMO, &mut problems);
        }
        let kind = self.last_task().ok().flatten().map(kinds::of);
        for (i, method) in self.methods.iter().enumerate() {
            let key = format!("methods.{i}");
            problems.unless(is_name(&method.name), &format!("{key}.name"), NAME, &quoted(&method.name));
            method.check(&key, self.data.folder == DEMO, kind, &mut problems);
            if method.stage.is_some() {
                Stage::default().with(method).check_numbers(|name| format!("{key}.stage.{name}"), &mut problems);
            }
            let twice = self.methods[..i].iter().any(|other| other.name == method.name);
            problems.say(
                twice,
                &format!("{key}.name"),
                format!("there are two methods \"{}\": name them", method.name),
            );
        }
        let lines: Vec<String> =
            problems.iter().map(|(key, message)| format!("{}: {key}: {message}", place(key))).collect();
        if lines.is_empty() { Ok(()) } else { Err(Error::Config(lines.join("\n"))) }
    }

    /// Values that can be meant, but hardly are.
    pub fn oddities(&self) -> Vec<String> {
        let odd = |(key, rate): (String, f64)| {
            let what = match rate {
                rate if rate > HIGH_RATE => "far above those that encoders learn with",
                rate if rate < LOW_RATE => "so low that next to nothing will be learned",
                _ => return None,
            };
            Some(format!("{key}.learning_rate is {rate:e}, {what} (1e-5 to 1e-3)"))
        };
        let stages = self.stages.iter().enumerate().map(|(i, stage)| (format!("stages.{i}"), stage.learning_rate));
        let own = |method: &Method| method.stage.as_ref()?.learning_rate;
        let methods = self.methods.iter().enumerate();
        let methods = methods.filter_map(|(i, method)| Some((format!("methods.{i}.stage"), own(method)?)));
        stages.chain(methods).filter_map(odd).collect()
    }

    /// Refuses stages that a model is too small for.
    pub fn check_sizes(&self, config: &Config) -> Result<()> {
        let (depth, longest) = (config.num_hidden_layers, config.longest_input());
        for (i, stage) in self.stages.iter().enumerate() {
            let mlm = stage.mlm.as_ref();
            let asked = mlm.and_then(|mlm| mlm.layers).unwrap_or(depth);
            if asked > depth {
                let message =
                    format!("stages.{i}.mlm.layers is {asked}, and the model has {depth}; leave it out for all");
                return Err(Error::Config(message));
            }
            let anew = mlm.is_some_and(|mlm| mlm.restart_positions);
            if anew && (config.rotation.is_some() || config.relative.is_some()) {
                return Err(Error::Config(format!(
                    "stages.{i}.mlm.restart_positions: the model's positions are distances, which begin anew nowhere; leave it out"
                )));
            }
            if stage.max_length > longest {
                return Err(Error::Config(format!(
                    "stages.{i}.max_length is {}, the model takes at most {longest} tokens; set it to {longest} or less",
                    stage.max_length
                )));
            }
        }
        Ok(())
    }

    fn check_whole(&self, problems: &mut Problems) {
        problems.unless(self.schema == SCHEMA, "schema", &SCHEMA.to_string(), &self.schema);
        problems.say(self.extends.is_some(), "extends", "only a recipe's file extends another, and no --set");
        problems.unless(is_name(&self.name), "name", NAME, &quoted(&self.name));
        let twice = first_twice(&self.seeds).is_some();
        problems.say(twice, "seeds", format!("expected each seed once, found {:?}", self.seeds));
        problems.say(self.stages.is_empty(), "stages", "expected at least one stage");
        problems.unless(self.data.max_eval_samples != Some(0), "data.max_eval_samples", POSITIVE, &0);
        problems.unless(self.data.eval_split != Split::Train, "data.eval_split", "test or dev", &Split::Train);
        problems.say(self.data.folder.is_empty(), "data.folder", "expected a folder, or \"demo\"");
        let ends_in_text = self.stages.last().is_some_and(Stage::is_mlm);
        let plain = self.methods.iter().all(|method| method.parts() == ["standard"]) && self.methods.len() == 1;
        problems.say(ends_in_text && !plain, "methods", "methods are compared by a task, and the last stage is mlm");
        let twice = self.languages.iter().enumerate().find(|(i, language)| self.languages[..*i].contains(language));
        if let Some((_, language)) = twice {
            let message = format!("\"{language}\" is named twice, and would weigh twice in every mean; name it once");
            problems.say(true, "languages", message);
        }
        for language in &self.languages {
            problems.unless(is_name(language), "languages", "codes such as \"de\"", &quoted(language));
        }
        for language in self.languages.iter().filter(|_| self.data.folder == DEMO) {
            let known = demo::LANGUAGES.contains(&language.as_str());
            let hint = did_you_mean(language, demo::LANGUAGES.iter().copied());
            problems.say(!known, "languages", format!("the generated data have no language \"{language}\"; {hint}"));
        }
        if self.generalized && self.last_task().is_ok_and(|task| task.is_none_or(|task| !task.pairs)) {
            problems.say(true, "generalized", "only tasks of sentence pairs have this setting");
        }
    }

    fn check_model(&self, problems: &mut Problems) {
        let model = &self.model;
        let message = match (&model.path, &model.fresh) {
            (None, None) => "expected model.path (a Hugging Face folder; --model names one) or [model.fresh]",
            (Some(_), Some(_)) => "expected either model.path or [model.fresh], found both (--model replaces either)",
            _ => "",
        };
        problems.say(!message.is_empty(), "model", message);
        let Some(fresh) = &model.fresh else { return };
        for (key, given) in
            [("do_lower_case", fresh.do_lower_case), ("tokenizer_characters", fresh.tokenizer_characters.is_some())]
        {
            let message = "this is of a tokenizer to be trained, and model.tokenizer names one: leave out either";
            problems.say(given && model.tokenizer.is_some(), &format!("model.fresh.{key}"), message);
        }
        let sizes = [
            ("vocab_size", fresh.vocab_size),
            ("hidden_size", fresh.hidden_size),
            ("num_hidden_layers", fresh.num_hidden_layers),
            ("num_attention_heads", fresh.num_attention_heads),
            ("intermediate_size", fresh.intermediate_size),
        ];
        for (name, size) in sizes {
            problems.unless(size > 0, &format!("model.fresh.{name}"), POSITIVE, &size);
        }
        let (layers, numbers) = (fresh.num_hidden_layers, format!("{:.1e}", fresh.n_parameters()));
        problems.unless(layers <= MOST_LAYERS, "model.fresh.num_hidden_layers", "1000 or less", &layers);
        problems.unless(fresh.n_parameters() <= MOST_PARAMETERS, "model.fresh", "at most 1e10 parameters", &numbers);
        for (i, stage) in self.stages.iter().enumerate() {
            let (asked, expected) = (
                stage.mlm.as_ref().and_then(|mlm| mlm.layers).unwrap_or(0),
                format!("at most {}", fresh.num_hidden_layers),
            );
            problems.unless(asked <= fresh.num_hidden_layers, &format!("stages.{i}.mlm.layers"), &expected, &asked);
        }
        let divides = fresh.hidden_size.is_multiple_of(fresh.num_attention_heads.max(1));
        let multiple = format!("a multiple of num_attention_heads ({})", fresh.num_attention_heads);
        problems.unless(divides, "model.fresh.hidden_size", &multiple, &fresh.hidden_size);
        let key = "model.fresh.max_position_embeddings";
        let longest = self.stages.iter().map(|stage| stage.max_length).max().unwrap_or(1) + 2;
        let expected = format!("at least {longest} (the longest max_length, and two that XLM-R leaves unused)");
        problems.unless(fresh.max_position_embeddings >= longest, key, &expected, &fresh.max_position_embeddings);
        problems.unless(
            is_rate(fresh.hidden_dropout_prob),
            "model.fresh.hidden_dropout_prob",
            RATE,
            &fresh.hidden_dropout_prob,
        );
        if let Some(begin) = &fresh.begin {
            problems.say(begin.path.is_empty(), "model.fresh.begin.path", "expected a model's folder or name");
            problems.say(
                begin.layers.is_empty(),
                "model.fresh.begin.layers",
                "expected the numbers of layers, from 1 on",
            );
        }
        let dropout = fresh.attention_probs_dropout_prob;
        problems.unless(is_rate(dropout), "model.fresh.attention_probs_dropout_prob", RATE, &dropout);
    }
}

impl Stage {
    fn check(&self, key: &str, demo: bool, problems: &mut Problems) {
        let key = |name: &str| format!("{key}.{name}");
        self.check_task(&key, demo, problems);
        self.check_beside(&key, demo, problems);
        self.check_text(&key, demo, problems);
        self.check_numbers(key, problems);
        problems.unless(self.max_length >= 5, &key("max_length"), "5 or more", &self.max_length);
        problems.positive(&key("epsilon"), self.epsilon);
        let betas = format!("{:?}", self.betas);
        problems.unless(self.betas.iter().all(|beta| is_rate(*beta)), &key("betas"), RATE, &betas);
        let clip = self.max_grad_norm;
        problems.unless(clip as f32 > 0.0, &key("max_grad_norm"), "a number above 0 that f32 can hold, or inf", &clip);
    }

    /// What a method may have of its own.
    fn check_numbers(&self, key: impl Fn(&str) -> String, problems: &mut Problems) {
        let both = self.epochs.is_some() && self.updates.is_some();
        problems.say(both, &key("updates"), "expected either epochs or updates, found both");
        for (name, count) in [("epochs", self.epochs), ("updates", self.updates)] {
            problems.unless(count != Some(0), &key(name), POSITIVE, &0);
        }
        let sizes = [
            ("batch_size", Some(self.batch_size)),
            ("tokens_per_micro_batch", self.tokens_per_micro_batch),
            ("max_train_samples", self.max_train_samples),
        ];
        for (name, size) in sizes {
            problems.unless(size != Some(0), &key(name), POSITIVE, &0);
        }
        problems.positive(&key("learning_rate"), self.learning_rate);
        let decay = self.weight_decay;
        let fine = (decay as f32).is_finite() && decay >= 0.0;
        problems.unless(fine, &key("weight_decay"), "a number, 0 or more, that f32 can hold", &decay);
    }

    fn check_task(&self, key: &impl Fn(&str) -> String, demo: bool, problems: &mut Problems) {
        if self.is_mlm() {
            problems.say(!self.train_files.is_empty(), &key("train_files"), "mlm reads text, not train_files");
            return;
        }
        check_name(&self.task, &key("task"), demo, problems);
    }

    /// Tasks beside the one that the stage is for.
    fn check_beside(&self, key: &impl Fn(&str) -> String, demo: bool, problems: &mut Problems) {
        let at = key("beside");
        for (i, name) in self.beside.iter().enumerate() {
            let twice = self.names().take(i + 1).any(|other| other == name);
            problems.say(twice, &at, format!("\"{name}\" is learned already; name each task once"));
            if name != MLM {
                check_name(name, &at, demo, problems);
            }
        }
        let any = !self.beside.is_empty();
        let message = "models are selected and measured by task: name a task there, and mlm beside it";
        problems.say(any && self.is_mlm(), &at, message);
        problems.say(
            self.task_alpha.is_some() && !any,
            &key("task_alpha"),
            "only a stage with beside has this setting",
        );
        let alpha = self.task_alpha.unwrap_or(1.0);
        problems.unless((0.0..=1.0).contains(&alpha), &key("task_alpha"), "a number from 0 to 1", &alpha);
        let layers = self.mlm.as_ref().and_then(|mlm| mlm.layers);
        problems.say(any && layers.is_some(), &key("mlm.layers"), "tasks beside each other take the whole encoder");
    }

    /// The settings of masked language modelling.
    fn check_text(&self, key: &impl Fn(&str) -> String, demo: bool, problems: &mut Problems) {
        let Some(mlm) = &self.mlm else { return };
        if !self.reads_text() {
            return problems.say(true, &key("mlm"), "only mlm has these settings");
        }
        let decays = mlm.layers.is_some() && self.weight_decay != 0.0;
        let message = "with layers, expected 0: those that take no part would shrink";
        problems.say(decays, &key("weight_decay"), message);
        mlm.check(&|name| key(&format!("mlm.{name}")), demo, problems);
    }
}

/// Whether there is such a task, and it is one of the data.
fn check_name(name: &str, key: &str, demo: bool, problems: &mut Problems) {
    let known = || [MLM].into_iter().chain(tasks::all().into_iter().map(|task| task.name));
    let found = tasks::find(name);
    let message = || format!("no task \"{name}\"; {}", did_you_mean(name, known()));
    problems.say(found.is_err(), key, message());
    let is_untrained = found.as_ref().is_ok_and(|task| kinds::of(task).search().is_some());
    let message = format!("nothing is trained for {name}: rxlt eval --task {name} measures an encoder");
    problems.say(is_untrained, key, message);
    let elsewhere = found.is_ok() && demo != (name == DEMO);
    let message = "the generated data (data.folder = \"demo\") are those of the task \"demo\", and only of it";
    problems.say(elsewhere, key, message);
}

/// No encoder that is trained from nothing has more; a number beyond is a slip, and would exhaust any memory.
const MOST_PARAMETERS: f64 = 1e10;
const MOST_LAYERS: usize = 1000;
/// AdamW moves each weight by about the learning rate in an update; those of an encoder are about 0.02 in size, and are
/// stored with seven digits.
const HIGH_RATE: f64 = 0.02;
const LOW_RATE: f64 = 1e-9;

const POSITIVE: &str = "1 or more";
const RATE: &str = "0 or more and below 1";
const NAME: &str = "letters, digits, \"-\", \"+\", \"_\" and \".\", not first";

fn is_rate(value: f64) -> bool {
    (0.0..1.0).contains(&value)
}

/// Whether a name can be part of a file name on every system.
fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_alphanumeric() || "-+_.".contains(c);
    name.chars().all(fine) && name.chars().next().is_some_and(char::is_alphanumeric)
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
