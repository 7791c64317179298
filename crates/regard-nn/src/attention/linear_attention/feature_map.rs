//! What takes the place of the exponential in linear attention.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// The features `phi(x)` in whose products queries and keys meet, `[.., K]` to `[.., K]`.
///
/// No feature is below 1e-6: so every visible key has some weight, and no sum of weights is 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let x = Tensor::<4>::from_floats([[[[-30.0, 0.0, 2.0]]]], &Device::flex());
/// let features = regard_nn::FeatureMap::EluPlusOne.apply(x).into_data();
/// assert_eq!(features.as_slice::<f32>().unwrap(), [1e-6, 1.0, 3.0]);
/// ```
///
/// # Shapes, behaviour and differences
///
/// Any `[B, H, L, K]` to the same shape; the cost is one pass over it. The authors' code has no floor (see
/// [`linear_attention`](crate::linear_attention)); PyTorch and burn have the activations, not the floor.
///
/// # References
///
/// `EluPlusOne`: Katharopoulos et al. 2020, section 3.2.1. `Relu`: Choromanski et al. Rethinking Attention with
/// Performers. 2020. <https://arxiv.org/abs/2009.14794>, there with random projections. `Softmax`: Shen et al. Efficient
/// Attention. 2018. <https://arxiv.org/abs/1812.01243>, there for queries; keys are normalised over positions there, which
/// neither a causal form nor a step by step allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureMap {
    /// `x + 1` for `x > 0`, else `exp(x)`.
    #[default]
    EluPlusOne,
    /// `max(x, 0)`.
    Relu,
    /// `exp(x_i) / sum_k exp(x_k)`, over the features of one position.
    Softmax,
}

/// The least feature.
const FLOOR: f32 = 1e-6;

impl FeatureMap {
    /// The features of `x`, over the last axis.
    pub fn apply(self, x: Tensor<4>) -> Tensor<4> {
        let features = match self {
            Self::EluPlusOne => activation::relu(x.clone()) + x.clamp_max(0.0).exp(),
            Self::Relu => x,
            Self::Softmax => activation::softmax(x, 3),
        };
        features.clamp_min(FLOOR)
    }
}
