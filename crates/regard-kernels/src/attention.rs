//! Scaled dot-product attention with several heads.

use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::flex::{AttentionOp, Heads, Operand, apply};
use crate::heads::{group_queries, join_heads, key_heads, split_heads};
use crate::precision::{of_type, wide};
use crate::{AttentionMask, BLOCKED, Draws, Normalizer, dropout, product};

/// How attention is to be computed; [`new`](Self::new) gives the plain form.
#[derive(Clone, Debug)]
pub struct AttentionOptions {
    /// Number of heads H of the queries; the width of the queries is a multiple of it.
    pub n_heads: usize,
    /// Which keys are blocked.
    pub mask: AttentionMask,
    /// Added to the scaled scores; any shape that broadcasts to `[B, H, T, S]`.
    pub bias: Option<Tensor<4>>,
    /// Factor of the products of queries and keys; `None` is `1 / sqrt(K)`.
    pub scale: Option<f64>,
    /// How scores become weights.
    pub normalizer: Normalizer,
    /// Probability and draws of the dropout on the weights; `None` when evaluating.
    pub dropout: Option<(f64, Draws)>,
    /// Whether the weights are wanted. Where something is differentiated, leaving them out is faster and takes less memory.
    pub weights: bool,
}

impl AttentionOptions {
    /// Softmax over every key, no bias, no dropout, no weights handed back.
    pub fn new(n_heads: usize) -> Self {
        Self {
            n_heads,
            mask: AttentionMask::none(),
            bias: None,
            scale: None,
            normalizer: Normalizer::Softmax,
            dropout: None,
            weights: false,
        }
    }
}

/// What attention gives back, the same for every kind but two that wrap it: hard attention adds to it, and attention along
/// edges has a weight for each edge.
#[derive(Clone, Debug)]
pub struct AttentionOutput {
    /// Weighted means of the values, `[B, T, H * K_v]`.
    pub context: Tensor<3>,
    /// Weights before dropout, `[B, H, T, S]`; each row sums to 1, or is all 0 where every key is blocked. `Some` if asked for.
    ///
    /// Exceptions: around predicted positions local attention's rows sum to less; with slots they are `[B, H, T, M + S]`;
    /// a pooling has one query, `[B, H, 1, S]`; linear attention behind a state has none.
    pub weights: Option<Tensor<4>>,
}

/// Each query takes the mean of the values, weighted by the softmax of its products with the keys; every head by itself.
///
/// For head h, with `q`, `k`, `v` the h-th slices of width K:
///
/// ```text
/// scores  = q k^T / sqrt(K) + bias                 [B, H, T, S]
/// weights = softmax(scores where not blocked)      [B, H, T, S]
/// context = dropout(weights) v                     [B, T, H * K_v]
/// ```
///
/// Grouped queries: with `H_kv` heads of keys and values, `H / H_kv` heads of queries in turn share one of them.
/// `H_kv = 1` is multi-query attention.
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `query` | `[B, T, H * K]` |
/// | `key` | `[B, S, H_kv * K]` |
/// | `value` | `[B, S, H_kv * K_v]` |
///
/// # Behaviour
///
/// - Blocked keys get weight exactly 0. A query whose every key is blocked gets a zero context and zero gradients, never NaN.
/// - Dropout acts on the weights after the softmax; the weights handed back are those before it. A gradient flows through
///   both results.
/// - Cost: `O(B H T S K)` time, `O(B H T S)` memory.
/// - One operation of its own (f32, softmax, burn's CPU backend; weights only where nothing is differentiated) takes tiles of
///   64 queries and 256 keys. Tiles in which no query sees a key cost nothing, so that a mask with a window makes time
///   linear in the length; memory beyond operands and results is `O(B H T)`, and for a backward pass over up to 256 keys
///   the weights, `B H T S` numbers. Work is divided among cores by row and tile, and results are the same bit for bit
///   on any number of them. Other data types, backends and normalizers, and weights that are differentiated, are composed
///   of burn's operations.
///
/// # Panics
///
/// If batch sizes or numbers of keys differ, a width is not a multiple of its number of heads, the heads of the queries
/// are not a multiple of those of the keys, the mask is made for another number of rows, the bias does not broadcast to the
/// scores, or the probability of dropout is none.
///
/// # Differences
///
/// - Paper: dropout on the weights is not in the paper, but in its code.
/// - PyTorch 2.7.1: `scaled_dot_product_attention` gives zeros for a query with every key blocked, as here, but returns no
///   weights; `nn.MultiheadAttention` gives NaN there when it computes weights. With `enable_gqa` heads are grouped as here.
/// - burn's `burn::tensor::module::attention` takes heads apart, `[B, H, T, K]`, with scale, bias, softcap, and masks as
///   tensors that put -inf; its fallback gives zeros where every key is blocked. No groups, no dropout, no weights. burn-nn's
///   `MultiHeadAttention` blocks with a score of -1e4 and hands back weights after dropout.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{AttentionOptions, attention};
///
/// let device = Device::flex();
/// let query = Tensor::<3>::from_floats([[[1.0]]], &device);
/// let key = Tensor::<3>::from_floats([[[0.0], [2.0]]], &device);
/// let value = Tensor::<3>::from_floats([[[0.0], [1.0]]], &device);
/// let context = attention(query, key, value, AttentionOptions::new(1)).context;
/// // The share of the second key: 1 / (1 + exp(-2)).
/// assert!((context.into_scalar::<f32>() - 0.880_797).abs() < 1e-6);
/// ```
///
/// # References
///
/// Vaswani et al. Attention Is All You Need. 2017. <https://arxiv.org/abs/1706.03762>, section 3.2. Grouped queries:
/// Ainslie et al. 2023. <https://arxiv.org/abs/2305.13245>; one head of keys: Shazeer 2019. <https://arxiv.org/abs/1911.02150>.
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    options: AttentionOptions,
) -> AttentionOutput {
    let [batch, t, query_width] = query.dims();
    #[cfg_attr(
        not(feature = "flex"),
        expect(unused_variables, reason = "a fused kernel asks for it")
    )]
    let [_, s, value_width] = value.dims();
    let dims = [query.dims(), key.dims(), value.dims()];
    let key_heads = key_heads("attention", dims, options.n_heads);
    options.check([batch, t, s]);
    #[cfg(feature = "flex")]
    {
        let heads = Heads {
            queries: options.n_heads,
            keys: key_heads,
            width: query_width / options.n_heads,
            value_width: value_width / key_heads,
        };
        if let Some(output) = options.fused([&query, &key, &value], heads) {
            return output;
        }
    }
    let n_heads = options.n_heads;
    let width = query_width / n_heads;
    let scale = options.scale.unwrap_or(1.0 / (width as f64).sqrt());
    // The scale goes on the queries: T * K numbers instead of T * S.
    let query = group_queries(query * scale, n_heads, key_heads); // [B, H_kv, G T, K]
    let scores = product(query, split_heads(key, key_heads).swap_dims(2, 3)); // [B, H_kv, G T, S]
    mix(
        scores.reshape([batch, n_heads, t, s]),
        value,
        key_heads,
        options,
    )
}

/// From scores to weights to context: what every kind of attention that scores pairs has in common.
///
/// ```text
/// weights = normalizer(scores + bias where not blocked)    [B, H, T, S]
/// context = dropout(weights) v                             [B, T, H * K_v]
/// ```
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `scores` | `[B, H, T, S]` |
/// | `value` | `[B, S, H * K_v]` |
///
/// `options.scale` is not read: scores are as they are.
///
/// # Behaviour
///
/// As [`attention`]. Cost: `O(B H T S K_v)` time, `O(B H T S)` memory.
///
/// # Panics
///
/// If `scores` are not those of `options.n_heads` heads for the rows and keys of `value`, or the mask is made for another
/// number of rows.
///
/// # Differences
///
/// PyTorch, burn: no counterpart that takes scores.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{AttentionMask, AttentionOptions, attention_from_scores};
///
/// let device = Device::flex();
/// let scores = Tensor::<4>::from_floats([[[[0.0, 0.0, 9.0]]]], &device);
/// let value = Tensor::<3>::from_floats([[[2.0], [4.0], [8.0]]], &device);
/// let options = AttentionOptions { mask: AttentionMask::key_lengths(vec![2]), ..AttentionOptions::new(1) };
/// let context = attention_from_scores(scores, value, options).context;
/// assert_eq!(context.into_scalar::<f32>(), 3.0);
/// ```
pub fn attention_from_scores(
    scores: Tensor<4>,
    value: Tensor<3>,
    options: AttentionOptions,
) -> AttentionOutput {
    let ([batch, heads, _, keys], [value_batch, s, value_width]) = (scores.dims(), value.dims());
    let n_heads = options.n_heads;
    assert!(
        [batch, heads, keys] == [value_batch, n_heads, s] && value_width.is_multiple_of(n_heads),
        "attention_from_scores: expected scores [B, H, T, S] and values [B, S, H K_v] with H = {n_heads}, \
         got {:?} and {:?}",
        scores.dims(),
        value.dims()
    );
    mix(scores, value, n_heads, options)
}

/// Normalise, drop, take the mean.
fn mix(
    scores: Tensor<4>,
    value: Tensor<3>,
    key_heads: usize,
    mut options: AttentionOptions,
) -> AttentionOutput {
    let scores = wide(scores);
    let scores = match options.bias.take() {
        Some(bias) => scores + bias,
        None => scores,
    };
    let weights = attention_weights(scores, &options.mask, options.normalizer);
    attention_from_weights(weights, value, key_heads, options)
}

/// From weights to context: dropout, then the weighted mean of the values. For kinds that make weights in a way of their own.
///
/// ```text
/// context = dropout(weights) v                             [B, T, H * K_v]
/// ```
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `weights` | `[B, H, T, S]` |
/// | `value` | `[B, S, H_kv * K_v]`, with `H_kv = key_heads` a divisor of H |
///
/// # Behaviour
///
/// Of the options heads, dropout and the wish for weights are read; nothing is masked or normalised here. The weights handed
/// back are those given. Cost: `O(B H T S K_v)` time.
///
/// # Panics
///
/// If rows, keys or heads of weights and values do not fit each other, or the probability of dropout is none.
///
/// # Differences
///
/// PyTorch, burn: no counterpart.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{AttentionOptions, attention_from_weights};
///
/// let device = Device::flex();
/// let weights = Tensor::<4>::from_floats([[[[0.25, 0.5]]]], &device);
/// let value = Tensor::<3>::from_floats([[[4.0], [6.0]]], &device);
/// let output = attention_from_weights(weights, value, 1, AttentionOptions::new(1));
/// assert_eq!(output.context.into_scalar::<f32>(), 4.0);
/// ```
pub fn attention_from_weights(
    weights: Tensor<4>,
    value: Tensor<3>,
    key_heads: usize,
    options: AttentionOptions,
) -> AttentionOutput {
    let ([batch, n_heads, _, s], [rows, keys, width]) = (weights.dims(), value.dims());
    assert!(
        [batch, n_heads, s] == [rows, options.n_heads, keys]
            && key_heads > 0
            && n_heads.is_multiple_of(key_heads)
            && width.is_multiple_of(key_heads),
        "attention_from_weights: expected weights [B, H, T, S] and values [B, S, H_kv K_v] with H = {} and \
         H_kv = {key_heads}, got {:?} and {:?}",
        options.n_heads,
        weights.dims(),
        value.dims()
    );
    let dropped = match options.dropout {
        Some((p, draws)) => dropout(weights.clone(), p, draws),
        None => weights.clone(),
    };
    AttentionOutput {
        context: weighted_mean(of_type(dropped, value.dtype()), value, key_heads),
        weights: options.weights.then_some(weights),
    }
}

/// Weights `[B, H, T, S]` from scores `[B, H, T, S]`: normalised over the keys that the mask leaves visible, exactly 0 on
/// the others, all 0 where none is left.
///
/// ```text
/// weights = normalizer(scores where not blocked)           [B, H, T, S]
/// ```
///
/// # Behaviour
///
/// Each row sums to 1, or is all 0, with zero gradients, where every key is blocked. Cost: `O(B H T S)` time and memory.
///
/// # Panics
///
/// If the mask is made for another number of rows.
///
/// # Differences
///
/// burn's `softmax`, and PyTorch's, know no mask: a row of -inf is NaN there.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{AttentionMask, Normalizer, attention_weights};
///
/// let scores = Tensor::<4>::zeros([2, 1, 1, 4], &Device::flex());
/// let mask = AttentionMask::key_lengths(vec![2, 0]);
/// let weights = attention_weights(scores, &mask, Normalizer::Softmax).into_data();
/// assert_eq!(weights.as_slice::<f32>().unwrap(), [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// ```
pub fn attention_weights(
    scores: Tensor<4>,
    mask: &AttentionMask,
    normalizer: Normalizer,
) -> Tensor<4> {
    let [batch, _, t, s] = scores.dims();
    mask.check(batch, [t, s]);
    #[cfg(feature = "flex")]
    if normalizer == Normalizer::Softmax
        && let Some(weights) = crate::normalizer::fused_softmax(&scores, Some(mask))
    {
        return weights;
    }
    let Some(blocked) = mask.to_tensor(batch, [t, s], &scores.device()) else {
        return normalizer.normalize(scores);
    };
    let weights = normalizer.normalize(scores.mask_fill(blocked.clone(), BLOCKED));
    if mask.blocks_a_whole_query(batch, [t, s]) {
        weights.mask_fill(blocked, 0.0)
    } else {
        weights
    }
}

/// Contexts `[B, T, H * K_v]` of weights `[B, H, T, S]` over values with `key_heads` heads.
fn weighted_mean(weights: Tensor<4>, value: Tensor<3>, key_heads: usize) -> Tensor<3> {
    let [batch, n_heads, t, s] = weights.dims();
    let groups = n_heads / key_heads;
    let value = split_heads(value, key_heads); // [B, H_kv, S, K_v]
    let width = value.dims()[3];
    let weights = weights.reshape([batch, key_heads, groups * t, s]);
    let context = product(weights, value); // [B, H_kv, G T, K_v]
    join_heads(context.reshape([batch, n_heads, t, width]))
}

/// [`attention`] of a sequence to itself, on projections packed as `[q | k | v]`.
///
/// ```text
/// context = attention(q, k, v)                             [B, T, H * K]
/// ```
///
/// # Shapes
///
/// `qkv: [B, T, 3 H K]`; all heads have keys of their own. Behaviour and cost are those of [`attention`]; on burn's CPU
/// backend nothing is cut apart or copied.
///
/// # Panics
///
/// If the width is not a multiple of three times the number of heads, and as [`attention`].
///
/// # Differences
///
/// PyTorch packs `in_proj_weight` in the same order, but cuts the projections apart; burn does not pack them.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{AttentionMask, AttentionOptions, self_attention};
///
/// let qkv = Tensor::<3>::from_floats([[[0.0, 0.0, 2.0], [0.0, 0.0, 6.0]]], &Device::flex());
/// let options = AttentionOptions { mask: AttentionMask::causal(), ..AttentionOptions::new(1) };
/// let context = self_attention(qkv, options).context.into_data();
/// // The second position sees two equal keys.
/// assert_eq!(context.as_slice::<f32>().unwrap(), [2.0, 4.0]);
/// ```
pub fn self_attention(qkv: Tensor<3>, options: AttentionOptions) -> AttentionOutput {
    let [batch, t, width] = qkv.dims();
    assert!(
        width.is_multiple_of(3 * options.n_heads),
        "self_attention: expected a width that is a multiple of 3 x {} heads, got {width}",
        options.n_heads
    );
    options.check([batch, t, t]);
    let width = width / 3;
    #[cfg(feature = "flex")]
    {
        let heads = Heads {
            queries: options.n_heads,
            keys: options.n_heads,
            width: width / options.n_heads,
            value_width: width / options.n_heads,
        };
        if let Some(output) = options.fused([&qkv], heads) {
            return output;
        }
    }
    let [query, key, value] = std::array::from_fn(|i| part(&qkv, [batch, t, width], i));
    attention(query, key, value, options)
}

/// [`attention`] of one sequence to another, whose projections are packed as `[k | v]`.
///
/// ```text
/// context = attention(q, k, v)                             [B, T, H * K]
/// ```
///
/// # Shapes
///
/// `query: [B, T, H K]`, `key_value: [B, S, 2 H_kv K]`, with `H_kv` a divisor of H. Behaviour and cost are those of
/// [`attention`]; on burn's CPU backend nothing is cut apart or copied.
///
/// # Panics
///
/// If the width of `key_value` is odd, and as [`attention`].
///
/// # Differences
///
/// PyTorch, burn: no counterpart on packed projections.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{AttentionOptions, cross_attention};
///
/// let device = Device::flex();
/// let query = Tensor::<3>::zeros([1, 1, 1], &device);
/// let key_value = Tensor::<3>::from_floats([[[5.0, 2.0], [7.0, 6.0]]], &device);
/// let context = cross_attention(query, key_value, AttentionOptions::new(1)).context;
/// assert_eq!(context.into_scalar::<f32>(), 4.0); // the query tells no keys apart
/// ```
pub fn cross_attention(
    query: Tensor<3>,
    key_value: Tensor<3>,
    options: AttentionOptions,
) -> AttentionOutput {
    let [batch, s, packed] = key_value.dims();
    assert!(
        packed.is_multiple_of(2),
        "cross_attention: expected keys and values side by side, [B, S, 2 H_kv K], got a width of {packed}"
    );
    let width = packed / 2;
    let dims = [query.dims(), [batch, s, width], [batch, s, width]];
    #[cfg_attr(
        not(feature = "flex"),
        expect(unused_variables, reason = "checked for every backend")
    )]
    let key_heads = key_heads("cross_attention", dims, options.n_heads);
    options.check([batch, query.dims()[1], s]);
    #[cfg(feature = "flex")]
    {
        let heads = Heads {
            queries: options.n_heads,
            keys: key_heads,
            width: width / key_heads,
            value_width: width / key_heads,
        };
        if let Some(output) = options.fused([&query, &key_value], heads) {
            return output;
        }
    }
    let [key, value] = std::array::from_fn(|i| part(&key_value, [batch, s, width], i));
    attention(query, key, value, options)
}

/// The i-th of the parts that stand side by side in the last axis.
fn part(packed: &Tensor<3>, [batch, length, width]: [usize; 3], i: usize) -> Tensor<3> {
    packed
        .clone()
        .slice([0..batch, 0..length, i * width..(i + 1) * width])
}

impl AttentionOptions {
    /// Refuses a mask or a bias that does not fit the batch, and a probability that is none.
    pub(crate) fn check(&self, [batch, t, s]: [usize; 3]) {
        self.mask.check(batch, [t, s]);
        if let Some((p, _)) = self.dropout {
            assert!(
                (0.0..1.0).contains(&p),
                "attention: expected a probability of dropout in [0, 1), got {p}"
            );
        }
        if let Some(bias) = &self.bias {
            let scores = [batch, self.n_heads, t, s];
            let fits = |(&own, of_scores)| own == 1 || own == of_scores;
            assert!(
                bias.dims().iter().zip(scores).all(fits),
                "attention: expected a bias that broadcasts to {scores:?}, got {:?}",
                bias.dims()
            );
        }
    }

    /// One operation with its own backward pass, where that can be: for softmax on this backend, and weights wanted only
    /// where nothing is differentiated.
    #[cfg(feature = "flex")]
    fn fused<const N: usize>(
        &self,
        tensors: [&Tensor<3>; N],
        heads: Heads,
    ) -> Option<AttentionOutput> {
        if self.normalizer != Normalizer::Softmax {
            return None;
        }
        let bias = self.bias.as_ref().map(Operand::new);
        let operands = tensors.map(Operand::new).into_iter().chain(bias);
        let operands: Vec<Operand> = operands.collect::<Option<_>>()?;
        let op = self.op(heads);
        match operands.len() {
            1 => self.apply::<1>(op, operands),
            2 => self.apply::<2>(op, operands),
            3 => self.apply::<3>(op, operands),
            _ => self.apply::<4>(op, operands),
        }
    }

    /// A context `[R, T, H * K_v]` from keys and values that are read where they stand, if that is worth it.
    #[cfg(feature = "flex")]
    pub(crate) fn scattered(
        &self,
        tensors: [&Tensor<3>; 3],
        heads: Heads,
        origins: &crate::Origins,
    ) -> Option<Tensor<3>> {
        if self.normalizer != Normalizer::Softmax || self.weights {
            return None;
        }
        let bias = self.bias.as_ref().map(Operand::new);
        let operands = tensors.map(Operand::new).into_iter().chain(bias);
        let operands: Vec<Operand> = operands.collect::<Option<_>>()?;
        self.op(heads).scattered(operands, origins)
    }

    #[cfg(feature = "flex")]
    fn op(&self, heads: Heads) -> AttentionOp {
        AttentionOp {
            heads,
            mask: self.mask.clone(),
            scale: self.scale,
            dropout: self.dropout.filter(|&(p, _)| p > 0.0),
            bias: self.bias.is_some(),
        }
    }

    #[cfg(feature = "flex")]
    fn apply<const N: usize>(
        &self,
        op: AttentionOp,
        operands: Vec<Operand>,
    ) -> Option<AttentionOutput> {
        let weights = if self.weights {
            Some(op.weights(&operands)?)
        } else {
            None
        };
        let operands: [Operand; N] = operands.try_into().ok()?;
        Some(AttentionOutput {
            context: apply(op, operands),
            weights,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;
    use burn::tensor::{Device, TensorData, Tolerance};

    fn formula<const D: usize>(shape: [usize; D], phase: f32, device: &Device) -> Tensor<D> {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7 + phase).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn options(n_heads: usize, mask: AttentionMask) -> AttentionOptions {
        AttentionOptions {
            mask,
            weights: true,
            ..AttentionOptions::new(n_heads)
        }
    }

    #[test]
    fn rows_sum_to_one_and_blocked_keys_get_exactly_zero() {
        let device = crate::test_device();
        let mask = AttentionMask::causal().and(AttentionMask::key_lengths(vec![5, 3]));
        let [q, k, v] = [0.1, 0.2, 0.3].map(|phase| formula([2, 5, 6], phase, &device));
        let weights = attention(q, k, v, options(2, mask.clone()))
            .weights
            .unwrap();
        let weights: Vec<f32> = weights.into_data().iter::<f32>().collect();
        for (i, row) in weights.chunks(5).enumerate() {
            let (b, t) = (i / 10, i % 5);
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            for (s, &weight) in row.iter().enumerate() {
                assert_eq!(weight == 0.0, mask.is_blocked(b, t, s, [5, 5]));
            }
        }
    }

    #[test]
    fn a_blocked_key_cannot_change_the_context() {
        let device = crate::test_device();
        let [q, k, v] = [0.1, 0.2, 0.3].map(|phase| formula([1, 3, 4], phase, &device));
        let mask = AttentionMask::key_lengths(vec![2]);
        let run = |k, v| {
            attention(q.clone(), k, v, options(1, mask.clone()))
                .context
                .into_data()
        };
        let changed = |x: Tensor<3>| x.slice_fill([0..1, 2..3, 0..4], 1e4);
        assert_eq!(run(k.clone(), v.clone()), run(changed(k), changed(v)));
    }

    #[test]
    fn a_fully_blocked_row_gives_zeros_and_finite_gradients() {
        let device = crate::test_device().autodiff();
        let [q, k, v] =
            [0.1, 0.2, 0.3].map(|phase| formula([2, 3, 4], phase, &device).require_grad());
        let mask = AttentionMask::key_lengths(vec![0, 3]);
        let output = attention(q.clone(), k.clone(), v.clone(), options(2, mask));
        let first = output.context.clone().slice(0..1).into_data();
        assert!(first.iter::<f32>().all(|x| x == 0.0));
        let gradients = output.context.sum().backward();
        for x in [q, k, v] {
            let gradient = x.grad(&gradients).unwrap().into_data();
            assert!(gradient.iter::<f32>().all(f32::is_finite));
        }
    }

    #[test]
    fn large_scores_stay_finite() {
        let device = crate::test_device();
        let [q, k, v] = [0.1, 0.2, 0.3].map(|phase| formula([1, 3, 4], phase, &device) * 200.0);
        let context = attention(q, k, v, options(1, AttentionMask::causal())).context;
        assert!(context.into_data().iter::<f32>().all(f32::is_finite));
    }

    #[test]
    #[should_panic(
        expected = "cross_attention: expected keys and values side by side, [B, S, 2 H_kv K], got a width of 5"
    )]
    fn keys_wider_than_values() {
        let x = |width| Tensor::<3>::zeros([1, 2, width], &crate::test_device());
        cross_attention(x(2), x(5), AttentionOptions::new(1));
    }

    #[test]
    #[should_panic(
        expected = "attention_from_weights: expected weights [B, H, T, S] and values [B, S, H_kv K_v] with H = 2 and H_kv = 2, got [1, 2, 1, 3] and [1, 4, 2]"
    )]
    fn weights_of_other_keys() {
        let device = crate::test_device();
        let weights = Tensor::zeros([1, 2, 1, 3], &device);
        let value = Tensor::zeros([1, 4, 2], &device);
        attention_from_weights(weights, value, 2, AttentionOptions::new(2));
    }

    #[test]
    fn weights_handed_back_are_those_before_dropout() {
        let device = crate::test_device();
        let [q, k, v] = [0.1, 0.2, 0.3].map(|phase| formula([1, 3, 4], phase, &device));
        let draws = Draws {
            key: Key::new(0),
            first_row: 0,
        };
        let plain = attention(
            q.clone(),
            k.clone(),
            v.clone(),
            options(2, AttentionMask::none()),
        );
        let dropped = attention(
            q,
            k,
            v,
            AttentionOptions {
                dropout: Some((0.5, draws)),
                ..options(2, AttentionMask::none())
            },
        );
        assert_ne!(plain.context.into_data(), dropped.context.into_data());
        plain.weights.unwrap().into_data().assert_approx_eq::<f32>(
            &dropped.weights.unwrap().into_data(),
            Tolerance::absolute(0.0),
        );
    }
}
