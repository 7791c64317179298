//! Numbers that are added to scores.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    Init, RelativeBuckets, RelativeBucketsConfig, RelativeVectorsConfig, alibi_bias, alibi_slopes,
    relative_bucket, relative_scores, relative_values,
};

use crate::formula::{fill, numbers};
use crate::parts::{assert_close, vector};

const B: usize = 2;
const H: usize = 3;
const K: usize = 5;
const REACH: usize = 2;

fn buckets(bidirectional: bool, device: &Device) -> RelativeBuckets {
    let config = RelativeBucketsConfig::new(H)
        .with_n_buckets(8)
        .with_max_distance(6)
        .with_bidirectional(bidirectional);
    fill(config.init(&Init::new(1, device)), "buckets")
}

/// A bias for T queries of S keys; those who ask queries get the last T of `length`.
type Bias = Box<dyn Fn([usize; 2], Tensor<3>) -> Tensor<4>>;

fn biases(device: &Device) -> Vec<(&'static str, Bias)> {
    let table = numbers("table", [2 * REACH + 1, K], device);
    let [both, earlier] = [true, false].map(|bidirectional| buckets(bidirectional, device));
    vec![
        (
            "ALiBi",
            Box::new(|sizes, query| alibi_bias(H, sizes, &query.device())),
        ),
        ("T5, both", Box::new(move |sizes, _| both.bias(sizes))),
        ("T5, earlier", Box::new(move |sizes, _| earlier.bias(sizes))),
        (
            "Shaw",
            Box::new(move |[_, s], query| relative_scores(query, table.clone(), s, None)),
        ),
    ]
}

#[test]
fn a_step_gets_its_row_of_the_square() {
    let device = crate::device();
    let length = 7;
    let query = numbers("query", [B, length, H * K], &device);
    for (name, bias) in biases(&device) {
        let square = bias([length, length], query.clone());
        let rows = square.dims()[0];
        assert_eq!(square.dims(), [rows, H, length, length]);
        for t in 0..length {
            let step = bias([1, t + 1], query.clone().slice([0..B, t..t + 1]));
            let row = square.clone().slice([0..rows, 0..H, t..t + 1, 0..t + 1]);
            assert_close(&vector(step), &vector(row), 1e-6, &format!("{name}, {t}"));
        }
        let last = bias([3, length], query.clone().slice([0..B, 4..7]));
        let rows = square.slice([0..rows, 0..H, 4..7]);
        assert_close(&vector(last), &vector(rows), 1e-6, name);
    }
}

#[test]
fn slopes_of_eight_heads_are_halves_of_each_other() {
    let halves: Vec<f64> = (1..=8).map(|n| 0.5_f64.powi(n)).collect();
    assert_eq!(alibi_slopes(8), halves);
    let between = [0.5_f64.powf(0.5), 0.5_f64.powf(1.5)];
    assert_eq!(alibi_slopes(10)[..8], halves);
    for (slope, expected) in alibi_slopes(10)[8..].iter().zip(between) {
        assert!((slope - expected).abs() < 1e-15);
    }
}

#[test]
fn linear_biases_are_symmetric_and_zero_at_home() {
    let bias = alibi_bias(H, [5, 5], &crate::device());
    assert_eq!(vector(bias.clone()), vector(bias.clone().swap_dims(2, 3)));
    let slopes = alibi_slopes(H);
    for (n, value) in vector(bias).into_iter().enumerate() {
        let (head, i, j) = (n / 25, n / 5 % 5, n % 5);
        let expected = -slopes[head] * i.abs_diff(j) as f64;
        assert!((f64::from(value) - expected).abs() < 1e-7);
    }
}

#[test]
#[should_panic(expected = "alibi_slopes: expected at least one head, got 0")]
fn slopes_of_no_heads() {
    alibi_slopes(0);
}

#[test]
fn near_distances_have_buckets_of_their_own() {
    let bucket = |distance| relative_bucket(distance, 32, 128, true);
    assert!((0..8).all(|n: i32| bucket(-n) == n.unsigned_abs() as usize));
    assert!((1..8).all(|n: i32| bucket(n) == 16 + n.unsigned_abs() as usize));
    assert_eq!([128, 1000, i32::MAX].map(bucket), [31; 3]);
    assert_eq!([-128, i32::MIN].map(bucket), [15; 2]);
    let earlier = |distance| relative_bucket(distance, 32, 128, false);
    assert_eq!([0, 1, 1000].map(earlier), [0; 3]);
    assert_eq!([-15, -16, -128].map(earlier), [15, 16, 31]);
}

#[test]
fn each_bucket_counts_its_pairs() {
    let device = crate::device().autodiff();
    let buckets = buckets(true, &device);
    let (t, s) = (4, 6);
    let gradients = buckets.bias([t, s]).sum().backward();
    let gradient = buckets.weight.val().grad(&gradients).expect("a gradient");
    let mut counts = [0.0; 8];
    for i in 2..6 {
        (0..6).for_each(|j| counts[relative_bucket(j - i, 8, 6, true)] += 1.0);
    }
    let expected: Vec<f32> = counts.iter().flat_map(|&count| [count; H]).collect();
    assert_eq!(vector(gradient), expected);
}

#[test]
#[should_panic(
    expected = "relative_bucket: expected two buckets or more on a side and \
                           max_distance above half of them, got 1 and 128"
)]
fn too_few_buckets() {
    RelativeBucketsConfig::new(H)
        .with_n_buckets(2)
        .init(&Init::new(1, &crate::device()));
}

#[test]
#[should_panic(expected = "got 16 and 8")]
fn a_largest_distance_within_the_exact_ones() {
    relative_bucket(0, 32, 8, true);
}

/// A reach beyond every distance: no vector is shared, none is missed.
#[test]
fn relative_vectors_that_reach_further_than_the_sequence() {
    let device = crate::device();
    let query = numbers("query", [B, 3, H * K], &device);
    let table = numbers("table", [15, K], &device); // k = 7
    let far = relative_scores(query.clone(), table.clone(), 3, Some(1.0));
    let near = relative_scores(query, table.slice(5..10), 3, Some(1.0)); // k = 2
    assert_close(&vector(far), &vector(near), 1e-6, "bias");
}

/// With k = 0 every key has the same vector: a constant in each row of scores, and one vector more in each context.
#[test]
fn relative_vectors_without_reach() {
    let device = crate::device();
    let query = numbers("query", [B, 3, H * K], &device);
    let table = numbers("table", [1, K], &device);
    let bias = vector(relative_scores(query, table.clone(), 4, None));
    for row in bias.chunks(4) {
        assert_eq!(row, [row[0]; 4]);
    }
    let weights = Tensor::<4>::ones([B, H, 3, 4], &device) / 4.0;
    let context = vector(relative_values(weights, table.clone()));
    for head in context.chunks(K) {
        assert_close(head, &vector(table.clone()), 1e-6, "context");
    }
}

#[test]
fn the_scale_is_that_of_attention_unless_given() {
    let device = crate::device();
    let query = numbers("query", [B, 3, H * K], &device);
    let table = numbers("table", [2 * REACH + 1, K], &device);
    let plain = relative_scores(query.clone(), table.clone(), 3, Some(1.0));
    let scaled = relative_scores(query, table, 3, None) * (K as f64).sqrt();
    assert_close(&vector(scaled), &vector(plain), 1e-6, "bias");
}

#[test]
#[should_panic(expected = "relative_scores: expected a table of 2 k + 1 rows, got 4")]
fn relative_scores_of_an_even_table() {
    let device = crate::device();
    let (query, table) = (
        Tensor::zeros([1, 2, 4], &device),
        Tensor::zeros([4, 2], &device),
    );
    relative_scores(query, table, 2, None);
}

#[test]
#[should_panic(expected = "relative_scores: expected queries of a multiple of 3 columns, got 4")]
fn relative_scores_of_other_heads() {
    let device = crate::device();
    let (query, table) = (
        Tensor::zeros([1, 2, 4], &device),
        Tensor::zeros([5, 3], &device),
    );
    relative_scores(query, table, 2, None);
}

#[test]
#[should_panic(expected = "relative_values: expected a table of 2 k + 1 rows, got 4")]
fn relative_values_of_an_even_table() {
    let device = crate::device();
    let weights = Tensor::zeros([1, 1, 2, 2], &device);
    relative_values(weights, Tensor::zeros([4, 2], &device));
}

#[test]
#[should_panic(expected = "RelativeVectors: made without vectors for values")]
fn values_that_were_not_asked_for() {
    let device = crate::device();
    let config = RelativeVectorsConfig::new(K, REACH).with_values(false);
    let vectors = config.init(&Init::new(1, &device));
    vectors.values(Tensor::zeros([1, 1, 2, 2], &device));
}
