//! Additive attention of one state to its memory, and its derivative.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use super::super::simd::{folded, sum_pairs, tanh};

/// Scores of a query with keys that stand side by side.
#[inline(always)]
pub(super) fn scores(query: &[f32], keys: &[f32], weight: &[f32], scores: &mut [f32]) {
    for (score, key) in scores.iter_mut().zip(keys.chunks_exact(query.len())) {
        let (queries, last_queries) = query.as_chunks::<16>();
        let (keys, last_keys) = key.as_chunks::<16>();
        let (weights, last_weights) = weight.as_chunks::<16>();
        let mut lanes = [0.0; 16];
        for ((query, key), weight) in queries.iter().zip(keys).zip(weights) {
            for (((lane, q), k), w) in lanes.iter_mut().zip(query).zip(key).zip(weight) {
                *lane += w * tanh(q + k);
            }
        }
        *score = folded(&lanes);
        for ((q, k), w) in last_queries.iter().zip(last_keys).zip(last_weights) {
            *score += w * tanh(q + k);
        }
    }
}

/// Gradients of scores, from the gradient of the context and from weights and values.
#[inline(always)]
pub(super) fn differentiate_weights(
    gradient: &[f32],
    weights: &[f32],
    values: &[f32],
    d_scores: &mut [f32],
) {
    for (d_score, value) in d_scores.iter_mut().zip(values.chunks_exact(gradient.len())) {
        *d_score = sum_pairs(gradient, value, |g, v| g * v);
    }
    let mean = sum_pairs(d_scores, weights, |d, w| d * w);
    for (d_score, weight) in d_scores.iter_mut().zip(weights) {
        *d_score = (*d_score - mean) * weight;
    }
}

/// What the scores' gradients are multiplied with, and what they are added to.
pub(super) struct Scored<'a> {
    pub(super) keys: &'a [f32],
    pub(super) weight: &'a [f32],
    /// The query, which becomes its gradient.
    pub(super) query: &'a mut [f32],
    pub(super) d_weight: &'a mut [f32],
    pub(super) d_keys: &'a mut [f32],
}

/// Gradients of query, weight and keys, from those of the scores.
#[inline(always)]
pub(super) fn differentiate_scores(d_scores: &[f32], scored: Scored<'_>, spare: &mut [f32]) {
    let Scored {
        keys,
        weight,
        query,
        d_weight,
        d_keys,
    } = scored;
    let width = query.len();
    spare.fill(0.0);
    let keys = keys.chunks_exact(width).zip(d_keys.chunks_exact_mut(width));
    for (&d, (key, d_key)) in d_scores.iter().zip(keys) {
        let sums = spare.iter_mut().zip(d_weight.iter_mut());
        let operands = query.iter().zip(key).zip(weight);
        for (((sum, d_weight), d_key), ((q, k), w)) in sums.zip(d_key).zip(operands) {
            let hidden = tanh(q + k);
            let slope = d * ((1.0 - hidden) * (1.0 + hidden));
            *sum += slope;
            *d_weight += d * hidden;
            *d_key += w * slope;
        }
    }
    for ((query, sum), weight) in query.iter_mut().zip(spare).zip(weight) {
        *query = *sum * weight;
    }
}
