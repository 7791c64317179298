//! Self-attention that knows the order by one scheme alone is held to the laws of every kind.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, AttentionOutput, Init, KeyValueCache, Layout, Linear, Pass,
    RelativeBucketsConfig, RelativeVectorsConfig, Rotary, RotaryPairing,
};

use super::Scheme;
use crate::formula::{fill, numbers};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{relative_difference, vector};

#[derive(Module, Debug)]
struct Ordered {
    query: Linear,
    key: Linear,
    value: Linear,
    scheme: Scheme,
}

impl Ordered {
    /// Queries, keys and values of the positions from `offset` on.
    fn project(&self, x: &Tensor<3>, offset: usize) -> [Tensor<3>; 3] {
        let [batch, length, _] = x.dims();
        let layout = Layout::dense(batch, length);
        let project = |map: &Linear| layout.unflatten(map.forward(x.clone().flatten(0, 1)));
        let [query, key] =
            [&self.query, &self.key].map(|map| self.scheme.turned(project(map), offset));
        [query, key, project(&self.value)]
    }
}

impl Kind for Ordered {
    fn attend(
        &self,
        query: Tensor<3>,
        _: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let projected = self.project(&query, 0);
        self.scheme.attend(projected, mask, pass.wants_attention())
    }

    /// Keys are kept as they were turned when they were new.
    fn step_by_step(&self, query: Tensor<3>, _: Tensor<3>) -> Option<Tensor<3>> {
        let [batch, length, _] = query.dims();
        let (mut keys, mut values) = (KeyValueCache::default(), KeyValueCache::default());
        let step = |t: usize| {
            let x = query.clone().slice([0..batch, t..t + 1]);
            let [query, key, value] = self.project(&x, t);
            // Keys may be narrower than values, so each has a cache of its own.
            let (key, _) = keys.append(key.clone(), key);
            let (value, _) = values.append(value.clone(), value);
            let projected = [query, key, value];
            self.scheme
                .attend(projected, AttentionMask::causal(), false)
                .context
        };
        Some(Tensor::cat((0..length).map(step).collect(), 1))
    }
}

fn subjects(device: &Device) -> Vec<Subject<Ordered>> {
    let init = Init::new(1, device);
    let rotary = |pairing| Scheme {
        rotary: Some(Rotary {
            pairing,
            ..Rotary::default()
        }),
        ..Scheme::default()
    };
    let buckets = |bidirectional| Scheme {
        buckets: Some(
            RelativeBucketsConfig::new(H)
                .with_n_buckets(8)
                .with_max_distance(7)
                .with_bidirectional(bidirectional)
                .init(&init),
        ),
        ..Scheme::default()
    };
    let alibi = Scheme {
        alibi: true,
        ..Scheme::default()
    };
    let vectors = Scheme {
        vectors: Some(RelativeVectorsConfig::new(D / H, 3).init(&init)),
        ..Scheme::default()
    };
    let schemes = [
        ("rotary, neighbours", rotary(RotaryPairing::Interleaved)),
        ("rotary, halves", rotary(RotaryPairing::Halves)),
        ("ALiBi", alibi),
        ("T5, both sides", buckets(true)),
        ("T5, earlier keys", buckets(false)),
        ("Shaw", vectors),
    ];
    let subject = |(name, scheme): (&str, Scheme)| {
        // Rotations need pairs.
        let width = if scheme.rotary.is_some() { 4 } else { D / H };
        let ordered = Ordered {
            query: Linear::new(D, H * width, &init),
            key: Linear::new(D, H * width, &init),
            value: Linear::new(D, D, &init),
            scheme,
        };
        Subject {
            name: name.into(),
            kind: fill(ordered, "attention"),
            promises: Promises {
                unordered: false,
                draws: false,
                ..Promises::of_self_attention()
            },
        }
    };
    schemes.into_iter().map(subject).collect()
}

kinds::tests!(super::laws::subjects);

#[test]
fn the_order_of_others_matters() {
    let device = crate::device();
    let [first, others] = ["first", "others"].map(|name| numbers(name, [1, 4, D], &device));
    let first = first.slice([0..1, 0..1]);
    let swapped = Tensor::cat(
        [1, 0, 2, 3]
            .map(|i| others.clone().slice([0..1, i..i + 1]))
            .to_vec(),
        1,
    );
    for subject in subjects(&device) {
        let context_of_first = |others: &Tensor<3>| {
            let x = Tensor::cat(vec![first.clone(), others.clone()], 1);
            let (mask, pass) = (AttentionMask::none(), Pass::evaluation());
            let output = subject.kind.attend(x.clone(), x, mask, &pass);
            vector(output.context.slice([0..1, 0..1]))
        };
        let (one, other) = (context_of_first(&others), context_of_first(&swapped));
        let difference = relative_difference(&one, &other);
        // Later keys share a bucket there.
        let expected = subject.name != "T5, earlier keys";
        assert_eq!(
            difference > 1e-3,
            expected,
            "{}: {difference:e}",
            subject.name
        );
    }
}
