//! Loops that use whatever vector instructions the machine has.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use std::mem::MaybeUninit;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::{elements, matrix_shape, tensor};

/// Elements a task handles at least; below it, handing work to another core costs more than it gains.
const TASK: usize = 1 << 14;

/// Runs `f`, compiled for the machine's best instruction set. Everything in `f` must be inlined to profit, and so must `f`
/// itself: a closure of more than a few lines is not, unless it says `#[inline(always)]`.
#[inline]
pub(super) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    // The instruction set changes speed only: no fused multiply-add is formed unless it is written.
    pulp::Arch::new().dispatch(f)
}

/// Rows a task takes, for rows of `width` elements. It does not depend on the number of cores, so neither do sums
/// that are made per task.
pub(super) fn rows_per_task(width: usize) -> usize {
    (TASK / width.max(1)).max(1)
}

/// Calls `f` on blocks of rows of `output`, with the number of the block's first row.
pub(super) fn for_rows(output: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if width == 0 {
        return;
    }
    let rows = rows_per_task(width);
    if output.len() <= TASK {
        return f(0, output);
    }
    output
        .par_chunks_mut(rows * width)
        .enumerate()
        .for_each(|(block, chunk)| f(block * rows, chunk));
}

/// Results of `work` on each piece, in order; `work` is run as [`vectorized`] runs it.
pub(crate) fn each_piece<T: Send, R: Send>(
    pieces: impl ExactSizeIterator<Item = T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let task = |piece: T| {
        vectorized(
            #[inline(always)]
            || work(piece),
        )
    };
    if pieces.len() == 1 {
        return pieces.map(task).collect();
    }
    let pieces: Vec<T> = pieces.collect();
    pieces.into_par_iter().map(task).collect()
}

/// A block of rows: of a tensor, to be changed, or of memory that is still to be written.
enum Block<'a> {
    Old(&'a mut [f32]),
    New(&'a mut [MaybeUninit<f32>]),
}

/// Where row `i` of the result begins as a copy of row `from(i)`.
type Origin<'a> = &'a (dyn Fn(usize) -> &'a [f32] + Sync);

/// Calls `f` on each row of the blocks, with its number and with `n_sums` numbers to add to. These begin at 0 in each block
/// and are added in the order of blocks.
///
/// `f` is run as [`vectorized`] runs it.
fn each_row(
    blocks: Vec<Block<'_>>,
    width: usize,
    n_sums: usize,
    from: Origin<'_>,
    f: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> Vec<f32> {
    let step = rows_per_task(width);
    let task = |(number, mut block): (usize, Block<'_>)| {
        let mut sums = vec![0.0; n_sums];
        let size = match &block {
            Block::Old(values) => values.len(),
            Block::New(values) => values.len(),
        };
        vectorized(
            #[inline(always)]
            || {
                for (i, at) in (0..size).step_by(width).enumerate() {
                    let row = number * step + i;
                    let values = match &mut block {
                        Block::Old(values) => &mut values[at..at + width],
                        Block::New(values) => values[at..at + width].write_copy_of_slice(from(row)),
                    };
                    f(row, values, &mut sums);
                }
            },
        );
        sums
    };
    let partial: Vec<Vec<f32>> = if blocks.len() > 1 {
        blocks.into_par_iter().enumerate().map(task).collect()
    } else {
        blocks.into_iter().enumerate().map(task).collect()
    };
    added(n_sums, &partial)
}

/// The sum of vectors of `width` elements, in their order.
fn added(width: usize, vectors: &[Vec<f32>]) -> Vec<f32> {
    let mut total = vec![0.0; width];
    for vector in vectors {
        for (total, value) in total.iter_mut().zip(vector) {
            *total += value;
        }
    }
    total
}

/// New rows of `width` elements: row `i` begins as a copy of `from(i)`, which `f` then works on while it is in the first
/// cache. Memory is neither zeroed before nor gone through twice.
pub(super) fn new_rows(
    rows: usize,
    width: usize,
    from: Origin<'_>,
    f: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    new_summed_rows(
        rows,
        width,
        0,
        from,
        #[inline(always)]
        |row, values, _| f(row, values),
    )
    .0
}

/// As [`new_rows`], with `n_sums` sums over all rows, to which `f` adds.
#[expect(
    unsafe_code,
    reason = "no safe function writes the capacity of a vector in parallel"
)]
fn new_summed_rows(
    rows: usize,
    width: usize,
    n_sums: usize,
    from: Origin<'_>,
    f: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let size = rows * width;
    let mut output = Vec::with_capacity(size);
    let spare = &mut output.spare_capacity_mut()[..size];
    let blocks = spare.chunks_mut(block_size(width)).map(Block::New);
    let sums = each_row(blocks.collect(), width, n_sums, from, f);
    // SAFETY: the blocks are whole rows and cover the first `size` elements, and each row has been written:
    // `write_copy_of_slice` writes all of a slice, or panics.
    unsafe { output.set_len(size) };
    (output, sums)
}

/// Calls `f` on each row of a tensor, with its number: in place if nothing else owns the memory, otherwise on a copy.
pub(super) fn mapped_rows(
    input: FlexTensor,
    width: usize,
    f: impl Fn(usize, &mut [f32]) + Sync,
) -> FlexTensor {
    summed_rows(
        input,
        width,
        0,
        #[inline(always)]
        |row, values, _| f(row, values),
    )
    .0
}

/// As [`mapped_rows`], with `n_sums` sums over all rows, to which `f` adds.
pub(super) fn summed_rows(
    input: FlexTensor,
    width: usize,
    n_sums: usize,
    f: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> (FlexTensor, Vec<f32>) {
    let mut output = input.to_contiguous();
    drop(input); // may have been the other owner
    if output.is_unique() {
        let values: &mut [f32] = output.storage_mut();
        let blocks = values.chunks_mut(block_size(width)).map(Block::Old);
        let sums = each_row(blocks.collect(), width, n_sums, &|_| &[], f);
        return (output, sums);
    }
    let (values, [rows, _]) = (elements(&output), matrix_shape(&output));
    let from = |row: usize| &values[row * width..][..width];
    let (values, sums) = new_summed_rows(rows, width, n_sums, &from, f);
    (tensor(values, output.layout().shape().clone()), sums)
}

/// Elements of a block of rows.
fn block_size(width: usize) -> usize {
    rows_per_task(width) * width.max(1)
}

/// The sum of the rows of a matrix, in an order that does not depend on the number of cores.
pub(super) fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    sum_partial(
        values.len() / width.max(1),
        width,
        #[inline(always)]
        |range, sums| {
            for row in values[range.start * width..range.end * width].chunks_exact(width) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        },
    )
}

/// Sums vectors of `width` elements over `rows`: `f` adds a range of rows to partial sums, which are added in order.
pub(super) fn sum_partial(
    rows: usize,
    width: usize,
    f: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) -> Vec<f32> {
    let step = rows_per_task(width);
    let partial: Vec<Vec<f32>> = (0..rows.div_ceil(step))
        .into_par_iter()
        .map(|block| {
            let mut sums = vec![0.0; width];
            let range = block * step..((block + 1) * step).min(rows);
            vectorized(
                #[inline(always)]
                || f(range, &mut sums),
            );
            sums
        })
        .collect();
    added(width, &partial)
}

/// `e^x` to about one unit in the last place, exactly 0 below -80: no denormal number ever comes out, since
/// products with those run twenty times slower.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln 2 / 2; e^r by its Taylor polynomial, whose seventh-order
    // remainder is below 2^-26 there. Each multiplication is rounded together with its addition: one instruction where there
    // are vectors worth the name.
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves an integer in the low bits
    let clamped = x.clamp(-80.0, 88.0);
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(2.121_944_4e-4, n.mul_add(-355.0 / 512.0, clamped));
    let mut polynomial: f32 = 1.0 / 5040.0;
    for coefficient in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        polynomial = polynomial.mul_add(r, coefficient);
    }
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x < -80.0 { 0.0 } else { polynomial * scale }
}

/// Hyperbolic tangent to about two units in the last place, exactly 1 or -1 where that is nearest.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    // Below 0.6, x + x^3 P(x^2), where P interpolates at the five Chebyshev nodes of the interval of x^2: off by less than 1.1e-8 of
    // the value. Above, 1 - 2 / (e^(2 |x|) + 1), which near 0 would cancel.
    let (size, square) = (x.abs(), x * x);
    let mut polynomial: f32 = -0.006_269_119_7;
    for coefficient in [0.021_110_96, -0.053_873_95, 0.133_329_15, -0.333_333_3] {
        polynomial = polynomial.mul_add(square, coefficient);
    }
    let near = (x * square).mul_add(polynomial, x);
    let far = 1.0 - 2.0 / (exp(2.0 * size) + 1.0);
    if size < 0.6 { near } else { far.copysign(x) }
}

/// Sixteen running sums as one. Not a part of the loop that made them, which the compiler would else cut into the narrow
/// vectors that suit these few additions.
#[inline(never)]
pub(super) fn folded(lanes: &[f32; 16]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Largest element; several running maxima, so that they vectorise.
#[inline(always)]
pub(super) fn maximum(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max)
}

/// Where something that is not below `value` stands first.
#[inline(always)]
pub(super) fn first(values: &[f32], value: f32) -> Option<usize> {
    let mut start = 0;
    for chunk in values.as_chunks::<16>().0 {
        let mut found = false;
        for &x in chunk {
            found |= x >= value;
        }
        if found {
            break;
        }
        start += 16;
    }
    for (place, &x) in values.iter().enumerate().skip(start) {
        if x >= value {
            return Some(place);
        }
    }
    None
}

/// Sum of `f` over elements, in sixteen running sums: the same order on every machine.
#[inline(always)]
pub(super) fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += f(value);
        }
    }
    folded(&lanes) + rest.iter().map(|&value| f(value)).sum::<f32>()
}

/// Replaces elements by `f` of them; their sum, as [`sum`].
#[inline(always)]
pub(super) fn replace_and_sum(values: &mut [f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks_mut::<16>();
    let mut lanes = [0.0; 16];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *value = f(*value);
            *lane += *value;
        }
    }
    let mut total = folded(&lanes);
    for value in rest {
        *value = f(*value);
        total += *value;
    }
    total
}

/// Sum of `f` over pairs of elements, as [`sum`].
#[inline(always)]
pub(super) fn sum_pairs(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut lanes = [0.0; 16];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f(a, b);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| f(a, b));
    folded(&lanes) + rest.sum::<f32>()
}

/// Replaces scores by their softmax.
#[inline(always)]
pub(super) fn softmax(scores: &mut [f32]) {
    let highest = maximum(scores);
    for score in scores.iter_mut() {
        *score = exp(*score - highest);
    }
    let total = sum(scores, |value| value);
    let factor = 1.0 / total;
    for score in scores.iter_mut() {
        *score *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_that_of_f64_to_one_and_a_half_units() {
        let mut x = -79.9_f32;
        while x < 88.0 {
            let expected = f64::from(x).exp();
            let relative = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(
                relative < 1.5 * f64::from(f32::EPSILON),
                "exp({x}) is off by {relative:e}"
            );
            x += 0.001_7;
        }
        assert!((exp(0.0) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn exp_of_blocked_scores_is_exactly_zero() {
        for x in [-80.1, -1e4, -1e30, f32::NEG_INFINITY] {
            assert_eq!(exp(x).to_bits(), 0);
        }
    }

    #[test]
    fn tanh_is_that_of_f64_to_two_units() {
        let unit = f64::from(f32::EPSILON);
        let mut size = 1e-6_f32;
        while size < 20.0 {
            for x in [size, -size] {
                let expected = f64::from(x).tanh();
                let relative = (f64::from(tanh(x)) - expected).abs() / expected.abs();
                assert!(relative < 2.0 * unit, "tanh({x}) is off by {relative:e}");
            }
            size *= 1.000_3;
        }
    }

    #[test]
    fn tanh_at_its_ends() {
        for x in [9.2, 1e4, f32::MAX, f32::INFINITY] {
            let ends = [x, -x].map(|x| tanh(x).to_bits());
            assert_eq!(ends, [1.0_f32, -1.0].map(f32::to_bits));
        }
        for x in [0.0, 1e-30, f32::MIN_POSITIVE, -1e-40] {
            assert_eq!(tanh(x).to_bits(), x.to_bits());
        }
        assert!(tanh(f32::NAN).is_nan());
    }

    #[test]
    fn sums_and_maxima_take_every_element_once() {
        let values: Vec<f32> = (1..=37).map(|i| i as f32).collect();
        assert_eq!(sum(&values, |v| v).to_bits(), 703.0_f32.to_bits());
        let squares = sum_pairs(&values, &values, |a, b| a * b);
        assert_eq!(squares.to_bits(), 17_575.0_f32.to_bits());
        assert_eq!(maximum(&values).to_bits(), 37.0_f32.to_bits());
        for place in 0..37 {
            assert_eq!(first(&values, values[place]), Some(place));
        }
        assert_eq!(first(&values, 38.0), None);
        assert_eq!(column_sums(&[1.0, 2.0, 3.0, 4.0], 2), [4.0, 6.0]);
    }
}
