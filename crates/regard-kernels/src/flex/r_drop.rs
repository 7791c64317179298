//! Cross entropy of two passes and the divergence between them, a few hundred rows at a time.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::loss::{MapGradients, first, scaled};
use super::matrix::{Matrix, plain, product};
use super::simd::{exp, maximum, sum, vectorized};
use super::{FusedOp, elements, tensor};

/// Rows of each pass whose logits exist at a time.
const CHUNK: usize = 256;

/// Operands: `first [N, D]`, `second [N, D]`, `W [D, V]` (may be a transposed view), `b [V]` or empty.
///
/// The result is `[2]`: the objective, and the unsmoothed nats, through which no gradient flows.
#[derive(Clone, Debug)]
pub(crate) struct RDropOp {
    pub(crate) targets: Vec<usize>,
    pub(crate) smoothing: f64,
    pub(crate) alpha: f64,
}

/// Gradients of the objective, made while the logits were at hand.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    passes: [FlexTensor; 2],
    weight: FlexTensor,
    bias: FlexTensor,
}

/// What a row of logits says: its largest element, and the logarithm of its normaliser above that.
#[derive(Clone, Copy)]
struct Normaliser {
    highest: f32,
    log: f32,
}

impl FusedOp<4> for RDropOp {
    const NAMES: [&'static str; 2] = ["R-Drop", "R-Drop, backward"];

    type Saved = Saved;

    fn forward(
        &self,
        [one, other, weight, bias]: [FlexTensor; 4],
        tracked: bool,
    ) -> (FlexTensor, Option<Saved>) {
        let (one, other) = (one.to_contiguous(), other.to_contiguous());
        let (weight, bias) = (plain(weight), bias.to_contiguous());
        let [rows, d_model] = super::matrix_shape(&one);
        let vocabulary = weight.layout().shape()[1];
        let (w, b) = (Matrix::of(&weight), elements(&bias));

        let (mut objective, mut nats) = (0.0, 0.0);
        let new = || MapGradients::new(&weight, rows, b.len());
        let mut gradients = tracked.then(|| [new(), new()]);
        let chunks = [&one, &other].map(|hidden| elements(hidden).chunks(CHUNK * d_model));
        let [one, other] = chunks;
        for ((targets, one), other) in self.targets.chunks(CHUNK).zip(one).zip(other) {
            let passes = [one, other].map(|h| Matrix::new(h, [targets.len(), d_model]));
            let mut logits = passes.map(|hidden| product(hidden, w));
            let [z1, z2] = &mut logits;
            let sums: Vec<(f64, f64)> = z1
                .par_chunks_mut(vocabulary)
                .zip(z2.par_chunks_mut(vocabulary))
                .zip(targets)
                .map_init(Vec::new, |scratch, ((z1, z2), &target)| {
                    vectorized(
                        #[inline(always)]
                        || self.row([z1, z2], target, b, scratch, tracked),
                    )
                })
                .collect();
            for (row_objective, row_nats) in sums {
                objective += row_objective;
                nats += row_nats;
            }
            for (place, gradients) in gradients.iter_mut().flatten().enumerate() {
                gradients.add(&logits[place], passes[place], w);
            }
        }
        let saved = gradients.map(|gradients| {
            let [one, other] = gradients.map(MapGradients::finish);
            Saved {
                passes: [one.hidden, other.hidden],
                weight: added(one.weight, &other.weight),
                bias: added(one.bias, &other.bias),
            }
        });
        (tensor(vec![objective as f32, nats as f32], [2]), saved)
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        wanted: [bool; 4],
    ) -> [Option<FlexTensor>; 4] {
        let factor = first(&gradient);
        let [one, other] = saved.passes;
        let gradients = [one, other, saved.weight, saved.bias];
        let mut wanted = wanted.into_iter();
        gradients.map(|gradient| (wanted.next() == Some(true)).then(|| scaled(gradient, factor)))
    }
}

impl RDropOp {
    /// Objective and nats of two rows of logits, which become the gradients of the objective if those are wanted.
    #[inline(always)]
    fn row(
        &self,
        [z1, z2]: [&mut [f32]; 2],
        target: usize,
        bias: &[f32],
        log_ratios: &mut Vec<f32>,
        gradient: bool,
    ) -> (f64, f64) {
        let (nats1, smoothed1, first) = self.entropy(z1, target, bias);
        let (nats2, smoothed2, second) = self.entropy(z2, target, bias);

        // ln p - ln q, then z1 becomes p and z2 becomes q.
        let shift = (first.highest - second.highest) + (first.log - second.log);
        log_ratios.clear();
        log_ratios.extend(z1.iter().zip(z2.iter()).map(|(a, b)| (a - b) - shift));
        for (row, n) in [(&mut *z1, first), (&mut *z2, second)] {
            let factor = (-n.log).exp();
            for z in row.iter_mut() {
                *z = exp(*z - n.highest) * factor;
            }
        }
        let mut forward = [0.0_f32; 16];
        let mut backward = [0.0_f32; 16];
        let (ratios, rest) = log_ratios.as_chunks::<16>();
        let (p, p_rest) = z1.as_chunks::<16>();
        let (q, q_rest) = z2.as_chunks::<16>();
        for ((d, p), q) in ratios.iter().zip(p).zip(q) {
            for i in 0..16 {
                forward[i] += p[i] * d[i];
                backward[i] -= q[i] * d[i];
            }
        }
        let (mut forward, mut backward) =
            (forward.iter().sum::<f32>(), backward.iter().sum::<f32>());
        for ((d, p), q) in rest.iter().zip(p_rest).zip(q_rest) {
            forward += p * d;
            backward -= q * d;
        }

        if gradient {
            let spread = (0.5 * self.smoothing / z1.len() as f64) as f32;
            let quarter = (0.25 * self.alpha) as f32;
            for ((p, q), &d) in z1.iter_mut().zip(z2.iter_mut()).zip(log_ratios.iter()) {
                let (a, b) = (*p, *q);
                *p = 0.5 * a - spread + quarter * (a * (d - forward) + (a - b));
                *q = 0.5 * b - spread + quarter * (b * (-d - backward) + (b - a));
            }
            let gold = (0.5 * (1.0 - self.smoothing)) as f32;
            z1[target] -= gold;
            z2[target] -= gold;
        }
        let divergence = 0.25 * self.alpha * (f64::from(forward) + f64::from(backward));
        (
            0.5 * (smoothed1 + smoothed2) + divergence,
            0.5 * (nats1 + nats2),
        )
    }

    /// Adds the bias; nats, smoothed cross entropy, and the normaliser.
    #[inline(always)]
    fn entropy(&self, row: &mut [f32], target: usize, bias: &[f32]) -> (f64, f64, Normaliser) {
        for (z, b) in row.iter_mut().zip(bias) {
            *z += b;
        }
        let highest = maximum(row);
        let mean = sum(row, |z| z - highest) / row.len() as f32;
        let chosen = row[target] - highest;
        let log = f64::from(sum(row, |z| exp(z - highest))).ln();
        let nats = log - f64::from(chosen);
        let smoothed = log
            - if self.smoothing == 0.0 {
                f64::from(chosen) // the mean may be infinite
            } else {
                (1.0 - self.smoothing) * f64::from(chosen) + self.smoothing * f64::from(mean)
            };
        let log = log as f32;
        (nats, smoothed, Normaliser { highest, log })
    }
}

fn added(mut sum: FlexTensor, addend: &FlexTensor) -> FlexTensor {
    // Both have the layout of the weight; the storage of one is that of the other.
    let addend = addend.storage::<f32>().to_vec();
    for (sum, addend) in sum.storage_mut::<f32>().iter_mut().zip(addend) {
        *sum += addend;
    }
    sum
}
