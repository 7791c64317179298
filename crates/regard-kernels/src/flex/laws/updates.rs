//! The update of Adam and the norm of the gradient, against plain loops in f64.

use proptest::prelude::*;

use super::Numbers::{self, Mixed, Uniform};
use super::cases;
use crate::flex::tests::same_on_threads;
use crate::{AdamStep, Key, adam, sum_of_squares};

/// Nothing, a few, and both sides of one piece and of two.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(0),
        1..40_usize,
        16_383..=16_386_usize,
        32_767..=32_770_usize
    ]
}

fn numbers(name: &str, n: usize, numbers: Numbers) -> Vec<f32> {
    let key = Key::new(4).at(name);
    (0..n as u64).map(|i| numbers.at(key, i)).collect()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn adam_is_that_of_double_precision(
        (n, step) in (length(), prop::sample::select(vec![1, 2, 100, 1_000_000])),
        // The second moment holds squares.
        (of_gradient, scale) in prop::sample::select(vec![
            (Uniform(1.0), 1.0), (Uniform(1e-15), 1.0), (Uniform(1e15), 1.0), (Uniform(1e15), 1e-15), (Mixed, 0.3),
        ]),
        (beta1, beta2, epsilon) in prop::sample::select(vec![(0.9, 0.98, 1e-9), (0.9, 0.999, 1e-8), (0.5, 0.5, 1e-3)]),
    ) {
        let constants = AdamStep { step, rate: 1e-2, beta1, beta2, epsilon, weight_decay: 0.0, gradient_scale: scale };
        let p = numbers("p", n, Uniform(1.0));
        let g = numbers("g", n, of_gradient);
        let m = numbers("m", n, of_gradient);
        let v: Vec<f32> = numbers("v", n, of_gradient).iter().map(|x| x * x).collect();
        let update = || {
            let [mut p, mut m, mut v] = [p.clone(), m.clone(), v.clone()];
            adam(&mut p, &g, &mut m, &mut v, &constants);
            [p, m, v]
        };
        let got = update();
        let corrections = [beta1, beta2].map(|beta: f64| 1.0 - beta.powi(i32::try_from(step).expect("small")));
        let expected: Vec<[f64; 3]> = (0..n).map(|i| {
            let [p, g, m, v] = [p[i], g[i], m[i], v[i]].map(f64::from);
            let g = g * scale;
            let (m, v) = (beta1 * m + (1.0 - beta1) * g, beta2 * v + (1.0 - beta2) * g * g);
            let update = 1e-2 * (m / corrections[0]) / ((v / corrections[1]).sqrt() + epsilon);
            [p - update, m, v]
        }).collect();
        for (which, got) in got.iter().enumerate() {
            let largest = expected.iter().fold(0.0_f64, |largest, x| largest.max(x[which].abs()));
            for (got, expected) in got.iter().zip(&expected) {
                let off = (f64::from(*got) - expected[which]).abs();
                prop_assert!(off <= 1e-5 * largest, "{which}: {got}, not {}", expected[which]);
            }
        }
        same_on_threads(|| update().concat().into_iter().map(f32::to_bits).collect::<Vec<_>>());
    }

    #[test]
    fn a_sum_of_squares_is_that_of_double_precision(
        n in length(),
        kind in prop::sample::select(vec![Uniform(1.0), Uniform(1e30), Uniform(1e-30), Uniform(1e-40), Mixed]),
    ) {
        let values = numbers("values", n, kind);
        let expected: f64 = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        prop_assert!((sum_of_squares(&values) - expected).abs() <= 1e-12 * expected);
        same_on_threads(|| sum_of_squares(&values).to_bits());
    }
}
