//! Attention that selects one position.

mod estimators;
#[path = "../../../examples/hard_attention/lookup.rs"]
mod lookup;
mod refusals;

use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, AttentionOutput, HardAttention, HardAttentionConfig, HardAttentionOptions,
    HardEstimator, Init, Key, Linear, Pass, ReinforceLossConfig, hard_attention,
    hard_attention_from_scores,
};

use crate::case::Case;
use crate::formula::{fill, numbers};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{gradients, vector};

const ESTIMATORS: [HardEstimator; 2] = [
    HardEstimator::StraightThrough { temperature: 0.7 },
    HardEstimator::Reinforce,
];

impl Kind for HardAttention {
    fn attend(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.forward(query, memory, &mask, pass).attention
    }

    fn step_by_step(&self, query: Tensor<3>, memory: Tensor<3>) -> Option<Tensor<3>> {
        let key_value = self.project(memory);
        let step = |query| {
            let mask = AttentionMask::none();
            let output = self.attend(query, key_value.clone(), &mask, &Pass::evaluation());
            output.attention.context
        };
        let queries = query.clone().chunk(query.dims()[1], 1);
        Some(Tensor::cat(queries.into_iter().map(step).collect(), 1))
    }

    fn context_of_nothing(&self) -> Vec<f32> {
        vector(self.output.bias.as_ref().expect("a bias").val())
    }
}

fn layer(estimator: HardEstimator, device: &Device) -> HardAttention {
    let config = HardAttentionConfig::new(D, D, H).with_estimator(estimator);
    fill(config.init(&Init::new(1, device)), "attention")
}

fn subjects(device: &Device) -> Vec<Subject<HardAttention>> {
    let subject = |estimator| Subject {
        name: format!("{estimator:?}"),
        kind: layer(estimator, device),
        promises: Promises::of_cross_attention(),
    };
    ESTIMATORS.map(subject).into()
}

kinds::tests!(subjects);

/// Scores of one query, and values that tell where they stand.
fn select(scores: &[f32], mask: AttentionMask) -> [Vec<f32>; 2] {
    let s = scores.len();
    let device = crate::device();
    let scores = Tensor::<1>::from_floats(scores, &device).reshape([1, 1, 1, s]);
    let value = Tensor::<1>::from_floats(&[10.0, 20.0, 30.0, 40.0][..s], &device);
    let options = HardAttentionOptions {
        mask,
        weights: true,
        ..HardAttentionOptions::new(1, HardEstimator::Reinforce)
    };
    let output = hard_attention_from_scores(scores, value.reshape([1, s, 1]), options).attention;
    [
        vector(output.context),
        vector(output.weights.expect("asked for")),
    ]
}

#[test]
fn the_best_visible_key_is_selected_and_of_equal_ones_the_first() {
    let length = |n: usize| AttentionMask::key_lengths(vec![n]);
    let first = |n: usize| vec![(n + 1) as f32 * 10.0];
    for (scores, mask, expected) in [
        ([1.0, 3.0, 2.0, 5.0], AttentionMask::none(), 3),
        ([1.0, 3.0, 2.0, 5.0], length(3), 1),
        ([1.0, 3.0, 3.0, 2.0], AttentionMask::none(), 1),
        ([-9e9, -8e9, -8e9, 0.0], length(3), 1),
        ([0.0; 4], AttentionMask::none(), 0),
    ] {
        let [context, weights] = select(&scores, mask);
        let one_hot: Vec<f32> = (0..4).map(|i| f32::from(u8::from(i == expected))).collect();
        assert_eq!([context, weights], [first(expected), one_hot], "{scores:?}");
    }
    let [context, weights] = select(&[1.0, 3.0, 2.0, 5.0], length(0));
    assert_eq!([context, weights], [vec![0.0], vec![0.0; 4]]);
}

#[test]
fn weights_are_exactly_one_hot_in_training_too() {
    let device = crate::device().autodiff();
    for estimator in ESTIMATORS {
        let query = numbers("query", [2, 7, D], &device);
        let memory = numbers("memory", [2, 11, D], &device);
        let mask = AttentionMask::key_lengths(vec![11, 3]);
        let pass = Pass::training(Key::new(1), 0).with_attention();
        let output = layer(estimator, &device).forward(query, memory, &mask, &pass);
        let weights = vector(output.attention.weights.expect("asked for"));
        for (i, row) in weights.chunks(11).enumerate() {
            let visible = if i < H * 7 { 11 } else { 3 };
            assert_eq!(row.iter().filter(|&&weight| weight == 0.0).count(), 10);
            assert!(row[..visible].contains(&1.0), "{estimator:?}: {row:?}");
        }
    }
}

#[test]
fn an_example_meets_the_same_draws_in_every_batch() {
    let device = crate::device();
    let query = numbers("query", [4, 7, D], &device);
    let memory = numbers("memory", [4, 11, D], &device);
    let layer = layer(HardEstimator::Reinforce, &device);
    let run = |query, memory, lengths: &[usize], first_row| {
        let mask = AttentionMask::key_lengths(lengths);
        let pass = Pass::training(Key::new(1), first_row).with_attention();
        let output = layer.forward(query, memory, &mask, &pass);
        output.attention.weights.expect("asked for")
    };
    let whole = run(query.clone(), memory.clone(), &[11, 7, 5, 4], 0);
    let [rows, queries, keys] = [2..4, 0..3, 0..5];
    let query = query.slice([rows.clone(), queries.clone()]);
    let memory = memory.slice([rows.clone(), keys.clone()]);
    let part = |first_row| vector(run(query.clone(), memory.clone(), &[5, 4], first_row));
    let same = vector(whole.slice([rows, 0..H, queries, keys]));
    assert_eq!(part(2), same);
    assert_ne!(part(3), same);
}

#[test]
fn what_sees_nothing_has_no_part_in_training() {
    let device = crate::device().autodiff();
    for estimator in ESTIMATORS {
        let layer = layer(estimator, &device);
        let query = numbers("query", [2, 7, D], &device).require_grad();
        let memory = numbers("memory", [2, 11, D], &device).require_grad();
        let mask = AttentionMask::key_lengths(vec![0, 5]);
        let pass = Pass::training(Key::new(1), 0);
        let output = layer.forward(query.clone(), memory.clone(), &mask, &pass);
        for x in [&output.log_probability, &output.entropy] {
            assert!(vector(x.clone().slice(0..1)).iter().all(|&x| x == 0.0));
            assert!(vector(x.clone().slice(1..2)).iter().all(|&x| x != 0.0));
        }
        for context in vector(output.attention.context.clone().slice(0..1)).chunks(D) {
            assert_eq!(context, layer.context_of_nothing());
        }
        let loss = output.attention.context.sum() + (output.log_probability - output.entropy).sum();
        let tape = loss.backward();
        for input in [&query, &memory] {
            let gradient = input.grad(&tape).expect("a gradient");
            let [nothing, something] = [0..1, 1..2].map(|row| vector(gradient.clone().slice(row)));
            assert!(nothing.iter().all(|&x| x == 0.0), "{estimator:?}");
            assert!(something.iter().all(|x| x.is_finite()), "{estimator:?}");
        }
        for (name, gradient) in gradients(&layer, "", tape) {
            assert!(gradient.iter().all(|x| x.is_finite()), "{name}");
        }
    }
}

#[test]
fn either_estimator_learns_which_position_answers() {
    for estimator in [
        None,
        Some(HardEstimator::StraightThrough { temperature: 1.0 }),
        Some(HardEstimator::Reinforce),
    ] {
        let shares = lookup::learn(estimator, 2);
        assert!(
            shares.answered > 0.95 && shares.picked > 0.95,
            "{estimator:?}: {shares:?}"
        );
    }
}

mod parity {
    //! As in `scripts/parity/hard.py`.

    use super::*;

    const FIXTURE: &[u8] = include_bytes!("../../fixtures/hard.safetensors");
    const B: usize = 2;
    const T: usize = 7;
    const S: usize = 11;
    const K: usize = 5;
    const K_V: usize = 13;

    fn input<const R: usize>(name: &str, shape: [usize; R]) -> Tensor<R> {
        numbers(name, shape, &crate::device().autodiff()).require_grad()
    }

    fn masked() -> AttentionMask {
        AttentionMask::causal().and(AttentionMask::key_lengths(vec![S, 6]))
    }

    #[test]
    fn straight_through() {
        for (name, mask) in [
            ("straight_through/plain", AttentionMask::none()),
            ("straight_through/masked", masked()),
        ] {
            let [query, key] =
                [("query", T), ("key", S)].map(|(name, n)| input(name, [B, n, H * K]));
            let value = input("value", [B, S, H * K_V]);
            let noise = input("noise", [B, H, T, S]);
            let options = HardAttentionOptions {
                mask,
                noise: Some(noise.clone()),
                weights: true,
                ..HardAttentionOptions::new(H, ESTIMATORS[0])
            };
            let output = hard_attention(query.clone(), key.clone(), value.clone(), options);
            Case::new(FIXTURE, name)
                .result("weights", output.attention.weights.expect("asked for"))
                .result("log_probability", output.log_probability)
                .result("entropy", output.entropy)
                .output(output.attention.context)
                .input("query", &query)
                .input("key", &key)
                .input("value", &value)
                .input("noise", &noise)
                .check(&None::<Linear>, "");
        }
    }

    #[test]
    fn reinforce() {
        let device = crate::device().autodiff();
        let config = ReinforceLossConfig::new(K, H).with_entropy_weight(0.3);
        let reinforce = fill(config.init(&Init::new(1, &device)), "reinforce");
        for (name, mask) in [
            ("reinforce/plain", AttentionMask::none()),
            ("reinforce/masked", masked()),
        ] {
            let scores = input("scores", [B, H, T, S]);
            let value = input("value", [B, S, H * K_V]);
            let options = HardAttentionOptions {
                mask,
                noise: Some(numbers("noise", [B, H, T, S], &device)),
                ..HardAttentionOptions::new(H, HardEstimator::Reinforce)
            };
            let output = hard_attention_from_scores(scores.clone(), value.clone(), options);
            let context = output.attention.context.clone();
            let cost = context.square().sum_dim(2).reshape([B, T]);
            let state = numbers("state", [B, T, K], &device);
            let terms = reinforce.terms(state, cost.clone(), &output);
            Case::new(FIXTURE, name)
                .result("terms", terms.clone())
                .loss(&(cost + terms).sum())
                .input("scores", &scores)
                .input("value", &value)
                .check(&reinforce, "reinforce");
        }
    }
}
