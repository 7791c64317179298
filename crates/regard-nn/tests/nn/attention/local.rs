//! Local attention.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, AttentionOptions, AttentionOutput, Graph, Init, Key, LocalAlignment,
    LocalAttention, LocalAttentionConfig, LocalWindow, LuongAttentionConfig, LuongScore, Pass,
    ProjectedMemory, local_attention,
};

use super::scores::{
    Decoding, HIDDEN, QUERY, agrees_with_pytorch, rows_in_groups_share_a_memory, subject,
};
use crate::formula::{fill, numbers};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{assert_close, vector};

const CONCAT: LuongScore = LuongScore::Concat {
    d_attention: HIDDEN,
};

impl Decoding for LocalAttention {
    fn project(&self, memory: Tensor<3>) -> ProjectedMemory {
        self.project(memory)
    }

    fn look(
        &self,
        query: Tensor<3>,
        memory: &ProjectedMemory,
        start: usize,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.attend(query, memory, start, mask, pass)
    }

    fn look_at_once(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.forward(query, memory, mask, pass)
    }
}

fn local(
    score: LuongAttentionConfig,
    alignment: LocalAlignment,
    half_width: usize,
    device: &Device,
) -> LocalAttention {
    LocalAttentionConfig::new(score, alignment)
        .with_half_width(half_width)
        .init(&Init::new(1, device))
}

fn subjects(device: &Device) -> Vec<Subject<LocalAttention>> {
    use LocalAlignment::{Monotonic, Predictive};
    let score = |score, n_heads| {
        LuongAttentionConfig::new(D, D, score)
            .with_n_heads(n_heads)
            .with_dropout(0.3)
    };
    let subjects = [
        // The laws' last query, 6, reaches the first key: no window is empty, but some are cut.
        (LuongScore::Dot, 1, Monotonic, 6),
        (LuongScore::General, H, Monotonic, 2),
        (LuongScore::General, 1, Predictive, 3),
        (CONCAT, H, Predictive, 2),
    ];
    let subject = |(kind, n_heads, alignment, half_width)| {
        let promises = Promises {
            distributions: half_width == 6,
            unordered: false,
            ..Promises::of_cross_attention()
        };
        let name = format!("{alignment:?}, {kind:?}, {n_heads} heads, {half_width}");
        let kind = local(score(kind, n_heads), alignment, half_width, device);
        subject(&name, kind, promises)
    };
    subjects.map(subject).into()
}

kinds::tests!(super::local::subjects);

#[test]
fn hypotheses_share_a_memory() {
    rows_in_groups_share_a_memory(subjects(&crate::device()));
}

#[test]
fn pytorch() {
    use LocalAlignment::{Monotonic, Predictive};
    let device = crate::device().autodiff();
    for (name, score, d_query, n_heads, alignment, start) in [
        ("local/monotonic", LuongScore::Dot, D, 1, Monotonic, 3),
        (
            "local/monotonic_heads",
            LuongScore::General,
            QUERY * H,
            H,
            Monotonic,
            3,
        ),
        (
            "local/predictive",
            LuongScore::General,
            QUERY,
            1,
            Predictive,
            0,
        ),
        ("local/predictive_heads", CONCAT, QUERY, H, Predictive, 0),
    ] {
        let score = LuongAttentionConfig::new(d_query, D, score).with_n_heads(n_heads);
        let kind = local(score, alignment, 2, &device);
        agrees_with_pytorch(name, kind, d_query, start);
    }
}

#[test]
fn a_window_over_everything_is_global_attention() {
    let device = crate::device();
    let score = LuongAttentionConfig::new(D, D, CONCAT)
        .with_n_heads(H)
        .with_scale(0.3);
    let kind = fill(
        local(score, LocalAlignment::Monotonic, 11, &device),
        "attention",
    );
    let query = numbers("query", [2, 7, D], &device);
    let memory = numbers("memory", [2, 11, D], &device);
    let mask = AttentionMask::key_lengths(vec![11, 5]);
    let pass = Pass::evaluation();
    let got = kind.forward(query.clone(), memory.clone(), &mask, &pass);
    let expected = kind.score.forward(query, memory, &mask, &pass);
    let (got, expected) = (vector(got.context), vector(expected.context));
    assert_close(&got, &expected, 1e-6, "context");
}

#[test]
fn given_positions_share_the_weight_among_visible_keys_of_the_window() {
    let device = crate::device();
    let kind = &subjects(&device)[1].kind;
    let (t, s, half_width) = (7, 11, 2);
    let lengths = [11, 5, 1];
    let mask = AttentionMask::key_lengths(lengths.to_vec());
    let query = numbers("query", [3, t, D], &device);
    let memory = kind.project(numbers("memory", [3, s, D], &device));
    for start in [0, 3, 20] {
        let pass = Pass::evaluation().with_attention();
        let output = kind.attend(query.clone(), &memory, start, &mask, &pass);
        let weights = vector(output.weights.expect("asked for"));
        for (i, row) in weights.chunks(s).enumerate() {
            let (length, position) = (lengths[i / (H * t)], start + i % t);
            let visible = |key: usize| key < length && key.abs_diff(position) <= half_width;
            for (key, &weight) in row.iter().enumerate() {
                assert_eq!(weight > 0.0, visible(key), "position {position}, key {key}");
            }
            let expected = if (0..s).any(visible) { 1.0 } else { 0.0 };
            let sum: f32 = row.iter().sum();
            assert!((sum - expected).abs() < 1e-6, "{position}: {sum}");
        }
    }
}

/// Weights and the gradient of `p` for one query around `p`, `half_width` 1, over keys of equal score.
fn around(p: f32, mask: AttentionMask) -> (Vec<f32>, f32) {
    let device = crate::device().autodiff();
    let p = Tensor::<3>::from_floats([[[p]]], &device).require_grad();
    let window = LocalWindow::predicted(p.clone(), 1);
    let options = AttentionOptions {
        mask,
        weights: true,
        ..AttentionOptions::new(1)
    };
    let value = Tensor::ones([1, 5, 1], &device);
    let output = local_attention(
        Tensor::zeros([1, 1, 1, 5], &device),
        value,
        &window,
        options,
    );
    let gradients = output.context.sum().backward();
    let gradient = p.grad(&gradients).expect("a gradient").into_scalar::<f32>();
    (vector(output.weights.expect("asked for")), gradient)
}

#[test]
fn predicted_positions_by_hand() {
    // Keys 2 and 3 are in [1.25, 3.25]; half of exp(-2 d^2) each, at distances 1/4 and 3/4.
    let (near, far) = (0.5 * (-0.125_f32).exp(), 0.5 * (-1.125_f32).exp());
    let (weights, gradient) = around(2.25, AttentionMask::none());
    assert_close(&weights, &[0.0, 0.0, near, far, 0.0], 1e-6, "weights");
    // d/dp exp(-2 (s - p)^2) = 4 (s - p) exp(..), times the values, 1.
    let tolerance = crate::tolerance(1e-6);
    assert_close(&[gradient], &[3.0 * far - near], tolerance, "gradient");

    // Both ends belong to the window.
    let edge = (-2.0_f32).exp() / 3.0;
    let (weights, _) = around(2.0, AttentionMask::none());
    let expected = [0.0, edge, 1.0 / 3.0, edge, 0.0];
    assert_close(&weights, &expected, 1e-6, "weights at the ends");

    // A key that is padding leaves its share to the others.
    let (weights, _) = around(2.25, AttentionMask::key_lengths(vec![3]));
    let expected = [0.0, 0.0, 2.0 * near, 0.0, 0.0];
    assert_close(&weights, &expected, 1e-6, "weights beside padding");

    let (weights, gradient) = around(3.5, AttentionMask::key_lengths(vec![2]));
    assert_eq!((weights, gradient), (vec![0.0; 5], 0.0));
}

#[test]
fn a_bias_is_added_to_the_scores() {
    let device = crate::device();
    let scores = numbers("scores", [2, 3, 7, 11], &device);
    let bias = numbers("bias", [1, 3, 7, 11], &device);
    let run = |scores, bias| {
        let options = AttentionOptions {
            bias,
            ..AttentionOptions::new(3)
        };
        let window = LocalWindow::monotonic(&[0, 1, 2, 3, 4, 5, 6], 2, &device);
        let value = numbers("value", [2, 11, D], &device);
        vector(local_attention(scores, value, &window, options).context)
    };
    let added = run(scores.clone() + bias.clone(), None);
    assert_eq!(run(scores.clone(), Some(bias)), added);
    assert_ne!(run(scores, None), added);
}

#[test]
fn weights_handed_back_are_those_before_dropout() {
    let device = crate::device();
    for subject in subjects(&device) {
        let run = |pass: Pass| {
            let query = numbers("query", [2, 7, D], &device);
            let memory = numbers("memory", [2, 11, D], &device);
            let pass = pass.with_attention();
            let output = Kind::attend(&subject.kind, query, memory, AttentionMask::none(), &pass);
            (
                vector(output.weights.expect("asked for")),
                vector(output.context),
            )
        };
        let (weights, context) = run(Pass::evaluation());
        let (with_draws, dropped) = run(Pass::training(Key::new(3), 0));
        assert_eq!(weights, with_draws, "{}", subject.name);
        assert_ne!(context, dropped, "{}", subject.name);
    }
}

#[test]
#[should_panic(
    expected = "LocalWindow: around predicted positions, expected a half width of at least 1, got 0"
)]
fn a_gaussian_without_width() {
    LocalWindow::predicted(Tensor::zeros([1, 1, 1], &crate::device()), 0);
}

#[test]
#[should_panic(
    expected = "centres [B or 1, H or 1, T] with H = 2, got [1, 2, 3, 5], [1, 5, 4], [1, 1, 2]"
)]
fn centres_for_other_queries() {
    let device = crate::device();
    let window = LocalWindow::monotonic(&[0, 1], 1, &device);
    local_attention(
        Tensor::zeros([1, 2, 3, 5], &device),
        Tensor::zeros([1, 5, 4], &device),
        &window,
        AttentionOptions::new(2),
    );
}

/// Predicted positions over a memory of two rows.
fn predict(mask: &AttentionMask) {
    let device = crate::device();
    let score = LuongAttentionConfig::new(4, 4, LuongScore::Dot);
    let kind = local(score, LocalAlignment::Predictive, 2, &device);
    let x = Tensor::zeros([2, 3, 4], &device);
    kind.forward(x.clone(), x, mask, &Pass::evaluation());
}

#[test]
#[should_panic(expected = "LocalAttention: predicted positions need rows of one length each, got")]
fn positions_in_a_graph() {
    predict(&AttentionMask::graph([Graph::new(3, &[])]));
}

#[test]
#[should_panic(expected = "LocalAttention: mask for 3 rows, batch of 2")]
fn lengths_of_other_rows() {
    predict(&AttentionMask::key_lengths(vec![3, 2, 1]));
}
