//! Which files of a list a task needs, before any of them is here: those of a data set on the hub.

use super::{Split, Task, codes::can_be_same, parts};
use crate::error::Result;

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
                found.extend(parts::among(file, listed)?);
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
    fn all_parts_of_a_table_are_wanted() {
        let listed = ["en/train/0001.parquet", "en/train/0000.parquet"].map(str::to_owned);
        let wanted = Wanted { task: shipped("xnli"), split: Split::Train, languages: &[] };
        assert_eq!(wanted.among(&listed).unwrap(), ["en/train/0000.parquet", "en/train/0001.parquet"]);
    }
}
