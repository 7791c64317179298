//! The recurrent encoder.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::{Direction, RecurrentCell, Sequences, dropout_rows};

use super::recurrent::{Recurrent, RecurrentConfig};
use crate::cache::select_rows;
use crate::{Init, Layout, Pass};

/// Sizes of a recurrent encoder.
#[derive(Config, Debug)]
pub struct RecurrentEncoderConfig {
    /// Width `D_in` of the input.
    pub d_input: usize,
    /// Width D of every layer's result; in two directions half of it each, and even.
    pub d_model: usize,
    /// Number of layers, from 1. Default 1.
    #[config(default = 1)]
    pub layers: usize,
    /// How states are made. Default `gru`.
    #[config(default = "RecurrentCell::Gru")]
    pub cell: RecurrentCell,
    /// Whether each layer reads in both directions. Default true.
    #[config(default = true)]
    pub bidirectional: bool,
    /// Probability of dropping an element between layers, in `[0, 1)`. Default 0.1.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// Recurrent layers on top of each other, each in one direction or in both.
///
/// ```text
/// y_t = [forward_t | backward_t]        of each layer; dropout(y) is the next one's input
/// ```
///
/// # Shapes
///
/// `x: [N, D_in]`; of the result `states: [N, D]`, `finals[l]: [B, Z]` with Z = D for GRU, 2 D for LSTM.
///
/// # Parameters
///
/// `layers.l.forward` and, in two directions, `layers.l.backward`: a [`Recurrent`] each.
///
/// # Behaviour
///
/// The final state of a layer is the forward one after the last real position beside the backward one after the first; for
/// LSTM the parts h of both, then the parts c. Of an empty sequence it is 0.
///
/// # Differences
///
/// PyTorch's `GRU(bidirectional=True)` on a `PackedSequence` is the same; it gives the finals of the two directions apart.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Init, Layout, Pass, RecurrentEncoderConfig, Sequences};
///
/// let device = Device::flex();
/// let encoder = RecurrentEncoderConfig::new(3, 8).with_layers(2).init(&Init::new(1, &device));
/// let lengths = vec![4, 1];
/// let layout = Layout::packed(lengths.clone(), 4);
/// let encoded = encoder.forward(Tensor::zeros([5, 3], &device), &layout, &Sequences::packed(lengths), &Pass::evaluation());
/// assert_eq!(encoded.states.dims(), [5, 8]);
/// assert_eq!(encoded.finals[1].dims(), [2, 8]);
/// ```
#[derive(Module, Debug)]
pub struct RecurrentEncoder {
    layers: Vec<EncoderLayer>,
    dropout: f64,
}

#[derive(Module, Debug)]
struct EncoderLayer {
    forward: Recurrent,
    backward: Option<Recurrent>,
}

/// What a recurrent encoder gives.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// What the last layer says of each position, `[N, D]`.
    pub states: Tensor<2>,
    /// The final state of each layer, `[B, Z]`.
    pub finals: Vec<Tensor<2>>,
}

impl RecurrentEncoderConfig {
    /// An encoder with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If it reads in both directions and `d_model` is odd.
    pub fn init(&self, init: &Init) -> RecurrentEncoder {
        assert!(
            !self.bidirectional || self.d_model.is_multiple_of(2),
            "RecurrentEncoder: two directions need an even d_model, got {}",
            self.d_model
        );
        let directions = if self.bidirectional { 2 } else { 1 };
        let layer = |number: usize| {
            let init = init.at("layers").nth(number);
            let d_input = if number == 0 {
                self.d_input
            } else {
                self.d_model
            };
            let config =
                RecurrentConfig::new(d_input, self.d_model / directions).with_cell(self.cell);
            EncoderLayer {
                forward: config.init(&init.at("forward")),
                backward: self
                    .bidirectional
                    .then(|| config.init(&init.at("backward"))),
            }
        };
        RecurrentEncoder {
            layers: (0..self.layers).map(layer).collect(),
            dropout: self.dropout,
        }
    }
}

impl RecurrentEncoder {
    /// Reads `x: [N, D_in]`, whose rows lie as `layout` and `sequences` say.
    ///
    /// # Panics
    ///
    /// If `x` has other rows than `sequences`, or another width than `D_in`.
    pub fn forward(
        &self,
        mut x: Tensor<2>,
        layout: &Layout,
        sequences: &Sequences,
        pass: &Pass,
    ) -> Encoded {
        let mut finals = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            if number > 0
                && let Some(dropout) = pass.nth(number).row_dropout(layout, self.dropout)
            {
                x = dropout_rows(x, &dropout);
            }
            let (y, last) = layer.read(&x, sequences);
            x = y;
            finals.push(last);
        }
        Encoded { states: x, finals }
    }
}

impl EncoderLayer {
    /// What it says of each position, and its final state.
    fn read(&self, x: &Tensor<2>, sequences: &Sequences) -> (Tensor<2>, Tensor<2>) {
        let directions = [
            (Some(&self.forward), Direction::Forward),
            (self.backward.as_ref(), Direction::Backward),
        ];
        let (mut seen, mut hidden, mut cells) = (Vec::new(), Vec::new(), Vec::new());
        for (layer, direction) in directions {
            let Some(layer) = layer else { continue };
            let states = layer.forward(x.clone(), None, sequences, direction);
            let last = last_states(states.clone(), sequences, direction);
            let h = layer.hidden(last.clone());
            let ([_, width], [_, all]) = (h.dims(), last.dims());
            if all > width {
                cells.push(last.narrow(1, width, all - width));
            }
            seen.push(layer.hidden(states));
            hidden.push(h);
        }
        hidden.extend(cells);
        (beside(seen), beside(hidden))
    }
}

/// The state of each sequence where reading ends.
fn last_states(states: Tensor<2>, sequences: &Sequences, direction: Direction) -> Tensor<2> {
    let [rows, width] = states.dims();
    // Behind the states, for sequences without any.
    let zeros = Tensor::zeros([1, width], (&states.device(), states.dtype()));
    let row_of = |sequence| {
        let range = sequences.range(sequence);
        match direction {
            _ if range.is_empty() => rows,
            Direction::Forward => range.end - 1,
            Direction::Backward => range.start,
        }
    };
    let last: Vec<usize> = (0..sequences.count()).map(row_of).collect();
    if last.contains(&rows) {
        return select_rows(Tensor::cat(vec![states, zeros], 0), &last);
    }
    select_rows(states, &last)
}

/// Matrices side by side.
fn beside(mut parts: Vec<Tensor<2>>) -> Tensor<2> {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => Tensor::cat(parts, 1),
    }
}
