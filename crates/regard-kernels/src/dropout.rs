//! Dropout whose draws belong to examples, not to batches.

#![expect(
    clippy::inline_always,
    reason = "draws are part of the loops that they serve, and get their instruction set"
)]

use burn::tensor::{Tensor, TensorData};

use crate::Key;

/// Where the draws of one dropout come from.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    /// Key of this dropout in this step.
    pub key: Key,
    /// Global number, within the step, of the first example of the batch.
    pub first_row: u64,
}

/// Sets each element to zero with probability `p` and scales the others by `1 / (1 - p)`.
///
/// # Shapes
///
/// `x` is `[B, ..., W]`, any rank of at least 2; the result has the same shape. Element `(b, i.., w)` of the batch is
/// decided by the draw keyed by example `first_row + b`, by the index along each inner axis, and by `w`. Neither the
/// size of the batch nor the padded length of an axis enters, so an example meets the same mask in every batch.
///
/// # Panics
///
/// If `p` is outside `[0, 1)`.
///
/// # Differences
///
/// PyTorch and burn draw from a global generator in the order of elements; here every draw is a function of its place.
pub fn dropout<const D: usize>(x: Tensor<D>, p: f64, draws: Draws) -> Tensor<D> {
    assert!(
        (0.0..1.0).contains(&p),
        "dropout: expected a probability in [0, 1), got {p}"
    );
    if p == 0.0 {
        return x;
    }
    #[cfg(feature = "flex")]
    if let Some(operand) = crate::flex::Operand::new(&x) {
        return crate::flex::apply(crate::flex::DropoutOp { p, draws }, [operand]);
    }
    let shape = x.dims();
    let mut mask = vec![1.0; shape.iter().product()];
    apply_mask(&mut mask, 0, &shape, p, draws);
    let like = (&x.device(), x.dtype());
    x * Tensor::from_data(TensorData::new(mask, shape), like)
}

/// The draws of one row of the last axis, for those who hold its elements in another order.
#[derive(Clone, Copy, Debug)]
pub struct DropoutRow {
    key: Key,
    /// An element is dropped if its 32 bits are below this: probabilities are resolved to `2^-32`.
    threshold: u32,
    kept: f32,
}

impl DropoutRow {
    /// The row at `index`: the example, counted in the batch, and the index along every further axis but the last.
    pub fn new(index: &[usize], p: f64, draws: Draws) -> Self {
        let example = draws.first_row + index[0] as u64;
        let start = draws.key.nth(example);
        let key = index[1..].iter().fold(start, |key, &i| key.nth(i as u64));
        Self::of_key(key, p)
    }

    fn of_key(key: Key, p: f64) -> Self {
        #[expect(clippy::cast_sign_loss, reason = "a probability is not negative")]
        let threshold = (p * 4_294_967_296.0) as u32;
        Self {
            key,
            threshold,
            kept: (1.0 / (1.0 - p)) as f32,
        }
    }

    /// By what [`dropout`] multiplies element `i` of the row: `0` or `1 / (1 - p)`.
    pub fn factor(&self, i: usize) -> f32 {
        let [even, odd] = halves(self.key.bits(i as u64 / 2));
        self.of_half(if i.is_multiple_of(2) { even } else { odd })
    }

    #[inline(always)]
    fn of_half(&self, half: u32) -> f32 {
        if half < self.threshold {
            0.0
        } else {
            self.kept
        }
    }

    /// Multiplies elements of the row, from an even place `first` on.
    #[inline(always)]
    pub(crate) fn apply(&self, first: usize, values: &mut [f32]) {
        // Eight hashes at a time are what the widest registers hold.
        let (blocks, rest) = values.as_chunks_mut::<16>();
        let mut counter = first as u64 / 2;
        for block in blocks {
            let mut bits = [0; 8];
            for (i, bits) in (0..).zip(&mut bits) {
                *bits = self.key.bits(counter + i);
            }
            for (pair, bits) in block.as_chunks_mut::<2>().0.iter_mut().zip(bits) {
                let [even, odd] = halves(bits);
                pair[0] *= self.of_half(even);
                pair[1] *= self.of_half(odd);
            }
            counter += 8;
        }
        for pair in rest.chunks_mut(2) {
            for (value, half) in pair.iter_mut().zip(halves(self.key.bits(counter))) {
                *value *= self.of_half(half);
            }
            counter += 1;
        }
    }
}

/// What two neighbouring elements draw from the same 64 bits.
#[inline(always)]
fn halves(bits: u64) -> [u32; 2] {
    [(bits >> 32) as u32, bits as u32]
}

/// Multiplies rows of a tensor of the given shape, from row `first` of its last axis on, by `0` or `1 / (1 - p)`.
#[inline(always)]
pub(crate) fn apply_mask(values: &mut [f32], first: usize, shape: &[usize], p: f64, draws: Draws) {
    let Some((&width, outer)) = shape.split_last() else {
        return;
    };
    if values.is_empty() {
        return;
    }
    // Rows that differ only in the index along the last of the outer axes have all but one step of their keys in common.
    let (&last, before) = outer.split_last().unwrap_or((&1, &[]));
    let mut group = None;
    for (row, values) in (first..).zip(values.chunks_exact_mut(width)) {
        let key = match group {
            Some((number, key)) if number == row / last => key,
            _ => row_key(row / last, before, draws),
        };
        group = Some((row / last, key));
        let key = if before.is_empty() {
            draws.key.nth(draws.first_row + row as u64)
        } else {
            key.nth((row % last) as u64)
        };
        DropoutRow::of_key(key, p).apply(0, values);
    }
}

/// The key of row `row` of the last axis: that of its example, narrowed by the index along every further axis.
pub(crate) fn row_key(row: usize, outer: &[usize], draws: Draws) -> Key {
    let Some((_, inner_axes)) = outer.split_first() else {
        return draws.key;
    };
    let inner: usize = inner_axes.iter().product();
    let mut key = draws.key.nth(draws.first_row + (row / inner) as u64);
    let (mut rest, mut size) = (row % inner, inner);
    for axis in inner_axes {
        size /= axis;
        key = key.nth((rest / size) as u64);
        rest %= size;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device};

    fn draws(first_row: u64) -> Draws {
        Draws {
            key: Key::new(3),
            first_row,
        }
    }

    #[test]
    fn an_example_meets_the_same_mask_in_every_batch() {
        let mask = |shape: [usize; 3], first_row| {
            let mut mask = vec![1.0; shape.iter().product()];
            apply_mask(&mut mask, 0, &shape, 0.3, draws(first_row));
            mask
        };
        let whole = mask([4, 5, 7], 0);
        let part = mask([2, 3, 7], 2);
        for b in 0..2 {
            for t in 0..3 {
                let at = |b: usize, t: usize, length: usize| (b * length + t) * 7;
                assert_eq!(
                    whole[at(b + 2, t, 5)..][..7],
                    part[at(b, t, 3)..][..7],
                    "row {b}, position {t}"
                );
            }
        }
    }

    #[test]
    fn a_row_by_itself_has_the_draws_of_the_whole() {
        let shape = [2, 3, 5, 7];
        let mut whole = vec![1.0; 2 * 3 * 5 * 7];
        apply_mask(&mut whole, 0, &shape, 0.3, draws(4));
        for (row, expected) in whole.chunks(7).enumerate() {
            let index = [row / 15, row / 5 % 3, row % 5];
            let row = DropoutRow::new(&index, 0.3, draws(4));
            let factors: Vec<f32> = (0..7).map(|i| row.factor(i)).collect();
            assert_eq!(factors, expected, "row {index:?}");
        }
    }

    #[test]
    fn nothing_has_nothing_to_drop() {
        let device = Device::flex();
        for shape in [[2, 3, 0], [2, 0, 3], [0, 2, 3]] {
            let x = dropout(Tensor::<3>::zeros(shape, &device), 0.5, draws(0));
            assert_eq!(x.dims(), shape);
            let x = Tensor::<3>::zeros(shape, (&device, DType::F64)); // no operation of its own
            assert_eq!(dropout(x, 0.5, draws(0)).dims(), shape);
        }
    }

    #[test]
    fn a_number_keeps_its_type() {
        let ones = |dtype| Tensor::<2>::ones([5, 7], (&Device::flex(), dtype));
        let [single, double] = [DType::F32, DType::F64].map(|t| dropout(ones(t), 0.5, draws(0)));
        assert_eq!(double.dtype(), DType::F64);
        assert_eq!(double.cast(DType::F32).into_data(), single.into_data());
    }

    #[test]
    fn dropped_share_is_p_and_the_mean_is_kept() {
        let device = Device::flex();
        let ones = Tensor::<3>::ones([50, 20, 100], &device);
        let y = dropout(ones, 0.2, draws(0));
        let values = y.into_data();
        let values = values.as_slice::<f32>().unwrap();
        let n = values.len() as f64;
        let zeros = values.iter().filter(|&&v| v == 0.0).count() as f64;
        // Five standard errors of a share of 0.2.
        assert!((zeros / n - 0.2).abs() < 5.0 * 0.4 / n.sqrt());
        assert!(values.iter().all(|&v| v == 0.0 || (v - 1.25).abs() < 1e-6));
    }
}
