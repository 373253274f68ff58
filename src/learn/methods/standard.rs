//! Plain fine-tuning.

use serde::{Deserialize, Serialize};

use super::{Part, WordNorms};
use crate::{
    learn::objective::{Objective, Scene},
    models::Place,
    tensor::Tensor,
};

/// The loss as it is, alone or mixed with others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Standard {
    /// Weight of its loss; the weights of a method are divided by their sum.
    pub weight: f64,
}

impl Default for Standard {
    fn default() -> Standard {
        Standard { weight: 1.0 }
    }
}

impl Part for Standard {
    fn objective(&self, _: &WordNorms) -> Option<(f64, Box<dyn Objective>)> {
        Some((self.weight, Box::new(self.clone())))
    }
}

impl Objective for Standard {
    fn loss(&self, scene: &Scene) -> Tensor {
        scene.loss_from(Place::Word, &scene.activations(Place::Word))
    }
}
