//! How the rows of an activation matrix belong to examples.

use burn::tensor::Tensor;

/// Position t of example b stands at row `b * length + t`; padding is carried along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Number of examples B.
    pub batch: usize,
    /// Positions per example, padding included.
    pub length: usize,
}

impl Layout {
    /// `[N, D]` to `[B, L, D]`.
    pub fn unflatten(&self, x: Tensor<2>) -> Tensor<3> {
        let [_, width] = x.dims();
        x.reshape([self.batch, self.length, width])
    }

    /// `[B, L, D]` to `[N, D]`.
    pub fn flatten(x: Tensor<3>) -> Tensor<2> {
        let [batch, length, width] = x.dims();
        x.reshape([batch * length, width])
    }
}
