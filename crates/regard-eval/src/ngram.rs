//! N-grams that lines share.
//!
//! A line is kept as one number for each place, the items that follow packed side by side, and sorted. Then n-grams of
//! every length lie together, and comparing two is comparing two numbers.

/// Items of a line, sorted as n-grams of up to `W * 128 / BITS` items of `BITS` bits each.
#[derive(Debug, Clone)]
pub(crate) struct Grams<const BITS: u32, const W: usize> {
    /// The longest n-gram from every place. An item is stored plus one, so that 0 is "the line has ended".
    sorted: Vec<[u128; W]>,
}

/// Characters: 21 bits hold every one of them.
pub(crate) type CharacterGrams<const W: usize> = Grams<21, W>;

/// Words by number.
pub(crate) type WordGrams<const W: usize> = Grams<32, W>;

impl<const BITS: u32, const W: usize> Grams<BITS, W> {
    /// How far the first item of a number lies from its lowest bit.
    const TO_FIRST: u32 = (u128::BITS / BITS - 1) * BITS;

    const PER_WORD: usize = (u128::BITS / BITS) as usize;

    /// The longest n-grams that can be told apart.
    pub(crate) const LONGEST: usize = Self::PER_WORD * W;

    /// `items` are below `2^BITS - 1`.
    pub(crate) fn new(items: &[u32]) -> Self {
        let mut sorted = vec![[0; W]; items.len()];
        // From the end: each place holds its own item before what the next place holds.
        let mut following = [0; W];
        for (place, &item) in sorted.iter_mut().zip(items).rev() {
            following = Self::before(u128::from(item) + 1, following);
            *place = following;
        }
        sorted.sort_unstable();
        Self { sorted }
    }

    /// `item` before the items of `packed`, the last of which drops out. The first item lies in the highest bits.
    fn before(item: u128, mut packed: [u128; W]) -> [u128; W] {
        let mut carried = item;
        for word in &mut packed {
            let last = *word & ((1 << BITS) - 1);
            *word = (*word >> BITS) | (carried << Self::TO_FIRST);
            carried = last;
        }
        packed
    }

    /// How many n-grams of `n` items the line has.
    pub(crate) fn count(&self, n: usize) -> usize {
        (self.sorted.len() + 1).saturating_sub(n)
    }

    /// N-grams of `n` items, each once and ascending, with how often the line has it.
    fn runs(&self, n: usize) -> impl Iterator<Item = ([u128; W], usize)> {
        let whole = (n - 1) / Self::PER_WORD;
        #[expect(clippy::cast_possible_truncation, reason = "below 128")]
        let behind = Self::TO_FIRST - BITS * ((n - 1) % Self::PER_WORD) as u32;
        let first_items = move |packed: &[u128; W]| {
            let mut kept = [0; W];
            kept[..whole].copy_from_slice(&packed[..whole]);
            kept[whole] = packed[whole] >> behind;
            kept
        };
        let is_long_enough = move |kept: &[u128; W]| kept[whole] & ((1 << BITS) - 1) != 0;
        let mut rest = self.sorted.iter().map(first_items).peekable();
        std::iter::from_fn(move || {
            let gram = rest.by_ref().find(is_long_enough)?;
            let mut count = 1;
            while rest.next_if_eq(&gram).is_some() {
                count += 1;
            }
            Some((gram, count))
        })
    }

    /// How many n-grams of `n` items the hypothesis shares with its references: each as often as the hypothesis has
    /// it, and at most as often as the reference that has it most.
    pub(crate) fn matches(&self, references: &[Self], n: usize) -> usize {
        let mut references: Vec<_> = references
            .iter()
            .map(|reference| reference.runs(n).peekable())
            .collect();
        let mut shared = 0;
        for (gram, count) in self.runs(n) {
            let mut most = 0;
            for reference in &mut references {
                while reference.next_if(|(other, _)| *other < gram).is_some() {}
                if let Some((_, count)) = reference.next_if(|(other, _)| *other == gram) {
                    most = most.max(count);
                }
            }
            shared += count.min(most);
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn counted(items: &[u32], n: usize) -> BTreeMap<&[u32], usize> {
        let mut counts = BTreeMap::new();
        for gram in items.windows(n) {
            *counts.entry(gram).or_default() += 1;
        }
        counts
    }

    fn by_counting(hypothesis: &[u32], references: &[Vec<u32>], n: usize) -> usize {
        let references: Vec<_> = references.iter().map(|line| counted(line, n)).collect();
        counted(hypothesis, n)
            .into_iter()
            .map(|(gram, count)| {
                let most = references
                    .iter()
                    .filter_map(|counts| counts.get(gram))
                    .max();
                count.min(most.copied().unwrap_or(0))
            })
            .sum()
    }

    /// Few items, and the largest there can be of characters.
    fn line() -> impl Strategy<Value = Vec<u32>> {
        let item = prop_oneof![4 => 0_u32..3, 1 => Just(u32::from(char::MAX))];
        prop::collection::vec(item, 0..24)
    }

    fn agrees<const BITS: u32, const W: usize>(
        hypothesis: &[u32],
        references: &[Vec<u32>],
    ) -> Result<(), TestCaseError> {
        let grams = Grams::<BITS, W>::new(hypothesis);
        let packed: Vec<_> = references.iter().map(|line| Grams::new(line)).collect();
        for n in 1..=Grams::<BITS, W>::LONGEST {
            let expected = by_counting(hypothesis, references, n);
            prop_assert_eq!(grams.matches(&packed, n), expected, "n = {}", n);
            prop_assert_eq!(grams.count(n), hypothesis.windows(n).count());
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn packing_counts_what_counting_counts(
            hypothesis in line(),
            references in prop::collection::vec(line(), 0..4),
        ) {
            agrees::<21, 1>(&hypothesis, &references)?;
            agrees::<21, 2>(&hypothesis, &references)?;
            agrees::<32, 1>(&hypothesis, &references)?;
            agrees::<32, 2>(&hypothesis, &references)?;
        }
    }

    #[test]
    fn six_characters_and_four_words_fit_one_number() {
        assert_eq!(
            (CharacterGrams::<1>::LONGEST, WordGrams::<1>::LONGEST),
            (6, 4)
        );
        assert_eq!(
            (CharacterGrams::<2>::LONGEST, WordGrams::<2>::LONGEST),
            (12, 8)
        );
    }
}
