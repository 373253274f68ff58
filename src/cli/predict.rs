//! `rxlt predict`: what a model says of texts without labels.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{device::DeviceArgs, note, print, tell};
use crate::{
    checkpoint::write_file,
    error::{self, Error, Result},
    models::{Config, HeadKind, Model},
    tasks::{
        Example, TextFile,
        predictions::{self, Prediction, Probabilities},
    },
    tensor::Device,
    text::Tokenizer,
    train::{
        evaluate::{largest, probabilities},
        source::Labelled,
        suited::suited,
    },
};

/// Label texts with a trained model, as JSON Lines.
///
/// The input has one example per line: a sentence, or two parted by a tab; in a file that ends in .jsonl objects with
/// "a", for pairs "b", and perhaps "id".
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt predict --model runs/xnli-adv-s7/1-xnli-adv/model --input pairs.tsv --output labels.jsonl
  rxlt predict --model … --input reviews.jsonl --language sw | head")]
pub struct Args {
    /// A model folder as Hugging Face lays it out.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The texts.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The language to write beside each prediction.
    #[arg(long, default_value = "unknown")]
    language: String,
    /// The file to write; stdout where not given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The most tokens of an example.
    #[arg(long, default_value_t = 128)]
    max_length: usize,
    /// The most tokens that are on the device at once.
    #[arg(long, default_value_t = 4096)]
    tokens: usize,
    #[command(flatten)]
    device: DeviceArgs,
}

/// `rxlt predict`
pub fn run(args: &Args) -> Result<()> {
    let examples = read(&args.input)?;
    let chosen = args.device.open()?;
    tell(&format!("device: {}: {}", chosen.name, chosen.why));
    let (labels, rows) = error::catch(|| label(args, &examples, &chosen.device))?;
    chosen.tell_notes();
    let predicted: Vec<Prediction> =
        examples.iter().zip(&rows).map(|(example, row)| prediction(example, row, &labels, &args.language)).collect();
    let mut text = Vec::new();
    predictions::write(&mut text, &predicted)?;
    match &args.output {
        Some(path) => write_file(path, &text),
        None => print(&String::from_utf8_lossy(&text)),
    }
}

/// The names of the model's labels, and their probabilities example by example.
fn label(args: &Args, examples: &[Example], device: &Device) -> Result<(Vec<String>, Vec<Vec<f32>>)> {
    let path = args.model.display();
    let config = Config::load(&args.model)?;
    let longest = config.longest_input();
    if args.max_length > longest {
        let asked = args.max_length;
        return Err(Error::Usage(format!(
            "--max-length {asked}: the model at {path} takes at most {longest} tokens; give that or less"
        )));
    }
    let labels = config.labels.clone().ok_or_else(|| {
        Error::Data(format!("{path}/config.json names no labels (id2label): expected a model trained to classify, such as rxlt run leaves"))
    })?;
    let model = Model::load(&args.model, HeadKind::Classify(labels.clone()), 0, device)?;
    if let Some(name) = model.initialized.first() {
        return Err(Error::Data(format!(
            "{path} holds no trained classifier (\"{name}\" is missing); train one with rxlt run"
        )));
    }
    let tokenizer = Tokenizer::load(&args.model)?;
    let tokenizer = suited(&tokenizer, &config, note)?;
    let data = Labelled::new(examples, &tokenizer, args.max_length, &[])?;
    if data.n_truncated > 0 {
        tell(&format!("{} of {} examples cut to {} tokens", data.n_truncated, examples.len(), args.max_length));
    }
    let rows = probabilities(&model, &data.items, args.tokens);
    match rows.iter().position(|row| row.iter().any(|p| !p.is_finite())) {
        None => Ok((labels, rows)),
        Some(odd) => Err(Error::Data(format!(
            "{path}: the model gives {} no finite probabilities: {:?}; its weights are damaged, or it diverged in training",
            examples[odd].id, rows[odd]
        ))),
    }
}

fn prediction(example: &Example, row: &[f32], labels: &[String], language: &str) -> Prediction {
    let named: BTreeMap<String, f64> = labels.iter().cloned().zip(row.iter().map(|p| f64::from(*p))).collect();
    Prediction {
        id: example.id.clone(),
        row: example.row,
        language: language.to_owned(),
        a: Some(example.a.clone()),
        b: example.b.clone(),
        label: None,
        prediction: labels[largest(row)].clone(),
        probabilities: Some(Probabilities::Named(named)),
    }
}

/// A line of a .jsonl file.
#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    a: String,
    b: Option<String>,
}

fn read(path: &Path) -> Result<Vec<Example>> {
    let file = TextFile::read(path)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_json = path.extension().is_some_and(|extension| extension == "jsonl" || extension == "json");
    let mut examples = Vec::new();
    for (number, content) in file.lines() {
        let line = if is_json { json_line(content) } else { tab_line(content) };
        let line = line.map_err(|reason| Error::Data(format!("{}: {reason}", file.place(number))))?;
        let id = line.id.unwrap_or_else(|| format!("{stem}:{number}"));
        examples.push(Example { id, row: number, a: line.a, b: line.b, label: None });
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

fn tab_line(content: &str) -> Result<Line, String> {
    let fields: Vec<&str> = content.split('\t').collect();
    match fields[..] {
        [a] => Ok(Line { id: None, a: a.to_owned(), b: None }),
        [a, b] => Ok(Line { id: None, a: a.to_owned(), b: Some(b.to_owned()) }),
        _ => Err(format!("expected a sentence, or two parted by a tab, found {} fields", fields.len())),
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
            let examples = read(path)?;
            Ok::<_, Error>(examples.into_iter().map(|e| format!("{} {} {:?}", e.id, e.a, e.b)).collect::<Vec<_>>())
        };
        assert_eq!(shown(&write("x.tsv", "p\th\nq\tk\n")).unwrap(), ["x:1 p Some(\"h\")", "x:2 q Some(\"k\")"]);
        assert_eq!(shown(&write("x.txt", "one\n")).unwrap(), ["x:1 one None"]);
        assert_eq!(shown(&write("x.jsonl", "{\"a\":\"p\",\"id\":\"7\"}\n")).unwrap(), ["7 p None"]);
        for (name, text, expected) in [
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
