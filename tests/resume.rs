//! A run that is killed or stopped at any moment, or whose disk is full, and started again, ends with the same bits as
//! one that never was.
//!
//! Everything that draws random numbers is on: dropout, masking, augmentation, adversarial steps from random starts,
//! noise, and micro-batches.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::Precision,
    checkpoint::{Weights, sha256_file},
    gpu::{Checks, Kernels, Opening},
    models::{Config, HeadKind, Model},
    rng::Rng,
    tensor::Device,
    text::Tokenizer,
};
use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const RECIPE: &str = r#"
schema = 1
name = "resume"
languages = ["en", "fi"]
[model.fresh]
vocab_size = 400
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 48
max_position_embeddings = 50
[data]
folder = "demo"
max_eval_samples = 40
[[stages]]
task = "mlm"
mlm = { languages = ["en", "fi"], pairs = ["PAIRS"], layers = 0, pair_share = 1.0, ranked_share = 1.0, pack = true }
updates = 5
max_train_samples = 120
max_length = 40
batch_size = 8
learning_rate = 1e-2
checkpoint_every = 2
evaluate_every = 0
[[stages]]
task = "mlm"
mlm = { languages = ["en", "fi"], pairs = ["PAIRS"], ranked_share = 0.5, pack = true }
updates = 10
max_train_samples = 120
max_length = 40
batch_size = 8
learning_rate = 1e-3
checkpoint_every = 3
evaluate_every = 4
[[stages]]
task = "mlm"
mlm = { languages = ["en", "fi"], pairs = ["PAIRS"], ranked_share = 0.5 }
freeze_word_embeddings = true
updates = 4
max_train_samples = 120
max_length = 40
batch_size = 8
learning_rate = 1e-3
checkpoint_every = 2
evaluate_every = 0
[[stages]]
task = "demo"
updates = 20
max_train_samples = 60
max_length = 40
batch_size = 8
tokens_per_micro_batch = 90
learning_rate = 1e-3
weight_decay = 0.01
warmup_steps = 4
checkpoint_every = 4
evaluate_every = 7
[[methods]]
name = "everything"
rs-da = { copies = 2 }
adv = { norm = "l2", radius = 0.3, step_size = 0.1, steps = 2, start = "random", at = "word" }
rs-rp = { distribution = "gaussian", scale = 0.1, samples = 2, at = "embedding" }
[[methods]]
name = "average"
rs-da = { compute_matched = true }
"#;

const WORDS: &str = "roberta.embeddings.word_embeddings.weight";
const POSITIONS: &str = "roberta.embeddings.position_embeddings.weight";

const F16: Opening = Opening { kernels: Kernels::Own, checks: Checks::Trusted, precision: Precision::F16 };

fn main() {
    harness::run(vec![
        Test::new("resume::cpu", || check_recipe(RECIPE, "cpu", "f32", 12)),
        Test::new("resume::methods that perturb: cpu", || check_recipe(&perturbing(), "cpu", "f32", 3)),
        Test::new("resume::a teacher's vectors: cpu", a_teacher),
        Test::new("resume::several labels: cpu", || check_kind("several")),
        Test::new("resume::numbers: cpu", || check_kind("number")),
        Test::new("resume::tags: cpu", || check_kind("tag")),
        Test::new("resume::spans: cpu", || check_kind("span")),
        Test::new("resume::alternatives: cpu", || check_kind("choose")),
        Test::new("resume::tags, spans and masked words at once: cpu", || {
            check_kinds(&["tag", "span"], "beside = [\"span\", \"mlm\"]\ntask_alpha = 0.0\nmlm.pairs = [\"PAIRS\"]")
        }),
        Test::new("resume::heads of several tasks are kept as they were measured", heads_are_kept),
        Test::new("resume::ranked results: cpu", || check_kind("rank")),
        Test::new("resume::stopped while a model is measured", stopped_while_measuring),
        Test::new("resume::stopped while a model is measured by a task beside", stopped_while_measuring_another),
        Test::new("resume::a full disk, waiting", || on_a_full_disk("wait")),
        Test::new("resume::a full disk, stopping", || on_a_full_disk("stop")),
        Test::new("resume::masked words on wgpu", || {
            harness::on_gpu(|_| check_recipe(&masked_words(), "wgpu", "f32", 2))
        }),
        Test::new("resume::one stage on wgpu", || harness::on_gpu(|_| check_recipe(&last_stage(), "wgpu", "f32", 2))),
        Test::new("resume::one stage on wgpu, f16", || {
            harness::on_gpu_as(F16, |_| check_recipe(&last_stage(), "wgpu", "f16", 2))
        }),
    ]);
}

fn tensor(model: &Path, name: &str) -> Vec<f32> {
    let weights = Weights::open(model).expect("the model can be read");
    let n = weights.shape(name).expect(name).iter().product();
    let mut values = vec![0.0; n];
    weights.read_into(name, &mut values).expect(name);
    values
}

/// The recipe without its last stage.
fn masked_words() -> String {
    RECIPE.rsplit_once("[[stages]]").expect("it has stages").0.to_owned()
}

/// The recipe without what comes before its last stage: for drivers that take a minute for a stage.
fn last_stage() -> String {
    let (head, _) = RECIPE.split_once("[[stages]]").expect("it has stages");
    let (_, last) = RECIPE.rsplit_once("[[stages]]").expect("it has stages");
    format!("{head}[[stages]]{last}")
}

/// The last stage by methods that begin late, measure words, make several backward passes and read other words.
fn perturbing() -> String {
    let recipe = last_stage();
    let (stage, _) = recipe.split_once("[[methods]]").expect("it names methods");
    let methods = r#"[[methods]]
name = "passes"
freelb = { radius = "0.2x", step_size = "0.1x", init = "0.05x", steps = 3, begin = 3 }
consistency = { with = "ascent", radius = "0.01x", step_size = "0.01x", weight = 2 }
[[methods]]
name = "words"
typos = { words = 0.2 }
consistency = { with = "text", synonyms = {}, begin = 2 }
[[methods]]
consistency = { with = "noise", radius = 0.01 }
"#;
    format!("{stage}{methods}")
}

/// A model of BERT's family, as wide as the recipe's, in a folder.
fn a_model(folder: &Path) {
    let tokenizer = Tokenizer::load(&shipped()).expect("the tokenizer that ships can be read");
    let config = serde_json::json!({
        "model_type": "bert", "vocab_size": tokenizer.n_ids(), "hidden_size": 32, "num_hidden_layers": 3,
        "num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 60, "type_vocab_size": 2,
        "pad_token_id": tokenizer.specials().pad,
    });
    let config = Config::new(config.as_object().expect("it is an object").clone()).expect("it is a model's");
    let model = Model::fresh(config, HeadKind::MaskedLm, 3, &Device::cpu()).expect("it fits");
    model.write(folder).expect("the model can be written");
    tokenizer.save(folder).expect("the tokenizer can be written");
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/xlmr-open")
}

/// A student of the encoder that ships, begun with layers of another, whose loss falls.
fn a_teacher() -> Outcome {
    let other = tempfile::tempdir().expect("a temporary folder can be made");
    a_model(other.path());
    let begin = other.path().display().to_string().replace('\\', "/");
    let begin = format!("[model.fresh.begin]\npath = \"{begin}\"\nlayers = [3, 1]\n[data]\n");
    let last = last_stage().replace("[data]\n", &begin);
    let (head, last) = last.split_once("[[stages]]").expect("it has a stage");
    let teacher = shipped().display().to_string().replace('\\', "/");
    let recipe = format!(
        "{head}[[stages]]\ntask = \"mlm\"\nupdates = 30\nmax_train_samples = 120\nmax_length = 40\nbatch_size = 16\n\
         learning_rate = 1e-2\ncheckpoint_every = 4\nevaluate_every = 10\n\
         [stages.mlm]\nlanguages = [\"en\", \"fi\"]\npairs = [\"PAIRS\"]\n\
         [stages.mlm.teacher]\npath = \"{teacher}\"\nprefix = \"query: \"\n[[stages]]{last}"
    )
    .replace("schema = 1", "schema = 2");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    undisturbed(folder.path(), &recipe, "cpu", "f32");
    let log = fs::read_to_string(folder.path().join("whole/log.jsonl")).expect("there is a log");
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is JSON"));
    let losses: Vec<f64> =
        lines.filter(|line| line["stage"] == "1-mlm").filter_map(|line| line["loss"].as_f64()).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (losses[0], mean(&losses[25..]));
    // Two distances of vectors that know nothing of each other are 2; those of 16 generated texts are not far apart.
    assert!((first - 2.0).abs() < 0.4 && last < first - 0.4, "{first} {last}");
    check_recipe(&recipe, "cpu", "f32", 4)
}

/// What the recipe of a kind of task has in place of the demo's stage: the kind, and the lines of a file of each split, by
/// number, in two languages of which the second is the first in capitals.
fn of_kind(kind: &str) -> (&'static str, &'static str, fn(usize) -> String) {
    const ANIMALS: [&str; 3] = ["dog", "cat", "cow"];
    match kind {
        "several" => {
            ("problem_type = \"multi_label_classification\"\nlabels = [\"dog\", \"cat\", \"cow\"]", "tsv", |i| {
                format!("the {} and the {}\t{1}, {0}\n", ANIMALS[i % 3], ANIMALS[(i + 1 + i / 3 % 2) % 3])
            })
        }
        "number" => ("problem_type = \"regression\"", "tsv", |i| format!("the {} {i}\t{}.5\n", ANIMALS[i % 3], i % 3)),
        "tag" => ("kind = \"tag\"\nlabels = [\"O\", \"B-ANIMAL\", \"I-ANIMAL\"]", "words", |i| {
            format!("the O\nbig B-ANIMAL\n{} I-ANIMAL\n{i} O\n\n", ANIMALS[i % 3])
        }),
        "span" => ("kind = \"span\"", "squad", |i| {
            let (text, animal) = (format!("In field {i} stands the {} of the farm.", ANIMALS[i % 3]), ANIMALS[i % 3]);
            let start = text.find(animal).expect("it is in the text");
            let comma = if i == 0 { "" } else { "," };
            format!(
                "{comma}{{\"context\": \"{text}\", \"qas\": [{{\"id\": \"{i}\", \"question\": \"who stands?\", \
                 \"answers\": [{{\"text\": \"{animal}\", \"answer_start\": {start}}}]}}]}}"
            )
        }),
        "choose" => ("kind = \"choose\"", "jsonl", |i| {
            let (right, wrong) = (ANIMALS[i % 3], ANIMALS[(i + 1) % 3]);
            let choices = if i % 2 == 0 { [right, wrong] } else { [wrong, right] };
            format!(
                "{{\"premise\": \"a {right} came\", \"choice1\": \"the {}\", \"choice2\": \"the {}\", \"label\": {}}}\n",
                choices[0],
                choices[1],
                i % 2
            )
        }),
        "rank" => ("kind = \"rank\"\npairs = true\nlabels = [\"0\", \"1\", \"2\"]", "jsonl", |i| {
            let (query, result) = (ANIMALS[i / 4 % 3], ANIMALS[i % 3]);
            let grade = if query == result { 2 } else { i % 2 };
            format!("{{\"sentence1\": \"the {query}\", \"sentence2\": \"{i} {result}\", \"label\": {grade}}}\n")
        }),
        other => panic!("no kind {other}"),
    }
}

/// Writes data of a kind, with so many examples in the dev data, and gives the task that says how they lie.
fn write_kind(folder: &Path, kind: &str, n_dev: usize) -> String {
    let (definition, format, line) = of_kind(kind);
    for (split, n) in [("train", 30), ("dev", n_dev), ("test", 24)] {
        for language in ["en", "fi"] {
            let lines: String = (0..n).map(line).collect();
            let lines = if language == "fi" && format != "squad" { lines.replace("the", "se") } else { lines };
            let text = match format {
                "squad" => format!("{{\"data\": [{{\"paragraphs\": [{lines}]}}]}}"),
                "tsv" => format!("text\tlabel\n{lines}"),
                _ => lines,
            };
            let file = folder.join(format!("{kind}-{split}-{language}.txt"));
            fs::write(file, text).expect("the data can be written");
        }
    }
    let file = |split: &str| format!("{split} = [\"{kind}-{split}-{{language}}.txt\"]\n");
    let files = ["train", "dev", "test"].map(file).concat();
    format!("[[tasks]]\nname = \"{kind}\"\n{definition}\n[[tasks.layouts]]\nformat = \"{format}\"\n{files}")
}

/// A run of a user's own task of a kind, by methods that suit it.
fn check_kind(kind: &str) -> Outcome {
    check_kinds(&[kind], "")
}

/// The same of several kinds, of which the first is measured; `more` says what else the stage has.
fn check_kinds(kinds: &[&str], more: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let tasks: String = kinds.iter().map(|kind| write_kind(folder.path(), kind, 12)).collect();
    let (head, _) = RECIPE.split_once("[data]").expect("it names data");
    let data = folder.path().display().to_string().replace('\\', "/");
    let first = kinds[0];
    let stage = "max_length = 24\nbatch_size = 6\ntokens_per_micro_batch = 90\n\
                 learning_rate = 1e-3\ncheckpoint_every = 2\nevaluate_every = 3\nselect = \"best\"\n\
                 [[methods]]\nname = \"both\"\n\
                 adv = { norm = \"l2\", radius = 0.3, step_size = 0.1, steps = 2, start = \"random\", at = \"word\" }\n\
                 rs-rp = { distribution = \"gaussian\", scale = 0.1, samples = 2, at = \"embedding\" }\n";
    let updates = 8 * kinds.len(); // so that each has its turn
    let stage = format!("[[stages]]\ntask = \"{first}\"\nupdates = {updates}\n{more}\n{stage}");
    check_recipe(&format!("{head}{tasks}[data]\nfolder = \"{data}\"\n{stage}"), "cpu", "f32", 2)
}

/// Each task's model gives on the dev data what the log says of the selected update, whichever task it was selected by.
fn heads_are_kept() -> Outcome {
    for select in ["best", "last"] {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let tasks = write_kind(folder.path(), "tag", 12) + &write_kind(folder.path(), "several", 12);
        let (head, _) = RECIPE.split_once("[data]").expect("it names data");
        let data = folder.path().display().to_string().replace('\\', "/");
        // Without warmup the first evaluation is not the last's equal, and steps so large unlearn again.
        let text = format!(
            "{head}{tasks}[data]\nfolder = \"{data}\"\n[[stages]]\ntask = \"tag\"\nbeside = [\"several\"]\nupdates = 12\n\
             max_length = 24\nbatch_size = 6\nlearning_rate = 1e-2\nevaluate_every = 2\nselect = \"{select}\"\n"
        );
        undisturbed(folder.path(), &text, "cpu", "f32");
        let log = fs::read_to_string(folder.path().join("whole/log.jsonl")).expect("there is a log");
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is JSON"));
        let evaluations: Vec<_> = lines.filter(|line| line["event"] == "evaluation").collect();
        let of =
            |line: &serde_json::Value, key: &str| line[key].as_f64().unwrap_or_else(|| panic!("no {key} in {line}"));
        let earliest = |best: serde_json::Value, next| if of(&next, "f1") > of(&best, "f1") { next } else { best };
        let last = evaluations.last().expect("there are evaluations").clone();
        let chosen = if select == "best" { evaluations.into_iter().reduce(earliest).unwrap_or(last) } else { last };
        for (task, key) in [("tag", "f1"), ("several", "several micro_f1")] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_rxlt"));
            command.args([
                "eval",
                "--model",
                "whole/1-tag-standard",
                "--task",
                task,
                "--data",
                &data,
                "--split",
                "dev",
            ]);
            command.args(["--languages", "en", "--backend", "cpu"]).current_dir(folder.path());
            let output = command.output().expect("the command runs");
            let table = String::from_utf8_lossy(&output.stdout).into_owned();
            let row = table.lines().find(|line| line.starts_with("en ")).unwrap_or_else(|| panic!("{output:?}"));
            let value: f64 = row.split_whitespace().nth(2).and_then(|cell| cell.parse().ok()).expect("a percentage");
            let logged = 100.0 * of(&chosen, key);
            assert!((value - logged).abs() <= 0.05 + 1e-9, "{select} {task}: {value} and {logged} in the log"); // rounded
        }
    }
    Outcome::Passed
}

fn check_recipe(recipe_text: &str, backend: &str, precision: &str, interruptions: usize) -> Outcome {
    // More of them, for a longer look than every change needs.
    let interruptions = std::env::var("RXLT_INTERRUPTIONS").map_or(interruptions, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let started = Instant::now();
    let (recipe, expected) = undisturbed(folder.path(), recipe_text, backend, precision);
    let whole = folder.path().join("whole");
    if recipe_text == RECIPE {
        let [before, after] = ["2-mlm", "3-mlm"].map(|stage| whole.join(stage).join("model"));
        assert!(tensor(&before, WORDS) == tensor(&after, WORDS), "frozen word embeddings moved");
        assert!(tensor(&before, POSITIONS) != tensor(&after, POSITIONS), "position embeddings learned nothing");
    }

    let broken = folder.path().join("broken");
    let mut random = Rng::new(interruptions as u64, 0);
    let (mut stopped, mut killed) = (0, 0);
    while stopped + killed < interruptions {
        let mut run = start(&recipe, &broken, backend, precision);
        let length = started.elapsed().min(Duration::from_secs(20)).mul_f32(0.4);
        std::thread::sleep(length.mul_f32(random.uniform()));
        if random.below(2) == 0 {
            run.kill().expect("the run can be killed");
            killed += 1;
            run.wait().expect("the run ends");
            continue;
        }
        terminate(&run, ["TERM", "HUP", "USR1"][random.below(3) as usize]);
        stopped += 1;
        let status: ExitStatus = run.wait().expect("the run ends");
        if status.success() {
            break;
        }
        // 75: stopped and saved; no code: the signal came before there was anything to save.
        assert!(matches!(status.code(), Some(75) | None), "{status}");
    }
    let status = start(&recipe, &broken, backend, precision).wait().expect("the run ends");
    assert!(status.success(), "{status}");
    assert_eq!(hashes(&broken), expected, "after {killed} kills and {stopped} stops");
    Outcome::Passed
}

/// Writes the recipe into a folder, runs it there as `whole`, and tells what came out.
fn undisturbed(
    folder: &Path,
    recipe_text: &str,
    backend: &str,
    precision: &str,
) -> (PathBuf, BTreeMap<PathBuf, String>) {
    let recipe = folder.join("resume.toml");
    let pairs = folder.join("pairs.en-fi.tsv");
    let lines: String = (0..60).map(|i| format!("a red ball {i} rolls\tpunainen pallo {i} vierii\n")).collect();
    fs::write(&pairs, lines).expect("the pairs can be written");
    let text = recipe_text.replace("PAIRS", &pairs.display().to_string().replace('\\', "/"));
    fs::write(&recipe, text).expect("the recipe can be written");
    let whole = folder.join("whole");
    let status = start(&recipe, &whole, backend, precision).wait().expect("the run ends");
    assert!(status.success(), "{status}");
    let expected = hashes(&whole);
    assert!(expected.len() >= 3, "{expected:?}");
    (recipe, expected)
}

/// An evaluation that takes most of the time is stopped in the middle, and made when the run goes on.
fn stopped_while_measuring() -> Outcome {
    let text = last_stage()
        .replace("max_eval_samples = 40", "max_eval_samples = 1500")
        .replace("updates = 20", "updates = 3")
        .replace("evaluate_every = 7", "evaluate_every = 1");
    stop_while_measuring(&text)
}

/// The same where the model was just measured by the first task, and the second takes most of the time.
fn stopped_while_measuring_another() -> Outcome {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let tasks = write_kind(folder.path(), "tag", 12) + &write_kind(folder.path(), "several", 4000);
    let (head, _) = RECIPE.split_once("[data]").expect("it names data");
    let data = folder.path().display().to_string().replace('\\', "/");
    stop_while_measuring(&format!(
        "{head}{tasks}[data]\nfolder = \"{data}\"\n[[stages]]\ntask = \"tag\"\nbeside = [\"several\"]\nupdates = 4\n\
         max_length = 24\nbatch_size = 6\nlearning_rate = 1e-2\nevaluate_every = 1\nselect = \"best\"\n"
    ))
}

fn stop_while_measuring(text: &str) -> Outcome {
    const TRIES: usize = 20;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (recipe, expected) = undisturbed(folder.path(), text, "cpu", "f32");
    // What stopped too early or too late is begun anew: its evaluations are over.
    let stopped = (0..TRIES).map(|i| folder.path().join(format!("broken-{i}"))).find(|broken| {
        let mut run = command(&recipe, broken, "cpu", "f32").stderr(Stdio::piped()).spawn().expect("it starts");
        while !is_measuring(&broken.join("log.jsonl")) && run.try_wait().is_ok_and(|ended| ended.is_none()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        terminate(&run, "TERM");
        let mut said = String::new();
        run.stderr.take().expect("it is piped").read_to_string(&mut said).expect("it speaks");
        run.wait().expect("the run ends");
        said.contains("to be evaluated")
    });
    let broken = stopped.unwrap_or_else(|| panic!("no stop of {TRIES} came while a model was measured"));
    let status = start(&recipe, &broken, "cpu", "f32").wait().expect("the run ends");
    assert!(status.success(), "{status}");
    assert_eq!(hashes(&broken), expected);
    Outcome::Passed
}

/// Whether an update is logged whose evaluation is not.
fn is_measuring(log: &Path) -> bool {
    let text = fs::read_to_string(log).unwrap_or_default();
    let count = |event: &str| text.matches(&format!("\"event\":\"{event}\"")).count();
    count("step") > count("evaluation")
}

/// The disk fills up once a checkpoint is there, and is emptied after the run has noticed.
const FULL_DISK: &str = r#"
set -u
mount -t tmpfs -o size=24m none "$FOLDER/disk" || exit 99
run() { "$RXLT" run "$FOLDER/resume.toml" --output "$FOLDER/disk/broken" --backend cpu --progress plain "$@"; }
run --on-full "$WHAT" 2>"$FOLDER/said" >/dev/null &
pid=$!
until [ -n "$(find "$FOLDER/disk" -name LATEST)" ] || ! kill -0 $pid; do :; done
cat /dev/zero >"$FOLDER/disk/filler" 2>/dev/null
if [ "$WHAT" = wait ]; then
    until grep -q 'waiting until there is room' "$FOLDER/said" || ! kill -0 $pid; do sleep 0.05; done
    rm "$FOLDER/disk/filler"
    wait $pid || exit 1
else
    wait $pid; [ $? = 74 ] || exit 2
    grep -q 'No space left' "$FOLDER/said" || exit 3
    rm "$FOLDER/disk/filler"
    run 2>>"$FOLDER/said" >/dev/null || exit 4
fi
cp -r "$FOLDER/disk/broken" "$FOLDER/broken"
"#;

fn on_a_full_disk(what: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = last_stage().replace("updates = 20", "updates = 60");
    let (_, expected) = undisturbed(folder.path(), &text, "cpu", "f32");
    fs::create_dir(folder.path().join("disk")).expect("a folder can be made");
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", FULL_DISK]).env_remove("RXLT_DEVICE");
    let variables = [("FOLDER", folder.path().as_os_str()), ("WHAT", what.as_ref())];
    let status = command.envs(variables).env("RXLT", env!("CARGO_BIN_EXE_rxlt")).stderr(Stdio::null()).status();
    match status.map(|status| status.code()) {
        Ok(Some(0)) => {}
        Err(_) | Ok(Some(99)) => return Outcome::Ignored("no small disk can be mounted here".into()),
        Ok(code) => {
            let said = fs::read_to_string(folder.path().join("said")).unwrap_or_default();
            panic!("ended with {code:?}:\n{said}")
        }
    }
    let said = fs::read_to_string(folder.path().join("said")).expect("it said something");
    assert!(said.contains("No space left"), "the disk was never full:\n{said}");
    assert_eq!(hashes(&folder.path().join("broken")), expected);
    Outcome::Passed
}

fn start(recipe: &Path, output: &Path, backend: &str, precision: &str) -> Child {
    command(recipe, output, backend, precision).stderr(Stdio::inherit()).spawn().expect("the command starts")
}

fn command(recipe: &Path, output: &Path, backend: &str, precision: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rxlt"));
    command.arg("run").arg(recipe).arg("--output").arg(output).args(["--backend", backend, "--progress", "none"]);
    command.args(["--precision", precision]);
    if backend == "wgpu" && std::env::var_os("RXLT_DEVICE").is_none() {
        command.args(["--device", "0"]);
    }
    if backend == "cpu" {
        command.env_remove("RXLT_DEVICE");
    }
    command.stdout(Stdio::null());
    command
}

fn terminate(run: &Child, signal: &str) {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(run.id().to_string()).status();
    assert!(status.is_ok(), "kill is there");
}

/// The weights and predictions of every stage.
fn hashes(output: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let stages = fs::read_dir(output).expect("there is an output").flatten().map(|entry| entry.path());
    for stage in stages.filter(|path| path.join("model").is_dir()) {
        let predictions =
            fs::read_dir(stage.join("predictions")).into_iter().flatten().flatten().map(|entry| entry.path());
        let models = fs::read_dir(&stage).expect("it is a folder").flatten().map(|entry| entry.path());
        let is_model =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("model"));
        let weights = models.filter(is_model).map(|model| model.join("model.safetensors"));
        for file in predictions.chain(weights) {
            let name = file.strip_prefix(output).expect("it lies inside").to_path_buf();
            found.insert(name, sha256_file(&file).expect("it can be read"));
        }
    }
    found
}
