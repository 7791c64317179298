//! What holds for the kinds that look at a projected memory, whatever their score; and their comparison with PyTorch.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_nn::{AttentionMask, AttentionOutput, Pass, ProjectedMemory, Rows};

use crate::case::Case;
use crate::formula::{fill, numbers};
use crate::kinds::{D, H, Kind, Promises, Subject};
use crate::parts::{assert_close, vector};

// As in the script: distinct primes.
const B: usize = 2;
const T: usize = 7;
const S: usize = 11;
const LENGTHS: [usize; B] = [S, 5];
/// Width of queries, where it need not be that of the memory.
pub(super) const QUERY: usize = 13;
/// Width of the hidden layer of a score.
pub(super) const HIDDEN: usize = 17;

const FIXTURE: &[u8] = include_bytes!("../../fixtures/scores.safetensors");

/// A kind as a decoder calls it.
pub(super) trait Decoding: Module {
    fn project(&self, memory: Tensor<3>) -> ProjectedMemory;

    /// The first query of a row stands at position `start`.
    fn look(
        &self,
        query: Tensor<3>,
        memory: &ProjectedMemory,
        start: usize,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput;

    fn look_at_once(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput;
}

impl<K: Decoding> Kind for K {
    fn attend(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.look_at_once(query, memory, &mask, pass)
    }

    fn step_by_step(&self, query: Tensor<3>, memory: Tensor<3>) -> Option<Tensor<3>> {
        let memory = self.project(memory);
        // Two queries at a time, then one.
        let [batch, length, _] = query.dims();
        let step = |start: usize| {
            let end = length.min(start + 2);
            let query = query.clone().slice([0..batch, start..end]);
            let mask = AttentionMask::none();
            self.look(query, &memory, start, &mask, &Pass::evaluation())
                .context
        };
        Some(Tensor::cat((0..length).step_by(2).map(step).collect(), 1))
    }
}

pub(super) fn subject<K: Module>(name: &str, kind: K, promises: Promises) -> Subject<K> {
    Subject {
        name: name.into(),
        kind: fill(kind, "attention"),
        promises,
    }
}

/// Several rows of queries for each row of the memory give what they give on copies of it.
pub(super) fn rows_in_groups_share_a_memory<K: Decoding>(subjects: Vec<Subject<K>>) {
    let device = crate::device();
    let query = numbers("query", [2 * B, 3, D], &device);
    let memory = numbers("memory", [B, S, D], &device);
    let pass = Pass::evaluation().with_attention();
    for Subject { name, kind, .. } in subjects {
        let memory = kind.project(memory.clone());
        let look = |memory: &ProjectedMemory, lengths: Vec<usize>| {
            let mask = AttentionMask::key_lengths(lengths);
            let output = kind.look(query.clone(), memory, 4, &mask, &pass);
            let weights = output.weights.expect("asked for");
            assert_eq!(output.context.dims(), [2 * B, 3, D]);
            assert_eq!(weights.dims()[0], 2 * B);
            assert_eq!(weights.dims()[2..], [3, S]);
            [vector(output.context), vector(weights)]
        };
        let shared = look(&memory, LENGTHS.to_vec());
        let [long, short] = LENGTHS;
        let copied = look(
            &memory.clone().select(&[0, 0, 1, 1]),
            vec![long, long, short, short],
        );
        for (got, expected) in shared.iter().zip(&copied) {
            assert_close(got, expected, 1e-6, &name);
        }
    }
}

/// Outputs, weights and all gradients that `scripts/parity/scores.py` wrote down; queries stand at `start` and behind.
pub(super) fn agrees_with_pytorch<K: Decoding>(
    name: &'static str,
    kind: K,
    d_query: usize,
    start: usize,
) {
    let device = crate::device().autodiff();
    let kind = fill(kind, "attention");
    let query = numbers("query", [B, T, d_query], &device).require_grad();
    let memory = numbers("memory", [B, S, D], &device).require_grad();
    let mask = AttentionMask::key_lengths(LENGTHS.to_vec());
    let pass = Pass::evaluation().with_attention();
    let projected = kind.project(memory.clone());
    let output = kind.look(query.clone(), &projected, start, &mask, &pass);
    Case::new(FIXTURE, name)
        .result("weights", output.weights.expect("asked for"))
        .output(output.context)
        .input("query", &query)
        .input("memory", &memory)
        .check(&kind, "attention");
}

/// One head, and several, with the names of the cases of the script.
pub(super) const HEADS: [(&str, usize); 2] = [("one", 1), ("heads", H)];
