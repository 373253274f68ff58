//! The mean of models that were trained from one start: checkpoints of a run, or runs with other seeds (Schmidt et al.,
//! 2023; Wortsman et al., 2022).

use std::{collections::BTreeSet, path::Path};

use serde_json::{Map, Value, json};

use super::{
    convert::{ABBREVIATIONS, TOKENIZER, files},
    names::is_constant,
};
use crate::{
    checkpoint::{self, Entry, Values, WEIGHTS, Weights, sha256_file, write_file},
    error::{Error, Result},
    input,
};

/// What was averaged, in the folder that is written.
const RECORD: &str = "average.json";

/// Keys of config.json that say where a model comes from and how it is stored, and not what it is.
const OF_ORIGIN: [&str; 4] = ["_name_or_path", "transformers_version", "dtype", "torch_dtype"];

/// Writes the mean of the models of several folders, number by number in f64, with the configuration and tokenizer that
/// they share. Returns how many tensors it has.
///
/// Refuses models of other architectures, labels, tokenizers or tasks, tensors of other names or shapes, and numbers
/// that are not finite.
pub fn average(from: &[&Path], to: &Path) -> Result<usize> {
    let (first, others) = from.split_first().ok_or_else(|| Error::Usage("expected two models or more".into()))?;
    others.iter().try_for_each(|other| refuse_others(first, other))?;
    let all = from.iter().map(|folder| Weights::open(folder)).collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = all[0].names().filter(|name| !is_constant(name)).collect();
    // A tensor that has two names, such as a tied output layer, is written once.
    let twin = |name: &str| all[0].twins(name).into_iter().min().filter(|least| *least < name);
    let metadata: Vec<(&str, &str)> = names.iter().filter_map(|name| Some((*name, twin(name)?))).collect();
    let kept: Vec<&str> = names.iter().copied().filter(|name| twin(name).is_none()).collect();
    let means = kept.iter().map(|name| mean(&all, name)).collect::<Result<Vec<Vec<f32>>>>()?;
    let entries: Vec<Entry> = kept.iter().zip(&means).map(|(name, values)| entry(&all[0], name, values)).collect();
    checkpoint::write(&to.join(WEIGHTS[0]), &entries, &metadata)?;
    for (name, _) in files(first)?.iter().filter(|(name, _)| is_beside(name)) {
        let bytes = input::read(&first.join(name))?;
        write_file(&to.join(name), &if name == "config.json" { in_f32(first, &bytes)? } else { bytes })?;
    }
    record(from, &all, to)?;
    Ok(entries.len())
}

fn entry<'a>(first: &'a Weights, name: &'a str, values: &'a [f32]) -> Entry<'a> {
    Entry { name, shape: first.shape(name).unwrap_or_default(), values: Values::F32(values) }
}

/// What is taken over from the first: configuration, tokenizer, and what it was trained on.
fn is_beside(name: &str) -> bool {
    ["config.json", "rxlt.json"].contains(&name) || is_of_tokenizer(name)
}

fn is_of_tokenizer(name: &str) -> bool {
    TOKENIZER.contains(&name) || name.starts_with(ABBREVIATIONS)
}

/// The mean of a tensor over all models.
fn mean(all: &[Weights], name: &str) -> Result<Vec<f32>> {
    let mut sums: Vec<f64> = Vec::new();
    for weights in all {
        let values = weights.read(name)?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::Data(format!(
                "{}: {name}: number {at} is {}, and so would the mean be; leave this model out",
                weights.source().display(),
                values[at]
            )));
        }
        sums.resize(values.len(), 0.0);
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
    }
    Ok(sums.into_iter().map(|sum| (sum / all.len() as f64) as f32).collect())
}

/// Refuses a model that is not of the first one's kind.
fn refuse_others(first: &Path, other: &Path) -> Result<()> {
    for (name, what) in [("config.json", "model"), ("rxlt.json", "task")] {
        let [expected, found] = [object(&first.join(name))?, object(&other.join(name))?];
        let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
        let differs = |key: &&String| !is_of_origin(name, key) && expected.get(*key) != found.get(*key);
        if let Some(key) = keys.into_iter().find(differs) {
            let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            return Err(Error::Data(format!(
                "{}: {key}: expected {} as in {}, found {}: another {what}; average models of one start and task",
                other.join(name).display(),
                show(expected.get(key)),
                first.display(),
                show(found.get(key))
            )));
        }
    }
    let hashes = |folder: &Path| -> Result<Vec<(String, String)>> {
        let names = files(folder)?.into_iter().map(|(name, _)| name).filter(|name| is_of_tokenizer(name));
        names.map(|name| Ok((name.clone(), sha256_file(&folder.join(name))?))).collect()
    };
    if hashes(first)? != hashes(other)? {
        let (first, other) = (first.display(), other.display());
        return Err(Error::Data(format!(
            "{other}: the tokenizer is not that of {first}; average models with one tokenizer"
        )));
    }
    refuse_other_tensors(&Weights::open(first)?, &Weights::open(other)?)
}

fn is_of_origin(file: &str, key: &str) -> bool {
    match file {
        "config.json" => OF_ORIGIN.contains(&key),
        _ => key.starts_with("rxlt"),
    }
}

fn refuse_other_tensors(first: &Weights, other: &Weights) -> Result<()> {
    let names: BTreeSet<&str> = first.names().chain(other.names()).collect();
    match names.into_iter().find(|name| first.shape(name) != other.shape(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Data(format!(
            "{}: {name}: expected {:?} as in {}, found {:?}; average models of one start and task",
            other.source().display(),
            first.shape(name).unwrap_or_default(),
            first.source().display(),
            other.shape(name).unwrap_or_default()
        ))),
    }
}

/// An object of JSON; an empty one where there is no such file.
fn object(path: &Path) -> Result<Map<String, Value>> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    let bytes = input::read(path)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::Data(format!("{}: expected an object of JSON: {error}; write it again", path.display()))
    })
}

/// config.json of weights in f32.
fn in_f32(first: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let path = first.join("config.json");
    let mut config: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|error| Error::Data(format!("{}: expected an object of JSON: {error}", path.display())))?;
    let key = if config.contains_key("torch_dtype") { "torch_dtype" } else { "dtype" };
    config.insert(key.to_owned(), json!("float32"));
    Ok(format!("{:#}\n", Value::Object(config)).into_bytes())
}

/// Keeps which models were averaged.
fn record(from: &[&Path], all: &[Weights], to: &Path) -> Result<()> {
    let of = |(folder, weights): (&&Path, &Weights)| -> Result<Value> {
        let source = weights.source();
        let sha256 = if source.is_file() { Some(sha256_file(source)?) } else { None };
        Ok(json!({ "folder": folder, "weights": source, "sha256": sha256 }))
    };
    let models = from.iter().zip(all).map(of).collect::<Result<Vec<_>>>()?;
    write_file(&to.join(RECORD), format!("{:#}\n", json!({ "mean_of": models })).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        models::{Config, HeadKind, Model},
        tensor::Device,
    };

    fn model(seed: u64, labels: [&str; 2], hidden: usize, folder: &Path) {
        let config = json!({
            "model_type": "xlm-roberta", "vocab_size": 9, "hidden_size": hidden, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 12, "type_vocab_size": 1,
            "pad_token_id": 1,
        });
        let config = Config::new(config.as_object().unwrap().clone()).unwrap();
        let head = HeadKind::Classify(labels.map(str::to_owned).to_vec());
        std::fs::create_dir_all(folder).unwrap();
        Model::fresh(config, head, seed, &Device::cpu()).unwrap().write(folder).unwrap();
        std::fs::write(folder.join("vocab.txt"), "a").unwrap();
    }

    #[test]
    fn numbers_are_means_and_other_models_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
            model(seed, ["no", "yes"], 4, &at(name));
        }
        std::fs::create_dir(at("mean")).unwrap();
        let (a, b, c, mean) = (at("a"), at("b"), at("c"), at("mean"));
        average(&[&a, &b, &c], &mean).unwrap();
        let [a_, b_, c_, found] = [&a, &b, &c, &mean].map(|folder| Weights::open(folder).unwrap());
        for name in a_.names() {
            let [a, b, c, found] = [&a_, &b_, &c_, &found].map(|weights| weights.read(name).unwrap());
            for i in 0..a.len() {
                let expected = (f64::from(a[i]) + f64::from(b[i]) + f64::from(c[i])) / 3.0;
                assert_eq!(found[i], expected as f32, "{name}");
            }
        }
        let record = object(&mean.join(RECORD)).unwrap();
        assert_eq!(record["mean_of"].as_array().unwrap().len(), 3);
        assert_eq!(record["mean_of"][1]["sha256"], json!(sha256_file(&b.join(WEIGHTS[0])).unwrap()));

        model(4, ["no", "maybe"], 4, &at("labels"));
        model(4, ["no", "yes"], 8, &at("wide"));
        model(4, ["no", "yes"], 4, &at("words"));
        std::fs::write(at("words").join("vocab.txt"), "b").unwrap();
        model(4, ["no", "yes"], 4, &at("task"));
        std::fs::write(at("task").join("rxlt.json"), "{\"task\": \"xnli\"}").unwrap();
        for (name, expected) in [
            ("labels", "id2label: expected"),
            ("wide", "hidden_size: expected 4 as in"),
            ("words", "the tokenizer is not that of"),
            ("task", "task: expected nothing as in"),
        ] {
            let error = average(&[&a, &at(name)], &at("mean")).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains(expected), "{error}");
        }
    }
}
