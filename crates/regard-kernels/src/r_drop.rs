//! Cross entropy of two passes over the same rows, and how far they are apart.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

use crate::precision::wide;
use crate::{CrossEntropy, linear, linear_cross_entropy};

/// Cross entropy of two passes with different dropout, and the divergence between what they predict, summed over rows.
///
/// With `p` and `q` the softmax of `first W + b` and `second W + b`, and `CE` the objective of [`linear_cross_entropy`]:
///
/// ```text
/// objective = sum_n  (CE(p_n) + CE(q_n)) / 2 + alpha / 4 (KL(p_n || q_n) + KL(q_n || p_n))
/// nats      = sum_n  -(ln p_n[target_n] + ln q_n[target_n]) / 2
/// ```
///
/// # Shapes
///
/// `first, second: [N, D]`, `weight: [D, V]` (may be a transposed view of a tied embedding), `bias: [V]`, `targets: [N]`.
///
/// # Panics
///
/// As [`linear_cross_entropy`]; if `alpha` is negative or not finite, or the passes differ in shape.
///
/// # Differences
///
/// The paper's loss is twice this: half of it stays a loss per token, whatever alpha. Gradients flow through both sides of
/// both divergences, as in the paper's code. PyTorch and burn have no counterpart.
///
/// # References
///
/// Liang et al. R-Drop: Regularized Dropout for Neural Networks. 2021. <https://arxiv.org/abs/2106.14448>, equations 2 to 4.
pub fn linear_r_drop(
    [first, second]: [Tensor<2>; 2],
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
    (smoothing, alpha): (f64, f64),
) -> CrossEntropy {
    assert!(
        alpha >= 0.0 && alpha.is_finite(),
        "linear_r_drop: expected alpha from 0, got {alpha}"
    );
    assert_eq!(
        first.dims(),
        second.dims(),
        "linear_r_drop: expected two passes of one shape"
    );
    #[cfg(feature = "flex")]
    {
        use crate::flex::{Operand, RDropOp, apply};
        crate::loss::check(
            "linear_r_drop",
            &first,
            &weight,
            bias.as_ref(),
            &targets,
            smoothing,
        );
        let operands = (
            Operand::new(&first),
            Operand::new(&second),
            Operand::new(&weight),
            crate::linear::bias_operand(bias.as_ref(), &weight),
        );
        if let (Some(first), Some(second), Some(weight), Some(bias)) = operands {
            let targets = crate::loss::host_targets(targets);
            let sums: Tensor<1> = apply(
                RDropOp {
                    targets,
                    smoothing,
                    alpha,
                },
                [first, second, weight, bias],
            );
            return CrossEntropy::of_sums(sums);
        }
    }
    let entropy = |hidden: &Tensor<2>| {
        let (hidden, weight) = (hidden.clone(), weight.clone());
        linear_cross_entropy(hidden, weight, bias.clone(), targets.clone(), smoothing)
    };
    let (one, other) = (entropy(&first), entropy(&second));
    let log_probabilities =
        |hidden| log_softmax(wide(linear(hidden, weight.clone(), bias.clone())), 1);
    let (p, q) = (log_probabilities(first), log_probabilities(second)); // [N, V]
    let divergence = ((p.clone().exp() - q.clone().exp()) * (p - q)).sum();
    CrossEntropy {
        objective: (one.objective + other.objective) * 0.5 + divergence * (0.25 * alpha),
        nats: (one.nats + other.nats) * 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_equal_passes_cost_what_one_does() {
        let device = crate::test_device();
        let hidden = Tensor::<2>::from_floats([[1.0, -2.0], [0.5, 3.0]], &device);
        let weight = Tensor::<2>::from_floats([[0.3, -1.0, 0.2], [0.1, 0.4, -0.7]], &device);
        let targets = || Tensor::<1, Int>::from_ints([2, 0], &device);
        let one = linear_cross_entropy(hidden.clone(), weight.clone(), None, targets(), 0.1);
        let two = linear_r_drop(
            [hidden.clone(), hidden],
            weight,
            None,
            targets(),
            (0.1, 7.0),
        );
        let near = |a: Tensor<1>, b: Tensor<1>| {
            let (a, b) = (a.into_scalar::<f32>(), b.into_scalar::<f32>());
            assert!((a - b).abs() < 1e-5, "{a} and {b}");
        };
        near(one.objective, two.objective);
        near(one.nats, two.nats);
    }

    #[test]
    fn hand_computed_divergence() {
        // p = [1/4, 3/4], q = [1/2, 1/2]: KL(p || q) + KL(q || p) = sum (p - q) (ln p - ln q) = ln 3 / 4.
        let device = crate::test_device();
        let pass = |z: f32| Tensor::<2>::from_floats([[z]], &device);
        let loss = linear_r_drop(
            [pass(3_f32.ln()), pass(0.0)],
            Tensor::from_floats([[0.0, 1.0]], &device),
            None,
            Tensor::from_ints([0], &device),
            (0.0, 2.0),
        );
        let nats = f32::midpoint(4_f32.ln(), 2_f32.ln());
        assert!((loss.nats.into_scalar::<f32>() - nats).abs() < 1e-6);
        let expected = nats + 0.5 * 3_f32.ln() / 4.0;
        assert!((loss.objective.into_scalar::<f32>() - expected).abs() < 1e-6);
    }
}
