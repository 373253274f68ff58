//! The GPU kit as it meets a machine: `scripts/kit/run.sh` with this build of `rxlt`, from a folder that is laid out as
//! `scripts/gpu_kit.sh` does, within seconds, and without an environment.

mod harness;

use harness::{Outcome, Test};
use rxlt::tensor::Device;
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

fn main() {
    harness::run(vec![
        Test::new("a short run measures and keeps what it has", || harness::on_gpu(short_run)),
        Test::new("without a GPU it says so", || on_linux(no_gpu)),
        Test::new("a program that does not start is named", || on_linux(no_program)),
        Test::new("wrong arguments are refused", || on_linux(wrong_arguments)),
    ]);
}

fn on_linux(test: fn()) -> Outcome {
    if !cfg!(target_os = "linux") {
        return Outcome::Ignored("the kit is for Linux".into());
    }
    test();
    Outcome::Passed
}

/// A kit whose program is `program`.
fn kit(program: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["run.sh", "sib200.toml", "README.txt"] {
        fs::copy(root.join("scripts/kit").join(name), folder.path().join(name)).expect("the kit's files can be copied");
    }
    let packed = fs::File::create(folder.path().join("rxlt.gz")).expect("the program can be packed");
    let status = Command::new("gzip").arg("-1c").arg(program).stdout(packed).status();
    assert!(status.is_ok_and(|status| status.success()), "gzip packs the program");
    fs::write(folder.path().join("NEEDS"), "a system like this\n").expect("it can be written");
    folder
}

fn rxlt() -> PathBuf {
    env!("CARGO_BIN_EXE_rxlt").into()
}

/// Runs a kit with nothing in the environment but the system's programs and what is given; whatever Python is there has
/// no part in it.
fn run(kit: &Path, arguments: &[&Path], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new("bash");
    command.arg(kit.join("run.sh")).args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("PYTHON", "false");
    for name in ["VK_DRIVER_FILES", "RXLT_DEVICE"] {
        command.envs(env::var_os(name).map(|value| (name, value)));
    }
    command.envs(variables.iter().copied()).output().expect("bash is there")
}

fn read(path: PathBuf) -> Value {
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Steps are cut after a second or two, so that most leave a part or nothing; none keeps another from its turn.
fn short_run(device: &Device) -> Outcome {
    let Device::Gpu(gpu) = device else { panic!("the test runs on a GPU") };
    let (kit, start) = (kit(&rxlt()), Instant::now());
    let out = kit.path().join("out");
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights");
    let status = Command::new("ln").arg("-s").arg(weights).arg(kit.path()).status();
    assert!(status.is_ok_and(|status| status.success()), "the encoder can be linked");
    // By name: a software driver is taken where it is asked for, and the test may have found no other.
    let device = env::var("RXLT_DEVICE").unwrap_or_else(|_| gpu.adapter().name.clone());
    let output = run(kit.path(), &[&out], &[("RXLT_KIT_SECONDS", "40"), ("RXLT_DEVICE", &device)]);
    let told = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{told}");
    // Steps are killed five seconds after they were told to end; putting together takes a moment after each.
    assert!(start.elapsed() < Duration::from_secs(2 * 40), "it took {:?}\n{told}", start.elapsed());
    let names: Vec<PathBuf> = fs::read_dir(&out).expect("it is there").flatten().map(|entry| entry.path()).collect();
    assert!(names.len() <= 8, "{names:?}");
    let steps = read(out.join("summary.json"))["steps"].as_array().cloned().unwrap_or_default();
    let count = |group: &str| steps.iter().filter(|step| step["group"] == group).count();
    assert_eq!(["devices", "doctor", "bench", "sib200", "pytorch"].map(count), [2, 1, 19, 2, 1], "{told}");
    let failed = steps.iter().find(|step| step["outcome"] == "failed");
    assert!(failed.is_none(), "{failed:?}\n{told}");
    let listed = &read(out.join("devices.json"))["steps"][0]["result"]["adapters"];
    assert!(listed.as_array().is_some_and(|adapters| !adapters.is_empty()), "{listed}");
    let first = &read(out.join("bench.json"))["steps"][0];
    assert_eq!((&first["result"]["size"], &first["result"]["complete"]), (&"base".into(), &false.into()), "{first}");
    assert!(text(&fs::read(out.join("log.txt")).expect("there is a log")).contains("== 03-doctor"), "{told}");
    Outcome::Passed
}

fn no_gpu() {
    let kit = kit(&rxlt());
    let out = kit.path().join("out");
    let none = [("VK_DRIVER_FILES", "/nowhere.json"), ("RXLT_DEVICE", "")];
    let output = run(kit.path(), &[&out], &none);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{err}");
    assert!(err.contains("there is no GPU to measure") && err.contains("expected a GPU"), "{err}");
    assert_eq!(read(out.join("summary.json"))["steps"][1]["outcome"], "unable");
}

fn no_program() {
    let kit = kit(Path::new("/bin/false"));
    let output = run(kit.path(), &[&kit.path().join("out")], &[]);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(70), "{err}");
    assert!(err.contains("rxlt does not start here") && err.contains("a system like this"), "{err}");
}

fn wrong_arguments() {
    let kit = kit(&rxlt());
    let out = kit.path().join("out");
    let check = |arguments: &[&Path], seconds: &str, code: i32, part: &str| {
        let output = run(kit.path(), arguments, &[("RXLT_KIT_SECONDS", seconds)]);
        let err = text(&output.stderr);
        assert!(output.status.code() == Some(code) && err.contains(part), "{:?}: {err}", output.status.code());
    };
    check(&[], "9", 2, "run.sh OUT");
    check(&[&out], "soon", 2, "expected a number of seconds, found soon");
    check(&[&kit.path().join("NEEDS/out")], "9", 73, "name another folder");
}
