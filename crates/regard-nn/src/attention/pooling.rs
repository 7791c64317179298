//! A set becomes one vector: attention whose queries are learned.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use regard_kernels::{attention_from_weights, attention_weights};

use super::options;
use crate::{AttentionMask, AttentionOptions, AttentionOutput, Init, Linear, Pass};

/// Pools a set into one vector per head: the mean of its elements, weighted by how well each answers the head's query.
///
/// ```text
/// e_hs    = u_h . tanh(hidden_s)                    score               [B, H, 1, S]
/// a_h     = softmax_s(e_hs where not blocked)       weight              [B, H, 1, S]
/// context = [sum_s dropout(a_hs) value_s]_h         heads side by side  [B, 1, H * D]
/// ```
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `hidden` | `[B, S, A]` | what is scored, before the tanh |
/// | `queries` | `[A, H]` | one query u per head |
/// | `value` | `[B, S, D]` | what is pooled; every head pools the whole width |
///
/// # Behaviour
///
/// - Blocked elements get weight exactly 0; a set with nothing visible gives zeros and finite gradients.
/// - The one query of a head stands at the last element (see [`AttentionMask`]), so a causal mask blocks nothing.
/// - `options.scale` is not read: scores are as they are.
/// - Cost: `O(B S H (A + D))` time, `O(B S (A + H))` memory.
///
/// # Panics
///
/// If the shapes do not fit, `queries` are not `options.n_heads`, or the mask is made for another number of rows.
///
/// # Differences
///
/// - Papers: their equations have no masks and no dropout; the map in front of the tanh is left to [`AttentionPooling`].
/// - PyTorch, burn: no counterpart.
///
/// # References
///
/// Lin et al. A Structured Self-attentive Sentence Embedding. 2017. <https://arxiv.org/abs/1703.03130>, eq. 6, where heads
/// are called hops. Yang et al. Hierarchical Attention Networks for Document Classification. 2016.
/// <https://aclanthology.org/N16-1174>, eq. 5 to 7, with one head.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOptions, attention_pooling};
///
/// let device = Device::flex();
/// let value = Tensor::<3>::from_floats([[[1.0], [2.0], [6.0]]], &device);
/// let (hidden, queries) = (Tensor::zeros([1, 3, 4], &device), Tensor::ones([4, 1], &device));
/// // Elements that cannot be told apart count the same.
/// let mean = attention_pooling(hidden, queries, value, AttentionOptions::new(1)).context;
/// assert_eq!(mean.into_scalar::<f32>(), 3.0);
/// ```
pub fn attention_pooling(
    hidden: Tensor<3>,
    queries: Tensor<2>,
    value: Tensor<3>,
    mut options: AttentionOptions,
) -> AttentionOutput {
    let ([batch, s, width], [query_width, heads]) = (hidden.dims(), queries.dims());
    let [value_batch, values, _] = value.dims();
    assert!(
        [batch, s, width, heads] == [value_batch, values, query_width, options.n_heads],
        "attention_pooling: expected hidden [B, S, A], queries [A, H], value [B, S, D] with H = {}, got {:?}, {:?}, {:?}",
        options.n_heads,
        hidden.dims(),
        queries.dims(),
        value.dims()
    );
    let scores = hidden
        .tanh()
        .flatten::<2>(0, 1)
        .matmul(queries) // [B * S, H]
        .reshape([batch, 1, s, heads])
        .permute([0, 3, 1, 2]); // [B, H, 1, S]
    let scores = match options.bias.take() {
        Some(bias) => scores + bias,
        None => scores,
    };
    let weights = attention_weights(scores, &options.mask, options.normalizer);
    // All heads share the one head of values.
    attention_from_weights(weights, value, 1, options)
}

/// How far the heads of a pooling look at the same elements, for each row, `[B]`; to be added to the loss, times a
/// coefficient, where heads should differ.
///
/// ```text
/// P = |A A^T - I|_F^2,    A: the weights of a row, [H, S]
/// ```
///
/// 0 if each head has all its weight on one element and no two heads on the same. A row with nothing visible, whose
/// weights are 0, has `P = H` and no gradient.
///
/// # Shapes
///
/// `weights` are those that the pooling handed back, `[B, H, 1, S]`. Cost: `O(B H^2 S)`.
///
/// # Panics
///
/// If the weights are those of several queries.
///
/// # Differences
///
/// Paper: one matrix A; here one for each row. PyTorch, burn: no counterpart.
///
/// # References
///
/// Lin et al. 2017. <https://arxiv.org/abs/1703.03130>, eq. 8.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let weights = Tensor::<4>::from_floats([[[[0.5, 0.5]], [[0.5, 0.5]]]], &Device::flex());
/// // A A^T is 0.5 everywhere.
/// assert_eq!(regard_nn::pooling_penalty(weights).into_scalar::<f32>(), 1.0);
/// ```
pub fn pooling_penalty(weights: Tensor<4>) -> Tensor<1> {
    let [batch, heads, queries, s] = weights.dims();
    assert_eq!(
        queries, 1,
        "pooling_penalty: expected weights [B, H, 1, S], got those of {queries} queries"
    );
    let weights = weights.reshape([batch, heads, s]);
    let products = weights.clone().matmul(weights.swap_dims(1, 2)); // [B, H, H]
    let identity = Tensor::<2>::eye(heads, &products.device()).unsqueeze();
    (products - identity)
        .square()
        .reshape([batch, heads * heads])
        .sum_dim(1)
        .reshape([batch])
}

/// Global attention with learned queries: [`attention_pooling`] of a sequence, of which it needs nothing but a mask.
///
/// ```text
/// context = pool(x W_hidden + b_hidden, queries, x)      [B, 1, H * D]
/// ```
///
/// Pooling words into sentences, then sentences into a document, is hierarchical attention: two of these, the second on
/// the contexts of the first.
///
/// # Shapes
///
/// `x: [B, S, D]`; context `[B, 1, H * D]`; weights `[B, H, 1, S]`, if the pass wants them.
///
/// # Parameters
///
/// `hidden: [D, A]` with bias (zero), `queries: [A, H]`; `A (D + 1 + H)` numbers in all. Xavier uniform, each query as if
/// alone.
///
/// # Behaviour
///
/// As [`attention_pooling`], cost included. Dropout acts on the weights; those handed back are from before it, and they carry gradients,
/// as [`pooling_penalty`] needs.
///
/// # Panics
///
/// If the width of `x` is not D, or the mask is made for another number of rows.
///
/// # Differences
///
/// - Lin et al.: no bias; what is pooled are the states of a recurrent network, here whatever `x` is.
/// - Yang et al.: one head.
/// - PyTorch, burn: no counterpart. Checked against `scripts/parity/memory.py`.
///
/// # References
///
/// Lin et al. 2017. <https://arxiv.org/abs/1703.03130>, section 2.1. Yang et al. 2016.
/// <https://aclanthology.org/N16-1174>, section 2.2.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, AttentionPoolingConfig, Init, Pass};
///
/// let device = Device::flex();
/// let pooling = AttentionPoolingConfig::new(2, 8, 3).init(&Init::new(1, &device));
/// let x = Tensor::<3>::from_floats([[[1.0, 2.0], [9.0, 9.0]]], &device);
/// let mask = AttentionMask::key_lengths(vec![1]);
/// let context = pooling.forward(x, &mask, &Pass::evaluation()).context.into_data();
/// // One visible element: each of the three heads hands back that.
/// assert_eq!(context.as_slice::<f32>().unwrap(), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
/// ```
#[derive(Module, Debug)]
pub struct AttentionPooling {
    /// What is scored, `[D, A]`.
    pub hidden: Linear,
    /// One query per head, `[A, H]`.
    pub queries: Param<Tensor<2>>,
    dropout: f64,
}

/// Sizes of attention pooling.
#[derive(Config, Debug)]
pub struct AttentionPoolingConfig {
    /// Width D of the elements.
    pub d_model: usize,
    /// Width A in which elements are scored.
    pub d_hidden: usize,
    /// Number of heads H, each with a query of its own.
    pub n_heads: usize,
    /// Probability of dropping a weight, in `[0, 1)`. Default 0: a dropped weight is a lost element, and there are no
    /// other queries to see it.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl AttentionPoolingConfig {
    /// Pooling with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If there are no heads.
    pub fn init(&self, init: &Init) -> AttentionPooling {
        assert!(
            self.n_heads > 0,
            "AttentionPooling: expected at least one head, got 0"
        );
        AttentionPooling {
            hidden: Linear::new(self.d_model, self.d_hidden, &init.at("hidden")),
            queries: init.at("queries").xavier([self.d_hidden, self.n_heads], 1),
            dropout: self.dropout,
        }
    }
}

impl AttentionPooling {
    /// `x: [B, S, D]` to the context `[B, 1, H * D]`; weights (if the pass wants them) are `[B, H, 1, S]`.
    pub fn forward(&self, x: Tensor<3>, mask: &AttentionMask, pass: &Pass) -> AttentionOutput {
        let hidden = self.hidden.forward_sequence(x.clone());
        let [_, n_heads] = self.queries.dims();
        let options = options(n_heads, mask.clone(), self.dropout, pass);
        attention_pooling(hidden, self.queries.val(), x, options)
    }
}
