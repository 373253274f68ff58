//! The data of a recipe: read from the data folder, or generated where that is `demo`.

pub mod corpus;
pub mod inputs;
pub mod languages;
pub mod lessons;
pub mod source;
pub mod suited;
pub mod taught;

use self::corpus::{Text, folded};
use crate::{
    error::{Error, Result},
    hub, input,
    recipe::{self, Mlm, Recipe, Stage},
    rng::{Purpose, Rng},
    tasks::{
        self, Loaded, Split, Task, demo, join_languages,
        overlap::{self, Overlap},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

/// How much the demo generates where the recipe does not say.
const DEMO_TRAIN: usize = 6000;
const DEMO_DEV: usize = 600;
const DEMO_TEST: usize = 600;
const DEMO_TEXTS: usize = 4000;

/// Of this the generated data are made: a recipe's seed varies training, and all its runs meet the same test items.
pub const DEMO_SEED: u64 = 7;

/// The data that a recipe names.
pub struct Data<'a> {
    recipe: &'a Recipe,
}

impl<'a> Data<'a> {
    /// Nothing is read yet.
    pub fn new(recipe: &'a Recipe) -> Data<'a> {
        Data { recipe }
    }

    fn folder(&self) -> Result<PathBuf> {
        hub::data_folder(&self.recipe.data.folder)
    }

    fn is_demo(&self) -> bool {
        self.recipe.data.folder == recipe::DEMO
    }

    /// The languages to measure, the source first, and what there is to say of them.
    pub fn languages(&self, task: &Task) -> Result<Languages> {
        let chosen = task.chosen().filter(|_| self.recipe.languages.is_empty());
        let named = chosen.as_ref().unwrap_or(&self.recipe.languages);
        let (mut codes, notes): (Vec<String>, Vec<String>) = match (&named[..], self.is_demo()) {
            ([], true) => (demo::LANGUAGES.iter().map(|code| (*code).to_string()).collect(), Vec::new()),
            ([], false) => {
                let survey = task.survey(&self.folder()?, self.recipe.data.eval_split)?;
                let note = survey.note();
                (survey.languages, note.into_iter().collect())
            }
            (named, true) => (named.to_vec(), Vec::new()),
            (named, false) => {
                let asked = task.asked(&self.folder()?, self.recipe.data.eval_split, named)?;
                let notes = asked.iter().filter_map(|asked| asked.note.clone()).collect();
                (asked.into_iter().map(|asked| asked.language).collect(), notes)
            }
        };
        task.check_source(&codes)?;
        codes.sort_by_key(|language| language != task.source);
        Ok(Languages { codes, notes })
    }

    /// The training examples of a stage in one of its tasks.
    pub fn train(&self, task: &Task, stage: &Stage) -> Result<Loaded> {
        let mut loaded = if self.is_demo() {
            demo::load(Split::Train, task.source, stage.max_train_samples.unwrap_or(DEMO_TRAIN), DEMO_SEED)?
        } else if stage.train_files.is_empty() || stage.beside.iter().any(|beside| beside == task.name) {
            task.load(&self.folder()?, Split::Train, task.source)?
        } else {
            let files: Vec<PathBuf> = stage.train_files.iter().map(PathBuf::from).collect();
            task.load_files(&files, task.source)?
        };
        loaded.examples.truncate(stage.max_train_samples.unwrap_or(usize::MAX));
        match loaded.examples.is_empty() {
            false => Ok(loaded),
            true => Err(Error::Data(format!("{}: there is no training example", task.name))),
        }
    }

    /// The examples of the source language by which models of a stage are selected; none where the task has no such data, or
    /// the stage looks at none and they are not there.
    pub fn dev(&self, task: &Task, stage: &Stage) -> Result<Loaded> {
        if self.is_demo() {
            return demo::load(Split::Dev, task.source, DEMO_DEV, DEMO_SEED);
        }
        if !task.has(Split::Dev) {
            return Ok(Loaded::none(task.source));
        }
        match task.load(&self.folder()?, Split::Dev, task.source) {
            Err(Error::Missing(_)) if !stage.looks_at_dev() => Ok(Loaded::none(task.source)),
            Err(error @ Error::Missing(_)) => {
                Err(error.with("none is needed where a stage has select = \"last\" and evaluate_every = 0"))
            }
            loaded => self.limited(loaded?),
        }
    }

    /// The examples in a language that models are measured on: of the test data, unless the recipe says otherwise.
    pub fn test(&self, task: &Task, language: &str) -> Result<Loaded> {
        let split = self.recipe.data.eval_split;
        match self.is_demo() {
            true => self.limited(demo::load(split, language, DEMO_TEST, DEMO_SEED)?),
            false => self.limited(task.load(&self.folder()?, split, language)?),
        }
    }

    /// The same in several languages, whose items can be joined, and what there is to say of how they are.
    pub fn tests(&self, task: &Task, languages: &[String]) -> Result<(Vec<Loaded>, Vec<String>)> {
        let mut tests = languages.iter().map(|language| self.test(task, language)).collect::<Result<Vec<_>>>()?;
        let notes = join_languages(task, &mut tests)?;
        Ok((tests, notes))
    }

    /// Reads all that a run reads and keeps none of it, so that what is wrong is said first; returns the languages that are
    /// measured.
    pub fn read_through(&self) -> Result<Vec<String>> {
        for stage in &self.recipe.stages {
            for task in stage.tasks()? {
                match task {
                    Some(task) => _ = (self.train(task, stage)?, self.dev(task, stage)?),
                    None => _ = self.texts(stage)?,
                }
            }
        }
        let Some(task) = self.recipe.last_task()? else { return Ok(Vec::new()) };
        let codes = self.languages(task)?.codes;
        self.tests(task, &codes).map(|_| codes)
    }

    /// Test data of a task that the recipe does not name, in its source language: of all its parts alike as many as are
    /// measured, for such sets are often one part after the other.
    pub fn challenge(&self, task: &Task) -> Result<Loaded> {
        let mut loaded = task.load(&self.folder()?, Split::Test, task.source)?;
        let (n, most) = (loaded.examples.len(), self.recipe.data.max_eval_samples.unwrap_or(usize::MAX));
        if n > most {
            loaded.examples = (0..most).map(|i| loaded.examples[i * n / most].clone()).collect();
        }
        Ok(loaded)
    }

    fn limited(&self, loaded: Loaded) -> Result<Loaded> {
        Ok(drawn(loaded, self.recipe.data.max_eval_samples.unwrap_or(usize::MAX)))
    }

    /// The texts of a stage of masked language modelling, by language or pair of languages.
    pub fn texts(&self, stage: &Stage) -> Result<Texts> {
        let mlm = stage.reading();
        let limit = stage.max_train_samples.unwrap_or(if self.is_demo() { DEMO_TEXTS } else { usize::MAX });
        let wanted = |code: &str| mlm.languages.is_empty() || mlm.languages.iter().any(|wanted| wanted == code);
        let mut groups: BTreeMap<String, Vec<Text>> = BTreeMap::new();
        if self.is_demo() && mlm.text.is_empty() {
            for code in demo::LANGUAGES.iter().filter(|code| wanted(code)) {
                let texts = demo::text(code, DEMO_SEED, limit).into_iter().map(|a| Text { a, b: None });
                groups.insert((*code).to_string(), texts.collect());
            }
        }
        for path in files(&mlm.text, "txt")? {
            let code = last_name(&path);
            if wanted(&code) {
                let texts = read_lines(&path, limit)?.into_iter().map(|(_, a)| Text { a, b: None });
                groups.entry(code).or_default().extend(texts);
            }
        }
        for path in files(&mlm.pairs, "tsv")? {
            let code = last_name(&path);
            if code.split('-').all(wanted) {
                let lines = read_lines(&path, limit)?;
                let pairs = lines.iter().map(|(number, line)| pair(&path, *number, line));
                groups.entry(code).or_default().extend(pairs.collect::<Result<Vec<_>>>()?);
            }
        }
        check_texts(mlm, &groups)?;
        let left_out = self.leave_out(mlm, &mut groups)?;
        Ok(Texts { groups, left_out })
    }

    /// Takes out every text of which a side is a sentence of the tasks that the stage names, however it is cased and
    /// punctuated. Returns how many by task.
    fn leave_out(&self, mlm: &Mlm, groups: &mut BTreeMap<String, Vec<Text>>) -> Result<BTreeMap<String, usize>> {
        let mut owners: HashMap<String, usize> = HashMap::new();
        for (number, name) in mlm.leave_out.iter().enumerate() {
            for sentence in tasks::find(name)?.measured(&self.folder()?)?.texts {
                owners.entry(folded(&sentence)).or_insert(number);
            }
        }
        owners.remove("");
        let mut counts = vec![0; mlm.leave_out.len()];
        for texts in groups.values_mut().filter(|_| !owners.is_empty()) {
            texts.retain(|text| match text.sides().find_map(|side| owners.get(&folded(side))) {
                Some(number) => {
                    counts[*number] += 1;
                    false
                }
                None => true,
            });
        }
        Ok(mlm.leave_out.iter().cloned().zip(counts).collect())
    }

    /// The files of every task that a stage's texts are held against.
    pub fn measured_files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for name in self.recipe.stages.iter().filter_map(|stage| stage.mlm.as_ref()).flat_map(|mlm| &mlm.leave_out) {
            files.extend(tasks::find(name)?.measured(&self.folder()?)?.files);
        }
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// At most so many examples, drawn by their rows: the same items in all languages, and no part of a file that is sorted by
/// label, as that of SIB-200 is.
pub fn drawn(mut loaded: Loaded, most: usize) -> Loaded {
    if loaded.examples.len() > most {
        let drawn = |row: usize| Rng::for_purpose(DEMO_SEED, Purpose::Shuffle, row as u64).next_u32();
        let mut order: Vec<usize> = (0..loaded.examples.len()).collect();
        order.sort_by_cached_key(|i| (drawn(loaded.examples[*i].row), loaded.examples[*i].row, *i));
        let kept: BTreeSet<usize> = order.into_iter().take(most).collect();
        let mut i = 0..;
        loaded.examples.retain(|_| i.next().is_some_and(|i| kept.contains(&i)));
    }
    loaded
}

/// The languages to measure.
pub struct Languages {
    /// Their codes in the data, the source first.
    pub codes: Vec<String>,
    /// Files that were left out, and languages that were named by another code.
    pub notes: Vec<String>,
}

/// Items of the dev and test data that are trained on, and test items by which models are selected; `stages` gives each
/// stage's training and dev data under its name.
pub fn overlaps(stages: &[(String, &Loaded, &Loaded)], tests: &[Loaded]) -> Vec<Overlap> {
    let mut found = Vec::new();
    for (stage, train, dev) in stages {
        let name = |split: &str| if stages.len() == 1 { split.to_owned() } else { format!("{split} of {stage}") };
        let (train_name, dev_name) = (name("train"), name("dev"));
        let trained = overlap::Texts::new(&train_name, train);
        found.extend(trained.shared_with(&dev_name, dev));
        found.extend(tests.iter().filter_map(|test| trained.shared_with("test", test)));
        let selecting = overlap::Texts::new(&dev_name, dev);
        found.extend(tests.iter().filter_map(|test| selecting.shared_with("test", test)));
    }
    found
}

/// The texts of a stage of masked language modelling.
pub struct Texts {
    /// By language, such as `de`, or by pair of languages, such as `de-en`.
    pub groups: BTreeMap<String, Vec<Text>>,
    /// How many were left out because a task measures by them, by task.
    pub left_out: BTreeMap<String, usize>,
}

impl Texts {
    /// Up to `most` characters of each language, evenly spread over its texts; pairs where there is nothing else.
    pub fn spread(&self, most: usize) -> impl Iterator<Item = String> {
        let alone = self.groups.values().any(|texts| texts.iter().any(|text| text.b.is_none()));
        let groups = self.groups.values().filter(move |texts| !alone || texts.iter().any(|text| text.b.is_none()));
        groups.flat_map(move |texts| {
            let total: usize = texts.iter().flat_map(Text::sides).map(|side| side.chars().count()).sum();
            let share = (most as f64 / total.max(1) as f64).min(1.0);
            let kept = move |i: usize| ((i + 1) as f64 * share) as usize > (i as f64 * share) as usize;
            let texts = texts.iter().enumerate().filter(move |(i, _)| kept(*i)).map(|(_, text)| text);
            texts.flat_map(Text::sides).map(str::to_owned)
        })
    }
}

fn check_texts(mlm: &Mlm, groups: &BTreeMap<String, Vec<Text>>) -> Result<()> {
    let missing: Vec<&str> =
        mlm.languages.iter().map(String::as_str).filter(|code| !groups.contains_key(*code)).collect();
    match (&missing[..], groups.values().all(Vec::is_empty)) {
        ([], false) => Ok(()),
        ([], true) => {
            Err(Error::Data("mlm: there is no text; name files or folders such as text = [\"corpus/de.txt\"]".into()))
        }
        (missing, _) => Err(Error::Missing(format!("mlm: no text is called {}.txt", missing.join(".txt or ")))),
    }
}

/// The files named, folders opened, in the order of their names.
pub(super) fn files(named: &[String], ending: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named.iter().map(PathBuf::from) {
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let entries = std::fs::read_dir(&path).map_err(|error| Error::read(&path, &error))?;
        let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inside.retain(|path| path.extension().is_some_and(|extension| extension == ending));
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// What a file's name ends in: `de` of `de.txt`, `de-en` of `news.de-en.tsv`.
fn last_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.rsplit('.').next().unwrap_or_default().to_owned()
}

/// A line of two sentences parted by a tab.
fn pair(path: &Path, number: usize, line: &str) -> Result<Text> {
    let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
    match fields[..] {
        [a, b] if !a.is_empty() && !b.is_empty() => Ok(Text { a: a.to_owned(), b: Some(b.to_owned()) }),
        _ => {
            let (place, n) = (path.display(), fields.len());
            let remedy = "put a sentence and its translation there, parted by a tab";
            Err(Error::Data(format!("{place}:{number}: expected two texts, found {n} fields; {remedy}")))
        }
    }
}

/// The first lines of a file that hold something, with their numbers.
fn read_lines(path: &Path, limit: usize) -> Result<Vec<(usize, String)>> {
    use std::io::BufRead;
    let file = input::open(path)?;
    let (mut lines, mut offset) = (Vec::new(), 0);
    let mut reader = std::io::BufReader::new(file);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let n = reader.read_until(b'\n', &mut bytes).map_err(|error| Error::read(path, &error))?;
        if n == 0 || lines.len() == limit {
            break;
        }
        let line = std::str::from_utf8(&bytes).map_err(|error| {
            let at = offset + error.valid_up_to();
            Error::Data(format!("{}:{number}: byte {at} is not UTF-8; convert the file", path.display()))
        })?;
        offset += n;
        if !line.trim().is_empty() {
            lines.push((number, line.trim().to_string()));
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn texts_that_a_task_measures_by_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::create_dir(folder.path().join("tatoeba")).unwrap();
        let files = [
            ("tatoeba/tatoeba.deu-eng.deu", "Hallo, Welt!\n"),
            ("tatoeba/tatoeba.deu-eng.eng", "Hello world.\n"),
            ("de.txt", "hallo welt\nGuten Tag.\n"),
            ("news.de-en.tsv", "Good day.\tGuten Tag.\nHello, WORLD\tServus!\n"),
            ("broken.de-en.tsv", "Good day.\n"),
        ];
        for (name, text) in files {
            fs::write(path(name), text).unwrap();
        }
        let mut recipe = Recipe::default();
        recipe.data.folder = folder.path().display().to_string();
        let mlm = Mlm {
            text: vec![path("de.txt")],
            pairs: vec![path("news.de-en.tsv")],
            leave_out: vec!["tatoeba".to_string()],
            ..Mlm::default()
        };
        let mut stage = Stage { mlm: Some(mlm), ..Stage::default() };
        let texts = Data::new(&recipe).texts(&stage).unwrap();
        assert_eq!(texts.left_out["tatoeba"], 2);
        let day = |b: Option<&str>| Text { a: b.map_or("Guten Tag.", |_| "Good day.").into(), b: b.map(str::to_owned) };
        assert_eq!(texts.groups["de"], [day(None)]);
        assert_eq!(texts.groups["de-en"], [day(Some("Guten Tag."))]);

        stage.mlm.as_mut().unwrap().pairs = vec![path("broken.de-en.tsv")];
        let error = Data::new(&recipe).texts(&stage).err().unwrap();
        assert!(error.message().contains("broken.de-en.tsv:1: expected two texts, found 1 fields"), "{error}");
    }

    /// XCOPA has no English dev data, and a stage that selects nothing by any wants none.
    #[test]
    fn dev_data_that_nothing_is_selected_by_may_lack() {
        let folder = tempfile::tempdir().unwrap();
        let mut recipe = Recipe::default();
        recipe.data.folder = folder.path().display().to_string();
        let (data, task) = (Data::new(&recipe), tasks::find("xcopa").unwrap());
        let error = data.dev(task, &Stage::default()).err().unwrap();
        assert!(error.message().contains("none is needed where a stage has select = \"last\""), "{error}");
        let stage = Stage { select: recipe::Select::Last, evaluate_every: 0, ..Stage::default() };
        assert!(data.dev(task, &stage).unwrap().examples.is_empty());
        let watched = Stage { evaluate_every: 5, ..stage };
        assert!(data.dev(task, &watched).is_err());
    }

    #[test]
    fn labels_are_counted_of_what_is_trained_on() {
        let mut recipe = Recipe::default();
        recipe.data.folder = "demo".into();
        recipe.data.max_eval_samples = Some(30);
        let task = tasks::find("demo").unwrap();
        let stage = Stage { max_train_samples: Some(40), ..Stage::default() };
        let counted = |loaded: Loaded| loaded.histogram().iter().map(|(_, n)| n).sum::<usize>();
        let data = Data::new(&recipe);
        assert_eq!(counted(data.train(task, &stage).unwrap()), 40);
        assert_eq!(counted(data.test(task, "en").unwrap()), 30);
        // The same items in all languages, from the whole of the file.
        let rows =
            |language: &str| data.test(task, language).unwrap().examples.iter().map(|one| one.row).collect::<Vec<_>>();
        assert_eq!(rows("en"), rows("de"));
        assert!(rows("en").is_sorted() && rows("en")[29] > 400 && rows("en")[0] < 100, "{:?}", rows("en"));
    }

    #[test]
    fn the_tokenizer_sees_as_much_of_each_language() {
        let text = |a: &str| Text { a: a.to_owned(), b: None };
        let groups = BTreeMap::from([
            ("de".to_string(), vec![text("0123456789"); 100]),
            ("de-en".to_string(), vec![Text { a: "x".into(), b: Some("y".into()) }]),
            ("sw".to_string(), vec![text("abcde"); 10]),
        ]);
        let texts = Texts { groups, left_out: BTreeMap::new() };
        let seen: Vec<String> = texts.spread(200).collect();
        assert_eq!(seen.iter().filter(|text| text.starts_with('0')).count(), 20);
        assert_eq!(seen.iter().filter(|text| text.starts_with('a')).count(), 10);
        assert_eq!(seen.len(), 30);
        assert_eq!(texts.spread(usize::MAX).count(), 110);
    }
}
