//! Operations at the shapes that they have in XLM-R base, at the edges of tiles and workgroups.

use super::Effort;
use crate::{
    array::{Ids, Segments},
    ops::{
        Attention, Buckets, Case, Disentangled, Layout, Sources, Target, attention, disentangled_attention, gather,
        gelu_linear, linear, linear_cross_entropy, matmul,
    },
    rng::Draw,
    tensor::Tensor,
};

/// A case at an encoder's shapes.
pub(super) struct EncoderCase {
    /// The operation's name.
    pub operation: &'static str,
    /// The most products or numbers that are summed in it, forward or backward.
    pub summed: usize,
    /// From which effort on it is run.
    pub effort: Effort,
    pub case: Case,
}

const DRAW: Draw = Draw { seed: 77, step: 2, stream: 1 };

const fn usual(
    operation: &'static str,
    summed: usize,
    name: &'static str,
    inputs: &'static [&'static [usize]],
    run: fn(&[Tensor]) -> Tensor,
) -> EncoderCase {
    EncoderCase { operation, summed, effort: Effort::Usual, case: Case { name, inputs, run } }
}

const fn full(
    operation: &'static str,
    summed: usize,
    name: &'static str,
    inputs: &'static [&'static [usize]],
    run: fn(&[Tensor]) -> Tensor,
) -> EncoderCase {
    EncoderCase { effort: Effort::Full, ..usual(operation, summed, name, inputs, run) }
}

fn map(x: &[Tensor]) -> Tensor {
    // By the root of the width, about, so that numbers are of the order of 1; a power of 2 rounds nothing.
    linear(&x[0], &x[1], &x[2]).scale(1.0 / 16.0)
}

fn attend(lengths: &[usize], rate: f32, x: &[Tensor]) -> Tensor {
    let dropout = (rate > 0.0).then_some((rate, DRAW));
    attention(
        &x[0],
        &x[1],
        &x[2],
        Attention { segments: Segments::new(lengths.to_vec()), heads: 2, dropout, window: None },
    )
}

/// With mDeBERTa-v3's buckets.
fn disentangled(x: &[Tensor]) -> Tensor {
    let segments = Segments::new([1, 256]);
    let attention = Attention { segments, heads: 2, dropout: Some((0.1, DRAW)), window: None };
    let how = Disentangled { attention, buckets: Buckets::logarithmic(256, 512, 512) };
    disentangled_attention([&x[0], &x[1], &x[2]], [&x[3], &x[4]], how)
}

fn product(x: &[Tensor], layout: Layout) -> Tensor {
    matmul(&x[0], &x[1], layout).scale(1.0 / 16.0)
}

/// Rows of XLM-R's word table: the first and the last of each of three windows, some twice, and some between.
fn word_rows() -> Ids {
    let edges = [0, 83_333, 83_334, 166_667, 166_668, 250_001, 0, 250_001];
    edges.into_iter().chain((0..300).map(|i| i * 7919 % 250_002)).collect::<Vec<_>>().into()
}

fn places(n: u32, rows: u32) -> Ids {
    (0..n).map(|i| i * 7919 % rows).collect::<Vec<_>>().into()
}

/// All of them.
pub(super) const ENCODER: &[EncoderCase] = &[
    usual("linear", 768, "1 token", &[&[1, 768], &[768, 768], &[768]], map),
    usual("linear", 768, "63 tokens", &[&[63, 768], &[768, 768], &[768]], map),
    usual("linear", 768, "64 tokens", &[&[64, 768], &[65, 768], &[65]], map),
    usual("linear", 768, "127 tokens", &[&[127, 768], &[129, 768], &[129]], map),
    usual("linear", 768, "128 tokens, odd width", &[&[128, 767], &[63, 767], &[63]], map),
    usual("linear", 768, "512 tokens, 64 wide", &[&[512, 768], &[64, 768], &[64]], map),
    usual("linear", 3072, "65 tokens, down", &[&[65, 3072], &[768, 3072], &[768]], map),
    full("linear", 3072, "129 tokens, up", &[&[129, 768], &[3072, 768], &[3072]], map),
    full("linear", 768, "512 tokens", &[&[512, 768], &[768, 768], &[768]], map),
    usual("linear", 768, "classifier", &[&[32, 768], &[3, 768], &[3]], map),
    usual("matmul", 768, "NN, tile edges", &[&[63, 768], &[768, 129]], |x| product(x, Layout::NN)),
    usual("matmul", 768, "NT, tile edges", &[&[65, 768], &[127, 768]], |x| product(x, Layout::NT)),
    usual("matmul", 1025, "TN, tile edges", &[&[1025, 128], &[1025, 65]], |x| product(x, Layout::TN)),
    usual("gelu_linear", 768, "65 tokens", &[&[65, 768], &[192, 768], &[192]], |x| {
        gelu_linear(&x[0], &x[1], &x[2]).scale(1.0 / 16.0)
    }),
    usual("attention", 64, "64-wide heads", &[&[130, 128], &[130, 128], &[130, 128]], |x| attend(&[1, 64, 65], 0.0, x)),
    usual("attention", 256, "256 tokens", &[&[257, 128], &[257, 128], &[257, 128]], |x| attend(&[1, 256], 0.1, x)),
    usual("attention", 512, "512 tokens", &[&[513, 128], &[513, 128], &[513, 128]], |x| attend(&[512, 1], 0.1, x)),
    usual(
        "disentangled_attention",
        257,
        "257 tokens, 512 rows of positions",
        &[&[257, 128], &[257, 128], &[257, 128], &[512, 128], &[512, 128]],
        disentangled,
    ),
    usual("layer_norm", 768, "768 wide", &[&[129, 768], &[768], &[768]], |x| x[0].layer_norm(&x[1], &x[2], 1e-5)),
    usual("layer_norm", 1024, "1,024 wide", &[&[1, 1024], &[1024], &[1024]], |x| x[0].layer_norm(&x[1], &x[2], 1e-5)),
    usual("add_layer_norm", 768, "768 wide", &[&[129, 768], &[129, 768], &[768], &[768]], |x| {
        x[0].add_layer_norm(&x[1], Some((0.1, DRAW)), &x[2], &x[3], 1e-5)
    }),
    usual("add_layer_norm", 1024, "1,024 wide", &[&[65, 1024], &[65, 1024], &[1024], &[1024]], |x| {
        x[0].add_layer_norm(&x[1], None, &x[2], &x[3], 1e-5)
    }),
    usual("gelu", 1, "3,072 wide", &[&[65, 3072]], |x| x[0].gelu()),
    usual("dropout", 1, "768 wide", &[&[129, 768]], |x| x[0].dropout(0.1, DRAW)),
    usual("gather", 16, "500 of 9,973 rows", &[&[9973, 64]], |x| gather(&[&x[0]], &places(500, 9973))),
    usual("gather", 16, "250,002 rows in windows", &[&[83_334, 16], &[83_334, 16], &[83_334, 16]], |x| {
        gather(&[&x[0], &x[1], &x[2]], &word_rows())
    }),
    usual("scatter_add", 129, "sequences of 1 and 128", &[&[129, 768]], |x| {
        x[0].scatter_add(Sources::of_ranges(Segments::new([1, 128]).ranges()))
    }),
    usual("segment_scale", 98_304, "sequences of 1 and 128", &[&[129, 768]], |x| {
        x[0].segment_scale(&Segments::new([1, 128]), Target::Ball(1.0))
    }),
    usual("sum_rows", 4097, "4,097 tokens", &[&[4097, 64]], |x| x[0].sum_rows()),
    usual("cross_entropy", 250_002, "XLM-R's vocabulary", &[&[2, 250_002]], |x| {
        x[0].cross_entropy(&vec![250_001, 3].into(), 0.5)
    }),
    usual(
        "linear_cross_entropy",
        250_002,
        "250,002 words in windows",
        &[&[3, 16], &[250_002], &[83_334, 16], &[83_334, 16], &[83_334, 16]],
        |x| {
            linear_cross_entropy(
                &x[0].scale(0.25),
                &[&x[2], &x[3], &x[4]],
                &x[1],
                &vec![250_001, 0, 83_334].into(),
                0.5,
            )
        },
    ),
    usual("linear_cross_entropy", 20_011, "a large vocabulary", &[&[3, 64], &[20_011], &[20_011, 64]], |x| {
        linear_cross_entropy(&x[0].scale(0.125), &[&x[2]], &x[1], &vec![20_010, 0, 8_192].into(), 0.5)
    }),
];
