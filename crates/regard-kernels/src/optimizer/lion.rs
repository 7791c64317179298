use super::{PIECE, each_piece};

/// The constants of one Lion update.
#[derive(Clone, Copy, Debug)]
pub struct LionStep {
    /// Learning rate of this update: by how much each element moves.
    pub rate: f64,
    /// Share of the momentum in the direction of this update.
    pub beta1: f64,
    /// Decay of the momentum.
    pub beta2: f64,
    /// Decoupled decay of the weights, as a share of the rate.
    pub weight_decay: f64,
    /// Factor on the gradient, applied as it is read.
    pub gradient_scale: f64,
}

/// Lion: every element moves by the rate, in the direction of a mean of gradient and momentum. In place.
///
/// ```text
/// g = gradient_scale * gradient
/// p = (1 - rate weight_decay) p - rate sign(beta1 m + (1 - beta1) g)      sign(0) = 0
/// m = beta2 m + (1 - beta2) g
/// ```
///
/// # Panics
///
/// If the slices differ in length.
///
/// # Differences
///
/// None from the paper. PyTorch has no Lion.
///
/// # References
///
/// Chen et al. Symbolic Discovery of Optimization Algorithms. 2023. <https://arxiv.org/abs/2302.06675>, algorithm 2.
pub fn lion(parameter: &mut [f32], gradient: &[f32], momentum: &mut [f32], constants: &LionStep) {
    let n = parameter.len();
    assert!(
        gradient.len() == n && momentum.len() == n,
        "lion: expected slices of {n} elements, got gradient {}, momentum {}",
        gradient.len(),
        momentum.len()
    );
    let &LionStep {
        rate,
        beta1,
        beta2,
        gradient_scale,
        ..
    } = constants;
    let kept = constants.kept() as f32;
    let (rate, scale) = (rate as f32, gradient_scale as f32);
    let (keep1, take1) = (beta1 as f32, (1.0 - beta1) as f32);
    let (keep2, take2) = (beta2 as f32, (1.0 - beta2) as f32);

    let pieces = parameter
        .chunks_mut(PIECE)
        .zip(gradient.chunks(PIECE))
        .zip(momentum.chunks_mut(PIECE));
    each_piece(
        pieces,
        #[inline(always)]
        |((parameter, gradient), momentum)| {
            for ((p, &g), m) in parameter.iter_mut().zip(gradient).zip(momentum) {
                let g = g * scale;
                let direction = keep1 * *m + take1 * g;
                // Comparisons, since f32::signum makes 1 of 0.
                let sign =
                    f32::from(u8::from(direction > 0.0)) - f32::from(u8::from(direction < 0.0));
                *p = kept * *p - rate * sign;
                *m = keep2 * *m + take2 * g;
            }
        },
    );
}

impl LionStep {
    /// What remains of a parameter.
    pub(super) fn kept(&self) -> f64 {
        1.0 - self.rate * self.weight_decay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSTANTS: LionStep = LionStep {
        rate: 0.125,
        beta1: 0.75,
        beta2: 0.5,
        weight_decay: 0.0,
        gradient_scale: 1.0,
    };

    #[test]
    fn every_element_moves_by_the_rate_or_not_at_all() {
        let mut p = [1.0; 4];
        // The last: 0.75 * 1 + 0.25 * -3 = 0.
        let mut m = [0.0, 0.0, 0.0, 1.0];
        lion(&mut p, &[5.0, -0.01, 0.0, -3.0], &mut m, &CONSTANTS);
        assert_eq!(p.to_vec(), [0.875, 1.125, 1.0, 1.0]);
        assert_eq!(m.to_vec(), [2.5, -0.005, 0.0, -1.0]);
    }

    #[test]
    fn the_direction_is_that_of_the_momentum_before() {
        // 0.75 * 2 - 0.25 * 4 > 0, although the momentum afterwards is -1.
        let (mut p, mut m) = ([1.0], [2.0]);
        let constants = LionStep {
            gradient_scale: 2.0,
            ..CONSTANTS
        };
        lion(&mut p, &[-2.0], &mut m, &constants);
        assert_eq!([p, m].concat(), [0.875, -1.0]);
    }

    #[test]
    fn weights_decay_by_the_rate_beside_the_step() {
        let constants = LionStep {
            weight_decay: 2.0,
            ..CONSTANTS
        };
        let mut p = [2.0, 2.0];
        lion(&mut p, &[0.0, 1.0], &mut [0.0; 2], &constants);
        assert_eq!(p.to_vec(), [1.5, 1.375]);
    }

    #[test]
    #[should_panic(expected = "lion: expected slices of 2 elements, got gradient 1, momentum 2")]
    fn slices_of_different_lengths_are_refused() {
        lion(&mut [0.0; 2], &[0.0], &mut [0.0; 2], &CONSTANTS);
    }
}
