#![doc = include_str!("../README.md")]
//!
//! # Dimensions
//!
//! B batch, S source length, T target length, D model width, H heads, K width per head, F feed-forward width,
//! V vocabulary, R rows of a decoder state (B times the beam width W), N rows of an activation matrix: those that a
//! [`Layout`] tells, `B * T` where padding is carried along, the sum of the lengths where it is not.
//!
//! # Conventions
//!
//! - Between attention calls activations are matrices `[N, D]`, so every linear map is one two-dimensional
//!   product, and padding can be left out of it.
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
mod output;
mod pass;
mod positions;
mod residual;
mod rnn;
mod sampling;
mod seq2seq;
mod transformer;

pub use attention::{
    AdditiveAttention, AdditiveAttentionConfig, AttentionPooling, AttentionPoolingConfig,
    FeatureMap, GraphAttention, GraphAttentionConfig, GraphAttentionOutput, HardAttention,
    HardAttentionConfig, HardAttentionOptions, HardAttentionOutput, HardEstimator,
    HopfieldAttention, HopfieldAttentionConfig, LinearAttention, LinearAttentionConfig,
    LinearAttentionOptions, LinearAttentionState, LocalAlignment, LocalAttention,
    LocalAttentionConfig, LocalWindow, LuongAttention, LuongAttentionConfig, LuongScore,
    MemorySelfAttention, MemorySelfAttentionConfig, MultiHeadAttentionConfig,
    MultiHeadCrossAttention, MultiHeadSelfAttention, ProjectedMemory, QueryKeyNorm, ReinforceLoss,
    ReinforceLossConfig, Settling, additive_attention, attention_pooling, edges_to_pairs,
    graph_attention, hard_attention, hard_attention_from_scores, hopfield_energy,
    hopfield_retrieve, linear_attention, local_attention, memory_attention,
    multiplicative_attention, pooling_penalty, sliding_window_attention,
};
pub use batch::{Batch, TargetRows, Tokens, WIDTH_STEP, device_id};
pub use cache::KeyValueCache;
pub use embedding::Embedding;
pub use feed_forward::{Activation, FeedForward, FeedForwardConfig};
pub use init::Init;
pub use layout::Layout;
pub use linear::{Linear, Mapped};
pub use loss::{LossSum, cross_entropy, hidden_states, r_drop};
pub use model::{Model, ModelConfig};
pub use norm::{LayerNorm, Norm, NormKind, RmsNorm};
pub use pass::{Pass, Precision};
pub use positions::{
    LearnedPositions, LearnedPositionsConfig, RelativeBuckets, RelativeBucketsConfig,
    RelativeVectors, RelativeVectorsConfig, Rotary, RotaryPairing, SinusoidLayout, Sinusoids,
    Wavelengths, alibi_bias, alibi_slopes, relative_bucket, relative_scores, relative_values,
    rotary, sinusoids,
};
pub use regard_kernels::{
    AttentionMask, AttentionOptions, AttentionOutput, Direction, Draws, Graph, Key, Normalizer,
    RecurrentCell, Sequences, Window, attention, attention_from_scores, attention_weights, gumbel,
};
pub use residual::{Residual, ResidualConfig, Summand};
pub use rnn::{
    Encoded, LuongAlignment, LuongScoreKind, ReadoutKind, Recurrent, RecurrentConfig,
    RecurrentEncoder, RecurrentEncoderConfig, Rnn, RnnConfig, RnnKind, RnnMemory, RnnState,
};
pub use sampling::scheduled_sampling;
pub use seq2seq::{AttentionKind, AttentionMap, Decoded, Output, Rows, Seq2Seq, Step};
pub use transformer::{
    PositionKind, ResidualForm, SelfAttentionKind, Transformer, TransformerConfig,
    TransformerMemory, TransformerState, Tying,
};
