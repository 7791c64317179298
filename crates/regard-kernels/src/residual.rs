//! The sum of a residual connection.

use burn::tensor::Tensor;

use crate::{Draws, dropout};

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
        if let (Some(one), Some(other)) = (Operand::new(&x), Operand::new(&y)) {
            drop(y); // its memory becomes that of the sum, if nobody else needs it
            return apply(AddDropoutOp { p, draws }, [one, other]);
        }
    }
    x + dropout(y, p, draws)
}
