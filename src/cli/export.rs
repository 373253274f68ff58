//! `rxlt export`: a model and its tokenizer in one folder, in f16.

use std::path::PathBuf;

use super::{note, tell};
use crate::{
    checkpoint,
    error::{self, Error, Result},
    models::{Config, HeadKind, Model},
    tensor::Device,
    text::Tokenizer,
    train::suited::suited,
};

/// Write a model with its tokenizer as f16 safetensors, which transformers loads and `rxlt` goes on from.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rxlt export --model runs/pretrain-open/3-mlm/model --dropout 0.1 --output encoder")]
pub struct Args {
    /// A model folder as Hugging Face lays it out, or a checkpoint of a run.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The tokenizer, where it does not lie beside the model.
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// The dropout that config.json prescribes for training that goes on; as it is where not given.
    #[arg(long)]
    dropout: Option<f64>,
    /// The folder to write; it must not hold anything of others.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// `rxlt export`
pub fn run(args: &Args) -> Result<()> {
    if let Some(dropout) = args.dropout.filter(|dropout| !(0.0..1.0).contains(dropout)) {
        return Err(Error::Usage(format!("--dropout {dropout}: expected 0 or more and below 1")));
    }
    error::catch(|| {
        let tokenizer = Tokenizer::load(args.tokenizer.as_deref().unwrap_or(&args.model))?;
        let head = Config::load(&args.model)?.labels.map_or(HeadKind::MaskedLm, HeadKind::Classify);
        let mut model = Model::load(&args.model, head, 0, &Device::cpu())?;
        let tokenizer = suited(&tokenizer, &model.config, note)?;
        if !model.initialized.is_empty() {
            let (folder, names) = (args.model.display(), model.initialized.join(", "));
            return Err(Error::Data(format!("{folder} lacks {names}; name the folder of a trained model")));
        }
        if let Some(dropout) = args.dropout {
            model.config = model.config.with_dropout(dropout).map_err(Error::Config)?;
        }
        checkpoint::commit_folder(&args.output, |folder| {
            model.write_half(folder)?;
            tokenizer.save(folder)
        })?;
        tell(&format!("{} is written, in f16", args.output.display()));
        Ok(())
    })
}
