//! Gradients and draws in training: straight-through is the relaxation's gradient, REINFORCE is right on average.

use burn::tensor::{Device, Tensor, TensorData, activation};
use regard_nn::{
    AttentionMask, Draws, HardAttentionOptions, HardEstimator, Init, Key, ReinforceLossConfig,
    gumbel, hard_attention_from_scores,
};

use crate::formula::{fill, numbers, values};
use crate::parts::{assert_close, vector};

#[test]
#[expect(
    clippy::cast_possible_truncation,
    reason = "computed in f64, compared in f32"
)]
fn straight_through_has_the_gradient_of_the_relaxation() {
    // Under a causal mask query t sees t + 3 of 5 keys. The value of a key is its price, so that a context is a cost.
    let ([h, t, s], temperature) = ([2, 3, 5], 0.7);
    let device = crate::device().autodiff();
    let scores = numbers("scores", [1, h, t, s], &device).require_grad();
    let prices = numbers("prices", [1, s, h], &device);
    let options = HardAttentionOptions {
        mask: AttentionMask::causal(),
        noise: Some(numbers("noise", [1, h, t, s], &device)),
        ..HardAttentionOptions::new(h, HardEstimator::StraightThrough { temperature })
    };
    let output = hard_attention_from_scores(scores.clone(), prices, options);
    let tape = output.attention.context.sum().backward();
    let got = vector(scores.grad(&tape).expect("a gradient"));

    let wide = |name, n| -> Vec<f64> { values(name, n).into_iter().map(f64::from).collect() };
    let [scores, noise] = ["scores", "noise"].map(|name| wide(name, h * t * s));
    let prices = wide("prices", s * h);
    let relaxed_cost = |scores: &[f64]| {
        let rows = scores.chunks(s).zip(noise.chunks(s)).enumerate();
        let costs = rows.map(|(row, (scores, noise))| {
            let (head, visible) = (row / t, row % t + s - t + 1);
            let pairs = scores.iter().zip(noise).take(visible);
            let weights: Vec<f64> = pairs.map(|(s, g)| ((s + g) / temperature).exp()).collect();
            let priced = weights.iter().enumerate();
            let sum: f64 = priced
                .map(|(j, weight)| weight * prices[j * h + head])
                .sum();
            sum / weights.iter().sum::<f64>()
        });
        costs.sum::<f64>()
    };
    let moved = |i: usize, by: f64| {
        let mut scores = scores.clone();
        scores[i] += by;
        relaxed_cost(&scores)
    };
    let difference = 1e-5;
    let slope = |i| (moved(i, difference) - moved(i, -difference)) / (2.0 * difference);
    let expected: Vec<f32> = (0..h * t * s).map(|i| slope(i) as f32).collect();
    assert_close(&got, &expected, 1e-5, "gradient of the scores");
}

#[test]
fn reinforce_is_on_average_the_gradient_of_the_expected_cost() {
    // Two heads select one of three values each: nine outcomes, all of which are counted. The cost is no sum over heads.
    let device = crate::device().autodiff();
    let inputs = || {
        [
            numbers("scores", [1, 2, 1, 3], &device).require_grad(),
            numbers("value", [1, 3, 2], &device)
                .require_grad()
                .reshape([1, 1, 3, 2]),
        ]
    };
    let cost_of = |context: Tensor<3>| {
        let factors = Tensor::from_floats([[[1.3, -0.7]]], &device);
        ((context * factors).sum_dim(2) * 2.0).sin().reshape([1, 1])
    };
    let outcomes = || (0..3).flat_map(|i| (0..3).map(move |j| [i, j]));

    let [scores, value] = inputs();
    let p = activation::softmax(scores.clone(), 3);
    let expectation = outcomes().map(|[i, j]| {
        let of_head = |h: usize, k: usize| {
            let p = p.clone().slice([0..1, h..h + 1, 0..1, k..k + 1]);
            let value = value.clone().slice([0..1, 0..1, k..k + 1, h..h + 1]);
            (p.reshape([1, 1]), value.reshape([1, 1, 1]))
        };
        let [(p, a), (q, b)] = [of_head(0, i), of_head(1, j)];
        p * q * cost_of(Tensor::cat(vec![a, b], 2))
    });
    let tape = expectation.reduce(|a, b| a + b).expect("nine").backward();
    let expected = vector(scores.grad(&tape).expect("a gradient"));

    let state = numbers("state", [1, 1, 5], &device);
    let config = ReinforceLossConfig::new(5, 2);
    for baseline in ["one baseline", "another"] {
        let reinforce = fill(config.init(&Init::new(1, &device)), baseline);
        let [scores, value] = inputs();
        let value = value.reshape([1, 3, 2]);
        let estimates = outcomes().map(|[i, j]| {
            // Noise that leaves no choice.
            let mut noise = vec![0.0; 6];
            noise[i] = 100.0;
            noise[3 + j] = 100.0;
            let noise = Tensor::from_data(TensorData::new(noise, [1, 2, 1, 3]), &device);
            let options = HardAttentionOptions {
                noise: Some(noise),
                ..HardAttentionOptions::new(2, HardEstimator::Reinforce)
            };
            let output = hard_attention_from_scores(scores.clone(), value.clone(), options);
            let cost = cost_of(output.attention.context.clone());
            let terms = reinforce.terms(state.clone(), cost.clone(), &output);
            let probability = output.log_probability.detach().sum().exp();
            (cost + terms).sum() * probability
        });
        let tape = estimates.reduce(|a, b| a + b).expect("nine").backward();
        let got = vector(scores.grad(&tape).expect("a gradient"));
        assert_close(&got, &expected, 1e-5, baseline);
    }
}

#[test]
fn nothing_flows_into_the_cost_or_through_the_baseline() {
    let device = crate::device().autodiff();
    let config = ReinforceLossConfig::new(5, 2).with_entropy_weight(0.1);
    let reinforce = config.init(&Init::new(1, &device));
    let state = numbers("state", [3, 7, 5], &device).require_grad();
    let cost = numbers("cost", [3, 1], &device).require_grad();
    let scores = numbers("scores", [3, 2, 7, 11], &device).require_grad();
    let value = numbers("value", [3, 11, 2], &device);
    let options = HardAttentionOptions::new(2, HardEstimator::Reinforce);
    let output = hard_attention_from_scores(scores.clone(), value, options);
    let terms = reinforce.terms(state.clone(), cost.clone(), &output);
    assert_eq!(terms.dims(), [3, 7]);
    let tape = terms.sum().backward();
    assert!(state.grad(&tape).is_none());
    assert!(cost.grad(&tape).is_none());
    assert!(scores.grad(&tape).is_some());
    assert!(reinforce.baseline.weight.val().grad(&tape).is_some());
}

/// Four keys, of which the last is blocked, with probabilities 1/8, 2/8 and 5/8, seen by `queries` queries.
fn eighths(queries: usize, device: &Device) -> (Tensor<4>, HardAttentionOptions) {
    let scores = Tensor::<1>::from_floats([1.0, 2.0, 5.0, 9.0], device).log();
    let draws = Draws {
        key: Key::new(1),
        first_row: 0,
    };
    let options = HardAttentionOptions {
        mask: AttentionMask::key_lengths(vec![3]),
        noise: Some(gumbel([1, 1, queries, 4], draws, device)),
        weights: true,
        ..HardAttentionOptions::new(1, HardEstimator::Reinforce)
    };
    let scores = scores.reshape([1, 1, 1, 4]).expand([1, 1, queries, 4]);
    (scores, options)
}

#[test]
fn selections_are_drawn_from_the_softmax_of_the_scores() {
    let queries = 20_000;
    let device = crate::device();
    let (scores, options) = eighths(queries, &device);
    let output = hard_attention_from_scores(scores, Tensor::zeros([1, 4, 1], &device), options);
    let weights = output.attention.weights.expect("asked for");
    let shares = vector(weights.mean_dim(2));
    for (share, p) in shares.into_iter().zip([0.125, 0.25, 0.625, 0.0]) {
        let error = (p * (1.0 - p) / queries as f32).sqrt();
        assert!((share - p).abs() <= 5.0 * error, "{share} instead of {p}");
    }
}

#[test]
fn log_probability_and_entropy_are_those_of_the_distribution() {
    let device = crate::device();
    let (scores, options) = eighths(7, &device);
    let output = hard_attention_from_scores(scores, Tensor::zeros([1, 4, 1], &device), options);
    let [p, q, r] = [0.125_f32, 0.25, 0.625];
    let entropy = -(p * p.ln() + q * q.ln() + r * r.ln());
    assert_close(&vector(output.entropy), &[entropy; 7], 1e-6, "entropy");
    let weights = vector(output.attention.weights.expect("asked for"));
    let selected = weights.chunks(4).map(|row| {
        let place = row.iter().position(|&weight| weight > 0.0);
        [p, q, r][place.expect("one key")].ln()
    });
    let expected: Vec<f32> = selected.collect();
    assert_close(
        &vector(output.log_probability),
        &expected,
        1e-6,
        "log-probability",
    );
}
