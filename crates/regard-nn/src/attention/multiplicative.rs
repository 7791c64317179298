//! Luong's scores of global attention: products of queries and keys without a scale, and the concatenation.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::{AttentionOptions, attention, split_heads};
use serde::{Deserialize, Serialize};

use super::additive::{AdditiveAttention, AdditiveAttentionConfig};
use super::options;
use super::projected::{ProjectedMemory, check_heads};
use crate::{AttentionMask, AttentionOutput, Init, Linear, Pass};

/// Each query takes the mean of the values, weighted by the softmax of its products with the keys, unscaled.
///
/// ```text
/// scores  = q k^T                                  each head by itself, [B, H, T, S]
/// context = dropout(softmax(scores)) v             [B, T, H * K_v]
/// ```
///
/// It is [`attention`](crate::attention()) with a factor of 1 instead of `1 / sqrt(K)`; `options.scale` gives another. For the
/// general score the keys are `W m`.
///
/// # Shapes
///
/// `query: [B, T, H * K]`, `key: [B, S, H * K]`, `value: [B, S, H * K_v]`; fewer heads of keys as for
/// [`attention`](crate::attention()).
///
/// # Behaviour
///
/// Masks, dropout, weights and cost are those of [`attention`](crate::attention()).
///
/// # Panics
///
/// As [`attention`](crate::attention()).
///
/// # Differences
///
/// - Paper: one head; masks and dropout are not in the paper.
/// - PyTorch: `scaled_dot_product_attention` with `scale=1`; burn: `burn::tensor::module::attention` with a scale of 1. Both
///   without weights.
///
/// # References
///
/// Luong, Pham, Manning. Effective Approaches to Attention-based Neural Machine Translation. 2015.
/// <https://arxiv.org/abs/1508.04025>, section 3.1.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOptions, multiplicative_attention};
///
/// let device = Device::flex();
/// let query = Tensor::<3>::ones([1, 1, 4], &device);
/// let key = Tensor::<3>::from_floats([[[0.0; 4], [0.5; 4]]], &device);
/// let value = Tensor::<3>::from_floats([[[0.0], [1.0]]], &device);
/// let output = multiplicative_attention(query, key, value, AttentionOptions::new(1));
/// // The share of the second key: 1 / (1 + exp(-2)).
/// let context = output.context.into_scalar::<f32>();
/// assert!((context - 0.880_797).abs() < 1e-6);
/// ```
pub fn multiplicative_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    options: AttentionOptions,
) -> AttentionOutput {
    let scale = Some(options.scale.unwrap_or(1.0));
    attention(query, key, value, AttentionOptions { scale, ..options })
}

/// How a query and a position of the memory are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LuongScore {
    /// `q . m`: no parameters; query and memory of one width.
    Dot,
    /// `q . W m`.
    General,
    /// `v . tanh(W [q; m])`: additive attention, with W in two parts.
    Concat {
        /// Width A of the hidden layer of each head.
        d_attention: usize,
    },
}

/// Sizes and score of [`LuongAttention`].
#[derive(Config, Debug)]
pub struct LuongAttentionConfig {
    /// Width `D_q` of the queries; for the scores by products a multiple of `n_heads`.
    pub d_query: usize,
    /// Width `D_m` of the memory and of the context; a multiple of `n_heads`.
    pub d_memory: usize,
    /// How pairs are scored.
    pub score: LuongScore,
    /// Number of heads H, from 1. Default 1, as in the paper.
    #[config(default = 1)]
    pub n_heads: usize,
    /// Factor of the scores. Default 1, as in the paper; `1 / sqrt(D_q / H)` keeps the products of wide states small.
    #[config(default = 1.0)]
    pub scale: f64,
    /// Probability of dropping a weight, in `[0, 1)`. Default 0, as in the paper.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// A sequence attends to a memory by one of Luong's three scores.
///
/// ```text
/// dot       score = q . m
/// general   score = q . W m
/// concat    score = v . tanh(W [q; m])
/// context   = softmax(scale * scores) m            [B, T, D_m]
/// ```
///
/// With several heads, the h-th slice of q meets the h-th slice of the keys (m, or `W m`), or head h has a hidden layer
/// of its own (concat), and averages the h-th slice of the memory, of width `D_m / H`.
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `query` | `[B, T, D_q]` | decoder states; `T = 1` when decoding step by step |
/// | `memory` | `[B, S, D_m]` | encoder states |
/// | `context` | `[B, T, D_m]` | |
/// | `weights` | `[B, H, T, S]` | before dropout, if the pass wants them |
///
/// # Parameters
///
/// - dot: none.
/// - general: `general: [D_m, D_q]` (W); `D_m D_q` numbers.
/// - concat: `concat.query: [D_q, H A]` and `concat.key: [D_m, H A]`, the two parts of W, and `concat.score: [A, H]` (v);
///   `H A (D_q + D_m + 1)` numbers.
///
/// All Xavier uniform, no biases.
///
/// # Behaviour
///
/// - Blocked keys get weight exactly 0; a query with nothing visible gets a zero context.
/// - [`project`](Self::project) folds W into the keys once, so a step of the general score costs what one of dot costs.
/// - Cost: `O(B T S D_q)` time and `O(B H T S)` memory; for concat `O(B H T S A)` both.
///
/// # Panics
///
/// If a width is not that of the configuration, the rows of the queries are not a multiple of those of the memory, or the
/// mask is made for another number of rows.
///
/// # Differences
///
/// - Paper: one head; parameters start uniform in `[-0.1, 0.1]`. The tanh layer behind the context (its equation 5)
///   belongs to the decoder.
/// - PyTorch, burn: no counterpart. Checked against `scripts/parity/scores.py`.
///
/// # References
///
/// Luong, Pham, Manning 2015. <https://arxiv.org/abs/1508.04025>, section 3.1.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, Init, LuongAttentionConfig, LuongScore, Pass};
///
/// let device = Device::flex();
/// let attention = LuongAttentionConfig::new(2, 2, LuongScore::Dot).init(&Init::new(1, &device));
/// let query = Tensor::<3>::from_floats([[[1.0, 0.0]]], &device);
/// let memory = Tensor::<3>::from_floats([[[2.0, 0.0], [0.0, 5.0]]], &device);
/// let output = attention.forward(query, memory, &AttentionMask::none(), &Pass::evaluation());
/// // Scores 2 and 0: the first position gets 1 / (1 + exp(-2)) of the weight.
/// let context = output.context.into_data();
/// assert!((context.as_slice::<f32>().unwrap()[0] - 2.0 * 0.880_797).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct LuongAttention {
    /// W of the general score, `[D_m, D_q]`.
    pub general: Option<Linear>,
    /// W and v of the concat score.
    pub concat: Option<AdditiveAttention>,
    n_heads: usize,
    scale: f64,
    dropout: f64,
}

impl LuongAttentionConfig {
    /// Attention with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If a width is not a multiple of `n_heads`, or the widths differ for the score dot.
    pub fn init(&self, init: &Init) -> LuongAttention {
        let (d_query, d_memory) = (self.d_query, self.d_memory);
        check_heads("LuongAttention", "d_memory", d_memory, self.n_heads);
        if !matches!(self.score, LuongScore::Concat { .. }) {
            check_heads("LuongAttention", "d_query", d_query, self.n_heads);
        }
        assert!(
            self.score != LuongScore::Dot || d_query == d_memory,
            "LuongAttention: the score dot needs d_query = d_memory, got {d_query} and {d_memory}"
        );
        let concat = |d_attention| {
            AdditiveAttentionConfig::new(d_query, d_memory, d_attention)
                .with_n_heads(self.n_heads)
                .init(&init.at("concat"))
        };
        LuongAttention {
            general: (self.score == LuongScore::General)
                .then(|| Linear::new(d_memory, d_query, &init.at("general")).without_bias()),
            concat: match self.score {
                LuongScore::Concat { d_attention } => Some(concat(d_attention)),
                LuongScore::Dot | LuongScore::General => None,
            },
            n_heads: self.n_heads,
            scale: self.scale,
            dropout: self.dropout,
        }
    }
}

impl LuongAttention {
    /// `query: [B, T, D_q]` looks at `memory: [B, S, D_m]`.
    pub fn forward(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.attend(query, &self.project(memory), mask, pass)
    }

    /// Keys, and values, the memory `[B, S, D_m]` itself.
    pub fn project(&self, memory: Tensor<3>) -> ProjectedMemory {
        if let Some(concat) = &self.concat {
            return concat.project(memory);
        }
        let key = match &self.general {
            Some(general) => general.forward_sequence(memory.clone()), // [B, S, D_q]
            None => memory.clone(),
        };
        ProjectedMemory { key, value: memory }
    }

    /// `query: [R, T, D_q]`, R a multiple of the B rows of `memory`: then several rows look at the same row of the memory,
    /// in groups, and the mask may hold key lengths only, those of the B rows.
    pub fn attend(
        &self,
        query: Tensor<3>,
        memory: &ProjectedMemory,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let options = self.options(mask, pass);
        memory.grouped("LuongAttention", query, mask, |query| {
            if let Some(concat) = &self.concat {
                return concat.attend_with(query, memory, options);
            }
            check_width(&query, memory);
            let ProjectedMemory { key, value } = memory.clone();
            multiplicative_attention(query, key, value, options)
        })
    }

    pub(super) fn options(&self, mask: &AttentionMask, pass: &Pass) -> AttentionOptions {
        AttentionOptions {
            scale: Some(self.scale),
            ..options(self.n_heads, mask.clone(), self.dropout, pass)
        }
    }

    /// Scaled scores `[B, H, T, S]` of `query: [B, T, D_q]`.
    pub(super) fn scores(&self, query: Tensor<3>, memory: &ProjectedMemory) -> Tensor<4> {
        if let Some(concat) = &self.concat {
            return concat.scores(query, memory) * self.scale;
        }
        check_width(&query, memory);
        let key = split_heads(memory.key.clone(), self.n_heads); // [B, H, S, K]
        split_heads(query, self.n_heads).matmul(key.swap_dims(2, 3)) * self.scale
    }
}

/// Keys of fewer heads would otherwise pass for those of grouped queries.
fn check_width(query: &Tensor<3>, memory: &ProjectedMemory) {
    let ([_, _, d_query], [_, _, expected]) = (query.dims(), memory.key.dims());
    assert_eq!(
        d_query, expected,
        "LuongAttention: expected queries of width {expected}, got {d_query}"
    );
}
