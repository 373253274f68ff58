//! `rxlt compare`: two runs, or two methods over their seeds, item by item.

use std::path::PathBuf;

use super::{
    report::{AnalysisArgs, Form},
    tell,
};
use crate::{
    error::{Error, Result},
    report::{
        analysis::{Claims, Options, analyze},
        contents::comparison,
        runs::{Study, is_predictions},
    },
    tasks,
};

/// Compare two methods, or two models, on the same test items: differences by language and in the mean, with tests.
///
/// Two paths are the two sides: run folders of one method, methods' folders in runs, or predictions as JSON Lines (files,
/// or folders of them as rxlt eval --output writes them). With --methods the runs are
/// parted by method, each side with all its seeds. The difference is the second less the first. Two single runs are two
/// models: what is said of them holds for no other seed of their methods.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt compare runs/demo-s7-1a2b3c4d/2-demo-standard runs/demo-s7-1a2b3c4d/2-demo-adv
  rxlt compare --methods standard,adv runs/demo-s*
  rxlt compare --methods standard,adv runs/demo-s* --items 10 --items-to items.tsv
  rxlt compare ours/test-de.jsonl theirs/test-de.jsonl --task xnli
  rxlt compare runs/a runs/b --format json")]
pub struct Args {
    /// Two runs, or with --methods all that hold one of the methods.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The two methods to compare, the baseline first.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    methods: Vec<String>,
    /// The task of predictions, by which labels are named; without it their names must be the same on both sides.
    #[arg(long)]
    task: Option<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    analysis: AnalysisArgs,
}

/// `rxlt compare`
pub fn run(args: &Args) -> Result<()> {
    let labels = args.analysis.labels()?;
    let task = args.task.as_deref().map(tasks::find).transpose()?;
    let study = match (&args.methods[..], &args.runs[..]) {
        ([], [a, b]) if is_predictions(a) || is_predictions(b) => {
            if task.is_none() {
                tell(
                    "note: without --task answers are right or wrong one by one: F1 and intervals by sentence want the task",
                );
            }
            Study::of_predictions(a, b, task)?
        }
        _ if task.is_some() => {
            return Err(Error::Usage("--task is for two sides of predictions; runs name their own".into()));
        }
        ([], [a, b]) => Study::pair(a, b)?,
        ([a, b], runs) if a != b => Study::read_as(runs, &labels)?.only(&[a, b])?,
        ([], _) => return Err(Error::Usage("expected two runs, or --methods A,B and all runs of these".into())),
        _ => return Err(Error::Usage("--methods: expected two methods such as standard,adv".into())),
    };
    let study = if args.methods.is_empty() { study.renamed(&labels)? } else { study };
    let outputs = args.form.outputs(&args.runs, &args.analysis, &study)?;
    study.notes.iter().for_each(|note| tell(&format!("note: {note}")));
    let first = study.cells.first().map(|cell| cell.label.clone());
    let options = args.analysis.options(&study)?;
    let is_single = study.methods().iter().all(|(_, cells)| cells.len() == 1);
    let claims = if is_single { Claims::OfModels } else { Claims::OfMethods };
    let options = Options { baseline: options.baseline.clone().or(first), claims, ..options };
    let analysis = analyze(&study, &options)?;
    args.form.show(&analysis, comparison(&analysis), &outputs)
}
