//! Parquet (parquet.apache.org), as the Hugging Face hub has data sets: a row becomes a line of JSON, which is read as those
//! of JSON Lines are, so that a line's number is the row's.
//!
//! Labels that the library `datasets` stores as numbers become the names that the file has for them.

use std::path::Path;

use super::TextFile;
use crate::error::Result;

/// Reads a file whole.
#[cfg(feature = "parquet")]
pub(super) fn read(path: &Path) -> Result<TextFile> {
    reading::read(path)
}

/// Says that this cannot be done.
#[cfg(not(feature = "parquet"))]
pub(super) fn read(path: &Path) -> Result<TextFile> {
    let remedy = "build it with that, or convert the file to .jsonl";
    Err(crate::error::Error::Usage(format!(
        "{}: this rxlt was built without Parquet (its feature \"parquet\"); {remedy}",
        path.display()
    )))
}

#[cfg(feature = "parquet")]
mod reading {
    use std::{collections::BTreeSet, path::Path};

    use ::parquet::{
        basic::Compression,
        errors::ParquetError,
        file::{
            metadata::{FileMetaData, ParquetMetaData},
            reader::{FileReader, SerializedFileReader},
        },
        record::Field,
    };
    use bytes::Bytes;
    use serde_json::{Map, Value, json};

    use crate::{
        error::{Error, Result},
        input,
        tasks::{TextFile, sha256, text_file::PARQUET},
        text::guarded,
    };

    /// The most text that a file's rows may become: a small file can hold one value a billion times.
    const MOST_TEXT: usize = 1 << 31;

    pub fn read(path: &Path) -> Result<TextFile> {
        let bytes = input::read(path)?;
        let sha256 = sha256(&bytes);
        let shown = path.display();
        if !bytes.starts_with(PARQUET) || !bytes.ends_with(PARQUET) {
            let found = if bytes.starts_with(PARQUET) { "an end that is missing" } else { "something else" };
            let remedy = "fetch or write it again";
            return Err(Error::Data(format!("{shown}: expected Parquet, PAR1 to PAR1, found {found}; {remedy}")));
        }
        // The crate panics on some of what a damaged file may hold.
        let text = guarded(|| lines(path, Bytes::from(bytes)));
        let text = text.unwrap_or_else(|panic| Err(broken(path, 0, &panic)))?;
        TextFile::of_rows(path, sha256, text)
    }

    /// What is wrong with a file, in this row where it is one's.
    fn broken(path: &Path, row: usize, reason: &dyn std::fmt::Display) -> Error {
        let place = if row == 0 { path.display().to_string() } else { format!("{}:{row}", path.display()) };
        let reason: String = reason.to_string().chars().take(200).collect();
        Error::Data(format!("{place}: this Parquet file cannot be read: {reason}; fetch or write it again"))
    }

    /// The rows as lines of JSON.
    fn lines(path: &Path, bytes: Bytes) -> Result<String> {
        let whole = |error: ParquetError| broken(path, 0, &error);
        let reader = SerializedFileReader::new(bytes).map_err(whole)?;
        let metadata = reader.metadata().file_metadata();
        check_names(path, metadata)?;
        check_compression(path, reader.metadata())?;
        let features = features(path, metadata)?;
        let (mut text, mut n) = (String::new(), 0);
        for row in reader.get_row_iter(None).map_err(whole)? {
            n += 1;
            let row = row.map_err(|error| broken(path, n, &error))?;
            let column = |(name, field): (&String, &Field)| Ok((name.clone(), named(value(field), &features[name])?));
            let object = row.get_column_iter().map(column).collect::<Result<Map<_, _>, String>>();
            let object = object.map_err(|reason| broken(path, n, &reason))?;
            text += &Value::Object(object).to_string();
            text.push('\n');
            if text.len() > MOST_TEXT {
                let remedy = "write it in several files";
                return Err(Error::Data(format!(
                    "{}:{n}: more than {MOST_TEXT} bytes of text; {remedy}",
                    path.display()
                )));
            }
        }
        match metadata.num_rows() == n as i64 {
            true => Ok(text),
            false => Err(broken(path, 0, &format!("expected {} rows, found {n}", metadata.num_rows()))),
        }
    }

    fn check_names(path: &Path, metadata: &FileMetaData) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut names = metadata.schema().get_fields().iter().map(|field| field.name());
        names.find(|name| !seen.insert(*name)).map_or(Ok(()), |twice| {
            Err(Error::Data(format!("{}: two columns are called \"{twice}\"; rename one", path.display())))
        })
    }

    fn check_compression(path: &Path, metadata: &ParquetMetaData) -> Result<()> {
        let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
        let is_read =
            |kind: &Compression| matches!(kind, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_));
        columns.map(|column| column.compression()).find(|kind| !is_read(kind)).map_or(Ok(()), |kind| {
            let remedy = "write it again, compressed by Snappy or Zstandard or not at all";
            Err(Error::Data(format!("{}: compressed by {kind}, which is not read; {remedy}", path.display())))
        })
    }

    /// What `datasets` says of the columns; nothing where another library wrote the file.
    fn features(path: &Path, metadata: &FileMetaData) -> Result<Value> {
        let mut pairs = metadata.key_value_metadata().into_iter().flatten();
        let Some(text) = pairs.find(|pair| pair.key == "huggingface").and_then(|pair| pair.value.as_ref()) else {
            return Ok(Value::Null);
        };
        let mut said: Value = serde_json::from_str(text)
            .map_err(|error| broken(path, 0, &format!("its metadata \"huggingface\" are no JSON: {error}")))?;
        Ok(said["info"]["features"].take())
    }

    /// A value with the names of labels in place of their numbers; -1 stands for none.
    fn named(value: Value, feature: &Value) -> Result<Value, String> {
        match value {
            Value::Number(number) if feature["_type"] == "ClassLabel" => match (number.as_u64(), number.as_i64()) {
                (Some(id), _) => feature["names"].get(id as usize).cloned().ok_or_else(|| {
                    let n = feature["names"].as_array().map_or(0, Vec::len);
                    format!("label {id} has no name among the {n} of the file's metadata")
                }),
                (None, Some(-1)) => Ok(Value::Null),
                _ => Err(format!("a label is {number}")),
            },
            Value::Array(items) => {
                // A list of a list's one element is how `datasets` once wrote it.
                let of_item = feature.get("feature").or(feature.get(0)).unwrap_or(&Value::Null);
                items.into_iter().map(|item| named(item, of_item)).collect::<Result<_, _>>().map(Value::Array)
            }
            other => Ok(other),
        }
    }

    /// A value as JSON. Numbers that JSON does not have, dates and the like are texts; bytes stay unread.
    fn value(field: &Field) -> Value {
        match field {
            Field::Null => Value::Null,
            Field::Bool(value) => json!(value),
            Field::Byte(value) => json!(value),
            Field::Short(value) => json!(value),
            Field::Int(value) => json!(value),
            Field::Long(value) => json!(value),
            Field::UByte(value) => json!(value),
            Field::UShort(value) => json!(value),
            Field::UInt(value) => json!(value),
            Field::ULong(value) => json!(value),
            Field::Str(value) => json!(value),
            // The shortest digits that mean a number of 32 bits: 3.8, not 3.799999952316284.
            Field::Float(value) => number(f64::from(*value), value.to_string()),
            Field::Double(value) => number(*value, value.to_string()),
            Field::Bytes(value) => json!({"bytes": value.len()}),
            Field::Group(row) => {
                row.get_column_iter().map(|(name, field)| (name.clone(), self::value(field))).collect()
            }
            Field::ListInternal(list) => list.elements().iter().map(self::value).collect(),
            Field::MapInternal(map) => {
                map.entries().iter().map(|(key, value)| json!([self::value(key), self::value(value)])).collect()
            }
            other => json!(other.to_string()),
        }
    }

    fn number(value: f64, digits: String) -> Value {
        let number = digits.parse().ok().filter(|_| value.is_finite()).map(Value::Number);
        number.unwrap_or(Value::String(digits))
    }
}

#[cfg(test)]
#[cfg(feature = "parquet")]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::tasks::{Definition, Loaded, Task, own};

    /// A file that scripts/make_parquet.py wrote.
    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(format!("{name}.parquet"))
    }

    fn text(name: &str) -> String {
        read(&file(name)).unwrap().lines().map(|(_, line)| format!("{line}\n")).collect()
    }

    fn task(text: &str) -> &'static Task {
        let files = "[[layouts]]\ntest = [\"x.parquet\"]\n";
        Definition::parse(&format!("name = \"t\"\n{text}\n{files}"), "t.toml").unwrap().leak()
    }

    const PAIRS: &str = "pairs = true\nlabels = [\"entailment\", \"neutral\", \"contradiction\"]";
    const TAGS: &str = "kind = \"tag\"\nlabels = [\"O\", \"B-PER\", \"I-PER\", \"B-LOC\"]";

    fn load(text: &str, name: &str) -> Result<Loaded> {
        task(text).load_files(&[file(name)], "en")
    }

    #[test]
    fn every_compression_encoding_and_page_reads_alike() {
        let snappy = load(PAIRS, "pairs-snappy").unwrap();
        assert_eq!(snappy.examples.len(), 24);
        let tenth = &snappy.examples[9];
        let (a, b) = ("Sentence number 9 is «here».", "All is here.");
        assert_eq!((&*tenth.id, tenth.row, &*tenth.a, tenth.b.as_deref()), ("pairs-snappy:10", 10, a, Some(b)));
        assert_eq!(snappy.examples[10].b.as_deref(), Some("Nothing is.\nNot a thing."));
        assert_eq!(snappy.histogram(), [("entailment", 8), ("neutral", 8), ("contradiction", 8)]);
        let expected = text("pairs-snappy");
        assert!(expected.starts_with("{\"premise\":\"Sentence number 0 is «here».\",\"hypothesis\":\"All is here.\",\"label\":\"entailment\",\"note\":\"even\"}\n"));
        assert!(expected.contains("\"label\":\"neutral\",\"note\":null}"));
        for name in ["pairs-zstd", "pairs-none"] {
            assert_eq!(text(name), expected, "{name}");
        }
    }

    #[test]
    fn words_have_the_names_of_their_tags() {
        for name in ["words", "words-old"] {
            let loaded = load(TAGS, name).unwrap();
            let [first, second] = &loaded.examples[..] else { panic!("{loaded:?}") };
            assert_eq!((&*first.a, &*second.a), ("Anna Ek ist in Köln", "Ja"));
            let tags: Vec<_> = first.words.iter().map(|word| word.label.unwrap()).collect();
            assert_eq!(tags, [1, 2, 0, 0, 3]);
        }
    }

    #[test]
    fn questions_have_their_answers() {
        let loaded = load("kind = \"span\"", "questions").unwrap();
        let [only] = &loaded.examples[..] else { panic!("{loaded:?}") };
        assert_eq!((only.key.as_deref(), &*only.a, only.answers[0].start), (Some("q1"), "Où?", 10));
        assert_eq!(loaded.dropped.values().sum::<usize>(), 1);
    }

    #[test]
    fn values_of_all_types_are_read() {
        let expected = concat!(
            "{\"i8\":-1,\"u32\":4294967295,\"u64\":18446744073709551615,\"f16\":\"0.5\",\"f32\":3.8,\"f64\":0.1,",
            "\"flag\":true,\"large\":\"a\",\"coded\":\"x\",\"bytes\":{\"bytes\":2},\"day\":\"2020-02-29\",\"sum\":\"1.50\",",
            "\"lists\":[[1],[]],\"parts\":{\"a\":1,\"b\":\"x\"}}\n",
        );
        assert_eq!(text("types").split_inclusive('\n').next(), Some(expected));
        assert!(text("types").contains("\"f32\":\"NaN\",\"f64\":1e+300"));
    }

    #[test]
    fn a_task_is_guessed_from_columns_and_names() {
        let guess = |name: &str| {
            let train = file(name);
            own::guess(&own::Named { train: &train, dev: None, test: None, source: "en" }).map(|guess| guess.definition)
        };
        let pairs = guess("pairs-zstd").unwrap();
        assert_eq!((pairs.pairs, pairs.labels.join(" ")), (true, "contradiction entailment neutral".to_owned()));
        assert_eq!(guess("words").unwrap().labels, ["B-LOC", "B-PER", "I-PER", "O"]);
        assert!(guess("questions").unwrap().to_toml().contains("kind = \"span\""));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_row() {
        for (text, name, says) in [
            (PAIRS, "label-null", "label-null.parquet:3: \"\" is no label"),
            (PAIRS, "label-hidden", "label-hidden.parquet:3: \"\" is no label"),
            (
                PAIRS,
                "label-unnamed",
                "label-unnamed.parquet:3: this Parquet file cannot be read: label 3 has no name among the 3",
            ),
            (PAIRS, "no-rows", "no-rows.parquet is empty"),
            (PAIRS, "pairs-gzip", "pairs-gzip.parquet: compressed by GZIP"),
            (PAIRS, "types", "types.parquet:1: expected a header that names the columns of both sentences"),
            (TAGS, "words-uneven", "words-uneven.parquet:2: expected a tag for each word, found 1 words and 2 tags"),
            (TAGS, "pairs-zstd", "pairs-zstd.parquet:1: no column \"tokens\""),
            ("kind = \"span\"", "words", "words.parquet:1: expected a question (id, question, context, answers"),
            ("labels = [\"a\", \"b\"]", "words", "expected a header that names the column of the text"),
        ] {
            let error = load(text, name).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains(says), "{name}: {error}");
        }
        let error = TextFile::read(&file("words")).unwrap_err();
        assert!(error.message().contains("expected text in UTF-8, found Parquet"), "{error}");
    }

    /// Neither a cut nor a changed byte makes it panic, or read what is not there: with checksums nothing is read at all.
    #[test]
    fn damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        for name in ["pairs-none", "pairs-snappy", "pairs-zstd", "words", "questions"] {
            let whole = fs::read(file(name)).unwrap();
            for end in (0..whole.len()).step_by(37) {
                fs::write(&path, &whole[..end]).unwrap();
                let error = read(&path).unwrap_err();
                assert!(error.exit_code() == 65 && error.message().contains("x.parquet"), "{name} to {end}: {error}");
            }
            for at in (4..whole.len()).step_by(7) {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << (at % 8);
                fs::write(&path, &damaged).unwrap();
                read(&path).err().iter().for_each(|error| assert_eq!(error.exit_code(), 65, "{name} at {at}: {error}"));
            }
        }
        let mut damaged = fs::read(file("pairs-none")).unwrap();
        let at = damaged.windows(8).position(|part| part == b"Sentence").unwrap();
        damaged[at] = b's';
        fs::write(&path, damaged).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.message().contains("checksum"), "{error}");
    }
}
