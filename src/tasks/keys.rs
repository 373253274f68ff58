//! Every key that a task's file may have, and what it means, as the structs say that it is read into.

use crate::keys::{Key, fields, is_table};

/// The structs of a task's file: what stands before their keys, and their names.
const STRUCTS: [(&str, &str); 4] = [
    ("", "Definition"),
    ("left_out.N.", "LeftOutRows"),
    ("layouts.N.", "Files"),
    ("layouts.N.columns.", "ColumnNames"),
];

/// All keys, in the order in which the structs name them; what stands for those that are not given is in their meaning.
pub fn keys() -> Vec<Key> {
    let source = include_str!("definition.rs");
    let of = |(prefix, name): (&'static str, &'static str)| {
        let key = move |(field, meaning)| Key { name: format!("{prefix}{field}"), default: String::new(), meaning };
        fields(source, name).into_iter().map(key)
    };
    let prefixes = || STRUCTS.iter().map(|(prefix, _)| *prefix);
    STRUCTS.into_iter().flat_map(of).filter(|key| !is_table(prefixes(), &key.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Cluster, Kind, ProblemType, Search, format};

    #[test]
    fn every_key_has_a_meaning_and_every_value_a_name() {
        let keys = keys();
        let silent: Vec<&Key> = keys.iter().filter(|key| key.meaning.is_empty()).collect();
        assert!(silent.is_empty() && keys.len() > 20, "{silent:?}");
        fn named<T: serde::Serialize>(values: &[T]) -> Vec<String> {
            values.iter().map(|value| toml::Value::try_from(value).unwrap().to_string()).collect()
        }
        let types =
            [ProblemType::SingleLabelClassification, ProblemType::MultiLabelClassification, ProblemType::Regression];
        for (key, values) in [
            ("kind", named(&[Kind::Classify, Kind::Tag, Kind::Span, Kind::Choose, Kind::Rank, Kind::Retrieve])),
            ("search", named(&[Search::Nearest, Search::Mine, Search::Rank])),
            ("problem_type", named(&types)),
            ("cluster", named(&[Cluster::Sentence1, Cluster::Sentence2])),
            ("layouts.N.format", format::FORMATS.iter().map(|format| format!("\"{}\"", format.name)).collect()),
        ] {
            let meaning = &keys.iter().find(|one| one.name == key).unwrap().meaning;
            assert_eq!(values.iter().find(|value| !meaning.contains(*value)), None, "{key}");
        }
    }
}
