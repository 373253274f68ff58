//! Heads: what turns hidden states into logits.

use super::{
    Config, HeadKind,
    batch::Wanted,
    families::{Activation, Dense, Origin},
};
use crate::{
    array::{Ids, Segments},
    nn::{Bias, Builder, Fill, LayerNorm, Linear, Pass, WordTable, Work},
    ops,
    tensor::{Device, Tensor},
};

/// The most logits of a language model that exist at once, 64 MiB of them; more are taken chunk by chunk, which costs
/// two products more.
pub const LOGITS: usize = 1 << 24;

/// A hidden layer of a head.
#[derive(Debug)]
pub struct Hidden {
    dense: Linear,
    activation: Activation,
    norm: Option<LayerNorm>,
}

impl Hidden {
    fn build(builder: &mut Builder, config: &Config, dense: Dense) -> Hidden {
        let (h, biases) = (config.hidden_size, config.biases);
        let build = |builder: &mut Builder| Hidden {
            dense: Linear::build(builder, dense.name, h, h, biases.dense),
            activation: dense.activation,
            norm: dense.norm.map(|name| LayerNorm::build(builder, name, h, config.layer_norm_eps, biases.norms)),
        };
        match dense.origin {
            Origin::Head => builder.head(build),
            Origin::Encoder => builder.optional(build),
        }
    }

    /// (n, h) → (n, h)
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.dense.forward(x);
        let x = match self.activation {
            Activation::Tanh => x.tanh(),
            Activation::Relu => x.relu(),
            Activation::Gelu => x.gelu(),
        };
        self.norm.as_ref().map_or_else(|| x.clone(), |norm| norm.forward(&x))
    }
}

/// A head on the encoder.
#[derive(Debug)]
pub enum Head {
    /// What stands for each sequence, to label logits.
    Classify {
        /// h → h; BERT calls it the pooler, XLM has none.
        dense: Option<Hidden>,
        /// h → k
        out: Linear,
        /// k → 1, in XLM's score of an alternative.
        last: Option<Linear>,
        /// Dropout before `dense` in RoBERTa; after it in all.
        dropout: f32,
        /// Whether there is dropout before `dense`.
        drops_first: bool,
        /// The first dropout site.
        site: usize,
    },
    /// Single tokens: the first of each word to tag logits, or every one to those of an answer's beginning and end.
    Tokens {
        /// h → h, in few families.
        dense: Option<Hidden>,
        /// h → k
        out: Linear,
        /// Dropout before it.
        dropout: f32,
        /// The dropout site.
        site: usize,
    },
    /// Masked positions to word logits, by the word table itself or a table of their own.
    MaskedLm {
        /// h → h, in most families.
        transform: Option<Hidden>,
        /// (v)
        bias: Tensor,
        /// (v, h), where the output layer is not the word table.
        decoder: Option<Tensor>,
    },
}

impl Head {
    pub(super) fn build(builder: &mut Builder, config: &Config, kind: &HeadKind, site: usize) -> Head {
        let (h, names) = (config.hidden_size, &config.architecture.heads);
        let projection = |builder: &mut Builder, name, k: usize| {
            builder.head(|builder| Linear::build(builder, name, h, k, Bias::Learned))
        };
        let classifier = |builder: &mut Builder, dense: Option<Dense>, name, k, drops_first| {
            let dense = dense.map(|dense| Hidden::build(builder, config, dense));
            let (out, dropout) = (projection(builder, name, k), config.classifier_dropout);
            Head::Classify { dense, out, last: None, dropout, drops_first, site }
        };
        let tokens = |builder: &mut Builder, name, k| {
            let dense = names.tag_dense.map(|dense| Hidden::build(builder, config, dense));
            Head::Tokens { dense, out: projection(builder, name, k), dropout: config.tagger_dropout, site }
        };
        match kind {
            HeadKind::Classify(labels) | HeadKind::AnyOf(labels) => {
                classifier(builder, names.dense, names.out, labels.len(), names.drops_first)
            }
            HeadKind::Number => classifier(builder, names.dense, names.out, 1, names.drops_first),
            HeadKind::Choose => {
                let k = names.choice_last.map_or(1, |_| config.labels.as_ref().map_or(2, Vec::len)); // transformers' 2
                let drops_first = names.choice_dense.is_none();
                let mut head = classifier(builder, names.choice_dense, names.choice, k, drops_first);
                if let (Head::Classify { last, .. }, Some(name)) = (&mut head, names.choice_last) {
                    *last = Some(builder.head(|builder| Linear::build(builder, name, k, 1, Bias::Learned)));
                }
                head
            }
            HeadKind::Tag(labels) => tokens(builder, names.tags, labels.len()),
            HeadKind::Span => tokens(builder, names.span, 2),
            HeadKind::MaskedLm => builder.head(|builder| Head::MaskedLm {
                transform: names.transform.map(|dense| Hidden::build(builder, config, dense)),
                bias: match config.biases.words {
                    Bias::Learned => builder.parameter(names.bias, &[config.vocab_size], Fill::Zeros),
                    Bias::None => builder.zeros(config.vocab_size),
                },
                decoder: (!config.tied).then(|| {
                    let shape = [config.vocab_size, h];
                    builder.within(names.decoder, |builder| builder.parameter("weight", &shape, Fill::Normal))
                }),
            }),
        }
    }

    /// The names of a head's tensors; nothing is made.
    pub(super) fn names(config: &Config, kind: &HeadKind) -> Vec<String> {
        let device = Device::cpu();
        let mut builder = Builder::new(Work::Survey, None, &device, 0, 0.0);
        Head::build(&mut builder, config, kind, 0);
        builder.names()
    }

    /// Hidden states (n, h) → logits (n, k): those of sequences for a classifier, of words' first tokens for a tagger, of
    /// masked ones for a language model.
    pub fn logits(&self, x: &Tensor, words: &WordTable, pass: Pass) -> Tensor {
        match self {
            Head::Classify { dense, out, last, dropout, drops_first, site } => {
                let x = if *drops_first { pass.dropout(x, *site, *dropout) } else { x.clone() };
                let hidden = dense.as_ref().map(|dense| pass.dropout(&dense.forward(&x), site + 1, *dropout));
                let logits = out.forward(&hidden.unwrap_or(x));
                last.as_ref().map_or_else(|| logits.clone(), |last| last.forward(&logits))
            }
            Head::Tokens { dense, out, dropout, site } => {
                let hidden = dense.as_ref().map(|dense| dense.forward(x));
                out.forward(&pass.dropout(hidden.as_ref().unwrap_or(x), *site, *dropout))
            }
            Head::MaskedLm { bias, decoder: Some(decoder), .. } => ops::linear(&self.transform(x), decoder, bias),
            Head::MaskedLm { bias, decoder: None, .. } => {
                let x = self.transform(x);
                let parts = words.windows.iter().enumerate().map(|(i, window)| {
                    let rows = words.window_rows(i);
                    ops::linear(&x, window, &bias.slice(rows.start, [rows.len()])) // (n, window)
                });
                let parts: Vec<Tensor> = parts.collect();
                match &parts[..] {
                    [all] => all.clone(),
                    parts => ops::concat_columns(&parts.iter().collect::<Vec<_>>()),
                }
            }
        }
    }

    /// How near each row's nearest input of a rectifier is to 0, where the slope has a step; nothing where a head is smooth:
    /// (n, h) → (n).
    pub fn nearest_step(&self, x: &Tensor) -> Option<Vec<f32>> {
        let Head::Classify { dense: Some(hidden), .. } = self else { return None };
        let inputs = (hidden.activation == Activation::Relu).then(|| hidden.dense.forward(x))?;
        let nearest = |row: &[f32]| row.iter().fold(f32::MAX, |nearest, x| nearest.min(x.abs()));
        Some(inputs.to_vec().chunks_exact(inputs.shape().columns()).map(nearest).collect())
    }

    /// `weight` times the summed loss of what [`Head::logits`] gives, with at most 2²⁴ of them at once.
    pub fn loss(&self, x: &Tensor, wanted: &Wanted, words: &WordTable, weight: f32, pass: Pass) -> Tensor {
        match (self, wanted) {
            (Head::MaskedLm { bias, decoder, .. }, Wanted::Classes(labels)) if labels.len() * words.rows > LOGITS => {
                let windows: Vec<&Tensor> =
                    decoder.as_ref().map_or_else(|| words.windows.iter().collect(), |d| vec![d]);
                ops::linear_cross_entropy(&self.transform(x), &windows, bias, labels, weight)
            }
            _ => loss_of(&self.logits(x, words, pass), wanted, weight),
        }
    }

    /// Whether the word table is the output layer, whose gradient then has all of its rows.
    pub fn reads_words(&self) -> bool {
        matches!(self, Head::MaskedLm { .. })
    }

    /// What a language model has before the word table: (n, h) → (n, h).
    fn transform(&self, x: &Tensor) -> Tensor {
        match self {
            Head::MaskedLm { transform: Some(transform), .. } => transform.forward(x),
            Head::MaskedLm { transform: None, .. } | Head::Classify { .. } | Head::Tokens { .. } => x.clone(),
        }
    }
}

/// `weight` times the summed loss of logits (n, k): what should be said of them is `wanted`.
pub(super) fn loss_of(logits: &Tensor, wanted: &Wanted, weight: f32) -> Tensor {
    match wanted {
        Wanted::Classes(classes) => logits.cross_entropy(classes, weight),
        Wanted::Each(holds) => each_label(logits, holds, weight),
        Wanted::Numbers(numbers) => squares(logits, numbers, weight),
        Wanted::Places { groups, places } => logits.grouped_cross_entropy(groups, places, weight),
    }
}

/// `weight` times how far what `logits` say is from what `target` says, both (n, k), summed over predictions: the
/// Kullback-Leibler divergence of classes, of whether each label holds, or of places in groups; half the square of numbers.
pub(super) fn divergence(target: &Tensor, logits: &Tensor, wanted: &Wanted, weight: f32) -> Tensor {
    let n = logits.shape().len();
    let flat = |x: &Tensor| x.slice(0, [n, 1]);
    match wanted {
        Wanted::Classes(_) => {
            let groups = Segments::new(vec![logits.shape().columns(); logits.shape().rows()]);
            flat(target).kl_divergence(&flat(logits), &groups, weight)
        }
        Wanted::Each(_) => {
            let choice = |x: &Tensor| choices_of_two(x).slice(0, [2 * n, 1]);
            choice(target).kl_divergence(&choice(logits), &Segments::new(vec![2; n]), weight)
        }
        Wanted::Numbers(_) => {
            let apart = target.add(&logits.scale(-1.0));
            apart.sum_squares(&Tensor::zeros([1], apart.device())).scale(0.5 * weight)
        }
        Wanted::Places { groups, .. } => target.kl_divergence(logits, groups, weight),
    }
}

/// `weight · Σ −log` of the probability, by a sigmoid, that each label holds or does not: (n, k) → a single number. To hold
/// or not is a choice of two, of which the first has logit 0.
fn each_label(logits: &Tensor, holds: &Ids, weight: f32) -> Tensor {
    choices_of_two(logits).cross_entropy(holds, weight)
}

/// (n, k) → (n · k, 2), of which the first column is 0.
fn choices_of_two(logits: &Tensor) -> Tensor {
    let n = logits.shape().len();
    let not = Tensor::zeros([n, 1], logits.device());
    ops::concat_columns(&[&not, &logits.slice(0, [n, 1])])
}

/// `weight · Σ (x − number)²`: (n, 1) → a single number.
fn squares(x: &Tensor, numbers: &[f32], weight: f32) -> Tensor {
    let less: Vec<f32> = numbers.iter().map(|number| -number).collect();
    let apart = x.add(&Tensor::new(&less, x.shape().clone(), x.device()));
    apart.sum_squares(&Tensor::zeros([1], x.device())).scale(weight)
}

#[cfg(test)]
mod tests {
    use crate::{
        array::Segments,
        models::{Batch, Config, HeadKind, Model, Place, Target, Wanted, Whole, Words},
        nn::Pass,
        tensor::{Device, Tensor},
    };
    use serde_json::json;

    fn batch(target: impl Fn(&Segments) -> Target) -> Batch {
        let segments = Segments::new([3, 2, 4]);
        let target = target(&segments);
        let (positions, types) = (segments.positions(), vec![0; 9].into());
        Batch { ids: vec![0, 5, 2, 0, 2, 0, 7, 3, 2].into(), positions, types, segments, target, other: None }
    }

    /// Every head with what it may be asked for, and the loss as it is written in papers, of its logits (n, k).
    #[expect(clippy::type_complexity, reason = "a table of heads")]
    fn heads() -> Vec<(HeadKind, Batch, fn(&[f64]) -> f64)> {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        let firsts = |wanted: Wanted| {
            move |s: &Segments| Target { rows: s.first_rows(), wanted: wanted.clone(), whole: Whole::Nothing }
        };
        fn nll(row: &[f64], right: usize) -> f64 {
            row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[right]
        }
        fn column(x: &[f64], rows: std::ops::Range<usize>, column: usize) -> Vec<f64> {
            rows.map(|row| x[2 * row + column]).collect()
        }
        vec![
            (HeadKind::Classify(names()), batch(|s| Target::labels(s, vec![0, 1, 1])), |x| {
                nll(&x[..2], 0) + nll(&x[2..4], 1) + nll(&x[4..], 1)
            }),
            (HeadKind::AnyOf(names()), batch(firsts(Wanted::Each(vec![0, 1, 1, 1, 0, 0].into()))), |x| {
                x.iter().zip([0, 1, 1, 1, 0, 0]).map(|(x, holds)| nll(&[0.0, *x], holds)).sum()
            }),
            (HeadKind::Number, batch(firsts(Wanted::Numbers(vec![0.5, -1.0, 2.0]))), |x| {
                x.iter().zip([0.5, -1.0, 2.0]).map(|(x, number)| (x - number).powi(2)).sum()
            }),
            (HeadKind::Tag(names()), batch(|_| Target::classes(vec![1, 3, 6, 7].into(), vec![1, 0, 0, 1])), |x| {
                nll(&x[..2], 1) + nll(&x[2..4], 0) + nll(&x[4..6], 0) + nll(&x[6..], 1)
            }),
            (
                HeadKind::Span,
                batch(|s| {
                    let wanted = Wanted::Places { groups: s.clone(), places: vec![1, 2, 0, 0, 1, 3].into() };
                    Target { rows: (0..9).collect::<Vec<u32>>().into(), wanted, whole: Whole::Nothing }
                }),
                |x| {
                    let of = |rows: std::ops::Range<usize>, [begin, end]: [usize; 2]| {
                        nll(&column(x, rows.clone(), 0), begin) + nll(&column(x, rows, 1), end)
                    };
                    of(0..3, [1, 2]) + of(3..5, [0, 0]) + of(5..9, [1, 3])
                },
            ),
            (
                HeadKind::Choose,
                batch(|s| {
                    let wanted = Wanted::Places { groups: Segments::new([2, 1]), places: vec![1, 0].into() };
                    Target { rows: s.first_rows(), wanted, whole: Whole::Nothing }
                }),
                |x| nll(&x[..2], 1) + nll(&x[2..], 0),
            ),
        ]
    }

    /// Each head's loss is what papers write, and its gradients are those of central differences.
    #[test]
    fn every_head_is_what_papers_write() {
        for model_type in ["xlm-roberta", "bert"] {
            let config = json!({
                "model_type": model_type, "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
                "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 12, "type_vocab_size": 1,
                "pad_token_id": 1, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
                "initializer_range": 0.5,
            });
            for (head, batch, expected) in heads() {
                let config = Config::new(config.as_object().unwrap().clone()).unwrap();
                let model = Model::fresh(config, head.clone(), 7, &Device::Reference).unwrap();
                let loss = || {
                    let words = model.activations(Place::Word, &batch, Words::Table, Pass::evaluation());
                    let logits = model.logits_from(Place::Word, &words, &batch, Pass::evaluation());
                    (model.loss_from(Place::Word, &words, &batch, 0.25, Pass::evaluation()), logits)
                };
                let (value, logits) = loss();
                let written = 0.25 * expected(&logits.to_array().values);
                assert!((value.to_array().values[0] - written).abs() < 1e-12, "{head:?}: {written}");
                let leaves: Vec<&Tensor> = model.leaves();
                let grads = value.gradients(&leaves);
                let mut all = model.tensors();
                for (i, grad) in grads.iter().enumerate() {
                    let place = (i + 1) % leaves.len(); // the word table stands first among tensors, last among leaves
                    let at = grad.shape().len() / 2;
                    let step = 1e-3f32;
                    let mut shifted = |by: f32| {
                        let before = all[place].2[at];
                        all[place].2[at] = before + by;
                        model.assign(&all);
                        all[place].2[at] = before;
                        loss().0.to_array().values[0]
                    };
                    let (up, down) = (shifted(step), shifted(-step));
                    model.assign(&all);
                    let found = (up - down) / (2.0 * f64::from(step));
                    let grad = grad.to_array().values[at];
                    // Central differences err by the square of the step; parameters are f32 on the host.
                    assert!(
                        (found - grad).abs() < 1e-4 * (1.0 + grad.abs()),
                        "{head:?}: {}: {found} {grad}",
                        all[place].0
                    );
                }
            }
        }
    }
}
