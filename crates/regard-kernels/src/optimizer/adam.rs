use super::{PIECE, each_piece};

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
    /// Decoupled decay of the weights, as a share of the rate; 0 is Adam, above it `AdamW`.
    pub weight_decay: f64,
    /// Factor on the gradient, applied as it is read: the coefficient of a global clip costs no pass of its own.
    pub gradient_scale: f64,
}

/// Adam with bias correction, and with `AdamW`'s decay of the weights, in place.
///
/// ```text
/// g = gradient_scale * gradient
/// m = beta1 m + (1 - beta1) g
/// v = beta2 v + (1 - beta2) g^2
/// p = (1 - rate weight_decay) p - rate (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + epsilon)
/// ```
///
/// # Panics
///
/// If the slices differ in length.
///
/// # References
///
/// Kingma, Ba. Adam: A Method for Stochastic Optimization. 2014. <https://arxiv.org/abs/1412.6980>, algorithm 1;
/// the epsilon stands where PyTorch has it, outside the root. `AdamW`: Loshchilov, Hutter. Decoupled Weight Decay
/// Regularization. 2017. <https://arxiv.org/abs/1711.05101>; the decay is multiplied by the rate, as in PyTorch.
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
        beta1,
        beta2,
        epsilon,
        gradient_scale,
        ..
    } = constants;
    let kept = constants.kept() as f32;
    let rate = constants.corrected_rate() as f32;
    let root_correction = constants.root_correction() as f32;
    let (scale, epsilon) = (gradient_scale as f32, epsilon as f32);
    let (keep1, take1) = (beta1 as f32, (1.0 - beta1) as f32);
    let (keep2, take2) = (beta2 as f32, (1.0 - beta2) as f32);

    let state = first.chunks_mut(PIECE).zip(second.chunks_mut(PIECE));
    let pieces = parameter
        .chunks_mut(PIECE)
        .zip(gradient.chunks(PIECE))
        .zip(state);
    each_piece(
        pieces,
        #[inline(always)]
        |((parameter, gradient), (first, second))| {
            let state = first.iter_mut().zip(second);
            for ((p, &g), (m, v)) in parameter.iter_mut().zip(gradient).zip(state) {
                let g = g * scale;
                *m = keep1 * *m + take1 * g;
                *v = keep2 * *v + take2 * g * g;
                *p = kept * *p - rate * *m / (v.sqrt() * root_correction + epsilon);
            }
        },
    );
}

impl AdamStep {
    /// What remains of a parameter.
    pub(super) fn kept(&self) -> f64 {
        1.0 - self.rate * self.weight_decay
    }

    /// The rate, with the correction of the first moment's bias.
    pub(super) fn corrected_rate(&self) -> f64 {
        self.rate / (1.0 - self.beta1.powi(self.exponent()))
    }

    /// What the root of the second moment is multiplied by against its bias.
    pub(super) fn root_correction(&self) -> f64 {
        (1.0 / (1.0 - self.beta2.powi(self.exponent()))).sqrt()
    }

    fn exponent(&self) -> i32 {
        i32::try_from(self.step).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "flex")]
    use super::super::sum_of_squares;
    use super::super::tests::numbers;
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
            weight_decay: 0.0,
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
    fn weights_decay_by_the_rate_beside_the_step() {
        // A gradient of 0 leaves the decay alone: p (1 - 0.1 * 0.5).
        let constants = AdamStep {
            step: 1,
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-9,
            weight_decay: 0.5,
            gradient_scale: 1.0,
        };
        let mut p = [2.0, 2.0];
        adam(
            &mut p,
            &[0.0, 3.0],
            &mut [0.0; 2],
            &mut [0.0; 2],
            &constants,
        );
        // With one, the step of the rate's size comes on top: 2 * 0.95 - 0.1.
        assert!(
            (p[0] - 1.9).abs() < 1e-6 && (p[1] - 1.8).abs() < 1e-6,
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
                weight_decay: 0.0,
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
    fn long_parameters_are_updated_as_in_double_precision() {
        let constants = AdamStep {
            step: 3,
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-9,
            weight_decay: 0.0,
            gradient_scale: 0.5,
        };
        let [before, g, m, v] = ["p", "g", "m", "v"].map(numbers);
        let v: Vec<f32> = v.iter().map(|v| v.abs()).collect();
        let [mut p, mut first, mut second] = [before.clone(), m.clone(), v.clone()];
        adam(&mut p, &g, &mut first, &mut second, &constants);
        for (i, &got) in p.iter().enumerate() {
            let [g, m, v] = [g[i] * 0.5, m[i], v[i]].map(f64::from);
            let (m, v) = (0.9 * m + 0.1 * g, 0.98 * v + 0.02 * g * g);
            let root = (v / (1.0 - 0.98_f64.powi(3))).sqrt() + 1e-9;
            let update = 0.1 * m / (1.0 - 0.9_f64.powi(3)) / root;
            let off = (f64::from(got) - (f64::from(before[i]) - update)).abs();
            assert!(off < 2e-6 * update.abs().max(1.0), "element {i}: {got}");
            assert!(
                (f64::from(first[i]) - m).abs() < 1e-6 && (f64::from(second[i]) - v).abs() < 1e-6
            );
        }
    }

    #[cfg(feature = "flex")]
    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let constants = AdamStep {
            step: 1,
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-9,
            weight_decay: 0.0,
            gradient_scale: 0.5,
        };
        crate::flex::tests::same_on_threads(|| {
            let [mut p, g, mut m] = ["p", "g", "m"].map(numbers);
            let mut v = vec![0.0; p.len()];
            adam(&mut p, &g, &mut m, &mut v, &constants);
            let all = [p, m, v].concat().into_iter().map(f32::to_bits);
            (all.collect::<Vec<_>>(), sum_of_squares(&g).to_bits())
        });
    }
}
