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
    /// Positions play no part: the order of keys and values cannot matter, and a sequence that attends to itself in another
    /// order gives the same contexts in that order.
    pub(crate) unordered: bool,
    /// It can hand back weights of single pairs.
    pub(crate) weights: bool,
    /// It draws something in training. `false` for what has no dropout, and for subjects that are made without.
    pub(crate) draws: bool,
}

impl Promises {
    pub(crate) fn of_cross_attention() -> Self {
        Self {
            self_attention: false,
            causal: true,
            distributions: true,
            unordered: true,
            weights: true,
            draws: true,
        }
    }

    pub(crate) fn of_self_attention() -> Self {
        Self {
            self_attention: true,
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
        crate::kinds::tests!(@each $subjects, crate::device(),
            weights_are_distributions_over_what_is_visible
            maps_on_request_change_nothing
            a_blocked_key_cannot_matter
            the_future_cannot_matter
            the_order_of_keys_cannot_matter
            step_by_step_is_all_at_once
            a_row_alone_is_the_row_in_a_batch
        );
        crate::kinds::tests!(@each $subjects, crate::device().autodiff(),
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
        let mut masks = vec![AttentionMask::none()];
        if self.promises.causal {
            masks.push(AttentionMask::causal());
        }
        masks.extend(self.padded_masks());
        masks
    }

    fn padded_masks(&self) -> Vec<AttentionMask> {
        let padding = AttentionMask::key_lengths(LENGTHS.to_vec());
        let mut masks = vec![padding.clone()];
        if self.promises.causal {
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

/// The same with one position of every row changed.
fn changed_at(x: &Tensor<3>, position: usize) -> Tensor<3> {
    let [batch, _, width] = x.dims();
    let ranges = [0..batch, position..position + 1, 0..width];
    let changed = x.clone().slice(ranges.clone()) * -3.0 + 0.7;
    x.clone().slice_assign(ranges, changed)
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
        let weights = output.weights.expect("asked for");
        assert_distributions(subject, mask, weights);
    }
}

/// Weights of a call with `mask` are finite, exactly 0 on blocked keys, and sum to 1 if that is promised.
fn assert_distributions<K: Kind>(subject: &Subject<K>, mask: AttentionMask, weights: Tensor<4>) {
    let mask = subject.kind.mask(mask);
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
    for mask in subject.padded_masks() {
        let inputs = subject.inputs(device);
        assert_blocked_keys_do_not_matter(subject, inputs.clone(), &mask);
        assert_visible_keys_matter(subject, inputs, &mask);
    }
}

/// What stands behind the lengths is changed, and no context with it.
fn assert_blocked_keys_do_not_matter<K: Kind>(
    subject: &Subject<K>,
    [query, memory]: [Tensor<3>; 2],
    mask: &AttentionMask,
) {
    let other = changed_from(&memory, LENGTHS);
    let other_query = if subject.promises.self_attention {
        other.clone()
    } else {
        query.clone()
    };
    let expected = subject.contexts(query, memory, mask);
    let got = subject.contexts(other_query, other, mask);
    assert_eq!(got, expected, "{}, {mask:?}", subject.name);
}

/// In each row some context changes with some key that its query may see. Of self-attention, a key other than the query
/// itself, wherever the mask shows one.
fn assert_visible_keys_matter<K: Kind>(
    subject: &Subject<K>,
    [query, memory]: [Tensor<3>; 2],
    mask: &AttentionMask,
) {
    let expected = subject.contexts(query.clone(), memory.clone(), mask);
    let rules = subject.kind.mask(mask.clone());
    let [t, s] = [query.dims()[1], S];
    let mut changes = vec![Vec::new(); B];
    for key in 0..S {
        let other = changed_at(&memory, key);
        let other_query = if subject.promises.self_attention {
            other.clone()
        } else {
            query.clone()
        };
        let got = subject.contexts(other_query, other, mask);
        for b in 0..B {
            let pairs = got[b].chunks(D).zip(expected[b].chunks(D)).enumerate();
            for (query, (got, expected)) in pairs {
                let is_itself = subject.promises.self_attention && query == key;
                if !rules.is_blocked(b, query, key, [t, s]) {
                    changes[b].push((is_itself, got != expected));
                }
            }
        }
    }
    for (b, changes) in changes.iter().enumerate() {
        let none_other = changes.iter().all(|&(is_itself, _)| is_itself);
        let matters = |&(is_itself, changed): &(bool, bool)| changed && (none_other || !is_itself);
        let what = format!("{}, {mask:?}, row {b}", subject.name);
        assert!(
            changes.iter().any(matters),
            "{what}: no visible key matters"
        );
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
    let (got, expected) = (run(other_query, other), run(query.clone(), memory.clone()));
    assert!(!got.is_empty());
    assert_close(&got, &expected, 1e-6, &subject.name);
    assert_visible_keys_matter(subject, [query, memory], &AttentionMask::causal());
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
    let permuted = memory.clone().select(1, order.clone());
    let (mask, pass) = (AttentionMask::none(), Pass::evaluation());
    let run = |query, memory| {
        subject
            .kind
            .attend(query, memory, mask.clone(), &pass)
            .context
    };
    let expected = run(query.clone(), memory);
    let (got, expected) = if subject.promises.self_attention {
        (run(permuted.clone(), permuted), expected.select(1, order))
    } else {
        (run(query, permuted), expected)
    };
    assert_close(&vector(got), &vector(expected), TOLERANCE, &subject.name);
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

/// Inputs a hundred times as large: products of queries and keys reach 1e4 and more. Scores behind a `tanh` (additive,
/// concat, pooling) and cosines stay bounded all the same; of those kinds this says that the way to the score holds.
pub(crate) fn large_scores_stay_finite<K: Kind>(subject: &Subject<K>, device: &Device) {
    for mask in subject.masks() {
        let [query, memory] = subject
            .inputs(device)
            .map(|x| (x * 100.0).detach().require_grad());
        let pass = Pass::evaluation().with_attention();
        let output = subject
            .kind
            .attend(query.clone(), memory.clone(), mask.clone(), &pass);
        if let Some(weights) = output.weights {
            assert_distributions(subject, mask.clone(), weights);
        }
        let pass = Pass::evaluation();
        let context = subject
            .kind
            .attend(query.clone(), memory.clone(), mask, &pass)
            .context;
        assert_finite(subject, context, &[query, memory], "large scores");
    }
    for mask in subject.padded_masks() {
        let inputs = subject.inputs(device).map(|x| x * 100.0);
        assert_blocked_keys_do_not_matter(subject, inputs, &mask);
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
    let run = |pass: Pass| {
        let [query, memory] = subject.inputs(device);
        let mask = AttentionMask::none();
        vector(subject.kind.attend(query, memory, mask, &pass).context)
    };
    let training = |key| run(Pass::training(Key::new(key), 0));
    let first = training(5);
    assert_eq!(training(5), first, "{}", subject.name);
    let (other, evaluation) = (training(6), run(Pass::evaluation()));
    assert_eq!(other != first, subject.promises.draws, "{}", subject.name);
    assert_eq!(
        evaluation != first,
        subject.promises.draws,
        "{}",
        subject.name
    );
}
