//! Stateless updates over slices. Who owns parameters, moments and schedules is not decided here.

/// The constants of one Adam update.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Number of this update, from 1.
    pub step: u64,
    /// Learning rate of this update.
    pub rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Factor on the gradient, applied as it is read: the coefficient of a global clip costs no pass of its own.
    pub gradient_scale: f64,
}

/// Adam with bias correction, in place.
///
/// ```text
/// g = gradient_scale * gradient
/// m = beta1 m + (1 - beta1) g
/// v = beta2 v + (1 - beta2) g^2
/// p = p - rate (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + epsilon)
/// ```
///
/// # Panics
///
/// If the slices differ in length.
///
/// # References
///
/// Kingma, Ba. Adam: A Method for Stochastic Optimization. 2014. <https://arxiv.org/abs/1412.6980>, algorithm 1;
/// the epsilon stands where PyTorch has it, outside the root.
pub fn adam(
    parameter: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    constants: &AdamStep,
) {
    let n = parameter.len();
    assert!(
        gradient.len() == n && first.len() == n && second.len() == n,
        "adam: expected slices of {n} elements, got gradient {}, first moment {}, second moment {}",
        gradient.len(),
        first.len(),
        second.len()
    );
    let &AdamStep {
        step,
        rate,
        beta1,
        beta2,
        epsilon,
        gradient_scale,
    } = constants;
    let exponent = i32::try_from(step).unwrap_or(i32::MAX);
    let rate = (rate / (1.0 - beta1.powi(exponent))) as f32;
    let root_correction = (1.0 / (1.0 - beta2.powi(exponent))).sqrt() as f32;
    let (scale, epsilon) = (gradient_scale as f32, epsilon as f32);
    let (keep1, take1) = (beta1 as f32, (1.0 - beta1) as f32);
    let (keep2, take2) = (beta2 as f32, (1.0 - beta2) as f32);

    let state = first.iter_mut().zip(second);
    for ((p, &g), (m, v)) in parameter.iter_mut().zip(gradient).zip(state) {
        let g = g * scale;
        *m = keep1 * *m + take1 * g;
        *v = keep2 * *v + take2 * g * g;
        *p -= rate * *m / (v.sqrt() * root_correction + epsilon);
    }
}

/// The sum of squares, accumulated in f64 in one fixed order.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    // Eight running sums let the additions overlap; the order is the same on every machine.
    let mut sums = [0.0_f64; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    let tail: f64 = rest.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_has_the_size_of_the_rate() {
        // With bias correction m / sqrt(v) = sign(g) at step 1.
        let mut p = [1.0, 1.0];
        let constants = AdamStep {
            step: 1,
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-9,
            gradient_scale: 1.0,
        };
        adam(
            &mut p,
            &[5.0, -0.01],
            &mut [0.0; 2],
            &mut [0.0; 2],
            &constants,
        );
        assert!(
            (p[0] - 0.9).abs() < 1e-6 && (p[1] - 1.1).abs() < 1e-6,
            "{p:?}"
        );
    }

    #[test]
    fn two_steps_computed_by_hand() {
        // g = 1 then 3 with betas 0.5: m = 0.5, then 1.75; v = 0.5, then 4.75; corrections 0.5, then 0.75.
        // p = -1/(1 + 0.5) - (1.75 / 0.75) / (sqrt(4.75 / 0.75) + 0.5)
        let mut state = ([0.0_f32], [0.0_f32], [0.0_f32]);
        for (step, gradient) in [(1, 0.5), (2, 1.5)] {
            let constants = AdamStep {
                step,
                rate: 1.0,
                beta1: 0.5,
                beta2: 0.5,
                epsilon: 0.5,
                gradient_scale: 2.0,
            };
            adam(
                &mut state.0,
                &[gradient],
                &mut state.1,
                &mut state.2,
                &constants,
            );
        }
        let expected = -1.0 / 1.5 - (1.75 / 0.75) / ((4.75_f64 / 0.75).sqrt() + 0.5);
        assert!((f64::from(state.0[0]) - expected).abs() < 1e-6);
    }

    #[test]
    fn sum_of_squares_counts_every_element_once() {
        let values: Vec<f32> = (1..=19).map(|i| i as f32).collect();
        // n (n + 1) (2 n + 1) / 6
        assert!((sum_of_squares(&values) - 2470.0).abs() < 1e-9);
    }
}
