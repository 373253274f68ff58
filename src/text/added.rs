//! Tokens that the files beside a vocabulary add to it, as transformers reads them.

use std::collections::BTreeMap;

use serde_json::Value;
use tokenizers::AddedToken;

use super::{
    CONFIG,
    engine::{Engine, name_in},
};

/// Ids of added tokens by name, of before `added_tokens_decoder`.
pub const TOKENS: &str = "added_tokens.json";
/// Names of special tokens, which count where tokenizer_config.json has no `added_tokens_decoder`.
pub const SPECIALS: &str = "special_tokens_map.json";
/// Added tokens by id, in tokenizer_config.json.
const BY_ID: &str = "added_tokens_decoder";
/// Further special tokens, in tokenizer_config.json.
const FURTHER: [&str; 2] = ["extra_special_tokens", "additional_special_tokens"];

/// tokenizer_config.json with the names of special tokens that [`SPECIALS`] has, where these count.
pub(super) fn with_specials(mut config: Value, specials: &Value) -> Value {
    let count = config.is_null() || config.is_object() && config.get(BY_ID).is_none();
    for (key, value) in specials.as_object().into_iter().flatten().filter(|_| count) {
        config[key.as_str()] = value.clone(); // null becomes an object
    }
    config
}

/// Adds what the vocabulary does not have as whole tokens yet, of tokenizer_config.json and [`TOKENS`].
pub(super) fn add(engine: &mut Engine, config: &Value, tokens: &Value) -> Result<(), String> {
    for (id, (token, file)) in by_id(config, tokens)? {
        let name = token.content.clone();
        let added = |engine: &Engine| engine.get_added_tokens_decoder().contains_key(&id);
        if engine.token_to_id(&name) == Some(id) && added(engine) {
            continue;
        }
        let next = engine.get_vocab_size(true) as u32;
        if let Some(found) = engine.token_to_id(&name).or((id != next).then_some(next)).filter(|found| *found != id) {
            return Err(format!(
                "{file} beside it gives the added token \"{name}\" the id {id}, where it would be {found}"
            ));
        }
        add_one(engine, token)?;
    }
    for name in FURTHER.iter().flat_map(|key| names(&config[*key])) {
        let is_added = engine.get_added_tokens_decoder().values().any(|token| token.content == name);
        if !is_added {
            add_one(engine, AddedToken::from(name, true))?;
        }
    }
    Ok(())
}

fn add_one(engine: &mut Engine, token: AddedToken) -> Result<(), String> {
    let added = if token.special { engine.add_special_tokens([token]) } else { engine.add_tokens([token]) };
    added.map(drop).map_err(|error| error.to_string())
}

/// Tokens by their ids, with the file that has them.
fn by_id(config: &Value, tokens: &Value) -> Result<BTreeMap<u32, (AddedToken, &'static str)>, String> {
    if let Some(tokens) = config.get(BY_ID) {
        let wrong = || format!("\"{BY_ID}\" in {CONFIG} beside it has no tokens by their ids");
        let token = |(id, token): (&String, &Value)| {
            let id: u32 = id.parse().map_err(|_| wrong())?;
            let name = token["content"].as_str().ok_or_else(wrong)?;
            let flag = |key: &str, default| token[key].as_bool().unwrap_or(default);
            let special = flag("special", false);
            let token = AddedToken::from(name, special)
                .lstrip(flag("lstrip", false))
                .rstrip(flag("rstrip", false))
                .single_word(flag("single_word", false))
                .normalized(flag("normalized", !special));
            Ok((id, (token, CONFIG)))
        };
        return tokens.as_object().ok_or_else(wrong)?.iter().map(token).collect();
    }
    let token = |(name, id): (&String, &Value)| {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| format!("{TOKENS} beside it gives \"{name}\" no id"))?;
        Ok((id, (AddedToken::from(name.clone(), false), TOKENS)))
    };
    tokens.as_object().into_iter().flatten().map(token).collect()
}

/// The names in a list, or in a table of them, of texts or of tokens.
fn names(listed: &Value) -> Vec<String> {
    let text = |value: &Value| name_in(value).map(str::to_owned);
    match listed {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        Value::Object(values) => values.values().filter_map(text).collect(),
        _ => Vec::new(),
    }
}
