//! `y = act(x W + b)` with bias and activation applied while the product is warm.

use burn::backend::flex::FlexTensor;

use super::matrix::{Matrix, plain, product};
use super::simd::{column_sums, for_rows, vectorized};
use super::vector::few_rows;
use super::{FusedOp, elements, matrix_shape, tensor};

/// Operands: `x [N, D_in]`, `W [D_in, D_out]`, `b [D_out]` or empty.
#[derive(Clone, Debug)]
pub(crate) struct LinearOp {
    pub(crate) relu: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    bias: bool,
    /// The result, where the activation's derivative is read off it.
    y: Option<FlexTensor>,
}

impl FusedOp<3> for LinearOp {
    const NAMES: [&'static str; 2] = ["linear", "linear, backward"];

    type Saved = Saved;

    fn forward(
        &self,
        [x, weight, bias]: [FlexTensor; 3],
        tracked: bool,
    ) -> (FlexTensor, Option<Saved>) {
        let (x, weight, bias) = (plain(x), plain(weight), bias.to_contiguous());
        let (rows, columns) = (x.layout().shape()[0], weight.layout().shape()[1]);
        let mut y =
            few_rows(&x, &weight).unwrap_or_else(|| product(Matrix::of(&x), Matrix::of(&weight)));
        let bias = elements(&bias);
        if !bias.is_empty() || self.relu {
            let relu = self.relu;
            for_rows(&mut y, columns, |_, block| {
                vectorized(|| {
                    for row in block.chunks_exact_mut(columns) {
                        for (y, b) in row.iter_mut().zip(bias) {
                            *y += b;
                        }
                        if relu {
                            for y in row {
                                *y = y.max(0.0);
                            }
                        }
                    }
                });
            });
        }
        let has_bias = !bias.is_empty();
        let y = tensor(y, [rows, columns]);
        let saved = tracked.then(|| Saved {
            x,
            weight,
            bias: has_bias,
            y: self.relu.then(|| y.clone()),
        });
        (y, saved)
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let gradient = gradient.to_contiguous();
        let shape = matrix_shape(&gradient);
        let gradient = match &saved.y {
            Some(y) => through_relu(elements(&gradient), elements(y), shape),
            None => gradient,
        };
        let [_, columns] = shape;
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
        let db = wanted[2].then(|| {
            if saved.bias {
                tensor(column_sums(elements(&gradient), columns), [columns])
            } else {
                tensor(Vec::new(), [0])
            }
        });
        [dx, dw, db]
    }
}

/// The gradient where `y` is above 0, and 0 elsewhere.
fn through_relu(gradient: &[f32], y: &[f32], shape: [usize; 2]) -> FlexTensor {
    let mut passed = gradient.to_vec();
    let width = shape[1];
    for_rows(&mut passed, width, |row, block| {
        let y = &y[row * width..][..block.len()];
        vectorized(|| {
            for (g, &y) in block.iter_mut().zip(y) {
                *g = if y > 0.0 { *g } else { 0.0 };
            }
        });
    });
    tensor(passed, shape)
}
