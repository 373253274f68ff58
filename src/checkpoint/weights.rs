//! Weights on disk: one file, or shards and the index that names them, of safetensors or of PyTorch.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    ops::Range,
    path::{Component, Path, PathBuf},
};

use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;

use super::{
    commit::sha256,
    float8,
    header::{self, READ, Tensor, data},
    read_at, torch,
    write::Float,
};
use crate::{
    array::Shape,
    error::{Error, Result},
    input,
};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// What a folder may hold, the first that is there: a file of weights or an index of such.
pub const WEIGHTS: [&str; 4] = [SINGLE, INDEX, "pytorch_model.bin", "pytorch_model.bin.index.json"];
/// Values are converted block by block, so a read needs no second copy of a tensor.
const BLOCK: usize = 1 << 20;

/// Weights on disk, checked when opened and read on demand by plain reads.
///
/// No memory maps: a file that is cut while training goes on must be an error, not a signal. The files stay open, so
/// saving over them does not change what is read here.
#[derive(Debug)]
pub struct Weights {
    source: PathBuf,
    files: Vec<(PathBuf, File)>,
    tensors: BTreeMap<String, (usize, Tensor)>,
    /// Tensors that the index names, with their shards, and no shard has.
    absent: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
}

impl Weights {
    /// Opens a folder (`model.safetensors`, else `pytorch_model.bin`, each whole or by an index of shards) or one file, which
    /// its first bytes tell to be of safetensors or of PyTorch.
    pub fn open(path: &Path) -> Result<Weights> {
        let source = if path.is_dir() { in_folder(path)? } else { path.to_path_buf() };
        let (tensors, absent, metadata) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut weights = Weights { source: source.clone(), files: vec![], tensors, absent, metadata };
        match path.is_dir() && source.extension().is_some_and(|extension| extension == "json") {
            true => weights.add_shards(path)?,
            false => weights.add_file(source)?,
        }
        weights.refuse_scaled()?;
        Ok(weights)
    }

    /// Refuses numbers in eight bits that others stand beside to multiply them: they are not read, and every number would
    /// be wrong.
    fn refuse_scaled(&self) -> Result<()> {
        let is_scale = |name: &&String| name.ends_with("_scale") || name.ends_with("_scale_inv");
        let has_eight_bits = self.tensors.values().any(|(_, tensor)| tensor.dtype == Dtype::F8_E4M3);
        match self.tensors.keys().find(is_scale).filter(|_| has_eight_bits) {
            None => Ok(()),
            Some(name) => Err(data(
                &self.source,
                format_args!(
                    "numbers in eight bits (F8_E4M3) with scales beside them (\"{name}\"), as quantization for inference \
                     writes them, are not read; take the weights that were not quantized"
                ),
            )),
        }
    }

    /// The names of all tensors, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|(_, tensor)| tensor.shape.as_slice())
    }

    /// How a tensor's numbers are stored, such as `F32`, if it is there.
    pub fn dtype(&self, name: &str) -> Option<String> {
        self.tensors.get(name).map(|(_, tensor)| tensor.dtype.to_string())
    }

    /// The same where it can be written.
    pub fn float(&self, name: &str) -> Option<Float> {
        match self.tensors.get(name)?.1.dtype {
            Dtype::F32 => Some(Float::F32),
            Dtype::F16 => Some(Float::F16),
            Dtype::BF16 => Some(Float::BF16),
            Dtype::F8_E4M3 => Some(Float::F8),
            _ => None,
        }
    }

    /// The names of all tensors that are the very bytes of this one, seen in the same way, itself among them; none of a
    /// tensor without numbers.
    pub fn twins(&self, name: &str) -> Vec<&str> {
        let Some((file, tensor)) = self.tensors.get(name).filter(|(_, tensor)| !tensor.shape.contains(&0)) else {
            return Vec::new();
        };
        let place = |tensor: &Tensor| (tensor.start, tensor.dtype, tensor.shape.clone(), tensor.strides.clone());
        let is_same = |other: &(usize, Tensor)| other.0 == *file && place(&other.1) == place(tensor);
        self.tensors.iter().filter(|(_, other)| is_same(other)).map(|(name, _)| name.as_str()).collect()
    }

    /// The files of weights.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Tensors that the index names, with their shards, and no shard has: an error only where one is needed.
    pub fn absent(&self) -> &BTreeMap<String, String> {
        &self.absent
    }

    /// What keeps a tensor that is there from being read as numbers of this shape, if anything does.
    pub fn unfit(&self, name: &str, shape: &[usize]) -> Option<String> {
        let (_, tensor) = self.tensors.get(name)?;
        let (expected, found) = (Shape::from(shape), Shape::from(&tensor.shape[..]));
        match tensor.dtype {
            _ if tensor.shape != shape => Some(format!("expected {expected:?}, found {found:?}")),
            Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64 | Dtype::F8_E4M3 => None,
            other => Some(format!("expected {READ}, found {other}")),
        }
    }

    /// All values of a tensor of F32, F16, BF16, F64 or F8_E4M3, as `f32`.
    pub fn read(&self, name: &str) -> Result<Vec<f32>> {
        let (_, tensor) = self.find(name)?;
        let mut values = vec![0.0; tensor.shape.iter().product()];
        self.floats(name, 0, &mut values)?;
        Ok(values)
    }

    /// The same, into a place that has as many numbers.
    pub fn read_into(&self, name: &str, values: &mut [f32]) -> Result<()> {
        let (path, tensor) = self.find(name)?;
        if tensor.shape.iter().product::<usize>() != values.len() {
            let (shape, n) = (&tensor.shape, values.len());
            return Err(data(path, format_args!("tensor \"{name}\": expected {n} numbers, found shape {shape:?}")));
        }
        self.floats(name, 0, values)
    }

    /// Some rows (of the first axis) of a tensor, as `f32`, into a place that has as many numbers.
    pub fn read_rows_into(&self, name: &str, rows: Range<usize>, values: &mut [f32]) -> Result<()> {
        let (path, tensor) = self.find(name)?;
        let width = tensor.shape.iter().skip(1).product::<usize>();
        let is_there = tensor.shape.first().is_some_and(|n_rows| rows.start <= rows.end && rows.end <= *n_rows);
        if !is_there || values.len() != rows.len() * width {
            let (shape, n) = (&tensor.shape, values.len());
            let what = format_args!("tensor \"{name}\" of shape {shape:?} has no rows {rows:?} of {n} numbers");
            return Err(data(path, what));
        }
        self.floats(name, rows.start * width, values)
    }

    /// All values of a tensor of U32, I32 or I64, each of which must fit `u32`.
    pub fn read_u32(&self, name: &str) -> Result<Vec<u32>> {
        let (path, tensor) = self.find(name)?;
        let n = tensor.shape.iter().product();
        let mut wide = vec![0; n];
        match tensor.dtype {
            Dtype::U32 => {
                let mut values = vec![0; n];
                self.decode(name, 0, &mut values, u32::from_le_bytes)?;
                return Ok(values);
            }
            Dtype::I32 => self.decode(name, 0, &mut wide, |bytes| i64::from(i32::from_le_bytes(bytes)))?,
            Dtype::I64 => self.decode(name, 0, &mut wide, i64::from_le_bytes)?,
            other => {
                return Err(data(path, format_args!("tensor \"{name}\": expected U32, I32 or I64, found {other}")));
            }
        };
        let narrow = |(i, value): (usize, i64)| {
            let what = format_args!("tensor \"{name}\": expected 0 to {}, found {value} at element {i}", u32::MAX);
            u32::try_from(value).map_err(|_| data(path, what))
        };
        wide.into_iter().enumerate().map(narrow).collect()
    }

    /// The free text in the headers, such as `format` = `pt`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The file that was opened: the weights themselves, or the index of their shards.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// The SHA-256 of every file of weights, by file name, for the record of a run.
    pub fn hashes(&self) -> Result<BTreeMap<String, String>> {
        let hash = |(path, file): &(PathBuf, File)| {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            Ok((name, sha256(file).map_err(|e| Error::read(path, &e))?))
        };
        self.files.iter().map(hash).collect()
    }

    fn add_file(&mut self, path: PathBuf) -> Result<()> {
        let file = input::open(&path)?;
        let mut first = [0; 9];
        let n = read_at(&file, &mut first, 0).map_err(|e| Error::read(&path, &e))?;
        let read = if torch::is_torch(&first[..n]) { torch::read } else { header::read };
        let header = read(&file, &path)?;
        for (name, tensor) in header.tensors {
            if let Some((other, _)) = self.tensors.get(&name) {
                let other = self.files[*other].0.display();
                return Err(data(&path, format_args!("tensor \"{name}\" is also in {other}; download both again")));
            }
            self.tensors.insert(name, (self.files.len(), tensor));
        }
        self.metadata.extend(header.metadata);
        self.files.push((path, file));
        Ok(())
    }

    fn add_shards(&mut self, folder: &Path) -> Result<()> {
        let index = self.source.clone();
        let listed = read_index(&index)?;
        let shards: BTreeSet<&String> = listed.values().collect();
        for shard in shards {
            let path = folder.join(shard);
            if !path.exists() {
                let what = format!("{}: shard \"{shard}\" is missing in {}", index.display(), folder.display());
                return Err(Error::Missing(format!("{what}; download it into that folder")));
            }
            self.add_file(path)?;
        }
        for (name, shard) in &listed {
            match self.tensors.get(name).map(|(file, _)| &self.files[*file].0) {
                None => _ = self.absent.insert(name.clone(), shard.clone()),
                Some(path) if *path == folder.join(shard) => {}
                Some(_) => {
                    let what = format_args!("tensor \"{name}\" is not in \"{shard}\" as listed; download both again");
                    return Err(data(&index, what));
                }
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<(&Path, &Tensor)> {
        let (file, tensor) = self.tensors.get(name).ok_or_else(|| {
            let nearest = self.names().min_by_key(|known| strsim::damerau_levenshtein(name, known));
            let nearest = nearest.map_or("it is empty".into(), |known| format!("the nearest name is \"{known}\""));
            data(&self.source, format_args!("there is no tensor \"{name}\"; {nearest}"))
        })?;
        Ok((&self.files[*file].0, tensor))
    }

    /// The values from the element `start` on.
    fn floats(&self, name: &str, start: usize, values: &mut [f32]) -> Result<()> {
        let (path, tensor) = self.find(name)?;
        match tensor.dtype {
            Dtype::F32 => self.decode(name, start, values, f32::from_le_bytes),
            Dtype::F16 => self.decode(name, start, values, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => self.decode(name, start, values, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F64 => self.decode(name, start, values, |bytes| f64::from_le_bytes(bytes) as f32),
            Dtype::F8_E4M3 => self.decode(name, start, values, |[byte]: [u8; 1]| float8::to_f32(byte)),
            other => {
                let what = format_args!("tensor \"{name}\": expected {READ}, found {other}");
                Err(data(path, what))
            }
        }
    }

    /// The elements of `N` bytes each from `start` on, read by all threads.
    fn decode<const N: usize, T: Send>(
        &self,
        name: &str,
        start: usize,
        values: &mut [T],
        value: impl Fn([u8; N]) -> T + Sync,
    ) -> Result<()> {
        let (file, tensor) = &self.tensors[name];
        let (path, file) = &self.files[*file];
        let read = |bytes: &mut [u8], at: u64| match read_at(file, bytes, at) {
            Ok(n) if n == bytes.len() => Ok(()),
            Ok(_) => Err(data(path, format_args!("tensor \"{name}\": the file was cut while in use"))),
            Err(error) => Err(Error::read(path, &error)),
        };
        if let Some(strides) = &tensor.strides {
            let mut bytes = vec![0; (reach(&tensor.shape, strides) + 1) * N];
            read(&mut bytes, tensor.start)?;
            let elements = bytes.as_chunks::<N>().0;
            let at = |i: usize| value(elements[place(start + i, &tensor.shape, strides)]);
            values.par_iter_mut().enumerate().for_each(|(i, slot)| *slot = at(i));
            return Ok(());
        }
        let blocks = values.par_chunks_mut(BLOCK / N).enumerate();
        blocks.try_for_each_init(
            || vec![0; BLOCK],
            |bytes, (i, part)| {
                let bytes = &mut bytes[..part.len() * N];
                read(bytes, tensor.start + ((start + i * (BLOCK / N)) * N) as u64)?;
                let read = bytes.as_chunks::<N>().0;
                part.iter_mut().zip(read).for_each(|(slot, bytes)| *slot = value(*bytes));
                Ok(())
            },
        )
    }
}

/// How far the last element of a tensor lies from its first, in elements.
fn reach(shape: &[usize], strides: &[usize]) -> usize {
    shape.iter().zip(strides).map(|(n, stride)| n.saturating_sub(1) * stride).sum()
}

/// How far an element lies from the first, by its index in row-major order.
fn place(mut index: usize, shape: &[usize], strides: &[usize]) -> usize {
    let mut at = 0;
    for (n, stride) in shape.iter().zip(strides).rev() {
        at += index % n * stride;
        index /= n;
    }
    at
}

/// How many values are NaN or infinite, for a warning about weights that were loaded.
pub fn not_finite(values: &[f32]) -> usize {
    values.par_chunks(BLOCK).map(|part| part.iter().filter(|value| !value.is_finite()).count()).sum()
}

/// The names of the shards that an index lists, each of a file of the same folder.
pub fn shards(index: &Path) -> Result<Vec<String>> {
    Ok(read_index(index)?.into_values().collect::<BTreeSet<String>>().into_iter().collect())
}

/// The index of shards: which file of the same folder holds which tensor.
fn read_index(path: &Path) -> Result<BTreeMap<String, String>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: input::Object,
    }
    let text = input::read_at_most(path, header::LONGEST)?;
    let index: Index = serde_json::from_slice(&text).map_err(|e| data(path, format_args!("{e}; download it again")))?;
    let shards =
        index.weight_map.texts().map_err(|what| data(path, format_args!("weight_map: {what}; download it again")))?;
    for (name, shard) in &shards {
        let mut parts = Path::new(shard).components();
        let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
        if !plain || shard.contains(['/', '\\', ':', '\0']) {
            let what = format!("tensor \"{name}\": expected the name of a file in this folder, found \"{shard}\"");
            return Err(data(path, format_args!("{what}; download the index again, and look at where it came from")));
        }
    }
    Ok(shards)
}

/// The weights or the index of a folder.
fn in_folder(folder: &Path) -> Result<PathBuf> {
    let found = WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.exists());
    found.ok_or_else(|| {
        let known = WEIGHTS.join(", ");
        let what = format!("{}: expected weights ({known}), found none", folder.display());
        Error::Missing(what + "; name the folder that holds the model")
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Entry, Values, write},
        *,
    };
    use std::fs;

    /// A file with one tensor "x".
    fn one(path: &Path, dtype: &str, shape: &[usize], bytes: &[u8]) {
        let header = format!(r#"{{"x":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[0,{}]}}}}"#, bytes.len());
        fs::write(path, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), bytes].concat()).unwrap();
    }

    #[track_caller]
    fn check<T>(case: &str, result: Result<T>, exit_code: u8, says: &[&str]) {
        let error = result.err().expect(case);
        assert_eq!(error.exit_code(), exit_code, "{case}: {error}");
        for part in says {
            assert!(error.message().contains(part), "{case}: expected \"{part}\" in: {error}");
        }
    }

    #[test]
    fn every_float_becomes_f32() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let values = [1.5_f32, -2.0, 0.0, 65504.0];
        let cases: &[(&str, Vec<u8>)] = &[
            ("F32", values.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ("F16", values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect()),
            ("BF16", values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect()),
            ("F64", values.iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect()),
            ("F8_E4M3", vec![0x3c, 0xc0, 0x00, 0x7e]),
        ];
        for (dtype, bytes) in cases {
            one(&path, dtype, &[2, 2], bytes);
            let weights = Weights::open(&path).unwrap();
            let last = match *dtype {
                "BF16" => 65536.0,
                "F8_E4M3" => 448.0,
                _ => 65504.0,
            };
            assert_eq!(weights.read("x").unwrap(), [1.5, -2.0, 0.0, last], "{dtype}");
            let mut row = [7.0; 2];
            weights.read_rows_into("x", 1..2, &mut row).unwrap();
            assert_eq!(row, [0.0, last], "{dtype}");
            weights.read_rows_into("x", 2..2, &mut []).unwrap();
            assert_eq!(weights.shape("x"), Some(&[2, 2][..]));
            check(dtype, weights.read_u32("x"), 65, &["\"x\"", "U32, I32 or I64", dtype]);
            check(dtype, weights.read_rows_into("x", 1..3, &mut [0.0; 4]), 65, &["\"x\"", "[2, 2]", "1..3"]);
            check(dtype, weights.read_rows_into("x", 0..1, &mut [0.0; 4]), 65, &["\"x\"", "[2, 2]", "of 4 numbers"]);
            check(dtype, weights.read_into("x", &mut [0.0; 3]), 65, &["\"x\"", "expected 3 numbers"]);
        }
    }

    #[test]
    fn whole_numbers_become_u32_or_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let of_i64 = |values: &[i64]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let of_i32 = |values: &[i32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let good = [("U32", of_i32(&[1, 2])), ("I32", of_i32(&[1, 2])), ("I64", of_i64(&[1, 2]))];
        for (dtype, bytes) in good {
            one(&path, dtype, &[2], &bytes);
            let weights = Weights::open(&path).unwrap();
            assert_eq!(weights.read_u32("x").unwrap(), [1, 2], "{dtype}");
            check(dtype, weights.read("x"), 65, &["\"x\"", "F32, F16, BF16, F64 or F8_E4M3", dtype]);
        }
        let bad = [("I32", of_i32(&[1, -7]), "found -7 at element 1"), ("I64", of_i64(&[1 << 32, 0]), "4294967296")];
        for (dtype, bytes, says) in bad {
            one(&path, dtype, &[2], &bytes);
            check(dtype, Weights::open(&path).unwrap().read_u32("x"), 65, &["\"x\"", says]);
        }
        let scaled = r#"{"w":{"dtype":"F8_E4M3","shape":[1,2],"data_offsets":[0,2]},"w_scale":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}"#;
        fs::write(&path, [&(scaled.len() as u64).to_le_bytes(), scaled.as_bytes(), &[0; 4]].concat()).unwrap();
        check("scaled", Weights::open(&path), 65, &["w_scale", "not quantized"]);
        one(&path, "I8", &[2], &[0, 0]);
        check("I8", Weights::open(&path).unwrap().read("x"), 65, &["\"x\"", "found I8"]);
    }

    #[test]
    fn a_tensor_larger_than_a_block_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let n = BLOCK / 4 * 2 + 3;
        let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let entry = Entry { name: "x", shape: &[n, 1], values: Values::F32(&values) };
        write(&folder.path().join(SINGLE), &[entry], &[]).unwrap();
        let weights = Weights::open(folder.path()).unwrap();
        assert_eq!(weights.read("x").unwrap(), values);
        let mut last = [0.0; 2];
        weights.read_rows_into("x", n - 2..n, &mut last).unwrap();
        assert_eq!(last, values[n - 2..]);
    }

    #[test]
    fn a_name_that_is_not_there_gets_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        one(&path, "F32", &[1], &[0; 4]);
        check("absent", Weights::open(&path).unwrap().read("y"), 65, &["no tensor \"y\"", "\"x\""]);
    }

    #[test]
    fn a_file_cut_while_in_use_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        one(&path, "F32", &[2], &[0; 8]);
        let weights = Weights::open(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(path.metadata().unwrap().len() - 1).unwrap();
        check("cut", weights.read("x"), 65, &["\"x\"", "cut while in use"]);
    }

    #[test]
    fn folders_without_weights_say_what_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        check("empty", Weights::open(folder.path()), 66, &WEIGHTS);
        check("nowhere", Weights::open(&folder.path().join("nowhere")), 66, &["nowhere"]);
    }

    /// A folder with the shards `s1` (tensor a) and `s2` (tensor b, or whatever `second` holds) and this index.
    fn sharded(index: &str, second: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, name) in [("s1", "a"), ("s2", second)] {
            let entry = Entry { name, shape: &[1], values: Values::F32(&[1.0]) };
            write(&folder.path().join(file), &[entry], &[("from", file)]).unwrap();
        }
        fs::write(folder.path().join(INDEX), index).unwrap();
        folder
    }

    #[test]
    fn shards_are_one_set_of_weights() {
        let folder = sharded(r#"{"metadata":{"total_size":8},"weight_map":{"a":"s1","b":"s2"}}"#, "b");
        let weights = Weights::open(folder.path()).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(weights.read("b").unwrap(), [1.0]);
        assert_eq!(weights.source(), folder.path().join(INDEX));
        assert_eq!(weights.metadata()["format"], "pt");
        let hashes = weights.hashes().unwrap();
        assert_eq!(hashes.keys().collect::<Vec<_>>(), ["s1", "s2"]);
        assert_eq!(hashes["s1"].len(), 64);
        assert_ne!(hashes["s1"], hashes["s2"]);
    }

    #[test]
    fn bad_indexes_are_refused() {
        let map = |shard: &str| format!(r#"{{"weight_map":{{"a":"s1","b":"{shard}"}}}}"#);
        let cases: &[(&str, String, &str, u8, &[&str])] = &[
            ("no JSON", "{".into(), "b", 65, &["line 1", "download it again"]),
            ("no map", "{}".into(), "b", 65, &["weight_map"]),
            ("missing shard", map("s3"), "b", 66, &["\"s3\" is missing", "download"]),
            ("parent", map("../s2"), "b", 65, &["\"b\"", "\"../s2\""]),
            ("dots", map(".."), "b", 65, &["\"..\""]),
            ("empty", map(""), "b", 65, &["found \"\""]),
            ("absolute", map("/etc/passwd"), "b", 65, &["\"/etc/passwd\""]),
            ("below", map("x/s2"), "b", 65, &["\"x/s2\""]),
            ("backslash", map(r"x\\s2"), "b", 65, &["x\\s2"]),
            ("drive", map("c:s2"), "b", 65, &["c:s2"]),
            ("in the other shard", r#"{"weight_map":{"a":"s2","b":"s1"}}"#.into(), "b", 65, &["\"a\" is not in"]),
            ("in two shards", map("s2"), "a", 65, &["\"a\" is also in"]),
            ("listed twice", r#"{"weight_map":{"a":"s1","a":"s2"}}"#.into(), "b", 65, &["\"a\" stands there twice"]),
        ];
        for (case, index, second, exit_code, says) in cases {
            check(case, Weights::open(sharded(index, second).path()), *exit_code, says);
        }
    }

    #[test]
    fn what_an_index_names_in_vain_is_known() {
        let folder = sharded(r#"{"weight_map":{"a":"s1","b":"s2"}}"#, "c");
        let weights = Weights::open(folder.path()).unwrap();
        assert_eq!(weights.absent()["b"], "s2");
        assert_eq!(weights.names().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_itself_is_an_error() {
        let folder = sharded(r#"{"weight_map":{"a":"s1","b":"s3"}}"#, "b");
        std::os::unix::fs::symlink("s3", folder.path().join("s3")).unwrap();
        check("cyclic", Weights::open(folder.path()), 66, &["s3"]);
    }

    #[test]
    fn values_that_are_not_finite_are_counted() {
        for (values, n) in [(&[][..], 0), (&[1.0, -0.0], 0), (&[f32::NAN, f32::INFINITY, 3.0, f32::NEG_INFINITY], 3)] {
            assert_eq!(not_finite(values), n);
        }
    }
}
