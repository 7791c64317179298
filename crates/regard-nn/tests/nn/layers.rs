//! Laws of single layers, for those who use them without a model.

use burn::tensor::Tensor;
use regard_nn::{
    AttentionMask, Init, Key, KeyValueCache, Layout, MultiHeadAttentionConfig, Normalizer, Pass,
    Rotary, Rows,
};

use crate::formula::{fill, numbers};
use crate::parts::{assert_close, vector};

const D: usize = 15;
const H: usize = 3;

fn config() -> MultiHeadAttentionConfig {
    MultiHeadAttentionConfig::new(D, H)
}

/// Every form of self-attention; heads of an even width, as rotations need.
#[test]
fn a_cache_may_be_fed_in_pieces_of_any_length() {
    let device = crate::device();
    let width = 18;
    let plain = MultiHeadAttentionConfig::new(width, H);
    let forms = [
        plain.clone(),
        plain.clone().with_n_kv_heads(Some(1)),
        plain.clone().with_query_key_norm(true),
        plain.clone().with_normalizer(Normalizer::Entmax15),
        plain.clone().with_window(Some(2)),
        plain.clone().with_rotary(Some(Rotary::default())),
        plain.clone().with_relative(Some(3)),
        plain
            .with_n_kv_heads(Some(1))
            .with_rotary(Some(Rotary::default()))
            .with_relative(Some(3))
            .with_window(Some(7)),
    ];
    let (batch, length) = (2, 37);
    let x = numbers("x", [batch, length, width], &device);
    let pass = Pass::evaluation().with_attention();
    for form in forms {
        let attention = fill(form.init_self(&Init::new(1, &device)), "attention");
        let whole = attention.forward(x.clone(), &AttentionMask::causal(), &pass);
        let weights = whole.weights.expect("asked for");

        let mut cache = KeyValueCache::default();
        for added in [1, 5, 1, 13, 17] {
            let start = cache.length();
            let part = x.clone().slice([0..batch, start..start + added]);
            let layout = Layout::dense(batch, added);
            let (context, seen) = attention.attend(
                part.flatten(0, 1),
                &layout,
                AttentionMask::causal(),
                None,
                Some(&mut cache),
                &pass,
            );
            let range = start..start + added;
            let expected = whole.context.clone().slice([0..batch, range.clone()]);
            let name = format!("positions {range:?}, {form}");
            assert_close(&vector(context.value()), &vector(expected), 1e-5, &name);
            let expected = weights
                .clone()
                .slice([0..batch, 0..H, range, 0..start + added]);
            let seen = seen.expect("asked for");
            assert_eq!(seen.dims(), [batch, H, added, start + added]);
            assert_close(&vector(seen), &vector(expected), 1e-5, &name);
        }
        assert_eq!(cache.length(), length);
    }
}

#[test]
fn hypotheses_are_grouped_by_their_row_of_memory() {
    let device = crate::device();
    let attention = fill(config().init_cross(&Init::new(1, &device)), "attention");
    let (memory_rows, beam, t, s) = (2, 3, 5, 7);
    let rows = memory_rows * beam;
    let x = numbers("x", [rows, t, D], &device);
    let memory = numbers("memory", [memory_rows, s, D], &device);
    let lengths = [s, 4];
    let pass = Pass::evaluation().with_attention();

    let source = Layout::dense(memory_rows, s);
    let key_value = attention.project(memory.clone().flatten(0, 1), &source);
    let (context, weights) = attention.attend(
        x.clone().flatten(0, 1),
        &Layout::dense(rows, t),
        &key_value,
        AttentionMask::key_lengths(lengths.to_vec()),
        &pass,
    );

    let repeated = Tensor::cat(
        (0..rows)
            .map(|row| memory.clone().slice(row / beam..row / beam + 1))
            .collect(),
        0,
    );
    let lengths: Vec<usize> = (0..rows).map(|row| lengths[row / beam]).collect();
    let expected = attention.forward(x, repeated, &AttentionMask::key_lengths(lengths), &pass);
    assert_close(
        &vector(context.value()),
        &vector(expected.context),
        1e-5,
        "context",
    );
    let (weights, expected) = (
        weights.expect("asked for"),
        expected.weights.expect("asked for"),
    );
    assert_eq!(weights.dims(), expected.dims());
    assert_close(&vector(weights), &vector(expected), 1e-5, "weights");
}

#[test]
fn attention_without_positions_does_not_see_the_order_of_keys() {
    let device = crate::device();
    let attention = fill(config().init_cross(&Init::new(1, &device)), "attention");
    let x = numbers("x", [2, 5, D], &device);
    let memory = numbers("memory", [2, 7, D], &device);
    let pass = Pass::evaluation();
    let run = |memory| attention.forward(x.clone(), memory, &AttentionMask::none(), &pass);
    let expected = run(memory.clone()).context;
    let reversed = run(memory.flip([1])).context;
    assert_close(&vector(reversed), &vector(expected), 1e-5, "context");
}

#[test]
fn equal_examples_get_different_dropout() {
    let device = crate::device();
    let attention = config().with_dropout(0.5);
    let attention = fill(attention.init_self(&Init::new(1, &device)), "attention");
    let x = numbers("x", [1, 7, D], &device).repeat_dim(0, 2);
    let pass = Pass::training(Key::new(1), 0);
    let context = attention.forward(x, &AttentionMask::none(), &pass).context;
    let context = vector(context);
    let (first, second) = context.split_at(context.len() / 2);
    assert_ne!(first, second);
}

#[test]
fn a_selected_empty_cache_is_empty() {
    let cache = KeyValueCache::default().select(&[1, 0, 1]);
    assert_eq!(cache.length(), 0);
}
