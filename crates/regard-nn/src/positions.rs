//! How a model knows the order of its tokens, one file each: a pure function, then a module where there are parameters.
//!
//! Vectors that are added to tokens ([`sinusoids`], [`LearnedPositions`]), a rotation of queries and keys ([`Rotary`]),
//! and numbers that are added to scores ([`alibi_bias`], [`RelativeBuckets`], [`RelativeVectors`]).
//!
//! All take where a sequence starts, or put the last of T queries at the last of S keys as masks do: what a step gets
//! for its own position is what it would have got among all others.

mod alibi;
mod learned;
mod rotary;
mod shaw;
mod sinusoidal;
mod t5;

pub use alibi::{alibi_bias, alibi_slopes};
pub use learned::{LearnedPositions, LearnedPositionsConfig};
pub use rotary::{Rotary, RotaryPairing, rotary};
pub use shaw::{RelativeVectors, RelativeVectorsConfig, relative_scores, relative_values};
pub use sinusoidal::{SinusoidLayout, Sinusoids, Wavelengths, sinusoids};
pub use t5::{RelativeBuckets, RelativeBucketsConfig, relative_bucket};

/// How far key j stands behind query i, `j - (i + S - T)`, for every pair of `[T, S]`, row by row.
fn distances([t, s]: [usize; 2]) -> impl Iterator<Item = i32> {
    let [t, s] = [t, s].map(|size| i32::try_from(size).expect("positions stay below 2^31"));
    (0..t).flat_map(move |i| (0..s).map(move |j| j - (i + s - t)))
}
