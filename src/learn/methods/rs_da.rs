//! `rs-da`: randomized smoothing by data augmentation; [`augment`](crate::learn::augment) does the work.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Part, Rewording, Scope};
use crate::{
    error::Result,
    learn::{
        augment::{Change, Neighbours},
        problems::Problems,
    },
    tasks::demo,
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

/// Ten copies as for PAWS-X in the public code, which takes three for XNLI.
impl Default for RsDa {
    fn default() -> RsDa {
        RsDa { neighbours: None, copies: 10, compute_matched: false }
    }
}

impl Part for RsDa {
    fn rewording(&self) -> Option<&dyn Rewording> {
        Some(self)
    }
}

impl Rewording for RsDa {
    fn change(&self) -> Result<Box<dyn Change>> {
        synonyms(self.neighbours.as_ref())
    }

    fn files(&self) -> Vec<(&'static str, &String)> {
        self.neighbours.iter().map(|path| ("neighbours", path)).collect()
    }

    fn check_settings(&self, scope: &Scope, problems: &mut Problems) {
        check_neighbours(self.neighbours.as_ref(), scope, problems);
    }

    fn changes_meaning(&self) -> bool {
        true
    }

    fn copies(&self) -> usize {
        self.copies
    }

    fn is_compute_matched(&self) -> bool {
        self.compute_matched
    }
}

/// Synonyms in place of words, where predictions should stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Synonyms {
    /// A JSON file from words to lists of words; the generated data need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<String>,
}

impl Rewording for Synonyms {
    fn change(&self) -> Result<Box<dyn Change>> {
        synonyms(self.neighbours.as_ref())
    }

    fn files(&self) -> Vec<(&'static str, &String)> {
        self.neighbours.iter().map(|path| ("neighbours", path)).collect()
    }

    fn check_settings(&self, scope: &Scope, problems: &mut Problems) {
        check_neighbours(self.neighbours.as_ref(), scope, problems);
    }

    fn changes_meaning(&self) -> bool {
        true
    }
}

fn synonyms(neighbours: Option<&String>) -> Result<Box<dyn Change>> {
    let table = match neighbours {
        Some(path) => Neighbours::load(Path::new(path))?,
        None => Neighbours::new(demo::neighbours())?,
    };
    Ok(Box::new(table))
}

fn check_neighbours(neighbours: Option<&String>, scope: &Scope, problems: &mut Problems) {
    let missing = neighbours.is_none_or(String::is_empty) && !scope.demo;
    let message = "name the JSON file of synonyms, such as counterfitted_neighbors.json of robinjia/certified-word-sub";
    problems.say(missing, &scope.key("neighbours"), message);
}
