//! What a model finds in held-out texts: masked words, or translations where training only ranks them.

use super::{
    evaluate::{by_batches, rows_of},
    retrieve::{n_found, vectors},
};
use crate::{
    error::Result,
    kinds::{
        item::{Goal, Item},
        largest,
    },
    models::{LOGITS, Model, Place, Wanted, Words},
    nn::Pass,
    stop::Stop,
};
use std::collections::BTreeMap;

/// How many are found of how many, by group.
pub type Held = BTreeMap<String, (usize, usize)>;

/// How much of a held-out corpus the model finds, and how much there is, by what the items' ids begin with (`de` of
/// `de:held-out:7`): masked words, or translations among those of the group.
pub fn held_out_accuracies(model: &Model, items: &[Item], tokens: usize, stop: &Stop) -> Result<Held> {
    let is_ranked = |item: &Item| item.goal == Goal::Ranked;
    let (ranked, masked): (Vec<Item>, Vec<Item>) = items.iter().cloned().partition(is_ranked);
    let words = masked.iter().map(group_of).zip(masked_words_found(model, &masked, tokens, stop)?);
    let mut sums: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (group, (right, n)) in words.chain(translations_found(model, &ranked, tokens, stop)?) {
        let sum = sums.entry(group).or_default();
        *sum = (sum.0 + right, sum.1 + n);
    }
    Ok(sums)
}

fn group_of(item: &Item) -> String {
    item.id.split(':').next().unwrap_or_default().to_owned()
}

/// How many of the masked words of each item the model finds, and how many there are; with at most [`LOGITS`] logits at
/// once.
fn masked_words_found(model: &Model, items: &[Item], tokens: usize, stop: &Stop) -> Result<Vec<(usize, usize)>> {
    by_batches(items, tokens, stop, |_, batch, items| {
        let Wanted::Classes(words) = &batch.target.wanted else { panic!("masked words are counted in masked text") };
        let hidden = model.activations(Place::Encoder, batch, Words::Table, Pass::evaluation());
        let (n, h) = (words.len(), model.config.hidden_size);
        let at_once = (LOGITS / model.config.vocab_size).max(1);
        let guesses = (0..n).step_by(at_once).flat_map(|start| {
            let part = hidden.slice(start * h, [at_once.min(n - start), h]);
            let logits = model.logits(&part, Pass::evaluation());
            rows_of(&logits).map(|row| largest(&row)).collect::<Vec<_>>()
        });
        let mut right = guesses.zip(words.iter()).map(|(guess, word)| guess == *word as usize);
        let count = |item: &Item| {
            let n = item.rows.len();
            (right.by_ref().take(n).filter(|right| *right).count(), n)
        };
        items.iter().map(count).collect()
    })
}

/// For how many sentences of each group the translation is the nearest of the group, and for how many it could be.
fn translations_found(model: &Model, items: &[Item], tokens: usize, stop: &Stop) -> Result<Held> {
    let vectors = by_batches(items, tokens, stop, |_, batch, items| {
        let hidden = model.activations(Place::Encoder, batch, Words::Table, Pass::evaluation());
        let which: Vec<u32> = (0..2 * items.len() as u32).collect(); // each sentence, then its translation
        vectors(&hidden, &batch.segments, &which).as_chunks().0.to_vec()
    })?;
    let mut groups: BTreeMap<String, [Vec<Vec<f32>>; 2]> = BTreeMap::new();
    for (item, pair) in items.iter().zip(vectors) {
        let sides = groups.entry(group_of(item)).or_default();
        sides.iter_mut().zip::<[_; 2]>(pair).for_each(|(side, vector)| side.push(vector));
    }
    let found = |[a, b]: [Vec<Vec<f32>>; 2]| (n_found(&a, &b) + n_found(&b, &a), a.len() + b.len());
    Ok(groups.into_iter().map(|(group, sides)| (group, found(sides))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        models::{Config, HeadKind},
        tensor::Device,
    };
    use serde_json::{Value, json};

    #[test]
    fn a_translation_is_found_where_it_is_the_nearest() {
        let sizes = json!({
            "model_type": "xlm-roberta", "vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 12, "type_vocab_size": 1,
            "layer_norm_eps": 1e-5, "hidden_act": "gelu", "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0, "initializer_range": 0.5, "pad_token_id": 1,
        });
        let Value::Object(sizes) = sizes else { unreachable!("the literal is an object") };
        let config = Config::new(sizes).unwrap();
        let model = Model::fresh(config, HeadKind::MaskedLm, 1, &Device::cpu()).unwrap();
        let sentence = |i: u32| [0, 5 + i, 20 + 2 * i, 2];
        let item = |group: &str, i: u32, second: u32| {
            let ids = [sentence(i), sentence(second)].concat();
            let types = vec![0; ids.len()];
            let item = Item::new(format!("{group}:{i}"), ids, types, Vec::new(), Goal::Ranked);
            Item { sequences: vec![4, 4], ..item }
        };
        let same = (0..5).map(|i| item("same", i, i));
        let others = (0..4).map(|i| item("others", i, (i + 1) % 4));
        let found = held_out_accuracies(&model, &same.chain(others).collect::<Vec<_>>(), 16, &Stop::new()).unwrap();
        assert_eq!(found, BTreeMap::from([("others".into(), (0, 8)), ("same".into(), (10, 10))]));
    }
}
