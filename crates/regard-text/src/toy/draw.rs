//! Random choices that are the same on every platform and under every version of `rand`: only the
//! stream of `ChaCha8` words is taken from outside, the arithmetic on it is here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of choices.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of `seed` for one purpose, named by two small numbers.
    pub(crate) fn new(seed: u64, task: u8, split: u8) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = task;
        key[9] = split;
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number in `0..bound`; `bound` is at least 1 and below 2^32.
    ///
    /// Multiply and shift: the bias is below `bound / 2^32`, of no account for choosing words.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let product = u64::from(self.0.next_u32()) * bound as u64;
        usize::try_from(product >> 32).unwrap_or(0)
    }

    /// A number in `from..=to`.
    pub(crate) fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, which are not empty.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// One of those `items` that fit.
    pub(crate) fn pick_where<'a, T>(
        &mut self,
        items: &'a [T],
        fits: impl Fn(&T) -> bool,
    ) -> Option<&'a T> {
        let fitting = || items.iter().filter(|item| fits(item));
        let count = fitting().count();
        if count == 0 {
            None
        } else {
            fitting().nth(self.below(count))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_frozen() {
        let mut draw = Draw::new(1, 0, 0);
        let drawn: Vec<usize> = (0..6).map(|_| draw.below(1000)).collect();
        assert_eq!(drawn, [628, 381, 929, 294, 397, 798]);
        let mut other = Draw::new(1, 0, 1);
        assert_ne!(drawn, (0..6).map(|_| other.below(1000)).collect::<Vec<_>>());
    }

    #[test]
    fn bounds_hold_and_every_value_comes() {
        let mut draw = Draw::new(7, 1, 2);
        let mut seen = [false; 5];
        for _ in 0..200 {
            let value = draw.between(3, 7);
            seen[value - 3] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(draw.pick_where(&[1, 2, 3], |&item| item == 2), Some(&2));
        assert_eq!(draw.pick_where(&[1, 2, 3], |&item| item > 3), None);
        assert!(!draw.chance(0));
        assert!(draw.chance(100));
    }
}
