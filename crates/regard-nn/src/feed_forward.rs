//! The position-wise feed-forward network.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::{Gate, gated, gelu, gelu_tanh, silu};
use serde::{Deserialize, Serialize};

use crate::{Init, Linear, Mapped};

/// What stands between the two maps of a [`FeedForward`].
///
/// The gated forms multiply two maps of the input, one of them through the function: `f(x W + b) * (x V + c)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`.
    #[default]
    Relu,
    /// [`gelu`].
    Gelu,
    /// [`gelu_tanh`].
    GeluTanh,
    /// [`silu`].
    Silu,
    /// Gated by the sigmoid.
    Glu,
    /// Gated by `max(0, x)`.
    Reglu,
    /// Gated by [`gelu`].
    Geglu,
    /// Gated by [`silu`].
    Swiglu,
}

impl Activation {
    /// Whether two inner maps are multiplied.
    pub fn is_gated(self) -> bool {
        match self {
            Self::Relu | Self::Gelu | Self::GeluTanh | Self::Silu => false,
            Self::Glu | Self::Reglu | Self::Geglu | Self::Swiglu => true,
        }
    }
}

/// Widths and form of a [`FeedForward`].
#[derive(Config, Debug)]
pub struct FeedForwardConfig {
    /// Width D of input and output.
    pub d_model: usize,
    /// Width F between the two maps. A gated form has half as many parameters again: 2/3 of F makes up for it.
    pub d_ff: usize,
    /// What stands between the maps. Default `relu`, as in the transformer's paper.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Whether the maps have biases. Default true, as in the transformer's paper; those of the gated forms have none.
    #[config(default = true)]
    pub bias: bool,
}

/// Two linear maps with an activation between them, each row by itself.
///
/// ```text
/// y = f(x W1 + b1) W2 + b2                      f = relu, gelu, gelu_tanh, silu
/// y = (f(x W + b) * (x V + c)) W2 + b2          f = sigmoid (glu), relu (reglu), gelu (geglu), silu (swiglu)
/// ```
///
/// # Parameters
///
/// `inner: [D, F]` and `outer: [F, D]`. Of a gated form, `inner: [D, 2 F]` holds `[W | V]`, one product for both. Each
/// map is Xavier uniform; biases, unless left out, are 0.
///
/// # Differences
///
/// - Paper of the gated forms: no biases there; `with_bias(false)` has none.
/// - PyTorch's `glu` puts the gate in the second half.
/// - burn's gated forms keep the two maps in two matrices.
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, section 3.3. Gated: Shazeer. GLU Variants Improve
/// Transformer. 2020. <https://arxiv.org/abs/2002.05202>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Activation, FeedForwardConfig, Init};
/// let device = Device::flex();
/// let config = FeedForwardConfig::new(4, 10).with_activation(Activation::Swiglu);
/// let feed_forward = config.init(&Init::new(0, &device));
/// assert_eq!(feed_forward.inner.weight.dims(), [4, 20]);
/// let y = feed_forward.forward(Tensor::zeros([1, 4], &device)); // biases are 0 at first
/// assert_eq!(y.into_data().as_slice::<f32>().unwrap(), [0.0; 4]);
/// ```
#[derive(Module, Debug)]
pub struct FeedForward {
    /// The map, or the two side by side, to the inner width.
    pub inner: Linear,
    /// The map back.
    pub outer: Linear,
    #[module(skip)]
    activation: Activation,
}

impl FeedForwardConfig {
    /// A network with parameters from `init`.
    pub fn init(&self, init: &Init) -> FeedForward {
        let [inner, outer] = [init.at("inner"), init.at("outer")];
        let widths = [self.d_ff; 2];
        let maps = if self.activation.is_gated() { 2 } else { 1 };
        let inner = Linear::packed(self.d_model, &widths[..maps], &inner);
        let outer = Linear::new(self.d_ff, self.d_model, &outer);
        let form = |map: Linear| if self.bias { map } else { map.without_bias() };
        FeedForward {
            inner: form(inner),
            outer: form(outer),
            activation: self.activation,
        }
    }
}

impl FeedForward {
    /// `x: [N, D]` to `[N, D]`.
    ///
    /// # Panics
    ///
    /// If `x` has another width than D.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.of(x).value()
    }

    /// [`forward`](Self::forward), up to the last map.
    ///
    /// # Panics
    ///
    /// If `x` has another width than D.
    pub fn of(&self, x: Tensor<2>) -> Mapped<'_> {
        let inner = match self.activation {
            Activation::Relu => self.inner.forward_relu(x), // in one pass over the result
            Activation::Gelu => gelu(self.inner.forward(x)),
            Activation::GeluTanh => gelu_tanh(self.inner.forward(x)),
            Activation::Silu => silu(self.inner.forward(x)),
            Activation::Glu => gated(self.inner.forward(x), Gate::Sigmoid),
            Activation::Reglu => gated(self.inner.forward(x), Gate::Relu),
            Activation::Geglu => gated(self.inner.forward(x), Gate::Gelu),
            Activation::Swiglu => gated(self.inner.forward(x), Gate::Silu),
        }; // [N, F]
        self.outer.of(inner)
    }
}
