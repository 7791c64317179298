//! Additive attention.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use regard_kernels::{AttentionOptions, attention_from_scores, split_heads};

use super::options;
use super::projected::{ProjectedMemory, check_heads};
use crate::{AttentionMask, AttentionOutput, Init, Linear, Pass};

/// Each query takes the mean of the values, weighted by a network of one hidden layer that meets a query and a key.
///
/// For head h, with `q`, `k`, `w`, `v` the h-th slices:
///
/// ```text
/// scores  = w . tanh(q + k)                        [B, H, T, S]
/// weights = softmax(scores where not blocked)      [B, H, T, S]
/// context = dropout(weights) v                     [B, T, H * K_v]
/// ```
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `query` | `[B, T, H * A]` | queries, already mapped to the width A of the hidden layer |
/// | `key` | `[B, S, H * A]` | keys, likewise |
/// | `score_weight` | `[H * A]` | one vector of width A for each head |
/// | `value` | `[B, S, H * K_v]` | |
///
/// # Behaviour
///
/// - Masks, dropout and weights as in [`attention`](crate::attention()).
/// - `options.scale` multiplies the scores; `None` is 1, not `1 / sqrt(K)`.
/// - Cost: `O(B H T S A)` time **and** memory, because the hidden layer of every pair is kept for the backward pass;
///   products of queries and keys need `O(B H T S)` memory.
///
/// # Panics
///
/// If the shapes are not as above, or the mask is made for another number of rows.
///
/// # Differences
///
/// - Paper: one head; masks and dropout are not in the paper.
/// - PyTorch, burn: no counterpart. Checked against `scripts/parity/scores.py`.
///
/// # References
///
/// Bahdanau, Cho, Bengio. Neural Machine Translation by Jointly Learning to Align and Translate. 2014.
/// <https://arxiv.org/abs/1409.0473>, section A.1.2.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOptions, additive_attention};
///
/// let device = Device::flex();
/// let query = Tensor::<3>::zeros([1, 1, 1], &device);
/// let key = Tensor::<3>::from_floats([[[0.0], [1.0]]], &device);
/// let score_weight = Tensor::<1>::from_floats([2.0], &device);
/// let value = Tensor::<3>::from_floats([[[0.0], [1.0]]], &device);
/// let output = additive_attention(query, key, score_weight, value, AttentionOptions::new(1));
/// // The share of the second key: 1 / (1 + exp(-2 tanh(1))).
/// let context = output.context.into_scalar::<f32>();
/// assert!((context - 0.821_007).abs() < 1e-6);
/// ```
pub fn additive_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    score_weight: Tensor<1>,
    value: Tensor<3>,
    options: AttentionOptions,
) -> AttentionOutput {
    let n_heads = options.n_heads;
    let ([batch, _, width], [value_rows, s, value_width]) = (query.dims(), value.dims());
    assert!(
        key.dims() == [batch, s, width]
            && value_rows == batch
            && score_weight.dims() == [width]
            && width.is_multiple_of(n_heads)
            && value_width.is_multiple_of(n_heads),
        "additive_attention: expected query [B, T, H A], key [B, S, H A], score_weight [H A], value [B, S, H K_v] \
         with H = {n_heads}, got {:?}, {:?}, {:?}, {:?}",
        query.dims(),
        key.dims(),
        score_weight.dims(),
        value.dims()
    );
    let scores = additive_scores(query, key, score_weight, n_heads);
    attention_from_scores(scores * options.scale.unwrap_or(1.0), value, options)
}

/// `w . tanh(q + k)` for every pair, `[B, H, T, S]`.
pub(super) fn additive_scores(
    query: Tensor<3>,
    key: Tensor<3>,
    score_weight: Tensor<1>,
    n_heads: usize,
) -> Tensor<4> {
    let ([batch, t, width], [_, s, _]) = (query.dims(), key.dims());
    let width = width / n_heads;
    // Heads come first, so that every head's scores are one product of a matrix and a vector.
    let query = split_heads(query, n_heads).swap_dims(0, 1); // [H, B, T, A]
    let key = split_heads(key, n_heads).swap_dims(0, 1); // [H, B, S, A]
    let hidden = query.unsqueeze_dim::<5>(3) + key.unsqueeze_dim(2); // [H, B, T, S, A]
    let hidden = hidden.tanh().reshape([n_heads, batch * t * s, width]);
    hidden
        .matmul(score_weight.reshape([n_heads, width, 1]))
        .reshape([n_heads, batch, t, s])
        .swap_dims(0, 1) // [B, H, T, S]
}

/// Sizes of additive attention.
#[derive(Config, Debug)]
pub struct AdditiveAttentionConfig {
    /// Width `D_q` of the queries.
    pub d_query: usize,
    /// Width `D_m` of the memory and of the context; a multiple of `n_heads`.
    pub d_memory: usize,
    /// Width A of the hidden layer of each head.
    pub d_attention: usize,
    /// Number of heads H, from 1. Default 1, as in the paper.
    #[config(default = 1)]
    pub n_heads: usize,
    /// Whether the map of the queries adds a bias. Default false, as in the paper's formula; many implementations do.
    #[config(default = false)]
    pub bias: bool,
    /// Probability of dropping a weight, in `[0, 1)`. Default 0, as in the paper.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// A sequence attends to a memory by the score of a small network: Bahdanau's attention.
///
/// ```text
/// scores  = w . tanh(W q + U m + b)                each head by itself, [B, H, T, S]
/// context = softmax(scores) m                      [B, T, D_m]
/// ```
///
/// with [`additive_attention`] on the mapped queries and keys. The memory itself is what is averaged; with several heads
/// each averages its slice of width `D_m / H`, so that heads cost no further parameters and the context keeps its width.
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
/// `query: [D_q, H A]` (W), with a bias `b: [H A]` on request; `key: [D_m, H A]` (U); `score: [A, H]` (the vectors w side
/// by side). Count: `H A (D_q + D_m + 1)`, and `H A` for the bias. Xavier uniform, the bias zero.
///
/// # Behaviour
///
/// - Blocked keys get weight exactly 0; a query with nothing visible gets a zero context.
/// - The keys do not depend on the query: [`project`](Self::project) once, [`attend`](Self::attend) at every step.
/// - Cost: `O(B H T S A)` time and memory.
///
/// # Panics
///
/// If a width is not that of the configuration, the rows of the queries are not a multiple of those of the memory, or the
/// mask is made for another number of rows.
///
/// # Differences
///
/// - Paper: one head; W and U start normal with deviation 0.001 and w at zero (section B.1); here Xavier uniform.
/// - PyTorch's tutorials give both maps and the score a bias. The one of U is the same parameter as `b`; one of the score
///   shifts all scores of a query alike, so it changes nothing.
/// - burn: no counterpart.
///
/// # References
///
/// Bahdanau, Cho, Bengio 2014. <https://arxiv.org/abs/1409.0473>, sections 3.1 and A.1.2.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AdditiveAttentionConfig, AttentionMask, Init, Pass};
///
/// let device = Device::flex();
/// let attention = AdditiveAttentionConfig::new(4, 6, 5).init(&Init::new(1, &device));
/// let memory = attention.project(Tensor::ones([2, 3, 6], &device));
/// let query = Tensor::ones([2, 1, 4], &device);
/// let pass = Pass::evaluation().with_attention();
/// let output = attention.attend(query, &memory, &AttentionMask::key_lengths(vec![3, 2]), &pass);
/// assert_eq!(output.context.dims(), [2, 1, 6]);
/// // Equal keys share alike; the third of the second row is padding.
/// let weights = output.weights.unwrap().into_data();
/// assert_eq!(weights.as_slice::<f32>().unwrap()[3..], [0.5, 0.5, 0.0]);
/// ```
#[derive(Module, Debug)]
pub struct AdditiveAttention {
    /// W, `[D_q, H A]`.
    pub query: Linear,
    /// U, `[D_m, H A]`.
    pub key: Linear,
    /// w of each head, `[A, H]`.
    pub score: Param<Tensor<2>>,
    n_heads: usize,
    dropout: f64,
}

impl AdditiveAttentionConfig {
    /// Additive attention with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If `d_memory` is not a multiple of `n_heads`.
    pub fn init(&self, init: &Init) -> AdditiveAttention {
        check_heads("AdditiveAttention", "d_memory", self.d_memory, self.n_heads);
        let width = self.n_heads * self.d_attention;
        let query = Linear::new(self.d_query, width, &init.at("query"));
        AdditiveAttention {
            query: if self.bias {
                query
            } else {
                query.without_bias()
            },
            key: Linear::new(self.d_memory, width, &init.at("key")).without_bias(),
            score: init.at("score").xavier([self.d_attention, self.n_heads], 1),
            n_heads: self.n_heads,
            dropout: self.dropout,
        }
    }
}

impl AdditiveAttention {
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

    /// Keys `U m`, `[B, S, H A]`, and values, the memory `[B, S, D_m]` itself.
    pub fn project(&self, memory: Tensor<3>) -> ProjectedMemory {
        ProjectedMemory {
            key: self.key.forward_sequence(memory.clone()),
            value: memory,
        }
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
        let options = options(self.n_heads, mask.clone(), self.dropout, pass);
        memory.grouped("AdditiveAttention", query, mask, |query| {
            self.attend_with(query, memory, options)
        })
    }

    pub(super) fn attend_with(
        &self,
        query: Tensor<3>,
        memory: &ProjectedMemory,
        options: AttentionOptions,
    ) -> AttentionOutput {
        let ProjectedMemory { key, value } = memory.clone();
        let query = self.query.forward_sequence(query);
        additive_attention(query, key, self.score_weight(), value, options)
    }

    /// Scores `[B, H, T, S]` of `query: [B, T, D_q]`.
    pub(super) fn scores(&self, query: Tensor<3>, memory: &ProjectedMemory) -> Tensor<4> {
        let query = self.query.forward_sequence(query);
        additive_scores(query, memory.key.clone(), self.score_weight(), self.n_heads)
    }

    /// The vectors w one behind the other, `[H A]`.
    pub(crate) fn score_weight(&self) -> Tensor<1> {
        self.score.val().transpose().flatten(0, 1)
    }
}
