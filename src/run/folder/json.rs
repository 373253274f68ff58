//! JSON files of a run.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    checkpoint::write_file,
    error::{Error, Result},
};

/// A number for JSON, which has none for NaN and infinity: these are written as strings.
pub fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else if value.is_nan() {
        json!("nan")
    } else {
        json!(if value > 0.0 { "inf" } else { "-inf" })
    }
}

pub(super) fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_file(path, format!("{value:#}\n").as_bytes())
}

pub(super) fn read_json(path: &Path) -> Result<Option<Value>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read(path).map_err(|error| Error::read(path, &error))?;
    let value = serde_json::from_slice(&text);
    value.map(Some).map_err(|error| Error::Data(format!("{}: expected JSON: {error}", path.display())))
}
