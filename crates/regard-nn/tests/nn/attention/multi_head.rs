//! Scaled dot-product attention of several heads.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, AttentionOutput, Init, Key, KeyValueCache, Layout, MultiHeadAttentionConfig,
    MultiHeadCrossAttention, MultiHeadSelfAttention, Normalizer, Pass,
};

use crate::formula::{fill, numbers};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{assert_all_close, assert_close, gradients, vector};

/// Self-attention, and the window of its configuration.
#[derive(Module, Debug)]
struct Own {
    layer: MultiHeadSelfAttention,
    window: Option<usize>,
}

impl Kind for Own {
    fn attend(
        &self,
        query: Tensor<3>,
        _: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.layer.forward(query, &mask, pass)
    }

    fn mask(&self, mask: AttentionMask) -> AttentionMask {
        match self.window {
            Some(reach) => mask.and(AttentionMask::window(reach, reach)),
            None => mask,
        }
    }

    fn step_by_step(&self, query: Tensor<3>, _: Tensor<3>) -> Option<Tensor<3>> {
        let [batch, length, _] = query.dims();
        let mut cache = KeyValueCache::default();
        let step = |t: usize| {
            let x = query.clone().slice([0..batch, t..t + 1]).flatten(0, 1);
            let layout = Layout::dense(batch, 1);
            let mask = AttentionMask::causal();
            let (pass, cache) = (Pass::evaluation(), Some(&mut cache));
            let (context, _) = self.layer.attend(x, &layout, mask, None, cache, &pass);
            layout.unflatten(context.value())
        };
        Some(Tensor::cat((0..length).map(step).collect(), 1))
    }

    fn context_of_nothing(&self) -> Vec<f32> {
        bias(self.layer.output.bias.as_ref())
    }
}

impl Kind for MultiHeadCrossAttention {
    fn attend(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.forward(query, memory, &mask, pass)
    }

    fn step_by_step(&self, query: Tensor<3>, memory: Tensor<3>) -> Option<Tensor<3>> {
        let [batch, length, _] = memory.dims();
        let key_value = self.project(memory.flatten(0, 1), &Layout::dense(batch, length));
        let step = |t: usize| {
            let x = query.clone().slice([0..batch, t..t + 1]).flatten(0, 1);
            let layout = Layout::dense(batch, 1);
            let mask = AttentionMask::none();
            let pass = Pass::evaluation();
            let (context, _) = self.attend(x, &layout, &key_value, mask, &pass);
            layout.unflatten(context.value())
        };
        Some(Tensor::cat((0..query.dims()[1]).map(step).collect(), 1))
    }

    fn context_of_nothing(&self) -> Vec<f32> {
        bias(self.output.bias.as_ref())
    }
}

fn bias(bias: Option<&Param<Tensor<1>>>) -> Vec<f32> {
    bias.map_or_else(|| vec![0.0; D], |bias| vector(bias.val()))
}

fn subject<K: Module>(name: &str, kind: K, promises: Promises) -> Subject<K> {
    Subject {
        name: name.into(),
        kind: fill(kind, "attention"),
        promises,
    }
}

/// Every form that self-attention and cross-attention share.
fn configs() -> Vec<(&'static str, MultiHeadAttentionConfig)> {
    let plain = MultiHeadAttentionConfig::new(D, H).with_dropout(0.3);
    let of = |normalizer| plain.clone().with_normalizer(normalizer);
    vec![
        ("plain", plain.clone()),
        ("multi-query", plain.clone().with_n_kv_heads(Some(1))),
        ("cosine", plain.clone().with_query_key_norm(true)),
        (
            "cosine, multi-query, without biases",
            plain
                .clone()
                .with_n_kv_heads(Some(1))
                .with_query_key_norm(true)
                .with_bias(false),
        ),
        ("sparsemax", of(Normalizer::Sparsemax)),
        ("entmax", of(Normalizer::Entmax15)),
    ]
}

mod self_attention {
    use super::*;

    /// Those, and the forms that know positions.
    fn subjects(device: &Device) -> Vec<Subject<Own>> {
        let plain = MultiHeadAttentionConfig::new(D, H).with_dropout(0.3);
        let window = plain.clone().with_window(Some(2));
        let grouped = window.clone().with_n_kv_heads(Some(1));
        let of_positions = [
            ("window", window),
            (
                "window, multi-query, cosine",
                grouped.with_query_key_norm(true),
            ),
            ("relative", plain.with_relative(Some(3))),
        ];
        let init = Init::new(1, device);
        let subject = |(name, config): (&str, MultiHeadAttentionConfig)| {
            let promises = Promises {
                unordered: config.window.is_none() && config.relative.is_none(),
                ..Promises::of_self_attention()
            };
            Subject {
                name: name.into(),
                kind: Own {
                    layer: fill(config.init_self(&init), "attention"),
                    window: config.window,
                },
                promises,
            }
        };
        configs()
            .into_iter()
            .chain(of_positions)
            .map(subject)
            .collect()
    }

    kinds::tests!(super::self_attention::subjects);
}

/// Long enough that the window is computed in chunks.
#[test]
fn a_window_of_its_own_is_the_window_in_the_mask() {
    let device = crate::device().autodiff();
    let plain = MultiHeadAttentionConfig::new(D, H);
    let run = |config: &MultiHeadAttentionConfig, mask: AttentionMask| {
        let layer = fill(config.init_self(&Init::new(1, &device)), "attention");
        let x = numbers("x", [2, 41, D], &device).require_grad();
        let pass = Pass::training(Key::new(3), 0).with_attention();
        let output = layer.forward(x.clone(), &mask, &pass);
        let factors = numbers("loss", output.context.dims(), &device);
        let tape = (output.context.clone() * factors).sum().backward();
        let gradient = x.grad(&tape).expect("a gradient");
        let weights = vector(output.weights.expect("asked for"));
        let parameters = gradients(&layer, "attention", tape);
        (
            [vector(output.context), weights, vector(gradient)],
            parameters,
        )
    };
    let forms = [
        plain.clone().with_dropout(0.3),
        plain
            .clone()
            .with_n_kv_heads(Some(1))
            .with_query_key_norm(true),
        plain.with_normalizer(Normalizer::Sparsemax),
    ];
    let padding = AttentionMask::key_lengths(vec![41, 23]);
    for config in forms {
        for mask in [
            padding.clone(),
            padding.clone().and(AttentionMask::causal()),
        ] {
            let windowed = config.clone().with_window(Some(2));
            let (got, got_gradients) = run(&windowed, mask.clone());
            let with_window = mask.and(AttentionMask::window(2, 2));
            let (expected, expected_gradients) = run(&config, with_window);
            for (got, expected) in got.iter().zip(&expected) {
                assert_close(got, expected, 1e-5, &format!("{config}"));
            }
            assert_all_close(
                &got_gradients,
                &expected_gradients,
                1e-5,
                &format!("{config}"),
            );
        }
    }
}

mod cross_attention {
    use super::*;

    fn subjects(device: &Device) -> Vec<Subject<MultiHeadCrossAttention>> {
        let promises = Promises::of_cross_attention();
        let init = Init::new(1, device);
        let configs = configs().into_iter();
        configs
            .map(|(name, config)| subject(name, config.init_cross(&init), promises))
            .collect()
    }

    kinds::tests!(super::cross_attention::subjects);
}

mod parity {
    //! Held to `scripts/parity/attention.py`.

    use super::*;
    use crate::case::Case;
    use regard_nn::{AttentionOptions, Graph, attention};

    const FIXTURE: &[u8] = include_bytes!("../../fixtures/attention.safetensors");

    const B: usize = 2;
    const T: usize = 7;
    const S: usize = 11;
    const H: usize = 6;
    const H_KV: usize = 3;
    const K: usize = 5;
    const K_V: usize = 3;
    const D: usize = H * K;

    fn input<const R: usize>(name: &str, shape: [usize; R]) -> Tensor<R> {
        numbers(name, shape, &crate::device().autodiff()).require_grad()
    }

    fn padding() -> AttentionMask {
        AttentionMask::key_lengths(vec![S, 5])
    }

    #[test]
    fn every_mask_with_grouped_heads_and_a_bias() {
        let blocks = AttentionMask::blocks(&[vec![3, 5, 3]]);
        let masks = [
            ("function/none", AttentionMask::none()),
            ("function/causal", AttentionMask::causal()),
            ("function/padding", padding()),
            ("function/window", AttentionMask::window(2, 1)),
            ("function/blocks", blocks.clone()),
            (
                "function/causal_blocks",
                blocks.and(AttentionMask::causal()),
            ),
        ];
        for (name, mask) in masks {
            let query = input("query", [B, T, H * K]);
            let key = input("key", [B, S, H_KV * K]);
            let value = input("value", [B, S, H_KV * K_V]);
            let bias = input("bias", [1, H, T, S]);
            let options = AttentionOptions {
                mask,
                bias: Some(bias.clone()),
                weights: true,
                ..AttentionOptions::new(H)
            };
            let y = attention(query.clone(), key.clone(), value.clone(), options);
            let case = Case::new(FIXTURE, name).result("weights", y.weights.expect("asked for"));
            let case = case.output(y.context).input("bias", &bias);
            let case = case.input("query", &query).input("key", &key);
            case.input("value", &value).check_inputs();
        }
    }

    #[test]
    fn a_graph() {
        let query = input("query", [B, S, K]);
        let key = input("key", [B, S, K]);
        let value = input("value", [B, S, K_V]);
        let edges = [[0, 5], [3, 5], [10, 5], [4, 7], [7, 7], [2, 10]];
        let options = AttentionOptions {
            mask: AttentionMask::graph([Graph::new(S, &edges)]),
            ..AttentionOptions::new(1)
        };
        let y = attention(query.clone(), key.clone(), value.clone(), options);
        let case = Case::new(FIXTURE, "function/graph").output(y.context);
        let case = case.input("query", &query).input("key", &key);
        case.input("value", &value).check_inputs();
    }

    #[test]
    fn grouped_heads_and_cosines_with_parameters() {
        let config =
            |n_kv_heads| MultiHeadAttentionConfig::new(D, H).with_n_kv_heads(Some(n_kv_heads));
        let forms = [
            (["self/multi_query", "cross/multi_query"], config(1)),
            (
                ["self/grouped", "cross/grouped"],
                config(H_KV).with_bias(false),
            ),
            (
                ["self/cosine", "cross/cosine"],
                config(H_KV).with_query_key_norm(true),
            ),
        ];
        let init = Init::new(0, &crate::device().autodiff());
        let pass = Pass::evaluation().with_attention();
        for ([self_name, cross_name], config) in forms {
            let x = input("x", [B, T, D]);
            let layer = fill(config.init_self(&init), "attention");
            let y = layer.forward(x.clone(), &AttentionMask::causal(), &pass);
            let case = Case::new(FIXTURE, self_name);
            let case = case.result("weights", y.weights.expect("asked for"));
            case.output(y.context)
                .input("x", &x)
                .check(&layer, "attention");

            let (x, memory) = (input("x", [B, T, D]), input("memory", [B, S, D]));
            let layer = fill(config.init_cross(&init), "attention");
            let y = layer.forward(x.clone(), memory.clone(), &padding(), &pass);
            let case = Case::new(FIXTURE, cross_name);
            let case = case.result("weights", y.weights.expect("asked for"));
            let case = case
                .output(y.context)
                .input("x", &x)
                .input("memory", &memory);
            case.check(&layer, "attention");
        }
    }
}
