//! Normalisation over the last axis.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::Init;

const EPSILON: f64 = 1e-5;

/// `y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias` over the last axis.
///
/// # Parameters
///
/// `weight: [D]`, one; `bias: [D]`, zero.
///
/// # Differences
///
/// - Paper: no epsilon there; without it a row of equal numbers has no result.
/// - PyTorch's `LayerNorm` may take several axes at once; over the last one it is the same, epsilon included.
/// - burn's `LayerNorm` is the same, with the names `gamma` and `beta`.
///
/// # References
///
/// Ba, Kiros, Hinton. Layer Normalization. 2016. <https://arxiv.org/abs/1607.06450>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Init, LayerNorm};
/// let device = Device::flex();
/// let norm = LayerNorm::new(2, &Init::new(0, &device)).with_epsilon(1e-9);
/// let y = norm.forward(Tensor::from_floats([[1.0, 7.0]], &device)); // mean 4, deviation 3
/// assert_eq!(y.into_data().as_slice::<f32>().unwrap(), [-1.0, 1.0]);
/// ```
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Factor, `[D]`.
    pub weight: Param<Tensor<1>>,
    /// Summand, `[D]`.
    pub bias: Param<Tensor<1>>,
    epsilon: f64,
}

impl LayerNorm {
    /// A norm over rows of width `d_model`, with an epsilon of 1e-5.
    pub fn new(d_model: usize, init: &Init) -> Self {
        Self {
            weight: init.constant(d_model, 1.0),
            bias: init.constant(d_model, 0.0),
            epsilon: EPSILON,
        }
    }

    /// The same norm with another epsilon, which has the unit of a variance.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// `x: [N, D]` to `[N, D]`.
    ///
    /// # Panics
    ///
    /// If `x` has another width than D.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        regard_kernels::layer_norm(x, self.weight.val(), self.bias.val(), self.epsilon)
    }
}

/// `y = x / sqrt(mean(x^2) + epsilon) * weight` over the last axis.
///
/// # Parameters
///
/// `weight: [D]`, one.
///
/// # Differences
///
/// - Paper: no epsilon there.
/// - PyTorch's `RMSNorm` takes the machine's precision as epsilon unless told, 1.2e-7 in f32.
///
/// # References
///
/// Zhang, Sennrich. Root Mean Square Layer Normalization. 2019. <https://arxiv.org/abs/1910.07467>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Init, RmsNorm};
/// let device = Device::flex();
/// let norm = RmsNorm::new(2, &Init::new(0, &device)).with_epsilon(1e-9);
/// let y = norm.forward(Tensor::from_floats([[1.0, 7.0]], &device)); // the mean square is 25
/// assert_eq!(y.into_data().as_slice::<f32>().unwrap(), [0.2, 1.4]);
/// ```
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// Factor, `[D]`.
    pub weight: Param<Tensor<1>>,
    epsilon: f64,
}

impl RmsNorm {
    /// A norm over rows of width `d_model`, with an epsilon of 1e-5.
    pub fn new(d_model: usize, init: &Init) -> Self {
        Self {
            weight: init.constant(d_model, 1.0),
            epsilon: EPSILON,
        }
    }

    /// The same norm with another epsilon, which has the unit of a mean square.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// `x: [N, D]` to `[N, D]`.
    ///
    /// # Panics
    ///
    /// If `x` has another width than D.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        regard_kernels::rms_norm(x, self.weight.val(), self.epsilon)
    }
}

/// Which norm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// [`LayerNorm`], as in the transformer's paper.
    #[default]
    Layer,
    /// [`RmsNorm`]: no mean, no bias; as good in most comparisons, and cheaper.
    Rms,
}

impl NormKind {
    /// A norm over rows of width `d_model`.
    pub fn init(self, d_model: usize, epsilon: f64, init: &Init) -> Norm {
        match self {
            Self::Layer => Norm::Layer(LayerNorm::new(d_model, init).with_epsilon(epsilon)),
            Self::Rms => Norm::Rms(RmsNorm::new(d_model, init).with_epsilon(epsilon)),
        }
    }
}

/// A norm of either kind. Names of parameters in files leave the variant out.
#[derive(Module, Debug)]
pub enum Norm {
    /// With mean and bias.
    Layer(LayerNorm),
    /// Without.
    Rms(RmsNorm),
}

impl Norm {
    /// `x: [N, D]` to `[N, D]`.
    ///
    /// # Panics
    ///
    /// If `x` has another width than D.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::Rms(norm) => norm.forward(x),
        }
    }
}
