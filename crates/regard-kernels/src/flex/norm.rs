//! Layer norm, its statistics computed once and its normalised values recomputed backward.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use burn::backend::flex::FlexTensor;

use super::simd::{for_rows, sum, sum_pairs, sum_partial, vectorized};
use super::{FusedOp, elements, matrix_shape, tensor};

/// Operands: `x [N, D]`, `weight [D]`, `bias [D]`.
#[derive(Clone, Debug)]
pub(crate) struct LayerNormOp {
    pub(crate) epsilon: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
}

/// Mean and inverse deviation of a row.
#[inline(always)]
fn statistics(row: &[f32], epsilon: f32) -> (f32, f32) {
    let width = row.len() as f32;
    let mean = sum(row, |x| x) / width;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / width;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

impl FusedOp<3> for LayerNormOp {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3], tracked: bool) -> (FlexTensor, Option<Saved>) {
        let [x, weight, bias] = inputs.map(|input| input.to_contiguous());
        let [_, width] = matrix_shape(&x);
        let epsilon = self.epsilon as f32;
        let mut y = elements(&x).to_vec();
        let (w, b) = (elements(&weight), elements(&bias));
        for_rows(&mut y, width, |_, block| {
            vectorized(|| {
                for row in block.chunks_exact_mut(width) {
                    let (mean, inverse) = statistics(row, epsilon);
                    for ((x, w), b) in row.iter_mut().zip(w).zip(b) {
                        *x = (*x - mean) * inverse * w + b;
                    }
                }
            });
        });
        let y = tensor(y, x.layout().shape().clone());
        (y, tracked.then_some(Saved { x, weight }))
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let gradient = gradient.to_contiguous();
        let [rows, width] = matrix_shape(&saved.x);
        let epsilon = self.epsilon as f32;
        let (x, w, g) = (
            elements(&saved.x),
            elements(&saved.weight),
            elements(&gradient),
        );

        // With n = (x - mean) / deviation and h = g w: dx = (h - mean(h) - n mean(h n)) / deviation.
        let mut dx = g.to_vec();
        for_rows(&mut dx, width, |first, block| {
            let x = &x[first * width..][..block.len()];
            vectorized(|| {
                for (x, dx) in x.chunks_exact(width).zip(block.chunks_exact_mut(width)) {
                    let (mean, inverse) = statistics(x, epsilon);
                    for (h, w) in dx.iter_mut().zip(w) {
                        *h *= w;
                    }
                    let mean_h = sum(dx, |h| h) / width as f32;
                    let mean_hn = sum_pairs(dx, x, |h, x| h * (x - mean)) * inverse / width as f32;
                    for (h, x) in dx.iter_mut().zip(x) {
                        *h = (*h - mean_h - (x - mean) * inverse * mean_hn) * inverse;
                    }
                }
            });
        });
        let sums = sum_partial(rows, 2 * width, |range, sums| {
            let (dw, db) = sums.split_at_mut(width);
            let block = range.start * width..range.end * width;
            for (x, g) in x[block.clone()]
                .chunks_exact(width)
                .zip(g[block].chunks_exact(width))
            {
                let (mean, inverse) = statistics(x, epsilon);
                for (((dw, db), x), g) in dw.iter_mut().zip(db.iter_mut()).zip(x).zip(g) {
                    *dw += g * (x - mean) * inverse;
                    *db += g;
                }
            }
        });
        let (dw, db) = sums.split_at(width);
        [
            Some(tensor(dx, saved.x.layout().shape().clone())),
            Some(tensor(dw.to_vec(), [width])),
            Some(tensor(db.to_vec(), [width])),
        ]
    }
}
