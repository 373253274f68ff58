//! `rxlt eval`: scores of a model, or of predictions made elsewhere.

use std::path::{Path, PathBuf};

use super::{classifier::Classifier, device::DeviceArgs, print, tell};
use crate::{
    checkpoint::write_file,
    error::{Error, Result},
    report::results,
    tasks::{
        self, Loaded, Split, Task, generalized,
        metrics::{Grid, Score, Summary},
        predictions::{self, Prediction, confusion_file, score_file},
    },
};

/// Score a model in every language of a task, or a file of predictions made elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt eval --model runs/xnli-adv-s7/1-xnli-adv/model --task xnli --data data
  rxlt eval --model … --task xnli --data data --languages de,sw --split dev
  rxlt eval --model … --task pawsx --data data --generalized
  rxlt eval --predictions test-de.jsonl --task xnli")]
pub struct Args {
    /// A model folder as Hugging Face lays it out.
    #[arg(long, value_name = "DIR", required_unless_present = "predictions", requires_all = ["task", "data"])]
    model: Option<PathBuf>,
    /// Predictions as JSON Lines with id, language, label and prediction, instead of a model.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "generalized", "languages", "output"])]
    predictions: Option<PathBuf>,
    /// The task, by which labels are named.
    #[arg(long)]
    task: Option<String>,
    /// The folder with the task's files.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
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
    /// The most tokens of an example.
    #[arg(long, default_value_t = 128)]
    max_length: usize,
    /// The most tokens that are on the device at once.
    #[arg(long, default_value_t = 4096)]
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
    let split = args.split.split();
    let languages = match args.languages.is_empty() {
        true => task.languages_in(data, split)?,
        false => args.languages.clone(),
    };
    let loaded = languages.iter().map(|language| task.load(data, split, language)).collect::<Result<Vec<_>>>()?;
    let chosen = args.device.open()?;
    tell(&format!("device: {}: {}", chosen.name, chosen.why));
    let classifier = Classifier::load(model, &chosen, args.max_length, args.tokens)?;
    let measure = Measure { task, ids: classifier.match_labels(task)?, classifier, output: args.output.as_deref(), split };
    let scores = loaded.iter().map(|loaded| measure.score(loaded)).collect::<Result<Vec<_>>>()?;
    print(&results::one_run(&Summary::new(task.source, scores)?).to_text())?;
    if args.generalized {
        let grid = measure.grid(&loaded)?;
        print(&format!("\n{}\n{}", results::grid(&grid).to_text(), results::grid_means(&grid).to_text()))?;
    }
    Ok(())
}

struct Measure<'a> {
    task: &'a Task,
    classifier: Classifier,
    /// The model's number for each of the task's labels.
    ids: Vec<usize>,
    output: Option<&'a Path>,
    split: Split,
}

impl Measure<'_> {
    fn score(&self, loaded: &Loaded) -> Result<Score> {
        tell(&format!("{} {}: {} examples", self.task.name, loaded.language, loaded.examples.len()));
        let probabilities = self.classifier.probabilities(&loaded.examples)?;
        let predicted = loaded.examples.iter().zip(&probabilities).map(|(example, row)| {
            let row: Vec<f32> = self.ids.iter().map(|id| row[*id]).collect();
            Prediction::new(self.task, &loaded.language, example, &row)
        });
        let predicted = predicted.collect::<Result<Vec<_>>>()?;
        if let Some(folder) = self.output {
            self.write(folder, &loaded.language, &predicted)?;
        }
        let right = predicted.iter().filter(|prediction| prediction.label.as_ref() == Some(&prediction.prediction));
        Score::new(&loaded.language, right.count(), predicted.len())
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

    fn grid(&self, loaded: &[Loaded]) -> Result<Grid> {
        let mut cells = Vec::new();
        for first in loaded {
            for second in loaded {
                // The pairs of one language with itself keep the rows of that language alone.
                let score = self.score(&generalized(first, second)?)?;
                cells.push((first.language.clone(), second.language.clone(), score));
            }
        }
        Grid::new(cells)
    }
}
