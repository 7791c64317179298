//! A few queries, as when decoding: every key is read once for each, where it stands, and nothing is turned or kept.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::problem::{KEYS, Problem};
use super::product::{Left, Right, product};
use super::rows::{Absorb, Finish, NOTHING};
use super::transpose::PANEL;

/// From how many queries on it pays to turn keys.
const MANY: usize = 5;
/// Multiply-adds of a task.
const TASK: usize = 1 << 17;

/// Whether [`step`] computes this.
pub(super) fn serves(problem: &Problem<'_>) -> bool {
    problem.t < MANY && problem.dropout.is_none()
}

/// The context, `[B, T, H K_v]`.
pub(super) fn step(problem: &Problem<'_>) -> Vec<f32> {
    let width = problem.t * problem.context_width();
    let mut context = vec![0.0; problem.batch * width];
    if problem.is_empty() {
        return context;
    }
    let work = problem.t * problem.s * problem.heads.queries * problem.heads.width;
    let rows = TASK.div_ceil(work);
    let block = |(i, context): (usize, &mut [f32])| {
        for (row, context) in context.chunks_mut(width).enumerate() {
            of_row(problem, i * rows + row, context);
        }
    };
    if rows >= problem.batch {
        block((0, &mut context));
    } else {
        context
            .par_chunks_mut(rows * width)
            .enumerate()
            .for_each(block);
    }
    context
}

fn of_row(problem: &Problem<'_>, row: usize, context: &mut [f32]) {
    let heads = problem.heads;
    let groups = heads.queries / heads.keys;
    for (i, context) in context.chunks_mut(heads.value_width).enumerate() {
        let (query, head) = (i / heads.queries, i % heads.queries);
        let visible = problem
            .mask
            .visible_range(row, query, [problem.t, problem.s]);
        let mut state = [NOTHING];
        let mut scores = [0.0; KEYS];
        for first in visible.clone().step_by(KEYS) {
            let count = (visible.end - first).min(KEYS);
            let key_column = head / groups * heads.width;
            let query_row = &problem.query.at(row, query, head * heads.width)[..heads.width];
            match problem.origins {
                None => {
                    let keys = problem.key.at(row, first, key_column);
                    Arch::new().dispatch(Dots {
                        scores: &mut scores[..count],
                        query: query_row,
                        key: |i| &keys[i * problem.key.stride..],
                        scale: problem.scale,
                    });
                }
                Some(origins) => Arch::new().dispatch(Dots {
                    scores: &mut scores[..count],
                    query: query_row,
                    key: |i| {
                        let position = first + i;
                        problem
                            .key
                            .at(origins.row(row, position), position, key_column)
                    },
                    scale: problem.scale,
                }),
            }
            if let Some(bias) = &problem.bias {
                bias.add_to(&mut scores[..count], [row, head, query], first);
            }
            let stride = count.next_multiple_of(PANEL);
            problem.block(&mut scores[..stride], row, query, visible.clone(), first);
            Arch::new().dispatch(Absorb {
                scores: &mut scores[..stride],
                stride,
                states: &mut state,
                n_heads: 1,
                context: (first > visible.start).then_some((&mut *context, heads.value_width)),
                width: heads.value_width,
                weights: None,
                dropout: None,
                place: [row, head, query, first],
            });
            let value_column = head / groups * heads.value_width;
            match problem.origins {
                None => {
                    let values = problem.value.at(row, first, value_column);
                    product(
                        context,
                        heads.value_width,
                        [1, heads.value_width, count],
                        Left::Rows(&scores, count),
                        Right::Rows(values, problem.value.stride),
                        1.0,
                        true,
                    );
                }
                Some(origins) => Arch::new().dispatch(Mean {
                    context,
                    weights: &scores[..count],
                    value: |i| {
                        let position = first + i;
                        let row = origins.row(row, position);
                        problem.value.at(row, position, value_column)
                    },
                }),
            }
        }
        Arch::new().dispatch(Finish {
            context,
            width: heads.value_width,
            states: &mut state,
        });
    }
}

/// Scaled products of a query with keys, the i-th of which `key` finds.
struct Dots<'a, K> {
    scores: &'a mut [f32],
    query: &'a [f32],
    key: K,
    scale: f32,
}

impl<'a, K: Fn(usize) -> &'a [f32]> WithSimd for Dots<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (query, query_rest) = S::as_simd_f32s(self.query);
        let query_rest = simd.partial_load_f32s(query_rest);
        for (i, score) in self.scores.iter_mut().enumerate() {
            let key = &(self.key)(i)[..self.query.len()];
            let (key, key_rest) = S::as_simd_f32s(key);
            let mut sum = simd.mul_f32s(query_rest, simd.partial_load_f32s(key_rest));
            for (&query, &key) in query.iter().zip(key) {
                sum = simd.mul_add_e_f32s(query, key, sum);
            }
            *score = self.scale * simd.reduce_sum_f32s(sum);
        }
    }
}

/// Adds a weighted sum of values, the i-th of which `value` finds. In the order of [`product`], and so with its bits.
struct Mean<'a, V> {
    context: &'a mut [f32],
    weights: &'a [f32],
    value: V,
}

impl<'a, V: Fn(usize) -> &'a [f32]> WithSimd for Mean<'_, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (columns, lanes) = (self.context.len(), S::F32_LANES);
        let mut column = 0;
        while column + 4 * lanes <= columns {
            self.strip::<S, 4>(simd, column);
            column += 4 * lanes;
        }
        while column + lanes <= columns {
            self.strip::<S, 1>(simd, column);
            column += lanes;
        }
        if column < columns {
            let mut sum = simd.splat_f32s(0.0);
            for (i, &weight) in self.weights.iter().enumerate() {
                let part = simd.partial_load_f32s(&(self.value)(i)[column..columns]);
                sum = simd.mul_add_e_f32s(simd.splat_f32s(weight), part, sum);
            }
            let part = &mut self.context[column..];
            let old = simd.partial_load_f32s(part);
            simd.partial_store_f32s(part, simd.add_f32s(old, sum));
        }
    }
}

impl<'a, V: Fn(usize) -> &'a [f32]> Mean<'_, V> {
    /// The columns that `N` registers hold.
    #[inline(always)]
    fn strip<S: Simd, const N: usize>(&mut self, simd: S, column: usize) {
        let columns = column..column + N * S::F32_LANES;
        let mut sums = [simd.splat_f32s(0.0); N];
        for (i, &weight) in self.weights.iter().enumerate() {
            let weight = simd.splat_f32s(weight);
            let parts = S::as_simd_f32s(&(self.value)(i)[columns.clone()]).0;
            for (sum, &part) in sums.iter_mut().zip(parts) {
                *sum = simd.mul_add_e_f32s(weight, part, *sum);
            }
        }
        let parts = S::as_mut_simd_f32s(&mut self.context[columns]).0;
        for (part, sum) in parts.iter_mut().zip(sums) {
            *part = simd.add_f32s(*part, sum);
        }
    }
}
