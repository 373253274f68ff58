//! The generalized setting: a pair whose two sentences are in different languages (Huang et al., 2021).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Example, Loaded, Origin};
use crate::error::{Error, Result};

/// The first sentences of `a` with the second sentences of `b`, joined by row.
///
/// Rows that count in one language only, or whose labels differ, are left out and counted.
pub fn generalized(a: &Loaded, b: &Loaded) -> Result<Loaded> {
    let seconds: HashMap<usize, &Example> = b.examples.iter().map(|example| (example.row, example)).collect();
    let rows = |loaded: &Loaded| loaded.examples.iter().map(|example| example.row).collect::<BTreeSet<_>>();
    let (rows_a, rows_b) = (rows(a), rows(b));
    let dropped_rows: BTreeSet<usize> =
        a.dropped_rows.iter().chain(&b.dropped_rows).chain(rows_a.symmetric_difference(&rows_b)).copied().collect();
    let mut mixed = Loaded {
        language: format!("{}-{}", a.language, b.language),
        mixed: Some([a.language.clone(), b.language.clone()]),
        examples: Vec::new(),
        dropped: BTreeMap::new(),
        files: origins(a, b),
        labels: a.labels,
        notes: Vec::new(),
        dropped_rows,
    };
    if !mixed.dropped_rows.is_empty() {
        let reason = format!("rows left out in {} or {}", a.language, b.language);
        mixed.dropped.insert(reason, mixed.dropped_rows.len());
    }
    for first in &a.examples {
        if let Some(second) = seconds.get(&first.row) {
            mix(&mut mixed, first, second)?;
        }
    }
    let unequal = mixed.dropped.get(UNEQUAL).copied().unwrap_or(0);
    let both = unequal + mixed.examples.len();
    if unequal * 10 > both {
        mixed.notes.push(format!(
            "{}: {unequal} of {both} rows have another label in each language: are the files translations of each other, \
             row by row?",
            mixed.language
        ));
    }
    if mixed.examples.is_empty() {
        let message = format!("{}: no row is in both languages with the same label", mixed.language);
        return Err(Error::Data(message));
    }
    Ok(mixed)
}

/// Why rows are left out whose labels differ.
const UNEQUAL: &str = "rows with unequal labels";

fn mix(mixed: &mut Loaded, first: &Example, second: &Example) -> Result<()> {
    if first.b.is_none() || second.b.is_none() {
        return Err(Error::Usage("the generalized setting is for tasks of sentence pairs".into()));
    }
    if first.label != second.label {
        *mixed.dropped.entry(UNEQUAL.into()).or_default() += 1;
        mixed.dropped_rows.insert(first.row);
        return Ok(());
    }
    let id = format!("{}:{}", mixed.language, first.row);
    mixed.examples.push(Example { id, b: second.b.clone(), ..first.clone() });
    Ok(())
}

/// The files of both, those in common once.
fn origins(a: &Loaded, b: &Loaded) -> Vec<Origin> {
    let new = b.files.iter().filter(|file| !a.files.contains(file));
    a.files.iter().chain(new).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Split, shipped};

    #[test]
    fn rows_are_joined_and_those_that_do_not_agree_dropped() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("test-en.tsv", "a1\tb1\t1\na2\tb2\t0\na3\tb3\t1\na4\tb4\t0\na5\tb5\t0\n"),
            ("test-de.tsv", "x1\ty1\t1\nNS\ty2\t0\nx3\ty3\t0\nx4\ty4\t0\n"),
            ("test-zh.tsv", "NS\tNS\t0\nNS\tNS\t0\nNS\tNS\t0\nNS\tNS\t0\nx5\ty5\t1\n"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let load = |language| shipped("pawsx").load(folder.path(), Split::Test, language).unwrap();
        let (en, de, zh) = (load("en"), load("de"), load("zh"));

        let mixed = generalized(&en, &de).unwrap();
        let pairs: Vec<_> =
            mixed.examples.iter().map(|e| (e.id.as_str(), e.a.as_str(), e.b.as_deref().unwrap())).collect();
        assert_eq!(pairs, [("en-de:1", "a1", "y1"), ("en-de:4", "a4", "y4")]);
        assert_eq!(mixed.dropped["rows left out in en or de"], 2);
        assert_eq!(mixed.dropped["rows with unequal labels"], 1);
        assert_eq!(mixed.histogram(), [("0", 1), ("1", 1)]);
        assert_eq!(mixed.files.len(), 2);

        let same = generalized(&en, &en).unwrap();
        assert_eq!((same.examples.len(), same.dropped.len(), same.files.len()), (5, 0, 1));
        assert!(matches!(generalized(&de, &zh), Err(Error::Data(_))));
    }
}
