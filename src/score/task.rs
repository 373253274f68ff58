//! One task in one language: two files in, the official numbers and ours out.

use std::{collections::HashSet, path::Path};

use super::{
    Cell, Note,
    benchmark::Kind,
    read::{self, Blank, Lines, Sentence},
    trap::{removed_labels, unknown_labels},
};
use crate::{
    error::{Error, Result},
    metrics::{
        Marks,
        answers::{Language, Rules},
        chunks::{self, Scheme},
        labels, mean, numpy_mean, pairs,
        ranking::{self, Query},
    },
};

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Its name here, which says what it is.
    pub name: &'static str,
    /// Its name in the official script; `None` where that does not compute it.
    pub official: Option<&'static str>,
    /// The number: in percent for XTREME and XTREME-R, of 1 for XGLUE, as officially.
    pub value: f64,
}

/// The numbers of a task in a language, and what is to be said of them.
#[derive(Debug, Default)]
pub(super) struct Scored {
    pub(super) values: Vec<Value>,
    pub(super) notes: Vec<Note>,
}

/// How many answers of a ranking count.
const TOP: usize = 20;
/// The name of XGLUE's only number for a task, which its script prints without one.
pub(super) const XGLUE: &str = "score";

pub(super) fn official(name: &'static str, official: &'static str, value: f64) -> Value {
    Value { name, official: Some(official), value }
}

fn own(name: &'static str, value: f64) -> Value {
    Value { name, official: None, value }
}

/// Scores one cell; files that the official script fails on, or that do not belong together, are errors.
pub(super) fn score(cell: &Cell) -> Result<Scored> {
    match cell.spec.kind {
        Kind::Labels => label_lines(cell),
        Kind::Choices => choices(cell),
        Kind::Column | Kind::HeadedColumn => column(cell),
        Kind::Grades => grades(cell),
        Kind::Entities | Kind::Parts => tags(cell),
        Kind::WordEntities | Kind::WordParts => word_tags(cell),
        Kind::Pairs => mined_pairs(cell),
        Kind::Squad => answers(cell, Rules::Squad),
        Kind::Mlqa => {
            let language = Language::of(cell.language).expect("the table has MLQA's languages only");
            answers(cell, Rules::Mlqa(language))
        }
        Kind::Entity => entity(cell),
        Kind::Passages => passages(cell),
    }
}

/// An error where two files have not as many items each.
pub(super) fn same_length(what: &str, given: (&Lines, usize), wanted: (&Lines, usize)) -> Result<()> {
    if given.1 == wanted.1 {
        return Ok(());
    }
    let (file, found, gold, expected) = (given.0.name(), given.1, wanted.0.name(), wanted.1);
    let rule = "item i of one belongs to item i of the other";
    Err(Error::Data(format!("{file}: {found} {what}, and {gold} has {expected}: {rule}; predict the file whole")))
}

fn not_empty(lines: &Lines, n: usize) -> Result<()> {
    let empty = || Error::Data(format!("{} has nothing to score; fetch or write it again", lines.name()));
    (n > 0).then_some(()).ok_or_else(empty)
}

/// Accuracy, where both files have a label for each item.
fn accuracy<'a>(cell: &Cell, given: (&Lines, Vec<&'a str>), gold: (&Lines, Vec<&'a str>)) -> Result<(f64, Scored)> {
    same_length("labels", (given.0, given.1.len()), (gold.0, gold.1.len()))?;
    not_empty(gold.0, gold.1.len())?;
    let removed = removed_labels(&gold.1, cell.spec.labels, &gold.0.name().to_string());
    let unknown = unknown_labels(&given.1, cell.spec.labels, &given.0.name().to_string());
    let notes = removed.into_iter().chain(unknown).collect();
    Ok((labels::marks(&gold.1, &given.1).accuracy(), Scored { values: Vec::new(), notes }))
}

fn label_lines(cell: &Cell) -> Result<Scored> {
    let (given, gold) = (Lines::read(&cell.prediction)?, Lines::read(&cell.gold)?);
    let (accuracy, mut scored) = accuracy(cell, (&given, given.stripped()), (&gold, gold.stripped()))?;
    scored.values.push(official("accuracy", "accuracy", accuracy * 100.0));
    Ok(scored)
}

fn choices(cell: &Cell) -> Result<Scored> {
    let (given, gold) = (Lines::read(&cell.prediction)?, Lines::read(&cell.gold)?);
    // Compared as JSON writes them: the string "1" is not the number 1, as in Python.
    let texts =
        |lines: &Lines| -> Result<Vec<String>> { Ok(read::choices(lines)?.iter().map(ToString::to_string).collect()) };
    let (given_labels, gold_labels) = (texts(&given)?, texts(&gold)?);
    let borrowed = [&given_labels, &gold_labels].map(|labels| labels.iter().map(String::as_str).collect::<Vec<_>>());
    let [given_labels, gold_labels] = borrowed;
    let (accuracy, mut scored) = accuracy(cell, (&given, given_labels), (&gold, gold_labels))?;
    scored.values.push(official("accuracy", "accuracy", accuracy * 100.0));
    Ok(scored)
}

/// The last column of each row of XGLUE's gold, with the row's line; headings and, below them, blank lines do not count.
pub(super) fn last_column<'a>(cell: &Cell, gold: &'a Lines) -> Vec<(usize, &'a str)> {
    let headed = cell.spec.kind == Kind::HeadedColumn;
    let rows = gold.rows().enumerate().skip(usize::from(headed));
    let counted = rows.filter(|(_, row)| !headed || !read::strip(row).is_empty());
    counted.map(|(i, row)| (i + 1, read::strip(row.rsplit('\t').next().unwrap_or(row)))).collect()
}

fn column(cell: &Cell) -> Result<Scored> {
    let (given, gold) = (Lines::read(&cell.prediction)?, Lines::read(&cell.gold)?);
    let wanted = last_column(cell, &gold).into_iter().map(|(_, label)| label).collect();
    let (accuracy, mut scored) = accuracy(cell, (&given, given.stripped()), (&gold, wanted))?;
    scored.values.push(official("accuracy", XGLUE, accuracy));
    Ok(scored)
}

fn grades(cell: &Cell) -> Result<Scored> {
    let (given, gold) = (Lines::read(&cell.prediction)?, Lines::read(&cell.gold)?);
    let queries = queries(&given, &gold)?;
    let gains: Vec<f64> = queries.iter().filter_map(Query::ndcg).collect();
    let n_single = queries.len() - gains.len();
    let no_ranking = || Error::Data(format!("{}: no query has more than one result to rank", gold.name()));
    let mut scored = Scored::default();
    scored.values.push(official("ndcg", XGLUE, numpy_mean(&gains).ok_or_else(no_ranking)?));
    let (n_given, n_gold) = (given.rows().count(), gold.rows().count());
    if n_given != n_gold {
        let text = format!(
            "{}: {n_given} predictions for {n_gold} results: officially the longer file is cut, unsaid",
            given.name()
        );
        scored.notes.push(Note::odd("lengths_unchecked", text));
    }
    if n_single > 0 {
        let text = format!("{n_single} queries with a single result are left out of the mean");
        scored.notes.push(Note::odd("single_results", text));
    }
    Ok(scored)
}

/// The results of gold with their grades and predicted scores, query by query.
fn queries(given: &Lines, gold: &Lines) -> Result<Vec<Query>> {
    let mut results = Vec::new();
    for (i, (row, score)) in gold.rows().zip(given.stripped()).enumerate() {
        let query = row.split('\t').next().unwrap_or(row);
        let grade = number(read::strip(row.rsplit('\t').next().unwrap_or(row)), gold, i + 1)?;
        if grade < 0.0 {
            return Err(Error::Data(format!("{}: grade {grade}: expected 0 or more", gold.place(i + 1))));
        }
        results.push((query, grade, number(score, given, i + 1)?));
    }
    Ok(ranking::queries(results))
}

fn number(text: &str, lines: &Lines, line: usize) -> Result<f64> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| Error::Data(format!("{}: expected a number, found \"{text}\"", lines.place(line))))
}

/// Sentences of two files, which must have as many, and as many tags each.
pub(super) fn aligned(
    given: (&Lines, &mut [Sentence<'_>]),
    gold: (&Lines, &[Sentence<'_>]),
    fill: Fill,
) -> Result<usize> {
    same_length("sentences", (given.0, given.1.len()), (gold.0, gold.1.len()))?;
    let mut n_filled = 0;
    for (own, wanted) in given.1.iter_mut().zip(gold.1) {
        let (found, expected) = (own.tags.len(), wanted.tags.len());
        if fill == Fill::WithO && found < expected {
            n_filled += expected - found;
            own.tags.resize(expected, "O");
        } else if found != expected {
            let (place, gold_place) = (given.0.place(own.line), gold.0.place(wanted.line));
            let message = format!("{place}: a sentence of {found} tags, and its gold at {gold_place} has {expected}");
            return Err(Error::Data(format!("{message}; give each word a tag")));
        }
    }
    Ok(n_filled)
}

/// What becomes of sentences with too few tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// They are refused.
    Never,
    /// They are filled up with O.
    WithO,
}

type Tags<'a> = Vec<Vec<&'a str>>;

fn into_tags(sentences: Vec<Sentence<'_>>) -> Tags<'_> {
    sentences.into_iter().map(|sentence| sentence.tags).collect()
}

fn tags(cell: &Cell) -> Result<Scored> {
    let (given, gold) = (Lines::read(&cell.prediction)?, Lines::read(&cell.gold)?);
    let (mut given_tags, gold_tags) = (read::sentences(&given, Blank::Ends)?, read::sentences(&gold, Blank::Ends)?);
    aligned((&given, &mut given_tags), (&gold, &gold_tags), Fill::Never)?;
    let (given_tags, gold_tags) = (into_tags(given_tags), into_tags(gold_tags));
    let (entities, mut scored) = lenient(cell, (&given, &gold), &given_tags, &gold_tags)?;
    let names = match cell.spec.kind {
        Kind::Parts => ["xtreme_f1", "xtreme_precision", "xtreme_recall"],
        _ => ["f1", "precision", "recall"],
    };
    let values = [entities.f1(), entities.precision(), entities.recall()];
    for ((name, official_name), value) in names.into_iter().zip(["f1", "precision", "recall"]).zip(values) {
        scored.values.push(official(name, official_name, value * 100.0));
    }
    own_of_tags(cell, (&given_tags, &gold_tags), 100.0, &mut scored);
    Ok(scored)
}

fn word_tags(cell: &Cell) -> Result<Scored> {
    let (given, gold) = (Lines::read(&cell.prediction)?, Lines::read(&cell.gold)?);
    let mut given_tags = read::sentences(&given, Blank::EndsOnce)?;
    let gold_tags = read::sentences(&gold, Blank::Parts)?;
    let n_filled = aligned((&given, &mut given_tags), (&gold, &gold_tags), Fill::WithO)?;
    let (given_tags, gold_tags) = (into_tags(given_tags), into_tags(gold_tags));
    let (entities, mut scored) = lenient(cell, (&given, &gold), &given_tags, &gold_tags)?;
    scored.values.push(match cell.spec.kind {
        Kind::WordParts => official("xglue_precision", XGLUE, entities.precision()),
        _ => official("f1", XGLUE, entities.f1()),
    });
    if n_filled > 0 {
        let text = format!("{}: {n_filled} tags are missing and taken for O, as officially", given.name());
        scored.notes.push(Note::odd("filled_with_o", text));
    }
    own_of_tags(cell, (&given_tags, &gold_tags), 1.0, &mut scored);
    Ok(scored)
}

/// The marks of entities as seqeval finds them by default, and notes on the gold.
fn lenient(
    cell: &Cell,
    (given, gold): (&Lines, &Lines),
    given_tags: &Tags,
    gold_tags: &Tags,
) -> Result<(Marks, Scored)> {
    let words = gold_tags.concat();
    not_empty(gold, words.len())?;
    let removed = removed_labels(&words, cell.spec.labels, &gold.name().to_string());
    let unknown = unknown_labels(&given_tags.concat(), cell.spec.labels, &given.name().to_string());
    let notes = removed.into_iter().chain(unknown).collect();
    Ok((chunks::marks(gold_tags, given_tags, Scheme::Lenient), Scored { values: Vec::new(), notes }))
}

/// What the official scripts do not compute of tags, and should.
fn own_of_tags(cell: &Cell, (given, gold): (&Tags, &Tags), scale: f64, scored: &mut Scored) {
    if matches!(cell.spec.kind, Kind::Entities | Kind::WordEntities) {
        scored.values.push(own("strict_f1", chunks::marks(gold, given, Scheme::Iob2).f1() * scale));
    }
    scored.values.push(own("accuracy", labels::marks(&gold.concat(), &given.concat()).accuracy() * scale));
}

fn mined_pairs(cell: &Cell) -> Result<Scored> {
    let (given, gold) = (Lines::read(&cell.prediction)?, Lines::read(&cell.gold)?);
    let marks = pairs::marks(&gold.stripped(), &given.stripped());
    not_empty(&gold, marks.wanted)?;
    let values = [("f1", marks.f1()), ("precision", marks.precision()), ("recall", marks.recall())];
    let values = values.into_iter().map(|(name, value)| official(name, name, value * 100.0)).collect();
    Ok(Scored { values, notes: Vec::new() })
}

fn answers(cell: &Cell, rules: Rules) -> Result<Scored> {
    let (questions, given) = (read::questions(&cell.gold)?, read::object(&cell.prediction)?);
    let (mut exact, mut f1, mut n_empty) = (0, 0.0, 0);
    for question in &questions {
        let Some(answer) = read::answer(&given, &question.id, &cell.prediction)? else { continue };
        let is_exact = question.answers.iter().any(|gold| rules.exact(gold, answer));
        let best = question.answers.iter().map(|gold| rules.f1(gold, answer)).fold(0.0, f64::max);
        exact += usize::from(is_exact);
        n_empty += usize::from(is_exact && best == 0.0);
        f1 += best;
    }
    let n = questions.len();
    let no_questions = || Error::Data(format!("{} has no questions", cell.gold.display()));
    let total = (n > 0).then_some(n as f64).ok_or_else(no_questions)?;
    let mut notes = id_notes(cell, questions.iter().map(|question| question.id.as_str()), &given);
    if n_empty > 0 {
        let text = format!("{n_empty} answers match exactly and have F1 0: nothing is left of them but articles");
        notes.push(Note::odd("empty_answers", text));
    }
    let (exact, f1) = (100.0 * exact as f64 / total, 100.0 * f1 / total);
    let xglue = cell.spec.name == "MLQA";
    let values = match xglue {
        true => vec![official("f1", XGLUE, f1 / 100.0), own("exact_match", exact / 100.0)],
        false => vec![official("exact_match", "exact_match", exact), official("f1", "f1", f1)],
    };
    Ok(Scored { values, notes })
}

/// Notes on ids that one side has and the other has not.
fn id_notes<'a>(
    cell: &Cell,
    wanted: impl Iterator<Item = &'a str>,
    given: &serde_json::Map<String, serde_json::Value>,
) -> Vec<Note> {
    let wanted: HashSet<&str> = wanted.collect();
    let n_missing = wanted.iter().filter(|id| !given.contains_key(**id)).count();
    let n_unknown = given.keys().filter(|id| !wanted.contains(id.as_str())).count();
    let file = cell.prediction.display();
    let missing = format!("{file}: {n_missing} of {} items have no prediction and score 0", wanted.len());
    let unknown = format!("{file}: {n_unknown} ids are not in the gold file and do not count");
    let notes = [(n_missing, "unanswered", missing), (n_unknown, "unknown_ids", unknown)];
    notes.into_iter().filter(|(n, ..)| *n > 0).map(|(_, name, text)| Note::odd(name, text)).collect()
}

fn no_gold(id: &str, path: &Path) -> Error {
    Error::Data(format!("{}: \"{id}\" has no right answer", path.display()))
}

fn entity(cell: &Cell) -> Result<Scored> {
    let (gold, given) = (read::object(&cell.gold)?, read::object(&cell.prediction)?);
    let mut ranks = Vec::new();
    for id in gold.keys() {
        let wanted = read::strings(&gold, id, &cell.gold)?;
        let first = wanted.first().ok_or_else(|| no_gold(id, &cell.gold))?;
        let ranked = read::strings(&given, id, &cell.prediction)?;
        ranks.push(ranking::reciprocal_rank(read::strip(first), &ranked, TOP));
    }
    let value = official("map@20", "map@20", mean(&ranks).unwrap_or(0.0) * 100.0);
    Ok(Scored { values: vec![value], notes: id_notes(cell, gold.keys().map(String::as_str), &given) })
}

fn passages(cell: &Cell) -> Result<Scored> {
    let (gold, given) = (read::object(&cell.gold)?, read::object(&cell.prediction)?);
    let mut precisions = Vec::new();
    for id in gold.keys() {
        let wanted: HashSet<&str> = read::strings(&gold, id, &cell.gold)?.into_iter().collect();
        if wanted.is_empty() {
            return Err(no_gold(id, &cell.gold));
        }
        let ranked = read::strings(&given, id, &cell.prediction)?;
        precisions.push(ranking::average_precision(&wanted, &ranked, TOP));
    }
    let nothing = || Error::Data(format!("{} has no questions", cell.gold.display()));
    let value = own("map@20", numpy_mean(&precisions).ok_or_else(nothing)? * 100.0);
    Ok(Scored { values: vec![value], notes: id_notes(cell, gold.keys().map(String::as_str), &given) })
}
