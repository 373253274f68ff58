//! What models answered, by item and by cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Cell, Column};
use crate::{
    error::{Error, Result},
    input::read_text,
    kinds::{self, Marked},
    run::files::{self, read_json},
    tasks::{
        self, Joined, Task,
        predictions::{self, Prediction},
    },
};

fn prediction_file(cell: &Cell, language: &str) -> PathBuf {
    files::predictions(&cell.folder, &cell.split().to_string(), language)
}

/// What a model predicted in a language.
pub fn answers(cell: &Cell, language: &str) -> Result<Vec<Prediction>> {
    if let Some(given) = &cell.given {
        return Ok(given.get(language).cloned().unwrap_or_default());
    }
    read_answers(&prediction_file(cell, language))
}

/// A file of predictions that a run wrote; each must say what is right, and how probable it was is not kept.
pub fn read_answers(path: &Path) -> Result<Vec<Prediction>> {
    if !path.is_file() {
        let run = path.ancestors().nth(3).unwrap_or(path).display();
        let remedy = format!("run its recipe again with --output {run}: what is missing is predicted");
        return Err(Error::Missing(format!("there is no {}, though its scores are there; {remedy}", path.display())));
    }
    let said = files::of_predictions(path);
    if said.is_file() {
        files::refuse_changed(path, &read_json(&said)?)?;
    }
    let answer = |(i, one): (usize, Prediction)| match (&one.label, &one.answers) {
        (None, None) => {
            let (path, line, id) = (path.display(), i + 1, &one.id);
            Err(Error::Data(format!("{path}:{line}: \"{id}\" has no label to score against")))
        }
        _ => Ok(Prediction { probabilities: None, ..one }),
    };
    predictions::read(path)?.into_iter().enumerate().map(answer).collect()
}

/// By cluster, how many answers all ordered pairs of two languages have, and their marks.
pub(super) fn pairs(
    cell: &Cell,
    task: &Task,
    languages: &[String],
    place: &BTreeMap<usize, usize>,
) -> Result<(Vec<usize>, Column)> {
    let (mut examples, mut marks) = (vec![0; place.len()], Column::of(place.len()));
    for first in languages {
        for second in languages.iter().filter(|second| *second != first) {
            let language = format!("{first}-{second}");
            let answers = read_answers(&prediction_file(cell, &language))?;
            for one in kinds::of(task).marks(task, &language, &answers)? {
                if let Some(i) = place.get(&one.row) {
                    examples[*i] += 1;
                    marks.add(*i, one.marks[0]);
                }
            }
        }
    }
    Ok((examples, marks))
}

/// By row, the number of its cluster: rows that are one in any language are one.
pub(super) fn joined<'a>(rows: &[usize], answers: impl Iterator<Item = &'a Prediction>) -> Vec<usize> {
    let joined = Joined::of(answers.map(|one| (one.row, one.cluster)));
    numbered(rows.iter().map(|row| joined.item_of(*row)))
}

/// Names as numbers from 0, in the order of their first mention.
pub(super) fn numbered(names: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    names
        .map(|name| {
            let next = numbers.len();
            *numbers.entry(name).or_insert(next)
        })
        .collect()
}

/// The marks of answers by cluster.
pub(super) fn column(place: &BTreeMap<usize, usize>, marked: &[Marked]) -> Column {
    let mut column = Column::of(place.len());
    marked.iter().for_each(|one| column.add(place[&one.row], one.marks[0]));
    column
}

pub(super) fn count(place: &BTreeMap<usize, usize>, answers: &[Prediction]) -> Vec<usize> {
    let mut counts = vec![0; place.len()];
    answers.iter().for_each(|answer| counts[place[&answer.row]] += 1);
    counts
}

/// Rows of a test set, from a file with one JSON object a line, such as `rxlt flips` writes: `{"row": 17}`.
pub fn read_rows(path: &Path, task: &Task) -> Result<BTreeSet<usize>> {
    #[derive(Deserialize)]
    struct Item {
        row: usize,
        task: Option<String>,
    }
    let text = read_text(path)?;
    let mut rows = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        let item: Item = serde_json::from_str(line)
            .map_err(|error| Error::Data(format!("{place}: {error}; expected an object such as {{\"row\": 17}}")))?;
        if item.task.as_ref().is_some_and(|named| tasks::find(named).map_or(true, |found| found.name != task.name)) {
            let named = item.task.unwrap_or_default();
            return Err(Error::Data(format!("{place}: an item of {named}, and the runs are of {}", task.name)));
        }
        rows.insert(item.row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with their rows and clusters.
    fn answers(of: &[(usize, usize)]) -> Vec<Prediction> {
        let one = |(row, cluster): &(usize, usize)| {
            let example = tasks::Example { row: *row, cluster: Some(*cluster), ..tasks::Example::default() };
            Prediction::of("de", &example, "x".into())
        };
        of.iter().map(one).collect()
    }

    #[test]
    fn rows_that_are_one_in_any_language_are_one() {
        let rows = [3, 4, 5, 6, 9, 12];
        // One language has 3 and 5 together, another 5 and 9; 12's first is not among those measured.
        let (german, thai) = (answers(&[(3, 3), (4, 4), (5, 3), (9, 9)]), answers(&[(5, 5), (9, 5), (12, 1)]));
        assert_eq!(joined(&rows, german.iter().chain(&thai)), [0, 1, 0, 2, 0, 3]);
        assert_eq!(joined(&rows, [].iter()), [0, 1, 2, 3, 4, 5]);
    }
}
