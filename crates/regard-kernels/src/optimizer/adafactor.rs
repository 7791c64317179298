use super::{PIECE, each_piece, sum_of_pairs, sum_of_squares};

/// Added to the squares of gradients, so that a row without any divides by something.
pub(super) const SQUARE_EPSILON: f64 = 1e-30;
/// The root mean square of a parameter counts as no less where the rate is relative to it, so that zeros can move.
pub(super) const SMALLEST_SCALE: f64 = 1e-3;
/// The second moment of step t decays by `1 - t^-0.8`.
pub(super) const DECAY_EXPONENT: f64 = 0.8;

/// The constants of one Adafactor update.
#[derive(Clone, Copy, Debug)]
pub struct AdafactorStep {
    /// Number of this update, from 1.
    pub step: u64,
    /// Learning rate of this update.
    pub rate: f64,
    /// Whether the rate is a share of the parameter's root mean square.
    pub relative: bool,
    /// Largest root mean square of what is subtracted, before the rate.
    pub update_clip: f64,
    /// Decoupled decay of the weights, as a share of the rate.
    pub weight_decay: f64,
    /// Factor on the gradient, applied as it is read.
    pub gradient_scale: f64,
}

/// The second moment of a parameter's gradient, in slices or tensors `V`.
#[derive(Debug)]
pub enum SecondMoment<V> {
    /// Of each element.
    Full(V),
    /// Of a matrix: the mean over each row, and over each column.
    Factored {
        /// One number for each row.
        rows: V,
        /// One number for each column.
        columns: V,
    },
}

/// Adafactor: divides the gradient by a root that is kept in `rows + columns` numbers, not `rows * columns`. In place.
///
/// ```text
/// g   = gradient_scale * gradient
/// b   = 1 - step^-0.8
/// r_i = b r_i + (1 - b) (mean_j g_ij^2 + 1e-30)
/// c_j = b c_j + (1 - b) (mean_i g_ij^2 + 1e-30)
/// v   = r_i c_j / mean(r)                             a full second moment is v = b v + (1 - b) (g^2 + 1e-30)
/// u   = g / sqrt(v)
/// a   = rate max(1e-3, rms(p))                        rate alone, if it is not relative
/// p   = (1 - rate weight_decay) p - a u / max(1, rms(u) / update_clip)
/// ```
///
/// # Panics
///
/// If the slices do not fit each other.
///
/// # Differences
///
/// - Paper: the rate comes from a schedule of its own, `rho`, here from outside. No first moment.
/// - PyTorch: caps the rate at `1 / sqrt(step)` and clamps `v` from below instead of adding 1e-30; the rest is the same.
/// - Transformers: `relative` is its `scale_parameter`, and its decay is by the rate times the scale.
///
/// # References
///
/// Shazeer, Stern. Adafactor: Adaptive Learning Rates with Sublinear Memory Cost. 2018.
/// <https://arxiv.org/abs/1804.04235>, algorithms 4 and 5.
pub fn adafactor(
    parameter: &mut [f32],
    gradient: &[f32],
    second: SecondMoment<&mut [f32]>,
    constants: &AdafactorStep,
) {
    let n = parameter.len();
    let (shape, fits) = match &second {
        SecondMoment::Full(values) => (format!("{}", values.len()), values.len() == n),
        SecondMoment::Factored { rows, columns } => (
            format!("{} x {}", rows.len(), columns.len()),
            rows.len() * columns.len() == n,
        ),
    };
    assert!(
        gradient.len() == n && fits,
        "adafactor: expected slices of {n} elements, got gradient {}, second moment {shape}",
        gradient.len()
    );
    if n == 0 {
        return;
    }
    let decay = 1.0 - (constants.step as f64).powf(-DECAY_EXPONENT);
    let scale = constants.gradient_scale as f32;
    match second {
        SecondMoment::Full(moment) => {
            let squares = follow(moment, gradient, scale, decay);
            let factor = constants.factor(parameter, squares);
            let kept = constants.kept() as f32;
            let pieces = parameter.chunks_mut(PIECE).zip(gradient.chunks(PIECE));
            each_piece(
                pieces.zip(moment.chunks(PIECE)),
                #[inline(always)]
                |((parameter, gradient), moment)| {
                    for ((p, &g), &v) in parameter.iter_mut().zip(gradient).zip(moment) {
                        *p = kept * *p - factor * (g * scale / v.sqrt());
                    }
                },
            );
        }
        SecondMoment::Factored { rows, columns } => {
            follow_factors(rows, columns, gradient, scale, decay);
            let mean = rows.iter().copied().map(f64::from).sum::<f64>() / rows.len() as f64;
            let of_rows: Vec<f32> = rows
                .iter()
                .map(|&r| (f64::from(scale) * (mean / f64::from(r)).sqrt()) as f32)
                .collect();
            let of_columns: Vec<f32> = columns.iter().map(|c| c.sqrt().recip()).collect();
            let factor = constants.factor(parameter, squares_of(gradient, &of_rows, &of_columns));
            let kept = constants.kept() as f32;
            let width = of_columns.len();
            let rows = rows_per_piece(width);
            let pieces = parameter
                .chunks_mut(rows * width)
                .zip(gradient.chunks(rows * width));
            each_piece(
                pieces.zip(of_rows.chunks(rows)),
                #[inline(always)]
                |((parameter, gradient), of_rows)| {
                    let values = parameter.chunks_exact_mut(width);
                    for ((p, g), r) in values.zip(gradient.chunks_exact(width)).zip(of_rows) {
                        for ((p, g), c) in p.iter_mut().zip(g).zip(&of_columns) {
                            *p = kept * *p - factor * (g * r * c);
                        }
                    }
                },
            );
        }
    }
}

impl AdafactorStep {
    /// What remains of a parameter.
    pub(super) fn kept(&self) -> f64 {
        1.0 - self.rate * self.weight_decay
    }

    /// What the clipped update is multiplied by; `squares` is the sum of its squares.
    fn factor(&self, parameter: &[f32], squares: f64) -> f32 {
        let n = parameter.len() as f64;
        let scale = if self.relative {
            (sum_of_squares(parameter) / n).sqrt().max(SMALLEST_SCALE)
        } else {
            1.0
        };
        let excess = ((squares / n).sqrt() / self.update_clip).max(1.0);
        (self.rate * scale / excess) as f32
    }
}

/// Rows of a matrix that are worked on at a time; the number of cores does not matter to it.
fn rows_per_piece(width: usize) -> usize {
    (PIECE / width).max(1)
}

/// Updates the second moments of all elements; the sum of squares of the gradient divided by their roots.
fn follow(moment: &mut [f32], gradient: &[f32], scale: f32, decay: f64) -> f64 {
    let (keep, take) = (decay as f32, (1.0 - decay) as f32);
    let sums = each_piece(
        moment.chunks_mut(PIECE).zip(gradient.chunks(PIECE)),
        #[inline(always)]
        |(moment, gradient)| {
            let mut sum = 0.0;
            for (v, &g) in moment.iter_mut().zip(gradient) {
                let square = (g * scale) * (g * scale);
                *v = keep * *v + take * (square + SQUARE_EPSILON as f32);
                sum += f64::from(square) / f64::from(*v);
            }
            sum
        },
    );
    sums.into_iter().sum()
}

/// Updates the second moments of rows and columns.
fn follow_factors(rows: &mut [f32], columns: &mut [f32], gradient: &[f32], scale: f32, decay: f64) {
    let (height, width) = (rows.len(), columns.len());
    let followed = |moment: f32, mean: f64| {
        (decay * f64::from(moment) + (1.0 - decay) * (mean + SQUARE_EPSILON)) as f32
    };
    let rows_per_piece = rows_per_piece(width);
    let sums = each_piece(
        gradient
            .chunks(rows_per_piece * width)
            .zip(rows.chunks_mut(rows_per_piece)),
        #[inline(always)]
        |(gradient, rows)| {
            let mut of_columns = vec![0.0_f64; width];
            for (values, row) in gradient.chunks_exact(width).zip(rows) {
                for (sum, &g) in of_columns.iter_mut().zip(values) {
                    let g = f64::from(g * scale);
                    *sum += g * g;
                }
                let sum = sum_of_pairs(
                    values,
                    values,
                    #[inline(always)]
                    |a, b| f64::from(a * scale) * f64::from(b * scale),
                );
                *row = followed(*row, sum / width as f64);
            }
            of_columns
        },
    );
    for (j, column) in columns.iter_mut().enumerate() {
        let sum: f64 = sums.iter().map(|of_piece| of_piece[j]).sum();
        *column = followed(*column, sum / height as f64);
    }
}

/// The sum of squares of a matrix whose rows and columns are multiplied by factors.
fn squares_of(gradient: &[f32], of_rows: &[f32], of_columns: &[f32]) -> f64 {
    let width = of_columns.len();
    let rows_per_piece = rows_per_piece(width);
    let sums = each_piece(
        gradient
            .chunks(rows_per_piece * width)
            .zip(of_rows.chunks(rows_per_piece)),
        #[inline(always)]
        |(gradient, of_rows)| {
            let mut sum = 0.0;
            for (values, r) in gradient.chunks_exact(width).zip(of_rows) {
                sum += sum_of_pairs(
                    values,
                    of_columns,
                    #[inline(always)]
                    |g, c| {
                        let u = f64::from(g * r * c);
                        u * u
                    },
                );
            }
            sum
        },
    );
    sums.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::tests::numbers;
    use super::*;

    const CONSTANTS: AdafactorStep = AdafactorStep {
        step: 1,
        rate: 0.5,
        relative: false,
        update_clip: 1.0,
        weight_decay: 0.0,
        gradient_scale: 1.0,
    };

    fn assert_near(got: &[f32], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            let off = (f64::from(*got) - expected).abs();
            assert!(off <= 1e-6 * expected.abs(), "{got}, not {expected}");
        }
    }

    #[test]
    fn the_first_step_of_a_matrix_computed_by_hand() {
        // Squares 1, 4; 9, 36: they are the product of what rows and columns say, so every u is 1 or -1.
        let mut p = [1.0, 2.0, 3.0, 4.0];
        let (mut rows, mut columns) = ([0.0; 2], [0.0; 2]);
        let second = SecondMoment::Factored {
            rows: &mut rows[..],
            columns: &mut columns[..],
        };
        let constants = AdafactorStep {
            gradient_scale: 0.5,
            ..CONSTANTS
        };
        adafactor(&mut p, &[2.0, -4.0, 6.0, 12.0], second, &constants);
        assert_near(&p, &[0.5, 2.5, 2.5, 3.5]);
        assert_near(&rows, &[2.5, 22.5]);
        assert_near(&columns, &[5.0, 20.0]);
    }

    #[test]
    fn two_steps_of_a_vector_computed_by_hand() {
        let (mut p, mut v) = ([0.0, 0.0], [0.0, 0.0]);
        for (step, gradient) in [(1, [1.0, 2.0]), (2, [3.0, 4.0])] {
            let second = SecondMoment::Full(&mut v[..]);
            adafactor(
                &mut p,
                &gradient,
                second,
                &AdafactorStep { step, ..CONSTANTS },
            );
        }
        let b = 1.0 - 2.0_f64.powf(-0.8);
        let second = [b + (1.0 - b) * 9.0, b * 4.0 + (1.0 - b) * 16.0];
        assert_near(&v, &second);
        // The first update is 1 and 1; the second is larger, and clipped.
        let u = [3.0 / second[0].sqrt(), 4.0 / second[1].sqrt()];
        let rms = u[0].hypot(u[1]) / 2.0_f64.sqrt();
        assert!(rms > 1.2, "{rms}");
        assert_near(&p, &u.map(|u| -0.5 - 0.5 * u / rms));
    }

    #[test]
    fn a_relative_rate_is_a_share_of_the_parameter_and_of_no_less_than_a_thousandth() {
        let constants = AdafactorStep {
            relative: true,
            ..CONSTANTS
        };
        let moved = |mut p: [f32; 2]| {
            adafactor(
                &mut p,
                &[3.0, 3.0],
                SecondMoment::Full(&mut [0.0; 2]),
                &constants,
            );
            p
        };
        // The root mean square of 6 and 8 is the root of 50.
        let step = 0.5 * 50.0_f64.sqrt();
        assert_near(&moved([6.0, 8.0]), &[6.0 - step, 8.0 - step]);
        assert_near(&moved([0.0, 0.0]), &[-0.5e-3, -0.5e-3]);
    }

    #[test]
    fn a_looser_clip_lets_larger_updates_through() {
        let moved = |update_clip: f64| {
            let constants = AdafactorStep {
                step: 1_000_000,
                update_clip,
                ..CONSTANTS
            };
            let mut p = [0.0];
            adafactor(&mut p, &[1.0], SecondMoment::Full(&mut [0.01]), &constants);
            p
        };
        // 1 / sqrt(0.01), but for what this gradient adds.
        let b = 1.0 - 1e6_f64.powf(-0.8);
        let u = 1.0 / (0.01 * b + (1.0 - b)).sqrt();
        assert_near(&moved(1.0), &[-0.5]);
        assert_near(&moved(2.0), &[-1.0]);
        assert_near(&moved(100.0), &[-0.5 * u]);
    }

    #[test]
    fn rows_without_a_gradient_stay_where_they_are() {
        let mut p = [1.0; 6];
        let (mut rows, mut columns) = ([0.0; 3], [0.0; 2]);
        for step in 1..4 {
            let second = SecondMoment::Factored {
                rows: &mut rows[..],
                columns: &mut columns[..],
            };
            let constants = AdafactorStep { step, ..CONSTANTS };
            adafactor(&mut p, &[0.0, 0.0, 3.0, 0.0, 0.0, 0.0], second, &constants);
        }
        assert_eq!([&p[..2], &p[3..]].concat(), [1.0; 5]);
        assert!(p[2] < 0.0 && p[2].is_finite(), "{p:?}");
        let mut nothing = [1.0; 2];
        let second = SecondMoment::Factored {
            rows: &mut [0.0][..],
            columns: &mut [0.0; 2][..],
        };
        adafactor(&mut nothing, &[0.0; 2], second, &CONSTANTS);
        assert_eq!(nothing.to_vec(), [1.0; 2]);
    }

    #[test]
    fn weights_decay_by_the_rate_beside_the_step() {
        let constants = AdafactorStep {
            weight_decay: 0.5,
            ..CONSTANTS
        };
        let mut p = [2.0, 2.0];
        adafactor(
            &mut p,
            &[0.0, 0.0],
            SecondMoment::Full(&mut [1.0; 2]),
            &constants,
        );
        assert_eq!(p.to_vec(), [1.5, 1.5]);
    }

    #[test]
    fn a_column_is_as_good_as_a_vector() {
        // One number a row: the row's mean is the element's square, and the column cancels out.
        let [before, gradient] = ["p", "g"].map(numbers);
        let n = before.len();
        let [mut one, mut other] = [before.clone(), before];
        let (mut v, mut rows, mut columns) = (vec![0.0; n], vec![0.0; n], [0.0]);
        for step in 1..4 {
            let constants = AdafactorStep { step, ..CONSTANTS };
            adafactor(
                &mut one,
                &gradient,
                SecondMoment::Full(&mut v[..]),
                &constants,
            );
            let second = SecondMoment::Factored {
                rows: &mut rows[..],
                columns: &mut columns[..],
            };
            adafactor(&mut other, &gradient, second, &constants);
        }
        for (one, other) in one.iter().zip(&other) {
            assert!((one - other).abs() < 1e-5, "{one} and {other}");
        }
    }

    #[test]
    #[should_panic(
        expected = "adafactor: expected slices of 6 elements, got gradient 6, second moment 2 x 4"
    )]
    fn factors_of_another_shape_are_refused() {
        let second = SecondMoment::Factored {
            rows: &mut [0.0; 2][..],
            columns: &mut [0.0; 4][..],
        };
        adafactor(&mut [0.0; 6], &[0.0; 6], second, &CONSTANTS);
    }
}
