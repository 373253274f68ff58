//! What is right of a row, by what is done with it: a label, several, a number, tags, an alternative, or answers.

use super::{Example, Kind, ProblemType, Row, Tagged, Task, Word};
use crate::error::{Error, Result};
use serde_json::Value;

/// What parts several labels in one field.
const BETWEEN: [char; 3] = [',', '|', ';'];

impl Task {
    /// A row as an example, without what is right of it.
    pub(super) fn question(&self, id: String, row: &Row) -> Example {
        Example {
            id,
            row: row.row,
            a: row.a.clone(),
            b: row.b.clone(),
            words: row.words.iter().map(|word| Tagged { text: word.text.clone(), label: None }).collect(),
            choices: row.choices.clone(),
            key: row.key.clone(),
            ..Example::default()
        }
    }

    /// The same with what is right of it, which must be there; `place_of` names a line for messages.
    pub(super) fn answered(&self, place_of: &dyn Fn(usize) -> String, id: String, row: &Row) -> Result<Example> {
        let place = place_of(row.line);
        let mut example = self.question(id, row);
        match (self.kind, self.problem_type) {
            (Kind::Classify, ProblemType::SingleLabelClassification) | (Kind::Rank, _) => {
                example.label = Some(self.label_at(&place, written(row))?);
            }
            (Kind::Classify, ProblemType::MultiLabelClassification) => example.holds = self.holding(&place, row)?,
            (Kind::Classify, ProblemType::Regression) => example.number = Some(number(&place, written(row))?),
            (Kind::Tag, _) => {
                for (tagged, Word { line, tag, .. }) in example.words.iter_mut().zip(&row.words) {
                    tagged.label = Some(self.label_at(&place_of(*line), tag)?);
                }
            }
            (Kind::Choose, _) => example.label = Some(self.right_choice(&place, row)?),
            (Kind::Span, _) => example.answers = row.answers.clone(),
            (Kind::Retrieve, _) => {}
        }
        Ok(example)
    }

    /// What is right of an example, for people: its label or labels, the number, the tags of its words, or the answers.
    pub fn right(&self, example: &Example) -> String {
        let labels = example.labels().map(|label| self.labels()[label].to_owned());
        let number = example.number.map(|number| number.to_string());
        let answers = example.answers.iter().map(|answer| format!("\"{}\"", answer.text));
        labels.chain(number).chain(answers).collect::<Vec<_>>().join(" ")
    }

    /// The labels of a field; none where it is empty.
    fn holding(&self, place: &str, row: &Row) -> Result<Vec<usize>> {
        let is_none = |item: &Value| item.is_null() || item.is_array() || item.is_object();
        if serde_json::from_str::<Vec<Value>>(written(row)).is_ok_and(|items| items.iter().any(is_none)) {
            return Err(Error::Data(format!(
                "{place}: expected a list of labels, found {}; mend that row",
                written(row)
            )));
        }
        let names = parts(written(row));
        let mut holds = names.iter().map(|name| self.label_at(place, name)).collect::<Result<Vec<usize>>>()?;
        holds.sort_unstable();
        match holds.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(holds),
            Some(twice) => {
                let name = self.labels()[twice[0]];
                Err(Error::Data(format!("{place}: \"{name}\" is named twice: {}; name each label once", written(row))))
            }
        }
    }

    fn right_choice(&self, place: &str, row: &Row) -> Result<usize> {
        let label = self.label_at(place, written(row))?;
        match label < row.choices.len() {
            true => Ok(label),
            false => Err(Error::Data(format!(
                "{place}: \"{}\" is right, and there are {} alternatives; mend the label",
                written(row),
                row.choices.len()
            ))),
        }
    }
}

/// The labels of a field: those of a list as JSON or Python writes it, else parted by commas, bars or semicolons.
pub(super) fn parts(field: &str) -> Vec<String> {
    let names = list(field.trim()).unwrap_or_else(|| {
        let names = field.trim().trim_matches(['[', ']']).split(BETWEEN);
        names.map(|name| name.trim().trim_matches('"').to_owned()).collect()
    });
    names.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The texts and numbers of a list.
fn list(field: &str) -> Option<Vec<String>> {
    let parsed = |field: &str| serde_json::from_str::<Vec<Value>>(field).ok();
    let python = || (!field.contains(['"', '\\'])).then(|| parsed(&field.replace('\'', "\""))).flatten();
    let named = |item: Value| match item {
        Value::String(name) => name,
        other => other.to_string(),
    };
    Some(parsed(field).or_else(python)?.into_iter().map(named).collect())
}

fn written(row: &Row) -> &str {
    row.label.as_deref().unwrap_or("").trim()
}

/// A finite number of 32 bits; `place` is the file and line, or what was predicted.
pub(crate) fn number(place: &str, text: &str) -> Result<f64> {
    let finite = text.parse::<f64>().ok().filter(|number| number.is_finite() && (*number as f32).is_finite());
    finite.ok_or_else(|| {
        Error::Data(format!("{place}: expected a number, such as 3.5, found \"{text}\"; mend that line"))
    })
}
