//! What a fresh encoder is: XLM-R's architecture in a recipe's sizes, with random numbers or layers of another.

use super::{files::STUDENT, folder::RunFolder};
use crate::{
    checkpoint,
    error::{Error, Result},
    models::{Config, student},
    recipe::{Begin, Fresh},
    text::{self, Specials, Tokenizer},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The special tokens of a tokenizer that a run trains, as far as settings name them.
const TRAINED: Specials = Specials { first: 0, pad: 1, last: 2, unknown: 3, mask: 4 };

/// Looks whether what it begins with has its sizes, before there is a tokenizer; returns the settings.
pub fn check(fresh: &Fresh) -> Result<Config> {
    let config = config(fresh, fresh.vocab_size, TRAINED)?;
    if let Some(begin) = &fresh.begin {
        let teacher = begin.folder()?;
        let layers = student::Layers { teacher: &teacher, numbers: &begin.layers };
        let rows = student::check(layers, &config)?.config.vocab_size;
        let (tokenizer, shown) = (Tokenizer::load(&teacher)?, teacher.display());
        if tokenizer.n_ids() > rows {
            let (source, ids) = (tokenizer.source(), tokenizer.n_ids());
            return Err(Error::Data(format!(
                "{source}: it has {ids} ids, and the word table of {shown} has {rows} rows; take tokenizer and model from \
                 one folder"
            )));
        }
    }
    Ok(config)
}

/// The folder of an encoder that begins with another's layers, made at the first start of a run.
pub fn begun(begin: &Begin, config: &Config, tokenizer: &Tokenizer, run: &RunFolder) -> Result<PathBuf> {
    let (teacher, folder) = (begin.folder()?, run.path().join(STUDENT));
    let layers = student::Layers { teacher: &teacher, numbers: &begin.layers };
    run.first(|| match checkpoint::is_complete(&folder) {
        true => {
            let remedy = format!("remove the folder {}, and it is made again", folder.display());
            checkpoint::verify(&folder).map_err(|error| error.with(&remedy))
        }
        false => {
            let words = text::in_other(tokenizer, &Tokenizer::load(&teacher)?)?;
            checkpoint::commit_folder(&folder, |folder| student::write(layers, config, &words, folder))
        }
    })?;
    Ok(folder)
}

/// XLM-R's architecture in the sizes of a recipe.
pub fn config(fresh: &Fresh, n_ids: usize, specials: Specials) -> Result<Config> {
    let eps = match &fresh.begin {
        Some(begin) => Config::load(&begin.folder()?)?.layer_norm_eps,
        None => 1e-5,
    };
    let eps: f64 = eps.to_string().parse().expect("a number is written as one"); // as short as the other's file has it
    let raw = json!({
        "model_type": "xlm-roberta",
        "vocab_size": n_ids,
        "hidden_size": fresh.hidden_size,
        "num_hidden_layers": fresh.num_hidden_layers,
        "num_attention_heads": fresh.num_attention_heads,
        "intermediate_size": fresh.intermediate_size,
        "max_position_embeddings": fresh.max_position_embeddings,
        "type_vocab_size": 1,
        "layer_norm_eps": eps,
        "hidden_act": "gelu",
        "hidden_dropout_prob": fresh.hidden_dropout_prob,
        "attention_probs_dropout_prob": fresh.attention_probs_dropout_prob,
        "initializer_range": 0.02,
        "bos_token_id": specials.first,
        "pad_token_id": specials.pad,
        "eos_token_id": specials.last,
        "tie_word_embeddings": true,
    });
    let Value::Object(raw) = raw else { unreachable!("the literal is an object") };
    Config::new(raw).map_err(|reason| Error::Config(format!("model.fresh: {reason}")))
}
