//! Words: a tag for each, which its first token says (Devlin et al., 2019).

use super::{
    Asked, Kind, Marked, Read, Reader, Rows,
    item::{Goal, Item},
};
use crate::{
    error::{Error, Result},
    metrics::{
        Marks,
        chunks::{self, Scheme},
    },
    models::HeadKind,
    tasks::{
        Example, Task,
        predictions::{Prediction, sentence_of, sentences, tags},
    },
};
use std::collections::BTreeMap;

/// The tag of words outside of any name.
const OUTSIDE: &str = "O";

/// A tag for each word.
#[derive(Debug)]
pub(super) struct Tag;

impl Kind for Tag {
    fn head(&self, task: &Task) -> HeadKind {
        HeadKind::Tag(task.labels().iter().map(|label| (*label).to_owned()).collect())
    }

    /// Names of several words are right as a whole: seqeval's F1 of entities, by its default and, where tags tell where
    /// names begin, in strict mode (IOB2; IOBES or BILOU where tags tell where names end, too).
    fn metrics(&self, task: &Task) -> Vec<&'static str> {
        let (lenient, strict) = (task.has_entities().then_some("F1"), strict(task).and(Some("strict F1")));
        [lenient, strict, Some("accuracy")].into_iter().flatten().collect()
    }

    /// The tokens of each word, end to end. A word of which the tokenizer leaves nothing is unknown; words beyond the
    /// length limit are not asked for.
    fn read(&self, reader: &Reader, example: &Example) -> Result<Read> {
        let tokenizer = reader.tokenizer;
        let (mut ids, mut firsts) = (Vec::new(), Vec::with_capacity(example.words.len()));
        for word in &example.words {
            firsts.push(ids.len());
            let pieces = tokenizer.word_tokens(&word.text)?;
            if pieces.is_empty() { ids.push(tokenizer.specials().unknown) } else { ids.extend(pieces) }
        }
        let encoded = tokenizer.assemble(&ids, None, reader.max_length)?;
        let (kept, lead) = (ids.len() - encoded.n_truncated, tokenizer.n_leading());
        let inside = firsts.iter().zip(&example.words).filter(|(first, _)| **first < kept);
        let (rows, goals): (Vec<u32>, Vec<u32>) = inside
            .map(|(first, word)| ((lead + first) as u32, word.label.map_or(0, |label| reader.labels[label])))
            .unzip();
        if rows.is_empty() {
            let (id, max_length) = (&example.id, reader.max_length);
            let remedy = "leaves no room for a word; set it higher";
            return Err(Error::Config(format!("{id}: max_length {max_length} {remedy}")));
        }
        let item = Item::new(&example.id, encoded.ids.clone(), encoded.types.clone(), rows, Goal::Classes(goals));
        Ok(Read::one(item, &encoded))
    }

    /// An answer for each word; words that the model did not see have none until they are settled.
    fn answers(&self, asked: &Asked, outputs: &[Rows]) -> Result<Vec<Prediction>> {
        let (task, language) = (asked.reader.task, asked.language);
        let answer = |(i, word): (usize, Example)| match outputs[0].get(i) {
            Some(row) => Prediction::new(task, language, &word, &asked.probabilities(row)),
            None => Ok(Prediction {
                label: word.label.map(|label| task.labels()[label].to_owned()),
                ..Prediction::of(language, &word, String::new())
            }),
        };
        asked.example.answered().into_iter().enumerate().map(answer).collect()
    }

    /// Words that the model did not see are outside of any name, or have the tag that was predicted most often.
    fn settle(&self, task: &Task, predictions: &mut [Prediction]) -> usize {
        let n = |label: &str| predictions.iter().filter(|one| one.prediction == label).count();
        let labels = || task.labels().iter().copied();
        let usual = labels().find(|label| *label == OUTSIDE).or_else(|| labels().max_by_key(|label| n(label)));
        let usual = usual.unwrap_or(OUTSIDE).to_owned();
        let unseen = predictions.iter_mut().filter(|one| one.prediction.is_empty());
        unseen.map(|one| one.prediction.clone_from(&usual)).count()
    }

    fn marks(&self, task: &Task, _: &str, predictions: &[Prediction]) -> Result<Vec<Marked>> {
        let mark = |words: &[Prediction]| {
            let [wanted, given] = tags(words);
            let right = wanted[0].iter().zip(&given[0]).filter(|(wanted, given)| wanted == given).count();
            let accuracy = (right as f64, words.len() as f64);
            let of_names = |scheme| {
                let marks = chunks::marks(&wanted, &given, scheme);
                (2.0 * marks.right as f64, (marks.given + marks.wanted) as f64)
            };
            let lenient = task.has_entities().then(|| of_names(Scheme::Lenient));
            let strict = strict(task).map(of_names);
            let marks = [lenient, strict, Some(accuracy)].into_iter().flatten().collect();
            Marked { id: sentence_of(&words[0].id).to_owned(), row: words[0].row, marks }
        };
        Ok(sentences(predictions).map(mark).collect())
    }

    fn item_of<'a>(&self, id: &'a str) -> &'a str {
        sentence_of(id)
    }

    fn clusters(&self, predictions: &[Prediction]) -> Vec<Vec<usize>> {
        let mut places = 0..predictions.len();
        sentences(predictions).map(|words| places.by_ref().take(words.len()).collect()).collect()
    }

    fn classes(&self, task: &Task, predictions: &[Prediction]) -> BTreeMap<String, Marks> {
        if !task.has_entities() {
            return super::labels(predictions);
        }
        let [wanted, given] = tags(predictions);
        chunks::marks_by_kind(&wanted, &given, Scheme::Lenient)
    }

    /// A tag a line, and an empty line behind each sentence.
    fn submission(&self, predictions: &[Prediction]) -> (&'static str, String) {
        let lines = |words: &[Prediction]| words.iter().map(|one| format!("{}\n", one.prediction)).collect::<String>();
        ("tsv", sentences(predictions).map(|words| lines(words) + "\n").collect())
    }

    fn votes(&self) -> bool {
        true
    }

    fn fixed(&self) -> Option<&'static str> {
        Some("words carry tags, and a synonym may be of another length or kind")
    }
}

fn strict(task: &Task) -> Option<Scheme> {
    Scheme::strict(task.labels().iter().copied())
}

#[cfg(test)]
mod tests {
    use super::{Kind as _, *};
    use crate::tasks::Kind;

    /// seqeval's F1 of names whose tags are all I-: (A B) and C, of which the first is found too short.
    #[test]
    fn names_may_have_tags_of_one_kind() {
        let task = Task { kind: Kind::Tag, labels: &["I-LOC", "I-PER", "O"], ..Task::UNDESCRIBED };
        assert_eq!(Tag.metrics(&task), ["F1", "accuracy"]);
        let word = |(i, (label, given)): (usize, (&str, &str))| Prediction {
            label: Some(label.to_owned()),
            ..Prediction::of("de", &Example { id: format!("t:1.{i}"), ..Example::default() }, given.to_owned())
        };
        let words = [("I-PER", "I-PER"), ("I-PER", "O"), ("O", "O"), ("I-LOC", "I-LOC")];
        let words: Vec<Prediction> = words.into_iter().enumerate().map(word).collect();
        let marks = Tag.marks(&task, "de", &words).unwrap();
        assert_eq!(marks[0].marks, [(2.0, 4.0), (3.0, 4.0)]);
    }
}
