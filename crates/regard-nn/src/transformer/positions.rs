//! How a stack of layers knows the order of tokens.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use super::{PositionKind, TransformerConfig};
use crate::{
    Init, Layout, LearnedPositions, LearnedPositionsConfig, RelativeBuckets, RelativeBucketsConfig,
    Sinusoids, alibi_bias,
};

/// The part of the positions that the layers of a stack share; what is a layer's own (rotary, Shaw) is in its attention.
#[derive(Module, Debug)]
pub(super) struct Positions {
    learned: Option<LearnedPositions>,
    buckets: Option<RelativeBuckets>,
    #[module(skip)]
    fixed: Fixed,
}

/// Positions without parameters.
#[derive(Clone, Debug)]
enum Fixed {
    None,
    Sinusoids(SinusoidRows),
    Alibi { n_heads: usize },
}

/// Sinusoids and the rows of their table so far: a step needs one more, whose powers, sines and cosines cost more than
/// everything else about its embedding.
#[derive(Clone, Debug)]
struct SinusoidRows {
    sinusoids: Sinusoids,
    d_model: usize,
    known: Arc<Mutex<Vec<f64>>>,
}

impl SinusoidRows {
    /// As [`Sinusoids::table`].
    fn table(&self, offset: usize, length: usize, device: &Device) -> Tensor<2> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (width, end) = (self.d_model, offset + length);
        let rows = known.len() / width;
        if rows < end {
            let more = end.next_power_of_two() - rows;
            known.extend(self.sinusoids.values(rows, more, width));
        }
        let values = known[offset * width..end * width].to_vec();
        Tensor::from_floats(TensorData::new(values, [length, width]), device)
    }
}

impl Positions {
    /// Positions of the encoder, whose attention sees both directions, or of the decoder.
    pub(super) fn new(config: &TransformerConfig, bidirectional: bool, init: &Init) -> Self {
        let kind = config.positions;
        let learned = || {
            let positions = config.max_positions().expect("learned positions");
            LearnedPositionsConfig::new(positions, config.d_model).init(&init.at("learned"))
        };
        let buckets = || {
            RelativeBucketsConfig::new(config.n_heads)
                .with_n_buckets(config.position_buckets())
                .with_max_distance(config.max_distance())
                .with_bidirectional(bidirectional)
                .init(&init.at("buckets"))
        };
        Self {
            learned: (kind == PositionKind::Learned).then(learned),
            buckets: (kind == PositionKind::T5).then(buckets),
            fixed: match kind {
                PositionKind::Sinusoidal => Fixed::Sinusoids(SinusoidRows {
                    sinusoids: config.sinusoids(),
                    d_model: config.d_model,
                    known: Arc::default(),
                }),
                PositionKind::Alibi => Fixed::Alibi {
                    n_heads: config.n_heads,
                },
                _ => Fixed::None,
            },
        }
    }

    /// Adds to embeddings `[N, D]` what says where they stand, the first of each row at position `offset`.
    pub(super) fn add(&self, x: Tensor<2>, layout: &Layout, offset: usize) -> Tensor<2> {
        let [_, d_model] = x.dims();
        let positions = match (&self.learned, &self.fixed) {
            (Some(learned), _) => learned.forward(offset, layout.length()),
            (None, Fixed::Sinusoids(sinusoids)) => {
                sinusoids.table(offset, layout.length(), &x.device())
            }
            (None, _) => return x,
        };
        let positions = positions.unsqueeze::<3>(); // [1, L, D]
        if layout.is_packed() {
            let sequences = [layout.batch(), layout.length(), d_model];
            x + layout.flatten(positions.expand(sequences))
        } else {
            layout.flatten(layout.unflatten(x) + positions)
        }
    }

    /// What the distance between query and key adds to the scores of `t` queries, the last at the last of `s` keys.
    pub(super) fn bias(&self, [t, s]: [usize; 2], x: &Tensor<2>) -> Option<Tensor<4>> {
        match (&self.buckets, &self.fixed) {
            (Some(buckets), _) => Some(buckets.bias([t, s])),
            (None, Fixed::Alibi { n_heads }) => Some(alibi_bias(*n_heads, [t, s], &x.device())),
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_come_one_after_the_other_are_those_of_the_whole_table() {
        let (device, sinusoids) = (
            regard_kernels::device_of_environment().unwrap(),
            Sinusoids::default(),
        );
        let rows = SinusoidRows {
            sinusoids,
            d_model: 6,
            known: Arc::default(),
        };
        for (offset, length) in [(0, 1), (1, 1), (2, 5), (0, 3), (40, 2), (41, 90)] {
            let expected = sinusoids.table(offset, length, 6, &device).into_data();
            let got = rows.table(offset, length, &device).into_data();
            assert_eq!(got, expected, "{length} rows from {offset} on");
        }
    }
}
