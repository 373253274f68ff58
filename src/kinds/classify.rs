//! Sentences and pairs: one label, several, or a number for each.

use super::{
    Asked, Kind, Marked, Read, Reader, Rows,
    item::{Goal, Item},
    right_or_wrong,
    score::correlations,
    sigmoids,
};
use crate::{
    error::{Error, Result},
    metrics::Marks,
    models::HeadKind,
    tasks::{
        Example, ProblemType, Task,
        metrics::{FEW, Score},
        predictions::{Prediction, Probabilities},
    },
};
use std::collections::BTreeMap;

pub(super) fn of(problem_type: ProblemType) -> &'static dyn Kind {
    match problem_type {
        ProblemType::SingleLabelClassification => &OneLabel,
        ProblemType::MultiLabelClassification => &SeveralLabels,
        ProblemType::Regression => &Number,
    }
}

/// From this probability on a label holds.
const HOLDS: f32 = 0.5;

/// One of the labels holds.
#[derive(Debug)]
struct OneLabel;

/// Each label holds or does not.
#[derive(Debug)]
struct SeveralLabels;

/// There is a number.
#[derive(Debug)]
struct Number;

fn labels_of(task: &Task) -> Vec<String> {
    task.labels().iter().map(|label| (*label).to_owned()).collect()
}

fn read(reader: &Reader, example: &Example, goal: Goal) -> Result<Read> {
    let encoded = reader.encode(&example.a, example.b.as_deref())?;
    let (ids, types) = (encoded.ids.clone(), encoded.types.clone());
    Ok(Read::one(Item::new(&example.id, ids, types, vec![0], goal), &encoded))
}

impl Kind for OneLabel {
    fn head(&self, task: &Task) -> HeadKind {
        HeadKind::Classify(labels_of(task))
    }

    fn metrics(&self, _: &Task) -> Vec<&'static str> {
        vec!["accuracy"]
    }

    /// An example without a label gets 0, which nothing reads.
    fn read(&self, reader: &Reader, example: &Example) -> Result<Read> {
        let label = example.label.map_or(0, |label| reader.labels[label]);
        read(reader, example, Goal::Classes(vec![label]))
    }

    fn answers(&self, asked: &Asked, outputs: &[Rows]) -> Result<Vec<Prediction>> {
        let row = asked.probabilities(&outputs[0][0]);
        Ok(vec![Prediction::new(asked.reader.task, asked.language, asked.example, &row)?])
    }

    fn marks(&self, _: &Task, _: &str, predictions: &[Prediction]) -> Result<Vec<Marked>> {
        Ok(right_or_wrong(predictions))
    }

    fn votes(&self) -> bool {
        true
    }
}

impl Kind for SeveralLabels {
    fn head(&self, task: &Task) -> HeadKind {
        HeadKind::AnyOf(labels_of(task))
    }

    /// F1 counts labels over all examples; an example is accurate where all its labels are right and none is missing.
    fn metrics(&self, _: &Task) -> Vec<&'static str> {
        vec!["micro F1", "accuracy"]
    }

    fn read(&self, reader: &Reader, example: &Example) -> Result<Read> {
        let mut holds = vec![0; reader.labels.len()];
        example.holds.iter().for_each(|label| holds[reader.labels[*label] as usize] = 1);
        read(reader, example, Goal::Each(holds))
    }

    fn answers(&self, asked: &Asked, outputs: &[Rows]) -> Result<Vec<Prediction>> {
        let (labels, row) = (asked.reader.task.labels(), asked.reader.in_task_order(&sigmoids(&outputs[0][0])));
        check_finite(asked, &row)?;
        let names = |holds: &[usize]| holds.iter().map(|label| labels[*label].to_owned()).collect::<Vec<_>>();
        let given: Vec<usize> = (0..row.len()).filter(|label| row[*label] >= HOLDS).collect();
        let (given, wanted) = (names(&given), names(&asked.example.holds));
        let named = labels.iter().zip(&row).map(|(name, p)| ((*name).to_owned(), f64::from(*p)));
        Ok(vec![Prediction {
            label: Some(wanted.join(", ")),
            answers: Some(wanted),
            predictions: Some(given.clone()),
            probabilities: Some(Probabilities::Named(named.collect())),
            ..Prediction::of(asked.language, asked.example, given.join(", "))
        }])
    }

    fn classes(&self, task: &Task, predictions: &[Prediction]) -> BTreeMap<String, Marks> {
        let of = |label: &str| {
            let has = |names: &Option<Vec<String>>| names.iter().flatten().any(|name| name == label);
            predictions.iter().fold(Marks::default(), |sum, one| {
                let (wanted, given) = (has(&one.answers), has(&one.predictions));
                let count = usize::from;
                sum + Marks { right: count(wanted && given), given: count(given), wanted: count(wanted) }
            })
        };
        task.labels().iter().map(|label| ((*label).to_owned(), of(label))).collect()
    }

    fn marks(&self, _: &Task, _: &str, predictions: &[Prediction]) -> Result<Vec<Marked>> {
        let mark = |one: &Prediction| {
            let [wanted, given] = one.sets();
            let right = wanted.intersection(&given).count() as f64;
            let f1 = (2.0 * right, (wanted.len() + given.len()) as f64);
            let marks = vec![f1, (f64::from(u8::from(wanted == given)), 1.0)];
            Marked { id: one.id.clone(), row: one.row, marks }
        };
        Ok(predictions.iter().map(mark).collect())
    }
}

impl Kind for Number {
    fn head(&self, _: &Task) -> HeadKind {
        HeadKind::Number
    }

    fn metrics(&self, _: &Task) -> Vec<&'static str> {
        vec!["Pearson", "Spearman"]
    }

    fn read(&self, reader: &Reader, example: &Example) -> Result<Read> {
        read(reader, example, Goal::Number(example.number.unwrap_or(0.0) as f32))
    }

    fn answers(&self, asked: &Asked, outputs: &[Rows]) -> Result<Vec<Prediction>> {
        check_finite(asked, &outputs[0][0])?;
        let prediction = Prediction::of(asked.language, asked.example, outputs[0][0][0].to_string());
        Ok(vec![Prediction { label: asked.example.number.map(|number| number.to_string()), ..prediction }])
    }

    fn has_marks(&self) -> bool {
        false
    }

    fn oddities(&self, task: &Task, predictions: &[Prediction]) -> Vec<String> {
        let is_judged = predictions.iter().all(|one| one.label.is_some());
        if let (Some(first), true) = (predictions.first().filter(|_| predictions.len() > 1), is_judged) {
            let said = |what: &str, number: &str| {
                let language = &first.language;
                vec![format!("{language}: all {what} are {number}: a correlation is not defined, 0 stands for it")]
            };
            if predictions.iter().all(|one| one.label == first.label) {
                return said("right answers", first.label.as_deref().unwrap_or_default());
            }
            if predictions.iter().all(|one| one.prediction == first.prediction) {
                return said("predictions", &first.prediction);
            }
        }
        let is_told = predictions.len() >= FEW && is_judged;
        let of = |one: &Prediction| correlations(&one.language, &self.metrics(task)[..1], predictions).ok();
        let scores = predictions.first().filter(|_| is_told).and_then(of).unwrap_or_default();
        let is_none = |score: &&Score| score.value <= 0.0;
        let said = |Score { language, metric, value, .. }: &Score| {
            format!("{language}: {metric} {:.1} %: the same number throughout would do as well", 100.0 * value)
        };
        scores.iter().filter(is_none).map(said).collect()
    }

    /// Correlations are no ratios of sums: [`super::score`] computes them from the numbers.
    fn marks(&self, _: &Task, _: &str, _: &[Prediction]) -> Result<Vec<Marked>> {
        Ok(Vec::new())
    }
}

/// Refuses outputs that are NaN or infinite.
pub(super) fn check_finite(asked: &Asked, row: &[f32]) -> Result<()> {
    match row.iter().all(|x| x.is_finite()) {
        true => Ok(()),
        false => Err(Error::Data(format!(
            "{}: expected finite outputs, found {row:?}; the model's weights are damaged, or it diverged in training",
            asked.example.id
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_that_is_not_defined_is_said() {
        let task = Task { problem_type: ProblemType::Regression, ..Task::UNDESCRIBED };
        let of = |label: &str, given: &str| Prediction {
            label: Some(label.to_owned()),
            ..Prediction::of("de", &Example::default(), given.to_owned())
        };
        let said = |all: &[Prediction]| Number.oddities(&task, all);
        let defined = "a correlation is not defined, 0 stands for it";
        assert_eq!(said(&[of("1", "2"), of("2", "2")]), [format!("de: all predictions are 2: {defined}")]);
        assert_eq!(said(&[of("1", "2"), of("1", "3")]), [format!("de: all right answers are 1: {defined}")]);
        assert!(said(&[of("1", "2"), of("2", "3")]).is_empty() && said(&[of("1", "2")]).is_empty());
    }
}
