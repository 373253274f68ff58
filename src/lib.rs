//! Robust zero-shot cross-lingual transfer on any GPU: a deep-learning engine of its own, made for one job.
//!
//! `rxlt` fine-tunes multilingual encoders (XLM-R, mBERT) in one language so that they hold up in others, and measures
//! it. The command does that from recipes; this library is what it is made of, and can be used by itself.
//!
//! # A tour
//!
//! A [`tensor::Tensor`] is an immutable array on a [`tensor::Device`]: the CPU, a GPU through wgpu, or the f64
//! reference that defines every operation. Gradients are values, asked for where they are wanted:
//!
//! ```
//! use rxlt::tensor::{Device, Tensor};
//!
//! let x = Tensor::new(&[1.0, 2.0, 3.0], [3], &Device::cpu()).tracked();
//! let zero = Tensor::number(0.0, &Device::cpu());
//! let loss = x.sum_squares(&zero); // Σ x²
//! assert_eq!(loss.item(), 14.0);
//! assert_eq!(loss.gradients(&[&x])[0].to_vec(), [2.0, 4.0, 6.0]);
//! ```
//!
//! A batch has no padding: sequences lie end to end, and [`array::Segments`] says where each starts. An encoder is
//! loaded from a Hugging Face folder, or made afresh as here, and trained by a [`learn::objective`]:
//!
//! ```
//! use rxlt::array::Segments;
//! use rxlt::models::{Batch, Config, HeadKind, Model, Place, Target, Words};
//! use rxlt::rng::Draw;
//! use rxlt::tensor::Device;
//! use rxlt::learn::methods::{Adv, Norm, Start};
//! use rxlt::learn::objective::{Objective, Scene};
//! use rxlt::learn::optimizer::{Decay, Optimizer, Settings};
//!
//! let config = serde_json::json!({
//!     "model_type": "xlm-roberta", "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1,
//!     "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 20,
//!     "type_vocab_size": 1, "pad_token_id": 1,
//! });
//! let config = Config::new(config.as_object().unwrap().clone()).unwrap();
//! let head = HeadKind::Classify(vec!["no".into(), "yes".into()]);
//! let model = Model::fresh(config, head, 7, &Device::cpu()).unwrap();
//!
//! // Two sequences, of three and of two tokens.
//! let segments = Segments::new([3, 2]);
//! let batch = Batch {
//!     ids: vec![0, 9, 2, 0, 2].into(),
//!     positions: segments.positions(),
//!     types: vec![0; 5].into(),
//!     target: Target::labels(&segments, vec![1, 0]),
//!     segments,
//!     other: None,
//! };
//! let adv = Adv {
//!     norm: Norm::L2, radius: 0.02.into(), step_size: 0.01.into(), steps: 2, start: Start::Zero, at: Place::Word,
//!     clean_weight: 0.0,
//!     ..Adv::default()
//! };
//! let mut optimizer = Optimizer::lazy(&model, Settings {
//!     learning_rate: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0, max_grad_norm: 1.0,
//!     warmup_steps: 0, total_steps: 60, decay: Decay::Constant,
//! });
//! let mut losses = Vec::new();
//! for step in 0..60 {
//!     let active = optimizer.activate(&model, batch.ids.iter().copied()).unwrap();
//!     let draw = Some(Draw { seed: 7, step, stream: 0 });
//!     let scene = Scene { model: &model, words: Words::Active(&active), batch: &batch, weight: 0.5, draw };
//!     let loss = adv.loss(&scene);
//!     let (loss, grads) = optimizer.gradients(loss, &optimizer.leaves(&model, Some(&active)));
//!     optimizer.step(&model, Some(&active), &grads);
//!     losses.push(loss.item());
//! }
//! assert!(losses[59] < 0.5 * losses[0], "{losses:?}");
//! ```
//!
//! # Layers
//!
//! The modules stand in the order of their layers: each uses those above it, never those below.

/// The version, with the commit that it was built from where that is known: `0.1.0 (bd096bd)`.
pub const VERSION: &str = env!("RXLT_VERSION");

pub mod error;
pub mod input;
pub mod keys;
pub mod terminal;
pub mod ranks;
pub mod stop;
pub mod rng;
// What a number is and where it lives.
pub mod array;
pub mod profile;
pub mod pool;
pub mod cpu;
pub mod gpu;
pub mod plan;
pub mod tensor;
// What can be computed, and its derivative.
pub mod ops;
pub mod autograd;
// What is computed: encoders.
pub mod checkpoint;
pub mod nn;
pub mod models;
// What is learned, from what, how, and with what result.
pub mod text;
pub mod hub;
pub mod metrics;
pub mod tasks;
pub mod kinds;
pub mod learn;
pub mod recipe;
pub mod data;
pub mod measure;
pub mod run;
pub mod report;
pub mod sweep;
pub mod score;
pub mod study;
pub mod bench;
pub mod doctor;
// The command.
pub mod cli;
