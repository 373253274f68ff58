//! A small test runner for tests that need things a machine may lack: data, golden files, a GPU.
//!
//! Unlike `#[test]`, a test decides while it runs that it must be ignored, and says why. A test file that uses it
//! says `harness = false` in Cargo.toml. Output and arguments are those of `cargo test`.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::time::Instant;

/// How a test ended that did not panic.
pub enum Outcome {
    Passed,
    /// Not run, and why.
    Ignored(String),
}

/// One test: a panic is a failure.
pub struct Test {
    name: String,
    run: Box<dyn FnOnce() -> Outcome>,
}

impl Test {
    pub fn new(name: impl Into<String>, run: impl FnOnce() -> Outcome + 'static) -> Test {
        Test { name: name.into(), run: Box::new(run) }
    }
}

/// `rxlt` in a folder, on the CPU unless the arguments name a device, without colour, backtraces and network.
pub fn rxlt(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rxlt"));
    command.current_dir(folder).args(args).stdin(Stdio::null());
    command.env("RXLT_DEVICE", "cpu").env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    command.env("HF_HUB_OFFLINE", "1").env("HF_HUB_CACHE", folder.join("no models"));
    command
}

/// What the command line asks for.
#[derive(Default)]
struct Arguments {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
    only_ignored: bool,
}

/// Flags of libtest that take a value; those that mean nothing here are skipped with it.
const WITH_VALUE: [&str; 6] = ["--skip", "--test-threads", "--format", "--color", "--logfile", "-Z"];

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Arguments {
        let mut arguments = Arguments::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--list" => arguments.list = true,
                "--exact" => arguments.exact = true,
                "--ignored" => arguments.only_ignored = true,
                "--skip" => arguments.skip.extend(words.next()),
                flag if WITH_VALUE.contains(&flag) => _ = words.next(),
                flag if flag.starts_with('-') => {}
                _ => arguments.filters.push(word),
            }
        }
        arguments
    }

    fn wants(&self, name: &str) -> bool {
        let hit = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        let chosen = self.filters.is_empty() || self.filters.iter().any(hit);
        chosen && !self.skip.iter().any(hit) && !self.only_ignored
    }
}

/// Which part of the tests this process runs, `0/2` or `1/2`; all where it is not set.
const PART: &str = "RXLT_TEST_PART";

/// Runs the tests in two processes, for software drivers, which compile kernels on one core. What shares kernels stays
/// together: tests of one group, which `group` tells by their names.
pub fn run_in_two(tests: Vec<Test>, group: fn(&str) -> &str) -> ! {
    let Ok(part) = env::var(PART) else {
        if Arguments::parse(env::args().skip(1)).list {
            run(tests);
        }
        let start = |part: &str| {
            let mut command = Command::new(env::current_exe().expect("a test has a program"));
            command.args(env::args_os().skip(1)).env(PART, part).stdout(Stdio::piped());
            command.spawn().expect("a test can be started again")
        };
        let parts = ["0/2", "1/2"].map(start).map(|part| part.wait_with_output().expect("it ends"));
        parts.iter().for_each(|part| print!("{}", String::from_utf8_lossy(&part.stdout)));
        exit(if parts.iter().all(|part| part.status.success()) { 0 } else { 101 });
    };
    let is_second = |test: &Test| group(&test.name).bytes().map(u32::from).sum::<u32>() % 2 == 1;
    run(tests.into_iter().filter(|test| is_second(test) == (part == "1/2")).collect())
}

/// Runs the tests one after the other, prints what libtest would, and exits.
pub fn run(tests: Vec<Test>) -> ! {
    let arguments = Arguments::parse(env::args().skip(1));
    let total = tests.len();
    let tests: Vec<Test> = tests.into_iter().filter(|test| arguments.wants(&test.name)).collect();
    if arguments.list {
        tests.iter().for_each(|test| println!("{}: test", test.name));
        println!("\n{} tests, 0 benchmarks", tests.len());
        exit(0);
    }
    let (start, filtered) = (Instant::now(), total - tests.len());
    println!("\nrunning {} tests", tests.len());
    let (mut passed, mut ignored, mut failed) = (0, 0, Vec::new());
    for Test { name, run } in tests {
        let outcome = panic::catch_unwind(AssertUnwindSafe(run)); // the panic's message is already on stderr
        let word = match &outcome {
            Ok(Outcome::Passed) => "ok".to_string(),
            Ok(Outcome::Ignored(reason)) => format!("ignored, {reason}"),
            Err(_) => "FAILED".to_string(),
        };
        println!("test {name} ... {word}");
        match outcome {
            Ok(Outcome::Passed) => passed += 1,
            Ok(Outcome::Ignored(_)) => ignored += 1,
            Err(_) => failed.push(name),
        }
    }
    if !failed.is_empty() {
        println!("\nfailures:\n    {}", failed.join("\n    "));
    }
    let (word, seconds) = (if failed.is_empty() { "ok" } else { "FAILED" }, start.elapsed().as_secs_f64());
    let counts = format!("{passed} passed; {} failed; {ignored} ignored; 0 measured", failed.len());
    println!("\ntest result: {word}. {counts}; {filtered} filtered out; finished in {seconds:.2}s\n");
    exit(if failed.is_empty() { 0 } else { 101 });
}

/// The folder of shared test data: `RXLT_SHARED`, or `shared` beside the project.
pub fn shared_folder() -> PathBuf {
    env::var_os("RXLT_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
}

/// `path` if it is there; else the test is ignored, or fails where shared data are required.
pub fn present(path: PathBuf) -> Result<PathBuf, Outcome> {
    if path.exists() { Ok(path) } else { Err(missing(&format!("{} is not there", path.display()))) }
}

/// A golden file or folder, by its path below `golden/`.
pub fn golden(path: &str) -> Result<PathBuf, Outcome> {
    present(shared_folder().join("golden").join(path))
}

/// An ignored test, or a panic with `RXLT_REQUIRE_SHARED=1` or `CI=true`.
#[track_caller]
pub fn missing(reason: &str) -> Outcome {
    let set = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    assert!(!set("RXLT_REQUIRE_SHARED", "1") && !set("CI", "true"), "required, but {reason}");
    Outcome::Ignored(reason.to_string())
}

/// A data folder, and the temporary folder it lies in if it had to be unpacked.
pub struct Data {
    pub path: PathBuf,
    _unpacked: Option<tempfile::TempDir>,
}

/// The data called `name`: unpacked below `data/`, or from its archive.
pub fn data(name: &str) -> Result<Data, Outcome> {
    let folder = shared_folder().join("data").join(name);
    if folder.is_dir() {
        return Ok(Data { path: folder, _unpacked: None });
    }
    let archive = present(folder.with_file_name(format!("{name}.tar.xz")))?;
    let unpacked = tempfile::tempdir().expect("a temporary folder can be made");
    let status = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(unpacked.path()).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot unpack {}", archive.display());
    let inner = unpacked.path().join(name);
    let path = if inner.is_dir() { inner } else { unpacked.path().to_path_buf() };
    Ok(Data { path, _unpacked: Some(unpacked) })
}

/// Runs a test on the adapter that `RXLT_DEVICE` names, by default on the best there is, software included. Without
/// one the test is ignored, or fails with `RXLT_REQUIRE_GPU=1`.
pub fn on_gpu(test: impl FnOnce(&rxlt::tensor::Device) -> Outcome) -> Outcome {
    on_gpu_as(rxlt::gpu::Opening::default(), test)
}

/// An adapter, or why there is none to test on.
#[derive(Clone)]
enum Opened {
    Open(std::sync::Arc<rxlt::gpu::Gpu>),
    /// The adapter is well, but cannot do what is tested.
    Lacking(String),
    Failed(String),
}

/// The same on the adapter opened in some other way; each is opened once. Where the adapter lacks what is tested the
/// test is ignored, also where a GPU is required, unless `RXLT_REQUIRE_F16=1` says that it must have it.
pub fn on_gpu_as(opening: rxlt::gpu::Opening, test: impl FnOnce(&rxlt::tensor::Device) -> Outcome) -> Outcome {
    use rxlt::gpu::Opening;
    static OPEN: std::sync::Mutex<Vec<(Opening, Opened)>> = std::sync::Mutex::new(Vec::new());
    let opened = {
        let mut all = OPEN.lock().expect("opening does not panic");
        if !all.iter().any(|(other, _)| *other == opening) {
            let opened = open(opening).unwrap_or_else(|error| Opened::Failed(error.to_string()));
            all.push((opening, opened));
        }
        all.iter().find(|(other, _)| *other == opening).expect("it was just added").1.clone()
    };
    let (reason, required) = match opened {
        Opened::Open(gpu) => return test(&rxlt::tensor::Device::Gpu(gpu)),
        Opened::Lacking(reason) => (reason, "RXLT_REQUIRE_F16"),
        Opened::Failed(reason) => (reason, "RXLT_REQUIRE_GPU"),
    };
    assert!(env::var(required).is_err(), "{required} is set, but {reason}");
    Outcome::Ignored(reason)
}

fn open(opening: rxlt::gpu::Opening) -> rxlt::error::Result<Opened> {
    use rxlt::gpu::{Gpu, select};
    let adapters = Gpu::adapters();
    let position = match env::var("RXLT_DEVICE") {
        Ok(named) => select(&adapters, Some(&named))?,
        Err(_) => select(&adapters, None).or_else(|_| select(&adapters, Some("0")))?,
    };
    match opening.lacking(&adapters[position]) {
        Some(lack) => Ok(Opened::Lacking(lack)),
        None => Gpu::open_as(Some(&position.to_string()), opening).map(Opened::Open),
    }
}
