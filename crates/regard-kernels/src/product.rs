//! Products of matrices.

use burn::tensor::Tensor;

use crate::devices::is_flex;

/// `a b`: the product of matrices in the last two axes. Where there is nothing to sum it is 0, where there are no rows or no columns it
/// is empty.
///
/// # Shapes
///
/// `a: [.., M, K]`, `b: [.., K, N]`, result `[.., M, N]`; axes before are equal, or 1.
///
/// # Panics
///
/// If the shapes do not fit.
///
/// # Differences
///
/// burn's `matmul` is what is called, but not for sizes of 0 on other backends than the default, some of which divide by zero. There
/// is no gradient then.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::product;
///
/// let device = Device::flex();
/// let nothing = product(Tensor::<2>::zeros([2, 0], &device), Tensor::zeros([0, 3], &device));
/// assert_eq!(nothing.into_data().as_slice::<f32>().unwrap(), [0.0; 6]);
/// ```
pub fn product<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let (left, right) = (a.dims(), b.dims());
    if !left.iter().chain(&right).any(|&size| size == 0) || is_flex(&a.device()) {
        return a.matmul(b);
    }
    assert_eq!(
        left[D - 1],
        right[D - 2],
        "product: expected as many columns as rows, got {left:?} and {right:?}"
    );
    let shape: [usize; D] = std::array::from_fn(|axis| match axis {
        _ if axis == D - 2 => left[axis],
        _ if axis == D - 1 || left[axis] == 1 => right[axis],
        _ => left[axis],
    });
    Tensor::zeros(shape, (&a.device(), a.dtype()))
}
