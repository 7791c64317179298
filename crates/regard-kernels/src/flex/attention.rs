//! Scaled dot-product attention on `[B, T, H K]` as it is, without transposed copies.
//!
//! Queries and keys are taken in tiles. Of the weights, `[B, H, T, S]`, only the tile at hand exists: the backward pass
//! makes them again from the largest score and the sum of each query.

mod backward;
mod bias;
mod forward;
mod problem;
pub(super) mod product;
mod rows;
mod step;
#[cfg(test)]
mod tests;
mod tile;
pub(super) mod transpose;
mod weights;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use super::{FusedOp, Operand, tensor};
use crate::profile::profiled;
use crate::{AttentionMask, Draws, Origins};

use forward::Kept;
use problem::Problem;

/// How heads lie in queries, keys and values: side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Heads of queries, a multiple of those of keys.
    pub(crate) queries: usize,
    /// Heads of keys and values.
    pub(crate) keys: usize,
    /// Width of one head of queries and keys.
    pub(crate) width: usize,
    /// Width of one head of values.
    pub(crate) value_width: usize,
}

/// Operands: `[q | k | v]`, or `q` and `[k | v]`, or `q`, `k` and `v`, each `[B, length, widths]`; then the bias, if
/// there is one, of any shape that broadcasts to `[B, H, T, S]`.
#[derive(Clone, Debug)]
pub(crate) struct AttentionOp {
    pub(crate) heads: Heads,
    pub(crate) mask: AttentionMask,
    /// `None` is `1 / sqrt(K)`.
    pub(crate) scale: Option<f64>,
    pub(crate) dropout: Option<(f64, Draws)>,
    pub(crate) bias: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Saved<const N: usize> {
    inputs: [FlexTensor; N],
    context: FlexTensor,
    kept: Kept,
}

/// One of q, k and v: which operand it is in, and where its columns begin there.
#[derive(Clone, Copy)]
struct Place {
    operand: usize,
    column: usize,
}

impl AttentionOp {
    /// The places of q, k and v among `n` operands, the bias counted.
    fn places(&self, n: usize) -> [Place; 3] {
        let place = |operand, column| Place { operand, column };
        let (query_width, key_width) = (
            self.heads.queries * self.heads.width,
            self.heads.keys * self.heads.width,
        );
        match n - usize::from(self.bias) {
            1 => [
                place(0, 0),
                place(0, query_width),
                place(0, query_width + key_width),
            ],
            2 => [place(0, 0), place(1, 0), place(1, key_width)],
            _ => [place(0, 0), place(1, 0), place(2, 0)],
        }
    }

    /// The context, from keys and values that stand where `origins` says; `None` if there is something to differentiate, or
    /// more than a step.
    pub(crate) fn scattered(&self, operands: Vec<Operand>, origins: &Origins) -> Option<Tensor<3>> {
        let inputs: Vec<FlexTensor> = operands.iter().map(plain).collect::<Option<_>>()?;
        drop(operands);
        let problem = Problem {
            origins: Some(origins),
            ..Problem::new(self, &inputs)
        };
        let shape = [
            problem.batch,
            problem.t,
            self.heads.queries * self.heads.value_width,
        ];
        let served = step::serves(&problem);
        served.then(|| {
            let context = profiled(<Self as FusedOp<3>>::NAMES[0], || step::step(&problem));
            Tensor::from_primitive::<Flex>(tensor(context, shape))
        })
    }

    /// Weights before dropout, `[B, H, T, S]`; `None` if there is something to differentiate.
    pub(crate) fn weights(&self, operands: &[Operand]) -> Option<Tensor<4>> {
        let inputs: Vec<FlexTensor> = operands.iter().map(plain).collect::<Option<_>>()?;
        let problem = Problem::new(self, &inputs);
        let shape = [problem.batch, self.heads.queries, problem.t, problem.s];
        let weights = profiled("attention weights", || weights::weights(&problem));
        Some(Tensor::from_primitive::<Flex>(tensor(weights, shape)))
    }
}

/// What is not to be differentiated.
fn plain(operand: &Operand) -> Option<FlexTensor> {
    match operand {
        Operand::Plain(tensor) => Some(readable(tensor.clone())),
        Operand::Tracked(_) => None,
    }
}

/// A tensor whose rows can be read where they stand: itself, or a contiguous copy. A cache of keys has room behind those
/// in use; reading around it saves copying it at every step.
fn readable(tensor: FlexTensor) -> FlexTensor {
    let strides = tensor.layout().strides();
    let whole = strides.last() == Some(&1) && strides.iter().all(|&stride| stride > 0);
    if whole {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

impl<const N: usize> FusedOp<N> for AttentionOp {
    const NAMES: [&'static str; 2] = ["attention", "attention, backward"];

    type Saved = Saved<N>;

    fn forward(&self, inputs: [FlexTensor; N], tracked: bool) -> (FlexTensor, Option<Saved<N>>) {
        let inputs = inputs.map(readable);
        let problem = Problem::new(self, &inputs);
        let shape = problem.context_shape();
        if !tracked && step::serves(&problem) {
            return (tensor(step::step(&problem), shape), None);
        }
        let (context, kept) = forward::forward(&problem, tracked);
        let context = tensor(context, shape);
        let saved = tracked.then(|| Saved {
            context: context.clone(),
            kept,
            inputs,
        });
        (context, saved)
    }

    fn untracked(&self, inputs: [FlexTensor; N]) -> FlexTensor {
        let inputs = inputs.map(readable);
        let problem = Problem::new(self, &inputs);
        tensor(forward::forward(&problem, false).0, problem.context_shape())
    }

    fn backward(
        &self,
        saved: Saved<N>,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let gradient = gradient.to_contiguous();
        let problem = Problem::new(self, &saved.inputs);
        let pass = backward::Pass::new(&problem, &saved.context, &saved.kept, &gradient);
        let n = N - usize::from(self.bias);
        let mut gradients = pass.operands(self.places(N), &saved.inputs[..n], &wanted[..n]);
        if self.bias {
            let shape = saved.inputs[n].layout().shape();
            gradients.push(wanted[n].then(|| pass.bias(shape.as_slice())));
        }
        let mut gradients = gradients.into_iter();
        std::array::from_fn(|i| {
            let values = gradients.next().expect("an entry for every operand")?;
            Some(tensor(values, saved.inputs[i].layout().shape().clone()))
        })
    }
}
