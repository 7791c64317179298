//! From scores to weights.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// How the scores of a row become weights that sum to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalizer {
    /// `w_j = exp(s_j) / sum_k exp(s_k)`: every key gets some weight.
    #[default]
    Softmax,
}

impl Normalizer {
    /// Normalises over the last axis.
    pub fn normalize(self, scores: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Softmax => activation::softmax(scores, 3),
        }
    }
}
