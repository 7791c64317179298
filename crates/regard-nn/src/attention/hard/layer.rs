//! Hard attention with parameters.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

use super::{HardAttentionOptions, HardAttentionOutput, HardEstimator, hard_attention};
use crate::{AttentionMask, Init, Linear, Pass, gumbel};

/// A sequence looks at one position of another, in every head.
///
/// ```text
/// q       = query W_query + b_query                      [B, T, D_q]
/// k, v    = memory W_key_value + b_key_value             [B, S, D_q] each
/// context = hard_attention(q, k, v) W_output + b_output  [B, T, D_q]
/// ```
///
/// with [`hard_attention`], whose noise comes from the pass: none when evaluating.
///
/// # Shapes
///
/// `query: [B, T, D_q]`, `memory: [B, S, D_m]`, context `[B, T, D_q]`; one-hot weights, if the pass wants them,
/// `[B, H, T, S]`.
///
/// # Parameters
///
/// `query: [D_q, D_q]`, `key_value: [D_m, 2 D_q]` packed, `output: [D_q, D_q]`, with biases;
/// `2 D_q (D_q + D_m + 2)` numbers in all. Xavier uniform as if the packed maps were apart, biases zero.
///
/// # Behaviour
///
/// - Draws are keyed by path, global row, head, query and key: an example meets the same draws in every batch, whatever it
///   is padded to. One who calls it query by query narrows the pass by [`Pass::nth`], or every query gets the first one's draws.
/// - A query whose every key is blocked gets the bias of the output map.
/// - Cost: that of [`hard_attention`], and of the maps.
/// - Train it with an objective that has the terms of [`ReinforceLoss`](crate::ReinforceLoss) or, with
///   [`HardEstimator::StraightThrough`], with the cost alone; [`HardAttentionOutput::entropy`] regularises both.
///
/// # Panics
///
/// If a width is not the configured one, batch sizes differ, or the mask is made for another number of rows.
///
/// # Differences
///
/// - Xu et al. score with a small network on state and annotation, have one head, and hand back the annotation itself;
///   [`hard_attention_from_scores`](crate::hard_attention_from_scores) serves any scores and values.
/// - PyTorch and burn: no counterpart.
///
/// # References
///
/// Xu et al. Show, Attend and Tell. 2015. <https://arxiv.org/abs/1502.03044>, section 4.1.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, HardAttentionConfig, Init, Key, Pass};
/// let device = Device::flex();
/// let attention = HardAttentionConfig::new(6, 5, 2).init(&Init::new(1, &device));
/// let (query, memory) = (Tensor::ones([1, 3, 6], &device), Tensor::ones([1, 4, 5], &device));
/// let pass = Pass::training(Key::new(1), 0).with_attention();
/// let output = attention.forward(query, memory, &AttentionMask::none(), &pass);
/// // Four equal keys, one of which each of three queries takes in each of two heads.
/// let weights = output.attention.weights.unwrap();
/// assert_eq!(weights.sum().into_scalar::<f32>(), 6.0);
/// assert!((output.entropy.mean().into_scalar::<f32>() - 4_f32.ln()).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct HardAttention {
    /// Queries, `[D_q, D_q]`.
    pub query: Linear,
    /// Keys and values, `[D_m, 2 D_q]`.
    pub key_value: Linear,
    /// From the joined heads back, `[D_q, D_q]`.
    pub output: Linear,
    n_heads: usize,
    #[module(skip)]
    estimator: HardEstimator,
}

/// Sizes and choices of [`HardAttention`].
#[derive(Config, Debug)]
pub struct HardAttentionConfig {
    /// Width `D_q` of queries and result; a multiple of `n_heads`.
    pub d_query: usize,
    /// Width `D_m` of the memory.
    pub d_memory: usize,
    /// Number of heads H, each of width `K = D_q / H`.
    pub n_heads: usize,
    /// Where gradients come from. Default straight-through at temperature 1, which needs no term in the loss.
    #[config(default = "HardEstimator::StraightThrough { temperature: 1.0 }")]
    pub estimator: HardEstimator,
}

impl HardAttentionConfig {
    /// A layer with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If `d_query` is not a multiple of `n_heads`, or the temperature is not above 0.
    pub fn init(&self, init: &Init) -> HardAttention {
        let Self {
            d_query,
            d_memory,
            n_heads,
            estimator,
        } = *self;
        assert!(
            n_heads > 0 && d_query.is_multiple_of(n_heads),
            "HardAttention: expected d_query to be a multiple of n_heads = {n_heads}, got {d_query}"
        );
        estimator.check();
        HardAttention {
            query: Linear::new(d_query, d_query, &init.at("query")),
            key_value: Linear::packed(d_memory, &[d_query; 2], &init.at("key_value")),
            output: Linear::new(d_query, d_query, &init.at("output")),
            n_heads,
            estimator,
        }
    }
}

impl HardAttention {
    /// `query: [B, T, D_q]` looks at `memory: [B, S, D_m]`.
    pub fn forward(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> HardAttentionOutput {
        self.attend(query, self.project(memory), mask, pass)
    }

    /// Keys and values of a memory `[B, S, D_m]`, side by side, `[B, S, 2 D_q]`: computed once, used at every step.
    pub fn project(&self, memory: Tensor<3>) -> Tensor<3> {
        self.key_value.forward_sequence(memory)
    }

    /// `query: [B, T, D_q]` looks at projected keys and values, of as many rows: a draw belongs to a row, so hypotheses are
    /// not read in groups. Repeat the rows of the memory for them.
    pub fn attend(
        &self,
        query: Tensor<3>,
        key_value: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> HardAttentionOutput {
        let ([batch, t, _], [_, s, packed]) = (query.dims(), key_value.dims());
        let draws = pass.at("attention").draws();
        let shape = [batch, self.n_heads, t, s];
        let options = HardAttentionOptions {
            mask: mask.clone(),
            noise: draws.map(|draws| gumbel(shape, draws, &query.device())),
            weights: pass.wants_attention(),
            ..HardAttentionOptions::new(self.n_heads, self.estimator)
        };
        let width = packed / 2;
        let key = key_value.clone().narrow(2, 0, width);
        let value = key_value.narrow(2, width, width);
        let mut output = hard_attention(self.query.forward_sequence(query), key, value, options);
        output.attention.context = self.output.forward_sequence(output.attention.context);
        output
    }
}
