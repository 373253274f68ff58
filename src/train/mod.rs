//! Training: objectives, augmentation, the optimizer, and the loop that puts them to work.

pub mod augment;
pub mod folder;
pub mod objective;
pub mod optimizer;
pub mod progress;
pub mod recipe;
pub mod stop;
