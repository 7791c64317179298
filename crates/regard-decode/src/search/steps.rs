//! What search asks of a model.

use burn::tensor::{Int, Tensor};
use regard_nn::{Pass, Rows, Seq2Seq, Step, Tokens};

/// A model that encodes once, then steps: every [`Seq2Seq`], and several of them together as an
/// [`Ensemble`](crate::Ensemble), which has no hidden states to train by.
pub trait Steps {
    /// What the encoder left behind, computed once per source.
    type Memory: Rows;
    /// The decoder's history. Row r of R reads memory row `r / (R / B)`.
    type State: Rows;

    /// Reads the sources.
    fn encode(&self, source: &Tokens) -> Self::Memory;

    /// The state before the first token.
    fn start(&self, memory: &Self::Memory) -> Self::State;

    /// Reads one token per row, `[R]`, and scores the next.
    fn step(
        &self,
        tokens: Tensor<1, Int>,
        memory: &Self::Memory,
        state: Self::State,
    ) -> Step<Self::State>;
}

impl<M: Seq2Seq> Steps for M {
    type Memory = M::Memory;
    type State = M::State;

    fn encode(&self, source: &Tokens) -> Self::Memory {
        Seq2Seq::encode(self, source, &Pass::evaluation())
    }

    fn start(&self, memory: &Self::Memory) -> Self::State {
        Seq2Seq::start(self, memory)
    }

    fn step(
        &self,
        tokens: Tensor<1, Int>,
        memory: &Self::Memory,
        state: Self::State,
    ) -> Step<Self::State> {
        Seq2Seq::step(self, tokens, memory, state, &Pass::evaluation())
    }
}
