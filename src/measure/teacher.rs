//! A teacher's vectors of texts, made once and in parts, and turned into what a student can have.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    components::Components,
    retrieve::{Retriever, Settings},
};
use crate::{
    checkpoint,
    data::{lessons::Lessons, taught::VECTORS},
    error::{Error, Result},
    models::distillation::unit,
    stop::Stop,
    tensor::Device,
};

/// Texts whose vectors are written together: what is lost where a run is stopped.
const PART: usize = 4096;

/// A model whose sentence vectors are learned, and where what is made of it lies.
pub struct Teacher<'a> {
    /// Its folder.
    pub model: &'a Path,
    /// How it reads.
    pub settings: Settings,
    /// How wide a student's states are.
    pub width: usize,
    /// The folder of the student's vectors; parts lie beside it until it is whole.
    pub folder: &'a Path,
}

impl Teacher<'_> {
    /// Makes the vectors that are not there yet; does nothing where all are. `note` takes what there is to say.
    pub fn teach(&self, lessons: &Lessons, device: &Device, stop: &Stop, mut note: impl FnMut(&str)) -> Result<()> {
        if checkpoint::is_complete(self.folder) {
            return Ok(());
        }
        let (parts, ranks) = (self.parts(), stop.ranks());
        ranks.first(|| fs::create_dir_all(&parts).map_err(|error| Error::write(&parts, &error)))?;
        let mut retriever: Option<Retriever> = None;
        let n = lessons.texts.len();
        for (i, texts) in lessons.texts.chunks(PART).enumerate() {
            let path = parts.join(format!("{i:06}"));
            if path.is_file() {
                continue;
            }
            let retriever = match &mut retriever {
                Some(retriever) => retriever,
                none => none.insert(Retriever::open(self.model, self.model, self.settings, device, &mut note)?),
            };
            let vectors = retriever.vectors_alone(texts, stop)?;
            let bytes: Vec<u8> = vectors.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
            ranks.first(|| checkpoint::write_file(&path, &bytes))?;
            note(&format!("teacher: {} of {n} texts read", i * PART + texts.len()));
        }
        drop(retriever);
        ranks.first(|| {
            self.reduce(lessons, note)?;
            checkpoint::remove_folder(&parts)
        })
    }

    /// The student's vectors, of length 1: less their mean, and where the teacher is wider the principal components of that.
    fn reduce(&self, lessons: &Lessons, mut note: impl FnMut(&str)) -> Result<()> {
        let n = lessons.texts.len();
        let mut rows: Vec<f32> = Vec::new();
        for i in 0..n.div_ceil(PART) {
            let path = self.parts().join(format!("{i:06}"));
            let bytes = fs::read(&path).map_err(|error| Error::read(&path, &error))?;
            rows.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)));
        }
        if n == 0 || rows.is_empty() || !rows.len().is_multiple_of(n) {
            let (place, numbers) = (self.parts().display().to_string(), rows.len());
            return Err(Error::Data(format!(
                "{place}: {numbers} numbers for {n} texts; remove the folder, and it is written again"
            )));
        }
        let width = rows.len() / n;
        let components = Components::of(&rows, width, self.width);
        if width > self.width {
            note(&format!(
                "teacher: {:.1} % of the variance of its {width} numbers is in the {} that are learned",
                100.0 * components.share,
                self.width
            ));
        }
        let first = &rows[..width];
        if rows.chunks(width).all(|row| row == first) {
            return Err(Error::Data(format!(
                "{}: its vectors of all {n} texts are the same, so there is nothing to learn; name more texts, or another \
                 teacher",
                self.model.display()
            )));
        }
        checkpoint::commit_folder(self.folder, |folder| {
            let mut bytes = Vec::with_capacity(n * self.width * 4);
            for row in rows.chunks(width) {
                let mut vector = components.project(row, self.width);
                unit(&mut vector);
                bytes.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
            }
            checkpoint::write_file(&folder.join(VECTORS), &bytes)
        })
    }

    fn parts(&self) -> PathBuf {
        self.folder.with_extension("parts")
    }
}
