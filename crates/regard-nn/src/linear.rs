//! The linear map.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::Init;

/// `y = x W + b`, over the rows of a matrix.
///
/// # Parameters
///
/// `weight: [D_in, D_out]` (PyTorch stores the transpose), Xavier uniform; `bias: [D_out]`, zero.
#[derive(Module, Debug)]
pub struct Linear {
    /// W, `[D_in, D_out]`.
    pub weight: Param<Tensor<2>>,
    /// b, `[D_out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// A map with bias from rows of width `d_in` to rows of width `d_out`.
    pub fn new(d_in: usize, d_out: usize, init: &Init) -> Self {
        Self::packed(d_in, &[d_out], true, init)
    }

    /// Maps to several widths side by side in one matrix `[D_in, sum of widths]`, each initialised as if alone.
    pub fn packed(d_in: usize, widths: &[usize], bias: bool, init: &Init) -> Self {
        let d_out = widths.iter().sum();
        Self {
            weight: init.xavier(d_in, widths),
            bias: bias.then(|| init.constant(d_out, 0.0)),
        }
    }

    /// `x: [N, D_in]` to `[N, D_out]`.
    ///
    /// # Panics
    ///
    /// If `x` has another width than `D_in`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        regard_kernels::linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    /// [`forward`](Self::forward), then `max(0, y)`.
    ///
    /// # Panics
    ///
    /// If `x` has another width than `D_in`.
    pub fn forward_relu(&self, x: Tensor<2>) -> Tensor<2> {
        regard_kernels::linear_relu(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}
