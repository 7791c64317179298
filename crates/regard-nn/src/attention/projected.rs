//! What a decoder keeps of a memory, and how heads lie in a row.

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
        let [rows, t, d_query] = query.dims();
        let [memory_rows, s, d_value] = self.value.dims();
        assert!(
            rows.is_multiple_of(memory_rows),
            "{layer}: expected a multiple of the {memory_rows} rows of the memory, got {rows}"
        );
        let hypotheses = rows / memory_rows;
        if hypotheses == 1 {
            return attend(query);
        }
        assert!(
            mask.lengths_only(memory_rows, s).is_some() && !mask.is_causal(),
            "{layer}: with {hypotheses} rows for each row of the memory, expected a mask of key lengths only, got {mask:?}"
        );
        let output = attend(query.reshape([memory_rows, hypotheses * t, d_query]));
        let ungroup = |weights: Tensor<4>| {
            let n_heads = weights.dims()[1];
            weights
                .reshape([memory_rows, n_heads, hypotheses, t, s])
                .swap_dims(1, 2)
                .reshape([rows, n_heads, t, s])
        };
        AttentionOutput {
            context: output.context.reshape([rows, t, d_value]),
            weights: output.weights.map(ungroup),
        }
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

/// `[B, L, H * K]` to `[B, H, L, K]`.
pub(super) fn split_heads(x: Tensor<3>, n_heads: usize) -> Tensor<4> {
    let [batch, length, width] = x.dims();
    x.reshape([batch, length, n_heads, width / n_heads])
        .swap_dims(1, 2)
}

/// `[B, H, L, K]` to `[B, L, H * K]`.
pub(super) fn join_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, n_heads, length, width] = x.dims();
    x.swap_dims(1, 2).reshape([batch, length, n_heads * width])
}

/// The slice of the values that belongs to a head must be as wide as that of every other.
pub(super) fn check_heads(layer: &str, name: &str, width: usize, n_heads: usize) {
    assert!(
        n_heads > 0 && width.is_multiple_of(n_heads),
        "{layer}: expected {name} to be a multiple of n_heads = {n_heads}, got {width}"
    );
}
