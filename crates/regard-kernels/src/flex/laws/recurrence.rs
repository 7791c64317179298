//! Recurrent networks, with and without a memory.

use proptest::prelude::*;

use super::Numbers::{self, Mixed, Uniform};
use super::{View, cases, matrix, usage, vector, view};
use crate::flex::tests::agree_on_threads;
use crate::{
    AdditiveWeights, AttendedMemory, Direction, RecurrentCell, RecurrentWeights, Sequences,
    attentive_recurrence, recurrence,
};

fn cell() -> impl Strategy<Value = RecurrentCell> {
    use RecurrentCell::{Gru, GruResetBefore, Lstm};
    prop::sample::select(vec![Gru, GruResetBefore, Lstm])
}

/// Widths on both sides of the numbers that vectors hold.
fn width() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 2..20_usize, 2 => 30..36_usize, 1 => 63..66_usize, 1 => 127..130_usize]
}

/// Side by side, or with room between them.
fn sequences(lengths: &[usize], room: Option<usize>) -> Sequences {
    let longest = lengths.iter().max().unwrap_or(&0);
    match room {
        Some(room) => Sequences::padded(lengths.to_vec(), longest + room),
        None => Sequences::packed(lengths.to_vec()),
    }
}

/// Gates that are half open, and some that are shut. Where all are at an end, no more is left of gradients than rounding.
fn inputs() -> impl Strategy<Value = Numbers> {
    prop::sample::select(vec![Uniform(1.0), Uniform(4.0), Mixed])
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_recurrence_is_its_composition(
        (cell, width, backward) in (cell(), width(), any::<bool>()),
        (lengths, room) in (prop::collection::vec(0..7_usize, 1..6), prop::option::of(0..3_usize)),
        (views, numbers, used) in ([view(), view(), view(), view()], inputs(), usage()),
    ) {
        prop_assume!(lengths.iter().sum::<usize>() > 0);
        let sequences = sequences(&lengths, room);
        let (gates, state) = (cell.gates() * width, cell.state_width(width));
        let direction = if backward { Direction::Backward } else { Direction::Forward };
        agree_on_threads(|device| {
            let (x, x_leaf) = matrix("x", [sequences.rows(), gates], (views[0], numbers), device);
            let (start, start_leaf) = matrix("start", [sequences.count(), state], (views[1], Uniform(1.0)), device);
            let (weight, weight_leaf) = matrix("weight", [width, gates], (views[2], Uniform(1.0)), device);
            let (bias, bias_leaf) = vector("bias", width, (views[3], Uniform(1.0)), device);
            let mut leaves = vec![x_leaf, start_leaf, weight_leaf];
            let candidate_bias = (cell == RecurrentCell::Gru).then(|| {
                leaves.push(bias_leaf);
                bias
            });
            let weights = RecurrentWeights { weight: weight * (width as f64).sqrt().recip(), candidate_bias };
            (used.of(recurrence(cell, x, start, weights, &sequences, direction)), leaves)
        });
    }

    #[test]
    fn an_attentive_recurrence_is_its_composition(
        (cell, width, a, d) in (cell(), width(), width(), width()),
        (lengths, room) in (prop::collection::vec((0..5_usize, 0..5_usize), 1..4), prop::option::of(0..3_usize)),
        (seen, seen_room) in (prop::collection::vec(2..24_usize, 3), prop::option::of(0..3_usize)),
        (looks, views, numbers, used) in (1..3_usize, prop::collection::vec(view(), 9), inputs(), usage()),
    ) {
        let memory = sequences(&seen[..lengths.len()], seen_room);
        let lengths: Vec<usize> = lengths.iter().flat_map(|&(a, b)| [a, b].into_iter().take(looks)).collect();
        prop_assume!(lengths.iter().sum::<usize>() > 0);
        let sequences = sequences(&lengths, room);
        let (gates, state) = (cell.gates() * width, cell.state_width(width));
        agree_on_threads(|device| {
            let mut leaves = Vec::new();
            let mut operand = |name, shape: [usize; 2], numbers: Numbers| {
                // Keys that are all the same leave no gradient for their scores, but what rounding does.
                let view = match views[leaves.len()] {
                    View::Expanded => View::Whole,
                    view => view,
                };
                let (x, leaf) = matrix(name, shape, (view, numbers), device);
                leaves.push(leaf);
                x
            };
            let root = |size: usize| (size as f64).sqrt().recip();
            let x = operand("x", [sequences.rows(), gates], numbers);
            let start = operand("start", [sequences.count(), state], Uniform(1.0));
            let weight = operand("weight", [width, gates], Uniform(1.0)) * root(width);
            let query = operand("query", [width, a], Uniform(1.0)) * (2.0 * root(width));
            let score = operand("score", [1, a], Uniform(1.0)).squeeze_dim::<1>(0) * (2.0 * root(a));
            let context = operand("context", [d, gates], Uniform(1.0)) * root(d);
            let keys = operand("keys", [memory.rows(), a], Uniform(1.0));
            let values = operand("values", [memory.rows(), d], Uniform(1.0));
            let weights = RecurrentWeights { weight, candidate_bias: None };
            let attention = AdditiveWeights { query, score, context };
            let memory = AttendedMemory { keys, values, sequences: memory.clone() };
            let got = attentive_recurrence(cell, x, start, weights, attention, &memory, &sequences);
            let both = burn::tensor::Tensor::cat(vec![got.states, got.contexts], 1);
            (used.of(both), leaves)
        });
    }
}
