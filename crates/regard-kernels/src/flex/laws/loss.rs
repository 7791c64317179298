//! Cross entropy through the output map.

use burn::tensor::{Device, Int, Tensor, TensorData};
use proptest::prelude::*;

use super::Numbers::{Levels, Mixed, Uniform};
use super::{View, cases, matrix, vector, view};
use crate::flex::tests::{self, COMPOSED, agree_on_threads, check_differences};
use crate::{Key, linear_cross_entropy, linear_r_drop};

fn targets(rows: usize, vocabulary: usize, seed: u64, device: &Device) -> Tensor<1, Int> {
    let key = Key::new(seed);
    let ids: Vec<i64> = (0..rows as u64)
        .map(|i| (key.bits(i) % vocabulary as u64).cast_signed())
        .collect();
    Tensor::from_data(TensorData::new(ids, [rows]), device)
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn cross_entropy_is_its_composition(
        rows in prop_oneof![3 => 1..30_usize, 1 => 255..=260_usize, 1 => 511..=513_usize, 1 => 1023..=1026_usize],
        d_model in prop_oneof![3 => 1..20_usize, 1 => 63..66_usize],
        // One class has no gradient but what rounding leaves, and so have classes that are all the same.
        vocabulary in prop_oneof![3 => 2..40_usize, 1 => 127..130_usize, 1 => 511..=513_usize],
        (h_view, w_view, b_view) in (view(), view(), view()),
        // Where logits are far apart they are so by thousands: a probability between that and a smaller number than f32 has
        // is 0 in one form and a few digits of a denormal number in the other.
        (h_numbers, w_numbers) in prop::sample::select(vec![
            (Uniform(1.0), Uniform(1.0)),
            (Uniform(1e-15), Uniform(1.0)),
            (Uniform(1e15), Uniform(1e-15)),
            (Mixed, Uniform(1.0)),
            (Levels(100.0), Levels(100.0)),
            (Levels(1e15), Levels(1e15)),
        ]),
        (bias, seed) in (any::<bool>(), any::<u64>()),
        smoothing in prop::sample::select(vec![0.0, 0.1]),
    ) {
        // Classes that share the few levels there are, and hundreds of rows that are alike, as are their roundings, leave
        // little of a sum of probabilities less as many targets.
        let many = rows > 100;
        let h_view = if many && h_view == View::Expanded { View::Whole } else { h_view };
        let (h_numbers, w_numbers) = match h_numbers {
            Uniform(1e-15) | Levels(_) if many => (Uniform(1.0), Uniform(1.0)),
            _ => (h_numbers, w_numbers),
        };
        let d_model = if many || matches!(w_numbers, Levels(_)) { d_model.max(8) } else { d_model };
        agree_on_threads(|device| {
            let targets = targets(rows, vocabulary, seed, device);
            let (h, h_leaf) = matrix("h", [rows, d_model], (h_view, h_numbers), device);
            let (w, w_leaf) = matrix("w", [d_model, vocabulary], (w_view, w_numbers), device);
            let (b, b_leaf) = vector("b", vocabulary, (b_view, Uniform(1.0)), device);
            let mut inputs = vec![h_leaf, w_leaf];
            inputs.extend(bias.then_some(b_leaf));
            let loss = linear_cross_entropy(h, w, bias.then_some(b), targets, smoothing);
            (loss.objective, inputs)
        });
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn r_drop_is_its_composition(
        rows in prop_oneof![3 => 1..30_usize, 1 => 255..=258_usize, 1 => 511..=514_usize],
        d_model in 1..20_usize,
        vocabulary in prop_oneof![3 => 2..40_usize, 1 => 127..130_usize],
        (one_view, other_view, w_view, b_view) in (view(), view(), view(), view()),
        (bias, seed) in (any::<bool>(), any::<u64>()),
        smoothing in prop::sample::select(vec![0.0, 0.1]),
        alpha in prop::sample::select(vec![0.0, 1.0, 5.0]),
    ) {
        agree_on_threads(|device| {
            let targets = targets(rows, vocabulary, seed, device);
            let uniform = Uniform(1.0);
            let (one, one_leaf) = matrix("one", [rows, d_model], (one_view, uniform), device);
            let (other, other_leaf) = matrix("other", [rows, d_model], (other_view, uniform), device);
            let (w, w_leaf) = matrix("w", [d_model, vocabulary], (w_view, uniform), device);
            let (b, b_leaf) = vector("b", vocabulary, (b_view, uniform), device);
            let mut inputs = vec![one_leaf, other_leaf, w_leaf];
            inputs.extend(bias.then_some(b_leaf));
            let bias = bias.then_some(b);
            let loss = linear_r_drop([one, other], w, bias, targets, (smoothing, alpha));
            (loss.objective, inputs)
        });
    }
}

#[test]
fn gradients_of_r_drop_are_differences() {
    for (smoothing, alpha) in [(0.0, 5.0), (0.2, 1.0)] {
        check_differences(&[[1, 3, 4], [1, 3, 4], [1, 4, 5], [1, 1, 5]], |inputs| {
            let [one, other, w] = [0, 1, 2].map(|i| tests::matrix(&inputs[i]));
            let targets = Tensor::from_ints([4, 0, 1], &w.device());
            let bias = Some(tests::vector(&inputs[3]));
            linear_r_drop([one, other], w, bias, targets, (smoothing, alpha)).objective
        });
    }
}

#[test]
fn nats_are_those_of_the_composition() {
    let device = Device::flex();
    for rows in [1, 512, 700] {
        let x = |name, shape| tests::values::<2>(name, shape, &device.clone().autodiff()).inner();
        let nats = || {
            let targets = targets(rows, 9, 1, &device);
            let loss = linear_cross_entropy(x("h", [rows, 5]), x("w", [5, 9]), None, targets, 0.1);
            loss.nats.into_scalar::<f32>()
        };
        COMPOSED.set(true);
        let expected = nats();
        COMPOSED.set(false);
        assert!((nats() - expected).abs() <= 1e-5 * expected, "{rows} rows");
    }
}

#[test]
fn no_rows_cost_nothing() {
    let device = Device::flex().autodiff();
    for turned in [false, true] {
        let w = tests::values("w", [3, 7], &device);
        let b = tests::values("b", [7], &device);
        let weight = if turned {
            w.clone().reshape([7, 3]).transpose()
        } else {
            w.clone()
        };
        let targets = targets(0, 7, 1, &device);
        let h = Tensor::zeros([0, 3], &device);
        let loss = linear_cross_entropy(h, weight, Some(b.clone()), targets, 0.1);
        let gradients = loss.objective.clone().backward();
        assert_eq!(loss.objective.into_scalar::<f32>().to_bits(), 0);
        assert_eq!(loss.nats.into_scalar::<f32>().to_bits(), 0);
        let zero = |x: TensorData| x.iter::<f32>().all(|x| x == 0.0);
        assert!(zero(w.grad(&gradients).expect("a gradient").into_data()));
        assert!(zero(b.grad(&gradients).expect("a gradient").into_data()));
    }
}

#[test]
fn gradients_are_differences() {
    for smoothing in [0.0, 0.2] {
        check_differences(&[[1, 3, 4], [1, 4, 5], [1, 1, 5]], |inputs| {
            let [h, w] = [0, 1].map(|i| tests::matrix(&inputs[i]));
            let targets = Tensor::from_ints([4, 0, 1], &h.device());
            let bias = Some(tests::vector(&inputs[2]));
            linear_cross_entropy(h, w, bias, targets, smoothing).objective
        });
    }
}
