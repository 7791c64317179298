//! What is not finite in an operand: fused operations hide it no more than their compositions do.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::tests::{COMPOSED, matrix, run, values, vector};
use crate::*;

/// Values, and the same with `special` in their middle.
fn poisoned(name: &str, shape: [usize; 3], special: f32, device: &Device) -> [Tensor<3>; 2] {
    let x = values(name, shape, device);
    let n: usize = shape.iter().product();
    let mut added = vec![0.0; n];
    added[n / 2] = special;
    let poisoned = x.clone() + Tensor::from_data(TensorData::new(added, shape), device);
    [x, poisoned]
}

/// Fused and composed have what is no number in the same places, in the result and in every gradient; what is no number in
/// an operand is none in the result.
fn agree<const D: usize>(
    name: &str,
    special: f32,
    f: impl Fn(&Device) -> (Tensor<D>, Vec<Tensor<3>>),
) {
    let places = |composed| -> Vec<Vec<bool>> {
        let of_tensor = |values: Vec<f32>| values.into_iter().map(f32::is_nan).collect();
        run(&f, composed).into_iter().map(of_tensor).collect()
    };
    let (fused, composed) = (places(false), places(true));
    assert_eq!(fused, composed, "{name} of {special}");
    assert!(
        !special.is_nan() || fused[0].contains(&true),
        "{name} hides what is no number"
    );
}

/// Factors without a gradient.
fn fixed(shape: [usize; 2], like: &Tensor<2>) -> Tensor<2> {
    values("w", shape, &like.device()).detach()
}

fn draws() -> Draws {
    Draws {
        key: Key::new(2),
        first_row: 0,
    }
}

#[test]
fn operations_of_rows() {
    type OfRows = fn(Tensor<2>) -> Tensor<2>;
    let operations: [(&str, OfRows); 16] = [
        ("linear", |x| linear(x.clone(), fixed([6, 4], &x), None)),
        ("relu", |x| linear_relu(x.clone(), fixed([6, 4], &x), None)),
        ("relu of few rows", |x| {
            linear_relu(x.clone(), fixed([4, 6], &x).transpose(), None)
        }),
        ("linear add", |x| {
            let dropout = RowDropout {
                p: 0.3,
                draws: draws(),
                lengths: vec![2, 3].into(),
            };
            linear_add(x.clone(), x.clone(), fixed([6, 6], &x), None, Some(dropout))
        }),
        ("dropout", |x| dropout(x, 0.3, draws())),
        ("gelu", gelu),
        ("gelu by tanh", gelu_tanh),
        ("silu", silu),
        ("gated by sigmoid", |x| gated(x, Gate::Sigmoid)),
        ("gated by relu", |x| gated(x, Gate::Relu)),
        ("gated by gelu", |x| gated(x, Gate::Gelu)),
        ("gated by silu", |x| gated(x, Gate::Silu)),
        ("layer norm", |x| {
            let [weight, bias] = [1.0, 2.0].map(|value| Tensor::full([6], value, &x.device()));
            layer_norm(x, weight, bias, 1e-5)
        }),
        ("rms norm", |x| {
            let weight = Tensor::ones([6], &x.device());
            rms_norm(x, weight, 1e-5)
        }),
        ("softmax", |x| {
            let scores = x.reshape([1, 1, 5, 6]);
            attention_weights(scores, &AttentionMask::none(), Normalizer::Softmax).reshape([5, 6])
        }),
        ("padding", |x| {
            pack_rows(unpack_rows(x, vec![2, 3], 4), vec![2, 3])
        }),
    ];
    for (name, operation) in operations {
        agree(name, f32::NAN, |device| {
            let [leaf, x] = poisoned("x", [1, 5, 6], f32::NAN, device);
            (operation(matrix(&x)), vec![leaf])
        });
        // Of a gate at its upper end, the slope of the composition may be no number where the fused one is 0 or 1.
        for special in [f32::INFINITY, f32::NEG_INFINITY] {
            agree(name, special, |device| {
                let [_, x] = poisoned("x", [1, 5, 6], special, device);
                (operation(matrix(&x)), Vec::new())
            });
        }
    }
}

#[test]
fn parameters() {
    agree("weight", f32::NAN, |device| {
        let [leaf, w] = poisoned("w", [1, 6, 4], f32::NAN, device);
        let x = fixed([5, 6], &matrix(&w));
        (linear_relu(x, matrix(&w), None), vec![leaf])
    });
    agree("bias", f32::NAN, |device| {
        let [leaf, b] = poisoned("b", [1, 1, 4], f32::NAN, device);
        let x = values("x", [5, 6], device);
        let w = fixed([6, 4], &x);
        (linear_relu(x, w, Some(vector(&b))), vec![leaf])
    });
    agree("embedding", f32::NAN, |device| {
        let [leaf, w] = poisoned("w", [1, 3, 4], f32::NAN, device);
        let ids = Tensor::<1, Int>::from_ints([2, 1, 1], device);
        (embedding(matrix(&w), ids, 2.0), vec![leaf])
    });
}

#[test]
fn attention_to_and_with_it() {
    for mask in [AttentionMask::none(), AttentionMask::causal()] {
        for special in [f32::NAN, f32::INFINITY] {
            for place in 0..3 {
                agree("attention", special, |device| {
                    let operands = ["q", "k", "v"].map(|name| values(name, [2, 5, 6], device));
                    let [leaf, x] = poisoned("x", [2, 5, 6], special, device);
                    let mut operands = operands.map(Tensor::detach);
                    operands[place] = x;
                    let [q, k, v] = operands;
                    let options = AttentionOptions {
                        mask: mask.clone(),
                        ..AttentionOptions::new(2)
                    };
                    (attention(q, k, v, options).context, vec![leaf])
                });
            }
        }
    }
}

#[test]
fn recurrences() {
    for cell in [
        RecurrentCell::Gru,
        RecurrentCell::GruResetBefore,
        RecurrentCell::Lstm,
    ] {
        let (gates, state) = (2 * cell.gates(), cell.state_width(2));
        let shapes = [
            ("x", [1, 5, gates]),
            ("start", [1, 2, state]),
            ("weight", [1, 2, gates]),
            ("query", [1, 2, 3]),
            ("score", [1, 1, 3]),
            ("context", [1, 4, gates]),
            ("keys", [1, 6, 3]),
            ("values", [1, 6, 4]),
        ];
        for (place, (name, shape)) in shapes.into_iter().enumerate() {
            for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                // The composition has padding, which is above a score of -inf.
                if name == "score" && special.is_infinite() {
                    continue;
                }
                agree(name, special, |device| {
                    let mut all = shapes.map(|(name, shape)| values(name, shape, device));
                    let [leaf, poisoned] = poisoned(name, shape, special, device);
                    all[place] = poisoned;
                    let [x, start, weight, query, score, context, keys, values] =
                        all.map(|x| matrix(&x));
                    let sequences = Sequences::packed(vec![2, 3]);
                    let weights = RecurrentWeights {
                        weight,
                        candidate_bias: None,
                    };
                    let plain = recurrence(
                        cell,
                        x.clone(),
                        start.clone(),
                        weights.clone(),
                        &sequences,
                        Direction::Backward,
                    );
                    let memory = AttendedMemory {
                        keys,
                        values,
                        sequences: Sequences::packed(vec![2, 4]),
                    };
                    let attention = AdditiveWeights {
                        query,
                        score: score.squeeze_dim(0),
                        context,
                    };
                    let got = attentive_recurrence(
                        cell, x, start, weights, attention, &memory, &sequences,
                    );
                    let all = Tensor::cat(vec![plain, got.states, got.contexts], 1);
                    // As of other gates, the slope of an end may be no number in the composition alone.
                    (all, if special.is_nan() { vec![leaf] } else { vec![] })
                });
            }
        }
    }
}

#[test]
fn cross_entropy() {
    for smoothing in [0.0, 0.1] {
        for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let loss = |hidden: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>| {
                let targets = Tensor::<1, Int>::from_ints([0, 4, 1], &hidden.device());
                linear_cross_entropy(hidden, weight, Some(bias), targets, smoothing).objective
            };
            // A bias of -inf is a class that is never chosen.
            agree("bias of classes", special, |device| {
                let [leaf, b] = poisoned("b", [1, 1, 5], special, device);
                let hidden = values("h", [3, 6], device);
                let weight = fixed([6, 5], &hidden);
                (loss(hidden, weight, vector(&b)), vec![leaf])
            });
            agree("hidden states", special, |device| {
                let [leaf, h] = poisoned("h", [1, 3, 6], special, device);
                let weight = fixed([6, 5], &matrix(&h));
                let bias = Tensor::zeros([5], device);
                (loss(matrix(&h), weight, bias), vec![leaf])
            });
        }
    }
}

#[test]
fn the_score_of_a_choice() {
    let logits = [0.5, f32::NAN, 1.5];
    for composed in [false, true] {
        let logits = Tensor::<1>::from_floats(logits, &Device::flex()).unsqueeze();
        COMPOSED.set(composed);
        let chosen = most_probable(logits, &[None]);
        COMPOSED.set(false);
        assert!(chosen[0].0 == 2 && chosen[0].1.is_nan());
    }
}
