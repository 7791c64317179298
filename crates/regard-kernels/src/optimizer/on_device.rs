//! The updates by operations of a GPU: nothing is read back, so the device is never waited for.

use burn::tensor::Tensor;

use super::adafactor::{DECAY_EXPONENT, SMALLEST_SCALE, SQUARE_EPSILON};
use super::{AdafactorStep, AdamStep, LionStep, SecondMoment, SgdStep};

/// [`adam`](crate::adam()) of tensors on any device: parameter and both moments after the update.
///
/// # Shapes
///
/// All `[n]`.
///
/// # Panics
///
/// If the tensors differ in length.
pub fn adam_on_device(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    [first, second]: [Tensor<1>; 2],
    constants: &AdamStep,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let &AdamStep {
        beta1,
        beta2,
        epsilon,
        gradient_scale,
        ..
    } = constants;
    let g = scaled(gradient, gradient_scale);
    let first = first * beta1 + g.clone() * (1.0 - beta1);
    let second = second * beta2 + g.square() * (1.0 - beta2);
    let root = second.clone().sqrt() * constants.root_correction() + epsilon;
    let parameter =
        parameter * constants.kept() - first.clone() / root * constants.corrected_rate();
    (parameter, [first, second])
}

/// [`adafactor`](crate::adafactor()) of tensors on any device: the parameter and its second moment after the update.
///
/// # Shapes
///
/// As of slices: parameter and gradient `[n]`, a second moment `[n]`, or `[rows]` and `[columns]` with `rows * columns = n`.
///
/// # Panics
///
/// If the tensors do not fit each other.
pub fn adafactor_on_device(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    second: SecondMoment<Tensor<1>>,
    constants: &AdafactorStep,
) -> (Tensor<1>, SecondMoment<Tensor<1>>) {
    let decay = 1.0 - (constants.step as f64).powf(-DECAY_EXPONENT);
    let follow = |moment: Tensor<1>, mean: Tensor<1>| {
        moment * decay + (mean + SQUARE_EPSILON) * (1.0 - decay)
    };
    let g = scaled(gradient, constants.gradient_scale);
    let (u, second) = match second {
        SecondMoment::Full(moment) => {
            let moment = follow(moment, g.clone().square());
            (g / moment.clone().sqrt(), SecondMoment::Full(moment))
        }
        SecondMoment::Factored { rows, columns } => {
            let ([height], [width]) = (rows.dims(), columns.dims());
            let g = g.reshape([height, width]);
            let squares = g.clone().square();
            let rows = follow(rows, squares.clone().mean_dim(1).reshape([height]));
            let columns = follow(columns, squares.mean_dim(0).reshape([width]));
            let of_rows = (rows.clone().mean() / rows.clone()).sqrt();
            let of_columns = columns.clone().sqrt().recip();
            let u = g * of_rows.reshape([height, 1]) * of_columns.reshape([1, width]);
            (
                u.reshape([height * width]),
                SecondMoment::Factored { rows, columns },
            )
        }
    };
    let excess = (root_mean_square(u.clone()) / constants.update_clip).clamp_min(1.0);
    let scale = if constants.relative {
        root_mean_square(parameter.clone()).clamp_min(SMALLEST_SCALE)
    } else {
        excess.ones_like()
    };
    let factor = scale * constants.rate / excess;
    (parameter * constants.kept() - u * factor, second)
}

/// [`lion`](crate::lion()) of tensors on any device: parameter and momentum after the update.
///
/// # Shapes
///
/// All `[n]`.
///
/// # Panics
///
/// If the tensors differ in length.
pub fn lion_on_device(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    momentum: Tensor<1>,
    constants: &LionStep,
) -> (Tensor<1>, Tensor<1>) {
    let &LionStep {
        rate,
        beta1,
        beta2,
        gradient_scale,
        ..
    } = constants;
    let g = scaled(gradient, gradient_scale);
    let direction = momentum.clone() * beta1 + g.clone() * (1.0 - beta1);
    let parameter = parameter * constants.kept() - direction.sign() * rate;
    (parameter, momentum * beta2 + g * (1.0 - beta2))
}

/// [`sgd`](crate::sgd()) of tensors on any device: the parameter after the update, and its velocity where there is one.
///
/// # Shapes
///
/// All `[n]`.
///
/// # Panics
///
/// If the tensors differ in length, or there is no velocity for a momentum.
pub fn sgd_on_device(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    velocity: Option<Tensor<1>>,
    constants: &SgdStep,
) -> (Tensor<1>, Option<Tensor<1>>) {
    let &SgdStep {
        rate,
        momentum,
        nesterov,
        weight_decay,
        gradient_scale,
    } = constants;
    let g = scaled(gradient, gradient_scale) + parameter.clone() * weight_decay;
    let Some(velocity) = velocity else {
        assert!(
            momentum == 0.0,
            "sgd_on_device: expected a velocity for a momentum of {momentum}"
        );
        return (parameter - g * rate, None);
    };
    let velocity = velocity * momentum + g.clone();
    let direction = if nesterov {
        g + velocity.clone() * momentum
    } else {
        velocity.clone()
    };
    (parameter - direction * rate, Some(velocity))
}

#[expect(clippy::float_cmp, reason = "a factor of exactly 1 saves a pass")]
fn scaled(gradient: Tensor<1>, scale: f64) -> Tensor<1> {
    if scale == 1.0 {
        return gradient;
    }
    gradient * scale
}

/// `[1]`
fn root_mean_square(x: Tensor<1>) -> Tensor<1> {
    x.square().mean().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, adafactor, adam, lion, sgd};

    const ROWS: usize = 5;
    const COLUMNS: usize = 7;

    fn numbers(name: &str, step: u64) -> Vec<f32> {
        let key = Key::new(8).at(name).nth(step);
        (0..(ROWS * COLUMNS) as u64)
            .map(|i| key.normal(i) as f32)
            .collect()
    }

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_floats(values, &crate::test_device())
    }

    fn assert_equal(of_slices: &[&[f32]], of_tensors: &[Tensor<1>]) {
        assert_eq!(of_slices.len(), of_tensors.len());
        for (expected, got) in of_slices.iter().zip(of_tensors) {
            let got: Vec<f32> = got.clone().into_data().iter().collect();
            let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (&expected, got) in expected.iter().zip(got) {
                let off = (expected - got).abs();
                assert!(off <= 2e-6 * largest, "{got}, by slices {expected}");
            }
        }
    }

    #[test]
    fn adam_is_that_of_slices() {
        let mut p = numbers("p", 0);
        let (mut first, mut second) = (vec![0.0; p.len()], vec![0.0; p.len()]);
        let mut on_device = tensor(&p);
        let mut moments = [tensor(&first), tensor(&second)];
        for step in 1..=3 {
            let constants = AdamStep {
                step,
                rate: 0.1,
                beta1: 0.9,
                beta2: 0.98,
                epsilon: 1e-9,
                weight_decay: 0.01,
                gradient_scale: 0.5,
            };
            let g = numbers("g", step);
            adam(&mut p, &g, &mut first, &mut second, &constants);
            (on_device, moments) = adam_on_device(on_device, tensor(&g), moments, &constants);
            let [m, v] = moments.clone();
            assert_equal(&[&p, &first, &second], &[on_device.clone(), m, v]);
        }
    }

    #[test]
    fn adafactor_is_that_of_slices() {
        for (relative, factored) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut p = numbers("p", 0);
            let mut rows = vec![0.0; if factored { ROWS } else { p.len() }];
            let mut columns = vec![0.0; COLUMNS];
            let mut on_device = tensor(&p);
            let mut moment = if factored {
                SecondMoment::Factored {
                    rows: tensor(&rows),
                    columns: tensor(&columns),
                }
            } else {
                SecondMoment::Full(tensor(&rows))
            };
            for step in 1..=3 {
                let constants = AdafactorStep {
                    step,
                    rate: 0.1,
                    relative,
                    update_clip: 0.7,
                    weight_decay: 0.01,
                    gradient_scale: 0.5,
                };
                let g = numbers("g", step);
                let of_slices = if factored {
                    SecondMoment::Factored {
                        rows: &mut rows[..],
                        columns: &mut columns[..],
                    }
                } else {
                    SecondMoment::Full(&mut rows[..])
                };
                adafactor(&mut p, &g, of_slices, &constants);
                (on_device, moment) =
                    adafactor_on_device(on_device, tensor(&g), moment, &constants);
                assert_equal(&[&p], &[on_device.clone()]);
                match &moment {
                    SecondMoment::Full(moment) => {
                        assert_equal(&[&rows], std::slice::from_ref(moment));
                    }
                    SecondMoment::Factored {
                        rows: r,
                        columns: c,
                    } => {
                        assert_equal(&[&rows, &columns], &[r.clone(), c.clone()]);
                    }
                }
            }
        }
    }

    #[test]
    fn lion_is_that_of_slices() {
        let mut p = numbers("p", 0);
        let mut momentum = vec![0.0; p.len()];
        let (mut on_device, mut kept) = (tensor(&p), tensor(&momentum));
        let constants = LionStep {
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.98,
            weight_decay: 0.01,
            gradient_scale: 0.5,
        };
        for step in 1..=3 {
            let mut g = numbers("g", step);
            g[3] = 0.0; // sign(0) = 0
            lion(&mut p, &g, &mut momentum, &constants);
            (on_device, kept) = lion_on_device(on_device, tensor(&g), kept, &constants);
            assert_equal(&[&p, &momentum], &[on_device.clone(), kept.clone()]);
        }
    }

    #[test]
    fn sgd_is_that_of_slices() {
        for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
            let mut p = numbers("p", 0);
            let mut velocity = vec![0.0; if momentum > 0.0 { p.len() } else { 0 }];
            let mut on_device = tensor(&p);
            let mut kept = (momentum > 0.0).then(|| tensor(&velocity));
            let constants = SgdStep {
                rate: 0.1,
                momentum,
                nesterov,
                weight_decay: 0.01,
                gradient_scale: 0.5,
            };
            for step in 1..=3 {
                let g = numbers("g", step);
                sgd(&mut p, &g, &mut velocity, &constants);
                (on_device, kept) = sgd_on_device(on_device, tensor(&g), kept, &constants);
                assert_equal(&[&p], &[on_device.clone()]);
                if let Some(kept) = &kept {
                    assert_equal(&[&velocity], std::slice::from_ref(kept));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "sgd_on_device: expected a velocity for a momentum of 0.5")]
    fn momentum_without_a_velocity_is_refused() {
        let constants = SgdStep {
            rate: 0.1,
            momentum: 0.5,
            nesterov: false,
            weight_decay: 0.0,
            gradient_scale: 1.0,
        };
        sgd_on_device(tensor(&[0.0]), tensor(&[0.0]), None, &constants);
    }
}
