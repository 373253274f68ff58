//! Recipes of earlier schemas, and the configurations that runs kept, turned into those of today.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Mlm, SCHEMA};

/// Where keys stood before, and where they stand now.
type Moved = BTreeMap<String, String>;

/// A recipe as today's schema has it, and the keys that stand elsewhere now.
///
/// In schema 1 the settings of masked language modelling stood beside those of the stage.
pub(super) fn upgraded(mut table: Table) -> (Table, Moved) {
    let mut moved = Moved::new();
    if !matches!(table.get("schema"), None | Some(Value::Integer(1))) {
        return (table, moved);
    }
    if let Some(schema) = table.get_mut("schema") {
        *schema = Value::Integer(SCHEMA.into());
    }
    let Some(Value::Array(stages)) = table.get_mut("stages") else { return (table, moved) };
    for (i, stage) in stages.iter_mut().enumerate() {
        let Value::Table(stage) = stage else { continue };
        for name in mlm_keys() {
            let Some(value) = stage.remove(&name) else { continue };
            let mlm = stage.entry("mlm").or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(mlm) = mlm {
                moved.insert(format!("stages.{i}.{name}"), format!("stages.{i}.mlm.{name}"));
                mlm.entry(name).or_insert(value);
            }
        }
    }
    (table, moved)
}

/// Where a key of schema 1 stands now, if it is one.
pub(super) fn key_today(key: &str) -> Option<String> {
    let (stage, name) = key.rsplit_once('.')?;
    let in_stage = stage.strip_prefix("stages.").is_some_and(|index| !index.contains('.'));
    (in_stage && is_of_mlm(name)).then(|| format!("{stage}.mlm.{name}"))
}

/// Whether masked language modelling has a setting of this name.
pub(super) fn is_of_mlm(name: &str) -> bool {
    mlm_keys().iter().any(|known| known == name)
}

/// The names of the settings of masked language modelling.
fn mlm_keys() -> Vec<String> {
    let some = vec![String::new()];
    let all = Mlm {
        text: some.clone(),
        pairs: some.clone(),
        leave_out: some.clone(),
        languages: some,
        layers: Some(0),
        ..Mlm::default()
    };
    Table::try_from(all).expect("settings are plain data").into_iter().map(|(key, _)| key).collect()
}
