//! Stateless updates over slices. Who owns parameters, moments and schedules is not decided here.

mod adafactor;
mod adam;
mod lion;
mod on_device;
mod sgd;

pub use adafactor::{AdafactorStep, SecondMoment, adafactor};
pub use adam::{AdamStep, adam};
pub use lion::{LionStep, lion};
pub use on_device::{adafactor_on_device, adam_on_device, lion_on_device, sgd_on_device};
pub use sgd::{SgdStep, sgd};

#[cfg(feature = "flex")]
use crate::flex::each_piece;

/// Elements that are worked on at a time. Parameters that are longer are shared out among the cores.
const PIECE: usize = 1 << 14;

/// Moves `average` towards `values`, in place: `average = decay average + (1 - decay) values`.
///
/// # Panics
///
/// If the slices differ in length.
pub fn moving_average(average: &mut [f32], values: &[f32], decay: f64) {
    assert_eq!(
        average.len(),
        values.len(),
        "moving_average: expected slices of one length"
    );
    let (keep, take) = (decay as f32, (1.0 - decay) as f32);
    let pieces = average.chunks_mut(PIECE).zip(values.chunks(PIECE));
    each_piece(
        pieces,
        #[inline(always)]
        |(average, values)| {
            for (average, &value) in average.iter_mut().zip(values) {
                *average = keep * *average + take * value;
            }
        },
    );
}

/// The sum of squares, accumulated in f64 in one fixed order, whatever the number of cores.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    let of_pieces = each_piece(
        values.chunks(PIECE),
        #[inline(always)]
        |piece| {
            sum_of_pairs(
                piece,
                piece,
                #[inline(always)]
                |a, b| f64::from(a) * f64::from(b),
            )
        },
    );
    of_pieces
        .into_iter()
        .fold(0.0, |sum, of_piece| sum + of_piece)
}

/// The sum of `of` over pairs of elements, in one fixed order.
#[expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]
#[inline(always)]
fn sum_of_pairs(left: &[f32], right: &[f32], of: impl Fn(f32, f32) -> f64) -> f64 {
    // Eight running sums let the additions overlap; the order is the same on every machine.
    let mut sums = [0.0_f64; 8];
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    for (left, right) in left.iter().zip(right) {
        for ((sum, &left), &right) in sums.iter_mut().zip(left).zip(right) {
            *sum += of(left, right);
        }
    }
    let rest = left_rest.iter().zip(right_rest);
    let tail: f64 = rest.map(|(&left, &right)| of(left, right)).sum();
    sums.iter().sum::<f64>() + tail
}

/// Where there are no fused operations, pieces come one after the other.
#[cfg(not(feature = "flex"))]
fn each_piece<T, R>(pieces: impl Iterator<Item = T>, work: impl Fn(T) -> R) -> Vec<R> {
    pieces.map(work).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than a piece, and not whole pieces.
    pub(super) fn numbers(name: &str) -> Vec<f32> {
        let key = crate::Key::new(6).at(name);
        let n = 2 * PIECE as u64 + 77;
        (0..n).map(|i| key.normal(i) as f32).collect()
    }

    #[test]
    fn sum_of_squares_counts_every_element_once() {
        let values: Vec<f32> = (1..=19).map(|i| i as f32).collect();
        // n (n + 1) (2 n + 1) / 6
        assert!((sum_of_squares(&values) - 2470.0).abs() < 1e-9);
    }

    #[test]
    fn long_sums_count_every_element_once() {
        let values = numbers("g");
        let expected: f64 = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        assert!((sum_of_squares(&values) / expected - 1.0).abs() < 1e-12);
        assert_eq!(sum_of_squares(&[]).to_bits(), 0.0_f64.to_bits());
    }
}
