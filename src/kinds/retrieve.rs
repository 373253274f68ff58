//! Texts that are found among others by their vectors: translations of sentences (Tatoeba), and which sentences of two texts
//! are translations at all (BUCC). Nothing is trained for it.

use super::{
    Asked, Kind, Marked, Read, Reader, Rows, Search,
    neighbours::{Neighbour, nearest},
    right_or_wrong,
};
use crate::{
    error::{Error, Result},
    models::HeadKind,
    tasks::{self, Example, Task, predictions::Prediction, retrieval::Retrieval},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Texts with a vector of norm 1 for each.
#[derive(Debug, Clone)]
pub struct Vectors<'a> {
    /// The texts.
    pub texts: &'a Retrieval,
    /// Of the queries.
    pub queries: Arc<[Vec<f32>]>,
    /// Of the candidates.
    pub candidates: Arc<[Vec<f32>]>,
}

impl Vectors<'_> {
    /// What was found for a query.
    pub(super) fn prediction(&self, query: usize, found: Option<usize>) -> Prediction {
        let entry = &self.texts.queries[query];
        let id = |place: &usize| self.texts.candidates[*place].id.clone();
        let example = Example { id: entry.id.clone(), row: entry.row, ..Example::default() };
        let prediction = Prediction::of(&self.texts.language, &example, found.as_ref().map(id).unwrap_or_default());
        Prediction { label: self.texts.right[query].first().map(id), ..prediction }
    }
}

/// The nearest candidate is the one that is found; exactly one is right.
#[derive(Debug)]
pub(super) struct Nearest;

/// Pairs are mined, of which some queries and candidates have none.
#[derive(Debug)]
pub(super) struct Mine;

pub(super) fn untrained<T>(task: &Task) -> Result<T> {
    Err(Error::Usage(format!(
        "{} is retrieval, for which nothing is trained: rxlt eval --task {} measures an encoder",
        task.name, task.name
    )))
}

impl Kind for Nearest {
    /// An encoder is measured as it is.
    fn head(&self, _: &Task) -> HeadKind {
        HeadKind::MaskedLm
    }

    fn metrics(&self, _: &Task) -> Vec<&'static str> {
        vec!["accuracy"]
    }

    fn read(&self, reader: &Reader, _: &Example) -> Result<Read> {
        untrained(reader.task)
    }

    fn answers(&self, asked: &Asked, _: &[Rows]) -> Result<Vec<Prediction>> {
        untrained(asked.reader.task)
    }

    fn marks(&self, _: &Task, _: &str, predictions: &[Prediction]) -> Result<Vec<Marked>> {
        Ok(right_or_wrong(predictions))
    }

    /// XTREME sorts the queries by their text, and counts candidates from 0 as they stand in their file.
    fn submission(&self, predictions: &[Prediction]) -> (&'static str, String) {
        let mut sorted: Vec<&Prediction> = predictions.iter().collect();
        sorted.sort_by_key(|one| &one.a);
        let number = |one: &Prediction| {
            let line = one.prediction.rsplit(':').next().and_then(|line| line.parse::<usize>().ok());
            line.map_or(one.prediction.clone(), |line| (line - 1).to_string())
        };
        ("tsv", sorted.into_iter().map(|one| format!("{}\n", number(one))).collect())
    }

    fn search(&self) -> Option<&dyn Search> {
        Some(self)
    }
}

impl Search for Nearest {
    fn looks_both_ways(&self) -> bool {
        true
    }

    fn find(&self, vectors: &Vectors, _: Option<&Vectors>) -> Result<Vec<Prediction>> {
        let found = nearest(&vectors.queries, &vectors.candidates, 1);
        let answer = |(query, found): (usize, Vec<Neighbour>)| {
            let a = Some(vectors.texts.queries[query].text.clone());
            Prediction { a, ..vectors.prediction(query, found.first().map(|one| one.place)) }
        };
        Ok(found.into_iter().enumerate().map(answer).collect())
    }
}

impl Kind for Mine {
    fn head(&self, _: &Task) -> HeadKind {
        HeadKind::MaskedLm
    }

    fn metrics(&self, _: &Task) -> Vec<&'static str> {
        vec!["F1", "precision", "recall"]
    }

    fn read(&self, reader: &Reader, _: &Example) -> Result<Read> {
        untrained(reader.task)
    }

    fn answers(&self, asked: &Asked, _: &[Rows]) -> Result<Vec<Prediction>> {
        untrained(asked.reader.task)
    }

    /// A query is a cluster: most have no pair, and count nothing.
    fn marks(&self, _: &Task, _: &str, predictions: &[Prediction]) -> Result<Vec<Marked>> {
        let mark = |one: &Prediction| {
            let [wanted, given] = one.sets();
            let right = wanted.intersection(&given).count() as f64;
            let (wanted, given) = (wanted.len() as f64, given.len() as f64);
            let marks = vec![(2.0 * right, wanted + given), (right, given), (right, wanted)];
            Marked { id: one.id.clone(), row: one.row, marks }
        };
        Ok(predictions.iter().map(mark).collect())
    }

    /// The ids of a pair a line.
    fn submission(&self, predictions: &[Prediction]) -> (&'static str, String) {
        let pairs = |one: &Prediction| -> String {
            one.predictions.iter().flatten().map(|found| format!("{}\t{found}\n", one.id)).collect()
        };
        ("tsv", predictions.iter().map(pairs).collect())
    }

    fn search(&self) -> Option<&dyn Search> {
        Some(self)
    }
}

impl Search for Mine {
    fn is_tuned(&self) -> bool {
        true
    }

    /// Pairs from the score on by which F1 is best in the tuning data.
    fn find(&self, vectors: &Vectors, tuning: Option<&Vectors>) -> Result<Vec<Prediction>> {
        let mined = mined(vectors);
        let threshold = match tuning {
            Some(tuning) => threshold(&self::mined(tuning), &tuning.texts.right),
            None => threshold(&mined, &vectors.texts.right),
        };
        let kept = mined.iter().filter(|pair| pair.score >= threshold);
        let found: HashMap<usize, usize> = kept.map(|pair| (pair.query, pair.candidate)).collect();
        let id = |place: &usize| vectors.texts.candidates[*place].id.clone();
        let answer = |query: usize| Prediction {
            answers: Some(vectors.texts.right[query].iter().map(id).collect()),
            predictions: Some(found.get(&query).map(id).into_iter().collect()),
            ..vectors.prediction(query, found.get(&query).copied())
        };
        Ok((0..vectors.texts.queries.len()).map(answer).collect())
    }
}

/// The neighbours that a margin is taken over, as in XTREME.
const NEIGHBOURS: usize = 4;

/// Two texts that may translate each other.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pair {
    query: usize,
    candidate: usize,
    score: f64,
}

/// The best pairs, each text in one at most, the best first: by the cosine over the mean cosine of both to their nearest
/// neighbours (Artetxe and Schwenk, 2019, "ratio"), from both sides. As in XTREME, texts that stand twice are one where pairs
/// are looked for, and in no pair afterwards.
fn mined(vectors: &Vectors) -> Vec<Pair> {
    let (a, b) = (
        Distinct::of(&vectors.texts.queries, &vectors.queries),
        Distinct::of(&vectors.texts.candidates, &vectors.candidates),
    );
    let (to, from) = (nearest(&a.vectors, &b.vectors, NEIGHBOURS), nearest(&b.vectors, &a.vectors, NEIGHBOURS));
    let mean = |found: &Vec<Neighbour>| found.iter().map(|one| one.cosine).sum::<f32>() / found.len() as f32;
    let (mean_to, mean_from): (Vec<f32>, Vec<f32>) = (to.iter().map(mean).collect(), from.iter().map(mean).collect());
    let best = |found: &[Neighbour], own: f32, others: &[f32]| {
        let scored = found.iter().map(|one| (one.place, one.cosine / ((own + others[one.place]) / 2.0)));
        scored.reduce(|best, next| if next.1 > best.1 { next } else { best })
    };
    let forward = to.iter().enumerate().filter_map(|(query, found)| {
        let (candidate, score) = best(found, mean_to[query], &mean_from)?;
        Some(Pair { query, candidate, score: f64::from(score) })
    });
    let backward = from.iter().enumerate().filter_map(|(candidate, found)| {
        let (query, score) = best(found, mean_from[candidate], &mean_to)?;
        Some(Pair { query, candidate, score: f64::from(score) })
    });
    let mut pairs: Vec<Pair> = forward.chain(backward).collect();
    pairs.sort_by(|one, other| other.score.total_cmp(&one.score));
    let pairs = one_to_one(pairs).into_iter().filter(|pair| pair.score > 0.0);
    let named = |pair: Pair| Some(Pair { query: a.only[pair.query]?, candidate: b.only[pair.candidate]?, ..pair });
    pairs.filter_map(named).collect()
}

/// Each pair of which neither text is in one before it.
fn one_to_one(pairs: Vec<Pair>) -> Vec<Pair> {
    let (mut queries, mut candidates) = (HashSet::new(), HashSet::new());
    let mut kept = Vec::new();
    for pair in pairs {
        if !queries.contains(&pair.query) && !candidates.contains(&pair.candidate) {
            queries.insert(pair.query);
            candidates.insert(pair.candidate);
            kept.push(pair);
        }
    }
    kept
}

/// Texts without repetition.
struct Distinct {
    vectors: Vec<Vec<f32>>,
    /// The place of each among all texts, where it stands there once.
    only: Vec<Option<usize>>,
}

impl Distinct {
    fn of(entries: &[tasks::retrieval::Entry], vectors: &[Vec<f32>]) -> Distinct {
        let mut distinct = Distinct { vectors: Vec::new(), only: Vec::new() };
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (i, entry) in entries.iter().enumerate() {
            let place = *places.entry(&entry.text).or_insert(distinct.vectors.len());
            if place < distinct.vectors.len() {
                distinct.only[place] = None;
                continue;
            }
            distinct.vectors.push(vectors[i].clone());
            distinct.only.push(Some(i));
        }
        distinct
    }
}

/// The score from which on pairs have the best F1: half way to the next pair, as in XTREME.
fn threshold(mined: &[Pair], right: &[Vec<usize>]) -> f64 {
    let n_gold = right.iter().map(Vec::len).sum::<usize>() as f64;
    let (mut n_right, mut best, mut threshold) = (0.0, 0.0, 0.0);
    for (i, pair) in mined.iter().enumerate() {
        n_right += f64::from(u8::from(right[pair.query].contains(&pair.candidate)));
        let f1 = 2.0 * n_right / (n_gold + (i + 1) as f64);
        if f1 > best {
            let next = mined.get(i + 1).unwrap_or(pair);
            (best, threshold) = (f1, (pair.score + next.score) / 2.0);
        }
    }
    threshold
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{retrieval::Entry, shipped};

    fn unit(row: [f32; 2]) -> Vec<f32> {
        let norm = (row[0] * row[0] + row[1] * row[1]).sqrt();
        row.iter().map(|x| x / norm).collect()
    }

    fn retrieval(queries: &[&str], candidates: &[&str], right: Vec<Vec<usize>>) -> Retrieval {
        let side = |texts: &[&str], name: &str| -> Vec<Entry> {
            let entry = |(i, text): (usize, &&str)| Entry {
                id: format!("{name}:{}", i + 1),
                text: (*text).to_owned(),
                context: None,
                language: "de".into(),
                row: i + 1,
            };
            texts.iter().enumerate().map(entry).collect()
        };
        let (queries, candidates) = (side(queries, "q"), side(candidates, "c").into());
        Retrieval { language: "de".into(), queries, candidates, right, files: Vec::new(), notes: Vec::new() }
    }

    #[test]
    fn submissions_go_by_the_order_of_the_text() {
        let texts = retrieval(&["b", "a"], &["x", "y"], vec![vec![0], vec![1]]);
        let rows = vec![unit([1.0, 0.1]), unit([0.1, 1.0])];
        let vectors = Vectors { texts: &texts, queries: rows.clone().into(), candidates: rows.into() };
        let found = Nearest.find(&vectors, None).unwrap();
        let shown: Vec<_> = found.iter().map(|one| (&one.id[..], &one.prediction[..], one.label.as_deref())).collect();
        assert_eq!(shown, [("q:1", "c:1", Some("c:1")), ("q:2", "c:2", Some("c:2"))]);
        assert_eq!(Nearest.submission(&found), ("tsv", "1\n0\n".to_owned()));
    }

    #[test]
    fn texts_are_in_one_pair_each_and_those_that_stand_twice_in_none() {
        let queries = ["one", "two", "two", "three"];
        let candidates = ["eins", "zwei", "drei"];
        let texts = retrieval(&queries, &candidates, vec![vec![0], vec![], vec![], vec![2]]);
        let rows = [unit([1.0, 0.1]), unit([0.6, 0.7]), unit([0.6, 0.7]), unit([0.1, 1.0])];
        let others = vec![rows[0].clone(), rows[1].clone(), rows[3].clone()];
        let vectors = Vectors { texts: &texts, queries: rows.to_vec().into(), candidates: others.into() };
        let mut pairs: Vec<_> = mined(&vectors).iter().map(|pair| (pair.query, pair.candidate)).collect();
        pairs.sort_unstable();
        assert_eq!(pairs, [(0, 0), (3, 2)]);
        let found = Mine.find(&vectors, None).unwrap();
        assert_eq!(Mine.submission(&found).1, "q:1\tc:1\nq:4\tc:3\n");
        let marks = Mine.marks(shipped("bucc2018"), "de", &found).unwrap();
        let sum = marks.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.marks[0].0, sum.1 + one.marks[0].1));
        assert_eq!((found.len(), sum), (4, (4.0, 4.0)));
    }

    #[test]
    fn what_is_in_no_pair_is_free_for_the_next() {
        let pair = |query, candidate| Pair { query, candidate, score: 1.0 };
        let all = vec![pair(0, 0), pair(0, 1), pair(1, 1), pair(2, 1), pair(2, 2)];
        assert_eq!(one_to_one(all), [pair(0, 0), pair(1, 1), pair(2, 2)]);
    }

    #[test]
    fn the_threshold_is_where_f1_is_best() {
        let pair = |query, score| Pair { query, candidate: query, score };
        let mined = [pair(0, 1.5), pair(1, 1.25), pair(2, 1.0), pair(3, 0.5)];
        // Right are 0 and 2, and one that was not mined: F1 is 2/4, 2/5, 4/6, 4/7 of the first one, two, three and four.
        let right = [vec![0], vec![], vec![2], vec![], vec![9]];
        assert_eq!(threshold(&mined, &right), 0.75);
        assert_eq!(threshold(&mined[..3], &right), 1.0, "behind the last there is none");
        assert_eq!(threshold(&[], &right), 0.0);
    }
}
