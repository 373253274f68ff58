//! Retrieval: texts that are looked for among others. Nothing is trained on them.
//!
//! Such files come side by side: `zh-en.dev.zh` and `zh-en.dev.en`, of which each ends in the code of its language, and the
//! codes of both stand in the name.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Layout, Origin, Split, Task, TextFile, codes::can_be_same, text_file::excerpt};
use crate::{
    error::{Error, Result, did_you_mean},
    input,
};

/// A text that is looked for, or among which is looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the data call it, else its file and line.
    pub id: String,
    /// The text.
    pub text: String,
    /// What stands around the text, where it is read with that.
    pub context: Option<Arc<str>>,
    /// Its language.
    pub language: String,
    /// What joins it with its translations.
    pub row: usize,
}

impl Entry {
    /// What an encoder reads: the text, and its context right behind it without line ends, as LAReQA's baseline has it.
    pub fn input(&self) -> Cow<'_, str> {
        match &self.context {
            None => Cow::Borrowed(&self.text),
            Some(context) => Cow::Owned(format!("{}{context}", self.text).replace('\n', "")),
        }
    }
}

/// What is looked for in a language, and among what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieval {
    /// The language.
    pub language: String,
    /// For these something is looked for.
    pub queries: Vec<Entry>,
    /// Among these; languages with the same pool share it.
    pub candidates: Arc<[Entry]>,
    /// For each query the places of the candidates that are right.
    pub right: Vec<Vec<usize>>,
    /// The files read.
    pub files: Vec<Origin>,
    /// What looks odd without being wrong.
    pub notes: Vec<String>,
}

impl Retrieval {
    /// The same the other way round: for each candidate its queries are looked for.
    pub fn turned(&self) -> Retrieval {
        let mut right = vec![Vec::new(); self.candidates.len()];
        for (query, candidates) in self.right.iter().enumerate() {
            candidates.iter().for_each(|candidate| right[*candidate].push(query));
        }
        let Retrieval { queries, candidates, .. } = self;
        Retrieval { queries: candidates.to_vec(), candidates: queries.as_slice().into(), right, ..self.clone() }
    }
}

/// Where something of a task lies in a language.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// How it is laid out.
    pub layout: &'static Layout,
    /// The folder that its paths begin in.
    pub base: PathBuf,
    /// Its path, with `{language}` for the language.
    pub pattern: &'static str,
    /// What the files call the language.
    pub code: String,
    /// The language.
    pub language: String,
}

impl Place {
    /// The file of a language that the files call so.
    pub fn path(&self, code: &str) -> PathBuf {
        self.base.join(self.pattern.replace("{language}", code))
    }

    fn has_pool_of(&self, other: &Place) -> bool {
        (&self.base, self.pattern) == (&other.base, other.pattern)
    }
}

/// The texts of two languages that stand side by side.
struct Sides {
    /// In the language whose file was named.
    own: Side,
    /// In the other.
    other: Side,
}

struct Side {
    file: TextFile,
    name: String,
    code: String,
}

impl Task {
    /// What is looked for in languages, which may have other codes in the files.
    pub fn retrievals(&self, folder: &Path, split: Split, languages: &[String]) -> Result<Vec<Retrieval>> {
        let place = |language: &String| self.place_of(folder, split, language);
        let places: Vec<Place> = languages.iter().map(place).collect::<Result<_>>()?;
        let read = |places: &[Place]| places[0].layout.format.retrievals(self, places);
        Ok(places.chunk_by(Place::has_pool_of).map(read).collect::<Result<Vec<_>>>()?.concat())
    }

    /// Why something cannot be measured in these languages though its files are there; nothing where it can.
    pub fn unmeasurable(&self, folder: &Path, split: Split, languages: &[String]) -> Result<Option<String>> {
        for language in languages {
            let place = self.place_of(folder, split, language)?;
            if let Some(reason) = place.layout.format.unmeasurable(&place)? {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    fn place_of(&self, folder: &Path, split: Split, language: &str) -> Result<Place> {
        for base in self.bases(folder)? {
            for (layout, pattern) in self.patterns(split) {
                if let Some(code) = called(&self.languages_of(&base, pattern)?, language) {
                    return Ok(Place { layout, base, pattern, code, language: language.to_owned() });
                }
            }
        }
        let present = self.codes_in(folder, split)?;
        let (name, hint) = (self.name, did_you_mean(language, present.iter().map(String::as_str)));
        let folder = folder.display();
        Err(Error::Missing(format!("no {split} file of {name} for language \"{language}\" in {folder}; {hint}")))
    }

    /// Those of the languages in which something can be looked for; of a task that names none all.
    pub fn retrieved(&self, folder: &Path, split: Split, languages: &[&str]) -> Result<Vec<String>> {
        let codes = self.codes_in(folder, split)?;
        let is_there = |own: &&&str| codes.iter().any(|code| code == **own || can_be_same(code, own));
        let own = languages.iter().filter(is_there).map(|own| (*own).to_owned()).collect();
        Ok(if languages.is_empty() { codes.into_iter().collect() } else { own })
    }

    /// Every code that the files of a split have in their names.
    pub(super) fn codes_in(&self, folder: &Path, split: Split) -> Result<BTreeSet<String>> {
        for base in self.bases(folder)? {
            let codes = self.patterns(split).map(|(_, pattern)| self.languages_of(&base, pattern));
            let codes: BTreeSet<String> = codes.collect::<Result<Vec<_>>>()?.concat().into_iter().collect();
            if !codes.is_empty() {
                return Ok(codes);
            }
        }
        Err(self.missing(folder, split, "any language"))
    }
}

/// What a language is called among codes.
pub(super) fn called(codes: &[String], language: &str) -> Option<String> {
    let same = |code: &&String| can_be_same(code, language);
    codes.iter().find(|code| *code == language).or_else(|| codes.iter().find(same)).cloned()
}

/// A language that is named twice, perhaps by two of its codes.
pub fn named_twice(languages: &[String]) -> Option<&String> {
    let same = |a: &String, b: &String| a == b || can_be_same(a, b);
    let twice = |(i, one): &(usize, &String)| languages[..*i].iter().any(|other| same(one, other));
    languages.iter().enumerate().find(twice).map(|(_, one)| one)
}

impl Sides {
    fn read(path: &Path, code: &str) -> Result<Sides> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let own = name(path);
        let other = own.split('.').find_map(|part| part.strip_prefix(code)?.strip_prefix('-'));
        let other = other.ok_or_else(|| {
            let path = path.display();
            Error::Data(format!(
                "{path}: expected a name with the codes of both languages, such as {code}-en.test.{code}"
            ))
        })?;
        let (other_code, other) = (other, path.with_extension(other));
        if !input::is_there(&other) {
            let (other, path) = (other.display(), path.display());
            return Err(Error::Missing(format!("there is no {other}, which belongs to {path}; fetch both")));
        }
        let side = |path: &Path, code: &str| -> Result<Side> {
            Ok(Side { file: TextFile::read(path)?, name: name(path), code: code.to_owned() })
        };
        Ok(Sides { own: side(path, code)?, other: side(&other, other_code)? })
    }
}

impl Side {
    fn origin(&self, rows: usize) -> Origin {
        origin(&self.file, rows)
    }

    fn entry(&self, id: String, text: &str, row: usize) -> Entry {
        Entry { id, text: text.trim().to_owned(), context: None, language: self.code.clone(), row }
    }
}

/// A file with so many rows.
pub(super) fn origin(file: &TextFile, rows: usize) -> Origin {
    Origin { path: file.path.clone(), sha256: file.sha256.clone(), rows }
}

/// Files whose lines translate each other. What is looked for is the line in the language, for one in the other, as XTREME
/// measures Tatoeba.
pub(super) fn bitext(path: &Path, code: &str) -> Result<Retrieval> {
    let Sides { own, other } = Sides::read(path, code)?;
    let entries = |side: &Side| -> Vec<Entry> {
        let entry = |(line, text): (usize, &str)| side.entry(format!("{}:{line}", side.name), text, line);
        side.file.lines().map(entry).collect()
    };
    let (candidates, queries) = (entries(&own), entries(&other));
    let (n, n_other) = (candidates.len(), queries.len());
    if n != n_other {
        let reason = format!("{n} lines, and {n_other} in {}; fetch both files again", other.name);
        return Err(Error::Data(format!("{}: {reason}", path.display())));
    }
    let (files, right) = (vec![own.origin(n), other.origin(n)], (0..n).map(|i| vec![i]).collect());
    Ok(of_sides(code, queries, candidates, right, files))
}

fn of_sides(
    code: &str,
    queries: Vec<Entry>,
    candidates: Vec<Entry>,
    right: Vec<Vec<usize>>,
    files: Vec<Origin>,
) -> Retrieval {
    Retrieval { language: code.to_owned(), queries, candidates: candidates.into(), right, files, notes: Vec::new() }
}

/// Files of an id, a tab and a text a line, some of which translate each other: those whose ids stand, parted by a tab, in a
/// third file that ends in `.gold` (BUCC).
pub(super) fn comparable(path: &Path, code: &str) -> Result<Retrieval> {
    let Sides { own, other } = Sides::read(path, code)?;
    let (queries, candidates) = (named(&own)?, named(&other)?);
    let gold = path.with_extension("gold");
    if !input::is_there(&gold) {
        let (gold, remedy) = (gold.display(), "fetch it, or measure --split dev, whose pairs are known");
        return Err(Error::Missing(format!("there is no {gold}, which says what translates what; {remedy}")));
    }
    let gold = TextFile::read(&gold)?;
    let mut right = vec![Vec::new(); queries.len()];
    let (places, other_places) = (places(&own.file, &queries)?, places(&other.file, &candidates)?);
    for (line, content) in gold.lines() {
        let pair = content.trim().split_once('\t');
        let pair = pair.and_then(|(query, candidate)| Some((*places.get(query)?, *other_places.get(candidate)?)));
        let (query, candidate) = pair.ok_or_else(|| {
            let (place, found, names) = (gold.place(line), excerpt(content), [&own.name, &other.name]);
            Error::Data(format!(
                "{place}: expected an id of {}, a tab and one of {}, found {found}",
                names[0], names[1]
            ))
        })?;
        right[query].push(candidate);
    }
    let n_gold = right.iter().map(Vec::len).sum();
    let of_gold = Origin { path: gold.path, sha256: gold.sha256, rows: n_gold };
    let files = vec![own.origin(queries.len()), other.origin(candidates.len()), of_gold];
    Ok(of_sides(code, queries, candidates, right, files))
}

fn named(side: &Side) -> Result<Vec<Entry>> {
    let file = &side.file;
    let entry = |(line, content): (usize, &str)| {
        let (id, text) = content.split_once('\t').ok_or_else(|| {
            let (place, found) = (file.place(line), excerpt(content));
            Error::Data(format!("{place}: expected an id, a tab and a text, found {found}; mend that line"))
        })?;
        Ok(side.entry(id.trim().to_owned(), text, line))
    };
    file.lines().map(entry).collect()
}

pub(super) fn places<'a>(file: &TextFile, entries: &'a [Entry]) -> Result<HashMap<&'a str, usize>> {
    let mut places = HashMap::new();
    for (place, Entry { id, .. }) in entries.iter().enumerate() {
        if let Some(first) = places.insert(id.as_str(), place) {
            let (at, first) = (file.place(place + 1), first + 1);
            return Err(Error::Data(format!("{at}: \"{id}\" stands in line {first} already; fetch the file again")));
        }
    }
    Ok(places)
}

/// The texts by which models are selected or measured in a task.
#[derive(Debug, Default)]
pub struct Measured {
    /// The texts.
    pub texts: Vec<String>,
    /// Where they stand.
    pub files: Vec<PathBuf>,
}

impl Task {
    /// Every text by which models are selected or measured, in whatever language: what no encoder may have seen that is
    /// measured by them.
    pub fn measured(&self, folder: &Path) -> Result<Measured> {
        let mut measured = Measured::default();
        for split in [Split::Dev, Split::Test].into_iter().filter(|split| self.search.is_none() || self.has(*split)) {
            let files = match self.search {
                Some(_) => self.searched_texts(folder, split, &mut measured.texts)?,
                None => self.read_texts(folder, split, &mut measured.texts)?,
            };
            measured.files.extend(files.into_iter().map(|file| file.path));
        }
        Ok(measured)
    }

    fn searched_texts(&self, folder: &Path, split: Split, texts: &mut Vec<String>) -> Result<Vec<Origin>> {
        let codes: Vec<String> = self.codes_in(folder, split)?.into_iter().collect();
        let all = self.retrievals(folder, split, &codes)?;
        for (i, Retrieval { queries, candidates, .. }) in all.iter().enumerate() {
            let is_new = !all[..i].iter().any(|other| Arc::ptr_eq(&other.candidates, candidates));
            let entries = queries.iter().chain(candidates.iter().filter(|_| is_new));
            texts.extend(entries.map(|entry| entry.text.clone()));
        }
        Ok(all.into_iter().flat_map(|one| one.files).collect())
    }

    fn read_texts(&self, folder: &Path, split: Split, texts: &mut Vec<String>) -> Result<Vec<Origin>> {
        let mut files = Vec::new();
        for language in self.languages_in(folder, split)? {
            let loaded = self.load_unlabelled(folder, split, &language)?;
            texts.extend(loaded.examples.into_iter().flat_map(|example| [Some(example.a), example.b]).flatten());
            files.extend(loaded.files);
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::shipped;
    use std::fs;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
        folder
    }

    #[test]
    fn lines_are_joined_with_their_translations() {
        let mut files = vec![
            ("tatoeba.deu-eng.deu", "Hallo!\nGuten Tag. \n"),
            ("tatoeba.deu-eng.eng", "Hello!\nGood day.\n"),
            ("tatoeba.arz-eng.arz", "x\n"),
            ("tatoeba.arz-eng.eng", "y\n"),
        ];
        let task = shipped("tatoeba");
        let of = |files: &[(&str, &str)], language: &str| {
            task.retrievals(folder(files).path(), Split::Test, &[language.to_owned()])
                .map(|mut found| found.swap_remove(0))
        };
        let found = of(&files, "de").unwrap();
        assert_eq!((&found.queries[1].text[..], &found.candidates[1].text[..]), ("Good day.", "Guten Tag."));
        assert_eq!((&found.candidates[0].id[..], &found.language[..]), ("tatoeba.deu-eng.deu:1", "de"));
        assert_eq!((&found.queries[0].language[..], &found.candidates[0].language[..]), ("eng", "deu"));
        assert_eq!((&found.right, &found.turned().right), (&vec![vec![0], vec![1]], &vec![vec![0], vec![1]]));
        // What is measured by default are the task's languages; what may not be seen are all.
        let there = folder(&files);
        assert_eq!(task.retrieved(there.path(), Split::Test, task.languages).unwrap(), ["de"]);
        let measured = task.measured(there.path()).unwrap();
        assert_eq!((measured.texts.len(), measured.files.len()), (6, 4));
        assert!(matches!(of(&files, "sw"), Err(Error::Missing(_))));
        files[1].1 = "Hello!\n";
        let error = of(&files, "deu").unwrap_err();
        assert!(error.message().contains("2 lines, and 1 in tatoeba.deu-eng.eng"), "{error}");
        let error = of(&files[..1], "de").unwrap_err();
        assert!(error.message().contains("tatoeba.deu-eng.eng, which belongs to"), "{error}");

        let names = |names: [&str; 3]| names.map(str::to_owned);
        assert_eq!(named_twice(&names(["de", "sw", "deu"])), Some(&"deu".to_owned()));
        assert_eq!(named_twice(&names(["de", "sw", "en"])), None);
    }

    #[test]
    fn comparable_texts_have_their_pairs_in_a_third_file() {
        let files = [
            ("zh-en.dev.zh", "zh-1\t甲\nzh-2\t乙\n"),
            ("zh-en.dev.en", "en-1\tone\nen-2\ttwo\nen-3\tthree\n"),
            ("zh-en.dev.gold", "zh-2\ten-3\n"),
        ];
        let of = |files: &[(&str, &str)]| {
            let found = shipped("bucc2018").retrievals(folder(files).path(), Split::Dev, &["zh".to_owned()]);
            found.map(|mut found| found.swap_remove(0))
        };
        let found = of(&files).unwrap();
        assert_eq!((&found.right, &found.candidates[2].id[..]), (&vec![vec![], vec![2]], "en-3"));
        assert_eq!(found.turned().right, [vec![], vec![], vec![1]]);
        for (at, text, says) in [
            (0, "zh-1 甲\n", "zh-en.dev.zh:1: expected an id, a tab and a text"),
            (1, "en-1\ta\nen-1\tb\n", "zh-en.dev.en:2: \"en-1\" stands in line 1 already"),
            (2, "zh-2\ten-9\n", "zh-en.dev.gold:1: expected an id of zh-en.dev.zh, a tab and one of zh-en.dev.en"),
        ] {
            let mut files = files;
            files[at].1 = text;
            let error = of(&files).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains(says), "{error}");
        }
        assert!(of(&files[..2]).unwrap_err().message().contains("zh-en.dev.gold, which says what translates what"));
    }
}
