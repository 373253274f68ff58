//! XNLI: does the premise entail the hypothesis?

use super::{Kind, Layout, Row, Split, Task, table};

/// XNLI (Conneau et al., 2018), trained on MultiNLI or anything of its form.
pub const XNLI: Task = Task {
    name: "xnli",
    about: "natural language inference in 15 languages (Conneau et al., 2018)",
    kind: Kind::Classify { labels: &["contradiction", "entailment", "neutral"] },
    pairs: true,
    source: "en",
    languages: &["ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"],
    aliases: &[("contradictory", "contradiction")],
    leave_out: without_gold,
    layouts: &[
        Layout {
            about: "XTREME",
            files: &[
                (Split::Train, "train-{language}.tsv"),
                (Split::Dev, "dev-{language}.tsv"),
                (Split::Test, "test-{language}.tsv"),
            ],
            read: table::read,
        },
        Layout {
            about: "the XNLI release",
            files: &[
                (Split::Train, "multinli/multinli.train.{language}.tsv"),
                (Split::Train, "multinli.train.{language}.tsv"),
                (Split::Dev, "xnli.dev.tsv"),
                (Split::Test, "xnli.test.tsv"),
            ],
            read: table::read,
        },
    ],
};

/// MultiNLI and SNLI write `-` where the annotators did not agree.
fn without_gold(row: &Row) -> Option<&'static str> {
    (row.label.as_deref().map(str::trim) == Some("-")).then_some("rows without a gold label (\"-\")")
}
