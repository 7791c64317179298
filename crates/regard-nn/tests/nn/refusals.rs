//! Shapes that do not fit are refused by name, with what was expected and what came.

use burn::tensor::Tensor;
use regard_nn::{
    AttentionMask, Batch, Init, KeyValueCache, LayerNorm, Linear, MultiHeadAttentionConfig, Pass,
    RmsNorm, TargetRows, Tokens, TransformerConfig,
};

fn init() -> Init {
    Init::new(1, &crate::device())
}

#[test]
#[should_panic(expected = "expected d_model to be a multiple of n_heads = 4, got 6")]
fn heads_that_do_not_divide_the_width() {
    MultiHeadAttentionConfig::new(6, 4).init_self(&init());
}

#[test]
#[should_panic(expected = "linear: expected rows of width 3, got 5")]
fn a_matrix_of_another_width() {
    Linear::new(3, 7, &init()).forward(Tensor::zeros([2, 5], &crate::device()));
}

#[test]
#[should_panic(expected = "for 3 rows")]
fn a_mask_for_another_number_of_rows() {
    let attention = MultiHeadAttentionConfig::new(6, 2).init_self(&init());
    let x = Tensor::zeros([2, 5, 6], &crate::device());
    let mask = AttentionMask::key_lengths(vec![5, 3, 1]);
    attention.forward(x, &mask, &Pass::evaluation());
}

#[test]
#[should_panic(expected = "d_model: expected a multiple of n_heads = 3, got 4; dropout: expected")]
fn a_model_with_several_problems() {
    let config = TransformerConfig {
        d_model: 4,
        n_heads: 3,
        dropout: 1.5,
        ..TransformerConfig::default()
    };
    config.init(17, 17, &init());
}

#[test]
#[should_panic(expected = "tying all embeddings needs one vocabulary, got 19 and 17 tokens")]
fn one_matrix_for_two_vocabularies() {
    TransformerConfig::default().init(19, 17, &init());
}

#[test]
#[should_panic(expected = "expected 2 rows of equal width, none longer, got 5 ids")]
fn ids_that_are_no_rows() {
    Tokens::new(&[4, 5, 6, 7, 8], &[3, 2], &crate::device());
}

#[test]
#[should_panic(
    expected = "expected 2 rows of equal width, none longer, got 4 ids and lengths [2, 3]"
)]
fn a_length_beyond_the_padded_width() {
    Tokens::new(&[4, 5, 6, 7], &[2, 3], &crate::device());
}

#[test]
#[should_panic(expected = "source rows and target rows, target input and output must agree")]
fn a_batch_with_sides_of_different_size() {
    let device = crate::device();
    let target = TargetRows {
        input: &[2, 4],
        output: &[4, 3],
        lengths: &[2],
    };
    Batch::new(Tokens::new(&[4, 5], &[1, 1], &device), target, &device);
}

#[test]
#[should_panic(expected = "KeyValueCache: expected rows and width")]
fn a_cache_that_meets_other_rows() {
    let device = crate::device();
    let mut cache = KeyValueCache::default();
    for rows in [2, 3] {
        let part = Tensor::zeros([rows, 1, 6], &device);
        cache.append(part.clone(), part);
    }
}

#[test]
#[should_panic(expected = "layer_norm: expected weight and bias of 5")]
fn rows_that_a_layer_norm_is_not_for() {
    LayerNorm::new(3, &init()).forward(Tensor::zeros([2, 5], &crate::device()));
}

#[test]
#[should_panic(expected = "rms_norm: expected a weight of 5")]
fn rows_that_an_rms_norm_is_not_for() {
    RmsNorm::new(3, &init()).forward(Tensor::zeros([2, 5], &crate::device()));
}
