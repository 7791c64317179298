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
        // Products of h and x itself may overflow where n is of the size of 1.
        let covariance = sum_pairs(g, x, |h, x| h * ((x - centre) * inverse)) / x.len() as f32;
        let slope = covariance * inverse;
        for (h, x) in g.iter_mut().zip(x) {
            *h = (*h - centre_h - (x - centre) * slope) * inverse;
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    use crate::flex::tests::{agree_on_threads, check_differences, matrix, values, vector};
    use crate::{layer_norm, rms_norm};

    const SIZES: [(usize, usize); 6] = [(7, 5), (67, 61), (1, 128), (700, 33), (0, 4), (3, 1)];

    #[test]
    fn layer_norm_is_its_composition() {
        for (rows, width) in SIZES {
            agree_on_threads(|device| {
                let x = values("x", [1, rows, width], device);
                let w = values("w", [1, 1, width], device);
                let b = values("b", [1, 1, width], device);
                let y = layer_norm(matrix(&x), vector(&w), vector(&b), 1e-3);
                (y, vec![x, w, b])
            });
        }
    }

    #[test]
    fn rms_norm_is_its_composition() {
        for (rows, width) in SIZES {
            agree_on_threads(|device| {
                let x = values("x", [1, rows, width], device);
                let w = values("w", [1, 1, width], device);
                (rms_norm(matrix(&x), vector(&w), 1e-3), vec![x, w])
            });
        }
    }

    #[test]
    fn views_are_normalised_as_they_read() {
        agree_on_threads(|device| {
            let x = values("x", [3, 17, 10], device);
            let w = values("w", [1, 1, 17], device);
            let rows = x.clone().slice([0..3, 0..17, 2..9]).swap_dims(1, 2); // [3, 7, 17]
            (rms_norm(matrix(&rows), vector(&w), 1e-5), vec![x, w])
        });
    }

    #[test]
    fn memory_that_others_read_is_left_alone() {
        let device = Device::flex().autodiff();
        let x = values("x", [1, 3, 5], &device);
        let before = x.clone().inner().into_data();
        let y = rms_norm(matrix(&x), Tensor::ones([5], &device), 1e-5);
        let gradient = values("g", [3, 5], &device).detach();
        // The gradient of y is that of the sum too, which takes it as it is.
        let sum = (y.clone() + matrix(&x)) * gradient.clone();
        let gradients = sum.sum().backward();
        let direct = rms_norm(matrix(&x), Tensor::ones([5], &device), 1e-5) * gradient.clone();
        let of_norm = x.grad(&direct.sum().backward()).expect("a gradient");
        let expected = of_norm + gradient.inner().unsqueeze();
        let got = x.grad(&gradients).expect("a gradient");
        let apart = (got - expected).abs().max().into_scalar::<f32>();
        assert!(apart < 1e-6, "{apart}");
        assert_eq!(x.inner().into_data(), before);
    }

    #[test]
    fn gradients_are_differences() {
        check_differences(&[[1, 3, 7], [1, 1, 7], [1, 1, 7]], |inputs| {
            let [x, w, b] = [&inputs[0], &inputs[1], &inputs[2]];
            layer_norm(matrix(x), vector(w), vector(b), 1e-1)
        });
        check_differences(&[[1, 3, 7], [1, 1, 7]], |inputs| {
            rms_norm(matrix(&inputs[0]), vector(&inputs[1]), 1e-1)
        });
    }

    #[test]
    fn rows_far_from_one_are_normalised_as_in_double_precision() {
        const WIDTH: usize = 37;
        let base = values::<1>("x", [WIDTH], &Device::flex().autodiff());
        let (base, device) = (base.inner().into_data(), Device::flex());
        let base = base.as_slice::<f32>().expect("f32");
        let ones = || Tensor::<1>::ones([WIDTH], &device);
        // Factor, summand, epsilon, and what the rounding of the numbers themselves leaves.
        for (factor, summand, epsilon, tolerance) in [
            (1.0, 0.0, 1e-5, 1e-6),
            (1e-30, 0.0, 1e-5, 1e-6),
            (f32::MIN_POSITIVE, 0.0, 1e-5, 1e-6),
            (1e15, 0.0, 1e-5, 1e-6),
            (0.0, 3.0, 1e-5, 1e-6),
            (0.0, 0.0, 1e-5, 1e-6),
            (1.0, -1e4, 1e-5, 3e-3),
        ] {
            let row: Vec<f32> = base.iter().map(|x| x * factor + summand).collect();
            let x = || Tensor::from_data(TensorData::new(row.clone(), [1, WIDTH]), &device);
            let both = [
                layer_norm(x(), ones(), Tensor::zeros([WIDTH], &device), epsilon),
                rms_norm(x(), ones(), epsilon),
            ];
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / WIDTH as f64;
            for (y, centre) in both.into_iter().zip([mean, 0.0]) {
                let off = |x: &f32| f64::from(*x) - centre;
                let variance = row.iter().map(|x| off(x).powi(2)).sum::<f64>() / WIDTH as f64;
                for (got, x) in y.into_data().iter::<f64>().zip(&row) {
                    let expected = off(x) / (variance + epsilon).sqrt();
                    assert!(
                        (got - expected).abs() < tolerance,
                        "{x} around {centre}: {got}, expected {expected}"
                    );
                }
            }
        }
    }
}
