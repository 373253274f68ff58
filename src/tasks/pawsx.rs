//! PAWS-X: do two sentences of much the same words mean the same?

use super::{Kind, Layout, Row, Split, Task, table};

/// PAWS-X (Yang et al., 2019); label 1 is a paraphrase.
pub const PAWSX: Task = Task {
    name: "pawsx",
    about: "adversarial paraphrase identification in 7 languages (Yang et al., 2019)",
    kind: Kind::Classify { labels: &["0", "1"] },
    pairs: true,
    source: "en",
    languages: &["de", "en", "es", "fr", "ja", "ko", "zh"],
    aliases: &[],
    leave_out: untranslated,
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
            about: "the PAWS-X release",
            files: &[
                (Split::Train, "{language}/train.tsv"),
                (Split::Train, "{language}/translated_train.tsv"),
                (Split::Dev, "{language}/dev_2k.tsv"),
                (Split::Test, "{language}/test_2k.tsv"),
            ],
            read: table::read,
        },
    ],
};

/// A sentence that could not be translated reads `NS` or is empty, and its row is labelled 0 whatever it was.
fn untranslated(row: &Row) -> Option<&'static str> {
    let sentences = [Some(row.a.as_str()), row.b.as_deref()];
    let mut sentences = sentences.into_iter().flatten().map(str::trim);
    sentences.any(|text| text.is_empty() || text == "NS").then_some("NS rows")
}
