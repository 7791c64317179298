//! The residual connection around every sub-layer.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::{Init, LayerNorm, Layout, Pass};

/// A sub-layer `f` with its norm, dropout and residual sum.
///
/// ```text
/// pre-norm:   y = x + dropout(f(norm(x)))
/// post-norm:  y = norm(x + dropout(f(x)))
/// ```
///
/// # References
///
/// Post-norm: Vaswani et al. 2017, section 3.1. Pre-norm: Xiong et al. On Layer Normalization in the Transformer
/// Architecture. 2020. <https://arxiv.org/abs/2002.04745>
#[derive(Module, Debug)]
pub struct Residual {
    /// The norm.
    pub norm: LayerNorm,
    dropout: f64,
    pre_norm: bool,
}

impl Residual {
    /// A residual connection over rows of width `d_model`.
    pub fn new(d_model: usize, dropout: f64, pre_norm: bool, init: &Init) -> Self {
        Self {
            norm: LayerNorm::new(d_model, &init.at("norm")),
            dropout,
            pre_norm,
        }
    }

    /// `x: [N, D]` to `[N, D]`, around `f`.
    pub fn forward(
        &self,
        x: Tensor<2>,
        layout: Layout,
        pass: &Pass,
        f: impl FnOnce(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let dropout = |y: Tensor<2>| {
            Layout::flatten(
                pass.at("residual")
                    .dropout(layout.unflatten(y), self.dropout),
            )
        };
        if self.pre_norm {
            x.clone() + dropout(f(self.norm.forward(x)))
        } else {
            self.norm.forward(x.clone() + dropout(f(x)))
        }
    }
}
