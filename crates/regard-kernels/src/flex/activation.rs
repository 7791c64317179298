//! Functions of single elements, alone and as gates; backward they are computed again from their arguments.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use std::f32::consts::FRAC_2_SQRT_PI;

use burn::backend::flex::FlexTensor;

use super::simd::{exp, mapped_rows, new_rows};
use super::{FusedOp, elements, matrix_shape, tensor};

/// A function of one number, by which [`ActivationOp`] and [`GatedOp`] are compiled.
pub(crate) trait Function: Copy + Send + Sync + std::fmt::Debug + 'static {
    /// Value and derivative.
    fn at(x: f32) -> [f32; 2];
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Relu;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Gelu;

#[derive(Clone, Copy, Debug)]
pub(crate) struct GeluTanh;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Silu;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sigmoid;

impl Function for Relu {
    #[inline(always)]
    fn at(x: f32) -> [f32; 2] {
        if x <= 0.0 { [0.0, 0.0] } else { [x, 1.0] } // what is no number stays
    }
}

impl Function for Gelu {
    #[inline(always)]
    fn at(x: f32) -> [f32; 2] {
        let [probability, density] = normal(x);
        [x * probability, probability + x * density]
    }
}

impl Function for GeluTanh {
    #[inline(always)]
    fn at(x: f32) -> [f32; 2] {
        // (1 + tanh(u)) / 2 is the sigmoid of 2 u. Beyond 20 it is 0 or 1 whatever x is, whose cube may be infinite.
        const SCALE: f32 = FRAC_2_SQRT_PI * std::f32::consts::SQRT_2;
        let near = x.clamp(-20.0, 20.0);
        let square = 0.044_715 * near * near;
        let [share, slope] = sigmoid(SCALE * near * (1.0 + square));
        let inner = SCALE * (1.0 + 3.0 * square);
        [x * share, share + near * slope * inner]
    }
}

impl Function for Silu {
    #[inline(always)]
    fn at(x: f32) -> [f32; 2] {
        let [share, slope] = sigmoid(x);
        [x * share, share + x * slope]
    }
}

impl Function for Sigmoid {
    #[inline(always)]
    fn at(x: f32) -> [f32; 2] {
        sigmoid(x)
    }
}

/// `1 / (1 + e^-x)` and its derivative; 0 or 1 exactly, and flat, where `|x|` is above 80.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> [f32; 2] {
    let small = exp(-x.abs());
    let large = 1.0 / (1.0 + small);
    let other = small * large;
    [if x < 0.0 { other } else { large }, large * other]
}

/// Distribution function and density of the standard normal distribution.
///
/// With `z = |x|` and `t = 1 / (1 + 0.35 z)`, the upper tail is `e^(-z^2 / 2) t P(t)`. `P` interpolates
/// `erfc(z / sqrt(2)) e^(z^2 / 2) / (2 t)` at the nine Chebyshev nodes of the interval of `t` that belongs to `0 <= z <= 13`;
/// its relative error there is below 4e-8, and 3e-7 in f32, rounding included.
#[inline(always)]
fn normal(x: f32) -> [f32; 2] {
    const FRAC_1_SQRT_TAU: f32 = 0.398_942_3;
    let z = x.abs();
    let t = 1.0 / (1.0 + 0.35 * z);
    let mut polynomial = -0.029_520_308;
    for coefficient in [
        0.145_804_67,
        -0.259_508_67,
        0.163_493_26,
        -0.026_052_367,
        0.106_730_18,
        0.119_532_29,
        0.139_901_69,
        0.139_619_24,
    ] {
        polynomial = polynomial * t + coefficient;
    }
    let bell = exp(-0.5 * z * z);
    let tail = bell * t * polynomial;
    [
        if x < 0.0 { tail } else { 1.0 - tail },
        bell * FRAC_1_SQRT_TAU,
    ]
}

/// Operand: any shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActivationOp<F>(pub(crate) F);

impl<F: Function> FusedOp<1> for ActivationOp<F> {
    const NAMES: [&'static str; 2] = ["activation", "activation, backward"];

    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1], tracked: bool) -> (FlexTensor, Option<FlexTensor>) {
        let [_, width] = matrix_shape(&x);
        let saved = tracked.then(|| x.clone());
        let y = mapped_rows(
            x,
            width,
            #[inline(always)]
            |_, row| {
                for value in row {
                    *value = F::at(*value)[0];
                }
            },
        );
        (y, saved)
    }

    fn backward(
        &self,
        x: FlexTensor,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let x = x.to_contiguous();
        let ([_, width], x) = (matrix_shape(&x), elements(&x));
        let dx = mapped_rows(
            gradient,
            width,
            #[inline(always)]
            |row, gradient| {
                for (g, &x) in gradient.iter_mut().zip(&x[row * width..]) {
                    *g *= F::at(x)[1];
                }
            },
        );
        [Some(dx)]
    }
}

/// Operand: rows `[gate | value]`, `[N, 2 F]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GatedOp<F>(pub(crate) F);

impl<F: Function> FusedOp<1> for GatedOp<F> {
    const NAMES: [&'static str; 2] = ["gated activation", "gated activation, backward"];

    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1], tracked: bool) -> (FlexTensor, Option<FlexTensor>) {
        let x = x.to_contiguous();
        let [rows, both] = matrix_shape(&x);
        let width = both / 2;
        let values = elements(&x);
        let from = |row: usize| &values[row * both + width..][..width];
        let y = new_rows(
            rows,
            width,
            &from,
            #[inline(always)]
            |row, products| {
                for (value, &gate) in products.iter_mut().zip(&values[row * both..]) {
                    *value *= F::at(gate)[0];
                }
            },
        );
        (tensor(y, [rows, width]), tracked.then_some(x))
    }

    fn backward(
        &self,
        x: FlexTensor,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let gradient = gradient.to_contiguous();
        let [_, both] = matrix_shape(&x);
        let (g, width) = (elements(&gradient), both / 2);
        let dx = mapped_rows(
            x,
            both,
            #[inline(always)]
            |row, x| {
                let (gates, values) = x.split_at_mut(width);
                let pairs = gates.iter_mut().zip(values);
                for ((gate, value), g) in pairs.zip(&g[row * width..]) {
                    let [share, slope] = F::at(*gate);
                    (*gate, *value) = (g * *value * slope, g * share);
                }
            },
        );
        [Some(dx)]
    }
}

/// Operand: rows of pairs, `[N, 2 F]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaxoutOp;

impl FusedOp<1> for MaxoutOp {
    const NAMES: [&'static str; 2] = ["maxout", "maxout, backward"];

    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1], tracked: bool) -> (FlexTensor, Option<FlexTensor>) {
        let x = x.to_contiguous();
        let [rows, both] = matrix_shape(&x);
        let width = both / 2;
        let values = elements(&x);
        // The first of the row's numbers, until each is replaced by the larger of its pair.
        let from = |row: usize| &values[row * both..][..width];
        let y = new_rows(
            rows,
            width,
            &from,
            #[inline(always)]
            |row, larger| {
                let pairs = values[row * both..][..both].as_chunks::<2>().0;
                for (larger, &[first, second]) in larger.iter_mut().zip(pairs) {
                    *larger = if first < second { second } else { first };
                }
            },
        );
        (tensor(y, [rows, width]), tracked.then_some(x))
    }

    fn backward(
        &self,
        x: FlexTensor,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let gradient = gradient.to_contiguous();
        let [_, both] = matrix_shape(&x);
        let (g, width) = (elements(&gradient), both / 2);
        let dx = mapped_rows(
            x,
            both,
            #[inline(always)]
            |row, x| {
                let pairs = x.as_chunks_mut::<2>().0;
                for (pair, &g) in pairs.iter_mut().zip(&g[row * width..]) {
                    let is_second = pair[0] < pair[1];
                    *pair = if is_second { [0.0, g] } else { [g, 0.0] };
                }
            },
        );
        [Some(dx)]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::{Function, Gelu, GeluTanh, Relu, Sigmoid, Silu, normal, sigmoid};
    use crate::flex::tests::{agree_on_threads, check_differences, matrix, values};
    use crate::{Gate, gated, gelu, gelu_tanh, maxout, silu};

    const GATES: [Gate; 4] = [Gate::Sigmoid, Gate::Relu, Gate::Gelu, Gate::Silu];

    #[test]
    fn nothing_has_no_larger_half() {
        for [rows, width] in [[0, 4], [3, 0]] {
            let y = maxout(Tensor::zeros([rows, width], &Device::flex()));
            assert_eq!(y.dims(), [rows, width / 2]);
        }
    }

    #[test]
    fn maxout_is_its_composition() {
        for [rows, width] in [[1, 2], [7, 6], [67, 130]] {
            agree_on_threads(|device| {
                let x = values("x", [1, rows, width], device);
                (maxout(matrix(&x)), vec![x])
            });
        }
    }

    #[test]
    fn activations_are_their_compositions() {
        for shape in [[1, 1, 1], [3, 5, 7], [2, 40, 513], [2, 0, 3]] {
            for f in [gelu::<3>, gelu_tanh, silu] {
                agree_on_threads(|device| {
                    let x = values("x", shape, device);
                    (f(x.clone() * 6.0), vec![x])
                });
                agree_on_threads(|device| {
                    let x = values("x", shape, device);
                    (f(x.clone().swap_dims(0, 2) * 6.0), vec![x])
                });
            }
        }
    }

    #[test]
    fn gated_forms_are_their_compositions() {
        for (rows, width) in [(1, 1), (7, 5), (70, 513)] {
            for gate in GATES {
                agree_on_threads(|device| {
                    let x = values("x", [1, rows, 2 * width], device);
                    (gated(matrix(&x) * 6.0, gate), vec![x])
                });
                agree_on_threads(|device| {
                    let x = values("x", [1, 2 * width, rows], device);
                    (gated(matrix(&x).transpose(), gate), vec![x])
                });
            }
        }
    }

    #[test]
    fn nothing_is_gated_by_nothing() {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::zeros([0, 6], &device).require_grad();
        let y = gated(x.clone(), Gate::Gelu);
        assert_eq!(y.dims(), [0, 3]);
        let gradient = x.grad(&y.sum().backward()).expect("a gradient");
        assert_eq!(gradient.dims(), [0, 6]);
    }

    #[test]
    fn gradients_are_differences() {
        for f in [gelu::<3>, gelu_tanh, silu] {
            check_differences(&[[2, 3, 5]], |x| f(x[0].clone() * 3.0));
        }
        for gate in [Gate::Sigmoid, Gate::Gelu, Gate::Silu] {
            check_differences(&[[1, 3, 10]], |x| gated(matrix(&x[0]) * 3.0, gate));
        }
    }

    /// Largest difference of value and slope from those of `f`, relative to the larger of 1 and `|x|`.
    fn largest_error<F: Function>(f: impl Fn(f64) -> f64) -> f64 {
        let mut largest = 0.0_f64;
        for i in -24_000..=24_000 {
            let x = i as f32 * 5e-4;
            let [value, slope] = F::at(x).map(f64::from);
            let x = f64::from(x);
            let expected = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
            largest = largest.max((value - f(x)).abs() / x.abs().max(1.0));
            largest = largest.max((slope - expected).abs());
        }
        largest
    }

    #[test]
    fn functions_and_slopes_are_those_of_double_precision() {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        assert!(largest_error::<Sigmoid>(sigmoid) < 3e-7);
        assert!(largest_error::<Silu>(|x| x * sigmoid(x)) < 1e-6);
        let inner = |x: f64| (8.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        assert!(largest_error::<GeluTanh>(|x| x * sigmoid(inner(x))) < 1e-6);
        assert!(largest_error::<Gelu>(|x| x * distribution(x)) < 1e-6);
    }

    /// The standard normal distribution function, by its series `1/2 + density (x + x^3 / 3 + x^5 / (3 5) + ...)`.
    fn distribution(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for k in 1..200 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
    }

    #[test]
    fn tails_are_exact_to_a_few_units() {
        // Where the series above has lost its digits: Phi(-z) to ten digits, by Python's math.erfc.
        for (z, expected) in [
            (1.0, 0.158_655_253_9_f64),
            (3.0, 1.349_898_031_6e-3),
            (6.0, 9.865_876_450_4e-10),
            (10.0, 7.619_853_024_2e-24),
        ] {
            let [tail, _] = normal(-z);
            let relative = (f64::from(tail) - expected).abs() / expected;
            assert!(relative < 5e-6, "Phi(-{z}) is off by {relative:e}");
        }
    }

    #[test]
    fn numbers_far_from_one_keep_value_and_slope_finite() {
        fn check<F: Function>(name: &str) {
            for x in [1e30, 1e4, 1e-30, f32::MIN_POSITIVE] {
                let [value, slope] = F::at(x);
                let [below, flat] = F::at(-x);
                let off = |expected: f32| (value - expected).abs() / expected;
                if x > 1.0 {
                    assert!(off(x) < 1e-6 && (slope - 1.0).abs() < 1e-6, "{name} of {x}");
                    assert!(below == 0.0 && flat == 0.0, "{name} of -{x}");
                } else {
                    assert!(value.abs() <= x && below.abs() <= x, "{name} of {x}");
                    assert!((0.0..=1.0).contains(&slope) && (0.0..=1.0).contains(&flat));
                }
            }
        }
        check::<Relu>("relu");
        check::<Gelu>("gelu");
        check::<GeluTanh>("gelu by tanh");
        check::<Silu>("silu");
        for (x, expected) in [(1e30, [1.0, 0.0]), (-1e30, [0.0; 2]), (-81.0, [0.0; 2])] {
            let got = sigmoid(x).map(f32::to_bits);
            assert_eq!(got, expected.map(f32::to_bits), "sigmoid of {x}");
        }
        let x = Tensor::<2>::full([1, 2], 1e30, &Device::flex());
        let y = gated(x, Gate::Sigmoid).into_scalar::<f32>();
        assert!((y - 1e30).abs() < 1e24);
    }
}
