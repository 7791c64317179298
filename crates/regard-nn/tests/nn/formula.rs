//! Numbers by formula, the same as in `scripts/parity/formula.py`, which says what it is.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::parts::replace;

const GOLDEN: u32 = 0x9e37_79b9;

/// 32 bits for element `i` of the tensor `name`.
pub(crate) fn bits(name: &str, i: usize) -> u32 {
    let i = u32::try_from(i).expect("tests are small");
    let start = name.bytes().fold(0_u32, |x, byte| {
        x.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let mut x = start.wrapping_add((i + 1).wrapping_mul(GOLDEN));
    for _ in 0..2 {
        x = (x ^ (x >> 15)).wrapping_mul(GOLDEN);
    }
    x ^ (x >> 15)
}

/// The first `n` values, in `[-1, 1)`, of the tensor `name`.
pub(crate) fn values(name: &str, n: usize) -> Vec<f32> {
    // 20 bits and a power of two: every step is exact.
    let value = |i| (bits(name, i) >> 12) as f32 / 524_288.0 - 1.0;
    (0..n).map(value).collect()
}

/// An input: values in `[-1, 1)`.
pub(crate) fn numbers<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = values(name, shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// `n` ids below `vocabulary`.
pub(crate) fn ids(name: &str, vocabulary: u32, n: usize) -> Vec<u32> {
    (0..n).map(|i| bits(name, i) % vocabulary).collect()
}

/// Values of a parameter: in `[-1/2, 1/2)`, around 1 for the factor of a norm.
pub(crate) fn parameter(name: &str, n: usize) -> Vec<f32> {
    let centre = f32::from(u8::from(name.ends_with("norm.weight")));
    values(name, n)
        .into_iter()
        .map(|v| centre + v / 2.0)
        .collect()
}

/// The module with every parameter by formula, under the name that it has behind `prefix`.
pub(crate) fn fill<M: Module>(module: M, prefix: &str) -> M {
    replace(module, prefix, |name, old| parameter(name, old.len()))
}
