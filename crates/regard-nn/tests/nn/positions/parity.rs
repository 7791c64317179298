//! Held to what `scripts/parity/positions.py` wrote down.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, Init, LearnedPositionsConfig, RelativeBucketsConfig, RelativeVectorsConfig,
    Rotary, RotaryPairing, SinusoidLayout, Sinusoids, Wavelengths, alibi_slopes, relative_bucket,
};

use super::Scheme;
use crate::case::Case;
use crate::formula::{fill, numbers};
use crate::kinds::H;

// As in the script: distinct primes.
const B: usize = 2;
const T: usize = 7;
const S: usize = 11;
const K: usize = 5;
const K_ROTARY: usize = 6;
const OFFSET: usize = 5;
const START: usize = 2;
const REACH: usize = 4;

const FIXTURE: &[u8] = include_bytes!("../../fixtures/positions.safetensors");

fn device() -> Device {
    crate::device().autodiff()
}

fn input(name: &str, length: usize, width: usize) -> Tensor<3> {
    numbers(name, [B, length, width], &device()).require_grad()
}

fn rotations() -> [(&'static str, Rotary); 2] {
    [
        ("interleaved", Rotary::default()),
        (
            "halves",
            Rotary {
                pairing: RotaryPairing::Halves,
                base: 500.0,
            },
        ),
    ]
}

#[test]
fn sinusoids_of_every_form() {
    for d_model in [10, 13] {
        for (layout, layout_name) in [
            (SinusoidLayout::Interleaved, "interleaved"),
            (SinusoidLayout::Halves, "halves"),
        ] {
            for (wavelengths, wavelengths_name) in [
                (Wavelengths::Paper, "paper"),
                (Wavelengths::Inclusive, "inclusive"),
            ] {
                let sinusoids = Sinusoids {
                    layout,
                    wavelengths,
                    start: START,
                };
                let table = sinusoids.table(OFFSET, T, d_model, &device());
                let name = format!("sinusoids/{layout_name}/{wavelengths_name}/{d_model}");
                Case::new(FIXTURE, &name).result("output", table).check();
            }
        }
    }
}

#[test]
fn learned_positions() {
    let positions = LearnedPositionsConfig::new(13, K).init(&Init::new(0, &device()));
    let positions = fill(positions, "positions");
    let vectors = positions.forward(OFFSET, T);
    let case = Case::new(FIXTURE, "learned").output(vectors);
    case.check(&positions, "positions");
}

#[test]
fn rotations_with_an_offset_for_each_row() {
    for (kind, rotary) in rotations() {
        let x = input("x", T, H * K_ROTARY);
        let y = rotary.rotate(x.clone(), H, &[3, 1000]);
        let case = Case::new(FIXTURE, &format!("rotary/{kind}")).output(y);
        case.input("x", &x).check_inputs();
    }
}

#[test]
fn slopes_of_one_to_twenty_heads() {
    let slopes: Vec<f64> = (1..=20).flat_map(alibi_slopes).collect();
    let slopes = Tensor::<1>::from_floats(slopes.as_slice(), &crate::device());
    let case = Case::new(FIXTURE, "alibi/slopes");
    case.result("output", slopes).check();
}

#[test]
fn buckets_of_distances_up_to_a_thousand() {
    for (side, bidirectional) in [("both", true), ("earlier", false)] {
        for (n_buckets, max_distance) in [(32, 128), (20, 50)] {
            let bucket = |distance| {
                let bucket = relative_bucket(distance, n_buckets, max_distance, bidirectional);
                bucket as f64
            };
            let buckets: Vec<f64> = (-1000..=1000).map(bucket).collect();
            let buckets = Tensor::<1>::from_floats(buckets.as_slice(), &crate::device());
            let name = format!("t5/buckets/{side}/{n_buckets}/{max_distance}");
            Case::new(FIXTURE, &name).result("output", buckets).check();
        }
    }
}

/// Attention that is told of positions by `scheme`, T queries at the last of S keys.
fn check_attention(name: &str, scheme: Scheme, is_causal: bool) {
    let scheme = fill(scheme, "scheme");
    let width = H * if scheme.rotary.is_some() { K_ROTARY } else { K };
    let (query, key) = (input("query", T, width), input("key", S, width));
    let value = input("value", S, H * K);
    let mask = if is_causal {
        AttentionMask::causal()
    } else {
        AttentionMask::none()
    };
    let turned_query = scheme.turned(query.clone(), S - T);
    let turned_key = scheme.turned(key.clone(), 0);
    let output = scheme.attend([turned_query, turned_key, value.clone()], mask, true);
    let case = Case::new(FIXTURE, name).result("weights", output.weights.expect("asked for"));
    let case = case.output(output.context);
    let case = case.input("query", &query).input("key", &key);
    case.input("value", &value).check(&scheme, "scheme");
}

#[test]
fn attention_with_rotations() {
    for (kind, rotary) in rotations() {
        let scheme = Scheme {
            rotary: Some(rotary),
            ..Scheme::default()
        };
        check_attention(&format!("attention/rotary/{kind}"), scheme, true);
    }
}

#[test]
fn attention_with_linear_biases() {
    for (name, is_causal) in [
        ("attention/alibi/causal", true),
        ("attention/alibi/symmetric", false),
    ] {
        let scheme = Scheme {
            alibi: true,
            ..Scheme::default()
        };
        check_attention(name, scheme, is_causal);
    }
}

#[test]
fn attention_with_buckets() {
    for (name, is_causal) in [("attention/t5/both", false), ("attention/t5/earlier", true)] {
        let config = RelativeBucketsConfig::new(H)
            .with_n_buckets(12)
            .with_max_distance(10)
            .with_bidirectional(!is_causal);
        let scheme = Scheme {
            buckets: Some(config.init(&Init::new(0, &device()))),
            ..Scheme::default()
        };
        check_attention(name, scheme, is_causal);
    }
}

#[test]
fn attention_with_relative_vectors() {
    for (name, values) in [
        ("attention/shaw/keys", false),
        ("attention/shaw/keys_and_values", true),
    ] {
        let config = RelativeVectorsConfig::new(K, REACH).with_values(values);
        let scheme = Scheme {
            vectors: Some(config.init(&Init::new(0, &device()))),
            ..Scheme::default()
        };
        check_attention(name, scheme, false);
    }
}
