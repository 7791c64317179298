use super::{PIECE, each_piece};

/// The constants of one update by gradient descent.
#[derive(Clone, Copy, Debug)]
pub struct SgdStep {
    /// Learning rate of this update.
    pub rate: f64,
    /// Decay of the velocity; 0 needs none.
    pub momentum: f64,
    /// Whether the gradient is followed from where the velocity leads.
    pub nesterov: bool,
    /// Factor of the parameter that is added to its gradient, so that the velocity holds it, too.
    pub weight_decay: f64,
    /// Factor on the gradient, applied as it is read.
    pub gradient_scale: f64,
}

/// Gradient descent, with momentum if there is a velocity, in place.
///
/// ```text
/// g = gradient_scale * gradient + weight_decay p
/// v = momentum v + g
/// p = p - rate v                       without a velocity, p - rate g
/// p = p - rate (g + momentum v)        with nesterov
/// ```
///
/// # Panics
///
/// If the slices differ in length; `velocity` may be empty where `momentum` is 0.
///
/// # Differences
///
/// - PyTorch: the same, without dampening; its first velocity is the first gradient, which is what a velocity of 0 becomes.
/// - The decay passes through the velocity, as in PyTorch; that of the other updates here is decoupled.
///
/// # References
///
/// Sutskever, Martens, Dahl, Hinton. On the importance of initialization and momentum in deep learning. 2013; with the rate
/// outside the velocity.
pub fn sgd(parameter: &mut [f32], gradient: &[f32], velocity: &mut [f32], constants: &SgdStep) {
    let n = parameter.len();
    let &SgdStep {
        rate,
        momentum,
        nesterov,
        weight_decay,
        gradient_scale,
    } = constants;
    let without_velocity = momentum == 0.0 && velocity.is_empty();
    assert!(
        gradient.len() == n && (velocity.len() == n || without_velocity),
        "sgd: expected slices of {n} elements, got gradient {}, velocity {} with a momentum of {momentum}",
        gradient.len(),
        velocity.len()
    );
    let (rate, keep) = (rate as f32, momentum as f32);
    let (decay, scale) = (weight_decay as f32, gradient_scale as f32);

    let pieces = parameter.chunks_mut(PIECE).zip(gradient.chunks(PIECE));
    if without_velocity {
        each_piece(
            pieces,
            #[inline(always)]
            |(parameter, gradient)| {
                for (p, &g) in parameter.iter_mut().zip(gradient) {
                    *p -= rate * (g * scale + decay * *p);
                }
            },
        );
        return;
    }
    let (of_gradient, of_velocity) = if nesterov { (1.0, keep) } else { (0.0, 1.0) };
    each_piece(
        pieces.zip(velocity.chunks_mut(PIECE)),
        #[inline(always)]
        |((parameter, gradient), velocity)| {
            for ((p, &g), v) in parameter.iter_mut().zip(gradient).zip(velocity) {
                let g = g * scale + decay * *p;
                *v = keep * *v + g;
                *p -= rate * (of_gradient * g + of_velocity * *v);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSTANTS: SgdStep = SgdStep {
        rate: 0.5,
        momentum: 0.5,
        nesterov: false,
        weight_decay: 0.0,
        gradient_scale: 2.0,
    };

    /// Parameter and velocity after two updates, of gradients 2 and then 4.
    fn two_updates(constants: &SgdStep, velocity: &mut [f32]) -> Vec<f32> {
        let mut p = vec![8.0];
        for gradient in [1.0, 2.0] {
            sgd(&mut p, &[gradient], velocity, constants);
        }
        p
    }

    #[test]
    fn two_steps_computed_by_hand() {
        // v = 2, then 5: 8 - 1 - 2.5.
        let mut velocity = [0.0];
        assert_eq!(two_updates(&CONSTANTS, &mut velocity), [4.5]);
        assert_eq!(velocity.to_vec(), [5.0]);
        // 8 - (2 + 1) / 2 - (4 + 2.5) / 2.
        let nesterov = SgdStep {
            nesterov: true,
            ..CONSTANTS
        };
        assert_eq!(two_updates(&nesterov, &mut [0.0]), [3.25]);
    }

    #[test]
    fn without_momentum_a_velocity_changes_nothing() {
        let plain = SgdStep {
            momentum: 0.0,
            weight_decay: 0.25,
            ..CONSTANTS
        };
        // 8 - (2 + 2) / 2, then 6 - (4 + 1.5) / 2.
        assert_eq!(two_updates(&plain, &mut []), [3.25]);
        assert_eq!(two_updates(&plain, &mut [0.0]), [3.25]);
    }

    #[test]
    fn decay_goes_through_the_velocity() {
        // v = 2 + 2; p = 6; v = 2 + 4 + 1.5; p = 2.25.
        let decaying = SgdStep {
            weight_decay: 0.25,
            ..CONSTANTS
        };
        let mut velocity = [0.0];
        assert_eq!(two_updates(&decaying, &mut velocity), [2.25]);
        assert_eq!(velocity.to_vec(), [7.5]);
    }

    #[test]
    #[should_panic(
        expected = "sgd: expected slices of 1 elements, got gradient 1, velocity 0 with a momentum of 0.5"
    )]
    fn momentum_without_a_velocity_is_refused() {
        sgd(&mut [0.0], &[0.0], &mut [], &CONSTANTS);
    }
}
