//! The loss of teacher forcing.

use burn::tensor::Tensor;
use regard_kernels::linear_cross_entropy;

use crate::{Batch, Pass, Seq2Seq};

/// Sums over the target tokens of a batch.
///
/// Sums and number are kept apart: the division happens once per optimiser step, over all tokens of the step, so that
/// neither padding nor the cutting of a step into batches can change a result.
#[derive(Debug)]
pub struct LossSum {
    /// Label-smoothed cross entropy, `[1]`, nats; differentiated.
    pub objective: Tensor<1>,
    /// Cross entropy without smoothing, `[1]`, nats, outside the graph; reported.
    pub nats: Tensor<1>,
    /// Number of real target tokens.
    pub tokens: usize,
}

/// Cross entropy of a batch under a model, padding left out.
///
/// # Panics
///
/// If `smoothing` is outside `[0, 1)`.
pub fn cross_entropy(model: &impl Seq2Seq, batch: &Batch, smoothing: f64, pass: &Pass) -> LossSum {
    let target_in = &batch.target_in;
    let decoded = model.forward(&batch.source, target_in, pass);
    let hidden = decoded.layout.real_rows(decoded.hidden, &target_in.lengths); // [tokens, D]
    let output = model.output();
    let loss = linear_cross_entropy(
        hidden,
        output.weight,
        output.bias,
        batch.target_out.clone(),
        smoothing,
    );
    LossSum {
        objective: loss.objective,
        nats: loss.nats,
        tokens: batch.tokens,
    }
}
