//! Attention in a window around each position.

use std::ops::Range;

use burn::tensor::{Bool, Device, Tensor, TensorData};
use regard_kernels::{BLOCKED, DropoutRow, attention, key_heads};

use crate::{AttentionMask, AttentionOptions, AttentionOutput, Draws, Window};

/// Each position attends to its neighbours: [`attention`](crate::attention()) under a mask with a window, at a cost that
/// grows with the length, not with its square.
///
/// With `before` and `after` from [`AttentionMask::window`], and every head by itself:
///
/// ```text
/// scores_tj  = q_t . k_j / sqrt(K)        t - before <= j <= t + after, and visible by the other rules
/// weights_tj = softmax_j(scores_tj)
/// context_t  = sum_j dropout(weights_tj) v_j                                   [B, T, H * K_v]
/// ```
///
/// Queries are cut into chunks of `C = max(before + after, 8)`. Those of a chunk can reach `C + before + after` keys, so
/// each chunk is a small attention of its own, and all of them together are one batched product.
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `query` | `[B, T, H * K]` |
/// | `key` | `[B, T, H_kv * K]`, with `H_kv` a divisor of H as for [`attention`](crate::attention()) |
/// | `value` | `[B, T, H_kv * K_v]` |
///
/// # Behaviour
///
/// - Contexts, weights and gradients are those of [`attention`](crate::attention()) with the same options, up to rounding.
///   All rules of the mask hold, but graphs; `causal` cuts `after` to 0. A query that sees nothing gets a zero context and
///   zero gradients.
/// - Cost, with `R = before + after`: `O(B H T (C + R) K)` time and `O(B H T (C + R))` memory. Where `C + R >= T` there is
///   nothing to save, and [`attention`](crate::attention()) is called.
/// - Weights, if asked for, are dense, `[B, H, T, T]`, and cost as much.
/// - A step of decoding has one query and no square: call [`attention`](crate::attention()) with the window in the mask.
///
/// # Panics
///
/// If batch sizes or lengths differ (there must be as many keys as queries), widths do not fit the heads, the mask is
/// made for another number of rows, the mask has a graph (its edges fit in no window), or there is a bias (it has a
/// number for each pair, which is what is to be avoided).
///
/// # Differences
///
/// - Paper: window only; no dilation and no global positions.
/// - PyTorch: `scaled_dot_product_attention` takes a window as a dense band mask; `flex_attention`, from 2.5 on, leaves out
///   blocks of pairs outside of it. burn: dense masks only.
/// - Dropout draws are those of [`attention`](crate::attention()), pair by pair.
///
/// # References
///
/// Beltagy, Peters, Cohan. Longformer. 2020. <https://arxiv.org/abs/2004.05150>, section 3.1.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, AttentionOptions, sliding_window_attention};
///
/// let device = Device::flex();
/// let zeros = Tensor::<3>::zeros([1, 100, 4], &device);
/// let value = Tensor::<1, burn::tensor::Int>::arange(0..100, &device).float().reshape([1, 100, 1]);
/// let mask = AttentionMask::window(3, 1);
/// let options = AttentionOptions { mask, ..AttentionOptions::new(1) };
/// let context = sliding_window_attention(zeros.clone(), zeros, value, options).context;
/// // Equal scores: the mean of 47, 48, 49, 50 and 51.
/// assert_eq!(context.slice([0..1, 50..51]).into_scalar::<f32>(), 49.0);
/// ```
pub fn sliding_window_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    options: AttentionOptions,
) -> AttentionOutput {
    let t = query.dims()[1];
    let key_heads = checked([query.dims(), key.dims(), value.dims()], &options);
    options.mask.check(query.dims()[0], [t, t]);
    let (_, window) = options.mask.clone().split_window();
    let Some(Window { before, mut after }) = window else {
        return attention(query, key, value, options);
    };
    if options.mask.is_causal() {
        after = 0;
    }
    let reach = before.saturating_add(after);
    let chunk = reach.max(LEAST_CHUNK);
    if chunk.saturating_add(reach) >= t {
        return attention(query, key, value, options);
    }
    let weights = options.weights.then(|| {
        let dense = AttentionOptions {
            dropout: None,
            ..options.clone()
        };
        attention(query.clone(), key.clone(), value.clone(), dense).weights
    });
    let chunks = Chunks {
        count: t.div_ceil(chunk),
        queries: chunk,
        before,
        keys: chunk + reach,
    };
    AttentionOutput {
        context: in_chunks([query, key, value], key_heads, &options, chunks),
        weights: weights.flatten(),
    }
}

/// Queries of a chunk, so that a narrow window does not become many tiny products.
const LEAST_CHUNK: usize = 8;

/// A sequence in chunks of queries, and the keys that those of a chunk reach.
#[derive(Clone, Copy)]
struct Chunks {
    count: usize,
    /// Queries C of a chunk.
    queries: usize,
    /// How many keys stand before the first query of the chunk.
    before: usize,
    /// Keys L of a chunk.
    keys: usize,
}

fn in_chunks(
    [query, key, value]: [Tensor<3>; 3],
    key_heads: usize,
    options: &AttentionOptions,
    chunks: Chunks,
) -> Tensor<3> {
    let [batch, t, query_width] = query.dims();
    let Chunks {
        count,
        queries,
        keys,
        ..
    } = chunks;
    let n_heads = options.n_heads;
    let (groups, width) = (n_heads / key_heads, query_width / n_heads);

    let scale = options.scale.unwrap_or(1.0 / (width as f64).sqrt());
    let query = padded(&(query * scale), 0, count * queries - t)
        .reshape([batch, count, queries, key_heads, groups, width])
        .permute([0, 3, 1, 4, 2, 5]) // [B, H_kv, n, G, C, K]
        .reshape([batch, key_heads, count, groups * queries, width]);
    let key = chunks.reached(&key, key_heads); // [B, H_kv, n, L, K]
    let scores = query
        .matmul(key.swap_dims(3, 4)) // [B, H_kv, n, G C, L]
        .reshape([batch, key_heads, count, groups, queries, keys]);

    let visible = Visible::new(&options.mask, batch, t);
    let blocked = visible.blocked(chunks, &scores.device()); // [B, 1, n, 1, C, L]
    let rows = [batch, key_heads, count * groups * queries, keys];
    let scores = scores.mask_fill(blocked.clone(), BLOCKED).reshape(rows);
    let mut weights = options.normalizer.normalize(scores);
    if visible.leaves_a_query_nothing() {
        weights = weights
            .reshape([batch, key_heads, count, groups, queries, keys])
            .mask_fill(blocked, 0.0)
            .reshape(rows);
    }
    if let Some((p, draws)) = options.dropout {
        let factors = chunks.dropout([batch, n_heads], groups, p, draws);
        let factors = TensorData::new(factors, rows);
        let like = (&weights.device(), weights.dtype());
        weights = weights * Tensor::from_data(factors, like);
    }

    let value = chunks.reached(&value, key_heads); // [B, H_kv, n, L, K_v]
    let value_width = value.dims()[4];
    weights
        .reshape([batch, key_heads, count, groups * queries, keys])
        .matmul(value) // [B, H_kv, n, G C, K_v]
        .reshape([batch, key_heads, count, groups, queries, value_width])
        .permute([0, 2, 4, 1, 3, 5]) // [B, n, C, H_kv, G, K_v]
        .reshape([batch, count * queries, n_heads * value_width])
        .slice([0..batch, 0..t])
}

impl Chunks {
    /// Of `[B, T, H_kv * K]`, what each chunk reaches: `[B, H_kv, n, L, K]`.
    ///
    /// One slice of the whole sequence is piece j of every chunk's keys, so the number of slices does not grow with the
    /// length.
    fn reached(self, x: &Tensor<3>, heads: usize) -> Tensor<5> {
        let [batch, t, width] = x.dims();
        let Self { count, queries, .. } = self;
        let pieces = self.keys.div_ceil(queries);
        let length = (count + pieces - 1) * queries;
        let x = padded(x, self.before, length - self.before - t);
        let piece = |j: usize| {
            let used = queries.min(self.keys - j * queries);
            x.clone()
                .slice([0..batch, j * queries..(j + count) * queries])
                .reshape([batch, count, queries, heads, width / heads])
                .slice([0..batch, 0..count, 0..used])
        };
        let reached = Tensor::cat((0..pieces).map(piece).collect(), 2); // [B, n, L, H_kv, K]
        reached.permute([0, 3, 1, 2, 4])
    }
}

impl Chunks {
    /// Factors of the weights `[B, H_kv, n, G, C, L]`, drawn as [`attention`] draws those of the pair of query and key.
    fn dropout(
        self,
        [batch, n_heads]: [usize; 2],
        groups: usize,
        p: f64,
        draws: Draws,
    ) -> Vec<f32> {
        let Self {
            count,
            queries,
            before,
            keys,
        } = self;
        let mut factors = Vec::with_capacity(batch * n_heads * count * queries * keys);
        for (b, key_head) in (0..batch).flat_map(|b| (0..n_heads / groups).map(move |h| (b, h))) {
            for (chunk, group) in (0..count).flat_map(|n| (0..groups).map(move |g| (n, g))) {
                for query in chunk * queries..(chunk + 1) * queries {
                    let row = DropoutRow::new(&[b, key_head * groups + group, query], p, draws);
                    let reached = chunk * queries..chunk * queries + keys;
                    // What stands before the first key has no weight to drop.
                    let key = |place: usize| place.checked_sub(before);
                    factors
                        .extend(reached.map(|place| key(place).map_or(0.0, |key| row.factor(key))));
                }
            }
        }
        factors
    }
}

/// What each query of a row sees; one row where all are alike.
struct Visible(Vec<Vec<Range<usize>>>);

impl Visible {
    fn new(mask: &AttentionMask, batch: usize, t: usize) -> Self {
        let ranges = |row| (0..t).map(move |query| mask.visible_range(row, query, [t, t]));
        let alike = (1..batch).all(|row| ranges(row).eq(ranges(0)));
        let rows = if alike { 1 } else { batch };
        Self((0..rows).map(|row| ranges(row).collect()).collect())
    }

    fn leaves_a_query_nothing(&self) -> bool {
        self.0.iter().flatten().any(Range::is_empty)
    }

    /// `[B or 1, 1, n, 1, C, L]`, true = blocked.
    fn blocked(&self, chunks: Chunks, device: &Device) -> Tensor<6, Bool> {
        let Chunks {
            count,
            queries,
            before,
            keys,
        } = chunks;
        let rows = self.0.len();
        let mut blocked = vec![true; rows * count * queries * keys];
        for (row, lines) in blocked.chunks_exact_mut(count * queries * keys).enumerate() {
            let lines = lines.chunks_exact_mut(keys).enumerate();
            for ((query, line), range) in lines.zip(&self.0[row]) {
                if !range.is_empty() {
                    let first = query / queries * queries;
                    line[range.start + before - first..range.end + before - first].fill(false);
                }
            }
        }
        let data = TensorData::new(blocked, [rows, 1, count, 1, queries, keys]);
        Tensor::from_data(data, device)
    }
}

/// `[B, T, W]` with zeros in front and behind.
fn padded(x: &Tensor<3>, front: usize, behind: usize) -> Tensor<3> {
    let [batch, _, width] = x.dims();
    let zeros = |length| Tensor::zeros([batch, length, width], (&x.device(), x.dtype()));
    let parts = [zeros(front), x.clone(), zeros(behind)];
    let parts = parts.into_iter().filter(|part| part.dims()[1] > 0);
    Tensor::cat(parts.collect(), 1)
}

/// Number of heads of keys and values, where everything fits a window.
fn checked(dims: [[usize; 3]; 3], options: &AttentionOptions) -> usize {
    let key_heads = key_heads("sliding_window_attention", dims, options.n_heads);
    let [[_, t, _], [_, s, _], _] = dims;
    assert_eq!(
        t, s,
        "sliding_window_attention: expected as many keys as queries, got {s} and {t}"
    );
    assert!(
        options.bias.is_none(),
        "sliding_window_attention: expected no bias, which has a number for each pair"
    );
    assert!(
        options.mask.is_contiguous(),
        "sliding_window_attention: a graph fits in no window; call attention"
    );
    key_heads
}
