//! The sizes and batches that are measured: XLM-R's encoders, mmBERT's and mDeBERTa's, and the lengths of real pairs of sentences.

use crate::{
    array::Segments,
    models::{Batch, Config, Target},
};
use serde_json::json;
use std::fmt;

/// Lengths of the 2,490 pairs of XNLI's English dev set under XLM-R's tokenizer: `scripts/count_lengths.py`.
const XNLI: &str = include_str!("../../benches/lengths/xnli.txt");

/// Batches that a round of steps goes through.
const BATCHES: usize = 4;
/// Sequences of a batch, and the most tokens where all are of one length.
const SEQUENCES: usize = 32;
const TOKENS: usize = 4096;
/// `<s>` and `</s>`; words follow after padding.
const START: u32 = 0;
const END: u32 = 2;
const FIRST_WORD: u32 = 3;

/// An encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// 4 layers of 256, 16,000 words.
    Small,
    /// 12 layers of 768, 250,002 words.
    Base,
    /// 24 layers of 1,024, 250,002 words.
    Large,
    /// ModernBERT's architecture: 22 layers of 768, gated units of 1,152, 256,000 words.
    #[value(name = "mmbert-base")]
    MmbertBase,
    /// DeBERTa-v3's architecture: 12 layers of 768, 251,000 words.
    #[value(name = "mdeberta-base")]
    MdebertaBase,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Size::Small => "small",
            Size::Base => "base",
            Size::Large => "large",
            Size::MmbertBase => "mmbert-base",
            Size::MdebertaBase => "mdeberta-base",
        })
    }
}

/// The extents of an encoder.
#[derive(Clone, Copy, Debug)]
pub struct Extents {
    /// Layers.
    pub layers: usize,
    /// h
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width between the two linear maps of a layer.
    pub inner: usize,
    /// v
    pub words: usize,
}

impl Size {
    /// Its extents.
    pub fn extents(self) -> Extents {
        let [layers, hidden, heads, inner, words] = match self {
            Size::Small => [4, 256, 4, 1024, 16_000],
            Size::Base => [12, 768, 12, 3072, 250_002],
            Size::Large => [24, 1024, 16, 4096, 250_002],
            Size::MmbertBase => [22, 768, 12, 1152, 256_000],
            Size::MdebertaBase => [12, 768, 12, 3072, 251_000],
        };
        Extents { layers, hidden, heads, inner, words }
    }

    /// As config.json has it.
    pub fn config(self) -> Config {
        let Extents { layers, hidden, heads, inner, words } = self.extents();
        let (kind, n_types) = match self {
            Size::Small | Size::Base | Size::Large => ("xlm-roberta", 1),
            Size::MmbertBase => ("modernbert", 1),
            Size::MdebertaBase => ("deberta-v2", 0),
        };
        let config = json!({
            "model_type": kind, "vocab_size": words, "hidden_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "intermediate_size": inner, "max_position_embeddings": 514,
            "type_vocab_size": n_types, "pad_token_id": 1, "layer_norm_eps": 1e-5,
            "classifier_pooling": "mean", "global_rope_theta": 160_000, "local_rope_theta": 160_000,
            "relative_attention": true, "position_buckets": 256, "max_relative_positions": -1,
            "pos_att_type": ["p2c", "c2p"], "share_att_key": true, "norm_rel_ebd": "layer_norm",
            "position_biased_input": false,
        });
        let config = config.as_object().expect("it is an object").clone();
        Config::new(config).expect("every size is a valid configuration")
    }
}

/// How long sequences are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Lengths {
    /// As XNLI's English pairs: 42 tokens on average, 82 at most; 32 of them in a batch.
    Xnli,
    /// 32 sequences of 128 tokens.
    #[value(name = "128")]
    Short,
    /// 8 sequences of 512 tokens.
    #[value(name = "512")]
    Long,
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Lengths::Xnli => "xnli",
            Lengths::Short => "128",
            Lengths::Long => "512",
        })
    }
}

/// The linear congruential generator of Numerical Recipes, upper bits first: one that is a line in any language, since
/// the programs in `benches/peers` draw the same batches.
struct Lcg(u32);

impl Lcg {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % n
    }
}

/// The length of every pair of XNLI, ascending.
fn xnli() -> Vec<usize> {
    let number = |word: &str| word.parse().expect("the table holds numbers");
    let rows = XNLI.lines().filter_map(|line| line.split_once(' '));
    rows.flat_map(|(length, count)| std::iter::repeat_n(number(length), number(count))).collect()
}

/// The batches of a round: words are drawn uniformly, so that almost all differ, which no real batch exceeds.
pub fn batches(size: Size, lengths: Lengths) -> Vec<Batch> {
    let (mut draw, all) = (Lcg(7), xnli());
    let drawn: Vec<Vec<usize>> = match lengths {
        Lengths::Xnli => (0..BATCHES).map(|_| (0..SEQUENCES).map(|_| all[draw.below(all.len())]).collect()).collect(),
        Lengths::Short => vec![vec![128; TOKENS / 128]],
        Lengths::Long => vec![vec![512; TOKENS / 512]],
    };
    let words = size.extents().words;
    drawn.iter().map(|lengths| batch(lengths, || FIRST_WORD + draw.below(words - FIRST_WORD as usize) as u32)).collect()
}

fn batch(lengths: &[usize], mut word: impl FnMut() -> u32) -> Batch {
    let mut ids = Vec::new();
    for length in lengths {
        ids.push(START);
        ids.extend((2..*length).map(|_| word()));
        ids.push(END);
    }
    let segments = Segments::new(lengths.iter().copied());
    let target = Target::labels(&segments, (0..lengths.len() as u32).map(|i| i % 3).collect::<Vec<_>>());
    Batch {
        types: vec![0; ids.len()].into(),
        ids: ids.into(),
        positions: segments.positions(),
        segments,
        target,
        other: None,
    }
}

/// Tags of words, as in UD-POS.
pub const TAGS: u32 = 17;

/// The same with words to be tagged: every second token within a sequence begins one.
pub fn tagged(batch: &Batch) -> Batch {
    let begins = batch.segments.ranges().flat_map(|tokens| (tokens.start + 1..tokens.end - 1).step_by(2));
    let rows: Vec<u32> = begins.map(|row| row as u32).collect();
    let tags: Vec<u32> = (0..rows.len() as u32).map(|i| i % TAGS).collect();
    Batch { target: Target::classes(rows.into(), tags), ..batch.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_those_that_the_peers_draw() {
        let drawn = batches(Size::Small, Lengths::Xnli);
        let tokens: Vec<usize> = drawn.iter().map(|batch| batch.ids.len()).collect();
        assert_eq!(tokens, [1403, 1308, 1361, 1260]); // as benches/peers/batches.py prints
        assert_eq!(drawn[0].ids[..5], [0, 6611, 10749, 7785, 12209]);
    }

    #[test]
    fn fixed_lengths_fill_one_batch() {
        for (lengths, sequences) in [(Lengths::Short, 32), (Lengths::Long, 8)] {
            let drawn = batches(Size::Small, lengths);
            assert_eq!((drawn.len(), drawn[0].ids.len(), drawn[0].segments.count()), (1, 4096, sequences));
        }
    }
}
