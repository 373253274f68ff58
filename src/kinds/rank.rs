//! Results of queries: a grade for each, by whose expectation they are ranked (WPR of XGLUE).

use super::{
    Asked, Kind, Marked, Read, Reader, Rows,
    item::{Goal, Item},
};
use crate::{
    error::{Error, Result},
    metrics::ranking::{Query, queries},
    models::HeadKind,
    tasks::{Example, Task, gold::number, predictions::Prediction},
};
use std::collections::BTreeMap;

/// A query with one of its results.
#[derive(Debug)]
pub(super) struct Rank;

impl Kind for Rank {
    /// Grades are classes to learn: the place of a label is the grade.
    fn head(&self, task: &Task) -> HeadKind {
        HeadKind::Classify(task.labels().iter().map(|label| (*label).to_owned()).collect())
    }

    fn metrics(&self, _: &Task) -> Vec<&'static str> {
        vec!["nDCG"]
    }

    fn read(&self, reader: &Reader, example: &Example) -> Result<Read> {
        let encoded = reader.encode(&example.a, example.b.as_deref())?;
        let grade = example.label.map_or(0, |label| reader.labels[label]);
        let (ids, types) = (encoded.ids.clone(), encoded.types.clone());
        Ok(Read::one(Item::new(&example.id, ids, types, vec![0], Goal::Classes(vec![grade])), &encoded))
    }

    /// The expected grade rather than the most probable one, by which many results would be tied. The query stands beside
    /// it, since results are ranked query by query.
    fn answers(&self, asked: &Asked, outputs: &[Rows]) -> Result<Vec<Prediction>> {
        let row = asked.probabilities(&outputs[0][0]);
        let probable = Prediction::new(asked.reader.task, asked.language, asked.example, &row)?;
        let expected: f64 = row.iter().enumerate().map(|(grade, p)| grade as f64 * f64::from(*p)).sum();
        Ok(vec![Prediction { a: Some(asked.example.a.clone()), prediction: expected.to_string(), ..probable }])
    }

    fn clusters(&self, predictions: &[Prediction]) -> Vec<Vec<usize>> {
        let mut at = 0..predictions.len();
        let results = predictions.iter().map(|one| (one.a.as_deref().unwrap_or_default(), 0.0, 0.0));
        queries(results).iter().map(|query| at.by_ref().take(query.grades.len()).collect()).collect()
    }

    /// Queries that stand in several places, each of which is ranked by itself; those with one result, which do not count; and
    /// those without a good result, whose nDCG is 0 whatever their order.
    fn oddities(&self, task: &Task, predictions: &[Prediction]) -> Vec<String> {
        let Some(first) = predictions.first() else { return Vec::new() };
        let clusters = self.clusters(predictions);
        let text = |cluster: &Vec<usize>| predictions[cluster[0]].a.as_deref().unwrap_or_default();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        clusters.iter().for_each(|cluster| *places.entry(text(cluster)).or_default() += 1);
        let scattered = places.values().filter(|n| **n > 1).count();
        let single = clusters.iter().filter(|cluster| cluster.len() == 1).count();
        let is_worst = |at: &usize| predictions[*at].label.as_deref().is_some_and(|label| task.label(label) == Some(0));
        let hopeless = clusters.iter().filter(|cluster| cluster.len() > 1 && cluster.iter().all(is_worst)).count();
        let said = [
            (
                scattered,
                "stand in several places, each of which is ranked by itself: put the results of a query together",
            ),
            (single, "have a single result there and do not count"),
            (hopeless, "have no result above the worst grade and count as nDCG 0"),
        ];
        let (language, n) = (&first.language, clusters.len());
        let said = said.into_iter().filter(|(count, _)| *count > 0);
        said.map(|(count, what)| format!("{language}: of {n} runs of results, {count} {what}")).collect()
    }

    /// A query with several results is a cluster.
    fn marks(&self, task: &Task, language: &str, predictions: &[Prediction]) -> Result<Vec<Marked>> {
        let mark = |query: &Query| {
            let first = &predictions[query.first];
            Some(Marked { id: first.id.clone(), row: first.row, marks: vec![(query.ndcg()?, 1.0)] })
        };
        let marks: Vec<Marked> = by_query(task, language, predictions)?.iter().filter_map(mark).collect();
        match marks.is_empty() {
            true => {
                Err(Error::Data(format!("{language}: no query has more than one result to rank; measure more of them")))
            }
            false => Ok(marks),
        }
    }
}

/// Predictions by query, with what is right of them.
pub(crate) fn by_query(task: &Task, language: &str, predictions: &[Prediction]) -> Result<Vec<Query>> {
    fn result<'a>(task: &Task, language: &str, one: &'a Prediction) -> Result<(&'a str, f64, f64)> {
        let place = format!("{language}: {}", one.id);
        let query = one.a.as_deref().ok_or_else(|| {
            Error::Data(format!("{place}: expected the query as \"a\", found none; write it beside each result"))
        })?;
        let grade = task.label_at(&place, one.label.as_deref().unwrap_or_default().trim())?;
        Ok((query, grade as f64, number(&place, one.prediction.trim())?))
    }
    let results = predictions.iter().map(|one| result(task, language, one)).collect::<Result<Vec<_>>>()?;
    Ok(queries(results))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::shipped;

    fn predicted(id: usize, query: &str, grade: &str, prediction: &str) -> Prediction {
        let example = Example { id: format!("t:{id}"), row: id, ..Example::default() };
        let prediction = Prediction::of("de", &example, prediction.to_owned());
        Prediction { a: Some(query.to_owned()), label: Some(grade.to_owned()), ..prediction }
    }

    #[test]
    fn what_is_odd_about_queries_is_said() {
        let all = [
            predicted(1, "q1", "Bad", "1"),
            predicted(2, "q1", "Bad", "2"),
            predicted(3, "q2", "Good", "1"),
            predicted(4, "q1", "Good", "1"),
        ];
        let said = Rank.oddities(shipped("xglue-wpr"), &all);
        let starts = [
            "of 3 runs of results, 1 stand",
            "of 3 runs of results, 2 have a single",
            "of 3 runs of results, 1 have no",
        ];
        assert_eq!(said.len(), 3);
        for (said, start) in said.iter().zip(starts) {
            assert!(said.starts_with(&format!("de: {start}")), "{said}");
        }
    }

    #[test]
    fn queries_are_clusters_and_single_results_do_not_count() {
        let all = [
            predicted(1, "q", "4", "3.5"),
            predicted(2, "q", "Bad", "0.25"),
            predicted(3, "r", "2", "1"),
            predicted(4, "s", "0", "1.5"),
            predicted(5, "s", "2", "0.5"),
        ];
        let marks = Rank.marks(shipped("xglue-wpr"), "de", &all).unwrap();
        let shown: Vec<_> = marks.iter().map(|one| (&one.id[..], one.row, one.marks[0].1)).collect();
        assert_eq!(shown, [("t:1", 1, 1.0), ("t:4", 4, 1.0)]);
        let second = 2f64.ln() / 3f64.ln(); // 1 / log2 3
        for (mark, expected) in marks.iter().zip([1.0, second]) {
            assert!((mark.marks[0].0 - expected).abs() <= 4.0 * f64::EPSILON, "{mark:?}"); // roundings of sums
        }
    }

    #[test]
    fn what_cannot_be_ranked_is_refused() {
        let right = predicted(1, "q", "4", "3.5");
        for (wrong, says) in [
            (Prediction { a: None, ..right.clone() }, "de: t:1: expected the query as \"a\""),
            (predicted(1, "q", "5", "3.5"), "de: t:1: \"5\" is no label of xglue-wpr"),
            (predicted(1, "q", "4", "NaN"), "de: t:1: expected a number"),
            (right.clone(), "no query has more than one result"),
        ] {
            let error = Rank.marks(shipped("xglue-wpr"), "de", &[wrong]).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains(says), "{error}");
        }
    }
}
