//! What is measured of each operation: the shapes that it has in an encoder.

use super::batches::{Extents, Lengths, Size, batches};
use crate::{
    array::{Ids, Shape},
    models::Batch,
    ops::{
        AdamW, AdamWRows, Angles, Attention, Buckets, CatchUp, Copy, Disentangled, Distribution, Layout, LossScale,
        Sources, Target, attention, concat_columns, disentangled_attention, gather, gelu_linear, linear,
        linear_cross_entropy, matmul, noise, sum_squares,
    },
    rng::Draw,
    tensor::{Tensor, Update},
};
use std::sync::LazyLock;

/// Where an operation runs: an encoder, and the first batch of a round.
pub struct Scene {
    /// The encoder.
    pub extents: Extents,
    /// The batch.
    pub batch: Batch,
}

impl Scene {
    /// An encoder on sequences of such lengths.
    pub fn new(size: Size, lengths: Lengths) -> Scene {
        let first = batches(size, lengths).into_iter().next();
        Scene { extents: size.extents(), batch: first.expect("a round has a batch") }
    }

    fn rows(&self, columns: usize) -> Shape {
        [self.batch.ids.len(), columns].into()
    }

    fn hidden(&self) -> Shape {
        self.rows(self.extents.hidden)
    }

    /// One row a sequence.
    fn pooled(&self, columns: usize) -> Shape {
        [self.batch.segments.count(), columns].into()
    }

    /// Each token's place in a table of as many rows as there are tokens.
    fn places(&self) -> Ids {
        let t = self.batch.ids.len() as u32;
        (0..t).map(|i| i * 7 % t).collect::<Vec<_>>().into()
    }
}

/// One operation at the shapes of a scene.
pub struct Case {
    /// The name in [`crate::ops::ALL`].
    pub operation: &'static str,
    /// Which use of it; empty where there is one.
    pub variant: &'static str,
    /// Shapes of its inputs.
    pub inputs: fn(&Scene) -> Vec<Shape>,
    /// The operation.
    pub run: fn(&Scene, &[Tensor]) -> Tensor,
}

/// One update at the shapes of a scene.
pub struct UpdateCase {
    /// The name in [`crate::ops::UPDATES`].
    pub update: &'static str,
    /// Shapes of its state.
    pub state: fn(&Scene) -> Vec<Shape>,
    /// Shapes of its inputs.
    pub inputs: fn(&Scene) -> Vec<Shape>,
    /// The update.
    pub make: fn(&Scene) -> Box<dyn Update>,
}

const DRAW: Draw = Draw { seed: 7, step: 1, stream: 0 };
/// Masked words of a batch under masked language modelling.
const MASKED: usize = 64;
/// The side of the square products.
const SIDE: usize = 1024;

const fn case(
    operation: &'static str,
    variant: &'static str,
    inputs: fn(&Scene) -> Vec<Shape>,
    run: fn(&Scene, &[Tensor]) -> Tensor,
) -> Case {
    Case { operation, variant, inputs, run }
}

fn affine(s: &Scene, inputs: usize, outputs: usize) -> Vec<Shape> {
    vec![s.rows(inputs), [outputs, inputs].into(), [outputs].into()]
}

fn square() -> Vec<Shape> {
    vec![[SIDE, SIDE].into(), [SIDE, SIDE].into()]
}

/// Every operation of the table at least once.
pub const CASES: &[Case] = &[
    case("linear", "square", |s| affine(s, s.extents.hidden, s.extents.hidden), |_, x| linear(&x[0], &x[1], &x[2])),
    case("linear", "up", |s| affine(s, s.extents.hidden, s.extents.inner), |_, x| linear(&x[0], &x[1], &x[2])),
    case("linear", "down", |s| affine(s, s.extents.inner, s.extents.hidden), |_, x| linear(&x[0], &x[1], &x[2])),
    case("matmul", "1024 NN", |_| square(), |_, x| matmul(&x[0], &x[1], Layout::NN)),
    case("matmul", "1024 NT", |_| square(), |_, x| matmul(&x[0], &x[1], Layout::NT)),
    case("matmul", "1024 TN", |_| square(), |_, x| matmul(&x[0], &x[1], Layout::TN)),
    case("cast", "", |s| vec![s.hidden()], |_, x| x[0].cast(x[0].device().format())),
    case("attention", "", |s| vec![s.hidden(); 3], |s, x| attend(s, x, None)),
    case("attention", "dropout", |s| vec![s.hidden(); 3], |s, x| attend(s, x, Some((0.1, DRAW)))),
    case("attention", "window", |s| vec![s.hidden(); 3], |s, x| attention(&x[0], &x[1], &x[2], windowed(s))),
    case(
        "disentangled_attention",
        "",
        |s| [vec![s.hidden(); 3], vec![[512, s.extents.hidden].into(); 2]].concat(),
        |s, x| disentangled(s, x, None),
    ),
    case(
        "disentangled_attention",
        "dropout",
        |s| [vec![s.hidden(); 3], vec![[512, s.extents.hidden].into(); 2]].concat(),
        |s, x| disentangled(s, x, Some((0.1, DRAW))),
    ),
    case("rotary", "", |s| vec![s.hidden()], |s, x| x[0].rotary(&s.batch.segments, &ANGLES)),
    case(
        "layer_norm",
        "",
        |s| vec![s.hidden(), [s.extents.hidden].into(), [s.extents.hidden].into()],
        |_, x| x[0].layer_norm(&x[1], &x[2], 1e-5),
    ),
    case(
        "add_layer_norm",
        "",
        |s| vec![s.hidden(), s.hidden(), [s.extents.hidden].into(), [s.extents.hidden].into()],
        |_, x| x[0].add_layer_norm(&x[1], Some((0.1, DRAW)), &x[2], &x[3], 1e-5),
    ),
    case("gelu_linear", "", |s| affine(s, s.extents.inner, s.extents.hidden), |_, x| gelu_linear(&x[0], &x[1], &x[2])),
    case("gelu", "", |s| vec![s.rows(s.extents.inner)], |_, x| x[0].gelu()),
    case("gated_gelu", "", |s| vec![s.rows(2 * s.extents.inner)], |_, x| x[0].gated_gelu()),
    case("relu", "", |s| vec![s.pooled(s.extents.hidden)], |_, x| x[0].relu()),
    case("segment_mean", "", |s| vec![s.hidden()], |s, x| x[0].segment_mean(&s.batch.segments)),
    case("dropout", "", |s| vec![s.hidden()], |_, x| x[0].dropout(0.1, DRAW)),
    case("add", "", |s| vec![s.hidden(); 2], |_, x| x[0].add(&x[1])),
    case("gather", "", |s| vec![s.hidden()], |s, x| gather(&[&x[0]], &s.places())),
    case(
        "cross_entropy",
        "labels",
        |s| vec![s.pooled(3)],
        |s, x| {
            let labels: Vec<u32> = (0..s.batch.segments.count() as u32).map(|i| i % 3).collect();
            x[0].cross_entropy(&labels.into(), 1.0)
        },
    ),
    case(
        "cross_entropy",
        "words",
        |s| vec![[MASKED, s.extents.words].into()],
        |_, x| x[0].cross_entropy(&(0..MASKED as u32).collect::<Vec<_>>().into(), 1.0),
    ),
    case(
        "grouped_cross_entropy",
        "spans",
        |s| vec![[s.batch.segments.rows(), 2].into()],
        |s, x| {
            let segments = &s.batch.segments;
            x[0].grouped_cross_entropy(segments, &vec![0; 2 * segments.count()].into(), 1.0)
        },
    ),
    case(
        "kl_divergence",
        "spans",
        |s| vec![[s.batch.segments.rows(), 2].into(); 2],
        |s, x| x[0].kl_divergence(&x[1], &s.batch.segments, 1.0),
    ),
    case(
        "linear_cross_entropy",
        "",
        |s| {
            vec![
                [MASKED, s.extents.hidden].into(),
                [s.extents.words].into(),
                [s.extents.words, s.extents.hidden].into(),
            ]
        },
        |_, x| linear_cross_entropy(&x[0], &[&x[2]], &x[1], &(0..MASKED as u32).collect::<Vec<_>>().into(), 1.0),
    ),
    case("tanh", "", |s| vec![s.pooled(s.extents.hidden)], |_, x| x[0].tanh()),
    case("columns", "three parts", |s| vec![s.hidden(); 3], |_, x| concat_columns(&[&x[0], &x[1], &x[2]])),
    case(
        "columns",
        "block",
        |s| vec![s.rows(3 * s.extents.hidden)],
        |s, x| x[0].columns(s.extents.hidden, s.extents.hidden),
    ),
    case("slice", "", |s| vec![s.rows(3 * s.extents.hidden)], |s, x| x[0].slice(s.hidden().len(), s.hidden())),
    case("scale", "", |s| vec![s.hidden()], |_, x| x[0].scale(0.5)),
    case(
        "scatter_add",
        "",
        |s| vec![s.hidden()],
        |s, x| x[0].scatter_add(Sources::of_ranges(s.batch.segments.ranges())),
    ),
    case("clamp", "", |s| vec![s.hidden()], |_, x| x[0].clamp(0.1)),
    case(
        "noise",
        "gaussian",
        |s| vec![s.hidden()],
        |_, x| noise(x[0].shape(), Distribution::Gaussian, 0.1, DRAW, x[0].device()),
    ),
    case("segment_scale", "", |s| vec![s.hidden()], |s, x| x[0].segment_scale(&s.batch.segments, Target::Ball(1.0))),
    case("sum_rows", "", |s| vec![s.rows(s.extents.inner)], |_, x| x[0].sum_rows()),
    case(
        "sum_squares",
        "",
        |s| vec![[s.extents.inner, s.extents.hidden].into(), [1].into()],
        |_, x| x[0].sum_squares(&x[1]),
    ),
    case(
        "sum_squares",
        "tensors",
        |s| [vec![[s.extents.hidden].into(); 16], vec![[1].into()]].concat(),
        |_, x| sum_squares(&x[..16].iter().collect::<Vec<_>>(), &x[16]),
    ),
    case("clip_factor", "", |_| vec![[1].into()], |_, x| x[0].clip_factor(1.0)),
];

/// mDeBERTa-v3's.
static BUCKETS: LazyLock<Buckets> = LazyLock::new(|| Buckets::logarithmic(256, 512, 512));

/// Of heads of 64 columns, which all encoders here have, and the longest sequences.
static ANGLES: LazyLock<Angles> = LazyLock::new(|| Angles::new(160_000.0, 64, 512));

/// ModernBERT's window.
fn windowed(s: &Scene) -> Attention {
    Attention { segments: s.batch.segments.clone(), heads: s.extents.heads, dropout: None, window: Some(64) }
}

fn attend(s: &Scene, x: &[Tensor], dropout: Option<(f32, Draw)>) -> Tensor {
    let how = Attention { segments: s.batch.segments.clone(), heads: s.extents.heads, dropout, window: None };
    attention(&x[0], &x[1], &x[2], how)
}

fn disentangled(s: &Scene, x: &[Tensor], dropout: Option<(f32, Draw)>) -> Tensor {
    let attention = Attention { segments: s.batch.segments.clone(), heads: s.extents.heads, dropout, window: None };
    disentangled_attention([&x[0], &x[1], &x[2]], [&x[3], &x[4]], Disentangled { attention, buckets: BUCKETS.clone() })
}

const HYPER: AdamW = AdamW { lr: 1e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, step: 3 };

fn loss_scale(_: &Scene) -> Vec<Shape> {
    vec![[4].into(), [1].into()]
}

fn scaled(interval: u32) -> Box<dyn Update> {
    Box::new(LossScale { max_norm: 1.0, interval })
}

/// Every update of the table.
pub const UPDATES: &[UpdateCase] = &[
    UpdateCase {
        update: "adamw",
        state: |s| vec![[s.extents.inner, s.extents.hidden].into(); 3],
        inputs: |s| vec![[s.extents.inner, s.extents.hidden].into(), [1].into()],
        make: |_| Box::new(HYPER),
    },
    UpdateCase {
        update: "adamw rows",
        state: |s| vec![s.hidden(); 3],
        inputs: |s| vec![s.hidden(), [1].into()],
        make: |s| {
            let places = (0..s.batch.ids.len() as u32).flat_map(|i| [i, i]);
            Box::new(AdamWRows { hyper: HYPER, rows: places.collect::<Vec<_>>().into() })
        },
    },
    UpdateCase {
        update: "catch up",
        state: |s| vec![s.hidden(); 3],
        inputs: |_| vec![],
        make: |s| {
            let missed = (4..9).flat_map(|step| AdamW { step, ..HYPER }.schedule().map(f32::to_bits));
            Box::new(CatchUp {
                hyper: HYPER,
                rows: (0..s.batch.ids.len() as u32).flat_map(|i| [i, i, 3]).collect::<Vec<_>>().into(),
                columns: s.extents.hidden,
                first: 3,
                schedule: missed.collect::<Vec<_>>().into(),
            })
        },
    },
    UpdateCase { update: "loss scale stays", state: loss_scale, inputs: |_| vec![], make: |_| scaled(2_000) },
    UpdateCase { update: "loss scale grows", state: loss_scale, inputs: |_| vec![], make: |_| scaled(1) },
    UpdateCase { update: "copy", state: |s| vec![s.hidden()], inputs: |s| vec![s.hidden()], make: |_| Box::new(Copy) },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_and_update_is_measured() {
        let all: BTreeSet<&str> = ops::ALL.iter().map(|spec| spec.name).collect();
        assert_eq!(CASES.iter().map(|case| case.operation).collect::<BTreeSet<_>>(), all);
        let all: BTreeSet<&str> = ops::UPDATES.iter().flat_map(|cases| cases.iter()).map(|case| case.name).collect();
        assert_eq!(UPDATES.iter().map(|case| case.update).collect::<BTreeSet<_>>(), all);
    }
}
