//! A vector of its own for every position.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::Init;

/// A learned vector for every position, to be added to the tokens' vectors.
///
/// ```text
/// y[t] = weight[offset + t]                [T, D]
/// ```
///
/// # Parameters
///
/// `weight: [P, D]` for P positions, normal with deviation `1 / sqrt(D)`.
///
/// # Behaviour
///
/// - There is no vector behind the last position: a longer sequence is refused, not wrapped or clipped.
/// - Positions that training never reached keep the vectors they were drawn with.
/// - Cost: no arithmetic; rows of the table.
///
/// # Differences
///
/// - Paper: Gehring et al. learn such a table for source and target each; Vaswani et al. (section 3.5) found it no
///   better than sinusoids.
/// - fairseq and Hugging Face's BART hold two more rows in front, behind which position 0 stands: drop them.
/// - BERT and GPT-2 draw with deviation 0.02.
///
/// # References
///
/// Gehring et al. Convolutional Sequence to Sequence Learning. 2017. <https://arxiv.org/abs/1705.03122>, section 3.1.
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use regard_nn::{Init, LearnedPositionsConfig};
///
/// let positions = LearnedPositionsConfig::new(5, 2).init(&Init::new(1, &Device::flex()));
/// let all = positions.forward(0, 5);
/// assert_eq!(positions.forward(3, 1).into_data(), all.slice(3..4).into_data());
/// assert_eq!(positions.max_positions(), 5);
/// ```
#[derive(Module, Debug)]
pub struct LearnedPositions {
    /// A row for each position, `[P, D]`.
    pub weight: Param<Tensor<2>>,
}

/// Sizes of [`LearnedPositions`].
#[derive(Config, Debug)]
pub struct LearnedPositionsConfig {
    /// Number of positions P: the length of the longest sequence, in tokens.
    pub max_positions: usize,
    /// Width D.
    pub d_model: usize,
}

impl LearnedPositionsConfig {
    /// A table drawn from `init`.
    pub fn init(&self, init: &Init) -> LearnedPositions {
        let deviation = 1.0 / (self.d_model as f64).sqrt();
        LearnedPositions {
            weight: init.normal([self.max_positions, self.d_model], deviation),
        }
    }
}

impl LearnedPositions {
    /// Vectors of the positions `offset .. offset + length`, `[length, D]`.
    ///
    /// # Panics
    ///
    /// If the table ends before.
    pub fn forward(&self, offset: usize, length: usize) -> Tensor<2> {
        let (positions, end) = (self.max_positions(), offset + length);
        assert!(
            end <= positions,
            "LearnedPositions: expected at most {positions} positions, got {end}"
        );
        self.weight.val().slice(offset..end)
    }

    /// Number of positions that the table has.
    pub fn max_positions(&self) -> usize {
        self.weight.dims()[0]
    }
}
