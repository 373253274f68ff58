//! The keys of files that people write, as the structs say that these are read into: a field is a key, its comment what it
//! means.

use crate::error::{Error, Result, did_you_mean};

/// A setting of a recipe or a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// With dots, such as `stages.N.learning_rate`.
    pub name: String,
    /// As TOML; empty where nothing stands for what is not given.
    pub default: String,
    /// Its documentation.
    pub meaning: String,
}

/// What stands before a field that has another name in files.
const RENAMED: &str = "#[serde(rename = \"";

/// The fields of a struct in a source file, with their documentation.
pub fn fields(source: &str, name: &str) -> Vec<(String, String)> {
    let body = source.split_once(&format!("pub struct {name} {{\n")).map_or("", |(_, rest)| rest);
    let body = body.split_once("\n}").map_or("", |(body, _)| body);
    let (mut all, mut meaning, mut renamed) = (Vec::new(), Vec::new(), None);
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            meaning.push(text.trim());
        } else if let Some((other, _)) = line.strip_prefix(RENAMED).and_then(|rest| rest.split_once('"')) {
            renamed = Some(other);
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|line| line.split_once(':')) {
            let field = renamed.take().unwrap_or(field).to_owned();
            all.push((field, std::mem::take(&mut meaning).join(" ")));
        }
    }
    all
}

/// Whether a key is a table, which has others below it: of the prefixes of keys, such as `stages.N.`, one is its own.
pub fn is_table<'a>(mut prefixes: impl Iterator<Item = &'a str>, name: &str) -> bool {
    !name.is_empty() && prefixes.any(|prefix| prefix.trim_end_matches('.').trim_end_matches(".N") == name)
}

/// The keys in whose name a word stands; it is an error if there are none.
pub fn with<'a>(all: &'a [Key], part: &str) -> Result<Vec<&'a Key>> {
    let found: Vec<&Key> = all.iter().filter(|key| key.name.contains(part)).collect();
    if found.is_empty() {
        let known = did_you_mean(part, all.iter().map(|key| key.name.as_str()));
        return Err(Error::Usage(format!("no key has \"{part}\" in its name; {known}")));
    }
    Ok(found)
}
