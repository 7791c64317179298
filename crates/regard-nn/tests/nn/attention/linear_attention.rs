//! Attention with features, whose sums have no pairs.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, AttentionOutput, FeatureMap, Init, Layout, LinearAttention,
    LinearAttentionConfig, LinearAttentionOptions, LinearAttentionState, Pass, Rows,
    linear_attention,
};

use crate::case::Case;
use crate::formula::{fill, numbers};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{assert_close, vector};

const MAPS: [FeatureMap; 3] = [
    FeatureMap::EluPlusOne,
    FeatureMap::Relu,
    FeatureMap::Softmax,
];

fn options(mask: AttentionMask, features: FeatureMap) -> LinearAttentionOptions {
    LinearAttentionOptions {
        mask,
        features,
        ..LinearAttentionOptions::new(H)
    }
}

impl Kind for LinearAttention {
    fn attend(
        &self,
        query: Tensor<3>,
        _: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.forward(query, &mask, pass)
    }

    fn step_by_step(&self, query: Tensor<3>, _: Tensor<3>) -> Option<Tensor<3>> {
        let [batch, length, _] = query.dims();
        let layout = Layout::dense(batch, 1);
        let mut state = LinearAttentionState::default();
        let steps = (0..length).map(|t| {
            let x = query.clone().slice([0..batch, t..t + 1]).flatten(0, 1);
            let (mask, pass) = (AttentionMask::causal(), Pass::evaluation());
            let (context, _) = self.attend(x, &layout, mask, Some(&mut state), &pass);
            layout.unflatten(context.value())
        });
        Some(Tensor::cat(steps.collect(), 1))
    }

    fn context_of_nothing(&self) -> Vec<f32> {
        vector(self.output.bias.as_ref().map(Param::val).expect("a bias"))
    }
}

/// The function, from one sequence to another.
#[derive(Module, Debug)]
struct Across {
    #[module(skip)]
    features: FeatureMap,
}

impl Kind for Across {
    fn attend(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let options = LinearAttentionOptions {
            weights: pass.wants_attention(),
            ..options(mask, self.features)
        };
        linear_attention(query, memory.clone(), memory, &options)
    }
}

mod module {
    use super::*;

    fn subjects(device: &Device) -> Vec<Subject<LinearAttention>> {
        let subject = |features| {
            let config = LinearAttentionConfig::new(D, H).with_features(features);
            Subject {
                name: format!("{features:?}"),
                kind: fill(config.init(&Init::new(1, device)), "attention"),
                promises: Promises {
                    draws: false,
                    ..Promises::of_self_attention()
                },
            }
        };
        MAPS.map(subject).into()
    }

    kinds::tests!(super::module::subjects);
}

mod across {
    use super::*;

    fn subjects(_: &Device) -> Vec<Subject<Across>> {
        let subject = |features| Subject {
            name: format!("{features:?}"),
            kind: Across { features },
            promises: Promises {
                draws: false,
                ..Promises::of_cross_attention()
            },
        };
        MAPS.map(subject).into()
    }

    kinds::tests!(super::across::subjects);
}

/// Context; gradients of query, key and value, one behind the other. Through the weights, if they are asked for.
fn run([t, s]: [usize; 2], options: &LinearAttentionOptions) -> [Vec<f32>; 2] {
    let device = crate::device().autodiff();
    let inputs = [("query", t, 15), ("key", s, 15), ("value", s, 6)];
    let inputs = inputs
        .map(|(name, length, width)| numbers(name, [3, length, width], &device).require_grad());
    let [query, key, value] = inputs.clone();
    let output = linear_attention(query, key, value.clone(), options);
    let context = match output.weights {
        Some(weights) => weights
            .matmul(value.reshape([3, s, H, 2]).swap_dims(1, 2))
            .swap_dims(1, 2)
            .reshape([3, t, 6]),
        None => output.context,
    };
    let factors = numbers("loss", [3, t, 6], &device);
    let tape = (context.clone() * factors).sum().backward();
    let gradients = inputs.map(|x| vector(x.grad(&tape).expect("a gradient")));
    [vector(context), gradients.concat()]
}

#[test]
fn contexts_and_gradients_without_pairs_are_those_with_pairs() {
    let causal = AttentionMask::causal;
    for features in MAPS {
        for [t, s] in [
            [1, 1],
            [63, 63],
            [64, 64],
            [65, 65],
            [131, 131],
            [3, 131],
            [67, 131],
        ] {
            let padding = AttentionMask::key_lengths(vec![s, s / 2, 0]);
            for mask in [padding.clone(), causal(), causal().and(padding)] {
                let without = options(mask, features);
                let with = LinearAttentionOptions {
                    weights: true,
                    ..without.clone()
                };
                let (got, expected) = (run([t, s], &without), run([t, s], &with));
                for (got, expected) in got.iter().zip(&expected) {
                    let what = format!("T {t}, S {s}, {without:?}");
                    assert_close(got, expected, 1e-5, &what);
                }
            }
        }
    }
}

#[test]
fn parts_of_any_length_are_all_at_once() {
    let device = crate::device();
    let qkv = ["query", "key", "value"].map(|name| numbers(name, [2, 211, 15], &device));
    let lengths = AttentionMask::key_lengths(vec![211, 100]);
    let options = options(AttentionMask::causal().and(lengths), FeatureMap::EluPlusOne);
    let [query, key, value] = qkv.clone();
    let whole = vector(linear_attention(query, key, value, &options).context);

    let mut state = LinearAttentionState::default();
    let parts = [1, 70, 1, 64, 75].map(|length| {
        let start = state.length();
        let [query, key, value] = qkv.clone().map(|x| x.slice_dim(1, start..start + length));
        state.attend(query, key, value, &options)
    });
    assert_eq!(state.length(), 211);
    let parts = vector(Tensor::cat(parts.into(), 1));
    assert_close(&parts, &whole, 1e-5, "in parts");
}

#[test]
fn selected_rows_of_a_state_go_on_where_their_origin_was() {
    let device = crate::device();
    let x = numbers("x", [3, 5, 15], &device);
    let options = options(AttentionMask::causal(), FeatureMap::EluPlusOne);
    let attend = |state: &mut LinearAttentionState, x: &Tensor<3>, t| {
        let x = x.clone().slice_dim(1, t);
        state.attend(x.clone(), x.clone(), x, &options)
    };
    let mut state = LinearAttentionState::default();
    attend(&mut state, &x, 0..4);
    let mut selected = state.clone().select(&[2, 0, 2]);
    let rows = Tensor::from_ints([2, 0, 2], &device);
    let got = attend(&mut selected, &x.clone().select(0, rows.clone()), 4..5);
    let expected = attend(&mut state, &x, 4..5).select(0, rows);
    assert_eq!(vector(got), vector(expected));
}

const FIXTURE: &[u8] = include_bytes!("../../fixtures/long.safetensors");

#[test]
fn parity_of_the_function() {
    let device = crate::device().autodiff();
    let names = ["linear/elu_plus_one", "linear/relu", "linear/softmax"];
    for (name, features) in names.into_iter().zip(MAPS) {
        let inputs = [("query", 7, 15), ("key", 11, 15), ("value", 11, 21)];
        let [query, key, value] = inputs
            .map(|(name, length, width)| numbers(name, [2, length, width], &device).require_grad());
        let options = LinearAttentionOptions {
            weights: true,
            ..options(AttentionMask::key_lengths(vec![11, 5]), features)
        };
        let output = linear_attention(query.clone(), key.clone(), value.clone(), &options);
        Case::new(FIXTURE, name)
            .result("weights", output.weights.expect("asked for"))
            .output(output.context)
            .input("query", &query)
            .input("key", &key)
            .input("value", &value)
            .check_inputs();
    }
}

#[test]
fn parity_of_the_module() {
    let device = crate::device().autodiff();
    let attention = LinearAttentionConfig::new(D, H).init(&Init::new(1, &device));
    let attention = fill(attention, "attention");
    for length in [7, 67] {
        let padding = AttentionMask::key_lengths(vec![length, length - 4]);
        for (mask, name) in [
            (
                padding.clone(),
                ["linear/module/padded/7", "linear/module/padded/67"],
            ),
            (
                AttentionMask::causal(),
                ["linear/module/causal/7", "linear/module/causal/67"],
            ),
            (
                padding.and(AttentionMask::causal()),
                ["linear/module/both/7", "linear/module/both/67"],
            ),
        ] {
            let x = numbers("x", [2, length, D], &device).require_grad();
            let few = length == 7;
            let pass = Pass::evaluation();
            let pass = if few { pass.with_attention() } else { pass };
            let output = attention.forward(x.clone(), &mask, &pass);
            let mut case = Case::new(FIXTURE, name[usize::from(!few)]);
            if few {
                case = case.result("weights", output.weights.expect("asked for"));
            }
            case.output(output.context)
                .input("x", &x)
                .check(&attention, "attention");
        }
    }
}

#[test]
fn features_are_what_they_say() {
    let x = Tensor::from_floats([[[[-20.0, -1.0, 0.0, 0.5]]]], &crate::device());
    let features = |map: FeatureMap| vector(map.apply(x.clone()));
    let e = 1.0_f32.exp();
    assert_close(
        &features(FeatureMap::EluPlusOne),
        &[1e-6, 1.0 / e, 1.0, 1.5],
        1e-6,
        "elu(x) + 1",
    );
    assert_eq!(features(FeatureMap::Relu), [1e-6, 1e-6, 1e-6, 0.5]);
    let softmax = features(FeatureMap::Softmax);
    let sum = 1.0 / e + 1.0 + 0.5_f32.exp();
    assert_close(
        &softmax,
        &[1e-6, 1.0 / e / sum, 1.0 / sum, 0.5_f32.exp() / sum],
        1e-6,
        "softmax",
    );
}

#[test]
fn queries_without_a_feature_still_share_their_weight_among_the_visible() {
    let device = crate::device().autodiff();
    for features in MAPS {
        let [query, key] =
            [-1e4, -1e4].map(|x: f32| Tensor::<3>::full([1, 3, 15], x, &device).require_grad());
        let value = numbers("value", [1, 3, 15], &device);
        let mask = AttentionMask::key_lengths(vec![2]);
        let context = linear_attention(
            query.clone(),
            key.clone(),
            value.clone(),
            &options(mask, features),
        )
        .context;
        let mean = value.slice([0..1, 0..2]).mean_dim(1).expand([1, 3, 15]);
        assert_close(
            &vector(context.clone()),
            &vector(mean),
            1e-5,
            "the mean of two",
        );
        let tape = context.sum().backward();
        for x in [query, key] {
            let gradient = vector(x.grad(&tape).expect("a gradient"));
            assert!(gradient.iter().all(|x| x.is_finite()), "{features:?}");
        }
    }
}

fn refused(dims: [[usize; 3]; 3], mask: AttentionMask) {
    let [query, key, value] = dims.map(|dims| Tensor::zeros(dims, &crate::device()));
    linear_attention(query, key, value, &options(mask, FeatureMap::EluPlusOne));
}

#[test]
#[should_panic(
    expected = "linear_attention: expected query [B, T, H K], key [B, S, H K], value [B, S, H K_v] with H = 3, \
                got [[1, 3, 6], [1, 4, 6], [1, 4, 4]]"
)]
fn a_width_that_fits_no_heads() {
    refused([[1, 3, 6], [1, 4, 6], [1, 4, 4]], AttentionMask::none());
}

#[test]
#[should_panic(
    expected = "linear_attention: expected a mask of padding and the order of time, got"
)]
fn a_window() {
    refused([[1, 3, 6]; 3], AttentionMask::window(1, 1));
}

#[test]
#[should_panic(
    expected = "linear_attention: expected no more queries than keys under a causal mask, got 4 and 3"
)]
fn queries_before_the_first_key() {
    let dims = [[1, 4, 6], [1, 3, 6], [1, 3, 6]];
    refused(dims, AttentionMask::causal());
}

#[test]
#[should_panic(
    expected = "LinearAttentionState: expected rows, heads and widths of the positions before"
)]
fn a_state_of_other_rows() {
    let mut state = LinearAttentionState::default();
    for rows in [1, 2] {
        let x = Tensor::zeros([rows, 1, 6], &crate::device());
        let options = LinearAttentionOptions::new(H);
        state.attend(x.clone(), x.clone(), x, &options);
    }
}

#[test]
#[should_panic(
    expected = "LinearAttention: expected d_model to be a multiple of n_heads = 3, got 7"
)]
fn a_width_that_is_no_multiple_of_the_heads() {
    LinearAttentionConfig::new(7, 3).init(&Init::new(1, &crate::device()));
}
