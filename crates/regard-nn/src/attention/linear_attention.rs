//! Attention with kernels instead of the softmax, at a cost that grows with the length.

mod feature_map;
mod state;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

pub use feature_map::FeatureMap;
pub use state::LinearAttentionState;

use super::by_rows;
use super::multi_head::split_columns;
use crate::{AttentionMask, AttentionOutput, Init, Layout, Linear, Mapped, Pass};

use state::Operands;

/// How linear attention is to be computed; [`new`](Self::new) gives the plain form.
#[derive(Clone, Debug)]
pub struct LinearAttentionOptions {
    /// Number of heads H of queries, keys and values.
    pub n_heads: usize,
    /// Which keys are blocked: padding, and the future.
    pub mask: AttentionMask,
    /// What takes the place of the exponential.
    pub features: FeatureMap,
    /// Whether the weights are wanted; they cost what this kind of attention saves.
    pub weights: bool,
}

impl LinearAttentionOptions {
    /// Every key visible, `elu(x) + 1`, no weights handed back.
    pub fn new(n_heads: usize) -> Self {
        Self {
            n_heads,
            mask: AttentionMask::none(),
            features: FeatureMap::default(),
            weights: false,
        }
    }
}

/// Each query takes the mean of the values, weighted by products of features; every head by itself.
///
/// ```text
/// weights_tj = phi(q_t) . phi(k_j) / sum_i phi(q_t) . phi(k_i)        over the keys that t sees
/// context_t  = sum_j weights_tj v_j
///            = phi(q_t) S_t / phi(q_t) . z_t                          [B, T, H * K_v]
/// S_t = sum_j phi(k_j) v_j^T,  z_t = sum_j phi(k_j)                   [K, K_v] and [K] for each head
/// ```
///
/// The last form has no pairs. Without order all queries share one S. In the causal form S runs over chunks of 64
/// positions: what is before the chunk comes from a cumulative sum, what is inside from products of pairs.
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `query` | `[B, T, H * K]` |
/// | `key` | `[B, S, H * K]` |
/// | `value` | `[B, S, H * K_v]` |
///
/// # Behaviour
///
/// - Weights are positive and sum to 1; blocked keys get exactly 0. A query whose every key is blocked gets a zero context
///   and zero gradients.
/// - There is no dropout on weights, since there are none, and no scale: it would be part of the feature map.
/// - Cost: `O(B H (T + S) K K_v)` time and `O(B H ((T + S) (K + K_v) + K K_v))` memory; causal `O(B H T (K + 64) K_v)` and
///   `O(B H T (K + K_v + 64 + K K_v / 64))`.
/// - Weights, if asked for, are computed as in the first line, `O(B H T S K)` time, `O(B H T S)` memory.
///
/// # Panics
///
/// If batch sizes, numbers of keys or numbers of heads differ, the mask is made for another number of rows, it has other
/// rules than padding and the order of time, or it has that and there are more queries than keys.
///
/// # Differences
///
/// - Paper: no feature below 1e-6, where the authors' code adds that to the denominator. They scan position by position
///   with a kernel of their own; here chunks are what burn can differentiate.
/// - PyTorch, burn: no counterpart.
///
/// # References
///
/// Katharopoulos, Vyas, Pappas, Fleuret. Transformers are RNNs. 2020. <https://arxiv.org/abs/2006.16236>, sections 3.2 to
/// 3.4. Chunks: Hua et al. 2022. <https://arxiv.org/abs/2202.10447>.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{LinearAttentionOptions, linear_attention};
///
/// let device = Device::flex();
/// let query = Tensor::<3>::from_floats([[[1.0]]], &device); // phi = 2
/// let key = Tensor::<3>::from_floats([[[0.0], [2.0]]], &device); // phi = 1, 3
/// let value = Tensor::<3>::from_floats([[[0.0], [1.0]]], &device);
/// let context = linear_attention(query, key, value, &LinearAttentionOptions::new(1)).context;
/// assert_eq!(context.into_scalar::<f32>(), 0.75); // 2 * 3 / (2 * 1 + 2 * 3)
/// ```
pub fn linear_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    options: &LinearAttentionOptions,
) -> AttentionOutput {
    let operands = Operands::new(query, key, value, options, 0);
    let weights = options.weights.then(|| operands.weights(&options.mask));
    let mut state = LinearAttentionState::default();
    AttentionOutput {
        context: state.take(operands, options.mask.is_causal()),
        weights,
    }
}

/// A sequence attends to itself by [`linear_attention`].
///
/// ```text
/// q, k, v = x W_qkv + b_qkv                                  each [B, T, H K]
/// y       = linear_attention(q, k, v) W_output + b_output    [B, T, D]
/// ```
///
/// # Shapes
///
/// `x: [B, T, D]`, context the same; weights, if the pass wants them, `[B, H, T, T]`.
///
/// # Parameters
///
/// `qkv: [D, 3 D]` packed, `output: [D, D]`, with biases: those of
/// [`MultiHeadSelfAttention`](crate::MultiHeadSelfAttention), under the same names.
///
/// # Behaviour
///
/// As [`linear_attention`], cost included; with a [`LinearAttentionState`] a step costs the same at every position. There is no dropout
/// on weights.
///
/// # Panics
///
/// If the width of `x` is not D, or the mask is none that [`linear_attention`] takes.
///
/// # Differences
///
/// - Paper: none. The authors' code projects in the same way.
/// - PyTorch, burn: no counterpart.
///
/// # References
///
/// Katharopoulos et al. 2020. <https://arxiv.org/abs/2006.16236>.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, Init, LinearAttentionConfig, Pass};
///
/// let device = Device::flex();
/// let attention = LinearAttentionConfig::new(8, 2).init(&Init::new(1, &device));
/// let x = Tensor::<3>::ones([1, 3, 8], &device);
/// let output = attention.forward(x, &AttentionMask::causal(), &Pass::evaluation().with_attention());
/// assert_eq!(output.context.dims(), [1, 3, 8]);
/// // Equal keys share the weight of those that are visible.
/// let weights = output.weights.unwrap().into_data();
/// assert_eq!(weights.as_slice::<f32>().unwrap()[3..6], [0.5, 0.5, 0.0]);
/// ```
#[derive(Module, Debug)]
pub struct LinearAttention {
    /// Queries, keys and values, `[D, 3 D]`.
    pub qkv: Linear,
    /// From the joined heads back, `[D, D]`.
    pub output: Linear,
    n_heads: usize,
    #[module(skip)]
    features: FeatureMap,
}

impl LinearAttention {
    /// `x: [B, T, D]`; the context has the same shape, weights (if the pass wants them) are `[B, H, T, T]`.
    pub fn forward(&self, x: Tensor<3>, mask: &AttentionMask, pass: &Pass) -> AttentionOutput {
        by_rows(x, |x, layout| {
            self.attend(x, layout, mask.clone(), None, pass)
        })
    }

    /// The form that blocks call: `x: [N, D]` to `[N, D]`. With a state, `x` holds the positions that follow those in it,
    /// and there are no weights.
    pub fn attend(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        mask: AttentionMask,
        state: Option<&mut LinearAttentionState>,
        pass: &Pass,
    ) -> (Mapped<'_>, Option<Tensor<4>>) {
        let qkv = layout.unflatten(self.qkv.forward(x));
        let [query, key, value] = split_columns(&qkv, [qkv.dims()[2] / 3; 3]);
        let options = LinearAttentionOptions {
            n_heads: self.n_heads,
            mask,
            features: self.features,
            weights: pass.wants_attention(),
        };
        let attended = match state {
            None => linear_attention(query, key, value, &options),
            Some(state) => AttentionOutput {
                context: state.attend(query, key, value, &options),
                weights: None,
            },
        };
        let context = self.output.of(layout.flatten(attended.context));
        (context, attended.weights)
    }
}

/// Sizes of linear attention.
#[derive(Config, Debug)]
pub struct LinearAttentionConfig {
    /// Width D of queries, keys, values and result; a multiple of `n_heads`.
    pub d_model: usize,
    /// Number of heads H, each of width `K = D / H`.
    pub n_heads: usize,
    /// What takes the place of the exponential. Default `elu(x) + 1`, as in the paper.
    #[config(default = "FeatureMap::EluPlusOne")]
    pub features: FeatureMap,
    /// Whether the maps have biases. Default true, as in PyTorch's attention.
    #[config(default = true)]
    pub bias: bool,
}

impl LinearAttentionConfig {
    /// Linear attention with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If `d_model` is not a multiple of `n_heads`.
    pub fn init(&self, init: &Init) -> LinearAttention {
        assert!(
            self.n_heads > 0 && self.d_model.is_multiple_of(self.n_heads),
            "LinearAttention: expected d_model to be a multiple of n_heads = {}, got {}",
            self.n_heads,
            self.d_model
        );
        let form = |map: Linear| if self.bias { map } else { map.without_bias() };
        LinearAttention {
            qkv: form(Linear::packed(
                self.d_model,
                &[self.d_model; 3],
                &init.at("qkv"),
            )),
            output: form(Linear::new(self.d_model, self.d_model, &init.at("output"))),
            n_heads: self.n_heads,
            features: self.features,
        }
    }
}
