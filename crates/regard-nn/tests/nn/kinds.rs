//! What holds for every kind of attention.
//!
//! `kinds::tests!(subjects)` in a module makes one test of each law; `subjects(&Device)` gives the [`Subject`]s, whose
//! parameters should come from [`fill`](crate::formula::fill).

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use regard_nn::{AttentionMask, AttentionOutput, Key, Pass};

use crate::formula::numbers;
use crate::parts::{assert_close, gradients, vector};

/// Width of queries, memory and context.
pub(crate) const D: usize = 15;
/// Number of heads, for kinds that have several.
pub(crate) const H: usize = 3;

const B: usize = 3;
const T: usize = 7;
const S: usize = 11;
const LENGTHS: [usize; B] = [S, 5, 1];
const TOLERANCE: f64 = 1e-5;

/// One kind of attention, called in the one way that every kind allows: `query: [B, T, D]` looks at `memory: [B, S, D]`,
/// from which keys and values are made. For self-attention they are the same tensor.
pub(crate) trait Kind: Module {
    fn attend(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput;

    /// The mask that it keeps when called with `mask`: with rules of its own, where it has some.
    fn mask(&self, mask: AttentionMask) -> AttentionMask {
        mask
    }

    /// The same under a causal mask (or over a memory without mask, for a kind that is no self-attention), with what a
    /// decoder keeps between its steps: contexts `[B, T, D]`, one query at a time. `None` for a kind that has no steps.
    fn step_by_step(&self, _query: Tensor<3>, _memory: Tensor<3>) -> Option<Tensor<3>> {
        None
    }

    /// What a query that sees no key gets, `[D]`; zeros, unless an output map adds its bias.
    fn context_of_nothing(&self) -> Vec<f32> {
        vec![0.0; D]
    }
}

/// What a kind promises; [`Promises::of_cross_attention`] and [`Promises::of_self_attention`] are the usual ones.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each law reads one")]
pub(crate) struct Promises {
    /// Queries are the memory: only square calls.
    pub(crate) self_attention: bool,
    /// It can be told not to see the future.
    pub(crate) causal: bool,
    /// Rows of weights sum to 1. `false` for the named exceptions only.
    pub(crate) distributions: bool,
    /// Positions play no part: the order of keys and values cannot matter.
    pub(crate) unordered: bool,
    /// It can hand back weights of single pairs.
    pub(crate) weights: bool,
}

impl Promises {
    pub(crate) fn of_cross_attention() -> Self {
        Self {
            self_attention: false,
            causal: true,
            distributions: true,
            unordered: true,
            weights: true,
        }
    }

    pub(crate) fn of_self_attention() -> Self {
        Self {
            self_attention: true,
            unordered: false,
            ..Self::of_cross_attention()
        }
    }
}

/// A kind and what to call it when it fails.
pub(crate) struct Subject<K> {
    pub(crate) name: String,
    pub(crate) kind: K,
    pub(crate) promises: Promises,
}

macro_rules! tests {
    ($subjects:path) => {
        crate::kinds::tests!(@each $subjects, burn::tensor::Device::flex(),
            weights_are_distributions_over_what_is_visible
            maps_on_request_change_nothing
            a_blocked_key_cannot_matter
            the_future_cannot_matter
            the_order_of_keys_cannot_matter
            step_by_step_is_all_at_once
            a_row_alone_is_the_row_in_a_batch
        );
        crate::kinds::tests!(@each $subjects, burn::tensor::Device::flex().autodiff(),
            nothing_visible_gives_zeros_and_finite_gradients
            large_scores_stay_finite
            a_pass_repeats_its_draws
        );
    };
    (@each $subjects:path, $device:expr, $($law:ident)*) => {
        $(
            #[test]
            fn $law() {
                let device: burn::tensor::Device = $device;
                for subject in $subjects(&device) {
                    crate::kinds::$law(&subject, &device);
                }
            }
        )*
    };
}
pub(crate) use tests;

impl<K: Kind> Subject<K> {
    /// Queries and memory.
    fn inputs(&self, device: &Device) -> [Tensor<3>; 2] {
        let memory = numbers("memory", [B, S, D], device);
        if self.promises.self_attention {
            [memory.clone(), memory]
        } else {
            [numbers("query", [B, T, D], device), memory]
        }
    }

    /// Padding; and the future, where the kind can be told not to see it.
    fn masks(&self) -> Vec<AttentionMask> {
        let padding = AttentionMask::key_lengths(LENGTHS.to_vec());
        let mut masks = vec![AttentionMask::none(), padding.clone()];
        if self.promises.causal {
            masks.push(AttentionMask::causal());
            masks.push(AttentionMask::causal().and(padding));
        }
        masks
    }

    /// Contexts of evaluation. Of self-attention, the rows that are no padding.
    fn contexts(&self, query: Tensor<3>, memory: Tensor<3>, mask: &AttentionMask) -> Vec<Vec<f32>> {
        let pass = Pass::evaluation();
        let output = self.kind.attend(query, memory, mask.clone(), &pass);
        let [rows, t, width] = output.context.dims();
        let contexts = vector(output.context);
        let rows = contexts.chunks(t * width).zip(&LENGTHS[..rows]);
        rows.map(|(context, &length)| {
            let real = if self.promises.self_attention {
                length
            } else {
                t
            };
            context[..real * width].to_vec()
        })
        .collect()
    }
}

fn assert_rows_close(got: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    for (row, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_close(got, expected, TOLERANCE, &format!("{what}, row {row}"));
    }
}

/// The first rows of `x` as they are, those from `start` on times -3 and away from what they were.
fn changed_from(x: &Tensor<3>, starts: [usize; B]) -> Tensor<3> {
    let [batch, length, width] = x.dims();
    let mut rows = Vec::new();
    for (b, start) in starts.into_iter().enumerate().take(batch) {
        let row = x.clone().slice(b..b + 1);
        let kept = row.clone().slice([0..1, 0..start]);
        let changed = row.slice([0..1, start..length]) * -3.0 + 0.7;
        rows.push(match start {
            0 => changed,
            _ if start == length => kept,
            _ => Tensor::cat(vec![kept, changed], 1),
        });
    }
    Tensor::cat(rows, 0).reshape([batch, length, width])
}

pub(crate) fn weights_are_distributions_over_what_is_visible<K: Kind>(
    subject: &Subject<K>,
    device: &Device,
) {
    if !subject.promises.weights {
        return;
    }
    for mask in subject.masks() {
        let [query, memory] = subject.inputs(device);
        let pass = Pass::evaluation().with_attention();
        let output = subject.kind.attend(query, memory, mask.clone(), &pass);
        let mask = subject.kind.mask(mask);
        let weights = output.weights.expect("asked for");
        let [batch, heads, t, s] = weights.dims();
        assert_eq!([batch, s], [B, S], "{}", subject.name);
        for (i, row) in vector(weights).chunks(s).enumerate() {
            let (b, query) = (i / (heads * t), i % t);
            let what = format!("{}, {mask:?}, row {b}, query {query}", subject.name);
            let blocked = |key: usize| mask.is_blocked(b, query, key, [t, s]);
            for (key, &weight) in row.iter().enumerate() {
                assert!(weight.is_finite(), "{what}: {weight}");
                assert!(
                    !blocked(key) || weight == 0.0,
                    "{what}: {weight} on a blocked key"
                );
            }
            let sum: f32 = row.iter().sum();
            let expected = if (0..s).all(blocked) { 0.0 } else { 1.0 };
            if subject.promises.distributions {
                assert!(
                    (sum - expected).abs() < 1e-5,
                    "{what}: weights sum to {sum}"
                );
                assert!(row.iter().all(|&weight| weight >= 0.0), "{what}: {row:?}");
            }
        }
    }
}

pub(crate) fn maps_on_request_change_nothing<K: Kind>(subject: &Subject<K>, device: &Device) {
    for mask in subject.masks() {
        let [query, memory] = subject.inputs(device);
        let run = |pass: Pass| {
            let output = subject
                .kind
                .attend(query.clone(), memory.clone(), mask.clone(), &pass);
            assert_eq!(
                output.weights.is_some(),
                pass.wants_attention() && subject.promises.weights
            );
            vector(output.context)
        };
        let what = format!("{}, {mask:?}", subject.name);
        let plain = run(Pass::evaluation());
        assert_close(
            &run(Pass::evaluation().with_attention()),
            &plain,
            TOLERANCE,
            &what,
        );
    }
}

pub(crate) fn a_blocked_key_cannot_matter<K: Kind>(subject: &Subject<K>, device: &Device) {
    for mask in [
        AttentionMask::key_lengths(LENGTHS.to_vec()),
        AttentionMask::key_lengths(LENGTHS.to_vec()).and(AttentionMask::causal()),
    ] {
        if mask.is_causal() && !subject.promises.causal {
            continue;
        }
        let [query, memory] = subject.inputs(device);
        let other = changed_from(&memory, LENGTHS);
        let other_query = if subject.promises.self_attention {
            other.clone()
        } else {
            query.clone()
        };
        let expected = subject.contexts(query, memory, &mask);
        let got = subject.contexts(other_query, other, &mask);
        assert_eq!(got, expected, "{}, {mask:?}", subject.name);
    }
}

pub(crate) fn the_future_cannot_matter<K: Kind>(subject: &Subject<K>, device: &Device) {
    if !subject.promises.causal {
        return;
    }
    let start = 6;
    let [query, memory] = subject.inputs(device);
    let other = changed_from(&memory, [start; B]);
    let other_query = if subject.promises.self_attention {
        other.clone()
    } else {
        query.clone()
    };
    let run = |query: Tensor<3>, memory| {
        let t = query.dims()[1];
        let pass = Pass::evaluation();
        let context = subject
            .kind
            .attend(query, memory, AttentionMask::causal(), &pass)
            .context;
        // The queries that stand before `start`.
        vector(context.slice([0..B, 0..start + t - S]))
    };
    let (got, expected) = (run(other_query, other), run(query, memory));
    assert!(!got.is_empty());
    assert_close(&got, &expected, 1e-6, &subject.name);
}

pub(crate) fn the_order_of_keys_cannot_matter<K: Kind>(subject: &Subject<K>, device: &Device) {
    if !subject.promises.unordered {
        return;
    }
    let [query, memory] = subject.inputs(device);
    let order: Vec<i32> = (0..S)
        .map(|i| i32::try_from(i * 4 % S).expect("small"))
        .collect();
    let order = Tensor::<1, Int>::from_data(TensorData::new(order, [S]), device);
    let permuted = memory.clone().select(1, order);
    let mask = AttentionMask::none();
    let expected = subject.contexts(query.clone(), memory, &mask);
    assert_rows_close(
        &subject.contexts(query, permuted, &mask),
        &expected,
        &subject.name,
    );
}

pub(crate) fn step_by_step_is_all_at_once<K: Kind>(subject: &Subject<K>, device: &Device) {
    let [query, memory] = subject.inputs(device);
    let Some(stepped) = subject.kind.step_by_step(query.clone(), memory.clone()) else {
        return;
    };
    let mask = if subject.promises.self_attention {
        AttentionMask::causal()
    } else {
        AttentionMask::none()
    };
    let whole = subject
        .kind
        .attend(query, memory, mask, &Pass::evaluation());
    assert_close(
        &vector(stepped),
        &vector(whole.context),
        TOLERANCE,
        &subject.name,
    );
}

pub(crate) fn a_row_alone_is_the_row_in_a_batch<K: Kind>(subject: &Subject<K>, device: &Device) {
    for causal in [false, true] {
        // Without its padding a memory is shorter, and a query that is no part of it would stand elsewhere.
        if causal && !(subject.promises.causal && subject.promises.self_attention) {
            continue;
        }
        let with = |mask: AttentionMask| {
            if causal {
                mask.and(AttentionMask::causal())
            } else {
                mask
            }
        };
        let [query, memory] = subject.inputs(device);
        let mask = with(AttentionMask::key_lengths(LENGTHS.to_vec()));
        let batch = subject.contexts(query.clone(), memory.clone(), &mask);
        for (b, length) in LENGTHS.into_iter().enumerate() {
            let memory = memory.clone().slice([b..b + 1, 0..length]);
            let query = if subject.promises.self_attention {
                memory.clone()
            } else {
                query.clone().slice(b..b + 1)
            };
            let pass = Pass::evaluation();
            let mask = with(AttentionMask::none());
            let alone = subject.kind.attend(query, memory, mask, &pass).context;
            let what = format!("{}, causal {causal}, row {b}", subject.name);
            assert_close(&vector(alone), &batch[b], TOLERANCE, &what);
        }
    }
}

pub(crate) fn nothing_visible_gives_zeros_and_finite_gradients<K: Kind>(
    subject: &Subject<K>,
    device: &Device,
) {
    let mask = AttentionMask::key_lengths(vec![0, 5, S]);
    let [query, memory] = subject.inputs(device).map(Tensor::require_grad);
    let pass = Pass::evaluation();
    let context = subject
        .kind
        .attend(query.clone(), memory.clone(), mask, &pass)
        .context;
    let nothing = subject.kind.context_of_nothing();
    for got in vector(context.clone().slice(0..1)).chunks(D) {
        assert_eq!(got, nothing, "{}", subject.name);
    }
    assert_finite(subject, context, &[query, memory], "nothing visible");
}

pub(crate) fn large_scores_stay_finite<K: Kind>(subject: &Subject<K>, device: &Device) {
    for mask in subject.masks() {
        // Products of queries and keys reach 1e4 and more.
        let [query, memory] = subject
            .inputs(device)
            .map(|x| (x * 100.0).detach().require_grad());
        let pass = Pass::evaluation();
        let context = subject
            .kind
            .attend(query.clone(), memory.clone(), mask, &pass)
            .context;
        assert_finite(subject, context, &[query, memory], "large scores");
    }
}

fn assert_finite<K: Kind>(
    subject: &Subject<K>,
    context: Tensor<3>,
    inputs: &[Tensor<3>],
    what: &str,
) {
    let finite = |values: &[f32], name: &str| {
        let all = values.iter().all(|value| value.is_finite());
        assert!(all, "{}, {what}: {name}", subject.name);
    };
    finite(&vector(context.clone()), "context");
    let tape = context.sum().backward();
    for (input, name) in inputs.iter().zip(["query", "memory"]) {
        if let Some(gradient) = input.grad(&tape) {
            finite(&vector(gradient), &format!("gradient of {name}"));
        }
    }
    for (name, gradient) in gradients(&subject.kind, "", tape) {
        finite(&gradient, &format!("gradient of {name}"));
    }
}

pub(crate) fn a_pass_repeats_its_draws<K: Kind>(subject: &Subject<K>, device: &Device) {
    let run = || {
        let [query, memory] = subject.inputs(device);
        let pass = Pass::training(Key::new(5), 0);
        let context = subject
            .kind
            .attend(query, memory, AttentionMask::none(), &pass)
            .context;
        vector(context)
    };
    assert_eq!(run(), run(), "{}", subject.name);
}
