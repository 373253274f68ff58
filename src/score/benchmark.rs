//! The three benchmarks as tables: tasks, languages, groups, and where files lie.

use std::{fmt, path::PathBuf};

use crate::error::{Error, Result, did_you_mean};

/// A benchmark with scorers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Benchmark {
    /// Hu et al. 2020, `evaluate.py --xtreme_version xtreme`.
    Xtreme,
    /// Ruder et al. 2021, `evaluate.py --xtreme_version xtreme-r`.
    XtremeR,
    /// Liang et al. 2020, `xglue_evaluate.py`.
    Xglue,
}

/// What the files of a task hold and how they are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A label a line, in both files.
    Labels,
    /// A JSON object with `label` a line, in both files.
    Choices,
    /// A tag a line and blank lines between sentences: entities.
    Entities,
    /// The same with tags that have no prefixes: parts of speech.
    Parts,
    /// Two ids a line.
    Pairs,
    /// Questions in SQuAD's JSON, answers by id; SQuAD's rules.
    Squad,
    /// The same; MLQA's rules.
    Mlqa,
    /// By id, one right answer in gold, a ranking in predictions.
    Entity,
    /// By id, several right answers.
    Passages,
    /// Predictions a label a line; the label is gold's last column.
    Column,
    /// The same, with a line of headings and perhaps blank lines in gold.
    HeadedColumn,
    /// The same without headings: a grade, and the query first.
    Grades,
    /// Words with tags in gold, predictions filled up with O: entities.
    WordEntities,
    /// The same: parts of speech.
    WordParts,
}

/// A task of a benchmark.
#[derive(Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// Its name, which is that of its folder.
    pub name: &'static str,
    /// What its files hold.
    pub kind: Kind,
    /// Its languages in the official order, which is that of the sums.
    pub languages: &'static [&'static str],
    /// The labels that there are; empty where they are not a small set.
    pub labels: &'static [&'static str],
}

impl fmt::Display for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Benchmark::Xtreme => "xtreme",
            Benchmark::XtremeR => "xtreme-r",
            Benchmark::Xglue => "xglue",
        })
    }
}

impl Benchmark {
    /// The benchmark of this name.
    pub fn find(name: &str) -> Result<Benchmark> {
        let all = [Benchmark::Xtreme, Benchmark::XtremeR, Benchmark::Xglue];
        let names = all.map(|benchmark| benchmark.to_string());
        all.into_iter().find(|benchmark| benchmark.to_string() == name).ok_or_else(|| {
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            Error::Usage(format!("no benchmark \"{name}\"; {hint}"))
        })
    }

    /// Its tasks, in the official order.
    pub fn tasks(self) -> &'static [TaskSpec] {
        match self {
            Benchmark::Xtreme => XTREME,
            Benchmark::XtremeR => XTREME_R,
            Benchmark::Xglue => XGLUE,
        }
    }

    /// Groups of tasks whose means are printed.
    pub(super) fn groups(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Benchmark::Xtreme => &[
                ("classification", &["pawsx", "xnli"]),
                ("tagging", &["udpos", "panx"]),
                ("qa", &["xquad", "mlqa", "tydiqa"]),
                ("retrieval", &["bucc2018", "tatoeba"]),
            ],
            Benchmark::XtremeR => &[
                ("classification", &["xnli", "xcopa"]),
                ("tagging", &["udpos", "panx"]),
                ("qa", &["xquad", "mlqa", "tydiqa"]),
                ("retrieval", &["tatoeba", "mewslix"]),
                ("multi_choice", &["xcopa"]),
            ],
            Benchmark::Xglue => &[],
        }
    }

    /// Tasks that have no score here, and why.
    pub fn not_run(self) -> &'static [(&'static str, &'static str)] {
        const GENERATION: &str = "it is generation, scored by BLEU, and nothing here generates text";
        match self {
            Benchmark::Xglue => &[("QG", GENERATION), ("NTG", GENERATION)],
            _ => &[],
        }
    }

    /// Where predictions lie below their folder.
    pub(super) fn prediction_name(self, spec: &TaskSpec, language: &str) -> PathBuf {
        let file = match self {
            Benchmark::Xglue => format!("{language}.prediction"),
            _ => format!("test-{language}.{}", suffix(spec.kind)),
        };
        PathBuf::from(spec.name).join(file)
    }

    /// Where labels lie below their folder.
    pub(super) fn gold_name(self, spec: &TaskSpec, language: &str, split: &str) -> PathBuf {
        let file = match (self, spec.kind) {
            (Benchmark::Xtreme | Benchmark::XtremeR, kind) => format!("test-{language}.{}", suffix(kind)),
            (_, Kind::Mlqa) => format!("MLQA_V1/{split}/{split}-context-{language}-question-{language}.json"),
            (_, Kind::HeadedColumn) => format!("{language}/{split}_2k.tsv"),
            (_, Kind::WordEntities | Kind::WordParts) => format!("{language}.{split}"),
            _ if spec.name == "XNLI" => format!("{language}.{split}"),
            _ => format!("xglue.{}.{language}.{split}", spec.name.to_lowercase()),
        };
        PathBuf::from(spec.name).join(file)
    }
}

fn suffix(kind: Kind) -> &'static str {
    match kind {
        Kind::Squad | Kind::Mlqa | Kind::Entity | Kind::Passages => "json",
        Kind::Choices => "jsonl",
        _ => "tsv",
    }
}

const fn task(
    name: &'static str,
    kind: Kind,
    languages: &'static [&'static str],
    labels: &'static [&'static str],
) -> TaskSpec {
    TaskSpec { name, kind, languages, labels }
}

const NLI: &[&str] = &["contradiction", "entailment", "neutral"];
const YES_NO: &[&str] = &["0", "1"];
const PANX_TAGS: &[&str] = &["B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O"];
const CONLL_TAGS: &[&str] = &["B-LOC", "B-MISC", "B-ORG", "B-PER", "I-LOC", "I-MISC", "I-ORG", "I-PER", "O"];
const UPOS: &[&str] = &[
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ",
    "SYM", "VERB", "X",
];
const NEWS: &[&str] =
    &["foodanddrink", "sports", "news", "entertainment", "health", "video", "finance", "travel", "lifestyle", "autos"];

const XNLI: &[&str] = &["ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"];
const MLQA: &[&str] = &["en", "es", "de", "ar", "hi", "vi", "zh"];
const TYDIQA: &[&str] = &["en", "ar", "bn", "fi", "id", "ko", "ru", "sw", "te"];

const PAWSX: &[&str] = &["de", "en", "es", "fr", "ja", "ko", "zh"];
const PANX: &[&str] = &[
    "ar", "he", "vi", "id", "jv", "ms", "tl", "eu", "ml", "ta", "te", "af", "nl", "en", "de", "el", "bn", "hi", "mr",
    "ur", "fa", "fr", "it", "pt", "es", "bg", "ru", "ja", "ka", "ko", "th", "sw", "yo", "my", "zh", "kk", "tr", "et",
    "fi", "hu",
];
const UDPOS: &[&str] = &[
    "af", "ar", "bg", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "kk",
    "ko", "mr", "nl", "pt", "ru", "ta", "te", "th", "tl", "tr", "ur", "vi", "yo", "zh",
];
const BUCC2018: &[&str] = &["de", "fr", "ru", "zh"];
const TATOEBA: &[&str] = &[
    "ar", "he", "vi", "id", "jv", "tl", "eu", "ml", "ta", "te", "af", "nl", "de", "el", "bn", "hi", "mr", "ur", "fa",
    "fr", "it", "pt", "es", "bg", "ru", "ja", "ka", "ko", "th", "sw", "zh", "kk", "tr", "et", "fi", "hu",
];
const XQUAD: &[&str] = &["en", "es", "de", "el", "ru", "tr", "ar", "vi", "th", "zh", "hi"];
const PANX_R: &[&str] = &[
    "ar", "he", "vi", "id", "jv", "ms", "tl", "eu", "ml", "ta", "te", "af", "nl", "en", "de", "el", "bn", "hi", "mr",
    "ur", "fa", "fr", "it", "pt", "es", "bg", "ru", "ja", "ka", "ko", "th", "sw", "yo", "my", "zh", "kk", "tr", "et",
    "fi", "hu", "qu", "pl", "uk", "az", "lt", "pa", "gu", "ro",
];
const UDPOS_R: &[&str] = &[
    "af", "ar", "bg", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "kk",
    "ko", "mr", "nl", "pt", "ru", "ta", "te", "th", "tl", "tr", "ur", "vi", "yo", "zh", "lt", "pl", "uk", "wo", "ro",
];
const TATOEBA_R: &[&str] = &[
    "ar", "he", "vi", "id", "jv", "tl", "eu", "ml", "ta", "te", "af", "nl", "de", "el", "bn", "hi", "mr", "ur", "fa",
    "fr", "it", "pt", "es", "bg", "ru", "ja", "ka", "ko", "th", "sw", "zh", "kk", "tr", "et", "fi", "hu", "az", "lt",
    "pl", "uk", "ro",
];
const XCOPA: &[&str] = &["et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh"];
const MEWSLIX: &[&str] = &["ar", "de", "en", "es", "fa", "ja", "pl", "ro", "ta", "tr", "uk"];
const XQUAD_R: &[&str] = &["en", "es", "de", "el", "ru", "tr", "ar", "vi", "th", "zh", "hi", "ro"];
const XGLUE_POS: &[&str] =
    &["pl", "ar", "ru", "bg", "de", "el", "en", "es", "fr", "hi", "it", "nl", "pt", "th", "tr", "ur", "vi", "zh"];

const XTREME: &[TaskSpec] = &[
    task("pawsx", Kind::Labels, PAWSX, YES_NO),
    task("xnli", Kind::Labels, XNLI, NLI),
    task("panx", Kind::Entities, PANX, PANX_TAGS),
    task("udpos", Kind::Parts, UDPOS, UPOS),
    task("bucc2018", Kind::Pairs, BUCC2018, &[]),
    task("tatoeba", Kind::Labels, TATOEBA, &[]),
    task("xquad", Kind::Squad, XQUAD, &[]),
    task("mlqa", Kind::Mlqa, MLQA, &[]),
    task("tydiqa", Kind::Squad, TYDIQA, &[]),
];
const XTREME_R: &[TaskSpec] = &[
    task("xnli", Kind::Labels, XNLI, NLI),
    task("panx", Kind::Entities, PANX_R, PANX_TAGS),
    task("udpos", Kind::Parts, UDPOS_R, UPOS),
    task("tatoeba", Kind::Labels, TATOEBA_R, &[]),
    task("xcopa", Kind::Choices, XCOPA, YES_NO),
    task("lareqa", Kind::Passages, XQUAD, &[]),
    task("mewslix", Kind::Entity, MEWSLIX, &[]),
    task("xquad", Kind::Squad, XQUAD_R, &[]),
    task("mlqa", Kind::Mlqa, MLQA, &[]),
    task("tydiqa", Kind::Squad, TYDIQA, &[]),
];
const XGLUE: &[TaskSpec] = &[
    task("NER", Kind::WordEntities, &["de", "en", "es", "nl"], CONLL_TAGS),
    task("POS", Kind::WordParts, XGLUE_POS, UPOS),
    task("NC", Kind::Column, &["de", "en", "es", "fr", "ru"], NEWS),
    task("MLQA", Kind::Mlqa, &["ar", "de", "en", "es", "hi", "vi", "zh"], &[]),
    task("XNLI", Kind::Column, XNLI, NLI),
    task("PAWSX", Kind::HeadedColumn, &["de", "en", "es", "fr"], YES_NO),
    task("QADSM", Kind::Column, &["de", "en", "fr"], &["Bad", "Good"]),
    task("WPR", Kind::Grades, &["de", "en", "es", "fr", "it", "pt", "zh"], &["0", "1", "2", "3", "4"]),
    task("QAM", Kind::Column, &["de", "en", "fr"], YES_NO),
];
