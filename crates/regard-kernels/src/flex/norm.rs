//! Layer norm, and RMS norm, which is layer norm around 0 instead of the mean: values normalised again backward.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use burn::backend::flex::FlexTensor;

use super::simd::{new_rows, sum, sum_pairs, summed_rows};
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
        let [rows, width] = matrix_shape(&x);
        let (values, w) = (elements(&x), elements(&weight));
        let mut b = elements(&bias).to_vec();
        b.resize(width, 0.0);
        let from = |row: usize| &values[row * width..][..width];
        let y = new_rows(
            rows,
            width,
            &from,
            #[inline(always)]
            |_, row| {
                let (centre, inverse) = self.statistics(row);
                for ((x, w), b) in row.iter_mut().zip(w).zip(&b) {
                    *x = (*x - centre) * inverse * w + b;
                }
            },
        );
        let y = tensor(y, x.layout().shape().clone());
        (y, tracked.then_some(Saved { x, weight }))
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [_, width] = matrix_shape(&saved.x);
        let (x, w) = (elements(&saved.x), elements(&saved.weight));
        // Sums of a block of rows: of the weight's gradient, then of the bias's.
        let (dx, sums) = summed_rows(
            gradient,
            width,
            2 * width,
            #[inline(always)]
            |row, g, sums| {
                self.gradients(&x[row * width..][..width], w, g, sums.split_at_mut(width));
            },
        );
        let (dw, db) = sums.split_at(width);
        [
            Some(dx),
            Some(tensor(dw.to_vec(), [width])),
            Some(tensor(db.to_vec(), [width])),
        ]
    }
}

impl NormOp {
    /// Makes the gradient of a row of the result that of the row itself, and adds to those of weight and bias.
    #[inline(always)]
    fn gradients(&self, x: &[f32], w: &[f32], g: &mut [f32], (dw, db): (&mut [f32], &mut [f32])) {
        // Loops over slices side by side, and sums by themselves: what vectorises.
        let (centre, inverse) = self.statistics(x);
        for (((dw, db), x), g) in dw.iter_mut().zip(db).zip(x).zip(g.iter()) {
            *dw += g * ((x - centre) * inverse);
            *db += g;
        }
        // With n = (x - centre) / deviation and h = g w: dx = (h - centre(h) - n mean(h n)) / deviation.
        for (g, w) in g.iter_mut().zip(w) {
            *g *= w;
        }
        let centre_h = self.centre(g);
        let covariance = sum_pairs(g, x, |h, x| h * (x - centre)) / x.len() as f32;
        let slope = covariance * inverse * inverse;
        for (h, x) in g.iter_mut().zip(x) {
            *h = (*h - centre_h - (x - centre) * slope) * inverse;
        }
    }
}
