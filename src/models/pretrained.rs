//! A model folder that others wrote: opened and looked over before anything is made of it.

use super::{
    Config, HeadKind, Model, Named,
    model::{Trust, entry, write_config},
    names::{self, WORDS},
};
use crate::{
    checkpoint::{self, Entry, Values, Weights},
    error::{Error, Result},
    nn::Source,
    tensor::Device,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A Hugging Face folder: its configuration, and its weights by the names that models have here.
#[derive(Debug)]
pub struct Pretrained {
    /// What config.json says; `labels` are those of a classifier whose weights are there, and none without.
    pub config: Config,
    folder: PathBuf,
    weights: Weights,
}

impl Pretrained {
    /// Opens a folder.
    pub fn open(folder: &Path) -> Result<Pretrained> {
        let (mut config, weights) = (Config::load(folder)?, Weights::open(folder)?);
        let source = names::source(&weights, &config);
        let names = if config.is_tagger { tagger_names(&config) } else { classifier_names(&config) };
        config.labels = match missing(&source, &names).is_empty() {
            true => config.labels.clone().or_else(|| default_labels(&source, &config)),
            false => None,
        };
        Ok(Pretrained { config, folder: folder.to_path_buf(), weights })
    }

    /// The labels of the classifier that the folder holds, or an error that says what it lacks.
    pub fn classifier(&self) -> Result<Vec<String>> {
        let names = if self.config.is_tagger { tagger_names(&self.config) } else { classifier_names(&self.config) };
        let lacking = missing(&self.source(), &names);
        let what = match lacking.is_empty() {
            true => "a classifier without outputs".to_string(),
            false => format!("no trained classifier ({} missing)", lacking.join(", ")),
        };
        let folder = self.folder.display();
        let error = || Error::Data(format!("{folder} holds {what}; train one with rxlt run"));
        self.config.labels.clone().ok_or_else(error)
    }

    /// The head that the folder holds: a classifier, else a language model, else none.
    pub fn head(&self) -> Option<HeadKind> {
        let is_language_model = missing(&self.source(), &language_model_names(&self.config)).is_empty();
        match &self.config.labels {
            Some(labels) if self.config.is_tagger => Some(HeadKind::Tag(labels.clone())),
            Some(labels) => Some(HeadKind::Classify(labels.clone())),
            None => is_language_model.then_some(HeadKind::MaskedLm),
        }
    }

    /// Looks whether everything that a model with this head needs is there and fits; makes nothing.
    pub fn check(&self, head: &HeadKind) -> Result<()> {
        let (head, trust) = self.trusted(head.clone());
        let source = self.source();
        Model::survey(&self.config, &head, &source, trust)?;
        if head == HeadKind::MaskedLm { self.check_tie(&source) } else { Ok(()) }
    }

    /// Makes the model.
    ///
    /// A classifier of the checkpoint is kept where its labels have the names asked for, in whatever order and case:
    /// `head_kind` then has the checkpoint's. Any other head is initialized from the seed, and `initialized` says so.
    pub fn load(self, head: HeadKind, seed: u64, device: &Device) -> Result<Model> {
        self.check(&head)?;
        let (head, trust) = self.trusted(head);
        let source = self.source();
        let mut model = Model::build(self.config.clone(), head, Some(&source), trust, seed, device)?;
        if model.head_kind == HeadKind::MaskedLm && !self.config.architecture.roberta_heads {
            self.carry_pooler(&source, &mut model)?;
        }
        Ok(model)
    }

    /// Writes the encoder alone, every number rounded to f16, by the names of today.
    pub fn write_encoder_half(&self, config: &Config, folder: &Path) -> Result<()> {
        self.check(&HeadKind::MaskedLm)?;
        let (source, prefix) = (self.source(), format!("{}.", self.config.architecture.prefix));
        let mut tensors: Vec<Named> = Vec::new();
        for (name, stored) in source.stored.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            if !source.idle.contains(stored) {
                let shape = self.weights.shape(stored).unwrap_or_default().to_vec();
                tensors.push((name.clone(), shape, self.weights.read(stored)?));
            }
        }
        write_config(folder, config.encoder_to_json(), "float16")?;
        let entries: Vec<Entry> = tensors.iter().map(|named| entry(named, Values::F16)).collect();
        checkpoint::write(&folder.join("model.safetensors"), &entries, &[])
    }

    /// How many numbers its parts have.
    pub fn parts(&self) -> Parts {
        let (source, architecture) = (self.source(), self.config.architecture);
        let (prefix, heads) = (format!("{}.", architecture.prefix), &architecture.heads);
        let layers = [heads.dense, heads.tags, heads.out, heads.transform, heads.transform_norm];
        let (words, mut parts) = (format!("{prefix}{WORDS}.weight"), Parts::default());
        let is_second =
            |name: &str, stored: &str| source.stored.iter().any(|(other, of)| other.as_str() < name && of == stored);
        for (name, stored) in source.stored.iter().filter(|(name, stored)| **name == words || !is_second(name, stored))
        {
            let n = self.weights.shape(stored).unwrap_or_default().iter().product::<usize>();
            let layer = name.rsplit_once('.').map_or("", |(layer, _)| layer);
            let part = match name {
                _ if *name == words => &mut parts.words,
                _ if layers.contains(&layer) || *name == heads.bias => &mut parts.head,
                _ if !self.config.tied && layer == heads.decoder => &mut parts.head,
                _ if source.idle.contains(stored) => continue,
                _ if name.starts_with(&prefix) => &mut parts.encoder,
                _ => &mut parts.unused,
            };
            *part += n;
        }
        parts
    }

    /// The files of weights, and the index of them, if there is one.
    pub fn weight_files(&self) -> Vec<&Path> {
        let index = std::iter::once(self.weights.source());
        let mut files: Vec<&Path> = index.chain(self.weights.files()).collect();
        files.dedup();
        files
    }

    /// How numbers are stored, such as `F32`, and how many tensors are.
    pub fn formats(&self) -> BTreeMap<String, usize> {
        let mut formats = BTreeMap::new();
        for dtype in self.weights.names().filter_map(|name| self.weights.dtype(name)) {
            *formats.entry(dtype).or_default() += 1;
        }
        formats
    }

    fn source(&self) -> Source<'_> {
        names::source(&self.weights, &self.config)
    }

    /// The head, with the checkpoint's labels where they are those asked for.
    fn trusted(&self, head: HeadKind) -> (HeadKind, Trust) {
        let is_tagger = self.config.is_tagger;
        match (head, &self.config.labels) {
            (HeadKind::Classify(wanted), Some(found)) if !is_tagger && is_permutation(&wanted, found) => {
                (HeadKind::Classify(found.clone()), Trust::Whole)
            }
            (HeadKind::Tag(wanted), Some(found)) if is_tagger && is_permutation(&wanted, found) => {
                (HeadKind::Tag(found.clone()), Trust::Whole)
            }
            (head @ (HeadKind::Classify(_) | HeadKind::Tag(_)), _) => (head, Trust::EncoderOnly),
            (HeadKind::MaskedLm, _) => (HeadKind::MaskedLm, Trust::Whole),
        }
    }

    /// Refuses an output layer that is not the word table, though config.json says that the two are one.
    fn check_tie(&self, source: &Source) -> Result<()> {
        let architecture = self.config.architecture;
        let table = source.stored.get(&format!("{}.{WORDS}.weight", architecture.prefix));
        let decoder = source.stored.get(&format!("{}.weight", architecture.heads.decoder));
        let (Some(table), Some(decoder)) = (table, decoder) else { return Ok(()) };
        if !self.config.tied || table == decoder {
            return Ok(());
        }
        // A few rows tell: where an output layer was trained apart, all differ.
        let rows = [0, self.config.vocab_size / 2, self.config.vocab_size - 1];
        let is_same = |row: &usize| Ok::<_, Error>(self.row(table, *row)? == self.row(decoder, *row)?);
        let is_one = self.weights.shape(table) == self.weights.shape(decoder);
        if is_one && rows.iter().map(is_same).collect::<Result<Vec<bool>>>()?.iter().all(|same| *same) {
            return Ok(());
        }
        Err(Error::Data(format!(
            "{}: {decoder} is not {table}, and config.json says that they are one (tie_word_embeddings is true, or not \
             there); set \"tie_word_embeddings\": false, or take the weights that belong to this config.json",
            self.weights.source().display()
        )))
    }

    /// The bits of a row, so that NaN is equal to itself.
    fn row(&self, name: &str, row: usize) -> Result<Vec<u32>> {
        let mut values = vec![0.0_f32; self.config.hidden_size];
        self.weights.read_rows_into(name, row..row + 1, &mut values)?;
        Ok(values.iter().map(|value| value.to_bits()).collect())
    }

    /// Keeps BERT's pooler, for which a language model has no use: a classifier that is trained next begins with it.
    fn carry_pooler(&self, source: &Source, model: &mut Model) -> Result<()> {
        let dense = self.config.architecture.heads.dense;
        for name in ["weight", "bias"].map(|part| format!("{dense}.{part}")) {
            if let Some(stored) = source.stored.get(&name) {
                let shape = self.weights.shape(stored).unwrap_or_default().to_vec();
                model.carried.push((name, shape, self.weights.read(stored)?));
                model.unused.retain(|unused| unused != stored);
            }
        }
        Ok(())
    }
}

/// How many numbers the parts of a checkpoint have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Parts {
    /// The word table.
    pub words: usize,
    /// The other embeddings and the layers.
    pub encoder: usize,
    /// What stands on top of them, BERT's pooler too.
    pub head: usize,
    /// What no model here has a use for.
    pub unused: usize,
}

/// The tensors of a tagger's head.
fn tagger_names(config: &Config) -> Vec<String> {
    ["weight", "bias"].map(|part| format!("{}.{part}", config.architecture.heads.tags)).to_vec()
}

/// The tensors of a classifier.
fn classifier_names(config: &Config) -> Vec<String> {
    let heads = &config.architecture.heads;
    let tensors = [heads.dense, heads.out].map(|layer| [format!("{layer}.weight"), format!("{layer}.bias")]);
    tensors.concat()
}

/// The tensors of a language model's head beside its output layer.
fn language_model_names(config: &Config) -> Vec<String> {
    let heads = &config.architecture.heads;
    let layers =
        [heads.transform, heads.transform_norm].map(|layer| [format!("{layer}.weight"), format!("{layer}.bias")]);
    layers.concat().into_iter().chain([heads.bias.to_string()]).collect()
}

/// Which of these tensors a file neither has nor, by its index, should have.
fn missing(source: &Source, names: &[String]) -> Vec<String> {
    let is_missing = |name: &&String| !source.stored.contains_key(*name) && !source.absent.contains_key(*name);
    names.iter().filter(is_missing).cloned().collect()
}

/// The names that transformers gives labels without names: it leaves them out of config.json where there are two.
fn default_labels(source: &Source, config: &Config) -> Option<Vec<String>> {
    let out = source.stored.get(&format!("{}.weight", config.architecture.heads.out))?;
    let n_labels = source.weights.shape(out)?.first().copied().filter(|n| *n > 0)?;
    Some((0..n_labels).map(|i| format!("LABEL_{i}")).collect())
}

fn is_permutation(wanted: &[String], found: &[String]) -> bool {
    let sorted = |labels: &[String]| {
        let mut labels: Vec<String> = labels.iter().map(|label| label.to_lowercase()).collect();
        labels.sort();
        labels
    };
    sorted(wanted) == sorted(found)
}
