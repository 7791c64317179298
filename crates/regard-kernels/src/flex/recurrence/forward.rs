//! The forward pass: from step to step, all sequences of a task side by side.

#![allow(unsafe_code, reason = "matrices are written once, not zeroed first")]

use super::super::attention::product::{Left, Right, product};
use super::super::simd::{softmax, vectorized};
use super::cell;
use super::network::{Factors, Network};
use super::tasks::{Member, Rows, Unwritten, each, groups};
use crate::RecurrentCell;

/// What the backward pass needs besides operands and result.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// `[N, G]`
    pub(super) gates: Vec<f32>,
    /// `[N, H]`: of a GRU, what its candidate has of the state where the reset comes after, and what the reset leaves of the state
    /// where it comes before.
    pub(super) candidate: Vec<f32>,
    /// `[N, A]`
    pub(super) queries: Vec<f32>,
    /// Weights of attention, `[T, S]` for each sequence.
    pub(super) weights: Vec<Vec<f32>>,
}

/// A sequence and its rows of what is to be written: result, gates, candidate and queries.
struct Line<'a> {
    sequence: usize,
    rows: [Rows<'a>; 4],
    weights: Vec<f32>,
}

/// The result `[N, Z + D]` for `x [N, G]`, and what the backward pass needs if there is to be one.
pub(super) fn forward(
    network: &Network<'_>,
    x: &[f32],
    bias: &[f32],
    tracked: bool,
) -> (Vec<f32>, Option<Kept>) {
    let sequences = network.sequences;
    let [queries, _] = network.attention_widths();
    let kept = [network.gates(), network.candidate_width(), queries];
    let kept = kept.map(|width| if tracked { width } else { 0 });
    let widths = [network.output_width(), kept[0], kept[1], kept[2]];
    let mut matrices = widths.map(|width| Unwritten::new(sequences, width));

    let mut parts = Vec::new();
    for (matrix, width) in matrices.iter_mut().zip(widths) {
        parts.push(
            matrix
                .parts(sequences, width)
                .into_iter()
                .map(Some)
                .collect::<Vec<_>>(),
        );
    }
    let mut line = |member: &Member| Line {
        sequence: member.sequence,
        rows: std::array::from_fn(|i| {
            parts[i][member.sequence]
                .take()
                .expect("one line for each sequence")
        }),
        weights: Vec::new(),
    };
    let groups = groups(network);
    let tasks = groups
        .iter()
        .map(|group| group.members.iter().map(&mut line).collect());
    let factors = Factors::new(network);
    let pass = Pass {
        network,
        factors: &factors,
        x,
        bias,
        kept,
        tracked,
    };
    let done = each(tasks.collect(), |lines| pass.run(lines));

    let mut weights = vec![Vec::new(); sequences.count()];
    for (sequence, of_sequence) in done.into_iter().flatten() {
        weights[sequence] = of_sequence;
    }
    // SAFETY: each sequence is in one task, which wrote a row of each matrix at each of its steps, one for each position.
    let [output, gates, candidate, queries] = matrices.map(|matrix| unsafe { matrix.written() });
    let kept = tracked.then_some(Kept {
        gates,
        candidate,
        queries,
        weights,
    });
    (output, kept)
}

struct Pass<'a> {
    network: &'a Network<'a>,
    factors: &'a Factors<'a>,
    x: &'a [f32],
    bias: &'a [f32],
    /// Columns of gates, candidate and queries that are kept.
    kept: [usize; 3],
    tracked: bool,
}

/// Rows of a task's sequences at the step at hand.
struct Block {
    state: Vec<f32>,
    gates: Vec<f32>,
    candidate: Vec<f32>,
    /// Input of the gates with the context's share, if there is one.
    input: Vec<f32>,
    queries: Vec<f32>,
    scores: Vec<f32>,
    context: Vec<f32>,
}

impl Pass<'_> {
    /// Runs some sequences, the longest first; the weights of attention of each.
    fn run(&self, mut lines: Vec<Line<'_>>) -> Vec<(usize, Vec<f32>)> {
        let network = self.network;
        let lengths = network.sequences.lengths();
        let count = lines.len();
        let [a, d] = network.attention_widths();
        let looked = network.attention.as_ref();
        let mut block = Block {
            state: Vec::with_capacity(count * network.state_width()),
            gates: vec![0.0; count * network.gates()],
            candidate: vec![0.0; count * network.candidate_width()],
            input: vec![0.0; looked.map_or(0, |_| count * network.gates())],
            queries: vec![0.0; count * a],
            scores: vec![0.0; looked.map_or(0, |look| look.memory.longest())],
            context: vec![0.0; count * d],
        };
        for line in &lines {
            block
                .state
                .extend_from_slice(network.before(&[], line.sequence, 0));
        }
        let longest = lines.first().map_or(0, |line| lengths[line.sequence]);
        let mut active = count;
        for step in 0..longest {
            while lengths[lines[active - 1].sequence] <= step {
                active -= 1;
            }
            let lines = &mut lines[..active];
            if looked.is_some() {
                self.look(&mut block, lines);
            }
            self.step(&mut block, lines, step);
            self.write(&block, lines, step);
        }
        lines
            .into_iter()
            .map(|line| (line.sequence, line.weights))
            .collect()
    }

    /// Makes contexts from states, and their share in the gates.
    fn look(&self, block: &mut Block, lines: &mut [Line<'_>]) {
        let network = self.network;
        let Some(look) = &network.attention else {
            return;
        };
        let ([a, d], gates) = (look.widths, network.gates());
        let left = Left::Rows(&block.state, network.state_width());
        let sizes = [lines.len(), a, network.width];
        product(
            &mut block.queries,
            a,
            sizes,
            left,
            self.factors.query.right(),
            1.0,
            false,
        );
        let rows = block
            .queries
            .chunks_exact(a)
            .zip(block.context.chunks_exact_mut(d));
        for (line, (query, context)) in lines.iter_mut().zip(rows) {
            let seen = look.memory.range(network.memory_of(line.sequence));
            let scores = &mut block.scores[..seen.len()];
            if seen.is_empty() {
                context.fill(0.0);
                continue;
            }
            let keys = &look.keys[seen.start * a..seen.end * a];
            vectorized(
                #[inline(always)]
                || {
                    super::look::scores(query, keys, look.score, scores);
                    softmax(scores);
                },
            );
            let values = Right::Rows(&look.values[seen.start * d..seen.end * d], d);
            product(
                context,
                d,
                [1, d, seen.len()],
                Left::Rows(scores, seen.len()),
                values,
                1.0,
                false,
            );
            if self.tracked {
                line.weights.extend_from_slice(scores);
            }
        }
        let left = Left::Rows(&block.context, d);
        let right = self.factors.context.right();
        product(
            &mut block.input,
            gates,
            [lines.len(), gates, d],
            left,
            right,
            1.0,
            false,
        );
    }

    /// Makes gates and next states.
    fn step(&self, block: &mut Block, lines: &[Line<'_>], step: usize) {
        let network = self.network;
        let (active, width, gates) = (lines.len(), network.width, network.gates());
        let (joint, state_width) = (network.joint_gates(), network.state_width());
        let [all, last] = &self.factors.gates;
        let sizes = [active, joint, width];
        let left = Left::Rows(&block.state, state_width);
        product(
            &mut block.gates,
            gates,
            sizes,
            left,
            all.right(),
            1.0,
            false,
        );
        let sizes = [active, width, width];
        if network.cell == RecurrentCell::Gru {
            product(
                &mut block.candidate,
                width,
                sizes,
                left,
                last.right(),
                1.0,
                false,
            );
        }
        let inputs: Vec<&[f32]> = self.inputs(&mut block.input, lines, step);
        if network.cell == RecurrentCell::GruResetBefore {
            vectorized(
                #[inline(always)]
                || {
                    for (row, input) in inputs.iter().enumerate() {
                        let gates = &mut block.gates[row * gates..][..gates];
                        let kept = &mut block.candidate[row * width..][..width];
                        cell::reset(input, gates, kept, &block.state[row * width..][..width]);
                    }
                },
            );
            let left = Left::Rows(&block.candidate, width);
            let output = &mut block.gates[joint..];
            product(output, gates, sizes, left, last.right(), 1.0, false);
        }
        let candidate_width = network.candidate_width();
        vectorized(
            #[inline(always)]
            || {
                for (row, input) in inputs.iter().enumerate() {
                    cell::step(
                        network.cell,
                        input,
                        self.bias,
                        &mut block.gates[row * gates..][..gates],
                        &mut block.candidate[row * candidate_width..][..candidate_width],
                        &mut block.state[row * state_width..][..state_width],
                    );
                }
            },
        );
    }

    /// The gates' input at a step: rows of x, or those with the contexts' share, which `shares` has.
    fn inputs<'b>(
        &'b self,
        shares: &'b mut [f32],
        lines: &[Line<'_>],
        step: usize,
    ) -> Vec<&'b [f32]> {
        let (network, gates) = (self.network, self.network.gates());
        let x = |line: &Line<'_>| {
            let range = network.sequences.range(line.sequence);
            let row = range.start + network.position(range.len(), step);
            &self.x[row * gates..][..gates]
        };
        if network.attention.is_none() {
            return lines.iter().map(x).collect();
        }
        let rows = shares.chunks_exact_mut(gates).zip(lines);
        let sum = |(share, line): (&'b mut [f32], &Line<'_>)| {
            for (share, x) in share.iter_mut().zip(x(line)) {
                *share += x;
            }
            &*share
        };
        vectorized(
            #[inline(always)]
            || rows.map(sum).collect(),
        )
    }

    /// Writes what a step made to its rows.
    fn write(&self, block: &Block, lines: &mut [Line<'_>], step: usize) {
        let network = self.network;
        let lengths = network.sequences.lengths();
        let (state_width, output_width) = (network.state_width(), network.output_width());
        let context_width = output_width - state_width;
        let made = [
            (&block.gates, network.gates()),
            (&block.candidate, network.candidate_width()),
            (&block.queries, network.attention_widths()[0]),
        ];
        for (row, line) in lines.iter_mut().enumerate() {
            let position = network.position(lengths[line.sequence], step);
            let [output, kept @ ..] = &mut line.rows;
            let output = &mut output[position * output_width..][..output_width];
            let (state, context) = output.split_at_mut(state_width);
            state.write_copy_of_slice(&block.state[row * state_width..][..state_width]);
            context.write_copy_of_slice(&block.context[row * context_width..][..context_width]);
            for ((rows, (made, stride)), width) in kept.iter_mut().zip(made).zip(self.kept) {
                let made = &made[row * stride..][..width];
                rows[position * width..][..width].write_copy_of_slice(made);
            }
        }
    }
}
