use burn::tensor::{Device, Tensor, TensorData};

use super::super::tests::{COMPOSED, agree, run, values};
use crate::*;

const ROWS: usize = 3;
const N_HEADS: usize = 2;

fn options(mask: &AttentionMask) -> AttentionOptions {
    AttentionOptions {
        mask: mask.clone(),
        ..AttentionOptions::new(N_HEADS)
    }
}

fn plain<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    values(name, shape, &Device::flex().autodiff()).inner()
}

fn draws() -> Draws {
    Draws {
        key: Key::new(2),
        first_row: 3,
    }
}

/// A mask of every kind of rule, for a square of `size` positions at most.
fn rules(size: usize) -> Vec<AttentionMask> {
    let key = Key::new(9);
    let edges = |graph: u64| {
        let pairs = (0..size).flat_map(|to| (0..size).map(move |from| [from, to]));
        let kept = |&[from, to]: &[usize; 2]| {
            // Every seventh position sees nothing; the others a third of all.
            let draw = key.nth(graph).uniform((from * size + to) as u64);
            !to.is_multiple_of(7) && draw < 0.3
        };
        pairs.filter(kept).collect::<Vec<_>>()
    };
    let lengths = [size, 0, size / 2];
    vec![
        AttentionMask::none(),
        AttentionMask::causal(),
        AttentionMask::window(2, 1),
        AttentionMask::window(size / 3, 0),
        AttentionMask::key_lengths(lengths.to_vec()),
        AttentionMask::blocks(&[vec![size - 1], vec![1, size / 2, 3], vec![size]]),
        AttentionMask::graph([0, 1, 2].map(|i| Graph::new(size, &edges(i)))),
    ]
}

/// Fused and composed on separate queries, keys and values.
fn check([t, s]: [usize; 2], key_heads: usize, options: &AttentionOptions) {
    let n_heads = options.n_heads;
    agree(|device| {
        let q = values("q", [ROWS, t, n_heads * 3], device);
        let k = values("k", [ROWS, s, key_heads * 3], device);
        let v = values("v", [ROWS, s, key_heads * 5], device);
        let output = attention(q.clone(), k.clone(), v.clone(), options.clone());
        (output.context, vec![q, k, v])
    });
}

#[test]
fn it_is_its_composition_over_sizes() {
    let lengths = [1, 5, 33, 130, 300];
    for t in lengths {
        for s in lengths {
            for mask in [AttentionMask::none(), AttentionMask::causal()] {
                check([t, s], N_HEADS, &options(&mask));
            }
        }
    }
}

#[test]
fn it_is_its_composition_under_every_rule_and_every_pair_of_rules() {
    for size in [11, 137] {
        let rules = rules(size);
        for (i, a) in rules.iter().enumerate() {
            for b in &rules[i..] {
                let mask = options(&a.clone().and(b.clone()));
                check([size, size], N_HEADS, &mask);
                check([size / 2, size], N_HEADS, &mask);
            }
        }
    }
}

#[test]
fn it_is_its_composition_on_packed_projections() {
    for (t, s) in [(5, 5), (3, 7), (33, 41), (150, 140)] {
        for mask in rules(s).into_iter().filter(|_| t <= s) {
            agree(|device| {
                let q = values("q", [ROWS, t, 6], device);
                let kv = values("kv", [ROWS, s, 12], device);
                let context = cross_attention(q.clone(), kv.clone(), options(&mask)).context;
                (context, vec![q, kv])
            });
        }
    }
    for size in [11, 130, 300] {
        for mask in rules(size) {
            agree(|device| {
                let qkv = values("qkv", [ROWS, size, 6 * 17], device);
                let context = self_attention(qkv.clone(), options(&mask)).context;
                (context, vec![qkv])
            });
        }
    }
}

#[test]
fn heads_of_queries_share_heads_of_keys() {
    for key_heads in [1, 2, 3, 6] {
        for (t, s) in [(1, 7), (33, 41), (70, 150)] {
            let options = AttentionOptions {
                n_heads: 6,
                ..options(&AttentionMask::causal())
            };
            check([t, s], key_heads, &options);
            agree(|device| {
                let q = values("q", [ROWS, t, 18], device);
                let kv = values("kv", [ROWS, s, 6 * key_heads], device);
                let context = cross_attention(q.clone(), kv.clone(), options.clone()).context;
                (context, vec![q, kv])
            });
        }
    }
}

/// Fused and composed with a bias of the given shape.
fn check_bias([t, s]: [usize; 2], shape: [usize; 4], options: &AttentionOptions) {
    let with_bias = |device: &Device| {
        let q = values("q", [ROWS, t, 6], device);
        let k = values("k", [ROWS, s, 6], device);
        let v = values("v", [ROWS, s, 4], device);
        let bias = values("bias", [shape[0] * shape[1], shape[2], shape[3]], device);
        let options = AttentionOptions {
            bias: Some(bias.clone().reshape(shape)),
            ..options.clone()
        };
        let output = attention(q.clone(), k.clone(), v.clone(), options);
        (output.context, vec![q, k, v, bias])
    };
    if shape[3] > 1 {
        agree(with_bias);
        return;
    }
    // What is added to every score of a row changes nothing: its gradient is rounding.
    agree(|device| {
        let (context, inputs) = with_bias(device);
        (context, inputs[..3].to_vec())
    });
    let gradients = run(&with_bias, false);
    assert!(gradients[4].iter().all(|gradient| gradient.abs() < 1e-5));
}

#[test]
fn a_bias_of_every_broadcast_shape_has_its_gradient() {
    for [t, s] in [[5, 7], [130, 140]] {
        for i in 0..16 {
            let full = [ROWS, N_HEADS, t, s];
            let shape = std::array::from_fn(|axis| if i >> axis & 1 == 1 { full[axis] } else { 1 });
            check_bias([t, s], shape, &options(&AttentionMask::causal()));
        }
    }
    for mask in rules(137) {
        check_bias([137, 137], [1, N_HEADS, 137, 137], &options(&mask));
    }
}

#[test]
fn a_bias_on_packed_projections() {
    agree(|device| {
        let qkv = values("qkv", [ROWS, 9, 18], device);
        let bias = values("bias", [N_HEADS, 9, 9], device);
        let options = AttentionOptions {
            bias: Some(bias.clone().unsqueeze()),
            ..options(&AttentionMask::causal())
        };
        (
            self_attention(qkv.clone(), options).context,
            vec![qkv, bias],
        )
    });
}

#[test]
fn dropout_draws_the_same_as_the_composition() {
    for [t, s] in [[1, 1], [5, 7], [33, 41], [130, 300]] {
        for mask in [AttentionMask::none(), AttentionMask::causal()] {
            let options = AttentionOptions {
                dropout: Some((0.3, draws())),
                ..options(&mask)
            };
            check([t, s], N_HEADS, &options);
            check_bias([t, s], [1, N_HEADS, t, s], &options);
        }
    }
}

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
fn a_gradient_flows_through_weights_on_request() {
    agree(|device| {
        let [q, k, v] = ["q", "k", "v"].map(|name| values(name, [2, 5, 6], device));
        let options = AttentionOptions {
            weights: true,
            ..options(&AttentionMask::causal())
        };
        let output = attention(q.clone(), k.clone(), v.clone(), options);
        let weights = output.weights.unwrap();
        let through_both = output.context.sum() + weights.powf_scalar(2.0).sum();
        (through_both, vec![q, k, v])
    });
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let device = Device::flex().autodiff();
    let inputs: [Tensor<3>; 3] = ["q", "k", "v"].map(|name| values(name, [2, 3, 4], &device));
    let loss = |[q, k, v]: [Tensor<3>; 3]| {
        let context = attention(q, k, v, options(&AttentionMask::causal())).context;
        let factors = values("factors", context.dims(), &device).detach();
        (context * factors).sum()
    };
    let gradients = loss(inputs.clone()).backward();
    for (i, input) in inputs.iter().enumerate() {
        let gradient: Vec<f32> = input.grad(&gradients).unwrap().into_data().iter().collect();
        for (j, gradient) in gradient.into_iter().enumerate() {
            let at = |step: f32| -> f32 {
                let mut data: Vec<f32> = input.to_data().iter().collect();
                data[j] += step;
                let mut moved = inputs.clone();
                moved[i] = Tensor::from_data(TensorData::new(data, input.dims()), &device);
                loss(moved).into_scalar()
            };
            let difference = (at(0.01) - at(-0.01)) / 0.02;
            assert!(
                (difference - gradient).abs() < 3e-4,
                "{difference} and {gradient}"
            );
        }
    }
}

#[test]
fn a_single_key_may_have_any_stride() {
    // One key, three wide: behind the transpose its stride is that of the columns, 1.
    let [q, k, v] = ["q", "k", "v"].map(|name| plain(name, [1, 3, 1]).swap_dims(1, 2));
    let context = attention(q, k, v.clone(), AttentionOptions::new(1)).context;
    assert_eq!(context.into_data(), v.into_data());
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
fn a_query_that_sees_nothing_gets_and_gives_exactly_nothing() {
    let mask = AttentionMask::key_lengths(vec![0, 150]);
    let everything = run(
        &|device: &Device| {
            let [q, k, v] = ["q", "k", "v"].map(|name| values(name, [2, 150, 6], device));
            let output = attention(q.clone(), k.clone(), v.clone(), options(&mask));
            (output.context, vec![q, k, v])
        },
        false,
    );
    for numbers in everything {
        let (blocked, seeing) = numbers.split_at(150 * 6);
        assert!(blocked.iter().all(|&x| x == 0.0));
        assert!(seeing.iter().any(|&x| x != 0.0));
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

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let of = |rows, length| {
                run(
                    &|device: &Device| {
                        let qkv = values("qkv", [rows, length, 3 * 48], device);
                        let q = values("q", [rows, length, 48], device);
                        let bias = values("bias", [N_HEADS, length, 1], device);
                        let options = AttentionOptions {
                            bias: Some(bias.clone().unsqueeze()),
                            ..options(&AttentionMask::causal())
                        };
                        let context = self_attention(qkv.clone(), options.clone()).context;
                        let twice = attention(q.clone(), context.clone(), context, options);
                        (twice.context, vec![qkv, q, bias])
                    },
                    false,
                )
            };
            [of(1, 700), of(8, 40)]
        })
    };
    let one = on(1);
    assert!(one == on(2) && one == on(4));
}

#[test]
fn of_nothing_comes_nothing() {
    let device = Device::flex().autodiff();
    for [rows, t, s] in [[2, 0, 3], [2, 3, 0], [0, 3, 3], [2, 0, 0]] {
        let q = values("q", [rows, t, 6], &device);
        let [k, v] = ["k", "v"].map(|name| values(name, [rows, s, 6], &device));
        for weights in [false, true] {
            let options = AttentionOptions {
                weights,
                ..options(&AttentionMask::none())
            };
            let plain = [&q, &k, &v].map(|x| x.clone().inner());
            let [q, k, v] = plain;
            let output = attention(q, k, v, options);
            assert_eq!(output.context.dims(), [rows, t, 6]);
            assert!(output.context.into_data().iter::<f32>().all(|x| x == 0.0));
            let dims = output.weights.map(|weights| weights.dims());
            assert_eq!(dims, weights.then_some([rows, N_HEADS, t, s]));
        }
        let output = attention(q.clone(), k, v, options(&AttentionMask::none()));
        let gradient = q.grad(&output.context.sum().backward()).unwrap();
        assert_eq!(gradient.dims(), [rows, t, 6]);
    }
    let qkv = Tensor::zeros([2, 0, 6], &device);
    let options = AttentionOptions::new(1);
    assert_eq!(self_attention(qkv, options).context.dims(), [2, 0, 2]);
}
