//! The map from hidden states to logits.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::{Embedding, Init, Output, Tying};

/// The last map of a model: a matrix of its own, or the target embedding's.
#[derive(Module, Debug)]
pub(crate) struct OutputMap {
    /// `[D, V]`; `None` where it is the transpose of the target embedding.
    weight: Option<Param<Tensor<2>>>,
    bias: Option<Param<Tensor<1>>>,
}

impl OutputMap {
    pub(crate) fn new(
        [d_model, vocabulary]: [usize; 2],
        tie: Tying,
        bias: bool,
        init: &Init,
    ) -> Self {
        Self {
            weight: (tie == Tying::None).then(|| init.xavier([d_model, vocabulary], vocabulary)),
            bias: bias.then(|| init.constant(vocabulary, 0.0)),
        }
    }

    pub(crate) fn output(&self, target_embedding: &Embedding) -> Output {
        Output {
            weight: match &self.weight {
                Some(weight) => weight.val(),
                None => target_embedding.weight.val().transpose(),
            },
            bias: self.bias.as_ref().map(Param::val),
        }
    }
}
