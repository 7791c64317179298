//! Padded rows of ids, as a model wants them, and the order in which they come.
//!
//! The special ids enter here and nowhere earlier: a source gets `</s>` at its end, a target is
//! shifted into `target_in = <s> y` and `target_out = y </s>`. Lengths count real ids with these,
//! so they are the widths a model sees.

mod plan;
mod sampled;
mod worst;

pub use plan::{Plan, plan_epoch, plan_in_order, split};
pub use sampled::resample;
pub use worst::worst_batch;

use crate::SpecialIds;
use crate::corpus::Example;

/// Sources padded to one width: all a model needs to translate, and the first half of a training
/// batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBatch {
    /// Number of sentences.
    pub rows: usize,
    /// Length of the longest sentence, with its end id.
    pub width: usize,
    /// `rows x width` ids, row by row.
    pub ids: Vec<u32>,
    /// Real ids per row, with the end id.
    pub lengths: Vec<usize>,
}

impl SourceBatch {
    /// Pads `sentences` (ids without special ids), an end id after each.
    pub fn new(sentences: &[&[u32]], special: SpecialIds) -> Self {
        let lengths: Vec<usize> = sentences.iter().map(|ids| ids.len() + 1).collect();
        let width = lengths.iter().copied().max().unwrap_or(0);
        let mut ids = vec![special.pad; sentences.len() * width];
        for (row, sentence) in ids.chunks_exact_mut(width.max(1)).zip(sentences) {
            row[..sentence.len()].copy_from_slice(sentence);
            row[sentence.len()] = special.end;
        }
        Self {
            rows: sentences.len(),
            width,
            ids,
            lengths,
        }
    }
}

/// One batch of training pairs in host memory.
///
/// # Example
///
/// ```
/// use regard_text::{SpecialIds, batch::HostBatch, corpus::Example};
///
/// let special = SpecialIds::default();
/// let long = Example { source: vec![7, 8, 9], target: vec![5] };
/// let short = Example { source: vec![7], target: vec![6, 5] };
/// let batch = HostBatch::new(&[&long, &short], vec![40, 41], special);
/// assert_eq!(batch.source.ids, [7, 8, 9, 3, 7, 3, 0, 0]);
/// assert_eq!(batch.target_in, [2, 5, 0, 2, 6, 5]);
/// assert_eq!(batch.target_out, [5, 3, 0, 6, 5, 3]);
/// assert_eq!(batch.target_tokens(), 5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBatch {
    /// The sources, an end id after each.
    pub source: SourceBatch,
    /// Length of the longest target with one special id: the width of `target_in` and `target_out`.
    pub target_width: usize,
    /// What the decoder is fed: the start id, then the target. `rows x target_width`.
    pub target_in: Vec<u32>,
    /// What the decoder has to say: the target, then the end id. `rows x target_width`.
    pub target_out: Vec<u32>,
    /// Real ids per row of `target_in`, and of `target_out`.
    pub target_lengths: Vec<usize>,
    /// Where each row stands in the corpus.
    pub indices: Vec<usize>,
}

impl HostBatch {
    /// Pads `examples`; `indices` says where each stands in the corpus.
    ///
    /// # Panics
    ///
    /// If there is not one index for each example.
    pub fn new(examples: &[&Example], indices: Vec<usize>, special: SpecialIds) -> Self {
        assert_eq!(
            examples.len(),
            indices.len(),
            "HostBatch: one index for each example"
        );
        let sources: Vec<&[u32]> = examples
            .iter()
            .map(|example| example.source.as_slice())
            .collect();
        let target_lengths: Vec<usize> = examples
            .iter()
            .map(|example| example.target.len() + 1)
            .collect();
        let target_width = target_lengths.iter().copied().max().unwrap_or(0);
        let mut target_in = vec![special.pad; examples.len() * target_width];
        let mut target_out = target_in.clone();
        for (r, example) in examples.iter().enumerate() {
            let (row, length) = (r * target_width, example.target.len());
            target_in[row] = special.start;
            target_in[row + 1..=row + length].copy_from_slice(&example.target);
            target_out[row..row + length].copy_from_slice(&example.target);
            target_out[row + length] = special.end;
        }
        Self {
            source: SourceBatch::new(&sources, special),
            target_width,
            target_in,
            target_out,
            target_lengths,
            indices,
        }
    }

    /// Gathers the examples that a plan names.
    ///
    /// # Panics
    ///
    /// If an index is outside `examples`.
    pub fn gather(examples: &[Example], indices: &[usize], special: SpecialIds) -> Self {
        let chosen: Vec<&Example> = indices.iter().map(|&index| &examples[index]).collect();
        Self::new(&chosen, indices.to_vec(), special)
    }

    /// Number of pairs.
    pub fn rows(&self) -> usize {
        self.source.rows
    }

    /// Real target ids the loss is summed over, end ids included.
    pub fn target_tokens(&self) -> usize {
        self.target_lengths.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_rows_is_an_empty_batch() {
        let batch = HostBatch::new(&[], vec![], SpecialIds::default());
        assert_eq!(
            (
                batch.rows(),
                batch.source.width,
                batch.target_width,
                batch.target_tokens()
            ),
            (0, 0, 0, 0)
        );
    }

    #[test]
    fn an_empty_sentence_is_its_special_id() {
        let batch = HostBatch::new(
            &[&Example {
                source: vec![],
                target: vec![],
            }],
            vec![0],
            SpecialIds::default(),
        );
        assert_eq!(
            (batch.source.ids, batch.target_in, batch.target_out),
            (vec![3], vec![2], vec![3])
        );
    }

    #[test]
    fn special_ids_come_from_the_struct() {
        let special = SpecialIds {
            pad: 90,
            unknown: 91,
            start: 92,
            end: 93,
        };
        let examples = [
            Example {
                source: vec![1, 2],
                target: vec![],
            },
            Example {
                source: vec![],
                target: vec![3],
            },
        ];
        let batch = HostBatch::gather(&examples, &[1, 0], special);
        assert_eq!(batch.source.ids, [93, 90, 90, 1, 2, 93]);
        assert_eq!(batch.target_in, [92, 3, 92, 90]);
        assert_eq!(batch.target_out, [3, 93, 93, 90]);
        assert_eq!(batch.indices, [1, 0]);
    }

    fn examples() -> impl Strategy<Value = Vec<Example>> {
        let ids = || prop::collection::vec(4_u32..50, 0..9);
        prop::collection::vec(
            (ids(), ids()).prop_map(|(source, target)| Example { source, target }),
            1..9,
        )
    }

    proptest! {
        #[test]
        fn rows_give_back_their_examples(examples in examples()) {
            let special = SpecialIds::default();
            let indices: Vec<usize> = (0..examples.len()).collect();
            let batch = HostBatch::gather(&examples, &indices, special);
            prop_assert_eq!(batch.source.ids.len(), batch.rows() * batch.source.width);
            for (r, example) in examples.iter().enumerate() {
                let source = &batch.source.ids[r * batch.source.width..][..batch.source.width];
                let target_in = &batch.target_in[r * batch.target_width..][..batch.target_width];
                let target_out = &batch.target_out[r * batch.target_width..][..batch.target_width];
                let (s, t) = (batch.source.lengths[r], batch.target_lengths[r]);
                prop_assert_eq!(&source[..s], [&example.source[..], &[special.end]].concat());
                prop_assert_eq!(&target_in[..t], [&[special.start], &example.target[..]].concat());
                prop_assert_eq!(&target_out[..t], [&example.target[..], &[special.end]].concat());
                let rest = [&source[s..], &target_in[t..], &target_out[t..]].concat();
                prop_assert!(rest.iter().all(|&id| id == special.pad));
            }
        }

        #[test]
        fn a_row_does_not_depend_on_its_neighbours(examples in examples()) {
            let special = SpecialIds::default();
            let indices: Vec<usize> = (0..examples.len()).collect();
            let batch = HostBatch::gather(&examples, &indices, special);
            let alone = HostBatch::gather(&examples, &[0], special);
            prop_assert_eq!(&batch.source.ids[..alone.source.width], &alone.source.ids[..]);
            prop_assert_eq!(&batch.target_in[..alone.target_width], &alone.target_in[..]);
            prop_assert_eq!(batch.target_lengths[0], alone.target_lengths[0]);
        }
    }
}
