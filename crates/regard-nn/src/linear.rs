//! The linear map.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use regard_kernels::{RowDropout, linear_add};

use crate::{Init, Summand};

/// `y = x W + b`, over the rows of a matrix.
///
/// # Parameters
///
/// `weight: [D_in, D_out]` (PyTorch stores the transpose), Xavier uniform; `bias: [D_out]`, zero, or none.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Init, Linear};
/// let device = Device::flex();
/// let map = Linear::new(3, 2, &Init::new(0, &device)).without_bias();
/// assert_eq!(burn::module::Module::num_params(&map), 6);
/// let y = map.forward(Tensor::zeros([1, 3], &device));
/// assert_eq!(y.into_data().as_slice::<f32>().unwrap(), [0.0, 0.0]);
/// ```
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
        Self::packed(d_in, &[d_out], init)
    }

    /// Maps with biases to several widths, side by side in one matrix `[D_in, sum of widths]`, each initialised as if alone.
    pub fn packed(d_in: usize, widths: &[usize], init: &Init) -> Self {
        let d_out = widths.iter().sum();
        Self {
            weight: init.xavier_packed(d_in, widths),
            bias: Some(init.constant(d_out, 0.0)),
        }
    }

    /// The same map without its bias: `y = x W`.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// `x: [N, D_in]` to `[N, D_out]`.
    ///
    /// # Panics
    ///
    /// If `x` has another width than `D_in`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        regard_kernels::linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    /// The map of `x: [N, D_in]`, not made yet: see [`Mapped`].
    pub fn of(&self, x: Tensor<2>) -> Mapped<'_> {
        Mapped { x, map: self }
    }

    /// The map of every position, `[B, L, D_in]` to `[B, L, D_out]`.
    ///
    /// # Panics
    ///
    /// If `x` has another width than `D_in`.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use regard_nn::{Init, Linear};
    /// let map = Linear::new(3, 2, &Init::new(0, &Device::flex()));
    /// let y = map.forward_sequence(Tensor::zeros([4, 5, 3], &Device::flex()));
    /// assert_eq!(y.dims(), [4, 5, 2]);
    /// ```
    pub fn forward_sequence(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, _] = x.dims();
        let y = self.forward(x.flatten(0, 1));
        let [_, d_out] = y.dims();
        y.reshape([batch, length, d_out])
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

/// A linear map that is still to be made, so that a residual connection makes map, dropout and sum in one operation.
#[derive(Debug)]
#[must_use = "nothing is computed before `value` or a residual connection asks for it"]
pub struct Mapped<'a> {
    x: Tensor<2>,
    map: &'a Linear,
}

impl Mapped<'_> {
    /// `x W + b`, `[N, D_out]`.
    ///
    /// # Panics
    ///
    /// If `x` has another width than `D_in`.
    pub fn value(self) -> Tensor<2> {
        self.map.forward(self.x)
    }
}

impl Summand for Mapped<'_> {
    fn add_to(self, residual: Tensor<2>, dropout: Option<RowDropout>) -> Tensor<2> {
        let (weight, bias) = (
            self.map.weight.val(),
            self.map.bias.as_ref().map(Param::val),
        );
        linear_add(residual, self.x, weight, bias, dropout)
    }
}
