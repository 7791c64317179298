//! The kinds of attention, one file each: a pure function, then a module with parameters.

mod additive;
mod cross_attention;
mod graph;
mod hard;
mod hopfield;
mod linear_attention;
mod local;
mod memory;
mod multi_head;
mod multiplicative;
mod pooling;
mod projected;
mod self_attention;
mod window;

use burn::tensor::Tensor;
use regard_kernels::AttentionOptions;

pub use additive::{AdditiveAttention, AdditiveAttentionConfig, additive_attention};
pub use cross_attention::MultiHeadCrossAttention;
pub use graph::{
    GraphAttention, GraphAttentionConfig, GraphAttentionOutput, edges_to_pairs, graph_attention,
};
pub use hard::{
    HardAttention, HardAttentionConfig, HardAttentionOptions, HardAttentionOutput, HardEstimator,
    ReinforceLoss, ReinforceLossConfig, hard_attention, hard_attention_from_scores,
};
pub use hopfield::{
    HopfieldAttention, HopfieldAttentionConfig, Settling, hopfield_energy, hopfield_retrieve,
};
pub use linear_attention::{
    FeatureMap, LinearAttention, LinearAttentionConfig, LinearAttentionOptions,
    LinearAttentionState, linear_attention,
};
pub use local::{
    LocalAlignment, LocalAttention, LocalAttentionConfig, LocalWindow, local_attention,
};
pub use memory::{MemorySelfAttention, MemorySelfAttentionConfig, memory_attention};
pub use multi_head::{MultiHeadAttentionConfig, QueryKeyNorm};
pub use multiplicative::{
    LuongAttention, LuongAttentionConfig, LuongScore, multiplicative_attention,
};
pub use pooling::{AttentionPooling, AttentionPoolingConfig, attention_pooling, pooling_penalty};
pub use projected::ProjectedMemory;
pub use self_attention::MultiHeadSelfAttention;
pub use window::sliding_window_attention;

use crate::{AttentionMask, AttentionOutput, Layout, Mapped, Pass};

/// The options of a layer that is called with a mask and a pass.
pub(crate) fn options(
    n_heads: usize,
    mask: AttentionMask,
    dropout: f64,
    pass: &Pass,
) -> AttentionOptions {
    AttentionOptions {
        mask,
        dropout: pass.at("attention").drawn(dropout),
        weights: pass.wants_attention(),
        ..AttentionOptions::new(n_heads)
    }
}

/// A whole sequence `[B, T, D]` through the form of a layer that works on its rows.
fn by_rows<'a>(
    x: Tensor<3>,
    attend: impl FnOnce(Tensor<2>, &Layout) -> (Mapped<'a>, Option<Tensor<4>>),
) -> AttentionOutput {
    let [batch, length, _] = x.dims();
    let layout = Layout::dense(batch, length);
    let (context, weights) = attend(layout.flatten(x), &layout);
    AttentionOutput {
        context: layout.unflatten(context.value()),
        weights,
    }
}
