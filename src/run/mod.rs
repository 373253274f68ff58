//! Running a recipe: the loop of a stage, memory and disk foreseen, the run folder, and what came out.

pub mod budget;
mod experiment;
pub mod files;
pub mod fit;
pub mod folder;
pub mod fresh;
pub mod full;
pub mod history;
pub mod losses;
mod measuring;
pub mod memory;
pub mod outcome;
pub mod plan;
pub mod progress;
pub(crate) mod space;
pub mod tensorboard;

pub use experiment::run;
pub use outcome::{MethodResult, Outcome};
