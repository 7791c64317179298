//! Cross entropy of hidden states, through the output map.

use burn::tensor::{Int, Tensor};

use crate::linear;
use crate::precision::wide;

/// Two sums over the rows, in nats; dividing by the number of rows is left to whoever knows all rows of a step.
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// Label-smoothed cross entropy, `[1]`; this is differentiated.
    pub objective: Tensor<1>,
    /// Cross entropy without smoothing, `[1]`, outside the graph; this is reported.
    pub nats: Tensor<1>,
}

/// Cross entropy between `targets` and the softmax of `hidden W + b`, summed over rows.
///
/// With `z = hidden W + b` and smoothing `a`:
///
/// ```text
/// nats      = sum_n  logsumexp(z_n) - z_n[target_n]
/// objective = sum_n  logsumexp(z_n) - (1 - a) z_n[target_n] - a mean_v(z_n[v])
/// ```
///
/// # Shapes
///
/// `hidden: [N, D]`, `weight: [D, V]` (may be a transposed view of a tied embedding), `bias: [V]`, `targets: [N]`.
/// No row may be padding: select the real ones first.
///
/// # Panics
///
/// If `smoothing` is outside `[0, 1)`, or there is not one target for each row and one bias for each class. On burn's CPU
/// backend if a target is negative or not below V; on others the caller owns that check.
///
/// # Differences
///
/// Smoothing spreads `a` uniformly over all V classes, the target included, as PyTorch's `label_smoothing` does;
/// the original (Szegedy et al. 2015, <https://arxiv.org/abs/1512.00567>, section 7) is the same formula.
/// PyTorch and burn return means, this returns sums.
pub fn linear_cross_entropy(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
    smoothing: f64,
) -> CrossEntropy {
    check(
        "linear_cross_entropy",
        &hidden,
        &weight,
        bias.as_ref(),
        &targets,
        smoothing,
    );
    #[cfg(feature = "flex")]
    {
        use crate::flex::{CrossEntropyOp, Operand, apply};
        let bias = crate::linear::bias_operand(bias.as_ref(), &weight);
        let operands = (Operand::new(&hidden), Operand::new(&weight), bias);
        if let (Some(hidden), Some(weight), Some(bias)) = operands {
            let targets = host_targets(targets);
            let sums: Tensor<1> = apply(
                CrossEntropyOp { targets, smoothing },
                [hidden, weight, bias],
            );
            return CrossEntropy::of_sums(sums);
        }
    }
    let logits = wide(linear(hidden, weight, bias)); // [N, V]
    let shift = logits.clone().detach().max_dim(1);
    let logits = logits - shift;
    let normaliser = logits.clone().exp().sum_dim(1).log(); // [N, 1]
    let target = logits.clone().gather(1, targets.unsqueeze_dim(1)); // [N, 1]

    let nats = (normaliser.clone() - target.clone()).sum();
    let objective = if smoothing == 0.0 {
        nats.clone()
    } else {
        let smoothed = target * (1.0 - smoothing) + logits.mean_dim(1) * smoothing;
        (normaliser - smoothed).sum()
    };
    CrossEntropy {
        objective,
        nats: nats.inner(),
    }
}

#[cfg(feature = "flex")]
impl CrossEntropy {
    /// From `[objective, nats]`.
    pub(crate) fn of_sums(sums: Tensor<1>) -> Self {
        Self {
            objective: sums.clone().slice(0..1),
            nats: sums.inner().slice(1..2),
        }
    }
}

/// What must hold before a loss is computed.
pub(crate) fn check(
    name: &str,
    hidden: &Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    targets: &Tensor<1, Int>,
    smoothing: f64,
) {
    assert!(
        (0.0..1.0).contains(&smoothing),
        "{name}: expected smoothing in [0, 1), got {smoothing}"
    );
    let ([rows, _], [_, vocabulary]) = (hidden.dims(), weight.dims());
    assert_eq!(
        targets.dims(),
        [rows],
        "{name}: expected a target for each of {rows} rows"
    );
    crate::linear::check_bias(name, bias, vocabulary);
}

/// Ids on the host; on this backend that is no transfer.
#[cfg(feature = "flex")]
pub(crate) fn host_targets(targets: Tensor<1, Int>) -> Vec<usize> {
    let data = targets.into_data();
    let id = |id: i64| usize::try_from(id).expect("ids are not negative");
    data.iter::<i64>().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_number_of_classes() {
        let device = crate::test_device().autodiff();
        let loss = linear_cross_entropy(
            Tensor::zeros([3, 2], &device),
            Tensor::ones([2, 7], &device),
            None,
            Tensor::from_ints([0, 6, 3], &device),
            0.1,
        );
        let expected = 3.0 * 7_f32.ln();
        assert!((loss.nats.into_scalar::<f32>() - expected).abs() < 1e-5);
        assert!((loss.objective.into_scalar::<f32>() - expected).abs() < 1e-5);
    }

    #[test]
    fn hand_computed_smoothing() {
        // z = [0, ln 3]: log-probabilities -ln 4 and ln 3 - ln 4. With a = 0.2 and target 1 the objective is
        // -(0.9 (ln 3 - ln 4) + 0.1 (-ln 4)).
        let device = crate::test_device();
        let loss = linear_cross_entropy(
            Tensor::from_floats([[1.0]], &device),
            Tensor::from_floats([[0.0, 3_f32.ln()]], &device),
            None,
            Tensor::from_ints([1], &device),
            0.2,
        );
        let (ln3, ln4) = (3_f32.ln(), 4_f32.ln());
        assert!((loss.nats.into_scalar::<f32>() - (ln4 - ln3)).abs() < 1e-6);
        assert!((loss.objective.into_scalar::<f32>() - (ln4 - 0.9 * ln3)).abs() < 1e-6);
    }

    #[test]
    fn the_gradient_of_the_bias_is_probability_minus_smoothed_target() {
        let device = crate::test_device().autodiff();
        let bias = Tensor::<1>::from_floats([0.0, 3_f32.ln()], &device).require_grad();
        let loss = linear_cross_entropy(
            Tensor::zeros([1, 1], &device),
            Tensor::zeros([1, 2], &device),
            Some(bias.clone()),
            Tensor::from_ints([1], &device),
            0.2,
        );
        let gradient = bias.grad(&loss.objective.backward()).unwrap().into_data();
        let gradient = gradient.as_slice::<f32>().unwrap();
        assert!((gradient[0] - (0.25 - 0.1)).abs() < 1e-6);
        assert!((gradient[1] - (0.75 - 0.9)).abs() < 1e-6);
    }

    #[test]
    fn large_logits_stay_finite() {
        let device = crate::test_device();
        let loss = linear_cross_entropy(
            Tensor::from_floats([[1e4]], &device),
            Tensor::from_floats([[1.0, -1.0]], &device),
            None,
            Tensor::from_ints([1], &device),
            0.1,
        );
        assert!((loss.nats.into_scalar::<f32>() - 2e4).abs() < 1.0);
    }
}
