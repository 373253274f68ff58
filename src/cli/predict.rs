//! `rxlt predict`: what a model says of texts without labels.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    Force, FormatName,
    device::DeviceArgs,
    named::{self, Network},
    note, print, tell,
};
use crate::{
    checkpoint::{Output, verify_if_sealed},
    data::{
        languages::{UNNAMED, in_language},
        source::Labelled,
        suited::suited,
    },
    error::{self, Error, Result},
    input,
    kinds::{self, Reader, largest},
    measure::{
        Examiner, Opened,
        evaluate::probabilities,
        open_trained,
        record::{RECORD, Record, choose_length},
    },
    models::{Config, HeadKind, Outputs, Pretrained, Problem},
    stop::Stop,
    tasks::{
        self, Example, Loaded, Row, Task, TextFile, format,
        predictions::{self, Prediction, Probabilities},
        sentences_of_header,
    },
    tensor::Device,
    text::Tokenizer,
};

/// Label texts with a trained model, as JSON Lines.
///
/// The input has one example per line: a sentence, or two parted by a tab; or a table whose first line names its columns
/// (sentence1 and sentence2, or text). In a file that ends in .jsonl, or a stream that begins with "{", there are objects
/// with "a", for pairs "b", and perhaps "id". Ids that tell rows apart are kept. A model that tags words takes a word a line,
/// with or without a tag, and empty lines between sentences.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt predict --model runs/xnli-adv-s7/1-xnli-adv/model --input pairs.tsv --output labels.jsonl
  rxlt predict --model … --input reviews.jsonl --language sw | head")]
pub struct Args {
    /// A model folder as Hugging Face lays it out, a stage of a run, or the name of a model (org/model@revision).
    #[arg(long, value_name = "DIR|NAME")]
    model: PathBuf,
    /// Of a stage that learned several tasks, the one whose head is wanted; the first where not given.
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// The texts; - is standard input.
    #[arg(long, value_name = "FILE", value_parser = input_of)]
    input: PathBuf,
    /// The language of the texts, to write beside each prediction; a model that tells languages apart wants to know it.
    #[arg(long, default_value = UNNAMED)]
    language: String,
    /// The file to write; stdout where not given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How answers are written: a JSON object a line, or as XTREME's and XGLUE's scorers read them; then the input is such as
    /// the model's task has it.
    #[arg(long, value_enum, default_value_t = FormatName::Jsonl)]
    format: FormatName,
    #[command(flatten)]
    force: Force,
    /// The most tokens of an example; what the model was trained with where not given.
    #[arg(long)]
    max_length: Option<usize>,
    /// The most tokens that are on the device at once.
    #[arg(long, default_value_t = 4096)]
    tokens: usize,
    #[command(flatten)]
    device: DeviceArgs,
}

/// The file that is meant.
fn input_of(name: &str) -> Result<PathBuf, Infallible> {
    Ok(PathBuf::from(if name == "-" { "/dev/stdin" } else { name }))
}

/// `rxlt predict`
pub fn run(args: &Args, network: Network) -> Result<()> {
    input::check_there(&args.input)?; // before anything is fetched
    let model = named::folder_of(&args.model, args.task.as_deref(), network)?;
    let output = |path: &PathBuf| Output::new(path, args.force.existing(), &[&args.input, &model]);
    let output = args.output.as_ref().map(output).transpose()?;
    let record = Record::load(&model)?;
    let known = record.as_ref().and_then(|record| tasks::find(&record.task).ok());
    let task = known.map_or_else(|| task_of(&model), |task| Ok(Some(task)))?;
    if args.format != FormatName::Jsonl && task.is_none() {
        let path = model.display();
        return Err(Error::Usage(format!(
            "--format: {path} does not say what its task is (no {RECORD}); leave it out"
        )));
    }
    if let Some(task) = task.filter(|task| !task.labels_texts() || args.format != FormatName::Jsonl) {
        return by_task(args, &model, task, record.as_ref(), output);
    }
    let examples = read(&args.input, task)?;
    check_kind(&args.input, &model, &examples, record.as_ref())?;
    let chosen = args.device.open()?;
    tell(&format!("device: {}: {}", chosen.name, chosen.why));
    let said = error::catch(|| label(args, &model, record.as_ref(), &examples, &chosen.device))?;
    chosen.tell_notes();
    let text = lines(&examples, &said, &args.language)?;
    match output {
        Some(output) => output.write(&text),
        None => print(&String::from_utf8_lossy(&text)),
    }
}

/// What a model answers that does not say its task, where it does more than to tell labels of texts apart.
fn task_of(model: &Path) -> Result<Option<&'static Task>> {
    let config = Config::load(model)?;
    if !config.is_tagger() && !config.is_of(&HeadKind::Span) {
        return Ok(None); // its weights are opened where texts are labelled
    }
    let head = Pretrained::open(model)?.head();
    let Some(task) = head.and_then(|head| kinds::task_of(&head)).transpose()? else { return Ok(None) };
    let (path, about) = (model.display(), task.about);
    tell(&format!("note: {path} does not say what it was trained on (no {RECORD}): by its files it gives {about}"));
    Ok(Some(task))
}

/// Answers of a model that does more than to tell labels apart: its input is such as its task has it, without what is right.
fn by_task(args: &Args, model: &Path, task: &Task, record: Option<&Record>, output: Option<Output>) -> Result<()> {
    let loaded = match task.classifies() && args.format == FormatName::Jsonl {
        true => Loaded { examples: read(&args.input, Some(task))?, ..Loaded::none(&args.language) },
        false => task.load_files_unlabelled(std::slice::from_ref(&args.input), &args.language)?,
    };
    if task.classifies() {
        check_kind(&args.input, model, &loaded.examples, record)?;
    }
    let chosen = args.device.open()?;
    tell(&format!("device: {}: {}", chosen.name, chosen.why));
    let measured = error::catch(|| {
        let Opened { model: opened, tokenizer, .. } = open_trained(model, task, &chosen.device, note)?;
        let (max_length, said) = choose_length(args.max_length, record, model, &opened.config)?;
        said.iter().for_each(|said| note(said));
        let examiner = Examiner {
            model: &opened,
            tokenizer: &tokenizer,
            task,
            max_length,
            tokens: args.tokens,
            stop: &Stop::new(),
        };
        let measured = examiner.predict(&loaded, None)?;
        if measured.n_truncated > 0 {
            tell(&format!("{} of {} examples cut to {max_length} tokens", measured.n_truncated, loaded.examples.len()));
        }
        if measured.n_unseen > 0 {
            let n = measured.n_unseen;
            tell(&format!("{n} words lie beyond that, and are predicted O, or the most usual"));
        }
        Ok(measured)
    })?;
    chosen.tell_notes();
    // What is right is not known, and is not said to be nothing; a word stands beside its tag.
    let words = loaded.examples.iter().flat_map(|example| &example.words).map(|word| Some(word.text.clone()));
    let words = words.chain(std::iter::repeat(None));
    let unknown = |(one, a): (Prediction, Option<String>)| Prediction { label: None, answers: None, a, ..one };
    let predicted: Vec<Prediction> = measured.predictions.into_iter().zip(words).map(unknown).collect();
    let mut text = Vec::new();
    match args.format {
        FormatName::Jsonl => predictions::write(&mut text, &predicted)?,
        FormatName::Xtreme | FormatName::Xglue => text = kinds::of(task).submission(&predicted).1.into_bytes(),
    }
    match output {
        Some(output) => output.write(&text),
        None => print(&String::from_utf8_lossy(&text)),
    }
}

/// What a model says of examples.
struct Said {
    outputs: Outputs,
    labels: Vec<String>,
    /// The probabilities of the labels, example by example.
    rows: Vec<Vec<f32>>,
}

/// A prediction whose labels do not exclude each other, which it says.
#[derive(serde::Serialize)]
struct Independent {
    #[serde(flatten)]
    prediction: Prediction,
    activation: &'static str,
}

/// The lines of the output.
fn lines(examples: &[Example], said: &Said, language: &str) -> Result<Vec<u8>> {
    let pairs = examples.iter().zip(&said.rows);
    let mut text = Vec::new();
    match said.outputs {
        Outputs::Exclusive => {
            let best = |row: &[f32]| said.labels[largest(row)].clone();
            let predicted: Vec<Prediction> =
                pairs.map(|(example, row)| prediction(example, row, &said.labels, best(row), language)).collect();
            predictions::write(&mut text, &predicted)?;
        }
        Outputs::Independent => {
            for (example, row) in pairs {
                let prediction = prediction(example, row, &said.labels, holding(row, &said.labels), language);
                let line = Independent { prediction, activation: "sigmoid" };
                serde_json::to_writer(&mut text, &line)
                    .map_err(|error| Error::Data(format!("prediction {}: {error}", example.id)))?;
                text.push(b'\n');
            }
        }
    }
    Ok(text)
}

/// The labels that hold: those of probability ½ or more; of a single one its name, since its probability tells all.
fn holding(row: &[f32], labels: &[String]) -> String {
    match labels {
        [only] => only.clone(),
        _ => {
            let holds = labels.iter().zip(row).filter(|(_, p)| **p >= 0.5);
            holds.map(|(label, _)| label.as_str()).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Whether the texts are such as the model was trained on: pairs, or single sentences.
fn check_kind(input: &Path, model: &Path, examples: &[Example], record: Option<&Record>) -> Result<()> {
    let pairs = examples.first().is_some_and(|example| example.b.is_some());
    match record {
        Some(record) => record.check_kind(&input.display().to_string(), pairs),
        None => {
            let kind = if pairs { "pairs" } else { "single sentences" };
            let model = model.display();
            tell(&format!(
                "note: {model} does not say what it was trained on (no {RECORD}): {kind} are taken to be right"
            ));
            Ok(())
        }
    }
}

/// The model's labels, and their probabilities example by example.
fn label(args: &Args, folder: &Path, record: Option<&Record>, examples: &[Example], device: &Device) -> Result<Said> {
    let path = folder.display();
    verify_if_sealed(folder)?;
    let pretrained = Pretrained::open(folder)?;
    let (max_length, said) = choose_length(args.max_length, record, folder, &pretrained.config)?;
    said.iter().for_each(|said| note(said));
    let labels = pretrained.classifier()?;
    if pretrained.config.problem == Problem::Numbers {
        return Err(Error::Data(format!(
            "{path}/config.json: problem_type is regression: the model gives numbers, not probabilities of labels; take a \
             classifier, or correct problem_type if it is wrong"
        )));
    }
    let model = pretrained.load(HeadKind::Classify(labels.clone()), 0, device)?;
    model.unused_said().iter().for_each(|said| note(said));
    let tokenizer = Tokenizer::load(folder)?;
    let tokenizer = suited(&tokenizer, &model.config, note)?;
    let tokenizer = in_language(&tokenizer, &args.language)?;
    let reader = Reader { task: &Task::UNDESCRIBED, tokenizer: &tokenizer, max_length, labels: &[] };
    let data = Labelled::new(examples, &reader)?;
    if data.n_truncated > 0 {
        tell(&format!("{} of {} examples cut to {} tokens", data.n_truncated, examples.len(), max_length));
    }
    let outputs = model.outputs();
    if outputs == Outputs::Independent {
        tell("the model's labels do not exclude each other: each has a probability of its own, by a sigmoid");
    }
    let rows = probabilities(&model, &data.items, args.tokens, &Stop::new())?;
    check_finite(args, examples, &rows)?;
    Ok(Said { outputs, labels, rows })
}

fn check_finite(args: &Args, examples: &[Example], rows: &[Vec<f32>]) -> Result<()> {
    match rows.iter().position(|row| row.iter().any(|p| !p.is_finite())) {
        None => Ok(()),
        Some(odd) => Err(Error::Data(format!(
            "{}: the model gives {} no finite probabilities: {:?}; its weights are damaged, or it diverged in training",
            args.model.display(),
            examples[odd].id,
            rows[odd]
        ))),
    }
}

fn prediction(example: &Example, row: &[f32], labels: &[String], prediction: String, language: &str) -> Prediction {
    let named: BTreeMap<String, f64> = labels.iter().cloned().zip(row.iter().map(|p| f64::from(*p))).collect();
    let probabilities = Some(Probabilities::Named(named));
    Prediction { probabilities, ..Prediction::of(language, example, prediction) }.with_text(example)
}

/// A line of a .jsonl file.
#[derive(Deserialize)]
struct Line {
    #[serde(default, deserialize_with = "predictions::optional_name")]
    id: Option<String>,
    a: String,
    b: Option<String>,
}

/// Texts of a table with a header (CSV, or JSON Lines whose keys are not `a` and `b`), by the names of columns.
fn read_table(file: &TextFile, task: Option<&Task>) -> Option<Result<Vec<Example>>> {
    let format = format::of_path(&file.path).filter(|format| format.name != "tsv" && format.has_columns())?;
    let is_named = || format.columns_of(file).is_ok_and(|found| found.sentences.is_some()) || task.is_some();
    let is_ours = || file.lines().next().is_some_and(|(_, first)| json_line(first).is_ok());
    if format.name == "jsonl" && (is_ours() || !is_named()) {
        return None; // an object with `a` and `b`, or the message that says so
    }
    let example =
        |row: Row| Example { id: row.key.unwrap_or_default(), row: row.line, a: row.a, b: row.b, ..Example::default() };
    Some(format.texts(file, task).map(|rows| rows.into_iter().map(example).collect()))
}

/// Names examples by their rows, unless they have ids that tell them all apart.
fn name(examples: &mut [Example], stem: &str) {
    let ids: BTreeSet<&str> = examples.iter().map(|example| example.id.as_str()).filter(|id| !id.is_empty()).collect();
    if ids.len() < examples.len() {
        if !ids.is_empty() {
            tell("note: ids do not tell all rows apart, which are named by their lines");
        }
        examples.iter_mut().for_each(|example| example.id = format!("{stem}:{}", example.row));
    }
}

/// The texts of a file, named; says what is odd about them.
fn read(path: &Path, task: Option<&Task>) -> Result<Vec<Example>> {
    let file = format::open(path)?;
    let mut examples = read_table(&file, task).unwrap_or_else(|| read_lines(&file, path))?;
    name(&mut examples, &path.file_stem().unwrap_or_default().to_string_lossy());
    let empty: Vec<&str> = examples.iter().filter(|one| one.a.trim().is_empty()).map(|one| one.id.as_str()).collect();
    if let Some(first) = empty.first() {
        tell(&format!("note: rows without a text get an answer like others: {}, such as {first}", empty.len()));
    }
    Ok(examples)
}

/// Objects with `a` and perhaps `b`, or sentences and pairs with a tab between, one a line.
fn read_lines(file: &TextFile, path: &Path) -> Result<Vec<Example>> {
    let first = file.lines().next().map_or("", |(_, first)| first);
    let is_json = match path.extension() {
        Some(extension) => extension == "jsonl" || extension == "json",
        None => input::is_stream(path) && first.starts_with('{'),
    };
    let header = if is_json { None } else { sentences_of_header(first) };
    let named = if header.is_some() { first.split('\t').count() } else { 0 };
    if header.is_some() {
        tell(&format!("note: {} names the columns, and is not labelled", file.place(1)));
    }
    let mut examples = Vec::new();
    for (number, content) in file.lines().skip(usize::from(header.is_some())) {
        let line = match header {
            _ if is_json => json_line(content),
            Some(columns) => table_line(content, columns, named),
            None => tab_line(content),
        };
        let line = line.map_err(|reason| Error::Data(format!("{}: {reason}", file.place(number))))?;
        let id = line.id.unwrap_or_default();
        examples.push(Example { id, row: number, a: line.a, b: line.b, ..Example::default() });
    }
    if examples.is_empty() {
        return Err(Error::Data(format!("{} has a header but no rows; put texts below it", file.path.display())));
    }
    let pairs = examples.iter().filter(|example| example.b.is_some()).count();
    if pairs != 0 && pairs != examples.len() {
        let odd = examples.iter().position(|example| example.b.is_some() != examples[0].b.is_some()).unwrap_or(0) + 1;
        let message = "expected sentences throughout or pairs throughout, found both; part them into two files";
        return Err(Error::Data(format!("{}: {message}", file.place(odd))));
    }
    Ok(examples)
}

fn json_line(content: &str) -> Result<Line, String> {
    serde_json::from_str(content).map_err(|error| format!("expected an object with \"a\" and perhaps \"b\": {error}"))
}

/// A line of a table whose header names so many columns, among them those of the sentences.
fn table_line(content: &str, (a, b): (usize, Option<usize>), named: usize) -> Result<Line, String> {
    let fields: Vec<&str> = content.split('\t').collect();
    if fields.len() > named || fields.len() <= a.max(b.unwrap_or(0)) {
        return Err(format!(
            "expected {named} columns as in the header, found {}; mend the tabs of that line",
            fields.len()
        ));
    }
    Ok(Line { id: None, a: fields[a].to_owned(), b: b.map(|b| fields[b].to_owned()) })
}

fn tab_line(content: &str) -> Result<Line, String> {
    let fields: Vec<&str> = content.split('\t').collect();
    match fields[..] {
        [a] => Ok(Line { id: None, a: a.to_owned(), b: None }),
        [a, b] => Ok(Line { id: None, a: a.to_owned(), b: Some(b.to_owned()) }),
        _ => Err(format!(
            "expected a sentence, or two parted by a tab, found {} fields; name the columns in a first line (sentence1, \
             sentence2, or text)",
            fields.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_broken_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let shown = |path: &Path| {
            let examples = read(path, None)?;
            Ok::<_, Error>(examples.into_iter().map(|e| format!("{} {} {:?}", e.id, e.a, e.b)).collect::<Vec<_>>())
        };
        assert_eq!(shown(&write("x.tsv", "p\th\nq\tk\n")).unwrap(), ["x:1 p Some(\"h\")", "x:2 q Some(\"k\")"]);
        assert_eq!(shown(&write("x.txt", "one\n")).unwrap(), ["x:1 one None"]);
        assert_eq!(shown(&write("x.jsonl", "{\"a\":\"p\",\"id\":\"7\"}\n")).unwrap(), ["7 p None"]);
        let (twice, without) =
            ("{\"a\":\"p\",\"id\":7}\n{\"a\":\"q\",\"id\":7}\n", "{\"a\":\"p\",\"id\":7}\n{\"a\":\"q\"}\n");
        for text in [twice, without] {
            assert_eq!(shown(&write("x.jsonl", text)).unwrap(), ["x:1 p None", "x:2 q None"]);
        }
        let table = "label\tsentence2\tsentence1\nx\th\tp\n";
        assert_eq!(shown(&write("x.tsv", table)).unwrap(), ["x:2 p Some(\"h\")"]);
        assert_eq!(shown(&write("x.txt", "Text\none\n")).unwrap(), ["x:2 one None"]);
        for (name, text, expected) in [
            ("y.tsv", "sentence1\tsentence2\np\n", "y.tsv:2: expected 2 columns as in the header, found 1"),
            ("y.tsv", "sentence1\tsentence2\np\tq\tr\n", "y.tsv:2: expected 2 columns as in the header, found 3"),
            ("y.tsv", "text\n", "y.tsv has a header but no rows"),
            ("y.tsv", "p\nq\tk\n", "y.tsv:2: expected sentences throughout"),
            ("y.tsv", "p\tq\tk\n", "y.tsv:1: expected a sentence, or two parted by a tab, found 3 fields"),
            ("y.jsonl", "{\"b\":\"q\"}\n", "y.jsonl:1: expected an object"),
            ("y.tsv", "", "is empty"),
        ] {
            let error = shown(&write(name, text)).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains(expected), "{error}");
        }
    }
}
