//! What a model or a data set is called: `org/model@revision`, told apart from paths.

use std::{fmt, path::Path, str::FromStr};

/// The revision that is meant where none is said.
const MAIN: &str = "main";
/// The same of a data set.
const CONVERTED: &str = "refs/convert/parquet";
/// The longest that a part of a name is.
const LONGEST: usize = 96;
/// How files end that a user may have mistyped; no name does.
const ENDINGS: [&str; 8] = [".toml", ".json", ".safetensors", ".bin", ".git", ".model", ".txt", ".tsv"];

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repository {
    /// A model.
    Model,
    /// A data set.
    DataSet,
}

impl Repository {
    /// What it is called in messages.
    #[cfg(feature = "hub")]
    pub(super) fn noun(self) -> &'static str {
        match self {
            Repository::Model => "model",
            Repository::DataSet => "data set",
        }
    }

    /// The revision that is meant where none is said: of data sets the one in which the hub keeps Parquet.
    fn usual(self) -> &'static str {
        match self {
            Repository::Model => MAIN,
            Repository::DataSet => CONVERTED,
        }
    }
}

/// The name of a model or a data set on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// What is there.
    pub kind: Repository,
    /// `org/model`, or `model` alone for the oldest.
    pub repo: String,
    /// A branch, a tag or a commit.
    pub revision: String,
}

impl Name {
    /// The name that a text is. It is none where it lies on the disk, or looks like a path: `./x`, `a/b/c`, or `a/b`
    /// where there is a folder `a`.
    pub fn find(text: &str) -> Option<Name> {
        let is_there = |path: &str| Path::new(path).symlink_metadata().is_ok();
        let in_a_folder = text.split_once('/').is_some_and(|(first, _)| is_there(first));
        if is_there(text) || in_a_folder { None } else { text.parse().ok() }
    }

    /// A name of these parts, if they can be such.
    pub(super) fn of(kind: Repository, repo: &str, revision: Option<&str>) -> Result<Name, ()> {
        let revision = revision.unwrap_or(kind.usual());
        let is_repo = repo.split('/').count() <= 2 && repo.split('/').all(is_part);
        let is_revision = revision.len() <= LONGEST && revision.split('/').all(is_word);
        match is_repo && is_revision && !ENDINGS.iter().any(|ending| repo.ends_with(ending)) {
            true => Ok(Name { kind, repo: repo.to_owned(), revision: revision.to_owned() }),
            false => Err(()),
        }
    }

    /// Whether it says the very commit.
    pub fn is_pinned(&self) -> bool {
        is_commit(&self.revision)
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Name, ()> {
        let (repo, revision) = text.split_once('@').map_or((text, None), |(repo, revision)| (repo, Some(revision)));
        Name::of(Repository::Model, repo, revision)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.kind == Repository::DataSet {
            f.write_str("hub:")?;
        }
        f.write_str(&self.repo)?;
        if self.revision == self.kind.usual() { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

/// Whether a revision is a commit: forty hexadecimal digits.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An organization or a model, by the hub's rules.
fn is_part(part: &str) -> bool {
    is_word(part) && part.len() <= LONGEST && !part.contains("--") && !part.starts_with('_')
}

/// What makes no trouble in a path.
pub(super) fn is_word(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let at_an_end = |c: char| c == '-' || c == '.';
    !word.is_empty() && word.chars().all(plain) && !word.contains("..") && word.trim_matches(at_an_end) == word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_paths() {
        let name = |text: &str| text.parse::<Name>().ok().map(|name| (name.repo, name.revision));
        let said = |repo: &str, revision: &str| Some((repo.to_owned(), revision.to_owned()));
        assert_eq!(name("xlm-roberta-base"), said("xlm-roberta-base", "main"));
        assert_eq!(name("a-b/c_d.v2@v1.0"), said("a-b/c_d.v2", "v1.0"));
        assert_eq!(name("a/b@refs/pr/1"), said("a/b", "refs/pr/1"));
        for path in [
            "",
            ".",
            "..",
            "/",
            "a/",
            "/a",
            "./a",
            "../a",
            "~/a",
            "a/b/c",
            "a//b",
            "a\\b",
            "C:\\a",
            "a b",
            "a/b@",
            "@x",
            "a/b@../x",
            "a/b@/x",
            "-a",
            "a.",
            "a--b",
            "x.toml",
            "x/model.safetensors",
            "größe",
            "a\0",
            "a@b@c",
        ] {
            assert_eq!(name(path), None, "{path:?}");
        }
        assert_eq!(name(&"x".repeat(97)), None);
    }

    #[test]
    fn what_lies_on_the_disk_is_no_name() {
        assert!(Name::find("no-such-model").is_some());
        assert!(Name::find("no-such-org/model").is_some());
        for path in ["src", "src/none", "Cargo.toml"] {
            assert_eq!(Name::find(path), None, "{path}"); // tests run where Cargo.toml lies
        }
    }

    #[test]
    fn names_are_shown_as_they_are_written() {
        for text in ["a", "a/b", "a/b@v1", "a/b@e73636d4f797dec63c3081bb6ed5c7b0bb3f2089"] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
        assert_eq!("a@main".parse::<Name>().unwrap().to_string(), "a");
        assert!("a@e73636d4f797dec63c3081bb6ed5c7b0bb3f2089".parse::<Name>().unwrap().is_pinned());
        assert!(!"a@e73636d".parse::<Name>().unwrap().is_pinned());
    }
}
