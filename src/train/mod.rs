//! Training: objectives, augmentation, the optimizer, and the loop that puts them to work.

pub mod augment;
pub mod objective;
pub mod optimizer;
