//! Vectors on a device, and their numbers in the memory of the host.

use burn::tensor::{Device, Tensor, TensorData};

/// The numbers of a file, on a device.
pub(crate) fn vector(numbers: Vec<f32>, device: &Device) -> Tensor<1> {
    let size = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [size]), device)
}

/// A copy of its numbers, for a file.
pub(crate) fn numbers(vector: &Tensor<1>) -> Vec<f32> {
    slice(&vector.clone().into_data()).to_vec()
}

pub(crate) fn slice(data: &TensorData) -> &[f32] {
    data.as_slice().expect("what is trained is f32")
}

pub(crate) fn slice_mut(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("what is trained is f32")
}
