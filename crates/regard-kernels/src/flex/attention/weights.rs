//! The weights themselves, for those who want to look at them.

use super::super::simd::{softmax, vectorized};
use super::problem::{KEYS, Problem, QUERIES, Visible, tile};
use super::tile::{Keys, Scratch};
use super::transpose::PANEL;

/// Weights before dropout, `[B, H, T, S]`.
pub(super) fn weights(problem: &Problem<'_>) -> Vec<f32> {
    let Problem {
        batch, t, s, heads, ..
    } = *problem;
    let mut weights = vec![0.0; batch * heads.queries * t * s];
    if problem.is_empty() {
        return weights;
    }
    let visible = Visible::new(problem);
    let tasks = weights
        .chunks_mut(t * s)
        .enumerate()
        .flat_map(|(i, weights)| {
            let tiles = weights.chunks_mut(QUERIES * s).enumerate();
            tiles.map(move |(tile, weights)| (i / heads.queries, i % heads.queries, tile, weights))
        })
        .collect();
    problem.for_each(
        tasks,
        || Scratch::new(problem, false),
        |scratch, (row, head, number, weights): (_, _, _, &mut [f32])| {
            let queries = tile(number * QUERIES, QUERIES, t);
            let hull = visible.hull(row, queries.start);
            for start in (hull.start / PANEL * PANEL..hull.end).step_by(KEYS) {
                let keys = Keys {
                    row,
                    head: head / (heads.queries / heads.keys),
                    first: start,
                    count: tile(start, KEYS, hull.end).len(),
                    offset: 0,
                };
                scratch.turn_keys(problem, keys);
                scratch.score(problem, &visible, keys, head, queries.clone());
                let scores = scratch.scores.chunks_exact(keys.stride());
                for (weights, scores) in weights.chunks_exact_mut(s).zip(scores) {
                    weights[start..start + keys.count].copy_from_slice(&scores[..keys.count]);
                }
            }
            vectorized(
                #[inline(always)]
                || {
                    for (query, weights) in queries.zip(weights.chunks_exact_mut(s)) {
                        let range = visible.range(row, query);
                        weights[..range.start].fill(0.0);
                        weights[range.end..].fill(0.0);
                        if !range.is_empty() {
                            softmax(&mut weights[range]);
                        }
                    }
                },
            );
        },
    );
    weights
}
