//! Every key that a task's file may have, and what it means, as the structs say that it is read into.

use crate::keys::{Key, fields};

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
    let has_keys_below =
        |key: &Key| STRUCTS.iter().any(|(prefix, _)| prefix.trim_end_matches('.').trim_end_matches(".N") == key.name);
    STRUCTS.into_iter().flat_map(of).filter(|key| !has_keys_below(key)).collect()
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
        let name = |value: toml::Value| value.to_string();
        let of = |key: &str| &keys.iter().find(|one| one.name == key).unwrap().meaning;
        let kinds = [Kind::Classify, Kind::Tag, Kind::Span, Kind::Choose, Kind::Rank, Kind::Retrieve];
        let named = kinds.map(|kind| toml::Value::try_from(kind).unwrap()).map(name);
        assert_eq!(named.iter().find(|kind| !of("kind").contains(*kind)), None);
        let named =
            [Search::Nearest, Search::Mine, Search::Rank].map(|one| toml::Value::try_from(one).unwrap()).map(name);
        assert_eq!(named.iter().find(|one| !of("search").contains(*one)), None);
        let types =
            [ProblemType::SingleLabelClassification, ProblemType::MultiLabelClassification, ProblemType::Regression];
        let named = types.map(|one| toml::Value::try_from(one).unwrap()).map(name);
        assert_eq!(named.iter().find(|one| !of("problem_type").contains(*one)), None);
        let named = [Cluster::Sentence1, Cluster::Sentence2].map(Cluster::name);
        assert_eq!(named.iter().find(|one| !of("cluster").contains(*one)), None);
        let unnamed = format::FORMATS.iter().find(|one| !of("layouts.N.format").contains(&format!("\"{}\"", one.name)));
        assert!(unnamed.is_none(), "{}", unnamed.unwrap().name);
    }
}
