//! Every key that a recipe may have: its default and what it means, as the structs say that recipes are read into.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Begin, Fresh, Method, Mlm, Recipe, Stage, Teacher, parse};
use crate::{
    keys::{self, Key, fields},
    learn::methods::{Consistency, With},
};

/// The structs of recipes: what stands before their keys, where they are defined, and their names.
const STRUCTS: [(&str, &str, &str); 9] = [
    ("", include_str!("mod.rs"), "Recipe"),
    ("model.", include_str!("mod.rs"), "Model"),
    ("model.fresh.", include_str!("mod.rs"), "Fresh"),
    ("model.fresh.begin.", include_str!("mod.rs"), "Begin"),
    ("data.", include_str!("mod.rs"), "Data"),
    ("stages.N.", include_str!("mod.rs"), "Stage"),
    ("stages.N.mlm.", include_str!("mlm.rs"), "Mlm"),
    ("stages.N.mlm.teacher.", include_str!("mlm.rs"), "Teacher"),
    ("methods.N.stage.", Method::STAGE_SETTINGS, "StageSettings"),
];

/// All keys, in the order in which the structs name them. Those of `tasks` are a task's (`rxlt task keys`).
pub fn keys() -> Vec<Key> {
    let methods = Method::PARTS.iter().map(|(name, part, source)| (format!("methods.N.{name}."), *source, *part));
    let structs = STRUCTS.iter().map(|(prefix, source, name)| ((*prefix).to_owned(), *source, *name)).chain(methods);
    let defaults = defaults();
    let key = |name: String, meaning: String| Key {
        default: defaults.get(&name).cloned().unwrap_or_default(),
        name,
        meaning,
    };
    let all = structs.flat_map(|(prefix, source, name)| {
        fields(source, name).into_iter().map(move |(field, meaning)| (format!("{prefix}{field}"), meaning))
    });
    let mut keys: Vec<Key> =
        all.filter(|(name, _)| !is_table(name)).map(|(name, meaning)| key(name, meaning)).collect();
    let place = keys.iter().position(|key| key.name.starts_with("methods.")).unwrap_or(keys.len());
    let meaning = "What it is called in tables and folder names; not given: its parts joined by +.";
    keys.insert(place, key("methods.N.name".to_owned(), meaning.to_owned()));
    keys
}

/// Whether a key has others below it.
fn is_table(name: &str) -> bool {
    keys::is_table(STRUCTS.iter().map(|(prefix, ..)| *prefix), name) || ["methods", "tasks"].contains(&name)
}

/// The defaults by key, of a recipe with one of everything.
fn defaults() -> BTreeMap<String, String> {
    let parts = Method::PARTS.iter().map(|(name, ..)| ((*name).to_owned(), Value::Table(Table::new())));
    let method = Table::from_iter(parts).try_into().expect("every setting of a method has a default");
    let mlm = Mlm { teacher: Some(Teacher::default()), ..Mlm::default() };
    let stage = Stage { mlm: Some(mlm), ..Stage::default() };
    let mut recipe = Recipe { stages: vec![stage], methods: vec![method], ..Recipe::default() };
    recipe.model.fresh = Some(Fresh { begin: Some(Begin::default()), ..Fresh::default() });
    let table = Table::try_from(recipe).expect("a recipe is plain data");
    let all = parse::flatten(&table).into_iter().filter(|(_, value)| *value != Value::String(String::new()));
    let all = all.map(|(key, value)| (key.replace(".0.", ".N."), value.to_string()));
    all.chain(of_consistency()).collect()
}

/// The defaults of a consistency, which follow from what perturbs.
fn of_consistency() -> Vec<(String, String)> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for with in [With::Ascent, With::Noise, With::Text] {
        let method = Method { consistency: Some(Consistency { with, ..Consistency::default() }), ..Method::default() };
        let table = Table::try_from(method.completed().consistency).expect("a method is plain data");
        let name = table["with"].as_str().unwrap_or_default();
        for (key, value) in table.iter().filter(|(key, _)| *key != "with") {
            found.entry(key.clone()).or_default().push((name.to_owned(), value.to_string()));
        }
    }
    let said = |all: &[(String, String)]| match all.iter().all(|(_, value)| *value == all[0].1) {
        true => all[0].1.clone(),
        false => all.iter().map(|(with, value)| format!("{value} ({with})")).collect::<Vec<_>>().join(", "),
    };
    found.iter().map(|(key, all)| (format!("methods.N.consistency.{key}"), said(all))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_known_with_its_default_and_meaning() {
        let keys = keys();
        let silent: Vec<&Key> = keys.iter().filter(|key| key.meaning.is_empty()).collect();
        assert!(silent.is_empty(), "{silent:?}");
        let named: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        let unnamed: Vec<String> = defaults().into_keys().filter(|key| !named.contains(&key.as_str())).collect();
        assert!(unnamed.is_empty(), "{unnamed:?}");
        let of = |name: &str| keys.iter().find(|key| key.name == name).unwrap();
        assert_eq!(of("stages.N.learning_rate").default, "0.00002");
        assert_eq!(of("stages.N.mlm.alpha").default, "0.3");
        assert_eq!(of("stages.N.updates").default, "");
        assert_eq!(of("methods.N.consistency.code-switch").meaning, "Other words by dictionaries.");
        assert_eq!(of("methods.N.consistency.weight").default, "1.0 (ascent), 1.0 (noise), 5.0 (text)");
        assert_eq!(of("methods.N.consistency.steps").default, "1");
        assert_eq!(of("methods.N.adv.steps").meaning, of("methods.N.adv.steps").meaning.trim());
        assert!(of("methods.N.rs-rp.vote_samples").meaning.contains("Cohen et al., 2019"));
    }
}
