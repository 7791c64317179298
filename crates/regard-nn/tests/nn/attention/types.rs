//! The type of the numbers is the caller's.

use burn::tensor::{DType, Tensor};
use regard_kernels::split_heads;
use regard_nn::{
    AttentionMask, AttentionOptions, Draws, Graph, HardAttentionOptions, HardEstimator, Key,
    LinearAttentionOptions, LocalWindow, attention, edges_to_pairs, graph_attention, gumbel,
    hard_attention, linear_attention, local_attention, sliding_window_attention,
};

use crate::formula::numbers;
use crate::parts::{assert_close, vector};

const B: usize = 2;
const T: usize = 41;
const H: usize = 3;

type Function = fn([Tensor<3>; 3]) -> Tensor<3>;

fn draws() -> Draws {
    Draws {
        key: Key::new(3),
        first_row: 0,
    }
}

fn options(mask: AttentionMask, dropout: Option<f64>) -> AttentionOptions {
    AttentionOptions {
        mask,
        dropout: dropout.map(|p| (p, draws())),
        weights: true,
        ..AttentionOptions::new(H)
    }
}

fn functions() -> Vec<(&'static str, Function)> {
    vec![
        ("attention", |[q, k, v]| {
            attention(q, k, v, options(AttentionMask::causal(), Some(0.3))).context
        }),
        ("sliding window", |[q, k, v]| {
            let mask = AttentionMask::window(3, 2).and(AttentionMask::key_lengths(vec![41, 0]));
            sliding_window_attention(q, k, v, options(mask, Some(0.3))).context
        }),
        ("linear", |[q, k, v]| {
            linear_attention(q, k, v, &LinearAttentionOptions::new(H)).context
        }),
        ("linear, causal", |[q, k, v]| {
            // Two chunks, the second of which is filled up.
            let [q, k, v] = [q, k, v].map(|x| Tensor::cat(vec![x.clone(), x], 1));
            let options = LinearAttentionOptions {
                mask: AttentionMask::causal(),
                ..LinearAttentionOptions::new(H)
            };
            linear_attention(q, k, v, &options).context
        }),
        ("local", |[q, k, v]| {
            let window = LocalWindow::predicted(Tensor::full([1, 1, T], 20.3, &q.device()), 5);
            let scores = split_heads(q, H).matmul(split_heads(k, H).swap_dims(2, 3));
            local_attention(scores, v, &window, options(AttentionMask::none(), None)).context
        }),
        ("hard", |[q, k, v]| {
            let estimator = HardEstimator::StraightThrough { temperature: 1.0 };
            let options = HardAttentionOptions::new(H, estimator);
            hard_attention(q, k, v, options).attention.context
        }),
        ("hard, drawn", |[q, k, v]| {
            let estimator = HardEstimator::StraightThrough { temperature: 1.0 };
            let options = HardAttentionOptions {
                noise: Some(gumbel([B, H, T, T], draws(), &q.device())),
                ..HardAttentionOptions::new(H, estimator)
            };
            hard_attention(q, k, v, options).attention.context
        }),
        ("graph", |[q, k, v]| {
            let edges: Vec<[usize; 2]> = (0..T).flat_map(|i| [[i, i], [i, i * i % T]]).collect();
            let edges: std::collections::BTreeSet<[usize; 2]> = edges.into_iter().collect();
            let edges: Vec<[usize; 2]> = edges.into_iter().collect();
            let graphs = [Graph::new(T, &edges)];
            let options = options(AttentionMask::none(), Some(0.3));
            let output = graph_attention(q, k, v, &graphs, None, options);
            let pairs = edges_to_pairs(output.weights.expect("asked for"), &graphs);
            assert_eq!(pairs.dtype(), output.context.dtype());
            output.context
        }),
    ]
}

#[test]
fn every_kind_computes_in_the_type_that_it_is_given() {
    let device = crate::device();
    let inputs = ["query", "key", "value"].map(|name| numbers(name, [B, T, H * 5], &device));
    for (name, function) in functions() {
        let single = function(inputs.clone());
        let double = function(inputs.clone().map(|x| x.cast(DType::F64)));
        assert_eq!(double.dtype(), DType::F64, "{name}");
        assert_close(&vector(double), &vector(single), 1e-5, name);
    }
}
