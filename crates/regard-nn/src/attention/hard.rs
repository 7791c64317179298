//! Hard attention: one position per query.

mod layer;
mod reinforce;

use burn::tensor::{Bool, Int, Tensor, activation};
use serde::{Deserialize, Serialize};

pub use layer::{HardAttention, HardAttentionConfig};
pub use reinforce::{ReinforceLoss, ReinforceLossConfig};

use regard_kernels::{BLOCKED, attention_from_weights, product, split_heads};

use crate::{AttentionMask, AttentionOptions, AttentionOutput, Normalizer, attention_weights};

/// How a selection, which has no derivative, gives the scores a gradient in training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HardEstimator {
    /// That of the soft weights `softmax((scores + noise) / temperature)`, in place of the selection's: biased, of little
    /// variance, and the cost must be differentiable in the context.
    StraightThrough {
        /// Above 0. The lower, the nearer the soft weights are to the selection, and the larger is the variance of their gradient.
        temperature: f64,
    },
    /// None through the context. [`ReinforceLoss`] makes one of the cost and the log-probabilities of the selections:
    /// unbiased, of large variance, for any cost.
    Reinforce,
}

/// How hard attention is to be computed; [`new`](Self::new) gives the form of evaluation.
#[derive(Clone, Debug)]
pub struct HardAttentionOptions {
    /// Number of heads H.
    pub n_heads: usize,
    /// Which keys are blocked.
    pub mask: AttentionMask,
    /// Where gradients come from in training.
    pub estimator: HardEstimator,
    /// Gumbel noise `[B, H, T, S]`, as of [`gumbel`](crate::gumbel); `None` when evaluating.
    pub noise: Option<Tensor<4>>,
    /// Whether the weights are wanted.
    pub weights: bool,
}

impl HardAttentionOptions {
    /// Every key visible, no noise, no weights handed back.
    pub fn new(n_heads: usize, estimator: HardEstimator) -> Self {
        Self {
            n_heads,
            mask: AttentionMask::none(),
            estimator,
            noise: None,
            weights: false,
        }
    }
}

/// What hard attention gives back: the selected values, and what an objective says of the selections.
#[derive(Clone, Debug)]
pub struct HardAttentionOutput {
    /// Selected values, `[B, T, H * K_v]`, and one-hot weights `[B, H, T, S]` if asked for.
    pub attention: AttentionOutput,
    /// `ln p_i` of the selected positions, in nats, `[B, H, T]`; 0 where every key is blocked.
    pub log_probability: Tensor<3>,
    /// `-sum_j p_j ln p_j` of the distributions selected from, in nats, `[B, H, T]`; 0 where every key is blocked.
    /// Subtract a multiple of it from an objective, with either estimator, to keep selections from settling too early.
    pub entropy: Tensor<3>,
}

/// Each query takes the value of one key: the best when evaluating, one drawn from the softmax of the scores in training;
/// every head by itself.
///
/// For head h, with `q`, `k`, `v` the h-th slices of width K:
///
/// ```text
/// scores  = q k^T / sqrt(K)                                          [B, H, T, S]
/// i       = argmax_j(scores_j + noise_j  where not blocked)          [B, H, T]
/// context = v_i                                                      [B, T, H * K_v]
/// ```
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `query` | `[B, T, H * K]` |
/// | `key` | `[B, S, H * K]` |
/// | `value` | `[B, S, H * K_v]` |
///
/// # Behaviour, differences and references
///
/// As [`hard_attention_from_scores`]. Cost: `O(B H T S K)` time, `O(B H T S)` memory, as soft attention.
///
/// # Panics
///
/// If batch sizes or numbers of keys differ, widths are not a multiple of the number of heads, the noise is of another
/// shape than the scores, the mask is made for another number of rows, or the temperature is not above 0.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{HardAttentionOptions, HardEstimator, hard_attention};
/// let device = Device::flex();
/// let query = Tensor::from_floats([[[1.0]]], &device);
/// let key = Tensor::from_floats([[[0.0], [3.0], [2.0]]], &device);
/// let value = Tensor::from_floats([[[10.0], [20.0], [30.0]]], &device);
/// let options = HardAttentionOptions::new(1, HardEstimator::Reinforce);
/// let output = hard_attention(query, key, value, options);
/// assert_eq!(output.attention.context.into_scalar::<f32>(), 20.0);
/// // ln(e^3 / (e^0 + e^3 + e^2))
/// assert!((output.log_probability.into_scalar::<f32>() + 0.349).abs() < 1e-3);
/// ```
pub fn hard_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    options: HardAttentionOptions,
) -> HardAttentionOutput {
    let ([batch, _, width], [key_batch, _, key_width]) = (query.dims(), key.dims());
    assert!(
        [batch, width] == [key_batch, key_width] && width.is_multiple_of(options.n_heads),
        "hard_attention: expected query [B, T, H K] and key [B, S, H K] with H = {}, got {:?} and {:?}",
        options.n_heads,
        query.dims(),
        key.dims()
    );
    let scale = 1.0 / ((width / options.n_heads) as f64).sqrt();
    let query = split_heads(query * scale, options.n_heads);
    let key = split_heads(key, options.n_heads);
    let scores = product(query, key.swap_dims(2, 3)); // [B, H, T, S]
    hard_attention_from_scores(scores, value, options)
}

/// From scores to one selected value per query, whatever made the scores.
///
/// ```text
/// p       = softmax(scores where not blocked)                        [B, H, T, S]
/// i       = argmax_j(scores_j + noise_j  where not blocked)          [B, H, T]
/// weights = one_hot(i)                                               [B, H, T, S]
/// context = weights v                                                [B, T, H * K_v]
/// ```
///
/// With Gumbel noise, i is a draw from p. In training with [`HardEstimator::StraightThrough`] the weights are
/// `one_hot(i) + soft - detached(soft)` with `soft = softmax((scores + noise) / temperature)`: the same numbers, with the
/// gradient of `soft`.
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `scores` | `[B, H, T, S]` |
/// | `value` | `[B, S, H * K_v]` |
/// | `noise` of the options | `[B, H, T, S]` |
///
/// # Behaviour
///
/// - A blocked key is never selected. A query whose every key is blocked gets a zero context, a log-probability and an
///   entropy of 0, and zero gradients.
/// - Of equal scores the lower position is selected.
/// - Without noise nothing differentiates through the selection. `log_probability` and `entropy` are of p, without noise
///   or temperature, and always differentiate.
/// - Cost: `O(B H T S K_v)` time, `O(B H T S)` memory, as from scores to soft weights to contexts.
///
/// # Panics
///
/// If `scores` are not those of `options.n_heads` heads for the rows and keys of `value`, the noise is of another shape,
/// the mask is made for another number of rows, or the temperature is not above 0.
///
/// # Differences
///
/// - Xu et al. replace the selection by the soft weights for an image with probability 1/2; not so here.
/// - PyTorch's `gumbel_softmax(hard=True)` computes `one_hot(i) - detached(soft) + soft`, which is not exactly one-hot
///   after rounding; it has no mask, and gives no log-probability or entropy.
///
/// # References
///
/// Xu et al. Show, Attend and Tell. 2015. <https://arxiv.org/abs/1502.03044>, section 4.1. Straight-through:
/// Jang, Gu, Poole 2016. <https://arxiv.org/abs/1611.01144>, section 2.2; the relaxation also in Maddison, Mnih,
/// Teh 2016. <https://arxiv.org/abs/1611.00712>.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{HardAttentionOptions, HardEstimator, hard_attention_from_scores};
/// let device = Device::flex();
/// let scores = Tensor::from_floats([[[[0.0, 1.0, 1.0]]]], &device);
/// let value = Tensor::from_floats([[[10.0], [20.0], [30.0]]], &device);
/// let options = HardAttentionOptions::new(1, HardEstimator::Reinforce);
/// let output = hard_attention_from_scores(scores, value, options);
/// assert_eq!(output.attention.context.into_scalar::<f32>(), 20.0); // the first of the largest
/// ```
pub fn hard_attention_from_scores(
    scores: Tensor<4>,
    value: Tensor<3>,
    options: HardAttentionOptions,
) -> HardAttentionOutput {
    options.check(&scores, &value);
    let HardAttentionOptions { mask, noise, .. } = options;
    let [batch, n_heads, t, s] = scores.dims();
    if scores.dims().contains(&0) {
        return nothing_to_select(scores, &value, options.weights);
    }
    let softmax = |scores| attention_weights(scores, &mask, Normalizer::Softmax);
    let probabilities = softmax(scores.clone());
    let blocked = mask.to_tensor(batch, [t, s], &scores.device());
    let fill = |x, value| filled(x, blocked.as_ref(), value);

    let perturbed = match &noise {
        Some(noise) => scores.clone() + noise.clone().cast(scores.dtype()),
        None => scores.clone(),
    };
    let selected = one_hot_of_largest(fill(perturbed.clone().detach(), BLOCKED));
    let selected = fill(selected, 0.0); // a query that sees nothing selects nothing
    let log_probabilities = fill(activation::log_softmax(fill(scores, BLOCKED), 3), 0.0);
    let over_keys = |x: Tensor<4>| x.sum_dim(3).reshape([batch, n_heads, t]);
    let log_probability = over_keys(selected.clone() * log_probabilities.clone());
    let entropy = -over_keys(probabilities * log_probabilities);

    let weights = match options.estimator {
        HardEstimator::StraightThrough { temperature } if noise.is_some() => {
            let soft = softmax(perturbed / temperature);
            selected + (soft.clone() - soft.detach())
        }
        _ => selected,
    };
    let wanted = AttentionOptions {
        weights: options.weights,
        ..AttentionOptions::new(n_heads)
    };
    HardAttentionOutput {
        attention: attention_from_weights(weights, value, n_heads, wanted),
        log_probability,
        entropy,
    }
}

/// Without keys there is no largest score; without queries or rows there is nothing at all.
fn nothing_to_select(scores: Tensor<4>, value: &Tensor<3>, wanted: bool) -> HardAttentionOutput {
    let ([batch, n_heads, t, _], [.., width]) = (scores.dims(), value.dims());
    let like = (&scores.device(), scores.dtype());
    let none = Tensor::zeros([batch, n_heads, t], like);
    HardAttentionOutput {
        attention: AttentionOutput {
            context: Tensor::zeros([batch, t, width], like),
            weights: wanted.then_some(scores),
        },
        log_probability: none.clone(),
        entropy: none,
    }
}

fn filled(x: Tensor<4>, blocked: Option<&Tensor<4, Bool>>, value: f32) -> Tensor<4> {
    match blocked {
        Some(blocked) => x.mask_fill(blocked.clone(), value),
        None => x,
    }
}

/// 1 at the first of the largest elements of each row, 0 elsewhere.
///
/// Not by `argmax`: which of equal elements that finds is for the backend to choose.
#[expect(
    clippy::cast_possible_wrap,
    reason = "a number of keys is far below 2^63"
)]
fn one_hot_of_largest(scores: Tensor<4>) -> Tensor<4> {
    let (shape @ [.., s], dtype) = (scores.dims(), scores.dtype());
    let positions = Tensor::<1, Int>::arange(0..s as i64, &scores.device());
    let positions = positions.reshape([1, 1, 1, s]).expand(shape);
    let smaller = scores.clone().lower(scores.max_dim(3));
    let first = positions.clone().mask_fill(smaller, s as i64).min_dim(3); // [B, H, T, 1]
    positions.equal(first).float().cast(dtype)
}

impl HardAttentionOptions {
    fn check(&self, scores: &Tensor<4>, value: &Tensor<3>) {
        let n_heads = self.n_heads;
        let ([batch, heads, _, s], [value_batch, keys, width]) = (scores.dims(), value.dims());
        assert!(
            [batch, heads, s] == [value_batch, n_heads, keys] && width.is_multiple_of(n_heads),
            "hard_attention: expected scores [B, H, T, S] and values [B, S, H K_v] with H = {n_heads}, got {:?} and {:?}",
            scores.dims(),
            value.dims()
        );
        if let Some(noise) = &self.noise {
            assert!(
                noise.dims() == scores.dims(),
                "hard_attention: expected noise of the shape of the scores, {:?}, got {:?}",
                scores.dims(),
                noise.dims()
            );
        }
        self.estimator.check();
    }
}

impl HardEstimator {
    fn check(self) {
        if let Self::StraightThrough { temperature } = self {
            assert!(
                temperature > 0.0,
                "hard_attention: expected a temperature above 0, got {temperature}"
            );
        }
    }
}
