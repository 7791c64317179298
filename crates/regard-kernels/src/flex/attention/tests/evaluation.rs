//! Where nothing is differentiated.

use burn::tensor::{Device, Tensor, TensorData};

use super::super::super::tests::{COMPOSED, agree, values};
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

/// Where positions of three rows stand in a room of five, without a pattern.
fn anywhere(s: usize) -> Origins {
    let mut origins = Origins::own(5, 0);
    for position in 0..s {
        origins.extend(1);
        let key = Key::new(7).nth(position as u64);
        let rows: Vec<usize> = (0..5).map(|row| (key.bits(row) % 5) as usize).collect();
        origins.select(&rows);
    }
    origins.select(&[0, 1, 2]);
    origins
}

#[test]
fn scattered_keys_are_those_that_are_gathered() {
    for t in [1, 2, 4, 5, 9] {
        for (s, width) in [(16, 7), (130, 16), (300, 70)] {
            for mask in rules(s) {
                let q = plain("q", [ROWS, t, 6 * width]);
                // Part of a longer cache.
                let [k, v] = ["k", "v"].map(|name| plain(name, [5, s + 3, 2 * width]));
                let [k, v] = [k, v].map(|x| x.slice([0..5, 1..s + 1]));
                let origins = anywhere(s);
                for bias in [None, Some(plain("bias", [ROWS, 6, 1, s]))] {
                    for weights in [false, true] {
                        let options = AttentionOptions {
                            n_heads: 6,
                            bias: bias.clone(),
                            weights,
                            ..options(&mask)
                        };
                        let gathered = [&k, &v].map(|x| origins.gather(x.clone()));
                        let [key, value] = gathered;
                        let expected = attention(q.clone(), key, value, options.clone());
                        let (k, v) = (k.clone(), v.clone());
                        let got = scattered_attention(q.clone(), k, v, &origins, options);
                        assert_eq!(got.context.into_data(), expected.context.into_data());
                        let weights = [got.weights, expected.weights];
                        let [got, expected] = weights.map(|x| x.map(Tensor::into_data));
                        assert_eq!(got, expected);
                    }
                }
            }
        }
    }
}

#[test]
fn scattered_keys_are_differentiated() {
    agree(|device| {
        let q = values("q", [ROWS, 1, 6], device);
        let [k, v] = ["k", "v"].map(|name| values(name, [5, 9, 6], device));
        let options = options(&AttentionMask::none());
        let origins = anywhere(9);
        let output = scattered_attention(q.clone(), k.clone(), v.clone(), &origins, options);
        (output.context, vec![q, k, v])
    });
}

#[test]
#[should_panic(
    expected = "scattered_attention: expected 4 positions in at least 3 rows, got 4 in 2"
)]
fn origins_in_rows_that_are_not_there() {
    let x = |rows| Tensor::<3>::zeros([rows, 4, 2], &Device::flex());
    let (query, origins) = (x(3).slice_dim(1, 0..1), Origins::own(3, 4));
    scattered_attention(query, x(2), x(2), &origins, AttentionOptions::new(1));
}
