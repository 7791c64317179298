//! How the rows of an activation matrix belong to examples.

use std::sync::Arc;

use burn::tensor::Tensor;
use regard_kernels::{pack_rows, unpack_rows};

/// Which row of an activation matrix `[N, D]` is which position of which example.
///
/// - Dense: position t of example b stands at row `b * length + t`; padding is carried along, and multiplied.
/// - Packed: the real positions alone, one example's behind the other's.
///
/// Only attention, embedding and dropout need to know; [`unflatten`](Self::unflatten) and [`flatten`](Self::flatten) lead
/// from one form to the other.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::Layout;
///
/// let x = Tensor::<2>::from_floats([[1.0], [2.0], [3.0]], &Device::flex());
/// let layout = Layout::packed(vec![1, 2], 2);
/// let sequences = layout.unflatten(x.clone());
/// assert_eq!(sequences.clone().into_data().as_slice::<f32>().unwrap(), [1.0, 0.0, 2.0, 3.0]);
/// assert_eq!(layout.flatten(sequences).into_data(), x.into_data());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    batch: usize,
    length: usize,
    /// Lengths of packed examples.
    packed: Option<Arc<[usize]>>,
}

impl Layout {
    /// `batch` examples of `length` positions each, padding included.
    pub fn dense(batch: usize, length: usize) -> Self {
        Self {
            batch,
            length,
            packed: None,
        }
    }

    /// Examples of the given lengths without their padding to `length`; dense where there is none.
    ///
    /// # Panics
    ///
    /// If a length exceeds the padded one.
    pub fn packed(lengths: impl Into<Arc<[usize]>>, length: usize) -> Self {
        let lengths = lengths.into();
        assert!(
            lengths.iter().all(|&real| real <= length),
            "Layout: expected lengths of at most {length}, got {lengths:?}"
        );
        let is_padded = lengths.iter().any(|&real| real < length);
        Self {
            packed: is_padded.then(|| lengths.clone()),
            ..Self::dense(lengths.len(), length)
        }
    }

    /// Number of examples B.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Positions per example L, padding included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Number of rows N.
    pub fn rows(&self) -> usize {
        match &self.packed {
            None => self.batch * self.length,
            Some(lengths) => lengths.iter().sum(),
        }
    }

    /// Whether padding is left out.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// How many rows each example has.
    pub(crate) fn row_lengths(&self) -> Arc<[usize]> {
        match &self.packed {
            None => vec![self.length; self.batch].into(),
            Some(lengths) => lengths.clone(),
        }
    }

    /// `[N, W]` to `[B, L, W]`; where the rows are packed, padding is filled with zeros.
    ///
    /// # Panics
    ///
    /// If N is not that of the layout.
    pub fn unflatten(&self, x: Tensor<2>) -> Tensor<3> {
        let [_, width] = x.dims();
        match &self.packed {
            None => x.reshape([self.batch, self.length, width]),
            Some(lengths) => unpack_rows(x, lengths.clone(), self.length),
        }
    }

    /// `[B, L, W]` to `[N, W]`; where the rows are packed, padding is dropped.
    ///
    /// # Panics
    ///
    /// If the layout is of another batch or length.
    pub fn flatten(&self, x: Tensor<3>) -> Tensor<2> {
        let [batch, length, _] = x.dims();
        assert_eq!(
            [batch, length],
            [self.batch, self.length],
            "Layout: expected {} examples of length {}, got {:?}",
            self.batch,
            self.length,
            x.dims()
        );
        match &self.packed {
            None => x.flatten(0, 1),
            Some(lengths) => pack_rows(x, lengths.clone()),
        }
    }

    /// Of the rows `[N, W]`, those that are real if examples have the given lengths.
    pub(crate) fn real_rows(&self, x: Tensor<2>, lengths: &Arc<[usize]>) -> Tensor<2> {
        let is_padded = lengths.iter().any(|&real| real < self.length);
        if self.packed.is_none() && is_padded {
            pack_rows(self.unflatten(x), lengths.clone())
        } else {
            x
        }
    }
}
