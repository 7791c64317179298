//! The kinds of attention, one file each: a pure function, then a module with parameters.

mod cross_attention;
mod multi_head;
mod self_attention;

use regard_kernels::AttentionOptions;

pub use cross_attention::MultiHeadCrossAttention;
pub use multi_head::{MultiHeadAttentionConfig, QueryKeyNorm};
pub use self_attention::MultiHeadSelfAttention;

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
