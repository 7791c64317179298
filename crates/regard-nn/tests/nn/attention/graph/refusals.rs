//! What does not fit is refused by name.

use burn::tensor::Tensor;
use regard_nn::{
    AttentionMask, AttentionOptions, Graph, GraphAttentionConfig, Init, Normalizer, Pass,
    edges_to_pairs, graph_attention,
};

use super::{D, F, layer};

fn call(graphs: &[Graph], features: Option<[usize; 3]>) {
    let device = crate::device();
    let features = features.map(|shape| Tensor::zeros(shape, &device));
    let x = Tensor::zeros([2, 3, D], &device);
    let mask = AttentionMask::none();
    layer(&device).forward(x, graphs, features, &mask, &Pass::evaluation());
}

fn edge() -> Graph {
    Graph::new(3, &[[0, 1]])
}

fn pure(widths: [usize; 3], bias: Option<[usize; 3]>, options: AttentionOptions) {
    let device = crate::device();
    let [q, k, v] = widths.map(|width| Tensor::zeros([2, 3, width], &device));
    let bias = bias.map(|shape| Tensor::zeros(shape, &device));
    graph_attention(q, k, v, &[edge()], bias, options);
}

#[test]
#[should_panic(expected = "graphs: expected one, or one for each of 2 rows, got 3")]
fn graphs_for_another_number_of_rows() {
    call(&[edge(), edge(), edge()], Some([2, 1, F]));
}

#[test]
#[should_panic(expected = "graphs: expected 3 nodes in each, got 4")]
fn a_graph_of_other_nodes() {
    call(&[Graph::new(4, &[[0, 1]])], Some([1, 1, F]));
}

#[test]
#[should_panic(expected = "expected features of 1 edges, 7 each, got [1, 1, 0]")]
fn no_features() {
    call(&[edge()], None);
}

#[test]
#[should_panic(expected = "expected features of 1 edges, 7 each, got [1, 2, 7]")]
fn features_of_other_edges() {
    call(&[edge()], Some([1, 2, F]));
}

#[test]
#[should_panic(expected = "expected biases [2, 3, 1], or one row of them for one graph")]
fn features_for_another_number_of_rows() {
    call(&[edge()], Some([3, 1, F]));
}

#[test]
#[should_panic(expected = "expected biases [2, 3, 1], or one row of them for one graph")]
fn biases_of_other_heads() {
    pure([6, 6, 6], Some([1, 2, 1]), AttentionOptions::new(3));
}

#[test]
#[should_panic(expected = "with H = 3, got [2, 3, 6], [2, 3, 3], [2, 3, 6]")]
fn keys_of_another_width() {
    pure([6, 3, 6], None, AttentionOptions::new(3));
}

#[test]
#[should_panic(expected = "graph_attention: the normaliser")]
fn another_normaliser() {
    let options = AttentionOptions {
        normalizer: Normalizer::Sparsemax,
        ..AttentionOptions::new(3)
    };
    pure([6, 6, 6], None, options);
}

#[test]
#[should_panic(expected = "expected biases by edge, got biases by pair")]
fn biases_of_pairs() {
    let options = AttentionOptions {
        bias: Some(Tensor::zeros([1, 1, 3, 3], &crate::device())),
        ..AttentionOptions::new(3)
    };
    pure([6, 6, 6], None, options);
}

#[test]
#[should_panic(expected = "mask for 3 rows, batch of 2")]
fn a_mask_for_another_number_of_rows() {
    let options = AttentionOptions {
        mask: AttentionMask::key_lengths(vec![3, 2, 1]),
        ..AttentionOptions::new(3)
    };
    pure([6, 6, 6], None, options);
}

#[test]
#[should_panic(expected = "expected numbers of 1 edges, got those of 2")]
fn numbers_of_other_edges() {
    edges_to_pairs(Tensor::zeros([1, 1, 2], &crate::device()), &[edge()]);
}

#[test]
#[should_panic(expected = "expected d_model to be a multiple of n_heads = 4, got 6")]
fn heads_that_do_not_divide_the_width() {
    GraphAttentionConfig::new(6, 4).init(&Init::new(1, &crate::device()));
}
