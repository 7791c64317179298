//! The one seam between models and everything else.

use burn::tensor::{Int, Tensor};

use crate::{Layout, Pass, Tokens};

/// A sequence-to-sequence model: encode once, then step.
///
/// Search and training know nothing else about a model. Two laws hold for every implementation: stepping through a
/// prefix gives what [`forward`](Self::forward) gives on it, and a row alone gives what it gives in a batch.
/// `tests/nn/laws.rs` checks them, and what follows from them, for every model.
pub trait Seq2Seq {
    /// What the encoder left behind, computed once per source.
    type Memory: Rows;
    /// The decoder's history. Row r of R reads memory row `r / (R / B)`.
    type State: Rows;

    /// Reads the sources.
    fn encode(&self, source: &Tokens, pass: &Pass) -> Self::Memory;

    /// The state before the first token.
    fn start(&self, memory: &Self::Memory) -> Self::State;

    /// Reads one token per row, `[R]`, and scores the next.
    fn step(
        &self,
        tokens: Tensor<1, Int>,
        memory: &Self::Memory,
        state: Self::State,
        pass: &Pass,
    ) -> Step<Self::State>;

    /// Teacher forcing: reads the whole target, already shifted, at once.
    fn forward(&self, source: &Tokens, target_in: &Tokens, pass: &Pass) -> Decoded;

    /// The last linear map, from hidden states to logits.
    fn output(&self) -> Output;
}

/// A value with one row per sentence or hypothesis.
pub trait Rows {
    /// The given rows, in the given order; a row may be taken several times or not at all.
    #[must_use]
    fn select(self, rows: &[usize]) -> Self;
}

/// What [`Seq2Seq::step`] gives back.
#[derive(Debug)]
pub struct Step<S> {
    /// Unnormalised scores of the next token, `[R, V]`.
    pub logits: Tensor<2>,
    /// The history, longer by one token.
    pub state: S,
}

/// What [`Seq2Seq::forward`] gives back.
#[derive(Debug)]
pub struct Decoded {
    /// Hidden states before the output map, `[N, D]`.
    pub hidden: Tensor<2>,
    /// Which row of `hidden` is which position: as in the target that was read.
    pub layout: Layout,
    /// Attention maps, in order of computation; empty unless the pass asks for them.
    pub attention: Vec<AttentionMap>,
}

/// Attention weights of one layer, before dropout.
#[derive(Clone, Debug)]
pub struct AttentionMap {
    /// Who looks at whom.
    pub kind: AttentionKind,
    /// Number of the layer, from 0.
    pub layer: usize,
    /// `[B, H, Q, K]`, each row a distribution over the keys.
    pub weights: Tensor<4>,
}

/// Who looks at whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    /// The source at itself.
    Encoder,
    /// The target at its past.
    Decoder,
    /// The target at the source.
    Cross,
}

/// The linear map from hidden states to logits.
#[derive(Debug)]
pub struct Output {
    /// `[D, V]`; a transposed view where the map is tied to an embedding.
    pub weight: Tensor<2>,
    /// `[V]`.
    pub bias: Option<Tensor<1>>,
}

impl Output {
    /// `hidden: [N, D]` to logits `[N, V]`.
    pub fn logits(self, hidden: Tensor<2>) -> Tensor<2> {
        regard_kernels::linear(hidden, self.weight, self.bias)
    }
}
