//! Texts put into other words on the command line: perturbed test sets, and training data.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde_json::{Value, json};

use crate::{
    checkpoint::sha256_file,
    error::{Error, Result},
    kinds,
    learn::{
        augment::{Change, Neighbours, perturbed},
        methods::{Dictionary, Slips, Switch},
    },
    tasks::{Loaded, Task, codes::can_be_same, sha256},
};

/// How texts change.
#[derive(Debug, clap::Args)]
pub struct PerturbArgs {
    /// Change words of the texts: typos:SHARE; with --dictionary code-switch:LANGUAGE:SHARE, and synonyms:LANGUAGE:SHARE of
    /// the texts in this language; several one after the other.
    #[arg(long, value_name = "KIND:SHARE")]
    pub perturb: Vec<Perturbation>,
    /// The words of a language: LANGUAGE=FILE. For code-switch a word and its translation a line as in MUSE's en-de.txt; for
    /// synonyms a JSON object from words to lists of words, as counterfitted_neighbors.json.
    #[arg(long, value_name = "LANGUAGE=FILE", requires = "perturb")]
    pub dictionary: Vec<Named>,
}

/// One change of words.
#[derive(Debug, Clone, PartialEq)]
pub enum Perturbation {
    /// Slips of typing in this share of words.
    Typos(f64),
    /// This share of words looked up in the dictionary of a language.
    CodeSwitch(String, f64),
    /// This share of a language's words looked up among those near in meaning; texts in other languages stay out.
    Synonyms(String, f64),
}

/// A language and its dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    language: String,
    path: PathBuf,
}

impl FromStr for Perturbation {
    type Err = String;

    fn from_str(text: &str) -> Result<Perturbation, String> {
        let share = |text: &str| text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share <= 1.0);
        let found = match text.split(':').collect::<Vec<_>>()[..] {
            ["typos", part] => share(part).map(Perturbation::Typos),
            ["code-switch", language, part] if !language.is_empty() => {
                share(part).map(|share| Perturbation::CodeSwitch(language.to_owned(), share))
            }
            ["synonyms", language, part] if !language.is_empty() => {
                share(part).map(|share| Perturbation::Synonyms(language.to_owned(), share))
            }
            _ => None,
        };
        found.ok_or_else(|| {
            format!(
                "expected typos:0.1, code-switch:de:0.3 or synonyms:en:0.3, with a share above 0, up to 1, found \"{text}\""
            )
        })
    }
}

impl fmt::Display for Perturbation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Perturbation::Typos(share) => write!(f, "typos:{share}"),
            Perturbation::CodeSwitch(language, share) => write!(f, "code-switch:{language}:{share}"),
            Perturbation::Synonyms(language, share) => write!(f, "synonyms:{language}:{share}"),
        }
    }
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Named, String> {
        let parts = text.split_once('=').filter(|(language, path)| !language.is_empty() && !path.is_empty());
        let (language, path) = parts.ok_or_else(|| format!("expected de=en-de.txt, found \"{text}\""))?;
        Ok(Named { language: language.to_owned(), path: path.into() })
    }
}

/// Changes with the tables that they read.
pub struct Changes {
    changes: Vec<(Perturbation, Box<dyn Change>)>,
    /// The dictionaries, with their hashes.
    dictionaries: Vec<(Named, String)>,
    seed: u64,
    /// What was done, by language.
    done: BTreeMap<String, Value>,
}

impl PerturbArgs {
    /// Reads the dictionaries; refuses what a task cannot stand.
    pub fn changes(&self, task: &Task, seed: u64) -> Result<Changes> {
        if let Some(reason) = kinds::of(task).placed().filter(|_| !self.perturb.is_empty()) {
            return Err(Error::Usage(format!("--perturb: not for {}: {reason}; leave it out", task.name)));
        }
        let of = |i: usize| &self.dictionary[i].language;
        if let Some(twice) = (0..self.dictionary.len()).find(|i| (0..*i).any(|before| can_be_same(of(before), of(*i))))
        {
            return Err(Error::Usage(format!("--dictionary: \"{}\" is named twice; name it once", of(twice))));
        }
        let changes = self.perturb.iter().map(|one| Ok((one.clone(), self.change(one)?))).collect::<Result<_>>()?;
        let hashed = |named: &Named| Ok((named.clone(), sha256_file(&named.path)?));
        let dictionaries = self.dictionary.iter().map(hashed).collect::<Result<_>>()?;
        Ok(Changes { changes, dictionaries, seed, done: BTreeMap::new() })
    }

    fn change(&self, one: &Perturbation) -> Result<Box<dyn Change>> {
        let (language, words) = match one {
            Perturbation::Typos(words) => return Ok(Box::new(Slips { words: *words })),
            Perturbation::CodeSwitch(language, words) | Perturbation::Synonyms(language, words) => (language, *words),
        };
        let is_switch = matches!(one, Perturbation::CodeSwitch(..));
        let Some(named) = self.dictionary.iter().find(|named| can_be_same(&named.language, language)) else {
            let form =
                if is_switch { "a word and its translation a line" } else { "a JSON object from words to lists" };
            return Err(Error::Usage(format!("--perturb {one}: expected --dictionary {language}=FILE, {form}")));
        };
        let dictionary = match is_switch {
            true => Dictionary::load(&named.path)?,
            false => Dictionary::of_synonyms(Neighbours::load(&named.path)?),
        };
        Ok(Box::new(Switch { dictionaries: vec![dictionary], examples: 1.0, words }))
    }

    /// The files that are read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.dictionary.iter().map(|named| named.path.as_path())
    }
}

/// A line above a table of figures that are of changed texts; nothing where they are as they were.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let names: Vec<String> = self.changes.iter().map(|(one, _)| one.to_string()).collect();
        match names.is_empty() {
            true => Ok(()),
            false => writeln!(f, "Texts changed by {} (seed {}).\n", names.join(", "), self.seed),
        }
    }
}

impl Changes {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Changes the texts of a language, and says how much; refuses a change that changes nothing, whose figures would
    /// be those of the texts as they are.
    pub fn apply(&mut self, loaded: &mut Loaded) -> Result<Vec<String>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let (language, mut said, mut replaced) = (loaded.language.clone(), Vec::new(), Vec::new());
        for (i, (one, change)) in self.changes.iter().enumerate() {
            if let Perturbation::Synonyms(of, _) = one
                && !can_be_same(of, &language)
            {
                return Err(Error::Data(format!(
                    "--perturb {one}: expected texts in {of}, found {language}; name --languages {of}"
                )));
            }
            let made = perturbed(&loaded.examples, &**change, self.seed.wrapping_add(i as u64));
            let (words, share) = (made.statistics.words, 100.0 * made.statistics.share_replaced());
            if made.statistics.replaced == 0 {
                return Err(Error::Data(format!(
                    "--perturb {one}: none of {words} words of {language} changed; name a dictionary of that language's \
                     words, or other --languages"
                )));
            }
            said.push(format!("{language}: {one}: {share:.1} % of {words} words replaced"));
            replaced.push(json!({ "perturb": one.to_string(), "words": words, "replaced": made.statistics.replaced }));
            loaded.examples = made.examples;
        }
        let texts: String =
            loaded.examples.iter().map(|example| format!("{}\t{}\n", example.id, example.text())).collect();
        self.done.insert(language, json!({ "changes": replaced, "sha256": sha256(texts.as_bytes()) }));
        Ok(said)
    }

    /// What makes the perturbed texts what they are, for the record: changes, seed, hashes of dictionaries and of
    /// texts.
    pub fn to_json(&self) -> Value {
        let dictionaries = self
            .dictionaries
            .iter()
            .map(|(named, sha256)| json!({ "language": named.language, "path": named.path, "sha256": sha256 }));
        json!({
            "perturb": self.changes.iter().map(|(one, _)| one.to_string()).collect::<Vec<_>>(),
            "seed": self.seed, "dictionaries": dictionaries.collect::<Vec<_>>(), "languages": self.done,
        })
    }

    /// The change, where it is only one.
    pub fn only(mut self) -> Option<Box<dyn Change>> {
        let (_, change) = self.changes.pop()?;
        self.changes.is_empty().then_some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{self, Example};
    use std::collections::BTreeSet;

    #[test]
    fn changes_are_read_and_written() {
        for (text, expected) in [
            ("typos:0.1", Perturbation::Typos(0.1)),
            ("code-switch:de:0.3", Perturbation::CodeSwitch("de".into(), 0.3)),
            ("synonyms:en:0.5", Perturbation::Synonyms("en".into(), 0.5)),
        ] {
            assert_eq!(text.parse(), Ok(expected.clone()));
            assert_eq!(expected.to_string(), text);
        }
        for text in ["typos", "typos:0", "typos:1.5", "typos:nan", "code-switch:0.3", "code-switch::0.3", "swap:0.1"] {
            assert!(text.parse::<Perturbation>().unwrap_err().contains("expected typos:0.1"), "{text}");
        }
        assert!("de".parse::<Named>().is_err() && "de=".parse::<Named>().is_err() && "de=a".parse::<Named>().is_ok());
    }

    #[test]
    fn texts_change_by_seed_and_id_and_are_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("de.txt");
        std::fs::write(&path, "cat\tKatze\n").unwrap();
        let near = folder.path().join("near.json");
        std::fs::write(&near, r#"{"down": ["below"]}"#).unwrap();
        let task = tasks::find("sib200").unwrap();
        let args = |perturb: &str| PerturbArgs {
            perturb: vec![perturb.parse().unwrap()],
            dictionary: [("de", &path), ("en", &near), ("fr", &near)]
                .map(|(language, path)| Named { language: language.into(), path: path.clone() })
                .to_vec(),
        };
        let loaded = |order: [usize; 2]| {
            let texts = ["the cat sat down", "no such word here"];
            let example = |i: usize| Example { id: format!("t:{i}"), a: texts[i].into(), ..Example::default() };
            Loaded {
                language: "en".into(),
                mixed: None,
                examples: order.map(example).to_vec(),
                dropped: BTreeMap::new(),
                dropped_rows: BTreeSet::new(),
                files: Vec::new(),
                labels: &[],
                notes: Vec::new(),
            }
        };
        let made = |perturb: &str, order| {
            let (mut changes, mut loaded) = (args(perturb).changes(task, 7).unwrap(), loaded(order));
            changes.apply(&mut loaded).map(|said| (said, loaded.examples, changes.to_json()))
        };
        let (said, examples, json) = made("code-switch:de:1", [0, 1]).unwrap();
        assert_eq!(said, ["en: code-switch:de:1: 12.5 % of 8 words replaced"]);
        assert_eq!([&examples[0].a, &examples[1].a], ["the Katze sat down", "no such word here"]);
        let sha256 = json["dictionaries"][0]["sha256"].as_str().unwrap();
        assert!(sha256.len() == 64 && json["languages"]["en"]["sha256"].as_str().unwrap().len() == 64, "{json}");

        assert_eq!(made("synonyms:en:1", [0, 1]).unwrap().1[0].a, "the cat sat below");
        assert_eq!(made("synonyms:eng_Latn:1", [0, 1]).unwrap().1[0].a, "the cat sat below");
        let twice = PerturbArgs {
            dictionary: ["de", "deu"].map(|of| format!("{of}=x").parse().unwrap()).to_vec(),
            ..args("typos:1")
        };
        assert!(twice.changes(task, 7).map(drop).unwrap_err().message().contains("\"deu\" is named twice"));
        let error = made("synonyms:fr:1", [0, 1]).unwrap_err();
        assert!(error.message().contains("expected texts in fr, found en"), "{error}");

        let (typos, turned) = (made("typos:1", [0, 1]).unwrap().1, made("typos:1", [1, 0]).unwrap().1);
        assert_eq!((&typos[0], &typos[1]), (&turned[1], &turned[0]));
        assert_ne!(typos[0].a, "the cat sat down");
        let error = made("code-switch:de:1", [1, 1]).unwrap_err();
        assert!(error.exit_code() == 65 && error.message().contains("none of 8 words of en changed"), "{error}");
        let spans = args("typos:0.5").changes(tasks::find("xquad").unwrap(), 7).map(drop).unwrap_err();
        assert!(spans.message().contains("answers are parts of texts"), "{spans}");
    }
}
