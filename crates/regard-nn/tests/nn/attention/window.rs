//! Attention in a window, which is attention under a mask with a window.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use regard_kernels::Draws;
use regard_nn::{
    AttentionMask, AttentionOptions, AttentionOutput, Graph, Init, Key, KeyValueCache, Layout,
    MultiHeadAttentionConfig, MultiHeadSelfAttention, Pass, attention, sliding_window_attention,
};

use crate::case::Case;
use crate::formula::{fill, numbers};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{assert_close, vector};

/// Multi-head self-attention that sees a window only.
#[derive(Module, Debug)]
struct Windowed {
    heads: MultiHeadSelfAttention,
    before: usize,
    after: usize,
}

impl Kind for Windowed {
    fn attend(
        &self,
        query: Tensor<3>,
        _: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let [batch, length, width] = query.dims();
        let layout = Layout::dense(batch, length);
        let qkv = layout.unflatten(self.heads.qkv.forward(query.flatten(0, 1)));
        let part = |i: usize| qkv.clone().slice_dim(2, i * width..(i + 1) * width);
        let options = AttentionOptions {
            mask: self.mask(mask),
            weights: pass.wants_attention(),
            ..AttentionOptions::new(H)
        };
        let attended = sliding_window_attention(part(0), part(1), part(2), options);
        let context = self.heads.output.forward(attended.context.flatten(0, 1));
        AttentionOutput {
            context: layout.unflatten(context),
            ..attended
        }
    }

    fn mask(&self, mask: AttentionMask) -> AttentionMask {
        mask.and(AttentionMask::window(self.before, self.after))
    }

    /// Decoding needs no form of its own: attention over a cache, with the window in the mask.
    fn step_by_step(&self, query: Tensor<3>, _: Tensor<3>) -> Option<Tensor<3>> {
        let [batch, length, _] = query.dims();
        let layout = Layout::dense(batch, 1);
        let mut cache = KeyValueCache::default();
        let steps = (0..length).map(|t| {
            let x = query.clone().slice([0..batch, t..t + 1]).flatten(0, 1);
            let (mask, pass) = (self.mask(AttentionMask::causal()), Pass::evaluation());
            let (context, _) = self
                .heads
                .attend(x, &layout, mask, None, Some(&mut cache), &pass);
            layout.unflatten(context.value())
        });
        Some(Tensor::cat(steps.collect(), 1))
    }

    fn context_of_nothing(&self) -> Vec<f32> {
        vector(
            self.heads
                .output
                .bias
                .as_ref()
                .map(Param::val)
                .expect("a bias"),
        )
    }
}

fn subjects(device: &Device) -> Vec<Subject<Windowed>> {
    // The last reaches over everything.
    let windows = [(0, 0), (1, 0), (1, 1), (0, 2), (20, 0)];
    let subject = |(before, after)| {
        let heads = MultiHeadAttentionConfig::new(D, H).init_self(&Init::new(1, device));
        let kind = Windowed {
            heads: fill(heads, "attention"),
            before,
            after,
        };
        Subject {
            name: format!("window {before}, {after}"),
            kind,
            promises: Promises {
                unordered: false,
                draws: false,
                ..Promises::of_self_attention()
            },
        }
    };
    windows.into_iter().map(subject).collect()
}

kinds::tests!(super::window::subjects);

fn draws() -> Draws {
    Draws {
        key: Key::new(3),
        first_row: 5,
    }
}

/// Context, weights and gradients of query, key and value.
fn run(
    attention: fn(Tensor<3>, Tensor<3>, Tensor<3>, AttentionOptions) -> AttentionOutput,
    [t, key_heads]: [usize; 2],
    options: AttentionOptions,
) -> [Vec<f32>; 5] {
    let device = crate::device().autodiff();
    let inputs = [
        ("query", options.n_heads * 5),
        ("key", key_heads * 5),
        ("value", key_heads * 2),
    ];
    let inputs = inputs.map(|(name, width)| numbers(name, [3, t, width], &device).require_grad());
    let [query, key, value] = inputs.clone();
    let output = attention(query, key, value, options);
    let factors = numbers("loss", output.context.dims(), &device);
    let tape = (output.context.clone() * factors).sum().backward();
    let weights = output.weights.map_or_else(Vec::new, vector);
    let [query, key, value] = inputs.map(|x| vector(x.grad(&tape).expect("a gradient")));
    [vector(output.context), weights, query, key, value]
}

#[test]
fn contexts_weights_and_gradients_are_those_of_attention_under_the_same_mask() {
    const EVERYTHING: usize = usize::MAX;
    let windows = [
        (0, 0),
        (1, 0),
        (0, 3),
        (3, 2),
        (5, 5),
        (16, 0),
        (4, 13),
        (EVERYTHING, 0),
    ];
    for t in [1, 2, 7, 17, 41, 53] {
        let rules = [
            AttentionMask::none(),
            AttentionMask::causal(),
            AttentionMask::key_lengths(vec![t, t / 2, 0]),
            AttentionMask::blocks(&[vec![t / 3, t / 2], vec![t], vec![1, t / 2]]),
        ];
        for (before, after) in windows {
            for rule in &rules {
                let mask = rule.clone().and(AttentionMask::window(before, after));
                let options = AttentionOptions {
                    mask: mask.clone(),
                    scale: Some(0.9),
                    weights: t < 20,
                    dropout: (t % 2 == 1).then_some((0.3, draws())),
                    ..AttentionOptions::new(H)
                };
                let got = run(sliding_window_attention, [t, H], options.clone());
                let expected = run(attention, [t, H], options);
                for (got, expected) in got.iter().zip(&expected) {
                    assert_close(got, expected, 1e-5, &format!("T {t}, {mask:?}"));
                }
            }
        }
    }
}

#[test]
fn heads_of_queries_may_share_a_head_of_keys() {
    for (n_heads, key_heads) in [(3, 1), (6, 2), (6, 3)] {
        let options = AttentionOptions {
            mask: AttentionMask::window(4, 3),
            weights: true,
            ..AttentionOptions::new(n_heads)
        };
        let got = run(sliding_window_attention, [41, key_heads], options.clone());
        let expected = run(attention, [41, key_heads], options);
        for (got, expected) in got.iter().zip(&expected) {
            let what = format!("{n_heads} heads share {key_heads}");
            assert_close(got, expected, 1e-5, &what);
        }
    }
}

#[test]
fn dropout_is_the_same_in_a_longer_batch_and_with_maps_on_request() {
    let device = crate::device();
    let x = numbers("x", [2, 61, 15], &device);
    let run = |length: usize, p: f64, weights: bool| {
        let x = x.clone().slice([0..2, 0..length]);
        let mask = AttentionMask::window(3, 2).and(AttentionMask::key_lengths(vec![29, 29]));
        let options = AttentionOptions {
            mask,
            dropout: Some((p, draws())),
            weights,
            ..AttentionOptions::new(H)
        };
        let context = sliding_window_attention(x.clone(), x.clone(), x, options).context;
        vector(context.slice([0..2, 0..29]))
    };
    let dropped = run(29, 0.3, false);
    assert_ne!(dropped, run(29, 0.0, false));
    assert_close(&run(61, 0.3, false), &dropped, 1e-6, "longer");
    assert_eq!(run(29, 0.3, true), dropped);
}

const FIXTURE: &[u8] = include_bytes!("../../fixtures/long.safetensors");

#[test]
fn parity() {
    let device = crate::device().autodiff();
    let [before, after] = [3, 2];
    let causal = AttentionMask::causal().and(AttentionMask::window(before, 0));
    let padded = AttentionMask::key_lengths(vec![41, 39]);
    let cases = [
        ("window/causal", causal, H),
        (
            "window/padded",
            padded.and(AttentionMask::window(before, after)),
            H,
        ),
        ("window/grouped", AttentionMask::window(before, after), 1),
    ];
    for (name, mask, key_heads) in cases {
        let widths = [
            ("query", H * 5),
            ("key", key_heads * 5),
            ("value", key_heads * 7),
        ];
        let inputs =
            widths.map(|(name, width)| numbers(name, [2, 41, width], &device).require_grad());
        let [query, key, value] = inputs.clone();
        let options = AttentionOptions {
            mask,
            weights: name == "window/padded",
            ..AttentionOptions::new(H)
        };
        let output = sliding_window_attention(query, key, value, options);
        let mut case = Case::new(FIXTURE, name);
        if let Some(weights) = output.weights {
            case = case.result("weights", weights);
        }
        let mut case = case.output(output.context);
        for ((name, _), input) in widths.iter().zip(&inputs) {
            case = case.input(name, input);
        }
        case.check_inputs();
    }
}

fn refused(dims: [[usize; 3]; 3], mask: AttentionMask, bias: Option<Tensor<4>>) {
    let [query, key, value] = dims.map(|dims| Tensor::zeros(dims, &crate::device()));
    let options = AttentionOptions {
        mask,
        bias,
        ..AttentionOptions::new(2)
    };
    sliding_window_attention(query, key, value, options);
}

#[test]
#[should_panic(
    expected = "sliding_window_attention: expected query [B, T, H K], key [B, S, H_kv K], value [B, S, H_kv K_v] with \
                H = 2 and H_kv a divisor of it, got [1, 3, 4], [1, 3, 3], [1, 3, 4]"
)]
fn another_width_of_keys() {
    let dims = [[1, 3, 4], [1, 3, 3], [1, 3, 4]];
    refused(dims, AttentionMask::window(1, 1), None);
}

#[test]
#[should_panic(
    expected = "sliding_window_attention: expected as many keys as queries, got 4 and 3"
)]
fn another_number_of_keys() {
    let dims = [[1, 3, 4], [1, 4, 4], [1, 4, 4]];
    refused(dims, AttentionMask::window(1, 1), None);
}

#[test]
#[should_panic(expected = "sliding_window_attention: expected no bias")]
fn a_bias() {
    let bias = Tensor::zeros([1, 1, 3, 3], &crate::device());
    refused([[1, 3, 4]; 3], AttentionMask::window(1, 1), Some(bias));
}

#[test]
#[should_panic(expected = "sliding_window_attention: a graph fits in no window; call attention")]
fn a_graph() {
    let mask = AttentionMask::window(1, 1).and(AttentionMask::graph([Graph::new(3, &[])]));
    refused([[1, 3, 4]; 3], mask, None);
}

#[test]
#[should_panic(expected = "attention: mask for 2 rows, batch of 1")]
fn another_number_of_rows() {
    refused(
        [[1, 30, 4]; 3],
        AttentionMask::key_lengths(vec![1, 2]),
        None,
    );
}
