//! Runs shared by processes that mpirun starts: their bits, and what becomes of them where a rank is stopped, killed or fails.
//!
//! Started by mpirun with `as-rank` this program is a rank itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rxlt::{
    cli::process,
    error::{Error, Result},
    ranks::Ranks,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, what] = &arguments[..]
        && first == "as-rank"
    {
        return rxlt_mpi::joined(|ranks| process::as_rank(ranks, || as_rank(ranks, what)));
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    for (name, test) in TESTS {
        if wanted.is_none_or(|wanted| name.contains(wanted.as_str())) {
            println!("test {name} ...");
            test();
        }
    }
    ExitCode::SUCCESS
}

const TESTS: [(&str, fn()); 8] = [
    ("any number of ranks has the bits of one", any_number_of_ranks_has_the_bits_of_one),
    ("a run goes on with another number of ranks", a_run_goes_on_with_another_number_of_ranks),
    ("a killed rank ends all and nothing is lost", a_killed_rank_ends_all_and_nothing_is_lost),
    ("a rank that panics ends all", a_rank_that_panics_ends_all),
    ("a rank that fails alone ends all and all that fail say it once", a_rank_that_fails_alone_ends_all),
    ("what one rank is asked all do", what_one_rank_is_asked_all_do),
    ("fast sums are near those in order", fast_sums_are_near_those_in_order),
    ("micro-batches are made for the ranks where nobody says their size", micro_batches_are_made_for_the_ranks),
];

/// What a rank of this program does.
fn as_rank(ranks: &Ranks, what: &str) -> Result<()> {
    let is_last = ranks.rank() + 1 == ranks.count();
    match what {
        "panics" if is_last => panic!("a panic that is wanted"),
        "fails-alone" if is_last => return Err(Error::Device("the card fell out".into())),
        "all-fail" => return Err(Error::Config("the recipe is wrong".into())),
        _ => {}
    }
    ranks.any(false); // the others wait here for one that does not come
    Ok(())
}

const RECIPE: &str = r#"schema = 2
name = "ranks"
languages = ["en", "de"]
seed = 3
[model]
fresh = { vocab_size = 400, hidden_size = 32, num_hidden_layers = 2, num_attention_heads = 2, intermediate_size = 64, max_position_embeddings = 66 }
[data]
folder = "demo"
max_eval_samples = 60
[[stages]]
task = "demo"
updates = 10
batch_size = 12
max_train_samples = 200
max_length = 64
learning_rate = 3e-3
weight_decay = 0.01
evaluate_every = 4
checkpoint_every = 3
select = "best"
tokens_per_micro_batch = 64
[[methods]]
adv = { norm = "l2", radius = 0.3, step_size = 0.15, steps = 2, at = "word" }
[[methods]]
rs-rp = { distribution = "gaussian", scale = 0.1, samples = 2, at = "word", vote_samples = 5 }
"#;

/// A folder with the recipe.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ranks.toml"), RECIPE).expect("a recipe");
        Place(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A run of the recipe by so many ranks, none for no mpirun, which puts its results into `name`.
    fn run(&self, ranks: usize, name: &str, more: &[&str]) -> Command {
        let mut command = match ranks {
            0 => Command::new(program()),
            _ => mpirun(ranks, program()),
        };
        command.arg("run").arg(self.path("ranks.toml")).args(["--backend", "cpu", "--progress", "plain", "--output"]);
        command.arg(self.path(name)).args(more).current_dir(self.0.path());
        command
    }

    /// Runs it to its end, which is good.
    fn done(&self, ranks: usize, name: &str, more: &[&str]) -> Output {
        let output = self.run(ranks, name, more).output().expect("it can be started");
        assert!(output.status.success(), "{}", said(&output));
        output
    }

    /// The bytes of all models and predictions of a run.
    fn results(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        for method in ["adv", "rs-rp"] {
            let stage = self.path(name).join(format!("1-demo-{method}"));
            let mut files = vec![stage.join("model/model.safetensors")];
            let predictions = fs::read_dir(stage.join("predictions")).into_iter().flatten().flatten();
            files.extend(predictions.map(|entry| entry.path()));
            files.sort();
            let name = |file: &Path| file.strip_prefix(self.path(name)).expect("inside").display().to_string();
            let read = |file: &PathBuf| fs::read(file).map(|bytes| (name(file), bytes)).ok();
            found.extend(files.iter().filter_map(read));
        }
        found
    }

    fn log(&self, name: &str) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path(name).join("log.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until a run that is at work has made so many updates.
    fn wait_for(&self, name: &str, updates: usize, child: &mut Child) {
        let until = Instant::now() + Duration::from_secs(120);
        while self.log(name).iter().filter(|event| event["event"] == "step").count() < updates {
            assert!(child.try_wait().expect("a child").is_none(), "it ended before it was disturbed");
            assert!(Instant::now() < until, "it does not come so far");
            sleep(Duration::from_millis(5));
        }
    }
}

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_rxlt-mpi")
}

/// mpirun on this machine, whoever the user is and however few the cores are.
fn mpirun(ranks: usize, program: &str) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "-n", &ranks.to_string(), program]);
    command.envs(["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"].map(|name| (name, "1")));
    command
}

fn said(output: &Output) -> String {
    format!("{:?}\n{}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// The same run, long enough to be disturbed.
const LONG: [&str; 4] =
    ["--set", "stages.0.updates=300", "--set", "methods=[{adv={radius=0.3,step_size=0.15,steps=2}}]"];

/// Starts a long run, and gives its ranks' processes once it is under way.
fn under_way(place: &Place, ranks: usize, name: &str) -> (Child, Vec<String>) {
    let mut command = place.run(ranks, name, &LONG);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it can be started");
    let before = place.log(name).iter().filter(|event| event["event"] == "step").count();
    place.wait_for(name, before + 7, &mut child);
    let found = Command::new("pgrep").args(["-P", &child.id().to_string()]).output().expect("pgrep");
    let found = String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(found.len(), ranks, "the processes of mpirun");
    (child, found)
}

fn kill(signal: &str, process: &str) {
    assert!(Command::new("kill").args([signal, process]).status().expect("kill").success());
}

fn any_number_of_ranks_has_the_bits_of_one() {
    let place = Place::new();
    place.done(0, "alone", &[]);
    let alone = place.results("alone");
    assert_eq!(alone.len(), 14, "of two methods a model, and two files for two languages and a check of shortcuts");
    for ranks in [1, 2, 3, 4] {
        let name = ranks.to_string();
        place.done(ranks, &name, &[]);
        for ((file, expected), (_, found)) in alone.iter().zip(place.results(&name)) {
            assert!(*expected == found, "{file} of {ranks} ranks");
        }
        let environment = fs::read_to_string(place.path(&name).join("env.json")).expect("a record");
        assert_eq!(environment.contains(&format!("\"ranks\": {ranks}")), ranks > 1, "{environment}");
    }
}

fn a_run_goes_on_with_another_number_of_ranks() {
    let place = Place::new();
    place.done(0, "alone", &LONG);
    for (turn, ranks) in [2, 4, 0, 3].into_iter().enumerate() {
        let mut command = place.run(ranks, "changing", &LONG);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it can be started");
        place.wait_for("changing", 20 * turn + 7, &mut child);
        kill(if ranks == 0 { "-TERM" } else { "-USR1" }, &child.id().to_string()); // which mpirun passes on
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    }
    place.done(2, "changing", &LONG);
    assert!(place.results("alone") == place.results("changing"));
}

fn a_killed_rank_ends_all_and_nothing_is_lost() {
    let place = Place::new();
    place.done(0, "alone", &LONG);
    for rank in [1, 0] {
        let (child, processes) = under_way(&place, 2, "killed");
        let killed = Instant::now();
        kill("-KILL", &processes[rank]);
        let output = child.wait_with_output().expect("it ends");
        assert!(!output.status.success() && killed.elapsed() < Duration::from_secs(10), "{}", said(&output));
    }
    place.done(2, "killed", &LONG);
    assert!(place.results("alone") == place.results("killed"));
}

fn a_rank_that_panics_ends_all() {
    let started = Instant::now();
    let output = ranks_of_this("panics");
    assert_eq!(output.status.code(), Some(70), "{}", said(&output));
    assert!(
        started.elapsed() < Duration::from_secs(10) && said(&output).contains("rank 1 of 2: internal"),
        "{}",
        said(&output)
    );
}

fn a_rank_that_fails_alone_ends_all() {
    let output = ranks_of_this("fails-alone");
    assert_eq!(output.status.code(), Some(69), "{}", said(&output));
    assert!(said(&output).contains("error: rank 1 of 2: the card fell out"), "{}", said(&output));
    let output = ranks_of_this("all-fail");
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert_eq!(said(&output).matches("error: the recipe is wrong").count(), 1, "{}", said(&output));
}

fn ranks_of_this(what: &str) -> Output {
    let own = std::env::current_exe().expect("its own path");
    mpirun(2, &own.to_string_lossy()).args(["as-rank", what]).output().expect("mpirun")
}

fn what_one_rank_is_asked_all_do() {
    let place = Place::new();
    let (child, processes) = under_way(&place, 2, "stopped");
    kill("-TERM", &processes[1]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    assert_eq!(said(&output).matches("stopped on request").count(), 1, "{}", said(&output));
    let checkpoints = fs::read_dir(place.path("stopped/1-demo-adv/checkpoints")).expect("checkpoints").flatten();
    let names: Vec<String> = checkpoints.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.len() == 1 && names[0].starts_with("step-"), "{names:?}");
    let status = fs::read_to_string(place.path("stopped/STATUS.json")).expect("a status");
    assert!(status.contains("\"paused\""), "{status}");
}

fn fast_sums_are_near_those_in_order() {
    let place = Place::new();
    let few = |reduce: &str| [format!("reduce={reduce:?}"), "stages.0.updates=4".to_owned()];
    let losses = |name: &str| -> Vec<f64> {
        place
            .log(name)
            .iter()
            .filter(|event| event["event"] == "step")
            .filter_map(|event| event["loss"].as_f64())
            .collect()
    };
    for reduce in ["ordered", "fast", "half"] {
        let [first, second] = few(reduce);
        place.done(2, reduce, &["--set", &first, "--set", &second]);
    }
    let ordered = losses("ordered");
    // Losses of about 1.1, sums of a few numbers: fast ones differ in the last bits of f32, and AdamW's first updates are as
    // large as the rate wherever a gradient is not 0. In bf16 a gradient is right to 1 in 256, and so is a loss's share.
    for (reduce, most) in [("fast", 1e-5), ("half", 1e-2)] {
        let other = losses(reduce);
        assert_eq!((ordered.len(), other.len()), (8, 8));
        let apart = ordered.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < most, "{reduce}: {apart}");
    }
}

fn micro_batches_are_made_for_the_ranks() {
    let place = Place::new();
    let recipe = RECIPE.replace("tokens_per_micro_batch = 64\n", "");
    fs::write(place.path("ranks.toml"), &recipe).expect("a recipe");
    place.done(4, "made", &[]);
    let memory = fs::read_to_string(place.path("made/1-demo-adv/memory.json")).expect("a record");
    let memory: serde_json::Value = serde_json::from_str(&memory).expect("JSON");
    let tokens = memory["tokens_per_micro_batch"].as_u64().expect("a number");
    assert!((64..512).contains(&tokens), "of about 600 tokens each of four ranks has some: {tokens}");
    place.done(0, "said", &["--set", &format!("stages.0.tokens_per_micro_batch={tokens}")]);
    assert!(place.results("made") == place.results("said"));
    // What was recorded stands: one rank alone goes on with the same, in stages too that it begins.
    fs::remove_dir_all(place.path("made/1-demo-rs-rp")).expect("it is there");
    place.done(0, "made", &[]);
    assert!(place.results("made") == place.results("said"));
}
