//! Learning: methods of training and what a step minimizes, augmentation, the optimizer, how ranks share an update, and
//! turns of tasks.

pub mod augment;
pub mod methods;
pub mod objective;
pub mod optimizer;
pub mod problems;
pub mod reduce;
pub mod sampler;
pub mod update;
