#![doc = include_str!("../README.md")]
//!
//! # Dimensions
//!
//! B batch, S source length, T target length, D model width, H heads, K width per head, F feed-forward width,
//! V vocabulary, R rows of a decoder state (B times the beam width W), N rows of an activation matrix: `B * T`,
//! padding included, with position t of example b at row `b * T + t`.
//!
//! # Conventions
//!
//! - Between attention calls activations are matrices `[N, D]`, so every linear map is one two-dimensional product.
//! - Masks are an [`AttentionMask`]; `true` = blocked. Padding comes from lengths, never from an id.
//! - Randomness comes through [`Pass`] and [`Init`]; there is no global generator.
#![forbid(unsafe_code)]

mod attention;
mod batch;
mod cache;
mod embedding;
mod feed_forward;
mod init;
mod layout;
mod linear;
mod loss;
mod model;
mod norm;
mod pass;
mod residual;
mod seq2seq;
mod transformer;

pub use attention::{
    MultiHeadAttentionConfig, MultiHeadCrossAttention, MultiHeadSelfAttention, QueryKeyNorm,
};
pub use batch::{Batch, Source, TargetRows, device_id};
pub use cache::KeyValueCache;
pub use embedding::{Embedding, sinusoids};
pub use feed_forward::{FeedForward, FeedForwardConfig};
pub use init::Init;
pub use layout::Layout;
pub use linear::Linear;
pub use loss::{LossSum, cross_entropy};
pub use model::{Model, ModelConfig};
pub use norm::LayerNorm;
pub use pass::Pass;
pub use regard_kernels::{
    AttentionMask, AttentionOptions, AttentionOutput, Graph, Key, Normalizer, Window, attention,
    attention_from_scores, attention_weights,
};
pub use residual::Residual;
pub use seq2seq::{AttentionKind, AttentionMap, Decoded, Output, Rows, Seq2Seq, Step};
pub use transformer::{
    ResidualForm, Transformer, TransformerConfig, TransformerMemory, TransformerState, Tying,
};
