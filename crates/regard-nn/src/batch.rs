//! Batches on the device, made from slices of ids.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};

use regard_kernels::Sequences;

use crate::{AttentionMask, Layout};

/// Widths of [rounded](Tokens::rounded) rows are multiples of it.
pub const WIDTH_STEP: usize = 8;

/// Rows of ids on the device: sources, or what a decoder reads.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Ids, `[N]`.
    pub ids: Tensor<1, Int>,
    /// Which of them stands where.
    pub layout: Layout,
    /// Real tokens of each row; a dense layout holds others behind them, which are never read as text.
    pub lengths: Arc<[usize]>,
}

impl Tokens {
    /// The real tokens of `lengths.len()` rows of equal padded width, one after the other.
    ///
    /// # Panics
    ///
    /// If `ids` cannot be cut into that many rows of equal width, or a length exceeds the width.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use regard_nn::Tokens;
    ///
    /// let tokens = Tokens::new(&[5, 6, 7, 0], &[2, 1], &Device::flex());
    /// assert_eq!(tokens.ids.into_data().iter::<i32>().collect::<Vec<_>>(), [5, 6, 7]);
    /// ```
    pub fn new(ids: &[u32], lengths: &[usize], device: &Device) -> Self {
        let width = padded_width(ids, lengths);
        let rows = ids.chunks(width.max(1)).zip(lengths);
        let real: Vec<u32> = rows
            .flat_map(|(row, &length)| &row[..length])
            .copied()
            .collect();
        Self {
            ids: id_vector(&real, device),
            layout: Layout::packed(lengths, width),
            lengths: lengths.into(),
        }
    }

    /// The same rows in a dense layout: padding is looked up and multiplied like text, and cannot change a result.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn padded(ids: &[u32], lengths: &[usize], device: &Device) -> Self {
        let width = padded_width(ids, lengths);
        Self {
            ids: id_vector(ids, device),
            layout: Layout::dense(lengths.len(), width),
            lengths: lengths.into(),
        }
    }

    /// The same rows in a dense layout of rounded width, so that few shapes come: a GPU looks for its fastest kernels once for each,
    /// and its matrix units want multiples of 8. The width is rounded up to a multiple of [`WIDTH_STEP`], or stays as it is
    /// where that would be more than `most` positions.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use regard_nn::Tokens;
    ///
    /// let tokens = Tokens::rounded(&[5, 6, 7, 0], &[2, 1], None, &Device::flex());
    /// assert_eq!([tokens.layout.batch(), tokens.layout.length()], [2, 8]);
    /// ```
    pub fn rounded(ids: &[u32], lengths: &[usize], most: Option<usize>, device: &Device) -> Self {
        let width = padded_width(ids, lengths);
        let rounded = width.next_multiple_of(WIDTH_STEP);
        if rounded == width || most.is_some_and(|most| rounded > most) {
            return Self::padded(ids, lengths, device);
        }
        let mut wide = vec![0; lengths.len() * rounded];
        for (wide, row) in wide.chunks_mut(rounded).zip(ids.chunks(width.max(1))) {
            wide[..width].copy_from_slice(row);
        }
        Self::padded(&wide, lengths, device)
    }

    /// The real tokens of each row.
    pub fn sequences(&self) -> Sequences {
        if self.layout.is_packed() {
            Sequences::packed(self.lengths.clone())
        } else {
            Sequences::padded(self.lengths.clone(), self.layout.length())
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
    pub source: Tokens,
    /// What the decoder reads.
    pub target_in: Tokens,
    /// What it has to say, the real tokens only, `[tokens]`.
    pub target_out: Tensor<1, Int>,
    /// Number of real target tokens.
    pub tokens: usize,
}

impl Batch {
    /// Moves host rows to the device.
    ///
    /// # Panics
    ///
    /// If the slices do not describe equally many rows of equal width.
    pub fn new(source: Tokens, target: TargetRows<'_>, device: &Device) -> Self {
        let rows = target.lengths.len();
        assert_eq!(
            (source.lengths.len(), target.input.len()),
            (rows, target.output.len()),
            "Batch: source rows and target rows, target input and output must agree"
        );
        let target_out = Tokens::new(target.output, target.lengths, device).ids;
        Self {
            source,
            target_in: Tokens::new(target.input, target.lengths, device),
            target_out,
            tokens: target.lengths.iter().sum(),
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

fn padded_width(ids: &[u32], lengths: &[usize]) -> usize {
    let rows = lengths.len();
    let width = ids.len().checked_div(rows).unwrap_or(0);
    assert!(
        rows > 0 && rows * width == ids.len() && lengths.iter().all(|&length| length <= width),
        "padded rows: expected {rows} rows of equal width, none longer, got {} ids and lengths {lengths:?}",
        ids.len()
    );
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_rounded_up_as_far_as_there_are_positions() {
        let device = regard_kernels::device_of_environment().unwrap();
        let rounded = |width: usize, most| {
            let ids: Vec<u32> = (1..).take(2 * width).collect();
            let tokens = Tokens::rounded(&ids, &[width, width - 1], most, &device);
            let rows = tokens.ids.reshape([2, tokens.layout.length()]);
            let real = rows.slice([0..2, 0..width]).into_data();
            assert_eq!(real.iter::<u32>().collect::<Vec<_>>(), ids);
            assert_eq!(*tokens.lengths, [width, width - 1]);
            tokens.layout.length()
        };
        for (width, most, expected) in [
            (1, None, 8),
            (8, None, 8),
            (9, None, 16),
            (9, Some(16), 16),
            (9, Some(15), 9),
        ] {
            assert_eq!(rounded(width, most), expected, "{width}, {most:?}");
        }
    }
}
