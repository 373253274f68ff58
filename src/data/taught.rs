//! What a teacher reads of a corpus, and the vectors that came of it, from which each sequence gets its own.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    path::Path,
};

use super::corpus::{Corpus, Text};
use crate::{
    checkpoint,
    error::{Error, Result},
    recipe::Teacher,
    tasks::retrieval::Entry,
};

/// The file of the vectors, in a folder of its own.
pub const VECTORS: &str = "vectors";

/// The texts that a teacher reads, each once, and which of them is a sequence's.
#[derive(Debug)]
pub struct Lessons {
    /// The texts, with what stands before them.
    pub texts: Vec<Entry>,
    /// For each training sequence of the corpus the place of its text.
    pub of_sequence: Vec<u32>,
}

impl Lessons {
    /// Of the corpus in a folder, and the texts that it was written of. Of a pair the teacher reads the side in its
    /// language, of a pair without one the first.
    pub fn read(folder: &Path, texts: &BTreeMap<String, Vec<Text>>, teacher: &Teacher) -> Result<Lessons> {
        let (mut entries, mut places, mut of_sequence) = (Vec::new(), HashMap::new(), Vec::new());
        let all = Corpus::sources(folder)?;
        for (name, sources) in &all {
            let training: Vec<&Text> = texts[name].iter().filter(|text| !text.is_held_out()).collect();
            for source in sources {
                let text = training[*source as usize];
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

/// Vectors on disk, one for each text of the lessons.
#[derive(Debug)]
pub struct Taught {
    file: File,
    width: usize,
    of_sequence: Vec<u32>,
}

impl Taught {
    /// Opens a folder whose file has a vector of `width` numbers for each text.
    pub fn open(folder: &Path, lessons: Lessons, width: usize) -> Result<Taught> {
        let path = folder.join(VECTORS);
        let file = File::open(&path).map_err(|error| Error::read(&path, &error))?;
        let found = file.metadata().map_err(|error| Error::read(&path, &error))?.len();
        let expected = (lessons.texts.len() * width * 4) as u64;
        if found != expected {
            let (place, n) = (folder.display(), lessons.texts.len());
            return Err(Error::Data(format!(
                "{place}: expected {n} vectors of {width} numbers, {expected} bytes, found {found}; remove the folder, and \
                 it is made again"
            )));
        }
        Ok(Taught { file, width, of_sequence: lessons.of_sequence })
    }

    /// The vector of a training sequence of the corpus, by its number among these.
    pub fn vector(&self, sequence: usize) -> Result<Vec<f32>> {
        let mut bytes = vec![0; self.width * 4];
        let at = u64::from(self.of_sequence[sequence]) * bytes.len() as u64;
        match checkpoint::read_at(&self.file, &mut bytes, at) {
            Ok(n) if n == bytes.len() => Ok(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            Ok(_) => {
                Err(Error::Data("the vectors of the run end too early; remove them, and they are made again".into()))
            }
            Err(error) => Err(Error::Io(format!("cannot read the vectors of the run: {error}"))),
        }
    }

    /// For how many training sequences there are vectors.
    pub fn len(&self) -> usize {
        self.of_sequence.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.of_sequence.is_empty()
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
