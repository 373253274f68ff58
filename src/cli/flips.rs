//! `rxlt flips`: test items whose prediction synonyms overturn, to report on apart.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{
    Force,
    device::DeviceArgs,
    named::{self, Network},
    note, tell,
};
use crate::{
    checkpoint::Output,
    data::{DEMO_SEED, drawn},
    error::{self, Error, Result},
    kinds,
    learn::augment::{Augmented, Neighbours, augment, refuse_without_effect},
    measure::{
        Examiner, Opened, TOKENS_AT_ONCE, open_trained,
        record::{Record, choose_length},
    },
    recipe::DEMO,
    rng::{Purpose, Rng},
    stop::Stop,
    tasks::{self, Loaded, Split, Task, demo, predictions::Prediction},
};

/// Find the test items that a model gets right in the source language, but not in every copy with synonyms.
///
/// Each line of the output is one such item; rxlt report takes the file as --subset and follows the items into all
/// languages. Take the model of plain training, so that the subset favors no other method. Items that it gets right
/// favor that model itself, the more the less it knows: with --wrong-too any item counts whose answer changes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rxlt flips --model runs/xnli-standard-s1/1-xnli-standard/model --task xnli --data data \\
    --neighbours counterfitted_neighbors.json --output flips.jsonl")]
pub struct Args {
    /// A model folder as Hugging Face lays it out, a stage of a run, or the name of a model (org/model@revision).
    #[arg(long, value_name = "DIR|NAME")]
    model: PathBuf,
    /// The task.
    #[arg(long)]
    task: String,
    /// The folder with the task's files, `demo` for generated data, or a data set on the hub: hub:org/name.
    #[arg(long, value_name = "DIR|NAME")]
    data: PathBuf,
    /// A JSON file from words to lists of words; the generated data need none.
    #[arg(long, value_name = "FILE")]
    neighbours: Option<PathBuf>,
    /// Copies of each item.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    copies: u32,
    /// Whether items that the model gets wrong count, too.
    #[arg(long)]
    wrong_too: bool,
    /// Of this the synonyms are drawn.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The most examples to look at, drawn as max_eval_samples of a recipe draws them.
    #[arg(long, value_name = "N")]
    max_samples: Option<usize>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: Force,
    /// The most tokens of an example; what the model was trained with where not given.
    #[arg(long)]
    max_length: Option<usize>,
    /// The most tokens that are on the device at once.
    #[arg(long, default_value_t = TOKENS_AT_ONCE)]
    tokens: usize,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Generated items where nobody says how many: as many as a run measures.
const DEMO_EXAMPLES: usize = 600;

/// `rxlt flips`
pub fn run(args: &Args, network: Network) -> Result<()> {
    if tasks::find(&args.task).is_err() {
        Record::load(&named::folder(&args.model, network)?)?; // it may hold a task of the user's own
    }
    let task = tasks::find(&args.task)?;
    if let Some(reason) = kinds::of(task).fixed() {
        return Err(Error::Usage(format!("{}: this command changes texts: {reason}; name another task", task.name)));
    }
    let test = match args.data == Path::new(DEMO) {
        true => demo::load(Split::Test, task.source, DEMO_EXAMPLES, DEMO_SEED)?,
        false => {
            let source = vec![task.source.to_owned()];
            let data = named::data(&args.data, &[(task, Split::Test, source)], network)?;
            task.load(&data, Split::Test, task.source)?
        }
    };
    let test = drawn(test, args.max_samples.unwrap_or(usize::MAX));
    let neighbours = match &args.neighbours {
        Some(path) => Neighbours::load(path)?,
        None if args.data == Path::new(DEMO) => Neighbours::new(demo::neighbours())?,
        None => return Err(Error::Usage("expected --neighbours FILE: words and their synonyms as JSON".into())),
    };
    let model = named::folder(&args.model, network)?;
    let read = [Some(&model), args.neighbours.as_ref()].into_iter().flatten();
    let read: Vec<&Path> =
        read.map(PathBuf::as_path).chain(test.files.iter().map(|file| file.path.as_path())).collect();
    let output = Output::new(&args.output, args.force.existing(), &read)?;
    refuse_without_effect(&test.examples, &neighbours, "--neighbours", "flips")?;
    let copies = augment(&test.examples, &neighbours, args.copies as usize, |number| {
        let mut rng = Rng::for_purpose(args.seed, Purpose::Augment, number);
        move |n| rng.below(n)
    });
    let chosen = args.device.open()?;
    tell(&format!("device: {}: {}", chosen.name, chosen.why));
    let (plain, perturbed) = error::catch(|| {
        let Opened { model: opened, tokenizer, record } = open_trained(&model, task, &chosen.device, note)?;
        let (max_length, said) = choose_length(args.max_length, record.as_ref(), &model, &opened.config)?;
        said.iter().for_each(|said| note(said));
        let tokens = args.tokens;
        let examiner = Examiner { model: &opened, tokenizer: &tokenizer, task, max_length, tokens, stop: &Stop::new() };
        let perturbed = Loaded { examples: copies.examples.clone(), ..test.clone() };
        Ok((examiner.predict(&test, None)?.predictions, examiner.predict(&perturbed, None)?.predictions))
    })?;
    chosen.tell_notes();
    let (text, flipped) = lines(task, &plain, &perturbed, args);
    output.write(text.as_bytes())?;
    say(&copies, &plain, flipped);
    Ok(())
}

/// A line for each item whose prediction does not stay, and how many there are.
fn lines(task: &Task, plain: &[Prediction], perturbed: &[Prediction], args: &Args) -> (String, usize) {
    let (mut text, mut flipped) = (String::new(), 0);
    for (item, copies) in plain.iter().zip(perturbed.chunks(args.copies as usize)) {
        let counts = args.wrong_too || item.label.as_ref() == Some(&item.prediction);
        let overturned = copies.iter().filter(|copy| copy.prediction != item.prediction).count();
        if counts && overturned > 0 {
            let line = json!({
                "task": task.name, "id": item.id, "row": item.row, "copies": copies.len(), "flipped": overturned,
            });
            text += &format!("{line}\n");
            flipped += 1;
        }
    }
    (text, flipped)
}

fn say(copies: &Augmented, plain: &[Prediction], flipped: usize) {
    let right = plain.iter().filter(|item| item.label.as_ref() == Some(&item.prediction)).count();
    let share = 100.0 * copies.statistics.share_replaced();
    tell(&format!("{} items, {right} right, {flipped} flipped; {share:.1} % of words replaced", plain.len()));
}
