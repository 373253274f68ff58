//! Tables in several Parquet files, as the hub keeps large ones: `0000.parquet`, `0001.parquet` and so on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// The name of the first.
const FIRST: &str = "0000.parquet";

/// Whether a file's name is that of a part, and which.
fn number(name: &str) -> Option<usize> {
    let digits = name.strip_suffix(".parquet")?;
    let is_number = digits.len() >= 4 && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// The names of all parts in their order, of the names that lie together.
pub(super) fn in_order<'a>(names: impl Iterator<Item = &'a str>, folder: &str) -> Result<Vec<&'a str>> {
    let mut parts: Vec<(usize, &str)> = names.filter_map(|name| Some((number(name)?, name))).collect();
    parts.sort_unstable();
    match parts.iter().enumerate().find(|(i, (number, _))| i != number) {
        None => Ok(parts.into_iter().map(|(_, name)| name).collect()),
        Some((i, (_, found))) => Err(Error::Missing(format!(
            "{folder}: expected {i:04}.parquet, the next part of the table, found {found}; fetch all parts, or remove those \
             that are not of it"
        ))),
    }
}

/// The files of the table whose file, or first part, this is.
pub(super) fn of(path: &Path) -> Result<Vec<PathBuf>> {
    let folder = path.parent().filter(|_| path.file_name().is_some_and(|name| name == FIRST));
    let Some(folder) = folder else { return Ok(vec![path.to_owned()]) };
    let entries = fs::read_dir(folder).map_err(|error| Error::read(folder, &error))?;
    let names: Vec<String> = entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()
        .map_err(|error| Error::read(folder, &error))?;
    let parts = in_order(names.iter().map(String::as_str), &folder.display().to_string())?;
    Ok(parts.into_iter().map(|name| folder.join(name)).collect())
}

/// The same of the paths of a list, without reading any.
pub(super) fn among<'a>(first: &'a str, listed: &'a [String]) -> Result<Vec<String>> {
    let Some(folder) = first.strip_suffix(FIRST).filter(|folder| folder.is_empty() || folder.ends_with('/')) else {
        return Ok(vec![first.to_owned()]);
    };
    let names = listed.iter().filter_map(|file| file.strip_prefix(folder)).filter(|name| !name.contains('/'));
    let parts = in_order(names, folder.trim_end_matches('/'))?;
    Ok(parts.into_iter().map(|name| format!("{folder}{name}")).collect())
}

/// The beginning of ids of a part, by that of the first.
pub(super) fn stem(stem: &str, first: &Path, part: &Path) -> String {
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match stem.strip_suffix(&name(first)) {
        Some(before) if part != first => format!("{before}{}", name(part)),
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_in_order_and_none_may_be_missing() {
        let listed =
            ["a/0001.parquet", "a/0000.parquet", "a/x.txt", "b/0001.parquet", "a/10.parquet"].map(str::to_owned);
        assert_eq!(among("a/0000.parquet", &listed).unwrap(), ["a/0000.parquet", "a/0001.parquet"]);
        assert_eq!(among("a/train.parquet", &listed).unwrap(), ["a/train.parquet"]);
        let listed = ["a/0000.parquet", "a/0002.parquet"].map(str::to_owned);
        let error = among("a/0000.parquet", &listed).unwrap_err();
        assert!(error.message().starts_with("a: expected 0001.parquet, the next part"), "{error}");
        let stem = |part: &str| stem("en/train/0000", Path::new("x/0000.parquet"), Path::new(part));
        assert_eq!([stem("x/0000.parquet"), stem("x/0001.parquet")], ["en/train/0000", "en/train/0001"]);
    }
}
