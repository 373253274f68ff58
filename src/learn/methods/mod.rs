//! Methods of training, a file for each part of one: its settings as a recipe gives them, what a step minimizes, and
//! which values make no sense.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    kinds::Kind,
    learn::{
        augment::{self, Change},
        objective::{Mixture, Objective},
        problems::Problems,
    },
    tasks::Example,
};

mod adv;
mod ball;
mod code_switch;
mod consistency;
mod freelb;
mod length;
mod rs_da;
mod rs_rp;
mod stage;
mod standard;
mod typos;

pub use adv::{Adv, Start};
pub use ball::Norm;
pub use code_switch::{CodeSwitch, Dictionary, Switch};
pub use consistency::{Consistency, Targets, With};
pub use freelb::FreeLb;
pub use length::{Length, WordNorms};
pub use rs_da::{RsDa, Synonyms};
pub use rs_rp::RsRp;
pub use stage::StageSettings;
pub use standard::Standard;
pub use typos::{Slips, Typos};

/// A setting that is a length: its key, what is given, and the norm in which it is measured.
pub type Measure = (&'static str, Length, Norm);

/// What a method may consist of.
pub trait Part {
    /// What a step minimizes, and the weight of that; none where only the text changes. Lengths relative to words are
    /// those of `words` then.
    fn objective(&self, _words: &WordNorms) -> Option<(f64, Box<dyn Objective>)> {
        None
    }

    /// Says which of its settings make no sense; those of an augmentation are asked of it.
    fn check(&self, scope: &Scope, problems: &mut Problems) {
        if let Some(part) = self.rewording() {
            check_rewording(part, scope, problems);
        }
    }

    /// Its lengths, which may be relative to words.
    fn lengths(&self) -> Vec<Measure> {
        Vec::new()
    }

    /// How many updates of a stage are plain training before it begins.
    fn begin(&self) -> u64 {
        0
    }

    /// How often an update passes each example through the encoder, forward and back: the compute of plain training is 1.
    fn passes(&self) -> u64 {
        1
    }

    /// How training examples are put into other words.
    fn rewording(&self) -> Option<&dyn Rewording> {
        None
    }

    /// How an example is put into other words that are read beside it.
    fn other_words(&self) -> Option<(&'static str, &dyn Rewording)> {
        None
    }
}

/// How texts are put into other words.
pub trait Rewording {
    /// What becomes of words.
    fn change(&self) -> Result<Box<dyn Change>>;

    /// Says which of its settings make no sense.
    fn check_settings(&self, scope: &Scope, problems: &mut Problems);

    /// The files that it reads, by the key that names them.
    fn files(&self) -> Vec<(&'static str, &String)> {
        Vec::new()
    }

    /// Whether a word may become one of another kind, so that a tag would be wrong.
    fn changes_meaning(&self) -> bool {
        false
    }

    /// Copies per example, which replace it.
    fn copies(&self) -> usize {
        1
    }

    /// Whether as many updates are made as without, of examples that are changed afresh in each epoch.
    fn is_compute_matched(&self) -> bool {
        true
    }
}

/// Says which settings of an augmentation make no sense.
fn check_rewording(part: &dyn Rewording, scope: &Scope, problems: &mut Problems) {
    problems.unless(part.copies() > 0, &scope.key("copies"), "1 or more", &part.copies());
    part.check_settings(scope, problems);
    check_kind(part, scope, problems);
}

/// Refuses other words where they would move what is right.
fn check_kind(part: &dyn Rewording, scope: &Scope, problems: &mut Problems) {
    let of = |kind: &dyn Kind| if part.changes_meaning() { kind.fixed() } else { kind.placed() };
    if let Some(reason) = scope.kind.and_then(of) {
        problems.say(true, &scope.key, format!("not for this task: {reason}"));
    }
}

/// Refuses examples that a change would leave as they are, which would be plain training; `method` is what wants it.
pub fn refuse_without_effect(part: &dyn Rewording, method: &str, examples: &[Example]) -> Result<()> {
    let files: Vec<&str> = part.files().into_iter().map(|(_, path)| path.as_str()).collect();
    let name = if files.is_empty() { "the words of the training data".to_owned() } else { files.join(", ") };
    augment::refuse_without_effect(examples, &*part.change()?, &name, method)
}

/// Where a part of a method stands.
pub struct Scope<'a> {
    /// Its key in the recipe, such as `methods.0.adv`.
    pub key: String,
    /// Whether the data are generated.
    pub demo: bool,
    /// The kind of the task that is learned, where that is known.
    pub kind: Option<&'a dyn Kind>,
}

impl Scope<'_> {
    /// The key of a setting.
    pub fn key(&self, setting: &str) -> String {
        format!("{}.{setting}", self.key)
    }
}

/// Makes [`Method`] of its parts: their names in recipes and tables, and their settings.
macro_rules! method_of {
    ($($(#[$doc:meta])* $field:ident: $part:ident = $name:literal,)*) => {
        /// A method: at most one augmentation of the text, and one or more objectives, summed by their weights.
        ///
        /// What is given is in use: `adv = {}` is adversarial training with the defaults, an empty method plain
        /// training.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        pub struct Method {
            /// What it is called in tables and folder names; not given: its parts joined by `+`.
            pub name: String,
            /// Settings of the last stage that are its own.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub stage: Option<StageSettings>,
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$part>,)*
        }

        impl Method {
            /// The text of the file that defines [`StageSettings`].
            pub const STAGE_SETTINGS: &str = include_str!("stage.rs");

            /// All that a method may consist of: name, struct of its settings, and the text of the file that defines
            /// it.
            pub const PARTS: &[(&str, &str, &str)] =
                &[$(($name, stringify!($part), include_str!(concat!(stringify!($field), ".rs"))),)*];

            /// The parts that are given, by name, an augmentation first.
            fn given(&self) -> Vec<(&'static str, &dyn Part)> {
                let mut given: Vec<(&'static str, &dyn Part)> = Vec::new();
                $(given.extend(self.$field.as_ref().map(|part| ($name, part as &dyn Part)));)*
                given.sort_by_key(|(_, part)| part.rewording().is_none());
                given
            }
        }
    };
}

method_of! {
    /// The loss as it is.
    standard: Standard = "standard",
    /// Adversarial training.
    adv: Adv = "adv",
    /// Adversarial training of which every step of ascent counts.
    freelb: FreeLb = "freelb",
    /// Predictions that stay as they are when a text is perturbed.
    consistency: Consistency = "consistency",
    /// Randomized smoothing by random perturbation.
    rs_rp: RsRp = "rs-rp",
    /// Randomized smoothing by data augmentation.
    rs_da: RsDa = "rs-da",
    /// Data augmentation by dictionaries.
    code_switch: CodeSwitch = "code-switch",
    /// Data augmentation by slips of typing.
    typos: Typos = "typos",
}

impl Method {
    /// Its parts by name, the augmentation first.
    pub fn parts(&self) -> Vec<&'static str> {
        self.given().into_iter().map(|(name, _)| name).collect()
    }

    /// What a step minimizes, where words have these norms.
    pub fn objective(&self, words: &WordNorms) -> Box<dyn Objective> {
        let mut parts: Vec<_> = self.given().into_iter().filter_map(|(_, part)| part.objective(words)).collect();
        match parts.len() {
            0 => Box::new(Standard::default()),
            1 => parts.remove(0).1,
            _ => {
                let sum: f64 = parts.iter().map(|(weight, _)| weight).sum();
                Box::new(Mixture(parts.into_iter().map(|(weight, part)| ((weight / sum) as f32, part)).collect()))
            }
        }
    }

    /// How many training examples it makes of each: an augmentation may put copies in its place.
    pub fn copies(&self) -> usize {
        let more = self.augmentation().filter(|(_, part)| !part.is_compute_matched());
        more.map_or(1, |(_, part)| part.copies())
    }

    /// How it puts training examples into other words, by name.
    pub fn augmentation(&self) -> Option<(String, &dyn Rewording)> {
        self.given().into_iter().find_map(|(name, part)| Some((name.to_owned(), part.rewording()?)))
    }

    /// How it puts examples into other words that are read beside them, by name such as `consistency.typos`.
    pub fn other_words(&self) -> Option<(String, &dyn Rewording)> {
        self.given().into_iter().find_map(|(name, part)| {
            let (way, rewording) = part.other_words()?;
            Some((format!("{name}.{way}"), rewording))
        })
    }

    /// All ways to other words, by name.
    pub fn rewordings(&self) -> Vec<(String, &dyn Rewording)> {
        self.augmentation().into_iter().chain(self.other_words()).collect()
    }

    /// The files of words that it reads, by their keys such as `rs-da.neighbours`; those of a list have one key.
    pub fn tables(&self) -> Vec<(String, &'static str, String)> {
        let of = |(name, part): (String, &'_ dyn Rewording)| {
            let files = part.files().into_iter();
            files.map(|(key, path)| (format!("{name}.{key}"), key, path.clone())).collect::<Vec<_>>()
        };
        self.rewordings().into_iter().flat_map(of).collect()
    }

    /// The lengths of its parts that are relative to words: the key, what is given, and the norm.
    pub fn relative_lengths(&self) -> Vec<(String, Length, Norm)> {
        let of = |(name, part): (&str, &dyn Part)| {
            let relative = part.lengths().into_iter().filter(|(_, length, _)| length.is_relative());
            relative.map(|(key, length, norm)| (format!("{name}.{key}"), length, norm)).collect::<Vec<_>>()
        };
        self.given().into_iter().flat_map(of).collect()
    }

    /// How often an update passes each example through the encoder, forward and back, from when all of it has begun.
    pub fn passes(&self) -> u64 {
        let parts = self.given().into_iter().filter(|(_, part)| part.objective(&WordNorms::UNIT).is_some());
        parts.map(|(_, part)| part.passes()).sum::<u64>().max(1)
    }

    /// The part that begins last, and how many updates of a stage are made before.
    pub fn begins(&self) -> (&'static str, u64) {
        let begins = self.given().into_iter().map(|(name, part)| (name, part.begin()));
        begins.max_by_key(|(_, begin)| *begin).unwrap_or_default()
    }

    /// Refuses a part that would begin when all updates of a stage are made: it would be plain training.
    pub fn check_begin(&self, stage: &str, updates: u64) -> Result<()> {
        let (name, begin) = self.begins();
        if begin == 0 || begin < updates {
            return Ok(());
        }
        Err(Error::Config(format!(
            "{stage}: {name}.begin is {begin}, and the stage makes {updates} updates: it would be plain training; set begin \
             lower"
        )))
    }

    /// The method with all that follows from the rest filled in.
    pub fn completed(mut self) -> Method {
        self.complete();
        self
    }

    /// Fills in what follows from the rest.
    pub(crate) fn complete(&mut self) {
        if let Some(consistency) = &mut self.consistency {
            consistency.complete();
        }
        if self.given().iter().all(|(_, part)| part.objective(&WordNorms::UNIT).is_none()) {
            self.standard = Some(Standard::default());
        }
        if self.name.is_empty() {
            let parts = self.parts();
            let augments = parts.len() == 2 && self.augmentation().is_some() && parts[1] == "standard";
            let only = if augments { &parts[..1] } else { &parts[..] };
            self.name = only.join("+");
        }
    }

    /// Says which of its settings make no sense; `key` is its own in the recipe.
    pub(crate) fn check(&self, key: &str, demo: bool, kind: Option<&dyn Kind>, problems: &mut Problems) {
        let augmentations: Vec<&str> =
            self.given().into_iter().filter(|(_, part)| part.rewording().is_some()).map(|(name, _)| name).collect();
        let message = format!("one augmentation at a time, found {}", augmentations.join(" and "));
        problems.say(augmentations.len() > 1, key, message);
        for (name, part) in self.given() {
            let scope = Scope { key: format!("{key}.{name}"), demo, kind };
            problems.positive(&scope.key("weight"), part.objective(&WordNorms::UNIT).map_or(1.0, |(weight, _)| weight));
            part.check(&scope, problems);
            length::check_alike(&part.lengths(), &scope, problems);
        }
    }
}
