//! Attention whose weights are sparse.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use regard_nn::{AttentionMask, AttentionOptions, AttentionOutput, Normalizer, Pass, attention};

use crate::case::Case;
use crate::formula::numbers;
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::vector;

const SPARSE: [Normalizer; 2] = [Normalizer::Sparsemax, Normalizer::Entmax15];

/// Multi-head attention without projections.
#[derive(Module, Debug)]
struct Sparse {
    #[module(skip)]
    normalizer: Normalizer,
}

impl Kind for Sparse {
    fn attend(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let options = AttentionOptions {
            mask,
            scale: Some(1.0),
            normalizer: self.normalizer,
            weights: pass.wants_attention(),
            ..AttentionOptions::new(H)
        };
        attention(query, memory.clone(), memory, options)
    }
}

fn subjects(_: &Device) -> Vec<Subject<Sparse>> {
    let subject = |normalizer| Subject {
        name: format!("{normalizer:?}"),
        kind: Sparse { normalizer },
        promises: Promises {
            draws: false,
            ..Promises::of_cross_attention()
        },
    };
    SPARSE.map(subject).into()
}

kinds::tests!(super::normalizers::subjects);

#[test]
fn every_pass_agrees_with_pytorch() {
    const FIXTURE: &[u8] = include_bytes!("../../fixtures/blocks.safetensors");
    let masks = || {
        [
            ("open", AttentionMask::none()),
            ("padded", AttentionMask::key_lengths(vec![11, 5])),
            ("causal", AttentionMask::causal()),
        ]
    };
    let device = crate::device().autodiff();
    let input = |name: &str, length| numbers(name, [2, length, D], &device).require_grad();
    for (normalizer, name, scale) in [
        (Normalizer::Sparsemax, "sparsemax", 1.0),
        (Normalizer::Entmax15, "entmax15", 2.0),
    ] {
        for (mask_name, mask) in masks() {
            let [query, key, value] = [("query", 7), ("key", 11), ("value", 11)]
                .map(|(name, length)| input(name, length));
            let options = AttentionOptions {
                mask,
                scale: Some(scale),
                normalizer,
                weights: true,
                ..AttentionOptions::new(H)
            };
            let output = attention(query.clone(), key.clone(), value.clone(), options);
            Case::new(FIXTURE, &format!("{name}/{mask_name}"))
                .result("weights", output.weights.expect("asked for"))
                .output(output.context)
                .input("query", &query)
                .input("key", &key)
                .input("value", &value)
                .check(&Sparse { normalizer }, "");
        }
    }
}

#[test]
fn nothing_to_look_at_gives_zeros() {
    let device = crate::device();
    for normalizer in [
        Normalizer::Softmax,
        Normalizer::Sparsemax,
        Normalizer::Entmax15,
    ] {
        let query = numbers("query", [2, 3, D], &device);
        let memory = Tensor::zeros([2, 0, D], &device);
        let pass = Pass::evaluation().with_attention();
        let output = Sparse { normalizer }.attend(query, memory, AttentionMask::none(), &pass);
        assert_eq!(vector(output.context), [0.0; 2 * 3 * D], "{normalizer:?}");
    }
}
