//! How far a score may be trusted: intervals from sentences drawn again.
//!
//! A score over a test set is made of counts that add up over its sentences. Here: drawing sentences
//! with replacement and adding up. What the counts are, and which score they make, is the caller's
//! business.

use std::iter::Sum;

/// Test sets drawn from a test set: as many sentences, each drawn from all of them.
///
/// Draw `i` of resample `r` is a function of (seed, r, i) and the number of sentences, so two systems
/// on the same sentences are resampled alike, and the difference of their scores, resample by
/// resample, is that of a paired bootstrap.
///
/// # References
///
/// Koehn. Statistical Significance Tests for Machine Translation Evaluation. EMNLP 2004.
/// <https://aclanthology.org/W04-3250>
///
/// # Example
///
/// ```
/// use regard_eval::bootstrap::{Bootstrap, interval};
///
/// let right = [1, 1, 0, 1, 1, 0, 1, 1];
/// let shares: Vec<f64> = Bootstrap::new(1).sums(&right).map(|n: i32| f64::from(n) / 8.0).collect();
/// let [low, high] = interval(&shares);
/// assert!(low < 0.75 && 0.75 < high);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    seed: u64,
}

impl Bootstrap {
    /// Test sets that are drawn.
    pub const RESAMPLES: usize = 1_000;

    /// The draws of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Other draws, for other sentences.
    #[must_use]
    pub fn nth(self, index: usize) -> Self {
        Self {
            seed: mixed(self.seed, index),
        }
    }

    /// The sum over each of the [`RESAMPLES`](Self::RESAMPLES) test sets.
    pub fn sums<S: Copy + Sum>(self, sentences: &[S]) -> impl Iterator<Item = S> {
        (0..Self::RESAMPLES).map(move |resample| {
            let places = self.places(resample, sentences.len());
            places.map(|place| sentences[place]).sum()
        })
    }

    /// Which of `n` sentences make the test set of a resample.
    pub(crate) fn places(self, resample: usize, n: usize) -> impl Iterator<Item = usize> {
        let key = mixed(self.seed, resample);
        (0..n).map(move |i| place(mixed(key, i), n))
    }

    /// A fair coin for each of `n` sentences.
    pub(crate) fn coins(self, trial: usize, n: usize) -> impl Iterator<Item = bool> {
        const BITS: usize = u64::BITS as usize;
        let key = mixed(self.seed, trial);
        (0..n.div_ceil(BITS)).flat_map(move |i| {
            let bits = mixed(key, i);
            (0..BITS.min(n - i * BITS)).map(move |bit| bits >> bit & 1 == 1)
        })
    }
}

/// The middle 95 % of `values`: their 2.5 % and 97.5 % quantiles, between neighbours by a straight line.
///
/// # Panics
///
/// If there are no values.
pub fn interval(values: &[f64]) -> [f64; 2] {
    assert!(
        !values.is_empty(),
        "interval: expected at least one value, got none"
    );
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    [25, 975].map(|thousandths| {
        let (whole, rest) = (
            (sorted.len() - 1) * thousandths / 1_000,
            (sorted.len() - 1) * thousandths % 1_000,
        );
        let (low, high) = (sorted[whole], sorted[(whole + 1).min(sorted.len() - 1)]);
        // Equal neighbours must stay what they are, infinite ones too.
        if low.total_cmp(&high).is_eq() {
            low
        } else {
            low + (high - low) * (rest as f64 / 1_000.0)
        }
    })
}

/// The `index`-th number of the sequence that begins at `seed`: `SplitMix64` (Steele et al., 2014,
/// <https://doi.org/10.1145/2660193.2660195>).
fn mixed(seed: u64, index: usize) -> u64 {
    let steps = (index as u64).wrapping_add(1);
    let z = seed.wrapping_add(steps.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 64 random bits as a place below `n`.
fn place(bits: u64, n: usize) -> usize {
    let scaled = (u128::from(bits) * n as u128) >> 64;
    usize::try_from(scaled).expect("below n")
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn means(seed: u64, values: &[f64]) -> Vec<f64> {
        let sums = Bootstrap::new(seed).sums(values);
        sums.map(|sum: f64| sum / values.len() as f64).collect()
    }

    fn width([low, high]: [f64; 2]) -> f64 {
        high - low
    }

    #[test]
    fn draws_are_those_of_splitmix64() {
        // The first three numbers of the generator seeded with 1234567, as its authors' code prints them.
        let drawn = [0, 1, 2].map(|i| mixed(1_234_567, i));
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn the_width_is_that_of_the_normal_distribution() {
        // Half of 400 sentences right: the mean has a standard deviation of 0.5 / 20.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let expected = 2.0 * 1.96 * 0.025;
        let got = width(interval(&means(3, &values)));
        assert!((got / expected - 1.0).abs() < 0.1, "{got} {expected}");
    }

    #[test]
    fn more_sentences_narrow_the_interval() {
        let values: Vec<f64> = (0..1_600).map(|i| f64::from(i % 7)).collect();
        let widths = [100, 400, 1_600].map(|n| width(interval(&means(1, &values[..n]))));
        assert!(
            widths[0] > 1.5 * widths[1] && widths[1] > 1.5 * widths[2],
            "{widths:?}"
        );
    }

    #[test]
    fn seeds_and_numbers_give_other_draws() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        assert_eq!(means(1, &values), means(1, &values));
        assert_ne!(means(1, &values), means(2, &values));
        let other: Vec<f64> = Bootstrap::new(1).nth(1).sums(&values).collect();
        let same: Vec<f64> = Bootstrap::new(1).sums(&values).collect();
        assert_ne!(same, other);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values: Vec<f64> = (0..=40).rev().map(f64::from).collect();
        assert_eq!(interval(&values), [1.0, 39.0]);
        assert_eq!(interval(&[3.0, 1.0]), [1.05, 2.95]);
        assert_eq!(interval(&[f64::INFINITY; 2]), [f64::INFINITY; 2]);
    }

    proptest! {
        #[test]
        fn constant_sentences_leave_no_doubt(value in 0_u32..1000, n in 1_usize..40, seed: u64) {
            let value = f64::from(value);
            prop_assert_eq!(interval(&means(seed, &vec![value; n])), [value, value]);
        }

        #[test]
        fn intervals_stay_within_the_sentences(
            values in prop::collection::vec(-100_i32..100, 1..30),
            seed: u64,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let [low, high] = interval(&means(seed, &values));
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(least <= low && low <= high && high <= most);
        }

        #[test]
        fn adding_to_every_sentence_moves_the_interval(
            values in prop::collection::vec(0_u8..100, 2..30),
            shift in 1_u8..50,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let shift = f64::from(shift);
            let moved: Vec<f64> = values.iter().map(|value| value + shift).collect();
            let (before, after) = (interval(&means(5, &values)), interval(&means(5, &moved)));
            for (before, after) in before.into_iter().zip(after) {
                prop_assert!((before + shift - after).abs() < 1e-9);
            }
        }
    }
}
