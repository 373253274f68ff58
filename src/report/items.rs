//! The items that models have answered: the same for all, in one order, each with the row and the cluster that it is of.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use crate::{
    error::{Error, Result},
    kinds,
    tasks::{Task, apart, joined_by, predictions::Prediction},
};

/// The items of a language as one model's predictions have them. Rows and clusters that these do not say are those that
/// others say; where nobody says a row, it is what follows the name of the file in an id.
pub fn complete(
    mut items: Vec<Prediction>,
    others: impl Iterator<Item = Result<Vec<Prediction>>>,
    task: &Task,
) -> Result<Vec<Prediction>> {
    // An item may have the row 0; where all have it, none is said.
    let says_rows = |items: &[Prediction]| items.iter().any(|one| one.row != 0);
    let has_rows = says_rows(&items);
    let lacks = |one: &Prediction| !has_rows && one.row == 0 || task.cluster.is_some() && one.cluster.is_none();
    for other in others {
        if !items.iter().any(lacks) {
            break;
        }
        let other = other?;
        let known: HashMap<&str, &Prediction> = other.iter().flat_map(names).collect();
        for one in items.iter_mut().filter(|one| lacks(one)) {
            if let Some(known) = known.get(one.id.as_str()) {
                one.row = if has_rows { one.row } else { known.row };
                one.cluster = one.cluster.or(known.cluster);
            }
        }
    }
    if says_rows(&items) {
        return Ok(items);
    }
    let kind = kinds::of(task);
    let of_file = |id: &str| id.rfind(':').map_or(0, |at| at + 1);
    let prefixes: BTreeSet<&str> = items.iter().map(|one| &one.id[..of_file(kind.item_of(&one.id))]).collect();
    // What stands before the last colon is the name of the file where it is that of all, and else a part of the id.
    let is_of_file = prefixes.len() == 1;
    let row_of = |id: &str| {
        let item = kind.item_of(id);
        joined_by(if is_of_file { &item[of_file(item)..] } else { item })
    };
    let rows: Vec<usize> = items.iter().map(|one| row_of(&one.id)).collect();
    items.iter_mut().zip(rows).for_each(|(one, row)| one.row = row);
    Ok(items)
}

/// What an item may be called: its id, and what its data call it.
fn names(one: &Prediction) -> impl Iterator<Item = (&str, &Prediction)> {
    [Some(one.id.as_str()), one.key.as_deref()].into_iter().flatten().map(move |name| (name, one))
}

/// Predictions in the order of the items, which they must be of.
pub(super) fn aligned(
    language: &str,
    (a, items): (&Path, &[Prediction]),
    (b, own): (&Path, Vec<Prediction>),
) -> Result<Vec<Prediction>> {
    let (a, b) = (a.display(), b.display());
    let refuse = |what: String| {
        let remedy = "only predictions for the same items can be compared";
        Err(Error::Data(format!("{language}: the test items differ: {what}; {remedy}")))
    };
    if own.len() != items.len() {
        return refuse(format!("{} items in {a}, {} items in {b}", items.len(), own.len()));
    }
    let known: HashMap<&str, &Prediction> = own.iter().flat_map(names).collect();
    let says_rows = own.iter().any(|one| one.row != 0);
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let id = &item.id;
        let Some(one) = names(item).find_map(|(name, _)| known.get(name)) else {
            return refuse(format!("\"{id}\" of {a} is not in {b}, which has \"{}\"", own[0].id));
        };
        if says_rows && one.row != item.row {
            return refuse(format!("\"{id}\" is of row {} in {a}, and of row {} in {b}", item.row, one.row));
        }
        let right = |one: &Prediction| one.label.clone().unwrap_or_default();
        let has_other_answers = item.answers.is_some() && one.answers.is_some() && item.answers != one.answers;
        if right(item) != right(one) || has_other_answers {
            return refuse(format!("\"{id}\" has the label \"{}\" in {a}, and \"{}\" in {b}", right(item), right(one)));
        }
        let Prediction { id, row, cluster, answers, .. } = item.clone();
        all.push(Prediction { id, row, cluster, answers, ..(*one).clone() });
    }
    Ok(all)
}

/// What there is to say of how items are joined, and of how their answers are told.
pub fn notes(task: &Task, languages: &[String], tests: &[Vec<Prediction>]) -> Vec<String> {
    let Some(source) = languages.first() else { return Vec::new() };
    let rows: Vec<BTreeSet<usize>> = tests.iter().map(|test| test.iter().map(|one| one.row).collect()).collect();
    let named = languages.iter().zip(&rows);
    let others = named.clone().skip(1).map(|(language, rows)| (language.as_str(), rows.clone()));
    let apart = apart((source, &rows[0]), others);
    let shared = named.zip(tests).filter_map(|((language, rows), test)| {
        let items: BTreeSet<&str> = test.iter().map(|one| kinds::of(task).item_of(&one.id)).collect();
        (rows.len() < items.len()).then(|| format!("{language} {}", items.len() - rows.len()))
    });
    let shared: Vec<String> = shared.collect();
    let has_no_clusters = task.cluster.is_some() && tests.iter().flatten().all(|one| one.cluster.is_none());
    [
        apart,
        (!shared.is_empty())
            .then(|| format!("items with a row that others have, too, count as one with them: {}", shared.join(", "))),
        has_no_clusters.then(|| {
            format!(
                "items of {} come in clusters, and these predictions do not say in which: intervals take items for \
                 independent, and are too narrow",
                task.name
            )
        }),
        kinds::of(task).compared(languages),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::shipped;

    fn given(ids: &[&str]) -> Vec<Prediction> {
        let one = |id: &&str| {
            let line = format!(
                "{{\"id\": \"{id}\", \"language\": \"de\", \"label\": \"neutral\", \"prediction\": \"neutral\"}}"
            );
            serde_json::from_str(&line).unwrap()
        };
        ids.iter().map(one).collect()
    }

    fn rows(task: &str, ids: &[&str]) -> Vec<usize> {
        let items = complete(given(ids), [].into_iter(), shipped(task)).unwrap();
        items.iter().map(|one| one.row).collect()
    }

    #[test]
    fn rows_come_from_ids_where_nobody_says_them() {
        assert_eq!(rows("xnli", &["test-de:17", "test-de:3"]), [17, 3]);
        assert_eq!(rows("panx", &["test-de:17.2", "test-de:3.10"]), [17, 3]);
        // What stands before a colon is a part of the id where it is not one for all.
        let found = rows("xnli", &["doc0:4", "doc1:4"]);
        assert_eq!(found, [joined_by("doc0:4"), joined_by("doc1:4")]);
        assert_ne!(found[0], found[1]);
    }

    #[test]
    fn predictions_take_the_order_rows_and_clusters_of_the_items() {
        let (a, b) = (Path::new("a"), Path::new("b"));
        let mut known = given(&["test-de:2", "test-de:10"]);
        (known[0].row, known[0].cluster, known[0].key) = (5, Some(5), Some("mine".into()));
        (known[1].row, known[1].cluster) = (6, Some(5));
        let own = given(&["test-de:10", "test-de:2"]);
        let items = complete(own.clone(), [Ok(known.clone())].into_iter(), shipped("xnli")).unwrap();
        assert_eq!(items.iter().map(|one| (one.row, one.cluster)).collect::<Vec<_>>(), [(6, Some(5)), (5, Some(5))]);
        let found = aligned("de", (a, &known), (b, own)).unwrap();
        assert_eq!(
            found.iter().map(|one| (&*one.id, one.row)).collect::<Vec<_>>(),
            [("test-de:2", 5), ("test-de:10", 6)]
        );
        let found = aligned("de", (a, &known), (b, given(&["test-de:10", "mine"]))).unwrap();
        assert_eq!(found[0].id, "test-de:2");
        let refused = |own: Vec<Prediction>| aligned("de", (a, &known), (b, own)).unwrap_err().message().to_owned();
        assert!(refused(given(&["test-de:2"])).contains("2 items in a, 1 items in b"));
        assert!(refused(given(&["test-de:2", "x"])).contains("\"test-de:10\" of a is not in b"));
        let mut other = known.clone();
        other[1].row = 7;
        assert!(refused(other.clone()).contains("\"test-de:10\" is of row 6 in a, and of row 7 in b"));
        (other[1].row, other[1].label) = (6, Some("entailment".into()));
        assert!(refused(other).contains("has the label \"neutral\" in a, and \"entailment\" in b"));
    }

    #[test]
    fn what_makes_intervals_doubtful_is_said() {
        let languages = ["en".to_owned(), "de".to_owned()];
        let of = |ids: &[&str]| complete(given(ids), [].into_iter(), shipped("xnli")).unwrap();
        let mut german = of(&["test-de:1", "test-de:2"]);
        german[1].row = 1;
        let notes = notes(shipped("xnli"), &languages, &[of(&["x", "y"]), german]);
        for (note, says) in
            notes.iter().zip(["no item of de has the id", "count as one with them: de 1", "come in clusters"])
        {
            assert!(note.contains(says), "{note}");
        }
        assert_eq!(notes.len(), 3);
    }
}
