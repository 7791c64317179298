//! Token embeddings.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use crate::Init;

/// Token vectors, scaled by `sqrt(D)`.
///
/// ```text
/// y[n] = sqrt(D) weight[ids[n]]                                  [N, D]
/// ```
///
/// # Parameters
///
/// `weight: [V, D]`, normal with deviation `1 / sqrt(D)`, so that scaled vectors have unit variance and the same
/// matrix, used as an output map, gives logits of unit variance.
///
/// # Differences
///
/// PyTorch's and burn's `Embedding` do not scale. Positions are added by whoever calls: see [`Sinusoids`](crate::Sinusoids)
/// and [`LearnedPositions`](crate::LearnedPositions).
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, section 3.4.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regard_nn::{Embedding, Init};
///
/// let device = Device::flex();
/// let embedding = Embedding::new(10, 4, &Init::new(1, &device));
/// let x = embedding.forward(Tensor::<1, Int>::from_ints([7, 2, 7], &device)); // [3, 4]
/// let seven = embedding.weight.val().slice(7..8) * 2.0;
/// assert_eq!(x.slice(2..3).into_data(), seven.into_data());
/// ```
#[derive(Module, Debug)]
pub struct Embedding {
    /// Token vectors, `[V, D]`.
    pub weight: Param<Tensor<2>>,
    /// Whether vectors are multiplied by `sqrt(D)`; some published weights need that they are not.
    pub scaled: bool,
}

impl Embedding {
    /// Vectors of width `d_model` for `vocabulary` tokens, to be scaled.
    pub fn new(vocabulary: usize, d_model: usize, init: &Init) -> Self {
        Self {
            weight: init.normal([vocabulary, d_model], 1.0 / (d_model as f64).sqrt()),
            scaled: true,
        }
    }

    /// `ids: [N]` to `[N, D]`. Ids must be below V.
    pub fn forward(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let weight = self.weight.val();
        let [_, d_model] = weight.dims();
        let scale = if self.scaled {
            (d_model as f64).sqrt()
        } else {
            1.0
        };
        regard_kernels::embedding(weight, ids, scale)
    }
}
