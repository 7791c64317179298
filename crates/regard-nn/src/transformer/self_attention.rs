//! The self-attention of a layer, of any kind.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{PositionKind, SelfAttentionKind, TransformerConfig};
use crate::{
    AttentionMask, Init, KeyValueCache, Layout, LinearAttention, LinearAttentionConfig,
    LinearAttentionState, Mapped, MemorySelfAttention, MemorySelfAttentionConfig,
    MultiHeadAttentionConfig, MultiHeadSelfAttention, Pass, Rows,
};

/// The self-attention of a layer.
#[derive(Module, Debug)]
pub(super) enum SelfAttention {
    /// `full` and `window`.
    MultiHead(MultiHeadSelfAttention),
    /// `linear`.
    Linear(LinearAttention),
    /// `memory`.
    Memory(MemorySelfAttention),
}

/// What a layer keeps of the positions that it has seen.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each layer, and all are of one variant"
)]
pub(super) enum Past {
    /// Their keys and values.
    Keys(KeyValueCache),
    /// Sums over them.
    Sums(LinearAttentionState),
}

/// Attention with scores, as every layer has it.
pub(super) fn multi_head(config: &TransformerConfig) -> MultiHeadAttentionConfig {
    MultiHeadAttentionConfig::new(config.d_model, config.n_heads)
        .with_n_kv_heads(config.n_kv_heads)
        .with_query_key_norm(config.query_key_norm)
        .with_normalizer(config.normalizer)
        .with_bias(config.bias)
        .with_dropout(config.attention_dropout)
}

impl SelfAttention {
    pub(super) fn new(config: &TransformerConfig, init: &Init) -> Self {
        match config.attention {
            SelfAttentionKind::Full | SelfAttentionKind::Window => {
                let is_windowed = config.attention == SelfAttentionKind::Window;
                let rotary = config.positions == PositionKind::Rotary;
                let relative = config.positions == PositionKind::Shaw;
                let attention = multi_head(config)
                    .with_window(is_windowed.then(|| config.window()))
                    .with_rotary(rotary.then(|| config.rotary()))
                    .with_relative(relative.then(|| config.max_distance()));
                Self::MultiHead(attention.init_self(init))
            }
            SelfAttentionKind::Linear => {
                let attention = LinearAttentionConfig::new(config.d_model, config.n_heads)
                    .with_features(config.feature_map.unwrap_or_default())
                    .with_bias(config.bias);
                Self::Linear(attention.init(init))
            }
            SelfAttentionKind::Memory => {
                let slots = config.memory_slots();
                let attention =
                    MemorySelfAttentionConfig::new(config.d_model, config.n_heads, slots)
                        .with_bias(config.bias)
                        .with_dropout(config.attention_dropout);
                Self::Memory(attention.init(init))
            }
        }
    }

    /// Before the first position.
    pub(super) fn start(&self) -> Past {
        match self {
            Self::MultiHead(_) | Self::Memory(_) => Past::Keys(KeyValueCache::default()),
            Self::Linear(_) => Past::Sums(LinearAttentionState::default()),
        }
    }

    /// `x: [N, D]` to `[N, D]`, and weights of the sequence `[B, H, T, S]` if the pass wants them. With a past, `x` holds the
    /// positions that follow it.
    pub(super) fn attend(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        mask: AttentionMask,
        bias: Option<Tensor<4>>,
        past: Option<&mut Past>,
        pass: &Pass,
    ) -> (Mapped<'_>, Option<Tensor<4>>) {
        match self {
            Self::MultiHead(attention) => {
                attention.attend(x, layout, mask, bias, past.map(Past::keys), pass)
            }
            Self::Linear(attention) => {
                attention.attend(x, layout, mask, past.map(Past::sums), pass)
            }
            Self::Memory(attention) => {
                let (context, weights) =
                    attention.attend(x, layout, mask, past.map(Past::keys), pass);
                let slots = attention.slot_key.val().dims()[0];
                let of_sequence = |weights: Tensor<4>| {
                    let [rows, heads, queries, keys] = weights.dims();
                    weights.slice([0..rows, 0..heads, 0..queries, slots..keys])
                };
                (context, weights.map(of_sequence))
            }
        }
    }
}

impl Past {
    fn keys(&mut self) -> &mut KeyValueCache {
        match self {
            Self::Keys(cache) => cache,
            Self::Sums(_) => unreachable!("a past made by another kind of attention"),
        }
    }

    fn sums(&mut self) -> &mut LinearAttentionState {
        match self {
            Self::Sums(state) => state,
            Self::Keys(_) => unreachable!("a past made by another kind of attention"),
        }
    }
}

impl Rows for Past {
    fn select(self, rows: &[usize]) -> Self {
        match self {
            Self::Keys(cache) => Self::Keys(cache.select(rows)),
            Self::Sums(state) => Self::Sums(state.select(rows)),
        }
    }
}
