//! `rxlt augment`: training data in other words as a file.

use std::path::{Path, PathBuf};

use super::{Force, perturb::PerturbArgs, print, tell};
use crate::{
    checkpoint::Output,
    error::{Error, Result},
    kinds,
    learn::augment::{Change, Neighbours, augment, refuse_without_effect},
    rng::{Purpose, Rng},
    tasks::{self, Task},
};

/// Write perturbed copies of training data: by synonyms (RS-DA; Huang et al., 2021), dictionaries or slips of typing.
///
/// Of synonyms a word is drawn uniformly from itself and its neighbours; the copies replace the originals. The
/// published recipe, but seeded: the same command writes the same file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rxlt augment --task xnli --input train-en.tsv --neighbours counterfitted_neighbors.json \\
      --copies 3 --output augmented/train-en.tsv
  rxlt augment --task xnli --input train-en.tsv --perturb code-switch:de:0.3 --dictionary de=en-de.txt --output de.tsv")]
pub struct Args {
    /// The task whose labels and layout the file has.
    #[arg(long)]
    task: String,
    /// A file of labelled examples in any of the task's layouts.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// A JSON file from words to lists of words.
    #[arg(long, value_name = "FILE", required_unless_present = "perturb", conflicts_with = "perturb")]
    neighbours: Option<PathBuf>,
    #[command(flatten)]
    perturb: PerturbArgs,
    /// Copies per example.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    copies: u32,
    /// Of this the randomness is made.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The file to write, as the task reads it: a .csv with commas, else with tabs, for which line ends and tabs in texts
    /// become spaces; stdout where not given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

/// `rxlt augment`
pub fn run(args: &Args) -> Result<()> {
    let task = tasks::find(&args.task)?;
    let kind = kinds::of(task);
    let reason = if args.neighbours.is_some() { kind.fixed() } else { kind.placed() };
    if let Some(reason) = reason {
        return Err(Error::Usage(format!("{}: this command changes texts: {reason}; name another task", task.name)));
    }
    if !task.labels_texts() {
        let name = task.name;
        return Err(Error::Usage(format!(
            "{name}: this command writes texts with one label each, and would lose what is right here; rs-da in a recipe's \
             methods does the same on the way"
        )));
    }
    let read: Vec<&Path> =
        [&args.input].into_iter().chain(&args.neighbours).map(PathBuf::as_path).chain(args.perturb.paths()).collect();
    let output = |path: &PathBuf| Output::new(path, args.force.existing(), &read);
    let output = args.output.as_ref().map(output).transpose()?;
    let (name, change) = change(args, task)?;
    let loaded = task.load_files(std::slice::from_ref(&args.input), task.source)?;
    for note in &loaded.notes {
        tell(&format!("note: {note}"));
    }
    refuse_without_effect(&loaded.examples, &*change, &name, "it")?;
    let made = augment(&loaded.examples, &*change, args.copies as usize, |number| {
        let mut rng = Rng::for_purpose(args.seed, Purpose::Augment, number);
        move |n| rng.below(n)
    });
    let to = args.output.as_deref().unwrap_or(Path::new("-.tsv"));
    let text = task.table(to, task.source, &made.examples)?;
    let (words, share) = (made.statistics.words, 100.0 * made.statistics.share_replaced());
    let n = made.examples.len();
    match output {
        Some(output) => output.write(text.as_bytes())?,
        None => print(&text)?,
    }
    tell(&format!("{n} examples from {}; {share:.1} % of {words} words replaced", loaded.examples.len()));
    Ok(())
}

/// What changes words, and what it is called.
fn change(args: &Args, task: &Task) -> Result<(String, Box<dyn Change>)> {
    match (&args.neighbours, &args.perturb.perturb[..]) {
        (Some(path), _) => Ok((path.display().to_string(), Box::new(Neighbours::load(path)?))),
        (None, [one]) => {
            let change = args.perturb.changes(task, args.seed)?.only();
            change.map(|change| (one.to_string(), change)).ok_or_else(|| Error::Usage(ONE.into()))
        }
        (None, _) => Err(Error::Usage(ONE.into())),
    }
}

const ONE: &str = "expected --neighbours FILE, or --perturb once";
