//! A model: word table, encoder and head, loaded from and written to a Hugging Face folder.

use super::{Config, Encoder, Head, HeadKind, ranking::ranking_loss};
use crate::{
    array::{Ids, Segments},
    checkpoint::{self, Entry, Values, Weights},
    error::{Error, Result},
    nn::{ActiveRows, Builder, Parameter, Pass, WordTable},
    ops,
    tensor::{Device, Tensor},
};
use std::{ops::Range, path::Path};

/// What each sequence of a batch should give.
#[derive(Clone, Debug)]
pub enum Target {
    /// A label for each sequence.
    Labels(Ids),
    /// Words at masked positions: rows of the packed batch, and the words that were there.
    Masked {
        /// Rows of the packed batch.
        rows: Ids,
        /// The words that were there.
        words: Ids,
    },
    /// Masked words, and sequences of which each is followed by its translation, to be told from the others.
    Translated {
        /// Rows of the packed batch.
        rows: Ids,
        /// The words that were there.
        words: Ids,
        /// Numbers of the sequences whose successor translates them.
        firsts: Vec<u32>,
    },
}

/// Sequences laid end to end.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Token ids: (t).
    pub ids: Ids,
    /// Positions, from 0: (t). Those of [`Segments::positions`], or others where the sides of a pair count anew.
    pub positions: Ids,
    /// Token types: (t).
    pub types: Ids,
    /// Where sequences start.
    pub segments: Segments,
    /// What should come out.
    pub target: Target,
}

impl Batch {
    /// The rows of the last hidden states that the target needs; none where it needs all.
    fn rows_read(&self) -> Option<Ids> {
        match &self.target {
            Target::Labels(_) => Some(self.segments.first_rows()),
            Target::Masked { rows, .. } => Some(rows.clone()),
            Target::Translated { .. } => None,
        }
    }

    /// Where sequences start in the activations at a place.
    pub fn segments_at(&self, at: Place) -> Segments {
        match self.rows_read() {
            Some(rows) if at == Place::Encoder => {
                let inside = |range: Range<usize>| rows.iter().filter(|row| range.contains(&(**row as usize))).count();
                Segments::new(self.segments.ranges().map(inside))
            }
            _ => self.segments.clone(),
        }
    }
}

/// Where in the model a perturbation enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The word table's output, before positions and LayerNorm.
    Word,
    /// The embedding layer's output.
    Embedding,
    /// The last hidden states that the head sees: first tokens, masked ones, or all where sentences are ranked.
    Encoder,
}

/// Where a pass takes its word embeddings from.
#[derive(Clone, Copy, Debug)]
pub enum Words<'a> {
    /// The rows lifted out for a training step.
    Active(&'a ActiveRows),
    /// The table itself.
    Table,
}

/// An encoder with a head.
#[derive(Debug)]
pub struct Model {
    /// Sizes and settings.
    pub config: Config,
    /// What the head predicts.
    pub head_kind: HeadKind,
    /// Word embeddings.
    pub words: WordTable,
    /// Embeddings and layers.
    pub encoder: Encoder,
    /// What turns hidden states into logits.
    pub head: Head,
    /// Every parameter but the word table.
    pub parameters: Vec<Parameter>,
    /// Names of parameters that were initialized, not loaded.
    pub initialized: Vec<String>,
    /// Names of tensors in the checkpoint that this model has no use for.
    pub unused: Vec<String>,
    /// Names of loaded tensors that hold NaN or infinity.
    pub not_finite: Vec<String>,
}

impl Model {
    /// Loads a Hugging Face folder.
    ///
    /// A classifier of the checkpoint is kept where its labels have the names asked for, in whatever order: `head_kind`
    /// then has the checkpoint's. Any other head is initialized from the seed, and `initialized` says so.
    pub fn load(folder: &Path, head: HeadKind, seed: u64, device: &Device) -> Result<Model> {
        let config = Config::load(folder)?;
        let weights = Weights::open(folder)?;
        let (head, trust) = match (head, &config.labels) {
            (HeadKind::Classify(wanted), Some(found)) if is_permutation(&wanted, found) => {
                (HeadKind::Classify(found.clone()), true)
            }
            (HeadKind::Classify(wanted), _) => (HeadKind::Classify(wanted), false),
            (HeadKind::MaskedLm, _) => (HeadKind::MaskedLm, true),
        };
        Model::build(config, head, Some(&weights), trust, seed, device)
    }

    /// A model with fresh weights everywhere.
    pub fn fresh(config: Config, head: HeadKind, seed: u64, device: &Device) -> Result<Model> {
        Model::build(config, head, None, true, seed, device)
    }

    /// All that can be learned: the parameters, then the windows of the word table.
    pub fn leaves(&self) -> Vec<&Tensor> {
        self.parameters.iter().map(|parameter| &parameter.tensor).chain(&self.words.windows).collect()
    }

    fn build(
        config: Config,
        head: HeadKind,
        weights: Option<&Weights>,
        trust_head: bool,
        seed: u64,
        device: &Device,
    ) -> Result<Model> {
        let mut builder = Builder::new(weights, device, seed, config.initializer_range);
        let prefix = config.architecture.prefix;
        let (words, encoder) = builder.within(prefix, |builder| {
            let name = "embeddings.word_embeddings";
            let words = WordTable::build(builder, name, config.vocab_size, config.hidden_size);
            (words, Encoder::build(builder, &config))
        });
        if !trust_head {
            builder.forget_weights_of_head();
        }
        let built_head = Head::build(&mut builder, &config, &head, encoder.sites());
        let built = builder.finish(&format!("the {} of config.json", config.architecture.model_type))?;
        Ok(Model {
            config,
            head_kind: head,
            words,
            encoder,
            head: built_head,
            parameters: built.parameters,
            initialized: built.initialized,
            unused: built.unused,
            not_finite: built.not_finite,
        })
    }

    /// Where the model lives.
    pub fn device(&self) -> &Device {
        self.words.windows[0].device()
    }

    /// The activations at a place: (t, h), at the encoder's end (n, h).
    pub fn activations(&self, at: Place, batch: &Batch, words: Words, pass: Pass) -> Tensor {
        let embeddings = match words {
            Words::Active(rows) => rows.look_up(&batch.ids),
            Words::Table => self.words.look_up(&batch.ids),
        };
        match at {
            Place::Word => embeddings,
            Place::Embedding => self.encoder.embed(&embeddings, &batch.positions, &batch.types, pass),
            Place::Encoder => self.hidden_from(Place::Word, &embeddings, batch, pass),
        }
    }

    /// Activations at a place → logits: (s, k) of a classifier, (masked, v) of a language model.
    pub fn logits_from(&self, at: Place, activations: &Tensor, batch: &Batch, pass: Pass) -> Tensor {
        let hidden = self.hidden_from(at, activations, batch, pass);
        match &batch.target {
            Target::Labels(_) | Target::Masked { .. } => self.logits(&hidden, pass),
            Target::Translated { rows, .. } => self.logits(&ops::gather(&[&hidden], rows), pass),
        }
    }

    /// Last hidden states (n, h) at rows that the head sees → logits (n, k).
    pub fn logits(&self, hidden: &Tensor, pass: Pass) -> Tensor {
        self.head.logits(hidden, &self.words, pass)
    }

    /// Activations at a place → `weight` times the summed cross-entropy of the batch.
    pub fn loss_from(&self, at: Place, activations: &Tensor, batch: &Batch, weight: f32, pass: Pass) -> Tensor {
        let hidden = self.hidden_from(at, activations, batch, pass);
        let of_head = |hidden: &Tensor, labels| self.head.loss(hidden, labels, &self.words, weight, pass);
        match &batch.target {
            Target::Labels(labels) | Target::Masked { words: labels, .. } => of_head(&hidden, labels),
            Target::Translated { rows, words, firsts } => {
                let ranking = ranking_loss(&hidden, &batch.segments, firsts, weight);
                if words.is_empty() { ranking } else { of_head(&ops::gather(&[&hidden], rows), words).add(&ranking) }
            }
        }
    }

    /// Activations at a place → those at the encoder's end: (n, h).
    pub fn hidden_from(&self, at: Place, x: &Tensor, batch: &Batch, pass: Pass) -> Tensor {
        let encode = |x: &Tensor| self.encoder.encode(x, &batch.segments, batch.rows_read().as_ref(), pass);
        match at {
            Place::Word => encode(&self.encoder.embed(x, &batch.positions, &batch.types, pass)),
            Place::Embedding => encode(x),
            Place::Encoder => x.clone(),
        }
    }

    /// Every tensor by name, on the host.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let table = (self.words.name.clone(), vec![self.words.rows, self.words.columns], self.words.to_vec());
        let others = self.parameters.iter().map(|p| (p.name.clone(), p.tensor.shape().to_vec(), p.tensor.to_vec()));
        std::iter::once(table).chain(others).collect()
    }

    /// Overwrites every tensor with those that [`Model::tensors`] gave, in its order.
    pub fn assign(&self, tensors: &[(String, Vec<usize>, Vec<f32>)]) {
        let (table, others) = tensors.split_first().expect("a model has a word table");
        for (i, window) in self.words.windows.iter().enumerate() {
            let rows = self.words.window_rows(i);
            window.assign(&table.2[rows.start * self.words.columns..rows.end * self.words.columns]);
        }
        for (parameter, (_, _, values)) in self.parameters.iter().zip(others) {
            parameter.tensor.assign(values);
        }
    }

    /// Overwrites every tensor with those of a file written from this model.
    pub fn restore(&self, weights: &Weights) -> Result<()> {
        for (i, window) in self.words.windows.iter().enumerate() {
            window.refill(|values| weights.read_rows_into(&self.words.name, self.words.window_rows(i), values))?;
        }
        for Parameter { name, tensor } in &self.parameters {
            match weights.shape(name) {
                Some(shape) if *shape == tensor.shape()[..] => {
                    tensor.refill(|values| weights.read_into(name, values))?;
                }
                found => {
                    let (source, expected) = (weights.source().display(), tensor.shape());
                    return Err(Error::Data(format!("{source}: {name}: expected {expected:?}, found {found:?}")));
                }
            }
        }
        Ok(())
    }

    /// Writes config.json and model.safetensors into a folder, as transformers loads them.
    pub fn write(&self, folder: &Path) -> Result<()> {
        self.write_config(folder, "float32")?;
        let shape = [self.words.rows, self.words.columns];
        let table = Entry { name: &self.words.name, shape: &shape, values: Values::Tensors(&self.words.windows) };
        let others = self.parameters.iter().map(|Parameter { name, tensor }| Entry {
            name,
            shape: tensor.shape(),
            values: Values::Tensors(std::slice::from_ref(tensor)),
        });
        let entries: Vec<Entry> = std::iter::once(table).chain(others).collect();
        checkpoint::write(&folder.join("model.safetensors"), &entries, &[])
    }

    /// The same in half the bytes: every number rounded to f16.
    pub fn write_half(&self, folder: &Path) -> Result<()> {
        self.write_config(folder, "float16")?;
        let tensors = self.tensors();
        let entries: Vec<Entry> =
            tensors.iter().map(|(name, shape, values)| Entry { name, shape, values: Values::F16(values) }).collect();
        checkpoint::write(&folder.join("model.safetensors"), &entries, &[])
    }

    fn write_config(&self, folder: &Path, dtype: &str) -> Result<()> {
        let mut config = self.config.to_json(&self.head_kind);
        config["dtype"] = dtype.into();
        let text = serde_json::to_string_pretty(&config).expect("JSON can be printed");
        checkpoint::write_file(&folder.join("config.json"), (text + "\n").as_bytes())
    }
}

fn is_permutation(wanted: &[String], found: &[String]) -> bool {
    let sorted = |labels: &[String]| {
        let mut labels: Vec<String> = labels.iter().map(|label| label.to_lowercase()).collect();
        labels.sort();
        labels
    };
    sorted(wanted) == sorted(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_encoders_end_sequences_have_the_rows_that_are_read() {
        let none: Ids = vec![0; 9].into();
        let batch = |target| Batch {
            ids: none.clone(),
            positions: none.clone(),
            types: none.clone(),
            segments: Segments::new([4, 2, 3]),
            target,
        };
        let lengths = |target, at| batch(target).segments_at(at).ranges().map(|rows| rows.len()).collect::<Vec<_>>();
        let labels = || Target::Labels(vec![0, 1, 0].into());
        let masked = || Target::Masked { rows: vec![1, 2, 6, 8].into(), words: vec![0; 4].into() };
        let translated = || Target::Translated { rows: vec![].into(), words: vec![].into(), firsts: vec![0] };
        assert_eq!(lengths(labels(), Place::Encoder), [1, 1, 1]);
        assert_eq!(lengths(masked(), Place::Encoder), [2, 0, 2]);
        assert_eq!(lengths(translated(), Place::Encoder), [4, 2, 3]);
        assert_eq!(lengths(masked(), Place::Embedding), [4, 2, 3]);
    }
}
