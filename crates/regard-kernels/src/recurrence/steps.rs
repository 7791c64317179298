//! Sequences of unequal length, cut into steps.

use burn::tensor::Tensor;

use super::Direction;
use crate::rows::take_rows;
use crate::{Sequences, cut_rows};

/// The positions of all sequences by step, the longest sequences first: those that still go on are the first rows of each
/// step.
pub(super) struct Steps {
    /// Which sequence is the n-th longest.
    order: Vec<usize>,
    /// Which row of the matrix each row by steps is.
    rows: Vec<usize>,
    /// Sequences that go on at each step.
    active: Vec<usize>,
    /// Rows of the matrix.
    size: usize,
}

impl Steps {
    pub(super) fn new(sequences: &Sequences, direction: Direction) -> Self {
        let order = sequences.longest_first();
        let mut rows = Vec::new();
        let mut active = Vec::new();
        for step in 0..sequences.longest() {
            let before = rows.len();
            let going_on = order.iter().map(|&sequence| sequences.range(sequence));
            for range in going_on.take_while(|range| step < range.len()) {
                rows.push(match direction {
                    Direction::Forward => range.start + step,
                    Direction::Backward => range.end - 1 - step,
                });
            }
            active.push(rows.len() - before);
        }
        Self {
            order,
            rows,
            active,
            size: sequences.rows(),
        }
    }

    /// One row for each sequence, the longest first.
    pub(super) fn sorted(&self, x: Tensor<2>) -> Tensor<2> {
        take_rows(x, &self.order)
    }

    /// Which sequence is the n-th longest.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The rows `x: [N, W]` of each step.
    pub(super) fn cut(&self, x: Tensor<2>) -> Vec<Tensor<2>> {
        cut_rows(take_rows(x, &self.rows), &self.active)
    }

    /// What the steps made, where it belongs in a matrix `[N, W]`; 0 elsewhere. `like` has its width.
    pub(super) fn joined(&self, mut steps: Vec<Tensor<2>>, like: &Tensor<2>) -> Tensor<2> {
        let [_, width] = like.dims();
        steps.push(Tensor::zeros([1, width], (&like.device(), like.dtype())));
        let mut places = vec![self.rows.len(); self.size];
        for (place, &row) in self.rows.iter().enumerate() {
            places[row] = place;
        }
        take_rows(Tensor::cat(steps, 0), &places)
    }
}
