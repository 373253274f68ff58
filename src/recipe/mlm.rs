//! The settings of masked language modelling: a stage's texts, and what is learned of them.

use std::{fmt::Display, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, did_you_mean},
    hub::{self, What},
    learn::problems::Problems,
    tasks,
};

/// Where a stage reads text: `[stages.mlm]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mlm {
    /// Text files, or folders of files such as `de.txt`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// Files of sentence pairs such as `news.de-en.tsv`, parted by a tab, or folders of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<String>,
    /// The share of sequences that are pairs, where there are both.
    pub pair_share: f64,
    /// The share of pairs of which each side is a sequence of its own, to be told from all others in the batch by its
    /// translation; the rest are one sequence, in which words are guessed from their translation.
    pub ranked_share: f64,
    /// Whether the words of the second side of such a sequence have the positions that they would have alone (Conneau &
    /// Lample, 2019), rather than going on from the first side's.
    pub restart_positions: bool,
    /// Whether consecutive sentences of a language share a sequence, up to `max_length`.
    pub pack: bool,
    /// Tasks of the data folder whose dev and test sentences are taken out of the texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<String>,
    /// The languages of the text to use; none named: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// How many of the encoder's layers take part, from the first on: 0 trains the embeddings alone, which is a quick
    /// start. Not given: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Share of the tokens to be predicted.
    pub mask_probability: f64,
    /// A language with a share p of the text is drawn in proportion to p to the power of this.
    pub alpha: f64,
    /// A model whose sentence vectors are learned, instead of masked words and translations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Teacher>,
}

/// A model whose sentence vectors a stage learns, of texts and of translations (Reimers & Gurevych, 2020):
/// `[stages.mlm.teacher]`. They are the means of its last hidden states, as many principal components as the student has
/// units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Teacher {
    /// A folder as Hugging Face lays it out, or a name on the hub.
    pub path: String,
    /// What is put before each text that it reads, such as `query: ` for E5.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The side of a pair that it reads, by language; both sides learn that vector. The first of a pair without it.
    pub language: String,
}

impl Default for Teacher {
    fn default() -> Teacher {
        Teacher { path: String::new(), prefix: String::new(), language: "en".into() }
    }
}

impl Teacher {
    /// The folder of the model; of a name, that of the cache.
    pub fn folder(&self) -> Result<PathBuf> {
        hub::folder(&self.path, What::Model)
    }
}

impl Default for Mlm {
    fn default() -> Mlm {
        Mlm {
            text: Vec::new(),
            pairs: Vec::new(),
            pair_share: 0.5,
            ranked_share: 0.0,
            restart_positions: false,
            pack: false,
            leave_out: Vec::new(),
            languages: Vec::new(),
            layers: None,
            mask_probability: 0.15,
            alpha: 0.3,
            teacher: None,
        }
    }
}

impl Mlm {
    /// The files and folders that are named, with their keys and the ending of those in a folder.
    pub fn paths(&self) -> [(&'static str, &[String], &'static str); 2] {
        [("text", &self.text, "txt"), ("pairs", &self.pairs, "tsv")]
    }

    /// Whether the same texts are read.
    pub fn has_texts_of(&self, other: &Mlm) -> bool {
        let all = |mlm: &Mlm| (mlm.text.clone(), mlm.pairs.clone(), mlm.leave_out.clone(), mlm.languages.clone());
        all(self) == all(other) && self.teacher == other.teacher
    }

    /// Says what makes no sense; `key` makes a setting's whole key of its name.
    pub(super) fn check(&self, key: &impl Fn(&str) -> String, demo: bool, problems: &mut Problems) {
        let none = self.text.is_empty() && self.pairs.is_empty() && !demo;
        problems.say(none, &key("text"), "mlm needs text: name files or folders");
        let mask = self.mask_probability;
        problems.unless(mask > 0.0 && mask < 1.0, &key("mask_probability"), "above 0 and below 1", &mask);
        let shares = [("alpha", self.alpha), ("pair_share", self.pair_share), ("ranked_share", self.ranked_share)];
        for (name, share) in shares {
            let share: (f64, &dyn Display) = (share, &share);
            problems.unless((0.0..=1.0).contains(&share.0), &key(name), "a number from 0 to 1", share.1);
        }
        if let Some(teacher) = &self.teacher {
            problems.say(teacher.path.is_empty(), &key("teacher.path"), "expected a model's folder or name");
            let message = "nothing is masked or ranked with a teacher, and a vector is of one text: leave it out";
            for (name, given) in [
                ("pack", self.pack),
                ("ranked_share", self.ranked_share > 0.0),
                ("restart_positions", self.restart_positions),
            ] {
                problems.say(given, &key(name), message);
            }
        }
        for name in &self.leave_out {
            let known = || tasks::all().into_iter().map(|task| task.name);
            let message = || format!("no task \"{name}\"; {}", did_you_mean(name, known()));
            problems.say(tasks::find(name).is_err(), &key("leave_out"), message());
        }
    }
}
