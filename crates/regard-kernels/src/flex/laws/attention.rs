//! Attention, with all that it can be told.

use proptest::prelude::*;

use super::Numbers::{self, Levels, Mixed, Uniform};
use super::{View, batch, cases, draws, leaf, mask, usage, view};
use crate::flex::tests::{agree_on_threads, check_differences};
use crate::{AttentionMask, AttentionOptions, Graph, attention, cross_attention, self_attention};

/// Numbers of queries or keys: few, and both sides of tiles.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 1..20_usize, 1 => 63..66_usize, 1 => 127..130_usize, 1 => 255..258_usize]
}

/// How queries, keys and values come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Packing {
    Apart,
    KeysAndValues,
    All,
}

#[derive(Clone, Debug)]
struct Shape {
    batch: usize,
    t: usize,
    s: usize,
    heads: usize,
    key_heads: usize,
    width: usize,
    value_width: usize,
    packing: Packing,
}

fn shape() -> impl Strategy<Value = Shape> {
    let heads = prop::sample::select(vec![(1, 1), (2, 2), (3, 3), (4, 2), (3, 1)]);
    let width = || prop::sample::select(vec![1, 3, 4, 15, 16, 17, 32]);
    let packing = prop::sample::select(vec![Packing::Apart, Packing::KeysAndValues, Packing::All]);
    let sizes = (1..4_usize, length(), length());
    (sizes, heads, width(), width(), packing).prop_map(
        |((batch, t, s), (heads, key_heads), width, value_width, packing)| Shape {
            batch,
            t: if packing == Packing::All { s } else { t },
            s,
            heads,
            key_heads: if packing == Packing::All {
                heads
            } else {
                key_heads
            },
            width,
            value_width: if packing == Packing::Apart {
                value_width
            } else {
                width
            },
            packing,
        },
    )
}

proptest! {
    #![proptest_config(cases(160))]

    #[test]
    fn attention_is_its_composition(
        shape in shape(),
        (views, used) in ([view(), view(), view()], usage()),
        (rules, masked) in (any::<u64>(), any::<bool>()),
        // Scores are near each other, or thousands apart: between, little is left of a weight's digits, in both forms. Such
        // scores are whole numbers, for a difference of two large ones that should be 0 must be.
        (scores, scale) in prop::sample::select(vec![
            (Uniform(1.0), None), (Uniform(1.0), Some(0.5)), (Mixed, None), (Levels(64.0), Some(0.5)),
        ]),
        values in prop::sample::select(vec![Uniform(1.0), Uniform(1e15), Uniform(1e-15), Mixed]),
        bias in prop::option::of(any::<[bool; 3]>()),
        p in prop::option::of(prop::sample::select(vec![0.0, 0.3])),
    ) {
        let Shape { batch: rows, t, s, heads, key_heads, width, value_width, packing } = shape;
        let mask = mask(masked.then_some(rules), rows, [t, s]);
        // A score that takes all the weight has no gradient. Of keys in several tiles there is one of the size of rounding.
        let choice = (0..t).any(|query| mask.visible_range(0, query, [t, s]).len() > 1);
        prop_assume!(s <= 128 || choice);
        let few = t < 8 || !(8..=128).contains(&s);
        let (scores, scale) = match scores {
            Levels(_) if few => (Uniform(1.0), scale),
            _ => (scores, scale),
        };
        let options = AttentionOptions {
            mask,
            scale,
            dropout: p.map(|p| (p, draws())),
            ..AttentionOptions::new(heads)
        };
        // What is added to all scores of a query changes nothing: its gradient would be rounding.
        let bias = bias.map(|[own_rows, own_heads, own_queries]| {
            let own = |own, size| if own { size } else { 1 };
            [own(own_rows, rows), own(own_heads, heads), own(own_queries, t), s]
        });
        agree_on_threads(|device| {
            // Keys that are all the same leave no gradient for their scores, but what rounding does.
            let operand = |name, shape, i: usize, numbers: Numbers| {
                let same = views[i] == View::Expanded && name != "q";
                batch(name, shape, (if same { View::Whole } else { views[i] }, numbers), device)
            };
            let mut options = options.clone();
            let mut inputs = Vec::new();
            if let Some(shape) = bias {
                let [a, b, c, d] = shape;
                let leaf = leaf("bias", [a * b, c, d], scores, device);
                options.bias = Some(leaf.clone().reshape(shape));
                inputs.push(leaf);
            }
            let output = match packing {
                Packing::All => {
                    let (qkv, leaf) = operand("qkv", [rows, s, 3 * heads * width], 0, scores);
                    inputs.push(leaf);
                    self_attention(qkv, options)
                }
                Packing::KeysAndValues => {
                    let (q, q_leaf) = operand("q", [rows, t, heads * width], 0, scores);
                    let (kv, kv_leaf) = operand("kv", [rows, s, 2 * key_heads * width], 1, scores);
                    inputs.extend([q_leaf, kv_leaf]);
                    cross_attention(q, kv, options)
                }
                Packing::Apart => {
                    let (q, q_leaf) = operand("q", [rows, t, heads * width], 0, scores);
                    let (k, k_leaf) = operand("k", [rows, s, key_heads * width], 1, scores);
                    let (v, v_leaf) = operand("v", [rows, s, key_heads * value_width], 2, values);
                    inputs.extend([q_leaf, k_leaf, v_leaf]);
                    attention(q, k, v, options)
                }
            };
            (used.of(output.context), inputs)
        });
    }

    #[test]
    fn weights_and_evaluation_are_those_of_the_composition(
        shape in shape(),
        views in [view(), view(), view()],
        (rules, masked, weights) in (any::<u64>(), any::<bool>(), any::<bool>()),
    ) {
        use crate::flex::tests::COMPOSED;
        let Shape { batch: rows, t, s, heads, key_heads, width, value_width, .. } = shape;
        let device = burn::tensor::Device::flex().autodiff();
        let [q, k, v] = [("q", t, heads * width), ("k", s, key_heads * width), ("v", s, key_heads * value_width)]
            .map(|(name, length, width)| (name, [rows, length, width]));
        let of = |(name, shape), view: View| batch(name, shape, (view, Uniform(2.0)), &device).0.inner();
        let [q, k, v] = [of(q, views[0]), of(k, views[1]), of(v, views[2])];
        let options = AttentionOptions {
            mask: mask(masked.then_some(rules), rows, [t, s]),
            weights,
            ..AttentionOptions::new(heads)
        };
        let run = || {
            let output = attention(q.clone(), k.clone(), v.clone(), options.clone());
            let weights = output.weights.map(|weights| weights.into_data().iter::<f32>().collect());
            (output.context.into_data().iter::<f32>().collect::<Vec<_>>(), weights.unwrap_or_default())
        };
        COMPOSED.set(true);
        let expected = run();
        COMPOSED.set(false);
        let got = run();
        for (got, expected) in [(&got.0, &expected.0), (&got.1, &expected.1)] {
            let largest = expected.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            prop_assert_eq!(got.len(), expected.len());
            for (a, b) in got.iter().zip(expected) {
                prop_assert!((a - b).abs() <= 1e-5 * largest, "{a} and {b}");
            }
        }
        // Exactly 0 wherever a key is blocked, and nowhere else.
        for (i, &weight) in got.1.iter().enumerate() {
            let (row, query, key) = (i / (heads * t * s), i / s % t, i % s);
            prop_assert_eq!(weight == 0.0, options.mask.is_blocked(row, query, key, [t, s]));
        }
    }
}

#[test]
fn gradients_are_differences() {
    let graph = Graph::new(5, &[[0, 2], [4, 2], [1, 3], [0, 4], [3, 4], [4, 4]]);
    for mask in [
        AttentionMask::none(),
        AttentionMask::causal().and(AttentionMask::key_lengths(vec![5, 3])),
        AttentionMask::graph([graph]),
    ] {
        for dropout in [None, Some((0.3, draws()))] {
            let shapes = [[2, 3, 8], [2, 5, 4], [2, 5, 6], [4, 3, 5]];
            check_differences(&shapes, |x| {
                let options = AttentionOptions {
                    mask: mask.clone(),
                    bias: Some(x[3].clone().unsqueeze()),
                    dropout,
                    ..AttentionOptions::new(4)
                };
                attention(x[0].clone(), x[1].clone(), x[2].clone(), options).context
            });
        }
    }
    check_differences(&[[2, 3, 12]], |x| {
        self_attention(x[0].clone(), AttentionOptions::new(2)).context
    });
    check_differences(&[[2, 3, 4], [2, 4, 8]], |x| {
        cross_attention(x[0].clone(), x[1].clone(), AttentionOptions::new(2)).context
    });
}
