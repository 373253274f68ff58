//! The page of a study.

use std::collections::BTreeMap;

use super::{
    answer::{Figure, Outcome, Scores, Texts, Those},
    design::{Budget, Cell, Design},
    languages::{COMPLEX, CONTRASTS, Groups, LOW_RESOURCE, Languages, Words},
};
use crate::report::{
    Column, NOTHING, Table,
    document::Document,
    languages, p_value, percent, points, range,
    statistics::{mean, standard_deviation},
};

/// What a page is made of.
pub struct Findings<'a> {
    /// The study.
    pub design: &'a Design,
    /// Its runs.
    pub cells: &'a [Cell],
    /// How many of them are finished.
    pub done: usize,
    /// What was measured.
    pub scores: &'a Scores,
    /// Languages by groups.
    pub groups: &'a Groups,
    /// What was measured of languages.
    pub languages: &'a Languages,
    /// The names of the methods.
    pub methods: &'a [String],
    /// What makes figures doubtful.
    pub warnings: &'a [String],
    /// What there is to say beside.
    pub notes: &'a [String],
}

/// Writes it.
pub fn page(findings: &Findings) -> Document {
    let Findings { design, scores, methods, groups, .. } = findings;
    let mut page = Document { title: format!("{}: {}", design.name, design.question), blocks: Vec::new() };
    let (figures, left_out) = match design.diversity {
        Some(_) => scores.slopes(design, methods),
        None => (scores.gains(design, methods, groups), 0),
    };
    page.verdict(verdict(findings, &figures));
    let asked = figures.iter().filter(|figure| figure.is_asked).count();
    page.text(what_was_done(findings, asked, left_out));
    findings.warnings.iter().for_each(|warning| page.note(warning.clone()));
    if design.seeds.len() < 2 {
        page.text("One seed: intervals are over arms or languages alone and hold for these models; nothing is tested.");
    }
    in_short(&mut page, findings, &figures);
    match design.diversity {
        Some(_) => slopes(&mut page, findings, &figures),
        None => {
            levels(&mut page, findings);
            gains(&mut page, design, &figures);
            small_groups(findings).into_iter().for_each(|note| page.note(note));
        }
    }
    languages_measured(&mut page, findings);
    findings.notes.iter().for_each(|note| page.note(note.clone()));
    page
}

/// `+0.4 [−0.1, +0.9]`
fn figure(figure: &Figure) -> String {
    let star = if figure.p.is_some_and(|p| p < 0.05) { "*" } else { "" };
    format!("{} {}{star}", points(figure.estimate.value), range(figure.estimate.interval_of_difference(2.0)))
}

/// Changes that are said one by one though they are not told from none.
const MOST: usize = 4;

/// The answer, in a sentence for each change that there is, and for each that might be where these are few.
fn verdict(findings: &Findings, figures: &[Figure]) -> String {
    let Findings { design, methods, done, .. } = findings;
    let (n_runs, done) = (findings.cells.len(), *done);
    let (mut said, mut not_told) = (Vec::new(), Vec::new());
    for method in *methods {
        for one in figures.iter().filter(|figure| figure.is_asked && figure.method == *method) {
            let sure = match one.p {
                Some(p) if p < 0.05 => "beyond chance",
                Some(_) => "not told from none by these runs",
                None => "of these models alone",
            };
            let target = one.target.map_or("over the targets".to_owned(), |t| format!("on {}", design.targets[t].task));
            let what = match &one.arm {
                None => format!("each further task changes {} by", one.outcome.name()),
                Some(arm) => format!("{arm} before changes {} by", one.outcome.name()),
            };
            let sentence = format!("With {method} {target}, {what} {} points ({sure}).", figure(one));
            if one.p.is_some_and(|p| p >= 0.05) { not_told.push((one, sentence)) } else { said.push(sentence) }
        }
    }
    if not_told.len() > MOST {
        let values = || not_told.iter().map(|(one, _)| one.estimate.value);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        let others = if said.is_empty() { "" } else { "other " };
        said.push(format!(
            "None of the {others}{} changes is told from none by these runs; they lie between {} and {} points.",
            not_told.len(),
            points(low),
            points(high)
        ));
    } else {
        said.extend(not_told.into_iter().map(|(_, sentence)| sentence));
    }
    match said.is_empty() {
        true if done < n_runs => "Nothing can be said yet: too few runs are finished.".into(),
        true => "Nothing can be said: what was measured is too little for a mean and how sure it is.".into(),
        false => said.join(" "),
    }
}

fn what_was_done(findings: &Findings, asked: usize, left_out: usize) -> String {
    let Findings { design, cells, done, .. } = findings;
    let targets: Vec<&str> = design.targets.iter().map(|target| target.task.as_str()).collect();
    let arms = match &design.diversity {
        Some(diversity) => {
            let budget = match diversity.budget {
                Budget::Total => "the same number of updates in all",
                Budget::PerTask => "the same number of updates for each task",
            };
            let sizes: Vec<String> = diversity.sizes.iter().map(usize::to_string).collect();
            format!(
                "subsets of {} tasks ({}), {} of each size, {budget}",
                sizes.join(", "),
                diversity.pool.join(", "),
                diversity.subsets
            )
        }
        None => design
            .arms
            .iter()
            .map(|arm| format!("{} ({})", arm.name, arm.tasks.join(", ")))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let limit =
        design.data.get("max_eval_samples").map_or(String::new(), |n| format!(" Scores are of {n} items a language."));
    let seeds: Vec<String> = design.seeds.iter().map(u64::to_string).collect();
    let lacking = match left_out {
        0 => String::new(),
        n => format!(" {n} models of arms that lack a seed are left out."),
    };
    format!(
        "{done} of {} runs are finished: targets {} after {arms}; seeds {}. Intervals are 95 %; p are after Holm's \
         correction over the {asked} figures that the verdict speaks of, and over all others of this page; * is p < 0.05; \
         {NOTHING} where nothing varies, which says nothing of how sure it is. Gains in the source are over seeds alone, others over seeds and languages; test items are \
         the same everywhere and are not drawn again.{limit}{lacking}",
        cells.len(),
        targets.join(", "),
        seeds.join(", "),
    )
}

/// What is asked first, methods side by side, so that nobody needs to look for it among all figures.
fn in_short(page: &mut Document, findings: &Findings, figures: &[Figure]) {
    let own = |those: Those| Outcome::Mean(those, Texts::Own);
    let has_arms = figures.iter().any(|figure| figure.arm.is_some());
    let between = CONTRASTS.map(|groups| Outcome::Between(groups.map(str::to_owned), Texts::Own));
    let others = [own(Those::Foreign), own(Those::Group(COMPLEX.into()))].into_iter().chain(between);
    let outcomes: Vec<Outcome> = others.take(if has_arms { 1 } else { usize::MAX }).collect();
    let methods = findings.methods;
    let mut rows: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for one in figures.iter().filter(|figure| outcomes.contains(&figure.outcome)) {
        let Some(column) = methods.iter().position(|method| *method == one.method) else { continue };
        let target = one.target.map_or("all", |target| findings.design.targets[target].task.as_str()).to_owned();
        let key = vec![target, one.arm.clone().unwrap_or_else(|| one.outcome.name())];
        let at = rows.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
            rows.push((key, vec![String::new(); methods.len()]));
            rows.len() - 1
        });
        rows[at].1[column] = figure(one);
    }
    if rows.is_empty() {
        return;
    }
    let words = ["target", if has_arms { "before" } else { "languages" }].map(Column::words);
    let mut table = Table::new(words.into_iter().chain(methods.iter().map(Column::numbers))).keyed(2);
    for (key, cells) in rows {
        table = table.row(key.into_iter().chain(cells));
    }
    let what = match has_arms {
        true => "gains in points over learning the target alone, in all languages but the source",
        false => "points for each further task",
    };
    page.heading("In short");
    page.table("short", format!("{what}; all other figures follow"), table);
}

/// Slopes by target and method, and the means that they are of.
fn slopes(page: &mut Document, findings: &Findings, figures: &[Figure]) {
    let Findings { design, scores, .. } = findings;
    page.heading("Points for each further task");
    let mut outcomes: Vec<&Outcome> = figures.iter().map(|figure| &figure.outcome).collect();
    outcomes.sort();
    outcomes.dedup();
    for outcome in outcomes {
        let columns = [Column::words("target"), Column::words("method")];
        let columns = columns.into_iter().chain([Column::numbers("points a task"), Column::numbers("p")]);
        let mut table = Table::new(columns).keyed(2);
        for one in figures.iter().filter(|figure| figure.outcome == *outcome) {
            let target = one.target.map_or("all", |target| design.targets[target].task.as_str());
            let p = p_value(one.p.unwrap_or(f64::NAN));
            table = table.row([target.to_owned(), one.method.clone(), figure(one), p]);
        }
        page.table("slopes", format!("{}: slope over the number of tasks, in points", outcome.name()), table);
    }
    page.heading("Scores by the number of tasks");
    let by_size = scores.by_size(&Outcome::Mean(Those::Foreign, Texts::Own));
    let mut sizes: Vec<usize> = by_size.keys().map(|(_, _, size)| *size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let columns = sizes.iter().map(|size| Column::numbers(size.to_string()));
    let mut table = Table::new([Column::words("target"), Column::words("method")].into_iter().chain(columns)).keyed(2);
    let mut rows: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
    for (target, method, _) in by_size.keys() {
        let cell = |size: &usize| match by_size.get(&(*target, method.clone(), *size)) {
            None => String::new(),
            Some(arms) => mean_and_spread(arms),
        };
        rows.entry((*target, method.clone())).or_insert_with(|| sizes.iter().map(cell).collect());
    }
    for ((target, method), cells) in rows {
        table = table.row([design.targets[target].task.clone(), method].into_iter().chain(cells));
    }
    page.table("sizes", "Mean over the languages but the source, in %: mean ± standard deviation over arms", table);
}

/// `44.7 ± 0.8`, in %; of one value that alone, and nothing of none.
fn mean_and_spread(values: &[f64]) -> String {
    match (values, standard_deviation(values)) {
        ([], _) => String::new(),
        (_, None) => percent(mean(values)),
        (_, Some(spread)) => format!("{} ± {}", percent(mean(values)), percent(spread)),
    }
}

/// Scores by arm and method: what gains are gains upon.
fn levels(page: &mut Document, findings: &Findings) {
    let Findings { design, scores, .. } = findings;
    page.heading("Scores");
    for (number, target) in design.targets.iter().enumerate() {
        let of = |those: Those| scores.of_target(number, &Outcome::Mean(those, Texts::Own));
        let (source, others) = (of(Those::Source), of(Those::Foreign));
        if source.is_empty() {
            continue;
        }
        let columns = [Column::words("before"), Column::words("method"), Column::numbers("seeds")];
        let columns = columns.into_iter().chain([Column::numbers("the source"), Column::numbers("all but the source")]);
        let mut table = Table::new(columns).keyed(2);
        for (key @ (arm, method), own) in &source {
            let others = others.get(key).cloned().unwrap_or_default();
            let seeds = own.len().max(others.len()).to_string();
            table = table.row([
                arm.name.clone(),
                (*method).to_owned(),
                seeds,
                mean_and_spread(own),
                mean_and_spread(&others),
            ]);
        }
        page.table("levels", format!("{}: in %, mean ± standard deviation over seeds", target.task), table);
    }
}

/// Groups of one language, of which no gain is given: one is no sample of others.
fn small_groups(findings: &Findings) -> Option<String> {
    let small = findings.groups.iter().filter(|(_, codes)| codes.len() == 1);
    let small: Vec<String> =
        small.map(|(name, codes)| format!("{name} ({})", codes.first().expect("it has one"))).collect();
    (!small.is_empty()).then(|| format!("Groups of one language have no gain of their own: {}.", small.join(", ")))
}

/// Gains of arms by group of languages and change of texts.
fn gains(page: &mut Document, design: &Design, figures: &[Figure]) {
    page.heading("Gains over learning the target alone, and of methods over the first");
    for (number, target) in design.targets.iter().enumerate() {
        // One table for each arm and method: what a figure is of is then short enough to stand beside it.
        let mut tables: BTreeMap<(&str, &str), Table> = BTreeMap::new();
        for one in figures.iter().filter(|figure| figure.target == Some(number)) {
            let key = (one.arm.as_deref().unwrap_or_default(), one.method.as_str());
            let columns = [Column::words("languages, texts"), Column::numbers("gain in points"), Column::numbers("p")];
            let table = tables.remove(&key).unwrap_or_else(|| Table::new(columns));
            tables.insert(key, table.row([one.outcome.name(), figure(one), p_value(one.p.unwrap_or(f64::NAN))]));
        }
        for ((arm, method), table) in tables {
            page.table("gains", format!("{} after {arm}, {method}: over seeds and languages", target.task), table);
        }
    }
}

fn languages_measured(page: &mut Document, findings: &Findings) {
    let Findings { languages: all, groups, .. } = findings;
    let is_known = all.values().any(|one| one.words.is_some() || one.features.is_some() || one.text.is_some());
    if !is_known {
        return;
    }
    page.heading("Languages");
    let mut table = Table::new([
        Column::languages("language"),
        Column::numbers("types in 500 words"),
        Column::numbers("bits a word"),
        Column::numbers("features a word"),
        Column::numbers("text read"),
        Column::words("here"),
        Column::words("lists"),
    ]);
    for (code, one) in *all {
        let known = languages::find(code);
        let lists = known.map_or(Vec::new(), |language| {
            let lists = [("rich", language.is_morphologically_rich()), ("agglutinative", language.is_agglutinative())];
            lists.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
        });
        let is_in = |name: &&str| groups.get(*name).is_some_and(|group| group.contains(code));
        let here: Vec<&str> = [COMPLEX, LOW_RESOURCE].into_iter().filter(is_in).collect();
        let words = |number: &dyn Fn(&Words) -> String| one.words.as_ref().map_or(String::new(), number);
        table = table.row([
            code.clone(),
            words(&|words| format!("{:.0}", 500.0 * words.type_token_ratio)),
            words(&|words| format!("{:.2}", words.entropy)),
            one.features.map_or(String::new(), |features| format!("{features:.2}")),
            one.text.map_or(String::new(), |text| format!("{text:.0}")),
            here.join(", "),
            lists.join(", "),
        ]);
    }
    page.table(
        "complexity",
        "Measured on parallel text, where the script parts words: different words among 500 in a row, and the entropy of \
         single words; features a word as Universal Dependencies annotates them (its parallel treebank, where there is \
         one); how much of its text the encoder has read. Complex here are the languages above the median of the first, \
         low-resource those up to the median of the last; beside stand the lists of the SPMRL shared tasks (rich) and of \
         grammars. The source is in no group.",
        table,
    );
}
