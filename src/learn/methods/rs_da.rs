//! `rs-da`: randomized smoothing by data augmentation; [`augment`](crate::learn::augment) does the work.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Part, Scope};
use crate::{
    error::Result,
    learn::problems::Problems,
    learn::{
        augment::{self, Neighbours},
        objective::Objective,
    },
    tasks::{Example, demo},
};

/// Data augmentation: copies of the training data in which words gave way to their neighbours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RsDa {
    /// A JSON file from words to lists of words; the generated data need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<String>,
    /// Copies per example, which replace it.
    pub copies: usize,
    /// Whether as many updates are made as without augmentation.
    pub compute_matched: bool,
}

impl RsDa {
    /// What words may become.
    pub fn neighbours(&self) -> Result<Neighbours> {
        match &self.neighbours {
            Some(path) => Neighbours::load(Path::new(path)),
            None => Neighbours::new(demo::neighbours()),
        }
    }

    /// Refuses examples that it would leave as they are, which would be plain training.
    pub fn refuse_without_effect(&self, examples: &[Example]) -> Result<()> {
        let name = self.neighbours.as_deref().unwrap_or("the demo's synonyms");
        augment::refuse_without_effect(examples, &self.neighbours()?, name)
    }
}

/// Ten copies as for PAWS-X in the public code, which takes three for XNLI.
impl Default for RsDa {
    fn default() -> RsDa {
        RsDa { neighbours: None, copies: 10, compute_matched: false }
    }
}

impl Part for RsDa {
    fn objective(&self) -> Option<(f64, Box<dyn Objective>)> {
        None
    }

    fn check(&self, scope: &Scope, problems: &mut Problems) {
        problems.unless(self.copies > 0, &scope.key("copies"), "1 or more", &self.copies);
        let missing = self.neighbours.as_ref().is_none_or(String::is_empty) && !scope.demo;
        let message =
            "name the JSON file of synonyms, such as counterfitted_neighbors.json of robinjia/certified-word-sub";
        problems.say(missing, &scope.key("neighbours"), message);
        if let Some(reason) = scope.kind.and_then(|kind| kind.fixed()) {
            problems.say(true, &scope.key, format!("not for this task: {reason}"));
        }
    }
}
