//! The nearest of a pool, ranked: sentences that answer a question (LAReQA), the entity that a name means (Mewsli-X).

use super::{
    Asked, Kind, Marked, Read, Reader, Rows, Search,
    neighbours::nearest,
    retrieve::{Vectors, untrained},
};
use crate::{
    error::{Error, Result},
    metrics::ranking::average_precision,
    models::HeadKind,
    tasks::{Example, Task, predictions::Prediction},
};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// Candidates are ranked, of which one or several are right.
#[derive(Debug)]
pub(super) struct Pooled;

/// How many of a ranking count, as in XTREME-R.
pub const TOP: usize = 20;

/// Average precision among the best [`TOP`] of a ranking: with one right answer its reciprocal rank.
pub fn precision_of(one: &Prediction) -> Result<f64> {
    let wanted: HashSet<&str> = one.answers.iter().flatten().map(String::as_str).collect();
    let (Some(ranked), false) = (&one.predictions, wanted.is_empty()) else {
        let (language, id) = (&one.language, &one.id);
        return Err(Error::Data(format!(
            "{language}: {id}: expected answers that are right, and predictions, a ranking; predict it again"
        )));
    };
    let ranked: Vec<&str> = ranked.iter().map(String::as_str).collect();
    Ok(average_precision(&wanted, &ranked, TOP))
}

impl Kind for Pooled {
    /// An encoder is measured as it is.
    fn head(&self, _: &Task) -> HeadKind {
        HeadKind::MaskedLm
    }

    fn metrics(&self, _: &Task) -> Vec<&'static str> {
        vec!["mAP@20"]
    }

    fn read(&self, reader: &Reader, _: &Example) -> Result<Read> {
        untrained(reader.task)
    }

    fn answers(&self, asked: &Asked, _: &[Rows]) -> Result<Vec<Prediction>> {
        untrained(asked.reader.task)
    }

    fn marks(&self, _: &Task, _: &str, predictions: &[Prediction]) -> Result<Vec<Marked>> {
        let mark =
            |one: &Prediction| Ok(Marked { id: one.id.clone(), row: one.row, marks: vec![(precision_of(one)?, 1.0)] });
        predictions.iter().map(mark).collect()
    }

    /// An object from the data's own ids to rankings.
    fn submission(&self, predictions: &[Prediction]) -> (&'static str, String) {
        let ranked = |one: &Prediction| (one.id.clone(), json!(one.predictions));
        let rankings: Map<String, Value> = predictions.iter().map(ranked).collect();
        ("json", format!("{:#}\n", Value::Object(rankings)))
    }

    fn search(&self) -> Option<&dyn Search> {
        Some(self)
    }
}

impl Search for Pooled {
    fn find(&self, vectors: &Vectors, _: Option<&Vectors>) -> Result<Vec<Prediction>> {
        let id = |place: &usize| vectors.texts.candidates[*place].id.clone();
        let answer = |(query, found): (usize, Vec<usize>)| Prediction {
            answers: Some(vectors.texts.right[query].iter().map(id).collect()),
            predictions: Some(found.iter().map(id).collect()),
            ..vectors.prediction(query, found.first().copied())
        };
        let found = nearest(&vectors.queries, &vectors.candidates, TOP);
        let places = found.into_iter().map(|found| found.into_iter().map(|one| one.place).collect());
        Ok(places.enumerate().map(answer).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{
        retrieval::{Entry, Retrieval},
        shipped,
    };

    fn entry(id: &str) -> Entry {
        Entry { id: id.into(), text: id.into(), context: None, language: "de".into(), row: 7 }
    }

    #[test]
    fn rankings_have_their_average_precision() {
        let candidates: Vec<Entry> = ["a", "b", "c", "d"].map(entry).to_vec();
        let texts = Retrieval {
            language: "de".into(),
            queries: vec![entry("q"), entry("r")],
            candidates: candidates.into(),
            right: vec![vec![0, 2], vec![1]],
            files: Vec::new(),
            notes: Vec::new(),
        };
        // By their cosines q finds a, b, c, d in this order, and r finds d, c, b, a.
        let row = |x: f32| vec![x, (1.0 - x * x).sqrt()];
        let vectors = Vectors {
            texts: &texts,
            queries: vec![row(1.0), row(0.0)].into(),
            candidates: [0.9, 0.7, 0.5, 0.3].map(row).to_vec().into(),
        };
        let found = Pooled.find(&vectors, None).unwrap();
        assert_eq!(found[1].predictions, Some(["d", "c", "b", "a"].map(str::to_owned).to_vec()));
        assert_eq!((&found[0].prediction[..], found[0].row, found[0].answers.as_ref().unwrap().len()), ("a", 7, 2));
        let marks = Pooled.marks(shipped("lareqa"), "de", &found).unwrap();
        let values: Vec<f64> = marks.iter().map(|one| one.marks[0].0).collect();
        assert_eq!(values, [(1.0 + 2.0 / 3.0) / 2.0, 1.0 / 3.0]);
        let (ending, text) = Pooled.submission(&found[..1]);
        assert_eq!(
            (ending, serde_json::from_str::<Value>(&text).unwrap()),
            ("json", json!({"q": ["a", "b", "c", "d"]}))
        );
        let error = precision_of(&Prediction { answers: None, ..found[0].clone() }).unwrap_err();
        assert!(error.message().contains("de: q: expected answers that are right"), "{error}");
    }
}
