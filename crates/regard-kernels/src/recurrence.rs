//! Recurrent networks over whole sequences.

mod attentive;
mod cell;
mod steps;

use burn::tensor::Tensor;

pub use attentive::{AdditiveWeights, AttendedMemory, AttentiveStates, attentive_recurrence};
pub use cell::RecurrentCell;

use crate::Sequences;
#[cfg(feature = "flex")]
use crate::{flex, linear::bias_operand};
use steps::Steps;

/// In which order a recurrent network reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first position of each sequence to its last.
    Forward,
    /// From the last position of each sequence, whatever padding stands behind it, to its first.
    Backward,
}

/// What a recurrent network multiplies its state with.
#[derive(Clone, Debug)]
pub struct RecurrentWeights {
    /// W, `[H, G]`: a block of H columns for each gate.
    pub weight: Tensor<2>,
    /// `b_n`, `[H]`: the bias inside the reset gate, of [`RecurrentCell::Gru`] alone.
    pub candidate_bias: Option<Tensor<1>>,
}

/// The states of a recurrent network at every position of every sequence.
///
/// ```text
/// s_t = cell(x_t, s_(t-1))        s_(-1) = start; from the last position down where `direction` is backward
/// ```
///
/// with the formulas of [`RecurrentCell`], where `x_t` is the input already mapped to the gates, bias included: all
/// positions of all sequences in one product before.
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `x` | `[N, G]` | gates' share of the input; G = 3 H for GRU, 4 H for LSTM |
/// | `start` | `[B, Z]` | state before the first position; Z = H for GRU, 2 H for LSTM: h, then c |
/// | `weights.weight` | `[H, G]` | |
/// | result | `[N, Z]` | the state after each position |
///
/// # Behaviour
///
/// - Rows of `x` that belong to no sequence are not read; such rows of the result are 0.
/// - Sequences do not meet: each is what it is alone, on the CPU bit for bit. With all lengths 1 this is one step of B rows.
/// - The gradient is backpropagation through all positions, not cut off. On the CPU it is one operation, whose weight gradient
///   is one product over all positions.
/// - Cost: `O(N H G)` time, `O(N G)` memory.
///
/// # Panics
///
/// If the shapes are not as above.
///
/// # Differences
///
/// - PyTorch's `GRU` and `LSTM` map the input themselves and hold two biases, of which the second is redundant but for the
///   candidate of a GRU; for sequences of unequal length they need `PackedSequence`.
/// - burn's `Gru` and `Lstm` run through padding, and their backward pass grows with the square of the length.
///
/// # References
///
/// See [`RecurrentCell`].
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{Direction, RecurrentCell, RecurrentWeights, Sequences, recurrence};
///
/// let device = Device::flex();
/// let weights = RecurrentWeights { weight: Tensor::zeros([1, 4], &device), candidate_bias: None };
/// // Input, forget and output gate wide open, candidate 1: the cell counts positions.
/// let x = Tensor::<2>::from_floats([[99.0, 99.0, 99.0, 99.0]; 3], &device);
/// let start = Tensor::zeros([2, 2], &device);
/// let lengths = Sequences::packed(vec![1, 2]);
/// let states = recurrence(RecurrentCell::Lstm, x, start, weights, &lengths, Direction::Backward);
/// let cells = states.slice([0..3, 1..2]).into_data();
/// assert_eq!(cells.as_slice::<f32>().unwrap(), [1.0, 2.0, 1.0]);
/// ```
pub fn recurrence(
    cell: RecurrentCell,
    x: Tensor<2>,
    start: Tensor<2>,
    weights: RecurrentWeights,
    sequences: &Sequences,
    direction: Direction,
) -> Tensor<2> {
    check("recurrence", cell, &x, &start, &weights, sequences);
    #[cfg(feature = "flex")]
    if let Some(operands) = operands(&x, &start, &weights) {
        let op = flex::RecurrenceOp {
            cell,
            sequences: sequences.clone(),
            direction,
        };
        return flex::apply(op, operands);
    }
    let steps = Steps::new(sequences, direction);
    let mut state = steps.sorted(start);
    let mut states = Vec::new();
    for x in steps.cut(x) {
        let [active, _] = x.dims();
        state = cell.step(x, state.slice(0..active), &weights);
        states.push(state.clone());
    }
    steps.joined(states, &state)
}

/// What a fused recurrence begins with.
#[cfg(feature = "flex")]
fn operands(
    x: &Tensor<2>,
    start: &Tensor<2>,
    weights: &RecurrentWeights,
) -> Option<[flex::Operand; 4]> {
    Some([
        flex::Operand::new(x)?,
        flex::Operand::new(start)?,
        flex::Operand::new(&weights.weight)?,
        bias_operand(weights.candidate_bias.as_ref(), x)?,
    ])
}

/// What every recurrence expects of its operands.
fn check(
    operation: &str,
    cell: RecurrentCell,
    x: &Tensor<2>,
    start: &Tensor<2>,
    weights: &RecurrentWeights,
    sequences: &Sequences,
) {
    let [width, gates] = weights.weight.dims();
    let (expected_gates, state) = (cell.gates() * width, cell.state_width(width));
    let bias = weights.candidate_bias.as_ref().map(|bias| bias.dims()[0]);
    let expected_bias = (cell == RecurrentCell::Gru).then_some(width);
    assert!(
        gates == expected_gates
            && x.dims() == [sequences.rows(), gates]
            && start.dims() == [sequences.count(), state]
            && (bias.is_none() || bias == expected_bias),
        "{operation}: expected x [{}, {expected_gates}], start [{}, {state}], weight [{width}, {expected_gates}] and a candidate's \
         bias of {expected_bias:?} or none, got {:?}, {:?}, {:?}, {bias:?}",
        sequences.rows(),
        sequences.count(),
        x.dims(),
        start.dims(),
        weights.weight.dims(),
    );
}
