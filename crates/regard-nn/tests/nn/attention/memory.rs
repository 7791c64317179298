//! Self-attention with learned slots beside the sequence.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, AttentionOptions, AttentionOutput, Graph, Init, KeyValueCache, Layout,
    MemorySelfAttention, MemorySelfAttentionConfig, Pass, attention, memory_attention,
};

use crate::case::Case;
use crate::formula::{fill, numbers, parameter};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{assert_close, replace, vector};

const FIXTURE: &[u8] = include_bytes!("../../fixtures/memory.safetensors");
const T: usize = 7;

/// Self-attention with slots, seen without them: weights are those of the sequence, which do not sum to 1.
///
/// What a query takes that sees nothing of the sequence is the mean of the slots, which depends on the query: unless there
/// is one slot, or all have the same value. So the subjects are one slot, and several with a value of zero.
impl Kind for MemorySelfAttention {
    fn attend(
        &self,
        query: Tensor<3>,
        _: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let output = self.forward(query, &mask, pass);
        let of_the_sequence = |weights: Tensor<4>| {
            let ([_, _, t, keys], [slots, _]) = (weights.dims(), self.slot_key.dims());
            assert_eq!(keys, slots + t);
            weights.narrow(3, slots, t)
        };
        AttentionOutput {
            weights: output.weights.map(of_the_sequence),
            ..output
        }
    }

    fn step_by_step(&self, query: Tensor<3>, _: Tensor<3>) -> Option<Tensor<3>> {
        let [batch, length, _] = query.dims();
        let mut cache = KeyValueCache::default();
        let step = |t: usize| {
            let x = query.clone().narrow(1, t, 1).flatten(0, 1);
            let layout = Layout::dense(batch, 1);
            let mask = AttentionMask::causal();
            let pass = Pass::evaluation();
            let (context, _) = self.attend(x, &layout, mask, Some(&mut cache), &pass);
            layout.unflatten(context.value())
        };
        Some(Tensor::cat((0..length).map(step).collect(), 1))
    }

    fn context_of_nothing(&self) -> Vec<f32> {
        vector(self.output.forward(self.slot_value.val().narrow(0, 0, 1)))
    }
}

fn layer(slots: usize, device: &Device) -> MemorySelfAttention {
    let config = MemorySelfAttentionConfig::new(D, H, slots).with_dropout(0.3);
    fill(config.init(&Init::new(1, device)), "memory")
}

fn subjects(device: &Device) -> Vec<Subject<MemorySelfAttention>> {
    let promises = Promises {
        distributions: false,
        ..Promises::of_self_attention()
    };
    let subject = |name: &str, kind| Subject {
        name: name.into(),
        kind,
        promises,
    };
    let without_values = replace(layer(4, device), "memory", |name, old| {
        if name == "memory.slot_value" {
            vec![0.0; old.len()]
        } else {
            parameter(name, old.len())
        }
    });
    vec![
        subject("one slot", layer(1, device)),
        subject("four slots of value zero", without_values),
    ]
}

kinds::tests!(super::memory::subjects);

#[test]
fn one_slot_is_pytorchs_bias_of_keys_and_values() {
    parity("slots/one", 1, &AttentionMask::causal());
}

#[test]
fn several_slots_are_the_papers_formula() {
    let padding = AttentionMask::key_lengths(vec![T, 3]);
    parity("slots/several", 17, &AttentionMask::causal().and(padding));
}

fn parity(name: &'static str, slots: usize, mask: &AttentionMask) {
    let device = crate::device().autodiff();
    let memory = layer(slots, &device);
    let x = numbers("x", [2, T, D], &device).require_grad();
    let y = memory.forward(x.clone(), mask, &Pass::evaluation().with_attention());
    Case::new(FIXTURE, name)
        .result("weights", y.weights.expect("asked for"))
        .output(y.context)
        .input("x", &x)
        .check(&memory, "memory");
}

/// Query, key, value `[2, T, 6]`; slots `[3, 6]`.
fn operands(device: &Device) -> ([Tensor<3>; 3], [Tensor<2>; 2]) {
    let sequence = ["query", "key", "value"].map(|name| numbers(name, [2, T, 6], device));
    let slots = ["slot_key", "slot_value"].map(|name| numbers(name, [3, 6], device));
    (sequence, slots)
}

fn run(mask: AttentionMask, bias: Option<Tensor<4>>, device: &Device) -> AttentionOutput {
    let ([query, key, value], [slot_key, slot_value]) = operands(device);
    let options = AttentionOptions {
        mask,
        bias,
        weights: true,
        ..AttentionOptions::new(2)
    };
    memory_attention(query, key, value, slot_key, slot_value, options)
}

#[test]
fn without_a_mask_slots_are_as_good_as_positions() {
    let device = crate::device();
    let ([query, key, value], slots) = operands(&device);
    let [slot_key, slot_value] = slots.map(|slot| slot.unsqueeze::<3>().repeat_dim(0, 2));
    let key = Tensor::cat(vec![slot_key, key], 1);
    let value = Tensor::cat(vec![slot_value, value], 1);
    let options = AttentionOptions {
        weights: true,
        ..AttentionOptions::new(2)
    };
    let expected = attention(query, key, value, options);
    let got = run(AttentionMask::none(), None, &device);
    let weights = |output: &AttentionOutput| vector(output.weights.clone().expect("asked for"));
    assert_close(&weights(&got), &weights(&expected), 1e-6, "weights");
    assert_close(
        &vector(got.context),
        &vector(expected.context),
        1e-6,
        "context",
    );
}

#[test]
fn every_query_sees_every_slot_and_the_mask_speaks_of_the_sequence() {
    let device = crate::device();
    let graph = Graph::new(T, &[[0, 2], [4, 2], [6, 0], [1, 1]]);
    let masks = [
        AttentionMask::none(),
        AttentionMask::causal(),
        AttentionMask::window(1, 2),
        AttentionMask::causal().and(AttentionMask::window(2, 0)),
        AttentionMask::blocks(&[vec![3, 4], vec![2, 2]]),
        AttentionMask::key_lengths(vec![0, 5]),
        AttentionMask::graph([graph]).and(AttentionMask::key_lengths(vec![7, 3])),
    ];
    for mask in masks {
        let weights = run(mask.clone(), None, &device).weights.expect("asked for");
        assert_eq!(weights.dims(), [2, 2, T, 3 + T]);
        for (i, row) in vector(weights).chunks(3 + T).enumerate() {
            let (b, query) = (i / (2 * T), i % T);
            let (slots, sequence) = row.split_at(3);
            assert!(
                slots.iter().all(|&weight| weight > 0.0),
                "{mask:?}: {row:?}"
            );
            for (key, &weight) in sequence.iter().enumerate() {
                let blocked = mask.is_blocked(b, query, key, [T, T]);
                assert_eq!(weight == 0.0, blocked, "{mask:?}, query {query}, key {key}");
            }
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
        }
    }
}

#[test]
fn a_query_that_sees_nothing_of_the_sequence_attends_to_the_slots_alone() {
    let device = crate::device();
    let ([query, _, _], slots) = operands(&device);
    let [slot_key, slot_value] = slots.map(Tensor::unsqueeze::<3>);
    let query = query.narrow(0, 0, 1);
    let expected = attention(query, slot_key, slot_value, AttentionOptions::new(2)).context;
    let mask = AttentionMask::key_lengths(vec![0, 5]);
    let got = run(mask, None, &device).context.narrow(0, 0, 1);
    assert_close(&vector(got), &vector(expected), 1e-6, "context");
}

#[test]
fn a_bias_speaks_of_the_sequence_with_and_without_a_mask() {
    let device = crate::device();
    // The same for every key: it moves weight between slots and sequence by a known factor.
    let bias = Tensor::<4>::full([1, 1, 1, 1], 2_f64.ln(), &device);
    for mask in [AttentionMask::none(), AttentionMask::causal()] {
        let rows = |bias| {
            let weights = run(mask.clone(), bias, &device).weights.expect("asked for");
            let odds = |row: &[f32]| {
                let (slots, sequence) = row.split_at(3);
                sequence.iter().sum::<f32>() / slots.iter().sum::<f32>()
            };
            vector(weights).chunks(3 + T).map(odds).collect::<Vec<_>>()
        };
        let doubled: Vec<f32> = rows(None).iter().map(|odds| 2.0 * odds).collect();
        assert_close(
            &rows(Some(bias.clone())),
            &doubled,
            1e-5,
            &format!("{mask:?}"),
        );
    }
}

#[test]
#[should_panic(
    expected = "MemorySelfAttention: expected d_model to be a multiple of n_heads = 2 and at least one slot, got 4 and 0 slots"
)]
fn no_slots() {
    MemorySelfAttentionConfig::new(4, 2, 0).init(&Init::new(1, &crate::device()));
}

#[test]
#[should_panic(
    expected = "memory_attention: expected slots [M, H K] and [M, H K_v] with M > 0 for keys [1, 3, 4] and values [1, 3, 4], got [2, 4] and [2, 5]"
)]
fn slots_of_another_width() {
    let device = crate::device();
    let x = Tensor::<3>::zeros([1, 3, 4], &device);
    let (key, value) = (
        Tensor::zeros([2, 4], &device),
        Tensor::zeros([2, 5], &device),
    );
    memory_attention(
        x.clone(),
        x.clone(),
        x,
        key,
        value,
        AttentionOptions::new(2),
    );
}

#[test]
#[should_panic(expected = "attention: mask for 2 rows, batch of 1")]
fn a_mask_for_another_number_of_rows() {
    let device = crate::device();
    let x = Tensor::<3>::zeros([1, 3, D], &device);
    let mask = AttentionMask::key_lengths(vec![3, 3]);
    layer(1, &device).forward(x, &mask, &Pass::evaluation());
}
