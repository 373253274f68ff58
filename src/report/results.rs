//! Tables of results: one run, several methods side by side, pairs of languages, and confusions.

use super::{Column, Table, percent};
use crate::{
    measure::retrieve::Found,
    metrics::Marks,
    tasks::metrics::{Confusion, Grid, Intervals, Score, Summary},
};

use std::collections::{BTreeMap, BTreeSet};

/// One run: a row per language with the first metric and its 95 % interval, then others; then means and the transfer gap.
pub fn one_run(summaries: &[Summary]) -> Table {
    let Some((summary, others)) = summaries.split_first() else { return Table::new([]) };
    let columns = [
        Column::words("language"),
        Column::numbers("n"),
        Column::numbers(summary.metric()),
        Column::numbers("95 % interval"),
    ];
    let more = others.iter().map(|other| Column::numbers(other.metric()));
    let mut table = Table::new(columns.into_iter().chain(more));
    for (i, score) in summary.scores.iter().enumerate() {
        table = table.row(measured(score).into_iter().chain(others.iter().map(|other| percent(other.scores[i].value))));
    }
    table = table.rule();
    let Intervals { mean, mean_without_source, gap } = summary.intervals;
    let shown = sums(summary).into_iter().zip([mean, mean_without_source, gap]).take(n_sums(summaries.iter()));
    for (i, ((name, value), ends)) in shown.enumerate() {
        let more = others.iter().map(|other| cell(sums(other)[i].1));
        let own = [name, String::new(), cell(value), ends.map_or(String::new(), interval)];
        table = table.row(own.into_iter().chain(more));
    }
    let pooled = |summary: &Summary| summary.pooled.as_ref().map(|pooled| pooled.value);
    let Some([_, rest @ ..]) = summary.pooled.as_ref().map(measured) else { return table };
    let more = others.iter().map(|other| cell(pooled(other)));
    table.row(["all examples".to_owned()].into_iter().chain(rest).chain(more))
}

/// Retrieval of translations: a row per language with the accuracy in both directions, then their means.
pub fn retrieval(found: &[Found]) -> Table {
    let headings = ["n", "to English", "from English", "mean", "95 % interval"].map(Column::numbers);
    let mut table = Table::new([Column::words("language")].into_iter().chain(headings));
    for Found { english, foreign, both } in found {
        let [language, _, mean, interval] = measured(both);
        let n = english.n.to_string();
        table = table.row([language, n, percent(english.value), percent(foreign.value), mean, interval]);
    }
    let mean = |of: fn(&Found) -> &Score| {
        percent(found.iter().map(|found| of(found).value).sum::<f64>() / found.len().max(1) as f64)
    };
    let means = [mean(|found| &found.english), mean(|found| &found.foreign), mean(|found| &found.both)];
    let [to, from, both] = means;
    let of_both = Summary::new("", found.iter().map(|found| found.both.clone()).collect());
    let ends = of_both.ok().and_then(|summary| summary.intervals.mean).map_or(String::new(), interval);
    table.rule().row(["mean".to_owned(), String::new(), to, from, both, ends])
}

/// Several methods: a row per language, a column per method, then means and transfer gaps.
pub fn comparison(methods: &[(String, Summary)]) -> Table {
    let headings = methods.iter().map(|(name, _)| Column::numbers(name));
    let mut table = Table::new([Column::words("language")].into_iter().chain(headings));
    let mut languages: Vec<&str> = Vec::new();
    for score in methods.iter().flat_map(|(_, summary)| &summary.scores) {
        if !languages.contains(&score.language.as_str()) {
            languages.push(&score.language);
        }
    }
    for language in languages {
        let accuracy = |summary: &Summary| cell(summary.score(language).map(|score| score.value));
        table = table.row([language.to_owned()].into_iter().chain(methods.iter().map(|(_, s)| accuracy(s))));
    }
    let Some((_, first)) = methods.first() else { return table };
    table = table.rule();
    let n = n_sums(methods.iter().map(|(_, summary)| summary));
    for (i, (name, _)) in sums(first).into_iter().take(n).enumerate() {
        let values = methods.iter().map(|(_, summary)| cell(sums(summary)[i].1));
        table = table.row([name].into_iter().chain(values));
    }
    table
}

/// The generalized setting: rows are languages of the first sentence, columns those of the second.
pub fn grid(grid: &Grid) -> Table {
    let headings = grid.languages.iter().map(Column::numbers);
    let mut table = Table::new([Column::words("")].into_iter().chain(headings));
    for (language, scores) in grid.languages.iter().zip(&grid.scores) {
        let cells = scores.iter().map(|score| cell(score.as_ref().map(|score| score.value)));
        table = table.row([language.clone()].into_iter().chain(cells));
    }
    table
}

/// The means of the generalized setting, a row each.
pub fn grid_means(grid: &Grid) -> Table {
    Table::new([Column::words("pairs"), Column::numbers("mean over cells")])
        .row(["one language".to_owned(), cell(grid.mean_diagonal)])
        .row(["two languages".to_owned(), cell(grid.mean_off_diagonal)])
        .row(["all".to_owned(), percent(grid.mean)])
}

/// How well each class does: a row per class with how often it is wanted, and its F1 in each language.
pub fn classes(by_language: &[(String, BTreeMap<String, Marks>)]) -> Table {
    let headings = by_language.iter().map(|(language, _)| Column::numbers(language));
    let mut table = Table::new([Column::words("F1 of"), Column::numbers("n")].into_iter().chain(headings));
    let names: BTreeSet<&String> = by_language.iter().flat_map(|(_, classes)| classes.keys()).collect();
    for name in names {
        let found = |classes: &BTreeMap<String, Marks>| classes.get(name).copied().unwrap_or_default();
        let n: usize = by_language.iter().map(|(_, classes)| found(classes).wanted).sum();
        let value = |marks: Marks| (marks.wanted + marks.given > 0).then(|| marks.f1());
        let cells = by_language.iter().map(|(_, classes)| cell(value(found(classes))));
        table = table.row([name.clone(), n.to_string()].into_iter().chain(cells));
    }
    table
}

/// Which label was taken for which: rows are right labels, columns predicted ones.
pub fn confusion(confusion: &Confusion) -> Table {
    let headings = confusion.labels.iter().map(Column::numbers);
    let mut table = Table::new([Column::words("label \\ predicted")].into_iter().chain(headings));
    for (label, counts) in confusion.labels.iter().zip(&confusion.counts) {
        table = table.row([label.clone()].into_iter().chain(counts.iter().map(usize::to_string)));
    }
    table
}

fn measured(score: &Score) -> [String; 4] {
    [score.language.clone(), score.n.to_string(), percent(score.value), interval([score.low, score.high])]
}

/// The ends of an interval, of which one may be negative.
fn interval([low, high]: [f64; 2]) -> String {
    let between = if low < 0.0 { " to " } else { "–" };
    format!("{}{between}{}", percent(low), percent(high))
}

fn sums(summary: &Summary) -> [(String, Option<f64>); 3] {
    [
        ("mean".to_owned(), Some(summary.mean)),
        (format!("mean without {}", summary.source), summary.mean_without_source),
        ("transfer gap".to_owned(), summary.gap),
    ]
}

/// How many of [`sums`] say something: the mean alone where in none of these the source and others were measured.
fn n_sums<'a>(mut summaries: impl Iterator<Item = &'a Summary>) -> usize {
    if summaries.any(|summary| summary.gap.is_some()) { 3 } else { 1 }
}

fn cell(share: Option<f64>) -> String {
    share.map_or(super::NOTHING.to_owned(), percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_minus() {
        assert_eq!([-0.0, -0.0004, -0.0006, 0.5].map(percent), ["0.0", "0.0", "-0.1", "50.0"]);
    }

    fn summary(scores: &[(&str, usize)]) -> Summary {
        let scores = scores.iter().map(|(language, correct)| Score::new(*language, *correct, 100).unwrap());
        Summary::new("en", scores.collect()).unwrap()
    }

    #[test]
    fn tables_read_well() {
        let one = summary(&[("en", 90), ("de", 70), ("sw", 50)]);
        let expected = "\
language           n  accuracy  95 % interval
---------------  ---  --------  -------------
en               100      90.0      82.6–94.5
de               100      70.0      60.4–78.1
sw               100      50.0      40.4–59.6
---------------  ---  --------  -------------
mean                      70.0      64.9–74.6
mean without en           60.0      53.2–66.5
transfer gap              30.0      21.1–38.9
all examples     300      70.0      64.6–74.9
";
        assert_eq!(one_run(std::slice::from_ref(&one)).to_text(), expected);

        let other = summary(&[("en", 88), ("ar", 60)]);
        let expected = "\
language         standard   adv
---------------  --------  ----
en                   90.0  88.0
de                   70.0     –
sw                   50.0     –
ar                      –  60.0
---------------  --------  ----
mean                 70.0  74.0
mean without en      60.0  60.0
transfer gap         30.0  28.0
";
        assert_eq!(comparison(&[("standard".into(), one), ("adv".into(), other)]).to_text(), expected);
    }

    #[test]
    fn without_the_source_there_is_one_mean() {
        let (whole, other) = (summary(&[("en", 90), ("de", 70)]), summary(&[("de", 60), ("sw", 50)]));
        let alone = one_run(std::slice::from_ref(&other)).to_text();
        assert!(alone.contains("mean") && !alone.contains("without") && !alone.contains("gap"), "{alone}");
        let both = comparison(&[("standard".into(), whole), ("adv".into(), other)]).to_text();
        assert!(both.contains("mean without en      70.0  55.0\ntransfer gap         20.0     –"), "{both}");
    }

    #[test]
    fn pairs_of_languages_fit_the_terminal() {
        let languages = ["ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"];
        let pairs = languages.iter().flat_map(|a| languages.iter().map(move |b| (a.to_string(), b.to_string())));
        let score = |(a, b): (String, String)| {
            let score = Score::new("x", if a == b { 80 } else { 60 }, 100).unwrap();
            (a, b, score)
        };
        let scores = Grid::new(pairs.map(score).collect()).unwrap();
        let text = grid(&scores).to_text();
        assert!(text.lines().count() == 17 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let expected = "\
pairs          mean over cells
-------------  ---------------
one language              80.0
two languages             60.0
all                       61.3
";
        assert_eq!(grid_means(&scores).to_text(), expected);
        let confused = confusion(&Confusion::new(&["no", "yes"], [(0, 0), (0, 1), (1, 1)])).to_text();
        assert_eq!(
            confused,
            "label \\ predicted  no  yes\n-----------------  --  ---\nno                  1    1\nyes                 0    1\n"
        );
    }
}
