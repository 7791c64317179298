//! What a transformer can be made of.

use serde::{Deserialize, Serialize};

/// How a sequence attends to itself, in encoder and decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelfAttentionKind {
    /// Every position sees every position; those of the decoder themselves and those before them.
    Full,
    /// Positions see `window` neighbours to each side, those of the decoder before them only. The cost grows with the length,
    /// unless positions act on scores as a bias (`alibi`, `t5`, `shaw`): that has a number for each pair.
    Window,
    /// Attention without softmax, by sums of products: see [`linear_attention`](crate::linear_attention).
    Linear,
    /// As `full`, with `memory_slots` learned keys and values beside those of the sequence.
    Memory,
}

/// How a model knows the order of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PositionKind {
    /// Sines and cosines, added to the embeddings.
    Sinusoidal,
    /// A learned vector for each of `max_positions` positions, added to the embeddings.
    Learned,
    /// Queries and keys of self-attention are turned by their position.
    Rotary,
    /// A penalty on the scores of self-attention, linear in the distance.
    Alibi,
    /// A learned bias on the scores for each bucket of distances, shared by the layers of a stack. Scores are divided by
    /// `sqrt(K)` as everywhere, where T5 leaves that to its initial weights.
    T5,
    /// Learned vectors for clipped distances, added to the keys of every layer.
    Shaw,
    /// Not at all: only the decoder's causal mask tells order.
    None,
}

/// Where the norm of a residual connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResidualForm {
    /// `x + f(norm(x))`, with one more norm behind the last layer.
    Pre,
    /// `norm(x + f(x))`, as in the paper.
    Post,
}

/// Which of source embedding, target embedding and output map are one matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tying {
    /// All three.
    All,
    /// Target embedding and output map.
    Output,
    /// None.
    None,
}
