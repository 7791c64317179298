//! The loss of teacher forcing.

use burn::tensor::Tensor;
use regard_kernels::{CrossEntropy, linear_cross_entropy, linear_r_drop};

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

impl LossSum {
    fn new(loss: CrossEntropy, tokens: usize) -> Self {
        Self {
            objective: loss.objective,
            nats: loss.nats,
            tokens,
        }
    }
}

/// Cross entropy of a batch under a model, padding left out.
///
/// # Panics
///
/// If `smoothing` is outside `[0, 1)`.
pub fn cross_entropy(model: &impl Seq2Seq, batch: &Batch, smoothing: f64, pass: &Pass) -> LossSum {
    let hidden = hidden_states(model, batch, pass);
    let output = model.output();
    let targets = batch.target_out.clone();
    let loss = linear_cross_entropy(hidden, output.weight, output.bias, targets, smoothing);
    LossSum::new(loss, batch.tokens)
}

/// R-Drop: the batch passes twice, with different dropout, and the two predictions are drawn together; see
/// [`linear_r_drop`]. `nats` is the mean of both passes. A pass without draws is [`cross_entropy`].
///
/// # Panics
///
/// If `smoothing` is outside `[0, 1)`, or `alpha` is negative or not finite.
pub fn r_drop(
    model: &impl Seq2Seq,
    batch: &Batch,
    (smoothing, alpha): (f64, f64),
    pass: &Pass,
) -> LossSum {
    if pass.draws().is_none() {
        return cross_entropy(model, batch, smoothing, pass);
    }
    let passes = [0, 1].map(|i| hidden_states(model, batch, &pass.at("r_drop").nth(i)));
    let output = model.output();
    let targets = batch.target_out.clone();
    let weights = (smoothing, alpha);
    let loss = linear_r_drop(passes, output.weight, output.bias, targets, weights);
    LossSum::new(loss, batch.tokens)
}

/// What the output map reads at each real target token of a batch, `[tokens, D]`.
pub fn hidden_states(model: &impl Seq2Seq, batch: &Batch, pass: &Pass) -> Tensor<2> {
    let target_in = &batch.target_in;
    let decoded = model.forward(&batch.source, target_in, pass);
    decoded.layout.real_rows(decoded.hidden, &target_in.lengths)
}
