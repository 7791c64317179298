//! Batches on the device, made from slices of ids.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::AttentionMask;

/// Padded sources.
#[derive(Clone, Debug)]
pub struct Source {
    /// `[B, S]`; what stands behind a row's length is never read.
    pub ids: Tensor<2, Int>,
    /// Real tokens of each row.
    pub lengths: Arc<[usize]>,
}

impl Source {
    /// From `lengths.len()` rows of equal padded width, one after the other.
    ///
    /// # Panics
    ///
    /// If `ids` cannot be cut into that many rows of equal width, or a length exceeds the width.
    pub fn new(ids: &[u32], lengths: &[usize], device: &Device) -> Self {
        Self {
            ids: id_matrix(ids, lengths, device),
            lengths: lengths.into(),
        }
    }

    /// The mask that blocks the padding.
    pub fn mask(&self) -> AttentionMask {
        AttentionMask::key_lengths(self.lengths.clone())
    }
}

/// Padded target rows as the host has them; all slices describe the same rows.
#[derive(Clone, Copy, Debug)]
pub struct TargetRows<'a> {
    /// What the decoder reads: the start token, then the target.
    pub input: &'a [u32],
    /// What it has to say: the target, then the end token.
    pub output: &'a [u32],
    /// Real tokens of each row, the same for input and output.
    pub lengths: &'a [usize],
}

/// A batch for teacher forcing.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The sources.
    pub source: Source,
    /// What the decoder reads, `[B, T]`.
    pub target_in: Tensor<2, Int>,
    /// What it has to say, the real tokens only, `[tokens]`.
    pub target_out: Tensor<1, Int>,
    /// Rows of `[N, D]` at which the real tokens stand, `[tokens]`.
    pub real_rows: Tensor<1, Int>,
    /// Number of real target tokens.
    pub tokens: usize,
}

impl Batch {
    /// Moves host rows to the device.
    ///
    /// # Panics
    ///
    /// If the slices do not describe equally many rows of equal width.
    pub fn new(source: Source, target: TargetRows<'_>, device: &Device) -> Self {
        let rows = target.lengths.len();
        assert_eq!(
            (source.lengths.len(), target.input.len()),
            (rows, target.output.len()),
            "Batch: source rows and target rows, target input and output must agree"
        );
        let width = target.output.len() / rows;
        let (mut ids, mut at) = (Vec::new(), Vec::new());
        for (row, &length) in target.lengths.iter().enumerate() {
            for position in row * width..row * width + length {
                ids.push(target.output[position]);
                at.push(device_id(position));
            }
        }
        let tokens = ids.len();
        Self {
            source,
            target_in: id_matrix(target.input, target.lengths, device),
            target_out: id_vector(&ids, device),
            real_rows: Tensor::from_data(TensorData::new(at, [tokens]), device),
            tokens,
        }
    }
}

/// Ids `[n]` on the device.
pub(crate) fn id_vector(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i32> = ids.iter().map(|&id| device_id(id as usize)).collect();
    let n = ids.len();
    Tensor::from_data(TensorData::new(ids, [n]), device)
}

/// Ids are `u32` on the host and `i32` on the device; this is the one place where they change.
///
/// # Panics
///
/// If `id` is 2^31 or more.
pub fn device_id(id: usize) -> i32 {
    i32::try_from(id).expect("ids and row numbers stay below 2^31")
}

fn id_matrix(ids: &[u32], lengths: &[usize], device: &Device) -> Tensor<2, Int> {
    let rows = lengths.len();
    let width = ids.len().checked_div(rows).unwrap_or(0);
    assert!(
        rows > 0 && rows * width == ids.len() && lengths.iter().all(|&length| length <= width),
        "padded rows: expected {rows} rows of equal width, none longer, got {} ids and lengths {lengths:?}",
        ids.len()
    );
    id_vector(ids, device).reshape([rows, width])
}
