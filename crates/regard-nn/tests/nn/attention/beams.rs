//! Several rows of queries on one row of a memory, and steps behind a cache with a window.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, Graph, HopfieldAttentionConfig, Init, KeyValueCache, Layout,
    MultiHeadAttentionConfig, MultiHeadCrossAttention, Pass,
};

use crate::formula::{fill, numbers};
use crate::parts::{assert_close, vector};

const D: usize = 6;
const H: usize = 3;

fn cross(device: &Device) -> MultiHeadCrossAttention {
    let config = MultiHeadAttentionConfig::new(D, H);
    fill(config.init_cross(&Init::new(1, device)), "attention")
}

/// `rows` queries of length 2 on 2 rows of memory.
fn attend(rows: usize, mask: AttentionMask) -> (Vec<f32>, Vec<f32>) {
    let device = crate::device();
    let attention = cross(&device);
    let [queries, memory] = [
        numbers("query", [rows, 2, D], &device),
        numbers("memory", [2, 5, D], &device),
    ];
    let memory = attention.project(memory.flatten(0, 1), &Layout::dense(2, 5));
    let (context, weights) = attention.attend(
        queries.flatten(0, 1),
        &Layout::dense(rows, 2),
        &memory,
        mask,
        &Pass::evaluation().with_attention(),
    );
    (vector(context.value()), vector(weights.expect("asked for")))
}

#[test]
fn hypotheses_see_what_they_see_on_repeated_rows() {
    let device = crate::device();
    let lengths = AttentionMask::key_lengths;
    let (context, weights) = attend(6, lengths(vec![5, 3]));
    let memory = numbers("memory", [2, 5, D], &device).repeat_dim(1, 3);
    let output = cross(&device).forward(
        numbers("query", [6, 2, D], &device),
        memory.reshape([6, 5, D]),
        &lengths(vec![5, 5, 5, 3, 3, 3]),
        &Pass::evaluation().with_attention(),
    );
    assert_close(&context, &vector(output.context), 1e-6, "contexts");
    let expected = vector(output.weights.expect("asked for"));
    assert_close(&weights, &expected, 1e-6, "weights");
}

#[test]
#[should_panic(
    expected = "MultiHeadCrossAttention: expected a multiple of the 2 rows of the memory, got 3"
)]
fn a_row_too_many() {
    attend(3, AttentionMask::none());
}

#[test]
#[should_panic(
    expected = "MultiHeadCrossAttention: with 2 rows for each row of the memory, expected a mask of key lengths only"
)]
fn hypotheses_in_an_order() {
    attend(4, AttentionMask::causal());
}

#[test]
#[should_panic(
    expected = "MultiHeadCrossAttention: with 2 rows for each row of the memory, expected a mask of key lengths only"
)]
fn hypotheses_in_a_window() {
    attend(4, AttentionMask::window(1, 1));
}

#[test]
fn hypotheses_of_an_associative_memory_see_what_they_see_on_repeated_rows() {
    let device = crate::device();
    let config = HopfieldAttentionConfig::new(D, H).with_iterations(3);
    let attention = fill(config.init(&Init::new(1, &device)), "attention");
    let query = numbers("query", [4, 2, D], &device);
    let memory = numbers("memory", [2, 5, D], &device);
    let pass = Pass::evaluation().with_attention();
    let lengths = AttentionMask::key_lengths;
    let projected = attention.project(memory.clone());
    let got = attention.attend(query.clone(), &projected, &lengths(vec![5, 3]), &pass);
    let memory = memory.repeat_dim(1, 2).reshape([4, 5, D]);
    let expected = attention.forward(query, memory, &lengths(vec![5, 5, 3, 3]), &pass);
    let [got, expected] = [got, expected].map(|output| {
        let weights = vector(output.weights.expect("asked for"));
        [vector(output.context), weights].concat()
    });
    assert_close(&got, &expected, 1e-6, "contexts and weights");
}

/// A layer with a window of 2, over `x: [1, T, D]` step by step.
fn steps(config: &MultiHeadAttentionConfig, x: &Tensor<3>, pass: &Pass) -> Vec<f32> {
    let attention = config.init_self(&Init::new(1, &x.device()));
    let attention = fill(attention, "attention");
    let mut cache = KeyValueCache::default();
    let (layout, causal) = (Layout::dense(1, 1), AttentionMask::causal());
    let step = |t| {
        let x = x.clone().slice([0..1, t..t + 1]).flatten(0, 1);
        let (context, _) =
            attention.attend(x, &layout, causal.clone(), None, Some(&mut cache), pass);
        vector(context.value())
    };
    (0..x.dims()[1]).flat_map(step).collect()
}

#[test]
fn a_step_in_a_window_meets_only_the_keys_that_it_reaches() {
    let device = crate::device();
    let x = numbers("x", [1, 9, D], &device);
    let plain = MultiHeadAttentionConfig::new(D, H)
        .with_n_kv_heads(Some(1))
        .with_window(Some(2));
    let relative = plain.clone().with_relative(Some(3));
    let normed = plain.clone().with_query_key_norm(true);
    for config in [plain, relative, normed] {
        let attention = config.init_self(&Init::new(1, &device));
        let attention = fill(attention, "attention");
        let pass = Pass::evaluation();
        let whole = attention.forward(x.clone(), &AttentionMask::causal(), &pass);
        let got = steps(&config, &x, &pass);
        assert_close(&got, &vector(whole.context), 1e-6, "contexts");
        // Those that want weights meet all keys.
        let weighed = steps(&config, &x, &pass.with_attention());
        assert_close(&got, &weighed, 1e-6, "with weights");
        // A weight of 0 would not make up for NaN.
        let broken = x.clone().slice_fill([0..1, 0..1, 0..D], f32::NAN);
        let pass = Pass::evaluation();
        let after = &steps(&config, &broken, &pass)[3 * D..];
        assert_close(after, &got[3 * D..], 0.0, "behind what is broken");
    }
}

#[test]
fn a_window_and_a_graph_are_both_kept() {
    let device = crate::device();
    let x = numbers("x", [1, 40, D], &device);
    let config = MultiHeadAttentionConfig::new(D, H);
    let layer = |config: MultiHeadAttentionConfig| {
        fill(config.init_self(&Init::new(1, &device)), "attention")
    };
    let edges: Vec<[usize; 2]> = (0..40)
        .flat_map(|i| [[i, i], [i, (i + 1) % 40], [i, (i + 7) % 40]])
        .collect();
    let graph = AttentionMask::graph([Graph::new(40, &edges)]);
    let pass = Pass::evaluation();
    let got = layer(config.clone().with_window(Some(3))).forward(x.clone(), &graph, &pass);
    let both = graph.and(AttentionMask::window(3, 3));
    let expected = layer(config).forward(x, &both, &pass);
    assert_close(
        &vector(got.context),
        &vector(expected.context),
        1e-6,
        "contexts",
    );
}
