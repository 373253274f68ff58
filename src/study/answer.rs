//! From scores to answers: slopes over the number of tasks, or gains of arms over none.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    arms::Arm,
    design::Design,
    languages::{COMPLEX, CONTRASTS, Groups},
    slope::{Point, slope},
};
use crate::report::{
    crossed::{Estimate, Values},
    statistics::holm,
};

/// Texts that a model is measured on, other than those that it learned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Texts {
    /// The target's test texts.
    Own,
    /// These, changed.
    Changed(String),
    /// Those of another task of the same form.
    Challenge(String),
}

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
    /// Of what.
    pub texts: Texts,
    /// The language that the target is learned in.
    pub source: String,
    /// The first metric of the target, by language.
    pub scores: BTreeMap<String, f64>,
}

/// Languages that a mean is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Those {
    /// All but the source.
    Foreign,
    /// Those of a group, but the source.
    Group(String),
    /// The source alone.
    Source,
}

/// What is asked of scores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A mean over languages.
    Mean(Those, Texts),
    /// The source less the mean over the others.
    Gap,
    /// What a change of texts takes from that mean.
    Loss(String),
    /// A gain on texts so changed less the gain on those as they are.
    Kept(Those, String),
    /// The mean over one group less that over another.
    Between([String; 2], Texts),
}

impl Outcome {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        let on = |texts: &Texts| match texts {
            Texts::Own => String::new(),
            Texts::Changed(change) => format!(", {change}"),
            Texts::Challenge(task) => format!(", {task}"),
        };
        match self {
            Outcome::Mean(_, Texts::Challenge(task)) => format!("challenge set {task}"),
            Outcome::Mean(Those::Foreign, texts) => format!("all but the source{}", on(texts)),
            Outcome::Mean(Those::Group(group), texts) => format!("{group}{}", on(texts)),
            Outcome::Mean(Those::Source, texts) => format!("the source{}", on(texts)),
            Outcome::Gap => "transfer gap".into(),
            Outcome::Loss(change) => format!("loss by {change}"),
            Outcome::Kept(Those::Source, change) => format!("the source, {change} − unchanged"),
            Outcome::Kept(_, change) => format!("{change} − unchanged"),
            Outcome::Between([one, other], texts) => format!("{one} − {other}{}", on(texts)),
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
    /// p after Holm's correction over the figures that are asked for, or over all others; none with one seed.
    pub p: Option<f64>,
    /// Whether it is what the study asks for in the first place.
    pub is_asked: bool,
}

/// What is known of one target, arm and method: by seed, each outcome.
type BySeed = BTreeMap<u64, BTreeMap<Outcome, f64>>;

/// A target, an arm, a method, and what texts.
type Side = (usize, Arm, String, Texts);

/// Values by target, arm and method.
#[derive(Debug, Default)]
pub struct Scores {
    values: BTreeMap<(usize, Arm, String), BySeed>,
    /// By seed, then language: for gains over languages.
    by_language: BTreeMap<Side, BTreeMap<u64, BTreeMap<String, f64>>>,
    sources: BTreeMap<usize, String>,
}

impl Scores {
    /// Takes in what was observed.
    pub fn of(observations: &[Observation], groups: &Groups) -> Scores {
        let mut scores = Scores::default();
        for one in observations {
            let key = (one.target, one.arm.clone(), one.method.clone(), one.texts.clone());
            scores.by_language.entry(key).or_default().insert(one.seed, one.scores.clone());
            scores.sources.insert(one.target, one.source.clone());
        }
        for one in observations.iter().filter(|one| one.texts == Texts::Own) {
            let key = (one.target, one.arm.clone(), one.method.clone());
            let mut outcomes = clean(one, groups);
            let others = observations.iter().filter(|other| other.texts != Texts::Own && of_one_model(one, other));
            outcomes.extend(others.filter_map(|other| beside(one, other)));
            scores.values.entry(key).or_default().insert(one.seed, outcomes);
        }
        scores
    }

    /// The slopes of every outcome over the number of tasks: of each target and of all, by each method, and of the
    /// differences from the first. Arms that lack a seed are left out; their number comes with it.
    pub fn slopes(&self, design: &Design, methods: &[String]) -> (Vec<Figure>, usize) {
        let whole = |values: &BySeed| design.seeds.iter().all(|seed| values.contains_key(seed));
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
                            is_asked: false,
                        }));
                    }
                }
            }
        }
        (corrected(figures, design, methods), left_out)
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

    /// The gain of each named arm over none: of each target by each method, in each group of languages, between groups, on
    /// each kind of texts, and what of it a change of texts takes or adds. Beside them what other methods gain
    /// more than the first (`adv − standard`), and what they have over it after each arm (`adv over standard`).
    /// Languages and seeds are what a gain is sure by.
    pub fn gains(&self, design: &Design, methods: &[String], groups: &Groups) -> Vec<Figure> {
        let none = Arm::of(Vec::new());
        let mut figures = Vec::new();
        for (target, arm, method, texts) in self.by_language.keys() {
            let Some(number) = methods.iter().position(|known| known == method) else { continue };
            let side = |weight: f64, arm: &Arm, method: &String, texts: &Texts| {
                (weight, (*target, arm.clone(), method.clone(), texts.clone()))
            };
            let gain = |weight: f64, method: &String, texts: &Texts| {
                [side(weight, arm, method, texts), side(-weight, &none, method, texts)]
            };
            let mut add = |named: &str, outcome: Outcome, estimate: Option<Estimate>| {
                figures.extend(estimate.map(|estimate| Figure {
                    target: Some(*target),
                    arm: Some(arm.name.clone()),
                    method: named.to_owned(),
                    outcome,
                    estimate,
                    p: None,
                    is_asked: false,
                }));
            };
            let mean = |those: Those| Outcome::Mean(those, texts.clone());
            let first = &methods[0];
            if number > 0 {
                let over = [side(1.0, arm, method, texts), side(-1.0, arm, first, texts)];
                for those in [Those::Foreign, Those::Source] {
                    let estimate = self.estimate(design, &over, &those, groups);
                    add(&format!("{method} over {first}"), mean(those), estimate);
                }
            }
            if arm.tasks.is_empty() {
                continue;
            }
            let own = gain(1.0, method, texts);
            let of_groups = groups.keys().map(|name| Those::Group(name.clone()));
            for those in [Those::Foreign, Those::Source].into_iter().chain(of_groups) {
                let estimate = self.estimate(design, &own, &those, groups);
                add(method, mean(those), estimate);
            }
            for names in CONTRASTS.map(|names| names.map(str::to_owned)) {
                let of = |name: &String| self.contrast(design, &own, &Those::Group(name.clone()), groups);
                let sides = of(&names[0]).zip(of(&names[1]));
                let sides = sides.filter(|(a, b)| [a, b].iter().all(|side| has_languages(side)));
                let estimate = sides.map(|(a, b)| Estimate::between(&a, &b));
                add(method, Outcome::Between(names, texts.clone()), estimate);
            }
            if let Texts::Changed(change) = texts {
                let kept = [own.clone(), gain(-1.0, method, &Texts::Own)].concat();
                for those in [Those::Foreign, Those::Source] {
                    let estimate = self.estimate(design, &kept, &those, groups);
                    add(method, Outcome::Kept(those, change.clone()), estimate);
                }
            }
            if number > 0 && *texts == Texts::Own {
                let apart = [own, gain(-1.0, first, texts)].concat();
                for those in [Those::Foreign, Those::Source] {
                    let estimate = self.estimate(design, &apart, &those, groups);
                    add(&format!("{method} − {first}"), mean(those), estimate);
                }
            }
        }
        corrected(figures, design, methods)
    }

    /// A sum of scores with these weights, by seed and language; of the languages that the first of them has. None where
    /// another lacks one, or a seed.
    fn contrast(&self, design: &Design, sides: &[(f64, Side)], those: &Those, groups: &Groups) -> Option<Values> {
        let source = &self.sources[&sides[0].1.0];
        let is_wanted = |code: &String| match those {
            Those::Foreign => code != source,
            Those::Source => code == source,
            Those::Group(name) => code != source && groups.get(name).is_some_and(|group| group.contains(code)),
        };
        let scores = sides.iter().map(|(weight, side)| Some((weight, self.by_language.get(side)?)));
        let scores: Vec<_> = scores.collect::<Option<_>>()?;
        let languages: BTreeSet<&String> =
            scores[0].1.values().flat_map(BTreeMap::keys).filter(|code| is_wanted(code)).collect();
        let of_seed = |seed: &u64| -> Option<Vec<f64>> {
            let sum =
                |code: &&String| scores.iter().map(|(weight, of)| Some(*weight * of.get(seed)?.get(*code)?)).sum();
            languages.iter().map(sum).collect()
        };
        design.seeds.iter().map(of_seed).collect()
    }

    /// That, over seeds and languages; of the source over seeds alone.
    fn estimate(&self, design: &Design, sides: &[(f64, Side)], those: &Those, groups: &Groups) -> Option<Estimate> {
        let values = self.contrast(design, sides, those, groups)?;
        match those {
            Those::Source => Some(values.concat())
                .filter(|own| own.len() == design.seeds.len() && own.len() > 1)
                .map(|own| Estimate::of_seeds(&own)),
            _ => over_languages(&values),
        }
    }

    /// What each arm has with each seed, by method, in a target.
    pub fn of_target(&self, target: usize, outcome: &Outcome) -> BTreeMap<(&Arm, &str), Vec<f64>> {
        let own = self.values.iter().filter(|((number, ..), _)| *number == target);
        own.map(|((_, arm, method), by_seed)| {
            ((arm, method.as_str()), by_seed.values().filter_map(|outcomes| outcomes.get(outcome).copied()).collect())
        })
        .collect()
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

/// The mean over languages that are a sample of more, two at least.
fn over_languages(values: &Values) -> Option<Estimate> {
    has_languages(values).then(|| Estimate::of(std::slice::from_ref(values)))
}

fn has_languages(values: &Values) -> bool {
    values.first().is_some_and(|languages| languages.len() > 1)
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
    let source = one.scores.get(&one.source).copied();
    let gap = all.zip(source).map(|(mean, source)| source - mean);
    let of_group = |name: &String| (Outcome::Mean(Those::Group(name.clone()), Texts::Own), in_group(name));
    let between = |[a, b]: [&str; 2]| {
        let difference = in_group(a).zip(in_group(b)).map(|(a, b)| a - b);
        (Outcome::Between([a, b].map(str::to_owned), Texts::Own), difference)
    };
    let outcomes = [
        (Outcome::Mean(Those::Foreign, Texts::Own), all),
        (Outcome::Mean(Those::Source, Texts::Own), source),
        (Outcome::Gap, gap),
    ];
    let outcomes = outcomes.into_iter().chain(groups.keys().map(of_group)).chain(CONTRASTS.map(between));
    outcomes.filter_map(|(outcome, value)| Some((outcome, value?))).collect()
}

/// What other texts say of the same model: what a change of texts takes from the mean over the languages but the source
/// that were measured with it, and the score on a challenge set.
fn beside(clean: &Observation, other: &Observation) -> Option<(Outcome, f64)> {
    let mean = |all: Vec<f64>| (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);
    match &other.texts {
        Texts::Own => None,
        Texts::Changed(change) => {
            let both = other.scores.iter().filter(|(code, _)| **code != clean.source);
            let lost = both.filter_map(|(code, score)| Some(clean.scores.get(code)? - score)).collect();
            Some((Outcome::Loss(change.clone()), mean(lost)?))
        }
        Texts::Challenge(_) => {
            let outcome = Outcome::Mean(Those::Source, other.texts.clone());
            Some((outcome, mean(other.scores.values().copied().collect())?))
        }
    }
}

/// Marks what a study asks for in the first place, of each method: what tasks do to the languages other than the source, or
/// with subsets to the complex ones; where the source alone is measured, to that. With subsets it is that over all targets.
fn ask(figures: &mut [Figure], design: &Design, methods: &[String]) {
    let own = |those: Those| Outcome::Mean(those, Texts::Own);
    let complex = design.diversity.is_some().then(|| own(Those::Group(COMPLEX.into())));
    let outcomes: Vec<Outcome> = complex.into_iter().chain([own(Those::Foreign), own(Those::Source)]).collect();
    let is_one = design.diversity.is_none() || design.targets.len() == 1;
    for method in methods {
        let is_of = |figure: &Figure, outcome: &Outcome| {
            figure.method == *method && figure.outcome == *outcome && (is_one || figure.target.is_none())
        };
        let Some(first) = outcomes.iter().find(|outcome| figures.iter().any(|one| is_of(one, outcome))) else {
            continue;
        };
        figures.iter_mut().filter(|figure| is_of(figure, first)).for_each(|figure| figure.is_asked = true);
    }
}

/// The figures with p-values after Holm's correction: over those asked for in the first place, and over all others. None with
/// one seed, by which nothing is tested, and of what does not vary.
fn corrected(mut figures: Vec<Figure>, design: &Design, methods: &[String]) -> Vec<Figure> {
    ask(&mut figures, design, methods);
    // What is the same in every seed and language by chance, such as whole items of a hundred, is no certainty.
    let is_tested = |figure: &Figure| figure.estimate.has_seeds && figure.estimate.varies();
    for is_asked in [true, false] {
        let mut family: Vec<&mut Figure> = figures.iter_mut().filter(|figure| figure.is_asked == is_asked).collect();
        let p: Vec<f64> = family.iter().map(|f| if is_tested(f) { f.estimate.p() } else { f64::NAN }).collect();
        for (figure, p) in family.iter_mut().zip(holm(&p)) {
            figure.p = (!p.is_nan()).then_some(p);
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::languages::SIMPLE;

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
                let own = [
                    (Texts::Own, 0.0),
                    (Texts::Changed("typos:0.1".into()), 0.05),
                    (Texts::Challenge("hard".into()), 0.2),
                ];
                for (texts, lost) in own {
                    let k = arm.tasks.len() as f64;
                    let scores = [
                        ("en", 0.9 + 0.002 * k),
                        ("fi", 0.5 + 0.03 * k - lost),
                        ("hu", 0.4 + 0.05 * k - lost),
                        ("nl", 0.7 + 0.01 * k - lost),
                        ("sv", 0.7 + 0.01 * k - lost),
                    ];
                    let n = if matches!(texts, Texts::Challenge(_)) { 1 } else { scores.len() };
                    let scores = scores[..n].iter().map(|(code, score)| ((*code).to_owned(), *score)).collect();
                    let (method, source, arm) = ("standard".into(), "en".into(), arm.clone());
                    all.push(Observation { target: 0, arm, seed, method, texts, source, scores });
                }
            }
        }
        all
    }

    fn groups() -> Groups {
        let set = |codes: [&str; 2]| BTreeSet::from(codes.map(str::to_owned));
        Groups::from([(COMPLEX.to_owned(), set(["fi", "hu"])), (SIMPLE.to_owned(), set(["nl", "sv"]))])
    }

    #[test]
    fn slopes_are_points_for_each_task() {
        let scores = Scores::of(&observations(), &groups());
        let (figures, left_out) = scores.slopes(&design(), &["standard".to_owned()]);
        let of = |outcome: &Outcome| {
            let found = figures.iter().find(|figure| figure.outcome == *outcome && figure.target == Some(0));
            found.unwrap_or_else(|| panic!("{outcome:?}")).estimate.value
        };
        let group = |name: &str| Outcome::Mean(Those::Group(name.into()), Texts::Own);
        for (outcome, expected) in [
            (group(COMPLEX), 0.04),
            (group(SIMPLE), 0.01),
            (Outcome::Between([COMPLEX, SIMPLE].map(str::to_owned), Texts::Own), 0.03),
            (Outcome::Mean(Those::Foreign, Texts::Own), 0.025),
            (Outcome::Mean(Those::Source, Texts::Challenge("hard".into())), 0.002),
            (Outcome::Gap, -0.023),
            (Outcome::Loss("typos:0.1".into()), 0.0),
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
        let figures = scores.gains(&design(), &["standard".to_owned()], &groups());
        let of = |outcome: &Outcome| {
            let found = figures.iter().find(|one| one.arm.as_deref() == Some("a+b") && one.outcome == *outcome);
            found.unwrap_or_else(|| panic!("{outcome:?}")).estimate.value
        };
        let typos = Texts::Changed("typos:0.1".into());
        for (outcome, expected) in [
            (Outcome::Mean(Those::Foreign, Texts::Own), 0.05),
            (Outcome::Mean(Those::Group(COMPLEX.into()), typos.clone()), 0.08),
            (Outcome::Between([COMPLEX, SIMPLE].map(str::to_owned), typos), 0.06),
            (Outcome::Mean(Those::Source, Texts::Own), 0.004),
            (Outcome::Mean(Those::Source, Texts::Challenge("hard".into())), 0.004),
            (Outcome::Kept(Those::Foreign, "typos:0.1".into()), 0.0),
        ] {
            assert!((of(&outcome) - expected).abs() < 1e-9, "{outcome:?}: {}", of(&outcome));
        }
    }

    #[test]
    fn methods_are_held_against_the_first() {
        // The other method has 3 points more without a task before, and one more for each task; on changed texts a half.
        let other = |one: &Observation| {
            let k = one.arm.tasks.len() as f64;
            let more = if one.texts == Texts::Own { 0.03 + 0.01 * k } else { 0.015 + 0.005 * k };
            let scores = one.scores.iter().map(|(code, score)| (code.clone(), score + more)).collect();
            Observation { method: "adv".into(), scores, ..one.clone() }
        };
        let both: Vec<Observation> = observations().iter().flat_map(|one| [one.clone(), other(one)]).collect();
        let figures = Scores::of(&both, &groups()).gains(&design(), &["standard".into(), "adv".into()], &groups());
        let foreign = |texts: Texts| Outcome::Mean(Those::Foreign, texts);
        let typos = || Texts::Changed("typos:0.1".into());
        for (method, arm, outcome, expected) in [
            ("adv over standard", "none", foreign(Texts::Own), 0.03),
            ("adv over standard", "a+b", foreign(Texts::Own), 0.05),
            ("adv over standard", "a+b", foreign(typos()), 0.025),
            ("adv − standard", "a+b", foreign(Texts::Own), 0.02),
            ("adv − standard", "a+b", Outcome::Mean(Those::Source, Texts::Own), 0.02),
            ("adv", "a+b", Outcome::Kept(Those::Foreign, "typos:0.1".into()), -0.01),
        ] {
            let is = |one: &&Figure| one.method == method && one.arm.as_deref() == Some(arm) && one.outcome == outcome;
            let found = figures.iter().find(is).unwrap_or_else(|| panic!("{method} {arm} {outcome:?}"));
            assert!((found.estimate.value - expected).abs() < 1e-9, "{method} {arm}: {}", found.estimate.value);
        }
        assert!(!figures.iter().any(|one| one.arm.as_deref() == Some("none") && one.method != "adv over standard"));
        // What is asked for first, of subsets: what each arm does, by each method, to the complex languages.
        let asked: Vec<&Figure> = figures.iter().filter(|one| one.is_asked).collect();
        let n_arms = design().arms_of(&design().targets[0]).iter().filter(|arm| !arm.tasks.is_empty()).count();
        let complex = Outcome::Mean(Those::Group(COMPLEX.into()), Texts::Own);
        assert_eq!(asked.len(), 2 * n_arms);
        assert!(asked.iter().all(|one| one.outcome == complex && !one.method.contains(' ')));
    }
}
