//! What one run through a model is for.

use burn::tensor::{FloatDType, Tensor};
use regard_kernels::{Draws, Key, RowDropout, dropout};

use serde::{Deserialize, Serialize};

use crate::Layout;

/// Evaluation, or training with its random draws; and whether attention maps are wanted.
///
/// A layer narrows the pass by name before it draws, so each dropout of each layer has draws of its own, all of them
/// functions of (seed, step, path, global row).
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    draws: Option<Draws>,
    attention: bool,
    recompute: bool,
    gold: f64,
    precision: Precision,
}

/// Float type of what a transformer computes between its parameters, which are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, 8 of them for the exponent: activations and products of matrices; norms, softmax, loss, and sums of gradients
    /// stay in f32.
    Bf16,
}

impl Pass {
    /// No draws: dropout does nothing.
    pub fn evaluation() -> Self {
        Self {
            draws: None,
            attention: false,
            recompute: false,
            gold: 1.0,
            precision: Precision::F32,
        }
    }

    /// Training with the draws of one step. `first_row` is the global number, within the step, of the batch's first
    /// example, so that cutting a step into smaller batches changes no draw.
    pub fn training(key: Key, first_row: u64) -> Self {
        Self {
            draws: Some(Draws { key, first_row }),
            attention: false,
            recompute: false,
            gold: 1.0,
            precision: Precision::F32,
        }
    }

    /// The same pass, in which a decoder reads true tokens with probability `gold` only: see
    /// [`scheduled_sampling`](crate::scheduled_sampling).
    #[must_use]
    pub fn with_gold(self, gold: f64) -> Self {
        Self { gold, ..self }
    }

    /// Share of true tokens among what a decoder reads; 1 unless said otherwise.
    pub fn gold(&self) -> f64 {
        self.gold
    }

    /// The same pass in another precision. Recurrent models have one only, f32.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Embeddings as activations of this pass: their type is that of everything computed from them.
    pub fn activations<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self.precision {
            Precision::F32 => x,
            Precision::Bf16 => x.cast(FloatDType::BF16),
        }
    }

    /// The same pass, with attention maps handed back.
    #[must_use]
    pub fn with_attention(self) -> Self {
        Self {
            attention: true,
            ..self
        }
    }

    /// The same pass, in which each layer of a transformer keeps what it reads for the backward pass, and computes the rest
    /// once more when it gets there: see [`recompute`](regard_kernels::recompute). Recurrent models keep everything: a layer of theirs
    /// is one operation, which keeps little more than it reads. So does a pass that wants attention maps.
    #[must_use]
    pub fn with_recompute(self, recompute: bool) -> Self {
        Self { recompute, ..self }
    }

    /// Whether layers compute again what the backward pass needs.
    pub fn recomputes(&self) -> bool {
        self.recompute && !self.attention
    }

    /// The pass as a named part sees it.
    #[must_use]
    pub fn at(&self, name: &str) -> Self {
        self.narrowed(|key| key.at(name))
    }

    /// The pass as a numbered part sees it.
    #[must_use]
    pub fn nth(&self, index: usize) -> Self {
        self.narrowed(|key| key.nth(index as u64))
    }

    /// Whether attention maps are wanted.
    pub fn wants_attention(&self) -> bool {
        self.attention
    }

    /// Where this part's random draws come from; `None` when evaluating.
    pub fn draws(&self) -> Option<Draws> {
        self.draws
    }

    /// Dropout with probability `p` and this pass' draws; nothing when evaluating. The first axis of `x` is the example.
    pub fn dropout<const D: usize>(&self, x: Tensor<D>, p: f64) -> Tensor<D> {
        match self.draws {
            Some(draws) => dropout(x, p, draws),
            None => x,
        }
    }

    /// Dropout with probability `p` and this pass' draws for rows `[N, W]`: the draws depend on example and position, not on
    /// the layout. `None` when evaluating.
    pub fn row_dropout(&self, layout: &Layout, p: f64) -> Option<RowDropout> {
        let (p, draws) = self.drawn(p)?;
        let lengths = layout.row_lengths();
        Some(RowDropout { p, draws, lengths })
    }

    pub(crate) fn drawn(&self, p: f64) -> Option<(f64, Draws)> {
        self.draws.filter(|_| p > 0.0).map(|draws| (p, draws))
    }

    fn narrowed(&self, narrow: impl Fn(Key) -> Key) -> Self {
        let draws = self.draws.map(|draws| Draws {
            key: narrow(draws.key),
            ..draws
        });
        Self { draws, ..*self }
    }
}
