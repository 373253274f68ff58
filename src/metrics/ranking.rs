//! Ranked answers: reciprocal rank, average precision, and the discounted gain of graded results.

use std::collections::HashSet;

use super::sums::numpy_sum;

/// `1 / rank` of the first right answer among the best `k`, 0 where there is none.
pub fn reciprocal_rank(wanted: &str, ranked: &[&str], k: usize) -> f64 {
    let rank = ranked.iter().take(k).position(|answer| *answer == wanted);
    rank.map_or(0.0, |at| 1.0 / (at as f64 + 1.0))
}

/// Average precision among the best `k`; an answer named twice counts where it stands first.
///
/// The divisor is the smaller of `k` and the number of right answers, as in LAReQA's evaluation.
#[track_caller]
pub fn average_precision(wanted: &HashSet<&str>, ranked: &[&str], k: usize) -> f64 {
    assert!(!wanted.is_empty() && k > 0, "a question without a right answer has no average precision");
    let (mut seen, mut hits, mut sum) = (HashSet::new(), 0.0, 0.0);
    for (at, answer) in ranked.iter().take(k).enumerate() {
        if seen.insert(*answer) && wanted.contains(answer) {
            hits += 1.0;
            sum += hits / (at as f64 + 1.0);
        }
    }
    sum / wanted.len().min(k) as f64
}

/// The results of a query: their grades and scores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// The place of its first result.
    pub first: usize,
    /// How good each result is.
    pub grades: Vec<f64>,
    /// What each is ranked by.
    pub scores: Vec<f64>,
}

impl Query {
    /// [`ndcg`], where there is more than one result to rank: scikit-learn has none of one alone, and XGLUE's script
    /// leaves such queries out.
    pub fn ndcg(&self) -> Option<f64> {
        (self.grades.len() > 1).then(|| ndcg(&self.grades, &self.scores))
    }
}

/// Results by query, as XGLUE's script parts them: those with the same query one after another are of one, the same query
/// further down is another, and what follows an empty query is of it.
pub fn queries<'a>(results: impl IntoIterator<Item = (&'a str, f64, f64)>) -> Vec<Query> {
    let (mut queries, mut last): (Vec<Query>, &str) = (Vec::new(), "");
    for (at, (query, grade, score)) in results.into_iter().enumerate() {
        if queries.is_empty() || (query != last && !last.is_empty()) {
            queries.push(Query { first: at, ..Query::default() });
        }
        last = query;
        let open = queries.last_mut().expect("one was just begun");
        open.grades.push(grade);
        open.scores.push(score);
    }
    queries
}

/// Normalized discounted cumulative gain of results with grades, ranked by scores, as scikit-learn's `ndcg_score`:
/// the grade itself is the gain, and results with equal scores share their mean grade. 0 where all grades are 0.
#[track_caller]
pub fn ndcg(grades: &[f64], scores: &[f64]) -> f64 {
    assert_eq!(grades.len(), scores.len(), "a grade for each score");
    let discounts: Vec<f64> = (0..grades.len()).map(|at| 1.0 / ((at as f64 + 2.0).ln() / 2f64.ln())).collect();
    let mut best = grades.to_vec();
    best.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = best.iter().zip(&discounts).map(|(grade, discount)| grade * discount).sum();
    if ideal == 0.0 { 0.0 } else { gain_with_ties(grades, scores, &discounts) / ideal }
}

/// Discounted gain with the expected order of ties (McSherry and Najork 2008).
fn gain_with_ties(grades: &[f64], scores: &[f64], discounts: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..grades.len()).collect();
    // The order is stable, so the grades of a tie are summed as they stand in the file.
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let running: Vec<f64> = discounts
        .iter()
        .scan(0.0, |sum, discount| {
            *sum += discount;
            Some(*sum)
        })
        .collect();
    let (mut gains, mut discount_before, mut ranked) = (Vec::new(), 0.0, 0);
    for tie in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let mean = tie.iter().map(|at| grades[*at]).sum::<f64>() / tie.len() as f64;
        ranked += tie.len();
        gains.push(mean * (running[ranked - 1] - discount_before));
        discount_before = running[ranked - 1];
    }
    numpy_sum(&gains)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_from_one() {
        let ranked = ["a", "b", "c"];
        assert_eq!(["a", "b", "c", "d"].map(|wanted| reciprocal_rank(wanted, &ranked, 2)), [1.0, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn average_precision_is_lareqas() {
        let wanted = HashSet::from(["a", "c"]);
        assert_eq!(average_precision(&wanted, &["a", "b", "c"], 20), (1.0 + 2.0 / 3.0) / 2.0);
        assert_eq!(average_precision(&wanted, &["a", "a", "c"], 20), (1.0 + 2.0 / 3.0) / 2.0);
        assert_eq!(average_precision(&wanted, &["a", "c"], 1), 1.0);
        assert_eq!(average_precision(&wanted, &[], 20), 0.0);
    }

    #[test]
    fn queries_are_parted_where_they_change() {
        let results = [("q", 1.0, 0.5), ("q", 0.0, 0.2), ("r", 4.0, 0.1), ("", 0.0, 0.3), ("s", 1.0, 0.4)];
        let parts: Vec<_> = queries(results).into_iter().map(|query| (query.first, query.grades)).collect();
        assert_eq!(parts, [(0, vec![1.0, 0.0]), (2, vec![4.0]), (3, vec![0.0, 1.0])]);
        let gains: Vec<_> = queries(results).iter().map(Query::ndcg).collect();
        assert_eq!((gains[0], gains[1]), (Some(1.0), None));
    }

    #[test]
    fn gain_is_one_at_best_and_zero_without_grades() {
        let grades = [3.0, 0.0, 4.0, 1.0];
        assert!((ndcg(&grades, &grades) - 1.0).abs() <= 4.0 * f64::EPSILON); // four roundings of 2^-53 on each side
        assert_eq!(ndcg(&[0.0, 0.0], &[1.0, 2.0]), 0.0);
        // All tied: the mean grade at each place, (2 + 0) / 2 · (1 + 1 / log2 3), over 2.
        let expected = (1.0 + 2f64.ln() / 3f64.ln()) / 2.0;
        assert!((ndcg(&[2.0, 0.0], &[1.0, 1.0]) - expected).abs() <= 4.0 * f64::EPSILON);
    }
}
