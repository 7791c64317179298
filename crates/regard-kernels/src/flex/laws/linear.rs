//! Linear maps, with what is done behind them, and embedding lookup.

use burn::tensor::{Int, Tensor, TensorData};
use proptest::prelude::*;

use super::{cases, dropout, matrix, numbers, size, some, summands, usage, vector, view};
use crate::flex::tests::{self, agree_on_threads, check_differences};
use crate::{Key, embedding, linear, linear_add, linear_relu};

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn linear_maps_are_their_composition(
        (rows, d_in, d_out) in (size(), some(), some()),
        x_like in (view(), numbers()),
        w_like in (view(), numbers()),
        b_like in (view(), summands()),
        (bias, relu, used) in (any::<bool>(), any::<bool>(), usage()),
    ) {
        agree_on_threads(|device| {
            let (x, x_leaf) = matrix("x", [rows, d_in], x_like, device);
            let (w, w_leaf) = matrix("w", [d_in, d_out], w_like, device);
            let (b, b_leaf) = vector("b", d_out, b_like, device);
            let f = if relu { linear_relu } else { linear };
            let mut inputs = vec![x_leaf, w_leaf];
            inputs.extend(bias.then_some(b_leaf));
            (used.of(f(x, w, bias.then_some(b))), inputs)
        });
    }

    #[test]
    fn residual_maps_are_their_composition(
        (rows, d_in, d_out) in (size(), some(), some()),
        r_like in (view(), summands()),
        x_like in (view(), numbers()),
        w_like in (view(), numbers()),
        (bias, used) in (any::<bool>(), usage()),
        (p, cuts) in (prop::sample::select(vec![None, Some(0.0), Some(0.3)]), any::<[u16; 2]>()),
    ) {
        agree_on_threads(|device| {
            let (r, r_leaf) = matrix("r", [rows, d_out], r_like, device);
            let (x, x_leaf) = matrix("x", [rows, d_in], x_like, device);
            let (w, w_leaf) = matrix("w", [d_in, d_out], w_like, device);
            let (b, b_leaf) = vector("b", d_out, x_like, device);
            let mut inputs = vec![r_leaf, x_leaf, w_leaf];
            inputs.extend(bias.then_some(b_leaf));
            let dropout = p.map(|p| dropout(p, rows, cuts));
            (used.of(linear_add(r, x, w, bias.then_some(b), dropout)), inputs)
        });
    }

    #[test]
    fn embeddings_are_their_composition(
        (n, vocabulary, d_model) in (some(), some(), some()),
        like in (view(), summands()),
        (scale, seed, used) in (prop::sample::select(vec![1.0, 0.5, 22.6]), any::<u64>(), usage()),
    ) {
        let key = Key::new(seed);
        let ids: Vec<i64> = (0..n as u64)
            .map(|i| (key.uniform(i).powi(2) * vocabulary as f64) as i64)
            .collect();
        agree_on_threads(|device| {
            let ids = Tensor::<1, Int>::from_data(TensorData::new(ids.clone(), [n]), device);
            let (w, leaf) = matrix("w", [vocabulary, d_model], like, device);
            (used.of(embedding(w, ids, scale)), vec![leaf])
        });
    }
}

#[test]
fn gradients_are_differences() {
    check_differences(&[[1, 3, 4], [1, 4, 5], [1, 1, 5]], |inputs| {
        let [x, w, b] = [&inputs[0], &inputs[1], &inputs[2]];
        linear(tests::matrix(x), tests::matrix(w), Some(tests::vector(b)))
    });
    for p in [None, Some(0.4)] {
        check_differences(&[[1, 5, 3], [1, 5, 4], [1, 4, 3], [1, 1, 3]], |inputs| {
            let [r, x, w] = [0, 1, 2].map(|i| tests::matrix(&inputs[i]));
            let dropout = p.map(|p| dropout(p, 5, [3, 1]));
            linear_add(r, x, w, Some(tests::vector(&inputs[3])), dropout)
        });
    }
}

#[test]
fn what_is_no_number_stays_so() {
    let device = burn::tensor::Device::flex().autodiff();
    let x = Tensor::<2>::full([3, 2], f32::NAN, &device).require_grad();
    let y = linear_relu(x.clone(), Tensor::ones([2, 5], &device), None);
    let gradient = x.grad(&y.clone().sum().backward()).expect("a gradient");
    assert!(y.into_data().iter::<f32>().all(f32::is_nan));
    assert!(
        gradient
            .into_data()
            .iter::<f32>()
            .all(|g| g.to_bits() == 5.0_f32.to_bits()),
        "as of any number above 0"
    );
}
