//! The position-wise feed-forward network.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

use crate::{Init, Linear};

/// Widths of a [`FeedForward`].
#[derive(Config, Debug)]
pub struct FeedForwardConfig {
    /// Width D of input and output.
    pub d_model: usize,
    /// Width F between the two maps.
    pub d_ff: usize,
}

/// Two linear maps with a ReLU between them, each row by itself: `y = relu(x W1 + b1) W2 + b2`.
///
/// # Parameters
///
/// `inner: [D, F]` and `outer: [F, D]`, with biases.
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, section 3.3.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// The map to the inner width.
    pub inner: Linear,
    /// The map back.
    pub outer: Linear,
}

impl FeedForwardConfig {
    /// A network with parameters from `init`.
    pub fn init(&self, init: &Init) -> FeedForward {
        FeedForward {
            inner: Linear::new(self.d_model, self.d_ff, &init.at("inner")),
            outer: Linear::new(self.d_ff, self.d_model, &init.at("outer")),
        }
    }
}

impl FeedForward {
    /// `x: [N, D]` to `[N, D]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.outer.forward(self.inner.forward_relu(x))
    }
}
