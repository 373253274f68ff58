//! Whether a folder of predictions can be scored, and what is wrong with it, file by file and line by line.

use std::{collections::HashSet, fs, path::Path};

use super::{
    Cell, Request,
    benchmark::Kind,
    read::{self, Blank, Lines},
    task::{Fill, aligned, last_column, same_length, score},
    trap::Verdict,
};
use crate::error::{Error, Result, did_you_mean};

/// What is wrong, each with its file and, where there is one, its line; missing files are [`Error::Missing`].
///
/// Of one file at most a few lines are named, then their number.
pub fn check(request: &Request) -> Result<Vec<Error>> {
    let specs = request.specs()?;
    request.folders()?;
    let mut problems = Vec::new();
    let mut expected = HashSet::new();
    for spec in &specs {
        for cell in request.cells(spec) {
            match cell.missing() {
                Some(path) => problems.push(Error::Missing(format!("{}: not there", path.display()))),
                None => problems.extend(check_cell(&cell)),
            }
            expected.insert(cell.prediction);
        }
    }
    if request.languages.is_empty() {
        for spec in specs {
            problems.extend(strangers(&request.predictions.join(spec.name), &expected)?);
        }
    }
    Ok(problems)
}

/// How many lines of a file are named.
const MOST: usize = 5;

/// Files in a task's folder that no language of the task has.
fn strangers(folder: &Path, expected: &HashSet<std::path::PathBuf>) -> Result<Vec<Error>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Error::read(folder, &error))?.path();
        if !expected.contains(&path) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let known: Vec<String> = expected
                .iter()
                .filter(|path| path.parent() == Some(folder))
                .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
                .collect();
            let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
            known.sort_unstable();
            let hint = did_you_mean(&name, known);
            found.push(Error::Data(format!("{}: no file of the benchmark; {hint}", path.display())));
        }
    }
    found.sort_by(|a, b| a.message().cmp(b.message()));
    Ok(found)
}

/// What is wrong with one pair of files; what cannot be read is one problem.
fn check_cell(cell: &Cell) -> Vec<Error> {
    let found = match cell.spec.kind {
        Kind::Labels | Kind::Pairs | Kind::Column | Kind::HeadedColumn | Kind::Grades | Kind::Choices => lines(cell),
        Kind::Entities | Kind::Parts => tags(cell, Blank::Ends, Blank::Ends, Fill::Never),
        Kind::WordEntities | Kind::WordParts => tags(cell, Blank::EndsOnce, Blank::Parts, Fill::WithO),
        Kind::Squad | Kind::Mlqa | Kind::Entity | Kind::Passages => ids(cell),
    };
    match found {
        Ok(problems) if problems.is_empty() => void(cell),
        found => found.unwrap_or_else(|error| vec![error]),
    }
}

/// Why a number that the official script prints of these files would mean nothing, or why it prints none.
fn void(cell: &Cell) -> Vec<Error> {
    match score(cell) {
        Ok(scored) => {
            let notes = scored.notes.into_iter().filter(|note| note.verdict == Verdict::Void);
            notes.map(|note| Error::Data(note.text)).collect()
        }
        Err(error) => vec![error],
    }
}

fn lines(cell: &Cell) -> Result<Vec<Error>> {
    let (given, gold) = (Lines::read(&cell.prediction)?, Lines::read(&cell.gold)?);
    let n_gold = match cell.spec.kind {
        Kind::Column | Kind::HeadedColumn | Kind::Grades => last_column(cell, &gold).len(),
        _ => gold.rows().count(),
    };
    let owned: Vec<String> = match cell.spec.kind {
        Kind::Choices => read::choices(&given)?.iter().map(ToString::to_string).collect(),
        _ => given.stripped().into_iter().map(str::to_owned).collect(),
    };
    let rows: Vec<(usize, &str)> = owned.iter().enumerate().map(|(i, row)| (i + 1, row.as_str())).collect();
    let mut problems = labels(cell, &given, &rows);
    if cell.spec.kind != Kind::Pairs {
        problems.extend(same_length("labels", (&given, rows.len()), (&gold, n_gold)).err());
    }
    Ok(problems)
}

/// Rows that are blank or no label of the task.
fn labels(cell: &Cell, given: &Lines, rows: &[(usize, &str)]) -> Vec<Error> {
    let wrong = |label: &str| match cell.spec.kind {
        _ if label.is_empty() => Some("blank".to_owned()),
        Kind::Pairs if label.split('\t').count() != 2 => Some(format!("\"{label}\": expected two ids and a tab")),
        Kind::Grades if label.parse::<f64>().is_err() => Some(format!("\"{label}\": expected a number")),
        // As it is written there: the official script compares letters, and 01 is not 1.
        Kind::Labels
            if cell.spec.labels.is_empty() && label.parse::<usize>().map_or(true, |n| n.to_string() != *label) =>
        {
            Some(format!("\"{label}\": expected the number of a sentence"))
        }
        // A score that is no grade ranks as well.
        Kind::Grades => None,
        _ if cell.spec.labels.is_empty() || cell.spec.labels.contains(&label) => None,
        _ => Some(format!("\"{label}\" is no label; {}", did_you_mean(label, cell.spec.labels.iter().copied()))),
    };
    let found: Vec<(usize, String)> = rows.iter().filter_map(|(line, label)| Some((*line, wrong(label)?))).collect();
    let named = found.iter().take(MOST).map(|(line, what)| Error::Data(format!("{}: {what}", given.place(*line))));
    let more = found.len().saturating_sub(MOST);
    let rest = (more > 0).then(|| Error::Data(format!("{}: {more} more lines like these", given.name())));
    named.chain(rest).collect()
}

fn tags(cell: &Cell, given_blank: Blank, gold_blank: Blank, fill: Fill) -> Result<Vec<Error>> {
    let (given, gold) = (Lines::read(&cell.prediction)?, Lines::read(&cell.gold)?);
    let mut sentences = read::sentences(&given, given_blank)?;
    let wanted = read::sentences(&gold, gold_blank)?;
    let rows: Vec<(usize, &str)> = sentences
        .iter()
        .flat_map(|sentence| sentence.tags.iter().enumerate().map(|(i, tag)| (sentence.line + i, *tag)))
        .collect();
    let mut problems = labels(cell, &given, &rows);
    match aligned((&given, &mut sentences), (&gold, &wanted), fill) {
        Ok(0) => {}
        Ok(n) => problems.push(Error::Data(format!("{}: {n} words without a tag", given.name()))),
        Err(error) => problems.push(error),
    }
    Ok(problems)
}

/// Ids that one side has and the other has not, and predictions of the wrong type.
fn ids(cell: &Cell) -> Result<Vec<Error>> {
    let given = read::object(&cell.prediction)?;
    let is_answer = matches!(cell.spec.kind, Kind::Squad | Kind::Mlqa);
    let wanted: Vec<String> = match is_answer {
        true => read::questions(&cell.gold)?.into_iter().map(|question| question.id).collect(),
        false => read::object(&cell.gold)?.keys().cloned().collect(),
    };
    let file = cell.prediction.display();
    let mut problems = Vec::new();
    for id in wanted.iter().filter(|id| !given.contains_key(*id)) {
        problems.push(Error::Data(format!("{file}: \"{id}\" has no prediction")));
    }
    let known: HashSet<&str> = wanted.iter().map(String::as_str).collect();
    for id in given.keys() {
        let readable = match is_answer {
            true => read::answer(&given, id, &cell.prediction).map(|_| ()),
            false => read::strings(&given, id, &cell.prediction).map(|_| ()),
        };
        problems.extend(readable.err());
        if !known.contains(id.as_str()) {
            problems.push(Error::Data(format!("{file}: \"{id}\" is not in {}", cell.gold.display())));
        }
    }
    let more = problems.len().saturating_sub(MOST);
    problems.truncate(MOST);
    problems.extend((more > 0).then(|| Error::Data(format!("{file}: {more} more ids like these"))));
    Ok(problems)
}
