//! Where nothing is differentiated.

use burn::tensor::{Device, Tensor, TensorData};

use super::super::super::tests::COMPOSED;
use super::{ROWS, draws, options, plain, rules};
use crate::*;

/// Context and weights where nothing is differentiated, fused and composed.
fn evaluated([t, s]: [usize; 2], key_heads: usize, options: &AttentionOptions) {
    let run = |composed| {
        COMPOSED.set(composed);
        let q = plain("q", [ROWS, t, options.n_heads * 7]);
        // Part of a longer cache.
        let [k, v] = ["k", "v"].map(|name| plain(name, [ROWS, s + 3, key_heads * 7]));
        let [k, v] = [k, v].map(|x| x.slice([0..ROWS, 1..s + 1]));
        let output = attention(q, k, v, options.clone());
        COMPOSED.set(false);
        let numbers = |data: TensorData| data.iter::<f32>().collect::<Vec<_>>();
        let weights = output.weights.map(Tensor::into_data);
        [Some(output.context.into_data()), weights].map(|data| data.map(numbers))
    };
    for (fused, composed) in run(false).into_iter().zip(run(true)) {
        assert_eq!(fused.is_some(), composed.is_some());
        for (a, b) in fused.iter().flatten().zip(composed.iter().flatten()) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}, T {t}, S {s}");
        }
    }
}

#[test]
fn steps_of_decoding_are_its_composition() {
    for t in 1..7 {
        for s in [7, 16, 130, 300] {
            for mask in rules(s) {
                let bias = plain("bias", [1, 6, 1, s]);
                let options = AttentionOptions {
                    n_heads: 6,
                    ..options(&mask)
                };
                for key_heads in [1, 6] {
                    evaluated([t, s], key_heads, &options);
                }
                let biased = AttentionOptions {
                    bias: Some(bias),
                    ..options
                };
                evaluated([t, s], 2, &biased);
            }
        }
    }
}

#[test]
fn weights_on_request_are_those_of_the_composition() {
    for [t, s] in [[1, 5], [5, 7], [70, 150]] {
        for mask in rules(s) {
            let options = AttentionOptions {
                weights: true,
                dropout: Some((0.3, draws())),
                n_heads: 6,
                ..options(&mask)
            };
            evaluated([t, s], 2, &options);
        }
    }
}

#[test]
fn extreme_scores_choose_one_key_or_share_among_equals() {
    let device = Device::flex();
    let s = 200;
    // Scores of 1e4 at one key, -1e4 at the others; then all equal, high and low.
    for (key_at, high, low, expected) in [
        (150, 1e4, -1e4, 150.0),
        (3, -1e4, -2e4, 3.0),
        (0, 1e4, 1e4, 99.5),
        (0, -1e4, -1e4, 99.5),
    ] {
        for t in [1, 9] {
            let query = Tensor::<3>::ones([1, t, 1], &device);
            let keys: Vec<f32> = (0..s)
                .map(|i| if i == key_at { high } else { low })
                .collect();
            let key = Tensor::from_data(TensorData::new(keys, [1, 200, 1]), &device);
            let numbers = (0..s).map(|i| i as f32).collect::<Vec<_>>();
            let value = Tensor::from_data(TensorData::new(numbers, [1, 200, 1]), &device);
            let context = attention(query, key, value, AttentionOptions::new(1)).context;
            for x in context.into_data().iter::<f32>() {
                assert!((x - expected).abs() < 1e-3, "{x}, not {expected}");
            }
        }
    }
}

#[test]
fn not_a_number_is_not_hidden() {
    let device = Device::flex();
    for t in [1, 9] {
        let query = Tensor::<3>::full([1, t, 2], f32::NAN, &device);
        let key = Tensor::<3>::ones([1, 9, 2], &device);
        let context = attention(query, key.clone(), key, AttentionOptions::new(1)).context;
        assert!(context.into_data().iter::<f32>().all(f32::is_nan));
    }
}
