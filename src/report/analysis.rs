//! What a study comes to: accuracies and gains with intervals, tests, breakdowns, and gain against distance.
//!
//! Everything measured is a weighted sum of columns (languages, and pairs of languages): an accuracy in one language, a
//! mean over some, or a difference of means. A gain, and any other contrast of methods, is a weighted sum of that over
//! methods. Each is estimated and tested in the same way, as a mean from items crossed with seeds (`crossed`).

use super::{
    changes::{Changes, changes},
    crossed::{Estimate, Spread, Values, combined, linearized},
    languages::{self, Language},
    runs::{Cell, CellScore, DataFile, Study},
    shortcuts::{self, Shortcut},
    statistics::{
        LEVEL, Permutation, band, holm, interval_of_spearman, line, mcnemar, mean, permutation, permutation_of_pairs,
        standard_deviation,
    },
};
use crate::{
    error::{Error, Result, did_you_mean},
    metrics::{
        clusters::{FEW, share},
        correlation::spearman_of_sums,
    },
    tasks::metrics::Score,
};
use rayon::prelude::*;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// The method to compare with where nobody says.
const STANDARD: &str = "standard";

/// One in so many languages, those with the least text, is called low-resource.
const LOW_RESOURCE: usize = 3;

/// How to analyze.
#[derive(Debug, Clone)]
pub struct Options {
    /// The method that gains are measured against; not given: `standard`, or the first.
    pub baseline: Option<String>,
    /// Of this permutations are drawn where they are too many.
    pub seed: u64,
    /// Distances from the source language, and what they are; not given: the genealogical ones.
    pub distances: Option<(String, BTreeMap<String, f64>)>,
    /// How much text of each language the encoder was trained on, in any unit.
    pub text: Option<BTreeMap<String, f64>>,
    /// Rows of test items to look at apart, such as those that `rxlt flips` finds.
    pub subset: Option<BTreeSet<usize>>,
    /// The most items that are listed, gained and lost in each language; not given: none are looked for.
    pub items: Option<usize>,
    /// Where the data lie now, if not where the runs had them.
    pub data: Option<PathBuf>,
    /// What single runs stand for.
    pub claims: Claims,
    /// A difference too small to matter, as a share: methods are tested to differ by less.
    pub margin: Option<f64>,
    /// Contrasts of methods, two or four names each: A − B, or (A − B) − (C − D).
    pub contrasts: Vec<Vec<String>>,
}

/// What is claimed where each side is a single model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// On methods: nothing, since another seed may give another result.
    OfMethods,
    /// On these very models: they are tested over items.
    OfModels,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            baseline: None,
            seed: 7,
            distances: None,
            text: None,
            subset: None,
            items: None,
            data: None,
            claims: Claims::OfMethods,
            margin: None,
            contrasts: Vec::new(),
        }
    }
}

/// A study, analyzed: all that tables, plots and files show.
#[derive(Debug, Clone, Serialize)]
pub struct Analysis {
    /// The task.
    pub task: &'static str,
    /// What was measured.
    pub metric: &'static str,
    /// The language of training.
    pub source: &'static str,
    /// The measure by which methods are judged as a whole.
    #[serde(skip)]
    pub headline: String,
    /// The method that gains are measured against; none where there is one method.
    pub baseline: Option<String>,
    /// What the figures hold for.
    pub scope: Scope,
    /// The difference below which methods are called equivalent, as a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Contrasts of methods that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contrasts: Vec<Contrast>,
    /// How many gains each correction is over.
    pub families: Vec<(Kind, usize)>,
    /// What distances are.
    pub distance: String,
    /// The languages, the source first.
    pub languages: Vec<LanguageFacts>,
    /// The methods in the order of the runs.
    pub methods: Vec<MethodAnalysis>,
    /// The same on the rows looked at apart: languages, means and gains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<Box<Analysis>>,
    /// What each method gained and lost, item by item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changes>,
    /// The most items of these that tables show.
    #[serde(skip)]
    pub listed: usize,
    /// How many test items there are.
    pub items: usize,
    /// How many clusters these are in, where they are not independent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<usize>,
    /// Every model that was read.
    pub runs: Vec<RunFacts>,
    /// The files of the data.
    pub data: Vec<DataFile>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// What the figures of an analysis hold for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Every method has several seeds.
    Methods,
    /// Some methods have a single seed: what is said of these holds for a model.
    SomeModels,
    /// Every method is one model.
    Models,
}

/// A contrast of methods: A − B, or (A − B) − (C − D), in each mean.
#[derive(Debug, Clone, Serialize)]
pub struct Contrast {
    /// What is compared with what.
    pub name: String,
    /// The mean that it is of.
    pub measure: String,
    /// How large it is.
    pub gain: Gain,
}

/// How something varies, for the mean that methods are judged by.
#[derive(Debug, Clone, Serialize)]
pub struct Variation {
    /// Standard deviations of marks.
    #[serde(flatten)]
    pub spread: Spread,
    /// How many seeds give an interval of a point either way on these items; none where no number of seeds does.
    pub seeds_for_a_point: Option<usize>,
}

/// A language and what is known of it.
#[derive(Debug, Clone, Serialize)]
pub struct LanguageFacts {
    /// Its code in the data.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Test examples.
    pub examples: usize,
    /// Its script.
    pub script: Option<&'static str>,
    /// Its family.
    pub family: Option<&'static str>,
    /// Its branch of that, as far down as is told apart; the language itself where nothing is known of it.
    pub branch: String,
    /// Distance from the source.
    pub distance: Option<f64>,
    /// Share of the text that the encoder was trained on.
    pub text_share: Option<f64>,
}

/// One model.
#[derive(Debug, Clone, Serialize)]
pub struct RunFacts {
    /// What it is called here.
    pub label: String,
    /// The recipe's name.
    pub recipe: String,
    /// The seed.
    pub seed: u64,
    /// By which rule it was selected.
    pub selection: String,
    /// The device that it was trained on.
    pub device: String,
    /// The version of rxlt, with the commit where it is known.
    pub rxlt: String,
    /// The start of the SHA-256 of all settings but the seed.
    pub config: String,
    /// Its folder.
    pub folder: String,
    /// Every metric in every language.
    pub scores: Vec<CellScore>,
    /// Whether a run of rxlt is behind it; else it is known by predictions alone.
    pub has_run: bool,
}

/// How one method did.
#[derive(Debug, Clone, Serialize)]
pub struct MethodAnalysis {
    /// What it is called.
    pub name: String,
    /// Its seeds.
    pub seeds: Vec<u64>,
    /// Everything measured.
    pub measures: Vec<Measured>,
    /// Whether the seeds' means differ from the baseline's; none with a single seed.
    pub permutation: Option<Permutation>,
    /// Whether each seed is compared with the baseline's of the same number; else seeds are of each side alone.
    pub is_paired: bool,
    /// What varies in its mean; none with a single seed.
    pub variation: Option<Variation>,
    /// What varies in its gain; none with a single seed, or where seeds are not paired.
    pub gain_variation: Option<Variation>,
    /// How gains go with distance from the source.
    pub correlation: Option<Correlation>,
    /// How its seeds answer from second sentences alone, on average; none where not all were asked.
    pub shortcut: Option<Shortcut>,
    /// Mean accuracy by first and second language, in the generalized setting.
    pub grid: Option<Vec<Vec<Option<f64>>>>,
    /// Update and loss in the last stage, the mean over seeds.
    pub curve: Vec<[f64; 2]>,
    /// Of the last updates as the runs have it, the mean over seeds; none where not all have it.
    pub final_loss: Option<f64>,
}

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
    const ALL: [Kind; 5] = [Kind::Language, Kind::Mean, Kind::Group, Kind::Pairs, Kind::Contrast];
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
    fn of(estimate: &Estimate, most: f64, options: &Options) -> Gain {
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

/// Spearman's correlation of gain and distance.
#[derive(Debug, Clone, Serialize)]
pub struct Correlation {
    /// The coefficient.
    pub rho: f64,
    /// Lower end of its 95 % interval, over languages; NaN of fewer than four.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// Whether the languages' gains in any other order go with distance as much, if languages are independent.
    pub permutation: Option<Permutation>,
    /// The same of means over branches, for relatives move together.
    pub of_branches: Option<Permutation>,
    /// How many branches.
    pub branches: usize,
    /// The p-value of branches after Holm's correction over the methods.
    pub p_holm: Option<f64>,
    /// How many languages.
    pub languages: usize,
    /// Intercept and slope of the line of least squares.
    pub line: [f64; 2],
    /// Distance, and the 95 % interval of the line there.
    pub band: Vec<[f64; 3]>,
}

/// A weighted sum of columns.
struct Measure {
    name: String,
    kind: Kind,
    weights: Vec<(usize, f64)>,
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

    fn of(&self, columns: &[f64]) -> f64 {
        self.weights.iter().map(|(column, weight)| weight * columns[*column]).sum()
    }

    /// Whether it is a mean, which lies between 0 and 1, and no difference.
    fn is_share(&self) -> bool {
        self.weights.iter().all(|(_, weight)| *weight >= 0.0)
    }

    /// How large a difference of two of it can be.
    fn most(&self) -> f64 {
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
    fn layouts(&self, study: &Study, methods: &[(f64, &[usize])]) -> Vec<Values> {
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
fn is_paired(study: &Study, a: &[usize], b: &[usize]) -> bool {
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

/// Analyzes a study.
pub fn analyze(study: &Study, options: &Options) -> Result<Analysis> {
    let (whole, study) = (study, &*study.by_cluster());
    let methods = study.methods();
    let baseline = baseline(&methods, options)?;
    let facts = facts(study, options);
    let measures = measures(study, &facts);
    let desk = Desk { study, options, facts: &facts, measures: &measures };
    let against = |m: usize| baseline.filter(|baseline| *baseline != m).map(|baseline| &methods[baseline].1[..]);
    let mut analyzed: Vec<MethodAnalysis> =
        methods.iter().enumerate().map(|(m, (name, cells))| desk.method(name, cells, against(m))).collect();
    let families = correct_families(&mut analyzed);
    correct_correlations(&mut analyzed);
    Ok(Analysis {
        task: study.task.name,
        metric: study.metric,
        source: study.task.source,
        headline: headline(&measures).name.clone(),
        baseline: baseline.map(|baseline| methods[baseline].0.clone()),
        scope: scope(&methods),
        margin: options.margin,
        contrasts: desk.contrasts(&methods)?,
        families,
        distance: options.distances.as_ref().map_or(languages::DISTANCE, |(name, _)| name).to_owned(),
        methods: analyzed,
        subset: subset(whole, options)?.map(Box::new),
        changes: changes_of(whole, &methods, baseline.filter(|_| options.items.is_some()), options)?,
        listed: options.items.unwrap_or(0),
        items: whole.rows.len(),
        clusters: (study.rows.len() < whole.rows.len()).then_some(study.rows.len()),
        runs: study.cells.iter().map(run_facts).collect(),
        data: study.data.clone(),
        notes: study.notes.iter().cloned().chain(notes(study, &facts, options)).collect(),
        languages: facts,
    })
}

/// What there is to say of languages: of which too few items are there, and of which it is not known how much text there is.
fn notes(study: &Study, facts: &[LanguageFacts], options: &Options) -> Vec<String> {
    let items = |i: usize| study.examples[i].iter().filter(|n| **n > 0).count();
    let most = (0..facts.len()).map(items).max().unwrap_or(0);
    let is_few = |i: &usize| items(*i) < FEW && 2 * items(*i) < most;
    let few: Vec<String> = (0..facts.len()).filter(is_few).map(|i| format!("{} {}", facts[i].code, items(i))).collect();
    let is_unknown = |fact: &&LanguageFacts| options.text.is_some() && fact.text_share.is_none();
    let unknown: Vec<&str> = facts.iter().filter(is_unknown).map(|fact| fact.code.as_str()).collect();
    let few = (!few.is_empty()).then(|| {
        format!(
            "few items: {}; intervals of means over languages take these for better known than they are",
            few.join(", ")
        )
    });
    let unknown = (!unknown.is_empty())
        .then(|| format!("--text says nothing of {}: neither low-resource nor not so", unknown.join(", ")));
    few.into_iter().chain(unknown).collect()
}

/// What figures hold for, by the seeds that methods have.
fn scope(methods: &[(String, Vec<usize>)]) -> Scope {
    let single = methods.iter().filter(|(_, cells)| cells.len() == 1).count();
    match single {
        0 => Scope::Methods,
        n if n == methods.len() => Scope::Models,
        _ => Scope::SomeModels,
    }
}

/// What an analysis is made from.
struct Desk<'a> {
    study: &'a Study,
    options: &'a Options,
    facts: &'a [LanguageFacts],
    measures: &'a [Measure],
}

impl Desk<'_> {
    /// How a method did, against the baseline where there is one.
    fn method(&self, name: &str, cells: &[usize], base: Option<&[usize]>) -> MethodAnalysis {
        let study = self.study;
        let measured =
            |measure: &Measure| measured(study, measure, cells, base.map(|base| self.gain(measure, cells, base)));
        let measured: Vec<Measured> = self.measures.par_iter().map(measured).collect();
        let over = headline(self.measures);
        let seed_means =
            |cells: &[usize]| cells.iter().map(|cell| over.of(&values(&study.cells[*cell]))).collect::<Vec<f64>>();
        let own = over.layouts(study, &[(1.0, cells)]);
        let less = base.map(|base| over.layouts(study, &[(1.0, cells), (-1.0, base)]));
        MethodAnalysis {
            name: name.to_owned(),
            seeds: cells.iter().map(|cell| study.cells[*cell].seed).collect(),
            permutation: base.and_then(|base| permutation(&seed_means(cells), &seed_means(base), self.options.seed)),
            is_paired: base.is_some_and(|base| is_paired(study, cells, base)),
            variation: variation(&own),
            gain_variation: less.and_then(|less| variation(&less)),
            correlation: base.and_then(|_| self.correlation(&measured)),
            measures: measured,
            shortcut: shortcuts::mean(cells.iter().map(|cell| study.cells[*cell].shortcut.as_ref())),
            grid: mean_grid(study, cells),
            curve: mean_curve(study, cells),
            final_loss: {
                let losses: Option<Vec<f64>> = cells.iter().map(|cell| study.cells[*cell].final_loss).collect();
                losses.map(|losses| mean(&losses))
            },
        }
    }

    /// What a method has above the baseline.
    fn gain(&self, measure: &Measure, cells: &[usize], base: &[usize]) -> Gain {
        let layouts = measure.layouts(self.study, &[(1.0, cells), (-1.0, base)]);
        let gain = Gain::of(&Estimate::of(&layouts), measure.most(), self.options);
        let discordant = match (measure.kind, cells, base) {
            (Kind::Language, [own], [base]) => discordant(self.study, measure.weights[0].0, *own, *base),
            _ => None,
        };
        match (discordant, gain.is_of_methods()) {
            (Some([own, base]), true) => {
                let p = Some(mcnemar(own, base));
                Gain { p, p_holm: p, test: "exact McNemar", discordant, ..gain }
            }
            _ => Gain { discordant, ..gain },
        }
    }

    /// The contrasts asked for, in each mean, corrected together.
    fn contrasts(&self, methods: &[(String, Vec<usize>)]) -> Result<Vec<Contrast>> {
        let mut contrasts = Vec::new();
        for names in &self.options.contrasts {
            let sides: Vec<(f64, &[usize])> = names
                .iter()
                .zip([1.0, -1.0, -1.0, 1.0])
                .map(|(name, weight)| Ok((weight, &methods[place(methods, "--contrast", name)?].1[..])))
                .collect::<Result<_>>()?;
            for measure in self.measures.iter().filter(|measure| matches!(measure.kind, Kind::Mean | Kind::Pairs)) {
                let most = measure.most() * sides.len() as f64 / 2.0;
                let gain = Gain::of(&Estimate::of(&measure.layouts(self.study, &sides)), most, self.options);
                contrasts.push(Contrast { name: contrast_name(names), measure: measure.name.clone(), gain });
            }
        }
        correct(contrasts.iter_mut().map(|contrast| &mut contrast.gain));
        Ok(contrasts)
    }

    /// How the gains in languages other than the source go with distance; none where distances are too few or all one.
    fn correlation(&self, measured: &[Measured]) -> Option<Correlation> {
        let source = self.study.task.source;
        let is_far = |i: &usize| self.facts[*i].code != source && self.facts[*i].distance.is_some();
        let columns: Vec<usize> = (0..self.facts.len()).filter(is_far).collect();
        let x: Vec<f64> = columns.iter().filter_map(|i| self.facts[*i].distance).collect();
        let y: Vec<f64> = columns.iter().filter_map(|i| Some(measured[*i].gain.as_ref()?.value)).collect();
        if columns.len() < 3 || x.iter().all(|distance| *distance == x[0]) {
            return None;
        }
        let rho = spearman_of_sums(&x, &y);
        let [low, high] = interval_of_spearman(rho, x.len());
        let permutation = permutation_of_pairs(&x, &y, spearman_of_sums, self.options.seed);
        let mut branches: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
        for (i, pair) in columns.iter().zip(x.iter().zip(&y)) {
            let branch = branches.entry(&self.facts[*i].branch).or_default();
            branch[0].push(*pair.0);
            branch[1].push(*pair.1);
        }
        let [far, gained] = [0, 1].map(|side| branches.values().map(|one| mean(&one[side])).collect::<Vec<f64>>());
        let of_branches = match branches.len() {
            0..3 => None,
            _ => permutation_of_pairs(&far, &gained, spearman_of_sums, self.options.seed),
        };
        Some(Correlation {
            rho,
            low,
            high,
            permutation,
            of_branches,
            branches: branches.len(),
            p_holm: of_branches.map(|permutation| permutation.p),
            languages: columns.len(),
            line: line(&x, &y),
            band: band_of(&x, &y),
        })
    }
}

/// The 95 % interval of the line of least squares, from one end of the distances to the other.
fn band_of(x: &[f64], y: &[f64]) -> Vec<[f64; 3]> {
    const POINTS: usize = 21;
    let (least, most) = (x.iter().copied().fold(f64::INFINITY, f64::min), x.iter().copied().fold(f64::MIN, f64::max));
    let at: Vec<f64> = (0..POINTS).map(|i| least + (most - least) * i as f64 / (POINTS - 1) as f64).collect();
    let [intercept, slope] = line(x, y);
    let point = |(at, half): (&f64, f64)| [*at, intercept + slope * at - half, intercept + slope * at + half];
    at.iter().zip(band(x, y, &at)).map(point).collect()
}

/// What varies in a mean; none with a single seed, or where seeds belong to several sides.
fn variation(layouts: &[Values]) -> Option<Variation> {
    const POINT: f64 = 0.01;
    let [layout] = layouts else { return None };
    let spread = Spread::of(layout)?;
    Some(Variation { spread, seeds_for_a_point: spread.seeds_within(POINT) })
}

/// What a contrast is called.
fn contrast_name(names: &[String]) -> String {
    match names {
        [a, b, c, d] => format!("({a} − {b}) − ({c} − {d})"),
        _ => names.join(" − "),
    }
}

/// What each method gained and lost, item by item.
fn changes_of(
    study: &Study,
    methods: &[(String, Vec<usize>)],
    baseline: Option<usize>,
    options: &Options,
) -> Result<Vec<Changes>> {
    let Some(baseline) = baseline else { return Ok(Vec::new()) };
    let side = |method: usize| (methods[method].0.as_str(), &methods[method].1[..]);
    let others = (0..methods.len()).filter(|method| *method != baseline);
    others.map(|other| changes(study, side(baseline), side(other), options.data.as_deref())).collect()
}

/// The place of the method that gains are measured against.
fn baseline(methods: &[(String, Vec<usize>)], options: &Options) -> Result<Option<usize>> {
    match &options.baseline {
        Some(name) => place(methods, "--baseline", name).map(Some),
        None if methods.len() < 2 => Ok(None),
        None => Ok(methods.iter().position(|(method, _)| method == STANDARD).or(Some(0))),
    }
}

/// The place of a method that an option names.
fn place(methods: &[(String, Vec<usize>)], option: &str, name: &str) -> Result<usize> {
    methods.iter().position(|(method, _)| method == name).ok_or_else(|| {
        let hint = did_you_mean(name, methods.iter().map(|(name, _)| name.as_str()));
        Error::Usage(format!("{option} {name}: no run has this method; {hint}"))
    })
}

fn facts(study: &Study, options: &Options) -> Vec<LanguageFacts> {
    let total: f64 = options.text.iter().flat_map(|text| text.values()).sum();
    let given = |table: &BTreeMap<String, f64>, code: &str, known: Option<&Language>| {
        let names = known.map_or(["", ""], |known| [known.code, known.flores]);
        [code].iter().chain(&names).find_map(|name| table.get(*name)).copied()
    };
    let fact = |(i, code): (usize, &String)| {
        let known = languages::find(code);
        LanguageFacts {
            code: code.clone(),
            name: known.map_or(code.clone(), |known| known.name.to_owned()),
            examples: study.examples[i].iter().sum(),
            script: known.map(|known| known.script),
            family: known.map(Language::family),
            branch: known.map_or(code.clone(), Language::branch),
            distance: match &options.distances {
                Some((_, table)) => given(table, code, known),
                None => known.map(Language::distance),
            },
            text_share: options.text.as_ref().and_then(|text| Some(given(text, code, known)? / total)),
        }
    };
    study.languages.iter().enumerate().map(fact).collect()
}

/// All that is measured: languages, means, groups of languages, and pairs of languages.
fn measures(study: &Study, facts: &[LanguageFacts]) -> Vec<Measure> {
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
fn headline(measures: &[Measure]) -> &Measure {
    let means = || measures.iter().filter(|measure| measure.kind == Kind::Mean);
    means().nth(1).or_else(|| means().next()).expect("there is a mean over all languages")
}

/// A group of languages, and those that it is compared with.
struct Group {
    name: String,
    members: Vec<usize>,
    others: Vec<usize>,
}

/// Groups of languages other than the source. Where a property parts them in two, those without it are the others;
/// what nobody knows of a language puts it on no side.
fn groups(facts: &[LanguageFacts], others: &[usize]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut add = |name: String, is_two: Sides, has: &dyn Fn(&LanguageFacts) -> Option<bool>| {
        let on = |side: bool| others.iter().copied().filter(|i| has(&facts[*i]) == Some(side)).collect::<Vec<usize>>();
        let (members, others) = (on(true), if is_two == Sides::Two { on(false) } else { Vec::new() });
        if !members.is_empty() {
            groups.push(Group { name, members, others });
        }
    };
    let known = |fact: &LanguageFacts| languages::find(&fact.code);
    let scripts: BTreeSet<&str> = facts.iter().filter_map(|fact| fact.script).collect();
    for script in &scripts {
        add(format!("script: {script}"), Sides::One, &|fact| Some(fact.script == Some(script)));
    }
    add("scripts other than Latin".into(), Sides::Two, &|fact| fact.script.map(|script| script != "Latin"));
    let families: BTreeSet<&str> = facts.iter().filter_map(|fact| fact.family).collect();
    for family in &families {
        add(format!("family: {family}"), Sides::One, &|fact| Some(fact.family == Some(family)));
    }
    add("families other than Indo-European".into(), Sides::Two, &|fact| fact.family.map(|own| own != "Indo-European"));
    add("morphologically rich (SPMRL)".into(), Sides::Two, &|fact| known(fact).map(Language::is_morphologically_rich));
    add("agglutinative".into(), Sides::Two, &|fact| known(fact).map(Language::is_agglutinative));
    let mut shares: Vec<f64> = others.iter().filter_map(|i| facts[*i].text_share).collect();
    shares.sort_by(f64::total_cmp);
    let Some(bound) = (shares.len() / LOW_RESOURCE).checked_sub(1).map(|last| shares[last]) else { return groups };
    let low = |fact: &LanguageFacts| fact.text_share.map(|share| share <= bound);
    let name = format!("low-resource (the third with the least text, up to {:.1} %)", 100.0 * bound);
    add(name, Sides::Two, &low);
    add("not low-resource".into(), Sides::One, &|fact| low(fact).map(|is_low| !is_low));
    groups
}

/// Whether a property parts languages in two sides that are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sides {
    One,
    Two,
}

/// What the metric comes to for a model, by column.
fn values(cell: &Cell) -> Vec<f64> {
    let sum = |numbers: &[f32]| numbers.iter().map(|x| f64::from(*x)).sum::<f64>();
    cell.marks.iter().map(|column| share(sum(&column.parts), sum(&column.wholes))).collect()
}

fn measured(study: &Study, measure: &Measure, cells: &[usize], gain: Option<Gain>) -> Measured {
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

/// Items that only the one model has right, and only the other.
///
/// None where an item has several answers in the language, which are not independent.
fn discordant(study: &Study, column: usize, own: usize, base: usize) -> Option<[u64; 2]> {
    if study.examples[column].iter().any(|answers| *answers > 1) {
        return None;
    }
    let (own, base) = (study.cells[own].right.get(column)?, study.cells[base].right.get(column)?);
    let only = |yes: &[bool], no: &[bool]| yes.iter().zip(no).filter(|(yes, no)| **yes && !**no).count() as u64;
    (!own.is_empty() && !base.is_empty()).then(|| [only(own, base), only(base, own)])
}

/// Holm's correction of gains that are shown together, and of their tests of equivalence.
fn correct<'a>(family: impl Iterator<Item = &'a mut Gain>) -> usize {
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

/// Holm's correction over all methods and measures of a kind together, and how many tests each kind has.
fn correct_families(methods: &mut [MethodAnalysis]) -> Vec<(Kind, usize)> {
    let family = |kind: Kind| {
        let measures = methods.iter_mut().flat_map(|method| &mut method.measures);
        (kind, correct(measures.filter(|one| one.kind == kind).filter_map(|one| one.gain.as_mut())))
    };
    Kind::ALL.map(family).into()
}

/// Holm's correction of the correlations with distance, over all methods.
fn correct_correlations(methods: &mut [MethodAnalysis]) {
    let correlations = methods.iter_mut().filter_map(|method| method.correlation.as_mut());
    let mut p: Vec<&mut f64> = correlations.filter_map(|correlation| correlation.p_holm.as_mut()).collect();
    let corrected = holm(&p.iter().map(|p| **p).collect::<Vec<f64>>());
    for (p, corrected) in p.iter_mut().zip(corrected) {
        **p = corrected;
    }
}

fn mean_grid(study: &Study, cells: &[usize]) -> Option<Vec<Vec<Option<f64>>>> {
    let grids: Option<Vec<_>> = cells.iter().map(|cell| study.cells[*cell].grid.as_ref()).collect();
    let grids = grids?;
    let n = study.languages.len();
    let cell = |i: usize, j: usize| {
        let values: Option<Vec<f64>> = grids.iter().map(|grid| *grid.get(i)?.get(j)?).collect();
        values.map(|values| mean(&values))
    };
    Some((0..n).map(|i| (0..n).map(|j| cell(i, j)).collect()).collect())
}

/// The mean of the seeds' curves, as far as the shortest goes.
fn mean_curve(study: &Study, cells: &[usize]) -> Vec<[f64; 2]> {
    let n = cells.iter().map(|cell| study.cells[*cell].curve.len()).min().unwrap_or(0);
    let point = |i: usize, j: usize| mean(&cells.iter().map(|c| study.cells[*c].curve[i][j]).collect::<Vec<_>>());
    (0..n).map(|i| [point(i, 0), point(i, 1)]).collect()
}

/// The analysis of the rows looked at apart.
fn subset(study: &Study, options: &Options) -> Result<Option<Analysis>> {
    let Some(rows) = &options.subset else { return Ok(None) };
    let (part, gone) = study.restricted(rows).without_empty();
    if part.rows.is_empty() {
        return Err(Error::Data(
            "none of the subset's rows is in these runs' test sets; take one of their task".into(),
        ));
    }
    let there: BTreeSet<usize> = part.rows.iter().copied().collect();
    let absent: Vec<usize> = rows.difference(&there).copied().collect();
    let note = |first: &usize| {
        let (n, of) = (absent.len(), rows.len());
        format!(
            "{n} of the {of} rows of the subset are not among the items measured, and are passed over; the first is {first}"
        )
    };
    let gone = (!gone.is_empty()).then(|| format!("no item of the subset is there in {}: left out", gone.join(", ")));
    let part = Study { data: Vec::new(), notes: absent.first().map(note).into_iter().chain(gone).collect(), ..part };
    let options = Options { subset: None, items: None, contrasts: Vec::new(), ..options.clone() };
    analyze(&part, &options).map(Some)
}

fn run_facts(cell: &Cell) -> RunFacts {
    RunFacts {
        label: cell.label.clone(),
        recipe: cell.recipe.clone(),
        seed: cell.seed,
        selection: cell.selection.clone(),
        device: cell.environment.device.clone(),
        rxlt: cell.environment.rxlt.clone(),
        config: cell.config.clone(),
        folder: cell.folder.display().to_string(),
        scores: cell.scores.clone(),
        has_run: cell.has_run(),
    }
}
