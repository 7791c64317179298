//! The residual connection around every sub-layer.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

use regard_kernels::{RowDropout, dropout_rows};

use crate::{Init, Layout, Norm, NormKind, Pass};

/// Width and form of a [`Residual`].
#[derive(Config, Debug)]
pub struct ResidualConfig {
    /// Width D of the rows.
    pub d_model: usize,
    /// Probability of dropping an element of the sub-layer's result, in `[0, 1)`. Default 0.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Whether the norm stands before the sub-layer. Default true: trains without a long warm-up.
    #[config(default = true)]
    pub pre_norm: bool,
    /// Which norm. Default layer norm, as in the paper.
    #[config(default = "NormKind::Layer")]
    pub norm: NormKind,
    /// The norm's epsilon, above 0. Default 1e-5, as PyTorch's layer norm.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

/// What a residual connection adds: a tensor; or, to make both in one operation, a [`Mapped`](crate::Mapped).
pub trait Summand {
    /// `residual + dropout(self)`, all `[N, D]`.
    fn add_to(self, residual: Tensor<2>, dropout: Option<RowDropout>) -> Tensor<2>;
}

impl Summand for Tensor<2> {
    fn add_to(self, residual: Tensor<2>, dropout: Option<RowDropout>) -> Tensor<2> {
        match dropout {
            Some(dropout) => residual + dropout_rows(self, &dropout),
            None => residual + self,
        }
    }
}

/// A sub-layer `f` with its norm, dropout and residual sum.
///
/// ```text
/// pre-norm:   y = x + dropout(f(norm(x)))
/// post-norm:  y = norm(x + dropout(f(x)))
/// ```
///
/// # Shapes
///
/// `x: [N, D]`, and so are what `f` is given, what it gives, and the result; `layout` says which rows are which positions,
/// for the draws of dropout.
///
/// # Parameters
///
/// Those of the [`Norm`], as `norm.weight` and, of layer norm, `norm.bias`.
///
/// # Differences
///
/// - Paper: post-norm; here pre-norm is the default. A stack of pre-norm layers needs one more norm behind the last.
/// - PyTorch's and burn's layers of transformers have both as `norm_first`, by default post-norm, and drop elements between
///   the maps of the feed-forward network as well; here only the result of a sub-layer is dropped from.
///
/// # References
///
/// Post-norm: Vaswani et al. 2017, section 3.1. Pre-norm: Xiong et al. On Layer Normalization in the Transformer
/// Architecture. 2020. <https://arxiv.org/abs/2002.04745>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Init, Layout, NormKind, Pass, ResidualConfig};
/// let device = Device::flex();
/// let config = ResidualConfig::new(2).with_norm(NormKind::Rms).with_epsilon(1e-9);
/// let residual = config.init(&Init::new(0, &device));
/// let (x, layout) = (Tensor::from_floats([[1.0, 7.0]], &device), Layout::dense(1, 1));
/// let y = residual.forward(x, &layout, &Pass::evaluation(), |normed| normed * 10.0);
/// assert_eq!(y.into_data().as_slice::<f32>().unwrap(), [3.0, 21.0]);
/// ```
#[derive(Module, Debug)]
pub struct Residual {
    /// The norm.
    pub norm: Norm,
    dropout: f64,
    pre_norm: bool,
}

impl ResidualConfig {
    /// A residual connection with parameters from `init`.
    pub fn init(&self, init: &Init) -> Residual {
        Residual {
            norm: self.norm.init(self.d_model, self.epsilon, &init.at("norm")),
            dropout: self.dropout,
            pre_norm: self.pre_norm,
        }
    }
}

impl Residual {
    /// A residual connection with layer norm over rows of width `d_model`; [`ResidualConfig`] has the other forms.
    pub fn new(d_model: usize, dropout: f64, pre_norm: bool, init: &Init) -> Self {
        ResidualConfig::new(d_model)
            .with_dropout(dropout)
            .with_pre_norm(pre_norm)
            .init(init)
    }

    /// `x: [N, D]` to `[N, D]`, around `f`.
    pub fn forward<S: Summand>(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        pass: &Pass,
        f: impl FnOnce(Tensor<2>) -> S,
    ) -> Tensor<2> {
        let dropout = pass.at("residual").row_dropout(layout, self.dropout);
        if self.pre_norm {
            f(self.norm.forward(x.clone())).add_to(x, dropout)
        } else {
            self.norm.forward(f(x.clone()).add_to(x, dropout))
        }
    }
}
