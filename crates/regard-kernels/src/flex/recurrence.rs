//! Recurrent networks: all steps of all sequences in one operation, with or without attention to a memory.
//!
//! A task runs its sequences side by side from the first step to the last, and back. Gradients of the weights are one product
//! each over all rows, made afterwards.

mod backward;
mod cell;
mod forward;
mod look;
mod network;
mod tasks;
#[cfg(test)]
mod tests;

use burn::backend::flex::FlexTensor;

use super::matrix::{Cores, Matrix, product, product_into};
use super::simd::{column_sums, new_rows};
use super::{FusedOp, elements, tensor};
use crate::profile::with_flop;
use crate::{Direction, RecurrentCell, Sequences};

use backward::{Gradients, backward};
use forward::{Kept, forward};
use network::{Attention, Network};

/// Operands: `x [N, G]`, `start [B, Z]`, `weight [H, G]`, and the candidate's bias `[H]` or nothing; the result is `[N, Z]`.
#[derive(Clone, Debug)]
pub(crate) struct RecurrenceOp {
    pub(crate) cell: RecurrentCell,
    pub(crate) sequences: Sequences,
    pub(crate) direction: Direction,
}

/// Operands: those of [`RecurrenceOp`], then `query [H, A]`, `score [A]`, `context [D, G]`, `keys [M, A]` and `values [M, D]`; the
/// result is `[N, Z + D]`: states and contexts side by side.
#[derive(Clone, Debug)]
pub(crate) struct AttentiveOp {
    pub(crate) cell: RecurrentCell,
    pub(crate) sequences: Sequences,
    pub(crate) memory: Sequences,
}

#[derive(Clone, Debug)]
pub(crate) struct Saved<const N: usize> {
    /// All but x and the candidate's bias, which are empty.
    inputs: [FlexTensor; N],
    output: FlexTensor,
    kept: Kept,
}

/// The network of operands that are contiguous.
fn network<'a>(
    cell: RecurrentCell,
    direction: Direction,
    sequences: &'a Sequences,
    memory: Option<&'a Sequences>,
    inputs: &'a [FlexTensor],
) -> Network<'a> {
    let attention = memory.map(|memory| Attention {
        memory,
        query: elements(&inputs[4]),
        score: elements(&inputs[5]),
        context: elements(&inputs[6]),
        keys: elements(&inputs[7]),
        values: elements(&inputs[8]),
        widths: [7, 8].map(|operand| inputs[operand].layout().shape()[1]),
    });
    Network {
        cell,
        direction,
        sequences,
        width: inputs[2].layout().shape()[0],
        start: elements(&inputs[1]),
        weight: elements(&inputs[2]),
        attention,
    }
}

fn run<const N: usize>(
    network: &Network<'_>,
    inputs: &[FlexTensor; N],
    tracked: bool,
) -> (FlexTensor, Option<Saved<N>>) {
    let (x, bias) = (elements(&inputs[0]), elements(&inputs[3]));
    let (output, kept) = with_flop("recurrent steps", network.flop(), || {
        forward(network, x, bias, tracked)
    });
    let output = tensor(output, [network.sequences.rows(), network.output_width()]);
    let saved = kept.map(|kept| {
        let mut inputs = inputs.clone();
        for unused in [0, 3] {
            inputs[unused] = tensor(Vec::new(), [0]);
        }
        Saved {
            inputs,
            output: output.clone(),
            kept,
        }
    });
    (output, saved)
}

/// The hidden state before each row `[N, H]`; 0 for rows of no sequence.
fn hidden_before(network: &Network<'_>, output: &[f32]) -> Vec<f32> {
    let zeros = vec![0.0; network.width];
    let mut before = vec![&zeros[..]; network.sequences.rows()];
    for (sequence, &length) in network.sequences.lengths().iter().enumerate() {
        let rows = &mut before[network.sequences.range(sequence)];
        for step in 0..length {
            let state = network.before(output, sequence, step);
            rows[network.position(length, step)] = &state[..network.width];
        }
    }
    new_rows(before.len(), network.width, &|row| before[row], |_, _| ())
}

/// The gradient of the weight: a GRU's candidate has its own share of the state.
fn of_weight(network: &Network<'_>, before: &[f32], gradients: &Gradients) -> Vec<f32> {
    let (rows, width) = (network.sequences.rows(), network.width);
    let (gates, joint) = (network.gates(), network.joint_gates());
    let before = Matrix::new(before, [rows, width]);
    let candidate = || Matrix::new(&gradients.candidate, [rows, width]);
    let gates_from = |first: usize, count: usize| {
        let data = gradients.x.get(first..).unwrap_or_default();
        Matrix::strided(data, [rows, count], gates)
    };
    let mut weight = vec![0.0; width * gates];
    let mut make = |first: usize, lhs: Matrix<'_>, rhs: Matrix<'_>| {
        product_into(
            &mut weight[first..],
            gates,
            lhs.transposed(),
            rhs,
            [0.0, 1.0],
            Cores::All,
        );
    };
    make(0, before, gates_from(0, joint));
    match network.cell {
        RecurrentCell::Gru => make(joint, before, candidate()),
        RecurrentCell::GruResetBefore => make(joint, candidate(), gates_from(joint, width)),
        RecurrentCell::Lstm => {}
    }
    weight
}

/// The gradients of x, start, weight and the candidate's bias.
fn of_operands(
    network: &Network<'_>,
    before: &[f32],
    gradients: Gradients,
    wanted: [bool; 4],
) -> [Option<FlexTensor>; 4] {
    let (width, gates) = (network.width, network.gates());
    let weight = wanted[2].then(|| tensor(of_weight(network, before, &gradients), [width, gates]));
    let bias = wanted[3].then(|| tensor(column_sums(&gradients.candidate, width), [width]));
    let x = wanted[0].then(|| tensor(gradients.x, [network.sequences.rows(), gates]));
    let start = [network.sequences.count(), network.state_width()];
    let start = wanted[1].then(|| tensor(gradients.start, start));
    [x, start, weight, bias]
}

impl RecurrenceOp {
    fn network<'a>(&'a self, inputs: &'a [FlexTensor; 4]) -> Network<'a> {
        network(self.cell, self.direction, &self.sequences, None, inputs)
    }
}

impl FusedOp<4> for RecurrenceOp {
    const NAMES: [&'static str; 2] = ["recurrence", "recurrence, backward"];

    type Saved = Saved<4>;

    fn forward(&self, inputs: [FlexTensor; 4], tracked: bool) -> (FlexTensor, Option<Saved<4>>) {
        let inputs = inputs.map(|input| input.to_contiguous());
        run(&self.network(&inputs), &inputs, tracked)
    }

    fn backward(
        &self,
        saved: Saved<4>,
        gradient: FlexTensor,
        wanted: [bool; 4],
    ) -> [Option<FlexTensor>; 4] {
        let Saved {
            inputs,
            output,
            kept,
        } = saved;
        let network = self.network(&inputs);
        let output = elements(&output);
        let gradients = differentiated(&network, output, gradient, kept);
        let before = if wanted[2] {
            hidden_before(&network, output)
        } else {
            Vec::new()
        };
        of_operands(&network, &before, gradients, wanted)
    }
}

impl AttentiveOp {
    fn network<'a>(&'a self, inputs: &'a [FlexTensor; 9]) -> Network<'a> {
        network(
            self.cell,
            Direction::Forward,
            &self.sequences,
            Some(&self.memory),
            inputs,
        )
    }
}

impl FusedOp<9> for AttentiveOp {
    const NAMES: [&'static str; 2] = ["attentive recurrence", "attentive recurrence, backward"];

    type Saved = Saved<9>;

    fn forward(&self, inputs: [FlexTensor; 9], tracked: bool) -> (FlexTensor, Option<Saved<9>>) {
        let inputs = inputs.map(|input| input.to_contiguous());
        run(&self.network(&inputs), &inputs, tracked)
    }

    fn backward(
        &self,
        saved: Saved<9>,
        gradient: FlexTensor,
        wanted: [bool; 9],
    ) -> [Option<FlexTensor>; 9] {
        let Saved {
            inputs,
            output,
            kept,
        } = saved;
        let network = self.network(&inputs);
        let output = elements(&output);
        let mut gradients = differentiated(&network, output, gradient, kept);
        let rows = network.sequences.rows();
        let (width, gates, [a, d]) = (network.width, network.gates(), network.attention_widths());
        let of_rows = |data, columns| Matrix::new(data, [rows, columns]);
        let before = if wanted[2] || wanted[4] {
            hidden_before(&network, output)
        } else {
            Vec::new()
        };
        let query = wanted[4].then(|| {
            let queries = of_rows(&gradients.queries, a);
            tensor(
                product(of_rows(&before, width).transposed(), queries),
                [width, a],
            )
        });
        let score = wanted[5].then(|| tensor(column_sums(&gradients.score, a), [a]));
        let context = wanted[6].then(|| {
            let contexts = output.get(network.state_width()..).unwrap_or_default();
            let contexts = Matrix::strided(contexts, [rows, d], network.output_width());
            tensor(
                product(contexts.transposed(), of_rows(&gradients.x, gates)),
                [d, gates],
            )
        });
        let memory_rows = self.memory.rows();
        let keys = std::mem::take(&mut gradients.keys);
        let keys = wanted[7].then(|| tensor(keys, [memory_rows, a]));
        let values = std::mem::take(&mut gradients.values);
        let values = wanted[8].then(|| tensor(values, [memory_rows, d]));
        let of_cell = std::array::from_fn(|operand| wanted[operand]);
        let [x, start, weight, bias] = of_operands(&network, &before, gradients, of_cell);
        [x, start, weight, bias, query, score, context, keys, values]
    }
}

fn differentiated(
    network: &Network<'_>,
    output: &[f32],
    gradient: FlexTensor,
    kept: Kept,
) -> Gradients {
    let gradient = gradient.to_contiguous();
    with_flop("recurrent steps, backward", network.flop(), || {
        backward(network, output, elements(&gradient), kept)
    })
}
