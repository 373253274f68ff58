//! `rxlt compare`: two runs, or two methods over their seeds, item by item.

use std::path::PathBuf;

use super::{
    report::{AnalysisArgs, Form},
    tell,
};
use crate::{
    error::{Error, Result},
    report::{
        analysis::{Options, analyze},
        document::comparison,
        runs::Study,
    },
};

/// Compare two runs on the same test items: difference by language, McNemar's exact test, and the bootstrap of the mean.
///
/// Two paths are the two sides: run folders of one method, or methods' folders in runs. With --methods the runs are
/// parted by method, each side with all its seeds. The difference is the second less the first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt compare runs/demo-s7-1a2b3c4d/2-demo-standard runs/demo-s7-1a2b3c4d/2-demo-adv
  rxlt compare --methods standard,adv runs/demo-s*
  rxlt compare runs/a runs/b --format json")]
pub struct Args {
    /// Two runs, or with --methods all that hold one of the methods.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The two methods to compare, the baseline first.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    methods: Vec<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    analysis: AnalysisArgs,
}

/// `rxlt compare`
pub fn run(args: &Args) -> Result<()> {
    let study = match (&args.methods[..], &args.runs[..]) {
        ([], [a, b]) => Study::pair(a, b)?,
        ([a, b], runs) if a != b => Study::read(runs)?.only(&[a, b])?,
        ([], _) => return Err(Error::Usage("expected two runs, or --methods A,B and all runs of these".into())),
        _ => return Err(Error::Usage("--methods: expected two methods such as standard,adv".into())),
    };
    study.notes.iter().for_each(|note| tell(&format!("note: {note}")));
    let first = study.cells.first().map(|cell| cell.label.clone());
    let options = args.analysis.options(&study)?;
    let options = Options { baseline: options.baseline.clone().or(first), ..options };
    let analysis = analyze(&study, &options)?;
    args.form.show(&analysis, &comparison(&analysis))
}
