//! Tatoeba sentence retrieval (Artetxe & Schwenk, 2019): which English sentence translates a given one?
//!
//! Nothing is trained on it. The release has a pair of files for each language, `tatoeba.swh-eng.swh` and
//! `tatoeba.swh-eng.eng`, whose lines translate each other.

use std::path::{Path, PathBuf};

use super::TextFile;
use crate::{
    error::{Error, Result, did_you_mean},
    input,
};

/// The name of the task, and of its folder.
pub const NAME: &str = "tatoeba";

/// Language codes as other tasks write them, and as the files do: the 36 languages of XTREME (Hu et al., 2020), and
/// those of ours that it lacks.
pub const LANGUAGES: &[(&str, &str)] = &[
    ("af", "afr"),
    ("ar", "ara"),
    ("bg", "bul"),
    ("bn", "ben"),
    ("cs", "ces"),
    ("de", "deu"),
    ("el", "ell"),
    ("es", "spa"),
    ("et", "est"),
    ("eu", "eus"),
    ("fa", "pes"),
    ("fi", "fin"),
    ("fr", "fra"),
    ("he", "heb"),
    ("hi", "hin"),
    ("hu", "hun"),
    ("id", "ind"),
    ("it", "ita"),
    ("ja", "jpn"),
    ("jv", "jav"),
    ("ka", "kat"),
    ("kk", "kaz"),
    ("ko", "kor"),
    ("ml", "mal"),
    ("mr", "mar"),
    ("nl", "nld"),
    ("pt", "por"),
    ("ru", "rus"),
    ("sw", "swh"),
    ("ta", "tam"),
    ("te", "tel"),
    ("th", "tha"),
    ("tl", "tgl"),
    ("tr", "tur"),
    ("ur", "urd"),
    ("vi", "vie"),
    ("zh", "cmn"),
];

/// Sentences of a language and their translations into English, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitext {
    /// The language.
    pub language: String,
    /// Its sentences.
    pub sentences: Vec<String>,
    /// The same in English.
    pub english: Vec<String>,
}

/// Where the files lie: in a subfolder of the task's name or the release's, or in the folder itself.
fn base(folder: &Path) -> PathBuf {
    let own = [NAME, "tatoeba_laser"].map(|name| folder.join(name)).into_iter().find(|own| own.is_dir());
    own.unwrap_or_else(|| folder.to_owned())
}

/// A language that is named twice, perhaps by both of its codes.
pub fn named_twice(languages: &[String]) -> Option<&String> {
    let code = |language: &str| LANGUAGES.iter().find(|(short, long)| *short == language || *long == language);
    let same = |a: &String, b: &String| a == b || (code(a).is_some() && code(a) == code(b));
    languages
        .iter()
        .enumerate()
        .find(|(i, one)| languages[..*i].iter().any(|other| same(one, other)))
        .map(|(_, one)| one)
}

/// Reads the pairs of a language from `folder` or its subfolder `tatoeba`.
pub fn load(folder: &Path, language: &str) -> Result<Bitext> {
    let Some((_, code)) = LANGUAGES.iter().find(|(short, long)| *short == language || *long == language) else {
        let hint = did_you_mean(language, LANGUAGES.iter().map(|(short, _)| *short));
        return Err(Error::Usage(format!("{NAME} has no language \"{language}\"; {hint}")));
    };
    let base = base(folder);
    let path = |side: &str| base.join(format!("tatoeba.{code}-eng.{side}"));
    if !input::is_there(&path(code)) {
        let remedy = "fetch data/tatoeba/v1 of facebookresearch/LASER, and name its folder by --data";
        return Err(Error::Missing(format!("there is no {}; {remedy}", path(code).display())));
    }
    let lines = |side: &str| -> Result<Vec<String>> {
        Ok(TextFile::read(&path(side))?.lines().map(|(_, line)| line.trim().to_owned()).collect())
    };
    let (sentences, english) = (lines(code)?, lines("eng")?);
    if sentences.len() != english.len() {
        let (n, n_english) = (sentences.len(), english.len());
        let reason = format!("{n} lines, and {n_english} in English; fetch both files again");
        return Err(Error::Data(format!("{}: {reason}", path(code).display())));
    }
    Ok(Bitext { language: language.to_owned(), sentences, english })
}

/// Every sentence of the release that lies in `folder`, of whatever language: what no encoder may have seen that is
/// measured by it.
pub fn all_sentences(folder: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for path in all_files(folder)? {
        all.extend(TextFile::read(&path)?.lines().map(|(_, line)| line.to_owned()));
    }
    Ok(all)
}

/// The files in which they are.
pub fn all_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let base = base(folder);
    let entries = std::fs::read_dir(&base).map_err(|error| Error::read(&base, &error))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tatoeba.")));
    paths.sort();
    if paths.is_empty() {
        let remedy = "fetch data/tatoeba/v1 of facebookresearch/LASER";
        return Err(Error::Missing(format!("{} holds no file tatoeba.*; {remedy}", base.display())));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn lines_are_joined_with_their_translations() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("tatoeba.deu-eng.deu", "Hallo!\nGuten Tag.\n");
        write("tatoeba.deu-eng.eng", "Hello!\nGood day.\n");
        let bitext = load(folder.path(), "de").unwrap();
        assert_eq!((&bitext.sentences[1][..], &bitext.english[1][..]), ("Guten Tag.", "Good day."));
        assert_eq!(all_sentences(folder.path()).unwrap(), ["Hallo!", "Guten Tag.", "Hello!", "Good day."]);

        let names = |names: [&str; 3]| names.map(str::to_owned);
        assert_eq!(named_twice(&names(["de", "sw", "deu"])), Some(&"deu".to_owned()));
        assert_eq!(named_twice(&names(["de", "sw", "en"])), None);
        write("tatoeba.deu-eng.eng", "Hello!\n");
        let error = load(folder.path(), "de").unwrap_err();
        assert!(error.message().contains("2 lines, and 1 in English"), "{error}");
        assert!(matches!(load(folder.path(), "sw"), Err(Error::Missing(_))));
        assert!(load(folder.path(), "dee").unwrap_err().message().contains("did you mean \"de\""));
    }
}
