//! What a study comes to: accuracies and gains with intervals, tests, breakdowns, and gain against distance.
//!
//! Everything measured is a weighted sum of columns (languages, and pairs of languages): an accuracy in one language, a
//! mean over some, or a difference of means. A gain, and any other contrast of methods, is a weighted sum of that over
//! methods. Each is estimated and tested in the same way, as a mean from items crossed with seeds (`crossed`).

mod facts;
mod gain;
mod measure;
mod trend;

pub use facts::LanguageFacts;
pub use gain::Gain;
pub use measure::{Kind, Measured, TRANSFER_GAP};
pub use trend::Correlation;

use super::{
    changes::{Changes, changes},
    crossed::{Estimate, Spread, Values},
    languages::{self, Language},
    runs::{Cell, CellScore, DataFile, Study},
    shortcuts::{self, Shortcut},
    statistics::{Permutation, mcnemar, mean, permutation},
};
use crate::{
    error::{Error, Result, did_you_mean},
    metrics::clusters::FEW,
};
use facts::facts;
use gain::{correct, discordant};
use measure::{Measure, headline, is_paired, measured, measures, values};
use rayon::prelude::*;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};
use trend::{correct_correlations, correlation};

/// The method to compare with where nobody says.
const STANDARD: &str = "standard";

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
        distance: match &options.distances {
            Some((name, _)) => name.clone(),
            None => languages::find(study.task.source).map_or_else(String::new, Language::distance_said),
        },
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
            correlation: base.and_then(|_| correlation(self.facts, study.task.source, &measured, self.options.seed)),
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

/// Holm's correction over all methods and measures of a kind together, and how many tests each kind has.
fn correct_families(methods: &mut [MethodAnalysis]) -> Vec<(Kind, usize)> {
    let family = |kind: Kind| {
        let measures = methods.iter_mut().flat_map(|method| &mut method.measures);
        (kind, correct(measures.filter(|one| one.kind == kind).filter_map(|one| one.gain.as_mut())))
    };
    Kind::ALL.map(family).into()
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
