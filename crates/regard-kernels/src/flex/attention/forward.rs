//! The forward pass: softmax and weighted mean tile by tile, with a running maximum and a running sum.
//!
//! Milakov, Gimelshein. Online normalizer calculation for softmax. 2018. <https://arxiv.org/abs/1805.02867>

#![allow(unsafe_code, reason = "the context is written once, not zeroed first")]

use std::mem::MaybeUninit;

use pulp::Arch;

use super::problem::{KEYS, Problem, QUERIES, Visible, tile, zeroed};
use super::product::{Left, PANEL, Right, product};
use super::rows::{Absorb, Finish, NOTHING, State};
use super::tile::{Keys, Scratch};

/// A tile of queries of one row, with the rows of the context and the states, `[T, H]`, that belong to it.
struct Task<'a> {
    row: usize,
    first: usize,
    context: &'a mut [MaybeUninit<f32>],
    states: &'a mut [State],
    /// The weights of all heads, if they are kept.
    weights: &'a mut [MaybeUninit<f32>],
}

/// What the backward pass needs to know about the weights.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// For each query and head, `[B, T, H]`, the largest score and what a sum of exponentials is multiplied by to be 1; or by
    /// 0 where every key is blocked.
    pub(super) states: Vec<State>,
    /// The weights before dropout where one tile holds all keys, `[B, T, H, S]` with S rounded up to whole panels; else
    /// nothing, so that no more is kept than there are positions.
    pub(super) weights: Vec<f32>,
}

/// The context, `[B, T, H K_v]`, and what the backward pass needs, if there is to be one.
pub(super) fn forward(problem: &Problem<'_>, tracked: bool) -> (Vec<f32>, Kept) {
    let (width, n_heads, t) = (problem.context_width(), problem.heads.queries, problem.t);
    let rows = problem.batch * t;
    let mut states = vec![NOTHING; rows * n_heads];
    if problem.is_empty() {
        let weights = Vec::new();
        return (vec![0.0; rows * width], Kept { states, weights });
    }
    let of_query = if tracked && problem.s <= KEYS {
        n_heads * problem.s.next_multiple_of(PANEL)
    } else {
        0
    };
    let mut context = Vec::with_capacity(rows * width);
    let mut weights = Vec::with_capacity(rows * of_query);
    let visible = Visible::new(problem);

    let room = &mut context.spare_capacity_mut()[..rows * width];
    let mut kept = &mut weights.spare_capacity_mut()[..rows * of_query];
    let mut tasks = Vec::new();
    let of_rows = room
        .chunks_mut(t * width)
        .zip(states.chunks_mut(t * n_heads));
    for (row, (context, states)) in of_rows.enumerate() {
        let tiles = context.chunks_mut(QUERIES * width);
        let tiles = tiles.zip(states.chunks_mut(QUERIES * n_heads));
        for (i, (context, states)) in tiles.enumerate() {
            let weights = kept.split_off_mut(..states.len() / n_heads * of_query);
            tasks.push(Task {
                row,
                first: i * QUERIES,
                context,
                states,
                weights: weights.expect("room for every query"),
            });
        }
    }
    problem.for_each(
        tasks,
        || Scratch::new(problem),
        |scratch, task| work(problem, &visible, scratch, task),
    );
    // SAFETY: every element is in the part of one task, which wrote it.
    unsafe {
        context.set_len(rows * width);
        weights.set_len(rows * of_query);
    }
    (context, Kept { states, weights })
}

fn work(problem: &Problem<'_>, visible: &Visible, scratch: &mut Scratch, task: Task<'_>) {
    let Task {
        row, first, states, ..
    } = task;
    let (context, weights) = (zeroed(task.context), zeroed(task.weights));
    let (n_heads, value_width) = (problem.heads.queries, problem.heads.value_width);
    let context_width = problem.context_width();
    let count = states.len() / n_heads;
    let kept_stride = weights.len() / count;
    let hull = visible.hull(row, first);
    let first_key = hull.start / PANEL * PANEL;
    for key_head in 0..problem.heads.keys {
        for start in (first_key..hull.end).step_by(KEYS) {
            let keys = Keys {
                row,
                head: key_head,
                first: start,
                count: tile(start, KEYS, hull.end).len(),
                offset: 0,
            };
            scratch.turn_keys(problem, keys);
            let values = problem.value.at(row, start, key_head * value_width);
            for head in problem.group(key_head) {
                scratch.score(problem, visible, keys, head, first..first + count);
                let context = &mut context[head * value_width..];
                let begun = start > first_key;
                Arch::new().dispatch(Absorb {
                    scores: &mut scratch.scores,
                    stride: keys.stride(),
                    states: &mut states[head..],
                    n_heads,
                    context: begun.then_some((&mut *context, context_width)),
                    width: value_width,
                    weights: match kept_stride {
                        0 => None,
                        _ => Some((
                            &mut weights[head * kept_stride / n_heads + start..],
                            kept_stride,
                        )),
                    },
                    dropout: problem.dropout,
                    place: [row, head, first, start],
                });
                product(
                    context,
                    context_width,
                    [count, value_width, keys.count],
                    Left::Rows(&scratch.scores, keys.stride()),
                    Right::Rows(values, problem.value.stride),
                    1.0,
                    true,
                );
            }
        }
    }
    Arch::new().dispatch(Finish {
        context,
        width: value_width,
        states,
    });
}
