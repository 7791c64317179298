//! What a step does with each row besides products, and its derivative.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use super::super::activation::sigmoid;
use super::super::simd::tanh;
use crate::RecurrentCell;

/// Makes the shares of the state in the gates, `gates`, the gates, and the state the next one. `candidate` is what a GRU's
/// candidate has of the state: where the reset comes after, without its bias; before, it is in the gates already.
#[inline(always)]
pub(super) fn step(
    cell: RecurrentCell,
    input: &[f32],
    bias: &[f32],
    gates: &mut [f32],
    candidate: &mut [f32],
    state: &mut [f32],
) {
    match cell {
        RecurrentCell::Gru => {
            let width = state.len();
            let (reset_update, new) = gates.split_at_mut(2 * width);
            add_and_squash(reset_update, input);
            for (candidate, bias) in candidate.iter_mut().zip(bias) {
                *candidate += bias;
            }
            let reset = reset_update.iter().zip(&*candidate);
            for ((new, x), (r, candidate)) in new.iter_mut().zip(&input[2 * width..]).zip(reset) {
                *new = tanh(x + r * candidate);
            }
            blend(state, new, &reset_update[width..]);
        }
        RecurrentCell::GruResetBefore => {
            let width = state.len();
            let (reset_update, new) = gates.split_at_mut(2 * width);
            for (new, x) in new.iter_mut().zip(&input[2 * width..]) {
                *new = tanh(x + *new);
            }
            blend(state, new, &reset_update[width..]);
        }
        RecurrentCell::Lstm => {
            let width = state.len() / 2;
            let (input_forget, rest) = gates.split_at_mut(2 * width);
            let (new, output) = rest.split_at_mut(width);
            add_and_squash(input_forget, input);
            for (new, x) in new.iter_mut().zip(&input[2 * width..]) {
                *new = tanh(x + *new);
            }
            add_and_squash(output, &input[3 * width..]);
            let (input, forget) = input_forget.split_at(width);
            let (hidden, cell) = state.split_at_mut(width);
            let taken = input.iter().zip(&*new);
            for ((cell, forget), (input, new)) in cell.iter_mut().zip(forget).zip(taken) {
                *cell = forget * *cell + input * new;
            }
            for ((hidden, cell), output) in hidden.iter_mut().zip(cell).zip(output) {
                *hidden = *output * tanh(*cell);
            }
        }
    }
}

/// The first half of a step whose reset comes before the product: reset and update, and what is kept of the state.
#[inline(always)]
pub(super) fn reset(input: &[f32], gates: &mut [f32], kept: &mut [f32], state: &[f32]) {
    let width = state.len();
    add_and_squash(&mut gates[..2 * width], input);
    for ((kept, reset), state) in kept.iter_mut().zip(&*gates).zip(state) {
        *kept = reset * state;
    }
}

#[inline(always)]
fn add_and_squash(gates: &mut [f32], input: &[f32]) {
    for (gate, x) in gates.iter_mut().zip(input) {
        *gate = sigmoid(x + *gate)[0];
    }
}

#[inline(always)]
fn blend(state: &mut [f32], new: &[f32], update: &[f32]) {
    for ((state, new), update) in state.iter_mut().zip(new).zip(update) {
        *state = new + update * (*state - new);
    }
}

/// Makes the gates of a step the gradients of their arguments, and the gradient of the state after it that of the state
/// before, but for what comes through products. Of a GRU that resets after, `candidate` becomes its gradient; of one that
/// resets before, the reset is left to [`differentiate_reset`].
#[inline(always)]
pub(super) fn differentiate(
    cell: RecurrentCell,
    before: &[f32],
    after: &[f32],
    gates: &mut [f32],
    candidate: &mut [f32],
    gradient: &mut [f32],
) {
    match cell {
        RecurrentCell::Gru => {
            let width = gradient.len();
            differentiate_blend(before, gates, gradient);
            let (reset_update, new) = gates.split_at_mut(2 * width);
            let pairs = reset_update.iter_mut().zip(candidate);
            for ((reset, candidate), new) in pairs.zip(&*new) {
                let (r, c) = (*reset, *candidate);
                *reset = new * c * (r * (1.0 - r));
                *candidate = new * r;
            }
        }
        RecurrentCell::GruResetBefore => differentiate_blend(before, gates, gradient),
        RecurrentCell::Lstm => {
            let width = gradient.len() / 2;
            let (hidden, cell) = gradient.split_at_mut(width);
            let (input, rest) = gates.split_at_mut(width);
            let (forget, rest) = rest.split_at_mut(width);
            let (new, output) = rest.split_at_mut(width);
            let both = hidden.iter().zip(cell.iter_mut());
            for ((hidden, cell), (output, after)) in
                both.zip(output.iter_mut().zip(&after[width..]))
            {
                let (seen, o) = (tanh(*after), *output);
                *cell += hidden * o * ((1.0 - seen) * (1.0 + seen));
                *output = hidden * seen * (o * (1.0 - o));
            }
            for ((input, new), cell) in input.iter_mut().zip(new).zip(&*cell) {
                let (i, g) = (*input, *new);
                *input = cell * g * (i * (1.0 - i));
                *new = cell * i * ((1.0 - g) * (1.0 + g));
            }
            for ((forget, before), cell) in forget.iter_mut().zip(&before[width..]).zip(cell) {
                let f = *forget;
                *forget = *cell * before * (f * (1.0 - f));
                *cell *= f;
            }
        }
    }
}

/// Candidate and update of a GRU.
#[inline(always)]
fn differentiate_blend(before: &[f32], gates: &mut [f32], gradient: &mut [f32]) {
    let width = gradient.len();
    let (update, new) = gates[width..].split_at_mut(width);
    let gates = update.iter_mut().zip(new);
    for ((gradient, before), (update, new)) in gradient.iter_mut().zip(before).zip(gates) {
        let (d, z, n) = (*gradient, *update, *new);
        *new = d * (1.0 - z) * ((1.0 - n) * (1.0 + n));
        *update = d * (before - n) * (z * (1.0 - z));
        *gradient = d * z;
    }
}

/// The second half of [`differentiate`] of a step whose reset comes before the product: `kept` is the gradient of what
/// was kept of the state.
#[inline(always)]
pub(super) fn differentiate_reset(
    before: &[f32],
    gates: &mut [f32],
    kept: &[f32],
    gradient: &mut [f32],
) {
    let pairs = gates.iter_mut().zip(gradient);
    for ((reset, gradient), (before, kept)) in pairs.zip(before.iter().zip(kept)) {
        let r = *reset;
        *gradient += kept * r;
        *reset = kept * before * (r * (1.0 - r));
    }
}
