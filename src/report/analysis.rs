//! What a study comes to: accuracies and gains with intervals, tests, breakdowns, and gain against distance.
//!
//! Everything measured is a weighted sum of columns (languages, and pairs of languages): an accuracy in one language, a
//! mean over some, or a difference of means. Each is estimated, resampled and tested in the same way.

use super::{
    changes::{Changes, changes},
    languages::{self, Language},
    resample::Replicates,
    runs::{Cell, DataFile, Study},
    statistics::{
        Permutation, bootstrap_p, holm, interval, line, mcnemar, mean, permutation, quantile, standard_deviation,
    },
};
use crate::{
    error::{Error, Result, did_you_mean},
    metrics::correlation::spearman,
    tasks::metrics::Score,
};
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
    /// Replicates of the bootstrap.
    pub replicates: usize,
    /// Of this all resampling is made.
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
}

impl Default for Options {
    fn default() -> Options {
        Options {
            baseline: None,
            replicates: 10_000,
            seed: 7,
            distances: None,
            text: None,
            subset: None,
            items: None,
            data: None,
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
    /// The method that gains are measured against; none where there is one method.
    pub baseline: Option<String>,
    /// What was resampled, and how often.
    pub resampling: String,
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
    /// Every model that was read.
    pub runs: Vec<RunFacts>,
    /// The files of the data.
    pub data: Vec<DataFile>,
    /// What was left out, and why.
    pub notes: Vec<String>,
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
    /// How gains go with distance from the source.
    pub correlation: Option<Correlation>,
    /// Mean accuracy by first and second language, in the generalized setting.
    pub grid: Option<Vec<Vec<Option<f64>>>>,
    /// Update and loss in the last stage, the mean over seeds.
    pub curve: Vec<[f64; 2]>,
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

/// A difference from the baseline.
#[derive(Debug, Clone, Serialize)]
pub struct Gain {
    /// The difference.
    pub value: f64,
    /// Lower end of the 95 % interval of the paired bootstrap.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// The p-value.
    pub p: f64,
    /// The p-value after Holm's correction in its family.
    pub p_holm: f64,
    /// Which test it is of.
    pub test: &'static str,
    /// Items that only this method has right, and only the baseline: where McNemar's test applies.
    pub discordant: Option<[u64; 2]>,
}

impl Gain {
    /// Whether it is one after correction, at 5 %.
    pub fn is_significant(&self) -> bool {
        self.p_holm < 0.05
    }
}

/// Spearman's correlation of gain and distance.
#[derive(Debug, Clone, Serialize)]
pub struct Correlation {
    /// The coefficient.
    pub rho: f64,
    /// Lower end of its 95 % interval; languages are resampled as well as items and seeds.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
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

    fn resampled(&self, columns: &[Vec<f64>]) -> Vec<f64> {
        let value = |i: usize| self.weights.iter().map(|(column, weight)| weight * columns[*column][i]).sum();
        (0..columns[0].len()).map(value).collect()
    }
}

/// The name of the mean over all languages but the source.
pub fn mean_without(source: &str) -> String {
    format!("mean without {source}")
}

/// Analyzes a study.
pub fn analyze(study: &Study, options: &Options) -> Result<Analysis> {
    let methods = study.methods();
    let baseline = baseline(&methods, options)?;
    let facts = facts(study, options);
    let measures = measures(study, &facts);
    let replicates = Replicates::draw(study, options.replicates, options.seed);
    let resampled: Vec<Vec<Vec<f64>>> = methods.iter().map(|(_, cells)| replicates.of(cells)).collect();
    let mut analyzed = Vec::new();
    for (m, (name, cells)) in methods.iter().enumerate() {
        let against = baseline.filter(|baseline| *baseline != m);
        let measured = measures.iter().map(|measure| {
            let gain = against.map(|b| gain(study, measure, (cells, &resampled[m]), (&methods[b].1, &resampled[b])));
            measured(study, measure, cells, &resampled[m], gain)
        });
        let mut measured: Vec<Measured> = measured.collect();
        for kind in [Kind::Language, Kind::Group] {
            correct(measured.iter_mut().filter(|one| one.kind == kind));
        }
        let correlation =
            against.map(|b| correlation(&facts, &measured, &resampled[m], &resampled[b], &replicates)).unwrap_or(None);
        let seed_means = |cells: &[usize]| -> Vec<f64> {
            let over = headline(&measures);
            cells.iter().map(|cell| over.of(&values(&study.cells[*cell]))).collect()
        };
        let permutation =
            against.and_then(|b| permutation(&seed_means(cells), &seed_means(&methods[b].1), options.seed));
        analyzed.push(MethodAnalysis {
            name: name.clone(),
            seeds: cells.iter().map(|cell| study.cells[*cell].seed).collect(),
            measures: measured,
            permutation,
            correlation,
            grid: mean_grid(study, cells),
            curve: mean_curve(study, cells),
        });
    }
    correct_across(&mut analyzed);
    let several = methods.iter().any(|(_, cells)| cells.len() > 1);
    let what = if several { "items (in all languages at once) and seeds" } else { "items (in all languages at once)" };
    Ok(Analysis {
        task: study.task.name,
        metric: study.metric,
        source: study.task.source,
        baseline: baseline.map(|baseline| methods[baseline].0.clone()),
        resampling: format!("{} bootstrap replicates over {what}, seed {}", options.replicates, options.seed),
        distance: options.distances.as_ref().map_or(languages::DISTANCE, |(name, _)| name).to_owned(),
        languages: facts,
        methods: analyzed,
        subset: subset(study, options)?.map(Box::new),
        changes: changes_of(study, &methods, baseline.filter(|_| options.items.is_some()), options)?,
        listed: options.items.unwrap_or(0),
        items: study.rows.len(),
        runs: study.cells.iter().map(run_facts).collect(),
        data: study.data.clone(),
        notes: study.notes.clone(),
    })
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
    let place = |name: &str| methods.iter().position(|(method, _)| method == name);
    match &options.baseline {
        Some(name) => place(name).map(Some).ok_or_else(|| {
            let hint = did_you_mean(name, methods.iter().map(|(name, _)| name.as_str()));
            Error::Usage(format!("--baseline {name}: no run has this method; {hint}"))
        }),
        None if methods.len() < 2 => Ok(None),
        None => Ok(place(STANDARD).or(Some(0))),
    }
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
            distance: match &options.distances {
                Some((_, table)) => given(table, code, known),
                None => known.map(Language::distance),
            },
            text_share: options.text.as_ref().map(|text| given(text, code, known).unwrap_or(0.0) / total),
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
        measures.push(Measure::less("transfer gap", Kind::Mean, &own, &others));
    }
    for (name, members) in groups(facts, &others) {
        measures.push(Measure::mean(name, Kind::Group, &members));
    }
    if study.has_pairs {
        let pairs = facts.len();
        measures.push(Measure::mean("two languages", Kind::Pairs, &[pairs]));
        measures.push(Measure::less("two languages − one language", Kind::Pairs, &[pairs], &all));
    }
    measures
}

/// The measure by which methods are judged as a whole.
fn headline(measures: &[Measure]) -> &Measure {
    let means = || measures.iter().filter(|measure| measure.kind == Kind::Mean);
    means().nth(1).or_else(|| means().next()).expect("there is a mean over all languages")
}

/// Groups of languages other than the source.
fn groups(facts: &[LanguageFacts], others: &[usize]) -> Vec<(String, Vec<usize>)> {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    let mut add = |name: String, member: &dyn Fn(&LanguageFacts) -> bool| {
        let members: Vec<usize> = others.iter().copied().filter(|i| member(&facts[*i])).collect();
        if !members.is_empty() {
            groups.push((name, members));
        }
    };
    let known = |fact: &LanguageFacts| languages::find(&fact.code);
    let scripts: BTreeSet<&str> = facts.iter().filter_map(|fact| fact.script).collect();
    for script in &scripts {
        add(format!("script: {script}"), &|fact| fact.script == Some(script));
    }
    add("scripts other than Latin".into(), &|fact| fact.script.is_some_and(|script| script != "Latin"));
    let families: BTreeSet<&str> = facts.iter().filter_map(|fact| fact.family).collect();
    for family in &families {
        add(format!("family: {family}"), &|fact| fact.family == Some(family));
    }
    add("families other than Indo-European".into(), &|fact| fact.family.is_some_and(|own| own != "Indo-European"));
    add("morphologically rich (SPMRL)".into(), &|fact| known(fact).is_some_and(Language::is_morphologically_rich));
    add("agglutinative".into(), &|fact| known(fact).is_some_and(Language::is_agglutinative));
    let mut shares: Vec<f64> = others.iter().filter_map(|i| facts[*i].text_share).collect();
    shares.sort_by(f64::total_cmp);
    let bound = (shares.len() / LOW_RESOURCE).checked_sub(1).map(|last| shares[last]);
    let low = |fact: &LanguageFacts| bound.is_some_and(|bound| fact.text_share.is_some_and(|share| share <= bound));
    let most = 100.0 * bound.unwrap_or(0.0);
    add(format!("low-resource (the third with the least text, up to {most:.1} %)"), &low);
    add("not low-resource".into(), &|fact| fact.text_share.is_some() && !low(fact));
    groups
}

/// What the metric comes to for a model, by column.
fn values(cell: &Cell) -> Vec<f64> {
    let sum = |numbers: &[f32]| numbers.iter().map(|x| f64::from(*x)).sum::<f64>();
    cell.marks.iter().map(|column| sum(&column.parts) / sum(&column.wholes)).collect()
}

fn measured(study: &Study, measure: &Measure, cells: &[usize], columns: &[Vec<f64>], gain: Option<Gain>) -> Measured {
    let by_seed: Vec<f64> = cells.iter().map(|cell| measure.of(&values(&study.cells[*cell]))).collect();
    let [mut low, mut high] = interval(&measure.resampled(columns));
    if let (Kind::Language, [cell]) = (measure.kind, cells) {
        // One language of one seed: the interval that the run itself prints, which is Wilson's of a plain share.
        let column = measure.weights[0].0;
        let marks = study.cells[*cell].marks[column].pairs().into_iter().zip(&study.examples[column]);
        let marks = marks.filter(|(_, n)| **n > 0).map(|(mark, _)| mark).collect();
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

fn gain(
    study: &Study,
    measure: &Measure,
    (cells, columns): (&Vec<usize>, &Vec<Vec<f64>>),
    (base, base_columns): (&Vec<usize>, &Vec<Vec<f64>>),
) -> Gain {
    let value =
        |cells: &[usize]| mean(&cells.iter().map(|cell| measure.of(&values(&study.cells[*cell]))).collect::<Vec<_>>());
    let differences: Vec<f64> =
        measure.resampled(columns).iter().zip(measure.resampled(base_columns)).map(|(own, base)| own - base).collect();
    let [low, high] = interval(&differences);
    let discordant = match (measure.kind, &cells[..], &base[..]) {
        (Kind::Language, [own], [base]) => discordant(study, measure.weights[0].0, *own, *base),
        _ => None,
    };
    let (p, test) = match discordant {
        Some([own, base]) => (mcnemar(own, base), "exact McNemar"),
        None => (bootstrap_p(&differences), "paired bootstrap"),
    };
    Gain { value: value(cells) - value(base), low, high, p, p_holm: p, test, discordant }
}

/// Items that only the one model has right, and only the other.
fn discordant(study: &Study, column: usize, own: usize, base: usize) -> Option<[u64; 2]> {
    let (own, base) = (study.cells[own].right.get(column)?, study.cells[base].right.get(column)?);
    let only = |yes: &[bool], no: &[bool]| yes.iter().zip(no).filter(|(yes, no)| **yes && !**no).count() as u64;
    (!own.is_empty() && !base.is_empty()).then(|| [only(own, base), only(base, own)])
}

/// Holm's correction of the gains in one family.
fn correct<'a>(family: impl Iterator<Item = &'a mut Measured>) {
    let mut gains: Vec<&mut Gain> = family.filter_map(|measured| measured.gain.as_mut()).collect();
    let corrected = holm(&gains.iter().map(|gain| gain.p).collect::<Vec<_>>());
    gains.iter_mut().zip(corrected).for_each(|(gain, p)| gain.p_holm = p);
}

/// Holm's correction of means and pairs: over methods, measure by measure.
fn correct_across(methods: &mut [MethodAnalysis]) {
    let kinds: Vec<Kind> = methods[0].measures.iter().map(|measured| measured.kind).collect();
    for (i, _) in kinds.iter().enumerate().filter(|(_, kind)| matches!(kind, Kind::Mean | Kind::Pairs)) {
        correct(methods.iter_mut().map(|method| &mut method.measures[i]));
    }
}

/// How the gains in languages other than the source go with distance; none where distances are too few or all one.
fn correlation(
    facts: &[LanguageFacts],
    measured: &[Measured],
    own: &[Vec<f64>],
    base: &[Vec<f64>],
    replicates: &Replicates,
) -> Option<Correlation> {
    const POINTS: usize = 21;
    let source = &facts.first()?.code;
    let columns: Vec<usize> =
        (0..facts.len()).filter(|i| facts[*i].code != *source && facts[*i].distance.is_some()).collect();
    let x: Vec<f64> = columns.iter().filter_map(|i| facts[*i].distance).collect();
    let y: Vec<f64> = columns.iter().filter_map(|i| Some(measured[*i].gain.as_ref()?.value)).collect();
    let (least, most) = (x.iter().copied().fold(f64::INFINITY, f64::min), x.iter().copied().fold(f64::MIN, f64::max));
    if columns.len() < 3 || least == most {
        return None;
    }
    let at = |i: usize| least + (most - least) * i as f64 / (POINTS - 1) as f64;
    let (mut rhos, mut heights) = (Vec::new(), vec![Vec::new(); POINTS]);
    for number in 0..replicates.count() {
        let drawn = replicates.places(number, columns.len());
        let far: Vec<f64> = drawn.iter().map(|i| x[*i]).collect();
        let gains: Vec<f64> = drawn.iter().map(|i| own[columns[*i]][number] - base[columns[*i]][number]).collect();
        rhos.push(spearman(&far, &gains));
        let [a, b] = line(&far, &gains);
        heights.iter_mut().enumerate().for_each(|(i, heights)| heights.push(a + b * at(i)));
    }
    let [low, high] = interval(&rhos);
    let band = heights.iter_mut().enumerate().map(|(i, heights)| {
        heights.sort_by(f64::total_cmp);
        [at(i), quantile(heights, 0.025), quantile(heights, 0.975)]
    });
    Some(Correlation {
        rho: spearman(&x, &y),
        low,
        high,
        languages: columns.len(),
        line: line(&x, &y),
        band: band.collect(),
    })
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
    let part = study.restricted(rows);
    if part.rows.is_empty() {
        return Err(Error::Data(
            "none of the subset's rows is in these runs' test sets; take one of their task".into(),
        ));
    }
    let part = Study { data: Vec::new(), notes: Vec::new(), has_pairs: part.has_pairs, ..part };
    analyze(&part, &Options { subset: None, items: None, ..options.clone() }).map(Some)
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
    }
}
