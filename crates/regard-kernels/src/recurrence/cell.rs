//! One step of a recurrent network.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::RecurrentWeights;
use crate::linear;

/// How a recurrent network makes its next state.
///
/// With `a` the input already mapped to the gates (bias included), W the weight, `b_n` the candidate's bias, each cut into
/// the gates' columns; `o` is the product of elements:
///
/// ```text
/// GRU                       columns [r | z | n]
///   r  = sigmoid(a_r + h W_r)
///   z  = sigmoid(a_z + h W_z)
///   n  = tanh(a_n + r o (h W_n + b_n))             reset after the product
///   n  = tanh(a_n + (r o h) W_n)                   reset before the product
///   h' = (1 - z) o n + z o h
///
/// LSTM                      columns [i | f | g | o]
///   i, f, o = sigmoid(a + h W)
///   g  = tanh(a_g + h W_g)
///   c' = f o c + i o g
///   h' = o o tanh(c')
/// ```
///
/// # Behaviour
///
/// The three gates of a GRU that resets after, and the four of an LSTM, are one product; a GRU that resets before needs two,
/// one behind the other.
///
/// # Differences
///
/// - Papers: Cho's GRU resets before the product (that of his decoder's summary after it, which is none of these); Bahdanau's exchanges z and 1 - z, which trains to the same. Hochreiter's
///   LSTM had no forget gate; this is the one of Gers, Schmidhuber and Cummins (2000), without peepholes.
/// - PyTorch's `GRUCell` resets after; its `LSTMCell` is this LSTM.
///
/// # References
///
/// Cho et al. Learning Phrase Representations using RNN Encoder-Decoder. 2014. <https://arxiv.org/abs/1406.1078>,
/// section 2.3. Hochreiter, Schmidhuber. Long Short-Term Memory. 1997.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecurrentCell {
    /// Gated recurrent unit, reset after the product, as in PyTorch.
    #[default]
    Gru,
    /// Gated recurrent unit, reset before the product, as in the paper.
    GruResetBefore,
    /// Long short-term memory.
    Lstm,
}

impl RecurrentCell {
    /// Blocks of columns of the weight.
    pub fn gates(self) -> usize {
        match self {
            Self::Gru | Self::GruResetBefore => 3,
            Self::Lstm => 4,
        }
    }

    /// Width Z of a state whose part that is seen from outside, h, has the given width.
    pub fn state_width(self, width: usize) -> usize {
        match self {
            Self::Gru | Self::GruResetBefore => width,
            Self::Lstm => 2 * width,
        }
    }

    /// `x: [R, G]`, `state: [R, Z]` to the next state.
    pub(super) fn step(
        self,
        x: Tensor<2>,
        state: Tensor<2>,
        weights: &RecurrentWeights,
    ) -> Tensor<2> {
        let weight = weights.weight.clone();
        let [width, _] = weight.dims();
        let gates = |x: &Tensor<2>, first: usize, count: usize| {
            x.clone().narrow(1, first * width, count * width)
        };
        if self == Self::Lstm {
            let [hidden, cell] = [0, 1].map(|part| gates(&state, part, 1));
            let x = x + linear(hidden, weight, None);
            let [input, forget, output] =
                [0, 1, 3].map(|gate| activation::sigmoid(gates(&x, gate, 1)));
            let cell = forget * cell + input * gates(&x, 2, 1).tanh();
            return Tensor::cat(vec![output * cell.clone().tanh(), cell], 1);
        }
        let (reset_update, candidate) = if self == Self::Gru {
            let product = linear(state.clone(), weight, None);
            let reset_update = activation::sigmoid(gates(&x, 0, 2) + gates(&product, 0, 2));
            let candidate = match &weights.candidate_bias {
                Some(bias) => gates(&product, 2, 1) + bias.clone().unsqueeze(),
                None => gates(&product, 2, 1),
            };
            let candidate = gates(&reset_update, 0, 1) * candidate;
            (reset_update, candidate)
        } else {
            let product = linear(state.clone(), gates(&weight, 0, 2), None);
            let reset_update = activation::sigmoid(gates(&x, 0, 2) + product);
            let kept = gates(&reset_update, 0, 1) * state.clone();
            (reset_update, linear(kept, gates(&weight, 2, 1), None))
        };
        let candidate = (gates(&x, 2, 1) + candidate).tanh();
        let update = gates(&reset_update, 1, 1);
        candidate.clone() + update * (state - candidate)
    }
}
