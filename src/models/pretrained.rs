//! A model folder that others wrote: opened and looked over before anything is made of it.

use super::{
    Config, Head, HeadKind, Model, Named,
    config::Problem,
    families::Origin,
    model::{Trust, entry, write_config},
    names,
};
use crate::{
    checkpoint::{self, Entry, Values, Weights},
    error::{Error, Result},
    nn::Source,
    tensor::Device,
};
use std::{
    collections::{BTreeMap, BTreeSet},
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
        let has_labels = !config.is_of(&HeadKind::Span) && !config.is_of(&HeadKind::Choose);
        config.labels = match has_labels && missing(&source, &labelled_names(&config)).is_empty() {
            true => config.labels.clone().or_else(|| default_labels(&source, &config)),
            false => None,
        };
        Ok(Pretrained { config, folder: folder.to_path_buf(), weights })
    }

    /// The labels of the classifier that the folder holds, or an error that says what it lacks.
    pub fn classifier(&self) -> Result<Vec<String>> {
        let lacking = missing(&self.source(), &labelled_names(&self.config));
        let what = match lacking.is_empty() {
            true => "a classifier without outputs".to_string(),
            false => format!("no trained classifier ({} missing)", lacking.join(", ")),
        };
        let folder = self.folder.display();
        let error = || Error::Data(format!("{folder} holds {what}; train one with rxlt run"));
        self.config.labels.clone().ok_or_else(error)
    }

    /// The head that the folder holds: what its class says, else a classifier, else a language model, else none.
    pub fn head(&self) -> Option<HeadKind> {
        let is_language_model = missing(&self.source(), &language_model_names(&self.config)).is_empty();
        let others = [HeadKind::Span, HeadKind::Choose];
        if let Some(other) = others.into_iter().find(|head| self.holds(head)) {
            return Some(other);
        }
        match &self.config.labels {
            Some(labels) if self.config.is_tagger() => Some(HeadKind::Tag(labels.clone())),
            Some(labels) => Some(match self.config.problem {
                Problem::AnyOf => HeadKind::AnyOf(labels.clone()),
                Problem::Numbers if labels.len() == 1 => HeadKind::Number,
                Problem::OneOf | Problem::Numbers => HeadKind::Classify(labels.clone()),
            }),
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

    /// Looks whether everything is there and fits that a model of this folder needs, with the head that it holds, if any.
    pub fn check_whole(&self) -> Result<()> {
        self.check(&self.head().unwrap_or(HeadKind::Classify(vec![String::new()])))
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
        if model.head_kind == HeadKind::MaskedLm {
            self.carry_pooler(&source, &mut model)?;
        }
        Ok(model)
    }

    /// Makes a model with another head on the encoder of `model`, whose weights the two share; the head is the folder's where
    /// that has it, as [`Pretrained::load`] says.
    pub fn load_beside(self, model: &Model, head: HeadKind, seed: u64) -> Result<Model> {
        self.check(&head)?;
        let (head, trust) = self.trusted(head);
        model.build_beside(head, Some(&self.source()), trust, seed)
    }

    /// The tensors of the encoder, by the names of today without their first part, such as `bert.`
    pub(super) fn encoder(&self) -> Result<Vec<Named>> {
        let (source, prefix) = (self.source(), format!("{}.", self.config.architecture.prefix));
        let mut tensors = Vec::new();
        for (name, stored) in source.stored.iter().filter(|(_, stored)| !source.idle.contains(*stored)) {
            if let Some(name) = name.strip_prefix(&prefix) {
                let shape = self.weights.shape(stored).unwrap_or_default().to_vec();
                tensors.push((name.to_owned(), shape, self.weights.read(stored)?));
            }
        }
        Ok(tensors)
    }

    /// Writes the encoder alone, every number rounded to f16, by the names of today; [`Error::Data`] where one is none.
    pub fn write_encoder_half(&self, config: &Config, folder: &Path) -> Result<()> {
        self.check(&HeadKind::MaskedLm)?;
        let prefix = self.config.architecture.prefix;
        let tensors =
            self.encoder()?.into_iter().map(|(name, shape, values)| (format!("{prefix}.{name}"), shape, values));
        let tensors: Vec<Named> = tensors.collect();
        let broken = tensors.iter().filter(|(_, _, values)| checkpoint::not_finite(values) > 0);
        let broken: Vec<String> = broken.map(|(name, ..)| name.clone()).collect();
        refuse_not_finite(self.weights.source(), &broken)?;
        write_config(folder, config.encoder_to_json(), "float16")?;
        let entries: Vec<Entry> = tensors.iter().map(|named| entry(named, Values::F16)).collect();
        checkpoint::write(&folder.join("model.safetensors"), &entries, &[])
    }

    /// How many numbers its parts have.
    pub fn parts(&self) -> Parts {
        let (source, architecture) = (self.source(), self.config.architecture);
        let (prefix, decoder) = (format!("{}.", architecture.prefix), format!("{}.weight", architecture.heads.decoder));
        let (words, mut parts) = (names::word_table(architecture), Parts::default());
        let one = || vec![String::new()];
        let kinds = [HeadKind::Classify(one()), HeadKind::Tag(one()), HeadKind::Span, HeadKind::Choose];
        let of_heads = kinds.iter().flat_map(|head| Head::names(&self.config, head));
        let heads: BTreeSet<String> = of_heads.chain(language_model_names(&self.config)).collect();
        let is_second =
            |name: &str, stored: &str| source.stored.iter().any(|(other, of)| other.as_str() < name && of == stored);
        for (name, stored) in source.stored.iter().filter(|(name, stored)| **name == words || !is_second(name, stored))
        {
            let n = self.weights.shape(stored).unwrap_or_default().iter().product::<usize>();
            let part = match name {
                _ if *name == words => &mut parts.words,
                _ if heads.contains(name) || !self.config.tied && *name == decoder => &mut parts.head,
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
        let (is_tagger, problem) = (self.config.is_tagger(), self.config.problem);
        match (head, &self.config.labels) {
            (HeadKind::Classify(wanted), Some(found)) if !is_tagger && is_permutation(&wanted, found) => {
                (HeadKind::Classify(found.clone()), Trust::Whole)
            }
            (HeadKind::AnyOf(wanted), Some(found))
                if !is_tagger && problem == Problem::AnyOf && is_permutation(&wanted, found) =>
            {
                (HeadKind::AnyOf(found.clone()), Trust::Whole)
            }
            (HeadKind::Number, Some(found)) if !is_tagger && problem == Problem::Numbers && found.len() == 1 => {
                (HeadKind::Number, Trust::Whole)
            }
            (HeadKind::Tag(wanted), Some(found)) if is_tagger && is_permutation(&wanted, found) => {
                (HeadKind::Tag(found.clone()), Trust::Whole)
            }
            (HeadKind::MaskedLm, _) => (HeadKind::MaskedLm, Trust::Whole),
            (head, _) if self.holds(&head) => (head, Trust::Whole),
            (head, _) => (head, Trust::EncoderOnly),
        }
    }

    /// Whether the folder holds a head without labels of this kind: its class says so, and its tensors are there.
    fn holds(&self, head: &HeadKind) -> bool {
        let has_none = head.labels().is_none() && *head != HeadKind::Number;
        has_none && self.config.is_of(head) && missing(&self.source(), &Head::names(&self.config, head)).is_empty()
    }

    /// Refuses an output layer that is not the word table, though config.json says that the two are one.
    fn check_tie(&self, source: &Source) -> Result<()> {
        let architecture = self.config.architecture;
        let table = source.stored.get(&names::word_table(architecture));
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

    /// Keeps a pooler, for which a language model has no use: a classifier that is trained next begins with it.
    fn carry_pooler(&self, source: &Source, model: &mut Model) -> Result<()> {
        let heads = &self.config.architecture.heads;
        let Some(dense) = heads.dense.filter(|dense| dense.origin == Origin::Encoder) else { return Ok(()) };
        for name in ["weight", "bias"].map(|part| format!("{}.{part}", dense.name)) {
            let is_used = model.parameters.iter().any(|parameter| parameter.name == name);
            if let (false, Some(stored)) = (is_used, source.stored.get(&name)) {
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

/// Refuses weights, found at `path`, of which these tensors hold NaN or infinity.
pub fn refuse_not_finite(path: &Path, names: &[String]) -> Result<()> {
    let Some(name) = names.first() else { return Ok(()) };
    let (path, n) = (path.display(), names.len());
    let what = format!("NaN or infinity stands in {n} tensors, such as {name}; name a checkpoint of before");
    Err(Error::Data(format!("{path}: {what}")))
}

/// The tensors of the head that labels are for: a tagger's, or a classifier's.
fn labelled_names(config: &Config) -> Vec<String> {
    let one = vec![String::new()];
    Head::names(config, &if config.is_tagger() { HeadKind::Tag(one) } else { HeadKind::Classify(one) })
}

/// The tensors of a language model's head beside its output layer.
fn language_model_names(config: &Config) -> Vec<String> {
    let decoder = format!("{}.weight", config.architecture.heads.decoder);
    Head::names(config, &HeadKind::MaskedLm).into_iter().filter(|name| *name != decoder).collect()
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
