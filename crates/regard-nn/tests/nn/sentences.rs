//! A few pairs of different lengths, for any model with vocabularies of [`VOCABULARY`] tokens.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use regard_nn::{Batch, TargetRows, Tokens};

use crate::formula::ids;

/// Number of tokens on either side.
pub(crate) const VOCABULARY: usize = 17;

/// Stands before what the decoder reads.
pub(crate) const START: u32 = 2;
/// Stands behind what it has to say.
pub(crate) const END: u32 = 3;

/// Sources and targets, row by row.
#[derive(Clone)]
pub(crate) struct Sentences {
    pub(crate) sources: Vec<Vec<u32>>,
    pub(crate) targets: Vec<Vec<u32>>,
}

/// Padding beyond the longest row, on either side, the id that stands in it, and whether it is computed like text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Padding {
    pub(crate) extra: usize,
    pub(crate) id: u32,
    pub(crate) computed: bool,
}

impl Padding {
    fn tokens(self, rows: &[Vec<u32>], device: &Device) -> Tokens {
        let tokens = if self.computed {
            Tokens::padded
        } else {
            Tokens::new
        };
        tokens(&padded(rows, self), &lengths(rows), device)
    }
}

impl Sentences {
    /// Pairs of the given lengths.
    pub(crate) fn new<const B: usize>(sources: [usize; B], targets: [usize; B]) -> Self {
        let tokens = |side: &str, row: usize, length: usize| -> Vec<u32> {
            let ordinary = u32::try_from(VOCABULARY).expect("small") - 4;
            let ids = ids(&format!("{side} {row}"), ordinary, length);
            ids.into_iter().map(|id| id + 4).collect()
        };
        let rows = |side: &str, lengths: [usize; B]| {
            let rows = lengths.into_iter().enumerate();
            rows.map(|(row, length)| tokens(side, row, length))
                .collect()
        };
        Self {
            sources: rows("source", sources),
            targets: rows("target", targets),
        }
    }

    pub(crate) fn rows(&self, rows: Range<usize>) -> Self {
        Self {
            sources: self.sources[rows.clone()].to_vec(),
            targets: self.targets[rows].to_vec(),
        }
    }

    /// Number of pairs.
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// Tokens of each row that the decoder reads: the target behind a start token.
    pub(crate) fn inputs(&self) -> Vec<Vec<u32>> {
        let inputs = self.targets.iter();
        inputs
            .map(|row| [&[START], row.as_slice()].concat())
            .collect()
    }

    /// Tokens of each row that it has to say: the target and an end token.
    pub(crate) fn outputs(&self) -> Vec<Vec<u32>> {
        let outputs = self.targets.iter();
        outputs
            .map(|row| [row.as_slice(), &[END]].concat())
            .collect()
    }

    pub(crate) fn source(&self, padding: Padding, device: &Device) -> Tokens {
        padding.tokens(&self.sources, device)
    }

    /// What the decoder reads.
    pub(crate) fn target_in(&self, padding: Padding, device: &Device) -> Tokens {
        padding.tokens(&self.inputs(), device)
    }

    /// What the decoder reads at `position`, `[B]`; padding where a row has ended.
    pub(crate) fn tokens_at(&self, position: usize, device: &Device) -> Tensor<1, Int> {
        let inputs = self.inputs();
        let token = |row: &Vec<u32>| row.get(position).copied().unwrap_or(0);
        let ids: Vec<u32> = inputs.iter().map(token).collect();
        Tensor::from_data(TensorData::new(ids, [self.len()]), device)
    }

    pub(crate) fn batch(&self, padding: Padding, device: &Device) -> Batch {
        let outputs = self.outputs();
        let target = TargetRows {
            input: &padded(&self.inputs(), padding),
            output: &padded(&outputs, padding),
            lengths: &lengths(&outputs),
        };
        Batch {
            target_in: self.target_in(padding, device),
            ..Batch::new(self.source(padding, device), target, device)
        }
    }
}

pub(crate) fn lengths(rows: &[Vec<u32>]) -> Vec<usize> {
    rows.iter().map(Vec::len).collect()
}

fn padded(rows: &[Vec<u32>], padding: Padding) -> Vec<u32> {
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = longest + padding.extra;
    let mut ids = Vec::with_capacity(rows.len() * width);
    for row in rows {
        ids.extend(row);
        ids.resize(ids.len() + width - row.len(), padding.id);
    }
    ids
}
