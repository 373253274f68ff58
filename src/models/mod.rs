//! Encoders and their heads. XLM-R and mBERT share one encoder; what differs is data.

mod config;
mod convert;
mod encoder;
mod head;
mod model;
mod names;
mod pretrained;
pub mod ranking;
pub mod shipped;

pub use config::{Config, HeadKind, Problem};
pub use convert::{Converted, convert, files};
pub use encoder::Encoder;
pub use head::{Head, LOGITS};
pub use model::{Batch, Model, Named, Outputs, Place, Target, Words};
pub use pretrained::{Parts, Pretrained};
