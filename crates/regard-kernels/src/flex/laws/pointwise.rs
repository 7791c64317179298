//! Norms, activations, gates, dropout and softmax: rows by themselves.

use proptest::prelude::*;

use super::Numbers::{Equal, Levels, Mixed, Uniform};
use super::{
    Numbers, Use, View, batch, cases, draws, dropout, mask, matrix, size, some, summands, usage,
    vector, view,
};
use crate::flex::tests::{self, agree_on_threads, check_differences};
use crate::{
    Gate, Normalizer, attention_weights, dropout as dropped, dropout_rows, gated, gelu, gelu_tanh,
    layer_norm, rms_norm, silu,
};

/// Numbers for functions of which the composition keeps few digits where they are small, beside larger ones that tell how
/// few these are.
fn arguments(elements: usize, numbers: Numbers) -> Numbers {
    if elements < 8 { Equal(0.75) } else { numbers }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn norms_are_their_composition(
        // Of two or three numbers a norm keeps the signs and little else: their gradients cancel.
        (rows, width) in (size(), some().prop_map(|width| if width < 4 { width + 5 } else { width })),
        (x_view, w_view, b_like) in (view(), view(), (view(), summands())),
        // Squares must not overflow. Far below epsilon, a norm is a constant factor. Between large numbers and a small weight
        // the composition goes through denormal numbers.
        (numbers, of_weight) in prop::sample::select(vec![
            (Uniform(1.0), Uniform(1.0)), (Mixed, Mixed), (Uniform(1e15), Uniform(1.0)), (Uniform(1e15), Uniform(1e30)),
            (Uniform(1e-15), Uniform(1e15)), (Uniform(1e-30), Mixed), (Uniform(1.0), Equal(1e-30)),
        ]),
        (centred, used) in (any::<bool>(), usage()),
        epsilon in prop::sample::select(vec![1e-5, 1e-2]),
    ) {
        agree_on_threads(|device| {
            let (x, x_leaf) = matrix("x", [rows, width], (x_view, numbers), device);
            let (w, w_leaf) = vector("w", width, (w_view, of_weight), device);
            let (b, b_leaf) = vector("b", width, b_like, device);
            if centred {
                (used.of(layer_norm(x, w, b, epsilon)), vec![x_leaf, w_leaf, b_leaf])
            } else {
                (used.of(rms_norm(x, w, epsilon)), vec![x_leaf, w_leaf])
            }
        });
    }

    #[test]
    fn activations_are_their_composition(
        sizes in (1..4_usize, size(), some()),
        (view, used) in (view(), usage()),
        (number, numbers) in (0..3_usize, prop::sample::select(vec![
            Uniform(1.0), Uniform(6.0), Uniform(1e-15), Mixed, Equal(-0.5), Uniform(1e4),
        ])),
    ) {
        let f = [gelu::<3>, silu, gelu_tanh][number];
        let numbers = arguments(sizes.0 * sizes.1 * sizes.2, numbers);
        agree_on_threads(|device| {
            let (x, leaf) = batch("x", sizes.into(), (view, numbers), device);
            (used.of(f(x)), vec![leaf])
        });
    }

    #[test]
    fn gates_are_their_composition(
        (rows, width) in (some(), some()),
        (view, used) in (view(), usage()),
        gate in prop::sample::select(vec![Gate::Sigmoid, Gate::Relu, Gate::Gelu, Gate::Silu]),
        numbers in prop::sample::select(vec![Uniform(1.0), Uniform(6.0), Uniform(1e-15), Mixed, Uniform(1e4)]),
    ) {
        let numbers = arguments(rows * width, numbers);
        agree_on_threads(|device| {
            let (x, leaf) = matrix("x", [rows, 2 * width], (view, numbers), device);
            (used.of(gated(x, gate)), vec![leaf])
        });
    }

    #[test]
    fn dropouts_are_their_composition(
        (examples, rows, width) in (1..4_usize, size(), some()),
        (like, used) in ((view(), summands()), usage()),
        (p, cuts) in (prop::sample::select(vec![0.0, 0.1, 0.9]), any::<[u16; 2]>()),
    ) {
        agree_on_threads(|device| {
            let (x, leaf) = batch("x", [examples, rows, width], like, device);
            (used.of(dropped(x, p, draws())), vec![leaf])
        });
        agree_on_threads(|device| {
            let (x, leaf) = matrix("x", [rows, width], like, device);
            (used.of(dropout_rows(x, &dropout(p, rows, cuts))), vec![leaf])
        });
    }

    #[test]
    fn softmax_is_its_composition(
        (examples, heads, t, s) in (1..4_usize, 1..3_usize, some(), some()),
        (view, rules, masked) in (view(), any::<u64>(), any::<bool>()),
        used in prop::sample::select(vec![Use::Whole, Use::Transposed, Use::Twice]),
        // Scores are near each other, or thousands apart: between, the composition gives denormal numbers, and the
        // operation 0.
        numbers in prop::sample::select(vec![Uniform(1.0), Uniform(9.0), Equal(-1e4), Mixed, Levels(1e4), Levels(1e29)]),
    ) {
        // Rows that are all the same have a gradient for their sum, of which nothing is left.
        let view = if view == View::Expanded { View::Whole } else { view };
        // Where a weight is all but 1, little is left of the digits of its gradient.
        let numbers = if numbers == Uniform(9.0) && examples * heads * t < 16 { Uniform(1.0) } else { numbers };
        let mask = mask(masked.then_some(rules), examples, [t, s]);
        agree_on_threads(|device| {
            let (x, leaf) = batch("x", [examples, heads * t, s], (view, numbers), device);
            let weights = attention_weights(x.reshape([examples, heads, t, s]), &mask, Normalizer::Softmax);
            (used.of(weights), vec![leaf])
        });
    }
}

#[test]
fn gradients_are_differences() {
    check_differences(&[[2, 3, 4]], |x| dropped(x[0].clone(), 0.4, draws()));
    check_differences(&[[1, 5, 4]], |x| {
        dropout_rows(tests::matrix(&x[0]), &dropout(0.4, 5, [3, 1]))
    });
}

#[test]
fn a_gate_that_is_no_number_lets_none_through() {
    let x = burn::tensor::Tensor::<2>::full([2, 6], f32::NAN, &burn::tensor::Device::flex());
    for gate in [Gate::Sigmoid, Gate::Relu, Gate::Gelu, Gate::Silu] {
        let y = gated(x.clone(), gate).into_data();
        assert!(y.iter::<f32>().all(f32::is_nan), "{gate:?}");
    }
}
