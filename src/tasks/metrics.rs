//! How well predictions agree with labels: accuracy with its uncertainty, confusion, and what is lost in transfer.

use crate::{
    error::{Error, Result},
    metrics::clusters::{self, Named, Ratio, Sum, Z, wilson},
};
use std::collections::BTreeMap;

/// What was measured where nobody says.
pub const ACCURACY: &str = "accuracy";

/// How well one language (or one pair of languages) does by a metric, with a 95 % interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The language.
    pub language: String,
    /// What was measured.
    pub metric: &'static str,
    /// Number of answers, or of what has several parts, such as sentences whose entities are counted.
    pub n: usize,
    /// How many answers were right, where the metric counts them.
    pub correct: Option<usize>,
    /// What the metric comes to: of accuracy `correct / n`.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Part and whole of each cluster; none where only their sums are known.
    marks: Vec<Cluster>,
}

/// Answers that are not independent: the item that they are of, by which it is known in other languages too, and the
/// sums of their parts and wholes.
pub type Cluster = (Option<usize>, (f64, f64));

impl Score {
    /// The accuracy of `correct` right answers out of `n`.
    ///
    /// The interval is Wilson's (1927) rather than the normal one, which leaves [0, 1] near its ends.
    pub fn new(language: impl Into<String>, correct: usize, n: usize) -> Result<Score> {
        let language = language.into();
        if n == 0 || correct > n {
            return Err(Error::Data(format!("{language}: {correct} right out of {n} examples is no score")));
        }
        let value = correct as f64 / n as f64;
        let [low, high] = wilson(value, n as f64, Z);
        Ok(Score { language, metric: ACCURACY, n, correct: Some(correct), value, low, high, marks: Vec::new() })
    }

    /// The score by a metric that is a ratio of sums of parts and wholes, one of each for a cluster of answers, such as
    /// the words of a sentence. The interval is [`clusters::ratio`]'s, or Wilson's where each cluster is one answer.
    pub fn of_marks(language: impl Into<String>, metric: &'static str, marks: Vec<Cluster>) -> Result<Score> {
        let language = language.into();
        if marks.is_empty() {
            return Err(Error::Data(format!("{language}: there is no answer to score")));
        }
        let pairs: Vec<(f64, f64)> = marks.iter().map(|(_, mark)| *mark).collect();
        let is_answer = |(part, whole): &(f64, f64)| *whole == 1.0 && (*part == 0.0 || *part == 1.0);
        if pairs.iter().all(is_answer) {
            let correct = pairs.iter().filter(|(part, _)| *part == 1.0).count();
            return Ok(Score { metric, marks, ..Score::new(language, correct, pairs.len())? });
        }
        let Ratio { value, low, high } = clusters::ratio(&pairs);
        let (part, whole) = pairs.iter().fold((0.0, 0.0), |sum, mark| (sum.0 + mark.0, sum.1 + mark.1));
        let (correct, n) = match metric == ACCURACY {
            true => (Some(part as usize), whole as usize),
            false => (None, marks.len()),
        };
        Ok(Score { language, metric, n, correct, value, low, high, marks })
    }

    /// Its answers by item, as the `place`th language; none of a correlation.
    fn clusters(&self, place: usize) -> Option<Named<Item>> {
        let item = |(i, (row, mark)): (usize, &Cluster)| (row.map_or(Item::Alone(place, i), Item::Row), *mark);
        let counted = |right: usize| {
            let answer = |i: usize| (Item::Alone(place, i), (f64::from(u8::from(i < right)), 1.0));
            (0..self.n).map(answer).collect()
        };
        match self.marks.is_empty() {
            true => self.correct.map(counted),
            false => Some(self.marks.iter().enumerate().map(item).collect()),
        }
    }

    /// A correlation of `n` pairs of numbers, with its interval. One that is not defined (NaN, where a side is constant)
    /// counts 0.
    pub fn correlation(
        language: impl Into<String>,
        metric: &'static str,
        value: f64,
        [low, high]: [f64; 2],
        n: usize,
    ) -> Result<Score> {
        let language = language.into();
        if n < 2 {
            return Err(Error::Data(format!("{language}: {n} numbers have no correlation; measure more")));
        }
        let value = if value.is_nan() { 0.0 } else { value };
        Ok(Score { language, metric, n, correct: None, value, low, high, marks: Vec::new() })
    }

    /// Whether it is a correlation, and no share of what is right.
    pub fn is_correlation(&self) -> bool {
        self.marks.is_empty() && self.correct.is_none()
    }

    /// The score of predicted labels against the right ones.
    pub fn of(language: impl Into<String>, gold: &[usize], predicted: &[usize]) -> Result<Score> {
        let language = language.into();
        if gold.len() != predicted.len() {
            let (gold, predicted) = (gold.len(), predicted.len());
            return Err(Error::Data(format!("{language}: {predicted} predictions for {gold} examples")));
        }
        let correct = gold.iter().zip(predicted).filter(|(gold, predicted)| gold == predicted).count();
        Score::new(language, correct, gold.len())
    }
}

/// The correlation of ranks.
pub const SPEARMAN: &str = "Spearman";

/// Fewer answers than these say nothing of a habit.
pub const FEW: usize = 20;

/// From this share on, answers of one kind are one answer.
const CONSTANT: f64 = 0.99;

/// What is odd about the answers in a language, given as right label and prediction: that they are all the same, or no
/// more often right than the most frequent label alone would be.
pub fn oddity<'a>(language: &str, answers: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let (mut gold, mut predicted): (BTreeMap<&str, usize>, BTreeMap<&str, usize>) = Default::default();
    let (mut n, mut right) = (0, 0);
    for (label, prediction) in answers {
        *gold.entry(label).or_default() += 1;
        *predicted.entry(prediction).or_default() += 1;
        (n, right) = (n + 1, right + usize::from(label == prediction));
    }
    let most = |counts: BTreeMap<&'a str, usize>| counts.into_iter().max_by_key(|(_, count)| *count);
    let ((label, of_label), (answer, of_answer)) = (most(gold)?, most(predicted)?);
    let share = |count: usize| 100.0 * (count as f64 / n as f64); // as tables round it
    if n < FEW {
        None
    } else if of_answer as f64 >= CONSTANT * n as f64 {
        Some(format!("{language}: {of_answer} of {n} predictions are \"{answer}\", whatever the text"))
    } else if right <= of_label {
        let (own, guess) = (share(right), share(of_label));
        Some(format!("{language}: {own:.1} % right is no more than \"{label}\" throughout would be ({guess:.1} %)"))
    } else {
        None
    }
}

/// Scores in several languages and what they come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The language of training.
    pub source: String,
    /// One score per language.
    pub scores: Vec<Score>,
    /// The mean over languages (macro), as papers report it.
    pub mean: f64,
    /// The same without the source; `None` where there is no other language.
    pub mean_without_source: Option<f64>,
    /// What the source has more than the mean of the others; `None` where either is missing.
    pub gap: Option<f64>,
    /// The same over all examples thrown together (micro), as XTREME's and Robust-XLT's scripts print it; none of
    /// correlations.
    pub pooled: Option<Score>,
    /// How sure they are.
    pub intervals: Intervals,
}

/// 95 % intervals of what scores come to, over items with their translations, for this model; none of correlations.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Intervals {
    /// Of the mean.
    pub mean: Option<[f64; 2]>,
    /// Of the mean without the source.
    pub mean_without_source: Option<[f64; 2]>,
    /// Of the transfer gap.
    pub gap: Option<[f64; 2]>,
}

/// What of a language is an item: by its number, which it has in other languages too, or by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Row(usize),
    Alone(usize, usize),
}

impl Intervals {
    fn of(source: &str, scores: &[Score]) -> Intervals {
        let clusters: Option<Vec<Named<Item>>> =
            scores.iter().enumerate().map(|(i, score)| score.clusters(i)).collect();
        let Some(clusters) = clusters else { return Intervals::default() };
        let mean_of = |places: &[usize]| -> Vec<(f64, &Named<Item>)> {
            places.iter().map(|place| (1.0 / places.len() as f64, &clusters[*place])).collect()
        };
        let of_share = |places: &[usize]| match places {
            [] => None,
            [only] => Some([scores[*only].low, scores[*only].high]),
            _ => Sum::of(&mean_of(places)).interval_of_share(),
        };
        let all: Vec<usize> = (0..scores.len()).collect();
        let (own, others): (Vec<usize>, Vec<usize>) = all.iter().partition(|place| scores[**place].language == source);
        let less = mean_of(&others).into_iter().map(|(weight, clusters)| (-weight, clusters));
        let gap: Vec<(f64, &Named<Item>)> = mean_of(&own).into_iter().chain(less).collect();
        let has_gap = !own.is_empty() && !others.is_empty();
        Intervals {
            mean: of_share(&all),
            mean_without_source: of_share(&others),
            gap: has_gap.then(|| Sum::of(&gap).interval_of_difference()).flatten(),
        }
    }
}

impl Summary {
    /// Sums up the scores of a model trained in `source`.
    pub fn new(source: &str, scores: Vec<Score>) -> Result<Summary> {
        let twice =
            scores.iter().enumerate().find(|(i, score)| scores[..*i].iter().any(|s| s.language == score.language));
        if let Some((_, Score { language, .. })) = twice {
            return Err(Error::Data(format!(
                "{language} is scored twice, and would weigh twice; score each language once"
            )));
        }
        let (own, others): (Vec<&Score>, Vec<&Score>) = scores.iter().partition(|score| score.language == source);
        let mean_without_source = mean(&others);
        let gap = own.first().zip(mean_without_source).map(|(own, others)| own.value - others);
        let (pooled, intervals) = (pooled(&scores)?, Intervals::of(source, &scores));
        let mean = mean(&scores.iter().collect::<Vec<_>>()).ok_or_else(|| Error::Data("nothing was scored".into()))?;
        Ok(Summary { source: source.to_owned(), mean, mean_without_source, gap, pooled, intervals, scores })
    }

    /// What was measured.
    pub fn metric(&self) -> &'static str {
        self.scores[0].metric
    }

    /// The score in a language.
    pub fn score(&self, language: &str) -> Option<&Score> {
        self.scores.iter().find(|score| score.language == language)
    }
}

/// The score of all answers together. An item and its translations are one cluster: where it is hard in one language, it
/// tends to be so in others.
fn pooled(scores: &[Score]) -> Result<Option<Score>> {
    let mut items = Named::<Item>::new();
    for (i, score) in scores.iter().enumerate() {
        let Some(clusters) = score.clusters(i) else { return Ok(None) };
        for (item, (part, whole)) in clusters {
            let sum = items.entry(item).or_default();
            *sum = (sum.0 + part, sum.1 + whole);
        }
    }
    let Some(metric) = scores.first().map(|score| score.metric) else { return Ok(None) };
    let all = Score::of_marks("all", metric, items.into_values().map(|mark| (None, mark)).collect())?;
    let correct = scores.iter().map(|score| score.correct).sum();
    Ok(Some(Score { n: scores.iter().map(|score| score.n).sum(), correct, ..all }))
}

/// Scores in the generalized setting: the language of the first sentence by that of the second.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// The languages, in the order of rows and columns.
    pub languages: Vec<String>,
    /// `scores[first][second]`; `None` where the pair was not measured.
    pub scores: Vec<Vec<Option<Score>>>,
    /// Mean over all measured pairs.
    pub mean: f64,
    /// Mean over pairs of one language with itself.
    pub mean_diagonal: Option<f64>,
    /// Mean over pairs of two languages.
    pub mean_off_diagonal: Option<f64>,
}

impl Grid {
    /// Arranges scores given with the language of the first and of the second sentence.
    pub fn new(scores: Vec<(String, String, Score)>) -> Result<Grid> {
        let mut languages: Vec<String> = Vec::new();
        for language in scores.iter().flat_map(|(first, second, _)| [first, second]) {
            if !languages.contains(language) {
                languages.push(language.clone());
            }
        }
        let (same, mixed): (Vec<_>, Vec<_>) = scores.iter().partition(|(first, second, _)| first == second);
        let mean_of = |cells: &[&(String, String, Score)]| mean(&cells.iter().map(|cell| &cell.2).collect::<Vec<_>>());
        let (mean_diagonal, mean_off_diagonal) = (mean_of(&same), mean_of(&mixed));
        let all: Vec<_> = scores.iter().collect();
        let mean = mean_of(&all).ok_or_else(|| Error::Data("no pair of languages was scored".into()))?;
        let place = |language: &String| languages.iter().position(|known| known == language).expect("all are listed");
        let mut cells = vec![vec![None; languages.len()]; languages.len()];
        for (first, second, score) in &scores {
            cells[place(first)][place(second)] = Some(score.clone());
        }
        Ok(Grid { languages, scores: cells, mean, mean_diagonal, mean_off_diagonal })
    }
}

/// How often each label was taken for which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    /// The labels, in the order of rows and columns.
    pub labels: Vec<String>,
    /// `counts[right][predicted]`.
    pub counts: Vec<Vec<usize>>,
}

impl Confusion {
    /// Counts pairs of a right and a predicted label.
    pub fn new(labels: &[&str], pairs: impl IntoIterator<Item = (usize, usize)>) -> Confusion {
        let mut counts = vec![vec![0; labels.len()]; labels.len()];
        for (gold, predicted) in pairs {
            counts[gold][predicted] += 1;
        }
        Confusion { labels: labels.iter().map(|label| (*label).to_owned()).collect(), counts }
    }

    /// How many were right, and of how many.
    pub fn correct(&self) -> (usize, usize) {
        let right = (0..self.labels.len()).map(|i| self.counts[i][i]).sum();
        (right, self.counts.iter().flatten().sum())
    }
}

fn mean(scores: &[&Score]) -> Option<f64> {
    let sum: f64 = scores.iter().map(|score| score.value).sum();
    (!scores.is_empty()).then(|| sum / scores.len() as f64)
}

#[cfg(test)]
mod tests {
    use approx::assert_abs_diff_eq;

    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // The examples of Newcombe (1998), table I, method 3.
        for (correct, n, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let score = Score::new("en", correct, n).unwrap();
            assert_abs_diff_eq!(score.low, low, epsilon = 5e-5);
            assert_abs_diff_eq!(score.high, high, epsilon = 5e-5);
            for end in [score.low, score.high] {
                let deviation = Z * (end * (1.0 - end) / n as f64).sqrt();
                assert_abs_diff_eq!((score.value - end).abs(), deviation, epsilon = 1e-8);
            }
        }
        assert!(Score::new("en", 0, 0).is_err() && Score::new("en", 2, 1).is_err());
    }

    #[test]
    fn a_correlation_that_is_not_defined_counts_zero() {
        let of = |value: f64, n: usize| {
            let score = Score::correlation("de", "Pearson", value, [-1.0, 1.0], n)?;
            Ok::<_, Error>([score.value, score.low, score.high])
        };
        assert_eq!(of(f64::NAN, 200).unwrap(), [0.0, -1.0, 1.0], "a side is constant");
        assert_eq!([of(-1.0, 2).unwrap(), of(0.9, 3).unwrap()], [[-1.0, -1.0, 1.0], [0.9, -1.0, 1.0]]);
        assert!(of(1.0, 1).is_err());
    }

    #[test]
    fn summaries_tell_macro_from_micro() {
        let score = |language: &str, correct, n| Score::new(language, correct, n).unwrap();
        let scores = vec![score("de", 1, 2), score("en", 9, 10), score("sw", 3, 10)];
        let summary = Summary::new("en", scores.clone()).unwrap();
        for (found, expected) in [
            (summary.mean, (0.5 + 0.9 + 0.3) / 3.0),
            (summary.mean_without_source.unwrap(), 0.4),
            (summary.gap.unwrap(), 0.5),
            (summary.pooled.as_ref().unwrap().value, 13.0 / 22.0),
        ] {
            assert_abs_diff_eq!(found, expected, epsilon = 1e-12);
        }
        let alone = Summary::new("en", vec![score("en", 9, 10)]).unwrap();
        assert_eq!((alone.gap, alone.mean_without_source, alone.mean), (None, None, 0.9));
        assert_eq!(Summary::new("fr", scores).unwrap().gap, None);
        assert!(Summary::new("en", Vec::new()).is_err());
        let twice = Summary::new("en", vec![score("de", 1, 2), score("en", 1, 2), score("de", 1, 2)]).unwrap_err();
        assert!(twice.message().starts_with("de is scored twice"), "{twice}");
    }

    /// Hard items that are hard in all languages: three answers to each say no more than one.
    #[test]
    fn an_item_and_its_translations_are_one_cluster() {
        let answer = |i: usize| f64::from(u8::from(!i.is_multiple_of(3)));
        let of = |language: &str, known: bool| {
            let marks = (0..90).map(|i| (known.then_some(i), (answer(i), 1.0))).collect();
            Score::of_marks(language, ACCURACY, marks).unwrap()
        };
        let summary = |known: bool| {
            Summary::new("en", ["en", "de", "sw"].iter().map(|language| of(language, known)).collect()).unwrap()
        };
        let (joined, apart) = (summary(true), summary(false));
        let width = |[low, high]: [f64; 2]| high - low;
        let ends = |summary: &Summary| summary.pooled.as_ref().map(|all| [all.low, all.high]).unwrap();
        let own = |summary: &Summary| width([summary.scores[0].low, summary.scores[0].high]);
        // C / (C − 1) makes it a little wider, Student's t too.
        for found in [ends(&joined), joined.intervals.mean.unwrap(), joined.intervals.mean_without_source.unwrap()] {
            assert!((1.0..1.03).contains(&(width(found) / own(&joined))), "{found:?}");
        }
        for found in [ends(&apart), apart.intervals.mean.unwrap()] {
            let narrower = width(found) / own(&apart);
            assert!((narrower - 1.0 / 3.0f64.sqrt()).abs() < 0.02, "{narrower}");
        }
        assert_eq!((joined.pooled.as_ref().unwrap().n, joined.pooled.as_ref().unwrap().correct), (270, Some(180)));
        // The same answers everywhere: a gap of zero, of which nothing says how sure it is.
        assert_eq!((joined.gap, joined.intervals.gap), (Some(0.0), None));
        assert!(width(apart.intervals.gap.unwrap()) > own(&apart));
        let alone = Summary::new("en", vec![of("en", true)]).unwrap();
        assert_eq!(
            alone.intervals,
            Intervals { mean: Some([alone.scores[0].low, alone.scores[0].high]), ..Intervals::default() }
        );
        let number = |language: &str| Score::correlation(language, SPEARMAN, 0.5, [0.2, 0.7], 30).unwrap();
        assert_eq!(Summary::new("en", vec![number("en"), number("de")]).unwrap().intervals, Intervals::default());
    }

    #[test]
    fn answers_that_are_all_the_same_are_said() {
        let answers = |gold: &str, predicted: &str| {
            let pairs: Vec<(String, String)> =
                gold.chars().zip(predicted.chars()).map(|(a, b)| (a.into(), b.into())).collect();
            oddity("de", pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())))
        };
        let mixed = "abc".repeat(40);
        let said = answers(&mixed, &"c".repeat(120)).unwrap();
        assert_eq!(said, "de: 120 of 120 predictions are \"c\", whatever the text");
        // 119 of 120 is above 99 %, 118 below.
        assert!(answers(&mixed, &("a".to_owned() + &"c".repeat(119))).unwrap().contains("119 of 120"));
        let two = "ab".to_owned() + &"c".repeat(118);
        let said = answers(&("bac".to_owned() + &mixed[3..]), &two).unwrap();
        assert_eq!(said, "de: 33.3 % right is no more than \"c\" throughout would be (33.3 %)");
        assert_eq!(answers(&mixed, &two), None, "two more are right than \"c\" alone would be");
        assert_eq!(answers(&mixed, &mixed), None);
        assert_eq!(answers(&"a".repeat(19), &"a".repeat(19)), None, "few");
        assert_eq!(answers("", ""), None);
    }

    #[test]
    fn grids_part_the_diagonal_from_the_rest() {
        let cell = |a: &str, b: &str, correct| (a.to_owned(), b.to_owned(), Score::new("x", correct, 10).unwrap());
        let grid = Grid::new(vec![cell("en", "en", 9), cell("en", "de", 5), cell("de", "de", 7)]).unwrap();
        assert_eq!(grid.languages, ["en", "de"]);
        assert_abs_diff_eq!(grid.mean_diagonal.unwrap(), 0.8, epsilon = 1e-12);
        assert_abs_diff_eq!(grid.mean_off_diagonal.unwrap(), 0.5, epsilon = 1e-12);
        assert_abs_diff_eq!(grid.mean, 0.7, epsilon = 1e-12);
        assert!(grid.scores[1][0].is_none() && grid.scores[0][1].is_some());
        assert!(Grid::new(Vec::new()).is_err());
    }

    #[test]
    fn confusion_counts_the_right_on_the_diagonal() {
        let (gold, predicted) = ([0, 0, 1, 1], [0, 1, 1, 1]);
        let confusion = Confusion::new(&["no", "yes"], gold.into_iter().zip(predicted));
        assert_eq!(confusion.counts, [[1, 1], [0, 2]]);
        assert_eq!(confusion.correct(), (3, 4));
        assert_eq!(Score::of("en", &gold, &predicted).unwrap().correct, Some(3));
        assert!(Score::of("en", &gold, &predicted[..3]).is_err());
    }
}
