//! The backward pass: the weights of a tile are made again, and serve every gradient that needs them.
//!
//! With `p` the weights, `g` the gradient of the context, `m` the factors of dropout and `o` the context:
//!
//! ```text
//! d_weights = (g v^T) m                                    [T, S]
//! d_scores  = p (d_weights - sum_k g_k o_k)                [T, S]
//! d_q = scale d_scores k,  d_k = scale d_scores^T q,  d_v = (p m)^T g
//! ```
//!
//! The sum over the width of the context is the one over keys that softmax has, `sum_j p_j d_weights_j`: this where one
//! tile holds all keys, and what must cancel does so exactly, that where they are more.
//!
//! Dao. `FlashAttention`-2. 2023. <https://arxiv.org/abs/2307.08691>, algorithm 2.

#![allow(unsafe_code, reason = "gradients are written once, not zeroed first")]

use std::mem::MaybeUninit;
use std::ops::Range;

use burn::backend::flex::FlexTensor;
use pulp::Arch;

use super::super::elements;
use super::Place;
use super::forward::Kept;
use super::problem::{KEYS, MANY_ROWS, PART, Problem, QUERIES, Visible, tile, zeroed};
use super::product::{Left, Right, product};
use super::rows::Differentiate;
use super::tile::{Keys, Scratch};
use super::transpose::PANEL;

/// Everything that the gradients are made from.
pub(super) struct Pass<'a> {
    pub(super) problem: &'a Problem<'a>,
    visible: Visible,
    /// `[B, T, H K_v]`, as its gradient.
    context: &'a [f32],
    gradient: &'a [f32],
    kept: &'a Kept,
}

/// Rows of the gradient of one operand: the position of the first, and their memory.
type Rows<'a, T> = Option<(usize, &'a mut [T])>;

/// What a task is to compute: rows of some operands' gradients, for one row of the batch.
struct Task<'a> {
    row: usize,
    rows: [Rows<'a, MaybeUninit<f32>>; 3],
}

/// Where a task writes gradients of q, k and v.
struct Targets<'a> {
    places: [Place; 3],
    /// Width of a row of each operand.
    widths: [usize; 3],
    rows: [Rows<'a, f32>; 3],
    /// Which of q, k and v these are the rows of; packed, they share operands.
    wanted: [bool; 3],
}

impl Targets<'_> {
    /// The memory from a position and a column of q, k or v on, where its gradient is wanted, and the stride of its rows.
    fn at(&mut self, part: usize, position: usize, column: usize) -> Option<(&mut [f32], usize)> {
        let Place {
            operand,
            column: start,
        } = self.places[part];
        let width = self.widths[operand];
        let (first, data) = self.rows[operand].as_mut().filter(|_| self.wanted[part])?;
        Some((
            &mut data[(position - *first) * width + start + column..],
            width,
        ))
    }

    /// The positions of q, k or v that a task has to do with.
    fn positions(&self, part: usize) -> Option<Range<usize>> {
        let operand = self.places[part].operand;
        let (first, data) = self.rows[operand].as_ref()?;
        Some(*first..first + data.len() / self.widths[operand])
    }
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        problem: &'a Problem<'a>,
        context: &'a FlexTensor,
        kept: &'a Kept,
        gradient: &'a FlexTensor,
    ) -> Self {
        Self {
            problem,
            visible: Visible::new(problem),
            context: elements(context),
            gradient: elements(gradient),
            kept,
        }
    }

    /// The gradients of the operands that are wanted.
    ///
    /// Where rows of the batch are few and long, tasks have some queries, for whose gradients they go through all keys, or some
    /// keys, for whose gradients they go through all queries: a single long row has work for many cores, and sums have one
    /// order, but scores are made twice.
    pub(super) fn operands(
        &self,
        places: [Place; 3],
        inputs: &[FlexTensor],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>> {
        let Problem { batch, t, s, .. } = *self.problem;
        let sizes: Vec<[usize; 2]> = inputs
            .iter()
            .map(|input| [input.layout().shape()[1], input.layout().shape()[2]])
            .collect();
        let mut gradients: Vec<Option<Vec<f32>>> = sizes
            .iter()
            .zip(wanted)
            .map(|([length, width], wanted)| {
                wanted.then(|| Vec::with_capacity(batch * length * width))
            })
            .collect();
        if self.problem.is_empty() {
            for (gradient, [length, width]) in gradients.iter_mut().zip(&sizes) {
                if let Some(gradient) = gradient {
                    gradient.resize(batch * length * width, 0.0);
                }
            }
            return gradients;
        }

        let whole = batch >= MANY_ROWS || t.max(s) <= PART;
        let packed = inputs.len() == 1;
        let query_tiles = if whole || packed { 0 } else { t.div_ceil(PART) };
        let tiles = query_tiles + if whole { 1 } else { s.div_ceil(PART) };
        let mut tasks: Vec<Task<'_>> = (0..batch * tiles)
            .map(|i| Task {
                row: i / tiles,
                rows: [None, None, None],
            })
            .collect();
        for (operand, gradient) in gradients.iter_mut().enumerate() {
            let Some(gradient) = gradient else { continue };
            let [length, width] = sizes[operand];
            let rows = if whole { length } else { PART };
            let first_tile = if operand == 0 { 0 } else { query_tiles };
            let room = &mut gradient.spare_capacity_mut()[..batch * length * width];
            for (row, data) in room.chunks_mut(length * width).enumerate() {
                for (i, data) in data.chunks_mut(rows * width).enumerate() {
                    tasks[row * tiles + first_tile + i].rows[operand] = Some((i * rows, data));
                }
            }
        }
        let widths = [0, 1, 2].map(|operand| sizes.get(operand).map_or(0, |size| size[1]));
        self.problem.for_each(
            tasks,
            || Scratch::new(self.problem, true),
            |scratch, Task { row, rows }| {
                let rows = rows.map(|rows| rows.map(|(first, data)| (first, zeroed(data))));
                let mut targets = Targets {
                    places,
                    widths,
                    rows,
                    wanted: [true; 3],
                };
                if whole {
                    self.tiles(scratch, row, [0..t, 0..s], &mut targets);
                    return;
                }
                if let Some(queries) = targets.positions(0) {
                    targets.wanted = [true, false, false];
                    self.tiles(scratch, row, [queries, 0..s], &mut targets);
                }
                if let Some(keys) = targets.positions(1).or(targets.positions(2)) {
                    targets.wanted = [false, true, true];
                    self.tiles(scratch, row, [0..t, keys], &mut targets);
                }
            },
        );
        for (gradient, [length, width]) in gradients.iter_mut().zip(&sizes) {
            if let Some(gradient) = gradient {
                // SAFETY: every element is in a row of one task, which wrote it.
                unsafe { gradient.set_len(batch * length * width) };
            }
        }
        gradients
    }

    /// Adds what queries and keys in these ranges have to do with each other to the gradients of q, k and v that are wanted.
    fn tiles(
        &self,
        scratch: &mut Scratch,
        row: usize,
        [queries, keys]: [Range<usize>; 2],
        targets: &mut Targets<'_>,
    ) {
        let problem = self.problem;
        let (width, value_width) = (problem.heads.width, problem.heads.value_width);
        let mut add = |scratch: &Scratch, keys: Keys, head: usize, queries: Range<usize>| {
            let (count, stride) = (queries.len(), keys.stride());
            let (weights, scores) = (&scratch.scores, &scratch.gradients);
            let query = problem.query.at(row, queries.start, head * width);
            let key = problem.key.at(row, keys.first, keys.head * width);
            let gradient = self.of_context(self.gradient, row, queries.start, head);
            if let Some((output, output_stride)) = targets.at(0, queries.start, head * width) {
                let sizes = [count, width, keys.count];
                let left = Left::Rows(scores, stride);
                let right = Right::Rows(key, problem.key.stride);
                product(
                    output,
                    output_stride,
                    sizes,
                    left,
                    right,
                    problem.scale,
                    true,
                );
            }
            if let Some((output, output_stride)) = targets.at(1, keys.first, keys.head * width) {
                let sizes = [keys.count, width, count];
                let left = Left::Columns(scores, stride);
                let right = Right::Rows(query, problem.query.stride);
                product(
                    output,
                    output_stride,
                    sizes,
                    left,
                    right,
                    problem.scale,
                    true,
                );
            }
            let column = keys.head * value_width;
            if let Some((output, output_stride)) = targets.at(2, keys.first, column) {
                let sizes = [keys.count, value_width, count];
                let left = Left::Columns(weights, stride);
                let right = Right::Rows(gradient, problem.context_width());
                product(output, output_stride, sizes, left, right, 1.0, true);
            }
        };
        for key_head in 0..problem.heads.keys {
            let heads = problem.group(key_head);
            self.each_tile(scratch, row, heads, [&queries, &keys], &mut add);
        }
    }

    /// Makes weights and gradients of scores for every tile of queries and keys that see each other, and calls `f` on them.
    /// The heads share one of keys.
    pub(super) fn each_tile(
        &self,
        scratch: &mut Scratch,
        row: usize,
        heads: Range<usize>,
        [queries, keys]: [&Range<usize>; 2],
        f: &mut impl FnMut(&Scratch, Keys, usize, Range<usize>),
    ) {
        let problem = self.problem;
        for start in keys.clone().step_by(KEYS) {
            let turned = Keys {
                row,
                head: heads.start / (problem.heads.queries / problem.heads.keys),
                first: start,
                count: tile(start, KEYS, keys.end).len(),
                offset: 0,
            };
            let mut are_turned = false;
            for head in heads.clone() {
                for first in queries.clone().step_by(QUERIES) {
                    let hull = self.visible.hull(row, first);
                    let Some(keys) = turned.within(&hull) else {
                        continue;
                    };
                    if !are_turned {
                        if self.kept.weights.is_empty() {
                            scratch.turn_keys(problem, turned);
                        }
                        scratch.turn_values(problem, turned);
                        are_turned = true;
                    }
                    let queries = tile(first, QUERIES, queries.end);
                    self.make(scratch, keys, head, queries.clone(), &hull);
                    f(scratch, keys, head, queries);
                }
            }
        }
    }

    /// Makes the weights of a tile, after dropout, and the gradients of its scores. The queries see keys in `hull`.
    fn make(
        &self,
        scratch: &mut Scratch,
        keys: Keys,
        head: usize,
        queries: Range<usize>,
        hull: &Range<usize>,
    ) {
        let problem = self.problem;
        let gradients = self.of_context(self.gradient, keys.row, queries.start, head);
        let contexts = self.of_context(self.context, keys.row, queries.start, head);
        let (n_heads, stride) = (problem.heads.queries, keys.stride());
        let state = (keys.row * problem.t + queries.start) * n_heads + head;
        let are_kept = !self.kept.weights.is_empty();
        if are_kept {
            let width = problem.s.next_multiple_of(PANEL);
            let kept = self.kept.weights[state * width..].chunks(n_heads * width);
            let rows = scratch.scores.chunks_exact_mut(stride).zip(kept);
            for (row, kept) in rows.take(queries.len()) {
                row.copy_from_slice(&kept[keys.first..][..stride]);
            }
        } else {
            scratch.score(problem, &self.visible, keys, head, queries.clone());
        }
        scratch.multiply_values(problem, keys, queries.len(), gradients);
        let all = keys.first <= hull.start && hull.end <= keys.first + keys.count;
        Arch::new().dispatch(Differentiate {
            scores: &mut scratch.scores,
            gradients: &mut scratch.gradients,
            stride,
            are_weights: are_kept,
            context: (!all).then_some([contexts, gradients]),
            context_width: problem.context_width(),
            width: problem.heads.value_width,
            states: &self.kept.states[state..],
            n_heads,
            dropout: problem.dropout,
            place: [keys.row, head, queries.start, keys.first],
            factors: &mut scratch.draws,
            queries: queries.len(),
        });
    }

    /// Context or its gradient from a query of a head on.
    fn of_context<'b>(&self, data: &'b [f32], row: usize, query: usize, head: usize) -> &'b [f32] {
        let start = (row * self.problem.t + query) * self.problem.context_width();
        &data[start + head * self.problem.heads.value_width..]
    }
}
