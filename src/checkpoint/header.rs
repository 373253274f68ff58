//! The header of a safetensors file, believed only after every rule of the format has been checked.
//!
//! Own checks rather than the `safetensors` crate's, because that one lets a duplicate name through (the last wins),
//! and because a message here names the tensor and the remedy.

use std::{collections::BTreeMap, fmt, fs::File, path::Path};

use safetensors::Dtype;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor, value};

use super::read_at;
use crate::{
    error::{Error, Result},
    input::Object,
};

/// The format's limit on a header, in bytes.
pub(super) const LONGEST: u64 = 100_000_000;
/// What numbers of weights may be stored as.
pub(crate) const READ: &str = "F32, F16, BF16, F64 or F8_E4M3";
const AGAIN: &str = "the file is damaged: download or export it again";

/// What a file says about itself.
#[derive(Debug)]
pub(super) struct Header {
    pub metadata: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, Tensor>,
}

/// One tensor of a file: the kind of its numbers, its shape, and where in the file its bytes begin.
#[derive(Debug, PartialEq)]
pub(super) struct Tensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// How many numbers lie between neighbours along each axis, where they do not simply follow one another.
    pub strides: Option<Vec<usize>>,
    pub start: u64,
}

/// Reads and checks the header of the safetensors file `file`, found at `path`.
pub(super) fn read(file: &File, path: &Path) -> Result<Header> {
    let n_bytes = file.metadata().map_err(|e| Error::read(path, &e))?.len();
    let mut first = [0; 8];
    if read_at(file, &mut first, 0).map_err(|e| Error::read(path, &e))? < 8 {
        return Err(data(path, format_args!("not {} ({n_bytes} bytes); {AGAIN}", kind(path))));
    }
    let length = u64::from_le_bytes(first);
    if length > LONGEST || length > n_bytes - 8 {
        let what = format!("expected a header of at most {} bytes, found {length}", LONGEST.min(n_bytes - 8));
        return Err(data(path, format_args!("not {}, or cut short: {what}; {}", kind(path), hint(&first))));
    }
    let mut text = vec![0; length as usize];
    if read_at(file, &mut text, 8).map_err(|e| Error::read(path, &e))? < text.len() {
        return Err(data(path, "the file shrank while it was being read"));
    }
    let raw = parse(&text).map_err(|what| data(path, format_args!("header: {what}; {AGAIN}")))?;
    check(raw, 8 + length, n_bytes).map_err(|what| data(path, what))
}

/// What a file of weights should be, by its name.
fn kind(path: &Path) -> &'static str {
    let is_safetensors = path.extension().is_some_and(|extension| extension == "safetensors");
    if is_safetensors { "a safetensors file" } else { "a PyTorch or safetensors file" }
}

/// An [`Error::Data`] about `path`.
pub(super) fn data(path: &Path, what: impl fmt::Display) -> Error {
    Error::Data(format!("{}: {what}", path.display()))
}

/// What a file that is no safetensors file most likely is, and what to do about it.
fn hint(first: &[u8; 8]) -> &'static str {
    match first {
        b"version " => "this is a Git LFS pointer: run `git lfs pull`",
        [b'<', ..] => "this is a web page, not the file: download it again",
        _ => AGAIN,
    }
}

/// The header as written: names may still lie about the bytes.
struct Raw {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, Info)>,
}

#[derive(serde::Deserialize)]
struct Info {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

fn parse(text: &[u8]) -> Result<Raw, String> {
    if text.first() != Some(&b'{') {
        return Err(format!("expected it to begin with '{{', found {:?}", text.first().map(|&byte| byte as char)));
    }
    let text = str::from_utf8(text).map_err(|e| format!("not UTF-8: {e}"))?;
    serde_json::from_str(text).map_err(|e| e.to_string())
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let (mut metadata, mut tensors) = (None, Vec::new());
                while let Some(name) = map.next_key::<String>()? {
                    let failed = |e: A::Error| A::Error::custom(format!("\"{name}\": {e}"));
                    if name != "__metadata__" {
                        let info = map.next_value().map_err(failed)?;
                        tensors.push((name, info));
                    } else {
                        let texts = |object: Object| object.texts().map_err(A::Error::custom);
                        if metadata.replace(map.next_value().and_then(texts).map_err(failed)?).is_some() {
                            return Err(A::Error::custom("\"__metadata__\" is there twice"));
                        }
                    }
                }
                Ok(Raw { metadata: metadata.unwrap_or_default(), tensors })
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// Tensors must fill the file from `body` (the first byte after the header) to its end: no overlap, hole or remainder.
fn check(raw: Raw, body: u64, n_bytes: u64) -> Result<Header, String> {
    let mut spans = Vec::with_capacity(raw.tensors.len());
    let mut tensors = BTreeMap::new();
    for (name, info) in raw.tensors {
        let (start, end) = info.data_offsets;
        let tensor = sized(&info, body).map_err(|what| format!("tensor \"{name}\": {what}; {AGAIN}"))?;
        spans.push((start, end, name.clone()));
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(format!("tensor \"{name}\" is there twice; {AGAIN}"));
        }
    }
    spans.sort();
    let mut expected = 0;
    for (start, end, name) in &spans {
        if *start != expected {
            let fault = if *start < expected { "overlaps the one before" } else { "leaves a hole before it" };
            return Err(format!("tensor \"{name}\" {fault}: expected it at offset {expected}, found {start}; {AGAIN}"));
        }
        expected = *end;
    }
    let found = n_bytes - body;
    if found < expected {
        let (what, name) = (expected - found, &spans[spans.len() - 1].2);
        return Err(format!("truncated by {what} bytes (the last tensor is \"{name}\"); download it again"));
    }
    if found > expected {
        return Err(format!("{} bytes more than its tensors need; download it again", found - expected));
    }
    Ok(Header { metadata: raw.metadata, tensors })
}

/// One tensor whose offsets agree with its shape and the kind of its numbers.
fn sized(info: &Info, body: u64) -> Result<Tensor, String> {
    let (start, end) = info.data_offsets;
    let dtype = Dtype::deserialize(value::StrDeserializer::<value::Error>::new(&info.dtype))
        .map_err(|_| format!("unknown dtype {:?}, expected {READ}", info.dtype))?;
    let found = end.checked_sub(start).ok_or_else(|| format!("offsets are reversed: [{start}, {end}]"))?;
    let bits = info.shape.iter().try_fold(dtype.bitsize() as u64, |product, &n| product.checked_mul(n as u64));
    let bits = bits.ok_or_else(|| format!("shape {:?} overflows", info.shape))?;
    if bits % 8 != 0 || bits / 8 != found {
        return Err(format!(
            "expected {} bytes for {dtype} {:?}, found {found} (offsets [{start}, {end}])",
            bits.div_ceil(8),
            info.shape
        ));
    }
    let start = body.checked_add(start).ok_or_else(|| format!("offset {start} overflows"))?;
    Ok(Tensor { dtype, shape: info.shape.clone(), strides: None, start })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Write};

    /// A file of `header` and `n_body` bytes of values.
    fn file(header: &[u8], n_body: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header, &vec![0; n_body]].concat()
    }

    fn read_bytes(bytes: &[u8]) -> Result<Header> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        read(&fs::File::open(file.path()).unwrap(), file.path())
    }

    #[track_caller]
    fn refused(case: &str, bytes: &[u8], says: &[&str]) {
        let error = read_bytes(bytes).expect_err(case);
        assert_eq!(error.exit_code(), 65, "{case}: {error}");
        for part in says {
            assert!(error.message().contains(part), "{case}: expected \"{part}\" in: {error}");
        }
    }

    const A: &str = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;

    #[test]
    fn good_headers_are_read() {
        let cases: &[(&str, usize, usize)] = &[
            ("{}", 0, 0),
            (r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   "#, 8, 1),
            (r#"{"scalar":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}"#, 8, 1),
            (
                r#"{"b":{"dtype":"F16","shape":[3],"data_offsets":[8,14]},"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#,
                14,
                2,
            ),
            (
                r#"{"empty":{"dtype":"F32","shape":[0,9],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#,
                3,
                2,
            ),
        ];
        for (header, n_body, n_tensors) in cases {
            let read = read_bytes(&file(header.as_bytes(), *n_body)).expect(header);
            assert_eq!(read.tensors.len(), *n_tensors, "{header}");
        }
    }

    #[test]
    fn files_that_are_no_safetensors_are_refused() {
        for n_bytes in 0..8 {
            refused("tiny", &vec![b'{'; n_bytes], &[&format!("not a PyTorch or safetensors file ({n_bytes} bytes)")]);
        }
        let length = |n: u64| [&n.to_le_bytes()[..], b"{}"].concat();
        refused("length 2^63", &length(1 << 63), &["at most 2 bytes", "9223372036854775808"]);
        refused("length 2^64 - 1", &length(u64::MAX), &["18446744073709551615"]);
        refused("length above the limit", &length(LONGEST + 1), &["100000001"]);
        refused("length beyond the file", &length(3), &["at most 2 bytes, found 3", "again"]);
        refused("git lfs", b"version https://git-lfs.github.com/spec/v1", &["git lfs pull"]);
        refused("web page", b"<!DOCTYPE html>", &["web page"]);
    }

    #[test]
    fn headers_that_are_no_json_object_are_refused() {
        let deep = "[".repeat(100_000);
        let deep_metadata = format!(r#"{{"__metadata__":{deep}"#);
        let deep_tensor = format!(r#"{{"a":{{"x":{deep}"#);
        let cases: &[(&str, &[u8], &str)] = &[
            ("empty", b"", "begin with '{'"),
            ("leading space", b" {}", "begin with '{'"),
            ("an array", b"[]", "begin with '{'"),
            ("not UTF-8", b"{\"\xff\":1}", "not UTF-8"),
            ("not JSON", b"{nonsense}", "line 1 column 2"),
            ("cut", br#"{"a":"#, "line 1"),
            ("two values", b"{}{}", "trailing characters"),
            ("deep array", deep.as_bytes(), "begin with '{'"),
            ("deep metadata", deep_metadata.as_bytes(), "__metadata__"),
            ("deep tensor", deep_tensor.as_bytes(), "\"a\""),
            ("metadata with numbers", br#"{"__metadata__":{"n":1}}"#, "expected a string"),
            ("metadata key twice", br#"{"__metadata__":{"k":"1","k":"2"}}"#, "\"k\" stands there twice"),
            ("metadata twice", br#"{"__metadata__":{},"__metadata__":{}}"#, "is there twice"),
            ("no dtype", br#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, "missing field `dtype`"),
            ("negative offset", br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#, "\"a\": invalid value"),
            ("three offsets", br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}}"#, "\"a\""),
            ("fractional shape", br#"{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}"#, "\"a\""),
        ];
        for (case, header, says) in cases {
            refused(case, &file(header, 8), &[says, "again"]);
        }
    }

    #[test]
    fn tensors_that_do_not_fit_the_file_are_refused() {
        let one = |dtype: &str, shape: &str, offsets: &str| {
            format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        let two = |offsets: &str| format!(r#"{{{A},"b":{{"dtype":"F32","shape":[2],"data_offsets":{offsets}}}}}"#);
        let cases: &[(&str, String, usize, &[&str])] = &[
            ("unknown dtype", one("Q4_0", "[2]", "[0,8]"), 8, &["\"a\"", "\"Q4_0\"", "F32, F16, BF16"]),
            ("dtype in small letters", one("f32", "[2]", "[0,8]"), 8, &["\"f32\""]),
            ("reversed", one("F32", "[2]", "[8,0]"), 8, &["\"a\"", "reversed", "[8, 0]"]),
            ("too few bytes", one("F32", "[3]", "[0,8]"), 8, &["\"a\"", "expected 12 bytes", "found 8"]),
            ("too many bytes", one("F32", "[1]", "[0,8]"), 8, &["\"a\"", "expected 4 bytes", "found 8"]),
            ("half a byte", one("F4", "[3]", "[0,2]"), 2, &["\"a\"", "expected 2 bytes"]),
            ("overflow", one("F32", "[4611686018427387904,4]", "[0,0]"), 0, &["\"a\"", "overflows"]),
            ("overflow by dtype", one("F64", "[2305843009213693952]", "[0,0]"), 0, &["\"a\"", "overflows"]),
            ("twice", format!("{{{A},{A}}}"), 8, &["\"a\" is there twice"]),
            ("overlap", two("[4,12]"), 12, &["\"b\" overlaps", "offset 8, found 4"]),
            ("same place", two("[0,8]"), 8, &["\"b\" overlaps"]),
            ("hole", two("[12,20]"), 20, &["\"b\" leaves a hole", "offset 8, found 12"]),
            ("hole at the start", one("F32", "[2]", "[4,12]"), 12, &["\"a\" leaves a hole"]),
            ("truncated", format!("{{{A}}}"), 6, &["truncated by 2 bytes", "\"a\"", "download it again"]),
            ("past the end", two("[8,16]"), 8, &["truncated by 8 bytes", "\"b\""]),
            ("far past the end", one("U8", "[0]", "[18446744073709551615,18446744073709551615]"), 0, &["overflows"]),
            ("trailing", format!("{{{A}}}"), 11, &["3 bytes more", "download it again"]),
            ("only trailing", "{}".into(), 1, &["1 bytes more"]),
        ];
        for (case, header, n_body, says) in cases {
            refused(case, &file(header.as_bytes(), *n_body), says);
        }
    }

    /// Whatever the bytes, the answer is a header or an error.
    #[test]
    fn damaged_files_never_panic() {
        let header = format!(
            r#"{{"__metadata__":{{"format":"pt"}},{A},"b":{{"dtype":"F16","shape":[1,2],"data_offsets":[8,12]}}}}"#
        );
        let good = file(header.as_bytes(), 12);
        let mut state = 1_u64;
        let mut draw = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        for _ in 0..3_000 {
            let mut bytes = good.clone();
            for _ in 0..=draw(3) {
                let at = draw(bytes.len());
                bytes[at] = b"0123456789[]{},:\"F\0\xff "[draw(21)];
            }
            bytes.truncate(good.len() - draw(4));
            let _ = read_bytes(&bytes);
        }
    }
}
