//! What models of sentence pairs answer from second sentences alone.

use serde::Serialize;
use serde_json::Value;

use super::statistics;

/// Shares that are right of the same items.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shortcut {
    /// The language.
    pub language: String,
    /// How many items.
    pub n: u64,
    /// As the items are.
    pub own: f64,
    /// Where the 95 % interval of that begins.
    pub own_low: f64,
    /// With first sentences of other items.
    pub foreign: f64,
    /// By the most frequent label throughout.
    pub most_frequent: f64,
}

impl Shortcut {
    /// As `metrics.json` has it; runs of earlier versions do not.
    pub fn read(found: &Value) -> Option<Shortcut> {
        let number = |of: &str, key: &str| found[of][key].as_f64();
        Some(Shortcut {
            language: found["language"].as_str()?.to_owned(),
            n: found["n"].as_u64()?,
            own: number("own", "value")?,
            own_low: number("own", "low")?,
            foreign: number("foreign", "value")?,
            most_frequent: found["most_frequent_label"].as_f64()?,
        })
    }

    /// Whether more is right where first sentences are the items' own, beyond the interval of that.
    pub fn reads_pairs(&self) -> bool {
        self.foreign < self.own_low
    }
}

/// The mean over seeds.
pub fn mean<'a>(seeds: impl Iterator<Item = Option<&'a Shortcut>>) -> Option<Shortcut> {
    let seeds = seeds.collect::<Option<Vec<&Shortcut>>>()?;
    let of = |value: fn(&Shortcut) -> f64| statistics::mean(&seeds.iter().map(|one| value(one)).collect::<Vec<_>>());
    let first = seeds.first()?;
    Some(Shortcut {
        language: first.language.clone(),
        n: first.n,
        own: of(|one| one.own),
        own_low: of(|one| one.own_low),
        foreign: of(|one| one.foreign),
        most_frequent: of(|one| one.most_frequent),
    })
}
