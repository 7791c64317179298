//! `y = r + dropout(act(x W + b))`: everything behind the product is done while its rows are warm.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use burn::backend::flex::FlexTensor;

use super::matrix::{Matrix, plain, product, product_then};
use super::simd::{for_rows, summed_rows, vectorized};
use super::vector::few_rows;
use super::{FusedOp, elements, matrix_shape, tensor};
use crate::dropout::RowDropout;

/// Operands: `x [N, D_in]`, `W [D_in, D_out]`, `b [D_out]` or empty, `r [N, D_out]` or empty.
#[derive(Clone, Debug)]
pub(crate) struct LinearOp {
    pub(crate) relu: bool,
    pub(crate) dropout: Option<RowDropout>,
}

#[derive(Clone, Debug)]
pub(crate) struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    /// The result, where the activation's derivative is read off it.
    y: Option<FlexTensor>,
}

impl LinearOp {
    /// The gradient of the product from that of the result; and its sum over the rows, if that is wanted for a bias.
    fn of_product(
        &self,
        gradient: FlexTensor,
        saved: &Saved,
        summed: bool,
    ) -> (FlexTensor, Vec<f32>) {
        let [_, columns] = matrix_shape(&gradient);
        let y = saved.y.as_ref().map_or(&[][..], elements);
        let dropout = self.dropout.as_ref().map(RowDropout::rows);
        if !summed && !self.relu && dropout.is_none() {
            return (gradient, Vec::new());
        }
        let n_sums = if summed { columns } else { 0 };
        summed_rows(
            gradient,
            columns,
            n_sums,
            #[inline(always)]
            |number, g, sums| {
                let y = y.get(number * columns..).unwrap_or_default();
                for (g, &y) in g.iter_mut().zip(y) {
                    *g = if y <= 0.0 { 0.0 } else { *g };
                }
                if let Some(dropout) = &dropout {
                    dropout.row(number).apply(0, g);
                }
                for (sum, g) in sums.iter_mut().zip(g.iter()) {
                    *sum += g;
                }
            },
        )
    }
}

impl FusedOp<4> for LinearOp {
    const NAMES: [&'static str; 2] = ["linear", "linear, backward"];

    type Saved = Saved;

    fn forward(
        &self,
        [x, weight, bias, residual]: [FlexTensor; 4],
        tracked: bool,
    ) -> (FlexTensor, Option<Saved>) {
        let (x, weight) = (plain(x), plain(weight));
        let (bias, residual) = (bias.to_contiguous(), residual.to_contiguous());
        let (rows, columns) = (x.layout().shape()[0], weight.layout().shape()[1]);
        let (b, r) = (elements(&bias), elements(&residual));
        let dropout = self.dropout.as_ref().map(RowDropout::rows);
        let finish = |first: usize, block: &mut [f32]| {
            vectorized(
                #[inline(always)]
                || {
                    for (number, y) in (first..).zip(block.chunks_exact_mut(columns)) {
                        for (y, b) in y.iter_mut().zip(b) {
                            *y += b;
                        }
                        if self.relu {
                            for y in y.iter_mut() {
                                // What is no number stays so.
                                *y = if *y <= 0.0 { 0.0 } else { *y };
                            }
                        }
                        // Empty if there is nothing to add.
                        let r = r.get(number * columns..).unwrap_or_default();
                        if let Some(dropout) = &dropout {
                            dropout.row(number).apply_and_add(y, r);
                        } else {
                            for (y, r) in y.iter_mut().zip(r) {
                                *y += r;
                            }
                        }
                    }
                },
            );
        };
        let y = match few_rows(&x, &weight) {
            Some(mut y) => {
                for_rows(&mut y, columns, finish);
                y
            }
            None => product_then(Matrix::of(&x), Matrix::of(&weight), finish),
        };
        let y = tensor(y, [rows, columns]);
        let saved = tracked.then(|| Saved {
            x,
            weight,
            y: self.relu.then(|| y.clone()),
        });
        (y, saved)
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        wanted: [bool; 4],
    ) -> [Option<FlexTensor>; 4] {
        let gradient = gradient.to_contiguous();
        let shape = matrix_shape(&gradient);
        let [_, columns] = shape;
        let residual = wanted[3].then(|| gradient.clone());
        let (gradient, sums) = self.of_product(gradient, &saved, wanted[2]);
        let g = Matrix::new(elements(&gradient), shape);
        let (x, weight) = (Matrix::of(&saved.x), Matrix::of(&saved.weight));
        let dx = wanted[0].then(|| {
            tensor(
                product(g, weight.transposed()),
                saved.x.layout().shape().clone(),
            )
        });
        let dw = wanted[1].then(|| {
            tensor(
                product(x.transposed(), g),
                saved.weight.layout().shape().clone(),
            )
        });
        let db = wanted[2].then(|| tensor(sums, [columns]));
        [dx, dw, db, residual]
    }
}
