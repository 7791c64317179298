use std::cmp::Reverse;
use std::collections::BTreeMap;

use rayon::prelude::*;

/// Examples that make a batch at least as large as any that any epoch can make, so that memory can
/// be tried before the first step.
///
/// A batch of width `w` (the longer side of its widest example, with one special id) has at most
/// `batch_tokens / w` rows. So for each width: as many of the examples that are no wider as fit,
/// those with the most tokens on both sides together. Of these batches it is the one with the most
/// tokens; among equals the narrowest, of earliest examples. It need not be one that an epoch makes.
///
/// # Example
///
/// ```
/// use regard_text::batch::worst_batch;
///
/// // Two rows of width 5 have 20 tokens, four of width 3 have 24.
/// let lengths = [(4, 4), (2, 2), (2, 1), (4, 4), (2, 2), (2, 2), (2, 2)];
/// assert_eq!(worst_batch(&lengths, 12), [1, 4, 5, 6]);
/// ```
pub fn worst_batch(lengths: &[(u16, u16)], batch_tokens: usize) -> Vec<u32> {
    let counts = lengths
        .par_chunks(CHUNK)
        .map(count)
        .reduce(BTreeMap::new, |mut left, right| {
            for (size, count) in right {
                *left.entry(size).or_insert(0) += count;
            }
            left
        });

    // Of all examples up to a width, by their tokens.
    let mut upto: BTreeMap<Reverse<usize>, usize> = BTreeMap::new();
    let mut worst = Choice::default();
    let mut counts = counts.into_iter().peekable();
    while let Some((Size { width, tokens }, count)) = counts.next() {
        *upto.entry(Reverse(tokens)).or_insert(0) += count;
        let is_last = counts.peek().is_none_or(|(next, _)| next.width > width);
        if is_last {
            let choice = Choice::of(width, batch_tokens, &upto);
            if choice.tokens > worst.tokens {
                worst = choice;
            }
        }
    }

    let mut equals = worst.equals;
    let mut batch = Vec::new();
    for (&lengths, index) in lengths.iter().zip(0..) {
        let Size { width, tokens } = Size::of(lengths);
        if width > worst.width || tokens < worst.least {
            continue;
        }
        if tokens == worst.least {
            if equals == 0 {
                continue;
            }
            equals -= 1;
        }
        batch.push(index);
    }
    batch
}

/// Examples that one thread counts.
const CHUNK: usize = 1 << 16;

/// Width of an example and tokens on both sides, with special ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Size {
    width: usize,
    tokens: usize,
}

impl Size {
    fn of((source, target): (u16, u16)) -> Self {
        let (source, target) = (usize::from(source) + 1, usize::from(target) + 1);
        Self {
            width: source.max(target),
            tokens: source + target,
        }
    }
}

fn count(lengths: &[(u16, u16)]) -> BTreeMap<Size, usize> {
    let mut counts = BTreeMap::new();
    for &lengths in lengths {
        *counts.entry(Size::of(lengths)).or_insert(0) += 1;
    }
    counts
}

/// The largest batch up to a width.
#[derive(Debug, Default)]
struct Choice {
    width: usize,
    tokens: usize,
    /// Tokens of the smallest example in it, and how many of that size are in it.
    least: usize,
    equals: usize,
}

impl Choice {
    fn of(width: usize, batch_tokens: usize, upto: &BTreeMap<Reverse<usize>, usize>) -> Self {
        let mut rows = (batch_tokens / width).max(1);
        let mut choice = Self {
            width,
            ..Self::default()
        };
        for (&Reverse(tokens), &count) in upto {
            let taken = rows.min(count);
            choice.tokens += taken * tokens;
            (choice.least, choice.equals) = (tokens, taken);
            rows -= taken;
            if rows == 0 {
                break;
            }
        }
        choice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::plan_epoch;
    use proptest::prelude::*;

    fn tokens(batch: &[u32], lengths: &[(u16, u16)]) -> usize {
        let sum = |&index: &u32| {
            let (source, target) = lengths[index as usize];
            usize::from(source) + usize::from(target) + 2
        };
        batch.iter().map(sum).sum()
    }

    proptest! {
        #[test]
        fn no_batch_of_any_epoch_has_more_tokens(
            lengths in prop::collection::vec((0_u16..40, 0_u16..40), 1..200),
            batch_tokens in 0_usize..300, seed: u64,
        ) {
            let worst = worst_batch(&lengths, batch_tokens);
            prop_assert!(!worst.is_empty());
            let widest = worst.iter().map(|&i| lengths[i as usize]).map(|(s, t)| s.max(t)).max();
            let padded = worst.len() * (usize::from(widest.unwrap()) + 1);
            prop_assert!(worst.len() == 1 || padded <= batch_tokens);
            for epoch in 0..3 {
                for batch in plan_epoch(&lengths, batch_tokens, seed, epoch).iter() {
                    prop_assert!(tokens(batch, &lengths) <= tokens(&worst, &lengths));
                }
            }
        }
    }

    #[test]
    fn an_example_above_the_budget_is_the_worst() {
        assert_eq!(worst_batch(&[(3, 3), (90, 2), (3, 3)], 12), [1]);
    }

    #[test]
    fn of_no_examples_there_is_no_batch() {
        assert!(worst_batch(&[], 100).is_empty());
    }
}
