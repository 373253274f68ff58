//! A recipe for data of a user's own: plain fine-tuning with usual settings, or any of the methods that need nothing more.

use std::path::Path;

use toml::{Table, Value};

use super::SCHEMA;
use crate::{
    error::{Error, Result, did_you_mean},
    models::shipped,
    tasks::own::{Guess, Named, guess},
};

/// Methods that work on any data with these settings, or by default: lengths relative to words suit any encoder.
const METHODS: [(&str, &[(&str, &str)]); 5] = [
    ("standard", &[]),
    ("adv", &[("radius", "0.05x"), ("step_size", "0.05x")]),
    ("freelb", &[("radius", "0.05x"), ("step_size", "0.02x"), ("init", "0.02x")]),
    ("rs-rp", &[]),
    ("typos", &[]),
];

/// Settings for the encoder that ships, which is small: those of the experiments with it.
const SMALL: [(&str, f64); 2] = [("learning_rate", 2e-4), ("weight_decay", 0.01)];

/// The text of a recipe that learns a task made of these files, and what was assumed.
pub fn recipe_of(named: &Named, methods: &[String], has_model: bool) -> Result<(String, Vec<String>)> {
    let Guess { definition, folder, mut assumed, .. } = guess(named)?;
    const BATCH: usize = 32;
    let train = std::path::absolute(named.train).unwrap_or_else(|_| named.train.to_owned());
    let mut stage = Table::from_iter([
        ("task".to_owned(), Value::from(definition.name.clone())),
        ("train_files".to_owned(), Value::Array(vec![shown(&train)])),
        ("epochs".to_owned(), Value::from(3)),
        ("batch_size".to_owned(), Value::from(BATCH as i64)),
        ("checkpoint_every".to_owned(), Value::from(100)),
        ("evaluate_every".to_owned(), Value::from(if named.dev.is_some() { 50 } else { 0 })),
        ("select".to_owned(), Value::from(if named.dev.is_some() { "best" } else { "last" })),
    ]);
    let mut recipe = Table::from_iter([
        ("schema".to_owned(), Value::from(i64::from(SCHEMA))),
        ("name".to_owned(), Value::from(definition.name.clone())),
        ("about".to_owned(), Value::from(definition.about.clone())),
        ("data".to_owned(), Value::Table(Table::from_iter([("folder".to_owned(), shown(&folder))]))),
    ]);
    if !has_model {
        assumed.push("no --model: the small encoder that ships, and settings that suit it".to_owned());
        recipe.insert("model".to_owned(), Value::Table(Table::from_iter([("path".to_owned(), shipped::PATH.into())])));
        stage.extend(SMALL.map(|(key, value)| (key.to_owned(), Value::from(value))));
    }
    let [epochs, rate] = ["epochs", "learning_rate"].map(|key| stage.get(key).map(Value::to_string));
    let (epochs, rate) = (epochs.unwrap_or_default(), rate.unwrap_or_else(|| "2e-5".to_owned()));
    assumed.push(format!(
        "{epochs} epochs, batches of {BATCH}, learning rate {rate}, where --set stages.0.epochs=… and so on do not say \
         otherwise"
    ));
    let plain = [METHODS[0].0.to_owned()];
    let methods = if methods.is_empty() { &plain } else { methods };
    let methods: Vec<Value> = methods.iter().map(|name| method(name)).collect::<Result<_>>()?;
    recipe.insert("tasks".to_owned(), Value::Array(vec![Value::try_from(&definition).expect("it is plain data")]));
    recipe.insert("stages".to_owned(), Value::Array(vec![Value::Table(stage)]));
    recipe.insert("methods".to_owned(), Value::Array(methods));
    Ok((toml::to_string(&recipe).expect("a recipe is plain data"), assumed))
}

fn method(name: &str) -> Result<Value> {
    if let Some((name, settings)) = METHODS.iter().find(|(known, _)| *known == name) {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value)));
        return Ok(Value::Table(Table::from_iter([((*name).to_owned(), Value::Table(settings.collect()))])));
    }
    if name == "rs-da" {
        let remedy = "give it synonyms in a recipe: rs-da = { neighbours = \"counterfitted_neighbors.json\" }";
        return Err(Error::Usage(format!("--method rs-da: it needs a table of synonyms; {remedy}")));
    }
    let hint = did_you_mean(name, METHODS.map(|(known, _)| known));
    Err(Error::Usage(format!("--method {name}: {hint}; methods with settings of your own go into a recipe")))
}

fn shown(path: &Path) -> Value {
    Value::from(path.display().to_string())
}
