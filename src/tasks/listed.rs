//! Which files of a list a task needs, before any of them is here: those of a data set on the hub.

use super::{Split, Task, codes::can_be_same};
use crate::error::{Error, Result};

/// What is to be read of a task.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The task.
    pub task: &'a Task,
    /// Which part.
    pub split: Split,
    /// The languages; none named: all that there are.
    pub languages: &'a [String],
}

impl Wanted<'_> {
    /// The files that hold it, in the order of the list.
    pub fn among(&self, listed: &[String]) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for pattern in self.task.patterns(self.split).map(|(_, pattern)| pattern) {
            for file in listed.iter().filter(|file| self.is_wanted(pattern, file)) {
                check_whole(file, listed)?;
                found.push(file.clone());
            }
        }
        Ok(found)
    }

    fn is_wanted(&self, pattern: &str, file: &str) -> bool {
        let Some((before, after)) = pattern.split_once("{language}") else { return pattern == file };
        let rest = file.strip_prefix(before).unwrap_or_default();
        let ends = (1..=rest.len()).filter(|end| rest.is_char_boundary(*end));
        let mut languages = ends.map(|end| &rest[..end]).filter(|language| {
            file == format!("{before}{language}{}", after.replace("{language}", language)) && !language.contains('/')
        });
        languages.any(|language| {
            let is_named = |name: &String| name == language || can_be_same(name, language);
            self.task.is_language(language) && (self.languages.is_empty() || self.languages.iter().any(is_named))
        })
    }
}

/// Refuses a table that the hub keeps in several files, of which a task would read the first.
fn check_whole(file: &str, listed: &[String]) -> Result<()> {
    let Some(folder) = file.strip_suffix("0000.parquet") else { return Ok(()) };
    let rest = |other: &&String| other.strip_prefix(folder).is_some_and(|name| !name.contains('/'));
    match listed.iter().filter(rest).count() {
        1 => Ok(()),
        n => Err(Error::Data(format!(
            "{folder} is kept in {n} files there, of which a task reads one; fetch them and name them by train_files, or \
             join them in a folder of your own"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::shipped;

    #[test]
    fn files_are_found_by_pattern_and_language() {
        let listed: Vec<String> = ["de/test/0000.parquet", "en/test/0000.parquet", "en/train/0000.parquet"]
            .into_iter()
            .chain(["all_languages/test/0000.parquet", "README.md", "sw/test/0000.parquet"])
            .map(str::to_owned)
            .collect();
        let among = |split, languages: &[&str]| {
            let languages: Vec<String> = languages.iter().map(|language| (*language).to_owned()).collect();
            Wanted { task: shipped("xnli"), split, languages: &languages }.among(&listed).unwrap().join(" ")
        };
        assert_eq!(among(Split::Test, &["swa", "de"]), "de/test/0000.parquet sw/test/0000.parquet");
        assert_eq!(among(Split::Test, &[]), "de/test/0000.parquet en/test/0000.parquet sw/test/0000.parquet");
        assert_eq!(among(Split::Train, &["en"]), "en/train/0000.parquet");
        assert_eq!(among(Split::Dev, &["en"]), "");
    }

    #[test]
    fn a_table_in_several_files_is_refused() {
        let listed = ["en/train/0000.parquet", "en/train/0001.parquet"].map(str::to_owned);
        let wanted = Wanted { task: shipped("xnli"), split: Split::Train, languages: &[] };
        let error = wanted.among(&listed).unwrap_err();
        assert!(error.message().starts_with("en/train/ is kept in 2 files there"), "{error}");
    }
}
