//! `rxlt eval`: scores of a model, or of predictions made elsewhere.

use std::path::{Path, PathBuf};

use super::{device::DeviceArgs, note, print, tell};
use crate::{
    checkpoint::write_file,
    error::{self, Error, Result},
    models::{HeadKind, Model},
    report::results,
    tasks::{
        self, Loaded, Split, Task, demo, generalized,
        metrics::{Grid, Score, Summary},
        predictions::{self, Prediction, confusion_file, score_file},
        tatoeba,
    },
    text::Tokenizer,
    train::{
        measure::{Classifier, TOKENS_AT_ONCE, open_classifier},
        recipe::DEMO,
        retrieve::Retriever,
        suited::suited,
    },
};

/// Score a model in every language of a task, or a file of predictions made elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt eval --model runs/xnli-adv-s7/1-xnli-adv/model --task xnli --data data
  rxlt eval --model … --task xnli --data data --languages de,sw --split dev
  rxlt eval --model … --task pawsx --data data --generalized
  rxlt eval --model … --task tatoeba --data data --languages de,sw
  rxlt eval --predictions test-de.jsonl --task xnli")]
pub struct Args {
    /// A model folder as Hugging Face lays it out.
    #[arg(long, value_name = "DIR", required_unless_present = "predictions", requires_all = ["task", "data"])]
    model: Option<PathBuf>,
    /// Predictions as JSON Lines with id, language, label and prediction, instead of a model.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "generalized", "languages", "output"])]
    predictions: Option<PathBuf>,
    /// The tokenizer where it does not lie beside the model, as in a checkpoint of a run; for tatoeba.
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// The task, by which labels are named; tatoeba is retrieval, and needs no labels.
    #[arg(long)]
    task: Option<String>,
    /// The folder with the task's files, or `demo` for generated data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The seed of generated data.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The languages to measure; all that the data have where not given.
    #[arg(long, value_delimiter = ',')]
    languages: Vec<String>,
    /// The part of the data.
    #[arg(long, value_enum, default_value = "test")]
    split: SplitName,
    /// Also all ordered pairs of languages, for tasks of sentence pairs.
    #[arg(long)]
    generalized: bool,
    /// A new folder for the predictions.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// For tatoeba, the hidden states that make a sentence's vector: 0 is the layers' input, then one for each layer;
    /// the last where not given.
    #[arg(long)]
    layer: Option<usize>,
    /// The most tokens of an example.
    #[arg(long, default_value_t = 128)]
    max_length: usize,
    /// The most tokens that are on the device at once.
    #[arg(long, default_value_t = TOKENS_AT_ONCE)]
    tokens: usize,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SplitName {
    Train,
    Dev,
    Test,
}

impl SplitName {
    fn split(self) -> Split {
        match self {
            SplitName::Train => Split::Train,
            SplitName::Dev => Split::Dev,
            SplitName::Test => Split::Test,
        }
    }
}

/// `rxlt eval`
pub fn run(args: &Args) -> Result<()> {
    if let (Some(tatoeba::NAME), Some(model), Some(data)) = (args.task.as_deref(), &args.model, &args.data) {
        return retrieve(args, model, data);
    }
    let task = args.task.as_deref().map(tasks::find).transpose()?;
    match (&args.model, &args.predictions, task, &args.data) {
        (Some(model), _, Some(task), Some(data)) => evaluate(args, model, task, data),
        (None, Some(file), task, _) => score(file, task),
        _ => Err(Error::Usage("expected --model with --task and --data, or --predictions".into())),
    }
}

fn score(file: &Path, task: Option<&Task>) -> Result<()> {
    print(&results::one_run(&score_file(file, task)?).to_text())?;
    print(&format!("\n{}", results::confusion(&confusion_file(file, task)?).to_text()))
}

fn evaluate(args: &Args, model: &Path, task: &Task, data: &Path) -> Result<()> {
    if args.generalized && !task.pairs {
        return Err(Error::Usage(format!("--generalized is for sentence pairs, and {} has none", task.name)));
    }
    let loaded = load(args, task, data)?;
    let chosen = args.device.open()?;
    tell(&format!("device: {}: {}", chosen.name, chosen.why));
    error::catch(|| {
        let (model, tokenizer) = open_classifier(model, task, &chosen.device, note)?;
        let longest = model.config.longest_input();
        if args.max_length > longest {
            let asked = args.max_length;
            return Err(Error::Usage(format!(
                "--max-length {asked}: the model takes at most {longest} tokens; give that or less"
            )));
        }
        let classifier =
            Classifier { model: &model, tokenizer: &tokenizer, task, max_length: args.max_length, tokens: args.tokens };
        let measure = Measure { classifier, output: args.output.as_deref(), split: args.split.split() };
        let scores = loaded.iter().map(|loaded| measure.score(loaded)).collect::<Result<Vec<_>>>()?;
        chosen.tell_notes();
        let summary = Summary::new(task.source, scores)?;
        print(&results::one_run(&summary).to_text())?;
        if !args.generalized {
            return Ok(());
        }
        let grid = measure.grid(&loaded, &summary)?;
        print(&format!("\n{}\n{}", results::grid(&grid).to_text(), results::grid_means(&grid).to_text()))
    })
}

/// Retrieval of translations in every language asked for.
fn retrieve(args: &Args, model: &Path, data: &Path) -> Result<()> {
    let known = || tatoeba::LANGUAGES.iter().map(|(language, _)| (*language).to_owned()).collect();
    let languages: Vec<String> = if args.languages.is_empty() { known() } else { args.languages.clone() };
    let bitexts = languages.iter().map(|language| tatoeba::load(data, language)).collect::<Result<Vec<_>>>()?;
    let chosen = args.device.open()?;
    tell(&format!("device: {}: {}", chosen.name, chosen.why));
    error::catch(|| {
        let tokenizer = Tokenizer::load(args.tokenizer.as_deref().unwrap_or(model))?;
        let model = Model::load(model, HeadKind::MaskedLm, 0, &chosen.device)?;
        let tokenizer = suited(&tokenizer, &model.config, note)?;
        let (layers, max_length) = (model.config.num_hidden_layers, args.max_length.min(model.config.longest_input()));
        if let Some(layer) = args.layer.filter(|layer| *layer > layers) {
            return Err(Error::Usage(format!("--layer {layer}: the model has {layers} layers; give that or less")));
        }
        let (model, tokenizer, tokens) = (&model, &tokenizer, args.tokens);
        let retriever = Retriever { model, tokenizer, layer: args.layer, max_length, tokens };
        let found = bitexts.iter().map(|bitext| retriever.score(bitext)).collect::<Result<Vec<_>>>()?;
        chosen.tell_notes();
        print(&results::retrieval(&found).to_text())
    })
}

/// The examples of every language asked for.
fn load(args: &Args, task: &Task, data: &Path) -> Result<Vec<Loaded>> {
    let split = args.split.split();
    let languages = |known: Vec<String>| if args.languages.is_empty() { known } else { args.languages.clone() };
    if data == Path::new(DEMO) {
        let known = demo::LANGUAGES.iter().map(|language| (*language).to_owned()).collect();
        let load = |language: &String| demo::load(split, language, DEMO_EXAMPLES, args.seed);
        return languages(known).iter().map(load).collect();
    }
    let known = if args.languages.is_empty() { task.languages_in(data, split)? } else { Vec::new() };
    languages(known).iter().map(|language| task.load(data, split, language)).collect()
}

/// How many examples of a language are generated.
const DEMO_EXAMPLES: usize = 600;

struct Measure<'a> {
    classifier: Classifier<'a>,
    output: Option<&'a Path>,
    split: Split,
}

impl Measure<'_> {
    fn score(&self, loaded: &Loaded) -> Result<Score> {
        let (task, language) = (self.classifier.task.name, &loaded.language);
        tell(&format!("{task} {language}: {} examples", loaded.examples.len()));
        for (reason, n) in &loaded.dropped {
            tell(&format!("  {n} rows left out: {reason}"));
        }
        loaded.notes.iter().for_each(|text| tell(&format!("  note: {text}")));
        let measured = self.classifier.predict(loaded, None)?;
        if measured.n_truncated > 0 {
            tell(&format!("  {} of them cut to {} tokens", measured.n_truncated, self.classifier.max_length));
        }
        if let Some(folder) = self.output {
            self.write(folder, &loaded.language, &measured.predictions)?;
        }
        let right = measured.predictions.iter().filter(|one| one.label.as_ref() == Some(&one.prediction));
        Score::new(&loaded.language, right.count(), measured.predictions.len())
    }

    fn write(&self, folder: &Path, language: &str, predicted: &[Prediction]) -> Result<()> {
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::Output(format!("cannot create {}: {error}", folder.display())))?;
        let path = folder.join(format!("{}-{language}.jsonl", self.split));
        if path.exists() {
            return Err(Error::Output(format!("{} is there already; name another --output", path.display())));
        }
        let mut text = Vec::new();
        predictions::write(&mut text, predicted)?;
        write_file(&path, &text)
    }

    fn grid(&self, loaded: &[Loaded], summary: &Summary) -> Result<Grid> {
        let mut cells = Vec::new();
        for first in loaded {
            for second in loaded {
                let known = summary.score(&first.language).filter(|_| first.language == second.language);
                let score = match known {
                    Some(score) => score.clone(),
                    None => self.score(&generalized(first, second)?)?,
                };
                cells.push((first.language.clone(), second.language.clone(), score));
            }
        }
        Grid::new(cells)
    }
}
