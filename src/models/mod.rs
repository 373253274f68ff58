//! Encoders and their heads. XLM-R and mBERT share one encoder; what differs is data.

mod config;
mod encoder;
mod head;
mod model;
pub mod ranking;
pub mod shipped;

pub use config::{Config, HeadKind};
pub use encoder::Encoder;
pub use head::{Head, LOGITS};
pub use model::{Batch, Model, Place, Target, Words};
