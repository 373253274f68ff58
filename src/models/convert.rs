//! Weights of any of the formats that are read, written as one safetensors file with what lies beside them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::names::is_constant;
use crate::{
    checkpoint::{self, Entry, Float, Values, WEIGHTS, Weights, write_file},
    error::{Error, Result},
    input,
};

/// What a tokenizer is made of.
pub(super) const TOKENIZER: [&str; 9] = [
    "tokenizer.json",
    "sentencepiece.bpe.model",
    "spm.model",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
];

/// What is copied as it is beside weights and tokenizer.
const BESIDE: [&str; 3] = ["config.json", "generation_config.json", "rxlt.json"];

/// What the names of Moses's lists of abbreviations begin with, which may lie beside XLM's tokenizer.
pub(super) const ABBREVIATIONS: &str = "nonbreaking_prefix.";

/// What a conversion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The file, or the index of files, that was read.
    pub source: PathBuf,
    /// How many tensors were written.
    pub tensors: usize,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Writes the model of one folder into another: every tensor under its name, in its own format or in `float`, and the
/// files beside. Numbers are read and written tensor by tensor.
pub fn convert(from: &Path, to: &Path, float: Option<Float>) -> Result<Converted> {
    let weights = Weights::open(from)?;
    refuse_absent(&weights)?;
    let (mut entries, mut metadata, mut notes) = (Vec::new(), BTreeMap::new(), Vec::new());
    let (mut lost, mut not_finite) = (Lost::default(), Vec::new());
    for name in weights.names() {
        if let Some(twin) = kept_twin(&weights, name) {
            metadata.insert(name, twin); // as safetensors.torch.save_model does
        } else if is_constant(name) {
            notes.push(format!("{name} is left out: it is a constant that nothing reads"));
        } else {
            let stored = float_of(&weights, name, float)?;
            let values = weights.read(name)?;
            if stored == Float::F8 && weights.float(name) != Some(Float::F8) {
                lost.count(&values);
            }
            if checkpoint::not_finite(&values) > 0 {
                not_finite.push(name);
            }
            let shape = weights.shape(name).unwrap_or_default();
            entries.push(Entry { name, shape, values: Values::Stored(&weights, stored) });
        }
    }
    notes.extend(metadata.iter().map(|(name, twin)| format!("{name} is the same numbers as {twin}, and written once")));
    notes.extend(lost.note());
    if let Some(name) = not_finite.first() {
        let n = not_finite.len();
        notes.push(format!("NaN or infinity stands in {n} tensors, such as {name}: the model says nothing with them"));
    }
    let metadata: Vec<(&str, &str)> = metadata.into_iter().collect();
    checkpoint::write(&to.join(WEIGHTS[0]), &entries, &metadata)?;
    let lists = files(from)?.into_iter().map(|(name, _)| name).filter(|name| name.starts_with(ABBREVIATIONS));
    for name in BESIDE.iter().chain(&TOKENIZER).map(|name| (*name).to_owned()).chain(lists) {
        let path = from.join(&name);
        if path.is_file() {
            let bytes = input::read(&path)?;
            let bytes = if name == "config.json" { config_for(&path, bytes, float)? } else { bytes };
            write_file(&to.join(&name), &bytes)?;
        }
    }
    Ok(Converted { source: weights.source().to_owned(), tensors: entries.len(), notes })
}

/// What eight bits leave of numbers.
#[derive(Default)]
struct Lost {
    numbers: usize,
    zeros: usize,
    squares: f64,
    errors: f64,
}

impl Lost {
    fn count(&mut self, values: &[f32]) {
        for value in values.iter().filter(|value| value.is_finite() && **value != 0.0) {
            let (value, stored) = (f64::from(*value), f64::from(checkpoint::in_eight_bits(*value).unwrap_or(*value)));
            self.numbers += 1;
            self.zeros += usize::from(stored == 0.0);
            self.squares += value * value;
            self.errors += (value - stored) * (value - stored);
        }
    }

    fn note(&self) -> Option<String> {
        let percent = |part: f64, all: f64| 100.0 * part / all.max(f64::MIN_POSITIVE);
        let zeros = percent(self.zeros as f64, self.numbers as f64);
        let error = percent(self.errors.sqrt(), self.squares.sqrt());
        (self.numbers > 0).then(|| {
            format!(
                "eight bits: matrices are {error:.1} % off (root mean square), and {zeros:.1} % of their numbers, those below \
                 0.001, become 0; what a model says may change, of one that was trained a little most: measure it again"
            )
        })
    }
}

/// An index that names what no shard has is no model to be converted.
fn refuse_absent(weights: &Weights) -> Result<()> {
    match weights.absent().iter().next() {
        None => Ok(()),
        Some((name, shard)) => Err(Error::Data(format!(
            "{}: tensor \"{name}\" is not in \"{shard}\" as listed; download both again",
            weights.source().display()
        ))),
    }
}

/// The tensor that has the very bytes of this one and is written in its place: the word table, else the first by name.
fn kept_twin<'a>(weights: &'a Weights, name: &str) -> Option<&'a str> {
    let twins: Vec<&str> = weights.twins(name);
    let kept = twins.iter().copied().find(|twin| twin.contains("embeddings")).or(twins.first().copied())?;
    (kept != name).then_some(kept)
}

/// How a tensor is to be stored.
fn float_of(weights: &Weights, name: &str, wanted: Option<Float>) -> Result<Float> {
    let shown = weights.source().display();
    let is_matrix = weights.shape(name).is_some_and(|shape| shape.len() > 1);
    let wanted = wanted.map(|float| if float == Float::F8 && !is_matrix { Float::F16 } else { float });
    match (weights.float(name), weights.dtype(name).unwrap_or_default().as_str(), wanted) {
        (Some(_), _, Some(wanted)) => Ok(wanted),
        (Some(own), _, None) => Ok(own),
        (None, "F64", Some(wanted)) => Ok(wanted),
        (None, "F64", None) => {
            Err(Error::Usage(format!("{shown}: tensor \"{name}\" is F64, which is not written; name a format by --to")))
        }
        (None, other, _) => Err(Error::Data(format!(
            "{shown}: tensor \"{name}\": expected {}, found {other}; rxlt converts encoders, whose weights are such",
            checkpoint::READ
        ))),
    }
}

/// config.json for weights in another format, if they are.
fn config_for(path: &Path, bytes: Vec<u8>, float: Option<Float>) -> Result<Vec<u8>> {
    let Some(float) = float else { return Ok(bytes) };
    let fail = |error| Error::Data(format!("{}: {error}; download it again", path.display()));
    let mut config: serde_json::Map<String, Value> = serde_json::from_slice(&bytes).map_err(fail)?;
    let key = if config.contains_key("torch_dtype") { "torch_dtype" } else { "dtype" };
    config.insert(key.to_owned(), Value::from(float.torch()));
    let text = serde_json::to_string_pretty(&config).expect("JSON can be printed");
    Ok((text + "\n").into_bytes())
}

/// The sizes of the files of a folder, by name.
pub fn files(folder: &Path) -> Result<Vec<(String, u64)>> {
    let entries = fs::read_dir(folder).map_err(|error| Error::read(folder, &error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Error::read(folder, &error))?.path();
        // Of a link, what it leads to.
        if let Some((name, found)) = path.file_name().zip(fs::metadata(&path).ok()).filter(|(_, found)| found.is_file())
        {
            files.push((name.to_string_lossy().into_owned(), found.len()));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::torch_files::{archive, pickle, tensor};

    /// A folder with a file of PyTorch: six numbers, seen as a word table and again as an output layer, and their end.
    fn torch(numbers: [f32; 6]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let table = || tensor("Float", 6, 0, &[2, 3], &[3, 1]);
        let items = [
            ("cls.predictions.decoder.weight", table()),
            ("bert.embeddings.word_embeddings.weight", table()),
            ("bert.embeddings.LayerNorm.gamma", tensor("Float", 6, 3, &[3], &[1])),
            ("bert.turned", tensor("Float", 6, 0, &[3, 2], &[1, 3])),
        ];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        fs::write(folder.path().join(WEIGHTS[2]), archive(&pickle(&items), &bytes)).unwrap();
        fs::write(folder.path().join("config.json"), "{\"torch_dtype\": \"float32\", \"a\": 1}").unwrap();
        fs::write(folder.path().join("vocab.txt"), "[PAD]\n").unwrap();
        fs::write(folder.path().join("README.md"), "not of the model").unwrap();
        folder
    }

    fn bits(weights: &Weights, name: &str) -> Vec<u32> {
        weights.read(name).unwrap().iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn every_tokenizer_that_is_read_is_copied() {
        assert!(crate::text::FILES.iter().all(|name| TOKENIZER.contains(name)));
        assert!(TOKENIZER.contains(&crate::text::MERGES) && ABBREVIATIONS == crate::text::PREFIXES);
    }

    #[test]
    fn a_file_of_pytorch_keeps_every_bit() {
        let numbers = [-0.0, f32::MIN_POSITIVE / 3.0, f32::from_bits(0x7fc0_1234), f32::INFINITY, 1.0 / 3.0, f32::MAX];
        let (from, to) = (torch(numbers), tempfile::tempdir().unwrap());
        let converted = convert(from.path(), to.path(), None).unwrap();
        let (before, after) = (Weights::open(from.path()).unwrap(), Weights::open(to.path()).unwrap());
        assert_eq!(converted.tensors, 3);
        assert!(converted.notes[0].contains("decoder.weight is the same numbers as bert.embeddings.word_embeddings"));
        assert!(converted.notes[1].contains("NaN or infinity stands in 3 tensors"), "{:?}", converted.notes);
        assert_eq!(after.metadata()["cls.predictions.decoder.weight"], "bert.embeddings.word_embeddings.weight");
        for name in after.names() {
            assert_eq!(after.shape(name), before.shape(name), "{name}");
            assert_eq!(bits(&after, name), bits(&before, name), "{name}");
        }
        assert_eq!(bits(&after, "bert.turned")[1], numbers[3].to_bits());
        let names: Vec<String> = files(to.path()).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["config.json", "model.safetensors", "vocab.txt"]);
        let same = |name: &str| fs::read(from.path().join(name)).unwrap() == fs::read(to.path().join(name)).unwrap();
        assert!(same("config.json") && same("vocab.txt"));
    }

    #[test]
    fn other_formats_are_rounded_to_the_nearest_and_even() {
        let step = |digits: i32| 2.0_f32.powi(-digits);
        let one = |halves: f32, digits| 1.0 + halves * step(digits + 1);
        let cases = [
            (Float::F16, "float16", [(one(1.0, 10), 1.0), (one(3.0, 10), 1.0 + 2.0 * step(10)), (1e-8, 0.0)]),
            (Float::BF16, "bfloat16", [(one(1.0, 7), 1.0), (one(3.0, 7), 1.0 + 2.0 * step(7)), (1e38, 9.969_21e37)]),
            (Float::F8, "float32", [(one(1.0, 3), 1.0), (one(3.0, 3), 1.0 + 2.0 * step(3)), (9e-4, 0.0)]),
        ];
        for (float, name, values) in cases {
            let lowest = if float == Float::F8 { -448.0 } else { f32::NEG_INFINITY };
            let numbers = [values[0].0, values[1].0, values[2].0, -values[0].0, lowest, 0.5];
            let (from, to) = (torch(numbers), tempfile::tempdir().unwrap());
            convert(from.path(), to.path(), Some(float)).unwrap();
            let after = Weights::open(to.path()).unwrap();
            let found = after.read("bert.embeddings.word_embeddings.weight").unwrap();
            let third = (found[2] - values[2].1).abs() <= values[2].1 * 1e-5; // its digits are not all written here
            assert!(third, "{name}: {} {}", found[2], values[2].1);
            assert_eq!([found[0], found[1], found[3]], [values[0].1, values[1].1, -values[0].1], "{name}");
            assert_eq!([found[4], found[5]], [lowest, 0.5], "{name}");
            assert_eq!(after.float("bert.turned"), Some(float));
            let config = fs::read_to_string(to.path().join("config.json")).unwrap();
            assert!(config.contains(&format!("\"torch_dtype\": \"{name}\"")), "{config}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaves_nothing() {
        let cases = [(Float::F16, 65_520.0), (Float::BF16, f32::MAX), (Float::F8, 464.0), (Float::F8, f32::INFINITY)];
        for (float, number) in cases {
            let (from, to) = (torch([number; 6]), tempfile::tempdir().unwrap());
            let error = convert(from.path(), to.path(), Some(float)).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains("does not fit"), "{error}");
            assert_eq!(files(to.path()).unwrap(), []);
        }
    }
}
