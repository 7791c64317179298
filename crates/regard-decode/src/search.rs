//! Search: from a model and sources to hypotheses. It knows a model only by its [`Steps`].

mod banks;
mod beam;
mod constraints;
mod ensemble;
mod finished;
mod greedy;
mod group;
mod gumbel;
mod penalty;
mod request;
mod rules;
mod sample;
mod steps;

use std::cmp::Ordering;

use burn::tensor::{Device, Int, Tensor, TensorData};
use regard_nn::device_id;

pub(crate) use beam::beam_search_from;
pub use beam::{BeamOptions, Diversity, beam_search};
pub use ensemble::Ensemble;
pub(crate) use greedy::GreedySteps;
pub use greedy::greedy;
pub use gumbel::sample_distinct;
pub use penalty::{LengthForm, LengthPenalty};
pub use request::{Request, TargetLength};
pub use rules::Rules;
pub use sample::{SampleOptions, sample};
pub use steps::Steps;

/// A target that search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// Its ids, without start and end.
    pub ids: Vec<u32>,
    /// Sum of the log-probabilities that the model gives its tokens, the end included if it was reached; nats. No rule changes
    /// it.
    pub log_probability: f64,
    /// What it is ranked by: the log-probability after [`Rules`], over its [`LengthPenalty`].
    pub score: f64,
    /// Whether the end token was reached, rather than the limit.
    pub ended: bool,
}

impl Hypothesis {
    /// The order of hypotheses of one source, the best first: those that ended, then by score.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let by_end = other.ended.cmp(&self.ended);
        by_end.then(other.score.total_cmp(&self.score))
    }

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
