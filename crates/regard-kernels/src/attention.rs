//! Scaled dot-product attention with several heads.

use burn::tensor::{Tensor, activation};

#[cfg(feature = "flex")]
use crate::flex::{AttentionOp, Heads, Operand, apply};
use crate::{AttentionMask, Draws, dropout};

/// How [`attention`] is to be computed.
#[derive(Clone, Debug)]
pub struct AttentionOptions {
    /// Number of heads H; the widths of query, key and value are multiples of it.
    pub n_heads: usize,
    /// Which keys are blocked.
    pub mask: AttentionMask,
    /// Probability and draws of the dropout on the weights; `None` when evaluating.
    pub dropout: Option<(f64, Draws)>,
    /// Whether the weights are wanted. Leaving them out keeps a fused computation possible.
    pub weights: bool,
}

/// What attention gives back, the same for every kind.
#[derive(Clone, Debug)]
pub struct AttentionOutput {
    /// Weighted means of the values, `[B, T, H * K_v]`.
    pub context: Tensor<3>,
    /// Weights before dropout, `[B, H, T, S]`; each row sums to 1, or is all 0 where every key is blocked. `Some` if asked for.
    pub weights: Option<Tensor<4>>,
}

/// Each query takes the mean of the values, weighted by the softmax of its products with the keys; every head by itself.
///
/// For head h, with `q`, `k`, `v` the h-th slices of width K:
///
/// ```text
/// scores  = q k^T / sqrt(K)                        [B, H, T, S]
/// weights = softmax(scores where not blocked)      [B, H, T, S]
/// context = dropout(weights) v                     [B, T, H * K_v]
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
/// # Behaviour
///
/// - Blocked keys get weight exactly 0. A query whose every key is blocked gets a zero context and zero gradients, never NaN.
/// - Dropout acts on the weights after the softmax; the weights handed back are those before it.
/// - Cost: `O(B H T S K)` time, `O(B H T S)` memory.
///
/// # Panics
///
/// If batch sizes or numbers of keys differ, or a width is not a multiple of the number of heads.
///
/// # Differences
///
/// - Paper: dropout on the weights is not in the paper, but in its code.
/// - PyTorch's `scaled_dot_product_attention` gives NaN for a query with every key blocked, and returns no weights.
/// - burn's `MultiHeadAttention` blocks with a score of -1e4 and hands back weights after dropout.
///
/// # References
///
/// Vaswani et al. Attention Is All You Need. 2017. <https://arxiv.org/abs/1706.03762>, section 3.2.
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    options: AttentionOptions,
) -> AttentionOutput {
    let [batch, t, _] = query.dims();
    let [_, s, value_width] = value.dims();
    check_shapes(query.dims(), key.dims(), value.dims(), options.n_heads);
    options.mask.check_rows(batch);
    #[cfg(feature = "flex")]
    if options.may_fuse() {
        let operands = [&query, &key, &value].map(Operand::new);
        if let [Some(query_), Some(key), Some(value)] = operands {
            let widths = [query.dims()[2], value_width];
            return options.fused([query_, key, value], widths);
        }
    }
    let width_per_head = query.dims()[2] / options.n_heads;
    let blocked = options.mask.to_tensor(batch, [t, s], &query.device());

    // The scale goes on the queries: T * K numbers instead of T * S.
    let query = split_heads(query, options.n_heads) / (width_per_head as f64).sqrt();
    let key = split_heads(key, options.n_heads);
    let value = split_heads(value, options.n_heads);

    let mut scores = query.matmul(key.swap_dims(2, 3)); // [B, H, T, S]
    if let Some(blocked) = blocked.clone() {
        scores = scores.mask_fill(blocked, BLOCKED);
    }
    let mut weights = activation::softmax(scores, 3);
    if let Some(blocked) = blocked.filter(|_| options.mask.blocks_a_whole_query([t, s])) {
        weights = weights.mask_fill(blocked, 0.0);
    }
    let dropped = match options.dropout {
        Some((p, draws)) => dropout(weights.clone(), p, draws),
        None => weights.clone(),
    };
    let context = dropped.matmul(value).swap_dims(1, 2); // [B, T, H, K]
    AttentionOutput {
        context: context.reshape([batch, t, value_width]),
        weights: options.weights.then_some(weights),
    }
}

/// [`attention`] of a sequence to itself, on projections packed as `[q | k | v]`, `[B, T, 3 H K]`.
///
/// # Panics
///
/// If the width is not a multiple of three times the number of heads.
pub fn self_attention(qkv: Tensor<3>, options: AttentionOptions) -> AttentionOutput {
    let [batch, t, width] = qkv.dims();
    assert!(
        width.is_multiple_of(3 * options.n_heads),
        "self_attention: expected a width that is a multiple of 3 x {} heads, got {width}",
        options.n_heads
    );
    options.mask.check_rows(batch);
    let width = width / 3;
    #[cfg(feature = "flex")]
    if let Some(qkv) = Operand::new(&qkv).filter(|_| options.may_fuse()) {
        return options.fused([qkv], [width, width]);
    }
    let [query, key, value] = std::array::from_fn(|i| part(&qkv, [batch, t, width], i));
    attention(query, key, value, options)
}

/// [`attention`] of one sequence to another, whose projections are packed as `[k | v]`, `[B, S, 2 H K]`.
///
/// # Panics
///
/// As [`attention`]; the width of `key_value` must be twice that of `query`.
pub fn cross_attention(
    query: Tensor<3>,
    key_value: Tensor<3>,
    options: AttentionOptions,
) -> AttentionOutput {
    let [batch, s, packed] = key_value.dims();
    let width = packed / 2;
    check_shapes(
        query.dims(),
        [batch, s, width],
        [batch, s, width],
        options.n_heads,
    );
    options.mask.check_rows(batch);
    #[cfg(feature = "flex")]
    if options.may_fuse()
        && let (Some(query), Some(key_value)) = (Operand::new(&query), Operand::new(&key_value))
    {
        return options.fused([query, key_value], [width, width]);
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

#[cfg(feature = "flex")]
impl AttentionOptions {
    /// Weights, and dropout on them, need the weights themselves.
    fn may_fuse(&self) -> bool {
        !self.weights && self.dropout.is_none()
    }

    fn fused<const N: usize>(
        self,
        operands: [Operand; N],
        [width, value_width]: [usize; 2],
    ) -> AttentionOutput {
        let heads = Heads {
            count: self.n_heads,
            width,
            value_width,
        };
        let op = AttentionOp {
            heads,
            mask: self.mask,
        };
        AttentionOutput {
            context: apply(op, operands),
            weights: None,
        }
    }
}

/// Far below every score, so that its exponential is exactly 0 beside a visible key, yet finite, so that a row of
/// nothing else is uniform rather than NaN until it is set to 0.
const BLOCKED: f32 = -1e30;

/// `[B, L, H * K]` to `[B, H, L, K]`.
fn split_heads(x: Tensor<3>, n_heads: usize) -> Tensor<4> {
    let [batch, length, width] = x.dims();
    x.reshape([batch, length, n_heads, width / n_heads])
        .swap_dims(1, 2)
}

fn check_shapes(query: [usize; 3], key: [usize; 3], value: [usize; 3], n_heads: usize) {
    let fits = query[0] == key[0]
        && query[0] == value[0]
        && key[1] == value[1]
        && query[2] == key[2]
        && query[2].is_multiple_of(n_heads)
        && value[2].is_multiple_of(n_heads);
    assert!(
        fits,
        "attention: expected query [B, T, H K], key [B, S, H K], value [B, S, H K_v] with H = {n_heads}, \
         got {query:?}, {key:?}, {value:?}"
    );
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
            n_heads,
            mask,
            dropout: None,
            weights: true,
        }
    }

    #[test]
    fn rows_sum_to_one_and_blocked_keys_get_exactly_zero() {
        let device = Device::flex();
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
        let device = Device::flex();
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
        let device = Device::flex().autodiff();
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
        let device = Device::flex();
        let [q, k, v] = [0.1, 0.2, 0.3].map(|phase| formula([1, 3, 4], phase, &device) * 200.0);
        let context = attention(q, k, v, options(1, AttentionMask::causal())).context;
        assert!(context.into_data().iter::<f32>().all(f32::is_finite));
    }

    #[test]
    fn weights_handed_back_are_those_before_dropout() {
        let device = Device::flex();
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
