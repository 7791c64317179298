//! What does not fit is refused by name, with what was expected and what came.

use burn::tensor::Tensor;
use regard_nn::{
    AttentionMask, AttentionOutput, HardAttentionConfig, HardAttentionOptions, HardAttentionOutput,
    HardEstimator, Init, Pass, ReinforceLossConfig, hard_attention, hard_attention_from_scores,
};

fn zeros<const R: usize>(shape: [usize; R]) -> Tensor<R> {
    Tensor::zeros(shape, &crate::device())
}

fn init() -> Init {
    Init::new(1, &crate::device())
}

fn options() -> HardAttentionOptions {
    HardAttentionOptions::new(2, HardEstimator::Reinforce)
}

#[test]
#[should_panic(expected = "expected d_query to be a multiple of n_heads = 4, got 6")]
fn heads_that_do_not_divide_the_width() {
    HardAttentionConfig::new(6, 5, 4).init(&init());
}

#[test]
#[should_panic(expected = "hard_attention: expected a temperature above 0, got 0")]
fn no_temperature() {
    let estimator = HardEstimator::StraightThrough { temperature: 0.0 };
    let config = HardAttentionConfig::new(6, 5, 2).with_estimator(estimator);
    config.init(&init());
}

#[test]
#[should_panic(
    expected = "hard_attention: expected query [B, T, H K] and key [B, S, H K] with H = 2, got [3, 7, 6] and [3, 11, 4]"
)]
fn keys_of_another_width() {
    hard_attention(
        zeros([3, 7, 6]),
        zeros([3, 11, 4]),
        zeros([3, 11, 6]),
        options(),
    );
}

#[test]
#[should_panic(
    expected = "expected scores [B, H, T, S] and values [B, S, H K_v] with H = 2, got [3, 2, 7, 11] and [3, 13, 6]"
)]
fn values_of_other_keys() {
    hard_attention_from_scores(zeros([3, 2, 7, 11]), zeros([3, 13, 6]), options());
}

#[test]
#[should_panic(
    expected = "hard_attention: expected noise of the shape of the scores, [3, 2, 7, 11], got [1, 2, 7, 11]"
)]
fn noise_for_one_row() {
    let options = HardAttentionOptions {
        noise: Some(zeros([1, 2, 7, 11])),
        ..options()
    };
    hard_attention_from_scores(zeros([3, 2, 7, 11]), zeros([3, 11, 6]), options);
}

#[test]
#[should_panic(expected = "mask for 2 rows, batch of 3")]
fn a_mask_for_another_number_of_rows() {
    let layer = HardAttentionConfig::new(6, 5, 2).init(&init());
    let mask = AttentionMask::key_lengths(vec![11, 3]);
    layer.forward(
        zeros([3, 7, 6]),
        zeros([3, 11, 5]),
        &mask,
        &Pass::evaluation(),
    );
}

/// The loss of states and costs of these shapes, after a selection by 3 x 7 queries.
fn reinforce(states: [usize; 2], costs: [usize; 2]) {
    let output = HardAttentionOutput {
        attention: AttentionOutput {
            context: zeros([3, 7, 6]),
            weights: None,
        },
        log_probability: zeros([3, 2, 7]),
        entropy: zeros([3, 2, 7]),
    };
    let loss = ReinforceLossConfig::new(6, 2).init(&init());
    let [batch, t] = states;
    loss.terms(zeros([batch, t, 6]), zeros(costs), &output);
}

#[test]
#[should_panic(expected = "ReinforceLoss: expected costs [3, 7] or [3, 1], got [3, 5]")]
fn costs_of_other_queries() {
    reinforce([3, 7], [3, 5]);
}

#[test]
#[should_panic(expected = "ReinforceLoss: expected the states of 3 x 7 queries, got 3 x 5")]
fn states_of_other_queries() {
    reinforce([3, 5], [3, 1]);
}
