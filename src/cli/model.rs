//! `rxlt model`: what a model is and what it takes, and its weights in another format.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    Force,
    device::{Chosen, DeviceArgs},
    named::{self, Network},
    note, print, tell,
};
use crate::{
    checkpoint::{self, Float, WEIGHTS},
    data::{source::Labelled, suited::suited},
    error::{self, Error, Result},
    hub,
    kinds::item::{Goal, Item},
    learn::{methods::Standard, reduce::Share, sampler::TaskSampler},
    measure::{
        TOKENS_AT_ONCE,
        exam::Exam,
        record::{RECORD, Record},
    },
    models::{self, HeadKind, Parts, Pretrained},
    ranks::Ranks,
    recipe::Stage,
    report::{Column, Table},
    run::{
        budget::{Bytes, Choice},
        memory::{self, Subject},
        plan::{Branch, Plan},
        space,
    },
    text::{self, Tokenizer},
};

/// Show what a model is, convert its weights, or average several.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt model show xlm-roberta-base
  rxlt model show runs/xnli-adv-s7/1-xnli-adv --json
  rxlt model convert bert-base-multilingual-cased mbert --to f16
  rxlt model average runs/xnli-adv-s1/1-xnli-adv runs/xnli-adv-s2/1-xnli-adv --output mean")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Architecture, sizes, tokenizer, labels, parameters, files, and the memory that fine-tuning takes here. A name that
    /// is not in the cache is fetched.
    Show(ShowArgs),
    /// Write a model as one safetensors file, with the files beside it: PyTorch's .bin, shards, or another format.
    Convert(ConvertArgs),
    /// Write the mean of models that were trained from one start: checkpoints of a run, or runs with other seeds. Others are
    /// refused.
    Average(AverageArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// A model folder, a stage of a run, or the name of a model (org/model@revision).
    #[arg(value_name = "DIR|NAME")]
    model: PathBuf,
    /// Examples of a batch, for the memory.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch_size: u32,
    /// Tokens of each, for the memory; at most what the model takes.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..=65_536))]
    max_length: u32,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, clap::Args)]
struct ConvertArgs {
    /// A model folder, a stage of a run, or the name of a model (org/model@revision).
    #[arg(value_name = "DIR|NAME")]
    model: PathBuf,
    /// The folder to write; it must not hold anything of others.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// How numbers are stored: as they are where not given. What is not exact is rounded to the nearest.
    #[arg(long, value_enum)]
    to: Option<Float>,
    #[command(flatten)]
    force: Force,
}

/// `rxlt model …`
pub fn run(args: &Args, network: Network) -> Result<()> {
    match &args.command {
        Command::Show(args) => show(args, network),
        Command::Convert(args) => convert(args, network),
        Command::Average(args) => average(args, network),
    }
}

fn average(args: &AverageArgs, network: Network) -> Result<()> {
    let models = args.models.iter().map(|model| named::folder(model, network)).collect::<Result<Vec<PathBuf>>>()?;
    let twice = models.iter().enumerate().find(|(i, model)| models[..*i].contains(model));
    if let Some((_, model)) = twice {
        let model = model.display();
        return Err(Error::Usage(format!("{model} is named twice, and would weigh twice in the mean; name it once")));
    }
    let folders: Vec<&Path> = models.iter().map(PathBuf::as_path).collect();
    checkpoint::check_folder_output(&args.output, args.force.existing(), &folders)?;
    models.iter().try_for_each(|model| checkpoint::verify_if_sealed(model))?;
    let mut tensors = 0;
    checkpoint::commit_folder(&args.output, |folder| {
        tensors = models::average(&folders, folder)?;
        Ok(())
    })?;
    let said = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    tell(&format!(
        "{} is written: the mean of {} models in {tensors} tensors: {said}",
        args.output.display(),
        folders.len()
    ));
    Ok(())
}

fn convert(args: &ConvertArgs, network: Network) -> Result<()> {
    let from = named::folder(&args.model, network)?;
    checkpoint::check_folder_output(&args.output, args.force.existing(), &[&from])?;
    checkpoint::verify_if_sealed(&from)?;
    // Weights alone, such as an adapter's, say nothing of what they should be.
    if from.join("config.json").is_file() {
        Pretrained::open(&from)?.check_whole()?;
    }
    let mut converted = None;
    checkpoint::commit_folder(&args.output, |folder| {
        converted = Some(models::convert(&from, folder, args.to)?);
        Ok(())
    })?;
    let converted = converted.expect("the folder is there, so it was filled");
    converted.notes.iter().for_each(|text| note(text));
    let (output, source) = (args.output.display(), converted.source.display());
    tell(&format!("{output} is written: {} tensors of {source}", converted.tensors));
    Ok(())
}

#[derive(Debug, clap::Args)]
struct AverageArgs {
    /// Model folders, checkpoints or stages of runs, or names of models; two or more.
    #[arg(value_name = "DIR|NAME", required = true, num_args = 2..)]
    models: Vec<PathBuf>,
    /// The folder to write; it must not hold anything of others.
    #[arg(long, value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    force: Force,
}

/// All that is shown.
struct Shown<'a> {
    name: String,
    folder: PathBuf,
    pretrained: Pretrained,
    tokenizer: Result<Tokenizer>,
    record: Option<Record>,
    notes: Vec<String>,
    chosen: &'a Chosen,
    forecast: Result<Choice>,
    batch: (usize, usize),
}

fn show(args: &ShowArgs, network: Network) -> Result<()> {
    let folder = named::folder(&args.model, network)?;
    let pretrained = Pretrained::open(&folder)?;
    pretrained.check_whole()?;
    let record = Record::load(&folder)?;
    let mut notes = Vec::new();
    let tokenizer = Tokenizer::load(&folder)
        .and_then(|tokenizer| suited(&tokenizer, &pretrained.config, |text| notes.push(text.to_owned())));
    // What is missing may lie elsewhere; what is there and wrong is an error.
    let tokenizer = match tokenizer {
        Err(error @ Error::Missing(_)) => Err(error),
        tokenizer => Ok(tokenizer?),
    };
    let chosen = args.device.open()?;
    let batch = (args.batch_size as usize, (args.max_length as usize).min(pretrained.config.longest_input()));
    let forecast = error::catch(|| forecast(&pretrained, batch, &chosen));
    let name = args.model.display().to_string();
    let shown = Shown { name, folder, pretrained, tokenizer, record, notes, chosen: &chosen, forecast, batch };
    match args.json {
        true => print(&format!("{:#}\n", shown.json()?)),
        false => print(&shown.text()?),
    }
}

/// What fine-tuning takes on a device: one batch after the other of examples of the greatest length, every word another.
fn forecast(pretrained: &Pretrained, (batch_size, max_length): (usize, usize), chosen: &Chosen) -> Result<Choice> {
    let config = &pretrained.config;
    let item = |i: usize| {
        let ids = (0..max_length).map(|j| ((i * max_length + j) % config.vocab_size) as u32).collect();
        Item::new(i.to_string(), ids, vec![0; max_length], vec![0], Goal::Classes(vec![0]))
    };
    let of_example = (0..batch_size).map(|i| i..i + 1).collect();
    let items: Vec<Item> = (0..batch_size).map(item).collect();
    let exam = Exam::of_texts(items.clone());
    let source = Box::new(Labelled { items, of_example, n_truncated: 0, share_unknown: 0.0 });
    let stage = Stage { batch_size, max_length, ..Stage::default() };
    let head = HeadKind::Classify((0..3).map(|i| format!("LABEL_{i}")).collect());
    let (device, depth) = (&chosen.device, config.num_hidden_layers);
    let subject = Subject { config, heads: &[head], device, recompute: false, depth };
    let branches = [Branch { task: String::new(), objective: Box::new(Standard::default()), source, exam }];
    let plan = Plan {
        name: "fine-tuning",
        stage: &stage,
        branches: &branches,
        sampler: &TaskSampler::default(),
        updates: 1,
        seed: 0,
        tokens: TOKENS_AT_ONCE,
        share: Share::alone(),
    };
    memory::choose(&subject, &plan, None).map(|(choice, _)| choice)
}

impl Shown<'_> {
    fn head(&self) -> &'static str {
        match self.pretrained.head() {
            Some(HeadKind::Classify(_)) => "a classifier",
            Some(HeadKind::AnyOf(_)) => "a classifier of labels that do not exclude each other",
            Some(HeadKind::Number) => "a number (regression)",
            Some(HeadKind::Tag(_)) => "a tagger of words",
            Some(HeadKind::Span) => "spans that answer questions",
            Some(HeadKind::Choose) => "scores of alternatives",
            Some(HeadKind::MaskedLm) => "a masked language model",
            None => "none: an encoder alone",
        }
    }

    fn text(&self) -> Result<String> {
        let config = &self.pretrained.config;
        let kind = config.architecture.model_type;
        let mut lines = vec![self.name.clone()];
        let mut line = |key: &str, text: String| lines.push(format!("  {key:<13}{text}"));
        line("folder", self.folder.display().to_string());
        hub::commit_of(&self.folder).into_iter().for_each(|commit| line("commit", commit));
        let (layers, width, inner) = (config.num_hidden_layers, config.hidden_size, config.intermediate_size);
        let heads = config.num_attention_heads;
        line("architecture", format!("{kind}: {layers} layers of {width}, {heads} heads, {inner} between"));
        line("vocabulary", format!("{} ids, texts of at most {} tokens", config.vocab_size, config.longest_input()));
        match &self.tokenizer {
            Ok(tokenizer) => line("tokenizer", format!("{}, {} ids", self.tokenizer_file(), tokenizer.n_ids())),
            Err(_) => line("tokenizer", format!("none here (looked for {})", text::FILES.join(", "))),
        }
        line("head", self.head().to_owned());
        config.labels.iter().for_each(|labels| line("labels", shortened(labels)));
        line("parameters", parameters(&self.pretrained.parts()));
        let formats = self.pretrained.formats();
        let formats: Vec<String> = formats.iter().map(|(dtype, n)| format!("{dtype} ({n} tensors)")).collect();
        line("stored as", formats.join(", "));
        self.record.iter().for_each(|record| line("trained on", trained_on(record)));
        let (n, length) = self.batch;
        line("fine-tuning", format!("batches of {n} × {length} tokens on {}:", self.chosen.name));
        line("", self.memory());
        let notes: String = self.notes.iter().map(|text| format!("note: {text}\n")).collect();
        Ok(format!(
            "{}\n\n{}{}{notes}",
            lines.join("\n"),
            self.files()?.to_text(),
            if notes.is_empty() { "" } else { "\n" }
        ))
    }

    /// What fine-tuning takes, and whether the device has it where that is known.
    fn memory(&self) -> String {
        match &self.forecast {
            Err(error) => format!("does not fit: {error}"),
            Ok(choice) => match space::check_memory("fine-tuning", choice, &self.chosen.device, Ranks::alone()) {
                Ok(()) => choice.to_string(),
                Err(error) => format!("does not fit: {error}"),
            },
        }
    }

    fn tokenizer_file(&self) -> &'static str {
        text::order(&self.folder).into_iter().find(|name| self.folder.join(name).is_file()).unwrap_or_default()
    }

    /// What a file is read for, or why it is not.
    fn reading(&self, name: &str) -> (&'static str, bool) {
        let is_weight = |path: &&Path| path.file_name().is_some_and(|found| found == name);
        match name {
            "config.json" => ("configuration", true),
            "tokenizer_config.json" => ("tokenizer", true),
            text::ADDED if !self.tokenizer_file().ends_with(".model") => ("tokenizer: added tokens", true),
            text::SPECIALS if self.tokenizer_file() == "vocab.txt" => ("tokenizer", true),
            RECORD => ("what it was trained on", true),
            _ if name == self.tokenizer_file() => ("tokenizer", true),
            text::MERGES if self.tokenizer_file() == text::VOCABULARY => ("tokenizer", true),
            _ if text::FILES.contains(&name) => ("tokenizer; another comes first", false),
            _ if self.pretrained.weight_files().iter().any(is_weight) => ("weights", true),
            _ if WEIGHTS.contains(&name) => ("weights; others come first", false),
            checkpoint::MARKER => ("seal of a folder that is whole", true),
            _ => ("", false),
        }
    }

    fn files(&self) -> Result<Table> {
        let columns = [Column::words("file"), Column::numbers("size"), Column::words("read"), Column::words("as")];
        let row = |(name, size): &(String, u64)| {
            let (what, is_read) = self.reading(name);
            [name.clone(), Bytes(*size).to_string(), if is_read { "yes" } else { "no" }.to_owned(), what.to_owned()]
        };
        Ok(models::files(&self.folder)?.iter().map(row).fold(Table::new(columns), Table::row))
    }

    fn json(&self) -> Result<Value> {
        let config = &self.pretrained.config;
        let file = |(name, bytes): &(String, u64)| {
            let (what, is_read) = self.reading(name);
            json!({ "name": name, "bytes": bytes, "read": is_read, "as": what })
        };
        let files: Vec<Value> = models::files(&self.folder)?.iter().map(file).collect();
        let tokenizer = self.tokenizer.as_ref().ok();
        let forecast = self.forecast.as_ref().ok();
        Ok(json!({
            "model": self.name,
            "folder": self.folder,
            "commit": hub::commit_of(&self.folder),
            "architecture": config.architecture.model_type,
            "num_hidden_layers": config.num_hidden_layers,
            "hidden_size": config.hidden_size,
            "num_attention_heads": config.num_attention_heads,
            "intermediate_size": config.intermediate_size,
            "vocab_size": config.vocab_size,
            "longest_input": config.longest_input(),
            "tokenizer": tokenizer.map(|tokenizer| json!({ "file": self.tokenizer_file(), "ids": tokenizer.n_ids() })),
            "head": self.head(),
            "labels": config.labels,
            "parameters": self.pretrained.parts(),
            "stored_as": self.pretrained.formats(),
            "trained_on": self.record,
            "fine_tuning": {
                "device": self.chosen.name,
                "batch_size": self.batch.0,
                "max_length": self.batch.1,
                "memory": forecast,
                "fits": forecast.map(|choice| {
                    space::check_memory("fine-tuning", choice, &self.chosen.device, Ranks::alone()).is_ok()
                }),
                "error": self.forecast.as_ref().err().map(ToString::to_string),
            },
            "files": files,
            "notes": self.notes,
        }))
    }
}

fn trained_on(record: &Record) -> String {
    let kind = match record.pairs {
        Some(true) => ", pairs of sentences",
        Some(false) => ", single sentences",
        None => "",
    };
    format!("{}{kind}, texts of at most {} tokens, by rxlt {}", record.task, record.max_length, record.rxlt)
}

/// Labels on a line.
fn shortened(labels: &[String]) -> String {
    const MOST: usize = 12;
    let shown = labels.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    let rest = labels.len().saturating_sub(MOST);
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

fn parameters(parts: &Parts) -> String {
    let Parts { words, encoder, head, unused } = *parts;
    let (sum, words, encoder, head) = (count(words + encoder + head), count(words), count(encoder), count(head));
    let unused = if unused == 0 { String::new() } else { format!("; {} not used", count(unused)) };
    format!("{sum}: {words} in the word table, {encoder} in the encoder, {head} in the head{unused}")
}

/// `278.3 million`, and small numbers as they are.
fn count(n: usize) -> String {
    if n < 100_000 { n.to_string() } else { format!("{:.1} million", n as f64 / 1e6) }
}
