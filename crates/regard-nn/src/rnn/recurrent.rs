//! A recurrent layer.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use regard_kernels::{Direction, RecurrentCell, RecurrentWeights, Sequences, recurrence};

use crate::{Init, Linear};

/// Sizes of a recurrent layer.
#[derive(Config, Debug)]
pub struct RecurrentConfig {
    /// Width `D_in` of the input.
    pub d_input: usize,
    /// Width H of the state's part that is seen from outside.
    pub d_hidden: usize,
    /// How the next state is made. Default `gru`.
    #[config(default = "RecurrentCell::Gru")]
    pub cell: RecurrentCell,
}

/// One recurrent layer that reads in one direction.
///
/// ```text
/// s_t = cell(x_t W + b, s_(t-1))
/// ```
///
/// with the formulas of [`RecurrentCell`]: the input of all positions is mapped to all gates in one product, the state of a
/// position in one more.
///
/// # Shapes
///
/// `x: [N, D_in]`, `start: [B, Z]` or none for zeros, result `[N, Z]`; Z = H for GRU, 2 H for LSTM, `[h | c]`.
///
/// # Parameters
///
/// - `input.weight: [D_in, G]`, `input.bias: [G]`: G = 3 H, `[r | z | n]`, for GRU, 4 H, `[i | f | g | o]`, for LSTM.
/// - `weight: [H, G]`.
/// - `candidate_bias: [H]`, inside the reset gate, for the GRU that resets after the product.
///
/// Xavier uniform, each gate as if alone; biases 0, but the forget gate's, which is 1, so that an LSTM begins by remembering
/// (Jozefowicz et al. 2015).
///
/// # Behaviour
///
/// Positions that belong to no sequence do not touch a state; reading backward begins at the last real position.
///
/// # Panics
///
/// If shapes are not as above.
///
/// # Differences
///
/// - PyTorch: `bias_ih + bias_hh` are one bias here, but for the candidate's of a GRU, and matrices are transposed; it starts
///   everything uniform in `[-1 / sqrt(H), 1 / sqrt(H)]`.
/// - burn's `Gru` and `Lstm` hold a matrix for each gate and run through padding.
///
/// # References
///
/// See [`RecurrentCell`].
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Direction, Init, RecurrentConfig, Sequences};
///
/// let device = Device::flex();
/// let layer = RecurrentConfig::new(3, 2).init(&Init::new(1, &device));
/// let sequences = Sequences::packed(vec![4, 1]);
/// let states = layer.forward(Tensor::zeros([5, 3], &device), None, &sequences, Direction::Forward);
/// assert_eq!(states.dims(), [5, 2]);
/// assert_eq!(burn::module::Module::num_params(&layer), 3 * 6 + 6 + 2 * 6 + 2);
/// ```
#[derive(Module, Debug)]
pub struct Recurrent {
    /// W and b, from the input to the gates.
    pub input: Linear,
    /// From the state to the gates, `[H, G]`.
    pub weight: Param<Tensor<2>>,
    /// `b_n`, `[H]`.
    pub candidate_bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    cell: RecurrentCell,
}

impl RecurrentConfig {
    /// A layer with parameters from `init`.
    pub fn init(&self, init: &Init) -> Recurrent {
        let width = self.d_hidden;
        let gates = vec![width; self.cell.gates()];
        let input = Linear::packed(self.d_input, &gates, &init.at("input"));
        let is_forget_gate = |column: usize| column / width == 1;
        Recurrent {
            input: if self.cell == RecurrentCell::Lstm {
                let bias = |column| f64::from(u8::from(is_forget_gate(column)));
                Linear {
                    bias: Some(init.values(4 * width, bias)),
                    ..input
                }
            } else {
                input
            },
            weight: init.at("weight").xavier_packed(width, &gates),
            candidate_bias: (self.cell == RecurrentCell::Gru).then(|| init.constant(width, 0.0)),
            cell: self.cell,
        }
    }
}

impl Recurrent {
    /// The state after each position of `x: [N, D_in]`.
    pub fn forward(
        &self,
        x: Tensor<2>,
        start: Option<Tensor<2>>,
        sequences: &Sequences,
        direction: Direction,
    ) -> Tensor<2> {
        let x = self.input.forward(x); // [N, G]
        let start = start.unwrap_or_else(|| {
            let shape = [sequences.count(), self.state_width()];
            Tensor::zeros(shape, (&x.device(), x.dtype()))
        });
        self.run(x, start, sequences, direction)
    }

    /// [`forward`](Self::forward), once the input is mapped to the gates.
    pub(super) fn run(
        &self,
        gates: Tensor<2>,
        start: Tensor<2>,
        sequences: &Sequences,
        direction: Direction,
    ) -> Tensor<2> {
        recurrence(
            self.cell,
            gates,
            start,
            self.weights(),
            sequences,
            direction,
        )
    }

    /// The part of states `[N, Z]` that is seen from outside, `[N, H]`.
    pub fn hidden(&self, states: Tensor<2>) -> Tensor<2> {
        match self.cell {
            RecurrentCell::Gru | RecurrentCell::GruResetBefore => states,
            RecurrentCell::Lstm => states.narrow(1, 0, self.d_hidden()),
        }
    }

    /// Width Z of a state.
    pub fn state_width(&self) -> usize {
        self.cell.state_width(self.d_hidden())
    }

    pub(super) fn weights(&self) -> RecurrentWeights {
        RecurrentWeights {
            weight: self.weight.val(),
            candidate_bias: self.candidate_bias.as_ref().map(Param::val),
        }
    }

    pub(super) fn cell(&self) -> RecurrentCell {
        self.cell
    }

    fn d_hidden(&self) -> usize {
        self.weight.dims()[0]
    }
}
