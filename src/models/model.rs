//! A model: word table, encoder and head, loaded from and written to a Hugging Face folder.

use super::{
    Batch, Config, Encoder, Head, HeadKind, Place, Pretrained, Target, Wanted, Whole,
    config::{Pooling, Problem},
    distillation::{Read, vector_loss},
    families::Positions,
    head, names,
    ranking::ranking_loss,
};
use crate::{
    array::Ids,
    checkpoint::{self, Entry, Values, Weights},
    error::{Error, Result},
    nn::{ActiveRows, Builder, Parameter, Pass, Source, WordTable, Work},
    ops,
    tensor::{Device, Tensor},
};
use std::path::Path;

/// Where a pass takes its word embeddings from.
#[derive(Clone, Copy, Debug)]
pub enum Words<'a> {
    /// The rows lifted out for a training step.
    Active(&'a ActiveRows),
    /// The table itself.
    Table,
}

/// A named tensor on the host: name, shape, numbers.
pub type Named = (String, Vec<usize>, Vec<f32>);

/// What a classifier's logits say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// One label holds; a softmax gives the probabilities.
    Exclusive,
    /// Each label holds or does not; a sigmoid gives its probability.
    Independent,
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
    /// Every parameter but the word table: the encoder's, then the head's.
    pub parameters: Vec<Parameter>,
    /// How many of them are the encoder's.
    pub n_shared: usize,
    /// Names of parameters that were initialized, not loaded.
    pub initialized: Vec<String>,
    /// Names of tensors in the checkpoint that this model has no use for.
    pub unused: Vec<String>,
    /// Names of loaded tensors that hold NaN or infinity.
    pub not_finite: Vec<String>,
    /// What the model does not use and passes on: BERT's pooler in a language model, for the classifier to come.
    pub carried: Vec<Named>,
}

impl Model {
    /// Loads a Hugging Face folder: [`Pretrained::open`], then [`Pretrained::load`].
    pub fn load(folder: &Path, head: HeadKind, seed: u64, device: &Device) -> Result<Model> {
        Pretrained::open(folder)?.load(head, seed, device)
    }

    /// A model with fresh weights everywhere.
    pub fn fresh(config: Config, head: HeadKind, seed: u64, device: &Device) -> Result<Model> {
        Model::build(config, head, None, Trust::Whole, seed, device)
    }

    /// All that can be learned: the parameters, then the windows of the word table.
    pub fn leaves(&self) -> Vec<&Tensor> {
        self.parameters.iter().map(|parameter| &parameter.tensor).chain(&self.words.windows).collect()
    }

    /// Builds a model from a checkpoint that was surveyed, or afresh.
    pub(super) fn build(
        config: Config,
        head: HeadKind,
        source: Option<&Source>,
        trust: Trust,
        seed: u64,
        device: &Device,
    ) -> Result<Model> {
        check_bindings(&config, &head, device)?;
        let mut builder = Builder::new(Work::Build, source, device, seed, config.initializer_range);
        let (words, encoder) = build_encoder(&mut builder, &config);
        let n_shared = builder.names().len();
        let built_head = build_head(&mut builder, &config, &head, trust, &encoder);
        let built = builder.finish(&config_of(&config))?;
        Ok(Model {
            config,
            head_kind: head,
            words,
            encoder,
            head: built_head,
            parameters: built.parameters,
            n_shared,
            initialized: built.initialized,
            unused: built.unused,
            not_finite: built.not_finite,
            carried: Vec::new(),
        })
    }

    /// Another head on this encoder, whose weights the two models share; it is of a checkpoint that was surveyed, or fresh.
    pub(super) fn build_beside(
        &self,
        head: HeadKind,
        source: Option<&Source>,
        trust: Trust,
        seed: u64,
    ) -> Result<Model> {
        check_bindings(&self.config, &head, self.device())?;
        let mut builder = Builder::new(Work::Build, source, self.device(), seed, self.config.initializer_range);
        let built_head = build_head(&mut builder, &self.config, &head, trust, &self.encoder);
        let built = builder.finish(&config_of(&self.config))?;
        let shared = &self.parameters[..self.n_shared];
        Ok(Model {
            config: self.config.clone(),
            head_kind: head,
            words: self.words.clone(),
            encoder: self.encoder.clone(),
            head: built_head,
            parameters: [shared, &built.parameters].concat(),
            n_shared: self.n_shared,
            initialized: built.initialized,
            unused: Vec::new(),
            not_finite: built.not_finite,
            carried: Vec::new(),
        })
    }

    /// Another head with fresh weights on this encoder, whose weights the two models share.
    pub fn beside(&self, head: HeadKind, seed: u64) -> Result<Model> {
        self.build_beside(head, None, Trust::Whole, seed)
    }

    /// Looks whether a checkpoint has what a model needs, with the right shapes, before anything is made.
    pub(super) fn survey(config: &Config, head: &HeadKind, source: &Source, trust: Trust) -> Result<()> {
        let architecture = config.architecture;
        let (wanted, found) = (config.num_hidden_layers, names::n_layers(source, architecture));
        let mut clipped = config.clone();
        clipped.num_hidden_layers = wanted.min(found.max(1)); // a number that lies costs no time
        let device = Device::cpu();
        let mut builder = Builder::new(Work::Survey, Some(source), &device, 0, 0.0);
        let (_, encoder) = build_encoder(&mut builder, &clipped);
        build_head(&mut builder, &clipped, head, trust, &encoder);
        if wanted != found && found > 0 {
            let what = format!("config.json has {} {wanted}, and the file holds {found}", architecture.keys.layers);
            let start = names::layers(architecture).into_iter().next().unwrap_or_default();
            builder.differ(start.trim_end_matches('.').to_string(), what);
            builder.pass_over(|name| names::is_beyond(name, architecture, wanted));
        }
        builder.finish(&config_of(config)).map(drop)
    }

    /// What of the checkpoint is not used, in words; none where all of it is.
    pub fn unused_said(&self) -> Option<String> {
        let parts = self.config.architecture.parts(&self.unused);
        (!self.unused.is_empty()).then(|| format!("not used of the checkpoint: {parts}"))
    }

    /// What a classifier's logits say: those of a single one, and of labels that do not exclude each other, are apart.
    pub fn outputs(&self) -> Outputs {
        match &self.head_kind {
            HeadKind::AnyOf(_) => Outputs::Independent,
            HeadKind::Classify(labels) if labels.len() == 1 => Outputs::Independent,
            HeadKind::Classify(labels) if self.config.labels.as_ref() == Some(labels) => match self.config.problem {
                Problem::AnyOf => Outputs::Independent,
                Problem::OneOf | Problem::Numbers => Outputs::Exclusive,
            },
            _ => Outputs::Exclusive,
        }
    }

    /// Rows of the position table: RoBERTa counts from the row after that of padding, and gives the id of padding, where
    /// a text holds it, that row without counting it.
    fn positions(&self, batch: &Batch) -> Ids {
        if self.config.architecture.positions == Positions::FromZero {
            return batch.positions.clone();
        }
        let (padding, mut n_padding) = (self.config.pad_token_id as u32, 0);
        let row = |(id, position): (&u32, &u32)| {
            if *position == 0 {
                n_padding = 0;
            }
            if *id == padding {
                n_padding += 1;
                return padding;
            }
            padding + 1 + position - n_padding
        };
        batch.ids.iter().zip(batch.positions.iter()).map(row).collect::<Vec<u32>>().into()
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
            Place::Embedding => self.encoder.embed(&embeddings, &self.positions(batch), &batch.types, pass),
            Place::Encoder => self.hidden_from(Place::Word, &embeddings, batch, pass),
        }
    }

    /// Activations at a place → logits (n, k) of the rows that the target reads.
    pub fn logits_from(&self, at: Place, activations: &Tensor, batch: &Batch, pass: Pass) -> Tensor {
        let hidden = self.hidden_from(at, activations, batch, pass);
        self.logits(&read(&hidden, &batch.target), pass)
    }

    /// Last hidden states (n, h) at rows that the head sees → logits (n, k).
    pub fn logits(&self, hidden: &Tensor, pass: Pass) -> Tensor {
        self.head.logits(hidden, &self.words, pass)
    }

    /// Activations at a place → `weight` times the summed loss of the batch.
    pub fn loss_from(&self, at: Place, activations: &Tensor, batch: &Batch, weight: f32, pass: Pass) -> Tensor {
        let hidden = self.hidden_from(at, activations, batch, pass);
        let Target { rows, wanted, whole } = &batch.target;
        let of_head = || self.head.loss(&read(&hidden, &batch.target), wanted, &self.words, weight, pass);
        let of_whole = match whole {
            Whole::Nothing => return of_head(),
            Whole::Translations(firsts) => ranking_loss(&hidden, &batch.segments, firsts, weight),
            Whole::Vectors(targets) => {
                let read = if self.encoder.depth == 0 { Read::Mean } else { Read::MeanAndFirst };
                vector_loss(&hidden, &batch.segments, targets, weight, read)
            }
        };
        if rows.is_empty() { of_whole } else { of_head().add(&of_whole) }
    }

    /// `weight` times the summed loss of logits that [`Model::logits_from`] gave, of a batch whose sequences are not ranked.
    pub fn loss_of(&self, logits: &Tensor, batch: &Batch, weight: f32) -> Tensor {
        head::loss_of(logits, &batch.target.wanted, weight)
    }

    /// `weight` times how far what `logits` say is from what `target` says, both (n, k): the Kullback-Leibler divergence of
    /// what the target tells apart, summed over predictions; of numbers half the square.
    pub fn divergence(&self, target: &Tensor, logits: &Tensor, wanted: &Wanted, weight: f32) -> Tensor {
        head::divergence(target, logits, wanted, weight)
    }

    /// Activations at a place → those at the encoder's end: (n, h).
    pub fn hidden_from(&self, at: Place, x: &Tensor, batch: &Batch, pass: Pass) -> Tensor {
        match at {
            Place::Word => self.encode(&self.encoder.embed(x, &self.positions(batch), &batch.types, pass), batch, pass),
            Place::Embedding => self.encode(x, batch, pass),
            Place::Encoder => x.clone(),
        }
    }

    /// The layers' input (t, h) → what the head sees: (n, h).
    fn encode(&self, x: &Tensor, batch: &Batch, pass: Pass) -> Tensor {
        match (self.config.pooling, &self.head) {
            (Pooling::Mean, Head::Classify { .. }) => {
                self.encoder.encode(x, &batch.segments, None, pass).segment_mean(&batch.segments)
            }
            _ => self.encoder.encode(x, &batch.segments, batch.rows_read().as_ref(), pass),
        }
    }

    /// Every tensor by name, on the host.
    pub fn tensors(&self) -> Vec<Named> {
        let table = (self.words.name.clone(), vec![self.words.rows, self.words.columns], self.words.to_vec());
        let others = self.parameters.iter().map(|p| (p.name.clone(), p.tensor.shape().to_vec(), p.tensor.to_vec()));
        std::iter::once(table).chain(others).collect()
    }

    /// Overwrites every tensor with those that [`Model::tensors`] gave, in its order.
    pub fn assign(&self, tensors: &[Named]) {
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
        let carried = self.carried.iter().map(|named| entry(named, Values::F32));
        let entries: Vec<Entry> = std::iter::once(table).chain(others).chain(carried).collect();
        checkpoint::write(&folder.join("model.safetensors"), &entries, &[])
    }

    /// The same in half the bytes: every number rounded to f16.
    pub fn write_half(&self, folder: &Path) -> Result<()> {
        self.write_config(folder, "float16")?;
        let tensors = self.tensors();
        let entries: Vec<Entry> = tensors.iter().chain(&self.carried).map(|named| entry(named, Values::F16)).collect();
        checkpoint::write(&folder.join("model.safetensors"), &entries, &[])
    }

    fn write_config(&self, folder: &Path, dtype: &str) -> Result<()> {
        write_config(folder, self.config.to_json(&self.head_kind), dtype)
    }
}

/// The hidden states that a target reads: all of them come where sequences are ranked, too.
fn read(hidden: &Tensor, target: &Target) -> Tensor {
    if target.whole == Whole::Nothing { hidden.clone() } else { ops::gather(&[hidden], &target.rows) }
}

/// Whether the head of a checkpoint is for what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// It is.
    Whole,
    /// It is for something else.
    EncoderOnly,
}

/// Word table and encoder.
fn build_encoder(builder: &mut Builder, config: &Config) -> (WordTable, Encoder) {
    builder.within(config.architecture.prefix, |builder| {
        let words = WordTable::build(builder, config.architecture.names.words, config.vocab_size, config.hidden_size);
        (words, Encoder::build(builder, config))
    })
}

/// What stands on an encoder.
fn build_head(builder: &mut Builder, config: &Config, head: &HeadKind, trust: Trust, encoder: &Encoder) -> Head {
    if trust == Trust::EncoderOnly {
        builder.forget_weights_of_head();
    }
    Head::build(builder, config, head, encoder.sites())
}

/// What a file does not fit, where it does not.
fn config_of(config: &Config) -> String {
    format!("the {} of config.json", config.architecture.model_type)
}

/// An output layer of its own is not cut into windows, as the word table is.
fn check_bindings(config: &Config, head: &HeadKind, device: &Device) -> Result<()> {
    let (words, most) = (config.vocab_size, device.max_rows(config.hidden_size));
    if *head == HeadKind::MaskedLm && !config.tied && words > most {
        return Err(Error::Device(format!(
            "config.json gives the language model an output layer of its own (tie_word_embeddings is false) with {words} \
             rows, and this device binds {most} at once; use --backend cpu"
        )));
    }
    Ok(())
}

pub(super) fn entry<'a>((name, shape, values): &'a Named, stored: fn(&'a [f32]) -> Values<'a>) -> Entry<'a> {
    Entry { name, shape, values: stored(values) }
}

/// Writes config.json for tensors of this type.
pub(super) fn write_config(folder: &Path, mut config: serde_json::Value, dtype: &str) -> Result<()> {
    config["dtype"] = dtype.into();
    let text = serde_json::to_string_pretty(&config).expect("JSON can be printed");
    checkpoint::write_file(&folder.join("config.json"), (text + "\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Segments;

    #[test]
    fn at_the_encoders_end_sequences_have_the_rows_that_are_read() {
        let none: Ids = vec![0; 9].into();
        let batch = |target| Batch {
            ids: none.clone(),
            positions: none.clone(),
            types: none.clone(),
            segments: Segments::new([4, 2, 3]),
            target,
            other: None,
        };
        let lengths = |target, at| batch(target).segments_at(at).ranges().map(|rows| rows.len()).collect::<Vec<_>>();
        let labels = || Target::labels(&Segments::new([4, 2, 3]), vec![0, 1, 0]);
        let masked = || Target::classes(vec![1, 2, 6, 8].into(), vec![0; 4]);
        let translated = || Target { whole: Whole::Translations(vec![0]), ..Target::classes(vec![].into(), vec![]) };
        assert_eq!(lengths(labels(), Place::Encoder), [1, 1, 1]);
        assert_eq!(lengths(masked(), Place::Encoder), [2, 0, 2]);
        assert_eq!(lengths(translated(), Place::Encoder), [4, 2, 3]);
        assert_eq!(lengths(masked(), Place::Embedding), [4, 2, 3]);
    }
}
