//! Functions of single elements, between two linear maps.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::tensor::{Tensor, activation};

/// `y = x Phi(x) = x / 2 (1 + erf(x / sqrt(2)))`: x times the probability that a standard normal number is below it.
///
/// # Shapes
///
/// Any; element by element.
///
/// # Differences
///
/// - PyTorch: its default form.
/// - burn: the same values; the gradient is exact here on every backend, where burn's is that of [`gelu_tanh`] on some.
///
/// # References
///
/// Hendrycks, Gimpel. Gaussian Error Linear Units. 2016. <https://arxiv.org/abs/1606.08415>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let y = regard_kernels::gelu(Tensor::<1>::from_floats([0.0, 1.0], &Device::flex())).into_data();
/// let y = y.as_slice::<f32>().unwrap();
/// assert_eq!(y[0], 0.0);
/// assert!((y[1] - 0.841_344_7).abs() < 1e-6);
/// ```
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(y) = fused(&x, crate::flex::Gelu) {
        return y;
    }
    let probability = ((x.clone() * FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    x * probability
}

/// `y = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`: [`gelu`] to 5e-4, with which GPT-2 was trained.
///
/// # Shapes
///
/// Any; element by element.
///
/// # Differences
///
/// - PyTorch: `approximate="tanh"`.
/// - burn: the cube is a product here, because a power of a negative number by logarithms is none.
///
/// # References
///
/// Hendrycks, Gimpel. 2016. <https://arxiv.org/abs/1606.08415>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let y = regard_kernels::gelu_tanh(Tensor::<1>::from_floats([0.0, 1.0], &Device::flex())).into_data();
/// let y = y.as_slice::<f32>().unwrap();
/// assert_eq!(y[0], 0.0);
/// assert!((y[1] - 0.841_192).abs() < 1e-6);
/// ```
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(y) = fused(&x, crate::flex::GeluTanh) {
        return y;
    }
    let cube = x.clone() * x.clone() * x.clone();
    let inner = (x.clone() + cube * 0.044_715) * (FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
    x * ((inner.tanh() + 1.0) * 0.5)
}

/// `y = x sigmoid(x)`, also called swish.
///
/// # Shapes
///
/// Any; element by element.
///
/// # References
///
/// Ramachandran, Zoph, Le. Searching for Activation Functions. 2017. <https://arxiv.org/abs/1710.05941>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let y = regard_kernels::silu(Tensor::<1>::from_floats([0.0, 1.0], &Device::flex())).into_data();
/// let y = y.as_slice::<f32>().unwrap();
/// assert_eq!(y[0], 0.0);
/// assert!((y[1] - 0.731_058_6).abs() < 1e-6);
/// ```
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(y) = fused(&x, crate::flex::Silu) {
        return y;
    }
    activation::silu(x)
}

#[cfg(feature = "flex")]
fn fused<const D: usize>(x: &Tensor<D>, f: impl crate::flex::Function) -> Option<Tensor<D>> {
    use crate::flex::{ActivationOp, Operand, apply};
    Some(apply(ActivationOp(f), [Operand::new(x)?]))
}

/// What a gate is passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// `1 / (1 + exp(-x))`, of the gated linear unit.
    Sigmoid,
    /// `max(0, x)`, of `ReGLU`.
    Relu,
    /// [`gelu`], of `GEGLU`.
    Gelu,
    /// [`silu`], of `SwiGLU`.
    Silu,
}

/// `y = f(gate) * value`, of rows `[gate | value]`.
///
/// # Shapes
///
/// `x: [N, 2 F]`, result `[N, F]`.
///
/// # Panics
///
/// If the width is odd.
///
/// # Differences
///
/// PyTorch's `glu` has the gate in the second half.
///
/// # References
///
/// Dauphin et al. Language Modeling with Gated Convolutional Networks. 2016. <https://arxiv.org/abs/1612.08083>; with
/// other functions than the sigmoid: Shazeer. GLU Variants Improve Transformer. 2020.
/// <https://arxiv.org/abs/2002.05202>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{Gate, gated};
/// let x = Tensor::<2>::from_floats([[-1.0, 2.0, 10.0, 20.0]], &Device::flex());
/// assert_eq!(gated(x, Gate::Relu).into_data().as_slice::<f32>().unwrap(), [0.0, 40.0]);
/// ```
pub fn gated(x: Tensor<2>, gate: Gate) -> Tensor<2> {
    let [rows, width] = x.dims();
    assert!(
        width.is_multiple_of(2),
        "gated: expected rows [gate | value] of an even width, got {width}"
    );
    #[cfg(feature = "flex")]
    if let Some(x) = crate::flex::Operand::new(&x) {
        use crate::flex::{GatedOp, Gelu, Relu, Sigmoid, Silu, apply};
        return match gate {
            Gate::Sigmoid => apply(GatedOp(Sigmoid), [x]),
            Gate::Relu => apply(GatedOp(Relu), [x]),
            Gate::Gelu => apply(GatedOp(Gelu), [x]),
            Gate::Silu => apply(GatedOp(Silu), [x]),
        };
    }
    let share = x.clone().slice([0..rows, 0..width / 2]); // [N, F]
    let value = x.slice([0..rows, width / 2..width]); // [N, F]
    let share = match gate {
        Gate::Sigmoid => activation::sigmoid(share),
        Gate::Relu => activation::relu(share),
        Gate::Gelu => gelu(share),
        Gate::Silu => silu(share),
    };
    share * value
}

/// `y[j] = max(x[2 j], x[2 j + 1])`: the larger of each pair.
///
/// # Shapes
///
/// `x: [N, 2 F]`, result `[N, F]`.
///
/// # Behaviour
///
/// The gradient goes to the larger one; of two equal ones, to the first.
///
/// # Panics
///
/// If the width is odd.
///
/// # Differences
///
/// PyTorch, burn: no counterpart; there it is a reshape and a maximum.
///
/// # References
///
/// Goodfellow et al. Maxout Networks. 2013. <https://arxiv.org/abs/1302.4389>, with groups of two.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::maxout;
/// let x = Tensor::<2>::from_floats([[-1.0, 2.0, 5.0, 4.0]], &Device::flex());
/// assert_eq!(maxout(x).into_data().as_slice::<f32>().unwrap(), [2.0, 5.0]);
/// ```
pub fn maxout(x: Tensor<2>) -> Tensor<2> {
    let [rows, width] = x.dims();
    assert!(
        width.is_multiple_of(2),
        "maxout: expected rows of pairs, got a width of {width}"
    );
    #[cfg(feature = "flex")]
    if let Some(x) = crate::flex::Operand::new(&x) {
        return crate::flex::apply(crate::flex::MaxoutOp, [x]);
    }
    if rows * width == 0 {
        return x.slice([0..rows, 0..width / 2]);
    }
    let pairs = x.reshape([rows, width / 2, 2]);
    let [first, second] = [0, 1].map(|place| pairs.clone().narrow(2, place, 1));
    let is_second = first.clone().lower(second.clone());
    first
        .mask_where(is_second, second)
        .reshape([rows, width / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [f32; 5] = [-3.0, -1.0, 0.0, 0.5, 2.0];

    fn check(f: fn(Tensor<1>) -> Tensor<1>, values: [f64; 5], slopes: [f64; 5]) {
        let x = Tensor::<1>::from_floats(POINTS, &crate::test_device().autodiff()).require_grad();
        let y = f(x.clone());
        let gradient = x.grad(&y.clone().sum().backward()).unwrap();
        for (got, expected) in [(y.inner(), values), (gradient, slopes)] {
            for (got, expected) in got.into_data().iter::<f64>().zip(expected) {
                assert!((got - expected).abs() < 5e-7, "{got}, expected {expected}");
            }
        }
    }

    // Values and derivatives to ten digits, computed with Python's math module.
    #[test]
    fn gelu_of_reference_values() {
        let values = [
            -0.004_049_694_1,
            -0.158_655_253_9,
            0.0,
            0.345_731_230_6,
            1.954_499_736_1,
        ];
        let slopes = [
            -0.011_945_647_2,
            -0.083_315_470_6,
            0.500_000_000_0,
            0.867_495_124_7,
            1.085_231_801_1,
        ];
        check(gelu, values, slopes);
    }

    #[test]
    fn gelu_by_tanh_of_reference_values() {
        let values = [
            -0.003_637_392_1,
            -0.158_808_009_4,
            0.0,
            0.345_714_009_8,
            1.954_597_694_1,
        ];
        let slopes = [
            -0.011_584_166_6,
            -0.082_964_083_8,
            0.500_000_000_0,
            0.867_369_903_5,
            1.086_099_256_6,
        ];
        check(gelu_tanh, values, slopes);
    }

    #[test]
    fn silu_of_reference_values() {
        let values = [
            -0.142_277_619_5,
            -0.268_941_421_4,
            0.0,
            0.311_229_665_6,
            1.761_594_156_0,
        ];
        let slopes = [
            -0.088_104_106_0,
            0.072_329_488_1,
            0.500_000_000_0,
            0.739_961_187_3,
            1.090_784_248_8,
        ];
        check(silu, values, slopes);
    }

    #[test]
    fn the_first_of_equal_ones_takes_the_gradient() {
        let device = crate::test_device().autodiff();
        let x = Tensor::<2>::from_floats([[3.0, 3.0, 1.0, 2.0]], &device).require_grad();
        let gradient = x.grad(&maxout(x.clone()).sum().backward()).unwrap();
        assert_eq!(
            gradient.into_data().as_slice::<f32>().unwrap(),
            [1.0, 0.0, 0.0, 1.0]
        );
    }

    #[test]
    #[should_panic(expected = "gated: expected rows [gate | value] of an even width, got 3")]
    fn a_width_without_halves() {
        gated(Tensor::zeros([2, 3], &crate::test_device()), Gate::Silu);
    }
}
