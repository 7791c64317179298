//! Learned keys and values beside those of the sequence.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use regard_kernels::{BLOCKED, attention};

use super::multi_head::split_columns;
use super::{by_rows, options};
use crate::{
    AttentionMask, AttentionOptions, AttentionOutput, Init, KeyValueCache, Layout, Linear, Mapped,
    Pass,
};

/// [`attention`] over the keys of a sequence and M slots in front of them, which are the same for every row and visible to
/// every query, whatever the mask.
///
/// ```text
/// scores  = q [slot_key | k]^T / sqrt(K)                              [B, H, T, M + S]
/// weights = softmax(slots, and the sequence where not blocked)        [B, H, T, M + S]
/// context = dropout(weights) [slot_value | v]                         [B, T, H * K_v]
/// ```
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `query` | `[B, T, H * K]` |
/// | `key` | `[B, S, H * K]` |
/// | `value` | `[B, S, H * K_v]` |
/// | `slot_key` | `[M, H * K]` |
/// | `slot_value` | `[M, H * K_v]` |
/// | `weights` | `[B, H, T, M + S]`, slots first |
///
/// # Behaviour
///
/// - Mask and bias speak of the sequence alone, `[T, S]`. Its blocked keys get weight exactly 0.
/// - A query that sees nothing of the sequence takes the mean of the slots.
/// - Cost: as [`attention`] with M more keys, and a copy of keys and values.
///
/// # Panics
///
/// If there are no slots, the slots have other widths than keys and values, the mask is made for another number of rows,
/// or as [`attention`].
///
/// # Differences
///
/// - Paper: relative positions in the scores of the sequence are left to `options.bias`.
/// - PyTorch's `MultiheadAttention` has one learned slot (`add_bias_kv`) and one of zeros (`add_zero_attn`), both behind the
///   sequence; burn: no counterpart.
///
/// # References
///
/// Sukhbaatar et al. Augmenting Self-attention with Persistent Memory. 2019. <https://arxiv.org/abs/1907.01470>, section 4.
///
/// # Example
///
/// A slot of zeros is a place to look where there is nothing to see: one more in the denominator of the softmax.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOptions, memory_attention};
///
/// let device = Device::flex();
/// let x = Tensor::<3>::from_floats([[[0.0], [0.0], [0.0]]], &device);
/// let slot = Tensor::<2>::zeros([1, 1], &device);
/// let value = x.clone() + 4.0;
/// let context = memory_attention(x.clone(), x, value, slot.clone(), slot, AttentionOptions::new(1)).context;
/// // Three keys of equal score and the slot: 3/4 of 4.
/// assert_eq!(context.into_data().as_slice::<f32>().unwrap(), [3.0, 3.0, 3.0]);
/// ```
pub fn memory_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    slot_key: Tensor<2>,
    slot_value: Tensor<2>,
    options: AttentionOptions,
) -> AttentionOutput {
    let ([batch, t, _], [_, s, key_width]) = (query.dims(), key.dims());
    let ([slots, slot_width], [_, _, value_width]) = (slot_key.dims(), value.dims());
    assert!(
        slots > 0 && slot_width == key_width && slot_value.dims() == [slots, value_width],
        "memory_attention: expected slots [M, H K] and [M, H K_v] with M > 0 for keys {:?} and values {:?}, \
         got {:?} and {:?}",
        key.dims(),
        value.dims(),
        slot_key.dims(),
        slot_value.dims()
    );
    options.mask.check(batch, [t, s]);
    let beside = |slot: Tensor<2>, x: Tensor<3>| {
        let width = x.dims()[2];
        let slot = slot.unsqueeze::<3>().expand([batch, slots, width]);
        Tensor::cat(vec![slot, x], 1) // [B, M + S, H K]
    };
    // Positions count from the end of the keys, so that a rule for the sequence would misplace the slots: the mask goes
    // into the bias, where they stand apart.
    let bias = sequence_bias(options.bias, &options.mask, [batch, t, s], &query).map(|bias| {
        let [rows, heads, queries, _] = bias.dims();
        let slots = Tensor::zeros(
            [rows, heads, queries, slots],
            (&bias.device(), bias.dtype()),
        );
        Tensor::cat(vec![slots, bias], 3) // [B, H, T, M + S]
    });
    let options = AttentionOptions {
        mask: AttentionMask::none(),
        bias,
        ..options
    };
    attention(
        query,
        beside(slot_key, key),
        beside(slot_value, value),
        options,
    )
}

/// What is added to the scores of the sequence: the bias, and [`BLOCKED`] where the mask blocks. Axes that neither needs
/// are of size 1.
fn sequence_bias(
    bias: Option<Tensor<4>>,
    mask: &AttentionMask,
    [batch, t, s]: [usize; 3],
    like: &Tensor<3>,
) -> Option<Tensor<4>> {
    let bias = bias.map(|bias| {
        let [rows, heads, queries, _] = bias.dims();
        bias.expand([rows, heads, queries, s])
    });
    let blocked = mask.to_tensor(batch, [t, s], &like.device());
    let mask = blocked.map(|blocked| {
        let open = Tensor::zeros(blocked.dims(), (&like.device(), like.dtype()));
        open.mask_fill(blocked, BLOCKED)
    });
    match (bias, mask) {
        (Some(bias), Some(mask)) => Some(bias + mask),
        (bias, mask) => bias.or(mask),
    }
}

/// A sequence attends to itself and to M slots, keys and values that are learned: what holds for all sequences can stand
/// there.
///
/// ```text
/// q, k, v = x W_qkv + b_qkv                                        each [B, T, H K]
/// y       = memory_attention(q, k, v, slots) W_output + b_output   [B, T, D]
/// ```
///
/// # Shapes
///
/// `x: [B, T, D]`, context the same; weights, if the pass wants them, `[B, H, T, M + T]`, slots first: their rows sum to
/// 1, those of the sequence alone to less.
///
/// # Parameters
///
/// `qkv: [D, 3 D]` packed and `output: [D, D]`, with biases, as in [`MultiHeadSelfAttention`](crate::MultiHeadSelfAttention);
/// `slot_key: [M, D]` and `slot_value: [M, D]`, each head's slots side by side. `4 D (D + 1) + 2 M D` numbers in all. Maps
/// are Xavier uniform, biases zero, slots normal with deviation 1, as keys and values of a sequence of unit variance are.
///
/// # Behaviour
///
/// As [`memory_attention`]: every query sees every slot, and the mask speaks of the sequence alone.
///
/// # Panics
///
/// If the width of `x` is not D, or the mask is made for another number of rows.
///
/// # Differences
///
/// - Paper: drops the feed-forward part, whose place the slots take, and adds relative positions to the scores of the
///   sequence; both are left to the model.
/// - PyTorch's `MultiheadAttention` with `add_bias_kv` has one slot, and puts it behind the sequence.
/// - burn: no counterpart.
///
/// # References
///
/// Sukhbaatar et al. 2019. <https://arxiv.org/abs/1907.01470>. Memory read by attention: Sukhbaatar et al. End-To-End
/// Memory Networks. 2015. <https://arxiv.org/abs/1503.08895>.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, Init, MemorySelfAttentionConfig, Pass};
///
/// let device = Device::flex();
/// let attention = MemorySelfAttentionConfig::new(8, 2, 3).init(&Init::new(1, &device));
/// let x = Tensor::<3>::ones([1, 5, 8], &device);
/// let pass = Pass::evaluation().with_attention();
/// let weights = attention.forward(x, &AttentionMask::causal(), &pass).weights.unwrap();
/// assert_eq!(weights.dims(), [1, 2, 5, 3 + 5]);
/// let of_the_future: f32 = weights.slice([0..1, 0..2, 0..1, 4..8]).sum().into_scalar();
/// assert_eq!(of_the_future, 0.0);
/// ```
#[derive(Module, Debug)]
pub struct MemorySelfAttention {
    /// Queries, keys and values, `[D, 3 D]`.
    pub qkv: Linear,
    /// Keys of the slots, `[M, D]`.
    pub slot_key: Param<Tensor<2>>,
    /// Values of the slots, `[M, D]`.
    pub slot_value: Param<Tensor<2>>,
    /// From the joined heads back, `[D, D]`.
    pub output: Linear,
    n_heads: usize,
    dropout: f64,
}

/// Sizes of self-attention with slots.
#[derive(Config, Debug)]
pub struct MemorySelfAttentionConfig {
    /// Width D of queries, keys, values and result; a multiple of `n_heads`.
    pub d_model: usize,
    /// Number of heads H, each of width `K = D / H`.
    pub n_heads: usize,
    /// Number of slots M, at least 1.
    pub slots: usize,
    /// Whether the maps have biases. Default true, as in PyTorch's attention.
    #[config(default = true)]
    pub bias: bool,
    /// Probability of dropping a weight, in `[0, 1)`. Default 0, as in
    /// [`MultiHeadAttentionConfig`](crate::MultiHeadAttentionConfig).
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl MemorySelfAttentionConfig {
    /// Self-attention with slots, with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If `d_model` is not a multiple of `n_heads`, or there are no slots.
    pub fn init(&self, init: &Init) -> MemorySelfAttention {
        let Self {
            d_model,
            n_heads,
            slots,
            bias,
            dropout,
        } = *self;
        assert!(
            n_heads > 0 && d_model.is_multiple_of(n_heads) && slots > 0,
            "MemorySelfAttention: expected d_model to be a multiple of n_heads = {n_heads} and at least one slot, \
             got {d_model} and {slots} slots"
        );
        let form = |map: Linear| if bias { map } else { map.without_bias() };
        MemorySelfAttention {
            qkv: form(Linear::packed(d_model, &[d_model; 3], &init.at("qkv"))),
            slot_key: init.at("slot_key").normal([slots, d_model], 1.0),
            slot_value: init.at("slot_value").normal([slots, d_model], 1.0),
            output: form(Linear::new(d_model, d_model, &init.at("output"))),
            n_heads,
            dropout,
        }
    }
}

impl MemorySelfAttention {
    /// `x: [B, T, D]`; the context has the same shape, weights (if the pass wants them) are `[B, H, T, M + T]`.
    pub fn forward(&self, x: Tensor<3>, mask: &AttentionMask, pass: &Pass) -> AttentionOutput {
        by_rows(x, |x, layout| {
            self.attend(x, layout, mask.clone(), None, pass)
        })
    }

    /// The form that blocks call: `x: [N, D]` to `[N, D]`. With a cache, `x` holds the positions that follow those in it;
    /// slots are no part of it.
    pub fn attend(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        mask: AttentionMask,
        cache: Option<&mut KeyValueCache>,
        pass: &Pass,
    ) -> (Mapped<'_>, Option<Tensor<4>>) {
        let qkv = layout.unflatten(self.qkv.forward(x));
        let [query, key, value] = split_columns(&qkv, [qkv.dims()[2] / 3; 3]);
        let (key, value) = match cache {
            Some(cache) => cache.append(key, value),
            None => (key, value),
        };
        let attended = memory_attention(
            query,
            key,
            value,
            self.slot_key.val(),
            self.slot_value.val(),
            options(self.n_heads, mask, self.dropout, pass),
        );
        let context = self.output.of(layout.flatten(attended.context));
        (context, attended.weights)
    }
}
