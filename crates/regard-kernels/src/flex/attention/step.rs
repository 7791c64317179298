//! A few queries, as when decoding: every key is read once for each, where it stands, and nothing is turned or kept.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::problem::{KEYS, Problem};
use super::product::{Left, PANEL, Right, product};
use super::rows::{Absorb, Finish, NOTHING};

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
            Arch::new().dispatch(Dots {
                scores: &mut scores[..count],
                query: &problem.query.at(row, query, head * heads.width)[..heads.width],
                keys: problem.key.at(row, first, head / groups * heads.width),
                stride: problem.key.stride,
                scale: problem.scale,
            });
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
                weights: &mut [],
                dropout: None,
                place: [row, head, query, first],
            });
            product(
                context,
                heads.value_width,
                [1, heads.value_width, count],
                Left::Rows(&scores, count),
                Right::Rows(
                    problem
                        .value
                        .at(row, first, head / groups * heads.value_width),
                    problem.value.stride,
                ),
                1.0,
                true,
            );
        }
        Arch::new().dispatch(Finish {
            context,
            width: heads.value_width,
            states: &mut state,
        });
    }
}

/// Scaled products of a query with keys that begin `stride` apart.
struct Dots<'a> {
    scores: &'a mut [f32],
    query: &'a [f32],
    keys: &'a [f32],
    stride: usize,
    scale: f32,
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.query.len();
        let (query, query_rest) = S::as_simd_f32s(self.query);
        let query_rest = simd.partial_load_f32s(query_rest);
        for (i, score) in self.scores.iter_mut().enumerate() {
            // The stride of a single key may be less than its width.
            let key = &self.keys[i * self.stride..][..width];
            let (key, key_rest) = S::as_simd_f32s(key);
            let mut sum = simd.mul_f32s(query_rest, simd.partial_load_f32s(key_rest));
            for (&query, &key) in query.iter().zip(key) {
                sum = simd.mul_add_e_f32s(query, key, sum);
            }
            *score = self.scale * simd.reduce_sum_f32s(sum);
        }
    }
}
