//! From scores to answers: slopes over the number of tasks, or gains of arms over none.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    arms::Arm,
    design::Design,
    slope::{Point, slope},
};
use crate::report::{crossed::Estimate, statistics::holm};

/// What one model scores by language.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Which of the targets.
    pub target: usize,
    /// What was learned before.
    pub arm: Arm,
    /// The seed.
    pub seed: u64,
    /// The method.
    pub method: String,
    /// How test texts were changed; none where they are as they are.
    pub change: Option<String>,
    /// The language that the target is learned in.
    pub source: String,
    /// The first metric of the target, by language.
    pub scores: BTreeMap<String, f64>,
}

/// What is asked of scores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The mean over the morphologically complex languages.
    Complex,
    /// The mean over the other languages that were measured for complexity.
    Simple,
    /// The mean over all languages but the source.
    Mean,
    /// The source less that mean.
    Gap,
    /// What a change of texts takes from that mean.
    Loss(String),
    /// The mean over languages of a group, under a change of texts or none.
    Group(String, Option<String>),
}

impl Outcome {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        match self {
            Outcome::Complex => "complex languages".into(),
            Outcome::Simple => "other languages".into(),
            Outcome::Mean => "mean without source".into(),
            Outcome::Gap => "transfer gap".into(),
            Outcome::Loss(change) => format!("loss by {change}"),
            Outcome::Group(group, None) => group.clone(),
            Outcome::Group(group, Some(change)) => format!("{group}, {change}"),
        }
    }
}

/// A figure of the page.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Which of the targets; none for all together.
    pub target: Option<usize>,
    /// The arm; none where the figure is a slope over arms.
    pub arm: Option<String>,
    /// The method, or two of them for a difference.
    pub method: String,
    /// Of what.
    pub outcome: Outcome,
    /// How much, and how sure.
    pub estimate: Estimate,
    /// p after Holm's correction over all figures; none with one seed.
    pub p: Option<f64>,
}

/// The languages of each group: by complexity as measured, and others.
pub type Groups = BTreeMap<String, BTreeSet<String>>;

/// The name of the group of the complex languages, and of those that were measured and are not.
pub const COMPLEX: &str = "complex";
/// See [`COMPLEX`].
pub const SIMPLE: &str = "simple";

/// What is known of one target, arm and method: by seed, each outcome.
type Values = BTreeMap<u64, BTreeMap<Outcome, f64>>;

/// A target, an arm, a method, and the change of texts.
type Side = (usize, Arm, String, Option<String>);

/// Values by target, arm and method.
#[derive(Debug, Default)]
pub struct Scores {
    values: BTreeMap<(usize, Arm, String), Values>,
    /// By seed, then language: for gains over languages.
    by_language: BTreeMap<Side, BTreeMap<u64, BTreeMap<String, f64>>>,
    sources: BTreeMap<usize, String>,
}

impl Scores {
    /// Takes in what was observed.
    pub fn of(observations: &[Observation], groups: &Groups) -> Scores {
        let mut scores = Scores::default();
        for one in observations {
            let key = (one.target, one.arm.clone(), one.method.clone(), one.change.clone());
            scores.by_language.entry(key).or_default().insert(one.seed, one.scores.clone());
            scores.sources.insert(one.target, one.source.clone());
        }
        for one in observations.iter().filter(|one| one.change.is_none()) {
            let key = (one.target, one.arm.clone(), one.method.clone());
            let mut outcomes = clean(one, groups);
            for other in observations.iter().filter(|other| other.change.is_some() && of_one_model(one, other)) {
                outcomes.extend(loss(one, other));
            }
            scores.values.entry(key).or_default().insert(one.seed, outcomes);
        }
        scores
    }

    /// The slopes of every outcome over the number of tasks: of each target and of all, by each method, and of the
    /// differences from the first. Arms that lack a seed are left out; their number comes with it.
    pub fn slopes(&self, design: &Design, methods: &[String]) -> (Vec<Figure>, usize) {
        let whole = |values: &Values| design.seeds.iter().all(|seed| values.contains_key(seed));
        let left_out = self.values.values().filter(|values| !whole(values)).count();
        let outcomes: BTreeSet<&Outcome> =
            self.values.values().flat_map(BTreeMap::values).flat_map(BTreeMap::keys).collect();
        let mut figures = Vec::new();
        let all = (design.targets.len() > 1).then_some(None); // else it is that of the only one
        let targets: Vec<Option<usize>> = (0..design.targets.len()).map(Some).chain(all).collect();
        for outcome in outcomes {
            for (number, method) in methods.iter().enumerate() {
                let sides = [vec![(1.0, method)], vec![(1.0, method), (-1.0, &methods[0])]];
                for side in sides.iter().take(if number == 0 { 1 } else { 2 }) {
                    for target in &targets {
                        let points = self.points(design, *target, side, outcome);
                        figures.extend(slope(&points).map(|estimate| Figure {
                            target: *target,
                            arm: None,
                            method: side.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" − "),
                            outcome: outcome.clone(),
                            estimate,
                            p: None,
                        }));
                    }
                }
            }
        }
        (corrected(figures), left_out)
    }

    /// One point for each arm of a target, or of all, that has every seed and every method.
    fn points(&self, design: &Design, target: Option<usize>, side: &[(f64, &String)], outcome: &Outcome) -> Vec<Point> {
        let mut groups: Vec<usize> = Vec::new();
        let arms: BTreeSet<(usize, &Arm)> = self
            .values
            .keys()
            .filter(|key| target.is_none_or(|target| key.0 == target))
            .map(|key| (key.0, &key.1))
            .collect();
        let mut points = Vec::new();
        for (number, arm) in arms {
            let of_seed = |seed: &u64| -> Option<f64> {
                let value = |(weight, method): &(f64, &String)| {
                    let values = self.values.get(&(number, arm.clone(), (*method).clone()))?;
                    Some(weight * values.get(seed)?.get(outcome)?)
                };
                side.iter().map(value).sum()
            };
            let Some(y) = design.seeds.iter().map(of_seed).collect::<Option<Vec<f64>>>() else { continue };
            let group = groups.iter().position(|known| *known == number).unwrap_or_else(|| {
                groups.push(number);
                groups.len() - 1
            });
            points.push(Point { group, x: arm.tasks.len() as f64, y });
        }
        points
    }

    /// The gain of each named arm over none: of each target by each method, in each group of languages and under each
    /// change of texts. Languages and seeds are what a gain is sure by.
    pub fn gains(&self, design: &Design, methods: &[String], groups: &Groups) -> Vec<Figure> {
        let mut figures = Vec::new();
        for ((target, arm, method, change), by_seed) in &self.by_language {
            if arm.tasks.is_empty() || !methods.contains(method) {
                continue;
            }
            let none = (*target, Arm::of(Vec::new()), method.clone(), change.clone());
            let Some(base) = self.by_language.get(&none) else { continue };
            let source = &self.sources[target];
            let all: BTreeSet<String> = by_seed.values().flat_map(BTreeMap::keys).cloned().collect();
            let foreign = all.iter().filter(|code| *code != source).cloned().collect();
            let own = BTreeSet::from([source.clone()]);
            let named = [("all but the source".to_owned(), foreign), (format!("the source ({source})"), own)];
            for (group, languages) in named.into_iter().chain(groups.clone()) {
                let languages: Vec<&String> = all.iter().filter(|code| languages.contains(*code)).collect();
                let of_seed = |seed: &u64| -> Option<Vec<f64>> {
                    let (with, without) = (by_seed.get(seed)?, base.get(seed)?);
                    languages.iter().map(|code| Some(with.get(*code)? - without.get(*code)?)).collect()
                };
                let values: Option<Vec<Vec<f64>>> = design.seeds.iter().map(of_seed).collect();
                let Some(values) = values.filter(|_| languages.len() > 1) else { continue };
                figures.push(Figure {
                    target: Some(*target),
                    arm: Some(arm.name.clone()),
                    method: method.clone(),
                    outcome: Outcome::Group(group, change.clone()),
                    estimate: Estimate::of(&[values]),
                    p: None,
                });
            }
        }
        corrected(figures)
    }

    /// Mean and spread over arms of the seeds' means, by target, method and number of tasks.
    pub fn by_size(&self, outcome: &Outcome) -> BTreeMap<(usize, String, usize), Vec<f64>> {
        let mut all: BTreeMap<(usize, String, usize), Vec<f64>> = BTreeMap::new();
        for ((target, arm, method), values) in &self.values {
            let found: Vec<f64> = values.values().filter_map(|outcomes| outcomes.get(outcome).copied()).collect();
            if !found.is_empty() {
                let mean = found.iter().sum::<f64>() / found.len() as f64;
                all.entry((*target, method.clone(), arm.tasks.len())).or_default().push(mean);
            }
        }
        all
    }
}

fn of_one_model(a: &Observation, b: &Observation) -> bool {
    (a.target, &a.arm, a.seed, &a.method) == (b.target, &b.arm, b.seed, &b.method)
}

/// What texts as they are say.
fn clean(one: &Observation, groups: &Groups) -> BTreeMap<Outcome, f64> {
    let mean = |wanted: &dyn Fn(&String) -> bool| {
        let found: Vec<f64> = one.scores.iter().filter(|(code, _)| wanted(code)).map(|(_, score)| *score).collect();
        (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
    };
    let is_foreign = |code: &String| *code != one.source;
    let in_group = |name: &str| {
        let group = groups.get(name);
        mean(&|code: &String| is_foreign(code) && group.is_some_and(|group| group.contains(code)))
    };
    let all = mean(&is_foreign);
    let gap = all.zip(one.scores.get(&one.source)).map(|(mean, source)| source - mean);
    let outcomes = [
        (Outcome::Complex, in_group(COMPLEX)),
        (Outcome::Simple, in_group(SIMPLE)),
        (Outcome::Mean, all),
        (Outcome::Gap, gap),
    ];
    outcomes.into_iter().filter_map(|(outcome, value)| Some((outcome, value?))).collect()
}

/// What a change of texts takes from the mean over the languages but the source that were measured with it.
fn loss(clean: &Observation, changed: &Observation) -> Option<(Outcome, f64)> {
    let both = changed.scores.iter().filter(|(code, _)| **code != clean.source);
    let lost: Vec<f64> = both.filter_map(|(code, score)| Some(clean.scores.get(code)? - score)).collect();
    let change = changed.change.clone()?;
    (!lost.is_empty()).then(|| (Outcome::Loss(change), lost.iter().sum::<f64>() / lost.len() as f64))
}

/// The figures with p-values after Holm's correction over all; none with one seed, by which nothing is tested.
fn corrected(mut figures: Vec<Figure>) -> Vec<Figure> {
    let p: Vec<f64> = figures.iter().map(|f| if f.estimate.has_seeds { f.estimate.p() } else { f64::NAN }).collect();
    for (figure, p) in figures.iter_mut().zip(holm(&p)) {
        figure.p = (!p.is_nan()).then_some(p);
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design() -> Design {
        let text = "name = \"x\"\nquestion = \"?\"\nseeds = [1, 2]\nmodel = {}\ndata = {}\nintermediate = {}\n\
                    diversity = { pool = [\"a\", \"b\", \"c\"], sizes = [0, 1, 2], subsets = 3 }\n\
                    targets = [{ task = \"t\" }]\nmethods = [{ standard = {} }]\n";
        Design::parse(text, "x").unwrap()
    }

    fn observations() -> Vec<Observation> {
        let mut all = Vec::new();
        let design = design();
        for arm in design.arms_of(&design.targets[0]) {
            for seed in [1, 2] {
                for (change, lost) in [(None, 0.0), (Some("typos:0.1".to_owned()), 0.05)] {
                    let k = arm.tasks.len() as f64;
                    let scores = [("en", 0.9), ("fi", 0.5 + 0.03 * k - lost), ("nl", 0.7 + 0.01 * k - lost)];
                    let scores = scores.map(|(code, score)| (code.to_owned(), score)).into();
                    let (method, source, arm) = ("standard".into(), "en".into(), arm.clone());
                    all.push(Observation { target: 0, arm, seed, method, change, source, scores });
                }
            }
        }
        all
    }

    fn groups() -> Groups {
        let set = |code: &str| BTreeSet::from([code.to_owned()]);
        Groups::from([(COMPLEX.to_owned(), set("fi")), (SIMPLE.to_owned(), set("nl"))])
    }

    #[test]
    fn slopes_are_points_for_each_task() {
        let scores = Scores::of(&observations(), &groups());
        let (figures, left_out) = scores.slopes(&design(), &["standard".to_owned()]);
        let of = |outcome: &Outcome| {
            let found = figures.iter().find(|figure| figure.outcome == *outcome && figure.target == Some(0));
            found.unwrap_or_else(|| panic!("{outcome:?}")).estimate.value
        };
        let loss = Outcome::Loss("typos:0.1".into());
        for (outcome, expected) in [
            (Outcome::Complex, 0.03),
            (Outcome::Simple, 0.01),
            (Outcome::Mean, 0.02),
            (Outcome::Gap, -0.02),
            (loss, 0.0),
        ] {
            assert!((of(&outcome) - expected).abs() < 1e-9, "{outcome:?}: {}", of(&outcome));
        }
        assert_eq!(left_out, 0);
        let lacking: Vec<Observation> =
            observations().into_iter().filter(|one| one.seed == 1 || one.arm.name != "a").collect();
        let (figures, left_out) = Scores::of(&lacking, &groups()).slopes(&design(), &["standard".to_owned()]);
        assert!(left_out == 1 && !figures.is_empty());
    }

    #[test]
    fn gains_are_over_none_in_each_group() {
        let scores = Scores::of(&observations(), &groups());
        let figures = scores.gains(&design(), &["standard".to_owned()], &Groups::new());
        let all = Outcome::Group("all but the source".into(), None);
        let found =
            figures.iter().find(|figure| figure.arm.as_deref() == Some("a+b") && figure.outcome == all).unwrap();
        assert!((found.estimate.value - 0.04).abs() < 1e-9, "{found:?}");
    }
}
