//! Self-attention with several heads.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::{attention, scattered_attention, self_attention};

use super::by_rows;
use super::multi_head::{Heads, QueryKeyNorm, split_columns};
use crate::cache::Past;
use crate::{
    AttentionMask, AttentionOptions, AttentionOutput, Init, KeyValueCache, Layout, Linear, Mapped,
    MultiHeadAttentionConfig, Pass, RelativeVectors, RelativeVectorsConfig, Rotary,
    sliding_window_attention,
};

/// A sequence attends to itself.
///
/// ```text
/// q, k, v = x W_qkv + b_qkv                                  [B, T, H K], [B, T, H_kv K] twice
/// y       = attention(q, k, v) W_output + b_output           [B, T, D]
/// ```
///
/// with [`attention`] computing every head by itself. The configuration may put more before it, in this order:
/// [`QueryKeyNorm`], [`Rotary`] positions, [`RelativeVectors`] as a bias on the scores, a window
/// ([`sliding_window_attention`]; with a bias, which has a number for each pair, or a graph in the mask, it is a dense mask).
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `x` | `[B, T, D]` | |
/// | `context` | `[B, T, D]` | |
/// | `weights` | `[B, H, T, T]` | before dropout, if the pass wants them |
///
/// # Parameters
///
/// `qkv: [D, (H + 2 H_kv) K]`, the three projections packed into one product, and `output: [D, D]`, with biases by
/// default; `4 D (D + 1)` numbers where `H_kv = H`. If configured, `query_key_norm.scale: [H]` and `relative.key`, the table
/// of [`RelativeVectors`]. Xavier uniform as if the packed maps were apart, biases zero.
///
/// # Behaviour
///
/// As [`attention`], cost included; the maps are `O(N D^2)`. A position that sees nothing gets the bias of the output map.
/// A cached step in a window meets only the keys that it reaches, unless weights or dropout are asked for, there is a bias,
/// or the mask has lengths that cut, blocks or a graph.
///
/// # Panics
///
/// If the width of `x` is not D, or the mask is made for another number of rows.
///
/// # Differences
///
/// - Paper: no biases there; blocked keys get weight exactly 0.
/// - PyTorch's `MultiheadAttention` holds the transpose, `[3 D, D]`, in the same order q, k, v, and averages the
///   weights over heads by default (`average_attn_weights`). It has no cache.
/// - burn's holds three maps. With its cache a step projects the last position only, but scores the queries of all past
///   positions again, `O(T^2)`; here it scores its own.
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, section 3.2.2. Fewer heads of keys: see [`attention`].
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, Init, MultiHeadAttentionConfig, Pass};
///
/// let config = MultiHeadAttentionConfig::new(8, 4).with_n_kv_heads(Some(2));
/// let attention = config.init_self(&Init::new(1, &Device::flex()));
/// let x = Tensor::<3>::ones([1, 5, 8], &Device::flex());
/// let output = attention.forward(x, &AttentionMask::causal(), &Pass::evaluation().with_attention());
/// assert_eq!(output.context.dims(), [1, 5, 8]);
/// // The second position sees two equal keys.
/// let weights = output.weights.unwrap().into_data();
/// assert_eq!(weights.as_slice::<f32>().unwrap()[5..7], [0.5, 0.5]);
/// ```
#[derive(Module, Debug)]
pub struct MultiHeadSelfAttention {
    /// Queries, keys and values, `[D, (H + 2 H_kv) K]`.
    pub qkv: Linear,
    /// From the joined heads back, `[D, D]`.
    pub output: Linear,
    query_key_norm: Option<QueryKeyNorm>,
    relative: Option<RelativeVectors>,
    #[module(skip)]
    rotary: Option<Rotary>,
    window: Option<usize>,
    #[module(skip)]
    heads: Heads,
}

impl MultiHeadSelfAttention {
    pub(super) fn new(config: &MultiHeadAttentionConfig, init: &Init) -> Self {
        let heads = config.heads();
        Self {
            qkv: config.map(&heads.widths(), &init.at("qkv")),
            output: config.map(&[config.d_model], &init.at("output")),
            query_key_norm: config.query_key_norm(init),
            relative: config.relative.map(|max_distance| {
                RelativeVectorsConfig::new(heads.width, max_distance)
                    .with_values(false)
                    .init(&init.at("relative"))
            }),
            rotary: config.rotary,
            window: config.window,
            heads,
        }
    }

    /// `x: [B, T, D]`; the context has the same shape, weights (if the pass wants them) are `[B, H, T, T]`.
    pub fn forward(&self, x: Tensor<3>, mask: &AttentionMask, pass: &Pass) -> AttentionOutput {
        by_rows(x, |x, layout| {
            self.attend(x, layout, mask.clone(), None, None, pass)
        })
    }

    /// The form that blocks call: `x: [N, D]` to `[N, D]`, with a bias that broadcasts to the scores `[B, H, T, S]`. With a
    /// cache, `x` holds the positions that follow those in it.
    pub fn attend(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        mask: AttentionMask,
        bias: Option<Tensor<4>>,
        cache: Option<&mut KeyValueCache>,
        pass: &Pass,
    ) -> (Mapped<'_>, Option<Tensor<4>>) {
        let qkv = layout.unflatten(self.qkv.forward(x));
        let mut options = self.heads.options(self.windowed(mask), pass);
        options.bias = bias;
        let attended = if cache.is_none() && self.is_plain() {
            self_attention(qkv, options)
        } else {
            self.attend_apart(&qkv, cache, options)
        };
        let context = self.output.of(layout.flatten(attended.context));
        (context, attended.weights)
    }

    /// With what stands between the projections and the scores.
    fn attend_apart(
        &self,
        qkv: &Tensor<3>,
        cache: Option<&mut KeyValueCache>,
        mut options: AttentionOptions,
    ) -> AttentionOutput {
        let Heads {
            queries,
            keys,
            width,
            ..
        } = self.heads;
        let [mut query, mut key, value] = split_columns(qkv, self.heads.widths());
        if let Some(norm) = &self.query_key_norm {
            (query, key) = (norm.query(query, width), QueryKeyNorm::key(key, width));
            options.scale = Some(1.0);
        }
        if let Some(rotary) = &self.rotary {
            let offset = [cache.as_ref().map_or(0, |cache| cache.length())];
            query = rotary.rotate(query, queries, &offset);
            key = rotary.rotate(key, keys, &offset);
        }
        let [rows, t, _] = query.dims();
        let Past {
            key,
            value,
            origins,
        } = match cache {
            Some(cache) => reached(cache.append_in_place(key, value), [rows, t], &options),
            None => Past {
                key,
                value,
                origins: None,
            },
        };
        let s = key.dims()[1];
        if let Some(relative) = &self.relative {
            let scores = relative.scores(query.clone(), s, options.scale);
            options.bias = Some(match options.bias {
                Some(bias) => bias + scores,
                None => scores,
            });
        }
        if let Some(origins) = origins {
            return scattered_attention(query, key, value, &origins, options);
        }
        let slides = self.window.is_some() && options.mask.is_contiguous();
        if slides && options.bias.is_none() && t == s {
            sliding_window_attention(query, key, value, options)
        } else {
            attention(query, key, value, options)
        }
    }

    /// Whether attention is all that stands between the projections and the output.
    fn is_plain(&self) -> bool {
        self.heads.queries == self.heads.keys
            && self.query_key_norm.is_none()
            && self.relative.is_none()
            && self.rotary.is_none()
            && self.window.is_none()
    }

    /// The mask with the layer's window.
    fn windowed(&self, mask: AttentionMask) -> AttentionMask {
        match self.window {
            Some(window) => mask.and(AttentionMask::window(window, window)),
            None => mask,
        }
    }
}

/// Of the keys and values of a cache, the last, which a window lets `t` queries reach; all, where anything but the window and
/// the order of time speaks of the others. Rules count from the end, so that they mean the same.
fn reached(past: Past, [rows, t]: [usize; 2], options: &AttentionOptions) -> Past {
    let [_, s, _] = past.key.dims();
    let (others, window) = options.mask.clone().split_window();
    let uncut = |lengths: Vec<usize>| lengths.iter().all(|&length| length == s);
    let alone = options.bias.is_none()
        && options.dropout.is_none()
        && !options.weights
        && others.lengths_only(rows, s).is_some_and(uncut);
    let Some(window) = window.filter(|_| alone) else {
        return past;
    };
    let first = s.saturating_sub(window.before.saturating_add(t));
    Past {
        key: past.key.slice_dim(1, first..s),
        value: past.value.slice_dim(1, first..s),
        origins: past.origins.map(|origins| origins.skip(first)),
    }
}
