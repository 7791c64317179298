//! Which path is taken, and what no path may give.

use burn::tensor::{DType, Device, Int, Tensor};
use proptest::prelude::*;

use super::Numbers::Uniform;
use super::{cases, draws, dropout, leaf, mask};
use crate::flex::Operand;
use crate::flex::tests::{COMPOSED, run};
use crate::*;

/// Results of all operations with a form of their own, on data of one type.
fn all(dtype: DType, device: &Device) -> Vec<(&'static str, DType, Vec<f64>)> {
    let x = |name: &str, shape| leaf(name, shape, Uniform(1.0), device).inner().cast(dtype);
    let matrix = |name: &str, rows, columns| x(name, [1, rows, columns]).squeeze_dim::<2>(0);
    let vector = |name: &str, size| matrix(name, 1, size).squeeze_dim::<1>(0);
    let ids = Tensor::<1, Int>::from_ints([2, 0, 3], device);
    let (a, w, b) = (matrix("a", 3, 4), matrix("w", 4, 6), vector("b", 6));
    let r = matrix("r", 3, 6);
    let rows = dropout(0.3, 3, [1, 2]);
    let options = AttentionOptions::new(2);
    let context = |x: AttentionOutput| x.context.flatten(0, 1);
    let loss = linear_cross_entropy(a.clone(), w.clone(), None, ids.clone(), 0.1);
    let scores = x("scores", [2, 3, 5]).unsqueeze();
    let results: Vec<(&str, Tensor<2>)> = vec![
        ("linear", linear(a.clone(), w.clone(), Some(b.clone()))),
        ("linear_relu", linear_relu(a.clone(), w.clone(), None)),
        (
            "linear_add",
            linear_add(
                r.clone(),
                a.clone(),
                w.clone(),
                Some(b.clone()),
                Some(rows.clone()),
            ),
        ),
        ("embedding", embedding(w.clone(), ids, 2.0)),
        (
            "layer_norm",
            layer_norm(r.clone(), b.clone(), b.clone(), 1e-3),
        ),
        ("rms_norm", rms_norm(r.clone(), b.clone(), 1e-3)),
        ("gelu", gelu(r.clone())),
        ("gelu_tanh", gelu_tanh(r.clone())),
        ("silu", silu(r.clone())),
        ("gated", gated(r.clone(), Gate::Silu)),
        ("dropout", crate::dropout(r.clone(), 0.3, draws())),
        ("dropout_rows", dropout_rows(r.clone(), &rows)),
        ("pack_rows", pack_rows(x("padded", [2, 3, 2]), vec![3, 1])),
        ("unpack_rows", unpack_rows(a, vec![1, 2], 2).flatten(0, 1)),
        (
            "attention",
            context(attention(
                x("q", [1, 3, 4]),
                x("k", [1, 5, 4]),
                x("v", [1, 5, 2]),
                options.clone(),
            )),
        ),
        (
            "self_attention",
            context(self_attention(x("qkv", [1, 3, 12]), options.clone())),
        ),
        (
            "cross_attention",
            context(cross_attention(
                x("q", [1, 3, 4]),
                x("kv", [1, 5, 8]),
                options,
            )),
        ),
        (
            "softmax",
            attention_weights(scores, &AttentionMask::none(), Normalizer::Softmax).flatten(0, 2),
        ),
        ("linear_cross_entropy", loss.objective.unsqueeze()),
        (
            "write_positions",
            write_positions(x("room", [1, 5, 4]), 1, x("new", [1, 2, 4])).flatten(0, 1),
        ),
    ];
    let read = |(name, y): (_, Tensor<2>)| (name, y.dtype(), y.into_data().iter::<f64>().collect());
    results.into_iter().map(read).collect()
}

#[test]
fn double_precision_takes_the_composition() {
    let device = Device::flex().autodiff();
    let [single, double] = [DType::F32, DType::F64].map(|dtype| all(dtype, &device));
    for ((name, dtype, single), (_, wide, double)) in single.iter().zip(&double) {
        assert_eq!((*dtype, *wide), (DType::F32, DType::F64), "{name}");
        assert_eq!(single.len(), double.len(), "{name}");
        for (single, double) in single.iter().zip(double) {
            assert!(
                (single - double).abs() < 1e-5,
                "{name}: {single} and {double}"
            );
        }
    }
    // Above, an operation of f32 would have panicked on the type; this is why none was asked.
    let x = Tensor::<2>::ones([2, 3], &Device::flex());
    assert!(Operand::new(&x).is_some());
    assert!(Operand::new(&x.clone().cast(DType::F64)).is_none());
    COMPOSED.set(true);
    let none = Operand::new(&x).is_none();
    COMPOSED.set(false);
    assert!(none);
}

proptest! {
    #![proptest_config(cases(48))]

    /// Products with denormal numbers take twenty times as long.
    #[test]
    fn blocked_keys_leave_no_denormal_numbers(
        (rows, t, s, rules) in (1..4_usize, 1..40_usize, 1..140_usize, any::<u64>()),
        spread in prop::sample::select(vec![1.0, 9.0]),
    ) {
        let mask = mask(Some(rules), rows, [t, s]);
        let of_attention = run(&|device| {
            let numbers = Uniform(spread);
            let q = leaf("q", [rows, t, 4], numbers, device);
            let k = leaf("k", [rows, s, 4], Uniform(1.0), device);
            let v = leaf("v", [rows, s, 4], Uniform(1.0), device);
            let options = AttentionOptions { mask: mask.clone(), ..AttentionOptions::new(2) };
            (attention(q.clone(), k.clone(), v.clone(), options).context, vec![q, k, v])
        }, false);
        let of_softmax = run(&|device| {
            let scores = leaf("scores", [rows, t, s], Uniform(spread), device);
            let weights = attention_weights(scores.clone().unsqueeze_dim(1), &mask, Normalizer::Softmax);
            (weights, vec![scores])
        }, false);
        for values in of_attention.iter().chain(&of_softmax) {
            prop_assert!(values.iter().all(|x| !x.is_subnormal()));
        }
        for values in &of_softmax {
            for (i, &x) in values.iter().enumerate() {
                let (row, query, key) = (i / (t * s), i / s % t, i % s);
                prop_assert!(x == 0.0 || !mask.is_blocked(row, query, key, [t, s]));
            }
        }
    }

    #[test]
    fn scores_far_apart_leave_no_denormal_weights(s in 1..300_usize, spread in 50.0..2000.0_f32) {
        let device = Device::flex().autodiff();
        let scores = leaf("scores", [1, 7, s], Uniform(spread), &device).inner();
        let weights = attention_weights(scores.unsqueeze(), &AttentionMask::none(), Normalizer::Softmax);
        prop_assert!(weights.into_data().iter::<f32>().all(|weight| !weight.is_subnormal()));
    }
}
