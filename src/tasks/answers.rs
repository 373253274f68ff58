//! What the right answers in a table are that nobody has described: classes, any of several labels, numbers, or the places
//! of alternatives.

use super::{Kind, ProblemType, gold::parts, load::ROWS_OF_ONE_LABEL};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// More labels than this are texts, most likely.
const MOST_LABELS: usize = 200;

/// What a column of answers says of its task.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answers {
    /// What is done with an example.
    pub kind: Kind,
    /// What a classifier's outputs are.
    pub problem_type: ProblemType,
    /// The labels; none of numbers.
    pub labels: Vec<String>,
    /// What is asked, for the line that says what was assumed.
    pub asked: String,
    /// What stands in the column, with how many rows have it.
    pub held: String,
}

/// What a column holds, from how often each of its values stands there; `place` is the file's name.
pub(super) fn of(counts: &BTreeMap<String, usize>, choices: &[String], column: &str, place: &str) -> Result<Answers> {
    if choices.len() > 1 {
        return alternatives(counts, choices, column, place);
    }
    refuse_decimal_commas(counts, column, place)?;
    if let Some(labels) = several(counts) {
        let n: BTreeMap<&String, usize> = labels.iter().map(|label| (label, having(counts, label))).collect();
        let (rows, rare) = (counts.values().sum::<usize>(), n.values().filter(|n| **n == 1).count());
        if rows >= ROWS_OF_ONE_LABEL && 2 * rare > labels.len() {
            return Err(Error::Data(format!(
                "{place}: column {column} would hold {} labels, several in a field, of which {rare} stand in one row alone, such \
                 as {:?}: they look like texts; name the column of labels so, or describe the task in a file (rxlt task show xnli)",
                labels.len(),
                n.iter().find(|(_, n)| **n == 1).map_or("", |(label, _)| label.as_str())
            )));
        }
        return Ok(Answers {
            problem_type: ProblemType::MultiLabelClassification,
            asked: format!("any of {} labels (column {column}, several in a field)", labels.len()),
            held: in_words(n.into_iter()),
            labels,
            kind: Kind::Classify,
        });
    }
    if let Some([least, most]) = range(counts) {
        return numbers(counts, [least, most], column, place);
    }
    check_classes(counts, column, place)?;
    let labels = in_order(counts.keys().cloned().collect());
    let held = in_words(labels.iter().map(|label| (label, counts[label])));
    let asked = format!("one of {} classes (column {column})", labels.len());
    Ok(Answers { kind: Kind::Classify, problem_type: ProblemType::default(), labels, asked, held })
}

/// How many rows have a label among others.
fn having(counts: &BTreeMap<String, usize>, label: &str) -> usize {
    counts.iter().filter(|(value, _)| parts(value).iter().any(|part| part == label)).map(|(_, n)| n).sum()
}

fn in_words<'a>(labels: impl Iterator<Item = (&'a String, usize)>) -> String {
    labels.map(|(label, n)| format!("{label} {n}")).collect::<Vec<_>>().join(", ")
}

/// Whether some values are several labels, so that an empty one says that none holds.
pub(super) fn are_several(counts: &BTreeMap<String, usize>) -> bool {
    several(counts).is_some()
}

/// The labels of fields of which some hold several. A comma or a semicolon may be part of a label: it parts labels only
/// where that leaves no more of them than there are fields that differ.
fn several(counts: &BTreeMap<String, usize>) -> Option<Vec<String>> {
    let labels: BTreeSet<String> = counts.keys().flat_map(|value| parts(value)).collect();
    let is_list = |value: &String| value.contains('|') || (value.starts_with('[') && value.ends_with(']'));
    let has_several = counts.keys().any(|value| parts(value).len() > 1);
    let few = has_several && labels.len() <= counts.len();
    let fits = (2..=MOST_LABELS).contains(&labels.len()) && (few || counts.keys().any(is_list));
    fits.then(|| labels.into_iter().collect())
}

/// The least and the most of values that are all numbers, one of them with a decimal point.
fn range(counts: &BTreeMap<String, usize>) -> Option<[f64; 2]> {
    let numbers = counts.keys().map(|value| value.parse::<f64>().ok().filter(|number| number.is_finite()));
    let numbers: Vec<f64> = numbers.collect::<Option<_>>()?;
    let bounds =
        [numbers.iter().copied().fold(f64::INFINITY, f64::min), numbers.iter().copied().fold(f64::MIN, f64::max)];
    counts.keys().any(|value| value.contains('.')).then_some(bounds)
}

/// A value that is no number, where nearly all are numbers and some of them have a decimal point.
pub(super) fn no_number(counts: &BTreeMap<String, usize>) -> Option<&str> {
    const NEARLY_ALL: f64 = 0.95;
    let is_number = |value: &str| value.parse::<f64>().is_ok_and(f64::is_finite);
    let (rows, numbers) = counts
        .iter()
        .fold((0, 0), |(rows, numbers), (value, n)| (rows + n, numbers + if is_number(value) { *n } else { 0 }));
    let has_points = counts.keys().any(|value| is_number(value) && value.contains('.'));
    let are_numbers = has_points && numbers as f64 >= NEARLY_ALL * rows as f64;
    counts.keys().map(String::as_str).find(|value| are_numbers && !is_number(value))
}

/// Refuses numbers of which some have one comma: whether that parts labels or a number nobody can tell.
fn refuse_decimal_commas(counts: &BTreeMap<String, usize>, column: &str, place: &str) -> Result<()> {
    let is_number = |value: &String| value.replacen(',', ".", 1).parse::<f64>().is_ok_and(f64::is_finite);
    let Some(found) = counts.keys().find(|value| value.contains(',')).filter(|_| counts.keys().all(is_number)) else {
        return Ok(());
    };
    Err(Error::Data(format!(
        "{place}: column {column} holds {found:?}, a number with a decimal comma, or two labels? Write {} for the one, {} for \
         the others",
        found.replace(',', "."),
        found.replace(',', "|")
    )))
}

/// Numbers with decimal points, unless they are whole: then they may be classes that some tool wrote so.
fn numbers(counts: &BTreeMap<String, usize>, [least, most]: [f64; 2], column: &str, place: &str) -> Result<Answers> {
    let is_whole = |value: &String| value.parse::<f64>().is_ok_and(|number| number.fract() == 0.0);
    if counts.keys().all(is_whole) {
        return Err(Error::Data(format!(
            "{place}: the column {column} holds whole numbers written as 1.0: write classes as 1, or for numbers describe the \
             task in a file with problem_type = \"regression\" and no labels (README, data of your own)"
        )));
    }
    Ok(Answers {
        kind: Kind::Classify,
        problem_type: ProblemType::Regression,
        labels: Vec::new(),
        asked: format!("a number (column {column})"),
        held: format!("from {least} to {most}"),
    })
}

/// Alternatives, counted from 0 or from 1.
fn alternatives(counts: &BTreeMap<String, usize>, choices: &[String], column: &str, place: &str) -> Result<Answers> {
    let n = choices.len();
    let all_within = |first: usize| {
        counts.keys().all(|value| value.parse().is_ok_and(|place: usize| (first..first + n).contains(&place)))
    };
    let (first, names) = (usize::from(!all_within(0)), choices.join(", "));
    let found = || counts.keys().map(String::as_str).take(5).collect::<Vec<_>>().join(", ");
    if all_within(0) && all_within(1) {
        return Err(Error::Data(format!(
            "{place}: column {column} says which of {names} is right, and has only {}, neither 0 nor {n}: counted from 0 or \
             from 1? Describe the task in a file, beginning with rxlt task show xcopa, with labels = [\"0\", …] or [\"1\", …]",
            found()
        )));
    }
    if !all_within(first) {
        let found = found();
        return Err(Error::Data(format!(
            "{place}: expected the number of the right one of {names} in column {column}, from 0 or from 1, found {found}; \
             write numbers, or rename the columns if they are no alternatives"
        )));
    }
    let labels: Vec<String> = (first..first + n).map(|place| place.to_string()).collect();
    let held = in_words(labels.iter().map(|label| (label, counts.get(label).copied().unwrap_or(0))));
    let asked = format!("which of {names} is right (column {column}, counted from {first})");
    Ok(Answers { kind: Kind::Choose, problem_type: ProblemType::default(), labels, asked, held })
}

fn check_classes(counts: &BTreeMap<String, usize>, column: &str, place: &str) -> Result<()> {
    let rows: usize = counts.values().sum();
    let few = counts.len() < 2;
    if !few && counts.len() <= MOST_LABELS && (counts.len() < rows || rows < 4) {
        return Ok(());
    }
    let labels = if few { "one label".to_owned() } else { format!("{} labels", counts.len()) };
    let remedy = match counts.keys().all(|value| value.parse::<f64>().is_ok()) {
        true => {
            "for numbers describe the task in a file: rxlt task show, with problem_type = \"regression\" and no labels"
        }
        false => "describe the task in a file, beginning with one that ships: rxlt task show xnli",
    };
    Err(Error::Data(format!(
        "{place}: expected a few labels in column {column}, found {labels} in {rows} rows; {remedy}"
    )))
}

/// Numbers by their value, all else by the letters.
pub(super) fn in_order(mut labels: Vec<String>) -> Vec<String> {
    let numbers: Option<Vec<i64>> = labels.iter().map(|label| label.parse().ok()).collect();
    if numbers.is_some() {
        labels.sort_by_key(|label| label.parse::<i64>().unwrap_or_default());
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(values: &[&str], choices: &[&str]) -> Result<Answers> {
        let mut counts = BTreeMap::new();
        values.iter().for_each(|value| *counts.entry((*value).to_owned()).or_default() += 1);
        let choices: Vec<String> = choices.iter().map(|name| (*name).to_owned()).collect();
        of(&counts, &choices, "label", "t.csv")
    }

    #[test]
    fn columns_say_what_is_asked() {
        let (one, any) = (ProblemType::default(), ProblemType::MultiLabelClassification);
        for (values, choices, kind, problem_type, labels) in [
            (&["b", "a", "b"][..], &[][..], Kind::Classify, one, "a b"),
            (&["10", "9", "9"], &[], Kind::Classify, one, "9 10"),
            (&["insult|threat", "insult", ""], &[], Kind::Classify, any, "insult threat"),
            (&["[\"x\",\"y\"]", "[]", "[\"x\"]"], &[], Kind::Classify, any, "x y"),
            (&["a, b", "a", "b"], &[], Kind::Classify, any, "a b"),
            (&["[\"x, y\"]", "[\"z|\\\"\"]", "[]"], &[], Kind::Classify, any, "x, y z|\""),
            (&["['x', 'y, z']", "['x']"], &[], Kind::Classify, any, "x y, z"),
            (&["Sport, games", "Law", "Law"], &[], Kind::Classify, one, "Law Sport, games"),
            (&["0.5", "3", "4.25"], &[], Kind::Classify, ProblemType::Regression, ""),
            (&["0", "1", "1"], &["choice1", "choice2"], Kind::Choose, one, "0 1"),
            (&["1", "3", "1"], &["a1", "a2", "a3"], Kind::Choose, one, "1 2 3"),
        ] {
            let found = answers(values, choices).unwrap();
            assert_eq!((found.kind, found.problem_type, &found.labels.join(" ")[..]), (kind, problem_type, labels));
        }
        let texts: Vec<String> = (0..30).map(|i| format!("well, it is {i}")).chain(["well".into()]).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let error = answers(&texts, &[]).unwrap_err();
        assert!(error.message().contains("of which 30 stand in one row alone"), "{error}");
        assert_eq!(answers(&["a|b", "a", "a"], &[]).unwrap().held, "a 3, b 1");
        assert_eq!(answers(&["0.5", "3"], &[]).unwrap().held, "from 0.5 to 3");
    }

    #[test]
    fn what_cannot_be_told_is_asked() {
        for (values, choices, says) in [
            (&["1.0", "0.0"][..], &[][..], "holds whole numbers written as 1.0: write classes as 1"),
            (&["1", "2", "3", "4"], &[], "found 4 labels in 4 rows; for numbers describe the task"),
            (&["NaN", "0.5"], &[], ""),
            (&["3,5", "2,75", "4"], &[], "holds \"2,75\", a number with a decimal comma, or two labels? Write 2.75"),
            (&["2", "0"], &["x1", "x2"], "expected the number of the right one of x1, x2 in column label"),
            (&["left", "right"], &["x1", "x2"], "from 0 or from 1, found left, right"),
            (&["1", "1"], &["x1", "x2"], "has only 1, neither 0 nor 2: counted from 0 or from 1?"),
        ] {
            match answers(values, choices) {
                Ok(found) => assert_eq!((found.problem_type, says), (ProblemType::default(), "")),
                Err(error) => assert!(error.message().contains(says) && !says.is_empty(), "{error}"),
            }
        }
    }
}
