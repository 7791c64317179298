//! Nothing to look at, nobody who looks, no rows: zeros, where there is room for any.

use burn::tensor::{DType, Tensor};
use regard_nn::{
    AttentionMask, AttentionOptions, HardAttentionOptions, HardEstimator, LinearAttentionOptions,
    LinearAttentionState, Normalizer, Settling, attention, hard_attention, hopfield_energy,
    hopfield_retrieve, linear_attention,
};

use crate::formula::numbers;
use crate::parts::vector;

const H: usize = 2;

/// Queries, keys and values of each empty form.
fn empties() -> Vec<[Tensor<3>; 3]> {
    let sizes = [[2, 3, 0], [2, 0, 3], [0, 3, 3], [2, 0, 0]];
    let types = [DType::F32, DType::F64];
    let all = sizes
        .iter()
        .flat_map(|&size| types.map(|dtype| (size, dtype)));
    all.map(|([batch, t, s], dtype)| {
        let x = |name, length| {
            let dims = [batch, length, H * 5];
            if dims.contains(&0) {
                Tensor::zeros(dims, (&crate::device(), dtype))
            } else {
                numbers(name, dims, &crate::device()).cast(dtype)
            }
        };
        [x("query", t), x("key", s), x("value", s)]
    })
    .collect()
}

fn assert_zeros<const D: usize>(x: Tensor<D>, dims: [usize; D], what: &str) {
    assert_eq!(x.dims(), dims, "{what}");
    assert!(vector(x).iter().all(|&x| x == 0.0), "{what}");
}

#[test]
fn attention_gives_zeros() {
    for [query, key, value] in empties() {
        let ([batch, t, width], [_, s, _]) = (query.dims(), key.dims());
        let masks = [
            AttentionMask::none(),
            AttentionMask::causal(),
            AttentionMask::key_lengths(vec![1; batch]),
        ];
        for (mask, weights) in masks
            .into_iter()
            .flat_map(|m| [(m.clone(), false), (m, true)])
        {
            for normalizer in [Normalizer::Softmax, Normalizer::Sparsemax] {
                let options = AttentionOptions {
                    mask: mask.clone(),
                    weights,
                    normalizer,
                    ..AttentionOptions::new(H)
                };
                let output = attention(query.clone(), key.clone(), value.clone(), options.clone());
                let what = format!("{mask:?}, {:?}, {:?}", query.dims(), key.dims());
                assert_zeros(output.context, [batch, t, width], &what);
                assert_eq!(output.weights.is_some(), weights);
                if let Some(weights) = output.weights {
                    assert_eq!(weights.dims(), [batch, H, t, s]);
                }
            }
        }
    }
}

#[test]
fn linear_attention_gives_zeros() {
    for [query, key, value] in empties() {
        let ([batch, t, width], [_, s, _]) = (query.dims(), key.dims());
        for mask in [AttentionMask::none(), AttentionMask::causal()] {
            if mask.is_causal() && t > s {
                continue; // refused
            }
            let options = LinearAttentionOptions {
                mask,
                weights: true,
                ..LinearAttentionOptions::new(H)
            };
            let output = linear_attention(query.clone(), key.clone(), value.clone(), &options);
            let what = format!("{:?}, {:?}, {:?}", options.mask, query.dims(), key.dims());
            assert_zeros(output.context, [batch, t, width], &what);
            assert_eq!(output.weights.expect("asked for").dims(), [batch, H, t, s]);
        }
    }
}

#[test]
fn a_step_without_positions_changes_no_state() {
    let device = crate::device();
    let mask = AttentionMask::causal();
    let options = LinearAttentionOptions {
        mask,
        ..LinearAttentionOptions::new(1)
    };
    let x = |length| Tensor::<3>::ones([1, length, 1], &device);
    let mut state = LinearAttentionState::default();
    for (length, expected) in [(0, 0), (2, 2), (0, 2), (1, 3)] {
        let context = state.attend(x(length), x(length), x(length), &options);
        assert_eq!(vector(context), vec![1.0; length]);
        assert_eq!(state.length(), expected);
    }
}

#[test]
fn hard_attention_selects_nothing() {
    for [query, key, value] in empties() {
        let ([batch, t, width], [_, s, _]) = (query.dims(), key.dims());
        let options = HardAttentionOptions {
            weights: true,
            ..HardAttentionOptions::new(H, HardEstimator::Reinforce)
        };
        let output = hard_attention(query, key, value, options);
        assert_zeros(output.attention.context, [batch, t, width], "context");
        assert_zeros(output.log_probability, [batch, H, t], "log-probability");
        assert_zeros(output.entropy, [batch, H, t], "entropy");
        let weights = output.attention.weights.expect("asked for");
        assert_eq!(weights.dims(), [batch, H, t, s]);
    }
}

#[test]
fn an_associative_memory_of_nothing_takes_a_state_to_zero() {
    for [state, patterns, value] in empties() {
        let [batch, t, width] = state.dims();
        let options = AttentionOptions::new(H);
        let energy = hopfield_energy(state.clone(), patterns.clone(), &options);
        let halves = vector(state.clone().square() * 0.5);
        let expected: Vec<f32> = halves.chunks(5).map(|head| head.iter().sum()).collect();
        let sorted = |mut values: Vec<f32>| {
            values.sort_by(f32::total_cmp);
            values
        };
        let (got, expected) = (sorted(vector(energy)), sorted(expected));
        assert_eq!(got.len(), expected.len());
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(
            got.iter().zip(&expected).all(close),
            "{got:?}, {expected:?}"
        );
        let settling = Settling {
            iterations: 2,
            ..Settling::once()
        };
        let context = hopfield_retrieve(state, patterns, value, settling, options).context;
        assert_zeros(context, [batch, t, width], "retrieved");
    }
}
