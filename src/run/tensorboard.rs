//! A run's log as TensorBoard reads it: event files of scalars, a folder for each stage.
//!
//! A file is a function of the log alone. It follows the log while that grows; where a run went back to a checkpoint, and
//! whenever a log is read anew, the file is made again under a later name, and begins with what tells a TensorBoard that
//! looks on to forget the steps it has (`SessionLog.START` at step 0). So no step is there twice.
//!
//! Framing is that of TFRecord (tensorflow/core/lib/io/record_writer.cc), and messages are `Event` and `Summary` of
//! tensorflow/core/util/event.proto and framework/summary.proto, of which a few fields are needed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use super::files::{self, LOG};
use crate::error::{Error, Result};

/// The folder beside the log in which a run keeps its event files.
pub const FOLDER: &str = "tensorboard";

/// How the name of an event file begins: TensorBoard knows them by it.
const PREFIX: &str = "events.out.tfevents.";

/// How it ends where we wrote it.
const SUFFIX: &str = ".rxlt";

/// Keys of a line that are no scalars.
const NO_SCALARS: [&str; 8] = ["event", "stage", "step", "of", "time", "task", "tokens", "seconds"];

/// The event files of a run.
#[derive(Debug)]
pub struct Board {
    log: PathBuf,
    place: PathBuf,
    /// How far the log was read.
    read: u64,
    /// The last line of it, by which a log is known that went back and on.
    last: Vec<u8>,
    /// When the last line was written, where lines do not say it: the run's start and the seconds of updates.
    clock: f64,
    files: BTreeMap<String, File>,
}

impl Board {
    /// Of a run's folder, with a folder for each stage in `place`.
    pub fn new(run: &Path, place: &Path) -> Board {
        let (log, place) = (run.join(LOG), place.to_owned());
        Board { log, place, read: 0, last: Vec::new(), clock: 0.0, files: BTreeMap::new() }
    }

    /// Whether it is of this run.
    pub fn is_of(&self, run: &Path) -> bool {
        self.log.parent() == Some(run)
    }

    /// Writes what the log has got since the last time; of a log that went back, all.
    pub fn update(&mut self) -> Result<()> {
        let Ok(mut log) = File::open(&self.log) else { return Ok(()) }; // it is not begun yet
        let failed = |error: std::io::Error| Error::read(&self.log, &error);
        let mut bytes = Vec::new();
        let from = self.read - self.last.len() as u64;
        log.seek(SeekFrom::Start(from)).map_err(failed)?;
        log.read_to_end(&mut bytes).map_err(failed)?;
        if !bytes.starts_with(&self.last) {
            self.begin_anew();
            log.rewind().map_err(|error| Error::read(&self.log, &error))?;
            bytes.clear();
            log.read_to_end(&mut bytes).map_err(|error| Error::read(&self.log, &error))?;
        }
        if self.read == 0 {
            self.clock = started(&self.log);
        }
        // A line that is being written is read when it is whole.
        let new = &bytes[self.last.len()..];
        let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut records: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut last = std::mem::take(&mut self.last);
        for line in new[..whole].split_inclusive(|byte| *byte == b'\n') {
            last = line.to_vec();
            if let Ok(event) = serde_json::from_slice::<Value>(line)
                && let Some(stage) = event["stage"].as_str()
            {
                let record = self.record(&event);
                records.entry(stage.to_owned()).or_default().extend(record);
            }
        }
        (self.last, self.read) = (last, self.read + whole as u64);
        records.iter().try_for_each(|(stage, records)| self.append(stage, records))
    }

    /// What was written is forgotten, and made again.
    fn begin_anew(&mut self) {
        (self.read, self.last) = (0, Vec::new());
        self.files.clear();
    }

    /// The scalars of a line as a record; nothing of a line without any.
    fn record(&mut self, event: &Value) -> Vec<u8> {
        self.clock += event["seconds"].as_f64().unwrap_or(0.0);
        let (Some(step), time) = (event["step"].as_u64(), event["time"].as_f64().unwrap_or(self.clock)) else {
            return Vec::new();
        };
        let values = scalars(event);
        if values.is_empty() { Vec::new() } else { framed(&summary(time, step, &values)) }
    }

    /// Adds records to a stage's file, which is made first where it was not.
    fn append(&mut self, stage: &str, records: &[u8]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let folder = self.place.join(stage);
        if !self.files.contains_key(stage) {
            let file = begun(&folder)?;
            self.files.insert(stage.to_owned(), file);
        }
        let file = self.files.get_mut(stage).expect("it was made above");
        file.write_all(records).map_err(|error| Error::write(&folder, &error))
    }
}

/// A new event file with its first records. Of those of ours that are there already the last is emptied, since a
/// TensorBoard that reads it goes on to the next only from a file that is there; the others are removed.
fn begun(folder: &Path) -> Result<File> {
    let failed = |error: std::io::Error| Error::write(folder, &error);
    fs::create_dir_all(folder).map_err(failed)?;
    let entries = fs::read_dir(folder).map_err(|error| Error::read(folder, &error))?;
    let mut older: Vec<(u64, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    older.sort();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    let next = older.last().map_or(0, |(number, _)| number + 1).max(now as u64);
    let path = folder.join(format!("{PREFIX}{next:010}{SUFFIX}"));
    let mut file = File::create_new(&path).map_err(|error| Error::write(&path, &error))?;
    let head = framed(&version(now));
    file.write_all(&[&head[..], &framed(&session(now))].concat()).map_err(|error| Error::write(&path, &error))?;
    if let Some((_, last)) = older.pop() {
        let emptied = File::options().write(true).open(&last).and_then(|file| {
            let length = file.metadata()?.len();
            file.set_len(length.min(head.len() as u64))
        });
        emptied.map_err(|error| Error::write(&last, &error))?;
    }
    for (_, path) in older {
        fs::remove_file(&path).map_err(|error| Error::write(&path, &error))?;
    }
    Ok(file)
}

/// The number in the name of an event file that we wrote.
fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}

/// Names and values of a line: what training logs, and what evaluations measure on dev data.
fn scalars(event: &Value) -> Vec<(String, f32)> {
    let is_step = event["event"] == "step";
    let room = if is_step { "train" } else { "dev" };
    let task = event["task"].as_str().map_or(String::new(), |task| format!("/{task}"));
    let value = |value: &Value| match value.as_str() {
        Some("nan") => Some(f64::NAN),
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    };
    let own = event.as_object().into_iter().flatten().filter(|(key, _)| !NO_SCALARS.contains(&key.as_str()));
    let mut found: Vec<(String, f32)> =
        own.filter_map(|(key, found)| Some((format!("{room}/{key}{task}"), value(found)? as f32))).collect();
    if let (true, Some(tokens), Some(seconds)) = (is_step, event["tokens"].as_f64(), event["seconds"].as_f64())
        && seconds > 0.0
    {
        found.push(("train/tokens_per_second".into(), (tokens / seconds) as f32));
    }
    found
}

/// When a run began by its `env.json`, in seconds since 1970; 0 where it does not say.
fn started(log: &Path) -> f64 {
    let path = log.with_file_name(files::ENVIRONMENT);
    let found = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    found.and_then(|found| seconds_of(found["started"].as_str()?)).unwrap_or(0.0)
}

/// Seconds since 1970 of a time such as `2026-11-29T04:44:37Z`.
fn seconds_of(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let three = |text: &str, separator| -> Option<[i64; 3]> {
        let numbers: Vec<i64> = text.split(separator).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        numbers.try_into().ok()
    };
    let ([year, month, day], [hour, minute, second]) = (three(date, '-')?, three(time, ':')?);
    // Years that begin in March end with the day that is not always there (Hinnant, days_from_civil).
    let year = if month < 3 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    Some((86_400 * days + 3600 * hour + 60 * minute + second) as f64)
}

/// A field of a message: its number and wire type, and its content.
fn field(number: u8, wire: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | wire], content].concat()
}

/// A field of bytes, which may be a message.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    field(number, 2, &[&varint(content.len() as u64), content].concat())
}

/// A number of as many bytes as it takes, seven bits in each.
fn varint(mut number: u64) -> Vec<u8> {
    let mut found = Vec::new();
    while number >= 0x80 {
        found.push(number as u8 | 0x80);
        number >>= 7;
    }
    found.push(number as u8);
    found
}

/// `Event.wall_time`
fn wall_time(seconds: f64) -> Vec<u8> {
    field(1, 1, &seconds.to_le_bytes())
}

/// `Event { wall_time, file_version }`, which every file begins with.
fn version(time: f64) -> Vec<u8> {
    [wall_time(time), bytes(3, b"brain.Event:2")].concat()
}

/// `Event { wall_time, step: 0, session_log { status: START } }`: steps from 0 on are written anew.
fn session(time: f64) -> Vec<u8> {
    [wall_time(time), field(2, 0, &varint(0)), bytes(7, &field(1, 0, &varint(1)))].concat()
}

/// `Event { wall_time, step, summary { value { tag, simple_value } … } }`
fn summary(time: f64, step: u64, values: &[(String, f32)]) -> Vec<u8> {
    let value = |(tag, value): &(String, f32)| {
        bytes(1, &[bytes(1, tag.as_bytes()), field(2, 5, &value.to_le_bytes())].concat())
    };
    let values: Vec<u8> = values.iter().flat_map(value).collect();
    [wall_time(time), field(2, 0, &varint(step)), bytes(5, &values)].concat()
}

/// A record: its length with a checksum, itself, and its checksum.
fn framed(record: &[u8]) -> Vec<u8> {
    let length = (record.len() as u64).to_le_bytes();
    let sum = |of: &[u8]| masked(crc32c(of)).to_le_bytes();
    [&length[..], &sum(&length), record, &sum(record)].concat()
}

/// A checksum as TFRecord keeps it, so that one of data with checksums in it is no weaker.
fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: records are short.
fn crc32c(bytes: &[u8]) -> u32 {
    let byte =
        |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 * (sum & 1)));
    !bytes.iter().fold(!0, byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named = Vec<(String, f32)>;

    /// Records of a file: step, and names with values. It is read by another way than it is written: checksums by a
    /// table from the most significant bit on, fields by their types alone.
    fn read(path: &Path) -> Vec<(u64, f64, Named)> {
        let file = fs::read(path).unwrap();
        let (mut rest, mut events) = (&file[..], Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            check(&rest[..8], &rest[8..12]);
            let (record, sum) = (&rest[12..12 + length], &rest[12 + length..16 + length]);
            check(record, sum);
            rest = &rest[16 + length..];
            let (mut step, mut time, mut values) = (0, 0.0, Vec::new());
            for (number, content) in fields(record) {
                match (number, content) {
                    (1, Content::Bits(bits)) => time = f64::from_bits(bits),
                    (2, Content::Bits(bits)) => step = bits,
                    (5, Content::Bytes(summary)) => {
                        for (_, value) in fields(summary) {
                            let Content::Bytes(value) = value else { panic!("a value is a message") };
                            let [(1, Content::Bytes(tag)), (2, Content::Bits(number))] = &fields(value)[..] else {
                                panic!("a value has a tag and a number")
                            };
                            values.push((String::from_utf8(tag.to_vec()).unwrap(), f32::from_bits(*number as u32)));
                        }
                    }
                    (3, Content::Bytes(version)) => assert_eq!((version, events.len()), (&b"brain.Event:2"[..], 0)),
                    (7, Content::Bytes(session)) => assert_eq!((session, events.len(), step), (&[8u8, 1][..], 1, 0)),
                    other => panic!("an unknown field {other:?}"),
                }
            }
            events.push((step, time, values));
        }
        events.split_off(2)
    }

    #[derive(Debug)]
    enum Content<'a> {
        Bits(u64),
        Bytes(&'a [u8]),
    }

    fn fields(mut message: &[u8]) -> Vec<(u64, Content<'_>)> {
        fn number(message: &mut &[u8]) -> u64 {
            let n = message.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            let found = message[..n].iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
            *message = &message[n..];
            found
        }
        let mut found = Vec::new();
        while !message.is_empty() {
            let key = number(&mut message);
            let content = match key & 7 {
                0 => Content::Bits(number(&mut message)),
                1 => {
                    let bits = u64::from_le_bytes(message[..8].try_into().unwrap());
                    message = &message[8..];
                    Content::Bits(bits)
                }
                5 => {
                    let bits = u32::from_le_bytes(message[..4].try_into().unwrap());
                    message = &message[4..];
                    Content::Bits(u64::from(bits))
                }
                2 => {
                    let n = number(&mut message) as usize;
                    let (content, rest) = message.split_at(n);
                    message = rest;
                    Content::Bytes(content)
                }
                other => panic!("an unknown wire type {other}"),
            };
            found.push((key >> 3, content));
        }
        found
    }

    /// That a masked checksum is that of these bytes: the polynomial 0x1edc6f41, most significant bit first, of bits in
    /// reverse.
    fn check(bytes: &[u8], sum: &[u8]) {
        let mut register = 0xffff_ffffu32;
        for byte in bytes {
            register ^= u32::from(byte.reverse_bits()) << 24;
            for _ in 0..8 {
                register = if register >> 31 == 1 { register << 1 ^ 0x1edc_6f41 } else { register << 1 };
            }
        }
        let plain = !register.reverse_bits();
        let masked = (u64::from(plain) << 17 | u64::from(plain) >> 15) as u32;
        let masked = masked.wrapping_add(0xa282_ead8);
        assert_eq!(sum, masked.to_le_bytes());
    }

    /// The event file of a stage; one before it may be there, and has its head alone.
    fn file(place: &Path, stage: &str) -> PathBuf {
        let entries = fs::read_dir(place.join(stage)).unwrap();
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        found.sort();
        let last = found.pop().unwrap();
        let head = framed(&version(0.0)).len() as u64;
        assert!(found.len() < 2 && found.iter().all(|path| path.metadata().unwrap().len() == head), "{found:?}");
        last
    }

    fn steps(place: &Path, stage: &str) -> Vec<u64> {
        read(&file(place, stage)).iter().map(|event| event.0).collect()
    }

    fn line(stage: &str, step: u64, loss: &str) -> String {
        format!(
            "{{\"event\":\"step\",\"stage\":\"{stage}\",\"step\":{step},\"loss\":{loss},\"grad_norm\":0.5,\"learning_rate\":0.001,\
             \"tokens\":100,\"seconds\":0.25,\"time\":1700000000.5}}\n"
        )
    }

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        // B.4 of RFC 3720, in the order of its bytes.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(seconds_of("2026-11-29T04:44:37Z"), Some(1_795_927_477.0));
        assert_eq!(seconds_of("1970-01-01T00:00:01Z"), Some(1.0));
        assert_eq!(seconds_of("soon"), None);
    }

    #[test]
    fn a_log_becomes_scalars_by_stage() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(FOLDER);
        let mut board = Board::new(folder.path(), &place);
        board.update().unwrap();
        assert!(!place.exists());
        let evaluation = "{\"event\":\"evaluation\",\"stage\":\"2-y\",\"step\":3,\"accuracy\":0.75,\"other f1\":0.5}\n";
        let log = line("1-x", 1, "2.5") + &line("2-y", 300, "\"nan\"") + evaluation + "damaged\n";
        fs::write(folder.path().join(LOG), log + "{\"event\"").unwrap();
        board.update().unwrap();
        let expected = [
            ("train/loss", 2.5),
            ("train/grad_norm", 0.5),
            ("train/learning_rate", 0.001),
            ("train/tokens_per_second", 400.0),
        ];
        let first = read(&file(&place, "1-x"));
        assert_eq!(first, [(1, 1_700_000_000.5, expected.map(|(tag, value)| (tag.to_owned(), value)).to_vec())]);
        let second = read(&file(&place, "2-y"));
        assert!(second[0].0 == 300 && second[0].2[0].1.is_nan(), "{second:?}");
        assert_eq!((second[1].0, second[1].1), (3, 0.5), "without a time, the seconds of updates count");
        assert_eq!(second[1].2, [("dev/accuracy".to_owned(), 0.75), ("dev/other f1".to_owned(), 0.5)]);
    }

    /// However a log goes back and on, each of its steps is in the file once, and in no other file.
    #[test]
    fn no_step_is_there_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (log, place) = (folder.path().join(LOG), folder.path().join(FOLDER));
        let lines = |steps: std::ops::RangeInclusive<u64>, loss: &str| {
            steps.map(|step| line("1-x", step, loss)).collect::<String>()
        };
        let mut board = Board::new(folder.path(), &place);
        fs::write(&log, lines(1..=5, "1.0")).unwrap();
        board.update().unwrap();
        let whole = lines(1..=5, "1.0");
        fs::write(&log, whole.clone() + &lines(6..=7, "1.0")).unwrap();
        board.update().unwrap();
        assert_eq!(steps(&place, "1-x"), [1, 2, 3, 4, 5, 6, 7]);
        // Back to 3, and on beyond where it was.
        let first = file(&place, "1-x");
        fs::write(&log, lines(1..=3, "1.0") + &lines(4..=9, "0.5")).unwrap();
        board.update().unwrap();
        assert_eq!(steps(&place, "1-x"), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let second = file(&place, "1-x");
        assert!(second > first, "a later file has a later name");
        assert_eq!(read(&second)[4].2[0].1, 0.5);
        // Another process, with a torn record where the first was killed.
        fs::OpenOptions::new().append(true).open(&second).unwrap().write_all(&[9; 7]).unwrap();
        fs::write(&log, lines(1..=2, "1.0")).unwrap();
        Board::new(folder.path(), &place).update().unwrap();
        assert_eq!(steps(&place, "1-x"), [1, 2]);
    }
}
