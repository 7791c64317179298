//! What a decoder keeps of a memory, and how several hypotheses look at one row of it.

use burn::tensor::Tensor;

use crate::cache::select_rows;
use crate::{AttentionMask, AttentionOutput, Rows};

/// Keys and values of a memory, computed once and looked at by every step of a decoder.
///
/// It does not grow with the beam: R rows of queries on B rows of memory, R a multiple of B, are read as `R / B`
/// hypotheses of each row of the memory, one behind the other.
#[derive(Clone, Debug)]
pub struct ProjectedMemory {
    /// What queries are scored against, `[B, S, W]`; the width is a matter of the score.
    pub key: Tensor<3>,
    /// What is averaged, `[B, S, H * K_v]`.
    pub value: Tensor<3>,
}

impl ProjectedMemory {
    /// Attention of queries `[R, T, D_q]`, whose rows may be several for one row of the memory: `attend` meets them as
    /// `[B, R / B * T, D_q]`, because without order between queries hypotheses are as good as positions.
    pub(super) fn grouped(
        &self,
        layer: &str,
        query: Tensor<3>,
        mask: &AttentionMask,
        attend: impl FnOnce(Tensor<3>) -> AttentionOutput,
    ) -> AttentionOutput {
        let [batch, length, _] = query.dims();
        let [memory_rows, s, _] = self.value.dims();
        let groups = Groups::new(layer, [batch, length], [memory_rows, s], mask);
        let output = attend(groups.join(query));
        AttentionOutput {
            context: groups.part(output.context),
            weights: output.weights.map(|weights| groups.part_weights(weights)),
        }
    }
}

/// R rows of queries on B rows of a memory: `R / B` hypotheses of each.
#[derive(Clone, Copy)]
pub(super) struct Groups {
    rows: usize,
    length: usize,
    memory_rows: usize,
}

impl Groups {
    /// Of queries `[R, T]` on `[B, S]` rows and keys; what does not group is refused in the name of `layer`.
    pub(super) fn new(
        layer: &str,
        [rows, length]: [usize; 2],
        [memory_rows, s]: [usize; 2],
        mask: &AttentionMask,
    ) -> Self {
        assert!(
            rows.is_multiple_of(memory_rows),
            "{layer}: expected a multiple of the {memory_rows} rows of the memory, got {rows}"
        );
        let hypotheses = rows.checked_div(memory_rows).unwrap_or(1);
        assert!(
            hypotheses == 1 || (mask.lengths_only(memory_rows, s).is_some() && !mask.is_causal()),
            "{layer}: with {hypotheses} rows for each row of the memory, expected a mask of key lengths only, got {mask:?}"
        );
        Self {
            rows,
            length,
            memory_rows,
        }
    }

    /// `[R, T, W]` to `[B, R / B * T, W]`.
    pub(super) fn join(self, x: Tensor<3>) -> Tensor<3> {
        let [_, _, width] = x.dims();
        let hypotheses = self.rows.checked_div(self.memory_rows).unwrap_or(1);
        x.reshape([self.memory_rows, hypotheses * self.length, width])
    }

    /// `[B, R / B * T, W]` to `[R, T, W]`.
    pub(super) fn part(self, x: Tensor<3>) -> Tensor<3> {
        let [_, _, width] = x.dims();
        x.reshape([self.rows, self.length, width])
    }

    /// `[B, H, R / B * T, S]` to `[R, H, T, S]`.
    pub(super) fn part_weights(self, weights: Tensor<4>) -> Tensor<4> {
        let [memory_rows, n_heads, _, s] = weights.dims();
        let Self { rows, length, .. } = self;
        if rows == memory_rows {
            return weights;
        }
        weights
            .reshape([memory_rows, n_heads, rows / memory_rows, length, s])
            .swap_dims(1, 2)
            .reshape([rows, n_heads, length, s])
    }
}

impl Rows for ProjectedMemory {
    fn select(self, rows: &[usize]) -> Self {
        Self {
            key: select_rows(self.key, rows),
            value: select_rows(self.value, rows),
        }
    }
}

/// The slice of the values that belongs to a head must be as wide as that of every other.
pub(super) fn check_heads(layer: &str, name: &str, width: usize, n_heads: usize) {
    assert!(
        n_heads > 0 && width.is_multiple_of(n_heads),
        "{layer}: expected {name} to be a multiple of n_heads = {n_heads}, got {width}"
    );
}
