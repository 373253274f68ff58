//! Settings of a stage that a method has of its own.

use serde::{Deserialize, Serialize};

/// What a method changes of the last stage's settings: a rate chosen for it, or as many updates as make plain training as
/// long as a method that reads every example several times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageSettings {
    /// With this method: how often all examples are seen, in place of the stage's epochs or updates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// With this method: how many updates are made, in place of the stage's epochs or updates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates: Option<u64>,
    /// With this method: examples per update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// With this method: the highest learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// With this method: decay of all parameters but biases and LayerNorm's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// With this method: updates over which the learning rate rises from zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<u32>,
}
