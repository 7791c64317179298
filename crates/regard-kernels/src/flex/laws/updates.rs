//! The updates of optimisers and the norm of the gradient, against plain loops in f64.

use proptest::prelude::*;

use super::Numbers::{self, Mixed, Uniform};
use super::cases;
use crate::flex::tests::same_on_threads;
use crate::{
    AdafactorStep, AdamStep, Key, LionStep, SecondMoment, SgdStep, adafactor, adam, lion, sgd,
    sum_of_squares,
};

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

/// Every element is that of `expected`, to 1e-5 of the largest.
fn near(got: &[f32], expected: &[f64]) -> Result<(), TestCaseError> {
    let largest = expected
        .iter()
        .fold(0.0_f64, |largest, x| largest.max(x.abs()));
    for (got, expected) in got.iter().zip(expected) {
        let off = (f64::from(*got) - expected).abs();
        prop_assert!(off <= 1e-5 * largest, "{got}, not {expected}");
    }
    Ok(())
}

/// A matrix by [`AdafactorStep`]'s formula: the parameter, and the second moments of rows and columns.
fn adafactor_in_f64(
    p: &[f32],
    g: &[f32],
    [rows, columns]: [&[f32]; 2],
    constants: &AdafactorStep,
) -> [Vec<f64>; 3] {
    let (n, width) = (p.len() as f64, columns.len());
    let b = 1.0 - (constants.step as f64).powf(-0.8);
    let g: Vec<f64> = g
        .iter()
        .map(|&g| f64::from(g) * constants.gradient_scale)
        .collect();
    let followed = |old: f32, sum: f64, count: usize| {
        b * f64::from(old) + (1.0 - b) * (sum / count as f64 + 1e-30)
    };
    let of_row = |(i, &old): (usize, &f32)| {
        followed(
            old,
            g[i * width..(i + 1) * width].iter().map(|g| g * g).sum(),
            width,
        )
    };
    let of_column = |(j, &old): (usize, &f32)| {
        followed(
            old,
            g.iter().skip(j).step_by(width).map(|g| g * g).sum(),
            rows.len(),
        )
    };
    let of_rows: Vec<f64> = rows.iter().enumerate().map(of_row).collect();
    let of_columns: Vec<f64> = columns.iter().enumerate().map(of_column).collect();
    let mean = of_rows.iter().sum::<f64>() / of_rows.len() as f64;
    let u: Vec<f64> = g
        .iter()
        .enumerate()
        .map(|(i, g)| g / (of_rows[i / width] * of_columns[i % width] / mean).sqrt())
        .collect();
    let rms = |values: &[f64]| (values.iter().map(|x| x * x).sum::<f64>() / n).sqrt();
    let p: Vec<f64> = p.iter().copied().map(f64::from).collect();
    let scale = if constants.relative {
        rms(&p).max(1e-3)
    } else {
        1.0
    };
    let factor = constants.rate * scale / (rms(&u) / constants.update_clip).max(1.0);
    let kept = 1.0 - constants.rate * constants.weight_decay;
    let p = p
        .iter()
        .zip(&u)
        .map(|(p, u)| kept * p - factor * u)
        .collect();
    [p, of_rows, of_columns]
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
    fn lion_and_sgd_are_those_of_double_precision(
        n in length(),
        (scale, weight_decay) in prop::sample::select(vec![(1.0, 0.0), (0.3, 0.5)]),
        (momentum, nesterov) in prop::sample::select(vec![(0.0, false), (0.9, false), (0.9, true)]),
    ) {
        let [p, g, m] = ["p", "g", "m"].map(|name| numbers(name, n, Uniform(1.0)));
        let elements = || (0..n).map(|i| [p[i], g[i], m[i]].map(f64::from));

        let constants = LionStep { rate: 1e-2, beta1: 0.9, beta2: 0.99, weight_decay, gradient_scale: scale };
        let update = || {
            let [mut p, mut m] = [p.clone(), m.clone()];
            lion(&mut p, &g, &mut m, &constants);
            [p, m]
        };
        let got = update();
        // A sum that all but cancels may have either sign.
        let certain = |&(_, [_, g, m]): &(usize, [f64; 3])| (0.9 * m + 0.1 * g * scale).abs() > 1e-6;
        let (places, expected): (Vec<usize>, Vec<f64>) = elements().enumerate().filter(certain).map(|(i, [p, g, m])| {
            (i, (1.0 - 1e-2 * weight_decay) * p - 1e-2 * (0.9 * m + 0.1 * g * scale).signum())
        }).unzip();
        prop_assert!(places.len() + 8 > n);
        let moved: Vec<f32> = places.into_iter().map(|i| got[0][i]).collect();
        near(&moved, &expected)?;
        near(&got[1], &elements().map(|[_, g, m]| 0.99 * m + 0.01 * g * scale).collect::<Vec<_>>())?;
        same_on_threads(|| update().concat().into_iter().map(f32::to_bits).collect::<Vec<_>>());

        let constants = SgdStep { rate: 0.1, momentum, nesterov, weight_decay, gradient_scale: scale };
        let update = || {
            let [mut p, mut v] = [p.clone(), m.clone()];
            sgd(&mut p, &g, &mut v, &constants);
            [p, v]
        };
        let got = update();
        let (expected, velocity): (Vec<f64>, Vec<f64>) = elements().map(|[p, g, v]| {
            let g = g * scale + weight_decay * p;
            let v = momentum * v + g;
            (p - 0.1 * if nesterov { g + momentum * v } else { v }, v)
        }).unzip();
        near(&got[0], &expected)?;
        near(&got[1], &velocity)?;
        same_on_threads(|| update().concat().into_iter().map(f32::to_bits).collect::<Vec<_>>());
    }

    #[test]
    fn adafactor_is_that_of_double_precision(
        (height, width) in prop::sample::select(vec![(1, 1), (7, 11), (1, 40_000), (40_000, 1), (129, 257), (300, 8)]),
        of_gradient in prop::sample::select(vec![Uniform(1.0), Uniform(1e-12), Mixed]),
        (step, relative, update_clip) in prop::sample::select(vec![(1, true, 1.0), (7, false, 0.1), (100_000, true, 1e9)]),
    ) {
        let constants = AdafactorStep { step, rate: 0.1, relative, update_clip, weight_decay: 0.5, gradient_scale: 0.3 };
        let p = numbers("p", height * width, Uniform(1.0));
        let g = numbers("g", height * width, of_gradient);
        let [rows, columns] = [("r", height), ("c", width)].map(|(name, n)| -> Vec<f32> {
            numbers(name, n, of_gradient).iter().map(|x| x * x).collect()
        });
        let update = || {
            let [mut p, mut rows, mut columns] = [p.clone(), rows.clone(), columns.clone()];
            let second = SecondMoment::Factored { rows: &mut rows[..], columns: &mut columns[..] };
            adafactor(&mut p, &g, second, &constants);
            [p, rows, columns]
        };
        let expected = adafactor_in_f64(&p, &g, [&rows, &columns], &constants);
        for (got, expected) in update().iter().zip(&expected) {
            near(got, expected)?;
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
