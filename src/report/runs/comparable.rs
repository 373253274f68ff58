//! What may stand side by side under which name: everything else is refused, with what differs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::found::Found;
use crate::{
    error::{Error, Result},
    tasks::predictions::Prediction,
};

/// Refuses runs that are not comparable with the first.
pub(super) fn refuse_strangers(found: &[Found]) -> Result<()> {
    found.iter().skip(1).try_for_each(|other| comparable(&found[0], other))
}

/// Refuses runs of another task, in other languages, or on other files.
fn comparable(first: &Found, other: &Found) -> Result<()> {
    let (a, b) = (first.cell.folder.display(), other.cell.folder.display());
    if first.task.name != other.task.name {
        let (task, others) = (first.task.name, other.task.name);
        return Err(Error::Data(format!("{a} is a run of {task}, {b} of {others}; report on one task at a time")));
    }
    let lacking = |own: &[String], others: &[String]| -> Vec<String> {
        others.iter().filter(|language| !own.contains(language)).cloned().collect()
    };
    for (name, own, others) in [(&a, &first.languages, &other.languages), (&b, &other.languages, &first.languages)] {
        let lacking = lacking(own, others);
        if !lacking.is_empty() {
            let lacking = lacking.join(", ");
            return Err(Error::Data(format!(
                "{a} and {b} measured different languages: {name} lacks {lacking}; run both with the same languages"
            )));
        }
    }
    let tests = |found: &Found| -> BTreeSet<(String, String)> {
        let split = found.cell.split().to_string();
        let tests = found.data.iter().filter(|file| file.split == split);
        tests.map(|file| (file.language.clone(), file.sha256.clone())).collect()
    };
    let (of_first, of_other) = (tests(first), tests(other));
    match of_first.difference(&of_other).next().filter(|_| other.cell.has_run()) {
        None => Ok(()),
        Some((language, hash)) => Err(Error::Data(format!(
            "{a} and {b} were measured on different files of {language} (SHA-256 {}… in the first); measure both on the \
             same data",
            &hash[..hash.len().min(12)]
        ))),
    }
}

/// Labels models as they are to be called, else by method, or by recipe and method where one name stands for several
/// configurations.
pub(super) fn name_cells(found: &mut [Found]) -> Result<()> {
    let differ = |one: &&Found| {
        let has_own = |other: &Found| other.label.is_none() && other.cell.label == one.cell.label;
        found.iter().any(|other| has_own(other) && other.cell.config != one.cell.config)
    };
    let unnamed = found.iter().filter(|one| one.label.is_none());
    let several: BTreeSet<String> = unnamed.filter(differ).map(|one| one.cell.label.clone()).collect();
    for one in found.iter_mut() {
        match &one.label {
            Some(label) => one.cell.label.clone_from(label),
            None if several.contains(&one.cell.label) => {
                one.cell.label = format!("{} {}", one.cell.recipe, one.cell.label);
            }
            None => {}
        }
    }
    refuse_twins(found)
}

/// Says which labels learned from other files than the first: what they differ in is then not the method alone.
pub(super) fn learned_apart_note(found: &[Found]) -> Option<String> {
    let (first, of_first) = found.iter().find_map(|one| Some((&one.cell.label, one.inputs.as_ref()?)))?;
    let apart = found.iter().filter_map(|one| Some((&one.cell.label, one.inputs.as_ref()?.learned_apart(of_first)?)));
    let apart: BTreeMap<&String, String> = apart.filter(|(label, _)| *label != first).collect();
    let apart: Vec<String> = apart.iter().map(|(label, role)| format!("{label} ({role})")).collect();
    (!apart.is_empty()).then(|| {
        format!(
            "learned from other files than {first}: {}; what they differ in is not the method alone",
            apart.join(", ")
        )
    })
}

/// Refuses one label for several configurations or for models of different files, one seed twice, and the same predictions
/// twice.
pub(super) fn refuse_twins(found: &[Found]) -> Result<()> {
    for (i, Found { cell, inputs, .. }) in found.iter().enumerate() {
        let same = found[..i].iter().filter(|other| other.cell.label == cell.label);
        for Found { cell: other, inputs: of_other, .. } in same {
            let (a, b, label) = (other.folder.display(), cell.folder.display(), &cell.label);
            if other.config != cell.config {
                let differences = cell.settings.differences(&other.settings.to_toml()).unwrap_or_default();
                let lines: Vec<String> = differences.iter().map(|(key, a, b)| format!("{key}: {a}, {b}")).collect();
                let lines = lines.join("; ");
                return Err(Error::Data(format!(
                    "{a} and {b} are both called \"{label}\", with different settings ({lines}); name the recipes or \
                     methods apart"
                )));
            }
            if let Some(role) = of_other.as_ref().zip(inputs.as_ref()).and_then(|(a, b)| a.learned_apart(b)) {
                return Err(Error::Data(format!(
                    "{a} and {b} are both called \"{label}\", and were made of different files ({role}; the inputs.json of \
                     each has their SHA-256); make both from the same, or name them apart with --label"
                )));
            }
            if cell.given.is_some() && cell.given == other.given {
                return Err(Error::Data(format!(
                    "{a} and {b} are both \"{label}\" with the same predictions, which are one seed and not two; name one of \
                     them"
                )));
            }
            if other.seed == cell.seed {
                let seed = cell.seed;
                return Err(Error::Data(format!(
                    "{a} and {b} are both \"{label}\" with seed {seed}; name one of them"
                )));
            }
        }
    }
    Ok(())
}

/// Refuses test sets that differ, with the first difference.
pub(super) fn same_items(
    language: &str,
    (a, first): (&Path, &[Prediction]),
    (b, other): (&Path, &[Prediction]),
) -> Result<()> {
    let differs = |(x, y): (&Prediction, &Prediction)| {
        (&x.id, x.row, &x.label, &x.answers) != (&y.id, y.row, &y.label, &y.answers)
    };
    let at = first.iter().zip(other).position(differs);
    if at.is_none() && first.len() == other.len() {
        return Ok(());
    }
    let show = |answers: &[Prediction]| match at.and_then(|at| answers.get(at)) {
        Some(answer) => {
            let label = answer.label.as_deref().unwrap_or("none");
            format!("item {} is \"{}\" with label {label}", at.unwrap_or(0) + 1, answer.id)
        }
        None => format!("{} items", answers.len()),
    };
    Err(Error::Data(format!(
        "{language}: the test items differ: {} in {}, {} in {}; only predictions for the same items can be compared",
        show(first),
        a.display(),
        show(other),
        b.display()
    )))
}
