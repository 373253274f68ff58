//! Differences of methods, and the tests of them.

use serde::Serialize;

use super::{Claims, Options};
use crate::report::{
    crossed::Estimate,
    runs::Study,
    statistics::{LEVEL, holm},
};

/// A difference from the baseline, or another contrast of methods.
#[derive(Debug, Clone, Serialize)]
pub struct Gain {
    /// The difference.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// The standard error.
    pub error: f64,
    /// Satterthwaite's degrees of freedom of it.
    pub freedom: f64,
    /// The p-value; none of methods with a single seed.
    pub p: Option<f64>,
    /// The p-value after Holm's correction in its family.
    pub p_holm: Option<f64>,
    /// The p-value, after correction, that the difference reaches the margin either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_equivalent: Option<f64>,
    /// Which test it is of.
    pub test: &'static str,
    /// Items that only this method has right, and only the baseline: where McNemar's test applies.
    pub discordant: Option<[u64; 2]>,
}

impl Gain {
    /// Whether it is one after correction, at 5 %.
    pub fn is_significant(&self) -> bool {
        self.p_holm.is_some_and(|p| p < LEVEL)
    }

    /// Whether something of methods can be asked of it, or of models where these are what is compared; not with one seed.
    pub fn is_of_methods(&self) -> bool {
        self.test != ONE_SEED
    }

    /// Of an estimate, which lies between −`most` and `most`; tested where it says something of methods, or where nothing is
    /// claimed but of models, and where anything varies.
    pub(super) fn of(estimate: &Estimate, most: f64, options: &Options) -> Gain {
        let [low, high] = estimate.interval_of_difference(most);
        let test = match (estimate.has_seeds, options.claims) {
            _ if !(estimate.value.is_finite() && estimate.varies()) => NOT_VARYING,
            (true, _) => "items × seeds",
            (false, Claims::OfModels) => "items",
            (false, Claims::OfMethods) => ONE_SEED,
        };
        let is_tested = ![NOT_VARYING, ONE_SEED].contains(&test);
        let p = is_tested.then(|| estimate.p());
        let p_equivalent = options.margin.filter(|_| is_tested).map(|margin| estimate.p_of_equivalence(margin));
        Gain {
            value: estimate.value,
            low,
            high,
            error: estimate.error(),
            freedom: estimate.freedom(),
            p,
            p_holm: p,
            p_equivalent,
            test,
            discordant: None,
        }
    }
}

/// Why nothing is tested: what is the same in all items and seeds says nothing of how sure it is.
const NOT_VARYING: &str = "none: nothing varies";
/// Or: another seed may give another result.
const ONE_SEED: &str = "none: one seed";

/// Items that only the one model has right, and only the other.
///
/// None where an item has several answers in the language, which are not independent.
pub(super) fn discordant(study: &Study, column: usize, own: usize, base: usize) -> Option<[u64; 2]> {
    if study.examples[column].iter().any(|answers| *answers > 1) {
        return None;
    }
    let (own, base) = (study.cells[own].right.get(column)?, study.cells[base].right.get(column)?);
    let only = |yes: &[bool], no: &[bool]| yes.iter().zip(no).filter(|(yes, no)| **yes && !**no).count() as u64;
    (!own.is_empty() && !base.is_empty()).then(|| [only(own, base), only(base, own)])
}

/// Holm's correction of gains that are shown together, and of their tests of equivalence.
pub(super) fn correct<'a>(family: impl Iterator<Item = &'a mut Gain>) -> usize {
    let mut gains: Vec<&mut Gain> = family.collect();
    let all = |of: fn(&Gain) -> Option<f64>, gains: &[&mut Gain]| -> Vec<f64> {
        holm(&gains.iter().map(|gain| of(gain).unwrap_or(f64::NAN)).collect::<Vec<_>>())
    };
    let (differ, equal) = (all(|gain| gain.p, &gains), all(|gain| gain.p_equivalent, &gains));
    for (gain, (differs, equals)) in gains.iter_mut().zip(differ.into_iter().zip(equal)) {
        gain.p_holm = gain.p.map(|_| differs);
        gain.p_equivalent = gain.p_equivalent.map(|_| equals);
    }
    gains.iter().filter(|gain| gain.p.is_some()).count()
}
