//! Writing a safetensors file, tensor after tensor, without a second copy in memory.
//!
//! Not the `safetensors` crate's writer: it leaves files readable by their owner only, and does not fsync.

use std::{fs::File, io::Write, path::Path};

use half::{bf16, f16};
use serde_json::{Map, Value, json};

use super::{Weights, commit::atomically, float8};
use crate::{
    error::{Error, Result},
    tensor::Tensor,
};

/// Elements converted and written at a time.
const BLOCK: usize = 1 << 16;

/// The values of a tensor, and how they are stored.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Stored as they are.
    F32(&'a [f32]),
    /// Rounded to half precision on the way to the disk; a finite value beyond 65,504 is an error.
    F16(&'a [f32]),
    /// Whole numbers, stored as they are.
    U32(&'a [u32]),
    /// Those of the tensor of this name in another file, read when it is its turn.
    Stored(&'a Weights, Float),
    /// The numbers of these one after the other, each fetched from its device when it is its turn.
    Tensors(&'a [Tensor]),
}

/// How floating-point numbers are stored; what is not exact is rounded to the nearest, and of two to the even one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Float {
    /// Single precision.
    F32,
    /// Half precision: 11 binary digits, up to 65,504.
    F16,
    /// bfloat16: 8 binary digits, with the range of single precision.
    #[value(name = "bf16")]
    BF16,
    /// Eight bits, of which three are digits after the first, up to 448 (E4M3); of matrices only: vectors are F16.
    F8,
}

impl Float {
    fn layout(self) -> (&'static str, usize) {
        match self {
            Float::F32 => ("F32", 4),
            Float::F16 => ("F16", 2),
            Float::BF16 => ("BF16", 2),
            Float::F8 => ("F8_E4M3", 1),
        }
    }

    /// What PyTorch computes in, and config.json says: not in eight bits, which are for the disk.
    pub fn torch(self) -> &'static str {
        match self {
            Float::F32 | Float::F8 => "float32",
            Float::F16 => "float16",
            Float::BF16 => "bfloat16",
        }
    }
}

/// One tensor to write.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its name in the file.
    pub name: &'a str,
    /// Its shape; the product is the number of values.
    pub shape: &'a [usize],
    /// Its values, row by row.
    pub values: Values<'a>,
}

impl Entry<'_> {
    /// Dtype, bytes per value, number of values.
    fn layout(&self) -> (&'static str, usize, usize) {
        match self.values {
            Values::F32(values) => ("F32", 4, values.len()),
            Values::F16(values) => ("F16", 2, values.len()),
            Values::U32(values) => ("U32", 4, values.len()),
            Values::Stored(_, float) => {
                let (dtype, width) = float.layout();
                (dtype, width, self.shape.iter().product())
            }
            Values::Tensors(tensors) => ("F32", 4, tensors.iter().map(|tensor| tensor.shape().len()).sum()),
        }
    }
}

/// Writes one safetensors file with the metadata `format` = `pt` (without which transformers refuses it) and more.
///
/// Tensors keep their order, except that wider numbers come first so that all are aligned. The file appears under its
/// name only when it is whole and on the disk, so it may replace the one that [`super::Weights`] is reading.
#[track_caller]
pub fn write(path: &Path, tensors: &[Entry], metadata: &[(&str, &str)]) -> Result<()> {
    let mut ordered: Vec<&Entry> = tensors.iter().collect();
    ordered.sort_by_key(|entry| std::cmp::Reverse(entry.layout().1));
    let header = header(&ordered, metadata);
    atomically(path, |file| {
        let put = |file: &mut File, bytes: &[u8]| file.write_all(bytes).map_err(|e| Error::write(path, &e));
        put(file, &(header.len() as u64).to_le_bytes())?;
        put(file, header.as_bytes())?;
        for entry in &ordered {
            encode(entry, &mut |bytes| put(file, bytes))?;
        }
        Ok(())
    })
}

/// The header, padded with spaces so that the values begin at a multiple of eight bytes.
#[track_caller]
fn header(tensors: &[&Entry], metadata: &[(&str, &str)]) -> String {
    let mut names = Map::new();
    let mut text: Map<String, Value> = metadata.iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
    text.insert("format".into(), json!("pt"));
    names.insert("__metadata__".into(), Value::Object(text));
    let mut start = 0;
    for entry in tensors {
        let (dtype, width, n_values) = entry.layout();
        let (name, shape) = (entry.name, entry.shape);
        assert_eq!(shape.iter().product::<usize>(), n_values, "tensor \"{name}\": values do not fit shape {shape:?}");
        let end = start + width * n_values;
        let info = json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]});
        assert!(names.insert(name.into(), info).is_none(), "tensor \"{name}\" is given twice");
        start = end;
    }
    let header = Value::Object(names).to_string();
    let padding = header.len().next_multiple_of(8) - header.len();
    header + &" ".repeat(padding)
}

/// Hands the bytes of a tensor to `put`, block by block.
fn encode(entry: &Entry, put: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    match entry.values {
        Values::Tensors(tensors) => {
            tensors.iter().try_for_each(|tensor| tensor.visit(|values| blocks(values, &mut *put, f32::to_le_bytes)))
        }
        Values::F32(values) => blocks(values, put, f32::to_le_bytes),
        Values::U32(values) => blocks(values, put, u32::to_le_bytes),
        Values::F16(values) => {
            fits(entry, values, |value| value.is_finite() && f16::from_f32(value).is_infinite())?;
            blocks(values, put, |value| f16::from_f32(value).to_le_bytes())
        }
        Values::Stored(weights, float) => {
            let values = weights.read(entry.name)?;
            match float {
                Float::F32 => blocks(&values, put, f32::to_le_bytes),
                Float::F16 => encode(&Entry { values: Values::F16(&values), ..*entry }, put),
                Float::BF16 => {
                    fits(entry, &values, |value| value.is_finite() && bf16::from_f32(value).is_infinite())?;
                    blocks(&values, put, |value| bf16::from_f32(value).to_le_bytes())
                }
                Float::F8 => {
                    fits(entry, &values, |value| float8::from_f32(value).is_none())?;
                    blocks(&values, put, |value| [float8::from_f32(value).unwrap_or_default()])
                }
            }
        }
    }
}

/// Refuses a number that would be none, or another sort of number.
fn fits(entry: &Entry, values: &[f32], is_lost: impl Fn(f32) -> bool) -> Result<()> {
    match values.iter().find(|value| is_lost(**value)) {
        None => Ok(()),
        Some(value) => {
            let (name, (dtype, ..)) = (entry.name, entry.layout());
            let more = "F32 holds it, as rxlt model convert --to f32 writes it";
            Err(Error::Data(format!("tensor \"{name}\": {value} does not fit {dtype}; {more}")))
        }
    }
}

fn blocks<T: Copy, const N: usize>(
    values: &[T],
    mut put: impl FnMut(&[u8]) -> Result<()>,
    bytes: impl Fn(T) -> [u8; N],
) -> Result<()> {
    let mut block = vec![[0; N]; BLOCK.min(values.len())];
    for some in values.chunks(BLOCK) {
        for (slot, &value) in block.iter_mut().zip(some) {
            *slot = bytes(value);
        }
        put(block[..some.len()].as_flattened())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::Weights, *};
    use std::fs;

    #[test]
    fn what_is_written_is_read_back_by_us_and_by_the_crate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let entries = [
            Entry { name: "ids", shape: &[2], values: Values::U32(&[7, u32::MAX]) },
            Entry { name: "half", shape: &[1, 3], values: Values::F16(&[1.0, 0.1, f32::INFINITY]) },
            Entry { name: "größe", shape: &[2, 1], values: Values::F32(&[0.1, f32::MIN]) },
            Entry { name: "scalar", shape: &[], values: Values::F32(&[3.0]) },
            Entry { name: "empty", shape: &[0, 4], values: Values::F32(&[]) },
        ];
        write(&path, &entries, &[("step", "12")]).unwrap();
        let weights = Weights::open(&path).unwrap();
        assert_eq!(weights.read_u32("ids").unwrap(), [7, u32::MAX]);
        assert_eq!(weights.read("half").unwrap(), [1.0, f16::from_f32(0.1).to_f32(), f32::INFINITY]);
        assert_eq!(weights.read("größe").unwrap(), [0.1, f32::MIN]);
        assert_eq!((weights.read("scalar").unwrap(), weights.shape("scalar").unwrap()), (vec![3.0], &[][..]));
        assert_eq!((weights.metadata()["format"].as_str(), weights.metadata()["step"].as_str()), ("pt", "12"));

        let bytes = fs::read(&path).unwrap();
        let (n_header, crate_says) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(n_header % 8, 0);
        assert_eq!(crate_says.offset_keys().last().unwrap(), "half");
        assert_eq!(safetensors::SafeTensors::deserialize(&bytes).unwrap().len(), 5);
    }

    /// A large encoder's header has more characters than a formatted field may be wide.
    #[test]
    fn a_long_header_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let names: Vec<String> = (0..900).map(|i| format!("roberta.encoder.layer.{i}.attention.weight")).collect();
        let entries: Vec<Entry> =
            names.iter().map(|name| Entry { name, shape: &[1], values: Values::F32(&[1.0]) }).collect();
        write(&path, &entries, &[]).unwrap();
        let weights = Weights::open(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 65_536 + 900 * 4);
        assert_eq!(weights.read(&names[899]).unwrap(), [1.0]);
    }

    #[test]
    fn a_value_too_large_for_f16_is_named_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let entry = Entry { name: "w", shape: &[2], values: Values::F16(&[1.0, 70_000.0]) };
        let error = write(&path, &[entry], &[]).unwrap_err();
        assert!(error.message().contains("\"w\": 70000 does not fit F16"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn saving_over_open_weights_leaves_them_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let entry = |values| Entry { name: "w", shape: &[2], values: Values::F32(values) };
        write(&path, &[entry(&[1.0, 2.0])], &[]).unwrap();
        let old = Weights::open(&path).unwrap();
        write(&path, &[entry(&[3.0, 4.0])], &[]).unwrap();
        assert_eq!(old.read("w").unwrap(), [1.0, 2.0]);
        assert_eq!(Weights::open(&path).unwrap().read("w").unwrap(), [3.0, 4.0]);
    }
}
