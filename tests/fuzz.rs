//! Malformed files of every kind that is read: each gives a result or an error, in bounded memory and time.
//!
//! Valid files of our own are damaged at random (bytes flipped, parts cut, doubled and moved, numbers put to their bounds,
//! brackets nested) and read. Every reader runs in a process of its own, so that an overflow of the stack, an abort or
//! memory without bound is seen, too; the file that did it is kept and named. `RXLT_FUZZ_SECONDS` is the time of each
//! reader (default 1), `RXLT_FUZZ_SEED` the seed.

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::time::{Duration, Instant};
use std::{env, panic};

use harness::{Outcome, Test};
use rxlt::{
    checkpoint::{self, Entry, Values, Weights},
    learn::augment::Neighbours,
    models::Config,
    ranks::Ranks,
    recipe::Resolved,
    rng::Rng,
    run::folder::{Environment, RunFolder},
    tasks::{Definition, own, shipped},
    text::Tokenizer,
};

/// A reader: its name, the file that it reads, and what a process does with the folder that holds it.
struct Reader {
    name: &'static str,
    file: &'static str,
    read: fn(&Path),
}

const READERS: &[Reader] = &[
    Reader { name: "tokenizer.json", file: "tokenizer.json", read: tokenizer },
    Reader { name: "tokenizer.json of BERT", file: "bert/tokenizer.json", read: tokenizer_of_bert },
    Reader { name: "tokenizer_config.json", file: "tokenizer_config.json", read: tokenizer },
    Reader { name: "SentencePiece", file: "piece/sentencepiece.bpe.model", read: sentencepiece },
    Reader { name: "vocab.txt", file: "word/vocab.txt", read: vocabulary },
    Reader { name: "safetensors", file: "model.safetensors", read: weights },
    Reader { name: "safetensors index", file: "sharded/model.safetensors.index.json", read: sharded },
    Reader { name: "config.json", file: "config.json", read: config },
    Reader { name: "recipe", file: "recipe.toml", read: recipe },
    Reader { name: "neighbours", file: "neighbours.json", read: neighbours },
    Reader { name: "XNLI", file: "xnli.tsv", read: xnli },
    Reader { name: "PAWS-X", file: "pawsx.tsv", read: pawsx },
    Reader { name: "xSID", file: "xsid.conll", read: xsid },
    Reader { name: "task", file: "task.toml", read: task },
    Reader { name: "CSV", file: "own.csv", read: csv },
    Reader { name: "JSONL", file: "own.jsonl", read: jsonl },
    Reader { name: "predictions", file: "predictions.jsonl", read: scores },
    Reader { name: "status of a run", file: "run/STATUS.json", read: run_folder },
    Reader { name: "log of a run", file: "run/log.jsonl", read: run_folder },
    Reader { name: "configuration of a run", file: "run/config.resolved.toml", read: run_folder },
    Reader { name: "metrics of a run", file: "run/metrics.json", read: run_folder },
];

/// Which reader a process is for, and in which folder.
const CHILD: &str = "RXLT_FUZZ_CHILD";
const FOLDER: &str = "RXLT_FUZZ_FOLDER";

/// The largest damaged file, and what a process may hold at most while it reads one: 64 MiB and 64 times the file, beside
/// what the program itself and its files take.
const LARGEST: usize = 1 << 20;
const MOST_KIB: u64 = (64 + 64 + 64) << 10;

fn main() {
    if let Ok(name) = env::var(CHILD) {
        let reader = READERS.iter().find(|reader| reader.name == name).expect("a reader of this name");
        fuzz(reader, Path::new(&env::var_os(FOLDER).expect("a folder")));
        exit(0);
    }
    let test = |reader: &'static Reader| Test::new(format!("fuzz::{}", reader.name), move || in_a_process(reader));
    harness::run(READERS.iter().map(test).collect());
}

fn seconds() -> f64 {
    env::var("RXLT_FUZZ_SECONDS").map_or(1.0, |text| text.parse().expect("RXLT_FUZZ_SECONDS is a number"))
}

/// Runs a reader in a process that may take 4 GiB of addresses.
fn in_a_process(reader: &Reader) -> Outcome {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    write_valid_files(folder.path());
    let limited = "ulimit -v 4194304 2>/dev/null; exec \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited]).arg(env::current_exe().expect("this program has a path"));
    command.env(CHILD, reader.name).env(FOLDER, folder.path()).env("RAYON_NUM_THREADS", "2");
    let status = command.status().expect("a process can be started");
    if !status.success() {
        let kept = folder.keep();
        panic!("{}: {status}; the file that did it is {}", reader.name, kept.join(reader.file).display());
    }
    Outcome::Passed
}

fn fuzz(reader: &Reader, folder: &Path) {
    let path = folder.join(reader.file);
    let valid = fs::read(&path).expect("the valid file can be read");
    (reader.read)(folder);
    let seed = env::var("RXLT_FUZZ_SEED").map_or(1, |text| text.parse().expect("RXLT_FUZZ_SEED is a number"));
    let stream = READERS.iter().position(|other| other.name == reader.name).unwrap_or(0) as u64;
    let mut rng = Rng::new(seed, stream);
    let (start, mut n) = (Instant::now(), 0u64);
    while start.elapsed().as_secs_f64() < seconds() {
        let mut bytes = valid.clone();
        for _ in 0..=rng.below(4) {
            damage(&mut bytes, &mut rng);
        }
        bytes.truncate(LARGEST);
        fs::write(&path, &bytes).expect("the damaged file can be written");
        let one = Instant::now();
        if panic::catch_unwind(|| (reader.read)(folder)).is_err() {
            exit(101); // the panic's message is on stderr
        }
        assert!(one.elapsed() < Duration::from_secs(20), "one file took {:?}", one.elapsed());
        n += 1;
        let peak = peak_kib();
        assert!(peak < MOST_KIB, "{peak} KiB were held, where {MOST_KIB} are allowed");
    }
    println!("{}: {n} files, at most {} MiB held", reader.name, peak_kib() >> 10);
}

/// The most memory that this process has held; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Numbers at which readers break.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1e999",
    "1e-400",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
];

/// Pieces of syntax, of text and of nothing.
const SNIPPETS: [&str; 14] =
    ["null", "\"\"", "[]", "{}", ",", "\"", "\\", "\t", "\n", "\r\n", "\u{feff}", "\u{2581}", "\\ud800", "\u{0}"];

/// One damage.
fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let length = bytes.len() as u32;
    let (at, other) = (rng.below(length + 1) as usize, rng.below(length + 1) as usize);
    let (low, high) = (at.min(other), at.max(other));
    let near = (low + 1 + rng.below(64) as usize).min(bytes.len());
    match rng.below(11) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
        1 if at < bytes.len() => bytes[at] = rng.below(256) as u8,
        2 => bytes.truncate(high),
        3 => _ = bytes.drain(low.min(near)..near),
        4 => _ = bytes.drain(low..high),
        5 => repeat(bytes, low, near, 1 + rng.below(3) as usize, high),
        6 => repeat(bytes, low, high, 1, at),
        7 => replace_number(bytes, at, NUMBERS[rng.below(NUMBERS.len() as u32) as usize]),
        8 => insert(bytes, at, SNIPPETS[rng.below(SNIPPETS.len() as u32) as usize].as_bytes()),
        9 => nest(bytes, at, rng),
        10 => insert(bytes, at, &[0u64, 1 << 31, 1 << 32, u64::MAX][rng.below(4) as usize].to_le_bytes()),
        _ => {}
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}

fn repeat(bytes: &mut Vec<u8>, low: usize, high: usize, times: usize, at: usize) {
    let part = bytes[low.min(high)..high].repeat(times);
    insert(bytes, at.min(bytes.len()), &part);
}

/// Replaces the next run of digits.
fn replace_number(bytes: &mut Vec<u8>, at: usize, by: &str) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) else { return };
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(start..start + digits, by.bytes());
}

/// Puts many opening brackets, and sometimes the closing ones, around nothing.
fn nest(bytes: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    let times = 1usize << rng.below(17);
    let (open, close) = [("[", "]"), ("{\"a\":", "}"), ("{a=", "}"), ("a.", "")][rng.below(4) as usize];
    let closing = if rng.below(2) == 0 { close.repeat(times) } else { String::new() };
    insert(bytes, at, format!("{}1{closing}", open.repeat(times)).as_bytes());
}

const VOCAB: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\n##s\nsit\n你\n,\n";

const CONFIG: &str = r#"{"model_type": "xlm-roberta", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 3,
"num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 12, "type_vocab_size": 1,
"layer_norm_eps": 1e-05, "hidden_act": "gelu", "pad_token_id": 1, "id2label": {"0": "no", "1": "yes"}}"#;

const RECIPE: &str = "name = \"mine\"\nseed = 3\n[model]\npath = \"m\"\n[data]\nfolder = \"data\"\n[[stages]]\ntask = \"xnli\"\n\
learning_rate = 1e-5\nbatch_size = 8\nepochs = 2\nmax_length = 64\n[[methods]]\nname = \"adv\"\n[methods.adv]\nradius = 0.5\n";

const XSID_ROWS: &str = "# id: 1\n# text: Remind me\n# intent: reminder/set_reminder\n\
1\tRemind\treminder/set_reminder\tO\n2\tme\treminder/set_reminder\tO\n\n";

/// Every file that is damaged, and what has to lie beside it.
fn write_valid_files(folder: &Path) {
    let put = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(path, content).expect("a file can be written");
    };
    put("word/vocab.txt", VOCAB.as_bytes());
    put("bert/vocab.txt", VOCAB.as_bytes());
    let bert = Tokenizer::load(&folder.join("bert/vocab.txt")).expect("the vocabulary is valid");
    bert.save(&folder.join("bert")).expect("the tokenizer can be saved");
    let sentences = (0..400).map(|i| format!("ka{} mori{} dun so{}", i % 7, i * i % 11, i % 13));
    let trained = Tokenizer::train_unigram(sentences, 60, false).expect("a tokenizer can be trained");
    trained.save(folder).expect("the tokenizer can be saved");
    put("piece/sentencepiece.bpe.model", &sentencepiece_model());
    put("config.json", CONFIG.as_bytes());
    put("recipe.toml", RECIPE.as_bytes());
    put("neighbours.json", br#"{"big": ["large", "huge"], "cat": [], "run": ["walk"]}"#);
    put("xnli.tsv", b"a cat\tan animal\tentailment\na \"dog\"\tno dog\tcontradiction\nx\ty\tneutral\n");
    put("pawsx.tsv", b"id\tsentence1\tsentence2\tlabel\n1\ta b\tb a\t1\n2\tc\td\t0\n3\tNS\tNS\t0\n");
    put("task.toml", shipped_file("xnli").replace("\"xnli\"", "\"mine\"").as_bytes());
    put("own.csv", b"id,text,label\n1,\"a \"\"b\"\", c\",x\n2,d,y\n3,\"two\nlines\",x\n");
    put("own.jsonl", b"{\"premise\": \"a\", \"hypothesis\": \"b\", \"label\": 1}\n{\"premise\": \"c\", \"hypothesis\": null, \"label\": 2}\n");
    put("xsid.conll", XSID_ROWS.repeat(3).as_bytes());
    let row = |i: usize| {
        format!(
            "{{\"id\":\"{i}\",\"language\":\"de\",\"label\":\"neutral\",\"prediction\":{i}.0,\"probabilities\":[0.5,0.5]}}\n"
        )
    };
    put("predictions.jsonl", (0..4).map(row).collect::<String>().as_bytes());
    write_weights(folder);
    write_run(folder);
}

fn write_weights(folder: &Path) {
    let (numbers, ids) = ([1.0f32, -2.0, 0.5, 3.0, 1e30, 0.0], [3u32, 4]);
    let tensors = [
        Entry { name: "word.weight", shape: &[3, 2], values: Values::F32(&numbers) },
        Entry { name: "half.weight", shape: &[2], values: Values::F16(&numbers[..2]) },
        Entry { name: "ids", shape: &[2], values: Values::U32(&ids) },
    ];
    let sharded = folder.join("sharded");
    fs::create_dir_all(&sharded).expect("a folder can be made");
    for path in [folder.join("model.safetensors"), sharded.join("model-00001-of-00001.safetensors")] {
        checkpoint::write(&path, &tensors, &[("step", "7")]).expect("weights can be written");
    }
    let shard = "model-00001-of-00001.safetensors";
    let index = format!(
        r#"{{"metadata": {{"total_size": 36}}, "weight_map": {{"word.weight": "{shard}", "half.weight": "{shard}", "ids": "{shard}"}}}}"#
    );
    fs::write(sharded.join("model.safetensors.index.json"), index).expect("an index can be written");
}

fn write_run(folder: &Path) {
    let path = folder.join("run");
    let resolved = Resolved::parse(RECIPE, "recipe.toml", &[]).expect("the recipe is valid");
    let run =
        RunFolder::open(&path, &resolved, &Environment::here("cpu"), Ranks::alone()).expect("a run folder can be made");
    for step in 0..5 {
        run.log("step", "1-xnli", step, &[("loss", serde_json::json!(0.5))]).expect("a line can be logged");
    }
    run.write_metrics(&serde_json::json!({"a": [1, 2.5]})).expect("metrics can be written");
    run.set_status(rxlt::run::folder::Status::Paused, "stopped").expect("a status can be written");
}

/// A field of a protocol buffer that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = [(content.len() & 0x7f) as u8 | 0x80, (content.len() >> 7) as u8];
    [&[number << 3 | 2][..], &length, content].concat()
}

fn sentencepiece_model() -> Vec<u8> {
    let piece = |(text, score, kind): &(&str, f32, u8)| {
        let score = [&[2 << 3 | 5][..], &score.to_le_bytes()].concat();
        field(1, &[field(1, text.as_bytes()), score, vec![3 << 3, *kind]].concat())
    };
    let pieces = [
        ("<unk>", 0.0, 2),
        ("<s>", 0.0, 3),
        ("</s>", 0.0, 3),
        ("▁", -1.0, 1),
        ("a", -2.0, 1),
        ("ab", -2.5, 1),
        ("<sep>", 0.0, 4),
        ("é", -3.0, 1),
    ];
    let mut units = [0u32; 512];
    units[0] = 256 << 10;
    units[256 ^ 0x41] = 128 << 10 | 1 << 8 | 0x41; // A becomes a
    units[449] = 0x8000_0000;
    let table: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).chain(*b"a\0").collect();
    let table = [&2048u32.to_le_bytes()[..], &table].concat();
    let settings = [field(2, &table), vec![3 << 3, 1, 4 << 3, 1]].concat();
    [pieces.iter().flat_map(piece).collect(), field(2, &[3 << 3, 1]), field(3, &settings)].concat()
}

/// Loads a tokenizer and has it do all that it does for a run.
fn try_tokenizer(path: PathBuf) {
    let Ok(tokenizer) = Tokenizer::load(&path) else { return };
    for text in ["", "  The cats sit  你 ", "a <sep>A<mask>é</s>\u{0}\u{301}", "[MASK] ＜s＞ ka1 mori"] {
        _ = tokenizer.encode(text, Some("ab the"), 12).map(|encoded| tokenizer.decode(&encoded.ids));
    }
    _ = tokenizer.with_types(1).map(|tokenizer| (0..200).filter(|id| tokenizer.is_special(*id)).count());
    _ = tokenizer.decode(&[0, 77, u32::MAX]);
}

fn tokenizer(folder: &Path) {
    try_tokenizer(folder.join("tokenizer.json"));
}

fn tokenizer_of_bert(folder: &Path) {
    try_tokenizer(folder.join("bert/tokenizer.json"));
}

fn sentencepiece(folder: &Path) {
    try_tokenizer(folder.join("piece/sentencepiece.bpe.model"));
}

fn vocabulary(folder: &Path) {
    try_tokenizer(folder.join("word/vocab.txt"));
}

fn read_all(path: &Path) {
    let Ok(weights) = Weights::open(path) else { return };
    for name in weights.names().map(str::to_string).collect::<Vec<_>>() {
        _ = weights.read(&name);
        _ = weights.read_u32(&name);
    }
    _ = weights.hashes();
}

fn weights(folder: &Path) {
    read_all(&folder.join("model.safetensors"));
}

fn sharded(folder: &Path) {
    read_all(&folder.join("sharded"));
}

fn config(folder: &Path) {
    _ = Config::load(folder).map(|config| (config.longest_input(), config.first_position()));
}

fn recipe(folder: &Path) {
    let Ok(resolved) = Resolved::load(&folder.join("recipe.toml"), &[]) else { return };
    assert_eq!(resolved.differences(&resolved.to_toml()), Ok(Vec::new()));
    _ = resolved.by_seed().len();
}

fn neighbours(folder: &Path) {
    _ = Neighbours::load(&folder.join("neighbours.json")).map(|table| table.of("big").len());
}

fn xnli(folder: &Path) {
    _ = shipped("xnli").load_files(&[folder.join("xnli.tsv")], "en");
    _ = shipped("xnli").load_files_unlabelled(&[folder.join("xnli.tsv")], "en");
}

fn pawsx(folder: &Path) {
    _ = shipped("pawsx").load_files(&[folder.join("pawsx.tsv")], "en");
}

fn xsid(folder: &Path) {
    _ = shipped("xsid").load_files(&[folder.join("xsid.conll")], "en");
}

fn shipped_file(name: &str) -> &'static str {
    rxlt::tasks::file_of(name).expect("the task ships")
}

fn task(folder: &Path) {
    let text = fs::read(folder.join("task.toml")).unwrap_or_default();
    let Ok(definition) = Definition::parse(&String::from_utf8_lossy(&text), "task.toml") else { return };
    assert_eq!(Definition::parse(&definition.to_toml(), "again"), Ok(definition));
}

/// Describes the file, and reads it as described.
fn read_own(path: &Path) {
    let named = own::Named { train: path, dev: None, test: Some("{language}.csv"), source: "en" };
    let Ok(guess) = own::guess(&named) else { return };
    let text = guess.definition.to_toml();
    assert_eq!(Definition::parse(&text, "guessed"), Ok(guess.definition), "{text}");
}

fn csv(folder: &Path) {
    read_own(&folder.join("own.csv"));
}

fn jsonl(folder: &Path) {
    read_own(&folder.join("own.jsonl"));
}

fn scores(folder: &Path) {
    let judged = |task| rxlt::tasks::predictions::judged_file(&folder.join("predictions.jsonl"), task);
    let xnli = Some(shipped("xnli"));
    _ = judged(xnli).and_then(|judged| rxlt::kinds::score::score_judged(&judged, xnli));
    _ = judged(None).map(|judged| rxlt::tasks::predictions::confusion(&judged, None));
}

fn run_folder(folder: &Path) {
    let Ok(resolved) = Resolved::parse(RECIPE, "recipe.toml", &[]) else { return };
    let Ok(run) = RunFolder::open(&folder.join("run"), &resolved, &Environment::here("cpu"), Ranks::alone()) else {
        return;
    };
    _ = (run.status(), run.metrics(), run.rewind_log("1-xnli", 2));
    _ = run.stage("1-xnli").map(|stage| (stage.choice(), stage.metrics(), stage.latest(|_| ())));
}
