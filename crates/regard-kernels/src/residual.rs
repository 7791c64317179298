//! The sum of a residual connection.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::dropout::check_rows;
use crate::{Draws, dropout, dropout_rows};

/// `x + dropout(y)`, in one pass.
///
/// # Shapes
///
/// `x` and `y` are `[B, ..., W]`, as for [`dropout()`], whose draws these are.
///
/// # Panics
///
/// If the shapes differ, or as [`dropout()`].
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{Draws, Key, add_dropout, dropout};
///
/// let device = Device::flex();
/// let [x, y] = [1.0, 8.0].map(|value| Tensor::<2>::full([2, 50], value, &device));
/// let draws = Draws { key: Key::new(1), first_row: 0 };
/// let sum = add_dropout(x.clone(), y.clone(), 0.2, draws);
/// assert_eq!(sum.clone().into_data(), (x + dropout(y, 0.2, draws)).into_data());
/// assert!(sum.into_data().iter::<f32>().all(|value| value == 1.0 || value == 11.0));
/// ```
pub fn add_dropout<const D: usize>(x: Tensor<D>, y: Tensor<D>, p: f64, draws: Draws) -> Tensor<D> {
    assert_eq!(
        x.dims(),
        y.dims(),
        "add_dropout: expected summands of one shape"
    );
    #[cfg(feature = "flex")]
    if p > 0.0 && p < 1.0 {
        use crate::flex::{AddDropoutOp, Operand, apply};
        if let (Some(x), Some(y)) = (Operand::new(&x), Operand::new(&y)) {
            let op = AddDropoutOp {
                p,
                draws,
                lengths: None,
            };
            return apply(op, [x, y]);
        }
    }
    x + dropout(y, p, draws)
}

/// [`add_dropout`] of sequences whose rows are packed, as [`dropout_rows`], whose draws these are.
///
/// # Shapes
///
/// `x` and `y` are `[N, W]`, the lengths of the examples sum to N.
///
/// # Panics
///
/// If the shapes differ, or as [`dropout_rows`].
pub fn add_dropout_rows(
    x: Tensor<2>,
    y: Tensor<2>,
    lengths: impl Into<Arc<[usize]>>,
    p: f64,
    draws: Draws,
) -> Tensor<2> {
    let lengths = lengths.into();
    assert_eq!(
        x.dims(),
        y.dims(),
        "add_dropout_rows: expected summands of one shape"
    );
    check_rows("add_dropout_rows", y.dims()[0], &lengths, p);
    #[cfg(feature = "flex")]
    if p > 0.0 {
        use crate::flex::{AddDropoutOp, Operand, apply};
        if let (Some(x), Some(y)) = (Operand::new(&x), Operand::new(&y)) {
            let op = AddDropoutOp {
                p,
                draws,
                lengths: Some(lengths),
            };
            return apply(op, [x, y]);
        }
    }
    x + dropout_rows(y, lengths, p, draws)
}
