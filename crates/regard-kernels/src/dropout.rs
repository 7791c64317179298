//! Dropout whose draws belong to examples, not to batches.

#![expect(
    clippy::inline_always,
    reason = "draws are part of the loops that they serve, and get their instruction set"
)]

use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::Key;
use crate::devices::is_gpu;
use crate::precision::of_type;

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
    if shape.contains(&0) {
        return x;
    }
    let rows = DropoutRows::new(&shape, p, draws);
    let factors = factors(&x, shape[D - 1], |row| rows.row(row));
    x * factors.reshape(shape)
}

/// By what the elements of `x` are multiplied, `[rows, width]`, in its type; `row` says the draws of a row. A GPU computes them
/// itself: what crosses over are two numbers a row.
fn factors<const D: usize>(
    x: &Tensor<D>,
    width: usize,
    row: impl Fn(usize) -> DropoutRow,
) -> Tensor<2> {
    let count = x.shape().num_elements() / width;
    let like = (&x.device(), x.dtype());
    if is_gpu(&x.device()) {
        let rows: Vec<DropoutRow> = (0..count).map(row).collect();
        return of_type(device_factors(&rows, width, &x.device()), x.dtype());
    }
    let mut factors = vec![1.0; count * width];
    for (number, values) in factors.chunks_exact_mut(width).enumerate() {
        row(number).apply(0, values);
    }
    Tensor::from_data(TensorData::new(factors, [count, width]), like)
}

/// [`DropoutRow::factor`] of every row and element, by operations on whole numbers of 32 bits with a sign: products and sums
/// wrap around as those without one do, shifts need their copies of the sign taken off, and comparing needs its bit turned.
fn device_factors(rows: &[DropoutRow], width: usize, device: &Device) -> Tensor<2> {
    let (one, count) = (rows[0], rows.len());
    let numbers = |part: usize| {
        let bits: Vec<i32> = rows.iter().map(|row| row.key[part].cast_signed()).collect();
        Tensor::<2, Int>::from_data(TensorData::new(bits, [count, 1]), (device, DType::I32))
    };
    let columns = i64::try_from(width).expect("rows are shorter than 2^31");
    let element = Tensor::<1, Int>::arange(0..columns, (device, DType::I32)).unsqueeze::<2>();
    let shifted = |z: &Tensor<2, Int>, bits: i32| {
        let z = z.clone().bitwise_right_shift_scalar(bits);
        z.bitwise_and_scalar((u32::MAX >> bits).cast_signed())
    };
    let z = numbers(0) + element * 0x9e37_79b9_u32.cast_signed();
    let z = z.bitwise_xor(numbers(1).expand([count, width]));
    let z = z.clone().bitwise_xor(shifted(&z, 16)) * 0x21f0_aaad_u32.cast_signed();
    let z = z.clone().bitwise_xor(shifted(&z, 15)) * 0x735a_2d97_u32.cast_signed();
    let sign = i32::MIN;
    let dropped = z
        .bitwise_xor_scalar(sign)
        .lower_elem(one.threshold.cast_signed() ^ sign);
    let kept = Tensor::full([count, width], one.kept, device);
    kept.mask_fill(dropped, 0.0)
}

/// A dropout of rows that belong to sequences: those of one example behind those of another, with or without padding.
#[derive(Clone, Debug)]
pub struct RowDropout {
    /// Probability of dropping an element, in `[0, 1)`.
    pub p: f64,
    /// Where the draws come from.
    pub draws: Draws,
    /// How many rows each example has.
    pub lengths: Arc<[usize]>,
}

/// [`dropout`] of rows of sequences, each of which meets the draws that it meets in `[B, L, W]`.
///
/// # Shapes
///
/// `x: [N, W]`, the lengths of the examples sum to N; the result has the same shape.
///
/// # Panics
///
/// If the lengths do not sum to N, or as [`dropout`].
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{Draws, Key, RowDropout, dropout, dropout_rows, pack_rows};
///
/// let x = Tensor::<3>::ones([2, 3, 8], &Device::flex());
/// let draws = Draws { key: Key::new(1), first_row: 0 };
/// let rows = RowDropout { p: 0.5, draws, lengths: vec![1, 3].into() };
/// let packed = dropout_rows(pack_rows(x.clone(), vec![1, 3]), &rows);
/// assert_eq!(packed.into_data(), pack_rows(dropout(x, 0.5, draws), vec![1, 3]).into_data());
/// ```
pub fn dropout_rows(x: Tensor<2>, dropout: &RowDropout) -> Tensor<2> {
    let shape = x.dims();
    dropout.check("dropout_rows", shape[0]);
    if dropout.p == 0.0 {
        return x;
    }
    #[cfg(feature = "flex")]
    if let Some(operand) = crate::flex::Operand::new(&x) {
        return crate::flex::apply(crate::flex::RowDropoutOp(dropout.clone()), [operand]);
    }
    if shape.contains(&0) {
        return x;
    }
    let rows = dropout.rows();
    let factors = factors(&x, shape[1], |row| rows.row(row));
    x * factors
}

impl RowDropout {
    /// # Panics
    ///
    /// If the probability is none, or there are other rows than `rows`.
    pub(crate) fn check(&self, function: &str, rows: usize) {
        let Self { p, lengths, .. } = self;
        assert!(
            (0.0..1.0).contains(p) && lengths.iter().sum::<usize>() == rows,
            "{function}: expected a probability in [0, 1) and lengths that sum to {rows}, got {p} and {lengths:?}"
        );
    }

    pub(crate) fn rows(&self) -> SequenceRows {
        let mut end = 0;
        let ends = self.lengths.iter().map(|length| {
            end += length;
            end
        });
        SequenceRows {
            ends: ends.collect(),
            p: self.p,
            draws: self.draws,
        }
    }
}

/// The draws of rows of sequences.
#[derive(Debug)]
pub(crate) struct SequenceRows {
    /// The row behind the last of each example.
    ends: Vec<usize>,
    p: f64,
    draws: Draws,
}

impl SequenceRows {
    /// The draws of row `number`.
    #[inline(always)]
    pub(crate) fn row(&self, number: usize) -> DropoutRow {
        let example = self.ends.partition_point(|&end| end <= number);
        let first = example.checked_sub(1).map_or(0, |before| self.ends[before]);
        let key = self.draws.key.nth(self.draws.first_row + example as u64);
        DropoutRow::of_key(key.nth((number - first) as u64), self.p)
    }
}

/// The draws of one row of the last axis, for those who hold its elements in another order.
///
/// Element `i` is decided by a hash of the row's key, as two numbers `low` and `high` of 32 bits, and of `i`:
///
/// ```text
/// z = (low + 0x9e3779b9 i) ^ high
/// z = 0x21f0aaad (z ^ (z >> 16))
/// z = 0x735a2d97 (z ^ (z >> 15))                           dropped where z < 2^32 p
/// ```
///
/// All in 32 bits, sixteen of which fit the widest registers. The multipliers are those of a hash of 32 bits that was
/// searched for the least bias: <https://github.com/skeeto/hash-prospector/issues/19>; its last step changes low bits, that
/// a comparison of whole numbers has no use for, and is left out.
#[derive(Clone, Copy, Debug)]
pub struct DropoutRow {
    key: [u32; 2],
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

    #[inline(always)]
    fn of_key(key: Key, p: f64) -> Self {
        #[expect(clippy::cast_sign_loss, reason = "a probability is not negative")]
        let threshold = (p * 4_294_967_296.0) as u32;
        Self {
            key: key.halves(),
            threshold,
            kept: (1.0 / (1.0 - p)) as f32,
        }
    }

    /// By what [`dropout`] multiplies element `i` of the row: `0` or `1 / (1 - p)`.
    #[inline(always)]
    pub fn factor(&self, i: usize) -> f32 {
        let [low, high] = self.key;
        let z = low.wrapping_add((i as u32).wrapping_mul(0x9e37_79b9)) ^ high;
        let z = (z ^ (z >> 16)).wrapping_mul(0x21f0_aaad);
        let z = (z ^ (z >> 15)).wrapping_mul(0x735a_2d97);
        if z < self.threshold { 0.0 } else { self.kept }
    }

    /// Multiplies elements of the row, from place `first` on.
    #[inline(always)]
    pub(crate) fn apply(&self, first: usize, values: &mut [f32]) {
        for (i, value) in values.iter_mut().enumerate() {
            *value *= self.factor(first + i);
        }
    }

    /// Multiplies the elements of the row, and adds those of another.
    #[cfg(feature = "flex")]
    #[inline(always)]
    pub(crate) fn apply_and_add(&self, values: &mut [f32], addend: &[f32]) {
        for (i, (value, addend)) in values.iter_mut().zip(addend).enumerate() {
            *value = addend + *value * self.factor(i);
        }
    }
}

/// The draws of the rows of a tensor's last axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropoutRows<'a> {
    /// All axes but the last.
    outer: &'a [usize],
    p: f64,
    draws: Draws,
}

impl<'a> DropoutRows<'a> {
    pub(crate) fn new(shape: &'a [usize], p: f64, draws: Draws) -> Self {
        let outer = shape.split_last().map_or(shape, |(_, outer)| outer);
        Self { outer, p, draws }
    }

    /// The draws of row `number`.
    #[inline(always)]
    pub(crate) fn row(&self, number: usize) -> DropoutRow {
        DropoutRow::of_key(row_key(number, self.outer, self.draws), self.p)
    }
}

/// The key of row `row` of the last axis: that of its example, narrowed by the index along every further axis.
#[inline(always)]
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
            let rows = DropoutRows::new(&shape, 0.3, draws(first_row));
            for (row, values) in mask.chunks_exact_mut(shape[2]).enumerate() {
                rows.row(row).apply(0, values);
            }
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
    fn a_device_draws_what_the_host_does() {
        let width = 37;
        let shape = [4, 3, width];
        for p in [0.1, 0.5, 0.9] {
            let rows = DropoutRows::new(&shape, p, draws(2));
            let rows: Vec<DropoutRow> = (0..12).map(|number| rows.row(number)).collect();
            let factors = device_factors(&rows, width, &crate::test_device()).into_data();
            let expected: Vec<f32> = rows
                .iter()
                .flat_map(|row| (0..width).map(|i| row.factor(i)))
                .collect();
            assert_eq!(factors.as_slice::<f32>().unwrap(), expected, "p = {p}");
        }
    }

    #[test]
    fn a_row_by_itself_has_the_draws_of_the_whole() {
        let shape = [2, 3, 5, 7];
        let rows = DropoutRows::new(&shape, 0.3, draws(4));
        let mut whole = vec![1.0; 2 * 3 * 5 * 7];
        for (row, values) in whole.chunks_exact_mut(7).enumerate() {
            rows.row(row).apply(0, values);
        }
        for (row, expected) in whole.chunks(7).enumerate() {
            let index = [row / 15, row / 5 % 3, row % 5];
            let row = DropoutRow::new(&index, 0.3, draws(4));
            let factors: Vec<f32> = (0..7).map(|i| row.factor(i)).collect();
            assert_eq!(factors, expected, "row {index:?}");
        }
    }

    #[test]
    fn nothing_has_nothing_to_drop() {
        let device = crate::test_device();
        for shape in [[2, 3, 0], [2, 0, 3], [0, 2, 3]] {
            let x = dropout(Tensor::<3>::zeros(shape, &device), 0.5, draws(0));
            assert_eq!(x.dims(), shape);
            let x = Tensor::<3>::zeros(shape, (&device, DType::F64)); // no operation of its own
            assert_eq!(dropout(x, 0.5, draws(0)).dims(), shape);
        }
    }

    #[test]
    fn a_number_keeps_its_type() {
        let ones = |dtype| Tensor::<2>::ones([5, 7], (&crate::test_device(), dtype));
        let [single, double] = [DType::F32, DType::F64].map(|t| dropout(ones(t), 0.5, draws(0)));
        assert_eq!(double.dtype(), DType::F64);
        assert_eq!(double.cast(DType::F32).into_data(), single.into_data());
    }

    const WIDTH: usize = 512;

    /// Which elements of 1,000 rows are dropped.
    fn dropped(p: f64, draws: Draws) -> Vec<Vec<bool>> {
        let shape = [50, 20, WIDTH];
        let rows = DropoutRows::new(&shape, p, draws);
        let of_row = |row: DropoutRow| (0..WIDTH).map(|i| row.factor(i) == 0.0).collect();
        (0..1000).map(|number| of_row(rows.row(number))).collect()
    }

    /// How far a count of `n` events of probability `p` lies from its mean, in standard deviations.
    fn deviation(count: usize, n: usize, p: f64) -> f64 {
        (count as f64 - n as f64 * p) / (n as f64 * p * (1.0 - p)).sqrt()
    }

    #[test]
    fn the_mean_is_kept() {
        let ones = Tensor::<3>::ones([50, 20, 100], &crate::test_device());
        let values = dropout(ones, 0.2, draws(0)).into_data();
        let values = values.as_slice::<f32>().unwrap();
        assert!(values.iter().all(|&v| v == 0.0 || (v - 1.25).abs() < 1e-6));
    }

    #[test]
    fn rows_and_columns_are_dropped_from_as_coins_would() {
        for p in [0.003, 0.1, 0.5, 0.9] {
            let rows = dropped(p, draws(0));
            let of_row = |row: &Vec<bool>| row.iter().filter(|&&dropped| dropped).count();
            let of_column = |i: usize| rows.iter().filter(|row| row[i]).count();
            let rows: Vec<usize> = rows.iter().map(of_row).collect();
            let columns: Vec<usize> = (0..WIDTH).map(of_column).collect();
            let total = deviation(rows.iter().sum(), 1000 * WIDTH, p);
            assert!(
                total.abs() < 5.0,
                "p {p}: the share is {total} deviations off"
            );
            // The sum of squared deviations of n counts has mean n and deviation sqrt(2 n), or a little more where p is
            // small: too even would be as wrong as too uneven.
            for (counts, of) in [(&rows, WIDTH), (&columns, 1000)] {
                let n = counts.len() as f64;
                let squares: f64 = counts.iter().map(|&c| deviation(c, of, p).powi(2)).sum();
                let off = (squares - n) / (2.0 * n + n / (of as f64 * p * (1.0 - p))).sqrt();
                assert!(
                    off.abs() < 5.0,
                    "p {p}: {n} counts are {off} deviations off"
                );
            }
        }
    }

    #[test]
    fn draws_of_two_places_are_independent() {
        for p in [0.1, 0.5] {
            let rows = dropped(p, draws(0));
            let other_key = Draws {
                key: Key::new(4),
                ..draws(0)
            };
            let others = dropped(p, other_key);
            // Pairs of one row, of rows that follow each other, and of the same place under two keys.
            let check = |a: &[Vec<bool>], b: &[Vec<bool>], shift: usize, what: &str| {
                let pairs = a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(&b[shift..]));
                let (mut n, mut both) = (0, 0);
                for (&a, &b) in pairs {
                    n += 1;
                    both += usize::from(a && b);
                }
                let off = deviation(both, n, p * p);
                // Neighbouring pairs share an element, which makes a count vary more, by less than half.
                assert!(
                    off.abs() < 7.0,
                    "p {p}, {what}, shift {shift}: {off} deviations"
                );
            };
            for shift in [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 64, 128, 256] {
                check(&rows, &rows, shift, "one row");
            }
            for shift in [0, 1, 2, 16] {
                check(&rows, &rows[1..], shift, "the next row");
                check(&rows, &rows[20..], shift, "the next example");
                check(&rows, &others, shift, "another key");
            }
        }
    }

    #[test]
    fn both_halves_of_a_key_count() {
        let row = |key| DropoutRow {
            key,
            threshold: 1 << 31,
            kept: 2.0,
        };
        let pattern = |key| -> Vec<bool> { (0..4096).map(|i| row(key).factor(i) == 0.0).collect() };
        let first = pattern([5, 9]);
        for key in [[6, 9], [5, 10], [5 + (1 << 31), 9], [5, 9 + (1 << 31)]] {
            let same = first.iter().zip(pattern(key)).filter(|(a, b)| *a == b);
            let off = deviation(same.count(), 4096, 0.5);
            assert!(off.abs() < 5.0, "{key:?} against [5, 9]: {off} deviations");
        }
    }
}
