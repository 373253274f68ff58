//! `rxlt export`: a model and its tokenizer in one folder, in f16.

use std::path::PathBuf;

use super::{
    Force,
    named::{self, Network},
    note, tell,
};
use crate::{
    checkpoint,
    data::suited::{save_beside, suited},
    error::{self, Error, Result},
    measure::record::Record,
    models::{self, Pretrained},
    tensor::Device,
    text::Tokenizer,
};

/// Write a model with its tokenizer as f16 safetensors, which transformers loads and `rxlt` goes on from.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rxlt export --model runs/pretrain-open/3-mlm/model --dropout 0.1 --output encoder")]
pub struct Args {
    /// A model folder as Hugging Face lays it out, a stage of a run, a checkpoint of one, or the name of a model.
    #[arg(long, value_name = "DIR|NAME")]
    model: PathBuf,
    /// Of a stage that learned several tasks, the one whose head is wanted; the first where not given.
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// The tokenizer, where it does not lie beside the model.
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// The dropout that config.json prescribes for training that goes on; as it is where not given.
    #[arg(long)]
    dropout: Option<f64>,
    /// The folder to write; it must not hold anything of others.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    force: Force,
}

/// `rxlt export`
pub fn run(args: &Args, network: Network) -> Result<()> {
    if let Some(dropout) = args.dropout.filter(|dropout| !(0.0..1.0).contains(dropout)) {
        return Err(Error::Usage(format!("--dropout {dropout}: expected 0 or more and below 1")));
    }
    let from = named::folder_of(&args.model, args.task.as_deref(), network)?;
    let beside = args.tokenizer.as_deref().unwrap_or(&from);
    checkpoint::check_folder_output(&args.output, args.force.existing(), &[&from, beside])?;
    error::catch(|| {
        checkpoint::verify_if_sealed(&from)?;
        let record = Record::load(&from)?;
        let tokenizer = Tokenizer::load(beside)?;
        let pretrained = Pretrained::open(&from)?;
        let tokenizer = suited(&tokenizer, &pretrained.config, note)?;
        let config = match args.dropout {
            Some(dropout) => pretrained.config.with_dropout(dropout).map_err(Error::Config)?,
            None => pretrained.config.clone(),
        };
        let Some(head) = pretrained.head() else {
            checkpoint::commit_folder(&args.output, |folder| {
                pretrained.write_encoder_half(&config, folder)?;
                tokenizer.save(folder)
            })?;
            tell(&format!("{} is written, in f16: an encoder without a head", args.output.display()));
            return Ok(());
        };
        let mut model = pretrained.load(head, 0, &Device::cpu())?;
        if !model.initialized.is_empty() {
            let (folder, names) = (from.display(), model.initialized.join(", "));
            return Err(Error::Data(format!("{folder} lacks {names}; name the folder of a trained model")));
        }
        models::refuse_not_finite(&from, &model.not_finite)?;
        model.config = config;
        checkpoint::commit_folder(&args.output, |folder| {
            model.write_half(folder)?;
            save_beside(&tokenizer, &model.head_kind, folder, note)?;
            match &record {
                Some(record) if record.is_of_text() => record.write_length(folder), // an encoder to begin with
                Some(record) => record.write(folder),
                None => Ok(()),
            }
        })?;
        tell(&format!("{} is written, in f16", args.output.display()));
        Ok(())
    })
}
