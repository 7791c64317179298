//! The kinds of attention, one file each: a pure function, then a module with parameters.

mod multi_head;

use regard_kernels::AttentionOptions;

pub use multi_head::{MultiHeadAttentionConfig, MultiHeadCrossAttention, MultiHeadSelfAttention};

use crate::{AttentionMask, Pass};

/// The options of a layer that is called with a mask and a pass.
pub(crate) fn options(
    n_heads: usize,
    mask: AttentionMask,
    dropout: f64,
    pass: &Pass,
) -> AttentionOptions {
    AttentionOptions {
        mask,
        dropout: pass.at("attention").attention_dropout(dropout),
        weights: pass.wants_attention(),
        ..AttentionOptions::new(n_heads)
    }
}
