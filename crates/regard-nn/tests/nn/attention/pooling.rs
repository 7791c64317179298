//! Attention with learned queries.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, AttentionOptions, AttentionOutput, AttentionPooling, AttentionPoolingConfig,
    Init, Key, Linear, Pass, attention_pooling, pooling_penalty,
};

use crate::case::Case;
use crate::formula::{fill, numbers};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{assert_close, vector};

const FIXTURE: &[u8] = include_bytes!("../../fixtures/memory.safetensors");
const A: usize = 13;
const S: usize = 11;

impl Kind for AttentionPooling {
    fn attend(
        &self,
        _: Tensor<3>,
        memory: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.forward(memory, &mask, pass)
    }
}

fn pooling(dropout: f64, device: &Device) -> AttentionPooling {
    let config = AttentionPoolingConfig::new(D, A, H).with_dropout(dropout);
    fill(config.init(&Init::new(1, device)), "pooling")
}

fn subjects(device: &Device) -> Vec<Subject<AttentionPooling>> {
    vec![Subject {
        name: "pooling".into(),
        kind: pooling(0.3, device),
        promises: Promises {
            // Its queries have no places in the sequence.
            causal: false,
            ..Promises::of_cross_attention()
        },
    }]
}

kinds::tests!(super::pooling::subjects);

#[test]
fn it_is_the_papers_formula() {
    let device = crate::device().autodiff();
    let pooling = pooling(0.0, &device);
    let x = numbers("x", [2, S, D], &device).require_grad();
    let mask = AttentionMask::key_lengths(vec![S, 5]);
    let y = pooling.forward(x.clone(), &mask, &Pass::evaluation().with_attention());
    let weights = y.weights.expect("asked for");
    Case::new(FIXTURE, "pooling/padded")
        .result("weights", weights.clone())
        .result("penalty", pooling_penalty(weights))
        .output(y.context)
        .input("x", &x)
        .check(&pooling, "pooling");
}

#[test]
fn the_penalty_is_the_papers_formula() {
    let device = crate::device().autodiff();
    let weights = numbers("weights", [2, H, 1, S], &device).require_grad();
    Case::new(FIXTURE, "pooling/penalty")
        .output(pooling_penalty(weights.clone()))
        .input("weights", &weights)
        .check(&None::<Linear>, "");
}

#[test]
fn heads_that_look_at_one_element_each_and_not_the_same_have_no_penalty() {
    let device = crate::device();
    let apart = Tensor::<4>::from_floats([[[[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]]], &device);
    let together = Tensor::<4>::from_floats([[[[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]]], &device);
    let nothing = apart.zeros_like();
    let all = Tensor::cat(vec![apart, together, nothing], 0);
    assert_eq!(vector(pooling_penalty(all)), [0.0, 2.0, 2.0]);
}

#[test]
fn the_penalty_has_finite_gradients_where_nothing_is_visible() {
    let device = crate::device().autodiff();
    let x = numbers("x", [2, S, D], &device).require_grad();
    let mask = AttentionMask::key_lengths(vec![0, 5]);
    let pass = Pass::evaluation().with_attention();
    let weights = pooling(0.0, &device)
        .forward(x.clone(), &mask, &pass)
        .weights;
    let tape = pooling_penalty(weights.expect("asked for"))
        .sum()
        .backward();
    let gradient = vector(x.grad(&tape).expect("a gradient"));
    let (first, second) = gradient.split_at(S * D);
    assert!(first.iter().all(|&g| g == 0.0));
    assert!(second.iter().all(|g| g.is_finite()) && second.iter().any(|&g| g != 0.0));
}

#[test]
fn a_causal_mask_blocks_nothing() {
    let device = crate::device();
    let x = numbers("x", [2, S, D], &device);
    let run = |mask| {
        let pooled = pooling(0.0, &device).forward(x.clone(), &mask, &Pass::evaluation());
        vector(pooled.context)
    };
    assert_eq!(run(AttentionMask::causal()), run(AttentionMask::none()));
}

#[test]
fn dropout_acts_on_the_context_and_not_on_the_weights_handed_back() {
    let device = crate::device();
    let x = numbers("x", [2, S, D], &device);
    let run = |pass: Pass| {
        let pass = pass.with_attention();
        let pooled = pooling(0.3, &device).forward(x.clone(), &AttentionMask::none(), &pass);
        (vector(pooled.context), pooled.weights.map(vector))
    };
    let (plain, weights) = run(Pass::evaluation());
    let (dropped, same_weights) = run(Pass::training(Key::new(3), 0));
    assert_ne!(plain, dropped);
    assert_eq!(weights, same_weights);
}

#[test]
fn a_bias_adds_to_the_scores() {
    let device = crate::device();
    let [hidden, value] = ["hidden", "value"].map(|name| numbers(name, [2, 3, 5], &device));
    let queries = numbers("queries", [5, 2], &device);
    // Of the first head only: its weight goes to the second element.
    let bias = Tensor::<4>::from_floats([[[[0.0, 200.0, 0.0]], [[0.0, 0.0, 0.0]]]], &device);
    let run = |bias| {
        let options = AttentionOptions {
            bias,
            ..AttentionOptions::new(2)
        };
        let context =
            attention_pooling(hidden.clone(), queries.clone(), value.clone(), options).context;
        context.reshape([2, 2, 5])
    };
    let head = |context: &Tensor<3>, h: usize| vector(context.clone().narrow(1, h, 1));
    let (plain, biased) = (run(None), run(Some(bias)));
    let second = vector(value.clone().narrow(1, 1, 1));
    assert_close(&head(&biased, 0), &second, 1e-6, "the first head");
    assert_eq!(head(&biased, 1), head(&plain, 1));
}

#[test]
#[should_panic(expected = "AttentionPooling: expected at least one head, got 0")]
fn no_heads() {
    AttentionPoolingConfig::new(4, 4, 0).init(&Init::new(1, &crate::device()));
}

#[test]
#[should_panic(
    expected = "attention_pooling: expected hidden [B, S, A], queries [A, H], value [B, S, D] with H = 2, got [1, 3, 4], [5, 2], [1, 3, 6]"
)]
fn queries_of_another_width() {
    let device = crate::device();
    let (hidden, value) = (
        Tensor::zeros([1, 3, 4], &device),
        Tensor::zeros([1, 3, 6], &device),
    );
    attention_pooling(
        hidden,
        Tensor::zeros([5, 2], &device),
        value,
        AttentionOptions::new(2),
    );
}

#[test]
#[should_panic(expected = "pooling_penalty: expected weights [B, H, 1, S], got those of 2 queries")]
fn the_penalty_of_several_queries() {
    pooling_penalty(Tensor::zeros([1, 1, 2, 3], &crate::device()));
}
