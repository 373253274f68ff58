//! Many runs: side by side by `--jobs`, and by grids. Results are those of runs one after the other, bit for bit.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::{Command, Output, Stdio},
};

mod harness;

use harness::rxlt;

/// How large encoders are.
const SIZES: &str = "[model.fresh]\nvocab_size = 500\nhidden_size = 16\nnum_hidden_layers = 1\nnum_attention_heads = 2
intermediate_size = 32\nmax_position_embeddings = 34\n";

/// The encoder that the others begin with.
const TINY: &str = r#"
name = "tiny"
languages = ["en"]
SIZES
[data]
folder = "demo"
[[stages]]
task = "mlm"
updates = 1
max_train_samples = 60
max_length = 32
languages = ["en"]
"#;

/// A recipe that takes seconds.
const SMALL: &str = r#"
name = "small"
languages = ["en", "de"]
[model]
path = "tiny/1-mlm/model"
[data]
folder = "demo"
max_eval_samples = 20
[[stages]]
task = "demo"
updates = 6
batch_size = 8
max_train_samples = 60
max_length = 32
learning_rate = 1e-3
evaluate_every = 3
checkpoint_every = 3
[[methods]]
standard = {}
[[methods]]
adv = { steps = 1 }
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    fs::write(folder.path().join("tiny.toml"), TINY.replace("SIZES", SIZES)).unwrap();
    check(folder.path(), &["run", "tiny.toml", "--output", "tiny"], 0);
    folder
}

fn run(folder: &Path, args: &[&str]) -> Output {
    rxlt(folder, args).output().expect("the binary runs")
}

#[track_caller]
fn check(folder: &Path, args: &[&str], code: i32) -> (String, String) {
    let output = run(folder, args);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("rxlt writes UTF-8");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\nstdout: {out}\nstderr: {err}");
    (out, err)
}

/// What a run left, by path; times, hosts and processes are left out.
fn results(run: &Path) -> BTreeMap<String, Vec<u8>> {
    const OF_THE_PROCESS: [&str; 4] = ["env.json", "STATUS.json", "LOCK", "memory.json"];
    let mut found = BTreeMap::new();
    let mut open = vec![run.to_path_buf()];
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name == "tensorboard" {
                continue; // files named by the time
            } else if path.is_dir() {
                open.push(path);
            } else if name == "log.jsonl" {
                let text = fs::read_to_string(&path).unwrap();
                let lines = text.lines().map(|line| {
                    let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
                    for key in ["seconds", "time"] {
                        event.as_object_mut().unwrap().shift_remove(key);
                    }
                    format!("{event}\n")
                });
                found.insert(name, lines.collect::<String>().into_bytes());
            } else if !OF_THE_PROCESS.contains(&name.as_str()) {
                found.insert(path.strip_prefix(run).unwrap().display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[track_caller]
fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (results(a), results(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    assert!(a.contains_key("metrics.json") && a.keys().any(|name| name.ends_with("model.safetensors")));
    let differ: Vec<_> = a.iter().filter(|(name, bytes)| b[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(differ.is_empty(), "these differ: {differ:?}");
}

#[test]
fn seeds_side_by_side_are_those_one_after_the_other() {
    let folder = folder();
    let path = folder.path();
    let args = |output| ["run", "small.toml", "--set", "seeds=[1,2,3]", "--output", output];
    let (alone, _) = check(path, &args("alone"), 0);
    let (together, err) = check(path, &[&args("together")[..], &["--jobs", "2"]].concat(), 0);
    assert_eq!(together, alone);
    assert!(err.contains("(3 of 3 ended)") && err.contains("s2: done"), "{err}");
    for seed in ["s1", "s2", "s3"] {
        assert_same(&path.join("alone").join(seed), &path.join("together").join(seed));
    }
}

#[test]
fn methods_side_by_side_are_those_one_after_the_other() {
    let folder = folder();
    let path = folder.path();
    let (alone, _) = check(path, &["run", "small.toml", "--output", "alone"], 0);
    let (together, err) = check(path, &["run", "small.toml", "--output", "together", "--jobs", "2"], 0);
    assert_eq!(together.replace("together", "alone"), alone);
    assert!(err.contains("s7 adv: done") && !err.contains("not bit-exact"), "{err}");
    assert_same(&path.join("alone"), &path.join("together"));
    assert!(!path.join("together/.parts").exists());
    // Again: all is done, and nothing is run apart.
    let (again, err) = check(path, &["run", "small.toml", "--output", "together", "--jobs", "2"], 0);
    assert!(again == together && err.contains("1-demo-adv is done already"), "{err}");
}

#[test]
fn a_method_that_fails_stops_no_other() {
    let folder = folder();
    let path = folder.path();
    let args = ["run", "small.toml", "--output", "out", "--jobs", "2", "--set", "methods.0.stage.learning_rate=1e30"];
    let args = [&args[..], &["--set", "methods.0.name=bad"]].concat();
    let (_, err) = check(path, &args, 3);
    assert!(err.contains("s7 adv: done") && err.contains("s7 bad: exit status: 3"), "{err}");
    // What is done is the run's, as if its methods had come one after the other.
    assert!(path.join("out/1-demo-adv/metrics.json").is_file() && !path.join("out/.parts/adv").exists());
    let (report, err) = check(path, &["report", "out"], 0);
    assert!(report.contains("demo: adv") && err.contains("1-demo-bad is not finished"), "{report}{err}");
    let (_, err) = check(path, &args, 3);
    assert!(!err.contains("s7 adv"), "what is done is not run again: {err}");
}

#[test]
fn methods_with_a_fresh_encoder_are_not_run_apart_and_it_is_said() {
    let folder = folder();
    let path = folder.path();
    let fresh = SMALL.replace("[model]\npath = \"tiny/1-mlm/model\"\n", SIZES).replace("\"small\"", "\"new\"");
    fs::write(path.join("new.toml"), fresh).unwrap();
    let (_, err) = check(path, &["run", "new.toml", "--output", "out", "--jobs", "2"], 0);
    assert!(err.contains("with a fresh encoder (model.fresh) they are not run apart"), "{err}");
}

#[test]
fn models_of_methods_side_by_side_are_discarded_once_they_are_taken_over() {
    let folder = folder();
    let path = folder.path();
    let args = ["run", "small.toml", "--output", "out", "--jobs", "2", "--discard-models"];
    let (out, err) = check(path, &args, 0);
    assert!(err.contains("1-demo-adv is done already"), "what ran apart is not trained again: {err}");
    assert!(out.contains("models and checkpoints were removed"), "{out}");
    let stage = path.join("out/1-demo-adv");
    assert!(stage.join("predictions/test-de.jsonl").is_file() && !stage.join("model").exists());
    let (_, err) = check(path, &args, 0);
    assert!(err.contains("done already, and its models were removed"), "{err}");
}

#[test]
fn a_seed_that_fails_stops_no_other() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir_all(path.join("out/s2")).unwrap();
    let lock = File::options().read(true).write(true).create(true).truncate(false).open(path.join("out/s2/LOCK"));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    let args = ["run", "small.toml", "--set", "seeds=[1,2,3]", "--output", "out", "--jobs", "2"];
    let (out, err) = check(path, &args, 73);
    assert!(err.contains("error: 1 of 3 failed\nerror: s2: exit status: 73") && err.contains("is in use by"), "{err}");
    assert!(out.contains("Seeds: standard 1 3;"), "{out}");
    drop(lock);
    let (out, _) = check(path, &args, 0);
    assert!(out.contains("Seeds: standard 1 2 3;") || out.contains("standard 1–3"), "{out}");
}

#[cfg(unix)]
#[test]
fn a_signal_stops_all_and_the_same_command_goes_on() {
    let folder = folder();
    let path = folder.path();
    let long = ["updates=400", "evaluate_every=200", "checkpoint_every=200"].map(|set| format!("--set=stages.0.{set}"));
    let long = [&long[0], &long[1], &long[2], "--set=seeds=[1,2]", "--set=methods=[{standard={}}]", "--tensorboard"];
    let args = |output: &str| -> Vec<String> {
        let all = [&["run", "small.toml", "--jobs", "2", "--output", output][..], &long[..]].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let check = |path: &Path, args: &[String]| check(path, &args.iter().map(String::as_str).collect::<Vec<_>>(), 0);
    let begun = |output: &str| {
        let child = rxlt(path, &args(output).iter().map(String::as_str).collect::<Vec<_>>())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let has_begun = |seed: &str| {
            let log = path.join(output).join(seed).join("log.jsonl");
            fs::read_to_string(log).is_ok_and(|log| log.lines().count() > 10)
        };
        while !(has_begun("s1") && has_begun("s2")) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        child
    };
    let is_saved = |output: &str, seed: &str| {
        let status = fs::read_to_string(path.join(output).join(seed).join("STATUS.json")).unwrap();
        status.contains("\"paused\"") && status.contains("is saved")
    };
    let child = begun("parts");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{err}");
    assert!(err.contains("stopped on request, 0 of 2 are done") && !err.contains("error"), "{err}");
    assert!(["s1", "s2"].iter().all(|seed| is_saved("parts", seed)));
    // Who starts them may die without a word: they save, and are not in the way of the same command.
    let mut child = begun("orphans");
    child.kill().unwrap();
    child.wait().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !["s1", "s2"].iter().all(|seed| is_saved("orphans", seed)) {
        assert!(std::time::Instant::now() < until, "they go on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (parts, _) = check(path, &args("parts"));
    let (whole, _) = check(path, &args("whole"));
    assert_eq!(parts, whole);
    assert_same(&path.join("parts/s1"), &path.join("whole/s1"));
    // Event files have one writer: those of before the stop are a head of 40 bytes, and the last is that of a whole run.
    let boards = |run: &str| -> Vec<u64> {
        let folder = path.join(run).join("tensorboard/1-demo-standard");
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| file.metadata().unwrap().len()).collect()
    };
    for seed in ["s1", "s2"] {
        let (parts, whole) = (boards(&format!("parts/{seed}")), boards(&format!("whole/{seed}")));
        assert_eq!((parts.first(), parts.last(), whole.len()), (Some(&40), whole.last(), 1), "{seed}: {parts:?}");
    }
}

#[cfg(unix)]
#[test]
fn methods_begun_apart_go_on_so_however_many_at_once() {
    let folder = folder();
    let path = folder.path();
    let args = |output: &'static str| {
        let sets = [
            "--set=stages.0.updates=1000",
            "--set=stages.0.evaluate_every=1000",
            "--set=stages.0.checkpoint_every=1000",
        ];
        [&["run", "small.toml", "--output", output][..], &sets].concat()
    };
    let child = rxlt(path, &[&args("parts")[..], &["--jobs", "2"]].concat()).stderr(Stdio::null()).spawn().unwrap();
    let log =
        |method: &str| fs::read_to_string(path.join(format!("parts/.parts/{method}/log.jsonl"))).unwrap_or_default();
    while !["standard", "adv"].iter().all(|method| log(method).lines().count() > 10) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(75));
    let begun = ["standard", "adv"].map(|method| log(method).lines().next().unwrap().to_owned());
    check(path, &args("parts"), 0);
    let log = fs::read_to_string(path.join("parts/log.jsonl")).unwrap();
    assert!(begun.iter().all(|line| log.contains(line)), "what was done is not done again");
    assert!(!path.join("parts/.parts").exists());
    check(path, &args("whole"), 0);
    assert_same(&path.join("parts"), &path.join("whole"));
}

const GRID: &str = r#"
name = "rates"
recipes = ["small.toml"]
methods = ["standard", "adv"]
seeds = [1, 2]
arguments = ["--backend", "cpu"]
[settings]
"stages.0.learning_rate" = [1e-3]
"#;

#[test]
fn a_sweep_is_planned_run_watched_and_collected_by_its_folders() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("grid.toml"), GRID).unwrap();
    let (out, err) = check(path, &["sweep", "plan", "grid.toml"], 0);
    assert!(
        err.contains("4 to run, 0 done") && out.contains("runs/rates/adv-s2-") && out.contains("4 waiting"),
        "{out}{err}"
    );
    assert!(!path.join("runs").exists(), "looking makes nothing");
    check(path, &["sweep", "collect", "grid.toml"], 66);

    // One cell is run by the command that the list prints, as a scheduler would.
    let (list, _) = check(path, &["sweep", "plan", "grid.toml", "--emit", "list"], 0);
    assert_eq!(list.lines().count(), 4);
    let first = list.lines().next().unwrap();
    let status = Command::new("sh").args(["-c", first]).current_dir(path).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    let (_, err) = check(path, &["sweep", "plan", "grid.toml", "--emit", "local", "--jobs", "2"], 0);
    assert!(err.contains("3 to run, 1 done") && err.contains("(3 of 3 ended)"), "{err}");
    let (out, err) = check(path, &["sweep", "plan", "grid.toml", "--emit", "local"], 0);
    assert!(out.is_empty() && err.contains("0 to run, 4 done"), "{out}{err}");
    assert!(check(path, &["sweep", "status", "grid.toml"], 0).0.contains("\n4 done\n"));
    check(path, &["sweep", "plan", "grid.toml", "--emit", "hq"], 2);

    let (sweep, _) = check(path, &["sweep", "collect", "grid.toml", "--format", "csv"], 0);
    assert!(sweep.contains("standard") && sweep.contains("adv"), "{sweep}");
    // The cells are what the recipe's seeds are, whoever runs them.
    check(path, &["run", "small.toml", "--set", "seeds=[1,2]", "--output", "plain"], 0);
    let metrics = |run: &Path| -> serde_json::Value {
        serde_json::from_slice(&fs::read(run.join("metrics.json")).unwrap()).unwrap()
    };
    let cell = fs::read_dir(path.join("runs/rates")).unwrap().map(|entry| entry.unwrap().path());
    let cell = cell.filter(|cell| cell.is_dir()).find(|cell| cell.to_string_lossy().contains("adv-s2-")).unwrap();
    assert_eq!(metrics(&cell)["methods"][0], metrics(&path.join("plain/s2"))["methods"][1]);

    // What is done was made of the files that were there then.
    let config = path.join("tiny/1-mlm/model/config.json");
    fs::write(&config, fs::read_to_string(&config).unwrap() + "\n").unwrap();
    let (_, err) = check(path, &["sweep", "plan", "grid.toml"], 73);
    assert!(err.contains("is done, and was made of other files: tiny/1-mlm/model/config.json (model):"), "{err}");
}

#[test]
fn two_may_work_on_one_grid() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("grid.toml"), GRID).unwrap();
    let begin = || rxlt(path, &["sweep", "plan", "grid.toml", "--emit", "local"]).stderr(Stdio::piped()).spawn();
    let both = [begin().unwrap(), begin().unwrap()].map(|child| child.wait_with_output().unwrap());
    for Output { status, stderr, .. } in both {
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    }
    assert!(check(path, &["sweep", "plan", "grid.toml"], 0).1.contains("0 to run, 4 done"));
    // A list of nothing is empty; a scheduler must not be given an empty job.
    let (list, err) = check(path, &["sweep", "plan", "grid.toml", "--emit", "list"], 0);
    assert!(list.is_empty() && err.contains("there is nothing to run"), "{list}{err}");
    check(path, &["sweep", "plan", "grid.toml", "--emit", "slurm"], 2);
}

#[test]
fn schedulers_get_what_they_read() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("grid.toml"), GRID.replace("[\"small.toml\"]", "[\"small.toml\"]\noutput = 'o ut'")).unwrap();
    let (hq, _) = check(path, &["sweep", "plan", "grid.toml", "--emit", "hq", "--cpus", "3"], 0);
    let hq: toml::Table = toml::from_str(&hq).unwrap();
    let tasks = hq["task"].as_array().unwrap();
    assert_eq!((hq["name"].as_str(), tasks.len()), (Some("rates"), 4));
    assert_eq!(tasks[3]["request"][0]["resources"]["cpus"].as_integer(), Some(3));
    assert_eq!(tasks[3]["command"][1].as_str(), Some("run"));
    assert!(Path::new(tasks[3]["cwd"].as_str().unwrap()).join(tasks[3]["command"][2].as_str().unwrap()).is_file());

    // The script runs the element that it is told to, and queues again what was stopped.
    let (script, _) = check(path, &["sweep", "plan", "grid.toml", "--emit", "slurm"], 0);
    assert!(script.contains("#SBATCH --array=0-3\n"), "{script}");
    fs::write(path.join("sweep.sh"), script).unwrap();
    let stand_in = |name: &str, text: &str| fs::write(path.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
    stand_in("srun", "echo \"$@\" > called; exit $WANTED");
    stand_in("scontrol", "echo \"$@\" > requeued");
    stand_in("squeue", "test \"$2\" = --jobs=17_2 && echo $STATE");
    let made = Command::new("chmod").args(["+x", "srun", "scontrol", "squeue"]).current_dir(path).status();
    assert!(made.unwrap().success());
    // By a signal before its time is over, by one that came too early to be heard, and by scancel.
    let cases =
        [("3", "RUNNING", false), ("75", "COMPLETING", false), ("143", "RUNNING", true), ("75", "RUNNING", true)];
    for (wanted, state, is_requeued) in cases {
        let _ = fs::remove_file(path.join("requeued"));
        let mut bash = Command::new("bash");
        bash.arg("sweep.sh").current_dir(path).env("WANTED", wanted).env("STATE", state);
        bash.env("PATH", format!("{}:{}", path.display(), std::env::var("PATH").unwrap()));
        bash.env("SLURM_ARRAY_TASK_ID", "2").env("SLURM_ARRAY_JOB_ID", "17");
        assert_eq!(bash.status().unwrap().code(), Some(wanted.parse().unwrap()));
        let called = fs::read_to_string(path.join("called")).unwrap();
        assert!(called.contains("run o ut/adv-s1-") && called.contains("--backend cpu"), "{called}");
        assert_eq!(path.join("requeued").exists(), is_requeued, "{wanted} {state}");
    }
    assert_eq!(fs::read_to_string(path.join("requeued")).unwrap(), "requeue 17_2\n");
}

#[test]
fn settings_are_chosen_on_dev_data() {
    let folder = folder();
    let grid = r#"
name = "choice"
recipes = ["small.toml"]
seeds = [1, 2]
trials = 2
arguments = ["--backend", "cpu"]
[settings]
"stages.0.learning_rate" = [1e-6, 1e-3]
"methods.1.adv.radius" = [0.1, 0.3]
"#;
    fs::write(folder.path().join("grid.toml"), grid).unwrap();
    let args = ["select", "grid.toml", "--output", "selected.toml", "--page", "selection.md"];
    let (out, err) = check(folder.path(), &[&args[..], &["--dry-run"]].concat(), 0);
    assert!(err.contains("8 to run, 0 done"), "{err}");
    assert_eq!(out.lines().filter(|line| line.contains("waiting")).count(), 8 + 1, "each run, and all: {out}");
    assert!(!folder.path().join("runs").exists() && !folder.path().join("selected.toml").exists());
    let (out, err) = check(folder.path(), &args, 0);
    assert!(err.contains("8 to run, 0 done"), "{err}");
    assert!(out.contains("no test item and no other language"), "{out}");
    let page = fs::read_to_string(folder.path().join("selection.md")).unwrap();
    // Six updates of each of two seeds, at two settings, each example passed once, or twice by one step of ascent.
    let rows: Vec<Vec<&str>> = page.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    for (method, passes) in [("standard", "192"), ("adv", "384")] {
        let found = rows.iter().any(|row| row.starts_with(&["", method, "2", "24", passes]));
        assert!(found, "{method}: {page}");
    }
    let runs = fs::read_dir(folder.path().join("runs/choice")).unwrap().flatten().map(|entry| entry.path());
    let runs: Vec<_> = runs.filter(|path| path.is_dir()).collect();
    assert_eq!(runs.len(), 8);
    for run in &runs {
        assert!(run.join("models.discarded").is_file());
        let stage = fs::read_dir(run).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
        let mut predicted: Vec<String> = fs::read_dir(stage.join("predictions"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".jsonl"))
            .collect();
        predicted.sort();
        assert_eq!(predicted, ["dev-en.jsonl", "foreign-firsts-en.jsonl"]);
        let metrics: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(stage.join("metrics.json")).unwrap()).unwrap();
        assert_eq!((&metrics["shortcut"]["n"], &metrics["shortcut"]["metric"]), (&20.into(), &"accuracy".into()));
        assert!(!stage.join("model").exists() && !stage.join("checkpoints").exists());
    }
    // Again, nothing is run, and what was chosen is trained with a longer plain run beside it.
    let (again, err) = check(folder.path(), &[&args[..], &["--force"]].concat(), 0);
    assert!(err.contains("0 to run, 8 done"), "{err}");
    assert_eq!(again, out);
    let (out, _) = check(folder.path(), &["run", "selected.toml", "--backend", "cpu", "--output", "chosen"], 0);
    assert!(out.contains("standard-compute-of-adv"), "{out}");
}
