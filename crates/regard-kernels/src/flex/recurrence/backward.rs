//! The backward pass: from the last step to the first, all sequences of a task side by side.
//!
//! What was kept of each row is replaced by its gradient, where it lies. Those of the weights are products over all rows,
//! made of these afterwards.

use super::super::attention::product::{Left, Right, product};
use super::super::simd::vectorized;
use super::cell;
use super::forward::Kept;
use super::look::{Scored, differentiate_scores, differentiate_weights};
use super::network::{Attention, Factors, Network};
use super::tasks::{Group, Member, each, groups, parts};
use crate::RecurrentCell;

/// Gradients.
pub(super) struct Gradients {
    /// Of x, `[N, G]`.
    pub(super) x: Vec<f32>,
    /// Of what a GRU's candidate has of the state, `[N, H]`; or, where the reset comes before, what it leaves of the state.
    pub(super) candidate: Vec<f32>,
    /// Of queries, `[N, A]`.
    pub(super) queries: Vec<f32>,
    /// `[B, Z]`
    pub(super) start: Vec<f32>,
    /// Of the vector that scores, `[B, A]`: what each sequence adds to it.
    pub(super) score: Vec<f32>,
    /// `[M, A]`
    pub(super) keys: Vec<f32>,
    /// `[M, D]`
    pub(super) values: Vec<f32>,
}

/// A sequence, and what is made of it.
struct Line<'a> {
    sequence: usize,
    memory: usize,
    /// Rows of gates, candidate and queries.
    rows: [&'a mut [f32]; 3],
    start: &'a mut [f32],
    score: &'a mut [f32],
    weights: Vec<f32>,
    /// Gradients of contexts, `[T, D]`.
    contexts: Vec<f32>,
}

struct Task<'a> {
    lines: Vec<Line<'a>>,
    /// Which memories its lines look at, and the gradients of their keys and values.
    memories: Vec<Memory<'a>>,
}

struct Memory<'a> {
    number: usize,
    keys: &'a mut [f32],
    values: &'a mut [f32],
}

/// From a result and its gradient, both `[N, Z + D]`.
pub(super) fn backward(
    network: &Network<'_>,
    output: &[f32],
    gradient: &[f32],
    kept: Kept,
) -> Gradients {
    let sequences = network.sequences;
    let [a, d] = network.attention_widths();
    let state_width = network.state_width();
    let memory_rows = network
        .attention
        .as_ref()
        .map_or(0, |look| look.memory.rows());
    let mut all = Gradients {
        x: kept.gates,
        candidate: kept.candidate,
        queries: kept.queries,
        start: vec![0.0; sequences.count() * state_width],
        score: vec![0.0; sequences.count() * a],
        keys: vec![0.0; memory_rows * a],
        values: vec![0.0; memory_rows * d],
    };
    let of_sequences = |data, width| {
        let parts = parts(sequences, width, data, |_| ());
        parts.into_iter().map(Some).collect::<Vec<_>>()
    };
    let mut rows = [
        of_sequences(&mut all.x[..], network.gates()),
        of_sequences(&mut all.candidate[..], network.candidate_width()),
        of_sequences(&mut all.queries[..], a),
    ];
    let mut weights = kept.weights;
    let mut starts: Vec<_> = all.start.chunks_mut(state_width).map(Some).collect();
    let mut scores: Vec<_> = all.score.chunks_mut(a.max(1)).map(Some).collect();
    let mut line = |&Member { sequence, memory }: &Member| Line {
        sequence,
        memory,
        rows: std::array::from_fn(|i| rows[i][sequence].take().expect("one line a sequence")),
        start: starts[sequence].take().expect("one line a sequence"),
        score: scores
            .get_mut(sequence)
            .and_then(Option::take)
            .unwrap_or_default(),
        weights: std::mem::take(&mut weights[sequence]),
        contexts: vec![0.0; sequences.lengths()[sequence] * d],
    };
    let mut memories: Vec<Option<Memory<'_>>> =
        network.attention.as_ref().map_or(Vec::new(), |look| {
            let keys = parts(look.memory, a, &mut all.keys, |_| ());
            let values = parts(look.memory, d, &mut all.values, |_| ());
            let both = keys.into_iter().zip(values).enumerate();
            both.map(|(number, (keys, values))| {
                Some(Memory {
                    number,
                    keys,
                    values,
                })
            })
            .collect()
        });
    let groups = groups(network);
    let task = |group: &Group| Task {
        lines: group.members.iter().map(&mut line).collect(),
        memories: group
            .units
            .iter()
            .filter_map(|&unit| memories.get_mut(unit)?.take())
            .collect(),
    };
    let tasks: Vec<Task<'_>> = groups.iter().map(task).collect();
    let factors = Factors::turned(network);
    let pass = Pass {
        network,
        factors: &factors,
        output,
        gradient,
    };
    each(tasks, |task| pass.run(task));
    all
}

struct Pass<'a> {
    network: &'a Network<'a>,
    factors: &'a Factors<'a>,
    output: &'a [f32],
    gradient: &'a [f32],
}

/// Rows of a task's sequences at the step at hand.
struct Block {
    /// Gradients of states.
    state: Vec<f32>,
    gates: Vec<f32>,
    candidate: Vec<f32>,
    /// Gradients of what the reset leaves of states, where it comes before.
    kept: Vec<f32>,
    context: Vec<f32>,
    queries: Vec<f32>,
    scores: Vec<f32>,
    spare: Vec<f32>,
}

impl Pass<'_> {
    fn run(&self, task: Task<'_>) {
        let Task {
            mut lines,
            mut memories,
        } = task;
        let network = self.network;
        let (lengths, state_width) = (network.sequences.lengths(), network.state_width());
        let ([a, d], count) = (network.attention_widths(), lines.len());
        let looked = network.attention.as_ref();
        let candidate = count * network.candidate_width();
        let mut block = Block {
            state: vec![0.0; count * state_width],
            gates: vec![0.0; count * network.gates()],
            candidate: vec![0.0; candidate],
            kept: vec![0.0; candidate],
            context: vec![0.0; count * d],
            queries: vec![0.0; count * a],
            scores: vec![0.0; looked.map_or(0, |look| look.memory.longest())],
            spare: vec![0.0; a],
        };
        let longest = lines.first().map_or(0, |line| lengths[line.sequence]);
        let mut active = 0;
        for step in (0..longest).rev() {
            while active < count && lengths[lines[active].sequence] > step {
                active += 1;
            }
            let lines = &mut lines[..active];
            self.step(&mut block, lines, step);
            if let Some(look) = looked {
                self.look(look, &mut block, lines, &mut memories, step);
            }
        }
        for (line, state) in lines.iter_mut().zip(block.state.chunks(state_width)) {
            line.start.copy_from_slice(state);
        }
        if let Some(look) = looked {
            values(look, &lines, &mut memories);
        }
    }

    /// Row of a sequence's step in a matrix `[N, width]`.
    fn row<'b>(&self, data: &'b [f32], width: usize, sequence: usize, step: usize) -> &'b [f32] {
        let range = self.network.sequences.range(sequence);
        let row = range.start + self.network.position(range.len(), step);
        &data[row * width..][..width]
    }

    /// From the gradients of states after a step to those of its gates, and to those of states before it but for what comes
    /// through queries.
    fn step(&self, block: &mut Block, lines: &mut [Line<'_>], step: usize) {
        let network = self.network;
        let (active, width, gates) = (lines.len(), network.width, network.gates());
        let (joint, state_width) = (network.joint_gates(), network.state_width());
        let (output_width, candidate_width) = (network.output_width(), network.candidate_width());
        let lengths = network.sequences.lengths();
        vectorized(
            #[inline(always)]
            || {
                for (row, line) in lines.iter().enumerate() {
                    let state = &mut block.state[row * state_width..][..state_width];
                    let gradient = self.row(self.gradient, output_width, line.sequence, step);
                    for (state, gradient) in state.iter_mut().zip(gradient) {
                        *state += gradient;
                    }
                    let position = network.position(lengths[line.sequence], step);
                    let made = &mut block.gates[row * gates..][..gates];
                    made.copy_from_slice(&line.rows[0][position * gates..][..gates]);
                    let candidate =
                        &mut block.candidate[row * candidate_width..][..candidate_width];
                    candidate.copy_from_slice(
                        &line.rows[1][position * candidate_width..][..candidate_width],
                    );
                    let before = network.before(self.output, line.sequence, step);
                    let after = self.row(self.output, output_width, line.sequence, step);
                    cell::differentiate(network.cell, before, after, made, candidate, state);
                }
            },
        );
        let [all, last] = &self.factors.gates;
        if network.cell == RecurrentCell::GruResetBefore {
            let left = Left::Rows(&block.gates[joint..], gates);
            product(
                &mut block.kept,
                width,
                [active, width, width],
                left,
                last.right(),
                1.0,
                false,
            );
            vectorized(
                #[inline(always)]
                || {
                    for (row, line) in lines.iter().enumerate() {
                        let before = network.before(self.output, line.sequence, step);
                        let made = &mut block.gates[row * gates..][..width];
                        let kept = &block.kept[row * width..][..width];
                        let state = &mut block.state[row * width..][..width];
                        cell::differentiate_reset(before, made, kept, state);
                    }
                },
            );
        }
        let left = Left::Rows(&block.gates, gates);
        let is_gru = network.cell != RecurrentCell::Lstm;
        // An LSTM's output has no other way to the state before.
        product(
            &mut block.state,
            state_width,
            [active, width, joint],
            left,
            all.right(),
            1.0,
            is_gru,
        );
        if network.cell == RecurrentCell::Gru {
            let left = Left::Rows(&block.candidate, width);
            product(
                &mut block.state,
                width,
                [active, width, width],
                left,
                last.right(),
                1.0,
                true,
            );
        }
        for (row, line) in lines.iter_mut().enumerate() {
            let position = network.position(lengths[line.sequence], step);
            line.rows[0][position * gates..][..gates]
                .copy_from_slice(&block.gates[row * gates..][..gates]);
            let candidate = &block.candidate[row * candidate_width..][..candidate_width];
            line.rows[1][position * candidate_width..][..candidate_width]
                .copy_from_slice(candidate);
        }
    }

    /// From the gradients of gates to those of contexts, weights, scores, keys and queries, and on to states.
    fn look(
        &self,
        look: &Attention<'_>,
        block: &mut Block,
        lines: &mut [Line<'_>],
        memories: &mut [Memory<'_>],
        step: usize,
    ) {
        let network = self.network;
        let ([a, d], active, gates) = (look.widths, lines.len(), network.gates());
        let (state_width, output_width) = (network.state_width(), network.output_width());
        let left = Left::Rows(&block.gates, gates);
        let right = self.factors.context.right();
        product(
            &mut block.context,
            d,
            [active, d, gates],
            left,
            right,
            1.0,
            false,
        );
        for (row, line) in lines.iter_mut().enumerate() {
            let context = &mut block.context[row * d..][..d];
            let gradient = self.row(self.gradient, output_width, line.sequence, step);
            let memory = &mut memories[line.memory];
            let seen = look.memory.range(memory.number);
            let keys = &look.keys[seen.start * a..seen.end * a];
            let values = &look.values[seen.start * d..seen.end * d];
            let d_scores = &mut block.scores[..seen.len()];
            let query = &mut line.rows[2][step * a..][..a];
            vectorized(
                #[inline(always)]
                || {
                    for (context, gradient) in context.iter_mut().zip(&gradient[state_width..]) {
                        *context += gradient;
                    }
                    let weights = &line.weights[step * seen.len()..][..seen.len()];
                    differentiate_weights(context, weights, values, d_scores);
                    let scored = Scored {
                        keys,
                        weight: look.score,
                        query: &mut *query,
                        d_weight: line.score,
                        d_keys: memory.keys,
                    };
                    differentiate_scores(d_scores, scored, &mut block.spare);
                },
            );
            line.contexts[step * d..][..d].copy_from_slice(context);
            block.queries[row * a..][..a].copy_from_slice(query);
        }
        let left = Left::Rows(&block.queries, a);
        let right = self.factors.query.right();
        product(
            &mut block.state,
            state_width,
            [active, network.width, a],
            left,
            right,
            1.0,
            true,
        );
    }
}

/// Adds to the gradients of values what each sequence has of them.
fn values(look: &Attention<'_>, lines: &[Line<'_>], memories: &mut [Memory<'_>]) {
    let [_, d] = look.widths;
    for line in lines {
        let memory = &mut memories[line.memory];
        let (seen, length) = (memory.values.len() / d, line.contexts.len() / d);
        let left = Left::Columns(&line.weights, seen);
        let right = Right::Rows(&line.contexts, d);
        if seen * length > 0 {
            product(memory.values, d, [seen, d, length], left, right, 1.0, true);
        }
    }
}
