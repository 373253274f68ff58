//! Questions whose answer is a part of a text (Rajpurkar et al., 2016): where it begins and where it ends.
//!
//! A long text is read in windows that overlap (Devlin et al., 2019). Training points at the first token where a window does
//! not hold the answer; of all windows' candidates the one with the largest sum of logits is the answer.

use super::{
    Asked, Kind, Marked, Read, Reader, Rows,
    classify::check_finite,
    item::{Goal, Item},
};
use crate::{
    error::{Error, Result},
    metrics::answers::{Language, Rules},
    models::HeadKind,
    tasks::{Example, Task, codes::two_letters, predictions::Prediction},
};
use serde_json::{Map, Value, json};
use std::ops::Range;

/// A question with a text.
#[derive(Debug)]
pub(super) struct Span;

/// By how many tokens of the text neighbouring windows begin apart (BERT's and XTREME's `doc_stride`).
const STRIDE: usize = 128;

/// The most tokens of an answer (XTREME's `max_answer_length`).
const LONGEST_ANSWER: usize = 30;

/// Beginnings and ends that are looked at in each window (`n_best_size`).
const CANDIDATES: usize = 20;

/// The most tokens of a question (`max_query_length`).
const LONGEST_QUESTION: usize = 64;

/// Where the windows of an example lie.
struct Windows {
    /// The question, cut to its limit.
    question: Vec<u32>,
    /// The tokens of the text with the bytes that they cover.
    text: Vec<(u32, Range<usize>)>,
    /// Which of them each window holds.
    parts: Vec<Range<usize>>,
    /// Where the text begins in an item.
    offset: usize,
    /// Tokens of the question that were cut.
    n_cut: usize,
}

impl Windows {
    fn of(reader: &Reader, example: &Example) -> Result<Windows> {
        let tokenizer = reader.tokenizer;
        let mut question = tokenizer.tokens(example.a.trim_start())?;
        let n_cut = question.len().saturating_sub(LONGEST_QUESTION);
        question.truncate(LONGEST_QUESTION);
        let text = tokenizer.placed_tokens(example.b.as_deref().unwrap_or_default())?;
        // The frame around question and text, found with a text of one token that no length limit can cut.
        let framed = tokenizer.assemble(&question, Some(&[tokenizer.specials().unknown]), question.len() + 64)?;
        let n_special = framed.ids.len() - question.len() - 1;
        let offset = tokenizer.n_leading() + framed.second;
        let room = reader.max_length.saturating_sub(question.len() + n_special);
        if room == 0 {
            let (id, max_length) = (&example.id, reader.max_length);
            let question = question.len();
            return Err(Error::Config(format!(
                "{id}: max_length {max_length} leaves no room for the text beside a question of {question} tokens; set it \
                 higher"
            )));
        }
        let (mut parts, mut start) = (Vec::new(), 0);
        loop {
            let end = text.len().min(start + room);
            parts.push(start..end);
            if end == text.len() {
                return Ok(Windows { question, text, parts, offset, n_cut });
            }
            start += STRIDE.min(room);
        }
    }

    /// The tokens of the text from the one that holds a byte range's first byte to the one that holds its last.
    fn tokens_of(&self, bytes: &Range<usize>) -> Option<(usize, usize)> {
        let first = self.text.iter().position(|(_, covered)| covered.end > bytes.start)?;
        let last = self.text.iter().rposition(|(_, covered)| covered.start < bytes.end)?;
        (first <= last).then_some((first, last))
    }
}

impl Kind for Span {
    fn head(&self, _: &Task) -> HeadKind {
        HeadKind::Span
    }

    fn metrics(&self, _: &Task) -> Vec<&'static str> {
        vec!["F1", "exact match"]
    }

    fn read(&self, reader: &Reader, example: &Example) -> Result<Read> {
        let windows = Windows::of(reader, example)?;
        let answer = example.answers.first().map(|answer| answer.start..answer.start + answer.text.len());
        let answer = answer.and_then(|bytes| windows.tokens_of(&bytes));
        let mut read = Read { n_truncated: windows.n_cut, ..Read::default() };
        for (number, part) in windows.parts.iter().enumerate() {
            let ids: Vec<u32> = windows.text[part.clone()].iter().map(|(id, _)| *id).collect();
            let encoded = reader.tokenizer.assemble(&windows.question, Some(&ids), reader.max_length)?;
            let inside = answer.filter(|(first, last)| part.start <= *first && *last < part.end);
            let place = |token: usize| (windows.offset + token - part.start) as u32;
            let goal = inside.map_or(vec![0, 0], |(first, last)| vec![place(first), place(last)]);
            let rows = (0..encoded.ids.len() as u32).collect();
            let id = if windows.parts.len() == 1 { example.id.clone() } else { format!("{}/{number}", example.id) };
            read.n_unknown += encoded.n_unknown;
            read.items.push(Item::new(id, encoded.ids, encoded.types, rows, Goal::Places(goal)));
        }
        Ok(read)
    }

    fn answers(&self, asked: &Asked, outputs: &[Rows]) -> Result<Vec<Prediction>> {
        let windows = Windows::of(asked.reader, asked.example)?;
        let mut best: Option<(f32, Range<usize>)> = None;
        for (part, rows) in windows.parts.iter().zip(outputs) {
            rows.iter().try_for_each(|row| check_finite(asked, row))?;
            let inside = &rows[windows.offset..windows.offset + part.len()];
            if let Some((score, first, last)) = best_span(inside)
                && best.as_ref().is_none_or(|(before, _)| score > *before)
            {
                let bytes = |token: usize| &windows.text[part.start + token].1;
                best = Some((score, bytes(first).start..bytes(last).end));
            }
        }
        let text = asked.example.b.as_deref().unwrap_or_default();
        let given = best.map_or(String::new(), |(_, bytes)| text[bytes].to_owned());
        let mut answers: Vec<String> = asked.example.answers.iter().map(|answer| answer.text.clone()).collect();
        answers.dedup();
        Ok(vec![Prediction {
            label: answers.first().cloned(),
            answers: Some(answers),
            ..Prediction::of(asked.language, asked.example, given)
        }])
    }

    /// The best of the right answers counts, by MLQA's rules where it has some for the language, else by SQuAD 1.1's.
    fn marks(&self, _: &Task, language: &str, predictions: &[Prediction]) -> Result<Vec<Marked>> {
        let rules = rules(language);
        let mark = |one: &Prediction| {
            let wanted = || one.answers.iter().flatten().map(String::as_str);
            let f1 = wanted().map(|wanted| rules.f1(wanted, &one.prediction)).fold(0.0, f64::max);
            let exact = wanted().any(|wanted| rules.exact(wanted, &one.prediction));
            let marks = vec![(f1, 1.0), (f64::from(u8::from(exact)), 1.0)];
            Marked { id: one.id.clone(), row: one.row, marks }
        };
        Ok(predictions.iter().map(mark).collect())
    }

    fn compared(&self, languages: &[String]) -> Option<String> {
        let (squad, mlqa): (Vec<_>, Vec<_>) = languages.iter().cloned().partition(|code| rules(code) == Rules::Squad);
        let by = |codes: Vec<String>, whose| (!codes.is_empty()).then(|| format!("in {} by {whose}", codes.join(", ")));
        let said: Vec<String> = by(mlqa, "MLQA's rules").into_iter().chain(by(squad, "SQuAD 1.1's")).collect();
        (!said.is_empty()).then(|| format!("answers are compared {}", said.join(", ")))
    }

    /// An object from the data's own ids to answers.
    fn submission(&self, predictions: &[Prediction]) -> (&'static str, String) {
        let answer = |one: &Prediction| (one.key.clone().unwrap_or(one.id.clone()), json!(one.prediction));
        let answers: Map<String, Value> = predictions.iter().map(answer).collect();
        ("json", format!("{:#}\n", Value::Object(answers)))
    }

    fn reads_in_windows(&self) -> bool {
        true
    }

    fn placed(&self) -> Option<&'static str> {
        Some("answers are parts of texts, whose places would move")
    }
}

/// MLQA's rules of a language, whichever of its codes names it; SQuAD 1.1's where MLQA has none.
pub(crate) fn rules(language: &str) -> Rules {
    Language::of(two_letters(&language.to_lowercase())).map_or(Rules::Squad, Rules::Mlqa)
}

/// The tokens with the largest sum of the logits of a beginning and an end, among the best of each.
fn best_span(rows: &[Vec<f32>]) -> Option<(f32, usize, usize)> {
    let best = |column: usize| {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|a, b| rows[*b][column].total_cmp(&rows[*a][column]));
        order.truncate(CANDIDATES);
        order
    };
    let (firsts, lasts) = (best(0), best(1));
    let pairs = firsts.iter().flat_map(|first| lasts.iter().map(move |last| (*first, *last)));
    let fits = |(first, last): &(usize, usize)| first <= last && last - first < LONGEST_ANSWER;
    let scored = pairs.filter(fits).map(|(first, last)| (rows[first][0] + rows[last][1], first, last));
    scored.reduce(|best, next| if next.0 > best.0 { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_its_rules_under_each_of_its_codes() {
        for code in ["zh", "zho", "cmn", "zh-Hans", "zho_Hans", "zh_CN", "ZH"] {
            assert_eq!(rules(code), Rules::Mlqa(Language::Chinese), "{code}");
        }
        assert_eq!((rules("deu_Latn"), rules("ro")), (Rules::Mlqa(Language::German), Rules::Squad));
        let said = Span.compared(&["de", "ro", "zho_Hans"].map(str::to_owned)).unwrap();
        assert_eq!(said, "answers are compared in de, zho_Hans by MLQA's rules, in ro by SQuAD 1.1's");
    }

    #[test]
    fn the_best_span_is_not_backwards_nor_long() {
        let rows = |begins: &[f32], ends: &[f32]| {
            begins.iter().zip(ends).map(|(begin, end)| vec![*begin, *end]).collect::<Vec<_>>()
        };
        assert_eq!(best_span(&rows(&[0.0, 5.0, 1.0], &[9.0, 1.0, 2.0])), Some((9.0, 0, 0)));
        assert_eq!(best_span(&rows(&[0.0, 5.0, 1.0], &[3.0, 1.0, 2.0])), Some((7.0, 1, 2)));
        let mut long = vec![vec![0.0, 0.0]; 60];
        (long[0][0], long[59][1], long[29][1]) = (5.0, 5.0, 1.0);
        assert_eq!(best_span(&long), Some((6.0, 0, 29)));
        assert_eq!(best_span(&[]), None);
    }
}
