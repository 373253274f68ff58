//! What a teacher reads of a corpus.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use super::corpus::{Corpus, Text};
use crate::{error::Result, recipe::Teacher, tasks::retrieval::Entry};

/// The texts that a teacher reads, each once, and which of them is a sequence's.
#[derive(Debug)]
pub struct Lessons {
    /// The texts, with what stands before them.
    pub texts: Vec<Entry>,
    /// For each training sequence of the corpus the place of its text.
    pub of_sequence: Vec<u32>,
}

impl Lessons {
    /// Of a corpus in its folder, and the texts that it was written of. Of a pair the teacher reads the side in its
    /// language, of a pair without one the first.
    pub fn read(
        corpus: &Corpus,
        folder: &Path,
        texts: &BTreeMap<String, Vec<Text>>,
        teacher: &Teacher,
    ) -> Result<Lessons> {
        let (mut entries, mut places, mut of_sequence) = (Vec::new(), HashMap::new(), Vec::new());
        for (name, sources) in corpus.sources(folder)? {
            let training: Vec<&Text> = texts[name].iter().filter(|text| !text.is_held_out()).collect();
            for source in sources {
                let text = training[source as usize];
                let (side, language) = side(text, name, &teacher.language);
                of_sequence.push(*places.entry(side).or_insert_with(|| {
                    let (id, row, text) = (format!("{name}:{}", source + 1), entries.len(), side);
                    let text = format!("{}{text}", teacher.prefix);
                    entries.push(Entry { id, text, context: None, language: language.to_owned(), row });
                    row as u32
                }));
            }
        }
        Ok(Lessons { texts: entries, of_sequence })
    }
}

/// What a teacher reads of a text in the group `name`, and its language.
fn side<'a>(text: &'a Text, name: &'a str, wanted: &str) -> (&'a str, &'a str) {
    match (&text.b, name.split_once('-')) {
        (Some(b), Some((_, second))) if second == wanted => (b, second),
        (Some(_), Some((first, _))) => (&text.a, first),
        _ => (&text.a, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_pair_the_side_in_the_teachers_language_is_read() {
        let pair = Text { a: "eins".into(), b: Some("one".into()) };
        assert_eq!(side(&pair, "de-en", "en"), ("one", "en"));
        assert_eq!(side(&pair, "de-en", "de"), ("eins", "de"));
        assert_eq!(side(&pair, "de-en", "fr"), ("eins", "de"));
        assert_eq!(side(&Text { a: "zwei".into(), b: None }, "de", "en"), ("zwei", "de"));
    }
}
