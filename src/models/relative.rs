//! The table of relative positions that all layers of an encoder share (He et al., 2021): each maps it to keys and queries.

use super::Config;
use crate::{
    nn::{Builder, Fill, LayerNorm, Pass},
    ops::Buckets,
    tensor::Tensor,
};

/// How a family has relative positions.
#[derive(Clone, Copy, Debug)]
pub struct Relative {
    /// Buckets of distances before, and as many behind, a token.
    pub side: usize,
    /// Distances below this have a bucket of their own or share one by logarithm; farther ones are in the last.
    pub reach: usize,
    /// The name of the table, whose rows are twice `side`.
    pub table: &'static str,
    /// The name of its norm.
    pub norm: &'static str,
}

/// The table, its norm and the row of each distance.
#[derive(Clone, Debug)]
pub struct RelativePositions {
    /// The row of each distance.
    pub buckets: Buckets,
    table: Tensor,
    norm: LayerNorm,
    dropout: f32,
    first_site: usize,
}

impl RelativePositions {
    /// What the encoder has of it, if its attention is disentangled.
    pub(super) fn build(builder: &mut Builder, config: &Config, first_site: usize) -> Option<RelativePositions> {
        let (h, longest) = (config.hidden_size, config.max_position_embeddings);
        let makes = builder.makes();
        let laid_out = |side, reach| match makes {
            true => Buckets::logarithmic(side, reach, longest),
            false => Buckets::logarithmic(2, 3, 1), // sizes may lie
        };
        let build = |Relative { side, reach, table, norm }: Relative| RelativePositions {
            buckets: laid_out(side, reach),
            table: builder.within(table, |builder| builder.parameter("weight", &[2 * side, h], Fill::Normal)),
            norm: LayerNorm::build(builder, norm, h, config.layer_norm_eps, config.biases.norms),
            dropout: config.hidden_dropout_prob,
            first_site,
        };
        config.relative.map(build)
    }

    /// As the layer of this number sees them, stored as activations are: (count, h)
    pub(super) fn rows(&self, layer: usize, pass: Pass) -> Tensor {
        let rows = self.norm.forward(&self.table).cast(self.table.device().format());
        pass.dropout(&rows, self.first_site + layer, self.dropout)
    }
}
