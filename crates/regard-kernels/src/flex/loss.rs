//! Cross entropy through the output map, a few hundred rows at a time, so that `[N, V]` logits never exist whole.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::matrix::{Cores, Matrix, plain, product, product_into};
use super::simd::{column_sums, exp, maximum, replace_and_sum, sum, vectorized};
use super::{FusedOp, elements, tensor};

/// Rows whose logits exist at a time: 512 x 8,000 f32 are 16 MiB.
const CHUNK: usize = 512;

/// Operands: `hidden [N, D]`, `W [D, V]` (may be a transposed view), `b [V]` or empty.
///
/// The result is `[2]`: the smoothed objective, and the unsmoothed nats, through which no gradient flows.
#[derive(Clone, Debug)]
pub(crate) struct CrossEntropyOp {
    pub(crate) targets: Vec<usize>,
    pub(crate) smoothing: f64,
}

/// Gradients of the objective, made while the logits were at hand.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(super) hidden: FlexTensor,
    pub(super) weight: FlexTensor,
    pub(super) bias: FlexTensor,
}

/// The gradients of an output map and of what it reads, summed over chunks of rows.
pub(super) struct MapGradients {
    d_model: usize,
    vocabulary: usize,
    /// A tied weight is the transpose of the embedding, and its gradient is laid out like it.
    transposed: bool,
    hidden: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl MapGradients {
    /// Of `rows` rows in all, through `weight [D, V]` and as many biases.
    pub(super) fn new(weight: &FlexTensor, rows: usize, biases: usize) -> Self {
        let shape = weight.layout().shape();
        let (d_model, vocabulary) = (shape[0], shape[1]);
        Self {
            d_model,
            vocabulary,
            transposed: !weight.is_contiguous(),
            hidden: Vec::with_capacity(rows * d_model),
            weight: Vec::new(),
            bias: vec![0.0; biases],
        }
    }

    /// Adds a chunk: the gradient of its logits, what the map `weight` read.
    pub(super) fn add(&mut self, logits: &[f32], hidden: Matrix<'_>, weight: Matrix<'_>) {
        let g = Matrix::new(logits, [logits.len() / self.vocabulary, self.vocabulary]);
        self.hidden.extend(product(g, weight.transposed()));
        let (lhs, rhs, stride) = if self.transposed {
            (g.transposed(), hidden, self.d_model)
        } else {
            (hidden.transposed(), g, self.vocabulary)
        };
        if self.weight.is_empty() {
            self.weight = product(lhs, rhs);
        } else {
            product_into(&mut self.weight, stride, lhs, rhs, [1.0, 1.0], Cores::All);
        }
        if !self.bias.is_empty() {
            let sums = column_sums(logits, self.vocabulary);
            for (sum, part) in self.bias.iter_mut().zip(sums) {
                *sum += part;
            }
        }
    }

    pub(super) fn finish(mut self) -> Saved {
        let (d_model, vocabulary) = (self.d_model, self.vocabulary);
        self.weight.resize(d_model * vocabulary, 0.0); // where there are no rows
        let rows = self.hidden.len() / d_model.max(1);
        let biases = self.bias.len();
        Saved {
            hidden: tensor(self.hidden, [rows, d_model]),
            weight: if self.transposed {
                tensor(self.weight, [vocabulary, d_model]).transpose(0, 1)
            } else {
                tensor(self.weight, [d_model, vocabulary])
            },
            bias: tensor(self.bias, [biases]),
        }
    }
}

/// The first element: the gradient of a sum.
pub(super) fn first(gradient: &FlexTensor) -> f32 {
    elements(&gradient.to_contiguous())[0]
}

pub(super) fn scaled(mut gradient: FlexTensor, factor: f32) -> FlexTensor {
    if factor.to_bits() != 1.0_f32.to_bits() {
        for value in gradient.storage_mut::<f32>() {
            *value *= factor;
        }
    }
    gradient
}

impl FusedOp<3> for CrossEntropyOp {
    const NAMES: [&'static str; 2] = ["cross entropy", "cross entropy, backward"];

    type Saved = Saved;

    fn forward(
        &self,
        [hidden, weight, bias]: [FlexTensor; 3],
        tracked: bool,
    ) -> (FlexTensor, Option<Saved>) {
        let (hidden, weight, bias) = (hidden.to_contiguous(), plain(weight), bias.to_contiguous());
        let [rows, d_model] = super::matrix_shape(&hidden);
        let vocabulary = weight.layout().shape()[1];
        let (h, w, b) = (elements(&hidden), Matrix::of(&weight), elements(&bias));

        let (mut objective, mut nats) = (0.0, 0.0);
        let mut gradients = tracked.then(|| MapGradients::new(&weight, rows, b.len()));
        for (targets, h) in self.targets.chunks(CHUNK).zip(h.chunks(CHUNK * d_model)) {
            let h = Matrix::new(h, [targets.len(), d_model]);
            let mut logits = product(h, w);
            let sums: Vec<(f64, f64)> = logits
                .par_chunks_mut(vocabulary)
                .zip(targets)
                .map(|(row, &target)| {
                    vectorized(
                        #[inline(always)]
                        || self.row(row, target, b, tracked),
                    )
                })
                .collect();
            for (row_objective, row_nats) in sums {
                objective += row_objective;
                nats += row_nats;
            }
            if let Some(gradients) = &mut gradients {
                gradients.add(&logits, h, w);
            }
        }
        let saved = gradients.map(MapGradients::finish);
        (tensor(vec![objective as f32, nats as f32], [2]), saved)
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let factor = first(&gradient);
        let [hidden, weight, bias] = wanted;
        [
            hidden.then(|| scaled(saved.hidden, factor)),
            weight.then(|| scaled(saved.weight, factor)),
            bias.then(|| scaled(saved.bias, factor)),
        ]
    }
}

impl CrossEntropyOp {
    /// Objective and nats of one row of logits, which becomes the gradient of the objective if that is wanted.
    #[inline(always)]
    fn row(&self, row: &mut [f32], target: usize, bias: &[f32], gradient: bool) -> (f64, f64) {
        for (z, b) in row.iter_mut().zip(bias) {
            *z += b;
        }
        let highest = maximum(row);
        let mean = sum(row, |z| z - highest) / row.len() as f32;
        let chosen = row[target] - highest;
        let total = if gradient {
            replace_and_sum(row, |z| exp(z - highest))
        } else {
            sum(row, |z| exp(z - highest))
        };
        let normaliser = f64::from(total).ln();
        let nats = normaliser - f64::from(chosen);
        let smoothed = if self.smoothing == 0.0 {
            f64::from(chosen) // the mean may be infinite
        } else {
            (1.0 - self.smoothing) * f64::from(chosen) + self.smoothing * f64::from(mean)
        };
        if gradient {
            let factor = 1.0 / total;
            let spread = (self.smoothing / row.len() as f64) as f32;
            for z in row.iter_mut() {
                *z = *z * factor - spread;
            }
            row[target] -= (1.0 - self.smoothing) as f32;
        }
        (normaliser - smoothed, nats)
    }
}
