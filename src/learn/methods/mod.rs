//! Methods of training, a file for each part of one: its settings as a recipe gives them, what a step minimizes, and which
//! values make no sense.

use serde::{Deserialize, Serialize};

use crate::{
    kinds::Kind,
    learn::objective::{Mixture, Objective},
    learn::problems::Problems,
};

mod adv;
mod rs_da;
mod rs_rp;
mod standard;

pub use adv::{Adv, Norm, Start};
pub use rs_da::RsDa;
pub use rs_rp::RsRp;
pub use standard::Standard;

/// What a method may consist of.
pub trait Part {
    /// What a step minimizes, and the weight of that; none where only the text changes.
    fn objective(&self) -> Option<(f64, Box<dyn Objective>)>;

    /// Says which of its settings make no sense.
    fn check(&self, scope: &Scope, problems: &mut Problems);
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
        /// What is given is in use: `adv = {}` is adversarial training with the defaults, an empty method plain training.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        pub struct Method {
            /// What it is called in tables and folder names; not given: its parts joined by `+`.
            pub name: String,
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$part>,)*
        }

        impl Method {
            /// All that a method may consist of: name, struct of its settings, and the text of the file that defines it.
            pub const PARTS: &[(&str, &str, &str)] =
                &[$(($name, stringify!($part), include_str!(concat!(stringify!($field), ".rs"))),)*];

            /// The parts that are given, by name, an augmentation first.
            fn given(&self) -> Vec<(&'static str, &dyn Part)> {
                let mut given: Vec<(&'static str, &dyn Part)> = Vec::new();
                $(given.extend(self.$field.as_ref().map(|part| ($name, part as &dyn Part)));)*
                given.sort_by_key(|(_, part)| part.objective().is_some());
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
    /// Randomized smoothing by random perturbation.
    rs_rp: RsRp = "rs-rp",
    /// Randomized smoothing by data augmentation.
    rs_da: RsDa = "rs-da",
}

impl Method {
    /// Its parts by name, the augmentation first.
    pub fn parts(&self) -> Vec<&'static str> {
        self.given().into_iter().map(|(name, _)| name).collect()
    }

    /// What a step minimizes.
    pub fn objective(&self) -> Box<dyn Objective> {
        let mut parts: Vec<_> = self.given().into_iter().filter_map(|(_, part)| part.objective()).collect();
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
        self.rs_da.as_ref().filter(|rs_da| !rs_da.compute_matched).map_or(1, |rs_da| rs_da.copies)
    }

    /// Fills in what follows from the rest.
    pub(crate) fn complete(&mut self) {
        if self.given().iter().all(|(_, part)| part.objective().is_none()) {
            self.standard = Some(Standard::default());
        }
        if self.name.is_empty() {
            let parts = self.parts();
            let only = if parts == ["rs-da", "standard"] { &parts[..1] } else { &parts[..] };
            self.name = only.join("+");
        }
    }

    /// Says which of its settings make no sense; `key` is its own in the recipe.
    pub(crate) fn check(&self, key: &str, demo: bool, kind: Option<&dyn Kind>, problems: &mut Problems) {
        for (name, part) in self.given() {
            let scope = Scope { key: format!("{key}.{name}"), demo, kind };
            problems.positive(&scope.key("weight"), part.objective().map_or(1.0, |(weight, _)| weight));
            part.check(&scope, problems);
        }
    }
}
