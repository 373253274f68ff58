//! Files of PyTorch (`pytorch_model.bin`), read as data: an uncompressed zip archive (PyTorch 1.6 and later), or pickles
//! followed by numbers (before).
//!
//! Nothing is executed ([`super::pickle`]) and nothing is unpacked: a tensor is a place in the file, as in safetensors.

use super::{
    header::{Header, Tensor, data},
    pickle::{Machine, Storage, Value, View},
    read_at,
};
use crate::error::{Error, Result};
use safetensors::Dtype;
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

/// What zip archives begin with.
const ZIP: [u8; 4] = *b"PK\x03\x04";
/// The whole number by which files of PyTorch before 1.6 begin, the least significant byte first.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The version of that format.
const VERSION: i64 = 1001;

/// Whether a file is one of PyTorch's, by its first nine bytes: in safetensors the last of these begins the header, behind
/// a length that may look like a pickle.
pub(super) fn is_torch(first: &[u8]) -> bool {
    first.starts_with(&ZIP) || matches!(first, [0x80, 2..=5, ..]) && first.get(8) != Some(&b'{')
}

/// Reads what the file says of its tensors, and where their numbers lie.
pub(super) fn read(file: &File, path: &Path) -> Result<Header> {
    let mut first = [0; 4];
    let n = read_at(file, &mut first, 0).map_err(|e| Error::read(path, &e))?;
    let found = if first[..n] == ZIP { from_zip(file) } else { from_pickles(file) };
    found.map_err(|what| data(path, format_args!("not a PyTorch file that can be read: {what}")))
}

/// A part of a file, read from its beginning to its end.
struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = buffer.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let n = read_at(self.file, &mut buffer[..n], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// Where the numbers of each storage begin, and how many bytes they are.
type Places = HashMap<String, (u64, u64)>;

/// A file of PyTorch 1.6 or later.
fn from_zip(file: &File) -> Result<Header, String> {
    let entries = zip_entries(file)?;
    let root = entries.keys().find_map(|name| name.strip_suffix("/data.pkl")).ok_or("the archive has no data.pkl")?;
    let entry = |name: &str| entries.get(&format!("{root}/{name}"));
    if let Some(Entry { at, n_bytes, .. }) = entry("byteorder") {
        let mut order = vec![0; (*n_bytes).min(16) as usize];
        read_at(file, &mut order, *at).map_err(|e| e.to_string())?;
        if order != b"little" {
            return Err(format!(
                "its numbers are in byte order {:?}, expected little",
                String::from_utf8_lossy(&order)
            ));
        }
    }
    let pickle = entry("data.pkl").ok_or("the archive has no data.pkl")?;
    pickle.check_sum(file)?;
    let mut machine = Machine::new(BufReader::new(pickle.part(file)));
    let top = machine.run().map_err(|what| format!("data.pkl: {what}"))?;
    let tensors = tensors_of(&machine, top)?;
    let prefix = format!("{root}/data/");
    let numbers: Vec<(&str, &Entry)> =
        entries.iter().filter_map(|(name, entry)| Some((name.strip_prefix(&prefix)?, entry))).collect();
    numbers.iter().try_for_each(|(_, entry)| entry.check_sum(file))?;
    placed(tensors, &numbers.iter().map(|(name, entry)| ((*name).to_owned(), (entry.at, entry.n_bytes))).collect())
}

/// A file from before: four pickles, a list of keys, and the numbers of each behind their count.
fn from_pickles(file: &File) -> Result<Header, String> {
    let end = file.metadata().map_err(|e| e.to_string())?.len();
    let mut machine = Machine::new(BufReader::new(Part { file, at: 0, end }));
    let magic = machine.run()?;
    if *machine.value(magic) != Value::Long(MAGIC.to_vec()) {
        return Err("it is a pickle, but none of weights".into());
    }
    let version = machine.run()?;
    if *machine.value(version) != Value::Int(VERSION) {
        return Err(format!("expected version {VERSION} of the format, found {:?}", machine.value(version)));
    }
    let system = machine.run()?;
    check_system(&machine, system)?;
    let top = machine.run()?;
    let tensors = tensors_of(&machine, top)?;
    let keys = machine.run()?;
    let Value::List(keys) = machine.value(keys).clone() else { return Err("it lists no storages".into()) };
    let keys: Vec<String> = keys.iter().filter_map(|key| text_of(machine.value(*key))).collect();
    let mut at = end - {
        let rest = machine.source();
        rest.buffer().len() as u64 + rest.get_ref().end - rest.get_ref().at
    };
    let mut places = Places::new();
    for key in keys {
        let mut count = [0; 8];
        if read_at(file, &mut count, at).map_err(|e| e.to_string())? < 8 {
            return Err(format!("the numbers of storage {key} are missing: the file is cut"));
        }
        let width = tensors.iter().find(|(_, view)| view.storage.key == key).map(|(_, view)| width(view.storage.dtype));
        let Some(width) = width else { return Err(format!("no tensor names the storage {key}")) };
        let n_bytes = u64::from_le_bytes(count).checked_mul(width).filter(|n| at + 8 + n <= end);
        let n_bytes = n_bytes.ok_or_else(|| format!("the numbers of storage {key} are cut off: download it again"))?;
        places.insert(key, (at + 8, n_bytes));
        at += 8 + n_bytes;
    }
    if at != end {
        return Err(format!("{} bytes more than its storages need", end - at));
    }
    placed(tensors, &places)
}

fn check_system<R: Read>(machine: &Machine<R>, system: usize) -> Result<(), String> {
    let Value::Dict(items) = machine.value(system) else { return Err("it does not tell its system".into()) };
    let is = |key: usize| text_of(machine.value(key)).as_deref() == Some("little_endian");
    match items.iter().find(|(key, _)| is(*key)).map(|(_, value)| machine.value(*value)) {
        Some(Value::Bool(true)) => Ok(()),
        _ => Err("its numbers are not in little byte order".into()),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// Keys below which training scripts put the weights beside other things.
const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// The tensors of a dictionary by name, or those of the dictionary of weights in it. What is no tensor is passed over.
fn tensors_of<R: Read>(machine: &Machine<R>, top: usize) -> Result<Vec<(String, View)>, String> {
    let Value::Dict(items) = machine.value(top) else { return Err("it holds no dictionary of tensors".into()) };
    let mut found = BTreeMap::new();
    for (key, value) in items {
        if let (Value::Text(name), Value::Tensor(view)) = (machine.value(*key), machine.value(*value)) {
            found.insert(name.clone(), view.clone()); // as in Python, the last one counts
        }
    }
    if !found.is_empty() {
        return Ok(found.into_iter().collect());
    }
    let nested = |(key, value): &(usize, usize)| {
        let name = text_of(machine.value(*key))?;
        let is_other_dict = *value != top && matches!(machine.value(*value), Value::Dict(_));
        (NESTED.contains(&name.as_str()) && is_other_dict).then_some(*value)
    };
    match items.iter().find_map(nested).map(|inner| machine.value(inner)) {
        Some(Value::Dict(items))
            if items.iter().any(|(_, value)| matches!(machine.value(*value), Value::Tensor(_))) =>
        {
            let tensor = |(key, value): &(usize, usize)| match machine.value(*value) {
                Value::Tensor(view) => Some((text_of(machine.value(*key))?, view.clone())),
                _ => None,
            };
            let unique: BTreeMap<String, View> = items.iter().filter_map(tensor).collect();
            Ok(unique.into_iter().collect())
        }
        _ => Err("it holds no tensors".into()),
    }
}

/// Bytes of a number.
fn width(dtype: Dtype) -> u64 {
    dtype.bitsize() as u64 / 8
}

/// Tensors where their storages lie; every storage has the numbers that it promises.
fn placed(tensors: Vec<(String, View)>, places: &Places) -> Result<Header, String> {
    let mut lengths: HashMap<&str, (Dtype, u64)> = HashMap::new();
    for (name, View { storage: Storage { dtype, key, len, first }, .. }) in &tensors {
        let (_, n_bytes) = places.get(key).ok_or_else(|| format!("tensor \"{name}\": storage {key} is missing"))?;
        let (len, first, width) = (*len as u64, *first as u64, width(*dtype));
        let needed = len.checked_add(first).and_then(|n| n.checked_mul(width));
        let whole = if first == 0 { needed == Some(*n_bytes) } else { needed.is_some_and(|needed| needed <= *n_bytes) };
        if !whole {
            let said = format!("storage {key} promises {len} numbers of {dtype}");
            return Err(format!("tensor \"{name}\": {said}, but has {n_bytes} bytes: the file is damaged"));
        }
        let (before, _) = lengths.entry(key).or_insert((*dtype, len));
        if before != dtype {
            return Err(format!("tensor \"{name}\": storage {key} is of {dtype} here, of {before} elsewhere"));
        }
    }
    let tensor = |(name, view): (String, View)| {
        let (at, _) = places[&view.storage.key];
        let start = at + (view.storage.first + view.offset) as u64 * width(view.storage.dtype);
        let strides = (!view.is_contiguous()).then_some(view.strides);
        (name, Tensor { dtype: view.storage.dtype, shape: view.shape, strides, start })
    };
    Ok(Header { metadata: BTreeMap::new(), tensors: tensors.into_iter().map(tensor).collect() })
}

/// The entries of an archive by name.
fn zip_entries(file: &File) -> Result<BTreeMap<String, Entry>, String> {
    let n_bytes = file.metadata().map_err(|e| e.to_string())?.len();
    let directory = zip_directory(file, n_bytes)?;
    let bytes = exactly(file, directory.at, directory.n_bytes)?;
    let (mut entries, mut rest) = (BTreeMap::new(), bytes.as_slice());
    let mut spans = Vec::new();
    for _ in 0..directory.entries {
        let listed = zip_entry(&mut rest)?;
        let shown = listed.name.escape_debug().to_string();
        let start = zip_body(file, listed.at, &listed.name)?;
        let end = start.checked_add(listed.n_bytes).filter(|end| *end <= directory.at);
        let end =
            end.ok_or_else(|| format!("entry \"{shown}\" reaches beyond the entries: the file is cut or damaged"))?;
        spans.push((listed.at, end));
        if entries.insert(listed.name.clone(), Entry { at: start, ..listed }).is_some() {
            return Err(format!("entry \"{shown}\" is there twice"));
        }
    }
    if !rest.is_empty() {
        return Err("the list of entries is longer than they are".into());
    }
    spans.sort_unstable();
    if spans.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        return Err("entries overlap".into());
    }
    Ok(entries)
}

/// Where the list of entries lies.
struct Directory {
    at: u64,
    n_bytes: u64,
    entries: u64,
}

/// What the end of an archive says of its list of entries, which must lie right before.
fn zip_directory(file: &File, n_bytes: u64) -> Result<Directory, String> {
    const END: usize = 22;
    const LOCATOR: u64 = 20;
    const END64: u64 = 56;
    let no_end = "the archive's end is missing: the file is cut";
    let tail_at = n_bytes.saturating_sub((END + 0xffff) as u64);
    let tail = exactly(file, tail_at, n_bytes - tail_at)?;
    let last = tail.len().checked_sub(END).ok_or(no_end)?;
    let fits =
        |i: &usize| tail[*i..].starts_with(b"PK\x05\x06") && i + END + u16_at(&tail, i + 20) as usize == tail.len();
    let i = (0..=last).rev().find(fits).ok_or(no_end)?;
    let narrow = [u16_at(&tail, i + 10), u32_at(&tail, i + 12), u32_at(&tail, i + 16)];
    let (mut end, [mut entries, mut size, mut at]) = (tail_at + i as u64, narrow);
    let locator = end.checked_sub(LOCATOR).map(|at| exactly(file, at, LOCATOR)).transpose()?;
    if let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
        end = u64_at(&locator, 8); // PyTorch writes the wide record even where the narrow one would do
        let record = exactly(file, end, END64)?;
        [entries, size, at] = [32, 40, 48].map(|i| u64_at(&record, i));
        let agree = |(narrow, wide, most): (u64, u64, u64)| narrow == most || narrow == wide;
        let pairs = [(narrow[0], entries, 0xffff), (narrow[1], size, 0xffff_ffff), (narrow[2], at, 0xffff_ffff)];
        if !record.starts_with(b"PK\x06\x06") || !pairs.into_iter().all(agree) {
            return Err("its two accounts of its entries disagree: the file is damaged".into());
        }
    }
    let found = Directory { at, n_bytes: size, entries };
    match found.at.checked_add(found.n_bytes) {
        Some(stop) if stop == end => Ok(found),
        _ => Err("the list of entries is not where the archive's end says".into()),
    }
}

/// An entry of an archive.
struct Entry {
    name: String,
    /// Where its own header is, as the list has it; once that was read, where its bytes begin.
    at: u64,
    n_bytes: u64,
    /// The checksum of its bytes (CRC-32); 0 where none was computed (`torch.serialization.set_crc32_options(False)`).
    sum: u32,
}

impl Entry {
    fn part<'a>(&self, file: &'a File) -> Part<'a> {
        Part { file, at: self.at, end: self.at + self.n_bytes }
    }

    /// Refuses bytes that are not those that were written.
    fn check_sum(&self, file: &File) -> Result<(), String> {
        if self.sum == 0 {
            return Ok(());
        }
        let (mut part, mut sum) = (self.part(file), crc32fast::Hasher::new());
        let mut buffer = vec![0; 1 << 16];
        loop {
            match part.read(&mut buffer).map_err(|e| e.to_string())? {
                0 => break,
                n => sum.update(&buffer[..n]),
            }
        }
        match sum.finalize() == self.sum {
            true => Ok(()),
            false => Err(format!(
                "the bytes of entry \"{}\" do not have their checksum: the file is damaged; download it again",
                self.name.escape_debug()
            )),
        }
    }
}

/// Takes the next entry off the list. Only what is stored as it is can be read in place, and cannot grow.
fn zip_entry(rest: &mut &[u8]) -> Result<Entry, String> {
    const LENGTH: usize = 46;
    let cut = "the list of entries is cut";
    if rest.len() < LENGTH || !rest.starts_with(b"PK\x01\x02") {
        return Err(cut.into());
    }
    let lengths = [28, 30, 32].map(|i| u16_at(rest, i) as usize);
    let (fixed, behind) = rest.split_at(LENGTH);
    let [name, extra, comment] = lengths;
    if behind.len() < name + extra + comment {
        return Err(cut.into());
    }
    let text = String::from_utf8(behind[..name].to_vec()).map_err(|_| "an entry's name is not UTF-8")?;
    let (method, flags) = (u16_at(fixed, 10), u16_at(fixed, 8));
    if method != 0 || flags & 1 != 0 {
        let shown = text.escape_debug();
        return Err(format!("entry \"{shown}\" is compressed or encrypted; PyTorch stores numbers as they are"));
    }
    let (mut packed, mut size, mut at) = (u32_at(fixed, 20), u32_at(fixed, 24), u32_at(fixed, 42));
    let wide = zip64(&behind[name..name + extra], [&mut size, &mut packed, &mut at]);
    if wide.is_none() || packed != size {
        return Err(format!("entry \"{}\" has sizes that disagree", text.escape_debug()));
    }
    *rest = &behind[name + extra + comment..];
    Ok(Entry { name: text, at, n_bytes: size, sum: u32_at(fixed, 16) as u32 })
}

/// Replaces the fields that 32 bits do not hold by those of the extra field that does.
fn zip64(mut extra: &[u8], fields: [&mut u64; 3]) -> Option<()> {
    let mut wide = &[][..];
    while extra.len() >= 4 {
        let (kind, len) = (u16_at(extra, 0), u16_at(extra, 2) as usize);
        let body = extra.get(4..4 + len)?;
        if kind == 1 {
            wide = body;
        }
        extra = &extra[4 + len..];
    }
    for field in fields.into_iter().filter(|field| **field == 0xffff_ffff) {
        let (first, rest) = wide.split_at_checked(8)?;
        *field = u64_at(first, 0);
        wide = rest;
    }
    Some(())
}

/// Where an entry's bytes begin: behind its own header, which must tell the same name.
fn zip_body(file: &File, at: u64, name: &str) -> Result<u64, String> {
    const LENGTH: u64 = 30;
    let header = exactly(file, at, LENGTH)?;
    let (n_name, n_extra) = (u16_at(&header, 26), u16_at(&header, 28));
    let stored = exactly(file, at + LENGTH, n_name)?;
    if !header.starts_with(&ZIP) || stored != name.as_bytes() {
        return Err(format!("entry \"{}\" is not where the list of entries says", name.escape_debug()));
    }
    Ok(at + LENGTH + n_name + n_extra)
}

/// These bytes of a file, if it has them.
fn exactly(file: &File, at: u64, n_bytes: u64) -> Result<Vec<u8>, String> {
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    if at.checked_add(n_bytes).is_none_or(|end| end > length) {
        return Err("it points beyond its own end: the file is cut or damaged".into());
    }
    let mut bytes = vec![0; n_bytes as usize];
    match read_at(file, &mut bytes, at).map_err(|e| e.to_string())? {
        n if n == bytes.len() => Ok(bytes),
        _ => Err("the file shrank while it was being read".into()),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u16_at(bytes, at) | u16_at(bytes, at + 2) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) | u32_at(bytes, at + 4) << 32
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{super::Weights, *};
    use std::fs;

    /// An archive whose entries are stored as they are.
    fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut bytes, mut list) = (Vec::new(), Vec::new());
        for (name, body) in entries {
            let at = bytes.len() as u32;
            let sizes = [body.len() as u32; 2].map(u32::to_le_bytes).concat();
            let name_len = (name.len() as u16).to_le_bytes();
            bytes.extend([&ZIP[..], &[0; 14], &sizes, &name_len, &[0; 2], name.as_bytes(), body].concat());
            let fixed = [&b"PK\x01\x02"[..], &[0; 16], &sizes, &name_len, &[0; 12], &at.to_le_bytes()].concat();
            list.extend([&fixed[..], name.as_bytes()].concat());
        }
        let counts = [entries.len() as u16; 2].map(u16::to_le_bytes).concat();
        let place = [list.len() as u32, bytes.len() as u32].map(u32::to_le_bytes).concat();
        [bytes, list, [&b"PK\x05\x06"[..], &[0; 4], &counts, &place, &[0; 2]].concat()].concat()
    }

    /// The same with the record of archives beyond 4 GB, which PyTorch always writes; `entries` are as many as it tells.
    fn zip64(entries: &[(&str, &[u8])], told: u64) -> Vec<u8> {
        let narrow = zip(entries);
        let (body, end) = narrow.split_at(narrow.len() - 22);
        let place = [
            u64::from(u32::from_le_bytes(end[12..16].try_into().unwrap())),
            u64_at(&[&end[16..20], &[0; 4]].concat(), 0),
        ];
        let counts = [told, told, place[0], place[1]].map(u64::to_le_bytes).concat();
        let record = [&b"PK\x06\x06"[..], &[0; 20], &counts].concat();
        let locator = [&b"PK\x06\x07"[..], &[0; 4], &(body.len() as u64).to_le_bytes(), &[0; 4]].concat();
        [body, &record, &locator, end].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
    }

    fn whole(n: u32) -> Vec<u8> {
        [&b"J"[..], &n.to_le_bytes()].concat()
    }

    fn tuple(numbers: &[u32]) -> Vec<u8> {
        let inner: Vec<u8> = numbers.iter().flat_map(|n| whole(*n)).collect();
        [&b"("[..], &inner, b"t"].concat()
    }

    /// A tensor of the storage "0" of `len` numbers of a kind.
    pub(crate) fn tensor(kind: &str, len: u32, offset: u32, shape: &[u32], strides: &[u32]) -> Vec<u8> {
        let numbers = format!("ctorch\n{kind}Storage\n").into_bytes();
        let storage = [b"(".to_vec(), text("storage"), numbers, text("0"), text("cpu"), whole(len), b"tQ".to_vec()];
        let function = b"ctorch._utils\n_rebuild_tensor_v2\n(";
        let hooks = b"\x89ccollections\nOrderedDict\n)R";
        [&function[..], &storage.concat(), &whole(offset), &tuple(shape), &tuple(strides), hooks, b"tR"].concat()
    }

    /// A dictionary of these.
    pub(crate) fn pickle(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let items: Vec<u8> = items.iter().flat_map(|(name, value)| [text(name), value.clone()].concat()).collect();
        [&b"\x80\x02}("[..], &items, b"u."].concat()
    }

    pub(crate) fn archive(pickle: &[u8], numbers: &[u8]) -> Vec<u8> {
        zip(&[("x/data.pkl", pickle), ("x/byteorder", b"little"), ("x/data/0", numbers), ("x/version", b"3\n")])
    }

    fn legacy(pickle: &[u8], len: u64, numbers: &[u8]) -> Vec<u8> {
        let magic = [&b"\x80\x02\x8a\x0a"[..], &MAGIC, b"."].concat();
        let system = [&b"\x80\x02}"[..], &text("little_endian"), b"\x88s."].concat();
        let keys = [&b"\x80\x02]"[..], &text("0"), b"a."].concat();
        [
            magic,
            b"\x80\x02M\xe9\x03.".to_vec(),
            system,
            pickle.to_vec(),
            keys,
            len.to_le_bytes().to_vec(),
            numbers.to_vec(),
        ]
        .concat()
    }

    fn numbers(n: u8) -> Vec<u8> {
        (0..n).flat_map(|i| f32::from(i).to_le_bytes()).collect()
    }

    fn open(bytes: &[u8]) -> Result<Weights> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
        Weights::open(folder.path())
    }

    #[track_caller]
    fn refused(case: &str, bytes: &[u8], says: &str) {
        let error = open(bytes).expect_err(case);
        assert_eq!(error.exit_code(), 65, "{case}: {error}");
        assert!(error.message().contains(says), "{case}: expected \"{says}\" in: {error}");
    }

    #[test]
    fn tensors_are_read_however_they_lie_in_their_storage() {
        let items = [
            ("whole", tensor("Float", 6, 0, &[2, 3], &[3, 1])),
            ("turned", tensor("Float", 6, 0, &[3, 2], &[1, 3])),
            ("last row", tensor("Float", 6, 3, &[3], &[1])),
            ("every other", tensor("Float", 6, 1, &[2], &[2])),
            ("one number", tensor("Float", 6, 5, &[], &[])),
            ("repeated", tensor("Float", 6, 4, &[2, 4], &[1, 0])),
            ("none", tensor("Float", 6, 0, &[0, 3], &[3, 1])),
        ];
        let pickle = pickle(&items);
        for bytes in [archive(&pickle, &numbers(6)), legacy(&pickle, 6, &numbers(6))] {
            let weights = open(&bytes).unwrap();
            let expected: [(&str, &[f32]); 7] = [
                ("whole", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
                ("turned", &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
                ("last row", &[3.0, 4.0, 5.0]),
                ("every other", &[1.0, 3.0]),
                ("one number", &[5.0]),
                ("repeated", &[4.0, 4.0, 4.0, 4.0, 5.0, 5.0, 5.0, 5.0]),
                ("none", &[]),
            ];
            for (name, values) in expected {
                assert_eq!(weights.read(name).unwrap(), values, "{name}");
            }
            let mut row = [0.0; 2];
            weights.read_rows_into("turned", 1..2, &mut row).unwrap();
            assert_eq!(row, [1.0, 4.0]);
            assert_eq!(weights.shape("turned"), Some(&[3, 2][..]));
        }
    }

    #[test]
    fn other_kinds_of_numbers_and_parameters_are_read() {
        let half = [half::f16::from_f32(1.5), half::f16::from_f32(-2.0)].map(|x| x.to_le_bytes()).concat();
        let weights = open(&archive(&pickle(&[("x", tensor("Half", 2, 0, &[2], &[1]))]), &half)).unwrap();
        assert_eq!(weights.read("x").unwrap(), [1.5, -2.0]);
        let long = [3_i64, 4].map(i64::to_le_bytes).concat();
        let weights = open(&archive(&pickle(&[("x", tensor("Long", 2, 0, &[2], &[1]))]), &long)).unwrap();
        assert_eq!(weights.read_u32("x").unwrap(), [3, 4]);
        let inner = tensor("Float", 2, 0, &[2], &[1]);
        let parameter = [&b"ctorch._utils\n_rebuild_parameter\n("[..], &inner, b"\x88}tR"].concat();
        let weights = open(&archive(&pickle(&[("x", parameter)]), &numbers(2))).unwrap();
        assert_eq!(weights.read("x").unwrap(), [0.0, 1.0]);
        let nested = pickle(&[
            ("epoch", whole(3)),
            ("state_dict", pickle(&[("x", inner)])[2..].strip_suffix(b".").unwrap().to_vec()),
        ]);
        assert_eq!(open(&archive(&nested, &numbers(2))).unwrap().read("x").unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn nothing_is_executed() {
        for name in [
            "os\nsystem",
            "builtins\neval",
            "torch.hub\nload",
            "posix\nsystem",
            "torch._utils\n__import__",
            "torch\nload",
        ] {
            let call = [format!("c{name}\n(").into_bytes(), text("id"), b"tR".to_vec()].concat();
            let shown = format!("it names {}, which no dictionary of tensors needs", name.replace('\n', "."));
            refused(name, &archive(&pickle(&[("x", call)]), &[]), &shown);
        }
        let by_stack = [text("os"), text("system"), b"\x93".to_vec()].concat();
        refused("by the stack", &archive(&pickle(&[("x", by_stack)]), &[]), "it names os.system");
        refused("INST", &archive(b"\x80\x02(ios\nsystem\n.", &[]), "instruction 0x69");
        refused(
            "state of a tensor",
            &archive(&pickle(&[("x", [tensor("Float", 1, 0, &[1], &[1]), b"}b".to_vec()].concat())]), &numbers(1)),
            "attributes are set on a tensor",
        );
    }

    #[test]
    fn pickles_that_are_no_weights_are_refused() {
        let cases: &[(&str, &[u8], &str)] = &[
            ("empty", b"", "ends in the middle"),
            ("an item of a list", b"\x80\x02]K\x01K\x02s.", "set in a list"),
            ("appended to a dictionary", b"\x80\x02}K\x01a.", "appended to a dictionary"),
            ("underflow", b"\x80\x020.", "more from the stack"),
            ("below a mark", b"\x80\x02}(0.", "more from the stack"),
            ("no mark", b"\x80\x02}u.", "no mark"),
            ("dangling memo", b"\x80\x02h\x07.", "nothing was remembered as 7"),
            ("key without value", b"\x80\x02}(K\x01u.", "a key has no value"),
            ("protocol 9", b"\x80\x09.", "found 9"),
            ("a text of 4 GB", b"\x80\x02X\xff\xff\xff\xff.", "ends in the middle"),
            ("bytes of 2^63", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "ends in the middle"),
            ("a number of 2 GB", b"\x80\x02\x8b\xff\xff\xff\x7f.", "2147483647 bytes"),
            ("no dictionary", b"\x80\x02K\x01.", "no dictionary"),
            ("no tensors", b"\x80\x02}.", "no tensors"),
            ("itself", b"\x80\x02}q\x00X\x05\0\0\0modelh\x00s.", "no tensors"),
        ];
        for (case, pickle, says) in cases {
            refused(case, &archive(pickle, &[]), says);
        }
        let deep = [b"\x80\x02".to_vec(), vec![b']'; 300_000], vec![b'a'; 299_999], b".".to_vec()].concat();
        refused("300,000 lists in one another", &archive(&deep, &[]), "no dictionary");
        let items = [&b"\x80\x02]q\x00("[..], &b"K\x01K\x01\x86".repeat(2_000), b"e"].concat();
        let copies = b"ccollections\nOrderedDict\nh\x00\x85R0".repeat(4_000);
        refused(
            "copies of what was remembered",
            &archive(&[items, copies, b".".to_vec()].concat(), &[]),
            "copies more",
        );
    }

    #[test]
    fn tensors_beyond_their_storage_are_refused() {
        let cases: &[(&str, Vec<u8>, &str)] = &[
            ("offset", tensor("Float", 2, 1, &[2], &[1]), "does not fit its storage of 2 numbers"),
            ("stride", tensor("Float", 2, 0, &[2], &[2]), "does not fit"),
            ("expanded", tensor("Float", 2, 0, &[1_000_000, 60_000], &[0, 0]), "repeats the 2 numbers"),
            ("overflow", tensor("Float", 2, 0, &[u32::MAX >> 1; 4], &[1; 4]), "overflows"),
            ("axes", tensor("Float", 2, 0, &[2], &[1, 1]), "as many strides"),
            ("negative", tensor("Float", 2, 0, &[u32::MAX], &[1]), "found -1"),
            ("length", tensor("Float", 3, 0, &[2], &[1]), "promises 3 numbers of F32, but has 8 bytes"),
            ("226 GB", tensor("Float", 0x7000_0000, 0, &[0x7000_0000], &[1]), "promises"),
        ];
        for (case, tensor, says) in cases {
            refused(case, &archive(&pickle(&[("x", tensor.clone())]), &numbers(2)), says);
        }
        let two = [("x", tensor("Float", 2, 0, &[2], &[1])), ("y", tensor("Long", 1, 0, &[1], &[1]))];
        refused("two kinds", &archive(&pickle(&two), &numbers(2)), "of I64 here, of F32 elsewhere");
        let one = pickle(&two[..1]);
        let missing = zip(&[("x/data.pkl", &one), ("x/data/1", &numbers(2))]);
        refused("no storage", &missing, "storage 0 is missing");
        refused("big", &zip(&[("x/data.pkl", &one), ("x/byteorder", b"big"), ("x/data/0", &numbers(2))]), "byte order");
        for (case, bytes) in [("cut", legacy(&one, 3, &numbers(2))), ("too long", legacy(&one, 1, &numbers(2)))] {
            refused(case, &bytes, if case == "cut" { "cut off" } else { "4 bytes more" });
        }
    }

    #[test]
    fn archives_that_lie_are_refused() {
        let pickle = pickle(&[("x", tensor("Float", 2, 0, &[2], &[1]))]);
        let good = archive(&pickle, &numbers(2));
        assert!(open(&good).is_ok());
        let entries: [(&str, &[u8]); 2] = [("x/data.pkl", &pickle), ("x/data/0", &numbers(2))];
        assert_eq!(open(&zip64(&entries, 2)).unwrap().read("x").unwrap(), [0.0, 1.0]);
        refused("two accounts", &zip64(&entries, 3), "two accounts");
        refused("cut", &good[..good.len() - 1], "end is missing");
        refused("two of a name", &zip(&[("x/data.pkl", &pickle), ("x/data.pkl", &pickle)]), "is there twice");
        let at = |what: &[u8]| good.windows(what.len()).position(|window| window == what).unwrap();
        let list = at(b"PK\x01\x02");
        let changed = |at: usize, to: &[u8]| {
            let mut bytes = good.clone();
            bytes[at..at + to.len()].copy_from_slice(to);
            bytes
        };
        refused("compressed", &changed(list + 10, &[8]), "compressed or encrypted");
        refused("encrypted", &changed(list + 8, &[1]), "compressed or encrypted");
        let sum = crc32fast::hash(&numbers(2)).to_le_bytes();
        let last = good.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        let of_numbers = good[..last].windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        assert!(open(&changed(of_numbers + 16, &sum)).is_ok());
        refused(
            "checksum",
            &changed(of_numbers + 16, &[sum[0] ^ 1, sum[1], sum[2], sum[3]]),
            "\"x/data/0\" do not have",
        );
        refused("sizes", &changed(list + 20, &[1]), "sizes that disagree");
        refused("a size beyond", &changed(list + 20, &[0, 255, 0, 0, 0, 255, 0, 0]), "reaches beyond");
        refused("zip64 without its field", &changed(list + 20, &[255; 8]), "sizes that disagree");
        refused("elsewhere", &changed(list + 42, &[3]), "points beyond its own end");
        refused("another list", &changed(good.len() - 6, &[0]), "not where the archive's end says");
        for (first, says) in
            [(&b"version https://git-lfs.github.com/spec/v1"[..], "git lfs pull"), (b"<!DOCTYPE html>", "web page")]
        {
            refused("no archive", first, says);
        }
    }

    /// Whatever the bytes, the answer is a header or an error.
    #[test]
    fn damaged_files_never_panic() {
        let pickle = pickle(&[("x", tensor("Float", 2, 0, &[2], &[1])), ("y", tensor("Float", 2, 1, &[1], &[1]))]);
        let good = [archive(&pickle, &numbers(2)), legacy(&pickle, 2, &numbers(2))];
        let mut state = 1_u64;
        let mut draw = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bin");
        for i in 0..4_000 {
            let mut bytes = good[i % 2].clone();
            for _ in 0..=draw(3) {
                let at = draw(bytes.len());
                bytes[at] = [draw(256) as u8, b'R', b'Q', b'(', b't', b'u', b'.', 0, 255][draw(9)];
            }
            bytes.truncate(bytes.len() - if draw(4) == 0 { draw(40) } else { 0 });
            fs::write(&path, &bytes).unwrap();
            if let Ok(weights) = Weights::open(&path) {
                weights.names().for_each(|name| _ = weights.read(name));
            }
        }
    }
}
