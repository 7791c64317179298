//! Rows of sequences of different lengths: padded, or packed one sequence behind the other.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};

use crate::devices::is_gpu;
use crate::precision::{of_type, wide};

/// Drops the padding: the real positions of each example, one example behind the other.
///
/// ```text
/// y[lengths[0] + .. + lengths[b - 1] + t] = x[b, t]        for t < lengths[b]
/// ```
///
/// # Shapes
///
/// `x: [B, L, W]`, a length for each of B examples, result `[N, W]` with N the sum of the lengths.
///
/// # Behaviour
///
/// The gradient of the result, padded with zeros, is that of `x`: [`unpack_rows`]. Cost: one copy of the result.
///
/// # Panics
///
/// If there is not one length for each example, or one exceeds L.
///
/// # Differences
///
/// PyTorch's `pack_padded_sequence` orders by time first; its nested tensors (jagged layout) lie as here. burn: no counterpart.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::pack_rows;
///
/// let x = Tensor::<3>::from_floats([[[1.0], [2.0]], [[3.0], [0.0]]], &Device::flex());
/// let y = pack_rows(x, vec![2, 1]).into_data();
/// assert_eq!(y.as_slice::<f32>().unwrap(), [1.0, 2.0, 3.0]);
/// ```
pub fn pack_rows(x: Tensor<3>, lengths: impl Into<Arc<[usize]>>) -> Tensor<2> {
    let lengths = lengths.into();
    let [batch, length, width] = x.dims();
    assert!(
        lengths.len() == batch && lengths.iter().all(|&real| real <= length),
        "pack_rows: expected {batch} lengths of at most {length}, got {lengths:?}"
    );
    #[cfg(feature = "flex")]
    if let Some(x) = crate::flex::Operand::new(&x) {
        return crate::flex::apply(crate::flex::PackOp { lengths }, [x]);
    }
    let rows = real_rows(&lengths, length);
    take_rows(x.reshape([batch * length, width]), &rows)
}

/// Brings the padding back, as zeros: the other direction of [`pack_rows`].
///
/// ```text
/// y[b, t] = x[lengths[0] + .. + lengths[b - 1] + t]        for t < lengths[b], else 0
/// ```
///
/// # Shapes
///
/// `x: [N, W]`, lengths of B examples that sum to N, result `[B, length, W]`.
///
/// # Behaviour
///
/// The gradient of `x` is that of the result without its padding: [`pack_rows`]. Cost: one copy of `x`, and zeros.
///
/// # Panics
///
/// If the lengths do not sum to the rows of `x`, or one exceeds `length`.
///
/// # Differences
///
/// As [`pack_rows`]; PyTorch: `pad_packed_sequence`, `to_padded_tensor`.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::unpack_rows;
///
/// let x = Tensor::<2>::from_floats([[1.0], [2.0], [3.0]], &Device::flex());
/// let y = unpack_rows(x, vec![2, 1], 2).into_data();
/// assert_eq!(y.as_slice::<f32>().unwrap(), [1.0, 2.0, 3.0, 0.0]);
/// ```
pub fn unpack_rows(x: Tensor<2>, lengths: impl Into<Arc<[usize]>>, length: usize) -> Tensor<3> {
    let lengths = lengths.into();
    let [rows, width] = x.dims();
    assert!(
        lengths.iter().sum::<usize>() == rows && lengths.iter().all(|&real| real <= length),
        "unpack_rows: expected lengths of at most {length} that sum to {rows}, got {lengths:?}"
    );
    let batch = lengths.len();
    #[cfg(feature = "flex")]
    if let Some(x) = crate::flex::Operand::new(&x) {
        return crate::flex::apply(crate::flex::UnpackOp { lengths, length }, [x]);
    }
    let context = (&x.device(), x.dtype());
    if rows == 0 {
        // Nothing but padding, and `x` stays on the tape.
        return Tensor::zeros([batch, length, width], context) + x.sum().reshape([1, 1, 1]);
    }
    let padding = Tensor::zeros([1, width], context);
    let rows = padded_rows(&lengths, length);
    take_rows(Tensor::cat(vec![x, padding], 0), &rows).reshape([batch, length, width])
}

/// Cuts a matrix into parts of the given numbers of rows.
///
/// # Shapes
///
/// `x: [N, W]`, sizes that sum to N, results `[size, W]`.
///
/// # Behaviour
///
/// The gradient of a slice is as large as what it was cut from: parts cut from the whole would cost the square of their number
/// in the backward pass. Cut by halves, they cost `O(N W log(parts))`.
///
/// # Panics
///
/// If the sizes do not sum to N.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::cut_rows;
///
/// let x = Tensor::<2>::from_floats([[1.0], [2.0], [3.0]], &Device::flex());
/// let parts = cut_rows(x, &[1, 2]);
/// assert_eq!(parts[1].clone().into_data().as_slice::<f32>().unwrap(), [2.0, 3.0]);
/// ```
pub fn cut_rows(x: Tensor<2>, sizes: &[usize]) -> Vec<Tensor<2>> {
    let [rows, _] = x.dims();
    assert_eq!(
        sizes.iter().sum::<usize>(),
        rows,
        "cut_rows: expected sizes that sum to {rows}, got {sizes:?}"
    );
    let mut parts = Vec::with_capacity(sizes.len());
    if !sizes.is_empty() {
        halve(x, sizes, &mut parts);
    }
    parts
}

fn halve(x: Tensor<2>, sizes: &[usize], parts: &mut Vec<Tensor<2>>) {
    if sizes.len() == 1 {
        parts.push(x);
        return;
    }
    let (left, right) = sizes.split_at(sizes.len() / 2);
    let (middle, end) = (left.iter().sum(), x.dims()[0]);
    halve(x.clone().slice(0..middle), left, parts);
    halve(x.slice(middle..end), right, parts);
}

/// The rows `index`, `[n]`, of a matrix.
///
/// burn's gradient of `select` adds row after row; that of `gather` adds all at once where a GPU can.
pub(crate) fn rows_at(x: Tensor<2>, index: Tensor<1, Int>) -> Tensor<2> {
    let ([_, width], [n]) = (x.dims(), index.dims());
    if !is_gpu(&x.device()) {
        return x.select(0, index);
    }
    if n == 0 {
        return x.slice(0..0);
    }
    // GPUs add f32 at once, 16 bits rarely.
    let dtype = x.dtype();
    let rows = wide(x).gather(0, index.reshape([n, 1]).expand([n, width]));
    of_type(rows, dtype)
}

/// The same of numbers on the host.
pub(crate) fn take_rows(x: Tensor<2>, rows: &[usize]) -> Tensor<2> {
    let number = |&row: &usize| i32::try_from(row).expect("row numbers stay below 2^31");
    let rows: Vec<i32> = rows.iter().map(number).collect();
    let count = rows.len();
    let index = Tensor::from_data(TensorData::new(rows, [count]), &x.device());
    rows_at(x, index)
}

/// Where the real positions of examples stand among rows padded to `length`, `[N]`.
fn real_rows(lengths: &[usize], length: usize) -> Vec<usize> {
    let examples = lengths.iter().enumerate();
    let rows = examples.flat_map(|(b, &real)| b * length..b * length + real);
    rows.collect()
}

/// Where each position of examples padded to `length` stands among the real ones, `[B * length]`; padding stands behind them.
fn padded_rows(lengths: &[usize], length: usize) -> Vec<usize> {
    let end = lengths.iter().sum();
    let mut rows = Vec::with_capacity(lengths.len() * length);
    let mut first = 0;
    for &real in lengths {
        rows.extend(first..first + real);
        rows.resize(rows.len() + length - real, end);
        first += real;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device};

    fn counted<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        let end = i64::try_from(shape.iter().product::<usize>()).unwrap();
        Tensor::<1, Int>::arange(1..end + 1, device)
            .float()
            .reshape(shape)
    }

    /// Once by an operation of its own, once by a composition.
    const TYPES: [DType; 2] = [DType::F32, DType::F64];

    #[test]
    fn packing_undoes_padding() {
        let device = crate::test_device();
        for lengths in [vec![3, 0, 1], vec![4, 4, 4], vec![0, 0, 0]] {
            for dtype in TYPES {
                let x = counted([lengths.iter().sum(), 2], &device).cast(dtype);
                let padded = unpack_rows(x.clone(), lengths.clone(), 4);
                assert_eq!(padded.dims(), [3, 4, 2]);
                let sum = |values: Vec<f64>| values.iter().fold(0.0, |sum, x| sum + x).to_bits();
                let values = |data: TensorData| data.iter::<f64>().collect();
                let [whole, real] = [padded.clone().into_data(), x.clone().into_data()];
                assert_eq!(sum(values(whole)), sum(values(real)), "padded with zeros");
                let packed = pack_rows(padded, lengths.clone());
                assert_eq!(packed.into_data(), x.into_data());
            }
        }
    }

    #[test]
    fn each_is_the_gradient_of_the_other() {
        let device = crate::test_device().autodiff();
        let lengths = vec![2, 0, 3];
        for dtype in TYPES {
            let [padded, like_it] =
                [1.0, 2.0].map(|factor| (counted([3, 3, 2], &device) * factor).cast(dtype));
            let [packed, like_packed] =
                [1.0, 2.0].map(|factor| (counted([5, 2], &device) * factor).cast(dtype));
            let (padded, packed) = (padded.require_grad(), packed.require_grad());

            let y = pack_rows(padded.clone(), lengths.clone()) * like_packed.clone();
            let gradient = padded.grad(&y.sum().backward()).unwrap();
            let expected = unpack_rows(like_packed.inner(), lengths.clone(), 3);
            assert_eq!(gradient.into_data(), expected.into_data());

            let y = unpack_rows(packed.clone(), lengths.clone(), 3) * like_it.clone();
            let gradient = packed.grad(&y.sum().backward()).unwrap();
            let expected = pack_rows(like_it.inner(), lengths.clone());
            assert_eq!(gradient.into_data(), expected.into_data());
        }
    }

    #[test]
    fn a_view_is_packed_as_what_it_shows() {
        let device = crate::test_device();
        let x = counted([2, 2, 3], &device).swap_dims(1, 2); // [2, 3, 2]
        let y = pack_rows(x, vec![1, 3]).into_data();
        let expected = [1.0, 4.0, 7.0, 10.0, 8.0, 11.0, 9.0, 12.0];
        assert_eq!(y.as_slice::<f32>().unwrap(), expected);

        let x = counted([1, 4, 2], &device)
            .slice([0..1, 1..4])
            .expand([2, 3, 2]);
        let y = pack_rows(x, vec![1, 2]).into_data();
        let expected = [3.0, 4.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(y.as_slice::<f32>().unwrap(), expected);
    }

    #[test]
    #[should_panic(expected = "pack_rows: expected 2 lengths of at most 3, got [1, 4]")]
    fn a_length_beyond_the_padding() {
        pack_rows(Tensor::zeros([2, 3, 1], &crate::test_device()), vec![1, 4]);
    }

    #[test]
    #[should_panic(
        expected = "unpack_rows: expected lengths of at most 3 that sum to 5, got [1, 3]"
    )]
    fn lengths_of_other_rows() {
        unpack_rows(Tensor::zeros([5, 1], &crate::test_device()), vec![1, 3], 3);
    }
}
