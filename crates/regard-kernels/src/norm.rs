//! Normalisation over the last axis.

use burn::tensor::Tensor;

use crate::precision::{of_type, wide};

/// `y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias`, each row by itself.
///
/// # Shapes
///
/// `x: [N, D]`, `weight: [D]`, `bias: [D]`, result `[N, D]`. The variance is the mean squared deviation (divided by D).
///
/// # Panics
///
/// If `weight` or `bias` is not as long as the rows are wide.
///
/// # Differences
///
/// - Paper: no epsilon there; without it a row of equal numbers has no result.
/// - PyTorch's `layer_norm`: the same over the last axis; its epsilon is 1e-5 unless told, and here it is always told.
/// - burn's `layer_norm` is what is called, but on its CPU backend, where forward and backward are one pass each.
///
/// # References
///
/// Ba, Kiros, Hinton. Layer Normalization. 2016. <https://arxiv.org/abs/1607.06450>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::layer_norm;
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 7.0]], &device); // mean 4, deviation 3
/// let [weight, bias] = [[1.0, 10.0], [0.0, 1.0]].map(|values| Tensor::from_floats(values, &device));
/// let y = layer_norm(x, weight, bias, 0.0);
/// assert_eq!(y.into_data().as_slice::<f32>().unwrap(), [-1.0, 11.0]);
/// ```
pub fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let [_, width] = x.dims();
    assert_eq!(
        [weight.dims(), bias.dims()],
        [[width]; 2],
        "layer_norm: expected weight and bias of {width}"
    );
    #[cfg(feature = "flex")]
    if let Some(y) = fused(&x, &weight, Some(&bias), epsilon) {
        return y;
    }
    let dtype = x.dtype();
    let y = burn::tensor::module::layer_norm(wide(x), weight, Some(bias), epsilon);
    of_type(y, dtype)
}

/// `y = x / sqrt(mean(x^2) + epsilon) * weight`, each row by itself: layer norm without the mean and without a bias.
///
/// # Shapes
///
/// `x: [N, D]`, `weight: [D]`, result `[N, D]`.
///
/// # Panics
///
/// If `weight` is not as long as the rows are wide.
///
/// # Differences
///
/// - Paper: no epsilon there; without it a row of zeros has no result.
/// - PyTorch's `RMSNorm` takes the machine's precision as epsilon unless told; here it is always told.
///
/// # References
///
/// Zhang, Sennrich. Root Mean Square Layer Normalization. 2019. <https://arxiv.org/abs/1910.07467>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::rms_norm;
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 7.0]], &device); // the mean square is 25
/// let y = rms_norm(x, Tensor::from_floats([1.0, 10.0], &device), 0.0);
/// assert_eq!(y.into_data().as_slice::<f32>().unwrap(), [0.2, 14.0]);
/// ```
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let [_, width] = x.dims();
    assert_eq!(
        weight.dims(),
        [width],
        "rms_norm: expected a weight of {width}"
    );
    #[cfg(feature = "flex")]
    if let Some(y) = fused(&x, &weight, None, epsilon) {
        return y;
    }
    let (dtype, x) = (x.dtype(), wide(x));
    let mean_square = x.clone().square().mean_dim(1); // [N, 1]
    of_type(
        x / (mean_square + epsilon).sqrt() * weight.unsqueeze(),
        dtype,
    )
}

/// Layer norm with a bias, RMS norm without.
#[cfg(feature = "flex")]
fn fused(
    x: &Tensor<2>,
    weight: &Tensor<1>,
    bias: Option<&Tensor<1>>,
    epsilon: f64,
) -> Option<Tensor<2>> {
    use crate::flex::{NormOp, Operand, apply};
    let op = NormOp {
        epsilon,
        centred: bias.is_some(),
    };
    let bias = crate::linear::bias_operand(bias, x)?;
    Some(apply(op, [Operand::new(x)?, Operand::new(weight)?, bias]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rms_norm_leaves_the_mean_where_layer_norm_takes_it_off() {
        let device = crate::test_device();
        let x = Tensor::<2>::from_floats([[5.0, 5.0]], &device);
        let [one, zero] = [Tensor::ones([2], &device), Tensor::zeros([2], &device)];
        let values = |y: Tensor<2>| y.into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(values(rms_norm(x.clone(), one.clone(), 0.0)), [1.0, 1.0]);
        assert_eq!(values(layer_norm(x, one, zero, 1e-5)), [0.0, 0.0]);
    }

    #[test]
    fn epsilon_stands_under_the_root() {
        let device = crate::test_device();
        let x = Tensor::<2>::from_floats([[3.0, 3.0], [0.0, 0.0]], &device);
        let y = rms_norm(x, Tensor::ones([2], &device), 16.0).into_data();
        assert_eq!(y.as_slice::<f32>().unwrap(), [0.6, 0.6, 0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "rms_norm: expected a weight of 3")]
    fn a_weight_of_another_width() {
        let device = crate::test_device();
        rms_norm(
            Tensor::zeros([1, 3], &device),
            Tensor::ones([2], &device),
            1e-5,
        );
    }
}
