//! The gradient of a bias: a pass of its own, since others have no use for it.

use std::ops::Range;

use super::super::simd::{sum, vectorized};
use super::backward::Pass;
use super::problem::{Problem, QUERIES, tile};
use super::tile::{Keys, Scratch};

impl Pass<'_> {
    /// The gradient of a bias of this shape: that of the scores, summed over the axes that the bias does not have.
    pub(super) fn bias(&self, shape: &[usize]) -> Vec<f32> {
        let Problem {
            batch, t, s, heads, ..
        } = *self.problem;
        let mut gradient = vec![0.0; shape.iter().product()];
        if self.problem.is_empty() {
            return gradient;
        }
        let [own_queries, own_keys] = [shape[2], shape[3]];
        let tasks = gradient
            .chunks_mut(own_queries * own_keys)
            .enumerate()
            .flat_map(|(i, data)| {
                let parts = data.chunks_mut(QUERIES * own_keys).enumerate();
                parts.map(move |(tile, data)| (i / shape[1], i % shape[1], tile * QUERIES, data))
            })
            .collect();
        let own = |size: usize, i: usize, all: usize| if size == 1 { 0..all } else { i..i + 1 };
        self.problem.for_each(
            tasks,
            || Scratch::new(self.problem, true),
            |scratch, (row, head, first, data): (_, _, _, &mut [f32])| {
                let queries = match own_queries {
                    1 => 0..t,
                    _ => tile(first, QUERIES, t),
                };
                let mut add = |scratch: &Scratch, keys: Keys, _, queries: Range<usize>| {
                    let rows = scratch.gradients.chunks_exact(keys.stride());
                    for (query, scores) in queries.zip(rows) {
                        let scores = &scores[..keys.count];
                        let at = if own_queries == 1 { 0 } else { query - first };
                        if own_keys == 1 {
                            data[at] += vectorized(
                                #[inline(always)]
                                || sum(scores, |score| score),
                            );
                        } else {
                            let line = &mut data[at * own_keys + keys.first..];
                            line.iter_mut()
                                .zip(scores)
                                .for_each(|(sum, score)| *sum += score);
                        }
                    }
                };
                for row in own(shape[0], row, batch) {
                    for head in own(shape[1], head, heads.queries) {
                        self.each_tile(scratch, row, head..head + 1, [&queries, &(0..s)], &mut add);
                    }
                }
            },
        );
        gradient
    }
}
