//! Training: objectives, augmentation, the optimizer, and the loop that puts them to work.

pub mod augment;
pub mod corpus;
pub mod data;
pub mod evaluate;
pub mod exam;
pub mod fit;
pub mod full;
pub mod folder;
pub mod held_out;
pub mod inputs;
pub mod languages;
pub mod losses;
pub mod measure;
pub mod memory;
pub mod methods;
pub mod objective;
pub mod optimizer;
pub mod progress;
pub mod recipe;
pub mod record;
pub mod retrieve;
mod run;
pub mod sampler;
pub mod source;
pub(crate) mod space;
pub mod stop;
pub mod suited;

pub use run::{MethodResult, OVERLAP, Outcome, run};
