//! What is measured of a method: weighted sums of columns.

use serde::Serialize;

use super::{
    Gain, LanguageFacts,
    facts::{Group, groups},
};
use crate::{
    metrics::clusters::share,
    report::{
        crossed::{Estimate, Values, combined, linearized},
        runs::{Cell, Study},
        statistics::{mean, standard_deviation},
    },
    tasks::metrics::Score,
};

/// What kind of thing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Accuracy in one language.
    Language,
    /// A mean over languages, or the transfer gap.
    Mean,
    /// A mean over some languages other than the source.
    Group,
    /// Pairs of languages.
    Pairs,
    /// A group of languages against the others, the source left out.
    Contrast,
}

impl Kind {
    pub(super) const ALL: [Kind; 5] = [Kind::Language, Kind::Mean, Kind::Group, Kind::Pairs, Kind::Contrast];
}

/// One measure of one method.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// The language's code, or what the mean is over.
    pub name: String,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Languages in it.
    pub languages: Vec<String>,
    /// The value of each seed.
    pub by_seed: Vec<f64>,
    /// Their mean.
    pub value: f64,
    /// Their standard deviation; none from one seed.
    pub deviation: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// What it is above the baseline.
    pub gain: Option<Gain>,
}

/// A weighted sum of columns.
pub(super) struct Measure {
    pub name: String,
    pub kind: Kind,
    pub weights: Vec<(usize, f64)>,
}

impl Measure {
    fn mean(name: impl Into<String>, kind: Kind, columns: &[usize]) -> Measure {
        let weight = 1.0 / columns.len() as f64;
        Measure { name: name.into(), kind, weights: columns.iter().map(|column| (*column, weight)).collect() }
    }

    fn less(name: impl Into<String>, kind: Kind, left: &[usize], right: &[usize]) -> Measure {
        let (mut measure, right) = (Measure::mean(name, kind, left), Measure::mean("", kind, right));
        measure.weights.extend(right.weights.into_iter().map(|(column, weight)| (column, -weight)));
        measure
    }

    pub fn of(&self, columns: &[f64]) -> f64 {
        self.weights.iter().map(|(column, weight)| weight * columns[*column]).sum()
    }

    /// Whether it is a mean, which lies between 0 and 1, and no difference.
    fn is_share(&self) -> bool {
        self.weights.iter().all(|(_, weight)| *weight >= 0.0)
    }

    /// How large a difference of two of it can be.
    pub fn most(&self) -> f64 {
        if self.is_share() { 1.0 } else { 2.0 }
    }

    /// What each item adds to it, by seed, for these models.
    fn layout(&self, study: &Study, cells: &[usize]) -> Values {
        let answered = |item: &usize| self.weights.iter().any(|(column, _)| study.examples[*column][*item] > 0);
        let included: Vec<usize> = (0..study.rows.len()).filter(answered).collect();
        let row = |cell: &usize| {
            let marks = &study.cells[*cell].marks;
            let columns: Vec<_> = self.weights.iter().map(|(column, weight)| (*weight, &marks[*column])).collect();
            linearized(&columns, &included)
        };
        cells.iter().map(row).collect()
    }

    /// A weighted sum of it over methods, as layouts that share no seeds: methods with the same seeds are paired.
    pub fn layouts(&self, study: &Study, methods: &[(f64, &[usize])]) -> Vec<Values> {
        let mut apart: Vec<(&[usize], Weighted)> = Vec::new();
        for (weight, cells) in methods {
            let own = (*weight, self.layout(study, cells));
            match apart.iter_mut().find(|(others, _)| others == cells || is_paired(study, others, cells)) {
                Some((_, weighted)) => weighted.push(own),
                None => apart.push((cells, vec![own])),
            }
        }
        apart.iter().map(|(_, weighted)| combined(weighted)).collect()
    }
}

/// Layouts of methods with the same seeds, each with its weight.
type Weighted = Vec<(f64, Values)>;

/// Whether the seeds of two methods are the same: of predictions made elsewhere nobody knows.
pub(super) fn is_paired(study: &Study, a: &[usize], b: &[usize]) -> bool {
    let seeds = |cells: &[usize]| -> Vec<u64> { cells.iter().map(|cell| study.cells[*cell].seed).collect() };
    let known = |cells: &[usize]| cells.iter().all(|cell| study.cells[*cell].has_run());
    known(a) && known(b) && seeds(a) == seeds(b)
}

/// The name of what the source has above the mean of the others.
pub const TRANSFER_GAP: &str = "transfer gap";

/// The name of the mean over all languages but the source.
fn mean_without(source: &str) -> String {
    format!("mean without {source}")
}

/// All that is measured: languages, means, groups of languages, and pairs of languages.
pub(super) fn measures(study: &Study, facts: &[LanguageFacts]) -> Vec<Measure> {
    let source = study.task.source;
    let all: Vec<usize> = (0..facts.len()).collect();
    let (own, others): (Vec<usize>, Vec<usize>) = all.iter().partition(|i| facts[**i].code == source);
    let mut measures: Vec<Measure> =
        all.iter().map(|i| Measure::mean(&facts[*i].code, Kind::Language, &[*i])).collect();
    measures.push(Measure::mean("mean", Kind::Mean, &all));
    if !own.is_empty() && !others.is_empty() {
        measures.push(Measure::mean(mean_without(source), Kind::Mean, &others));
        measures.push(Measure::less(TRANSFER_GAP, Kind::Mean, &own, &others));
    }
    for Group { name, members, others } in groups(facts, &others) {
        if !others.is_empty() {
            let name = format!("{name} − the others");
            measures.push(Measure::less(name, Kind::Contrast, &members, &others));
        }
        measures.push(Measure::mean(name, Kind::Group, &members));
    }
    measures.sort_by_key(|measure| measure.kind == Kind::Contrast); // after the groups themselves
    if study.has_pairs {
        let pairs = facts.len();
        measures.push(Measure::mean("two languages", Kind::Pairs, &[pairs]));
        measures.push(Measure::less("two languages − one language", Kind::Pairs, &[pairs], &all));
    }
    measures
}

/// The measure by which methods are judged as a whole: the mean without the source, or over all languages where the source
/// was not measured.
pub(super) fn headline(measures: &[Measure]) -> &Measure {
    let means = || measures.iter().filter(|measure| measure.kind == Kind::Mean);
    means().nth(1).or_else(|| means().next()).expect("there is a mean over all languages")
}

/// What the metric comes to for a model, by column.
pub(super) fn values(cell: &Cell) -> Vec<f64> {
    let sum = |numbers: &[f32]| numbers.iter().map(|x| f64::from(*x)).sum::<f64>();
    cell.marks.iter().map(|column| share(sum(&column.parts), sum(&column.wholes))).collect()
}

pub(super) fn measured(study: &Study, measure: &Measure, cells: &[usize], gain: Option<Gain>) -> Measured {
    let by_seed: Vec<f64> = cells.iter().map(|cell| measure.of(&values(&study.cells[*cell]))).collect();
    let estimate = Estimate::of(&[measure.layout(study, cells)]);
    let [mut low, mut high] = match measure.is_share() {
        true => estimate.interval_of_share(),
        false => estimate.interval_of_difference(1.0),
    };
    if let (Kind::Language, [cell]) = (measure.kind, cells) {
        // One language of one seed: the interval that the run itself prints, which is Wilson's of a plain share.
        let column = measure.weights[0].0;
        let marks = study.cells[*cell].marks[column].pairs().into_iter().zip(&study.examples[column]);
        let marks = marks.filter(|(_, n)| **n > 0).map(|(mark, _)| (None, mark)).collect();
        let score = Score::of_marks("", study.metric, marks);
        (low, high) = score.map_or((low, high), |score| (score.low, score.high));
    }
    let names = measure.weights.iter().filter_map(|(column, _)| study.languages.get(*column).cloned());
    Measured {
        name: measure.name.clone(),
        kind: measure.kind,
        languages: names.collect(),
        value: mean(&by_seed),
        deviation: standard_deviation(&by_seed),
        by_seed,
        low,
        high,
        gain,
    }
}
