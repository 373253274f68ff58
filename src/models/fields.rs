//! Typed access to config.json, with messages that name the field.

use serde_json::{Map, Value};

/// The keys and values of a config.json.
pub struct Fields<'a>(pub &'a Map<String, Value>);

impl Fields<'_> {
    /// What is there under a name, unless it is null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A positive whole number, which must be there.
    pub fn size(&self, name: &str) -> Result<usize, String> {
        let value = self.0.get(name).ok_or_else(|| format!("\"{name}\" is missing"))?;
        match value.as_u64().filter(|size| (1..=1 << 31).contains(size)) {
            Some(size) => Ok(size as usize),
            None => Err(format!("\"{name}\" must be a positive whole number of at most 2^31, found {value}")),
        }
    }

    /// A whole number.
    pub fn id(&self, name: &str, default: usize) -> Result<usize, String> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => match value.as_u64().filter(|id| *id < 1 << 31) {
                Some(id) => Ok(id as usize),
                None => Err(format!("\"{name}\" must be a whole number of at least 0, found {value}")),
            },
        }
    }

    /// True or false.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| format!("\"{name}\" must be true or false, found {value}")),
        }
    }

    /// A number of at least 0.
    pub fn number(&self, name: &str, default: f64) -> Result<f32, String> {
        match self.get(name) {
            None => Ok(default as f32),
            Some(value) => match value.as_f64().filter(|number| number.is_finite() && *number >= 0.0) {
                Some(number) => Ok(number as f32),
                None => Err(format!("\"{name}\" must be a number of at least 0, found {value}")),
            },
        }
    }

    /// A number from 0 to below 1.
    pub fn rate(&self, name: &str, default: f32) -> Result<f32, String> {
        let rate = self.number(name, f64::from(default))?;
        if rate < 1.0 { Ok(rate) } else { Err(format!("\"{name}\" must be below 1, found {rate}")) }
    }

    /// Refuses any other value than this one, where there is a value.
    pub fn must_be(&self, name: &str, only: &str) -> Result<(), String> {
        match self.get(name) {
            Some(value) if value.as_str() != Some(only) => Err(format!("\"{name}\" must be \"{only}\", found {value}")),
            _ => Ok(()),
        }
    }

    /// Refuses another activation than the exact GELU.
    pub fn must_be_gelu(&self, name: &str) -> Result<(), String> {
        match self.get(name).map(Value::as_str) {
            None | Some(Some("gelu" | "gelu_python")) => Ok(()),
            _ => Err(format!("\"{name}\" must be \"gelu\", found {}: no other is supported", self.0[name])),
        }
    }

    /// The same of true and false; where there is no value, it is `default`.
    pub fn must_be_flag(&self, name: &str, only: bool, default: bool, why: &str) -> Result<(), String> {
        match self.flag(name, default)? == only {
            true => Ok(()),
            false => Err(format!("\"{name}\" must be {only}: {why}")),
        }
    }
}
