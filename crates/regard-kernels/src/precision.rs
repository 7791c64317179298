//! Float types that meet: the type of activations decides.
//!
//! Parameters are f32. Where activations are of 16 bits, products of matrices are of their type, for which GPUs have units of
//! their own; normalisation, softmax and loss, whose sums need the bits, are computed in f32.

use burn::tensor::{DType, FloatDType, Tensor};

/// A tensor in a float type; itself where it is of it.
pub(crate) fn of_type<const D: usize>(tensor: Tensor<D>, dtype: DType) -> Tensor<D> {
    if tensor.dtype() == dtype {
        return tensor;
    }
    tensor.cast(FloatDType::from(dtype))
}

/// A tensor in at least 32 bits.
pub(crate) fn wide<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.dtype() {
        DType::F16 | DType::BF16 => of_type(tensor, DType::F32),
        _ => tensor,
    }
}
