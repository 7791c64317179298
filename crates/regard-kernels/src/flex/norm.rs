//! Layer norm, and RMS norm, which is layer norm around 0 instead of the mean: values normalised again backward.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use burn::backend::flex::FlexTensor;

use super::simd::{for_rows, sum, sum_pairs, sum_partial, vectorized};
use super::{FusedOp, elements, matrix_shape, tensor};

/// Operands: `x [N, D]`, `weight [D]`, and `bias [D]` or nothing.
#[derive(Clone, Debug)]
pub(crate) struct NormOp {
    pub(crate) epsilon: f64,
    /// Whether the mean of a row is taken off it.
    pub(crate) centred: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
}

impl NormOp {
    /// The centre of a row and the inverse deviation from it.
    #[inline(always)]
    fn statistics(&self, row: &[f32]) -> (f32, f32) {
        let centre = self.centre(row);
        let variance = sum(row, |x| (x - centre) * (x - centre)) / row.len() as f32;
        (centre, 1.0 / (variance + self.epsilon as f32).sqrt())
    }

    /// The mean, or 0.
    #[inline(always)]
    fn centre(&self, row: &[f32]) -> f32 {
        if self.centred {
            sum(row, |x| x) / row.len() as f32
        } else {
            0.0
        }
    }
}

impl FusedOp<3> for NormOp {
    const NAMES: [&'static str; 2] = ["norm", "norm, backward"];

    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3], tracked: bool) -> (FlexTensor, Option<Saved>) {
        let [x, weight, bias] = inputs.map(|input| input.to_contiguous());
        let [_, width] = matrix_shape(&x);
        let mut y = elements(&x).to_vec();
        let (w, mut b) = (elements(&weight), elements(&bias).to_vec());
        b.resize(width, 0.0);
        for_rows(&mut y, width, |_, block| {
            vectorized(|| {
                for row in block.chunks_exact_mut(width) {
                    let (centre, inverse) = self.statistics(row);
                    for ((x, w), b) in row.iter_mut().zip(w).zip(&b) {
                        *x = (*x - centre) * inverse * w + b;
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
        let (x, w, g) = (
            elements(&saved.x),
            elements(&saved.weight),
            elements(&gradient),
        );

        // With n = (x - centre) / deviation and h = g w: dx = (h - centre(h) - n mean(h n)) / deviation.
        let mut dx = g.to_vec();
        for_rows(&mut dx, width, |first, block| {
            let x = &x[first * width..][..block.len()];
            vectorized(|| {
                for (x, dx) in x.chunks_exact(width).zip(block.chunks_exact_mut(width)) {
                    let (centre, inverse) = self.statistics(x);
                    for (h, w) in dx.iter_mut().zip(w) {
                        *h *= w;
                    }
                    let centre_h = self.centre(dx);
                    let mean_hn =
                        sum_pairs(dx, x, |h, x| h * (x - centre)) * inverse / width as f32;
                    for (h, x) in dx.iter_mut().zip(x) {
                        *h = (*h - centre_h - (x - centre) * inverse * mean_hn) * inverse;
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
                let (centre, inverse) = self.statistics(x);
                for (((dw, db), x), g) in dw.iter_mut().zip(db.iter_mut()).zip(x).zip(g) {
                    *dw += g * (x - centre) * inverse;
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
