//! Predictions as JSON Lines, one example per line: written after evaluation, read for scores and tests.
//!
//! `{"id": "test-de:17", "row": 17, "language": "de", "label": "neutral", "prediction": "entailment",
//! "probabilities": {"contradiction": 0.1, "entailment": 0.7, "neutral": 0.2}}`; the texts `a` and `b` may be there,
//! the label may be missing, and files made elsewhere may give probabilities as a list or not at all.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    io::Write,
    path::Path,
};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Unexpected, Visitor},
};

use super::{
    Example, Kind, ProblemType, Task, TextFile, labels,
    load::ROWS_OF_ONE_LABEL,
    metrics::{Confusion, oddity},
};
use crate::error::{Error, Result};

/// What was predicted for one example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// File and line of the example.
    #[serde(deserialize_with = "name")]
    pub id: String,
    /// What joins the example with its translations.
    #[serde(default)]
    pub row: usize,
    /// The row of the first item of its cluster, in tasks whose items come in such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<usize>,
    /// Its language.
    pub language: String,
    /// The (first) sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a: Option<String>,
    /// The second sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<String>,
    /// What the data call the example, in files that name their examples.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_name")]
    pub key: Option<String>,
    /// The right label (the number, or the first of the right answers), where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_answer")]
    pub label: Option<String>,
    /// All that is right, where it can be several: labels that hold, or answers of which any is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<String>>,
    /// The predicted label; the number, or the answer.
    #[serde(deserialize_with = "answer")]
    pub prediction: String,
    /// All labels that are predicted to hold, where it can be several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Vec<String>>,
    /// How probable the model takes each label to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<Probabilities>,
}

/// One probability per label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Probabilities {
    /// By name.
    Named(BTreeMap<String, f64>),
    /// In the order of the labels.
    Listed(Vec<f64>),
}

impl Prediction {
    /// What is right, and what was predicted, where that is several.
    pub fn sets(&self) -> [BTreeSet<&str>; 2] {
        [&self.answers, &self.predictions].map(|names| names.iter().flatten().map(String::as_str).collect())
    }

    /// The prediction for an example from its probabilities, in the order of the task's labels; the first of the
    /// highest wins.
    pub fn new(task: &Task, language: &str, example: &Example, probabilities: &[f32]) -> Result<Prediction> {
        let labels = task.labels();
        if probabilities.len() != labels.len() || probabilities.iter().any(|p| !p.is_finite()) {
            let (expected, id) = (labels.len(), &example.id);
            return Err(Error::Data(format!(
                "{id}: expected {expected} finite probabilities, found {probabilities:?}; the model's weights are damaged, or \
                 it diverged in training"
            )));
        }
        let better = |best: usize, next: usize| if probabilities[next] > probabilities[best] { next } else { best };
        let best = (0..labels.len()).reduce(better).expect("a task has labels");
        let named = labels.iter().zip(probabilities).map(|(name, p)| ((*name).to_owned(), f64::from(*p)));
        Ok(Prediction {
            label: example.label.map(|label| labels[label].to_owned()),
            probabilities: Some(Probabilities::Named(named.collect())),
            ..Prediction::of(language, example, labels[best].to_owned())
        })
    }

    /// This answer to an example.
    pub fn of(language: &str, example: &Example, prediction: String) -> Prediction {
        Prediction {
            id: example.id.clone(),
            row: example.row,
            cluster: example.cluster,
            language: language.to_owned(),
            a: None,
            b: None,
            key: example.key.clone(),
            label: None,
            answers: None,
            prediction,
            predictions: None,
            probabilities: None,
        }
    }

    /// The same with the sentences of its example.
    pub fn with_text(self, example: &Example) -> Prediction {
        Prediction { a: Some(example.a.clone()), b: example.b.clone(), ..self }
    }

    /// Fills in the lists that a line need not have: several labels are those that their text names, and the answer to a
    /// question is the only right one. Labels get the task's names.
    fn complete(&mut self, task: &Task, place: &str) -> Result<()> {
        let several = task.kind == Kind::Classify && task.problem_type == ProblemType::MultiLabelClassification;
        if several {
            let names = |text: &str| {
                text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
            };
            let (right, given) = (names(self.label.as_deref().unwrap_or_default()), names(&self.prediction));
            for list in [self.answers.get_or_insert(right), self.predictions.get_or_insert(given)] {
                for name in list {
                    *name = official(Some(task), place, name)?;
                }
            }
        }
        if task.kind == Kind::Span && self.answers.is_none() {
            self.answers = self.label.clone().map(|answer| vec![answer]);
        }
        if task.kind == Kind::Span && self.answers.iter().flatten().all(|answer| answer.trim().is_empty()) {
            let remedy = "leave out what has none, as eval does";
            return Err(Error::Data(format!(
                "{place}: \"{}\" has no right answer to score against; {remedy}",
                self.id
            )));
        }
        Ok(())
    }
}

/// Writes one line per prediction.
pub fn write(out: &mut dyn Write, predictions: &[Prediction]) -> Result<()> {
    for prediction in predictions {
        let line = serde_json::to_string(prediction)
            .map_err(|error| Error::Data(format!("prediction {}: {error}", prediction.id)))?;
        writeln!(out, "{line}").map_err(|error| Error::Io(format!("cannot write predictions: {error}")))?;
    }
    Ok(())
}

/// Reads a file of predictions; every id must be there once.
pub fn read(path: &Path) -> Result<Vec<Prediction>> {
    let file = TextFile::read(path)?;
    let mut predictions = Vec::new();
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for (line, content) in file.lines() {
        let prediction: Prediction = serde_json::from_str(content).map_err(|error| {
            let expected = "expected an object with id, language, prediction and, for scores, label";
            Error::Data(format!("{}: {error}; {expected}", file.place(line)))
        })?;
        if let Some(first) = seen.insert((prediction.language.clone(), prediction.id.clone()), line) {
            let (place, id) = (file.place(line), &prediction.id);
            return Err(Error::Data(format!(
                "{place}: \"{id}\" was already predicted in line {first}; keep one of them"
            )));
        }
        predictions.push(prediction);
    }
    Ok(predictions)
}

/// The sentence of a word's answer: `test-de:17` of `test-de:17.3`.
pub fn sentence_of(id: &str) -> &str {
    id.rsplit_once('.').map_or(id, |(sentence, _)| sentence)
}

/// Words' answers by sentence.
pub fn sentences(words: &[Prediction]) -> impl Iterator<Item = &[Prediction]> {
    words.chunk_by(|a, b| sentence_of(&a.id) == sentence_of(&b.id))
}

/// The tags of words by sentence: those that are right, and those that were predicted.
pub fn tags(words: &[Prediction]) -> [Vec<Vec<&str>>; 2] {
    let by_sentence =
        |tag: fn(&Prediction) -> &str| sentences(words).map(|words| words.iter().map(tag).collect()).collect();
    [by_sentence(right), by_sentence(|word| &word.prediction)]
}

/// The predictions of a file by language, in their order, each with what is right; labels under the task's names.
pub fn judged_file(path: &Path, task: Option<&Task>) -> Result<Vec<(String, Vec<Prediction>)>> {
    let mut languages: Vec<(String, Vec<Prediction>)> = Vec::new();
    for one in judge(path, task)? {
        match languages.iter_mut().find(|(language, _)| *language == one.language) {
            Some((_, predictions)) => predictions.push(one),
            None => languages.push((one.language.clone(), vec![one])),
        }
    }
    Ok(languages)
}

/// Counts which label was taken for which in what was judged, over all its languages.
pub fn confusion(judged: &[(String, Vec<Prediction>)], task: Option<&Task>) -> Confusion {
    let judged = || judged.iter().flat_map(|(_, predictions)| predictions);
    let names: BTreeSet<&str> = judged().flat_map(|j| [right(j), j.prediction.as_str()]).collect();
    let names: Vec<&str> = task.map_or_else(|| names.into_iter().collect(), |task| task.labels().to_vec());
    let place = |name: &str| names.iter().position(|known| *known == name).expect("every name is listed");
    Confusion::new(&names, judged().map(|j| (place(right(j)), place(&j.prediction))))
}

/// What is odd about predictions, by language; those without a right label are passed over.
pub fn oddities<'a>(predictions: impl IntoIterator<Item = &'a Prediction>) -> Vec<String> {
    let mut languages: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for Prediction { language, label, prediction, .. } in predictions {
        let answer = label.as_deref().map(|label| (label, prediction.as_str()));
        languages.entry(language).or_default().extend(answer);
    }
    languages.into_iter().filter_map(|(language, answers)| oddity(language, answers.into_iter())).collect()
}

/// The right label of a prediction; empty where it is not known.
fn right(judged: &Prediction) -> &str {
    judged.label.as_deref().unwrap_or_default()
}

fn by_language(judged: &[Prediction]) -> BTreeMap<&str, Vec<&Prediction>> {
    let mut languages: BTreeMap<&str, Vec<&Prediction>> = BTreeMap::new();
    for one in judged {
        languages.entry(&one.language).or_default().push(one);
    }
    languages
}

/// Refuses right answers that are all one: they were taken out, or filled in.
fn refuse_removed_labels(path: &Path, judged: &[Prediction]) -> Result<()> {
    let all = |one: &Prediction| one.answers.clone().unwrap_or_else(|| vec![right(one).to_owned()]);
    for (language, answers) in by_language(judged) {
        let (n, first) = (answers.len(), all(answers[0]));
        if n >= ROWS_OF_ONE_LABEL && answers.iter().all(|answer| all(answer) == first) {
            let (path, remedy) = (path.display(), "put the right labels beside the predictions");
            let found = if first.is_empty() { "none".to_owned() } else { format!("\"{}\"", first.join(", ")) };
            return Err(Error::Data(format!(
                "{path}: labels look removed: all {n} items of \"{language}\" have {found}; {remedy}"
            )));
        }
    }
    Ok(())
}

fn judge(path: &Path, task: Option<&Task>) -> Result<Vec<Prediction>> {
    let has_labels = task.is_none_or(Task::has_one_label);
    let mut judged = Vec::new();
    for (i, mut prediction) in read(path)?.into_iter().enumerate() {
        let place = format!("{}:{}", path.display(), i + 1);
        if prediction.label.is_none() && prediction.answers.is_none() {
            let id = &prediction.id;
            return Err(Error::Data(format!(
                "{place}: \"{id}\" has no \"label\" to score against; write the right label beside every prediction"
            )));
        }
        if let Some(task) = task {
            prediction.complete(task, &place)?;
        }
        if has_labels {
            prediction.label = Some(official(task, &place, right(&prediction))?);
            prediction.prediction = official(task, &place, &prediction.prediction)?;
        }
        judged.push(prediction);
    }
    match task.map(|task| task.kind) {
        Some(Kind::Tag) => judged = in_sentences(path, judged)?,
        Some(Kind::Rank) => judged = in_order(judged),
        _ => {}
    }
    if task.is_none_or(|task| task.kind != Kind::Retrieve) {
        refuse_removed_labels(path, &judged)?;
    }
    if !has_labels {
        return Ok(judged);
    }
    match task {
        Some(_) => Ok(judged),
        None => agreeing(path, judged),
    }
}

/// Words by sentence, each where its number says: files made elsewhere may have them in any order, and a sentence is scored
/// as one.
fn in_sentences(path: &Path, words: Vec<Prediction>) -> Result<Vec<Prediction>> {
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let mut numbered = Vec::with_capacity(words.len());
    for (line, word) in words.into_iter().enumerate() {
        let sentence = sentence_of(&word.id);
        let Some(number) = word.id.get(sentence.len() + 1..).and_then(|number| number.parse::<usize>().ok()) else {
            return Err(Error::Data(format!(
                "{}:{}: expected the id of a word, such as test-de:17.3 for the third word of sentence 17, found \"{}\": \
                 sentences are scored as one",
                path.display(),
                line + 1,
                word.id
            )));
        };
        let next = places.len();
        let place = *places.entry((word.language.clone(), sentence.to_owned())).or_insert(next);
        numbered.push((place, number, word));
    }
    numbered.sort_by_key(|(place, number, _)| (*place, *number)); // stable, and a file in order stays as it is
    for words in numbered.chunk_by(|a, b| a.0 == b.0) {
        let first = words[0].1.min(1); // some count from 0
        if let Some((number, (.., word))) = (first..).zip(words).find(|(number, word)| *number != word.1) {
            let (path, id, language) = (path.display(), sentence_of(&word.id), &word.language);
            return Err(Error::Data(format!(
                "{path}: \"{id}\" in \"{language}\" has no word {number}, and has \"{}\" behind it; give every word of a \
                 sentence, as it is scored as one",
                word.id
            )));
        }
    }
    Ok(numbered.into_iter().map(|(.., word)| word).collect())
}

/// Results of queries in the order of the file that their ids name with their rows, if all do: those of a query stand
/// together there, and are ranked as they stand.
fn in_order(mut results: Vec<Prediction>) -> Vec<Prediction> {
    let place = |one: &Prediction| {
        let (file, row) = one.id.rsplit_once(':')?;
        Some((one.language.clone(), file.to_owned(), row.parse::<usize>().ok()?))
    };
    if results.iter().all(|one| place(one).is_some()) {
        results.sort_by_cached_key(place);
    }
    results
}

/// The task's own name of a label.
fn official(task: Option<&Task>, place: &str, name: &str) -> Result<String> {
    let name = name.trim();
    task.map_or(Ok(name.to_owned()), |task| Ok(task.labels()[task.label_at(place, name)?].to_owned()))
}

/// Refuses predictions that use none of the names of the labels: they count in another alphabet.
fn agreeing(path: &Path, judged: Vec<Prediction>) -> Result<Vec<Prediction>> {
    let rights: BTreeSet<&str> = judged.iter().map(right).collect();
    let predictions: BTreeSet<&str> = judged.iter().map(|j| j.prediction.as_str()).collect();
    let number = |name: &&str| name.parse::<f64>().is_ok_and(f64::is_finite);
    if let Some(fraction) = rights.iter().find(|name| name.contains('.')).filter(|_| rights.iter().all(number)) {
        let (path, remedy) = (path.display(), "name the task by --task, which says how they are scored");
        return Err(Error::Data(format!(
            "{path}: what is right are numbers, such as {fraction}, not labels; {remedy}"
        )));
    }
    // Labels are few beside what is labelled; answers in words of one's own may differ in nothing but their case.
    let has_few = rights.len() < judged.len() / 2;
    if let Some(names) = labels::alike(rights.union(&predictions).copied()).next().filter(|_| has_few) {
        let (path, names) = (path.display(), names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>());
        return Err(Error::Data(format!(
            "{path}: {} are alike but for case, Unicode's forms or what nobody sees, and would count as different labels; \
             write one of them throughout, or name the task by --task",
            names.join(" and ")
        )));
    }
    if rights.is_disjoint(&predictions) {
        let path = path.display();
        return Err(Error::Data(format!(
            "{path}: label names do not match: labels {rights:?}, predictions {predictions:?}; use one set of names"
        )));
    }
    Ok(judged)
}

/// A label or an id, which other tools may write as a number, and pandas as `1.0`; with `FRACTIONS` any number, and else a
/// whole one.
struct Name<const FRACTIONS: bool>(String);

impl<'de, const FRACTIONS: bool> Deserialize<'de> for Name<FRACTIONS> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyName::<FRACTIONS>)
    }
}

struct AnyName<const FRACTIONS: bool>;

impl<const FRACTIONS: bool> Visitor<'_> for AnyName<FRACTIONS> {
    type Value = Name<FRACTIONS>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(if FRACTIONS { "a label in quotes or a number" } else { "a name in quotes or a whole number" })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Name(text.to_owned()))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Name(number.to_string()))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Name(number.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
        // Beyond 2^53 neighbouring whole numbers fall on one double, and two ids would become one.
        match number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
            true => Ok(Name((number as i64).to_string())),
            false if FRACTIONS => Ok(Name(number.to_string())),
            false => Err(E::invalid_value(Unexpected::Float(number), &self)),
        }
    }
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Name::<false>::deserialize(from).map(|Name(name)| name)
}

/// A name, or a number as one; none where it is null.
pub fn optional_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let found: Option<Name<false>> = Option::deserialize(from)?;
    Ok(found.map(|Name(name)| name))
}

/// A label, or a number that is right or was predicted.
fn answer<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Name::<true>::deserialize(from).map(|Name(name)| name)
}

fn optional_answer<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let found: Option<Name<true>> = Option::deserialize(from)?;
    Ok(found.map(|Name(name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::shipped;

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.jsonl");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn results_of_a_query_stand_together_in_whatever_order_they_come() {
        let line = |row: usize| {
            let (query, grade) = (row / 3, ["Bad", "Good", "Fair"][row % 3]);
            format!(
                "{{\"id\":\"t:{row}\",\"language\":\"de\",\"a\":\"q{query}\",\"label\":\"{grade}\",\"prediction\":\"{row}\"}}\n"
            )
        };
        let rows = |order: &[usize]| {
            let (_folder, path) = written(&order.iter().map(|row| line(*row)).collect::<String>());
            let judged = judged_file(&path, Some(shipped("xglue-wpr"))).unwrap();
            judged[0].1.iter().map(|one| one.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(rows(&[11, 3, 0, 4, 10, 1, 5, 9, 2]), rows(&[0, 1, 2, 3, 4, 5, 9, 10, 11]));
    }

    #[test]
    fn what_is_written_is_read() {
        let example = Example {
            id: "test-de:3".into(),
            row: 3,
            a: "p\t\"".into(),
            b: Some("h".into()),
            label: Some(2),
            ..Example::default()
        };
        let first = Prediction::new(shipped("xnli"), "de", &example, &[0.25, 0.375, 0.375]).unwrap();
        assert_eq!((first.prediction.as_str(), first.label.as_deref()), ("entailment", Some("neutral")));
        let second = Prediction { id: "test-de:4".into(), label: None, ..first.clone().with_text(&example) };
        let mut out = Vec::new();
        write(&mut out, &[first.clone(), second.clone()]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(
            r#"{"id":"test-de:3","row":3,"language":"de","label":"neutral","prediction":"entailment","probabilities":{"contradiction":0.25,"#
        ));
        let (_folder, path) = written(&text);
        assert_eq!(read(&path).unwrap(), [first, second]);
        for wrong in [&[0.5, 0.5][..], &[f32::NAN, 0.5, 0.5]] {
            assert!(Prediction::new(shipped("xnli"), "de", &example, wrong).is_err());
        }
    }

    /// Right answers that are all one, or none, are no gold of any kind, and a sentence lacks no word.
    #[test]
    fn what_cannot_be_scored_is_refused() {
        let line = |i: usize, label: &str| {
            format!("{{\"id\":\"{i}\",\"language\":\"de\",\"label\":\"{label}\",\"prediction\":\"{i}\"}}\n")
        };
        let same = |label: &str, n: usize| (0..n).map(|i| line(i, label)).collect::<String>();
        let several = Task { problem_type: ProblemType::MultiLabelClassification, labels: &["a"], ..Task::UNDESCRIBED };
        let numbers = Task { problem_type: ProblemType::Regression, ..Task::UNDESCRIBED };
        let (several, numbers): (&Task, &Task) = (Box::leak(Box::new(several)), Box::leak(Box::new(numbers)));
        let sets = same("", 30).replace("\"prediction\":\"", "\"prediction\":\"a\",\"key\":\"");
        let words = |numbers: [usize; 3]| {
            let word = |number: usize| line(number, "O").replace("\"id\":\"", "\"id\":\"t:1.");
            numbers.map(word).concat().replace("\"prediction\":\"", "\"prediction\":\"O\",\"key\":\"")
        };
        for (text, task, says) in [
            (same("2.5", 30), numbers, Some("all 30 items of \"de\" have \"2.5\"")),
            (same("2.5", 19), numbers, None),
            (sets, several, Some("all 30 items of \"de\" have none")),
            (same("x", 30), shipped("xquad"), Some("all 30 items of \"de\" have \"x\"")),
            (line(1, "x") + &line(2, " "), shipped("xquad"), Some("p.jsonl:2: \"2\" has no right answer")),
            (words([3, 1, 2]), shipped("panx"), None),
            (words([1, 0, 2]), shipped("panx"), None),
            (words([1, 3, 4]), shipped("panx"), Some("\"t:1\" in \"de\" has no word 2, and has \"t:1.3\" behind it")),
            (words([2, 3, 4]), shipped("panx"), Some("\"t:1\" in \"de\" has no word 1")),
        ] {
            let (_folder, path) = written(&text);
            match (judged_file(&path, Some(task)), says) {
                (Ok(_), None) => {}
                (Err(error), Some(says)) => assert!(error.message().contains(says), "{error}\nexpected {says}"),
                (found, _) => panic!("{text}: {says:?}, found {found:?}"),
            }
        }
    }

    #[test]
    fn numbers_are_no_labels() {
        let line = |i: usize, label: &str| {
            format!("{{\"id\":\"{i}\",\"language\":\"de\",\"label\":\"{label}\",\"prediction\":\"{label}\"}}\n")
        };
        let file = |labels: [&str; 4]| {
            written(&labels.iter().enumerate().map(|(i, label)| line(i, label)).collect::<String>())
        };
        for (labels, are_numbers) in
            [(["1", "2", "3.5", "4"], true), (["1", "0", "1", "0"], false), (["a", "3.5", "a", "b"], false)]
        {
            let (_folder, path) = file(labels);
            match judged_file(&path, None) {
                Ok(_) => assert!(!are_numbers),
                Err(error) => {
                    assert!(are_numbers && error.message().contains("are numbers, such as 3.5, not labels"), "{error}")
                }
            }
        }
    }
}
