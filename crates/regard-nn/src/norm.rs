//! Layer normalisation.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::Init;

/// `y = (x - mean(x)) / sqrt(var(x) + 1e-5) * weight + bias` over the last axis.
///
/// # Parameters
///
/// `weight: [D]`, one; `bias: [D]`, zero.
///
/// # References
///
/// Ba, Kiros, Hinton. Layer Normalization. 2016. <https://arxiv.org/abs/1607.06450>
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Factor, `[D]`.
    pub weight: Param<Tensor<1>>,
    /// Summand, `[D]`.
    pub bias: Param<Tensor<1>>,
}

impl LayerNorm {
    const EPSILON: f64 = 1e-5;

    /// A norm over rows of width `d_model`.
    pub fn new(d_model: usize, init: &Init) -> Self {
        Self {
            weight: init.constant(d_model, 1.0),
            bias: init.constant(d_model, 0.0),
        }
    }

    /// `x: [N, D]` to `[N, D]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        regard_kernels::layer_norm(x, self.weight.val(), self.bias.val(), Self::EPSILON)
    }
}
