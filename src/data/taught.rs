//! The vectors that a teacher made of a corpus, from which each sequence gets its own.

use std::{fs::File, path::Path};

use crate::{
    checkpoint,
    error::{Error, Result},
};

/// The file of the vectors, in a folder of its own.
pub const VECTORS: &str = "vectors";

/// Vectors on disk, one for each text of the lessons.
#[derive(Debug)]
pub struct Taught {
    file: File,
    width: usize,
    of_sequence: Vec<u32>,
}

impl Taught {
    /// Opens a folder whose file has `n` vectors of `width` numbers, of which each sequence has the one that is named.
    pub fn open(folder: &Path, n: usize, width: usize, of_sequence: Vec<u32>) -> Result<Taught> {
        let path = folder.join(VECTORS);
        let file = File::open(&path).map_err(|error| Error::read(&path, &error))?;
        let found = file.metadata().map_err(|error| Error::read(&path, &error))?.len();
        let expected = (n * width * 4) as u64;
        if found != expected {
            let place = folder.display();
            return Err(Error::Data(format!(
                "{place}: expected {n} vectors of {width} numbers, {expected} bytes, found {found}; remove the folder, and \
                 it is made again"
            )));
        }
        Ok(Taught { file, width, of_sequence })
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
