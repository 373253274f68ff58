//! Encoders and their heads. The families share one encoder; what differs is data, in `families`.

mod batch;
mod config;
mod average;
mod convert;
pub mod distillation;
mod encoder;
pub mod families;
mod fields;
mod head;
mod layer;
mod model;
mod names;
mod pretrained;
pub mod ranking;
mod relative;
pub mod shipped;
pub mod student;

pub use average::average;
pub use batch::{Batch, Place, Reworded, Target, Wanted, Whole};
pub use config::{Biases, Config, Globals, HeadKind, Pooling, Problem, Rotation};
pub use convert::{Converted, convert, files};
pub use encoder::Encoder;
pub use head::{Head, LOGITS};
pub use model::{Model, Named, Outputs, Words};
pub use pretrained::{Parts, Pretrained, refuse_not_finite};
