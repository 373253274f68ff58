//! Test items of which a method makes more, or less, than the baseline does: gained and lost, with their texts.
//!
//! The marks of answers decide, the answers themselves are only shown. A text is that of the file whose hash the run
//! recorded; where the file is gone or holds something else now, its items are listed without texts, and that is said.

use super::{
    runs::{Cell, Study, answers},
    statistics::mean,
};
use crate::{
    data::Data,
    error::{Error, Result},
    kinds::{self, Marked},
    tasks::{
        Example,
        predictions::{Prediction, sentence_of},
    },
};
use rayon::prelude::*;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

/// Values closer than this are one: sums over seeds are rounded.
const ROUNDING: f64 = 1e-9;

/// The items on which one method and the baseline differ.
#[derive(Debug, Clone, Serialize)]
pub struct Changes {
    /// The method.
    pub method: String,
    /// What it is compared with.
    pub baseline: String,
    /// What changed in each language.
    pub languages: Vec<LanguageChanges>,
    /// Which texts are not shown, and why.
    pub notes: Vec<String>,
}

/// What changed in one language, what most seeds agree on first.
#[derive(Debug, Clone, Serialize)]
pub struct LanguageChanges {
    /// Its code in the data.
    pub language: String,
    /// Items of which the method makes more.
    pub gained: Vec<Change>,
    /// Items of which it makes less.
    pub lost: Vec<Change>,
}

/// An item of which one side makes more than the other.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// File and line of the example, or of the first of several answers that are marked as one.
    pub id: String,
    /// What joins it with its translations.
    pub row: usize,
    /// Whether every seed of one side makes more of it than every seed of the other.
    pub in_all_seeds: bool,
    /// What is right; of several answers those on which the models differ.
    pub expected: String,
    /// What the baseline says.
    pub before: Side,
    /// What the method says.
    pub after: Side,
    /// The text, where the data that were measured are there.
    pub text: Option<String>,
}

/// What the seeds of a method make of an item.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// The share of its marks, by seed: 1 where all is right.
    pub values: Vec<f64>,
    /// The answer, by seed.
    pub answers: Vec<String>,
}

impl Change {
    /// By how much the method makes more of it, as a mean over seeds.
    pub fn difference(&self) -> f64 {
        mean(&self.after.values) - mean(&self.before.values)
    }
}

/// What models of one method said in a language.
struct Said {
    predictions: Vec<Prediction>,
    /// The share of marks by the id of what is marked.
    values: HashMap<String, f64>,
}

/// Compares a method with the baseline, each by its label and the places of its models; `data` is where the data lie now, if
/// not where the runs had them.
pub fn changes(
    study: &Study,
    (baseline, before): (&str, &[usize]),
    (method, after): (&str, &[usize]),
    data: Option<&Path>,
) -> Result<Changes> {
    let compared: Vec<(LanguageChanges, Option<String>)> = study
        .languages
        .par_iter()
        .map(|language| in_language(study, language, before, after, data))
        .collect::<Result<_>>()?;
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (found, reason) in &compared {
        if let Some(reason) = reason {
            reasons.entry(reason.clone()).or_default().push(&found.language);
        }
    }
    let note = |(reason, languages): (&String, &Vec<&str>)| format!("no texts of {}: {reason}", languages.join(", "));
    let notes = reasons.iter().map(note).collect();
    let languages = compared.into_iter().map(|(found, _)| found).collect();
    Ok(Changes { method: method.to_owned(), baseline: baseline.to_owned(), languages, notes })
}

/// The changes in one language, and why some have no text.
fn in_language(
    study: &Study,
    language: &str,
    before: &[usize],
    after: &[usize],
    data: Option<&Path>,
) -> Result<(LanguageChanges, Option<String>)> {
    let said = |cell: &usize| said(study, language, &study.cells[*cell]);
    let all: Vec<Said> = before.iter().chain(after).map(said).collect::<Result<_>>()?;
    let examples = examples(study, language, data);
    let none = HashMap::new();
    let known = examples.as_ref().unwrap_or(&none);
    let mut found = LanguageChanges { language: language.to_owned(), gained: Vec::new(), lost: Vec::new() };
    for cluster in kinds::of(study.task).clusters(&all[0].predictions) {
        let Some(change) = change(&all, before.len(), &cluster, known) else { continue };
        if change.difference() > 0.0 { found.gained.push(change) } else { found.lost.push(change) }
    }
    for list in [&mut found.gained, &mut found.lost] {
        list.sort_by(|a, b| {
            let size = |change: &Change| change.difference().abs();
            size(b).total_cmp(&size(a)).then(b.in_all_seeds.cmp(&a.in_all_seeds)) // then in the order of the file
        });
    }
    let lacking = found.gained.iter().chain(&found.lost).any(|change| change.text.is_none());
    let reason = examples.err().unwrap_or_else(|| "some items are not in the file by their ids".to_owned());
    Ok((found, lacking.then_some(reason)))
}

fn said(study: &Study, language: &str, cell: &Cell) -> Result<Said> {
    let predictions = answers(cell, language)?;
    let share = |one: Marked| {
        let (part, whole) = one.marks[0];
        // Nothing wanted and nothing given, such as a sentence without names, is right.
        (one.id, if whole == 0.0 { 1.0 } else { part / whole })
    };
    let values = kinds::of(study.task).marks(study.task, language, &predictions)?.into_iter().map(share).collect();
    Ok(Said { predictions, values })
}

/// What is known under the id of an answer, or of the sentence that a word is in.
fn under<'a, T>(known: &'a HashMap<String, T>, id: &str) -> Option<&'a T> {
    known.get(id).or_else(|| known.get(sentence_of(id)))
}

/// A cluster of answers, if the two sides make differently much of it; the first `n_before` models are the baseline's.
fn change(all: &[Said], n_before: usize, cluster: &[usize], examples: &HashMap<String, Example>) -> Option<Change> {
    let first = &all[0].predictions[*cluster.first()?];
    let values: Vec<f64> = all.iter().filter_map(|said| under(&said.values, &first.id).copied()).collect();
    if values.len() < all.len() {
        return None; // it has no mark
    }
    let (before, after) = values.split_at(n_before);
    let difference = mean(after) - mean(before);
    if difference.abs() < ROUNDING {
        return None;
    }
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let in_all_seeds = least(after) > most(before) || least(before) > most(after);
    let example = under(examples, &first.id);
    let told = |say: &dyn Fn(usize) -> String| told(all, cluster, example, say);
    let mut answers: Vec<String> = all.iter().map(|said| told(&|at| said.predictions[at].prediction.clone())).collect();
    let after_answers = answers.split_off(n_before);
    Some(Change {
        id: first.id.clone(),
        row: first.row,
        in_all_seeds,
        expected: told(&|at| right(&all[0].predictions[at])),
        before: Side { values: before.to_vec(), answers },
        after: Side { values: after.to_vec(), answers: after_answers },
        text: example.map(Example::text).or_else(|| own_text(first)),
    })
}

/// An answer; of several those on which the models differ, each with its word, or the end of its id where no text is known.
fn told(all: &[Said], cluster: &[usize], example: Option<&Example>, say: &dyn Fn(usize) -> String) -> String {
    if let [only] = cluster {
        return say(*only);
    }
    let given = |said: &Said, at: usize| said.predictions[at].prediction.clone();
    let differs = |(_, at): &(usize, &usize)| all.iter().any(|said| given(said, **at) != given(&all[0], **at));
    let with_word = |(i, at): (usize, &usize)| {
        let id = &all[0].predictions[*at].id;
        let word = example.and_then(|example| example.words.get(i)).map(|word| word.text.as_str());
        format!("{} {}", word.or(id.rsplit(['.', ':']).next()).unwrap_or(id), say(*at))
    };
    cluster.iter().enumerate().filter(differs).map(with_word).collect::<Vec<_>>().join(", ")
}

/// What is right: the label, or all answers of which any is.
fn right(one: &Prediction) -> String {
    let label = one.label.clone().unwrap_or_default();
    match &one.answers {
        Some(answers) if answers.join(", ") != label => answers.join(" | "),
        _ => label,
    }
}

/// The text that a file of predictions holds itself.
fn own_text(one: &Prediction) -> Option<String> {
    let a = one.a.as_ref()?;
    Some(one.b.as_ref().map_or_else(|| a.clone(), |b| format!("{a} | {b}")))
}

/// The examples of a language by their ids, if the files are those that were measured; else why not.
fn examples(study: &Study, language: &str, data: Option<&Path>) -> Result<HashMap<String, Example>, String> {
    let split = study.cells[0].split().to_string();
    let measured = study.data.iter().filter(|file| file.split == split && file.language == language);
    let measured: BTreeSet<&str> = measured.map(|file| file.sha256.as_str()).collect();
    let recipe = study.cells[0].recipe_on(data).filter(|_| !measured.is_empty());
    let recipe = recipe.ok_or("no run recorded which files were measured")?;
    let loaded = Data::new(&recipe).test(study.task, language).map_err(|error| match error {
        Error::Missing(message) => format!("{message}; --data DIR names another folder"),
        error => error.to_string(),
    })?;
    let found: BTreeSet<&str> = loaded.files.iter().map(|file| file.sha256.as_str()).collect();
    if found != measured {
        let short = |hashes: &BTreeSet<&str>| {
            hashes.iter().map(|hash| format!("{}…", &hash[..hash.len().min(12)])).collect::<Vec<_>>().join(", ")
        };
        let paths: Vec<String> = loaded.files.iter().map(|file| file.path.display().to_string()).collect();
        let (path, found, measured) = (paths.join(", "), short(&found), short(&measured));
        return Err(format!("{path} is not what was measured: SHA-256 {found} now, {measured} then"));
    }
    Ok(loaded.examples.into_iter().map(|example| (example.id.clone(), example)).collect())
}

/// A change as a line of a file.
#[derive(Serialize)]
struct Line<'a> {
    language: &'a str,
    change: &'static str,
    method: &'a str,
    baseline: &'a str,
    #[serde(flatten)]
    item: &'a Change,
}

fn lines(all: &[Changes]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for Changes { method, baseline, languages, .. } in all {
        for LanguageChanges { language, gained, lost } in languages {
            for (change, items) in [("gained", gained), ("lost", lost)] {
                lines.extend(items.iter().map(|item| Line { language, change, method, baseline, item }));
            }
        }
    }
    lines
}

/// All changes as JSON Lines, an object each.
pub fn to_jsonl(all: &[Changes]) -> String {
    let line = |line: &Line| serde_json::to_string(line).expect("texts and finite numbers have a form as JSON") + "\n";
    lines(all).iter().map(line).collect()
}

/// All changes as a table whose columns are parted by tabs; what would part them further inside a field is a space there.
pub fn to_tsv(all: &[Changes]) -> String {
    const NAMES: &str = "language\tchange\tid\trow\tin_all_seeds\tbaseline\tmethod\tbaseline_values\tmethod_values\t\
                         expected\tbaseline_answers\tmethod_answers\ttext\n";
    let values = |side: &Side| side.values.iter().map(f64::to_string).collect::<Vec<_>>().join(" | ");
    let row = |Line { language, change, method, baseline, item }: &Line| {
        let fields = [
            (*language).to_owned(),
            (*change).to_owned(),
            item.id.clone(),
            item.row.to_string(),
            item.in_all_seeds.to_string(),
            (*baseline).to_owned(),
            (*method).to_owned(),
            values(&item.before),
            values(&item.after),
            item.expected.clone(),
            item.before.answers.join(" | "),
            item.after.answers.join(" | "),
            item.text.clone().unwrap_or_default(),
        ];
        fields.map(|field| field.replace(['\t', '\n', '\r'], " ")).join("\t") + "\n"
    };
    NAMES.to_owned() + &lines(all).iter().map(row).collect::<String>()
}
