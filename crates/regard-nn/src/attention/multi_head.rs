//! What multi-head self-attention and cross-attention have in common.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::{MultiHeadCrossAttention, MultiHeadSelfAttention};
use crate::{AttentionMask, AttentionOptions, Init, Linear, Normalizer, Pass, Rotary};

/// Sizes and form of multi-head attention.
#[derive(Config, Debug)]
pub struct MultiHeadAttentionConfig {
    /// Width D of queries, keys, values and result; a multiple of `n_heads`.
    pub d_model: usize,
    /// Number of heads H of the queries, each of width `K = D / H`.
    pub n_heads: usize,
    /// Number of heads `H_kv` of keys and values, a divisor of H: fewer than H is grouped-query attention, 1 is
    /// multi-query attention. Default H.
    #[config(default = "None")]
    pub n_kv_heads: Option<usize>,
    /// Whether scores are cosines times a learned factor per head; see [`QueryKeyNorm`]. Default false.
    #[config(default = false)]
    pub query_key_norm: bool,
    /// How scores become weights. Default softmax.
    #[config(default = "Normalizer::Softmax")]
    pub normalizer: Normalizer,
    /// How far a position of self-attention sees to each side; see [`sliding_window_attention`](crate::sliding_window_attention).
    /// Default: everything.
    #[config(default = "None")]
    pub window: Option<usize>,
    /// How queries and keys of self-attention are turned by their position. Default: not at all.
    #[config(default = "None")]
    pub rotary: Option<Rotary>,
    /// Distance from which on the [`RelativeVectors`](crate::RelativeVectors) of self-attention are the same; they are added
    /// to the keys alone, since the paper finds (table 3) that adding them to the values as well changes nothing. Default: none are.
    #[config(default = "None")]
    pub relative: Option<usize>,
    /// Whether the maps have biases. Default true, as in PyTorch; the paper has none.
    #[config(default = true)]
    pub bias: bool,
    /// Probability of dropping a weight, in `[0, 1)`. Default 0: dropout on the residual sums does most of the work.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl MultiHeadAttentionConfig {
    /// Self-attention with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If `d_model` is not a multiple of `n_heads`, or `n_heads` not one of `n_kv_heads`.
    pub fn init_self(&self, init: &Init) -> MultiHeadSelfAttention {
        MultiHeadSelfAttention::new(self, init)
    }

    /// Cross-attention with parameters from `init`.
    ///
    /// # Panics
    ///
    /// As [`init_self`](Self::init_self).
    pub fn init_cross(&self, init: &Init) -> MultiHeadCrossAttention {
        MultiHeadCrossAttention::new(self, init)
    }

    pub(super) fn heads(&self) -> Heads {
        let (n_heads, n_kv_heads) = (self.n_heads, self.n_kv_heads.unwrap_or(self.n_heads));
        assert!(
            n_heads > 0 && self.d_model.is_multiple_of(n_heads),
            "MultiHeadAttention: expected d_model to be a multiple of n_heads = {n_heads}, got {}",
            self.d_model
        );
        assert!(
            n_kv_heads > 0 && n_heads.is_multiple_of(n_kv_heads),
            "MultiHeadAttention: expected n_heads = {n_heads} to be a multiple of n_kv_heads, got {n_kv_heads}"
        );
        Heads {
            queries: n_heads,
            keys: n_kv_heads,
            width: self.d_model / n_heads,
            normalizer: self.normalizer,
            dropout: self.dropout,
        }
    }

    pub(super) fn query_key_norm(&self, init: &Init) -> Option<QueryKeyNorm> {
        self.query_key_norm
            .then(|| QueryKeyNorm::new(self.n_heads, &init.at("query_key_norm")))
    }

    /// Maps side by side to the given widths, each initialised as if alone.
    pub(super) fn map(&self, widths: &[usize], init: &Init) -> Linear {
        let map = Linear::packed(self.d_model, widths, init);
        if self.bias { map } else { map.without_bias() }
    }
}

/// Numbers of heads, and what becomes of their scores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Width K of each.
    pub(super) width: usize,
    pub(super) normalizer: Normalizer,
    pub(super) dropout: f64,
}

impl Heads {
    /// Widths of all queries, all keys and all values.
    pub(super) fn widths(self) -> [usize; 3] {
        [
            self.queries * self.width,
            self.key_width(),
            self.key_width(),
        ]
    }

    /// Width of all keys, and of all values.
    pub(super) fn key_width(self) -> usize {
        self.keys * self.width
    }

    pub(super) fn options(self, mask: AttentionMask, pass: &Pass) -> AttentionOptions {
        AttentionOptions {
            normalizer: self.normalizer,
            ..super::options(self.queries, mask, self.dropout, pass)
        }
    }
}

/// Queries and keys of unit length, so that a score is a cosine times a learned factor.
///
/// ```text
/// score = g_h (q / |q|) . (k / |k|)          in [-g_h, g_h], however long the vectors are
/// ```
///
/// # Shapes
///
/// Queries `[B, T, H * K]` and keys `[B, S, H_kv * K]` keep theirs.
///
/// # Parameters
///
/// `scale: [H]`, the factors g, 10 at first, as in Swin Transformer V2 (a temperature of 0.1).
///
/// # Behaviour
///
/// A length is `sqrt(|x|^2 + 1e-12)`, so that a zero vector has a finite gradient. Cost: one pass over queries and keys.
///
/// # Panics
///
/// If a width is not a multiple of K, or that of the queries not of H heads.
///
/// # Differences
///
/// - Paper: one factor for all heads, which begins at a value that depends on the length of the corpus' sentences.
/// - Swin Transformer V2 learns the logarithm of a factor per head, cut at a factor of 100; here the factor itself, uncut.
/// - PyTorch, burn: no counterpart.
///
/// # References
///
/// Henry et al. Query-Key Normalization for Transformers. 2020. <https://arxiv.org/abs/2010.04245>. Liu et al. Swin
/// Transformer V2. 2021. <https://arxiv.org/abs/2111.09883>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Init, QueryKeyNorm};
///
/// let device = Device::flex();
/// let norm = QueryKeyNorm::new(1, &Init::new(1, &device));
/// let x = Tensor::<3>::from_floats([[[3.0, 4.0]]], &device);
/// let cosine = (norm.query(x.clone(), 2) * QueryKeyNorm::key(x, 2)).sum().into_scalar::<f32>();
/// assert!((cosine - 10.0).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct QueryKeyNorm {
    /// g, `[H]`.
    pub scale: Param<Tensor<1>>,
}

impl QueryKeyNorm {
    /// Factors for `n_heads` heads.
    pub fn new(n_heads: usize, init: &Init) -> Self {
        Self {
            scale: init.constant(n_heads, 10.0),
        }
    }

    /// Queries `[B, T, H * K]` of heads of width K, of length g each; attention is to scale their products by 1.
    pub fn query(&self, query: Tensor<3>, width: usize) -> Tensor<3> {
        let dims = query.dims();
        let scale = self.scale.val().reshape([1, 1, -1, 1]); // [1, 1, H, 1]
        (unit(query, width) * scale).reshape(dims)
    }

    /// Keys `[B, S, H_kv * K]` of heads of width K, of length 1 each.
    pub fn key(key: Tensor<3>, width: usize) -> Tensor<3> {
        let dims = key.dims();
        unit(key, width).reshape(dims)
    }
}

/// Heads of unit length: `[B, L, H * K]` to `[B, L, H, K]`.
fn unit(x: Tensor<3>, width: usize) -> Tensor<4> {
    let [batch, length, all] = x.dims();
    let x = x.reshape([batch, length, all / width, width]);
    let lengths = (x.clone().square().sum_dim(3) + 1e-12).sqrt(); // [B, L, H, 1]
    x / lengths
}

/// Cuts `[B, T, W]` into tensors of the given widths.
pub(super) fn split_columns<const P: usize>(x: &Tensor<3>, widths: [usize; P]) -> [Tensor<3>; P] {
    let [batch, length, _] = x.dims();
    let mut end = 0;
    widths.map(|width| {
        end += width;
        x.clone().slice([0..batch, 0..length, end - width..end])
    })
}
