//! From a decoder's state to what the output map reads.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::maxout;
use serde::{Deserialize, Serialize};

use crate::{Init, Linear};

/// What stands before the output map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadoutKind {
    /// A layer of maxout units over pairs, as in Bahdanau's paper.
    #[default]
    Maxout,
    /// A layer of tanh, as Luong's.
    Plain,
}

/// What a decoder says at a position, from what it knows there.
///
/// ```text
/// t = f(s W_s + b + c W_c + e W_e)      f = tanh, or the larger of each pair
/// ```
#[derive(Module, Debug)]
pub(super) struct Readout {
    /// From the state, `[D, F]`.
    state: Linear,
    /// From the context, without a bias.
    context: Option<Linear>,
    /// From the embedding of the last token, without a bias.
    embedding: Option<Linear>,
    #[module(skip)]
    kind: ReadoutKind,
}

impl Readout {
    /// From a state of width `d_state` to `d_readout`; the other widths are `None` for what is not read.
    pub(super) fn new(
        kind: ReadoutKind,
        [d_state, d_readout]: [usize; 2],
        [d_context, d_embedding]: [Option<usize>; 2],
        init: &Init,
    ) -> Self {
        let width = match kind {
            ReadoutKind::Maxout => 2 * d_readout,
            ReadoutKind::Plain => d_readout,
        };
        let optional = |d_in: Option<usize>, name: &str| {
            d_in.map(|d_in| Linear::new(d_in, width, &init.at(name)).without_bias())
        };
        Self {
            state: Linear::new(d_state, width, &init.at("state")),
            context: optional(d_context, "context"),
            embedding: optional(d_embedding, "embedding"),
            kind,
        }
    }

    /// Of rows each; what the readout was not made for is not read.
    pub(super) fn forward(
        &self,
        state: Tensor<2>,
        context: Option<Tensor<2>>,
        embedding: Option<Tensor<2>>,
    ) -> Tensor<2> {
        let parts = [(&self.context, context), (&self.embedding, embedding)];
        let read = parts
            .into_iter()
            .fold(self.state.forward(state), |sum, part| match part {
                (Some(map), Some(x)) => crate::Summand::add_to(map.of(x), sum, None),
                _ => sum,
            });
        match self.kind {
            ReadoutKind::Maxout => maxout(read),
            ReadoutKind::Plain => read.tanh(),
        }
    }
}
