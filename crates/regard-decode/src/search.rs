//! Search: from a model and sources to hypotheses. It knows a model only as [`Seq2Seq`](regard_nn::Seq2Seq).

mod beam;
mod finished;
mod greedy;
mod penalty;

use burn::tensor::{Device, Int, Tensor, TensorData};
use regard_nn::device_id;

pub(crate) use beam::beam_search_from;
pub use beam::{BeamOptions, beam_search};
pub use greedy::greedy;
pub(crate) use greedy::greedy_from;
pub use penalty::LengthPenalty;

/// A target that search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// Its ids, without start and end.
    pub ids: Vec<u32>,
    /// Sum of the log-probabilities of its tokens, the end included if it was reached; nats.
    pub log_probability: f64,
    /// What it is ranked by: the log-probability over its [`LengthPenalty`].
    pub score: f64,
    /// Whether the end token was reached, rather than the limit.
    pub ended: bool,
}

/// Bounds on the number of tokens of a hypothesis, the end token not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetLength {
    /// The end token is not taken before.
    pub least: usize,
    /// Search stops here, end token or not.
    pub most: usize,
}

impl Hypothesis {
    /// Tokens that its length is counted by: the end is one of them.
    fn length(&self) -> usize {
        self.ids.len() + usize::from(self.ended)
    }
}

/// Ids as a step reads them, `[R]`.
fn vector(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i32> = ids.iter().map(|&id| device_id(id as usize)).collect();
    let rows = ids.len();
    Tensor::from_data(TensorData::new(ids, [rows]), device)
}
